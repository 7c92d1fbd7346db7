# SPDX-License-Identifier: Apache-2.0
"""Stable sorts of lines: networks over short blocks, then merges of sorted runs, each work item a stretch of the result.
Long lines are sorted by radix (`order.py`) where work items are rows.

Elements become unsigned keys in their order; with its position after it, no two keys are equal, so that the order is
stable whatever sorts them. Keys of up to 32 bits share 64 with the position (`packed`); longer ones have it beside them.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from ._kernel import kernel
from .creation import filled
from .elements import ceil_div, places_of, value_of
from .joining import narrowed
from .look import Look
from .moving import WORDS
from .order import ordered
from .places import given

BLOCK = 16
"""Elements that a network sorts."""

STRETCH = {True: 512, False: 32}
"""Elements that a work item merges at most, by whether the target has rows."""

LONG = 1024
"""Elements of a line from which a radix sort is faster where the target has rows."""

LAST = (1 << 64) - 1
"""The key after all others."""

LAST_PLACE = (1 << 32) - 1


def is_packed(dtype: np.dtype[Any]) -> bool:
    """Whether key and position fit 64 bits."""
    return ir.bits(value_of(dtype)) <= 32


# -- keys ----------------------------------------------------------------------------------------------------------------


def key_of(value: Value) -> Value:
    """An unsigned number in the order of the elements, of 32 or 64 bits; all nan are the largest."""
    type = value.type
    width = 64 if ir.bits(type) == 64 else 32
    unsigned, top = f"u{width}", 1 << (width - 1)
    if not ir.is_float(type):
        if type == "b1" or type[0] == "u":
            return value.cast(unsigned)
        return value.cast(f"i{width}").bitcast(unsigned) ^ top
    bits = (value + 0.0).bitcast(unsigned)  # -0.0 + 0.0 is 0.0: they are one number
    ordered = (bits >= top).select(~bits, bits | top)
    return value.ne(value).select((1 << width) - 1, ordered)


Pair = tuple[Value, Value | None]
"""A key and its position, None where they are packed."""


def before(x: Pair, y: Pair) -> Value:
    """Whether one comes before another."""
    if x[1] is None or y[1] is None:
        return x[0] < y[0]
    return (x[0] < y[0]) | (x[0].eq(y[0]) & (x[1] < y[1]))


def either(condition: Value, x: Pair, y: Pair) -> Pair:
    """One of two."""
    return condition.select(x[0], y[0]), None if x[1] is None or y[1] is None else condition.select(x[1], y[1])


class Keys:
    """Memory of keys, and of positions where they are not packed."""

    def __init__(self, b: Builder, name: str, packed: bool, written: bool = False) -> None:
        self.keys = b.buffer(name, "u64", written)
        self.places: Buffer | None = None if packed else b.buffer(f"{name}_places", "u32", written)

    def get(self, index: Value) -> Pair:
        """A key and position."""
        return self.keys[index], None if self.places is None else self.places[index]

    def set(self, index: Value, value: Pair) -> None:
        """Stores them."""
        self.keys[index] = value[0]
        if self.places is not None:
            self.places[index] = value[1]

    def last(self) -> Pair:
        """What comes after all others."""
        b = self.keys.b
        return b.const(LAST, "u64"), None if self.places is None else b.const(LAST_PLACE, "u32")


# -- kernels -------------------------------------------------------------------------------------------------------------


def network(n: int) -> Iterator[tuple[int, int]]:
    """Comparators that sort `n` elements, a power of two. Source: Batcher (1968), odd-even merge sort."""
    p = 1
    while p < n:
        k = p
        while k:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (p * 2) == (i + j + k) // (p * 2):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


@functools.lru_cache(maxsize=32)
def block_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Keys of lines, sorted within blocks; a work item is a block. Lines lie along the middle of three dims."""
    packed = is_packed(dtype)
    b = Builder(f"sort_blocks_{memory_type(dtype)}", target)
    x, out = b.buffer("x", memory_type(dtype)), Keys(b, "out", packed, True)
    outer, n, inner, descending = (b.size(s) for s in ("outer", "n", "inner", "descending"))
    blocks = ceil_div(n, BLOCK)
    with b.work(outer * blocks * inner) as item:
        o, block, i = places_of(item, [outer, blocks, inner])
        start = block * BLOCK
        found = [_keyed(b, x, (o * n, inner, i), start + j, n, descending, packed) for j in range(BLOCK)]
        for low, high in network(BLOCK):
            x_, y = found[low], found[high]
            ordered = before(x_, y)
            found[low], found[high] = either(ordered, x_, y), either(ordered, y, x_)
        base = (o * inner + i) * n
        for j, value in enumerate(found):
            with b.when(start + j < n):
                out.set(base + (start + j), value)
    return b.finish()


