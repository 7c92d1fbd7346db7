# SPDX-License-Identifier: Apache-2.0
"""Rows of a table by number, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gather import MANY_ROWS, MUCH, refuse_outside, rows_of
from .scatter import rows


def embedding_rows(input: Any, weight: Any, padding_idx: Any, scale_grad_by_freq: bool) -> Any:
    if input.size * weight.shape[-1] >= MANY_ROWS:
        found = rows_of("embedding", weight, 0, input, (*input.shape, *weight.shape[1:]))
        if found is not None:
            return found
    refuse_outside("embedding", input, weight.shape[0], 0)
    return weight.take(input, 0)


def embedding_weight_grad(
    grad: Any, input: Any, num_embeddings: int, padding_idx: Any, scale_grad_by_freq: bool
) -> Any:
    out = np.zeros((num_embeddings, grad.shape[-1]), grad.dtype)
    numbers = input.reshape(-1)
    _add(out, numbers, np.ascontiguousarray(grad))
    if scale_grad_by_freq:
        counts = np.bincount(numbers, minlength=num_embeddings)
        out /= np.maximum(counts, 1).astype(out.real.dtype)[:, None]
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def _add(out: Any, numbers: Any, grad: Any) -> None:
    """Adds rows of `grad` to the rows of `out` that their numbers name."""
    if grad.size >= MUCH:
        from ..nests import adding

        if adding.rows("embedding", "add", out, 0, numbers, grad):
            return
    refuse_outside("embedding", numbers, len(out), 0)
    if grad.size:
        np.add.at(out.reshape(-1), rows(out.shape, 0, numbers).reshape(-1), grad.reshape(-1))


OWN = {"embedding_rows": embedding_rows, "embedding_weight_grad": embedding_weight_grad}
