# SPDX-License-Identifier: Apache-2.0
"""Matrix products: native ones by the private OpenBLAS, and NumPy's for whatever those leave."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import choice

_BLAS = frozenset("fdFD")


def matmul(input: Any, other: Any) -> Any:
    """By NumPy alone; `dot` reaches BLAS in half the time that `matmul` needs to look at its operands."""
    if other.ndim == 2:
        if input.ndim == 2:
            return input.dot(other)
        if input.ndim > 2 and input.dtype.char in _BLAS:  # one product, where matmul would make one for each batch item
            *lead, k = input.shape
            return input.reshape(-1 if k else int(np.prod(lead)), k).dot(other).reshape(*lead, other.shape[1])
    return np.matmul(blas_ready(input), blas_ready(other))


def blas_ready(value: Any) -> Any:
    """Matrices BLAS can walk: unit stride in one of the last two dims; else NumPy multiplies by itself."""
    if value.ndim < 2 or value.dtype.char not in _BLAS:
        return value
    size = value.itemsize
    row, column = value.strides[-2:]
    n, m = value.shape[-2:]
    if (column == size and row >= m * size) or (row == size and column >= n * size):
        return value
    return np.ascontiguousarray(value)


def linear(input: Any, weight: Any, bias: Any) -> Any:
    if input.ndim == 2 and bias is not None and weight.ndim == 2:
        out = input.dot(weight.T)
        out += bias
        return out
    if input.ndim > 2:
        *lead, k = input.shape
        out = input.reshape(-1 if k else int(np.prod(lead)), k).dot(weight.T).reshape(*lead, *weight.shape[:-1])
    else:
        out = input.dot(weight.T)
    if bias is not None:
        if out.ndim:
            out += bias
        else:
            out = out + bias
    return out


def _again(native: Callable[..., Any], plain: Callable[..., Any], *operands: Any) -> Any:
    """What native products left, once more where a copy makes a matrix dense; else by NumPy."""
    ready = [value if value is None else blas_ready(value) for value in operands[:2]]
    if any(new is not old for new, old in zip(ready, operands, strict=False)):
        return native(*ready, *operands[2:])
    return plain(*operands)


def _left_matmul(input: Any, other: Any) -> Any:
    return _again(product(), matmul, input, other)


def _left_linear(input: Any, weight: Any, bias: Any) -> Any:
    if input.ndim > 2 and not input.flags.c_contiguous:
        return product_with_bias()(np.ascontiguousarray(input), weight, bias)
    return _again(product_with_bias(), linear, input, weight, bias)


def cross(input: Any, other: Any, dim: int) -> Any:
    rest = (slice(None),) * (-dim - 1)
    a, b = ([operand[(Ellipsis, i, *rest)] for i in range(3)] for operand in (input, other))
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=dim)


class Late:
    """A kernel that is made when an op is first looked up: native products load LLVM and a library."""

    def __init__(self, make: Callable[[], Callable[..., Any]]) -> None:
        self.make = make

    def __call__(self, *args: Any) -> Any:
        return self.make()(*args)


@functools.cache
def products() -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """Native `matmul(a, b)` and `linear(a, b, bias)`; None where there is no library, or NumPy is to compute."""
    if choice.mode() == "numpy":
        return None
    from .. import blas

    return None if blas.library() is None else blas.products(_left_matmul, _left_linear)


def product() -> Callable[..., Any]:
    """`matmul(a, b)` in the fastest way there is."""
    return (products() or (matmul, linear))[0]


def product_with_bias() -> Callable[..., Any]:
    """`linear(a, b, bias)` in the fastest way there is."""
    return (products() or (matmul, linear))[1]


def _by_numpy(kernel: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    """The native product where there is one, else NumPy's kernel for this op."""
    return lambda: (products() or (kernel, None))[0]


def _dot() -> Callable[..., Any]:
    if products() is None:
        return np.ndarray.dot
    from .. import blas

    return blas.dot


OWN: dict[str, Callable[..., Any]] = {
    "vdot": np.vdot,
    "cross": cross,
    "dot": Late(_dot),
    "mm": Late(_by_numpy(np.ndarray.dot)),
    "bmm": Late(_by_numpy(lambda input, mat2: np.matmul(blas_ready(input), blas_ready(mat2)))),
    "mv": Late(_by_numpy(np.ndarray.dot)),
    "matmul": Late(product),
    "linear": Late(product_with_bias),
}
