# SPDX-License-Identifier: Apache-2.0
"""A backend over a functional NumPy-shaped module, whose arrays never change: views and writes are made of them here.

A handle is a look (shape, strides, offset) at a cell that holds one flat, immutable array. All views of a tensor share
its cell; a write puts another array into it. Reading a handle gives the module's array: the flat array reshaped when the
look is plain, else gathered by index.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra._dtype import dtype
from candelabra._shape import Shape, contiguous_strides, is_contiguous
from candelabra.dispatcher.backend import Handle, Kernel

from .backend import XpBackend


class Cell:
    """The memory of a tensor and its views: one flat array, replaced as a whole by each write."""

    __slots__ = ("flat",)

    def __init__(self, flat: Any) -> None:
        self.flat = flat


@dataclass(frozen=True, eq=False, slots=True)
class Look:
    """A handle: shape, strides and offset (in elements) over a cell."""

    cell: Cell
    shape: Shape
    element_strides: Shape
    offset: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the elements."""
        return np.dtype(self.cell.flat.dtype)

    @property
    def is_plain(self) -> bool:
        """True when the look shows the whole cell in row-major order."""
        whole = math.prod(self.shape) == math.prod(self.cell.flat.shape)
        return whole and not self.offset and is_contiguous(self.shape, self.element_strides)


@functools.lru_cache(maxsize=1024)
def positions(shape: Shape, strides: Shape, offset: int) -> np.ndarray[Any, Any]:
    """Places in the flat array of each element of a look."""
    index = np.full(shape, offset, np.int64)
    for i, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        index += (np.arange(size) * stride).reshape((size,) + (1,) * (len(shape) - i - 1))
    return index


class FunctionalBackend(XpBackend):
    """Subclass, name the module as `xp`, and say how elements are put into an immutable array."""

    handle_type = Look

    @abstractmethod
    def put(self, flat: Any, index: np.ndarray[Any, Any], values: Any) -> Any:
        """A copy of a flat array with `values` at `index`, both of one shape."""

    def hold(self, array: Any) -> Look:
        """A handle on a fresh array of the module."""
        shape = tuple(array.shape)
        return Look(Cell(array.reshape(-1)), shape, contiguous_strides(shape))

    def read(self, handle: Look) -> Any:
        """The module's array of a handle."""
        if handle.is_plain:
            return handle.cell.flat.reshape(handle.shape)
        index = positions(handle.shape, handle.element_strides, handle.offset)
        return self.xp.take(handle.cell.flat, index) if index.size else self.xp.zeros(handle.shape, handle.dtype)

    def allocate(self, shape: Shape, dtype: dtype, index: int) -> Look:
        return self.hold(self.xp.zeros(shape, dtype=dtype.numpy))

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Look:
        return self.hold(self.xp.asarray(np.array(array)))

    def to_host(self, handle: Look) -> np.ndarray[Any, Any]:
        return np.array(self.read(handle))

    @functools.cached_property
    def _on_all_looks(self) -> dict[str, Kernel]:
        return {name: self._on_looks(kernel) for name, kernel in self._table.items()}

    def kernels(self) -> Mapping[str, Kernel]:
        return self._on_all_looks

    def adapt(self, kernel: Kernel) -> Kernel:
        return self._on_looks(kernel)

    def _on_looks(self, kernel: Kernel) -> Kernel:
        def read(value: Any) -> Any:
            if type(value) is Look:
                return self.read(value)
            return [read(v) for v in value] if type(value) is list else value

        def call(*args: Any) -> Any:
            result = kernel(*[read(a) for a in args])
            return tuple(map(self.hold, result)) if isinstance(result, tuple) else self.hold(result)

        return call

    def wrap(self, result: Any, dtype: dtype) -> Look:
        return self.hold(self.xp.asarray(result, dtype=dtype.numpy))

    def strides(self, handle: Look) -> Shape:
        return handle.element_strides

    def view(self, handle: Look, shape: Shape, strides: Shape, offset: int) -> Look:
        return Look(handle.cell, tuple(shape), tuple(strides), handle.offset + offset)

    def view_kernels(self) -> Mapping[str, Kernel]:
        return {}

    def basic_index(self, handle: Look, key: tuple[Any, ...]) -> Look:
        from candelabra._shape import basic_index_geometry

        return self.view(handle, *basic_index_geometry(handle.shape, handle.element_strides, key))

    def write(self, target: Look, source: Look) -> None:
        values = self.xp.broadcast_to(self.read(source), target.shape)
        if target.is_plain:
            target.cell.flat = values.reshape(-1)
        elif math.prod(target.shape):
            index = positions(target.shape, target.element_strides, target.offset)
            target.cell.flat = self.put(target.cell.flat, index, values)

    def copy(self, handle: Look) -> Look:
        return self.hold(self.read(handle))

    def data_ptr(self, handle: Handle) -> int:
        return id(handle.cell) + handle.offset * handle.dtype.itemsize

    def storage_nbytes(self, handle: Look) -> int:
        return math.prod(handle.cell.flat.shape) * handle.dtype.itemsize
