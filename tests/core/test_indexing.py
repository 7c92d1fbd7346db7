# SPDX-License-Identifier: Apache-2.0
"""`x[key]`, `x[key] = value` and the functions beside them, against NumPy and by differences."""

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import ArgumentError, CallError, DimError, DTypeError, ShapeError

A = slice(None)
SHAPE = (3, 4, 5)


def array():
    return np.arange(60.0).reshape(SHAPE)


BASIC = [
    0, -1, A, slice(1, 3), slice(None, None, 2), slice(-2, None), slice(5, 1), None, Ellipsis, (), (1, 2), (1, 2, 3),
    (A, 1), (Ellipsis, 0), (0, Ellipsis, 1), (None, 0, None), (A, None, slice(1, 4, 2), -1), (slice(0, 0), 1),
    np.int64(1), (np.int32(1), A),
]  # fmt: skip

# Where NumPy and PyTorch place the dims of the positions alike.
ADVANCED = [
    [0, 2], [[0, 1], [2, 0]], ([0, 1], [1, 3]), (A, [3, 0]), (A, [3, 0], A), ([0, 1], A, [1, 2]), (A, [0, 1], [1, 2]),
    (slice(1, None), [1, -1]), (None, [0, 1]), ([0, 1], None, [0, 1]), (Ellipsis, [0, -5]), ([[0], [1]], [[0, 1, 2]]),
    [True, False, True], (A, [True, False, True, True]), ([True, False, False], A, [0]), [], True, False,
    (slice(0, 2), [0, 1], 1), np.array([2, 1]), np.array([[True] * 4, [False] * 4, [True, False] * 2]),
]  # fmt: skip


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=repr)
def test_getitem_agrees_with_numpy(key):
    found = cb.from_numpy(array())[key]
    assert tuple(found.shape) == array()[key].shape
    assert np.array_equal(found.numpy(), array()[key])


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=repr)
def test_tensor_keys_are_as_lists(key):
    def tensors(k):
        return cb.tensor(k) if isinstance(k, (list, np.ndarray)) and len(k) else k

    as_tensors = tuple(map(tensors, key)) if isinstance(key, tuple) else tensors(key)
    assert np.array_equal(cb.from_numpy(array())[as_tensors].numpy(), array()[key])


@pytest.mark.parametrize("key", BASIC, ids=repr)
def test_basic_getitem_shares_memory(key):
    x = cb.from_numpy(array())
    view = x[key]
    assert view._base is x
    view.fill_(-1.0)
    expected = array()
    expected[key] = -1
    assert np.array_equal(x.numpy(), expected)


def test_ints_select_before_positions_are_placed():
    x = cb.from_numpy(array())
    assert x[0, :, [0, 1]].shape == (4, 2)  # NumPy would put the 2 in front
    assert x[cb.tensor(0), :, [0, 1]].shape == (4, 2)
    assert x[[0, 1], :, 0].shape == (2, 4)


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=repr)
@pytest.mark.parametrize("how", ["number", "tensor", "row"])
def test_setitem_agrees_with_numpy(key, how):
    x, expected = cb.from_numpy(array()), array()
    shape = expected[key].shape
    if how == "number":
        x[key] = 7
        expected[key] = 7
    else:
        values = -np.arange(1.0, 1 + np.prod(shape if how == "tensor" else shape[-1:])).reshape(
            shape if how == "tensor" else shape[-1:]
        )
        x[key] = cb.from_numpy(np.array(values))
        expected[key] = values
    assert np.array_equal(x.numpy(), expected)


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=repr)
def test_gradients_of_getitem_and_setitem(key):
    x = cb.from_numpy(array() + 1).requires_grad_()
    (x[key] * x[key]).sum().backward()
    expected = np.zeros(SHAPE)
    np.add.at(expected, key, 2 * (array() + 1)[key])
    assert np.array_equal(x.grad.numpy(), expected)

    w = cb.tensor(3.0, dtype=cb.float64, requires_grad=True)
    x.grad = None
    y = x * 1
    y[key] = w
    (y * y).sum().backward()
    kept = 2 * (array() + 1)
    kept[key] = 0
    assert np.array_equal(x.grad.numpy(), kept)
    assert w.grad.item() == 6 * array()[key].size  # each value, those that others overwrote included, as in PyTorch


def test_mask_of_the_whole_shape_reads_and_writes():
    x = cb.from_numpy(array())
    mask = x > 30
    assert np.array_equal(x[mask].numpy(), array()[array() > 30])
    x[mask] = cb.arange(29, dtype=cb.float64)
    x[x < 5] = -1.0
    expected = array()
    expected[array() > 30] = np.arange(29)
    expected[expected < 5] = -1
    assert np.array_equal(x.numpy(), expected)


