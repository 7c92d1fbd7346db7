# SPDX-License-Identifier: Apache-2.0
"""Worker processes: a segfault, a hang or an out-of-memory costs exactly the case it happens in.

Each worker takes one op at a time, makes its cases and runs them in order. Results arrive one by one; when a worker
dies or says nothing for the time limit, the first case without an answer gets the verdict and a new worker the rest.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, cast

from .case import Case, Result, Verdict, make_case
from .worker import Setup, receive, send

START_LIMIT_S = 120.0
"""Seconds a worker may take to load the backend or to make an op's cases."""


class PoolError(RuntimeError):
    """The backend could not be loaded at all."""


class Worker:
    """One process and what it is busy with.

    Attributes:
        op: the op it works on, or None when idle.
        pending: cases without an answer, the one being run first; None while the cases are being made.
        since: when it last said something.
    """

    def __init__(self, setup: Setup, inbox: queue.Queue[tuple[Worker, Any]]) -> None:
        self.op: str | None = None
        self.pending: deque[Case] | None = None
        self.since = time.monotonic()
        self.ready = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
        )
        self._reader = threading.Thread(target=self._read, args=(inbox,), daemon=True)
        self._reader.start()
        self.tell("setup", setup)

    def _read(self, inbox: queue.Queue[tuple[Worker, Any]]) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                inbox.put((self, receive(cast(BinaryIO, self.process.stdout))))
        except Exception:
            inbox.put((self, ("gone", None)))

    def tell(self, what: str, value: Any) -> None:
        """Sends a request; a dead worker is noticed by its reader."""
        assert self.process.stdin is not None
        self.since = time.monotonic()
        with contextlib.suppress(OSError):
            send(cast(BinaryIO, self.process.stdin), (what, value))

    def stop(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        start = next((i for i, line in enumerate(lines) if line.startswith("Fatal Python error")), -4)
        return " | ".join(line.strip() for line in lines[start:][:6])[:600]


def _environment() -> dict[str, str]:
    """One thread a worker: the parent decides how many run at once, and sums keep their order."""
    import os

    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    paths = os.pathsep.join(p for p in sys.path if p)
    return {**os.environ, **threads, "PYTHONPATH": paths}


class Pool:
    """Runs ops on some workers and yields results as they come.

    Args:
        setup: what each worker is told.
        jobs: number of workers.
        limit_s: seconds a case may take.
    """

    def __init__(self, setup: Setup, jobs: int, limit_s: float) -> None:
        self.setup = setup
        self.jobs = max(1, jobs)
        self.limit_s = limit_s
        self.restarts = 0
        self._inbox: queue.Queue[tuple[Worker, Any]] = queue.Queue()
        self._workers: list[Worker] = []
        self._ops: deque[str] = deque()
        self._stopped = False

    def stop(self) -> None:
        """Ends the run: what is under way is dropped."""
        self._stopped = True

    def run(
        self, ops: Iterable[str], planned: Callable[[str, list[Case]], None] = lambda op, cases: None
    ) -> Iterator[tuple[str, Result | None]]:
        """Yields (op, result) for each case, and (op, None) when an op is done.

        Args:
            ops: names, in the order they are to be started.
            planned: told the cases of each op before they run.

        Raises:
            PoolError: the backend could not be loaded.
        """
        self._ops = deque(ops)
        self._planned = planned
        try:
            for _ in range(min(self.jobs, len(self._ops))):
                self._workers.append(Worker(self.setup, self._inbox))
            while (self._ops or any(w.op is not None for w in self._workers)) and not self._stopped:
                yield from self._step()
        finally:
            for worker in self._workers:
                worker.stop()
            self._workers.clear()

    def _step(self) -> Iterator[tuple[str, Result | None]]:
        try:
            worker, (what, value) = self._inbox.get(timeout=0.2)
        except queue.Empty:
            yield from self._reap()
            return
        if worker not in self._workers:
            return
        worker.since = time.monotonic()
        if what == "ready":
            worker.ready = True
            self._next(worker)
        elif what == "refused":
            raise PoolError(value)
        elif what == "cases":
            self._planned(worker.op or "", value)
            worker.pending = deque(value)
            worker.tell("run", value)
        elif what == "failed":
            assert worker.op is not None
            yield from self._generation_failed(worker.op, Verdict.FAILED, value)
            yield worker.op, None
            self._next(worker)
        elif what == "result":
            assert worker.pending is not None and worker.op is not None
            worker.pending.popleft()
            yield worker.op, value
        elif what == "done":
            assert worker.op is not None
            yield worker.op, None
            self._next(worker)
        else:
            yield from self._replace(worker, *self._cause(worker))
        yield from self._reap()

    def _next(self, worker: Worker) -> None:
        worker.op = self._ops.popleft() if self._ops else None
        worker.pending = None
        if worker.op is not None:
            worker.tell("generate", worker.op)

    def _generation_failed(self, op: str, verdict: str, message: str) -> Iterator[tuple[str, Result]]:
        case = make_case(op, "grid", "-", "generation")
        self._planned(op, [case])
        yield op, Result(case, verdict, f"making the cases: {message}")

    def _cause(self, worker: Worker) -> tuple[str, str]:
        """Verdict and message for a worker that is gone."""
        code = worker.process.wait()
        words = worker.last_words()
        if code == -signal.SIGKILL:
            return Verdict.OUT_OF_MEMORY, f"killed, as the system does when memory runs out: {words}"
        if "MemoryError" in words:
            return Verdict.OUT_OF_MEMORY, words
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return Verdict.CRASHED, f"{name}: {words}"

    def _reap(self) -> Iterator[tuple[str, Result | None]]:
        """Ends workers that have been silent for too long."""
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.op is None and worker.ready:
                continue
            limit = self.limit_s if worker.pending else START_LIMIT_S
            if now - worker.since > limit:
                yield from self._replace(worker, Verdict.TIMED_OUT, f"no answer within {limit:g} s")

    def _replace(self, worker: Worker, verdict: str, message: str) -> Iterator[tuple[str, Result | None]]:
        """Gives the case under way its verdict and the rest to a new worker."""
        worker.stop()
        self._workers.remove(worker)
        op, pending = worker.op, worker.pending
        if not worker.ready:
            raise PoolError(f"a worker ended before the backend was loaded: {message}")
        if op is None:
            return
        if pending is None:
            yield from self._generation_failed(op, verdict, message)
        elif pending:
            yield op, Result(pending.popleft(), verdict, message, time.monotonic() - worker.since)
        self.restarts += 1
        fresh = Worker(self.setup, self._inbox)
        self._workers.append(fresh)
        if pending:
            fresh.op, fresh.pending = op, pending
            self._resume(fresh)
        else:
            yield op, None
            fresh.op = None

    def _resume(self, worker: Worker) -> None:
        """Waits for a replacement to be ready and hands it the remaining cases."""
        waiting: list[tuple[Worker, Any]] = []
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            try:
                sender, message = self._inbox.get(timeout=0.5)
            except queue.Empty:
                continue
            if sender is not worker:
                waiting.append((sender, message))
                continue
            if message[0] != "ready":
                raise PoolError(f"a new worker could not load the backend: {message[1]}")
            worker.ready = True
            break
        for item in waiting:
            self._inbox.put(item)
        assert worker.pending is not None
        worker.tell("run", list(worker.pending))


__all__ = ["Pool", "PoolError", "Worker"]
