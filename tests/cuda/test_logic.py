# SPDX-License-Identifier: Apache-2.0
"""The CUDA backend's Python, on a stand-in for CuPy and the GPU (`stand_in/cuda_stand_in.py`).

What passes here is shown of the backend's own logic and of the text of its kernels; nothing is shown of a GPU.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import candelabra as cb
from candelabra.dispatcher import _plugins
from candelabra.dispatcher.backend import BackendInfo

HERE = Path(__file__).parent / "stand_in"
PREFIXES = ("cupy", "candelabra_cuda", "cuda_stand_in")


def _modules():
    return {n: m for n, m in sys.modules.items() if n.split(".")[0].startswith(PREFIXES)}


@pytest.fixture(scope="module")
def gpu(tmp_path_factory):
    """The stand-in, with the backend loaded upon it; real modules are back afterwards."""
    before, backend = _modules(), _plugins._loaded.pop("cuda", None)
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(HERE))
    try:
        stand_in = importlib.import_module("cuda_stand_in")
        if stand_in.compiler() is None:
            pytest.skip("needs a C++ compiler to run kernels on the host")
        stand_in.install()
        _plugins.register_backend(BackendInfo("cuda", "candelabra_cuda.backend:CUDABackend", priority=1000))
        yield stand_in
    finally:
        sys.path.remove(str(HERE))
        gc.collect()
        for name in _modules():
            del sys.modules[name]
        sys.modules.update(before)
        _plugins._loaded.pop("cuda", None)
        _plugins._found.pop("cuda", None)
        if backend is not None:
            _plugins._loaded["cuda"] = backend


@pytest.fixture
def log(gpu):
    gpu.log.clear()
    gpu.fails.clear()
    yield gpu.log
    gpu.fails.clear()


@pytest.fixture
def backend(gpu):
    return _plugins.load_backend("cuda")


def said(log, word):
    return [entry for entry in log if str(entry[0]).startswith(word)]


# -- kernels and their arguments -------------------------------------------------------------------------------------


def test_pointwise_kernel_full_blocks_and_the_rest(log):
    x = np.linspace(-3, 3, 2500, dtype=np.float32)  # two full blocks of 1,024 and a part of one
    assert np.array_equal((cb.tensor(x, device="cuda") * 2 + 1).cpu().numpy(), x * 2 + 1)


@pytest.mark.parametrize("lines, n", [(3, 1), (3, 256), (3, 1000), (1, 40_000)])
def test_reduction_by_groups_meets_at_barriers(log, lines, n):
    x = np.arange(lines * n, dtype=np.float32).reshape(lines, n) % 97
    assert np.array_equal(cb.tensor(x, device="cuda").sum(1).cpu().numpy(), x.sum(1, dtype=np.float64).astype("f4"))


@pytest.mark.parametrize("lines", [1, 2, 5])
@pytest.mark.parametrize("n", [65_537, 70_000, 100_003])
def test_extremes_of_long_lines_have_no_empty_parts(log, lines, n):
    x = np.random.default_rng(n).normal(size=(lines, n)).astype("f4")
    there = cb.tensor(x, device="cuda")
    assert np.array_equal(there.amax(1).cpu().numpy(), x.max(1))
    assert np.array_equal(there.amin(1).cpu().numpy(), x.min(1))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "uint64", "float16", "float64"])
def test_numbers_of_every_type_reach_their_slots(log, dtype):
    host = cb.full((5,), 1, dtype=getattr(cb, dtype))
    there = cb.full((5,), 1, dtype=getattr(cb, dtype), device="cuda")
    assert cb.equal(there.cpu(), host)


def test_number_too_large_for_float32_is_infinite(log):
    assert cb.ones(3, device="cuda").mul(1e300).cpu().isinf().all()


def test_sixteen_bit_floats_round_to_nearest_even(log):
    x = np.random.default_rng(0).normal(size=4000).astype("f4") * np.float32(2.0) ** np.arange(-37, 13).repeat(80)
    there = cb.tensor(x, device="cuda")
    assert np.array_equal(there.half().cpu().numpy(), x.astype("f2"))
    assert np.array_equal(there.bfloat16().float().cpu().numpy(), x.astype(ml_dtypes.bfloat16).astype("f4"))


def test_launches_from_many_threads_do_not_mix_arguments(log):
    x = cb.ones(2000, device="cuda")
    (x + 0.0).cpu()
    found = {}

    def run(k):
        found[k] = [(x + float(k * 100 + i)).cpu().numpy() for i in range(20)]

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all((found[k][i] == 1 + k * 100 + i).all() for k in range(4) for i in range(20))


def test_kernel_that_does_not_compile_names_itself_and_its_line(gpu, backend):
    from candelabra_cuda import program

    with pytest.raises(cb.BackendError, match=r"kernel broken.*at line 3: wrong"):
        program.compile_source("\n// broken\nwrong\n", "sm_90")


# -- the stand-in itself ---------------------------------------------------------------------------------------------------


def _group_kernel(body):
    from candelabra.compiler.ir import Builder
    from candelabra_cuda.dialect import TARGET

    b = Builder("planted", TARGET)
    out = b.buffer("out", "f32", True)
    with b.groups(b.size("n"), 256) as (group, lane):
        body(b, out, group, lane)
    return b.finish()


def test_stand_in_finds_threads_that_part_at_a_barrier(log, backend):
    def body(b, out, group, lane):
        with b.when(lane < 100):
            b.barrier()
        out[lane] = 1.0

    x = cb.empty(256, device="cuda")
    with pytest.raises(AssertionError, match=r"kernel planted.*parted at the barrier of line \d+"):
        backend.launch(_group_kernel(body), 1, [(x._array.block, 0), 1], 0)


def test_stand_in_finds_shared_memory_nobody_wrote(log, backend):
    def body(b, out, group, lane):
        memory = b.shared("f32", 256)
        with b.when(lane < 255):
            memory[lane] = 1.0
        b.barrier()
        out[lane] = memory[lane]

    x = cb.empty(256, device="cuda")
    backend.launch(_group_kernel(body), 1, [(x._array.block, 0), 1], 0)
    found = x.cpu().numpy()
    assert (found[:255] == 1).all() and found[255] < -1e6


def test_stand_in_finds_writes_past_the_end(log, gpu, backend):
    def body(b, out, group, lane):
        out[lane] = 1.0

    x = cb.empty(250, device="cuda")
    backend.launch(_group_kernel(body), 1, [(x._array.block, 0), 1], 0)
    del x
    with pytest.raises(AssertionError, match="wrote past the end of a block of 1000 bytes"):
        backend.synchronize(0), cb.ones(1, device="cuda")


# -- products, sorts, inverses by libraries ------------------------------------------------------------------------------


CASES = [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)),
         ((2, 1, 3, 4), (5, 4, 1)), ((1, 4), (4, 1)), ((2, 3, 1), (1, 5))]  # fmt: skip


@pytest.mark.parametrize("shapes", CASES)
@pytest.mark.parametrize("turned", [(), (0,), (1,), (0, 1)])
def test_product_goes_to_cublas_as_it_lies(log, shapes, turned):
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=s) for s in shapes)
    there = [
        cb.tensor(np.ascontiguousarray(x.swapaxes(-1, -2)), device="cuda").transpose(-1, -2)
        if i in turned and x.ndim > 1
        else cb.tensor(x, device="cuda")
        for i, x in enumerate((a, b))
    ]
    log.clear()
    found = cb.matmul(*there)
    assert said(log, "gemm") and not said(log, "launch")
    np.testing.assert_allclose(found.cpu().numpy(), a @ b, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64", "complex128"])
def test_product_of_each_dtype(log, dtype):
    a = cb.arange(12).reshape(3, 4).to(getattr(cb, dtype))
    assert cb.equal((a.to("cuda") @ a.t().to("cuda")).cpu(), a @ a.t())
    assert said(log, "gemm")


def test_product_of_integers_and_of_broadcast_rows_is_computed_by_kernels(log):
    a = cb.arange(12, device="cuda").reshape(3, 4)
    assert cb.equal((a @ a.t()).cpu(), a.cpu() @ a.cpu().t())
    row = cb.ones(1, 4, device="cuda").expand(3, 4)
    assert cb.equal((row @ a.float().t()).cpu(), cb.ones(3, 4) @ a.cpu().float().t())


def test_matmul_precision_chooses_what_float32_is_summed_from(log):
    a = cb.ones(4, 4, device="cuda")
    kinds = []
    for precision in ("highest", "high", "medium"):
        cb.set_float32_matmul_precision(precision)
        try:
            log.clear()
            a @ a
            a.double() @ a.double()
            kinds.append([entry[0] for entry in said(log, "gemm")])
        finally:
            cb.set_float32_matmul_precision("highest")
    assert kinds == [["gemm 68", "gemm 70"], ["gemm 77", "gemm 70"], ["gemm 75", "gemm 70"]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
@pytest.mark.parametrize("descending", [False, True])
def test_long_sort_by_thrust_is_stable_with_nan_last(log, dtype, descending):
    x = np.random.default_rng(2).integers(-50, 50, (2, 20_000)).astype("f8")
    if dtype != "int64":
        x[:, ::1000], x[:, 1::1000] = np.nan, -0.0
    host = cb.tensor(x).to(getattr(cb, dtype))
    values, places = cb.sort(host.to("cuda"), dim=1, descending=descending, stable=True)
    expected, order = cb.sort(host, dim=1, descending=descending, stable=True)
    assert len(said(log, "thrust")) == (2 if dtype in ("float32", "bfloat16") else 0)
    assert cb.equal(places.cpu(), order)
    assert np.array_equal(values.cpu().double().numpy(), expected.double().numpy(), equal_nan=True)


def test_inverse_of_large_matrices_by_cusolver(log):
    x = np.eye(40) * 3 + np.random.default_rng(3).normal(size=(40, 40)) * 0.1
    there = cb.tensor(x, device="cuda")
    np.testing.assert_allclose(cb.inverse(there).cpu().numpy(), np.linalg.inv(x), rtol=1e-12)
    assert said(log, "inv")
    with pytest.raises(cb.ArgumentError, match="inverse: input must not be singular"):
        cb.inverse(cb.zeros(40, 40, device="cuda"))


# -- memory -----------------------------------------------------------------------------------------------------------------


def test_memory_is_counted_and_used_again(log):
    gc.collect()
    cb.cuda.empty_cache()
    before = cb.cuda.memory_allocated(), cb.cuda.memory_reserved()
    x = cb.empty(1000, device="cuda")
    assert cb.cuda.memory_allocated() - before[0] == 4096
    address = x.data_ptr()
    del x
    assert cb.cuda.memory_allocated() == before[0]
    assert cb.cuda.memory_reserved() == before[1] + 4096
    assert cb.empty(1000, device="cuda").data_ptr() == address
    cb.cuda.empty_cache()
    assert cb.cuda.memory_reserved() == before[1]


def test_memory_used_by_another_stream_waits_for_it(log, gpu, backend):
    x = cb.empty(1000, device="cuda")
    side = cb.cuda.Stream()
    x.record_stream(side)
    event = x._array.block.uses[0]
    event.done = False
    address = x.data_ptr()
    del x
    assert cb.empty(1000, device="cuda").data_ptr() != address
    event.done = True
    cb.empty(1000, device="cuda")
    assert cb.empty(1000, device="cuda").data_ptr() == address


def test_limit_reached_frees_the_cache_then_raises_and_goes_on(log):
    gc.collect()
    cb.cuda.empty_cache()
    cb.cuda.set_memory_limit(1 << 20)
    try:
        x = cb.empty(200_000, device="cuda")
        del x
        y = cb.empty(250_000, device="cuda")  # fits once the first block went back
        with pytest.raises(cb.OutOfMemoryError, match=r'device "cuda:0" has no room.*\n.*memory of cuda:0'):
            cb.empty(250_000, device="cuda")
        assert (y.zero_().cpu() == 0).all()
    finally:
        cb.cuda.set_memory_limit(0)


def test_device_without_room_raises_and_goes_on(log, gpu):
    with pytest.raises(cb.OutOfMemoryError):
        cb.empty(gpu.TOTAL, device="cuda")
    assert cb.ones(3, device="cuda").sum().item() == 3


def test_fraction_of_memory_is_a_limit(log, gpu):
    try:
        cb.cuda.set_per_process_memory_fraction(0.5)
        assert cb.cuda.get_per_process_memory_fraction() == 0.5
        assert cb.cuda.memory_stats_as_nested_dict()["limit"] == gpu.TOTAL // 2
    finally:
        cb.cuda.set_memory_limit(0)
    with pytest.raises(cb.ArgumentError, match="must be from 0 to 1, got 2"):
        cb.cuda.set_per_process_memory_fraction(2)


def test_pinned_memory_copies_without_waiting(log):
    x = cb.arange(1000, dtype=cb.float32).pin_memory()
    assert x.is_pinned() and not cb.ones(3).is_pinned()
    log.clear()
    there = x.to("cuda", non_blocking=True)
    assert said(log, "memcpy1") and not said(log, "synchronize")
    back = there.to("cpu", non_blocking=True)
    assert back.is_pinned() and not said(log, "synchronize")
    cb.cuda.synchronize()
    assert cb.equal(back, x)


# -- streams and devices ------------------------------------------------------------------------------------------------------


def test_work_goes_to_the_current_stream_of_thread_and_device(log, gpu):
    x = cb.ones(10, device="cuda")
    x + 1
    side = cb.cuda.Stream()
    log.clear()
    with side:
        x + 1
        x.reshape(2, 5) @ x.reshape(5, 2)
    x + 1
    assert [entry[2] == side.stream_id for entry in said(log, "launch")] == [True, False]
    assert said(log, "gemm")[0][2] == side.stream_id
    assert gpu.current() is gpu.Stream.null


def test_copies_between_devices_are_ordered_on_both_sides(log):
    x = cb.arange(12, dtype=cb.float32, device="cuda:0").reshape(3, 4)
    for source in (x, x.t()):
        log.clear()
        y = source.to("cuda:1")
        assert str(y.device) == "cuda:1" and cb.equal(y.cpu(), source.cpu())
        assert [entry[1] for entry in said(log, "memcpyPeer")] == [1]
        assert [entry[1] for entry in said(log, "wait")].count(1) >= 1
    with pytest.raises(cb.DeviceError):
        x + y.t()


def test_current_device_is_where_tensors_are_made(log):
    with cb.cuda.device(1):
        assert str(cb.ones(2, device="cuda").device) == "cuda:1"
        assert cb.cuda.current_device() == 1
    assert str(cb.ones(2, device="cuda").device) == "cuda:0"
    assert cb.cuda.device_count() == 2
    assert cb.cuda.can_device_access_peer(0, 1)


def test_stream_nobody_uses_is_used_again_not_destroyed(log, backend):
    made = backend.new_stream(0)
    native, holder = made.native, {}
    holder["stream"], holder["self"] = made, holder  # found dead by the collector, with all it reaches
    del made, holder
    gc.collect()
    assert backend.new_stream(0).native is native
    assert backend.new_stream(0, -1).native is not native


def test_events_time_and_order(log):
    start, end = cb.cuda.Event(enable_timing=True), cb.cuda.Event(enable_timing=True)
    start.record()
    cb.ones(3, device="cuda") + 1
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) == 1.0 and end.query()
    side = cb.cuda.Stream(priority=-1)
    side.wait_event(end)
    assert said(log, "wait")[-1][2] == side.stream_id


def test_stream_of_others_by_its_handle(log, gpu):
    native = gpu.Stream()
    with cb.cuda.ExternalStream(native.ptr):
        cb.ones(3, device="cuda") + 1
    assert said(log, "launch")[-1][2] == native.ptr
    assert cb.cuda.ExternalStream(0) == cb.cuda.default_stream()


@pytest.mark.parametrize("status", [700, 719])
def test_work_that_failed_for_good_names_the_device(log, gpu, status):
    x = cb.ones(3, device="cuda")
    gpu.fails += [status] * 3  # CUDA answers so to everything from then on
    with pytest.raises(cb.DeviceLostError, match=f'device "cuda:0": its work failed for good, got cudaError {status}'):
        x + 1
    gpu.fails[:] = [status]
    with pytest.raises(cb.DeviceLostError):
        cb.cuda.synchronize()


def test_shared_array_keeps_memory_of_a_graph(log, gpu, backend):
    x = cb.ones(2000, device="cuda")
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = x + 1
    graph.replay()
    array, address = backend.array(y._array), y.data_ptr()
    del y
    graph.reset()
    gc.collect()
    gpu.alive(address)
    assert (array.np == 2).all()


@pytest.mark.parametrize("wait", [lambda: cb.cuda.current_stream().synchronize(), lambda: cb.cuda.synchronize()])
def test_waiting_for_a_lost_device_names_it(log, gpu, monkeypatch, wait):
    cb.ones(3, device="cuda")

    def lost(*args):
        raise gpu.CUDARuntimeError(700)

    monkeypatch.setattr(gpu.Stream, "synchronize", lost)
    monkeypatch.setattr(sys.modules["cupy.cuda.runtime"], "deviceSynchronize", lost)
    with pytest.raises(cb.DeviceLostError, match='device "cuda:0"'):
        wait()


def test_dlpack_refuses_elements_across_words(log, backend, gpu):
    block = backend.reserve(64, 0)
    array = gpu.ndarray((4,), np.float32, block.pointer + 2, (4,))
    with pytest.raises(cb.DLPackError, match="multiples of their size"):
        backend.look(array, 0)


def test_dlpack_gives_cupys_array_on_the_same_memory(log):
    x = cb.arange(6, dtype=cb.float32, device="cuda")[1:].reshape(5)
    x.__dlpack__(stream=7)
    assert said(log, "dlpack")[-1] == ("dlpack", 0, 7)
    assert x.__dlpack_device__() == (2, 0)
    array = _plugins.load_backend("cuda").array(x._array)
    shared = cb.from_dlpack(array)
    assert shared.data_ptr() == x.data_ptr()
    shared.fill_(9.0)
    assert (x.cpu() == 9).all()


# -- graphs --------------------------------------------------------------------------------------------------------------------


def test_graph_does_nothing_until_it_is_replayed(log):
    x = cb.ones(2000, device="cuda")
    (x * 2 + 1).cpu()
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        assert cb.cuda.is_current_stream_capturing()
        y = x * 2 + 1
        z = y @ y
    assert not cb.cuda.is_current_stream_capturing()
    graph.replay()
    assert (y.cpu() == 3).all() and z.item() == 18_000
    x.fill_(2.0)
    graph.replay()
    assert (y.cpu() == 5).all() and z.item() == 50_000


def test_graph_keeps_its_memory_from_others(log):
    x = cb.ones(2000, device="cuda")
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = (x + 1) * 3  # the sum's memory is free again, but for the graph alone
    others = [cb.zeros(2000, device="cuda") for _ in range(8)]
    graph.replay()
    assert (y.cpu() == 6).all()
    assert all((o.cpu() == 0).all() for o in others)
    second = cb.cuda.CUDAGraph()
    with cb.cuda.graph(second, pool=graph.pool()):
        w = y + 1
    second.replay()
    assert (w.cpu() == 7).all()


def test_capture_refuses_what_a_replay_could_not_do(log):
    x = cb.ones(4, device="cuda")
    with pytest.raises(cb.BackendError, match="cannot be read on the host"), cb.cuda.graph(cb.cuda.CUDAGraph()):
        x.sum().item()
    with pytest.raises(cb.BackendError, match="random numbers cannot be drawn"), cb.cuda.graph(cb.cuda.CUDAGraph()):
        cb.rand(3, device="cuda")
    with pytest.raises(cb.ArgumentError, match="needs a stream of its own"):
        cb.cuda.CUDAGraph().capture_begin()
    with pytest.raises(cb.BackendError, match="got an empty one"):
        cb.cuda.CUDAGraph().replay()
    assert (x + 1).sum().item() == 8


def test_indexing_is_captured_without_its_check(log):
    x, at = cb.arange(10, dtype=cb.float32, device="cuda"), cb.tensor([1, 3], device="cuda")
    cb.index_select(x, 0, at).cpu()
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = cb.index_select(x, 0, at)
    graph.replay()
    assert y.tolist() == [1.0, 3.0]


def test_graphs_results_outlive_it(log, gpu):
    x = cb.ones(2000, device="cuda")
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = x * 2 + 1
    graph.replay()
    graph.reset()
    del graph
    gc.collect()
    gpu.alive(y.data_ptr())  # CuPy's pools take memory that is in use along when they go
    assert (y.cpu() == 3).all()


def test_host_numbers_of_a_capture_are_there_at_each_replay(log):
    x = cb.arange(10, dtype=cb.float32, device="cuda")
    cb.index_select(x, 0, cb.tensor([1, 3], device="cuda")).cpu()
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = cb.index_select(x, 0, cb.tensor([1, 3], device="cuda"))
    gc.collect()
    for k in (1, 2):
        x.fill_(float(k))
        graph.replay()
        assert y.tolist() == [k, k]


def test_capture_that_failed_leaves_an_empty_graph(log):
    x = cb.ones(4, device="cuda")
    graph = cb.cuda.CUDAGraph()
    with pytest.raises(ZeroDivisionError), cb.cuda.graph(graph):
        y = x + 1
        1 / 0  # noqa: B018
    with cb.cuda.graph(graph):
        y = x + 2
    graph.replay()
    assert (y.cpu() == 3).all()


def test_host_does_not_wait_during_a_capture(log):
    x = cb.ones(4, device="cuda")
    for wait in (
        cb.cuda.synchronize,
        lambda: cb.cuda.current_stream().synchronize(),
        lambda: cb.cuda.current_stream().query(),
    ):
        graph = cb.cuda.CUDAGraph()
        with cb.cuda.graph(graph):
            with pytest.raises(cb.BackendError, match="cannot wait while work is captured"):
                wait()
            y = x + 1
        graph.replay()
        assert (y.cpu() == 2).all()


def test_libraries_that_wait_leave_a_capture_to_kernels(log):
    host = cb.randn(20_000), cb.eye(40, dtype=cb.float64) * 3
    line, matrix = (h.to("cuda") for h in host)
    cb.cuda.current_stream().synchronize()
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        values, inverse = cb.sort(line)[0], cb.inverse(matrix)
    graph.replay()
    assert not said(log, "thrust") and not said(log, "inv")
    assert cb.equal(values.cpu(), cb.sort(host[0])[0])
    cb.testing.assert_close(inverse.cpu(), cb.eye(40, dtype=cb.float64) / 3)


def test_graphed_function_gives_results_and_gradients(log):
    sample = cb.ones(3, 4, device="cuda", requires_grad=True)
    fast = cb.cuda.make_graphed_callables(lambda x: (x * x).sum(1), (sample,))
    for k in (2.0, 3.0):
        x = cb.full((3, 4), k, device="cuda", requires_grad=True)
        log.clear()
        y = fast(x)
        y.sum().backward()
        assert len(said(log, "graph")) == 2
        assert y.tolist() == [4 * k * k] * 3
        assert (x.grad.cpu() == 2 * k).all()


def test_graphed_module_trains_its_parameters(log):
    cb.manual_seed(0)
    plain = cb.nn.Linear(4, 2).to("cuda")
    weight = plain.weight.detach().clone()
    x = cb.ones(3, 4, device="cuda")
    expected = cb.nn.functional.linear(x, weight, plain.bias.detach()).cpu()
    module = cb.cuda.make_graphed_callables(plain, (cb.zeros(3, 4, device="cuda"),))
    y = module(x)
    y.sum().backward()
    cb.testing.assert_close(y.detach().cpu(), expected)
    assert (module.weight.grad.cpu() == 3).all()


# -- the rest -------------------------------------------------------------------------------------------------------------------


def test_same_seed_same_bits_as_on_the_host(log):
    for draw in (cb.rand, lambda n, **k: cb.randint(0, 100, (n,), **k), cb.randperm):
        cb.manual_seed(7)
        host = draw(1000)
        cb.manual_seed(7)
        assert cb.equal(draw(1000, device="cuda").cpu(), host)


def test_marks_reach_the_profiler(log):
    with cb.cuda.nvtx.range("step {}", 3):
        cb.cuda.nvtx.mark("here")
    assert log == [("RangePush", "step 3"), ("Mark", "here"), ("RangePop",)]


def test_properties_are_the_devices(log, gpu):
    p = cb.cuda.get_device_properties(0)
    assert (p.name, p.major, p.minor, p.total_memory) == ("stand-in", 9, 0, gpu.TOTAL)
    assert p.L2_cache_size == 0 and cb.cuda.get_device_capability() == (9, 0)
    assert cb.cuda.mem_get_info()[1] == gpu.TOTAL
    assert cb.cuda.is_tf32_supported()
