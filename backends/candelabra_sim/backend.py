# SPDX-License-Identifier: Apache-2.0
"""The simulated backend: NumPy kernels on memory of its own, each a piece of work that reads its operands when it runs.

A handle is a look (shape, strides, offset) at a block of a device. It holds the memory alive, as any tensor does; pending
work does not: it finds in a block whatever is there when it runs. So a missing wait, a missing `record_stream`, a
look beyond its block, or a host array that changed too early give wrong values or an error, as on a real device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from candelabra._config import setting
from candelabra._device import device
from candelabra._dtype import dtype, from_numpy_dtype
from candelabra._errors import BackendError, DeviceLostError, ShapeError
from candelabra._shape import Shape, contiguous_strides
from candelabra.dispatcher._kind import kind_of
from candelabra.dispatcher.backend import Backend, Capabilities, DeviceProperties, Kernel
from candelabra.op import Op, ops
from candelabra.runtime._streams import as_bytes, device_index
from candelabra.tensor._tensor import make_tensor
from candelabra_xp import XpBackend

from .faults import Faults
from .memory import GUARD_BYTES, Arena, Block, Memory, look
from .scheduler import Event, Item, Scheduler, Stream

# Kernels that refuse values: the caller waits for the verdict, as the drivers of real devices do for these.
REFUSE_VALUES = frozenset(
    (
        "cross_entropy", "embedding_rows", "gather", "index", "index_add", "index_copy", "index_fill",
        "index_select", "inverse", "masked_scatter", "nll_loss", "put", "put_at", "scatter", "scatter_add",
    )
)  # fmt: skip


class HostKernels(XpBackend):
    """The shared kernels on NumPy, and the draws of the CPU backend: normals have the bits of devices that compile."""

    name = "sim"
    xp = np

    def own_kernels(self) -> Mapping[str, Kernel]:
        from candelabra_cpu.kernels.random import OWN

        return OWN


class SimHandle:
    """A look at memory of a simulated device.

    Attributes:
        memory: the block in use, shared with views.
        shape: sizes of the dims.
        steps: strides in elements.
        offset: of the first element, in elements.
        dtype: of the elements, as NumPy calls it.
    """

    __slots__ = ("dtype", "memory", "offset", "shape", "steps")

    def __init__(self, memory: Memory, shape: Shape, steps: Shape, offset: int, dtype: np.dtype[Any]) -> None:
        self.memory = memory
        self.shape = shape
        self.steps = steps
        self.offset = offset
        self.dtype = dtype

    def reader(self) -> Callable[[], np.ndarray[Any, Any]]:
        """What pending work keeps of the handle: the way to its elements, not its memory."""
        return functools.partial(look, self.memory.block, self.shape, self.steps, self.offset, self.dtype, False)

    def writer(self) -> Callable[[], np.ndarray[Any, Any]]:
        """As `reader`, for work that writes."""
        return functools.partial(look, self.memory.block, self.shape, self.steps, self.offset, self.dtype, True)


class Pinned(bytearray):
    """Bytes of host memory that count as page-locked."""


class SimBackend(Backend):
    """Simulated devices; settings `sim_devices` (2), `sim_memory_bytes` (each; 0 no limit), `sim_seed`, `sim_depth`."""

    name = "sim"
    capabilities = Capabilities(asynchronous=True, streams=True, pinned_memory=True)
    handle_type = SimHandle

    def __init__(self) -> None:
        count, limit = int(setting("sim_devices", "2")), int(setting("sim_memory_bytes", "0"))
        self.scheduler = Scheduler(int(setting("sim_seed", "0")), int(setting("sim_depth", "256")))
        self.faults = Faults()
        self.arenas = [Arena(i, self.scheduler, limit) for i in range(count)]
        self._default_streams = [self.scheduler.new_stream(i) for i in range(count)]
        self._host = HostKernels()

    # -- devices -------------------------------------------------------------------------------------------------

    def devices(self) -> Sequence[str]:
        return [f"simulated device {i}" for i in range(len(self.arenas))]

    def device_properties(self, index: int) -> DeviceProperties:
        return DeviceProperties(
            name=self.devices()[index],
            total_memory=self.arenas[index].limit_bytes,
            multi_processor_count=1,
            major=1,
            vendor="candelabra",
            extra={"guard_bytes": GUARD_BYTES},
        )

    def synchronize(self, index: int) -> None:
        self._alive(index)
        arena = self.arenas[index]
        with self.scheduler.lock:
            arena.collect()
            self.scheduler.finish_streams([s for s in self.scheduler.streams if s.index == index])
            arena.check()

    def module_members(self) -> Mapping[str, Any]:
        return {
            "inject": self.faults.inject,
            "revive": self.faults.revive,
            "schedule": self.scheduler.reset,
            "pending": self.pending,
            "set_memory_limit": self.set_memory_limit,
        }

    def pending(self) -> int:
        """Pieces of work nobody has waited for, on all devices."""
        return self.scheduler.pending

    def set_memory_limit(self, limit_bytes: int, device: Any = None) -> None:
        """Bytes a device may take from the host; 0 for no limit. `device` is a number, a text, a device or the current one."""
        index = device_index("set_memory_limit", device, self.name)
        self.arenas[index].limit_bytes = as_bytes("set_memory_limit", limit_bytes)

    def _alive(self, index: int) -> None:
        if index in self.faults.lost:
            raise DeviceLostError(f'device "sim:{index}": does not answer; its tensors are lost')

    # -- streams and events --------------------------------------------------------------------------------------

    def default_stream(self, index: int) -> Stream:
        return self._default_streams[index]

    def new_stream(self, index: int, priority: int = 0) -> Stream:
        return self.scheduler.new_stream(index, priority)

    def stream_id(self, stream: Stream) -> int:
        return stream.number

    def stream_from_id(self, number: int, index: int) -> Stream:
        if not 0 <= number < len(self.scheduler.streams) or self.scheduler.streams[number].index != index:
            raise BackendError(f"sim: no such stream on device {index}, got {number}")
        return self.scheduler.streams[number]

    def query_stream(self, stream: Stream) -> bool:
        self._alive(stream.index)
        if stream.items:
            self.scheduler.glimpse()
        return not stream.items

    def synchronize_stream(self, stream: Stream) -> None:
        self._alive(stream.index)
        self.scheduler.finish_streams([stream])

    def wait_event(self, stream: Stream, event: Event) -> None:
        if event.item is not None and not event.item.is_done:
            self.scheduler.submit(stream, "wait", after=event.item)

    def new_event(self, index: int, timing: bool = False) -> Event:
        return Event(index)

    def record_event(self, event: Event, stream: Stream) -> None:
        self._alive(stream.index)
        event.item = self.scheduler.submit(stream, "event")

    def query_event(self, event: Event) -> bool:
        if event.item is None:
            return True
        if not event.item.is_done:
            self.scheduler.glimpse()
        return event.item.is_done

    def synchronize_event(self, event: Event) -> None:
        if event.item is not None:
            self._alive(event.index)
            self.scheduler.finish([event.item])

    def elapsed_ms(self, start: Event, end: Event) -> float:
        assert start.item is not None and end.item is not None
        return (end.item.time_s - start.item.time_s) * 1e3

    # -- memory --------------------------------------------------------------------------------------------------

    def allocate(self, shape: Shape, dtype: dtype, index: int) -> SimHandle:
        return self._fresh(tuple(shape), dtype.numpy, index)

    def _fresh(self, shape: Shape, kind: np.dtype[Any], index: int) -> SimHandle:
        self._alive(index)
        if self.faults.strikes("out_of_memory", index):
            raise MemoryError(f"sim:{index}: no room, by order")
        memory = self.arenas[index].allocate(math.prod(shape) * kind.itemsize, self.current_stream(index))
        return SimHandle(memory, shape, contiguous_strides(shape), 0, kind)

    def record_stream(self, handle: SimHandle, stream: Stream) -> None:
        handle.memory.used_on.add(stream)

    def memory_stats(self, index: int) -> Mapping[str, int]:
        arena = self.arenas[index]
        with self.scheduler.lock:
            arena.collect()
            return arena.counter.stats(arena.limit_bytes)

    def reset_peak_memory_stats(self, index: int) -> None:
        self.arenas[index].counter.reset_peak()

    def empty_cache(self, index: int) -> None:
        self.arenas[index].empty_cache()

    def index_of(self, handle: SimHandle) -> int:
        return handle.memory.arena.index

    def data_ptr(self, handle: SimHandle) -> int:
        return handle.memory.block.address + handle.offset * handle.dtype.itemsize

    def storage_nbytes(self, handle: SimHandle) -> int:
        return handle.memory.size_bytes

    # -- copies --------------------------------------------------------------------------------------------------

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> SimHandle:
        return self.from_host_async(np.array(array, order="C"), index)

    def from_host_async(self, array: np.ndarray[Any, Any], index: int) -> SimHandle:
        fresh = self._fresh(array.shape, array.dtype, index)
        self._assign("copy from the host", fresh, lambda: array)
        return fresh

    def to_host(self, handle: SimHandle) -> np.ndarray[Any, Any]:
        host = np.empty(handle.shape, handle.dtype)
        self.scheduler.finish([self._fetch(handle, host)])
        return host

    def to_host_async(self, handle: SimHandle, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        if out is None:
            out = self._pinned(handle.shape, handle.dtype)
        self._fetch(handle, out)
        return out

    def _fetch(self, handle: SimHandle, host: np.ndarray[Any, Any]) -> Item:
        index, read = self.index_of(handle), handle.reader()
        self._alive(index)
        return self.scheduler.submit(self.current_stream(index), "copy to the host", lambda: np.copyto(host, read()))

    def write(self, target: SimHandle, source: SimHandle) -> None:
        self._assign("write", target, source.reader(), source)

    def copy(self, handle: SimHandle) -> SimHandle:
        fresh = self._fresh(handle.shape, handle.dtype, self.index_of(handle))
        self._assign("copy", fresh, handle.reader(), handle)
        return fresh

    def copy_to(self, handle: SimHandle, index: int) -> SimHandle:
        self._alive(self.index_of(handle))
        fresh = self._fresh(handle.shape, handle.dtype, index)
        self._assign("copy between devices", fresh, handle.reader())
        return fresh

    def _assign(self, name: str, target: SimHandle, value: Callable[[], Any], *others: SimHandle) -> None:
        """Work on the target's device that writes `value()` over the target."""
        index = self._one_device(name, (target, *others))
        write = target.writer()
        self.scheduler.submit(self.current_stream(index), name, lambda: np.copyto(write(), value(), casting="no"))

    def pin(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        fresh = self._pinned(array.shape, array.dtype)
        np.copyto(fresh, array)
        return fresh

    def _pinned(self, shape: Shape, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
        size_bytes = math.prod(shape) * kind.itemsize
        return np.ndarray(shape, kind, Pinned(b"\xff" * max(size_bytes, 1)))

    def is_pinned(self, array: np.ndarray[Any, Any]) -> bool:
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        return isinstance(base.obj if isinstance(base, memoryview) else base, Pinned)

    # -- views ---------------------------------------------------------------------------------------------------

    def strides(self, handle: SimHandle) -> Shape:
        return handle.steps

    def view(self, handle: SimHandle, shape: Shape, strides: Shape, offset: int) -> SimHandle:
        found = SimHandle(handle.memory, tuple(shape), tuple(strides), handle.offset + offset, handle.dtype)
        self._check_bounds(found)
        return found

    def _check_bounds(self, handle: SimHandle) -> None:
        """A view beyond its block would read a guard: core asked for something it must not."""
        if 0 in handle.shape:
            return
        steps = [(n - 1) * step for n, step in zip(handle.shape, handle.steps, strict=True)]
        first = handle.offset + sum(s for s in steps if s < 0)
        last = handle.offset + sum(s for s in steps if s > 0)
        if first < 0 or (last + 1) * handle.dtype.itemsize > handle.memory.size_bytes:
            raise BackendError(
                f"sim: a view must stay in its memory, got elements {first} to {last} of {handle.dtype} in "
                f"{handle.memory.size_bytes} bytes"
            )

    def view_kernels(self) -> Mapping[str, Kernel]:
        return {"view_dtype": self.view_dtype}

    def view_dtype(self, handle: SimHandle, dtype: np.dtype[Any]) -> SimHandle:
        """The same memory as elements of another dtype; the last dim grows or shrinks with the item size."""
        old, new = handle.dtype.itemsize, dtype.itemsize
        shape, steps = handle.shape, handle.steps
        if old == new:
            return SimHandle(handle.memory, shape, steps, handle.offset, dtype)
        if handle.offset * old % new:
            raise ShapeError(f"view: memory must hold whole elements, got an offset of {handle.offset} for {dtype}")
        shape = (*shape[:-1], shape[-1] * old // new)
        steps = (*[step * old // new for step in steps[:-1]], 1)
        return SimHandle(handle.memory, shape, steps, handle.offset * old // new, dtype)

    # -- kernels -------------------------------------------------------------------------------------------------

    def kernels(self) -> Mapping[str, Kernel]:
        return self._kernels

    @functools.cached_property
    def _kernels(self) -> dict[str, Kernel]:
        return {
            name: self._launching(ops[name], kernel) for name, kernel in self._host.kernels().items() if name in ops
        }

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = self._host.kernel(op, dtype)
        return None if found is None or op not in ops else self._launching(ops[op], found)

    def _launching(self, op: Op, kernel: Kernel) -> Kernel:
        """A kernel of handles, which gives work to the current stream, from one of arrays."""
        if op.is_factory:
            return lambda *args: self._make(op, kernel, args)
        if op.shape is None or op.name in REFUSE_VALUES:
            return lambda *args: self._run_at_once(op, kernel, args)
        return lambda *args: self._launch(op, kernel, args)

    def _make(self, op: Op, kernel: Kernel, args: tuple[Any, ...]) -> SimHandle:
        *given, kind, index = args
        assert op.shape is not None
        out = self._fresh(tuple(op.shape(*given)), kind.numpy, index)
        self._submit(op, index, lambda: kernel(*args), [out])
        return out

    def _launch(self, op: Op, kernel: Kernel, args: tuple[Any, ...]) -> Any:
        index = self._one_device(op.name, _handles(args))
        described = [_described(value, index) for value in args]
        assert op.shape is not None
        shapes, results = op.shape(*described), op.infer_dtypes(described)[1]
        single = type(results) is not tuple
        pairs = [(shapes, results)] if single else list(zip(shapes, results, strict=True))
        outs = [self._fresh(tuple(shape), found.numpy, index) for shape, found in pairs]
        readers = [_reader(value) for value in args]
        self._submit(op, index, lambda: kernel(*[read() for read in readers]), outs)
        return outs[0] if single else tuple(outs)

    def _run_at_once(self, op: Op, kernel: Kernel, args: tuple[Any, ...]) -> Any:
        """For kernels whose result has a shape, or whose verdict, that only the values tell: waits for both."""
        index = self._one_device(op.name, _handles(args))
        self._alive(index)
        found: list[Any] = []
        errors: list[Exception] = []
        readers = [_reader(value) for value in args]

        def run() -> None:
            try:
                found.append(_run_kernel(kernel, [read() for read in readers]))
            except Exception as error:  # is the caller's, not the stream's
                errors.append(error)

        self.scheduler.finish([self.scheduler.submit(self.current_stream(index), op.name, run)])
        if errors:
            raise errors[0]
        results = op.infer_dtypes([_described(value, index) for value in args])[1]
        if type(results) is tuple:
            return tuple(self._hold(op, r, d, index) for r, d in zip(found[0], results, strict=True))
        return self._hold(op, found[0], results, index)

    def _hold(self, op: Op, result: Any, kind: dtype, index: int) -> SimHandle:
        array = np.array(result, order="C", copy=True)
        out = self._fresh(array.shape, kind.numpy, index)
        self._submit(op, index, lambda: array, [out])
        return out

    def _submit(self, op: Op, index: int, compute: Callable[[], Any], outs: list[SimHandle]) -> None:
        """Gives a kernel to the current stream; its results are written over `outs`."""
        if self.faults.strikes("lost", index):
            self.faults.lost.add(index)
        self._alive(index)
        fails, overruns = self.faults.strikes("kernel", index), self.faults.strikes("overrun", index)
        writers = [out.writer() for out in outs]
        blocks: list[tuple[Block, int]] = [(out.memory.block, out.memory.size_bytes) for out in outs]

        def run() -> None:
            if fails:
                raise BackendError(f"{op.name}: kernel failed on sim:{index}, by order")
            results = _run_kernel(compute, ())
            for result, write in zip(results if type(results) is tuple else (results,), writers, strict=True):
                _store(op, write(), result)
            if overruns:
                block, size_bytes = blocks[0]
                block.raw[GUARD_BYTES + size_bytes] ^= 0xFF

        self.scheduler.submit(self.current_stream(index), op.name, run)

    def _one_device(self, name: str, handles: Sequence[SimHandle]) -> int:
        indices = {self.index_of(handle) for handle in handles}
        if len(indices) != 1:
            raise BackendError(f"{name}: sim needs operands on one device, got devices {sorted(indices)}")
        index = indices.pop()
        self._alive(index)
        return index


def _run_kernel(kernel: Callable[..., Any], args: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return kernel(*args)


def _store(op: Op, target: np.ndarray[Any, Any], result: Any) -> None:
    """Writes a kernel's result; an array of another dtype or shape than the rules said is the kernel's fault."""
    if type(result) is np.ndarray and (result.dtype != target.dtype or result.shape != target.shape):
        raise BackendError(
            f"{op.name}: kernel must give what its rules say, got {result.shape} {result.dtype} for {target.shape} "
            f"{target.dtype}"
        )
    target[...] = result


def _handles(args: tuple[Any, ...]) -> list[SimHandle]:
    flat: list[Any] = []
    for value in args:
        flat.extend(value) if type(value) is list else flat.append(value)
    return [value for value in flat if type(value) is SimHandle]


def _reader(value: Any) -> Callable[[], Any]:
    """The way to an argument's value when the work runs."""
    if type(value) is SimHandle:
        return value.reader()
    if type(value) is list and value and type(value[0]) is SimHandle:
        readers = [v.reader() for v in value]
        return lambda: [read() for read in readers]
    return lambda: value


def _described(value: Any, index: int) -> Any:
    """An argument as shape and dtype rules take it: handles as tensors."""
    if type(value) is SimHandle:
        return make_tensor(value, kind_of(device("sim", index), from_numpy_dtype(value.dtype)))
    return [_described(v, index) for v in value] if type(value) is list else value


__all__ = ["SimBackend", "SimHandle"]
