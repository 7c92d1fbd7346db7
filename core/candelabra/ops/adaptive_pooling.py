# SPDX-License-Identifier: Apache-2.0
"""Pooling over as many windows as asked for, of sizes as equal as integers allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._errors import ArgumentError, OutOfMemoryError, ShapeError
from .._shape import Shape, adaptive_bounds, as_tuple, check_allocatable
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .window import avg_pool, check_rank, max_pool_input_grad, max_reference, ordered, reduce_windows

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]


def _output_size(name: str, n: int, output_size: Any, input: Tensor) -> Shape:
    """Sizes asked for; None keeps that of `input`."""
    check_rank(name, n, input)
    asked = (output_size,) * n if output_size is None or hasattr(output_size, "__index__") else tuple(output_size)
    if len(asked) != n:
        raise ArgumentError(f"{name}: output_size must be an int or {n} ints, got output_size={output_size!r}")
    kept = [size if a is None else a for a, size in zip(asked, input.shape[-n:], strict=True)]
    sizes = as_tuple(name, "output_size", kept, n)
    if min(sizes) < 1:
        raise ArgumentError(f"{name}: output_size must be positive, got output_size={sizes}")
    check_allocatable(name, (*input.shape[:-n], *sizes))
    return sizes


def _windows_shape(input: Any, output_size: Shape) -> list[Shape]:
    if not output_size or min(output_size) < 1 or len(output_size) > input.dim():
        raise ArgumentError(
            f"adaptive_max_pool: one positive size a dim, got output_size={output_size} for shape {tuple(input.shape)}"
        )
    shape = (*input.shape[: -len(output_size)], *output_size)
    check_allocatable("adaptive_max_pool", shape)
    return [shape, shape]


@op(
    dtype=ordered,
    shape=_windows_shape,
    method=False,
    nondifferentiable=(1,),
    samples=lambda: [
        Sample(Operand((2, 7), distinct=True), (3,)),
        Sample(Operand((2, 5, 4), distinct=True), (2, 3)),
        Sample(Operand((2, 3, 4, 5), distinct=True), (1, 4, 7)),
        Sample(Operand((0, 2, 5), distinct=True), (2,)),
    ],
    reference=lambda input, output_size: max_reference(
        input,
        [
            [list(range(a, b)) for a, b in zip(*adaptive_bounds(size, count), strict=True)]
            for size, count in zip(input.shape[-len(output_size) :], output_size, strict=True)
        ],
    ),
    errors=lambda: [
        ErrorSample(ArgumentError, "one positive size", Operand((2, 7)), (0,)),
        ErrorSample(ArgumentError, "one positive size", Operand((2, 7)), (1, 1, 1)),
        ErrorSample(OutOfMemoryError, "no device holds", Operand((2, 7)), (1 << 70,)),
    ],
    tolerance="exact",
)
def adaptive_max_pool(input: Tensor, output_size: Shape) -> tuple[Tensor, Tensor]:
    """Maximum of each of as many windows as asked for, spread evenly over the last dims, and where it lies.

    Args:
        input: any real numeric dtype, shape (*, *sizes).
        output_size: numbers of windows, a tuple with one int a spatial dim.

    Returns:
        Values, shape (*, *output_size), and int64 indices of the same shape into the flattened sizes.

    Raises:
        ArgumentError: a number of windows is not positive, or there are more than dims.

    Example:
        >>> cb.adaptive_max_pool(cb.tensor([[1.0, 3.0, 2.0]]), (2,))
        (tensor([[3., 3.]]), tensor([[1, 1]]))
    """
    ...


adaptive_max_pool.vjp(
    input=lambda grad, out, input_shape, output_size: max_pool_input_grad(
        grad[0],
        out[1],
        input_shape[-len(output_size) :],
        all(size % count == 0 for size, count in zip(input_shape[-len(output_size) :], output_size, strict=True)),
    )
)


# -- maxima ----------------------------------------------------------------------------------------------------------


def _adaptive_max(n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    values, indices = adaptive_max_pool(input, _output_size(f"adaptive_max_pool{n}d", n, output_size, input))
    return (values, indices) if return_indices else values


def _adaptive_samples(n: int, **extra: Any) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        x = Operand((2, 2, *(6, 4, 3)[:n]), distinct=True)
        return [
            Sample(x, 1),
            Sample(x, 3 if n == 1 else (3, 2, 3)[:n]),
            Sample(x, (4, 3, 2)[:n]),
            Sample(Operand((3, *(5, 4, 3)[:n]), distinct=True), (2, None, 1)[:n]),
            Sample(Operand((0, 2, *(4, 4, 4)[:n]), distinct=True), 2),
            Sample(x, (7, 5, 4)[:n], **extra),
        ]

    return samples


def _adaptive_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x = Operand((1, 2, *(4,) * n))
    return lambda: [
        ErrorSample(ArgumentError, "output_size must be positive", x, 0),
        ErrorSample(ArgumentError, "output_size must be an int", x, (2,) * (n + 1)),
        ErrorSample(OutOfMemoryError, "no device holds", x, 1 << 70),
        ErrorSample(ShapeError, "dims", Operand((4,) * (n + 3)), 2),
        ErrorSample(ShapeError, "sizes must be positive", Operand((2, 2, *(0,) * n)), 2),
    ]


def _adaptive_bounds_of(input: Any, n: int, output_size: Any) -> list[list[list[int]]]:
    asked = (output_size,) * n if isinstance(output_size, int) else tuple(output_size)
    dims = [(size, size if count is None else count) for size, count in zip(input.shape[-n:], asked, strict=True)]
    return [[list(range(a, b)) for a, b in zip(*adaptive_bounds(*dim), strict=True)] for dim in dims]


def _adaptive_max_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        found = max_reference(input, _adaptive_bounds_of(input, n, output_size))
        return found if return_indices else found[0]

    return reference


@op(
    method=False,
    samples=_adaptive_samples(1, return_indices=True),
    errors=_adaptive_errors(1),
    reference=_adaptive_max_reference(1),
    tolerance="exact",
)
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum of each of as many windows of a sequence as asked for.

    Args:
        input: any real numeric dtype, shape (N, C, L) or (C, L).
        output_size: number of windows; None for L.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, output_size); with `return_indices` also int64 positions in L.

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_max_pool1d(cb.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[3., 3.]])
    """
    return _adaptive_max(1, input, output_size, return_indices)


