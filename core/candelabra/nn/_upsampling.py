# SPDX-License-Identifier: Apache-2.0
"""Resizing of the spatial dims."""

from __future__ import annotations

from typing import Any

from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module


class Upsample(Module):
    """The spatial dims of (N, C, *) resized; see `functional.interpolate`.

    Args:
        size: sizes of the result, one for all dims or one each.
        scale_factor: factor of the sizes, in place of `size`.
        mode: `nearest`, `linear`, `bilinear`, `bicubic` or `trilinear`.
        align_corners: map the centres of the corner elements on each other.
        recompute_scale_factor: take the scale from the sizes instead of from `scale_factor`.

    Example:
        >>> cb.nn.Upsample(scale_factor=2)(cb.ones(1, 1, 2, 2)).shape
        candelabra.Size([1, 1, 4, 4])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        target = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{target}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """(N, C, H, W) resized by repeating elements.

    Args:
        size: sizes of the result.
        scale_factor: factor of the sizes, in place of `size`.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """(N, C, H, W) resized by linear interpolation, corners on corners.

    Args:
        size: sizes of the result.
        scale_factor: factor of the sizes, in place of `size`.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
