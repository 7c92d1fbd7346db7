# SPDX-License-Identifier: Apache-2.0
"""Kernels of the joining family."""

from __future__ import annotations

from typing import Any

from ._kernel import mover


@mover
def cat(xp: Any, tensors: Any, dim: int) -> Any:
    if dim or tensors[0].ndim != tensors[-1].ndim or 0 in tensors[0].shape:
        tensors = [x for x in tensors if x.shape != (0,)] or tensors[:1]
    return xp.concatenate(tensors, axis=dim)


@mover
def stack(xp: Any, tensors: Any, dim: int) -> Any:
    key = (slice(None),) * dim + (None, Ellipsis)
    return xp.concatenate([x[key] for x in tensors], axis=dim)


@mover
def roll(xp: Any, input: Any, shifts: Any, dims: Any) -> Any:
    return xp.roll(input, shifts if dims is not None else shifts[0], dims)


@mover
def flip(xp: Any, input: Any, dims: Any) -> Any:
    return xp.flip(input, dims).copy() if dims else input.copy()


@mover
def tril(xp: Any, input: Any, diagonal: int) -> Any:
    return xp.tril(input, diagonal)


@mover
def triu(xp: Any, input: Any, diagonal: int) -> Any:
    return xp.triu(input, diagonal)
