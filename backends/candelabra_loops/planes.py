# SPDX-License-Identifier: Apache-2.0
"""Convolutions without columns, for targets with vectors: products of weights with shifted looks at padded images.

Each channel is copied once into planes with its padding, one plane for each remainder of the strides. There the elements that
one element of the kernel meets, for neighbouring windows, are neighbours: some rows of results times a vector of columns are
summed in registers, straight from the planes. Vectors at the end of a row begin earlier rather than end beyond it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value, Var

from .columns import fill, run_of
from .elements import ceil_div, places_of, with_product
from .look import Look
from .moving import every_other
from .panels import tile
from .places import given, seen
from .windows import Windows, product, windows

TAPS = 64
"""Elements of a channel's kernel at most."""

LEAST = 1 << 15
"""Products from which planes pay."""

CHUNK = 1 << 20
"""Elements of planes held at once, of one image at least: they stay in the last cache level."""

ITEMS = 32
"""Work items below which they are made smaller."""

WORK = 16
"""Tiles of a work item at most: their planes stay in the second cache level while all rows of the weight pass by."""


def shapes(dtype: np.dtype[Any], outs: int, target: Target) -> tuple[int, int, int]:
    """(channels of results, rows of results, columns) of a tile: where there are fewer channels, there are more rows."""
    high, wide = tile(dtype, target)
    return (high, 2, wide // 2) if outs >= 4 else (1, high, wide // 2)


def pays(dtype: np.dtype[Any], counts: Sequence[int], taps: int, products: int, target: Target) -> bool:
    """Whether planes beat other ways for a convolution with so many windows along its dims, and products in all."""
    if not target.vectors or dtype.name not in ("float32", "float64") or taps > TAPS or products < LEAST:
        return False
    return counts[-1] * 2 >= tile(dtype, target)[1] // 2


# -- kernels -------------------------------------------------------------------------------------------------------------


def _long(dim: Windows) -> Value:
    """Positions of a plane along a dim: of all windows, for the first element of the kernel and for the last."""
    return dim.count + ((dim.kernel - 1) * dim.dilation).idiv(dim.stride)


@functools.lru_cache(maxsize=8)
def planes_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Channels, as planes (channels, remainders along three dims, positions along three dims); a work item is a slice."""
    type = memory_type(dtype)
    b, lanes = Builder(f"convolution_planes_{type}", target), tile(dtype, target)[1] // 2
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    channels, dims = b.size("channels"), windows(b)
    d, h, w = dims
    sizes = [channels, *(v.stride for v in dims), _long(d)]
    height, length, zero = _long(h), _long(w), b.const(0, "i64")
    with b.work(product(sizes)) as item:
        channel, *phases, z = places_of(item, sizes)
        from_d, start = d.start(z) + phases[0], phases[2] - w.padding
        first, end = run_of(w, start, length, b.const(True, "b1"))
        with b.loop(height) as y:
            from_h = h.start(y) + phases[1]
            inside = (from_d >= 0) & (from_d < d.size) & (from_h >= 0) & (from_h < h.size)
            begin, stop = inside.select(first, zero), inside.select(end, zero)
            source = ((channel * d.size + from_d) * h.size + from_h) * w.size + start
            to = (item * height + y) * length
            fill(b, out, to, zero, begin)
            _row(b, x, source + begin * w.stride, out, to + begin, stop - begin, w.stride, lanes)
            fill(b, out, to, stop, length)
    return b.finish()


def _row(b: Builder, x: Buffer, at: Value, out: Buffer, to: Value, n: Value, stride: Value, lanes: int) -> None:
    """Elements `stride` apart, side by side; vectors at the end begin earlier."""
    is_long = n >= lanes
    with b.when(is_long & stride.eq(1)), b.loop(n, 0, lanes) as j:
        here = ir.minimum(j, n - lanes)
        out[to + here] = x.vector(at + here, lanes)
    with b.when(is_long & stride.eq(2)), b.loop(n, 0, lanes) as j:
        here = ir.minimum(j, n - lanes)
        out[to + here] = every_other(x, at + here * 2, lanes)
    with b.when((n < lanes) | (stride > 2)), b.loop(n) as j:
        out[to + j] = x[at + j * stride]


@functools.lru_cache(maxsize=16)
def product_kernel(dtype: np.dtype[Any], tile: tuple[int, int, int], target: Target) -> Kernel:
    """Products of `weight` with planes, on top of `bias` where `has_bias`, over `divisor`.

    A work item is `block` tiles of rows of one image and group, for all channels of results.
    """
    (high, deep, lanes), type = tile, memory_type(dtype)
    b = Builder(f"convolution_products_{type}_{high}", target)
    planes, weight, bias = (b.buffer(name, type) for name in ("planes", "weight", "bias"))
    out = b.buffer("out", type, True)
    images, groups, outs, channels, block, has_bias = (
        b.size(s) for s in ("images", "groups", "outs", "channels", "block", "has_bias")
    )
    by_out, by_term = b.size("by_out"), b.size("by_term")
    divisor, dims = b.scalar("divisor", type), windows(b)
    depth, height, width = map(_long, dims)
    plane, taps = depth * height * width, product([v.kernel for v in dims])
    each = plane * product([v.stride for v in dims])
    rows, columns = (dims[0].count - 1) * height + dims[1].count, dims[2].count
    tiles = ceil_div(rows, deep)
    blocks = (tiles + (block - 1)).idiv(block)
    with b.work(images * groups * blocks) as item:
        image, group, number = places_of(item, [images, groups, blocks])
        base = (image * groups + group) * channels * each
        offsets = _offsets(b, dims, plane, height, width)
        with b.loop(ceil_div(outs, high)) as some:
            own = [group * outs + ir.minimum(some * high + i, outs - 1) for i in range(high)]
            biased = has_bias.ne(0)
            firsts = [biased.select(bias[biased.select(r, 0)], 0.0) for r in own]
            last = ir.minimum(number * block + block, tiles)
            with b.loop(last, number * block) as at, b.loop(columns, 0, lanes) as begin:
                column = ir.maximum(ir.minimum(begin, columns - lanes), b.const(0, "i64"))
                looks = [base + ir.minimum(at * deep + i, rows - 1) * width + column for i in range(deep)]
                sums = [[b.var(ir.splat(first, lanes)) for _ in range(deep)] for first in firsts]
                weights = [(weight, r * by_out, by_term) for r in own]
                _sum(b, sums, weights, (planes, looks), (channels, each), (taps, offsets))
                found = [[total.get() / ir.splat(divisor, lanes) for total in line] for line in sums]
                first = (image * groups + group) * outs + some * high
                _store(b, out, found, (first, outs - some * high), (at * deep, rows, height), dims, column)
    return b.finish()


def _sum(
    b: Builder,
    sums: list[list[Var]],
    weights: list[tuple[Buffer, Value, Value]],
    looks: tuple[Buffer, list[Value]],
    channels: tuple[Value, Value],
    taps: tuple[Value, Buffer],
) -> None:
    """Adds the products of a tile.

    Args:
        sums: by channel of results and row; `weights`: for each channel its memory, first element, and step.
        looks: planes, and where in them each row begins.
        channels: of the image, and how far apart these lie; `taps`: elements of the kernel, and where each looks.
    """
    (planes, starts), (count, each), (elements, offsets), lanes = looks, channels, taps, _lanes(sums)
    tap, channel = b.var(b.const(0, "i64"), "tap"), b.var(b.const(0, "i64"), "channel")
    with b.loop(count * elements) as term:  # one loop, since compilers keep sums in registers through these
        here = channel.get() + offsets[tap.get()]
        found = [planes.vector(start + here, lanes) for start in starts]
        for (weight, first, step), line in zip(weights, sums, strict=True):
            factor = ir.splat(weight[first + term * step], lanes)
            for total, value in zip(line, found, strict=True):
                total.set(with_product(total.get(), factor, value, b.target))
        following = tap.get() + 1
        is_last = following.eq(elements)
        tap.set(is_last.select(0, following))
        channel.set(channel.get() + is_last.select(each, 0))


def _lanes(sums: list[list[Var]]) -> int:
    return int(sums[0][0].type.partition("x")[2])


def _store(
    b: Builder,
    out: Buffer,
    found: list[list[Value]],
    channels: tuple[Value, Value],
    rows: tuple[Value, Value, Value],
    dims: Sequence[Windows],
    column: Value,
) -> None:
    """Stores a tile.

    Args:
        found: by channel of results and row; `channels`: the first channel, and how many there are from it on.
        rows: the first row of the planes, how many there are in all, and in a slice.
        column: the first.
    """
    high, deep, lanes = len(found), len(found[0]), int(found[0][0].type.partition("x")[2])
    (first, left), (start, end, height), columns = channels, rows, dims[2].count
    image = dims[0].count * dims[1].count * columns
    short = b.private(out.type, high * deep * lanes, "short")
    with b.when(columns < lanes):  # all of them at once, so that none is in a register while these are copied
        for j, i in itertools.product(range(high), range(deep)):
            short[(j * deep + i) * lanes] = found[j][i]
    for i in range(deep):
        row = start + i
        d = b.var(b.const(0, "i64"))
        with b.when(dims[0].count > 1):
            d.set(row.idiv(height))
        h = row - d.get() * height
        to = first * image + (d.get() * dims[1].count + h) * columns + column
        with b.when((row < end) & (h < dims[1].count)), b.when(columns >= lanes) as otherwise:
            for j in range(high):
                with b.when(left > j):
                    out[to + j * image] = found[j][i]
        with otherwise(), b.loop(ir.minimum(left, b.const(high, "i64"))) as line, b.loop(columns) as k:
            out[to + line * image + k] = short[(line * deep + i) * lanes + k]


def _offsets(b: Builder, dims: Sequence[Windows], plane: Value, height: Value, width: Value) -> Buffer:
    """Where the elements that each element of the kernel meets begin in the planes of a channel."""
    found = b.private("i64", TAPS, "offset")
    d, h, w = dims
    with b.loop(d.kernel) as i, b.loop(h.kernel) as j, b.loop(w.kernel) as k:
        ahead = [t * v.dilation for t, v in zip((i, j, k), dims, strict=True)]
        shifts = [a.idiv(v.stride) for a, v in zip(ahead, dims, strict=True)]
        phases = [a - s * v.stride for a, s, v in zip(ahead, shifts, dims, strict=True)]
        phase = (phases[0] * h.stride + phases[1]) * w.stride + phases[2]
        place = phase * plane + (shifts[0] * height + shifts[1]) * width + shifts[2]
        found[(i * h.kernel + j) * w.kernel + k] = place
    return found


# -- host ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sliding:
    """What slides over images.

    Attributes:
        weight: contiguous, or one number for all; `steps`: its strides along channels of results, and the rest.
        groups: of channels; `integers`: parameters of `windows`.
        divisor: of all results.
    """

    weight: Look
    steps: tuple[int, int]
    groups: int
    integers: Sequence[int]
    divisor: float = 1.0

    @property
    def taps(self) -> int:
        """Elements of the kernel."""
        return math.prod(self.integers[6:9])


def slide(backend: Any, image: Look, out: Look, by: Sliding, bias: Look | None) -> Look:
    """Fills `out`, (N, channels, *counts), from `image`, (N, channels, *sizes); both contiguous."""
    dtype, target, index = out.dtype, backend.target, out.index
    counts, kernel, stride, _, dilation = (by.integers[i : i + 3] for i in range(3, 18, 3))
    long = [c + (k - 1) * g // s for c, k, g, s in zip(counts, kernel, dilation, stride, strict=True)]
    channels, outs = image.shape[1], out.shape[1] // by.groups
    each = channels * math.prod(stride) * math.prod(long)
    form = shapes(dtype, outs, target)
    made, packed = product_kernel(dtype, form, target), planes_kernel(dtype, target)
    tiles = -(-((counts[0] - 1) * long[1] + counts[1]) // form[1])
    for first, n in _chunks(image.shape[0], each):
        planes = backend.fresh((n * each + form[2],), dtype, index)  # vectors of short rows end beyond the last
        items = n * each // (long[1] * long[2])
        source = seen(image, (n, *image.shape[1:]), image.steps, first * image.steps[0])
        backend.launch(packed, items, [given(source), given(planes), n * channels, *by.integers], index, (made,))
        most = max(1, WORK * 8 // (form[0] * -(-counts[2] // form[2])))
        block = max(1, min(most, n * by.groups * tiles // ITEMS))
        into = seen(out, (n, *out.shape[1:]), out.steps, first * out.steps[0])
        arrays = [given(planes), given(by.weight), given(by.weight if bias is None else bias), given(into)]
        numbers = [n, by.groups, outs, channels // by.groups, block, int(bias is not None), *by.steps, by.divisor]
        backend.launch(made, n * by.groups * -(-tiles // block), [*arrays, *numbers, *by.integers], index)
    return out


def _chunks(images: int, each: int) -> Iterator[tuple[int, int]]:
    """(first image, number of images) of each chunk."""
    step = max(1, CHUNK // max(each, 1))
    return ((i, min(step, images - i)) for i in range(0, images, step))
