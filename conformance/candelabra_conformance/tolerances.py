# SPDX-License-Identifier: Apache-2.0
"""What error is allowed, by an op's tolerance class and by the data; no backend and no op has a line of its own.

    exact         the same number: moves, comparisons, choices, integers
    cast          the nearest number of the new dtype
    rounded       half a unit in the last place; one is allowed, four of the modulus to complex numbers
    elementwise   a few units, by dtype (`ELEMENTWISE`)
    special       16 units, and what one roundoff in the operands does: powers, gamma functions and their kin
    accumulation  gamma(k) times the sum of magnitudes, and one unit; k terms, each rounded in the accumulating dtype
    unspecified   anything: shape, dtype and device alone are compared, for memory nobody has written

16-bit floats compute in float32 and round once, so their budget is one unit. An op that runs by its body is allowed
what rounding after each of its primitives does to it: the oracle measures that (`noise`).

Signs of zero count in results that samples state, in the classes up to `rounded`, and in elementwise functions of one
tensor, where a primitive decides them. A nan must be where a nan is expected, whatever its bits. An
infinity must be expected, unless the exact result lies within the budget of overflow. Subnormal numbers are numbers.
Complex numbers are compared by modulus; where one part is not finite, the other must be so too, or neither counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype

from .case import Failure
from .precision import Array, exponent, format_of, overflow, round_to, widen

ELEMENTWISE = {
    _dtype.float16: 1.0,
    _dtype.bfloat16: 1.0,
    _dtype.float32: 4.0,
    _dtype.float64: 4.0,
    _dtype.complex64: 8.0,
    _dtype.complex128: 8.0,
}
"""Units in the last place allowed to an elementwise op."""

SPECIAL = 16.0
"""Units in the last place of the class `special`; one in 16-bit floats, which compute in float32."""

_MOST = float(np.finfo(np.float64).max)

SPREAD = 5.0
"""How many times the root mean square deviation of the noisy runs is allowed."""


def budget(tolerance: str, kind: dtype) -> float:
    """Units in the last place a class allows in a dtype, the data aside."""
    if tolerance in ("exact", "cast"):
        return 0.0
    if tolerance == "elementwise":
        return ELEMENTWISE.get(kind, 1.0)
    if tolerance == "special":
        return 1.0 if kind in (_dtype.float16, _dtype.bfloat16) else SPECIAL
    return 4.0 if kind.is_complex and tolerance == "rounded" else 1.0


def gamma(terms: Any, unit: float) -> Any:
    """k u / (1 - k u): bound on the relative error of a sum of k rounded terms (Higham 2002, section 3.1)."""
    product = np.minimum(np.asarray(terms, dtype=np.float64) * unit, 0.5)
    return product / (1 - product)


def compare(
    got: Array, want: Any, kind: dtype, tolerance: str, slack: Any = None, signed_zero: bool = True
) -> float | None:
    """Raises Failure unless `got` is near enough to `want`.

    Args:
        got: host array of the dtype `kind`.
        want: expected values, as wide as the oracle has them.
        kind: dtype of the result.
        tolerance: class of the op.
        slack: absolute error allowed besides, an array broadcastable with `want`, or None.
        signed_zero: whether 0.0 and -0.0 differ.

    Returns:
        The largest error in units in the last place; None for integers and bool.
    """
    want = np.asarray(want)
    if got.shape != want.shape:
        raise Failure(f"shape is {got.shape}, expected {want.shape}", got=got, expected=want)
    if tolerance == "unspecified":
        return None
    if kind.category < _dtype.FLOATING:
        with np.errstate(all="ignore"):
            expected = want.astype(got.dtype) if want.dtype != got.dtype else want
        report_unequal(got, expected, np.asarray(got == expected))
        return None
    if kind.category == _dtype.COMPLEX:
        return compare_complex(got, want, kind, tolerance, slack)
    return compare_floats(got, want, kind, tolerance, slack, signed_zero)


def report_unequal(got: Array, want: Array, good: Array, ulps: Array | None = None, allowed: Any = None) -> None:
    """Raises Failure naming the worst position where `good` is False."""
    if np.all(good):
        return
    bad = np.asarray(~good)
    where = (
        np.unravel_index(int(np.argmax(np.where(bad, 1 if ulps is None else ulps, -1))), bad.shape) if bad.ndim else ()
    )
    index = tuple(int(i) for i in where)
    message = (
        f"{int(bad.sum())} of {bad.size} elements differ; at {list(index)} got {got[index]!s}, expected {want[index]!s}"
    )
    worst = None
    if ulps is not None:
        worst = float(np.max(np.where(bad, ulps, 0)))
        limit = float(np.broadcast_to(allowed, bad.shape)[index])
        message += f": {float(ulps[index]):.3g} ULP, allowed {limit:.3g}"
    raise Failure(message, worst, got=got, expected=want)


def _bounds(units: float, last_place: Array, slack: Any) -> tuple[Any, Any]:
    """(absolute error allowed, the same in units in the last place): units of zero are so small that many overflow."""
    bound: Any = units * last_place
    if slack is not None:
        bound = bound + np.nan_to_num(np.asarray(slack, dtype=last_place.dtype), posinf=np.inf)
    return bound, np.nan_to_num(np.asarray(bound / last_place, dtype=np.float64), posinf=_MOST)


def compare_floats(got: Array, want: Array, kind: dtype, tolerance: str, slack: Any, signed_zero: bool = True) -> float:
    """`compare` for real floating dtypes."""
    form = format_of(kind)
    with np.errstate(all="ignore"):
        g, w = widen(got), widen(want)
        if g.dtype != w.dtype:
            w = w.astype(g.dtype)
        nearest = widen(round_to(w, kind))
        edge = overflow(form)
        same = (g == nearest) | (np.isnan(g) & np.isnan(nearest))
        comparable = ~(np.isnan(g) | np.isnan(nearest) | (np.isinf(w) & (g != w)))
        spot = np.clip(np.where(np.isfinite(w), w, np.where(np.isnan(w), 0, nearest)), -edge, edge)
        stand_in = np.where(np.isinf(g), np.copysign(edge, g), g)
        last_place = np.ldexp(np.ones_like(spot), exponent(spot, form))
        error = np.where(comparable, np.abs(stand_in - spot) / last_place, np.where(same, 0, np.inf))
        error = np.where(np.isinf(g) & same, 0, error)
        bound, allowed = _bounds(budget(tolerance, kind), last_place, slack)
        # For an exact class the rounded expectation is the one right answer.
        within = comparable & (np.abs(stand_in - spot) <= bound)
        good = same | within if tolerance not in ("exact", "cast") else same
        if signed_zero and form.has_negative_zero:
            zero = (w == 0) & (g == 0)
            good = good & ~(zero & (np.signbit(g) != np.signbit(w)))
        measured = np.asarray(np.where(np.isfinite(error), error, np.inf), dtype=np.float64)
    report_unequal(got, round_to(want, kind), np.asarray(good), measured, allowed)
    finite = measured[np.isfinite(measured)]
    return float(finite.max()) if finite.size else 0.0


def compare_complex(got: Array, want: Array, kind: dtype, tolerance: str, slack: Any) -> float:
    """`compare` for complex dtypes, by modulus."""
    real = kind.to_real()
    if tolerance in ("exact", "cast"):
        parts = [
            compare_floats(getattr(got, p), getattr(np.asarray(want), p), real, tolerance, None)
            for p in ("real", "imag")
        ]
        return max(parts)
    form = format_of(real)
    with np.errstate(all="ignore"):
        g, w = widen(got), widen(want)
        if w.dtype.kind != "c":
            w = w.astype(g.dtype)
        size = np.abs(w)
        odd = ~(np.isfinite(size) & np.isfinite(np.abs(g)))
        last_place = np.ldexp(np.ones_like(size), exponent(np.where(np.isfinite(size), size, 0), form))
        error = np.where(odd, 0, np.abs(g - w) / last_place)
        error = np.where(odd & np.isfinite(size) & (size < form.largest / 2), np.inf, error)
        error = np.where(odd & np.isfinite(np.abs(g)) & ~np.isfinite(size), np.inf, error)
        bound, allowed = _bounds(budget(tolerance, kind), last_place, slack)
        measured = np.asarray(error, dtype=np.float64)
        good = np.where(odd, error == 0, np.abs(g - w) <= bound)
    report_unequal(got, want, np.asarray(good), measured, allowed)
    finite = measured[np.isfinite(measured)]
    return float(finite.max()) if finite.size else 0.0
