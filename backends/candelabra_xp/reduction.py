# SPDX-License-Identifier: Apache-2.0
"""Reductions."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel


@kernel
def sum(xp: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    return xp.add.reduce(input, axis=dim, keepdims=keepdim)
