# SPDX-License-Identifier: Apache-2.0
"""Dense convolutions in registers: output channels are the lanes, positions of a row stand one below the other.

A block of registers holds some positions of one output row times one to four vectors of output channels. For each k, an
input channel and an element of the kernel, it takes the packed weights as they lie and every position's value by a
broadcast, so strides and borders need no shuffling, and nothing is computed in vain. Threads copy a strip of input rows with
its padding to memory of their own, which stays in the second cache level while all output channels pass by; where no window
reaches beyond the image, the image itself is read.

- forward: out[o, q] = sum over k of weight[k, o] * strip[offset[k] + step * q]
- gradient of the input: the same for each remainder of the stride, over the output's gradient

Everything is 3-d here; fewer dims have sizes of 1. float32 and float64. The gradient of the weight: `direct_grad`.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

from . import memory, threads
from .emit import I64, PTR, Function, Value, Variable, function
from .tiles import (
    STRIP_BYTES,
    Args,
    Part,
    Sizes,
    claim_slot,
    cut,
    fetch_rows,
    forward_parts,
    geometry,
    kernels,
    lanes,
    prefetch,
    registers,
    release_slot,
    run,
    three,
    transposed,
    vectors,
)

MOST_TALL = 7
"""Rows in a block of registers where images are narrow: each takes a general register."""

STORE_BYTES = 32
"""Rows of strips start at multiples of this."""


# -- native code: weights ----------------------------------------------------------------------------------------------

_PACK = ("source", "target", "rows", "row_step", "group_step", "outer", "outer_step", "taps", "places", "met", "blocks")


def _pack(module: Any, scalar: Any, lane_count: int, v: int) -> None:
    """Units (group, block of output channels, vector) `begin` to `end`: the channels side by side for each k."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "pack", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _PACK)
        count = a.outer * a.met
        with f.range(begin, end) as unit:
            group, block, part = unit // (a.blocks * v), unit // v % a.blocks, unit % v
            row = f.smaller((block * v + part) * lane_count, a.rows - 1)  # beyond: any values, never used
            source = f.at(scalar, a.pointer("source"), group * a.group_step + row * a.row_step)
            target = f.at(
                scalar, a.pointer("target"), (group * a.blocks + block) * count * (v * lane_count) + part * lane_count
            )
            valid = f.smaller(a.rows - row, lane_count)
            with f.range(0, a.outer) as i:
                from_here = f.at(scalar, source, i * a.outer_step)
                to_here = f.at(scalar, target, i * a.met * (v * lane_count))
                with f.choose(a.row_step.equals(1)) as (side_by_side, apart):
                    with side_by_side:
                        values = f.load_masked(vector, from_here, f.lanes_below(vector, valid))
                        f.store(values, to_here)
                    with apart, f.range(0, a.taps, lane_count) as t:
                        _pack_taps(f, a, vector, v, f.at(scalar, from_here, t), to_here, t, valid)


def _pack_taps(f: Function, a: Args, vector: Any, v: int, source: Value, target: Value, t: Value, valid: Value) -> None:
    """A square of elements: `lanes` output channels times as many elements of the kernel."""
    scalar, count = vector.element, vector.count
    mask, none = f.lanes_below(vector, a.taps - t), f.lanes_below(vector, f.const(I64, 0))
    rows = [
        f.load_masked(
            vector, f.at(scalar, source, a.row_step * f.smaller(valid - 1, r)), f.select(valid > r, mask, none)
        )
        for r in range(count)
    ]
    for j, values in enumerate(transposed(f, rows)):
        with f.when(t + j < a.taps):
            place = f.load(I64, a.pointer("places"), t + j)
            with f.when(place >= 0):
                f.store(values, f.at(scalar, target, place * (v * count)))


# -- native code: products ---------------------------------------------------------------------------------------------

_PRODUCT = (
    "source", "weights", "starts", "out", "scratch", "locks", "slots", "slot_step", "in_place",
    "groups", "channels", "rows", "blocks", "parts", "count", "offsets",
    "depth", "height", "width", "step_d", "step_h", "depths", "depth_count", "low_h", "low_w", "span_h", "span_w",
    "look_channel", "look_depth", "look_width",
    "grid_h", "strip", "strips_h", "wide", "tiles", "strip_tiles", "strips_w",
    "grid_d", "out_image", "out_channel", "out_d", "out_h", "out_w",
)  # fmt: skip


