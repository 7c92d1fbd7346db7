# SPDX-License-Identifier: Apache-2.0
"""The OpenCL backend: devices of all runtimes as `opencl:0`, `opencl:1`, ..., with generated kernels."""

from __future__ import annotations

import atexit
import collections
import contextlib
import ctypes
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyopencl as cl
from pyopencl import _cl

from candelabra import _dtype
from candelabra._config import setting
from candelabra._device import device as device_type
from candelabra._errors import ArgumentError, CallError, DeviceLostError
from candelabra.compiler.ir import Kernel, Target
from candelabra.dispatcher._kind import kind_of
from candelabra.dispatcher.backend import Capabilities, DeviceProperties
from candelabra.runtime._streams import as_bytes, device_index
from candelabra.tensor._tensor import make_tensor
from candelabra_loops.backend import LoopsBackend
from candelabra_loops.building import Batch
from candelabra_loops.look import Look

from .dialect import OpenCLRenderer
from .launch import launchers
from .memory import Block, Pool, is_done
from .program import Programs
from .queues import Event, Queue
from .runtimes import Found, chosen, is_processor, is_simulator, runtimes

NO_ROOM = (
    cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE,
    cl.status_code.OUT_OF_RESOURCES,
    cl.status_code.OUT_OF_HOST_MEMORY,
    cl.status_code.INVALID_BUFFER_SIZE,
)
LOST = (cl.status_code.DEVICE_NOT_AVAILABLE, cl.status_code.INVALID_COMMAND_QUEUE, -9999)
"""What runtimes answer once a device is gone; -9999 is NVIDIA's for a kernel that touched memory it must not."""

CORRECTLY_ROUNDED = "-cl-fp32-correctly-rounded-divide-sqrt"
UNCHANGED = "-cl-opt-disable"
GENERAL = int(setting("opencl_general", "2048"))
"""Elements below which one kernel serves all layouts of an op and its dtypes: each takes 40 ms to build, and more.
`CANDELABRA_OPENCL_GENERAL=0` has special kernels made for tiny tensors, too."""

ALIGNMENT = 128
"""Bytes. Runtimes of the host work in host memory that starts at such an address; it lies on the page of what follows."""


class Device:
    """One device: its context, queue, memory and programs."""

    def __init__(self, backend: OpenCLBackend, index: int, found: Found) -> None:
        self.backend = backend
        self.index = index
        self.device = found.device
        self.label = found.label
        self.shares = found.shares
        self.context = cl.Context([found.device])
        self.chunks = is_processor(found)
        self.default = Queue(index, self.context, found.device)
        self.pool = Pool(self.context, found.device, limit_of(setting("opencl_memory_limit", "0")))
        rounded = found.device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
        # Oclgrind does not know all that the optimizer makes of a program.
        options = [
            "-cl-std=CL1.2",
            *([CORRECTLY_ROUNDED] if rounded else []),
            *([UNCHANGED] if is_simulator(found) else []),
        ]
        self.programs = Programs(
            self.context, found.device, OpenCLRenderer(self.chunks), " ".join(options), found.label
        )
        self.profile: list[tuple[str, Any]] | None = None
        self.pending: collections.deque[tuple[Any, Any]] = collections.deque()

    def current(self) -> Queue:
        """The calling thread's stream."""
        found: Queue = self.backend.current_stream(self.index)
        return found

    def keep(self, event: Any, array: Any) -> None:
        """Keeps a host array alive until the copy from or to it is done."""
        self.pending.append((event, array))
        while self.pending and is_done(self.pending[0][0]):
            self.pending.popleft()


def limit_of(megabytes: str) -> int:
    """Bytes of a limit in megabytes.

    Raises:
        ArgumentError: it is no number.
    """
    try:
        return int(float(megabytes) * 2**20)
    except ValueError:
        raise ArgumentError(f"CANDELABRA_OPENCL_MEMORY_LIMIT: needs a number of megabytes, got {megabytes!r}") from None


