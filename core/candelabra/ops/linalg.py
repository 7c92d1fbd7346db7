# SPDX-License-Identifier: Apache-2.0
"""Products of matrices and vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import Operand, Sample
from .arithmetic import conjugate

__all__ = ["matmul"]


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
    samples=lambda: [
        Sample(Operand(a), Operand(b))
        for a, b in [
            ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 2, 3), (3, 4)), ((2, 2, 3), (2, 3, 4)),
            ((2, 1, 2, 3), (4, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 2)), ((33, 65), (65, 17)), ((2, 2, 3), (3,)),
        ]
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
    return matmul(input.transpose(-1, -2), grad)


matmul.vjp(input=_matmul_input_grad, other=_matmul_other_grad)
