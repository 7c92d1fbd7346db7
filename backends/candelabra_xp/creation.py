# SPDX-License-Identifier: Apache-2.0
"""Constants and ranges made on the device."""

from __future__ import annotations

from typing import Any

from candelabra.ops.ranges import progression, spaced

from ._kernel import kernel


@kernel
def full(xp: Any, size: Any, fill_value: Any, dtype: Any, index: int) -> Any:
    return xp.full(size, fill_value, dtype=dtype.numpy)


@kernel
def arange(xp: Any, size: Any, start: Any, step: Any, dtype: Any, index: int) -> Any:
    return progression(xp, size, start, step, dtype)


@kernel
def linspace(xp: Any, size: Any, start: Any, end: Any, dtype: Any, index: int) -> Any:
    return spaced(xp, size, start, end, dtype)


@kernel
def eye(xp: Any, size: Any, dtype: Any, index: int) -> Any:
    return xp.eye(size[0], size[1], dtype=dtype.numpy)
