# SPDX-License-Identifier: Apache-2.0
"""`candelabra doctor`: what is installed, what loads, and why something does not.

Each backend is loaded in a process of its own, with a time limit: one that crashes or hangs costs its own row.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..dispatcher import load_backend
from ..dispatcher._plugins import describe, entry_points
from ..dispatcher.backend import API_VERSION

LIBRARIES = ("numpy", "pluggy", "ml_dtypes", "rich", "scikit-learn", "matplotlib", "cupy-cuda13x", "pyopencl")


@dataclass(frozen=True)
class Row:
    """One backend: what its plugin says, its devices, the reason when it did not load, and what it has to say itself."""

    name: str
    source: str
    version: str
    devices: tuple[str, ...]
    problem: str = ""
    description: str = ""
    notes: tuple[str, ...] = ()


def main(args: Sequence[str] = ()) -> int:
    """Parses the command line and prints."""
    parser = argparse.ArgumentParser(prog="candelabra doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--timeout-s", type=float, default=30.0, help="limit for loading one backend")
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    if options.probe:
        print(json.dumps(_probe(options.probe)))
        return 0
    rows = examine(options.timeout_s)
    if options.json:
        print(json.dumps({"machine": machine(), "backends": [row.__dict__ for row in rows]}, indent=2))
    else:
        _print(rows)
    return 1 if any(row.problem for row in rows) else 0


def examine(timeout_s: float) -> list[Row]:
    """A row for each entry point; this process imports none of them."""
    return [_row(entry.name, entry.value, timeout_s) for entry in entry_points()]


def _row(name: str, source: str, timeout_s: float) -> Row:
    command = [sys.executable, "-m", "candelabra", "doctor", "--probe", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return Row(name, source, "", (), f"did not load within {timeout_s:g} s; disable or uninstall the plugin")
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (json.JSONDecodeError, IndexError):
        return Row(name, source, "", (), f"loading it ended the process, got exit code {done.returncode}")
    said = answer["problem"], answer["description"], tuple(answer["notes"])
    return Row(name, source, answer["version"], tuple(answer["devices"]), *said)


def _probe(name: str) -> dict[str, Any]:
    """What loading a plugin's description and backend in this process gives."""
    answer: dict[str, Any] = {"devices": [], "problem": "", "version": "", "description": "", "notes": []}
    try:
        found = describe(name)
        answer.update(version=found.info.version, description=found.info.description)
        backend = load_backend(name)
        answer["devices"], answer["notes"] = list(backend.devices()), list(backend.notes())
    except Exception as error:
        answer["problem"] = str(error)
    return answer


def machine() -> dict[str, str]:
    """Versions of Python, the system and the libraries that matter."""
    found = {"python": platform.python_version(), "system": platform.platform(), "contract": str(API_VERSION)}
    for library in ("candelabra", *LIBRARIES):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def _print(rows: list[Row]) -> None:
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:
        for key, value in machine().items():
            print(f"{key:14} {value}")
        for row in rows:
            print(f"{row.name:10} {', '.join(row.devices) or row.problem}  ({row.source})")
            for note in row.notes:
                print(f"{'':10} {note}")
        return
    console = Console()
    versions = Table("what", "version", title="Installed")
    for key, value in machine().items():
        versions.add_row(key, value if value != "not installed" else f"[dim]{value}[/dim]")
    console.print(versions)
    table = Table("backend", "state", "devices", "plugin", "version", title="Backends")
    for row in rows:
        state = "[green]ready[/green]" if not row.problem else "[red]not loaded[/red]"
        table.add_row(row.name, state, "\n".join(row.devices), row.source, row.version)
    console.print(table)
    for row in rows:
        for said in (row.problem, *row.notes):
            if said:
                console.print(f"[bold]{row.name}[/bold]: {escape(said)}", highlight=False)
