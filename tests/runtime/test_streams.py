# SPDX-License-Identifier: Apache-2.0
"""Streams, events and lifetimes, on a device whose adversary tries every legal order."""

import threading

import numpy as np
import pytest

import candelabra as cb
from candelabra.testing import assert_close

SEEDS = range(8)


def ones(device="sim:0"):
    return cb.ones(16, device=device)


def test_work_is_pending_until_somebody_reads(sim):
    sim.synchronize()
    x = ones() + 1
    assert sim.pending() > 0
    assert x.tolist() == [2.0] * 16


def test_synchronize_finishes_its_device_alone(sim):
    sim.schedule(0, ways=["late"])
    for index in (0, 1):
        sim.synchronize(index)
    kept = ones("sim:0"), ones("sim:1")
    sim.synchronize(0)
    assert sim.pending() > 0
    sim.synchronize(1)
    assert sim.pending() == 0
    del kept


def test_use_on_another_stream_without_a_wait_reads_what_was_there_before(sim):
    sim.schedule(0, ways=["late"])
    x = ones()
    side = sim.Stream()
    with side:
        y = x + 1
        assert np.isnan(y.tolist()).all()  # fresh memory is poisoned with nan


@pytest.mark.parametrize("seed", SEEDS)
def test_wait_stream_orders_two_streams(sim, seed):
    sim.schedule(seed)
    side = sim.Stream()
    for _ in range(3):
        x = ones()
        side.wait_stream(sim.current_stream())
        with sim.stream(side):
            y = x * 3
        sim.current_stream().wait_stream(side)
        z = y + x
        assert z.tolist() == [4.0] * 16


@pytest.mark.parametrize("seed", SEEDS)
def test_event_stands_for_the_work_before_its_recording(sim, seed):
    sim.schedule(seed)
    side, event = sim.Stream(), sim.Event()
    x = cb.zeros(4, device="sim")
    x += 1
    event.record()
    x += 1  # after the event: the side stream may or may not see it
    with side:
        event.wait()
        y = x.clone()
        assert set(y.tolist()) <= {1.0, 2.0}
    side.wait_event(sim.Event())  # one never recorded holds nobody up
    assert sim.Event().query()


def test_event_recorded_again_stands_for_the_later_work(sim):
    sim.schedule(0, ways=["late"])
    event = sim.Event()
    event.record()
    x = ones()
    event.record()
    event.synchronize()
    side = sim.Stream()
    with side:
        assert (x + 0).tolist() == [1.0] * 16


def test_query_of_event_and_stream_comes_true_by_asking(sim):
    side = sim.Stream()
    with side:
        x = ones()
        for _ in range(5):
            x = x + 1
    event = side.record_event()
    asked = 0
    while not event.query():
        asked += 1
    while not side.query():
        asked += 1
    assert asked < 100


def test_elapsed_time_needs_timed_recorded_finished_events(sim):
    start, end = sim.Event(enable_timing=True), sim.Event(enable_timing=True)
    with pytest.raises(cb.ArgumentError, match="never recorded"):
        start.elapsed_time(end)
    start.record()
    ones()
    end.record()
    sim.synchronize()
    assert start.elapsed_time(end) >= 0
    plain = sim.Event()
    plain.record()
    with pytest.raises(cb.ArgumentError, match="enable_timing=False"):
        start.elapsed_time(plain)
    with pytest.raises(cb.ArgumentError, match="interprocess"):
        sim.Event(interprocess=True)


def test_stream_block_restores_stream_and_device_even_when_it_raises(sim):
    before = sim.current_stream(1)
    side = sim.Stream(device=1)
    with pytest.raises(ZeroDivisionError), side:
        assert sim.current_stream() == side and sim.current_device() == 1
        raise ZeroDivisionError
    assert sim.current_device() == 0
    assert sim.current_stream(1) == before == sim.default_stream(1)


def test_stream_block_may_nest_in_itself(sim):
    side, other = sim.Stream(), sim.Stream()
    with side:
        with other:
            with side:
                assert sim.current_stream() == side
            assert sim.current_stream() == other
        assert sim.current_stream() == side


def test_each_thread_has_its_own_current_stream_and_device(sim):
    side = sim.Stream()
    seen = []

    def look():
        seen.append((sim.current_stream() == side, sim.current_device()))
        sim.set_device(1)

    with side:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert sim.current_stream() == side
    assert seen == [(False, 0)]
    assert sim.current_device() == 0


