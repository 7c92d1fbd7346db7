# SPDX-License-Identifier: Apache-2.0
"""What happens when a device has no room, and a device's memory in numbers and in words.

A call that fails for want of memory is tried once more after unreachable tensors were collected and the device's cache was
freed. If that fails too, `OutOfMemoryError` says what was asked for and what the memory is used for; nothing is broken
by it, and the next call that fits works.
"""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from .._errors import CandelabraError, OutOfMemoryError

T = TypeVar("T")

_lock = threading.Lock()
_counts: dict[tuple[str, int, str], int] = {}


def _count(backend: Any, index: int, what: str) -> None:
    with _lock:
        key = (backend.name, index, what)
        _counts[key] = _counts.get(key, 0) + 1


ALLOCATING = {
    "allocate": 2,
    "from_host": 1,
    "from_host_async": 1,
    "copy_to": 1,
    "copy_from": 2,
    "copy": None,
    "pin": -1,
}
"""Members of a backend that take memory, and which argument is the device's index: None where a handle tells, -1 none."""

READING = {"to_host": None, "to_host_async": None, "write": None, "synchronize": 0}
"""Members that wait for a device, and so learn of what went wrong there."""


def guard(backend: Any) -> None:
    """Lets members of a backend that lack memory try again, and its errors say what they mean: once, when it is loaded."""
    for name, place in (ALLOCATING if backend.capabilities.host_memory else {**ALLOCATING, **READING}).items():
        setattr(backend, name, _guarded_member(backend, name, getattr(backend, name), place))


def _guarded_member(backend: Any, name: str, member: Callable[..., Any], place: int | None) -> Callable[..., Any]:
    @functools.wraps(member)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return member(*args, **kwargs)
        except Exception as error:
            if isinstance(error, OutOfMemoryError):
                raise
            if place is None:
                index = backend.index_of(args[0])
            else:
                index = kwargs["index"] if "index" in kwargs else args[place] if place >= 0 else 0
            return recover(name, backend, index, error, lambda: _in_words(args[0]), lambda: member(*args, **kwargs))

    return call


def _in_words(value: Any) -> str:
    """A handle, a host array, a shape or an index."""
    return (
        f"{value}" if isinstance(value, (tuple, int)) else f"shape {tuple(value.shape)} {getattr(value, 'dtype', '')}"
    )


def guarded(what: str, backend: Any, index: int, got: str, call: Callable[..., T], *args: Any) -> T:
    """`call(*args)`, tried again after freeing memory where there was none.

    Args:
        what: name of the op or function, for messages.
        got: what was asked for, in words.

    Raises:
        OutOfMemoryError: there is no room after all; with a summary of the memory.
    """
    try:
        return call(*args)
    except Exception as error:
        return recover(what, backend, index, error, lambda: got, lambda: call(*args))


def recover(what: str, backend: Any, index: int, error: Exception, got: Callable[[], str], again: Callable[[], T]) -> T:
    """The result of a failed call after all, if memory was what it lacked; else raises what its error means."""
    if isinstance(error, OutOfMemoryError):  # all was tried already, by a member the call used
        raise type(error)(f"{what}: {error}") from error.__cause__
    meant = error if isinstance(error, CandelabraError) else backend.translate_error(error, index)
    if not isinstance(meant, MemoryError):
        raise meant from (error if meant is not error else error.__cause__)
    del meant
    error.__traceback__ = None  # its frames hold what the failed call had allocated
    gc.collect()
    backend.empty_cache(index)
    try:
        result = again()
    except Exception as second:
        meant = second if isinstance(second, CandelabraError) else backend.translate_error(second, index)
        if not isinstance(meant, MemoryError):
            raise meant from (second if meant is not second else second.__cause__)
        _raise_out_of_memory(what, backend, index, got(), second)
    _count(backend, index, "retries")
    return result


def _raise_out_of_memory(what: str, backend: Any, index: int, got: str, error: Exception) -> NoReturn:
    _count(backend, index, "out_of_memory")
    place = f"{backend.name}:{index}" if backend.capabilities.indexed else backend.name
    raise OutOfMemoryError(
        f'{what}: device "{place}" has no room, got {got} ({error}); free tensors or use smaller ones\n'
        + memory_summary(backend, index)
    ) from error


# -- numbers ---------------------------------------------------------------------------------------------------------


def read_stats(backend: Any, index: int) -> dict[str, int]:
    """Every statistic of `dispatcher.backend.MEMORY_STATS`, 0 where the backend does not know it, and what else it says."""
    from .backend import MEMORY_STATS

    stats = {**dict.fromkeys(MEMORY_STATS, 0), **backend.memory_stats(index)}
    for what in ("retries", "out_of_memory"):
        stats[what] += _counts.get((backend.name, index, what), 0)
    return stats


_NAMES = {
    "allocated": "allocated_bytes.all.current",
    "allocated_peak": "allocated_bytes.all.peak",
    "allocated_total": "allocated_bytes.all.allocated",
    "freed_total": "allocated_bytes.all.freed",
    "allocations": "allocation.all.current",
    "allocations_peak": "allocation.all.peak",
    "reserved": "reserved_bytes.all.current",
    "reserved_peak": "reserved_bytes.all.peak",
    "segments": "segment.all.current",
    "retries": "num_alloc_retries",
    "out_of_memory": "num_ooms",
}


def named_stats(backend: Any, index: int) -> dict[str, int]:
    """The statistics by PyTorch's names."""
    return dict(sorted((_NAMES.get(name, name), value) for name, value in read_stats(backend, index).items()))


def in_words(size_bytes: int) -> str:
    """A size with a unit: `1.5 MiB`."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def memory_summary(backend: Any, index: int) -> str:
    """A device's memory as a table, one line each for what tensors hold and what was taken from the device."""
    s = read_stats(backend, index)
    name = backend.device_properties(index).name
    lines = [
        f"memory of {backend.name}:{index} ({name})",
        f"{'':12}{'now':>12}{'peak':>12}{'ever':>12}{'freed':>12}",
        f"{'allocated':12}"
        + "".join(f"{in_words(s[k]):>12}" for k in ("allocated", "allocated_peak", "allocated_total", "freed_total")),
        f"{'reserved':12}{in_words(s['reserved']):>12}{in_words(s['reserved_peak']):>12}",
        f"{'cached':12}{in_words(max(0, s['reserved'] - s['allocated'])):>12}",
        f"{'allocations':12}{s['allocations']:>12}{s['allocations_peak']:>12}",
        f"{'segments':12}{s['segments']:>12}",
        f"limit {in_words(s['limit']) if s['limit'] else 'none'}; {s['retries']} succeeded after freeing the cache, "
        f"{s['out_of_memory']} out of memory",
    ]
    return "\n".join(lines)


__all__ = ["guarded", "in_words", "memory_summary", "named_stats", "read_stats", "recover"]
