# SPDX-License-Identifier: Apache-2.0
"""Exponentials, logarithms, and the error and gamma functions, which NumPy lacks.

The latter compute in float64 whatever the dtype and round once at the end, but for erf, which is too common. Their
rational approximations are minimax fits of the relative error made at 50 digits, with all coefficients positive where
the variable is, so that sums lose no digits; the error stands beside each.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from candelabra.compiler.math import special

from ._kernel import kernel, ufuncs

ufuncs(
    exp="exp",
    exp2="exp2",
    expm1="expm1",
    log="log",
    log2="log2",
    log10="log10",
    log1p="log1p",
    logaddexp="logaddexp",
    logaddexp2="logaddexp2",
)


def in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of one array that computes in float64 and returns the array's own dtype."""

    @functools.wraps(function)
    def run(xp: Any, input: Any, *attributes: Any) -> Any:
        if input.dtype.itemsize == 8:
            return function(xp, input, False, *attributes)
        return function(xp, input.astype("float64"), True, *attributes).astype(input.dtype)

    return run


Table = tuple[list[Any], list[Any]]


def _table(over: Sequence[float], under: Sequence[float]) -> Table:
    """Numerator and denominator as float64 scalars, highest power first, from coefficients lowest first."""
    return [np.float64(c) for c in over[::-1]], [np.float64(c) for c in under[::-1]]


def _single(table: Table) -> Table:
    """A table in float32."""
    return [np.float32(c) for c in table[0]], [np.float32(c) for c in table[1]]


def polynomial(coefficients: list[Any], t: Any) -> Any:
    """Horner's rule; `*=` and `+=` reuse the fresh array where the module's arrays can change, and bind where not."""
    value = t * coefficients[0]
    value += coefficients[1]
    for c in coefficients[2:]:
        value *= t
        value += c
    return value


def quotient(table: Table, t: Any) -> Any:
    """Quotient of two polynomials in `t`."""
    over, under = table
    return polynomial(over, t) / polynomial(under, t)


# atanh(erf(x)) / x over x^2: tanh of this has a relative error of 7.0e-8 for all x. Highest power first.
ERF_SINGLE = [
    np.float32(c) for c in (
        5.689322738670783e-09, 2.2160360747785237e-08, -4.754656540110539e-06, 8.446190786122229e-05,
        -0.0006146251819181912, -0.00019543346967410192, 0.1027698973669079, 1.1283792460930309,
    )
]  # fmt: skip
ERF_SMALL = _table(*special.ERF_SMALL)
SCALED_SINGLE, SCALED_DOUBLE = (_table(*special.ERFC_SCALED[type]) for type in ("f32", "f64"))
SCALED_FLOAT32 = _single(SCALED_SINGLE)


def negative_square_exp(xp: Any, a: Any, single: bool) -> Any:
    """exp(-a^2) without the rounding of a^2, which the exponential would magnify: Cody (1969), section 3."""
    if single:  # the square of a float32 is exact in float64
        return xp.exp(-a * a)
    head = a.astype("float32").astype("float64")
    return xp.exp(-head * head) * xp.exp((head - a) * (head + a))


def erfc_tail(xp: Any, a: Any, single: bool) -> Any:
    """erfc(a) for `a` from 0 to 28."""
    return negative_square_exp(xp, a, single) * quotient(SCALED_SINGLE if single else SCALED_DOUBLE, a)


@kernel
def erf(xp: Any, input: Any) -> Any:
    if input.dtype.itemsize == 8:
        a = xp.abs(input)
        low = xp.minimum(a, 1.0)
        high = 1.0 - erfc_tail(xp, xp.minimum(a, 28.0), False)
        return xp.copysign(xp.where(a < 1.0, low * quotient(ERF_SMALL, low * low), high), input)
    # Near 1, tanh shrinks the roundoff of its argument.
    return xp.tanh(input * polynomial(ERF_SINGLE, input * input))


@kernel
@in_double
def erfc(xp: Any, x: Any, single: bool) -> Any:
    tail = erfc_tail(xp, xp.minimum(xp.abs(x), 28.0), single)
    sign = xp.copysign(1.0, x)
    return 1.0 - sign + sign * tail


QUANTILE_CENTRAL, QUANTILE_MIDDLE, QUANTILE_FAR = (
    _table(*fit) for fit in (special.QUANTILE_CENTRAL, special.QUANTILE_MIDDLE, special.QUANTILE_FAR)
)


@kernel
@in_double
def erfinv(xp: Any, x: Any, single: bool) -> Any:
    a = xp.abs(x)
    half = x * 0.5
    central = half * quotient(QUANTILE_CENTRAL, 0.180625 - half * half)
    depth = xp.sqrt(-xp.log((1.0 - a) * 0.5))
    reach = xp.minimum(depth, 8.0)  # 1 - a is at least 2^-53: a depth of 6.1
    tail = xp.where(reach <= 5.0, quotient(QUANTILE_MIDDLE, reach - 1.6), quotient(QUANTILE_FAR, reach - 5.0))
    tail = xp.copysign(xp.where(a == 1.0, math.inf, tail), x)
    return xp.where(a <= 0.85, central, tail) * math.sqrt(0.5)


