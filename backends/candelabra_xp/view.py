# SPDX-License-Identifier: Apache-2.0
"""Short cuts for views, where the module's own methods alias memory; None sends a call the long way by strides."""

from __future__ import annotations

import operator
from typing import Any


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return input.swapaxes(dim0, dim1) if input.ndim else input[...]


def permute(input: Any, dims: Any) -> Any:
    return input.transpose(dims)


def view(input: Any, size: Any) -> Any:
    return input.reshape(size) if input.flags.c_contiguous else None


def _bound_view(ndim: int, size: Any) -> Any:
    def bound(input: Any) -> Any:
        return input.reshape(size) if input.flags.c_contiguous else None

    return bound


def squeeze(input: Any, dim: Any) -> Any:
    return input.squeeze(dim)


def select(input: Any, dim: int, index: int) -> Any:
    return input[(slice(None),) * dim + (index, Ellipsis)]


def narrow(input: Any, dim: int, start: int, length: int) -> Any:
    return input[(slice(None),) * dim + (slice(start, start + length),)]


def unsqueeze(input: Any, dim: int) -> Any:
    return input[(slice(None),) * dim + (None, Ellipsis)]


def basic_index(input: Any, key: Any) -> Any:
    return input[key] if Ellipsis in key else input[(*key, Ellipsis)]


def view_dtype(input: Any, dtype: Any) -> Any:
    return input.view(dtype)


# With the attributes known, methods that Python calls without a frame of its own.
transpose.bound = lambda ndim, dim0, dim1: operator.methodcaller("swapaxes", dim0, dim1) if ndim else None  # type: ignore[attr-defined]
view.bound = _bound_view  # type: ignore[attr-defined]
permute.bound = lambda ndim, dims: operator.methodcaller("transpose", dims)  # type: ignore[attr-defined]
squeeze.bound = lambda ndim, dim: operator.methodcaller("squeeze", dim)  # type: ignore[attr-defined]
select.bound = lambda ndim, dim, index: operator.itemgetter((*(slice(None),) * dim, index, Ellipsis))  # type: ignore[attr-defined]
narrow.bound = lambda ndim, dim, start, length: operator.itemgetter(  # type: ignore[attr-defined]
    (*(slice(None),) * dim, slice(start, start + length), Ellipsis)
)
unsqueeze.bound = lambda ndim, dim: operator.itemgetter((*(slice(None),) * dim, None, Ellipsis))  # type: ignore[attr-defined]


SHORT_CUTS: dict[str, Any] = {
    "basic_index": basic_index,
    "narrow": narrow,
    "permute": permute,
    "select": select,
    "squeeze": squeeze,
    "transpose": transpose,
    "unsqueeze": unsqueeze,
    "view": view,
    "view_dtype": view_dtype,
}
