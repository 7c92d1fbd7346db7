# SPDX-License-Identifier: Apache-2.0
"""Circular and hyperbolic functions and their inverses.

Arguments of sine and cosine are reduced by multiples of pi: moderate ones with pi in parts, after Cody and Waite (1980),
others in integers with the bits of 1 / pi that matter, after Payne and Hanek (1983), chosen by the exponent.
Fits are made as in `exponential`; interval and error stand beside each.
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
    left_out,
    muladd,
    nan,
    polynomial,
    scaled,
    signed_as,
    whole,
)
from .exponential import EXP_RANGE, LN2_ONE, exp_parts, expm1_near, log1p

# (sin(r) / r - 1) / r^2 over r^2, |r| up to pi/2: 2^-27.0; 2^-61.2.
SIN: ByType = {
    "f32": (-0.16666658222675323, 0.00833303015679121, -0.00019806847558356822, 2.59949297287676e-06),
    "f64": (
        -0.16666666666666666, 0.008333333333333201, -0.00019841269841209413, 2.7557319210903486e-06,
        -2.5052106833899866e-08, 1.6058937084749508e-10, -7.642909627335345e-13, 2.7201963224385254e-15,
    ),
}  # fmt: skip
# The same for |r| up to pi/4: 2^-27.8; 2^-57.7.
SIN_NEAR: ByType = {
    "f32": (-0.16666653752326965, 0.00833210814744234, -0.00019508233526721597),
    "f64": (
        -0.16666666666666627, 0.008333333333321055, -0.00019841269828680611, 2.7557313291437044e-06,
        -2.5050694306576434e-08, 1.589304617821593e-10,
    ),
}  # fmt: skip
# (cos(r) - 1 + r^2 / 2) / r^4 over r^2, |r| up to pi/4: 2^-33.1; 2^-63.9.
COS_NEAR: ByType = {
    "f32": (0.04166664555668831, -0.0013887302484363317, 2.443088305881247e-05),
    "f64": (
        0.04166666666666659, -0.0013888888888872078, 2.4801587288177025e-05, -2.7557313969271263e-07,
        2.0875670542710846e-09, -1.1356888838491855e-11,
    ),
}  # fmt: skip
# pi in parts, all positive, so that -0.0 stays: as they are where products are fused, else with products that are exact up to the limits below.
PI_PARTS: ByType = {
    ("f32", True): (3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14),
    ("f32", False): (3.140625, 0.0009675025939941406, 1.5099067240953445e-07, 5.126688136514179e-12),
    ("f64", True): (3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32),
    ("f64", False): (3.141592651605606, 1.9841871583270443e-09, 1.03403659577805e-18, 5.807711947958721e-28),
}
NEAR_LIMIT: ByType = {("f32", True): 2.0**16, ("f32", False): 2.0**13, ("f64", True): 2.0**30, ("f64", False): 2.0**21}
# The two leading parts, and the inverse.
PI: ByType = {"f32": (3.1415927410125732, -8.742277657347586e-08), "f64": (3.141592653589793, 1.2246467991473532e-16)}
INVERSE_PI = 0.3183098861837907
# Bits of 1 / pi, from the one worth 2^10 (2^32) downwards.
INVERSE_PI_32 = (0x000A2F98, 0x36E4E441, 0x529FC275, 0x7D1F534D, 0xDC0DB629, 0x5993C439, 0x041FE516)
INVERSE_PI_64 = (
    0x0000000028BE60DB, 0x9391054A7F09D5F4, 0x7D4D377036D8A566, 0x4F10E4107F9458EA, 0xF7AEF1586DC91B8E,
    0x909374B801924BBA, 0x827464873F877AC7, 0x2C4A69CFBA208D7D, 0x4BAED1213A671C09, 0xAD17DF904E64758E,
    0x60D4CE7D272117E2, 0xEF7E4A0EC7FE25FF, 0xF7816603FBCBC462, 0xD6829B47DB4D9FB3, 0xC9F2C26DD3D18FD9,
    0xA797FA8B5D49EEB1, 0xFAF97C5ECF41CE7D, 0xE294A4BA9AFED7EC, 0x47E357421580CC11,
)  # fmt: skip
# (asin(s) - s) / s^3 over s^2, s up to 1/2: 2^-27.6; 2^-55.8.
ASIN: ByType = {
    "f32": (0.16666752099990845, 0.07495302706956863, 0.04547052085399628, 0.02417639084160328, 0.04217429831624031),
    "f64": (
        0.16666666666665386, 0.07500000000342288, 0.044642856824327004, 0.030381959288725443, 0.022371754656615523,
        0.01735975318044057, 0.013884777647057568, 0.012172116548867285, 0.006515743400670896, 0.019561047223369057,
        -0.016274862462764182, 0.031946522678786046,
    ),
}  # fmt: skip
# (atan(s) - s) / s^3 over s^2, s up to 1: 2^-28.5; up to tan(pi/8): 2^-59.2.
ATAN: ByType = {
    "f32": (
        -0.33333298563957214, 0.1999852955341339, -0.14264015853405, 0.10950878262519836, -0.08399287611246109,
        0.05788078159093857, -0.031096020713448524, 0.01086793839931488, -0.001782595063559711,
    ),
    "f64": (
        -0.3333333333333318, 0.1999999999994879, -0.14285714279699527, 0.11111110758008222, -0.09090897010300912,
        0.07692046669852931, -0.06662947501211865, 0.05846733067922151, -0.05034024066401919, 0.03792874422102972,
        -0.017756812865506174,
    ),
}  # fmt: skip
# (sinh(s) - s) / s^3 over s^2, s up to 1: 2^-31.6; 2^-61.8.
SINH: ByType = {
    "f32": (0.1666666716337204, 0.008333311416208744, 0.00019842608890030533, 2.7842695544677554e-06),
    "f64": (
        0.16666666666666669, 0.008333333333332912, 0.00019841269841593153, 2.7557319106920196e-06,
        2.5052130961302142e-08, 1.605666285062234e-10, 7.776467936554228e-13,
    ),
}  # fmt: skip

# -- reduction by pi -----------------------------------------------------------------------------------------------------


def _moved_left(words: Any, index: Value, bit: int, kept: int) -> list[Value]:
    """The words, or those 2^bit further on where that bit of the index is set; the first `kept` of them."""
    here = (index & (1 << bit)).ne(0)
    step = 1 << bit
    return [here.select(_const(index, words[i + step]), _const(index, words[i])) for i in range(kept)]


def _const(like: Value, word: Any) -> Value:
    return word if isinstance(word, Value) else like.b.const(word, like.type)


def _window(words: Any, start: Value, kept: int) -> list[Value]:
    """`kept` words of the bits of `words` from bit `start`, an unsigned integer of the words' width."""
    width = ir.bits(start.type)
    log = width.bit_length() - 1
    index, shift = start >> log, start & (width - 1)
    stages = (len(words) - kept - 1).bit_length()
    for bit in reversed(range(stages)):
        words = _moved_left(words, index, bit, kept + (1 << bit))
    back = shift.like(width - 1) - shift
    return [(words[i] << shift) | ((words[i + 1] >> 1) >> back) for i in range(kept)]


