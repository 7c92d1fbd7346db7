# SPDX-License-Identifier: Apache-2.0
"""Running sums and products: one work item a line, or, for few long lines, by stretches in three steps: the total of
each stretch, running totals of those, and the stretches again from there."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Builder, Kernel, Target, Value, value_type

from ._kernel import kernel
from .backend import Look
from .places import given

TILE = 64
"""Lines that one work item takes side by side where the target has rows."""

ENOUGH = {True: 16, False: 4096}
"""Lines that keep a target busy, by whether it has rows."""

STRETCH = {True: 1 << 15, False: 128}
"""Elements of a line that one work item takes where there are fewer lines, by whether the target has rows."""

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
        with b.loop(n) as j:
            row = (block * n + j) * inner + first
            with b.loop(width, vector=True) as k:
                (new,) = _step(how, [accs[k]], [source[row + k].cast(wide)])
                accs[k] = new
                out[row + k] = new.cast(value_type(storage))
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
