# SPDX-License-Identifier: Apache-2.0
"""Constants and ranges made on the device."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from candelabra._dtype import FLOATING
from candelabra._shape import Shape
from candelabra.compiler.graph import storage_of
from candelabra.compiler.ir import Builder, Kernel, Target, Value, is_float, value_type
from candelabra.op import ops

from ._kernel import kernel
from .look import Look
from .moving import copy_into
from .places import WORDS, given, seen

# -- constants -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def fill_kernel(word: str, target: Target) -> Kernel:
    """Every word the same, or `other` in every second place."""
    b = Builder(f"fill_{word}", target)
    out = b.buffer("out", word, True)
    n, bits, other = b.size("n"), b.size("bits"), b.size("other")
    count, width = chunks(b, n)
    with b.work(count) as item, turns(b, item, n, width) as i:
        out[i] = (i & 1).eq(0).select(bits, other).cast(word)
    return b.finish()


def chunks(b: Builder, n: Value) -> tuple[Value, Value]:
    """(work items for `n` elements, elements each): a stretch each where the target has rows, else one."""
    width = b.const(4096 if b.target.rows else 1, "i64")
    return ((n + (width - 1)).idiv(width) if b.target.rows else n), width


def chunk_count(n: int, target: Target) -> int:
    """On the host: the work items of `chunks`."""
    return -(-n // 4096) if target.rows else n


def turns(b: Builder, item: Value, n: Value, width: Value) -> Any:
    """The elements of a work item, one after another."""
    import contextlib

    @contextlib.contextmanager
    def loop() -> Any:
        if not b.target.rows:
            yield item
            return
        start = item * width
        left = n - start
        with b.loop((left < width).select(left, width), vector=True) as j:
            yield start + j

    return loop()


def filled(backend: Any, size: Shape, value: Any, dtype: np.dtype[Any], index: int) -> Look:
    """Fresh elements of one value, converted as NumPy does."""
    with np.errstate(all="ignore"):
        bits = np.full((), value).astype(dtype).tobytes()
    out: Look = backend.fresh(tuple(size), dtype, index)
    nbytes = out.size * dtype.itemsize
    if nbytes % 8 == 0 and len(bits) < 8:
        bits *= 8 // len(bits)
    wide = min(len(bits), 8)
    numbers = [int.from_bytes(bits[i : i + wide], "little", signed=True) for i in range(0, len(bits), wide)]
    count = nbytes // wide
    beside = (fill_kernel(word, backend.target) for word in WORDS.values())
    args = [given(out), count, numbers[0], numbers[-1]]
    backend.launch(fill_kernel(WORDS[wide], backend.target), chunk_count(count, backend.target), args, index, beside)
    return out


def single(backend: Any, value: Any, like: Look) -> Look:
    """A number or 0-d look as one element of the dtype of `like`, shape ()."""
    return value if isinstance(value, Look) else filled(backend, (), value, like.dtype, like.index)


@kernel
def full(backend: Any, size: Any, fill_value: Any, dtype: Any, index: int) -> Look:
    return filled(backend, tuple(size), fill_value, dtype.numpy, index)


@kernel
def empty(backend: Any, size: Any, dtype: Any, index: int) -> Look:
    return backend.allocate(tuple(size), dtype, index)


@kernel
def eye(backend: Any, size: Any, dtype: Any, index: int) -> Look:
    rows, columns = size
    out = filled(backend, (rows, columns), 0, dtype.numpy, index)
    diagonal = seen(out, (min(rows, columns),), (columns + 1,))
    copy_into(backend, diagonal, filled(backend, (), 1, dtype.numpy, index))
    return out


# -- ranges --------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def range_kernel(storage: str, target: Target) -> Kernel:
    """`start + i * step` below `half`, `end - (n - 1 - i) * step` from there on; in i64 or f64."""
    from candelabra.compiler.scalars.conversion import real_cast

    wide = "f64" if is_float(storage) else "i64"
    b = Builder(f"range_{storage}", target)
    out = b.buffer("out", storage, True)
    n, half = b.size("n"), b.size("half")
    start, end, step = (b.scalar(name, wide) for name in ("start", "end", "step"))
    count, width = chunks(b, n)
    with b.work(count) as item, turns(b, item, n, width) as i:
        up, down = i.cast(wide) * step + start, end - (n - 1 - i).cast(wide) * step
        out[i] = (
            (i < half).select(up, down).cast(value_type(storage))
            if wide == storage
            else real_cast((i < half).select(up, down), storage)
        )
    return b.finish()


def ranged(backend: Any, n: int, half: int, numbers: list[Any], dtype: Any, index: int) -> Look | None:
    """A range of a dtype that the device computes in the wide type of, else None."""
    storage = storage_of(dtype.numpy)
    if dtype.is_complex or dtype.is_storage_only or (dtype.category == FLOATING and not backend.target.doubles):
        return None
    out: Look = backend.fresh((n,), dtype.numpy, index)
    beside = [range_kernel(s, backend.target) for s in ("i64", "f32")] if backend.target.doubles else []
    made = range_kernel(storage, backend.target)
    backend.launch(made, chunk_count(n, backend.target), [given(out), n, half, *numbers], index, beside)
    return out


def by_host(name: str, backend: Any, *args: Any) -> Look:
    """A factory's result, made on the host and copied."""
    return ops[name].host_kernel(backend, *args)


@kernel
def arange(backend: Any, size: Any, start: Any, step: Any, dtype: Any, index: int) -> Look:
    whole = dtype.category < FLOATING
    if not whole or (isinstance(start, int) and isinstance(step, int)):
        convert = int if whole else float
        if not isinstance(start, complex) and not isinstance(step, complex):
            numbers = [convert(start), convert(0), convert(step)]
            found = ranged(backend, math.prod(size), math.prod(size), numbers, dtype, index)
            if found is not None:
                return found
    return by_host("arange", backend, size, start, step, dtype, index)


@kernel
def linspace(backend: Any, size: Any, start: Any, end: Any, dtype: Any, index: int) -> Look:
    n = math.prod(size)
    if dtype.category == FLOATING and not isinstance(start, complex) and not isinstance(end, complex):
        step = (end - start) / (n - 1) if n > 1 else 0.0
        found = ranged(backend, n, n // 2 if n > 1 else n, [float(start), float(end), step], dtype, index)
        if found is not None:
            return found
    return by_host("linspace", backend, size, start, end, dtype, index)
