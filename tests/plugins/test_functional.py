# SPDX-License-Identifier: Apache-2.0
"""The kit for immutable arrays, on NumPy arrays that refuse writes: views and writes are right, kernels write nothing."""

import numpy as np
import pytest

import candelabra as cb
import candelabra_conformance as conformance
from candelabra.dispatcher import _plugins, register_backend
from candelabra.dispatcher.backend import BackendInfo
from candelabra_xp.functional import FunctionalBackend, arrangement


class FrozenBackend(FunctionalBackend):
    """NumPy, every array of which is read-only."""

    name = "frozen"
    xp = np

    def hold(self, array):
        array = np.array(array, order="C")
        array.flags.writeable = False
        return super().hold(array)

    def put(self, flat, index, values):
        flat = flat.copy()
        flat[index] = values
        return flat


@pytest.fixture(scope="module", autouse=True)
def frozen():
    register_backend(BackendInfo(name="frozen", loads=f"{__name__}:FrozenBackend"))
    yield
    _plugins._found.pop("frozen")
    _plugins._loaded.pop("frozen", None)


@pytest.mark.parametrize(
    "ops", ["runtime", "add,basic_index_put,unindex,put_at,clone", "as_strided,expand,sort,max_pool2d,conv2d,adam_step"]
)
def test_conformance_on_read_only_arrays(ops):
    report = conformance.run("frozen", ops=ops.split(","), jobs=0)
    assert report.ok, report.summary()


def test_write_through_a_view_of_another_dtype_changes_the_base():
    base = cb.zeros(3, device="frozen")
    base.view(cb.int32)[1] = 0x3F800000
    assert base.tolist() == [0.0, 1.0, 0.0]


def test_copy_is_independent_of_its_source():
    first = cb.ones(2, device="frozen")
    second = first.clone()
    second[0] = 5
    assert first.tolist() == [1.0, 1.0]
    assert second.tolist() == [5.0, 1.0]


def test_addresses_of_two_tensors_are_apart():
    first, second = cb.ones(4, device="frozen"), cb.ones(4, device="frozen")
    assert first[2:].data_ptr() - first.data_ptr() == 8
    assert abs(second.data_ptr() - first.data_ptr()) > 1 << 40


@pytest.mark.parametrize(
    ("shape", "steps", "offset", "size", "expected"),
    [
        ((2, 3), (1, 2), 0, 6, ((3, 2), (1, 0), (2, 3))),  # a transposition
        ((4, 3), (0, 1), 0, 3, ((3,), (0,), (1, 3))),  # an expansion
        ((1, 3), (99, 1), 0, 3, ((3,), (0,), (1, 3))),  # strides of size-1 dims mean nothing
        ((2,), (1,), 1, 3, None),  # a part
        ((2, 2), (1, 1), 0, 3, None),  # overlapping windows
    ],
)
def test_arrangement_of_a_look(shape, steps, offset, size, expected):
    assert arrangement(shape, steps, offset, size) == expected
