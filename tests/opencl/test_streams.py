# SPDX-License-Identifier: Apache-2.0
"""Streams are queues that wait for each other by events; copies may be left to them; kernels are timed."""

import numpy as np
import pytest

pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")

import pyopencl as cl

import candelabra as cb


def test_stream_waits_for_an_event_of_another(backend, index):
    gate = cl.UserEvent(backend.device(index).context)
    first, second = backend.new_stream(index), backend.new_stream(index)
    assert backend.stream_id(first) != backend.stream_id(second)
    held = backend.new_event(index)
    assert backend.query_event(held)  # never recorded
    held.event = gate
    backend.wait_event(first, held)
    event = backend.new_event(index)
    backend.record_event(event, first)
    backend.wait_event(second, event)
    done = backend.new_event(index)
    backend.record_event(done, second)
    assert not backend.query_event(done)
    assert not backend.query_stream(second)
    gate.set_status(cl.command_execution_status.COMPLETE)
    backend.synchronize_event(done)
    assert backend.query_event(event)
    backend.synchronize_stream(second)
    assert backend.query_stream(second)


def test_work_goes_to_the_current_stream(backend, index, name):
    stream = cb.opencl.Stream(index)
    with cb.opencl.stream(stream):
        y = cb.ones(1000, device=name) * 3
    stream.synchronize()
    assert y.sum().item() == 3000


def test_elapsed_time_between_events_is_that_of_the_work(backend, index, name):
    x = cb.ones(1 << 22, device=name)
    start, end = cb.opencl.Event(enable_timing=True), cb.opencl.Event(enable_timing=True)
    cb.opencl.set_device(index)
    try:
        start.record()
        for _ in range(4):
            x = x * 1.5
        end.record()
        end.synchronize()
    finally:
        cb.opencl.set_device(0)
    took_ms = start.elapsed_time(end)
    assert 0 < took_ms < 10_000


def test_asynchronous_copies_arrive_in_stream_order(backend, index):
    sent = np.arange(100_000, dtype="f4")
    handle = backend.from_host_async(sent, index)
    out = np.empty_like(sent)
    assert backend.to_host_async(handle, out) is out
    backend.synchronize(index)
    np.testing.assert_array_equal(out, sent)
    part = backend.view(handle, (50_000,), (2,), 1)
    found = backend.to_host_async(part)
    backend.synchronize(index)
    np.testing.assert_array_equal(found, sent[1::2])


def test_profile_counts_runs_and_time_of_kernels(backend, index, name):
    x = cb.ones(1 << 20, device=name)
    x + x
    with cb.opencl.profile(index) as found:
        for _ in range(3):
            x + x
    assert sum(runs for _, runs, _ in found.rows) == 3
    assert all(ms > 0 for _, _, ms in found.rows)
    assert "runs  kernel" in str(found)


def test_properties_say_what_the_device_is(backend, index):
    found = cb.opencl.get_device_properties(index)
    assert found.name
    assert found.total_memory > 0
    assert found.multi_processor_count > 0
    assert found.platform in backend.devices()[index]
    assert (found.major, found.minor) >= (1, 2)


def test_lost_device_names_itself(backend, index):
    error = cl.LogicError(cl._cl._ErrorRecord(msg="", code=cl.status_code.DEVICE_NOT_AVAILABLE, routine="clFinish"))
    found = backend.translate_error(error, index)
    assert type(found).__name__ == "DeviceLostError"
    assert f"opencl:{index}" in str(found)
    assert backend.devices()[index] in str(found)
    room = cl.MemoryError(cl._cl._ErrorRecord(msg="", code=cl.status_code.OUT_OF_RESOURCES, routine="clEnqueue"))
    assert isinstance(backend.translate_error(room, index), MemoryError)
    assert backend.translate_error(ValueError("x"), index).args == ("x",)


def test_copies_between_devices_follow_the_work_on_both(backend):
    if len(backend.devices()) < 2:
        pytest.skip("there is one device")
    x = cb.ones(1 << 20, device="opencl:0")
    for _ in range(5):
        x = x * 2
    y = x.to("opencl:1") + 1
    assert y.device == cb.device("opencl:1")
    x.zero_()
    assert y.to("opencl:0").sum().item() == 33 << 20
