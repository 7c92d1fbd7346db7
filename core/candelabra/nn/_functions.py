# SPDX-License-Identifier: Apache-2.0
"""Functions of layers that are a few ops each: rearranged channels, distances, and a random activation."""

from __future__ import annotations

from .._errors import ArgumentError, ShapeError
from ..op._checked import checked
from ..ops.activation import leaky_relu
from ..ops.comparison import where
from ..ops.drawing import rand_like
from ..ops.norm import vector_norm
from ..ops.softmax import softmax
from ..tensor._tensor import Tensor


@checked
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """`x` where positive, else `a * x` with `a` drawn between the bounds in training, their mean otherwise.

    Args:
        input: floating dtype, shape (*).
        lower: lower bound of `a`.
        upper: upper bound of `a`.
        training: draw `a` for each element.
        inplace: write into the input.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `lower` is above `upper`.

    Source: Xu et al. (2015).

    Example:
        >>> cb.nn.functional.rrelu(cb.tensor([-8.0, 2.0]), 0.25, 0.75)
        tensor([-4.,  2.])
    """
    if lower > upper:
        raise ArgumentError(f"rrelu: lower must not be above upper, got lower={lower}, upper={upper}")
    if not training:
        slope = (lower + upper) / 2
        return input.mul_(where(input > 0, 1.0, slope).to(input.dtype)) if inplace else leaky_relu(input, slope)
    drawn = rand_like(input.detach()) * (upper - lower) + lower
    factor = where(input > 0, 1.0, drawn)
    return input.mul_(factor) if inplace else input * factor


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """`p`-norm of `x1 - x2 + eps` over the last dim.

    Args:
        x1: floating dtype, shape (*, D).
        x2: broadcastable with `x1`.
        p: order of the norm.
        eps: added to the difference, for a gradient where it is zero.
        keepdim: keep the last dim with size 1.

    Returns:
        The broadcast shape without its last dim.

    Example:
        >>> cb.nn.functional.pairwise_distance(cb.tensor([3.0, 0.0]), cb.tensor([0.0, 4.0]), eps=0.0)
        tensor(5.)
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels laid out as squares of pixels: (*, C * r * r, H, W) to (*, C, H * r, W * r).

    Args:
        input: any dtype, shape (*, C * r * r, H, W).
        upscale_factor: r.

    Returns:
        Shape (*, C, H * r, W * r).

    Raises:
        ShapeError: fewer than 3 dims, or channels that r * r does not divide.

    Source: Shi et al. (2016).

    Example:
        >>> cb.nn.functional.pixel_shuffle(cb.arange(4.0).reshape(4, 1, 1), 2).tolist()
        [[[0.0, 1.0], [2.0, 3.0]]]
    """
    r = upscale_factor
    if r < 1 or input.dim() < 3 or input.shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: needs 3 dims and channels divisible by upscale_factor**2, got {tuple(input.shape)}, "
            f"upscale_factor={r}"
        )
    *batch, channels, height, width = input.shape
    n = len(batch)
    split = input.reshape(*batch, channels // (r * r), r, r, height, width)
    split = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return split.reshape(*batch, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Squares of pixels laid out as channels, the inverse of `pixel_shuffle`.

    Args:
        input: any dtype, shape (*, C, H * r, W * r).
        downscale_factor: r.

    Returns:
        Shape (*, C * r * r, H, W).

    Raises:
        ShapeError: fewer than 3 dims, or sizes that r does not divide.

    Example:
        >>> cb.nn.functional.pixel_unshuffle(cb.arange(4.0).reshape(1, 2, 2), 2).shape
        candelabra.Size([4, 1, 1])
    """
    r = downscale_factor
    if r < 1 or input.dim() < 3 or input.shape[-1] % r or input.shape[-2] % r:
        raise ShapeError(
            f"pixel_unshuffle: needs 3 dims and sizes divisible by downscale_factor, got {tuple(input.shape)}, "
            f"downscale_factor={r}"
        )
    *batch, channels, height, width = input.shape
    n = len(batch)
    split = input.reshape(*batch, channels, height // r, r, width // r, r)
    split = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return split.reshape(*batch, channels * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels dealt out from groups in turn: the first of each group, then the second of each, and so on.

    Args:
        input: any dtype, shape (N, C, *).
        groups: number of groups; divides C.

    Returns:
        Shape (N, C, *).

    Raises:
        ShapeError: fewer than 3 dims, or groups that do not divide the channels.

    Source: Zhang et al. (2018).

    Example:
        >>> cb.nn.functional.channel_shuffle(cb.arange(4).reshape(1, 4, 1), 2).reshape(4)
        tensor([0, 2, 1, 3])
    """
    if groups < 1 or input.dim() < 3 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: needs 3 dims and channels divisible by groups, got {tuple(input.shape)}, groups={groups}"
        )
    batch, channels, *rest = input.shape
    split = input.reshape(batch, groups, channels // groups, *rest).transpose(1, 2)
    return split.reshape(batch, channels, *rest)


@checked
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A random draw from a categorical distribution that can be differentiated.

    Args:
        logits: unnormalised log-probabilities, floating dtype, shape (*).
        tau: temperature; near 0 the results are near one-hot.
        hard: give one-hot results with the gradient of the soft ones.
        eps: accepted for PyTorch's sake.
        dim: dim of the classes.

    Returns:
        Shape (*), adding up to 1 over `dim`.

    Source: Jang, Gu and Poole (2017); Maddison, Mnih and Teh (2017).

    Example:
        >>> cb.nn.functional.gumbel_softmax(cb.zeros(3), hard=True).sum()
        tensor(1.)
    """
    # 1 - u lies in (0, 1]: the first logarithm is finite, the second -inf at worst, which softmax takes.
    noise = -(-(1 - rand_like(logits.detach())).log()).log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.detach().argmax(dim, keepdim=True)
    one_hot = (soft.detach() * 0).scatter(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft
