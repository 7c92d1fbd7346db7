# SPDX-License-Identifier: Apache-2.0
"""Padding of 1, 2 and 3 trailing dims, with a constant or with the input's own elements."""

from __future__ import annotations

from collections.abc import Sequence

from .._errors import ArgumentError
from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module

Ints = int | Sequence[int]


class _Pad(Module):
    """What all paddings share."""

    ndim: int
    mode: str

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        sizes = (padding,) * (2 * self.ndim) if isinstance(padding, int) else tuple(padding)
        if len(sizes) != 2 * self.ndim:
            raise ArgumentError(
                f"{type(self).__name__}: padding must be an int or {2 * self.ndim} of them, got {tuple(sizes)}"
            )
        self.padding = sizes

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """What the paddings with a given number share."""

    mode = "constant"

    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """The last dim padded with a number.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.
        value: the number.

    Example:
        >>> cb.nn.ConstantPad1d((1, 1), 2.0)(cb.tensor([[1.0, 2.0, 3.0]])).shape
        candelabra.Size([1, 5])
    """

    ndim = 1


class ConstantPad2d(_ConstantPad):
    """The last two dims padded with a number.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.
        value: the number.

    Example:
        >>> cb.nn.ConstantPad2d(1, 2.0)(cb.ones(1, 3, 3)).shape
        candelabra.Size([1, 5, 5])
    """

    ndim = 2


class ConstantPad3d(_ConstantPad):
    """The last three dims padded with a number.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.
        value: the number.

    Example:
        >>> cb.nn.ConstantPad3d(1, 2.0)(cb.ones(1, 3, 3, 3)).shape
        candelabra.Size([1, 5, 5, 5])
    """

    ndim = 3


class ZeroPad1d(_Pad):
    """The last dim padded with zeros.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ZeroPad1d((1, 1))(cb.tensor([[1.0, 2.0, 3.0]])).shape
        candelabra.Size([1, 5])
    """

    ndim = 1
    mode = "constant"


class ZeroPad2d(_Pad):
    """The last two dims padded with zeros.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ZeroPad2d(1)(cb.ones(1, 3, 3)).shape
        candelabra.Size([1, 5, 5])
    """

    ndim = 2
    mode = "constant"


class ZeroPad3d(_Pad):
    """The last three dims padded with zeros.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ZeroPad3d(1)(cb.ones(1, 3, 3, 3)).shape
        candelabra.Size([1, 5, 5, 5])
    """

    ndim = 3
    mode = "constant"


class ReflectionPad1d(_Pad):
    """The last dim padded with the mirror image, without the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReflectionPad1d((1, 1))(cb.tensor([[1.0, 2.0, 3.0]])).shape
        candelabra.Size([1, 5])
    """

    ndim = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """The last two dims padded with the mirror image, without the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReflectionPad2d(1)(cb.ones(1, 3, 3)).shape
        candelabra.Size([1, 5, 5])
    """

    ndim = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """The last three dims padded with the mirror image, without the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReflectionPad3d(1)(cb.ones(1, 3, 3, 3)).shape
        candelabra.Size([1, 5, 5, 5])
    """

    ndim = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The last dim padded with the elements at the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReplicationPad1d((1, 1))(cb.tensor([[1.0, 2.0, 3.0]])).shape
        candelabra.Size([1, 5])
    """

    ndim = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The last two dims padded with the elements at the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReplicationPad2d(1)(cb.ones(1, 3, 3)).shape
        candelabra.Size([1, 5, 5])
    """

    ndim = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The last three dims padded with the elements at the edge.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.ReplicationPad3d(1)(cb.ones(1, 3, 3, 3)).shape
        candelabra.Size([1, 5, 5, 5])
    """

    ndim = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """The last dim padded with the elements at the other end.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.CircularPad1d((1, 1))(cb.tensor([[1.0, 2.0, 3.0]])).shape
        candelabra.Size([1, 5])
    """

    ndim = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """The last two dims padded with the elements at the other end.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.CircularPad2d(1)(cb.ones(1, 3, 3)).shape
        candelabra.Size([1, 5, 5])
    """

    ndim = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """The last three dims padded with the elements at the other end.

    Args:
        padding: elements added on both sides, or for each side of each dim, last dim first.

    Example:
        >>> cb.nn.CircularPad3d(1)(cb.ones(1, 3, 3, 3)).shape
        candelabra.Size([1, 5, 5, 5])
    """

    ndim = 3
    mode = "circular"