def test_assignment_casts_to_the_tensors_dtype():
    x = cb.zeros(3, dtype=cb.int64)
    x[0] = 1.9
    x[1:] = cb.tensor([2.5, -3.5])
    assert x.tolist() == [1, 2, -3]
    b = cb.zeros(2, dtype=cb.bool)
    b[0] = 5
    assert b.tolist() == [True, False]


def test_assignment_drops_leading_ones_of_the_value():
    x = cb.zeros(2, 3)
    x[0] = cb.ones(1, 1, 3)
    assert x.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_slice_bounds_may_be_tensors_and_are_read_once():
    x = cb.arange(5.0).requires_grad_()
    start = cb.tensor(1)
    part = x[start:4]
    start.fill_(3)
    part.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_narrow_by_a_tensor_reads_it_each_time():
    x, start = cb.arange(5), cb.tensor(1)
    assert x.narrow(0, start, 2).tolist() == [1, 2]
    start.fill_(3)
    assert x.narrow(0, start, 2).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        (3, DimError, "got 3 for dim 0 of size 3"),
        ((0, -5), DimError, "got -5 for dim 1 of size 4"),
        ((0, 0, 0, 0), DimError, "too many indices, got 4 for 3 dims"),
        (slice(None, None, -1), ArgumentError, "steps must be positive, got step=-1"),
        (slice(None, None, 0), ArgumentError, "steps must be positive"),
        ([0, 3], DimError, "got 3 for dim 0 of size 3"),
        ((A, [-5]), DimError, "got -5 for dim 1 of size 4"),
        ([True, False], DimError, "mask must have the shape"),
        (([0, 1], [0, 1, 2]), ShapeError, "do not broadcast"),
        ("a", CallError, "takes ints, slices"),
        (1.0, CallError, "takes ints, slices"),
        ([0.5], CallError, "integers or truth values"),
        ([[0], [0, 1]], CallError, "rectangular"),
        (slice("a"), CallError, "slices take ints"),
    ],
    ids=repr,
)
def test_wrong_keys_are_refused_before_anything_is_written(key, error, text):
    x = cb.from_numpy(array())
    with pytest.raises(error, match=text.replace("(", r"\(")):
        x[key]
    with pytest.raises(error, match=text.replace("(", r"\(")):
        x[key] = -1.0
    assert np.array_equal(x.numpy(), array())


def test_float_tensors_and_0d_inputs_are_refused():
    with pytest.raises(DTypeError, match="int64, int32, uint8 or bool, got float32"):
        cb.ones(3)[cb.ones(2)]
    with pytest.raises(DimError, match="too many indices, got 1 for 0 dims"):
        cb.tensor(1.0)[0]


def test_values_that_do_not_broadcast_are_refused():
    x = cb.zeros(2, 3)
    for key in (0, [0, 1], cb.tensor([True, False])):
        with pytest.raises(ShapeError, match="must broadcast"):
            x[key] = cb.ones(2)
    assert x.sum().item() == 0


def test_index_add_out_of_range_writes_nothing():
    x = cb.zeros(3)
    for call in (
        lambda: x.index_add_(0, cb.tensor([0, 3]), cb.ones(2)),
        lambda: x.index_copy_(0, cb.tensor([0, -1]), cb.ones(2)),
        lambda: x.index_fill_(0, cb.tensor([0, -4]), 1.0),
        lambda: x.scatter_(0, cb.tensor([0, 3]), cb.ones(2)),
        lambda: x.scatter_add_(0, cb.tensor([0, -1]), cb.ones(2)),
        lambda: x.index_put_((cb.tensor([0, 3]),), cb.ones(2), accumulate=True),
    ):
        with pytest.raises(DimError, match="index must be in"):
            call()
    assert x.tolist() == [0, 0, 0]


def test_in_place_forms_write_into_strided_targets():
    base = cb.zeros(3, 4)
    view = base.t()[1:3]  # shape (2, 3), not contiguous
    view.index_add_(1, cb.tensor([0, 0, 2]), cb.ones(2, 3))
    view.scatter_add_(0, cb.tensor([[1, 1, 1]]), cb.full((1, 3), 10.0))
    view.scatter_(1, cb.tensor([[1], [1]]), 7.0)
    view[cb.tensor([0, 0]), cb.tensor([2, 2])] = 5.0
    view.index_put_((cb.tensor([0, 0]), cb.tensor([2, 2])), cb.ones(2), accumulate=True)
    assert view.tolist() == [[2, 7, 7], [12, 7, 11]]
    assert base[:, 1].tolist() == [2, 7, 7]


