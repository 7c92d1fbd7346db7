# SPDX-License-Identifier: Apache-2.0
"""Kernels with vectors, and those for large tensors alone, on each runtime of the host."""

import itertools

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import DimError
from candelabra.nn import functional as fn

rng = np.random.default_rng(0)


def same(found, expected):
    np.testing.assert_array_equal(found.cpu().numpy(), expected)


def near(found, expected, atol=2e-6):
    expected = expected.detach().numpy() if isinstance(expected, cb.Tensor) else expected
    np.testing.assert_allclose(found.detach().cpu().numpy(), expected, rtol=0, atol=atol * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(129, 77), (16, 160), (5, 20, 130)])
def test_permuted_copies_at_all_edges_of_tiles(name, shape, dtype):
    array = (rng.standard_normal(shape) * 100).astype(dtype)
    tensor = cb.tensor(array, device=name)
    for order in itertools.permutations(range(len(shape))):
        same(tensor.permute(*order).contiguous(), array.transpose(order))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("width", [64, 79, 200])
def test_copies_backwards_and_of_every_other_element(name, width, dtype):
    array = (rng.standard_normal((40, width)) * 100).astype(dtype)
    tensor = cb.tensor(array, device=name)
    same(cb.flip(tensor, (1,)), array[:, ::-1])
    same(cb.flip(tensor, (0, 1)), array[::-1, ::-1])
    for start in range(2):
        same(tensor[:, start::2].contiguous(), array[:, start::2])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(20_000,), (150, 140), (5, 40, 111)])
def test_true_elements_of_large_tensors(name, shape, share):
    array, mask = rng.standard_normal(shape).astype("float32"), rng.random(shape) < share
    where = cb.tensor(mask, device=name)
    same(cb.nonzero(where), np.argwhere(mask))
    same(cb.masked_select(cb.tensor(array, device=name), where), array[mask])


@pytest.mark.parametrize("dtype", ["int64", "int32"])
@pytest.mark.parametrize("dim", [0, 1])
def test_positions_of_large_tensors(name, dim, dtype):
    array, source = (rng.standard_normal((70, 67)).astype("float32") for _ in range(2))
    places = rng.integers(0, array.shape[dim], array.shape).astype(dtype)
    summed, at = array.copy(), list(np.indices(array.shape))
    at[dim] = places
    np.add.at(summed, tuple(at), source)
    x, y, index = (cb.tensor(a, device=name) for a in (array, source, places))
    same(cb.gather(x, dim, index), np.take_along_axis(array, places.astype("int64"), dim))
    near(cb.scatter_add(x, dim, index, y), summed)


def test_positions_of_large_tensors_out_of_range_are_refused(name):
    index = cb.zeros(60, 80, dtype=cb.int64, device=name)
    index[59, 79] = 80
    target, source = (cb.ones(60, 80, device=name) for _ in range(2))
    for call in (cb.gather, lambda *at: cb.scatter_add(*at, source), lambda x, *at: x.scatter_add_(*at, source)):
        with pytest.raises(DimError):
            call(target, 1, index)
    same(target, np.ones((60, 80), "float32"))


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8"])
@pytest.mark.parametrize(("shape", "dim"), [((9, 300), 1), ((300, 9), 0), ((2, 300, 5), 1)])
def test_topk_of_few_is_as_sort(name, shape, dim, dtype, largest):
    array = (rng.standard_normal(shape) * 20).astype(dtype)
    if dtype.startswith("float"):
        array.flat[3], array.flat[5], array.flat[6] = np.nan, np.inf, -0.0
    tensor = cb.tensor(array, device=name)
    values, indices = cb.sort(tensor, dim, largest)
    for k in (1, 10, 32):
        found = cb.topk(tensor, k, dim, largest)
        same(found.values, values.narrow(dim, 0, k).cpu().numpy())
        same(found.indices, indices.narrow(dim, 0, k).cpu().numpy())


CONVOLUTIONS = {
    "dense": ((2, 16, 28, 29), (24, 16, 3, 3), 1, 1, 1, 1),
    "of images, by steps of 2": ((2, 3, 40, 41), (16, 3, 7, 7), 2, 3, 1, 1),
    "of images": ((2, 3, 33, 30), (16, 3, 3, 5), 1, (1, 2), 1, 1),
    "uneven steps, dilated": ((2, 6, 30, 33), (12, 3, 3, 4), (2, 3), (1, 2), (2, 1), 2),
    "depthwise": ((2, 32, 28, 30), (32, 1, 3, 3), 1, 1, 1, 32),
    "depthwise by steps of 2": ((2, 32, 28, 30), (32, 1, 3, 3), 2, 1, 1, 32),
    "rows shorter than a vector": ((2, 32, 14, 14), (40, 32, 3, 3), 1, 1, 1, 1),
    "one row": ((2, 8, 1, 700), (16, 8, 1, 5), (1, 3), (0, 2), 1, 1),
    "of volumes": ((2, 4, 9, 10, 20), (8, 4, 3, 2, 3), 1, (1, 0, 1), 1, 1),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_and_their_gradients(name, case, dtype):
    size, weight, stride, padding, dilation, groups = CONVOLUTIONS[case]
    arrays = [rng.standard_normal(s).astype(dtype) for s in (size, weight, weight[:1])]
    convolve = fn.conv2d if len(size) == 4 else fn.conv3d
    found = {}
    for device in ("cpu", name):
        operands = [cb.tensor(a, device=device, requires_grad=True) for a in arrays]
        out = convolve(*operands, stride, padding, dilation, groups)
        (out * out).sum().backward()
        found[device] = [out, *(x.grad for x in operands)]
    for ours, expected in zip(found[name], found["cpu"], strict=True):
        near(ours, expected, 5e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize(
    "options",
    [(3, 1, 1), (3, 2, 1), ((3, 5), (2, 1), (1, 2), True), (3, 2, 1, False, False), (4, 3, 2, True, False, 7)],
)
@pytest.mark.parametrize("size", [(3, 8, 40, 41), (2, 5, 33, 70), (7, 40, 12)])
def test_means_over_windows(name, size, options):
    array = rng.standard_normal(size).astype("float32")
    near(fn.avg_pool2d(cb.tensor(array, device=name), *options), fn.avg_pool2d(cb.tensor(array), *options))
