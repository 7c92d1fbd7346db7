# SPDX-License-Identifier: Apache-2.0
"""Loop nests: the kernel of a graph for one arrangement of loops and strides. Sizes are parameters.

A work item is a place in the kept loops. Within it stand the reduced loops, once for each stage: reductions that need no
other's result first, then those that read them, and at last the outputs that have reduced axes themselves (softmax
is three such turns over a row). What a turn needs of its inputs it computes again: memory is read, not written, between.

In `columns`, the last kept loop is the one with neighbours in memory: a work item is a tile of it, and accumulators are
an array, so that a turn over the tile is one over neighbours.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import ir
from .graph import REDUCTIONS, Graph, Node, is_complex, memory_type, storage_of
from .ir import Buffer, Builder, Kernel, Target, Value, Var
from .math import short_results, usual_only
from .pair import Pair
from .scalar import SCALAR

TILE = 256
"""Columns a work item of a `columns` kernel reduces: its accumulators stay in the first-level cache."""

SQUARE = 32
"""Side of a tile of a `tiles` kernel: its rows, in whichever order, stay in the first-level cache."""

BLOCK = 1024
"""Elements of float32 that are summed as such before the sum is added in float64, where computing takes the time: of dear
functions, and of what is in the cache already."""

HEAVY = frozenset(
    (
        *(
            "exp",
            "exp2",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "logaddexp",
            "pow",
            "sigmoid",
            "erf",
            "erfc",
            "erfinv",
        ),
        *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
        *("lgamma", "digamma"),
        *("gelu", "gelu_backward", "softplus", "logsigmoid", "mish"),
    )
)
"""Maps that take longer than to move an element: worth storing, and worth narrow vectors' twice as many lanes."""

RARE = frozenset(("sin", "cos", "tan", "fmod", "remainder", "floor_divide"))
"""Maps of floats that few arguments, huge ones, take several times as long as all others."""

CHUNK = 1024
"""Elements of a `chunks` kernel that are computed the long way if one of them asks for it."""

UNROLL = 4
"""Elements that a `columns` kernel adds to an accumulator at a time."""


@dataclass(frozen=True)
class Arrangement:
    """What of its loops and strides a kernel is made for.

    Attributes:
        kept: loops over work items; `over`: loops within one.
        steps: for each array, inputs first, its stride along the fastest loop where that is fixed, "0" or "1", else "s".
        form: "rows"; "columns": the last kept loop is the fastest one, and tiled; "tiles": the last two kept loops are
            walked in square tiles, since arrays have their neighbours along different ones; "chunks": a work item is a
            piece of the last kept loop; "groups": a place in the kept loops is a group of work items, which share the last loop within.
        part: which kept loop counts parts, from the last one, -1, on; 0 for none. The first loop within is cut into them, of
            a size given as a parameter.
    """

    kept: int
    over: int
    steps: tuple[str, ...]
    form: str = "rows"
    part: int = 0


def kernel_of(graph: Graph, arrangement: Arrangement, target: Target) -> Kernel:
    """The kernel of a graph whose reductions, if any, run over one set of axes.

    Its parameters: arrays (inputs, outputs), numbers (complex ones by parts), sizes of kept loops, of loops within, the
    size of a part if there are any, then for each array its strides in elements along the kept loops and those within, but
    for a fixed fastest one.
    """
    return _Nest(graph, arrangement, target).kernel


@dataclass(eq=False)
class _Array:
    buffer: Buffer
    node: Node
    strides: list[Value]


