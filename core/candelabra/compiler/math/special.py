# SPDX-License-Identifier: Apache-2.0
"""Error and gamma functions.

`erfinv` and the gamma functions compute f32 in f64 where the target has that, and round once; elsewhere in f32, with
what f32 leaves of their accuracy. Rational fits are minimax in the relative error, made at 50 digits, with coefficients
of one sign where the variable is positive, so that sums lose no digits; the error stands beside each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import ir
from ..ir import Value
from ._tools import (
    FUNCTIONS,
    ByType,
    Coefficients,
    at_least,
    at_most,
    function,
    inf,
    muladd,
    nan,
    polynomial,
    power_of_two,
    precision,
    quotient,
    scaled,
    scaled_down,
    two_product,
    whole,
    wide,
)
from .exponential import EXP, EXP2M1, LN2, LOG2_E, exp_parts, log
from .trigonometric import half_turns, sine_within

# log2(erfc(a)) / a for a up to 3.95, past which erf rounds to 1; error of erf: 2^-20.4; 2^-27.4.
ERF_SINGLE: ByType = {
    "short": (-1.6279082298278809, -0.9183759689331055, -0.14893868565559387, 0.029799586161971092, -0.0029971112962812185),
    "f32": (
        -1.6279070377349854, -0.9184474349021912, -0.14827924966812134, 0.027641404420137405, 0.000212245766306296,
        -0.002384437480941415, 0.0009011280490085483, -0.00016626360593363643, 1.2956100363226142e-05,
    ),
}  # fmt: skip
# erf(x) / x over x^2, for |x| up to 1: 2.2e-18.
ERF_SMALL = (
    (1.1283791670955126, 0.14214923240521254, 0.04530395902998228, 0.001827298418888586, 0.00019495777804587845),
    (1.0, 0.459309810523274, 0.09325285849641424, 0.010582229982213233, 0.0006812192171483828,
     2.0297677558971497e-05),
)  # fmt: skip
# exp(a^2) erfc(a) for a up to 10.2 (5.8e-9) and 27.3 (5.4e-17, but 1.1e-16 near 0, for erfc(0) = 1); beyond, erfc is 0.
ERFC_SCALED: ByType = {
    "f32": (
        (1.0000000078906797, 1.2398585589629711, 0.7331549296534241, 0.22997227433569079, 0.03296113765769971),
        (1.0, 2.368238399814027, 2.405415564671527, 1.3282704305504578, 0.4076410685132416, 0.058421416027972385),
    ),
    "f64": (
        (1.0, 2.192029719986749, 2.376928904909395, 1.6374783522149987, 0.7820901982581063,
         0.26747554931500217, 0.06549600409964344, 0.01111090612926014, 0.001193984907261007, 6.283039201749704e-05),
        (1.0, 3.3204088870822455, 5.123609119332483, 4.8506960337799105, 3.129692239079784, 1.4432048983290935,
         0.4838791729950612, 0.11714678613233166, 0.019749250344188552, 0.002116283146749428,
         0.00011136397028564736),
    ),
}  # fmt: skip
ERFC_END: ByType = {"f32": 10.5, "f64": 28.0}
# exp(a^2 / 2) times the normal distribution's tail beyond a, for a up to 14.6: 2^-15.3; 2^-25.6. Beyond, the tail is 0.
NORMAL_TAIL: ByType = {
    "short": (
        (3.1783554553985596, 1.7733937501907349, 0.3993712067604065),
        (6.3565521240234375, 8.623488426208496, 4.476761817932129, 1.0),
    ),
    "f32": (
        (48.459163665771484, 42.47883987426758, 17.758861541748047, 3.938110828399658, 0.39894694089889526),
        (96.91832733154297, 162.287353515625, 116.54467010498047, 45.50035858154297, 9.872005462646484, 1.0),
    ),
    "f64": (
        [c * 0.5 * math.sqrt(0.5) ** i for i, c in enumerate(ERFC_SCALED["f64"][0])],
        [c * math.sqrt(0.5) ** i for i, c in enumerate(ERFC_SCALED["f64"][1])],
    ),
}  # fmt: skip
NORMAL_END: ByType = {"f32": 14.6, "f64": 39.0}
# Normal quantile: Wichura (1988), algorithm AS 241, PPND16.
QUANTILE_CENTRAL = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
QUANTILE_MIDDLE = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
QUANTILE_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip
# lgamma(a) / ((a - 1) (a - 2)) over a - 0.5, for a from 0.5 to 2.5: 3.1e-17.
LGAMMA = (
    (0.7631532572329335, 4.5030675783952026, 10.293661579606368, 11.545957097193874, 6.65198460716935,
     1.8857136400286454, 0.2298435822002203, 0.008687246987063432, 2.253007078588285e-05),
    (1.0, 6.664461621042678, 17.638397530501365, 23.707395618945387, 17.21490734118765, 6.664018608550097,
     1.2761797840892122, 0.10252734873555348, 0.0023273321603592785),
)  # fmt: skip
# B(2k) / (2k (2k - 1)), B(2k) / 2k and B(2k) / (2k)!: Abramowitz and Stegun (1964), 6.1.40, 6.3.18 and 23.1.30.
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
EULER_MACLAURIN = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip

# -- error function ------------------------------------------------------------------------------------------------------


def _erfc_parts(a: Value) -> tuple[Value, Value]:
    """(p, k) with erfc(a) = p 2^k for a from 0 to `ERFC_END`.

    The rounding error of a^2, which the exponential would magnify, is added back: Cody (1969), section 3.
    """
    square, error = two_product(a, a)
    p, k = exp_parts(-square, -error)
    return p * quotient(ERFC_SCALED[a.type], a), k


def _erf_single(x: Value) -> Value:
    """1 - 2^t, of a t with all digits near 0: no part of the result is lost in the difference."""
    a = at_most(ir.fabs(x), 3.95)
    t = a * polynomial(a, ERF_SINGLE[precision(x)])
    n, k = whole(t)
    r = t - n
    scale = power_of_two(k, x.type)
    return ir.copysign(muladd(r * polynomial(r, EXP2M1[precision(x)]), -scale, 1.0 - scale), x)


@function
def erf(x: Value) -> Value:
    """Error function."""
    if x.type == "f32":
        return _erf_single(x)
    a = ir.fabs(x)
    near = a * quotient(ERF_SMALL, a * a)
    p, k = _erfc_parts(at_most(a, 6.0))
    far = 1.0 - p * power_of_two(k, x.type)
    return ir.copysign((a < 1.0).select(near, far), x)


@function
def erfc(x: Value) -> Value:
    """Complementary error function, with all digits where it is small."""
    tail = scaled(*_erfc_parts(at_most(ir.fabs(x), ERFC_END[x.type])))
    return (x < 0.0).select(2.0 - tail, tail)


# -- normal distribution -------------------------------------------------------------------------------------------------


def _bell(a: Value) -> tuple[Value, Value]:
    """(p, k) with exp(-a^2 / 2) = p 2^k for a up to `NORMAL_END`."""
    kind = precision(a)
    scale = -0.5 * LOG2_E[a.type][0]
    # -2 r of exp(-a^2 / 2) = 2^k exp(r): what would halve it is in the coefficients.
    if kind == "short":
        square = a * a
        n, k = whole(square, scale)
        twice = muladd(n, 2 * math.log(2), square)
    else:
        high, low = LN2[a.type]
        square, error = two_product(a, a)
        n, k = whole(square, scale)
        twice = muladd(n, 2 * low, muladd(n, 2 * high, square)) + error
    halved = (-0.5, *(c * 0.25 * (-0.5) ** i for i, c in enumerate(EXP[kind])))
    return muladd(twice, polynomial(twice, halved), 1.0), k


@function
def gelu(x: Value) -> Value:
    """x times what the normal distribution has below x."""
    a = at_most(ir.fabs(x), NORMAL_END[x.type])
    p, k = _bell(a)
    over, under = [polynomial(a, part) for part in NORMAL_TAIL[precision(a)]]
    return at_least(x, 0.0) - scaled_down(p * (a * over) / under, k)


@function
def gelu_slope(x: Value) -> Value:
    """Derivative of `gelu`."""
    a = at_most(ir.fabs(x), NORMAL_END[x.type])
    p, k = _bell(a)
    tail = quotient(NORMAL_TAIL[precision(a)], a)
    inner = scaled_down(p * muladd(a, -DENSITY, tail), k)
    return (x < 0.0).select(inner, 1.0 - inner)


DENSITY = 1 / math.sqrt(2 * math.pi)
"""Of the normal distribution at 0."""


def in_wide(made: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """A formula that computes in f64 where the target has that."""

    def run(x: Value) -> Value:
        return made(wide(x)).cast(x.type)

    run.__name__, run.__doc__ = made.__name__, made.__doc__
    return run


@function
@in_wide
def erfinv(x: Value) -> Value:
    """Inverse error function; infinite at -1 and 1, nan outside. From AS 241."""
    a = ir.fabs(x)
    half = x * 0.5
    central = half * quotient(QUANTILE_CENTRAL, 0.180625 - half * half)
    depth = at_most(ir.sqrt(-log((1.0 - a) * 0.5)), 8.0)  # 1 - a is at least 2^-53: a depth of 6.1
    tail = (depth <= 5.0).select(quotient(QUANTILE_MIDDLE, depth - 1.6), quotient(QUANTILE_FAR, depth - 5.0))
    tail = ir.copysign(a.eq(1.0).select(inf, tail), x)
    return (a <= 0.85).select(central, tail) * math.sqrt(0.5)


# -- gamma function and its kin ------------------------------------------------------------------------------------------

STEPS = 10


def _moved_near(a: Value) -> tuple[Value, Value]:
    """(y, f) with gamma(a) = f gamma(y), y from 0.5 to 2.5, for a from 0.5 to 12.5."""
    y, factor = a, a.b.const(1.0, a.type)
    for _ in range(STEPS):
        high = y >= 2.5
        y = high.select(y - 1.0, y)
        factor = high.select(factor * y, factor)
    return y, factor


def _lgamma_positive(a: Value) -> Value:
    """lgamma for a >= 0: a rational fit moved by the recurrence below 12, Stirling's series above."""
    tiny, near = a < 0.5, a < 12.0
    y, factor = _moved_near(at_most(tiny.select(a + 1.0, a), 12.0))
    logarithm = log(near.select(tiny.select(a, factor), a))
    fit = (y - 1.0) * (y - 2.0) * quotient(LGAMMA, y - 0.5)
    inverse = 1.0 / at_least(a, 12.0)
    tail = muladd(inverse, polynomial(inverse * inverse, STIRLING), 0.5 * math.log(2 * math.pi))
    stirling = a * (logarithm - 1.0) - 0.5 * logarithm + tail
    value = near.select(fit + tiny.select(-logarithm, logarithm), stirling)
    return a.eq(inf).select(inf, value)


