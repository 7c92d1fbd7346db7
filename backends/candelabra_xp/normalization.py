# SPDX-License-Identifier: Apache-2.0
"""Normalisation in one go, forward and back."""

from __future__ import annotations

import math
from typing import Any

from ._kernel import kernel


def mean_over(xp: Any, value: Any, dim: Any) -> Any:
    """Mean over `dim`, kept with size 1, in the dtype of `value`."""
    return xp.add.reduce(value, axis=dim, keepdims=True) / math.prod(value.shape[i] for i in dim)


@kernel
def standardize(
    xp: Any, input: Any, weight: Any, bias: Any, view_size: Any, dim: Any, affine_size: Any, eps: float
) -> tuple[Any, Any, Any]:
    view = input.reshape(view_size)
    mean = mean_over(xp, view, dim)
    apart = view - mean
    apart = apart - mean_over(xp, apart, dim)  # the roundoff of a large mean
    var = mean_over(xp, apart * apart, dim)
    out = (apart / xp.sqrt(var + eps)).reshape(input.shape)
    if weight is not None:
        out = out * weight.reshape(affine_size)
    if bias is not None:
        out = out + bias.reshape(affine_size)
    return out, mean, var


@kernel
def standardize_input_grad(
    xp: Any,
    grad: Any,
    input: Any,
    weight: Any,
    mean: Any,
    var: Any,
    view_size: Any,
    dim: Any,
    affine_size: Any,
    eps: float,
) -> Any:
    scale = 1 / xp.sqrt(var + eps)
    standard = (input.reshape(view_size) - mean) * scale
    scaled = (grad if weight is None else grad * weight.reshape(affine_size)).reshape(view_size)
    along = mean_over(xp, scaled * standard, dim)
    out = (scaled - (mean_over(xp, scaled, dim) + standard * along)) * scale
    return out.reshape(input.shape)


@kernel
def standardize_weight_grad(
    xp: Any,
    grad: Any,
    input: Any,
    mean: Any,
    var: Any,
    weight_size: Any,
    view_size: Any,
    dim: Any,
    affine_size: Any,
    eps: float,
) -> Any:
    standard = ((input.reshape(view_size) - mean) / xp.sqrt(var + eps)).reshape(input.shape)
    lead = grad.ndim - len(affine_size)
    kept = [i for i in range(lead, grad.ndim) if affine_size[i - lead] != 1]
    axes = tuple(i for i in range(grad.ndim) if i not in kept)
    return xp.add.reduce(grad * standard, axis=axes).reshape(weight_size)


@kernel
def rms_norm(xp: Any, input: Any, normalized_shape: Any, weight: Any, eps: float) -> Any:
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    out = input / xp.sqrt(mean_over(xp, input * input, dims) + eps)
    return out if weight is None else out * weight


@kernel
def rms_norm_input_grad(xp: Any, grad: Any, input: Any, weight: Any, normalized_shape: Any, eps: float) -> Any:
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    scale = 1 / xp.sqrt(mean_over(xp, input * input, dims) + eps)
    scaled = grad if weight is None else grad * weight
    standard = input * scale
    return (scaled - standard * mean_over(xp, scaled * standard, dims)) * scale
