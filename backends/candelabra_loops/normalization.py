# SPDX-License-Identifier: Apache-2.0
"""Normalisation: one formula over dims into which both the result and the view for its statistics split."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from candelabra._shape import Shape, contiguous_strides
from candelabra.compiler.graph import Axis, Graph
from candelabra.compiler.ir import Target

from ._kernel import kernel
from .backend import Look
from .creation import filled
from .formulas import Program, array, mapped, number, summed
from .places import reshaped, seen

Kinds = tuple[tuple[bool, bool], ...]
"""Of each dim: whether statistics run over it, whether weight and bias move along it."""


@functools.lru_cache(maxsize=256)
def program(kinds: Kinds, has_weight: bool, has_bias: bool, dtype: np.dtype[Any], target: Target) -> Program:
    """Result, mean and variance."""
    graph = Graph("standardize")
    axes = [Axis() for _ in kinds]
    over = [a for a, (is_reduced, _) in zip(axes, kinds, strict=True) if is_reduced]
    affine = [a if moves else None for a, (_, moves) in zip(axes, kinds, strict=True)]
    x = array(graph, dtype, axes)
    weight = array(graph, dtype, affine) if has_weight else None
    bias = array(graph, dtype, affine) if has_bias else None
    count, eps = number("count", dtype), number("eps", dtype)
    mean = mapped("true_divide", summed(x, over), count)
    apart = mapped("sub", x, mean)
    # A mean is rounded: what is left of it is taken out of the variance and the result.
    rest = mapped("true_divide", summed(apart, over), count)
    square = mapped("true_divide", summed(mapped("mul", apart, apart), over), count)
    var = mapped("sub", square, mapped("mul", rest, rest))
    scale = mapped("reciprocal", mapped("sqrt", mapped("add", var, eps)))
    out = mapped("mul", mapped("sub", apart, rest), scale)
    out = out if weight is None else mapped("mul", out, weight)
    out = out if bias is None else mapped("add", out, bias)
    graph.outputs = [out, mean, var]
    return Program(graph, target)


def refined(one: Shape, other: Shape) -> list[int] | None:
    """Sizes whose neighbours multiply to those of both shapes, which have as many elements; None where there are none."""
    found: list[int] = []
    a, b = [n for n in one if n != 1], [n for n in other if n != 1]
    while a and b:
        size = min(a[0], b[0])
        if a[0] % size or b[0] % size:
            return None
        found.append(size)
        for rest in (a, b):
            rest[0] //= size
            if rest[0] == 1:
                rest.pop(0)
    return found


def belonging(shape: Shape, sizes: Sequence[int]) -> list[int]:
    """For each of the refined sizes the dim of the shape that it is a part of."""
    found, dim, left = [], -1, 1
    for size in sizes:
        while left == 1:
            dim += 1
            left = shape[dim]
        left //= size
        found.append(dim)
    return found


def joined(sizes: Sequence[int], kinds: Kinds) -> tuple[list[int], Kinds]:
    """Neighbours of one kind as one dim."""
    out: list[int] = []
    found: list[tuple[bool, bool]] = []
    for size, kind in zip(sizes, kinds, strict=True):
        if found and found[-1] == kind:
            out[-1] *= size
        else:
            out.append(size)
            found.append(kind)
    return out, tuple(found)


class Layout(NamedTuple):
    """How a call's arrays are looked at.

    Attributes:
        sizes: of the dims of the formula; `affine`: of weight and bias in them; `kept`: of the statistics.
        statistics: shape of mean and variance in the view.
        terms: elements that each statistic is of.
    """

    sizes: Shape
    kinds: Kinds
    affine: Shape
    kept: Shape
    statistics: Shape
    terms: float


@functools.lru_cache(maxsize=1024)
def layout(shape: Shape, view_size: Shape, dim: Shape, affine_size: Shape) -> Layout | None:
    """The layout of a call; None where input and view do not split into common dims."""
    sizes = refined(shape, view_size)
    if sizes is None:
        return None
    affine = (*(1,) * (len(shape) - len(affine_size)), *affine_size)
    of_view, of_input = belonging(view_size, sizes), belonging(shape, sizes)
    kinds = tuple((v in dim, affine[i] != 1) for v, i in zip(of_view, of_input, strict=True))
    sizes, kinds = joined(sizes, kinds)
    moving = tuple(n if moves else 1 for n, (_, moves) in zip(sizes, kinds, strict=True))
    kept = tuple(1 if over else n for n, (over, _) in zip(sizes, kinds, strict=True))
    statistics = tuple(1 if i in dim else n for i, n in enumerate(view_size))
    return Layout(tuple(sizes), kinds, moving, kept, statistics, float(math.prod(view_size[i] for i in dim)))


@kernel
def standardize(
    backend: Any,
    input: Look,
    weight: Look | None,
    bias: Look | None,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> tuple[Look, Look, Look]:
    if not input.size:
        statistics = tuple(1 if i in dim else n for i, n in enumerate(view_size))
        out = backend.fresh(input.shape, input.dtype, input.index)
        mean, var = (filled(backend, statistics, math.nan, input.dtype, input.index) for _ in range(2))
        return out, mean, var
    plan = layout(input.shape, tuple(view_size), tuple(dim), tuple(affine_size))
    if plan is None:
        return _in_two(backend, input, weight, bias, view_size, dim, affine_size, eps)
    looks = [reshaped(backend, input, plan.sizes)]
    looks += [reshaped(backend, a, plan.affine) for a in (weight, bias) if a is not None]
    made = program(plan.kinds, weight is not None, bias is not None, input.dtype, backend.target)
    numbers = {"count": plan.terms, "eps": eps}
    out, mean, var = made.run(backend, looks, [plan.sizes, plan.kept, plan.kept], numbers)
    steps = contiguous_strides(plan.statistics)
    mean, var = (seen(look, plan.statistics, steps) for look in (mean, var))
    return seen(out, input.shape, contiguous_strides(input.shape)), mean, var


def _in_two(
    backend: Any,
    input: Look,
    weight: Look | None,
    bias: Look | None,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> tuple[Look, Look, Look]:
    """Standardised in the view first, then scaled and shifted in the shape of the input."""
    from candelabra._dtype import from_numpy_dtype

    view = reshaped(backend, input, view_size)
    out, mean, var = standardize(backend, view, None, None, view_size, dim, (), eps)
    out = reshaped(backend, out, input.shape)
    dtype = from_numpy_dtype(input.dtype)
    for name, operand in (("mul", weight), ("add", bias)):
        if operand is not None:
            out = backend.kernel(name, dtype)(out, reshaped(backend, operand, affine_size))
    return out, mean, var
