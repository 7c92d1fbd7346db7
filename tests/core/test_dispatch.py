# SPDX-License-Identifier: Apache-2.0
"""The one door: kernel choice, missing kernels, fallback, devices, promotion, remembered calls."""

from __future__ import annotations

import math

import numpy as np
import pytest

import candelabra as cb
from candelabra import CallError, DeviceError, DTypeError, MissingKernelError, ShapeError
from candelabra.dispatcher.backend import BackendInfo, Capabilities
from candelabra.op import op, rules
from candelabra.op._registry import ops
from candelabra_cpu.backend import CPUBackend


class Few(CPUBackend):
    """A device with its own memory and a handful of kernels."""

    name = "few"
    capabilities = Capabilities(indexed=False)

    def kernels(self):
        kept = ("add", "mul", "cast", "clone")
        return {name: kernel for name, kernel in super().kernels().items() if name in kept}

    def kernel(self, op, dtype):
        return super().kernel(op, dtype) if op in self.kernels() else None


@pytest.fixture(autouse=True, scope="module")
def few():
    cb.dispatcher.register_backend(BackendInfo("few", f"{__name__}:Few"))
    cb.dispatcher._plugins._loaded["few"] = Few()
    yield
    cb.dispatcher._plugins._loaded.pop("few")
    cb.dispatcher._plugins._found.pop("few")


def test_missing_kernel_names_op_device_dtype_and_who_has_it():
    cb.ones(1).exp()
    with pytest.raises(MissingKernelError, match=r'exp: no kernel on device "few".*float32.*cpu') as caught:
        cb.ones(2, device="few").exp()
    assert caught.value.code == "CB202"
    assert "allow_fallback" in str(caught.value)


def test_fallback_is_counted_and_keeps_device_and_gradient_shape():
    x = cb.ones(4, device="few")
    with cb.allow_fallback() as ledger:
        y = x.exp()
    assert str(y.device) == "few"
    assert y.tolist() == pytest.approx([math.e] * 4)
    (entry,) = ledger.entries.values()
    assert entry.calls == 1
    assert entry.bytes_moved == 32
    with pytest.raises(MissingKernelError):
        x.exp()


def test_composed_op_runs_through_its_body_where_there_is_no_kernel():
    seen = []
    x = cb.ones(3, device="few")
    with cb.dispatcher.observe_dispatch(lambda op, backend, how: seen.append((op, backend, how))):
        y = cb.addcmul(x, x, x, value=2)
    assert y.tolist() == [3.0] * 3
    assert ("addcmul", "few", "body") in seen
    assert {backend for _, backend, _ in seen} == {"few"}


def test_observer_sees_calls_that_were_remembered():
    x = cb.ones(3)
    for _ in range(3):
        x + x
    seen = []
    with cb.dispatcher.observe_dispatch(lambda op, backend, how: seen.append(op)):
        x + x
    assert seen == ["add"]


def test_tensors_on_two_devices_are_refused():
    with pytest.raises(DeviceError, match="add: tensors must be on one device, got cpu, few"):
        cb.ones(2) + cb.ones(2, device="few")


def test_zero_dim_host_tensor_moves_beside_the_other():
    x = cb.ones(2, device="few")
    scale = cb.tensor(3.0, requires_grad=True)
    y = x * scale
    assert str(y.device) == "few"
    with cb.allow_fallback():
        y.sum().backward()
    assert scale.grad.item() == 2.0
    assert str(scale.grad.device) == "cpu"


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (cb.int32, 1, cb.int32),
        (cb.int32, 1.5, cb.float32),
        (cb.uint8, True, cb.uint8),
        (cb.float16, 2.5, cb.float16),
        (cb.bfloat16, 2, cb.bfloat16),
        (cb.float32, 1j, cb.complex64),
        (cb.float64, 1j, cb.complex128),
        (cb.bool, 1, cb.int64),
    ],
)
def test_number_is_weak_beside_a_tensor(left, right, expected):
    assert (cb.ones(2, dtype=left) * right).dtype is expected


