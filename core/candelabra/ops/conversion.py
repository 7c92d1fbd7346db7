# SPDX-License-Identifier: Apache-2.0
"""Copies, casts and moves between devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtype
from .._device import device as device_type
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DeviceError
from .._layout import format_order, memory_order, preserve_format
from .._shape import Shape
from ..dispatcher._kind import canonical_device, kind_of
from ..op import op, rules
from ..op._checked import checked
from ..runtime._transfer import move
from ..tensor._tensor import Tensor, make_tensor, make_view
from ..testing.samples import ErrorSample, Operand, Sample, unary

__all__ = ["cast", "clone", "contiguous", "to", "transfer"]


def _cast_dtype(name: str, found: dtype_type, args: Any) -> tuple[dtype_type, Any]:
    return found, args[1]


@op(
    dtype=_cast_dtype,
    shape=rules.same,
    moves_data=True,
    inplace=False,
    method=False,
    samples=lambda: [
        Sample(Operand((3, 5), -100, 100), _dtype.int32),
        Sample(Operand((4,)), _dtype.float64),
        Sample(Operand((2, 3)), _dtype.bool_),
        Sample(Operand((7,)), _dtype.float16),
        Sample(Operand((7,)), _dtype.bfloat16),
    ],
    reference=lambda input, dtype: np.asarray(input).astype(dtype.numpy),
    tolerance="cast",
)
def cast(input: Tensor, dtype: dtype_type) -> Tensor:
    """Elements converted to another dtype, in fresh memory.

    Args:
        input: any dtype, shape (*).
        dtype: dtype of the result. Floating to integer truncates; to bool is `!= 0`; complex to real drops the
            imaginary part. Floating values outside an integer's range give an unspecified value.

    Returns:
        Shape (*), dtype `dtype`.

    Example:
        >>> cb.cast(cb.tensor([1.7, -1.7]), cb.int64)
        tensor([ 1, -1])
    """
    ...


cast.vjp(input=lambda grad: grad)


@op(
    grad="",
    method=False,
    errors=lambda: [
        ErrorSample(DeviceError, "no installed plugin offers it", Operand((2,)), "nowhere"),
        ErrorSample(CallError, "must be a string or a device", Operand((2,)), 1.5),
    ],
)
def transfer(input: Tensor, device: Any, non_blocking: bool = False) -> Tensor:
    """A copy of `input` on another device.

    Args:
        input: any dtype, shape (*).
        device: where to, a device or its name.
        non_blocking: let the copy arrive later, between a device and pinned host memory.

    Returns:
        Shape (*), the dtype of `input`, contiguous.

    Raises:
        DeviceError: there is no such device.

    Example:
        >>> cb.transfer(cb.ones(2), "meta").device
        device(type='meta')
    """
    kind = kind_of(canonical_device(device), input.dtype)
    if kind.is_meta:
        return make_tensor(kind.backend.allocate(tuple(input.shape), kind.dtype, 0), kind)
    return make_tensor(move(input._array, input._kind, kind, non_blocking), kind)


transfer.vjp(input=lambda grad: grad)  # the engine moves it back to the operand's device


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`input` with another dtype, on another device, or both; `input` itself when nothing changes.

    Args:
        input: any dtype, shape (*).
        args: a dtype, a device, or a tensor to take both from, in any order.
        dtype: as positional.
        device: as positional.
        non_blocking: let the copy arrive later: to a device from pinned host memory (`pin_memory`), or from one to the
            host, where the result may be read once the device's stream is synchronized.
        copy: copy even when nothing changes.
        memory_format: order in memory of the result.

    Returns:
        Shape (*).

    Example:
        >>> cb.ones(2).to(cb.float64).dtype
        candelabra.float64
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, (str, device_type)):
            device = arg
        elif isinstance(arg, dtype_type) or any(arg is kind for kind in (bool, int, float, complex)):
            dtype = arg
        elif isinstance(arg, bool):
            non_blocking = arg
        else:
            raise CallError(f"to: takes dtypes, devices and tensors, got {arg!r} of type {type(arg).__name__}")
    kind = input._kind
    result = input
    if device is not None:
        target = canonical_device(device)
        if target is not kind.device:
            result = transfer(result, target, non_blocking)
    if dtype is not None and check_dtype(dtype) is not kind.dtype:
        result = cast(result, check_dtype(dtype))
    if result is input and copy:
        result = clone(input)
    if memory_format not in (None, preserve_format) and not result.is_contiguous(memory_format):
        result = contiguous(result, memory_format=memory_format)
    return result


@op(
    name="clone",
    dtype=rules.kept,
    shape=rules.same,
    moves_data=True,
    inplace=False,
    method=False,
    samples=lambda: unary(-2, 2),
    reference=lambda input: np.array(input),
    tolerance="exact",
)
def row_major(input: Tensor) -> Tensor:
    """A copy in fresh, contiguous memory.

    Args:
        input: any dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> cb.clone(cb.ones(2))
        tensor([1., 1.])
    """
    ...


row_major.vjp(input=lambda grad: grad)


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy in fresh memory without gaps.

    Args:
        input: any dtype, shape (*).
        memory_format: order in memory of the copy; that of `input` when None or `preserve_format`, row-major where
            positions of `input` share elements.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        CallError: `input` is no tensor, or `memory_format` no memory format.
        ShapeError: the format is for another number of dims.

    Example:
        >>> cb.clone(cb.ones(2, 3).t()).stride()
        (1, 3)
    """
    if not isinstance(input, Tensor):
        raise CallError(f"clone: input must be a tensor, got {input!r} of type {type(input).__name__}")
    order = memory_order("clone", input._array.shape, input._kind.backend.strides(input._array), memory_format)
    if order is None or not input._kind.backend.capabilities.strides:
        return row_major(input)
    return _copied_in(order, input)


