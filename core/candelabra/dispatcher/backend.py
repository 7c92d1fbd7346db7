# SPDX-License-Identifier: Apache-2.0
"""The backend contract: what a plugin describes, and the class it fills.

Four members are owed: `allocate`, `from_host`, `to_host`, `kernels`; all others have the documented defaults below. An
array handle is whatever the backend's kernels take and return. It has a `shape` (tuple of ints); where views alias
memory it also has `strides` in bytes, as NumPy's and CuPy's arrays have, else the backend overrides `strides`.

Streams. A stream is a queue whose work runs in the order it was given; work on different streams is ordered by events
alone. Stream and event handles are whatever the backend likes; core hands them back as it got them. Every member that
starts work (kernels, `write`, `copy`, `from_host`, `copy_to`, ...) starts it on the calling thread's current stream of
the device concerned. A backend whose kernels are done when they return, or whose device has one queue only, needs none
of these members: the defaults make it look like a device with a single stream.

Memory. A handle may be dropped while work that reads it is pending. Memory of a dropped handle may be used again by
work of the stream that was current when it was allocated; for work of any other stream core calls `record_stream` first.

Errors. A backend says that there is no room by raising `MemoryError`, that a device is gone by raising `DeviceLostError`;
`translate_error` may do so for errors of a library. For want of room core calls `empty_cache`, tries once more, and raises
`OutOfMemoryError` with the statistics in words, so kernels that write over operands take their memory before they write.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import dtype
from .._errors import BackendError, DLPackError
from .._shape import Shape, contiguous_strides

API_VERSION = 1
"""Version of this contract. A plugin states the version, or the (lowest, highest) versions, it was written for."""

Handle = Any
StreamHandle = Any
EventHandle = Any
Kernel = Callable[..., Any]

_thread = threading.local()


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
        streams: `new_stream` makes queues whose work may overlap.
        pinned_memory: `pin` gives host memory of a kind that copies to the device faster, or asynchronously.
        fork_safe: the device can be used in a process forked after its first use.
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
    streams: bool = False
    pinned_memory: bool = False
    fork_safe: bool = True
    kernels_check_shapes: bool = False
    deterministic: bool = True
    max_rank: int = 32
    subnormals: bool = True
    reason: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceProperties:
    """What a device is; `0` and empty mean unknown.

    Attributes:
        name: of the device, as its maker calls it.
        total_memory: in bytes.
        multi_processor_count: compute units.
        major: of the compute capability or version.
        minor: of the compute capability or version.
        warp_size: lanes that run in step.
        max_threads_per_block: largest work-group.
        shared_memory_per_block: local memory of a work-group, in bytes.
        clock_rate_khz: highest.
        driver: version of the driver or runtime, in words.
        vendor: maker of the device.
        extra: whatever else the backend knows; read as attributes too.
    """

    name: str
    total_memory: int = 0
    multi_processor_count: int = 0
    major: int = 0
    minor: int = 0
    warp_size: int = 0
    max_threads_per_block: int = 0
    shared_memory_per_block: int = 0
    clock_rate_khz: int = 0
    driver: str = ""
    vendor: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        extra = self.__dict__.get("extra", {})
        if name in extra:
            return extra[name]
        raise AttributeError(f"device properties: no such property, got {name!r}")


MEMORY_STATS = (
    "allocated", "allocated_peak", "allocated_total", "freed_total", "allocations", "allocations_peak",
    "reserved", "reserved_peak", "segments", "limit", "retries", "out_of_memory",
)  # fmt: skip
"""Keys of `Backend.memory_stats` that core reads; one left out counts as 0.

