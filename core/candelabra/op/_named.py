# SPDX-License-Identifier: Apache-2.0
"""Names for the results of ops that have several: `max(x, dim=0).indices`.

Inside, an op with several results gives a plain tuple: the dispatcher, its plans, the recorder and kernels know no
other. `named` stands above `op` in a declaration and wraps the tuple at the last moment, in the function users call.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any, TypeVar

from ..tensor._tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

RETURN_TYPES: dict[str, type[tuple[Any, ...]]] = {}
"""Classes of named results by the public name of their function."""


class _Shown:
    """How named results print and pickle."""

    __slots__ = ()
    _fields: tuple[str, ...]

    def __repr__(self) -> str:
        parts = [f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True)]  # type: ignore[call-overload]
        return f"candelabra.return_types.{type(self).__name__}(\n" + ",\n".join(parts) + ")"

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (type(self).__name__, tuple(self))  # type: ignore[arg-type]


def rebuild(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Named results out of a pickle."""
    return tuple.__new__(RETURN_TYPES[name], values)


def named(*fields: str, name: str | None = None) -> Callable[[F], F]:
    """Gives the results of an op names: placed above `op`, it returns a named tuple and replaces the tensor method.

    Args:
        fields: a name for each result.
        name: the public function's name where it is not the op's.

    Example:
        >>> cb.sort(cb.tensor([2.0, 1.0])).indices
        tensor([1, 0])
    """

    def give(call: F) -> F:
        record = call.op  # type: ignore[attr-defined]
        title = name or record.name
        # namedtuple's fields, without its own __repr__ and __reduce__
        made: Any = type(title, (_Shown, namedtuple(title, fields)), {"__slots__": (), "__module__": __name__})
        RETURN_TYPES[title] = made
        make = functools.partial(tuple.__new__, made)

        @functools.wraps(call)
        def public(*args: Any, **kwargs: Any) -> Any:
            return make(call(*args, **kwargs))

        if record.is_method:
            setattr(Tensor, record.name, public)
        return public  # type: ignore[return-value]

    return give
