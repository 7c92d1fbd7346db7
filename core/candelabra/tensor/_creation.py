# SPDX-License-Identifier: Apache-2.0
"""Tensors from data: `tensor`, `as_tensor`, `from_numpy`, and PyTorch's constructor `Tensor(...)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._dtype import check_dtype, from_numpy_dtype
from .._errors import ArgumentError, CallError, DeviceError, DTypeError, ShapeError
from .._shape import as_shape
from ..dispatcher._kind import canonical_device, kind_of
from ._sharing import finish, from_pickle
from ._tensor import Tensor, make_tensor, new


def _infer(host: np.ndarray[Any, Any], data: Any) -> _dtype.dtype:
    """The dtype of Python data: bool, int64, the default float, or complex of the default float."""
    if isinstance(data, (np.ndarray, np.generic)) or isinstance(_first(data), np.generic):
        return from_numpy_dtype(host.dtype)
    if host.dtype.kind == "b":
        return _dtype.bool_
    if host.dtype.kind in "iu":
        return _dtype.int64
    if host.dtype.kind == "f":
        return get_default_dtype()
    return get_default_dtype().to_complex()


def _first(data: Any) -> Any:
    """The first number in nested sequences."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _integers(data: Any, host: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Python ints as they are, where NumPy takes small and large ones together for floats."""
    exact = np.asarray(_plain(data), dtype=object)
    if exact.shape != host.shape or any(type(v) is not int for v in exact.flat):
        return host
    return exact.astype(np.uint64 if min(exact.flat) >= 0 else np.int64)


def _host_array(what: str, data: Any, dtype: _dtype.dtype | None) -> tuple[np.ndarray[Any, Any], _dtype.dtype]:
    if isinstance(data, np.ndarray):
        host = data
    else:
        try:
            host = np.asarray(_plain(data))
            if host.dtype.kind == "f" and type(_first(data)) is int:
                host = _integers(data, host)
        except (ValueError, OverflowError, RecursionError) as error:
            raise ShapeError(f"{what}: data must be a number or nested sequences of one shape, got {error}") from error
        if host.size == 0 and not isinstance(data, (np.ndarray, np.generic)):
            host = host.astype(get_default_dtype().numpy)
    if host.dtype.kind not in "biufcV" or (host.dtype.kind == "V" and host.dtype.names):
        raise DTypeError(f"{what}: data must be numbers, got {host.dtype} from {type(data).__name__}")
    found = dtype or _infer(host, data)
    if found.category == 1 and host.dtype.kind in "iu" and host.size and not isinstance(data, np.ndarray):
        low, high = int(host.min()), int(host.max())
        if low < _dtype.iinfo(found).min or high > _dtype.iinfo(found).max:
            raise ArgumentError(f"{what}: values must fit {found.name}, got values from {low} to {high}")
    if host.dtype != found.numpy:
        with np.errstate(all="ignore"):  # what a dtype cannot hold becomes infinite, in silence as in every cast
            host = host.astype(found.numpy)
    return host, found


