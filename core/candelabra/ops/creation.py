# SPDX-License-Identifier: Apache-2.0
"""Tensors from nothing: constants, memory as it is, and the door that all factories go through.

The ops here take the shape first, then what the elements are; the public functions above them take PyTorch's arguments
and work dtype and shape out. A call that was made before with the same arguments finds its kernel and kind in the op's
plans, so that a small tensor costs little more than its memory.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._device import default_device
from .._device import device as device_type
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, OutOfMemoryError, ShapeError
from .._layout import contiguous_format, format_order, strided
from .._shape import Shape, as_shape, check_allocatable
from ..dispatcher import _fallback
from ..dispatcher._bind import is_scalar
from ..dispatcher._plans import add_plan
from ..dispatcher._write import check_writable, write
from ..op import Number, op
from ..op._rules import number_dtype
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Sample

__all__ = [
    "empty",
    "full",
    "ones",
    "zeros",
]

# -- the door of factories -------------------------------------------------------------------------------------------


def default_float(args: Sequence[Any], dtype: Any) -> dtype_type:
    """The dtype asked for, else the default float."""
    return get_default_dtype() if dtype is None else check_dtype(dtype)


def front_size(name: str) -> Callable[..., tuple[Any, ...]]:
    """A front that makes the first argument a shape."""

    def front(size: Any, *rest: Any) -> tuple[Any, ...]:
        return as_shape(name, size), *rest

    return front


def size_rule(name: str) -> Callable[..., Shape]:
    """A shape rule for factories: the first argument; raises OutOfMemoryError for more than any memory holds."""

    def rule(size: Shape, *rest: Any) -> Shape:
        check_allocatable(name, size)
        return size

    return rule


def factory(
    name: str, call: Any, size: tuple[Any, ...], rest: tuple[Any, ...], dtype: dtype_type, device: Any
) -> Tensor:
    """The tensor of a factory op.

    Args:
        name: the public function, for messages.
        call: the op; its arguments are a shape and `rest`.
        size: the shape as ints, or as one sequence in a tuple.
        rest: the op's other arguments; they do not change the shape.
        dtype: the result's.
        device: the default device when None.
    """
    try:
        kernel, kind, nested = call.op.plans[(size, dtype, device, default_device())]
        handle = kernel(size[0] if nested else size, *rest, dtype, kind.index)
    except Exception:  # not planned yet, or refused: the dispatcher says why
        return _first(name, call, size, rest, dtype, device)
    return make_tensor(handle, kind)


def _first(
    name: str, call: Any, size: tuple[Any, ...], rest: tuple[Any, ...], dtype: dtype_type, device: Any
) -> Tensor:
    """The same through the dispatcher, with all checks; remembers how it went."""
    nested = len(size) == 1 and not hasattr(size[0], "__index__")
    shape = as_shape(name, size[0] if nested else size)
    result: Tensor = call(shape, *rest, dtype=dtype, device=device)
    kind = result._kind
    default = default_device()
    asked = default if device is None else device_type(device)
    # "cuda" means the current one of several, which may be another the next time.
    is_fixed = asked.index is not None or not kind.backend.capabilities.indexed
    if is_fixed and not _fallback.observers and kind.handle_type in (None, type(result._array)):
        op = call.op
        if kind.is_meta:
            kernel: Any = functools.partial(_meta_kernel, kind.backend)
        else:
            kernel = kind.backend.kernels().get(op.name) or functools.partial(op.host_kernel, kind.backend)
        add_plan(op, ((shape,) if nested else shape, dtype, device, default), (kernel, kind, nested))
    return result


def _meta_kernel(backend: Any, size: Any, *rest: Any) -> Any:
    return backend.allocate(as_shape("meta", size), rest[-2], 0)


def finish(name: str, result: Tensor, requires_grad: bool, out: Any, layout: Any = None) -> Tensor:
    """`result`, or `out` with its elements; checks the layout asked for."""
    if layout is not None and layout is not strided:
        raise ArgumentError(f"{name}: layout must be candelabra.strided, got {layout!r}; convert with .to_sparse()")
    if out is not None:
        result = into(name, result, out)
    return result.requires_grad_() if requires_grad else result


def into(name: str, result: Tensor, out: Any) -> Tensor:
    """`out` with the elements of `result`; resized when it is empty.

    Raises:
        DTypeError: the dtypes differ.
        ShapeError: the shapes differ and `out` is not empty.
    """
    if not isinstance(out, Tensor):
        raise CallError(f"{name}: out must be a tensor, got {out!r} of type {type(out).__name__}")
    if out._kind.dtype is not result._kind.dtype:
        raise DTypeError(f"{name}: out must have the result's dtype, got {out.dtype.name} for {result.dtype.name}")
    check_writable(name, out)
    if out._array.shape == result._array.shape:
        write(out, result)
    elif out.numel():
        raise ShapeError(
            f"{name}: out must have the result's shape, got {tuple(out.shape)} for {tuple(result.shape)}; "
            "pass an empty tensor to have it resized"
        )
    else:
        out.data = result.to(out._kind.device)
    return out


def _sized(name: str, args: tuple[Any, ...], size: Any) -> tuple[Any, ...]:
    """The shape given as ints, as one sequence, or as `size=`."""
    if size is not None:
        args = (size,)
    if not args:
        raise CallError(f"{name}: missing argument, got none for size")
    return args


def scalar(name: str, value: Any, dtype: dtype_type) -> Any:
    """`value` (a number, or a tensor of one element) as a Python number of the category of `dtype`.

    Floats lose their fraction in an integer dtype, negative numbers wrap in an unsigned one.

    Raises:
        ArgumentError: the dtype cannot hold it.
    """
    if value.__class__ is float and dtype.itemsize >= 4 and dtype.category == 2 and -3.4e38 < value < 3.4e38:
        return value
    if hasattr(value, "item"):
        value = value.item()
    if not is_scalar(value):
        raise CallError(f"{name}: value must be a number, got {value!r} of type {type(value).__name__}")
    category = dtype.category
    if category == 0:
        return bool(value)
    if category == 3:
        return complex(value)
    if isinstance(value, complex):
        if value.imag:
            raise _does_not_fit(name, value, dtype)
        value = value.real
    if category == 2:
        value = float(value)
        if math.isfinite(value) and abs(value) > _largest(dtype):
            raise _does_not_fit(name, value, dtype)
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise _does_not_fit(name, value, dtype)
    number = int(value)
    low, high = limits(dtype)
    if low <= number <= high:
        return number
    if low == 0 and -high <= number < 0:
        return number + high + 1
    raise _does_not_fit(name, value, dtype)


def _does_not_fit(name: str, value: Any, dtype: dtype_type) -> ArgumentError:
    return ArgumentError(f"{name}: {dtype.name} does not hold the value, got {value!r}; choose another dtype")


@functools.cache
def _largest(dtype: dtype_type) -> float:
    return _dtype.finfo(dtype).max


@functools.cache
def limits(dtype: dtype_type) -> tuple[int, int]:
    """The smallest and the largest integer of an integer dtype."""
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)


# -- constants -------------------------------------------------------------------------------------------------------


def _dtype_of_fill(args: Sequence[Any], dtype: Any) -> dtype_type:
    return number_dtype(args[1]) if dtype is None else check_dtype(dtype)


def _host_full(backend: Any, size: Shape, fill_value: Number, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(np.full(size, fill_value).astype(dtype.numpy), index)


@op(
    name="full",
    host_kernel=_host_full,
    factory_dtype=_dtype_of_fill,
    front=front_size("full"),
    shape=size_rule("full"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((2, 3), 1.5), Sample((), 2), Sample((0, 3), True), Sample((3,), 7), Sample((2,), 1j)],
    errors=lambda: [
        ErrorSample(ShapeError, "negative", (2, -1), 1.0),
        ErrorSample(CallError, "must be ints", (2.5,), 1.0),
        ErrorSample(OutOfMemoryError, "as many elements", (1 << 40, 1 << 40), 1.0),
    ],
    reference=np.full,
    tolerance="exact",
)
def filled(size: Sequence[int], fill_value: Number) -> Tensor:
    """A tensor with every element `fill_value`, a number that its dtype holds.

    Args:
        size: its shape.
        fill_value: a number; without `dtype=`, its type decides the dtype.

    Returns:
        Shape `size`.
    """
    ...


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with every element `fill_value`.

    Args:
        size: its shape.
        fill_value: a number, or a tensor of one element; without `dtype`, its type decides the dtype.
        out: tensor to write into.
        dtype: bool, int64, the default float or complex when None, after `fill_value`.
        layout: `candelabra.strided`.
        device: the default device when None.
        requires_grad: record operations on it.
        pin_memory: accepted for PyTorch's sake.

    Returns:
        Shape `size`.

    Raises:
        ArgumentError: `fill_value` does not fit into `dtype`.
        ShapeError: a size is negative.
        OutOfMemoryError: the device has no room.

    Example:
        >>> cb.full((2,), 7)
        tensor([7, 7])
    """
    if dtype is not None:
        dtype = check_dtype(dtype)
    elif isinstance(fill_value, Tensor):
        dtype = fill_value._kind.dtype
    else:
        dtype = number_dtype(fill_value.item() if isinstance(fill_value, np.generic) else fill_value)
    result = factory("full", filled, (size,), (scalar("full", fill_value, dtype),), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("full", result, requires_grad, out, layout)
    return result


def zeros(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of zeros.

    Args:
        args: its shape, as a sequence or as ints.
        size: its shape, by name.
        out: tensor to write into.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: a size is negative.
        OutOfMemoryError: the device has no room.

    Example:
        >>> cb.zeros(2)
        tensor([0., 0.])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None or not args:
        args = _sized("zeros", args, size)
    result = factory("zeros", filled, args, (0,), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("zeros", result, requires_grad, out, layout)
    return result


def ones(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of ones.

    Args:
        args: its shape, as a sequence or as ints.
        size: its shape, by name.
        out: tensor to write into.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: a size is negative.
        OutOfMemoryError: the device has no room.

    Example:
        >>> cb.ones(2)
        tensor([1., 1.])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None or not args:
        args = _sized("ones", args, size)
    result = factory("ones", filled, args, (1,), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("ones", result, requires_grad, out, layout)
    return result


def _host_empty(backend: Any, size: Shape, dtype: dtype_type, index: int) -> Any:
    return backend.allocate(size, dtype, index)


@op(
    name="empty",
    host_kernel=_host_empty,
    factory_dtype=default_float,
    front=front_size("empty"),
    shape=size_rule("empty"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        *[Sample(size) for size in ((3,), (2, 3), (), (0,), (2, 0, 3), (1,), (3, 1, 4), (1300,))],
        *[Sample((2, 3), dtype=dtype) for dtype in (_dtype.float64, _dtype.int64, _dtype.bool_, _dtype.float16)],
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "negative", (-1,)),
        ErrorSample(OutOfMemoryError, "as many elements", (1 << 40, 1 << 40)),
    ],
    reference=lambda size, dtype=None: np.zeros(size),
    tolerance="unspecified",
)
def unfilled(size: Sequence[int]) -> Tensor:
    """A tensor of uninitialised memory.

    Args:
        size: its shape.

    Returns:
        Shape `size`, the default float dtype unless `dtype=` is given.
    """
    ...


def empty(
    *args: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of uninitialised memory.

    Args:
        args: its shape, as a sequence or as ints.
        size: its shape, by name.
        out: tensor to write into.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; contiguous when None.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: a size is negative.
        OutOfMemoryError: the device has no room.

    Example:
        >>> cb.empty(2, 3).shape
        candelabra.Size([2, 3])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None or not args:
        args = _sized("empty", args, size)
    if memory_format is not None and memory_format is not contiguous_format:
        shape = as_shape("empty", args[0] if len(args) == 1 else args)
        order = format_order("empty", len(shape), memory_format) or builtins.range(len(shape))
        result = in_order(lambda sizes: factory("empty", unfilled, (sizes,), (), dtype, device), shape, order)
    else:
        result = factory("empty", unfilled, args, (), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("empty", result, requires_grad, out, layout)
    return result


def in_order(make: Callable[[Shape], Tensor], shape: Shape, order: Sequence[int]) -> Tensor:
    """A tensor of `shape` whose dims lie in memory in `order`, outermost first; `make` allocates contiguous memory."""
    back = sorted(builtins.range(len(order)), key=order.__getitem__)
    seen = make(tuple([shape[i] for i in order])).permute(back)
    return make_tensor(seen._array, seen._kind)
