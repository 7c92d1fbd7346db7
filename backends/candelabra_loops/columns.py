# SPDX-License-Identifier: Apache-2.0
"""What windows see, laid out as an operand of matrix products; and back.

For each group the columns are a matrix: a row for each channel and element of the kernel, a column for each window. Where
the target has rows it is made as panels (see `panels.py`), along windows or, for the gradient of the weight, along rows.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from .elements import places_of, value_of
from .windows import Windows, over, product, whole, windows


def in_row(dims: Sequence[Windows], at: Sequence[Value], tap: Sequence[Value]) -> tuple[Value, Value]:
    """(whether an element of a window is inside as far as the first two dims say, the first element of its row)."""
    d, h = (w.start(i) + k * w.dilation for w, i, k in zip(dims[:2], at, tap, strict=False))
    is_inside = (d >= 0) & (d < dims[0].size) & (h >= 0) & (h < dims[1].size)
    return is_inside, (d * dims[1].size + h) * dims[2].size


def run_of(dim: Windows, start: Value, length: Value, is_inside: Value) -> tuple[Value, Value]:
    """(first, end) of the windows of a run that see something, of `length` windows whose elements begin at `start`."""
    zero = start.b.const(0, "i64")
    before = (start < 0).select((dim.stride - 1 - start).idiv(dim.stride), zero)
    left = dim.size - start
    after = (left > 0).select((left + (dim.stride - 1)).idiv(dim.stride), zero)
    first, end = ir.minimum(before, length), ir.minimum(after, length)
    end = is_inside.select(ir.maximum(end, first), zero)
    return is_inside.select(first, zero), end


# -- panels along windows ------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def panels_kernel(dtype: np.dtype[Any], wide: int, target: Target) -> Kernel:
    """Panels of `wide` windows; a work item is one channel's rows of a panel."""
    type = memory_type(dtype)
    b = Builder(f"convolution_panels_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    images, groups, channels = b.size("images"), b.size("groups"), b.size("channels")
    dims = windows(b)
    count, taps = product([d.count for d in dims]), product([d.kernel for d in dims])
    panels = (count + (wide - 1)).idiv(wide)
    with b.work(images * groups * panels * channels) as item:
        image, group, panel, channel = places_of(item, [images, groups, panels, channels])
        base = ((image * groups + group) * channels + channel) * product([d.size for d in dims])
        to = (((image * groups + group) * panels + panel) * channels + channel) * taps * wide
        begin = panel * wide
        end = ir.minimum(begin + wide, count)
        place = b.var(begin)
        with b.loop_while() as test:  # runs of windows in one row of results
            test(place.get() < end)
            at = places_of(place.get(), [d.count for d in dims])
            length = ir.minimum(end - place.get(), dims[2].count - at[2])
            with over(b, whole(b, dims)) as tap:
                is_inside, row = in_row(dims, at, tap)
                start = dims[2].start(at[2]) + tap[2] * dims[2].dilation
                number = (tap[0] * dims[1].kernel + tap[1]) * dims[2].kernel + tap[2]
                here = to + number * wide + (place.get() - begin)
                first, last = run_of(dims[2], start, length, is_inside)
                fill(b, out, here, b.const(0, "i64"), first)
                _gather(b, x, base + row + start, dims[2].stride, out, here, first, last)
                fill(b, out, here, last, length)
            place.set(place.get() + length)
        with b.loop(taps) as tap_number:
            fill(b, out, to + tap_number * wide, end - begin, b.const(wide, "i64"))
    return b.finish()


def fill(b: Builder, out: Buffer, at: Value, first: Value, end: Value) -> None:
    """Zeros."""
    with b.loop(end, first, vector=True) as j:
        out[at + j] = 0.0


def _gather(b: Builder, x: Buffer, at: Value, stride: Value, out: Buffer, to: Value, first: Value, end: Value) -> None:
    """Elements `stride` apart; side by side where it is 1, which loops are told."""
    with b.when(stride.eq(1)) as otherwise, b.loop(end, first, vector=True) as j:
        out[to + j] = x[at + j]
    with otherwise(), b.loop(end, first, vector=True) as j:
        out[to + j] = x[at + j * stride]


# -- panels along rows ---------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def turned_kernel(dtype: np.dtype[Any], wide: int, target: Target) -> Kernel:
    """Panels of `wide` rows, windows of all images one after the other.

    A work item is a panel's windows at one place of the first dim.
    """
    type = memory_type(dtype)
    b = Builder(f"convolution_turned_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    images, groups, channels = b.size("images"), b.size("groups"), b.size("channels")
    dims = windows(b)
    count, taps = product([d.count for d in dims]), product([d.kernel for d in dims])
    rows = channels * taps
    panels = (rows + (wide - 1)).idiv(wide)
    with b.work(groups * panels * images * dims[0].count) as item:
        group, panel, image, d = places_of(item, [groups, panels, images, dims[0].count])
        to = (((group * panels + panel) * images + image) * count + d * dims[1].count * dims[2].count) * wide
        with b.loop(wide) as j:
            number = panel * wide + j
            is_row = number < rows
            channel, *tap = places_of(is_row.select(number, 0), [channels, *(w.kernel for w in dims)])
            base = ((image * groups + group) * channels + channel) * product([w.size for w in dims])
            with b.loop(dims[1].count) as h:
                is_inside, row = in_row(dims, [d, h], tap)
                start = dims[2].padding * -1 + tap[2] * dims[2].dilation
                first, last = run_of(dims[2], start, dims[2].count, is_inside & is_row)
                here = to + h * dims[2].count * wide + j
                for bounds in ((b.const(0, "i64"), first), (last, dims[2].count)):
                    with b.loop(bounds[1], bounds[0]) as w:
                        out[here + w * wide] = 0.0
                with b.loop(last, first) as w:
                    out[here + w * wide] = x[base + row + start + w * dims[2].stride]
    return b.finish()


# -- and back --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def back_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Columns, (images, channels, elements of the kernel, windows), added where they were seen.

    A work item is up to `BACK` strides of a row of the image. Elements a stride apart are summed side by side, since
    neighbouring windows see these.
    """
    type = memory_type(dtype)
    b = Builder(f"convolution_back_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    planes = b.size("planes")
    dims = windows(b)
    taps, count, stride = product([d.kernel for d in dims]), product([d.count for d in dims]), dims[2].stride
    pieces = _strides(dims[2]).idiv(BACK) + 1
    sizes = [planes, dims[0].size, dims[1].size, pieces]
    with b.work(product(sizes)) as item:
        plane, d, h, piece = places_of(item, sizes)
        row = ((plane * dims[0].size + d) * dims[1].size + h) * dims[2].size
        first = piece * BACK
        sums = b.private(value_of(dtype), BACK, "sum")
        with b.loop(stride) as phase:
            left = (dims[2].size - phase + (stride - 1)).idiv(stride) - first
            length = ir.minimum(ir.maximum(left, b.const(0, "i64")), b.const(BACK, "i64"))
            with b.loop(length, vector=True) as j:
                sums[j] = 0.0
            with b.loop(dims[2].kernel) as k:
                ahead = phase + dims[2].padding - k * dims[2].dilation
                start = first + ahead.idiv(stride)  # the window that sees the first of the piece
                begin = ir.minimum(ir.maximum(start * -1, b.const(0, "i64")), length)
                end = ir.maximum(ir.minimum(length, dims[2].count - start), begin)
                is_phase = ahead.irem(stride).eq(0)
                with b.when(is_phase), b.loop(dims[0].kernel) as i, b.loop(dims[1].kernel) as j:
                    seen_d, at_d = _window_of(dims[0], d, i)
                    seen_h, at_h = _window_of(dims[1], h, j)
                    number = (i * dims[1].kernel + j) * dims[2].kernel + k
                    source = (plane * taps + number) * count + (at_d * dims[1].count + at_h) * dims[2].count + start
                    with b.when(seen_d & seen_h), b.loop(end, begin, vector=True) as w:
                        sums[w] = sums[w] + x[source + w]
            to = row + first * stride + phase
            with b.when(stride.eq(1)) as otherwise, b.loop(length, vector=True) as j:
                out[to + j] = sums[j]
            with otherwise(), b.loop(length, vector=True) as j:
                out[to + j * stride] = sums[j]
    return b.finish()


BACK = 256
"""Elements a stride apart that a work item of `back_kernel` sums at most."""


def _strides(dim: Windows) -> Value:
    """Elements of a dim that are a stride apart, less one."""
    return (dim.size - 1).idiv(dim.stride)


def back_count(planes: int, sizes: Sequence[int], stride: int) -> int:
    """On the host: work items of `back_kernel`."""
    return planes * math.prod(sizes[:-1]) * ((sizes[-1] - 1) // stride // BACK + 1)


def _window_of(dim: Windows, place: Value, tap: Value) -> tuple[Value, Value]:
    """(whether a window sees a place by an element of the kernel, which one)."""
    ahead = place + dim.padding - tap * dim.dilation
    found = ahead.idiv(dim.stride)
    return (ahead >= 0) & (found * dim.stride).eq(ahead) & (found < dim.count), found


# -- one element after the other -------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def flat_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Columns (images, groups, channels, elements of the kernel, windows); a work item is one element."""
    type = memory_type(dtype)
    b = Builder(f"convolution_columns_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    planes, dims = b.size("planes"), windows(b)
    sizes = [planes, *(d.kernel for d in dims), *(d.count for d in dims)]
    with b.work(product(sizes)) as item:
        plane, *places = places_of(item, sizes)
        tap, at = places[:3], places[3:]
        is_inside, row = in_row(dims, at, tap)
        w = dims[2].start(at[2]) + tap[2] * dims[2].dilation
        is_inside = is_inside & (w >= 0) & (w < dims[2].size)
        here = plane * product([d.size for d in dims]) + row + w
        out[item] = is_inside.select(x[is_inside.select(here, 0)], 0.0)
    return b.finish()


@functools.lru_cache(maxsize=16)
def collected_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `back_kernel`; a work item is one element."""
    type = memory_type(dtype)
    b = Builder(f"convolution_collected_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    planes, dims = b.size("planes"), windows(b)
    taps, count = product([d.kernel for d in dims]), product([d.count for d in dims])
    sizes = [planes, *(d.size for d in dims)]
    with b.work(product(sizes)) as item:
        plane, *at = places_of(item, sizes)
        total = b.var(b.const(0, value_of(dtype)))
        with over(b, whole(b, dims)) as tap:
            ahead = [i + d.padding - k * d.dilation for i, k, d in zip(at, tap, dims, strict=True)]
            places = [a.idiv(d.stride) for a, d in zip(ahead, dims, strict=True)]
            is_seen = b.const(True, "b1")
            for a, place, d in zip(ahead, places, dims, strict=True):
                is_seen = is_seen & (a >= 0) & (place * d.stride).eq(a) & (place < d.count)
            number = (tap[0] * dims[1].kernel + tap[1]) * dims[2].kernel + tap[2]
            place = (places[0] * dims[1].count + places[1]) * dims[2].count + places[2]
            with b.when(is_seen):
                total.set(total.get() + x[(plane * taps + number) * count + place])
        out[item] = total.get()
    return b.finish()
