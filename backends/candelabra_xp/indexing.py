# SPDX-License-Identifier: Apache-2.0
"""Kernels of the indexing family, and how the others read and write at positions."""

from __future__ import annotations

from typing import Any

from candelabra._errors import DimError

from ._kernel import kernel, mover, row_major


def put(array: Any, key: Any, values: Any) -> Any:
    """A fresh array with `values` at `key`; modules whose arrays cannot be written offer `.at`."""
    if hasattr(array, "at"):
        return array.at[key].set(values)
    array = array.copy()
    array[key] = values
    return array


def add_at(xp: Any, array: Any, key: Any, values: Any) -> Any:
    """A fresh array with `values` added at `key`, as often as a position comes."""
    if hasattr(array, "at"):
        return array.at[key].max(values) if array.dtype == bool else array.at[key].add(values)
    array = array.copy()
    xp.add.at(array, key, values)
    return array


def check_range(op: str, index: Any, size: int, dim: int, negative: bool = False) -> None:
    """Refuses positions outside [0, size), or [-size, size) where `negative` ones count from the end."""
    if not index.size:
        return
    low = -size if negative else 0
    least, most = int(index.min()), int(index.max())
    if least < low or most >= size:
        wrong = least if least < low else most
        raise DimError(f"{op}: index must be in [{low}, {size}), got {wrong} for dim {dim} of size {size}")


def key_of(op: str, input: Any, indices: Any, dims: Any) -> tuple[Any, ...]:
    """The key that indexes `dims` by `indices` and keeps the others; checks each index's range."""
    key: list[Any] = [slice(None)] * input.ndim
    for index, dim in zip(indices, dims, strict=True):
        check_range(op, index, input.shape[dim], dim, negative=True)
        key[dim] = index
    return tuple(key)


@mover
def unindex(xp: Any, input: Any, size: Any, key: Any) -> Any:
    zeros = xp.zeros(size, dtype=input.dtype)
    if hasattr(zeros, "at"):
        return zeros.at[key].set(input)
    zeros[key] = input
    return zeros


@mover
def basic_index_put(xp: Any, input: Any, values: Any, key: Any) -> Any:
    return put(input, key, values)


@mover
def index(xp: Any, input: Any, indices: Any, dims: Any) -> Any:
    found = input[key_of("index", input, indices, dims)]
    return row_major(xp, found)


@kernel
def put_at(xp: Any, input: Any, indices: Any, dims: Any, values: Any, accumulate: bool) -> Any:
    key = key_of("index_put", input, indices, dims)
    return add_at(xp, input, key, values) if accumulate else put(input, key, values)
