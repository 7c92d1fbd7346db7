# SPDX-License-Identifier: Apache-2.0
"""Activations of neural networks."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel
from .exponential import half_square_exp, in_double, scaled_erfc
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
    return xp.maximum(input, 0) + xp.expm1(xp.minimum(input, 0)) * alpha


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


def normal(xp: Any, x: Any, single: bool) -> tuple[Any, Any]:
    """The normal distribution function at `x`, and exp(-x^2 / 2); both with all their digits in the tails."""
    a = xp.minimum(xp.abs(x), 39.0)  # beyond, both tails are 0
    bell = half_square_exp(xp, a, single)
    tail = bell * scaled_erfc(xp, a * math.sqrt(0.5), single) * 0.5
    sign = xp.copysign(1.0, x)
    return (1.0 + sign) * 0.5 - sign * tail, bell


@in_double
def _gelu(xp: Any, x: Any, single: bool) -> Any:
    return x * normal(xp, x, single)[0]


@in_double
def _gelu_slope(xp: Any, x: Any, single: bool) -> Any:
    share, bell = normal(xp, x, single)
    return share + xp.minimum(xp.maximum(x, -39.0), 39.0) * bell * (1 / math.sqrt(2 * math.pi))


@kernel
def gelu(xp: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        return _gelu(xp, input)
    # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near -1.
    return input * sigmoid(xp, input * (input * input * TANH_CUBIC + TANH_LINEAR))


@kernel
def gelu_backward(xp: Any, grad_output: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        return grad_output * _gelu_slope(xp, input)
    square = input * input
    gate = sigmoid(xp, input * (square * TANH_CUBIC + TANH_LINEAR))
    return grad_output * (gate + gate * (1.0 - gate) * input * (square * (3 * TANH_CUBIC) + TANH_LINEAR))
