# SPDX-License-Identifier: Apache-2.0
"""Arithmetic."""

from __future__ import annotations

from ._kernel import ufuncs

ufuncs(
    add="add",
    sub="subtract",
    mul="multiply",
    neg="negative",
    conj="conjugate",
)
