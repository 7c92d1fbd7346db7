# SPDX-License-Identifier: Apache-2.0
"""Losses. Those of class indices see their input as rows of classes, whatever its shape."""

from __future__ import annotations

import math
from typing import Any

from candelabra._errors import DimError

from ._kernel import kernel


def as_rows(input: Any, target: Any) -> tuple[Any, Any]:
    """(N, C, *) as (rows, C), and the targets as (rows,)."""
    if input.ndim == 2:
        return input, target
    if input.ndim == 1:
        return input.reshape(1, -1), target.reshape(1)
    last = input.transpose(0, *range(2, input.ndim), 1)
    return last.reshape(math.prod(last.shape[:-1]), last.shape[-1]), target.reshape(-1)


def from_rows(rows: Any, shape: Any) -> Any:
    """The inverse of `as_rows`: (rows, C) as `shape`."""
    if len(shape) == 2:
        return rows
    if len(shape) == 1:
        return rows.reshape(shape)
    last = len(shape) - 1
    return rows.reshape((shape[0], *shape[2:], shape[1])).transpose(0, last, *range(1, last))


def checked(xp: Any, name: str, labels: Any, classes: int, ignore_index: int) -> tuple[Any, Any]:
    """Labels that can be looked up, and which of them count: None when all do."""
    if not labels.size:
        return labels, None
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < classes and not low <= ignore_index <= high:
        return labels, None
    keep = labels != ignore_index
    labels = xp.where(keep, labels, 0)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        raise DimError(
            f"{name}: target must be a class in [0, {classes}) or ignore_index={ignore_index}, got {bad}; "
            "the input's dim of classes is too small, or the target is not an index"
        )
    return labels, keep


def shares(xp: Any, labels: Any, keep: Any, weight: Any, dtype: Any) -> Any:
    """Weight of each row, 0 where it does not count; None when all are 1."""
    if weight is None:
        return None if keep is None else keep.astype(dtype)
    share = weight[labels]
    return share if keep is None else xp.where(keep, share, 0)


def reduced(xp: Any, losses: Any, labels: Any, keep: Any, weight: Any, reduction: str, shape: Any) -> Any:
    """Weighted losses in `shape`, their sum, or their sum over that of the weights."""
    share = shares(xp, labels, keep, weight, losses.dtype)
    if weight is not None:
        losses = losses * share
    if keep is not None:
        losses = xp.where(keep, losses, 0)
    if reduction == "none":
        return losses.reshape(shape)
    total = xp.add.reduce(losses)
    if reduction == "sum":
        return total
    return total / (labels.size if share is None else xp.add.reduce(share))


def row_scale(xp: Any, grad: Any, labels: Any, share: Any, reduction: str) -> Any:
    """Gradient of each row's loss from that of the result, as a column; 0-d when all rows have the same."""
    if reduction == "none":
        grad = grad.reshape(-1)
    elif reduction == "mean":
        grad = grad / (labels.size if share is None else xp.add.reduce(share))
    scale = grad if share is None else grad * share
    return scale.reshape(-1, 1) if scale.ndim else scale


@kernel
def nll_loss(xp: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    rows, labels = as_rows(input, target)
    labels, keep = checked(xp, "nll_loss", labels, rows.shape[1], ignore_index)
    losses = -rows[xp.arange(labels.size), labels]
    return reduced(xp, losses, labels, keep, weight, reduction, target.shape)


@kernel
def nll_loss_backward(
    xp: Any, grad_output: Any, target: Any, weight: Any, size: Any, ignore_index: int, reduction: str
) -> Any:
    classes = size[1] if len(size) > 1 else size[0]
    labels, keep = checked(xp, "nll_loss_backward", target.reshape(-1), classes, ignore_index)
    share = shares(xp, labels, keep, weight, grad_output.dtype)
    hot = labels.reshape(-1, 1) == xp.arange(classes)
    if keep is not None:
        hot = hot & keep.reshape(-1, 1)
    return from_rows(xp.where(hot, -row_scale(xp, grad_output, labels, share, reduction), 0), size)


@kernel
def cross_entropy(xp: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    rows, labels = as_rows(input, target)
    labels, keep = checked(xp, "cross_entropy", labels, rows.shape[1], ignore_index)
    below = rows - xp.maximum.reduce(rows, axis=1, keepdims=True)
    losses = xp.log(xp.add.reduce(xp.exp(below), axis=1)) - below[xp.arange(labels.size), labels]
    return reduced(xp, losses, labels, keep, weight, reduction, target.shape)


@kernel
def cross_entropy_backward(
    xp: Any, grad_output: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Any:
    rows, labels = as_rows(input, target)
    labels, keep = checked(xp, "cross_entropy_backward", labels, rows.shape[1], ignore_index)
    share = shares(xp, labels, keep, weight, rows.dtype)
    grown = xp.exp(rows - xp.maximum.reduce(rows, axis=1, keepdims=True))
    apart = grown / xp.add.reduce(grown, axis=1, keepdims=True) - (labels.reshape(-1, 1) == xp.arange(rows.shape[1]))
    result = apart * row_scale(xp, grad_output, labels, share, reduction)
    if keep is not None:
        result = xp.where(keep.reshape(-1, 1), result, 0)
    return from_rows(result, input.shape)


def reduced_all(xp: Any, losses: Any, reduction: str) -> Any:
    """Losses as they are, their sum or their mean."""
    if reduction == "none":
        return losses
    total = xp.add.reduce(losses, axis=None)
    return total if reduction == "sum" else total / losses.size


@kernel
def mse_loss(xp: Any, input: Any, target: Any, reduction: str) -> Any:
    apart = input - target
    return reduced_all(xp, apart * apart, reduction)


@kernel
def binary_cross_entropy_with_logits(
    xp: Any, input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str
) -> Any:
    wrong = xp.log1p(xp.exp(-xp.abs(input))) - xp.minimum(input, 0)  # -log(sigmoid(input))
    if pos_weight is not None:
        wrong = wrong * ((pos_weight - 1) * target + 1)
    losses = (1 - target) * input + wrong
    return reduced_all(xp, losses if weight is None else losses * weight, reduction)
