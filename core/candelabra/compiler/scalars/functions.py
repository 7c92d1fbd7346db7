# SPDX-License-Identifier: Apache-2.0
"""Exponentials, logarithms, powers, trigonometric functions and their kin, by the functions of `..math`."""

from __future__ import annotations

from math import pi

from .. import ir, math
from ..ir import Value, is_float, is_signed
from ..pair import Pair
from .table import SCALAR, Formula, Number, scalar


def function(name: str) -> Formula:
    """A function of `..math` as a formula of real or complex numbers."""

    def formula(*args: Number) -> Number:
        table = math.COMPLEX if isinstance(args[0], Pair) else math.FUNCTIONS
        found: Number = table[name](*args)
        return found

    return formula


NAMES = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2", "erf", "erfc", "erfinv",
    "lgamma", "digamma", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinc", "sinh", "cosh", "tanh", "asinh",
    "acosh", "atanh", "sigmoid", "hypot",
)  # fmt: skip
SCALAR.update({name: function(name) for name in NAMES})


@scalar
def polygamma(n: int, input: Value) -> Value:
    return math.polygamma(n, input)


@scalar
def deg2rad(input: Value) -> Value:
    return input * (pi / 180)


@scalar
def rad2deg(input: Value) -> Value:
    return input * (180 / pi)


# -- powers ------------------------------------------------------------------------------------------------------------


@scalar
def sqrt(input: Number) -> Number:
    return math.COMPLEX["sqrt"](input) if isinstance(input, Pair) else ir.sqrt(input)


@scalar
def pow_(input: Number, exponent: Number) -> Number:
    """Integers wrap around."""
    if isinstance(input, Pair) or is_float(input.type):
        return function("pow")(input, exponent)
    assert isinstance(exponent, Value)
    if exponent.op == "const" and exponent.data >= 0:
        return _product_of(input, exponent.data)
    return _integer_power(input, exponent)


def _product_of(x: Value, n: int) -> Value:
    """x^n by squaring."""
    if n < 2:
        return x if n else x.like(1)
    half = _product_of(x, n // 2)
    return half * half * x if n % 2 else half * half


def _integer_power(x: Value, exponent: Value) -> Value:
    """By squaring, modulo the range of the type; truncated where the exponent is negative."""
    b = x.b
    signed = is_signed(x.type)
    base, left, product = b.var(x), b.var((exponent < 0).select(0, exponent) if signed else exponent), b.var(x.like(1))
    with b.loop_while() as test:
        rest = left.get()
        test(rest.ne(0))
        square = base.get()
        product.set((rest & 1).ne(0).select(product.get() * square, product.get()))
        base.set(square * square)
        left.set(rest >> 1)
    whole = product.get()
    if not signed:
        return whole
    fraction = x.eq(-1).select(1 - 2 * (exponent & 1), x.eq(1).select(x.like(1), 0))
    return (exponent < 0).select(fraction, whole)
