# SPDX-License-Identifier: Apache-2.0
"""Philox 4x32-10 on arrays, and what its words become; `ops/random.py` specifies both bit by bit.

Functions of a NumPy-shaped module `xp`, so that one text serves the host and every NumPy-shaped backend. They are pure:
the same (seed, offset) gives the same numbers, and nothing is written into.

Source: Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011), for the rounds and
their constants; Box and Muller (1958) for normals; Lemire, "Fast Random Integer Generation in an Interval" (2019), for
bounded integers by the high half of a product.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _dtype
from ._dtype import dtype as dtype_type

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF

UNIFORM_BITS = {_dtype.float16: 11, _dtype.bfloat16: 8, _dtype.float32: 24}
"""Random bits of a uniform: what the significand holds, so that each value is exact and below 1."""

TURN32 = float(np.float32(2 * math.pi * 2**-24))
TURN64 = 2 * math.pi * 2**-53
HALF_ROOT = math.sqrt(0.5)


def round_keys(seed: int) -> list[tuple[int, int]]:
    """The two key words of each round: the low and high half of `seed`, stepped after each round."""
    k0, k1 = seed & MASK32, seed >> 32
    return [((k0 + i * KEY_STEPS[0]) & MASK32, (k1 + i * KEY_STEPS[1]) & MASK32) for i in range(ROUNDS)]


def words(xp: Any, seed: int, offset: int, count: int) -> Any:
    """The first `count` words of the blocks from `offset` on: uint64, each below 2^32.

    `seed` and `offset` may be uint64 scalars of the module, so that one that compiles does so for all of them.
    """
    halves = (offset & MASK64, offset >> 64 & MASK64) if isinstance(offset, int) else (offset, 0)
    start, above = (xp.asarray(half, dtype=xp.uint64) for half in halves)
    low = xp.arange((count + 3) // 4, dtype=xp.uint64) + start
    high = (low < start).astype(xp.uint64) + above  # the carry of the sum
    c0, c1, c2, c3 = low & MASK32, low >> 32, high & MASK32, high >> 32
    for k0, k1 in round_keys(seed):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & MASK32
    return xp.stack([c0, c1, c2, c3], axis=1).reshape(-1)[:count]


def wide_words(first: Any, second: Any) -> Any:
    """53-bit integers of pairs of words."""
    return (first >> 5) * (1 << 26) + (second >> 6)


def uniforms(xp: Any, seed: int, offset: int, count: int, dtype: dtype_type) -> Any:
    """`count` multiples of 2^-bits in [0, 1); complex dtypes have two independent parts."""
    if dtype.is_complex:
        return paired(xp, uniforms(xp, seed, offset, 2 * count, dtype.to_real()), dtype)
    if dtype is _dtype.float64:
        w = words(xp, seed, offset, 2 * count)
        return wide_words(w[0::2], w[1::2]).astype(xp.float64) * 2.0**-53
    bits = UNIFORM_BITS[dtype]
    u = (words(xp, seed, offset, count) >> (32 - bits)).astype(xp.float32) * 2.0**-bits
    return u if dtype is _dtype.float32 else u.astype(dtype.numpy)


def normals(xp: Any, seed: int, offset: int, count: int, dtype: dtype_type) -> Any:
    """`count` normals of mean 0 and variance 1, by Box and Muller; complex ones have half of it in each part."""
    if dtype.is_complex:
        return paired(xp, normals(xp, seed, offset, 2 * count, dtype.to_real()) * HALF_ROOT, dtype)
    pairs = (count + 1) // 2
    if dtype is _dtype.float64:
        w = words(xp, seed, offset, 4 * pairs)
        # one more than the integer: never 0, whose logarithm is infinite
        u = (wide_words(w[0::4], w[1::4]) + 1).astype(xp.float64) * 2.0**-53
        angle = wide_words(w[2::4], w[3::4]).astype(xp.float64) * TURN64
    else:
        w = words(xp, seed, offset, 2 * pairs)
        u = (w[0::2].astype(xp.float32) + 0.5) * 2.0**-32
        angle = (w[1::2] >> 8).astype(xp.float32) * TURN32
    radius = xp.sqrt(xp.log(u) * -2.0)
    z = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1).reshape(-1)[:count]
    return z if dtype.itemsize > 2 else z.astype(dtype.numpy)


def paired(xp: Any, parts: Any, dtype: dtype_type) -> Any:
    """Complex numbers of real and imaginary parts in turn."""
    return (parts[0::2] + parts[1::2] * 1j).astype(dtype.numpy)


def integers(xp: Any, seed: int, offset: int, count: int, low: int, high: int) -> Any:
    """`count` integers in [low, high): uint64, modulo 2^64."""
    span = high - low
    base = xp.asarray(np.uint64(low & MASK64))
    if span <= 1 << 32:
        w = words(xp, seed, offset, 2 * count)
        factor = xp.asarray(np.uint64(span))
        return ((w[0::2] * factor + (w[1::2] * factor >> 32)) >> 32) + base
    w = words(xp, seed, offset, 4 * count)
    if span == 1 << 64:
        return (w[0::4] << 32) + w[1::4] + base
    return _high_product([w[3::4], w[2::4], w[1::4], w[0::4]], span) + base


def _high_product(limbs: list[Any], span: int) -> Any:
    """`limbs` (32 bits each, least significant first) times `span`, without the lowest 128 bits of the product."""
    s0, s1 = span & MASK32, span >> 32
    carry: Any = 0
    product = []
    for limb in limbs:
        t = limb * s0 + carry
        product.append(t & MASK32)
        carry = t >> 32
    product.append(carry)
    carry = 0
    for i, limb in enumerate(limbs):
        t = limb * s1 + product[i + 1] + carry
        product[i + 1] = t & MASK32
        carry = t >> 32
    return (carry << 32) + product[4]


def permutation(xp: Any, seed: int, offset: int, count: int) -> Any:
    """The order that sorts `count` random 64-bit keys, equal keys in the order of their positions: int64."""
    w = words(xp, seed, offset, 2 * count)
    how = {"kind": "stable"} if xp is np else {}  # the only kind other modules have
    return xp.argsort((w[0::2] << 32) + w[1::2], **how).astype(xp.int64)


def scalar_words(seed: int, offset: int, count: int) -> list[int]:
    """`words` in plain integers, one block at a time: slow, and independent of the array form."""
    found: list[int] = []
    for block in range((count + 3) // 4):
        counter = offset + block & (1 << 128) - 1
        c = [counter >> 32 * i & MASK32 for i in range(4)]
        for k in round_keys(seed):
            p0, p1 = c[0] * MULTIPLIERS[0], c[2] * MULTIPLIERS[1]
            c = [p1 >> 32 ^ c[1] ^ k[0], p1 & MASK32, p0 >> 32 ^ c[3] ^ k[1], p0 & MASK32]
        found += c
    return found[:count]


# -- blocks a call takes ---------------------------------------------------------------------------------------------


def reals(count: int, dtype: dtype_type) -> tuple[int, int]:
    """(real numbers, words for each) of `count` elements."""
    return (2 * count if dtype.is_complex else count), (2 if dtype.to_real() is _dtype.float64 else 1)


def uniform_blocks(count: int, dtype: dtype_type) -> int:
    """Blocks that `count` uniforms take."""
    numbers, each = reals(count, dtype)
    return (numbers * each + 3) // 4


def normal_blocks(count: int, dtype: dtype_type) -> int:
    """Blocks that `count` normals take: they come in pairs."""
    numbers, each = reals(count, dtype)
    return ((numbers + 1) // 2 * 2 * each + 3) // 4


def integer_blocks(count: int, low: int, high: int) -> int:
    """Blocks that `count` bounded integers take: two words each, four for intervals of more than 2^32."""
    return (count + 1) // 2 if high - low <= 1 << 32 else count
