# SPDX-License-Identifier: Apache-2.0
"""Moves, positions, scans and draws of the kit for generated kernels, at sizes where their longer ways begin.

Twice: on a device whose work items hold loops (`rows`), as the plugin for C compilers is, and on one where each element is
a work item, with stretches so short that everything is sorted, scanned and counted in several steps.
"""

import dataclasses
import importlib
import itertools
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import DimError
from candelabra.dispatcher import _plugins, register_backend
from candelabra.dispatcher.backend import BackendInfo

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-cc"

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="needs a C compiler")


def rows_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    return type("RowsBackend", (base,), {"name": "looprows"})()


def items_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    target = dataclasses.replace(base.target, rows=False)
    return type("ItemsBackend", (base,), {"name": "loopitems", "target": target})()


@pytest.fixture(scope="module", params=["looprows", "loopitems"])
def device(request):
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(PLUGIN))
    made = {"looprows": "rows_backend", "loopitems": "items_backend"}[request.param]
    register_backend(BackendInfo(name=request.param, loads=f"{__name__}:{made}"))
    if request.param == "loopitems":
        for module, name, value in (
            ("scatter", "FEW_POSITIONS", 0),
            ("order", "STRETCH", {False: 5}),
            ("scan", "STRETCH", {False: 3}),
            ("scan", "ENOUGH", {False: 1 << 40}),
            ("masking", "STRETCH", {False: 7}),
        ):
            patch.setattr(importlib.import_module(f"candelabra_loops.{module}"), name, value)
    yield request.param
    _plugins._found.pop(request.param)
    _plugins._loaded.pop(request.param, None)
    patch.undo()
    sys.modules.pop("candelabra_cc", None)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def same(found, expected, rtol=0.0):
    expected = np.asarray(expected)
    assert tuple(found.shape) == expected.shape
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex128"])
@pytest.mark.parametrize("shape", [(5, 7), (33, 18), (3, 17, 21), (2, 3, 9, 10)])
def test_copies_of_permuted_and_cut_views(device, rng, dtype, shape):
    array = (rng.standard_normal(shape) * 50).astype(dtype)
    x = cb.tensor(array, device=device)
    for dims in itertools.permutations(range(len(shape))):
        same(x.permute(dims).contiguous(), array.transpose(dims))
        same(x.permute(dims)[1:, ..., 1:].contiguous(), array.transpose(dims)[1:, ..., 1:])


def test_write_from_overlapping_view_reads_old_values(device):
    x = cb.arange(30, device=device)
    x[1:] = x[:-1]
    same(x, [0, *range(29)])


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "bool"])
def test_scatter_keeps_the_last_of_several_values(device, rng, dtype):
    n = 5003
    into, src = ((rng.standard_normal(n) * 4).astype(dtype) for _ in range(2))
    index = rng.integers(0, n // 3, n)
    expected = into.copy()
    expected[index] = src
    x = cb.tensor(into, device=device)
    at, values = cb.tensor(index, device=device), cb.tensor(src, device=device)
    same(x.scatter(0, at, values), expected)
    x.scatter_(0, at, values)
    same(x, expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "complex64", "bool"])
@pytest.mark.parametrize(("shape", "dim"), [((40,), 0), ((40, 3), 0), ((2, 40, 3), 1), ((3, 40), 1)])
def test_index_add_with_many_equal_positions(device, rng, dtype, shape, dim):
    into = (rng.standard_normal(shape) * 4).astype(dtype)
    src = (rng.standard_normal((*shape[:dim], 700, *shape[dim + 1 :])) * 4).astype(dtype)
    index = rng.integers(0, 40, 700)
    expected = into.astype("float32") if dtype == "float16" else into.copy()
    np.add.at(expected, (slice(None),) * dim + (index,), src)
    at, values = cb.tensor(index, device=device), cb.tensor(src, device=device)
    tolerance = {"float16": 2e-3, "float32": 1e-5, "complex64": 1e-5}.get(dtype, 0.0)
    same(cb.tensor(into, device=device).index_add(dim, at, values), expected.astype(dtype), tolerance)
    x = cb.tensor(into, device=device)
    x.index_add_(dim, at, values)
    same(x, expected.astype(dtype), tolerance)


@pytest.mark.parametrize("reduce", ["amax", "amin", "prod"])
def test_scatter_reduce_along_columns_keeps_nan(device, rng, reduce):
    into, src = np.ones((6, 4), "float32"), (1 + rng.random((300, 4)) * 1e-2).astype("float32")
    src[17, 2] = np.nan
    index = rng.integers(0, 6, (300, 4))
    expected = into.copy()
    combine = {"amax": np.maximum, "amin": np.minimum, "prod": np.multiply}[reduce]
    combine.at(expected, (index, np.arange(4)), src)
    x = cb.tensor(into, device=device)
    found = x.scatter_reduce(0, cb.tensor(index, device=device), cb.tensor(src, device=device), reduce)
    same(found, expected, 1e-5)


