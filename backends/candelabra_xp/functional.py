# SPDX-License-Identifier: Apache-2.0
"""A backend over a functional NumPy-shaped module, whose arrays never change: views and writes are made of them here.

A handle is a look (shape, strides, offset) at a cell that holds one immutable array in row-major order. All views of a
tensor share its cell; a write puts another array into it. Reading a handle that shows its whole cell as it is costs
nothing; a transposition or expansion of it is one; any other look takes its elements by position.

Functions given to `compiled` take arrays and numbers alone, positions among them, so that a module that compiles does
so once for each combination of shapes and attributes, whatever the strides and offsets of views.
"""

from __future__ import annotations

import functools
import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra._dtype import dtype
from candelabra._errors import ShapeError
from candelabra._shape import Shape, basic_index_geometry, contiguous_strides, is_contiguous
from candelabra.dispatcher.backend import Handle, Kernel
from candelabra.op import ops

from .backend import XpBackend

MOST_ATTRIBUTES = 256
"""Combinations of attributes an op is compiled for; whatever takes more (a number that changes with each step) is
computed function by function."""

MOST_SHAPES = 4096
"""Shapes of views and writes that compiled functions are kept for."""

_addresses = itertools.count(1 << 44, 1 << 44)


class Cell:
    """The memory of a tensor and its views: one array, replaced by another of its shape and dtype by each write."""

    __slots__ = ("_address", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self._address = 0

    @property
    def address(self) -> int:
        """A number that stands for an address: those of two cells are further apart than any memory is large."""
        if not self._address:
            self._address = next(_addresses)
        return self._address


class Look:
    """A handle: what a tensor sees of a cell.

    Attributes:
        cell: the memory.
        shape: sizes of the dims.
        steps: strides in elements, or None where the look shows its cell's array as it is.
        offset: of the first element, in elements.
        dtype: the elements are seen as; the cell's own but for views of another dtype.
    """

    __slots__ = ("cell", "dtype", "offset", "shape", "steps")

    def __init__(self, cell: Cell, shape: Shape, steps: Shape | None, offset: int, dtype: np.dtype[Any]) -> None:
        self.cell = cell
        self.shape = shape
        self.steps = steps
        self.offset = offset
        self.dtype = dtype


@functools.lru_cache(maxsize=4096)
def arrangement(shape: Shape, steps: Shape, offset: int, size: int) -> tuple[Shape, Shape, Shape] | None:
    """How a look on `size` elements comes of all of them without taking any: by reshape, transpose and broadcast.

    Returns:
        (sizes in the order of memory, axes in the order of the look, shape to broadcast); None where it does not.
    """
    dims = [i for i, (n, step) in enumerate(zip(shape, steps, strict=True)) if n != 1 and step]
    in_memory = sorted(dims, key=lambda i: -steps[i])
    sizes = tuple(shape[i] for i in in_memory)
    if offset or math.prod(sizes) != size or not is_contiguous(sizes, tuple(steps[i] for i in in_memory)):
        return None
    axes = tuple(in_memory.index(i) for i in dims)
    return sizes, axes, tuple(n if i in dims else 1 for i, n in enumerate(shape))


def positions(xp: Any, shape: Shape, place: Any) -> Any:
    """Places in the flat array of each element of a look; `place` is an array (offset, *strides)."""
    index = place[0]
    for i, size in enumerate(shape):
        index = index + (xp.arange(size) * place[i + 1]).reshape((size,) + (1,) * (len(shape) - i - 1))
    return index


class FunctionalBackend(XpBackend):
    """Subclass, name the module as `xp`, and say how elements are put into an immutable array.

    A module that compiles overrides `compiled`; one with several devices `made_on`, `from_host` and `index_of`.

    Attributes:
        moved_as: dtypes whose elements the module does not move bit by bit, and those of their size that it does.
    """

    handle_type = Look
    moved_as: Mapping[np.dtype[Any], np.dtype[Any]] = {}

    @abstractmethod
    def put(self, flat: Any, index: Any, values: Any) -> Any:
        """A copy of a flat array with `values` at `index`, both of one shape."""

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A faster form of a function of arrays (and lists of them), numbers and None. Default: the function itself."""
        return function

    def seen_as(self, flat: Any, dtype: np.dtype[Any]) -> Any:
        """The bytes of a flat array as elements of another dtype. Default: the arrays' method `view`, for real ones."""
        if flat.dtype.kind == "c":
            flat = self.xp.stack([flat.real, flat.imag], axis=-1).reshape(-1)
        if dtype.kind != "c":
            return flat.view(dtype)
        pairs = flat.view(f"float{4 * dtype.itemsize}")
        return self.complex_of(pairs[0::2], pairs[1::2])

    def made_on(self, index: int, make: Callable[[], Any]) -> Any:
        """The array that `make()` makes of nothing, on device `index`. Default: where the module puts it."""
        return make()

    # -- arrays and looks ------------------------------------------------------------------------------------------

    def hold(self, array: Any) -> Look:
        """A handle on an array of the module."""
        return Look(Cell(array), array.shape, None, 0, array.dtype)

    def read(self, handle: Look) -> Any:
        """The module's array of a handle."""
        steps = handle.steps
        if steps is None:
            return handle.cell.array
        xp, shape = self.xp, handle.shape
        if handle.dtype in self.moved_as:
            moved = self.read(self.view_dtype(handle, self.moved_as[handle.dtype]))
            return self.seen_as(moved.reshape(-1), handle.dtype).reshape(shape)
        array = self._seen_as(handle.cell.array, handle.dtype)
        moves = arrangement(shape, steps, handle.offset, math.prod(array.shape))
        if moves is not None:
            sizes, axes, kept = moves
            return self._function(
                ("move", shape, moves),
                lambda a: xp.broadcast_to(a.reshape(sizes).transpose(axes).reshape(kept), shape),
            )(array)
        if 0 in shape:
            return self._function(("nothing", shape), lambda a: a.reshape(-1)[:0].reshape(shape))(array)
        take = self._function(
            ("take", shape), lambda a, place: xp.asarray(xp.take(a.reshape(-1), positions(xp, shape, place)))
        )
        return take(array, np.array((handle.offset, *steps)))

    def write(self, target: Look, source: Look) -> None:
        xp, shape, cell = self.xp, target.shape, target.cell
        values, old = self.read(source), cell.array
        if target.steps is None and values.shape == shape:
            cell.array = values
        elif target.dtype in self.moved_as:
            bits = self.moved_as[target.dtype]
            self.write(self.view_dtype(target, bits), self.view_dtype(source, bits))
        elif 0 not in shape:
            array, steps = self._seen_as(old, target.dtype), self.strides(target)
            whole = array.shape
            if not target.offset and math.prod(shape) == math.prod(whole) and is_contiguous(shape, steps):
                array = self._function(("spread", shape, whole), lambda v: xp.broadcast_to(v, shape).reshape(whole))(
                    values
                )
            else:
                put = self._function(
                    ("put", shape),
                    lambda a, v, place: self.put(
                        a.reshape(-1), positions(xp, shape, place), xp.broadcast_to(v, shape)
                    ).reshape(a.shape),
                )
                array = put(array, values, np.array((target.offset, *steps)))
            cell.array = self._seen_as(array, old.dtype).reshape(old.shape)

    def _seen_as(self, array: Any, dtype: np.dtype[Any]) -> Any:
        return array if array.dtype == dtype else self.seen_as(array.reshape(-1), dtype)

    @functools.cached_property
    def _functions(self) -> dict[Any, Callable[..., Any]]:
        return {}

    def _function(self, key: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` compiled, once for each key."""
        found = self._functions.get(key)
        if found is None:
            if len(self._functions) >= MOST_SHAPES:
                self._functions.clear()
            function.__name__ = key[0]
            found = self._functions[key] = self.compiled(function)
        return found

    # -- the contract ----------------------------------------------------------------------------------------------

    def allocate(self, shape: Shape, dtype: dtype, index: int) -> Look:
        return self.hold(self.made_on(index, lambda: self.xp.zeros(shape, dtype=dtype.numpy)))

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Look:
        return self.hold(self.xp.asarray(np.array(array)))

    def to_host(self, handle: Look) -> np.ndarray[Any, Any]:
        return np.array(self.read(handle))

    def wrap(self, result: Any, dtype: dtype) -> Look:
        return self.hold(self.xp.asarray(result, dtype=dtype.numpy))

    def strides(self, handle: Look) -> Shape:
        return contiguous_strides(handle.shape) if handle.steps is None else handle.steps

    def view(self, handle: Look, shape: Shape, strides: Shape, offset: int) -> Look:
        return Look(handle.cell, tuple(shape), tuple(strides), handle.offset + offset, handle.dtype)

    def basic_index(self, handle: Look, key: tuple[Any, ...]) -> Look:
        return self.view(handle, *basic_index_geometry(handle.shape, self.strides(handle), key))

    def view_kernels(self) -> Mapping[str, Kernel]:
        return {"view_dtype": self.view_dtype}

    def view_dtype(self, handle: Look, dtype: np.dtype[Any]) -> Look:
        """The same memory as elements of another dtype; the last dim grows or shrinks with the item size."""
        old, new = handle.dtype.itemsize, dtype.itemsize
        steps, shape = self.strides(handle), handle.shape
        if old == new:
            return Look(handle.cell, shape, steps, handle.offset, dtype)
        if handle.offset * old % new or handle.cell.array.nbytes % new:
            raise ShapeError(f"view: memory must hold whole elements, got an offset of {handle.offset} for {dtype}")
        shape = (*shape[:-1], shape[-1] * old // new)
        steps = (*[step * old // new for step in steps[:-1]], 1)
        return Look(handle.cell, shape, steps, handle.offset * old // new, dtype)

    def copy(self, handle: Look) -> Look:
        return self.hold(self.read(handle))

    def data_ptr(self, handle: Handle) -> int:
        return handle.cell.address + handle.offset * handle.dtype.itemsize

    def storage_nbytes(self, handle: Look) -> int:
        return handle.cell.array.nbytes

    # -- kernels ---------------------------------------------------------------------------------------------------

    def kernels(self) -> Mapping[str, Kernel]:
        return self._on_all_looks

    @functools.cached_property
    def _on_all_looks(self) -> dict[str, Kernel]:
        return {**{name: self.adapt(name, kernel) for name, kernel in self._table.items()}, **self._by_looks}

    @functools.cached_property
    def _by_looks(self) -> dict[str, Kernel]:
        """Ops that views and writes do without computing, whatever the key."""
        return {"basic_index_put": self._basic_index_put, "clone": self.copy, "unindex": self._unindex}

    def _unindex(self, input: Look, size: Shape, key: tuple[Any, ...]) -> Look:
        target = self.hold(self.made_on(self.index_of(input), lambda: self.xp.zeros(size, input.dtype)))
        self.write(self.basic_index(target, key), input)
        return target

    def _basic_index_put(self, input: Look, values: Any, key: tuple[Any, ...]) -> Look:
        target = self.copy(input)
        if type(values) is not Look:
            value = values
            values = self.hold(self.made_on(self.index_of(input), lambda: self.xp.asarray(value, dtype=input.dtype)))
        self.write(self.basic_index(target, key), values)
        return target

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        # Kept here, since what was compiled must outlive the dispatcher's tables.
        if (op, dtype) not in self._adapted:
            own = self._by_looks.get(op) if self.supports(op, (dtype,)) else None
            self._adapted[op, dtype] = own or super().kernel(op, dtype)
        return self._adapted[op, dtype]

    @functools.cached_property
    def _adapted(self) -> dict[tuple[str, dtype], Kernel | None]:
        return {}

    def adapt(self, op: str, kernel: Kernel) -> Kernel:
        found = ops.get(op)
        if found is None or not found.is_factory:
            return self._on_looks(op, kernel, frozenset(found.operands) if found is not None else frozenset())
        streams = frozenset(i for i, p in enumerate(found.kernel_params) if p.name in ("seed", "offset"))
        run = self._on_looks(op, kernel, streams) if streams else lambda *args: self.hold(kernel(*args))

        def make(*args: Any) -> Look:
            # Seeds and offsets are of one type whatever their size, or they would be compiled for twice.
            args = tuple(np.uint64(a) if i in streams and a < 1 << 64 else a for i, a in enumerate(args))
            return self.hold(self.made_on(args[-1], lambda: run(*args).cell.array))

        return make

    def _on_looks(self, op: str, kernel: Kernel, numbers: frozenset[int]) -> Kernel:
        """A kernel of handles from one of arrays, compiled for each combination of attributes.

        Args:
            numbers: positions where a number is an operand, which it is not compiled for.
        """
        known: dict[Any, Callable[..., Any]] = {}
        read, hold = self.read, self.hold

        def call(*args: Any) -> Any:
            given: list[Any] = []
            attributes: list[tuple[int, Any]] = []
            for i, value in enumerate(args):
                if type(value) is Look:
                    given.append(read(value))
                elif type(value) is list and value and type(value[0]) is Look:
                    given.append([read(v) for v in value])
                elif i in numbers and (found := number(value)) is not None:
                    given.append(found)
                else:
                    attributes.append((i, value))
            key = repr(attributes)
            run = known.get(key)
            if run is None:
                run = _with_attributes(op, kernel, attributes)
                if len(known) < MOST_ATTRIBUTES:
                    run = known[key] = self.compiled(run)
            result = run(*given)
            return tuple(map(hold, result)) if type(result) is tuple else hold(result)

        return call


def number(value: Any) -> Any:
    """A number as modules take it, or None for what is none: integers beyond int64 have to say their type."""
    if type(value) is int and value >= 1 << 63:
        return np.uint64(value) if value < 1 << 64 else None
    return value if isinstance(value, (bool, int, float, complex, np.generic)) else None


def _with_attributes(op: str, kernel: Kernel, attributes: list[tuple[int, Any]]) -> Kernel:
    """A kernel as a function of its operands, called like the op: compilers name what they make after it."""

    def run(*given: Any) -> Any:
        args = list(given)
        for i, value in attributes:
            args.insert(i, value)
        return kernel(*args)

    run.__name__ = op
    return run
