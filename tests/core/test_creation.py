# SPDX-License-Identifier: Apache-2.0
"""Factories and writes over elements: what samples cannot say."""

from __future__ import annotations

import math

import numpy as np
import pytest

import candelabra as cb
from candelabra import _config, _dtype, _layout
from candelabra._errors import (
    ArgumentError,
    AutogradError,
    CallError,
    DTypeError,
    OutOfMemoryError,
    ShapeError,
    StaleTensorError,
)
from candelabra.ops import _names as ops
from candelabra.tensor._creation import tensor

# -- sizes, dtypes, devices ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ops.zeros, ops.ones, ops.empty])
@pytest.mark.parametrize(("args", "kwargs"), [((2, 3), {}), (((2, 3),), {}), (([2, 3],), {}), ((), {"size": (2, 3)})])
def test_sizes_in_every_form(make, args, kwargs):
    for _ in range(2):  # the second call goes by its plan
        assert tuple(make(*args, **kwargs).shape) == (2, 3)


@pytest.mark.parametrize("make", [ops.zeros, ops.ones, ops.empty, lambda *s: ops.full(s, 1.0)])
def test_bad_sizes_are_refused_before_and_after_a_good_one(make):
    for _ in range(2):
        with pytest.raises(CallError, match="ints"):
            make(2.0)
        with pytest.raises(ShapeError, match="negative"):
            make(2, -1)
        with pytest.raises(OutOfMemoryError):
            make(1 << 40, 1 << 40)
        make(2)


def test_missing_size_is_refused():
    for make in (ops.zeros, ops.ones, ops.empty):
        with pytest.raises(CallError, match="size"):
            make()


def test_more_memory_than_there_is_raises_out_of_memory():
    for make in (ops.zeros, ops.ones, ops.empty):
        with pytest.raises(OutOfMemoryError):
            make(1 << 50, dtype=_dtype.float64, device="cpu")


@pytest.mark.parametrize("dtype", _dtype.COMPUTABLE)
def test_constants_in_every_dtype(dtype):
    for _ in range(2):
        assert ops.zeros(2, dtype=dtype).numpy().tolist() == [0, 0]
        assert ops.ones(2, dtype=dtype).numpy().tolist() == [1, 1]
        assert ops.full((2,), 1, dtype=dtype).numpy().dtype == dtype.numpy
        assert ops.eye(2, dtype=dtype).numpy().tolist() == [[1, 0], [0, 1]]


def test_default_dtype_is_asked_for_each_time():
    assert ops.zeros(2).dtype is _dtype.float32
    _config.set_default_dtype(_dtype.float64)
    try:
        assert ops.zeros(2).dtype is ops.arange(2.0).dtype is ops.full((1,), 1.5).dtype is _dtype.float64
    finally:
        _config.set_default_dtype(_dtype.float32)
    assert ops.zeros(2).dtype is _dtype.float32


MAKERS = [
    lambda **k: ops.zeros(2, **k),
    lambda **k: ops.ones(2, **k),
    lambda **k: ops.empty(2, **k),
    lambda **k: ops.full((2,), 3, **k),
    lambda **k: ops.arange(2, **k),
    lambda **k: ops.range(2, **k),
    lambda **k: ops.linspace(0, 1, 2, **k),
    lambda **k: ops.logspace(0, 1, 2, **k),
    lambda **k: ops.eye(2, **k),
    lambda **k: ops.tril_indices(2, 2, **k),
    lambda **k: ops.triu_indices(2, 2, **k),
    lambda **k: ops.hann_window(2, **k),
    lambda **k: ops.kaiser_window(2, **k),
    lambda **k: ops.scalar_tensor(2, **k),
    lambda **k: ops.empty_strided((2, 3), (1, 2), **k),
    lambda **k: ops.empty_permuted((2, 3), (1, 0), **k),
    lambda **k: ops.asarray([1.0, 2.0], **k),
]


@pytest.mark.parametrize("make", MAKERS)
def test_factories_make_meta_tensors_and_follow_the_context(make):
    here = make()
    for _ in range(2):
        there = make(device="meta")
        with cb.device("meta"):
            inside = make()
        assert there.is_meta
        assert inside.is_meta
        assert not make().is_meta
        assert tuple(there.shape) == tuple(here.shape)
        assert there.dtype is here.dtype


