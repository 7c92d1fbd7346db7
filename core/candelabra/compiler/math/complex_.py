# SPDX-License-Identifier: Apache-2.0
"""Functions of complex numbers, as pairs of real values.

Errors are small beside the modulus of the result, not in each part. Products and squares are scaled where they would
overflow or vanish though the result does not. Infinite arguments give infinite or nan parts where C's annex G says so,
not always with the same one of the two. Sources: Kahan (1987), Branch cuts for complex elementary functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import ir
from ..ir import Value
from ..pair import Pair
from . import exponential, trigonometric
from ._tools import form, inf, muladd, nan, power_of_two, scaled, two_product, wide
from .exponential import LN2, LOG2_E, clamped, exp_parts
from .trigonometric import atan2, half_exp, half_turns, sine_within

COMPLEX: dict[str, Callable[..., Any]] = {}
"""The functions of complex values by name; `abs` and `angle` give a real value."""


def complex_function(made: Callable[..., Any]) -> Callable[..., Any]:
    """Registers a function of pairs under its name."""
    COMPLEX[made.__name__.rstrip("_")] = made
    return made


# -- arithmetic ----------------------------------------------------------------------------------------------------------


def neg(z: Pair) -> Pair:
    """-z."""
    return Pair(-z.re, -z.im)


def conj(z: Pair) -> Pair:
    """Conjugate."""
    return Pair(z.re, -z.im)


def add(z: Pair, w: Pair) -> Pair:
    """z + w."""
    return Pair(z.re + w.re, z.im + w.im)


def mul(z: Pair, w: Pair) -> Pair:
    """z w, by the formula as it stands."""
    return Pair(z.re * w.re - z.im * w.im, z.re * w.im + z.im * w.re)


def _times_i(z: Pair) -> Pair:
    return Pair(-z.im, z.re)


def _over_i(z: Pair) -> Pair:
    return Pair(z.im, -z.re)


def _one(z: Pair) -> Value:
    return z.re.like(1.0)


def _choose(condition: Value, z: Pair, w: Pair) -> Pair:
    return Pair(condition.select(z.re, w.re), condition.select(z.im, w.im))


def _largest(z: Pair) -> Value:
    """The larger magnitude of the parts; nan if the real one is."""
    a, b = ir.fabs(z.re), ir.fabs(z.im)
    return (a < b).select(b, a)


def _exponent(a: Value) -> Value:
    """k with a 2^-k near 1, as an integer, for a >= 0; 0 for 0, infinity and nan. 2^k and 2^-k are normal numbers."""
    f = form(a)
    k = (a.bitcast(f.signed) >> f.digits) - f.bias
    k = (k < 2 - f.bias).select(2 - f.bias, k)
    k = (k > f.bias - 2).select(f.bias - 2, k)
    return ((a > 0.0) & (a < inf)).select(k, 0)


def _by_power(z: Pair, k: Value) -> Pair:
    """z 2^k for a normal power."""
    power = power_of_two(k, z.type)
    return Pair(z.re * power, z.im * power)


def _normal(z: Pair) -> tuple[Pair, Value]:
    """(w, k) with z = w 2^k and the parts of w near 1 or below; subnormal z keep their digits."""
    f = form(z.re)
    small = _largest(z) < f.normal
    up = small.select(z.re.like(2.0 ** (f.digits + 1)), 1.0)
    z = Pair(z.re * up, z.im * up)
    k = _exponent(_largest(z))
    return _by_power(z, 0 - k), k - small.select(k.like(f.digits + 1), 0)


@complex_function
def div(z: Pair, w: Pair) -> Pair:
    """z / w without overflow on the way: both are scaled by powers of two first."""
    over, k = _normal(z)
    under, n = _normal(w)
    both = ir.fabs(w.re).eq(inf) & ir.fabs(w.im).eq(inf)
    size = muladd(under.re, under.re, under.im * under.im)
    re = muladd(over.re, under.re, over.im * under.im) / size
    im = muladd(over.im, under.re, -(over.re * under.im)) / size
    value = Pair(scaled(re, k - n), scaled(im, k - n))
    # By an infinity: 0 for finite z. By zero: each part on its own.
    large = _largest(w).eq(inf) & w.re.eq(w.re) & w.im.eq(w.im) & ~both
    value = _choose(large, Pair(z.re * 0.0, z.im * 0.0), value)
    zero = _largest(w).eq(0.0)
    size = ir.fabs(w.re)
    value = _choose(zero, Pair(z.re / size, z.im / size), value)
    return value


@complex_function
def reciprocal(z: Pair) -> Pair:
    """1 / z."""
    return div(Pair(_one(z), z.re.like(0.0)), z)


@complex_function
def abs_(z: Pair) -> Value:
    """Modulus."""
    return trigonometric.hypot(z.re, z.im)


@complex_function
def angle(z: Pair) -> Value:
    """Argument, from -pi to pi."""
    return atan2(z.im, z.re)


@complex_function
def sqrt(z: Pair) -> Pair:
    """Square root with a real part that is not negative."""
    scaled_z, k = _normal(z)
    # An even exponent halves exactly; k moves to the even number below.
    odd = (k & 1).ne(0)
    two = odd.select(z.re.like(2.0), 1.0)
    scaled_z, k = Pair(scaled_z.re * two, scaled_z.im * two), k - (k & 1)
    a, b = ir.fabs(scaled_z.re), scaled_z.im
    t = ir.sqrt((a + ir.sqrt(muladd(a, a, b * b))) * 0.5)
    half = power_of_two(k >> 1, z.type)
    other = ir.fabs(b) / (t * 2.0)
    left = z.re < 0.0
    value = Pair(left.select(other, t) * half, ir.copysign(left.select(t, other) * half, z.im))
    value = _choose(_largest(z).eq(0.0), Pair(z.re.like(0.0), z.im), value)
    infinite = ir.fabs(z.re).eq(inf)
    edge = Pair(left.select(z.im * 0.0, z.re), ir.copysign(left.select(z.re.like(inf), z.im * 0.0), z.im))
    value = _choose(infinite, edge, value)
    return _choose(ir.fabs(z.im).eq(inf), Pair(z.re.like(inf), z.im), value)


# -- exponentials and logarithms -----------------------------------------------------------------------------------------

# Arguments of exp beyond which no sine or cosine, at least 2^-62, keeps a product finite or other than 0.
FAR = {"f32": (-170.0, 170.0), "f64": (-1400.0, 1400.0)}


def _polar(p: Value, k: Value, cosine: Value, sine: Value) -> Pair:
    """p 2^k (cosine + i sine)."""
    return Pair(scaled(p * cosine, k), scaled(p * sine, k))


def _exp_of(x: Value, y: Value, p: Value, k: Value, cosine: Value, sine: Value) -> Pair:
    """exp(x + iy) from its parts; real arguments have real results."""
    value = _polar(p, k, cosine, sine)
    vanishing = x.eq(-inf)  # whatever the angle
    re = vanishing.select(0.0, value.re)
    im = y.eq(0.0).select(y, vanishing.select(0.0, value.im))
    return Pair(re, im)


@complex_function
def exp(z: Pair) -> Pair:
    """Exponential."""
    p, k = exp_parts(clamped(z.re, FAR[z.type]))
    return _exp_of(z.re, z.im, p, k, trigonometric.cos(z.im), trigonometric.sin(z.im))


@complex_function
def exp2(z: Pair) -> Pair:
    """Two to a power."""
    high, low = _LN2[z.type]
    angle, error = two_product(z.im, high)
    error = muladd(z.im, low, error)
    error = (ir.fabs(error) < 2.0**-10).select(error, 0.0)  # beyond, the angle is a roundoff of the argument
    cosine, sine = trigonometric.cos(angle), trigonometric.sin(angle)
    cosine, sine = muladd(-error, sine, cosine), muladd(error, cosine, sine)
    x = clamped(z.re, FAR[z.type])
    whole = ir.rint(x)
    part = x - whole
    p = exponential.exp2(part)
    f = form(x)
    k = (whole + f.magic).bitcast(f.signed) - x.like(f.magic).bitcast(f.signed)
    return _exp_of(z.re, z.im, p, k, cosine, sine)


_LN2 = {
    "f32": (0.6931471824645996, -1.9046542121259336e-09),
    "f64": (0.6931471805599453, 2.3190468138462996e-17),
}


@complex_function
def expm1(z: Pair) -> Pair:
    """exp(z) - 1 with all digits near 0."""
    half = trigonometric.sin(z.im * 0.5)
    near = Pair(
        muladd(exponential.expm1(z.re), trigonometric.cos(z.im), half * half * -2.0),
        exponential.exp(z.re) * trigonometric.sin(z.im),
    )
    far = exp(z)
    value = _choose(z.re > 40.0, far, near)
    return Pair(value.re, z.im.eq(0.0).select(z.im, value.im))


@complex_function
def sigmoid(z: Pair) -> Pair:
    """1 / (1 + exp(-z))."""
    right = z.re >= 0.0
    e = exp(_choose(right, neg(z), z))
    one = Pair(_one(z), z.re.like(0.0))
    return div(_choose(right, one, e), add(one, e))


def _log_modulus(z: Pair) -> Value:
    """log |z|, with all digits near 1."""
    w, k = _normal(z)
    n = ((k + 4 * form(z.re).bias) | _float_bits(z)).bitcast(z.type) - (form(z.re).magic / 1.5 + 4.0 * form(z.re).bias)
    far = muladd(exponential.log(muladd(w.re, w.re, w.im * w.im)), 0.5, n * LN2[z.type][1]) + n * LN2[z.type][0]
    a, b = ir.fabs(z.re), ir.fabs(z.im)
    a, b = ir.maximum(a, b), ir.minimum(a, b)
    near = 0.5 * exponential.log1p(muladd(a - 1.0, a + 1.0, b * b))
    value = ((a > 0.5) & (a < 2.0)).select(near, far)
    value = a.eq(inf).select(a, value)
    return (ir.fabs(z.re).eq(inf) | ir.fabs(z.im).eq(inf)).select(inf, value)


def _float_bits(z: Pair) -> int:
    """Bits under which an integer below 2^digits makes the float 2^digits + that integer."""
    f = form(z.re)
    return (f.bias + f.digits) << f.digits


@complex_function
def log(z: Pair) -> Pair:
    """Natural logarithm, cut along the negative real numbers."""
    return Pair(_log_modulus(z), angle(z))


def _scaled_log(z: Pair, unit: float) -> Pair:
    found = log(z)
    return Pair(found.re * unit, found.im * unit)


@complex_function
def log2(z: Pair) -> Pair:
    """Logarithm to base 2."""
    return _scaled_log(z, LOG2_E["f64"][0])


@complex_function
def log10(z: Pair) -> Pair:
    """Logarithm to base 10."""
    return _scaled_log(z, 1 / math.log(10))


@complex_function
def log1p(z: Pair) -> Pair:
    """log(1 + z) with all digits near 0."""
    x, y = z
    moved = Pair(x + 1.0, y)
    near = 0.5 * exponential.log1p(muladd(x, x + 2.0, y * y))
    close = (ir.fabs(x) < 0.5) & (ir.fabs(y) < 0.5)
    return Pair(close.select(near, _log_modulus(moved)), angle(moved))


@complex_function
def pow(z: Pair, w: Pair) -> Pair:
    """z^w = exp(w log z); 1 for w = 0, 0 for z = 0 and a positive real part of w, else nan there.

    Whole constants up to 8 are products. f32 computes in f64 where the target has that.
    """
    if w.re.op == "const" and w.im.op == "const" and w.im.data == 0.0:
        n = w.re.data
        if n == 0.0:
            return Pair(_one(z), z.re.like(0.0))
        if n == 0.5:
            return sqrt(z)
        if n.is_integer() and abs(n) <= 8:
            return _whole_power(z if n > 0 else reciprocal(z), int(abs(n)))
    z, w, type = Pair(wide(z.re), wide(z.im)), Pair(wide(w.re), wide(w.im)), z.type
    value = exp(mul(w, log(z)))
    value = _choose(w.im.eq(0.0) & z.im.eq(0.0) & (z.re > 0.0), Pair(value.re, z.im), value)
    square = mul(z, z)
    for n, product in ((1.0, z), (2.0, square), (3.0, mul(square, z))):
        value = _choose(w.re.eq(n) & w.im.eq(0.0), product, value)
    nothing = z.re.eq(0.0) & z.im.eq(0.0)
    at_zero = Pair((w.re > 0.0).select(z.re.like(0.0), nan), (w.re > 0.0).select(z.re.like(0.0), nan))
    value = _choose(nothing, at_zero, value)
    value = _choose(w.re.eq(0.0) & w.im.eq(0.0), Pair(_one(z), z.re.like(0.0)), value)
    return Pair(value.re.cast(type), value.im.cast(type))


def _whole_power(z: Pair, n: int) -> Pair:
    if n == 1:
        return z
    half = _whole_power(z, n >> 1)
    square = mul(half, half)
    return mul(square, z) if n & 1 else square


# -- circular and hyperbolic functions -----------------------------------------------------------------------------------


def _cosh_sinh(y: Value, even: Value, odd: Value) -> tuple[Value, Value]:
    """(even cosh(y), odd sinh(y)); past where both are exp(|y|) / 2, the products may be finite though these are not."""
    p, k = exp_parts(clamped(ir.fabs(y), FAR[y.type]))
    half = half_exp(ir.fabs(y))
    near_even, near_odd = even * (half + 0.25 / half), odd * trigonometric.sinh(y)
    far = ir.fabs(y) > 25.0
    signed = ir.copysign(p, y)
    return far.select(scaled(p * even, k - 1), near_even), far.select(scaled(signed * odd, k - 1), near_odd)


@complex_function
def sin(z: Pair) -> Pair:
    """Sine."""
    re, im = _cosh_sinh(z.im, trigonometric.sin(z.re), trigonometric.cos(z.re))
    return Pair(re, im)


@complex_function
def cos(z: Pair) -> Pair:
    """Cosine."""
    re, im = _cosh_sinh(z.im, trigonometric.cos(z.re), trigonometric.sin(z.re))
    return Pair(re, -im)


@complex_function
def sinh(z: Pair) -> Pair:
    """Hyperbolic sine."""
    return _over_i(sin(_times_i(z)))


@complex_function
def cosh(z: Pair) -> Pair:
    """Hyperbolic cosine."""
    return cos(_times_i(z))


@complex_function
def tanh(z: Pair) -> Pair:
    """Hyperbolic tangent: (sinh x cosh x + i sin y cos y) / (sinh^2 x + cos^2 y)."""
    x, y = z
    far = ir.fabs(x) > 22.0
    s = trigonometric.sinh(clamped(x, (-22.0, 22.0)))
    c, sine = trigonometric.cos(y), trigonometric.sin(y)
    size = muladd(s, s, c * c)
    product = sine * c
    decay = exponential.exp(ir.fabs(x) * -2.0)
    im = (ir.fabs(x).eq(inf) & ~(ir.fabs(y) < inf)).select(0.0, far.select(product * decay * 4.0, product / size))
    return Pair(far.select(ir.copysign(_one(z), x), s * ir.sqrt(muladd(s, s, 1.0)) / size), y.eq(0.0).select(y, im))


@complex_function
def tan(z: Pair) -> Pair:
    """Tangent."""
    return _over_i(tanh(_times_i(z)))


@complex_function
def sinc(z: Pair) -> Pair:
    """sin(pi z) / (pi z), 1 at 0."""
    type = z.type
    z = Pair(wide(z.re), wide(z.im))
    part, odd = half_turns(z.re)
    sine, cosine = sine_within(part * math.pi), sine_within((0.5 - ir.fabs(part)) * math.pi)
    high, low = trigonometric.PI[z.type]
    y, rest = two_product(z.im, high)
    rest = muladd(z.im, low, rest)  # the exponential would magnify it
    even, sign_odd = odd.select(-sine, sine), odd.select(-cosine, cosine)
    # Near the largest numbers the quotient is finite where the sine is not.
    large = ir.fabs(y) > 30.0
    down = large.select(z.re.like(2.0**-12), 1.0)
    p, k = exp_parts(clamped(ir.fabs(y), FAR[z.type]), ir.copysign(rest, rest * y))
    far = Pair(scaled(p * even, k - 13), ir.copysign(scaled(p * sign_odd, k - 13), sign_odd * y))
    c, s = _cosh_sinh(y, z.re.like(1.0), z.re.like(1.0))
    near = Pair(even * muladd(rest, s, c), sign_odd * muladd(rest, c, s))
    value = div(_choose(large, far, near), Pair(z.re * math.pi * down, z.im * math.pi * down))
    zero = z.re.eq(0.0) & z.im.eq(0.0)
    value = _choose(zero, Pair(_one(z), z.re.like(0.0)), value)
    return Pair(value.re.cast(type), value.im.cast(type))


# -- inverse functions ---------------------------------------------------------------------------------------------------


def _roots(z: Pair) -> tuple[Value, Pair, Pair, Value]:
    """Re z, square roots of 1 - z and 1 + z, and 0; near overflow of z / 16 instead, and log(16)."""
    limit = 2.0 ** (form(z.re).bias - 4)
    large = (ir.fabs(z.re) > limit) | (ir.fabs(z.im) > limit)
    down = large.select(z.re.like(0.0625), 1.0)
    z = Pair(z.re * down, z.im * down)
    left = large.select(z.re.like(math.log(16)), 0.0)
    return z.re, sqrt(Pair(1.0 - z.re, -z.im)), sqrt(Pair(z.re + 1.0, z.im)), left


def _grown(x: Value, more: Value) -> Value:
    """asinh(x), or asinh(16 x) with `more` = log(16) for a large x."""
    value = trigonometric.asinh(x)
    return value + ir.copysign(more, value)


def _real_of_product(z: Pair, w: Pair) -> Value:
    return muladd(z.re, w.re, -(z.im * w.im))


def _imaginary_of_conjugate(z: Pair, w: Pair) -> Value:
    """Im(conj(z) w)."""
    return muladd(z.re, w.im, -(z.im * w.re))


@complex_function
def asin(z: Pair) -> Pair:
    """Inverse sine."""
    x, below, above, more = _roots(z)
    re = atan2(x, _real_of_product(below, above))
    im = _grown(_imaginary_of_conjugate(below, above), more)
    return _unbounded(z, Pair(re, im), lambda x, y: atan2(x, ir.fabs(y)))


def _unbounded(z: Pair, value: Pair, angle_of: Callable[[Value, Value], Value]) -> Pair:
    """An inverse's value, or for infinite z that of the limit: an angle, and infinity with the sign of Im z."""
    infinite = ir.fabs(z.re).eq(inf) | ir.fabs(z.im).eq(inf)
    return _choose(infinite, Pair(angle_of(z.re, z.im), ir.copysign(z.re.like(inf), z.im)), value)