def _turns_single(a: Value) -> Value:
    """a / pi modulo 2 as u64, the first bit worth 1, for f32 `a` from 2^13 on."""
    bits = a.bitcast("u32")
    mantissa = ((bits & 0x7FFFFF) | 0x800000).cast("u64")
    # a = mantissa 2^e; the bits of 1 / pi above 2^-e make multiples of 2.
    start = (bits >> 23) - (127 + 23 - 10)
    high, middle, low = [w.cast("u64") for w in _window(INVERSE_PI_32, start, 3)]
    return ((mantissa * high) << 32) + mantissa * middle + ((mantissa * low) >> 32)


def _turns_double(a: Value) -> tuple[Value, Value]:
    """a / pi modulo 2 as 128 bits in two u64, the first bit worth 1, for f64 `a` from 2^20 on."""
    bits = a.bitcast("u64")
    low32 = 0xFFFFFFFF
    upper, lower = ((bits & 0xFFFFFFFFFFFFF) | 0x10000000000000) >> 32, bits & low32
    start = (bits >> 52) - (1023 + 52 - 32)
    pieces = [p for w in _window(INVERSE_PI_64, start, 3) for p in (w >> 32, w & low32)]
    # Long multiplication modulo 2 in digits of 32 bits; the last digit of the product only carries.
    below = [lower * p for p in pieces]
    above = [upper * p for p in pieces[1:]]
    columns = []
    for i in range(5):
        column = (below[i] & low32) + (below[i + 1] >> 32) + (above[i] & low32)
        columns.append(column + (above[i + 1] >> 32) if i < 4 else column)
    carry = columns[4] >> 32
    digits = []
    for column in reversed(columns[:4]):
        column = column + carry
        digits.append(column & low32)
        carry = column >> 32
    d3, d2, d1, d0 = digits
    return (d0 << 32) | d1, (d2 << 32) | d3


