# SPDX-License-Identifier: Apache-2.0
"""Pooling over 1, 2 and 3 dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor._tensor import Tensor
from . import functional as F
from ._convolution import each_dim
from ._module import Module

Ints = int | Sequence[int]


class _MaxPool(Module):
    """What the max poolings share."""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _options(self) -> tuple[Any, ...]:
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window over one dim.

    Args:
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements added on both sides, which are never the largest.
        dilation: steps between elements of the window.
        return_indices: give the places of the elements too.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.MaxPool1d(2)(cb.ones(1, 2, 6)).shape
        candelabra.Size([1, 2, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(input, *self._options())


class MaxPool2d(_MaxPool):
    """The largest element of each window over two dims.

    Args:
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements added on both sides, which are never the largest.
        dilation: steps between elements of the window.
        return_indices: give the places of the elements too.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.MaxPool2d(2)(cb.ones(1, 2, 6, 6)).shape
        candelabra.Size([1, 2, 3, 3])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(input, *self._options())


class MaxPool3d(_MaxPool):
    """The largest element of each window over three dims.

    Args:
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements added on both sides, which are never the largest.
        dilation: steps between elements of the window.
        return_indices: give the places of the elements too.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.MaxPool3d(2)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(input, *self._options())


class AvgPool1d(Module):
    """The mean of each window over one dim.

    Args:
        kernel_size: size of the window.
        stride: steps of the window; its size when None.
        padding: zeros added on both sides.
        ceil_mode: keep the windows that begin inside and end outside.
        count_include_pad: count the added zeros.

    Example:
        >>> cb.nn.AvgPool1d(2)(cb.ones(1, 2, 6)).shape
        candelabra.Size([1, 2, 3])
    """

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = each_dim("AvgPool1d: kernel_size", kernel_size, 1)
        self.stride = each_dim("AvgPool1d: stride", self.kernel_size if stride is None else stride, 1)
        self.padding = each_dim("AvgPool1d: padding", padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """What the average poolings over two and three dims share."""

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _options(self) -> tuple[Any, ...]:
        return (
            self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window over two dims.

    Args:
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: zeros added on both sides.
        ceil_mode: keep the windows that begin inside and end outside.
        count_include_pad: count the added zeros.
        divisor_override: divide by this number instead of the window's size.

    Example:
        >>> cb.nn.AvgPool2d(2)(cb.ones(1, 2, 6, 6)).shape
        candelabra.Size([1, 2, 3, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, *self._options())


class AvgPool3d(_AvgPool):
    """The mean of each window over three dims.

    Args:
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: zeros added on both sides.
        ceil_mode: keep the windows that begin inside and end outside.
        count_include_pad: count the added zeros.
        divisor_override: divide by this number instead of the window's size.

    Example:
        >>> cb.nn.AvgPool3d(2)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(input, *self._options())


class _AdaptiveAvgPool(Module):
    """What the adaptive average poolings share."""

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of windows over one dim, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.

    Example:
        >>> cb.nn.AdaptiveAvgPool1d(2)(cb.ones(1, 2, 6)).shape
        candelabra.Size([1, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of windows over two dims, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.

    Example:
        >>> cb.nn.AdaptiveAvgPool2d((2, None))(cb.ones(1, 2, 6, 6)).shape
        candelabra.Size([1, 2, 2, 6])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean of windows over three dims, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.

    Example:
        >>> cb.nn.AdaptiveAvgPool3d(2)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(Module):
    """What the adaptive max poolings share."""

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest element of windows over one dim, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.
        return_indices: give the places of the elements too.

    Example:
        >>> cb.nn.AdaptiveMaxPool1d(2)(cb.ones(1, 2, 6)).shape
        candelabra.Size([1, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest element of windows over two dims, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.
        return_indices: give the places of the elements too.

    Example:
        >>> cb.nn.AdaptiveMaxPool2d((2, None))(cb.ones(1, 2, 6, 6)).shape
        candelabra.Size([1, 2, 2, 6])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest element of windows over three dims, as many as asked for.

    Args:
        output_size: sizes of the result, an int or one for each dim; None keeps the input's.
        return_indices: give the places of the elements too.

    Example:
        >>> cb.nn.AdaptiveMaxPool3d(2)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _LPPool(Module):
    """What the power-average poolings share."""

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def _options(self) -> tuple[Any, ...]:
        return float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The root of the sum of powers in each window over one dim.

    Args:
        norm_type: the power.
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.LPPool1d(2, 2)(cb.ones(1, 2, 6)).shape
        candelabra.Size([1, 2, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, *self._options())


class LPPool2d(_LPPool):
    """The root of the sum of powers in each window over two dims.

    Args:
        norm_type: the power.
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.LPPool2d(2, 2)(cb.ones(1, 2, 6, 6)).shape
        candelabra.Size([1, 2, 3, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, *self._options())


class LPPool3d(_LPPool):
    """The root of the sum of powers in each window over three dims.

    Args:
        norm_type: the power.
        kernel_size: size of the window, an int or one for each dim.
        stride: steps of the window; its size when None.
        ceil_mode: keep the windows that begin inside and end outside.

    Example:
        >>> cb.nn.LPPool3d(2, 2)(cb.ones(1, 2, 4, 4, 4)).shape
        candelabra.Size([1, 2, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, *self._options())


class _MaxUnpool(Module):
    """What the max unpoolings share."""

    ndim: int

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        what = type(self).__name__
        self.kernel_size = each_dim(f"{what}: kernel_size", kernel_size, self.ndim)
        self.stride = each_dim(f"{what}: stride", self.kernel_size if stride is None else stride, self.ndim)
        self.padding = each_dim(f"{what}: padding", padding, self.ndim)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Elements put back where max pooling over one dim took them from, zeros elsewhere.

    Args:
        kernel_size: size of the pooling's window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements the pooling added on both sides.

    Example:
        >>> pooled, places = cb.nn.MaxPool1d(2, return_indices=True)(cb.ones(1, 2, 6))
        >>> cb.nn.MaxUnpool1d(2)(pooled, places).shape
        candelabra.Size([1, 2, 6])
    """

    ndim = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpool):
    """Elements put back where max pooling over two dims took them from, zeros elsewhere.

    Args:
        kernel_size: size of the pooling's window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements the pooling added on both sides.

    Example:
        >>> pooled, places = cb.nn.MaxPool2d(2, return_indices=True)(cb.ones(1, 2, 6, 6))
        >>> cb.nn.MaxUnpool2d(2)(pooled, places).shape
        candelabra.Size([1, 2, 6, 6])
    """

    ndim = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpool):
    """Elements put back where max pooling over three dims took them from, zeros elsewhere.

    Args:
        kernel_size: size of the pooling's window, an int or one for each dim.
        stride: steps of the window; its size when None.
        padding: elements the pooling added on both sides.

    Example:
        >>> pooled, places = cb.nn.MaxPool3d(2, return_indices=True)(cb.ones(1, 2, 4, 4, 4))
        >>> cb.nn.MaxUnpool3d(2)(pooled, places).shape
        candelabra.Size([1, 2, 4, 4, 4])
    """

    ndim = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
