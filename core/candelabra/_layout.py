# SPDX-License-Identifier: Apache-2.0
"""Layouts of a tensor's elements, and the memory formats of strided tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._errors import CallError, ShapeError
from ._shape import Shape, is_contiguous, may_overlap


class layout:
    """How elements are stored: `strided`, `sparse_coo` or `sparse_csr`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"candelabra.{self.name}"


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")


class memory_format:
    """Order in memory of a strided tensor's dims.

    Attributes:
        order: from a number of dims to the dims from outermost to innermost; None to keep the order found.
        rank: the only number of dims it is for; None for any.
    """

    __slots__ = ("name", "order", "rank")

    def __init__(self, name: str, order: Callable[[int], tuple[int, ...]] | None, rank: int | None = None) -> None:
        self.name = name
        self.order = order
        self.rank = rank

    def __repr__(self) -> str:
        return f"candelabra.{self.name}"


def _channels_last(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim), 1)


contiguous_format = memory_format("contiguous_format", lambda ndim: tuple(range(ndim)))
channels_last = memory_format("channels_last", _channels_last, 4)
channels_last_3d = memory_format("channels_last_3d", _channels_last, 5)
preserve_format = memory_format("preserve_format", None)


def check_format(op: str, found: Any) -> None:
    """Raises CallError for what is neither a memory format nor None."""
    if found is not None and not isinstance(found, memory_format):
        raise CallError(f"{op}: memory_format must be a candelabra.memory_format, got {found!r}")


def format_order(op: str, ndim: int, wanted: Any) -> Shape | None:
    """Dims from outermost to innermost of `ndim` dims in a memory format; None for one that keeps what it finds.

    Raises:
        CallError: `wanted` is no memory format.
        ShapeError: it is for another number of dims.
    """
    check_format(op, wanted)
    if wanted is None or wanted.order is None:
        return None
    if wanted.rank not in (None, ndim):
        raise ShapeError(f"{op}: {wanted.name} is for {wanted.rank} dims, got {ndim}")
    order: Shape = wanted.order(ndim)
    return order


def memory_order(op: str, shape: Shape, strides: Shape, wanted: Any = None) -> Shape | None:
    """The order in memory of a copy: dims from outermost to innermost, or None for row-major order.

    Args:
        op: for messages.
        shape, strides: what is copied.
        wanted: a memory format; without one, or with `preserve_format`, the order found is kept. Where positions share
            elements there is none to keep.

    Raises:
        CallError, ShapeError: as `format_order`.
    """
    order = format_order(op, len(shape), wanted)
    if order is None:
        if len(shape) < 2 or is_contiguous(shape, strides) or may_overlap(shape, strides):
            return None
        order = tuple(sorted(range(len(shape)), key=lambda i: -strides[i]))
    return None if order == tuple(range(len(shape))) else order
