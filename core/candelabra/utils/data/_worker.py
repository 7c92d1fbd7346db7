# SPDX-License-Identifier: Apache-2.0
"""Worker processes: they fetch batches and put them into shared memory.

A worker owns a few slots of anonymous memory. A batch is pickled with its arrays out of band: the arrays' bytes go into
a free slot, and only the small rest and the slot's number go through the pipe. The reader copies a slot once, out of
which the tensors are made, and gives it back with its next request. Nothing is named, so nothing can be left behind.
Where the system has no anonymous memory (`os.memfd_create`), everything goes through the pipe.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

import numpy as np

from ...tensor._sharing import pickled_alone

HAS_MEMFD = hasattr(os, "memfd_create")
_ALIGN = 64


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows of itself: its number, how many there are, its seed and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Inside a worker process its WorkerInfo, elsewhere None.

    Example:
        >>> cb.utils.data.get_worker_info() is None
        True
    """
    return _info


class Fetcher:
    """Turns indices into batches; for iterable datasets, a batch size into the next batch."""

    def __init__(
        self, dataset: Any, iterable: bool, auto_batch: bool, collate: Callable[[Any], Any], drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.auto_batch = auto_batch
        self.collate = collate
        self.drop_last = drop_last
        self.iterator = iter(dataset) if iterable else None

    def fetch(self, indices: Any) -> Any:
        """The batch of `indices`; raises StopIteration at the end of an iterable dataset."""
        if self.iterator is not None:
            return self._next(len(indices) if self.auto_batch else 1)
        if not self.auto_batch:
            return self.collate(self.dataset[indices])
        fetch = getattr(self.dataset, "__getitems__", None)
        return self.collate(fetch(indices) if callable(fetch) else [self.dataset[i] for i in indices])

    def _next(self, count: int) -> Any:
        assert self.iterator is not None
        if not self.auto_batch:
            return self.collate(next(self.iterator))
        samples = []
        for _ in range(count):
            try:
                samples.append(next(self.iterator))
            except StopIteration:
                break
        if not samples or (self.drop_last and len(samples) < count):
            raise StopIteration
        return self.collate(samples)


class Slot:
    """A piece of anonymous shared memory, written by a worker."""

    def __init__(self, size: int) -> None:
        self.fd = os.memfd_create("candelabra-batch", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)
        self.size = size
        self.memory = mmap.mmap(self.fd, size)

    def close(self) -> None:
        """Gives the memory back."""
        self.memory.close()
        os.close(self.fd)


class Sender:
    """The worker's end of the pipe: pickles batches, their arrays into slots."""

    def __init__(self, pipe: Any, reader_pid: int) -> None:
        self.pipe = pipe
        self.reader_pid = reader_pid
        self.slots: dict[int, Slot] = {}
        self.free: list[int] = []

    def send(self, number: int, batch: Any) -> None:
        """Sends one batch."""
        buffers: list[pickle.PickleBuffer] = []
        use_slots = HAS_MEMFD
        with pickled_alone():  # a sample that shows a row of a data set must not take all of it along
            body = pickle.dumps(batch, protocol=5, buffer_callback=buffers.append if use_slots else None)
        raws = [b.raw() for b in buffers]
        places, end = [], 0
        for raw in raws:
            places.append((end, raw.nbytes))
            end += -(-raw.nbytes // _ALIGN) * _ALIGN
        if not end:
            self.pipe.send(("batch", number, body, None, 0, places))
            return
        index, is_new = self._slot(end)
        slot = self.slots[index]
        for (start, size), raw in zip(places, raws, strict=True):
            slot.memory[start : start + size] = raw
        self.pipe.send(("batch", number, body, index, slot.size if is_new else 0, places))
        if is_new:
            reduction.send_handle(self.pipe, slot.fd, self.reader_pid)

    def _slot(self, size: int) -> tuple[int, bool]:
        """A free slot of at least `size` bytes, and whether the reader has yet to see it."""
        for index in self.free:
            if self.slots[index].size >= size:
                self.free.remove(index)
                return index, False
        # A slot that is too small is replaced under its number, so that the reader lets go of its memory as well.
        index = self.free.pop() if self.free else len(self.slots)
        if index in self.slots:
            self.slots[index].close()
        self.slots[index] = Slot(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        return index, True


class Receiver:
    """The reader's end: copies slots out and gives them back."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.slots: dict[int, mmap.mmap] = {}
        self.done: list[int] = []

    def receive(self) -> tuple[str, int, Any]:
        """(kind, number, batch or error text) of the next message."""
        kind, number, body, index, new_size, places = self.pipe.recv()
        if kind != "batch":
            return kind, number, body
        if index is None:
            return kind, number, pickle.loads(body, buffers=[b"" for _ in places])
        if new_size:
            fd = reduction.recv_handle(self.pipe)
            self.slots[index] = mmap.mmap(fd, new_size)
            os.close(fd)
        used = places[-1][0] + places[-1][1]
        copy = memoryview(bytearray(memoryview(self.slots[index])[:used]))
        self.done.append(index)
        return kind, number, pickle.loads(body, buffers=[copy[start : start + size] for start, size in places])

    def request(self, number: int, indices: Any) -> None:
        """Asks for a batch, and gives read slots back."""
        done, self.done = self.done, []
        self.pipe.send((number, indices, done))


def work(
    pipe: Any,
    make_fetcher: Callable[[], Fetcher],
    info: WorkerInfo,
    init: Callable[[int], None] | None,
    reader_pid: int,
) -> None:
    """Main function of a worker process: answers requests until the pipe closes."""
    global _info
    _info = info
    _seed(info.seed)
    sender = Sender(pipe, reader_pid)
    fetcher: Fetcher | None = None
    started = False
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            number, indices, done = pipe.recv()
            sender.free.extend(done)
            if indices is None:
                fetcher = None  # a new pass: iterable datasets start again
                continue
            try:
                if not started:
                    started = True
                    if init is not None:
                        init(info.id)
                if fetcher is None:
                    fetcher = make_fetcher()
                sender.send(number, fetcher.fetch(indices))
            except StopIteration:
                pipe.send(("end", number, None, None, 0, ()))
            except Exception as error:
                text = f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"
                pipe.send(("error", number, (_sendable(type(error)), text), None, 0, ()))


def _sendable(kind: type[Exception]) -> type[Exception]:
    """The class itself, or its first base that the reader can import: a local class cannot be pickled."""
    for candidate in kind.__mro__:
        with contextlib.suppress(Exception):
            pickle.dumps(candidate)
            return candidate
    return Exception


def _seed(seed: int) -> None:
    from ..._random import manual_seed

    random.seed(seed)
    np.random.seed(seed % 2**32)
    manual_seed(seed)
