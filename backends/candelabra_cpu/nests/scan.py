# SPDX-License-Identifier: Apache-2.0
"""Running sums along rows, accumulated in float64 for floats. An addition waits for the one before it, so each stretch is
cut in four chains, which run side by side from the totals of those before them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.ir import Value, is_float, value_type

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import Array, builder, number_of, parts, split, stretch

CHAINS = 4

STRETCH = 16384
"""Elements of a row that one work item takes: they stay in the second-level cache from totals to sums."""


def _wide(type: str) -> str:
    return "f64" if is_float(type) else type


@functools.cache
def total_kernel(type: str) -> CompiledKernel:
    """Sums of the stretches of rows of n."""
    b, wide = builder("totals", type), _wide(type)
    source, out = b.buffer("source", type), b.buffer("out", wide, True)
    rows, n = b.size("rows"), b.size("n")
    pieces = (n + (STRETCH - 1)).idiv(STRETCH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece, STRETCH)
        total = b.var(b.const(0, wide))
        with b.loop(count, vector=True) as j:
            total.add(source[row * n + start + j].cast(wide), reassoc=True)
        out[item] = total.get()
    return compiled(b.finish())


@functools.cache
def run_kernel(type: str) -> CompiledKernel:
    """Running sums of the stretches of rows of n, each from its number in `carries`."""
    b, wide = builder("running", type), _wide(type)
    source, carries, out = b.buffer("source", type), b.buffer("carries", wide), b.buffer("out", type, True)
    rows, n = b.size("rows"), b.size("n")
    pieces = (n + (STRETCH - 1)).idiv(STRETCH)

    def store(at: Value, value: Value) -> None:
        out[at] = value.cast(value_type(type))

    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece, STRETCH)
        base, length = row * n + start, count.idiv(CHAINS)
        sums = [b.var(carries[item])]
        for chain in range(1, CHAINS):
            total = b.var(b.const(0, wide))
            first = base + length * (chain - 1)
            with b.loop(length, vector=True) as j:
                total.add(source[first + j].cast(wide), reassoc=True)
            sums.append(b.var(sums[-1].get() + total.get()))
        with b.loop(length) as j:
            for chain, running in enumerate(sums):
                at = base + (length * chain + j)
                running.set(running.get() + source[at].cast(wide))
                store(at, running.get())
        with b.loop(count, start=length * CHAINS) as j:
            sums[-1].set(sums[-1].get() + source[base + j].cast(wide))
            store(base + j, sums[-1].get())
    return compiled(b.finish())


@functools.cache
def columns_kernel(type: str) -> CompiledKernel:
    """Running sums of rows that lie below one another, `COLUMNS` of them a work item."""
    b, wide = builder("columns", type), _wide(type)
    source, out = b.buffer("source", type), b.buffer("out", type, True)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    tiles = (inner + (COLUMNS - 1)).idiv(COLUMNS)
    with b.work(blocks * tiles) as item:
        block, tile = parts(item, tiles)
        first, width = stretch(inner, tile, COLUMNS)
        sums = b.private(wide, COLUMNS)
        with b.loop(width, vector=True) as k:
            sums[k] = 0
        with b.loop(n) as j:
            row = (block * n + j) * inner + first
            with b.loop(width, vector=True) as k:
                new = sums[k] + source[row + k].cast(wide)
                sums[k] = new
                out[row + k] = new.cast(value_type(type))
    return compiled(b.finish())


COLUMNS = 128


def cumsum(input: Array, dim: int) -> Any:
    """Running sums along a dim."""
    type = number_of(input.dtype)
    if type is None or not input.flags.c_contiguous or not input.size:
        return None
    rows, n, inner = split(input.shape, dim)
    inner *= type[1]
    out = memory.empty(input.shape, input.dtype)
    if inner > 1:
        items = rows * -(-inner // COLUMNS)
        columns_kernel(type[0]).run((input, out, rows, n, inner), items, n * min(inner, COLUMNS))
        return out
    pieces, width = -(-n // STRETCH), min(n, STRETCH)
    wide = np.float64 if input.dtype.kind == "f" else input.dtype
    carries = np.zeros((rows, pieces), wide)
    if pieces > 1:
        totals = np.empty((rows, pieces), wide)
        total_kernel(type[0]).run((input, totals, rows, n), rows * pieces, width)
        np.add.accumulate(totals[:, :-1], 1, out=carries[:, 1:])
    run_kernel(type[0]).run((input, carries, out, rows, n), rows * pieces, width * 4)
    return out
