# SPDX-License-Identifier: Apache-2.0
"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._errors import DTypeError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate

__all__ = [
    "bilinear",
    "bmm",
    "dot",
    "ger",
    "inner",
    "linear",
    "matmul",
    "mm",
    "mv",
    "outer",
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
    kernel_checks=True,
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
    if value.dim() == 2:
        return value
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


def bmm_shape(input: Any, mat2: Any) -> Shape:
    check_ranks("bmm", ("input", input, 3), ("mat2", mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batch sizes must agree, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    check_inner("bmm", input, mat2, input.shape[2], mat2.shape[1])
    return (input.shape[0], input.shape[1], mat2.shape[2])


@op(
    dtype=rules.numeric,
    shape=bmm_shape,
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
    input=lambda grad, vec: grad.unsqueeze(-1) * conjugate(vec),
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
