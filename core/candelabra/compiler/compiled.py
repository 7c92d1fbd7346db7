# SPDX-License-Identifier: Apache-2.0
"""Compiled ops: an op's formula as a kernel of a backend, called with handles. A backend says how memory comes and goes.

What shapes, strides, dtypes and attributes decide of a call is worked out once and kept; then a call is a look-up, fresh
memory for the results, and a launch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from .._shape import Shape, contiguous_strides
from ..op import Op, ops
from .ir import Target
from .plan import Call, Formula, Launch
from .trace import UntraceableError, is_parameter

MOST_CALLS = 4096
"""Calls of an op whose plans are kept."""

OPERANDS, ATTRIBUTES = frozenset([int, float, complex]), frozenset([int, float])
"""Types of numbers that kernels take as parameters, so that no plan depends on their values but by guards."""

Spec = tuple[Shape, Any, Shape | None]
"""Shape, dtype and strides of a result; None for row-major ones."""


def no_formula(*args: Any) -> Any:
    """What is called instead where a compiled op must have a formula."""
    raise UntraceableError("compiled: this call has no formula")


class CompiledOp(ABC):
    """The kernel of an op by its formula. Called with the op's kernel arguments, handles among them.

    Args:
        op: by name, or an op for the compiler alone.
        target: of the backend's devices.
        other: computes what a formula cannot say: bodies that are more than maps and reductions over one set of axes.

    Attributes:
        handle_type: type of the backend's handles.
    """

    handle_type: type[Any]

    def __init__(self, op: str | Op, target: Target, other: Callable[..., Any] = no_formula) -> None:
        self.op = ops[op] if isinstance(op, str) else op
        self.other = other
        self.formula = Formula(self.op, target)
        self.calls: dict[Any, Any] = {}
        positions = range(len(self.op.kernel_params))
        numbers = {i for i in positions if is_parameter(self.op, i)}
        self.has_numbers = bool(numbers)
        self.followed = [
            frozenset()
            if self.op.name == "pow"  # short exponents are built into kernels
            else OPERANDS
            if i in self.op.operands
            else ATTRIBUTES
            if i in numbers
            else frozenset()
            for i in positions
        ]

    # -- owed by a backend -----------------------------------------------------------------------------------------

    @abstractmethod
    def layout(self, handle: Any) -> Any:
        """All of a handle that a plan depends on, as a key."""

    @abstractmethod
    def strides(self, handle: Any) -> Shape:
        """Strides in elements."""

    @abstractmethod
    def fresh(self, spec: Spec, like: Any) -> Any:
        """Uninitialized memory for a result, on the device of a handle."""

    @abstractmethod
    def runner(self, launch: Launch) -> Callable[[Sequence[Any], Any], None]:
        """A function of a launch's arguments, handles and numbers in order of its kernel's parameters, and of a handle on
        the device to run on."""

    # -- calls -----------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any) -> Any:
        return self._run(None, args)

    def call_into(self, outs: Sequence[Any], *args: Any) -> Any:
        """As a call, with results written into memory that is there: of their shapes and dtypes, each that of an operand
        with the same strides, or of none. None for results that want memory of their own.
        """
        return self._run(tuple(outs), args)

    def _run(self, outs: tuple[Any, ...] | None, args: tuple[Any, ...]) -> Any:
        followed, kind, layout = self.followed, self.handle_type, self.layout
        key = (
            outs and tuple([o if o is None else self.strides(o) for o in outs]),
            *[
                layout(a) if type(a) is kind else type(a) if type(a) in followed[i] else (type(a), a)
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
        if self.has_numbers and type(run) is Planned and not run.call.trace.holds((run.call.shapes, args)):
            run = self.calls[key] = self.prepare(outs, *args)
        return run(*args) if outs is None or type(run) is not Planned else run.into(outs, args)

    def prepare(self, outs: tuple[Any, ...] | None, *args: Any) -> Any:
        """A function for arguments of these shapes, strides, dtypes and attributes."""
        described = [(a.shape, a.dtype, self.strides(a)) if type(a) is self.handle_type else None for a in args]
        try:
            call = self.formula.call(described, args, outs and [o if o is None else self.strides(o) for o in outs])
        except UntraceableError:
            return self.other
        return Planned(self, call, args)


class Planned:
    """A planned call as a function of the op's kernel arguments."""

    __slots__ = (
        "before",
        "call",
        "complex",
        "integers",
        "is_tuple",
        "owner",
        "places",
        "run",
        "simple",
        "specs",
    )

    def __init__(self, owner: CompiledOp, call: Call, args: tuple[Any, ...]) -> None:
        launch, graph = call.launch, call.trace.graph
        self.call = call
        self.owner = owner
        self.run = owner.runner(launch)
        self.integers = launch.integers
        self.specs = specs_of(launch)
        self.places = [i for i, a in enumerate(args) if type(a) is owner.handle_type]
        self.complex = [node.dtype.kind == "c" for node in graph.numbers]
        self.is_tuple = call.trace.is_tuple
        chain = launch.chain[:-1]
        self.before = [(owner.runner(step), specs_of(step), step.integers) for step in chain]
        is_simple = not graph.numbers and len(self.specs) == 1 and not self.is_tuple and launch.first is None
        self.simple = self.specs[0] if is_simple else None

    def __call__(self, *args: Any) -> Any:
        if self.simple is not None:
            arrays = [args[i] for i in self.places]
            out = self.owner.fresh(self.simple, arrays[0])
            self.run([*arrays, out, *self.integers], out)
            return out
        return self.into((None,) * len(self.specs), args)

    def into(self, outs: Sequence[Any], args: tuple[Any, ...]) -> Any:
        """As a call, into memory that is there; None for results that are to be made."""
        arrays, fresh = [args[i] for i in self.places], self.owner.fresh
        like = arrays[0]
        made = [fresh(spec, like) if o is None else o for o, spec in zip(outs, self.specs, strict=True)]
        numbers: list[Any] = []
        for value, by_parts in zip(self.call.numbers(args), self.complex, strict=True):
            numbers += [complex(value).real, complex(value).imag] if by_parts else [value]
        for run, specs, integers in self.before:
            partial = [fresh(spec, like) for spec in specs]
            run([*arrays, *partial, *numbers, *integers], like)
            arrays += partial
        self.run([*arrays, *made, *numbers, *self.integers], like)
        return tuple(made) if self.is_tuple else made[0]


def specs_of(launch: Launch) -> list[Spec]:
    """What results a launch makes."""
    return [
        (shape, node.dtype, strides if strides != contiguous_strides(shape) else None)
        for shape, strides, node in zip(launch.shapes, launch.strides, launch.outputs, strict=True)
    ]
