# SPDX-License-Identifier: Apache-2.0
"""Pooling and convolutions for devices whose work items are rows: one is a run of neighbouring results.

For each element of the window the run is one loop over neighbours, between the bounds in which they see something.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from .columns import in_row, run_of
from .elements import computed_in, places_of, summed_in, value_of
from .pooling_parts import Divisor, lowest
from .windows import Windows, over, product, whole, windows

RUN = 128
"""Neighbouring results of a work item at most."""


class Run(NamedTuple):
    """A work item: its rows of results, where in them it starts, and how long it is."""

    lead: list[Value]
    at: list[Value]
    length: Value


def run_count(counts: Sequence[int]) -> int:
    """On the host: work items for each of the lead's places."""
    return int(np.prod(counts[:-1], dtype=np.int64)) * -(-counts[-1] // RUN)


@contextlib.contextmanager
def runs(b: Builder, lead: Sequence[Value], dims: Sequence[Windows]) -> Iterator[Run]:
    """Work items over runs of results, for each place in `lead`."""
    pieces = (dims[2].count + (RUN - 1)).idiv(RUN)
    sizes = [*lead, dims[0].count, dims[1].count, pieces]
    with b.work(product(sizes)) as item:
        *places, d, h, piece = places_of(item, sizes)
        w = piece * RUN
        yield Run(places, [d, h, w], ir.minimum(dims[2].count - w, b.const(RUN, "i64")))


@contextlib.contextmanager
def taps(b: Builder, dims: Sequence[Windows], run: Run) -> Iterator[tuple[list[Value], Value, tuple[Value, Value]]]:
    """For each element of the window: its number by dims, where it lies for the first result, and bounds in the run."""
    with over(b, whole(b, dims)) as tap:
        is_inside, row = in_row(dims, run.at, tap)
        start = dims[2].start(run.at[2]) + tap[2] * dims[2].dilation
        yield tap, row + start, run_of(dims[2], start, run.length, is_inside)


@contextlib.contextmanager
def seen(
    b: Builder, x: Buffer, at: Value, stride: Value, bounds: tuple[Value, Value]
) -> Iterator[tuple[Value, Value, Value]]:
    """Loops over neighbours: gives the place in the run, the element, and where it lies."""
    first, end = bounds
    with b.loop(end, first, vector=True) as j:
        here = at + j * stride
        yield j, x[here], here


@functools.lru_cache(maxsize=32)
def max_lines(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `pooling.max_kernel` of sliding windows."""
    type, storage = value_of(dtype), memory_type(dtype)
    b = Builder(f"max_pool_lines_{storage}", target)
    x, out, indices = b.buffer("x", storage), b.buffer("out", storage, True), b.buffer("indices", "i64", True)
    rows, dims = b.size("rows"), windows(b)
    size = product([d.size for d in dims])
    with runs(b, [rows], dims) as run:
        best, places = b.private(type, RUN, "best"), b.private("i32", RUN, "place")
        with b.loop(run.length, vector=True) as j:
            best[j] = lowest(type)
            places[j] = -1  # nothing seen
        base = run.lead[0] * size
        with taps(b, dims, run) as (_, at, bounds), seen(b, x, base + at, dims[2].stride, bounds) as (j, value, here):
            known = best[j]
            better = (value > known) | (places[j] < 0)
            if ir.is_float(type):
                better = better | value.ne(value)
            best[j] = better.select(value, known)
            places[j] = better.select((here - base).cast("i32"), places[j])
        to = _result(dims, run)
        with b.loop(run.length, vector=True) as j:
            out[to + j] = best[j]
            indices[to + j] = ir.maximum(places[j], 0).cast("i64")
    return b.finish()


def _result(dims: Sequence[Windows], run: Run) -> Value:
    """Where a run's results begin."""
    d, h, w = run.at
    return ((run.lead[-1] * dims[0].count + d) * dims[1].count + h) * dims[2].count + w


@functools.lru_cache(maxsize=16)
def mean_lines(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `pooling.mean_kernel`."""
    storage = memory_type(dtype)
    b = Builder(f"avg_pool_lines_{storage}", target)
    x, out = b.buffer("x", storage), b.buffer("out", storage, True)
    rows, dims = b.size("rows"), windows(b)
    divisor = Divisor(b, dims)
    with runs(b, [rows], dims) as run:
        sums = b.private(value_of(dtype), RUN, "sum")
        with b.loop(run.length, vector=True) as j:
            sums[j] = 0
        base = run.lead[0] * product([d.size for d in dims])
        with taps(b, dims, run) as (_, at, bounds), seen(b, x, base + at, dims[2].stride, bounds) as (j, value, _):
            sums[j] = sums[j] + value
        to = _result(dims, run)
        starts = [d.start(i) for d, i in zip(dims, run.at, strict=True)]
        others, along = divisor.apart(starts)
        first, step = starts[2].cast("i32"), dims[2].stride.cast("i32")
        with b.loop(run.length, vector=True) as j:
            out[to + j] = sums[j] / (others.cast(sums.type) * along(first + j.cast("i32") * step).cast(sums.type))
    return b.finish()


@functools.lru_cache(maxsize=16)
def mean_grad_planes(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `pooling.mean_grad_kernel`; a work item is all elements of one of the rows, which windows add to in turn.

    In `sums`, of the computing type, elements are summed before they are stored.
    """
    storage, type = memory_type(dtype), value_of(dtype)
    b = Builder(f"avg_pool_grad_planes_{storage}", target)
    grad, sums, out = b.buffer("grad", storage), b.buffer("sums", type, True), b.buffer("out", storage, True)
    rows, dims = b.size("rows"), windows(b)
    divisor = Divisor(b, dims)
    size = product([d.size for d in dims])
    zero = b.const(0, "i64")
    with b.work(rows) as row:
        base = row * size
        with b.loop(size, vector=True) as j:
            sums[base + j] = 0
        with over(b, whole(b, dims)) as tap, b.loop(dims[0].count) as d, b.loop(dims[1].count) as h:
            is_inside, line = in_row(dims, [d, h], tap)
            start = dims[2].start(zero) + tap[2] * dims[2].dilation
            first, end = run_of(dims[2], start, dims[2].count, is_inside)
            source = ((row * dims[0].count + d) * dims[1].count + h) * dims[2].count
            starts = [dims[0].start(d), dims[1].start(h)]
            with b.loop(end, first, vector=True) as w:
                here = base + line + start + w * dims[2].stride
                count = divisor.of([*starts, dims[2].start(w)])
                sums[here] = sums[here] + grad[source + w] / count.cast(type)
        with b.loop(size, vector=True) as j:
            out[base + j] = sums[base + j]
    return b.finish()


@functools.lru_cache(maxsize=16)
def convolution_lines(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `direct.direct_kernel`."""
    storage, type = memory_type(dtype), value_of(computed_in(dtype))
    b = Builder(f"convolution_lines_{storage}", target)
    x, weight, bias = (b.buffer(name, storage) for name in ("x", "weight", "bias"))
    out = b.buffer("out", storage, True)
    images, outs, channels, groups, has_bias = (b.size(s) for s in ("images", "outs", "channels", "groups", "has_bias"))
    dims = windows(b)
    size, elements = product([d.size for d in dims]), product([d.kernel for d in dims])
    with runs(b, [images * outs], dims) as run:
        image, o = places_of(run.lead[0], [images, outs])
        sums = b.private(type, RUN, "sum")
        first = b.var(b.const(0, type))
        with b.when(has_bias.ne(0)):
            first.set(bias[o])
        with b.loop(run.length, vector=True) as j:
            sums[j] = first.get()
        group = o.idiv(outs.idiv(groups))
        with b.loop(channels) as c:
            base = ((image * groups + group) * channels + c) * size
            with taps(b, dims, run) as (tap, at, bounds):
                number = (tap[0] * dims[1].kernel + tap[1]) * dims[2].kernel + tap[2]
                factor = weight[(o * channels + c) * elements + number]
                padding = factor * 0.0 if ir.is_float(type) else factor * 0  # nan where the factor is not finite
                for start, end in ((b.const(0, "i64"), bounds[0]), (bounds[1], run.length)):
                    with b.loop(end, start, vector=True) as j:
                        sums[j] = sums[j] + padding
                with seen(b, x, base + at, dims[2].stride, bounds) as (j, value, _):
                    fused = target.fma and ir.is_float(type)
                    sums[j] = ir.fma(factor, value, sums[j]) if fused else sums[j] + factor * value
        to = _result(dims, run)
        with b.loop(run.length, vector=True) as j:
            out[to + j] = sums[j]
    return b.finish()


@functools.lru_cache(maxsize=16)
def weight_grad_lines(dtype: np.dtype[Any], target: Target) -> Kernel:
    """As `direct.direct_weight_grad_kernel`."""
    storage, wide = memory_type(dtype), value_of(summed_in(dtype, target))
    b = Builder(f"convolution_weight_grad_lines_{storage}", target)
    grad, x, out = b.buffer("grad", storage), b.buffer("x", storage), b.buffer("out", storage, True)
    images, outs, channels, groups = (b.size(s) for s in ("images", "outs", "channels", "groups"))
    dims = windows(b)
    size, count = product([d.size for d in dims]), product([d.count for d in dims])
    with b.work(outs * channels * product([d.kernel for d in dims])) as item:
        o, c, *tap = places_of(item, [outs, channels, *(d.kernel for d in dims)])
        group, total, zero = o.idiv(outs.idiv(groups)), b.var(b.const(0, wide)), b.const(0, "i64")
        start = dims[2].start(zero) + tap[2] * dims[2].dilation
        with b.loop(images) as image, b.loop(dims[0].count) as d, b.loop(dims[1].count) as h:
            is_inside, row = in_row(dims, [d, h], tap)
            bounds = run_of(dims[2], start, dims[2].count, is_inside)
            line = (image * outs + o) * count + (d * dims[1].count + h) * dims[2].count
            at = ((image * groups + group) * channels + c) * size + row + start
            with seen(b, x, at, dims[2].stride, bounds) as (w, value, _):
                total.add(value.cast(wide) * grad[line + w].cast(wide), reassoc=True)
            if ir.is_float(wide):  # products with the padding are nan where gradients are not finite
                for first, end in ((zero, bounds[0]), (bounds[1], dims[2].count)):
                    with b.loop(end, first, vector=True) as w:
                        total.add(grad[line + w].cast(wide) * 0.0, reassoc=True)
        out[item] = total.get().cast(value_of(dtype))
    return b.finish()
