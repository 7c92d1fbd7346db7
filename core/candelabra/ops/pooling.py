# SPDX-License-Identifier: Apache-2.0
"""Maxima and means over windows of the last dims.

The primitives take tuples, one number for each spatial dim, and leave all dims before those alone, so that an input
without a batch dim needs no care. What users call checks ranks and arguments under its own name.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, adaptive_bounds, as_tuple, window_count
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "avg_pool_input_grad",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_input_grad",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

Ints = int | Sequence[int]


# -- checks ----------------------------------------------------------------------------------------------------------


def _check_windows(
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


def _check_rank(name: str, n: int, input: Tensor) -> None:
    shape = tuple(input.shape)
    if len(shape) not in (n + 1, n + 2):
        raise ShapeError(f"{name}: input must have {n + 1} or {n + 2} dims, got shape {shape}")
    if 0 in shape[-n:]:
        raise ShapeError(f"{name}: spatial sizes must be positive, got shape {shape}")


def _output_size(name: str, n: int, output_size: Any, input: Tensor) -> Shape:
    """Sizes asked for; None keeps that of `input`."""
    _check_rank(name, n, input)
    asked = (output_size,) * n if output_size is None or hasattr(output_size, "__index__") else tuple(output_size)
    if len(asked) != n:
        raise ArgumentError(f"{name}: output_size must be an int or {n} ints, got output_size={output_size!r}")
    kept = [size if a is None else a for a, size in zip(asked, input.shape[-n:], strict=True)]
    sizes = as_tuple(name, "output_size", kept, n)
    if min(sizes) < 1:
        raise ArgumentError(f"{name}: output_size must be positive, got output_size={sizes}")
    return sizes


# -- references ------------------------------------------------------------------------------------------------------


def _reference_bounds(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> list[list[int]]:
    """Positions inside the input that each window of a dim sees."""
    count = window_count(size, k, s, p, d, ceil_mode)
    return [[j for j in range(i * s - p, i * s - p + d * (k - 1) + 1, d) if 0 <= j < size] for i in range(count)]


def _reduce_windows(input: Any, bounds: list[list[list[int]]], reduce: Callable[[Any, Any, Any], Any]) -> Any:
    """`reduce(window with its dims flattened, positions of each of its elements, window number)` for each window."""
    n = len(bounds)
    shape = input.shape[:-n] + tuple(map(len, bounds))
    out = None
    for at in itertools.product(*(range(len(b)) for b in bounds)):
        places = [b[i] for b, i in zip(bounds, at, strict=True)]
        window = input[(Ellipsis, *np.ix_(*places))].reshape(*input.shape[:-n], math.prod(map(len, places)))
        flat = np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), input.shape[-n:]).reshape(-1)
        value = np.asarray(reduce(window, flat, at))
        out = np.zeros(shape, value.dtype) if out is None else out
        out[(Ellipsis, *at)] = value
    return out


def _max_reference(input: Any, bounds: list[list[list[int]]]) -> tuple[Any, Any]:
    values = _reduce_windows(input, bounds, lambda window, flat, at: window.max(-1))
    return values, _reduce_windows(input, bounds, lambda window, flat, at: flat[window.argmax(-1)])


def _avg_reference(
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
    bounds = [_reference_bounds(size, k, s, p, 1, ceil_mode) for size, k, s, p in dims]

    def mean(window: Any, flat: Any, at: Any) -> Any:
        starts = [i * s - p for i, (_, _, s, p) in zip(at, dims, strict=True)]
        inside = math.prod(min(i + k, size + p) - i for i, (size, k, _, p) in zip(starts, dims, strict=True))
        return window.sum(-1) / (divisor_override or (inside if count_include_pad else window.shape[-1]))

    return _reduce_windows(input, bounds, mean)


def _scatter_reference(grad: Any, indices: Any, input_size: Any, distinct: bool = False) -> Any:
    n = len(input_size)
    shape = (math.prod(grad.shape[:-n]), math.prod(grad.shape[-n:]))
    out = np.zeros((shape[0], math.prod(input_size)), grad.dtype)
    np.add.at(out, (np.arange(shape[0])[:, None], indices.reshape(shape)), grad.reshape(shape))
    return out.reshape(*grad.shape[:-n], *input_size)


# -- primitives ------------------------------------------------------------------------------------------------------


def _ordered(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.numeric(name, rules.real(name, found, args)[0], args)[0]
    return compute, (compute, _dtype.int64)


def _max_pool_shape(
    input: Any, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> list[Shape]:
    counts = _check_windows("max_pool", input, kernel_size, stride, padding, dilation, ceil_mode)
    return [tuple(input.shape[: -len(counts)]) + counts] * 2


@op(
    dtype=_ordered,
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
    reference=lambda input, kernel_size, stride, padding, dilation, ceil_mode: _max_reference(
        input,
        [
            _reference_bounds(*dim, ceil_mode)
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


def _flat(value: Tensor, n: int) -> Tensor:
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
    reference=_scatter_reference,
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
    from . import scatter_add, zeros

    n = len(input_size)
    lead = tuple(grad.shape[:-n])
    base = zeros((*lead, math.prod(input_size)), dtype=grad.dtype, device=grad.device)
    return scatter_add(base, -1, _flat(indices, n), _flat(grad, n)).reshape((*lead, *input_size))


def _gather_windows(grad: Tensor, indices: Tensor, input_size: Shape) -> Tensor:
    n = len(input_size)
    return _flat(grad, n).gather(-1, _flat(indices, n)).reshape(tuple(indices.shape))


max_pool_input_grad.vjp(grad=_gather_windows)
max_pool.vjp(
    input=lambda grad, out, input_shape, kernel_size, stride, dilation: max_pool_input_grad(
        grad[0],
        out[1],
        input_shape[-len(stride) :],
        all(s > d * (k - 1) for k, s, d in zip(kernel_size, stride, dilation, strict=True)),
    )
)


@op(
    dtype=_ordered,
    shape=lambda input, output_size: [(*input.shape[: -len(output_size)], *output_size)] * 2,
    method=False,
    nondifferentiable=(1,),
    samples=lambda: [
        Sample(Operand((2, 7), distinct=True), (3,)),
        Sample(Operand((2, 5, 4), distinct=True), (2, 3)),
        Sample(Operand((2, 3, 4, 5), distinct=True), (1, 4, 7)),
        Sample(Operand((0, 2, 5), distinct=True), (2,)),
    ],
    reference=lambda input, output_size: _max_reference(
        input,
        [
            [list(range(a, b)) for a, b in zip(*adaptive_bounds(size, count), strict=True)]
            for size, count in zip(input.shape[-len(output_size) :], output_size, strict=True)
        ],
    ),
    tolerance="exact",
)
def adaptive_max_pool(input: Tensor, output_size: Shape) -> tuple[Tensor, Tensor]:
    """Maximum of each of as many windows as asked for, spread evenly over the last dims, and where it lies.

    Args:
        input: any real numeric dtype, shape (*, *sizes).
        output_size: numbers of windows, a tuple with one int a spatial dim.

    Returns:
        Values, shape (*, *output_size), and int64 indices of the same shape into the flattened sizes.

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


