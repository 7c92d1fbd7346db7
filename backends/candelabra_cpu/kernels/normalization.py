# SPDX-License-Identifier: Apache-2.0
"""Normalisation with few passes and few temporaries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import choice

_sum = np.add.reduce


def _fused(name: str) -> Any:
    from ..compiled import fused

    return fused(name)


def _shapes(input: Any, view_size: Any, dim: Any, affine_size: Any) -> Any:
    """Shapes for the compiled formula, or None for what NumPy does."""
    if not choice.is_much("standardize", input):
        return None
    from candelabra.compiler.definitions import standardize_shapes

    return standardize_shapes(input.shape, tuple(view_size), tuple(dim), tuple(affine_size))


def _mean_of_product(a: Any, b: Any, dim: Any, count: int) -> Any:
    if dim == (1,) and a.ndim == 2:  # rows: one dot product each, and no temporary
        total = np.vecdot(a, b).reshape(len(a), 1)
    else:
        total = _sum(a * b, axis=dim, keepdims=True)
    total /= count
    return total


def standardize(
    input: Any, weight: Any, bias: Any, view_size: Any, dim: Any, affine_size: Any, eps: float
) -> tuple[Any, Any, Any]:
    if (shapes := _shapes(input, view_size, dim, affine_size)) is not None:
        size, over, scales, _ = shapes
        affine = [None if a is None else a.reshape(scales) for a in (weight, bias)]
        out, mean, var = _fused("standardize")(input.reshape(size), *affine, over, eps)
        kept = tuple([1 if i in dim else n for i, n in enumerate(view_size)])
        return out.reshape(input.shape), mean.reshape(kept), var.reshape(kept)
    view = input.reshape(view_size)
    count = math.prod([view_size[i] for i in dim])
    mean = _sum(view, axis=dim, keepdims=True)
    mean /= count
    out = view - mean
    var = _mean_of_product(out, out, dim, count)
    if np.any(mean * mean > var):  # the roundoff of a large mean is taken out too, at a third of the cost again
        rest = _sum(out, axis=dim, keepdims=True)
        rest /= count
        out -= rest
    out /= np.sqrt(var + eps)
    out = out.reshape(input.shape)
    if weight is not None:
        out *= weight.reshape(affine_size)
    if bias is not None:
        out += bias.reshape(affine_size)
    return out, mean, var


def standardize_input_grad(
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
    if (shapes := _shapes(input, view_size, dim, affine_size)) is not None:
        size, over, scales, kept = shapes
        affine = None if weight is None else weight.reshape(scales)
        stats = [a.reshape(kept) for a in (mean, var)]
        found = _fused("standardize_input_grad")(grad.reshape(size), input.reshape(size), affine, *stats, over, eps)
        return found.reshape(input.shape)
    count = math.prod([view_size[i] for i in dim])
    scale = 1 / np.sqrt(var + eps)
    standard = input.reshape(view_size) - mean
    standard *= scale
    scaled = (grad if weight is None else grad * weight.reshape(affine_size)).reshape(view_size)
    standard *= _mean_of_product(scaled, standard, dim, count)
    middle = _sum(scaled, axis=dim, keepdims=True)
    middle /= count
    standard += middle
    np.subtract(scaled, standard, out=standard)
    standard *= scale
    return standard.reshape(input.shape)


OWN = {"standardize": standardize, "standardize_input_grad": standardize_input_grad}
