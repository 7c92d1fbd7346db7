# SPDX-License-Identifier: Apache-2.0
"""Elements picked and written by truth values: places are counted out on the device, only their number is read back."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra._errors import ShapeError
from candelabra._shape import broadcast_shapes, contiguous_strides
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value

from ._kernel import kernel
from .creation import single
from .gather import take
from .look import Look
from .places import (
    WORDS,
    Checked,
    Loops,
    Steps,
    all_of,
    broadcast,
    given,
    reshaped,
    seen,
    split,
    walk,
    word_of,
)
from .scan import running
from .scatter import Put, put

STRETCH = {True: 1 << 13, False: 256}
"""Elements that one work item counts, by whether the target has rows."""

# -- places of true elements ---------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def count_kernel(word: str, parts: int, target: Target) -> Kernel:
    """How many elements of each stretch are true: any of `parts` words is other than 0, but for its upper `ignored`
    bits. A last stretch, beyond all elements, has none."""
    b = Builder(f"count_{word}_{parts}", target)
    source, out = b.buffer("source", word), b.buffer("out", "i64", True)
    n, width, ignored = (b.size(name) for name in ("n", "width", "ignored"))
    with b.work((n + (width - 1)).idiv(width) + 1) as item:
        start = item * width
        left = n - start
        total = b.var(b.const(0, "i64"), "total")
        with b.loop((left < width).select(left, width)) as j:
            total.add(_true(source, start + j, parts, ignored).cast("i64"), reassoc=True)
        out[item] = total.get()
    return b.finish()


@functools.lru_cache(maxsize=32)
def place_kernel(word: str, parts: int, target: Target) -> Kernel:
    """Places of true elements, each stretch's from its start on."""
    b = Builder(f"place_{word}_{parts}", target)
    source, starts, out = b.buffer("source", word), b.buffer("starts", "i64"), b.buffer("out", "i64", True)
    n, width, ignored = (b.size(name) for name in ("n", "width", "ignored"))
    with b.work((n + (width - 1)).idiv(width)) as item:
        start = item * width
        left = n - start
        to, end = b.var(starts[item], "to"), starts[item + 1]
        with b.loop((left < width).select(left, width)) as j:
            place = to.get()
            with b.when(place < end):  # written whether true or not, and then over it: no branch to foretell
                out[place] = start + j
            to.set(place + _true(source, start + j, parts, ignored).cast("i64"))
    return b.finish()


@functools.lru_cache(maxsize=8)
def select_kernel(word: str, target: Target) -> Kernel:
    """Words of `source` where a mask is true, each stretch's from its start on; as `place_kernel` otherwise."""
    b = Builder(f"masked_select_{word}", target)
    source, mask = b.buffer("source", word), b.buffer("mask", "u8")
    starts, out = b.buffer("starts", "i64"), b.buffer("out", word, True)
    n, width = b.size("n"), b.size("width")
    with b.work((n + (width - 1)).idiv(width)) as item:
        start = item * width
        left = n - start
        to, end = b.var(starts[item], "to"), starts[item + 1]
        with b.loop((left < width).select(left, width)) as j:
            place = to.get()
            with b.when(place < end):
                out[place] = source[start + j]
            to.set(place + mask[start + j].ne(0).cast("i64"))
    return b.finish()


def _true(source: Buffer, at: Value, parts: int, ignored: Value) -> Value:
    found = [(source[at * parts + p] << ignored.cast(source.type)).ne(0) for p in range(parts)]
    return found[0] | found[-1]


