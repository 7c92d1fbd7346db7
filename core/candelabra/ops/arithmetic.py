# SPDX-License-Identifier: Apache-2.0
"""Addition, multiplication and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtype
from .._errors import DTypeError
from ..op import Number, op, rules
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import binary, unary

__all__ = ["add", "conj", "mul", "multiply", "neg", "negative", "sub", "subtract"]


def _fold_alpha(input: Any, other: Any, alpha: Number) -> tuple[Any, ...]:
    if type(alpha) is int and alpha == 1:
        return input, other
    if isinstance(alpha, (float, complex)) and result_dtype([input, other]).category < 2:
        raise DTypeError(f"add: alpha must be an integer for integer operands, got alpha={alpha!r}")
    return input, other * alpha


def conjugate(value: Any) -> Any:
    """Complex conjugate of a tensor or number; the value itself when it is real."""
    if isinstance(value, Tensor):
        return conj(value) if value._kind.dtype.is_complex else value
    return value.conjugate()


@op(
    dtype=rules.promoted,
    shape=rules.broadcast,
    front=_fold_alpha,
    drops=("alpha",),
    samples=lambda: binary(-3, 3, special=[((np.inf, -np.inf), np.nan), ((-0.0, 0.0), 0.0), ((-0.0, -0.0), -0.0)]),
    reference=np.add,
    tolerance="rounded",
)
def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Sum of `input` and `alpha` times `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.
        alpha: factor of `other`; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype. On bool, logical or.

    Example:
        >>> cb.add(cb.tensor([1.0, 2.0]), 1, alpha=10)
        tensor([11., 12.])
    """
    ...


add.vjp(input=lambda grad: grad, other=lambda grad: grad)


def _sub_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.numeric(name, found, args)


@op(
    dtype=_sub_dtype,
    shape=rules.broadcast,
    front=_fold_alpha,
    drops=("alpha",),
    samples=lambda: binary(-3, 3, special=[((np.inf, np.inf), np.nan), ((0.0, 0.0), 0.0)]),
    reference=np.subtract,
    tolerance="rounded",
)
def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Difference of `input` and `alpha` times `other`.

    Args:
        input: any numeric dtype, shape (*).
        other: broadcastable with `input`, or a number.
        alpha: factor of `other`; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: both operands are bool.

    Example:
        >>> cb.sub(cb.tensor([1.0, 2.0]), 1)
        tensor([0., 1.])
    """
    ...


sub.vjp(input=lambda grad: grad, other=lambda grad: -grad)


@op(
    dtype=rules.promoted,
    shape=rules.broadcast,
    samples=lambda: binary(-3, 3, special=[((np.inf, 0.0), np.nan), ((-0.0, 3.0), -0.0)]),
    reference=np.multiply,
    tolerance="rounded",
)
def mul(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Product of `input` and `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. On bool, logical and.

    Example:
        >>> cb.mul(cb.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])
    """
    ...


mul.vjp(
    input=lambda grad, other: grad * conjugate(other),
    other=lambda grad, input: grad * conjugate(input),
)


@op(
    dtype=rules.numeric,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(0.0, -0.0), (np.inf, -np.inf), (np.nan, np.nan)]),
    reference=np.negative,
    tolerance="exact",
)
def neg(input: Tensor) -> Tensor:
    """Negative of each element.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`; unsigned integers wrap.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.neg(cb.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    ...


neg.vjp(input=lambda grad: -grad)


@op(
    dtype=rules.promoted,
    shape=rules.same,
    inplace=False,
    samples=lambda: unary(-3, 3),
    reference=np.conjugate,
    tolerance="exact",
)
def conj(input: Tensor) -> Tensor:
    """Complex conjugate of each element; the values themselves for real dtypes.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> cb.conj(cb.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    ...


conj.vjp(input=lambda grad: conj(grad) if grad.is_complex() else grad)

multiply = mul
negative = neg
subtract = sub
Tensor.multiply = mul
Tensor.negative = neg
Tensor.subtract = sub
