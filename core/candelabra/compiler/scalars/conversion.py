# SPDX-License-Identifier: Apache-2.0
"""Casts, among them to and from the narrow floats, by integer arithmetic on bits.

A cast to a narrow float rounds once, to the nearest, ties to even, from wherever it comes: wider numbers become float32
by rounding to odd first, which keeps what decides the second rounding: Boldo and Melquiond (2008).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..._dtype import COMPLEX, dtype
from ..graph import storage_of
from ..ir import Value, bits, copysign, fabs, is_float, is_int, is_signed
from ..pair import Pair
from .table import Number, scalar, truth


class Float8(NamedTuple):
    """A format of 8 bits, a sign first: Micikevicius et al. (2022), and Noune et al. (2022) for the two without -0.

    Attributes:
        digits: of the mantissa, without the leading one.
        bias: of the exponent.
        most: bits of the largest number.
        beyond: bits of what overflows.
        nan: bits of nan.
        unsigned_zero: there is no -0, whose bits are nan's.
    """

    digits: int
    bias: int
    most: int
    beyond: int
    nan: int
    unsigned_zero: bool = False


FLOAT8 = {
    "float8_e4m3fn": Float8(3, 7, 0x7E, 0x7F, 0x7F),
    "float8_e5m2": Float8(2, 15, 0x7B, 0x7C, 0x7E),
    "float8_e4m3fnuz": Float8(3, 8, 0x7F, 0x80, 0x80, True),
    "float8_e5m2fnuz": Float8(2, 16, 0x7F, 0x80, 0x80, True),
}
"""Formats by name of the dtype; in memory they are u8."""


@scalar
def cast(input: Number, dtype: dtype, storage: str = "") -> Number:
    """A number as another dtype; one of a float8 dtype is its bits, u8.

    Args:
        storage: as `storage_of` the input's dtype; needed where that is a float8 dtype.
    """
    to = storage_of(dtype.numpy)
    if storage in FLOAT8:
        assert isinstance(input, Value)
        if storage == to:
            return input
        input = decoded(input, FLOAT8[storage])
        if is_int(to) and to not in FLOAT8:
            return _float8_to_integer(input, to)
    if dtype.category == COMPLEX:
        parts = input if isinstance(input, Pair) else Pair(input, input.like(0))
        return Pair(real_cast(parts.re, to), real_cast(parts.im, to))
    if to == "b1":
        return truth(input)
    return real_cast(input.re if isinstance(input, Pair) else input, to)


def real_cast(x: Value, to: str) -> Value:
    """A real number as a type in memory; float16 and bfloat16 are rounded float32, float8 their bits."""
    if to in FLOAT8:
        return encoded(_to_odd_single(x), FLOAT8[to])
    if to in ("f16", "bf16"):
        return narrowed(_to_odd_single(x), to)
    if is_float(x.type) and is_int(to):
        return _float_to_integer(x, to)
    return x.cast(to)


# -- floats to integers ------------------------------------------------------------------------------------------------


def _float_to_signed(x: Value, to: str) -> Value:
    """i32 or i64; what does not fit, and nan, gives the least integer, as x86 does."""
    edge = 2.0 ** (bits(to) - 1)
    fits = (x >= -edge) & (x < edge)
    return fits.select(fits.select(x, 0.0).cast(to), -(1 << (bits(to) - 1)))


def _float_to_integer(x: Value, to: str) -> Value:
    """By i32 for narrower types, which wrap; unsigned ones of 32 and 64 bits in two halves."""
    wide = "i64" if bits(to) == 64 else "i32"
    if is_signed(to) or bits(to) < 32:
        return _float_to_signed(x, wide).cast(to)
    edge = 2.0 ** (bits(to) - 1)
    upper = _float_to_signed(x - edge, wide).cast(to) ^ (1 << (bits(to) - 1))
    return (x >= edge).select(upper, _float_to_signed(x, wide).cast(to))


def _float8_to_integer(x: Value, to: str) -> Value:
    """Infinities give the limits, nan 0, as ml_dtypes does; finite numbers as of other floats."""
    finite = fabs(x) < math.inf
    inside = _float_to_integer(finite.select(x, 0.0), to)
    low, high = (-(1 << (bits(to) - 1)), (1 << (bits(to) - 1)) - 1) if is_signed(to) else (0, (1 << bits(to)) - 1)
    return finite.select(inside, (x > 0.0).select(inside.like(high), (x < 0.0).select(inside.like(low), 0)))


# -- numbers to float32, rounded to odd --------------------------------------------------------------------------------


def _to_odd_single(x: Value) -> Value:
    """Any real number as float32; one between two of them as that whose last bit is set."""
    if x.type == "f64":
        return _double_to_odd(x)
    if is_int(x.type) and bits(x.type) >= 32:
        return _integer_to_odd(x)
    return x.cast("f32")


def _double_to_odd(x: Value) -> Value:
    near = x.cast("f32")
    back = near.cast("f64")
    code = near.bitcast("i32")
    towards_zero = (fabs(back) > fabs(x)).select(code - 1, code)
    odd = (towards_zero | 1).bitcast("f32")
    return (back.ne(x) & x.eq(x)).select(odd, near)


def _integer_to_odd(x: Value) -> Value:
    """Keeps 10 digits or more, and whether there were others, in at most 24."""
    kind = f"u{bits(x.type)}"
    negative = x < 0 if is_signed(x.type) else x.b.const(False, "b1")
    size = negative.select(-x, x).cast(kind)
    kept = size
    for dropped in (12, 26, 40) if bits(kind) == 64 else (12,):
        rest = (size & ((1 << dropped) - 1)).ne(0).select(size.like(1 << dropped), 0)
        short = size >> dropped << dropped | rest
        kept = (size >= 1 << max(24, dropped + 10)).select(short, kept)
    found = kept.cast("f32")
    return negative.select(-found, found)


# -- float32 to narrow floats ------------------------------------------------------------------------------------------


def narrowed(x: Value, storage: str) -> Value:
    """A float32 rounded to the numbers of a type in memory; itself for f32 and others."""
    if storage == "bf16":
        code = x.bitcast("u32")
        up = code + 0x7FFF + ((code >> 16) & 1)
        return x.ne(x).select(x, (up & 0xFFFF0000).bitcast("f32"))
    return _half(x) if storage == "f16" else x


def _half(x: Value) -> Value:
    size = fabs(x)
    code = size.bitcast("u32")
    normal = ((code + 0xFFF + ((code >> 13) & 1)) & 0xFFFFE000).bitcast("f32")
    normal = (normal > 65504.0).select(math.inf, normal)
    # Next to 0.5, numbers are as far apart as float16's subnormals.
    tiny = (size + 0.5) - 0.5
    found = (size < 2.0**-14).select(tiny, normal)
    return x.ne(x).select(x, copysign(found, x))


def encoded(x: Value, to: Float8) -> Value:
    """Bits of the nearest number of a float8 format, as u8."""
    size = fabs(x)
    code = size.bitcast("u32")
    dropped = 23 - to.digits
    normal = ((code + ((1 << (dropped - 1)) - 1) + ((code >> dropped) & 1)) >> dropped) - ((127 - to.bias) << to.digits)
    # In this sum the last place is the format's smallest number: its bits count them.
    magic = 2.0 ** (24 - to.bias - to.digits)
    tiny = (size + magic).bitcast("u32") - size.like(magic).bitcast("u32")
    found = (size < 2.0 ** (1 - to.bias)).select(tiny, normal)
    # Far beyond, the count of bits above wraps; infinity and nan are there.
    found = ((size >= 2.0**17) | (found > to.most)).select(to.beyond, found)
    found = x.ne(x).select(to.nan, found)
    sign = (x.bitcast("u32") >> 31) << 7
    if to.unsigned_zero:
        sign = found.eq(0).select(0, sign)
    return (found | sign).cast("u8")


def decoded(x: Value, of: Float8) -> Value:
    """The number of the bits of a float8 format, as float32."""
    code = x.cast("u32") & 0x7F
    normal = ((code << (23 - of.digits)) + ((127 - of.bias) << 23)).bitcast("f32")
    tiny = code.cast("f32") * 2.0 ** (1 - of.bias - of.digits)
    found = (code < 1 << of.digits).select(tiny, normal)
    if of.unsigned_zero:
        found = x.eq(0x80).select(math.nan, found)
    else:
        if of.beyond != of.nan:
            found = code.eq(of.beyond).select(math.inf, found)
        found = (code > max(of.most, of.beyond - (of.beyond == of.nan))).select(math.nan, found)
    return (x >= 0x80).select(-found, found)
