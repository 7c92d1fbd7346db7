# SPDX-License-Identifier: Apache-2.0
"""Clear errors for public functions that are not ops themselves: ops have theirs from the dispatcher."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .._errors import CallError, CandelabraError

P = ParamSpec("P")
R = TypeVar("R")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Turns what a wrong argument stumbles over inside a function into CallError naming the function.

    Example:
        >>> cb.t(1.5)
        Traceback (most recent call last):
            ...
        candelabra._errors.CallError: t: arguments do not fit, got 1.5 ('float' object has no attribute '_array')
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except CandelabraError:
            raise
        except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
            shown = ", ".join([*map(_short, args), *(f"{name}={_short(value)}" for name, value in kwargs.items())])
            raise CallError(f"{function.__name__}: arguments do not fit, got {shown} ({error})") from error

    return call


def _short(value: object) -> str:
    shape = getattr(value, "_array", None)
    if shape is not None:
        return f"a tensor of shape {tuple(shape.shape)}"
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."