def _product(module: Any, scalar: Any, lane_count: int, size: int, v: int, step: int, tall: int, left: int) -> None:
    """Units (image, group, strip of positions, part of the output channels) `begin` to `end`."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "product", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _PRODUCT)
        sums = f.buffer(scalar, (size * tall + lane_count) * v * lane_count)
        slot = f.var(I64, 0)
        with f.when(a.in_place.equals(0)):
            slot.value = claim_slot(f, a.pointer("locks"), a.slots)
        with f.range(begin, end) as unit:
            at = _Strip(f, a, unit, step, scalar, size)
            coming = _Strip(f, a, f.smaller(unit + 1, end - 1), step, scalar, size)
            look = f.var(PTR, at.source)
            with f.choose(a.in_place.differs(0)) as (yes, no):
                with yes:
                    look.value = f.at(
                        scalar, at.source, (at.z * a.step_d * a.height + at.y * a.step_h) * a.width + at.x * step
                    )
                with no:
                    look.value = f.at(scalar, a.pointer("scratch"), slot.value * a.slot_step)
                    _copy_strip(f, a, vector, at, look.value)
            out = f.at(
                scalar, a.pointer("out"), at.image * a.out_image + at.z * a.out_d + at.y * a.out_h + at.x * a.out_w
            )
            first, last = a.blocks * at.part // a.parts, a.blocks * (at.part + 1) // a.parts
            fetched = f.var(I64, 0)
            tiles = (last - first) * ((at.rows - 1) // tall + 1) * (at.after - at.tile)
            share = (a.channels * a.depth_count - 1) // tiles + 1
            with f.range(first, last) as block:
                packed = f.at(scalar, a.pointer("weights"), (at.group * a.blocks + block) * a.count * (v * lane_count))
                starts = f.at(scalar, a.pointer("starts"), (at.group * a.blocks + block) * (v * lane_count))
                channel = block * (v * lane_count)
                target = f.at(scalar, out, (at.group * a.rows + channel) * a.out_channel)
                with f.range(0, at.rows, tall) as row, f.range(at.tile, at.after) as t:
                    column = at.column(t) - at.x
                    here = f.at(scalar, look.value, row * a.step_h * a.look_width + column * step)
                    there = f.at(scalar, target, row * a.out_h + column * a.out_w)
                    _fetch_strip(f, a, scalar, coming, fetched, share)
                    _fetch_tile(f, a, scalar, there, f.smaller(a.rows - channel, v * lane_count), size)
                    # Tiles of several rows are as wide as the image.
                    whole = t < a.wide if tall == 1 else row + tall <= at.rows
                    with f.choose(whole) as (yes, no):
                        with yes:
                            _tile(f, a, vector, size, tall, v, step, here, packed, starts, sums)
                        with no:
                            rest = (max(size - 1, 1), 1) if tall == 1 else (size, max(left, 1))
                            _tile(f, a, vector, *rest, v, step, here, packed, starts, sums)
                    done = f.select(t < a.wide, f.const(I64, size), size - 1)
                    with f.range(0, f.smaller(at.rows - row, tall)) as r:
                        from_here = f.at(scalar, sums, r * (size * v * lane_count))
                        _store_tile(
                            f, a, vector, done, v, size, from_here, f.at(scalar, there, r * a.out_h), a.rows - channel
                        )
        with f.when(a.in_place.equals(0)):
            release_slot(f, a.pointer("locks"), slot.value)


class _Strip:
    """A unit's part of an image: rows `y` to `y + rows`, tiles `tile` to `after` of each, and what they meet."""

    def __init__(self, f: Function, a: Args, unit: Value, step: int, scalar: Any, size: int) -> None:
        self.f, self.a, self.size = f, a, size
        self.part, rest = unit % a.parts, unit // a.parts
        across, rest = rest % a.strips_w, rest // a.strips_w
        down, rest = rest % a.strips_h, rest // a.strips_h
        self.z, rest = rest % a.grid_d, rest // a.grid_d
        self.group, self.image = rest % a.groups, rest // a.groups
        self.y = down * a.strip
        self.rows = f.smaller(a.strip, a.grid_h - self.y)
        self.tile = across * a.strip_tiles
        self.after = f.smaller(self.tile + a.strip_tiles, a.tiles)
        self.x = self.column(self.tile)
        image = (self.image * a.groups + self.group) * a.channels * (a.depth * a.height * a.width)
        self.source = f.at(scalar, a.pointer("source"), image)
        self.from_y, self.rows_met = self.y * a.step_h + a.low_h, (self.rows - 1) * a.step_h + a.span_h
        self.from_x, self.columns_met = (
            self.x * step + a.low_w,
            (self.column(self.after) - self.x - 1) * step + a.span_w,
        )

    def column(self, tile: Value) -> Value:
        """First column of a tile."""
        return tile * (self.size - 1) + self.f.smaller(tile, self.a.wide)

    def plane(self, channel: Value, i: Value, scalar: Any) -> tuple[Value, Value]:
        """Plane `i` that the windows meet of a channel, and whether there is one."""
        a, f = self.a, self.f
        z = self.z * a.step_d + f.load(I64, a.pointer("depths"), i)
        return f.at(scalar, self.source, (channel * a.depth + z) * a.height * a.width), (z >= 0) & (z < a.depth)


