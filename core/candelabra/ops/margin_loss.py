# SPDX-License-Identifier: Apache-2.0
"""Losses of margins and distances, between pairs, triplets and ranks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import broadcast_shapes
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .activation import logsigmoid
from .arithmetic import abs
from .class_loss import check_classes
from .comparison import where
from .loss import REDUCTIONS, bad_reduction, reduced, same_shape
from .ranges import arange

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

inf, nan = math.inf, math.nan


# -- margins and distances -------------------------------------------------------------------------------------------


def _signs(*shape: int) -> Operand:
    return Operand(
        shape, values=np.where(np.arange(math.prod(shape)) % 3 == 0, -1, 1).reshape(shape).tolist(), grad=False
    )


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((5,)), _signs(5), reduction=r) for r in REDUCTIONS],
        Sample(Operand((2, 3)), _signs(2, 3), 0.5),
    ],
    errors=bad_reduction,
    tolerance="accumulation",
)
def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Elements of `input` where `target` is 1, and what they lack to `margin` where it is -1.

    Args:
        input: distances, a floating dtype, shape (*).
        target: 1 for alike, -1 for not, broadcastable with `input`.
        margin: distance that unlike pairs should have.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`.

    Example:
        >>> cb.nn.functional.hinge_embedding_loss(cb.tensor([0.2, 0.4]), cb.tensor([1, -1]))
        tensor(0.4000)
    """
    lacking = where(target == 1, 0, (margin - input).clamp(min=0))
    return reduced("hinge_embedding_loss", lacking + where(target == -1, 0, input), reduction)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand(s), Operand(t), dim=d) for s, t, d in [((2, 3), (2, 3), 1), ((2, 3), (3,), -1), ((4,), (4,), 0)]],
        Sample(Operand((2, 3, 4)), Operand((2, 3, 4))),
        Sample(Operand((2, 3)), Operand((2, 3)), 1, 10.0, grad=False),
        Sample(Operand((1, 2), values=[[1.0, 2.0]]), Operand((1, 2), values=[[0.0, 0.0]]), special=[0.0], grad=False),
    ],
    errors=lambda: [ErrorSample(DTypeError, "floating", Operand((2, 3)), Operand((2, 3)), dtype="int64")],
    tolerance="accumulation",
)  # fmt: skip
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-08) -> Tensor:
    """Cosine of the angle between vectors along `dim`.

    Args:
        x1: a floating dtype, shape (*).
        x2: broadcastable with `x1`.
        dim: dim of the vectors, in the broadcast shape.
        eps: least norm to divide by.

    Returns:
        The broadcast shape without `dim`.

    Raises:
        DimError: `dim` is out of range.
        DTypeError: the common dtype is not floating.

    Example:
        >>> cb.nn.functional.cosine_similarity(cb.tensor([[1.0, 0.0]]), cb.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    dtype = _dtype.promote_types(x1.dtype, x2.dtype)
    rules.floating_only("cosine_similarity", dtype, ())
    if dtype.itemsize == 2:  # float16 holds neither eps nor the squares of large elements
        wide = _dtype.float32
        return cosine_similarity(x1.to(wide), x2.to(wide), dim, eps).to(dtype)
    shape = broadcast_shapes("cosine_similarity", tuple(x1.shape), tuple(x2.shape))
    x1, x2 = x1.to(dtype).expand(shape), x2.to(dtype).expand(shape)
    return ((x1 / _norm(x1, dim, eps)) * (x2 / _norm(x2, dim, eps))).sum(dim)


def _norm(x: Tensor, dim: int, eps: float) -> Tensor:
    """Norm along `dim`, kept with size 1, at least `eps`; with a gradient of 0, not nan, at a vector of zeros."""
    square = (x * x).sum(dim, keepdim=True)
    return where(square > 0, where(square > 0, square, 1.0).sqrt(), 0).clamp(min=eps)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((3, 4)), Operand((3, 4)), _signs(3), reduction=r) for r in REDUCTIONS],
        Sample(Operand((4,)), Operand((4,)), Operand((), values=1, grad=False)),
        Sample(Operand((3, 4)), Operand((3, 4)), _signs(3), -0.2),
    ],
    errors=lambda: [
        *bad_reduction(Operand((2, 3)), Operand((2, 3)), _signs(2)),
        ErrorSample(ShapeError, "target must have shape (2,)", Operand((2, 3)), Operand((2, 3)), _signs(3)),
    ],
    tolerance="accumulation",
)
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 minus the cosine of alike vectors, and by how much that of others exceeds `margin`.

    Args:
        input1: a floating dtype, shape (N, D) or (D).
        input2: the shape of `input1`.
        target: 1 for alike, -1 for not, shape (N) or ().
        margin: cosine that unlike vectors may have.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, that of `target`.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: `input2` or `target` does not fit `input1`.

    Example:
        >>> cb.nn.functional.cosine_embedding_loss(cb.tensor([1.0, 0.0]), cb.tensor([1.0, 1.0]), cb.tensor(1))
        tensor(0.2929)
    """
    same_shape("cosine_embedding_loss", input1, input2)
    expected = tuple(input1.shape)[:-1]
    if tuple(target.shape) != expected or len(expected) > 1:
        raise ShapeError(
            f"cosine_embedding_loss: target must have shape {expected} for inputs of shape {tuple(input1.shape)}, "
            f"got {tuple(target.shape)}"
        )
    # Added to the squared norms, so that a vector of zeros has a cosine of 0.
    eps = 1e-12
    norms = (((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps)).sqrt()
    cosine = (input1 * input2).sum(-1) / norms
    losses = where(target == 1, 1 - cosine, 0) + where(target == -1, (cosine - margin).clamp(min=0), 0)
    return reduced("cosine_embedding_loss", losses, reduction)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((5,)), Operand((5,)), _signs(5), reduction=r) for r in REDUCTIONS],
        Sample(Operand((2, 3)), Operand((2, 3)), _signs(2, 3), 0.5),
    ],
    errors=lambda: [
        *bad_reduction(Operand((2,)), Operand((2,)), _signs(2)),
        ErrorSample(ShapeError, "as many dims", Operand((2,)), Operand((2,)), _signs(1, 2)),
    ],
    tolerance="accumulation",
)
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """By how much the order of `input1` and `input2` misses that of `target` with a `margin`.

    Args:
        input1: a floating dtype, shape (*).
        input2: broadcastable with `input1`, with as many dims.
        target: 1 where `input1` should be the larger, -1 where `input2` should, with as many dims.
        margin: difference that is asked for.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: the operands differ in their numbers of dims.

    Example:
        >>> cb.nn.functional.margin_ranking_loss(cb.tensor([1.0, 2.0]), cb.tensor([2.0, 1.0]), cb.tensor([1, 1]))
        tensor(0.5000)
    """
    if not input1.dim() == input2.dim() == target.dim():
        shapes = ", ".join(str(tuple(t.shape)) for t in (input1, input2, target))
        raise ShapeError(f"margin_ranking_loss: operands must have as many dims as each other, got {shapes}")
    return reduced("margin_ranking_loss", ((input2 - input1) * target + margin).clamp(min=0), reduction)


