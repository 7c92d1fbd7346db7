# SPDX-License-Identifier: Apache-2.0
"""Matrix products by cuBLAS, in whatever layout the operands have; integers, and the odd strides, by the kit's kernels.

cuBLAS counts by columns: a product in rows, x y, is y' x' there, so operands change places and nothing is copied. Sums of float16
and bfloat16 are made in float32. `set_float32_matmul_precision` lets float32 operands be rounded: "high" to TF32 (10 bits
of fraction), "medium" to bfloat16 (7).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from cupy.cuda import device, runtime
from cupy_backends.cuda.libs import cublas

from candelabra._config import get_float32_matmul_precision
from candelabra._shape import broadcast_shapes
from candelabra_loops.look import Look
from candelabra_loops.places import seen
from candelabra_loops.plain import Product
from candelabra_loops.products import _matrix, multiply, products

TYPES = {
    "float16": runtime.CUDA_R_16F, "bfloat16": runtime.CUDA_R_16BF, "float32": runtime.CUDA_R_32F,
    "float64": runtime.CUDA_R_64F, "complex64": runtime.CUDA_C_32F, "complex128": runtime.CUDA_C_64F,
}  # fmt: skip

FAST = {"high": cublas.CUBLAS_COMPUTE_32F_FAST_TF32, "medium": cublas.CUBLAS_COMPUTE_32F_FAST_16BF}

DEFAULT_ALGORITHM = -1
WIDE_SUMS = 16
"""CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: parts of a sum are added up as wide as they were made."""

MOST = 2**31 - 1
"""cuBLAS counts in 32 bits."""


def _numbers(kind: Any, *values: float) -> list[Any]:
    """Numbers in memory of the host, each as an array of ctypes."""
    return [kind(*([value] if kind._length_ == 1 else [value, 0.0])) for value in values]


ONE, ZERO = {}, {}
for _name, _kind in {
    "float16": ctypes.c_float * 1, "bfloat16": ctypes.c_float * 1, "float32": ctypes.c_float * 1,
    "float64": ctypes.c_double * 1, "complex64": ctypes.c_float * 2, "complex128": ctypes.c_double * 2,
}.items():  # fmt: skip
    ONE[_name], ZERO[_name] = _numbers(_kind, 1.0, 0.0)


def compute_type(name: str) -> int:
    """What sums are made in, for operands of a dtype."""
    if name in ("float64", "complex128"):
        return int(cublas.CUBLAS_COMPUTE_64F)
    fast = FAST.get(get_float32_matmul_precision()) if name in ("float32", "complex64") else None
    return int(cublas.CUBLAS_COMPUTE_32F if fast is None else fast)


def layout(rows: int, columns: int, row_step: int, column_step: int) -> tuple[int, int] | None:
    """How cuBLAS sees a matrix turned around: (operation, leading dimension), or None where it cannot.

    A row-major matrix is its transpose by columns, so it is taken as it is (N); one with neighbours along rows is
    transposed (T). The step along a dim of size 1 means nothing.
    """
    if (column_step == 1 or columns == 1) and (rows == 1 or row_step >= columns):
        return cublas.CUBLAS_OP_N, max(row_step if rows > 1 else columns, columns, 1)
    if (row_step == 1 or rows == 1) and (columns == 1 or column_step >= rows):
        return cublas.CUBLAS_OP_T, max(column_step if columns > 1 else rows, rows, 1)
    return None


def gemm(backend: Any, p: Product, out: Look) -> bool:
    """Products into contiguous `out` by cuBLAS; False where it cannot."""
    name = out.dtype.name
    x = layout(p.n, p.k, *p.input_steps[2:])
    y = layout(p.k, p.m, *p.other_steps[2:])
    if name not in TYPES or x is None or y is None or not p.k:
        return False
    if max(p.n, p.m, p.k, x[1], y[1], p.batch[1]) > MOST:
        return False
    kind, compute = TYPES[name], compute_type(name)
    one, zero = ctypes.addressof(ONE[name]), ctypes.addressof(ZERO[name])
    size, each = out.dtype.itemsize, p.n * p.m
    at = [backend.data_ptr(look) for look in (p.other, p.input, out)]
    backend.bound(out.index).native.use()
    handle = device.get_cublas_handle()
    if size == 2:
        cublas.setMathMode(handle, WIDE_SUMS)
    for outer in range(p.batch[0]):
        b, a, c = (
            start + outer * step * size
            for start, step in zip(at, (p.other_steps[0], p.input_steps[0], p.batch[1] * each), strict=True)
        )
        cublas.gemmStridedBatchedEx(
            handle, y[0], x[0], p.m, p.n, p.k, one, b, kind, y[1], p.other_steps[1], a, kind, x[1], p.input_steps[1],
            zero, c, kind, p.m, each, p.batch[1], compute, DEFAULT_ALGORITHM,
        )  # fmt: skip
    return True


def ready(backend: Any, look: Look) -> Look:
    """A matrix, or matrices, that cuBLAS can walk: copied where no dim has a step of 1."""
    n, m = look.shape[-2:]
    if look.dtype.name in TYPES and look.size and layout(n, m, *look.steps[-2:]) is None:
        whole: Look = backend.contiguous(look)
        return whole
    return look


def matmul(backend: Any, input: Look, other: Look) -> Look:
    """Products of matrices, batched; vectors are rows and columns."""
    a, b = ready(backend, _matrix(input, True)), ready(backend, _matrix(other, False))
    n, k, m = a.shape[-2], a.shape[-1], b.shape[-1]
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    shape = (*batch, *input.shape[-2:-1], *(other.shape[-1:] if len(other.shape) > 1 else ()))
    out: Look = backend.fresh(shape, np.dtype(input.dtype), input.index)
    if out.size:
        for product, offset in products(a, b, batch, n, m, k):
            place = seen(out, (product.items * product.n * product.m,), (1,), offset)
            if not gemm(backend, product, place):
                multiply(backend, product, place)
    return out


KERNELS: dict[str, Callable[..., Any]] = {"matmul": matmul}
