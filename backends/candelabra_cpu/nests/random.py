# SPDX-License-Identifier: Apache-2.0
"""Long Philox draws, by the kernels of the kit for loop nests."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from candelabra import _philox
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import sqrt
from candelabra_loops.random import BLOCKS, Stream, draw_kernel, per_block, stream_numbers

from .. import memory
from ..compile import CompiledKernel, compiled, target
from .common import Array, builder, stretch


@functools.cache
def _kernel(kind: str, storage: str, guarded: bool) -> CompiledKernel:
    return compiled(draw_kernel(kind, storage, guarded, target()))


def drawn(kind: str, count: int, seed: int, offset: int, dtype: Any, *more: Any) -> Array:
    """`count` numbers of a kind (see `DRAWS` there) and NumPy dtype, from a block of a stream on."""
    out = memory.empty((count,), dtype)
    storage = memory_type(out.dtype)
    each = per_block(kind, storage)
    whole, rest = divmod(count, each)
    head = (out, *stream_numbers(seed, offset))
    if whole:
        _kernel(kind, storage, False).run((*head, 0, whole, count, *more), -(-whole // BLOCKS), BLOCKS * 20)
    if rest:
        _kernel(kind, storage, True).run((*head, whole, 1, count, *more), 1)
    return out


PAIRS = 1 << 16
"""Pairs of normal numbers worked on at a time: what they are made of stays in the cache."""


@functools.cache
def polar_kernel() -> CompiledKernel:
    """Radii before their logarithm, and angles, of pairs of float32 normals; two of each a block."""
    b = builder("polar")
    radius, angle = b.buffer("radius", "f32", True), b.buffer("angle", "f32", True)
    stream, blocks = Stream(b), b.size("blocks")
    with b.work((blocks + (BLOCKS - 1)).idiv(BLOCKS)) as item:
        start, count = stretch(blocks, item, BLOCKS)
        with b.loop(count, vector=True) as j:
            block = start + j
            w = stream.block(block)
            for k in range(2):
                radius[block * 2 + k] = (w[2 * k].cast("f32") + 0.5) * 2.0**-32
                angle[block * 2 + k] = (w[2 * k + 1] >> 8).cast("i32").cast("f32") * _philox.TURN32
    return compiled(b.finish())


@functools.cache
def cartesian_kernel() -> CompiledKernel:
    """Pairs of normals from logarithms of radii, cosines and sines."""
    b = builder("cartesian")
    radius, cosine, sine = (b.buffer(name, "f32") for name in ("radius", "cosine", "sine"))
    out, pairs = b.buffer("out", "f32", True), b.size("pairs")
    with b.work(pairs) as i:
        size = sqrt(radius[i] * -2.0)
        out[i * 2] = size * cosine[i]
        out[i * 2 + 1] = size * sine[i]
    return compiled(b.finish())


def normals(count: int, seed: int, offset: int) -> Array:
    """float32 normals. NumPy takes logarithm, cosine and sine, so that long draws have the bits of short ones."""
    blocks = -(-count // 4)
    out = memory.empty((4 * blocks,), np.dtype(np.float32))
    radius, angle, cosine = (np.empty(min(PAIRS, 2 * blocks), np.float32) for _ in range(3))
    for start in range(0, blocks, PAIRS // 2):
        n = min(PAIRS // 2, blocks - start)
        r, a, c = radius[: 2 * n], angle[: 2 * n], cosine[: 2 * n]
        polar_kernel().run((r, a, *stream_numbers(seed, offset + start), n), -(-n // BLOCKS), BLOCKS * 20)
        np.log(r, out=r)
        np.cos(a, out=c)
        np.sin(a, out=a)
        cartesian_kernel().run((r, c, a, out[4 * start :], 2 * n), 2 * n)
    return out if count % 4 == 0 else out[:count].copy()