def test_zero_dim_tensor_counts_by_category_only():
    assert (cb.ones(2, dtype=cb.float32) * cb.tensor(1.0, dtype=cb.float64)).dtype is cb.float32
    assert (cb.ones(2, dtype=cb.int32) * cb.tensor(1.0, dtype=cb.float64)).dtype is cb.float64
    assert (cb.ones(2, dtype=cb.int8) * cb.tensor(1, dtype=cb.int64)).dtype is cb.int8


def test_remembered_call_tells_negative_zero_from_zero():
    x = cb.tensor([-1.0, 1.0])
    for value, sign in ((0.0, 1.0), (-0.0, -1.0), (0.0, 1.0), (-0.0, -1.0)):
        out = cb.nn.functional.threshold(x, 0.5, value)
        assert math.copysign(1.0, out[0].item()) == sign


def test_remembered_call_tells_false_from_zero():
    x = cb.arange(20.0).reshape(5, 4)
    for _ in range(2):
        assert x.var(0).shape == (4,)
        assert x.var(False).shape == ()
        assert x.std(dim=1).shape == (5,)
        assert x.std(dim=True).shape == ()


@pytest.mark.parametrize("values", [(1, 1.0, True), (True, 1, 1.0), (1.0, True, 1)])
def test_remembered_calls_tell_the_types_of_numbers(values):
    x = cb.arange(4)
    floats = {bool: cb.int64, int: cb.int64, float: cb.float32}
    for value in values * 2:
        for call in (
            lambda v: x + v,
            lambda v: cb.add(x, v),
            lambda v: x.clamp(min=v),
            lambda v: cb.where(x > 1, v, x),
            lambda v: v - x,
        ):
            assert call(value).dtype is floats[type(value)]
        assert cb.full_like(x, value).dtype is cb.int64
        assert cb.full((2,), value).dtype is {bool: cb.bool, int: cb.int64, float: cb.float32}[type(value)]


def test_remembered_call_still_checks_what_it_must():
    for _ in range(3):
        assert cb.ones(2, 3).sum(1).shape == (2,)
    with pytest.raises(IndexError, match="dim must be in"):
        cb.ones(2, 3).sum(2)
    with pytest.raises(ShapeError, match="do not broadcast"):
        cb.ones(2) + cb.ones(3)


def test_op_with_kernel_and_body_keeps_its_gradient_after_a_call_without():
    @op(dtype=rules.promoted, shape=rules.same, method=False)
    def twice_for_test(input: cb.Tensor) -> cb.Tensor:
        """Twice each element."""
        return input * 2.0

    try:
        cb.dispatcher.load_backend("cpu")._table["twice_for_test"] = lambda x: x * 2
        y = cb.ones(2, requires_grad=True)
        assert twice_for_test(cb.ones(2)).tolist() == [2.0, 2.0]
        assert twice_for_test(y).requires_grad
    finally:
        ops.pop("twice_for_test")
        cb.dispatcher.load_backend("cpu")._table.pop("twice_for_test")


def test_out_is_checked_before_it_is_written():
    a, b = cb.ones(2), cb.ones(2)
    out = cb.zeros(2)
    assert cb.add(a, b, out=out) is out
    assert out.tolist() == [2.0, 2.0]
    with pytest.raises(ShapeError, match="result's shape"):
        cb.add(a, b, out=cb.zeros(3))
    wrong = cb.zeros(2, dtype=cb.int64)
    with pytest.raises(DTypeError, match="cannot be cast"):
        cb.add(a, b, out=wrong)
    assert wrong.tolist() == [0, 0]
    assert cb.add(a, b, out=cb.empty(0)).shape == (2,)
    with pytest.raises(cb.AutogradError, match="not differentiated"):
        cb.add(cb.ones(2, requires_grad=True), b, out=out)


