# SPDX-License-Identifier: Apache-2.0
"""Cross entropy of class indices as one pass over the scores: each class is compared with its row's, no element is
looked up. Small calls run op by op, so that no device builds kernels for them."""

from __future__ import annotations

import math
from typing import Any

from candelabra import _dtype
from candelabra._dtype import from_numpy_dtype
from candelabra.compiler import definitions
from candelabra.dispatcher._dispatch import run_body
from candelabra.op import Op, ops

from ._kernel import kernel
from .creation import arange
from .gather import look_at
from .look import Look
from .places import Checked, reshaped


def _cube(look: Look, dim: int) -> tuple[int, int, int]:
    """Rows, classes, and what comes after them."""
    return math.prod(look.shape[:dim]), look.shape[dim], math.prod(look.shape[dim + 1 :])


def _operands(backend: Any, input: Look, target: Look, dim: int) -> list[Look]:
    """Scores (N, C, M), targets (N, 1, M) and all classes (1, C, 1)."""
    n, c, m = sizes = _cube(input, dim)
    classes = arange(backend, (c,), 0, 1, _dtype.int32, input.index)
    return [
        reshaped(backend, input, sizes),
        reshaped(backend, target, (n, 1, m)),
        reshaped(backend, classes, (1, c, 1)),
    ]


def _is_small(backend: Any, input: Look) -> bool:
    return not input.size or input.size < backend.target.general


@kernel
def cross_entropy(
    backend: Any, input: Look, target: Look, weight: Look | None, ignore_index: int, reduction: str
) -> Look:
    if _is_small(backend, input):
        small: Look = run_body(ops["cross_entropy"], backend, input, target, weight, ignore_index, reduction)
        return small
    dim = 1 if len(input.shape) > 1 else 0
    operands = _operands(backend, input, target, dim)
    weights = None if weight is None else reshaped(backend, weight, (1, weight.size, 1))
    run = backend.defined(definitions.class_losses)
    losses, shares, labels = run(*operands, weights, int(ignore_index))
    found = _over_rows(backend, losses, shares, reduction)
    # Last, as the host waits here: nothing was written but results.
    look_at(backend, "gather", [Checked(labels, input.shape[dim], dim, False)])
    return reshaped(backend, found, target.shape) if reduction == "none" else found


def _over_rows(backend: Any, losses: Look, shares: Look, reduction: str) -> Look:
    if reduction == "none":
        return losses
    dtype = from_numpy_dtype(losses.dtype)
    total, over = backend.kernel("sum", dtype), (0, 1, 2)
    loss: Look = total(losses, over, False)
    if reduction == "mean":
        loss = backend.kernel("true_divide", dtype)(loss, total(shares, over, False))
    return loss


def _row_scale(grad: Any, target: Any, weight: Any, dim: int, ignore_index: int, reduction: str) -> Any:
    from candelabra.ops.class_loss import _row_scale as scale

    return scale(grad, target, weight, dim, ignore_index, reduction)


row_scale = Op(_row_scale, {"name": "row_scale"})


@kernel
def cross_entropy_backward(
    backend: Any, grad_output: Look, input: Look, target: Look, weight: Look | None, ignore_index: int, reduction: str
) -> Look:
    if _is_small(backend, input):
        op = ops["cross_entropy_backward"]
        found: Look = run_body(op, backend, grad_output, input, target, weight, ignore_index, reduction)
        return found
    dim = 1 if len(input.shape) > 1 else 0
    scores, targets, classes = _operands(backend, input, target, dim)
    scale = run_body(row_scale, backend, grad_output, target, weight, dim, int(ignore_index), reduction)
    run = backend.defined(definitions.class_gradient)
    found = run(scores, targets, classes, reshaped(backend, scale, targets.shape), int(ignore_index))
    return reshaped(backend, found, input.shape)
