# SPDX-License-Identifier: Apache-2.0
"""The weight's gradient of dense convolutions, in registers with output channels as lanes, as `direct` computes the rest.

out[k, o] = sum over positions q of strip[offset[k] + step * q] * grad[q, o]: threads turn strips of the input and of the
output's gradient round, so that channels lie innermost, in memory of their own. A block of registers holds some elements
that a window meets, which then lie side by side, times vectors of output channels; sums wait in memory between strips.

Positions come in pieces by the shapes alone, each with sums of its own: results do not depend on the number of threads.
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
    fetch,
    fetch_rows,
    forward_parts,
    kernels,
    lanes,
    registers,
    release_slot,
    run,
    three,
    transposed,
    vectors,
)

# -- native code: the weight's gradient --------------------------------------------------------------------------------

_GRAD = (
    "source", "grad", "sums", "scratch", "locks", "slots", "slot_step", "grad_at",
    "groups", "channels", "rows", "blocks", "parts", "pieces", "strips",
    "depth", "height", "width", "step_d", "step_h", "depths", "depth_count", "low_h", "low_w", "look_rows", "look_width",
    "grid_d", "grid_h", "grid_w", "strip", "strips_h", "columns", "strips_w", "step_w",
    "positions", "segments", "segment_count", "length", "wide", "tiles",
)  # fmt: skip


def _weight_grad(module: Any, scalar: Any, lane_count: int, size: int, v: int) -> None:
    """Units (piece of the positions, group, part of the output channels) `begin` to `end`."""
    vector, lines = ir.VectorType(scalar, lane_count), v * lane_count
    with function(module, "weight_grad", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _GRAD)
        slot = claim_slot(f, a.pointer("locks"), a.slots)
        looks = f.at(scalar, a.pointer("scratch"), slot * a.slot_step)
        grads = f.at(scalar, looks, a.grad_at)
        count = a.segment_count * a.length
        with f.range(begin, end) as unit:
            part, rest = unit % a.parts, unit // a.parts
            group, piece = rest % a.groups, rest // a.groups
            first, last = a.blocks * part // a.parts, a.blocks * (part + 1) // a.parts
            start = a.strips * piece // a.pieces
            with f.range(start, a.strips * (piece + 1) // a.pieces) as number:
                strip = _Strip(f, a, scalar, number, group)
                coming = _Strip(f, a, scalar, f.smaller(number + 1, a.strips - 1), group)
                channels = f.smaller(last * lines, a.rows) - first * lines
                fetched, planes = f.var(I64, 0), a.channels * a.depth_count + channels
                share = (planes - 1) // ((last - first) * a.segment_count * a.tiles) + 1
                _looks_last(f, a, vector, looks, strip)
                _grads_last(f, a, vector, v, grads, strip, first, last)
                with f.range(first, last) as block, f.range(0, a.segment_count) as segment:
                    grad = f.at(scalar, grads, (block - first) * (a.strip * a.columns * lines))
                    look = f.at(scalar, looks, f.load(I64, a.pointer("segments"), segment))
                    place = ((piece * a.groups + group) * a.blocks + block) * count + segment * a.length
                    sums = f.at(scalar, a.pointer("sums"), place * lines)
                    with f.range(0, a.tiles) as t:
                        at = t * (size - 1) + f.smaller(t, a.wide)
                        here, there = f.at(scalar, look, at), f.at(scalar, sums, at * lines)
                        _fetch(f, a, scalar, coming, first * lines, fetched, f.smaller(fetched.value + share, planes))
                        fresh = number.equals(start)
                        with f.choose(t < a.wide) as (whole, short):
                            with whole:
                                _taps(f, a, vector, size, v, here, grad, there, strip.positions, fresh)
                            with short:
                                _taps(f, a, vector, max(size - 1, 1), v, here, grad, there, strip.positions, fresh)
        release_slot(f, a.pointer("locks"), slot)


class _Strip:
    """A part of an image's positions: some rows, or some columns of one row; and what the windows there meet."""

    def __init__(self, f: Function, a: Args, scalar: Any, number: Value, group: Value) -> None:
        across, rest = number % a.strips_w, number // a.strips_w
        down, rest = rest % a.strips_h, rest // a.strips_h
        z, image = rest % a.grid_d, rest // a.grid_d
        y, x = down * a.strip, across * a.columns
        rows = f.smaller(a.strip, a.grid_h - y)
        self.positions = rows * f.smaller(a.columns, a.grid_w - x)
        self.from_z, self.from_y, self.from_x = z * a.step_d, y * a.step_h + a.low_h, x * a.step_w + a.low_w
        self.rows_met = (rows - a.strip) * a.step_h + a.look_rows
        self.look_plane, self.grad_plane = a.height * a.width, a.grid_d * a.grid_h * a.grid_w
        image = image * a.groups + group
        self.source = f.at(scalar, a.pointer("source"), image * a.channels * a.depth * self.look_plane)
        self.grad = f.at(
            scalar, a.pointer("grad"), image * a.rows * self.grad_plane + (z * a.grid_h + y) * a.grid_w + x
        )


