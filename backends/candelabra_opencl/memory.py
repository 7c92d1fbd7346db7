# SPDX-License-Identifier: Apache-2.0
"""Memory of a device: blocks of some sizes, kept when tensors go and given to the next ones that fit.

A block goes back to the stream it was made for. Work on one stream runs in order, so its next user cannot be early; where
other streams used it (`record_stream`) it waits for them first.
"""

from __future__ import annotations

import collections
import threading
from typing import Any

import pyopencl as cl

from candelabra.dispatcher.backend import MemoryCounter

SMALLEST = 256
STEPS = 8
"""Sizes between a power of two and the next: at most an eighth of a block is unused."""


def size_class(nbytes: int) -> int:
    """The size in bytes of the block for so many."""
    if nbytes <= SMALLEST:
        return SMALLEST
    step = max(SMALLEST, 1 << ((nbytes - 1).bit_length() - 1)) // STEPS
    step = max(step, 64)
    return -(-nbytes // step) * step


class Block:
    """Memory in use by handles.

    Attributes:
        buffer: PyOpenCL's.
        nbytes: its size; `requested`: bytes of it that were asked for.
        stream: the one it was made for.
        uses: events of work on other streams.
        host: the array whose memory it is, for shared ones.
    """

    __slots__ = ("buffer", "host", "nbytes", "pool", "requested", "stream", "uses")

    def __init__(self, pool: Pool, buffer: Any, nbytes: int, stream: Any, host: Any = None) -> None:
        self.pool = pool
        self.buffer = buffer
        self.nbytes = self.requested = nbytes
        self.stream = stream
        self.uses: list[Any] | None = None
        self.host = host

    def __del__(self) -> None:
        pool = getattr(self, "pool", None)
        if pool is not None and pool.is_open:
            pool.take_back(self)


class Pool:
    """Blocks of one device.

    Attributes:
        limit: bytes it may take from the device; 0 for no limit but the device's.
        is_open: False once the process ends and the runtime may be gone.
    """

    def __init__(self, context: Any, device: Any, limit: int = 0) -> None:
        self.context = context
        self.limit = limit
        self.most = device.max_mem_alloc_size
        self.total = device.global_mem_size
        self.is_open = True
        self.counter = MemoryCounter()
        self._free: dict[tuple[int, int], list[Any]] = collections.defaultdict(list)
        self._waiting: list[tuple[list[Any], Any, int, int, Any]] = []
        self._reserved = 0
        self._lock = threading.RLock()  # a block may die within take(), when Python collects garbage

    def take(self, nbytes: int, stream: Any) -> Block:
        """A block for work of a stream.

        Raises:
            MemoryError: the device, or the limit, has no room.
        """
        size = size_class(nbytes)
        if self._waiting:
            self._collect()
        free = self._free.get((stream.number, size))
        try:
            buffer = free.pop() if free else self._reserve(size)
        except IndexError:  # another thread was faster
            buffer = self._reserve(size)
        self.counter.allocated(size)
        return Block(self, buffer, size, stream)

    def _reserve(self, size: int) -> Any:
        limit = self.limit or self.total
        with self._lock:
            if size > self.most or self._reserved + size > limit:
                raise MemoryError(f"no room for {size:,} bytes: {self._reserved:,} of {limit:,} are taken")
            self._reserved += size
        try:
            buffer = cl.Buffer(self.context, cl.mem_flags.READ_WRITE, size)
        except cl.Error as error:
            with self._lock:
                self._reserved -= size
            raise MemoryError(f"no room for {size:,} bytes: {error}") from error
        self.counter.reserved(size)
        return buffer

    def wrap(self, buffer: Any, nbytes: int, stream: Any, host: Any) -> Block:
        """A block on memory of the host, which stays the host's."""
        self.counter.allocated(nbytes)
        return Block(self, buffer, nbytes, stream, host)

    def take_back(self, block: Block) -> None:
        """Keeps the memory of a block nobody looks at any more."""
        self.counter.freed(block.nbytes)
        uses = block.uses or []
        if block.host is not None:  # the array must outlive the work that is given to its stream already
            uses = [*uses, block.stream.marker()]
        if uses:
            with self._lock:
                self._waiting.append((uses, block.buffer, block.stream.number, block.nbytes, block.host))
        else:
            self._free[block.stream.number, block.nbytes].append(block.buffer)

    def _collect(self) -> None:
        """Frees blocks whose work on other streams is done."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for entry in waiting:
            uses, buffer, number, size, host = entry
            if all(is_done(event) for event in uses):
                if host is None:
                    self._free[number, size].append(buffer)
            else:
                with self._lock:
                    self._waiting.append(entry)

    def empty(self) -> None:
        """Gives free blocks back to the device; the caller has waited for pending work."""
        self._collect()
        for (_, size), free in list(self._free.items()):
            while free:
                try:
                    free.pop().release()
                except IndexError:
                    break
                with self._lock:
                    self._reserved -= size
                self.counter.reserved(-size)


def is_done(event: Any) -> bool:
    """Whether the work of an event is over, well or not."""
    return bool(event.command_execution_status <= cl.command_execution_status.COMPLETE)
