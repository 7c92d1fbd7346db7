# SPDX-License-Identifier: Apache-2.0
"""Exponentials, logarithms and powers.

The polynomials here are minimax fits of the relative error of the function, made at 45 digits by Lawson's iteration, with
coefficients rounded one after the other; interval and error stand beside each.
"""

from __future__ import annotations

from typing import Any

from .. import ir
from ..ir import Value
from ._tools import (
    ByType,
    at_least,
    at_most,
    fast_two_sum,
    form,
    function,
    inf,
    muladd,
    nan,
    polynomial,
    power_of_two,
    precision,
    scaled,
    scaled_down,
    split,
    split_bits,
    two_product,
    whole,
)

# (exp(r) - 1 - r) / r^2 for |r| up to 0.353: 2^-17.4 of exp; 2^-28.0; 2^-57.6.
EXP: ByType = {
    "short": (0.5000550150871277, 0.16756759583950043, 0.04126357659697533),
    "f32": (0.4999999403953552, 0.16666512191295624, 0.04166827350854874, 0.008369820192456245, 0.001382270478643477),
    "f64": (
        0.5000000000000013, 0.1666666666666638, 0.04166666666650459, 0.008333333333508986, 0.0013888888950957868,
        0.00019841269490250533, 2.480148498730937e-05, 2.755758707498983e-06, 2.763329671616364e-07,
        2.5004228932134433e-08,
    ),
}  # fmt: skip
# The same with the error taken of expm1: 2^-26.0; 2^-61.3.
EXPM1: ByType = {
    "f32": (0.4999999701976776, 0.16666536033153534, 0.04166744649410248, 0.008367628790438175, 0.001387153402902186),
    "f64": (
        0.5, 0.16666666666666677, 0.04166666666666655, 0.008333333333320833, 0.0013888888888954156,
        0.0001984126988920845, 2.4801587181215802e-05, 2.755724027631976e-06, 2.7557395785349664e-07,
        2.5110642762671193e-08, 2.087805688025343e-09,
    ),
}  # fmt: skip
# (2^r - 1) / r for |r| up to 0.505: 2^-18.4 of 2^r; 2^-28.2; 2^-59.7.
EXP2: ByType = {
    "short": (0.6931232810020447, 0.24024154245853424, 0.055914416909217834, 0.009582264348864555),
    "f32": (
        0.6931471824645996, 0.24022647738456726, 0.05550358071923256, 0.00961849745362997, 0.0013391890097409487,
        0.00015331621398217976,
    ),
    "f64": (
        0.6931471805599453, 0.2402265069591007, 0.055504108664823484, 0.009618129107629846, 0.0013333558145991837,
        0.00015403530390427857, 1.5252734217799081e-05, 1.321548942094802e-06, 1.0177908087387888e-07,
        7.053878830019091e-09, 4.4772402169248215e-10, 2.717614136938201e-11,
    ),
}  # fmt: skip
# The same with the error taken of 2^r - 1: 2^-16.0; 2^-26.1.
EXP2M1: ByType = {
    "short": (0.69313645362854, 0.24023276567459106, 0.055843912065029144, 0.009618105366826057),
    "f32": (
        0.6931471824645996, 0.24022649228572845, 0.05550365895032883, 0.00961830373853445, 0.0013388373190537095,
        0.00015386259474325925,
    ),
}  # fmt: skip
# (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f from sqrt(1/2) to sqrt(2): 2^-27.3 of the logarithm.
LOG_SINGLE = (
    0.3333333134651184, -0.25000834465026855, 0.2000126838684082, -0.1662287563085556, 0.14200401306152344,
    -0.13163818418979645, 0.1277380883693695, -0.07640396803617477,
)  # fmt: skip
# (2 atanh(s) - 2 s) / s^3 over s^2 for (1 + s) / (1 - s) in the same interval: 2^-59.4.
LOG_DOUBLE = (
    0.6666666666666735, 0.39999999999408453, 0.28571428744105876, 0.22222198363315526, 0.18183576910180346,
    0.15313687576041718, 0.1479997345732452,
)  # fmt: skip
# log(1 + f) / f for f from 0 to 1: 2^-16.6; 2^-27.5.
LOG_UNIT: ByType = {
    "short": (
        1.0, -0.49953946471214294, 0.3262259364128113, -0.21240368485450745, 0.10359196364879608,
        -0.024734247475862503,
    ),
    "f32": (
        1.0, -0.4999993145465851, 0.33330464363098145, -0.24958020448684692, 0.1969212293624878,
        -0.1534499228000641, 0.10661425441503525, -0.05746141076087952, 0.02008921094238758, -0.0032913072500377893,
    ),
}  # fmt: skip
# (atanh(s) / s - 1 - s^2 / 3) / s^4 over s^2, the same interval: 2^-36.7; 2^-66.2, of the logarithm.
LOG_POWER: ByType = {
    "f32": (0.20000077784061432, 0.14273399114608765, 0.11713215708732605),
    "f64": (
        0.20000000000001164, 0.14285714285032466, 0.11111111263122954, 0.09090891899377296,
        0.07693392113885772, 0.06628087605063711, 0.06601218266413927,
    ),
}  # fmt: skip
# Constants in two parts. Whole multiples of the first part of LN2 and LOG10_2 are exact.
LN2: ByType = {"f32": (0.693145751953125, 1.428606765330187e-06), "f64": (0.693147180559663, 2.8235290563031577e-13)}
LOG10_2: ByType = {"f32": (0.301025390625, 4.605039066518657e-06), "f64": (0.30102999566383914, 1.42050232272661e-13)}
LOG2_E: ByType = {
    "f32": (1.4426950216293335, 1.925963033500011e-08),
    "f64": (1.4426950408889634, 2.0355273740931033e-17),
}
LOG10_E: ByType = {
    "f32": (0.4342944920063019, -1.0103049952192578e-08),
    "f64": (0.4342944819032518, 1.098319650216765e-17),
}
THIRD: ByType = {
    "f32": (0.3333333432674408, -9.934107758624577e-09),
    "f64": (0.3333333333333333, 1.850371707708594e-17),
}
# Beyond these exp gives 0 and infinity.
EXP_RANGE: ByType = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}
EXP2_RANGE: ByType = {"f32": (-151.0, 129.0), "f64": (-1076.0, 1025.0)}
# Beyond these expm1 is -1 and infinity.
EXPM1_RANGE: ByType = {"f32": (-18.0, 89.0), "f64": (-38.0, 710.0)}