def _avg_pool_shape(
    input: Any, kernel_size: Shape, stride: Shape, padding: Shape, ceil_mode: bool, *rest: Any
) -> Shape:
    ones = (1,) * len(kernel_size)
    counts = _check_windows("avg_pool", input, kernel_size, stride, padding, ones, ceil_mode)
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
    reference=_avg_reference,
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
    matrix = _avg_reference(columns, kernel_size, *rest).reshape(len(columns), -1)
    flat = grad.reshape(math.prod(grad.shape[:-n]), matrix.shape[1])
    return (flat @ matrix.T).reshape(*grad.shape[:-n], *input_size)


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
avg_pool_input_grad.vjp(grad=avg_pool)


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
    _check_rank(name, n, input)
    kernel, steps, pads = _steps(name, n, kernel_size, stride, padding)
    dilations = as_tuple(name, "dilation", dilation, n)
    _check_windows(name, input, kernel, steps, pads, dilations, bool(ceil_mode))
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
        found = _max_reference(input, [_reference_bounds(*dim, ceil_mode) for dim in dims])
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
        ErrorSample(ShapeError, "dims", Operand((4,) * (n + 3)), 2),
        ErrorSample(ShapeError, "sizes must be positive", Operand((2, 2, *(0,) * n)), 2),
    ]


