# SPDX-License-Identifier: Apache-2.0
"""Native matrix products: every layout that they take themselves, and every one that they leave."""

import os
import subprocess
import sys

import numpy as np
import pytest

import candelabra as cb
from candelabra_cpu import blas
from candelabra_cpu.kernels import linalg

pytestmark = pytest.mark.skipif(blas.library() is None, reason="scipy-openblas64 is not installed")

SIZES = [(1, 1, 1), (3, 4, 5), (1, 7, 9), (9, 7, 1), (64, 65, 66), (150, 200, 170), (1, 900, 300), (300, 3, 400)]


def random(dtype, *shape):
    rng = np.random.default_rng(sum(shape))
    real = rng.standard_normal(shape)
    return (real + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else real).astype(dtype)


def check(a, b):
    got, expected = linalg.product()(a, b), np.matmul(a, b)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-4 * max(1, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize("dtype", ["f", "d", "F", "D"])
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
def test_product_of_two_matrices_in_any_layout(dtype, m, k, n):
    def r(*shape):
        return random(dtype, *shape)

    for a in (r(m, k), r(k, m).T, r(2 * m, k)[::2], r(m, k + 3)[:, 1 : k + 1], r(m, 2 * k)[:, ::2], r(m, k)[::-1]):
        for b in (r(k, n), r(n, k).T, r(k, 3 * n)[:, ::3], np.broadcast_to(r(1, n), (k, n))):
            check(a, b)


@pytest.mark.parametrize("dtype", ["f", "D"])
def test_product_of_stacks_broadcasts(dtype):
    def r(*shape):
        return random(dtype, *shape)

    m, k, n = 5, 6, 7
    for a, b in (
        (r(3, m, k), r(k, n)), (r(m, k), r(4, k, n)), (r(3, 2, m, k), r(2, k, n)), (r(3, 1, m, k), r(2, k, n)),
        (r(4, m, k)[::2], r(1, k, n)), (r(2, m, 3, k).transpose(0, 2, 1, 3), r(2, n, 3, k).transpose(0, 2, 3, 1)),
        (r(2, 5, m, k).transpose(1, 0, 2, 3), r(k, n)), (r(3, m, k), r(k)), (r(k), r(3, k, n)), (r(m, k), r(k)),
        (r(k), r(k, n)), (r(m, k), r(2 * k)[::2]), (np.broadcast_to(r(m, k), (3, m, k)), r(3, k, n)),
    ):  # fmt: skip
        check(a, b)


@pytest.mark.parametrize(
    ("a", "b"), [((0, 3), (3, 4)), ((3, 0), (0, 4)), ((2, 3), (3, 0)), ((0, 2, 3), (3, 4)), ((2, 0, 3), (2, 3, 1))]
)
def test_product_of_sizes_of_zero(a, b):
    check(np.ones(a, "f"), np.ones(b, "f"))


@pytest.mark.parametrize(("a", "b"), [((2, 3), (4, 5)), ((2, 2, 3), (3, 3, 4)), ((3,), (2, 4)), ((2, 3), (4,))])
def test_sizes_that_do_not_fit_are_refused(a, b):
    with pytest.raises(ValueError):
        linalg.product()(np.ones(a), np.ones(b))


def test_integers_and_foreign_byte_order_are_left_to_numpy():
    check(np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2))
    check(np.arange(6.0).reshape(2, 3).astype(">f4"), np.ones((3, 2), ">f4"))


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (1, 200, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_product_with_the_transpose_and_bias(shape, bias):
    x, w, b = random("f", *shape), random("f", 5, 4), random("f", 5) if bias else None
    np.testing.assert_allclose(linalg.product_with_bias()(x, w, b), x @ w.T + (b if bias else 0), rtol=1e-5, atol=1e-5)


def test_linear_takes_strided_operands():
    x, w, b = random("f", 6, 8)[::2, ::2], random("f", 4, 10)[:, ::2][:, :4].T.copy().T, random("f", 8)[::2]
    np.testing.assert_allclose(linalg.product_with_bias()(x, w, b), x @ w.T + b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_result_does_not_depend_on_the_number_of_threads(dtype):
    a, b = random(dtype, 1 << 16), random(dtype, 1 << 16)
    before = cb.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            cb.set_num_threads(threads)
            found.append(blas.dot(a, b))
    finally:
        cb.set_num_threads(before)
    assert found[0] == found[1]
    np.testing.assert_allclose(found[0], a.astype("d") @ b.astype("d"), rtol=1e-4)


CORE = """
import os, ctypes
{first}
before = dict(os.environ)
from candelabra_cpu import blas, native
assert dict(os.environ) == before
print(native.vector_bits(), blas.core_name())
"""


@pytest.mark.parametrize("first", ["", "import numpy, scipy_openblas64", "LOAD"])
def test_library_has_the_full_vector_width_whatever_was_loaded_before(first):
    load = f"ctypes.CDLL({str(blas._file())!r})"
    code = CORE.format(first=load if first == "LOAD" else first)
    env = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    bits, core = done.stdout.split()
    assert bits != "512" or core == "SkylakeX"
