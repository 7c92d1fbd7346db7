# SPDX-License-Identifier: Apache-2.0
"""Backends that are not the host: memory of their own, ops and dtypes they lack, known failures."""

from __future__ import annotations

import pytest

from candelabra_conformance import run
from candelabra_conformance.case import Verdict

BACKENDS = '''
import dataclasses
import numpy as np
from candelabra import _dtype
from candelabra_cpu.backend import CPUBackend

class Apart(CPUBackend):
    """Two devices whose memory is not the host's."""

    name = "apart"
    capabilities = dataclasses.replace(CPUBackend.capabilities, host_memory=False, indexed=True)

    def devices(self):
        return ("apart one", "apart two")

    def from_host(self, array, index):
        return np.array(array, order="C")

    def to_host(self, handle):
        return np.array(handle)

class Lacking(Apart):
    """No exponential, no float64, no views with strides."""

    capabilities = dataclasses.replace(
        Apart.capabilities,
        dtypes=Apart.capabilities.dtypes - {_dtype.float64, _dtype.complex128},
        compute_dtypes=Apart.capabilities.compute_dtypes - {_dtype.float64, _dtype.complex128},
        reason={"exp": "the device has no exponential"},
    )

class Flawed(Apart):
    """Squares are a little too large in float32, as its waiver file says."""

    waivers = "flawed_waivers.toml"

    def kernel(self, op, dtype):
        found = super().kernel(op, dtype)
        if op == "square" and dtype is _dtype.float32:
            return lambda input: input * input * np.float32(1.00001) + np.float32(1e-9)
        return found
'''


@pytest.fixture
def backends(tmp_path, monkeypatch):
    (tmp_path / "other_backends.py").write_text(BACKENDS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verdicts(report, op):
    return {r.verdict for r in report.results if r.case.op == op}


def test_a_device_with_memory_of_its_own_passes_by_number_and_name(backends):
    for device in ("apart", "apart:1"):
        report = run(device, ops=["add", "softmax", "runtime"], loads="other_backends:Apart", jobs=2)
        assert report.ok, report.summary()


def test_what_is_declared_unsupported_is_counted_apart_and_earns_nothing(backends):
    report = run("apart", ops=["exp", "logsumexp", "add"], loads="other_backends:Lacking", jobs=1)
    assert report.ok, [f"{r.id} {r.message}" for r in report.bad[:5]]
    assert report.counts[Verdict.UNSUPPORTED] > 100
    kinds = {r.case.kind for r in report.results if r.case.op == "exp" and r.verdict == Verdict.PASSED}
    assert kinds == {"capabilities"}, "only that it is lacking was shown"
    wide = {
        r.verdict
        for r in report.results
        if r.case.op == "add" and r.case.dtype == "float64" and r.case.kind != "errors"
    }
    assert wide == {Verdict.UNSUPPORTED}
    assert Verdict.PASSED in verdicts(report, "add")


WAIVER = """
[[waiver]]
match = "{match}"
type = "hardware"
reason = "the multiplier rounds up"
link = "https://example.com/7"
owner = "kernels@example.com"
expires = 2999-12-31
"""


def test_the_waivers_a_backend_names_are_applied_strictly(backends):
    path = backends / "flawed_waivers.toml"
    path.write_text(WAIVER.format(match="no_such_op/*"))
    report = run("apart", ops=["square"], dtypes=["float32"], loads="other_backends:Flawed", jobs=1)
    failing = [r.id for r in report.bad]
    assert failing and not report.ok
    path.write_text("".join(WAIVER.format(match=i) for i in failing))
    report = run("apart", ops=["square"], dtypes=["float32"], loads="other_backends:Flawed", jobs=1)
    assert report.ok and report.counts[Verdict.WAIVED] == len(failing)
    path.write_text(WAIVER.format(match="square/float32/*"))
    report = run("apart", ops=["square"], dtypes=["float32"], loads="other_backends:Flawed", jobs=1)
    assert not report.ok and any("passes, though waived" in r.message for r in report.bad)