@op(
    method=False,
    samples=_adaptive_samples(2, return_indices=True),
    errors=_adaptive_errors(2),
    reference=_adaptive_max_reference(2),
    tolerance="exact",
)
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum of each of as many windows of an image as asked for.

    Args:
        input: any real numeric dtype, shape (N, C, H, W) or (C, H, W).
        output_size: numbers of windows, one or two ints; None keeps a size.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, *output_size); with `return_indices` also int64 positions in the flattened (H, W).

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_max_pool2d(cb.tensor([[[1.0, 2.0], [4.0, 3.0]]]), (2, 1))
        tensor([[[2.],
                 [4.]]])
    """
    return _adaptive_max(2, input, output_size, return_indices)


@op(
    method=False,
    samples=_adaptive_samples(3, return_indices=True),
    errors=_adaptive_errors(3),
    reference=_adaptive_max_reference(3),
    tolerance="exact",
)
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum of each of as many windows of a volume as asked for.

    Args:
        input: any real numeric dtype, shape (N, C, D, H, W) or (C, D, H, W).
        output_size: numbers of windows, one or three ints; None keeps a size.
        return_indices: return (values, indices).

    Returns:
        Shape (N, C, *output_size); with `return_indices` also int64 positions in the flattened (D, H, W).

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_max_pool3d(cb.ones(1, 2, 2, 2), 1)
        tensor([[[[1.]]]])
    """
    return _adaptive_max(3, input, output_size, return_indices)


