# SPDX-License-Identifier: Apache-2.0
"""Matrix products by a plain kernel, for every dtype and target: a work item is a small tile of results."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.ir import Builder, Kernel, Target
from candelabra.compiler.nest import load, store

from .elements import (
    Register,
    buffer,
    ceil_div,
    computed_in,
    converted,
    number,
    parts,
    places_of,
    short_name,
    with_product,
)
from .look import Look
from .places import given, seen

SIDE = 4
"""Rows and columns of the results that a work item of the plain kernel computes."""

FEW = 4096
"""Results below which long sums are cut into parts, so that there is work for all."""

PART = 512
"""Terms of a part at least."""


class Product(NamedTuple):
    """Products of matrices (n, k) and (k, m), for each place in two loops.

    Attributes:
        batch: sizes of these loops.
        input, other: looks at the operands; their shapes mean nothing here.
        input_steps, other_steps: strides along the loops, then along rows and columns.
    """

    batch: tuple[int, int]
    n: int
    m: int
    k: int
    input: Look
    other: Look
    input_steps: tuple[int, ...]
    other_steps: tuple[int, ...]

    @property
    def items(self) -> int:
        """How many products there are."""
        return self.batch[0] * self.batch[1]


# -- kernel -------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def plain_kernel(dtype: np.dtype[Any], result: np.dtype[Any], target: Target) -> Kernel:
    """A work item is a tile of the results; `length` terms from each of `pieces` parts of k on.

    `out` has the parts as its first dim.
    """
    b = Builder(f"product_{short_name(dtype)}_{short_name(result)}", target)
    x, y, out = buffer(b, "x", dtype), buffer(b, "y", dtype), buffer(b, "out", result, True)
    outer, inner, n, m, k, pieces, length = (b.size(s) for s in ("outer", "inner", "n", "m", "k", "pieces", "length"))
    x_steps, y_steps = ([b.size(f"{a}{d}") for d in range(4)] for a in "xy")
    rows, columns = ceil_div(n, SIDE), ceil_div(m, SIDE)
    with b.work(pieces * outer * inner * rows * columns) as item:
        piece, i0, i1, row, column = places_of(item, [pieces, outer, inner, rows, columns])
        # Neighbouring work items have neighbouring columns, so that a card reads and writes whole lines.
        at_rows = [row * SIDE + i for i in range(SIDE)]
        at_columns = [column + columns * j for j in range(SIDE)]
        x_at = [i0 * x_steps[0] + i1 * x_steps[1] + ir.minimum(r, n - 1) * x_steps[2] for r in at_rows]
        y_at = [i0 * y_steps[0] + i1 * y_steps[1] + ir.minimum(c, m - 1) * y_steps[3] for c in at_columns]
        inside = computed_in(dtype)
        totals = [[Register(b, number(b, 0, inside)) for _ in at_columns] for _ in at_rows]
        start = piece * length
        with b.loop(ir.minimum(start + length, k), start) as t:
            xs = [load(x, at + t * x_steps[3], dtype) for at in x_at]
            ys = [load(y, at + t * y_steps[2], dtype) for at in y_at]
            for i, j in itertools.product(range(SIDE), range(SIDE)):
                totals[i][j].set(with_product(totals[i][j].get(), xs[i], ys[j], target))
        base = ((piece * outer + i0) * inner + i1) * n
        for i, j in itertools.product(range(SIDE), range(SIDE)):
            with b.when((at_rows[i] < n) & (at_columns[j] < m)):
                store(out, (base + at_rows[i]) * m + at_columns[j], converted(totals[i][j].get(), result), result)
    return b.finish()


def plain(backend: Any, p: Product, out: Look) -> None:
    """Products into contiguous `out`; long sums for few results in parts."""
    dtype, target = p.input.dtype, backend.target
    results = p.items * p.n * p.m
    pieces = min(p.k // PART, FEW // results) if results < FEW else 1
    beside = [plain_kernel(dtype, dtype, target), plain_kernel(dtype, computed_in(dtype), target)]
    if pieces <= 1:
        return _plain(backend, p, out, 1, p.k, beside)
    length = -(-p.k // pieces)
    pieces = -(-p.k // length)
    partial = backend.fresh((pieces, results), computed_in(dtype), out.index)
    _plain(backend, p, partial, pieces, length, beside)
    total = summed(backend, partial)
    backend.write(out, seen(cast(backend, total, dtype), out.shape, out.steps))
    return None


def _plain(backend: Any, p: Product, out: Look, pieces: int, length: int, beside: Sequence[Kernel]) -> None:
    made = plain_kernel(p.input.dtype, out.dtype, backend.target)
    arrays = [given(look, parts(look.dtype)) for look in (p.input, p.other, out)]
    integers = [*p.batch, p.n, p.m, p.k, pieces, length, *p.input_steps, *p.other_steps]
    count = pieces * p.items * -(-p.n // SIDE) * -(-p.m // SIDE)
    backend.launch(made, count, [*arrays, *integers], out.index, beside)


def summed(backend: Any, look: Look) -> Look:
    """Sum over the first dim, in the same dtype."""
    from candelabra._dtype import from_numpy_dtype

    total: Look = backend.kernel("sum", from_numpy_dtype(look.dtype))(look, (0,), False)
    return total


def cast(backend: Any, look: Look, dtype: np.dtype[Any]) -> Look:
    """The elements in another dtype."""
    from .places import converted as in_dtype

    return in_dtype(backend, look, dtype)
