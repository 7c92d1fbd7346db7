# SPDX-License-Identifier: Apache-2.0
"""Scans, triangles and row-wise kernels at sizes where their special kernels run, and how loops are to be vectorized."""

import numpy as np
import pytest

import candelabra as cb
from candelabra.compiler.ir import Builder
from candelabra_opencl.dialect import OpenCLRenderer

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (7,), (5, 1023), (5, 1025), (3000, 33), (300_003,), (3, 70_000), (20, 4, 513)])
def test_running_sums_along_every_dim(name, shape, dtype):
    x = rng.standard_normal(shape).astype(dtype)
    for dim in range(x.ndim):
        found = cb.cumsum(cb.tensor(x, device=name), dim).cpu().numpy()
        atol = 1e-6 if dtype == "float32" else 1e-13
        expected = np.cumsum(x.astype("float64"), dim)
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol * max(np.abs(expected).max(), 1))


def test_running_sums_hold_an_infinity_from_its_place_on(name):
    x = np.ones(3000, "float32")
    x[1027], x[2050], x[2999] = np.inf, -np.inf, np.nan
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(cb.cumsum(cb.tensor(x, device=name), 0).cpu().numpy(), np.cumsum(x))


@pytest.mark.parametrize("dtype", ["int8", "float32", "complex128"])
@pytest.mark.parametrize("diagonal", [-8000, -60, -1, 0, 3, 5000, 9000])
def test_triangles_of_lines_longer_than_a_work_item_takes(name, diagonal, dtype):
    x = (rng.integers(1, 9, (2, 70, 5000))).astype(dtype)
    given = cb.tensor(x, device=name)
    np.testing.assert_array_equal(cb.tril(given, diagonal).cpu().numpy(), np.tril(x, diagonal))
    np.testing.assert_array_equal(cb.triu(given, diagonal).cpu().numpy(), np.triu(x, diagonal))


@pytest.mark.parametrize("shape", [(300, 517), (5, 3, 700), (6, 70, 40)])
def test_row_wise_ops_along_every_dim(name, shape):
    x = rng.standard_normal(shape).astype("float32")
    given, wide = cb.tensor(x, device=name), x.astype("float64")
    for dim in range(x.ndim):
        grown = np.exp(wide - wide.max(dim, keepdims=True))
        share = grown / grown.sum(dim, keepdims=True)
        for found, expected in (
            (cb.softmax(given, dim), share),
            (cb.log_softmax(given, dim), np.log(share)),
            (cb.var(given, dim), wide.var(dim, ddof=1)),
            (cb.argmax(given, dim), x.argmax(dim)),
        ):
            np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def rendered(make):
    b = Builder("kernel")
    x, out, n = b.buffer("x", "f32"), b.buffer("out", "f32", True), b.size("n")
    make(b, x, out, n)
    return OpenCLRenderer(True).render(b.finish())


def test_loops_over_neighbours_are_as_wide_as_vectors():
    def sums(b, x, out, n):
        with b.work(n) as i:
            total = b.var(b.const(0, "f32"))
            with b.loop(n, vector=True) as j:
                total.add(x[i * n + j], reassoc=True)
            out[i] = total.get()

    assert "vectorize_width(16)" in rendered(sums)


def test_loops_over_columns_are_left_to_the_compiler():
    def sums(b, x, out, n):
        with b.work(n) as i:
            total = b.var(b.const(0, "f32"))
            with b.loop(n, vector=True) as j:
                total.add(x[i + j * n], reassoc=True)
            out[i] = total.get()

    assert "vectorize(assume_safety)\n" in rendered(sums)
    assert "vectorize_width" not in rendered(sums)


def test_searches_of_the_greatest_are_as_wide_as_vectors():
    def greatest(b, x, out, n):
        with b.work(n) as i:
            best = b.var(b.const(0, "f32"))
            with b.loop(n) as j:
                value = x[i * n + j]
                best.set((value > best.get()).select(value, best.get()))
            out[i] = best.get()

    assert "vectorize_width(16)" in rendered(greatest)
    assert "assume_safety" not in rendered(greatest)  # the compiler finds out what may be reordered
