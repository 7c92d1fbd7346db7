# SPDX-License-Identifier: Apache-2.0
"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._dtype import promote_types
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._shape import Shape, broadcast_shapes, normalize_dim
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bilinear",
    "bmm",
    "cross",
    "dot",
    "ger",
    "inner",
    "inverse",
    "linear",
    "matmul",
    "matrix_power",
    "mm",
    "mv",
    "outer",
    "trace",
    "vdot",
]


def pairs(*shapes: tuple[Shape, Shape]) -> Callable[[], list[Sample]]:
    return lambda: [Sample(Operand(a), Operand(b)) for a, b in shapes]


# -- products --------------------------------------------------------------------------------------------------------


def _matmul_shape(input: Any, other: Any) -> Shape:
    a, b = tuple(input.shape), tuple(other.shape)
    if not a or not b:
        raise ShapeError(f"matmul: operands must have at least 1 dim, got {a} @ {b}")
    inner = b[-2] if len(b) > 1 else b[0]
    if a[-1] != inner:
        raise ShapeError(f"matmul: inner sizes must agree, got {a} @ {b}: {a[-1]} and {inner}")
    batch = broadcast_shapes("matmul", a[:-2], b[:-2])
    return batch + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


@op(
    dtype=rules.numeric,
    shape=_matmul_shape,
    samples=pairs(
        ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 2, 3), (3, 4)), ((2, 2, 3), (2, 3, 4)),
        ((2, 1, 2, 3), (4, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((33, 65), (65, 17)), ((2, 2, 3), (3,)),
        ((3,), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((1, 1), (1, 1)), ((0,), (0,)),
    ),
    errors=lambda: [
        ErrorSample(ShapeError, "inner sizes", Operand((3, 4)), Operand((5, 6))),
        ErrorSample(ShapeError, "at least 1 dim", Operand(()), Operand((2,))),
        ErrorSample(ShapeError, "broadcast", Operand((2, 3, 3)), Operand((3, 3, 3))),
        ErrorSample(DTypeError, "numeric", Operand((2, 2)), Operand((2, 2)), dtype="bool"),
    ],
    reference=np.matmul,
    tolerance="accumulation",
)  # fmt: skip
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product; dims before the last two are batch dims and broadcast. 1-d operands are vectors.

    Args:
        input: any numeric dtype, shape (*, n, k) or (k).
        other: shape (*, k, m) or (k).

    Returns:
        Shape (*, n, m), without n or m where an operand is a vector.

    Raises:
        ShapeError: the inner sizes differ, or an operand is 0-d.

    Example:
        >>> cb.matmul(cb.ones(2, 3), cb.ones(3))
        tensor([3., 3.])
    """
    ...


def _matmul_input_grad(grad: Tensor, input_shape: Shape, other: Tensor) -> Tensor:
    other = conjugate(other)
    if other.dim() == 1:
        return grad.unsqueeze(-1) * other if len(input_shape) > 1 else grad * other
    if len(input_shape) == 1:
        return matmul(other, grad.unsqueeze(-1)).squeeze(-1)
    return matmul(grad, other.transpose(-1, -2))


def _matmul_other_grad(grad: Tensor, input: Tensor, other_shape: Shape) -> Tensor:
    input = conjugate(input)
    if input.dim() == 1:
        return input.unsqueeze(-1) * grad.unsqueeze(-2) if len(other_shape) > 1 else input * grad
    if len(other_shape) == 1:
        return matmul(input.transpose(-1, -2), grad.unsqueeze(-1)).squeeze(-1)
    if len(other_shape) == 2 and input.dim() > 2:  # one product over all rows, where a batch of them would be summed
        input, grad = _as_rows(input), _as_rows(grad)
    return matmul(input.transpose(-1, -2), grad)


def _as_rows(value: Tensor) -> Tensor:
    """All dims but the last as one."""
    *lead, last = value.shape
    return value.reshape((math.prod(lead), last))


matmul.vjp(input=_matmul_input_grad, other=_matmul_other_grad)


def check_ranks(name: str, *operands: tuple[str, Any, int]) -> None:
    for operand, tensor, ndim in operands:
        if tensor.dim() != ndim:
            raise ShapeError(f"{name}: {operand} must have {ndim} dims, got shape {tuple(tensor.shape)}")


def check_inner(name: str, a: Any, b: Any, left: int, right: int) -> None:
    if left != right:
        raise ShapeError(f"{name}: inner sizes must agree, got {tuple(a.shape)} @ {tuple(b.shape)}: {left} and {right}")


def _mm_shape(input: Any, mat2: Any) -> Shape:
    check_ranks("mm", ("input", input, 2), ("mat2", mat2, 2))
    check_inner("mm", input, mat2, input.shape[1], mat2.shape[0])
    return (input.shape[0], mat2.shape[1])


@op(
    dtype=rules.numeric,
    shape=_mm_shape,
    samples=pairs(((2, 3), (3, 4)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((1, 1), (1, 1)), ((31, 7), (7, 13))),
    errors=lambda: [
        ErrorSample(ShapeError, "inner sizes", Operand((2, 3)), Operand((2, 3))),
        ErrorSample(ShapeError, "2 dims", Operand((2, 3)), Operand((3,))),
    ],
    reference=np.matmul,
    tolerance="accumulation",
)
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices.

    Args:
        input: any numeric dtype, shape (n, k).
        mat2: shape (k, m).

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: the inner sizes differ, or an operand is not a matrix.

    Example:
        >>> cb.mm(cb.ones(2, 3), cb.ones(3, 1))
        tensor([[3.],
                [3.]])
    """
    return matmul(input, mat2)


mm.vjp(
    input=lambda grad, mat2: mm(grad, conjugate(mat2).transpose(0, 1)),
    mat2=lambda grad, input: mm(conjugate(input).transpose(0, 1), grad),
)


def _bmm_shape(input: Any, mat2: Any) -> Shape:
    check_ranks("bmm", ("input", input, 3), ("mat2", mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batch sizes must agree, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    check_inner("bmm", input, mat2, input.shape[2], mat2.shape[1])
    return (input.shape[0], input.shape[1], mat2.shape[2])


@op(
    dtype=rules.numeric,
    shape=_bmm_shape,
    samples=pairs(((2, 2, 3), (2, 3, 4)), ((0, 2, 3), (0, 3, 2)), ((3, 2, 0), (3, 0, 2)), ((1, 1, 1), (1, 1, 1))),
    errors=lambda: [
        ErrorSample(ShapeError, "batch sizes", Operand((1, 2, 3)), Operand((2, 3, 2))),
        ErrorSample(ShapeError, "inner sizes", Operand((2, 2, 3)), Operand((2, 2, 3))),
        ErrorSample(ShapeError, "3 dims", Operand((2, 3)), Operand((2, 3, 2))),
    ],
    reference=np.matmul,
    tolerance="accumulation",
)
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of a batch of pairs of matrices.

    Args:
        input: any numeric dtype, shape (b, n, k).
        mat2: shape (b, k, m).

    Returns:
        Shape (b, n, m).

    Raises:
        ShapeError: batch or inner sizes differ, or an operand has not 3 dims.

    Example:
        >>> cb.bmm(cb.ones(2, 1, 3), cb.ones(2, 3, 1)).shape
        candelabra.Size([2, 1, 1])
    """
    return matmul(input, mat2)


bmm.vjp(
    input=lambda grad, mat2: bmm(grad, conjugate(mat2).transpose(1, 2)),
    mat2=lambda grad, input: bmm(conjugate(input).transpose(1, 2), grad),
)


def _mv_shape(input: Any, vec: Any) -> Shape:
    check_ranks("mv", ("input", input, 2), ("vec", vec, 1))
    check_inner("mv", input, vec, input.shape[1], vec.shape[0])
    return (input.shape[0],)


@op(
    dtype=rules.numeric,
    shape=_mv_shape,
    samples=pairs(((2, 3), (3,)), ((0, 3), (3,)), ((2, 0), (0,)), ((1, 1), (1,)), ((31, 7), (7,))),
    errors=lambda: [
        ErrorSample(ShapeError, "inner sizes", Operand((2, 3)), Operand((2,))),
        ErrorSample(ShapeError, "vec must have 1 dims", Operand((2, 3)), Operand((3, 1))),
    ],
    reference=np.matmul,
    tolerance="accumulation",
)
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector.

    Args:
        input: any numeric dtype, shape (n, k).
        vec: shape (k).

    Returns:
        Shape (n).

    Raises:
        ShapeError: the inner sizes differ, or the operands are not a matrix and a vector.

    Example:
        >>> cb.mv(cb.ones(2, 3), cb.ones(3))
        tensor([3., 3.])
    """
    return matmul(input, vec)


mv.vjp(
    input=lambda grad, vec: outer(grad, conjugate(vec)),
    vec=lambda grad, input: mv(conjugate(input).transpose(0, 1), grad),
)


def _dot_shape(name: str) -> Callable[[Any, Any], Shape]:
    def rule(input: Any, other: Any) -> Shape:
        if input.dim() != 1 or other.dim() != 1 or input.shape != other.shape:
            raise ShapeError(
                f"{name}: operands must be 1-d and of one size, got {tuple(input.shape)} and {tuple(other.shape)}"
            )
        return ()

    return rule


@op(
    dtype=rules.numeric,
    shape=_dot_shape("dot"),
    samples=pairs(((3,), (3,)), ((0,), (0,)), ((1,), (1,)), ((131,), (131,))),
    errors=lambda: [ErrorSample(ShapeError, "one size", Operand((3,)), Operand((1,)))],
    reference=np.dot,
    tolerance="accumulation",
)
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements.

    Args:
        input: any numeric dtype, shape (n).
        tensor: shape (n).

    Returns:
        Shape ().

    Raises:
        ShapeError: the operands are not vectors of one size.

    Example:
        >>> cb.dot(cb.tensor([2, 3]), cb.tensor([2, 1]))
        tensor(7)
    """
    return matmul(input, tensor)


dot.vjp(
    input=lambda grad, tensor: grad * conjugate(tensor),
    tensor=lambda grad, input: grad * conjugate(input),
)


@op(
    dtype=rules.numeric,
    shape=_dot_shape("vdot"),
    samples=pairs(((3,), (3,)), ((0,), (0,)), ((1,), (1,))),
    errors=lambda: [ErrorSample(ShapeError, "one size", Operand((3,)), Operand((2,)))],
    reference=np.vdot,
    tolerance="accumulation",
)
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements, the first one's conjugated.

    Args:
        input: any numeric dtype, shape (n).
        other: shape (n).

    Returns:
        Shape ().

    Raises:
        ShapeError: the operands are not vectors of one size.

    Example:
        >>> cb.vdot(cb.tensor([1j]), cb.tensor([1j]))
        tensor(1.+0.j)
    """
    return dot(conjugate(input), other)


vdot.vjp(
    input=lambda grad, other: conjugate(grad) * other,
    other=lambda grad, input: grad * input,
)


@op(
    samples=pairs(((2, 3), (4, 3)), ((3,), (3,)), ((3,), (2, 3)), ((), (2, 3)), ((2, 2, 3), (1, 3)), ((2, 0), (3, 0))),
    errors=lambda: [ErrorSample(ShapeError, "last sizes", Operand((2, 3)), Operand((3, 2)))],
    reference=np.inner,
    tolerance="accumulation",
)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dims; the product where an operand is 0-d.

    Args:
        input: any numeric dtype, shape (*a, k).
        other: shape (*b, k).

    Returns:
        Shape (*a, *b).

    Raises:
        ShapeError: the last sizes differ.

    Example:
        >>> cb.inner(cb.tensor([1, 2]), cb.tensor([3, 4]))
        tensor(11)
    """
    if not input.dim() or not other.dim():
        return input * other
    a, b = tuple(input.shape), tuple(other.shape)
    if a[-1] != b[-1]:
        raise ShapeError(f"inner: last sizes must agree, got {a} and {b}")
    return matmul(_as_rows(input), _as_rows(other).transpose(0, 1)).reshape(a[:-1] + b[:-1])


@op(
    samples=pairs(((2,), (3,)), ((0,), (3,)), ((1,), (1,))),
    errors=lambda: [ErrorSample(ShapeError, "1 dims", Operand((2, 2)), Operand((2,)))],
    reference=np.multiply.outer,
    tolerance="rounded",
)
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Products of each element of one vector with each of another.

    Args:
        input: any dtype that computes, shape (n).
        vec2: shape (m).

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: an operand is not a vector.

    Example:
        >>> cb.outer(cb.tensor([1, 2]), cb.tensor([1, 10]))
        tensor([[ 1, 10],
                [ 2, 20]])
    """
    check_ranks("outer", ("input", input, 1), ("vec2", vec2, 1))
    return input.reshape((input.shape[0], 1)) * vec2


ger = outer
Tensor.ger = outer


# -- products added to a tensor --------------------------------------------------------------------------------------


def _blend(name: str, input: Tensor, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """`beta * input + alpha * product`; a `beta` of 0 leaves `input` out, nan and all."""
    whole = promote_types(input.dtype, product.dtype)
    if whole.category < 2 and not all(isinstance(factor, int) for factor in (beta, alpha)):
        raise DTypeError(f"{name}: factors must be integers for integer operands, got beta={beta!r}, alpha={alpha!r}")
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
    _bmm_shape(batch1, batch2)
    b, n, k = batch1.shape
    # The sum over the batch is one more contracted dim: one product does it all.
    product = mm(batch1.transpose(0, 1).reshape((n, b * k)), batch2.reshape((b * k, batch2.shape[2])))
    return _blend("addbmm", input, product, beta, alpha)


# -- linear maps -----------------------------------------------------------------------------------------------------


def _linear_shape(input: Any, weight: Any, bias: Any) -> Shape:
    x, w = tuple(input.shape), tuple(weight.shape)
    if not x or len(w) not in (1, 2):
        raise ShapeError(f"linear: input needs 1 dim or more and weight 1 or 2, got {x} and {w}")
    if x[-1] != w[-1]:
        raise ShapeError(f"linear: last sizes of input and weight must agree, got {x} and {w}: {x[-1]} and {w[-1]}")
    result = x[:-1] + w[:-1]
    if bias is not None and broadcast_shapes("linear", tuple(bias.shape), result) != result:
        raise ShapeError(f"linear: bias must broadcast to the result, got {tuple(bias.shape)} for {result}")
    return result


@op(
    dtype=rules.numeric,
    shape=_linear_shape,
    method=False,
    samples=lambda: [
        Sample(Operand(x), Operand(w), *b)
        for x, w, b in [
            ((2, 3), (4, 3), [Operand((4,))]), ((2, 3), (4, 3), []), ((3,), (4, 3), [Operand((4,))]),
            ((2, 2, 3), (4, 3), [Operand((4,))]), ((2, 3), (3,), [Operand(())]), ((3,), (3,), []),
            ((0, 3), (4, 3), [Operand((4,))]), ((2, 0), (4, 0), [Operand((4,))]), ((2, 3), (0, 3), [Operand((0,))]),
            ((31, 17), (5, 17), [Operand((5,))]), ((2, 3), (4, 3), [Operand((2, 4))]), ((1, 1), (1, 1), []),
        ]
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "last sizes", Operand((2, 3)), Operand((4, 2))),
        ErrorSample(ShapeError, "bias must broadcast", Operand((2, 3)), Operand((4, 3)), Operand((3, 2, 4))),
        ErrorSample(ShapeError, "1 dim or more", Operand(()), Operand((4, 3))),
    ],
    reference=lambda input, weight, bias=0: np.matmul(input, weight.T) + (bias * 1),
    tolerance="accumulation",
)  # fmt: skip
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input` times the transposed `weight`, plus `bias`.

    Args:
        input: any numeric dtype, shape (*, k).
        weight: shape (m, k), or (k) for one output without a dim of its own.
        bias: shape (m), or () for a 1-d weight.

    Returns:
        Shape (*, m).

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.linear(cb.ones(1, 3), cb.ones(2, 3), cb.tensor([0.0, 1.0]))
        tensor([[3., 4.]])
    """
    product = matmul(input, weight.transpose(0, 1) if weight.dim() == 2 else weight)
    return product if bias is None else product + bias


def _linear_weight_grad(grad: Tensor, input: Tensor, weight_shape: Shape) -> Tensor:
    rows = conjugate(_as_rows(input))
    if len(weight_shape) == 1:
        return mv(rows.transpose(0, 1), grad.reshape(rows.shape[0]))
    return mm(_as_rows(grad).transpose(0, 1), rows)


linear.vjp(
    input=lambda grad, weight: (
        matmul(grad, conjugate(weight)) if weight.dim() == 2 else grad.unsqueeze(-1) * conjugate(weight)
    ),
    weight=_linear_weight_grad,
    bias=lambda grad, bias_shape: grad.sum(tuple(range(grad.dim() - 1))) if len(bias_shape) == 1 < grad.dim() else grad,
)


@op(
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), Operand((2, 2)), Operand((4, 3, 2)), Operand((4,))),
        Sample(Operand((2, 2, 3)), Operand((2, 2, 1)), Operand((2, 3, 1))),
        Sample(Operand((3,)), Operand((2,)), Operand((1, 3, 2)), Operand((1,))),
        Sample(Operand((0, 3)), Operand((0, 2)), Operand((4, 3, 2))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "leading sizes", Operand((2, 3)), Operand((3, 2)), Operand((4, 3, 2))),
        ErrorSample(ShapeError, "weight must be", Operand((2, 3)), Operand((2, 2)), Operand((4, 2, 2))),
    ],
    reference=lambda input1, input2, weight, bias=0: (
        np.einsum("...i,oij,...j->...o", input1 * 1.0, weight * 1.0, input2 * 1.0) + bias
    ),
    tolerance="accumulation",
)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1` times each matrix of `weight` times `input2`, plus `bias`.

    Args:
        input1: any numeric dtype, shape (*, n).
        input2: shape (*, m).
        weight: shape (o, n, m).
        bias: shape (o).

    Returns:
        Shape (*, o).

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.bilinear(cb.ones(1, 2), cb.ones(1, 3), cb.ones(1, 2, 3))
        tensor([[6.]])
    """
    lead = tuple(input1.shape[:-1])
    if lead != tuple(input2.shape[:-1]):
        raise ShapeError(f"bilinear: leading sizes must agree, got {tuple(input1.shape)} and {tuple(input2.shape)}")
    n, m = input1.shape[-1], input2.shape[-1]
    if tuple(weight.shape[1:]) != (n, m) or weight.dim() != 3:
        raise ShapeError(f"bilinear: weight must be (out, {n}, {m}), got {tuple(weight.shape)}")
    o = weight.shape[0]
    rows, columns = math.prod(lead), o * m
    half = mm(input1.reshape((rows, n)), weight.transpose(0, 1).reshape((n, columns))).reshape((rows, o, m))
    out = bmm(half, input2.reshape((rows, m, 1))).reshape((*lead, o))
    return out if bias is None else out + bias


# -- square matrices and vectors of three ----------------------------------------------------------------------------


@op(
    samples=lambda: [Sample(Operand(s)) for s in ((3, 3), (2, 4), (4, 2), (0, 3), (1, 1))],
    errors=lambda: [ErrorSample(ShapeError, "2 dims", Operand((2, 2, 2)))],
    reference=np.trace,
    tolerance="accumulation",
)
def trace(input: Tensor) -> Tensor:
    """Sum of the main diagonal of a matrix.

    Args:
        input: any dtype that computes, shape (n, m).

    Returns:
        Shape (). Integers and bool give int64.

    Raises:
        ShapeError: `input` is not a matrix.

    Example:
        >>> cb.trace(cb.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    check_ranks("trace", ("input", input, 2))
    return input.diagonal().sum()


def _cross_front(input: Any, other: Any, dim: int | None) -> tuple[Any, ...]:
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        return input, other, dim
    shape = broadcast_shapes("cross", tuple(input.shape), tuple(other.shape))
    if dim is None:
        if 3 not in input.shape:
            raise ShapeError(f"cross: some dim of input must have size 3, got {tuple(input.shape)}")
        dim = tuple(input.shape).index(3) - input.dim()
    dim = normalize_dim("cross", dim, len(shape)) - len(shape)
    for tensor in (input, other):
        if tensor.dim() < -dim or tensor.shape[dim] != 3:
            raise ShapeError(
                f"cross: dim must have size 3, got {tuple(input.shape)} and {tuple(other.shape)} at dim={dim}"
            )
    return input, other, dim


def _cross_reference(input: Any, other: Any, dim: int | None = None) -> Any:
    axis = input.shape.index(3) - input.ndim if dim is None else dim
    ndim = max(input.ndim, other.ndim)
    axis = axis if axis < 0 else axis - ndim
    return np.moveaxis(np.cross(np.moveaxis(input, axis, -1), np.moveaxis(other, axis, -1)), -1, axis)


@op(
    dtype=rules.numeric,
    shape=lambda input, other, dim: broadcast_shapes("cross", tuple(input.shape), tuple(other.shape)),
    front=_cross_front,
    samples=lambda: [
        Sample(Operand((3,)), Operand((3,))),
        Sample(Operand((2, 3)), Operand((2, 3)), -1),
        Sample(Operand((3, 2)), Operand((3, 2)), 0),
        Sample(Operand((2, 3)), Operand((1, 3))),
        Sample(Operand((4, 3, 2)), Operand((4, 3, 2))),
        Sample(Operand((0, 3)), Operand((0, 3)), dim=1),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "size 3", Operand((2, 2)), Operand((2, 2))),
        ErrorSample(ShapeError, "size 3", Operand((2, 3)), Operand((2, 3)), 0),
    ],
    reference=_cross_reference,
    tolerance="accumulation",
)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Cross product of vectors of three elements.

    Args:
        input: any numeric dtype, shape (*) with size 3 at `dim`.
        other: broadcastable with `input`, size 3 at `dim`.
        dim: where the vectors lie; the first dim of `input` of size 3 when None.

    Returns:
        The broadcast shape.

    Raises:
        ShapeError: `dim` has another size than 3.

    Example:
        >>> cb.cross(cb.tensor([1, 0, 0]), cb.tensor([0, 1, 0]))
        tensor([0, 0, 1])
    """
    ...


cross.vjp(
    input=lambda grad, other, dim: cross(conjugate(other), grad, dim),
    other=lambda grad, input, dim: cross(grad, conjugate(input), dim),
)


def _square(name: str) -> Callable[..., Shape]:
    def rule(input: Any, *rest: Any) -> Shape:
        shape = tuple(input.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ShapeError(f"{name}: last two sizes must be equal, got {shape}")
        return shape

    return rule


@op(
    dtype=rules.inexact_only,
    shape=_square("inverse"),
    samples=lambda: [
        Sample(Operand((2, 2), values=[[3.0, 1.0], [-1.0, 2.0]])),
        Sample(Operand((2, 2, 2), values=[[[2.0, 0.5], [0.25, 1.0]], [[-1.0, 0.0], [3.0, 4.0]]])),
        Sample(Operand((1, 1), 1.0, 2.0)),
        Sample(Operand((0, 0))),
        Sample(Operand((0, 3, 3))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "equal", Operand((2, 3))),
        ErrorSample(DTypeError, "floating", Operand((2, 2)), dtype="int64"),
        ErrorSample(ArgumentError, "singular", Operand((2, 2), values=[[0.0, 0.0], [0.0, 0.0]])),
    ],
    reference=np.linalg.inv,
    tolerance="accumulation",
)
def inverse(input: Tensor) -> Tensor:
    """Inverse of a square matrix, or of each in a batch.

    Args:
        input: floating or complex, shape (*, n, n).

    Returns:
        Shape (*, n, n).

    Raises:
        ShapeError: the last two sizes differ.
        ArgumentError: a matrix is singular, where the backend can tell.

    Example:
        >>> cb.inverse(cb.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    ...


def _inverse_grad(grad: Tensor, out: Tensor) -> Tensor:
    adjoint = conjugate(out).transpose(-1, -2)
    return -matmul(matmul(adjoint, grad), adjoint)


inverse.vjp(input=_inverse_grad)


@op(
    samples=lambda: [
        *(Sample(Operand((2, 2)), n) for n in (0, 1, 2, 3, 5, 8)),
        Sample(Operand((2, 3, 3)), 2),
        Sample(Operand((0, 0)), 3),
        Sample(Operand((2, 2), values=[[3.0, 1.0], [-1.0, 2.0]]), -2, dtypes=("float32", "float64")),
    ],
    errors=lambda: [ErrorSample(ShapeError, "equal", Operand((2, 3)), 2)],
    reference=np.linalg.matrix_power,
    tolerance="accumulation",
)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """Product of `n` copies of a square matrix; of its inverse for negative `n`.

    Args:
        input: any numeric dtype, shape (*, m, m); floating or complex for negative `n`.
        n: an int; 0 gives the identity.

    Returns:
        Shape (*, m, m).

    Raises:
        ShapeError: the last two sizes differ.
        ArgumentError: `n` is negative and a matrix is singular.

    Example:
        >>> cb.matrix_power(cb.tensor([[1, 1], [0, 1]]), 5)
        tensor([[1, 5],
                [0, 1]])
    """
    shape = _square("matrix_power")(input)
    if not hasattr(n, "__index__"):
        raise CallError(f"matrix_power: n must be an int, got {n!r}")
    if n == 0:
        return _identity(shape[-1], input).expand(shape).clone()
    base = inverse(input) if n < 0 else input
    n = abs(n)
    result = None
    while True:  # square and multiply, by the binary digits of n
        if n & 1:
            result = base if result is None else matmul(result, base)
        n >>= 1
        if not n:
            return result.clone() if result is input else result
        base = matmul(base, base)


def _identity(size: int, beside: Tensor) -> Tensor:
    from .view import host_tensor

    return host_tensor(np.eye(size, dtype=beside.dtype.numpy), beside)
