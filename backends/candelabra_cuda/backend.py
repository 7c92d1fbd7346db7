# SPDX-License-Identifier: Apache-2.0
"""The CUDA backend: memory, streams and libraries by CuPy, kernels from the compiler."""

from __future__ import annotations

import atexit
import collections
import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cupy
import numpy as np
from cupy.cuda import runtime
from cupy_backends.cuda.api import driver

from candelabra import _dtype
from candelabra._config import setting
from candelabra._errors import ArgumentError, BackendError, DeviceLostError, DLPackError, PluginError
from candelabra._shape import contiguous_strides
from candelabra.compiler.ir import Kernel
from candelabra.dispatcher.backend import Capabilities, DeviceProperties
from candelabra_loops.backend import LoopsBackend
from candelabra_loops.building import Batch
from candelabra_loops.look import Look

from . import program
from .dialect import TARGET
from .launch import launcher
from .memory import Block, Pool, is_pinned, pinned
from .stream import Event, Foreign, NativeStream, Stream, get_elapsed_time

NO_ROOM = (2,)
"""CUDA's errors for want of memory: cudaErrorMemoryAllocation, CUDA_ERROR_OUT_OF_MEMORY."""

LOST = frozenset((46, 214, 219, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999))
"""Errors after which CUDA refuses all work of the process (illegal address, failed launch, ECC, NVLink ...), or has no
device left. Source: cudaError_t in the CUDA runtime API."""

LIBRARY_NO_ROOM = {"CUBLASError": 3, "CUSOLVERError": 2, "CUSPARSEError": 2}
"""ALLOC_FAILED of CUDA's libraries, by the class of CuPy's error."""

PEER_IS_ENABLED = 704

STAGED = 1 << 16
"""Bytes that a copy from pageable memory has always read when the call returns; of larger ones CUDA says only that it may
have. Source: CUDA runtime API, API synchronization behavior."""


class Device:
    """One GPU: its memory, default stream and architecture."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.default = Stream(index, NativeStream.null)
        self.pool = Pool(limit_of(setting("cuda_memory_limit", "0")))
        properties = runtime.getDeviceProperties(index)
        self.capability: int = 10 * properties["major"] + properties["minor"]
        self.arch = program.arch_for(self.capability)
        self.pending: collections.deque[tuple[Any, Any]] = collections.deque()
        self.peers: set[int] = set()
        self.streams: list[
            Any
        ] = []  # all that were made: none may be destroyed with a wrapper that is found dead in a cycle
        self.spare_streams: dict[int, list[Any]] = {}
        self._lock = threading.Lock()

    def keep(self, event: Any, array: Any) -> None:
        """Keeps a host array alive until the copy from or to it is done."""
        done: list[Any] = []  # arrays die outside the lock
        with self._lock:
            self.pending.append((event, array))
            while self.pending and self.pending[0][0].done:
                done.append(self.pending.popleft())

    def new_stream(self, priority: int) -> Stream:
        """A stream beside the default one: one that nobody uses any more, where there is one."""
        spare = self.spare_streams.setdefault(priority, [])
        try:
            native = spare.pop()
        except IndexError:
            native = NativeStream(non_blocking=True, priority=priority)
            self.streams.append(native)
        return Stream(self.index, native, spare)


def limit_of(megabytes: str) -> int:
    """Bytes of a limit in megabytes.

    Raises:
        ArgumentError: it is no number.
    """
    try:
        return int(float(megabytes) * 2**20)
    except ValueError:
        raise ArgumentError(f"CANDELABRA_CUDA_MEMORY_LIMIT: needs a number of megabytes, got {megabytes!r}") from None


class _Current(threading.local):
    """The device a thread's CUDA calls go to, as far as this backend set it."""

    index = -1