def _keyed(
    b: Builder, x: Buffer, line: tuple[Value, Value, Value], place: Value, n: Value, descending: Value, packed: bool
) -> Pair:
    """Key and position of an element of a line; the last of all beyond its end."""
    base, inner, i = line
    is_inside = place < n
    key = key_of(x[(base + is_inside.select(place, 0)) * inner + i])
    key = descending.ne(0).select(~key, key)
    position = place.cast("u32")
    if packed:
        both = (key.cast("u64") << b.const(32, "u64")) | position.cast("u64")
        return is_inside.select(both, b.const(LAST, "u64")), None
    return is_inside.select(key, b.const(LAST, "u64")), is_inside.select(position, b.const(LAST_PLACE, "u32"))


@functools.lru_cache(maxsize=8)
def merge_kernel(packed: bool, target: Target) -> Kernel:
    """Pairs of sorted runs of `run` elements become one; a work item makes `stretch` elements of one of these.

    Source: Odeh, Green, Mwassi, Shmueli, Birk (2012), Merge Path, for where a stretch begins in both runs.
    """
    b = Builder(f"sort_merge_{'packed' if packed else 'wide'}", target)
    x, out = Keys(b, "x", packed), Keys(b, "out", packed, True)
    lines, n, run, stretch = (b.size(s) for s in ("lines", "n", "run", "stretch"))
    stretches = (n + (stretch - 1)).idiv(stretch)
    with b.work(lines * stretches) as item:
        line, number = places_of(item, [lines, stretches])
        start = number * stretch
        first = start.idiv(run * 2) * (run * 2)  # of the two runs
        middle, end = ir.minimum(first + run, n), ir.minimum(first + run * 2, n)
        base = line * n
        ahead = start - first
        low = b.var(ir.maximum(ahead - (end - middle), b.const(0, "i64")))
        high = b.var(ir.minimum(ahead, middle - first))
        with b.loop_while() as test:
            test(low.get() < high.get())
            half = (low.get() + high.get()) >> 1
            is_before = before(x.get(base + first + half), x.get(base + middle + (ahead - 1 - half)))
            low.set(is_before.select(half + 1, low.get()))
            high.set(is_before.select(high.get(), half))
        _merge(b, x, out, base, (first + low.get(), middle), (middle + (ahead - low.get()), end), start, stretch)
    return b.finish()


def _merge(
    b: Builder,
    x: Keys,
    out: Keys,
    base: Value,
    left: tuple[Value, Value],
    right: tuple[Value, Value],
    start: Value,
    stretch: Value,
) -> None:
    """The next `stretch` elements of two runs, each given by its next place and its end."""
    next_left, next_right = b.var(left[0]), b.var(right[0])
    firsts = [_at(x, base, left[0], left[1]), _at(x, base, right[0], right[1])]
    held = [[b.var(v) for v in first if v is not None] for first in firsts]

    def get(side: int) -> Pair:
        values = [v.get() for v in held[side]]
        return values[0], values[1] if len(values) > 1 else None

    def put(side: int, value: Pair) -> None:
        for var, v in zip(held[side], value, strict=False):
            var.set(v)

    with b.loop(ir.minimum(start + stretch, right[1]), start) as to:
        one, two = get(0), get(1)
        is_left = before(one, two)
        out.set(base + to, either(is_left, one, two))
        step = is_left.cast("i64")
        i, j = next_left.get() + step, next_right.get() + (1 - step)
        next_left.set(i)
        next_right.set(j)
        new = _at(x, base, is_left.select(i, j), is_left.select(left[1], right[1]))
        put(0, either(is_left, new, one))
        put(1, either(is_left, two, new))


def _at(x: Keys, base: Value, place: Value, end: Value) -> Pair:
    """An element, the last of all beyond the end of its run."""
    is_inside = place < end
    return either(is_inside, x.get(base + is_inside.select(place, 0)), x.last())


WIDTH = 4096
"""Elements of a line that a work item moves where the target has rows."""


