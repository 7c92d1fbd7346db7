# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of elements in kernels, real or complex, and registers that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import is_complex, memory_type
from candelabra.compiler.ir import Buffer, Builder, Target, Value, Var
from candelabra.compiler.pair import Pair

WIDE = {"float32": "float64", "complex64": "complex128"}
SHORT = {"float16": "float32", "bfloat16": "float32"}


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that values of a dtype are computed in: float32 for 16-bit floats."""
    return np.dtype(SHORT.get(dtype.name, dtype))


def summed_in(dtype: np.dtype[Any], target: Target) -> np.dtype[Any]:
    """The dtype that long sums are made in: twice as wide as float32 where the target has it."""
    dtype = computed_in(dtype)
    return np.dtype(WIDE.get(dtype.name, dtype)) if target.doubles else dtype


def parts(dtype: np.dtype[Any]) -> int:
    """Numbers in memory for each element."""
    return 2 if is_complex(dtype) else 1


def value_of(dtype: np.dtype[Any]) -> str:
    """Type of the values, or of their parts, that elements are in kernels."""
    return ir.value_type(memory_type(dtype))


def short_name(dtype: np.dtype[Any]) -> str:
    """For names of kernels: `c64` for pairs of f32."""
    return f"c{8 * dtype.itemsize}" if is_complex(dtype) else memory_type(dtype)


def buffer(b: Builder, name: str, dtype: np.dtype[Any], written: bool = False) -> Buffer:
    """A parameter: memory of elements of a dtype."""
    return b.buffer(name, memory_type(dtype), written)


def number(b: Builder, value: float, dtype: np.dtype[Any]) -> Any:
    """A constant of a dtype."""
    type = value_of(dtype)
    return Pair(b.const(value, type), b.const(0, type)) if is_complex(dtype) else b.const(value, type)


def converted(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as one of the computing type of another dtype."""
    type = value_of(dtype)
    return Pair(value.re.cast(type), value.im.cast(type)) if isinstance(value, Pair) else value.cast(type)


def chosen(condition: Value, yes: Any, no: Any) -> Any:
    """One of two numbers."""
    if isinstance(yes, Pair):
        return Pair(condition.select(yes.re, no.re), condition.select(yes.im, no.im))
    return condition.select(yes, no)


def plus(x: Any, y: Any) -> Any:
    """x + y."""
    return Pair(x.re + y.re, x.im + y.im) if isinstance(x, Pair) else x + y


def minus(x: Any, y: Any) -> Any:
    """x - y."""
    return Pair(x.re - y.re, x.im - y.im) if isinstance(x, Pair) else x - y


def times(x: Any, y: Any) -> Any:
    """x * y."""
    if isinstance(x, Pair):
        return Pair(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)
    return x * y


def with_product(total: Any, x: Any, y: Any, target: Target) -> Any:
    """total + x * y; products are not rounded by themselves where that is free."""
    if isinstance(x, Pair):
        re = _with_product(_with_product(total.re, x.re, y.re, target), -x.im, y.im, target)
        return Pair(re, _with_product(_with_product(total.im, x.re, y.im, target), x.im, y.re, target))
    return _with_product(total, x, y, target)


def _with_product(total: Value, x: Value, y: Value, target: Target) -> Value:
    return ir.fma(x, y, total) if target.fma and ir.is_float(x.type) else total + x * y


class Register:
    """An element that changes."""

    def __init__(self, b: Builder, first: Any) -> None:
        self.parts: list[Var] = [b.var(v) for v in (first if isinstance(first, Pair) else (first,))]

    def get(self) -> Any:
        """Its number now."""
        values = [v.get() for v in self.parts]
        return Pair(*values) if len(values) == 2 else values[0]

    def set(self, value: Any) -> None:
        """Gives it another number."""
        for var, v in zip(self.parts, value if isinstance(value, Pair) else (value,), strict=True):
            var.set(v)


def places_of(place: Value, sizes: Sequence[Value]) -> list[Value]:
    """Places in loops, outermost first, of a place in all of them as one."""
    found = []
    for size in reversed(sizes[1:]):
        rest = place.idiv(size)
        found.append(place - rest * size)
        place = rest
    return [place, *reversed(found)]


def ceil_div(n: Value, step: int) -> Value:
    """How many steps cover n."""
    return (n + (step - 1)).idiv(step)