def test_bad_calls_name_the_op_and_the_argument():
    for call, text in [
        (lambda: cb.add(cb.ones(1)), "add: missing argument, got none for other"),
        (lambda: cb.sum(cb.ones(1), dimm=0), "sum: unknown argument"),
        (lambda: cb.sum("text"), "sum: input must be a tensor"),
        (lambda: cb.ones(1) + object(), "."),
        (lambda: cb.matmul(cb.ones(2), [1, 2]), "matmul: other must be a tensor"),
        (lambda: cb.exp(cb.ones(1), cb.ones(1), cb.ones(1)), "exp: takes 1 positional"),
    ]:
        with pytest.raises((CallError, TypeError), match=text):
            call()


def nested_in_itself():
    data = []
    data.append(data)
    return data


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: cb.as_tensor(object()), DTypeError, "data must be numbers"),
        (lambda x: cb.as_tensor([None]), DTypeError, "data must be numbers"),
        (lambda x: cb.as_tensor(np.array(["a"])), DTypeError, "no counterpart"),
        (lambda x: cb.as_tensor(nested_in_itself()), ShapeError, "nested sequences of one shape"),
        (lambda x: cb.cat([cb.tensor(1.0)]), ShapeError, "0-d tensor cannot be joined"),
        (lambda x: cb.concat([cb.ones(1), cb.tensor(1.0)]), ShapeError, "0-d tensor cannot be joined"),
        (lambda x: cb.hstack([]), CallError, "at least one tensor"),
        (lambda x: x.to(1.5), CallError, "to: takes dtypes, devices and tensors"),
        (lambda x: x.to(np.zeros(2)), CallError, "to: takes dtypes, devices and tensors"),
        (lambda x: cb.where(1.5), CallError, "where: condition must be a tensor"),
        (lambda x: x.sum(dim=0, axis=1), CallError, "sum: argument given twice, got axis=1 for dim"),
        (lambda x: cb.sum(x=x, input=x), CallError, "sum: argument given twice"),
        (lambda x: cb.sum(x, 0, axis=0), CallError, "sum: argument given twice"),
    ],
)
def test_odd_arguments_are_refused_with_our_errors(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call(cb.ones(2, 3))
    assert isinstance(caught.value, cb.CandelabraError)


def test_body_that_runs_out_of_memory_says_so():
    with pytest.raises(cb.OutOfMemoryError, match="adaptive_avg_pool1d: out of memory"):
        cb.nn.functional.adaptive_avg_pool1d(cb.ones(1, 2, 4), 10**13)


# -- NumPy's functions -----------------------------------------------------------------------------------------------


def test_arrays_and_tensors_compute_to_tensors():
    a, t = np.arange(3.0), cb.ones(3, requires_grad=True)
    for result in (a + t, np.add(a, t), np.add(t, a), t + a, np.add([0.0, 1.0, 2.0], t)):
        assert isinstance(result, cb.Tensor) and result.tolist() == [1.0, 2.0, 3.0] and result.requires_grad
    assert (a < t).tolist() == [True, False, False]
    assert np.equal(a, t).tolist() == [False, True, False]
    assert (a @ t.double()).item() == 3.0
    np.exp(t).sum().backward()
    assert t.grad.tolist() == pytest.approx([math.e] * 3)


def test_numpy_numbers_are_weak_in_front_of_tensors():
    half, whole = cb.ones((), dtype=cb.float16), cb.ones(2, dtype=cb.int32)
    assert (np.float64(2) * half).dtype is cb.float16
    assert (np.int64(2) * whole).dtype is cb.int32
    assert np.maximum(2, whole).tolist() == [2, 2]
    assert np.arctan2(1.0, half).dtype is cb.float16


def test_numpy_output_of_a_function_stays_numpys():
    a = np.zeros(2)
    a += cb.ones(2)
    assert type(a) is np.ndarray and a.tolist() == [1.0, 1.0]
    with pytest.raises(cb.AutogradError, match="requires a gradient"):
        a += cb.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: np.spacing(t), r"numpy.spacing: has no counterpart for tensors, got a tensor of shape \(2,\)"),
        (lambda t: np.add.reduce(t), "numpy.add.reduce: has no counterpart"),
        (lambda t: np.add(t, t, dtype="f4"), "numpy.add: takes no further arguments with tensors"),
        (lambda t: np.exp(t, out=t), "use candelabra.exp"),
    ],
)
def test_numpy_functions_without_counterpart_say_what_to_do(call, text):
    with pytest.raises(CallError, match=text):
        call(cb.ones(2))


