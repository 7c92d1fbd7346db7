# SPDX-License-Identifier: Apache-2.0
"""Products, convolutions, pooling, sorts, inverses and optimizer steps of the kit for generated kernels, at sizes where
their longer ways begin: on a device whose work items hold loops (`rows`), and on one where each result is a work item."""

import dataclasses
import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import ArgumentError
from candelabra.dispatcher import _plugins, register_backend
from candelabra.dispatcher.backend import BackendInfo

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-cc"

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="needs a C compiler")


def rows_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    return type("RowsBackend", (base,), {"name": "numrows"})()


def items_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    target = dataclasses.replace(base.target, rows=False)
    return type("ItemsBackend", (base,), {"name": "numitems", "target": target})()


@pytest.fixture(scope="module", params=["numrows", "numitems"])
def device(request):
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(PLUGIN))
    made = {"numrows": "rows_backend", "numitems": "items_backend"}[request.param]
    register_backend(BackendInfo(name=request.param, loads=f"{__name__}:{made}"))
    for module, name, value in (
        ("panels", "LEAST", 1),
        ("panels", "DEEP", 32),
        ("convolution", "LEAST", 1),
        ("convolution", "CHUNK", {True: 2000, False: 2000}),
        ("sorting", "STRETCH", {True: 64, False: 8}),
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


def near(found, expected, rtol):
    expected = np.asarray(expected)
    assert tuple(found.shape) == expected.shape
    scale = np.abs(expected).max() if expected.size else 0
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=rtol * scale)


