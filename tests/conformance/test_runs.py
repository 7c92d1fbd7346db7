# SPDX-License-Identifier: Apache-2.0
"""Runs: deterministic ids, isolation of crashes and hangs, reports, the command, and a few planted defects."""

from __future__ import annotations

import json

import pytest

from candelabra_conformance import run
from candelabra_conformance.case import RUNTIME, Verdict
from candelabra_conformance.command import main
from candelabra_conformance.defects import DEFECTS
from candelabra_conformance.pool import PoolError
from candelabra_conformance.selftest import run_on, selftest

SMALL = ["neg", "sum"]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    stream = tmp_path_factory.mktemp("run") / "results.jsonl"
    found = run("cpu", ops=SMALL, jobs=2, results=stream)
    found.stream = stream
    return found


def test_two_runs_give_the_same_ids_and_verdicts(report):
    again = run("cpu", ops=SMALL, jobs=1)
    assert [(r.id, r.verdict) for r in again.results] == [(r.id, r.verdict) for r in report.results]
    assert len({r.id for r in report.results}) == len(report.results) > 300
    assert again.header["declarations"] == report.header["declarations"]


def test_ids_read_op_dtype_shape_layout_form(report):
    for r in report.results:
        op, dtype, _, _, rest = r.id.split("/")
        assert (op, dtype) == (r.case.op, r.case.dtype)
        assert len(rest.partition("#")[2]) == 8


def test_results_are_streamed_and_reported_as_json(report, tmp_path):
    rows = [json.loads(line) for line in report.stream.read_text().splitlines()]
    assert rows[0]["type"] == "run" and len(rows) == len(report.results) + 1
    report.write(tmp_path / "report.json", all_cases=True)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["schema"] == 1
    assert written["counts"] == report.counts and len(written["cases"]) == len(report.results)
    assert set(written["ops"]) == set(SMALL)
    assert written["ops"]["neg"]["max_ulp"]["float32"] == 0


def test_positive_cases_have_a_witness(report):
    called = [r for r in report.results if r.case.kind == "grid" and r.verdict == Verdict.PASSED]
    assert called and all(r.outcome.how in ("kernel", "view", "body") for r in called)


def test_a_run_of_nothing_is_a_failure():
    found = run("cpu", ops=["neg"], dtypes=["no_such_dtype"], jobs=1)
    assert not found.ok and "no case was executed" in found.problems


def test_a_backend_that_does_not_load_is_told():
    with pytest.raises(PoolError, match="no_such_backend"):
        run("no_such_backend", ops=["neg"], jobs=1)


@pytest.mark.parametrize("name", ["Crashes", "Hangs", "RunsOutOfMemory"])
def test_a_crash_a_hang_or_exhausted_memory_costs_its_own_case_only(name):
    defect = next(d for d in DEFECTS if d.name == name)
    found = run_on(name, defect.ops, defect.limit_s, 1)
    verdict = {"Crashes": Verdict.CRASHED, "Hangs": Verdict.TIMED_OUT, "RunsOutOfMemory": Verdict.OUT_OF_MEMORY}[name]
    counts = found.counts
    assert counts[verdict] >= 1
    assert counts[Verdict.PASSED] > 150 and counts[Verdict.NOT_RUN] == 0


@pytest.mark.parametrize(
    "names",
    [("IgnoresOffset", "IgnoresStrides", "WritesPastEnd"), ("TwentyUlpOff", "HidesFallback", "WrongSecondGradient")],
    ids="+".join,
)
def test_planted_defects_are_caught(names):
    missed = [c.name for c in selftest(names, jobs=2) if not c.caught]
    assert not missed


def test_defects_are_many_and_named_apart():
    assert len(DEFECTS) >= 40
    assert len({d.name for d in DEFECTS}) == len(DEFECTS)
    assert all(d.about.endswith(".") for d in DEFECTS)


def test_command_run_tells_by_its_exit_status(capsys, tmp_path):
    path = tmp_path / "report.json"
    assert main(["run", "--ops", "neg", "--jobs", "1", "--json", str(path), "--by-op", "--plain"]) == 0
    assert "passed" in capsys.readouterr().out
    assert json.loads(path.read_text())["ok"] is True
    assert main(["run", "--ops", "no_such_op"]) == 2
    assert (
        main(
            [
                "run",
                "--ops",
                "exp",
                "--backend",
                "defect",
                "--loads",
                "candelabra_conformance.defects.backends:TwentyUlpOff",
                "--jobs",
                "1",
                "--plain",
            ]
        )
        == 1
    )


def test_command_list_and_repro_take_each_others_ids(capsys, tmp_path):
    assert main(["list", "--ops", "neg"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("neg/")
    script = tmp_path / "repro.py"
    assert main(["repro", first, "--write", str(script)]) == 0
    out = capsys.readouterr().out
    assert "operand 0" in out and "expected 0" in out and "got 0" in out and "dispatched" in out
    exec(compile(script.read_text(), str(script), "exec"), {})
    assert main(["repro", first[:-1] + "x"]) == 2


def test_the_device_itself_has_cases():
    found = run("cpu", ops=[RUNTIME], dtypes=["float8_e5m2", "bool", "-"], jobs=1)
    assert found.executed > 200
    assert {"allocate", "round-trip", "write-layout", "cast-to-bool", "views-share"} <= {
        r.case.form for r in found.results
    }
