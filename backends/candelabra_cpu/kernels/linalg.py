# SPDX-License-Identifier: Apache-2.0
"""Matrix products: native ones by the private OpenBLAS, and NumPy's for whatever those leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import blas, choice

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
    return _again(PRODUCT, matmul, input, other)


def _left_linear(input: Any, weight: Any, bias: Any) -> Any:
    if input.ndim > 2 and not input.flags.c_contiguous:
        return LINEAR(np.ascontiguousarray(input), weight, bias)
    return _again(LINEAR, linear, input, weight, bias)


def cross(input: Any, other: Any, dim: int) -> Any:
    rest = (slice(None),) * (-dim - 1)
    a, b = ([operand[(Ellipsis, i, *rest)] for i in range(3)] for operand in (input, other))
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=dim)


PRODUCT: Callable[..., Any] = matmul
LINEAR: Callable[..., Any] = linear
OWN: dict[str, Callable[..., Any]] = {
    "dot": np.ndarray.dot,
    "vdot": np.vdot,
    "cross": cross,
}
if choice.mode() != "numpy" and blas.library() is not None:
    PRODUCT, LINEAR = blas.products(_left_matmul, _left_linear)
    OWN |= {"mm": PRODUCT, "bmm": PRODUCT, "mv": PRODUCT, "dot": blas.dot}
else:
    OWN |= {
        "mm": np.ndarray.dot,
        "bmm": lambda input, mat2: np.matmul(blas_ready(input), blas_ready(mat2)),
        "mv": np.ndarray.dot,
    }
OWN |= {"matmul": PRODUCT, "linear": LINEAR}
