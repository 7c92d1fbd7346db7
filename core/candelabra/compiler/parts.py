# SPDX-License-Identifier: Apache-2.0
"""A graph as several that run one after the other, so that many work items share what few results are reduced from.

Each stage of reductions becomes two graphs: reductions of parts along an axis of their own, and of their results. What is
left at the end, maps over all elements or of the last results, is one more, or joins the last reductions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Axis, Graph, Node

WIDE = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}
"""Dtypes in which sums and products of parts are kept."""

EXTREME = {"argmax": "amax", "argmin": "amin"}


@dataclass(frozen=True)
class Step:
    """One of the graphs.

    Attributes:
        graph: reads the inputs, and after them all that the steps before gave.
        axis: counts the parts it reduces; None where it reduces no parts.
    """

    graph: Graph
    axis: Axis | None = None


def in_steps(graph: Graph) -> list[Step]:
    """A graph with reductions as steps; the last one gives its outputs."""
    steps: list[Step] = []
    inputs, known = list(graph.inputs), dict[int, Node]()
    reductions = [n for n in graph.ordered() if n.kind == "reduce"]

    def given(like: Node) -> Node:
        inputs.append(Node("input", f"in{len(inputs)}", (), like.dtype, like.axes))
        return inputs[-1]

    while reductions:
        ready = [n for n in reductions if all(b.kind != "reduce" or id(b) in known for b in below(n))]
        reductions = [n for n in reductions if n not in ready]
        axis = Axis()
        parts = {id(n): _parts(n, axis, known) for n in ready}
        step = Graph(f"{graph.name}_parts", list(inputs), graph.numbers, [p for n in ready for p in parts[id(n)]])
        steps.append(Step(step, axis))
        known |= {id(n): _joined(n, axis, [given(p) for p in parts[id(n)]]) for n in ready}
        if reductions or not is_kept(graph):
            joined = Graph(f"{graph.name}_joined", list(inputs), graph.numbers, [known[id(n)] for n in ready])
            steps.append(Step(joined))
            known |= {id(n): given(n) for n in ready}
    return [*steps, Step(Graph(graph.name, list(inputs), graph.numbers, _replaced(graph.outputs, known)))]


def is_kept(graph: Graph) -> bool:
    """Whether no output has elements along what is reduced."""
    inner = {id(a.root) for n in graph.ordered() if n.kind == "reduce" for a in n.over}
    return all(a is None or id(a.root) not in inner for o in graph.outputs for a in o.axes)


def is_one_stage(graph: Graph) -> bool:
    """Whether no reduction needs another's result, and no output elements along what is reduced."""
    reductions = [n for n in graph.ordered() if n.kind == "reduce"]
    return is_kept(graph) and all(b.kind != "reduce" for n in reductions for b in below(n))


def below(node: Node) -> list[Node]:
    """Nodes that a node is computed from."""
    return Graph("", outputs=list(node.nodes)).ordered()


def _parts(node: Node, axis: Axis, known: dict[int, Node]) -> list[Node]:
    """Reductions of parts of what a node reduces: of places, the extremes at them, too."""
    args = _replaced(node.args, known)
    over = {id(a.root) for a in node.over}
    axes = (*[a for a in args[0].axes if a is not None and id(a.root) not in over], axis)
    dtype = np.dtype(WIDE.get(node.dtype.name, node.dtype)) if node.name in ("sum", "prod") else node.dtype
    parts = [Node("reduce", node.name, tuple(args), dtype, axes, node.over)]
    if node.name in EXTREME:
        parts.append(Node("reduce", EXTREME[node.name], tuple(args), args[0].dtype, axes, node.over))
    return parts


def _joined(node: Node, axis: Axis, parts: list[Node]) -> Node:
    """A node of what its parts came to."""
    if node.name not in EXTREME:
        return Node("reduce", node.name, (parts[0],), node.dtype, node.axes, (axis,))
    places, values = parts
    truth, none = np.dtype(bool), Node("constant", "", (np.iinfo(places.dtype).max,), places.dtype, ())
    # In the axes of the parts, without the one that counts them: the node's own may have dims of 1 in between.
    best = Node("reduce", EXTREME[node.name], (values,), values.dtype, (*values.axes[:-1], None), (axis,))
    nans = [Node("map", "isnan", (v,), truth, v.axes) for v in (values, best)]
    both = Node("map", "bitwise_and", tuple(nans), truth, values.axes)
    same = Node("map", "eq", (values, best), truth, values.axes)
    holds = Node("map", "bitwise_or", (same, both), truth, values.axes)
    first = Node("map", "where", (holds, places, none), places.dtype, places.axes)
    return Node("reduce", "amin", (first,), node.dtype, node.axes, (axis,))


def _replaced(values: Iterable[Any], known: dict[int, Node]) -> list[Any]:
    """Nodes with others in place of some below them; what is no node stays."""
    values, fresh = list(values), dict(known)
    for node in Graph("", outputs=[v for v in values if isinstance(v, Node)]).ordered():
        if node.kind == "map" and id(node) not in fresh:
            args = tuple(fresh.get(id(a), a) if isinstance(a, Node) else a for a in node.args)
            fresh[id(node)] = dataclasses.replace(node, args=args)
    return [fresh.get(id(v), v) if isinstance(v, Node) else v for v in values]