def test_like_forms_take_after_their_input():
    x = ops.ones(2, 3, dtype=_dtype.int16)
    for like, value in ((ops.zeros_like, 0), (ops.ones_like, 1)):
        y = like(x)
        assert y.dtype is _dtype.int16
        assert y.tolist() == [[value] * 3] * 2
        assert like(x, dtype=_dtype.float64).dtype is _dtype.float64
        assert like(x, device="meta").is_meta
    assert ops.full_like(x, 7).tolist() == [[7] * 3] * 2
    with pytest.raises(CallError, match="tensor"):
        ops.zeros_like([1, 2])


def test_like_forms_keep_the_order_in_memory():
    x = ops.zeros(2, 3, 4).permute(2, 0, 1)
    assert ops.empty_like(x).stride() == x.stride()
    assert ops.zeros_like(x, memory_format=_layout.contiguous_format).is_contiguous()
    assert ops.ones_like(x).tolist() == [[[1.0] * 3] * 2] * 4
    assert ops.empty_like(ops.zeros(2, 1).expand(2, 3)).stride() == (3, 1)
    channels_last = ops.empty(2, 3, 4, 5, memory_format=_layout.channels_last)
    assert channels_last.stride() == (60, 1, 15, 3)
    assert not channels_last._base is not None


def test_empty_strided_and_permuted():
    assert ops.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert ops.empty_strided((0, 3), (1, 2)).numel() == 0
    assert ops.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
    with pytest.raises(ShapeError, match="one stride a size"):
        ops.empty_strided((2, 3), (1,))
    with pytest.raises(ShapeError, match="negative"):
        ops.empty_strided((2, 3), (1, -1))
    with pytest.raises(ArgumentError, match="each dim once"):
        ops.empty_permuted((2, 3), (0, 0))


def test_out_is_filled_resized_or_refused():
    target = ops.empty(2)
    assert ops.ones(2, out=target) is target
    assert target.tolist() == [1, 1]
    assert ops.zeros(3, out=ops.empty(0)).tolist() == [0, 0, 0]
    with pytest.raises(ShapeError, match="result's shape"):
        ops.zeros(3, out=ops.empty(2))
    with pytest.raises(DTypeError, match="result's dtype"):
        ops.arange(2, out=ops.empty(2))
    with pytest.raises(AutogradError, match="leaf"):
        ops.zeros(2, out=ops.ones(2, requires_grad=True))


def test_layout_must_be_strided():
    assert ops.zeros(2, layout=_layout.strided).tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="strided"):
        ops.zeros(2, layout=_layout.sparse_coo)


def test_requires_grad_needs_an_inexact_dtype():
    assert ops.zeros(2, requires_grad=True).is_leaf
    with pytest.raises(DTypeError):
        ops.zeros(2, dtype=_dtype.int64, requires_grad=True)


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (-1, _dtype.uint8, 255),
        (1.7, _dtype.int64, 1),
        (2, _dtype.bool_, True),
        (True, _dtype.float32, 1.0),
        (1 + 0j, _dtype.float32, 1.0),
        (math.inf, _dtype.float16, math.inf),
        (2, _dtype.complex64, 2 + 0j),
    ],
)
def test_full_casts_its_value(value, dtype, expected):
    assert ops.full((1,), value, dtype=dtype).tolist() == [expected]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (300, _dtype.uint8),
        (-300, _dtype.uint8),
        (2**40, _dtype.int32),
        (math.nan, _dtype.int64),
        (1 + 2j, _dtype.float32),
        (1e60, _dtype.float32),
        (70000.0, _dtype.float16),
    ],
)
def test_full_refuses_a_value_its_dtype_does_not_hold(value, dtype):
    with pytest.raises(ArgumentError, match="does not hold"):
        ops.full((1,), value, dtype=dtype)
    with pytest.raises(ArgumentError, match="does not hold"):
        ops.zeros(1, dtype=dtype).fill_(value)


def test_full_infers_its_dtype():
    assert ops.full((1,), 1).dtype is _dtype.int64
    assert ops.full((1,), True).dtype is _dtype.bool_
    assert ops.full((1,), 1.0).dtype is _dtype.float32
    assert ops.full((1,), 1j).dtype is _dtype.complex64
    assert ops.full((1,), tensor(3, dtype=_dtype.int8)).dtype is _dtype.int8
    assert ops.full((1,), np.float64(3)).dtype is _dtype.float32


def test_full_keeps_a_negative_zero():
    assert math.copysign(1, ops.full((1,), -0.0).item()) == -1
    assert math.copysign(1, ops.zeros(1).fill_(-0.0).item()) == -1


