# SPDX-License-Identifier: Apache-2.0
"""What the functions share: formats, polynomials, products with their error, exponents by bits, rarely needed formulas."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import ir
from ..ir import Builder, Value

inf, nan = math.inf, math.nan

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""The functions of real values by name."""


@dataclass(frozen=True)
class Format:
    """A binary floating format, and the integers of its width.

    Attributes:
        digits: stored bits of the significand.
        bias: of the exponent field.
        magic: 1.5 * 2^digits: adding it rounds to a whole number, which then stands in the low bits.
        split: low bits of the significand whose removal leaves half of them.
    """

    signed: str
    unsigned: str
    width: int
    digits: int
    bias: int
    magic: float
    split: int

    @property
    def one(self) -> int:
        """Bits of 1.0."""
        return self.bias << self.digits

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.width - 1)

    @property
    def normal(self) -> float:
        """Smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def largest(self) -> float:
        """Largest finite number."""
        return (2.0 - 2.0**-self.digits) * 2.0**self.bias


FORMATS = {
    "f32": Format("i32", "u32", 32, 23, 127, 1.5 * 2.0**23, 12),
    "f64": Format("i64", "u64", 64, 52, 1023, 1.5 * 2.0**52, 27),
}

Coefficients = Sequence[float]
ByType = dict[Any, Any]


def function(made: Callable[..., Value]) -> Callable[..., Value]:
    """Registers a function of real values under its name; it becomes a call where the target has its own."""
    name = made.__name__.rstrip("_")

    @functools.wraps(made)
    def run(x: Value, *others: Any) -> Value:
        if (name, x.type) in x.b.target.natives:
            return ir.call(name, x, *[x.like(other) for other in others])
        return made(x, *others)

    FUNCTIONS[name] = run
    return run


def form(x: Value) -> Format:
    """The format of a float's type."""
    return FORMATS[x.type]


# -- rarely needed formulas ----------------------------------------------------------------------------------------------

_RARE: dict[int, list[Value]] = {}


@contextlib.contextmanager
def usual_only(b: Builder) -> Iterator[list[Value]]:
    """Leaves out the long formulas that few arguments need, and collects when they would have been needed.

        with usual_only(b) as rare:
            y = sin(x)

    `y` is right where no value of the list `rare` (b1) is true. A kernel that reduces these over a block of elements can
    compute the block again, without this, in the rare case; `sin`, `cos`, `tan` and remainders gain several times in speed.
    """
    before = _RARE.get(id(b))
    rare = _RARE[id(b)] = []
    try:
        yield rare
    finally:
        if before is None:
            del _RARE[id(b)]
        else:
            _RARE[id(b)] = before


def left_out(needed: Value) -> bool:
    """True where a rare formula is to be left out; notes the condition that needs it."""
    found = _RARE.get(id(needed.b))
    if found is None:
        return False
    found.append(needed)
    return True


# -- results of 16 bits --------------------------------------------------------------------------------------------------

_SHORT: set[int] = set()


@contextlib.contextmanager
def short_results(b: Builder) -> Iterator[None]:
    """Lets f32 formulas err by 2^-15, relatively, for results that are rounded to float16 or bfloat16 right after.

        with short_results(b):
            y = exp(x)  # a shorter polynomial

    That is a sixteenth of float16's unit in the last place, and a hundredth of bfloat16's.
    """
    is_outermost = id(b) not in _SHORT
    _SHORT.add(id(b))
    try:
        yield
    finally:
        if is_outermost:
            _SHORT.discard(id(b))


def precision(x: Value) -> str:
    """Which coefficients a formula takes: "short", or the type of its argument."""
    return "short" if x.type == "f32" and id(x.b) in _SHORT else x.type


# -- arithmetic ----------------------------------------------------------------------------------------------------------


def muladd(x: Value, y: Any, z: Any) -> Value:
    """x * y + z, fused where that is cheap: its last bit may differ between targets."""
    return ir.fma(x, y, z) if x.b.target.fma else x * y + z


def polynomial(x: Value, coefficients: Coefficients) -> Value:
    """Horner's rule; coefficients lowest first."""
    value = x.b.const(coefficients[-1], x.type)
    for c in coefficients[-2::-1]:
        value = muladd(value, x, c)
    return value


def quotient(table: tuple[Coefficients, Coefficients], x: Value) -> Value:
    """Quotient of two polynomials."""
    over, under = table
    return polynomial(x, over) / polynomial(x, under)


def fast_two_sum(x: Value, y: Value) -> tuple[Value, Value]:
    """Sum and its rounding error, where x is 0 or of no smaller exponent than y: Dekker (1971)."""
    total = x + y
    return total, y - (total - x)


