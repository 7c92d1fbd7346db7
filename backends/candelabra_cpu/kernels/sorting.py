# SPDX-License-Identifier: Apache-2.0
"""Sorting by NumPy's vector sorts, which are fast but not stable.

Values of 32 bits are packed with their indices into 64-bit integers, of which no two are equal, and those are sorted:
the order is stable, and several times faster than NumPy's own stable argsort.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra_xp.sorting import searchsorted as shared_searchsorted

from ..choice import size_from

PACK_FROM = 256
"""Elements in a row from which packing pays."""


def _order(input: Any, dim: int, descending: bool, stable: bool) -> Any:
    size = input.shape[dim]
    if size >= PACK_FROM and input.dtype.char in "fi" and size < 1 << 32:
        return _packed_order(input, dim, descending)
    if size >= PACK_FROM and input.dtype.char in "lqI" and input.size:
        packed = _spanned_order(input, dim, descending)
        if packed is not None:
            return packed
    stable = stable or size < PACK_FROM  # costs nothing in short rows
    if not descending:
        return np.argsort(input, axis=dim, kind="stable" if stable else None)
    if not stable:
        return np.flip(np.argsort(input, axis=dim), dim)
    return np.flip(size - 1 - np.argsort(np.flip(input, dim), axis=dim, kind="stable"), dim)


def _packed_order(input: Any, dim: int, descending: bool) -> Any:
    """Order of float32 or int32: the value, made to compare as an integer, above its index."""
    bits = input
    if input.dtype.char == "f":
        # One nan, one zero; negative floats compare backwards as integers, so their magnitude is inverted.
        bits = np.where(input != input, np.float32(np.nan), input + np.float32(0)).view(np.int32)
        bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    keys = (~bits if descending else bits).astype(np.int64) << 32
    size = input.shape[dim]
    keys |= np.arange(size).reshape([size if i == dim else 1 for i in range(input.ndim)])
    return np.sort(keys, axis=dim) & 0xFFFFFFFF


def _spanned_order(input: Any, dim: int, descending: bool) -> Any:
    """Order of integers of up to 64 bits, as `_packed_order`; None where range and index need more than 63 bits."""
    size, low, high = input.shape[dim], int(input.min()), int(input.max())
    bits = (size - 1).bit_length()
    if (high - low) >> (63 - bits):
        return None
    wide = input.astype(np.int64, copy=False)
    keys = np.left_shift(high - wide if descending else wide - low, bits)
    keys |= np.arange(size).reshape([size if i == dim else 1 for i in range(input.ndim)])
    keys.sort(axis=dim)
    keys &= (1 << bits) - 1
    return keys


def argsort(input: Any, dim: int, descending: bool, stable: bool) -> Any:
    return np.ascontiguousarray(_order(input, dim, descending, stable)) if input.ndim else np.zeros((), np.int64)


def sort(input: Any, dim: int, descending: bool, stable: bool) -> Any:
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    indices = np.ascontiguousarray(_order(input, dim, descending, stable))
    return (input[indices] if input.ndim == 1 else np.take_along_axis(input, indices, dim)), indices


def topk(input: Any, k: int, dim: int, largest: bool, sorted: bool) -> Any:
    """Chooses by partition where few of many are wanted, then sorts those."""
    if not input.ndim or input.shape[dim] < 64 or k * 8 > input.shape[dim]:
        values, indices = sort(input, dim, largest, False)
        return (values, indices) if not input.ndim else (_first(values, k, dim), _first(indices, k, dim))
    size = input.shape[dim]
    around = np.argpartition(input, size - k if largest and k else max(k - 1, 0), axis=dim)
    chosen = around.take(range(size - k, size) if largest else range(k), dim)
    values, inside = sort(np.take_along_axis(input, chosen, dim), dim, largest, False)
    return values, np.take_along_axis(chosen, inside, dim)


def _first(array: Any, k: int, dim: int) -> Any:
    return np.ascontiguousarray(array[(slice(None),) * dim + (slice(k),)])


SEARCHED_FROM = size_from(4096)
"""Values from which searching is compiled."""


def searchsorted(sorted_sequence: Any, input: Any, out_int32: bool, right: bool) -> Any:
    if type(input) is np.ndarray and input.size >= SEARCHED_FROM:
        from ..nests import searching

        found = searching.searchsorted(sorted_sequence, input, out_int32, right)
        if found is not None:
            return found
    return shared_searchsorted(np, sorted_sequence, input, out_int32, right)


OWN: Mapping[str, Callable[..., Any]] = {
    "argsort": argsort,
    "searchsorted": searchsorted,
    "sort": sort,
    "topk": topk,
}
