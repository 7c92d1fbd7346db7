# SPDX-License-Identifier: Apache-2.0
"""Runtimes are found without the user's help, the user's choice is respected, and broken ones cost themselves alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")

from candelabra._errors import PluginError
from candelabra_opencl import runtimes

SYSTEM_ENTRY = {"system.icd": "libsystem.so.1"}


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing remembered, no choice of the caller's, a cache of its own."""
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    for name in (*runtimes.CHOSEN_BY_USER, "CANDELABRA_OPENCL", "CANDELABRA_OPENCL_SPLIT"):
        monkeypatch.delenv(name, raising=False)


def python(code, **settings):
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_intel_entry_names_the_library_and_system_entries_stay(fresh, monkeypatch, tmp_path):
    system, prefix = tmp_path / "system", tmp_path / "prefix" / "etc" / "OpenCL" / "vendors"
    library = tmp_path / "lib" / "libintelocl.so"
    for folder in (system, prefix, library.parent):
        folder.mkdir(parents=True)
    library.touch()
    (system / "system.icd").write_text("libsystem.so.1\n")
    (prefix / "intel-cpu.icd").write_text("/opt/of/the/build/machine/libintelocl.so\n")
    monkeypatch.setattr(runtimes, "SYSTEM", system)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(runtimes, "_files", lambda wheel: [library] if wheel == "intel-opencl-rt" else [])
    assert runtimes.vendor_entries() == {**SYSTEM_ENTRY, "candelabra-intel.icd": str(library)}

    (system / "intel64.icd").write_text("/opt/intel/lib/libintelocl.so\n")
    assert "candelabra-intel.icd" not in runtimes.vendor_entries()  # the system's own is enough


def test_loader_reads_our_folder_and_environment_is_restored(fresh):
    with runtimes.vendors(SYSTEM_ENTRY):
        folder = os.environ["OCL_ICD_VENDORS"]
        assert {f.name: f.read_text() for f in Path(folder).iterdir()} == {"system.icd": "libsystem.so.1\n"}
    assert "OCL_ICD_VENDORS" not in os.environ
    assert not os.path.exists(folder)


def test_list_of_the_user_is_respected_and_missing_runtimes_say_the_next_step(fresh, tmp_path):
    code = (
        "import candelabra as cb\ntry: cb.ones(1, device='opencl')\nexcept Exception as e: print(type(e).__name__, e)"
    )
    said = python(code, OCL_ICD_VENDORS=str(tmp_path))
    assert said == (
        'PluginError device "opencl": PyOpenCL found no OpenCL runtime; '
        "pip install candelabra[opencl-cpu] for the processor, or install the driver of your GPU"
    )


def test_runtime_that_ends_the_process_is_left_out_and_reported(fresh, backend, tmp_path):
    compiler = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and Linux")
    source, library = tmp_path / "bad.c", tmp_path / "libbad.so"
    functions = ("clIcdGetPlatformIDsKHR", "clGetExtensionFunctionAddress", "clGetPlatformInfo")
    source.write_text("void abort(void);\n" + "".join(f"void* {f}() {{ abort(); return 0; }}\n" for f in functions))
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    system = tmp_path / "system"
    system.mkdir()
    (system / "bad.icd").write_text(f"{library}\n")
    (system / "gone.icd").write_text("/nowhere/libgone.so\n")
    for file in runtimes.SYSTEM.glob("*.icd"):
        shutil.copy(file, system)
    code = (
        "import pathlib, json\nfrom candelabra_opencl import runtimes\n"
        f"runtimes.SYSTEM = pathlib.Path({str(system)!r})\n"
        "found = runtimes.runtimes()\n"
        "print(json.dumps([[f.label for f in found.devices], found.skipped]))"
    )
    devices, skipped = json.loads(python(code).splitlines()[-1])
    assert devices
    assert [s.split(":")[1:] for s in skipped if "libbad.so" in s] == [
        [" listing its devices ended its process with code -6"]
    ]


def line(at, **more):
    return {"at": at, "platform": "P", "version": "1", "name": f"device {at}", **more}