class _Nest:
    def __init__(self, graph: Graph, arrangement: Arrangement, target: Target) -> None:
        self.graph = graph
        self.form = arrangement
        self.b = b = Builder(f"{graph.name}_{arrangement.form[0]}{arrangement.kept}{arrangement.over}", target)
        self.nodes = graph.ordered()
        self.reaching = graph.reaching()
        buffers = [b.buffer(f"in{i}", memory_type(n.dtype)) for i, n in enumerate(graph.inputs)]
        buffers += [b.buffer(f"out{i}", memory_type(n.dtype), True) for i, n in enumerate(graph.outputs)]
        self.numbers = {id(n): self._number(n) for n in graph.numbers}
        self.kept = [b.size(f"n{i}") for i in range(arrangement.kept)]
        self.over = [b.size(f"r{i}") for i in range(arrangement.over)]
        self.part = b.size("part") if arrangement.part else None
        self.arrays = [
            _Array(buffer, node, self._strides(i))
            for i, (buffer, node) in enumerate(zip(buffers, [*graph.inputs, *graph.outputs], strict=True))
        ]
        self.reads = {id(a.node): a for a in self.arrays[: len(graph.inputs)]}
        self.writes = self.arrays[len(graph.inputs) :]
        self.stages = self._stages()
        self.reduced = {id(axis.root) for stage in self.stages for node in stage for axis in node.over}
        forms = {
            "columns": self._by_columns,
            "tiles": self._by_tiles,
            "groups": self._by_groups,
            "chunks": self._by_chunks,
        }
        forms.get(arrangement.form, self._by_rows)()
        self.kernel = b.finish()

    def _number(self, node: Node) -> Any:
        type = ir.value_type(memory_type(node.dtype))
        if is_complex(node.dtype):
            return Pair(self.b.scalar(f"{node.name}_re", type), self.b.scalar(f"{node.name}_im", type))
        return self.b.scalar(node.name, type)

    def _strides(self, array: int) -> list[Value]:
        form, b = self.form, self.b
        loops = form.kept + form.over
        fastest = form.kept - 1 if form.form == "columns" or not form.over else loops - 1
        step = form.steps[array]
        return [
            b.const(int(step), "i64") if d == fastest and step != "s" else b.size(f"s{array}_{d}") for d in range(loops)
        ]

    def _stages(self) -> list[list[Node]]:
        """Reductions, those that need no other's result first."""
        depth: dict[int, int] = {}
        stages: list[list[Node]] = []
        for node in self.nodes:
            below = max((depth[id(a)] for a in node.nodes), default=0)
            if node.kind == "reduce":
                while len(stages) <= below:
                    stages.append([])
                stages[below].append(node)
                below += 1
            depth[id(node)] = below
        return stages

    # -- loops -----------------------------------------------------------------------------------------------------

    def _unravel(self, place: Value, sizes: list[Value]) -> list[Value]:
        """Places in loops, of a place in all of them as one."""
        found: list[Value] = []
        for size in reversed(sizes[1:]):
            rest = place.idiv(size)
            found.append(place - rest * size)
            place = rest
        return [*reversed([*found, place])] if sizes else []

    def _product(self, sizes: list[Value]) -> Value:
        total = self.b.const(1, "i64")
        for size in sizes:
            total = size if total.op == "const" else total * size
        return total

    def _base(self, places: list[Value]) -> list[Value]:
        """For each array its offset at a place in the first loops."""
        found = []
        for a in self.arrays:
            offset = self.b.const(0, "i64")
            for place, stride in zip(places, a.strides, strict=False):
                offset = offset + place * stride
            found.append(offset)
        return found

    @contextlib.contextmanager
    def _within(
        self, bases: list[Value], vector: bool, turns: tuple[Value, Value, int] | None = None
    ) -> Iterator[tuple[dict[int, Value], Value]]:
        """The loops within a work item: gives offsets by array and the place in all these loops as one.

        Args:
            turns: (start, stop, step) of the last loop, where it is not all of it.
        """
        b, kept = self.b, self.form.kept
        with contextlib.ExitStack() as stack:
            offsets, place = bases, b.const(0, "i64")
            for d, size in enumerate(self.over):
                last = d == len(self.over) - 1
                start, stop, step = turns if turns is not None and last else self._turns_of(d)
                i = self.last_index = stack.enter_context(b.loop(stop, start, step, vector=vector and last))
                offsets = [o + i * a.strides[kept + d] for o, a in zip(offsets, self.arrays, strict=True)]
                place = place * size + i
            yield {id(a.buffer): o for a, o in zip(self.arrays, offsets, strict=True)}, place

    def _turns_of(self, d: int) -> tuple[Value, Value, int]:
        if self.part is None or d:
            return self.b.const(0, "i64"), self.over[d], 1
        start = self.place * self.part
        return start, ir.minimum(start + self.part, self.over[0]), 1

    def _by_rows(self) -> None:
        b = self.b
        with b.work(self._product(self.kept)) as item:
            places = self._unravel(item, self.kept)
            self.place = places[self.form.part] if self.form.part else None
            bases = self._base(places)
            known: dict[int, Any] = {}
            outer, inner = self._split_outputs()
            stored = self._stored(inner)
            here = {id(a.buffer): o for a, o in zip(self.arrays, bases, strict=True)}
            for stage in self.stages:
                self._ahead([node.args[0] for node in stage], here, known)
                for turn in _turns(stage, b.target):
                    self._reduce(turn, bases, known, stored if stage is self.stages[-1] else None)
            if b.target.rows or not has_rare(self.graph):
                for a in outer:
                    self._store(a, self._value(a.node, here, dict(known)), here)
            else:
                self._by_element(here)
            if inner:
                self._ahead([a.node for a in inner], here, known)
                with self._within(bases, vector=True) as (offsets, _):
                    env = dict(known)
                    if stored is not None:
                        env[id(stored[0])] = load(stored[1].buffer, offsets[id(stored[1].buffer)], stored[0].dtype)
                    for a in inner:
                        self._store(a, self._value(a.node, offsets, env), offsets)

    def _by_element(self, here: dict[int, Value]) -> None:
        """One element a work item, the short way or the long."""
        b = self.b
        with usual_only(b) as rare:
            usual = self._computed(here)
        if not rare:  # the device has functions of its own
            self._compute_all(here)
            return
        with b.when(functools.reduce(operator.or_, rare)) as otherwise:
            self._compute_all(here)
        with otherwise():
            for a, value in zip(self.writes, usual, strict=True):
                self._store(a, value, here)

    def _by_tiles(self) -> None:
        b = self.b
        rows, columns = self.kept[-2:]
        tiles = [(n + (SQUARE - 1)).idiv(SQUARE) for n in (rows, columns)]
        with b.work(self._product([*self.kept[:-2], *tiles])) as item:
            *places, down, along = self._unravel(item, [*self.kept[:-2], *tiles])
            bases = self._base(places)
            ends = [ir.minimum(n, (t + 1) * SQUARE) for n, t in ((rows, down), (columns, along))]
            d = len(places)
            with b.loop(ends[0], down * SQUARE) as i:
                lines = [o + i * a.strides[d] for o, a in zip(bases, self.arrays, strict=True)]
                with b.loop(ends[1], along * SQUARE, vector=True) as j:
                    here = {id(a.buffer): o + j * a.strides[d + 1] for o, a in zip(lines, self.arrays, strict=True)}
                    env: dict[int, Any] = {}
                    for a in self.writes:
                        self._store(a, self._value(a.node, here, env), here)

    def _split_outputs(self) -> tuple[list[_Array], list[_Array]]:
        """Outputs of one element a work item, and those with loops of their own."""
        if not self.form.over:
            return self.writes, []
        if not self.stages:
            return [], self.writes
        inner = [a for a in self.writes if self._is_inner(a.node)]
        return [a for a in self.writes if a not in inner], inner

    def _is_inner(self, node: Node) -> bool:
        """Whether a node has axes of the loops within a work item."""
        return any(x is not None and id(x.root) in self.reduced for x in node.axes)

    def _settled(self, nodes: list[Node], known: dict[int, Any]) -> list[Node]:
        """What of these nodes, and those below them, is the same for all turns of the loops within and not known yet."""
        found: dict[int, Node] = {}
        stack, seen = list(nodes), set(known)
        while stack:
            node = stack.pop()
            if id(node) in seen or not self.stages:
                continue
            seen.add(id(node))
            if self._is_inner(node):
                stack.extend(node.nodes)
            elif node.kind in ("map", "input"):
                found[id(node)] = node
        return list(found.values())

    def _ahead(self, nodes: list[Node], offsets: dict[int, Value], known: dict[int, Any]) -> None:
        """Makes known, before the loops within, what does not change in them."""
        for node in self._settled(nodes, known):
            self._value(node, offsets, known)

    def _reduce(
        self,
        turn: list[tuple[Node, Reduction]],
        bases: list[Value],
        known: dict[int, Any],
        stored: tuple[Node, _Array] | None,
    ) -> None:
        b = self.b
        parts = [(node, how, [b.var(v, "acc") for v in how.start(b)]) for node, how in turn]
        heavy = any(n.name in HEAVY for n in _above_reductions([node.args[0] for node, _ in turn]))
        is_cached = turn[0][0] not in self.stages[0]  # what an earlier turn has read
        if (heavy or is_cached) and self.over and all(how.narrow for _, how in turn):
            self._in_blocks(parts, bases, known, stored)
        else:
            with self._within(bases, vector=all(type(how) is Sum for _, how in turn)) as (offsets, place):
                self._step(parts, offsets, place, known, stored)
        for node, how, accs in parts:
            known[_key(node, how)] = how.result([a.get() for a in accs])

    def _step(self, parts: Any, offsets: Any, place: Value, known: dict[int, Any], stored: Any) -> None:
        """One element more for each accumulator."""
        env = dict(known)
        for node, how, accs in parts:
            value = self._value(node.args[0], offsets, env)
            how.step(accs, how.given(value, place, known.get(_first_of(node))))
        if stored is not None and id(stored[0]) in env:
            self._store(stored[1], env[id(stored[0])], offsets)

    def _in_blocks(self, parts: Any, bases: list[Value], known: dict[int, Any], stored: Any) -> None:
        """Sums of blocks in their own type, which then are added in a wider one."""
        b, d = self.b, len(self.over) - 1
        start, stop, _ = self._turns_of(d)
        with self._within(bases, vector=False, turns=(start, stop, BLOCK)) as (offsets, place):
            short = [(node, how, [b.var(b.const(0, "f32"), "part") for _ in accs]) for node, how, accs in parts]
            for _, how, _ in short:
                how.types = ["f32"] * len(how.types)
            first = self.last_index
            with b.loop(ir.minimum(stop - first, b.const(BLOCK, "i64")), vector=True) as i:
                here = {id(a.buffer): offsets[id(a.buffer)] + i * a.strides[self.form.kept + d] for a in self.arrays}
                self._step(short, here, place + i, known, stored)
            for (_, how, accs), (_, _, sums) in zip(parts, short, strict=True):
                how.types = ["f64"] * len(how.types)
                for acc, part in zip(accs, sums, strict=True):
                    acc.add(part.get().cast("f64"))

    def _stored(self, inner: list[_Array]) -> tuple[Node, _Array] | None:
        """A value of the last stage that the output reads again, and that is worth keeping in the output's memory."""
        if len(inner) != 1 or not self.stages or inner[0].node.dtype.name not in ("float32", "float64"):
            return None
        output = inner[0]
        kept, over = self.graph.loops() or ([], [])
        if len({id(a.root) for a in output.node.axes if a is not None}) < len(kept) + len(over):
            return None  # several turns have one element
        again = _above_reductions([output.node])
        for node in reversed(_above_reductions([a for r in self.stages[-1] for a in r.nodes])):
            if node.name in HEAVY and node.dtype == output.node.dtype and any(node is n for n in again):
                return node, output
        return None

    def _by_groups(self) -> None:
        b, size = self.b, self.b.target.group
        with b.groups(self._product(self.kept), size) as (item, lane):
            places = self._unravel(item, self.kept)
            self.place = places[self.form.part] if self.form.part else None
            bases = self._base(places)
            first, stop, _ = self._turns_of(len(self.over) - 1)
            turns = (first + lane, stop, size)
            known: dict[int, Any] = {}
            here = {id(a.buffer): o for a, o in zip(self.arrays, bases, strict=True)}
            for stage in self.stages:
                self._ahead([node.args[0] for node in stage], here, known)
                for turn in _turns(stage, b.target):
                    self._reduce_in_group(turn, bases, known, turns, lane)
            outer, inner = self._split_outputs()
            if outer:
                with b.when(lane.eq(0)):
                    env = dict(known)
                    for a in outer:
                        self._store(a, self._value(a.node, here, env), here)
            if inner:
                self._ahead([a.node for a in inner], here, known)
                with self._within(bases, vector=False, turns=turns) as (offsets, _):
                    env = dict(known)
                    for a in inner:
                        self._store(a, self._value(a.node, offsets, env), offsets)

    def _reduce_in_group(self, turn: Any, bases: list[Value], known: dict[int, Any], turns: Any, lane: Value) -> None:
        """One turn: each work item reduces its share, then the group halves what is left until one is."""
        b, size = self.b, self.b.target.group
        parts = [(node, how, [b.var(v, "acc") for v in how.start(b)]) for node, how in turn]
        with self._within(bases, vector=False, turns=turns) as (offsets, place):
            env = dict(known)
            for node, how, accs in parts:
                value = self._value(node.args[0], offsets, env)
                how.step(accs, how.given(value, place, known.get(_first_of(node))))
        for node, how, accs in parts:
            memories = [b.shared(t, size, "shared") for t in how.types]
            for memory, acc in zip(memories, accs, strict=True):
                memory[lane] = acc.get()
            b.barrier()
            half = size // 2
            while half:
                with b.when(lane < half):
                    mine, other = [[m[lane + at] for m in memories] for at in (0, half)]
                    for memory, v in zip(memories, how.combined(mine, other), strict=True):
                        memory[lane] = v
                b.barrier()
                half //= 2
            known[_key(node, how)] = how.result([m[0] for m in memories])

    def _by_chunks(self) -> None:
        """Pieces of a line, computed the short way or, where an element is `RARE`, the long way.

        Which way is known before the first result is written: it may replace an argument.
        """
        b, last = self.b, self.form.kept - 1
        pieces = (self.kept[-1] + (CHUNK - 1)).idiv(CHUNK)
        with b.work(self._product([*self.kept[:-1], pieces])) as item:
            *places, piece = self._unravel(item, [*self.kept[:-1], pieces])
            start = piece * CHUNK
            width = ir.minimum(self.kept[-1] - start, b.const(CHUNK, "i64"))
            bases = dict(
                enumerate(
                    o + start * a.strides[len(places)] for o, a in zip(self._base(places), self.arrays, strict=True)
                )
            )
            found = b.var(b.const(0, "i32"), "rare")
            with b.loop(width) as j, usual_only(b) as rare:
                self._computed(self._column(bases, j, last))
                needed = [condition.cast("i32") for condition in rare]
                keep_only(b, needed)
                found.set(functools.reduce(operator.or_, needed, found.get()))
            with b.when(found.get().ne(0)) as otherwise, b.loop(width, vector=True) as j:
                self._compute_all(self._column(bases, j, last))
            with otherwise(), b.loop(width, vector=True) as j, usual_only(b):
                self._compute_all(self._column(bases, j, last))

    def _computed(self, offsets: dict[int, Value]) -> list[Any]:
        env: dict[int, Any] = {}
        return [self._value(a.node, offsets, env) for a in self.writes]

    def _compute_all(self, offsets: dict[int, Value]) -> None:
        for a, value in zip(self.writes, self._computed(offsets), strict=True):
            self._store(a, value, offsets)

    def _by_columns(self) -> None:
        b = self.b
        tiles = (self.kept[-1] + (TILE - 1)).idiv(TILE)
        with b.work(self._product([*self.kept[:-1], tiles])) as item:
            *places, tile = self._unravel(item, [*self.kept[:-1], tiles])
            start = tile * TILE
            width = ir.minimum(self.kept[-1] - start, b.const(TILE, "i64"))
            bases = [o + start * a.strides[len(places)] for o, a in zip(self._base(places), self.arrays, strict=True)]
            known: dict[int, tuple[Any, list[Buffer]]] = {}
            settled: dict[int, tuple[Node, Buffer]] = {}
            outer, inner = self._split_outputs()
            stored = self._stored(inner)
            for stage in self.stages:
                self._settle_columns([node.args[0] for node in stage], bases, width, known, settled)
                for turn in _turns(stage, b.target):
                    keeps = stored if stage is self.stages[-1] else None
                    self._reduce_columns(turn, bases, width, known, settled, keeps)
            last = self.form.kept - 1
            if outer:
                with b.loop(width, vector=True) as j:
                    here = self._column(dict(enumerate(bases)), j, last)
                    env = {**self._finished(known, j), **_looked_up(settled, j)}
                    for a in outer:
                        self._store(a, self._value(a.node, here, env), here)
            if inner:
                self._settle_columns([a.node for a in inner], bases, width, known, settled)
                again = _above_reductions([a.node for a in inner])
                heavy = any(n.name in HEAVY for n in again if stored is None or n is not stored[0])
                self._by_rows_of_columns(1 if heavy else UNROLL, inner, bases, width, settled, stored)

    def _by_rows_of_columns(
        self,
        rows: int,
        inner: list[_Array],
        bases: list[Value],
        width: Value,
        settled: dict[int, tuple[Node, Buffer]],
        stored: tuple[Node, _Array] | None,
    ) -> None:
        """Outputs with elements along the columns, so many rows at a time: memory is asked for all of them at once."""
        for turns, count in _by_rows(self.b, self.over[-1], rows):
            with (
                self._within(bases, vector=False, turns=turns) as (offsets, _),
                self.b.loop(width, vector=True) as j,
            ):
                found = []
                for row in range(count):
                    below = {i: offsets[id(a.buffer)] + a.strides[-1] * row for i, a in enumerate(self.arrays)}
                    here, env = self._column(below, j, self.form.kept - 1), _looked_up(settled, j)
                    if stored is not None:
                        env[id(stored[0])] = load(stored[1].buffer, here[id(stored[1].buffer)], stored[0].dtype)
                    found += [(a, self._value(a.node, here, env), here) for a in inner]
                for a, value, here in found:
                    self._store(a, value, here)

    def _column(self, offsets: dict[int, Value], j: Value, d: int) -> dict[int, Value]:
        return {id(a.buffer): offsets[i] + j * a.strides[d] for i, a in enumerate(self.arrays)}

    def _finished(self, known: dict[int, tuple[Any, list[Buffer]]], j: Value) -> dict[int, Any]:
        return {key: how.result([m[j] for m in memories]) for key, (how, memories) in known.items()}

    def _settle_columns(
        self,
        nodes: list[Node],
        bases: list[Value],
        width: Value,
        known: dict[int, tuple[Any, list[Buffer]]],
        settled: dict[int, tuple[Node, Buffer]],
    ) -> None:
        """Puts aside, for each column, what does not change along it: results of reductions and what is made of them."""
        b = self.b
        new = [n for n in self._settled(nodes, settled) if n.kind == "map"]
        new += [n for n in self._read_reductions(nodes) if id(n) not in settled]
        if not new:
            return
        made = {
            id(n): (n, b.private(ir.value_type(memory_type(n.dtype)), TILE * (1 + is_complex(n.dtype)), "settled"))
            for n in new
        }
        with b.loop(width, vector=True) as j:
            here = self._column(dict(enumerate(bases)), j, self.form.kept - 1)
            env = {**self._finished(known, j), **_looked_up(settled, j)}
            for node, memory in made.values():
                store(memory, j, self._value(node, here, env), node.dtype)
        settled |= made

    def _read_reductions(self, nodes: list[Node]) -> list[Node]:
        """Reductions that turns of the loops within read as they are."""
        found: dict[int, Node] = {}
        stack, seen = list(nodes), set()
        while stack:
            node = stack.pop()
            if id(node) not in seen and self._is_inner(node):
                seen.add(id(node))
                found |= {id(a): a for a in node.nodes if a.kind == "reduce"}
                stack.extend(a for a in node.nodes if a.kind != "reduce")
        return list(found.values())

    def _reduce_columns(
        self,
        turn: list[tuple[Node, Reduction]],
        bases: list[Value],
        width: Value,
        known: dict[int, tuple[Any, list[Buffer]]],
        settled: dict[int, tuple[Node, Buffer]],
        stored: tuple[Node, _Array] | None,
    ) -> None:
        b, last = self.b, self.form.kept - 1
        parts = [(node, how, [b.private(t, TILE, "acc") for t in how.types]) for node, how in turn]
        with b.loop(width, vector=True) as j:
            for _, how, memories in parts:
                for memory, v in zip(memories, how.start(b), strict=True):
                    memory[j] = v
        firsts = {key: known[key] for key in (_first_of(node) for node, _ in turn) if key in known}
        for turns, rows in _by_rows(b, self.over[-1], UNROLL):
            with self._within(bases, vector=False, turns=turns) as (offsets, place), b.loop(width, vector=True) as j:
                done = {**self._finished(firsts, j), **_looked_up(settled, j)}
                accs = [[m[j] for m in memories] for _, _, memories in parts]
                for row in range(rows):
                    below = {i: offsets[id(a.buffer)] + a.strides[-1] * row for i, a in enumerate(self.arrays)}
                    here, env = self._column(below, j, last), dict(done)
                    for n, (node, how, _) in enumerate(parts):
                        value = self._value(node.args[0], here, env)
                        accs[n] = how.combined(accs[n], how.given(value, place + row, done.get(_first_of(node))))
                    if stored is not None and id(stored[0]) in env:
                        self._store(stored[1], env[id(stored[0])], here)
                for (_, _, memories), values in zip(parts, accs, strict=True):
                    for memory, v in zip(memories, values, strict=True):
                        memory[j] = v
        for node, how, memories in parts:
            known[_key(node, how)] = (how, memories)

    # -- values ----------------------------------------------------------------------------------------------------

    def _value(self, node: Node, offsets: dict[int, Value], env: dict[int, Any]) -> Any:
        """A node's value at these offsets: a Value or Pair. `env` has those already there."""
        stack = [node]
        while stack:
            top = stack[-1]
            if id(top) in env:
                stack.pop()
            elif missing := [a for a in top.nodes if id(a) not in env]:
                stack.extend(missing)
            else:
                env[id(top)] = self._compute(top, offsets, env)
                stack.pop()
        return env[id(node)]

    def _compute(self, node: Node, offsets: dict[int, Value], env: dict[int, Any]) -> Any:
        if node.kind == "number":
            return self.numbers[id(node)]
        if node.kind == "constant":
            return constant(self.b, node.args[0], node.dtype)
        if node.kind == "input":
            a = self.reads[id(node)]
            return load(a.buffer, offsets[id(a.buffer)], node.dtype)
        if node.kind == "map":
            args = [env[id(a)] if isinstance(a, Node) else a for a in node.args]
            if node.name == "=":
                return args[0]
            short = node.dtype.itemsize <= 2 and id(node) in self.reaching
            with short_results(self.b) if short else contextlib.nullcontext():
                result = apply(node.name, args, next(node.nodes, node))
            return result if node.part is None else result[node.part]
        raise AssertionError(node.kind)

    def _store(self, a: _Array, value: Any, offsets: dict[int, Value]) -> None:
        store(a.buffer, offsets[id(a.buffer)], value, a.node.dtype)


