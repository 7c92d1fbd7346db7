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
    numbers = input.reshape(-1)
    out = _summed((num_embeddings, grad.shape[-1]), numbers, np.ascontiguousarray(grad))
    if scale_grad_by_freq:
        counts = np.bincount(numbers, minlength=num_embeddings)
        out /= np.maximum(counts, 1).astype(out.real.dtype)[:, None]
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


def _summed(shape: tuple[int, int], numbers: Any, grad: Any) -> Any:
    """For each row of `shape` the sum of the rows of `grad` that its number names."""
    if grad.size >= MUCH:
        from ..nests import adding

        if (found := adding.row_sums("embedding", None, shape, 0, numbers, grad)) is not None:
            return found
    out = np.zeros(shape, grad.dtype)
    if grad.size >= MUCH and adding.rows("embedding", "add", out, 0, numbers, grad):
        return out
    refuse_outside("embedding", numbers, len(out), 0)
    if grad.size:
        np.add.at(out.reshape(-1), rows(out.shape, 0, numbers).reshape(-1), grad.reshape(-1))
    return out


OWN = {"embedding_rows": embedding_rows, "embedding_weight_grad": embedding_weight_grad}
