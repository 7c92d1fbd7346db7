# SPDX-License-Identifier: Apache-2.0
"""Losses of classes: negative log-likelihood and cross entropy, of indices and of probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DimError, DTypeError, ShapeError
from .._shape import Shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .comparison import where
from .likes import ones_like
from .loss import LABELS, REDUCTIONS, bad_reduction, check_reduction, reduced, same_shape
from .ranges import arange
from .softmax import log_softmax, softmax

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "nll_loss",
    "nll_loss_backward",
    "smooth_cross_entropy",
    "soft_cross_entropy",
]

inf, nan = math.inf, math.nan


# -- class indices ---------------------------------------------------------------------------------------------------


def _class_dim(shape: Shape) -> int:
    return 1 if len(shape) > 1 else 0


def check_classes(name: str, shape: Shape, labels: Shape, weight: Any) -> None:
    if not shape:
        raise ShapeError(f"{name}: input must have at least 1 dim, got shape ()")
    expected = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if labels != expected:
        raise ShapeError(f"{name}: target must have shape {expected} for an input of shape {shape}, got {labels}")
    classes = shape[_class_dim(shape)]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(
            f"{name}: weight must have one element a class, got {tuple(weight.shape)} for {classes} classes"
        )


def _class_shape(name: str) -> Callable[..., Shape]:
    def rule(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Shape:
        check_reduction(name, reduction)
        check_classes(name, tuple(input.shape), tuple(target.shape), weight)
        return tuple(target.shape) if reduction == "none" else ()

    return rule


def _counted(target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Which targets count, and the targets as int64 with class 0 in place of those that do not."""
    keep = target != ignore_index
    return keep, where(keep, target, 0).to(_dtype.int64)


def _row_weights(target: Tensor, weight: Tensor | None, ignore_index: int, dtype: Any) -> Tensor:
    """Weight of each target, 0 for those that do not count."""
    keep, labels = _counted(target, ignore_index)
    if weight is None:
        return keep.to(dtype)
    return where(keep, weight.index_select(0, labels.reshape(-1)).reshape(labels.shape), 0).to(dtype)


def _row_scale(
    grad: Tensor, target: Tensor, weight: Tensor | None, dim: int, ignore_index: int, reduction: str
) -> Tensor:
    """Gradient of each target's loss from that of the result, with a dim of size 1 for the classes."""
    share = _row_weights(target, weight, ignore_index, grad.dtype)
    if reduction == "mean":
        grad = grad / share.sum()
    return where(share != 0, grad * share, 0).unsqueeze(dim)


def _weighted(losses: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
    """Weighted losses, their sum, or their sum over that of the weights."""
    share = _row_weights(target, weight, ignore_index, losses.dtype)
    losses = where(target != ignore_index, losses * share, 0)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / share.sum()


def _class_samples() -> list[Sample]:
    def labels(shape: Shape) -> Operand:
        return Operand(shape, 0, 2, dtype="int64")

    shapes: list[tuple[Shape, Shape]] = [((5, 3), (5,)), ((3,), ()), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2))]
    some = Operand((4,), values=[2, 1, 0, 1], dtype="int64")
    return [
        *[Sample(Operand(s, -3, 3), labels(t), reduction=r) for s, t in shapes for r in REDUCTIONS],
        *[Sample(Operand(s, -3, 3), labels(t), Operand((3,), 0.2, 2, grad=False), reduction=r) for s, t in shapes for r in REDUCTIONS],
        *[Sample(Operand((4, 3)), some, ignore_index=1, reduction=r) for r in REDUCTIONS],
        *[Sample(Operand((4, 3)), some, Operand((3,), 0.2, 2, grad=False), 1, reduction=r) for r in REDUCTIONS],
        Sample(Operand((2, 3)), Operand((2,), values=[-100, -100], dtype="int64"), grad=False),
        Sample(Operand((3, 3)), Operand((3,), values=[-100, 2, 0], dtype="int64")),
        *[Sample(Operand((0, 3)), labels((0,)), reduction=r, grad=False) for r in REDUCTIONS],
        Sample(Operand((67, 11)), Operand((67,), 0, 10, dtype="int64")),
        Sample(Operand((3, 4)), Operand((3,), values=[3, 0, 1], dtype="uint8")),
    ]  # fmt: skip


