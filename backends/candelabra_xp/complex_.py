# SPDX-License-Identifier: Apache-2.0
"""Complex numbers and their parts."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel


@kernel
def real(xp: Any, input: Any) -> Any:
    return xp.real(input).copy()


@kernel
def imag(xp: Any, input: Any) -> Any:
    return xp.imag(input).copy()


@kernel
def complex_(xp: Any, real: Any, imag: Any) -> Any:
    # Side by side in memory they are complex numbers; real + 1j * imag would make nans of infinities.
    pairs = xp.stack(xp.broadcast_arrays(real, imag), axis=-1)
    return pairs.view("complex64" if pairs.dtype.itemsize == 4 else "complex128")[..., 0]


@kernel
def angle(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "c":
        return xp.arctan2(xp.imag(input), xp.real(input))
    return xp.where(input < 0, xp.pi, xp.where(input == input, 0, input))
