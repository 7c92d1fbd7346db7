# SPDX-License-Identifier: Apache-2.0
"""Host arrays from the declarations' `Operand`s: the same numbers every time, for every backend.

A sample's values depend on the op, the sample's text and the operand's place in it alone, and on the dtype only as far
as the dtype cannot hold them.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra._dtype import BOOL, COMPLEX, FLOATING, INTEGRAL, dtype, dtype_named
from candelabra.testing.samples import Operand

from .case import Shape
from .precision import Array, host_dtype


@functools.lru_cache(maxsize=4096)
def operands_of(sample: Any) -> tuple[Operand, ...]:
    """All operands of a sample, in the order `substitute` meets them."""
    found: list[Operand] = []
    substitute(sample, lambda operand: found.append(operand))
    return tuple(found)


def substitute(sample: Any, make: Callable[[Operand], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) of a sample with `make(operand)` in place of each operand, nested ones too."""

    def walk(value: Any) -> Any:
        if isinstance(value, Operand):
            return make(value)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(walk(v) for v in value)
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        return value

    return tuple(walk(a) for a in sample.args), {k: walk(v) for k, v in sample.kwargs.items()}


def generator(*key: Any) -> np.random.Generator:
    """A generator seeded by a text: the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "little")))


def dtype_of(operand: Operand, tested: dtype) -> dtype:
    """The operand's own dtype where it names one, else the dtype under test."""
    return tested if operand.dtype is None else dtype_named(operand.dtype)


def shape_of(operand: Operand) -> Shape:
    """The operand's shape, read from its values where they are given."""
    return tuple(operand.shape) if operand.values is None else np.shape(operand.values)


def realize(operand: Operand, tested: dtype, *key: Any) -> Array:
    """The operand's values as a C-ordered host array of its dtype."""
    kind = dtype_of(operand, tested)
    shape = shape_of(operand)
    if operand.values is not None:
        return into(np.asarray(operand.values), kind)
    rng = generator(*key)
    if operand.distinct:
        return distinct(rng, operand, shape, kind)
    if kind.category == BOOL:
        return np.asarray(rng.integers(0, 2, shape)).astype(np.bool_)
    if kind.category == INTEGRAL:
        low, high = integer_bounds(operand, kind)
        values = np.asarray(rng.integers(low, high, shape, endpoint=True))
        if operand.nonzero:
            least = max(1, math.ceil(operand.nonzero))
            values = np.where(np.abs(values) < least, np.where(values < 0, -least, least), values)
        return into(values, kind)
    values = np.asarray(uniform(rng, operand, shape))
    if kind.category == COMPLEX:
        values = values + 1j * rng.uniform(operand.low, operand.high, shape)
    return into(values, kind)


def uniform(rng: np.random.Generator, operand: Operand, shape: Shape) -> Array:
    """Uniform values in the operand's range, kept away from zero where it asks."""
    values = np.asarray(rng.uniform(operand.low, operand.high, shape))
    # Differences from `low` leave the last bits zero, and sums of such numbers exact: stir them.
    stirred = (values.view(np.int64) ^ rng.integers(0, 1 << 12, shape)).view(np.float64)
    values = np.clip(stirred, operand.low, operand.high)
    if operand.nonzero:
        values = np.where(np.abs(values) < operand.nonzero, np.copysign(operand.nonzero, values), values)
    return values


def integer_bounds(operand: Operand, kind: dtype) -> tuple[int, int]:
    """Inclusive bounds of an integer operand, inside what the dtype holds.

    An operand with a dtype of its own is an index or a count: its upper bound is the size it must stay below.
    """
    info = np.iinfo(kind.numpy)
    low = min(max(math.ceil(operand.low), int(info.min)), int(info.max))
    high = min(math.floor(operand.high), int(info.max))
    if operand.dtype is not None and high > low:
        high -= 1
    return low, max(low, high)


