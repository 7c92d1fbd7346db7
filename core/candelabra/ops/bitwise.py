# SPDX-License-Identifier: Apache-2.0
"""Operations on the bits of integers; on bool, logic."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtype
from .._errors import DTypeError
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary

__all__ = ["bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor"]

BITS = "none: bits have no slope"
_FLOATS = [ErrorSample(DTypeError, "needs an integer or bool", Operand((2,)), Operand((2,)))]


@op(
    dtype=rules.integral,
    shape=rules.broadcast,
    grad=BITS,
    samples=lambda: [*binary(-9, 9, scalars=(5, True)), Sample(6, Operand((3,), -9, 9))],
    errors=lambda: _FLOATS,
    reference=np.bitwise_and,
    tolerance="exact",
)
def bitwise_and(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Bits set in both operands; logical and for bool.

    Args:
        input: any integer dtype or bool, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: floating or complex operands.

    Example:
        >>> cb.bitwise_and(cb.tensor([6, 5]), 3)
        tensor([2, 1])
    """
    ...


@op(
    dtype=rules.integral,
    shape=rules.broadcast,
    grad=BITS,
    samples=lambda: [*binary(-9, 9, scalars=(5, True)), Sample(6, Operand((3,), -9, 9))],
    errors=lambda: _FLOATS,
    reference=np.bitwise_or,
    tolerance="exact",
)
def bitwise_or(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Bits set in either operand; logical or for bool.

    Args:
        input: any integer dtype or bool, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: floating or complex operands.

    Example:
        >>> cb.bitwise_or(cb.tensor([6, 5]), 3)
        tensor([7, 7])
    """
    ...


@op(
    dtype=rules.integral,
    shape=rules.broadcast,
    grad=BITS,
    samples=lambda: [*binary(-9, 9, scalars=(5, True)), Sample(6, Operand((3,), -9, 9))],
    errors=lambda: _FLOATS,
    reference=np.bitwise_xor,
    tolerance="exact",
)
def bitwise_xor(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Bits set in exactly one operand; logical xor for bool.

    Args:
        input: any integer dtype or bool, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: floating or complex operands.

    Example:
        >>> cb.bitwise_xor(cb.tensor([6, 5]), 3)
        tensor([5, 6])
    """
    ...


@op(
    dtype=rules.integral,
    shape=rules.same,
    grad=BITS,
    samples=lambda: unary(-9, 9),
    errors=lambda: [ErrorSample(DTypeError, "needs an integer or bool", Operand((2,)))],
    reference=np.invert,
    tolerance="exact",
)
def bitwise_not(input: Tensor) -> Tensor:
    """All bits inverted; logical not for bool.

    Args:
        input: any integer dtype or bool, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is floating or complex.

    Example:
        >>> cb.bitwise_not(cb.tensor([0, 5]))
        tensor([-1, -6])
    """
    ...


def _shifted(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.numeric(name, found, args)
    return rules.integral(name, found, args)


_SHIFTED_BOOL = ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), dtype="bool")


@op(
    dtype=_shifted,
    shape=rules.broadcast,
    grad=BITS,
    samples=lambda: [
        *binary(-9, 9, 0, 5, scalars=(3,)),
        Sample(1, Operand((3,), 0, 5)),
        Sample(
            Operand((3,), values=[1, -2, 5]),
            Operand((3,), values=[64, -1, 70]),
            special=[0, 0, 0],
            dtypes=("int64", "int32"),
        ),
    ],
    errors=lambda: [*_FLOATS, _SHIFTED_BOOL],
    reference=np.left_shift,
    tolerance="exact",
)
def bitwise_left_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Bits of `input` moved up by `other` places.

    Args:
        input: any integer dtype, shape (*).
        other: broadcastable with `input`, or a number. Negative, or as large as the number of bits, it gives 0.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: operands that are not integers.

    Example:
        >>> cb.bitwise_left_shift(cb.tensor([1, -3]), 2)
        tensor([  4, -12])
    """
    ...


@op(
    dtype=_shifted,
    shape=rules.broadcast,
    grad=BITS,
    samples=lambda: [
        *binary(-90, 90, 0, 5, scalars=(3,)),
        Sample(100, Operand((3,), 0, 5)),
        Sample(
            Operand((3,), values=[1, -2, 5]),
            Operand((3,), values=[64, -1, 70]),
            special=[0, -1, 0],
            dtypes=("int64", "int32"),
        ),
    ],
    errors=lambda: [*_FLOATS, _SHIFTED_BOOL],
    reference=np.right_shift,
    tolerance="exact",
)
def bitwise_right_shift(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Bits of `input` moved down by `other` places, the sign kept.

    Args:
        input: any integer dtype, shape (*).
        other: broadcastable with `input`, or a number. Negative, or as large as the number of bits, it gives 0, or -1
            for negative numbers.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: operands that are not integers.

    Example:
        >>> cb.bitwise_right_shift(cb.tensor([12, -12]), 2)
        tensor([ 3, -3])
    """
    ...
