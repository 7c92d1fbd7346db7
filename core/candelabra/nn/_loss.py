# SPDX-License-Identifier: Apache-2.0
"""Losses as modules; each is its function in `candelabra.nn.functional` with the options kept."""

from __future__ import annotations

from collections.abc import Callable

from .._errors import ArgumentError
from ..tensor._tensor import Tensor
from . import functional as F
from ._distance import PairwiseDistance
from ._module import Module


class _Loss(Module):
    """What all losses share: how the losses of the elements become one number.

    `size_average` and `reduce` are PyTorch's old spelling of `reduction`; they win where they are given.
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        allowed = ("none", "mean", "batchmean", "sum") if isinstance(self, KLDivLoss) else ("none", "mean", "sum")
        if reduction not in allowed:
            raise ArgumentError(f"{type(self).__name__}: reduction must be one of {allowed}, got {reduction!r}")
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a weight for each class or element, which moves with the module."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """Magnitude of the difference.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.L1Loss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """Square of the difference.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.MSELoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Magnitude of the difference, with a parabola in place of its kink.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.
        beta: half width of the parabola.

    Source: Girshick (2015).

    Example:
        >>> cb.nn.SmoothL1Loss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, beta=self.beta, reduction=self.reduction)


class HuberLoss(_Loss):
    """Half the square of the difference where it is small, linear where it is large.

    Args:
        reduction: `mean`, `sum`, or `none` for the losses of all elements.
        delta: where the line begins.

    Source: Huber (1964).

    Example:
        >>> cb.nn.HuberLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, delta=self.delta, reduction=self.reduction)


class NLLLoss(_WeightedLoss):
    """Negative log-probability of the right class, from log-probabilities.

    Args:
        weight: a factor for each class or element, or None.
        size_average, reduce: old spelling of `reduction`.
        ignore_index: class that does not count.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.NLLLoss()(cb.zeros(2, 3), cb.tensor([0, 2])).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """Negative log-probability of the right class, from unnormalised scores.

    Args:
        weight: a factor for each class or element, or None.
        size_average, reduce: old spelling of `reduction`.
        ignore_index: class that does not count.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.
        label_smoothing: share of each target that is spread over all classes.

    Example:
        >>> cb.nn.CrossEntropyLoss()(cb.zeros(2, 3), cb.tensor([0, 2])).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
        )


class BCELoss(_WeightedLoss):
    """Cross entropy of two classes, from probabilities.

    Args:
        weight: a factor for each class or element, or None.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.BCELoss()(cb.ones(3) * 0.5, cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of the target from the input, which is given as log-probabilities.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `batchmean` (the sum divided by N, the divergence proper), `sum`, or `none`.
        log_target: the target is given as log-probabilities too.

    Example:
        >>> cb.nn.KLDivLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, log_target=self.log_target, reduction=self.reduction)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of a Poisson distribution.

    Args:
        log_input: the input is the logarithm of the rate.
        full: add Stirling's approximation of the constant term.
        size_average, reduce: old spelling of `reduction`.
        eps: added to the rate before its logarithm.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.PoissonNLLLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood of a normal distribution with a given variance.

    Args:
        full: add the constant term.
        eps: smallest variance.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.GaussianNLLLoss()(cb.zeros(3), cb.ones(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """`x` where the target is 1, `max(0, margin - x)` where it is -1.

    Args:
        margin: the margin.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.HingeEmbeddingLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """`max(0, -target * (input1 - input2) + margin)`.

    Args:
        margin: the margin.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.MarginRankingLoss()(cb.zeros(3), cb.ones(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """`1 - cos` where the target is 1, `max(0, cos - margin)` where it is -1.

    Args:
        margin: the margin.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.CosineEmbeddingLoss()(cb.ones(3, 2), cb.ones(3, 2), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """`log(1 + exp(-target * input))`.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.SoftMarginLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Hinge loss over all pairs of a right and a wrong class.

    Args:
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.MultiLabelMarginLoss()(cb.zeros(2, 3), cb.tensor([[0, -1, 1], [2, 1, -1]])).shape
        candelabra.Size([])
    """

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Mean over the classes of the cross entropy of each, from unnormalised scores.

    Args:
        weight: a factor for each class or element, or None.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.MultiLabelSoftMarginLoss()(cb.zeros(2, 3), cb.ones(2, 3)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Hinge loss of the right class against all others.

    Args:
        p: power of the hinge, 1 or 2.
        margin: the margin.
        weight: a factor for each class or element, or None.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.MultiMarginLoss()(cb.zeros(2, 3), cb.tensor([0, 2])).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, weight=self.weight, p=self.p, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """`max(0, distance to the positive - distance to the negative + margin)`.

    Args:
        margin: the margin.
        p: order of the norm.
        eps: added to the differences.
        swap: use the distance of positive and negative where it is smaller.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Source: Balntas et al. (2016).

    Example:
        >>> cb.nn.TripletMarginLoss()(cb.zeros(3, 2), cb.ones(3, 2), cb.ones(3, 2)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class BCEWithLogitsLoss(_WeightedLoss):
    """Cross entropy of two classes, from logits.

    Args:
        weight: a factor for each element, or None.
        size_average, reduce: old spelling of `reduction`.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.
        pos_weight: a factor of the positive class, or None.

    Example:
        >>> cb.nn.BCEWithLogitsLoss()(cb.zeros(3), cb.ones(3)).shape
        candelabra.Size([])
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """`max(0, distance to the positive - distance to the negative + margin)`, for any distance.

    Args:
        distance_function: of two tensors; the Euclidean distance when None.
        margin: the margin.
        swap: use the distance of positive and negative where it is smaller.
        reduction: `mean`, `sum`, or `none` for the losses of all elements.

    Example:
        >>> cb.nn.TripletMarginWithDistanceLoss()(cb.zeros(3, 2), cb.ones(3, 2), cb.ones(3, 2)).shape
        candelabra.Size([])
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
