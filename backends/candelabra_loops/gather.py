# SPDX-License-Identifier: Apache-2.0
"""Reading at positions: one kernel, whose loops may lie anyhow in the source and the index."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape, broadcast_shapes, contiguous_strides
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Builder, Kernel, Target

from ._kernel import kernel
from .look import Look
from .places import (
    WORDS,
    Checked,
    Loops,
    Position,
    Steps,
    all_of,
    broadcast,
    flag_of,
    given,
    on_host,
    refuse,
    split,
    walk,
    word_of,
)

INDEX = ("i64", "i32")
"""Types of positions."""

ROWS: Steps = (1, 0, 1)
"""Of source, index and result: neighbours are read at one position."""
ANY: Steps = (None, None, None)


@functools.lru_cache(maxsize=256)
def take_kernel(word: str, index: str, rank: int, steps: Steps, target: Target) -> Kernel:
    """Elements of `source` at a position of `index`, which counts `step` elements, to `out`."""
    rows = steps == ROWS
    b = Builder(f"take_{word}_{index}_{'rows' if rows else 'any'}{rank}", target)
    source, places, out = b.buffer("source", word), b.buffer("places", index), b.buffer("out", word, True)
    position = Position(b, b.buffer("flag", "i32", True))
    step = b.size("step")
    loops = Loops(b, rank, steps)
    with loops.work() as line:
        if rows:
            right, place = position.of(places[line.bases[1]])
            with b.when(right), line.turns() as (at, _, to):
                out[to] = source[at + place * step]
        else:
            with line.turns(vector=False) as (at, where, to):
                right, place = position.of(places[where])
                with b.when(right):
                    out[to] = source[at + place * step]
    return b.finish()


def take(
    backend: Any, op: str, source: Look, steps: Sequence[int], step: int, out: Look, check: Checked, at: Sequence[int]
) -> Look:
    """Fills `out` with elements of `source`.

    Args:
        steps: strides of the source along the dims of `out`; `step`: along the dim that positions are in.
        at: strides of the index along the dims of `out`.

    Raises:
        DimError: a position is out of range.
    """
    index = check.index
    if not out.size or not check.size:
        on_host(backend, op, [check])
        return out
    word, parts = word_of(source.dtype)
    shape, strides = split(out.shape, [steps, at, out.steps], [parts, 1, parts])
    loops = walk(shape, strides, ROWS, backend.target)
    made = take_kernel(word, memory_type(index.dtype), loops.rank, loops.steps, backend.target)
    flag = flag_of(backend, out.index)
    args = [given(source, parts), given(index), given(out, parts), given(flag), *check.bounds, step * parts]
    beside = all_of(take_kernel, WORDS.values(), ("i64",), (1, 2, 4), (ROWS, ANY), (backend.target,))
    backend.launch(made, loops.count, [*args, *loops.integers], out.index, beside)
    refuse(backend, op, [check])
    return out


@kernel
def index_select(backend: Any, input: Look, dim: int, index: Look) -> Look:
    if not input.shape:
        on_host(backend, "index_select", [Checked(index, 1, 0, False)])
        return backend.copy(input)
    return rows_at(backend, "index_select", input, dim, index, False)


def rows_at(backend: Any, op: str, input: Look, dim: int, index: Look, negative: bool) -> Look:
    """A dim read at an index, whose dims take its place."""
    shape, steps = input.shape, input.steps
    dims = index.shape if op != "index_select" or index.shape else (1,)
    out = backend.fresh((*shape[:dim], *dims, *shape[dim + 1 :]), input.dtype, input.index)
    along = [0] * dim, [0] * (len(shape) - dim - 1)
    at = [*along[0], *(index.steps if index.shape else [0] * len(dims)), *along[1]]
    source = [*steps[:dim], *[0] * len(dims), *steps[dim + 1 :]]
    return take(backend, op, input, source, steps[dim], out, Checked(index, shape[dim], dim, negative), at)


@kernel
def gather(backend: Any, input: Look, dim: int, index: Look) -> Look:
    out = backend.fresh(index.shape, input.dtype, input.index)
    if not index.size:
        return out
    if len(input.shape) < 2:
        steps, step, size = [0] * len(index.shape), *(input.steps or (1,)), *(input.shape or (1,))
    else:
        steps, step, size = [*input.steps], input.steps[dim], input.shape[dim]
        steps[dim] = 0
    return take(backend, "gather", input, steps, step, out, Checked(index, size, dim, False), index.steps)


@kernel
def embedding_rows(backend: Any, input: Look, weight: Look, padding_idx: Any, scale_grad_by_freq: bool) -> Look:
    return rows_at(backend, "embedding", weight, 0, input, False)


# -- several indices -----------------------------------------------------------------------------------------------------


ANYWHERE = 1 << 62
"""Size for positions that are known to be right."""


@functools.lru_cache(maxsize=32)
def check_kernel(index: str, rank: int, target: Target) -> Kernel:
    """Positions are looked at, and nothing else."""
    b = Builder(f"check_{index}_{rank}", target)
    places = b.buffer("places", index)
    position = Position(b, b.buffer("flag", "i32", True))
    loops = Loops(b, rank, (None,))
    with loops.work() as line, line.turns(vector=False) as (where,):
        position.of(places[where])
    return b.finish()


def look_at(backend: Any, op: str, checks: Sequence[Checked]) -> None:
    """Raises DimError for positions out of range, before anything is written."""
    for check in checks:
        found, device = check.index, check.index.index
        loops = walk(found.shape, [found.steps], (None,), backend.target)
        made = check_kernel(memory_type(found.dtype), loops.rank, backend.target)
        args = [given(found), given(flag_of(backend, device)), *check.bounds, *loops.integers]
        backend.launch(made, loops.count, args, device)
    refuse(backend, op, checks)


@functools.lru_cache(maxsize=64)
def offset_kernel(index: str, rank: int, target: Target) -> Kernel:
    """Offsets of an index's positions, `step` elements each, on top of what is there if `first` is 0."""
    b = Builder(f"offset_{index}_{rank}", target)
    places, out = b.buffer("places", index), b.buffer("out", "i64", True)
    position = Position(b, b.buffer("flag", "i32", True))
    step, first = b.size("step"), b.size("first")
    loops = Loops(b, rank, (None, 1))
    with loops.work() as line, line.turns(vector=False) as (where, to):
        _, place = position.of(places[where])
        before = b.var(b.const(0, "i64"))
        with b.when(first.eq(0)):
            before.set(out[to])
        out[to] = before.get() + place * step
    return b.finish()


