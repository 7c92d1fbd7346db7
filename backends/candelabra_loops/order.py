# SPDX-License-Identifier: Apache-2.0
"""Order of unsigned keys: a stable radix sort, 8 bits a turn, without atomics, so that it is the same every time."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.ir import Builder, Kernel, Target, Value

from .look import Look
from .places import given
from .scan import running

DIGITS = 256

STRETCH = {True: 1 << 14, False: 256}
"""Keys that one work item counts and moves, by whether the target has rows."""


def _digit(key: Value, shift: Value) -> Value:
    return ((key >> shift.cast("u64")) & (DIGITS - 1)).cast("i64")


def _bounds(item: Value, n: Value, width: Value) -> tuple[Value, Value]:
    start = item * width
    left = n - start
    return start, (left < width).select(left, width)


@functools.lru_cache(maxsize=8)
def count_kernel(target: Target) -> Kernel:
    """How often each digit comes in each stretch: stretches of the first digit, of the second, and so on."""
    b = Builder("digit_counts", target)
    keys, counts = b.buffer("keys", "u64"), b.buffer("counts", "i64", True)
    n, width, shift = b.size("n"), b.size("width"), b.size("shift")
    stretches = (n + (width - 1)).idiv(width)
    with b.work(stretches) as item:
        start, length = _bounds(item, n, width)
        mine = b.private("i32", DIGITS, "mine")
        with b.loop(DIGITS) as d:
            mine[d] = 0
        with b.loop(length) as j:
            d = _digit(keys[start + j], shift)
            mine[d] = mine[d] + 1
        with b.loop(DIGITS) as d:
            counts[d * stretches + item] = mine[d].cast("i64")
    return b.finish()


@functools.lru_cache(maxsize=8)
def move_kernel(target: Target) -> Kernel:
    """Keys and their places to where their digit's turn is; places are those in `keys` if `first`."""
    b = Builder("digit_moves", target)
    keys, places, starts = b.buffer("keys", "u64"), b.buffer("places", "i64"), b.buffer("starts", "i64")
    moved, moved_places = b.buffer("moved", "u64", True), b.buffer("moved_places", "i64", True)
    n, width, shift, first = b.size("n"), b.size("width"), b.size("shift"), b.size("first")
    stretches = (n + (width - 1)).idiv(width)
    with b.work(stretches) as item:
        start, length = _bounds(item, n, width)
        mine = b.private("i64", DIGITS, "mine")
        with b.loop(DIGITS) as d:
            mine[d] = starts[d * stretches + item]
        with b.loop(length) as j:
            key = keys[start + j]
            d = _digit(key, shift)
            to = mine[d]
            mine[d] = to + 1
            moved[to] = key
            place = b.var(start + j)
            with b.when(first.eq(0)):
                place.set(places[start + j])
            moved_places[to] = place.get()
    return b.finish()


def ordered(backend: Any, keys: Look, bits: int) -> tuple[Look, Look]:
    """(keys in rising order, where each was): equal keys keep their order.

    Args:
        keys: uint64, or int64 without negative ones, shape (n), contiguous, below 2**bits.

    Returns:
        Of the dtype of `keys`, and int64.
    """
    n, index, target = keys.size, keys.index, backend.target
    places = keys  # not looked at in the first turn
    if not n:
        return keys, backend.fresh((0,), np.dtype(np.int64), index)
    width = STRETCH[target.rows]
    stretches = -(-n // width)
    count, move = count_kernel(target), move_kernel(target)
    for shift in range(0, max(bits, 1), 8):
        counts: Look = backend.fresh((DIGITS * stretches,), np.dtype(np.int64), index)
        backend.launch(count, stretches, [given(keys), given(counts), n, width, shift], index, (move,))
        starts = running(backend, "sum", counts, 0, before=True)
        moved: Look = backend.fresh(keys.shape, keys.dtype, index)
        moved_places: Look = backend.fresh(keys.shape, np.dtype(np.int64), index)
        buffers = [given(x) for x in (keys, places, starts, moved, moved_places)]
        backend.launch(move, stretches, [*buffers, n, width, shift, int(shift == 0)], index)
        keys, places = moved, moved_places
    return keys, places
