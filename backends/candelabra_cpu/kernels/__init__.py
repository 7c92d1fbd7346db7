# SPDX-License-Identifier: Apache-2.0
"""Kernels that NumPy needs its own way for; they replace shared kernels of the same name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

TABLES: list[Mapping[str, Callable[..., Any]]] = []
"""One table of kernels by op name for each family module."""
