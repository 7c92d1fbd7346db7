# SPDX-License-Identifier: Apache-2.0
"""How tensors print; expected texts are PyTorch's, with this package's name in dtypes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import candelabra as cb
from candelabra import _config, _dtype
from candelabra._errors import ArgumentError
from candelabra.ops import _names as ops
from candelabra.tensor._creation import from_numpy, tensor
from candelabra.tensor._format import get_printoptions, printoptions, set_printoptions

nan, inf = math.nan, math.inf

NUMBERS = [
    (1.0, "tensor(1.)"),
    (2, "tensor(2)"),
    ([1.0, 2.0], "tensor([1., 2.])"),
    ([1.5, 2.0], "tensor([1.5000, 2.0000])"),
    ([-1.5, 20.0], "tensor([-1.5000, 20.0000])"),
    ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
    ([1e-4, 1.0], "tensor([1.0000e-04, 1.0000e+00])"),
    ([1000.0, 1.0], "tensor([1000.,    1.])"),
    ([1001.0, 1.0], "tensor([1.0010e+03, 1.0000e+00])"),
    ([1e9, 1.0], "tensor([1.0000e+09, 1.0000e+00])"),
    ([0.0, 0.0], "tensor([0., 0.])"),
    ([-0.0, 1.5], "tensor([-0.0000, 1.5000])"),
    ([nan, 1.0], "tensor([nan, 1.])"),
    ([nan, 1.5], "tensor([   nan, 1.5000])"),
    ([inf, -inf, 1.0], "tensor([inf, -inf, 1.])"),
    ([nan], "tensor([nan])"),
    ([1.0, nan, inf, 1e10], "tensor([1.0000e+00,        nan,        inf, 1.0000e+10])"),
    ([100, -2000], "tensor([  100, -2000])"),
    ([[1, 2], [3, 4]], "tensor([[1, 2],\n        [3, 4]])"),
    ([True, False], "tensor([ True, False])"),
    (True, "tensor(True)"),
    (1 + 2j, "tensor(1.+2.j)"),
    ([1.5 + 2j, 3 - 4j], "tensor([1.5000+2.j, 3.0000-4.j])"),
    ([complex(nan, 1), complex(inf, -inf)], "tensor([nan+1.j, inf-infj])"),
    ([], "tensor([])"),
    ([[]], "tensor([], size=(1, 0))"),
    (
        [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.5]]],
        "tensor([[[1.0000, 2.0000],\n         [3.0000, 4.0000]],\n\n"
        "        [[5.0000, 6.0000],\n         [7.0000, 8.5000]]])",
    ),
    (
        list(range(25)),
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
        "        18, 19, 20, 21, 22, 23, 24])",
    ),
]


@pytest.fixture(autouse=True)
def default_options():
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_values_print_as_in_pytorch(value, text):
    assert repr(tensor(value)) == str(tensor(value)) == text


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        (_dtype.float64, "tensor([1.5000, 2.0000], dtype=candelabra.float64)"),
        (_dtype.float16, "tensor([1.5000, 2.0000], dtype=candelabra.float16)"),
        (_dtype.bfloat16, "tensor([1.5000, 2.0000], dtype=candelabra.bfloat16)"),
        (_dtype.float8_e5m2, "tensor([1.5000, 2.0000], dtype=candelabra.float8_e5m2)"),
        (_dtype.complex128, "tensor([1.5000+0.j, 2.0000+0.j], dtype=candelabra.complex128)"),
        (_dtype.complex64, "tensor([1.5000+0.j, 2.0000+0.j])"),
        (_dtype.uint8, "tensor([1, 2], dtype=candelabra.uint8)"),
        (_dtype.int64, "tensor([1, 2])"),
        (_dtype.bool_, "tensor([True, True])"),
    ],
)
def test_dtypes_are_named_unless_expected(dtype, text):
    assert repr(tensor([1.5, 2.0]).to(dtype)) == text


def test_default_dtype_is_not_named():
    _config.set_default_dtype(_dtype.float64)
    try:
        assert repr(ops.ones(1)) == "tensor([1.])"
        assert repr(ops.ones(1, dtype=_dtype.float32)) == "tensor([1.], dtype=candelabra.float32)"
    finally:
        _config.set_default_dtype(_dtype.float32)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ops.empty(0, dtype=_dtype.int64), "tensor([], dtype=candelabra.int64)"),
        (lambda: ops.empty(0, 3), "tensor([], size=(0, 3))"),
        (lambda: ops.empty(2, device="meta"), "tensor(..., device='meta', size=(2,))"),
        (
            lambda: ops.empty(2, 3, device="meta", dtype=_dtype.int64),
            "tensor(..., device='meta', size=(2, 3), dtype=candelabra.int64)",
        ),
        (lambda: ops.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (lambda: ops.ones(2, requires_grad=True) + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)"),
        (
            lambda: ops.ones(12, requires_grad=True) * 1.5,
            "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000,\n"
            "        1.5000, 1.5000, 1.5000], grad_fn=<MulBackward0>)",
        ),
        (
            lambda: ops.full((9,), 1.5, requires_grad=True),
            "tensor([1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000, 1.5000],\n"
            "       requires_grad=True)",
        ),
    ],
)
def test_notes_follow_the_elements(make, text):
    assert repr(make()) == text


def test_large_tensors_show_their_ends():
    assert repr(ops.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert repr(ops.arange(1000)).count(",") == 999
    text = repr(ops.arange(2000).reshape(1000, 2))
    assert text == (
        "tensor([[   0,    1],\n        [   2,    3],\n        [   4,    5],\n        ...,\n"
        "        [1994, 1995],\n        [1996, 1997],\n        [1998, 1999]])"
    )
    wide = ops.arange(2000).reshape(2, 1000).transpose(0, 1)
    assert repr(wide).splitlines()[1] == "        [   1, 1001],"


def test_numbers_left_out_do_not_set_the_notation():
    values = np.ones(2000)
    values[1000] = 1e20
    assert repr(from_numpy(values.astype(np.float32))) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": 2}, "tensor([0.33, 0.67, 1.00])"),
        ({"precision": 0}, "tensor([0, 1, 1])"),
        ({"sci_mode": True}, "tensor([3.3333e-01, 6.6667e-01, 1.0000e+00])"),
        ({"threshold": 2, "edgeitems": 1}, "tensor([0.3333,  ..., 1.0000])"),
        ({"linewidth": 25}, "tensor([0.3333, 0.6667,\n        1.0000])"),
        ({"profile": "short"}, "tensor([0.33, 0.67, 1.00])"),
        ({"threshold": 2, "edgeitems": 0}, "tensor([...], size=(3,))"),
    ],
)
def test_options(options, text):
    with printoptions(**options):
        assert repr(tensor([1 / 3, 2 / 3, 1.0])) == text
    assert repr(tensor([1.5])) == "tensor([1.5000])"


def test_options_stay_until_changed_and_profiles_reset_them():
    set_printoptions(precision=2, edgeitems=5)
    assert get_printoptions()["edgeitems"] == 5
    set_printoptions(linewidth=100)
    assert get_printoptions()["precision"] == 2
    set_printoptions(profile="full")
    assert get_printoptions() == {
        "precision": 4,
        "threshold": inf,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }
    assert "..." not in repr(ops.arange(1500))
    with pytest.raises(ArgumentError, match="profile"):
        set_printoptions(profile="loud")
    with pytest.raises(ArgumentError, match="negative"):
        set_printoptions(precision=-1)


def test_format_of_one_element_takes_a_spec():
    assert f"{cb.ones(()) * 2:.2f}" == "2.00"
