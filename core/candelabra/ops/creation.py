# SPDX-License-Identifier: Apache-2.0
"""Tensors from nothing: constants, ranges, windows, shapes like others; and writing over a tensor's elements.

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
from .._config import get_default_dtype, grad_enabled
from .._device import default_device
from .._device import device as device_type
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, OutOfMemoryError, ShapeError
from .._layout import contiguous_format, strided
from .._shape import Shape, as_shape, broadcast_shapes
from ..dispatcher import _fallback
from ..dispatcher._bind import is_scalar
from ..dispatcher._kind import canonical_device
from ..dispatcher._plans import add_plan
from ..dispatcher._record import rebase, record
from ..dispatcher._write import check_writable, write
from ..op import Number, op, rules
from ..op._checked import checked
from ..op._rules import number_dtype
from ..tensor._creation import from_numpy, tensor
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "arange", "asarray", "bartlett_window", "blackman_window", "empty", "empty_like", "empty_permuted",
    "empty_strided", "eye", "fill", "full", "full_like", "hamming_window", "hann_window", "kaiser_window", "linspace",
    "logspace", "ones", "ones_like", "range", "scalar_tensor", "tril_indices", "triu_indices", "vander", "zeros",
    "zeros_like",
]  # fmt: skip

# -- the door of factories -------------------------------------------------------------------------------------------

_TOO_MANY = 1 << 59
"""Elements whose bytes no address can count."""


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
        if math.prod(size) > _TOO_MANY:
            raise OutOfMemoryError(f"{name}: no device holds as many elements, got size={size}")
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
    errors=lambda: [
        ErrorSample(ShapeError, "negative", (-1,)),
        ErrorSample(OutOfMemoryError, "as many elements", (1 << 40, 1 << 40)),
    ],
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
    if memory_format is not None and memory_format.order is not None:
        shape = as_shape("empty", args[0] if len(args) == 1 else args)
        order = memory_format.order(len(shape))
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


def _order_of(input: Tensor, memory_format: Any) -> Sequence[int] | None:
    """Dims from outermost to innermost as `memory_format` or the memory of `input` has them; None when in order."""
    ndim = len(input._array.shape)
    if ndim < 2 or memory_format is contiguous_format:
        return None
    if memory_format is not None and memory_format.order is not None:
        order = tuple(memory_format.order(ndim))
    else:
        strides = input.stride()
        if any(s == 0 and n > 1 for s, n in zip(strides, input._array.shape, strict=True)):
            return None
        order = tuple(sorted(builtins.range(ndim), key=lambda i: -strides[i]))
    return None if order == tuple(builtins.range(ndim)) else order


def like(
    call: Any, rest: tuple[Any, ...], input: Tensor, dtype: Any, device: Any, requires_grad: bool, memory_format: Any
) -> Tensor:
    """The tensor of a factory op with the shape, and unless given the dtype, device and order in memory, of another."""
    if not isinstance(input, Tensor):
        raise CallError(f"{call.op.name}: input must be a tensor, got {input!r} of type {type(input).__name__}")
    kind = input._kind
    dtype = kind.dtype if dtype is None else check_dtype(dtype)
    device = kind.device if device is None else device
    order = _order_of(input, memory_format)
    if order is None:
        result = factory(call.op.name, call, (tuple(input._array.shape),), rest, dtype, device)
    else:
        shape = tuple(input._array.shape)
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


# -- ranges ----------------------------------------------------------------------------------------------------------


def _host_arange(backend: Any, size: Shape, start: Any, step: Any, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(progression(np, size, start, step, dtype), index)


def progression(xp: Any, size: Shape, start: Any, step: Any, dtype: dtype_type) -> Any:
    """`start + i * step` for i below `size[0]`, worked out in int64 or float64."""
    counts = xp.arange(size[0], dtype=xp.int64 if dtype.category < 2 else xp.float64)
    return (counts * step + start).astype(dtype.numpy)


def _wider(args: Sequence[Any], dtype: Any) -> dtype_type:
    """The dtype asked for, else int64 for ints and the default float or complex for the rest."""
    if dtype is not None:
        return check_dtype(dtype)
    if any(isinstance(a, complex) for a in args[1:]):
        return get_default_dtype().to_complex()
    return _dtype.int64 if all(isinstance(a, int) for a in args[1:]) else get_default_dtype()


@op(
    name="arange",
    host_kernel=_host_arange,
    factory_dtype=_wider,
    front=front_size("arange"),
    shape=size_rule("arange"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((5,), 0, 1), Sample((0,), 0, 1), Sample((4,), 3, -2), Sample((7,), 0.5, 0.25)],
    reference=lambda size, start, step: np.array([start + i * step for i in builtins.range(size[0])]),
    tolerance="exact",
)
def steps(size: Sequence[int], start: Number, step: Number) -> Tensor:
    """The numbers `start`, `start + step`, and so on.

    Args:
        size: shape (n,).
        start: the first; an int for integer dtypes, a real number for floating ones.
        step: what is added each time.

    Returns:
        Shape (n,): element i is start + i * step, worked out in int64 or float64 and rounded once.
    """
    ...


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Numbers from `start` up to, not including, `end`.

    Args:
        start: the first number, 0 when only one is given.
        end: bound of the numbers; never among them.
        step: difference of neighbours, not 0; negative counts down.
        out: tensor to write into.
        dtype: int64 for ints, the default float when one argument is a float, when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (ceil((end - start) / step),). In an integer dtype all three lose their fractions first.

    Raises:
        ArgumentError: `step` is 0 or leads away from `end`, or a bound is not finite.
        DTypeError: `dtype` is bool or complex.

    Example:
        >>> cb.arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])
    """
    if end is None:
        start, end = 0, start
    if dtype is None and start.__class__ is int and end.__class__ is int and step.__class__ is int:
        dtype = _dtype.int64
    else:
        start, end, step, dtype = _bounds("arange", (start, end, step), dtype)
    count = _count("arange", start, end, step)
    result = factory("arange", steps, (count,), (start, step), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("arange", result, requires_grad, out, layout)
    return result


def _bounds(name: str, values: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Three numbers of the category of the range's dtype, and that dtype."""
    found = None if dtype is None else check_dtype(dtype)
    numbers = []
    for value in values:
        if hasattr(value, "item"):
            value = value.item()
        if not is_scalar(value) or isinstance(value, complex):
            raise CallError(f"{name}: bounds must be real numbers, got {value!r} of type {type(value).__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ArgumentError(f"{name}: bounds must be finite, got {value!r}")
        numbers.append(int(value) if isinstance(value, int) else value)
    if found is None:
        found = _dtype.int64 if all(isinstance(n, int) for n in numbers) else get_default_dtype()
    if found.category not in (1, 2):
        raise DTypeError(f"{name}: needs an integer or floating dtype, got {found.name}")
    convert: Any = int if found.category == 1 else float
    return *[convert(n) for n in numbers], found


def _count(name: str, start: Any, end: Any, step: Any) -> int:
    if step == 0:
        raise ArgumentError(f"{name}: step must not be 0, got step={step!r}")
    if (end - start) * step < 0:
        raise ArgumentError(f"{name}: step must lead from start to end, got {start!r} to {end!r} with step={step!r}")
    if step.__class__ is int and start.__class__ is int and end.__class__ is int:
        return -((start - end) // step)
    return math.ceil((end - start) / step)


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to `end`, both included. Prefer `arange`, which follows Python's range.

    Args:
        start: the first number, 0 when only one is given.
        end: bound of the numbers, among them when a step hits it.
        step: difference of neighbours, not 0.
        out: tensor to write into.
        dtype: the default float when None.
        layout: `candelabra.strided`.
        device: the default device when None.
        requires_grad: record operations on it.

    Returns:
        Shape (floor((end - start) / step) + 1,).

    Raises:
        ArgumentError: `step` is 0 or leads away from `end`, or a bound is not finite.

    Example:
        >>> cb.range(1, 3)
        tensor([1., 2., 3.])
    """
    if end is None:
        start, end = 0, start
    start, end, step, dtype = _bounds("range", (start, end, step), get_default_dtype() if dtype is None else dtype)
    _count("range", start, end, step)
    result = factory("range", steps, (math.floor((end - start) / step) + 1,), (start, step), dtype, device)
    return finish("range", result, requires_grad, out, layout)


def _host_linspace(backend: Any, size: Shape, start: Any, end: Any, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(spaced(np, size, start, end, dtype), index)


def spaced(xp: Any, size: Shape, start: Any, end: Any, dtype: dtype_type) -> Any:
    """`size[0]` numbers from `start` to `end`, worked out in float64 from the nearer end, so that both are exact."""
    n = size[0]
    step = (end - start) / (n - 1) if n > 1 else 0.0
    i = xp.arange(n, dtype=xp.float64)
    values = xp.where(i < n // 2, i * step + start, end - (n - 1 - i) * step) if n > 1 else i * 0.0 + start
    return values.astype(dtype.numpy)


@op(
    name="linspace",
    host_kernel=_host_linspace,
    factory_dtype=lambda args, dtype: _wider((args[0], 0.0, *args[1:]), dtype),
    front=front_size("linspace"),
    shape=size_rule("linspace"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((5,), 0.0, 1.0, dtypes=("float32",)), Sample((1,), 2.0, 3.0), Sample((0,), 2.0, 3.0),
        Sample((4,), 3.0, -3.0), Sample((3,), 0.0, 2.0),
    ],
    reference=lambda size, start, end: np.linspace(start, end, size[0]),
)  # fmt: skip
def spacing(size: Sequence[int], start: Number, end: Number) -> Tensor:
    """Evenly spaced numbers from `start` to `end`, both included.

    Args:
        size: shape (n,).
        start: the first.
        end: the last.

    Returns:
        Shape (n,), worked out in float64 and rounded once; integer dtypes drop the fractions.
    """
    ...


def _ends(name: str, start: Any, end: Any, count: Any, dtype: Any) -> tuple[Any, Any, int, dtype_type]:
    """Both ends as numbers of the category of the dtype, the number of steps, and the dtype."""
    values = [v.item() if hasattr(v, "item") else v for v in (start, end)]
    if not all(is_scalar(v) for v in values):
        raise CallError(f"{name}: ends must be numbers, got {values[0]!r} and {values[1]!r}")
    if not hasattr(count, "__index__"):
        raise CallError(f"{name}: steps must be an int, got {count!r}")
    if count < 0:
        raise ArgumentError(f"{name}: steps must not be negative, got steps={count}")
    if dtype is None:
        found = get_default_dtype()
        if any(isinstance(v, complex) for v in values):
            found = found.to_complex()
    else:
        found = check_dtype(dtype)
    if found is _dtype.bool_:
        raise DTypeError(f"{name}: needs a numeric dtype, got bool")
    convert: Any = (bool, int, float, complex)[found.category]
    try:
        first, last = [convert(v) for v in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise DTypeError(f"{name}: {found.name} does not hold the ends, got {values[0]!r} and {values[1]!r}") from error
    return first, last, count.__index__(), found


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included.

    Args:
        start: the first number.
        end: the last number.
        steps: how many, at least 0.
        out: tensor to write into.
        dtype: the default float, or complex for complex ends, when None. An integer dtype drops fractions.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (steps,).

    Raises:
        ArgumentError: `steps` is negative.

    Example:
        >>> cb.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    first, last, count, found = _ends("linspace", start, end, steps, dtype)
    return finish(
        "linspace", factory("linspace", spacing, (count,), (first, last), found, device), requires_grad, out, layout
    )


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Powers of `base` with `steps` evenly spaced exponents from `start` to `end`, both included.

    Args:
        start: the first exponent.
        end: the last exponent.
        steps: how many, at least 0.
        base: what is raised.
        out: tensor to write into.
        dtype: the default float, or complex for complex ends, when None. An integer dtype drops fractions.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (steps,).

    Raises:
        ArgumentError: `steps` is negative.

    Example:
        >>> cb.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    first, last, count, found = _ends("logspace", start, end, steps, dtype)
    wide = _dtype.complex128 if found.is_complex else _dtype.float64
    host = np.power(np.asarray(base, dtype=wide.numpy), spaced(np, (count,), first, last, wide)).astype(found.numpy)
    return finish("logspace", tensor(host, device=device), requires_grad, out, layout)


def _host_eye(backend: Any, size: Shape, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(np.eye(*size, dtype=dtype.numpy), index)


@op(
    name="eye",
    host_kernel=_host_eye,
    factory_dtype=default_float,
    front=front_size("eye"),
    shape=size_rule("eye"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((3, 3)), Sample((2, 4)), Sample((4, 1)), Sample((0, 3)), Sample((2, 0))],
    reference=lambda size: np.equal.outer(np.arange(size[0]), np.arange(size[1])).astype(float),
    tolerance="exact",
)
def identity(size: Sequence[int]) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere.

    Args:
        size: shape (rows, columns).

    Returns:
        Shape `size`, the default float dtype unless `dtype=` is given.
    """
    ...


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere.

    Args:
        n: rows.
        m: columns; `n` when None.
        out: tensor to write into.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: `n` or `m` is negative.

    Example:
        >>> cb.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    result = factory("eye", identity, (n, n if m is None else m), (), dtype, device)
    return finish("eye", result, requires_grad, out, layout)


def _triangle(name: str, row: int, col: int, keep: Any, dtype: Any, device: Any, layout: Any) -> Tensor:
    as_shape(name, (row, col))
    found = _dtype.int64 if dtype is None else check_dtype(dtype)
    if found not in (_dtype.int64, _dtype.int32):
        raise DTypeError(f"{name}: dtype must be int64 or int32, got {found.name}")
    # row-major order of the positions that stay
    places = np.nonzero(keep(np.arange(col) - np.arange(row)[:, None]))
    return finish(name, tensor(np.stack(places).astype(found.numpy), device=device), False, None, layout)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Positions of the lower triangle of a matrix, row by row.

    Args:
        row: rows of the matrix.
        col: its columns.
        offset: diagonal to include last: 0 the main one, positive above it.
        dtype: int64 when None, or int32.
        device: the default device when None.
        layout: `candelabra.strided`.

    Returns:
        Shape (2, positions): row and column of each.

    Raises:
        ShapeError: a size is negative.

    Example:
        >>> cb.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, lambda d: d <= offset, dtype, device, layout)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Positions of the upper triangle of a matrix, row by row.

    Args:
        row: rows of the matrix.
        col: its columns.
        offset: diagonal to include first: 0 the main one, positive above it.
        dtype: int64 when None, or int32.
        device: the default device when None.
        layout: `candelabra.strided`.

    Returns:
        Shape (2, positions): row and column of each.

    Raises:
        ShapeError: a size is negative.

    Example:
        >>> cb.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, lambda d: d >= offset, dtype, device, layout)


@checked
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: powers of each element, in columns.

    Args:
        x: any numeric dtype, shape (n,).
        N: number of columns; n when None.
        increasing: powers from 0 up instead of down to 0.

    Returns:
        Shape (n, N), the dtype of `x`; bool gives int64.

    Raises:
        ShapeError: `x` is not 1-d.
        ArgumentError: `N` is negative.

    Example:
        >>> cb.vander(cb.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [4, 2, 1],
                [9, 3, 1]])
    """
    from .joining import stack

    if x.dim() != 1:
        raise ShapeError(f"vander: x must be 1-d, got shape {tuple(x.shape)}")
    count = x.numel() if N is None else N
    if count < 0:
        raise ArgumentError(f"vander: N must not be negative, got N={count}")
    if x.dtype.category < 2:
        x = x.to(_dtype.int64)
    if count == 0:
        return zeros(x.numel(), 0, dtype=x.dtype, device=x.device)
    # products, not pow: integers stay exact, and the gradient at 0 needs no care
    powers = [ones_like(x)]
    for _ in builtins.range(count - 1):
        powers.append(powers[-1] * x)
    return stack(powers if increasing else powers[::-1], dim=1)


# -- windows ---------------------------------------------------------------------------------------------------------


def _window(
    name: str, length: int, periodic: bool, shape: Any, dtype: Any, layout: Any, device: Any, grad: bool
) -> Tensor:
    """A window of `shape(i, n - 1)`, worked out in float64; a periodic one is one of n + 1 points without the last."""
    if not hasattr(length, "__index__"):
        raise CallError(f"{name}: window_length must be an int, got {length!r}")
    if length < 0:
        raise ArgumentError(f"{name}: window_length must not be negative, got {length}")
    found = get_default_dtype() if dtype is None else check_dtype(dtype)
    if found.category != 2:
        raise DTypeError(f"{name}: needs a floating dtype, got {found.name}")
    last = length if periodic else length - 1
    host = np.ones(length) if length < 2 else shape(np.arange(length, dtype=np.float64), last)
    return finish(name, tensor(host.astype(found.numpy), device=device), grad, None, layout)


def _cosines(*weights: float) -> Any:
    """Sum of cosines of i = 0, 1, 2, ... turns with the given weights."""
    return lambda i, last: sum(w * np.cos(2 * np.pi * k * i / last) for k, w in enumerate(weights))


@checked
def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Hann window: one period of a raised cosine.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    shape = _cosines(0.5, -0.5)
    return _window("hann_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Hamming window: alpha - beta times one period of a cosine.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        alpha: the constant.
        beta: factor of the cosine.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.hamming_window(4)
        tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    shape = _cosines(alpha, -beta)
    return _window("hamming_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Blackman window: 0.42 - 0.5 times one period of a cosine + 0.08 times two.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.blackman_window(4)
        tensor([0.0000, 0.3400, 1.0000, 0.3400])
    """
    terms = _cosines(0.42, -0.5, 0.08)

    def shape(i: Any, last: int) -> Any:
        return np.maximum(terms(i, last), 0.0)  # rounded weights would leave -1e-17 at the ends

    return _window("blackman_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Bartlett window: a triangle from 0 to 1 and back.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.bartlett_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def shape(i: Any, last: int) -> Any:
        return 1 - np.abs(2 * i / last - 1)

    return _window("bartlett_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Kaiser window: I0(beta sqrt(1 - x^2)) / I0(beta), with x from -1 to 1 and I0 the modified Bessel function.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        beta: shape; larger is narrower.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.kaiser_window(3, periodic=False, beta=1.0)
        tensor([0.7898, 1.0000, 0.7898])
    """

    def shape(i: Any, last: int) -> Any:
        x = 2 * i / last - 1
        return np.i0(beta * np.sqrt(np.maximum(0, 1 - x * x))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


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


Tensor.copy_ = copy_
Tensor.fill_ = fill_
Tensor.zero_ = zero_
Tensor.new_full = new_full
Tensor.new_zeros = new_zeros
Tensor.new_ones = new_ones
Tensor.new_empty = new_empty
Tensor.new_empty_strided = new_empty_strided
Tensor.new_tensor = new_tensor
