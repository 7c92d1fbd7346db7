# SPDX-License-Identifier: Apache-2.0
"""Channels and pixels rearranged."""

from __future__ import annotations

from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module


class PixelShuffle(Module):
    """Channels laid out as squares of pixels: (*, C * r * r, H, W) to (*, C, H * r, W * r).

    Args:
        upscale_factor: r.

    Example:
        >>> cb.nn.PixelShuffle(2)(cb.ones(1, 4, 2, 2)).shape
        candelabra.Size([1, 1, 4, 4])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Squares of pixels laid out as channels, the inverse of `PixelShuffle`.

    Args:
        downscale_factor: r.

    Example:
        >>> cb.nn.PixelUnshuffle(2)(cb.ones(1, 1, 4, 4)).shape
        candelabra.Size([1, 4, 2, 2])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels dealt out from groups in turn.

    Args:
        groups: number of groups.

    Example:
        >>> cb.nn.ChannelShuffle(2)(cb.ones(1, 4, 3)).shape
        candelabra.Size([1, 4, 3])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
