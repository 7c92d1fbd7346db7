# SPDX-License-Identifier: Apache-2.0
"""What tensors do with devices: pinned memory, streams, and memory shared with other libraries by DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._device import default_device
from .._device import device as device_type
from .._dtype import from_numpy_dtype
from .._errors import BackendError, CallError, DeviceError, DLPackError
from ..dispatcher import _plugins
from ..dispatcher._kind import canonical_device, kind_of
from ..dispatcher._plugins import load_backend
from ..tensor._tensor import Tensor, make_tensor
from ._streams import Stream

# Backends by DLPack's device type, for those not loaded yet; a loaded one says its own.
_BACKENDS = {1: "cpu", 2: "cuda", 3: "cpu", 4: "opencl", 7: "vulkan", 8: "metal", 10: "rocm", 11: "cpu", 13: "cuda"}


# -- DLPack ----------------------------------------------------------------------------------------------------------


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's array: writes to one are seen by the other.

    Args:
        x: an object with `__dlpack__` (an array of NumPy, CuPy, JAX, PyTorch, a tensor), or a DLPack capsule.
        device: where the result shall be; where `x` is when None.
        copy: True to copy always, False to fail rather than copy, None to copy where memory cannot be shared: when it is
            read-only, runs backwards, or is on another device than asked for.

    Returns:
        The shape, dtype and strides of `x`; contiguous where it was copied.

    Raises:
        CallError: `x` does not know DLPack.
        DLPackError: a device or dtype that has no counterpart, or a copy that `copy=False` forbids.

    Example:
        >>> import numpy as np
        >>> a = np.arange(3)
        >>> t = cb.from_dlpack(a)
        >>> a[0] = 7
        >>> t
        tensor([7, 1, 2])
    """
    source = _source(x)
    number, index = source.__dlpack_device__() if not isinstance(source, np.ndarray) else (1, 0)
    name = _backend_name(int(number))
    backend = load_backend(name)
    index = int(index) if backend.capabilities.indexed else 0
    try:
        handle = source if isinstance(source, np.ndarray) else backend.from_dlpack(source, index)
    except DLPackError:
        raise
    except (BufferError, BackendError) as error:
        raise DLPackError(f"from_dlpack: {type(x).__name__} does not share its memory, got {error}") from error
    handle, copied = _usable(handle, copy)
    where = canonical_device(device_type(name, index) if backend.capabilities.indexed else name)
    found = make_tensor(handle, kind_of(where, from_numpy_dtype(handle.dtype)))
    wanted = where if device is None else canonical_device(device)
    if wanted is not where:
        if copy is False:
            raise DLPackError(f'from_dlpack: memory is on "{where}", got device="{wanted}" with copy=False')
        return found.to(wanted)
    return found.clone() if copy and not copied else found