def apply(name: str, args: list[Any], first: Node) -> Any:
    """The scalar formula of an op; `first` is its first operand."""
    formula = SCALAR[name]
    if "storage" in formula.__code__.co_varnames[: formula.__code__.co_argcount + formula.__code__.co_kwonlyargcount]:
        return formula(*args, storage=storage_of(first.dtype))
    return formula(*args)


def constant(b: Builder, number: Any, dtype: np.dtype[Any]) -> Any:
    """A number known when the kernel is made, of a dtype."""
    type = ir.value_type(memory_type(dtype))
    if is_complex(dtype):
        return Pair(b.const(complex(number).real, type), b.const(complex(number).imag, type))
    return b.const(number, type)


def load(buffer: Buffer, index: Value, dtype: np.dtype[Any]) -> Any:
    """An element, or a pair of them."""
    if is_complex(dtype):
        return Pair(buffer[index * 2], buffer[index * 2 + 1])
    return buffer[index]


def store(buffer: Buffer, index: Value, value: Any, dtype: np.dtype[Any]) -> None:
    """Puts an element, or a pair of them."""
    if is_complex(dtype):
        buffer[index * 2] = value.re
        buffer[index * 2 + 1] = value.im
    else:
        buffer[index] = value


def _by_rows(b: Builder, size: Value, rows: int) -> list[tuple[tuple[Value, Value, int], int]]:
    """Turns (start, stop, step) of a loop and how many rows each takes: several, then what is left one by one."""
    zero = b.const(0, "i64")
    if rows == 1:
        return [((zero, size, 1), 1)]
    whole = size - size.irem(rows)
    return [((zero, whole, rows), rows), ((whole, size, 1), 1)]


