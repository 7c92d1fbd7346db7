# SPDX-License-Identifier: Apache-2.0
"""Layouts and values: the same numbers, differently arranged, the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from candelabra import _dtype
from candelabra.testing.samples import Operand
from candelabra_conformance.layouts import CONTIGUOUS, LAYOUTS, applies, arrange, look
from candelabra_conformance.values import fits_distinct, realize

SHAPES = [(), (1,), (7,), (0,), (3, 4), (2, 0, 3), (2, 1, 4), (2, 3, 4), (2, 3, 4, 5), (1, 2, 3, 2, 2)]
PLACED = [(n, s) for n in LAYOUTS for s in SHAPES if n != CONTIGUOUS and applies(n, s)]


@pytest.mark.parametrize(("name", "shape"), PLACED)
def test_arrange_keeps_the_values_and_poisons_the_rest(name, shape):
    array = np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float32).reshape(shape)
    buffer, placement, effective = arrange(array, _dtype.float32, name)
    assert np.array_equal(look(buffer, shape, placement), effective)
    if LAYOUTS[name].shares:
        assert not np.isnan(effective).any()
    else:
        assert np.array_equal(effective, array)
        assert np.isnan(buffer).sum() == buffer.size - array.size


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 4), (2, 3, 4, 5)])
def test_layouts_of_a_shape_are_many_and_differ(shape):
    found = [LAYOUTS[n].placement(shape) for n in LAYOUTS if n != CONTIGUOUS and applies(n, shape)]
    assert len(found) >= 7
    assert len({(p.strides, p.offset, p.size) for p in found}) >= 7


@pytest.mark.parametrize("kind", _dtype.ALL, ids=lambda t: t.name)
def test_arrange_serves_every_dtype(kind):
    array = np.ones((3, 4), np.float32).astype(kind.numpy)
    buffer, placement, _ = arrange(array, kind, "columns")
    assert buffer.dtype == kind.numpy
    assert look(buffer, (3, 4), placement).shape == (3, 4)


@pytest.mark.parametrize("kind", _dtype.ALL, ids=lambda t: t.name)
def test_realize_gives_the_same_values_every_time_and_other_ones_for_other_keys(kind):
    operand = Operand((40,), -3, 3)
    one, two = (realize(operand, kind, "op", 0) for _ in range(2))
    assert one.dtype == kind.numpy
    assert one.tobytes() == two.tobytes() != realize(operand, kind, "op", 1).tobytes()


@pytest.mark.parametrize("kind", [_dtype.float16, _dtype.bfloat16, _dtype.float32, _dtype.int64], ids=lambda t: t.name)
def test_realize_distinct_values_differ(kind):
    operand = Operand((3, 100), distinct=True)
    assert np.unique(realize(operand, kind, "op").astype(np.float64)).size == 300


def test_fits_distinct_knows_narrow_integers():
    assert not fits_distinct(Operand((3, 129), distinct=True), _dtype.int8)
    assert fits_distinct(Operand((3, 129), distinct=True), _dtype.int16)


@pytest.mark.parametrize("kind", [_dtype.float32, _dtype.float64, _dtype.int32, _dtype.uint8], ids=lambda t: t.name)
def test_realize_keeps_bounds_and_distance_from_zero(kind):
    values = realize(Operand((500,), -2, 2, nonzero=0.5), kind, "op").astype(np.float64)
    assert values.min() >= -2 and values.max() <= 2
    assert np.abs(values).min() >= 0.5


def test_realize_index_operands_stay_below_their_upper_bound():
    values = realize(Operand((500,), 0, 3, dtype="int64"), _dtype.float32, "op")
    assert values.dtype == np.int64 and set(values.tolist()) == {0, 1, 2}