# Results of PyTorch 2.13.
ARANGES = [
    ((5,), {}, [0, 1, 2, 3, 4], "int64"),
    ((1, 5, 2), {}, [1, 3], "int64"),
    ((5, 1, -1.5), {}, [5.0, 3.5, 2.0], "float32"),
    ((0.5, 5), {"dtype": _dtype.int64}, [0, 1, 2, 3, 4], "int64"),
    ((0, 5.5, 1.5), {"dtype": _dtype.int64}, [0, 1, 2, 3, 4], "int64"),
    ((True,), {}, [0], "int64"),
    ((0, 0), {}, [], "int64"),
    ((), {"start": 1, "end": 4}, [1, 2, 3], "int64"),
    ((), {"end": 3}, [0, 1, 2], "int64"),
    ((2**62, 2**62 + 3), {}, [2**62, 2**62 + 1, 2**62 + 2], "int64"),
    ((3,), {"dtype": _dtype.float16}, [0.0, 1.0, 2.0], "float16"),
]


@pytest.mark.parametrize(("args", "kwargs", "values", "dtype"), ARANGES)
def test_arange_forms(args, kwargs, values, dtype):
    found = ops.arange(*args, **kwargs)
    assert found.tolist() == values
    assert found.dtype.name == dtype


@pytest.mark.parametrize(
    ("start", "end", "step"), [(0, 1, 0.1), (0.1, 0.9, 0.2), (-1, 1, 0.3), (2, -3, -0.7), (0, 1, 1 / 3)]
)
def test_arange_floats_are_rounded_once(start, end, step):
    found = ops.arange(start, end, step, dtype=_dtype.float64).numpy()
    assert len(found) == math.ceil((end - start) / step)
    np.testing.assert_array_equal(found, [start + i * step for i in range(len(found))])


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((5, 1), ArgumentError),
        ((1, 5, 0), ArgumentError),
        ((0, math.inf), ArgumentError),
        ((0, math.nan), ArgumentError),
        ((3j,), CallError),
        (("3",), CallError),
    ],
)
def test_arange_refuses(args, error):
    for ranging in (ops.arange, ops.range):
        with pytest.raises(error):
            ranging(*args)


def test_arange_refuses_bool_and_complex():
    for dtype in (_dtype.bool_, _dtype.complex64):
        with pytest.raises(DTypeError, match="integer or floating"):
            ops.arange(3, dtype=dtype)


def test_range_includes_its_end():
    assert ops.range(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert len(ops.range(0, 1, 0.1, dtype=_dtype.float64)) == 11


def test_linspace_ends_are_exact_in_every_dtype():
    for dtype in (_dtype.float16, _dtype.bfloat16, _dtype.float32, _dtype.float64):
        found = ops.linspace(-1, 3, 9, dtype=dtype)
        assert found.tolist() == [-1 + 0.5 * i for i in range(9)]
    assert ops.linspace(-3, 10, 5, dtype=_dtype.int32).tolist() == [-3, 0, 3, 6, 10]
    assert ops.linspace(0, 1j, 3).tolist() == [0, 0.5j, 1j]
    assert ops.linspace(tensor(0), tensor(3.0), 4).tolist() == [0, 1, 2, 3]
    assert ops.linspace(2, 5, 1).tolist() == [2]
    with pytest.raises(ArgumentError, match="negative"):
        ops.linspace(0, 1, -1)
    with pytest.raises(DTypeError, match="bool"):
        ops.linspace(0, 1, 2, dtype=_dtype.bool_)


def test_logspace_values():
    np.testing.assert_allclose(ops.logspace(-1, 2, 4).tolist(), [0.1, 1, 10, 100], rtol=1e-6)
    assert ops.logspace(0, 3, 4, base=2, dtype=_dtype.int64).tolist() == [1, 2, 4, 8]


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("shape", [(3, 4), (4, 2), (0, 3), (1, 1)])
def test_triangle_indices_equal_numpys(shape, offset):
    np.testing.assert_array_equal(ops.tril_indices(*shape, offset).numpy(), np.tril_indices(shape[0], offset, shape[1]))
    np.testing.assert_array_equal(ops.triu_indices(*shape, offset).numpy(), np.triu_indices(shape[0], offset, shape[1]))


def test_vander_equals_numpys_and_is_differentiable():
    x = tensor([1.0, 0.0, -2.0], dtype=_dtype.float64, requires_grad=True)
    for n in (None, 0, 1, 5):
        for increasing in (False, True):
            found = ops.vander(x, n, increasing).detach().numpy()
            np.testing.assert_array_equal(found, np.vander([1.0, 0.0, -2.0], n, increasing))
    ops.vander(x, 4).sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [6.0, 1.0, 1 - 4 + 12])
    with pytest.raises(ShapeError, match="1-d"):
        ops.vander(tensor(1.0))