def _looked_up(settled: dict[int, tuple[Node, Buffer]], j: Value) -> dict[int, Any]:
    """Values put aside for a column."""
    return {key: load(memory, j, node.dtype) for key, (node, memory) in settled.items()}


def has_rare(graph: Graph) -> bool:
    """Whether a graph of maps has `RARE` ones."""
    nodes = graph.ordered()
    rare = any(n.name in RARE and ir.is_float(memory_type(n.dtype)) and n.kind == "map" for n in nodes)
    return rare and all(n.kind != "reduce" for n in nodes)


def keep_only(b: Builder, values: list[Value]) -> None:
    """Drops from the current block what these values do not need."""
    needed, stack = set(), list(values)
    while stack:
        value = stack.pop()
        if id(value) not in needed:
            needed.add(id(value))
            stack.extend(value.args)
    b.block.items = [item for item in b.block.items if id(item) in needed]


# -- reductions --------------------------------------------------------------------------------------------------------


class Reduction:
    """How one kind of reduction accumulates: types of its accumulators, their start, a step, and the result."""

    def __init__(self, node: Node, target: Target) -> None:
        self.node = node
        self.type = ir.value_type(memory_type(node.args[0].dtype))
        self.result_type = ir.value_type(memory_type(node.dtype))
        self.target = target
        self.types = self._types()

    def _types(self) -> list[str]:
        return [self.type]

    @property
    def narrow(self) -> bool:
        """Whether elements may be summed in blocks of their own type first."""
        return False

    def start(self, b: Builder) -> list[Value]:
        """First values of the accumulators."""
        raise NotImplementedError

    def given(self, value: Any, place: Value, earlier: Any) -> list[Value]:
        """What one element adds to the accumulators."""
        return [value]

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        """Accumulators after one more element."""
        raise NotImplementedError

    def step(self, accs: list[Var], given: list[Value]) -> None:
        """As `combined`, for variables."""
        for acc, value in zip(accs, self.combined([a.get() for a in accs], given), strict=True):
            acc.set(value)

    def result(self, accs: list[Value]) -> Any:
        """The node's value of the accumulators."""
        return accs[0].cast(self.result_type)


