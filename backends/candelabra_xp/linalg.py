# SPDX-License-Identifier: Apache-2.0
"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from candelabra._errors import ArgumentError

from ._kernel import kernel, ufuncs

ufuncs(matmul="matmul", mm="matmul", bmm="matmul", mv="matmul", dot="matmul")


@kernel
def vdot(xp: Any, input: Any, other: Any) -> Any:
    return xp.matmul(xp.conjugate(input), other)


@kernel
def linear(xp: Any, input: Any, weight: Any, bias: Any) -> Any:
    product = xp.matmul(input, weight.T)
    return product if bias is None else product + bias


@kernel
def cross(xp: Any, input: Any, other: Any, dim: int) -> Any:
    turns = xp.asarray([1, 2, 0]), xp.asarray([2, 0, 1])
    a, b = ([xp.take(operand, turn, axis=dim) for turn in turns] for operand in (input, other))
    return a[0] * b[1] - a[1] * b[0]


@kernel
def inverse(xp: Any, input: Any) -> Any:
    try:
        return xp.linalg.inv(input)
    except np.linalg.LinAlgError:
        raise ArgumentError(f"inverse: input must not be singular, got shape {input.shape}") from None