# -- means -----------------------------------------------------------------------------------------------------------


def _adaptive_mean(input: Tensor, dim: int, count: int) -> Tensor:
    """Means of windows of unequal sizes along one dim: each padded to the longest, and masked."""
    from ._names import where
    from .strided import host_tensor

    starts, ends = adaptive_bounds(input.shape[dim], count)
    lengths = ends - starts
    offsets = np.arange(lengths.max())
    places = np.minimum(starts[:, None] + offsets, input.shape[dim] - 1)
    shape = tuple(input.shape)
    seen = input.index_select(dim, host_tensor(places.reshape(-1), input))
    seen = seen.reshape((*shape[:dim], count, len(offsets), *shape[dim + 1 :]))
    after = (1,) * (len(shape) - dim - 1)
    inside = host_tensor((offsets < lengths[:, None]).reshape(count, len(offsets), *after), input)
    total = where(inside, seen, 0.0).sum(dim + 1)
    return total / host_tensor(lengths.astype(input.dtype.numpy).reshape(count, *after), input)


def _adaptive_avg(n: int, input: Tensor, output_size: Any) -> Tensor:
    counts = _output_size(f"adaptive_avg_pool{n}d", n, output_size, input)
    sizes = tuple(input.shape[-n:])
    if all(count == 1 for count in counts):
        return input.mean(tuple(range(-n, 0)), True)
    if all(size % count == 0 for size, count in zip(sizes, counts, strict=True)):
        kernel = tuple(size // count for size, count in zip(sizes, counts, strict=True))
        return avg_pool(input, kernel, kernel, (0,) * n, False, True, None)
    for dim, (size, count) in enumerate(zip(sizes, counts, strict=True), input.dim() - n):
        if size != count:
            input = _adaptive_mean(input, dim, count)
    return input


def _adaptive_avg_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, output_size: Any) -> Any:
        bounds = _adaptive_bounds_of(input, n, output_size)
        return reduce_windows(input, bounds, lambda window, flat, at: window.mean(-1))

    return reference


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_adaptive_samples(1),
    errors=_adaptive_errors(1),
    reference=_adaptive_avg_reference(1),
    tolerance="accumulation",
)
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Mean of each of as many windows of a sequence as asked for.

    Args:
        input: floating or complex, shape (N, C, L) or (C, L).
        output_size: number of windows; None for L.

    Returns:
        Shape (N, C, output_size).

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_avg_pool1d(cb.tensor([[1.0, 3.0, 2.0]]), 2)
        tensor([[2.0000, 2.5000]])
    """
    return _adaptive_avg(1, input, output_size)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_adaptive_samples(2),
    errors=_adaptive_errors(2),
    reference=_adaptive_avg_reference(2),
    tolerance="accumulation",
)
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean of each of as many windows of an image as asked for.

    Args:
        input: floating or complex, shape (N, C, H, W) or (C, H, W).
        output_size: numbers of windows, one or two ints; None keeps a size.

    Returns:
        Shape (N, C, *output_size).

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_avg_pool2d(cb.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 1)
        tensor([[[2.5000]]])
    """
    return _adaptive_avg(2, input, output_size)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_adaptive_samples(3),
    errors=_adaptive_errors(3),
    reference=_adaptive_avg_reference(3),
    tolerance="accumulation",
)
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean of each of as many windows of a volume as asked for.

    Args:
        input: floating or complex, shape (N, C, D, H, W) or (C, D, H, W).
        output_size: numbers of windows, one or three ints; None keeps a size.

    Returns:
        Shape (N, C, *output_size).

    Raises:
        ArgumentError: `output_size` is not positive.
        ShapeError: the wrong number of dims, or a spatial size of 0.

    Example:
        >>> cb.adaptive_avg_pool3d(cb.ones(1, 2, 2, 2), 1)
        tensor([[[[1.]]]])
    """
    return _adaptive_avg(3, input, output_size)
