# SPDX-License-Identifier: Apache-2.0
"""Activations of neural networks."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel
from .exponential import SCALED_DOUBLE, SCALED_FLOAT32, quotient
from .trigonometric import sigmoid


@kernel
def relu(xp: Any, input: Any) -> Any:
    return xp.maximum(input, 0)


@kernel
def relu_backward(xp: Any, grad_output: Any, output: Any) -> Any:
    return xp.where(output <= 0, 0, grad_output)


@kernel
def leaky_relu(xp: Any, input: Any, negative_slope: float) -> Any:
    if 0 < negative_slope <= 1:
        return xp.maximum(input, input * negative_slope)
    return xp.where(input > 0, input, input * negative_slope)


@kernel
def leaky_relu_backward(xp: Any, grad_output: Any, input: Any, negative_slope: float) -> Any:
    return xp.where(input > 0, grad_output, grad_output * negative_slope)


@kernel
def elu(xp: Any, input: Any, alpha: float) -> Any:
    return xp.where(input < 0, xp.expm1(xp.minimum(input, 0)) * alpha, input)


@kernel
def celu(xp: Any, input: Any, alpha: float) -> Any:
    return xp.where(input < 0, xp.expm1(xp.minimum(input, 0) / alpha) * alpha, input)


@kernel
def silu(xp: Any, input: Any) -> Any:
    return input * sigmoid(xp, input)


@kernel
def silu_backward(xp: Any, grad_output: Any, input: Any) -> Any:
    gate = sigmoid(xp, input)
    slope = gate * (1.0 + input * (1.0 - gate))
    return grad_output * (xp.conj(slope) if slope.dtype.kind == "c" else slope)


@kernel
def softplus(xp: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input if beta == 1 else input * beta
    soft = xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.abs(scaled)))
    return xp.where(scaled > threshold, input, soft if beta == 1 else soft / beta)


@kernel
def logsigmoid(xp: Any, input: Any) -> Any:
    return xp.minimum(input, 0) - xp.log1p(xp.exp(-xp.abs(input)))


# -- gelu ------------------------------------------------------------------------------------------------------------

TANH_LINEAR = 2 * math.sqrt(2 / math.pi)
TANH_CUBIC = 0.044715 * TANH_LINEAR  # Hendrycks and Gimpel (2016)


def normal_tail(xp: Any, x: Any) -> tuple[Any, Any, Any]:
    """The magnitudes, up to where the rest is 0; exp(-a^2 / 2); and the share of the distribution beyond them."""
    a = xp.minimum(xp.abs(x), 39.0)
    if x.dtype.itemsize == 8:
        head = a.astype("float32").astype("float64")
        bell = xp.exp(head * head * -0.5) * xp.exp((head - a) * (head + a) * 0.5)
        return a, bell, bell * quotient(SCALED_DOUBLE, a * math.sqrt(0.5)) * 0.5
    # The exponent in float64: its rounding, which the exponential would magnify, is made up for to first order.
    wide = a.astype("float64")
    exponent = wide * wide * -0.5
    head = exponent.astype("float32")
    bell = xp.exp(head) * ((exponent - head).astype("float32") + 1.0)
    return a, bell, bell * quotient(SCALED_FLOAT32, a * math.sqrt(0.5)) * 0.5


@kernel
def gelu(xp: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        # x - x tail(x) for positive x, x tail(-x) for negative: nothing cancels.
        a, _, tail = normal_tail(xp, input)
        return xp.where(input < 0, 0, input) - a * tail
    # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near -1.
    return input * sigmoid(xp, input * (input * input * TANH_CUBIC + TANH_LINEAR))


@kernel
def gelu_backward(xp: Any, grad_output: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        a, bell, tail = normal_tail(xp, input)
        inner = tail - a * bell * (1 / math.sqrt(2 * math.pi))  # the slope at -a; at a, it is 1 - inner
        sign = xp.copysign(1.0, input)
        return grad_output * ((1.0 + sign) * 0.5 - sign * inner)
    square = input * input
    gate = sigmoid(xp, input * (square * TANH_CUBIC + TANH_LINEAR))
    return grad_output * (gate + gate * (1.0 - gate) * input * (square * (3 * TANH_CUBIC) + TANH_LINEAR))
