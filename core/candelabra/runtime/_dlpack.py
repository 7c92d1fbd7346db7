# SPDX-License-Identifier: Apache-2.0
"""DLPack capsules of host arrays, made and read here, so that bool, bfloat16 and float8 pass too.

A capsule holds a pointer to a managed tensor: address, device, shape, strides, dtype, and a function that frees it. The
consumer renames the capsule and calls that function when it is done; a capsule nobody took frees its tensor itself.

Source: dmlc/dlpack, include/dlpack/dlpack.h, versions 0.8 (unversioned) and 1.x; Python array API, `__dlpack__`.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import DLPackError

HOST = 1
ON_HOST = (1, 3, 11, 13)
"""Device types whose memory the host reads: its own, pinned by CUDA or ROCm, and CUDA's managed memory."""
READ_ONLY, IS_COPIED = 1, 2

_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
_NAMED = {"bfloat16": 4, "float8_e4m3fn": 10, "float8_e4m3fnuz": 11, "float8_e5m2": 12, "float8_e5m2fnuz": 13}


class Device(ctypes.Structure):
    _fields_ = (("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32))


class DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class DLTensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Managed(ctypes.Structure):
    _fields_ = (("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", Deleter))


class Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    )


FORMS: dict[bytes, type[Any]] = {b"dltensor_versioned": Versioned, b"dltensor": Managed}

_capsule = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", _capsule)
)
# The destructor gets a capsule that is already dying: an address, or Python would count references to it.
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _capsule))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _capsule))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _capsule))

_exported: dict[int, Any] = {}
_USED = {name: b"used_" + name for name in FORMS}  # names must outlive capsules, which keep their addresses


@Deleter
def _delete(address: Any, drop: Any = _exported.pop) -> None:
    drop(address, None)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(
    capsule: Any, forms: Any = tuple(FORMS), valid: Any = _is_valid, at: Any = _pointer, drop: Any = _exported.pop
) -> None:
    for name in forms:
        if valid(capsule, name):
            drop(at(capsule, name), None)


# Arrays of others may outlive this module when the interpreter ends: their way back must stay.
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_delete))
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_destroy))


# -- making ----------------------------------------------------------------------------------------------------------


def code_of(dtype: np.dtype[Any]) -> int:
    """DLPack's code of a dtype; raises DLPackError where it has none."""
    code = _NAMED.get(dtype.name, _CODES.get(dtype.kind) if dtype.isbuiltin == 1 else None)
    if code is None:
        raise DLPackError(f"dlpack: has no word for this dtype, got {dtype}")
    return code


