# SPDX-License-Identifier: Apache-2.0
"""Rows of a table by number."""

from __future__ import annotations

from typing import Any

from ._kernel import mover
from .indexing import check_range


@mover
def embedding_rows(xp: Any, input: Any, weight: Any, padding_idx: Any, scale_grad_by_freq: bool) -> Any:
    check_range("embedding", input, weight.shape[0], 0)
    return xp.take(weight, input, axis=0)
