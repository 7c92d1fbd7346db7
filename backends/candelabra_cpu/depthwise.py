# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions of images: each channel by itself, straight from memory, with the kernel's elements unrolled.

There is too little arithmetic for copies. A block of some output rows times a vector of columns reads each row it meets
once; columns outside the image are masked off. Code is made for each list of kernel elements, see `Taps`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from . import memory
from .emit import F32, F64, I64, PTR, Function, Value, compiled, function
from .tiles import Args, lanes, run

ROWS = 4
"""Output rows in a block."""


@dataclass(frozen=True)
class Taps:
    """What a block of output looks at.

    Attributes:
        step: (rows, columns) of the input from one position of the grid to the next; columns 1 or 2.
        phases: for each output column that a position of the grid stands for, (row, column, element of the kernel) of each
            input that it meets, counted from the position's own.
    """

    step: tuple[int, int]
    phases: tuple[tuple[tuple[int, int, int], ...], ...]

    @property
    def all(self) -> list[tuple[int, int, int]]:
        return [tap for phase in self.phases for tap in phase]


_NAMES = ("source", "weight", "bias", "out", "height", "width", "rows", "columns", "out_width", "row_step", "source_step",
          "out_step", "each", "channels", "size", "images")  # fmt: skip


class _Looks:
    """Loads of input rows for a vector of columns, shared by all taps that meet the same values."""

    def __init__(self, f: Function, vector: Any, taps: Taps, width: Value, column: Value) -> None:
        self.f, self.vector, self.step = f, vector, taps.step[1]
        self.width, self.column = width, column * self.step
        count = vector.count
        self.masks = {}
        for dx, half in itertools.product(sorted({dx for _, dx, _ in taps.all}), range(self.step)):
            at = self.column + (dx + half * count)
            inside = f.lanes_below(vector, width - at) & (f.lanes_below(vector, 0 - at) ^ f.const(_mask(vector), 1))
            self.masks[dx, half] = inside

    def load(self, line: Value, inside: Value, dx: int) -> Value:
        f, vector, count = self.f, self.vector, self.vector.count
        parts = []
        for half in range(self.step):
            mask = f.select(inside, self.masks[dx, half], f.const(_mask(vector), 0))
            parts.append(f.load_masked(vector, f.at(vector.element, line, self.column + (dx + half * count)), mask))
        return parts[0] if self.step == 1 else f.shuffle(parts[0], parts[1], list(range(0, 2 * count, 2)))


def _mask(vector: Any) -> Any:
    return ir.VectorType(ir.IntType(1), vector.count)


