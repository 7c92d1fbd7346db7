# SPDX-License-Identifier: Apache-2.0
"""Data types, their categories, the promotion table, `finfo` and `iinfo`.

Promotion follows PyTorch: within a category the wider type wins, float16 with bfloat16 gives float32, signed and
unsigned integers meet in the next wider signed type. Where PyTorch refuses (uint16 to uint64 with another integer,
float8 with anything else) we refuse too, by name.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from ._errors import CallError, DTypeError

BOOL, INTEGRAL, FLOATING, COMPLEX = range(4)


class dtype:
    """Type of a tensor's elements: one shared object for each, compared by identity.

    Attributes:
        name: its name, `"float32"`.
        itemsize: bytes an element takes.
        category: 0 bool, 1 integral, 2 floating, 3 complex.
        numpy: the `numpy.dtype` with the same bits.
        is_storage_only: True for float8 and quantized types: they are kept, copied and cast, never computed in.
    """

    __slots__ = (
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "is_storage_only",
        "itemsize",
        "name",
        "numpy",
    )  # fmt: skip

    def __init__(self, name: str, numpy_type: Any, category: int, is_storage_only: bool = False) -> None:
        self.name = name
        self.numpy = np.dtype(numpy_type)
        self.itemsize = self.numpy.itemsize
        self.category = category
        self.is_signed = category >= FLOATING or self.numpy.kind == "i"
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.is_storage_only = is_storage_only

    def __repr__(self) -> str:
        return f"candelabra.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype_named, (self.name,)

    def to_real(self) -> dtype:
        """The real type of the same precision: float32 for complex64."""
        return {complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> dtype:
        """The complex type of the same precision: complex64 for float32."""
        return complex128 if self in (float64, complex128) else complex64


bool_ = dtype("bool", np.bool_, BOOL)
uint8 = dtype("uint8", np.uint8, INTEGRAL)
uint16 = dtype("uint16", np.uint16, INTEGRAL)
uint32 = dtype("uint32", np.uint32, INTEGRAL)
uint64 = dtype("uint64", np.uint64, INTEGRAL)
int8 = dtype("int8", np.int8, INTEGRAL)
int16 = short = dtype("int16", np.int16, INTEGRAL)
int32 = int_ = dtype("int32", np.int32, INTEGRAL)
int64 = long = dtype("int64", np.int64, INTEGRAL)
float16 = half = dtype("float16", np.float16, FLOATING)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOATING)
float32 = float_ = dtype("float32", np.float32, FLOATING)
float64 = double = dtype("float64", np.float64, FLOATING)
complex64 = cfloat = dtype("complex64", np.complex64, COMPLEX)
complex128 = cdouble = dtype("complex128", np.complex128, COMPLEX)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, FLOATING, is_storage_only=True)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, FLOATING, is_storage_only=True)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, FLOATING, is_storage_only=True)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, FLOATING, is_storage_only=True)
qint8 = dtype("qint8", np.int8, INTEGRAL, is_storage_only=True)
quint8 = dtype("quint8", np.uint8, INTEGRAL, is_storage_only=True)

ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16, bfloat16, float32, float64,
    complex64, complex128, float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, qint8, quint8,
)  # fmt: skip
COMPUTABLE = tuple(t for t in ALL if not t.is_storage_only)
_BY_NAME = {t.name: t for t in ALL}
_BY_NUMPY = {t.numpy: t for t in COMPUTABLE + ALL[15:19]}


def dtype_named(name: str) -> dtype:
    """The dtype called `name`; raises DTypeError for an unknown one."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise DTypeError(f"dtype: unknown name, got {name!r}; known are {', '.join(_BY_NAME)}") from None


def from_numpy_dtype(numpy_dtype: Any) -> dtype:
    """The dtype with the bits of a `numpy.dtype`; raises DTypeError where there is none."""
    found = _BY_NUMPY.get(np.dtype(numpy_dtype))
    if found is None:
        raise DTypeError(
            f"dtype: no counterpart of this NumPy dtype, got {numpy_dtype!s}; convert it with astype first"
        )
    return found


