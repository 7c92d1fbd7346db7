# SPDX-License-Identifier: Apache-2.0
"""Memory: blocks are used again where that is safe, limits hold, arrays of the host are shared."""

import gc

import numpy as np
import pytest

pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")

import candelabra as cb
from candelabra._errors import OutOfMemoryError
from candelabra_opencl.memory import SMALLEST, size_class


@pytest.mark.parametrize("nbytes", [0, 1, 255, 256, 257, 1000, 4096, 4097, 10**6, 2**20 + 1, 10**9 + 7])
def test_size_class_fits_and_wastes_at_most_an_eighth(nbytes):
    size = size_class(nbytes)
    assert size >= max(nbytes, SMALLEST)
    assert size % 64 == 0
    assert size <= max(SMALLEST, nbytes * 1.125 + 64)
    assert size_class(size) == size


def test_freed_memory_is_used_again_by_the_same_stream_only(backend, index):
    stream = backend.new_stream(index)
    first = backend.reserve(5000, index)
    buffer = first.buffer.int_ptr
    del first
    backend.set_stream(index, stream)
    try:
        other = backend.reserve(5000, index)
    finally:
        backend.set_stream(index, backend.default_stream(index))
    assert other.buffer.int_ptr != buffer
    assert backend.reserve(5000, index).buffer.int_ptr == buffer


def test_memory_used_by_another_stream_waits_for_it(backend, index):
    import pyopencl as cl

    backend.empty_cache(index)
    handle = backend.from_host(np.zeros(3000, "f4"), index)
    buffer = handle.block.buffer.int_ptr
    gate = cl.UserEvent(backend.device(index).context)
    stream = backend.new_stream(index)
    held = backend.new_event(index)
    held.event = gate
    backend.wait_event(stream, held)
    backend.record_stream(handle, stream)
    del handle
    blocked = backend.reserve(12000, index)
    assert blocked.buffer.int_ptr != buffer
    gate.set_status(cl.command_execution_status.COMPLETE)
    backend.synchronize_stream(stream)
    assert backend.reserve(12000, index).buffer.int_ptr == buffer


def test_statistics_count_what_is_held_and_what_is_kept(backend, index, name):
    gc.collect()
    backend.empty_cache(index)
    before, kept = cb.opencl.memory_allocated(index), cb.opencl.memory_reserved(index)
    x = cb.zeros(1 << 20, device=name)
    assert cb.opencl.memory_allocated(index) - before == 4 << 20
    cb.opencl.reset_peak_memory_stats(index)
    del x
    assert cb.opencl.memory_allocated(index) == before
    assert cb.opencl.max_memory_allocated(index) == before + (4 << 20)
    assert cb.opencl.memory_reserved(index) == kept + (4 << 20)
    backend.empty_cache(index)
    assert cb.opencl.memory_reserved(index) == kept


def test_no_room_frees_what_is_kept_then_says_so_and_the_next_op_works(backend, index, name):
    gc.collect()
    backend.empty_cache(index)
    limit = cb.opencl.memory_reserved(index) + (10 << 20)
    cb.opencl.set_memory_limit(limit, index)
    try:
        x = cb.empty(2 << 20, device=name)
        del x  # eight megabytes stay in the pool
        y = cb.empty(9 << 18, device=name)  # nine fit only without them
        with pytest.raises(OutOfMemoryError, match=f"opencl:{index}"):
            cb.empty(4 << 20, device=name)
        y[:3] = 1
        assert (y[:3] + 1).tolist() == [2, 2, 2]
    finally:
        cb.opencl.set_memory_limit(0, index)


def test_larger_than_the_device_allows_is_refused(backend, index, name):
    most = backend.device_properties(index).max_allocation
    with pytest.raises(OutOfMemoryError):
        cb.empty(most // 4 + (1 << 20), device=name)


def test_from_numpy_shares_memory_both_ways_and_keeps_it_alive(backend, index):
    if not backend.device_properties(index).shares_host_memory:
        pytest.skip("the device has memory of its own")
    array = np.arange(6, dtype="f4").reshape(2, 3)
    tensor = cb.opencl.from_numpy(array, index)
    array[0, 0] = 10
    assert tensor.tolist() == [[10, 1, 2], [3, 4, 5]]
    tensor += 1
    cb.opencl.synchronize(index)
    assert array.tolist() == [[11, 2, 3], [4, 5, 6]]
    column = cb.opencl.from_numpy(array.T[1:], index)
    assert column.tolist() == array.T[1:].tolist()
    expected = array.T[1:].tolist()
    del array, tensor
    gc.collect()
    np.full(6, 99, "f4")
    assert column.tolist() == expected


def test_from_numpy_copies_what_the_device_cannot_reach(backend, index):
    crooked = np.frombuffer(b"\0" * 17, "u1")[1:].view("i4")  # not aligned to its own size, nor writable
    tensor = cb.opencl.from_numpy(crooked, index)
    assert tensor.tolist() == [0] * 4
    empty = cb.opencl.from_numpy(np.zeros((0, 3)), index)
    assert tuple(empty.shape) == (0, 3)
    with pytest.raises(TypeError, match=r"needs a NumPy array, got list"):
        cb.opencl.from_numpy([1, 2], index)
