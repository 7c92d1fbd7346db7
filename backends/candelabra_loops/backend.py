# SPDX-License-Identifier: Apache-2.0
"""A backend whose kernels are all generated: subclass it with memory, a renderer, and a launcher.

A handle is a `Look` (block, offset, shape, strides, dtype): all views of a tensor look at one block. Pointwise ops,
reductions and bodies made of both become kernels by the compiler; the other primitives have host functions in this
package, which launch kernels written in its language. Each kernel is built when it is first called, with
others that are likely to follow, since building is slow on some devices.
"""

from __future__ import annotations

import contextlib
import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra._errors import CandelabraError, ShapeError
from candelabra._shape import Shape, basic_index_geometry, contiguous_strides
from candelabra.compiler import debug
from candelabra.compiler.compiled import CompiledOp, Planned, Spec, no_formula
from candelabra.compiler.ir import Kernel, Target
from candelabra.compiler.plan import Launch as Plan
from candelabra.dispatcher._dispatch import run_body
from candelabra.dispatcher.backend import Backend, Capabilities
from candelabra.op import Op, ops

from ._kernel import KERNELS
from .look import Look

CATEGORIES = (
    ("float32", "float64", "float16", "bfloat16"),
    ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"),
    ("complex64", "complex128"),
)
"""Dtypes whose kernels are built together."""

Launch = Callable[[int, Sequence[Any], int], None]
"""Runs a kernel: number of work items, arguments in order of its parameters ((block, offset) for a buffer, with the
offset in elements of the buffer's type; a Python number for a number), index of the device."""


