# SPDX-License-Identifier: Apache-2.0
"""Adding and writing at positions, in the order of the positions: work is cut by where it goes, never by what comes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra_xp.indexing import check_range

from .. import threads
from ..compile import CompiledKernel, compiled
from .common import Array, Places, Wrong, builder, flag, index_of, number_of, parts, split, word_of

TILE = 64
"""Least columns of rows that one work item adds."""


@functools.cache
def rows_kernel(how: str, type: str, index: str) -> CompiledKernel:
    """n rows of `source` to their places, `tile` columns of each a work item."""
    b = builder("put_rows", how, type, index)
    out, source = b.buffer("out", type, True), b.buffer("source", type)
    places = Places(b, index, False)
    blocks, n, inner, tile = b.size("blocks"), b.size("n"), b.size("inner"), b.size("tile")
    tiles = (inner + tile - 1).idiv(tile)
    with b.work(blocks * tiles) as item:
        block, number = parts(item, tiles)
        first = number * tile
        left = inner - first
        width = (left < tile).select(left, tile)
        wrongs = Wrong(places)
        with b.loop(n) as j:
            place, wrong = places.at(j)
            wrongs.note(wrong)
            to, at = (block * places.size + place) * inner + first, (block * n + j) * inner + first
            with b.when(~wrong), b.loop(width, vector=True) as k:
                value = source[at + k]
                out[to + k] = value if how == "set" else out[to + k] + value
        wrongs.tell()
    return compiled(b.finish())


@functools.cache
def elements_kernel(how: str, type: str, index: str) -> CompiledKernel:
    """n elements of each of several lines of `source` to their places in lines of `size`."""
    b = builder("put_elements", how, type, index)
    out, source = b.buffer("out", type, True), b.buffer("source", type)
    places = Places(b, index, False)
    lines, n = b.size("lines"), b.size("n")
    with b.work(lines) as line:
        base, at = line * places.size, line * n
        wrongs = Wrong(places)
        with b.loop(n) as j:
            place, wrong = places.at(at + j)
            with b.when(wrong) as otherwise:
                wrongs.note(wrong)
            with otherwise():
                value = source[at + j]
                out[base + place] = value if how == "set" else out[base + place] + value
        wrongs.tell()
    return compiled(b.finish())


@functools.cache
def beside_kernel(how: str, type: str, index: str) -> CompiledKernel:
    """As `elements_kernel` for lines side by side, `tile` of them a work item."""
    b = builder("put_beside", how, type, index)
    out, source = b.buffer("out", type, True), b.buffer("source", type)
    places = Places(b, index, False)
    blocks, n, inner, tile = b.size("blocks"), b.size("n"), b.size("inner"), b.size("tile")
    tiles = (inner + tile - 1).idiv(tile)
    with b.work(blocks * tiles) as item:
        block, number = parts(item, tiles)
        first = number * tile
        left = inner - first
        width = (left < tile).select(left, tile)
        wrongs = Wrong(places)
        with b.loop(n) as j:
            row = (block * n + j) * inner + first
            with b.loop(width) as k:
                place, wrong = places.at(row + k)
                with b.when(wrong) as otherwise:
                    wrongs.note(wrong)
                with otherwise():
                    to, value = (block * places.size + place) * inner + first + k, source[row + k]
                    out[to] = value if how == "set" else out[to] + value
        wrongs.tell()
    return compiled(b.finish())


def _tile(blocks: int, inner: int) -> int:
    """Columns a work item takes: as many as leave one for each thread, since long pieces of rows move faster."""
    wanted = -(-threads.count() // blocks)
    return min(inner, max(TILE, -(-inner // wanted // 16) * 16))


def rows(op: str, how: str, target: Array, dim: int, index: Array, source: Array) -> bool:
    """Puts rows of `source` to positions of a dim of `target`; False where there is no way for these arrays.

    Raises:
        DimError: a position is out of range; `target` is of no use then.
    """
    type = word_of(target.dtype) if how == "set" else number_of(target.dtype)
    found = index_of(index)
    if type is None or found is None or not target.flags.c_contiguous or not target.size or not source.size:
        return False
    if source.dtype != target.dtype:
        return False
    kind, places = found
    source = np.ascontiguousarray(source)
    blocks, size, inner = split(target.shape, dim)
    inner *= type[1]
    n, wrong = places.size, flag()
    if source.size * type[1] != blocks * n * inner:
        return False
    tile = _tile(blocks, inner)
    args = (target, source, places, wrong, size, blocks, n, inner, tile)
    rows_kernel(how, type[0], kind).run(args, blocks * -(-inner // tile), n * tile)
    if wrong[0]:
        check_range(op, index, size, dim)
    return True


def elements(op: str, how: str, target: Array, dim: int, index: Array, source: Any) -> bool:
    """Puts elements of `source` to positions along a dim; False where there is no way for these arrays.

    Raises:
        DimError: a position is out of range; `target` is of no use then.
    """
    if getattr(source, "shape", None) != index.shape or source.dtype != target.dtype or index.ndim != target.ndim:
        return False
    type = word_of(target.dtype) if how == "set" else number_of(target.dtype)
    found = index_of(index)
    if type is None or type[1] == 2 or found is None or not target.size or not index.size or not index.ndim:
        return False
    if not target.flags.c_contiguous:
        return False
    source = np.ascontiguousarray(source)
    blocks, size, inner = split(target.shape, dim)
    if (blocks, inner) != split(index.shape, dim)[::2] or index.shape[:dim] != target.shape[:dim]:
        return False
    kind, places = found
    n, wrong = index.shape[dim], flag()
    if inner == 1:
        elements_kernel(how, type[0], kind).run((target, source, places, wrong, size, blocks, n), blocks, n * 4)
    else:
        tile = _tile(blocks, inner)
        args = (target, source, places, wrong, size, blocks, n, inner, tile)
        beside_kernel(how, type[0], kind).run(args, blocks * -(-inner // tile), n * tile * 4)
    if wrong[0]:
        check_range(op, index, size, dim)
    return True
