# SPDX-License-Identifier: Apache-2.0
"""Softmax and its logarithm over one temporary, which becomes the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def softmax(input: Any, dim: int) -> Any:
    if not input.size or not input.ndim:
        return np.exp(input - input)
    grown = np.subtract(input, np.maximum.reduce(input, axis=dim, keepdims=True))
    np.exp(grown, out=grown)
    return np.divide(grown, np.add.reduce(grown, axis=dim, keepdims=True), out=grown)


def log_softmax(input: Any, dim: int) -> Any:
    if not input.size or not input.ndim:
        return input - input
    below = np.subtract(input, np.maximum.reduce(input, axis=dim, keepdims=True))
    total = np.add.reduce(np.exp(below), axis=dim, keepdims=True)
    return np.subtract(below, np.log(total, out=total), out=below)


OWN: dict[str, Callable[..., Any]] = {"softmax": softmax, "log_softmax": log_softmax}