def _class_errors() -> list[ErrorSample]:
    def labels(*values: Any) -> Operand:
        return Operand((len(values),), values=list(values), dtype="int64")

    logits = Operand((2, 3))
    return [
        ErrorSample(DimError, "got 3", logits, labels(0, 3)),
        ErrorSample(DimError, "got -1", logits, labels(0, -1)),
        ErrorSample(DimError, "got 7", logits, labels(-100, 7)),
        ErrorSample(ShapeError, "target must have shape (2,)", logits, labels(0, 1, 2)),
        ErrorSample(ShapeError, "at least 1 dim", Operand(()), Operand((), values=0, dtype="int64")),
        ErrorSample(ShapeError, "one element a class", logits, labels(0, 1), Operand((2,))),
        ErrorSample(ArgumentError, "reduction must be one of", logits, labels(0, 1), reduction="average"),
    ]


def _nll_reference(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    classes = np.moveaxis(input, 1, -1) if input.ndim > 1 else input
    weight = np.ones(classes.shape[-1]) if weight is None else weight
    losses = np.zeros(target.shape)
    total = 0.0
    for place in np.ndindex(*target.shape):
        label = int(target[place])
        if label != ignore_index:
            losses[place] = -classes[place][label] * weight[label]
            total += float(weight[label])
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.sum() / (total or nan)


@op(
    dtype=rules.floating_only,
    shape=_class_shape("nll_loss"),
    method=False,
    fixed={"target": LABELS},
    samples=_class_samples,
    errors=lambda: [*_class_errors(), ErrorSample(DTypeError, "target must be one of", Operand((2, 3)), Operand((2,)))],
    reference=_nll_reference,
    tolerance="accumulation",
)
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Negative of the log-probability that `input` gives to each target.

    Args:
        input: log-probabilities, a floating dtype, shape (C), (N, C) or (N, C, *).
        target: classes in [0, C), int64, int32 or uint8, shape (), (N) or (N, *).
        weight: weight of each class, shape (C); 1 when None.
        ignore_index: targets of this value add nothing to loss, mean or gradient.
        reduction: `"none"`, `"sum"`, or `"mean"`: over the sum of the targets' weights.

    Returns:
        Shape () or, with `"none"`, that of `target`. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        DimError: a target is not a class.
        ShapeError: `target` or `weight` does not fit `input`.

    Example:
        >>> cb.nn.functional.nll_loss(cb.tensor([[-0.5, -1.0], [-2.0, -0.25]]), cb.tensor([0, 1]))
        tensor(0.3750)
    """
    dim = _class_dim(tuple(input.shape))
    labels = _counted(target, ignore_index)[1]
    losses = -input.gather(dim, labels.unsqueeze(dim)).squeeze(dim)
    return _weighted(losses, target, weight, ignore_index, reduction)


def _nll_backward_shape(
    grad_output: Any, target: Any, weight: Any, size: Shape, ignore_index: int, reduction: str
) -> Shape:
    check_reduction("nll_loss_backward", reduction)
    check_classes("nll_loss_backward", size, tuple(target.shape), weight)
    return size


@op(
    dtype=rules.floating_only,
    shape=_nll_backward_shape,
    method=False,
    fixed={"target": LABELS},
    front=lambda grad_output, target, weight, size, ignore_index, reduction: (
        grad_output, target, weight, tuple(size), ignore_index, reduction,
    ),
    samples=lambda: [
        Sample(Operand(g), Operand(t, 0, 2, dtype="int64"), w, s, 1, r)
        for s, t in [((5, 3), (5,)), ((3,), ()), ((2, 3, 4), (2, 4))]
        for w in (None, Operand((3,), 0.2, 2, grad=False))
        for r, g in (("none", t), ("sum", ()))
    ],
    tolerance="accumulation",
)  # fmt: skip
def nll_loss_backward(
    grad_output: Tensor, target: Tensor, weight: Tensor | None, size: Any, ignore_index: int, reduction: str
) -> Tensor:
    """Gradient of `nll_loss`: each target's weighted gradient, negated, at its class, and 0 elsewhere.

    Args:
        grad_output: gradient of the result, a floating dtype, of the result's shape.
        target: as of `nll_loss`.
        weight: as of `nll_loss`.
        size: shape of the input of `nll_loss`.
        ignore_index: as of `nll_loss`.
        reduction: as of `nll_loss`.

    Returns:
        Shape `size`, the dtype of `grad_output`.

    Raises:
        DimError: a target is not a class.

    Example:
        >>> cb.nll_loss_backward(cb.tensor(1.0), cb.tensor([1]), None, (1, 3), -100, "mean")
        tensor([[ 0., -1.,  0.]])
    """
    size = tuple(size)
    dim = _class_dim(size)
    scale = _row_scale(grad_output, target, weight, dim, ignore_index, reduction)
    return where(_is_class(target, size, ignore_index), -scale, 0)


def _is_class(target: Tensor, size: Shape, ignore_index: int) -> Tensor:
    """True at each target's class, with the dim of the classes; all false for targets that do not count."""
    dim = _class_dim(size)
    classes = arange(size[dim], device=target.device).reshape((size[dim],) + (1,) * (len(size) - dim - 1))
    keep, labels = _counted(target, ignore_index)
    return (labels.unsqueeze(dim) == classes) & keep.unsqueeze(dim)


nll_loss_backward.vjp(
    # The transpose of a sparse row is the look-up itself.
    grad_output=lambda grad, target, weight, ignore_index, reduction: nll_loss(
        grad, target, weight, ignore_index, reduction
    )
)
nll_loss.vjp(
    input=lambda grad, input_shape, target, weight, ignore_index, reduction: nll_loss_backward(
        grad, target, weight, input_shape, ignore_index, reduction
    )
)


def _cross_entropy_reference(input: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
    axis = 1 if input.ndim > 1 else 0
    return _nll_reference(input - np.logaddexp.reduce(input, axis=axis, keepdims=True), target, *args, **kwargs)


@op(
    name="cross_entropy",
    dtype=rules.floating_only,
    shape=_class_shape("cross_entropy"),
    method=False,
    fixed={"target": LABELS},
    samples=_class_samples,
    errors=_class_errors,
    reference=_cross_entropy_reference,
    tolerance="accumulation",
)
def class_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Cross entropy of the classes that `input` scores, for class indices and without smoothing.

    Args:
        input: scores before softmax, a floating dtype, shape (C), (N, C) or (N, C, *).
        target: classes in [0, C), int64, int32 or uint8, shape (), (N) or (N, *).
        weight: weight of each class, shape (C); 1 when None.
        ignore_index: targets of this value add nothing to loss, mean or gradient.
        reduction: `"none"`, `"sum"`, or `"mean"`: over the sum of the targets' weights.

    Returns:
        Shape () or, with `"none"`, that of `target`. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        DimError: a target is not a class.
        ShapeError: `target` or `weight` does not fit `input`.

    Example:
        >>> cb.nn.functional.cross_entropy(cb.tensor([[0.0, 0.0], [0.0, 1.0]]), cb.tensor([0, 1]))
        tensor(0.5032)
    """
    return nll_loss(log_softmax(input, _class_dim(tuple(input.shape))), target, weight, ignore_index, reduction)


def _ce_backward_shape(
    grad_output: Any, input: Any, target: Any, weight: Any, ignore_index: int, reduction: str
) -> Shape:
    check_reduction("cross_entropy_backward", reduction)
    check_classes("cross_entropy_backward", tuple(input.shape), tuple(target.shape), weight)
    return tuple(input.shape)


@op(
    dtype=rules.floating_only,
    shape=_ce_backward_shape,
    method=False,
    fixed={"target": LABELS},
    samples=lambda: [
        Sample(Operand(g), Operand(s, -3, 3), Operand(t, 0, 2, dtype="int64"), w, 1, r)
        for s, t in [((5, 3), (5,)), ((3,), ()), ((2, 3, 4), (2, 4))]
        for w in (None, Operand((3,), 0.2, 2, grad=False))
        for r, g in (("none", t), ("sum", ()))
    ],
    tolerance="accumulation",
)
def cross_entropy_backward(
    grad_output: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """Gradient of `cross_entropy` of class indices: each target's weighted gradient times softmax minus one-hot.

    Args:
        grad_output: gradient of the result, a floating dtype, of the result's shape.
        input: as of `cross_entropy`.
        target: as of `cross_entropy`.
        weight: as of `cross_entropy`.
        ignore_index: as of `cross_entropy`.
        reduction: as of `cross_entropy`.

    Returns:
        The shape and dtype of `input`.

    Raises:
        DimError: a target is not a class.

    Example:
        >>> cb.cross_entropy_backward(cb.tensor(1.0), cb.zeros(1, 2), cb.tensor([1]), None, -100, "mean")
        tensor([[ 0.5000, -0.5000]])
    """
    size = tuple(input.shape)
    dim = _class_dim(size)
    apart = softmax(input, dim) - _is_class(target, size, ignore_index).to(input.dtype)
    scale = _row_scale(grad_output, target, weight, dim, ignore_index, reduction)
    return where((target != ignore_index).unsqueeze(dim), apart * scale, 0)


def _ce_backward_grad_output(
    grad: Tensor, grad_output: Tensor, input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str
) -> Tensor:
    unit = cross_entropy_backward(ones_like(grad_output), input, target, weight, ignore_index, reduction)
    product = grad * unit
    return product.sum(_class_dim(tuple(input.shape))) if reduction == "none" else product.sum()


def _ce_backward_input(
    grad: Tensor, grad_output: Tensor, input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str
) -> Tensor:
    dim = _class_dim(tuple(input.shape))
    share = softmax(input, dim)
    scaled = grad * _row_scale(grad_output, target, weight, dim, ignore_index, reduction)
    return share * (scaled - (share * scaled).sum(dim, keepdim=True))


cross_entropy_backward.vjp(grad_output=_ce_backward_grad_output, input=_ce_backward_input)

# The softmax is computed again for the gradient: keeping it would cost more than it saves at every size.
class_cross_entropy.vjp(
    input=lambda grad, input, target, weight, ignore_index, reduction: cross_entropy_backward(
        grad, input, target, weight, ignore_index, reduction
    )
)


def _check_smoothing(label_smoothing: float) -> None:
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            f"cross_entropy: label_smoothing must be from 0 to 1, got label_smoothing={label_smoothing!r}"
        )


def _smooth_front(
    input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Any, ...]:
    _check_smoothing(label_smoothing)
    _class_shape("cross_entropy")(input, target, weight, ignore_index, reduction)
    return input, target, weight, ignore_index, reduction, label_smoothing


@op(
    dtype=rules.floating_only,
    shape=lambda input, target, weight, ignore_index, reduction, label_smoothing: _class_shape("cross_entropy")(
        input, target, weight, ignore_index, reduction
    ),
    method=False,
    front=_smooth_front,
    fixed={"target": LABELS},
    samples=lambda: [
        Sample(Operand(s, -3, 3), Operand(t, 0, 2, dtype="int64"), w, i, r, 0.1)
        for s, t in [((5, 3), (5,)), ((3,), ()), ((2, 3, 4), (2, 4))]
        for w, i in ((None, -100), (Operand((3,), 0.2, 2, grad=False), 5))
        for r in REDUCTIONS
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "label_smoothing", Operand((2, 3)), Operand((2,), 0, 2, dtype="int64"), label_smoothing=2.0)
    ],
    tolerance="accumulation",
)  # fmt: skip
def smooth_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.1,
) -> Tensor:
    """Cross entropy of class indices, each mixed with the uniform distribution over the classes.

    Args:
        input: scores before softmax, a floating dtype, shape (C), (N, C) or (N, C, *).
        target: classes in [0, C), int64, int32 or uint8, shape (), (N) or (N, *).
        weight: weight of each class, shape (C); 1 when None.
        ignore_index: targets of this value add nothing to loss, mean or gradient.
        reduction: `"none"`, `"sum"`, or `"mean"`: over the sum of the targets' weights.
        label_smoothing: share of the uniform distribution, from 0 to 1.

    Returns:
        Shape () or, with `"none"`, that of `target`.

    Raises:
        ArgumentError: unknown `reduction`, or `label_smoothing` outside [0, 1].
        DimError: a target is not a class.
        ShapeError: `target` or `weight` does not fit `input`.

    Source: C. Szegedy et al. (2016), Rethinking the inception architecture, section 7.

    Example:
        >>> cb.smooth_cross_entropy(cb.zeros(1, 2), cb.tensor([1]))
        tensor(0.6931)
    """
    dim = _class_dim(tuple(input.shape))
    log_probs = log_softmax(input, dim)
    sharp = nll_loss(log_probs, target, weight, ignore_index, reduction)
    smooth = -(log_probs if weight is None else log_probs * _along(weight, input, dim)).sum(dim)
    smooth = where(target != ignore_index, smooth, 0)
    if reduction == "mean":
        smooth = smooth.sum() / _row_weights(target, weight, ignore_index, input.dtype).sum()
    elif reduction == "sum":
        smooth = smooth.sum()
    return sharp * (1 - label_smoothing) + smooth * (label_smoothing / input.shape[dim])


def _along(weight: Tensor, input: Tensor, dim: int) -> Tensor:
    """`weight` in a shape that broadcasts over `dim` of `input`."""
    return weight.reshape((-1,) + (1,) * (input.dim() - dim - 1))


def _soft_shape(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Shape:
    check_reduction("cross_entropy", reduction)
    shape = tuple(input.shape)
    same_shape("cross_entropy", input, target)
    labels = shape[:1] + shape[2:] if len(shape) > 1 else ()
    check_classes("cross_entropy", shape, labels, weight)
    return labels if reduction == "none" else ()


def _soft_front(input: Tensor, target: Tensor, weight: Any, reduction: str, label_smoothing: float) -> tuple[Any, ...]:
    _check_smoothing(label_smoothing)
    _soft_shape(input, target, weight, reduction, label_smoothing)
    return input, target, weight, reduction, label_smoothing


@op(
    dtype=rules.floating_only,
    shape=_soft_shape,
    method=False,
    front=_soft_front,
    samples=lambda: [
        Sample(Operand(s, -3, 3), Operand(s, 0, 1), w, r, e)
        for s in [(5, 3), (3,), (2, 3, 4)]
        for w, e in ((None, 0.0), (Operand((3,), 0.2, 2), 0.1))
        for r in REDUCTIONS
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "target must have the shape of input", Operand((2, 3)), Operand((3, 2))),
        *bad_reduction(),
    ],
    tolerance="accumulation",
)
def soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy of class probabilities.

    Args:
        input: scores before softmax, a floating dtype, shape (C), (N, C) or (N, C, *).
        target: probabilities of the classes, the shape of `input`.
        weight: weight of each class, shape (C); 1 when None.
        reduction: `"none"`, `"sum"`, or `"mean"`: over the number of targets.
        label_smoothing: share of the uniform distribution to mix in, from 0 to 1.

    Returns:
        Shape () or, with `"none"`, that of `input` without the dim of the classes.

    Raises:
        ArgumentError: unknown `reduction`, or `label_smoothing` outside [0, 1].
        ShapeError: `target` or `weight` does not fit `input`.

    Example:
        >>> cb.soft_cross_entropy(cb.zeros(1, 2), cb.tensor([[0.25, 0.75]]))
        tensor(0.6931)
    """
    dim = _class_dim(tuple(input.shape))
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    parts = log_softmax(input, dim) * target
    return reduced(
        "cross_entropy", -(parts if weight is None else parts * _along(weight, input, dim)).sum(dim), reduction
    )


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross entropy between the softmax of `input` and the targets.

    Args:
        input: scores before softmax, a floating dtype, shape (C), (N, C) or (N, C, *).
        target: class indices in [0, C) of shape (), (N) or (N, *), or probabilities of the shape of `input`.
        weight: weight of each class, shape (C); 1 when None.
        ignore_index: class indices of this value add nothing to loss, mean or gradient.
        reduction: `"none"`, `"sum"`, or `"mean"`: over the sum of the weights of class indices, or the number of
            distributions.
        label_smoothing: share of the uniform distribution to mix in, from 0 to 1.

    Returns:
        Shape () or, with `"none"`, that of `input` without the dim of the classes. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`, or `label_smoothing` outside [0, 1].
        DimError: a class index is not a class.
        ShapeError: `target` or `weight` does not fit `input`.

    Example:
        >>> cb.nn.functional.cross_entropy(cb.tensor([[0.0, 0.0], [0.0, 1.0]]), cb.tensor([0, 1]))
        tensor(0.5032)
    """
    kind = getattr(target, "_kind", None)
    if kind is not None and kind.dtype.category == 2:
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if label_smoothing:
        return smooth_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    return class_cross_entropy(input, target, weight, ignore_index, reduction)
