# SPDX-License-Identifier: Apache-2.0
"""Trigonometric and hyperbolic functions, and the logistic function."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel, ufuncs

ufuncs(
    sin="sin",
    cos="cos",
    tan="tan",
    asin="arcsin",
    acos="arccos",
    atan="arctan",
    atan2="arctan2",
    sinh="sinh",
    cosh="cosh",
    tanh="tanh",
    asinh="arcsinh",
    acosh="arccosh",
    atanh="arctanh",
    deg2rad="deg2rad",
    rad2deg="rad2deg",
)


@kernel
def sinc(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "c":
        angle = input * math.pi
        return xp.where(input == 0, 1.0, xp.sin(angle) / xp.where(input == 0, 1.0, angle))
    # The distance to the nearest integer is exact, so the zeros are.
    nearest = xp.round(input)
    odd = nearest - 2 * xp.round(nearest * 0.5)  # 0, or 1 or -1
    wave = xp.sin((input - nearest) * math.pi) * (1 - 2 * abs(odd))
    return xp.where(input == 0, 1.0, wave / xp.where(input == 0, 1.0, input * math.pi)).astype(input.dtype)


@kernel
def sigmoid(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "c":
        return 1 / (1 + xp.exp(-input))
    # Past 40, e / (e + 1) rounds to 1 in every dtype; below, this form keeps all digits down to subnormal results.
    grown = xp.exp(xp.minimum(input, 40.0))
    return grown / (grown + 1.0)


@kernel
def sigmoid_backward(xp: Any, grad_output: Any, output: Any) -> Any:
    slope = output * (1.0 - output)
    return grad_output * (xp.conj(slope) if slope.dtype.kind == "c" else slope)


@kernel
def tanh_backward(xp: Any, grad_output: Any, output: Any) -> Any:
    slope = 1.0 - output * output
    return grad_output * (xp.conj(slope) if slope.dtype.kind == "c" else slope)
