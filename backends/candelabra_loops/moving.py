# SPDX-License-Identifier: Apache-2.0
"""Copies between looks, whatever the elements are: they move as integers of their size."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from candelabra.compiler.graph import coalesced
from candelabra.compiler.ir import Builder, Kernel, Target

from .places import RANKS, WORDS, Loops, Steps, all_of, broadcast, given, rank_of, split, walk, word_of

SIDE_BY_SIDE: Steps = (1, 1)
"""Of source and target."""
ANY: Steps = (None, None)

SIDE = 8
"""Rows and columns of the tiles that transposes go by where the target has rows: more, whose distance in memory is often a
power of two, would push one another out of the first-level cache."""


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
    b = Builder(f"tiles_{word}_{rank}", target)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    sizes = [b.size(f"n{d}") for d in range(rank)]
    steps = [[b.size(f"s{a}_{d}") for d in range(rank)] for a in range(2)]
    steps[0][-2] = steps[1][-1] = b.const(1, "i64")
    tiles = [*sizes[:-2], *[(n + (SIDE - 1)).idiv(SIDE) for n in sizes[-2:]]]
    with b.work(functools.reduce(lambda x, y: x * y, tiles)) as item:
        places, rest = [], item
        for size in reversed(tiles[1:]):
            above = rest.idiv(size)
            places.append(rest - above * size)
            rest = above
        places = [rest, *reversed(places)]
        places = [*places[:-2], places[-2] * SIDE, places[-1] * SIDE]
        at, to = (
            functools.reduce(lambda x, y: x + y, [p * s for p, s in zip(places, ss, strict=True)]) for ss in steps
        )
        left = [n - p for n, p in zip(sizes[-2:], places[-2:], strict=True)]
        height, width = ((n < SIDE).select(n, SIDE) for n in left)
        with b.loop(height) as i, b.loop(width, vector=True) as j:
            out[to + i * steps[1][-2] + j] = source[at + i + j * steps[0][-1]]
    return b.finish()


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
    if backend.target.rows and (order := _tiled(sizes, at, to)) is not None:
        return _by_tiles(backend, word, buffers, target.index, *[[x[d] for d in order] for x in (sizes, at, to)])
    loops = walk(sizes, [at, to], SIDE_BY_SIDE, backend.target)
    kernel = copy_kernel(word, loops.rank, loops.steps, backend.target)
    beside = all_of(copy_kernel, WORDS.values(), RANKS[:2], (SIDE_BY_SIDE, ANY), (backend.target,))
    backend.launch(kernel, loops.count, [*buffers, *loops.integers], target.index, beside)
    return None


def _tiled(sizes: Sequence[int], at: Sequence[int], to: Sequence[int]) -> list[int] | None:
    """The order of loops in which a copy goes by tiles; None for one that does not: neighbours of both are apart."""
    if len(sizes) < 2 or 1 not in at or 1 not in to:
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
    count = math.prod(sizes[:-2]) * -(-sizes[-2] // SIDE) * -(-sizes[-1] // SIDE)
    beside = all_of(tile_kernel, WORDS.values(), (2,), (backend.target,))
    backend.launch(tile_kernel(word, rank, backend.target), count, [*buffers, *integers], index, beside)


__all__ = ["RANKS", "WORDS", "copy_into", "copy_kernel"]
