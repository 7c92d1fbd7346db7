# SPDX-License-Identifier: Apache-2.0
"""Python objects and NumPy arrays as native code sees them.

Layouts and slot numbers are those of CPython's and NumPy's binary interfaces, which extension modules compile in.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy._core import multiarray

from .emit import F64, I8, I32, I64, PTR, VOID, Function, Value
from .native import define

HEADER = object.__basicsize__
"""Bytes of a Python object before its own fields."""

_DATA, _NDIM, _SHAPE, _STRIDES = HEADER, HEADER + 8, HEADER + 16, HEADER + 24
_DESCR, _FLAGS = HEADER + 40, HEADER + 48
_BYTEORDER, _TYPE_NUMBER = HEADER + 10, HEADER + 12

C_CONTIGUOUS, ALIGNED = 0x1, 0x100

NUMBERS: dict[int, np.dtype[Any]] = {np.dtype(t).num: np.dtype(t) for t in ("f4", "f8", "c8", "c16")}
"""Dtypes of BLAS by NumPy's number for them."""

_PYTHON = (
    "PyErr_Occurred", "PyErr_SetString", "PyEval_RestoreThread", "PyEval_SaveThread", "PyExc_TypeError",
    "PyFloat_AsDouble", "PyFloat_Type", "PyLong_AsLongLong", "PyObject_CallNoArgs", "PyObject_Vectorcall", "Py_DecRef", "Py_IncRef",
    "_Py_NoneStruct", "_Py_TrueStruct", "_Py_FalseStruct",
)  # fmt: skip
_NUMPY = {"NewFromDescr": 94, "SetHandler": 304, "GetHandler": 305}


@functools.cache
def numpy_slot(number: int) -> int:
    """What NumPy's table of C functions holds at a number."""
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = address_of(multiarray._ARRAY_API, None)
    return ctypes.c_void_p.from_address(table + 8 * number).value or 0


@functools.cache
def define_symbols() -> None:
    """Tells the linker where the interpreter's and NumPy's functions are."""
    for name in _PYTHON:
        define(name, ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, name)))
    for name, number in _NUMPY.items():
        define("candelabra_numpy_" + name, numpy_slot(number))
    define("candelabra_ndarray", id(np.ndarray))


# -- any object ------------------------------------------------------------------------------------------------------


def constant_object(f: Function, name: str) -> Value:
    """A new reference to None, True or False."""
    found = f.extern(f"_Py_{name}Struct")
    f.call("Py_IncRef", VOID, found)
    return found


def same(f: Function, one: Value, other: Value) -> Value:
    """Whether two pointers are one."""
    return f.cast(one, I64).equals(f.cast(other, I64))


def type_of(f: Function, given: Value) -> Value:
    return f.load(PTR, f.at(I8, given, HEADER - 8))


def is_array(f: Function, given: Value) -> Value:
    return same(f, type_of(f, given), f.extern("candelabra_ndarray"))


def run_free(f: Function, condition: Value, body: Callable[[], Any]) -> None:
    """Runs the body, without the interpreter's lock where the condition holds: short work is not worth the hand-over."""
    saved = f.var(PTR, 0)
    with f.when(condition):
        saved.value = f.call("PyEval_SaveThread", PTR)
    body()
    with f.when(condition):
        f.call("PyEval_RestoreThread", VOID, saved.value)


def unbox(f: Function, given: Value, fail: Callable[[], None]) -> Value:
    """The 64 bits a kernel gets for a Python argument: an array's data pointer, an integer, a float64's bits."""
    found = f.var(I64)
    with f.choose(is_array(f, given)) as (array, other):
        with array:
            found.value = f.load(I64, f.at(I8, given, _DATA))
        with other, f.choose(same(f, type_of(f, given), f.extern("PyFloat_Type"))) as (real, whole):
            with real:
                found.value = f.bits(f.call("PyFloat_AsDouble", F64, given), I64)
            with whole:
                found.value = f.call("PyLong_AsLongLong", I64, given)
                with f.when(found.value.equals(-1)), f.when(f.cast(f.call("PyErr_Occurred", PTR), I64).differs(0)):
                    fail()
    return found.value


# -- arrays ----------------------------------------------------------------------------------------------------------


class Array:
    """Fields of a NumPy array; sizes and strides are int64, strides in bytes."""

    def __init__(self, f: Function, address: Value) -> None:
        self.f = f
        self.address = address

    def _field(self, type: Any, offset: int) -> Value:
        return self.f.load(type, self.f.at(I8, self.address, offset))

    @property
    def data(self) -> Value:
        return self._field(PTR, _DATA)

    @property
    def ndim(self) -> Value:
        return self.f.cast(self._field(I32, _NDIM), I64)

    @property
    def shape(self) -> Value:
        return self._field(PTR, _SHAPE)

    @property
    def descr(self) -> Value:
        return self._field(PTR, _DESCR)

    def size(self, dim: Any) -> Value:
        return self.f.load(I64, self.shape, dim)

    def stride(self, dim: Any) -> Value:
        return self.f.load(I64, self._field(PTR, _STRIDES), dim)

    def has(self, flags: int) -> Value:
        return (self._field(I32, _FLAGS) & flags).equals(flags)

    def type_number(self) -> Value:
        """NumPy's number of the dtype; -1 where bytes are in foreign order or elements out of place."""
        f = self.f
        native_order = f.load(I8, f.at(I8, self.descr, _BYTEORDER)).equals(ord("="))
        return f.select(native_order & self.has(ALIGNED), f.load(I32, f.at(I8, self.descr, _TYPE_NUMBER)), -1)


def new_array(f: Function, descr: Value, ndim: Value, shape: Value) -> Value:
    """A new C-contiguous array with undefined elements; null, with an error set, where there is no memory."""
    null = f.const(PTR, 0)
    f.call("Py_IncRef", VOID, descr)  # the call takes a reference over
    return f.call(
        "candelabra_numpy_NewFromDescr", PTR, f.extern("candelabra_ndarray"), descr, f.cast(ndim, I32), shape, null, null,
        f.const(I32, 0), null,
    )  # fmt: skip
