# SPDX-License-Identifier: Apache-2.0
"""Arithmetic."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel, ufuncs

ufuncs(
    abs="absolute",
    add="add",
    floor_divide="floor_divide",
    fmod="fmod",
    gcd="gcd",
    hypot="hypot",
    lcm="lcm",
    mul="multiply",
    neg="negative",
    reciprocal="reciprocal",
    remainder="remainder",
    sqrt="sqrt",
    square="square",
    sub="subtract",
    true_divide="true_divide",
)


@kernel
def conj(xp: Any, input: Any) -> Any:
    return xp.conjugate(input) if input.dtype.kind == "c" else input.copy()  # NumPy's gives int8 for bool


@kernel
def rsub(xp: Any, input: Any, other: Any) -> Any:
    return xp.subtract(other, input)


@kernel
def addcmul(xp: Any, input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    product = tensor1 * tensor2
    return input + (product if value == 1 else product * value)


@kernel
def addcdiv(xp: Any, input: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    quotient = tensor1 / tensor2
    return input + (quotient if value == 1 else quotient * value)


@kernel
def lerp(xp: Any, input: Any, end: Any, weight: Any) -> Any:
    apart = end - input
    if isinstance(weight, (bool, int, float, complex)):
        return input + weight * apart if abs(weight) < 0.5 else end - apart * (1 - weight)
    return xp.where(abs(weight) < 0.5, input + weight * apart, end - apart * (1 - weight))


@kernel
def sign(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "b":
        return input.copy()
    found = xp.sign(input)
    return xp.where(input == input, found, 0) if input.dtype.kind == "f" else found


@kernel
def rsqrt(xp: Any, input: Any) -> Any:
    return 1 / xp.sqrt(input)


@kernel
def pow(xp: Any, input: Any, exponent: Any) -> Any:
    if isinstance(exponent, (bool, int, float, complex)):
        # Exact, and many times faster than the general power.
        if exponent == 2:
            return xp.square(input)
        if exponent == 3:
            return xp.square(input) * input
        return xp.power(input, exponent)
    if xp.result_type(input, exponent).kind != "i":
        return xp.power(input, exponent)
    whole = xp.power(input, xp.maximum(exponent, 0))
    fraction = xp.where(input == -1, 1 - 2 * (exponent & 1), xp.zeros_like(exponent))
    return xp.where(exponent >= 0, whole, xp.where(input == 1, xp.ones_like(exponent), fraction))
