# SPDX-License-Identifier: Apache-2.0
"""Rounding, and the parts a floating number is made of: sign, mantissa, exponent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import DTypeError
from ..op import Number, op, rules
from ..op._named import named
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary
from .arithmetic import no_slope, real_numeric, sign

__all__ = ["ceil", "copysign", "fix", "floor", "frac", "frexp", "ldexp", "nextafter", "round", "signbit", "trunc"]

nan, inf = math.nan, math.inf

# -- rounding --------------------------------------------------------------------------------------------------------

_REFUSED = [
    ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool"),
    ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64"),
]


@op(
    dtype=real_numeric,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(-0.5, -1.0), (0.5, 0.0), (-0.0, -0.0), (nan, nan), (inf, inf), (2.0, 2.0)]),
    errors=lambda: _REFUSED,
    reference=np.floor,
    tolerance="exact",
)
def floor(input: Tensor) -> Tensor:
    """Largest whole number that is not above each element.

    Args:
        input: any real numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0.

    Raises:
        DTypeError: `input` is bool or complex.

    Example:
        >>> cb.floor(cb.tensor([1.7, -1.2]))
        tensor([ 1., -2.])
    """
    ...


@op(
    dtype=real_numeric,
    shape=rules.same,
    samples=lambda: unary(
        -3, 3, special=[(-0.5, -0.0), (0.5, 1.0), (-0.0, -0.0), (nan, nan), (-inf, -inf), (2.0, 2.0)]
    ),
    errors=lambda: _REFUSED,
    reference=np.ceil,
    tolerance="exact",
)
def ceil(input: Tensor) -> Tensor:
    """Smallest whole number that is not below each element.

    Args:
        input: any real numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0.

    Raises:
        DTypeError: `input` is bool or complex.

    Example:
        >>> cb.ceil(cb.tensor([1.2, -1.7]))
        tensor([ 2., -1.])
    """
    ...


@op(
    dtype=real_numeric,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(-0.5, -0.0), (0.5, 0.0), (-1.7, -1.0), (nan, nan), (inf, inf)]),
    errors=lambda: _REFUSED,
    reference=np.trunc,
    tolerance="exact",
)
def trunc(input: Tensor) -> Tensor:
    """Whole part of each element: rounded towards zero.

    Args:
        input: any real numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0.

    Raises:
        DTypeError: `input` is bool or complex.

    Example:
        >>> cb.trunc(cb.tensor([1.7, -1.7]))
        tensor([ 1., -1.])
    """
    ...


def _round_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    if args[1] and found.category < 2:
        raise DTypeError(f"{name}: decimals needs a floating dtype, got decimals={args[1]} for {found.name}")
    return real_numeric(name, found, args)


@op(
    dtype=_round_dtype,
    shape=rules.same,
    samples=lambda: [
        *unary(-3, 3, special=[(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0), (-1.5, -2.0), (nan, nan), (inf, inf)]),
        Sample(Operand((2, 3), -3, 3), decimals=2, dtypes=("float64", "float32")),
        Sample(Operand((5,), -3000, 3000), decimals=-2, dtypes=("float64", "float32")),
        Sample(
            Operand((4,), values=[inf, nan, 1e38, -1250.0]),
            decimals=5,
            special=[inf, nan, 1e38, -1250.0],
            dtypes=("float32",),
            grad=False,
        ),
        *[
            Sample(Operand((2,), values=[1.5, 0.0]), decimals=d, special=[nan, nan], dtypes=("float32",), grad=False)
            for d in (400, -400, 39)
        ],
    ],
    errors=lambda: [
        *_REFUSED,
        ErrorSample(DTypeError, "decimals needs a floating", Operand((2,)), decimals=1, dtype="int64"),
    ],
    reference=lambda input, decimals=0: np.round(input, decimals) if abs(decimals) < 39 else input * nan,
)
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Each element rounded to the nearest whole number, halves to the even one.

    Args:
        input: any real numeric dtype, shape (*).
        decimals: digits to keep after the point, or with a minus sign, to clear before it. Past 38 (308 for float64)
            there is no such power of ten, and the result is nan.

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0.

    Raises:
        DTypeError: `input` is bool or complex, or an integer with `decimals`.

    Example:
        >>> cb.round(cb.tensor([0.5, 1.5, -2.7]))
        tensor([ 0.,  2., -3.])
    """
    ...


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, nan), (-1.5, -0.5), (nan, nan), (2.0, 0.0)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a floating dtype", Operand((2,)), dtype="int64")],
    reference=lambda input: input - np.trunc(input),
    tolerance="exact",
)
def frac(input: Tensor) -> Tensor:
    """What `trunc` takes away: the part after the point, with the sign of the element.

    Args:
        input: floating, shape (*).

    Returns:
        Shape (*), the dtype of `input`; nan for infinities. The gradient passes through.

    Raises:
        DTypeError: `input` is not floating.

    Example:
        >>> cb.frac(cb.tensor([1.5, -2.25]))
        tensor([ 0.5000, -0.2500])
    """
    return input - trunc(input)


floor.vjp(input=no_slope)
ceil.vjp(input=no_slope)
trunc.vjp(input=no_slope)
round.vjp(input=no_slope)
frac.vjp(input=lambda grad: grad)

# -- parts -----------------------------------------------------------------------------------------------------------