class Sum(Reduction):
    """Sums; of float32 in float64, so that long sums lose nothing."""

    def _types(self) -> list[str]:
        wide = "f64" if self.type == "f32" and self.target.doubles else self.type
        if self.type in ("b1", "i8", "u8", "i16", "u16", "i32", "u32"):
            wide = self.result_type
        return [wide] * (1 + is_complex(self.node.args[0].dtype))

    @property
    def narrow(self) -> bool:
        return type(self) is Sum and self.type == "f32" and self.types[0] == "f64"

    def start(self, b: Builder) -> list[Value]:
        return [b.const(0, t) for t in self.types]

    def given(self, value: Any, place: Value, earlier: Any) -> list[Value]:
        parts = [value.re, value.im] if isinstance(value, Pair) else [value]
        return [p.cast(t) for p, t in zip(parts, self.types, strict=True)]

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        return [a + g for a, g in zip(accs, given, strict=True)]

    def step(self, accs: list[Var], given: list[Value]) -> None:
        for acc, value in zip(accs, given, strict=True):
            acc.add(value, reassoc=True)

    def result(self, accs: list[Value]) -> Any:
        parts = [a.cast(self.result_type) for a in accs]
        return Pair(*parts) if len(parts) == 2 else parts[0]


class Product(Sum):
    """Products; of float32 in float64."""

    def start(self, b: Builder) -> list[Value]:
        return [b.const(1 - i, t) for i, t in enumerate(self.types)]

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        if len(accs) == 1:
            return [accs[0] * given[0]]
        (a, b), (c, d) = accs, given
        return [a * c - b * d, a * d + b * c]

    def step(self, accs: list[Var], given: list[Value]) -> None:
        Reduction.step(self, accs, given)