@function
@in_wide
def lgamma(x: Value) -> Value:
    """Logarithm of the absolute value of the gamma function; inf at poles and at infinities."""
    a = ir.fabs(x)
    positive = _lgamma_positive(a)
    # Reflection: |gamma(x) gamma(-x)| = pi / (a |sin(pi a)|); the distance to the next whole number is exact.
    part, _ = half_turns(a)
    reflected = math.log(math.pi) - log(a * ir.fabs(sine_within(part * math.pi))) - positive
    value = ((x < 0.0) & (a > 1e-20) & (a < inf)).select(reflected, positive)  # nearer to 0 both are -log(a)
    return ((x < 0.0) & part.eq(0.0)).select(inf, value)


def _cotangent(part: Value) -> Value:
    """cot(pi part) for |part| up to 1/2."""
    cosine = sine_within((0.5 - ir.fabs(part)) * math.pi)
    return cosine / sine_within(part * math.pi)


@function
@in_wide
def digamma(x: Value) -> Value:
    """Derivative of `lgamma`; infinite at zeros, against their sign, nan at other poles and at -inf."""
    negative = x < 0.0
    y = negative.select(1.0 - x, x)
    terms = 1.0 / y
    for k in range(1, STEPS):
        terms = terms + 1.0 / (y + float(k))
    far = y + float(STEPS)
    inverse = 1.0 / (far * far)
    value = log(far) - 0.5 / far - inverse * polynomial(inverse, DIGAMMA) - terms
    part, _ = half_turns(x)
    reflected = value - math.pi * _cotangent(part)
    return negative.select(part.eq(0.0).select(nan, reflected), value)


