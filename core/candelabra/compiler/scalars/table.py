# SPDX-License-Identifier: Apache-2.0
"""The table of formulas, and what several families need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..ir import Value
from ..pair import Pair

Formula = Callable[..., Any]
F = TypeVar("F", bound=Formula)
Number = Value | Pair

SCALAR: dict[str, Formula] = {}
"""Formulas by op name."""


def scalar(function: F) -> F:
    """Adds a formula under its function's name; a trailing underscore is dropped (`abs_` serves `abs`)."""
    SCALAR[function.__name__.rstrip("_")] = function
    return function


def truth(x: Number) -> Value:
    """Whether a number is other than zero; nan is."""
    if isinstance(x, Pair):
        return x.re.ne(0) | x.im.ne(0)
    return x if x.type == "b1" else x.ne(0)


def choose(condition: Value, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`: two numbers of one kind; both are computed."""
    if isinstance(yes, Pair):
        return Pair(condition.select(yes.re, no.re), condition.select(yes.im, no.im))
    return condition.select(yes, no)


def bits_type(x: Value) -> str:
    """The signed integer type as wide as a float."""
    return "i64" if x.type == "f64" else "i32"


def bits_of(x: Value) -> Value:
    """Bits of a float as a signed integer, without its sign bit."""
    kind = bits_type(x)
    return x.bitcast(kind) & ((1 << (63 if kind == "i64" else 31)) - 1)