def _adaptive_bounds_of(input: Any, n: int, output_size: Any) -> list[list[list[int]]]:
    asked = (output_size,) * n if isinstance(output_size, int) else tuple(output_size)
    dims = [(size, size if count is None else count) for size, count in zip(input.shape[-n:], asked, strict=True)]
    return [[list(range(a, b)) for a, b in zip(*adaptive_bounds(*dim), strict=True)] for dim in dims]


def _adaptive_max_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        found = _max_reference(input, _adaptive_bounds_of(input, n, output_size))
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
    _check_rank(name, n, input)
    kernel, steps, pads = _steps(name, n, kernel_size, stride, padding)
    _check_windows(name, input, kernel, steps, pads, (1,) * n, bool(ceil_mode))
    if divisor_override is not None and divisor_override == 0:
        raise ArgumentError(f"{name}: divisor_override must not be 0, got divisor_override=0")
    return avg_pool(input, kernel, steps, pads, bool(ceil_mode), bool(count_include_pad), divisor_override)


def _avg_pool_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, *rest: Any, **more: Any) -> Any:
        k, s, p = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size, padding))
        return _avg_reference(input, k, s, p, *rest, **more)

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


def _adaptive_mean(input: Tensor, dim: int, count: int) -> Tensor:
    """Means of windows of unequal sizes along one dim: each padded to the longest, and masked."""
    from . import where
    from .view import host_tensor

    starts, ends = (np.array(bound) for bound in adaptive_bounds(input.shape[dim], count))
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
        return _reduce_windows(input, bounds, lambda window, flat, at: window.mean(-1))

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


# -- power means -----------------------------------------------------------------------------------------------------


def _lp_pool(n: int, input: Tensor, norm_type: float, kernel_size: Ints, stride: Any, ceil_mode: bool) -> Tensor:
    name = f"lp_pool{n}d"
    _check_rank(name, n, input)
    kernel, steps, _ = _steps(name, n, kernel_size, stride, 0)
    _check_windows(name, input, kernel, steps, (0,) * n, (1,) * n, bool(ceil_mode))
    if not norm_type > 0 or norm_type == math.inf:
        raise ArgumentError(f"{name}: norm_type must be positive and finite, got norm_type={norm_type}")
    mean = avg_pool(input**norm_type, kernel, steps, (0,) * n, bool(ceil_mode), True, None)
    return (mean * math.prod(kernel)) ** (1.0 / norm_type)


def _lp_reference(n: int) -> Callable[..., Any]:
    def reference(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
        k, s = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size))
        return (_avg_reference(input**norm_type, k, s, (0,) * n, ceil_mode) * math.prod(k)) ** (1 / norm_type)

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
    _check_rank(name, n, input)
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
    from . import scatter, zeros

    lead = tuple(input.shape[:-n])
    base = zeros((*lead, math.prod(sizes)), dtype=input.dtype, device=input.device)
    return scatter(base, -1, _flat(indices, n), _flat(input, n)).reshape((*lead, *sizes))


def _unpool_reference(n: int) -> Callable[..., Any]:
    def reference(
        input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
    ) -> Any:
        k, s, p = (as_tuple("", "", v, n) for v in (kernel_size, stride or kernel_size, padding))
        sizes = [(input.shape[i - n] - 1) * s[i] - 2 * p[i] + k[i] for i in range(n)]
        return _scatter_reference(input, indices, sizes if output_size is None else list(output_size)[-n:])

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