def _fetch(f: Function, a: Args, scalar: Any, strip: _Strip, first: Value, fetched: Variable, after: Value) -> None:
    """Brings planes of the next strip nearer: of the input, then of the output's gradient from channel `first`."""
    looks = a.channels * a.depth_count
    top, bottom = f.larger(strip.from_y, 0), f.smaller(strip.from_y + strip.rows_met, a.height)
    with f.range(fetched.value, after) as n, f.choose(n < looks) as (look, grad):
        with look:
            z = strip.from_z + f.load(I64, a.pointer("depths"), n % a.depth_count)
            with f.when((z >= 0) & (z < a.depth)):
                plane = f.at(scalar, strip.source, (n // a.depth_count * a.depth + z) * strip.look_plane)
                fetch_rows(f, scalar, plane, a.width, (top, bottom), (strip.from_x, strip.from_x + a.look_width))
        with grad:
            plane = f.at(scalar, strip.grad, (first + n - looks) * strip.grad_plane)
            fetch(f, scalar, plane, f.const(I64, 0), strip.positions)
    fetched.value = after


def _looks_last(f: Function, a: Args, vector: Any, target: Value, strip: _Strip) -> None:
    """What a strip's windows meet, with channels innermost and zeros beyond the image."""
    scalar, columns, plane = vector.element, a.look_width, strip.look_plane
    low = f.smaller(f.larger(0 - strip.from_x, 0), columns)
    high = f.larger(f.smaller(a.width - strip.from_x, columns), low)
    with f.range(0, a.depth_count) as i, f.range(0, strip.rows_met) as row:
        z, y = strip.from_z + f.load(I64, a.pointer("depths"), i), strip.from_y + row
        inside = (z >= 0) & (z < a.depth) & (y >= 0) & (y < a.height)
        line = f.at(scalar, strip.source, f.select(inside, z * plane + y * a.width + strip.from_x, 0))
        to = f.at(scalar, target, (i * a.look_rows + row) * columns * a.channels)
        _turned(f, vector, line, a.depth * plane, a.channels, f.select(inside, low, 0), f.select(inside, high, 0), columns, to,
                a.channels)  # fmt: skip


def _grads_last(
    f: Function, a: Args, vector: Any, v: int, target: Value, strip: _Strip, first: Value, last: Value
) -> None:
    """The output's gradient in a strip, block by block, with a block's channels innermost."""
    scalar, lines, plane, count = vector.element, v * vector.count, strip.grad_plane, strip.positions
    with f.range(first, last) as block:
        to = f.at(scalar, target, (block - first) * (a.strip * a.columns * lines))
        source = f.at(scalar, strip.grad, block * lines * plane)
        _turned(f, vector, source, plane, a.rows - block * lines, f.const(I64, 0), count, count, to, lines)


def _turned(
    f: Function, vector: Any, source: Value, step: Value, channels: Value, low: Value, high: Value, columns: Value,
    target: Value, room: Any,
) -> None:  # fmt: skip
    """target[i * room + c] = source[c * step + i] for i from low to high, and 0 for other columns and channels."""
    scalar, count = vector.element, vector.count
    none = f.lanes_below(vector, f.const(I64, 0))
    with f.range(0, room, count) as c, f.range(0, columns, count) as i:
        mask = f.lanes_below(vector, high - i) & (f.lanes_below(vector, low - i) ^ f.const(none.type, 1))
        rows = [
            # Masked lanes at addresses that nobody maps cost hundreds of cycles, so addresses stay inside.
            f.load_masked(
                vector,
                f.at(scalar, source, f.smaller(c + r, channels - 1) * step + i),
                f.select(c + r < channels, mask, none),
            )
            for r in range(count)
        ]
        wide = (
            f.lanes_below(vector, room - c) if isinstance(room, Value) else f.lanes_below(vector, f.const(I64, count))
        )
        for r, values in enumerate(transposed(f, rows)):
            with f.when(i + r < columns):
                f.store_masked(values, f.at(scalar, target, (i + r) * room + c), wide)


def _taps(
    f: Function,
    a: Args,
    vector: Any,
    size: int,
    v: int,
    look: Value,
    grad: Value,
    sums: Value,
    positions: Value,
    fresh: Value,
) -> None:
    """A block of registers: elements that windows meet times vectors of output channels, summed over positions."""
    scalar, count = vector.element, vector.count
    nothing = f.const(vector, 0)
    totals = [
        [f.var(vector, f.select(fresh, nothing, f.load(vector, sums, (p * v + j) * count))) for j in range(v)]
        for p in range(size)
    ]
    offsets = a.pointer("positions")
    with f.range(0, positions) as q:
        here = f.at(scalar, look, f.load(I64, offsets, q))
        grads = [f.load(vector, grad, q * (v * count) + j * count) for j in range(v)]
        for p in range(size):
            value = f.splat(f.load(scalar, here, p), count)
            for j in range(v):
                totals[p][j].value = totals[p][j].value + grads[j] * value
    for p, j in itertools.product(range(size), range(v)):
        f.store(totals[p][j].value, sums, (p * v + j) * count)


_UNPACK = (
    "sums", "out", "pieces", "piece_step", "blocks", "rows", "count", "inner", "inner_step", "outer", "outer_step", "out_outer",
)  # fmt: skip


def _unpack(module: Any, scalar: Any, lane_count: int, v: int) -> None:
    """Units (group, block of output channels, vector) `begin` to `end`: sums of all pieces, in the weight's order."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "unpack", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _UNPACK)
        with f.range(begin, end) as unit:
            group, block, part = unit // (a.blocks * v), unit // v % a.blocks, unit % v
            row = (block * v + part) * lane_count
            source = f.at(
                scalar, a.pointer("sums"), (group * a.blocks + block) * a.count * (v * lane_count) + part * lane_count
            )
            target = f.at(scalar, a.pointer("out"), (group * a.rows + row) * a.count)
            valid = a.rows - row
            with f.range(0, a.outer) as i, f.range(0, a.inner, lane_count) as t:
                totals = []
                for r in range(lane_count):
                    at = i * a.outer_step + f.smaller(t + r, a.inner - 1) * a.inner_step
                    total = f.var(vector, f.load(vector, source, at))
                    with f.range(1, a.pieces) as piece:
                        total.value = total.value + f.load(vector, source, at + piece * a.piece_step)
                    totals.append(total.value)
                mask = f.lanes_below(vector, a.inner - t)
                for o, values in enumerate(transposed(f, totals)):
                    with f.when(valid > o):
                        f.store_masked(values, f.at(scalar, target, a.count * o + i * a.out_outer + t), mask)


_kernel = kernels("direct_grad", {"weight_grad": _weight_grad, "unpack": _unpack})


# -- plans -------------------------------------------------------------------------------------------------------------

SUMS_BYTES = 8 << 20
"""Of sums over pieces of the positions, which different threads may make."""

MOST_PIECES = 8

SLICE_BYTES = 640 << 10
"""Of the sums that a thread works at: they stay in the second cache level from strip to strip."""

STRIP_POSITIONS = 400
"""Positions in a strip: sums wait in memory between strips."""

LEAST_COLUMNS = 32


@dataclass(frozen=True)
class GradLayout:
    """How the weight's gradient looks at strips of the input with channels innermost.

    Attributes:
        depths: planes of the source that a position meets, counted from its own.
        low: first row and column that windows meet.
        rows, width: of a strip of the source.
        strip, columns: rows of the output in a strip, and columns; it has all columns or one row.
        positions: where the strip's positions lie.
        segments: where elements that lie side by side begin; length: how many there are.
    """

    depths: np.ndarray[Any, Any]
    low: tuple[int, int]
    rows: int
    width: int
    strip: int
    columns: int
    positions: np.ndarray[Any, Any]
    segments: np.ndarray[Any, Any]
    length: int


@functools.lru_cache(512)
def grad_layout(part: Part, channels: int, kernel: Sizes, dilation: Sizes, itemsize: int) -> GradLayout:
    """Layout for a convolution's one part."""
    (low_z, low_y, low_x), _ = part.taps[0]
    spans = [(k - 1) * e + 1 for k, e in zip(kernel, dilation, strict=True)]

    def row_bytes(columns: int) -> int:
        return channels * kernel[0] * spans[1] * ((columns - 1) * part.step[2] + spans[2]) * itemsize

    columns = part.sizes[2]
    while columns > STRIP_POSITIONS or (columns > LEAST_COLUMNS and row_bytes(columns) > STRIP_BYTES):
        columns = -(-columns // 2)
    width = (columns - 1) * part.step[2] + spans[2]
    room = STRIP_BYTES // (channels * kernel[0] * width * itemsize)
    strip = max(1, min(STRIP_POSITIONS // columns, (room - spans[1]) // part.step[1] + 1))
    strip = -(-part.sizes[1] // -(-part.sizes[1] // strip)) if columns == part.sizes[2] else 1
    rows = (strip - 1) * part.step[1] + spans[1]
    positions = np.add.outer(np.arange(strip) * part.step[1] * width, np.arange(columns) * part.step[2]) * channels
    joined = dilation[2] == 1
    looks = itertools.product(range(kernel[0]), range(kernel[1]), range(1 if joined else kernel[2]))
    segments = [((i * rows + j * dilation[1]) * width + n * dilation[2]) * channels for i, j, n in looks]
    depths = np.array([low_z + i * dilation[0] for i in range(kernel[0])], np.int64)
    length = channels * (kernel[2] if joined else 1)
    return GradLayout(
        depths, (low_y, low_x), rows, width, strip, columns, positions.reshape(-1), np.array(segments, np.int64), length
    )


def weight_grad(grad: Any, input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The gradient of the weight, of contiguous arrays."""
    char, itemsize = grad.dtype.char, grad.itemsize
    channels, rows = input.shape[1] // groups, grad.shape[1] // groups
    (part,) = forward_parts(tuple(input.shape[2:]), tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))
    at = grad_layout(part, channels, three(kernel, 1), three(dilation, 1), itemsize)
    out = memory.empty((len(grad[0]), channels, *kernel), grad.dtype)
    v = vectors(rows, at.length, char)
    size, wide, tiles = cut(at.length, registers() // v)
    lines = v * lanes(char)
    blocks, taps = -(-rows // lines), math.prod(kernel)
    count = channels * taps
    strips_h, strips_w = -(-part.sizes[1] // at.strip), -(-part.sizes[2] // at.columns)
    strips = len(input) * part.sizes[0] * strips_h * strips_w
    each = groups * blocks * count * lines
    pieces = 1 << max(0, min(strips, MOST_PIECES, SUMS_BYTES // (each * itemsize)).bit_length() - 1)
    sums = memory.empty((pieces * each,), grad.dtype)
    slices = max(-(-4 * threads.count() // (pieces * groups)), -(-each // groups * itemsize // SLICE_BYTES))
    parts = min(blocks, slices)
    grad_at = -(-len(at.depths) * at.rows * at.width * channels // 16) * 16
    slot_step = grad_at + -(-blocks // parts) * len(at.positions) * lines + 16
    slots = threads.count()
    scratch, locks = memory.empty((slots * slot_step,), grad.dtype), np.zeros(slots * 8, np.int64)
    cost = -(-strips // pieces) * len(at.positions) * count * rows // (16 * parts)
    run(_kernel("weight_grad", char, size, v), pieces * groups * parts, cost,
        input, grad, sums, scratch, locks, slots, slot_step, grad_at,
        groups, channels, rows, blocks, parts, pieces, strips,
        *three(input.shape[2:], 1), *part.step[:2], at.depths, len(at.depths), *at.low, at.rows, at.width,
        *part.sizes, at.strip, strips_h, at.columns, strips_w, part.step[2],
        at.positions, at.segments, len(at.segments), at.length, wide, tiles)  # fmt: skip
    layout = (channels, lines, 1, 0, 0) if taps == 1 else (taps, channels * lines, channels, lines, taps)
    run(_kernel("unpack", char, v), groups * blocks * v, count * pieces * 2, sums, out, pieces, each, blocks, rows, count,
        *layout)  # fmt: skip
    return out
