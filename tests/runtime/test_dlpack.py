# SPDX-License-Identifier: Apache-2.0
"""Memory shared by DLPack: aliasing, strides, offsets, flags and lifetimes, in both directions."""

import gc
import sys
import weakref

import numpy as np
import pytest

import candelabra as cb
from candelabra.runtime import _dlpack
from candelabra.utils.dlpack import DLDeviceType, from_dlpack, to_dlpack

SHARED = cb._dtype.ALL[:19]
NUMPYS = [d for d in SHARED if d.numpy.isbuiltin == 1]


class Old:
    """A producer from before versions: asked for one, it does not understand."""

    def __init__(self, array, capsule=None):
        self.array = array

    def __dlpack__(self, stream=None):
        return _dlpack.export_array(self.array, None)

    def __dlpack_device__(self):
        return (1, 0)


class Elsewhere(Old):
    def __dlpack_device__(self):
        return (15, 0)


@pytest.mark.parametrize("dtype", NUMPYS, ids=lambda d: d.name)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)], ids=str)
def test_numpy_takes_a_tensor_and_gives_it_back(dtype, shape):
    x = cb.ones(shape).to(dtype)
    array = np.from_dlpack(x)
    assert array.dtype == dtype.numpy and array.shape == shape
    back = cb.from_dlpack(array)
    assert back.dtype is dtype and tuple(back.shape) == shape
    if x.numel():
        assert array.__array_interface__["data"][0] == x.data_ptr() == back.data_ptr()
        back.zero_()
        assert not array.any() and not x.numpy().any()


@pytest.mark.parametrize("dtype", SHARED, ids=lambda d: d.name)
@pytest.mark.parametrize("take", [cb.from_dlpack, lambda t: from_dlpack(to_dlpack(t))], ids=["object", "capsule"])
def test_every_dtype_passes_with_strides_and_offset(dtype, take):
    x = (
        cb.arange(24).to(dtype).reshape(4, 6)[1:, ::2].t()
        if dtype is not cb.bool
        else cb.ones(4, 6, dtype=dtype)[1:].t()
    )
    y = take(x)
    assert y.dtype is dtype and y.shape == x.shape and y.stride() == x.stride() and y.data_ptr() == x.data_ptr()
    assert np.array_equal(
        y.numpy().view(np.uint8 if dtype.itemsize == 1 else y.numpy().dtype),
        x.numpy().view(np.uint8 if dtype.itemsize == 1 else x.numpy().dtype),
    )


def test_writes_are_seen_on_both_sides():
    x = cb.zeros(2, 3)
    array = np.from_dlpack(x)
    array[1, 2] = 5
    assert x[1, 2].item() == 5
    x.add_(1)
    assert array[0, 0] == 1
    source = np.zeros(3)
    y = cb.from_dlpack(source)
    y += 2
    assert source.tolist() == [2.0, 2.0, 2.0]


def test_quantized_dtype_is_shared_as_its_integers():
    assert cb.from_dlpack(cb.empty(2, dtype=cb.qint8)).dtype is cb.int8


def test_tensor_with_a_gradient_is_refused():
    with pytest.raises(BufferError, match="requires a gradient"):
        np.from_dlpack(cb.ones(2, requires_grad=True))


def test_read_only_memory_is_copied_or_refused():
    source = np.arange(3.0)
    source.flags.writeable = False
    y = cb.from_dlpack(source)
    y += 1
    assert source.tolist() == [0.0, 1.0, 2.0] and y.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(cb.DLPackError, match=r"read-only.*copy=False"):
        cb.from_dlpack(source, copy=False)
    with pytest.raises(BufferError, match="read-only"):
        _dlpack.export_array(source, None)
    capsule = _dlpack.export_array(source, (1, 0))
    assert _dlpack.opened(capsule)[1].flags == _dlpack.READ_ONLY
    assert not _dlpack.import_array(_dlpack.Capsule(capsule)).flags.writeable


def test_expanded_tensor_is_shared_with_its_zero_strides():
    x = cb.ones(3, 1).expand(3, 4)
    array = np.from_dlpack(x)
    assert array.strides == (4, 0)
    y = from_dlpack(to_dlpack(x))
    assert y.stride() == (1, 0)


def test_memory_that_runs_backwards_is_copied_or_refused():
    source = np.arange(3)[::-1]
    assert cb.from_dlpack(source).tolist() == [2, 1, 0]
    with pytest.raises(cb.DLPackError, match="runs backwards"):
        cb.from_dlpack(source, copy=False)


