# SPDX-License-Identifier: Apache-2.0
"""Memory of devices: statistics, running out of it, and what a device does wrong."""

import gc

import pytest

import candelabra as cb

KIB = 1024


def test_statistics_follow_tensors(sim):
    sim.synchronize()
    sim.empty_cache()
    sim.reset_peak_memory_stats()
    start = sim.memory_allocated()
    x = cb.zeros(KIB, dtype=cb.uint8, device="sim")
    y = x[100:200]
    assert sim.memory_allocated() == start + KIB  # a view takes nothing
    z = cb.zeros(KIB, dtype=cb.uint8, device="sim")
    del z
    assert sim.memory_allocated() == start + KIB
    assert sim.max_memory_allocated() == start + 2 * KIB
    assert sim.memory_reserved() == sim.max_memory_reserved() >= start + 2 * KIB
    sim.reset_peak_memory_stats()
    assert sim.max_memory_allocated() == start + KIB
    sim.empty_cache()
    assert sim.memory_reserved() < start + 2 * KIB
    del x
    assert sim.memory_allocated() == start + KIB  # the view holds it
    del y
    assert sim.memory_allocated() == start


def test_statistics_have_pytorchs_names_and_words(sim):
    kept = cb.zeros(3 * KIB, dtype=cb.uint8, device="sim:1")
    stats = sim.memory_stats(1)
    assert stats["allocated_bytes.all.current"] == sim.memory_allocated(1) >= 3 * KIB
    assert {"reserved_bytes.all.peak", "num_alloc_retries", "num_ooms", "segment.all.current"} <= set(stats)
    text = sim.memory_summary(1)
    assert "sim:1" in text and "KiB" in text and "limit none" in text
    assert len(sim.memory_summary(1, abbreviated=True).splitlines()) == 4
    del kept


def test_memory_of_the_host_is_not_counted():
    assert cb.cpu.memory_allocated() >= 0
    assert "memory of cpu" in cb.cpu.memory_summary()
    cb.cpu.empty_cache()
    cb.cpu.reset_peak_memory_stats()


def limited(sim, kib):
    """Room for `kib` KiB beside what is in use."""
    gc.collect()
    sim.synchronize()
    sim.empty_cache()
    sim.set_memory_limit(sim.memory_reserved() + kib * KIB)


def test_full_cache_is_freed_and_the_allocation_tried_again(sim):
    limited(sim, 8)
    x = cb.zeros(6 * KIB, dtype=cb.uint8, device="sim")
    del x  # cached, and of the wrong size for the next
    before = sim.memory_stats()["num_alloc_retries"]
    y = cb.ones(7 * KIB, dtype=cb.uint8, device="sim")
    assert set(y.tolist()) == {1}
    assert sim.memory_stats()["num_alloc_retries"] > before


