# SPDX-License-Identifier: Apache-2.0
"""Tensors with a role in a module: parameters, which are trained, and buffers, which are state."""

from __future__ import annotations

from typing import Any

from .._errors import CallError
from ..tensor._creation import with_class
from ..tensor._format import format_tensor
from ..tensor._node import LeafNode
from ..tensor._tensor import Tensor


def _on_memory_of(cls: type[Tensor], data: Tensor | None) -> Tensor:
    """A tensor of a subclass on the memory of `data`, without its history."""
    if data is None:
        from ..ops.creation import empty

        data = empty(0)
    if not isinstance(data, Tensor):
        raise CallError(f"{cls.__name__}: data must be a tensor, got {data!r} of type {type(data).__name__}")
    fresh = with_class(cls, data._array, data._kind)
    fresh._storage = data.untyped_storage()
    return fresh


class Parameter(Tensor):
    """A tensor to be trained: assigned to an attribute of a module, it becomes one of the module's parameters.

    Args:
        data: its values, whose memory it shares; an empty tensor when None.
        requires_grad: record operations on it; needs a floating or complex dtype.

    Raises:
        CallError: `data` is not a tensor.
        DTypeError: `requires_grad` for an integer or bool dtype.

    Example:
        >>> cb.nn.Parameter(cb.ones(2)).requires_grad
        True
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        fresh = _on_memory_of(cls, data)
        if requires_grad:
            fresh.requires_grad_()
        return fresh  # type: ignore[return-value]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + format_tensor(self)


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not trained, such as a running mean.

    Args:
        data: its values, whose memory it shares; an empty tensor when None.
        persistent: whether it is part of the module's state dict.

    Raises:
        CallError: `data` is not a tensor.

    Example:
        >>> cb.nn.Buffer(cb.ones(2)).persistent
        True
    """

    persistent: bool = True

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        fresh: Any = _on_memory_of(cls, data)
        fresh.persistent = persistent
        if data is not None and data.requires_grad:
            fresh._node = LeafNode(fresh)
        return fresh
