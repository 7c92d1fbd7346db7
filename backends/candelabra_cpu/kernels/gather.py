# SPDX-License-Identifier: Apache-2.0
"""Reading at positions: NumPy's `take` is faster than indexing, and finds wrong positions by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra._shape import contiguous_strides
from candelabra_xp.indexing import check_range, key_of

from ..choice import size_from

MUCH = size_from(4096)
"""Elements from which single elements are picked by compiled kernels."""

MANY_ROWS = size_from(65536)
"""The same for rows, which NumPy copies well."""


def refuse_outside(op: str, index: Any, size: int, dim: int) -> None:
    """As `check_range` in one pass: a negative position is a huge one when its sign counts as a value."""
    if index.size and np.maximum.reduce(index.view(f"u{index.itemsize}"), axis=None) >= size:
        check_range(op, index, size, dim)


def linear(shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Places, in contiguous memory of `shape`, of the elements that an index with as many dims names."""
    strides = contiguous_strides(shape)
    places = index * strides[dim] if strides[dim] != 1 else index
    for d, n in enumerate(index.shape):
        if d != dim and n > 1:
            places = places + (np.arange(n) * strides[d]).reshape((n,) + (1,) * (index.ndim - d - 1))
    return places


def index_select(input: Any, dim: int, index: Any) -> Any:
    if not input.ndim:
        refuse_outside("index_select", index, 1, 0)
        return input.copy()
    if index.size and input.size >= MANY_ROWS:
        shape = (*input.shape[:dim], index.size, *input.shape[dim + 1 :])
        found = rows_of("index_select", input, dim, index, shape)
        if found is not None:
            return found
    refuse_outside("index_select", index, input.shape[dim], dim)
    return input.take(index if index.ndim else index.reshape(1), dim)


def rows_of(op: str, input: Any, dim: int, index: Any, shape: tuple[int, ...], negative: bool = False) -> Any:
    """What `input` has at positions of a dim, in `shape`, by a compiled kernel; None where there is none."""
    from ..nests.picking import rows

    return rows(op, input, dim, index, shape, negative)


def gather(input: Any, dim: int, index: Any) -> Any:
    if not index.size:
        return np.zeros(index.shape, dtype=input.dtype)
    if index.size >= MUCH and input.ndim:
        from ..nests import picking

        found = picking.gather(input, dim, index)
        if found is not None:
            return found
    refuse_outside("gather", index, input.shape[dim] if input.ndim else 1, dim)
    if input.ndim < 2:
        return input.take(index)
    if not input.flags.c_contiguous:
        return np.take_along_axis(input, index, dim)
    return input.take(linear(input.shape, dim, index))


def index(input: Any, indices: Any, dims: Any) -> Any:
    try:
        if len(dims) == 1:
            positions, dim = indices[0], dims[0]
            if input.size >= MANY_ROWS and positions.size:
                shape = (*input.shape[:dim], *positions.shape, *input.shape[dim + 1 :])
                found = rows_of("index", input, dim, positions, shape, True)
                if found is not None:
                    return found
            return input.take(indices[0], dims[0])
        key: list[Any] = [slice(None)] * input.ndim
        for positions, dim in zip(indices, dims, strict=True):
            key[dim] = positions
        found = input[tuple(key)]
    except IndexError:
        key_of("index", input, indices, dims)  # says which position is wrong
        raise
    return np.ascontiguousarray(found) if found.ndim else found


OWN: Mapping[str, Callable[..., Any]] = {"gather": gather, "index": index, "index_select": index_select}
