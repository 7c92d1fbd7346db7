# SPDX-License-Identifier: Apache-2.0
"""Reductions. Dims are tuples of non-negative ints, or one of them for ops that give indices."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel


def count(input: Any, dim: Any) -> int:
    """Number of elements that make one result."""
    return input.size if len(dim) == input.ndim else math.prod([input.shape[d] for d in dim])


@kernel
def sum(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return input.sum(axis=dim, keepdims=keepdim)


@kernel
def mean(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return input.sum(axis=dim, keepdims=keepdim) / count(input, dim)


@kernel
def prod(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return input.prod(axis=dim, keepdims=keepdim)


@kernel
def var(xp: Any, input: Any, dim: Any, keepdim: bool, correction: Any) -> Any:
    size = count(input, dim)
    apart = input - input.sum(axis=dim, keepdims=True) / size
    squares = apart.real * apart.real + apart.imag * apart.imag if apart.dtype.kind == "c" else apart * apart
    return squares.sum(axis=dim, keepdims=keepdim) / max(size - correction, 0)


@kernel
def std(xp: Any, input: Any, dim: Any, keepdim: bool, correction: Any) -> Any:
    return xp.sqrt(var(xp, input, dim, keepdim, correction))


@kernel
def amax(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return input.max(axis=dim, keepdims=keepdim)


@kernel
def amin(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return input.min(axis=dim, keepdims=keepdim)


@kernel
def argmax(xp: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
    return xp.argmax(input if input.ndim else input.reshape(1), axis=dim, keepdims=keepdim and input.ndim > 0)


@kernel
def argmin(xp: Any, input: Any, dim: int | None, keepdim: bool) -> Any:
    return xp.argmin(input if input.ndim else input.reshape(1), axis=dim, keepdims=keepdim and input.ndim > 0)


@kernel
def max_dim(xp: Any, input: Any, dim: int, keepdim: bool) -> Any:
    return amax(xp, input, dim if input.ndim else (), keepdim), argmax(xp, input, dim, keepdim)


@kernel
def min_dim(xp: Any, input: Any, dim: int, keepdim: bool) -> Any:
    return amin(xp, input, dim if input.ndim else (), keepdim), argmin(xp, input, dim, keepdim)


@kernel
def any(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    found = input.any(axis=dim, keepdims=keepdim)
    return found.astype(input.dtype) if input.dtype == "uint8" else found


@kernel
def all(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    found = input.all(axis=dim, keepdims=keepdim)
    return found.astype(input.dtype) if input.dtype == "uint8" else found


@kernel
def count_nonzero(xp: Any, input: Any, dim: Any) -> Any:
    return (input != 0).sum(axis=dim, dtype=xp.int64)


@kernel
def vector_norm(xp: Any, input: Any, ord: float, dim: Any, keepdim: bool) -> Any:
    size = xp.abs(input)
    if ord == math.inf:
        return size.max(axis=dim, keepdims=keepdim)
    if ord == -math.inf:
        return size.min(axis=dim, keepdims=keepdim)
    if ord == 0:
        return (size != 0).sum(axis=dim, keepdims=keepdim).astype(size.dtype)
    if ord == 1:
        return size.sum(axis=dim, keepdims=keepdim)
    if ord == 2:
        return xp.sqrt((size * size).sum(axis=dim, keepdims=keepdim))
    return (size**ord).sum(axis=dim, keepdims=keepdim) ** (1 / ord)
