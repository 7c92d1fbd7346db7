# SPDX-License-Identifier: Apache-2.0
"""Maxima and means over windows in one or two dims: a row of windows at a time, tap after tap, each tap a vector loop over
the windows in which it lies inside the input."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from candelabra._shape import Shape
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Builder, Value, is_float, is_signed, maximum, minimum
from candelabra.compiler.ir import bits as width_of

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import Array, builder, parts, stretch

WINDOWS = 256
"""Windows of a row that are worked on at a time: their results so far stay in the first-level cache."""


class _Windows:
    """In a kernel: the geometry of windows in two dims, all of it parameters.

    Args:
        step: stride along rows where it is known; loads of neighbours that are 1 or 2 apart are vectorized.
    """

    def __init__(self, b: Builder, step: int | None) -> None:
        self.b = b
        self.planes = b.size("planes")
        self.size, self.count, self.kernel, self.stride, self.padding, self.dilation = (
            (b.size(f"{name}0"), b.size(f"{name}1"))
            for name in ("size", "count", "kernel", "stride", "padding", "dilation")
        )
        if step is not None:
            self.stride = self.stride[0], b.const(step, "i64")

    @contextmanager
    def rows(self) -> Iterator[tuple[Value, Value]]:
        """Work items: rows of windows; gives the plane and the row."""
        with self.b.work(self.planes * self.count[0]) as item:
            yield parts(item, self.count[0])

    @contextmanager
    def stretches(self) -> Iterator[tuple[Value, Value]]:
        """Stretches of a row of windows: first window and number."""
        with self.b.loop((self.count[1] + (WINDOWS - 1)).idiv(WINDOWS)) as number:
            yield stretch(self.count[1], number, WINDOWS)

    @contextmanager
    def taps(self, row: Value, start: Value, count: Value) -> Iterator[tuple[Value, Value]]:
        """Elements of the windows, tap by tap in row-major order: the window within the stretch and the element within
        the plane."""
        b, top = self.b, row * self.stride[0] - self.padding[0]
        before, after = -top, self.size[0] - top
        low = (before > 0).select((before + (self.dilation[0] - 1)).idiv(self.dilation[0]), 0)
        high = (after > 0).select((after + (self.dilation[0] - 1)).idiv(self.dilation[0]), 0)
        with b.loop(minimum(high, self.kernel[0]), start=low) as i, b.loop(self.kernel[1]) as j:
            line, left = (top + i * self.dilation[0]) * self.size[1], j * self.dilation[1] - self.padding[1]
            step, end = self.stride[1], self.size[1] - left
            first = (left < 0).select((step - 1 - left).idiv(step), 0)
            last = (end > 0).select((end + (step - 1)).idiv(step), 0)
            with b.loop(minimum(last, start + count), start=maximum(first, start), vector=True) as window:
                yield window - start, line + left + window * step


@functools.cache
def max_kernel(type: str, step: int | None) -> CompiledKernel:
    """Greatest element of each window and its place: of the first of equal ones, of the last nan."""
    b = builder("max_pool", type, str(step))
    x, out, indices = b.buffer("x", type), b.buffer("out", type, True), b.buffer("indices", "i64", True)
    w = _Windows(b, step)
    with w.rows() as (plane, row), w.stretches() as (start, count):
        best, places = b.private(type, WINDOWS), b.private("i32", WINDOWS)
        with b.loop(count, vector=True) as k:
            best[k] = _lowest(type)
            places[k] = -1
        base = plane * w.size[0] * w.size[1]
        with w.taps(row, start, count) as (k, at):
            value, known, place = x[base + at], best[k], places[k]
            better = (value > known) | (place < 0)
            if is_float(type):
                better = better | value.ne(value)
            best[k] = better.select(value, known)
            places[k] = better.select(at.cast("i32"), place)
        to = (plane * w.count[0] + row) * w.count[1] + start
        with b.loop(count, vector=True) as k:
            out[to + k] = best[k]
            # A dilated window may see padding alone: its index means nothing, but must lie inside.
            indices[to + k] = maximum(places[k], 0).cast("i64")
    return compiled(b.finish())


LINE = 2048
"""Columns up to which maxima of all columns are taken before those of windows."""


@functools.cache
def adaptive_max_lines_kernel(type: str) -> CompiledKernel:
    """As `adaptive_max_kernel`, for at most LINE columns: a row of windows at a time, first down each column."""
    b = builder("adaptive_max_pool_lines", type)
    x, out, indices = b.buffer("x", type), b.buffer("out", type, True), b.buffer("indices", "i64", True)
    planes, height, width, rows, columns = (b.size(n) for n in ("planes", "height", "width", "rows", "columns"))
    with b.work(planes * rows) as item:
        plane, row = parts(item, rows)
        base, (top, bottom) = plane * height * width, _between(row, height, rows)
        best, places = b.private(type, LINE), b.private("i32", LINE)
        with b.loop(width, vector=True) as j:
            best[j] = x[base + top * width + j]
            places[j] = (top * width + j).cast("i32")
        with b.loop(bottom, start=top + 1) as i, b.loop(width, vector=True) as j:
            value, known = x[base + i * width + j], best[j]
            better = _beats(value, known)
            best[j] = better.select(value, known)
            places[j] = better.select((i * width + j).cast("i32"), places[j])
        with b.loop(columns) as column:
            left, right = _between(column, width, columns)
            most, place = b.var(best[left]), b.var(places[left])
            with b.loop(right, start=left + 1) as j:
                value, at, known, known_at = best[j], places[j], most.get(), place.get()
                better = (value > known) | (value.eq(known) & (at < known_at))
                if is_float(type):
                    better = better | (value.ne(value) & (known.eq(known) | (at > known_at)))
                most.set(better.select(value, known))
                place.set(better.select(at, known_at))
            out[item * columns + column] = most.get()
            indices[item * columns + column] = place.get().cast("i64")
    return compiled(b.finish())


def _beats(value: Value, known: Value) -> Value:
    """Whether a later element takes the maximum's place: it is greater, or nan."""
    return (value > known) | value.ne(value) if is_float(value.type) else value > known


