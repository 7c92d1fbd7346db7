# SPDX-License-Identifier: Apache-2.0
"""Exponentials, logarithms, and the error and gamma functions, which NumPy lacks.

The latter compute in float64 whatever the dtype and round once at the end, but for erf, which is too common. Their
rational approximations are minimax fits of the relative error made at 50 digits, with all coefficients positive where
the variable is, so that sums lose no digits; the error stands beside each.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

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


def _table(over: list[float], under: list[float]) -> Table:
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
# erf(x) / x over x^2, for |x| up to 1 (relative error 2.2e-18).
ERF_SMALL = _table(
    [1.1283791670955126, 0.14214923240521254, 0.04530395902998228, 0.001827298418888586, 0.00019495777804587845],
    [1.0, 0.459309810523274, 0.09325285849641424, 0.010582229982213233, 0.0006812192171483828,
     2.0297677558971497e-05],
)  # fmt: skip
# exp(a^2) erfc(a) over a, for a up to 10.2 (relative error 5.8e-9), and 27.3 (5.4e-17): beyond, erfc is 0.
SCALED_SINGLE = _table(
    [1.0000000078906797, 1.2398585589629711, 0.7331549296534241, 0.22997227433569079, 0.03296113765769971],
    [1.0, 2.368238399814027, 2.405415564671527, 1.3282704305504578, 0.4076410685132416, 0.058421416027972385],
)  # fmt: skip
SCALED_DOUBLE = _table(
    [0.9999999999999999, 2.192029719986749, 2.376928904909395, 1.6374783522149987, 0.7820901982581063,
     0.26747554931500217, 0.06549600409964344, 0.01111090612926014, 0.001193984907261007, 6.283039201749704e-05],
    [1.0, 3.3204088870822455, 5.123609119332483, 4.8506960337799105, 3.129692239079784, 1.4432048983290935,
     0.4838791729950612, 0.11714678613233166, 0.019749250344188552, 0.002116283146749428, 0.00011136397028564736],
)  # fmt: skip


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


# Normal quantile: Wichura (1988), algorithm AS 241, PPND16.
QUANTILE_CENTRAL = _table(
    [3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3],
    [1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3],
)  # fmt: skip
QUANTILE_MIDDLE = _table(
    [1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4],
    [1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9],
)  # fmt: skip
QUANTILE_FAR = _table(
    [6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7],
    [1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15],
)  # fmt: skip


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


# lgamma(a) / ((a - 1) (a - 2)) over a - 0.5, for a from 0.5 to 2.5, relative error 3.1e-17.
LGAMMA = _table(
    [0.7631532572329335, 4.5030675783952026, 10.293661579606368, 11.545957097193874, 6.65198460716935,
     1.8857136400286454, 0.2298435822002203, 0.008687246987063432, 2.253007078588285e-05],
    [1.0, 6.664461621042678, 17.638397530501365, 23.707395618945387, 17.21490734118765, 6.664018608550097,
     1.2761797840892122, 0.10252734873555348, 0.0023273321603592785],
)  # fmt: skip
# B(2k) / (2k (2k - 1)) and B(2k) / 2k: Abramowitz and Stegun (1964), 6.1.40 and 6.3.18.
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def series(coefficients: tuple[float, ...], t: Any) -> Any:
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
    stirling = stirling + inverse * series(STIRLING, inverse * inverse)
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
    value = xp.log(far) - 0.5 / far - inverse * series(DIGAMMA, inverse) - terms
    offset = x - xp.round(x)
    reflected = value - math.pi / xp.tan(math.pi * offset)
    reflected = xp.where(offset == 0.0, math.nan, reflected)
    return xp.where(x < 0.0, reflected, value)


# B(2k) / (2k)!: Abramowitz and Stegun (1964), 23.1.30.
EULER_MACLAURIN = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip


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
    for k, b in enumerate(EULER_MACLAURIN):
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