def distinct(rng: np.random.Generator, operand: Operand, shape: Shape, kind: dtype) -> Array:
    """Values that all differ, in random order; as far apart as range and dtype allow."""
    count = math.prod(shape)
    if kind.category == BOOL:
        return np.asarray(rng.permutation(count) % 2).astype(np.bool_).reshape(shape)
    if kind.category == INTEGRAL:
        info = np.iinfo(kind.numpy)
        low = max(math.ceil(operand.low), int(info.min))
        return into(low + rng.permutation(count).reshape(shape), kind)
    values = np.linspace(operand.low, operand.high, count)
    if kind.category == FLOATING and np.unique(into(values, kind).astype(np.float64)).size < count:
        values = numbers_between(operand.low, operand.high, count, kind)
    return into(rng.permutation(values).reshape(shape), kind)


def fits_distinct(operand: Operand, kind: dtype) -> bool:
    """False where the dtype has too few values for them all to differ."""
    if not operand.distinct or operand.values is not None or kind.category >= FLOATING:
        return True
    count = math.prod(shape_of(operand))
    if kind.category == BOOL:
        return count <= 2
    low = max(math.ceil(operand.low), int(np.iinfo(kind.numpy).min))
    return low + count - 1 <= int(np.iinfo(kind.numpy).max)


def numbers_between(low: float, high: float, count: int, kind: dtype) -> Array:
    """`count` different numbers of a narrow floating dtype, evenly chosen among those between two bounds."""
    codes = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind.numpy).astype(np.float64)
    inside = np.unique(codes[(codes >= low) & (codes <= high)])
    return inside[np.linspace(0, len(inside) - 1, count).astype(int)]


def into(values: Array, kind: dtype) -> Array:
    """Values as a C-ordered array of a dtype; complex ones lose their imaginary part in a real dtype."""
    if kind.category < COMPLEX and values.dtype.kind == "c":
        values = values.real
    with np.errstate(all="ignore"):
        if kind.category == BOOL:
            return np.array(values != 0, order="C")
        return np.array(np.asarray(values).astype(kind.numpy), order="C")


# -- other values than the declared ones ---------------------------------------------------------------------------


def extremes(kind: dtype, operand: Operand) -> Array:
    """Numbers at the edges of a dtype: limits, both zeros, subnormals, infinities, nan, and neighbours of 1."""
    if kind.category == BOOL:
        return np.array([False, True])
    if kind.category == INTEGRAL:
        info = np.iinfo(kind.numpy)
        wide = [
            0,
            1,
            -1,
            2,
            -2,
            3,
            7,
            2**24 + 1,
            -(2**24) - 1,
            2**53 + 1,
            info.min,
            info.min + 1,
            info.max,
            info.max - 1,
        ]
        found = sorted({int(v) for v in wide if info.min <= v <= info.max})
        if operand.low >= 0:
            found = [v for v in found if v >= 0]
        if operand.nonzero:
            found = [v for v in found if v not in (0, -1)]
        return np.array(found, dtype=kind.numpy)
    from .precision import format_of

    form = format_of(kind)
    tiny, eps = 2.0**form.low, 2.0**-form.digits
    real = [
        0.0, -0.0, 1.0, -1.0, 1 + eps, 1 - eps / 2, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -7.0, 1e-3, 100.0, tiny, -tiny,
        tiny * eps, -tiny * eps, tiny * (1 - eps), form.largest, -form.largest, np.nan, np.inf, -np.inf,
    ]  # fmt: skip
    return np.array(real, dtype=np.float64).astype(host_dtype(kind)).astype(kind.numpy)


def least_normal(kind: dtype) -> float:
    """The smallest normal number of the dtype in which kernels of a floating dtype compute."""
    return 2.0**-1022 if kind.to_real().itemsize == 8 else 2.0**-126


def without_subnormals(pool: Array, kind: dtype) -> Array:
    """The numbers of a pool that a device without subnormal numbers can compute with."""
    if kind.category != FLOATING:
        return pool
    size = np.abs(pool.astype(np.float64))
    return pool[(size == 0) | ~(size < least_normal(kind))]


def wide_integers(array: Array, kind: dtype, *key: Any) -> Array:
    """Integers far past what float32 (and for 64 bits, float64) holds exactly, of an array's shape."""
    info = np.iinfo(kind.numpy)
    reach = int(info.max) // 4
    low = 0 if info.min == 0 else -reach
    return np.asarray(generator(*key, "wide").integers(low, reach, array.shape, endpoint=True)).astype(kind.numpy)
