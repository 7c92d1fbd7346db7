# SPDX-License-Identifier: Apache-2.0
"""Matrix products for devices whose work items are rows: tiles of results in registers, over panels of columns.

A panel is as many columns of the second operand as fill two vector registers, its rows one after the other. Rows of the
first operand are read where they are: each of their elements meets a whole row of a panel.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from .elements import places_of
from .look import Look
from .places import given, seen
from .plain import FEW, Product, summed

DEEP = 256
"""Terms summed in registers before results are added to memory: the panel's part stays in the first-level cache."""

CHUNK = 64
"""Rows of a panel that a work item copies."""

BLOCK = 96
"""Rows of results that a work item makes at most: what it reads of the first operand stays in the second-level cache."""

ITEMS = 32
"""Work items below which they are made smaller."""

PART = 1024
"""Terms of a part at least, where a long sum is cut into parts."""

LEAST = 1 << 13
"""Products from which panels pay."""


def tile(dtype: np.dtype[Any], target: Target) -> tuple[int, int]:
    """(rows, columns) of a tile: with 16 registers 12 of them hold it, with 32 those are 16."""
    width = max(16, target.width_bytes)
    return (8 if width >= 64 else 6), 2 * width // dtype.itemsize


def pays(p: Product, target: Target) -> bool:
    """Whether panels beat the plain kernel."""
    return target.rows and p.input.dtype.name in ("float32", "float64") and p.m > 1 and p.n * p.m * p.k >= LEAST


# -- kernels -------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def pack_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Panels of matrices (k, m); zeros beyond the last column. A work item is some rows of a panel."""
    type, (_, wide) = memory_type(dtype), tile(dtype, target)
    b = Builder(f"product_pack_{type}", target)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    outer, inner, k, m = (b.size(s) for s in ("outer", "inner", "k", "m"))
    steps = [b.size(f"s{d}") for d in range(4)]
    panels, chunks = (m + (wide - 1)).idiv(wide), (k + (CHUNK - 1)).idiv(CHUNK)
    with b.work(outer * inner * panels * chunks) as item:
        i0, i1, panel, chunk = places_of(item, [outer, inner, panels, chunks])
        base = i0 * steps[0] + i1 * steps[1] + panel * wide * steps[3]
        to = ((i0 * inner + i1) * panels + panel) * k * wide
        left, first = m - panel * wide, chunk * CHUNK
        last = ir.minimum(first + CHUNK, k)
        with b.when(steps[3].eq(1) & (left >= wide)) as otherwise, b.loop(last, first) as t:
            _copy(b, x, base + t * steps[2], out, to + t * wide, wide, target)
        with otherwise(), b.loop(last, first) as t, b.loop(wide, vector=True) as j:
            is_inside = j < left
            value = x[base + t * steps[2] + is_inside.select(j, 0) * steps[3]]
            out[to + t * wide + j] = is_inside.select(value, 0.0)
    return b.finish()


