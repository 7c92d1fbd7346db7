# SPDX-License-Identifier: Apache-2.0
"""DataLoader: batches of a dataset, fetched here or by worker processes."""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection
from typing import Any

from ..._errors import ArgumentError, BackendError, CallError
from ._collate import default_collate, default_convert
from ._dataset import IterableDataset
from ._sampler import BatchSampler, RandomSampler, SequentialSampler
from ._worker import Fetcher, Receiver, WorkerInfo, work


class _Forever:
    """Endless sampler of iterable datasets: it gives counts, not indices."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """Batches of a dataset, in order.

    Args:
        dataset: a Dataset, any sequence, or an IterableDataset.
        batch_size: samples a batch; None turns batching off.
        shuffle: a new random order each pass.
        sampler, batch_sampler: orders of one's own, instead of `shuffle`, or of all batching arguments.
        num_workers: worker processes; 0 fetches in this one.
        collate_fn: from a list of samples to a batch; `default_collate` when None.
        pin_memory: accepted for PyTorch's sake: host memory needs no pinning for the devices here.
        drop_last: leave out a last, smaller batch.
        timeout: seconds to wait for a worker's batch; 0 waits for ever.
        worker_init_fn: called with the worker's number at its start.
        multiprocessing_context: start method ("fork", "spawn", "forkserver") or context; the system's when None.
        generator: source of the order and of the workers' seeds; the default one when None.
        prefetch_factor: batches asked of each worker in advance; 2 when None.
        persistent_workers: keep the workers between passes.
        pin_memory_device: accepted for PyTorch's sake.
        in_order: accepted for PyTorch's sake: batches always come in order.

    Raises:
        ArgumentError: arguments that exclude each other or are out of range.

    Example:
        >>> data = cb.utils.data.TensorDataset(cb.arange(5))
        >>> [batch[0].tolist() for batch in cb.utils.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self.is_iterable = isinstance(dataset, IterableDataset)
        _check(
            (num_workers < 0, f"num_workers must be at least 0, got {num_workers}"),
            (not callable(collate_fn or default_collate), f"collate_fn must be callable, got {collate_fn!r}"),
            (timeout < 0, f"timeout must be at least 0 s, got {timeout}"),
            (
                not num_workers and prefetch_factor is not None,
                f"prefetch_factor needs num_workers > 0, got {prefetch_factor}",
            ),
            (
                prefetch_factor is not None and prefetch_factor < 1,
                f"prefetch_factor must be at least 1, got {prefetch_factor}",
            ),
            (not num_workers and persistent_workers, "persistent_workers needs num_workers > 0, got num_workers=0"),
            (self.is_iterable and bool(shuffle), "an IterableDataset gives its own order, got shuffle=True"),
            (
                self.is_iterable and (sampler or batch_sampler) is not None,
                "an IterableDataset takes no sampler, got one",
            ),
            (sampler is not None and bool(shuffle), "sampler and shuffle exclude each other, got both"),
            (
                batch_sampler is not None and (batch_size != 1 or bool(shuffle) or sampler is not None or drop_last),
                "batch_sampler excludes batch_size, shuffle, sampler and drop_last, got it with one of them",
            ),
            (
                batch_size is None and batch_sampler is None and drop_last,
                "drop_last needs batch_size, got batch_size=None",
            ),
        )
        if not self.is_iterable and not hasattr(dataset, "__getitem__"):
            raise CallError(f"DataLoader: dataset must have samples by index, got {type(dataset).__name__}")
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor if prefetch_factor is not None else (2 if num_workers else None)
        self.persistent_workers = persistent_workers
        self.drop_last = drop_last
        if sampler is None:
            if self.is_iterable:
                sampler = _Forever()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.batch_size = batch_size
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_collate if batch_sampler is not None else default_convert)
        self._pool: _Workers | None = None

    def __iter__(self) -> Iterator[Any]:
        if not self.num_workers:
            return self._fetch_here()
        pool = self._pool
        if pool is None or not pool.usable or pool.is_taken:
            pool = _Workers(self)
            self._pool = pool if self.persistent_workers else None
        pool.is_taken = True  # two passes at a time would take each other's batches
        return pool.run(iter(self._index_batches()))

    def _index_batches(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def _make_fetcher(self) -> Callable[[], Fetcher]:
        return functools.partial(
            Fetcher, self.dataset, self.is_iterable, self.batch_sampler is not None, self.collate_fn, self.drop_last
        )

    def _fetch_here(self) -> Iterator[Any]:
        fetcher = self._make_fetcher()()
        for indices in self._index_batches():
            try:
                batch = fetcher.fetch(indices)
            except StopIteration:
                return
            yield batch

    def __len__(self) -> int:
        if not self.is_iterable:
            return len(self._index_batches())  # type: ignore[arg-type]
        try:
            total = len(self.dataset)
        except TypeError:
            raise CallError(
                f"DataLoader: length is unknown, got an iterable dataset {type(self.dataset).__name__}"
            ) from None
        if self.batch_size is None:
            return total
        return total // self.batch_size if self.drop_last else -(-total // self.batch_size)


def _check(*rules: tuple[bool, str]) -> None:
    for broken, text in rules:
        if broken:
            raise ArgumentError(f"DataLoader: {text}")


class _Workers:
    """Worker processes of one loader. Batches are asked of them in turn and handed out in that order."""

    def __init__(self, loader: DataLoader) -> None:
        from ...ops.drawing import randint

        context = loader.multiprocessing_context
        if context is None or isinstance(context, str):
            context = multiprocessing.get_context(context)
        count = loader.num_workers
        seed = int(randint(0, 2**62, (), generator=loader.generator))
        self.ahead = loader.prefetch_factor or 2
        self.timeout_s = loader.timeout or None
        self.keep = loader.persistent_workers
        self.usable = True
        self.is_taken = False
        self.receivers: list[Receiver] = []
        self.processes: list[Any] = []
        for i in range(count):
            here, there = context.Pipe(duplex=True)
            info = WorkerInfo(i, count, seed + i, loader.dataset)
            process = context.Process(
                target=work,
                args=(there, loader._make_fetcher(), info, loader.worker_init_fn, os.getpid()),
                name=f"candelabra data worker {i}",
                daemon=True,
            )
            process.start()
            there.close()
            self.receivers.append(Receiver(here))
            self.processes.append(process)

    def run(self, index_batches: Iterator[Any]) -> Iterator[Any]:
        """One pass over the index batches."""
        count = len(self.receivers)
        ended = [False] * count
        owners: dict[int, int] = {}
        arrived: dict[int, tuple[str, Any]] = {}
        asked = given = 0
        exhausted = False
        finished = False
        try:
            for receiver in self.receivers:
                receiver.request(-1, None)
            while True:
                while not exhausted and asked - given < count * self.ahead and not all(ended):
                    owner = self._next_owner(asked, ended)
                    try:
                        indices = next(index_batches)
                    except StopIteration:
                        exhausted = True
                        break
                    self._ask(owner, asked, indices)
                    owners[asked] = owner
                    asked += 1
                if given == asked:
                    finished = True
                    return
                if given not in arrived:
                    self._receive(owners[given], arrived)
                    continue
                kind, value = arrived.pop(given)
                owner = owners.pop(given)
                given += 1
                if kind == "end":
                    ended[owner] = True
                elif kind == "error":
                    raise _from_worker(owner, *value)
                else:
                    yield value
        finally:
            self.is_taken = False
            if not (finished and self.keep):
                self.close()

    def _next_owner(self, number: int, ended: list[bool]) -> int:
        count = len(ended)
        return next(i % count for i in range(number, number + count) if not ended[i % count])

    def _ask(self, owner: int, number: int, indices: Any) -> None:
        try:
            self.receivers[owner].request(number, [None] if indices is None else indices)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._died(owner) from error

    def _receive(self, owner: int, arrived: dict[int, tuple[str, Any]]) -> None:
        pipe, process = self.receivers[owner].pipe, self.processes[owner]
        start = time.monotonic()
        ready = connection.wait([pipe, process.sentinel], self.timeout_s)
        if pipe in ready:
            try:
                kind, number, value = self.receivers[owner].receive()
            except (EOFError, ConnectionResetError) as error:
                raise self._died(owner) from error
            arrived[number] = (kind, value)
        elif ready:
            raise self._died(owner)
        else:
            waited = time.monotonic() - start
            raise BackendError(
                f"DataLoader: worker {owner} gave no batch in time, got none for {waited:.1f} s; raise timeout"
            )

    def _died(self, owner: int) -> BackendError:
        process = self.processes[owner]
        process.join(1)
        return BackendError(f"DataLoader: worker {owner} died, got exit code {process.exitcode}; see its output")

    def close(self) -> None:
        """Ends the worker processes."""
        self.usable = False
        for receiver in self.receivers:
            receiver.pipe.close()
        for process in self.processes:
            process.join(0.5)
            if process.is_alive():
                process.terminate()
                process.join(5)

    def __del__(self) -> None:
        if getattr(self, "usable", False):
            self.close()


class _Message(str):
    """A text that shows itself as it is: KeyError prints the repr of what it was given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _from_worker(owner: int, kind: type[Exception], text: str) -> Exception:
    """The worker's error with its traceback in the message, of its own class where that takes one text."""
    message = _Message(f"DataLoader: worker {owner} raised {text}")
    try:
        return kind(message)
    except Exception:
        return BackendError(message)