def test_stream_and_event_of_another_device_are_refused(sim):
    event = sim.Event()
    event.record(sim.current_stream(0))
    with pytest.raises(cb.DeviceError, match="sim:0"):
        event.record(sim.current_stream(1))
    with pytest.raises(cb.DeviceError, match="sim:1"):
        ones().record_stream(sim.Stream(device=1))
    with pytest.raises(cb.DeviceError, match="of type"):
        sim.Stream("cpu")


def test_event_between_devices_orders_them(sim):
    for seed in SEEDS:
        sim.schedule(seed)
        x = cb.zeros(4, device="sim:0") + 5
        sim.current_stream(1).wait_stream(sim.current_stream(0))
        marker = cb.zeros(4, device="sim:1") + 1
        assert marker.tolist() == [1.0] * 4
        side = sim.Stream(device=0)
        side.wait_event(sim.current_stream(1).record_event())  # by way of the other device
        with side:
            assert (x + 0).tolist() == [5.0] * 4


def test_streams_of_a_device_without_streams_are_its_only_one():
    side = cb.Stream("cpu")
    assert side == cb.cpu.current_stream() == cb.cpu.default_stream()
    with side:
        x = cb.ones(3) * 2
    start = side.record_event(cb.Event(enable_timing=True))
    end = side.record_event(cb.Event(enable_timing=True))
    side.wait_event(start)
    side.wait_stream(side)
    assert side.query() and end.query() and start.elapsed_time(end) >= 0
    x.record_stream(side)
    assert x.tolist() == [2.0] * 3


# -- lifetimes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_tensor_dropped_while_its_work_is_pending(sim, seed):
    sim.schedule(seed)
    results = []
    for i in range(20):
        x = ones() * i
        results.append(x + 1)
        del x  # its memory is handed out again at once
    for i, result in enumerate(results):
        assert result.tolist() == [i + 1.0] * 16


def _used_on_side_and_dropped(sim, records):
    """What a side stream computes of a tensor that is dropped, and whose memory is used anew, meanwhile."""
    side = sim.Stream()
    x = ones() * 7
    side.wait_stream(sim.current_stream())
    with side:
        y = x + 1
    if records:
        x.record_stream(side)
    del x
    z = ones() * 100  # same size, same stream: gets x's memory if it is free
    z.tolist()
    with side:
        return y.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_record_stream_keeps_memory_until_the_other_stream_is_done(sim, seed):
    sim.schedule(seed)
    assert _used_on_side_and_dropped(sim, records=True) == [8.0] * 16


def test_without_record_stream_memory_is_used_anew_too_early(sim):
    sim.schedule(0, ways=["late"])
    assert _used_on_side_and_dropped(sim, records=False) != [8.0] * 16


def test_recorded_memory_is_used_anew_after_the_stream_is_done(sim):
    sim.empty_cache()
    _used_on_side_and_dropped(sim, records=True)
    sim.synchronize()
    before = sim.memory_reserved()
    kept = [ones() for _ in range(2)]
    assert sim.memory_reserved() == before
    del kept


