# SPDX-License-Identifier: Apache-2.0
"""Ops as compiled kernels on NumPy arrays: maps, reductions, and bodies made of both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape
from candelabra.compiler import definitions
from candelabra.compiler.compiled import CompiledOp, Spec, no_formula
from candelabra.compiler.plan import Launch
from candelabra.op import Op

from .compile import compiled, target
from .memory import empty

Array = np.ndarray[Any, Any]


class Compiled(CompiledOp):
    """The kernel of an op by its formula, on arrays."""

    handle_type = np.ndarray

    def __init__(self, op: str | Op, other: Callable[..., Any] = no_formula) -> None:
        super().__init__(op, target(), other)

    def layout(self, handle: Array) -> Any:
        return handle.shape, handle.strides, handle.dtype

    def strides(self, handle: Array) -> Shape:
        return steps(handle)

    def fresh(self, spec: Spec, like: Array) -> Array:
        shape, dtype, strides = spec
        if strides is None:
            return empty(shape, dtype)
        order = sorted(range(len(shape)), key=lambda d: -strides[d])
        return empty(tuple([shape[d] for d in order]), dtype).transpose([order.index(d) for d in range(len(shape))])

    def runner(self, launch: Launch) -> Callable[[Sequence[Any], Any], None]:
        each = max(launch.elements // max(launch.count, 1), 1)
        run, count = compiled(launch.kernel).run, launch.count
        return lambda args, like: run(args, count, each)


@functools.cache
def fused(name: str) -> Compiled:
    """The compiled kernel of an op, or of a definition for the compiler alone; raises where it has no formula."""
    return Compiled(getattr(definitions, name, None) or name)


def steps(array: Array) -> Shape:
    """Strides in elements."""
    size = array.itemsize
    return tuple([s // size for s in array.strides])
