# SPDX-License-Identifier: Apache-2.0
"""Comparisons, tests of elements, logic, and choices between two operands."""

from __future__ import annotations

import math

from ..ir import Value, fabs, is_float
from ..pair import Pair
from .table import Number, choose, scalar, truth

# -- comparisons -------------------------------------------------------------------------------------------------------


@scalar
def eq(input: Number, other: Number) -> Value:
    if isinstance(input, Pair) and isinstance(other, Pair):
        return input.re.eq(other.re) & input.im.eq(other.im)
    assert isinstance(input, Value) and isinstance(other, Value)
    return ~(input ^ other) if input.type == "b1" else input.eq(other)


@scalar
def ne(input: Number, other: Number) -> Value:
    if isinstance(input, Pair) and isinstance(other, Pair):
        return input.re.ne(other.re) | input.im.ne(other.im)
    assert isinstance(input, Value) and isinstance(other, Value)
    return input ^ other if input.type == "b1" else input.ne(other)


@scalar
def lt(input: Value, other: Value) -> Value:
    return ~input & other if input.type == "b1" else input < other


@scalar
def le(input: Value, other: Value) -> Value:
    return ~input | other if input.type == "b1" else input <= other


@scalar
def gt(input: Value, other: Value) -> Value:
    return lt(other, input)


@scalar
def ge(input: Value, other: Value) -> Value:
    return le(other, input)


# -- tests of elements -------------------------------------------------------------------------------------------------


@scalar
def isnan(input: Number) -> Value:
    if isinstance(input, Pair):
        return isnan(input.re) | isnan(input.im)
    return input.ne(input) if is_float(input.type) else input.b.const(False, "b1")


@scalar
def isinf(input: Number) -> Value:
    if isinstance(input, Pair):
        return isinf(input.re) | isinf(input.im)
    return fabs(input).eq(math.inf) if is_float(input.type) else input.b.const(False, "b1")


@scalar
def isfinite(input: Number) -> Value:
    if isinstance(input, Pair):
        return isfinite(input.re) & isfinite(input.im)
    return fabs(input) < math.inf if is_float(input.type) else input.b.const(True, "b1")


@scalar
def isreal(input: Number) -> Value:
    return input.im.eq(0) if isinstance(input, Pair) else input.b.const(True, "b1")


# -- logic -------------------------------------------------------------------------------------------------------------


@scalar
def logical_and(input: Number, other: Number) -> Value:
    return truth(input) & truth(other)


@scalar
def logical_or(input: Number, other: Number) -> Value:
    return truth(input) | truth(other)


@scalar
def logical_xor(input: Number, other: Number) -> Value:
    return truth(input) ^ truth(other)


@scalar
def logical_not(input: Number) -> Value:
    return ~truth(input)


# -- choices -----------------------------------------------------------------------------------------------------------


@scalar
def where(condition: Number, input: Number, other: Number) -> Number:
    chosen: Number = choose(truth(condition), input, other)
    return chosen


@scalar
def masked_fill(input: Number, mask: Number, value: Number) -> Number:
    return where(mask, value, input)


@scalar
def maximum(input: Value, other: Value) -> Value:
    if input.type == "b1":
        return input | other
    return _unless_nan(input > other, input).select(input, other)


@scalar
def minimum(input: Value, other: Value) -> Value:
    if input.type == "b1":
        return input & other
    return _unless_nan(input < other, input).select(input, other)


@scalar
def fmax(input: Value, other: Value) -> Value:
    if input.type == "b1":
        return input | other
    return _unless_nan(input > other, other).select(input, other)


@scalar
def fmin(input: Value, other: Value) -> Value:
    if input.type == "b1":
        return input & other
    return _unless_nan(input < other, other).select(input, other)


def _unless_nan(chosen: Value, input: Value) -> Value:
    """The condition, or that a float is nan."""
    return chosen | input.ne(input) if is_float(input.type) else chosen


@scalar
def clamp(input: Value, min: Value | None = None, max: Value | None = None) -> Value:
    raised = input if min is None else maximum(input, min)
    return raised if max is None else minimum(raised, max)


@scalar
def relu(input: Value) -> Value:
    """Keeps -0, as well as nan."""
    return input if input.type[0] in "bu" else (input < 0).select(0, input)
