# SPDX-License-Identifier: Apache-2.0
"""The table of host functions: `(backend, *kernel parameters)`, with handles for operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

KERNELS: dict[str, Callable[..., Any]] = {}
"""Host functions by op name; each takes the backend first."""


def kernel(function: F) -> F:
    """Adds a host function under its name; a trailing underscore is dropped."""
    KERNELS[function.__name__.rstrip("_")] = function
    return function
