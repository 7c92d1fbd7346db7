# SPDX-License-Identifier: Apache-2.0
"""Powers and roots."""

from __future__ import annotations

import builtins
import cmath
import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError
from ..op import Number, op, rules
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary
from .arithmetic import conjugate, no_slope
from .division import reciprocal

__all__ = ["float_power", "hypot", "pow", "rsqrt", "sqrt", "square"]

nan, inf = math.nan, math.inf


def _pow_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    exponent = args[1]
    if found.category == 1 and not isinstance(exponent, Tensor) and exponent < 0:
        raise ArgumentError(
            f"{name}: integers have no negative powers, got exponent={exponent!r}; convert with .to(candelabra.float32)"
        )
    return rules.numeric(name, found, args)


def _pow_reference(input: Any, exponent: Any) -> Any:
    found = np.result_type(input, exponent)
    if found.kind in "fc":
        return np.power(input, exponent)
    exact = np.vectorize(lambda base, power: _whole_power(int(base), int(power), 8 * found.itemsize), otypes=[object])
    wrapped = np.asarray(exact(input, exponent) % (1 << 8 * found.itemsize))
    return wrapped.astype(f"u{found.itemsize}").astype(found)


def _whole_power(base: int, exponent: int, bits: int) -> int:
    """A power modulo 2^bits; truncated where the exponent is negative."""
    if exponent < 0:
        return 0 if abs(base) != 1 else 1 if base == 1 or exponent % 2 == 0 else -1
    return builtins.pow(base, exponent, 1 << bits)


@op(
    dtype=_pow_dtype,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            0.5,
            2,
            -2,
            2,
            scalars=(2, 3, 0, 1),
            special=[
                ((0.0, 0.0), 1.0),
                ((nan, 0.0), 1.0),
                ((1.0, nan), 1.0),
                ((0.0, -1.0), inf),
                ((-0.0, -1.0), -inf),
                ((-1.0, inf), 1.0),
                ((-2.0, 0.5), nan),
                ((-inf, 3.0), -inf),
                ((2.0, -inf), 0.0),
            ],
        ),
        *[
            Sample(Operand((2, 3), 0.5, 2), e, dtypes=("float64", "float32", "float16"))
            for e in (-1, -2, 0.5, 2.5, -0.5)
        ],
        Sample(2, Operand((3,), 0, 2)),
        Sample(0.5, Operand((3,), -2, 2)),
        Sample(
            Operand((6,), values=[0, 1, -1, -1, 2, -3]),
            Operand((6,), values=[-1, -1, -1, -2, -2, 3]),
            special=[0, 1, -1, 1, 0, -27],
            dtypes=("int64", "int32"),
        ),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "no negative powers", Operand((2,)), -1, dtype="int64"),
        ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), Operand((2,)), dtype="bool"),
    ],
    reference=_pow_reference,
    tolerance="special",  # large powers magnify a roundoff of the base by the exponent
)
def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """`input` to the power of `exponent`.

    Args:
        input: any numeric dtype, shape (*), or a number.
        exponent: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. An integer to a negative integer power from a tensor is truncated
        towards zero: 0 but for bases 1 and -1.

    Raises:
        ArgumentError: an integer tensor to a negative whole number.
        DTypeError: both operands are bool.

    Example:
        >>> cb.pow(cb.tensor([1.0, 2.0, 3.0]), 2)
        tensor([1., 4., 9.])
    """
    ...


def _pow_input_grad(grad: Tensor, input: Tensor, exponent: Any) -> Tensor:
    if isinstance(exponent, Tensor):
        # 0 at exponent 0, where the power below may be infinite.
        slope = exponent * pow(input, exponent - 1)
        return (grad * conjugate(slope)).masked_fill(exponent == 0, 0)
    if exponent == 0:
        return no_slope(grad)
    below = input if exponent == 2 else pow(input, exponent - 1)
    return grad * conjugate(below * exponent)


def _pow_exponent_grad(grad: Tensor, out: Tensor, input: Any, exponent: Tensor) -> Tensor:
    if isinstance(input, Tensor):
        # 0 at base 0, where the logarithm is infinite and the power is 0.
        slope = conjugate(out * input.log())
        positive = exponent.real >= 0 if exponent._kind.dtype.is_complex else exponent >= 0
        return (grad * slope).masked_fill((input == 0).logical_and(positive), 0)
    if input == 0:
        return (grad * conjugate(out * -inf)).masked_fill(exponent >= 0, 0)
    logarithm = cmath.log(input) if isinstance(input, complex) else math.log(input) if input > 0 else nan
    return grad * conjugate(out * logarithm)


