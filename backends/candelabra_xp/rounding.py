# SPDX-License-Identifier: Apache-2.0
"""Rounding, and the parts of floating numbers."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel, mover, ufuncs

ufuncs(copysign="copysign", frexp="frexp")


@kernel
def floor(xp: Any, input: Any) -> Any:
    return xp.floor(input) if input.dtype.kind == "f" else input.copy()


@kernel
def ceil(xp: Any, input: Any) -> Any:
    return xp.ceil(input) if input.dtype.kind == "f" else input.copy()


@kernel
def trunc(xp: Any, input: Any) -> Any:
    return xp.trunc(input) if input.dtype.kind == "f" else input.copy()


@kernel
def round(xp: Any, input: Any, decimals: int) -> Any:
    if input.dtype.kind != "f":
        return input.copy()
    if decimals == 0:
        return xp.rint(input)
    if abs(decimals) > (308 if input.dtype.itemsize == 8 else 38):  # no such power of ten, in the dtype computed in
        return xp.full_like(input, float("nan"))
    scale = 10.0 ** abs(decimals)
    rounded = xp.rint(input * scale) / scale if decimals > 0 else xp.rint(input / scale) * scale
    # Past the largest number there is nothing after the point to round.
    return xp.where(xp.isfinite(rounded), rounded, input)


@kernel
def frac(xp: Any, input: Any) -> Any:
    return input - xp.trunc(input)


@kernel
def signbit(xp: Any, input: Any) -> Any:
    return xp.signbit(input) if input.dtype.kind == "f" else input < 0


# A mover, although it computes: the neighbours of a narrow float are those of its own type.
@mover
def nextafter(xp: Any, input: Any, other: Any) -> Any:
    return xp.nextafter(input, other)
