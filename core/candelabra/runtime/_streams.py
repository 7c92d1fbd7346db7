# SPDX-License-Identifier: Apache-2.0
"""Streams and events as users hold them: any backend's, by the members of its contract.

    s = candelabra.Stream("cuda")
    with s:
        y = x @ x                  # given to s
    candelabra.cuda.current_stream().wait_stream(s)
    y.sum()                        # begins after the product

On a device whose backend has no streams there is one; all streams are that one, and events are points in its order.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar

from .._device import default_device
from .._device import device as device_type
from .._errors import ArgumentError, CallError, DeviceError
from ..dispatcher._kind import canonical_device
from ..dispatcher._plugins import load_backend

_thread = threading.local()


def _device_of(what: str, device: Any, only: str | None) -> device_type:
    """The device meant: a number counts devices of the type `only`; None is its current one, or the default device."""
    if device is None:
        return canonical_device(only if only is not None else default_device())
    if isinstance(device, int) and not isinstance(device, bool) and only is not None:
        if load_backend(only).capabilities.indexed:
            return canonical_device(device_type(only, device))
        if device != 0:
            raise DeviceError(f'{what}: there is one device of type "{only}", number 0, got {device}')
        return canonical_device(only)
    found = canonical_device(device)
    if only is not None and found.type != only:
        raise DeviceError(f'{what}: device must be of type "{only}", got "{found}"')
    return found


def device_index(what: str, device: Any, type: str) -> int:
    """Number of the device of a backend that an argument means: a number, a text, a device, None for the current one."""
    return _device_of(what, device, type).index or 0


def as_bytes(what: str, size_bytes: Any) -> int:
    """A number of bytes.

    Raises:
        ArgumentError: it is no int, or negative.
    """
    if isinstance(size_bytes, bool) or not isinstance(size_bytes, int) or size_bytes < 0:
        raise ArgumentError(f"{what}: needs a number of bytes, 0 or more, got {size_bytes!r}")
    return size_bytes


def stream_of(what: str, stream: Any) -> Stream:
    """The argument, if it is a stream.

    Raises:
        CallError: it is something else.
    """
    if not isinstance(stream, Stream):
        raise CallError(f"{what}: stream must be a Stream, got {type(stream).__name__}")
    return stream


class Stream:
    """A queue of work on a device; work on one stream runs in order, on different streams in any.

    Args:
        device: where; the default device when None.
        priority: lower is more urgent, on devices that can tell.

    Example:
        >>> s = cb.Stream("cpu")
        >>> with s:
        ...     y = cb.ones(2) + 1
        >>> s.query()
        True
    """

    __slots__ = ("_backend", "_device", "_handle", "_priority")
    _only: ClassVar[str | None] = None

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        found = _device_of("Stream", device, self._only)
        backend = load_backend(found.type)
        self._set(found, backend.new_stream(found.index or 0, priority), priority)

    def _set(self, device: device_type, handle: Any, priority: int = 0) -> None:
        self._device, self._handle, self._priority = device, handle, priority
        self._backend = load_backend(device.type)

    @classmethod
    def _of(cls, device: device_type, handle: Any) -> Stream:
        """The stream of a backend's handle."""
        found = cls.__new__(cls)
        found._set(device, handle)
        return found

    @property
    def device(self) -> device_type:
        """Device whose work it orders."""
        return self._device

    @property
    def device_index(self) -> int:
        """Number of the device."""
        return self._device.index or 0

    @property
    def device_type(self) -> str:
        """Type of the device."""
        return self._device.type

    @property
    def priority(self) -> int:
        """Urgency it was made with; lower is more urgent."""
        return self._priority

    @property
    def stream_id(self) -> int:
        """A number that tells the device's streams apart: the native handle where there is one."""
        return self._backend.stream_id(self._handle)

    cuda_stream = stream_id

    def query(self) -> bool:
        """Whether all work given to it is done."""
        return self._backend.query_stream(self._handle)

    def synchronize(self) -> None:
        """Waits until all work given to it is done."""
        self._backend.synchronize_stream(self._handle)

    def wait_event(self, event: Event) -> None:
        """Lets work given to it from now on begin after the event; the host does not wait."""
        if not isinstance(event, Event):
            raise CallError(f"wait_event: event must be an Event, got {type(event).__name__}")
        if event._handle is None:
            return
        if event._backend is not self._backend:
            event.synchronize()  # no device knows another kind's events: the host waits instead
        else:
            self._backend.wait_event(self._handle, event._handle)

    def wait_stream(self, stream: Stream) -> None:
        """Lets work given to it from now on begin after what `stream` was given so far; the host does not wait."""
        self.wait_event(stream_of("wait_stream", stream).record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """An event that stands for the work given to it so far: the one passed, or a new one."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def _make_current(self) -> None:
        self._backend.set_stream(self.device_index, self._handle)

    def __enter__(self) -> Stream:
        backend, index = self._backend, self.device_index
        entered = _thread.__dict__.setdefault("entered", [])
        entered.append((backend, index, backend.current_stream(index), backend.current_device()))
        backend.set_device(index)
        self._make_current()
        return self

    def __exit__(self, *exc: object) -> None:
        backend, index, stream, device = _thread.entered.pop()
        backend.set_stream(index, stream)
        backend.set_device(device)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return self._device is other._device and (self._handle is other._handle or self._handle == other._handle)

    def __hash__(self) -> int:
        return hash((self._device, self.stream_id))

    def __repr__(self) -> str:
        return f"<candelabra.Stream device={self._device} stream_id={self.stream_id:#x}>"


class Event:
    """A point in a stream's order: others wait for it, and two of them measure time.

    Args:
        enable_timing: whether `elapsed_time` will be asked.
        blocking: accepted for PyTorch's sake; how a device waits is its own affair.
        interprocess: must be False: events are of one process.
        device: where it may be recorded; the stream's device at the first recording when None.

    Raises:
        ArgumentError: `interprocess` is True.

    Example:
        >>> start, end = cb.Event(enable_timing=True), cb.Event(enable_timing=True)
        >>> s = cb.Stream("cpu")
        >>> start.record(s); y = cb.ones(3).exp(); end.record(s)
        >>> start.elapsed_time(end) >= 0
        True
    """

    __slots__ = ("_backend", "_device", "_handle", "enable_timing")
    _only: ClassVar[str | None] = None

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, device: Any = None
    ) -> None:
        if interprocess:
            raise ArgumentError("Event: events are of one process, got interprocess=True")
        self.enable_timing = enable_timing
        self._device: device_type | None = None if device is None else _device_of("Event", device, self._only)
        self._handle: Any = None
        self._backend: Any = None

    @property
    def device(self) -> device_type | None:
        """Device it is recorded on; None before the first recording."""
        return self._device

    def record(self, stream: Stream | None = None) -> None:
        """Lets it stand for what `stream` (the current one when None) was given so far.

        Raises:
            DeviceError: `stream` is of another device than it was made or recorded for.
        """
        stream = _current(self._device, self._only) if stream is None else stream
        stream_of("record", stream)
        if self._device is not None and stream._device is not self._device:
            raise DeviceError(f'record: event is of device "{self._device}", got a stream of "{stream._device}"')
        self._device, self._backend = stream._device, stream._backend
        if self._handle is None:
            self._handle = self._backend.new_event(stream.device_index, self.enable_timing)
        self._backend.record_event(self._handle, stream._handle)

    def wait(self, stream: Stream | None = None) -> None:
        """Lets work given to `stream` (the current one when None) from now on begin after it."""
        stream = _current(self._device, self._only) if stream is None else stream
        stream_of("wait", stream).wait_event(self)

    def query(self) -> bool:
        """Whether the work it stands for is done; True before the first recording."""
        return self._handle is None or self._backend.query_event(self._handle)

    def synchronize(self) -> None:
        """Waits until the work it stands for is done."""
        if self._handle is not None:
            self._backend.synchronize_event(self._handle)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this event and `end_event`.

        Raises:
            ArgumentError: one of them was made without `enable_timing`, was not recorded, or is not done.
        """
        for event in (self, end_event):
            state = (
                "enable_timing=False"
                if not event.enable_timing
                else "one that was never recorded"
                if event._handle is None
                else None
                if event.query()
                else "one that is not done"
            )
            if state is not None:
                raise ArgumentError(
                    f"elapsed_time: both events must be timed, recorded and done, got {state}; synchronize them first"
                )
        return self._backend.elapsed_ms(self._handle, end_event._handle)

    def __repr__(self) -> str:
        return f"<candelabra.Event device={self._device}>"


def _current(device: device_type | None, only: str | None) -> Stream:
    found = _device_of("Event", device, only)
    return Stream._of(found, load_backend(found.type).current_stream(found.index or 0))


class StreamContext:
    """Makes a stream current for a `with` block; does nothing for None."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = None if stream is None else stream_of("stream", stream)

    def __enter__(self) -> Stream | None:
        return None if self.stream is None else self.stream.__enter__()

    def __exit__(self, *exc: object) -> None:
        if self.stream is not None:
            self.stream.__exit__(*exc)


__all__ = ["Event", "Stream", "StreamContext", "as_bytes", "device_index"]
