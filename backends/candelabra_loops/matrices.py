# SPDX-License-Identifier: Apache-2.0
"""Square matrices, and vectors of three."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from candelabra._errors import ArgumentError
from candelabra._shape import broadcast_shapes
from candelabra.compiler import ir
from candelabra.compiler.ir import Builder, Kernel, Target
from candelabra.compiler.nest import load, store
from candelabra.compiler.pair import Pair

from ._kernel import kernel
from .elements import (
    buffer,
    chosen,
    computed_in,
    converted,
    minus,
    number,
    parts,
    places_of,
    short_name,
    summed_in,
    times,
)
from .look import Look
from .places import Loops, broadcast, given, walk

# -- vectors of three ----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def cross_kernel(dtype: np.dtype[Any], rank: int, target: Target) -> Kernel:
    """Cross products along loops; elements of vectors are as far apart as three strides say."""
    b = Builder(f"cross_{short_name(dtype)}_{rank}", target)
    x, y, out = buffer(b, "x", dtype), buffer(b, "y", dtype), buffer(b, "out", dtype, True)
    steps = [b.size(f"step_{name}") for name in "xyo"]
    loops = Loops(b, rank, (None, None, None))
    with loops.work() as line, line.turns() as (at_x, at_y, at):
        xs = [load(x, at_x + steps[0] * i, dtype) for i in range(3)]
        ys = [load(y, at_y + steps[1] * i, dtype) for i in range(3)]
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            store(out, at + steps[2] * i, minus(times(xs[j], ys[k]), times(xs[k], ys[j])), dtype)
    return b.finish()


@kernel
def cross(backend: Any, input: Look, other: Look, dim: int) -> Look:
    shape = broadcast_shapes("cross", input.shape, other.shape)
    out: Look = backend.fresh(shape, input.dtype, input.index)
    if not out.size:
        return out
    looks = [broadcast(input, shape), broadcast(other, shape), out]
    at = dim % len(shape)
    strides = [[*look.steps[:at], *look.steps[at + 1 :]] for look in looks]
    loops = walk([*shape[:at], *shape[at + 1 :]], strides, (None, None, None), backend.target)
    args = [given(look, parts(look.dtype)) for look in looks]
    made = cross_kernel(input.dtype, loops.rank, backend.target)
    backend.launch(made, loops.count, [*args, *(look.steps[at] for look in looks), *loops.integers], input.index)
    return out


# -- inverses ------------------------------------------------------------------------------------------------------------


def magnitude(value: Any) -> Any:
    """What pivots are chosen by: the sum of the parts' magnitudes for complex numbers."""
    return ir.fabs(value.re) + ir.fabs(value.im) if isinstance(value, Pair) else ir.fabs(value)


def quotient(x: Any, y: Any) -> Any:
    """x / y, of complex numbers without overflow in between. Source: Smith (1962)."""
    if not isinstance(x, Pair):
        return x / y
    is_wide = ir.fabs(y.re) >= ir.fabs(y.im)
    big, small = is_wide.select(y.re, y.im), is_wide.select(y.im, y.re)
    ratio = small / big
    scale = big + small * ratio
    re = is_wide.select(x.re + x.im * ratio, x.re * ratio + x.im)
    im = is_wide.select(x.im - x.re * ratio, x.im * ratio - x.re)
    return Pair(re / scale, im / scale)


