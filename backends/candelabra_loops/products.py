# SPDX-License-Identifier: Apache-2.0
"""Matrix products, of operands with whatever strides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from candelabra._shape import Shape, broadcast_shapes, contiguous_strides
from candelabra.compiler import definitions
from candelabra.compiler.graph import coalesced

from . import panels, tiles
from ._kernel import kernel
from .elements import SHORT
from .look import Look
from .places import seen
from .plain import Product, cast, plain

# -- operands ------------------------------------------------------------------------------------------------------------

LINES = 1 << 14
"""Products with a vector from which a reduction is built for them."""


@kernel
def matmul(backend: Any, input: Look, other: Look) -> Look:
    if backend.target.rows and input.dtype.name in SHORT and input.size * other.shape[-1] >= panels.LEAST:
        # Converted once, not for each use.
        wide = np.dtype(np.float32)
        return cast(backend, matmul(backend, cast(backend, input, wide), cast(backend, other, wide)), input.dtype)
    a, b = _matrix(input, True), _matrix(other, False)
    n, k, m = a.shape[-2], a.shape[-1], b.shape[-1]
    batch = broadcast_shapes("matmul", a.shape[:-2], b.shape[:-2])
    shape = (*batch, *input.shape[-2:-1], *(other.shape[-1:] if len(other.shape) > 1 else ()))
    out: Look = backend.fresh(shape, input.dtype, input.index)
    if out.size:
        for product, offset in products(a, b, batch, n, m, k):
            multiply(backend, product, seen(out, (product.items * n * m,), (1,), offset))
    return out


def multiply(backend: Any, product: Product, out: Look) -> None:
    """Products into contiguous `out`."""
    if panels.pays(product, backend.target):
        return panels.multiply(backend, product, out)
    if tiles.pays(product, backend.target):
        return tiles.multiply(backend, product, out)
    if min(product.n, product.m) == 1 and product.n * product.m * product.k >= LINES:
        return lines(backend, product, out)
    return plain(backend, product, out)


def lines(backend: Any, p: Product, out: Look) -> None:
    """Products of which one operand is a vector, as the reductions that they are."""
    (x, x_steps), (y, y_steps) = (p.input, p.input_steps), (p.other, (*p.other_steps[:2], *p.other_steps[:1:-1]))
    rows = p.n
    if p.n == 1:
        (x, x_steps), (y, y_steps), rows = (y, y_steps), (x, x_steps), p.m
    looks = [seen(x, (*p.batch, rows, p.k), x_steps), seen(y, (*p.batch, 1, p.k), y_steps)]
    found = backend.defined(definitions.dot_lines)(*looks)
    backend.write(out, seen(found, out.shape, out.steps))


def _matrix(look: Look, is_row: bool) -> Look:
    """A vector as a matrix of one row or column."""
    if len(look.shape) > 1:
        return look
    (n,), (step,) = look.shape, look.steps
    return seen(look, (1, n) if is_row else (n, 1), (0, step) if is_row else (step, 0))


def products(a: Look, b: Look, batch: Shape, n: int, m: int, k: int) -> Iterator[tuple[Product, int]]:
    """(products over two loops, offset of their results) that make up a batched product."""
    a_steps, b_steps = _batch_steps(a, len(batch)), _batch_steps(b, len(batch))
    rows = n
    if not any(b_steps):  # one matrix for all: the batch is more rows
        sizes, (a_all, _) = coalesced((*batch, n), [(*a_steps, a.steps[-2]), contiguous_strides((*batch, n))])
        if len(sizes) <= 1:
            rows, batch, a_steps, b_steps = math.prod((*batch, n)), (), (), ()
            a = seen(a, a.shape, (*a.steps[:-2], a_all[0] if sizes else 0, a.steps[-1]))
    sizes, (a_batch, b_batch) = coalesced(batch, [a_steps, b_steps])
    pad = [0] * (2 - len(sizes))
    inner = (*[1] * len(pad), *sizes)[-2:]
    x_steps = (*[*pad, *a_batch][-2:], *a.steps[-2:])
    y_steps = (*[*pad, *b_batch][-2:], *b.steps[-2:])
    outer = sizes[:-2]
    each = math.prod(inner) * rows * m
    for turn, at in enumerate(itertools.product(*map(range, outer))):
        x_at, y_at = (sum(i * s for i, s in zip(at, steps, strict=False)) for steps in (a_batch, b_batch))
        x, y = seen(a, (), (), x_at), seen(b, (), (), y_at)
        yield Product((inner[0], inner[1]), rows, m, k, x, y, x_steps, y_steps), turn * each


def _batch_steps(look: Look, dims: int) -> tuple[int, ...]:
    steps = [0 if n == 1 else s for n, s in zip(look.shape[:-2], look.steps[:-2], strict=True)]
    return (*[0] * (dims - len(steps)), *steps)