@functools.cache
def adaptive_max_kernel(type: str) -> CompiledKernel:
    """As `max_kernel`, of windows that cover both dims as evenly as integers allow."""
    b = builder("adaptive_max_pool", type)
    x, out, indices = b.buffer("x", type), b.buffer("out", type, True), b.buffer("indices", "i64", True)
    planes, height, width, rows, columns = (b.size(n) for n in ("planes", "height", "width", "rows", "columns"))
    with b.work(planes * rows) as item:
        plane, row = parts(item, rows)
        base, (top, bottom) = plane * height * width, _between(row, height, rows)
        with b.loop(columns) as column:
            left, right = _between(column, width, columns)
            place = b.var(top * width + left)
            best = b.var(x[base + place.get()])
            with b.loop(bottom, start=top) as i, b.loop(right, start=left) as j:
                here = i * width + j
                value, known = x[base + here], best.get()
                better = _beats(value, known)
                best.set(better.select(value, known))
                place.set(better.select(here, place.get()))
            out[item * columns + column] = best.get()
            indices[item * columns + column] = place.get()
    return compiled(b.finish())


def _between(window: Value, size: Value, count: Value) -> tuple[Value, Value]:
    """First element of a window, and the one after its last."""
    return (window * size).idiv(count), ((window + 1) * size + (count - 1)).idiv(count)


def _lowest(type: str) -> float:
    if is_float(type):
        return -math.inf
    return -(1 << (width_of(type) - 1)) if is_signed(type) else 0


