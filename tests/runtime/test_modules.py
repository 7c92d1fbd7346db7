# SPDX-License-Identifier: Apache-2.0
"""`candelabra.<backend>`: found lazily, one definition for all; and the choice of a device at run time."""

import os
import subprocess
import sys

import pytest

import candelabra as cb
from candelabra.dispatcher import _plugins
from candelabra.dispatcher.backend import BackendInfo, Capabilities
from candelabra_sim.backend import SimBackend


def fresh_process(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_modules_load_nothing_until_used():
    code = (
        "import sys, candelabra as cb; import candelabra.cuda; cb.cpu, cb.opencl, cb.sim; "
        "print(sorted(m for m in sys.modules if m.startswith('candelabra_')), cb.sim.is_initialized(), "
        "cb.cuda is sys.modules['candelabra.cuda'])"
    )
    assert fresh_process(code) == ["[]", "False", "True"]


def test_module_of_a_backend_that_cannot_be_loaded_says_no_without_an_error():
    code = (
        "import sys; sys.modules['cupy'] = None; import candelabra as cb; "
        "cb.cuda.manual_seed(5); cb.cuda.manual_seed_all(6); cb.cuda.empty_cache(); "
        "print(cb.cuda.is_available(), cb.cuda.device_count(), cb.cuda.is_initialized(), cb.cuda.initial_seed(), "
        "hasattr(cb.cuda, 'no_such_member'), cb.cuda.is_bf16_supported())"
    )
    assert fresh_process(code) == ["False", "0", "False", "6", "False", "False"]


def test_unknown_module_is_an_attribute_error():
    assert not hasattr(cb, "no_such_backend")
    with pytest.raises(ImportError):
        import candelabra.no_such_backend  # noqa: F401
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cb.sim.nothing  # noqa: B018


class Other(SimBackend):
    name = "othersim"
    capabilities = Capabilities(asynchronous=True, streams=True)

    def module_members(self):
        return {"answer": 42}


def test_module_of_a_registered_backend_has_its_own_members():
    _plugins.register_backend(BackendInfo(name="othersim", loads=f"{__name__}:Other"))
    sys.modules.setdefault(__name__, sys.modules[Other.__module__])
    _plugins._loaded["othersim"] = Other()
    assert cb.othersim.answer == 42 and "answer" in dir(cb.othersim) and "Stream" in dir(cb.othersim)
    assert isinstance(cb.othersim.Stream(), cb.Stream)
    assert not isinstance(cb.othersim.Stream(), cb.sim.Stream)


def test_devices_are_described(sim):
    assert sim.is_available() and sim.device_count() == 2 and sim.is_bf16_supported()
    assert sim.get_device_name(1) == sim.get_device_name("sim:1") == "simulated device 1"
    assert sim.get_device_capability() == (1, 0)
    properties = sim.get_device_properties(cb.device("sim:1"))
    assert properties.name == "simulated device 1" and properties.guard_bytes == 64
    with pytest.raises(AttributeError, match="no such property"):
        properties.nothing  # noqa: B018
    with pytest.raises(cb.DeviceError, match="index must be below 2"):
        sim.get_device_name(2)
    with pytest.raises(cb.DeviceError, match='of type "sim"'):
        sim.get_device_name("cpu")
    assert cb.cpu.is_available() and cb.cpu.device_count() == 1 and cb.cpu.current_device() == 0


def test_current_device_is_meant_by_a_name_without_a_number(sim):
    with sim.device(1):
        assert cb.zeros(1, device="sim").device == cb.device("sim:1")
        with sim.device(None), sim.device(-1):
            assert sim.current_device() == 1
        with sim.device_of(cb.zeros(1, device="sim:0")):
            assert sim.current_device() == 0
        with sim.device_of(cb.zeros(1)):
            assert sim.current_device() == 1
    assert cb.zeros(1, device="sim").device == cb.device("sim:0")
    sim.set_device("sim:1")
    assert sim.current_device() == 1
    sim.set_device(0)


def test_random_state_of_each_device(sim):
    sim.manual_seed_all(3)
    assert sim.initial_seed() == 3
    states = sim.get_rng_state_all()
    a, b = cb.rand(4, device="sim:0").tolist(), cb.rand(4, device="sim:1").tolist()
    assert a == b
    sim.set_rng_state_all(states)
    assert cb.rand(4, device="sim:1").tolist() == a
    sim.set_rng_state(states[0], 0)
    assert cb.rand(4, device="sim:0").tolist() == a
    with sim.device(1):
        sim.manual_seed(3)
    assert cb.rand(4, device="sim:1").tolist() == a
    assert sim.get_rng_state(1).tolist() == sim.get_rng_state("sim:1").tolist()
    assert sim.seed_all() == sim.initial_seed()


def test_random_state_of_the_host_module_is_the_hosts():
    cb.cpu.manual_seed(8)
    assert cb.initial_seed() == cb.cpu.initial_seed() == 8
    state = cb.cpu.get_rng_state()
    a = cb.rand(2).tolist()
    cb.cpu.set_rng_state(state)
    assert cb.rand(2).tolist() == a


def test_external_stream_is_the_same_queue(sim):
    side = sim.Stream(device=1)
    again = sim.ExternalStream(side.stream_id, 1)
    assert again == side and hash(again) == hash(side)
    with pytest.raises(cb.BackendError, match="no such stream"):
        sim.ExternalStream(side.stream_id, 0)
    with pytest.raises(cb.BackendError, match="takes no streams of others"):
        cb.cpu.ExternalStream(1)


def test_stream_may_be_set_for_the_thread(sim):
    side = sim.Stream()
    sim.set_stream(side)
    assert sim.current_stream() == side
    sim.set_stream(None)
    assert sim.current_stream() == side
    sim.set_stream(sim.default_stream())


# -- choosing a device -----------------------------------------------------------------------------------------------


def test_default_device_of_a_context(sim):
    with cb.device("sim"):
        assert cb.ones(1).device == cb.tensor(1.0).device == cb.rand(1).device == cb.device("sim:0")
        with cb.device("sim:1"):
            assert cb.nn.Linear(2, 2).weight.device == cb.device("sim:1")
        assert cb.ones(1, device="cpu").device == cb.device("cpu")
    assert cb.ones(1).device == cb.device("cpu")


def test_default_device_of_the_environment():
    code = "import candelabra as cb; print(cb.ones(1).device, cb.get_default_device()); cb.set_default_device('cpu'); print(cb.ones(1).device)"
    assert fresh_process(code, CANDELABRA_DEVICE="sim:1") == ["sim:1", "sim:1", "cpu"]


@pytest.mark.parametrize(
    "way", ["cpu->sim:0", "sim:0->cpu", "sim:0->sim:1", "sim:0->sim:0", "cpu->meta", "sim:1->othersim:0"]
)
def test_copies_between_devices_keep_values_dtype_and_gradient(sim, way):
    if "othersim" in way:
        test_module_of_a_registered_backend_has_its_own_members()
    source, target = way.split("->")
    x = cb.arange(6.0, dtype=cb.float64).reshape(2, 3).to(source).requires_grad_()
    y = x.t().to(target)
    assert y.device == cb.device(target) and y.dtype is cb.float64 and y.shape == (3, 2)
    if target != "meta":
        assert y.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
        (y * 2).sum().backward()
        assert x.grad.device == x.device and x.grad.tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize("dtype", cb._dtype.ALL, ids=lambda d: d.name)
def test_every_dtype_goes_there_and_back(sim, dtype):
    x = (
        cb.tensor([0, 1, 1, 0], dtype=cb.uint8).to(dtype)
        if not dtype.name.startswith("q")
        else cb.empty(4, dtype=dtype)
    )
    y = x.to("sim:0", non_blocking=True).to("sim:1").to("cpu")
    assert y.numpy().tobytes() == x.numpy().tobytes()


def test_method_for_cuda_says_what_is_missing():
    x = cb.ones(2)
    assert x.is_cpu and not x.is_cuda and x.cpu() is x
    with pytest.raises(cb.DeviceError, match='of type "cuda"'):
        x.cuda("sim:0")
    if not cb.cuda.is_available():
        with pytest.raises((cb.BackendError, cb.DeviceError), match='device "cuda"'):
            x.cuda()


def test_mixed_devices_are_refused_but_for_host_scalars(sim):
    x = cb.ones(2, device="sim:0")
    assert (x + cb.tensor(2.0)).tolist() == [3.0, 3.0]
    with pytest.raises(cb.DeviceError, match="sim:0, sim:1"):
        x + cb.ones(2, device="sim:1")


# -- fork ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_device_that_does_not_survive_a_fork_says_so_in_the_child():
    code = """
import os, sys, dataclasses
import candelabra as cb
from candelabra_sim.backend import SimBackend
SimBackend.capabilities = dataclasses.replace(SimBackend.capabilities, fork_safe=False)
x = cb.ones(2, device="sim")
(x + 1).tolist()
if os.fork() == 0:
    said = []
    for attempt in (lambda: cb.ones(2, device="sim"), lambda: x + 1, lambda: cb.ones(2).to("sim")):
        try:
            attempt()
        except cb.ForkError as error:
            said.append("spawn" in str(error))
    print(said, (cb.ones(2) + 1).tolist() == [2.0, 2.0], flush=True)
    os._exit(0)
os.wait()
print((x + 1).tolist())
"""
    assert fresh_process(code) == ["[True,", "True,", "True]", "True", "[2.0,", "2.0]"]


def test_a_module_takes_streams_of_any_backend_for_their_own_device(sim):
    before = sim.current_stream()
    stream = cb.Stream("cpu")
    sim.set_stream(stream)
    assert sim.current_stream() == before
    assert cb.cpu.current_stream() == stream
    assert cb.ones(3, device="sim").exp().tolist() == cb.ones(3).exp().tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda: cb.cpu.set_stream(5),
        lambda: cb.cpu.stream("a"),
        lambda: cb.cpu.current_stream().wait_event(None),
        lambda: cb.cpu.current_stream().wait_stream(5),
        lambda: cb.Event().wait(5),
    ],
)
def test_what_is_no_stream_or_event_is_refused(call):
    with pytest.raises(cb.CallError, match="must be"):
        call()


