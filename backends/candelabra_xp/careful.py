# SPDX-License-Identifier: Apache-2.0
"""Kernels for modules whose own functions are less exact, or less defined, than NumPy's; a backend names those it needs.

The real functions follow from an exponential and a logarithm that are good to 2 units in the last place: then they are
good to 1 to 3.5, where elementwise ops are allowed 4. Each takes the backend first, for its module, its `as_written`
(nothing may be simplified across it: the corrections would vanish) and its `complex_of`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from candelabra._errors import ArgumentError

CAREFUL: dict[str, Callable[..., Any]] = {}
"""Kernels by op name."""


def careful(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a kernel under its function's name."""
    CAREFUL[function.__name__] = function
    return function


def real_or(complex_form: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a kernel of real arrays that leaves complex ones to the module's function of this name."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(b: Any, x: Any) -> Any:
            return getattr(b.xp, complex_form)(x) if x.dtype.kind == "c" else function(b, x)

        return careful(run)

    return add


# -- integers, quotients, matrices -----------------------------------------------------------------------------------


@careful
def true_divide(b: Any, input: Any, other: Any) -> Any:
    """The quotient rounded once: a compiler would multiply by the reciprocal of a divisor that is broadcast."""
    xp = b.xp
    shape = xp.broadcast_shapes(xp.shape(input), xp.shape(other))
    if xp.shape(other) != shape:
        other = b.as_written(xp.broadcast_to(xp.asarray(other, dtype=xp.result_type(input, other)), shape))
    return xp.true_divide(input, other)


@careful
def floor_divide(b: Any, input: Any, other: Any) -> Any:
    """A zero has the sign of the quotient; an integer over zero is zero, as on the host."""
    xp = b.xp
    if xp.result_type(input, other).kind in "iu":
        nothing = other == 0
        return xp.where(nothing, 0, xp.floor_divide(input, xp.where(nothing, 1, other)))
    quotient = xp.floor_divide(input, other)
    return xp.where(quotient == 0, xp.copysign(0.0, input / other), quotient)


def magnitudes(xp: Any, *integers: Any) -> list[Any]:
    """Absolute values as unsigned integers, which have room for that of the least one."""
    return [xp.abs(i).astype(f"uint{8 * i.dtype.itemsize}") if i.dtype.kind == "i" else i for i in integers]


@careful
def gcd(b: Any, input: Any, other: Any) -> Any:
    return b.xp.gcd(*magnitudes(b.xp, input, other)).astype(input.dtype)


@careful
def lcm(b: Any, input: Any, other: Any) -> Any:
    one, two = magnitudes(b.xp, input, other)
    common = b.xp.gcd(one, two)
    return (one // b.xp.maximum(common, 1) * two).astype(input.dtype)


@careful
def inverse(b: Any, input: Any) -> Any:
    """The inverse, for modules that make infinities and nans of a singular matrix, which other devices refuse."""
    finite, found = b.xp.isfinite, b.xp.linalg.inv(input)
    if bool(finite(input).all()) and not bool(finite(found).all()):
        raise ArgumentError(f"inverse: input must not be singular, got shape {input.shape}")
    return found


# -- real functions --------------------------------------------------------------------------------------------------


@real_or("log1p")
def log1p(b: Any, x: Any) -> Any:
    """log(1 + x), corrected by what the sum lost: Goldberg (1991), theorem 4."""
    xp = b.xp
    near = b.as_written(1.0 + x)
    corrected = xp.log(near) + (x - b.as_written(near - 1.0)) / near
    odd = xp.where(near == 1.0, x, xp.log(near))  # at -1 and infinity the correction is nan
    return xp.where((near == 1.0) | (near == 0.0) | (near == math.inf), odd, corrected)


@real_or("expm1")
def expm1(b: Any, x: Any) -> Any:
    """(u - 1) x / log(u) for u = exp(x) rounded, whose error cancels: Higham (2002), section 1.14.1."""
    xp = b.xp
    grown = b.as_written(xp.exp(x))
    near = (abs(x) < 1.0) & (grown != 1.0)
    ratio = (grown - 1.0) * x / xp.log(xp.where(near, grown, 2.0))
    return xp.where(near, ratio, xp.where(grown == 1.0, x, grown - 1.0))


@real_or("tanh")
def tanh(b: Any, x: Any) -> Any:
    grown = expm1(b, 2.0 * b.xp.minimum(abs(x), 22.0))  # beyond, 1 is the nearest number
    return b.xp.copysign(b.xp.where(grown < 1.0, grown / (grown + 2.0), 1.0 - 2.0 / (grown + 2.0)), x)


@real_or("sinh")
def sinh(b: Any, x: Any) -> Any:
    size = abs(x)
    grown, root = expm1(b, size), b.xp.exp(size * 0.5)
    return b.xp.copysign(b.xp.where(grown < math.inf, 0.5 * (grown + grown / (grown + 1.0)), 0.5 * root * root), x)


@real_or("cosh")
def cosh(b: Any, x: Any) -> Any:
    size = abs(x)
    grown, root = b.xp.exp(size), b.xp.exp(size * 0.5)
    return b.xp.where(grown < math.inf, 0.5 * (grown + 1.0 / grown), 0.5 * root * root)


@real_or("arctanh")
def atanh(b: Any, x: Any) -> Any:
    size = abs(x)
    return b.xp.copysign(0.5 * log1p(b, 2.0 * size / (1.0 - size)), x)


@real_or("exp2")
def exp2(b: Any, x: Any) -> Any:
    xp = b.xp
    whole = xp.clip(xp.round(x), -2000.0, 2000.0)
    grown = xp.ldexp(xp.exp((x - whole) * math.log(2)), xp.nan_to_num(whole).astype("int32"))
    return xp.where(abs(x) == math.inf, xp.where(x > 0.0, math.inf, 0.0), grown)


# -- complex numbers -------------------------------------------------------------------------------------------------


@careful
def log(b: Any, x: Any) -> Any:
    """The logarithm; of a complex number by (|x|^2 - 1) where its modulus is near 1."""
    xp = b.xp
    if x.dtype.kind != "c":
        return xp.log(x)
    one, two = abs(x.real), abs(x.imag)
    large, small = xp.maximum(one, two), xp.minimum(one, two)
    near = (large > 0.5) & (large < 2.0)
    beyond = xp.where(near, (large - 1.0) * (large + 1.0) + small * small, 0.0)
    size = xp.where(near, 0.5 * log1p(b, beyond), xp.log(abs(x)))
    return b.complex_of(size, xp.arctan2(x.imag, x.real))
