# SPDX-License-Identifier: Apache-2.0
"""Runs the suite on one device: plans, hands ops to workers, streams results, applies waivers, and reports.

from candelabra_conformance import run
report = run("cpu", ops=["add", "sum"], jobs=2)
assert report.ok, report.summary()
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from . import SUITE_VERSION
from .case import RUNTIME, Case, Result, Verdict
from .pool import Pool, PoolError
from .results import Report
from .waivers import Waiver, apply, load_waivers
from .worker import Setup, prepare, register, run_timed

LIMIT_S = 30.0
"""Seconds a case may take unless told otherwise."""


class Progress:
    """What a run tells while it is under way; the base class says nothing."""

    def planned(self, op: str, cases: list[Case]) -> None:
        """An op's cases are about to run."""

    def result(self, result: Result) -> None:
        """A case has ended."""

    def done(self, op: str, finished: int, total: int) -> None:
        """An op has ended: `finished` of `total` are done."""

    def close(self) -> None:
        """The run has ended."""


def run(
    device: str = "cpu",
    *,
    tier: str = "quick",
    ops: Iterable[str] | None = None,
    dtypes: Iterable[str] = (),
    jobs: int | None = None,
    limit_s: float = LIMIT_S,
    memory_mb: int = 4096,
    failfast: bool = False,
    loads: str = "",
    imports: Iterable[str] = (),
    waivers: str | Path | None = None,
    results: str | Path | None = None,
    progress: Progress | None = None,
    finished: Callable[[str, list[Result]], None] | None = None,
    wanted: Callable[[Case], bool] | None = None,
) -> Report:
    """Runs cases on a device and returns the report.

    Args:
        device: name of a backend or device, `"cpu"`, `"cuda:1"`.
        tier: `quick` or `full`.
        ops: names or shell patterns of ops, and `runtime` for the device itself; everything when None.
        dtypes: names of the only dtypes to test in; all when empty.
        jobs: worker processes; one a core up to four when None; 0 runs in this process, without isolation.
        limit_s: seconds a case may take.
        memory_mb: address space a worker may add, 0 for no limit.
        failfast: end at the first failure; the cases that were planned and did not run are counted so.
        loads: `package.module:Class` of a backend that no installed plugin offers, registered as `device`.
        imports: modules to import first, for ops they declare.
        waivers: waiver file; the backend's own when None.
        results: file to stream results to, one JSON object a line.
        progress: told what happens.
        finished: told the results of each op as it ends.
        wanted: with `jobs=0`, picks cases.

    Raises:
        PoolError: the backend could not be loaded.
        WaiverError: the waiver file is not as it should be.
    """
    setup = Setup(device, loads, tier, tuple(dtypes), memory_mb, tuple(imports))
    names = select(ops, setup.imports)
    waived = find_waivers(setup, waivers)
    progress = progress or Progress()
    report = Report(header(setup, names))
    stream = open(results, "w", encoding="utf-8") if results is not None else None  # noqa: SIM115 - closed below
    start = time.perf_counter()
    planned: dict[str, list[Case]] = {}
    ended: dict[str, dict[str, Result]] = {name: {} for name in names}
    try:
        _write(stream, {"type": "run", **{k: v for k, v in report.header.items() if k != "ops"}})
        done = 0
        for op, result in _results(setup, names, jobs, limit_s, planned, progress, wanted):
            if result is None:
                done += 1
                progress.done(op, done, len(names))
                if finished is not None:
                    finished(op, list(ended[op].values()))
                continue
            ended[op][result.id] = result
            _write(stream, result.to_json())
            progress.result(result)
            if failfast and result.verdict in Verdict.BAD and not any(w.covers(result.id) for w in waived):
                break
    finally:
        progress.close()
        if stream is not None:
            stream.close()
    for name in names:
        for case in planned.get(name, ()):
            report.results.append(ended[name].get(case.id) or Result(case, Verdict.NOT_RUN))
    is_complete = ops is None and not setup.dtypes and not failfast
    report.problems.extend(apply(waived, report.results, is_complete=is_complete))
    if not report.executed:
        report.problems.append("no case was executed")
    report.header["seconds"] = round(time.perf_counter() - start, 3)
    return report


