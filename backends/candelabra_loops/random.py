# SPDX-License-Identifier: Apache-2.0
"""Philox streams on the device: a block of four words at a time. `ops/random.py` specifies every bit; the constants are
those of `candelabra._philox`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from candelabra import _philox
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value, sqrt, value_type

from ._kernel import kernel
from .look import Look
from .order import ordered
from .places import converted, given

BLOCKS = 1024
"""Blocks that one work item makes where the target has rows."""

# -- words ---------------------------------------------------------------------------------------------------------------


class Stream:
    """In a kernel: the blocks of a call, by number. Its parameters are the key and the first counter, in 32-bit halves."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.keys = [b.size("key0").cast("u32"), b.size("key1").cast("u32")]
        self.counter = [b.size(f"counter{i}").cast("u64") for i in range(4)]

    def block(self, number: Value) -> list[Value]:
        """The four words of a block, u32."""
        low, high = (self.counter[i] | (self.counter[i + 1] << 32) for i in (0, 2))
        here = low + number.cast("u64")
        above = high + (here < low).cast("u64")
        c = [part.cast("u32") for part in (here & MASK, here >> 32, above & MASK, above >> 32)]
        k0, k1 = self.keys
        for _ in range(_philox.ROUNDS):
            p0, p1 = (
                c[i].cast("u64") * self.b.const(m, "u64") for i, m in zip((0, 2), _philox.MULTIPLIERS, strict=True)
            )
            c = [
                (p1 >> 32).cast("u32") ^ c[1] ^ k0,
                (p1 & MASK).cast("u32"),
                (p0 >> 32).cast("u32") ^ c[3] ^ k1,
                (p0 & MASK).cast("u32"),
            ]
            k0, k1 = k0 + _philox.KEY_STEPS[0], k1 + _philox.KEY_STEPS[1]
        return c


MASK = _philox.MASK32


def stream_numbers(seed: int, offset: int) -> list[int]:
    """Values for the parameters of a `Stream`."""
    return [seed & MASK, seed >> 32, *[offset >> 32 * i & MASK for i in range(4)]]


# -- what becomes of a block -----------------------------------------------------------------------------------------------

Numbers = Callable[[Builder, list[Value], str, Sequence[Value]], list[Value]]