Bytes: `allocated` in live handles now, its `_peak` since the last reset, `allocated_total` and `freed_total` ever;
`reserved` taken from the device, cached blocks included, and its `_peak`; `limit` the most it may take, 0 for no limit.
Counts: `allocations` live now and their `_peak`, `segments` blocks taken from the device now, `retries` allocations that
succeeded after the cache was freed, `out_of_memory` those that failed for good (core counts these two, and adds them).
"""


class MemoryCounter:
    """Counts of a backend that keeps its own memory: the values of `memory_stats`, safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a block that dies while its thread counts is counted by the same thread
        self._values = dict.fromkeys(MEMORY_STATS, 0)

    def allocated(self, size_bytes: int) -> None:
        """Counts memory given to a handle."""
        with self._lock:
            v = self._values
            v["allocated"] += size_bytes
            v["allocated_total"] += size_bytes
            v["allocations"] += 1
            v["allocated_peak"] = max(v["allocated_peak"], v["allocated"])
            v["allocations_peak"] = max(v["allocations_peak"], v["allocations"])

    def freed(self, size_bytes: int) -> None:
        """Counts memory given back by a handle."""
        with self._lock:
            self._values["allocated"] -= size_bytes
            self._values["freed_total"] += size_bytes
            self._values["allocations"] -= 1

    def reserved(self, size_bytes: int) -> None:
        """Counts a block taken from the device, or given back to it when negative."""
        with self._lock:
            v = self._values
            v["reserved"] += size_bytes
            v["segments"] += 1 if size_bytes > 0 else -1
            v["reserved_peak"] = max(v["reserved_peak"], v["reserved"])

    def reset_peak(self) -> None:
        """Lets the peaks start from the present values."""
        with self._lock:
            for name in ("allocated", "allocations", "reserved"):
                self._values[f"{name}_peak"] = self._values[name]

    def stats(self, limit: int = 0) -> dict[str, int]:
        """The counts, with the given limit in bytes."""
        with self._lock:
            return {**self._values, "limit": limit}


@dataclass(frozen=True)
class OnlyStream:
    """The one queue of a device whose backend has no streams."""

    index: int


class HostEvent:
    """Event of a device whose backend has no events: recording waits for the work before it and reads the clock."""

    __slots__ = ("index", "time_s")

    def __init__(self, index: int) -> None:
        self.index = index
        self.time_s = math.nan


