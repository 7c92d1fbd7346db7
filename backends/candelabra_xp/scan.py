# SPDX-License-Identifier: Apache-2.0
"""Running sums and products. Modules have no common running maximum: those run by their bodies."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel


@kernel
def cumsum(xp: Any, input: Any, dim: int) -> Any:
    return xp.cumsum(input, axis=dim) if input.ndim else input.copy()


@kernel
def cumprod(xp: Any, input: Any, dim: int) -> Any:
    return xp.cumprod(input, axis=dim) if input.ndim else input.copy()