def _plain(data: Any) -> Any:
    """Nested sequences with the tensors in them turned into host arrays."""
    if isinstance(data, Tensor):
        return data._host()
    if isinstance(data, (list, tuple)) and any(isinstance(d, (Tensor, list, tuple)) for d in data):
        return [_plain(d) for d in data]
    return data


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new tensor with a copy of `data`.

    Args:
        data: a number, nested sequences, a NumPy array, or a tensor.
        dtype: inferred when None: bool, int64, the default float or complex for Python data, NumPy's own for arrays.
        device: the default device when None; that of `data` when it is a tensor.
        requires_grad: record operations on it.
        pin_memory: put it into pinned host memory, as `Tensor.pin_memory`.

    Returns:
        The shape of `data`.

    Raises:
        ShapeError: sequences of different lengths.
        DTypeError: data that is not numbers, or a dtype the device does not store.

    Example:
        >>> cb.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    wanted = None if dtype is None else check_dtype(dtype)
    if isinstance(data, Tensor):
        device = data.device if device is None else device
        result = data.detach().to(device=device, dtype=wanted or data.dtype, copy=True)
    else:
        host, found = _host_array("tensor", data, wanted)
        kind = kind_of(canonical_device(device), found)
        result = make_tensor(kind.backend.from_host(host, kind.index), kind)
    if pin_memory:
        result = result.pin_memory()
    return result.requires_grad_() if requires_grad else result


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory and history where dtype and device allow it.

    Args:
        data: as of `tensor`.
        dtype: that of `data` when None.
        device: that of a tensor, else the default device, when None.

    Returns:
        The shape of `data`.

    Example:
        >>> cb.as_tensor([1.0, 2.0])
        tensor([1., 2.])
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    if isinstance(data, np.ndarray):
        target = canonical_device(device)
        found = kind_of(target, from_numpy_dtype(data.dtype))
        if found.backend.capabilities.host_memory and (dtype is None or check_dtype(dtype) is found.dtype):
            return from_numpy(data)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of a NumPy array: writes to one are seen by the other.

    Args:
        array: any dtype with a counterpart; positive strides.

    Returns:
        The shape of `array`, on the host device.

    Raises:
        CallError: `array` is not a NumPy array.
        DTypeError: its dtype has no counterpart.

    Example:
        >>> import numpy as np
        >>> cb.from_numpy(np.zeros(2))
        tensor([0., 0.], dtype=candelabra.float64)
    """
    if not isinstance(array, np.ndarray):
        raise CallError(f"from_numpy: needs a NumPy array, got {type(array).__name__}")
    if any(s < 0 for s in array.strides):
        raise ShapeError(f"from_numpy: strides must not be negative, got strides {array.strides}; copy the array first")
    if any(s % array.itemsize for s in array.strides if array.itemsize):
        raise ShapeError(
            f"from_numpy: strides must be multiples of the item size {array.itemsize}, got strides {array.strides}; copy "
            "the array first"
        )
    if not array.dtype.isnative or not array.flags.writeable:
        array = np.array(array, dtype=array.dtype.newbyteorder("="))
    kind = kind_of(canonical_device("cpu"), from_numpy_dtype(array.dtype))
    if not kind.backend.capabilities.host_memory:
        raise DeviceError(f'from_numpy: the device "{kind.device}" does not share host memory; use tensor(array)')
    return make_tensor(np.asarray(array), kind)


def legacy_tensor(cls: type[Tensor], args: tuple[Any, ...], device: Any) -> Tensor:
    """`Tensor(*sizes)` is uninitialised, `Tensor(data)` a copy; both of the default dtype."""
    kind = kind_of(canonical_device(device), get_default_dtype())
    if (len(args) == 1 and not hasattr(args[0], "__index__")) or (len(args) == 1 and isinstance(args[0], Tensor)):
        data = args[0]
        if isinstance(data, Tensor):
            array = data.detach().to(device=kind.device, dtype=kind.dtype)._array
        elif type(data).__name__ == "Size":
            array = kind.backend.allocate(as_shape("Tensor", data), kind.dtype, kind.index)
        else:
            if not isinstance(data, (list, tuple, np.ndarray)):
                raise CallError(f"Tensor: takes sizes or a sequence, got {data!r}; use candelabra.tensor for a number")
            array = kind.backend.from_host(_host_array("Tensor", data, kind.dtype)[0], kind.index)
    else:
        array = kind.backend.allocate(as_shape("Tensor", args or (0,)), kind.dtype, kind.index)
    return with_class(cls, array, kind)


def with_class(cls: type[Tensor], array: Any, kind: Any) -> Tensor:
    """A tensor of a subclass on a handle."""
    fresh: Tensor = new(cls)
    fresh._array, fresh._kind, fresh._node, fresh._storage, fresh._base = array, kind, None, None, None
    return fresh


def rebuild_tensor(
    cls: type[Tensor],
    host: np.ndarray[Any, Any],
    dtype: str,
    device: str,
    requires_grad: bool,
    state: Any,
) -> Tensor:
    """The inverse of `Tensor.__reduce_ex__` for a tensor alone on its memory."""
    handle, kind = from_pickle(host, dtype, device)
    return finish(cls, handle, kind, None, requires_grad, state)
