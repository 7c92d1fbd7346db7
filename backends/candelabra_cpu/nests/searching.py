# SPDX-License-Identifier: Apache-2.0
"""Where values belong among sorted ones, by halving: a stretch of values at a time, so that their loads overlap."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Value
from candelabra_loops.searching import below

from .. import memory
from ..compile import CompiledKernel, compiled
from .common import Array, builder, stretch, stretches, whole

TOGETHER = 128
"""Values that are halved in step."""


@functools.cache
def search_kernel(storage: str, result: str, right: bool, many: bool) -> CompiledKernel:
    """For each of `values` how many of its row of `count` sorted ones are below it, or not above it if `right`.

    Args:
        many: `each` values have a row of their own; else all have one.
    """
    b = builder("search", storage, result, "right" if right else "left", "rows" if many else "")
    ordered, values, out = b.buffer("ordered", storage), b.buffer("values", storage), b.buffer("out", result, True)
    n, count, each = b.size("n"), b.size("count"), b.size("each")

    def passes(value: Value, found: Value) -> Value:
        return ~below(value, found) if right else below(found, value)

    def row(i: Value) -> Any:
        return i.idiv(each) * count if many else b.const(0, "i64")

    with b.work((n + (TOGETHER - 1)).idiv(TOGETHER)) as item:
        start, length = stretch(n, item, TOGETHER)
        low, left = b.private("i64", TOGETHER), b.var(count)
        with b.loop(length, vector=True) as k:
            low[k] = row(start + k)
        with b.loop_while() as test:
            test(left.get() > 1)
            half = left.get() >> 1
            with b.loop(length, vector=True) as k:
                at = low[k]
                low[k] = passes(values[start + k], ordered[at + half - 1]).select(at + half, at)
            left.set(left.get() - half)
        with b.loop(length, vector=True) as k:
            at = low[k]
            passed = passes(values[start + k], ordered[at]).select(at + 1, at)
            out[start + k] = (passed - row(start + k)).cast(result)
    return compiled(b.finish())


def searchsorted(ordered: Array, values: Array, out_int32: bool, right: bool) -> Any:
    """For each of `values` how many of its row of `ordered` are below it, or not above it if `right`."""
    if ordered.dtype != values.dtype or ordered.dtype.kind not in "fiub" or not ordered.size or not values.size:
        return None
    rows, asked = whole(ordered), whole(values)
    result = np.dtype(np.int32 if out_int32 else np.int64)
    out = memory.empty(asked.shape, result)
    count = rows.shape[-1]
    kernel = search_kernel(memory_type(rows.dtype), memory_type(result), bool(right), rows.ndim > 1)
    integers = (asked.size, count, asked.shape[-1] if asked.ndim else 1)
    kernel.run((rows, asked, out, *integers), stretches(asked.size, TOGETHER), TOGETHER * count.bit_length())
    return out
