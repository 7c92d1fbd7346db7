# SPDX-License-Identifier: Apache-2.0
"""Streams and events, as CuPy has them. The default stream is CUDA's own; others run beside it."""

from __future__ import annotations

from typing import Any

from cupy.cuda import Event as NativeEvent
from cupy.cuda import Stream as NativeStream
from cupy.cuda import get_elapsed_time


class Stream:
    """A stream of a device.

    Attributes:
        index: of the device.
        native: CuPy's.
        address: CUDA's handle; 0 for the default stream.
        spare: where the native stream goes when nobody looks at this one any more. A destroyed stream's handle may be given
            to a new one while its work is under way, and memory freed for that handle would then be used too early.
    """

    __slots__ = ("address", "index", "native", "spare")

    def __init__(self, index: int, native: Any, spare: list[Any] | None = None) -> None:
        self.index = index
        self.native = native
        self.address: int = native.ptr
        self.spare = spare

    def __del__(self) -> None:
        spare = getattr(self, "spare", None)
        if spare is not None:
            spare.append(self.native)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.index, self.address) == (other.index, other.address)

    def __hash__(self) -> int:
        return hash((self.index, self.address))

    def marker(self) -> Any:
        """An event of CuPy's for all work given to the stream so far."""
        event = NativeEvent(disable_timing=True)
        event.record(self.native)
        return event


class Foreign:
    """A stream that other software made, by CUDA's handle, as CuPy takes streams of others."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.address


class Event:
    """An event of core's contract; `native` is CuPy's once recorded."""

    __slots__ = ("index", "native", "timing")

    def __init__(self, index: int, timing: bool) -> None:
        self.index = index
        self.timing = timing
        self.native: Any = None

    def record(self, stream: Stream) -> None:
        """Lets it stand for what the stream was given so far."""
        if self.native is None:
            self.native = NativeEvent(disable_timing=not self.timing)
        self.native.record(stream.native)


__all__ = ["Event", "Foreign", "NativeStream", "Stream", "get_elapsed_time"]
