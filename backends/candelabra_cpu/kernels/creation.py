# SPDX-License-Identifier: Apache-2.0
"""Constants and ranges, by the shortest way NumPy has for a small array."""

from __future__ import annotations

from typing import Any

import numpy as np

from candelabra.ops.ranges import progression

from .. import memory


def empty(size: Any, dtype: Any, index: int) -> Any:
    """Uninitialised memory; refuses what the machine cannot hold, which the system would grant and then kill for."""
    try:
        array = np.empty(size, dtype.numpy)
    except ValueError as error:
        raise MemoryError(str(error)) from error
    return array if array.nbytes < memory.LARGE else _large(array)


def _large(array: Any) -> Any:
    """The same in the memory that is kept for large arrays."""
    if array.nbytes > memory.memory_bytes() > 0:
        raise MemoryError(f"{array.nbytes} bytes asked of {memory.memory_bytes()}")
    return np.zeros_like(array) if memory.install() else array


def full(size: Any, fill_value: Any, dtype: Any, index: int) -> Any:
    """np.full takes four times as long on a small array."""
    if fill_value.__class__ is int and fill_value == 0:
        array = np.zeros(size, dtype.numpy)
        return array if array.nbytes < memory.LARGE else _large(array)
    array = empty(size, dtype, index)
    array.fill(fill_value)
    return array


def arange(size: Any, start: Any, step: Any, dtype: Any, index: int) -> Any:
    """NumPy's own range where it is exact: for 64-bit integers, and for small counts in floating dtypes."""
    (count,) = size
    if dtype.name == "int64" or (step == 1 and start == 0 and dtype.itemsize >= 4 and count < 1 << 24):
        return np.arange(start, start + count * step, step, dtype=dtype.numpy)
    return progression(np, size, start, step, dtype)


OWN = {"arange": arange, "empty": empty, "full": full}