def test_constructor_of_sizes_and_of_data():
    assert cb.Tensor(2, 3).shape == (2, 3)
    assert cb.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert cb.Tensor([2, 3]).dtype is cb.float32
    assert cb.tensor([2, 3]).dtype is cb.int64
    assert cb.tensor(2.0).shape == ()
    assert cb.Tensor().shape == (0,)
    with pytest.raises(ShapeError, match="one shape"):
        cb.tensor([[1, 2], [3]])
    with pytest.raises(DTypeError, match="numbers"):
        cb.tensor(["a"])


def test_numpy_shares_memory_both_ways():
    a = np.zeros(3, np.float32)
    t = cb.from_numpy(a)
    t.add_(1)
    a[0] = 7
    assert t.tolist() == [7.0, 1.0, 1.0]
    t.numpy()[1] = 9
    assert a.tolist() == [7.0, 9.0, 1.0]


def test_kernel_failure_is_wrapped_with_op_and_operands():
    backend = cb.dispatcher._plugins._loaded["few"]

    def broken(a, b):
        raise RuntimeError("hardware says no")

    kept = backend.kernel("mul", cb.float32)
    backend._chosen["mul", cb.float32] = broken
    cb.dispatcher._plans.forget()
    try:
        with pytest.raises(
            cb.BackendError, match=r"mul: kernel failed with RuntimeError: hardware says no.*\(2,\) float32"
        ):
            cb.ones(2, device="few") * cb.ones(2, device="few")
    finally:
        backend._chosen["mul", cb.float32] = kept
        cb.dispatcher._plans.forget()


def test_warnings_as_errors_do_not_break_ieee_arithmetic():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan((cb.zeros(1) / cb.zeros(1)).item())
        assert (cb.ones(1) / 0.0).item() == math.inf


def test_devices_parse_and_default():
    assert cb.device("cuda", 1) is cb.device("cuda:1")
    for wrong in ("", "CPU!", "cuda:-1", "cuda:x"):
        with pytest.raises(DeviceError, match="device"):
            cb.device(wrong)
    with cb.device("meta"):
        assert cb.ones(2).is_meta
        with cb.device("cpu"):
            assert not cb.ones(2).is_meta
    assert not cb.ones(2).is_meta
    with pytest.raises(DeviceError, match="one"):
        cb.ones(1, device="cpu:3")


def test_shapes_are_checked_where_kernels_do_not():
    backend = cb.dispatcher._plugins._loaded["few"]
    kept = backend.kernel("add", cb.float32)
    backend._chosen["add", cb.float32] = lambda a, b: np.broadcast_to(
        np.float32(7), (9, 9)
    ).copy()  # trusts what it is given
    cb.dispatcher._plans.forget()
    try:
        good = cb.ones(2, device="few")
        good + good
        for _ in range(2):
            with pytest.raises(ShapeError, match="do not broadcast"):
                good + cb.ones(3, device="few")
    finally:
        backend._chosen["add", cb.float32] = kept
        cb.dispatcher._plans.forget()


def test_attribute_that_is_a_tensor_is_read_anew():
    x, dim = cb.ones(1, 2), cb.tensor(0)
    assert cb.cat([x, x], dim).shape == (2, 2)
    dim.add_(1)
    assert cb.cat([x, x], dim).shape == (1, 4)


