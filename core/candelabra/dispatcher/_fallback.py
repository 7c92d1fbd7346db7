# SPDX-License-Identifier: Apache-2.0
"""Fallback to the host: an error unless a user allows it, and counted when it happens. Also who watches dispatch.

with candelabra.allow_fallback() as ledger:
    model(x)
print(ledger)            # ops, calls, bytes moved, seconds
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Entry:
    """What one op cost on the host: number of calls, bytes moved both ways, seconds."""

    calls: int = 0
    bytes_moved: int = 0
    seconds: float = 0.0


@dataclass
class Ledger:
    """Fallbacks by (op, device)."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def count(self, op: str, device: str, bytes_moved: int, seconds: float) -> None:
        """Adds one call."""
        entry = self.entries.setdefault((op, device), Entry())
        entry.calls += 1
        entry.bytes_moved += bytes_moved
        entry.seconds += seconds

    def __len__(self) -> int:
        return sum(entry.calls for entry in self.entries.values())

    def __str__(self) -> str:
        rows = [
            f"{op:24} {device:12} {e.calls:8} calls {e.bytes_moved:14} bytes {e.seconds:10.6f} s"
            for (op, device), e in sorted(self.entries.items())
        ]
        return "\n".join(rows) or "no fallback"


active_ledger: ContextVar[Ledger | None] = ContextVar("fallback_ledger", default=None)


@contextmanager
def allow_fallback() -> Iterator[Ledger]:
    """Lets ops without a kernel on their device run on the host inside the block, counting each.

    Returns:
        A ledger with the number of calls, bytes moved and seconds for each op and device.

    Example:
        >>> with cb.allow_fallback() as ledger:
        ...     _ = cb.ones(2) + 1
        >>> len(ledger)
        0
    """
    ledger = Ledger()
    token = active_ledger.set(ledger)
    try:
        yield ledger
    finally:
        active_ledger.reset(token)


Observer = Callable[[str, str, str], None]
observers: list[Observer] = []
_on_change: list[Callable[[], None]] = []


@contextmanager
def observe_dispatch(observer: Observer) -> Iterator[None]:
    """Calls `observer(op, backend, how)` for each dispatch in the block; how is kernel, view, body or fallback.

    While anybody observes, every call takes the full path, so that none goes unseen.
    """
    observers.append(observer)
    changed()
    try:
        yield
    finally:
        observers.remove(observer)
        changed()


def on_change(notify: Callable[[], None]) -> None:
    """Calls `notify` when observers come or go."""
    _on_change.append(notify)


def changed() -> None:
    """Says that what the caches assumed may be so no more."""
    for notify in _on_change:
        notify()


def tell(op: str, backend: str, how: str) -> None:
    """Tells the observers of one dispatch."""
    if backend == "trace":  # a body that is being traced: nothing computes
        return
    for observer in observers:
        observer(op, backend, how)


__all__ = ["Any", "Ledger", "active_ledger", "allow_fallback", "observe_dispatch", "observers", "on_change", "tell"]
