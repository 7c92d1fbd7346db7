# SPDX-License-Identifier: Apache-2.0
"""Elements in another order: reversed, moved along, cut to triangles. They move as integers of their size."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import WIDTH, Array, builder, parts, split, stretch, stretches, word_of


@functools.cache
def reverse_kernel(word: str) -> CompiledKernel:
    """Rows of n, each in reverse."""
    b = builder("reverse", word)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    rows, n = b.size("rows"), b.size("n")
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        first, last = row * n + start, row * n + (n - 1 - start)
        with b.loop(count, vector=True) as j:
            out[first + j] = source[last - j]
    return compiled(b.finish())


@functools.cache
def reverse_rows_kernel(word: str) -> CompiledKernel:
    """Blocks of n rows of `inner`, the rows in reverse."""
    b = builder("reverse_rows", word)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    with b.work(blocks * n) as item:
        block, j = parts(item, n)
        to, at = item * inner, (block * n + (n - 1 - j)) * inner
        with b.loop(inner, vector=True) as k:
            out[to + k] = source[at + k]
    return compiled(b.finish())


def flip(input: Array, dims: Sequence[int]) -> Any:
    """Elements in reverse along dims that lie side by side."""
    wanted = sorted(d for d in dims if input.shape[d] > 1)
    if not input.flags.c_contiguous or not input.size or not wanted:
        return None
    first, last = wanted[0], wanted[-1]
    if any(input.shape[d] > 1 and d not in wanted for d in range(first, last)):
        return None
    word, per = word_of(input.dtype)
    blocks, n, inner = split(input.shape, first)
    within, size, inner = split(input.shape, last)
    n, inner = within // blocks * size, inner * per
    out = memory.empty(input.shape, input.dtype)
    if inner == 1:
        reverse_kernel(word).run((input, out, blocks, n), blocks * stretches(n), min(n, WIDTH))
    else:
        reverse_rows_kernel(word).run((input, out, blocks, n, inner), blocks * n, inner)
    return out


@functools.cache
def roll_kernel(word: str) -> CompiledKernel:
    """Rows of n, moved by `shift` in [0, n)."""
    b = builder("roll", word)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    rows, n, shift = b.size("rows"), b.size("n"), b.size("shift")
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(rows * pieces) as item:
        row, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        base, stop = row * n, start + count
        turn = (shift < start).select(start, (shift < stop).select(shift, stop))
        with b.loop(turn, start=start, vector=True) as j:
            out[base + j] = source[base + (n - shift) + j]
        with b.loop(stop, start=turn, vector=True) as j:
            out[base + j] = source[base - shift + j]
    return compiled(b.finish())


def roll(input: Array, shift: int, dim: int) -> Any:
    """Elements moved along one dim."""
    if not input.flags.c_contiguous or not input.size:
        return None
    word, per = word_of(input.dtype)
    rows, n, inner = split(input.shape, dim)
    n, shift = n * inner * per, shift % n * inner * per
    out = memory.empty(input.shape, input.dtype)
    roll_kernel(word).run((input, out, rows, n, shift), rows * stretches(n), min(n, WIDTH))
    return out


@functools.cache
def triangle_kernel(word: str, lower: bool) -> CompiledKernel:
    """Matrices of n by m, without what is above (or below) a diagonal; a row a work item, `per` words an element."""
    b = builder("tril" if lower else "triu", word)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    rows, n, m, diagonal, per = (b.size(name) for name in ("rows", "n", "m", "diagonal", "per"))
    with b.work(rows) as row:
        _, i = parts(row, n)
        edge = i + (diagonal + 1 if lower else diagonal)
        edge = (edge < 0).select(0, (edge < m).select(edge, m)) * per
        base, width = row * m * per, m * per
        zero = b.const(0, "i64")
        kept, dropped = ((zero, edge), (edge, width)) if lower else ((edge, width), (zero, edge))
        with b.loop(kept[1], start=kept[0], vector=True) as j:
            out[base + j] = source[base + j]
        with b.loop(dropped[1], start=dropped[0], vector=True) as j:
            out[base + j] = 0
    return compiled(b.finish())


def triangle(input: Array, diagonal: int, lower: bool) -> Any:
    """Matrices without their elements above (or below) a diagonal."""
    if not input.flags.c_contiguous or not input.size:
        return None
    word, per = word_of(input.dtype)
    rows, n, m = split(input.shape, input.ndim - 2)
    diagonal = max(-n, min(m, diagonal))
    out = memory.empty(input.shape, input.dtype)
    triangle_kernel(word, lower).run((input, out, rows * n, n, m, diagonal, per), rows * n, m)
    return out
