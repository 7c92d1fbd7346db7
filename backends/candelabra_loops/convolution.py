# SPDX-License-Identifier: Apache-2.0
"""Convolutions and their gradients: matrix products over columns where that pays, else by definition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from candelabra._dtype import from_numpy_dtype
from candelabra._shape import Shape, contiguous_strides, window_count
from candelabra.compiler.graph import is_complex
from candelabra.compiler.ir import Target

from . import panels, planes
from ._kernel import kernel
from .columns import back_count, back_kernel, collected_kernel, flat_kernel, panels_kernel, turned_kernel
from .direct import direct_input_grad_kernel, direct_kernel, direct_weight_grad_kernel, run
from .elements import SHORT
from .lines import convolution_lines, run_count, weight_grad_lines
from .look import Look
from .places import given, seen
from .plain import Product, cast, summed
from .products import multiply
from .windows import window_integers

CHUNK = {True: 1 << 20, False: 1 << 27}
"""Elements of the columns held at once, of one image at least, by whether the target has rows: there they stay in the
last cache level."""

LEAST = 1 << 15
"""Products from which columns pay."""

FEWEST = 4
"""Channels, of results or of the input, of a group below which they do not."""


def _pays(dtype: np.dtype[Any], outs: int, channels: int, others: int, target: Target) -> bool:
    """Whether a convolution with so many channels of results and of the input in a group is made by columns."""
    if dtype.name not in ("float32", "float64") or outs * channels * others < LEAST:
        return False
    return outs >= FEWEST if target.rows else target.group >= 256 and min(outs, channels) >= FEWEST


def _chunks(images: int, each: int, target: Target) -> Iterator[tuple[int, int]]:
    """(first image, number of images) of each chunk."""
    step = max(1, CHUNK[target.rows] // max(each, 1))
    return ((i, min(step, images - i)) for i in range(0, images, step))


class Job(NamedTuple):
    """One convolution, of the forward kind.

    Attributes:
        image, result: look at what windows slide over, and what has a place for each window; (N, channels, *sizes).
        groups: of channels; `rows`: channels times elements of the kernel in a group; `places`: windows.
        integers: parameters of `windows`.
    """

    image: Look
    result: Look
    groups: int
    rows: int
    integers: list[int]

    @property
    def places(self) -> int:
        """Windows of an image."""
        return math.prod(self.result.shape[2:])

    @property
    def outs(self) -> int:
        """Channels of results in a group."""
        return self.result.shape[1] // self.groups

    @property
    def channels(self) -> int:
        """Channels of the image in a group."""
        return self.image.shape[1] // self.groups


def _part(look: Look, first: int, n: int) -> Look:
    """`n` images of a contiguous look."""
    return seen(look, (n, *look.shape[1:]), look.steps, first * look.steps[0])


def _forward(backend: Any, job: Job, weight: Look, bias: Look | None) -> Look:
    """Products of the weight, (groups, outs, rows) and contiguous, with columns of each image."""
    target, out = backend.target, job.result
    for first, n in _chunks(job.image.shape[0], job.groups * job.rows * job.places, target):
        packed, steps = _columns(backend, job, first, n)
        batch = (n, job.groups)
        p = Product(batch, job.outs, job.places, job.rows, weight, packed, (0, job.outs * job.rows, job.rows, 1), steps)
        into = seen(out, (n * math.prod(out.shape[1:]),), (1,), first * out.steps[0])
        if target.rows:
            panels.by_panels(backend, p, packed, list(steps), into, bias, ())
        else:
            multiply(backend, p, into)
    if bias is not None and not target.rows:
        summand = seen(bias, (bias.size, *[1] * (len(out.shape) - 2)), (1, *[0] * (len(out.shape) - 2)))
        total: Look = backend.kernel("add", from_numpy_dtype(out.dtype))(out, summand)
        return total
    return out


def _columns(backend: Any, job: Job, first: int, n: int) -> tuple[Look, tuple[int, ...]]:
    """(columns of some images, their strides: along images, groups, rows, and from one panel or column to the next)"""
    x, target = _part(job.image, first, n), backend.target
    if not target.rows:
        flat = backend.fresh((n, job.groups, job.rows, job.places), x.dtype, x.index)
        planes = n * x.shape[1]
        args = [given(x), given(flat), planes, *job.integers]
        backend.launch(flat_kernel(x.dtype, target), flat.size, args, x.index)
        return flat, flat.steps
    wide = panels.tile(x.dtype, target)[1]
    count = -(-job.places // wide)
    packed = backend.fresh((n, job.groups, count, job.rows, wide), x.dtype, x.index)
    args = [given(x), given(packed), n, job.groups, job.channels, *job.integers]
    beside = (panels.panel_kernel(x.dtype, target), turned_kernel(x.dtype, wide, target))
    items = n * job.groups * count * job.channels
    backend.launch(panels_kernel(x.dtype, wide, target), items, args, x.index, beside)
    return packed, (packed.steps[0], packed.steps[1], wide, packed.steps[2])


def _flipped(backend: Any, weight: Look, groups: int) -> Look:
    """Weights (groups, outs, channels, *kernel) with outs and channels exchanged and the kernel reversed, contiguous."""
    outs, channels, *sizes = weight.shape
    each = outs // groups
    own, channel, *steps = contiguous_strides(weight.shape)
    last = sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))
    turned = (groups, channels, each, *sizes)
    found: Look = backend.copy(seen(weight, turned, (own * each, channel, own, *(-s for s in steps)), last))
    return found


def _back(backend: Any, job: Job, weight: Look) -> None:
    """Products of the weight's transpose with what is in the place of results, added where the windows lie."""
    grad, image, target = job.result, job.image, backend.target
    for first, n in _chunks(grad.shape[0], job.groups * job.rows * job.places, target):
        columns = backend.fresh((n * job.groups * job.rows * job.places,), grad.dtype, grad.index)
        steps = (grad.steps[0], job.outs * job.places, job.places, 1)
        source, turned = _part(grad, first, n), (0, job.outs * job.rows, 1, job.rows)
        multiply(
            backend,
            Product((n, job.groups), job.rows, job.places, job.outs, weight, source, turned, steps),
            columns,
        )
        into = _part(image, first, n)
        planes = n * image.shape[1]
        made = (back_kernel if target.rows else collected_kernel)(grad.dtype, target)
        args = [given(columns), given(into), planes, *job.integers]
        items = back_count(planes, image.shape[2:], job.integers[11]) if target.rows else into.size
        backend.launch(made, items, args, grad.index)


