# SPDX-License-Identifier: Apache-2.0
"""Loops over the elements of a shape, in kernels and on the host; and what kernels that follow positions share.

A kernel is made for a rank of `RANKS` and for how its arrays step along the last loop, not for sizes or strides.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from candelabra._shape import Shape, contiguous_strides
from candelabra.compiler.graph import coalesced, is_complex, memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value
from candelabra_xp.indexing import check_range

from .look import Look

WORDS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
"""Types that elements move as, by their size."""

RANKS = (1, 2, 4, 8, 32)
"""Ranks that kernels are made for; one for fewer loops has loops of one turn."""

WIDTH = 4096
"""Turns of the last loop that one work item takes where it takes several."""

Steps = tuple[int | None, ...]


def rank_of(dims: int) -> int:
    """The smallest rank kernels are made for that has as many loops."""
    return next(r for r in RANKS if r >= dims)


class Loops:
    """In a kernel: loops over a shape, with the place of each array in them. Sizes and strides are its parameters.

    Args:
        steps: for each array its stride along the last loop, None for one that is a parameter.
    """

    def __init__(self, b: Builder, rank: int, steps: Steps) -> None:
        self.b = b
        self.sizes = [b.size(f"n{d}") for d in range(rank)]
        self.strides = [
            [b.const(step, "i64") if step is not None and d == rank - 1 else b.size(f"s{a}_{d}") for d in range(rank)]
            for a, step in enumerate(steps)
        ]
        self.width = b.size("width")

    @contextlib.contextmanager
    def work(self) -> Iterator[Line]:
        """Work items: where the target has rows, each is up to `width` turns of the last loop, else one."""
        sizes = list(self.sizes)
        if self.b.target.rows:
            sizes[-1] = (sizes[-1] + (self.width - 1)).idiv(self.width)
        total = functools.reduce(lambda x, y: x * y, sizes)
        with self.b.work(total) as item:
            places, rest = [], item
            for size in reversed(sizes[1:]):
                above = rest.idiv(size)
                places.append(rest - above * size)
                rest = above
            places = [rest, *reversed(places)]
            if self.b.target.rows:
                places[-1] = places[-1] * self.width
            bases = []
            for strides in self.strides:
                base = places[0] * strides[0]
                for place, stride in zip(places[1:], strides[1:], strict=True):
                    base = base + place * stride
                bases.append(base)
            yield Line(self, places[-1], bases)


class Line(NamedTuple):
    """One work item: where it starts in the last loop, and in each array."""

    loops: Loops
    start: Value
    bases: list[Value]

    def length(self) -> Value:
        """Turns of the work item, where the target has rows."""
        left = self.loops.sizes[-1] - self.start
        return (left < self.loops.width).select(left, self.loops.width)

    @contextlib.contextmanager
    def turns(self, vector: bool = True) -> Iterator[list[Value]]:
        """The work item's turns of the last loop: gives the place in each array. Without `vector`, what they read is all over
        the place."""
        b = self.loops.b
        if not b.target.rows:
            yield self.bases
            return
        with b.loop(self.length(), vector=vector, scalar=not vector) as i:
            yield [
                base if s[-1].op == "const" and s[-1].data == 0 else base + i * s[-1]
                for base, s in zip(self.bases, self.loops.strides, strict=True)
            ]


@dataclass(frozen=True)
class Walk:
    """On the host: loops over a shape, as a kernel takes them.

    Attributes:
        rank: the kernel's; `steps`: what it is made for.
        count: work items.
        integers: last parameters of the kernel: sizes, strides, width.
    """

    rank: int
    steps: Steps
    count: int
    integers: list[int]


def walk(
    shape: Sequence[int], strides: Sequence[Sequence[int]], steps: Steps, target: Target, width: int = WIDTH
) -> Walk:
    """Loops over `shape` with as few dims as do.

    Args:
        strides: of each array along each dim, in elements; 0 where it stands still.
        steps: strides along the last loop that the kernel has a variant for: chosen where they are the call's.
        width: turns of the last loop a work item takes where the target has rows.
    """
    sizes, steps_of = coalesced(shape, strides)
    if not sizes:
        sizes, steps_of = [1], [[step or 0] for step in steps]
    fits = all(want is None or s[-1] == want for want, s in zip(steps, steps_of, strict=True))
    chosen = steps if fits else (None,) * len(steps)
    rank = rank_of(len(sizes))
    pad = rank - len(sizes)
    integers = [1] * pad + sizes
    for want, s in zip(chosen, steps_of, strict=True):
        integers += [0] * pad + (s if want is None else s[:-1])
    width = max(1, min(width, sizes[-1]))
    outer = math.prod(sizes[:-1])
    count = outer * -(-sizes[-1] // width) if target.rows else outer * sizes[-1]
    return Walk(rank, chosen, count, [*integers, width])


# -- elements ----------------------------------------------------------------------------------------------------------


def word_of(dtype: np.dtype[Any]) -> tuple[str, int]:
    """(type that elements of a dtype move as, how many of it each is)."""
    return ("u64", 2) if dtype.itemsize == 16 else (WORDS[dtype.itemsize], 1)


def parts_of(dtype: np.dtype[Any]) -> tuple[str, int]:
    """(type in memory of the parts of a dtype's elements, how many each has)."""
    return memory_type(dtype), 2 if is_complex(dtype) else 1


def split(
    shape: Sequence[int], strides: Sequence[Sequence[int]], parts: Sequence[int]
) -> tuple[list[int], list[list[int]]]:
    """Loops over elements as loops over their parts, for arrays with as many parts an element (1 for all, or 2 for those
    whose elements are pairs)."""
    if max(parts) == 1:
        return list(shape), [list(s) for s in strides]
    return [*shape, 2], [[*(n * p for n in s), p - 1] for s, p in zip(strides, parts, strict=True)]


def given(look: Look, parts: int = 1) -> tuple[Any, int]:
    """A buffer argument of a kernel that sees `parts` parts an element."""
    return look.block, look.offset * parts


def seen(look: Look, shape: Shape, steps: Sequence[int], offset: int = 0) -> Look:
    """Another look at the same block."""
    return Look(look.block, look.offset + offset, tuple(shape), tuple(steps), look.dtype, look.index)


def reshaped(backend: Any, look: Look, shape: Shape) -> Look:
    """The elements in row-major order in another shape; copied where they do not lie in that order."""
    return seen(backend.contiguous(look), shape, contiguous_strides(shape))


def broadcast(look: Look, shape: Shape) -> Look:
    """A look with sizes of 1 stretched."""
    more = len(shape) - len(look.shape)
    steps = [0] * more + [0 if n == 1 else s for n, s in zip(look.shape, look.steps, strict=True)]
    return seen(look, shape, steps)


def converted(backend: Any, look: Look, dtype: np.dtype[Any]) -> Look:
    """A look's elements in another dtype."""
    from candelabra._dtype import from_numpy_dtype

    if look.dtype == dtype:
        return look
    found: Look = backend.kernel("cast", from_numpy_dtype(look.dtype))(look, from_numpy_dtype(dtype))
    return found


# -- positions ---------------------------------------------------------------------------------------------------------


def flag_of(backend: Any, index: int) -> Look:
    """A number that kernels set where a position is out of range; this thread's own, so that no other one clears it."""
    flags = vars(backend).setdefault("_flags", threading.local()).__dict__
    found: Look | None = flags.get(index)
    if found is None:
        found = flags[index] = backend.from_host(np.zeros(1, np.int32), index)
    return found


class Position:
    """In a kernel: a position read from memory, checked and counted from the front."""

    def __init__(self, b: Builder, flag: Buffer) -> None:
        self.b = b
        self.flag = flag
        self.low = b.size("low")
        self.size = b.size("size")

    def of(self, read: Value) -> tuple[Value, Value]:
        """(whether it is in range, the position, 0 where it is not); sets the flag where it is not."""
        wrong, place = self.seen(read)
        with self.b.when(wrong):
            self.flag[0] = 1
        return ~wrong, place

    def seen(self, read: Value) -> tuple[Value, Value]:
        """(whether it is out of range, the position, 0 where it is); the caller sees to the flag."""
        place = read.cast("i64")
        wrong = (place < self.low) | (place >= self.size)
        return wrong, wrong.select(0, (place < 0).select(place + self.size, place))


AHEAD = 4
"""Positions read before anything is written: processors hold back loads that may be of what they are storing."""


def for_positions(b: Builder, count: Value, position: Position, read: Callable[[Value], Value], use: Any) -> None:
    """In a kernel: calls `use` for the turns of a loop, with their numbers and positions, several turns at a time.

    Args:
        read: a position's number in memory, by turn.
        use: takes lists of turns and of positions, 0 for those out of range.
    """
    whole = count.idiv(AHEAD) * AHEAD
    for start, end, n in ((b.const(0, "i64"), whole, AHEAD), (whole, count, 1)):
        with b.loop(end, start, n, scalar=True) as j:
            turns = [j + t for t in range(n)]
            found = [position.seen(read(turn)) for turn in turns]
            with b.when(functools.reduce(lambda x, y: x | y, [wrong for wrong, _ in found])):
                position.flag[0] = 1
            use(turns, [place for _, place in found])


@dataclass(frozen=True)
class Checked:
    """An index and what its positions must be in, for messages."""

    index: Look
    size: int
    dim: int
    negative: bool

    @property
    def bounds(self) -> list[int]:
        """Parameters of a `Position`."""
        return [-self.size if self.negative else 0, self.size]


def refuse(backend: Any, op: str, checks: Sequence[Checked]) -> None:
    """Raises DimError if the kernels before have set the flag.

    Reading it waits for them, so where the host may not wait nothing is refused. What is wrong, the host finds out.
    """
    if not backend.may_wait(checks[0].index.index):
        return
    device = checks[0].index.index
    flag = flag_of(backend, device)
    if not backend.to_host(flag)[0]:
        return
    backend.upload(flag.block, np.zeros(4, np.uint8))
    on_host(backend, op, checks)


def on_host(backend: Any, op: str, checks: Sequence[Checked]) -> None:
    """Raises DimError for positions out of range, found by the host: for messages, and where no kernel reads them."""
    for check in checks:
        check_range(op, backend.to_host(check.index), check.size, check.dim, check.negative)


def all_of(make: Callable[..., Kernel], *choices: Iterable[Any]) -> Iterator[Kernel]:
    """Kernels for every combination of arguments, made when they are asked for: most calls never do."""
    for combination in itertools.product(*choices):
        yield make(*combination)
