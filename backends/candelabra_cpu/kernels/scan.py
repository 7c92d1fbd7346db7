# SPDX-License-Identifier: Apache-2.0
"""Running reductions by the accumulate method of NumPy's ufuncs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..choice import size_from

MUCH = size_from(2048)
"""Elements from which running sums are compiled."""


def cumsum(input: Any, dim: int) -> Any:
    if input.size >= MUCH and input.ndim:
        from ..nests import scan

        if (found := scan.cumsum(input, dim)) is not None:
            return found
    return np.add.accumulate(input, dim) if input.ndim else input.copy()


def cumprod(input: Any, dim: int) -> Any:
    if input.size >= MUCH and input.ndim:
        from ..nests import scan

        if (found := scan.cumprod(input, dim)) is not None:
            return found
    return np.multiply.accumulate(input, dim) if input.ndim else input.copy()


def logcumsumexp(input: Any, dim: int) -> Any:
    return np.logaddexp.accumulate(input, dim) if input.ndim else input.copy()


def _extremes(ufunc: Any, input: Any, dim: int) -> Any:
    """Running extremes and the latest index that equals each; a nan equals nothing and always is the latest."""
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    if input.size >= MUCH:
        from ..nests import scan

        if (found := scan.extremes("max" if ufunc is np.maximum else "min", input, dim)) is not None:
            return found
    values = ufunc.accumulate(input, dim)
    size = input.shape[dim]
    place = np.arange(size).reshape([size if i == dim else 1 for i in range(input.ndim)])
    return values, np.maximum.accumulate(np.where((input == values) | (input != input), place, 0), dim)


def cummax(input: Any, dim: int) -> Any:
    return _extremes(np.maximum, input, dim)


def cummin(input: Any, dim: int) -> Any:
    return _extremes(np.minimum, input, dim)


OWN: Mapping[str, Callable[..., Any]] = {
    "cummax": cummax,
    "cummin": cummin,
    "cumprod": cumprod,
    "cumsum": cumsum,
    "logcumsumexp": logcumsumexp,
}
