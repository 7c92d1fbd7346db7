# SPDX-License-Identifier: Apache-2.0
"""Constants and ranges, by the shortest way NumPy has for a small array."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from candelabra.ops.ranges import progression

_MEMORY_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 62


def empty(size: Any, dtype: Any, index: int) -> Any:
    """Uninitialised memory; refuses what the machine cannot hold, which the system would grant and then kill for."""
    try:
        array = np.empty(size, dtype.numpy)
    except ValueError as error:
        raise MemoryError(str(error)) from error
    if array.nbytes > _MEMORY_BYTES:
        raise MemoryError(f"{array.nbytes} bytes asked of {_MEMORY_BYTES}")
    return array


def full(size: Any, fill_value: Any, dtype: Any, index: int) -> Any:
    """np.full takes four times as long on a small array."""
    if fill_value.__class__ is int and fill_value == 0:
        array = np.zeros(size, dtype.numpy)
        if array.nbytes > _MEMORY_BYTES:
            raise MemoryError(f"{array.nbytes} bytes asked of {_MEMORY_BYTES}")
        return array
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