@op(
    dtype=rules.ordering,
    shape=rules.same,
    inplace=False,
    grad="none: constant between its steps",
    samples=lambda: unary(-3, 3, special=[(-0.0, True), (0.0, False), (-inf, True)]),
    errors=lambda: _REFUSED[1:],
    reference=np.signbit,
    tolerance="exact",
)
def signbit(input: Tensor) -> Tensor:
    """True where the sign bit is set: for negative elements, and for -0.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*), bool.

    Raises:
        DTypeError: `input` is complex.

    Example:
        >>> cb.signbit(cb.tensor([1.0, -0.0]))
        tensor([False,  True])
    """
    ...


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: binary(
        -3, 3, nonzero=0.1, special=[((1.0, -0.0), -1.0), ((-1.0, 0.0), 1.0), ((0.0, -2.0), -0.0), ((inf, -1.0), -inf)]
    ),
    errors=lambda: [ErrorSample(DTypeError, "no order", Operand((2,)), Operand((2,)), dtype="complex64")],
    reference=np.copysign,
    tolerance="exact",
)
def copysign(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Magnitude of `input` with the sign of `other`.

    Args:
        input: any real dtype, shape (*); integers and bool become the default float.
        other: broadcastable with `input`, or a number; the sign of -0 counts.

    Returns:
        The broadcast shape, the promoted floating dtype. The gradient is 0 where `input` is.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.copysign(cb.tensor([1.0, -2.0]), -0.0)
        tensor([-1., -2.])
    """
    ...


copysign.vjp(
    input=lambda grad, out, input: grad * (sign(input) * sign(out)),
    other=no_slope,
)


def _frexp_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.floating_only(name, found, args)[0]
    return compute, (compute, _dtype.int32)


def _frexp_shape(input: Any) -> Any:
    return [tuple(input.shape)] * 2


@named("mantissa", "exponent")
@op(
    dtype=_frexp_dtype,
    shape=_frexp_shape,
    samples=lambda: unary(0.6, 30),
    errors=lambda: [ErrorSample(DTypeError, "needs a floating dtype", Operand((2,)), dtype="int64")],
    reference=np.frexp,
    tolerance="exact",
)
def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissa and exponent: `input = mantissa * 2**exponent`, the mantissa's magnitude in [0.5, 1).

    Args:
        input: floating, shape (*).

    Returns:
        The named pair (mantissa, exponent), each of shape (*): the dtype of `input`, and int32. Zeros, infinities and
        nans have themselves as mantissa.

    Raises:
        DTypeError: `input` is not floating.

    Example:
        >>> cb.frexp(cb.tensor([6.0, -0.25])).exponent
        tensor([ 3, -1], dtype=candelabra.int32)
    """
    ...


@op(
    inplace=True,
    samples=lambda: [
        Sample(Operand((2, 3)), Operand((3,), -4, 5, dtype="int64")),
        Sample(Operand((2, 3)), Operand((2, 1))),
        Sample(Operand(()), 3),
        Sample(Operand((0,)), Operand((0,), dtype="int32")),
        Sample(
            Operand((2,), values=[1.0, 0.0]),
            Operand((2,), values=[200, 200], dtype="int64"),
            special=[inf, 0.0],
            dtypes=("float32",),
            grad=False,
        ),
    ],
    reference=lambda input, other: input * np.power(2.0, other),
)
def ldexp(input: Tensor, other: Tensor | Number) -> Tensor:
    """`input` times two to the power of `other`: what `frexp` took apart.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.
        other: exponents, broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted floating dtype.

    Example:
        >>> cb.ldexp(cb.tensor([0.75]), cb.tensor([3]))
        tensor([6.])
    """
    found = result_dtype([input, other, 1.0])
    if isinstance(other, complex) or (isinstance(other, Tensor) and other._kind.dtype.category >= 2):
        return input * (2.0 ** (other.to(found) if isinstance(other, Tensor) else other))
    # In two steps of float64: no power overflows where the product does not.
    wide = _dtype.complex128 if found.is_complex else _dtype.float64
    exponent = other.to(_dtype.float64).clamp(-2040.0, 2040.0) if isinstance(other, Tensor) else float(other)
    half = floor(exponent / 2) if isinstance(exponent, Tensor) else exponent // 2
    return (input.to(wide) * 2.0**half * 2.0 ** (exponent - half)).to(found)


frexp.vjp(input=lambda grad, out: ldexp(grad[0], -out[1]))


def _nextafter_reference(input: Any, other: Any) -> Any:
    dtype = np.result_type(input, other)
    return np.nextafter(np.asarray(input, dtype), np.asarray(other, dtype))


@op(
    dtype=rules.floating_only,
    shape=rules.broadcast,
    grad="none: the distance between neighbours is no function of values",
    samples=lambda: [
        *[Sample(*s.args, dtypes=("float16", "float32", "float64")) for s in binary(-3, 3, scalars=(2.0,))],
        Sample(
            Operand((4,), values=[1.0, -1.0, 1.0, 3.0]),
            Operand((4,), values=[2.0, -2.0, 0.0, 3.0]),
            special=[1.0078125, -1.0078125, 0.99609375, 3.0],
            dtypes=("bfloat16",),
        ),
        Sample(
            Operand((3,), values=[0.0, nan, 1.0]),
            Operand((3,), values=[-0.0, 1.0, 1.0]),
            special=[-0.0, nan, 1.0],
            dtypes=("float64", "float32"),
        ),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a floating dtype", Operand((2,)), Operand((2,)), dtype="int64")],
    reference=_nextafter_reference,
    tolerance="exact",
)
def nextafter(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The dtype's next number after `input` in the direction of `other`.

    Args:
        input: floating, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype; `other` where the two are equal.

    Raises:
        DTypeError: operands that are not floating.

    Example:
        >>> cb.nextafter(cb.tensor([1.0]), cb.tensor([2.0])) - 1
        tensor([1.1921e-07])
    """
    ...


fix = trunc
Tensor.fix = trunc
Tensor.fix_ = Tensor.trunc_
