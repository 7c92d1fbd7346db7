# SPDX-License-Identifier: Apache-2.0
"""Elements in another order, or picked by a mask: the shared kernels for little, compiled ones for much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra_xp import gather as shared_gather
from candelabra_xp import joining as shared

from ..choice import size_from

MUCH = size_from(4096)
"""Elements from which the compiled kernels of this module are used."""


def flip(input: Any, dims: Any) -> Any:
    if input.size >= MUCH:
        from ..nests import moving

        if (found := moving.flip(input, dims)) is not None:
            return found
    return shared.flip(np, input, dims)


def roll(input: Any, shifts: Any, dims: Any) -> Any:
    if input.size >= MUCH and len(shifts) == 1:
        from ..nests import moving

        flat = input if dims is not None else input.reshape(-1)
        if (found := moving.roll(flat, shifts[0], dims[0] if dims is not None else 0)) is not None:
            return found.reshape(input.shape)
    return shared.roll(np, input, shifts, dims)


def _triangle(input: Any, diagonal: int, lower: bool) -> Any:
    if input.size >= MUCH:
        from ..nests import moving

        if (found := moving.triangle(input, diagonal, lower)) is not None:
            return found
    return shared.tril(np, input, diagonal) if lower else shared.triu(np, input, diagonal)


def tril(input: Any, diagonal: int) -> Any:
    return _triangle(input, diagonal, True)


def triu(input: Any, diagonal: int) -> Any:
    return _triangle(input, diagonal, False)


def masked_select(input: Any, mask: Any) -> Any:
    if input.size >= MUCH:
        from ..nests import masks

        if (found := masks.masked_select(input, mask)) is not None:
            return found
    return shared_gather.masked_select(np, input, mask)


def nonzero(input: Any) -> Any:
    if input.size >= MUCH:
        from ..nests import masks

        if (found := masks.nonzero(input)) is not None:
            return found
    return shared_gather.nonzero(np, input)


OWN: Mapping[str, Callable[..., Any]] = {
    "flip": flip,
    "masked_select": masked_select,
    "nonzero": nonzero,
    "roll": roll,
    "tril": tril,
    "triu": triu,
}