def clamped(x: Value, ends: tuple[float, float]) -> Value:
    """x within two ends; nan stays."""
    return at_most(at_least(x, ends[0]), ends[1])


# -- exponentials --------------------------------------------------------------------------------------------------------


def _reduced(x: Value) -> tuple[Value, Value]:
    """(r, k) with x = k log(2) + r."""
    high, low = LN2[x.type]
    n, k = whole(x, LOG2_E[x.type][0])
    return muladd(n, -low, muladd(n, -high, x)), k


def exp_parts(x: Value, low: Value | None = None) -> tuple[Value, Value]:
    """(p, k) with exp(x + low) = p 2^k, p near 1, for x in `EXP_RANGE` and a small `low`."""
    r, k = _reduced(x)
    if low is not None:
        r = r + low
    return muladd(r * r, polynomial(r, EXP[precision(x)]), r) + 1.0, k


def exp_falling(x: Value) -> Value:
    """exp(x) for x up to 0, which is easier to scale."""
    if ("exp", x.type) in x.b.target.natives:
        return ir.call("exp", x)
    return scaled_down(*exp_parts(at_least(x, EXP_RANGE[x.type][0])))


@function
def exp(x: Value) -> Value:
    """Exponential."""
    return scaled(*exp_parts(clamped(x, EXP_RANGE[x.type])))


@function
def exp2(x: Value) -> Value:
    """Two to a power."""
    x = clamped(x, EXP2_RANGE[x.type])
    n, k = whole(x)
    r = x - n
    return scaled(muladd(r, polynomial(r, EXP2[precision(x)]), 1.0), k)


def expm1_parts(x: Value) -> tuple[Value, Value]:
    """(q, k) with exp(x) = (1 + q) 2^k."""
    r, k = _reduced(x)
    return muladd(r * r, polynomial(r, EXPM1[x.type]), r), k


def expm1_near(x: Value) -> Value:
    """exp(x) - 1 where the result is far from overflow; the zero it gives is positive."""
    q, k = expm1_parts(x)
    scale = power_of_two(k, x.type)
    return muladd(scale, q, scale - 1.0)


@function
def expm1(x: Value) -> Value:
    """exp(x) - 1 with all digits near 0."""
    q, k = expm1_parts(clamped(x, EXPM1_RANGE[x.type]))
    half = power_of_two(k - 1, x.type)  # 2^k itself may overflow where the result does not
    value = 2.0 * muladd(half, q, half - 0.5)
    return (ir.fabs(x) < 2.0 ** -(form(x).digits + 2)).select(x, value)


