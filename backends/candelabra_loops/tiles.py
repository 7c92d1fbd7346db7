# SPDX-License-Identifier: Apache-2.0
"""Matrix products for devices whose work items meet in groups: tiles of both operands in shared memory."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import is_complex, memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from .elements import Register, computed_in, places_of, value_of, with_product
from .look import Look
from .places import given, seen
from .plain import Product, cast, summed

LANES = 16
"""Work items of a group along rows and along columns."""

EACH = {8: 8, 4: 16}
"""Terms of a step, by results of a work item along rows and columns: a work item loads four numbers of each operand."""

TILES = 256
"""Groups worth having: below, tiles are smaller, and long sums cut into parts."""

PART = 512
"""Terms of a part at least."""

LEAST = 32
"""Rows and columns from which tiles pay."""


def pays(p: Product, target: Target) -> bool:
    """Whether tiles beat the plain kernel."""
    fits = not target.rows and target.group >= LANES * LANES and not is_complex(p.input.dtype)
    return fits and min(p.n, p.m) >= LEAST and p.k >= 8


@functools.lru_cache(maxsize=32)
def tile_kernel(dtype: np.dtype[Any], result: np.dtype[Any], each: int, target: Target) -> Kernel:
    """A group is a tile of results, a work item `each` rows and columns of it, 16 apart.

    `out` has the parts of k as its first dim. `by_row` and `by_column` say along what neighbours of the operands lie.
    """
    deep, side = EACH[each], LANES * each
    b = Builder(f"product_tiles{side}_{memory_type(dtype)}", target)
    x, y = b.buffer("x", memory_type(dtype)), b.buffer("y", memory_type(dtype))
    out = b.buffer("out", memory_type(result), True)
    outer, inner, n, m, k, pieces, length = (b.size(s) for s in ("outer", "inner", "n", "m", "k", "pieces", "length"))
    by_row, by_column = b.size("by_row"), b.size("by_column")
    x_steps, y_steps = ([b.size(f"{a}{d}") for d in range(4)] for a in "xy")
    rows, columns = (n + (side - 1)).idiv(side), (m + (side - 1)).idiv(side)
    type = value_of(dtype)
    with b.groups(pieces * outer * inner * rows * columns, LANES * LANES) as (group, lane):
        piece, i0, i1, row, column = places_of(group, [pieces, outer, inner, rows, columns])
        xs, ys = b.shared(type, side * deep, "xs"), b.shared(type, side * deep, "ys")
        high, wide = lane >> 4, lane & (LANES - 1)
        zero = b.const(0, value_of(computed_in(dtype)))
        totals = [[Register(b, zero) for _ in range(each)] for _ in range(each)]
        begin = piece * length
        stop = ir.minimum(begin + length, k)
        x_at, y_at = i0 * x_steps[0] + i1 * x_steps[1], i0 * y_steps[0] + i1 * y_steps[1]
        with b.loop(stop, begin, deep) as start:
            _load(b, xs, x, x_at, (x_steps[2], x_steps[3]), (row * side, n), (start, stop), lane, by_row, each)
            _load(b, ys, y, y_at, (y_steps[3], y_steps[2]), (column * side, m), (start, stop), lane, by_column, each)
            b.barrier()
            with b.loop(deep) as t:
                mine = [xs[t * side + high + LANES * i] for i in range(each)]
                others = [ys[t * side + wide + LANES * j] for j in range(each)]
                for i, j in itertools.product(range(each), range(each)):
                    totals[i][j].set(with_product(totals[i][j].get(), mine[i], others[j], target))
            b.barrier()
        base = ((piece * outer + i0) * inner + i1) * n
        for i, j in itertools.product(range(each), range(each)):
            r, c = row * side + high + LANES * i, column * side + wide + LANES * j
            with b.when((r < n) & (c < m)):
                out[(base + r) * m + c] = totals[i][j].get()
    return b.finish()


def _load(
    b: Builder,
    to: Buffer,
    source: Buffer,
    base: Value,
    steps: tuple[Value, Value],
    across: tuple[Value, Value],
    along: tuple[Value, Value],
    lane: Value,
    by_row: Value,
    each: int,
) -> None:
    """Fills a tile: `across` is its first row or column and the number of these, `along` likewise for terms."""
    deep, side = EACH[each], LANES * each
    (step, term_step), (first, size), (start, stop) = steps, across, along
    for i in range(side * deep // (LANES * LANES)):
        number = lane + i * LANES * LANES
        place = by_row.ne(0).select(number & (side - 1), number >> (deep.bit_length() - 1))
        term = by_row.ne(0).select(number >> (side.bit_length() - 1), number & (deep - 1))
        row, t = first + place, start + term
        is_inside = (row < size) & (t < stop)
        value = source[is_inside.select(base + row * step + t * term_step, 0)]
        to[term * side + place] = is_inside.select(value, 0)


def multiply(backend: Any, p: Product, out: Look) -> None:
    """Products into contiguous `out`; a few long sums are made in parts."""
    dtype, target = p.input.dtype, backend.target
    each = 8 if _tiles(p, 8) >= TILES else 4
    tiles = _tiles(p, each)
    pieces = max(1, min(p.k // PART, TILES // tiles))
    length = max(1, -(-p.k // pieces))
    pieces = -(-p.k // length)
    wide = dtype if pieces == 1 else computed_in(dtype)
    into = out if pieces == 1 else backend.fresh((pieces, *out.shape), wide, out.index)
    by = [int(p.input_steps[2] == 1), int(p.other_steps[3] == 1)]
    integers = [*p.batch, p.n, p.m, p.k, pieces, length, *by, *p.input_steps, *p.other_steps]
    f32 = np.dtype(np.float32)
    beside = (tile_kernel(f32, f32, e, target) for e in EACH)
    made = tile_kernel(dtype, wide, each, target)
    backend.launch(made, pieces * tiles, [given(p.input), given(p.other), given(into), *integers], out.index, beside)
    if into is not out:
        total = cast(backend, summed(backend, into), dtype)
        backend.write(out, seen(total, out.shape, out.steps))


def _tiles(p: Product, each: int) -> int:
    side = LANES * each
    return p.items * -(-p.n // side) * -(-p.m // side)
