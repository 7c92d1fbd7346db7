# SPDX-License-Identifier: Apache-2.0
"""Square matrices, and vectors of three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._shape import Shape, broadcast_shapes, normalize_dim
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate
from .linalg import check_ranks, matmul

__all__ = [
    "cross",
    "inverse",
    "matrix_power",
    "trace",
]


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


def square(name: str) -> Callable[..., Shape]:
    def rule(input: Any, *rest: Any) -> Shape:
        shape = tuple(input.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ShapeError(f"{name}: last two sizes must be equal, got {shape}")
        return shape

    return rule


@op(
    dtype=rules.inexact_only,
    shape=square("inverse"),
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
    shape = square("matrix_power")(input)
    if not hasattr(n, "__index__"):
        raise CallError(f"matrix_power: n must be an int, got {n!r}")
    if n == 0:
        return _identity(shape[-1], input).expand(shape).clone()
    base = inverse(input) if n < 0 else input
    n = abs(n)
    result: Any = None
    while True:  # square and multiply, by the binary digits of n
        if n & 1:
            result = base if result is None else matmul(result, base)
        n >>= 1
        if not n:
            return result.clone() if result is input else result
        base = matmul(base, base)


def _identity(size: int, beside: Tensor) -> Tensor:
    from .strided import host_tensor

    return host_tensor(np.eye(size, dtype=beside.dtype.numpy), beside)
