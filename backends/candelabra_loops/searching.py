# SPDX-License-Identifier: Apache-2.0
"""Where values belong among sorted ones, by halving."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Builder, Kernel, Target, Value, is_float

from ._kernel import kernel
from .creation import single
from .look import Look
from .places import given


def below(x: Value, y: Value) -> Value:
    """Whether one sorts before another; nan is after all numbers."""
    if x.type == "b1":
        return y & ~x
    return (x < y) | (y.ne(y) & x.eq(x)) if is_float(x.type) else x < y


@functools.lru_cache(maxsize=64)
def search_kernel(storage: str, result: str, target: Target) -> Kernel:
    """For each of `values` how many of its row of `count` sorted ones are below it, or not above it if `right`."""
    b = Builder(f"search_{storage}_{result}", target)
    ordered, values, out = b.buffer("ordered", storage), b.buffer("values", storage), b.buffer("out", result, True)
    n, count, each, right = (b.size(name) for name in ("n", "count", "each", "right"))
    with b.work(n) as i:
        value = values[i]
        row = i.idiv(each) * count
        low, high = b.var(b.const(0, "i64"), "low"), b.var(count, "high")
        with b.loop_while() as test:
            test(low.get() < high.get())
            middle = (low.get() + high.get()) >> 1
            found = ordered[row + middle]
            goes_right = right.ne(0).select(~below(value, found), below(found, value))
            low.set(goes_right.select(middle + 1, low.get()))
            high.set(goes_right.select(high.get(), middle))
        out[i] = low.get().cast(result)
    return b.finish()


@kernel
def searchsorted(backend: Any, sorted_sequence: Look, input: Any, out_int32: bool, right: bool) -> Look:
    rows = backend.contiguous(sorted_sequence)
    values = backend.contiguous(single(backend, input, rows))
    result = np.dtype(np.int32 if out_int32 else np.int64)
    out: Look = backend.fresh(values.shape, result, rows.index)
    if not out.size:
        return out
    count = rows.shape[-1]
    each = values.size if len(rows.shape) == 1 else values.shape[-1]
    storage = memory_type(rows.dtype)
    args = [given(rows), given(values), given(out), values.size, count, each, int(right)]
    backend.launch(search_kernel(storage, memory_type(result), backend.target), values.size, args, out.index)
    return out
