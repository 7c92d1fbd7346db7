# SPDX-License-Identifier: Apache-2.0
"""Tensors from nothing: constants, ranges, and shapes like others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._shape import Shape, as_shape
from ..op import Number, op
from ..op._rules import number_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import Sample

__all__ = ["empty", "empty_like", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"]


def default_float(args: Sequence[Any], dtype: Any) -> dtype_type:
    """The dtype asked for, else the default float."""
    return get_default_dtype() if dtype is None else check_dtype(dtype)


def _dtype_of_fill(args: Sequence[Any], dtype: Any) -> dtype_type:
    return number_dtype(args[1]) if dtype is None else check_dtype(dtype)


def _size(size: Any, *rest: Any) -> Shape:
    return size


def _host_full(backend: Any, size: Shape, fill_value: Number, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(np.full(size, fill_value).astype(dtype.numpy), index)


def _host_empty(backend: Any, size: Shape, dtype: dtype_type, index: int) -> Any:
    return backend.allocate(size, dtype, index)


@op(
    host_kernel=_host_full,
    factory_dtype=_dtype_of_fill,
    front=lambda size, fill_value: (
        as_shape("full", size),
        fill_value.item() if hasattr(fill_value, "item") else fill_value,
    ),
    shape=_size,
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((2, 3), 1.5), Sample((), 2), Sample((0, 3), True), Sample((3,), 7)],
    reference=lambda size, fill_value: np.full(size, fill_value),
    tolerance="exact",
)
def full(size: Sequence[int], fill_value: Number) -> Tensor:
    """A tensor with every element `fill_value`.

    Args:
        size: its shape.
        fill_value: a number; without `dtype=`, its type decides the dtype.

    Returns:
        Shape `size`.

    Example:
        >>> cb.full((2,), 7)
        tensor([7, 7])
    """
    ...


@op(
    host_kernel=_host_empty,
    factory_dtype=default_float,
    front=lambda size: (as_shape("empty", size),),
    shape=_size,
    variadic=("size",),
    method=False,
    grad="none: no operand",
)
def empty(size: Sequence[int]) -> Tensor:
    """A tensor of uninitialised memory.

    Args:
        size: its shape, as a sequence or as ints.

    Returns:
        Shape `size`, the default float dtype unless `dtype=` is given.

    Example:
        >>> cb.empty(2, 3).shape
        candelabra.Size([2, 3])
    """
    ...


def _sizes(size: tuple[Any, ...]) -> Any:
    return size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, out: Any = None) -> Tensor:
    """A tensor of zeros.

    Args:
        size: its shape, as a sequence or as ints.
        dtype: the default float when None.
        device: the default device when None.
        requires_grad: record operations on it.
        out: tensor to write into.

    Returns:
        Shape `size`.

    Example:
        >>> cb.zeros(2)
        tensor([0., 0.])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    return full(_sizes(size), 0, dtype=dtype, device=device, requires_grad=requires_grad, out=out)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, out: Any = None) -> Tensor:
    """A tensor of ones.

    Args:
        size: its shape, as a sequence or as ints.
        dtype: the default float when None.
        device: the default device when None.
        requires_grad: record operations on it.
        out: tensor to write into.

    Returns:
        Shape `size`.

    Example:
        >>> cb.ones(2)
        tensor([1., 1.])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    return full(_sizes(size), 1, dtype=dtype, device=device, requires_grad=requires_grad, out=out)


def full_like(
    input: Tensor, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with every element `fill_value`, and the shape, dtype and device of `input` unless given.

    Returns:
        The shape of `input`.

    Example:
        >>> cb.full_like(cb.ones(2), 3)
        tensor([3., 3.])
    """
    return full(
        tuple(input.shape),
        fill_value,
        dtype=input.dtype if dtype is None else dtype,
        device=input.device if device is None else device,
        requires_grad=requires_grad,
    )


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros with the shape, dtype and device of `input` unless given.

    Returns:
        The shape of `input`.

    Example:
        >>> cb.zeros_like(cb.ones(2))
        tensor([0., 0.])
    """
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones with the shape, dtype and device of `input` unless given.

    Returns:
        The shape of `input`.

    Example:
        >>> cb.ones_like(cb.zeros(2))
        tensor([1., 1.])
    """
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of uninitialised memory with the shape, dtype and device of `input` unless given.

    Returns:
        The shape of `input`.

    Example:
        >>> cb.empty_like(cb.ones(2)).shape
        candelabra.Size([2])
    """
    return empty(
        tuple(input.shape),
        dtype=input.dtype if dtype is None else dtype,
        device=input.device if device is None else device,
        requires_grad=requires_grad,
    )


_ = (math, _dtype)
