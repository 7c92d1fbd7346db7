# SPDX-License-Identifier: Apache-2.0
"""The backend contract: what a plugin describes, and the class it fills.

Four members are owed: `allocate`, `from_host`, `to_host`, `kernels`; all others have the documented defaults below. An
array handle is whatever the backend's kernels take and return. It has a `shape` (tuple of ints); where views alias
memory it also has `strides` in bytes, as NumPy's and CuPy's arrays have, else the backend overrides `strides`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import dtype
from .._errors import BackendError
from .._shape import Shape, contiguous_strides

API_VERSION = 1
"""Version of this contract. A plugin states the version, or the (lowest, highest) versions, it was written for."""

Handle = Any
Kernel = Callable[..., Any]


@dataclass(frozen=True)
class BackendInfo:
    """Description of a backend, returned by the hook `candelabra_backends`; making one imports nothing heavy.

    Attributes:
        name: device type, as in `device("name:0")`: lower-case letters, digits and underscores.
        loads: dotted path `package.module:Class` of the `Backend`, followed on first use of a device.
        requires: modules that must be importable; checked without importing them.
        api: contract version, or (lowest, highest), the plugin was written for.
        priority: which of two backends with one name wins; the higher one.
        install: command that brings missing requirements, shown in messages.
        description: one line for `candelabra doctor`.
        version: version of the plugin.
    """

    name: str
    loads: str
    requires: tuple[str, ...] = ()
    api: int | tuple[int, int] = API_VERSION
    priority: int = 0
    install: str = ""
    description: str = ""
    version: str = ""

    @property
    def api_range(self) -> tuple[int, int]:
        """(lowest, highest) contract version the plugin was written for."""
        return (self.api, self.api) if isinstance(self.api, int) else self.api


@dataclass(frozen=True)
class Capabilities:
    """What a backend's devices can do; checked in both directions by the conformance suite.

    Attributes:
        dtypes: dtypes tensors may have on the device.
        compute_dtypes: dtypes kernels compute in; the rest are stored, copied and cast only.
        strides: handles may have any strides, and views alias memory without help.
        aliasing: in-place writes through a view reach its base (True wherever `view` and `write` are right).
        host_memory: handles are host memory: `to_host` copies nothing, 0-d tensors mix with other devices.
        indexed: the device has a number (`cuda:0`); False for a device there is always one of.
        asynchronous: kernels may return before the work is done.
        kernels_check_shapes: kernels of two operands raise for shapes that do not fit, as NumPy's do; calls then need no
            look at shapes before the kernel. Where it is False every such call is checked first.
        deterministic: the same call gives the same bits, run after run.
        max_rank: largest number of dims.
        subnormals: numbers nearer to zero than the smallest normal one are computed with; where False they may count as
            zeros, operands as well as results.
        reason: by op, why it is declared unsupported.
    """

    dtypes: frozenset[dtype] = frozenset(_dtype.ALL)
    compute_dtypes: frozenset[dtype] = frozenset(_dtype.COMPUTABLE)
    strides: bool = True
    aliasing: bool = True
    host_memory: bool = False
    indexed: bool = True
    asynchronous: bool = False
    kernels_check_shapes: bool = False
    deterministic: bool = True
    max_rank: int = 32
    subnormals: bool = True
    reason: Mapping[str, str] = field(default_factory=dict)


class Backend(ABC):
    """Software that runs kernels on its devices. One instance a process, made on first use of a device.

    Attributes:
        name: as in the description.
        capabilities: what its devices can do.
        handle_type: exact type of every handle, or None where results need no check. A kernel result of another
            type (a NumPy scalar, say) goes through `wrap`.
    """

    name: str
    capabilities: Capabilities = Capabilities()
    handle_type: type | None = None

    # -- owed by every backend -----------------------------------------------------------------------------------

    @abstractmethod
    def allocate(self, shape: Shape, dtype: dtype, index: int) -> Handle:
        """Uninitialised contiguous memory on device `index`."""

    @abstractmethod
    def from_host(self, array: np.ndarray, index: int) -> Handle:
        """A contiguous copy of a NumPy array on device `index`."""

    @abstractmethod
    def to_host(self, handle: Handle) -> np.ndarray:
        """A NumPy array with the handle's elements; may share memory only when `capabilities.host_memory`."""

    @abstractmethod
    def kernels(self) -> Mapping[str, Kernel]:
        """Kernels by op name. Each takes its op's kernel parameters, by position, and returns a handle or a tuple.

        A kernel may carry `specialize`, a function of the same arguments that returns a callable of the operands alone
        for calls with operands of these shapes and these attributes, or None: calls that repeat then save the rest. It
        may carry `into`, a function of the same arguments that writes the result over the first operand: in-place forms
        then copy nothing.
        """

    # -- with defaults -------------------------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        """Names of the devices present, in order of their index. Default: one, called like the backend."""
        return (self.name,)

    def current_device(self) -> int:
        """Index meant by a device without one. Default: 0."""
        return 0

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        """The kernel of `op` computing in `dtype`, or None. Default: `kernels()` for every computable dtype."""
        found = self.kernels().get(op)
        return found if found is not None and self.supports(op, (dtype,)) else None

    def supports(self, op: str, dtypes: Sequence[dtype]) -> bool:
        """Whether kernels of `op` exist for these dtypes. Default: all that the capabilities list."""
        return op not in self.capabilities.reason and all(t in self.capabilities.dtypes for t in dtypes)

    def wrap(self, result: Any, dtype: dtype) -> Handle:
        """A handle from a kernel result that is not of `handle_type`. Default: the result itself."""
        return result

    def strides(self, handle: Handle) -> Shape:
        """Strides in elements. Default: `handle.strides` over the item size."""
        size = handle.dtype.itemsize
        return tuple(s // size for s in handle.strides)

    def view(self, handle: Handle, shape: Shape, strides: Shape, offset: int) -> Handle:
        """Another look at the handle's memory: strides and offset (from its first element) in elements."""
        raise BackendError(f"backend {self.name!r}: offers no views; override Backend.view")

    def view_kernels(self) -> Mapping[str, Kernel]:
        """Short cuts for view ops by name (`handle.transpose(...)`); they must alias. Default: none, `view` serves."""
        return {}

    def basic_index(self, handle: Handle, key: tuple[Any, ...]) -> Handle:
        """View selected by ints, slices with positive steps, None and Ellipsis. Default: by `view`."""
        from .._shape import basic_index_geometry

        return self.view(handle, *basic_index_geometry(tuple(handle.shape), self.strides(handle), key))

    def write(self, target: Handle, source: Handle) -> None:
        """Copies elements of `source` (same dtype, broadcastable shape) into `target`'s memory."""
        target[...] = source

    def copy(self, handle: Handle) -> Handle:
        """A contiguous copy in fresh memory. Default: `allocate` and `write`."""
        fresh = self.allocate(tuple(handle.shape), _dtype.from_numpy_dtype(handle.dtype), self.index_of(handle))
        self.write(fresh, handle)
        return fresh

    def index_of(self, handle: Handle) -> int:
        """Index of the device that holds a handle. Default: 0."""
        return 0

    def storage_nbytes(self, handle: Handle) -> int:
        """Bytes of the memory block under a handle. Default: its elements' size."""
        return math.prod(handle.shape) * handle.dtype.itemsize

    def data_ptr(self, handle: Handle) -> int:
        """Address of the first element. Default: 0, no addresses."""
        return 0

    def synchronize(self, index: int) -> None:
        """Waits until all work on device `index` is done. Default: nothing, kernels are synchronous."""
        return None

    def memory_stats(self, index: int) -> Mapping[str, int]:
        """Memory statistics of device `index` in bytes. Default: none known."""
        return {}


@dataclass(frozen=True)
class MetaHandle:
    """Handle of the meta device: a shape and strides (elements) without memory."""

    shape: Shape
    element_strides: Shape
    dtype: np.dtype[Any]


class MetaBackend(Backend):
    """Shapes and dtypes without data: ops run their rules only."""

    name = "meta"
    capabilities = Capabilities(host_memory=False, indexed=False, max_rank=64)
    handle_type = MetaHandle

    def allocate(self, shape: Shape, dtype: dtype, index: int) -> MetaHandle:
        return MetaHandle(shape, contiguous_strides(shape), dtype.numpy)

    def from_host(self, array: np.ndarray, index: int) -> MetaHandle:
        return MetaHandle(array.shape, contiguous_strides(array.shape), array.dtype)

    def to_host(self, handle: MetaHandle) -> np.ndarray:
        raise BackendError(f"meta: tensors have no data to read, got shape {handle.shape}; use another device")

    def kernels(self) -> Mapping[str, Kernel]:
        return {}

    def strides(self, handle: MetaHandle) -> Shape:
        return handle.element_strides

    def view(self, handle: MetaHandle, shape: Shape, strides: Shape, offset: int) -> MetaHandle:
        return MetaHandle(shape, strides, handle.dtype)

    def write(self, target: MetaHandle, source: MetaHandle) -> None:
        return None
