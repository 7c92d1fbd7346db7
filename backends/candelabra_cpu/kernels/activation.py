# SPDX-License-Identifier: Apache-2.0
"""Activations: fewer passes for tiny tensors, blocks and masks without branches for large ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra_xp import activation as shared
from candelabra_xp.exponential import SCALED_FLOAT32, polynomial

from ._clip import INF, MINUS_INF, ZERO, clip
from .exponential import blocked, in_blocks


def relu(input: Any) -> Any:
    if input.dtype.kind != "f":
        return np.maximum(input, 0)
    return clip(input, ZERO[input.dtype], INF[input.dtype])


def relu_backward(grad_output: Any, output: Any) -> Any:
    if grad_output.shape != output.shape:
        return np.where(output <= 0, 0, grad_output)
    # Bits of the gradient and all ones or none: np.where on random signs mispredicts, which makes it 10 times slower.
    dead = np.less_equal(output, ZERO[output.dtype])
    kept = np.subtract(dead.view(np.int8), 1)
    bits = np.int32 if grad_output.itemsize == 4 else np.int64
    return np.bitwise_and(grad_output.view(bits), kept).view(grad_output.dtype)


def leaky_relu_backward(grad_output: Any, input: Any, negative_slope: float) -> Any:
    if not 0 <= negative_slope <= 1:
        return np.where(input > 0, grad_output, grad_output * negative_slope)
    return grad_output * np.maximum(input > 0, input.dtype.type(negative_slope))


def elu(input: Any, alpha: float) -> Any:
    bent = np.expm1(clip(input, MINUS_INF[input.dtype], ZERO[input.dtype]))
    bent *= alpha
    return np.where(input < 0, bent, input)  # a sum with 0 would lose the sign of -0


# -- gelu in float32 -------------------------------------------------------------------------------------------------

# Half of exp(z^2) erfc(z) over z = a / sqrt(2), as a quotient in a.
TAIL_OVER = [c * np.float32(0.5 * math.sqrt(0.5) ** (4 - i)) for i, c in enumerate(SCALED_FLOAT32[0])]
TAIL_UNDER = [c * np.float32(math.sqrt(0.5) ** (5 - i)) for i, c in enumerate(SCALED_FLOAT32[1])]
LAST = np.array(14.5, np.float32)  # exp(-LAST^2 / 2) is 0 in float32


def _tail(input: Any) -> tuple[Any, Any, Any]:
    """The magnitudes, up to LAST; exp(-a^2 / 2); and the share of the normal distribution beyond them."""
    a = clip(np.abs(input), ZERO[input.dtype], LAST)
    # The exponent in float64: its rounding, which the exponential would magnify, is made up for to first order.
    wide = a.astype(np.float64)
    wide *= wide
    wide *= -0.5
    head = wide.astype(np.float32)
    bell = np.exp(head)
    rest = np.subtract(wide, head, out=wide).astype(np.float32)
    rest += 1
    bell *= rest
    tail = polynomial(TAIL_OVER, a)
    tail /= polynomial(TAIL_UNDER, a)
    tail *= bell
    return a, bell, tail


def _gelu(input: Any, approximate: str) -> Any:
    if approximate != "none" or input.dtype.char != "f" or not input.ndim:
        return shared.gelu(np, input, approximate)
    a, _, tail = _tail(input)
    tail *= a
    return np.subtract(relu(input), tail, out=tail)


def _gelu_backward(grad_output: Any, input: Any, approximate: str) -> Any:
    if approximate != "none" or input.dtype.char != "f" or not input.ndim or grad_output.shape != input.shape:
        return shared.gelu_backward(np, grad_output, input, approximate)
    a, bell, tail = _tail(input)
    # Of the magnitude, the slope is 1 - inner; of its negative, inner.
    inner = np.multiply(a, bell, out=bell)
    inner *= -1 / math.sqrt(2 * math.pi)
    inner += tail
    sign = np.copysign(np.float32(1), input)
    inner *= sign
    return np.multiply(np.subtract(np.greater_equal(sign, 0), inner, out=inner), grad_output, out=inner)


OWN: dict[str, Callable[..., Any]] = {
    "relu": relu,
    "relu_backward": relu_backward,
    "leaky_relu_backward": leaky_relu_backward,
    "elu": in_blocks(elu),
    "gelu": in_blocks(_gelu),
    "gelu_backward": in_blocks(_gelu_backward, 2),
    "silu": blocked("silu"),
    "silu_backward": blocked("silu_backward", 2),
    "logsigmoid": blocked("logsigmoid"),
    "softplus": blocked("softplus"),
}
