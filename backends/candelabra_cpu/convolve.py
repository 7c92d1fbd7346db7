# SPDX-License-Identifier: Apache-2.0
"""Convolutions without columns: products of matrices whose rows are shifted looks at a padded image.

Each channel is copied once into planes, one for each remainder of the stride, with its padding. There the values that one
element of the kernel meets lie side by side for all output positions of a plane, counted row after row of the padded width:
element k of a window at position q is `plane[offset[k] + q]`. So output channels times positions are computed in registers
straight from the planes, and positions beyond a row's end are computed in vain and dropped.

- forward: out[o, q] = sum over k of weight[o, k] * plane[offset[k] + q]
- gradient of the input: the same, for each remainder of the stride by itself, with planes of the output's gradient, and
  those elements of the kernel that meet this remainder
- gradient of the weight: out[o, k] = sum over images and q of grad[o, q] * plane[offset[k] + q], where grad is 0 beyond
  a row's end

Everything is 3-d here; fewer dims have sizes of 1. float32 and float64.
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
from .emit import F32, F64, I64, PTR, Function, Value, Variable, compiled, function
from .native import vector_bits
from .tiles import Args, Sizes, geometry, lanes, run, serves


def vectors(rows: int) -> int:
    """Vectors of positions in a block of registers with `rows` output channels: enough to hide how long a sum takes."""
    return min(8, max(1, (12 if vector_bits() == 256 else 24) // rows))


SLACK = 256
"""Elements behind planes that may be read, never used."""

PANELS = 4
"""Blocks of registers in a unit of work: the planes they look at stay in the second cache level."""

CHUNK_BYTES = 1 << 22
"""Planes held at once: larger ones would have left the caches before they are used."""


def block_rows() -> tuple[int, ...]:
    """Numbers of output channels that a block of registers may have: 32 or 16 registers hold it and what it needs."""
    return (8, 4, 3, 2, 1) if vector_bits() != 256 else (4, 3, 2, 1)


# -- native code -----------------------------------------------------------------------------------------------------


_PLANES = ("source", "target", "depth", "height", "width", "out_depth", "out_height", "out_width", "stride_d", "stride_h",
           "stride_w", "phases", "phase_count", "source_step", "target_step")  # fmt: skip


def _planes(module: Any, scalar: Any, lane_count: int) -> None:
    """Copies channels `begin` to `end` into their planes."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "planes", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _PLANES)
        width, plane = a.out_width, a.out_depth * a.out_height * a.out_width
        with f.range(begin, end) as channel:
            source = f.at(scalar, a.pointer("source"), channel * a.source_step)
            target = f.at(scalar, a.pointer("target"), channel * a.target_step)
            with f.range(0, a.phase_count) as phase:
                first_d, first_h, first_w, low, high = (
                    f.load(I64, a.pointer("phases"), phase * 5 + i) for i in range(5)
                )
                with f.range(0, a.out_depth) as z, f.range(0, a.out_height) as y:
                    from_z, from_y = z * a.stride_d + first_d, y * a.stride_h + first_h
                    row = f.at(scalar, target, phase * plane + (z * a.out_height + y) * width)
                    inside = (from_z >= 0) & (from_z < a.depth) & (from_y >= 0) & (from_y < a.height)
                    line = f.at(scalar, source, (from_z * a.height + from_y) * a.width + first_w)
                    low, high = f.select(inside, low, width), f.select(inside, high, width)
                    with f.choose(a.stride_w.equals(1)) as (dense, spread):
                        with dense:
                            _padded_row(f, vector, row, line, low, high, width)
                        with spread, f.choose(a.stride_w.equals(2)) as (two, more):
                            with two:
                                _halved_row(f, vector, row, line, low, high, width)
                            with more:
                                _zeros(f, vector, row, f.const(I64, 0), low)
                                _copy(f, vector, row, line, low, high, f.const(I64, 1), a.stride_w)
                                _zeros(f, vector, row, high, width)
            _zeros(f, vector, target, a.phase_count * plane, a.target_step)


def _padded_row(f: Function, vector: Any, row: Value, line: Value, low: Value, high: Value, width: Value) -> None:
    """row[i] = line[i] from low to high, and 0 elsewhere."""
    with f.range(0, width, vector.count) as i:
        from_low, to_high = f.lanes_below(vector, low - i), f.lanes_below(vector, high - i)
        values = f.load_masked(vector, f.at(vector.element, line, i), to_high & (from_low ^ f.const(from_low.type, 1)))
        f.store_masked(values, f.at(vector.element, row, i), f.lanes_below(vector, width - i))


