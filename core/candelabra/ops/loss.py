# SPDX-License-Identifier: Apache-2.0
"""Losses: of class indices, of values, of probabilities, of distances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DimError, DTypeError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .activation import logsigmoid
from .arithmetic import abs
from .comparison import where
from .creation import arange, ones_like
from .exponential import exp, log, log1p, xlogy
from .softmax import log_softmax, softmax
from .trigonometric import sigmoid

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "cross_entropy_backward",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "nll_loss_backward",
    "poisson_nll_loss",
    "smooth_cross_entropy",
    "smooth_l1_loss",
    "soft_cross_entropy",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

inf, nan = math.inf, math.nan
REDUCTIONS = ("none", "mean", "sum")
LABELS = (_dtype.int64, _dtype.int32, _dtype.uint8)

# -- what all share --------------------------------------------------------------------------------------------------


def check_reduction(name: str, reduction: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Raises ArgumentError for an unknown `reduction`."""
    if reduction not in allowed:
        listed = ", ".join(f'"{r}"' for r in allowed)
        raise ArgumentError(f"{name}: reduction must be one of {listed}, got reduction={reduction!r}")


def reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    """`losses` as they are, their mean or their sum."""
    check_reduction(name, reduction)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def same_shape(name: str, input: Any, target: Any) -> None:
    """Raises ShapeError when `target` has not the shape of `input`."""
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{name}: target must have the shape of input, got {tuple(target.shape)} for {tuple(input.shape)}"
        )


def warn_of_broadcast(name: str, input: Any, target: Any, depth: int = 7) -> None:
    """Warns where a target of another shape is broadcast: (N, 1) against (N) is rarely meant."""
    if isinstance(input, Tensor) and isinstance(target, Tensor) and input._array.shape != target._array.shape:
        warnings.warn(
            f"{name}: target is broadcast against input, got shapes {tuple(target.shape)} and {tuple(input.shape)}; "
            "give them one shape if that is not meant",
            stacklevel=depth,  # the body of an op runs four calls below the function users call
        )


def _reduced_reference(losses: Any, reduction: str) -> Any:
    return (
        losses if reduction == "none" else losses.sum() / (losses.size or nan) if reduction == "mean" else losses.sum()
    )


def _pairs(
    *shapes: Shape, low: float = -2.0, high: float = 2.0, low2: float | None = None, high2: float | None = None
) -> list[Sample]:
    """Samples of a loss of two tensors of one shape, for each shape and reduction."""
    low2, high2 = low if low2 is None else low2, high if high2 is None else high2
    shapes = shapes or ((), (5,), (2, 3), (0,), (37,))
    return [Sample(Operand(s, low, high), Operand(s, low2, high2), reduction=r) for s in shapes for r in REDUCTIONS]


def _bad_reduction(*args: Any) -> list[ErrorSample]:
    operands = args or (Operand((2, 3)), Operand((2, 3)))
    return [ErrorSample(ArgumentError, "reduction must be one of", *operands, reduction="average")]


# -- class indices ---------------------------------------------------------------------------------------------------


def _class_dim(shape: Shape) -> int:
    return 1 if len(shape) > 1 else 0


def _check_classes(name: str, shape: Shape, labels: Shape, weight: Any) -> None:
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
        _check_classes(name, tuple(input.shape), tuple(target.shape), weight)
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
    _check_classes("nll_loss_backward", size, tuple(target.shape), weight)
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
    _check_classes("cross_entropy_backward", tuple(input.shape), tuple(target.shape), weight)
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
    _check_classes("cross_entropy", shape, labels, weight)
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
        *_bad_reduction(),
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


# -- values ----------------------------------------------------------------------------------------------------------


def _mse_shape(input: Any, target: Any, reduction: str) -> Shape:
    check_reduction("mse_loss", reduction)
    shape = broadcast_shapes("mse_loss", tuple(input.shape), tuple(target.shape))
    return shape if reduction == "none" else ()