class Backend(ABC):
    """Software that runs kernels on its devices. One instance a process, made on first use of a device.

    Attributes:
        name: as in the description.
        capabilities: what its devices can do.
        handle_type: exact type of every handle, or None where results need no check. A kernel result of another
            type (a NumPy scalar, say) goes through `wrap`.
        rounds_parts: results of an op's parts are rounded to their dtypes; False where a body is recorded to be fused.
        remembers: calls may be remembered by kinds and shapes and repeated without their checks.
        dlpack_device_type: DLPack's number for the kind of device (2 CUDA, 4 OpenCL, ...), or None where handles are
            not shared by DLPack; arrays in host memory always are.
    """

    name: str
    capabilities: Capabilities = Capabilities()
    handle_type: type | None = None
    rounds_parts: bool = True
    remembers: bool = True
    dlpack_device_type: int | None = None

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
        then copy nothing; `into.least` is the number of elements from which it is used.
        """

    # -- with defaults -------------------------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        """Names of the devices present, in order of their index. Default: one, called like the backend."""
        return (self.name,)

    def notes(self) -> Sequence[str]:
        """What `candelabra doctor` shall say beside the devices: others that are there and cannot be used, and why.
        Default: nothing."""
        return ()

    def current_device(self) -> int:
        """Index meant by a device without one. Default: what the thread set by `set_device`, else 0."""
        return self._of_thread().get(None, 0)

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        """The kernel of `op` computing in `dtype`, or None. Default: `kernels()` for every computable dtype."""
        found = self.kernels().get(op)
        return found if found is not None and self.supports(op, (dtype,)) else None

    def compiler_target(self) -> Any:
        """The compiler's `Target` of its devices. Default: None, it compiles nothing."""
        return None

    def kernel_source(self, kernel: Any) -> str:
        """What the device's compiler is given for a kernel of `compiler.ir`. Default: the kernel's own text."""
        return str(kernel)

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
        """Short cuts for view ops by name (`handle.transpose(...)`); they must alias. Default: none, `view` serves.

        One may have an attribute `bound(ndim, *attributes)`: a function of the handle alone for calls that are remembered,
        or None.
        """
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

    # -- devices -------------------------------------------------------------------------------------------------

    def set_device(self, index: int) -> None:
        """Makes `index` the calling thread's current device. Default: remembered for `current_device`."""
        self._of_thread()[None] = index

    def device_properties(self, index: int) -> DeviceProperties:
        """What device `index` is. Default: its name alone."""
        return DeviceProperties(name=self.devices()[index])

    def synchronize(self, index: int) -> None:
        """Waits until all work on device `index` is done. Default: nothing, kernels are synchronous."""
        return None

    def module_members(self) -> Mapping[str, Any]:
        """Members of `candelabra.<name>` beside those every backend's module has (graphs, markers). Default: none."""
        return {}

    def translate_error(self, error: Exception, index: int) -> Exception:
        """An error of the device's library as MemoryError, DeviceLostError or itself. Default: itself."""
        return error

    # -- streams and events --------------------------------------------------------------------------------------

    def default_stream(self, index: int) -> StreamHandle:
        """The stream of device `index` that is current where none was set; always the same one. Default: the only one."""
        return OnlyStream(index)

    def new_stream(self, index: int, priority: int = 0) -> StreamHandle:
        """Another stream; a lower `priority` is more urgent. Default: the default stream again."""
        return self.default_stream(index)

    def current_stream(self, index: int) -> StreamHandle:
        """The calling thread's current stream of device `index`. Default: the last one set, else the default stream."""
        found = self._of_thread().get(index)
        return self.default_stream(index) if found is None else found

    def set_stream(self, index: int, stream: StreamHandle) -> None:
        """Makes `stream` the calling thread's current one on device `index`. Default: remembered for `current_stream`."""
        self._of_thread()[index] = stream

    def stream_id(self, stream: StreamHandle) -> int:
        """A number that tells the streams of a device apart: a native handle where there is one. Default: 0."""
        return 0

    def stream_from_id(self, number: int, index: int) -> StreamHandle:
        """A stream somebody else made, by its native handle. Default: an error, there are none."""
        raise BackendError(f"backend {self.name!r}: takes no streams of others, got {number:#x} for device {index}")

    def query_stream(self, stream: StreamHandle) -> bool:
        """Whether all work of the stream is done; waits for nothing. Default: True, once it is."""
        self.synchronize(stream.index)
        return True

    def synchronize_stream(self, stream: StreamHandle) -> None:
        """Waits until all work of the stream is done. Default: for all of its device's."""
        self.synchronize(stream.index)

    def wait_event(self, stream: StreamHandle, event: EventHandle) -> None:
        """Lets later work of the stream begin after the event; the host waits for nothing. An event that was never
        recorded holds nobody up; a later recording does not matter. Default: nothing, one queue has one order."""
        return None

    def new_event(self, index: int, timing: bool = False) -> EventHandle:
        """An event for streams of device `index`, not recorded; `timing` when `elapsed_ms` will be asked."""
        return HostEvent(index)

    def record_event(self, event: EventHandle, stream: StreamHandle) -> None:
        """Lets the event stand for all work given to the stream so far; replaces what it stood for."""
        self.synchronize_stream(stream)
        event.time_s = time.perf_counter()

    def query_event(self, event: EventHandle) -> bool:
        """Whether the work an event stands for is done; True for one never recorded."""
        return True

    def synchronize_event(self, event: EventHandle) -> None:
        """Waits until the work an event stands for is done."""
        return None

    def elapsed_ms(self, start: EventHandle, end: EventHandle) -> float:
        """Milliseconds between two events with `timing` that are done."""
        return (end.time_s - start.time_s) * 1e3

    def _of_thread(self) -> dict[int | None, Any]:
        """What this thread set: its current stream by index, its current device under None."""
        settings: dict[Backend, dict[int | None, Any]] | None = getattr(_thread, "settings", None)
        if settings is None:
            settings = _thread.settings = {}
        found = settings.get(self)
        if found is None:
            found = settings[self] = {}
        return found

    # -- copies --------------------------------------------------------------------------------------------------

    def from_host_async(self, array: np.ndarray, index: int) -> Handle:
        """As `from_host`, but the copy may be made later in the current stream: the backend keeps the array alive, the
        caller leaves its elements as they are until then. Default: `from_host`."""
        return self.from_host(array, index)

    def to_host_async(self, handle: Handle, out: np.ndarray | None = None) -> np.ndarray:
        """As `to_host`, but elements may arrive later in the current stream of the handle's device.

        Args:
            out: a host array of the handle's shape and dtype to fill and return; pinned memory of the backend's choice
                when None.

        Default: `to_host`, done when it returns.
        """
        host = self.to_host(handle)
        if out is None:
            return host
        out[...] = host
        return out

    def copy_to(self, handle: Handle, index: int) -> Handle:
        """A contiguous copy on another device of this backend, made in that device's current stream, which already waits
        for the work on the source; core calls `record_stream(handle, stream)`. Default: through the host."""
        return self.from_host(self.to_host(handle), index)

    def copy_from(self, handle: Handle, source: Backend, index: int) -> Handle | None:
        """A contiguous copy of another backend's handle, made without a detour through the host: fully ordered by both
        sides' current streams when it returns. Default: None, there is no such way and core goes through the host."""
        return None

    def pin(self, array: np.ndarray) -> np.ndarray:
        """A copy of a host array in pinned memory. Default: the array itself, no memory is faster than other."""
        return array

    def is_pinned(self, array: np.ndarray) -> bool:
        """Whether a host array lies in pinned memory. Default: False."""
        return False

    # -- memory --------------------------------------------------------------------------------------------------

    def record_stream(self, handle: Handle, stream: StreamHandle) -> None:
        """Says that work of `stream` uses the handle's memory: once its last handle is gone, it is not used anew before
        all that `stream` was given up to then is done. Default: nothing, one queue has one order."""
        return None

    def memory_stats(self, index: int) -> Mapping[str, int]:
        """Memory statistics of device `index`: values of the keys in `MEMORY_STATS`, and any others. Default: none known.

        `MemoryCounter` counts them for backends that keep their own memory.
        """
        return {}

    def reset_peak_memory_stats(self, index: int) -> None:
        """Lets the peaks of `memory_stats` start from the present values. Default: nothing."""
        return None

    def empty_cache(self, index: int) -> None:
        """Gives memory that no handle uses back to device `index`; waits for pending work where it must. Default: nothing."""
        return None

    # -- DLPack --------------------------------------------------------------------------------------------------

    def dlpack_device(self, handle: Handle) -> tuple[int, int]:
        """DLPack's (device type, device number) of a handle. Default: by `dlpack_device_type` and `index_of`.

        Raises:
            DLPackError: handles of this backend are not shared.
        """
        if self.dlpack_device_type is None and self.capabilities.host_memory:
            return 1, 0
        if self.dlpack_device_type is None:
            raise DLPackError(f'device "{self.name}": its memory is not shared by DLPack; copy it with .cpu()')
        return self.dlpack_device_type, self.index_of(handle)

    def to_dlpack(self, handle: Handle, stream: int | None, max_version: tuple[int, int] | None) -> Any:
        """A DLPack capsule on a handle's memory, which lives as long as the capsule's user needs it.

        Args:
            stream: native handle of the consumer's stream, by DLPack's rules; work on the memory must be ordered before
                what comes on it. None for a device without streams, -1 for a consumer that asks for no ordering.
            max_version: newest (major, minor) version the consumer reads; None for one before versions.

        Default: the handle's own `__dlpack__`; host arrays by `runtime._dlpack`, which knows every dtype.
        """
        from ..runtime._dlpack import export_array

        if isinstance(handle, np.ndarray):
            return export_array(handle, max_version)
        asked = {} if max_version is None else {"max_version": max_version}
        return handle.__dlpack__(stream=stream, **asked)

    def from_dlpack(self, source: Any, index: int) -> Handle:
        """A handle on the memory of an object with `__dlpack__` and `__dlpack_device__` on device `index`, sharing it.

        Default: host memory by `runtime._dlpack`; others override.
        """
        from ..runtime._dlpack import import_array

        return import_array(source)


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
