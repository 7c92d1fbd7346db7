# SPDX-License-Identifier: Apache-2.0
"""Pooling over windows of sequences, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, as_tuple
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .window import (
    avg_pool,
    avg_reference,
    check_rank,
    check_windows,
    flat_dims,
    max_pool,
    max_reference,
    reference_bounds,
    scatter_reference,
)

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


Ints = int | Sequence[int]


# -- max pooling -----------------------------------------------------------------------------------------------------


def _steps(name: str, n: int, kernel_size: Ints, stride: Any, padding: Ints) -> tuple[Shape, Shape, Shape]:
    """Kernel, stride (the kernel's sizes when None or empty) and padding as tuples."""
    kernel = as_tuple(name, "kernel_size", kernel_size, n)
    bare = stride is None or (not hasattr(stride, "__index__") and len(stride) == 0)
    return kernel, kernel if bare else as_tuple(name, "stride", stride, n), as_tuple(name, "padding", padding, n)


def _max_pool(
    n: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Any,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{n}d"
    check_rank(name, n, input)
    kernel, steps, pads = _steps(name, n, kernel_size, stride, padding)
    dilations = as_tuple(name, "dilation", dilation, n)
    check_windows(name, input, kernel, steps, pads, dilations, bool(ceil_mode))
    values, indices = max_pool(input, kernel, steps, pads, dilations, bool(ceil_mode))
    return (values, indices) if return_indices else values


def _max_pool_reference(n: int) -> Callable[..., Any]:
    def reference(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        k, s, p, d = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size, padding, dilation))
        dims = zip(input.shape[-n:], k, s, p, d, strict=True)
        found = max_reference(input, [reference_bounds(*dim, ceil_mode) for dim in dims])
        return found if return_indices else found[0]

    return reference


def _pool_samples(n: int, **extra: Any) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        x = Operand((2, 2, *(5, 4, 3)[:n]), distinct=True)
        return [
            Sample(x, 2),
            Sample(x, (3, 2, 2)[:n], 1, 1),
            Sample(x, 2, stride=(2, 1, 2)[:n], ceil_mode=True),
            Sample(Operand((3, *(4, 5, 3)[:n]), distinct=True), 2, padding=1),
            Sample(Operand((0, 2, *(4, 4, 4)[:n]), distinct=True), 2),
            Sample(x, 2, **extra),
        ]

    return samples


def _pool_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x = Operand((1, 2, *(4,) * n))
    return lambda: [
        ErrorSample(ArgumentError, "half of the kernel", x, 2, padding=2),
        ErrorSample(ArgumentError, "kernel_size must be positive", x, 0),
        ErrorSample(ArgumentError, "stride must be positive", x, 2, 0),
        ErrorSample(ArgumentError, "kernel_size must be an int", x, (2,) * (n + 1)),
        ErrorSample(ShapeError, "kernel must fit", x, 5),
        ErrorSample(ShapeError, "dims", Operand((4,) * (n + 3)), 2),
        ErrorSample(ShapeError, "must be positive", Operand((2, 2, *(0,) * n)), 2),
    ]


@op(
    method=False,
    samples=_pool_samples(1, dilation=2, return_indices=True),
    errors=_pool_errors(1),
    reference=_max_pool_reference(1),
    tolerance="exact",
)
def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of each window of a sequence.

    Args:
        input: any real numeric dtype, shape (N, C, L) or (C, L).
        kernel_size: size of the window.
        stride: step of the window; `kernel_size` when None.
        padding: positions at both ends that are never the maximum, at most half of the kernel.
        dilation: step between the window's elements.
        ceil_mode: let a last window reach past the end.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1), ceil instead of floor with
        `ceil_mode`; with `return_indices` also int64 positions in L.

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.max_pool1d(cb.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@op(
    method=False,
    samples=_pool_samples(2, dilation=(2, 1), return_indices=True),
    errors=_pool_errors(2),
    reference=_max_pool_reference(2),
    tolerance="exact",
)
def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of each window of an image.

    Args:
        input: any real numeric dtype, shape (N, C, H, W) or (C, H, W).
        kernel_size: sizes of the window, one or two ints, as the next three.
        stride: steps of the window; `kernel_size` when None.
        padding: positions at both ends that are never the maximum, at most half of the kernel.
        dilation: steps between the window's elements.
        ceil_mode: let last windows reach past the ends.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, *), each size floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, ceil instead
        of floor with `ceil_mode`; with `return_indices` also int64 positions in the flattened (H, W).

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.max_pool2d(cb.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
        tensor([[[4.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@op(
    method=False,
    samples=_pool_samples(3, dilation=(2, 1, 1), return_indices=True),
    errors=_pool_errors(3),
    reference=_max_pool_reference(3),
    tolerance="exact",
)
def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum of each window of a volume.

    Args:
        input: any real numeric dtype, shape (N, C, D, H, W) or (C, D, H, W).
        kernel_size: sizes of the window, one or three ints, as the next three.
        stride: steps of the window; `kernel_size` when None.
        padding: positions at both ends that are never the maximum, at most half of the kernel.
        dilation: steps between the window's elements.
        ceil_mode: let last windows reach past the ends.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, *), each size floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, ceil instead
        of floor with `ceil_mode`; with `return_indices` also int64 positions in the flattened (D, H, W).

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.max_pool3d(cb.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# -- mean pooling ----------------------------------------------------------------------------------------------------


def _avg_pool(
    n: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Any,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    name = f"avg_pool{n}d"
    check_rank(name, n, input)
    kernel, steps, pads = _steps(name, n, kernel_size, stride, padding)
    check_windows(name, input, kernel, steps, pads, (1,) * n, bool(ceil_mode))
    if divisor_override is not None and divisor_override == 0:
        raise ArgumentError(f"{name}: divisor_override must not be 0, got divisor_override=0")
    return avg_pool(input, kernel, steps, pads, bool(ceil_mode), bool(count_include_pad), divisor_override)


def _avg_pool_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any, **more: Any) -> Any:
        k, s, p = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size, padding))
        return avg_reference(input, k, s, p, *rest, **more)

    return reference


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_pool_samples(1, count_include_pad=False, padding=1),
    errors=_pool_errors(1),
    reference=_avg_pool_reference(1),
    tolerance="accumulation",
)
def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window of a sequence.

    Args:
        input: floating or complex, shape (N, C, L) or (C, L).
        kernel_size: size of the window.
        stride: step of the window; `kernel_size` when None.
        padding: zeros at both ends, at most half of the kernel.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding as elements of a window.

    Returns:
        Shape (N, C, floor((L + 2 padding - kernel_size) / stride) + 1), ceil instead of floor with `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.avg_pool1d(cb.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_pool_samples(2, count_include_pad=False, padding=1, divisor_override=3),
    errors=_pool_errors(2),
    reference=_avg_pool_reference(2),
    tolerance="accumulation",
)
def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of an image.

    Args:
        input: floating or complex, shape (N, C, H, W) or (C, H, W).
        kernel_size: sizes of the window, one or two ints, as the next two.
        stride: steps of the window; `kernel_size` when None.
        padding: zeros at both ends, at most half of the kernel.
        ceil_mode: let last windows reach past the ends.
        count_include_pad: count padding as elements of a window.
        divisor_override: divide by it instead of the number of elements.

    Returns:
        Shape (N, C, *), each size floor((size + 2 padding - kernel_size) / stride) + 1, ceil instead of floor with
        `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.avg_pool2d(cb.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
        tensor([[[2.5000]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_pool_samples(3, count_include_pad=False, padding=1, divisor_override=3),
    errors=_pool_errors(3),
    reference=_avg_pool_reference(3),
    tolerance="accumulation",
)
def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Mean of each window of a volume.

    Args:
        input: floating or complex, shape (N, C, D, H, W) or (C, D, H, W).
        kernel_size: sizes of the window, one or three ints, as the next two.
        stride: steps of the window; `kernel_size` when None.
        padding: zeros at both ends, at most half of the kernel.
        ceil_mode: let last windows reach past the ends.
        count_include_pad: count padding as elements of a window.
        divisor_override: divide by it instead of the number of elements.

    Returns:
        Shape (N, C, *), each size floor((size + 2 padding - kernel_size) / stride) + 1, ceil instead of floor with
        `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.avg_pool3d(cb.ones(1, 2, 2, 2), 2)
        tensor([[[[1.]]]])
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# -- power means -----------------------------------------------------------------------------------------------------


def _lp_pool(n: int, input: Tensor, norm_type: float, kernel_size: Ints, stride: Any, ceil_mode: bool) -> Tensor:
    name = f"lp_pool{n}d"
    check_rank(name, n, input)
    kernel, steps, _ = _steps(name, n, kernel_size, stride, 0)
    check_windows(name, input, kernel, steps, (0,) * n, (1,) * n, bool(ceil_mode))
    if not norm_type > 0 or norm_type == math.inf:
        raise ArgumentError(f"{name}: norm_type must be positive and finite, got norm_type={norm_type}")
    mean = avg_pool(input**norm_type, kernel, steps, (0,) * n, bool(ceil_mode), True, None)
    return (mean * math.prod(kernel)) ** (1.0 / norm_type)


def _lp_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        k, s = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size))
        return (avg_reference(input**norm_type, k, s, (0,) * n, ceil_mode) * math.prod(k)) ** (1 / norm_type)

    return reference


def _lp_samples(n: int) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        x = Operand((2, 2, *(5, 4, 3)[:n]), 0.5, 2.0)
        return [
            Sample(x, 2.0, 2),
            Sample(x, 1.0, (3, 2, 2)[:n], 1),
            Sample(x, 3.0, 2, 2, True),
            Sample(Operand((2, *(5, 4, 3)[:n]), 0.5, 2.0), 2.5, 2),
        ]

    return samples


def _lp_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x = Operand((1, 2, *(4,) * n))
    return lambda: [
        ErrorSample(ArgumentError, "norm_type must be positive", x, 0.0, 2),
        ErrorSample(ShapeError, "kernel must fit", x, 2.0, 5),
        ErrorSample(ShapeError, "dims", Operand((4,) * (n + 3)), 2.0, 2),
    ]


@op(
    dtype=rules.floating,
    method=False,
    samples=_lp_samples(1),
    errors=_lp_errors(1),
    reference=_lp_reference(1),
    tolerance="accumulation",
)
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Root of the sum of powers of each window of a sequence.

    Args:
        input: floating, shape (N, C, L) or (C, L).
        norm_type: exponent.
        kernel_size: size of the window.
        stride: step of the window; `kernel_size` when None.
        ceil_mode: let a last window reach past the end; it counts as if filled with its mean.

    Returns:
        Shape (N, C, floor((L - kernel_size) / stride) + 1), ceil instead of floor with `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.lp_pool1d(cb.tensor([[3.0, 4.0]]), 2.0, 2)
        tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@op(
    dtype=rules.floating,
    method=False,
    samples=_lp_samples(2),
    errors=_lp_errors(2),
    reference=_lp_reference(2),
    tolerance="accumulation",
)
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Root of the sum of powers of each window of an image.

    Args:
        input: floating, shape (N, C, H, W) or (C, H, W).
        norm_type: exponent.
        kernel_size: sizes of the window, one or two ints.
        stride: steps of the window; `kernel_size` when None.
        ceil_mode: let last windows reach past the ends; they count as if filled with their mean.

    Returns:
        Shape (N, C, *), each size floor((size - kernel_size) / stride) + 1, ceil instead of floor with `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.lp_pool2d(cb.tensor([[[3.0], [4.0]]]), 2.0, (2, 1))
        tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@op(
    dtype=rules.floating,
    method=False,
    samples=_lp_samples(3),
    errors=_lp_errors(3),
    reference=_lp_reference(3),
    tolerance="accumulation",
)
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """Root of the sum of powers of each window of a volume.

    Args:
        input: floating, shape (N, C, D, H, W) or (C, D, H, W).
        norm_type: exponent.
        kernel_size: sizes of the window, one or three ints.
        stride: steps of the window; `kernel_size` when None.
        ceil_mode: let last windows reach past the ends; they count as if filled with their mean.

    Returns:
        Shape (N, C, *), each size floor((size - kernel_size) / stride) + 1, ceil instead of floor with `ceil_mode`.

    Raises:
        ArgumentError: a number is out of range.
        ShapeError: no window fits, or the wrong number of dims.

    Example:
        >>> cb.lp_pool3d(cb.ones(1, 2, 2, 1), 2.0, (2, 2, 1))
        tensor([[[[2.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- back from maxima ------------------------------------------------------------------------------------------------


def _max_unpool(
    n: int, input: Tensor, indices: Tensor, kernel_size: Ints, stride: Any, padding: Ints, output_size: Any
) -> Tensor:
    name = f"max_unpool{n}d"
    check_rank(name, n, input)
    if input.shape != indices.shape:
        raise ShapeError(
            f"{name}: input and indices must have one shape, got {tuple(input.shape)} and {tuple(indices.shape)}"
        )
    kernel, steps, pads = _steps(name, n, kernel_size, stride, padding)
    sizes = tuple((i - 1) * s - 2 * p + k for i, k, s, p in zip(input.shape[-n:], kernel, steps, pads, strict=True))
    if output_size is not None:
        asked = tuple(output_size)[-n:]
        if len(asked) != n or any(abs(a - size) >= s for a, size, s in zip(asked, sizes, steps, strict=True)):
            raise ArgumentError(f"{name}: output_size must be within a stride of {sizes}, got output_size={asked}")
        sizes = asked
    from ._names import scatter, zeros

    lead = tuple(input.shape[:-n])
    base = zeros((*lead, math.prod(sizes)), dtype=input.dtype, device=input.device)
    return scatter(base, -1, flat_dims(indices, n), flat_dims(input, n)).reshape((*lead, *sizes))


def _unpool_reference(n: int) -> Callable[..., Any]:
    def reference(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        k, s, p = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size, padding))
        sizes = [(input.shape[i - n] - 1) * s[i] - 2 * p[i] + k[i] for i in range(n)]
        return scatter_reference(input, indices, sizes if output_size is None else list(output_size)[-n:])

    return reference


def _unpool_samples(n: int) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        shape = (1, 2, *(2,) * n)
        count = 2**n
        places = (np.arange(2 * count).reshape(shape) % count * 2 + 1).tolist()
        index = Operand(values=places, dtype="int64", shape=shape)
        return [
            Sample(Operand(shape), index, 2),
            Sample(Operand(shape), index, 3, 2, 0),
            Sample(Operand(shape), index, 2, output_size=(5,) * n),
            Sample(Operand(shape[1:]), Operand(values=places[0], dtype="int64", shape=shape[1:]), 2, 2),
        ]

    return samples


def _unpool_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x = Operand((1, 2, *(2,) * n))
    index = Operand((1, 2, *(2,) * n), dtype="int64", low=0, high=1)
    return lambda: [
        ErrorSample(ShapeError, "one shape", x, Operand((1, 1, *(2,) * n), dtype="int64", low=0, high=1), 2),
        ErrorSample(ArgumentError, "within a stride", x, index, 2, output_size=(9,) * n),
    ]


@op(
    method=False,
    fixed={"indices": (_dtype.int64,)},
    samples=_unpool_samples(1),
    errors=_unpool_errors(1),
    reference=_unpool_reference(1),
    tolerance="exact",
)
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima put back where `max_pool1d` found them, among zeros.

    Args:
        input: any dtype that computes, shape (N, C, L) or (C, L).
        indices: int64, the shape of `input`: positions from `max_pool1d(..., return_indices=True)`.
        kernel_size: as of the pooling.
        stride: as of the pooling.
        padding: as of the pooling.
        output_size: size of the result, where the pooling left more than one possible.

    Returns:
        Shape (N, C, (L - 1) stride - 2 padding + kernel_size), or `output_size` as the last size.

    Raises:
        ShapeError: `input` and `indices` differ in shape.
        ArgumentError: `output_size` is a stride or more away.
        DimError: an index is out of range.

    Example:
        >>> cb.max_unpool1d(cb.tensor([[3.0, 2.0]]), cb.tensor([[1, 2]]), 2)
        tensor([[0., 3., 2., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@op(
    method=False,
    fixed={"indices": (_dtype.int64,)},
    samples=_unpool_samples(2),
    errors=_unpool_errors(2),
    reference=_unpool_reference(2),
    tolerance="exact",
)
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima put back where `max_pool2d` found them, among zeros.

    Args:
        input: any dtype that computes, shape (N, C, H, W) or (C, H, W).
        indices: int64, the shape of `input`: positions from `max_pool2d(..., return_indices=True)`.
        kernel_size: as of the pooling.
        stride: as of the pooling.
        padding: as of the pooling.
        output_size: sizes of the result, where the pooling left more than one possible.

    Returns:
        Shape (N, C, *), each size (size - 1) stride - 2 padding + kernel_size, or `output_size` as the last sizes.

    Raises:
        ShapeError: `input` and `indices` differ in shape.
        ArgumentError: `output_size` is a stride or more away.
        DimError: an index is out of range.

    Example:
        >>> cb.max_unpool2d(cb.tensor([[[4.0]]]), cb.tensor([[[2]]]), 2)
        tensor([[[0., 0.],
                 [4., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@op(
    method=False,
    fixed={"indices": (_dtype.int64,)},
    samples=_unpool_samples(3),
    errors=_unpool_errors(3),
    reference=_unpool_reference(3),
    tolerance="exact",
)
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Ints,
    stride: Any = None,
    padding: Ints = 0,
    output_size: Any = None,
) -> Tensor:
    """Maxima put back where `max_pool3d` found them, among zeros.

    Args:
        input: any dtype that computes, shape (N, C, D, H, W) or (C, D, H, W).
        indices: int64, the shape of `input`: positions from `max_pool3d(..., return_indices=True)`.
        kernel_size: as of the pooling.
        stride: as of the pooling.
        padding: as of the pooling.
        output_size: sizes of the result, where the pooling left more than one possible.

    Returns:
        Shape (N, C, *), each size (size - 1) stride - 2 padding + kernel_size, or `output_size` as the last sizes.

    Raises:
        ShapeError: `input` and `indices` differ in shape.
        ArgumentError: `output_size` is a stride or more away.
        DimError: an index is out of range.

    Example:
        >>> cb.max_unpool3d(cb.tensor([[[[4.0]]]]), cb.tensor([[[[1]]]]), (1, 1, 2))
        tensor([[[[0., 4.]]]])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
