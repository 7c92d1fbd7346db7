# SPDX-License-Identifier: Apache-2.0
"""Sorting and searching."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._kernel import kernel, row_major


def argsort_stably(xp: Any, input: Any, axis: int = -1) -> Any:
    """Indices of a stable sort, which is what every module but NumPy gives without being asked."""
    return np.argsort(input, axis=axis, kind="stable") if xp is np else xp.argsort(input, axis=axis)


def order(xp: Any, input: Any, dim: int, descending: bool) -> Any:
    """Indices of a stable sort; equal values keep their order in descending sorts too."""
    if not descending:
        return argsort_stably(xp, input, dim)
    backwards = argsort_stably(xp, xp.flip(input, dim), dim)
    return xp.flip(input.shape[dim] - 1 - backwards, dim)


@kernel
def argsort(xp: Any, input: Any, dim: int, descending: bool, stable: bool) -> Any:
    if not input.ndim:
        return xp.zeros((), xp.int64)
    return row_major(xp, order(xp, input, dim, descending))


@kernel
def sort(xp: Any, input: Any, dim: int, descending: bool, stable: bool) -> Any:
    if not input.ndim:
        return input.copy(), xp.zeros((), xp.int64)
    indices = row_major(xp, order(xp, input, dim, descending))
    return xp.take_along_axis(input, indices, axis=dim), indices


@kernel
def searchsorted(xp: Any, sorted_sequence: Any, input: Any, out_int32: bool, right: bool) -> Any:
    side = "right" if right else "left"
    dtype = xp.int32 if out_int32 else xp.int64
    if sorted_sequence.ndim == 1:
        return xp.searchsorted(sorted_sequence, xp.asarray(input), side=side).astype(dtype)
    shape = input.shape
    if 0 in shape:
        return xp.zeros(shape, dtype)
    rows = zip(sorted_sequence.reshape(-1, sorted_sequence.shape[-1]), input.reshape(-1, shape[-1]), strict=True)
    return xp.stack([xp.searchsorted(row, values, side=side) for row, values in rows]).reshape(shape).astype(dtype)
