# SPDX-License-Identifier: Apache-2.0
"""Tensors side by side, turned about, cut off, and written over where ints and slices select: copies of views."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from candelabra._shape import contiguous_strides
from candelabra.compiler import ir
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from ._kernel import kernel
from .creation import filled, single
from .look import Look
from .moving import copy_into
from .places import WIDTH as TURNS
from .places import WORDS, Line, Loops, given, reshaped, seen, word_of

FAR = 1 << 60
"""Further than any diagonal."""

# -- copies --------------------------------------------------------------------------------------------------------------


@kernel
def clone(backend: Any, input: Look) -> Look:
    return backend.copy(input)


def narrowed(look: Look, dim: int, start: int, length: int) -> Look:
    """A stretch of a dim."""
    shape = (*look.shape[:dim], length, *look.shape[dim + 1 :])
    return seen(look, shape, look.steps, start * look.steps[dim])


@kernel
def cat(backend: Any, tensors: Sequence[Look], dim: int) -> Look:
    parts = [x for x in tensors if x.shape != (0,)] or list(tensors[:1])
    shape = list(parts[0].shape)
    shape[dim] = sum(x.shape[dim] for x in parts)
    out: Look = backend.fresh(tuple(shape), parts[0].dtype, parts[0].index)
    start = 0
    for x in parts:
        copy_into(backend, narrowed(out, dim, start, x.shape[dim]), x)
        start += x.shape[dim]
    return out


@kernel
def stack(backend: Any, tensors: Sequence[Look], dim: int) -> Look:
    return cat(
        backend,
        [seen(x, (*x.shape[:dim], 1, *x.shape[dim:]), (*x.steps[:dim], 0, *x.steps[dim:])) for x in tensors],
        dim,
    )


@kernel
def roll(backend: Any, input: Look, shifts: Any, dims: Any) -> Look:
    if dims is None:
        line = roll(backend, reshaped(backend, input, (input.size,)), shifts, (0,))
        return seen(line, input.shape, contiguous_strides(input.shape))
    out: Look = backend.fresh(input.shape, input.dtype, input.index)
    if not out.size:
        return out
    by: dict[int, int] = {}
    for dim, shift in zip(dims, shifts, strict=True):
        by[dim] = (by.get(dim, 0) + shift) % input.shape[dim]
    return _rolled(backend, input, out, [(dim, shift) for dim, shift in by.items() if shift])


def _rolled(backend: Any, source: Look, out: Look, shifts: Sequence[tuple[int, int]]) -> Look:
    """Copies every block of the source, cut where its dims wrap around, to its place."""
    for wraps in itertools.product((False, True), repeat=len(shifts)):
        piece, place = source, out
        for (dim, shift), wrapped in zip(shifts, wraps, strict=True):
            kept = source.shape[dim] - shift
            piece = narrowed(piece, dim, kept if wrapped else 0, shift if wrapped else kept)
            place = narrowed(place, dim, 0 if wrapped else shift, shift if wrapped else kept)
        copy_into(backend, place, piece)
    return out


@kernel
def flip(backend: Any, input: Look, dims: Sequence[int]) -> Look:
    steps = [-s if d in dims else s for d, s in enumerate(input.steps)]
    first = sum((input.shape[d] - 1) * input.steps[d] for d in dims)
    return backend.copy(seen(input, input.shape, steps, first) if input.size else input)


# -- triangles -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def triangle_kernel(word: str, target: Target) -> Kernel:
    """Elements of matrices with `low <= column - row <= high`, zeros elsewhere; two words are an element if `pairs`."""
    b = Builder(f"triangle_{word}", target)
    source, out = b.buffer("source", word), b.buffer("out", word, True)
    rows, pairs, low, high = b.size("rows"), b.size("pairs"), b.size("low"), b.size("high")
    loops = Loops(b, 2, (1, 1, 1, 0))  # the last two count columns and rows
    with loops.work() as line:
        row = line.bases[3] - line.bases[3].idiv(rows) * rows
        if target.rows:
            _by_runs(b, line, source, out, (row + low) << pairs, (row + (high + 1)) << pairs)
        else:
            at, to, column, _ = line.bases
            apart = (column >> pairs) - row
            out[to] = ((apart >= low) & (apart <= high)).select(source[at], 0)
    return b.finish()


def _by_runs(b: Builder, line: Line, source: Buffer, out: Buffer, first: Value, end: Value) -> None:
    """One line: zeros, the elements from one column to before another, and zeros again."""
    at, to, column, _ = line.bases
    left, zero = line.loops.sizes[-1] - line.start, b.const(0, "i64")
    width = ir.minimum(left, line.loops.width)
    first = ir.minimum(ir.maximum(first - column, zero), width)
    end = ir.minimum(ir.maximum(end - column, first), width)
    for start, stop, kept in ((zero, first, False), (first, end, True), (end, width, False)):
        with b.loop(stop, start, vector=True) as j:
            out[to + j] = source[at + j] if kept else 0


def _triangle(backend: Any, input: Look, low: int, high: int) -> Look:
    out: Look = backend.fresh(input.shape, input.dtype, input.index)
    if not out.size:
        return out
    source = backend.contiguous(input)
    word, parts = word_of(input.dtype)
    rows, words = input.shape[-2], input.shape[-1] * parts
    lines = source.size * parts // words
    count = lines * -(-words // TURNS) if backend.target.rows else lines * words
    args = [given(source, parts), given(out, parts), rows, parts - 1, low, high]
    sizes = [lines, words, words, words, 0, 1, TURNS]
    beside = (triangle_kernel(w, backend.target) for w in WORDS.values())
    backend.launch(triangle_kernel(word, backend.target), count, [*args, *sizes], out.index, beside)
    return out


@kernel
def tril(backend: Any, input: Look, diagonal: int) -> Look:
    return _triangle(backend, input, -FAR, diagonal)


@kernel
def triu(backend: Any, input: Look, diagonal: int) -> Look:
    return _triangle(backend, input, diagonal, FAR)


# -- where ints and slices select ----------------------------------------------------------------------------------------


@kernel
def unindex(backend: Any, input: Look, size: Any, key: Any) -> Look:
    out = filled(backend, tuple(size), 0, input.dtype, input.index)
    copy_into(backend, backend.basic_index(out, key), input)
    return out


@kernel
def basic_index_put(backend: Any, input: Look, values: Any, key: Any) -> Look:
    out: Look = backend.copy(input)
    _write(backend, out, values, key)
    return out


def _write(backend: Any, target: Look, values: Any, key: Any) -> None:
    copy_into(backend, backend.basic_index(target, key), single(backend, values, target))


basic_index_put.into = _write  # type: ignore[attr-defined]