@op(
    name="mse_loss",
    dtype=rules.floating_only,
    shape=_mse_shape,
    method=False,
    samples=lambda: [
        *_pairs(),
        Sample(Operand((2, 3)), Operand((3,))),
        Sample(Operand((3, 1)), Operand((1, 4)), "sum"),
    ],
    errors=lambda: [*_bad_reduction(), ErrorSample(ShapeError, "do not broadcast", Operand((2,)), Operand((3,)))],
    reference=lambda input, target, reduction="mean": _reduced_reference(np.square(input - target), reduction),
    tolerance="accumulation",
)
def squared_error(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared differences of `input` and `target`, their mean or their sum.

    Args:
        input: a floating dtype, shape (*).
        target: broadcastable with `input`.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.nn.functional.mse_loss(cb.tensor([1.0, 2.0]), cb.tensor([1.0, 4.0]))
        tensor(2.)
    """
    apart = input - target
    return reduced("mse_loss", apart * apart, reduction)


def _mse_grad(grad: Tensor, input: Tensor, target: Tensor, reduction: str, sign: float = 2.0) -> Tensor:
    apart = input - target
    return apart * (grad * (sign / apart.numel() if reduction == "mean" and apart.numel() else sign))


squared_error.vjp(
    input=lambda grad, input, target, reduction: _mse_grad(grad, input, target, reduction),
    target=lambda grad, input, target, reduction: _mse_grad(grad, input, target, reduction, -2.0),
)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared differences of `input` and `target`, their mean or their sum.

    Args:
        input: a floating dtype, shape (*).
        target: the shape of `input`; another is broadcast, with a warning.
        reduction: `"none"`, `"mean"` or `"sum"`.
        weight: factor of each squared difference, the shape of `input`; the mean is over their sum.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        DTypeError: the dtype is not floating.
        ShapeError: `weight` has not the shape of `input`.

    Example:
        >>> cb.nn.functional.mse_loss(cb.tensor([1.0, 2.0]), cb.tensor([1.0, 4.0]))
        tensor(2.)
    """
    warn_of_broadcast("mse_loss", input, target, 3)
    if weight is None:
        return squared_error(input, target, reduction)
    return _weighted_values("mse_loss", input, squared_error(input, target, "none"), weight, reduction)


def _weighted_values(name: str, input: Tensor, losses: Tensor, weight: Tensor, reduction: str) -> Tensor:
    check_reduction(name, reduction)
    if tuple(weight.shape) != tuple(input.shape):
        raise ShapeError(
            f"{name}: weight must have the shape of input, got {tuple(weight.shape)} for {tuple(input.shape)}"
        )
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(name, losses, reduction)


@op(
    method=False,
    samples=lambda: [
        *_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), "mean", Operand((2, 3), 0.2, 2)),
        Sample(Operand((2, 3)), Operand((2, 3)), reduction="none", weight=Operand((2, 3), 0.2, 2)),
    ],
    errors=_bad_reduction,
    tolerance="accumulation",
)
def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Magnitudes of the differences of `input` and `target`, their mean or their sum.

    Args:
        input: any numeric dtype, shape (*); floating for the mean.
        target: the shape of `input`; another is broadcast, with a warning.
        reduction: `"none"`, `"mean"` or `"sum"`.
        weight: factor of each difference, the shape of `input`; the mean is over their sum.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: `weight` has not the shape of `input`.

    Example:
        >>> cb.nn.functional.l1_loss(cb.tensor([1.0, 2.0]), cb.tensor([1.0, 4.0]))
        tensor(1.)
    """
    warn_of_broadcast("l1_loss", input, target)
    losses = abs(input - target)
    if weight is not None:
        return _weighted_values("l1_loss", input, losses, weight, reduction)
    return reduced("l1_loss", losses, reduction)


@op(
    method=False,
    samples=lambda: [
        *_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), beta=0.5),
        Sample(Operand((2, 3)), Operand((2, 3)), beta=0.0),
    ],
    errors=lambda: [
        *_bad_reduction(),
        ErrorSample(ArgumentError, "beta must not be negative", Operand((2,)), Operand((2,)), beta=-1.0),
    ],
    tolerance="accumulation",
)
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Squared differences over `2 beta` below `beta`, their magnitudes less `beta / 2` above.

    Args:
        input: a floating dtype, shape (*).
        target: the shape of `input`; another is broadcast, with a warning.
        reduction: `"none"`, `"mean"` or `"sum"`.
        beta: difference at which the parabola meets the line; 0 is `l1_loss`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`, or `beta` is negative.

    Source: R. Girshick (2015), Fast R-CNN.

    Example:
        >>> cb.nn.functional.smooth_l1_loss(cb.tensor([1.0, 2.0]), cb.tensor([1.5, 4.0]))
        tensor(0.8125)
    """
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta must not be negative, got beta={beta!r}")
    warn_of_broadcast("smooth_l1_loss", input, target)
    apart = abs(input - target)
    if beta:
        apart = where(apart < beta, apart * apart * (0.5 / beta), apart - 0.5 * beta)
    return reduced("smooth_l1_loss", apart, reduction)


