# SPDX-License-Identifier: Apache-2.0
"""What devices with a run-time compiler share: kernels built together on first use, and errors of compilers in words."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from candelabra.compiler.ir import Kernel

Ready = Callable[[int, Sequence[Any]], None]
"""A kernel on one device: takes the number of work items and the arguments."""


class Batch:
    """Kernels that are built together, on each device at the first launch there.

    Args:
        make: builds kernels on the device of an index.
    """

    def __init__(self, make: Callable[[list[Kernel], int], list[Ready]], kernels: Sequence[Kernel]) -> None:
        self.make = make
        self.kernels = list(kernels)
        self.ready: dict[int, list[Ready]] = {}
        self.lock = threading.Lock()

    def launches(self) -> list[Callable[[int, Sequence[Any], int], None]]:
        """A launch for each kernel."""
        return [functools.partial(self.launch, number) for number in range(len(self.kernels))]

    def launch(self, number: int, count: int, args: Sequence[Any], index: int) -> None:
        """Runs a kernel on device `index`, building all of them first if they are new there."""
        ready = self.ready.get(index)
        if ready is None:
            with self.lock:
                if index not in self.ready:
                    self.ready[index] = self.make(self.kernels, index)
            ready = self.ready[index]
        ready[number](count, args)


def explained(what: str, source: str, log: str, places: Sequence[re.Pattern[str]]) -> str:
    """A message with the kernel and the line that a compiler's log complains of.

    Args:
        what: compiler and device, as "opencl: PoCL".
        places: how the compiler says where; groups are the line number and the complaint.
    """
    found = next((m for pattern in places if (m := pattern.search(log))), None)
    if found is None:
        return f"{what} must take a program, got\n{log}"
    lines = source.splitlines()
    number = int(found[1])
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    names = [said[3:] for said in lines[:number] if said.startswith("// ")]
    name = names[-1] if names else "its helpers"
    return f"{what} must take the source of kernel {name}, got {found[2]!r} at line {number}: {line}\n{log}"
