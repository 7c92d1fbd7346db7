# SPDX-License-Identifier: Apache-2.0
"""The table of shared kernels: functions of a NumPy-shaped module `xp` and an op's kernel parameters.

Kernels get arrays already promoted and broadcastable and never cast for the sake of promotion. They use only what NumPy,
CuPy and functional modules like `jax.numpy` share: they return fresh arrays and never write into one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

KERNELS: dict[str, Callable[..., Any]] = {}
"""Kernels by op name; each takes `xp` first."""

UFUNCS: dict[str, str] = {}
"""Ops that are one function of the module: op name to attribute name. They are handed out bare."""

MOVES: set[str] = set()
"""Ops whose kernels move elements and compute nothing: narrow floats need no widening in them."""


def kernel(function: F) -> F:
    """Adds a kernel under its function's name; a trailing underscore is dropped (`max_` serves `max`)."""
    KERNELS[function.__name__.rstrip("_")] = function
    return function


def mover(function: F) -> F:
    """As `kernel`, for one that only moves elements."""
    MOVES.add(function.__name__.rstrip("_"))
    return kernel(function)


def ufuncs(**names: str) -> None:
    """Adds ops that are one function of the module."""
    UFUNCS.update(names)


def row_major(xp: Any, array: Any) -> Any:
    """The array with its elements in row-major order; modules whose arrays have no strides know no other."""
    return xp.ascontiguousarray(array) if array.ndim and hasattr(xp, "ascontiguousarray") else array
