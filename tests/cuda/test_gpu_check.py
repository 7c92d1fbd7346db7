# SPDX-License-Identifier: Apache-2.0
"""`benchmarks/gpu_check.py`, as far as no GPU is needed: what it brings, what it counts, and that nothing of it outlives it."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _module():
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "benchmarks/gpu_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gpu_check = _module()


@pytest.fixture
def check(tmp_path):
    given = {
        "out": tmp_path / "out",
        "state": tmp_path / "state",
        "packages": None,
        "jobs": 1,
        "dry_run": True,
        "minutes": 1.0,
    }
    return gpu_check.Check(argparse.Namespace(**given))


def case(op, verdict, **rest):
    return json.dumps({"id": f"{op}/float32", "op": op, "verdict": verdict, "seconds": 0.1, **rest}) + "\n"


def test_results_are_counted_as_they_come(tmp_path):
    stream = tmp_path / "results.jsonl"
    results = gpu_check.Results(stream)
    results.update()
    half = case("sum", "failed", message="wrong")
    stream.write_text('{"type": "run"}\n' + case("add", "passed") + half[:20])
    results.update()
    assert results.counts == {"passed": 1} and results.bad == []
    with open(stream, "a") as file:
        file.write(half[20:] + case("sum", "timed out"))
    results.update()
    assert results.counts == {"passed": 1, "failed": 1, "timed out": 1}
    assert results.bad == ["sum/float32: failed: wrong", "sum/float32: timed out: "]
    results.save(tmp_path / "kept.json", "under way")
    assert json.loads((tmp_path / "kept.json").read_text())["ops"] == {"add": 1, "sum": 2}


def test_packages_serve_where_they_are_missing_or_newer(tmp_path):
    has = importlib.metadata.version("numpy")
    for name in (f"numpy-{has}", "numpy-0.1", "no_such_package-1.0", "numpy-999.1"):
        (tmp_path / name).mkdir()
    assert [p.name for p in gpu_check.needed(tmp_path)] == ["no_such_package-1.0", "numpy-999.1"]


def test_plugins_are_found_without_an_installation(check):
    folder = check.entry_points()
    (found,) = importlib.metadata.distributions(path=[str(folder)])
    names = {e.name for e in found.entry_points if e.group == "candelabra"}
    assert names >= {"cpu", "cuda", "opencl"}


def test_command_out_of_time_is_ended_with_its_children(check, monkeypatch):
    monkeypatch.setattr(gpu_check, "LEAST_S", 0.0)
    beat = check.out / "beat"
    child = f"import time\nwhile True:\n    open({str(beat)!r}, 'a').write('x'); time.sleep(0.05)"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    assert check.run(sys.executable, "-c", code, most_s=1.5) is None
    size = beat.stat().st_size
    assert size > 0
    time.sleep(0.3)
    assert beat.stat().st_size == size
    assert "ended after" in (check.out / "log.txt").read_text()


def test_step_that_raises_costs_itself_alone(tmp_path, monkeypatch):
    def broken(self):
        raise ValueError("no such thing")

    monkeypatch.setattr(gpu_check.Check, "facts", broken)
    monkeypatch.setattr(gpu_check.Check, "demo", lambda self: self.say("demo", "done"))
    out = tmp_path / "out"
    status = gpu_check.main(["--dry-run", "--out", str(out), "--state", str(tmp_path / "s"), "--steps", "facts,demo"])
    report = (out / "report.md").read_text()
    assert status == 1 and "raised ValueError: no such thing" in report and "## demo" in report