def check_dtype(value: Any) -> dtype:
    """`value` itself when it is a dtype, or the dtype meant by Python's bool, int, float and complex."""
    if type(value) is dtype:
        return value
    python = {bool: bool_, int: int64, float: float32, complex: complex64}
    found = python.get(value) if isinstance(value, type) else None
    if found is None:
        raise CallError(f"dtype: must be a candelabra.dtype, got {value!r} of type {type(value).__name__}")
    return found


_SIGNED = (int8, int16, int32, int64)
_FLOAT_RANK = {float16: 0, bfloat16: 0, float32: 1, float64: 2}
_WIDE_UNSIGNED = (uint16, uint32, uint64)


@functools.cache
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The dtype that results when `type1` meets `type2` in arithmetic.

    Raises:
        DTypeError: the pair has no common type (float8 or quantized types, uint16 to uint64 with other integers).

    Source: PyTorch's promotion table.

    Example:
        >>> cb.promote_types(cb.int32, cb.float16)
        candelabra.float16
    """
    type1, type2 = check_dtype(type1), check_dtype(type2)
    if type1 is type2:
        return type1
    pair = {type1, type2}
    if any(t.is_storage_only for t in pair):
        raise _no_promotion(type1, type2, "convert one of them with .to(dtype) first")
    low, high = sorted(pair, key=lambda t: t.category)
    if high.category == COMPLEX:
        if low in _WIDE_UNSIGNED:
            raise _no_promotion(type1, type2, "convert the unsigned one first")
        return complex128 if float64 in pair or complex128 in pair else complex64
    if high.category == FLOATING:
        if low.category < FLOATING:
            return high
        if pair == {float16, bfloat16}:
            return float32
        return max(pair, key=_FLOAT_RANK.__getitem__)
    if pair & set(_WIDE_UNSIGNED):
        raise _no_promotion(type1, type2, "convert one of them to a signed type first")
    if low is bool_:
        return high
    if uint8 in pair:
        return max(int16, *(pair - {uint8}), key=lambda t: t.itemsize)
    return max(pair, key=_SIGNED.index)


def _no_promotion(type1: dtype, type2: dtype, advice: str) -> DTypeError:
    return DTypeError(f"promote_types: no common dtype, got {type1.name} and {type2.name}; {advice}")


def can_cast(from_: dtype, to: dtype) -> bool:
    """True when a result of dtype `from_` may be written into a tensor of dtype `to`: never to a lower category.

    Example:
        >>> cb.can_cast(cb.float64, cb.float32), cb.can_cast(cb.float32, cb.int64)
        (True, False)
    """
    return check_dtype(from_).category <= check_dtype(to).category


class finfo:
    """Limits of a floating dtype; of the real type for a complex one.

    Attributes: bits, eps, max, min, tiny, smallest_normal, resolution, dtype.

    Example:
        >>> cb.finfo(cb.bfloat16).eps
        0.0078125
    """

    def __init__(self, type: dtype | None = None) -> None:
        type = check_dtype(type or float32).to_real()
        if type.category != FLOATING:
            raise CallError(f"finfo: needs a floating or complex dtype, got {type.name}; use iinfo for integers")
        info = ml_dtypes.finfo(type.numpy)
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.smallest_subnormal = float(info.smallest_subnormal)
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        return f"finfo(min={self.min:g}, max={self.max:g}, eps={self.eps:g}, tiny={self.tiny:g}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer dtype.

    Attributes: bits, max, min, dtype.

    Example:
        >>> cb.iinfo(cb.int8).max
        127
    """

    def __init__(self, type: dtype) -> None:
        type = check_dtype(type)
        if type.category != INTEGRAL:
            raise CallError(f"iinfo: needs an integer dtype, got {type.name}; use finfo for floating types")
        info = np.iinfo(type.numpy)
        self.dtype, self.bits, self.min, self.max = type.name, info.bits, int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
