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

from .._shape import Shape, contiguous_strides
from ..op._declare import Op
from .graph import Axis, Graph, Node, coalesced
from .ir import Kernel, Target
from .nest import CHUNK, SQUARE, TILE, Arrangement, has_rare, kernel_of
from .parts import Step, in_steps, is_one_stage
from .scalar import SCALAR
from .trace import Trace, is_parameter, is_short_exponent, trace_body, trace_map

RANKS = (4, 8, 16, 32)
"""Loops of kernels that are made for any layout of few elements."""

LONG = 1 << 15
"""Elements from which a line is reduced in parts."""

BUSY = 1 << 16
"""Work items that keep a device busy which has groups of them."""

SHORTEST = 32
"""Elements of a column that a work item reduces at least, where columns are reduced in parts."""


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
        first: to be run before, on the same inputs; its outputs are further inputs of this one, after its own.
    """

    kernel: Kernel
    count: int
    integers: tuple[int, ...]
    shapes: tuple[Shape, ...]
    strides: tuple[Shape, ...]
    elements: int
    outputs: tuple[Node, ...]
    first: Launch | None = None

    @property
    def chain(self) -> list[Launch]:
        """All launches of the call, in order."""
        return [*(self.first.chain if self.first is not None else []), self]


class Planner:
    """Plans calls of one graph; makes each kernel once."""

    def __init__(self, graph: Graph, target: Target, part: Axis | None = None, is_step: bool = False) -> None:
        self.graph = graph
        self.target = target
        self.part = part
        self.kernels: dict[Arrangement, Kernel] = {}
        loops = graph.loops()
        assert loops is not None
        self.kept, self.over = loops
        self.arrays = [*graph.inputs, *graph.outputs]
        kinds = {n.name for n in graph.ordered() if n.kind == "reduce"}
        self.has_reduction = bool(kinds)
        self.has_rare = has_rare(graph)
        self.is_step = is_step
        self.is_splittable = self.has_reduction and not is_step
        self.is_one_stage = self.is_splittable and is_one_stage(graph)
        self.has_places = bool(kinds & {"argmax", "argmin"})
        self.dims = [self._dims(axis) for axis in [*self.kept, *self.over]]
        self.steps: list[tuple[Step, Planner]] = []

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
        counter = loops[self.kept.index(self.part)] if self.part is not None else None
        kept.sort(key=lambda loop: -max(loop[1][inputs:]))
        if not self.has_places:
            over.sort(key=lambda loop: -max(loop[1][:inputs], default=0))
        plan = _Loops(*_together(kept, len(all_shapes), counter), *_together(over, len(all_shapes)))
        if counter is not None:
            after = next(i for i, loop in enumerate(reversed(kept)) if loop is counter)
            plan.part = -1 - len(_together(kept[len(kept) - after :], len(all_shapes))[0])
        if self.is_splittable and (pieces := self._pieces(plan, inputs)):
            return self._in_parts(shapes, strides, out_shapes, out_strides, pieces, plan.has_columns(inputs))
        is_general = plan.turns < self.target.general and not self.is_step  # a step comes with large calls alone
        form = plan.padded() if is_general else self._form(plan, inputs)
        return self._launch(plan, form, tuple(out_shapes), tuple(out_strides), is_general)

    def _pieces(self, plan: _Loops, inputs: int) -> int:
        """Parts that reductions are cut into where work items would be too few; else 0. It depends on sizes alone."""
        target, kept = self.target, math.prod(plan.kept)
        if not plan.over or not kept:
            return 0
        if target.group > 1 and plan.has_columns(inputs):
            is_much = plan.turns >= (BUSY if self.is_one_stage else 16 * BUSY)
            pieces = min(-(-BUSY // kept), plan.over[0] // SHORTEST) if is_much else 0
            return _filled(pieces, plan.over[0]) if pieces > 1 else 0
        # More passes over memory are worth it only where hardly any work item would have something to do.
        few = target.parts if self.is_one_stage else 2 if target.group == 1 else target.parts // 2
        is_long = math.prod(plan.over) >= LONG and plan.over[0] >= SHORTEST
        return _filled(min(target.parts, plan.over[0]), plan.over[0]) if is_long and kept < few else 0

    def _in_parts(
        self,
        shapes: Sequence[Shape],
        strides: Sequence[Shape],
        out_shapes: Sequence[Shape],
        out_strides: Sequence[Shape],
        pieces: int,
        columns: bool,
    ) -> Launch:
        """Several launches: reductions of parts, and of their results; then what is computed of these.

        Args:
            columns: neighbours are columns: so they are among the parts' results.
        """
        if not self.steps:
            self.steps = [(s, Planner(s.graph, self.target, s.axis, is_step=True)) for s in in_steps(self.graph)]
        sizes = {
            id(a.root): n
            for node, shape in zip(self.graph.inputs, shapes, strict=True)
            for a, n in zip(node.axes, shape, strict=True)
            if a is not None
        }
        shapes, strides, before = list(shapes), list(strides), None
        for step, planner in self.steps:
            into: list[Shape]
            if step is self.steps[-1][0]:
                made, into = list(out_shapes), list(out_strides)
            else:
                if step.axis is not None:
                    sizes[id(step.axis)] = pieces
                made = [tuple(1 if a is None else sizes[id(a.root)] for a in o.axes) for o in step.graph.outputs]
                into = [_by_columns(s) if columns and step.axis is not None else contiguous_strides(s) for s in made]
            launch = dataclasses.replace(planner.launch(shapes, strides, made, into), first=before)
            shapes, strides, before = [*shapes, *made], [*strides, *into], launch
        return launch

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
            return "rows" if plan.has_columns(inputs) else "groups"
        if self.part is not None or not self.target.rows:
            return "rows"
        if self.has_reduction:
            return "columns" if plan.has_columns(inputs) else "rows"
        if self.has_rare and plan.kept and plan.kept[-1] >= CHUNK // 4:
            return "chunks"
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
        arrangement = Arrangement(len(plan.kept), len(plan.over), names, form, plan.part)
        kernel = self.kernels.get(arrangement)
        if kernel is None:
            kernel = kernel_of(self.graph, arrangement, self.target)
            kernel = self.kernels[arrangement] = dataclasses.replace(kernel, brief=is_general)
        integers = [*plan.kept, *plan.over]
        if plan.part:
            integers.append(-(-plan.over[0] // plan.kept[plan.part]))
        for mine, within, name in zip(plan.kept_steps, plan.over_steps, names, strict=True):
            both = [*mine, *within]
            fixed = len(mine) - 1 if outer else len(both) - 1
            integers += [s for d, s in enumerate(both) if d != fixed or name == "s"]
        outputs = tuple(self.graph.outputs)
        return Launch(kernel, plan.items(form), tuple(integers), shapes, strides, plan.turns, outputs)


def _filled(pieces: int, size: int) -> int:
    """Parts of a loop, at most so many, of which none is empty: the extreme of no elements is no number."""
    return -(-size // -(-size // pieces))


@dataclass
class _Loops:
    """Sizes of loops, and for each array its strides along them.

    Attributes:
        part: which kept loop counts parts, from the last one, -1, on; 0 for none.
    """

    kept: list[int]
    kept_steps: list[list[int]]
    over: list[int]
    over_steps: list[list[int]]
    part: int = 0

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

    def has_columns(self, inputs: int) -> bool:
        """Whether neighbours in memory are in the last kept loop."""
        if not self.kept or not self.over or not inputs:
            return False
        moves = [sum(map(bool, self.kept_steps[i] + self.over_steps[i])) for i in range(inputs)]
        most = moves.index(max(moves))
        return self.kept_steps[most][-1] == 1 and self.over_steps[most][-1] != 1 and self.kept[-1] > 1

    def items(self, form: str) -> int:
        """Work items."""
        if form == "chunks":
            return math.prod(self.kept[:-1]) * -(-self.kept[-1] // CHUNK)
        if form == "columns":
            return math.prod(self.kept[:-1]) * -(-self.kept[-1] // TILE)
        if form == "tiles":
            return math.prod(self.kept[:-2]) * math.prod(-(-n // SQUARE) for n in self.kept[-2:])
        return math.prod(self.kept)


def _by_columns(shape: Shape) -> Shape:
    """Strides of parts' results, the last dim of which counts parts: outermost in memory."""
    kept = contiguous_strides(shape[:-1])
    return (*kept, math.prod(shape[:-1]))


Loop = tuple[int, list[int]]
"""A loop: its size, and its stride in each array."""


def _together(loops: list[Loop], arrays: int, apart: Loop | None = None) -> tuple[list[int], list[list[int]]]:
    """Sizes and strides by array of loops, coalesced.

    Args:
        apart: a loop that stays by itself: one that counts parts, as its place is asked for.
    """
    at = next((i for i, loop in enumerate(loops) if loop is apart), len(loops))
    sizes: list[int] = []
    strides: list[list[int]] = [[] for _ in range(arrays)]
    for some, alone in ((loops[:at], False), (loops[at : at + 1], True), (loops[at + 1 :], False)):
        mine, steps = [n for n, _ in some], [[s[i] for _, s in some] for i in range(arrays)]
        mine, steps = (mine, steps) if alone else coalesced(mine, steps)
        sizes += mine
        strides = [[*s, *more] for s, more in zip(strides, steps, strict=True)]
    return sizes, strides


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
    if is_short_exponent(op, i, value):
        return value
    if (i in op.operands and type(value) in (int, float, complex)) or (
        type(value) in (int, float) and is_parameter(op, i)
    ):
        return type(value)
    return (type(value), repr(value))