@function
def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)), with all digits where it is small."""
    e = exp_falling(-ir.fabs(x))
    return (x < 0.0).select(e, 1.0) / (e + 1.0)


# -- logarithms ----------------------------------------------------------------------------------------------------------


def _log_rest(f: Value) -> Value:
    """log(1 + f) - f for 1 + f from sqrt(1/2) to sqrt(2)."""
    if f.type == "f32":
        square = f * f
        return muladd(square * f, polynomial(f, LOG_SINGLE), square * -0.5)
    half = f * f * 0.5
    s = f / (f + 2.0)
    square = s * s
    return s * muladd(square, polynomial(square, LOG_DOUBLE), half) - half


def _positive_only(x: Value, value: Value) -> Value:
    """A logarithm's value with what infinity, zeros, negative numbers and nan give instead."""
    rest = x.eq(0.0).select(x.b.const(-inf, x.type), nan)
    return (x > 0.0).select((x < inf).select(value, x), rest)


@function
def log(x: Value) -> Value:
    """Natural logarithm; -inf at 0, nan below."""
    high, low = LN2[x.type]
    k, m = split(x)
    f = m - 1.0
    return _positive_only(x, muladd(k, high, f + muladd(k, low, _log_rest(f))))


def _log_in(x: Value, unit: tuple[float, float], two: tuple[float, float]) -> Value:
    """Logarithm to another base: `unit` is its logarithm of e, `two` of 2."""
    k, m = split(x)
    f = m - 1.0
    small = muladd(f, unit[1], _log_rest(f) * unit[0])
    if two[1]:
        small = muladd(k, two[1], small)
    return _positive_only(x, muladd(k, two[0], muladd(f, unit[0], small)))


@function
def log2(x: Value) -> Value:
    """Logarithm to base 2; exact for powers of 2."""
    return _log_in(x, LOG2_E[x.type], (1.0, 0.0))


@function
def log10(x: Value) -> Value:
    """Logarithm to base 10."""
    return _log_in(x, LOG10_E[x.type], LOG10_2[x.type])


@function
def log1p(x: Value) -> Value:
    """log(1 + x) with all digits near 0; -inf at -1, nan below."""
    f = form(x)
    high, low = LN2[x.type]
    sum_ = x + 1.0
    exponent, m = split_bits(sum_.bitcast(f.unsigned), x.type)
    k = (exponent | ((f.bias + f.digits) << f.digits)).bitcast(x.type) - (2.0**f.digits + f.bias)
    # 2^-k (1 + x) - 1 with one rounding, from x itself; past 2^30 the power may underflow and the sum has all digits.
    scale = ((exponent.like(2 * f.bias) - exponent) << f.digits).bitcast(x.type)
    part = (sum_ > 2.0**30).select(m - 1.0, muladd(scale, x, scale - 1.0))
    value = muladd(k, high, part + muladd(k, low, _log_rest(part)))
    value = (x.eq(0.0) | x.eq(inf)).select(x, value)
    return (x > -1.0).select(value, x.eq(-1.0).select(x.b.const(-inf, x.type), nan))


def log1p_within(x: Value) -> Value:
    """log(1 + x) for x from 0 to 1."""
    if x.type != "f32":
        return log1p(x)
    return x * polynomial(x, LOG_UNIT[precision(x)])


def softened(x: Value) -> Value:
    """log(1 + exp(-|x|))."""
    return log1p_within(exp_falling(-ir.fabs(x)))


