# SPDX-License-Identifier: Apache-2.0
"""Random tensors: the same seed gives the same numbers on every backend.

The ops here (`random_bits`, `random_uniform`, ...) are pure functions of a seed and an offset; the functions of
`drawing`, `sampling` and `random_filling` take both from a generator (`_random.py`). What follows is the whole of what a backend has to agree with.

**Words.** Philox 4x32-10 turns a counter of four 32-bit words and a key of two into a block of four 32-bit words. The
key is the seed, low half first. The counter of block b of a call is the 128-bit number `offset + b` modulo 2^128, least
significant word first; offsets of generators stay below 2^64, so their two upper words are 0. One round maps
(c0, c1, c2, c3) to (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)), with hi and lo the halves of a
64-bit product, M0 = D2511F53, M1 = CD9E8D57 (hexadecimal); there are ten rounds, and after each k0 and k1 grow by
9E3779B9 and BB67AE85 modulo 2^32. Word w of a call is word w mod 4 of block w div 4. Elements are numbered in row-major
order.

**Blocks.** A call takes ceil(words / 4) blocks and the generator's offset grows by as many; unused words of the last
block are lost. So each call starts at a fresh block, and its numbers do not depend on how work is split up.

**Uniforms** are multiples of 2^-k in [0, 1): float32 (k = 24), float16 (11) and bfloat16 (8) take one word each, its
upper k bits; float64 (53) takes two, (w0 div 2^5) 2^26 + (w1 div 2^6). Integer arithmetic and exact conversions: no
backend may differ in a bit. Complex elements are two reals in turn.

**Normals** come in pairs, elements 2p and 2p + 1 being r cos(t) and r sin(t) with r = sqrt(-2 ln u) (Box and Muller).
In float32 a pair takes two words: u = (float(w0) + 0.5) 2^-32, and t = float(w1 div 2^8) times 2 pi 2^-24 rounded to
float32; float16 and bfloat16 round float32 normals. In float64 a pair takes a block: u = (a + 1) 2^-53 and t = b times
2 pi 2^-53, a and b being 53-bit integers as above. An odd last one is dropped. ln, cos and sin are those
of `compiler.math` with fused multiply-adds: the same bits on every device that compiles them, the CPU among them; a
backend with another library's differs in the last bits. Complex elements are two reals in turn times sqrt(1/2).

**Integers** in [low, high) are low + floor(W span / 2^n), span = high - low: for spans up to 2^32, n = 64 and W is two
words, else n = 128 and W is four, most significant first. Each value's probability is off 1 / span by less than 2^-64.

**Permutations** sort 64-bit keys (two words each, upper first); equal keys, which come up for one pair in 2^64, keep
their order.

**Bernoulli trials** with one probability p for all elements compare a word each with round(p 2^32); with a tensor of
them, a uniform of its dtype (float32 for narrower ones) each with its element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype, _philox
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._shape import Shape
from ..op import op
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Sample
from .creation import default_float, front_size, size_rule

__all__ = [
    "random_bits",
    "random_integers",
    "random_normal",
    "random_permutation",
    "random_uniform",
]

# -- pure functions of seed and offset -------------------------------------------------------------------------------


def _front(name: str, *bounds: str) -> Any:
    """A front that checks shape, seed and offset, and makes further arguments ints."""
    sized = front_size(name)

    def front(size: Any, seed: Any, offset: Any, *rest: Any) -> tuple[Any, ...]:
        numbers = []
        for what, value in zip(("seed", "offset", *bounds), (seed, offset, *rest), strict=True):
            if not hasattr(value, "__index__"):
                raise CallError(f"{name}: {what} must be an int, got {value!r} of type {type(value).__name__}")
            numbers.append(value.__index__())
        if not 0 <= numbers[0] < 1 << 64 or not 0 <= numbers[1] < 1 << 128:
            raise ArgumentError(f"{name}: seed must be in [0, 2**64), offset in [0, 2**128), got {seed} and {offset}")
        return *sized(size), *numbers

    return front


def _on_host(values: Any) -> Any:
    """For backends without a kernel: computed by NumPy and copied over."""

    def host_kernel(backend: Any, size: Shape, *args: Any) -> Any:
        *rest, dtype, index = args
        return backend.from_host(np.asarray(values(size, *rest, dtype)).astype(dtype.numpy).reshape(size), index)

    return host_kernel


def _words_dtype(args: Sequence[Any], dtype: Any) -> dtype_type:
    found = _dtype.uint32 if dtype is None else check_dtype(dtype)
    if found not in (_dtype.uint32, _dtype.int64):
        raise DTypeError(f"random_bits: dtype must be uint32 or int64, got {found.name}")
    return found


@op(
    host_kernel=_on_host(lambda size, seed, offset, dtype: _philox.words(np, seed, offset, math.prod(size))),
    factory_dtype=_words_dtype,
    front=_front("random_bits"),
    shape=size_rule("random_bits"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((4,), 0, 0),
        Sample((2, 3), 7, 100),
        Sample((), 1, 0),
        Sample((0, 3), 1, 0),
        Sample((5,), (1 << 64) - 1, (1 << 64) - 2),
        Sample((9,), 1, 0, dtype=_dtype.int64),
        Sample((700,), 3, 510),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "2**64", (2,), -1, 0),
        ErrorSample(ArgumentError, "2**128", (2,), 0, 1 << 128),
        ErrorSample(CallError, "must be an int", (2,), 0.5, 0),
    ],
    reference=lambda size, seed, offset, dtype=None: np.array(
        _philox.scalar_words(seed, offset, math.prod(size)), dtype=np.uint32
    ).reshape(size),
    tolerance="exact",
)
def random_bits(size: Sequence[int], seed: int, offset: int) -> Tensor:
    """Words of a Philox 4x32-10 stream.

    Args:
        size: shape of the result.
        seed: the key, in [0, 2**64).
        offset: number of the first block, in [0, 2**128).

    Returns:
        Shape `size`, uint32; int64 with `dtype=candelabra.int64`, for devices that compute in it.

    Raises:
        ArgumentError: `seed` or `offset` is out of range.

    Source: Salmon, Moraes, Dror and Shaw (2011); see the module for how words are numbered.

    Example:
        >>> cb.random_bits((2,), seed=0, offset=0).tolist() == [0x6627E8D5, 0xE169C58D]
        True
    """
    ...


def check_inexact(name: str, dtype: dtype_type) -> None:
    if dtype.category < 2 or dtype.is_storage_only:
        raise DTypeError(f"{name}: needs a floating or complex dtype that computes, got {dtype.name}")


def _inexact_dtype(name: str) -> Any:
    def rule(args: Sequence[Any], dtype: Any) -> dtype_type:
        found = default_float(args, dtype)
        check_inexact(name, found)
        return found

    return rule


def _reference_uniform(size: Shape, seed: int, offset: int, dtype: Any = None) -> Any:
    count = math.prod(size)
    if dtype is _dtype.float64:
        w = _philox.scalar_words(seed, offset, 2 * count)
        return np.array([((w[2 * i] >> 5 << 26) + (w[2 * i + 1] >> 6)) / 2**53 for i in range(count)]).reshape(size)
    bits = _philox.UNIFORM_BITS[dtype or _dtype.float32]
    return np.array([(w >> 32 - bits) / 2**bits for w in _philox.scalar_words(seed, offset, count)]).reshape(size)


@op(
    host_kernel=_on_host(lambda size, seed, offset, d: _philox.uniforms(np, seed, offset, math.prod(size), d)),
    factory_dtype=_inexact_dtype("random_uniform"),
    front=_front("random_uniform"),
    shape=size_rule("random_uniform"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((5,), 0, 0), Sample((2, 3), 7, 100), Sample((), 1, 0), Sample((0, 3), 1, 0), Sample((2100,), 3, 500),
        Sample((7,), 1, 2, dtype=_dtype.float64), Sample((7,), 1, 2, dtype=_dtype.float16),
        Sample((7,), 1, 2, dtype=_dtype.bfloat16),
    ],
    errors=lambda: [ErrorSample(ShapeError, "negative", (-2,), 0, 0)],
    reference=_reference_uniform,
    tolerance="exact",
)  # fmt: skip
def random_uniform(size: Sequence[int], seed: int, offset: int) -> Tensor:
    """Uniform numbers in [0, 1) of a Philox stream.

    Args:
        size: shape of the result.
        seed: the key, in [0, 2**64).
        offset: number of the first block.

    Returns:
        Shape `size`, the default float unless `dtype=` names a floating or complex dtype; exact on every backend.

    Example:
        >>> cb.random_uniform((2,), seed=0, offset=0)
        tensor([0.3990, 0.8805])
    """
    ...


def _reference_normal(size: Shape, seed: int, offset: int, dtype: Any = None) -> Any:
    pairs = (math.prod(size) + 1) // 2
    if dtype is _dtype.float64:
        w = np.array(_philox.scalar_words(seed, offset, 4 * pairs), dtype=np.int64).reshape(-1, 4)
        u, t = ((w[:, 0] >> 5 << 26) + (w[:, 1] >> 6) + 1) / 2**53, ((w[:, 2] >> 5 << 26) + (w[:, 3] >> 6)) / 2**53
        t = 2 * np.pi * t
    else:
        w = np.array(_philox.scalar_words(seed, offset, 2 * pairs), dtype=np.int64).reshape(-1, 2)
        u = (w[:, 0].astype(np.float32) + np.float32(0.5)).astype(np.float64) / 2**32
        t = ((w[:, 1] >> 8).astype(np.float32) * np.float32(_philox.TURN32)).astype(np.float64)
    r = np.sqrt(-2 * np.log(u))
    return np.stack([r * np.cos(t), r * np.sin(t)], axis=1).reshape(-1)[: math.prod(size)].reshape(size)


@op(
    host_kernel=_on_host(lambda size, seed, offset, d: _philox.normals(np, seed, offset, math.prod(size), d)),
    factory_dtype=_inexact_dtype("random_normal"),
    front=_front("random_normal"),
    shape=size_rule("random_normal"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((5,), 0, 0, dtypes=("float32",)), Sample((2, 3), 7, 100, dtypes=("float32",)),
        Sample((), 1, 0, dtypes=("float32",)), Sample((0, 3), 1, 0), Sample((2100,), 3, 500, dtypes=("float32",)),
        Sample((7,), 1, 2, dtype=_dtype.float64), Sample((1301,), 1, 2, dtype=_dtype.float64),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "2**64", (2,), 1 << 64, 0)],
    reference=_reference_normal,
)  # fmt: skip
def random_normal(size: Sequence[int], seed: int, offset: int) -> Tensor:
    """Normal numbers of mean 0 and variance 1 of a Philox stream.

    Args:
        size: shape of the result.
        seed: the key, in [0, 2**64).
        offset: number of the first block.

    Returns:
        Shape `size`, the default float unless `dtype=` names a floating or complex dtype.

    Source: Box and Muller (1958).

    Example:
        >>> cb.random_normal((2,), seed=0, offset=0)
        tensor([ 0.9911, -0.9247])
    """
    ...


def _interval(name: str) -> Any:
    front = _front(name, "low", "high")

    def checked(*args: Any) -> tuple[Any, ...]:
        found = front(*args)
        low, high = found[3:]
        if not -(1 << 63) <= low < high <= 1 << 64 or high - low > 1 << 64:
            raise ArgumentError(f"{name}: low must be below high and both 64-bit, got low={low} and high={high}")
        return found

    return checked


def _number_dtype(args: Sequence[Any], dtype: Any) -> dtype_type:
    found = _dtype.int64 if dtype is None else check_dtype(dtype)
    if found.is_complex or found.is_storage_only:
        raise DTypeError(f"random_integers: needs a real dtype that computes, got {found.name}")
    return found


def _reference_integers(size: Shape, seed: int, offset: int, low: int, high: int, dtype: Any = None) -> Any:
    count, span = math.prod(size), high - low
    each = 2 if span <= 1 << 32 else 4
    w = _philox.scalar_words(seed, offset, each * count)
    found = []
    for i in range(count):
        wide = 0
        for word in w[each * i : each * i + each]:
            wide = wide << 32 | word
        found.append(low + (wide * span >> 32 * each))
    return np.array(found, dtype=np.int64).reshape(size)


def _signed_integers(size: Shape, seed: int, offset: int, low: int, high: int, dtype: dtype_type) -> Any:
    return _philox.integers(np, seed, offset, math.prod(size), low, high).view(np.int64)


@op(
    host_kernel=_on_host(_signed_integers),
    factory_dtype=_number_dtype,
    front=_interval("random_integers"),
    shape=size_rule("random_integers"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((9,), 0, 0, 0, 10), Sample((2, 3), 7, 100, -5, 5), Sample((), 1, 0, 0, 1), Sample((0, 3), 1, 0, 0, 2),
        Sample((6,), 3, 4, 0, 1 << 32), Sample((6,), 3, 4, -7, (1 << 40) + 1), Sample((6,), 3, 4, -(1 << 63), 1 << 63),
        Sample((6,), 3, 4, -(1 << 63), (1 << 63) - 1), Sample((700,), 3, 400, 0, 3),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "below high", (2,), 0, 0, 3, 3),
        ErrorSample(CallError, "must be an int", (2,), 0, 0, 0, 2.5),
    ],
    reference=_reference_integers,
    tolerance="exact",
)  # fmt: skip
def random_integers(size: Sequence[int], seed: int, offset: int, low: int, high: int) -> Tensor:
    """Uniform integers in [low, high) of a Philox stream.

    Args:
        size: shape of the result.
        seed: the key, in [0, 2**64).
        offset: number of the first block.
        low: the smallest.
        high: one past the largest.

    Returns:
        Shape `size`, int64 unless `dtype=` is given. Each value's probability is right to 2^-64.

    Raises:
        ArgumentError: `low` is not below `high`.

    Source: the high half of a product, after Lemire (2019), with so wide a factor that nothing need be rejected.

    Example:
        >>> cb.random_integers((5,), seed=0, offset=0, low=0, high=10)
        tensor([3, 7, 9, 6, 0])
    """
    ...


@op(
    host_kernel=_on_host(lambda size, seed, offset, dtype: _philox.permutation(np, seed, offset, size[0])),
    factory_dtype=_number_dtype,
    front=_front("random_permutation"),
    shape=size_rule("random_permutation"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((n,), 5, n) for n in (0, 1, 2, 7, 130, 1500)],
    reference=lambda size, seed, offset: np.array(
        sorted(range(size[0]), key=lambda i: tuple(_philox.scalar_words(seed, offset, 2 * size[0])[2 * i : 2 * i + 2]))
        if size[0] < 200
        else np.argsort(
            np.array(_philox.scalar_words(seed, offset, 2 * size[0]), dtype=object).reshape(-1, 2) @ [1 << 32, 1]
        )
    ),
    tolerance="exact",
)
def random_permutation(size: Sequence[int], seed: int, offset: int) -> Tensor:
    """A random order of 0 to n - 1 of a Philox stream.

    Args:
        size: shape (n,).
        seed: the key, in [0, 2**64).
        offset: number of the first block.

    Returns:
        Shape (n,), int64 unless `dtype=` is given.

    Example:
        >>> cb.random_permutation((5,), seed=0, offset=0)
        tensor([4, 0, 3, 1, 2])
    """
    ...