def test_put_at_two_indices_through_a_strided_view(device, rng):
    array = rng.standard_normal((6, 5, 8)).astype("float32")
    i, j = rng.integers(0, 5, 9), rng.integers(-6, 6, 9)
    x = cb.tensor(array, device=device)
    x.permute((1, 0, 2))[cb.tensor(i, device=device), cb.tensor(j, device=device)] = 1.5
    array.transpose(1, 0, 2)[i, j] = 1.5
    same(x, array)


def test_position_out_of_range_writes_nothing_and_is_forgotten(device):
    x = cb.zeros(4, device=device)
    with pytest.raises(DimError, match=r"got 9 for dim 0 of size 4"):
        x.index_fill_(0, cb.tensor([0, 9], device=device), 1.0)
    same(x, np.zeros(4))
    same(x.index_fill(0, cb.tensor([0, -1], device=device), 1.0), [1, 0, 0, 1])


def test_position_in_a_dim_of_size_zero_is_refused(device):
    with pytest.raises(DimError, match=r"got 0 for dim 0 of size 0"):
        cb.zeros(0, 3, device=device).index_select(0, cb.tensor([0], device=device))
    with pytest.raises(DimError, match=r"got 5 for dim 0 of size 3"):
        cb.zeros(3, 0, device=device)[cb.tensor([5], device=device)]


@pytest.mark.parametrize("dtype", ["float32", "int64", "float16", "complex128", "bool"])
def test_masks_pick_and_write_in_order(device, rng, dtype):
    n = 2003
    array, src = ((rng.standard_normal(n) * 1.5).astype("float32").astype(dtype) for _ in range(2))
    array[5] = 0
    mask = rng.random(n) > 0.5
    x, m = cb.tensor(array, device=device), cb.tensor(mask, device=device)
    same(x[m], array[mask])
    same(x.nonzero(), np.argwhere(array))
    expected = array.copy()
    expected[mask] = src[: mask.sum()]
    same(x.masked_scatter(m, cb.tensor(src, device=device)), expected)
    x.masked_fill_(m, 1)
    same(x, np.where(mask, np.ones(1, dtype), array))


@pytest.mark.parametrize(("shape", "dim"), [((40000,), 0), ((3, 1500), 1), ((1500, 70), 0), ((2, 300, 3), 1)])
def test_long_running_sums_are_exact_to_the_last_digit(device, rng, shape, dim):
    array = rng.standard_normal(shape).astype("float32")
    x = cb.tensor(array, device=device)
    same(x.cumsum(dim), np.cumsum(array.astype("float64"), dim).astype("float32"), 1e-6)
    same(cb.tensor(array > 0, device=device).cumsum(dim), np.cumsum(array > 0, dim))


def test_long_complex_running_product(device, rng):
    array = np.exp(1j * rng.standard_normal((900, 2))).astype("complex64")
    same(cb.tensor(array, device=device).cumprod(0), np.cumprod(array.astype("complex128"), 0), 1e-4)


@pytest.mark.parametrize("n", [1, 3, 1000, 20003])
def test_draws_are_those_of_the_host(device, n):
    draws = {
        "rand": lambda g: cb.rand(n, device=g.device, generator=g),
        "double": lambda g: cb.rand(n, dtype=cb.float64, device=g.device, generator=g),
        "complex": lambda g: cb.rand(n, dtype=cb.complex64, device=g.device, generator=g),
        "half": lambda g: cb.rand(n, dtype=cb.float16, device=g.device, generator=g),
        "randint": lambda g: cb.randint(-3, 99, (n,), device=g.device, generator=g),
        "far": lambda g: cb.randint(-(1 << 60), 1 << 61, (n,), device=g.device, generator=g),
        "randperm": lambda g: cb.randperm(n, device=g.device, generator=g),
    }
    for draw in draws.values():
        here, host = (cb.Generator(d).manual_seed(n) for d in (device, "cpu"))
        same(draw(here), draw(host).numpy())
    here, host = (cb.Generator(d).manual_seed(n) for d in (device, "cpu"))
    same(cb.randn(n, device=device, generator=here), cb.randn(n, generator=host).numpy(), 2e-6)


def test_stream_carries_into_the_upper_half_of_its_counter(device):
    for offset in ((1 << 64) - 1, (1 << 128) - 2):
        same(cb.random_bits((9,), 5, offset, device=device), cb.random_bits((9,), 5, offset).numpy())


def test_searchsorted_puts_nan_last(device):
    edges = np.array([-1.0, 0.0, 0.0, 2.0, np.nan])
    values = np.array([-2.0, 0.0, 1.0, np.nan, np.inf])
    for right in (False, True):
        found = cb.searchsorted(cb.tensor(edges, device=device), cb.tensor(values, device=device), right=right)
        same(found, np.searchsorted(edges, values, "right" if right else "left"))


@pytest.mark.parametrize("dims", [None, 0, (0, 1), (1, 1)])
def test_roll_by_more_than_a_turn(device, dims):
    array = np.arange(35).reshape(5, 7)
    shifts = (9, -3) if isinstance(dims, tuple) else -12
    same(cb.tensor(array, device=device).roll(shifts, dims), np.roll(array, shifts, dims))
