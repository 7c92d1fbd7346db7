# SPDX-License-Identifier: Apache-2.0
"""What native convolutions share: their geometry, and pieces of kernels."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import threads
from .emit import F32, F64, I32, I64, PTR, VOID, Function, Value, compiled, size_of
from .native import vector_bits

Sizes = tuple[int, int, int]

STRIP_BYTES = 192 << 10
"""Of input rows that a thread holds: with the weights of a block they fit into the second cache level."""

LINE_BYTES = 64
"""Of the cache."""


def lanes(dtype: Any) -> int:
    """Elements of a vector register."""
    return vector_bits() // 8 // np.dtype(dtype).itemsize


def registers() -> int:
    """Registers for sums: of 32 or 16, what weights and one broadcast value leave."""
    return 28 if vector_bits() == 512 else 12


def vectors(rows: int, positions: int, dtype: Any) -> int:
    """Vectors of output channels in a block of registers, for `rows` of them and as many positions as there are."""
    count = -(-rows // lanes(dtype))
    if vector_bits() == 512:
        if count % 4 == 0 and positions <= registers() // 4:
            return 4
        if count == 3:
            return 3
    return min(count, 2)


def cut(width: int, most: int) -> tuple[int, int, int]:
    """(positions in a tile, how many tiles have as many, tiles in a row); the others have one fewer."""
    tiles = -(-width // most)
    size = -(-width // tiles)
    return size, width - tiles * (size - 1), tiles


def kernels(group: str, writers: Mapping[str, Callable[..., None]]) -> Callable[..., int]:
    """A function (name, "f" or "d" for float32 or float64, numbers built in) of a kernel's address.

    Each kernel is a module, since few programs need all. Its writer takes the module, scalar type, lanes and numbers.
    """

    @functools.cache
    def kernel(name: str, char: str, *key: int) -> int:
        def write(module: Any) -> None:
            writers[name](module, F32 if char == "f" else F64, lanes(char), *key)

        return compiled(group, write, f"{name} {char} {key}")[name]

    return kernel


def run(kernel: int, count: int, cost: int, *args: Any) -> None:
    """A kernel over `count` units of about `cost` operations, in chunks worth a thread."""
    grain = max(1, min(-(-count // (threads.count() * 4)), count), 20_000 // max(cost, 1))
    threads.launcher()(kernel, count, grain, *args)


class Args:
    """Words of a kernel's argument block by name."""

    def __init__(self, f: Function, address: Value, names: tuple[str, ...]) -> None:
        self.f, self.address, self.names = f, address, names

    def __getattr__(self, name: str) -> Value:
        return self.f.load(I64, self.address, self.names.index(name))

    def pointer(self, name: str) -> Value:
        return self.f.cast(getattr(self, name), PTR)


# -- pieces of kernels -------------------------------------------------------------------------------------------------


def transposed(f: Function, rows: list[Value]) -> list[Value]:
    """As many vectors as they have lanes, with rows and lanes exchanged."""
    count = len(rows)
    half = 1
    while half < count:
        first = [(i if i % (2 * half) < half else count + i - half) for i in range(count)]
        second = [(i + half if i % (2 * half) < half else count + i) for i in range(count)]
        done = list(rows)
        for i in range(count):
            if i % (2 * half) < half:
                done[i] = f.shuffle(rows[i], rows[i + half], first)
                done[i + half] = f.shuffle(rows[i], rows[i + half], second)
        rows = done
        half *= 2
    return rows


def prefetch(f: Function, pointer: Value, level: int, write: bool = False) -> None:
    """Asks for a cache line: 3 for the first cache level, 2 for the second."""
    f.call("llvm.prefetch.p0", VOID, pointer, *(f.const(I32, v) for v in (int(write), level, 1)))


def fetch_rows(
    f: Function, scalar: Any, plane: Value, width: Value, rows: tuple[Value, Value], columns: tuple[Value, Value]
) -> None:
    """Brings rows of a plane nearer, from the first to before the second number, and such columns of them."""
    first, after = rows
    low, high = f.larger(columns[0], 0), f.smaller(columns[1], width)
    # Rows of which most is wanted are one run of lines.
    at_once = f.select((high - low) * 2 > width, f.larger(after - first, 1), 1)
    with f.range(first, after, at_once) as row:
        fetch(f, scalar, plane, row * width + low, (row + at_once - 1) * width + high)


def fetch(f: Function, scalar: Any, pointer: Value, begin: Value, end: Value) -> None:
    """Brings elements `begin` to `end` of an array nearer."""
    line = LINE_BYTES // size_of(scalar)
    with f.range(begin, end + (line - 1), line) as i:  # beyond the end, for a line may begin in the last step
        prefetch(f, f.at(scalar, pointer, i), 3)


def claim_slot(f: Function, locks: Value, slots: Value) -> Value:
    """Number of a slot that is ours alone until it is released."""
    slot = f.var(I64, 0)
    with f.loop() as leave_if:
        leave_if(f.exchange(1, f.at(I64, locks, slot.value * 8), I64).equals(0))
        slot.value = (slot.value + 1) % slots
    return slot.value


def release_slot(f: Function, locks: Value, slot: Value) -> None:
    f.exchange(0, f.at(I64, locks, slot * 8), I64)


# -- geometry ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One product: an output grid, or the positions of the input with one remainder of the stride.

    Attributes:
        taps: (place in the source, counted from a position's own, and element of the kernel) of each k of a channel.
        sizes: of the grid.
        out_start: the grid's first element in a channel of the result.
        step: from one position to the next in the source; out_step: in the result.
    """

    taps: tuple[tuple[Sizes, int], ...]
    sizes: Sizes
    out_start: int
    step: Sizes
    out_step: Sizes


def three(values: Any, fill: int) -> Sizes:
    """Values for three dims, the first ones `fill`."""
    return (fill,) * (3 - len(values)) + tuple(values)


def geometry(sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Sizes, ...]:
    """Everything in three dims, and the output's sizes."""
    size, k, s, d = (three(tuple(v), 1) for v in (sizes, kernel, stride, dilation))
    p = three(tuple(padding), 0)
    counts = tuple((n + 2 * q - e * (m - 1) - 1) // t + 1 for n, m, t, q, e in zip(size, k, s, p, d, strict=True))
    return size, k, s, p, d, counts  # type: ignore[return-value]


@functools.lru_cache(512)
def forward_parts(sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Part, ...]:
    """The one part of a convolution of images of `sizes`."""
    _, k, s, p, d, counts = geometry(sizes, kernel, stride, padding, dilation)
    taps = tuple(
        (tuple(i * e - q for i, e, q in zip(tap, d, p, strict=True)), n)
        for n, tap in enumerate(itertools.product(*map(range, k)))
    )
    return (Part(taps, counts, 0, s, (1, 1, 1)),)  # type: ignore[arg-type]


def serves(rows: int, positions: int, dtype: Any) -> bool:
    """Whether `rows` output channels fill enough lanes, and as many positions as there are enough registers."""
    count = lanes(dtype)
    filled = rows / (-(-rows // count) * count)
    return filled >= 0.7 and min(positions, registers()) * vectors(rows, positions, dtype) >= 8
