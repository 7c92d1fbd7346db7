# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels of much data: what they find at the seams of their stretches, and what they refuse. The conformance
suite tests them on little data when CANDELABRA_CPU_KERNELS is `compiled`."""

from __future__ import annotations

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import DimError
from candelabra.ops.adaptive_pooling import adaptive_max_pool as pooled
from candelabra_xp.pooling import adaptive_max_pool

rng = np.random.default_rng(5)
X = rng.standard_normal((70, 9001)).astype(np.float32)  # more than two stretches of a row
FLAT = rng.integers(0, 9001, (70, 9001))


def here(array):
    return cb.tensor(array, device="cpu")


@pytest.mark.parametrize("index", [np.int64, np.int32])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.complex128, np.bool_])
def test_picking_much_equals_numpy(dtype, index):
    x = X.astype(dtype)
    rows, columns = (rng.integers(0, n, 500).astype(index) for n in x.shape)
    np.testing.assert_array_equal(here(x).index_select(0, here(rows)).numpy(), x[rows])
    np.testing.assert_array_equal(here(x).index_select(1, here(columns)).numpy(), x[:, columns])
    np.testing.assert_array_equal(here(x)[:, here(columns.astype(np.int64) - 9001)].numpy(), x[:, columns])
    flat = FLAT.astype(index)
    np.testing.assert_array_equal(here(x).gather(1, here(flat)).numpy(), np.take_along_axis(x, FLAT, 1))
    np.testing.assert_array_equal(here(x).gather(0, here(flat % 70)).numpy(), np.take_along_axis(x, FLAT % 70, 0))


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.complex64])
def test_adding_much_equals_adding_one_after_the_other(dtype, dim):
    x, n = X.astype(dtype), X.shape[dim]
    places = rng.integers(0, n, 300)
    source = np.take(x, rng.integers(0, n, 300), dim)
    want = x.copy()
    np.add.at(np.moveaxis(want, dim, 0), places, np.moveaxis(source, dim, 0))
    np.testing.assert_array_equal(here(x).index_add(dim, here(places), here(source)).numpy(), want)
    flat = FLAT % n
    want = x.copy()
    np.add.at(want, (flat, np.arange(9001)) if dim == 0 else (np.arange(70)[:, None], flat), x[::-1])
    np.testing.assert_array_equal(here(x).scatter_add(dim, here(flat), here(x[::-1].copy())).numpy(), want)


def test_writing_much_at_positions_keeps_the_last():
    places = rng.integers(0, 70, 300)
    source = X[rng.integers(0, 70, 300)]
    want = X.copy()
    want[places] = source
    np.testing.assert_array_equal(here(X).index_copy(0, here(places), here(source)).numpy(), want)
    want = X.copy()
    for j in range(9001):
        want[np.arange(70), FLAT[:, j]] = X[:, j]
    np.testing.assert_array_equal(here(X).scatter(1, here(FLAT), here(X)).numpy(), want)


@pytest.mark.parametrize("wrong", [-1, 9001])
def test_one_wrong_position_among_many_is_refused_and_nothing_written(wrong):
    index = FLAT.copy()
    index[63, 8999] = wrong
    x, source = here(X), here(X)
    for call in (
        lambda: x.gather(1, here(index)),
        lambda: x.index_select(1, here(index[63])),
        lambda: x.scatter_add(1, here(index), source),
        lambda: x.scatter_add_(1, here(index), source),
        lambda: x.index_add_(1, here(index[63]), source),
    ):
        with pytest.raises(DimError, match=f"got {wrong} for dim 1 of size 9001"):
            call()
    np.testing.assert_array_equal(x.numpy(), X)


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("by_frequency", [False, True])
def test_gradient_of_a_large_table_is_the_sum_of_rows(padding, by_frequency):
    numbers, grad = rng.integers(0, 50, (4, 64)), rng.standard_normal((4, 64, 33)).astype(np.float32)
    table = cb.zeros(50, 33).requires_grad_()
    cb.nn.functional.embedding(here(numbers), table, padding, scale_grad_by_freq=by_frequency).backward(here(grad))
    want = np.zeros((50, 33), np.float32)
    np.add.at(want, numbers.reshape(-1), grad.reshape(-1, 33))
    if by_frequency:
        want /= np.maximum(np.bincount(numbers.reshape(-1), minlength=50), 1)[:, None].astype(np.float32)
    if padding is not None:
        want[padding] = 0
    np.testing.assert_array_equal(table.grad.numpy(), want)


@pytest.mark.parametrize("shape", [(3, 50_003), (40_001,), (5, 4099, 3), (2, 16384)])
def test_running_sums_across_stretches(shape):
    whole = rng.integers(-9, 9, shape)
    for dim in range(len(shape)):
        np.testing.assert_array_equal(here(whole).cumsum(dim).numpy(), whole.cumsum(dim))
        found = here(whole.astype(np.float32)).cumsum(dim).numpy()
        np.testing.assert_array_equal(found, whole.cumsum(dim).astype(np.float32))


def test_running_sums_of_floats_are_accumulated_in_double():
    x = np.full((2, 1 << 17), 0.1, np.float32)
    want = np.cumsum(x, 1, dtype=np.float64)
    np.testing.assert_allclose(here(x).cumsum(1).numpy(), want, rtol=2e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.complex128])
@pytest.mark.parametrize("shape", [(3, 9001), (9001, 3), (2, 41, 3, 51)])
def test_moved_elements_are_where_numpy_puts_them(shape, dtype):
    x = rng.integers(-99, 99, shape).astype(dtype)
    t = here(x)
    for dims in [(d,) for d in range(x.ndim)] + [(0, 1), tuple(range(x.ndim)), (0, x.ndim - 1)]:
        np.testing.assert_array_equal(t.flip(dims).numpy(), np.flip(x, dims))
    for dim in range(x.ndim):
        for shift in (1, -2, shape[dim] + 3, 0):
            np.testing.assert_array_equal(cb.roll(t, shift, dim).numpy(), np.roll(x, shift, dim))
    np.testing.assert_array_equal(cb.roll(t, 7).numpy(), np.roll(x, 7))
    for diagonal in (0, 2, -1, -10_000, 10_000):
        np.testing.assert_array_equal(t.tril(diagonal).numpy(), np.tril(x, diagonal))
        np.testing.assert_array_equal(t.triu(diagonal).numpy(), np.triu(x, diagonal))


@pytest.mark.parametrize("shape", [(30_011,), (3, 9001), (9001, 3), (2, 41, 3, 51)])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_selected_elements_are_in_order(shape, share):
    x, mask = rng.standard_normal(shape).astype(np.float32), rng.random(shape) < share
    np.testing.assert_array_equal(here(x)[here(mask)].numpy(), x[mask])
    np.testing.assert_array_equal(here(x).masked_select(here(mask)).numpy(), x[mask])
    np.testing.assert_array_equal(cb.nonzero(here(mask)).numpy(), np.argwhere(mask))
    np.testing.assert_array_equal(cb.nonzero(here(np.where(mask, x, 0))).numpy(), np.argwhere(mask))


def test_masks_of_fewer_dims_are_filled():
    x, mask = rng.standard_normal((4, 5, 64, 65)).astype(np.float32), rng.random((64, 65)) < 0.5
    want = np.where(mask, np.float32(-np.inf), x)
    np.testing.assert_array_equal(here(x).masked_fill(here(mask), -np.inf).numpy(), want)
    np.testing.assert_array_equal(here(x).masked_fill_(here(mask), -np.inf).numpy(), want)
    t = here(x)
    np.testing.assert_array_equal(t.masked_fill_(here(mask), t[1, 2, 3, 4]).numpy(), np.where(mask, x[1, 2, 3, 4], x))


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [(3, 1, 1, 1), (2, 2, 0, 1), (3, 3, 1, 4)])
def test_pooled_rows_longer_than_a_stretch(kernel, stride, padding, dilation):
    """Against the same pooling of every row of windows by itself, in float64."""
    x = rng.integers(-9, 9, (2, 9, 1203)).astype(np.float32)
    x[1, 4, 700] = np.nan
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    reach = dilation * (kernel - 1) + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, (reach, reach), (1, 2))
    windows = views[:, ::stride, ::stride, ::dilation, ::dilation]
    values, places = cb.nn.functional.max_pool2d(here(x), kernel, stride, padding, dilation, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), windows.max((-2, -1)))
    picked = np.take_along_axis(x.reshape(2, -1), places.numpy().reshape(2, -1), 1)
    np.testing.assert_array_equal(picked.reshape(values.shape), values.numpy())
    if dilation == 1:
        found = cb.nn.functional.avg_pool2d(here(x), kernel, stride, padding, count_include_pad=False).numpy()
        inside = np.where(np.isneginf(windows), 0, windows).sum((-2, -1))
        np.testing.assert_allclose(found, inside / (~np.isneginf(windows)).sum((-2, -1)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("draw", [cb.rand, cb.randn, lambda n, **k: cb.randint(0, 77, (n,), **k)])
def test_long_draws_begin_as_short_ones(draw):
    generator = cb.Generator()
    long = draw(50_001, generator=generator.manual_seed(3)).numpy()
    short = draw(400, generator=generator.manual_seed(3)).numpy()
    np.testing.assert_array_equal(long[:400], short)


def test_results_do_not_depend_on_threads():
    def results():
        x, index = here(X), here(FLAT)
        sums = cb.zeros(40, 9001).index_add(0, here(rng_rows), x)
        return [t.numpy() for t in (x.scatter_add(1, index, x), sums, x.cumsum(1), x.reshape(-1).cumsum(0))]

    rng_rows = FLAT[0, :70] % 40
    before = cb.get_num_threads()
    try:
        cb.set_num_threads(1)
        alone = results()
        cb.set_num_threads(3)
        for found, want in zip(results(), alone, strict=True):
            np.testing.assert_array_equal(found, want)
    finally:
        cb.set_num_threads(before)


@pytest.mark.parametrize("dim", [0, 1])
def test_gradient_of_indexing_much_adds_up(dim):
    index = rng.integers(-X.shape[dim], X.shape[dim], 300)
    x = here(X).requires_grad_()
    x[(slice(None),) * dim + (here(index),)].sum().backward()
    want = np.zeros_like(X)
    np.add.at(np.moveaxis(want, dim, 0), index, 1)
    np.testing.assert_array_equal(x.grad.numpy(), want)
    x = here(X)
    x[here(index % 70), here(FLAT[0, :300])] = 3.0
    want = X.copy()
    want[index % 70, FLAT[0, :300]] = 3.0
    np.testing.assert_array_equal(x.numpy(), want)


def test_much_that_is_not_contiguous_is_read_in_order():
    x, mask = X.T, FLAT.T % 2 == 0
    t, m = here(X).t(), here(FLAT % 2 == 0).t()
    np.testing.assert_allclose(t.cumsum(0).numpy(), np.cumsum(x, 0, dtype=np.float64), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(t[m].numpy(), x[mask])
    np.testing.assert_array_equal(cb.nonzero(m).numpy(), np.argwhere(mask))
    np.testing.assert_array_equal(t.gather(0, here(FLAT.T.copy())).numpy(), np.take_along_axis(x, FLAT.T, 0))
    np.testing.assert_array_equal(t.gather(0, here(FLAT).t()[:5]).numpy(), np.take_along_axis(x, FLAT.T[:5], 0))
    np.testing.assert_array_equal(t.flip(0).tril(3).numpy(), np.tril(np.flip(x, 0), 3))


@pytest.mark.parametrize("dim", [0, 1])
def test_running_extremes_name_the_latest_of_equals_and_keep_nan(dim):
    x = rng.integers(-50, 50, (300, 301)).astype(np.float32)
    x[150, 200] = np.nan
    values, places = here(x).cummax(dim)
    np.testing.assert_array_equal(values.numpy(), np.maximum.accumulate(x, dim))
    np.testing.assert_array_equal(np.take_along_axis(x, places.numpy(), dim), values.numpy())
    later = np.where((x == values.numpy()) | np.isnan(x), np.arange(x.shape[dim]).reshape((-1, 1)[:: 1 - 2 * dim]), 0)
    np.testing.assert_array_equal(places.numpy(), np.maximum.accumulate(later, dim))
    np.testing.assert_array_equal(here(-x).cummin(dim)[1].numpy(), places.numpy())


@pytest.mark.parametrize("dim", [0, 1])
def test_running_products_equal_numpy(dim):
    x = rng.choice([-1.0, 0.5, 2.0], (90, 91)).astype(np.float32)
    np.testing.assert_array_equal(here(x).cumprod(dim).numpy(), np.cumprod(x, dim, dtype=np.float64).astype(np.float32))


def test_rows_added_to_themselves():
    order = rng.integers(0, 70, 70)
    want = X.copy()
    np.add.at(want, order, X)
    x = here(X)
    np.testing.assert_array_equal(x.index_add(0, here(order), x).numpy(), want)
    np.testing.assert_array_equal(x.index_add_(0, here(order), x).numpy(), want)
    with pytest.raises(DimError, match="for dim 0 of size 70"):
        x.index_add(0, here(order + 70 - order.min()), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int16, np.uint8])
@pytest.mark.parametrize("right", [False, True])
def test_searching_much_equals_numpy(dtype, right):
    for count in (1, 2, 7, 1000):
        ordered, values = (
            np.sort(rng.integers(0, 90, count)).astype(dtype),
            rng.integers(0, 90, (5, 1000)).astype(dtype),
        )
        if np.dtype(dtype).kind == "f":
            values[0, ::7] = np.nan
            ordered[count // 2 + 1 :] = np.nan
        expected = np.searchsorted(ordered, values, "right" if right else "left")
        found = cb.searchsorted(here(ordered), here(values), right=right, out_int32=count == 7)
        np.testing.assert_array_equal(found.numpy(), expected)
        rows = here(np.stack([ordered] * 5))
        np.testing.assert_array_equal(cb.searchsorted(rows, here(values), right=right).numpy(), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
@pytest.mark.parametrize(
    "shape, counts", [((9, 17, 23), (5, 4)), ((3, 5, 300), (7, 40)), ((2, 2, 5000), (1, 3)), ((40, 99), (6,))]
)
def test_adaptive_maxima_of_much_equal_those_of_numpy(dtype, shape, counts):
    x = rng.integers(-5, 5, shape).astype(dtype)  # many equal ones
    if dtype is np.float32:
        x[rng.random(shape) < 0.05] = np.nan
    found = adaptive_max_pool(np, x, counts)
    for mine, theirs in zip(pooled(here(x), counts), found, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)


@pytest.mark.parametrize("span", [3, 1 << 40, 1 << 62])
def test_order_of_wide_integers_is_stable(span):
    x = rng.integers(-span, span, (3, 700))
    x[:, ::3] = x[:, :1]
    x[0, 5], x[1, 7] = (span, -span) if span < 1 << 62 else (np.iinfo(np.int64).max, np.iinfo(np.int64).min)
    np.testing.assert_array_equal(cb.argsort(here(x), 1, stable=True).numpy(), np.argsort(x, 1, kind="stable"))
    down = cb.argsort(here(x), 1, descending=True, stable=True).numpy()
    np.testing.assert_array_equal(down[0], sorted(range(700), key=lambda i: -int(x[0, i])))


def test_scattering_much_in_place_refuses_before_it_writes():
    x, places = here(X.copy()), here(FLAT)
    assert x.scatter_(1, places, here(X)) is x
    expected = X.copy()
    np.put_along_axis(expected, FLAT, X, 1)
    np.testing.assert_array_equal(x.numpy(), expected)
    wrong = FLAT.copy()
    wrong[69, 9000] = 9001
    with pytest.raises(DimError):
        x.scatter_(1, here(wrong), here(-X))
    np.testing.assert_array_equal(x.numpy(), expected)
