# SPDX-License-Identifier: Apache-2.0
"""Kind: a device and a dtype in one shared object, so that one identity check compares both."""

from __future__ import annotations

from typing import Any

from .._device import default_device, device
from .._dtype import dtype
from .._errors import CallError, DeviceError, DTypeError
from ._plugins import load_backend, on_register
from .backend import Backend

_kinds: dict[tuple[device, dtype], Kind] = {}


class Kind:
    """Device, dtype and backend of a tensor: one object for each pair of device and dtype."""

    __slots__ = ("backend", "device", "dtype", "handle_type", "index", "is_meta")

    def __init__(self, device: device, dtype: dtype, backend: Backend) -> None:
        self.device = device
        self.dtype = dtype
        self.backend = backend
        self.handle_type = backend.handle_type
        self.index = device.index or 0
        self.is_meta = backend.name == "meta"

    def __repr__(self) -> str:
        return f"Kind({self.device}, {self.dtype.name})"

    def with_dtype(self, dtype: dtype) -> Kind:
        """The kind of another dtype on the same device."""
        return self if dtype is self.dtype else kind_of(self.device, dtype)


def kind_of(device: device, dtype: dtype) -> Kind:
    """The kind of a canonical device and a dtype.

    Raises:
        DTypeError: the device does not store this dtype.
    """
    found = _kinds.get((device, dtype))
    if found is None:
        backend = load_backend(device.type)
        if dtype not in backend.capabilities.dtypes:
            raise DTypeError(f'device "{device}": does not store this dtype, got {dtype.name}; see candelabra doctor')
        found = _kinds.setdefault((device, dtype), Kind(device, dtype, backend))
    return found


def canonical_device(value: Any = None) -> device:
    """`value` (a device, a text, or None for the default) with the index it means; its backend is loaded.

    Raises:
        DeviceError: no such backend, or no device of that index.
    """
    if value is None:
        value = default_device()
    elif isinstance(value, int) and not isinstance(value, bool):
        raise CallError(f'device: must be a text or a device, got {value!r}; write "cuda:{value}"')
    wanted = device(value)
    known = _canonical.get(wanted)
    if known is not None:
        return known
    backend = load_backend(wanted.type)
    if not backend.capabilities.indexed:
        if wanted.index:
            raise DeviceError(f'device "{wanted}": there is one "{wanted.type}" only, got index {wanted.index}')
        found = device(wanted.type)
    elif wanted.index is None:
        return device(wanted.type, backend.current_device())
    else:
        count = len(backend.devices())
        if wanted.index >= count:
            raise DeviceError(f'device "{wanted}": index must be below {count}, got {wanted.index}')
        found = wanted
    _canonical[wanted] = found
    return found


_canonical: dict[device, device] = {}


def _forget(name: str) -> None:
    """Drops what is known of a backend's devices; tensors made before keep their kinds."""
    for key in [key for key in _kinds if key[0].type == name]:
        del _kinds[key]
    for known in [known for known in _canonical if known.type == name]:
        del _canonical[known]


on_register.append(_forget)