@pytest.mark.parametrize("seed", SEEDS)
def test_view_keeps_memory_of_a_dropped_base(sim, seed):
    sim.schedule(seed)
    base = cb.arange(16.0, device="sim")
    view = base.reshape(4, 4).t()[1]
    del base
    cb.zeros(16, device="sim").tolist()
    assert view.tolist() == [1.0, 5.0, 9.0, 13.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_inplace_writes_and_reads_keep_their_order(sim, seed):
    sim.schedule(seed)
    x = cb.zeros(8, device="sim")
    copies = []
    for i in range(6):
        x[i] = i + 1
        copies.append(x.clone())
        x.mul_(2)
    want = np.zeros(8, np.float32)
    for i, got in enumerate(copies):
        want[i] = i + 1
        assert got.tolist() == want.tolist()
        want *= 2


# -- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_copy_between_devices_is_ordered_on_both_sides(sim, seed):
    sim.schedule(seed)
    x = cb.arange(8.0, device="sim:0") + 1
    y = x.to("sim:1")
    x.zero_()  # after the copy
    del x
    z = cb.full((8,), 9.0, device="sim:0")
    assert (y * 2).tolist() == [2.0 * (i + 1) for i in range(8)]
    assert z.tolist() == [9.0] * 8


@pytest.mark.parametrize("seed", SEEDS)
def test_copy_between_devices_of_a_dropped_source(sim, seed):
    sim.schedule(seed)
    there = [(ones("sim:0") * i).to("sim:1") for i in range(8)]
    for _ in range(4):
        ones("sim:0")
    assert [t.tolist()[0] for t in there] == [float(i) for i in range(8)]


@pytest.mark.parametrize("seed", SEEDS)
def test_copy_between_devices_on_side_streams(sim, seed):
    sim.schedule(seed)
    here, there = sim.Stream(device=0), sim.Stream(device=1)
    with here, there:
        x = ones("sim:0") * 4
        y = x.to("sim:1")
        x.fill_(0)
        assert y.tolist() == [4.0] * 16


def test_copy_from_the_host_takes_the_elements_at_the_call(sim):
    host = cb.ones(4)
    x = host.to("sim", non_blocking=True)  # not pinned: nothing is left for later
    host.zero_()
    assert x.tolist() == [1.0] * 4


def test_copy_from_pinned_memory_may_be_made_later(sim):
    sim.schedule(0, ways=["late"])
    host = cb.ones(4).pin_memory("sim")
    assert host.is_pinned() and host.is_pinned("sim") and not cb.ones(4).is_pinned()
    early, late = host.to("sim"), host.to("sim", non_blocking=True)
    host.zero_()  # too early for the second
    assert early.tolist() == [1.0] * 4
    assert late.tolist() == [0.0] * 4


def test_copy_from_pinned_memory_keeps_it_alive(sim):
    x = cb.full((4,), 3.0).pin_memory("sim").to("sim", non_blocking=True)
    assert x.tolist() == [3.0] * 4


def test_copy_to_the_host_arrives_with_the_stream_when_not_blocking(sim):
    sim.schedule(0, ways=["late"])
    x = ones() * 3
    host = x.to("cpu", non_blocking=True)
    assert host.is_pinned()
    assert host.tolist() != [3.0] * 16
    sim.current_stream().synchronize()
    assert host.tolist() == [3.0] * 16
    assert x.cpu().tolist() == [3.0] * 16


def test_pinning_of_a_device_tensor_is_refused(sim):
    with pytest.raises(cb.DeviceError, match="only host tensors"):
        ones().pin_memory()


def test_tensor_is_made_in_pinned_memory_when_asked(sim):
    with cb.device("sim"):
        assert cb.tensor([1.0, 2.0], device="cpu", pin_memory=True).is_pinned()


# -- whole programs --------------------------------------------------------------------------------------------------


def _train(device):
    cb.manual_seed(0)
    with cb.device(device):
        x, target = cb.randn(8, 5), cb.randint(0, 3, (8,))
        model = cb.nn.Sequential(cb.nn.Linear(5, 7), cb.nn.ReLU(), cb.nn.Dropout(0.3), cb.nn.Linear(7, 3))
    optimizer = cb.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(4):
        optimizer.zero_grad()
        loss = cb.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
    return [p.detach().cpu() for p in model.parameters()]


@pytest.mark.parametrize("seed", range(4))
def test_training_in_any_order_gives_the_hosts_parameters(sim, seed):
    sim.schedule(seed, depth=16)
    for got, want in zip(_train("sim"), _train("cpu"), strict=True):
        assert_close(got, want, rtol=1e-4, atol=1e-5)
    sim.schedule(seed, depth=256)


def test_training_on_a_side_stream_gives_the_same(sim):
    sim.schedule(3)
    side = sim.Stream()
    with side:
        got = _train("sim")
    for a, b in zip(got, _train("sim"), strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("draw", ["rand", "randn", "randperm", "randint", "dropout", "bernoulli"])
def test_same_seed_gives_the_hosts_random_numbers_bit_for_bit(sim, draw):
    draws = {
        "rand": lambda d: cb.rand(37, device=d),
        "randn": lambda d: cb.randn(37, device=d),
        "randperm": lambda d: cb.randperm(37, device=d),
        "randint": lambda d: cb.randint(0, 1000, (37,), device=d),
        "dropout": lambda d: cb.nn.functional.dropout(cb.ones(37, device=d), 0.4),
        "bernoulli": lambda d: cb.bernoulli(cb.full((37,), 0.3, device=d)),
    }
    results = []
    for device in ("cpu", "sim:0", "sim:1"):
        cb.manual_seed(12)
        results.append([draws[draw](device).cpu().numpy().tobytes() for _ in range(3)])
    assert results[0] == results[1] == results[2]
