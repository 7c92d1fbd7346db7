# SPDX-License-Identifier: Apache-2.0
"""Convolutions in any number of spatial dims.

Three primitives are each other's gradients, since all are linear in both operands: `convolution`, its adjoint in the
input (which is the transposed convolution), and its adjoint in the weight. Everything public is made of them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, ShapeError
from .._shape import Shape, as_tuple, window_count
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution",
    "convolution_input_grad",
    "convolution_weight_grad",
]


# -- checks ----------------------------------------------------------------------------------------------------------


def _check_steps(name: str, stride: Shape, padding: Shape, dilation: Shape, groups: int) -> None:
    if min(stride) < 1 or min(dilation) < 1:
        raise ArgumentError(f"{name}: stride and dilation must be positive, got stride={stride}, dilation={dilation}")
    if min(padding) < 0:
        raise ArgumentError(f"{name}: padding must not be negative, got padding={padding}")
    if groups < 1:
        raise ArgumentError(f"{name}: groups must be positive, got groups={groups}")


def _check_groups(name: str, groups: int, **channels: int) -> None:
    for label, count in channels.items():
        if count % groups:
            raise ArgumentError(f"{name}: groups must divide {label}, got groups={groups}, {label}={count}")


def _check_bias(name: str, bias: Shape | None, out_channels: int) -> None:
    if bias is not None and bias != (out_channels,):
        raise ShapeError(f"{name}: bias must have one element a channel, got {bias} for {out_channels}")


def _out_sizes(name: str, size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    counts = tuple(map(window_count, size, kernel, stride, padding, dilation))
    if min(counts, default=1) < 1 or min(kernel, default=1) < 1:
        padded = tuple(s + 2 * p for s, p in zip(size, padding, strict=True))
        spread = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        raise ShapeError(f"{name}: kernel must fit the padded input, got extent {spread} for padded sizes {padded}")
    return counts


def _shape_of(value: Any) -> Shape | None:
    return None if value is None else tuple(value.shape)


def _check_convolution(
    name: str, x: Shape, w: Shape, bias: Shape | None, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Shape:
    """The result's shape; refuses operands of shapes that do not fit."""
    _check_steps(name, stride, padding, dilation, groups)
    if len(w) != len(x) or len(x) != len(stride) + 2:
        raise ShapeError(f"{name}: input and weight must have {len(stride) + 2} dims, got {x} and {w}")
    _check_groups(name, groups, in_channels=x[1], out_channels=w[0])
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"{name}: weight must have in_channels / groups channels, got {w} for in_channels={x[1]}, groups={groups}"
        )
    _check_bias(name, bias, w[0])
    return (x[0], w[0], *_out_sizes(name, x[2:], w[2:], stride, padding, dilation))


