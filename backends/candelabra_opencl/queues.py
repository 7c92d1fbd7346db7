# SPDX-License-Identifier: Apache-2.0
"""Streams and events: in-order command queues, and markers in them."""

from __future__ import annotations

import itertools
from typing import Any

import pyopencl as cl
from pyopencl import _cl

from .memory import is_done

_numbers = itertools.count(1)


class Queue:
    """A stream.

    Attributes:
        index: of the device.
        queue: PyOpenCL's.
        number: tells streams of the process apart.
        mark: an event for all work so far; None where more was given since; True once the queue was seen to be idle.
    """

    __slots__ = ("__weakref__", "index", "mark", "number", "queue")

    def __init__(self, index: int, context: Any, device: Any) -> None:
        self.index = index
        able = device.queue_properties & cl.command_queue_properties.PROFILING_ENABLE
        self.queue = cl.CommandQueue(context, device, properties=able)
        self.number = next(_numbers)
        self.mark: Any = True

    def touch(self) -> None:
        """Notes that there is more work."""
        self.mark = None

    def marker(self) -> Any:
        """An event for all work given to the queue so far."""
        event = _cl._enqueue_marker_with_wait_list(self.queue)
        self.queue.flush()
        return event

    def finish(self) -> None:
        """Waits until all work is done."""
        self.mark = True
        self.queue.finish()

    @property
    def is_idle(self) -> bool:
        """Whether all work is done."""
        if self.mark is None:
            self.mark = self.marker()
        return self.mark is True or is_done(self.mark)


class Event:
    """An event of core's contract; `event` is PyOpenCL's once recorded."""

    __slots__ = ("event", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.event: Any = None

    def time_ns(self) -> int:
        """When the work before it was done, by the device's clock."""
        return int(self.event.get_profiling_info(cl.profiling_info.END))
