# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are exact: remainders, neighbours, and the parts of a float."""

from __future__ import annotations

from .. import ir
from ..ir import Value
from ._tools import form, function, inf, left_out, nan, power_of_two, scaled, two_product

# -- parts of a float ----------------------------------------------------------------------------------------------------


def _parts(a: Value) -> tuple[Value, Value]:
    """(m, e) with a = m 2^e and m in [0.5, 1), e an integer of the type's width; for a > 0, finite."""
    f = form(a)
    small = a < f.normal
    bits = small.select(a * 2.0 ** (f.digits + 1), a).bitcast(f.signed)
    lowest = small.select(bits.like(f.bias - 1 + f.digits + 1), f.bias - 1)
    mantissa = (bits & ((1 << f.digits) - 1)) | ((f.bias - 1) << f.digits)
    return mantissa.bitcast(a.type), (bits >> f.digits) - lowest


def frexp(x: Value) -> tuple[Value, Value]:
    """(m, e) with x = m 2^e and |m| in [0.5, 1); zeros, infinities and nan are their own m, with e = 0.

    e is an integer of the type's width.
    """
    a = ir.fabs(x)
    ordinary = (a > 0.0) & (a < inf)
    m, e = _parts(a)
    return ordinary.select(ir.copysign(m, x), x), ordinary.select(e, 0)


def ldexp(x: Value, k: Value) -> Value:
    """x 2^k, rounded once, for an integer k of the type's width."""
    f = form(x)
    a = ir.fabs(x)
    m, e = _parts(a)
    most = 2 * f.bias
    k = (k < -2 * most).select(-2 * most, k)  # before the sum, which could wrap
    k = (k > 2 * most).select(2 * most, k) + e
    k = (k < -most).select(-most, k)
    k = (k > most).select(most, k)
    return ((a > 0.0) & (a < inf)).select(ir.copysign(scaled(m, k), x), x)


@function
def nextafter(x: Value, y: Value) -> Value:
    """The next number after x towards y; y where they are equal."""
    f = form(x)
    bits = x.bitcast(f.signed)
    away = (x < y) ^ (x < 0.0)
    moved = (bits + away.select(bits.like(1), -1)).bitcast(x.type)
    least = ir.copysign((x.like(0.0).bitcast(f.signed) + 1).bitcast(x.type), y)
    value = x.eq(y).select(y, x.eq(0.0).select(least, moved))
    return (x.ne(x) | y.ne(y)).select(nan, value)


# -- remainders ----------------------------------------------------------------------------------------------------------


def _quotient_bits(x: Value) -> int:
    """Quotients below two to this are whole numbers whose product with a divisor comes with its error."""
    f = form(x)
    return f.digits - 2 if x.b.target.fma else f.digits // 2 - 1


def fmod_step(rest: Value, b: Value) -> Value:
    """`rest` less a multiple of b, exact, from 0 to below `rest` for rest >= b > 0, both finite."""
    f = form(rest)
    _, high = _parts(rest)
    _, low = _parts(b)
    gap = high - low - _quotient_bits(rest)
    gap = (gap < 0).select(0, gap)
    # b 2^gap; 2^gap itself may overflow.
    limit, divisor = f.bias - 1, b
    for _ in range(3):
        now = (gap > limit).select(limit, gap)
        divisor, gap = divisor * power_of_two(now, rest.type), gap - now
    return _less_multiple(rest, divisor)


def _less_multiple(rest: Value, divisor: Value) -> Value:
    """rest modulo divisor, exact, for quotients of few enough bits."""
    count = ir.trunc(rest / divisor)
    product, error = two_product(count, divisor)
    left = (rest - product) - error
    return (left < 0.0).select(left + divisor, left)  # the quotient may have been rounded up


@function
def fmod(x: Value, y: Value) -> Value:
    """x - y trunc(x / y), exact, with the sign of x; nan for infinite x and zero y.

    A loop: each turn takes what one quotient holds.
    """
    a, b = ir.fabs(x), ir.fabs(y)
    valid = (a < inf) & (b > 0.0)
    far = 2.0 ** _quotient_bits(x)
    if left_out(valid & (a >= b * far)):
        left = (a < b).select(a, _less_multiple(a, b))
    else:
        rest = x.b.var(valid.select(a, 0.0))
        with x.b.loop_while() as test:
            test(rest.get() >= b)
            rest.set(fmod_step(rest.get(), b))
        left = rest.get()
    return valid.select(ir.copysign(left, x), nan)


@function
def remainder(x: Value, y: Value) -> Value:
    """x - y floor(x / y) with the sign of y, as Python's %."""
    left = fmod(x, y)
    return left.eq(0.0).select(ir.copysign(left, y), ((left < 0.0) ^ (y < 0.0)).select(left + y, left))


@function
def floor_divide(x: Value, y: Value) -> Value:
    """floor(x / y), of the exact quotient; x / y itself where y is 0."""
    left = fmod(x, y)
    count = (x - left) / y
    count = (left.ne(0.0) & ((left < 0.0) ^ (y < 0.0))).select(count - 1.0, count)
    whole = ir.floor(count)
    whole = (count - whole > 0.5).select(whole + 1.0, whole)  # the division rounded
    value = count.eq(0.0).select(ir.copysign(x.like(0.0), x / y), whole)
    return y.eq(0.0).select(x / y, value)
