# SPDX-License-Identifier: Apache-2.0
"""Random tensors: the same seed gives the same numbers on every backend.

The ops here (`random_bits`, `random_uniform`, ...) are pure functions of a seed and an offset; the functions above
them take both from a generator (`_random.py`). What follows is the whole of what a backend has to agree with.

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
2 pi 2^-53, a and b being 53-bit integers as above. An odd last one is dropped. Backends differ by the rounding of ln,
cos and sin. Complex elements are two reals in turn times sqrt(1/2).

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
from .._config import get_default_dtype, grad_enabled
from .._device import default_device
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._random import Generator, default_of
from .._shape import Shape, as_shape, broadcast_shapes
from ..dispatcher._bind import is_scalar
from ..dispatcher._kind import canonical_device
from ..dispatcher._write import check_writable
from ..op import op
from ..op._checked import checked
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Sample
from .creation import (
    copy,
    default_float,
    empty,
    factory,
    finish,
    front_size,
    full_like,
    into,
    limits,
    overwrite,
    size_rule,
)

__all__ = [
    "bernoulli", "multinomial", "normal", "poisson", "rand", "rand_like", "randint", "randint_like", "randn",
    "randn_like", "random_bits", "random_integers", "random_normal", "random_permutation", "random_uniform", "randperm",
]  # fmt: skip

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


def _check_inexact(name: str, dtype: dtype_type) -> None:
    if dtype.category < 2 or dtype.is_storage_only:
        raise DTypeError(f"{name}: needs a floating or complex dtype that computes, got {dtype.name}")


def _inexact_dtype(name: str) -> Any:
    def rule(args: Sequence[Any], dtype: Any) -> dtype_type:
        found = default_float(args, dtype)
        _check_inexact(name, found)
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


# -- drawing from a generator ----------------------------------------------------------------------------------------


def _generator(name: str, generator: Any, device: Any) -> Generator:
    """The generator given, else the default one of the device."""
    if generator is None:
        return default_of(canonical_device(device))
    if not isinstance(generator, Generator):
        raise CallError(f"{name}: generator must be a Generator, got {generator!r} of type {type(generator).__name__}")
    return generator


def _shape(name: str, args: tuple[Any, ...]) -> Shape:
    if not args:
        raise CallError(f"{name}: missing argument, got none for size")
    return as_shape(name, args[0] if len(args) == 1 else args)


def _drawn(
    name: str, call: Any, size: tuple[Any, ...], blocks_of: Any, dtype: dtype_type, device: Any, generator: Any
) -> Tensor:
    """The tensor of `random_uniform` or `random_normal`, with numbers of a generator.

    As `factory`, whose plan it takes up and adds to: how many blocks the draw takes, and the default generator.
    """
    try:
        plan = call.op.plans[(size, dtype, device, default_device(), blocks_of)]
        kernel, kind, nested, blocks, default = plan
        seed, offset = (default if generator is None else generator).reserve(blocks)
        handle = kernel(size[0] if nested else size, seed, offset, dtype, kind.index)
    except Exception:  # not planned yet, or refused: all checks, from the start
        shape = _shape(name, size)
        _check_inexact(name, dtype)
        source = _generator(name, generator, device)
        blocks = blocks_of(math.prod(shape), dtype)
        result = factory(name, call, (shape,), source.reserve(blocks), dtype, device)
        place = (dtype, device, default_device())
        plan = call.op.plans.get(((shape,), *place))
        if plan is not None:
            kernel, kind, _ = plan
            rest = (blocks, default_of(kind.device))
            call.op.plans[((shape,), *place, blocks_of)] = (kernel, kind, True, *rest)
            call.op.plans[(shape, *place, blocks_of)] = (kernel, kind, False, *rest)
        return result
    return make_tensor(handle, kind)


def _uniforms(name: str, shape: Shape, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    return _drawn(name, random_uniform, (shape,), _philox.uniform_blocks, dtype, device, generator)


def _normals(name: str, shape: Shape, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    return _drawn(name, random_normal, (shape,), _philox.normal_blocks, dtype, device, generator)


def _integers(name: str, shape: Shape, low: int, high: int, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    blocks = _philox.integer_blocks(math.prod(shape), low, high)
    seed, offset = _generator(name, generator, device).reserve(blocks)
    return factory(name, random_integers, (shape,), (seed, offset, low, high), dtype, device)


def _wide_uniforms(name: str, self: Tensor, generator: Any) -> Tensor:
    """Uniforms in [0, 1) as fine as the device computes, in the shape of a tensor."""
    wide = _dtype.float64 in self._kind.backend.capabilities.compute_dtypes
    return _uniforms(name, tuple(self.shape), _dtype.float64 if wide else _dtype.float32, self._kind.device, generator)


def rand(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1).

    Args:
        args: shape of the result, as a sequence or as ints.
        size: shape of the result, by name.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: floating or complex; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        DTypeError: `dtype` is neither floating nor complex.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.rand(3)
        tensor([0.3990, 0.8805, 0.7357])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None:
        args = (size,)
    result = _drawn("rand", random_uniform, args, _philox.uniform_blocks, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("rand", result, requires_grad, out, layout)
    return result


def randn(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1.

    Args:
        args: shape of the result, as a sequence or as ints.
        size: shape of the result, by name.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: floating or complex, with half the variance in each part; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        DTypeError: `dtype` is neither floating nor complex.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.randn(3)
        tensor([ 0.9911, -0.9247, -0.6176])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None:
        args = (size,)
    result = _drawn("randn", random_normal, args, _philox.normal_blocks, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("randn", result, requires_grad, out, layout)
    return result


def _check_interval(name: str, low: Any, high: Any, dtype: dtype_type) -> tuple[int, int]:
    """Bounds as ints; each integer in [low, high) must exist in the dtype."""
    for what, value in (("low", low), ("high", high)):
        if not hasattr(value, "__index__"):
            raise CallError(f"{name}: {what} must be an int, got {what}={value!r}")
    low, high = low.__index__(), high.__index__()
    if low >= high:
        raise ArgumentError(f"{name}: low must be below high, got low={low} and high={high}")
    if dtype.category == 0:
        least, most = 0, 1
    elif dtype.category == 1:
        least, most = limits(dtype)
    elif dtype.category == 2:
        most = int(min(_dtype.finfo(dtype).max, 2.0**63))
        least = -most
    else:
        raise DTypeError(f"{name}: needs a real dtype, got {dtype.name}")
    if low < least or high - 1 > most:
        raise ArgumentError(f"{name}: {dtype.name} holds [{least}, {most}], got low={low} and high={high}")
    return low, high


def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random integers in [low, high): `randint(high, size)` or `randint(low, high, size)`.

    Args:
        args: `low` (0 when left out), `high` and `size`, in this order.
        low: the smallest integer drawn.
        high: one past the largest integer drawn.
        size: shape of the result.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: integer, bool or floating; int64 when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`. Each value's probability is right to 2^-64.

    Raises:
        ArgumentError: `low` is not below `high`, or the dtype does not hold them.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.randint(10, (5,))
        tensor([3, 7, 9, 6, 0])
    """
    low, high, size = _low_high_size("randint", args, low, high, size)
    dtype = _dtype.int64 if dtype is None else check_dtype(dtype)
    low, high = _check_interval("randint", low, high, dtype)
    result = _integers("randint", as_shape("randint", size), low, high, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("randint", result, requires_grad, out, layout)
    return result


def _low_high_size(name: str, args: tuple[Any, ...], low: Any, high: Any, size: Any) -> tuple[Any, Any, Any]:
    """The three arguments, however they were given."""
    given = list(args)
    if size is None:
        if not given:
            raise CallError(f"{name}: missing argument, got none for size")
        size = given.pop()
    if high is None:
        if not given:
            raise CallError(f"{name}: missing argument, got none for high")
        high = given.pop()
    if given and low is None:
        low = given.pop()
    if given:
        raise CallError(f"{name}: takes low, high and size, got {args}")
    return 0 if low is None else low, high, size


@checked
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The integers from 0 to n - 1 in random order.

    Args:
        n: how many.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: real; int64 when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (n,).

    Raises:
        ShapeError: `n` is negative.
        ArgumentError: the dtype does not hold n - 1.

    Example:
        >>> cb.randperm(5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    dtype = _dtype.int64 if dtype is None else check_dtype(dtype)
    (count,) = as_shape("randperm", n)
    if count:
        _check_interval("randperm", 0, count, dtype)
    stream = _generator("randperm", generator, device).reserve((count + 1) // 2)
    result = factory("randperm", random_permutation, (count,), stream, dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("randperm", result, requires_grad, out, layout)
    return result


# -- shapes like others ----------------------------------------------------------------------------------------------


def _like(input: Tensor, result: Tensor, memory_format: Any, requires_grad: bool) -> Tensor:
    """`result` in the order in memory of `input`, or of `memory_format`."""
    from ..dispatcher._write import write
    from .creation import empty_like

    if result.dim() > 1 and not (input.is_contiguous() and memory_format is None):
        ordered = empty_like(input, dtype=result.dtype, device=result.device, memory_format=memory_format)
        write(ordered, result)
        result = ordered
    return result.requires_grad_() if requires_grad else result


def _place(name: str, input: Any, dtype: Any, device: Any) -> tuple[Shape, dtype_type, Any]:
    if not isinstance(input, Tensor):
        raise CallError(f"{name}: input must be a tensor, got {input!r} of type {type(input).__name__}")
    kind = input._kind
    return (
        tuple(input.shape),
        kind.dtype if dtype is None else check_dtype(dtype),
        kind.device if device is None else device,
    )


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform random numbers in [0, 1) with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        generator: where the numbers come from; the device's default generator when None.
        dtype: floating or complex; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.rand_like(cb.zeros(2, 3)).shape
        candelabra.Size([2, 3])
    """
    result = _uniforms("rand_like", *_place("rand_like", input, dtype, device), generator)
    return _like(input, result, memory_format, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1 with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        generator: where the numbers come from; the device's default generator when None.
        dtype: floating or complex; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.randn_like(cb.zeros(2, 3)).shape
        candelabra.Size([2, 3])
    """
    result = _normals("randn_like", *_place("randn_like", input, dtype, device), generator)
    return _like(input, result, memory_format, requires_grad)


def randint_like(
    input: Tensor,
    *args: int,
    low: int | None = None,
    high: int | None = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform random integers in [low, high) with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        args: `low` (0 when left out) and `high`, in this order.
        low: the smallest integer drawn.
        high: one past the largest integer drawn.
        generator: where the numbers come from; the device's default generator when None.
        dtype: integer, bool or floating; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `low` is not below `high`, or the dtype does not hold them.

    Example:
        >>> cb.randint_like(cb.zeros(2, 3), 5).dtype
        candelabra.float32
    """
    low, high, _ = _low_high_size("randint_like", args, low, high, ())
    shape, dtype, device = _place("randint_like", input, dtype, device)
    low, high = _check_interval("randint_like", low, high, dtype)
    result = _integers("randint_like", shape, low, high, dtype, device, generator)
    return _like(input, result, memory_format, requires_grad)


# -- distributions ---------------------------------------------------------------------------------------------------


def _sampled(draws: Tensor, *sources: Any) -> Tensor:
    """`draws` with a history in which their parameters have gradients of zero, as PyTorch gives them."""
    if grad_enabled.get() and draws._kind.dtype.category >= 2:
        for source in sources:
            if isinstance(source, Tensor) and source._node is not None:
                draws = copy(source.to(draws.dtype).expand(tuple(draws.shape)), draws)
    return draws


def _check_values(name: str, rule: str, holds: Any, values: Tensor) -> None:
    """Raises ArgumentError unless every element of `holds` is true; meta tensors have none to check."""
    if not values.is_meta and not bool(holds.all()):
        shown = values.tolist() if values.numel() < 8 else f"shape {tuple(values.shape)}"
        raise ArgumentError(f"{name}: {rule}, got {shown}")


def _check_number(name: str, what: str, value: Any) -> float:
    if hasattr(value, "item"):
        value = value.item()
    if not is_scalar(value) or isinstance(value, complex):
        raise CallError(f"{name}: {what} must be a real number, got {what}={value!r}")
    return float(value)


def _check_probability(name: str, p: Any) -> float:
    p = _check_number(name, "p", p)
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p must be in [0, 1], got p={p}")
    return p


def _trials(name: str, shape: Shape, p: Any, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    """Ones with probability `p`, a number or a tensor that broadcasts to `shape`, and zeros.

    For a number, words are compared with p 2^32: one word each, and a probability right to 2^-33.
    """
    if isinstance(p, Tensor):
        fine = _dtype.float64 if p.dtype is _dtype.float64 else _dtype.float32
        return (_uniforms(name, shape, fine, device, generator) < p.to(fine)).to(dtype)
    bound = round(p * (1 << 32))
    stream = _generator(name, generator, device).reserve((math.prod(shape) + 3) // 4)
    if bound == 0 or bound == 1 << 32:
        return full_like(empty(shape, dtype=dtype, device=device), bool(bound))
    return (factory(name, random_bits, (shape,), stream, _dtype.uint32, device) < bound).to(dtype)


@checked
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Zeros and ones: each one with the probability that its element of `input`, or `p`, says.

    Args:
        input: floating, shape (*): probabilities; any dtype when `p` is given.
        p: one probability for all elements.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` holds the probabilities and is not floating.
        ArgumentError: a probability is outside [0, 1].

    Example:
        >>> cb.bernoulli(cb.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    shape, dtype, device = _place("bernoulli", input, None, None)
    chance: Any
    if p is None:
        if dtype.category != 2 or dtype.is_storage_only:
            raise DTypeError(f"bernoulli: probabilities must be floating, got {dtype.name}")
        chance = input.detach()
        _check_values("bernoulli", "probabilities must be in [0, 1]", (chance >= 0) & (chance <= 1), chance)
    else:
        chance = _check_probability("bernoulli", p)
    result = _sampled(_trials("bernoulli", shape, chance, dtype, device, generator), input)
    return result if out is None else into("bernoulli", result, out)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers of given means and standard deviations.

    Args:
        mean: a number, or a floating or complex tensor, shape (*).
        std: a number, or a tensor that broadcasts with `mean`; not negative.
        size: shape of the result, when both are numbers.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: with `size`: floating or complex; the default float when None.
        layout: `candelabra.strided`.
        device: with `size`: the default device when None.
        requires_grad: record operations on it.
        pin_memory: accepted for PyTorch's sake.

    Returns:
        Shape `size`, or the shape that `mean` and `std` broadcast to; the dtype of the tensor that comes first.

    Raises:
        ArgumentError: a standard deviation is negative.
        DTypeError: a tensor is neither floating nor complex.

    Example:
        >>> cb.normal(cb.tensor([1.0, 100.0]), 0.0)
        tensor([  1., 100.])
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    if tensors:
        if size is not None:
            raise CallError(f"normal: size goes with numbers only, got size={size!r} and a tensor")
        dtype, device = tensors[0].dtype, tensors[0].device
        shape = broadcast_shapes("normal", *[tuple(t.shape) for t in tensors])
    elif size is None:
        raise CallError("normal: missing argument, got none for size with numbers for mean and std")
    else:
        dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
        shape = as_shape("normal", size)
    if isinstance(std, Tensor):
        if std.is_complex():
            raise DTypeError(f"normal: std must be real, got {std.dtype.name}")
        _check_values("normal", "std must not be negative", std.detach() >= 0, std.detach())
    else:
        std = _check_std("normal", std)
    z = _normals("normal", shape, dtype, device, generator)
    plain = [v.detach().to(device=z.device) if isinstance(v, Tensor) else v for v in (mean, std)]
    result = _sampled((z * plain[1] + plain[0]).to(dtype), mean, std)
    return finish("normal", result, requires_grad, out, layout)


def _check_std(name: str, std: Any) -> float:
    std = _check_number(name, "std", std)
    if not std >= 0:
        raise ArgumentError(f"{name}: std must not be negative, got std={std}")
    return std


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with probabilities proportional to the elements of `input`, row by row.

    Args:
        input: floating, shape (C,) or (N, C): weights, not negative and not all zero in a row.
        num_samples: indices drawn from each row.
        replacement: whether an index may be drawn again.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.

    Returns:
        Shape (num_samples,) or (N, num_samples), int64.

    Raises:
        ShapeError: `input` has no or more than two dims.
        DTypeError: `input` is not floating.
        ArgumentError: weights are negative, not finite or all zero, or without replacement there are too few.

    Source: with replacement, inversion of the cumulative sum; without, the largest of weight / exponential, after
        Efraimidis and Spirakis (2006).

    Example:
        >>> cb.multinomial(cb.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
        tensor([1, 1])
    """
    shape, dtype, device = _place("multinomial", input, None, None)
    if len(shape) not in (1, 2):
        raise ShapeError(f"multinomial: input must be 1-d or 2-d, got shape {shape}")
    if dtype.category != 2 or dtype.is_storage_only:
        raise DTypeError(f"multinomial: weights must be floating, got {dtype.name}")
    if not hasattr(num_samples, "__index__") or num_samples < 1:
        raise ArgumentError(f"multinomial: num_samples must be a positive int, got num_samples={num_samples!r}")
    if shape[-1] < 1 or (num_samples > shape[-1] and not replacement):
        raise ArgumentError(
            f"multinomial: too few indices without replacement, got num_samples={num_samples} of {shape[-1]}"
        )
    wide = _dtype.float64 in input._kind.backend.capabilities.compute_dtypes
    fine = _dtype.float64 if wide else _dtype.float32
    weights = input.detach().to(fine)
    fit = (weights >= 0) & (weights < math.inf)
    _check_values("multinomial", "weights must be finite and not negative", fit, weights)
    drawn = (*shape[:-1], num_samples)
    if replacement:
        bounds = weights.cumsum(-1)
        totals = bounds.narrow(-1, shape[-1] - 1, 1)
        _check_values("multinomial", "weights of a row must not all be zero", totals > 0, weights)
        # The first bound above the draw: an index of weight 0 shares the bound of the one before and is never first.
        draws = _uniforms("multinomial", drawn, fine, device, generator) * totals
        from .sorting import searchsorted

        result = searchsorted(bounds, draws, right=True)
    else:
        totals = weights.sum(-1)
        _check_values("multinomial", "weights of a row must not all be zero", totals > 0, weights)
        u = _uniforms("multinomial", shape, fine, device, generator)
        clocks = -(-u).log1p()  # exponential: not negative, 0 once in 2^53
        result = (weights / clocks.clamp(min=1e-300 if wide else 1e-37)).topk(num_samples, -1)[1]
    return result if out is None else into("multinomial", result, out)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson random numbers: counts of events whose mean number is the element of `input`.

    Args:
        input: floating, shape (*): rates, not negative.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is not floating.
        ArgumentError: a rate is negative or not a number.

    Source: inversion by sequential search for rates below 10, else transformed rejection (PTRS) of Hörmann, "The
        transformed rejection method for generating Poisson random variables" (1993).

    Example:
        >>> cb.poisson(cb.zeros(3))
        tensor([0., 0., 0.])
    """
    shape, dtype, device = _place("poisson", input, None, None)
    if dtype.category != 2 or dtype.is_storage_only:
        raise DTypeError(f"poisson: rates must be floating, got {dtype.name}")
    rate = input.detach()
    wide = _dtype.float64 in rate._kind.backend.capabilities.compute_dtypes
    rate = rate.to(_dtype.float64 if wide else _dtype.float32)
    _check_values("poisson", "rates must not be negative", rate >= 0, rate)
    # Block n * attempt + element: an attempt takes the block's four words as two uniforms.
    count = math.prod(shape)
    seed, offset = _generator("poisson", generator, device).reserve(count)
    if rate.is_meta or not count:
        return empty(shape, dtype=dtype, device=device)

    def uniforms(attempt: int) -> tuple[Tensor, Tensor]:
        # Attempts lie 2^64 blocks apart, where no generator's offset comes.
        stream = (seed, offset + (attempt << 64))
        if wide:
            pairs = factory("poisson", random_uniform, ((count, 2),), stream, _dtype.float64, device)
        else:
            pairs = factory("poisson", random_uniform, ((count, 4),), stream, _dtype.float32, device)
        return pairs.select(1, 0).reshape(shape), pairs.select(1, 1).reshape(shape)

    small = _poisson_by_search(rate.clamp(max=10), uniforms(0)[0])
    if bool((rate < 10).all()):
        result = small
    else:
        from .comparison import where

        result = where(rate < 10, small, _poisson_by_rejection(rate.clamp(min=10), uniforms))
    return _sampled(result.to(dtype), input)


def _poisson_by_search(rate: Tensor, u: Tensor) -> Tensor:
    """The smallest k whose cumulative probability exceeds `u`; below rate 10 no k above 100 is ever reached."""
    term = (-rate).exp()
    total = term
    found = full_like(rate, 0)
    for k in range(1, 101):
        beyond = u >= total
        if not bool(beyond.any()):
            break
        found = found + beyond.to(found.dtype)
        term = term * rate / k
        total = total + term
    return found


def _poisson_by_rejection(rate: Tensor, uniforms: Any) -> Tensor:
    from .comparison import where

    b = rate.sqrt() * 2.53 + 0.931
    a = b * 0.02483 - 0.059
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    log_rate = rate.log()
    found = full_like(rate, -1.0)
    attempt = 1
    while bool((found < 0).any()):
        u, v = uniforms(attempt)
        attempt += 1
        u = u - 0.5
        distance = 0.5 - u.abs()
        k = ((a * 2 / distance + b) * u + rate + 0.43).floor()
        quick = (distance >= 0.07) & (v <= v_r)
        weight = (v * inverse_alpha / (a / (distance * distance) + b)).log()
        exact = weight <= k * log_rate - rate - _log_factorial(k.clamp(min=0))
        barred = (k < 0) | ((distance < 0.013) & (v > distance))
        found = where((found < 0) & (quick | (exact & ~barred)), k, found)
    return found


def _log_factorial(k: Tensor) -> Tensor:
    """ln k! by Stirling's series at k + 10, stepped back: 1e-13 for all k."""
    x = k + 10
    steps = x
    for i in range(1, 10):
        steps = steps * (x - i)
    series = 1 / (12 * x) - 1 / (360 * x * x * x) + 1 / (1260 * x * x * x * x * x)
    return (x + 0.5) * x.log() - x + 0.5 * math.log(2 * math.pi) + series - steps.log()


# -- in place --------------------------------------------------------------------------------------------------------


def _check_target(name: str, target: Any, categories: tuple[int, ...]) -> None:
    check_writable(name, target)
    dtype = target._kind.dtype
    if dtype.category not in categories or dtype.is_storage_only:
        kinds = " or ".join(("bool", "integer", "floating", "complex")[c] for c in categories)
        raise DTypeError(f"{name}: needs a {kinds} dtype that computes, got {dtype.name}")


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with uniform random numbers in [from_, to).

    Args:
        from_: lower bound.
        to: upper bound.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `from_` is above `to`, or the dtype does not hold them.
        DTypeError: this tensor is neither floating nor complex.

    Example:
        >>> cb.empty(3).uniform_(2, 2)
        tensor([2., 2., 2.])
    """
    _check_target("uniform_", self, (2, 3))
    low, high = _check_number("uniform_", "from_", from_), _check_number("uniform_", "to", to)
    dtype = self._kind.dtype
    largest = _dtype.finfo(dtype).max
    if not low <= high:
        raise ArgumentError(f"uniform_: from_ must not be above to, got from_={low} and to={high}")
    if abs(low) > largest or abs(high) > largest or high - low > largest:
        raise ArgumentError(f"uniform_: {dtype.name} does not hold the interval, got from_={low} and to={high}")
    values = _uniforms("uniform_", tuple(self.shape), dtype, self._kind.device, generator)
    if low != 0 or high != 1:
        values = values * (high - low) + (complex(low, low) if dtype.is_complex else low)
    return overwrite(self, values)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with normal random numbers.

    Args:
        mean: their mean.
        std: their standard deviation, not negative.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `std` is negative.
        DTypeError: this tensor is neither floating nor complex.

    Example:
        >>> cb.empty(2).normal_(3, 0)
        tensor([3., 3.])
    """
    _check_target("normal_", self, (2, 3))
    std = _check_std("normal_", std)
    mean = mean if isinstance(mean, complex) and self.is_complex() else _check_number("normal_", "mean", mean)
    values = _normals("normal_", tuple(self.shape), self._kind.dtype, self._kind.device, generator)
    if std != 1:
        values = values * std
    if mean != 0:
        values = values + mean
    return overwrite(self, values)


def random_(self: Tensor, *args: int, to: int | None = None, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with uniform random integers: `random_()`, `random_(to)` or `random_(from_, to)`.

    Args:
        args: the smallest integer (0 when left out) and one past the largest. Without any, all that are not negative
            and that the dtype holds exactly: up to 2**24 for float32.
        to: one past the largest integer drawn, by name; None after a lower bound for all up to the largest.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: the interval is empty, or the dtype does not hold it.
        DTypeError: this tensor is complex.

    Example:
        >>> bool((cb.empty(100).random_(3) < 3).all())
        True
    """
    _check_target("random_", self, (0, 1, 2))
    dtype = self._kind.dtype
    if len(args) > 2:
        raise CallError(f"random_: takes two bounds, got {args}")
    low: Any = 0
    high: Any = to
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (0, args[0]) if to is None else (args[0], to)
    if high is None:
        high = _past_largest(dtype)
    low, high = _check_interval("random_", low, high, dtype)
    return overwrite(self, _integers("random_", tuple(self.shape), low, high, dtype, self._kind.device, generator))


def _past_largest(dtype: dtype_type) -> int:
    """One past the largest integer that a dtype, and each below it, holds exactly."""
    if dtype.category == 0:
        return 2
    if dtype.category == 1:
        return min(limits(dtype)[1], (1 << 63) - 1) + 1
    return {_dtype.float64: 1 << 53, _dtype.float32: 1 << 24, _dtype.float16: 1 << 11}.get(dtype, 1 << 8) + 1


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with zeros and ones, each one with probability `p`.

    Args:
        p: a number in [0, 1], or a floating tensor of them that broadcasts to this tensor's shape.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: a probability is outside [0, 1].

    Example:
        >>> cb.empty(3).bernoulli_(1.0)
        tensor([1., 1., 1.])
    """
    _check_target("bernoulli_", self, (0, 1, 2, 3))
    shape = tuple(self.shape)
    chance: Any
    if isinstance(p, Tensor):
        if p.dtype.category != 2 or p.dtype.is_storage_only:
            raise DTypeError(f"bernoulli_: probabilities must be floating, got {p.dtype.name}")
        if broadcast_shapes("bernoulli_", shape, tuple(p.shape)) != shape:
            raise ShapeError(f"bernoulli_: p must broadcast to the target's shape, got {tuple(p.shape)} for {shape}")
        chance = p.detach().to(self._kind.device)
        _check_values("bernoulli_", "probabilities must be in [0, 1]", (chance >= 0) & (chance <= 1), chance)
    else:
        chance = _check_probability("bernoulli_", p)
    return overwrite(self, _trials("bernoulli_", shape, chance, self._kind.dtype, self._kind.device, generator))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with exponential random numbers of mean 1 / `lambd`.

    Args:
        lambd: the rate, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `lambd` is not positive.
        DTypeError: this tensor is not floating.

    Source: inversion, -ln(1 - u) / lambd.

    Example:
        >>> bool((cb.empty(100).exponential_() >= 0).all())
        True
    """
    _check_target("exponential_", self, (2,))
    lambd = _check_number("exponential_", "lambd", lambd)
    if not lambd > 0:
        raise ArgumentError(f"exponential_: lambd must be positive, got lambd={lambd}")
    return overwrite(self, (-_wide_uniforms("exponential_", self, generator)).log1p() * (-1 / lambd))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with Cauchy random numbers.

    Args:
        median: their median.
        sigma: half the distance of the quartiles, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `sigma` is not positive.
        DTypeError: this tensor is not floating.

    Source: inversion, median + sigma tan(pi (u - 1/2)).

    Example:
        >>> cb.empty(2, 3).cauchy_().shape
        candelabra.Size([2, 3])
    """
    _check_target("cauchy_", self, (2,))
    median, sigma = _check_number("cauchy_", "median", median), _check_number("cauchy_", "sigma", sigma)
    if not sigma > 0:
        raise ArgumentError(f"cauchy_: sigma must be positive, got sigma={sigma}")
    u = _wide_uniforms("cauchy_", self, generator)
    return overwrite(self, ((u - 0.5) * math.pi).tan() * sigma + median)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with random numbers whose logarithms are normal.

    Args:
        mean: mean of the logarithms.
        std: standard deviation of the logarithms, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `std` is not positive.
        DTypeError: this tensor is not floating.

    Example:
        >>> bool((cb.empty(100).log_normal_() > 0).all())
        True
    """
    _check_target("log_normal_", self, (2,))
    mean, std = _check_number("log_normal_", "mean", mean), _check_number("log_normal_", "std", std)
    if not std > 0:
        raise ArgumentError(f"log_normal_: std must be positive, got std={std}")
    kind = self._kind
    # In float32 at least: what float16 rounds should be the result, not its logarithm.
    fine = _dtype.float32 if kind.dtype.itemsize < 4 else kind.dtype
    logarithms = _normals("log_normal_", tuple(self.shape), fine, kind.device, generator) * std + mean
    return overwrite(self, logarithms.exp())


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with numbers of trials up to the first success, each of probability `p`: 1, 2, 3 and so on.

    Args:
        p: probability of success, in (0, 1).
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `p` is outside (0, 1).
        DTypeError: this tensor is bool or complex.

    Source: inversion, the least k with 1 - (1 - p)^k above u.

    Example:
        >>> bool((cb.empty(100).geometric_(0.5) >= 1).all())
        True
    """
    _check_target("geometric_", self, (1, 2))
    p = _check_number("geometric_", "p", p)
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_: p must be in (0, 1), got p={p}")
    u = _wide_uniforms("geometric_", self, generator)
    return overwrite(self, ((-u).log1p() / math.log1p(-p)).floor() + 1)


def _bernoulli_method(self: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """As `candelabra.bernoulli`."""
    return bernoulli(self, p, generator=generator)


Tensor.bernoulli = _bernoulli_method
Tensor.multinomial = multinomial
Tensor.bernoulli_ = bernoulli_
Tensor.cauchy_ = cauchy_
Tensor.exponential_ = exponential_
Tensor.geometric_ = geometric_
Tensor.log_normal_ = log_normal_
Tensor.normal_ = normal_
Tensor.random_ = random_
Tensor.uniform_ = uniform_
