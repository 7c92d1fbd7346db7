# SPDX-License-Identifier: Apache-2.0
"""Reductions by the ufuncs themselves: NumPy's methods and functions spend more on checks than on a small array.

Large contiguous floats go through BLAS. `np.add.reduce` along a dim of 10 to 1,000 elements pays for each row; a
product with ones does not: 25 instead of 174 microseconds for the rows of 1000 x 1000 float32, 170 instead of 1,140 for
the columns of 100000 x 8. It sums in blocks, so its error stays near that of pairwise sums: 2.2e-7 and 1.1e-7 of the
largest row sum of that first matrix.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra_xp.reduction import vector_norm as _any_norm

# Bound to names: a look-up of an attribute costs as much as a tenth of the smallest reduction. Any, as NumPy's stubs do
# not know that arguments may be given by position.
_add: Any = np.add.reduce
_multiply: Any = np.multiply.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce
_or: Any = np.logical_or.reduce
_and: Any = np.logical_and.reduce

BLAS_FROM = 2048
"""Elements from which a product with ones is faster than `np.add.reduce`; measured for float32 and float64."""

BLOCK = 256
"""Rows summed at once down a tall matrix; the partial sums are added afterwards, which bounds the error."""


def sum(input: Any, dim: Any, keepdim: bool) -> Any:
    if input.size < BLAS_FROM or len(dim) == input.ndim or input.dtype.char not in "fd" or not input.flags.c_contiguous:
        return _add(input, dim, None, None, keepdim)
    return _sum_blas(input, dim, keepdim)


def _sum_of_this(input: Any, dim: Any, keepdim: bool) -> Callable[..., Any] | None:
    """`sum` for small arrays of this shape: the ufunc's own reduction with its arguments bound."""
    if not input.ndim or input.size >= BLAS_FROM:
        return None
    if len(dim) == input.ndim and not keepdim:
        return functools.partial(_add, axis=None, out=...)
    return functools.partial(_add, axis=dim[0] if len(dim) == 1 else dim, keepdims=keepdim)


sum.specialize = _sum_of_this  # type: ignore[attr-defined]


def _sum_blas(input: Any, dim: Any, keepdim: bool) -> Any:
    """Sums the inner run of reduced dims, or else the outer one, by products with ones, and the rest as usual."""
    shape, ndim = input.shape, input.ndim
    inner = ndim
    while inner - 1 in dim:
        inner -= 1
    outer = 0
    while outer in dim:
        outer += 1
    width, height = math.prod(shape[inner:]), math.prod(shape[:outer])
    if width >= 4:
        part = (input.reshape(-1, width) @ np.ones(width, input.dtype)).reshape(shape[:inner])
        rest = tuple([d for d in dim if d < inner])
    elif height >= 4 and input.size < 64 * height:  # wide rows are added as whole vectors, faster than any product
        part = _down(input.reshape(height, -1)).reshape(shape[outer:])
        rest = tuple([d - outer for d in dim if d >= outer])
    else:
        return _add(input, dim, None, None, keepdim)
    if rest:
        part = _add(part, rest)
    return part.reshape([1 if i in dim else s for i, s in enumerate(shape)]) if keepdim else part


def _down(matrix: Any) -> Any:
    """Sums of the columns, in blocks of rows."""
    height, width = matrix.shape
    if height < 2 * BLOCK:
        return np.ones(height, matrix.dtype) @ matrix
    blocks = height // BLOCK
    cut = blocks * BLOCK
    ones = np.ones(BLOCK, matrix.dtype)
    total = _down(ones @ matrix[:cut].reshape(blocks, BLOCK, width))
    return total if cut == height else total + ones[: height - cut] @ matrix[cut:]


def _count(input: Any, dim: Any) -> int:
    return input.size if len(dim) == input.ndim else math.prod([input.shape[d] for d in dim])


def mean(input: Any, dim: Any, keepdim: bool) -> Any:
    return sum(input, dim, keepdim) / _count(input, dim)


def prod(input: Any, dim: Any, keepdim: bool) -> Any:
    return _multiply(input, dim, None, None, keepdim)


def var(input: Any, dim: Any, keepdim: bool, correction: Any) -> Any:
    size = _count(input, dim)
    apart = np.subtract(input, sum(input, dim, True) / size)
    if apart.dtype.kind == "c":
        apart = np.abs(apart)
    return sum(np.square(apart), dim, keepdim) / max(size - correction, 0)


def std(input: Any, dim: Any, keepdim: bool, correction: Any) -> Any:
    return np.sqrt(var(input, dim, keepdim, correction))


def amax(input: Any, dim: Any, keepdim: bool) -> Any:
    return _maximum(input, dim, None, None, keepdim)


def amin(input: Any, dim: Any, keepdim: bool) -> Any:
    return _minimum(input, dim, None, None, keepdim)


def argmax(input: Any, dim: int | None, keepdim: bool) -> Any:
    return input.argmax(dim, keepdims=keepdim)


def argmin(input: Any, dim: int | None, keepdim: bool) -> Any:
    return input.argmin(dim, keepdims=keepdim)


def max_dim(input: Any, dim: int, keepdim: bool) -> Any:
    return _maximum(input, dim, None, None, keepdim), input.argmax(dim, keepdims=keepdim)


def min_dim(input: Any, dim: int, keepdim: bool) -> Any:
    return _minimum(input, dim, None, None, keepdim), input.argmin(dim, keepdims=keepdim)


def any(input: Any, dim: Any, keepdim: bool) -> Any:
    found = _or(input, dim, None, None, keepdim)
    return found.astype(input.dtype) if input.dtype.char == "B" else found


def all(input: Any, dim: Any, keepdim: bool) -> Any:
    found = _and(input, dim, None, None, keepdim)
    return found.astype(input.dtype) if input.dtype.char == "B" else found


def vector_norm(input: Any, ord: float, dim: Any, keepdim: bool) -> Any:
    if ord != 2:
        return _any_norm(np, input, ord, dim, keepdim)
    if len(dim) == input.ndim and not keepdim and input.flags.c_contiguous and input.dtype.char in "fd":
        flat = input.reshape(-1)
        return np.sqrt(flat @ flat)
    size = input if input.dtype.kind == "f" else np.abs(input)
    return np.sqrt(sum(np.square(size), dim, keepdim))


OWN: Mapping[str, Callable[..., Any]] = {
    "sum": sum,
    "mean": mean,
    "prod": prod,
    "var": var,
    "std": std,
    "amax": amax,
    "amin": amin,
    "argmax": argmax,
    "argmin": argmin,
    "max_dim": max_dim,
    "min_dim": min_dim,
    "any": any,
    "all": all,
    "vector_norm": vector_norm,
}
