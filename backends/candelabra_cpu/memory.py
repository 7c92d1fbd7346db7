# SPDX-License-Identifier: Apache-2.0
"""Memory of large arrays is kept and used again: fresh memory costs a page fault every 4 KiB, three times an addition.

NumPy lets an allocator be set for the arrays made in a context (NEP 49). Ours serves blocks from `LARGE` bytes up, and
leaves smaller ones to NumPy's own. Arrays own their memory as ever, so views, threads, exports and resizing need no care;
a freed block goes to the list of its size class. At most `limit` bytes wait there.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from candelabra import _config
from candelabra._errors import ArgumentError

if TYPE_CHECKING:
    from .allocator import Pool

LARGE = 1 << 17
"""Bytes from which blocks are kept: the C library takes as large ones fresh from the system each time."""


def supported() -> bool:
    """Whether this system has the calls that the allocator is made of."""
    return sys.platform in ("linux", "darwin")


def default_limit() -> int:
    """`CANDELABRA_CPU_CACHE_BYTES`, or an eighth of the memory that the process may use."""
    given = _config.setting("cpu_cache_bytes", "")
    if not given:
        return memory_bytes() // 8
    if not given.strip().isdecimal():
        raise ArgumentError(f"CANDELABRA_CPU_CACHE_BYTES: needs a number of bytes, got {given!r}")
    return int(given)


@functools.cache
def memory_bytes() -> int:
    """Memory of the machine, or of the control group where that is less; 0 where the system does not say."""
    if not hasattr(os, "sysconf"):
        return 0
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            total = min(total, int(text))
    return total


@functools.cache
def pool() -> Pool | None:
    """The allocator; None where the system does not support it, or `CANDELABRA_CPU_CACHE_BYTES` is 0."""
    if not supported() or default_limit() == 0:
        return None
    from .allocator import Pool  # loads LLVM, which tiny arrays do without

    return Pool()


_thread = threading.local()


def install() -> bool:
    """Sets the allocator in this thread, once; whether this call did.

    Left until something large is made: NumPy looks up its settings 20 ns slower in a context where anything was set.
    """
    if getattr(_thread, "installed", False):
        return False
    _thread.installed = True
    found = pool()
    if found is not None:
        found.install()
    return found is not None


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array with undefined elements whose memory, if large, may have been used before."""
    made = np.empty(shape, dtype)
    return np.empty(shape, dtype) if made.nbytes >= LARGE and install() else made
