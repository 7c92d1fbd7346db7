# SPDX-License-Identifier: Apache-2.0
"""Quotients and remainders."""

from __future__ import annotations

from math import inf, nan
from typing import Any

from ..ir import Value, call, copysign, fabs, floor, is_float, is_signed, maximum, trunc
from ..math._tools import left_out
from ..pair import Pair
from .table import Number, scalar

# -- true quotients ----------------------------------------------------------------------------------------------------


@scalar
def true_divide(input: Any, other: Any) -> Number:
    return _complex_quotient(input, other) if isinstance(input, Pair) else input / other


def _complex_quotient(x: Pair, y: Pair) -> Pair:
    """Smith (1962), Algorithm 116: by the ratio of the divisor's parts, so that no square overflows."""
    wide = fabs(y.re) >= fabs(y.im)
    large, small = wide.select(y.re, y.im), wide.select(y.im, y.re)
    one, two = wide.select(x.re, x.im), wide.select(x.im, x.re)
    ratio = small / large
    scale = 1.0 / (large + small * ratio)
    real = (one + two * ratio) * scale
    product = one * ratio
    imag = wide.select(two - product, product - two) * scale
    zero = large.eq(0.0)  # then both parts are
    return Pair(zero.select(x.re / fabs(y.re), real), zero.select(x.im / fabs(y.re), imag))


@scalar
def reciprocal(input: Number) -> Number:
    if isinstance(input, Value):
        return 1.0 / input
    wide = fabs(input.re) >= fabs(input.im)
    large, small = wide.select(input.re, input.im), wide.select(input.im, input.re)
    ratio = small / large
    length = large + small * ratio
    whole, part = 1.0 / length, ratio / length
    return Pair(wide.select(whole, part), -wide.select(part, whole))


# -- whole quotients and remainders ------------------------------------------------------------------------------------


@scalar
def floor_divide(input: Value, other: Value) -> Value:
    if not is_float(input.type):
        return _integer_floor_divide(input, other)
    left = fmod(input, other)
    quotient = (input - left) / other
    quotient = (left.ne(0.0) & _signs_differ(left, other)).select(quotient - 1.0, quotient)
    whole = floor(quotient)
    whole = (quotient - whole > 0.5).select(whole + 1.0, whole)  # the quotient was rounded
    plain = input / other
    whole = quotient.eq(0.0).select(copysign(input.like(0.0), plain), whole)
    return other.eq(0.0).select(plain, whole)


@scalar
def remainder(input: Value, other: Value) -> Value:
    if not is_float(input.type):
        return _integer_remainder(input, other)
    left = fmod(input, other)
    moved = _signs_differ(left, other).select(left + other, left)
    return left.eq(0.0).select(copysign(left, other), moved)


@scalar
def fmod(input: Value, other: Value) -> Value:
    if not is_float(input.type):
        return _divisible(input, other).select(input.irem(_divisor(input, other)), 0)
    target = input.b.target
    if ("fmod", input.type) in target.natives:
        return call("fmod", input, other)
    if input.type == "f32" and target.doubles:
        return _fmod_in_double(input, other)
    return _fmod_in_loop(input, other)


def _signs_differ(x: Value, y: Value) -> Value:
    return (x < 0) ^ (y < 0)


# -- integers ----------------------------------------------------------------------------------------------------------


def _divisible(x: Value, y: Value) -> Value:
    """Whether the machine divides x by y: the least integer by -1 does not fit."""
    return y.ne(0) & y.ne(-1) if is_signed(y.type) else y.ne(0)


def _divisor(x: Value, y: Value) -> Value:
    return _divisible(x, y).select(y, 1)


def _integer_floor_divide(x: Value, y: Value) -> Value:
    """0 for a divisor of 0; the least integer divided by -1 wraps around to itself."""
    safe = _divisor(x, y)
    quotient = x.idiv(safe)
    if not is_signed(x.type):
        return y.eq(0).select(0, quotient)
    left = x - quotient * safe
    floored = (left.ne(0) & _signs_differ(left, safe)).select(quotient - 1, quotient)
    return y.eq(0).select(0, y.eq(-1).select(-x, floored))


def _integer_remainder(x: Value, y: Value) -> Value:
    """0 for a divisor of 0."""
    left = x.irem(_divisor(x, y))
    if is_signed(x.type):
        left = (left.ne(0) & _signs_differ(left, y)).select(left + y, left)
    return _divisible(x, y).select(left, 0)


# -- exact remainders of floats ----------------------------------------------------------------------------------------
#
# Each step takes away a multiple of the divisor of so few digits that its products are exact. The difference is then
# exact, too: it has no digits below those of its operands, and is smaller.


def _leading(x: Value, dropped: int) -> Value:
    """A float without its last digits."""
    kind = "i64" if x.type == "f64" else "i32"
    return (x.bitcast(kind) & -(1 << dropped)).bitcast(x.type)


def _fmod_in_double(input: Value, other: Value) -> Value:
    """Of float32 in float64, without branches: 27 digits of the quotient a step, of 277 at most."""
    x, y = fabs(input).cast("f64"), fabs(other).cast("f64")
    y = y.eq(inf).select(2.0**130, y)  # more than any finite x, and finite itself
    reciprocal = 1.0 / y
    steps = 1 if left_out(x * reciprocal >= 2.0**27) else 11
    left = x
    for _ in range(steps):
        left = left - trunc(_leading(left * reciprocal, 25)) * y
    # The rounded quotient may have been the next integer.
    left = (left < 0.0).select(left + y, left)
    left = (left >= y).select(left - y, left)
    return copysign(left.cast("f32"), input)


def _fmod_in_loop(input: Value, other: Value) -> Value:
    """In the type itself, with as many turns as the quotient needs: one of up to 26 digits in float64, 12 in float32."""
    b, x, y = input.b, fabs(input), fabs(other)
    digits, far = (26, 2.0**1000) if input.type == "f64" else (12, 2.0**100)
    plain = (x < inf) & (y < inf) & (y > 0.0)
    y = plain.select(y, 1.0)
    first = plain.select(x, 0.0)
    if left_out(first * 2.0**-digits >= y):
        found = (first >= y).select(_reduced(first, y), first)
    else:
        left = b.var(first)
        with b.loop_while() as test:
            now = left.get()
            test(now >= y)
            divisor = y
            for _ in range(2):  # no quotient overflows
                divisor = (now * (1 / far) > divisor).select(divisor * far, divisor)
            left.set(_reduced(now, divisor))
        found = left.get()
    odd = ((x < inf) & other.eq(other) & other.ne(0.0)).select(x, input.like(nan))
    return copysign(plain.select(found, odd), input)


def _reduced(x: Value, y: Value) -> Value:
    """x less a multiple of y, at least 0, for x of y at least."""
    dropped, half, digits = (27, 26, 52) if x.type == "f64" else (12, 12, 23)
    multiple = trunc(_leading(x / y, dropped))
    high = _leading(y, half)
    rest = x - multiple * high - multiple * (y - high)
    # The quotient was rounded up: the last place of the multiple goes.
    place = maximum(_leading(multiple, digits) * 2.0 ** (dropped - digits), 1.0)
    return (rest < 0.0).select(rest + y * place, rest)
