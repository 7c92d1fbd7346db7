# SPDX-License-Identifier: Apache-2.0
"""Convolutions and transposed convolutions over 1, 2 and 3 dims."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .._errors import ArgumentError
from ..ops.convolution import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ..ops.creation import empty
from ..tensor._tensor import Tensor
from . import init
from ._module import Module
from ._parameter import Parameter
from .functional import pad

Ints = int | Sequence[int]

_MODES = ("zeros", "reflect", "replicate", "circular")


def each_dim(what: str, value: Any, ndim: int) -> tuple[int, ...]:
    """One int for each spatial dim, from one for all or a sequence of them.

    Raises:
        ArgumentError: the sequence has another length.
    """
    if not isinstance(value, (tuple, list)):
        return (value,) * ndim
    if len(value) != ndim:
        raise ArgumentError(f"{what}: must have one value for each of {ndim} dims, got {tuple(value)}")
    return tuple(value)


class _Convolution(Module):
    """What all convolutions share: sizes, weight and bias."""

    ndim: int
    transposed = False
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints | str,
        dilation: Ints,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
        output_padding: Ints = 0,
    ) -> None:
        super().__init__()
        what, ndim = type(self).__name__, self.ndim
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{what}: groups must divide in_channels and out_channels, got groups={groups}, "
                f"in_channels={in_channels}, out_channels={out_channels}"
            )
        if padding_mode not in _MODES or (self.transposed and padding_mode != "zeros"):
            allowed = "'zeros'" if self.transposed else f"one of {_MODES}"
            raise ArgumentError(f"{what}: padding_mode must be {allowed}, got {padding_mode!r}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each_dim(f"{what}: kernel_size", kernel_size, ndim)
        self.stride = each_dim(f"{what}: stride", stride, ndim)
        self.dilation = each_dim(f"{what}: dilation", dilation, ndim)
        self.output_padding = each_dim(f"{what}: output_padding", output_padding, ndim)
        self.groups = groups
        self.padding_mode = padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ArgumentError(f"{what}: padding must be ints, 'same' or 'valid', got {padding!r}")
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ArgumentError(f"{what}: padding 'same' needs stride 1, got stride={self.stride}")
            self.padding: Any = padding
        else:
            self.padding = each_dim(f"{what}: padding", padding, ndim)
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty(*shape, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.numel() // max(self.weight.shape[0], 1)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _pads(self) -> list[int]:
        """Padding before and after each dim, last dim first, as `pad` takes it."""
        sizes: list[int] = []
        for i in reversed(range(self.ndim)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sizes += [total // 2, total - total // 2]
            else:
                sizes += [0, 0] if self.padding == "valid" else [self.padding[i]] * 2
        return sizes

    def _convolve(self, function: Callable[..., Tensor], input: Tensor) -> Tensor:
        if self.padding_mode == "zeros":
            return function(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        padded = pad(input, self._pads(), mode=self.padding_mode)
        return function(padded, self.weight, self.bias, self.stride, (0,) * self.ndim, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            f"padding={self.padding}" if any(p != 0 for p in self.padding) else "",
            f"dilation={self.dilation}" if any(d != 1 for d in self.dilation) else "",
            f"output_padding={self.output_padding}" if any(self.output_padding) else "",
            f"groups={self.groups}" if self.groups != 1 else "",
            "bias=False" if self.bias is None else "",
            f"padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "",
        ]
        return ", ".join(part for part in parts if part)


class Conv1d(_Convolution):
    """Convolution over one dim with a trained kernel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps of the kernel.
        padding: elements added on both sides of each dim; `"same"` keeps the sizes, `"valid"` adds none.
        dilation: steps between elements of the kernel.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: `zeros`, `reflect`, `replicate` or `circular`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (out_channels, in_channels / groups, *kernel_size), uniform within 1 / sqrt(fan_in) at first.
        bias: shape (out_channels), likewise, or None.

    Example:
        >>> cb.nn.Conv1d(2, 3, 3, padding=1)(cb.ones(1, 2, 5)).shape
        candelabra.Size([1, 3, 5])
    """

    ndim = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(conv1d, input)


class Conv2d(_Convolution):
    """Convolution over two dims with a trained kernel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps of the kernel.
        padding: elements added on both sides of each dim; `"same"` keeps the sizes, `"valid"` adds none.
        dilation: steps between elements of the kernel.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: `zeros`, `reflect`, `replicate` or `circular`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (out_channels, in_channels / groups, *kernel_size), uniform within 1 / sqrt(fan_in) at first.
        bias: shape (out_channels), likewise, or None.

    Example:
        >>> cb.nn.Conv2d(2, 3, 3, padding=1)(cb.ones(1, 2, 5, 5)).shape
        candelabra.Size([1, 3, 5, 5])
    """

    ndim = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(conv2d, input)


class Conv3d(_Convolution):
    """Convolution over three dims with a trained kernel.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps of the kernel.
        padding: elements added on both sides of each dim; `"same"` keeps the sizes, `"valid"` adds none.
        dilation: steps between elements of the kernel.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        padding_mode: `zeros`, `reflect`, `replicate` or `circular`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (out_channels, in_channels / groups, *kernel_size), uniform within 1 / sqrt(fan_in) at first.
        bias: shape (out_channels), likewise, or None.

    Example:
        >>> cb.nn.Conv3d(2, 3, 3, padding=1)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 3, 4, 4, 4])
    """

    ndim = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(conv3d, input)


class _TransposedConvolution(_Convolution):
    """A transposed convolution, whose result may be asked to have a given size."""

    transposed = True

    def _transpose(self, function: Callable[..., Tensor], input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        extra = self.output_padding if output_size is None else self._padding_for(input, tuple(output_size))
        options = self.stride, self.padding, extra, self.groups, self.dilation
        return function(input, self.weight, self.bias, *options)

    def _padding_for(self, input: Tensor, output_size: tuple[int, ...]) -> tuple[int, ...]:
        """The output padding that gives a size; all strides' worth of sizes have one."""
        sizes = output_size[-self.ndim :]
        smallest = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                input.shape[-self.ndim :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        extra = tuple(size - low for size, low in zip(sizes, smallest, strict=True))
        if any(not 0 <= e < max(s, d) for e, s, d in zip(extra, self.stride, self.dilation, strict=True)):
            largest = [low + max(s, d) - 1 for low, s, d in zip(smallest, self.stride, self.dilation, strict=True)]
            raise ArgumentError(
                f"{type(self).__name__}: output_size must be from {tuple(smallest)} to {tuple(largest)}, got {sizes}"
            )
        return extra


class ConvTranspose1d(_TransposedConvolution):
    """Transposed convolution over one dim: the gradient of a convolution with respect to its input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps between the places of the input's elements in the result.
        padding: elements taken off both sides of each dim of the result.
        output_padding: elements added to one side of each dim of the result.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: steps between elements of the kernel.
        padding_mode: `zeros`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (in_channels, out_channels / groups, *kernel_size).
        bias: shape (out_channels), or None.

    Example:
        >>> cb.nn.ConvTranspose1d(2, 3, 3, padding=1)(cb.ones(1, 2, 5)).shape
        candelabra.Size([1, 3, 5])
    """

    ndim = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype, output_padding,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(conv_transpose1d, input, output_size)


class ConvTranspose2d(_TransposedConvolution):
    """Transposed convolution over two dims: the gradient of a convolution with respect to its input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps between the places of the input's elements in the result.
        padding: elements taken off both sides of each dim of the result.
        output_padding: elements added to one side of each dim of the result.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: steps between elements of the kernel.
        padding_mode: `zeros`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (in_channels, out_channels / groups, *kernel_size).
        bias: shape (out_channels), or None.

    Example:
        >>> cb.nn.ConvTranspose2d(2, 3, 3, padding=1)(cb.ones(1, 2, 5, 5)).shape
        candelabra.Size([1, 3, 5, 5])
    """

    ndim = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype, output_padding,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(conv_transpose2d, input, output_size)


class ConvTranspose3d(_TransposedConvolution):
    """Transposed convolution over three dims: the gradient of a convolution with respect to its input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: an int, or one for each dim.
        stride: steps between the places of the input's elements in the result.
        padding: elements taken off both sides of each dim of the result.
        output_padding: elements added to one side of each dim of the result.
        groups: number of groups of channels that do not see each other.
        bias: whether to add a bias.
        dilation: steps between elements of the kernel.
        padding_mode: `zeros`.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (in_channels, out_channels / groups, *kernel_size).
        bias: shape (out_channels), or None.

    Example:
        >>> cb.nn.ConvTranspose3d(2, 3, 3, padding=1)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 3, 4, 4, 4])
    """

    ndim = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device,
            dtype, output_padding,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._transpose(conv_transpose3d, input, output_size)
