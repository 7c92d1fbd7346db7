# SPDX-License-Identifier: Apache-2.0
"""Programs: built once for several kernels, kept on disk, and errors that show where."""

import numpy as np
import pytest

pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")

from candelabra._errors import CompileError
from candelabra.compiler import cache, debug
from candelabra.compiler.c_renderer import Source
from candelabra.compiler.ir import Builder
from candelabra_loops.building import explained
from candelabra_opencl.program import AT_LINE


def scaled(number, target):
    """A kernel that multiplies by a constant."""
    b = Builder(f"scaled_{number}", target)
    x = b.buffer("x", "f32", written=True)
    with b.work(b.size("n")) as i:
        x[i] = x[i] * (number + 0.5)
    return b.finish()


def run(backend, index, launch, values):
    handle = backend.from_host(np.array(values, "f4"), index)
    launch(len(values), [(handle.block, 0), len(values)], index)
    return backend.to_host(handle).tolist()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_kernels_of_a_batch_are_one_program_built_at_first_launch(backend, index, folder):
    with debug.recorded() as built:
        launches = backend.build([scaled(n, backend.target) for n in range(3)])
        assert not built
        assert [run(backend, index, launch, [2.0])[0] for launch in launches] == [1, 3, 5]
    assert [b.name for b in built] == ["scaled_0", "scaled_1", "scaled_2"]
    assert {b.source for b in built} == {built[0].source}
    assert "__kernel" in built[0].source


def test_program_comes_from_disk_and_a_damaged_entry_is_built_again(backend, index, folder):
    if backend.device(index).programs.keeps:
        pytest.skip("the runtime keeps programs by itself")
    origins = []
    for damage in (False, False, True, False):
        if damage:
            for file in folder.glob("*.entry"):
                file.write_bytes(file.read_bytes()[:-10])
        with debug.recorded() as built:
            (launch,) = backend.build([scaled(7, backend.target)])
            assert run(backend, index, launch, [2.0]) == [15]
        origins.append(built[0].origin)
    assert origins == ["compiled", "disk", "compiled", "disk"]


def test_entry_that_is_no_program_is_built_again(backend, index, folder):
    programs = backend.device(index).programs
    if programs.keeps:
        pytest.skip("the runtime keeps programs by itself")
    source = programs.renderer.program([scaled(8, backend.target)])
    cache.put(f"opencl {programs.identity} {source.text}", b"no program")
    program, origin = programs.program(source, programs.options)
    assert origin == "compiled"
    assert program.get_info is not None
    assert programs.program(source, programs.options)[1] == "disk"


def test_refused_source_names_kernel_line_and_log(backend, index, folder):
    text = "// good\n__kernel void good() {}\n\n// bad\n__kernel void bad(__global int* x) {\n    x[0] = oops;\n}\n"
    with pytest.raises(CompileError) as caught:
        backend.device(index).programs.program(Source(text, ("good", "bad")), "")
    first = str(caught.value).splitlines()[0]
    assert first.startswith("opencl: ")
    assert "must take the source of kernel bad, got" in first
    assert "oops" in first
    assert first.endswith("at line 6: x[0] = oops;")
    assert len(str(caught.value).splitlines()) > 1


def test_log_without_a_place_is_shown_whole():
    said = explained("opencl: a device", "", "out of patience", AT_LINE)
    assert said == "opencl: a device must take a program, got\nout of patience"


def test_one_batch_serves_every_device(backend, folder):
    (launch,) = backend.build([scaled(1, backend.target)])
    for index in range(len(backend.devices())):
        assert run(backend, index, launch, [4.0]) == [6]


@pytest.mark.parametrize("count", [0, 1, 3, 1023, 1024, 1025, 40_000])
def test_every_work_item_runs_once(backend, index, count):
    b = Builder("count", backend.target)
    out = b.buffer("out", "i32", written=True)
    with b.work(b.size("n")) as i:
        out[i] = out[i] + i.cast("i32") + 1
    (launch,) = backend.build([b.finish()])
    handle = backend.from_host(np.zeros(count + 5, "i4"), index)
    if count:
        launch(count, [(handle.block, 0), count], index)
    found = backend.to_host(handle)
    np.testing.assert_array_equal(found, np.concatenate([np.arange(1, count + 1), np.zeros(5, "i4")]))