@contextlib.contextmanager
def _elements(b: Builder, outer: Value, n: Value, inner: Value) -> Iterator[tuple[Value, Value, Value]]:
    """Work items over all elements of lines along the middle of three dims: gives the place in each dim."""
    if not b.target.rows:
        with b.work(outer * n * inner) as item:
            o, j, i = places_of(item, [outer, n, inner])
            yield o, j, i
        return
    pieces = ceil_div(n, WIDTH)
    with b.work(outer * inner * pieces) as item:
        o, i, piece = places_of(item, [outer, inner, pieces])
        with b.loop(ir.minimum(piece * WIDTH + WIDTH, n), piece * WIDTH, vector=True) as j:
            yield o, j, i


def _element_items(outer: int, n: int, inner: int, target: Target) -> int:
    """On the host: the work items of `_elements`."""
    return outer * inner * (-(-n // WIDTH) if target.rows else n)


@functools.lru_cache(maxsize=16)
def result_kernel(word: str, packed: bool, target: Target) -> Kernel:
    """Elements and positions in order, where their lines lie."""
    b = Builder(f"sort_results_{word}_{'packed' if packed else 'wide'}", target)
    source, x = b.buffer("source", word), Keys(b, "x", packed)
    values, indices = b.buffer("values", word, True), b.buffer("indices", "i64", True)
    outer, n, inner = (b.size(s) for s in ("outer", "n", "inner"))
    with _elements(b, outer, n, inner) as (o, j, i):
        key, place = x.get((o * inner + i) * n + j)
        position = (key & 0xFFFFFFFF if place is None else place).cast("i64")
        to = (o * n + j) * inner + i
        indices[to] = position
        values[to] = source[(o * n + position) * inner + i]
    return b.finish()


@functools.lru_cache(maxsize=32)
def key_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Keys, (lines, n), below the number of their line where they leave room for it."""
    b = Builder(f"sort_keys_{memory_type(dtype)}", target)
    x, out = b.buffer("x", memory_type(dtype)), b.buffer("out", "u64", True)
    outer, n, inner, descending = (b.size(s) for s in ("outer", "n", "inner", "descending"))
    with _elements(b, outer, n, inner) as (o, j, i):
        key = key_of(x[(o * n + j) * inner + i])
        key = descending.ne(0).select(~key, key)
        line = o * inner + i
        above = line.cast("u64") << b.const(32, "u64")
        out[line * n + j] = key.cast("u64") | above if is_packed(dtype) else key
    return b.finish()


@functools.lru_cache(maxsize=16)
def placed_kernel(word: str, target: Target) -> Kernel:
    """As `result_kernel`, by where elements were among those of all lines."""
    b = Builder(f"sort_placed_{word}", target)
    source, places = b.buffer("source", word), b.buffer("places", "i64")
    values, indices = b.buffer("values", word, True), b.buffer("indices", "i64", True)
    outer, n, inner = (b.size(s) for s in ("outer", "n", "inner"))
    with _elements(b, outer, n, inner) as (o, j, i):
        line = o * inner + i
        position = places[line * n + j] - line * n
        to = (o * n + j) * inner + i
        indices[to] = position
        values[to] = source[(o * n + position) * inner + i]
    return b.finish()


# -- host ----------------------------------------------------------------------------------------------------------------


@kernel
def sort(backend: Any, input: Look, dim: int, descending: bool, stable: bool) -> tuple[Look, Look]:
    if not input.shape:
        return backend.copy(input), filled(backend, (), 0, np.dtype(np.int64), input.index)
    source: Look = backend.contiguous(input)
    values, indices = (backend.fresh(input.shape, t, input.index) for t in (input.dtype, np.dtype(np.int64)))
    if not source.size:
        return values, indices
    outer, n, inner = math.prod(input.shape[:dim]), input.shape[dim], math.prod(input.shape[dim + 1 :])
    packed, target, word = is_packed(input.dtype), backend.target, WORDS[input.dtype.itemsize]
    if target.rows and n >= LONG and (packed or outer * inner == 1):
        keys, made = [placed(backend, source, outer, n, inner, descending)], placed_kernel(word, target)
    else:
        keys, made = sorted_keys(backend, source, outer, n, inner, descending), result_kernel(word, packed, target)
    args = [given(source), *map(given, keys), given(values), given(indices), outer, n, inner]
    backend.launch(made, _element_items(outer, n, inner, target), args, input.index)
    return values, indices


def placed(backend: Any, source: Look, outer: int, n: int, inner: int, descending: bool) -> Look:
    """Where the elements of all lines in order were, line after line, by a radix sort; int64."""
    target, index = backend.target, source.index
    keys = backend.fresh((source.size,), np.dtype(np.uint64), index)
    made = key_kernel(source.dtype, target)
    args = [given(source), given(keys), outer, n, inner, int(descending)]
    beside = (placed_kernel(WORDS[source.dtype.itemsize], target),)
    backend.launch(made, _element_items(outer, n, inner, target), args, index, beside)
    bits = 32 + (outer * inner - 1).bit_length() if is_packed(source.dtype) else 64
    return ordered(backend, keys, bits)[1]


def sorted_keys(backend: Any, source: Look, outer: int, n: int, inner: int, descending: bool) -> list[Look]:
    """Keys of all lines in order, shape (outer * inner, n), and positions where they are not packed."""
    target, index = backend.target, source.index
    packed = is_packed(source.dtype)
    kinds = [np.dtype(np.uint64), *([] if packed else [np.dtype(np.uint32)])]
    lines = outer * inner
    keys = [backend.fresh((lines, n), kind, index) for kind in kinds]
    merge = merge_kernel(packed, target)
    beside = [merge, result_kernel(WORDS[source.dtype.itemsize], packed, target)]
    made, blocks = block_kernel(source.dtype, target), -(-n // BLOCK)
    args = [given(source), *map(given, keys), outer, n, inner, int(descending)]
    backend.launch(made, outer * blocks * inner, args, index, beside)
    run = BLOCK
    other = [backend.fresh((lines, n), kind, index) for kind in kinds] if n > run else []
    while run < n:
        stretch = min(2 * run, STRETCH[target.rows])
        args = [*map(given, keys), *map(given, other), lines, n, run, stretch]
        backend.launch(merge, lines * -(-n // stretch), args, index)
        keys, other = other, keys
        run *= 2
    return keys


# -- the first few -------------------------------------------------------------------------------------------------------

TOP = 32
"""Elements that a work item holds in order while it looks through a line."""


@functools.lru_cache(maxsize=32)
def top_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """The first `k` of each line in order, at most `TOP`; a work item is a line. Most elements meet one comparison."""
    word = WORDS[dtype.itemsize]
    b = Builder(f"top_{memory_type(dtype)}", target)
    x, source = b.buffer("x", memory_type(dtype)), b.buffer("source", word)
    values, indices = b.buffer("values", word, True), b.buffer("indices", "i64", True)
    outer, n, inner, k, descending = (b.size(s) for s in ("outer", "n", "inner", "k", "descending"))
    with b.work(outer * inner) as item:
        o, i = places_of(item, [outer, inner])
        best = b.private("u64", TOP, "best")
        with b.loop(k) as j:
            best[j] = LAST
        limit = b.var(b.const(LAST, "u64"), "limit")
        with b.loop(n, scalar=True) as j:
            key, _ = _keyed(b, x, (o * n, inner, i), j, n, descending, True)
            with b.when(key < limit.get()):
                at = b.var(k - 1, "at")
                with b.loop_while() as test:
                    before_it = ir.maximum(at.get() - 1, b.const(0, "i64"))
                    test((at.get() > 0) & (best[before_it] > key))
                    here = at.get()
                    best[here] = best[here - 1]
                    at.set(here - 1)
                best[at.get()] = key
                limit.set(best[k - 1])
        with b.loop(k) as j:
            place = (best[j] & 0xFFFFFFFF).cast("i64")
            to = (o * k + j) * inner + i
            indices[to] = place
            values[to] = source[(o * n + place) * inner + i]
    return b.finish()


@kernel
def topk(backend: Any, input: Look, k: int, dim: int, largest: bool, sorted: bool) -> tuple[Look, Look]:
    shape = input.shape
    n = shape[dim] if shape else 1
    few = 0 < k <= min(TOP, n // 8) and input.size >= backend.target.general and is_packed(input.dtype)
    if not few or not backend.target.rows:
        values, indices = sort(backend, input, dim, largest, False)
        if not shape:
            return values, indices
        return backend.copy(narrowed(values, dim, 0, k)), backend.copy(narrowed(indices, dim, 0, k))
    source = backend.contiguous(input)
    outer, inner = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    result = (*shape[:dim], k, *shape[dim + 1 :])
    values, indices = (backend.fresh(result, t, input.index) for t in (input.dtype, np.dtype(np.int64)))
    args = [given(source), given(source), given(values), given(indices), outer, n, inner, k, int(largest)]
    backend.launch(top_kernel(input.dtype, backend.target), outer * inner, args, input.index)
    return values, indices