def _far(x: Value, halves: int, moved: bool) -> tuple[Value, Value]:
    """`_reduced` for arguments from 2^13 (f32), 2^20 (f64) on; nan for infinities and nan."""
    a, f = ir.fabs(x), form(x)
    quarter, high = 1 << 62, PI[x.type][0] / halves
    if x.type == "f32":
        turns = _turns_single(a) << (halves - 1)
        turns = turns + quarter if moved else turns
        odd = (turns + quarter) >> 63
        rest = turns << 1
        # 24 bits, 8 and 32, the last with a sign: a conversion of unsigned integers would be several instructions.
        top = ((rest + (1 << 31)) >> 32).cast("u32").bitcast("i32")
        last = rest.cast("u32").bitcast("i32").cast("f32")
        part = (top >> 8).cast("f32") * 2.0**-24
        error = muladd(last, 2.0**-64, (top & 255).cast("f32") * 2.0**-32)
    else:
        turns, more = _turns_double(a)
        if halves == 2:
            turns, more = (turns << 1) | (more >> 63), more << 1
        turns = turns + quarter if moved else turns
        odd = (turns + quarter) >> 63
        rest = turns - (odd << 63)
        first = (rest >> 32).cast("u32").bitcast("i32").cast("f64") * 2.0**-31
        second = (rest & 0xFFFFFFFF).cast("f64") * 2.0**-63
        part, error = fast_two_sum(first, second)
        part, error = fast_two_sum(part, error + (more >> 11).cast("f64") * 2.0**-116)
    r = muladd(part, high, muladd(part, PI[x.type][1] / halves, error * high))
    flip = odd.cast(f.unsigned) << (f.width - 1)
    r = r + (x - x)
    return (r if moved else signed_as(r, x.bitcast(f.unsigned) & f.sign)), flip


def _near(x: Value, halves: int, moved: bool) -> tuple[Value, Value]:
    """`_reduced` for arguments up to `NEAR_LIMIT`."""
    f = form(x)
    turns = x * (INVERSE_PI * halves)
    n, k = whole(turns - 0.5 if moved else turns)
    n = n + 0.5 if moved else n
    r = x
    for part in PI_PARTS[x.type, x.b.target.fma]:
        r = muladd(n, -part / halves, r)
    flip = (k + 1 if moved else k).bitcast(f.unsigned) << (f.width - 1)
    return r, flip


def _reduced(x: Value, halves: int = 1, moved: bool = False) -> tuple[Value, Value]:
    """(r, flip): x less the nearest multiple of p = pi / halves, and whether that is odd, in the top bit of `flip`.

    With `moved`, of x + p / 2.
    """
    r, flip = _near(x, halves, moved)
    usual = ir.fabs(x) < NEAR_LIMIT[x.type, x.b.target.fma]
    if left_out(~usual & (ir.fabs(x) < inf)):
        return r, flip
    far, far_flip = _far(x, halves, moved)
    return usual.select(r, far), usual.select(flip, far_flip)


# -- circular functions --------------------------------------------------------------------------------------------------


def sine_within(r: Value) -> Value:
    """sin(r) for |r| up to pi/2; -0.0 gives 0.0."""
    square = r * r
    return muladd(r * square, polynomial(square, SIN[r.type]), r)


def _bounded(value: Value) -> Value:
    """A sine without the roundoff that may take it past 1."""
    return at_most(at_least(value, -1.0), 1.0)