class OpenCLBackend(LoopsBackend):
    """Every usable device of every OpenCL runtime; see `runtimes.py` for how they are found, ordered and chosen."""

    name = "opencl"

    def __init__(self) -> None:
        self._found = chosen()
        self._devices: dict[int, Device] = {}
        self._lock = threading.Lock()
        self._streams: weakref.WeakSet[Queue] = weakref.WeakSet()
        self.target = target_of(self._found[0])
        doubles = all("cl_khr_fp64" in f.device.extensions for f in self._found)
        wide = {_dtype.float64, _dtype.complex128}
        stored = {t for t in _dtype.ALL if doubles or t not in wide}
        self.capabilities = Capabilities(
            dtypes=frozenset(stored),
            compute_dtypes=frozenset(t for t in _dtype.COMPUTABLE if t in stored),
            asynchronous=True,
            streams=True,
            fork_safe=False,
            deterministic=False,
            reason={} if doubles else {"float64": "a device computes no float64"},
        )
        atexit.register(self._close)

    def _close(self) -> None:
        for device in self._devices.values():
            device.pool.is_open = False

    # -- devices -------------------------------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        return [found.label for found in self._found]

    def notes(self) -> Sequence[str]:
        """Devices that are there and cannot be used, with the reason."""
        return [f"skipped {line}" for line in runtimes().skipped]

    def device(self, index: int) -> Device:
        """The state of device `index`, made on first use."""
        found = self._devices.get(index)
        if found is None:
            with self._lock:
                if index not in self._devices:
                    self._devices[index] = Device(self, index, self._found[index])
            found = self._devices[index]
        return found

    def device_properties(self, index: int) -> DeviceProperties:
        device = self._found[index].device
        major, _, minor = device.version.split()[1].partition(".")
        return DeviceProperties(
            name=device.name.strip(),
            total_memory=device.global_mem_size,
            multi_processor_count=device.max_compute_units,
            major=int(major),
            minor=int(minor),
            warp_size=1,
            max_threads_per_block=device.max_work_group_size,
            shared_memory_per_block=device.local_mem_size,
            clock_rate_khz=device.max_clock_frequency * 1000,
            driver=device.driver_version,
            vendor=device.vendor.strip(),
            extra={
                "platform": device.platform.name.strip(),
                "platform_version": device.platform.version.strip(),
                "extensions": tuple(device.extensions.split()),
                "max_allocation": device.max_mem_alloc_size,
                "shares_host_memory": self._found[index].shares,
                "is_processor": bool(device.type & cl.device_type.CPU),
            },
        )

    def synchronize(self, index: int) -> None:
        device = self.device(index)
        for queue in self._queues(index):
            queue.finish()
        device.pending.clear()

    def _queues(self, index: int) -> list[Queue]:
        return [self.device(index).default, *[q for q in list(self._streams) if q.index == index]]

    def module_members(self) -> Mapping[str, Any]:
        return {
            "from_numpy": self.from_numpy,
            "profile": self.profile,
            "set_memory_limit": self.set_memory_limit,
            "skipped_devices": lambda: runtimes().skipped,
        }

    def translate_error(self, error: Exception, index: int) -> Exception:
        code = getattr(error, "code", None)
        if not isinstance(error, cl.Error):
            return error
        if code in NO_ROOM:
            return MemoryError(str(error))
        if code in LOST:
            label = self._found[index].label
            return DeviceLostError(f'device "opencl:{index}": {label} does not answer any more, got {error}')
        return error

    # -- streams and events --------------------------------------------------------------------------------------

    def default_stream(self, index: int) -> Queue:
        return self.device(index).default

    def new_stream(self, index: int, priority: int = 0) -> Queue:
        device = self.device(index)
        made = Queue(index, device.context, device.device)
        self._streams.add(made)
        return made

    def stream_id(self, stream: Queue) -> int:
        return int(stream.queue.int_ptr)

    def query_stream(self, stream: Queue) -> bool:
        return stream.is_idle

    def synchronize_stream(self, stream: Queue) -> None:
        stream.finish()

    def wait_event(self, stream: Queue, event: Event) -> None:
        if event.event is None or is_done(event.event):
            return
        if event.index == stream.index:
            _cl._enqueue_barrier_with_wait_list(stream.queue, [event.event])
            stream.touch()
        else:  # a queue cannot wait for another context, and threads of PyOpenCL's callbacks may end the process at exit
            event.event.wait()

    def new_event(self, index: int, timing: bool = False) -> Event:
        return Event(index)

    def record_event(self, event: Event, stream: Queue) -> None:
        event.event = stream.marker()

    def query_event(self, event: Event) -> bool:
        return event.event is None or is_done(event.event)

    def synchronize_event(self, event: Event) -> None:
        if event.event is not None:
            event.event.wait()

    def elapsed_ms(self, start: Event, end: Event) -> float:
        return (end.time_ns() - start.time_ns()) * 1e-6

    @contextlib.contextmanager
    def profile(self, device: int = 0) -> Iterator[Profile]:
        """Times every kernel that device `device` runs within the context.

        Yields:
            A `Profile`: rows of kernel, number of runs and total milliseconds, complete when the context ends.
        """
        state, found = self.device(device), Profile()
        state.profile = []
        try:
            yield found
        finally:
            events, state.profile = state.profile, None
            self.synchronize(device)
            found.add(events)

    # -- memory --------------------------------------------------------------------------------------------------

    def reserve(self, nbytes: int, index: int) -> Block:
        device = self.device(index)
        block = device.pool.take(nbytes, device.current())
        block.requested = nbytes  # views must stay within it, whatever the pool gave
        return block

    def upload(self, block: Block, array: np.ndarray[Any, Any]) -> None:
        queue = self.device(block.stream.index).current()
        _cl._enqueue_write_buffer(queue.queue, block.buffer, array, 0, None, True)

    def download(self, block: Block, offset: int, nbytes: int) -> np.ndarray[Any, Any]:
        out = np.empty(nbytes, np.uint8)
        queue = self.device(block.stream.index).current()
        _cl._enqueue_read_buffer(queue.queue, block.buffer, out, offset, None, True)
        return out

    def from_host_async(self, array: np.ndarray[Any, Any], index: int) -> Look:
        made = self.fresh(array.shape, array.dtype, index)
        if array.size:
            device, flat = self.device(index), np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            queue = device.current()
            device.keep(_cl._enqueue_write_buffer(queue.queue, made.block.buffer, flat, 0, None, False), flat)
            queue.touch()
        return made

    def to_host_async(self, handle: Look, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        if out is None:
            out = np.empty(handle.shape, handle.dtype)
        if not out.flags.c_contiguous or not out.size:
            out[...] = self.to_host(handle)
            return out
        whole, device = self.contiguous(handle), self.device(handle.index)
        flat = out.reshape(-1).view(np.uint8)
        start = whole.offset * whole.dtype.itemsize
        queue = device.current()
        event = _cl._enqueue_read_buffer(queue.queue, whole.block.buffer, flat, start, None, False)
        queue.touch()
        device.keep(event, (flat, whole))
        return out

    def address(self, block: Block) -> int:
        return int(block.buffer.int_ptr) << 8

    def record_stream(self, handle: Look, stream: Queue) -> None:
        block = handle.block
        if block.stream is not stream:
            block.uses = [*(block.uses or ()), stream.marker()]

    def memory_stats(self, index: int) -> Mapping[str, int]:
        if index not in self._devices:
            return {}
        pool = self.device(index).pool
        return pool.counter.stats(pool.limit)

    def reset_peak_memory_stats(self, index: int) -> None:
        self.device(index).pool.counter.reset_peak()

    def empty_cache(self, index: int) -> None:
        self.synchronize(index)
        self.device(index).pool.empty()

    def set_memory_limit(self, limit_bytes: int, device: Any = None) -> None:
        """Bytes a device may take; 0 for no limit but its own. `device` is a number, a text, a device or the current one."""
        index = device_index("set_memory_limit", device, self.name)
        self.device(index).pool.limit = as_bytes("set_memory_limit", limit_bytes)

    # -- memory of the host --------------------------------------------------------------------------------------

    def share(self, array: np.ndarray[Any, Any], index: int) -> Look | None:
        """A handle on the memory of a NumPy array, which it keeps alive; None where the device has memory of its own, or
        cannot reach these elements."""
        device = self.device(index)
        size = array.dtype.itemsize
        low, high = np.lib.array_utils.byte_bounds(array)
        if not device.shares or not array.size or low % size or any(s % size for s in array.strides):
            return None
        start = low - low % ALIGNMENT
        if (low - start) % size:
            return None
        nbytes = -(-(high - start) // 4) * 4
        memory = (ctypes.c_char * nbytes).from_address(start)
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR
        buffer = cl.Buffer(device.context, flags, hostbuf=memory)
        block = device.pool.wrap(buffer, nbytes, device.current(), (array, memory))
        offset = (array.ctypes.data - start) // size
        return Look(block, offset, array.shape, tuple(s // size for s in array.strides), array.dtype, index)

    def from_numpy(self, array: np.ndarray[Any, Any], device: int = 0) -> Any:
        """A tensor on the memory of a NumPy array where the device works in host memory, as processors do; else a copy.

        Wait (`candelabra.opencl.synchronize`) before the array is read or written from outside.

        Args:
            array: any dtype with a counterpart.
            device: number of the device.

        Raises:
            CallError: `array` is not a NumPy array.
        """
        if not isinstance(array, np.ndarray):
            raise CallError(f"opencl.from_numpy: needs a NumPy array, got {type(array).__name__}")
        kind = kind_of(device_type(f"opencl:{device}"), _dtype.from_numpy_dtype(array.dtype))
        shared = self.share(array, device) if array.flags.writeable else None
        return make_tensor(self.from_host(array, device) if shared is None else shared, kind)

    def from_dlpack(self, source: Any, index: int) -> Look:
        array = super().from_dlpack(source, index)
        shared = self.share(array, index)
        return self.from_host(array, index) if shared is None else shared

    # -- kernels -------------------------------------------------------------------------------------------------

    def build(self, kernels: Sequence[Kernel]) -> Sequence[Any]:
        return Batch(lambda made, index: launchers(self.device(index), made), kernels).launches()


class Profile:
    """Time of kernels: `rows` of (kernel, runs, milliseconds), the longest first."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, float]] = []

    def add(self, events: Sequence[tuple[str, Any]]) -> None:
        """Counts finished runs."""
        info = cl.profiling_info
        found: dict[str, list[float]] = collections.defaultdict(list)
        for name, event in events:
            took = event.get_profiling_info(info.END) - event.get_profiling_info(info.START)
            found[name].append(took * 1e-6)
        rows = [(name, len(times), sum(times)) for name, times in found.items()]
        self.rows = sorted(rows, key=lambda row: -row[2])

    def __str__(self) -> str:
        return "\n".join(["      ms   runs  kernel", *[f"{ms:8.3f} {n:6}  {name}" for name, n, ms in self.rows]])


def target_of(found: Found) -> Target:
    """What the compiler has to know of a device."""
    device = found.device
    doubles = "cl_khr_fp64" in device.extensions
    if is_processor(found):
        width = 4 * max(device.native_vector_width_float, 4)
        return Target("opencl", rows=True, doubles=doubles, width_bytes=width, vectors=True, general=GENERAL)
    return Target("opencl", rows=False, doubles=doubles, group=min(256, device.max_work_group_size), general=GENERAL)