def _power(x: Value, n: int) -> Value:
    if n == 1:
        return x
    half = _power(x, n >> 1)
    return half * half * x if n & 1 else half * half


def _hurwitz(s: int, y: Value) -> Value:
    """Sum over k of (y + k)^-s for y >= 0: ten terms, the rest by Euler and Maclaurin's formula."""
    total = _power(1.0 / y, s)
    for k in range(1, STEPS):
        total = total + _power(1.0 / (y + float(k)), s)
    inverse = 1.0 / (y + float(STEPS))
    power = _power(inverse, s - 1)
    total = total + power / float(s - 1)
    power = power * inverse
    total = total + power * 0.5
    square, rising = inverse * inverse, float(s)
    power = power * inverse
    for k, b in enumerate(EULER_MACLAURIN):
        total = total + power * (b * rising)
        rising *= (s + 2 * k + 1) * (s + 2 * k + 2)
        power = power * square
    return total


def _cotangent_derivative(n: int) -> Coefficients:
    """Coefficients, lowest first, of the n-th derivative of cot as a polynomial in cot: p' = -(1 + c^2) dp/dc."""
    p = [0.0, 1.0]
    for _ in range(n):
        slope = [i * c for i, c in enumerate(p)][1:]
        p = [-a - b for a, b in zip([*slope, 0.0, 0.0], [0.0, 0.0, *slope], strict=True)]
    return p


def polygamma(n: int, x: Value) -> Value:
    """n-th derivative of `digamma`, n from 0: the Hurwitz zeta function, reflected for negative x."""
    if n == 0:
        return digamma(x)
    return in_wide(lambda x: _polygamma(n, x))(x)


def _polygamma(n: int, x: Value) -> Value:
    factorial = float(math.factorial(n)) if n <= 170 else inf
    negative = x < 0.0
    sign = 1.0 if n % 2 else -1.0
    value = _hurwitz(n + 1, negative.select(1.0 - x, x)) * factorial
    # (-1)^n psi_n(1 - x) - psi_n(x) = d^n/dx^n pi cot(pi x).
    part, _ = half_turns(x)
    slope = polynomial(_cotangent(part), _cotangent_derivative(n)) * math.pi ** (n + 1)
    reflected = part.eq(0.0).select(sign * inf, -value - slope)
    value = negative.select(reflected, sign * value)
    return x.eq(0.0).select(sign * inf, value)


FUNCTIONS["polygamma"] = polygamma