@function
def logaddexp(x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) without overflow."""
    apart = ir.maximum(x, y) + softened(x - y)
    return x.eq(y).select(x + LN2_ONE, apart)  # equal infinities have no difference


@function
def logaddexp2(x: Value, y: Value) -> Value:
    """log2(2^x + 2^y) without overflow."""
    apart = ir.maximum(x, y) + log1p_within(exp2(-ir.fabs(x - y))) * LOG2_E["f64"][0]
    return x.eq(y).select(x + 1.0, apart)


LN2_ONE = 0.6931471805599453

# -- powers --------------------------------------------------------------------------------------------------------------


def _log2_pair(x: Value) -> tuple[Value, Value]:
    """log2(x) as an unevaluated sum, for positive finite x: log(m) = 2 atanh((m - 1) / (m + 1)).

    Relative error 2^-34 in f32, 2^-65 in f64.
    """
    k, m = split(x)
    over, under = m - 1.0, m + 1.0
    lost = m - (under - 1.0)
    inverse = 1.0 / under
    s = over * inverse
    product, error = two_product(s, under)
    rest = ((over - product) - error - s * lost) * inverse
    square = s * s
    series = polynomial(square, LOG_POWER[x.type])
    if x.type == "f32":
        head, tail = fast_two_sum(s, muladd(s, square * muladd(square, series, THIRD[x.type][0]), rest))
    else:
        # s^2 / 3 with its own error: an exponent of 1000 magnifies it.
        third, third_low = THIRD[x.type]
        square, square_low = two_product(s, s)
        square_low = muladd(s * 2.0, rest, square_low)
        w, w_low = two_product(square, third)
        w_low = w_low + muladd(square, third_low, square_low * third)
        w_low = muladd(square * square, series, w_low)
        grown, grown_low = two_product(s, w)
        head, tail = fast_two_sum(s, grown)
        tail = tail + (rest + (grown_low + muladd(s, w_low, rest * w)))
    unit, unit_low = LOG2_E[x.type]
    value, value_low = two_product(head, 2.0 * unit)
    value_low = value_low + muladd(head, 2.0 * unit_low, tail * (2.0 * unit))
    total, error = fast_two_sum(k, value)
    return fast_two_sum(total, error + value_low)


# |log2(x)| is at least 2^-25 (2^-53) but at 1: past these exponents every power overflows, underflows or is 1.
POWER_RANGE: ByType = {"f32": (-(2.0**40), 2.0**40), "f64": (-(2.0**66), 2.0**66)}
SCALE_RANGE = {"f32": 200.0, "f64": 1100.0}


def _power(a: Value, y: Value) -> Value:
    """a^y for a >= 0, not nan; at a = 1 it is 1 for any y but nan."""
    limit = SCALE_RANGE[a.type]
    total, low = _log2_pair(a)
    y = clamped(y, POWER_RANGE[a.type])
    t, error = two_product(y, total)
    error = (ir.fabs(t) <= limit).select(muladd(y, low, error), 0.0)
    t = clamped(t, (-limit, limit))
    n, k = whole(t)
    r = (t - n) + error
    value = scaled(muladd(r, polynomial(r, EXP2[a.type]), 1.0), k)
    past = ((a > 1.0) ^ (y < 0.0)).select(a.b.const(inf, a.type), 0.0)
    return (a.eq(0.0) | a.eq(inf)).select(past, value)


def _whole_power(x: Value, n: int) -> Value:
    """x^n by products, n from 1 to 8."""
    if n == 1:
        return x
    half = _whole_power(x, n >> 1)
    return half * half * x if n & 1 else half * half


def _constant_power(x: Value, y: float) -> Value | None:
    """x^y for exponents that need no logarithm, else None."""
    if y == 0.0:
        return x.b.const(1.0, x.type)
    if y == 0.5:  # unlike the square root: pow(-0.0, 0.5) is 0.0, pow(-inf, 0.5) inf
        return x.eq(-inf).select(x.b.const(inf, x.type), ir.sqrt(x + 0.0))
    if y.is_integer() and 0 < abs(y) <= 8:
        return _whole_power(x if y > 0 else 1.0 / x, int(abs(y)))
    return None


@function
def pow(x: Value, y: Any) -> Value:
    """x^y with the special cases of IEEE 754: pow(x, 0) = pow(1, y) = 1, whatever the other is."""
    y = x.like(y)
    known = y.data if y.op == "const" else None
    if known is not None and (simple := _constant_power(x, known)) is not None:
        return simple
    value = _power(ir.fabs(x), y)
    if known is not None:
        is_whole, is_odd = known.is_integer() or abs(known) == inf, known % 2 == 1.0
        if is_odd:
            value = ir.copysign(value, x)
        elif not is_whole:
            value = ((x < 0.0) & (x > -inf)).select(nan, value)
        if known == known and abs(known) < inf:
            return x.ne(x).select(x, value)
    else:
        half = y * 0.5
        whole_y = y.eq(ir.trunc(y))
        odd = whole_y & half.ne(ir.trunc(half))
        value = signed_where(odd, value, x)
        value = ((x < 0.0) & (x > -inf) & ~whole_y).select(nan, value)
    one = x.eq(1.0) | y.eq(0.0)
    return one.select(1.0, (x.ne(x) | y.ne(y)).select(nan, value))


def signed_where(condition: Value, size: Value, sign: Value) -> Value:
    """`size` with the sign of `sign` where the condition holds."""
    return condition.select(ir.copysign(size, sign), size)
