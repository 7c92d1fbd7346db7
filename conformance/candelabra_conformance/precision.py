# SPDX-License-Identifier: Apache-2.0
"""Floating formats exactly: rounding to one, spacing in one, errors counted in units of its last place.

Written from the definition of the formats, so that it does not share a mistake with any backend's casts. Wide values
are `longdouble` where the host has a longer one (80 bits on x86), else float64.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype

Array = np.ndarray[Any, Any]
WIDE: Any = np.longdouble
WIDE_COMPLEX: Any = np.clongdouble


@dataclass(frozen=True)
class Format:
    """A binary floating format.

    Attributes:
        digits: stored bits of the significand.
        low: exponent of the smallest normal number.
        largest: largest finite number.
        has_inf: False for formats where overflow gives nan.
        has_negative_zero: False for the `fnuz` formats.
        unit: unit roundoff, half the spacing at 1.
    """

    digits: int
    low: int
    largest: float
    has_inf: bool
    has_negative_zero: bool

    @property
    def unit(self) -> float:
        return 2.0 ** (-self.digits - 1)


@functools.cache
def format_of(kind: dtype) -> Format:
    """The format of a floating dtype, or of a complex one's parts."""
    real = kind.to_real()
    info: Any = ml_dtypes.finfo(real.numpy)
    return Format(
        int(info.nmant),
        int(info.minexp),
        float(info.max),
        has_inf="fn" not in real.name,
        has_negative_zero="fnuz" not in real.name,
    )


def widen(array: Any) -> Array:
    """Floating and complex arrays as `longdouble` ones; others as they are."""
    array = np.asarray(array)
    if array.dtype.kind == "c":
        return array.astype(WIDE_COMPLEX)
    if array.dtype.kind == "V" or (array.dtype.kind == "f" and array.itemsize == 1):
        return array.astype(np.float32).astype(WIDE)  # ml_dtypes: every value is a float32
    return array.astype(WIDE) if array.dtype.kind == "f" else array


def exponent(values: Array, form: Format) -> Array:
    """Exponent of the unit in the last place at each value."""
    _, e = np.frexp(np.abs(values))
    return np.maximum(np.where(values == 0, form.low, e - 1), form.low) - form.digits


def ulp(values: Array, kind: dtype) -> Array:
    """Spacing of the dtype's numbers at each finite value."""
    form = format_of(kind)
    return np.ldexp(np.ones_like(values), exponent(values, form))


def overflow(form: Format) -> Any:
    """The power of two past the largest number: where infinity stands when errors are measured."""
    return np.ldexp(WIDE(1), int(np.frexp(form.largest)[1]))


def round_to(values: Any, kind: dtype) -> Array:
    """Wide values rounded to the nearest number of a floating or complex dtype, ties to even; an array of that dtype."""
    values = np.asarray(values)
    if values.dtype.kind in "biu":
        values = values.astype(WIDE)
    if kind.is_complex and values.dtype.kind != "c":
        values = values.astype(WIDE_COMPLEX)
    if values.dtype.kind == "c":
        parts = np.empty(values.shape, kind.numpy)
        parts.real, parts.imag = round_to(values.real, kind.to_real()), round_to(values.imag, kind.to_real())
        return parts
    if kind.numpy.kind == "f" and kind.itemsize >= 4:
        with np.errstate(all="ignore"):
            return values.astype(kind.numpy)  # one correctly rounded conversion by the host
    form = format_of(kind)
    wide = np.asarray(widen(values))
    finite = np.isfinite(wide)
    safe = np.where(finite, wide, 0)
    step = exponent(safe, form)
    rounded = np.ldexp(np.rint(np.ldexp(safe, -step)), step)
    rounded = np.where(safe == 0, safe, np.copysign(rounded, safe))
    past = np.abs(rounded) > form.largest
    beyond = np.copysign(np.inf, safe) if form.has_inf else np.full_like(safe, np.nan)
    rounded = np.where(past, beyond, rounded)
    special = np.where(np.isnan(wide), wide, wide if form.has_inf else np.nan)
    rounded = np.where(finite, rounded, special)
    if not form.has_negative_zero:
        rounded = np.where(rounded == 0, 0.0, rounded)
    return rounded.astype(np.float32).astype(kind.numpy)


def bits(array: Any) -> bytes:
    """The elements in row-major order as bytes: equal only for equal bits, nan included."""
    return np.ascontiguousarray(array).tobytes()


def host_dtype(kind: dtype) -> Any:
    """A dtype NumPy itself computes in that holds every value of `kind`: float32 for bfloat16 and float8."""
    return np.dtype(np.float32) if kind.numpy.kind == "V" or kind.name.startswith("float8") else kind.numpy


def accumulator_unit(kind: dtype) -> float:
    """Unit roundoff of the dtype sums are to be kept in: float32 for 16-bit floats."""
    wide = _dtype.float32 if kind in (_dtype.float16, _dtype.bfloat16) else kind
    return format_of(wide).unit
