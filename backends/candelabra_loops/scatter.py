# SPDX-License-Identifier: Apache-2.0
"""Writing and adding at positions, always in the order of the positions, so that the result is the same every time.

Two ways. In lines: each line beside the dim that positions are in is a work item's (a stretch of lines where the
target has rows), and walks through the positions. By order: where lines are too few to keep a device busy, positions are
sorted, equal ones in the order they came, and each run of equal ones is a work item's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from candelabra._shape import contiguous_strides
from candelabra.compiler.graph import coalesced, memory_type
from candelabra.compiler.ir import Builder, Kernel, Target, Value, is_float, value_type

from ._kernel import kernel
from .creation import single
from .gather import ANYWHERE, lattice, look_at, offsets
from .look import Look
from .moving import copy_into
from .order import ordered
from .places import (
    WORDS,
    Checked,
    Loops,
    Position,
    Steps,
    all_of,
    broadcast,
    converted,
    flag_of,
    for_positions,
    given,
    on_host,
    parts_of,
    refuse,
    reshaped,
    seen,
    split,
    walk,
    word_of,
)

ROWS: Steps = (1, 1, 0)
"""Of result, source and index: neighbours are written at one position."""
ANY: Steps = (None, None, None)

TILE = 64
"""Neighbours that one work item writes where the target has rows."""

FEW_LINES = 2048
"""Lines below which positions are sorted, where the target has no rows."""

FEW_POSITIONS = 64
"""Positions for which sorting never pays."""

HALF = ("float16", "bfloat16")


def combined(how: str, type: str, old: Value, new: Value) -> Value:
    """What stays where a value comes to another; a nan stays a nan."""
    if how == "set":
        return new
    if type == "b1":
        return old & new if how in ("prod", "amin") else old | new
    if how in ("add", "prod"):
        return old + new if how == "add" else old * new
    wins = new > old if how == "amax" else new < old
    return (wins | new.ne(new) if is_float(type) else wins).select(new, old)


# -- in lines ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def put_kernel(how: str, storage: str, index: str, rank: int, steps: Steps, target: Target) -> Kernel:
    """Elements of `source` to their positions in `out`, which count `step` elements; one turn a position."""
    rows, type = steps == ROWS, value_type(storage)
    b = Builder(f"put_{how}_{storage}_{index}_{'rows' if rows else 'any'}{rank}", target)
    out, source, places = b.buffer("out", storage, True), b.buffer("source", storage), b.buffer("places", index)
    position = Position(b, b.buffer("flag", "i32", True))
    step, count, next_source, next_place = (b.size(n) for n in ("step", "count", "next_source", "next_place"))
    loops = Loops(b, rank, steps)
    with loops.work() as line, b.loop(count) as j:
        if rows:
            right, place = position.of(places[line.bases[2] + j * next_place])
            with b.when(right), line.turns() as (to, at, _):
                _store(how, type, out, to + place * step, source[at + j * next_source])
        else:
            with line.turns(vector=False) as (to, at, where):
                right, place = position.of(places[where + j * next_place])
                with b.when(right):
                    _store(how, type, out, to + place * step, source[at + j * next_source])
    return b.finish()


@functools.lru_cache(maxsize=64)
def put_line_kernel(how: str, storage: str, index: str, rank: int, target: Target) -> Kernel:
    """As `put_kernel` where each line is a work item's, and its positions and elements are neighbours."""
    type = value_type(storage)
    b = Builder(f"put_{how}_{storage}_{index}_line{rank}", target)
    out, source, places = b.buffer("out", storage, True), b.buffer("source", storage), b.buffer("places", index)
    position = Position(b, b.buffer("flag", "i32", True))
    step, count = b.size("step"), b.size("count")
    loops = Loops(b, rank, ANY)
    with loops.work() as line, line.turns(vector=False) as (to, at, where):

        def move(turns: list[Value], found: list[Value]) -> None:
            values = [source[at + turn] for turn in turns]
            for place, value in zip(found, values, strict=True):
                _store(how, type, out, to + place * step, value)

        for_positions(b, count, position, lambda turn: places[where + turn], move)
    return b.finish()


def _store(how: str, type: str, out: Any, place: Value, value: Value) -> None:
    out[place] = value if how == "set" else combined(how, type, out[place], value)


