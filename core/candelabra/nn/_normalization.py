# SPDX-License-Identifier: Apache-2.0
"""Normalisations over batches, instances, groups of channels, and trailing dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _dtype
from .._errors import ArgumentError, ShapeError
from ..ops.creation import empty, ones, zeros
from ..tensor._tensor import Tensor
from . import functional as F
from . import init
from ._module import Module
from ._parameter import Parameter


class _FeatureNorm(Module):
    """What batch and instance norms share: a scale and a shift for each channel, and running statistics."""

    dims: tuple[int, ...]
    """Numbers of dims of the inputs it takes."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        options = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_features, **options)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_features, **options)) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **options) if tracked else None)
        count = zeros((), dtype=_dtype.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forgets the running statistics: mean 0 and variance 1."""
        if self.track_running_stats:
            for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
                if buffer is not None:
                    init.constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Sets the scale to 1 and the shift to 0, and forgets the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _check(self, input: Tensor) -> None:
        if input.dim() not in self.dims:
            wanted = " or ".join(map(str, self.dims))
            raise ShapeError(f"{type(self).__name__}: input must have {wanted} dims, got {tuple(input.shape)}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_FeatureNorm):
    """What the batch norms share."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        mean, var, share = self.running_mean, self.running_var, self.momentum
        counted = self.num_batches_tracked if self.training and self.track_running_stats else None
        if counted is not None and share is None:  # the mean over all batches so far, this one included
            share = 1.0 / (float(counted) + 1)
        if self.training and not self.track_running_stats:
            mean = var = None
        from_batch = self.training or (mean is None and var is None)
        result = F.batch_norm(input, mean, var, self.weight, self.bias, from_batch, share or 0.0, self.eps)
        if counted is not None:
            counted.add_(1)
        return result


class BatchNorm1d(_BatchNorm):
    """Each channel of (N, C) or (N, C, L) brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    In training by the statistics of the batch, which also move the running ones; in evaluation by the running ones.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None for the mean over all batches.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ioffe and Szegedy (2015).

    Example:
        >>> cb.nn.BatchNorm1d(3)(cb.ones(4, 3)).shape
        candelabra.Size([4, 3])
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    In training by the statistics of the batch, which also move the running ones; in evaluation by the running ones.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None for the mean over all batches.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ioffe and Szegedy (2015).

    Example:
        >>> cb.nn.BatchNorm2d(3)(cb.ones(4, 3, 2, 2)).shape
        candelabra.Size([4, 3, 2, 2])
    """

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Each channel of (N, C, D, H, W) brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    In training by the statistics of the batch, which also move the running ones; in evaluation by the running ones.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics; None for the mean over all batches.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ioffe and Szegedy (2015).

    Example:
        >>> cb.nn.BatchNorm3d(3)(cb.ones(4, 3, 2, 2, 2)).shape
        candelabra.Size([4, 3, 2, 2, 2])
    """

    dims = (5,)


class _InstanceNorm(_FeatureNorm):
    """What the instance norms share."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        single = input.dim() == self.dims[0]
        batch = input.unsqueeze(0) if single else input
        if batch.shape[1] != self.num_features and self.affine:
            raise ShapeError(
                f"{type(self).__name__}: input must have {self.num_features} channels, got {tuple(input.shape)}"
            )
        from_input = self.training or not self.track_running_stats
        out = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            from_input,
            self.momentum or 0.0,
            self.eps,
        )
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each element of (N, C, L) brought to mean 0 and variance 1.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics and use them in evaluation.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ulyanov et al. (2016).

    Example:
        >>> cb.nn.InstanceNorm1d(3)(cb.ones(4, 3, 5)).shape
        candelabra.Size([4, 3, 5])
    """

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each element of (N, C, H, W) brought to mean 0 and variance 1.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics and use them in evaluation.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ulyanov et al. (2016).

    Example:
        >>> cb.nn.InstanceNorm2d(3)(cb.ones(4, 3, 2, 2)).shape
        candelabra.Size([4, 3, 2, 2])
    """

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each element of (N, C, D, H, W) brought to mean 0 and variance 1.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: share of a batch in the running statistics.
        affine: scale and shift by trained parameters.
        track_running_stats: keep running statistics and use them in evaluation.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Source: Ulyanov et al. (2016).

    Example:
        >>> cb.nn.InstanceNorm3d(3)(cb.ones(4, 3, 2, 2, 2)).shape
        candelabra.Size([4, 3, 2, 2, 2])
    """

    dims = (4, 5)


def _as_sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(Module):
    """The trailing dims brought to mean 0 and variance 1, then scaled and shifted.

    Args:
        normalized_shape: sizes of the trailing dims.
        eps: added to the variance.
        elementwise_affine: scale and shift by trained parameters of that shape.
        bias: with `elementwise_affine`, whether to shift.
        device: of the parameters.
        dtype: of the parameters.

    Source: Ba, Kiros and Hinton (2016).

    Example:
        >>> cb.nn.LayerNorm(3)(cb.ones(2, 3)).shape
        candelabra.Size([2, 3])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape, options = self.normalized_shape, {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(shape, **options)) if elementwise_affine else None)
        self.register_parameter("bias", Parameter(empty(shape, **options)) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the scale to 1 and the shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Each group of channels of each element of (N, C, *) brought to mean 0 and variance 1, then scaled and shifted.

    Args:
        num_groups: number of groups; divides the number of channels.
        num_channels: number of channels.
        eps: added to the variance.
        affine: scale and shift each channel by trained parameters.
        device: of the parameters.
        dtype: of the parameters.
        bias: with `affine`, whether to shift.

    Raises:
        ArgumentError: `num_groups` does not divide `num_channels`.

    Source: Wu and He (2018).

    Example:
        >>> cb.nn.GroupNorm(2, 4)(cb.ones(3, 4, 5)).shape
        candelabra.Size([3, 4, 5])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm: num_groups must divide num_channels, got num_groups={num_groups}, "
                f"num_channels={num_channels}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        options = {"device": device, "dtype": dtype}
        self.register_parameter("weight", Parameter(empty(num_channels, **options)) if affine else None)
        self.register_parameter("bias", Parameter(empty(num_channels, **options)) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the scale to 1 and the shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """The trailing dims divided by their root mean square, then scaled.

    Args:
        normalized_shape: sizes of the trailing dims.
        eps: added to the mean square; the dtype's spacing at 1 when None.
        elementwise_affine: scale by a trained parameter of that shape.
        device: of the parameter.
        dtype: of the parameter.

    Source: Zhang and Sennrich (2019).

    Example:
        >>> cb.nn.RMSNorm(3)(cb.ones(2, 3)).shape
        candelabra.Size([2, 3])
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the scale to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Each element divided by a power of the mean square of its neighbours in the channel dim.

    Args:
        size: number of neighbours.
        alpha: factor of the mean square.
        beta: the power.
        k: added to the mean square.

    Source: Krizhevsky, Sutskever and Hinton (2012).

    Example:
        >>> cb.nn.LocalResponseNorm(2)(cb.ones(1, 4, 3)).shape
        candelabra.Size([1, 4, 3])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