class Extreme(Reduction):
    """The greatest or least element. Floats are compared as integers in the same order, nan beyond all numbers."""

    def __init__(self, node: Node, target: Target) -> None:
        self.greatest = node.name in ("amax", "argmax")
        super().__init__(node, target)

    def _types(self) -> list[str]:
        return [{"f32": "i32", "f64": "i64", "b1": "i32"}.get(self.type, self.type)]

    def _bound(self, greatest: bool) -> int:
        width, signed = ir.bits(self.types[0]), ir.is_signed(self.types[0])
        if greatest:
            return (1 << (width - signed)) - 1
        return -(1 << (width - 1)) if signed else 0

    def start(self, b: Builder) -> list[Value]:
        return [b.const(self._bound(not self.greatest), self.types[0])]

    def given(self, value: Any, place: Value, earlier: Any) -> list[Value]:
        return [self.key(value)]

    def key(self, value: Value) -> Value:
        """An integer in the order of the elements."""
        if not ir.is_float(self.type):
            return value.cast(self.types[0])
        bits = value.bitcast(self.types[0])
        width = ir.bits(self.types[0])
        ordered = bits ^ ((bits >> (width - 1)) & ((1 << (width - 1)) - 1))
        return value.ne(value).select(self._bound(self.greatest), ordered)

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        acc, value = accs[0], given[0]
        return [(value > acc if self.greatest else value < acc).select(value, acc)]

    def result(self, accs: list[Value]) -> Any:
        key = accs[0]
        if not ir.is_float(self.type):
            return key.ne(0) if self.type == "b1" else key
        width = ir.bits(self.types[0])
        number = (key ^ ((key >> (width - 1)) & ((1 << (width - 1)) - 1))).bitcast(self.type)
        return key.eq(self._bound(self.greatest)).select(math.nan, number)