def _copy_strip(f: Function, a: Args, vector: Any, at: _Strip, target: Value) -> None:
    """The rows that a strip's windows meet, of all channels, with zeros beyond the image."""
    scalar, count, columns = vector.element, vector.count, at.columns_met
    top = f.smaller(f.larger(0 - at.from_y, 0), at.rows_met)
    bottom = f.larger(f.smaller(a.height - at.from_y, at.rows_met), top)
    zero = f.const(vector, 0)
    with f.range(0, a.channels) as channel, f.range(0, a.depth_count) as i:
        plane, deep = at.plane(channel, i, scalar)
        first, after = f.select(deep, top, 0), f.select(deep, bottom, 0)
        source = f.at(scalar, plane, at.from_y * a.width + at.from_x)
        to = f.at(scalar, target, channel * a.look_channel + i * a.look_depth)
        with f.range(0, columns, count) as x:
            below, above = f.lanes_below(vector, a.width - at.from_x - x), f.lanes_below(vector, 0 - at.from_x - x)
            inside, wide = below & (above ^ f.const(above.type, 1)), f.lanes_below(vector, columns - x)
            here, there = f.at(scalar, source, x), f.at(scalar, to, x)
            with f.range(0, first) as row:
                f.store_masked(zero, f.at(scalar, there, row * a.look_width), wide)
            with f.range(first, after) as row:
                values = f.load_masked(vector, f.at(scalar, here, row * a.width), inside)
                f.store_masked(values, f.at(scalar, there, row * a.look_width), wide)
            with f.range(after, at.rows_met) as row:
                f.store_masked(zero, f.at(scalar, there, row * a.look_width), wide)