@functools.lru_cache(maxsize=32)
def lattice_kernel(rank: int, target: Target) -> Kernel:
    """Offsets along loops."""
    b = Builder(f"lattice_{rank}", target)
    out = b.buffer("out", "i64", True)
    loops = Loops(b, rank, (None, 1))
    with loops.work() as line, line.turns() as (at, to):
        out[to] = at
    return b.finish()


def lattice(backend: Any, shape: Shape, steps: Sequence[int], device: int) -> Look:
    """Offsets of the elements of a shape with these strides: int64."""
    out: Look = backend.fresh(shape, np.dtype(np.int64), device)
    if out.size:
        loops = walk(shape, [steps, out.steps], (None, 1), backend.target)
        made = lattice_kernel(loops.rank, backend.target)
        backend.launch(made, loops.count, [given(out), *loops.integers], device)
    return out


def offsets(backend: Any, op: str, checks: Sequence[Checked], steps: Sequence[int], start: Look | None = None) -> Look:
    """Offsets of elements that several indices name together, in their common shape: int64.

    Args:
        checks: an index and its dim's size each; `steps`: that dim's stride.
        start: offsets to add to, in place, of the common shape.

    Raises:
        DimError: a position is out of range.
    """
    device = checks[0].index.index
    common = broadcast_shapes(op, *[c.index.shape for c in checks])
    out: Look = start if start is not None else backend.fresh(common, np.dtype(np.int64), device)
    if any(not c.size for c in checks) or not out.size:
        on_host(backend, op, checks)
        return out
    flag = flag_of(backend, device)
    for n, (check, step) in enumerate(zip(checks, steps, strict=True)):
        found = broadcast(check.index, common)
        loops = walk(common, [found.steps, out.steps], (None, 1), backend.target)
        made = offset_kernel(memory_type(found.dtype), loops.rank, backend.target)
        first = n == 0 and start is None
        args = [given(found), given(out), given(flag), *check.bounds, step, int(first)]
        beside = all_of(offset_kernel, ("i64",), (1, 2), (backend.target,))
        backend.launch(made, loops.count, [*args, *loops.integers], device, beside)
    refuse(backend, op, checks)
    return out


@kernel
def index(backend: Any, input: Look, indices: Sequence[Look], dims: Sequence[int]) -> Look:
    if len(dims) == 1:
        return rows_at(backend, "index", input, dims[0], indices[0], True)
    shape, steps = input.shape, input.steps
    checks = [Checked(i, shape[d], d, True) for i, d in zip(indices, dims, strict=True)]
    at = offsets(backend, "index", checks, [steps[d] for d in dims])
    rest = [d for d in range(len(shape)) if d not in dims]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    front = [d for d in rest if adjacent and d < dims[0]]
    back = rest[len(front) :]
    order = [shape[d] for d in front], [shape[d] for d in back]
    out = backend.fresh((*order[0], *at.shape, *order[1]), input.dtype, input.index)
    if not out.size:
        return out
    zeros = [0] * len(front), [0] * len(back)
    source = [*[steps[d] for d in front], *[0] * len(at.shape), *[steps[d] for d in back]]
    where = [*zeros[0], *contiguous_strides(at.shape), *zeros[1]]
    check = Checked(at, ANYWHERE, 0, False)
    return take(backend, "index", input, source, 1, out, check, where)
