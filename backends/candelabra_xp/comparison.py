# SPDX-License-Identifier: Apache-2.0
"""Comparisons, tests of elements, logic, and choices between two operands."""

from __future__ import annotations

from typing import Any

from ._kernel import kernel, ufuncs

ufuncs(
    clamp_max="minimum",
    clamp_min="maximum",
    eq="equal",
    fmax="fmax",
    fmin="fmin",
    ge="greater_equal",
    gt="greater",
    isfinite="isfinite",
    isinf="isinf",
    isnan="isnan",
    le="less_equal",
    logical_and="logical_and",
    logical_not="logical_not",
    logical_or="logical_or",
    logical_xor="logical_xor",
    lt="less",
    maximum="maximum",
    minimum="minimum",
    ne="not_equal",
    where="where",
)


@kernel
def clamp(xp: Any, input: Any, min: Any, max: Any) -> Any:
    if min is None:
        return xp.minimum(input, max)
    return xp.maximum(input, min) if max is None else xp.minimum(xp.maximum(input, min), max)


@kernel
def isin(xp: Any, elements: Any, test_elements: Any, assume_unique: bool, invert: bool) -> Any:
    return xp.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)
