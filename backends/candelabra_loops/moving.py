# SPDX-License-Identifier: Apache-2.0
"""Copies between looks, whatever the elements are: they move as integers of their size."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import Any

from candelabra.compiler import ir
from candelabra.compiler.graph import coalesced
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from .elements import ceil_div, places_of
from .places import RANKS, WORDS, Loops, Steps, all_of, broadcast, given, rank_of, split, walk, word_of

SIDE_BY_SIDE: Steps = (1, 1)
"""Of source and target."""
ANY: Steps = (None, None)

SIDE = 8
"""Rows and columns of the tiles that transposes go by where the target has rows: more, whose distance in memory is often a
power of two, would push one another out of the first-level cache."""


def side_of(word: str, target: Target) -> int:
    """Rows and columns of a tile: as many as fit the registers where there are vectors, else `SIDE`."""
    return 16 if target.vectors and word != "u64" else SIDE


@functools.lru_cache(maxsize=256)
def copy_kernel(word: str, rank: int, steps: Steps, target: Target) -> Kernel:
    """Words from `source` to `out`."""
    b = Builder(f"copy_{word}_{'side' if steps == SIDE_BY_SIDE else 'any'}{rank}", target)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    loops = Loops(b, rank, steps)
    with loops.work() as line, line.turns() as (at, to):
        out[to] = source[at]
    return b.finish()


@functools.lru_cache(maxsize=64)
def tile_kernel(word: str, rank: int, target: Target) -> Kernel:
    """As `copy_kernel`, by tiles of the last two loops: neighbours in `source` along the first of them, in `out` along
    the second."""
    b, side = Builder(f"tiles_{word}_{rank}", target), side_of(word, target)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    sizes = [b.size(f"n{d}") for d in range(rank)]
    steps = [[b.size(f"s{a}_{d}") for d in range(rank)] for a in range(2)]
    steps[0][-2] = steps[1][-1] = b.const(1, "i64")
    tiles = [*sizes[:-2], *[ceil_div(n, side) for n in sizes[-2:]]]
    with b.work(functools.reduce(lambda x, y: x * y, tiles)) as item:
        places = places_of(item, tiles)
        places = [*places[:-2], places[-2] * side, places[-1] * side]
        at, to = (
            functools.reduce(lambda x, y: x + y, [p * s for p, s in zip(places, ss, strict=True)]) for ss in steps
        )
        left = [n - p for n, p in zip(sizes[-2:], places[-2:], strict=True)]
        height, width = ((n < side).select(n, side) for n in left)
        with contextlib.ExitStack() as rest:
            if target.vectors:
                with b.when((left[0] >= side) & (left[1] >= side)) as otherwise:
                    rows = [source.vector(at + j * steps[0][-1], side) for j in range(side)]
                    for number, row in enumerate(transposed(rows)):
                        out[to + number * steps[1][-2]] = row
                rest.enter_context(otherwise())
            i = rest.enter_context(b.loop(height))
            j = rest.enter_context(b.loop(width, vector=True))
            out[to + i * steps[1][-2] + j] = source[at + i + j * steps[0][-1]]
    return b.finish()


def transposed(rows: list[Value]) -> list[Value]:
    """The columns of a square of values: perfect shuffles of the first with the second half, until each is at its place."""
    n = len(rows)
    low = [lane // 2 + n * (lane % 2) for lane in range(n)]
    high = [lane + n // 2 for lane in low]
    for _ in range(n.bit_length() - 1):
        pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [ir.shuffle(x, y, picks) for x, y in pairs for picks in (low, high)]
    return rows


@functools.lru_cache(maxsize=64)
def picked_kernel(word: str, rank: int, step: int, target: Target) -> Kernel:
    """As `copy_kernel` of elements that follow each other in `out`, and in `source` backwards or leaving out every other
    one: -1 or 2 as `step`."""
    b, lanes = Builder(f"copy_{word}_{'reversed' if step < 0 else 'halved'}{rank}", target), side_of(word, target)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    loops = Loops(b, rank, (step, 1))
    with loops.work() as line:
        at, to = line.bases
        width = line.length()
        whole = width.idiv(lanes) * lanes
        with b.loop(whole, 0, lanes) as j:
            if step < 0:
                row = source.vector(at - j - (lanes - 1), lanes)
                out[to + j] = ir.shuffle(row, row, range(lanes)[::-1])
            else:
                out[to + j] = every_other(source, at + j * 2, lanes)
        with b.loop(width, whole) as j:
            out[to + j] = source[at + j * step]
    return b.finish()


def every_other(source: Buffer, at: Value, lanes: int) -> Value:
    """Elements 2 apart; none beyond the last is read."""
    first, second = source.vector(at, lanes), source.vector(at + (lanes - 1), lanes)
    return ir.shuffle(first, second, [*range(0, lanes, 2), *range(lanes + 1, 2 * lanes, 2)])


def copy_into(backend: Any, target: Any, source: Any) -> None:
    """Copies elements of `source`, whose shape broadcasts, into `target`'s memory; of one dtype."""
    if not target.size:
        return
    if source.block is target.block and (source.shape, source.steps) != (target.shape, target.steps):
        source = backend.copy(source)  # where they overlap, elements would be read after they were written
    source = broadcast(source, target.shape)
    word, parts = word_of(target.dtype)
    shape, strides = split(target.shape, [source.steps, target.steps], [parts, parts])
    buffers = [given(source, parts), given(target, parts)]
    sizes, (at, to) = coalesced(shape, strides)
    if backend.target.rows and (order := _tiled(sizes, at, to, backend.target.general)) is not None:
        return _by_tiles(backend, word, buffers, target.index, *[[x[d] for d in order] for x in (sizes, at, to)])
    if _picks(sizes, at, to, backend.target):
        loops = walk(sizes, [at, to], (at[-1], 1), backend.target)
        made = picked_kernel(word, loops.rank, at[-1], backend.target)
        return backend.launch(made, loops.count, [*buffers, *loops.integers], target.index)
    loops = walk(sizes, [at, to], SIDE_BY_SIDE, backend.target)
    kernel = copy_kernel(word, loops.rank, loops.steps, backend.target)
    beside = all_of(copy_kernel, WORDS.values(), RANKS[:2], (SIDE_BY_SIDE, ANY), (backend.target,))
    backend.launch(kernel, loops.count, [*buffers, *loops.integers], target.index, beside)
    return None


