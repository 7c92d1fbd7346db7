# SPDX-License-Identifier: Apache-2.0
"""Tensors with the shape of another, or with given strides, and tensors of what other libraries hold."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._config import get_default_dtype
from .._dtype import check_dtype
from .._errors import ArgumentError, CallError, ShapeError
from .._layout import memory_order
from .._shape import as_shape
from ..dispatcher._kind import canonical_device
from ..tensor._creation import from_numpy, tensor
from ..tensor._tensor import Tensor, make_tensor
from .creation import empty, factory, filled, finish, full, in_order, ones, scalar, unfilled, zeros

__all__ = [
    "asarray",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "full_like",
    "ones_like",
    "scalar_tensor",
    "zeros_like",
]


def like(
    call: Any, rest: tuple[Any, ...], input: Tensor, dtype: Any, device: Any, requires_grad: bool, memory_format: Any
) -> Tensor:
    """The tensor of a factory op with the shape, and unless given the dtype, device and order in memory, of another."""
    if not isinstance(input, Tensor):
        raise CallError(f"{call.op.name}: input must be a tensor, got {input!r} of type {type(input).__name__}")
    kind = input._kind
    dtype = kind.dtype if dtype is None else check_dtype(dtype)
    device = kind.device if device is None else device
    shape = tuple(input._array.shape)
    order = memory_order(call.op.name, shape, kind.backend.strides(input._array), memory_format)
    if order is None:
        result = factory(call.op.name, call, (shape,), rest, dtype, device)
    else:
        result = in_order(lambda sizes: factory(call.op.name, call, (sizes,), rest, dtype, device), shape, order)
    return result.requires_grad_() if requires_grad else result


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor with every element `fill_value`, and the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        fill_value: a number, or a tensor of one element.
        dtype: that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `fill_value` does not fit into the dtype.

    Example:
        >>> cb.full_like(cb.ones(2), 3)
        tensor([3., 3.])
    """
    value = scalar("full_like", fill_value, input.dtype if dtype is None else check_dtype(dtype))
    return like(filled, (value,), input, dtype, device, requires_grad, memory_format)


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of zeros with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        dtype: that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.zeros_like(cb.ones(2))
        tensor([0., 0.])
    """
    return like(filled, (0,), input, dtype, device, requires_grad, memory_format)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of ones with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        dtype: that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.ones_like(cb.zeros(2))
        tensor([1., 1.])
    """
    return like(filled, (1,), input, dtype, device, requires_grad, memory_format)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uninitialised memory with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        dtype: that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.empty_like(cb.ones(2)).shape
        candelabra.Size([2])
    """
    return like(unfilled, (), input, dtype, device, requires_grad, memory_format)


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of uninitialised memory with given strides.

    Args:
        size: its shape.
        stride: elements to step over for each dim, none negative.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: there is not one stride a size, or one is negative.

    Example:
        >>> cb.empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    sizes, strides = as_shape("empty_strided", size), tuple(s.__index__() for s in stride)
    if len(sizes) != len(strides) or any(s < 0 for s in strides):
        raise ShapeError(f"empty_strided: one stride a size, none negative, got size={sizes} and stride={strides}")
    extent = 0 if 0 in sizes else 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    memory = empty(extent, dtype=dtype, device=device)
    handle = memory._kind.backend.view(memory._array, sizes, strides, 0)
    return finish("empty_strided", make_tensor(handle, memory._kind), requires_grad, None, layout)


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of uninitialised memory whose dims lie in memory in a given order.

    Args:
        size: its shape.
        physical_layout: dims from outermost to innermost, each once.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        ArgumentError: `physical_layout` does not name each dim once.

    Example:
        >>> cb.empty_permuted((2, 3, 4), (2, 0, 1)).stride()
        (3, 1, 6)
    """
    sizes, order = as_shape("empty_permuted", size), as_shape("empty_permuted", physical_layout)
    if sorted(order) != list(builtins.range(len(sizes))):
        raise ArgumentError(f"empty_permuted: must name each dim once, got physical_layout={order} for size={sizes}")
    result = in_order(lambda s: empty(s, dtype=dtype, device=device), sizes, order)
    return finish("empty_permuted", result, requires_grad, None, layout)


