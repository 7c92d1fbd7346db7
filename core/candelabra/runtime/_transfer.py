# SPDX-License-Identifier: Apache-2.0
"""Copies between devices, ordered on both sides.

Between devices of one backend the copy is made in the target's current stream: it begins after the work the source's
current stream was given, that stream's later work (which may overwrite the source) begins after the copy, and the
source's memory is not used anew before. To and from the host a copy is done when the call returns, unless
`non_blocking` is asked for and the memory on the host is pinned.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def move(handle: Any, source: Any, target: Any, non_blocking: bool = False) -> Any:
    """A contiguous copy of a handle of kind `source` on the device of kind `target`."""
    mine, other = source.backend, target.backend
    if mine is other:
        return _to_peer(handle, other, source.index, target.index)
    from_host, to_host = mine.capabilities.host_memory, other.capabilities.host_memory
    if from_host and not to_host and non_blocking and other.is_pinned(handle):
        return other.from_host_async(handle, target.index)
    if not (from_host or to_host):
        direct = other.copy_from(handle, mine, target.index)
        if direct is not None:
            return direct
    host = mine.to_host_async(handle) if non_blocking and to_host else mine.to_host(handle)
    if to_host and not from_host and type(host) is other.handle_type and host.flags.writeable and host.flags.carray:
        return host  # fresh memory nobody else knows; what arrives later arrives there
    return other.from_host(np.ascontiguousarray(host).reshape(host.shape), target.index)


def _to_peer(handle: Any, backend: Any, source: int, target: int) -> Any:
    there = backend.current_stream(target)
    if not backend.capabilities.streams:
        return backend.copy_to(handle, target)
    here = backend.current_stream(source)
    _after(backend, there, here, source)
    fresh = backend.copy_to(handle, target)
    backend.record_stream(handle, there)
    _after(backend, here, there, target)
    return fresh


def _after(backend: Any, later: Any, earlier: Any, index: int) -> None:
    """Lets work given to `later` from now on begin after what `earlier`, of device `index`, was given so far."""
    event = backend.new_event(index)
    backend.record_event(event, earlier)
    backend.wait_event(later, event)


__all__ = ["move"]
