# SPDX-License-Identifier: Apache-2.0
"""Kernels of this backend's own, where jax.numpy's function is not what the op owes.

Some are less accurate than the four units in the last place that elementwise ops are allowed. Measured on XLA's CPU
compiler, in float32 and float64: `expm1` 5 and 4 units, `log1p` 2 and 127, `tanh` 5 and 6, `sinh` and `cosh` 24 and 17,
`atanh` 3 and 129, `exp2` 67 and 88; here 1 to 3.5. The exponential and the logarithm of real numbers are good to 2.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from candelabra import ArgumentError

opaque = jax.lax.optimization_barrier  # what stands behind it is computed as written

# -- integers, quotients, matrices ------------------------------------------------------------------------------------


def true_divide(input: Any, other: Any) -> Any:
    """The quotient rounded once: XLA would multiply by the reciprocal of a divisor that is broadcast."""
    shape = jnp.broadcast_shapes(jnp.shape(input), jnp.shape(other))
    if jnp.shape(other) != shape:
        other = opaque(jnp.broadcast_to(jnp.asarray(other, dtype=jnp.result_type(input, other)), shape))
    return jnp.true_divide(input, other)


def floor_divide(input: Any, other: Any) -> Any:
    """A zero has the sign of the quotient; an integer over zero is zero, as on the host."""
    if jnp.result_type(input, other).kind in "iu":
        nothing = other == 0
        return jnp.where(nothing, 0, jnp.floor_divide(input, jnp.where(nothing, 1, other)))
    quotient = jnp.floor_divide(input, other)
    return jnp.where(quotient == 0, jnp.copysign(0.0, input / other), quotient)


def magnitudes(*integers: Any) -> list[Any]:
    """Absolute values as unsigned integers, which have room for that of the least one."""
    return [jnp.abs(i).astype(f"uint{8 * i.dtype.itemsize}") if i.dtype.kind == "i" else i for i in integers]


def gcd(input: Any, other: Any) -> Any:
    return jnp.gcd(*magnitudes(input, other)).astype(input.dtype)


def lcm(input: Any, other: Any) -> Any:
    a, b = magnitudes(input, other)
    common = jnp.gcd(a, b)
    return (a // jnp.maximum(common, 1) * b).astype(input.dtype)


def inverse(input: Any) -> Any:
    """The inverse; JAX makes infinities and nans of a singular matrix, other devices refuse it."""
    found = jnp.linalg.inv(input)
    if bool(jnp.isfinite(input).all()) and not bool(jnp.isfinite(found).all()):
        raise ArgumentError(f"inverse: input must not be singular, got shape {input.shape}")
    return found


# -- real functions --------------------------------------------------------------------------------------------------


def real_or(complex_form: Any) -> Any:
    """A kernel of real arrays that leaves complex ones to another function."""
    return lambda function: lambda x: complex_form(x) if x.dtype.kind == "c" else function(x)


@real_or(jnp.log1p)
def log1p(x: Any) -> Any:
    """log(1 + x), corrected by what the sum lost: Goldberg (1991), theorem 4."""
    near = opaque(1.0 + x)
    corrected = jnp.log(near) + (x - opaque(near - 1.0)) / near
    odd = jnp.where(near == 1.0, x, jnp.log(near))  # at -1 and infinity the correction is nan
    return jnp.where((near == 1.0) | (near == 0.0) | (near == math.inf), odd, corrected)


@real_or(jnp.expm1)
def expm1(x: Any) -> Any:
    """(u - 1) x / log(u) for u = exp(x) rounded, whose error cancels: Higham (2002), section 1.14.1."""
    grown = opaque(jnp.exp(x))
    near = (abs(x) < 1.0) & (grown != 1.0)
    ratio = (grown - 1.0) * x / jnp.log(jnp.where(near, grown, 2.0))
    return jnp.where(near, ratio, jnp.where(grown == 1.0, x, grown - 1.0))


@real_or(jnp.tanh)
def tanh(x: Any) -> Any:
    grown = expm1(2.0 * jnp.minimum(abs(x), 22.0))  # beyond, 1 is the nearest number
    return jnp.copysign(jnp.where(grown < 1.0, grown / (grown + 2.0), 1.0 - 2.0 / (grown + 2.0)), x)


@real_or(jnp.sinh)
def sinh(x: Any) -> Any:
    size = abs(x)
    grown, root = expm1(size), jnp.exp(size * 0.5)
    return jnp.copysign(jnp.where(grown < math.inf, 0.5 * (grown + grown / (grown + 1.0)), 0.5 * root * root), x)


@real_or(jnp.cosh)
def cosh(x: Any) -> Any:
    size = abs(x)
    grown, root = jnp.exp(size), jnp.exp(size * 0.5)
    return jnp.where(grown < math.inf, 0.5 * (grown + 1.0 / grown), 0.5 * root * root)


@real_or(jnp.arctanh)
def atanh(x: Any) -> Any:
    size = abs(x)
    return jnp.copysign(0.5 * log1p(2.0 * size / (1.0 - size)), x)


@real_or(jnp.exp2)
def exp2(x: Any) -> Any:
    whole = jnp.clip(jnp.round(x), -2000.0, 2000.0)
    grown = jnp.ldexp(jnp.exp((x - whole) * math.log(2)), jnp.nan_to_num(whole).astype(jnp.int32))
    return jnp.where(abs(x) == math.inf, jnp.where(x > 0.0, math.inf, 0.0), grown)


# -- complex numbers -------------------------------------------------------------------------------------------------


def complex_of(real: Any, imag: Any) -> Any:
    """Complex numbers of two parts; `real + 1j * imag` would make nans of infinities."""
    return jax.lax.complex(*jnp.broadcast_arrays(real, imag))


def log(x: Any) -> Any:
    """The logarithm; of a complex number by (|x|^2 - 1) where its modulus is near 1."""
    if x.dtype.kind != "c":
        return jnp.log(x)
    a, b = abs(x.real), abs(x.imag)
    large, small = jnp.maximum(a, b), jnp.minimum(a, b)
    near = (large > 0.5) & (large < 2.0)
    beyond = jnp.where(near, (large - 1.0) * (large + 1.0) + small * small, 0.0)
    size = jnp.where(near, 0.5 * log1p(beyond), jnp.log(abs(x)))
    return jax.lax.complex(size, jnp.arctan2(x.imag, x.real))


KERNELS = {
    "atanh": atanh,
    "complex": complex_of,
    "cosh": cosh,
    "exp2": exp2,
    "expm1": expm1,
    "floor_divide": floor_divide,
    "gcd": gcd,
    "inverse": inverse,
    "lcm": lcm,
    "log": log,
    "log1p": log1p,
    "sinh": sinh,
    "tanh": tanh,
    "true_divide": true_divide,
}
