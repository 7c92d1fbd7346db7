# SPDX-License-Identifier: Apache-2.0
"""Philox streams in place, on scratch that stays in the cache; small draws are read off a chunk computed before.

Numbers are those of the shared kernels. A stream is a pure function of (seed, offset), so what a small draw needs has
most often been worked out with the draw before it: chunks of `CHUNK` blocks, aligned in the stream, are kept by what
they hold. Sixteen numbers so cost a look-up and a copy instead of ten rounds of five NumPy calls.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra import _dtype, _philox

from ..choice import mode, size_from

STEP = 8192
"""Blocks worked on at a time: state and product, 384 KiB, stay in the second-level cache."""
CHUNK = 1024
"""Blocks of a remembered chunk."""
SMALL = 128
"""Blocks of the largest draw served from chunks."""
KEPT = 8
"""Chunks remembered at a time."""
MUCH = size_from(16384)
"""Numbers from which a draw is compiled."""

Array = np.ndarray[Any, Any]

_INDEX = np.arange(STEP, dtype=np.uint64)
_M0, _M1 = (np.uint64(m) for m in _philox.MULTIPLIERS)
_MASK = np.uint64(_philox.MASK32)
_SHIFT = np.uint64(32)


@functools.lru_cache(maxsize=64)
def _keys(seed: int) -> list[tuple[np.uint64, np.uint64]]:
    return [(np.uint64(k0), np.uint64(k1)) for k0, k1 in _philox.round_keys(seed)]


def words(seed: int, offset: int, count: int) -> Array:
    """`count` words of the blocks from `offset` on: uint32."""
    if count >= MUCH:
        return _compiled("bits", count, seed, offset, np.uint32)
    blocks = (count + 3) // 4
    if (offset & _philox.MASK64) + blocks > _philox.MASK64:  # a carry inside: rare, and slow is fine
        return _philox.words(np, seed, offset, count).astype(np.uint32)
    found = np.empty((blocks, 4), dtype=np.uint32)
    high = offset >> 64 & _philox.MASK64
    scratch = np.empty((3, 2 * min(blocks, STEP)), dtype=np.uint64)
    for start in range(0, blocks, STEP):
        n = min(STEP, blocks - start)
        # Flat arrays of (c0, c2), (c1, c3) and the products: NumPy is twice as fast on one dim as on broadcast two.
        x, y, p = scratch[:, : 2 * n]
        x0, x1, y0, p0, p1 = x[:n], x[n:], y[:n], p[:n], p[n:]
        np.add(_INDEX[:n], np.uint64((offset + start) & _philox.MASK64), out=p0)
        np.bitwise_and(p0, _MASK, out=x0)
        np.right_shift(p0, _SHIFT, out=y0)
        x1.fill(high & _philox.MASK32)
        y[n:].fill(high >> 32)
        for k0, k1 in _keys(seed):
            np.multiply(x1, _M1, out=p0)  # the products change places here, so that the rest is flat
            np.multiply(x0, _M0, out=p1)
            np.right_shift(p, _SHIFT, out=x)
            np.bitwise_xor(x, y, out=x)
            np.bitwise_xor(x0, k0, out=x0)
            np.bitwise_xor(x1, k1, out=x1)
            np.bitwise_and(p, _MASK, out=y)
        part = found[start : start + n]
        part[:, 0], part[:, 1], part[:, 2], part[:, 3] = x0, y0, x1, y[n:]
    return found.reshape(-1)[:count]


def _compiled(kind: str, count: int, seed: int, offset: int, dtype: Any, *more: float) -> Array:
    from ..nests.random import drawn

    return drawn(kind, count, seed, offset, dtype, *more)


# -- small draws -----------------------------------------------------------------------------------------------------

_chunks: dict[tuple[Any, int, int], Array] = {}


def _small(what: Any, make: Callable[..., Array], per_block: int, seed: int, offset: int, count: int) -> Array:
    """`count` numbers of `make(seed, offset, count)`, of which each block gives `per_block`; a view, not to be kept."""
    within = offset % CHUNK
    blocks = -(-count // per_block)
    if within + blocks > CHUNK:
        return make(seed, offset, count)
    key = (what, seed, offset - within)
    chunk = _chunks.get(key)
    if chunk is None:
        chunk = make(seed, offset - within, CHUNK * per_block)
        for oldest in list(_chunks)[: max(0, len(_chunks) - KEPT + 1)]:  # other threads may be at it too
            _chunks.pop(oldest, None)
        _chunks[key] = chunk
    return chunk[within * per_block : within * per_block + count]


def _by_steps(make: Callable[..., Array], per_block: int, seed: int, offset: int, count: int, dtype: Any) -> Array:
    """`make` over a long draw, a stretch at a time while its words are in the cache."""
    if count <= STEP * per_block:
        return make(seed, offset, count)
    found = np.empty(count, dtype)
    for start in range(0, count, STEP * per_block):
        stop = min(start + STEP * per_block, count)
        found[start:stop] = make(seed, offset + start // per_block, stop - start)
    return found


COMPILED = {"bits": "bits", "uniform32": "uniform", "uniform64": "uniform"}
"""Draws that are compiled as a whole."""


def _draw(what: str, make: Any, per_block: int, size: Any, seed: int, offset: int, dtype: Any) -> Array:
    count = math.prod(size)
    if count >= MUCH and what in COMPILED:
        return _compiled(COMPILED[what], count, seed, offset, dtype).reshape(size)
    if count <= SMALL * per_block:
        return _small(what, make, per_block, seed, offset, count).copy().reshape(size)
    if what.startswith("normal") and mode() != "numpy":
        return make(seed, offset, count).reshape(size)
    return _by_steps(make, per_block, seed, offset, count, dtype).reshape(size)


# -- kernels ---------------------------------------------------------------------------------------------------------


def random_bits(size: Any, seed: int, offset: int, dtype: Any, index: int) -> Array:
    found = _draw("bits", words, 4, size, seed, offset, np.uint32)
    return found if dtype is _dtype.uint32 else found.astype(dtype.numpy)


def _uniform32(seed: int, offset: int, count: int) -> Array:
    u = np.right_shift(words(seed, offset, count), np.uint32(8)).view(np.int32).astype(np.float32)
    u *= np.float32(2.0**-24)
    return u


def _uniform64(seed: int, offset: int, count: int) -> Array:
    w = words(seed, offset, 2 * count).astype(np.uint64)
    u = _philox.wide_words(w[0::2], w[1::2]).astype(np.float64)
    u *= 2.0**-53
    return u


def random_uniform(size: Any, seed: int, offset: int, dtype: Any, index: int) -> Array:
    if dtype is _dtype.float32:
        return _draw("uniform32", _uniform32, 4, size, seed, offset, np.float32)
    if dtype is _dtype.float64:
        return _draw("uniform64", _uniform64, 2, size, seed, offset, np.float64)
    if dtype.is_complex:
        parts = random_uniform((2 * math.prod(size),), seed, offset, dtype.to_real(), index)
        return _philox.paired(np, parts, dtype).reshape(size)
    if (count := math.prod(size)) >= MUCH:
        return _compiled("uniform", count, seed, offset, dtype.numpy).reshape(size)
    make = functools.partial(_narrow, _philox.UNIFORM_BITS[dtype], dtype.numpy)
    return _by_steps(make, 4, seed, offset, math.prod(size), dtype.numpy).reshape(size)


def _narrow(bits: int, dtype: Any, seed: int, offset: int, count: int) -> Array:
    u = np.right_shift(words(seed, offset, count), np.uint32(32 - bits)).view(np.int32).astype(np.float32)
    u *= np.float32(2.0**-bits)
    return u.astype(dtype)


def _normal32(seed: int, offset: int, count: int) -> Array:
    if mode() != "numpy":  # the logarithm, cosine and sine of every device that compiles: one stream, the same bits
        return _compiled("normal", count, seed, offset, np.float32, 1.0)
    pairs = (count + 1) // 2
    w = words(seed, offset, 2 * pairs)
    radius = (w[0::2].astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    angle = np.right_shift(w[1::2], np.uint32(8)).view(np.int32).astype(np.float32) * np.float32(_philox.TURN32)
    return _polar(np.sqrt(np.log(radius) * np.float32(-2.0)), angle, count)


def _normal64(seed: int, offset: int, count: int) -> Array:
    if mode() != "numpy":
        return _compiled("normal", count, seed, offset, np.float64, 1.0)
    pairs = (count + 1) // 2
    w = words(seed, offset, 4 * pairs).astype(np.uint64)
    radius = (_philox.wide_words(w[0::4], w[1::4]) + np.uint64(1)).astype(np.float64) * 2.0**-53
    angle = _philox.wide_words(w[2::4], w[3::4]).astype(np.float64) * _philox.TURN64
    return _polar(np.sqrt(np.log(radius) * -2.0), angle, count)


def _polar(radius: Array, angle: Array, count: int) -> Array:
    found = np.empty(2 * len(radius), radius.dtype)
    np.multiply(radius, np.cos(angle), out=found[0::2])
    np.multiply(radius, np.sin(angle), out=found[1::2])
    return found[:count]


def random_normal(size: Any, seed: int, offset: int, dtype: Any, index: int) -> Array:
    if dtype is _dtype.float32:
        return _draw("normal32", _normal32, 4, size, seed, offset, np.float32)
    if dtype is _dtype.float64:
        return _draw("normal64", _normal64, 2, size, seed, offset, np.float64)
    if dtype.is_complex:
        parts = random_normal((2 * math.prod(size),), seed, offset, dtype.to_real(), index)
        return _philox.paired(np, parts * parts.dtype.type(_philox.HALF_ROOT), dtype).reshape(size)
    return random_normal(size, seed, offset, _dtype.float32, index).astype(dtype.numpy)


def random_integers(size: Any, seed: int, offset: int, low: int, high: int, dtype: Any, index: int) -> Array:
    span = high - low
    if span <= 1 << 32 and math.prod(size) >= MUCH:
        wrapped = (low + (1 << 63)) % (1 << 64) - (1 << 63)
        found = _compiled("bounded", math.prod(size), seed, offset, np.int64, wrapped, span)
        return (found if dtype is _dtype.int64 else found.astype(dtype.numpy)).reshape(size)
    if span > 1 << 32:
        found = _philox.integers(np, seed, offset, math.prod(size), low, high).view(np.int64)
        return found.astype(dtype.numpy).reshape(size)
    count = math.prod(size)
    factor, base = np.uint64(span), np.int64(low)

    def make(seed: int, offset: int, count: int) -> Array:
        if count <= 2 * SMALL:
            w = _small("bits", words, 4, seed, offset, 2 * count)
        else:
            w = words(seed, offset, 2 * count)
        low_part = w[1::2] * factor
        low_part >>= _SHIFT
        low_part += w[0::2] * factor
        low_part >>= _SHIFT
        found = low_part.view(np.int64)
        if low:
            found += base
        return found

    if count <= 2 * STEP:
        found = make(seed, offset, count)
        return (found if dtype is _dtype.int64 else found.astype(dtype.numpy)).reshape(size)
    return _by_steps(make, 2, seed, offset, count, dtype.numpy).reshape(size)


def random_permutation(size: Any, seed: int, offset: int, dtype: Any, index: int) -> Array:
    (count,) = size
    keys = _small("bits", words, 4, seed, offset, 2 * count) if count <= 2 * SMALL else words(seed, offset, 2 * count)
    keys = (keys[0::2].astype(np.uint64) << _SHIFT) | keys[1::2]
    if not 512 < count <= 1 << 20:
        return keys.argsort(kind="stable").astype(dtype.numpy, copy=False)
    # Sorting upper halves with the index below them is four times as fast, and says the same unless they are equal.
    bits = np.uint64(count.bit_length())
    packed = keys >> bits
    packed <<= bits
    packed |= np.arange(count, dtype=np.uint64)
    packed.sort()
    upper = packed >> bits
    if (upper[1:] == upper[:-1]).any():
        return keys.argsort(kind="stable").astype(dtype.numpy)
    packed ^= upper << bits
    return packed.view(np.int64) if dtype is _dtype.int64 else packed.astype(dtype.numpy)


OWN: dict[str, Callable[..., Any]] = {
    "random_bits": random_bits,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "random_integers": random_integers,
    "random_permutation": random_permutation,
}