def _halved_row(f: Function, vector: Any, row: Value, line: Value, low: Value, high: Value, width: Value) -> None:
    """row[i] = line[2 * i] from low to high, and 0 elsewhere."""
    lane_count, scalar = vector.count, vector.element
    with f.range(0, width, lane_count) as i:
        halves = []
        for half in range(2):
            done = i * 2 + half * lane_count
            from_low, to_high = f.lanes_below(vector, low * 2 - done), f.lanes_below(vector, high * 2 - 1 - done)
            mask = to_high & (from_low ^ f.const(from_low.type, 1))
            halves.append(f.load_masked(vector, f.at(scalar, line, done), mask))
        values = f.shuffle(halves[0], halves[1], list(range(0, 2 * lane_count, 2)))
        f.store_masked(values, f.at(scalar, row, i), f.lanes_below(vector, width - i))


def _zeros(f: Function, vector: Any, row: Value, begin: Value, end: Value) -> None:
    with f.range(begin, end, vector.count) as i:
        f.store_masked(f.const(vector, 0), f.at(vector.element, row, i), f.lanes_below(vector, end - i))


def _copy(
    f: Function, vector: Any, target: Value, source: Value, begin: Value, end: Value, step_to: Value, step_from: Value
) -> None:
    """target[i * step_to] = source[i * step_from]."""
    scalar = vector.element
    with f.choose(step_to.equals(1) & step_from.equals(1)) as (dense, spread):
        with dense, f.range(begin, end, vector.count) as i:
            mask = f.lanes_below(vector, end - i)
            f.store_masked(f.load_masked(vector, f.at(scalar, source, i), mask), f.at(scalar, target, i), mask)
        with spread, f.range(begin, end) as i:
            f.store(f.load(scalar, source, i * step_from), target, i * step_to)


_WEIGHTS = ("source", "target", "rows", "row_step", "group_step", "offsets", "count", "blocks")


def _weights(module: Any, scalar: Any, rows: int) -> None:
    """Packs blocks `begin` to `end` of `rows` output channels: the block's channels side by side for each k."""
    with function(module, "weights", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _WEIGHTS)
        with f.range(begin, end) as at:
            group, block = at // a.blocks, at % a.blocks
            target = f.at(scalar, a.pointer("target"), at * a.count * rows)
            source = f.at(scalar, a.pointer("source"), group * a.group_step)
            for r in range(rows):
                row = block * rows + r
                start = f.at(scalar, source, f.smaller(row, a.rows - 1) * a.row_step)
                with f.choose(row < a.rows) as (yes, no):
                    with yes, f.range(0, a.count) as k:
                        f.store(f.load(scalar, start, f.load(I64, a.pointer("offsets"), k)), target, k * rows + r)
                    with no, f.range(0, a.count) as k:
                        f.store(0, target, k * rows + r, type=scalar)


_PRODUCT = ("planes", "weights", "bias", "out", "offsets", "count", "rows", "blocks", "groups", "tiles", "tile", "last",
            "image_step", "group_step", "out_image", "out_channel", "out_d", "out_h", "out_w", "plane_height", "plane_width",
            "height", "width")  # fmt: skip


def _product(module: Any, scalar: Any, rows: int, lane_count: int) -> None:
    """Units (image, group, tile of positions) `begin` to `end`: all output channels of each."""
    vector = ir.VectorType(scalar, lane_count)
    panel = lane_count * vectors(rows)
    room = panel * (PANELS + 1)
    with function(module, "product", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _PRODUCT)
        scratch = f.buffer(scalar, rows * room)
        with f.range(begin, end) as unit:
            image, group, tile = unit // (a.tiles * a.groups), unit // a.tiles % a.groups, unit % a.tiles
            planes = f.at(scalar, a.pointer("planes"), image * a.image_step + group * a.group_step)
            first = tile * a.tile
            after = f.smaller(first + a.tile, a.last)
            with f.range(0, a.blocks) as block:
                packed = f.at(scalar, a.pointer("weights"), (group * a.blocks + block) * a.count * rows)
                channel = group * a.rows + block * rows
                q = f.var(I64, first)
                for some in (n for n in (8, 6, 4, 3, 2, 1) if n <= vectors(rows)):
                    with f.loop() as leave_if:
                        # The last vectors start earlier rather than end beyond the last position.
                        leave_if(q.value + (some - 1) * lane_count >= after)
                        start = f.larger(f.smaller(q.value, a.last - some * lane_count), 0)
                        sums = _sums(f, a, vector, rows, some, f.at(scalar, planes, start), packed, channel)
                        for r, v in itertools.product(range(rows), range(some)):
                            place = start - first + (r * room + panel + v * lane_count)
                            f.store(sums[r][v].value, scratch, place)
                        q.value = q.value + some * lane_count
                _store_rows(f, a, vector, rows, room, panel, scratch, image, group, block, first, after)