def _convolution_shape(
    input: Any, weight: Any, bias: Any, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Shape:
    shapes = tuple(input.shape), tuple(weight.shape), _shape_of(bias)
    return _check_convolution("convolution", *shapes, stride, padding, dilation, groups)


def _input_grad_shape(
    grad: Any, weight: Any, input_size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Shape:
    name = "convolution_input_grad"
    _check_steps(name, stride, padding, dilation, groups)
    g, w = tuple(grad.shape), tuple(weight.shape)
    if len(g) != len(w) or len(g) != len(stride) + 2 or g[1] != w[0]:
        raise ShapeError(f"{name}: grad must have one channel for each of weight's first dim, got {g} and {w}")
    _check_groups(name, groups, out_channels=w[0])
    found = _out_sizes(name, input_size, w[2:], stride, padding, dilation)
    if found != g[2:]:
        raise ShapeError(f"{name}: input_size must lead to grad's sizes, got {input_size}: {found} for {g[2:]}")
    return (g[0], w[1] * groups, *input_size)


def _weight_grad_shape(
    grad: Any, input: Any, weight_size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Shape:
    name = "convolution_weight_grad"
    _check_steps(name, stride, padding, dilation, groups)
    g, x = tuple(grad.shape), tuple(input.shape)
    if len(g) != len(x) or len(g) != len(stride) + 2 or g[0] != x[0]:
        raise ShapeError(f"{name}: grad and input must have one batch size and as many dims, got {g} and {x}")
    _check_groups(name, groups, in_channels=x[1], out_channels=g[1])
    found = _out_sizes(name, x[2:], weight_size, stride, padding, dilation)
    if found != g[2:]:
        raise ShapeError(f"{name}: weight_size must lead to grad's sizes, got {weight_size}: {found} for {g[2:]}")
    return (g[1], x[1] // groups, *weight_size)


# -- references: the definition, one output position after the other ------------------------------------------------


def _window(at: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[slice, ...]:
    """Where the window at an output position lies in the padded input."""
    starts = [i * s for i, s in zip(at, stride, strict=True)]
    return tuple(slice(i, i + d * (k - 1) + 1, d) for i, k, d in zip(starts, kernel, dilation, strict=True))


def _windows(sizes: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Any:
    """(output position, slices of the padded input) of each window."""
    counts = map(window_count, sizes, kernel, stride, padding, dilation)
    for at in itertools.product(*map(range, counts)):
        yield at, _window(at, kernel, stride, dilation)


def _padded(input: Any, padding: Shape) -> Any:
    return np.pad(input, [(0, 0), (0, 0), *((p, p) for p in padding)])


def _grouped(groups: int, o: int, c: int) -> Any:
    for g in range(groups):
        yield slice(g * o // groups, (g + 1) * o // groups), slice(g * c // groups, (g + 1) * c // groups)


def _reference(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    x, kernel = _padded(input, padding), weight.shape[2:]
    counts = map(window_count, input.shape[2:], kernel, stride, padding, dilation)
    out = np.zeros((len(input), len(weight), *counts), np.result_type(input, weight))
    for at, window in _windows(input.shape[2:], kernel, stride, padding, dilation):
        for o, c in _grouped(groups, weight.shape[0], input.shape[1]):
            out[(slice(None), o, *at)] = np.tensordot(x[(slice(None), c, *window)], weight[o], _rest(kernel))
    return out if bias is None else out + bias.reshape(-1, *(1,) * len(kernel))


def _rest(kernel: Shape) -> tuple[list[int], list[int]]:
    """Dims contracted between windows (N, C, *kernel) and weights (O, C, *kernel)."""
    dims = list(range(1, len(kernel) + 2))
    return dims, dims


def _input_grad_reference(
    grad: Any, weight: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    channels, kernel = weight.shape[1] * groups, weight.shape[2:]
    x = _padded(np.zeros((len(grad), channels, *input_size), np.result_type(grad, weight)), padding)
    for at, window in _windows(input_size, kernel, stride, padding, dilation):
        for o, c in _grouped(groups, weight.shape[0], channels):
            x[(slice(None), c, *window)] += np.tensordot(grad[(slice(None), o, *at)], weight[o], 1)
    return x[(..., *(slice(p, p + s) for p, s in zip(padding, input_size, strict=True)))]


def _weight_grad_reference(
    grad: Any, input: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    x = _padded(input, padding)
    out = np.zeros((grad.shape[1], input.shape[1] // groups, *weight_size), np.result_type(grad, input))
    for at, window in _windows(input.shape[2:], weight_size, stride, padding, dilation):
        for o, c in _grouped(groups, grad.shape[1], input.shape[1]):
            out[o] += np.tensordot(grad[(slice(None), o, *at)], x[(slice(None), c, *window)], ([0], [0]))
    return out


# -- primitives ------------------------------------------------------------------------------------------------------

# (batch, channels a group, groups, out channels a group), sizes, kernel, stride, padding, dilation
_CASES: list[tuple[tuple[int, int, int, int], Shape, Shape, Shape, Shape, Shape]] = [
    ((2, 2, 1, 3), (5,), (3,), (1,), (0,), (1,)),
    ((1, 1, 2, 2), (7,), (2,), (2,), (1,), (2,)),
    ((2, 2, 1, 2), (4, 5), (3, 2), (1, 1), (0, 0), (1, 1)),
    ((1, 1, 2, 1), (5, 4), (2, 3), (2, 1), (1, 2), (1, 2)),
    ((2, 3, 1, 2), (3, 3), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((1, 2, 1, 1), (5, 5), (2, 2), (3, 3), (1, 0), (1, 1)),
    ((1, 1, 1, 2), (3, 4, 3), (2, 2, 2), (1, 2, 1), (1, 0, 0), (1, 1, 2)),
    ((0, 2, 1, 2), (4, 4), (3, 3), (1, 1), (0, 0), (1, 1)),
    ((1, 1, 3, 1), (18, 18), (3, 3), (1, 1), (1, 1), (1, 1)),
]


def _primitive_samples(which: str) -> Callable[[], list[Sample]]:
    def samples() -> list[Sample]:
        found = []
        for (n, c, groups, o), size, kernel, stride, padding, dilation in _CASES:
            counts = tuple(map(window_count, size, kernel, stride, padding, dilation))
            x, g = Operand((n, c * groups, *size)), Operand((n, o * groups, *counts))
            w, rest = Operand((o * groups, c, *kernel)), (stride, padding, dilation, groups)
            found.append(
                Sample(x, w, Operand((o * groups,)) if n != 1 else None, *rest)
                if which == "forward"
                else Sample(g, w, size, *rest)
                if which == "input"
                else Sample(g, x, kernel, *rest)
            )
        return found

    return samples


@op(
    dtype=rules.numeric,
    shape=_convolution_shape,
    method=False,
    samples=_primitive_samples("forward"),
    errors=lambda: [
        ErrorSample(ArgumentError, "groups must divide in_channels", Operand((1, 3, 5)), Operand((2, 1, 2)), None,
                    (1,), (0,), (1,), 2),
        ErrorSample(ShapeError, "kernel must fit", Operand((1, 1, 2)), Operand((1, 1, 3)), None, (1,), (0,), (1,), 1),
    ],
    reference=_reference,
    tolerance="accumulation",
)  # fmt: skip
def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Tensor:
    """Convolution in as many spatial dims as `stride` has sizes; the kernel is not flipped.

    Args:
        input: any numeric dtype, shape (N, C, *sizes).
        weight: shape (O, C / groups, *kernel).
        bias: shape (O), or None.
        stride: steps of the window, a tuple.
        padding: zeros at both ends of each dim, a tuple.
        dilation: steps between the window's elements, a tuple.
        groups: numbers of channels and outputs are split into as many groups, each convolved by itself.

    Returns:
        Shape (N, O, *counts), where a count is
        `floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`.

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded input.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.convolution(cb.ones(1, 1, 4), cb.ones(1, 1, 2), None, (1,), (0,), (1,), 1)
        tensor([[[2., 2., 2.]]])
    """
    ...


@op(
    dtype=rules.numeric,
    shape=_input_grad_shape,
    method=False,
    samples=_primitive_samples("input"),
    errors=lambda: [
        ErrorSample(ShapeError, "input_size", Operand((1, 1, 4)), Operand((1, 1, 3)), (7,), (1,), (0,), (1,), 1),
    ],
    reference=_input_grad_reference,
    tolerance="accumulation",
)
def convolution_input_grad(
    grad: Tensor, weight: Tensor, input_size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Tensor:
    """Adjoint of `convolution` in its input: the gradient of the input, and the transposed convolution.

    Args:
        grad: any numeric dtype, shape (N, O, *counts).
        weight: shape (O, C / groups, *kernel).
        input_size: spatial sizes of the result.
        stride: as of `convolution`.
        padding: as of `convolution`.
        dilation: as of `convolution`.
        groups: as of `convolution`.

    Returns:
        Shape (N, C, *input_size).

    Raises:
        ShapeError: the shapes do not fit, or `input_size` does not lead to `counts`.

    Source: Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning.

    Example:
        >>> cb.convolution_input_grad(cb.ones(1, 1, 3), cb.ones(1, 1, 2), (4,), (1,), (0,), (1,), 1)
        tensor([[[1., 2., 2., 1.]]])
    """
    ...


@op(
    dtype=rules.numeric,
    shape=_weight_grad_shape,
    method=False,
    samples=_primitive_samples("weight"),
    errors=lambda: [
        ErrorSample(ShapeError, "weight_size", Operand((1, 1, 4)), Operand((1, 1, 5)), (3,), (1,), (0,), (1,), 1),
    ],
    reference=_weight_grad_reference,
    tolerance="accumulation",
)
def convolution_weight_grad(
    grad: Tensor, input: Tensor, weight_size: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Tensor:
    """Adjoint of `convolution` in its weight: the gradient of the weight.

    Args:
        grad: any numeric dtype, shape (N, O, *counts).
        input: shape (N, C, *sizes).
        weight_size: spatial sizes of the result.
        stride: as of `convolution`.
        padding: as of `convolution`.
        dilation: as of `convolution`.
        groups: as of `convolution`.

    Returns:
        Shape (O, C / groups, *weight_size).

    Raises:
        ShapeError: the shapes do not fit, or `weight_size` does not lead to `counts`.

    Example:
        >>> cb.convolution_weight_grad(cb.ones(1, 1, 3), cb.ones(1, 1, 4), (2,), (1,), (0,), (1,), 1)
        tensor([[[3., 3.]]])
    """
    ...


convolution.vjp(
    input=lambda grad, input_shape, weight, stride, padding, dilation, groups: convolution_input_grad(
        grad, conjugate(weight), input_shape[2:], stride, padding, dilation, groups
    ),
    weight=lambda grad, input, weight_shape, stride, padding, dilation, groups: convolution_weight_grad(
        grad, conjugate(input), weight_shape[2:], stride, padding, dilation, groups
    ),
    bias=lambda grad: grad.sum((0, *range(2, grad.dim()))),
)
convolution_input_grad.vjp(
    grad=lambda grad, weight, stride, padding, dilation, groups: convolution(
        grad, conjugate(weight), None, stride, padding, dilation, groups
    ),
    # From here on `outer` is the gradient that comes in, and `grad` the operand of that name.
    weight=lambda outer, grad, weight_shape, stride, padding, dilation, groups: convolution_weight_grad(
        conjugate(grad), outer, weight_shape[2:], stride, padding, dilation, groups
    ),
)
convolution_weight_grad.vjp(
    grad=lambda outer, input, stride, padding, dilation, groups: convolution(
        conjugate(input), outer, None, stride, padding, dilation, groups
    ),
    input=lambda outer, grad, input_shape, stride, padding, dilation, groups: convolution_input_grad(
        conjugate(grad), outer, input_shape[2:], stride, padding, dilation, groups
    ),
)


# -- what users call -------------------------------------------------------------------------------------------------

Ints = int | Sequence[int]


def _batched(name: str, n: int, input: Tensor) -> tuple[Tensor, bool]:
    """`input` with a batch dim, and whether it had none."""
    if input.dim() not in (n + 1, n + 2):
        raise ShapeError(f"{name}: input must have {n + 1} or {n + 2} dims, got shape {tuple(input.shape)}")
    lacks = input.dim() == n + 1
    return (input.reshape((1, *input.shape)) if lacks else input), lacks


def _padding(name: str, n: int, padding: Any, kernel: Shape, stride: Shape, dilation: Shape) -> tuple[Shape, Shape]:
    """Padding at both ends, and positions to drop at the front of the result.

    "same" may need one more zero behind than in front. Padding by the larger number on both sides and dropping the
    first position is the same, as the stride is 1.
    """
    if not isinstance(padding, str):
        return as_tuple(name, "padding", padding, n), (0,) * n
    if padding == "valid":
        return (0,) * n, (0,) * n
    if padding != "same":
        raise ArgumentError(f'{name}: padding must be ints, "same" or "valid", got padding={padding!r}')
    if max(stride) > 1:
        raise ArgumentError(f'{name}: padding="same" needs stride 1, got stride={stride}')
    total = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    return tuple(-(-t // 2) for t in total), tuple(t % 2 for t in total)


@functools.lru_cache(maxsize=512)
def _conv_steps(
    n: int, x: Shape, w: Shape, bias: Shape | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[Shape, Shape, Shape, Shape]:
    """Stride, padding, dilation and positions to drop, once all is found to fit; remembered, as layers repeat."""
    name = f"conv{n}d"
    strides, dilations = as_tuple(name, "stride", stride, n), as_tuple(name, "dilation", dilation, n)
    paddings, extra = _padding(name, n, padding, w[2:], strides, dilations)
    _check_convolution(name, x, w, bias, strides, paddings, dilations, groups)
    return strides, paddings, dilations, extra


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _conv(
    n: int, input: Tensor, weight: Tensor, bias: Any, stride: Ints, padding: Any, dilation: Ints, groups: int
) -> Tensor:
    input, lacks_batch = _batched(f"conv{n}d", n, input)
    shapes = tuple(input.shape), tuple(weight.shape), _shape_of(bias)
    strides, paddings, dilations, extra = _conv_steps(n, *shapes, *map(_hashable, (stride, padding, dilation)), groups)
    out = convolution(input, weight, bias, strides, paddings, dilations, groups)
    if any(extra):
        for dim, drop in enumerate(extra, 2):
            out = out.narrow(dim, drop, out.shape[dim] - drop)
        out = out.contiguous()
    return out.reshape(tuple(out.shape[1:])) if lacks_batch else out


def _conv_reference(n: int) -> Callable[..., Any]:
    def reference(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> Any:
        def full(value: Any) -> Shape:
            return as_tuple("conv", "", value, n)

        lacks = input.ndim == n + 1
        input = input[None] if lacks else input
        if padding == "same":
            total = [d * (k - 1) for k, d in zip(weight.shape[2:], full(dilation), strict=True)]
            input = np.pad(input, [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)])
        padding = 0 if isinstance(padding, str) else padding
        out = _reference(input, weight, bias, full(stride), full(padding), full(dilation), groups)
        return out[0] if lacks else out

    return reference


def _conv_samples(n: int) -> Callable[[], list[Sample]]:
    small, k = (5, 4, 3)[:n], (3, 2, 2)[:n]

    def samples() -> list[Sample]:
        x, w, b = Operand((2, 2, *small)), Operand((4, 2, *k)), Operand((4,))
        return [
            Sample(x, w),
            Sample(x, w, b, 2, 1),
            Sample(x, w, b, stride=(2, 1, 1)[:n], padding=(1, 0, 1)[:n], dilation=(1, 2, 1)[:n]),
            Sample(Operand((2, *small)), w, b),
            Sample(x, w, None, padding="same"),
            Sample(x, w, b, padding="same", dilation=2),
            Sample(x, w, padding="valid"),
            Sample(Operand((1, 4, *small)), w, b, groups=2),
            Sample(Operand((1, 4, *small)), Operand((4, 1, *k)), groups=4, padding=1),
            Sample(Operand((0, 2, *small)), w, b),
        ]

    return samples


def _conv_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x, w = Operand((1, 4, *(5,) * n)), Operand((2, 4, *(3,) * n))
    return lambda: [
        ErrorSample(ArgumentError, f"conv{n}d: groups must divide in_channels, got groups=3", x, w, groups=3),
        ErrorSample(ShapeError, "in_channels / groups", x, Operand((2, 3, *(3,) * n))),
        ErrorSample(ShapeError, "kernel must fit", Operand((1, 4, *(2,) * n)), w),
        ErrorSample(ShapeError, "dims", Operand((4, 5)[: 2 if n > 1 else 1]), w),
        ErrorSample(ShapeError, "bias", x, w, Operand((3,))),
        ErrorSample(ArgumentError, "padding must not be negative", x, w, padding=-1),
        ErrorSample(ArgumentError, "stride and dilation", x, w, stride=0),
        ErrorSample(ArgumentError, "needs stride 1", x, w, stride=2, padding="same"),
        ErrorSample(ArgumentError, '"same" or "valid"', x, w, padding="full"),
        ErrorSample(ArgumentError, "groups must be positive", x, w, groups=0),
    ]


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_samples(1),
    errors=_conv_errors(1),
    reference=_conv_reference(1),
    tolerance="accumulation",
)
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over sequences; the kernel is not flipped.

    Args:
        input: any numeric dtype, shape (N, C, L) or (C, L).
        weight: shape (O, C / groups, K).
        bias: shape (O).
        stride: step of the window.
        padding: zeros at both ends; `"valid"` for none, `"same"` (stride 1 only) for as many as keep L.
        dilation: step between the window's elements.
        groups: number of groups of channels, each convolved by itself.

    Returns:
        Shape (N, O, floor((L + 2 padding - dilation (K - 1) - 1) / stride) + 1), without N where `input` has none.

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded input.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv1d(cb.tensor([[[1.0, 2.0, 3.0, 4.0]]]), cb.tensor([[[1.0, -1.0]]]))
        tensor([[[-1., -1., -1.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_samples(2),
    errors=_conv_errors(2),
    reference=_conv_reference(2),
    tolerance="accumulation",
)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over images; the kernel is not flipped.

    Args:
        input: any numeric dtype, shape (N, C, H, W) or (C, H, W).
        weight: shape (O, C / groups, KH, KW).
        bias: shape (O).
        stride: steps of the window, one or two ints, as the next three.
        padding: zeros at both ends; `"valid"` for none, `"same"` (stride 1 only) for as many as keep H and W.
        dilation: steps between the window's elements.
        groups: number of groups of channels, each convolved by itself.

    Returns:
        Shape (N, O, *), each size floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, without N where
        `input` has none.

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded input.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv2d(cb.ones(1, 1, 3, 3), cb.ones(1, 1, 2, 2))
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_samples(3),
    errors=_conv_errors(3),
    reference=_conv_reference(3),
    tolerance="accumulation",
)
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over volumes; the kernel is not flipped.

    Args:
        input: any numeric dtype, shape (N, C, D, H, W) or (C, D, H, W).
        weight: shape (O, C / groups, KD, KH, KW).
        bias: shape (O).
        stride: steps of the window, one or three ints, as the next three.
        padding: zeros at both ends; `"valid"` for none, `"same"` (stride 1 only) for as many as keep the sizes.
        dilation: steps between the window's elements.
        groups: number of groups of channels, each convolved by itself.

    Returns:
        Shape (N, O, *), each size floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1, without N where
        `input` has none.

    Raises:
        ShapeError: the shapes do not fit, or the kernel is larger than the padded input.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv3d(cb.ones(1, 1, 2, 2, 2), cb.ones(1, 1, 2, 2, 2))
        tensor([[[[[8.]]]]])
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    n: int,
    input: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    name = f"conv_transpose{n}d"
    input, lacks_batch = _batched(name, n, input)
    strides, dilations = as_tuple(name, "stride", stride, n), as_tuple(name, "dilation", dilation, n)
    paddings, extra = as_tuple(name, "padding", padding, n), as_tuple(name, "output_padding", output_padding, n)
    _check_steps(name, strides, paddings, dilations, groups)
    x, w = tuple(input.shape), tuple(weight.shape)
    if len(w) != n + 2 or w[0] != x[1]:
        raise ShapeError(f"{name}: weight must have {n + 2} dims, in_channels first, got {w} for in_channels={x[1]}")
    _check_groups(name, groups, in_channels=x[1])
    _check_bias(name, _shape_of(bias), w[1] * groups)
    if any(not 0 <= e < max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ArgumentError(
            f"{name}: output_padding must be smaller than stride or dilation, got output_padding={extra}, "
            f"stride={strides}, dilation={dilations}"
        )
    sizes = tuple(
        (i - 1) * s - 2 * p + d * (k - 1) + e + 1
        for i, k, s, p, d, e in zip(x[2:], w[2:], strides, paddings, dilations, extra, strict=True)
    )
    if min(sizes) < 1 or min(x[2:]) < 1:
        raise ShapeError(f"{name}: result must have positive sizes, got {sizes} for input {x} and padding={paddings}")
    if any(e >= s for e, s in zip(extra, strides, strict=True)):
        input = _extended(input, tuple(map(window_count, sizes, w[2:], strides, paddings, dilations)))
    out = convolution_input_grad(input, weight, sizes, strides, paddings, dilations, groups)
    if bias is not None:
        out = out + bias.reshape((-1,) + (1,) * n)
    return out.reshape(tuple(out.shape[1:])) if lacks_batch else out


def _extended(input: Tensor, sizes: Shape) -> Tensor:
    """Zeros behind the spatial dims: an output padding past the stride makes room for windows nothing came from."""
    from ._names import cat, zeros

    for dim, size in enumerate(sizes, 2):
        more = (*input.shape[:dim], size - input.shape[dim], *input.shape[dim + 1 :])
        if more[dim]:
            input = cat([input, zeros(more, dtype=input.dtype, device=input.device)], dim)
    return input


def _conv_transpose_reference(n: int) -> Callable[..., Any]:
    def reference(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        lacks = input.ndim == n + 1
        x = input[None] if lacks else input
        s, p, e, d = (as_tuple("", "", v, n) for v in (stride, padding, output_padding, dilation))
        full = [(x.shape[i + 2] - 1) * s[i] + d[i] * (weight.shape[i + 2] - 1) + 1 + e[i] for i in range(n)]
        out: Any = np.zeros((len(x), weight.shape[1] * groups, *full), np.result_type(x, weight))
        for at in itertools.product(*map(range, x.shape[2:])):
            window = _window(at, weight.shape[2:], s, d)
            for i, o in _grouped(groups, weight.shape[0], out.shape[1]):
                out[(slice(None), o, *window)] += np.tensordot(x[(slice(None), i, *at)], weight[i], 1)
        out = out[(..., *(slice(q, size - q) for q, size in zip(p, full, strict=True)))]
        out = out if bias is None else out + bias.reshape(-1, *(1,) * n)
        return out[0] if lacks else out

    return reference


def _conv_transpose_samples(n: int) -> Callable[[], list[Sample]]:
    small, k = (3, 2, 2)[:n], (3, 2, 2)[:n]

    def samples() -> list[Sample]:
        x, w, b = Operand((2, 2, *small)), Operand((2, 3, *k)), Operand((3,))
        return [
            Sample(x, w),
            Sample(x, w, b, 2, 1 if n == 1 else 0),
            Sample(x, w, b, stride=(3, 2, 1)[:n], padding=(1, 0, 0)[:n], output_padding=(2, 1, 0)[:n]),
            Sample(Operand((2, *small)), w, b),
            Sample(x, w, b, dilation=2, output_padding=1),
            Sample(Operand((1, 4, *small)), Operand((4, 2, *k)), groups=2),
            Sample(Operand((0, 2, *small)), w, b),
        ]

    return samples


def _conv_transpose_errors(n: int) -> Callable[[], list[ErrorSample]]:
    x, w = Operand((1, 4, *(3,) * n)), Operand((4, 2, *(3,) * n))
    return lambda: [
        ErrorSample(ArgumentError, "groups must divide in_channels", x, w, groups=3),
        ErrorSample(ShapeError, "in_channels first", x, Operand((3, 2, *(3,) * n))),
        ErrorSample(ArgumentError, "output_padding must be smaller", x, w, output_padding=1),
        ErrorSample(ShapeError, "positive sizes", Operand((1, 4, *(1,) * n)), Operand((4, 2, *(1,) * n)), padding=1),
        ErrorSample(ShapeError, "bias", x, w, Operand((3,))),
    ]


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_transpose_samples(1),
    errors=_conv_transpose_errors(1),
    reference=_conv_transpose_reference(1),
    tolerance="accumulation",
)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Transposed convolution over sequences: the gradient of `conv1d` in its input.

    Args:
        input: any numeric dtype, shape (N, C, L) or (C, L).
        weight: shape (C, O / groups, K).
        bias: shape (O).
        stride: step of the window in the result.
        padding: elements cut off both ends of the result.
        output_padding: elements more at the end; less than `stride` or `dilation`.
        groups: number of groups of channels.
        dilation: step between the window's elements.

    Returns:
        Shape (N, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1), without N where `input` has
        none.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv_transpose1d(cb.tensor([[[1.0, 2.0]]]), cb.ones(1, 1, 2), stride=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_transpose_samples(2),
    errors=_conv_transpose_errors(2),
    reference=_conv_transpose_reference(2),
    tolerance="accumulation",
)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Transposed convolution over images: the gradient of `conv2d` in its input.

    Args:
        input: any numeric dtype, shape (N, C, H, W) or (C, H, W).
        weight: shape (C, O / groups, KH, KW).
        bias: shape (O).
        stride: steps of the window in the result, one or two ints, as the next.
        padding: elements cut off both ends of the result.
        output_padding: elements more at the ends; less than `stride` or `dilation`.
        groups: number of groups of channels.
        dilation: steps between the window's elements.

    Returns:
        Shape (N, O, *), each size (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1, without N
        where `input` has none.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv_transpose2d(cb.ones(1, 1, 1, 1), cb.ones(1, 1, 2, 2))
        tensor([[[[1., 1.],
                  [1., 1.]]]])
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@op(
    dtype=rules.numeric,
    method=False,
    samples=_conv_transpose_samples(3),
    errors=_conv_transpose_errors(3),
    reference=_conv_transpose_reference(3),
    tolerance="accumulation",
)
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Transposed convolution over volumes: the gradient of `conv3d` in its input.

    Args:
        input: any numeric dtype, shape (N, C, D, H, W) or (C, D, H, W).
        weight: shape (C, O / groups, KD, KH, KW).
        bias: shape (O).
        stride: steps of the window in the result, one or three ints, as the next.
        padding: elements cut off both ends of the result.
        output_padding: elements more at the ends; less than `stride` or `dilation`.
        groups: number of groups of channels.
        dilation: steps between the window's elements.

    Returns:
        Shape (N, O, *), each size (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1, without N
        where `input` has none.

    Raises:
        ShapeError: the shapes do not fit.
        ArgumentError: `groups` does not divide the channels, or a step is out of range.

    Example:
        >>> cb.conv_transpose3d(cb.ones(1, 1, 1, 1, 1), cb.ones(1, 1, 1, 1, 2))
        tensor([[[[[1., 1.]]]]])
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
