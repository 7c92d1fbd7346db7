# SPDX-License-Identifier: Apache-2.0
"""Adding and writing at positions, in the order of the positions: work is cut by where it goes, never by what comes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.ir import value_type
from candelabra_xp.indexing import check_range

from .. import memory, threads
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


LONG = 32
"""Elements of a row from which rows are summed by where they go, after a sort."""


@functools.cache
def order_kernel(index: str) -> CompiledKernel:
    """Positions sorted by counting, equal ones in the order they came: which of them go to r are `order[starts[r]]` to
    before `order[starts[r + 1]]`. `starts` is given as zeros, one longer than there are rows; `next` is scratch."""
    b = builder("order", index)
    places = Places(b, index, False)
    starts, following, order = (b.buffer(name, "i64", True) for name in ("starts", "next", "order"))
    n = b.size("n")
    with b.work(1):
        wrongs = Wrong(places)
        with b.loop(n) as j:
            place, wrong = places.at(j)
            wrongs.note(wrong)
            starts[place + 1] = starts[place + 1] + 1
        wrongs.tell()
        with b.loop(places.size) as r:
            before = starts[r]
            following[r] = before
            starts[r + 1] = starts[r + 1] + before
        with b.loop(n) as j:
            place, _ = places.at(j)
            to = following[place]
            order[to] = j
            following[place] = to + 1
    return compiled(b.finish())


@functools.cache
def sums_kernel(type: str, is_based: bool) -> CompiledKernel:
    """Rows of `base`, or zeros, plus the rows of `source` that go to them, in order."""
    b = builder("sums", type, "based" if is_based else "")
    base, source = b.buffer("base", type), b.buffer("source", type)
    starts, order, out = b.buffer("starts", "i64"), b.buffer("order", "i64"), b.buffer("out", type, True)
    blocks, size, n, inner = (b.size(name) for name in ("blocks", "size", "n", "inner"))
    with b.work(blocks * size) as item:
        block, r = parts(item, size)
        to = item * inner
        with b.loop(inner, vector=True) as k:
            out[to + k] = base[to + k] if is_based else b.const(0, value_type(type))
        with b.loop(starts[r + 1], start=starts[r]) as e:
            at = (block * n + order[e]) * inner
            with b.loop(inner, vector=True) as k:
                out[to + k] = out[to + k] + source[at + k]
    return compiled(b.finish())


def row_sums(op: str, base: Array | None, shape: tuple[int, ...], dim: int, index: Array, source: Array) -> Any:
    """`base`, or zeros in `shape`, with rows of `source` added at positions of a dim; None for short rows.

    Raises:
        DimError: a position is out of range.
    """
    type, found = number_of(source.dtype), index_of(index)
    blocks, size, inner = split(shape, dim)
    n = index.size
    if type is None or found is None or inner * type[1] < LONG or not size or not n:
        return None
    if source.size != blocks * n * inner or (base is not None and base.dtype != source.dtype):
        return None
    kind, places = found
    source = np.ascontiguousarray(source)
    is_based, base = base is not None, source if base is None else np.ascontiguousarray(base)
    starts, order, wrong = np.zeros(size + 1, np.int64), np.empty(n, np.int64), flag()
    order_kernel(kind).run((places, wrong, size, starts, np.empty(size, np.int64), order, n), 1)
    if wrong[0]:
        check_range(op, index, size, dim)
    out, inner = memory.empty(shape, source.dtype), inner * type[1]
    args = (base, source, starts, order, out, blocks, size, n, inner)
    sums_kernel(type[0], is_based).run(args, blocks * size, inner * (1 + n // size))
    return out


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