def _bits(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    return [word.cast(storage) for word in w]


def _wide(first: Value, second: Value) -> Value:
    """A 53-bit integer of two words, i64."""
    return ((first >> 5).cast("i64") << 26) + (second >> 6).cast("i64")


def _uniform(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    if storage == "f64":
        return [_wide(w[i], w[i + 1]).cast("f64") * 2.0**-53 for i in (0, 2)]
    kept = {"f32": 24, "f16": 11, "bf16": 8}[storage]
    return [(word >> (32 - kept)).cast("i32").cast("f32") * 2.0**-kept for word in w]


def _normal(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    if storage == "f64":
        pairs = [((_wide(w[0], w[1]) + 1).cast("f64") * 2.0**-53, _wide(w[2], w[3]).cast("f64") * _philox.TURN64)]
    else:
        pairs = [((w[i].cast("f32") + 0.5) * 2.0**-32, (w[i + 1] >> 8).cast("f32") * _philox.TURN32) for i in (0, 2)]
    return [number * more[0] for u, angle in pairs for number in _polar(u, angle)]


def _polar(u: Value, angle: Value) -> list[Value]:
    from candelabra.compiler.scalar import SCALAR

    radius = sqrt(SCALAR["log"](u) * -2.0)
    return [radius * SCALAR["cos"](angle), radius * SCALAR["sin"](angle)]


def _bounded(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    low, span = more[0], more[1].cast("u64")
    wide = [word.cast("u64") for word in w]
    return [(((wide[i] * span + (wide[i + 1] * span >> 32)) >> 32).cast("i64") + low) for i in (0, 2)]


def _far_bounded(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    """The words times `span` (its halves, and whether it is 2^64), without the lowest 128 bits of the product."""
    low, s0, s1, whole = more[0], more[1].cast("u64"), more[2].cast("u64"), more[3].ne(0)
    limbs = [word.cast("u64") for word in reversed(w)]
    carry: Value = b.const(0, "u64")
    product = []
    for limb in limbs:
        t = limb * s0 + carry
        product.append(t & MASK)
        carry = t >> 32
    product.append(carry)
    carry = b.const(0, "u64")
    for i, limb in enumerate(limbs):
        t = limb * s1 + product[i + 1] + carry
        product[i + 1] = t & MASK
        carry = t >> 32
    found = (carry << 32) + product[4]
    return [whole.select((limbs[3] << 32) + limbs[2], found).cast("i64") + low]


def _keys(b: Builder, w: list[Value], storage: str, more: Sequence[Value]) -> list[Value]:
    return [(w[i].cast("u64") << 32) | w[i + 1].cast("u64") for i in (0, 2)]


class Draw(NamedTuple):
    """A kind of numbers: how a block becomes some, and the kernel's further parameters ("f" for one of the result's
    type, else i64)."""

    numbers: Numbers
    params: str
    storages: tuple[str, ...]


DRAWS = {
    "bits": Draw(_bits, "", ("u32",)),
    "uniform": Draw(_uniform, "", ("f32",)),
    "normal": Draw(_normal, "f", ("f32",)),
    "bounded": Draw(_bounded, "ii", ("i64",)),
    "far_bounded": Draw(_far_bounded, "iiii", ("i64",)),
    "keys": Draw(_keys, "", ("u64",)),
}


@functools.lru_cache(maxsize=64)
def draw_kernel(kind: str, storage: str, guarded: bool, target: Target) -> Kernel:
    """Numbers of whole blocks from `first` on; with `guarded`, those before `n`."""
    draw, type = DRAWS[kind], value_type(storage)
    # Formulas depend on what is cheap and native; here they must not, or streams would differ in their last bits.
    same = dataclasses.replace(target, fma=True, natives=frozenset())
    b = Builder(f"random_{kind}_{storage}{'_end' if guarded else ''}", same)
    out = b.buffer("out", storage, True)
    stream = Stream(b)
    first, blocks, n = b.size("first"), b.size("blocks"), b.size("n")
    more = [b.scalar(f"x{i}", type if p == "f" else "i64") for i, p in enumerate(draw.params)]

    def made(block: Value) -> None:
        numbers = draw.numbers(b, stream.block(block), storage, more)
        for k, number in enumerate(numbers):
            _put(b, out, block * len(numbers) + k, number, n if guarded else None)

    if guarded:
        with b.work(blocks) as i:
            made(first + i)
    else:
        with b.work((blocks + (BLOCKS - 1)).idiv(BLOCKS)) as item:
            start = item * BLOCKS
            left = blocks - start
            with b.loop((left < BLOCKS).select(left, BLOCKS), vector=True) as i:
                made(first + start + i)
    return b.finish()


def _put(b: Builder, out: Buffer, place: Value, number: Value, end: Value | None) -> None:
    if end is None:
        out[place] = number
        return
    with b.when(place < end):
        out[place] = number


def per_block(kind: str, storage: str) -> int:
    """Numbers of a block."""
    if kind in ("bounded", "keys"):
        return 2
    if kind == "far_bounded":
        return 1
    return 2 if storage == "f64" else 4


def drawn(backend: Any, kind: str, size: Any, seed: int, offset: int, dtype: Any, index: int, *more: Any) -> Look:
    """Fresh elements of a NumPy dtype; complex ones are two numbers each."""
    out: Look = backend.fresh(tuple(size), dtype, index)
    n = out.size * (2 if dtype.kind == "c" else 1)
    if not n:
        return out
    storage, target = memory_type(dtype), backend.target
    each = per_block(kind, storage)
    whole = n // each if target.rows else 0
    rest = -(-n // each) - whole
    head = [given(out, 2 if dtype.kind == "c" else 1), *stream_numbers(seed, offset)]
    kinds = [k for k in DRAWS if k == kind or k != "normal"]  # building that is slow
    beside = (draw_kernel(k, s, g, target) for k in kinds for s in DRAWS[k].storages for g in ENDS[target.rows])
    if whole:
        args = [*head, 0, whole, n, *more]
        backend.launch(draw_kernel(kind, storage, False, target), -(-whole // BLOCKS), args, index, beside)
    if rest:
        args = [*head, whole, rest, n, *more]
        backend.launch(draw_kernel(kind, storage, True, target), rest, args, index, beside)
    return out


ENDS = {True: (False, True), False: (True,)}
"""Kernels for whole blocks, and for those that may end early, by whether the target has rows."""

# -- kernels -----------------------------------------------------------------------------------------------------------------


@kernel
def random_bits(backend: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Look:
    return drawn(backend, "bits", size, seed, offset, dtype.numpy, index)


@kernel
def random_uniform(backend: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Look:
    return drawn(backend, "uniform", size, seed, offset, dtype.numpy, index)


@kernel
def random_normal(backend: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Look:
    scale = _philox.HALF_ROOT if dtype.is_complex else 1.0
    return drawn(backend, "normal", size, seed, offset, dtype.numpy, index, scale)


@kernel
def random_integers(
    backend: Any, size: Any, seed: int, offset: int, low: int, high: int, dtype: Any, index: int
) -> Look:
    span, whole = high - low, np.dtype(np.int64)
    base = (low + (1 << 63)) % (1 << 64) - (1 << 63)
    if span <= 1 << 32:
        found = drawn(backend, "bounded", size, seed, offset, whole, index, base, span)
    else:
        halves = span & MASK, span >> 32 & MASK, int(span == 1 << 64)
        found = drawn(backend, "far_bounded", size, seed, offset, whole, index, base, *halves)
    return converted(backend, found, dtype.numpy)


@kernel
def random_permutation(backend: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Look:
    keys = drawn(backend, "keys", size, seed, offset, np.dtype(np.uint64), index)
    return converted(backend, ordered(backend, keys, 64)[1], dtype.numpy)