@dataclass(frozen=True)
class Put:
    """Where elements go: lines, and along each line the positions.

    Attributes:
        shape: of the lines; `out_steps`, `source_steps`, `index_steps`: strides along them.
        step: stride of the result along the dim positions are in.
        count: positions; `next_source`, `next_index`: strides from one to the next.
    """

    shape: Sequence[int]
    out_steps: Sequence[int]
    source_steps: Sequence[int]
    index_steps: Sequence[int]
    step: int
    count: int
    next_source: int
    next_index: int


def put(backend: Any, op: str, how: str, out: Look, source: Look, check: Checked, to: Put, first: bool = False) -> None:
    """Combines elements of `source` into `out`.

    Args:
        first: look at all positions before anything is written; else `out` is of no use when one is out of range.

    Raises:
        DimError: a position is out of range.
    """
    lines = math.prod(to.shape)
    if not check.index.size:
        return
    if not lines or not check.size:
        return on_host(backend, op, [check])
    if not backend.target.rows and lines < FEW_LINES and to.count > FEW_POSITIONS:
        return put_by_order(backend, op, how, out, source, check, to)
    if first:
        look_at(backend, op, [check])
    storage, parts = word_of(out.dtype) if how == "set" else parts_of(out.dtype)
    shape, strides = split(to.shape, [to.out_steps, to.source_steps, to.index_steps], [parts, parts, 1])
    # Lines side by side are taken together; others one by one, each from end to end.
    apart = backend.target.rows and _inner_step(shape, strides) > to.step * parts
    loops = walk(shape, strides, ROWS, backend.target, 1 if apart else TILE)
    index = memory_type(check.index.dtype)
    beside_each_other = parts == to.next_source == to.next_index == 1
    if apart and beside_each_other and check.index.size >= backend.target.general:
        made = put_line_kernel(how, storage, index, loops.rank, backend.target)
        buffers = [given(out), given(source), given(check.index), given(flag_of(backend, out.index))]
        args = [*buffers, *check.bounds, to.step, to.count, *loops.integers]
        backend.launch(made, loops.count, args, out.index)
        if not first:
            refuse(backend, op, [check])
        return None
    made = put_kernel(how, storage, index, loops.rank, loops.steps, backend.target)
    buffers = [given(out, parts), given(source, parts), given(check.index), given(flag_of(backend, out.index))]
    numbers = [*check.bounds, to.step * parts, to.count, to.next_source * parts, to.next_index]
    storages = WORDS.values() if how == "set" else (storage,)
    beside = all_of(put_kernel, (how,), storages, ("i64",), (1, 2), (ROWS, ANY), (backend.target,))
    backend.launch(made, loops.count, [*buffers, *numbers, *loops.integers], out.index, beside)
    if not first:
        refuse(backend, op, [check])
    return None


