# SPDX-License-Identifier: Apache-2.0
"""What benchmarks share: a process for each framework, in turn, and the best of several rounds.

Two frameworks in one process spoil each other's thread pools. A script measures in a process of its own, which prints its
times as JSON in the last line.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import timeit
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Row = Callable[[], Any]


def seconds(row: Row, budget_s: float) -> float:
    """Best time of a call, of five tries that take `budget_s` together."""
    timer = timeit.Timer(row)
    row()
    number = max(1, int(budget_s / 5 / max(timer.timeit(3) / 3, 1e-7)))
    return min(timer.repeat(5, number)) / number


def in_a_process(python: str, script: str, *args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What a script prints as JSON, run by an interpreter in a fresh process."""
    command = [python, str(Path(script).resolve()), *args]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})})
    if done.returncode:
        raise SystemExit(f"{' '.join(args)}: measuring failed\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_turn(rounds: int, script: str, ours: Sequence[str], peer: tuple[str, Sequence[str]] | None) -> tuple[Any, Any]:
    """Best times of rows, ours and the peer's (None without one), each round in fresh processes, in turn."""
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append(in_a_process(sys.executable, script, *ours))
        if peer is not None:
            theirs.append(in_a_process(peer[0], script, *peer[1]))
    return best(mine), best(theirs) if theirs else None


def has(python: str, module: str) -> bool:
    """Whether an interpreter can import a module."""
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The smallest time of each row."""
    return {label: min(r[label] for r in rounds) for label in rounds[0]}


def machine() -> str:
    """Processor, cores and interpreter, for results that are kept."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def geometric_mean(numbers: Sequence[float]) -> float:
    """Of positive numbers."""
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def report(ours: dict[str, float], peer: dict[str, float] | None) -> str:
    """Microseconds of rows, and their ratios to the peer's, as a table in Markdown."""
    lines = [f"Machine: {machine()}.", ""]
    if peer is None:
        lines += ["| row | candelabra us |", "|---|---:|"]
        return "\n".join(lines + [f"| {label} | {t * 1e6:.2f} |" for label, t in ours.items()])
    lines += ["| row | candelabra us | torch us | ratio |", "|---|---:|---:|---:|"]
    ratios = {label: t / peer[label] for label, t in ours.items()}
    lines += [f"| {k} | {ours[k] * 1e6:.2f} | {peer[k] * 1e6:.2f} | {r:.2f} |" for k, r in ratios.items()]
    mean = geometric_mean(list(ratios.values()))
    return "\n".join([*lines, "", f"Geometric mean {mean:.2f}, highest {max(ratios.values()):.2f}."])
