# SPDX-License-Identifier: Apache-2.0
"""Compiling by XLA: each function once for each combination of shapes, some thousands of programs at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

MOST_PROGRAMS = 5000
"""Programs kept: each takes some six memory maps, and Linux allows a process 65,530."""

# What JAX raises when a function being compiled asks for the values of an array: they are not known yet.
NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Programs:
    """Makes compiled functions, and forgets all programs when there are too many.

    Attributes:
        count: programs made since the last time they were forgotten.
    """

    def __init__(self) -> None:
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._note)

    def _note(self, event: str, duration: float, **details: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.count += 1

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` compiled; as it is, one jax.numpy call after the other, if it turns out to look at values."""
        fast: Any = jax.jit(function)

        def run(*args: Any) -> Any:
            nonlocal fast
            if self.count > MOST_PROGRAMS:
                self.count = 0
                jax.clear_caches()
            if fast is not None:
                try:
                    return fast(*args)
                except NEEDS_VALUES:
                    fast = None
            return function(*args)

        return run
