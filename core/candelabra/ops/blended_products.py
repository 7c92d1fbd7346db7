# SPDX-License-Identifier: Apache-2.0
"""Products of matrices and vectors added to a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtype import promote_types
from .._errors import DTypeError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .linalg import bmm, bmm_shape, mm, mv, outer

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
]


def _blend(name: str, input: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """`beta * input + alpha * product`; a `beta` of 0 leaves `input` out, nan and all."""
    whole = promote_types(input.dtype, product.dtype)
    if whole.category < 2 and not all(isinstance(factor, int) for factor in (beta, alpha)):
        raise DTypeError(f"{name}: factors must be integers for integer operands, got beta={beta!r}, alpha={alpha!r}")
    for argument, factor in (("beta", beta), ("alpha", alpha)):
        rules.check_range(name, argument, factor, whole)
    shape = tuple(product.shape)
    if broadcast_shapes(name, tuple(input.shape), shape) != shape:
        raise ShapeError(f"{name}: input must broadcast to the product, got {tuple(input.shape)} for {shape}")
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product.to(whole)
    return (input if beta == 1 else input * beta) + product


def _blend_samples(input: Shape, a: Shape, b: Shape) -> Callable[[], list[Sample]]:
    return lambda: [
        Sample(Operand(input), Operand(a), Operand(b)),
        Sample(Operand(()), Operand(a), Operand(b)),
        Sample(Operand((1,) * len(input)), Operand(a), Operand(b), beta=2, alpha=3),
        Sample(Operand(input), Operand(a), Operand(b), beta=0.5, alpha=-1.5, dtypes=("float32", "float64")),
        Sample(Operand(input, values=np.full(input, np.nan).tolist(), grad=False), Operand(a), Operand(b), beta=0,
               dtypes=("float32", "float64")),
    ]  # fmt: skip


def _blend_errors(input: Shape, a: Shape, b: Shape) -> Callable[[], list[ErrorSample]]:
    return lambda: [
        ErrorSample(ShapeError, "broadcast", Operand((7, *input)), Operand(a), Operand(b)),
        ErrorSample(DTypeError, "factors", Operand(input), Operand(a), Operand(b), alpha=0.5, dtype="int64"),
    ]


def _blend_reference(product: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reference(input: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        return (0 if beta == 0 else beta * input) + alpha * product(a, b)

    return reference


@op(
    inplace=True,
    samples=_blend_samples((2, 4), (2, 3), (3, 4)),
    errors=_blend_errors((2, 4), (2, 3), (3, 4)),
    reference=_blend_reference(np.matmul),
    tolerance="accumulation",
)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta` times `input` plus `alpha` times the matrix product.

    Args:
        input: any numeric dtype, broadcastable to (n, m); ignored when `beta` is 0.
        mat1: shape (n, k).
        mat2: shape (k, m).
        beta: factor of `input`.
        alpha: factor of the product.

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a fractional factor for integer operands.

    Example:
        >>> cb.addmm(cb.ones(2), cb.ones(1, 3), cb.ones(3, 2), beta=10)
        tensor([[13., 13.]])
    """
    return _blend("addmm", input, mm(mat1, mat2), beta, alpha)


@op(
    inplace=True,
    samples=_blend_samples((2,), (2, 3), (3,)),
    errors=_blend_errors((2,), (2, 3), (3,)),
    reference=_blend_reference(np.matmul),
    tolerance="accumulation",
)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta` times `input` plus `alpha` times the product of a matrix and a vector.

    Args:
        input: any numeric dtype, broadcastable to (n); ignored when `beta` is 0.
        mat: shape (n, k).
        vec: shape (k).
        beta: factor of `input`.
        alpha: factor of the product.

    Returns:
        Shape (n).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a fractional factor for integer operands.

    Example:
        >>> cb.addmv(cb.ones(2), cb.ones(2, 3), cb.ones(3))
        tensor([4., 4.])
    """
    return _blend("addmv", input, mv(mat, vec), beta, alpha)


@op(
    inplace=True,
    samples=_blend_samples((2, 3), (2,), (3,)),
    errors=_blend_errors((2, 3), (2,), (3,)),
    reference=_blend_reference(np.multiply.outer),
    tolerance="accumulation",
)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta` times `input` plus `alpha` times the outer product.

    Args:
        input: any dtype that computes, broadcastable to (n, m); ignored when `beta` is 0.
        vec1: shape (n).
        vec2: shape (m).
        beta: factor of `input`.
        alpha: factor of the product.

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a fractional factor for integer operands.

    Example:
        >>> cb.addr(cb.zeros(1, 2), cb.ones(1), cb.tensor([1.0, 2.0]))
        tensor([[1., 2.]])
    """
    return _blend("addr", input, outer(vec1, vec2), beta, alpha)


@op(
    inplace=True,
    samples=_blend_samples((2, 2, 4), (2, 2, 3), (2, 3, 4)),
    errors=_blend_errors((2, 2, 4), (2, 2, 3), (2, 3, 4)),
    reference=_blend_reference(np.matmul),
    tolerance="accumulation",
)
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta` times `input` plus `alpha` times a batch of matrix products.

    Args:
        input: any numeric dtype, broadcastable to (b, n, m); ignored when `beta` is 0.
        batch1: shape (b, n, k).
        batch2: shape (b, k, m).
        beta: factor of `input`.
        alpha: factor of the products.

    Returns:
        Shape (b, n, m).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a fractional factor for integer operands.

    Example:
        >>> cb.baddbmm(cb.ones(1), cb.ones(1, 1, 3), cb.ones(1, 3, 2))
        tensor([[[4., 4.]]])
    """
    return _blend("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@op(
    inplace=True,
    samples=_blend_samples((2, 4), (2, 2, 3), (2, 3, 4)),
    errors=_blend_errors((2, 4), (2, 2, 3), (2, 3, 4)),
    reference=_blend_reference(lambda a, b: np.matmul(a, b).sum(0)),
    tolerance="accumulation",
)
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """`beta` times `input` plus `alpha` times the sum of a batch of matrix products.

    Args:
        input: any numeric dtype, broadcastable to (n, m); ignored when `beta` is 0.
        batch1: shape (b, n, k).
        batch2: shape (b, k, m).
        beta: factor of `input`.
        alpha: factor of the sum.

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: a fractional factor for integer operands.

    Example:
        >>> cb.addbmm(cb.zeros(1), cb.ones(2, 1, 3), cb.ones(2, 3, 2))
        tensor([[6., 6.]])
    """
    bmm_shape(batch1, batch2)
    b, n, k = batch1.shape
    # The sum over the batch is one more contracted dim: one product does it all.
    product = mm(batch1.transpose(0, 1).reshape((n, b * k)), batch2.reshape((b * k, batch2.shape[2])))
    return _blend("addbmm", input, product, beta, alpha)
