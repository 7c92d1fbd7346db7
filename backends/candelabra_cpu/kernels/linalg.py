# SPDX-License-Identifier: Apache-2.0
"""Matrix products by the shortest way to BLAS."""

from __future__ import annotations

from typing import Any

import numpy as np

_BLAS = frozenset("fdFD")


def matmul(input: Any, other: Any) -> Any:
    # dot reaches BLAS in half the time matmul needs to look at its operands.
    if other.ndim == 2:
        if input.ndim == 2:
            return input.dot(other)
        if input.ndim > 2 and input.dtype.char in _BLAS:  # one product, where matmul would make one for each batch item
            *lead, k = input.shape
            return input.reshape(-1 if k else int(np.prod(lead)), k).dot(other).reshape(*lead, other.shape[1])
    return np.matmul(_blas_ready(input), _blas_ready(other))


def _blas_ready(value: Any) -> Any:
    """A stack of matrices BLAS can walk: unit stride in one of the last two dims; else matmul multiplies by itself."""
    if value.ndim < 3 or value.dtype.char not in _BLAS:
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


def cross(input: Any, other: Any, dim: int) -> Any:
    rest = (slice(None),) * (-dim - 1)
    a, b = ([operand[(Ellipsis, i, *rest)] for i in range(3)] for operand in (input, other))
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=dim)


OWN = {
    "matmul": matmul,
    "mm": np.ndarray.dot,
    "bmm": lambda input, mat2: np.matmul(_blas_ready(input), _blas_ready(mat2)),
    "mv": np.ndarray.dot,
    "dot": np.ndarray.dot,
    "vdot": np.vdot,
    "linear": linear,
    "cross": cross,
}
