# SPDX-License-Identifier: Apache-2.0
"""Kernels that NumPy needs its own way for; they replace shared kernels of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import (
    activation,
    convolution,
    creation,
    embedding,
    exponential,
    gather,
    linalg,
    loss,
    moving,
    normalization,
    optimizer,
    pooling,
    random,
    reduction,
    scan,
    scatter,
    softmax,
    sorting,
    trigonometric,
)

TABLES: list[Mapping[str, Any]] = [
    activation.OWN,
    convolution.OWN,
    creation.OWN,
    embedding.OWN,
    exponential.OWN,
    gather.OWN,
    linalg.OWN,
    loss.OWN,
    moving.OWN,
    normalization.OWN,
    optimizer.OWN,
    pooling.OWN,
    random.OWN,
    reduction.OWN,
    scan.OWN,
    scatter.OWN,
    softmax.OWN,
    sorting.OWN,
    trigonometric.OWN,
]
"""One table of kernels by op name for each family module."""

LIBRARY = frozenset(linalg.OWN) | frozenset(convolution.OWN)
"""Ops whose kernels here are native already: nothing compiled is to be chosen instead."""