@pytest.mark.parametrize("index", [1, -1, 99])
def test_a_backend_of_one_device_refuses_other_numbers(index):
    for call in (cb.cpu.set_device, cb.cpu.get_device_name, cb.cpu.synchronize):
        with pytest.raises(cb.DeviceError, match="one device"):
            call(index)


def test_the_cpu_knows_its_memory_and_cores():
    found = cb.cpu.get_device_properties(0)
    assert found.total_memory > 1 << 20
    assert found.multi_processor_count == os.cpu_count()


def test_errors_name_no_device_of_the_compilers():
    cb.compiler.show(cb.relu, cb.ones(4))
    with pytest.raises(cb.DeviceError) as caught:
        cb.ones(1, device="nonesuch")
    assert "trace" not in str(caught.value)
    assert "meta" in str(caught.value)


@pytest.mark.parametrize("limit", [-1, "1GB", None, True, 1.5])
def test_a_memory_limit_is_a_number_of_bytes(sim, limit):
    with pytest.raises(cb.ArgumentError, match="set_memory_limit: needs a number of bytes"):
        sim.set_memory_limit(limit)


def test_a_memory_limit_takes_a_device_as_all_members_do(sim):
    sim.set_memory_limit(1 << 20, "sim:1")
    with pytest.raises(cb.OutOfMemoryError):
        cb.zeros(1 << 20, device="sim:1")
    sim.set_memory_limit(0, cb.device("sim:1"))
    assert cb.zeros(1 << 20, device="sim:1").sum().item() == 0