@op(
    method=False,
    samples=lambda: [
        *_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), delta=0.5),
        Sample(Operand((2, 3)), Operand((2, 3)), weight=Operand((2, 3), 0.2, 2)),
    ],
    errors=lambda: [
        *_bad_reduction(),
        ErrorSample(ArgumentError, "delta must be positive", Operand((2,)), Operand((2,)), delta=0.0),
    ],
    tolerance="accumulation",
)
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the squared differences below `delta`, `delta` times their magnitudes less `delta / 2` above.

    Args:
        input: a floating dtype, shape (*).
        target: the shape of `input`; another is broadcast, with a warning.
        reduction: `"none"`, `"mean"` or `"sum"`.
        delta: difference at which the parabola meets the line; positive.
        weight: factor of each loss, the shape of `input`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`, or `delta` is not positive.
        ShapeError: `weight` has not the shape of `input`.

    Source: P. Huber (1964), Robust estimation of a location parameter.

    Example:
        >>> cb.nn.functional.huber_loss(cb.tensor([1.0, 2.0]), cb.tensor([1.5, 4.0]))
        tensor(0.8125)
    """
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got delta={delta!r}")
    warn_of_broadcast("huber_loss", input, target)
    apart = abs(input - target)
    losses = where(apart < delta, apart * apart * 0.5, (apart - 0.5 * delta) * delta)
    if weight is not None:
        same_shape("huber_loss", input, weight)
        losses = losses * weight
    return reduced("huber_loss", losses, reduction)


# -- probabilities ---------------------------------------------------------------------------------------------------


def _probability_shape(input: Any, target: Any, weight: Any, reduction: str) -> Shape:
    check_reduction("binary_cross_entropy", reduction)
    same_shape("binary_cross_entropy", input, target)
    shape = tuple(input.shape)
    if weight is not None:
        shape = broadcast_shapes("binary_cross_entropy", shape, tuple(weight.shape))
    return shape if reduction == "none" else ()


def _probability_front(input: Tensor, target: Tensor, weight: Any, reduction: str) -> tuple[Any, ...]:
    _probability_shape(input, target, weight, reduction)
    return input, target, weight, reduction


def _bce_reference(input: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    losses = -target * np.maximum(np.log(input), -100) - (1 - target) * np.maximum(np.log1p(-input), -100)
    return _reduced_reference(losses if weight is None else losses * weight, reduction)


@op(
    dtype=rules.floating_only,
    shape=_probability_shape,
    method=False,
    front=_probability_front,
    samples=lambda: [
        *_pairs(low=0.05, high=0.95, low2=0.0, high2=1.0),
        Sample(Operand((2, 3), 0.05, 0.95), Operand((2, 3), 0, 1), Operand((3,), 0.2, 2, grad=False)),
        Sample(Operand((2, 3), 0.05, 0.95), Operand((2, 3), 0, 1), Operand((2, 1), 0.2, 2, grad=False), "none"),
        Sample(
            Operand((4,), values=[0.0, 1.0, 0.0, 1.0]),
            Operand((4,), values=[1.0, 0.0, 0.0, 1.0]),
            reduction="none",
            special=[100.0, 100.0, 0.0, 0.0],
            dtypes=("float32", "float64"),
            grad=False,
        ),
    ],
    errors=lambda: [*_bad_reduction(), ErrorSample(ShapeError, "the shape of input", Operand((2,)), Operand((1,)))],
    reference=_bce_reference,
    tolerance="accumulation",
)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Cross entropy between probabilities `target` and `input` of two classes; logarithms end at -100.

    Args:
        input: probabilities, a floating dtype, shape (*).
        target: probabilities, the shape of `input`.
        weight: factor of each loss, broadcastable with `input`; 1 when None.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan where `input` is outside [0, 1], and for the mean of
        nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: `target` has not the shape of `input`.

    Example:
        >>> cb.nn.functional.binary_cross_entropy(cb.tensor([0.5, 0.9]), cb.tensor([1.0, 1.0]))
        tensor(0.3993)
    """
    # Taken from 0 rather than negated: a loss of nothing is 0.0, not -0.0.
    losses = 0 - (target * _cut_log(input) + (1 - target) * log1p(-input).clamp(min=-100))
    return reduced("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def _cut_log(input: Tensor) -> Tensor:
    return log(input).clamp(min=-100)


def _spread(grad: Tensor, losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Gradient of each of `losses` from that of their reduced and weighted value."""
    if weight is not None:
        grad, losses = grad * weight, losses * weight
    return grad / losses.numel() if reduction == "mean" else grad


def _bce_input_grad(grad: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    slope = (input - target) / (input * (1 - input)).clamp(min=1e-12)
    return _spread(grad, slope, weight, reduction) * slope


def _bce_target_grad(grad: Tensor, input: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    slope = log1p(-input).clamp(min=-100) - _cut_log(input)
    return _spread(grad, slope, weight, reduction) * slope


binary_cross_entropy.vjp(input=_bce_input_grad, target=_bce_target_grad)


def _logits_shape(input: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Shape:
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    same_shape(name, input, target)
    shape = broadcast_shapes(name, *[tuple(t.shape) for t in (input, weight, pos_weight) if t is not None])
    return shape if reduction == "none" else ()


def _logits_reference(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    positive = 1.0 if pos_weight is None else pos_weight
    losses = positive * target * np.logaddexp(0, -input) + (1 - target) * np.logaddexp(0, input)
    return _reduced_reference(losses if weight is None else losses * weight, reduction)


@op(
    name="binary_cross_entropy_with_logits",
    dtype=rules.floating_only,
    shape=_logits_shape,
    method=False,
    samples=lambda: [
        Sample(Operand(s, -4, 4), Operand(s, 0, 1), w, p, r)
        for s in [(), (5,), (2, 3), (0,)]
        for w, p in ((None, None), (Operand((), 0.2, 2, grad=False), Operand((1,), 0.2, 2, grad=False)))
        for r in REDUCTIONS
        if p is None or s
    ],
    errors=lambda: [ErrorSample(ShapeError, "the shape of input", Operand((2,)), Operand((1,)))],
    reference=lambda input, target, weight=None, pos_weight=None, reduction="mean": _logits_reference(
        input, target, weight, reduction, pos_weight
    ),
    tolerance="accumulation",
)
def logits_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy between probabilities `target` and `sigmoid(input)` of two classes, without overflow.

    Args:
        input: scores before the logistic function, a floating dtype, shape (*).
        target: probabilities, the shape of `input`.
        weight: factor of each loss, broadcastable with `input`; 1 when None.
        pos_weight: factor of the losses of positive targets, broadcastable with `input`; 1 when None.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: `target` has not the shape of `input`.

    Example:
        >>> cb.nn.functional.binary_cross_entropy_with_logits(cb.tensor([0.0, 2.0]), cb.tensor([1.0, 1.0]))
        tensor(0.4100)
    """
    wrong = -logsigmoid(input)
    losses = (1 - target) * input + (wrong if pos_weight is None else wrong * _positive(target, pos_weight))
    return reduced("binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction)


def _positive(target: Tensor, pos_weight: Tensor) -> Tensor:
    """Factor of each logarithm of a probability: from 1 at target 0 to `pos_weight` + 0 at target 1."""
    return (pos_weight - 1) * target + 1


def _logits_input_grad(
    grad: Tensor, input: Tensor, target: Tensor, weight: Any, pos_weight: Any, reduction: str
) -> Tensor:
    if pos_weight is None:
        slope = sigmoid(input) - target
    else:
        slope = (1 - target) - _positive(target, pos_weight) * sigmoid(-input)
    return _spread(grad, slope, weight, reduction) * slope


def _logits_target_grad(grad: Tensor, input: Tensor, weight: Any, pos_weight: Any, reduction: str) -> Tensor:
    slope = -input if pos_weight is None else -input - (pos_weight - 1) * logsigmoid(input)
    return _spread(grad, slope, weight, reduction) * slope


logits_cross_entropy.vjp(input=_logits_input_grad, target=_logits_target_grad)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy between probabilities `target` and `sigmoid(input)` of two classes, without overflow.

    Args:
        input: scores before the logistic function, a floating dtype, shape (*).
        target: probabilities, the shape of `input`.
        weight: factor of each loss, broadcastable with `input`; 1 when None.
        reduction: `"none"`, `"mean"` or `"sum"`.
        pos_weight: factor of the losses of positive targets, broadcastable with `input`; 1 when None.

    Returns:
        Shape () or, with `"none"`, the broadcast shape. nan for the mean of nothing.

    Raises:
        ArgumentError: unknown `reduction`.
        ShapeError: `target` has not the shape of `input`.

    Example:
        >>> cb.nn.functional.binary_cross_entropy_with_logits(cb.tensor([0.0, 2.0]), cb.tensor([1.0, 1.0]))
        tensor(0.4100)
    """
    return logits_cross_entropy(input, target, weight, pos_weight, reduction)


@op(
    method=False,
    samples=lambda: [
        *[Sample(Operand(s, -3, -0.1), Operand(s, 0.1, 0.9), reduction=r) for s in [(), (5,), (2, 3)] for r in REDUCTIONS],
        Sample(Operand((2, 3), -3, -0.1), Operand((2, 3), 0.1, 0.9), reduction="batchmean"),
        Sample(Operand((2, 3), -3, -0.1), Operand((2, 3), -3, -0.1), log_target=True),
        Sample(Operand((2,), values=[-1.0, -2.0]), Operand((2,), values=[0.0, 1.0]), reduction="none", grad=False),
    ],
    errors=_bad_reduction,
    tolerance="accumulation",
)  # fmt: skip
def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of `input` from `target`, element by element: `target * (log(target) - input)`.

    Args:
        input: log-probabilities, a floating dtype, shape (*).
        target: probabilities, or their logarithms, broadcastable with `input`.
        reduction: `"none"`, `"mean"` over the elements, `"batchmean"` over the first dim, or `"sum"`.
        log_target: `target` holds logarithms.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`.

    Source: S. Kullback and R. Leibler (1951), On information and sufficiency.

    Example:
        >>> cb.nn.functional.kl_div(cb.tensor([-1.0, -1.0]), cb.tensor([0.5, 0.5]), reduction="sum")
        tensor(0.3069)
    """
    check_reduction("kl_div", reduction, (*REDUCTIONS, "batchmean"))
    losses = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction == "batchmean":
        return losses.sum() / input.shape[0] if input.dim() else losses.sum()
    return reduced("kl_div", losses, reduction)


@op(
    method=False,
    samples=lambda: [
        *_pairs(low=0.1, high=2, low2=0, high2=3),
        Sample(Operand((2, 3), 0.1, 2), Operand((2, 3), 0, 3), log_input=False),
        Sample(Operand((4,), 0.1, 2), Operand((4,), values=[0.0, 0.5, 1.5, 4.0]), full=True),
    ],
    errors=_bad_reduction,
    tolerance="accumulation",
)
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-08,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of the counts `target` under Poisson distributions of rate `exp(input)` or `input`.

    Args:
        input: rates or their logarithms, a floating dtype, shape (*).
        target: counts, broadcastable with `input`.
        log_input: `input` holds logarithms.
        full: add Stirling's approximation of `log(target!)` for targets above 1.
        eps: added to rates before their logarithm is taken.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`.

    Example:
        >>> cb.nn.functional.poisson_nll_loss(cb.tensor([0.0, 1.0]), cb.tensor([1.0, 2.0]))
        tensor(0.8591)
    """
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = where(target > 1, target, 1.0)
        losses = losses + where(target > 1, many * log(many) - many + log(many * (2 * math.pi)) * 0.5, 0)
    return reduced("poisson_nll_loss", losses, reduction)


