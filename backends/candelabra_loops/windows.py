# SPDX-License-Identifier: Apache-2.0
"""Windows that slide over three dims: what pooling and convolutions share. Fewer dims are sizes of 1 before them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from candelabra.compiler import ir
from candelabra.compiler.ir import Builder, Value

DIMS = "dhw"


@dataclass(frozen=True)
class Windows:
    """One dim, in a kernel: its size, the number of windows, and what they look like."""

    size: Value
    count: Value
    kernel: Value
    stride: Value
    padding: Value
    dilation: Value

    def start(self, place: Value) -> Value:
        """Where a window begins; negative in the padding."""
        return place * self.stride - self.padding

    def taps(self, start: Value) -> tuple[Value, Value]:
        """(first, end) of the elements of a window that are inside."""
        zero = start.b.const(0, "i64")
        first = ir.maximum((self.dilation - 1 - start).idiv(self.dilation), zero)
        end = (self.size - start + (self.dilation - 1)).idiv(self.dilation)
        return (start < 0).select(first, zero), ir.maximum(ir.minimum(end, self.kernel), zero)


def windows(b: Builder) -> list[Windows]:
    """Parameters for three dims."""
    words = ("size", "count", "kernel", "stride", "padding", "dilation")
    found = {w: [b.size(f"{w}_{d}") for d in DIMS] for w in words}
    return [Windows(*[found[w][i] for w in words]) for i in range(3)]


def three(values: Sequence[int], fill: int) -> list[int]:
    """Numbers for three dims."""
    return [fill] * (3 - len(values)) + [int(v) for v in values]


def window_integers(
    sizes: Sequence[int],
    counts: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> list[int]:
    """Values for the parameters of `windows`."""
    rest = three(kernel, 1), three(stride, 1), three(padding, 0), three(dilation, 1)
    return [n for values in (three(sizes, 1), three(counts, 1), *rest) for n in values]


def product(values: Sequence[Value]) -> Value:
    """All of them multiplied."""
    total = values[0]
    for value in values[1:]:
        total = total * value
    return total


def whole(b: Builder, dims: Sequence[Windows]) -> list[tuple[Value, Value]]:
    """Bounds of all elements of a window."""
    return [(b.const(0, "i64"), d.kernel) for d in dims]


@contextlib.contextmanager
def over(b: Builder, bounds: Sequence[tuple[Value, Value]]) -> Iterator[list[Value]]:
    """Loops from each first to before each end, the last one innermost."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(b.loop(end, first)) for first, end in bounds]