MAKERS = {
    "factory": lambda: cb.zeros(9 * KIB, dtype=cb.uint8, device="sim"),
    "empty": lambda: cb.empty(9 * KIB, dtype=cb.uint8, device="sim"),
    "random": lambda: cb.rand(3 * KIB, device="sim"),
    "data": lambda: cb.tensor([0.0] * (3 * KIB), device="sim"),
    "legacy": lambda: cb.ones(3 * KIB).to("sim"),
    "kernel": lambda: cb.ones(KIB, 1, device="sim") + cb.ones(1, 4, device="sim"),
    "clone": lambda: cb.ones(1, device="sim").expand(3 * KIB).clone(),
    "copy": lambda: cb.ones(3 * KIB, device="sim:1").to("sim:0"),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_running_out_says_so_and_the_next_op_works(sim, maker):
    limited(sim, 8)
    before = sim.memory_stats()["num_ooms"]
    with pytest.raises(cb.DeviceOutOfMemory, match=r'device "sim:0" has no room, got ') as caught:
        MAKERS[maker]()
    text = str(caught.value)
    assert "memory of sim:0" in text and "limit" in text and "allocated" in text
    assert isinstance(caught.value, MemoryError) and caught.value.code == "CB204"
    assert sim.memory_stats()["num_ooms"] == before + 1
    del caught
    x = cb.ones(KIB, dtype=cb.uint8, device="sim")
    assert set((x + 1).tolist()) == {2}


def test_running_out_in_a_repeated_call_frees_what_is_cached(sim):
    x = cb.ones(1, KIB, device="sim")
    for _ in range(3):  # remembered: the short path
        x.exp()
    limited(sim, 10)
    for _ in range(4):
        x.expand(2, KIB).clone()  # another size: the cache is in the way
        assert x.exp().shape == (1, KIB)


def test_running_out_in_the_backward_pass_names_itself(sim):
    x = cb.ones(KIB, device="sim", requires_grad=True)
    y = (x.exp() * x).sum()
    limited(sim, 1)
    with pytest.raises(cb.OutOfMemoryError, match="sim:0"):
        y.backward()
    sim.set_memory_limit(0)
    (x.exp() * x).sum().backward()
    assert x.grad is not None


def test_host_that_has_no_room_says_so_too():
    with pytest.raises(cb.OutOfMemoryError, match="memory"):
        cb.empty(1 << 46)


# -- faults ----------------------------------------------------------------------------------------------------------


def test_write_beside_a_block_is_seen_by_synchronize(sim):
    x = cb.ones(5, device="sim")
    sim.inject("overrun")
    x = x + 1
    with pytest.raises(cb.BackendError, match="behind a block of 20 bytes"):
        sim.synchronize()
    del x
    with pytest.raises(cb.BackendError, match="seen by its release"):
        sim.synchronize()


def test_write_beside_a_dropped_block_is_seen_at_its_release(sim):
    x = cb.ones(5, device="sim")
    sim.inject("overrun")
    x = x + 1
    del x
    with pytest.raises(cb.BackendError, match="seen by its release"):
        sim.synchronize()
    sim.synchronize()


def test_failing_kernel_names_itself_where_somebody_waits(sim):
    x = cb.ones(3, device="sim")
    sim.inject("kernel")
    y = x.exp()
    with pytest.raises(cb.BackendError, match="exp: kernel failed on sim:0"):
        y.tolist()
    assert x.log().tolist() == [0.0] * 3


def test_lost_device_names_itself_and_the_others_go_on(sim):
    x, other = cb.ones(3, device="sim:0"), cb.ones(3, device="sim:1")
    sim.inject("lost", device=0)
    for attempt in (lambda: x + 1, x.tolist, lambda: cb.zeros(2, device="sim:0"), lambda: sim.synchronize(0)):
        with pytest.raises(cb.DeviceLostError, match='device "sim:0"'):
            attempt()
    assert (other + 1).tolist() == [2.0] * 3
    sim.revive()
    assert (x + 1).tolist() == [2.0] * 3


def test_unknown_fault_is_refused(sim):
    with pytest.raises(cb.ArgumentError, match="kind must be one of"):
        sim.inject("fire")


def test_one_ordered_failure_of_an_allocation_is_overcome(sim):
    sim.inject("out_of_memory")
    assert cb.full((3,), 2.0, device="sim").tolist() == [2.0] * 3
    sim.inject("out_of_memory", times=2)
    with pytest.raises(cb.OutOfMemoryError, match="by order"):
        cb.tensor([1.0], device="sim")


def test_view_beyond_its_memory_is_refused(sim):
    backend = cb.dispatcher.load_backend("sim")
    handle = cb.ones(4, device="sim")._array
    with pytest.raises(cb.BackendError, match="a view must stay in its memory"):
        backend.view(handle, (3,), (2,), 0)
    with pytest.raises(cb.BackendError, match="elements -1"):
        backend.view(handle, (1,), (1,), -1)


def test_handles_show_nothing_to_numpy(sim):
    x = cb.ones(2, device="sim")
    with pytest.raises(cb.DeviceError, match="not in host memory"):
        x.numpy()
    assert not hasattr(x._array, "__array__") and not hasattr(x._array, "__array_interface__")
