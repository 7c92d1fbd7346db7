# SPDX-License-Identifier: Apache-2.0
"""Rows of a table by number, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gather import refuse_outside
from .scatter import rows


def embedding_rows(input: Any, weight: Any, padding_idx: Any, scale_grad_by_freq: bool) -> Any:
    refuse_outside("embedding", input, weight.shape[0], 0)
    return weight.take(input, 0)


def embedding_weight_grad(
    grad: Any, input: Any, num_embeddings: int, padding_idx: Any, scale_grad_by_freq: bool
) -> Any:
    refuse_outside("embedding", input, num_embeddings, 0)
    out = np.zeros((num_embeddings, grad.shape[-1]), grad.dtype)
    numbers = input.reshape(-1)
    if grad.size:
        places = rows(out.shape, 0, numbers)
        np.add.at(out.reshape(-1), places.reshape(-1), np.ascontiguousarray(grad).reshape(-1))
    if scale_grad_by_freq:
        counts = np.bincount(numbers, minlength=num_embeddings)
        out /= np.maximum(counts, 1).astype(out.real.dtype)[:, None]
    if padding_idx is not None:
        out[padding_idx] = 0
    return out


OWN = {"embedding_rows": embedding_rows, "embedding_weight_grad": embedding_weight_grad}