def test_backend_registered_again_replaces_the_old_one():
    class Again(Few):
        name = "again"

    cb.dispatcher.register_backend(BackendInfo("again", "candelabra_cpu.backend:CPUBackend"))
    assert type(cb.ones(1, device="again")._kind.backend) is CPUBackend
    cb.dispatcher.register_backend(BackendInfo("again", f"{__name__}:Few"))
    cb.dispatcher._plugins._loaded["again"] = Again()
    assert type(cb.ones(1, device="again")._kind.backend) is Again
    cb.dispatcher._plugins._loaded.pop("again")
    cb.dispatcher._plugins._found.pop("again")


def test_numpy_numbers_as_attributes_are_plain_numbers():
    x = cb.ones(3)
    for found in (
        cb.addcmul(x, x, x, value=np.float64(3)),
        cb.nn.functional.leaky_relu(x, np.float64(0.1)),
        cb.std(x, correction=np.float64(1)),
    ):
        assert found.numpy().dtype == np.float32
    assert cb.addcmul(x.int(), x.int(), x.int(), value=np.int64(3)).numpy().dtype == np.int32


def test_from_numpy_refuses_strides_between_elements():
    odd = np.zeros(4, [("a", "u1"), ("b", "<f4")])["b"]
    with pytest.raises(cb.ShapeError, match="strides must be multiples of the item size 4"):
        cb.from_numpy(odd)


# -- attributes ------------------------------------------------------------------------------------------------------

F = cb.nn.functional


@pytest.mark.parametrize(
    "right, wrong",
    [
        (lambda x: cb.sum(x, 1), lambda x: cb.sum(x, 1.0)),
        (lambda x: cb.sum(x, dim=1), lambda x: cb.sum(x, dim=1.0)),
        (lambda x: cb.sum(x, dim=1, keepdim=True), lambda x: cb.sum(x, dim=1.0, keepdim=True)),
        (lambda x: cb.softmax(x, 0), lambda x: cb.softmax(x, 0.0)),
        (lambda x: cb.topk(x, 1), lambda x: cb.topk(x, 1.0)),
        (lambda x: x.transpose(0, 1), lambda x: x.transpose(0.0, 1)),
        (lambda x: x.unsqueeze(1), lambda x: x.unsqueeze(1.0)),
        (lambda x: x.view(3, 2), lambda x: x.view(3.0, 2)),
        (lambda x: cb.cat([x, x], 1), lambda x: cb.cat([x, x], 1.0)),
        (lambda x: cb.gather(x, 1, INDEX), lambda x: cb.gather(x, 1.0, INDEX)),
    ],
)
def test_remembered_int_does_not_stand_for_a_float(right, wrong):
    x = cb.ones(2, 3)
    right(x), right(x)
    with pytest.raises(CallError):
        wrong(x)
    right(x)


INDEX = cb.zeros(1, 1, dtype=cb.int64)

WRONG = {
    "leaky_relu: negative_slope must be a real number, got 'a' of type str": lambda x: F.leaky_relu(x, "a"),
    "leaky_relu: negative_slope must be a real number, got None": lambda x: F.leaky_relu(x, None),
    "leaky_relu: negative_slope must be a real number, got 1j": lambda x: F.leaky_relu(x, 1j),
    "elu: alpha must be a real number, got 'a'": lambda x: F.elu(x, "a"),
    "softplus: beta must be a real number, got None": lambda x: F.softplus(x, None),
    "addcmul: value must be a number, got 'a'": lambda x: cb.addcmul(x, x, x, value="a"),
    "clamp: min must be a tensor, got 'a'": lambda x: cb.clamp(x, "a"),
    "softmax: dim must be an int, got '0'": lambda x: cb.softmax(x, dim="0"),
    "round: decimals must be an int, got 1.5": lambda x: cb.round(x, decimals=1.5),
    "sum: keepdim must be a bool, got 'a'": lambda x: cb.sum(x, 1, "a"),
    "triu: diagonal must be an int, got 'a'": lambda x: cb.triu(x, "a"),
}