@complex_function
def acos(z: Pair) -> Pair:
    """Inverse cosine."""
    _, below, above, more = _roots(z)
    re = 2.0 * atan2(below.re, above.re)
    im = _grown(_imaginary_of_conjugate(above, below), more)
    value = _unbounded(z, Pair(re, -im), lambda x, y: atan2(ir.fabs(y), x))
    return conj(value)


@complex_function
def asinh(z: Pair) -> Pair:
    """Inverse hyperbolic sine."""
    return _over_i(asin(_times_i(z)))


@complex_function
def acosh(z: Pair) -> Pair:
    """Inverse hyperbolic cosine, with a real part that is not negative: i or -i times the inverse cosine."""
    found = acos(z)
    return Pair(ir.fabs(found.im), ir.copysign(found.re, z.im))


@complex_function
def atanh(z: Pair) -> Pair:
    """Inverse hyperbolic tangent."""
    x, y = z
    a, b, limit = ir.fabs(x), ir.fabs(y), 2.0 ** (form(x).bias // 4)
    far = (a > limit) | (b > limit)  # there squares grow too large, and atanh(z) is 1 / z + i pi / 2
    w = Pair(far.select(x.like(2.0), x), far.select(x.like(0.0), y))
    gap = 1.0 - ir.fabs(w.re)
    square = w.im * w.im
    re = 0.25 * exponential.log1p(4.0 * ir.fabs(w.re) / muladd(gap, gap, square))
    im = 0.5 * atan2(2.0 * w.im, muladd(gap, ir.fabs(w.re) + 1.0, -square))
    small = (a.eq(inf) | b.eq(inf)).select(0.0, reciprocal(z).re)
    right = y.ne(y).select(y, ir.copysign(x.like(math.pi / 2), y))
    return Pair(ir.copysign(far.select(ir.fabs(small), re), x), far.select(right, im))


@complex_function
def atan(z: Pair) -> Pair:
    """Inverse tangent."""
    return _over_i(atanh(_times_i(z)))
