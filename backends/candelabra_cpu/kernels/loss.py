# SPDX-License-Identifier: Apache-2.0
"""Losses of class indices for matrices of scores: look-ups in place of masks over all classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra_xp import loss as shared

from .. import choice


def _plain(input: Any, target: Any, weight: Any, ignore_index: int) -> bool:
    """Whether each row counts once: a matrix, no weights, and no target that is ignored or wrong."""
    if input.ndim != 2 or weight is not None or not target.size:
        return False
    classes = input.shape[1]
    if 0 <= ignore_index < classes:
        return False
    # Read without a sign, a negative target is a large one: a single look finds both kinds of wrong ones.
    return bool(np.maximum.reduce(target.view(f"u{target.itemsize}")) < classes)


def cross_entropy(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    if not _plain(input, target, weight, ignore_index):
        return shared.cross_entropy(np, input, target, weight, ignore_index, reduction)
    if choice.is_much("cross_entropy", input):
        from ..compiled import fused

        losses = fused("logsumexp")(input, (1,), False)
        losses -= input[np.arange(target.size), target]
        return _over_rows(losses, reduction)
    below = np.subtract(input, np.maximum.reduce(input, axis=1, keepdims=True))
    own = below[np.arange(target.size), target]
    np.exp(below, out=below)
    losses = np.add.reduce(below, axis=1)
    np.log(losses, out=losses)
    np.subtract(losses, own, out=losses)
    return _over_rows(losses, reduction)


def _over_rows(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total = np.add.reduce(losses)
    return total if reduction == "sum" else total / losses.size


def cross_entropy_backward(
    grad_output: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    if not _plain(input, target, weight, ignore_index):
        return shared.cross_entropy_backward(np, grad_output, input, target, weight, ignore_index, reduction)
    scale = grad_output / target.size if reduction == "mean" else grad_output
    if choice.is_much("cross_entropy", input):
        from ..compiled import fused

        column = scale.reshape(-1, 1) if scale.ndim else np.broadcast_to(scale, (1, 1))
        apart = fused("softmax_scaled")(input, column, 1)
        own = np.arange(target.size), target
        apart[own] = -(scale - apart[own])  # so that a scale of 0 gives -0.0, as (softmax - 1) * 0 does
        return apart
    apart = np.subtract(input, np.maximum.reduce(input, axis=1, keepdims=True))
    np.exp(apart, out=apart)
    np.divide(apart, np.add.reduce(apart, axis=1, keepdims=True), out=apart)
    apart[np.arange(target.size), target] -= 1
    return np.multiply(apart, scale.reshape(-1, 1) if scale.ndim else scale, out=apart)


def nll_loss_backward(grad_output: Any, target: Any, weight: Any, size: Any, ignore_index: int, reduction: str) -> Any:
    labels = target.reshape(-1)
    classes = size[1] if len(size) > 1 else size[0]
    labels, keep = shared.checked(np, "nll_loss_backward", labels, classes, ignore_index)
    share = shared.shares(np, labels, keep, weight, grad_output.dtype)
    scale = shared.row_scale(np, grad_output, labels, share, reduction)
    rows = np.zeros((labels.size, classes), grad_output.dtype)
    rows[np.arange(labels.size), labels] = np.negative(scale).reshape(-1)
    if keep is not None:
        rows[~keep] = 0
    return shared.from_rows(rows, size)


OWN: dict[str, Callable[..., Any]] = {
    "cross_entropy": cross_entropy,
    "cross_entropy_backward": cross_entropy_backward,
    "nll_loss_backward": nll_loss_backward,
}