@function
def sin(x: Value) -> Value:
    """Sine; nan at infinity."""
    r, flip = _reduced(x)
    return x.eq(0.0).select(x, signed_as(_bounded(sine_within(r)), flip))


@function
def cos(x: Value) -> Value:
    """Cosine; nan at infinity."""
    r, flip = _reduced(x, moved=True)
    return signed_as(_bounded(sine_within(r)), flip)


@function
def tan(x: Value) -> Value:
    """Tangent; nan at infinity."""
    r, flip = _reduced(x, halves=2)
    square = r * r
    sine = muladd(r * square, polynomial(square, SIN_NEAR[r.type]), r)
    cosine = muladd(square, polynomial(square, (-0.5, *COS_NEAR[r.type])), 1.0)
    odd = flip.ne(0)
    return x.eq(0.0).select(x, odd.select(-cosine, sine) / odd.select(sine, cosine))


def half_turns(x: Value) -> tuple[Value, Value]:
    """(f, odd): x less the nearest whole number, exact, and whether that is odd; nan and False for infinities."""
    n = ir.rint(x)
    half = n * 0.5
    return x - n, half.ne(ir.trunc(half))


@function
def sinc(x: Value) -> Value:
    """sin(pi x) / (pi x): 1 at 0, exactly 0 at other whole numbers."""
    pi = PI[x.type][0]
    part, odd = half_turns(x)
    sine = sine_within(part * pi)
    value = odd.select(-sine, sine) / (x * pi)
    value = part.eq(0.0).select(0.0, value)
    return x.eq(0.0).select(1.0, value)


# -- inverse circular functions ------------------------------------------------------------------------------------------


def _asin_parts(x: Value) -> tuple[Value, Value, Value]:
    """(far, s, asin(s)) with s = sqrt((1 - |x|) / 2) where |x| > 1/2, else s = |x|."""
    a = ir.fabs(x)
    far = a > 0.5
    square = far.select((1.0 - a) * 0.5, a * a)
    s = far.select(ir.sqrt(square), a)
    return far, s, muladd(s * square, polynomial(square, ASIN[x.type]), s)


@function
def asin(x: Value) -> Value:
    """Inverse sine; nan outside [-1, 1]."""
    high, low = [part / 2 for part in PI[x.type]]
    far, _, angle = _asin_parts(x)
    return ir.copysign(far.select(high - (2.0 * angle - low), angle), x)


@function
def acos(x: Value) -> Value:
    """Inverse cosine; nan outside [-1, 1]."""
    high, low = PI[x.type]
    far, _, angle = _asin_parts(x)
    twice = 2.0 * angle
    negative = x < 0.0
    outer = negative.select(high - (twice - low), twice)
    signed = negative.select(-angle, angle)
    return far.select(outer, high / 2 - (signed - low / 2))


def _angle(a: Value, b: Value) -> Value:
    """atan(a / b) for a, b >= 0, not both 0 and not both infinite."""
    if a.type == "f32":
        return _angle_single(a, b)
    high, low = PI[a.type]
    steep, middling = a > b * 2.414213562373095, a > b * 0.41421356237309503
    over = steep.select(-b, middling.select(a - b, a))
    under = steep.select(a, middling.select(a + b, b))
    t = over / under
    square = t * t
    angle = muladd(t * square, polynomial(square, ATAN[a.type]), t)
    offset = steep.select(a.b.const(high / 2, a.type), middling.select(a.b.const(high / 4, a.type), 0.0))
    rest = steep.select(a.b.const(low / 2, a.type), middling.select(a.b.const(low / 4, a.type), 0.0))
    return offset + (angle + rest)


def _angle_single(a: Value, b: Value) -> Value:
    """By the lesser of them over the greater, which no size of theirs makes overflow."""
    high, low = PI[a.type]
    steep = a > b
    t = steep.select(b, a) / steep.select(a, b)
    square = t * t
    angle = muladd(t * square, polynomial(square, ATAN[a.type]), t)
    return steep.select(high / 2 - (angle - low / 2), angle)


