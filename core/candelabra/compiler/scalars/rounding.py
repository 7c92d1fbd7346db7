# SPDX-License-Identifier: Apache-2.0
"""Rounding, and the parts and neighbours of floating numbers."""

from __future__ import annotations

from math import inf, nan

from .. import ir, math
from ..ir import Value, fabs, is_float, is_signed
from .table import bits_of, bits_type, scalar

# -- rounding ----------------------------------------------------------------------------------------------------------


@scalar
def floor(input: Value) -> Value:
    return ir.floor(input) if is_float(input.type) else input


@scalar
def ceil(input: Value) -> Value:
    return ir.ceil(input) if is_float(input.type) else input


@scalar
def trunc(input: Value) -> Value:
    return ir.trunc(input) if is_float(input.type) else input


@scalar
def round_(input: Value, decimals: int = 0) -> Value:
    if not is_float(input.type):
        return input
    if decimals == 0:
        return ir.rint(input)
    if abs(decimals) > (308 if input.type == "f64" else 38):  # no such power of ten
        return input.b.const(nan, input.type)
    scale = 10.0 ** abs(decimals)
    rounded = ir.rint(input * scale) / scale if decimals > 0 else ir.rint(input / scale) * scale
    # Past the largest number there is nothing after the point to round.
    return (fabs(rounded) < inf).select(rounded, input)


# -- signs -------------------------------------------------------------------------------------------------------------


@scalar
def signbit(input: Value) -> Value:
    if is_float(input.type):
        return input.bitcast(bits_type(input)) < 0
    return input < 0 if is_signed(input.type) else input.b.const(False, "b1")


@scalar
def copysign(input: Value, other: Value) -> Value:
    return ir.copysign(input, other)


# -- mantissa and exponent ---------------------------------------------------------------------------------------------


@scalar
def frexp(input: Value) -> tuple[Value, Value]:
    mantissa, exponent = math.frexp(input)
    return mantissa, exponent.cast("i32")


# -- neighbours --------------------------------------------------------------------------------------------------------


@scalar
def nextafter(input: Value, other: Value, storage: str = "f32") -> Value:
    """Next number of the type in memory, from `input` towards `other`.

    Args:
        storage: type in memory; f16 and bf16 have numbers farther apart than the f32 that are given.
    """
    if storage not in ("f16", "bf16"):
        return math.nextafter(input, other)
    outwards = ~((input < other) ^ (input > 0.0))
    if storage == "f16":
        moved, least = _half_neighbour(fabs(input), outwards), input.like(2.0**-24)
    else:
        step = input.bitcast("i32").like(1 << 16)
        moved = (bits_of(input) + outwards.select(step, -(1 << 16))).bitcast("f32")
        least = step.bitcast("f32")
    found = input.eq(0.0).select(ir.copysign(least, other), ir.copysign(moved, input))
    unordered = input.ne(input) | other.ne(other)
    return unordered.select(input + other, input.eq(other).select(other, found))


def _half_neighbour(size: Value, outwards: Value) -> Value:
    """The next magnitude of float16: farther from zero, or nearer."""
    bits = bits_of(size)
    gap = 1 << 13  # between normal numbers, in bits of float32
    up = (size < 2.0**-14).select(size + 2.0**-24, (bits + gap).bitcast("f32"))
    up = (size >= 65504.0).select(inf, up)
    down = (size <= 2.0**-14).select(size - 2.0**-24, (bits - gap).bitcast("f32"))
    down = size.eq(inf).select(65504.0, down)
    return outwards.select(up, down)