def _distance(x1: Tensor, x2: Tensor, p: float, eps: float) -> Tensor:
    """`p`-norm along the last dim of the difference, to each element of which `eps` is added."""
    apart = x1 - x2 + eps
    if p == 2:
        return (apart * apart).sum(-1).sqrt()
    size = abs(apart)
    if p == inf:
        return size.amax(-1)
    return size.sum(-1) if p == 1 else (size**p).sum(-1) ** (1 / p)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((3, 4)), Operand((3, 4)), Operand((3, 4)), reduction=r) for r in REDUCTIONS],
        Sample(Operand((4,)), Operand((4,)), Operand((4,)), 0.5, 1.0),
        Sample(Operand((3, 4)), Operand((3, 4)), Operand((3, 4)), p=3.0, swap=True),
    ],
    errors=lambda: [
        *bad_reduction(Operand((2, 3)), Operand((2, 3)), Operand((2, 3))),
        ErrorSample(ArgumentError, "margin must be positive", Operand((2,)), Operand((2,)), Operand((2,)), -1.0),
    ],
    tolerance="accumulation",
)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-06,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """By how much `negative` is not farther from `anchor` than `positive` is, plus a `margin`.

    Args:
        anchor: a floating dtype, shape (*, D).
        positive: alike vectors, broadcastable with `anchor`.
        negative: others, broadcastable with `anchor`.
        margin: by how much farther the others should be; positive.
        p: exponent of the norm.
        eps: added to each difference, so that the norm has a gradient at 0.
        swap: take the distance from `positive` to `negative` where that is shorter.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, (*).

    Raises:
        ArgumentError: unknown `reduction`, or `margin` is not positive.

    Source: V. Balntas et al. (2016), Learning shallow convolutional feature descriptors with triplet losses.

    Example:
        >>> zero, one = cb.zeros(1, 4), cb.ones(1, 4)
        >>> cb.nn.functional.triplet_margin_loss(zero, one, zero)
        tensor(3.0000)
    """
    return _triplet(anchor, positive, negative, lambda a, b: _distance(a, b, p, eps), margin, swap, reduction)


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, distance: Any, margin: float, swap: bool, reduction: str
) -> Tensor:
    if not margin > 0:
        raise ArgumentError(f"triplet_margin_loss: margin must be positive, got margin={margin!r}")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced("triplet_margin_loss", (near - far + margin).clamp(min=0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """As `triplet_margin_loss`, with a distance of one's own.

    Args:
        anchor: what `distance_function` takes, shape (*).
        positive: alike.
        negative: others.
        distance_function: gives the distance of two such tensors; the Euclidean one over the last dim when None.
        margin: by how much farther the others should be; positive.
        swap: take the distance from `positive` to `negative` where that is shorter.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, that of the distances.

    Raises:
        ArgumentError: unknown `reduction`, or `margin` is not positive.

    Example:
        >>> zero, one = cb.zeros(1, 4), cb.ones(1, 4)
        >>> cb.nn.functional.triplet_margin_with_distance_loss(zero, one, zero)
        tensor(3.0000)
    """
    distance = distance_function or (lambda a, b: _distance(a, b, 2.0, 1e-6))
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((5,)), _signs(5), reduction=r) for r in REDUCTIONS],
        Sample(Operand((2,), values=[100.0, -100.0]), Operand((2,), values=[-1.0, -1.0])),
    ],
    errors=bad_reduction,
    tolerance="accumulation",
)
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Logistic loss of two classes, `log(1 + exp(-target * input))`.

    Args:
        input: scores, a floating dtype, shape (*).
        target: 1 or -1, broadcastable with `input`.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`.

    Example:
        >>> cb.nn.functional.soft_margin_loss(cb.tensor([0.0, 2.0]), cb.tensor([1.0, 1.0]))
        tensor(0.4100)
    """
    return reduced("soft_margin_loss", -logsigmoid(input * target), reduction)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand((3, 4)), Operand((3, 4), 0, 1), reduction=r) for r in REDUCTIONS],
        Sample(Operand((3, 4)), Operand((3, 4), 0, 1), Operand((4,), 0.2, 2)),
    ],
    errors=bad_reduction,
    tolerance="accumulation",
)
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Cross entropy of each class being present or not, averaged over the classes.

    Args:
        input: scores, a floating dtype, shape (*, C).
        target: 1 for present, 0 for not, broadcastable with `input`.
        weight: factor of each class, broadcastable with `input`; 1 when None.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, (*).

    Raises:
        ArgumentError: unknown `reduction`.

    Example:
        >>> cb.nn.functional.multilabel_soft_margin_loss(cb.zeros(1, 2), cb.tensor([[1.0, 0.0]]))
        tensor(0.6931)
    """
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced("multilabel_soft_margin_loss", losses.sum(-1) / input.shape[-1], reduction)


def _rows_of_classes(name: str, input: Tensor) -> None:
    if input.dim() not in (1, 2) or not input.numel():
        raise ShapeError(f"{name}: input must have shape (C) or (N, C) with elements, got {tuple(input.shape)}")


@op(
    method=False,
    fixed={"target": (_dtype.int64,)},
    samples=lambda: [
        *[Sample(Operand((3, 4)), Operand((3,), 0, 3, dtype="int64"), reduction=r) for r in REDUCTIONS],
        Sample(Operand((3, 4)), Operand((3,), 0, 3, dtype="int64"), 2, 0.5, Operand((4,), 0.2, 2, grad=False)),
        Sample(Operand((4,)), Operand((), values=2, dtype="int64")),
    ],
    errors=lambda: [
        *bad_reduction(Operand((3, 4)), Operand((3,), 0, 3, dtype="int64")),
        ErrorSample(ArgumentError, "p must be 1 or 2", Operand((3, 4)), Operand((3,), 0, 3, dtype="int64"), 3),
        ErrorSample(ShapeError, "target must have shape (3,)", Operand((3, 4)), Operand((2,), 0, 3, dtype="int64")),
    ],
    tolerance="accumulation",
)
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """By how much the scores of other classes are not below the target's by a `margin`, averaged over the classes.

    Args:
        input: scores, a floating dtype, shape (C) or (N, C).
        target: classes in [0, C), int64, shape () or (N).
        p: exponent of the excess, 1 or 2.
        margin: by how much the target's score should be larger.
        weight: weight of each target class, shape (C); 1 when None.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, that of `target`.

    Raises:
        ArgumentError: unknown `reduction`, or `p` is neither 1 nor 2.
        DimError: a target is not a class.
        ShapeError: `input`, `target` or `weight` has a shape that does not fit.

    Example:
        >>> cb.nn.functional.multi_margin_loss(cb.tensor([[0.0, 0.5]]), cb.tensor([0]))
        tensor(0.7500)
    """
    if p not in (1, 2):
        raise ArgumentError(f"multi_margin_loss: p must be 1 or 2, got p={p!r}")
    _rows_of_classes("multi_margin_loss", input)
    check_classes("multi_margin_loss", tuple(input.shape), tuple(target.shape), weight)
    own = input.gather(-1, target.unsqueeze(-1))
    excess = (input - own + margin).clamp(min=0)
    if p == 2:
        excess = excess * excess
    if weight is not None:
        excess = excess * weight.index_select(0, target.reshape(-1)).reshape(target.shape).unsqueeze(-1)
    others = target.unsqueeze(-1) != arange(input.shape[-1], device=input.device)
    return reduced("multi_margin_loss", where(others, excess, 0).sum(-1) / input.shape[-1], reduction)


@op(
    method=False,
    fixed={"target": (_dtype.int64,)},
    samples=lambda: [
        *[
            Sample(Operand((2, 4)), Operand((2, 4), values=[[3, 0, -1, 1], [1, -1, -1, -1]], dtype="int64"), reduction=r)
            for r in REDUCTIONS
        ],
        Sample(Operand((3,)), Operand((3,), values=[0, 1, 2], dtype="int64")),
        Sample(Operand((3,)), Operand((3,), values=[-1, 1, 2], dtype="int64"), grad=False),
    ],
    errors=lambda: [
        *bad_reduction(Operand((2, 3)), Operand((2, 3), 0, 2, dtype="int64")),
        ErrorSample(ShapeError, "the shape of input", Operand((2, 3)), Operand((2,), 0, 2, dtype="int64")),
    ],
    tolerance="accumulation",
)  # fmt: skip
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """By how much the scores of other classes are not below those of the target classes by 1.

    Args:
        input: scores, a floating dtype, shape (C) or (N, C).
        target: the target classes, and -1 after the last, int64, the shape of `input`.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, () or (N).

    Raises:
        ArgumentError: unknown `reduction`.
        DimError: a target is not a class.
        ShapeError: `input` or `target` has a shape that does not fit.

    Example:
        >>> cb.nn.functional.multilabel_margin_loss(cb.tensor([0.1, 0.2, 0.4]), cb.tensor([2, -1, 0]))
        tensor(0.5000)
    """
    _rows_of_classes("multilabel_margin_loss", input)
    same_shape("multilabel_margin_loss", input, target)
    classes = input.shape[-1]
    counts = (target >= 0).to(_dtype.int64).cumprod(-1) == 1  # up to the first -1
    labels = where(counts, target, 0)
    hot = (labels.unsqueeze(-1) == arange(classes, device=input.device)) & counts.unsqueeze(-1)
    others = ~hot.any(-2)
    excess = (input.unsqueeze(-2) - input.gather(-1, labels).unsqueeze(-1) + 1).clamp(min=0)
    pairs = counts.unsqueeze(-1) & others.unsqueeze(-2)
    return reduced("multilabel_margin_loss", where(pairs, excess, 0).sum((-2, -1)) / classes, reduction)