LGAMMA = _table(*special.LGAMMA)


def series(coefficients: Sequence[float], t: Any) -> Any:
    """Polynomial in `t`, coefficients lowest first."""
    value: Any = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * t + c
    return value


def _lgamma_below_12(xp: Any, a: Any) -> Any:
    """Moves `a` into [0.5, 2.5) by the recurrence, where a minimax fit has the zeros at 1 and 2 as exact factors."""
    tiny = a < 0.5
    y = xp.where(tiny, a + 1.0, a)
    factor = xp.where(tiny, a, 1.0)
    shifted = 1.0
    for _ in range(10):
        high = y >= 2.5
        y = xp.where(high, y - 1.0, y)
        shifted = shifted * xp.where(high, y, 1.0)
    return (y - 1.0) * (y - 2.0) * quotient(LGAMMA, y - 0.5) + xp.log(shifted) - xp.log(factor)


def _lgamma_positive(xp: Any, a: Any) -> Any:
    far = xp.maximum(a, 12.0)
    inverse = 1.0 / far
    stirling = far * (xp.log(far) - 1.0) - 0.5 * xp.log(far) + 0.5 * math.log(2 * math.pi)
    stirling = stirling + inverse * series(special.STIRLING, inverse * inverse)
    return xp.where(a < 12.0, _lgamma_below_12(xp, xp.minimum(a, 12.0)), xp.where(a == math.inf, math.inf, stirling))


@kernel
@in_double
def lgamma(xp: Any, x: Any, single: bool) -> Any:
    a = xp.abs(x)
    positive = _lgamma_positive(xp, a)
    # Reflection: |Gamma(x) Gamma(-x)| = pi / (a |sin(pi a)|); the distance to the next integer is exact.
    sine = xp.abs(xp.sin(math.pi * (a - xp.round(a))))
    reflected = math.log(math.pi) - xp.log(a) - xp.log(sine) - positive
    return xp.where((x < 0.0) & (a != math.inf), reflected, positive)


@kernel
@in_double
def digamma(xp: Any, x: Any, single: bool) -> Any:
    y = xp.where(x < 0.0, 1.0 - x, x)
    terms = 0.0
    for k in range(10):
        terms = terms + 1.0 / (y + k if k else y)  # -0.0 + 0 would lose the sign of the pole
    far = y + 10.0
    inverse = 1.0 / (far * far)
    value = xp.log(far) - 0.5 / far - inverse * series(special.DIGAMMA, inverse) - terms
    offset = x - xp.round(x)
    reflected = value - math.pi / xp.tan(math.pi * offset)
    reflected = xp.where(offset == 0.0, math.nan, reflected)
    return xp.where(x < 0.0, reflected, value)


def hurwitz(xp: Any, s: int, y: Any) -> Any:
    """Sum over k of (y + k)^-s for y >= 0: ten terms, the rest by Euler and Maclaurin's formula."""
    total = y**-s
    for k in range(1, 10):
        total = total + (y + k) ** -s
    far = y + 10.0
    power = far**-s
    total = total + far ** (1 - s) / (s - 1) + power * 0.5
    rising = float(s)
    power = power / far
    for k, b in enumerate(special.EULER_MACLAURIN):
        total = total + b * rising * power
        rising *= (s + 2 * k + 1) * (s + 2 * k + 2)
        power = power / (far * far)
    return total


def _cotangent_derivative(n: int) -> tuple[float, ...]:
    """Coefficients, lowest first, of the n-th derivative of cot as a polynomial in cot: p' = -(1 + c^2) dp/dc."""
    p = [0.0, 1.0]
    for _ in range(n):
        slope = [i * c for i, c in enumerate(p)][1:]
        p = [-a - b for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    return tuple(p)


@in_double
def _polygamma(xp: Any, x: Any, single: bool, n: int) -> Any:
    value = hurwitz(xp, n + 1, xp.where(x < 0.0, 1.0 - x, x)) * math.factorial(n)
    # Reflection: (-1)^n psi_n(1 - x) - psi_n(x) = d^n/dx^n pi cot(pi x); the distance to the next integer is exact.
    offset = x - xp.round(x)
    slope = math.pi ** (n + 1) * series(_cotangent_derivative(n), 1.0 / xp.tan(math.pi * offset))
    sign = 1.0 if n % 2 else -1.0
    reflected = xp.where(offset == 0.0, sign * math.inf, -value - slope)
    return xp.where(x < 0.0, reflected, sign * value)


@kernel
def polygamma(xp: Any, n: int, input: Any) -> Any:
    return _polygamma(xp, input, n) if n else digamma(xp, input)