# -- products --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", ["", "a", "b", "ab"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((7, 65), (65, 33)), ((100, 300), (300, 16)), ((3, 20, 30), (30, 50)), ((2, 1, 9, 40), (3, 40, 17)),
        ((2, 1, 3, 1, 4, 8), (1, 2, 1, 3, 8, 4)), ((1, 5000), (5000, 2)), ((4, 6000), (6000, 5)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matmul_of_all_layouts(device, rng, a, b, turned, dtype):
    x, y = (rng.standard_normal(s).astype(dtype) for s in (a, b))
    left, right = (
        cb.tensor(np.ascontiguousarray(v.swapaxes(-1, -2)), device=device).transpose(-1, -2)
        if name in turned
        else cb.tensor(v, device=device)
        for name, v in (("a", x), ("b", y))
    )
    near(left @ right, x @ y, 1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("dtype", ["int8", "int64", "complex64", "float16"])
def test_matmul_of_other_dtypes(device, rng, dtype):
    x, y = ((rng.standard_normal(s) * 3).astype(dtype) for s in ((37, 45), (45, 21)))
    expected = (x.astype("float64") @ y.astype("float64")) if dtype == "float16" else x @ y
    found = cb.tensor(x, device=device) @ cb.tensor(y, device=device)
    near(found, expected, {"float16": 1e-3, "complex64": 1e-5}.get(dtype, 0))


@pytest.mark.parametrize(
    ("a", "b"), [((500,), (500, 70)), ((70, 500), (500,)), ((20000,), (20000,)), ((2, 3, 999), (999,))]
)
def test_matmul_with_vectors(device, rng, a, b):
    x, y = (rng.standard_normal(s).astype("float32") for s in (a, b))
    near(cb.tensor(x, device=device) @ cb.tensor(y, device=device), x @ y, 1e-5)


def test_matmul_beyond_the_last_column_reads_no_numbers_of_others(device):
    x, y = np.ones((9, 40), "float32"), np.ones((40, 37), "float32")
    y[:, 18:] = np.nan
    found = cb.tensor(x, device=device) @ cb.tensor(y, device=device)[:, :18]
    near(found, np.full((9, 18), 40.0), 0)


# -- convolutions ----------------------------------------------------------------------------------------------------

CONVOLUTIONS = [
    # (N, C, O), sizes, kernel, stride, padding, dilation, groups
    ((2, 8, 16), (12, 13), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 8, 16), (12, 13), (3, 2), (2, 1), (1, 0), (1, 2), 2),
    ((2, 12, 18), (40,), (5,), (2,), (3,), (2,), 3),
    ((2, 4, 8), (6, 7, 8), (3, 2, 3), (2, 1, 2), (1, 1, 0), (1, 1, 2), 1),
    ((2, 32, 4), (9, 9), (3, 3), (3, 3), (2, 2), (1, 1), 1),
    ((1, 8, 8), (5, 5), (3, 3), (1, 1), (4, 4), (1, 1), 1),
    ((2, 6, 6), (9, 150), (3, 3), (1, 1), (1, 1), (1, 1), 6),
    ((2, 6, 6), (9, 11), (3, 3), (2, 2), (1, 1), (1, 1), 6),
    ((2, 1, 2), (9, 11), (3, 3), (1, 1), (1, 1), (1, 1), 1),
]


@pytest.mark.parametrize(("channels", "sizes", "kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_convolution_and_its_gradients(device, rng, channels, sizes, kernel, stride, padding, dilation, groups):
    n, c, o = channels
    rest = (stride, padding, dilation, groups)
    x, w, bias = (rng.standard_normal(s) for s in ((n, c, *sizes), (o, c // groups, *kernel), (o,)))
    host = [cb.tensor(v) for v in (x, w, bias)]
    mine = [v.to(device) for v in host]
    expected = cb.convolution(*host, *rest)
    near(cb.convolution(*mine, *rest), expected.numpy(), 1e-13)
    grad = cb.tensor(rng.standard_normal(tuple(expected.shape)))
    found = cb.convolution_input_grad(grad.to(device), mine[1], sizes, *rest)
    near(found, cb.convolution_input_grad(grad, host[1], sizes, *rest).numpy(), 1e-13)
    found = cb.convolution_weight_grad(grad.to(device), mine[0], kernel, *rest)
    near(found, cb.convolution_weight_grad(grad, host[0], kernel, *rest).numpy(), 1e-13)


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("width", [9, 300])
def test_max_pool_takes_the_first_of_equal_elements(device, rng, dtype, width):
    x = rng.integers(0, 3, (2, 3, 11, width)).astype(dtype)
    args = ((3, 2), (1, 2), (1, 1), (1, 2), False)
    values, indices = cb.max_pool(cb.tensor(x, device=device), *args)
    expected = cb.max_pool(cb.tensor(x), *args)
    near(values, expected[0].numpy(), 0)
    near(indices, expected[1].numpy(), 0)


@pytest.mark.parametrize("include", [False, True])
def test_avg_pool_and_its_gradient(device, rng, include):
    x = rng.standard_normal((2, 3, 11, 260))
    args = ((3, 2), (2, 1), (1, 1), True, include, None)
    found = cb.avg_pool(cb.tensor(x, device=device), *args)
    near(found, cb.avg_pool(cb.tensor(x), *args).numpy(), 1e-14)
    grad = rng.standard_normal(tuple(found.shape))
    found = cb.avg_pool_input_grad(cb.tensor(grad, device=device), (11, 260), *args)
    near(found, cb.avg_pool_input_grad(cb.tensor(grad), (11, 260), *args).numpy(), 1e-14)


# -- sorts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint64", "bool"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("shape", "dim"), [((5000,), 0), ((3, 257), 1), ((129, 4), 0), ((2, 65, 3), 1)])
def test_sort_is_stable_over_many_runs(device, rng, dtype, descending, shape, dim):
    x = (rng.integers(0, 40, shape) - (0 if dtype in ("uint64", "bool") else 20)).astype(dtype)
    if dtype.startswith("float"):
        x.reshape(-1)[::7] = np.nan
        x.reshape(-1)[::11] = -0.0
    values, indices = cb.sort(cb.tensor(x, device=device), dim, descending, stable=True)
    expected = cb.sort(cb.tensor(x), dim, descending, stable=True)
    np.testing.assert_array_equal(indices.cpu().numpy(), expected[1].numpy())
    np.testing.assert_array_equal(values.cpu().numpy(), expected[0].numpy())


# -- matrices, norms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_inverse_exchanges_rows(device, rng, dtype):
    x = rng.standard_normal((3, 17, 17)).astype(dtype)
    x[:, 0, 0] = 0
    if dtype == "complex128":
        x = x + 1j * rng.standard_normal(x.shape)
    near(
        cb.inverse(cb.tensor(x, device=device)) @ cb.tensor(x, device=device),
        np.broadcast_to(np.eye(17), x.shape),
        1e-10,
    )


def test_inverse_names_one_singular_matrix_of_a_batch(device):
    x = np.stack([np.eye(3), np.ones((3, 3))])
    with pytest.raises(ArgumentError, match="singular"):
        cb.inverse(cb.tensor(x, device=device))


@pytest.mark.parametrize(
    ("shape", "view", "dim", "affine"),
    [((6, 4), (3, 8), (1,), (4,)), ((6, 10), (4, 15), (1,), (10,)), ((2, 6, 5), (2, 3, 10), (2,), (6, 1))],
)
def test_standardize_over_dims_of_another_shape(device, rng, shape, view, dim, affine):
    x, weight, bias = rng.standard_normal(shape) + 3, *rng.standard_normal((2, int(np.prod(affine))))
    rest = (view, dim, affine, 1e-5)
    found = cb.standardize(*(cb.tensor(v, device=device) for v in (x, weight, bias)), *rest)
    for mine, expected in zip(found, cb.standardize(*map(cb.tensor, (x, weight, bias)), *rest), strict=True):
        near(mine, expected.numpy(), 1e-13)


def test_standardize_of_a_large_mean_keeps_the_digits(device, rng):
    x = (1e4 + rng.standard_normal((2, 3000))).astype("float32")
    out, _, var = cb.standardize(cb.tensor(x, device=device), None, None, x.shape, (1,), (), 0.0)
    wide = x.astype("float64")
    near(var, wide.var(1, keepdims=True), 1e-6)
    near(out, (wide - wide.mean(1, keepdims=True)) / wide.std(1, keepdims=True), 1e-6)


# -- optimizer steps -------------------------------------------------------------------------------------------------

OPTIMIZERS = {
    "sgd": lambda p: cb.optim.SGD(p, lr=0.1),
    "momentum": lambda p: cb.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, maximize=True),
    "adam": lambda p: cb.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "amsgrad": lambda p: cb.optim.AdamW(p, lr=0.1, amsgrad=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_steps_many_parameters(device, rng, name):
    shapes = [(3, 5), (7,), (), (65, 70), (0, 3), (4, 4), (2,), (9,), (5, 5), (6,), (5000,)]
    values = [rng.standard_normal(s) for s in shapes]
    grads = [[rng.standard_normal(s) for s in shapes] for _ in range(3)]

    def trained(where):
        params = [cb.tensor(v, device=where).requires_grad_() for v in values]
        optimizer = OPTIMIZERS[name](params)
        for step in grads:
            for i, (p, g) in enumerate(zip(params, step, strict=True)):
                p.grad = (
                    cb.tensor(g.T if i == 3 else g, device=where).transpose(0, 1)
                    if i == 3
                    else cb.tensor(g, device=where)
                )
            optimizer.step()
        return [p.detach().cpu().numpy() for p in params]

    for found, expected in zip(trained(device), trained("cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
