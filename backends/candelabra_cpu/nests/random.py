# SPDX-License-Identifier: Apache-2.0
"""Long Philox draws, by the kernels of the kit for loop nests."""

from __future__ import annotations

import functools
from typing import Any

from candelabra.compiler.graph import memory_type
from candelabra_loops.random import BLOCKS, draw_kernel, per_block, stream_numbers

from .. import memory
from ..compile import CompiledKernel, compiled, target
from .common import Array


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