def _source(x: Any) -> Any:
    from ._dlpack import Capsule

    if type(x).__name__ == "PyCapsule":
        return Capsule(x)
    if isinstance(x, np.ndarray) or (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        return x
    raise CallError(f"from_dlpack: x must have __dlpack__ and __dlpack_device__, got {type(x).__name__}")


def _backend_name(number: int) -> str:
    for backend in _plugins._loaded.values():
        if backend.dlpack_device_type == number:
            return backend.name
    name = _BACKENDS.get(number)
    if name is None:
        raise DLPackError(f"from_dlpack: no backend for this kind of device, got DLPack's device type {number}")
    return name


def _usable(handle: Any, copy: bool | None) -> tuple[Any, bool]:
    """A handle tensors can have, and whether it was copied: their memory is writable, and runs forwards."""
    if not isinstance(handle, np.ndarray):
        return handle, False
    reason = (
        "is read-only"
        if not handle.flags.writeable
        else "runs backwards"
        if any(s < 0 for s in handle.strides)
        else "is of foreign byte order"
        if not handle.dtype.isnative
        else ""
    )
    if not reason:
        return handle, False
    if copy is False:
        raise DLPackError(f"from_dlpack: memory {reason}, got strides {handle.strides} with copy=False; allow a copy")
    return np.array(handle, dtype=handle.dtype.newbyteorder("="), order="C"), True


def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule on this tensor's memory, for one consumer.

    Args:
        stream: the consumer's stream, by DLPack's rules for the device; work on this tensor is done before what comes on it.
        max_version: newest version of DLPack the consumer reads; None for one before versions.
        dl_device: (device type, number) the memory shall be on: this tensor's, or (1, 0), the host, by a copy.
        copy: True to copy always, False to fail rather than copy.

    Raises:
        DLPackError: the tensor requires a gradient, its device or dtype is not shared, or a forbidden copy is needed.
    """
    from ._dlpack import mark_copied

    if self._node is not None:
        raise DLPackError("dlpack: tensor requires a gradient, got requires_grad=True; use .detach()")
    shared, copied = self, False
    host = dl_device is not None and tuple(map(int, dl_device)) == (1, 0)
    own = host and self._kind.backend.capabilities.host_memory
    if dl_device is not None and not own and (host or tuple(dl_device) != self.__dlpack_device__()):
        if not host or copy is False:
            raise DLPackError(f'dlpack: memory is on "{self.device}", got dl_device={tuple(dl_device)}, copy={copy}')
        shared, copied = self.cpu(), True
        stream = None
    elif copy:
        shared, copied = self.clone(), True
    shared.__dlpack_device__()  # refuses what is not shared
    capsule = shared._kind.backend.to_dlpack(shared._array, stream, max_version)
    return mark_copied(capsule) if copied else capsule


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """DLPack's (device type, number) of this tensor's device.

    Raises:
        DLPackError: its device is not shared by DLPack.
    """
    return self._kind.backend.dlpack_device(self._array)


# -- pinned memory and streams ---------------------------------------------------------------------------------------


def pinning_backend(device: Any = None) -> Any:
    """The backend whose pinned memory is meant: that of `device`, of the default device, or the one there is; or None."""
    if device is not None:
        return load_backend(device_type(device).type)
    names = [default_device().type, *_plugins._loaded, "cuda"]
    for name in dict.fromkeys(names):
        try:
            backend = load_backend(name)
        except (BackendError, DeviceError):
            continue
        if backend.capabilities.pinned_memory:
            return backend
    return None


def _pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """A copy in pinned host memory, from which `to(device, non_blocking=True)` need not wait; itself when it is there.

    Args:
        device: whose kind of pinned memory; the default device's or the one there is, when None. Without any, pinning
            means nothing and the tensor itself is returned.

    Returns:
        The shape and dtype of this tensor, contiguous, without history.

    Raises:
        DeviceError: the tensor is not in host memory.
    """
    if not self._kind.backend.capabilities.host_memory:
        raise DeviceError(f'pin_memory: only host tensors can be pinned, got device "{self.device}"')
    backend = pinning_backend(device)
    if backend is None or backend.is_pinned(self._array):
        return self
    return make_tensor(backend.pin(self._array), self._kind)


def _is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the elements lie in pinned host memory, of `device`'s backend or any loaded one."""
    if not self._kind.backend.capabilities.host_memory:
        return False
    backends = list(_plugins._loaded.values()) if device is None else [load_backend(device_type(device).type)]
    return any(backend.is_pinned(self._array) for backend in backends)


def _record_stream(self: Tensor, stream: Stream) -> None:
    """Says that work of `stream` uses this tensor's memory: it is not used anew before that work is done.

    Needed where a tensor is used on another stream than the one it was made on, and dropped before that stream is waited for.

    Raises:
        DeviceError: the stream is of another device.
    """
    if not isinstance(stream, Stream):
        raise CallError(f"record_stream: stream must be a Stream, got {type(stream).__name__}")
    if stream.device is not self.device:
        raise DeviceError(f'record_stream: tensor is on "{self.device}", got a stream of "{stream.device}"')
    self._kind.backend.record_stream(self._array, stream._handle)


def _cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """This tensor on a CUDA device: the current one, or one by number or name; itself when it is there."""
    where = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
    if device_type(where).type != "cuda":
        raise DeviceError(f'cuda: device must be of type "cuda", got "{where}"')
    return self.to(where, non_blocking=non_blocking, memory_format=memory_format)


Tensor.__dlpack__ = _dlpack
Tensor.__dlpack_device__ = _dlpack_device
Tensor.pin_memory = _pin_memory
Tensor.is_pinned = _is_pinned
Tensor.record_stream = _record_stream
Tensor.cuda = _cuda
Tensor.is_cuda = property(
    lambda self: self._kind.device.type == "cuda", doc="Whether the elements are on a CUDA device."
)
Tensor.is_cpu = property(lambda self: self._kind.device.type == "cpu", doc="Whether the elements are on the host.")

__all__ = ["from_dlpack", "pinning_backend"]