def test_device_that_ends_the_process_is_skipped_and_others_are_tried(fresh, monkeypatch):
    runs = []

    def run(skipped):
        runs.append(list(skipped))
        if not skipped:
            good = line("0.0", shares=True, problem="")
            return [line("0.0"), good, line("0.1")], "ended its process with code -11"
        return [line("0.2"), line("0.2", shares=False, problem="unknown target CPU 'generic'")], ""

    monkeypatch.setattr(runtimes, "_run_probe", run)
    outcome = runtimes.tried({})["devices"]
    assert runs == [[], ["0.0", "0.1"]]
    assert [o["problem"] for o in outcome] == [
        "",
        "running it ended its process with code -11",
        "unknown target CPU 'generic'",
    ]
    monkeypatch.setattr(runtimes, "_run_probe", None)
    assert runtimes.tried({})["devices"] == outcome  # from the cache


class FakePlatform:
    name, version = "P", "1"

    def get_devices(self):
        return self.devices


class FakeDevice:
    def __init__(self, platform, number):
        self.platform, self.name = platform, f"device 0.{number}"


def test_skipped_devices_are_named_with_their_reason():
    platform = FakePlatform()
    platform.devices = [FakeDevice(platform, i) for i in range(3)]
    outcome = [line("0.0", shares=True, problem=""), line("0.1", shares=False, problem="unknown target CPU 'generic'")]
    found = runtimes._matched([platform], outcome)
    assert [f.label for f in found.devices] == ["device 0.0 (P)"]
    assert found.skipped == (
        "device 0.1 (P): cannot run a small kernel, got unknown target CPU 'generic'",
        "device 0.2 (P): was not there when devices were tried; clear the kernel cache",
    )


def test_probe_takes_runs_that_hang_or_print_other_things(fresh, monkeypatch, tmp_path):
    script = tmp_path / "probe.py"
    script.write_text('import time\nprint("hello {")\nprint(\'{"at": "0.0"}\', flush=True)\ntime.sleep(60)')
    monkeypatch.setattr(runtimes, "__file__", str(tmp_path / "runtimes.py"))
    monkeypatch.setattr(runtimes, "PROBE_TIMEOUT_S", 0.5)
    assert runtimes._run_probe([]) == ([{"at": "0.0"}], "took over 0.5 s")


def test_setting_chooses_and_orders_platforms(backend, monkeypatch):
    monkeypatch.delenv("CANDELABRA_OPENCL", raising=False)
    every = {f.label for f in runtimes.chosen()}
    kinds = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}
    there = [k for k, name in kinds.items() if any(name in label for label in every)]
    for names in (there, there[::-1]):
        monkeypatch.setenv("CANDELABRA_OPENCL", ",".join(names))
        labels = [f.label for f in runtimes.chosen()]
        assert [kinds[n] in label for n, label in zip(names, labels, strict=True)] == [True] * len(names)
    monkeypatch.setenv("CANDELABRA_OPENCL", "abacus")
    with pytest.raises(PluginError, match=r"must name a platform or device, got 'abacus'; there are "):
        runtimes.chosen()


def test_split_makes_several_devices_of_one(backend, name, monkeypatch):
    whole = runtimes.chosen()
    if min(f.device.max_compute_units for f in whole) < 2:
        pytest.skip("a device has one compute unit")
    monkeypatch.setenv("CANDELABRA_OPENCL_SPLIT", "2")
    parts = runtimes.chosen()
    assert len(parts) >= 2 * len(whole)
    assert all(p.device.max_compute_units < w.device.max_compute_units for p, w in zip(parts[::2], whole, strict=False))
    monkeypatch.setenv("CANDELABRA_OPENCL_SPLIT", "many")
    with pytest.raises(PluginError, match=r"needs a number of parts, got 'many'"):
        runtimes.chosen()


@pytest.mark.parametrize(("name", "fits"), [("cpu", True), ("gpu", False), ("accelerator", False)])
def test_a_kind_of_device_is_asked_of_the_device_itself(name, fits):
    processors = [found for found in runtimes.runtimes().devices if runtimes.is_processor(found)]
    assert processors
    assert all(runtimes.matches(found, name) is fits for found in processors)