def true_places(backend: Any, look: Look) -> Look:
    """Places, in row-major order, of the elements that are true: int64, shape (n)."""
    source, target, index = backend.contiguous(look), backend.target, look.index
    place = place_kernel(*_words(look.dtype)[:2], target)
    starts, total = true_starts(backend, source, (place,))
    out: Look = backend.fresh((total,), np.dtype(np.int64), index)
    if total:
        _, parts, ignored = _words(look.dtype)
        width = STRETCH[target.rows]
        args = [given(source, parts), given(starts), given(out), source.size, width, ignored]
        backend.launch(place, -(-source.size // width), args, index)
    return out


def _words(dtype: np.dtype[Any]) -> tuple[str, int, int]:
    """(word that elements are looked at as, how many each has, upper bits of it that do not count)"""
    parts = 2 if dtype.kind == "c" else 1
    return WORDS[dtype.itemsize // parts], parts, int(dtype.kind not in "biu")  # -0.0 is 0


def true_starts(backend: Any, source: Look, beside: tuple[Kernel, ...]) -> tuple[Look, int]:
    """(true elements before each stretch of a contiguous look, int64; how many there are)."""
    n, target, index = source.size, backend.target, source.index
    if not n:
        return source, 0
    word, parts, ignored = _words(source.dtype)
    width = STRETCH[target.rows]
    stretches = -(-n // width)
    counts: Look = backend.fresh((stretches + 1,), np.dtype(np.int64), index)
    args = [given(source, parts), given(counts), n, width, ignored]
    backend.launch(count_kernel(word, parts, target), stretches + 1, args, index, beside)
    starts = running(backend, "sum", counts, 0, before=True)
    return starts, int(backend.to_host(seen(starts, (1,), (1,), stretches))[0])


# -- picked --------------------------------------------------------------------------------------------------------------


def both(input: Look, mask: Look, op: str) -> tuple[Look, Look]:
    """Operands in their common shape."""
    shape = broadcast_shapes(op, input.shape, mask.shape)
    return broadcast(input, shape), broadcast(mask, shape)


@kernel
def masked_select(backend: Any, input: Look, mask: Look) -> Look:
    input, mask = both(input, mask, "masked_select")
    target = backend.target
    if target.rows and input.size >= target.general and input.dtype.itemsize <= 8:
        source, where = backend.contiguous(input), backend.contiguous(mask)
        made = select_kernel(WORDS[input.dtype.itemsize], target)
        starts, total = true_starts(backend, where, (made,))
        picked: Look = backend.fresh((total,), input.dtype, input.index)
        if total:
            width = STRETCH[True]
            args = [given(source), given(where), given(starts), given(picked), source.size, width]
            backend.launch(made, -(-source.size // width), args, input.index)
        return picked
    places = true_places(backend, mask)
    source = reshaped(backend, input, (input.size,))
    out: Look = backend.fresh(places.shape, input.dtype, input.index)
    if not out.size:
        return out
    return take(backend, "masked_select", source, [0], 1, out, Checked(places, input.size, 0, False), [1])


@functools.lru_cache(maxsize=8)
def coordinate_kernel(target: Target) -> Kernel:
    """Positions along one dim of places in row-major order, to every `ndim`-th element."""
    b = Builder("coordinate", target)
    places, out = b.buffer("places", "i64"), b.buffer("out", "i64", True)
    n, inner, size, ndim, dim = (b.size(name) for name in ("n", "inner", "size", "ndim", "dim"))
    with b.work(n) as i:
        rest = places[i].idiv(inner)
        out[i * ndim + dim] = rest - rest.idiv(size) * size
    return b.finish()


@functools.lru_cache(maxsize=8)
def coordinates_kernel(target: Target) -> Kernel:
    """Positions along the last two dims of rising places in row-major order, to every `ndim`-th pair of elements; a work
    item takes up to `width` places."""
    b = Builder("coordinates", target)
    places, out = b.buffer("places", "i64"), b.buffer("out", "i64", True)
    n, width, columns, rows, ndim = (b.size(name) for name in ("n", "width", "columns", "rows", "ndim"))
    with b.work((n + (width - 1)).idiv(width)) as item:
        first = item * width
        left = n - first
        start, row = b.var(b.const(-1, "i64") * columns, "start"), b.var(b.const(0, "i64"), "row")  # of a row: none yet
        with b.loop((left < width).select(left, width)) as j:
            place = places[first + j]
            with b.when(place - start.get() >= columns):
                line = place.idiv(columns)
                start.set(line * columns)
                row.set(line - line.idiv(rows) * rows)
            to = (first + j) * ndim + (ndim - 2)
            out[to] = row.get()
            out[to + 1] = place - start.get()
    return b.finish()


@kernel
def nonzero(backend: Any, input: Look) -> Look:
    places = true_places(backend, input)
    n, ndim = places.size, len(input.shape)
    if ndim == 1:
        return seen(places, (n, 1), (1, 1))
    out: Look = backend.fresh((n, ndim), np.dtype(np.int64), input.index)
    if n:
        last = 0
        if backend.target.rows and ndim > 1 and n >= backend.target.general:
            last, width = 2, STRETCH[True]
            args = [given(places), given(out), n, width, input.shape[-1], input.shape[-2], ndim]
            backend.launch(coordinates_kernel(backend.target), -(-n // width), args, input.index)
        for dim, inner in enumerate(contiguous_strides(input.shape)[: ndim - last]):
            args = [given(places), given(out), n, inner, input.shape[dim], ndim, dim]
            backend.launch(coordinate_kernel(backend.target), n, args, input.index)
    return out


# -- written -------------------------------------------------------------------------------------------------------------

FLAT: Steps = (1, 1, 1, 0)
"""Of input, mask, result and value."""
ANY: Steps = (None, None, None, None)


@functools.lru_cache(maxsize=64)
def fill_kernel(word: str, rank: int, steps: Steps, target: Target) -> Kernel:
    """One value where a mask is true."""
    b = Builder(f"masked_fill_{word}_{'flat' if steps == FLAT else 'any'}{rank}", target)
    source, mask = b.buffer("source", word), b.buffer("mask", "u8")
    out, value = b.buffer("out", word, True), b.buffer("value", word)
    loops = Loops(b, rank, steps)
    with loops.work() as line, line.turns() as (at, where, to, what):
        out[to] = mask[where].ne(0).select(value[what], source[at])
    return b.finish()


@kernel
def masked_fill(backend: Any, input: Look, mask: Look, value: Any) -> Look:
    source, mask = both(input, mask, "masked_fill")
    out: Look = backend.fresh(source.shape, input.dtype, input.index)
    _fill(backend, out, source, mask, value)
    return out


def _fill(backend: Any, out: Look, source: Look, mask: Look, value: Any) -> None:
    """`source`, but `value` where `mask` is true, to `out`; all of one shape."""
    if not out.size:
        return
    what = broadcast(single(backend, value, source), out.shape)
    word, parts = word_of(source.dtype)
    shape, strides = split(out.shape, [x.steps for x in (source, mask, out, what)], [parts, 1, parts, parts])
    loops = walk(shape, strides, FLAT, backend.target)
    made = fill_kernel(word, loops.rank, loops.steps, backend.target)
    args = [given(source, parts), given(mask), given(out, parts), given(what, parts), *loops.integers]
    beside = all_of(fill_kernel, WORDS.values(), (1, 2), (FLAT, ANY), (backend.target,))
    backend.launch(made, loops.count, args, out.index, beside)


def _fill_in_place(backend: Any, target: Look, mask: Look, value: Any) -> None:
    _fill(backend, target, target, broadcast(mask, target.shape), value)


masked_fill.into = _fill_in_place  # type: ignore[attr-defined]


@kernel
def masked_scatter(backend: Any, input: Look, mask: Look, source: Look) -> Look:
    input, mask = both(input, mask, "masked_scatter")
    places = true_places(backend, mask)
    n = places.size
    if n > source.size:
        raise ShapeError(
            f"masked_scatter: source must have an element for each place, got {source.size} elements for {n} places"
        )
    out: Look = backend.copy(input)
    if n:
        values = seen(reshaped(backend, source, (source.size,)), (n,), (1,))
        # Places are all different: each is a line of one position.
        where = Put([n], [0], [1], [1], 1, 1, 0, 0)
        put(backend, "masked_scatter", "set", out, values, Checked(places, out.size, 0, False), where)
    return out
