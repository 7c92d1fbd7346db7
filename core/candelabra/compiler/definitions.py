# SPDX-License-Identifier: Apache-2.0
"""Formulas for primitives that are maps and reductions once their arrays are looked at in the right shape.

They are ops for the compiler alone: no dispatcher knows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _dtype
from .._shape import Shape
from ..op import Op, rules
from ..tensor._tensor import Tensor


def _three(name: str, found: Any, args: Sequence[Any]) -> tuple[Any, Any]:
    return found, (found, found, found)


def _standardize(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, dim: Shape, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    single = input.to(_single(input))
    mean = single.mean(dim, True)
    apart = single - mean
    # A mean is rounded: what is left of it is taken out of the variance and the result.
    rest = apart.mean(dim, True)
    var = (apart * apart).mean(dim, True) - rest * rest
    out = (apart - rest) * (var + eps).rsqrt()
    if weight is not None:
        out = out * weight
    if bias is not None:
        out = out + bias
    return out.to(input.dtype), mean.to(input.dtype), var.to(input.dtype)


def _single(input: Tensor) -> Any:
    return input.dtype if input.dtype is _dtype.float64 else _dtype.float32


def _standardize_input_grad(
    grad: Tensor, input: Tensor, weight: Tensor | None, mean: Tensor, var: Tensor, dim: Shape, eps: float
) -> Tensor:
    single = _single(input)
    scale = (var.to(single) + eps).rsqrt()
    standard = (input.to(single) - mean) * scale
    scaled = grad.to(single)
    if weight is not None:
        scaled = scaled * weight
    along = (scaled * standard).mean(dim, True)
    return ((scaled - scaled.mean(dim, True) - standard * along) * scale).to(input.dtype)


def _softmax_scaled(input: Tensor, scale: Tensor, dim: int) -> Tensor:
    grown = (input - input.amax(dim, keepdim=True)).exp()
    return grown * (scale / grown.sum(dim, keepdim=True))


def _is_own(target: Tensor, classes: Tensor) -> Tensor:
    return target.to(_dtype.int32) == classes


def _class_losses(
    input: Tensor, target: Tensor, classes: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    from ..ops.comparison import where

    single = input.to(_single(input))
    apart = single - single.amax(1, keepdim=True)
    own, keep = _is_own(target, classes), target != ignore_index
    losses = apart.exp().sum(1, keepdim=True).log() - where(own, apart, 0).sum(1, keepdim=True)
    share = keep.to(single.dtype)
    if weight is not None:
        share = where(keep, where(own, weight.to(single.dtype), 0).sum(1, keepdim=True), 0)
    return where(keep, losses * share, 0).to(input.dtype), share.to(input.dtype), where(keep, target, 0)


def _class_gradient(input: Tensor, target: Tensor, classes: Tensor, scale: Tensor, ignore_index: int) -> Tensor:
    from ..ops.comparison import where

    single = input.to(_single(input))
    grown = (single - single.amax(1, keepdim=True)).exp()
    apart = grown / grown.sum(1, keepdim=True) - _is_own(target, classes).to(single.dtype)
    return where(target != ignore_index, apart * scale.to(single.dtype), 0).to(input.dtype)


def _dot_lines(input: Tensor, other: Tensor) -> Tensor:
    return (input * other).sum(-1)


dot_lines = Op(_dot_lines, {"name": "dot_lines", "dtype": rules.promoted})
softmax_scaled = Op(_softmax_scaled, {"name": "softmax_scaled", "dtype": rules.floating_only})
standardize = Op(_standardize, {"name": "standardize", "dtype": _three})
standardize_input_grad = Op(_standardize_input_grad, {"name": "standardize_input_grad", "dtype": rules.floating_only})


class_losses = Op(_class_losses, {"name": "class_losses", "dtype": _three})
class_gradient = Op(_class_gradient, {"name": "class_gradient", "dtype": rules.floating_only})


def refined(*shapes: Shape) -> tuple[Shape, list[list[int]]] | None:
    """The coarsest shape of which all these are merges of neighbouring dims.

    Args:
        shapes: of the same number of elements, not 0.

    Returns:
        (shape, for each of its dims its place in each of `shapes`); None where there is no such shape.
    """
    ends = sorted({end for shape in shapes for end in _ends(shape)})
    sizes, before = [], 1
    for end in ends:
        if end % before:
            return None
        sizes.append(end // before)
        before = end
    places = []
    for shape in shapes:
        limits = _ends(shape)
        places.append([next(d for d, limit in enumerate(limits) if end <= limit) for end in ends])
    return tuple(sizes), [list(p) for p in zip(*places, strict=True)]


def _ends(shape: Shape) -> list[int]:
    """Products of the first sizes, for each number of them."""
    return [math.prod(shape[: d + 1]) for d in range(len(shape))]


def standardize_shapes(
    shape: Shape, view: Shape, dim: Shape, affine: Shape
) -> tuple[Shape, Shape, Shape, Shape] | None:
    """How `standardize` looks at its arrays as maps and reductions need it; None where it cannot.

    Args:
        shape: of the input; the others as of `ops.standardize`.

    Returns:
        (shape for the input, dims to reduce, shape for weight and bias, shape for mean and variance)
    """
    if 0 in shape or (found := refined(shape, view)) is None:
        return None
    sizes, places = found
    full = (1,) * (len(shape) - len(affine)) + tuple(affine)
    over = tuple(i for i, (_, v) in enumerate(places) if v in dim)
    scales = tuple(n if full[s] != 1 else 1 for n, (s, _) in zip(sizes, places, strict=True))
    kept = tuple(1 if i in over else n for i, n in enumerate(sizes))
    if not over:  # statistics of single elements: over a dim of one
        return (*sizes, 1), (len(sizes),), (*scales, 1), (*kept, 1)
    return sizes, over, scales, kept
