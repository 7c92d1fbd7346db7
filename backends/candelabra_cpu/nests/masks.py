# SPDX-License-Identifier: Apache-2.0
"""Elements that a mask selects: counted by stretches of rows, then written where the counts say."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Value

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import WIDTH, Array, builder, parts, split, stretch, stretches, whole, word_of

MOST_DIMS = 4
"""Dims up to which positions have a kernel."""


@functools.cache
def count_kernel(type: str) -> CompiledKernel:
    """Numbers of nonzero elements in the stretches of rows of n."""
    b = builder("count", type)
    mask, out = b.buffer("mask", type), b.buffer("out", "i64", True)
    rows, n = b.size("rows"), b.size("n")
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        found = b.var(b.const(0, "i32"))
        with b.loop(count, vector=True) as j:
            found.add(mask[row * n + start + j].cast("b1").cast("i32"), reassoc=True)
        out[item] = found.get().cast("i64")
    return compiled(b.finish())


@functools.cache
def select_kernel(type: str, word: str) -> CompiledKernel:
    """Elements where a mask is not zero; those of a stretch go to its number in `starts`."""
    b = builder("select", type, word)
    mask, source = b.buffer("mask", type), b.buffer("source", word)
    starts, out = b.buffer("starts", "i64"), b.buffer("out", word, True)
    rows, n = b.size("rows"), b.size("n")
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        base, to = row * n + start, starts[item]
        # Written first, counted afterwards: no branch to guess. The last write may be one too many, so not to `out`.
        held, found = b.private(word, WIDTH + 1), b.var(b.const(0, "i64"))
        with b.loop(count) as j:
            held[found.get()] = source[base + j]
            found.add(mask[base + j].cast("b1").cast("i64"))
        with b.loop(found.get(), vector=True) as k:
            out[to + k] = held[k]
    return compiled(b.finish())


@functools.cache
def positions_kernel(type: str, ndim: int) -> CompiledKernel:
    """Positions of nonzero elements, `ndim` numbers each; the last dim is the one of the rows."""
    b = builder("positions", type, str(ndim))
    mask, starts, out = b.buffer("mask", type), b.buffer("starts", "i64"), b.buffer("out", "i64", True)
    rows, n = b.size("rows"), b.size("n")
    sizes = [b.size(f"n{d}") for d in range(1, ndim - 1)]
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        base, to = row * n + start, starts[item]
        held, found = b.private("i32", WIDTH + 1), b.var(b.const(0, "i64"))
        with b.loop(count) as j:
            held[found.get()] = j.cast("i32")
            found.add(mask[base + j].cast("b1").cast("i64"))
        above: list[Value] = []
        rest = row
        for size in reversed(sizes):
            rest, place = parts(rest, size)
            above.insert(0, place)
        above = [rest, *above] if ndim > 1 else []
        with b.loop(found.get(), vector=True) as k:
            first = (to + k) * ndim
            for d, place in enumerate(above):
                out[first + d] = place
            out[first + (ndim - 1)] = held[k].cast("i64") + start
    return compiled(b.finish())


def _counted(mask: Array, type: str, rows: int, n: int) -> tuple[Array, int]:
    """(where each stretch starts in the result, elements of the result)."""
    ends = np.zeros(rows * stretches(n) + 1, np.int64)
    count_kernel(type).run((mask, ends[1:], rows, n), rows * stretches(n), min(n, WIDTH))
    np.add.accumulate(ends, out=ends)
    return ends, int(ends[-1])


def masked_select(input: Array, mask: Array) -> Any:
    """Elements where a mask is true, in row-major order."""
    word, per = word_of(input.dtype)
    if input.shape != mask.shape or per > 1 or not input.size:
        return None
    input, mask = whole(input), whole(mask)
    starts, count = _counted(mask, "b1", 1, mask.size)
    out = memory.empty((count,), input.dtype)
    items, each = stretches(mask.size), min(mask.size, WIDTH) * 4
    select_kernel("b1", word).run((mask, input, starts, out, 1, mask.size), items, each)
    return out


def nonzero(input: Array) -> Any:
    """Positions of nonzero elements, shape (n, ndim), in row-major order."""
    if not 1 <= input.ndim <= MOST_DIMS or input.dtype.kind == "c" or not input.size:
        return None
    input = whole(input)
    type = memory_type(input.dtype)
    rows, n, _ = split(input.shape, input.ndim - 1)
    starts, count = _counted(input, type, rows, n)
    out = memory.empty((count, input.ndim), np.int64)
    args = (input, starts, out, rows, n, *input.shape[1:-1])
    positions_kernel(type, input.ndim).run(args, rows * stretches(n), min(n, WIDTH) * 4)
    return out
