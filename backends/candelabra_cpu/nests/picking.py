# SPDX-License-Identifier: Apache-2.0
"""Reading at positions: of rows, and of single elements."""

from __future__ import annotations

import functools
from typing import Any

from candelabra_xp.indexing import check_range

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import (
    WIDTH,
    Array,
    Places,
    Wrong,
    builder,
    flag,
    index_of,
    parts,
    split,
    stretch,
    stretches,
    whole,
    word_of,
)


@functools.cache
def rows_kernel(word: str, index: str, negative: bool) -> CompiledKernel:
    """Rows of `inner` elements at n positions, of each of several blocks of `size` rows."""
    b = builder("rows", word, index, "wrapped" if negative else "")
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    places = Places(b, index, negative)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    with b.work(blocks * n) as item:
        block, j = parts(item, n)
        place, wrong = places.at(j)
        with b.when(wrong):
            places.flag[0] = 1
        start = (block * places.size + place) * inner
        with b.loop(inner, vector=True) as k:
            out[item * inner + k] = source[start + k]
    return compiled(b.finish())


@functools.cache
def elements_kernel(word: str, index: str, negative: bool) -> CompiledKernel:
    """Elements at n positions of each of several lines of `size`; positions of the next line are `further` on."""
    b = builder("elements", word, index, "wrapped" if negative else "")
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    places = Places(b, index, negative)
    lines, n, further = b.size("lines"), b.size("n"), b.size("further")
    pieces = (n + (WIDTH - 1)).idiv(WIDTH)
    with b.work(lines * pieces) as item:
        line, piece = parts(item, pieces)
        start, count = stretch(n, piece)
        wrongs = Wrong(places)
        base, to, at = line * places.size, line * n + start, line * further + start
        with b.loop(count) as j:  # single loads are as fast as the processor's gather
            place, wrong = places.at(at + j)
            wrongs.note(wrong)
            out[to + j] = source[base + place]
        wrongs.tell()
    return compiled(b.finish())


@functools.cache
def beside_kernel(word: str, index: str) -> CompiledKernel:
    """As `elements_kernel` with positions of their own for each of `inner` lines side by side."""
    b = builder("beside", word, index)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    places = Places(b, index, False)
    blocks, n, inner = b.size("blocks"), b.size("n"), b.size("inner")
    with b.work(blocks * n) as item:
        block = item.idiv(n)
        base, at = block * places.size * inner, item * inner
        wrongs = Wrong(places)
        with b.loop(inner, vector=True) as k:
            place, wrong = places.at(at + k)
            wrongs.note(wrong)
            out[at + k] = source[base + place * inner + k]
        wrongs.tell()
    return compiled(b.finish())


def rows(op: str, input: Array, dim: int, index: Array, shape: tuple[int, ...], negative: bool = False) -> Any:
    """`input` read along a dim at the positions of `index`, in `shape`.

    Raises:
        DimError: a position is out of range.
    """
    found = index_of(index)
    if found is None or not input.flags.c_contiguous or not input.size:
        return None
    kind, places = found
    word, per = word_of(input.dtype)
    blocks, size, inner = split(input.shape, dim)
    inner *= per
    out, wrong, n = memory.empty(shape, input.dtype), flag(), places.size
    if inner == 1:
        kernel, items, each = elements_kernel(word, kind, negative), blocks * stretches(n), min(n, WIDTH)
        kernel.run((input, out, places, wrong, size, blocks, n, 0), items, each)
    else:
        rows_kernel(word, kind, negative).run((input, out, places, wrong, size, blocks, n, inner), blocks * n, inner)
    if wrong[0]:
        check_range(op, index, size, dim, negative)
    return out


def gather(input: Array, dim: int, index: Array) -> Any:
    """Elements along a dim; only for an index of the input's sizes in the other dims.

    Raises:
        DimError: a position is out of range.
    """
    found, shape = index_of(index), input.shape
    word, per = word_of(input.dtype)
    if found is None or per == 2 or not input.size or not _alike(shape, index.shape, dim):
        return None
    if not input.flags.c_contiguous and index.size * 4 < input.size:  # a copy of all would cost more than it saves
        return None
    kind, places = found
    input = whole(input)
    blocks, size, inner = split(shape, dim)
    n = index.shape[dim]
    out, wrong = memory.empty(index.shape, input.dtype), flag()
    if inner == 1:
        kernel, items, each = elements_kernel(word, kind, False), blocks * stretches(n), min(n, WIDTH)
        kernel.run((input, out, places, wrong, size, blocks, n, n), items, each)
    else:
        beside_kernel(word, kind).run((input, out, places, wrong, size, blocks, n, inner), blocks * n, inner)
    if wrong[0]:
        check_range("gather", index, size, dim)
    return out


def _alike(shape: tuple[int, ...], other: tuple[int, ...], dim: int) -> bool:
    return len(shape) == len(other) and shape[:dim] == other[:dim] and shape[dim + 1 :] == other[dim + 1 :]
