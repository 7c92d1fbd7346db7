# SPDX-License-Identifier: Apache-2.0
"""What the kernels of this package share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Value

from ..compile import target

Array = np.ndarray[Any, Any]

WORDS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
"""Types that elements move as, by their size."""

WIDTH = 4096
"""Elements of a row that one work item takes."""


def word_of(dtype: Any) -> tuple[str, int]:
    """(type that elements of a dtype move as, how many of it each is)."""
    return ("u64", 2) if dtype.itemsize == 16 else (WORDS[dtype.itemsize], 1)


def number_of(dtype: Any) -> tuple[str, int] | None:
    """(type of the numbers of a dtype, how many each element has); None for bool, whose sums are no numbers."""
    if dtype.kind == "c":
        return ("f32" if dtype.itemsize == 8 else "f64"), 2
    return None if dtype.kind == "b" else (memory_type(dtype), 1)


def builder(name: str, *words: str) -> Builder:
    """A builder of a kernel for this processor."""
    return Builder("_".join([name, *words]), target())


def split(shape: Sequence[int], dim: int) -> tuple[int, int, int]:
    """Elements before a dim, its size, elements after it."""
    return math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])


def parts(item: Value, size: Value) -> tuple[Value, Value]:
    """Quotient and remainder of a work item's number."""
    above = item.idiv(size)
    return above, item - above * size


def stretches(length: int, width: int = WIDTH) -> int:
    """Number of stretches of a row."""
    return -(-length // width)


def stretch(length: Value, number: Value, width: int = WIDTH) -> tuple[Value, Value]:
    """(first element, number of elements) of a stretch of a row."""
    start = number * width
    left = length - start
    return start, (left < width).select(left, width)


class Places:
    """In a kernel: positions read from memory, checked and counted from the front.

    Args:
        negative: they may count from the end.
    """

    def __init__(self, b: Builder, index: str, negative: bool) -> None:
        self.b = b
        self.memory: Buffer = b.buffer("places", index)
        self.flag = b.buffer("flag", "i32", True)
        self.size = b.size("size")
        self.negative = negative

    def at(self, where: Value) -> tuple[Value, Value]:
        """(the position, 0 for a wrong one; whether it is wrong)."""
        place = self.memory[where].cast("i64")
        if self.negative:
            place = (place < 0).select(place + self.size, place)
        # Read without a sign, a negative position is a large one.
        wrong = place.bitcast("u64") >= self.size.bitcast("u64")
        return wrong.select(0, place), wrong


class Wrong:
    """In a kernel: whether a loop has met a wrong position."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.seen = places.b.var(places.b.const(0, "i32"))

    def note(self, wrong: Value) -> None:
        """Adds what one position is."""
        self.seen.add(wrong.cast("i32"), reassoc=True)

    def tell(self) -> None:
        """Sets the flag, after the loop."""
        with self.places.b.when(self.seen.get().ne(0)):
            self.places.flag[0] = 1


def whole(array: Array) -> Array:
    """The array, or its row-major copy."""
    if array.flags.c_contiguous:
        return array
    if array.dtype.kind not in "fiub":
        return np.ascontiguousarray(array)
    from ..compiled import fused

    copied: Array = fused("clone")(array)
    return copied


def flag() -> Array:
    """A flag that is not set."""
    return np.zeros(1, np.int32)


def index_of(index: Array) -> tuple[str, Array] | None:
    """Type and contiguous memory of positions."""
    if index.dtype.char not in "lqi":
        return None
    return ("i64" if index.itemsize == 8 else "i32"), np.ascontiguousarray(index)
