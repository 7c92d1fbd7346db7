# SPDX-License-Identifier: Apache-2.0
"""Casts and copies."""

from __future__ import annotations

from typing import Any

from ._kernel import mover


@mover
def cast(xp: Any, input: Any, dtype: Any) -> Any:
    if dtype.name == "bool":
        return input != 0
    if dtype.category < 3 and input.dtype.kind == "c":
        input = input.real
    return input.astype(dtype.numpy)


@mover
def clone(xp: Any, input: Any) -> Any:
    return input.copy(order="C")