def _fetch_strip(f: Function, a: Args, scalar: Any, strip: _Strip, fetched: Variable, share: Value) -> None:
    """Brings the next `share` planes of a strip nearer, while there is something to compute."""
    after = f.smaller(fetched.value + share, a.channels * a.depth_count)
    low, high = f.larger(strip.from_y, 0), f.smaller(strip.from_y + strip.rows_met, a.height)
    with f.range(fetched.value, after) as n:
        plane, deep = strip.plane(n // a.depth_count, n % a.depth_count, scalar)
        with f.when(deep):
            fetch_rows(f, scalar, plane, a.width, (low, high), (strip.from_x, strip.from_x + strip.columns_met))
    fetched.value = after


def _fetch_tile(f: Function, a: Args, scalar: Any, out: Value, rows: Value, size: int) -> None:
    """Brings what a tile will be written to nearer."""
    with f.when(a.out_w.equals(1)), f.range(0, rows) as row:
        prefetch(f, f.at(scalar, out, row * a.out_channel + (size - 1)), 3, write=True)


def _tile(
    f: Function,
    a: Args,
    vector: Any,
    size: int,
    tall: int,
    v: int,
    step: int,
    look: Value,
    packed: Value,
    starts: Value,
    sums: Value,
) -> None:
    """A block of registers: positions of `tall` rows times vectors of output channels, summed over k."""
    scalar, count = vector.element, vector.count
    places = list(itertools.product(range(tall), range(size)))
    lines = [f.at(scalar, look, a.step_h * a.look_width * r) for r in range(tall)]
    first = [f.load(vector, starts, j * count) for j in range(v)]
    totals = [[f.var(vector, first[j]) for j in range(v)] for _ in places]
    offsets = a.pointer("offsets")
    with f.range(0, a.count) as k:
        offset = f.load(I64, offsets, k)
        looks = [f.at(scalar, line, offset) for line in lines]
        weights = [f.load(vector, packed, k * (v * count) + j * count) for j in range(v)]
        for total, (r, p) in zip(totals, places, strict=True):
            value = f.splat(f.load(scalar, looks[r], p * step), count)
            for j in range(v):
                total[j].value = total[j].value + weights[j] * value
    for (n, total), j in itertools.product(enumerate(totals), range(v)):
        f.store(total[j].value, sums, (n * v + j) * count)


def _store_tile(
    f: Function, a: Args, vector: Any, size: Value, v: int, most: int, sums: Value, out: Value, valid: Value
) -> None:
    """Moves sums to their places: channel by channel, positions side by side or a step apart."""
    scalar, count = vector.element, vector.count
    with f.range(0, v) as j, f.when(valid > j * count):
        here = f.smaller(valid - j * count, count)
        for base in range(0, most, count):
            columns = transposed(f, [f.load(vector, sums, (j + (base + p) * v) * count) for p in range(count)])
            with f.choose(a.out_w.equals(1)) as (dense, spread):
                with dense:
                    mask = f.lanes_below(vector, size - base)
                    with f.choose(here.equals(count)) as (full, part):
                        with full:
                            for o, values in enumerate(columns):
                                f.store_masked(values, f.at(scalar, out, (j * count + o) * a.out_channel + base), mask)
                        with part:
                            for o, values in enumerate(columns):
                                with f.when(here > o):
                                    f.store_masked(
                                        values, f.at(scalar, out, (j * count + o) * a.out_channel + base), mask
                                    )
                with spread, f.range(0, here) as channel, f.range(base, f.smaller(size, base + count)) as at:
                    value = f.load(scalar, sums, (j + at * v) * count + channel)
                    f.store(value, out, (j * count + channel) * a.out_channel + at * a.out_w)


_kernel = kernels("direct", {"pack": _pack, "product": _product})


# -- plans -------------------------------------------------------------------------------------------------------------


@functools.lru_cache(512)
def input_parts(sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Part, ...]:
    """The parts of the gradient of an input of `sizes`: one for each remainder of the stride."""
    size, k, s, p, d, _ = geometry(sizes, kernel, stride, padding, dilation)
    parts = []
    for rest in itertools.product(*(range(min(t, n)) for t, n in zip(s, size, strict=True))):
        met = []
        for n, tap in enumerate(itertools.product(*map(range, k))):
            ahead = [r + q - i * e for r, q, i, e in zip(rest, p, tap, d, strict=True)]
            if not any(a % t for a, t in zip(ahead, s, strict=True)):
                met.append((tuple(a // t for a, t in zip(ahead, s, strict=True)), n))
        grid = tuple(-(-(n - r) // t) for n, r, t in zip(size, rest, s, strict=True))
        start = (rest[0] * size[1] + rest[1]) * size[2] + rest[2]
        parts.append(Part(tuple(met), grid, start, (1, 1, 1), s))  # type: ignore[arg-type]
    return tuple(parts)


@dataclass(frozen=True)
class Layout:
    """How a part's units look at the source.

    Attributes:
        in_place: whether the source is read where it lies.
        depths: planes of the source that a position meets, counted from its own.
        low, span: first row and column that windows meet, and how many one window spans.
        channel, depth, width: elements from a channel, plane, row to the next in what is looked at.
        strip, strip_tiles: rows and tiles of the grid in a strip.
        offsets: where each k lies, for a strip's first position.
        places: k of each element of the kernel within an input channel, -1 for one that is not met.
    """

    in_place: bool
    depths: np.ndarray[Any, Any]
    low: tuple[int, int]
    span: tuple[int, int]
    channel: int
    depth: int
    width: int
    strip: int
    strip_tiles: int
    offsets: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]


@functools.lru_cache(512)
def layout(
    part: Part, source: Sizes, channels: int, kernel_size: int, itemsize: int, tiles: tuple[int, int, int], tall: int
) -> Layout:
    """Layout of a part over images of `channels` channels a group and sizes `source`."""
    looks = [look for look, _ in part.taps]
    depths = sorted({z for z, _, _ in looks})
    low = (min(y for _, y, _ in looks), min(x for _, _, x in looks))
    span = (max(y for _, y, _ in looks) - low[0] + 1, max(x for _, _, x in looks) - low[1] + 1)
    last = [(n - 1) * s for n, s in zip(part.sizes, part.step, strict=True)]
    inside = all(
        min(look[i] for look in looks) >= 0 and max(look[i] for look in looks) + last[i] < source[i] for i in range(3)
    )
    # Channels a power of two apart would all lie in the same few lines of the first cache level.
    in_place = inside and math.prod(source) * itemsize % 1024 != 0
    size, _, count = tiles
    each = channels * len(depths) * itemsize
    strip_tiles = count
    while strip_tiles > 1 and each * span[0] * (strip_tiles * size * part.step[2] + span[1]) > STRIP_BYTES:
        strip_tiles = -(-strip_tiles // 2)
    # Rows start at a vector's bounds, or half of one: vectors that cross cache lines are slow to store.
    width = (min(strip_tiles * size, part.sizes[2]) - 1) * part.step[2] + span[1]
    width = -(-width // (STORE_BYTES // itemsize)) * (STORE_BYTES // itemsize)
    strip = max(1, (STRIP_BYTES // (each * width) - span[0]) // part.step[1] + 1)
    strip = -(-part.sizes[1] // -(-part.sizes[1] // strip))
    strip = min(-(-strip // tall) * tall, part.sizes[1])
    height = (strip - 1) * part.step[1] + span[0]
    if in_place:
        width = source[2]
        depth, channel = source[1] * width, math.prod(source)
        at = [(z * source[1] + y) * width + x for z, y, x in looks]
    else:
        depth = height * width
        channel = -(-len(depths) * depth // 32) * 32 + 16
        at = [depths.index(z) * depth + (y - low[0]) * width + x - low[1] for z, y, x in looks]
    offsets = np.add.outer(np.arange(channels) * channel, at).reshape(-1).astype(np.int64)
    places = np.full(kernel_size, -1, np.int64)
    places[[n for _, n in part.taps]] = np.arange(len(part.taps))
    return Layout(
        in_place, np.array(depths, np.int64), low, span, channel, depth, width, strip, strip_tiles, offsets, places
    )


@dataclass(frozen=True)
class Weights:
    """Where weights lie: elements from an output channel, a group, an input channel to the next, in this product's sense."""

    rows: int
    row_step: int
    group_step: int
    channels: int
    channel_step: int


def packed(weight: Any, where: Weights, groups: int, at: Layout, met: int, v: int) -> Any:
    """The weights of a part, block after block: v vectors of output channels for each k."""
    blocks = -(-where.rows // (lanes(weight.dtype) * v))
    out = memory.empty((groups * blocks * where.channels * met * v * lanes(weight.dtype),), weight.dtype)
    dense = where.channel_step == len(at.places) == met
    outer, taps = (1, where.channels * met) if dense else (where.channels, len(at.places))
    places = _all_places(taps) if dense else at.places
    run(_kernel("pack", weight.dtype.char, v), groups * blocks * v, where.channels * met * 8, weight, out, where.rows, where.row_step,
        where.group_step, outer, where.channel_step, taps, places, taps if dense else met, blocks)  # fmt: skip
    return out


@functools.lru_cache(64)
def _all_places(count: int) -> Any:
    return np.arange(count)


def multiply(source: Any, weight: Any, bias: Any, out: Any, groups: int, where: Weights, part: Part) -> None:
    """Computes a part into `out` (N, groups * rows, *sizes) of contiguous arrays."""
    char, itemsize = out.dtype.char, out.itemsize
    sizes, out_sizes = three(source.shape[2:], 1), three(out.shape[2:], 1)
    v = vectors(where.rows, part.sizes[1] * part.sizes[2], char)
    tiles = cut(part.sizes[2], registers() // v)
    tall = max(1, min(registers() // (v * tiles[0]), part.sizes[1], MOST_TALL)) if tiles[2] == 1 else 1
    at = layout(part, sizes, where.channels, weight.size // (len(weight) * weight.shape[1]), itemsize, tiles, tall)
    blocks = -(-where.rows // (lanes(char) * v))
    weights = packed(weight, where, groups, at, len(part.taps), v)
    starts = np.zeros((groups, blocks * v * lanes(char)), out.dtype)
    if bias is not None:
        starts[:, : where.rows] = bias.reshape(groups, where.rows)
    slots = 1 if at.in_place else threads.count()
    slot_step = 0 if at.in_place else where.channels * at.channel
    scratch = memory.empty((slots * slot_step,), out.dtype)
    locks = np.zeros(slots * 8, np.int64)
    strips_h, strips_w = -(-part.sizes[1] // at.strip), -(-tiles[2] // at.strip_tiles)
    units = len(source) * groups * part.sizes[0] * strips_h * strips_w
    parts = max(1, min(blocks, -(-4 * threads.count() // units)))
    cost = at.strip * min(at.strip_tiles * tiles[0], part.sizes[2]) * where.rows * len(at.offsets) // (16 * parts)
    channel = math.prod(out_sizes)
    run(_kernel("product", char, tiles[0], v, part.step[2], tall, part.sizes[1] % tall), units * parts, cost,
        source, weights, starts, out.ctypes.data + part.out_start * itemsize, scratch, locks, slots, slot_step, int(at.in_place),
        groups, where.channels, where.rows, blocks, parts, len(at.offsets), at.offsets,
        *sizes, *part.step[:2], at.depths, len(at.depths), *at.low, *at.span,
        at.channel, at.depth, at.width,
        part.sizes[1], at.strip, strips_h, tiles[1], tiles[2], at.strip_tiles, strips_w,
        part.sizes[0], groups * where.rows * channel, channel, part.out_step[0] * out_sizes[1] * out_sizes[2],
        part.out_step[1] * out_sizes[2], part.out_step[2])  # fmt: skip


def forward(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int, out: Any
) -> None:
    """Writes the convolution of contiguous arrays into `out`."""
    rows, taps = len(weight) // groups, math.prod(weight.shape[2:])
    where = Weights(rows, weight.shape[1] * taps, rows * weight.shape[1] * taps, weight.shape[1], taps)
    (part,) = forward_parts(tuple(input.shape[2:]), weight.shape[2:], tuple(stride), tuple(padding), tuple(dilation))
    multiply(input, weight, bias, out, groups, where, part)


def input_grad(grad: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int, out: Any) -> None:
    """Writes the gradient of the input into `out`, of contiguous arrays."""
    filters, rows, taps = len(weight) // groups, weight.shape[1], math.prod(weight.shape[2:])
    where = Weights(rows, taps, filters * rows * taps, filters, rows * taps)
    for part in input_parts(tuple(out.shape[2:]), weight.shape[2:], tuple(stride), tuple(padding), tuple(dilation)):
        if part.taps:
            multiply(grad, weight, None, out, groups, where, part)
        else:
            out.reshape(*out.shape[:2], *three(out.shape[2:], 1))[
                (..., *(slice(s, None, t) for s, t in zip(_position(part, out), part.out_step, strict=True)))
            ] = 0


def _position(part: Part, out: Any) -> Sizes:
    """The grid's first position in the result."""
    _, height, width = three(out.shape[2:], 1)
    return part.out_start // (height * width), part.out_start // width % height, part.out_start % width