class LoopsBackend(Backend):
    """Devices whose kernels come from loop nests.

    Attributes:
        target: what the compiler knows of them.
    """

    handle_type = Look
    target: Target = Target("plain")
    capabilities = Capabilities()

    # -- owed by a subclass ----------------------------------------------------------------------------------------

    @abstractmethod
    def reserve(self, nbytes: int, index: int) -> Any:
        """A block of memory on device `index`; it is freed when nothing holds it. `nbytes` may be 0.

        A block that is larger than what was asked for says how much that was as `requested`.
        """

    @abstractmethod
    def upload(self, block: Any, array: np.ndarray[Any, Any]) -> None:
        """Copies a contiguous array of bytes to the start of a block."""

    @abstractmethod
    def download(self, block: Any, offset: int, nbytes: int) -> np.ndarray[Any, Any]:
        """Bytes of a block from `offset`, as a fresh array of uint8, when all work before is done."""

    @abstractmethod
    def build(self, kernels: Sequence[Kernel]) -> Sequence[Launch]:
        """Makes kernels ready to run, in one go where that is cheaper."""

    def may_wait(self, index: int) -> bool:
        """Whether the host may wait for the device now. Default: always; not while its work is recorded for later."""
        return True

    def address(self, block: Any) -> int:
        """Address of a block. Default: a number that no other block has at this time."""
        return id(block) << 12

    # -- memory ----------------------------------------------------------------------------------------------------

    def fresh(self, shape: Shape, dtype: np.dtype[Any], index: int) -> Look:
        """Uninitialized contiguous elements."""
        block = self.reserve(math.prod(shape) * dtype.itemsize, index)
        return Look(block, 0, tuple(shape), contiguous_strides(shape), dtype, index)

    def allocate(self, shape: Shape, dtype: dtype, index: int) -> Look:
        return self.fresh(shape, dtype.numpy, index)

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Look:
        made = self.fresh(array.shape, array.dtype, index)
        if array.size:
            self.upload(made.block, np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        return made

    def to_host(self, handle: Look) -> np.ndarray[Any, Any]:
        if not handle.size:
            return np.empty(handle.shape, handle.dtype)
        whole = self.contiguous(handle)
        size = handle.dtype.itemsize
        found = self.download(whole.block, whole.offset * size, handle.size * size)
        return found.view(handle.dtype).reshape(handle.shape)

    def strides(self, handle: Look) -> Shape:
        return handle.steps

    def view(self, handle: Look, shape: Shape, strides: Shape, offset: int) -> Look:
        return Look(handle.block, handle.offset + offset, tuple(shape), tuple(strides), handle.dtype, handle.index)

    def basic_index(self, handle: Look, key: tuple[Any, ...]) -> Look:
        return self.view(handle, *basic_index_geometry(handle.shape, handle.steps, key))

    def view_kernels(self) -> Mapping[str, Any]:
        return {"view_dtype": self.view_dtype}

    def view_dtype(self, handle: Look, dtype: np.dtype[Any]) -> Look:
        """The same memory as elements of another dtype; the last dim grows or shrinks with the item size."""
        old, new = handle.dtype.itemsize, dtype.itemsize
        if old == new:
            return Look(handle.block, handle.offset, handle.shape, handle.steps, dtype, handle.index)
        if handle.offset * old % new:
            raise ShapeError(f"view: memory must hold whole elements, got an offset of {handle.offset} for {dtype}")
        shape = (*handle.shape[:-1], handle.shape[-1] * old // new)
        steps = (*[step * old // new for step in handle.steps[:-1]], 1)
        return Look(handle.block, handle.offset * old // new, shape, steps, dtype, handle.index)

    def contiguous(self, handle: Look) -> Look:
        """The handle itself where it is contiguous, else a copy that is."""
        return handle if handle.is_contiguous else self.copy(handle)

    def copy(self, handle: Look) -> Look:
        made = self.fresh(handle.shape, handle.dtype, handle.index)
        self.write(made, handle)
        return made

    def write(self, target: Look, source: Look) -> None:
        from .moving import copy_into

        copy_into(self, target, source)

    def index_of(self, handle: Look) -> int:
        return handle.index

    def data_ptr(self, handle: Look) -> int:
        return self.address(handle.block) + handle.offset * handle.dtype.itemsize

    def storage_nbytes(self, handle: Look) -> int:
        found = getattr(handle.block, "requested", None)
        return int(getattr(handle.block, "nbytes", handle.size * handle.dtype.itemsize) if found is None else found)

    # -- kernels ---------------------------------------------------------------------------------------------------

    def compiler_target(self) -> Target:
        return self.target

    def kernels(self) -> Mapping[str, Any]:
        return self._table

    @functools.cached_property
    def _table(self) -> dict[str, Any]:
        from . import families

        del families  # imported for the kernels they add
        return {name: self._bound(kernel) for name, kernel in KERNELS.items()}

    def _bound(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A host function, and what it does in place, of this backend."""

        def bound(*args: Any) -> Any:
            return kernel(self, *args)

        if hasattr(kernel, "into"):
            bound.into = functools.partial(kernel.into, self)  # type: ignore[attr-defined]
        return bound

    def kernel(self, op: str, dtype: dtype) -> Any:
        if not self.supports(op, (dtype,)):
            return None
        found = self._table.get(op)
        if found is None:
            if can_compile(op):
                found = Compiled(self, op)
            elif ops[op].body is not None and ops[op].shape is not None:
                found = Fused(self, op)
            self._table[op] = found
        return found

    def defined(self, definition: Op) -> Compiled:
        """The kernel of an op that the compiler alone knows (`candelabra.compiler.definitions`)."""
        found = self._defined.get(definition.name)
        if found is None:
            found = self._defined[definition.name] = Compiled(self, definition)
        return found

    @functools.cached_property
    def _defined(self) -> dict[str, Compiled]:
        return {}

    @functools.cached_property
    def _launches(self) -> dict[Kernel | str, Launch]:
        return {}

    def launch(
        self, kernel: Kernel, count: int, args: Sequence[Any], index: int, beside: Iterable[Kernel] = ()
    ) -> None:
        """Runs a kernel; `beside` are built with it if it has to be built."""
        if debug.watchers:
            debug.launched(self.name, kernel)
        found = self._launches.get(kernel)
        if found is None:
            found = self._ready(kernel, beside)
        if count:
            found(count, args, index)

    def make_ready(self, kernel: Kernel, beside: Callable[[], Sequence[Kernel]]) -> None:
        """Builds a kernel, with others, if it has to be built."""
        if kernel not in self._launches and kernel.key() not in self._launches:
            self._ready(kernel, beside())

    def _ready(self, kernel: Kernel, beside: Iterable[Kernel]) -> Launch:
        """The launcher of a kernel not met before: one with the same text may have been."""
        known = self._launches
        wanted = {k.key(): k for k in reversed([kernel, *beside])}
        together = [k for key, k in reversed(wanted.items()) if key not in known]
        if kernel.key() not in known:
            for one, ready in zip(together, self.build(together), strict=True):
                known[one.key()] = known[one] = ready
        found = known[kernel] = known[kernel.key()]
        return found


def can_compile(op: str) -> bool:
    """Whether an op is a map or reduction, which needs no kernel of its own."""
    from candelabra.compiler.graph import REDUCTIONS
    from candelabra.compiler.scalar import SCALAR

    return op in SCALAR or op in REDUCTIONS


class Compiled(CompiledOp):
    """The kernel of an op by its formula, on looks."""

    handle_type = Look

    def __init__(self, backend: LoopsBackend, op: str | Op, other: Callable[..., Any] = no_formula) -> None:
        super().__init__(op, backend.target, other)
        self.backend = backend
        if self.op.is_pointwise and self.op.operands and self.op.operands[0] == 0:
            self.into = self.over_first

    def prepare(self, outs: tuple[Any, ...] | None, *args: Any) -> Any:
        made = super().prepare(outs, *args)
        if type(made) is Planned and made.call.launch.kernel.brief:
            self.backend.make_ready(made.call.launch.kernel, lambda: self._beside(args))
        return made

    def _beside(self, args: Sequence[Any]) -> list[Kernel]:
        """Kernels of the same call on other dtypes of its category: building them at once costs little more than one."""
        dtypes = {a.dtype.name for a in args if type(a) is Look}
        group = next((g for g in CATEGORIES if dtypes <= set(g)), ())
        found = []
        for name in group if len(dtypes) == 1 else ():
            dtype = np.dtype(getattr(_dtype, name).numpy)
            if name in dtypes or _dtype.from_numpy_dtype(dtype) not in self.backend.capabilities.compute_dtypes:
                continue
            described = [(a.shape, dtype, a.steps) if type(a) is Look else None for a in args]
            with contextlib.suppress(CandelabraError, TypeError, ValueError):
                found.append(self.formula.call(described, args).launch.kernel)
        return found

    def over_first(self, *args: Any) -> None:
        """Writes the result over the first operand, as `Backend.kernels` says of `into`."""
        result = self.call_into((args[0],), *args)
        if result is not args[0]:  # computed by other means
            self.backend.write(args[0], result)

    def layout(self, handle: Look) -> Any:
        return handle.shape, handle.steps, handle.dtype

    def strides(self, handle: Look) -> Shape:
        return handle.steps

    def fresh(self, spec: Spec, like: Look) -> Look:
        shape, dtype, steps = spec
        made = self.backend.fresh(shape, dtype, like.index)
        if steps is not None:
            made.steps = steps
        return made

    def runner(self, launch: Plan) -> Callable[[Sequence[Any], Any], None]:
        backend, kernel, count = self.backend, launch.kernel, launch.count

        def run(args: Sequence[Any], like: Look) -> None:
            given = [
                (a.block, a.offset * 2 if a.dtype.kind == "c" else a.offset) if type(a) is Look else a for a in args
            ]
            backend.launch(kernel, count, given, like.index)

        return run


class Fused:
    """The kernel of an op with a body: fused where there is much to compute, op by op where building takes longer."""

    def __init__(self, backend: LoopsBackend, op: str) -> None:
        self.by_parts = functools.partial(run_body, ops[op], backend)
        self.fused = Compiled(backend, op, self.by_parts)
        self.least = backend.target.general

    def __call__(self, *args: Any) -> Any:
        much = any(type(a) is Look and a.size >= self.least for a in args)
        return (self.fused if much else self.by_parts)(*args)
