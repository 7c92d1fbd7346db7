# SPDX-License-Identifier: Apache-2.0
"""From a graph and the shapes and strides of a call to a kernel and its integers: which loops, in which order.

A device compiles a kernel for each `Arrangement` it meets; sizes and strides are arguments, so that another batch size
compiles nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._shape import Shape, contiguous_strides
from ..op._declare import Op
from .graph import Axis, Graph, Node, coalesced
from .ir import Kernel, Target
from .nest import SQUARE, TILE, Arrangement, kernel_of
from .scalar import SCALAR
from .trace import Trace, is_parameter, trace_body, trace_map

RANKS = (4, 8, 16, 32)
"""Loops of kernels that are made for any layout of few elements."""

LONG = 1 << 15
"""Elements from which a line is reduced in parts."""


@dataclass(frozen=True)
class Launch:
    """One call of a kernel, but for its arrays and numbers.

    Attributes:
        kernel: what to run.
        count: work items.
        integers: the kernel's last parameters: sizes, then strides.
        shapes, strides: of the outputs; strides in elements.
        outputs: nodes of the outputs, for their dtypes.
        elements: turns of the innermost loop in all, for whoever splits work.
        first: to be run before, on the same inputs; its outputs are further inputs of this one, after them.
    """

    kernel: Kernel
    count: int
    integers: tuple[int, ...]
    shapes: tuple[Shape, ...]
    strides: tuple[Shape, ...]
    elements: int
    outputs: tuple[Node, ...]
    first: Launch | None = None


class Planner:
    """Plans calls of one graph; makes each kernel once."""

    def __init__(self, graph: Graph, target: Target, is_part: bool = False) -> None:
        self.graph = graph
        self.target = target
        self.is_part = is_part
        self.is_splittable = not is_part and can_split(graph)
        self.kernels: dict[Arrangement, Kernel] = {}
        loops = graph.loops()
        assert loops is not None
        self.kept, self.over = loops
        self.arrays = [*graph.inputs, *graph.outputs]
        kinds = {n.name for n in graph.ordered() if n.kind == "reduce"}
        self.has_reduction = bool(kinds)
        self.has_places = bool(kinds & {"argmax", "argmin"})
        self.dims = [self._dims(axis) for axis in [*self.kept, *self.over]]
        self.parts: tuple[Planner, Planner] | None = None

    def _dims(self, axis: Axis) -> list[int | None]:
        """For each array, which of its dims a loop runs along."""
        found: list[int | None] = []
        for node in self.arrays:
            roots = [a.root if a is not None else None for a in node.axes]
            found.append(roots.index(axis) if axis in roots else None)
        return found

    def launch(
        self,
        shapes: Sequence[Shape],
        strides: Sequence[Shape],
        out_shapes: Sequence[Shape],
        into: Sequence[Shape | None] | None = None,
    ) -> Launch:
        """A call on inputs of these shapes and strides (in elements).

        Args:
            into: strides of the outputs that are there already; None for those whose strides are free.
        """
        out_strides = [
            given if given is not None else self._out_strides(s, shapes, strides)
            for s, given in zip(out_shapes, into or [None] * len(out_shapes), strict=True)
        ]
        all_shapes, all_strides = [*shapes, *out_shapes], [*strides, *out_strides]
        loops = []
        for dims in self.dims:
            size = next(all_shapes[i][d] for i, d in enumerate(dims) if d is not None)
            steps = [0 if d is None or all_shapes[i][d] == 1 else all_strides[i][d] for i, d in enumerate(dims)]
            loops.append((size, steps))
        split, inputs = len(self.kept), len(shapes)
        kept, over = loops[:split], loops[split:]
        kept.sort(key=lambda loop: -max(loop[1][inputs:]))
        if not self.has_places:
            over.sort(key=lambda loop: -max(loop[1][:inputs], default=0))
        plan = _Loops(*_together(kept, len(all_shapes), self.is_part), *_together(over, len(all_shapes)))
        if self.is_splittable and plan.is_one_long_line(self.target.parts):
            return self._in_parts(shapes, strides, out_shapes)
        is_general = plan.turns < self.target.general
        form = plan.padded() if is_general else self._form(plan, inputs)
        return self._launch(plan, form, tuple(out_shapes), tuple(out_strides), is_general)

    def _in_parts(self, shapes: Sequence[Shape], strides: Sequence[Shape], out_shapes: Sequence[Shape]) -> Launch:
        """Two launches: reductions of parts, and of their results."""
        if self.parts is None:
            first, rest = in_parts(self.graph)
            self.parts = Planner(first, self.target, is_part=True), Planner(rest, self.target)
        one, two = self.parts
        split = [(*_kept_shape(self, node, shapes), self.target.parts) for node in one.graph.outputs]
        before = one.launch(shapes, strides, split)
        after = two.launch([*shapes, *split], [*strides, *map(contiguous_strides, split)], out_shapes)
        return dataclasses.replace(after, first=before, elements=before.elements)

    def _out_strides(self, shape: Shape, shapes: Sequence[Shape], strides: Sequence[Shape]) -> Shape:
        """Strides of an output: without gaps, with dims in the order of the first input of its shape, as NumPy's are."""
        if self.graph.name != "clone":  # a clone is what makes a tensor contiguous
            for other, steps in zip(shapes, strides, strict=True):
                if other == shape:
                    return ordered_strides(shape, steps)
        return contiguous_strides(shape)

    def _form(self, plan: _Loops, inputs: int) -> str:
        """How the loops are run; moves a kept loop within where a work item is a row."""
        if self.has_reduction and self.target.group > 1 and plan.over and plan.over[-1] >= self.target.group // 2:
            return "rows" if plan.has_columns(inputs) and not self.is_part else "groups"
        if self.is_part or not self.target.rows:
            return "rows"
        if self.has_reduction:
            return "columns" if plan.has_columns(inputs) else "rows"
        if len(plan.kept) < 2:
            return "rows"
        if any(s[-1] > 1 and s[-2] == 1 for s in plan.kept_steps) and plan.kept[-1] > 8:
            return "tiles"
        plan.over, plan.over_steps = [plan.kept.pop()], [[s.pop()] for s in plan.kept_steps]
        return "rows"

    def _launch(
        self, plan: _Loops, form: str, shapes: tuple[Shape, ...], strides: tuple[Shape, ...], is_general: bool
    ) -> Launch:
        if not plan.kept and not plan.over:
            plan.kept, plan.kept_steps = [1], [[0] for _ in plan.kept_steps]
        outer = form == "columns" or not plan.over
        fastest = [s[-1] for s in (plan.kept_steps if outer else plan.over_steps)]
        names = tuple(str(s) if s in (0, 1) and not is_general else "s" for s in fastest)
        arrangement = Arrangement(len(plan.kept), len(plan.over), names, form, self.is_part)
        kernel = self.kernels.get(arrangement)
        if kernel is None:
            kernel = kernel_of(self.graph, arrangement, self.target)
            kernel = self.kernels[arrangement] = dataclasses.replace(kernel, brief=is_general)
        integers = [*plan.kept, *plan.over]
        if self.is_part:
            integers.append(-(-plan.over[0] // self.target.parts))
        for mine, within, name in zip(plan.kept_steps, plan.over_steps, names, strict=True):
            both = [*mine, *within]
            fixed = len(mine) - 1 if outer else len(both) - 1
            integers += [s for d, s in enumerate(both) if d != fixed or name == "s"]
        outputs = tuple(self.graph.outputs)
        return Launch(kernel, plan.items(form), tuple(integers), shapes, strides, plan.turns, outputs)


@dataclass
class _Loops:
    """Sizes of loops, and for each array its strides along them."""

    kept: list[int]
    kept_steps: list[list[int]]
    over: list[int]
    over_steps: list[list[int]]

    @property
    def turns(self) -> int:
        """Turns of the innermost loop in all."""
        return math.prod(self.kept) * math.prod(self.over)

    def padded(self) -> str:
        """Adds loops of one turn, so that few kernels do for all calls; gives the form they take."""
        for sizes, steps in ((self.kept, self.kept_steps), (self.over, self.over_steps)):
            rank = next(r for r in RANKS if r >= len(sizes)) if sizes or sizes is self.kept else 0
            more = rank - len(sizes)
            sizes[:0] = [1] * more
            for line in steps:
                line[:0] = [0] * more
        return "rows"

    def is_one_long_line(self, parts: int) -> bool:
        """Whether there is little to keep and much to reduce, so that work items would be too few."""
        return math.prod(self.kept) < parts and bool(self.over) and self.over[0] >= LONG

    def has_columns(self, inputs: int) -> bool:
        """Whether neighbours in memory are in the last kept loop."""
        if not self.kept or not self.over or not inputs:
            return False
        moves = [sum(map(bool, self.kept_steps[i] + self.over_steps[i])) for i in range(inputs)]
        most = moves.index(max(moves))
        return self.kept_steps[most][-1] == 1 and self.over_steps[most][-1] != 1 and self.kept[-1] > 1

    def items(self, form: str) -> int:
        """Work items."""
        if form == "columns":
            return math.prod(self.kept[:-1]) * -(-self.kept[-1] // TILE)
        if form == "tiles":
            return math.prod(self.kept[:-2]) * math.prod(-(-n // SQUARE) for n in self.kept[-2:])
        return math.prod(self.kept)


def can_split(graph: Graph) -> bool:
    """Whether reductions of parts can be reduced again: there is one stage of them, and none asks for places."""
    reductions = [n for n in graph.ordered() if n.kind == "reduce"]
    below = [n for r in reductions for n in Graph("", outputs=list(r.nodes)).ordered()]
    inner = {id(a.root) for r in reductions for a in r.over}
    kept = all(a is None or id(a.root) not in inner for o in graph.outputs for a in o.axes)
    simple = all(r.name not in ("argmax", "argmin") for r in reductions)
    return bool(reductions) and kept and simple and all(n.kind != "reduce" for n in below)


WIDE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}


def in_parts(graph: Graph) -> tuple[Graph, Graph]:
    """A graph as two: its reductions, each of parts along a new last axis, and the rest, which reduces these."""
    first, axis, fresh = Graph(f"{graph.name}_parts", graph.inputs, graph.numbers), Axis(), {}
    rest = Graph(graph.name, list(graph.inputs), graph.numbers)
    for node in graph.ordered():
        if node.kind == "reduce":
            over = {id(a.root) for a in node.over}
            axes = (*[a for a in node.args[0].axes if a is not None and id(a.root) not in over], axis)
            wide = (
                np.dtype(WIDE[node.dtype.name])
                if node.name in ("sum", "prod") and node.dtype.name in WIDE
                else node.dtype
            )
            part = Node("reduce", node.name, node.args, wide, axes, node.over)
            first.outputs.append(part)
            given = Node("input", f"part{len(first.outputs)}", (), wide, axes)
            rest.inputs.append(given)
            fresh[id(node)] = Node("reduce", node.name, (given,), node.dtype, node.axes, (axis,))
        elif node.kind == "map":
            args = tuple(fresh.get(id(a), a) if isinstance(a, Node) else a for a in node.args)
            fresh[id(node)] = dataclasses.replace(node, args=args)
    rest.outputs = [fresh.get(id(o), o) for o in graph.outputs]
    return first, rest


def _kept_shape(planner: Planner, node: Node, shapes: Sequence[Shape]) -> Shape:
    """Sizes of a reduced part, without the number of parts."""
    sizes = {}
    for given, shape in zip(planner.graph.inputs, shapes, strict=True):
        sizes.update({id(a.root): n for a, n in zip(given.axes, shape, strict=True) if a is not None})
    return tuple(sizes[id(a.root)] for a in node.axes[:-1] if a is not None)


def _together(
    loops: list[tuple[int, list[int]]], arrays: int, last_apart: bool = False
) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides by array of loops, coalesced.

    Args:
        last_apart: whether the last loop stays by itself: one that counts parts, as its place is asked for.
    """
    merged, last = (loops[:-1], loops[-1:]) if last_apart else (loops, [])
    sizes, strides = coalesced([n for n, _ in merged], [[steps[i] for _, steps in merged] for i in range(arrays)])
    return [*sizes, *(n for n, _ in last)], [[*mine, *(s[i] for _, s in last)] for i, mine in enumerate(strides)]


def ordered_strides(shape: Shape, strides: Shape) -> Shape:
    """Strides without gaps, with dims in the order of these; row-major where dims are repeated."""
    dims = [d for d, n in enumerate(shape) if n != 1]
    order = sorted(dims, key=lambda d: -strides[d])
    if order == dims or 0 in shape or any(strides[d] == 0 for d in dims):
        return contiguous_strides(shape)
    step, found = 1, [0] * len(shape)
    for d in reversed(order):
        found[d] = step
        step *= shape[d]
    return tuple(step if n == 1 else s for s, n in zip(found, shape, strict=True))


@dataclass(frozen=True)
class Call:
    """All of a call that shapes, strides, dtypes and attributes decide.

    Attributes:
        trace: of the op; `launch`: its kernel and integers.
        numbers: values for the kernel's numbers, of the call's shapes and arguments.
    """

    trace: Trace
    launch: Launch
    shapes: tuple[Shape, ...]

    def numbers(self, args: Sequence[Any]) -> list[Any]:
        """Values of the kernel's numbers."""
        return [find((self.shapes, args)) for find in self.trace.numbers]


MOST_TRACES = 64
"""Traces of one formula that are kept, for arguments alike but for what guards ask."""


class Formula:
    """An op as kernels of one target: traces and plans its calls, each combination once.

    Raises, when called with something it has no kernel for: UntraceableError.
    """

    def __init__(self, op: Op, target: Target) -> None:
        self.op = op
        self.target = target
        self.traces: dict[Any, list[tuple[Trace, Planner]]] = {}

    def call(
        self,
        arrays: Sequence[tuple[Shape, Any, Shape] | None],
        args: Sequence[Any],
        into: Sequence[Shape | None] | None = None,
    ) -> Call:
        """The plan for arguments; `arrays` has (shape, dtype, strides in elements) where `args` has an array.

        Args:
            into: as of `Planner.launch`.
        """
        given = [a for a in arrays if a is not None]
        shapes = tuple(a[0] for a in given)
        key = (
            _pattern(shapes),
            tuple(_token(self.op, i, a, v) for i, (a, v) in enumerate(zip(arrays, args, strict=True))),
        )
        known = self.traces.setdefault(key, [])
        found = next((entry for entry in known if entry[0].holds((shapes, args))), None)
        if found is None:
            trace = self._trace(arrays, args)
            found = trace, Planner(trace.graph, self.target)
            if len(known) >= MOST_TRACES:
                known.clear()
            known.append(found)
        trace, planner = found
        out_shapes = [find((shapes, args)) for find in trace.shapes]
        return Call(trace, planner.launch(shapes, [a[2] for a in given], out_shapes, into), shapes)

    def _trace(self, arrays: Sequence[Any], args: Sequence[Any]) -> Trace:
        tracer: Callable[..., Trace] = trace_map if self.op.name in SCALAR or self.op.body is None else trace_body
        return tracer(self.op, [a and a[:2] for a in arrays], args)


def _pattern(shapes: Sequence[Shape]) -> tuple[Any, ...]:
    """Which sizes are 0 or 1, and which are equal: what a trace may take for granted."""
    seen: dict[int, int] = {}
    return tuple(tuple(-n if n < 2 else seen.setdefault(n, len(seen) + 1) for n in shape) for shape in shapes)


def _token(op: Op, i: int, array: Any, value: Any) -> Any:
    """What of an argument a trace depends on."""
    if array is not None:
        return array[1]
    if (i in op.operands and type(value) in (int, float, complex)) or (
        type(value) in (int, float) and is_parameter(op, i)
    ):
        return type(value)
    return (type(value), repr(value))