def test_half_precision_accumulates_in_float32():
    x = cb.zeros(1, dtype=cb.float16)
    many = cb.full((4096,), 0.5, dtype=cb.float16)
    where = cb.zeros(4096, dtype=cb.int64)
    assert cb.index_add(x, 0, where, many).item() == 2048
    assert cb.index_put(x, (where,), many, accumulate=True).item() == 2048


def test_scatter_reduce_prod_has_second_derivatives_at_zeros():
    x = cb.tensor([2.0, 3.0], dtype=cb.float64, requires_grad=True)
    s = cb.tensor([0.0, 5.0, 0.0, 7.0], dtype=cb.float64, requires_grad=True)
    out = x.scatter_reduce(0, cb.tensor([0, 0, 1, 1]), s, "prod")
    gx, gs = cb.autograd.grad(out.sum(), (x, s), create_graph=True)
    assert gx.tolist() == [0, 0]
    assert gs.tolist() == [10, 0, 21, 0]
    hx, hs = cb.autograd.grad(gs.sum(), (x, s))
    assert hx.tolist() == [5, 7]
    assert hs.tolist() == [2, 2, 3, 3]


def test_nonzero_as_tuple_indexes_again():
    x = cb.from_numpy(array())
    where = (x > 50).nonzero(as_tuple=True)
    assert x[where].tolist() == [51, 52, 53, 54, 55, 56, 57, 58, 59]
    assert cb.nonzero(cb.tensor(5)).shape == (1, 0)


@pytest.mark.parametrize("sizes", [1, 2, 3, 4, 7, [2, 5], [0, 7, 0]], ids=repr)
def test_split_parts_rejoin(sizes):
    x = cb.arange(14).reshape(2, 7)
    parts = x.split(sizes, 1)
    assert all(p._base is not None for p in parts)
    assert cb.cat(parts, 1).tolist() == x.tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_tensor_split_agrees_with_numpy(n):
    x = np.arange(14).reshape(7, 2)
    for found, expected in zip(cb.tensor_split(cb.from_numpy(x), n), np.array_split(x, n), strict=True):
        assert np.array_equal(found.numpy(), expected)
    assert [len(c) for c in cb.chunk(cb.from_numpy(x), n)][:1] == [-(-7 // n)]


def test_joining_functions_agree_with_numpy():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(2.0)
    a, b = cb.from_numpy(x), cb.from_numpy(y)
    for found, expected in [
        (cb.block_diag(a, b), np.block([[x, np.zeros((2, 2))], [np.zeros((1, 3)), y[None]]])),
        (cb.meshgrid(a[0], b, indexing="xy")[0], np.meshgrid(x[0], y)[0]),
        (cb.meshgrid(a[0], b, indexing="ij")[1], np.meshgrid(x[0], y, indexing="ij")[1]),
        (cb.repeat_interleave(a, 2, dim=1), np.repeat(x, 2, 1)),
        (cb.repeat_interleave(a, cb.tensor([0, 3]), dim=0), np.repeat(x, [0, 3], 0)),
        (cb.flatten(a.t()), x.T.ravel()),
        (cb.movedim(cb.from_numpy(array()), (0, 1), (2, 0)), np.moveaxis(array(), (0, 1), (2, 0))),
        (cb.fliplr(a), np.fliplr(x)),
        (cb.flipud(a), np.flipud(x)),
    ]:
        assert np.array_equal(found.numpy(), expected)


def test_cat_promotes_and_skips_nothing():
    assert cb.cat([cb.ones(2), cb.ones(1, dtype=cb.int64)]).dtype is cb.float32
    assert cb.cat([cb.ones(0, dtype=cb.float64), cb.ones(2, 2)]).dtype is cb.float64
    assert cb.cat([cb.ones(0), cb.ones(2, 2)], 1).shape == (2, 2)
    parts = [cb.ones(2, 2), cb.zeros(1, 2)]
    for _ in range(2):  # remembered by kind and shapes the second time
        assert cb.cat(parts).shape == (3, 2)
        assert cb.cat(parts, dim=0).tolist() == [[1, 1], [1, 1], [0, 0]]


def test_view_as_another_dtype_shares_bytes():
    x = cb.ones(2)
    bits = x.view(cb.int32)
    bits[0] = 0
    assert x.tolist() == [0, 1]
    assert x.view(cb.int16).shape == (4,)
    with pytest.raises(ShapeError, match="whole elements"):
        cb.ones(3).view(cb.float64)


def test_views_and_indexing_infer_on_meta():
    x = cb.empty(3, 4, 5, device="meta")
    assert x[0, :, None, ::2].shape == (4, 1, 3)
    assert x[:, [0, 1, 1]].shape == (3, 3, 5)
    assert x.unfold(1, 2, 1).shape == (3, 3, 5, 2)
    assert cb.stack([x, x], 1).shape == (3, 2, 4, 5)
    x[0] = 1.0