def export_array(array: np.ndarray[Any, Any], max_version: tuple[int, int] | None) -> Any:
    """A capsule on a host array, which lives until the consumer is done.

    Args:
        max_version: newest version the consumer reads; None, and what is below 1, for the form before versions.

    Raises:
        DLPackError: a dtype DLPack does not know, or read-only memory for a consumer that cannot be told.
    """
    name = b"dltensor_versioned" if max_version is not None and tuple(max_version) >= (1, 0) else b"dltensor"
    if name == b"dltensor" and not _root(array).flags.writeable:
        raise DLPackError("dlpack: memory is read-only, which the consumer's version cannot be told; copy it first")
    size = array.dtype.itemsize
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    strides = (ctypes.c_int64 * array.ndim)(*[s // size for s in array.strides])
    managed = FORMS[name]()
    tensor = managed.tensor
    tensor.data = array.__array_interface__["data"][0] if array.size else None
    tensor.device = Device(HOST, 0)
    tensor.ndim = array.ndim
    tensor.dtype = DataType(code_of(array.dtype), 8 * size, 1)
    tensor.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
    tensor.strides = ctypes.cast(strides, ctypes.POINTER(ctypes.c_int64))
    managed.deleter = _delete
    if name == b"dltensor_versioned":
        managed.major, managed.minor = 1, 0
        managed.flags = 0 if array.flags.writeable else READ_ONLY
    address = ctypes.addressof(managed)
    _exported[address] = (managed, array, shape, strides)
    return _new(address, name, ctypes.cast(_destroy, ctypes.c_void_p))


def _root(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array that owns the memory: a broadcast view is marked read-only without being so."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def mark_copied(capsule: Any) -> Any:
    """Says in a capsule with a version that its memory is a copy made for the consumer."""
    name, managed = opened(capsule)
    if name == b"dltensor_versioned":
        managed.flags |= IS_COPIED
    return capsule


# -- reading ---------------------------------------------------------------------------------------------------------


def opened(capsule: Any) -> tuple[bytes, Any]:
    """(name, managed tensor) of a capsule that nobody took yet; raises DLPackError for any other."""
    for name, form in FORMS.items():
        if _is_valid(id(capsule), name):
            return name, form.from_address(_pointer(id(capsule), name))
    raise DLPackError(f"from_dlpack: needs a DLPack capsule that was not taken yet, got {capsule!r}")


class Capsule:
    """A bare capsule as an object with DLPack's two methods."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule
        device = opened(capsule)[1].tensor.device
        self._device = (device.device_type, device.device_id)

    def __dlpack__(self, **asked: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


class _Owner:
    """Memory of a managed tensor as NumPy takes memory; gives it back when no array uses it."""

    def __init__(self, managed: Any, interface: dict[str, Any]) -> None:
        self.managed = managed
        self.__array_interface__ = interface

    def __del__(self) -> None:
        if self.managed.deleter:
            self.managed.deleter(ctypes.addressof(self.managed))


def asked_for(source: Any, **options: Any) -> Any:
    """`source.__dlpack__()`, asked for version 1 first; older producers know no such question."""
    try:
        return source.__dlpack__(max_version=(1, 0), **options)
    except TypeError:
        return source.__dlpack__(**options)


def import_array(source: Any) -> np.ndarray[Any, Any]:
    """A NumPy array on the host memory of an object with `__dlpack__`; read-only where it says so.

    Raises:
        DLPackError: memory the host cannot read, or a dtype that has no counterpart.
    """
    capsule = asked_for(source)
    name, managed = opened(capsule)
    tensor = managed.tensor
    if tensor.device.device_type not in ON_HOST:
        raise DLPackError(f"from_dlpack: memory must be the host's, got device type {tensor.device.device_type}")
    dtype = _dtype_of(tensor.dtype)
    shape = tuple(tensor.shape[: tensor.ndim])
    read_only = name == b"dltensor_versioned" and bool(managed.flags & READ_ONLY)
    _check_version(name, managed)
    _rename(capsule, _USED[name])
    plain = dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")  # the interface has no word for others
    interface: dict[str, Any] = {
        "version": 3,
        "shape": shape,
        "typestr": plain.str,
        "data": ((tensor.data or 0) + tensor.byte_offset, read_only),
        "strides": tuple(s * dtype.itemsize for s in tensor.strides[: tensor.ndim]) if tensor.strides else None,
    }
    owner = _Owner(managed, interface)
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)  # no memory to share: the owner goes, and gives back what there is
    return np.asarray(owner).view(dtype)


def _check_version(name: bytes, managed: Any) -> None:
    if name == b"dltensor_versioned" and managed.major != 1:
        raise DLPackError(f"from_dlpack: reads version 1, got {managed.major}.{managed.minor}")


def _dtype_of(found: DataType) -> np.dtype[Any]:
    for dtype in _dtype.ALL[:19]:
        numpy = dtype.numpy
        if found.lanes == 1 and found.bits == 8 * numpy.itemsize and found.code == code_of(numpy):
            return numpy
    raise DLPackError(f"from_dlpack: no such dtype here, got code {found.code}, {found.bits} bits, {found.lanes} lanes")


__all__ = ["Capsule", "export_array", "import_array", "mark_copied"]
