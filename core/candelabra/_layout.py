# SPDX-License-Identifier: Apache-2.0
"""Layouts of a tensor's elements, and the memory formats of strided tensors."""

from __future__ import annotations

from collections.abc import Callable


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
    """

    __slots__ = ("name", "order")

    def __init__(self, name: str, order: Callable[[int], tuple[int, ...]] | None) -> None:
        self.name = name
        self.order = order

    def __repr__(self) -> str:
        return f"candelabra.{self.name}"


def _channels_last(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim), 1) if ndim > 2 else tuple(range(ndim))


contiguous_format = memory_format("contiguous_format", lambda ndim: tuple(range(ndim)))
channels_last = memory_format("channels_last", _channels_last)
channels_last_3d = memory_format("channels_last_3d", _channels_last)
preserve_format = memory_format("preserve_format", None)
