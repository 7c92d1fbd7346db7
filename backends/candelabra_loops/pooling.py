# SPDX-License-Identifier: Apache-2.0
"""Maxima and means over windows: a work item is one window, or one element that windows see."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape, window_count
from candelabra.compiler import ir
from candelabra.compiler.graph import is_complex
from candelabra.compiler.ir import Builder, Kernel, Target, Value
from candelabra.compiler.nest import load, store
from candelabra.compiler.pair import Pair

from . import planes
from ._kernel import kernel
from .creation import filled
from .elements import Register, buffer, computed_in, number, parts, places_of, plus, short_name, value_of
from .lines import max_lines, mean_grad_planes, mean_lines, run_count
from .look import Look
from .places import given, seen
from .pooling_parts import Divisor, lowest
from .windows import Windows, over, product, window_integers, windows


def _flat(dims: Sequence[Windows], places: Sequence[Value]) -> Value:
    """A place in the sizes as one number."""
    d, h, w = places
    return (d * dims[1].size + h) * dims[2].size + w


# -- maxima --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def max_kernel(dtype: np.dtype[Any], adaptive: bool, target: Target) -> Kernel:
    """Greatest element of each window and its place: of the first of equal ones, of the last nan."""
    b = Builder(f"max_pool_{short_name(dtype)}{'_adaptive' if adaptive else ''}", target)
    x, out, indices = buffer(b, "x", dtype), buffer(b, "out", dtype, True), b.buffer("indices", "i64", True)
    rows, dims = b.size("rows"), windows(b)
    type = value_of(dtype)
    with b.work(rows * product([d.count for d in dims])) as item:
        row, *at = places_of(item, [rows, *(d.count for d in dims)])
        base = row * product([d.size for d in dims])
        seen = [(_adaptive if adaptive else _sliding)(d, i) for d, i in zip(dims, at, strict=True)]
        starts, taps = [start for start, _ in seen], [tap for _, tap in seen]
        best, place = b.var(b.const(lowest(type), type)), b.var(b.const(0, "i64"))
        is_first = b.var(b.const(1, "i64"))
        with over(b, taps) as t:
            here = _flat(dims, [s + i * d.dilation for s, i, d in zip(starts, t, dims, strict=True)])
            value, known = x[base + here], best.get()
            better = (value > known) | is_first.get().ne(0)
            if ir.is_float(type):
                better = better | value.ne(value)
            best.set(better.select(value, known))
            place.set(better.select(here, place.get()))
            is_first.set(0)
        out[item] = best.get()
        indices[item] = place.get()
    return b.finish()


def _sliding(dim: Windows, place: Value) -> tuple[Value, tuple[Value, Value]]:
    start = dim.start(place)
    return start, dim.taps(start)


def _adaptive(dim: Windows, place: Value) -> tuple[Value, tuple[Value, Value]]:
    """Windows that cover the dim as evenly as integers allow."""
    start = (place * dim.size).idiv(dim.count)
    end = ((place + 1) * dim.size + (dim.count - 1)).idiv(dim.count)
    return start, (place.b.const(0, "i64"), end - start)


def _maxima(backend: Any, input: Look, counts: Shape, adaptive: bool, integers: list[int]) -> tuple[Look, Look]:
    x = backend.contiguous(input)
    shape = (*input.shape[: -len(counts)], *counts)
    out, indices = (backend.fresh(shape, t, input.index) for t in (input.dtype, np.dtype(np.int64)))
    rows = math.prod(shape[: -len(counts)])
    args = [given(x), given(out), given(indices), rows, *integers]
    if backend.target.rows and not adaptive and math.prod(input.shape[-len(counts) :]) < 1 << 31:
        backend.launch(max_lines(input.dtype, backend.target), rows * run_count(counts), args, input.index)
    else:
        backend.launch(max_kernel(input.dtype, adaptive, backend.target), out.size, args, input.index)
    return out, indices


@kernel
def max_pool(
    backend: Any, input: Look, kernel_size: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[Look, Look]:
    counts, sizes = _counts(input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    return _maxima(
        backend, input, counts, False, window_integers(sizes, counts, kernel_size, stride, padding, dilation)
    )


@kernel
def adaptive_max_pool(backend: Any, input: Look, output_size: Shape) -> tuple[Look, Look]:
    sizes, ones = input.shape[-len(output_size) :], (1,) * len(output_size)
    integers = window_integers(sizes, output_size, ones, ones, (0,) * len(output_size), ones)
    return _maxima(backend, input, tuple(output_size), True, integers)


def _counts(
    shape: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[Shape, Shape]:
    """(numbers of windows, sizes)"""
    sizes = shape[-len(kernel) :]
    ceil = (ceil_mode,) * len(kernel)
    return tuple(map(window_count, sizes, kernel, stride, padding, dilation, ceil)), sizes


# -- means ---------------------------------------------------------------------------------------------------------------


def _over(value: Any, divisor: Value) -> Any:
    if isinstance(value, Pair):
        return Pair(_over(value.re, divisor), _over(value.im, divisor))
    return value / divisor.cast(value.type)


@functools.lru_cache(maxsize=32)
def mean_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """Mean of each window."""
    b = Builder(f"avg_pool_{short_name(dtype)}", target)
    x, out = buffer(b, "x", dtype), buffer(b, "out", dtype, True)
    rows, dims = b.size("rows"), windows(b)
    divisor = Divisor(b, dims)
    with b.work(rows * product([d.count for d in dims])) as item:
        row, *at = places_of(item, [rows, *(d.count for d in dims)])
        base = row * product([d.size for d in dims])
        starts = [d.start(i) for d, i in zip(dims, at, strict=True)]
        total = Register(b, number(b, 0, computed_in(dtype)))
        with over(b, [d.taps(s) for d, s in zip(dims, starts, strict=True)]) as t:
            here = _flat(dims, [s + i for s, i in zip(starts, t, strict=True)])
            total.set(plus(total.get(), load(x, base + here, dtype)))
        store(out, item, _over(total.get(), divisor.of(starts)), dtype)
    return b.finish()


@functools.lru_cache(maxsize=32)
def mean_grad_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """For each element the sum over the windows that see it of their gradients over their divisors."""
    b = Builder(f"avg_pool_grad_{short_name(dtype)}", target)
    grad, out = buffer(b, "grad", dtype), buffer(b, "out", dtype, True)
    rows, dims = b.size("rows"), windows(b)
    divisor = Divisor(b, dims)
    with b.work(rows * product([d.size for d in dims])) as item:
        row, *at = places_of(item, [rows, *(d.size for d in dims)])
        total = Register(b, number(b, 0, computed_in(dtype)))
        with over(b, [_seeing(d, i) for d, i in zip(dims, at, strict=True)]) as (i, j, k):
            here = ((row * dims[0].count + i) * dims[1].count + j) * dims[2].count + k
            of = divisor.of([d.start(w) for d, w in zip(dims, (i, j, k), strict=True)])
            total.set(plus(total.get(), _over(load(grad, here, dtype), of)))
        store(out, item, total.get(), dtype)
    return b.finish()


def _seeing(dim: Windows, place: Value) -> tuple[Value, Value]:
    """(first, end) of the windows that see an element."""
    last = place + dim.padding
    before = last - dim.kernel
    first = (before < 0).select(0, before.idiv(dim.stride) + 1)
    return first, ir.minimum(last.idiv(dim.stride) + 1, dim.count)


def _arguments(source: Look, out: Look, rows: int, integers: list[int], divisor: Any, include: bool) -> list[Any]:
    """Arguments of kernels of means."""
    return [*(given(look, parts(look.dtype)) for look in (source, out)), rows, *integers, divisor or 0, int(include)]


def _batched(look: Look, lead: int) -> list[int]:
    """Strides of a contiguous look with its first dims as one, and a dim of size 1 after these."""
    each = math.prod(look.shape[lead:])
    return [each, each, *look.steps[lead:]]


@kernel
def avg_pool(
    backend: Any,
    input: Look,
    kernel_size: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Look:
    n = len(kernel_size)
    ones, lead = (1,) * n, input.shape[:-n]
    counts, sizes = _counts(input.shape, kernel_size, stride, padding, ones, ceil_mode)
    out = backend.fresh((*lead, *counts), input.dtype, input.index)
    integers = window_integers(sizes, counts, kernel_size, stride, padding, ones)
    rows = math.prod(lead)
    elements, source = math.prod(kernel_size), backend.contiguous(input)
    is_same = divisor_override or (not ceil_mode and (count_include_pad or not any(padding)))
    if is_same and planes.pays(input.dtype, counts, elements, out.size * elements, backend.target):
        one = filled(backend, (1,), 1, input.dtype, input.index)
        by = planes.Sliding(one, (0, 0), 1, integers, divisor_override or elements)
        image, into = (seen(x, (rows, 1, *x.shape[len(lead) :]), _batched(x, len(lead))) for x in (source, out))
        planes.slide(backend, image, into, by, None)
        return out
    args = _arguments(source, out, rows, integers, divisor_override, count_include_pad)
    if backend.target.rows and not is_complex(input.dtype):
        backend.launch(mean_lines(input.dtype, backend.target), rows * run_count(counts), args, out.index)
    else:
        backend.launch(mean_kernel(input.dtype, backend.target), out.size, args, out.index)
    return out


@kernel
def avg_pool_input_grad(
    backend: Any,
    grad: Look,
    input_size: Shape,
    kernel_size: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Look:
    n = len(kernel_size)
    lead, counts = grad.shape[:-n], grad.shape[-n:]
    out = backend.fresh((*lead, *input_size), grad.dtype, grad.index)
    integers = window_integers(input_size, counts, kernel_size, stride, padding, (1,) * n)
    rows = math.prod(lead)
    args = _arguments(backend.contiguous(grad), out, rows, integers, divisor_override, count_include_pad)
    if backend.target.rows and not is_complex(grad.dtype):
        inside = computed_in(grad.dtype)
        sums = out if inside == grad.dtype else backend.fresh(out.shape, inside, out.index)
        backend.launch(mean_grad_planes(grad.dtype, backend.target), rows, [args[0], given(sums), *args[1:]], out.index)
    else:
        backend.launch(mean_grad_kernel(grad.dtype, backend.target), out.size, args, out.index)
    return out