@op(
    method=False,
    samples=lambda: [
        *[
            Sample(Operand((2, 3)), Operand((2, 3)), v, reduction=r)
            for v in (Operand((2, 3), 0.2, 2), Operand((2,), 0.2, 2), Operand((2, 1), 0.2, 2), 0.5)
            for r in REDUCTIONS
        ],
        Sample(Operand((5,)), Operand((5,)), Operand((5,), 0.2, 2), full=True),
    ],
    errors=lambda: [
        *_bad_reduction(Operand((2,)), Operand((2,)), Operand((2,), 0.2, 2)),
        ErrorSample(ArgumentError, "var must not be negative", Operand((2,)), Operand((2,)), -1.0),
        ErrorSample(ArgumentError, "var must not be negative", Operand((2,)), Operand((2,)), Operand((2,), -2, -1)),
        ErrorSample(ShapeError, "var must have the shape of input", Operand((2, 3)), Operand((2, 3)), Operand((4,), 1, 2)),
    ],
    tolerance="accumulation",
)  # fmt: skip
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | Number,
    full: bool = False,
    eps: float = 1e-06,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of `target` under normal distributions of mean `input` and variance `var`.

    Args:
        input: means, a floating dtype, shape (*).
        target: observations, broadcastable with `input`.
        var: variances, of the shape of `input`, with 1 in place of one size or without the last dim, or a number.
        full: add the constant, log(2 pi) / 2.
        eps: least variance; gradients pass as if there were none.
        reduction: `"none"`, `"mean"` or `"sum"`.

    Returns:
        Shape () or, with `"none"`, the broadcast shape.

    Raises:
        ArgumentError: unknown `reduction`, or a variance is negative.
        ShapeError: `var` does not fit `input`.

    Source: D. Nix and A. Weigend (1994), Estimating the mean and variance of the target probability distribution.

    Example:
        >>> cb.nn.functional.gaussian_nll_loss(cb.tensor([0.0, 1.0]), cb.tensor([1.0, 1.0]), cb.tensor([1.0, 2.0]))
        tensor(0.4233)
    """
    check_reduction("gaussian_nll_loss", reduction)
    spread = _variances(input, var, eps)
    losses = (log(spread) + (input - target) * (input - target) / spread) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced("gaussian_nll_loss", losses, reduction)


def _variances(input: Tensor, var: Any, eps: float) -> Tensor:
    """`var` broadcastable with `input` and at least `eps`."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ArgumentError(f"gaussian_nll_loss: var must not be negative, got var={var!r}")
        return ones_like(input.detach()) * max(var, eps)
    shape, own = tuple(input.shape), tuple(var.shape)
    if own != shape:
        if own == shape[:-1]:
            var = var.unsqueeze(-1)
        elif len(own) != len(shape) or sum(b for a, b in zip(shape, own, strict=True) if a != b) != 1:
            raise ShapeError(
                f"gaussian_nll_loss: var must have the shape of input or broadcast over one dim, got {own} for {shape}"
            )
    fixed = var.detach()
    if not var.is_meta and bool((fixed < 0).any()):
        raise ArgumentError(
            f"gaussian_nll_loss: var must not be negative, got a least element of {fixed.min().item()!r}"
        )
    return var + (fixed.clamp(min=eps) - fixed)


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
    errors=_bad_reduction,
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
        *_bad_reduction(Operand((2, 3)), Operand((2, 3)), _signs(2)),
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
        *_bad_reduction(Operand((2,)), Operand((2,)), _signs(2)),
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
        *_bad_reduction(Operand((2, 3)), Operand((2, 3)), Operand((2, 3))),
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
    errors=_bad_reduction,
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
    errors=_bad_reduction,
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
        *_bad_reduction(Operand((3, 4)), Operand((3,), 0, 3, dtype="int64")),
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
    _check_classes("multi_margin_loss", tuple(input.shape), tuple(target.shape), weight)
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
        *_bad_reduction(Operand((2, 3)), Operand((2, 3), 0, 2, dtype="int64")),
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