def _forward(module: Any, taps: Taps, vector: Any) -> None:
    """Output channels `begin` to `end`, images included."""
    scalar = vector.element
    with function(module, "depthwise", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _NAMES)
        with f.range(begin, end) as unit:
            channel = unit % a.channels
            source = f.at(scalar, a.pointer("source"), unit // a.each * a.source_step)
            weight = f.at(scalar, a.pointer("weight"), channel * a.size)
            weights = {k: f.splat(f.load(scalar, weight, k), vector.count) for k in sorted({k for *_, k in taps.all})}
            initial = f.var(vector, 0)
            with f.when(a.bias.differs(0)):
                initial.value = f.splat(f.load(scalar, a.pointer("bias"), channel), vector.count)
            with f.range(0, a.columns, vector.count) as column:
                looks = _Looks(f, vector, taps, a.width, column)
                with f.range(0, a.rows, ROWS) as row:
                    sums = _block(f, a, taps, vector, source, row, looks, weights, initial.value)
                    _store(f, a, vector, unit, row, column, sums)


def _block(
    f: Function,
    a: Args,
    taps: Taps,
    vector: Any,
    source: Value,
    row: Value,
    looks: _Looks,
    weights: Any,
    initial: Value,
) -> list[list[Value]]:
    """[phase][row] sums of a block."""
    sums = [[initial] * ROWS for _ in taps.phases]
    for y in sorted({r * taps.step[0] + dy for r in range(ROWS) for dy, _, _ in taps.all}):
        at = row * taps.step[0] + y
        inside = (at >= 0) & (at < a.height)
        line = f.at(vector.element, source, at * a.width)
        loaded: dict[int, Value] = {}
        for p, r in itertools.product(range(len(taps.phases)), range(ROWS)):
            for dy, dx, k in taps.phases[p]:
                if r * taps.step[0] + dy == y:
                    if dx not in loaded:
                        loaded[dx] = looks.load(line, inside, dx)
                    sums[p][r] = sums[p][r] + weights[k] * loaded[dx]
    return sums


def _store(f: Function, a: Args, vector: Any, unit: Value, row: Value, column: Value, sums: list[list[Value]]) -> None:
    scalar, count, phases = vector.element, vector.count, len(sums)
    for r in range(ROWS):
        with f.when(row + r < a.rows):
            target = f.at(scalar, a.pointer("out"), unit * a.out_step + (row + r) * a.row_step)
            for half in range(phases):
                values = sums[0][r]
                if phases == 2:  # columns of both phases side by side
                    order = [i // 2 + half * count // 2 + (i % 2) * count for i in range(count)]
                    values = f.shuffle(sums[0][r], sums[1][r], order)
                start = column * phases + half * count
                f.store_masked(values, f.at(scalar, target, start), f.lanes_below(vector, a.out_width - start))


def _weight_grad(module: Any, taps: Taps, vector: Any) -> None:
    """Output channels `begin` to `end`: `out` is the output's gradient, `weight` what is computed."""
    scalar = vector.element
    with function(module, "depthwise_weight", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        a = Args(f, args, _NAMES)
        with f.range(begin, end) as channel:
            sums = [f.var(vector, 0) for _ in taps.all]
            with f.range(0, a.images) as image:
                unit = image * a.channels + channel
                source = f.at(scalar, a.pointer("source"), unit // a.each * a.source_step)
                grad = f.at(scalar, a.pointer("out"), unit * a.out_step)
                with f.range(0, a.columns, vector.count) as column:
                    looks = _Looks(f, vector, taps, a.width, column)
                    mask = f.lanes_below(vector, a.columns - column)
                    with f.range(0, a.rows) as row:
                        values = f.load_masked(vector, f.at(scalar, grad, row * a.columns + column), mask)
                        for (dy, dx, _), total in zip(taps.all, sums, strict=True):
                            at = row * taps.step[0] + dy
                            inside = (at >= 0) & (at < a.height)
                            look = looks.load(f.at(scalar, source, at * a.width), inside, dx)
                            total.value = total.value + values * look
            for (*_, k), total in zip(taps.all, sums, strict=True):
                f.store(f.reduce_add(total.value), a.pointer("weight"), channel * a.size + k)


@functools.lru_cache(256)
def _kernel(which: str, taps: Taps, char: str) -> int:
    vector = ir.VectorType(F32 if char == "f" else F64, lanes(char))

    def write(module: Any) -> None:
        (_forward if which == "depthwise" else _weight_grad)(module, taps, vector)

    return compiled(which, write, f"{char} {taps}")[which]


# -- the three convolutions ------------------------------------------------------------------------------------------

MOST_TAPS = 64
"""Kernels with more elements are not unrolled."""


def serves(kernel: Sequence[int], stride: Sequence[int], groups: int, channels: int) -> bool:
    """Whether a convolution is one of those here: 2-d, one input channel a group, no step beyond 2 from column to column."""
    return len(kernel) == 2 and groups == channels > 1 and stride[1] <= 2 and kernel[0] * kernel[1] <= MOST_TAPS


def _forward_taps(kernel: Any, stride: Any, padding: Any, dilation: Any) -> Taps:
    return Taps(
        tuple(stride),
        (
            tuple(
                (i * dilation[0] - padding[0], j * dilation[1] - padding[1], i * kernel[1] + j)
                for i, j in itertools.product(range(kernel[0]), range(kernel[1]))
            ),
        ),
    )


def forward(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, out: Any) -> None:
    """Writes the convolution of contiguous arrays into `out`."""
    kernel, channels = weight.shape[2:], len(weight)
    rows, columns = out.shape[2:]
    run_it = _kernel("depthwise", _forward_taps(kernel, stride, padding, dilation), input.dtype.char)
    size = kernel[0] * kernel[1]
    run(run_it, len(input) * channels, rows * columns * size // 16, input, weight, 0 if bias is None else bias, out,
        *input.shape[2:], rows, columns, columns, columns, input.shape[2] * input.shape[3], rows * columns,
        channels // input.shape[1], channels, size, len(input))  # fmt: skip


def input_grad(grad: Any, weight: Any, stride: Any, padding: Any, dilation: Any, out: Any) -> None:
    """Writes the gradient of the input, where each input channel has one output channel: contiguous arrays."""
    kernel, (height, width) = weight.shape[2:], out.shape[2:]
    size = kernel[0] * kernel[1]
    for rest in range(min(stride[0], height)):
        phases = []
        for column in range(stride[1]):
            met = []
            for i, j in itertools.product(range(kernel[0]), range(kernel[1])):
                dy, dx = rest + padding[0] - i * dilation[0], column + padding[1] - j * dilation[1]
                if dy % stride[0] == 0 and dx % stride[1] == 0:
                    met.append((dy // stride[0], dx // stride[1], i * kernel[1] + j))
            phases.append(tuple(met))
        run_it = _kernel("depthwise", Taps((1, 1), tuple(phases)), grad.dtype.char)
        rows, columns = -(-(height - rest) // stride[0]), -(-width // stride[1])
        start = out.ctypes.data + rest * width * out.itemsize
        run(run_it, grad.shape[0] * grad.shape[1], rows * width * size // stride[0] // 16, grad, weight, 0, start,
            *grad.shape[2:], rows, columns, width, width * stride[0], grad.shape[2] * grad.shape[3], height * width, 1,
            grad.shape[1], size, len(grad))  # fmt: skip


def weight_grad(grad: Any, input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The gradient of the weight, of contiguous arrays."""
    images, channels, rows, columns = grad.shape
    out = memory.empty((channels, 1, *kernel), grad.dtype)
    size = kernel[0] * kernel[1]
    run_it = _kernel("depthwise_weight", _forward_taps(kernel, stride, padding, dilation), grad.dtype.char)
    run(run_it, channels, images * rows * columns * size // 16, input, out, 0, grad, *input.shape[2:], rows, columns, columns,
        columns, input.shape[2] * input.shape[3], rows * columns, channels // input.shape[1], channels, size,
        images)  # fmt: skip
    return out