@pytest.mark.parametrize(
    ("window", "reference"),
    [
        (ops.hann_window, np.hanning),
        (ops.hamming_window, np.hamming),
        (ops.blackman_window, np.blackman),
        (ops.bartlett_window, np.bartlett),
        (lambda n, p, dtype: ops.kaiser_window(n, p, 5.0, dtype=dtype), lambda n: np.kaiser(n, 5.0)),
    ],
)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 9])
def test_windows_equal_numpys(window, reference, n):
    symmetric = window(n, False, dtype=_dtype.float64).numpy()
    np.testing.assert_allclose(symmetric, reference(n), atol=1e-15)
    periodic = window(n, True, dtype=_dtype.float64).numpy()
    np.testing.assert_allclose(periodic, reference(n + 1)[:n] if n > 1 else reference(n), atol=1e-15)


def test_windows_refuse():
    with pytest.raises(ArgumentError, match="negative"):
        ops.hann_window(-1)
    with pytest.raises(DTypeError, match="floating"):
        ops.hann_window(4, dtype=_dtype.int64)


# -- asarray and new_ forms ------------------------------------------------------------------------------------------


def test_asarray_shares_or_copies():
    host = np.zeros(2, dtype=np.float32)
    shared, copied = ops.asarray(host), ops.asarray(host, copy=True)
    host[0] = 5
    assert shared.tolist() == [5, 0]
    assert copied.tolist() == [0, 0]
    x = ops.ones(2)
    assert ops.asarray(x) is x
    assert ops.asarray(x, copy=True).data_ptr() != x.data_ptr()
    for what, options in (([1, 2], {}), (x, {"dtype": _dtype.float64})):
        with pytest.raises(ArgumentError, match="copy=False"):
            ops.asarray(what, copy=False, **options)


def test_asarray_keeps_or_cuts_history():
    x = ops.ones(2, requires_grad=True)
    y = x * 2
    assert ops.asarray(y) is y
    assert not ops.asarray(y, requires_grad=False).requires_grad
    copied = ops.asarray(y, dtype=_dtype.float64)
    copied.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert ops.asarray([1.0], requires_grad=True).is_leaf


