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

STEP = 2048
"""Blocks worked on at a time: state and product, three arrays of 32 KiB, stay in the second-level cache."""
CHUNK = 512
"""Blocks of a remembered chunk."""
SMALL = 128
"""Blocks of the largest draw served from chunks."""
KEPT = 8
"""Chunks remembered at a time."""

Array = np.ndarray[Any, Any]

_INDEX = np.arange(STEP, dtype=np.uint64)
_FACTORS = np.array(_philox.MULTIPLIERS, dtype=np.uint64).reshape(2, 1)
_MASK = np.uint64(_philox.MASK32)
_SHIFT = np.uint64(32)


@functools.lru_cache(maxsize=64)
def _keys(seed: int) -> list[Array]:
    return [np.array(pair, dtype=np.uint64).reshape(2, 1) for pair in _philox.round_keys(seed)]


def words(seed: int, offset: int, count: int) -> Array:
    """`count` words of the blocks from `offset` on: uint32."""
    blocks = (count + 3) // 4
    if (offset & _philox.MASK64) + blocks > _philox.MASK64:  # a carry inside: rare, and slow is fine
        return _philox.words(np, seed, offset, count).astype(np.uint32)
    found = np.empty((blocks, 4), dtype=np.uint32)
    high = offset >> 64 & _philox.MASK64
    n = min(blocks, STEP)
    # Rows (c0, c2), (c1, c3) and the products; the products' halves change rows between rounds.
    scratch = np.empty((3, 2, n), dtype=np.uint64)
    for start in range(0, blocks, STEP):
        stop = min(start + STEP, blocks)
        x, y, p = scratch[:, :, : stop - start]
        swapped = p[::-1]
        np.add(_INDEX[: stop - start], np.uint64((offset + start) & _philox.MASK64), out=p[0])
        np.bitwise_and(p[0], _MASK, out=x[0])
        np.right_shift(p[0], _SHIFT, out=y[0])
        x[1] = high & _philox.MASK32
        y[1] = high >> 32
        for key in _keys(seed):
            np.multiply(x, _FACTORS, out=p)
            np.right_shift(swapped, _SHIFT, out=x)
            np.bitwise_xor(x, y, out=x)
            np.bitwise_xor(x, key, out=x)
            np.bitwise_and(swapped, _MASK, out=y)
        part = found[start:stop]
        part[:, 0], part[:, 1], part[:, 2], part[:, 3] = x[0], y[0], x[1], y[1]
    return found.reshape(-1)[:count]


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
        if len(_chunks) >= KEPT:
            _chunks.pop(next(iter(_chunks)), None)
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


def _draw(what: str, make: Any, per_block: int, size: Any, seed: int, offset: int, dtype: Any) -> Array:
    count = math.prod(size)
    if count <= SMALL * per_block:
        return _small(what, make, per_block, seed, offset, count).copy().reshape(size)
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
    return _philox.uniforms(np, seed, offset, math.prod(size), dtype).reshape(size)


def _normal32(seed: int, offset: int, count: int) -> Array:
    pairs = (count + 1) // 2
    w = words(seed, offset, 2 * pairs)
    radius = w[0::2].astype(np.float32)
    radius += np.float32(0.5)
    radius *= np.float32(2.0**-32)
    np.log(radius, out=radius)
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    angle = np.right_shift(w[1::2], np.uint32(8)).view(np.int32).astype(np.float32)
    angle *= np.float32(_philox.TURN32)
    return _polar(radius, angle, count)


def _normal64(seed: int, offset: int, count: int) -> Array:
    pairs = (count + 1) // 2
    w = words(seed, offset, 4 * pairs).astype(np.uint64)
    radius = (_philox.wide_words(w[0::4], w[1::4]) + np.uint64(1)).astype(np.float64)
    radius *= 2.0**-53
    np.log(radius, out=radius)
    radius *= -2.0
    np.sqrt(radius, out=radius)
    angle = _philox.wide_words(w[2::4], w[3::4]).astype(np.float64)
    angle *= _philox.TURN64
    return _polar(radius, angle, count)


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
    return _philox.normals(np, seed, offset, math.prod(size), dtype).reshape(size)


def random_integers(size: Any, seed: int, offset: int, low: int, high: int, dtype: Any, index: int) -> Array:
    span = high - low
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
    order = keys.argsort()  # twice as fast as a stable sort, and the same unless keys are equal
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = keys.argsort(kind="stable")
    return order if dtype is _dtype.int64 else order.astype(dtype.numpy)


OWN = {
    "random_bits": random_bits,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "random_integers": random_integers,
    "random_permutation": random_permutation,
}