@pytest.mark.parametrize("size", [2, 20000])
@pytest.mark.parametrize("message", WRONG)
def test_attribute_of_a_wrong_type_is_refused_alike_at_any_size(message, size):
    with pytest.raises(CallError) as caught:
        WRONG[message](cb.ones(size, 4))
    assert str(caught.value).startswith(message)


# -- numbers beyond the dtype ----------------------------------------------------------------------------------------

BEYOND = {
    "addcmul": lambda x, v: cb.addcmul(x, x, x, value=v),
    "add": lambda x, v: cb.add(x, x, alpha=v),
    "sub": lambda x, v: cb.sub(x, x, alpha=v),
    "rsub": lambda x, v: cb.rsub(x, x, alpha=v),
    "index_add": lambda x, v: x.index_add(0, cb.zeros(1, dtype=cb.int64), x[:1], alpha=v),
    "addr": lambda x, v: cb.addr(cb.ones(1, 1, dtype=x.dtype), x[:1], x[:1], alpha=v),
    "where": lambda x, v: cb.where(x > 0, x, v),
    "masked_fill": lambda x, v: x.masked_fill(x > 0, v),
    "index_fill": lambda x, v: x.index_fill(0, cb.zeros(1, dtype=cb.int64), v),
    "threshold": lambda x, v: F.threshold(x, 5, v),
}


@pytest.mark.parametrize("size", [3, 40000])
@pytest.mark.parametrize("name", BEYOND)
@pytest.mark.parametrize("dtype, value", [(cb.int8, 300), (cb.int8, -129), (cb.uint8, 256), (cb.uint8, -256)])
def test_number_that_the_dtype_does_not_hold_is_refused_at_any_size(name, dtype, value, size):
    with pytest.raises(cb.ArgumentError, match=f"{name}: u?int8 does not hold"):
        BEYOND[name](cb.full((size,), 3, dtype=dtype), value)


@pytest.mark.parametrize("size", [3, 40000])
def test_negative_factor_of_unsigned_operands_wraps(size):
    x = cb.full((size,), 3, dtype=cb.uint8)
    assert (cb.addcmul(x, x, x, value=-1) == 250).all()
    assert (cb.add(x, x, alpha=-1) == 0).all()


@pytest.mark.parametrize("name", ["xlogy", "atan2", "true_divide", "mul", "remainder", "copysign", "hypot", "ldexp"])
@pytest.mark.parametrize("one, other", [("float16", "int32"), ("bfloat16", "int64"), ("int32", "float16")])
def test_floats_beside_integers_keep_their_dtype(name, one, other):
    x, y = cb.ones(2, dtype=getattr(cb, one)), cb.ones(2, dtype=getattr(cb, other))
    found = getattr(cb, name)(x, y)
    assert found.dtype is (x.dtype if x.dtype.is_floating_point else y.dtype)
    assert found.numpy().dtype == found.dtype.numpy


def test_remembered_calls_with_whole_numbers_keep_their_rules():
    x, i = cb.tensor([1, 2, 250], dtype=cb.uint8), cb.tensor([3, -4])
    for _ in range(2):
        assert (x + 1).tolist() == [2, 3, 251]
        assert (x + 300).tolist() == [45, 46, 38]
        assert (x - -1).tolist() == [2, 3, 251]
        assert (x > -1).tolist() == [True, True, True]
        assert (x == 300).tolist() == [False, False, False]
        assert (i + True).tolist() == [4, -3]
        assert (i**2).tolist() == [9, 16]
        with pytest.raises(cb.ArgumentError, match="no negative powers"):
            i**-1
        with pytest.raises(cb.ArgumentError, match="must fit into 64 bits"):
            i + 2**70