pow.vjp(input=_pow_input_grad, exponent=_pow_exponent_grad)


def _in_double(value: Any) -> Any:
    """A reference's operand in float64, or complex128."""
    array = np.asarray(value)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


@op(
    inplace=True,
    samples=lambda: [
        Sample(Operand((2, 3), 0.5, 2), Operand((3,), 0, 2)),
        Sample(Operand((4,), 0.5, 2), 3),
        Sample(2, Operand((4,), -2, 2)),
        Sample(Operand((), 1, 2), Operand((0,))),
        Sample(Operand((3,), 1, 4), -2),
    ],
    reference=lambda input, exponent: np.power(_in_double(input), _in_double(exponent)),
    tolerance="special",  # as `pow`
)
def float_power(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """`input` to the power of `exponent`, computed in float64, or complex128 for complex operands.

    Args:
        input: any dtype that computes, shape (*), or a number.
        exponent: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, float64 or complex128.

    Example:
        >>> cb.float_power(cb.tensor([1, 2]), -1)
        tensor([1.0000, 0.5000], dtype=candelabra.float64)
    """
    wide = _dtype.complex128 if result_dtype([input, exponent]).is_complex else _dtype.float64
    return pow(*(value.to(wide) if isinstance(value, Tensor) else value for value in (input, exponent)))


def _squared(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.promoted(name, _dtype.int64 if found is _dtype.bool_ else found, args)


@op(
    dtype=_squared,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(-inf, inf), (-0.0, 0.0)]),
    reference=lambda input: input * input,
    tolerance="rounded",
)
def square(input: Tensor) -> Tensor:
    """Each element times itself.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), the dtype of `input`; int64 for bool.

    Example:
        >>> cb.square(cb.tensor([1.0, -3.0]))
        tensor([1., 9.])
    """
    return pow(input, 2)


square.vjp(input=lambda grad, input: grad * conjugate(input * 2))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.1, 4, special=[(0.0, 0.0), (-0.0, -0.0), (-1.0, nan), (inf, inf)]),
    reference=np.sqrt,
    tolerance="rounded",
)
def sqrt(input: Tensor) -> Tensor:
    """Square root of each element; nan for negative ones.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.

    Returns:
        Shape (*), the floating or complex dtype.

    Example:
        >>> cb.sqrt(cb.tensor([4.0, 9.0]))
        tensor([2., 3.])
    """
    ...


sqrt.vjp(input=lambda grad, out: grad / conjugate(out * 2))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.2, 4, special=[(0.0, inf), (-0.0, -inf), (-1.0, nan), (inf, 0.0)]),
    reference=lambda input: 1 / np.sqrt(input),
)
def rsqrt(input: Tensor) -> Tensor:
    """One divided by the square root of each element; nan for negative ones.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.

    Returns:
        Shape (*), the floating or complex dtype.

    Example:
        >>> cb.rsqrt(cb.tensor([4.0, 16.0]))
        tensor([0.5000, 0.2500])
    """
    return reciprocal(sqrt(input))


rsqrt.vjp(input=lambda grad, out: grad * conjugate(out * out * out * -0.5))


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: binary(
        0.5, 3, special=[((3.0, -4.0), 5.0), ((inf, nan), inf), ((nan, 1.0), nan), ((0.0, -0.0), 0.0)]
    ),
    errors=lambda: [ErrorSample(DTypeError, "no order", Operand((2,)), Operand((2,)), dtype="complex64")],
    reference=np.hypot,
)
def hypot(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Length of the hypotenuse over legs `input` and `other`, without overflow on the way.

    Args:
        input: any real dtype, shape (*); integers and bool become the default float.
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted floating dtype.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.hypot(cb.tensor([3.0]), cb.tensor([4.0]))
        tensor([5.])
    """
    ...


hypot.vjp(
    input=lambda grad, out, input: grad * (input / out),
    other=lambda grad, out, other: grad * (other / out),
)
