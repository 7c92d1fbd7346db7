# SPDX-License-Identifier: Apache-2.0
"""Running sums, products and extremes. Sums and products of floats are accumulated in float64.

An addition waits for the one before it, so each stretch of a row is summed in four chains, which run side by side from the
totals of those before them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from candelabra.compiler.ir import Value, is_float, value_type

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import Array, builder, number_of, parts, split, stretch, whole

CHAINS = 4
"""Parts of a stretch that are summed side by side."""

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


COLUMNS = 128
"""Rows that lie below one another are scanned as columns, so many a work item."""


@functools.cache
def columns_kernel(how: str, type: str) -> CompiledKernel:
    """Running sums or products down the columns of blocks of n rows."""
    b, wide = builder("columns", how, type), _wide(type)
    source, out = b.buffer("source", type), b.buffer("out", type, True)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    tiles = (inner + (COLUMNS - 1)).idiv(COLUMNS)
    with b.work(blocks * tiles) as item:
        block, tile = parts(item, tiles)
        first, width = stretch(inner, tile, COLUMNS)
        totals = b.private(wide, COLUMNS)
        with b.loop(width, vector=True) as k:
            totals[k] = int(how == "prod")
        with b.loop(n) as j:
            row = (block * n + j) * inner + first
            with b.loop(width, vector=True) as k:
                old, value = totals[k], source[row + k].cast(wide)
                new = old + value if how == "sum" else old * value
                totals[k] = new
                out[row + k] = new.cast(value_type(type))
    return compiled(b.finish())


@functools.cache
def product_kernel(type: str) -> CompiledKernel:
    """Running products of rows of n."""
    b, wide = builder("products", type), _wide(type)
    source, out = b.buffer("source", type), b.buffer("out", type, True)
    rows, n = b.size("rows"), b.size("n")
    with b.work(rows) as row:
        product = b.var(b.const(1, wide))
        with b.loop(n) as j:
            at = row * n + j
            product.set(product.get() * source[at].cast(wide))
            out[at] = product.get().cast(value_type(type))
    return compiled(b.finish())


def _beats(how: str, value: Value, best: Value) -> Value:
    """Whether an element takes the place of an extreme: the latest of equal ones does, and any nan."""
    wins = value >= best if how == "max" else value <= best
    return wins | value.ne(value) if is_float(value.type) else wins


@functools.cache
def extreme_kernel(how: str, type: str) -> CompiledKernel:
    """Running extremes of rows of n, and where they are."""
    b = builder("extremes", how, type)
    source, out, places = b.buffer("source", type), b.buffer("out", type, True), b.buffer("places", "i64", True)
    rows, n = b.size("rows"), b.size("n")
    with b.work(rows) as row:
        # From turn to turn only the extreme itself is waited for, one instruction; that a nan came is kept beside it.
        best, place, lost = b.var(source[row * n]), b.var(b.const(0, "i64")), b.var(b.const(False, "b1"))
        with b.loop(n) as j:
            at, old, was_lost = row * n + j, best.get(), lost.get()
            value = source[at]
            is_nan = value.ne(value) if is_float(value.type) else b.const(False, "b1")
            level = value >= old if how == "max" else value <= old
            place.set(((level & ~was_lost) | is_nan).select(j, place.get()))
            best.set((value > old if how == "max" else value < old).select(value, old))
            lost.set(was_lost | is_nan)
            new = best.get()
            out[at] = lost.get().select(math.nan, new) if is_float(value.type) else new
            places[at] = place.get()
    return compiled(b.finish())


@functools.cache
def extreme_columns_kernel(how: str, type: str) -> CompiledKernel:
    """As `extreme_kernel` down the columns of blocks of n rows."""
    b = builder("extreme_columns", how, type)
    source, out, places = b.buffer("source", type), b.buffer("out", type, True), b.buffer("places", "i64", True)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    tiles = (inner + (COLUMNS - 1)).idiv(COLUMNS)
    with b.work(blocks * tiles) as item:
        block, tile = parts(item, tiles)
        first, width = stretch(inner, tile, COLUMNS)
        best, place = b.private(type, COLUMNS), b.private("i64", COLUMNS)
        with b.loop(width, vector=True) as k:
            best[k] = source[block * n * inner + first + k]
            place[k] = 0
        with b.loop(n) as j:
            row = (block * n + j) * inner + first
            with b.loop(width, vector=True) as k:
                value, old = source[row + k], best[k]
                better = _beats(how, value, old)
                new, where = better.select(value, old), better.select(j, place[k])
                best[k], place[k] = new, where
                out[row + k] = new
                places[row + k] = where
    return compiled(b.finish())


def _columns(rows: int, n: int, inner: int) -> tuple[int, int]:
    """Work items of a kernel of columns, and elements of each."""
    return rows * -(-inner // COLUMNS), n * min(inner, COLUMNS)


def cumsum(input: Array, dim: int) -> Any:
    """Running sums along a dim."""
    type = number_of(input.dtype)
    if type is None or not input.size:
        return None
    input = whole(input)
    rows, n, inner = split(input.shape, dim)
    inner *= type[1]
    out = memory.empty(input.shape, input.dtype)
    if inner > 1:
        columns_kernel("sum", type[0]).run((input, out, rows, n, inner), *_columns(rows, n, inner))
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


def cumprod(input: Array, dim: int) -> Any:
    """Running products along a dim."""
    type = number_of(input.dtype)
    if type is None or type[1] == 2 or not input.size:
        return None
    input = whole(input)
    rows, n, inner = split(input.shape, dim)
    out = memory.empty(input.shape, input.dtype)
    if inner > 1:
        columns_kernel("prod", type[0]).run((input, out, rows, n, inner), *_columns(rows, n, inner))
    else:
        product_kernel(type[0]).run((input, out, rows, n), rows, n * 4)
    return out


def extremes(how: str, input: Array, dim: int) -> Any:
    """Running maxima (`max`) or minima (`min`) along a dim, and their positions."""
    type = number_of(input.dtype)
    if type is None or type[1] == 2 or not input.size:
        return None
    input = whole(input)
    rows, n, inner = split(input.shape, dim)
    out, places = memory.empty(input.shape, input.dtype), memory.empty(input.shape, np.int64)
    if inner > 1:
        made = extreme_columns_kernel(how, type[0])
        made.run((input, out, places, rows, n, inner), *_columns(rows, n, inner))
    else:
        extreme_kernel(how, type[0]).run((input, out, places, rows, n), rows, n * 4)
    return out, places
