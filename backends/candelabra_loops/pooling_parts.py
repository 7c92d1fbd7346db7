# SPDX-License-Identifier: Apache-2.0
"""What all kernels of pooling share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from candelabra.compiler import ir
from candelabra.compiler.ir import Builder, Value

from .windows import Windows, product


def lowest(type: str) -> float:
    """What no number of a type is less than."""
    if ir.is_float(type):
        return -math.inf
    return -(1 << (ir.bits(type) - 1)) if ir.is_signed(type) else 0


class Divisor:
    """In a kernel: what sums are divided by."""

    def __init__(self, b: Builder, dims: Sequence[Windows]) -> None:
        self.dims = dims
        self.override = b.size("override")
        self.include = b.size("include_padding")

    def of(self, starts: Sequence[Value]) -> Value:
        """The divisor of the window with these starts, i64."""
        lengths = []
        for d, start in zip(self.dims, starts, strict=True):
            zero = start.b.const(0, "i64")
            padded = ir.minimum(start + d.kernel, d.size + d.padding) - start
            inside = ir.minimum(start + d.kernel, d.size) - ir.maximum(start, zero)
            lengths.append(self.include.ne(0).select(padded, inside))
        return self.override.ne(0).select(self.override, product(lengths))
