# SPDX-License-Identifier: Apache-2.0
"""Maxima and means over windows of the last dims: the primitives of pooling.

They take tuples, one number for each spatial dim, and leave all dims before those alone, so that an input without a
batch dim needs no care.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, window_count
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "avg_pool",
    "avg_pool_input_grad",
    "max_pool",
    "max_pool_input_grad",
]


# -- checks ----------------------------------------------------------------------------------------------------------


def check_windows(
    name: str, input: Any, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> Shape:
    """Numbers of windows; refuses what does not fit."""
    for label, values in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        if min(values) < 1:
            raise ArgumentError(f"{name}: {label} must be positive, got {label}={values}")
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))
    if any(not 0 <= p <= e // 2 for p, e in zip(padding, extent, strict=True)):
        raise ArgumentError(
            f"{name}: padding must be at most half of the kernel, got padding={padding}, kernel extent {extent}"
        )
    sizes = tuple(input.shape[-len(kernel_size) :])
    ceil = (ceil_mode,) * len(sizes)
    counts = tuple(map(window_count, sizes, kernel_size, stride, padding, dilation, ceil))
    if len(sizes) < len(kernel_size) or min(counts) < 1:
        raise ShapeError(
            f"{name}: kernel must fit the padded input, got kernel extent {extent}, padding={padding} for sizes {sizes}"
        )
    return counts


def check_rank(name: str, n: int, input: Tensor) -> None:
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2):
        raise ShapeError(f"{name}: input must have {n + 1} or {n + 2} dims, got shape {shape}")
    if 0 in shape[-n:]:
        raise ShapeError(f"{name}: spatial sizes must be positive, got shape {shape}")


# -- references ------------------------------------------------------------------------------------------------------


def reference_bounds(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> list[list[int]]:
    """Positions inside the input that each window of a dim sees."""
    count = window_count(size, k, s, p, d, ceil_mode)
    return [[j for j in range(i * s - p, i * s - p + d * (k - 1) + 1, d) if 0 <= j < size] for i in range(count)]


def reduce_windows(input: Any, bounds: list[list[list[int]]], reduce: Callable[[Any, Any, Any], Any]) -> Any:
    """`reduce(window with its dims flattened, positions of each of its elements, window number)` for each window."""
    n = len(bounds)
    shape = input.shape[:-n] + tuple(map(len, bounds))
    out: Any = None
    for at in itertools.product(*(range(len(b)) for b in bounds)):
        places = [b[i] for b, i in zip(bounds, at, strict=True)]
        window = input[(Ellipsis, *np.ix_(*places))].reshape(*input.shape[:-n], math.prod(map(len, places)))
        flat = np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), input.shape[-n:]).reshape(-1)
        value = np.asarray(reduce(window, flat, at))
        out = np.zeros(shape, value.dtype) if out is None else out
        out[(Ellipsis, *at)] = value
    return out


def max_reference(input: Any, bounds: list[list[list[int]]]) -> tuple[Any, Any]:
    values = reduce_windows(input, bounds, lambda window, flat, at: window.max(-1))
    return values, reduce_windows(input, bounds, lambda window, flat, at: flat[window.argmax(-1)])


def avg_reference(
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    sizes = input.shape[-len(kernel_size) :]
    dims = list(zip(sizes, kernel_size, stride, padding, strict=True))
    bounds = [reference_bounds(size, k, s, p, 1, ceil_mode) for size, k, s, p in dims]

    def mean(window: Any, flat: Any, at: Any) -> Any:
        starts = [i * s - p for i, (_, _, s, p) in zip(at, dims, strict=True)]
        inside = math.prod(min(i + k, size + p) - i for i, (size, k, _, p) in zip(starts, dims, strict=True))
        return window.sum(-1) / (divisor_override or (inside if count_include_pad else window.shape[-1]))

    return reduce_windows(input, bounds, mean)


def scatter_reference(grad: Any, indices: Any, input_size: Any, distinct: bool = False) -> Any:
    n = len(input_size)
    shape = (math.prod(grad.shape[:-n]), math.prod(grad.shape[-n:]))
    out = np.zeros((shape[0], math.prod(input_size)), grad.dtype)
    np.add.at(out, (np.arange(shape[0])[:, None], indices.reshape(shape)), grad.reshape(shape))
    return out.reshape(*grad.shape[:-n], *input_size)


# -- primitives ------------------------------------------------------------------------------------------------------


def ordered(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.numeric(name, rules.real(name, found, args)[0], args)[0]
    return compute, (compute, _dtype.int64)


def _max_pool_shape(
    input: Any, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> list[Shape]:
    counts = check_windows("max_pool", input, kernel_size, stride, padding, dilation, ceil_mode)
    return [tuple(input.shape[: -len(counts)]) + counts] * 2


@op(
    dtype=ordered,
    shape=_max_pool_shape,
    method=False,
    nondifferentiable=(1,),
    samples=lambda: [
        Sample(Operand((2, 6), distinct=True), (2,), (2,), (0,), (1,), False),
        Sample(Operand((3, 7), distinct=True), (3,), (2,), (1,), (1,), False),
        Sample(Operand((2, 1, 5, 4), distinct=True), (3, 2), (1, 2), (1, 0), (1, 2), False),
        Sample(Operand((2, 5, 5), distinct=True), (2, 2), (2, 2), (0, 1), (1, 1), True),
        Sample(Operand((4, 3, 4), distinct=True), (2, 2, 2), (1, 2, 1), (0, 0, 1), (1, 1, 1), False),
        Sample(Operand((0, 3, 4, 4), distinct=True), (2, 2), (2, 2), (0, 0), (1, 1), False),
        Sample(Operand((3, 17, 19), distinct=True), (17, 16), (1, 3), (0, 0), (1, 1), False),
        Sample(Operand((1, 4), values=[[math.nan, 1.0, -math.inf, -math.inf]]), (2,), (2,), (0,), (1,), False,
               special=([[math.nan, -math.inf]], [[0, 2]]), dtypes=("float32", "float64"), grad=False),
        Sample(Operand((1, 3), values=[[-math.inf, -math.inf, math.nan]]), (2,), (2,), (1,), (1,), False,
               special=([[-math.inf, math.nan]], [[0, 2]]), dtypes=("float32", "float64"), grad=False),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "half of the kernel", Operand((1, 4)), (2,), (2,), (2,), (1,), False),
        ErrorSample(ShapeError, "kernel must fit", Operand((1, 2)), (3,), (1,), (0,), (1,), False),
    ],
    reference=lambda input, kernel_size, stride, padding, dilation, ceil_mode: max_reference(
        input,
        [
            reference_bounds(*dim, ceil_mode)
            for dim in zip(input.shape[-len(stride) :], kernel_size, stride, padding, dilation, strict=True)
        ],
    ),
    tolerance="exact",
)  # fmt: skip
def max_pool(
    input: Tensor, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    """Maximum of each window over the last dims, and where it lies.

    Args:
        input: any real numeric dtype, shape (*, *sizes).
        kernel_size: sizes of the window, a tuple with one int a spatial dim, as the next three.
        stride: steps of the window.
        padding: positions at both ends of each dim that are never the maximum.
        dilation: steps between the window's elements.
        ceil_mode: let a last window reach past the end.

    Returns:
        Values, shape (*, *counts), and int64 indices of the same shape into the flattened sizes: of the first of
        equal maxima, of the last nan where there is one.

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits.

    Example:
        >>> cb.max_pool(cb.tensor([[1.0, 3.0, 2.0, 0.0]]), (2,), (2,), (0,), (1,), False)
        (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    ...


def flat_dims(value: Tensor, n: int) -> Tensor:
    """The last `n` dims as one."""
    shape = tuple(value.shape)
    return value.reshape((*shape[: len(shape) - n], math.prod(shape[len(shape) - n :])))


@op(
    dtype=rules.promoted,
    shape=lambda grad, indices, input_size, distinct: (*grad.shape[: -len(input_size)], *input_size),
    fixed={"indices": (_dtype.int64,)},
    method=False,
    samples=lambda: [
        Sample(Operand((2, 2)), Operand(values=[[0, 2], [3, 1]], dtype="int64"), (4,), True),
        Sample(Operand((1, 2, 2)), Operand(values=[[[0, 0], [5, 3]]], dtype="int64"), (2, 3), False),
        Sample(Operand((0, 2)), Operand((0, 2), dtype="int64"), (4,), False),
    ],
    reference=scatter_reference,
    tolerance="accumulation",
)
def max_pool_input_grad(grad: Tensor, indices: Tensor, input_size: Shape, distinct: bool) -> Tensor:
    """Each element of `grad` added where its index says, over zeros: the gradient of `max_pool`.

    Args:
        grad: any dtype that computes, shape (*, *counts).
        indices: int64, the shape of `grad`: positions in the flattened `input_size`.
        input_size: spatial sizes of the result, as many as there are `counts`.
        distinct: no index occurs twice beside another, so that adding is writing.

    Returns:
        Shape (*, *input_size).

    Example:
        >>> cb.max_pool_input_grad(cb.ones(1, 2), cb.tensor([[0, 2]]), (3,), True)
        tensor([[1., 0., 1.]])
    """
    from ._names import scatter_add, zeros

    n = len(input_size)
    lead = tuple(grad.shape[:-n])
    base = zeros((*lead, math.prod(input_size)), dtype=grad.dtype, device=grad.device)
    return scatter_add(base, -1, flat_dims(indices, n), flat_dims(grad, n)).reshape((*lead, *input_size))


def _gather_windows(grad: Tensor, indices: Tensor, input_size: Shape) -> Tensor:
    n = len(input_size)
    return flat_dims(grad, n).gather(-1, flat_dims(indices, n)).reshape(tuple(indices.shape))


max_pool_input_grad.vjp(grad=_gather_windows)
max_pool.vjp(
    input=lambda grad, out, input_shape, kernel_size, stride, dilation: max_pool_input_grad(
        grad[0],
        out[1],
        input_shape[-len(stride) :],
        all(s > d * (k - 1) for k, s, d in zip(kernel_size, stride, dilation, strict=True)),
    )
)


def _avg_pool_shape(
    input: Any, kernel_size: Shape, stride: Shape, padding: Shape, ceil_mode: bool, *rest: Any
) -> Shape:
    ones = (1,) * len(kernel_size)
    counts = check_windows("avg_pool", input, kernel_size, stride, padding, ones, ceil_mode)
    return tuple(input.shape[: -len(counts)]) + counts


_AVG_CASES: list[tuple[Shape, tuple[Any, ...]]] = [
    ((2, 6), ((2,), (2,), (0,), False, True, None)),
    ((3, 7), ((3,), (2,), (1,), False, True, None)),
    ((2, 1, 5, 4), ((3, 2), (1, 2), (1, 0), False, False, None)),
    ((2, 5, 5), ((2, 2), (2, 2), (0, 1), True, True, None)),
    ((2, 5, 5), ((3, 2), (3, 2), (1, 1), True, False, None)),
    ((4, 3, 4), ((2, 2, 2), (1, 2, 1), (0, 0, 1), False, True, 3)),
    ((0, 3, 4, 4), ((2, 2), (2, 2), (0, 0), False, True, None)),
]


@op(
    dtype=rules.inexact_only,
    shape=_avg_pool_shape,
    method=False,
    samples=lambda: [Sample(Operand(shape), *rest) for shape, rest in _AVG_CASES],
    errors=lambda: [
        ErrorSample(ArgumentError, "half of the kernel", Operand((1, 4)), (2,), (2,), (2,), False, True, None),
        ErrorSample(ShapeError, "kernel must fit", Operand((1, 2)), (3,), (1,), (0,), False, True, None),
    ],
    reference=avg_reference,
    tolerance="accumulation",
)
def avg_pool(
    input: Tensor,
    kernel_size: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Mean of each window over the last dims.

    Args:
        input: floating or complex, shape (*, *sizes).
        kernel_size: sizes of the window, a tuple with one int a spatial dim, as the next two.
        stride: steps of the window.
        padding: zeros at both ends of each dim.
        ceil_mode: let a last window reach past the end.
        count_include_pad: count padding as elements of a window.
        divisor_override: divide by it instead of the number of elements.

    Returns:
        Shape (*, *counts).

    Raises:
        ArgumentError: a number is out of range, or `padding` exceeds half of the kernel.
        ShapeError: no window fits.

    Example:
        >>> cb.avg_pool(cb.tensor([[1.0, 3.0, 2.0, 0.0]]), (2,), (2,), (0,), False, True, None)
        tensor([[2., 1.]])
    """
    ...


def _avg_grad_shape(grad: Any, input_size: Shape, *rest: Any) -> Shape:
    return (*grad.shape[: -len(input_size)], *input_size)


def _avg_grad_samples() -> list[Sample]:
    found = []
    for shape, (kernel, stride, padding, ceil_mode, *rest) in _AVG_CASES:
        n = len(kernel)
        ones, ceil = (1,) * n, (ceil_mode,) * n
        counts = tuple(map(window_count, shape[-n:], kernel, stride, padding, ones, ceil))
        grad = Operand((*shape[:-n], *counts))
        found.append(Sample(grad, shape[-n:], kernel, stride, padding, ceil_mode, *rest))
    return found


def _avg_grad_reference(grad: Any, input_size: Any, kernel_size: Any, *rest: Any) -> Any:
    """The transpose of the matrix that averages, found column by column."""
    n = len(input_size)
    columns = np.eye(math.prod(input_size)).reshape(-1, *input_size)
    matrix = avg_reference(columns, kernel_size, *rest).reshape(len(columns), -1)
    flat = grad.reshape(math.prod(grad.shape[:-n]), matrix.shape[1])
    shares = np.where(matrix != 0, flat[:, None] * matrix, 0)  # a nan stays in its window
    return shares.sum(-1).reshape(*grad.shape[:-n], *input_size)


@op(
    dtype=rules.inexact_only,
    shape=_avg_grad_shape,
    method=False,
    samples=_avg_grad_samples,
    reference=_avg_grad_reference,
    tolerance="accumulation",
)
def avg_pool_input_grad(
    grad: Tensor,
    input_size: Shape,
    kernel_size: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Adjoint of `avg_pool`: each element of `grad` shared out over its window.

    Args:
        grad: floating or complex, shape (*, *counts).
        input_size: spatial sizes of the result.
        kernel_size: as of `avg_pool`.
        stride: as of `avg_pool`.
        padding: as of `avg_pool`.
        ceil_mode: as of `avg_pool`.
        count_include_pad: as of `avg_pool`.
        divisor_override: as of `avg_pool`.

    Returns:
        Shape (*, *input_size).

    Example:
        >>> cb.avg_pool_input_grad(cb.ones(1, 2), (4,), (2,), (2,), (0,), False, True, None)
        tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    ...


avg_pool.vjp(
    input=lambda grad, input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: (
        avg_pool_input_grad(
            grad,
            input_shape[-len(stride) :],
            kernel_size,
            stride,
            padding,
            ceil_mode,
            count_include_pad,
            divisor_override,
        )
    )
)


def _avg_pool_again(
    grad: Tensor,
    kernel_size: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    return avg_pool(grad, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


avg_pool_input_grad.vjp(grad=_avg_pool_again)
