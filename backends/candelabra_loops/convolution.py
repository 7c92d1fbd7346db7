# SPDX-License-Identifier: Apache-2.0
"""Convolutions and their gradients: matrix products over columns where that pays, else by definition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape, contiguous_strides, window_count
from candelabra.compiler.ir import Target

from . import panels
from ._kernel import kernel
from .backend import Look
from .columns import back_kernel, panels_kernel, turned_kernel
from .direct import direct_input_grad_kernel, direct_kernel, direct_weight_grad_kernel, run
from .elements import SHORT
from .places import given, seen
from .plain import Product, cast, summed
from .windows import window_integers

CHUNK = 1 << 20
"""Elements of the columns held at once, of one image at least: they stay in the last cache level."""

LEAST = 1 << 15
"""Products from which columns pay."""

FEWEST = 4
"""Channels, of results or of the input, of a group below which they do not."""


def _pays(dtype: np.dtype[Any], outs: int, channels: int, others: int, target: Target) -> bool:
    """Whether a convolution with so many channels of results and of the input in a group is made by columns."""
    is_known = target.rows and dtype.name in ("float32", "float64")
    return is_known and outs >= FEWEST and outs * channels * others >= LEAST


def _chunks(images: int, each: int) -> Iterator[tuple[int, int]]:
    """(first image, number of images) of each chunk."""
    step = max(1, CHUNK // max(each, 1))
    return ((i, min(step, images - i)) for i in range(0, images, step))


def _forward(
    backend: Any, x: Look, weight: Look, bias: Look | None, out: Look, groups: int, integers: Sequence[int]
) -> None:
    """Products of the weight, (groups, outs, channels, taps) and contiguous, with columns of each image."""
    images, rows, m = x.shape[0], weight.size // (groups * (out.shape[1] // groups)), math.prod(out.shape[2:])
    outs, channels, wide = out.shape[1] // groups, x.shape[1] // groups, panels.tile(x.dtype, backend.target)[1]
    count = -(-m // wide)
    made = panels_kernel(x.dtype, wide, backend.target)
    for first, n in _chunks(images, groups * rows * m):
        packed = backend.fresh((n, groups, count, rows, wide), x.dtype, x.index)
        source = seen(x, (n, *x.shape[1:]), x.steps, first * x.steps[0])
        args = [given(source), given(packed), n, groups, channels, *integers]
        beside = (panels.panel_kernel(x.dtype, backend.target),)
        backend.launch(made, n * groups * count * channels, args, x.index, beside)
        steps = [packed.steps[0], packed.steps[1], wide, packed.steps[2]]
        p = Product((n, groups), outs, m, rows, weight, packed, (0, outs * rows, rows, 1), ())
        into = seen(out, (n * math.prod(out.shape[1:]),), (1,), first * out.steps[0])
        panels.by_panels(backend, p, packed, steps, into, bias, ())


def _flipped(backend: Any, weight: Look, groups: int) -> Look:
    """Weights (groups, outs, channels, *kernel) with outs and channels exchanged and the kernel reversed, contiguous."""
    outs, channels, *sizes = weight.shape
    each = outs // groups
    own, channel, *steps = contiguous_strides(weight.shape)
    last = sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))
    turned = (groups, channels, each, *sizes)
    found: Look = backend.copy(seen(weight, turned, (own * each, channel, own, *(-s for s in steps)), last))
    return found


def _spread_back(backend: Any, grad: Look, weight: Look, out: Look, groups: int, integers: Sequence[int]) -> None:
    """Products of the weight's transpose with gradients, added where the windows lie."""
    images, outs, m = grad.shape[0], grad.shape[1] // groups, math.prod(grad.shape[2:])
    rows = weight.size // (groups * outs)
    for first, n in _chunks(images, groups * rows * m):
        columns = backend.fresh((n * groups * rows * m,), grad.dtype, grad.index)
        source = seen(grad, (), (), first * grad.steps[0])
        steps = (grad.steps[0], outs * m, m, 1)
        p = Product((n, groups), rows, m, outs, weight, source, (0, outs * rows, 1, rows), steps)
        panels.multiply(backend, p, columns)
        into = seen(out, (), (), first * out.steps[0])
        planes = n * out.shape[1]
        made = back_kernel(grad.dtype, backend.target)
        backend.launch(made, planes, [given(columns), given(into), planes, *integers], grad.index)


