# SPDX-License-Identifier: Apache-2.0
"""Memory of a simulated device: blocks between guard bands, poisoned before their first and after their last use.

As a real device's allocator, this one keeps freed blocks for the stream they were allocated on and hands them out again
at once, since later work of that stream runs after the work that still reads them. Work of other streams is protected only
where `record_stream` said so.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np

from candelabra._errors import BackendError
from candelabra.dispatcher.backend import MemoryCounter

from .scheduler import Item, Scheduler, Stream

GUARD_BYTES = 64
FENCE = 0xA5
FRESH = 0xFF  # nan in every floating dtype, -1 or the largest in integers
FREED = 0xFD

_addresses = itertools.count(1 << 44, 1 << 40)


class Block:
    """Bytes of a device between two guard bands.

    Attributes:
        raw: the bytes, guards included.
        size_bytes: of the present use; the guard behind it begins there.
        stream: whose work may use the block anew as soon as it is freed.
        address: a number that stands for an address; those of two blocks are further apart than either is large.
    """

    __slots__ = ("address", "raw", "size_bytes", "stream")

    def __init__(self, capacity: int, stream: Stream) -> None:
        self.raw = np.full(capacity + 2 * GUARD_BYTES, FENCE, np.uint8)
        self.size_bytes = 0
        self.stream = stream
        self.address = next(_addresses)

    @property
    def capacity(self) -> int:
        """Bytes between the guards."""
        return len(self.raw) - 2 * GUARD_BYTES

    def begin(self, size_bytes: int) -> None:
        """Poisons the block for a new use, and puts the guards around it."""
        self.raw[:] = FENCE
        self.raw[GUARD_BYTES : GUARD_BYTES + size_bytes] = FRESH

    def end(self, what: str, size_bytes: int) -> None:
        """Checks the guards after the last use, and poisons the block."""
        self.check(what, size_bytes)
        self.raw[GUARD_BYTES : GUARD_BYTES + size_bytes] = FREED

    def check(self, what: str, size_bytes: int) -> None:
        """Raises BackendError when somebody wrote beside the block."""
        for side, band in (("before", self.raw[:GUARD_BYTES]), ("behind", self.raw[GUARD_BYTES + size_bytes :])):
            wrong = np.flatnonzero(band != FENCE)
            if wrong.size:
                place = int(wrong[-1]) - GUARD_BYTES if side == "before" else int(wrong[0])
                raise BackendError(
                    f"sim:{self.stream.index}: somebody wrote {side} a block of {size_bytes} bytes, got {wrong.size} "
                    f"changed bytes from {place} on; seen by {what}"
                )


class Memory:
    """A block in use: held by handles, given back with the last of them."""

    __slots__ = ("arena", "block", "size_bytes", "used_on")

    def __init__(self, arena: Arena, block: Block, size_bytes: int) -> None:
        self.arena = arena
        self.block = block
        self.size_bytes = size_bytes
        self.used_on: set[Stream] = set()

    def __del__(self) -> None:
        # Any thread, any time, even inside the scheduler: only the next allocation or launch looks at it.
        self.arena.dropped.append((self.block, self.used_on))


class Arena:
    """All memory of one device.

    Args:
        limit_bytes: the most it may take from the host; 0 for no limit.
    """

    def __init__(self, index: int, scheduler: Scheduler, limit_bytes: int) -> None:
        self.index = index
        self.scheduler = scheduler
        self.limit_bytes = limit_bytes
        self.counter = MemoryCounter()
        self.dropped: deque[tuple[Block, set[Stream]]] = deque()
        self.live: set[Block] = set()
        self._held: list[tuple[Block, list[Item]]] = []
        self._cached: dict[tuple[Stream, int], list[Block]] = {}

    def allocate(self, size_bytes: int, stream: Stream) -> Memory:
        """Memory for work of `stream`; raises MemoryError where there is no room."""
        with self.scheduler.lock:
            self.collect()
            capacity = max(64, -(-size_bytes // 64) * 64)
            cached = self._cached.get((stream, capacity))
            if cached:
                block = cached.pop()  # the one freed last, which pending work is likeliest to use still
                self.scheduler.submit(stream, "allocation", lambda: block.begin(size_bytes))
            else:
                block = self._take(capacity, stream)
                block.begin(size_bytes)
            block.size_bytes = size_bytes
            self.live.add(block)
            self.counter.allocated(size_bytes)
            return Memory(self, block, size_bytes)

    def _take(self, capacity: int, stream: Stream) -> Block:
        reserved = self.counter.stats()["reserved"]
        if self.limit_bytes and reserved + capacity > self.limit_bytes:
            raise MemoryError(
                f"sim:{self.index}: no room for {capacity} bytes beside {reserved} of {self.limit_bytes} in use"
            )
        block = Block(capacity, stream)
        self.counter.reserved(capacity)
        return block

    def collect(self) -> None:
        """Takes blocks back whose last handle is gone; those recorded on other streams once these are past that."""
        while self.dropped:
            block, used_on = self.dropped.popleft()
            self.live.discard(block)
            self.counter.freed(block.size_bytes)
            markers = [self.scheduler.submit(s, "last use") for s in used_on if s is not block.stream and s.items]
            self._held.append((block, markers))
        held, self._held = self._held, []
        for block, markers in held:
            if all(marker.is_done for marker in markers):
                self._recycle(block, block.size_bytes)
            else:
                self._held.append((block, markers))

    def _recycle(self, block: Block, size_bytes: int) -> None:
        self.scheduler.submit(block.stream, "free", lambda: block.end("its release", size_bytes))
        self._cached.setdefault((block.stream, block.capacity), []).append(block)

    def empty_cache(self) -> None:
        """Gives every block that nobody uses back to the host; all work is done before."""
        with self.scheduler.lock:
            self.collect()
            self.scheduler.finish([marker for _, markers in self._held for marker in markers])
            self.collect()
            self.scheduler.finish_streams([s for s in self.scheduler.streams if s.index == self.index])
            for blocks in self._cached.values():
                for block in blocks:
                    self.counter.reserved(-block.capacity)
            self._cached.clear()

    def check(self) -> None:
        """Checks the guards of every block in use."""
        with self.scheduler.lock:
            for block in self.live:
                block.check("synchronize", block.size_bytes)


def look(
    block: Block, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, dtype: np.dtype[Any], writes: bool
) -> np.ndarray[Any, Any]:
    """An array on a block's bytes; strides and offset in elements. The block alone decides what is found there."""
    size = dtype.itemsize
    array: np.ndarray[Any, Any] = np.ndarray(
        shape, dtype, block.raw.data, GUARD_BYTES + offset * size, [s * size for s in strides]
    )
    array.flags.writeable = writes
    return array


__all__ = ["GUARD_BYTES", "Arena", "Block", "Memory", "look"]
