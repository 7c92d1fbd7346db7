# SPDX-License-Identifier: Apache-2.0
"""Division, remainders, and common divisors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError
from ..op import Number, op, rules
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary
from .arithmetic import conjugate, no_slope, real_numeric, sub

__all__ = [
    "div",
    "divide",
    "floor_divide",
    "fmod",
    "gcd",
    "lcm",
    "reciprocal",
    "remainder",
    "true_divide",
]

nan, inf = math.nan, math.inf


@op(
    dtype=rules.floating,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            -3, 3, nonzero=0.5, special=[((1.0, 0.0), inf), ((1.0, -0.0), -inf), ((0.0, 0.0), nan), ((-1.0, inf), -0.0)]
        ),
        Sample(2, Operand((3,), nonzero=0.5)),
        Sample(Operand((4,)), 0.3),
    ],
    reference=np.true_divide,
    tolerance="rounded",
)
def true_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Quotient of `input` and `other`.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted floating or complex dtype.

    Example:
        >>> cb.true_divide(cb.tensor([1, 2]), 4)
        tensor([0.2500, 0.5000])
    """
    ...


true_divide.vjp(
    input=lambda grad, other: grad / conjugate(other),
    other=lambda grad, out, other: -grad * conjugate(out / other),
)

_INTEGERS_BY_ZERO = Sample(
    Operand((3,), values=[5, 0, -5]),
    Operand((3,), values=[0, 0, 0]),
    special=[0, 0, 0],
    dtypes=("int64", "int32"),
    grad=False,
)


@op(
    dtype=real_numeric,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            -7,
            7,
            nonzero=0.7,
            special=[((-6.0, 4.0), -2.0), ((5.0, 0.0), inf), ((0.0, 0.0), nan), ((-1.0, inf), -1.0), ((inf, 1.0), nan)],
        ),
        _INTEGERS_BY_ZERO,
        Sample(7.3, Operand((3,), nonzero=0.7)),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), dtype="bool")],
    reference=np.floor_divide,
    tolerance="exact",
)
def floor_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Quotient of `input` and `other`, rounded towards minus infinity.

    Args:
        input: any real numeric dtype, shape (*).
        other: broadcastable with `input`, or a number. Integers divided by 0 give 0; no error is raised.

    Returns:
        The broadcast shape, the promoted dtype. Its gradient is 0.

    Raises:
        DTypeError: bool or complex operands.

    Example:
        >>> cb.floor_divide(cb.tensor([7, -7]), 2)
        tensor([ 3, -4])
    """
    ...


floor_divide.vjp(input=no_slope, other=no_slope)


def _trunc_divide(input: Any, other: Any) -> Any:
    """The quotient rounded towards zero."""
    found = result_dtype([input, other])
    if found.category == 1:
        whole = input.to(found) if isinstance(input, Tensor) else input
        return floor_divide(sub(whole, fmod(whole, other)), other)  # exact: the remainder is gone
    return true_divide(input, other).trunc()


_ROUNDING: dict[str | None, Any] = {None: true_divide, "floor": floor_divide, "trunc": _trunc_divide}


def _div_reference(input: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return np.true_divide(input, other)
    if rounding_mode == "floor":
        return np.floor_divide(input, other)
    return np.trunc(np.true_divide(input, other))


@op(
    inplace=True,
    samples=lambda: [
        *binary(-7, 7, nonzero=0.7),
        *[
            Sample(Operand((2, 3), -20, 20), Operand((3,), -7, 7, nonzero=0.7), rounding_mode=mode)
            for mode in (None, "trunc", "floor")
        ],
        Sample(Operand((5,), -20, 20), 3, rounding_mode="trunc"),
        Sample(7.3, Operand((3,), nonzero=0.7), rounding_mode="floor"),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "rounding_mode must be", Operand((2,)), 2, rounding_mode="ceil"),
        ErrorSample(
            DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), rounding_mode="trunc", dtype="bool"
        ),
    ],
    reference=_div_reference,
)
def div(input: Tensor | Number, other: Tensor | Number, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient of `input` and `other`, rounded to a whole number when asked.

    Args:
        input: any dtype that computes, shape (*); real for the rounded forms.
        other: broadcastable with `input`, or a number. Integers divided by 0 with rounding give 0.
        rounding_mode: None for the true quotient, `"trunc"` to round towards zero, `"floor"` towards minus infinity.

    Returns:
        The broadcast shape. The promoted dtype, which for the true quotient of integers is the default float.
        The gradient of a rounded quotient is 0.

    Raises:
        ArgumentError: an unknown `rounding_mode`.
        DTypeError: bool or complex operands with rounding.

    Example:
        >>> cb.div(cb.tensor([7, -7]), 2), cb.div(cb.tensor([7, -7]), 2, rounding_mode="trunc")
        (tensor([ 3.5000, -3.5000]), tensor([ 3, -3]))
    """
    divide_by = _ROUNDING.get(rounding_mode)
    if divide_by is None:
        raise ArgumentError(f'div: rounding_mode must be None, "trunc" or "floor", got {rounding_mode!r}')
    if rounding_mode is not None:
        real_numeric("div", result_dtype([input, other]), ())
    return divide_by(input, other)


