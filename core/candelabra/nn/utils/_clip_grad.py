# SPDX-License-Identifier: Apache-2.0
"""Bounds on the size of gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..._config import grad_enabled
from ..._errors import ArgumentError
from ...dispatcher._write import write
from ...ops.creation import zeros
from ...tensor._tensor import Tensor


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [grad for parameter in _listed(parameters) if (grad := parameter._grad) is not None]


def _power_sum(tensor: Tensor, norm_type: float) -> Tensor:
    """What adds up over tensors to the norm's power; the largest magnitude for the infinity norm."""
    magnitude = tensor.abs()
    if norm_type == math.inf:
        return magnitude.max() if tensor.numel() else magnitude.sum()
    if norm_type == 2:
        return (magnitude * magnitude).sum()
    return magnitude.sum() if norm_type == 1 else (magnitude**norm_type).sum()


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Tensor:
    """Norm of all elements of several tensors, as of one vector.

    Args:
        tensors: of floating or complex dtypes.
        norm_type: order of the norm; `math.inf` for the largest magnitude.
        error_if_nonfinite: refuse a norm that is nan or infinite.
        foreach: accepted for PyTorch's sake.

    Returns:
        A 0-d tensor, on the device of the first tensor.

    Raises:
        ArgumentError: the norm is not finite and `error_if_nonfinite` is set.

    Example:
        >>> cb.nn.utils.get_total_norm([cb.ones(2), cb.ones(2)])
        tensor(2.)
    """
    listed = _listed(tensors)
    norm_type = float(norm_type)
    if not listed:
        return zeros(())
    token = grad_enabled.set(False)
    try:
        parts = [_power_sum(t.detach(), norm_type).to(device=listed[0].device) for t in listed]
        total = parts[0]
        for part in parts[1:]:
            total = total.maximum(part) if norm_type == math.inf else total + part
        if norm_type == 2:
            total = total.sqrt()
        elif norm_type not in (1, math.inf):
            total = total ** (1.0 / norm_type)
    finally:
        grad_enabled.reset(token)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise ArgumentError(
            f"clip_grad_norm_: norm must be finite, got {float(total)}; pass error_if_nonfinite=False to clip anyway"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: Any = None
) -> None:
    """Scales gradients by `max_norm / total_norm` where that is below 1.

    Args:
        parameters: whose gradients are scaled in place.
        max_norm: largest norm.
        total_norm: the norm they have.
        foreach: accepted for PyTorch's sake.
    """
    token = grad_enabled.set(False)
    try:
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for grad in _grads(parameters):
            write(grad, grad * factor.to(device=grad.device, dtype=grad.dtype))
    finally:
        grad_enabled.reset(token)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: Any = None,
) -> Tensor:
    """Scales gradients so that their norm, taken together, is at most `max_norm`.

    Args:
        parameters: whose gradients are scaled in place.
        max_norm: largest norm.
        norm_type: order of the norm; `math.inf` for the largest magnitude.
        error_if_nonfinite: refuse a norm that is nan or infinite.
        foreach: accepted for PyTorch's sake.

    Returns:
        The norm they had, 0-d.

    Raises:
        ArgumentError: the norm is not finite and `error_if_nonfinite` is set.

    Source: Pascanu, Mikolov and Bengio (2013).

    Example:
        >>> w = cb.ones(4, requires_grad=True)
        >>> (w * 2).sum().backward()
        >>> cb.nn.utils.clip_grad_norm_([w], 2.0)
        tensor(4.)
        >>> w.grad
        tensor([1.0000, 1.0000, 1.0000, 1.0000])
    """
    listed = _listed(parameters)
    total = get_total_norm(_grads(listed), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(listed, max_norm, total)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: Any = None) -> None:
    """Cuts each element of the gradients to `[-clip_value, clip_value]`.

    Args:
        parameters: whose gradients are cut in place.
        clip_value: largest magnitude.
        foreach: accepted for PyTorch's sake.

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> (w * 3).sum().backward()
        >>> cb.nn.utils.clip_grad_value_(w, 1.0)
        >>> w.grad
        tensor([1., 1.])
    """
    bound = float(clip_value)
    token = grad_enabled.set(False)
    try:
        for grad in _grads(parameters):
            write(grad, grad.clamp(-bound, bound))
    finally:
        grad_enabled.reset(token)
