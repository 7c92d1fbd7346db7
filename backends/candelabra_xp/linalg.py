# SPDX-License-Identifier: Apache-2.0
"""Matrix products."""

from __future__ import annotations

from ._kernel import ufuncs

ufuncs(matmul="matmul")
