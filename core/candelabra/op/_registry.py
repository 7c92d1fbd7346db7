# SPDX-License-Identifier: Apache-2.0
"""All declared ops by name, and the derivation of tensor methods from them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ..dispatcher._write import inplace
from ..tensor._tensor import Tensor

if TYPE_CHECKING:
    from ._declare import Op

ops: dict[str, Op] = {}


def register(op: Op) -> None:
    """Adds an op; derives `Tensor.f` and `Tensor.f_` as its declaration allows."""
    if op.name in ops:
        raise ValueError(f"op {op.name!r}: declared twice, got {op.module} after {ops[op.name].module}")
    ops[op.name] = op
    if op.is_method and not hasattr(Tensor, op.name):
        setattr(Tensor, op.name, op.call)
    if op.is_inplace:
        setattr(Tensor, op.name + "_", inplace_method(op))


def inplace_method(op: Op) -> Any:
    """`Tensor.f_` of an op."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return inplace(op, (self, *args), kwargs)

    functools.update_wrapper(method, op.function)
    method.__name__ = op.name + "_"
    method.__qualname__ = f"Tensor.{op.name}_"
    method.__doc__ = f"In-place form of `{op.name}`: writes the result over this tensor and returns it."
    return method
