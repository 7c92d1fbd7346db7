# SPDX-License-Identifier: Apache-2.0
"""The suite proves itself: every planted defect is caught by a case that the undamaged backend passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .case import Verdict
from .defects import DEFECTS, Defect, Undamaged
from .results import Report
from .runner import run


@dataclass
class Caught:
    """What became of one defect.

    Attributes:
        name, about: of the defect.
        caught: whether a case or a problem of the run tells of it.
        by: the first such case, with its verdict and message.
        cases: number of cases that do.
    """

    name: str
    about: str
    caught: bool
    by: str
    cases: int


def selftest(
    only: Iterable[str] | None = None, *, jobs: int = 2, tell: Callable[[str], None] = lambda text: None
) -> list[Caught]:
    """Runs the cases of a few ops on each wrong backend.

    Args:
        only: names of defects; all when None.
        jobs: how many are run at once.
        tell: told a line for each.

    Raises:
        ValueError: no defect has a name.
    """
    chosen = DEFECTS if only is None else [_named(name) for name in only]
    names = sorted({name for defect in chosen for name in present(defect.ops)})
    control = run_on(Undamaged.__name__, names, 30.0, max(1, jobs))
    sound = {r.id for r in control.results if r.verdict == Verdict.PASSED}

    def attempt(defect: Defect) -> Caught:
        report = run_on(defect.name, present(defect.ops), defect.limit_s, 1)
        telling = [r for r in report.results if r.verdict in Verdict.BAD and r.id in sound]
        # Cases that exist only because of a false claim have no counterpart on the undamaged backend.
        telling = telling or [r for r in report.results if r.verdict in Verdict.BAD and r.case.kind == "capabilities"]
        by = f"{telling[0].id} {telling[0].verdict}: {telling[0].message}" if telling else "; ".join(report.problems)
        return Caught(defect.name, defect.about, bool(by), by, len(telling))

    found: list[Caught] = []
    with ThreadPoolExecutor(max(1, jobs)) as threads:
        for result in threads.map(attempt, chosen):
            tell(
                f"{'caught' if result.caught else 'MISSED':8} {result.name:24} {result.about}\n{'':8} {result.by[:200]}"
            )
            found.append(result)
    return found


def present(patterns: Iterable[str]) -> list[str]:
    """The patterns that match a declared op or the device."""
    from .runner import select

    found = []
    for pattern in patterns:
        try:
            select([pattern])
        except ValueError:
            continue
        found.append(pattern)
    return found


def run_on(backend: str, ops: Iterable[str], limit_s: float, jobs: int) -> Report:
    """A run on one of the backends of `defects`."""
    return run(
        Undamaged.name,
        ops=list(ops),
        jobs=jobs,
        limit_s=limit_s,
        loads=f"{Undamaged.__module__}:{backend}",
        memory_mb=2048,
    )


def _named(name: str) -> Defect:
    for defect in DEFECTS:
        if defect.name == name:
            return defect
    raise ValueError(
        f"selftest: no planted defect is called so, got {name!r}; known are {', '.join(d.name for d in DEFECTS)}"
    )


__all__ = ["Caught", "selftest"]