@function
def atan(x: Value) -> Value:
    """Inverse tangent."""
    return ir.copysign(_angle(ir.fabs(x), x.like(1.0)), x)


@function
def atan2(y: Value, x: Value) -> Value:
    """Angle of the point (x, y), with the signs of zeros and the infinities of IEEE 754."""
    high, low = PI[y.type]
    a, b = ir.fabs(y), ir.fabs(x)
    if y.type == "f64":
        # Sums of a and b must not overflow; where scaling loses bits, the angle has none of them.
        large = ir.maximum(a, b) > 2.0 ** (form(y).bias - 2)
        a, b = large.select(a * 0.25, a), large.select(b * 0.25, b)
    both = a.eq(b) & (a.eq(inf) | a.eq(0.0))
    b = both.select(1.0, b)
    a = (both & a.eq(inf)).select(1.0, a)
    angle = _angle(a, b)
    left = ir.copysign(x.like(1.0), x) < 0.0
    return ir.copysign(left.select(high - (angle - low), angle), y)


# -- hyperbolic functions ------------------------------------------------------------------------------------------------


def half_exp(a: Value) -> Value:
    """exp(a) / 2 for a >= 0, which overflows only with cosh and sinh."""
    p, k = exp_parts(at_most(a, EXP_RANGE[a.type][1] + 2.0))
    return scaled(p, k - 1)


@function
def sinh(x: Value) -> Value:
    """Hyperbolic sine."""
    a = ir.fabs(x)
    half = half_exp(a)
    square = x * x
    near = muladd(x * square, polynomial(square, SINH[x.type]), x)
    far = ir.copysign(half - 0.25 / half, x)
    return (a < 1.0).select(x.eq(0.0).select(x, near), far)


@function
def cosh(x: Value) -> Value:
    """Hyperbolic cosine."""
    half = half_exp(ir.fabs(x))
    return half + 0.25 / half


@function
def tanh(x: Value) -> Value:
    """Hyperbolic tangent."""
    grown = expm1_near(at_most(ir.fabs(x) * 2.0, 40.0))
    return ir.copysign(grown / (grown + 2.0), x)


@function
def asinh(x: Value) -> Value:
    """Inverse hyperbolic sine."""
    a = ir.fabs(x)
    large = a > 2.0 ** (form(x).digits + 2)
    square = a * a
    y = large.select(a, a + square / (ir.sqrt(square + 1.0) + 1.0))
    value = log1p(y)
    return ir.copysign(large.select(value + LN2_ONE, value), x)


@function
def acosh(x: Value) -> Value:
    """Inverse hyperbolic cosine; nan below 1."""
    large = x > 2.0 ** (form(x).digits + 2)
    t = x - 1.0
    y = large.select(x, t + ir.sqrt(t * (t + 2.0)))
    value = log1p(y)
    return (x < 1.0).select(nan, large.select(value + LN2_ONE, value))


@function
def atanh(x: Value) -> Value:
    """Inverse hyperbolic tangent; infinite at -1 and 1, nan outside."""
    a = ir.fabs(x)
    return ir.copysign(0.5 * log1p(2.0 * a / (1.0 - a)), x)


@function
def hypot(x: Value, y: Value) -> Value:
    """sqrt(x^2 + y^2) without overflow on the way; infinite beside an infinity, whatever the other is."""
    f = form(x)
    infinite = ir.fabs(x).eq(inf) | ir.fabs(y).eq(inf)
    if x.type == "f32" and x.b.target.doubles:
        a, b = x.cast("f64"), y.cast("f64")
        return infinite.select(inf, ir.sqrt(a * a + b * b).cast("f32"))
    most = ir.maximum(ir.fabs(x), ir.fabs(y))
    power = f.bias // 2 + f.digits + 2
    large, small = most > 2.0 ** (f.bias // 2 - 1), most < 2.0 ** (f.digits - f.bias // 2)
    up = large.select(x.like(2.0**-power), small.select(x.like(2.0**power), 1.0))
    down = large.select(x.like(2.0**power), small.select(x.like(2.0**-power), 1.0))
    a, b = x * up, y * up
    return infinite.select(inf, ir.sqrt(muladd(a, a, b * b)) * down)
