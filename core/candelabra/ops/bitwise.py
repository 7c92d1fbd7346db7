# SPDX-License-Identifier: Apache-2.0
"""Bitwise ops."""

from __future__ import annotations

__all__: list[str] = []