def _weight_grad(backend: Any, grad: Look, x: Look, out: Look, groups: int, integers: Sequence[int]) -> None:
    """Products of gradients with columns turned, over the windows of all images."""
    images, outs, m = grad.shape[0], grad.shape[1], math.prod(grad.shape[2:])
    channels = x.shape[1] // groups
    rows, wide = math.prod(out.shape[1:]), panels.tile(x.dtype, backend.target)[1]
    count = -(-rows // wide)
    chunks = list(_chunks(images, groups * rows * m))
    totals = backend.fresh((len(chunks), out.size), x.dtype, x.index) if len(chunks) > 1 else out
    made = turned_kernel(x.dtype, wide, backend.target)
    beside = (panels.panel_kernel(x.dtype, backend.target),)
    for number, (first, n) in enumerate(chunks):
        packed = backend.fresh((groups, count, n * m, wide), x.dtype, x.index)
        source = seen(x, (), (), first * x.steps[0])
        args = [given(source), given(packed), n, groups, channels, *integers]
        backend.launch(made, groups * count * n * _first_count(integers), args, x.index, beside)
        left = backend.contiguous(seen(grad, (outs, n, m), (m, grad.steps[0], 1), first * grad.steps[0]))
        each = outs // groups
        p = Product((1, groups), each, rows, n * m, left, packed, (0, each * n * m, n * m, 1), ())
        into = seen(totals, (out.size,), (1,), number * out.size)
        panels.by_panels(backend, p, packed, [0, packed.steps[0], wide, packed.steps[1]], into, None, ())
    if totals is not out:
        backend.write(out, seen(summed(backend, totals), out.shape, out.steps))


def _widened(backend: Any, *looks: Look | None) -> list[Any]:
    """Looks at 16-bit floats as float32."""
    return [look if look is None else cast(backend, look, np.dtype(np.float32)) for look in looks]


def _first_count(integers: Sequence[int]) -> int:
    """Windows along the first of the three dims."""
    return integers[3]


@kernel
def convolution(
    backend: Any,
    input: Look,
    weight: Look,
    bias: Look | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    if input.dtype.name in SHORT:  # converted once, not for each use
        looks = _widened(backend, input, weight, bias)
        return cast(backend, convolution(backend, *looks, stride, padding, dilation, groups), input.dtype)
    n, sizes, kernel_size = input.shape[0], input.shape[2:], weight.shape[2:]
    counts = tuple(map(window_count, sizes, kernel_size, stride, padding, dilation))
    outs, channels = weight.shape[:2]
    out = backend.fresh((n, outs, *counts), input.dtype, input.index)
    looks = [backend.contiguous(look) for look in (input, weight, weight if bias is None else bias)]
    integers = window_integers(sizes, counts, kernel_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(kernel_size)
    if _pays(input.dtype, outs // groups, channels, others, backend.target):
        _forward(backend, looks[0], looks[1], looks[2] if bias is not None else None, out, groups, integers)
        return out
    head = [n, outs, channels, groups, int(bias is not None)]
    return run(backend, direct_kernel(input.dtype, backend.target), looks, out, [*head, *integers])


@kernel
def convolution_input_grad(
    backend: Any,
    grad: Look,
    weight: Look,
    input_size: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    if grad.dtype.name in SHORT:
        looks = _widened(backend, grad, weight)
        found = convolution_input_grad(backend, *looks, input_size, stride, padding, dilation, groups)
        return cast(backend, found, grad.dtype)
    n, outs, *counts = grad.shape
    channels, *kernel_size = weight.shape[1:]
    out = backend.fresh((n, channels * groups, *input_size), grad.dtype, grad.index)
    looks = [backend.contiguous(look) for look in (grad, weight)]
    integers = window_integers(input_size, counts, kernel_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(kernel_size)
    if _pays(grad.dtype, channels, outs // groups, others, backend.target):
        if max(stride) == 1:  # a convolution itself
            ends = [d * (k - 1) - p for d, k, p in zip(dilation, kernel_size, padding, strict=True)]
            integers = window_integers(counts, input_size, kernel_size, stride, ends, dilation)
            _forward(backend, looks[0], _flipped(backend, looks[1], groups), None, out, groups, integers)
        else:
            _spread_back(backend, looks[0], looks[1], out, groups, integers)
        return out
    made = direct_input_grad_kernel(grad.dtype, backend.target)
    return run(backend, made, looks, out, [n, outs, channels, groups, *integers])


@kernel
def convolution_weight_grad(
    backend: Any,
    grad: Look,
    input: Look,
    weight_size: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    if grad.dtype.name in SHORT:
        looks = _widened(backend, grad, input)
        found = convolution_weight_grad(backend, *looks, weight_size, stride, padding, dilation, groups)
        return cast(backend, found, grad.dtype)
    n, outs, *counts = grad.shape
    channels = input.shape[1] // groups
    out = backend.fresh((outs, channels, *weight_size), grad.dtype, grad.index)
    looks = [backend.contiguous(look) for look in (grad, input)]
    integers = window_integers(input.shape[2:], counts, weight_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(weight_size)
    if _pays(grad.dtype, outs // groups, channels, others, backend.target):
        _weight_grad(backend, looks[0], looks[1], out, groups, integers)
        return out
    made = direct_weight_grad_kernel(grad.dtype, backend.target)
    return run(backend, made, looks, out, [n, outs, channels, groups, *integers])