def _picks(sizes: Sequence[int], at: Sequence[int], to: Sequence[int], target: Target) -> bool:
    """Whether a copy is one for `picked_kernel`, and long enough for a kernel of its own."""
    if not target.vectors or not sizes or to[-1] != 1 or at[-1] not in (-1, 2):
        return False
    return sizes[-1] >= LONG and math.prod(sizes) >= target.general


LONG = 64
"""Elements of a line from which vectors pay that are shuffled."""


def _tiled(sizes: Sequence[int], at: Sequence[int], to: Sequence[int], least: int) -> list[int] | None:
    """The order of loops in which a copy goes by tiles; None for one that does not: of less than so many elements, or with
    neighbours of both side by side, or none."""
    if len(sizes) < 2 or 1 not in at or 1 not in to or math.prod(sizes) < least:
        return None
    inner, outer = list(to).index(1), list(at).index(1)
    if inner == outer or min(sizes[inner], sizes[outer]) < 4:
        return None
    return [*[d for d in range(len(sizes)) if d not in (inner, outer)], outer, inner]


def _by_tiles(
    backend: Any, word: str, buffers: Sequence[Any], index: int, sizes: list[int], at: list[int], to: list[int]
) -> None:
    rank = rank_of(len(sizes))
    pad = [1] * (rank - len(sizes))
    zeros = [0] * len(pad)
    integers = [*pad, *sizes, *zeros, *at, *zeros, *to]
    side = side_of(word, backend.target)
    count = math.prod(sizes[:-2]) * -(-sizes[-2] // side) * -(-sizes[-1] // side)
    backend.launch(tile_kernel(word, rank, backend.target), count, [*buffers, *integers], index)


__all__ = ["RANKS", "WORDS", "copy_into", "copy_kernel"]