class ExtremeKey(Extreme):
    """First of two turns to the place of an extreme: its key."""

    def key(self, value: Value) -> Value:
        return super().key(value + 0.0 if ir.is_float(self.type) else value)  # -0.0 + 0.0 is 0.0: they are one number

    def result(self, accs: list[Value]) -> Any:
        return accs[0]


class ExtremePlace(ExtremeKey):
    """Second turn: the first place with that key."""

    def _types(self) -> list[str]:
        self.key_types = super()._types()
        return ["i64"]

    def start(self, b: Builder) -> list[Value]:
        return [b.const((1 << 63) - 1, "i64")]

    def given(self, value: Any, place: Value, earlier: Any) -> list[Value]:
        self.types, types = self.key_types, self.types
        key = self.key(value)
        self.types = types
        return [key.eq(earlier).select(place, place.b.const((1 << 63) - 1, "i64"))]

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        return [(given[0] < accs[0]).select(given[0], accs[0])]


class Truth(Reduction):
    """Whether any, or all, elements are true."""

    def _types(self) -> list[str]:
        return ["i32"]

    def start(self, b: Builder) -> list[Value]:
        return [b.const(self.node.name == "all", "i32")]

    def given(self, value: Any, place: Value, earlier: Any) -> list[Value]:
        true = (
            value.re.ne(0) | value.im.ne(0) if isinstance(value, Pair) else value if value.type == "b1" else value.ne(0)
        )
        return [true.cast("i32")]

    def combined(self, accs: list[Value], given: list[Value]) -> list[Value]:
        return [accs[0] & given[0] if self.node.name == "all" else accs[0] | given[0]]

    def result(self, accs: list[Value]) -> Any:
        return accs[0].ne(0).cast(self.result_type)