def _sums(
    f: Function, a: Args, vector: Any, rows: int, some: int, planes: Value, packed: Value, channel: Value
) -> list[list[Variable]]:
    """A block of registers: output channels times positions, summed over k; they start from the bias."""
    scalar = vector.element
    sums = [[f.var(vector, 0) for _ in range(some)] for _ in range(rows)]
    with f.when(a.bias.differs(0)):
        for r in range(rows):
            inside = f.smaller(channel + r, a.groups * a.rows - 1)
            value = f.splat(f.load(scalar, a.pointer("bias"), inside), vector.count)
            for total in sums[r]:
                total.value = value
    offsets = a.pointer("offsets")
    with f.range(0, a.count) as k:
        look = f.at(scalar, planes, f.load(I64, offsets, k))
        values = [f.load(vector, look, v * vector.count) for v in range(some)]
        for r in range(rows):
            weight = f.splat(f.load(scalar, packed, k * rows + r), vector.count)
            for total, value in zip(sums[r], values, strict=True):
                total.value = total.value + weight * value
    return sums


def _store_rows(
    f: Function, a: Args, vector: Any, rows: int, room: int, panel: int, scratch: Value, image: Value, group: Value,
    block: Value, first: Value, after: Value,
) -> None:  # fmt: skip
    """Moves the positions `first` to `after` that lie in a row of the output to their places."""
    scalar = vector.element
    valid = f.smaller(a.rows - block * rows, rows)
    out = f.at(scalar, a.pointer("out"), image * a.out_image + (group * a.rows + block * rows) * a.out_channel)
    with f.range(first // a.plane_width, (after - 1) // a.plane_width + 1) as line:
        z, y, start = line // a.plane_height, line % a.plane_height, line * a.plane_width
        low, high = f.larger(first - start, 0), f.smaller(after - start, a.width)
        with f.when((y < a.height) & (low < high)), f.range(0, valid) as r:
            target = f.at(scalar, out, r * a.out_channel + z * a.out_d + y * a.out_h)
            source = f.at(scalar, scratch, r * room + panel + start - first)
            _copy(f, vector, target, source, low, high, a.out_w, f.const(I64, 1))


_WEIGHT_GRAD = ("grads", "planes", "out", "offsets", "count", "rows", "row_blocks", "parts", "images", "positions",
                "grad_image", "grad_channel", "image_step", "group_step", "accumulate")  # fmt: skip

TAPS = 6
"""Elements of the kernel in a block of registers of the weight's gradient."""


def _weight_grad(module: Any, scalar: Any, rows: int, lane_count: int) -> None:
    """Units (group, block of output channels, part of the kernel's elements) `begin` to `end`."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "weight_grad", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _WEIGHT_GRAD)
        blocks = (a.count - 1) // TAPS + 1
        with f.range(begin, end) as unit:
            group, block, part = unit // (a.parts * a.row_blocks), unit // a.parts % a.row_blocks, unit % a.parts
            with f.range(blocks * part // a.parts, blocks * (part + 1) // a.parts) as tap_block:
                _tap_block(f, a, vector, rows, group, block * rows, tap_block * TAPS)


def _tap_block(f: Function, a: Args, vector: Any, rows: int, group: Value, row: Value, tap: Value) -> None:
    scalar = vector.element
    planes = f.at(scalar, a.pointer("planes"), group * a.group_step)
    looks = [
        f.at(scalar, planes, f.load(I64, a.pointer("offsets"), f.smaller(tap + t, a.count - 1))) for t in range(TAPS)
    ]
    grads = [
        f.at(scalar, a.pointer("grads"), (group * a.rows + f.smaller(row + r, a.rows - 1)) * a.grad_channel)
        for r in range(rows)
    ]
    sums = [[f.var(vector, 0) for _ in range(TAPS)] for _ in range(rows)]
    with f.range(0, a.images) as image:
        here, there = image * a.grad_image, image * a.image_step
        with f.range(0, a.positions, vector.count) as q:
            left = [f.load(vector, grad, here + q) for grad in grads]
            for t, look in enumerate(looks):
                value = f.load(vector, look, there + q)
                for r in range(rows):
                    sums[r][t].value = sums[r][t].value + left[r] * value
    for r, t in itertools.product(range(rows), range(TAPS)):
        with f.when((row + r < a.rows) & (tap + t < a.count)):
            place = f.at(scalar, a.pointer("out"), (group * a.rows + row + r) * a.count + tap + t)
            total = f.reduce_add(sums[r][t].value)
            old = f.var(scalar, 0)
            with f.when(a.accumulate.differs(0)):
                old.value = f.load(scalar, place)
            f.store(total + old.value, place)


GRAD_BYTES = 28 << 10
"""Of the output's gradient in a block of registers: they stay in the first cache level while all of k passes by."""

GRAD_ROWS = (4, 1)
"""Numbers of output channels in a block of registers of the weight's gradient."""


@functools.cache
def _kernel(name: str, char: str, rows: int = 0) -> int:
    """Address of a kernel for float32 ("f") or float64 ("d"); each is a module, since few programs need all."""

    def write(module: Any) -> None:
        scalar, lane_count = (F32 if char == "f" else F64), lanes(char)
        if name == "planes":
            _planes(module, scalar, lane_count)
        elif name == "weights":
            _weights(module, scalar, rows)
        elif name == "product":
            _product(module, scalar, rows, lane_count)
        else:
            _weight_grad(module, scalar, rows, lane_count)

    return compiled("convolution", write, f"{name} {char} {rows}")[name]


# -- plans -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planes:
    """How a channel becomes planes.

    Attributes:
        source: sizes of a channel.
        plane: sizes of one plane.
        stride: steps in the source between neighbours in a plane.
        phases: for each plane, where it starts in the source, and which part of its rows lies inside: shape (planes, 5).
        channel: elements from a channel's planes to the next one's.
    """

    source: Sizes
    plane: Sizes
    stride: Sizes
    phases: np.ndarray[Any, Any]
    channel: int

    def fill(self, array: Any) -> Any:
        """The planes of all channels of an array (N, C, *source), with SLACK zeros behind."""
        channels = array.shape[0] * array.shape[1]
        out = memory.empty((channels * self.channel + SLACK,), array.dtype)
        out[-SLACK:] = 0
        run(_kernel("planes", array.dtype.char), channels, self.channel, array, out, *self.source, *self.plane, *self.stride, self.phases,
            len(self.phases), math.prod(self.source), self.channel)  # fmt: skip
        return out


def _planes_of(
    source: Sizes, plane: Sizes, stride: Sizes, starts: list[Sizes], least: int = 1 << 30, align: int = 1
) -> Planes:
    """Planes of at most the given sizes. The zeros that begin a row also end the one before, down to a width of `least`."""
    rows = []
    for start in starts:
        low = min(max(-(start[2] // stride[2]), 0), plane[2])
        high = min(max(-((start[2] - source[2]) // stride[2]), low), plane[2])
        rows.append((*start, low, high))
    shared = min(min(row[3], plane[2] - row[4]) for row in rows)
    plane = (*plane[:2], plane[2] - max(0, min(shared, plane[2] - least)))
    size = len(starts) * math.prod(plane)
    return Planes(source, plane, stride, np.array(rows, np.int64), -(-size // align) * align)


def _flat(position: Sizes, plane: Sizes) -> int:
    return (position[0] * plane[1] + position[1]) * plane[2] + position[2]


@dataclass(frozen=True)
class Part:
    """One product over planes: an output grid, or the positions of the input with one remainder of the stride.

    Attributes:
        offsets: where element k of a window lies in a group's planes, for position 0.
        weight_offsets: where it lies in the weight, for output channel 0 of a group.
        sizes: of the grid.
        out_start: the grid's first element in a channel of the result.
    """

    offsets: np.ndarray[Any, Any]
    weight_offsets: np.ndarray[Any, Any]
    sizes: Sizes
    out_start: int


@dataclass(frozen=True)
class Plan:
    """A convolution for given shapes; see the module for the idea.

    Attributes:
        planes: of the operand that is looked at.
        parts: the products.
        channels: of the operand, a group.
        rows: output channels, a group.
        row_step: from an output channel to the next in the weight; group_step: from a group.
        out_sizes: of a channel of the result.
        out_stride: between neighbours of a part's grid in the result.
    """

    planes: Planes
    parts: tuple[Part, ...]
    groups: int
    channels: int
    rows: int
    row_step: int
    group_step: int
    out_sizes: Sizes
    out_stride: Sizes


Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@functools.lru_cache(512)
def forward_plan(x: Any, w: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Plan:
    """Plan of the convolution of shapes (N, C, *sizes) and (O, C / groups, *kernel)."""
    size, kernel, s, p, d, counts = geometry(x[2:], w[2:], stride, padding, dilation)
    taps = list(itertools.product(*map(range, kernel)))
    reach = [tuple(i * e for i, e in zip(tap, d, strict=True)) for tap in taps]
    phase_of = [tuple(r % t for r, t in zip(at, s, strict=True)) for at in reach]
    phases = sorted(set(phase_of))
    plane: Sizes = tuple(c + (k - 1) * e // t for c, k, e, t in zip(counts, kernel, d, s, strict=True))  # type: ignore[assignment]
    starts: list[Any] = [tuple(f - q for f, q in zip(phase, p, strict=True)) for phase in phases]
    planes = _planes_of(size, plane, s, starts, counts[2])
    plane = planes.plane
    each = math.prod(plane)
    looks = [
        phases.index(phase) * each + _flat(tuple(r // t for r, t in zip(at, s, strict=True)), plane)  # type: ignore[arg-type]
        for at, phase in zip(reach, phase_of, strict=True)
    ]
    channels = w[1]
    offsets = np.add.outer(np.arange(channels) * planes.channel, looks).reshape(-1)
    part = Part(offsets.astype(np.int64), np.arange(channels * len(taps), dtype=np.int64), counts, 0)
    k = channels * len(taps)
    return Plan(planes, (part,), groups, channels, w[0] // groups, k, w[0] // groups * k, counts, (1, 1, 1))


@functools.lru_cache(512)
def input_plan(g: Any, w: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Plan:
    """Plan of the gradient of the input, of sizes `input_size`, by an output gradient of shape g."""
    size, kernel, s, p, d, counts = geometry(input_size, w[2:], stride, padding, dilation)
    taps = list(itertools.product(*map(range, kernel)))
    wanted = []
    for rest in itertools.product(*(range(min(t, n)) for t, n in zip(s, size, strict=True))):
        met = []
        for index, tap in enumerate(taps):
            ahead = [r + q - i * e for r, q, i, e in zip(rest, p, tap, d, strict=True)]
            if not any(a % t for a, t in zip(ahead, s, strict=True)):
                met.append((index, tuple(a // t for a, t in zip(ahead, s, strict=True))))
        wanted.append((rest, tuple(-(-(n - r) // t) for n, r, t in zip(size, rest, s, strict=True)), met))
    ahead_all = [a for _, _, met in wanted for _, a in met]
    low = tuple(max(0, -min(a[i] for a in ahead_all)) for i in range(3))
    plane: Any = tuple(
        max(grid[i] + low[i] + max((a[i] for _, a in met), default=0) for _, grid, met in wanted) for i in range(3)
    )
    widest = max(grid[2] for _, grid, _ in wanted)
    planes = _planes_of(counts, plane, (1, 1, 1), [tuple(-v for v in low)], widest)  # type: ignore[list-item]
    plane = planes.plane
    rows, channels, count = w[1], w[0] // groups, len(taps)
    parts = []
    for rest, grid, met in wanted:
        looks = [_flat(tuple(v + u for v, u in zip(a, low, strict=True)), plane) for _, a in met]  # type: ignore[arg-type]
        which = [index for index, _ in met]
        offsets = np.add.outer(np.arange(channels) * planes.channel, np.array(looks, np.int64)).reshape(-1)
        weights = np.add.outer(np.arange(channels) * rows * count, np.array(which, np.int64)).reshape(-1)
        parts.append(Part(offsets.astype(np.int64), weights.astype(np.int64), grid, _flat(rest, size)))  # type: ignore[arg-type]
    return Plan(planes, tuple(parts), groups, channels, rows, count, channels * rows * count, size, s)


def execute(plan: Plan, operand: Any, weight: Any, bias: Any, out: Any) -> None:
    """Computes all parts of a plan into `out` (N, groups * rows, *out_sizes); arrays are contiguous."""
    images = len(operand)
    step = max(1, CHUNK_BYTES // max(1, operand.shape[1] * plan.planes.channel * operand.itemsize))
    rows = next(r for r in block_rows() if r <= plan.rows or r == 1)
    packed = [_packed(plan, part, weight, rows) for part in plan.parts]
    for start in range(0, images, step):
        some = operand[start : start + step]
        looked = some if _is_plane(plan) else plan.planes.fill(some)
        for part, weights in zip(plan.parts, packed, strict=True):
            _multiply(plan, part, rows, looked, weights, bias, out[start : start + step])


def _is_plane(plan: Plan) -> bool:
    """Whether a channel is its own plane, large enough that nothing behind it is read."""
    planes = plan.planes
    same = planes.plane == planes.source and planes.stride == (1, 1, 1) and len(planes.phases) == 1
    return same and not planes.phases[0, :3].any() and math.prod(planes.plane) >= SLACK


def _packed(plan: Plan, part: Part, weight: Any, rows: int) -> Any:
    blocks = -(-plan.rows // rows)
    count = len(part.offsets)
    out = memory.empty((plan.groups * blocks * count * rows,), weight.dtype)
    run(_kernel("weights", weight.dtype.char, rows), plan.groups * blocks, count * rows * 2, weight, out, plan.rows, plan.row_step,
        plan.group_step, part.weight_offsets, count, blocks)  # fmt: skip
    return out


def _multiply(plan: Plan, part: Part, rows: int, looked: Any, weights: Any, bias: Any, out: Any) -> None:
    depth, height, width = part.sizes
    plane = plan.planes.plane
    panel = lanes(out.dtype) * vectors(rows)
    last = _flat((depth - 1, height - 1, width - 1), plane) + 1
    panels = -(-last // panel)
    tiles = -(-panels // PANELS)
    tile = -(-panels // tiles) * panel
    tiles = -(-last // tile)
    blocks = -(-plan.rows // rows)
    count = len(part.offsets)
    image = plan.groups * plan.channels * plan.planes.channel
    out_channel = math.prod(plan.out_sizes)
    steps = [
        plan.out_stride[0] * plan.out_sizes[1] * plan.out_sizes[2],
        plan.out_stride[1] * plan.out_sizes[2],
        plan.out_stride[2],
    ]
    target = out.ctypes.data + part.out_start * out.itemsize
    units = len(out) * plan.groups * tiles
    run(_kernel("product", out.dtype.char, rows), units, tile * blocks * rows * max(count, 1) // 32, looked, weights,
        0 if bias is None else bias, target, part.offsets, count, plan.rows, blocks, plan.groups, tiles, tile, last, image,
        plan.channels * plan.planes.channel, plan.groups * plan.rows * out_channel, out_channel, *steps, plane[1], plane[2],
        height, width)  # fmt: skip


def forward(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The convolution; arguments as of the op, arrays of one floating dtype."""
    from . import depthwise, direct

    input, weight = np.ascontiguousarray(input), np.ascontiguousarray(weight)
    bias = None if bias is None else np.ascontiguousarray(bias)
    plan = forward_plan(input.shape, weight.shape, tuple(stride), tuple(padding), tuple(dilation), groups)
    out = memory.empty((len(input), len(weight), *plan.out_sizes[3 - len(stride) :]), input.dtype)
    if depthwise.serves(weight.shape[2:], stride, groups, input.shape[1]):
        depthwise.forward(input, weight, bias, stride, padding, dilation, out)
    elif serves(len(weight) // groups, plan.out_sizes[1] * plan.out_sizes[2], input.dtype):
        direct.forward(input, weight, bias, stride, padding, dilation, groups, out)
    else:
        execute(plan, input, weight, bias, out)
    return out


def input_grad(grad: Any, weight: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The gradient of the input; arguments as of the op."""
    from . import depthwise, direct

    grad, weight = np.ascontiguousarray(grad), np.ascontiguousarray(weight)
    out = memory.empty((len(grad), groups * weight.shape[1], *input_size), grad.dtype)
    if depthwise.serves(weight.shape[2:], stride, groups, len(weight)) and weight.shape[1] == 1:
        depthwise.input_grad(grad, weight, stride, padding, dilation, out)
        return out
    positions = math.prod(-(-n // t) for n, t in zip(input_size[-2:], stride[-2:], strict=True))
    if serves(weight.shape[1], positions, grad.dtype):
        direct.input_grad(grad, weight, stride, padding, dilation, groups, out)
        return out
    plan = input_plan(
        grad.shape, weight.shape, tuple(input_size), tuple(stride), tuple(padding), tuple(dilation), groups
    )
    execute(plan, grad, weight, None, out)
    return out


def weight_grad(grad: Any, input: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The gradient of the weight; arguments as of the op."""
    from . import depthwise, direct_grad
    from .kernels import convolution

    input, grad = np.ascontiguousarray(input), np.ascontiguousarray(grad)
    channels, filters = input.shape[1] // groups, grad.shape[1]
    if depthwise.serves(weight_size, stride, groups, input.shape[1]):
        out = depthwise.weight_grad(grad, input, weight_size, stride, padding, dilation)
    elif serves(filters // groups, channels * (weight_size[-1] if dilation[-1] == 1 else 1), grad.dtype):
        return direct_grad.weight_grad(grad, input, weight_size, stride, padding, dilation, groups)
    else:
        out = _weight_grad_of_planes(grad, input, (filters, channels, *weight_size), stride, padding, dilation, groups)
    if np.isfinite(out).all():
        return out
    # Windows that lie beyond a row's end counted with a factor of 0, which leaves traces of infinities.
    return convolution.convolution_weight_grad(grad, input, weight_size, stride, padding, dilation, groups)


def _weight_grad_of_planes(
    grad: Any, input: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    filters, channels = shape[:2]
    plan = forward_plan(input.shape, shape, tuple(stride), tuple(padding), tuple(dilation), groups)
    vector = lanes(grad.dtype)
    plane = plan.planes.plane
    wide = _planes_of(plan.out_sizes, (plan.out_sizes[0], *plane[1:]), (1, 1, 1), [(0, 0, 0)], align=vector)
    out = memory.empty(shape, grad.dtype)
    each = (groups * channels * plan.planes.channel + filters * wide.channel) * grad.itemsize
    step = max(1, CHUNK_BYTES // each)
    for start in range(0, len(input), step):
        looked = plan.planes.fill(input[start : start + step])
        grads = wide.fill(grad[start : start + step])
        _reduce(plan, wide, looked, grads, out, len(input[start : start + step]), start > 0)
    return out


def _reduce(plan: Plan, wide: Planes, looked: Any, grads: Any, out: Any, images: int, accumulate: bool) -> None:
    rows = GRAD_ROWS[0] if plan.rows > 1 else 1
    blocks = -(-plan.rows // rows)
    offsets = plan.parts[0].offsets
    count = len(offsets)
    parts = min(-(-count // TAPS), -(-8 * threads.count() // (plan.groups * blocks)))
    vector = lanes(out.dtype)
    last = _flat(tuple(n - 1 for n in plan.out_sizes), wide.plane) + 1  # type: ignore[arg-type]
    positions = -(-last // vector) * vector
    pieces = -(-positions * rows * out.itemsize // GRAD_BYTES)
    piece = -(-positions // pieces // vector) * vector
    cost = -(-count // TAPS // parts) * TAPS * rows * piece * images // 32
    for start in range(0, positions, piece):
        at = start * out.itemsize
        run(_kernel("weight_grad", out.dtype.char, rows), plan.groups * blocks * parts, cost, grads.ctypes.data + at,
            looked.ctypes.data + at, out, offsets, count, plan.rows, blocks, parts, images, min(piece, positions - start),
            plan.groups * plan.rows * wide.channel, wide.channel, plan.groups * plan.channels * plan.planes.channel,
            plan.channels * plan.planes.channel, int(accumulate or start > 0))  # fmt: skip
