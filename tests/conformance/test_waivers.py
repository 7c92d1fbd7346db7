# SPDX-License-Identifier: Apache-2.0
"""Waivers are strict: complete, in date, matching, and never of something that works."""

from __future__ import annotations

import datetime

import pytest

from candelabra_conformance.case import Result, Verdict, make_case
from candelabra_conformance.waivers import WaiverError, apply, load_waivers

GOOD = """
[[waiver]]
match = "some_op/float16/*"
type = "hardware"
reason = "flushes subnormal results"
link = "https://example.com/1"
owner = "kernels@example.com"
expires = 2030-01-31
"""
TODAY = datetime.date(2029, 1, 1)


@pytest.fixture
def waivers(tmp_path):
    path = tmp_path / "waivers.toml"
    path.write_text(GOOD)
    return load_waivers(path)


def result(verdict, dtype="float16"):
    return Result(make_case("some_op", "grid", dtype, "functional"), verdict, "off by two")


def test_a_waived_failure_is_counted_apart(waivers):
    found = [result(Verdict.FAILED), result(Verdict.FAILED, "float32")]
    assert apply(waivers, found, TODAY) == []
    assert [r.verdict for r in found] == [Verdict.WAIVED, Verdict.FAILED]
    assert "flushes subnormal results" in found[0].message


def test_a_waived_case_that_passes_fails(waivers):
    found = [result(Verdict.PASSED)]
    apply(waivers, found, TODAY)
    assert found[0].verdict == Verdict.FAILED
    assert "passes, though waived" in found[0].message


def test_an_expired_waiver_waives_nothing_and_is_a_problem(waivers):
    found = [result(Verdict.FAILED)]
    assert "expired" in apply(waivers, found, datetime.date(2031, 1, 1))[0]
    assert found[0].verdict == Verdict.FAILED


def test_a_waiver_that_matches_nothing_is_a_problem_of_complete_runs(waivers):
    assert "matches no executed case" in apply(waivers, [result(Verdict.PASSED, "float32")], TODAY)[0]
    assert apply(waivers, [result(Verdict.PASSED, "float32")], TODAY, is_complete=False) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("hardware", "whim"), "type must be one of"),
        (('owner = "kernels@example.com"\n', ""), "needs exactly"),
        (("2030-01-31", '"soon"'), "must be a date"),
        (('"flushes subnormal results"', '" "'), "texts that say something"),
        (("[[waiver]]", "[[wavier]]"), "entries only"),
        (("match =", "match"), "not valid TOML"),
    ],
)
def test_a_waiver_file_that_is_wrong_is_refused(tmp_path, change, message):
    path = tmp_path / "waivers.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(WaiverError, match=message):
        load_waivers(path)


def test_a_waiver_file_may_lie_in_a_package(tmp_path, monkeypatch):
    package = tmp_path / "vendor_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "known.toml").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_waivers("vendor_package:known.toml")[0].owner == "kernels@example.com"
    with pytest.raises(WaiverError, match="cannot be read"):
        load_waivers("vendor_package:unknown.toml")