class CUDABackend(LoopsBackend):
    """NVIDIA GPUs.

    CuPy's current stream of a thread follows this backend's, so that libraries work in the same order as kernels. Where
    there are several GPUs, each call makes the one it works on CUDA's current device; `current_device` is the one asked for.
    """

    name = "cuda"
    target = TARGET
    dlpack_device_type = 2
    capabilities = Capabilities(
        dtypes=frozenset(_dtype.ALL),
        compute_dtypes=frozenset(_dtype.COMPUTABLE),
        asynchronous=True,
        streams=True,
        pinned_memory=True,
        fork_safe=False,
        deterministic=False,
    )

    def __init__(self) -> None:
        try:
            self._count = runtime.getDeviceCount()
        except (runtime.CUDARuntimeError, RuntimeError) as error:
            raise PluginError(
                f'device "cuda": needs an NVIDIA GPU and its driver, got {error}; install the driver'
            ) from error
        if not self._count:
            raise PluginError('device "cuda": needs an NVIDIA GPU, got none; is CUDA_VISIBLE_DEVICES empty?')
        try:
            from cupy_backends.cuda.libs import cublas, nvrtc
        except ImportError as error:
            why = str(error).splitlines()[0]
            raise PluginError(
                f'device "cuda": needs CUDA libraries, got {why}; pip install candelabra[cuda]'
            ) from error
        del cublas, nvrtc
        self._devices: dict[int, Device] = {}
        self._lock = threading.Lock()
        self._now = _Current()
        self._capturing = threading.local()
        atexit.register(self._close)

    def _close(self) -> None:
        for device in self._devices.values():
            device.pool.is_open = False

    # -- devices -------------------------------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        return [runtime.getDeviceProperties(index)["name"].decode() for index in range(self._count)]

    def device(self, index: int) -> Device:
        """The state of device `index`, made on first use."""
        found = self._devices.get(index)
        if found is None:
            self.bind(index)
            with self._lock:
                if index not in self._devices:
                    self._devices[index] = Device(index)
            found = self._devices[index]
        return found

    def bind(self, index: int) -> None:
        """Makes a device the one that this thread's CUDA calls go to."""
        if self._now.index != index or self._count > 1:
            runtime.setDevice(index)
            self._now.index = index

    def bound(self, index: int) -> Stream:
        """The thread's stream on a device that is now CUDA's current one, and CuPy's current stream."""
        self.bind(index)
        stream: Stream = self.current_stream(index)
        return stream

    def set_device(self, index: int) -> None:
        super().set_device(index)
        self.bind(index)

    def device_properties(self, index: int) -> DeviceProperties:
        p = runtime.getDeviceProperties(index)  # CUDA's releases have dropped some entries
        version = runtime.driverGetVersion()
        return DeviceProperties(
            name=p["name"].decode(),
            total_memory=p["totalGlobalMem"],
            multi_processor_count=p["multiProcessorCount"],
            major=p["major"],
            minor=p["minor"],
            warp_size=p["warpSize"],
            max_threads_per_block=p["maxThreadsPerBlock"],
            shared_memory_per_block=p["sharedMemPerBlock"],
            clock_rate_khz=p.get("clockRate", 0),
            driver=f"CUDA {version // 1000}.{version % 1000 // 10}",
            vendor="NVIDIA",
            extra={
                "L2_cache_size": p.get("l2CacheSize", 0),
                "max_threads_per_multi_processor": p.get("maxThreadsPerMultiProcessor", 0),
                "regs_per_multiprocessor": p.get("regsPerMultiprocessor", 0),
                "memory_clock_rate": p.get("memoryClockRate", 0),
                "memory_bus_width": p.get("memoryBusWidth", 0),
                "is_integrated": bool(p.get("integrated", 0)),
                "is_multi_gpu_board": bool(p.get("isMultiGpuBoard", 0)),
                "pci_bus_id": p.get("pciBusID", 0),
                "pci_device_id": p.get("pciDeviceID", 0),
                "pci_domain_id": p.get("pciDomainID", 0),
            },
        )

    def _check_wait(self, what: str) -> None:
        """Raises while work is captured: CUDA would give the capture up if it were asked to wait."""
        if self.capture() is not None:
            raise BackendError(f"cuda graph: the host cannot wait while work is captured, got {what}; do it after")

    def synchronize(self, index: int) -> None:
        self._check_wait("synchronize")
        device = self.device(index)
        self.bind(index)
        runtime.deviceSynchronize()
        device.pending.clear()

    def module_members(self) -> Mapping[str, Any]:
        from .members import members

        return members(self)

    def translate_error(self, error: Exception, index: int) -> Exception:
        status = getattr(error, "status", None)
        if LIBRARY_NO_ROOM.get(type(error).__name__, -1) == status:
            return MemoryError(str(error))
        if not isinstance(error, (runtime.CUDARuntimeError, driver.CUDADriverError)):
            return error
        if status in NO_ROOM:
            return MemoryError(str(error))
        if status in LOST:
            return DeviceLostError(
                f'device "cuda:{index}": its work failed for good, got {error}; only a new process can use it again'
            )
        return error

    @contextlib.contextmanager
    def meaning(self, index: int) -> Iterator[None]:
        """Says what CUDA's errors of a `with` block mean; for members that core does not do it for."""
        try:
            yield
        except (runtime.CUDARuntimeError, driver.CUDADriverError) as error:
            meant = self.translate_error(error, index)
            if meant is error:
                raise
            raise meant from error

    # -- streams and events --------------------------------------------------------------------------------------

    def default_stream(self, index: int) -> Stream:
        return self.device(index).default

    def new_stream(self, index: int, priority: int = 0) -> Stream:
        device = self.device(index)
        self.bind(index)
        return device.new_stream(priority)

    def set_stream(self, index: int, stream: Stream) -> None:
        self.bind(index)
        stream.native.use()
        super().set_stream(index, stream)

    def stream_id(self, stream: Stream) -> int:
        return stream.address

    def stream_from_id(self, number: int, index: int) -> Stream:
        self.bind(index)
        default = self.device(index).default
        return default if number == default.address else Stream(index, NativeStream.from_external(Foreign(number)))

    def query_stream(self, stream: Stream) -> bool:
        self._check_wait("a query of a stream")
        self.bind(stream.index)
        return bool(stream.native.done)

    def synchronize_stream(self, stream: Stream) -> None:
        self._check_wait("synchronize of a stream")
        self.bind(stream.index)
        with self.meaning(stream.index):
            stream.native.synchronize()

    def wait_event(self, stream: Stream, event: Event) -> None:
        if event.native is not None:
            self.bind(stream.index)
            stream.native.wait_event(event.native)

    def new_event(self, index: int, timing: bool = False) -> Event:
        return Event(index, timing)

    def record_event(self, event: Event, stream: Stream) -> None:
        self.bind(stream.index)
        event.record(stream)

    def query_event(self, event: Event) -> bool:
        return event.native is None or bool(event.native.done)

    def synchronize_event(self, event: Event) -> None:
        if event.native is not None:
            with self.meaning(event.index):
                event.native.synchronize()

    def elapsed_ms(self, start: Event, end: Event) -> float:
        return float(get_elapsed_time(start.native, end.native))

    def capture(self) -> Any:
        """The graph that this thread's work is recorded into, or None."""
        return getattr(self._capturing, "graph", None)

    def set_capture(self, graph: Any) -> None:
        """Says which graph this thread's work is recorded into from now on; None for no more."""
        self._capturing.graph = graph

    def may_wait(self, index: int) -> bool:
        """Whether the host may wait for the device now: not while work is recorded to be replayed."""
        return self.capture() is None

    # -- memory --------------------------------------------------------------------------------------------------

    def reserve(self, nbytes: int, index: int) -> Block:
        stream = self.bound(index)
        return self.device(index).pool.take(nbytes, stream)

    def address(self, block: Block) -> int:
        return block.address

    def upload(self, block: Block, array: np.ndarray[Any, Any]) -> None:
        graph = self.capture()
        if graph is not None:  # each replay reads the elements again, so they stay, in memory that is always there
            array = graph.keep(self.pin(array))
        stream = self.bound(block.index)
        source = array.ctypes.data
        runtime.memcpyAsync(block.address, source, array.nbytes, runtime.memcpyHostToDevice, stream.address)
        if graph is None and (array.nbytes > STAGED or is_pinned(array)):
            stream.native.synchronize()

    def download(self, block: Block, offset: int, nbytes: int) -> np.ndarray[Any, Any]:
        if not self.may_wait(block.index):
            raise BackendError(
                "cuda graph: values cannot be read on the host while work is captured, got a read; do it after"
            )
        stream, out = self.bound(block.index), np.empty(nbytes, np.uint8)
        source = block.address + offset
        runtime.memcpyAsync(out.ctypes.data, source, nbytes, runtime.memcpyDeviceToHost, stream.address)
        stream.native.synchronize()
        return out

    def from_host_async(self, array: np.ndarray[Any, Any], index: int) -> Look:
        if not self.may_wait(index):
            return self.from_host(array, index)
        made = self.fresh(array.shape, array.dtype, index)
        if array.size:
            flat, stream = np.ascontiguousarray(array), self.bound(index)
            source, size = flat.ctypes.data, flat.nbytes
            runtime.memcpyAsync(made.block.address, source, size, runtime.memcpyHostToDevice, stream.address)
            self.device(index).keep(stream.marker(), flat)
        return made

    def to_host_async(self, handle: Look, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        if out is None:
            out = self.pinned_empty(handle.shape, handle.dtype)
        if not out.flags.c_contiguous or not out.size or not self.may_wait(handle.index):
            out[...] = self.to_host(handle)
            return out
        whole, stream = self.contiguous(handle), self.bound(handle.index)
        source = self.data_ptr(whole)
        runtime.memcpyAsync(out.ctypes.data, source, out.nbytes, runtime.memcpyDeviceToHost, stream.address)
        self.device(handle.index).keep(stream.marker(), (out, whole))
        return out

    def pinned_empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """An uninitialised host array in pinned memory."""
        self.bind(self.current_device())
        return pinned(tuple(shape), dtype)

    def pin(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        made = self.pinned_empty(array.shape, array.dtype)
        made[...] = array
        return made

    def is_pinned(self, array: np.ndarray[Any, Any]) -> bool:
        return is_pinned(array)

    def write(self, target: Look, source: Look) -> None:
        """Plain copies by the copy engine's fast path, others by kernels."""
        size = target.dtype.itemsize * target.size
        if source.shape == target.shape and size and source.is_contiguous and target.is_contiguous:
            to, at = self.data_ptr(target), self.data_ptr(source)
            if abs(to - at) >= size:
                stream = self.bound(target.index)
                runtime.memcpyAsync(to, at, size, runtime.memcpyDeviceToDevice, stream.address)
                return
        super().write(target, source)

    def copy_to(self, handle: Look, index: int) -> Look:
        here = handle.index
        whole = self.contiguous(handle)
        made = self.fresh(handle.shape, handle.dtype, index)
        if not made.size:
            return made
        there = self.bound(index)
        if whole is not handle:  # the copy was made on this side's stream, after what the target waits for
            self.bind(here)
            ready = self.current_stream(here).marker()
            self.bind(index)
            there.native.wait_event(ready)
            self.record_stream(whole, there)
        self._enable_peer(index, here)
        size = made.size * made.dtype.itemsize
        runtime.memcpyPeerAsync(made.block.address, index, self.data_ptr(whole), here, size, there.address)
        return made

    def _enable_peer(self, index: int, other: int) -> None:
        """Lets a device read another one's memory where it can: copies then go straight across."""
        device = self.device(index)
        if other == index or other in device.peers:
            return
        device.peers.add(other)
        if runtime.deviceCanAccessPeer(index, other):
            self.bind(index)
            try:
                runtime.deviceEnablePeerAccess(other)
            except runtime.CUDARuntimeError as error:
                if error.status != PEER_IS_ENABLED:
                    raise

    def record_stream(self, handle: Look, stream: Stream) -> None:
        block = handle.block
        if block.stream != stream and self.capture() is None:  # an event of captured work is never done
            self.bind(stream.index)
            block.uses = [*(block.uses or ()), stream.marker()]

    def memory_stats(self, index: int) -> Mapping[str, int]:
        if index not in self._devices:
            return {}
        return self.device(index).pool.stats()

    def reset_peak_memory_stats(self, index: int) -> None:
        self.device(index).pool.reset_peak()

    def empty_cache(self, index: int) -> None:
        if not self.may_wait(index):
            return
        self.synchronize(index)
        self.device(index).pool.empty()

    # -- sharing -------------------------------------------------------------------------------------------------

    def array(self, handle: Look) -> Any:
        """CuPy's array on a handle's memory; CuPy's current device and stream are the handle's from now on."""
        self.bound(handle.index).native.use()
        size, block = handle.dtype.itemsize, handle.block
        held = cupy.cuda.UnownedMemory(block.address, block.nbytes, block, handle.index)  # the array keeps the block
        pointer = cupy.cuda.MemoryPointer(held, handle.offset * size)
        return cupy.ndarray(handle.shape, handle.dtype, pointer, tuple(s * size for s in handle.steps))

    def look(self, array: Any, index: int) -> Look:
        """A handle on the memory of CuPy's array, which it keeps alive."""
        size = array.dtype.itemsize
        if array.data.ptr % min(size, 8):
            raise DLPackError(f"from_dlpack: elements must lie at multiples of their size, got {array.data.ptr:#x}")
        if any(s % size or s < 0 for s in array.strides):
            array = cupy.ascontiguousarray(array)
        block = self.device(index).pool.wrap(array.data, array.nbytes, self.bound(index))
        steps = tuple(s // size for s in array.strides) if array.size else contiguous_strides(array.shape)
        return Look(block, 0, tuple(array.shape), steps, np.dtype(array.dtype), index)

    def to_dlpack(self, handle: Look, stream: int | None, max_version: tuple[int, int] | None) -> Any:
        asked = {} if max_version is None else {"max_version": max_version}
        try:
            return self.array(handle).__dlpack__(stream=stream, **asked)
        except (TypeError, ValueError) as error:
            raise DLPackError(f"dlpack: CuPy must know the dtype, got {handle.dtype}: {error}") from error

    def from_dlpack(self, source: Any, index: int) -> Look:
        self.bound(index).native.use()
        return self.look(cupy.from_dlpack(source), index)

    @contextlib.contextmanager
    def library(self, index: int) -> Iterator[None]:
        """Lets CuPy's functions work on a device, in the thread's stream, with memory of its pool."""
        self.bound(index).native.use()
        with cupy.cuda.using_allocator(self.device(index).pool.malloc):
            yield

    def adopt(self, array: Any, index: int) -> Look:
        """A handle on an array that a function of CuPy's made within `library`; contiguous ones only."""
        block = self.device(index).pool.adopt(array.data, array.nbytes, self.bound(index))
        return Look(block, 0, tuple(array.shape), contiguous_strides(array.shape), np.dtype(array.dtype), index)

    # -- kernels -------------------------------------------------------------------------------------------------

    @functools.cached_property
    def _table(self) -> dict[str, Any]:
        from . import convolution, linalg, products, sorting

        table = dict(LoopsBackend._table.func(self))  # type: ignore[attr-defined]
        for family in (products, linalg, sorting, convolution):
            table.update({name: self._bound(kernel) for name, kernel in family.KERNELS.items()})
        for name in [n for n in table if n.startswith("random_")]:
            table[name] = functools.partial(self._draw, table[name])
        return table

    def _draw(self, kernel: Any, *args: Any) -> Any:
        """Numbers, but not while work is captured: each replay would draw the same ones."""
        if self.capture() is not None:
            raise BackendError(
                "cuda graph: random numbers cannot be drawn while work is captured, got a random op; "
                "each replay would give the same ones: draw them before, into a tensor the graph reads"
            )
        return kernel(*args)

    def build(self, kernels: Sequence[Kernel]) -> Sequence[Any]:
        return Batch(self._made, kernels).launches()

    def _made(self, kernels: list[Kernel], index: int) -> list[Any]:
        self.bind(index)
        ready = program.functions(kernels, self.device(index).arch)
        return [launcher(k, f, functools.partial(self._at, index)) for k, f in zip(kernels, ready, strict=True)]

    def _at(self, index: int) -> int:
        return self.bound(index).address
