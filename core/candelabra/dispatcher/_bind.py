# SPDX-License-Identifier: Apache-2.0
"""Binding of a call's arguments to an op's parameters, for calls off the short path."""

from __future__ import annotations

import functools
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


# By the word of an annotation: types that surely fit, the method of all others that do, and what messages say.
_FITTING: dict[str, tuple[tuple[type[Any], ...], str, str]] = {
    "int": ((int,), "__index__", "an int"),
    "float": ((float, int), "__float__", "a real number"),
    "bool": ((bool, int), "__bool__", "a bool"),
    "Number": ((float, int, complex), "__float__", "a number"),
    "str": ((str,), "", "a text"),
    "None": ((type(None),), "", "None"),
}


@functools.cache
def types_of(words: frozenset[str]) -> frozenset[type[Any]]:
    """Types that surely fit an attribute annotated with such words."""
    return frozenset(type for word in words for type in _FITTING[word][0])


def check_attributes(op: Op, args: tuple[Any, ...]) -> None:
    """Refuses attributes of other types than the signature says, so that no kernel stumbles over them.

    Raises:
        CallError: one is a text, None, or another thing that does not fit.
    """
    for i, words, types in op.plain_attributes:
        value = args[i]
        if value.__class__ not in types and not any(_fits(value, word) for word in words):
            wanted = " or ".join(_FITTING[word][2] for word in sorted(words))
            raise CallError(f"{op.name}: {op.params[i].name} must be {wanted}, got {named_value(value)}")


def _fits(value: Any, word: str) -> bool:
    types, method, _ = _FITTING[word]
    if isinstance(value, types):
        return True
    # None and complex numbers have a method each that says nothing here.
    return bool(method) and value is not None and hasattr(value, method) and not isinstance(value, complex)


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
