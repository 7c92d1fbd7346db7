# SPDX-License-Identifier: Apache-2.0
"""Progress for people: a live line with rich where it is installed and wanted, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from .case import Case, Result, Verdict
from .runner import Progress


class PlainProgress(Progress):
    """A line for each failure, and one every few seconds."""

    def __init__(self, stream: TextIO | None = None, every_s: float = 5.0, failures: int = 200) -> None:
        self.stream = stream or sys.stderr
        self.every_s = every_s
        self.left = failures
        self.count = self.bad = 0
        self._last = self._start = time.monotonic()

    def result(self, result: Result) -> None:
        self.count += 1
        if result.verdict in Verdict.BAD:
            self.bad += 1
            self.left -= 1
            if self.left >= 0:
                self.say(f"{result.verdict.upper()}  {result.id}\n        {result.message}")
            elif self.left == -1:
                self.say("further failures are counted, and listed in the report")

    def done(self, op: str, finished: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= self.every_s or finished == total:
            self._last = now
            self.say(f"{finished}/{total} ops, {self.count:,} cases, {self.bad} bad, {now - self._start:.0f} s")

    def say(self, text: str) -> None:
        """Prints one line."""
        print(text, file=self.stream, flush=True)


class RichProgress(PlainProgress):
    """The same with a live bar under the failures."""

    def __init__(self, failures: int = 200) -> None:
        super().__init__(failures=failures)
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self.console = Console(stderr=True)
        self.bar = Bar(
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[cases]:,} cases  {task.fields[bad]} bad"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.bar.add_task("starting", total=None, cases=0, bad=0)
        self.bar.start()

    def planned(self, op: str, cases: list[Case]) -> None:
        self.bar.update(self.task, description=op)

    def done(self, op: str, finished: int, total: int) -> None:
        self.bar.update(self.task, completed=finished, total=total, cases=self.count, bad=self.bad)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self.bar.stop()


def make_progress(plain: bool) -> Progress:
    """A live bar on a terminal with rich, else plain lines."""
    if not plain and sys.stderr.isatty():
        try:
            return RichProgress()
        except ImportError:
            pass
    return PlainProgress()


def show(value: Any, limit: int = 1000) -> str:
    """A value for `repro`: arrays whole while they are small."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}\n{np.array2string(value, threshold=limit, max_line_width=110, floatmode='unique')}"
    return str(value)


__all__ = ["PlainProgress", "RichProgress", "make_progress", "show"]
