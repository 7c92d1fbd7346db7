# SPDX-License-Identifier: Apache-2.0
"""Marks that NVIDIA's profilers show beside the work of a device: `candelabra.cuda.nvtx`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cupy.cuda import nvtx as native


def mark(msg: str) -> None:
    """Marks this moment."""
    native.Mark(msg)


def range_push(msg: str) -> None:
    """Opens a range of this thread, within those open already."""
    native.RangePush(msg)


def range_pop() -> None:
    """Closes the range this thread opened last."""
    native.RangePop()


def range_start(msg: str) -> int:
    """Opens a range that any thread may close, and returns its number."""
    return int(native.RangeStart(msg, 0))


def range_end(range_id: int) -> None:
    """Closes a range by its number."""
    native.RangeEnd(range_id)


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """Opens a range for a `with` block; `msg` is formatted with the other arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()


__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]
