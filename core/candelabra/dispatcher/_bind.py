# SPDX-License-Identifier: Apache-2.0
"""Binding of a call's arguments to an op's parameters, for calls off the short path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import CallError

if TYPE_CHECKING:
    from ..op._declare import Op


class _Missing:
    def __repr__(self) -> str:
        return "<missing>"


MISSING: Any = _Missing()

# NumPy's spellings, which PyTorch takes too.
_ALIASES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "x": "input",
    "a": "input",
    "x1": "input",
    "x2": "other",
    "shape": "size",
}

_SCALARS = frozenset((bool, int, float, complex))


def is_scalar(value: Any) -> bool:
    """True for Python and NumPy numbers."""
    return type(value) in _SCALARS or isinstance(value, (bool, int, float, complex, np.generic))


def named_value(value: Any) -> str:
    """A value and its type, shortened, for messages."""
    shown = repr(value)
    return f"{shown if len(shown) < 60 else shown[:57] + '...'} of type {type(value).__name__}"


def bind(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """`args` and `kwargs` as one tuple in the order of the op's parameters, defaults filled in.

    Sizes and dims given as loose ints (`x.permute(1, 0)`) are gathered where the op has such a parameter.

    Raises:
        CallError: too many, unknown, doubled or missing arguments.
    """
    params = op.params
    if op.variadic is not None and len(args) > op.variadic:
        first = args[op.variadic]
        if not isinstance(first, (tuple, list)) and (len(args) > op.variadic + 1 or hasattr(first, "__index__")):
            args = (*args[: op.variadic], args[op.variadic :])
    if len(args) > op.positional:
        raise CallError(f"{op.name}: takes {op.positional} positional arguments, got {len(args)}")
    values = [*args, *op.defaults[len(args) :]]
    given: set[int] = set()
    for name, value in kwargs.items():
        index = op.index.get(name)
        if index is None:
            index = op.index.get(_ALIASES.get(name, ""))
        if index is None:
            raise CallError(f"{op.name}: unknown argument, got {name}={value!r}; takes {', '.join(op.index)}")
        if index < len(args) or index in given:
            raise CallError(f"{op.name}: argument given twice, got {name}={value!r} for {params[index].name}")
        given.add(index)
        values[index] = value
    for param, value in zip(params, values, strict=True):
        if value is MISSING:
            raise CallError(f"{op.name}: missing argument, got none for {param.name}")
    return tuple(values)
