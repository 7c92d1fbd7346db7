# SPDX-License-Identifier: Apache-2.0
"""Functions whose results are exact: neighbours, and the parts of a float."""

from __future__ import annotations

from .. import ir
from ..ir import Value
from ._tools import form, function, inf, nan, scaled

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