def scalar_tensor(
    s: Any,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A 0-d tensor of a number.

    Args:
        s: the number.
        dtype: the default float when None, whatever the number's type.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape ().

    Example:
        >>> cb.scalar_tensor(3)
        tensor(3.)
    """
    dtype = get_default_dtype() if dtype is None else dtype
    return full((), s, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool | None = None
) -> Tensor:
    """`obj` as a tensor: sharing its memory where it can, unless told otherwise.

    Args:
        obj: a tensor, a NumPy array, an object with DLPack or `__array__`, a number or nested sequences.
        dtype: that of `obj` when None.
        device: that of a tensor, else the default device, when None.
        copy: True always copies, False never does, None copies where memory cannot be shared.
        requires_grad: record operations on it; as `obj` when None. False detaches.

    Returns:
        The shape of `obj`.

    Raises:
        ArgumentError: `copy=False` and memory cannot be shared.

    Example:
        >>> cb.asarray([1.0, 2.0])
        tensor([1., 2.])
    """
    if isinstance(obj, Tensor):
        source: Tensor | None = obj
    elif isinstance(obj, np.ndarray):
        source = from_numpy(obj) if obj.flags.writeable and obj.dtype.isnative else None
    elif hasattr(obj, "__dlpack__"):
        source = from_numpy(np.from_dlpack(obj))
    else:
        source = None
    if source is None:
        if copy is False:
            raise ArgumentError(f"asarray: memory cannot be shared, got {type(obj).__name__} with copy=False")
        result = tensor(obj, dtype=dtype, device=device)
    else:
        target = source._kind.device if device is None and isinstance(obj, Tensor) else canonical_device(device)
        result = source.to(device=target, dtype=dtype)
        if copy and result._array is source._array:
            result = result.clone()
        elif copy is False and result._array is not source._array:
            raise ArgumentError(
                f"asarray: memory cannot be shared, got {source.dtype.name} on {source.device} for "
                f"{result.dtype.name} on {result.device} with copy=False"
            )
    if requires_grad is False and result._node is not None:
        return result.detach()
    return result.requires_grad_() if requires_grad else result


# -- tensors beside others -------------------------------------------------------------------------------------------


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with every element `fill_value`, with this tensor's dtype and device unless given.

    Example:
        >>> cb.ones(3).new_full((2,), 5)
        tensor([5., 5.])
    """
    kind = self._kind
    return full(
        size,
        fill_value,
        dtype=kind.dtype if dtype is None else dtype,
        device=kind.device if device is None else device,
        requires_grad=requires_grad,
        layout=layout,
    )


def new_zeros(
    self: Tensor,
    *args: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of zeros, with this tensor's dtype and device unless given.

    Example:
        >>> cb.arange(3).new_zeros(2)
        tensor([0, 0])
    """
    kind = self._kind
    dtype = kind.dtype if dtype is None else dtype
    device = kind.device if device is None else device
    return zeros(*args, size=size, dtype=dtype, device=device, requires_grad=requires_grad, layout=layout)


def new_ones(
    self: Tensor,
    *args: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of ones, with this tensor's dtype and device unless given.

    Example:
        >>> cb.arange(3).new_ones(2)
        tensor([1, 1])
    """
    kind = self._kind
    dtype = kind.dtype if dtype is None else dtype
    device = kind.device if device is None else device
    return ones(*args, size=size, dtype=dtype, device=device, requires_grad=requires_grad, layout=layout)


def new_empty(
    self: Tensor,
    *args: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of uninitialised memory, with this tensor's dtype and device unless given.

    Example:
        >>> cb.arange(3).new_empty(2, 3).shape
        candelabra.Size([2, 3])
    """
    kind = self._kind
    dtype = kind.dtype if dtype is None else dtype
    device = kind.device if device is None else device
    return empty(*args, size=size, dtype=dtype, device=device, requires_grad=requires_grad, layout=layout)


def new_empty_strided(
    self: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of uninitialised memory with given strides, and this tensor's dtype and device unless given.

    Example:
        >>> cb.arange(3).new_empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    kind = self._kind
    return empty_strided(
        size,
        stride,
        dtype=kind.dtype if dtype is None else dtype,
        device=kind.device if device is None else device,
        requires_grad=requires_grad,
        layout=layout,
    )


def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of `data`, with this tensor's dtype and device unless given.

    Example:
        >>> cb.ones(3).new_tensor([1, 2])
        tensor([1., 2.])
    """
    kind = self._kind
    dtype = kind.dtype if dtype is None else dtype
    return tensor(data, dtype=dtype, device=kind.device if device is None else device, requires_grad=requires_grad)


Tensor.new_full = new_full
Tensor.new_zeros = new_zeros
Tensor.new_ones = new_ones
Tensor.new_empty = new_empty
Tensor.new_empty_strided = new_empty_strided
Tensor.new_tensor = new_tensor
