# SPDX-License-Identifier: Apache-2.0
"""Formulas as graphs: maps of elements and reductions over axes, from inputs to outputs; independent of sizes.

An axis is a loop. Each node has one for each of its dims, None where its size is 1. Dims that meet in a map are one axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TYPES = {
    "bool": "b1", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16", "int32": "i32", "uint32": "u32",
    "int64": "i64", "uint64": "u64", "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64",
    "complex64": "f32", "complex128": "f64",
}  # fmt: skip
"""Type in memory by dtype; of each part for complex ones. All others are bytes."""


REDUCTIONS = ("sum", "prod", "amax", "amin", "argmax", "argmin", "any", "all")
"""Ops that are reductions of a graph."""


PROPORTIONAL = frozenset(["mul", "true_divide", "neg", "abs", "square", "sqrt", "rsqrt", "reciprocal", "cast", "="])
"""Maps whose results are relatively as exact as their operands, to a small factor."""


def memory_type(dtype: np.dtype[Any]) -> str:
    """Type in memory of elements, or of their parts."""
    return TYPES.get(dtype.name, "u8")


def storage_of(dtype: np.dtype[Any]) -> str:
    """What formulas call the elements of a dtype: their type in memory, or the dtype's name for float8 and the like."""
    return TYPES.get(dtype.name, dtype.name)


def is_complex(dtype: np.dtype[Any]) -> bool:
    """Whether elements are pairs."""
    return dtype.kind == "c"


class Axis:
    """A loop. Axes that turn out to be one point to their common root."""

    __slots__ = ("parent",)

    def __init__(self) -> None:
        self.parent: Axis | None = None

    @property
    def root(self) -> Axis:
        """The axis that stands for all that are one with this."""
        here = self
        while here.parent is not None:
            here = here.parent
        return here

    def join(self, other: Axis) -> None:
        """From now on both are one."""
        one, two = self.root, other.root
        if one is not two:
            two.parent = one


Axes = tuple[Axis | None, ...]


@dataclass(eq=False)
class Node:
    """One value of a formula.

    Attributes:
        kind: `input`, `number` (a parameter of one element), `constant`, `map` or `reduce`.
        name: op of a map, kind of a reduction, name of a parameter.
        args: nodes, and Python values that a map's formula takes, in its order.
        dtype: of its elements.
        axes: one for each dim.
        over: axes a reduction runs over.
        part: which result of a map with several.
    """

    kind: str
    name: str
    args: tuple[Any, ...]
    dtype: np.dtype[Any]
    axes: Axes
    over: tuple[Axis, ...] = ()
    part: int | None = None

    @property
    def nodes(self) -> Iterator[Node]:
        """Nodes among its arguments."""
        return (a for a in self.args if isinstance(a, Node))


@dataclass(eq=False)
class Graph:
    """A formula.

    Attributes:
        inputs: arrays it reads, in order; `numbers` likewise.
        outputs: what it gives.
    """

    name: str
    inputs: list[Node] = field(default_factory=list)
    numbers: list[Node] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)

    def __str__(self) -> str:
        """The formula as text, one node a line; equal formulas give equal text."""
        names: dict[int, str] = {}
        loops: dict[int, str] = {}

        def dims(axes: Iterable[Axis | None]) -> str:
            found = ["1" if a is None else loops.setdefault(id(a.root), f"i{len(loops)}") for a in axes]
            return f"[{', '.join(found)}]"

        lines = []
        for node in [*self.inputs, *(n for n in self.ordered() if n.kind != "input")]:
            name = names[id(node)] = node.name if node.kind in ("input", "number") else f"%{len(names)}"
            args = ", ".join(names[id(a)] if isinstance(a, Node) else repr(a) for a in node.args if not callable(a))
            part = "" if node.part is None else f".{node.part}"
            over = f" over {dims(node.over)}" if node.over else ""
            what = f"{node.kind}" if node.kind in ("input", "number", "constant") else f"{node.name}{part}"
            lines.append(f"{name}{dims(node.axes)} = {what}({args}){over} {node.dtype.name}")
        return "\n".join([*lines, f"return {', '.join(names[id(o)] for o in self.outputs)}"])

    def reaching(self) -> frozenset[int]:
        """Ids of nodes whose relative errors are those of the outputs: nothing is added to them or taken from them."""
        order = self.ordered()
        found = {id(node) for node in order}
        for node in reversed(order):  # after all that read it
            if id(node) not in found or node.kind != "map" or node.name not in PROPORTIONAL:
                found.difference_update(id(operand) for operand in node.nodes)
        return frozenset(found)

    def ordered(self) -> list[Node]:
        """Its nodes, each after its arguments."""
        found: dict[int, Node] = {}
        stack: list[tuple[Node, bool]] = [(o, False) for o in reversed(self.outputs)]
        while stack:
            node, done = stack.pop()
            if done:
                found.setdefault(id(node), node)
            elif id(node) not in found:
                stack.append((node, True))
                stack.extend((a, False) for a in node.nodes)
        return list(found.values())

    def loops(self) -> tuple[list[Axis], list[Axis]] | None:
        """(axes kept, axes reduced), outermost first; None where reductions run over different axes.

        The order is that of the dims of the first node that has them, the outputs first. Inputs that nothing reads have
        no say.
        """
        nodes = self.ordered()
        sets = {frozenset(id(a.root) for a in node.over) for node in nodes if node.kind == "reduce"}
        if len(sets) > 1:  # that of a dim of size 1 is empty, and another one, too
            return None
        reduced = next(iter(sets), frozenset())
        axes: dict[int, Axis] = {}
        for node in sorted([*self.outputs, *nodes], key=lambda n: -len(n.axes)):
            roots = [a.root for a in node.axes if a is not None]
            if len({id(r) for r in roots}) != len(roots):
                return None  # two dims of one array in step: a diagonal, which strides of axes cannot say
            for root in roots:
                axes.setdefault(id(root), root)
        kept = [a for i, a in axes.items() if i not in reduced]
        over_axes = [a for i, a in axes.items() if i in reduced]
        if len(over_axes) != len(reduced):
            return None
        return kept, over_axes


def join_axes(shapes: Iterable[Axes]) -> Axes:
    """Axes of the result of a map: dims count from the back, and those that meet become one."""
    shapes = list(shapes)
    ndim = max((len(s) for s in shapes), default=0)
    found: list[Axis | None] = [None] * ndim
    for axes in shapes:
        for i, axis in enumerate(reversed(axes)):
            known = found[ndim - 1 - i]
            if known is None:
                found[ndim - 1 - i] = axis
            elif axis is not None:
                known.join(axis)
    return tuple(found)


def coalesced(sizes: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Loops with as few dims as do: those of size 1 go, neighbours that are one run in every array become one.

    Args:
        sizes: of the dims, outermost first.
        strides: for each array, its stride in each dim, in elements; 0 where it has no such dim.

    Returns:
        (sizes, strides for each array)
    """
    out_sizes: list[int] = []
    out: list[list[int]] = [[] for _ in strides]
    for d, size in enumerate(sizes):
        if size == 1:
            continue
        if out_sizes and all(o[-1] == s[d] * size for o, s in zip(out, strides, strict=True)):
            out_sizes[-1] *= size
            for o, s in zip(out, strides, strict=True):
                o[-1] = s[d]
        else:
            out_sizes.append(size)
            for o, s in zip(out, strides, strict=True):
                o.append(s[d])
    return out_sizes, out
