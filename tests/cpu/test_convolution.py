# SPDX-License-Identifier: Apache-2.0
"""Native convolutions against the shared kernels, which are another algorithm."""

import itertools

import numpy as np
import pytest

import candelabra as cb
from candelabra_cpu import convolve, direct, direct_grad
from candelabra_cpu.kernels import convolution as by_numpy
from candelabra_xp import KERNELS

GROUPS = [(1, 5, 9), (2, 3, 2), (4, 1, 1), (3, 1, 2)]  # groups, channels and filters a group


def cases(sizes):
    for kernel, stride, padding, dilation in itertools.product((1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)):
        each = [
            tuple(max(low, v - i) for i in range(len(sizes))) for v, low in ((kernel, 1), (stride, 1), (padding, 0))
        ]
        reach = [dilation * (k - 1) + 1 <= n + 2 * p for k, n, p in zip(each[0], sizes, each[2], strict=True)]
        if all(reach):
            yield each[0], each[1], each[2], (dilation,) * len(sizes)


def close(got, expected, dtype):
    scale = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(got / scale, expected / scale, atol=1e-5 if dtype == "f" else 1e-13)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("sizes", [(30,), (13, 11), (7, 40), (5, 4, 6)])
@pytest.mark.parametrize(("groups", "channels", "filters"), GROUPS)
def test_all_three_agree_with_the_shared_kernels(dtype, sizes, groups, channels, filters):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, channels * groups, *sizes)).astype(dtype)
    bias = rng.standard_normal(filters * groups).astype(dtype)
    # Depthwise code is made anew for each geometry.
    for kernel, stride, padding, dilation in itertools.islice(cases(sizes), 0, None, 5 if channels == 1 else 1):
        w = rng.standard_normal((filters * groups, channels, *kernel)).astype(dtype)
        rest = (stride, padding, dilation, groups)
        expected = KERNELS["convolution"](np, x, w, bias, *rest)
        close(convolve.forward(x, w, bias, *rest), expected, dtype)
        grad = rng.standard_normal(expected.shape).astype(dtype)
        expected = KERNELS["convolution_input_grad"](np, grad, w, sizes, *rest)
        close(convolve.input_grad(grad, w, sizes, *rest), expected, dtype)
        expected = KERNELS["convolution_weight_grad"](np, grad, x, kernel, *rest)
        close(convolve.weight_grad(grad, x, kernel, *rest), expected, dtype)


# Images, filters, then stride, padding, dilation and groups in each dim.
DENSE = {
    "short tiles": ((2, 5, 13, 15), (33, 5, 3, 3), 1, 1, 1, 1),
    "read in place": ((2, 20, 9, 11), (48, 20, 2, 3), 1, 0, 1, 1),
    "strides, groups, partial lanes": ((2, 10, 13, 15), (40, 5, 3, 2), 2, 1, 2, 2),
    "inputs that no window meets": ((2, 18, 8, 7), (20, 18, 1, 1), 3, 0, 1, 1),
    "rows side by side, and one left": ((3, 20, 7, 7), (64, 20, 3, 3), 1, 1, 1, 1),
    "tiny images": ((3, 16, 2, 2), (64, 16, 3, 3), 1, 1, 1, 1),
    "more padding than the kernel spans": ((2, 16, 4, 9), (17, 16, 2, 2), 1, 3, 1, 1),
    "rows in parts": ((2, 8, 3, 1500), (16, 8, 3, 3), 2, 1, 1, 1),
    "one dim": ((3, 16, 900), (16, 16, 5), 1, 2, 3, 1),
    "three dims": ((2, 14, 5, 4, 6), (17, 14, 3, 2, 2), 1, 1, 1, 1),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "f") for name in DENSE), ("short tiles", "d"), ("strides, groups, partial lanes", "d")],
)
def test_dense_ones_agree_with_the_shared_kernels(name, dtype):
    shape, filters, *each, groups = DENSE[name]
    rest = (*((value,) * (len(shape) - 2) for value in each), groups)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(filters).astype(dtype)
    bias = rng.standard_normal(filters[0]).astype(dtype)
    expected = KERNELS["convolution"](np, x, w, bias, *rest)
    out = np.full_like(expected, np.nan)
    direct.forward(x, w, bias, *rest, out)
    close(out, expected, dtype)
    grad = rng.standard_normal(expected.shape).astype(dtype)
    out = np.full_like(x, np.nan)
    direct.input_grad(grad, w, *rest, out)
    close(out, KERNELS["convolution_input_grad"](np, grad, w, shape[2:], *rest), dtype)
    expected = KERNELS["convolution_weight_grad"](np, grad, x, filters[2:], *rest)
    close(direct_grad.weight_grad(grad, x, filters[2:], *rest), expected, dtype)


def test_large_batch_is_done_in_parts():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((40, 8, 64, 64)).astype("f"), rng.standard_normal((8, 8, 3, 3)).astype("f")
    rest = ((1, 1), (1, 1), (1, 1), 1)
    grad = convolve.forward(x, w, None, *rest)
    close(grad, by_numpy.convolution(x, w, None, *rest), "f")
    close(convolve.weight_grad(grad, x, (3, 3), *rest), by_numpy.convolution_weight_grad(grad, x, (3, 3), *rest), "f")


def test_strided_operands_are_read_right():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 12, 10, 8)).astype("f").transpose(0, 3, 1, 2)
    w = rng.standard_normal((3, 3, 4, 8)).astype("f").transpose(2, 3, 0, 1)
    rest = ((1, 1), (0, 0), (1, 1), 1)
    close(convolve.forward(x, w, None, *rest), by_numpy.convolution(x, w, None, *rest), "f")


@pytest.mark.parametrize(("filters", "channels"), [(4, 1), (16, 4)])
def test_infinite_input_reaches_only_the_weights_that_meet_it(filters, channels):
    x = cb.zeros(1, channels, 20, 20)
    x[0, 0, 0, 0] = float("inf")
    w = cb.ones(filters, channels, 5, 5, requires_grad=True)
    cb.conv2d(x, w).sum().backward()
    assert cb.isinf(w.grad[:, 0, 0, 0]).all()
    assert (w.grad.reshape(filters, -1)[:, 1:] == 0).all()


def test_result_does_not_depend_on_the_number_of_threads():
    x, w = cb.randn(4, 16, 20, 20, requires_grad=True), cb.randn(24, 16, 3, 3, requires_grad=True)
    before = cb.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            cb.set_num_threads(count)
            out = cb.conv2d(x, w, padding=1)
            found.append((out.detach(), *cb.autograd.grad(out.square().sum(), (x, w))))
    finally:
        cb.set_num_threads(before)
    assert all(bool((one == other).all()) for one, other in zip(*found, strict=True))