@op(
    dtype=real_numeric,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            -7,
            7,
            nonzero=0.7,
            special=[
                ((-5.0, 3.0), 1.0),
                ((5.0, -3.0), -1.0),
                ((5.0, 0.0), nan),
                ((inf, 2.0), nan),
                ((-5.0, inf), inf),
                ((5.0, inf), 5.0),
            ],
        ),
        _INTEGERS_BY_ZERO,
        Sample(7, Operand((3,), 2, 3)),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), dtype="bool")],
    reference=np.remainder,
    tolerance="rounded",
)
def remainder(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """What `floor_divide` leaves: `input - other * floor(input / other)`, with the sign of `other`, as Python's %.

    Args:
        input: any real numeric dtype, shape (*).
        other: broadcastable with `input`, or a number. Integers modulo 0 give 0; no error is raised.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: bool or complex operands.

    Example:
        >>> cb.remainder(cb.tensor([5, -5]), 3)
        tensor([2, 1])
    """
    ...


remainder.vjp(
    input=lambda grad: grad,
    other=lambda grad, input, other: -grad * floor_divide(input, other),
)


@op(
    dtype=real_numeric,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            -7,
            7,
            nonzero=0.7,
            special=[
                ((-5.0, 3.0), -2.0),
                ((5.0, -3.0), 2.0),
                ((5.0, 0.0), nan),
                ((inf, 2.0), nan),
                ((-5.0, inf), -5.0),
                ((-6.0, 3.0), -0.0),
            ],
        ),
        _INTEGERS_BY_ZERO,
        Sample(7, Operand((3,), 2, 3)),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), dtype="bool")],
    reference=np.fmod,
    tolerance="rounded",
)
def fmod(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """What division rounded towards zero leaves: `input - other * trunc(input / other)`, with the sign of `input`.

    Args:
        input: any real numeric dtype, shape (*).
        other: broadcastable with `input`, or a number. Integers modulo 0 give 0; no error is raised.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: bool or complex operands.

    Example:
        >>> cb.fmod(cb.tensor([5, -5]), 3)
        tensor([ 2, -2])
    """
    ...


fmod.vjp(
    input=lambda grad: grad,
    other=lambda grad, input, other: -grad * _trunc_divide(input, other),
)


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.5, 3, special=[(0.0, inf), (-0.0, -inf), (inf, 0.0)]),
    reference=lambda input: np.divide(1.0, input),
    tolerance="rounded",
)
def reciprocal(input: Tensor) -> Tensor:
    """One divided by each element.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.

    Returns:
        Shape (*), the floating or complex dtype.

    Example:
        >>> cb.reciprocal(cb.tensor([2.0, 4.0]))
        tensor([0.5000, 0.2500])
    """
    ...


reciprocal.vjp(input=lambda grad, out: -grad * conjugate(out * out))

# -- divisors --------------------------------------------------------------------------------------------------------


def _whole(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.numeric(name, found, args)
    return rules.integral(name, found, args)


@op(
    dtype=_whole,
    shape=rules.broadcast,
    grad="none: integers have no slope",
    samples=lambda: [
        *binary(-12, 12, scalars=(4,)),
        Sample(
            Operand((4,), values=[0, 0, -4, 6]),
            Operand((4,), values=[0, 4, 0, -4]),
            special=[0, 4, 4, 2],
            dtypes=("int64", "int32"),
        ),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs an integer", Operand((2,)), Operand((2,)))],
    reference=np.gcd,
    tolerance="exact",
)
def gcd(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Greatest common divisor, never negative; `gcd(0, 0)` is 0.

    Args:
        input: any integer dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: operands that are not integers.

    Example:
        >>> cb.gcd(cb.tensor([12, -9]), 6)
        tensor([6, 3])
    """
    ...


@op(
    dtype=_whole,
    shape=rules.broadcast,
    grad="none: integers have no slope",
    samples=lambda: [
        *binary(-12, 12, scalars=(4,)),
        Sample(
            Operand((3,), values=[0, -4, 6]),
            Operand((3,), values=[5, 6, -4]),
            special=[0, 12, 12],
            dtypes=("int64", "int32"),
        ),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs an integer", Operand((2,)), Operand((2,)))],
    reference=np.lcm,
    tolerance="exact",
)
def lcm(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Least common multiple, never negative; 0 where an operand is 0.

    Args:
        input: any integer dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: operands that are not integers.

    Example:
        >>> cb.lcm(cb.tensor([4, -9]), 6)
        tensor([12, 18])
    """
    ...


divide = div
Tensor.divide = div
Tensor.divide_ = Tensor.div_