def _copied_in(order: Shape, input: Tensor) -> Tensor:
    """A copy with dims in an order in memory; no view, since nobody else has the memory."""
    back = sorted(range(len(order)), key=order.__getitem__)
    result = row_major(input.permute(order)).permute(back)
    result._base = result._storage = None
    return result


@checked
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """`input` itself when its elements lie in row-major order (or that of `memory_format`), else a copy that does.

    Args:
        input: any dtype, shape (*).
        memory_format: `channels_last` for (N, C, H, W), `channels_last_3d` for (N, C, D, H, W), else contiguous.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `memory_format` is `preserve_format`, which names no order.
        CallError: it is no memory format.
        ShapeError: it is for another number of dims.

    Example:
        >>> cb.contiguous(cb.ones(2, 3).t()).stride()
        (2, 1)
    """
    if memory_format is preserve_format:
        raise ArgumentError("contiguous: memory_format must name an order, got preserve_format")
    order = format_order("contiguous", input.dim(), memory_format)
    if input.is_contiguous(memory_format):
        return input
    return row_major(input) if order is None else _copied_in(order, input)


def _alias(self: Tensor) -> Tensor:
    """Another tensor on the same memory with its own history: for bodies that return an operand."""
    return make_view(self._array, self._kind, self)


Tensor.to = to
Tensor.clone = clone
Tensor.contiguous = contiguous
Tensor.alias = _alias


def _dtype_method(target: dtype_type) -> Any:
    def method(self: Tensor) -> Tensor:
        return to(self, dtype=target)

    method.__doc__ = f"This tensor as {target.name}; itself when it is."
    return method


Tensor.float = _dtype_method(_dtype.float32)
Tensor.double = _dtype_method(_dtype.float64)
Tensor.half = _dtype_method(_dtype.float16)
Tensor.bfloat16 = _dtype_method(_dtype.bfloat16)
Tensor.int = _dtype_method(_dtype.int32)
Tensor.long = _dtype_method(_dtype.int64)
Tensor.short = _dtype_method(_dtype.int16)
Tensor.char = _dtype_method(_dtype.int8)
Tensor.byte = _dtype_method(_dtype.uint8)
Tensor.bool = _dtype_method(_dtype.bool_)
Tensor.cfloat = _dtype_method(_dtype.complex64)
Tensor.cdouble = _dtype_method(_dtype.complex128)


def _cpu(self: Tensor) -> Tensor:
    """This tensor on the host; itself when it is there."""
    return to(self, device="cpu")


def _type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor with the dtype and device of `other`."""
    return to(self, other)


Tensor.cpu = _cpu
Tensor.type_as = _type_as
