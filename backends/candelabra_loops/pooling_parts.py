# SPDX-License-Identifier: Apache-2.0
"""What all kernels of pooling share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

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
        lengths = [self._length(d, start) for d, start in zip(self.dims, starts, strict=True)]
        return self.override.ne(0).select(self.override, product(lengths))

    def _length(self, d: Windows, start: Value) -> Value:
        """Elements of a window along a dim that count, of the type of `start`."""
        kernel, size, padding, include = (v.cast(start.type) for v in (d.kernel, d.size, d.padding, self.include))
        padded = ir.minimum(start + kernel, size + padding) - start
        inside = ir.minimum(start + kernel, size) - ir.maximum(start, start.b.const(0, start.type))
        return include.ne(0).select(padded, inside)

    def apart(self, starts: Sequence[Value]) -> tuple[Value, Callable[[Value], Value]]:
        """As `of` for windows in a row, which differ in their last start: (a factor of all, the other one by that start). The
        latter is i32, as the start: loops convert many of these at a time."""
        others = product([self._length(d, start) for d, start in zip(self.dims[:2], starts[:2], strict=True)])
        is_given = self.override.ne(0)

        def along(start: Value) -> Value:
            return is_given.select(1, self._length(self.dims[2], start))

        return is_given.select(self.override, others), along