def _inner_step(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> int:
    """How far apart lines of the innermost loop lie in the result."""
    _, (out, *_) = coalesced(shape, strides)
    return abs(out[-1]) if out else 0


# -- by order ------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def runs_kernel(how: str, storage: str, target: Target) -> Kernel:
    """Runs of equal keys: the elements of `source` at their places, in order, into `out` at the key.

    A work item is a place in the order and one of `lines` neighbours; the first of a run does all of it.
    """
    type = value_type(storage)
    b = Builder(f"runs_{how}_{storage}", target)
    out, source = b.buffer("out", storage, True), b.buffer("source", storage)
    keys, places = b.buffer("keys", "i64"), b.buffer("places", "i64")
    n, lines = b.size("n"), b.size("lines")
    wide = "f64" if type == "f32" and how == "add" and target.doubles else type
    with b.work(n * lines) as item:
        first = item.idiv(lines)
        line = item - first * lines
        key = keys[first]
        before = (first > 0).select(first - 1, 0)
        with b.when(first.eq(0) | keys[before].ne(key)):
            to = key * lines + line
            acc = b.var(out[to].cast(wide), "acc")
            j = b.var(first, "j")
            with b.loop_while() as test:
                here = j.get()
                inside = here < n
                test(inside & keys[inside.select(here, first)].eq(key))
                here = j.get()
                value = source[places[here] * lines + line].cast(wide)
                acc.set(combined(how, wide, acc.get(), value))
                j.set(here + 1)
            out[to] = acc.get().cast(type)
    return b.finish()


def put_by_order(backend: Any, op: str, how: str, out: Look, source: Look, check: Checked, to: Put) -> None:
    """As `put`, by sorting the positions; all are looked at before anything is written."""
    storage, parts = word_of(out.dtype) if how == "set" else parts_of(out.dtype)
    shape = (to.count, *to.shape)
    if not any(to.index_steps) and _side_by_side(to):
        at = seen(check.index, (to.count,), (to.next_index,))
        keys = offsets(backend, op, [replace(check, index=at)], [1])
        lines, bound = math.prod(to.shape), check.size
    else:
        at = seen(check.index, shape, (to.next_index, *to.index_steps))
        start = lattice(backend, shape, (0, *to.out_steps), out.index)
        keys = offsets(backend, op, [replace(check, index=at)], [to.step], start)
        lines, bound = 1, 1 + sum((n - 1) * step for n, step in zip(out.shape, out.steps, strict=True))
    values = backend.contiguous(seen(source, shape, (to.next_source, *to.source_steps)))
    order, places = ordered(backend, keys, (bound - 1).bit_length())
    made = runs_kernel(how, storage, backend.target)
    args = [given(out, parts), given(values, parts), given(order), given(places), order.size, lines * parts]
    backend.launch(made, order.size * lines * parts, args, out.index)


def _side_by_side(to: Put) -> bool:
    """Whether the lines are neighbours in the result, and positions count whole rows of them."""
    kept = [(n, s) for n, s in zip(to.shape, to.out_steps, strict=True) if n > 1]
    sizes = tuple(n for n, _ in kept)
    return tuple(s for _, s in kept) == contiguous_strides(sizes) and to.step == math.prod(sizes)


# -- operands --------------------------------------------------------------------------------------------------------------


def combine(
    backend: Any,
    op: str,
    how: str,
    out: Look,
    source: Look,
    check: Checked,
    where: Callable[[Look, Look], Put],
    first: bool,
) -> None:
    """As `put`; `where` says which elements go where. Results of 16-bit floats are worked out in float32."""
    if how == "set" or out.dtype.name not in HALF:
        return put(backend, op, how, out, source, check, where(out, source), first)
    wide, source = (converted(backend, x, np.dtype(np.float32)) for x in (out, source))
    put(backend, op, how, wide, source, check, where(wide, source))
    return copy_into(backend, out, converted(backend, wide, out.dtype))


def writer(write: Callable[..., None]) -> Callable[..., Look]:
    """Adds the host function that does in a copy what `write(backend, out, *args, first)` does in place.

    In place, `first` is true: what is refused, is so before anything is written.
    """

    def by_copy(backend: Any, input: Look, *args: Any) -> Look:
        out: Look = backend.copy(input)
        write(backend, out, *args, False)
        return out

    by_copy.__name__ = write.__name__
    by_copy.into = lambda backend, target, *args: write(backend, target, *args, True)  # type: ignore[attr-defined]
    return kernel(by_copy)


def _without(values: Sequence[int], dim: int) -> list[int]:
    return [*values[:dim], *values[dim + 1 :]]


def _with_dim(look: Look) -> Look:
    """A look of at least 1 dim."""
    return look if look.shape else seen(look, (1,), (1,))


# -- rows ------------------------------------------------------------------------------------------------------------------


def put_rows(
    backend: Any, op: str, how: str, out: Look, dim: int, index: Look, source: Look, negative: bool, first: bool
) -> None:
    """Combines rows of `source`, which broadcasts, in at positions of a dim."""
    target, index = _with_dim(out), _with_dim(index)
    shape = (*target.shape[:dim], index.size, *target.shape[dim + 1 :])
    rows = broadcast(source if len(source.shape) <= len(shape) else seen(source, shape, source.steps), shape)

    def where(out: Look, rows: Look) -> Put:
        lines = _without(shape, dim)
        return Put(
            lines, _without(out.steps, dim), _without(rows.steps, dim), [0] * len(lines), out.steps[dim], index.size,
            rows.steps[dim], index.steps[0],
        )  # fmt: skip

    combine(backend, op, how, target, rows, Checked(index, target.shape[dim], dim, negative), where, first)


@writer
def index_add(backend: Any, out: Look, dim: int, index: Look, source: Look, first: bool) -> None:
    put_rows(backend, "index_add", "add", out, dim, index, source, False, first)


@writer
def index_copy(backend: Any, out: Look, dim: int, index: Look, source: Look, first: bool) -> None:
    put_rows(backend, "index_copy", "set", out, dim, index, source, False, first)


@writer
def index_fill(backend: Any, out: Look, dim: int, index: Look, value: Any, first: bool) -> None:
    put_rows(backend, "index_fill", "set", out, dim, index, single(backend, value, out), True, first)


# -- elements --------------------------------------------------------------------------------------------------------------


def put_elements(backend: Any, op: str, how: str, out: Look, dim: int, index: Look, src: Any, first: bool) -> None:
    """Combines elements of `src` in at positions along a dim."""
    if not index.size:
        return
    target, index = _with_dim(out), _with_dim(index)
    source = single(backend, src, out)
    if source.shape and len(index.shape) == 1:
        source = seen(source, index.shape, source.steps)
    source = broadcast(source, index.shape)

    def where(out: Look, source: Look) -> Put:
        return Put(
            _without(index.shape, dim), _without(out.steps, dim), _without(source.steps, dim),
            _without(index.steps, dim), out.steps[dim], index.shape[dim], source.steps[dim], index.steps[dim],
        )  # fmt: skip

    combine(backend, op, how, target, source, Checked(index, target.shape[dim], dim, False), where, first)


@writer
def scatter(backend: Any, out: Look, dim: int, index: Look, src: Any, first: bool) -> None:
    put_elements(backend, "scatter", "set", out, dim, index, src, first)


@writer
def scatter_add(backend: Any, out: Look, dim: int, index: Look, src: Look, first: bool) -> None:
    put_elements(backend, "scatter_add", "add", out, dim, index, src, first)


@writer
def scatter_extreme(backend: Any, out: Look, dim: int, index: Look, src: Look, reduce: str, first: bool) -> None:
    put_elements(backend, "scatter_reduce", reduce, out, dim, index, src, first)


# -- several indices -------------------------------------------------------------------------------------------------------


@writer
def put_at(
    backend: Any, out: Look, indices: Sequence[Look], dims: Sequence[int], values: Any, accumulate: bool, first: bool
) -> None:
    if len(dims) > 1 and not out.is_contiguous:  # offsets are those of contiguous elements
        whole = put_at(backend, out, indices, dims, values, accumulate)
        return copy_into(backend, out, whole)
    shape = out.shape
    checks = [Checked(i, shape[d], d, True) for i, d in zip(indices, dims, strict=True)]
    check, common = checks[0], indices[0].shape
    if len(dims) > 1:
        at = offsets(backend, "index_put", checks, [out.steps[d] for d in dims])
        check, common, first = Checked(at, ANYWHERE, 0, False), at.shape, False
    rest = [d for d in range(len(shape)) if d not in dims]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    front = [d for d in rest if adjacent and d < dims[0]]
    back = rest[len(front) :]
    selected = (*[shape[d] for d in front], *common, *[shape[d] for d in back])
    source = broadcast(single(backend, values, out), selected)
    within = slice(len(front), len(front) + len(common))
    if _one_step(source, within) is None:
        source = backend.copy(source)
    index = reshaped(backend, check.index, (math.prod(common),))

    def where(out: Look, source: Look) -> Put:
        lines, step = [*front, *back], out.steps[dims[0]] if len(dims) == 1 else 1
        along = [*source.steps[: within.start], *source.steps[within.stop :]]
        return Put(
            [shape[d] for d in lines], [out.steps[d] for d in lines], along, [0] * len(lines), step, index.size,
            _one_step(source, within), index.steps[0],
        )  # fmt: skip

    combine(
        backend, "index_put", "add" if accumulate else "set", out, source, replace(check, index=index), where, first
    )


def _one_step(look: Look, dims: slice) -> Any:
    """The one stride from each element to the next over several dims; None where there is none."""
    sizes, (steps,) = coalesced(look.shape[dims], [look.steps[dims]])
    return 0 if not sizes else steps[0] if len(sizes) == 1 else None
