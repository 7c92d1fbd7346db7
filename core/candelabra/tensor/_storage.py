# SPDX-License-Identifier: Apache-2.0
"""Storage: the identity of a piece of memory that several tensors may show.

A tensor alone on its memory has none until one is needed: for its first view, its first in-place write, or when asked
for. It keeps what all views share: the version counter, the clock stamp of the last write, and the views themselves.
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._tensor import Tensor

# One clock orders graph nodes and writes: a saved tensor is stale when its memory was written after the node was made.
tick = itertools.count(1).__next__


class Storage:
    """Memory shared by a base tensor and its views.

    Attributes:
        version: number of in-place writes so far.
        stamp: clock value of the last write; 0 when there was none.
        source: the storage this one counts apart from (`Tensor.data`), on the same memory; else None.
    """

    __slots__ = ("_handle", "_kind", "_views", "look_at", "source", "stamp", "version")

    def __init__(self, handle: Any, kind: Any) -> None:
        self._handle = handle
        self._kind = kind
        self.source: Storage | None = None
        self.version = 0
        self.stamp = 0
        self._views: list[weakref.ref[Tensor]] = []
        self.look_at = 64  # number of views at which to look for dead ones

    def forget_dead_views(self) -> None:
        """Drops references to views that are gone: short-lived ones must not pile up."""
        self._views = alive = [reference for reference in self._views if reference() is not None]
        self.look_at = max(64, 2 * len(alive))

    def views(self) -> list[Tensor]:
        """Live views of this memory."""
        return [view for ref in self._views if (view := ref()) is not None]

    def mark_written(self) -> None:
        """Counts one in-place write."""
        self.version += 1
        self.stamp = tick()

    def nbytes(self) -> int:
        """Size of the memory in bytes, gaps of the base's layout included."""
        return self._kind.backend.storage_nbytes(self._handle)

    def size(self) -> int:
        """Size of the memory in bytes, as PyTorch's untyped storage counts it."""
        return self.nbytes()

    def data_ptr(self) -> int:
        """Address of the memory on its device; 0 where the backend has no addresses."""
        return self._kind.backend.data_ptr(self._handle)

    @property
    def device(self) -> Any:
        """Device that holds the memory."""
        return self._kind.device

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        from ._sharing import reduce_storage

        return reduce_storage(self)

    def __len__(self) -> int:
        return self.nbytes()

    def __repr__(self) -> str:
        return f"UntypedStorage(size={self.nbytes()}, device={self._kind.device}, version={self.version})"