def _copy(b: Builder, x: Buffer, at: Value, out: Buffer, to: Value, n: int, target: Target) -> None:
    """`n` neighbours, two registers of them."""
    if target.vectors:
        for half in (0, n // 2):
            out[to + half] = x.vector(at + half, n // 2)
        return
    with b.loop(n, vector=True) as j:
        out[to + j] = x[at + j]


@functools.lru_cache(maxsize=8)
def panel_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """A work item is a panel of columns for `block` tiles of rows, of one of `pieces` parts of k.

    `out` has the parts as its first dim. A panel's rows are `y2` apart, panels `y3`. Where `has_bias`, each row of results
    starts from its number in `bias`; those of the next inner product lie `n` further.
    """
    type, (high, wide) = memory_type(dtype), tile(dtype, target)
    b = Builder(f"product_panels_{type}", target)
    x, y, bias, out = b.buffer("x", type), b.buffer("y", type), b.buffer("bias", type), b.buffer("out", type, True)
    outer, inner, n, m, k, pieces, length, block, has_bias = (
        b.size(s) for s in ("outer", "inner", "n", "m", "k", "pieces", "length", "block", "has_bias")
    )
    x_steps, y_steps = ([b.size(f"{a}{d}") for d in range(4)] for a in "xy")
    tiles, panels = (n + (high - 1)).idiv(high), (m + (wide - 1)).idiv(wide)
    blocks = (tiles + (block - 1)).idiv(block)
    with b.work(pieces * outer * inner * blocks * panels) as item:
        piece, i0, i1, number, panel = places_of(item, [pieces, outer, inner, blocks, panels])
        x_at = i0 * x_steps[0] + i1 * x_steps[1]
        y_at = i0 * y_steps[0] + i1 * y_steps[1] + panel * y_steps[3]
        out_at = ((piece * outer + i0) * inner + i1) * n * m + panel * wide
        begin, last = piece * length, ir.minimum(piece * length + length, k)
        with b.loop(last, begin, DEEP) as start:
            stop = ir.minimum(start + DEEP, last)
            with b.loop(ir.minimum(number * block + block, tiles), number * block) as row:
                rows = [row * high + i for i in range(high)]
                inside = [ir.minimum(r, n - 1) for r in rows]
                xs = [x_at + r * x_steps[2] for r in inside]
                adds = has_bias.ne(0) & (start <= begin)
                firsts = [adds.select(bias[adds.select(i1 * n + r, 0)], 0.0) for r in inside]
                result = _Tile(b, firsts, wide)
                with b.loop(stop, start) as t:
                    result.add([x[at + t * x_steps[3]] for at in xs], y, y_at + t * y_steps[2])
                result.store(out, [out_at + r * m for r in rows], rows, n, m - panel * wide, start > begin)
    return b.finish()


class _Tile:
    """Sums of a tile: vectors where the target has them, else memory of the work item, which compilers keep in registers."""

    def __init__(self, b: Builder, firsts: list[Value], wide: int) -> None:
        self.b = b
        self.wide = wide
        self.lanes = wide // 2
        self.type = firsts[0].type
        if b.target.vectors:
            self.sums = [[b.var(ir.splat(first, self.lanes)) for _ in range(2)] for first in firsts]
            return
        self.memory = [b.private(self.type, wide, "sum") for _ in firsts]
        with b.loop(wide, vector=True) as j:
            for row, first in zip(self.memory, firsts, strict=True):
                row[j] = first

    def add(self, xs: list[Value], y: Buffer, at: Value) -> None:
        """Adds products of a number for each row with a row of a panel."""
        if self.b.target.vectors:
            ys = [y.vector(at + half * self.lanes, self.lanes) for half in range(2)]
            for row, x in zip(self.sums, xs, strict=True):
                factor = ir.splat(x, self.lanes)
                for total, value in zip(row, ys, strict=True):
                    total.set(self._fused(factor, value, total.get()))
            return
        with self.b.loop(self.wide, vector=True) as j:
            value = y[at + j]
            for memory, x in zip(self.memory, xs, strict=True):
                memory[j] = self._fused(x, value, memory[j])

    def _fused(self, x: Value, y: Value, z: Value) -> Value:
        return ir.fma(x, y, z) if self.b.target.fma else x * y + z

    def store(self, out: Buffer, at: list[Value], rows: list[Value], n: Value, left: Value, more: Value) -> None:
        """Stores sums, or adds them to what is there if `more`: of rows before `n`, and `left` columns."""
        b = self.b
        with b.when((left >= self.wide) & (rows[-1] < n)) as otherwise:
            for i, place in enumerate(at):
                self._whole(i, out, place, more)
        with otherwise():
            # From memory of its own, as what is indexed by an unknown number does not stay in registers.
            width = ir.minimum(left, b.const(self.wide, "i64"))
            for i, (place, row) in enumerate(zip(at, rows, strict=True)):
                memory = b.private(self.type, self.wide, "part")
                self._whole(i, memory, b.const(0, "i64"), None)
                with b.when(row < n), b.loop(width, vector=True) as j:
                    out[place + j] = memory[j] + more.select(out[place + j], 0.0)

    def _whole(self, i: int, out: Buffer, at: Value, more: Value | None) -> None:
        """Stores a row, or adds it to what is there."""
        b = self.b
        if not b.target.vectors:
            with b.loop(self.wide, vector=True) as j:
                value = self.memory[i][j]
                out[at + j] = value if more is None else value + more.select(out[at + j], 0.0)
            return
        for half, total in enumerate(self.sums[i]):
            here = at + half * self.lanes
            new = b.var(total.get())
            if more is not None:
                with b.when(more):
                    new.set(new.get() + out.vector(here, self.lanes))
            out[here] = new.get()


# -- host ----------------------------------------------------------------------------------------------------------------


def multiply(backend: Any, p: Product, out: Look) -> None:
    """Products into contiguous `out`; a few long sums are made in parts."""
    dtype, target = p.input.dtype, backend.target
    pack = pack_kernel(dtype, target)
    y, y_steps = _panels(backend, p, pack, panel_kernel(dtype, target))
    by_panels(backend, p, y, y_steps, out, None, (pack,))


def by_panels(
    backend: Any, p: Product, y: Look, y_steps: list[int], out: Look, bias: Look | None, beside: tuple[Kernel, ...]
) -> None:
    """As `multiply`, with the panels of the second operand given.

    Args:
        y_steps: strides along the batch, a panel's rows, and from one panel to the next.
        bias: numbers for the rows of the results of each inner product, contiguous.
    """
    dtype, target = p.input.dtype, backend.target
    high, wide = tile(dtype, target)
    count, rows = p.items * -(-p.m // wide), -(-p.n // high)
    tiles = count * rows
    pieces = 1 if bias is not None else max(1, min(p.k // PART, ITEMS // tiles, FEW))
    length = max(1, -(-p.k // pieces))
    pieces = max(1, -(-p.k // length))
    block = max(1, min(BLOCK // high, tiles * pieces // ITEMS))
    into = out if pieces == 1 else backend.fresh((pieces, *out.shape), dtype, out.index)
    count = pieces * count * -(-rows // block)
    arrays = [given(look) for look in (p.input, y, p.input if bias is None else bias, into)]
    sizes = [*p.batch, p.n, p.m, p.k, pieces, length, block, int(bias is not None)]
    made = panel_kernel(dtype, target)
    backend.launch(made, count, [*arrays, *sizes, *p.input_steps, *y_steps], out.index, beside)
    if into is not out:
        backend.write(out, seen(summed(backend, into), out.shape, out.steps))


def _panels(backend: Any, p: Product, pack: Kernel, beside: Kernel) -> tuple[Look, list[int]]:
    """(look at panels, strides along the batch, their rows, and from one to the next)"""
    high, wide = tile(p.other.dtype, backend.target)
    s0, s1, row, column = p.other_steps
    if column == 1 and p.m % wide == 0 and (p.n <= 2 * high or p.m == wide):
        return p.other, [s0, s1, row, wide]  # rows of a panel lie in memory as they should, and are read once or twice
    sizes = [n if s else 1 for n, s in zip(p.batch, (s0, s1), strict=True)]
    panels = -(-p.m // wide)
    packed = backend.fresh((*sizes, panels, p.k, wide), p.other.dtype, p.other.index)
    count = sizes[0] * sizes[1] * panels * -(-p.k // CHUNK)
    args = [given(p.other), given(packed), *sizes, p.k, p.m, *p.other_steps]
    backend.launch(pack, count, args, p.other.index, (beside,))
    return packed, [packed.steps[0] if s0 else 0, packed.steps[1] if s1 else 0, wide, p.k * wide]
