# SPDX-License-Identifier: Apache-2.0
"""Losses of values: squared, absolute and between the two; and what all losses share."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import abs
from .comparison import where

__all__ = [
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
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


def reduced_reference(losses: Any, reduction: str) -> Any:
    return (
        losses if reduction == "none" else losses.sum() / (losses.size or nan) if reduction == "mean" else losses.sum()
    )


def shape_pairs(
    *shapes: Shape, low: float = -2.0, high: float = 2.0, low2: float | None = None, high2: float | None = None
) -> list[Sample]:
    """Samples of a loss of two tensors of one shape, for each shape and reduction."""
    low2, high2 = low if low2 is None else low2, high if high2 is None else high2
    shapes = shapes or ((), (5,), (2, 3), (0,), (37,))
    return [Sample(Operand(s, low, high), Operand(s, low2, high2), reduction=r) for s in shapes for r in REDUCTIONS]


def bad_reduction(*args: Any) -> list[ErrorSample]:
    operands = args or (Operand((2, 3)), Operand((2, 3)))
    return [ErrorSample(ArgumentError, "reduction must be one of", *operands, reduction="average")]


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
        *shape_pairs(),
        Sample(Operand((2, 3)), Operand((3,))),
        Sample(Operand((3, 1)), Operand((1, 4)), "sum"),
    ],
    errors=lambda: [*bad_reduction(), ErrorSample(ShapeError, "do not broadcast", Operand((2,)), Operand((3,)))],
    reference=lambda input, target, reduction="mean": reduced_reference(np.square(input - target), reduction),
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
        *shape_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), "mean", Operand((2, 3), 0.2, 2)),
        Sample(Operand((2, 3)), Operand((2, 3)), reduction="none", weight=Operand((2, 3), 0.2, 2)),
    ],
    errors=bad_reduction,
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
        *shape_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), beta=0.5),
        Sample(Operand((2, 3)), Operand((2, 3)), beta=0.0),
    ],
    errors=lambda: [
        *bad_reduction(),
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
        *shape_pairs(),
        Sample(Operand((2, 3)), Operand((2, 3)), delta=0.5),
        Sample(Operand((2, 3)), Operand((2, 3)), weight=Operand((2, 3), 0.2, 2)),
    ],
    errors=lambda: [
        *bad_reduction(),
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
