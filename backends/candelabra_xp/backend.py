# SPDX-License-Identifier: Apache-2.0
"""A backend over any NumPy-shaped module: subclass it, name the module, and say how arrays come and go."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra.dispatcher.backend import Backend, Handle, Kernel

from . import (
    activation,
    arithmetic,
    bitwise,
    comparison,
    complex_,
    conversion,
    convolution,
    creation,
    embedding,
    exponential,
    gather,
    indexing,
    joining,
    linalg,
    loss,
    normalization,
    pooling,
    random,
    reduction,
    regularization,
    rounding,
    scan,
    scatter,
    softmax,
    sorting,
    trigonometric,
    view,
)
from ._kernel import KERNELS, MOVES, UFUNCS
from .careful import CAREFUL

FAMILIES = (
    activation,
    arithmetic,
    bitwise,
    comparison,
    complex_,
    conversion,
    convolution,
    creation,
    embedding,
    exponential,
    gather,
    indexing,
    joining,
    linalg,
    loss,
    normalization,
    pooling,
    random,
    reduction,
    regularization,
    rounding,
    scan,
    scatter,
    softmax,
    sorting,
    trigonometric,
    view,
)

NARROW = {_dtype.float16: np.float32, _dtype.bfloat16: np.float32}


class XpBackend(Backend):
    """Runs the shared kernels with one NumPy-shaped module.

    Attributes:
        xp: the module.
        narrow: dtypes whose kernels compute in a wider one, by dtype.
        careful: ops that the module's own functions are not exact or not defined enough for; see `careful.py`.
    """

    xp: Any
    careful: Sequence[str] = ()
    narrow: Mapping[dtype, Any] = NARROW

    def allocate(self, shape: tuple[int, ...], dtype: dtype, index: int) -> Handle:
        return self.xp.empty(shape, dtype=dtype.numpy)

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Handle:
        return self.xp.array(array, order="C")

    def to_host(self, handle: Handle) -> np.ndarray[Any, Any]:
        return np.asarray(handle)

    @functools.cached_property
    def _table(self) -> dict[str, Kernel]:
        xp = self.xp
        table: dict[str, Kernel] = {name: functools.partial(k, xp) for name, k in KERNELS.items()}
        table.update({name: getattr(xp, attribute) for name, attribute in UFUNCS.items() if hasattr(xp, attribute)})
        table.update({name: functools.partial(CAREFUL[name], self) for name in self.careful})
        table.update(self.own_kernels())
        return table

    def as_written(self, array: Any) -> Any:
        """The array; a module that compiles must not simplify arithmetic across it. Default: as it is."""
        return array

    def complex_of(self, real: Any, imag: Any) -> Any:
        """Complex numbers of two parts, which broadcast."""
        return KERNELS["complex"](self.xp, real, imag)

    def own_kernels(self) -> Mapping[str, Kernel]:
        """Kernels of this backend alone, which replace shared ones of the same name. Default: none."""
        return {}

    def kernels(self) -> Mapping[str, Kernel]:
        return self._table

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = self._table.get(op)
        if found is None or not self.supports(op, (dtype,)):
            return None
        if dtype in self.narrow and op not in MOVES:
            found = widened(found, dtype.numpy, self.narrow[dtype])
        return self.adapt(op, found)

    def adapt(self, op: str, kernel: Kernel) -> Kernel:
        """A kernel of handles from one of the module's arrays. Default: they are the same."""
        return kernel

    def wrap(self, result: Any, dtype: dtype) -> Handle:
        return self.xp.asarray(result, dtype=dtype.numpy)

    def basic_index(self, handle: Handle, key: tuple[Any, ...]) -> Handle:
        return handle[key]

    def view(self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Handle:
        return strided(self.xp, handle, shape, strides, offset)

    def view_kernels(self) -> Mapping[str, Kernel]:
        return view.SHORT_CUTS

    def data_ptr(self, handle: Handle) -> int:
        return address(handle)


def strided(xp: Any, handle: Any, shape: Any, strides: Any, offset: int) -> Any:
    """Another look at an array's memory; strides and offset in elements, from the array's first element."""
    size, kind = handle.itemsize, handle.dtype
    # The array interface does not carry every float8 type: strides are told of plain integers of the same size.
    plain = handle.view(f"u{size}") if kind.kind not in "biufc" or size == 1 else handle
    if offset:
        plain = step_to(xp, plain, offset)
    found = xp.lib.stride_tricks.as_strided(plain, shape, [s * size for s in strides])
    return found if plain is handle or found.dtype == kind else found.view(kind)


def step_to(xp: Any, handle: Any, offset: int) -> Any:
    """A view that starts `offset` elements after the handle's first; it may leave the handle, not its memory."""
    base = handle
    while base.base is not None and isinstance(base.base, type(handle)):
        base = base.base
    if base.dtype != handle.dtype:  # seen as another dtype on the way
        base = (base if base.itemsize == handle.itemsize else base.ravel(order="K")).view(handle.dtype)
    start = address(base)
    whole = xp.lib.stride_tricks.as_strided(base, (extent(base),), (base.itemsize,))
    return whole[(address(handle) - start) // handle.itemsize + offset :]


def address(handle: Any) -> int:
    """Address of an array's first element, on the host or on a CUDA device."""
    interface = getattr(handle, "__array_interface__", None) or handle.__cuda_array_interface__
    return interface["data"][0]


def extent(handle: Any) -> int:
    """Elements from an array's first to its last, in memory."""
    if 0 in handle.shape:
        return 0
    return 1 + sum((n - 1) * s // handle.itemsize for n, s in zip(handle.shape, handle.strides, strict=True))


def widened(kernel: Callable[..., Any], narrow: Any, wide: Any) -> Callable[..., Any]:
    """A kernel that computes 16-bit floats in float32 and rounds its results once."""

    def widen(value: Any) -> Any:
        if getattr(value, "dtype", None) == narrow:
            return value.astype(wide)
        return [widen(v) for v in value] if type(value) is list else value

    def narrowed(value: Any) -> Any:
        if type(value) is tuple:
            return tuple(narrowed(v) for v in value)
        return value.astype(narrow) if getattr(value, "dtype", None) == wide else value

    def call(*args: Any) -> Any:
        return narrowed(kernel(*[widen(a) for a in args]))

    return call