def test_copy_is_made_when_asked_for():
    source = np.zeros(2)
    y = cb.from_dlpack(source, copy=True)
    y += 1
    assert source.tolist() == [0.0, 0.0]
    x = cb.zeros(2)
    array = np.from_dlpack(x, copy=True)
    array[0] = 3
    assert x.tolist() == [0.0, 0.0]
    capsule = x.__dlpack__(max_version=(1, 0), copy=True)
    assert _dlpack.opened(capsule)[1].flags & _dlpack.IS_COPIED


def test_result_may_be_asked_for_on_another_device(sim):
    y = cb.from_dlpack(np.arange(3.0), device="sim")
    assert y.device == cb.device("sim:0") and y.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(cb.DLPackError, match='memory is on "cpu"'):
        cb.from_dlpack(np.arange(3.0), device="sim", copy=False)


def test_device_that_is_not_shared_says_so_and_gives_the_host_a_copy(sim):
    x = cb.arange(3.0, device="sim")
    with pytest.raises(BufferError, match='device "sim"'):
        np.from_dlpack(x)
    assert np.from_dlpack(x, device="cpu").tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(cb.DLPackError, match="copy=False"):
        x.__dlpack__(dl_device=(1, 0), copy=False)
    with pytest.raises(cb.DLPackError, match="device type 15"):
        cb.from_dlpack(Elsewhere(np.zeros(2)))


def test_producer_from_before_versions_is_understood():
    source = np.arange(4, dtype=np.int16)
    y = cb.from_dlpack(Old(source))
    y[0] = 9
    assert source[0] == 9


def test_form_follows_what_the_consumer_reads():
    x = cb.ones(2)
    assert _dlpack.opened(x.__dlpack__())[0] == b"dltensor"
    assert _dlpack.opened(x.__dlpack__(max_version=(0, 8)))[0] == b"dltensor"
    capsule = x.__dlpack__(max_version=(1, 2))
    name, managed = _dlpack.opened(capsule)
    assert name == b"dltensor_versioned" and (managed.major, managed.flags) == (1, 0)


def test_what_is_no_array_is_refused():
    with pytest.raises(cb.CallError, match="__dlpack__"):
        cb.from_dlpack([1, 2])


def test_dtype_without_a_word_is_refused():
    with pytest.raises(cb.DLPackError, match="no word for this dtype"):
        _dlpack.export_array(np.array(["a"]), None)


def test_capsule_can_be_taken_once():
    capsule = to_dlpack(cb.ones(2))
    from_dlpack(capsule)
    with pytest.raises(cb.DLPackError, match="not taken yet"):
        from_dlpack(capsule)


def test_device_type_is_the_hosts():
    assert cb.ones(1).__dlpack_device__() == (DLDeviceType.kDLCPU, 0)


# -- lifetimes -------------------------------------------------------------------------------------------------------


class Watched(np.ndarray):
    pass


def test_memory_lives_as_long_as_the_consumer():
    source = np.arange(5.0).view(Watched)
    alive = weakref.ref(source)
    y = cb.from_dlpack(Old(source))
    view = y[2:]
    del source, y
    gc.collect()
    assert alive() is not None and view.tolist() == [2.0, 3.0, 4.0]
    del view
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("version", [None, (1, 0)], ids=str)
def test_capsule_nobody_takes_frees_its_tensor(version):
    held = set(_dlpack._exported)  # whatever others keep
    source = np.arange(5.0).view(Watched)
    alive = weakref.ref(source)
    capsule = _dlpack.export_array(source, version)
    del source
    gc.collect()
    assert alive() is not None
    del capsule
    gc.collect()
    assert alive() is None and set(_dlpack._exported) <= held


def test_empty_tensor_holds_nothing():
    source = np.zeros((0, 3)).view(Watched)
    alive = weakref.ref(source)
    y = cb.from_dlpack(Old(source))
    assert y.shape == (0, 3)
    del source
    gc.collect()
    assert alive() is None


def test_many_round_trips_leave_nothing_behind():
    x, held = cb.ones(3), set(_dlpack._exported)
    before = sys.getrefcount(x._array)
    for _ in range(50):
        np.from_dlpack(x)
        cb.from_dlpack(x)
        x.__dlpack__()
    gc.collect()
    after = sys.getrefcount(x._array)  # apart: a failing assert keeps what it looked at
    assert after == before and set(_dlpack._exported) <= held


def test_jax_arrays_pass_both_ways():
    jnp = pytest.importorskip("jax.numpy")
    y = cb.from_dlpack(jnp.arange(4.0))
    assert y.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert jnp.from_dlpack(cb.ones(3, dtype=cb.bfloat16)).tolist() == [1.0, 1.0, 1.0]
