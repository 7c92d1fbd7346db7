# SPDX-License-Identifier: Apache-2.0
"""Operations on the bits of integers, and their common divisors."""

from __future__ import annotations

from ..ir import Value, bits, is_signed
from .table import scalar


@scalar
def bitwise_and(input: Value, other: Value) -> Value:
    return input & other


@scalar
def bitwise_or(input: Value, other: Value) -> Value:
    return input | other


@scalar
def bitwise_xor(input: Value, other: Value) -> Value:
    return input ^ other


@scalar
def bitwise_not(input: Value) -> Value:
    return ~input


def _fits(places: Value) -> Value:
    """Whether a number of places is from 0 to below the width."""
    below = places < bits(places.type)
    return (places >= 0) & below if is_signed(places.type) else below


@scalar
def bitwise_left_shift(input: Value, other: Value) -> Value:
    fits = _fits(other)
    return fits.select(input << fits.select(other, 0), 0)


@scalar
def bitwise_right_shift(input: Value, other: Value) -> Value:
    fits = _fits(other)
    if is_signed(input.type):  # the last place leaves nothing but the sign
        return input >> fits.select(other, bits(other.type) - 1)
    return fits.select(input >> fits.select(other, 0), 0)


# -- divisors ----------------------------------------------------------------------------------------------------------


def magnitude(x: Value) -> Value:
    """Absolute value as an unsigned integer, which has room for that of the least one."""
    if not is_signed(x.type):
        return x
    return (x < 0).select(-x, x).cast(f"u{bits(x.type)}")


def _common_divisor(x: Value, y: Value) -> Value:
    """Greatest common divisor of two unsigned integers: Euclid."""
    b = x.b
    one, two = b.var(x), b.var(y)
    with b.loop_while() as test:
        rest = two.get()
        test(rest.ne(0))
        left = one.get().irem(rest)
        one.set(rest)
        two.set(left)
    return one.get()


@scalar
def gcd(input: Value, other: Value) -> Value:
    return _common_divisor(magnitude(input), magnitude(other)).cast(input.type)


@scalar
def lcm(input: Value, other: Value) -> Value:
    one, two = magnitude(input), magnitude(other)
    common = _common_divisor(one, two)
    return (one.idiv(common.eq(0).select(1, common)) * two).cast(input.type)
