# SPDX-License-Identifier: Apache-2.0
"""Which kernel computes: NumPy's below a number of elements, the compiled one from there on.

A compiled call costs some microseconds of Python, so NumPy wins on little work; beyond, one pass over memory on all
threads wins. The numbers of elements at which they are level were measured by `benchmarks/thresholds.py`, by class of op.
`CANDELABRA_CPU_KERNELS` overrides them: `numpy` never compiles, `compiled` compiles whatever can be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra._config import setting
from candelabra._errors import ArgumentError
from candelabra.compiler.graph import REDUCTIONS
from candelabra.op import ops

CHEAP = 16384
"""Elements from which a ufunc that NumPy vectorizes is worth a compiled call: it moves memory, and no more."""

DEAR = 4096
"""The same for functions that take some nanoseconds an element, and for reductions."""

FUSED = 1024
"""The same for bodies, each of whose ops would be a pass of NumPy over memory."""

VECTORIZED = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "abs",
        "square",
        "sqrt",
        "maximum",
        "minimum",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "logical_and",
        "logical_or",
        "logical_not",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "bitwise_not",
        "isnan",
        "isinf",
        "isfinite",
        "true_divide",
        "reciprocal",
        "where",
        "relu",
    ]
)
"""Ops that NumPy computes at the speed of memory."""

SETTING = "cpu_kernels"


def mode() -> str:
    """`auto`, `numpy` or `compiled`, by `CANDELABRA_CPU_KERNELS` or the config file.

    Raises:
        ArgumentError: it is something else.
    """
    found = setting(SETTING, "auto")
    if found not in ("auto", "numpy", "compiled"):
        raise ArgumentError(f"CANDELABRA_CPU_KERNELS: must be auto, numpy or compiled, got {found!r}")
    return found


def threshold(op: str) -> int:
    """Elements from which an op's compiled kernel is the faster one."""
    if mode() == "compiled":
        return 0
    if op in VECTORIZED:
        return CHEAP
    return DEAR if ops[op].body is None and op != "standardize" else FUSED


def size_from(elements: int) -> int:
    """Elements from which a kernel of `nests` is used, where `elements` were measured to be worth it."""
    return {"auto": elements, "compiled": 1, "numpy": sys.maxsize}[mode()]


def is_much(op: str, array: Any) -> bool:
    """Whether a kernel should compute with a formula of the compiler's."""
    return bool(array.size >= threshold(op)) and mode() != "numpy"


def can_compile(op: str) -> bool:
    """Whether a formula of an op is worth a try: it is a map, a reduction, or has a body."""
    record = ops[op]
    return record.is_pointwise or op in REDUCTIONS or (record.body is not None and record.shape is not None)


def choose(op: str, small: Callable[..., Any] | None, body: Callable[..., Any]) -> Any:
    """A kernel that picks by size.

    Args:
        small: NumPy's kernel, or None.
        body: runs the op's body on arrays, for where there is no kernel.
    """
    least = threshold(op)
    big = _Late(op, small or body)
    small = small or body
    operands = ops[op].operands
    if len(ops[op].kernel_params) == 1:

        def one(input: Any) -> Any:
            return small(input) if input.size < least else big(input)

        return with_into(one, big, least)
    if operands == (0, 1) and len(ops[op].kernel_params) == 2:

        def two(input: Any, other: Any) -> Any:
            try:
                # Of the first alone: to ask the second, too, would cost tiny calls a tenth of their time.
                if input.size < least:
                    return small(input, other)
            except AttributeError:  # a number
                if other.size < least:
                    return small(input, other)
            return big(input, other)

        return with_into(two, big, least)

    def any_number(*args: Any) -> Any:
        if all(args[i].size < least for i in operands if type(args[i]) is np.ndarray):
            return small(*args)
        return big(*args)

    if hasattr(small, "specialize"):
        special = small.specialize

        def specialize(*args: Any) -> Any:
            little = all(args[i].size < least for i in operands if type(args[i]) is np.ndarray)
            return special(*args) if little else None

        any_number.specialize = specialize  # type: ignore[attr-defined]
    if hasattr(small, "into"):
        any_number.into = small.into  # type: ignore[attr-defined]
    elif ops[op].is_pointwise and operands and operands[0] == 0:
        return with_into(any_number, big, least)
    return any_number


def with_into(kernel: Any, big: Any, least: int) -> Any:
    """Lets a kernel of one result write over its first operand, where there is much to write."""

    def into(*args: Any) -> None:
        target = args[0]
        # Operands in memory that came twice from outside are no views of each other to core.
        shared = any(type(a) is np.ndarray and np.may_share_memory(a, target) for a in args[1:])
        result = big(*args) if shared else big.call_into((target,), *args)
        if result is not target:  # computed by other means
            target[...] = result

    into.least = least  # type: ignore[attr-defined]
    kernel.into = into
    return kernel


class _Late:
    """A compiled kernel that loads the compiler when it is first called."""

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.compiled: Any = None

    def __call__(self, *args: Any) -> Any:
        return (self.compiled or self.load())(*args)

    def call_into(self, outs: Any, *args: Any) -> Any:
        """As `Compiled.call_into`."""
        return (self.compiled or self.load()).call_into(outs, *args)

    def load(self) -> Any:
        """The compiled kernel."""
        from .compiled import Compiled

        self.compiled = Compiled(*self.args)
        return self.compiled
