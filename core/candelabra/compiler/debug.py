# SPDX-License-Identifier: Apache-2.0
"""What compilers did, for people: `CANDELABRA_LOG=kernels` prints each kernel that is built; `recorded` collects them."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._config import setting

if TYPE_CHECKING:
    from .ir import Kernel


@dataclass(frozen=True)
class Built:
    """One kernel that became code of a device.

    Attributes:
        name: of the kernel.
        device: whose code it is, as "cpu".
        program: the kernel in the compiler's own language, see `ir.show`.
        source: what the device's compiler was given.
        seconds: spent on it.
        origin: "compiled", or "disk" where the code was found in the cache.
    """

    name: str
    device: str
    program: str
    source: str
    seconds: float
    origin: str

    def __str__(self) -> str:
        head = f"-- {self.device} kernel {self.name}: {self.origin}, {self.seconds * 1e3:.1f} ms"
        return f"{head}\n{self.program}-- source\n{self.source}"


_collecting: ContextVar[list[Built] | None] = ContextVar("candelabra_kernels", default=None)


@functools.cache
def topics() -> frozenset[str]:
    """What `CANDELABRA_LOG` (or `log` of the config file) names, separated by commas."""
    found = frozenset(name.strip() for name in setting("log", "").split(",") if name.strip())
    if unknown := sorted(found - {"kernels"}):
        warnings.warn(f"CANDELABRA_LOG: topics must be of kernels, got {', '.join(unknown)}", stacklevel=2)
    return found


@contextlib.contextmanager
def recorded() -> Iterator[list[Built]]:
    """Collects what is built in this context; kernels that are in memory already are not built again."""
    found: list[Built] = []
    token = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(token)


watchers: list[tuple[int, list[tuple[str, Kernel]]]] = []
"""Who wants to know what is launched: thread, and (device, kernel) of its launches so far. Empty nearly always."""


@contextlib.contextmanager
def watched() -> Iterator[list[tuple[str, Kernel]]]:
    """Collects (device, kernel) of what this thread launches meanwhile."""
    found: list[tuple[str, Kernel]] = []
    entry = threading.get_ident(), found
    watchers.append(entry)
    try:
        yield found
    finally:
        watchers.remove(entry)


def launched(device: str, kernel: Kernel) -> None:
    """Tells the watchers of this thread; to be called where there are any."""
    for thread, found in tuple(watchers):
        if thread == threading.get_ident():
            found.append((device, kernel))


def report(
    name: str, device: str, seconds: float, origin: str, program: Callable[[], str], source: Callable[[], str]
) -> None:
    """Tells whoever wants to know that a kernel was built; the texts are made only for them."""
    collecting = _collecting.get()
    printed = "kernels" in topics()
    if collecting is None and not printed:
        return
    built = Built(name, device, program(), source(), seconds, origin)
    if collecting is not None:
        collecting.append(built)
    if printed:
        print(built, file=sys.stderr, flush=True)
