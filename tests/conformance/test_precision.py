# SPDX-License-Identifier: Apache-2.0
"""Formats, rounding and comparison: what every verdict rests on."""

from __future__ import annotations

import numpy as np
import pytest

from candelabra import _dtype
from candelabra_conformance import tolerances
from candelabra_conformance.case import Failure
from candelabra_conformance.precision import format_of, overflow, round_to, ulp, widen

FLOATS = [t for t in _dtype.ALL if t.is_floating_point]


@pytest.mark.parametrize("kind", FLOATS, ids=lambda t: t.name)
def test_round_to_agrees_with_the_casts_of_numpy_and_ml_dtypes(kind):
    rng = np.random.default_rng(1)
    values = rng.standard_normal(20_000) * np.exp2(rng.integers(-40, 40, 20_000))
    values = np.concatenate(
        [values, [0.0, -0.0, np.inf, -np.inf, np.nan, 65519.9, 65520.0, 448.0, 464.0, 465.0, 3.4e38]]
    )
    values = values.astype(np.float32)
    with np.errstate(all="ignore"):
        ours, theirs = round_to(values, kind).astype(np.float64), values.astype(kind.numpy).astype(np.float64)
    assert np.array_equal(ours, theirs, equal_nan=True)
    assert np.array_equal(np.signbit(ours[ours == 0]), np.signbit(theirs[ours == 0]))


def test_round_to_ties_go_to_even_without_rounding_twice():
    halfway = np.longdouble(1) + np.ldexp(np.longdouble(1), -8)
    assert float(round_to(halfway, _dtype.bfloat16)) == 1.0
    assert float(round_to(halfway + np.ldexp(np.longdouble(1), -60), _dtype.bfloat16)) == 1.0078125


def test_ulp_of_subnormal_numbers_is_the_smallest_one():
    assert float(ulp(widen(np.float32(1e-45)), _dtype.float32)) == float(np.float32(1e-45))
    assert float(ulp(widen(np.float32(1.5)), _dtype.float32)) == np.finfo(np.float32).eps


def test_overflow_is_the_power_of_two_past_the_largest_number():
    assert float(overflow(format_of(_dtype.float16))) == 65536.0


def compare(got, want, kind=_dtype.float32, tolerance="elementwise", **rest):
    return tolerances.compare(np.asarray(got, kind.numpy), np.asarray(want), kind, tolerance, **rest)


def test_compare_measures_in_units_of_the_last_place():
    assert compare([1 + 2**-23], [1.0]) == pytest.approx(1.0)
    assert compare([1.0], [1.0 + 2**-24]) == pytest.approx(0.5)


def test_compare_refuses_what_is_past_the_budget():
    with pytest.raises(Failure, match="ULP"):
        compare([1 + 5 * 2**-23], [1.0])


def test_compare_allows_slack_besides_the_budget():
    assert compare([1 + 9 * 2**-23], [1.0], slack=np.array([5 * 2**-23])) == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("got", "want"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (3.4e38, np.inf), (np.inf, -np.inf)]
)
def test_compare_refuses_special_values_in_the_wrong_place(got, want):
    with pytest.raises(Failure):
        compare([got], [want])


def test_compare_takes_infinity_where_the_exact_result_overflows():
    assert compare([np.inf], [3.41e38]) == 0
    assert compare([np.finfo(np.float32).max], [np.longdouble(3.4028235677973366e38)]) is not None


def test_compare_tells_zeros_apart_when_asked():
    with pytest.raises(Failure):
        compare([-0.0], [0.0])
    assert compare([-0.0], [0.0], signed_zero=False) == 0


def test_compare_exact_accepts_the_one_nearest_number():
    assert compare([np.float32(0.1)], [0.1], tolerance="exact") == pytest.approx(0.5, abs=0.5)
    with pytest.raises(Failure):
        compare([np.nextafter(np.float32(0.1), np.float32(1))], [0.1], tolerance="exact")


def test_compare_complex_goes_by_modulus():
    assert compare([1 + 1e-7j], [1 + 0j], _dtype.complex64) < 8
    with pytest.raises(Failure):
        compare([1 + 1e-4j], [1 + 0j], _dtype.complex64)


def test_compare_integers_and_shapes_exactly():
    assert compare([2**53 + 1], [2**53 + 1], _dtype.int64, "exact") is None
    with pytest.raises(Failure, match="elements differ"):
        compare([2**53], [2**53 + 1], _dtype.int64, "exact")
    with pytest.raises(Failure, match="shape"):
        compare([1.0], [[1.0]])


def test_slack_counts_beside_an_expected_zero_of_float64():
    # 1e-9 is more units of a float64 zero than a float64 can say
    compare([1e-9], [0.0], _dtype.float64, slack=np.array([1e-8]))
    with pytest.raises(Failure):
        compare([1e-7], [0.0], _dtype.float64, slack=np.array([1e-8]))
    compare([1e-9 + 0j], [0j], _dtype.complex128, slack=np.array([1e-8]))
    with pytest.raises(Failure):
        compare([1e-7 + 0j], [0j], _dtype.complex128, slack=np.array([1e-8]))
