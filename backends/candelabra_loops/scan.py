# SPDX-License-Identifier: Apache-2.0
"""Running sums and products: one work item a line, or, for few long lines, by stretches in three steps: the total of
each stretch, running totals of those, and the stretches again from there.

Where there are vectors, sums of neighbours go by blocks: the sums of each eight elements that end somewhere, by three
additions of the block to itself further along, then running sums of every eighth of those, eight side by side.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Builder, Kernel, Target, Value, is_float, value_type

from ._kernel import kernel
from .look import Look
from .places import given

TILE = 128
"""Lines that one work item takes side by side where the target has rows."""

ROWS = 4
"""Elements of each of these lines that are asked for at a time: memory answers as slowly for one."""

ENOUGH = {True: 16, False: 4096}
"""Lines that keep a target busy, by whether it has rows."""

STRETCH = {True: 1 << 15, False: 128}
"""Elements of a line that one work item takes where there are fewer lines, by whether the target has rows."""

BLOCK = 512
"""Neighbours that are summed as one, where there are vectors: what is kept of them stays in the first-level cache."""

LANES = 8
"""Running sums side by side in a block."""

NUMPY = {"f64": np.float64, "f32": np.float32, "i64": np.int64}


def wide_type(storage: str, target: Target) -> str:
    """Type to accumulate in: float64 for floats where the target has it."""
    type = value_type(storage)
    return "f64" if type == "f32" and target.doubles else type


def _step(how: str, accs: list[Value], given: list[Value]) -> list[Value]:
    if how == "sum":
        return [a + g for a, g in zip(accs, given, strict=True)]
    if len(accs) == 1:
        return [accs[0] * given[0]]
    (a, b), (c, d) = accs, given
    return [a * c - b * d, a * d + b * c]


def _start(b: Builder, how: str, type: str, parts: int) -> list[Value]:
    return [b.const(int(how == "prod" and part == 0), type) for part in range(parts)]


@functools.lru_cache(maxsize=64)
def total_kernel(how: str, storage: str, parts: int, target: Target) -> Kernel:
    """Totals of stretches of lines, which lie `inner` elements apart: of stretch c of line l at c * lines + l."""
    b, wide = Builder(f"total_{how}_{storage}_{parts}", target), wide_type(storage, target)
    source, out = b.buffer("source", storage), b.buffer("out", wide, True)
    lines, n, inner, width = b.size("lines"), b.size("n"), b.size("inner"), b.size("width")
    with b.work(lines * (n + (width - 1)).idiv(width)) as item:
        base, start, count = _stretch(item, lines, n, inner, width)
        accs = [b.var(v, "acc") for v in _start(b, how, wide, parts)]
        with b.loop(count) as j:
            at = (base + (start + j) * inner) * parts
            values = [source[at + p].cast(wide) for p in range(parts)]
            for acc, value in zip(accs, _step(how, [a.get() for a in accs], values), strict=True):
                acc.set(value)
        for p, acc in enumerate(accs):
            out[item * parts + p] = acc.get()
    return b.finish()


def _stretch(item: Value, lines: Value, n: Value, inner: Value, width: Value) -> tuple[Value, Value, Value]:
    """(first element of the line, where in it the stretch starts, its length)"""
    c = item.idiv(lines)
    line = item - c * lines
    outer = line.idiv(inner)
    start = c * width
    left = n - start
    return outer * (n - 1) * inner + line, start, (left < width).select(left, width)


@functools.lru_cache(maxsize=64)
def run_kernel(how: str, storage: str, parts: int, target: Target) -> Kernel:
    """Running results along stretches, each from its entry of `carries` if `carried`; without its own element each if
    `before`."""
    b, wide = Builder(f"run_{how}_{storage}_{parts}", target), wide_type(storage, target)
    source, carries, out = b.buffer("source", storage), b.buffer("carries", wide), b.buffer("out", storage, True)
    lines, n, inner, width = b.size("lines"), b.size("n"), b.size("inner"), b.size("width")
    carried, before = b.size("carried"), b.size("before")
    with b.work(lines * (n + (width - 1)).idiv(width)) as item:
        base, start, count = _stretch(item, lines, n, inner, width)
        accs = [b.var(v, "acc") for v in _start(b, how, wide, parts)]
        with b.when(carried.ne(0)):
            for p, acc in enumerate(accs):
                acc.set(carries[item * parts + p])
        with b.loop(count) as j:
            at = (base + (start + j) * inner) * parts
            old = [a.get() for a in accs]
            new = _step(how, old, [source[at + p].cast(wide) for p in range(parts)])
            for p, acc in enumerate(accs):
                acc.set(new[p])
                out[at + p] = before.ne(0).select(old[p], new[p]).cast(value_type(storage))
    return b.finish()


@functools.lru_cache(maxsize=16)
def line_total_kernel(storage: str, target: Target) -> Kernel:
    """As `total_kernel` for sums of floats along lines of neighbours."""
    b, wide = Builder(f"line_total_{storage}", target), wide_type(storage, target)
    source, out = b.buffer("source", storage), b.buffer("out", wide, True)
    lines, n, width = b.size("lines"), b.size("n"), b.size("width")
    with b.work(lines * (n + (width - 1)).idiv(width)) as item:
        base, start, count = _stretch(item, lines, n, b.const(1, "i64"), width)
        first, total = base + start, b.var(b.const(0, wide), "total")
        with b.loop(count, vector=True) as j:
            total.add(source[first + j].cast(wide), reassoc=True)
        out[item] = total.get()
    return b.finish()


@functools.lru_cache(maxsize=16)
def line_kernel(storage: str, target: Target) -> Kernel:
    """As `run_kernel` for sums of floats along lines of neighbours, by blocks."""
    b, wide = Builder(f"line_sum_{storage}", target), wide_type(storage, target)
    source, carries, out = b.buffer("source", storage), b.buffer("carries", wide), b.buffer("out", storage, True)
    lines, n, width, carried = b.size("lines"), b.size("n"), b.size("width"), b.size("carried")
    with b.work(lines * (n + (width - 1)).idiv(width)) as item:
        base, start, count = _stretch(item, lines, n, b.const(1, "i64"), width)
        carry = b.var(b.const(0, wide), "carry")
        with b.when(carried.ne(0)):
            carry.set(carries[item])
        # Zeros stand before each block, as elements that are summed with its first ones.
        one, other = (b.private(wide, LANES + BLOCK, "block") for _ in range(2))
        with b.loop(LANES, vector=True) as k:
            one[k] = 0
            other[k] = 0
        with b.loop(count, step=BLOCK) as block:
            first, length = base + start + block, ir.minimum(count - block, b.const(BLOCK, "i64"))
            whole = (length + (LANES - 1)).idiv(LANES) * LANES
            with b.loop(length, vector=True) as k:
                one[k + LANES] = source[first + k].cast(wide)
            with b.loop(whole, start=length) as k:
                one[k + LANES] = 0
            for shift in (1, 2, 4):
                with b.loop(whole, vector=True) as k:
                    other[k + LANES] = one[k + LANES] + one[k + (LANES - shift)]
                one, other = other, one
            sums = b.var(ir.splat(carry.get(), LANES), "sums")
            with b.loop(whole, step=LANES) as k:
                sums.set(sums.get() + one.vector(k + LANES, LANES))
                other[k + LANES] = sums.get()
            with b.loop(length, vector=True) as k:
                out[first + k] = other[k + LANES].cast(value_type(storage))
            carry.set(other[length + (LANES - 1)])
            one, other = other, one
    return b.finish()


@functools.lru_cache(maxsize=64)
def columns_kernel(how: str, storage: str, target: Target) -> Kernel:
    """Running results along lines that lie side by side, `TILE` of them in a work item."""
    b, wide = Builder(f"columns_{how}_{storage}", target), wide_type(storage, target)
    source, out = b.buffer("source", storage), b.buffer("out", storage, True)
    outer, n, inner = b.size("outer"), b.size("n"), b.size("inner")
    tiles = (inner + (TILE - 1)).idiv(TILE)
    with b.work(outer * tiles) as item:
        block = item.idiv(tiles)
        first = (item - block * tiles) * TILE
        left = inner - first
        width = (left < TILE).select(left, TILE)
        accs = b.private(wide, TILE, "acc")
        with b.loop(width, vector=True) as k:
            accs[k] = b.const(int(how == "prod"), wide)
        whole = n - n.irem(ROWS)
        for start, stop, rows in ((b.const(0, "i64"), whole, ROWS), (whole, n, 1)):
            with b.loop(stop, start, step=rows) as j:
                lines = [(block * n + (j + row)) * inner + first for row in range(rows)]
                with b.loop(width, vector=True) as k:
                    found, values = [accs[k]], [source[line + k].cast(wide) for line in lines]
                    for value in values:
                        found += _step(how, found[-1:], [value])
                    accs[k] = found[-1]
                    for line, value in zip(lines, found[1:], strict=True):
                        out[line + k] = value.cast(value_type(storage))
    return b.finish()


def running(backend: Any, how: str, input: Look, dim: int, before: bool = False) -> Look:
    """Running sums or products along a dim; of the elements before each if `before`."""
    source, target = backend.contiguous(input), backend.target
    out: Look = backend.fresh(input.shape, input.dtype, input.index)
    if not out.size:
        return out
    storage = memory_type(input.dtype)
    parts = 2 if input.dtype.kind == "c" else 1
    shape = input.shape or (1,)
    outer, n, inner = math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])
    scale = parts
    if parts == 2 and how == "sum":
        inner, parts = inner * 2, 1
    scale //= parts
    lines = outer * inner
    buffers = [given(source, scale * parts), given(out, scale * parts)]
    one = "sum", "i64", 1, target
    beside = [f(*one) for f in (total_kernel, run_kernel)] + [run_kernel(how, storage, parts, target)]
    if target.rows and inner > 1 and parts == 1 and not before:
        made = columns_kernel(how, storage, target)
        backend.launch(made, outer * -(-inner // TILE), [*buffers, outer, n, inner], out.index, beside)
        return out
    if inner == 1 and parts == 1 and how == "sum" and target.vectors and not before and is_float(storage):
        return _by_lines(backend, source, out, lines, n)
    width = n if lines >= ENOUGH[target.rows] else STRETCH[target.rows]
    count = -(-n // width)
    carries = out  # not looked at where there is one stretch a line
    if count > 1:
        wide = wide_type(storage, target)
        beside += [total_kernel(how, storage, parts, target), run_kernel(how, wide, parts, target)]
        pair = np.dtype(NUMPY.get(wide, input.dtype))
        totals: Look = backend.fresh((count, lines * parts), pair, out.index)
        args = [buffers[0], given(totals), lines, n, inner, width]
        backend.launch(total_kernel(how, storage, parts, target), lines * count, args, out.index, beside)
        carries = _carried(backend, how, totals, count, lines, parts)
    args = [buffers[0], given(carries), buffers[1], lines, n, inner, width, int(count > 1), int(before)]
    backend.launch(run_kernel(how, storage, parts, target), lines * count, args, out.index, beside)
    return out


def _by_lines(backend: Any, source: Look, out: Look, lines: int, n: int) -> Look:
    """Running sums of floats along lines of neighbours."""
    target, storage = backend.target, memory_type(source.dtype)
    width = n if lines >= ENOUGH[True] else STRETCH[True]
    count, made = -(-n // width), line_kernel(storage, target)
    carries = given(out)  # not looked at where there is one stretch a line
    if count > 1:
        wide = np.dtype(NUMPY[wide_type(storage, target)])
        totals: Look = backend.fresh((count, lines), wide, out.index)
        args = [given(source), given(totals), lines, n, width]
        backend.launch(line_total_kernel(storage, target), lines * count, args, out.index, [made])
        carries = given(_carried(backend, "sum", totals, count, lines, 1))
    args = [given(source), carries, given(out), lines, n, width, int(count > 1)]
    backend.launch(made, lines * count, args, out.index)
    return out


def _carried(backend: Any, how: str, totals: Look, count: int, lines: int, parts: int) -> Look:
    """What comes before each stretch: running results of the totals along the stretches."""
    if parts == 1:
        return running(backend, how, totals, 0, before=True)
    storage, out = memory_type(totals.dtype), backend.fresh(totals.shape, totals.dtype, totals.index)
    made = run_kernel(how, storage, parts, backend.target)
    args = [given(totals), given(totals), given(out), lines, count, lines, count, 0, 1]
    backend.launch(made, lines, args, totals.index)
    return out


@kernel
def cumsum(backend: Any, input: Look, dim: int) -> Look:
    return running(backend, "sum", input, dim)


@kernel
def cumprod(backend: Any, input: Look, dim: int) -> Look:
    return running(backend, "prod", input, dim)
