# SPDX-License-Identifier: Apache-2.0
"""Activations that share between their parts more than their bodies, made of other ops, can say."""

from __future__ import annotations

import math

from .. import math as functions
from ..ir import Value, fabs
from ..math.exponential import exp_falling, softened
from .comparison import minimum
from .table import scalar

# Of (1 + tanh(u)) / 2 = sigmoid(2 u) with u in odd powers of x: Hendrycks and Gimpel (2016).
LINEAR = 2 * math.sqrt(2 / math.pi)
CUBIC = 0.044715 * LINEAR


@scalar
def gelu(input: Value, approximate: str = "none") -> Value:
    if approximate == "none":
        return functions.gelu(input)
    return input * _gate(input, input * input)


@scalar
def gelu_backward(grad_output: Value, input: Value, approximate: str = "none") -> Value:
    if approximate == "none":
        return grad_output * functions.gelu_slope(input)
    square = input * input
    gate = _gate(input, square)
    return grad_output * (gate + gate * (1.0 - gate) * input * (square * (3 * CUBIC) + LINEAR))


def _gate(x: Value, square: Value) -> Value:
    return functions.sigmoid(x * (square * CUBIC + LINEAR))


@scalar
def softplus(input: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    grown = input if beta == 1 else input * beta
    soft = (grown < 0.0).select(0.0, grown) + softened(grown)  # keeps nan
    return (grown > threshold).select(input, soft if beta == 1 else soft / beta)


@scalar
def logsigmoid(input: Value) -> Value:
    return minimum(input, input.like(0.0)) - softened(input)


@scalar
def mish(input: Value) -> Value:
    """With e = exp(-|x|), tanh(log(1 + exp(x))) is e (e + 2) over that + 2, or (1 + 2 e) over that + 2 e^2."""
    e = exp_falling(-fabs(input))
    square, twice, left = e * e, e + e, input < 0.0
    over = twice + left.select(square, 1.0)
    return input * (over / (over + left.select(input.like(2.0), square + square)))