@functools.cache
def mean_kernel(type: str, step: int | None) -> CompiledKernel:
    """Sum of each window over its number of elements: all that are not beyond the padding if `include`, else those
    inside; over `override` unless it is 0."""
    b = builder("avg_pool", type, str(step))
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    w = _Windows(b, step)
    include, override = b.size("include"), b.size("override")

    def length(d: int, window: Value) -> Value:
        first = window * w.stride[d] - w.padding[d]
        padded = minimum(first + w.kernel[d], w.size[d] + w.padding[d]) - first
        inside = minimum(first + w.kernel[d], w.size[d]) - maximum(first, 0)
        return include.ne(0).select(padded, inside)

    with w.rows() as (plane, row), w.stretches() as (start, count):
        sums = b.private(type, WINDOWS)
        with b.loop(count, vector=True) as k:
            sums[k] = 0
        base = plane * w.size[0] * w.size[1]
        with w.taps(row, start, count) as (k, at):
            sums[k] = sums[k] + x[base + at]
        to, height = (plane * w.count[0] + row) * w.count[1] + start, length(0, row)
        with b.loop(count, vector=True) as k:
            divisor = override.ne(0).select(override, height * length(1, start + k))
            out[to + k] = sums[k] / divisor.cast("i32").cast(type)
    return compiled(b.finish())


def _two(values: Shape, alone: int) -> list[int]:
    """Of two dims, the first of which is `alone` where there is but one."""
    return [alone, *values] if len(values) == 1 else list(values)


def _integers(shape: Shape, counts: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> list[int]:
    n = len(kernel)
    sizes = [(shape[-n:], 1), (counts, 1), (kernel, 1), (stride, 1), (padding, 0), (dilation, 1)]
    return [math.prod(shape[:-n]), *[v for values, alone in sizes for v in _two(values, alone)]]


def _fits(input: Array, counts: Shape) -> bool:
    n = len(counts)
    small = math.prod(input.shape[-n:]) < 1 << 31
    return n <= 2 and small and 0 not in counts and input.size > 0 and input.flags.c_contiguous


def _step(stride: Shape) -> int | None:
    return stride[-1] if stride[-1] in (1, 2) else None


def max_pool(input: Array, counts: Shape, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Any:
    """Maxima of `counts` windows and their places in the pooled dims."""
    if not _fits(input, counts) or input.dtype.kind not in "fiu":
        return None
    integers = _integers(input.shape, counts, kernel_size, stride, padding, dilation)
    shape = (*input.shape[: -len(counts)], *counts)
    out, indices = memory.empty(shape, input.dtype), memory.empty(shape, np.int64)
    rows = out.size // counts[-1]
    made = max_kernel(memory_type(input.dtype), _step(stride))
    made.run((input, out, indices, *integers), rows, counts[-1] * math.prod(kernel_size))
    return out, indices


def adaptive_max_pool(input: Array, counts: Shape) -> Any:
    """Maxima of `counts` windows that cover the last dims evenly, and their places in those dims."""
    if not _fits(input, counts) or input.dtype.kind not in "fiu":
        return None
    shape = (*input.shape[: -len(counts)], *counts)
    out, indices = memory.empty(shape, input.dtype), memory.empty(shape, np.int64)
    rows = out.size // counts[-1]
    integers = [math.prod(shape[: -len(counts)]), *_two(input.shape[-len(counts) :], 1), *_two(counts, 1)]
    find = adaptive_max_lines_kernel if input.shape[-1] <= LINE else adaptive_max_kernel
    made = find(memory_type(input.dtype))
    made.run((input, out, indices, *integers), rows, input.size // rows)
    return out, indices


def avg_pool(
    input: Array, counts: Shape, kernel_size: Shape, stride: Shape, padding: Shape, include: bool, override: int
) -> Any:
    """Means of `counts` windows; `override` of 0 is none."""
    if not _fits(input, counts) or input.dtype.kind != "f":
        return None
    integers = _integers(input.shape, counts, kernel_size, stride, padding, (1,) * len(counts))
    out = memory.empty((*input.shape[: -len(counts)], *counts), input.dtype)
    rows = out.size // counts[-1]
    made = mean_kernel(memory_type(input.dtype), _step(stride))
    made.run((input, out, *integers, int(include), override), rows, counts[-1] * math.prod(kernel_size))
    return out