class Lent:
    """An array that is known by DLPack only."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_asarray_shares_memory_lent_by_dlpack():
    host = np.zeros(2, dtype=np.float32)
    x = ops.asarray(Lent(host))
    host[1] = 3
    assert x.tolist() == [0, 3]


def test_new_forms_take_dtype_and_device_from_the_tensor():
    x = ops.ones(2, dtype=_dtype.int16)
    assert x.new_tensor([1.5]).dtype is _dtype.int16
    assert x.new_zeros(2, 3).dtype is x.new_ones((2,)).dtype is x.new_full((2,), 3).dtype is _dtype.int16
    assert x.new_empty(size=(1,)).dtype is x.new_empty_strided((2,), (3,)).dtype is _dtype.int16
    assert ops.ones(2, device="meta").new_zeros(3).is_meta


# -- writing over elements -------------------------------------------------------------------------------------------


def test_copy_broadcasts_and_casts():
    x = ops.zeros(2, 2, dtype=_dtype.int64)
    assert x.copy_(tensor([1.7, -2.2])) is x
    assert x.tolist() == [[1, -2], [1, -2]]
    assert ops.zeros(2).copy_(tensor([1 + 2j, 3])).tolist() == [1, 3]
    assert ops.zeros(2).copy_(3).tolist() == [3, 3]
    with pytest.raises(ShapeError, match="broadcast"):
        ops.zeros(2).copy_(ops.ones(2, 2))
    with pytest.raises(ShapeError):
        ops.zeros(4).copy_(ops.ones(3))


def test_copy_within_one_memory_reads_before_it_writes():
    x = ops.arange(5)
    x.narrow(0, 1, 4).copy_(x.narrow(0, 0, 4))
    assert x.tolist() == [0, 0, 1, 2, 3]


def test_copy_is_differentiable_in_its_source_and_cuts_its_target():
    a, b = ops.ones(2, 3, requires_grad=True), tensor([1.0, 2.0, 3.0], dtype=_dtype.float64, requires_grad=True)
    y = a * 2
    y.copy_(b)
    (y * y).sum().backward()
    assert a.grad.tolist() == [[0.0] * 3] * 2
    assert b.grad.tolist() == [4.0, 8.0, 12.0]
    assert b.grad.dtype is _dtype.float64


def test_copy_into_a_view_reaches_the_base():
    a, b = ops.ones(4, requires_grad=True), tensor([5.0, 6.0], requires_grad=True)
    y = a * 3
    y.narrow(0, 1, 2).copy_(b)
    assert y.tolist() == [3, 5, 6, 3]
    (y * tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert a.grad.tolist() == [3, 0, 0, 12]
    assert b.grad.tolist() == [2, 3]


def test_copy_makes_a_plain_tensor_require_grad():
    b = ops.ones(2, requires_grad=True)
    y = ops.zeros(2)
    y.copy_(b)
    assert y.requires_grad
    y.sum().backward()
    assert b.grad.tolist() == [1, 1]
    z = ops.zeros(2, dtype=_dtype.int64)
    z.copy_(b)
    assert not z.requires_grad


def test_fill_with_a_tensor_sends_it_the_sum():
    value = tensor(2.0, requires_grad=True)
    x = ops.ones(3, requires_grad=True)
    y = x * 1
    y.fill_(value)
    (y * tensor([1.0, 2.0, 3.0])).sum().backward()
    assert value.grad.item() == 6
    assert x.grad.tolist() == [0, 0, 0]
    with pytest.raises(ShapeError, match="0-d"):
        ops.zeros(2).fill_(ops.ones(1))


def test_zero_keeps_requires_grad_of_a_result():
    x = ops.ones(3, requires_grad=True)
    y = x * 2
    assert y.zero_().requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("write", [lambda x: x.zero_(), lambda x: x.fill_(1), lambda x: x.copy_(ops.ones(3))])
def test_writes_are_counted_and_refused_where_they_must_be(write):
    x = ops.zeros(3)
    version = x._version
    write(x)
    assert x._version == version + 1
    leaf = ops.ones(3, requires_grad=True)
    with pytest.raises(AutogradError, match="leaf"):
        write(leaf)
    with cb.no_grad():
        write(leaf)
    with pytest.raises(ShapeError, match="share one element"):
        write(ops.ones(1).expand(3))
    saved = ops.ones(3, requires_grad=True)
    y = ops.ones(3)
    product = saved * y
    write(y)
    with pytest.raises(StaleTensorError):
        product.sum().backward()


def test_writes_on_meta_keep_shape_and_device():
    x = ops.ones(2, device="meta")
    assert x.zero_().is_meta
    assert x.copy_(ops.ones(2)).is_meta


@pytest.mark.parametrize(("row", "col", "offset"), [(3, 4, 1), (4, 3, -1), (0, 3, 0), (3, 0, 0), (5, 5, 9), (5, 5, -9)])
def test_triangles_are_those_of_numpy(row, col, offset):
    assert np.array_equal(cb.tril_indices(row, col, offset).numpy(), np.tril_indices(row, offset, col))
    assert np.array_equal(cb.triu_indices(row, col, offset).numpy(), np.triu_indices(row, offset, col))


def test_triangles_without_room_say_so():
    with pytest.raises(cb.OutOfMemoryError, match="tril_indices: no room for"):
        cb.tril_indices(1 << 22, 1 << 22)


def test_a_promoted_operand_that_is_expanded_takes_no_memory():
    cb.ones(1 << 18)  # from here on large memory is counted
    cb.cpu.reset_peak_memory_stats()
    assert cb.ones(1, dtype=cb.int8).expand(1 << 24).sum().item() == 1 << 24
    assert cb.cpu.max_memory_allocated() < 1 << 24


def test_large_integers_beside_small_ones_stay_exact():
    values = [2**64 - 1, 2**63 + 1, 1]
    assert cb.tensor(values, dtype=cb.uint64).tolist() == values
    assert cb.tensor([[2**63 + 1], [1]], dtype=cb.uint64).tolist() == [[2**63 + 1], [1]]
    with pytest.raises(cb.ArgumentError, match="values must fit int64"):
        cb.tensor([2**63, -1 + 2])
    assert cb.tensor([1, 2.5]).tolist() == [1.0, 2.5]
