# SPDX-License-Identifier: Apache-2.0
"""Trigonometric and hyperbolic functions, their inverses, and the logistic function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import op, rules
from ..op._registry import inplace_method
from ..tensor._tensor import Tensor
from ..testing.samples import Operand, Sample, binary, unary
from .arithmetic import conjugate
from .comparison import where
from .exponential import PI, in_double

__all__ = [
    "acos",
    "acosh",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "deg2rad",
    "rad2deg",
    "sigmoid",
    "sigmoid_backward",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
    "tanh_backward",
]

inf, nan = math.inf, math.nan

# -- circular functions ----------------------------------------------------------------------------------------------


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-6, 6, special=[(inf, nan), (-inf, nan), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.sin),
)
def sin(input: Tensor) -> Tensor:
    """Sine of each element.

    Args:
        input: any dtype that computes, in radians, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.sin(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8415])
    """
    ...


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-6, 6, special=[(inf, nan), (-inf, nan), (nan, nan), (0.0, 1.0), (-0.0, 1.0)]),
    reference=in_double(np.cos),
)
def cos(input: Tensor) -> Tensor:
    """Cosine of each element.

    Args:
        input: any dtype that computes, in radians, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.cos(cb.tensor([0.0, 1.0]))
        tensor([1.0000, 0.5403])
    """
    ...


cos.vjp(input=lambda grad, input: -grad * conjugate(sin(input)))
sin.vjp(input=lambda grad, input: grad * conjugate(cos(input)))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-1.3, 1.3, special=[(inf, nan), (-inf, nan), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.tan),
)
def tan(input: Tensor) -> Tensor:
    """Tangent of each element.

    Args:
        input: any dtype that computes, in radians, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.tan(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5574])
    """
    ...


tan.vjp(input=lambda grad, out: grad * conjugate(out * out + 1))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-0.9, 0.9, special=[(2.0, nan), (-inf, nan), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.arcsin),
)
def asin(input: Tensor) -> Tensor:
    """Inverse sine of each element, in radians.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), from -pi/2 to pi/2; integers and bool become the default float. nan outside [-1, 1].

    Example:
        >>> cb.asin(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 1.5708])
    """
    ...


asin.vjp(input=lambda grad, input: grad / conjugate((1 - input).sqrt() * (input + 1).sqrt()))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-0.9, 0.9, special=[(2.0, nan), (-inf, nan), (nan, nan), (1.0, 0.0)]),
    reference=in_double(np.arccos),
)
def acos(input: Tensor) -> Tensor:
    """Inverse cosine of each element, in radians.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), from 0 to pi; integers and bool become the default float. nan outside [-1, 1].

    Example:
        >>> cb.acos(cb.tensor([0.0, 1.0]))
        tensor([1.5708, 0.0000])
    """
    ...


acos.vjp(input=lambda grad, input: -grad / conjugate((1 - input).sqrt() * (input + 1).sqrt()))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.arctan),
)
def atan(input: Tensor) -> Tensor:
    """Inverse tangent of each element, in radians.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), from -pi/2 to pi/2; integers and bool become the default float.

    Example:
        >>> cb.atan(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7854])
    """
    ...


atan.vjp(input=lambda grad, input: grad / conjugate(input * input + 1))


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: binary(
        -3,
        3,
        scalars=(),
        nonzero=0.1,
        special=[((0.0, 1.0), 0.0), ((-0.0, 1.0), -0.0), ((0.0, 0.0), 0.0), ((1.0, inf), 0.0), ((nan, 1.0), nan)],
    ),
    reference=in_double(np.arctan2),
)
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """Angle of the point (`other`, `input`) seen from the origin, in radians, in all four quadrants.

    Args:
        input: any real dtype, the ordinate, shape (*).
        other: the abscissa, broadcastable with `input`.

    Returns:
        The broadcast shape, from -pi to pi; integers and bool become the default float.

    Example:
        >>> cb.atan2(cb.tensor([1.0, -1.0]), cb.tensor([-1.0, -1.0]))
        tensor([ 2.3562, -2.3562])
    """
    ...


def _over_square(value: Tensor, input: Tensor, other: Tensor) -> Tensor:
    """`value` over the squared distance from the origin; 0 at the origin itself, which has no angle."""
    square = input * input + other * other
    return where(square == 0, 0.0, value / where(square == 0, 1.0, square))


atan2.vjp(
    input=lambda grad, input, other: grad * _over_square(other, input, other),
    other=lambda grad, input, other: grad * _over_square(-input, input, other),
)


def _sinc_reference(input: Any) -> Any:
    """By the distance to the nearest integer, which is exact."""
    if input.dtype.kind == "c":
        x = input.astype(np.clongdouble)
        sine = (-1) ** (np.rint(x.real) % 2) * np.sin(PI * (x - np.rint(x.real)))
    else:
        x = input.astype(np.longdouble)
        sine = (-1) ** (np.rint(x) % 2) * np.sin(PI * (x - np.rint(x)))
        sine = np.where(x == np.rint(x), np.where(np.isinf(x), nan, 0), sine)
    value = np.where(x == 0, 1, sine / np.where(x == 0, 1, PI * x))
    return value if x.dtype.kind == "c" else np.where(value == 0, 0.0, value)


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: [
        *unary(0.1, 2.4, special=[(inf, nan), (nan, nan), (0.0, 1.0), (-0.0, 1.0), (2.0, 0.0), (-3.0, 0.0)]),
        Sample(Operand((7,), -2.4, -0.1)),
    ],
    reference=_sinc_reference,
)
def sinc(input: Tensor) -> Tensor:
    """Normalised sinc, `sin(pi input) / (pi input)`, which is 1 at 0 and exactly 0 at other integers.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.sinc(cb.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    ...


def _sinc_grad(grad: Tensor, out: Tensor, input: Tensor) -> Tensor:
    nonzero = where(input == 0, 1.0, input)
    slope = (cos(input * math.pi) - out) / nonzero
    return grad * conjugate(where(input == 0, 0.0, slope))


sinc.vjp(input=_sinc_grad)


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: unary(-180, 180, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.deg2rad),
)
def deg2rad(input: Tensor) -> Tensor:
    """Angles in degrees as radians.

    Args:
        input: any real dtype, in degrees, shape (*).

    Returns:
        Shape (*), in radians; integers and bool become the default float.

    Example:
        >>> cb.deg2rad(cb.tensor([180.0, 90.0]))
        tensor([3.1416, 1.5708])
    """
    ...


