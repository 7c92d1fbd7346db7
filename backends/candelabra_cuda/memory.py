# SPDX-License-Identifier: Apache-2.0
"""Memory of devices: CuPy's pool, with what the contract asks beside it: statistics, uses by other streams, a limit.

CuPy's pool keeps freed memory for the stream it was taken on: work of one stream runs in order, so its next user cannot be early.
Where other streams used it (`record_stream`), it goes back when they are done.
"""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from cupy.cuda import MemoryPool, PythonFunctionAllocator, alloc_pinned_memory, runtime
from cupy.cuda.pinned_memory import is_memory_pinned

from candelabra.dispatcher.backend import MemoryCounter

LEAST = 512
"""Bytes; CuPy's pool gives whole multiples of it."""


class Block:
    """Memory in use by handles.

    Attributes:
        pointer: CuPy's, which holds the memory.
        address: CUDA's.
        nbytes: what was asked for; `size`: what the pool gave.
        index: of the device.
        stream: the one it was made for.
        uses: events of work on other streams.
        home: CuPy's pool that the memory is of. A pool takes its memory along when it goes, that in use as well, so a
            block keeps its own.
    """

    __slots__ = ("address", "home", "index", "nbytes", "pointer", "pool", "size", "stream", "uses")

    def __init__(self, pointer: Any, nbytes: int, stream: Any, pool: Pool | None, home: Any = None) -> None:
        self.pointer = pointer
        self.home = home
        self.address: int = pointer.ptr
        self.nbytes = nbytes
        self.size = -(-max(nbytes, 1) // LEAST) * LEAST
        self.index: int = stream.index
        self.stream = stream
        self.pool = pool
        self.uses: list[Any] | None = None

    def __del__(self) -> None:
        pool = getattr(self, "pool", None)
        if pool is not None:
            pool.take_back(self)


class Counter(MemoryCounter):
    """Counts that a block may change while another one is being counted: it may die whenever Python collects garbage."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()


class Pool:
    """Memory of one device.

    Attributes:
        limit: bytes it may take; 0 for no limit but the device's.
        is_open: False once the process ends, when CUDA's runtime may be gone.
    """

    def __init__(self, limit: int = 0) -> None:
        self.counter = Counter()
        self.is_open = True
        self._sizes: dict[int, int] = {}
        self._gone: collections.deque[int] = collections.deque()
        self._allocator = PythonFunctionAllocator(self._malloc, self._free)
        self._main = MemoryPool(self._allocator.malloc)
        self._private = threading.local()
        self._waiting: list[tuple[list[Any], Any, Any]] = []
        self._lock = threading.RLock()  # a block may die within take(), when Python collects garbage
        self._limit = 0
        self.set_limit(limit)

    # What CuPy's pool calls for memory of the device itself.

    def _malloc(self, size: int, index: int) -> int:
        address: int = runtime.malloc(size)
        self._sizes[address] = size
        self._count_gone()
        self.counter.reserved(size)
        return address

    def _free(self, address: int, index: int) -> None:
        if not self.is_open:
            return  # the driver takes all of it back when the process ends
        with contextlib.suppress(runtime.CUDARuntimeError):  # of a lost device; nobody could be told
            runtime.free(address)
        # CuPy's pool is locked now: who holds the counter's lock may be waiting for that one.
        self._gone.append(self._sizes.pop(address))

    def _count_gone(self) -> None:
        """Counts what went back to the device."""
        while self._gone:
            with contextlib.suppress(IndexError):  # another thread was faster
                self.counter.reserved(-self._gone.popleft())

    def stats(self) -> dict[str, int]:
        """Statistics of the memory, by the contract's keys."""
        self._count_gone()
        return self.counter.stats(self._limit)

    def reset_peak(self) -> None:
        """Lets the peaks start from the present values."""
        self._count_gone()
        self.counter.reset_peak()

    @property
    def limit(self) -> int:
        """Bytes it may take; 0 for no limit."""
        return self._limit

    def set_limit(self, limit_bytes: int) -> None:
        """Sets the most bytes it may take from the device; 0 for all there are."""
        self._main.set_limit(size=limit_bytes)
        self._limit = limit_bytes

    def take(self, nbytes: int, stream: Any) -> Block:
        """A block for work of a stream, which is CuPy's current one.

        Raises:
            MemoryError: the device, or the limit, has no room.
        """
        if self._waiting and not hasattr(self._private, "pool"):  # events may not be asked while work is captured
            self._collect()
        return self.adopt(self.malloc(max(nbytes, 1)), nbytes, stream)

    def malloc(self, nbytes: int) -> Any:
        """Memory as CuPy's functions take it: for its current stream."""
        return self._here.malloc(nbytes)

    @property
    def _here(self) -> Any:
        """CuPy's pool that this thread takes memory from."""
        return getattr(self._private, "pool", self._main)

    def adopt(self, pointer: Any, nbytes: int, stream: Any) -> Block:
        """A block on memory that this thread has taken from the pool."""
        made = Block(pointer, nbytes, stream, self, self._here)
        self.counter.allocated(made.size)
        return made

    def wrap(self, pointer: Any, nbytes: int, stream: Any) -> Block:
        """A block on memory of others, which is not counted."""
        return Block(pointer, nbytes, stream, None)

    def take_back(self, block: Block) -> None:
        """Keeps the memory of a block nobody looks at any more until other streams are done with it."""
        self.counter.freed(block.size)
        if block.uses:
            with self._lock:
                self._waiting.append((block.uses, block.pointer, block.home))

    def _collect(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []  # a block that dies meanwhile is added to the new list
            self._waiting += [entry for entry in entries if not all(event.done for event in entry[0])]

    def empty(self) -> None:
        """Gives free memory back to the device; the caller has waited for pending work."""
        self._collect()
        self._main.free_all_blocks()

    # -- memory of graphs ------------------------------------------------------------------------------------------

    def private(self) -> Any:
        """A pool of its own for what a graph uses: nobody else may get that memory while the graph can be replayed."""
        return MemoryPool(self._allocator.malloc)

    @contextlib.contextmanager
    def using(self, pool: Any) -> Iterator[None]:
        """Lets this thread take memory from a private pool."""
        before = getattr(self._private, "pool", None)
        self._private.pool = pool
        try:
            yield
        finally:
            if before is None:
                del self._private.pool
            else:
                self._private.pool = before


# -- memory of the host --------------------------------------------------------------------------------------------------


def pinned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An uninitialised host array in pinned memory, of CuPy's pool of it."""
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return np.empty(shape, dtype)
    return np.frombuffer(alloc_pinned_memory(size), np.uint8, size).view(dtype).reshape(shape)


def is_pinned(array: np.ndarray[Any, Any]) -> bool:
    """Whether a host array lies in pinned memory."""
    return bool(array.size) and bool(is_memory_pinned(array.ctypes.data))
