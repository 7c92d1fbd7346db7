# SPDX-License-Identifier: Apache-2.0
"""pytest plugin: `pytest --pyargs candelabra_conformance --backend X` runs the suite, one test an op.

All wanted ops run in worker processes in the background from the moment the first test asks; each test waits for its
own op and fails with the ids and messages of the cases that did not hold. `-k`, `-x` and the rest work as usual.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .case import Result
    from .results import Report

SHOWN = 12
"""Failed cases a test names; all are in the report."""


def pytest_addoption(parser: Any) -> None:
    """Options of the suite; one that another plugin has already is left to it."""
    group = parser.getgroup("candelabra conformance")
    wanted: dict[str, dict[str, Any]] = {
        "--backend": {"default": "cpu", "help": "backend or device the conformance suite runs on (default: cpu)"},
        "--conformance-tier": {
            "default": "quick",
            "choices": ("quick", "full"),
            "help": "how many cases (default: quick)",
        },
        "--conformance-ops": {"default": "", "help": "names or patterns of ops, with commas (default: all)"},
        "--conformance-jobs": {
            "default": None,
            "type": int,
            "help": "worker processes (default: one a core, at most 4)",
        },
        "--conformance-loads": {"default": "", "help": "package.module:Class of a backend to register under that name"},
        "--conformance-waivers": {"default": None, "help": "waiver file (default: the one the backend names)"},
        "--conformance-json": {"default": None, "help": "file to write the report to"},
    }
    for name, options in wanted.items():
        try:
            group.addoption(name, **options)
        except ValueError:
            continue


def options_of(config: Any) -> dict[str, Any]:
    """The options as arguments of `run`."""
    ops = [part for part in (config.getoption("--conformance-ops", "") or "").split(",") if part]
    return {
        "device": config.getoption("--backend", None) or "cpu",
        "tier": config.getoption("--conformance-tier", None) or "quick",
        "ops": ops or None,
        "jobs": config.getoption("--conformance-jobs", None),
        "loads": config.getoption("--conformance-loads", None) or "",
        "waivers": config.getoption("--conformance-waivers", None),
    }


class Session:
    """One run of the suite for a pytest session, in a thread of its own.

    Attributes:
        ops: what is run, in order; set before the start.
        report: of the whole run; None while it lasts.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.ops: list[str] = []
        self.report: Report | None = None
        self._failure: BaseException | None = None
        self._results: dict[str, list[Result]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waivers: list[Any] | None = None

    def start(self) -> None:
        """Starts the run; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="candelabra conformance", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        from .runner import run

        try:
            self.report = run(**{**self.options, "ops": self.ops}, finished=self._finished)
        except BaseException as error:
            self._failure = error
        with self._changed:
            self._changed.notify_all()

    def _finished(self, op: str, results: list[Result]) -> None:
        with self._changed:
            self._results[op] = results
            self._changed.notify_all()

    def results(self, op: str) -> list[Result]:
        """The results of one op, waivers applied; waits for them."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: op in self._results or self._failure is not None or self.report is not None)
        if op not in self._results and self._failure is not None:
            raise self._failure
        from .waivers import apply

        # Copies: the run applies the waivers to its own results at its end.
        found = [copy.copy(r) for r in self._results.get(op, [])]

        apply(self.waivers(), found, is_complete=False)
        return found

    def waivers(self) -> list[Any]:
        """The waivers of the run."""
        if self._waivers is None:
            from .runner import find_waivers
            from .worker import Setup

            self._waivers = find_waivers(Setup(self.options["device"], self.options["loads"]), self.options["waivers"])
        return self._waivers

    def finish(self) -> Report | None:
        """Waits for the end of the run, if it was started."""
        if self._thread is not None:
            self._thread.join()
        return self.report


def check(results: list[Result]) -> str:
    """A line about an op's cases; raises AssertionError naming those that did not hold."""
    from collections import Counter

    from .case import Verdict

    counts = Counter(r.verdict for r in results)
    bad = [r for r in results if r.verdict in Verdict.BAD]
    text = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    if bad:
        lines = [f"{r.verdict}: {r.id}\n    {r.message}" for r in bad[:SHOWN]]
        raise AssertionError(f"{text}\n" + "\n".join(lines) + ("\n..." if len(bad) > SHOWN else ""))
    return text


def pytest_generate_tests(metafunc: Any) -> None:
    """One test for each op of the run, for tests that ask for `conformance_op`."""
    if "conformance_op" in metafunc.fixturenames:
        from .runner import select

        metafunc.parametrize("conformance_op", select(options_of(metafunc.config)["ops"]))


@pytest.fixture(scope="session")
def conformance_session(request: Any) -> Any:
    """The session's run, over the ops of the tests that were collected."""
    session = Session(options_of(request.config))
    wanted = {
        item.callspec.params["conformance_op"]: None
        for item in request.session.items
        if hasattr(item, "callspec") and "conformance_op" in item.callspec.params
    }
    session.ops = list(wanted)
    yield session
    report = session.finish() if not request.session.shouldstop else session.report
    path = request.config.getoption("--conformance-json", None)
    if report is not None and path:
        report.write(path)


@pytest.fixture
def conformance_results(conformance_op: str, conformance_session: Session) -> list[Result]:
    """All results of one op."""
    return conformance_session.results(conformance_op)
