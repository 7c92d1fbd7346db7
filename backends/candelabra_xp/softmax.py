# SPDX-License-Identifier: Apache-2.0
"""Softmax and its kin, shifted by the largest element so that nothing overflows."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel


def below_top(xp: Any, input: Any, dim: int) -> Any:
    """`input` minus its largest element along `dim`; a 0-d array has itself as largest."""
    if not input.ndim:
        return input - input
    return input - xp.maximum.reduce(input, axis=dim, keepdims=True)


@kernel
def softmax(xp: Any, input: Any, dim: int) -> Any:
    if not input.size:
        return input.copy()
    grown = xp.exp(below_top(xp, input, dim))
    return grown / (xp.add.reduce(grown, axis=dim, keepdims=True) if input.ndim else grown)


@kernel
def log_softmax(xp: Any, input: Any, dim: int) -> Any:
    if not input.size:
        return input.copy()
    shifted = below_top(xp, input, dim)
    grown = xp.exp(shifted)
    return shifted - xp.log(xp.add.reduce(grown, axis=dim, keepdims=True) if input.ndim else grown)


@kernel
def softmax_backward(xp: Any, grad_output: Any, output: Any, dim: int) -> Any:
    product = output * grad_output
    total = xp.add.reduce(product, axis=dim, keepdims=True) if output.ndim else product
    return product - output * total


@kernel
def log_softmax_backward(xp: Any, grad_output: Any, output: Any, dim: int) -> Any:
    total = xp.add.reduce(grad_output, axis=dim, keepdims=True) if output.ndim else grad_output
    return grad_output - xp.exp(output) * total


@kernel
def logsumexp(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    top = xp.maximum.reduce(input, axis=dim, keepdims=True, initial=-math.inf)
    top = xp.where(xp.isfinite(top), top, 0.0)  # an infinity minus itself would be nan
    total = xp.log(xp.add.reduce(xp.exp(input - top), axis=dim, keepdims=True)) + top
    return total if keepdim else total.reshape([n for i, n in enumerate(input.shape) if i not in dim])