_PLACE = (ExtremeKey, ExtremePlace)
TURNS: dict[str, tuple[Callable[[Node, Target], Reduction], ...]] = dict(
    zip(REDUCTIONS, [(Sum,), (Product,), (Extreme,), (Extreme,), _PLACE, _PLACE, (Truth,), (Truth,)], strict=True)
)
"""The turns over its elements that each kind of reduction takes."""


def _above_reductions(nodes: list[Node]) -> list[Node]:
    """Nodes that these are computed from within one turn, each after its arguments: reductions are known by then."""
    found: dict[int, Node] = {}

    def visit(node: Node) -> None:
        if id(node) not in found and node.kind != "reduce":
            for part in node.nodes:
                visit(part)
            found[id(node)] = node

    for node in nodes:
        visit(node)
    return list(found.values())


def _turns(stage: list[Node], target: Target) -> Iterator[list[tuple[Node, Reduction]]]:
    """Turns of a stage, each with the reductions that take part in it."""
    for n in range(max(len(TURNS[node.name]) for node in stage)):
        yield [(node, TURNS[node.name][n](node, target)) for node in stage if len(TURNS[node.name]) > n]


def _key(node: Node, how: Reduction) -> int:
    """Where a turn's result is kept: a first turn's of two beside the node's own."""
    return _first_of(node) if type(how) is ExtremeKey else id(node)


def _first_of(node: Node) -> int:
    return -id(node)