def _halves(x: Value) -> tuple[Value, Value]:
    f = form(x)
    mask = (1 << f.width) - (1 << f.split)
    high = (x.bitcast(f.unsigned) & mask).bitcast(x.type)
    return high, x - high


def two_product(x: Value, y: Any) -> tuple[Value, Value]:
    """Product and its rounding error; without `fma` by halves, after Dekker (1971)."""
    y = x.like(y)
    product = x * y
    if x.b.target.fma:
        return product, ir.fma(x, y, -product)
    (xh, xl), (yh, yl) = _halves(x), _halves(y)
    return product, ((xh * yh - product) + xh * yl + xl * yh) + xl * yl


def at_least(x: Value, low: float) -> Value:
    """The greater of x and a number; nan stays."""
    return (x < low).select(low, x)


def at_most(x: Value, high: float) -> Value:
    """The lesser of x and a number; nan stays."""
    return (x > high).select(high, x)


def wide(x: Value) -> Value:
    """f32 as f64 where the target has that."""
    return x.cast("f64") if x.b.target.doubles else x


# -- bits ----------------------------------------------------------------------------------------------------------------


def whole(x: Value, factor: float = 1.0) -> tuple[Value, Value]:
    """The whole number nearest to x * factor, as a float and as an integer, below 2^(digits - 2) in size.

    No cast meets nan so.
    """
    f = form(x)
    moved = x + f.magic if factor == 1.0 else muladd(x, factor, f.magic)
    return moved - f.magic, moved.bitcast(f.signed) - _magic_bits(f)


def _magic_bits(f: Format) -> int:
    return ((f.bias + f.digits) << f.digits) | (1 << (f.digits - 1))


def power_of_two(k: Value, type: str) -> Value:
    """2^k from an integer of the type's width, in the normal range."""
    f = FORMATS[type]
    return ((k + f.bias) << f.digits).bitcast(type)


def scaled(x: Value, k: Value) -> Value:
    """x * 2^k, rounded once, for |x| near 1 and an integer |k| up to twice the format's range."""
    f = form(x)
    if ("ldexp", x.type) in x.b.target.natives:
        return ir.call("ldexp", x, k)
    if f.width == 32:
        half = k >> 1
    else:  # a shift of unsigned 64-bit integers is one instruction where a signed one is several
        half = (((k + 4 * (f.bias + 1)).bitcast(f.unsigned)) >> 1).bitcast(f.signed) - 2 * (f.bias + 1)
    return x * power_of_two(half, x.type) * power_of_two(k - half, x.type)


LIFT = {"f32": 100, "f64": 900}
"""Powers of two by which what is small is lifted into the normal range."""


def scaled_down(x: Value, k: Value) -> Value:
    """`scaled` for k from twice the format's least exponent, all but `LIFT`, to a few above 0."""
    if ("ldexp", x.type) in x.b.target.natives:
        return ir.call("ldexp", x, k)
    lift = LIFT[x.type]
    return x * power_of_two(k + lift, x.type) * 2.0**-lift


def split(x: Value) -> tuple[Value, Value]:
    """(k, m) with x = 2^k m, m from sqrt(1/2) to sqrt(2), for positive finite x; k as a float. Garbage for others."""
    f = form(x)
    small = x < f.normal
    bits = small.select(x * 2.0 ** (f.digits + 1), x).bitcast(f.unsigned)
    exponent, m = split_bits(bits, x.type)
    # An integer below 2^digits put under the exponent of 2^digits is a float, without a conversion.
    k = (exponent | ((f.bias + f.digits) << f.digits)).bitcast(x.type)
    known = 2.0**f.digits + f.bias
    return k - small.select(x.b.const(known + f.digits + 1, x.type), known), m


def split_bits(bits: Value, type: str) -> tuple[Value, Value]:
    """(biased exponent as an unsigned integer, m from sqrt(1/2) to sqrt(2)) of the bits of a positive normal number."""
    f = FORMATS[type]
    low = ROOT_HALF[type]
    moved = bits + (f.one - low)
    mantissa = (moved & ((1 << f.digits) - 1)) + low
    return moved >> f.digits, mantissa.bitcast(type)


ROOT_HALF = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
"""Bits of sqrt(1/2)."""


def signed_as(x: Value, sign: Value) -> Value:
    """x with its sign changed where the top bit of `sign`, an unsigned integer, is set."""
    return (x.bitcast(form(x).unsigned) ^ sign).bitcast(x.type)
