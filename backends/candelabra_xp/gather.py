# SPDX-License-Identifier: Apache-2.0
"""Kernels of the gather family."""

from __future__ import annotations

from typing import Any

from ._kernel import mover
from .indexing import check_range


@mover
def index_select(xp: Any, input: Any, dim: int, index: Any) -> Any:
    if not input.ndim:
        check_range("index_select", index, 1, 0)
        return input.copy()
    check_range("index_select", index, input.shape[dim], dim)
    return xp.take(input, index.reshape(-1), axis=dim)


@mover
def gather(xp: Any, input: Any, dim: int, index: Any) -> Any:
    if not index.size:
        return xp.zeros(index.shape, dtype=input.dtype)
    size = input.shape[dim] if input.ndim else 1
    check_range("gather", index, size, dim)
    if input.ndim < 2:
        return xp.take(input.reshape(-1), index)
    return xp.take_along_axis(input, index, axis=dim)


@mover
def masked_select(xp: Any, input: Any, mask: Any) -> Any:
    if input.shape != mask.shape:
        input, mask = xp.broadcast_arrays(input, mask)
    return input[mask]


@mover
def nonzero(xp: Any, input: Any) -> Any:
    if not input.ndim:
        return xp.zeros((1 if bool(input) else 0, 0), dtype=xp.int64)
    return xp.stack(xp.nonzero(input)).astype(xp.int64, copy=False).T
