# SPDX-License-Identifier: Apache-2.0
"""Writing over a tensor's elements: `copy_`, `fill_`, `zero_`, and the ops they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import grad_enabled
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..dispatcher._record import rebase, record
from ..dispatcher._write import check_writable, write
from ..op import Number, op, rules
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .creation import factory, filled, scalar
from .likes import full_like

__all__ = [
    "fill",
]

# -- writing over elements -------------------------------------------------------------------------------------------


def _first_dtype(name: str, found: dtype_type, args: Sequence[Any]) -> tuple[dtype_type, Any]:
    return args[0]._kind.dtype, args[0]._kind.dtype


def _copy_shape(input: Any, src: Any, name: str = "copy") -> Shape:
    shape = tuple(input.shape)
    if broadcast_shapes(name, shape, tuple(src.shape)) != shape:
        raise ShapeError(f"{name}: src must broadcast to the target's shape, got {tuple(src.shape)} for {shape}")
    return shape


@op(
    dtype=_first_dtype,
    shape=_copy_shape,
    fixed={"src": _dtype.ALL},
    inplace=False,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), Operand((2, 3))),
        Sample(Operand((2, 3)), Operand((3,))),
        Sample(Operand((4,)), Operand(())),
        Sample(Operand((0, 2)), Operand((2,))),
        Sample(Operand((3,)), Operand((3,), dtype="int64")),
    ],
    errors=lambda: [ErrorSample(ShapeError, "broadcast", Operand((2,)), Operand((2, 2)))],
    reference=lambda input, src: np.broadcast_to(src, input.shape).astype(input.dtype),
    tolerance="cast",
)
def copy(input: Tensor, src: Tensor) -> Tensor:
    """The elements of `src` in the shape, dtype and place of `input`; what `Tensor.copy_` records.

    Args:
        input: any dtype, shape (*).
        src: any dtype, broadcastable to (*).

    Returns:
        Shape (*), the dtype of `input`. Its gradient goes to `src`; `input` gets zeros.

    Example:
        >>> cb.zeros(2).copy_(cb.tensor([1, 2]))
        tensor([1., 2.])
    """
    return src.to(input.dtype).expand(_copy_shape(input, src)).clone()


copy.vjp(input=lambda grad: full_like(grad, 0), src=lambda grad: grad)


def _fill_front(input: Any, value: Any) -> tuple[Any, ...]:
    if isinstance(value, Tensor):
        if value._array.shape:
            raise ShapeError(f"fill: value must be a number or a 0-d tensor, got shape {tuple(value.shape)}")
        return input, value
    return input, scalar("fill", value, input.dtype)


@op(
    dtype=_first_dtype,
    shape=rules.same,
    front=_fill_front,
    fixed={"value": _dtype.ALL},
    inplace=False,
    samples=lambda: [
        Sample(Operand((2, 3)), 1),
        Sample(Operand(()), True),
        Sample(Operand((0, 3)), 0),
        Sample(Operand((2, 3)), Operand(())),
        Sample(Operand((4,)), 1.5, dtypes=("float32", "float64")),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "0-d tensor", Operand((2,)), Operand((2,))),
        ErrorSample(ArgumentError, "does not hold", Operand((2,)), 300, dtype="uint8"),
    ],
    reference=lambda input, value: np.full(input.shape, value).astype(input.dtype),
    tolerance="cast",
)
def fill(input: Tensor, value: Tensor | Number) -> Tensor:
    """A tensor like `input` with every element `value`.

    Args:
        input: any dtype, shape (*).
        value: a number that the dtype holds, or a 0-d tensor of any dtype.

    Returns:
        Shape (*), the dtype of `input`. Its gradient goes to `value`; `input` gets zeros.

    Raises:
        ShapeError: `value` is a tensor with dims.
        ArgumentError: `value` does not fit into the dtype.

    Example:
        >>> cb.fill(cb.ones(2), 3)
        tensor([3., 3.])
    """
    if isinstance(value, Tensor):
        return value.to(input.dtype).expand(tuple(input.shape)).clone()
    return full_like(input, value)


fill.vjp(input=lambda grad: full_like(grad, 0), value=lambda grad: grad)


def overwrite(target: Tensor, value: Tensor, call: Any = copy) -> Tensor:
    """Writes `value` (broadcastable, any dtype and device) over `target`'s elements, with history.

    `check_writable` comes first, before anything is drawn or computed.
    """
    before, source = target._node, value._node
    write(target, value)
    if (before is not None or source is not None) and target._kind.dtype.category >= 2 and grad_enabled.get():
        written = make_tensor(target._array, target._kind)
        record(call.op, (target, value), written)
        rebase(target, written)
    return target


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Writes the elements of `src` over this tensor's, cast and moved as needed.

    Args:
        src: a number, or a tensor of any dtype on any device that broadcasts to this tensor's shape.
        non_blocking: allow the copy to finish later, on devices that can.

    Returns:
        This tensor. The gradient of what it held is zero; that of `src` is recorded.

    Raises:
        ShapeError: `src` does not broadcast to this tensor's shape, or this tensor's elements overlap.
        AutogradError: this tensor is a leaf that requires a gradient.

    Example:
        >>> cb.zeros(2, 2).copy_(cb.tensor([1, 2]))
        tensor([[1., 2.],
                [1., 2.]])
    """
    check_writable("copy_", self)
    if not isinstance(src, Tensor):
        return fill_(self, src)
    _copy_shape(self, src, "copy_")
    return self if src is self else overwrite(self, src)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Writes `value` over every element.

    Args:
        value: a number that the dtype holds, or a 0-d tensor.

    Returns:
        This tensor.

    Raises:
        ShapeError: `value` is a tensor with dims.
        ArgumentError: `value` does not fit into the dtype.
        AutogradError: this tensor is a leaf that requires a gradient.

    Example:
        >>> cb.zeros(2).fill_(3)
        tensor([3., 3.])
    """
    check_writable("fill_", self)
    _, value = _fill_front(self, value)
    kind = self._kind
    if not isinstance(value, Tensor):
        value = factory("fill_", filled, ((),), (value,), kind.dtype, kind.device)
    return overwrite(self, value, fill)


def zero_(self: Tensor) -> Tensor:
    """Writes zero over every element.

    Returns:
        This tensor.

    Raises:
        AutogradError: this tensor is a leaf that requires a gradient.

    Example:
        >>> cb.ones(2).zero_()
        tensor([0., 0.])
    """
    check_writable("zero_", self)
    kind = self._kind
    return overwrite(self, factory("zero_", filled, ((),), (0,), kind.dtype, kind.device), fill)


Tensor.copy_ = copy_
Tensor.fill_ = fill_
Tensor.zero_ = zero_
