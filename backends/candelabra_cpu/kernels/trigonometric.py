# SPDX-License-Identifier: Apache-2.0
"""The logistic function over one temporary, which becomes the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra_xp import trigonometric as shared

from ._clip import MINUS_INF, bounds, clip

FORTY = bounds(40.0)


def sigmoid(input: Any) -> Any:
    if input.dtype.kind == "c" or not input.ndim:
        return shared.sigmoid(np, input)
    grown = clip(input, MINUS_INF[input.dtype], FORTY[input.dtype])
    np.exp(grown, out=grown)
    return np.divide(grown, grown + 1.0, out=grown)


OWN: dict[str, Callable[..., Any]] = {"sigmoid": sigmoid}
