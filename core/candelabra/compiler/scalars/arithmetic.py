# SPDX-License-Identifier: Apache-2.0
"""Sums, products, signs and magnitudes, and the parts of complex numbers."""

from __future__ import annotations

from .. import math
from ..ir import Value, fabs, is_float, is_signed
from ..pair import Pair
from .table import Number, scalar

# -- sums and products -------------------------------------------------------------------------------------------------


@scalar
def add(input: Number, other: Number) -> Number:
    if isinstance(input, Pair) and isinstance(other, Pair):
        return Pair(input.re + other.re, input.im + other.im)
    assert isinstance(input, Value) and isinstance(other, Value)
    return input | other if input.type == "b1" else input + other


@scalar
def sub(input: Number, other: Number) -> Number:
    if isinstance(input, Pair) and isinstance(other, Pair):
        return Pair(input.re - other.re, input.im - other.im)
    assert isinstance(input, Value) and isinstance(other, Value)
    return input - other


@scalar
def mul(input: Number, other: Number) -> Number:
    if isinstance(input, Pair) and isinstance(other, Pair):
        return Pair(input.re * other.re - input.im * other.im, input.re * other.im + input.im * other.re)
    assert isinstance(input, Value) and isinstance(other, Value)
    return input & other if input.type == "b1" else input * other


@scalar
def neg(input: Number) -> Number:
    return Pair(-input.re, -input.im) if isinstance(input, Pair) else -input


# -- signs and magnitudes ----------------------------------------------------------------------------------------------


@scalar
def abs_(input: Number) -> Value:
    if isinstance(input, Pair):
        return math.hypot(input.re, input.im)
    if is_float(input.type):
        return fabs(input)
    return (input < 0).select(-input, input) if is_signed(input.type) else input


@scalar
def sign(input: Value) -> Value:
    """0 for nan."""
    if input.type == "b1":
        return input
    nonnegative = (input > 0).select(input.like(1), 0)
    return nonnegative if input.type[0] == "u" else (input < 0).select(-1, nonnegative)


# -- parts of complex numbers ------------------------------------------------------------------------------------------


@scalar
def conj(input: Number) -> Number:
    return Pair(input.re, -input.im) if isinstance(input, Pair) else input


@scalar
def real(input: Number) -> Value:
    return input.re if isinstance(input, Pair) else input


@scalar
def imag(input: Number) -> Value:
    return input.im if isinstance(input, Pair) else input.like(0)


@scalar
def complex_(real: Value, imag: Value) -> Pair:
    return Pair(real, imag)


@scalar
def clone(input: Number) -> Number:
    return input
