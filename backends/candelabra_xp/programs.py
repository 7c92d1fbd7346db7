# SPDX-License-Identifier: Apache-2.0
"""Functions compiled by a module that does so once for each combination of shapes, and does not forget of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MOST_PROGRAMS = 5000
"""Programs kept: each may take some six memory maps, and Linux allows a process 65,530."""


class Programs:
    """Makes compiled functions, and has all programs forgotten when there are too many.

    Args:
        compile: the compiled form of a function.
        forget: drops all programs; functions that are called again are compiled again.
        needs_values: what the module raises when a function being compiled asks for elements of an array.

    Attributes:
        count: programs made since they were last forgotten; whoever hears of one being made calls `made`.
    """

    def __init__(
        self,
        compile: Callable[..., Callable[..., Any]],
        forget: Callable[[], Any],
        needs_values: tuple[type[Exception], ...],
    ) -> None:
        self.compile = compile
        self.forget = forget
        self.needs_values = needs_values
        self.count = 0

    def made(self) -> None:
        """Notes that a program was made."""
        self.count += 1

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` compiled; as it is, one function of the module after the other, if it turns out to need values."""
        fast: Any = self.compile(function)

        def run(*args: Any) -> Any:
            nonlocal fast
            if self.count > MOST_PROGRAMS:
                self.count = 0
                self.forget()
            if fast is not None:
                try:
                    return fast(*args)
                except self.needs_values:
                    fast = None
            return function(*args)

        return run
