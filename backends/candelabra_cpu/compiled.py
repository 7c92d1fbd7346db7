# SPDX-License-Identifier: Apache-2.0
"""Ops as compiled kernels on NumPy arrays: maps, reductions, and bodies made of both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from candelabra._shape import Shape, contiguous_strides
from candelabra.compiler import definitions
from candelabra.compiler.plan import Call, Formula, Launch
from candelabra.compiler.trace import UntraceableError, is_parameter
from candelabra.op import Op, ops

from .compile import compiled, target

MOST_CALLS = 4096
"""Calls of an op whose plans are kept."""

Array = np.ndarray[Any, Any]


class Compiled:
    """The kernel of an op by its formula. Called with the op's kernel arguments, arrays among them.

    Args:
        other: computes what a formula cannot say: bodies that are more than maps and reductions over one set of axes.
        empty: makes uninitialized arrays.
    """

    def __init__(self, op: str | Op, other: Callable[..., Any], empty: Callable[..., Array] = np.empty) -> None:
        self.op = ops[op] if isinstance(op, str) else op
        numbers = {i for i in range(len(self.op.kernel_params)) if is_parameter(self.op, i)}
        self.has_numbers = bool(numbers)
        self.operands = frozenset(self.op.operands) | numbers
        self.other = other
        self.empty = empty
        self.formula = Formula(self.op, target())
        self.calls: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        return self._run(None, args)

    def into(self, outs: Sequence[Array | None], *args: Any) -> Any:
        """As a call, with results written into arrays: of their shapes and dtypes, each in the memory of an operand that
        has the same strides, or in none's. None for results that want memory of their own.
        """
        return self._run(tuple(outs), args)

    def _run(self, outs: tuple[Array | None, ...] | None, args: tuple[Any, ...]) -> Any:
        operands = self.operands
        key = (
            outs and tuple([o if o is None else o.strides for o in outs]),
            *[
                (a.shape, a.strides, a.dtype)
                if type(a) is np.ndarray
                else type(a)
                if i in operands and a is not None  # a number, which kernels take as a parameter
                else (type(a), a)
                for i, a in enumerate(args)
            ],
        )
        run: Any
        try:
            run = self.calls[key]
        except KeyError:
            if len(self.calls) >= MOST_CALLS:
                self.calls.clear()
            run = self.calls[key] = self.prepare(outs, *args)
        except TypeError:  # an attribute that cannot be a key
            run = self.prepare(outs, *args)
        if self.has_numbers and type(run) is _Planned and not run.call.trace.holds((run.call.shapes, args)):
            run = self.calls[key] = self.prepare(outs, *args)
        return run(*args) if outs is None or type(run) is not _Planned else run.into(outs, args)

    def prepare(self, outs: tuple[Array | None, ...] | None, *args: Any) -> Any:
        """A function for arguments of these shapes, strides, dtypes and attributes."""
        described = [(a.shape, a.dtype, steps(a)) if type(a) is np.ndarray else None for a in args]
        try:
            call = self.formula.call(described, args, outs and [o if o is None else steps(o) for o in outs])
        except UntraceableError:
            return self.other
        return _Planned(call, args, self.empty)


def _no_formula(*args: Any) -> Any:
    raise UntraceableError("compiled: this call has no formula")


@functools.cache
def fused(name: str) -> Compiled:
    """The compiled kernel of an op, or of a definition for the compiler alone; raises where it has no formula."""
    return Compiled(getattr(definitions, name, None) or name, _no_formula)


def steps(array: Array) -> Shape:
    """Strides in elements."""
    size = array.itemsize
    return tuple([s // size for s in array.strides])


def strided(empty: Callable[..., Array], shape: Shape, dtype: Any, strides: Shape | None) -> Array:
    """Fresh memory for elements with these strides, which are dense in some order; row-major for None."""
    if strides is None:
        return empty(shape, dtype)
    order = sorted(range(len(shape)), key=lambda d: -strides[d])
    return empty(tuple([shape[d] for d in order]), dtype).transpose([order.index(d) for d in range(len(shape))])


class _Planned:
    """A planned call as a function of the op's kernel arguments."""

    __slots__ = (
        "call",
        "complex",
        "empty",
        "first",
        "integers",
        "is_tuple",
        "parts",
        "places",
        "run",
        "run_first",
        "simple",
        "specs",
    )

    def __init__(self, call: Call, args: tuple[Any, ...], empty: Callable[..., Array]) -> None:
        launch, graph = call.launch, call.trace.graph
        self.call = call
        self.empty = empty
        self.run = _runner(launch)
        self.integers = launch.integers
        self.specs = _specs(launch)
        self.places = [i for i, a in enumerate(args) if type(a) is np.ndarray]
        self.complex = [node.dtype.kind == "c" for node in graph.numbers]
        self.is_tuple = call.trace.is_tuple
        self.first = launch.first
        self.run_first = _runner(launch.first) if launch.first is not None else None
        self.parts = _specs(launch.first) if launch.first is not None else []
        is_simple = not graph.numbers and len(self.specs) == 1 and not self.is_tuple and launch.first is None
        self.simple = self.specs[0] if is_simple else None

    def __call__(self, *args: Any) -> Any:
        if self.simple is not None:
            out = strided(self.empty, *self.simple)
            self.run([*[args[i] for i in self.places], out, *self.integers])
            return out
        outs = [strided(self.empty, *spec) for spec in self.specs]
        self._launch(args, outs)
        return tuple(outs) if self.is_tuple else outs[0]

    def into(self, outs: Sequence[Array | None], args: tuple[Any, ...]) -> Any:
        """As a call, into arrays; None for those to be made."""
        made = [strided(self.empty, *spec) if o is None else o for o, spec in zip(outs, self.specs, strict=True)]
        self._launch(args, made)
        return tuple(made) if self.is_tuple else made[0]

    def _launch(self, args: tuple[Any, ...], outs: list[Array]) -> None:
        arrays = [args[i] for i in self.places]
        numbers: list[Any] = []
        for value, by_parts in zip(self.call.numbers(args), self.complex, strict=True):
            numbers += [complex(value).real, complex(value).imag] if by_parts else [value]
        if self.run_first is not None and self.first is not None:
            partial = [strided(self.empty, *spec) for spec in self.parts]
            self.run_first([*arrays, *partial, *numbers, *self.first.integers])
            arrays += partial
        self.run([*arrays, *outs, *numbers, *self.integers])


def _runner(launch: Launch) -> Callable[..., None]:
    each = max(launch.elements // max(launch.count, 1), 1)
    return functools.partial(compiled(launch.kernel).run, count=launch.count, each=each)


def _specs(launch: Launch) -> list[tuple[Shape, Any, Shape | None]]:
    """Shape, dtype and strides of each output; None for row-major ones."""
    return [
        (shape, node.dtype, strides if strides != contiguous_strides(shape) else None)
        for shape, strides, node in zip(launch.shapes, launch.strides, launch.outputs, strict=True)
    ]
