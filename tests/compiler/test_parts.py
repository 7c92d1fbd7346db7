# SPDX-License-Identifier: Apache-2.0
"""Reductions in parts: which calls are cut, and that the steps come to what the whole does."""

import itertools

import numpy as np
import pytest

import candelabra as cb
from candelabra.compiler.ir import Target
from candelabra.compiler.parts import in_steps
from candelabra.compiler.plan import Formula
from candelabra.op import ops

ROWS = Target("rows", rows=True)
CARD = Target("card", group=64, parts=128)
F32 = np.dtype("float32")


def chain(target, op, args, shape, strides=None):
    steps = tuple(n // 4 for n in np.empty(shape, F32).strides) if strides is None else strides
    return Formula(ops[op], target).call([(shape, F32, steps), *[None] * (len(args) - 1)], args).launch.chain


def test_a_sum_of_one_line_is_two_launches():
    first, last = chain(ROWS, "sum", (None, None, False), (1 << 20,))
    assert (first.count, first.shapes) == (ROWS.parts, ((ROWS.parts,),))
    assert last.count == 1


def test_a_softmax_of_one_line_is_cut_at_each_of_its_reductions():
    steps = chain(ROWS, "softmax", (None, 0), (1 << 20,))
    assert [step.count for step in steps] == [ROWS.parts, 1, ROWS.parts, 1, 1 << 20]


def test_rows_that_keep_all_work_items_busy_are_not_cut():
    assert len(chain(ROWS, "sum", (None, (1,), False), (64, 1 << 16))) == 1
    assert len(chain(ROWS, "softmax", (None, 1), (8, 1 << 16))) == 1


def test_the_place_of_an_extreme_in_one_line_comes_with_its_value():
    first, last = chain(ROWS, "argmax", (None, None, False), (1 << 20,))
    assert [o.dtype.name for o in first.outputs] == ["int64", "float32"]
    assert last.outputs[0].dtype.name == "int64"


def test_few_columns_are_cut_on_devices_with_groups_and_neighbours_stay_neighbours():
    first, last = chain(CARD, "sum", (None, (0,), False), (4096, 256))
    pieces = first.shapes[0][1]
    assert first.count == 256 * pieces >= 1 << 15
    assert first.strides == ((1, 256),)  # by columns, as work items are numbered
    assert last.count == 256


def test_many_columns_are_not_cut():
    assert len(chain(CARD, "sum", (None, (0,), False), (4096, 1 << 16))) == 1
    assert len(chain(ROWS, "sum", (None, (0,), False), (4096, 256))) == 1


def test_steps_read_what_those_before_gave():
    formula = Formula(ops["var"], ROWS)
    shape = (1 << 20,)
    trace = formula.call([(shape, F32, (1,)), *[None] * 3], (None, (0,), 1, False)).trace
    steps = in_steps(trace.graph)
    assert [s.axis is not None for s in steps] == [True, False, True, False]
    for before, step in itertools.pairwise(steps):
        assert len(step.graph.inputs) == len(before.graph.inputs) + len(before.graph.outputs)


LINE = np.random.default_rng(0).standard_normal(100_003).astype("float32")


@pytest.mark.parametrize("at", [0, 99_999, 50_000])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_of_equal_extremes_wins_over_all_parts(name, at):
    line = LINE.copy()
    line[[at, (at + 40_000) % line.size]] = 9 if name == "argmax" else -9
    assert int(getattr(cb.tensor(line), name)()) == int(getattr(line, name)())


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_nan_wins_over_all_parts(name):
    line = LINE.copy()
    line[[70_000, 30_000, 30_001]] = np.nan
    assert int(getattr(cb.tensor(line), name)()) == 30_000


def test_zeros_of_both_signs_are_one_extreme():
    line = np.where(np.arange(100_000) < 60_000, -0.0, 0.0).astype("float32")
    assert int(cb.tensor(line).argmax()) == int(cb.tensor(line).argmin()) == 0


def test_statistics_of_one_line():
    wide, x = LINE.astype("float64"), cb.tensor(LINE)
    np.testing.assert_allclose(float(x.var()), wide.var(ddof=1), rtol=1e-6)
    grown = np.exp(wide)
    np.testing.assert_allclose(cb.softmax(x, 0).numpy(), grown / grown.sum(), rtol=1e-5)
    np.testing.assert_allclose(float(cb.logsumexp(x, 0)), np.log(grown.sum()), rtol=1e-6)
