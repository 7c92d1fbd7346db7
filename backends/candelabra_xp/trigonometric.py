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
    # The distance to the nearest integer is exact, so the zeros are.
    nearest = xp.round(input.real if input.dtype.kind == "c" else input)
    odd = nearest - 2 * xp.round(nearest * 0.5)  # 0, or 1 or -1
    offset = input - nearest
    wave = xp.sin(offset * math.pi) * (1 - 2 * abs(odd))
    at_origin = input == 0
    value = wave / xp.where(at_origin, 1.0, input * math.pi)
    return xp.where(offset == 0, at_origin.astype(input.dtype), value).astype(input.dtype)


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