deg2rad.vjp(input=lambda grad: deg2rad(grad))


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.rad2deg),
)
def rad2deg(input: Tensor) -> Tensor:
    """Angles in radians as degrees.

    Args:
        input: any real dtype, in radians, shape (*).

    Returns:
        Shape (*), in degrees; integers and bool become the default float.

    Example:
        >>> cb.rad2deg(cb.tensor([3.0, 0.0]))
        tensor([171.8873,   0.0000])
    """
    ...


rad2deg.vjp(input=lambda grad: rad2deg(grad))

# -- hyperbolic functions --------------------------------------------------------------------------------------------


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.sinh),
)
def sinh(input: Tensor) -> Tensor:
    """Hyperbolic sine of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.sinh(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 1.1752])
    """
    ...


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, inf), (nan, nan), (0.0, 1.0), (-0.0, 1.0)]),
    reference=in_double(np.cosh),
)
def cosh(input: Tensor) -> Tensor:
    """Hyperbolic cosine of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.cosh(cb.tensor([0.0, 1.0]))
        tensor([1.0000, 1.5431])
    """
    ...


cosh.vjp(input=lambda grad, input: grad * conjugate(sinh(input)))
sinh.vjp(input=lambda grad, input: grad * conjugate(cosh(input)))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, 1.0), (-inf, -1.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.tanh),
)
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.tanh(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7616])
    """
    ...


@op(
    dtype=rules.inexact_only,
    shape=rules.broadcast,
    method=False,
    samples=lambda: binary(-2, 2, -0.9, 0.9, scalars=()),
    reference=lambda grad_output, output: grad_output * np.conj(1 - output * output),
)
def tanh_backward(grad_output: Tensor, output: Tensor) -> Tensor:
    """Gradient of `tanh` from its result, `grad_output * conj(1 - output^2)`.

    Args:
        grad_output: gradient of the result, a floating or complex dtype, shape (*).
        output: the result, broadcastable with `grad_output`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.tanh_backward(cb.tensor([1.0]), cb.tensor([0.5]))
        tensor([0.7500])
    """
    return grad_output * conjugate(1 - output * output)


tanh_backward.vjp(
    grad_output=lambda grad, output: grad * (1 - output * output),
    output=lambda grad, grad_output, output: conjugate(grad * output) * grad_output * -2.0,
)
tanh.vjp(input=lambda grad, out: tanh_backward(grad, out))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.arcsinh),
)
def asinh(input: Tensor) -> Tensor:
    """Inverse hyperbolic sine of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.asinh(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8814])
    """
    ...


asinh.vjp(input=lambda grad, input: grad / conjugate((input * input + 1).sqrt()))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(1.2, 4, special=[(inf, inf), (0.0, nan), (-inf, nan), (nan, nan), (1.0, 0.0)]),
    reference=in_double(np.arccosh),
)
def acosh(input: Tensor) -> Tensor:
    """Inverse hyperbolic cosine of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), not negative; integers and bool become the default float. nan below 1.

    Example:
        >>> cb.acosh(cb.tensor([1.0, 2.0]))
        tensor([0.0000, 1.3170])
    """
    ...


acosh.vjp(input=lambda grad, input: grad / conjugate((input - 1).sqrt() * (input + 1).sqrt()))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-0.9, 0.9, special=[(1.0, inf), (-1.0, -inf), (2.0, nan), (nan, nan), (-0.0, -0.0)]),
    reference=in_double(np.arctanh),
)
def atanh(input: Tensor) -> Tensor:
    """Inverse hyperbolic tangent of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float. nan outside [-1, 1].

    Example:
        >>> cb.atanh(cb.tensor([0.0, 0.5]))
        tensor([0.0000, 0.5493])
    """
    ...


atanh.vjp(input=lambda grad, input: grad / conjugate((1 - input) * (input + 1)))

# -- logistic function -----------------------------------------------------------------------------------------------


def sigmoid_reference(input: Any) -> Any:
    """By `logaddexp`, which does not overflow; complex numbers by the formula."""
    if input.dtype.kind == "c":
        return 1 / (1 + np.exp(-input))
    return np.exp(-np.logaddexp(0.0, -input))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-4, 4, special=[(inf, 1.0), (-inf, 0.0), (nan, nan), (0.0, 0.5), (-0.0, 0.5)]),
    reference=in_double(sigmoid_reference),
)
def sigmoid(input: Tensor) -> Tensor:
    """Logistic function of each element, `1 / (1 + exp(-input))`.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), from 0 to 1; integers and bool become the default float.

    Example:
        >>> cb.sigmoid(cb.tensor([0.0, 2.0]))
        tensor([0.5000, 0.8808])
    """
    ...


@op(
    dtype=rules.inexact_only,
    shape=rules.broadcast,
    method=False,
    samples=lambda: binary(-2, 2, 0.1, 0.9, scalars=()),
    reference=lambda grad_output, output: grad_output * np.conj(output * (1 - output)),
)
def sigmoid_backward(grad_output: Tensor, output: Tensor) -> Tensor:
    """Gradient of `sigmoid` from its result, `grad_output * conj(output * (1 - output))`.

    Args:
        grad_output: gradient of the result, a floating or complex dtype, shape (*).
        output: the result, broadcastable with `grad_output`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.sigmoid_backward(cb.tensor([1.0]), cb.tensor([0.5]))
        tensor([0.2500])
    """
    return grad_output * conjugate(output * (1 - output))


sigmoid_backward.vjp(
    grad_output=lambda grad, output: grad * (output * (1 - output)),
    output=lambda grad, grad_output, output: conjugate(grad) * grad_output * conjugate(1 - output * 2.0),
)
sigmoid.vjp(input=lambda grad, out: sigmoid_backward(grad, out))

arccos = acos
arccosh = acosh
arcsin = asin
arcsinh = asinh
arctan = atan
arctan2 = atan2
arctanh = atanh
Tensor.arccos = acos
Tensor.arccosh = acosh
Tensor.arcsin = asin
Tensor.arcsinh = asinh
Tensor.arctan = atan
Tensor.arctan2 = atan2
Tensor.arctanh = atanh
Tensor.arccos_ = inplace_method(acos.op)
Tensor.arccosh_ = inplace_method(acosh.op)
Tensor.arcsin_ = inplace_method(asin.op)
Tensor.arcsinh_ = inplace_method(asinh.op)
Tensor.arctan_ = inplace_method(atan.op)
Tensor.arctan2_ = inplace_method(atan2.op)
Tensor.arctanh_ = inplace_method(atanh.op)