def _weight_grad(backend: Any, job: Job, out: Look) -> None:
    """Products of gradients with columns turned, over the windows of all images."""
    grad, target = job.result, backend.target
    chunks = list(_chunks(grad.shape[0], job.groups * job.rows * job.places, target))
    found = [(_turned if target.rows else _by_image)(backend, job, *chunk) for chunk in chunks]
    total = found[0]
    for more in found[1:]:
        total = backend.kernel("add", from_numpy_dtype(out.dtype))(total, more)
    backend.write(out, seen(total, out.shape, out.steps))


def _turned(backend: Any, job: Job, first: int, n: int) -> Look:
    """The gradient of the weight from some images, as one product over all their windows."""
    x, target, outs = _part(job.image, first, n), backend.target, job.outs
    wide = panels.tile(x.dtype, target)[1]
    count, windows = -(-job.rows // wide), n * job.places
    packed = backend.fresh((job.groups, count, windows, wide), x.dtype, x.index)
    args = [given(x), given(packed), n, job.groups, job.channels, *job.integers]
    beside = (panels.panel_kernel(x.dtype, target),)
    items = job.groups * count * n * job.integers[3]  # windows along the first of three dims
    backend.launch(turned_kernel(x.dtype, wide, target), items, args, x.index, beside)
    grad = job.result
    shape, steps = (grad.shape[1], n, job.places), (job.places, grad.steps[0], 1)
    left = backend.contiguous(seen(grad, shape, steps, first * grad.steps[0]))
    p = Product((1, job.groups), outs, job.rows, windows, left, packed, (0, outs * windows, windows, 1), ())
    out: Look = backend.fresh((job.groups * outs * job.rows,), x.dtype, x.index)
    panels.by_panels(backend, p, packed, [0, packed.steps[0], wide, packed.steps[1]], out, None, ())
    return out


def _by_image(backend: Any, job: Job, first: int, n: int) -> Look:
    """The gradient of the weight from some images, as a sum of products for each."""
    columns, (image, group, row, _) = _columns(backend, job, first, n)
    grad, outs = _part(job.result, first, n), job.outs
    steps = (grad.steps[0], outs * job.places, job.places, 1)
    p = Product((n, job.groups), outs, job.rows, job.places, grad, columns, steps, (image, group, 1, row))
    each: Look = backend.fresh((n, job.groups * outs * job.rows), grad.dtype, grad.index)
    multiply(backend, p, seen(each, (each.size,), (1,)))
    return summed(backend, each)


def _widened(backend: Any, *looks: Look | None) -> list[Any]:
    """Looks at 16-bit floats as float32."""
    return [look if look is None else cast(backend, look, np.dtype(np.float32)) for look in looks]


def _sliding(weight: Look, channels: int, groups: int, integers: list[int]) -> planes.Sliding:
    """A contiguous weight, of so many channels of the image in a group, over planes."""
    taps = math.prod(integers[6:9])
    return planes.Sliding(weight, (channels * taps, 1), groups, integers)


def _slid(backend: Any, looks: Sequence[Look], out: Look, integers: list[int], counts: Sequence[int]) -> Look:
    """A convolution by its definition."""
    if not backend.target.rows or is_complex(out.dtype):
        return run(backend, direct_kernel(out.dtype, backend.target), looks, out, integers)
    made = convolution_lines(out.dtype, backend.target)
    items = math.prod(out.shape[:2]) * run_count(counts)
    backend.launch(made, items, [*(given(look) for look in (*looks, out)), *integers], out.index)
    return out


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
        input, weight, bias, half = *_widened(backend, input, weight, bias), input.dtype
        return cast(backend, convolution(backend, input, weight, bias, stride, padding, dilation, groups), half)
    n, sizes, kernel_size = input.shape[0], input.shape[2:], weight.shape[2:]
    counts = tuple(map(window_count, sizes, kernel_size, stride, padding, dilation))
    outs, channels = weight.shape[:2]
    out = backend.fresh((n, outs, *counts), input.dtype, input.index)
    looks = [backend.contiguous(look) for look in (input, weight, weight if bias is None else bias)]
    integers = window_integers(sizes, counts, kernel_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(kernel_size)
    if planes.pays(input.dtype, counts, math.prod(kernel_size), others * outs // groups * channels, backend.target):
        by = _sliding(looks[1], channels, groups, integers)
        return planes.slide(backend, looks[0], out, by, looks[2] if bias is not None else None)
    if _pays(input.dtype, outs // groups, channels, others, backend.target):
        job = Job(looks[0], out, groups, channels * math.prod(kernel_size), integers)
        return _forward(backend, job, looks[1], looks[2] if bias is not None else None)
    head = [n, outs, channels, groups, int(bias is not None)]
    return _slid(backend, looks, out, [*head, *integers], counts)


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
        one, two = _widened(backend, grad, weight)
        found = convolution_input_grad(backend, one, two, input_size, stride, padding, dilation, groups)
        return cast(backend, found, grad.dtype)
    n, outs, *counts = grad.shape
    channels, *kernel_size = weight.shape[1:]
    out = backend.fresh((n, channels * groups, *input_size), grad.dtype, grad.index)
    looks = [backend.contiguous(look) for look in (grad, weight)]
    integers = window_integers(input_size, counts, kernel_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(kernel_size)
    pays = _pays(grad.dtype, channels, outs // groups, others, backend.target)
    # Results of few channels, as of images, would be few rows of a product; of its transpose they are many.
    rows = max(outs // groups, FEWEST if max(stride) > 1 else 0)
    few = backend.target.rows and _pays(grad.dtype, rows, channels, others, backend.target)
    ends = [d * (k - 1) - p for d, k, p in zip(dilation, kernel_size, padding, strict=True)]
    products = others * channels * (outs // groups)
    slides = max(stride) == 1 and planes.pays(grad.dtype, input_size, math.prod(kernel_size), products, backend.target)
    if slides:
        integers = window_integers(counts, input_size, kernel_size, stride, ends, dilation)
        by = _sliding(_flipped(backend, looks[1], groups), outs // groups, groups, integers)
        return planes.slide(backend, looks[0], out, by, None)
    if (pays or few) and (max(stride) > 1 or not pays):
        _back(backend, Job(out, looks[0], groups, channels * math.prod(kernel_size), integers), looks[1])
        return out
    if pays or (backend.target.rows and max(stride) == 1):  # a convolution itself
        integers = window_integers(counts, input_size, kernel_size, stride, ends, dilation)
        turned = _flipped(backend, looks[1], groups)
        if pays:
            job = Job(looks[0], out, groups, outs // groups * math.prod(kernel_size), integers)
            return _forward(backend, job, turned, None)
        head = [n, channels * groups, outs // groups, groups, 0]
        return _slid(backend, [looks[0], turned, turned], out, [*head, *integers], input_size)
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
        one, two = _widened(backend, grad, input)
        found = convolution_weight_grad(backend, one, two, weight_size, stride, padding, dilation, groups)
        return cast(backend, found, grad.dtype)
    n, outs, *counts = grad.shape
    channels = input.shape[1] // groups
    out = backend.fresh((outs, channels, *weight_size), grad.dtype, grad.index)
    looks = [backend.contiguous(look) for look in (grad, input)]
    integers = window_integers(input.shape[2:], counts, weight_size, stride, padding, dilation)
    others = n * groups * math.prod(counts) * math.prod(weight_size)
    if _pays(grad.dtype, outs // groups, channels, others, backend.target):
        _weight_grad(backend, Job(looks[1], looks[0], groups, channels * math.prod(weight_size), integers), out)
        return out
    has_lines = backend.target.rows and not is_complex(grad.dtype)
    made = (weight_grad_lines if has_lines else direct_weight_grad_kernel)(grad.dtype, backend.target)
    return run(backend, made, looks, out, [n, outs, channels, groups, *integers])