def _results(
    setup: Setup,
    names: list[str],
    jobs: int | None,
    limit_s: float,
    planned: dict[str, list[Case]],
    progress: Progress,
    wanted: Callable[[Case], bool] | None,
) -> Iterable[tuple[str, Result | None]]:
    def plan(op: str, cases: list[Case]) -> None:
        planned[op] = cases
        progress.planned(op, cases)

    if jobs == 0:
        return _run_here(setup, names, plan, wanted)
    return Pool(setup, default_jobs() if jobs is None else jobs, limit_s).run(names, plan)


def _run_here(
    setup: Setup, names: list[str], plan: Any, wanted: Callable[[Case], bool] | None
) -> Iterable[tuple[str, Result | None]]:
    from . import cases

    setup.memory_mb = 0
    context = prepare(setup)
    for name in names:
        found = [c for c in cases.generate(name, context, setup.dtypes) if wanted is None or wanted(c)]
        plan(name, found)
        for case in found:
            yield name, run_timed(case, context)
        yield name, None


def default_jobs() -> int:
    """One worker a core, four at most."""
    return min(4, os.cpu_count() or 1)


def select(patterns: Iterable[str] | None, imports: Iterable[str] = ()) -> list[str]:
    """The device and all declared ops in order of their names, or those that match.

    Raises:
        ValueError: a pattern matches nothing.
    """
    import fnmatch
    import importlib

    import candelabra  # noqa: F401 - declares the ops
    from candelabra.op import ops

    for module in imports:
        importlib.import_module(module)
    names = [RUNTIME, *sorted(ops)]
    if patterns is None:
        return names
    wanted: set[str] = set()
    for pattern in patterns:
        found = {n for n in names if fnmatch.fnmatchcase(n, pattern)}
        if not found:
            raise ValueError(f"ops: no declared op is called so, got {pattern!r}")
        wanted |= found
    return [n for n in names if n in wanted]


def find_waivers(setup: Setup, source: str | Path | None) -> list[Waiver]:
    """The waivers of a file, or of the one the backend names."""
    from candelabra._errors import BackendError, DeviceError
    from candelabra.dispatcher._plugins import load_backend

    if source is None:
        try:
            register(setup)
            source = getattr(load_backend(setup.device.partition(":")[0]), "waivers", None)
        except (BackendError, DeviceError) as error:
            raise PoolError(str(error)) from error
    return [] if source is None else load_waivers(source)


def header(setup: Setup, names: list[str]) -> dict[str, Any]:
    """Facts of a run: what was run on what."""
    import numpy as np

    from candelabra.dispatcher.backend import API_VERSION

    return {
        "suite_version": SUITE_VERSION,
        "contract_version": API_VERSION,
        "backend": setup.loads or setup.device.partition(":")[0],
        "device": setup.device,
        "tier": setup.tier,
        "dtypes": list(setup.dtypes),
        "declarations": declarations_digest(names),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "host": f"{platform.system()} {platform.machine()}",
        "ops": names,
    }


def declarations_digest(names: Iterable[str]) -> str:
    """Sixteen hexadecimal digits of names, parameters and samples of the ops: two runs with one digest tried the same."""
    from candelabra.op import ops

    from .bridge import samples_of
    from .case import without_addresses

    digest = hashlib.sha256()
    for name in names:
        if name in ops:
            digest.update(f"{name}{ops[name].params}".encode())
            digest.update(without_addresses(repr(samples_of(name))).encode())
    return digest.hexdigest()[:16]


def _write(stream: TextIO | None, row: dict[str, Any]) -> None:
    if stream is not None:
        stream.write(json.dumps(row) + "\n")
        stream.flush()


__all__ = ["LIMIT_S", "PoolError", "Progress", "run", "select"]
