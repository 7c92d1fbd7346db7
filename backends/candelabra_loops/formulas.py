# SPDX-License-Identifier: Apache-2.0
"""Formulas that host functions write themselves, as graphs: the compiler makes their kernels as it does those of bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape
from candelabra.compiler.compiled import MOST_CALLS
from candelabra.compiler.graph import Axis, Graph, Node, join_axes
from candelabra.compiler.ir import Target
from candelabra.compiler.plan import Launch, Planner

from .backend import Look
from .elements import parts
from .places import given


def mapped(name: str, *args: Node) -> Node:
    """A pointwise op of nodes that broadcast."""
    first = next(a for a in args if a.kind != "number") if any(a.kind != "number" for a in args) else args[0]
    return Node("map", name, args, first.dtype, join_axes(a.axes for a in args))


def summed(node: Node, over: Sequence[Axis]) -> Node:
    """Sum over axes, whose dims are kept with size 1."""
    axes = tuple(None if a in over else a for a in node.axes)
    return Node("reduce", "sum", (node,), node.dtype, axes, tuple(over))


def array(graph: Graph, dtype: np.dtype[Any], axes: Sequence[Axis | None]) -> Node:
    """A further input of a formula."""
    node = Node("input", f"in{len(graph.inputs)}", (), dtype, tuple(axes))
    graph.inputs.append(node)
    return node


def number(name: str, dtype: np.dtype[Any]) -> Node:
    """A number given with each call."""
    return Node("number", name, (), dtype, ())


class Program:
    """A formula's kernels for one target; `outputs` of the graph are complete."""

    def __init__(self, graph: Graph, target: Target) -> None:
        graph.numbers = [n for n in graph.ordered() if n.kind == "number"]
        self.graph = graph
        self.planner = Planner(graph, target)
        self.plans: dict[Any, Launch] = {}

    def run(
        self, backend: Any, looks: Sequence[Look], shapes: Sequence[Shape], numbers: Mapping[str, float]
    ) -> list[Look]:
        """Results of these shapes."""
        key = (tuple((look.shape, look.steps) for look in looks), tuple(shapes))
        launch = self.plans.get(key)
        if launch is None:
            if len(self.plans) >= MOST_CALLS:
                self.plans.clear()
            launch = self.planner.launch([look.shape for look in looks], [look.steps for look in looks], shapes)
            self.plans[key] = launch
        values = [numbers[n.name] for n in self.graph.numbers]
        if launch.first is not None:
            looks = [*looks, *_launched(backend, launch.first, looks, values)]
        return _launched(backend, launch, looks, values)


def _launched(backend: Any, launch: Launch, looks: Sequence[Look], numbers: Sequence[float]) -> list[Look]:
    index = looks[0].index
    outs = []
    for shape, steps, node in zip(launch.shapes, launch.strides, launch.outputs, strict=True):
        outs.append(backend.fresh(shape, node.dtype, index))
        outs[-1].steps = steps
    arrays = [given(look, parts(look.dtype)) for look in (*looks, *outs)]
    backend.launch(launch.kernel, launch.count, [*arrays, *numbers, *launch.integers], index)
    return outs
