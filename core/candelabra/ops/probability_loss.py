# SPDX-License-Identifier: Apache-2.0
"""Losses of probabilities and of distributions: binary cross entropy, divergence, likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._errors import ArgumentError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .activation import logsigmoid
from .comparison import where
from .exponential import exp, log, log1p, xlogy
from .likes import ones_like
from .loss import REDUCTIONS, bad_reduction, check_reduction, reduced, reduced_reference, same_shape, shape_pairs
from .trigonometric import sigmoid

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "kl_div",
    "poisson_nll_loss",
]

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
    return reduced_reference(losses if weight is None else losses * weight, reduction)


@op(
    dtype=rules.floating_only,
    shape=_probability_shape,
    method=False,
    front=_probability_front,
    samples=lambda: [
        *shape_pairs(low=0.05, high=0.95, low2=0.0, high2=1.0),
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
    errors=lambda: [*bad_reduction(), ErrorSample(ShapeError, "the shape of input", Operand((2,)), Operand((1,)))],
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
    return reduced_reference(losses if weight is None else losses * weight, reduction)


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
    errors=bad_reduction,
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
        *shape_pairs(low=0.1, high=2, low2=0, high2=3),
        Sample(Operand((2, 3), 0.1, 2), Operand((2, 3), 0, 3), log_input=False),
        Sample(Operand((4,), 0.1, 2), Operand((4,), values=[0.0, 0.5, 1.5, 4.0]), full=True),
    ],
    errors=bad_reduction,
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
        *bad_reduction(Operand((2,)), Operand((2,)), Operand((2,), 0.2, 2)),
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
