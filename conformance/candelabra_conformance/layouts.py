# SPDX-License-Identifier: Apache-2.0
"""The layout lattice: the same values in many arrangements of memory.

Each layout gives strides and an offset in a flat buffer; everything between the elements is filled with poison, so
that a kernel that reads outside shows in its result and one that writes outside shows in the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from candelabra._dtype import BOOL, INTEGRAL, dtype
from candelabra._shape import contiguous_strides

from .case import Shape
from .precision import Array


@dataclass(frozen=True)
class Placement:
    """Where the elements of a shape stand in a flat buffer; all counts are elements.

    Attributes:
        strides, offset: as of a view of the buffer.
        size: of the buffer.
    """

    strides: Shape
    offset: int
    size: int


@dataclass(frozen=True)
class Layout:
    """A named arrangement.

    Attributes:
        name: as in case ids.
        place: from a shape to strides and offset; None where the arrangement says nothing new about the shape.
        shares: several positions share an element, so that values repeat: for reading only.
        plain: row-major without gaps, only moved: fit for ops that want contiguous operands.
    """

    name: str
    place: Callable[[Shape], tuple[Shape, int] | None]
    shares: bool = False
    plain: bool = False

    def placement(self, shape: Shape) -> Placement | None:
        """Strides, offset and buffer size for a shape, or None."""
        found = self.place(shape)
        if found is None:
            return None
        strides, offset = found
        last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if 0 not in shape else -1
        return Placement(strides, offset, offset + last + 1 + (0 if self.name == "tail" else 5))


def in_order(shape: Shape, order: Shape, gap: int = 0) -> Shape:
    """Strides of a shape whose dims lie in memory from outermost to innermost as `order` says.

    Args:
        gap: unused elements after each run of the innermost dim.
    """
    strides = [0] * len(shape)
    step = 1
    for i in reversed(order):
        strides[i] = step
        step = step * max(shape[i], 1) + (gap if step == 1 else 0)
    return tuple(strides)


def _offset(by: int) -> Callable[[Shape], tuple[Shape, int]]:
    return lambda shape: (contiguous_strides(shape), by)


def _reversed(shape: Shape) -> tuple[Shape, int] | None:
    return (in_order(shape, tuple(reversed(range(len(shape))))), 0) if len(shape) > 1 else None


def _rotated(shape: Shape) -> tuple[Shape, int] | None:
    n = len(shape)
    return (in_order(shape, (*range(1, n), 0)), 2) if n > 2 else None


def _swapped(shape: Shape) -> tuple[Shape, int] | None:
    n = len(shape)
    return (in_order(shape, (*range(n - 2), n - 1, n - 2)), 0) if n > 2 else None


def _channels_last(shape: Shape) -> tuple[Shape, int] | None:
    n = len(shape)
    return (in_order(shape, (0, *range(2, n), 1)), 0) if n in (4, 5) else None


def _stepped(step: int) -> Callable[[Shape], tuple[Shape, int] | None]:
    return lambda shape: (tuple(s * step for s in contiguous_strides(shape)), 1) if shape else None


def _stepped_everywhere(shape: Shape) -> tuple[Shape, int] | None:
    if len(shape) < 2:
        return None
    strides = contiguous_strides(tuple(2 * n + 1 for n in shape))
    return tuple(2 * s for s in strides), sum(strides)


def _rows(shape: Shape) -> tuple[Shape, int] | None:
    return (in_order(shape, tuple(range(len(shape))), gap=3), 1) if len(shape) > 1 else None


def _columns(shape: Shape) -> tuple[Shape, int] | None:
    return (in_order(shape, tuple(reversed(range(len(shape)))), gap=2), 3) if len(shape) > 1 else None


def _planes(shape: Shape) -> tuple[Shape, int] | None:
    if len(shape) < 3:
        return None
    rows, columns = shape[-2] + 1, shape[-1]
    outer = contiguous_strides((*shape[:-2], rows, columns))
    return outer, columns


def _unit(shape: Shape) -> tuple[Shape, int] | None:
    """Strides of dims of size 1 mean nothing and may be anything."""
    if 1 not in shape:
        return None
    return tuple(1009 if n == 1 else s for n, s in zip(shape, contiguous_strides(shape), strict=True)), 0


def _expanded(which: int | None) -> Callable[[Shape], tuple[Shape, int] | None]:
    def place(shape: Shape) -> tuple[Shape, int] | None:
        if which is None:
            return ((0,) * len(shape), 1) if len(shape) > 1 else None
        if not shape or shape[which] < 2:
            return None
        dim = which % len(shape)
        kept = tuple(1 if i == dim else n for i, n in enumerate(shape))
        return tuple(0 if i == dim else s for i, s in enumerate(contiguous_strides(kept))), 0

    return place


def _window(shape: Shape) -> tuple[Shape, int] | None:
    """Overlapping rows, each one element further: what sliding windows are."""
    if len(shape) < 2 or shape[-1] < 2 or shape[-2] < 2:
        return None
    step = shape[-1] + shape[-2]
    outer = tuple(step * s for s in contiguous_strides(shape[:-2]))
    return (*outer, 1, 1), 1


CONTIGUOUS = "contiguous"

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(CONTIGUOUS, lambda shape: None, plain=True),
        Layout("offset", _offset(1), plain=True),
        Layout("aligned", _offset(64), plain=True),
        Layout("tail", _offset(7), plain=True),
        Layout("stepped", _stepped(2)),
        Layout("stepped3", _stepped(3)),
        Layout("stepped7", _stepped(7)),
        Layout("reversed", _reversed),
        Layout("rows", _rows),
        Layout("columns", _columns),
        Layout("everywhere", _stepped_everywhere),
        Layout("swapped", _swapped),
        Layout("rotated", _rotated),
        Layout("planes", _planes),
        Layout("channels-last", _channels_last),
        Layout("unit", _unit),
        Layout("expanded-first", _expanded(0), shares=True),
        Layout("expanded-last", _expanded(-1), shares=True),
        Layout("expanded-all", _expanded(None), shares=True),
        Layout("window", _window, shares=True),
    )
}
"""All layouts by name. `contiguous` is memory of its own; every other is a view of a larger buffer."""


def applies(name: str, shape: Shape) -> bool:
    """Whether a layout says something about a shape."""
    return name == CONTIGUOUS or LAYOUTS[name].place(shape) is not None


def poison(count: int, kind: dtype) -> Array:
    """What stands where no element is: nan, large numbers, a mixed pattern of bits."""
    if kind.category == BOOL:
        return np.resize(np.array([True, False, False]), count)
    if kind.category == INTEGRAL:
        return np.full(count, 113, dtype=kind.numpy)
    with np.errstate(all="ignore"):
        return np.full(count, np.nan).astype(kind.numpy)


def arrange(array: Array, kind: dtype, name: str) -> tuple[Array, Placement, Array]:
    """(flat buffer, placement, effective values) of an array in a layout other than `contiguous`.

    Where positions share elements the effective values differ from the given ones: the last write wins.
    """
    placement = LAYOUTS[name].placement(array.shape)
    assert placement is not None, f"layout {name} does not apply to {array.shape}"
    buffer = poison(placement.size, kind)
    view = look(buffer, array.shape, placement)
    if math.prod(array.shape):
        if LAYOUTS[name].shares:
            for index in np.ndindex(*array.shape):
                view[index] = array[index]
        else:
            view[...] = array
    return buffer, placement, np.array(view, order="C")


def look(buffer: Array, shape: Shape, placement: Placement) -> Array:
    """A NumPy view of a flat buffer."""
    size = buffer.itemsize
    if not math.prod(shape):
        return np.empty(shape, buffer.dtype)
    # Not as_strided, and by way of integers: NumPy has no buffer format for ml_dtypes' types.
    plain = buffer.view(f"u{size}") if size < 8 else buffer
    strides = [s * size for s in placement.strides]
    return np.ndarray(shape, plain.dtype, plain.data, placement.offset * size, strides).view(buffer.dtype)