@functools.lru_cache(maxsize=16)
def start_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Matrices beside unit matrices, (*, n, 2n), in the wide dtype."""
    b, wide = Builder(f"inverse_start_{short_name(dtype)}", target), summed_in(dtype, target)
    x, out = buffer(b, "x", dtype), buffer(b, "out", wide, True)
    matrices, n = b.size("matrices"), b.size("n")
    with b.work(matrices * n * (n * 2)) as item:
        matrix, row, column = places_of(item, [matrices, n, n * 2])
        is_left = column < n
        value = converted(load(x, (matrix * n + row) * n + is_left.select(column, 0), dtype), wide)
        unit = chosen((column - n).eq(row), number(b, 1, wide), number(b, 0, wide))
        store(out, item, chosen(is_left, value, unit), wide)
    return b.finish()


@functools.lru_cache(maxsize=16)
def pivot_kernel(wide: np.dtype[Any], target: Target) -> Kernel:
    """For each matrix the row, from `step` down, of the greatest element in column `step`; marks zeros."""
    b = Builder(f"inverse_pivot_{short_name(wide)}", target)
    x, pivots, singular = buffer(b, "x", wide), b.buffer("pivots", "i64", True), b.buffer("singular", "i32", True)
    matrices, n, step = b.size("matrices"), b.size("n"), b.size("step")
    with b.work(matrices) as matrix:
        base = matrix * n * (n * 2) + step
        first = magnitude(load(x, base + step * (n * 2), wide))
        best, place = b.var(first), b.var(step)
        with b.loop(n, step + 1) as row:
            here = magnitude(load(x, base + row * (n * 2), wide))
            is_more = here > best.get()
            best.set(is_more.select(here, best.get()))
            place.set(is_more.select(row, place.get()))
        pivots[matrix] = place.get()
        with b.when(best.get().eq(0)):
            singular[0] = 1
    return b.finish()


@functools.lru_cache(maxsize=16)
def step_kernel(wide: np.dtype[Any], target: Target) -> Kernel:
    """One column of all matrices becomes that of a unit matrix: rows are exchanged, the others lose their share.

    A work item is a row, or an element where the target has no rows.
    """
    b = Builder(f"inverse_step_{short_name(wide)}", target)
    x, pivots, out = buffer(b, "x", wide), b.buffer("pivots", "i64"), buffer(b, "out", wide, True)
    matrices, n, step = b.size("matrices"), b.size("n"), b.size("step")
    width = n * 2
    with b.work(matrices * n if target.rows else matrices * n * width) as item:
        matrix, row, *rest = places_of(item, [matrices, n] if target.rows else [matrices, n, width])
        pivot = pivots[matrix]
        source = row.eq(step).select(pivot, row.eq(pivot).select(step, row))
        base = matrix * n
        pivot_at, source_at = (base + pivot) * width, (base + source) * width
        head = load(x, pivot_at + step, wide)
        factor = load(x, source_at + step, wide)

        def one(column: Any) -> None:
            scaled = quotient(load(x, pivot_at + column, wide), head)
            value = minus(load(x, source_at + column, wide), times(factor, scaled))
            store(out, (base + row) * width + column, chosen(row.eq(step), scaled, value), wide)

        if target.rows:
            with b.loop(width, vector=True) as column:
                one(column)
        else:
            one(rest[0])
    return b.finish()


@functools.lru_cache(maxsize=16)
def finish_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """The right halves."""
    b, wide = Builder(f"inverse_finish_{short_name(dtype)}", target), summed_in(dtype, target)
    x, out = buffer(b, "x", wide), buffer(b, "out", dtype, True)
    rows, n = b.size("rows"), b.size("n")
    with b.work(rows * n) as item:
        row, column = places_of(item, [rows, n])
        value = load(x, row * (n * 2) + n + column, wide)
        store(out, item, converted(value, computed_in(dtype)), dtype)
    return b.finish()


@kernel
def inverse(backend: Any, input: Look) -> Look:
    dtype, target, index = input.dtype, backend.target, input.index
    x, out = backend.contiguous(input), backend.fresh(input.shape, dtype, index)
    if not x.size:
        return out
    n, matrices = x.shape[-1], math.prod(x.shape[:-2])
    wide = summed_in(dtype, target)
    now, other = (backend.fresh((matrices, n, 2 * n), wide, index) for _ in range(2))
    pivots = backend.fresh((matrices,), np.dtype(np.int64), index)
    singular = backend.from_host(np.zeros(1, np.int32), index)
    step_, pivot_ = step_kernel(wide, target), pivot_kernel(wide, target)
    count, wide_parts = parts(dtype), parts(wide)
    beside = [step_, pivot_, finish_kernel(dtype, target)]
    args = [given(x, count), given(now, wide_parts), matrices, n]
    backend.launch(start_kernel(dtype, target), now.size, args, index, beside)
    for step in range(n):
        args = [given(now, wide_parts), given(pivots), given(singular), matrices, n, step]
        backend.launch(pivot_, matrices, args, index)
        args = [given(now, wide_parts), given(pivots), given(other, wide_parts), matrices, n, step]
        backend.launch(step_, matrices * n * (1 if target.rows else 2 * n), args, index)
        now, other = other, now
    if backend.may_wait(input.index) and backend.to_host(singular)[0]:
        raise ArgumentError(f"inverse: input must not be singular, got shape {input.shape}")
    args = [given(now, wide_parts), given(out, count), matrices * n, n]
    backend.launch(finish_kernel(dtype, target), out.size, args, index)
    return out
