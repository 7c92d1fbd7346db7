# SPDX-License-Identifier: Apache-2.0
"""Writing and adding at positions, into a copy or (`into`) over the first operand itself.

NumPy's `ufunc.at` is many times faster on flat memory and flat positions than on rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra._shape import contiguous_strides
from candelabra_xp.indexing import check_range, key_of
from candelabra_xp.scatter import elements as element_key
from candelabra_xp.scatter import masked_fill as shared_masked_fill

from .gather import linear, refuse_outside


def by_copy(into: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel that does in a copy what `into` does in place. What `into` refuses, it refuses before it writes."""

    def kernel(input: Any, *args: Any) -> Any:
        out = input.copy(order="C")
        into(out, *args)
        return out

    kernel.into = into  # type: ignore[attr-defined]
    return kernel


def combine(ufunc: Any, target: Any, places: Any, values: Any) -> None:
    """Combines `values` in at `places` of a target's contiguous memory."""
    values = np.ascontiguousarray(values).reshape(-1)
    ufunc.at(target.reshape(-1), places.reshape(-1), values)


# -- rows ------------------------------------------------------------------------------------------------------------


def rows(shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Places, in contiguous memory of `shape`, of all elements at positions of a dim."""
    before, size, after = _product(shape[:dim]), shape[dim], _product(shape[dim + 1 :])
    places = (index * after)[:, None] + np.arange(after) if after > 1 else index[:, None]
    return places if before == 1 else (np.arange(before) * (size * after))[:, None, None] + places


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def index_add(target: Any, dim: int, index: Any, source: Any) -> None:
    refuse_outside("index_add", index, target.shape[dim] if target.ndim else 1, dim)
    if not target.ndim:
        target += source
    elif not target.flags.c_contiguous:
        np.add.at(target, (slice(None),) * dim + (index.reshape(-1),), source)
    elif source.size:
        combine(np.add, target, rows(target.shape, dim, index.reshape(-1)), source)


def index_copy(target: Any, dim: int, index: Any, source: Any) -> None:
    refuse_outside("index_copy", index, target.shape[dim] if target.ndim else 1, dim)
    target[(slice(None),) * dim + (index.reshape(-1),) if target.ndim else ...] = source


def index_fill(target: Any, dim: int, index: Any, value: Any) -> None:
    check_range("index_fill", index, target.shape[dim] if target.ndim else 1, dim, negative=True)
    if index.size:
        target[(slice(None),) * dim + (index.reshape(-1),) if target.ndim else ...] = value


# -- elements --------------------------------------------------------------------------------------------------------


def elements(op: str, target: Any, dim: int, index: Any) -> Any:
    """Flat places of the elements an index names; checks their range."""
    refuse_outside(op, index, target.shape[dim] if target.ndim else 1, dim)
    return linear(target.shape, dim, index) if target.ndim > 1 else index


def fitted(index: Any, src: Any) -> Any:
    """`src` cut to the elements of an index: they differ only where one has a dim and the other none."""
    return src if src.shape == index.shape else src.reshape(-1)[: index.size]


def scatter(target: Any, dim: int, index: Any, src: Any) -> None:
    if not index.size:
        return
    if target.flags.c_contiguous:
        places = elements("scatter", target, dim, index)
        target.reshape(-1)[places.reshape(-1)] = fitted(index, src).reshape(-1) if hasattr(src, "shape") else src
    else:
        _, key, values = element_key(np, "scatter", target, dim, index, src)
        target[key] = values


def _reducing(op: str, ufunc: Any, target: Any, dim: int, index: Any, src: Any) -> None:
    if not index.size:
        return
    if target.flags.c_contiguous:
        combine(ufunc, target, elements(op, target, dim, index), fitted(index, src))
    else:
        _, key, values = element_key(np, op, target, dim, index, src)
        ufunc.at(target, key, values)


def scatter_add(target: Any, dim: int, index: Any, src: Any) -> None:
    _reducing("scatter_add", np.add, target, dim, index, src)


def scatter_extreme(target: Any, dim: int, index: Any, src: Any, reduce: str) -> None:
    ufunc = {"amax": np.maximum, "amin": np.minimum, "prod": np.multiply}[reduce]
    _reducing("scatter_reduce", ufunc, target, dim, index, src)


# -- tensors of positions, and masks ---------------------------------------------------------------------------------


def selection(shape: tuple[int, ...], indices: Any, dims: Any) -> Any:
    """Places, in contiguous memory of `shape`, of the elements that indices of some dims select, in their shape."""
    strides = contiguous_strides(shape)
    places: Any = 0
    for positions, dim in zip(indices, dims, strict=True):
        places = places + positions % shape[dim] * strides[dim]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    rest = [d for d in range(len(shape)) if d not in dims]
    front = [d for d in rest if adjacent and d < dims[0]]
    for d in rest[len(front) :]:
        places = places[..., None] + np.arange(shape[d]) * strides[d]
    for d in reversed(front):
        places = (np.arange(shape[d]) * strides[d]).reshape((-1,) + (1,) * np.ndim(places)) + places
    return places


def put_at(target: Any, indices: Any, dims: Any, values: Any, accumulate: bool) -> None:
    key = key_of("index_put", target, indices, dims)
    if not accumulate:
        target[key] = values
    elif target.flags.c_contiguous and 0 not in target.shape:
        places = np.asarray(selection(target.shape, indices, dims))
        combine(np.add, target, places, np.broadcast_to(np.asarray(values, dtype=target.dtype), places.shape))
    else:
        np.add.at(target, key, values)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    return shared_masked_fill(np, input, mask, value)


def _masked_fill(target: Any, mask: Any, value: Any) -> None:
    np.copyto(target, np.asarray(value, dtype=target.dtype), where=mask)


masked_fill.into = _masked_fill  # type: ignore[attr-defined]

OWN: Mapping[str, Callable[..., Any]] = {
    "index_add": by_copy(index_add),
    "index_copy": by_copy(index_copy),
    "index_fill": by_copy(index_fill),
    "masked_fill": masked_fill,
    "put_at": by_copy(put_at),
    "scatter": by_copy(scatter),
    "scatter_add": by_copy(scatter_add),
    "scatter_extreme": by_copy(scatter_extreme),
}
