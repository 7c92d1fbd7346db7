# SPDX-License-Identifier: Apache-2.0
"""How many threads one op may use on the host; backends that have threads listen to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ._config import setting
from ._errors import ArgumentError

MOST = 1024
"""Most threads that may be asked for: a mistyped number would take all that the system has."""

_chosen: int | None = None
_listeners: list[Callable[[int], None]] = []


def get_num_threads() -> int:
    """Number of threads an op may use on the CPU.

    Unless set: `CANDELABRA_NUM_THREADS` or `num_threads` of the config file, else the processor's cores that this
    process may run on, by affinity and by the limits of its control group.

    Example:
        >>> cb.get_num_threads() >= 1
        True
    """
    global _chosen
    if _chosen is None:
        _chosen = _default()
    return _chosen


def set_num_threads(num_threads: int, /) -> None:
    """Sets the number of threads an op may use on the CPU, for the whole process.

    Raises:
        ArgumentError: `num_threads` is not an int from 1 to 1024.

    Example:
        >>> before = cb.get_num_threads()
        >>> cb.set_num_threads(1)
        >>> cb.get_num_threads()
        1
        >>> cb.set_num_threads(before)
    """
    global _chosen
    if type(num_threads) is not int or not 1 <= num_threads <= MOST:
        raise ArgumentError(f"set_num_threads: needs an int from 1 to {MOST}, got {num_threads!r}")
    _chosen = num_threads
    for listener in _listeners:
        listener(num_threads)


def on_change(listener: Callable[[int], None]) -> None:
    """Adds a function to call with each new number."""
    _listeners.append(listener)


def _default() -> int:
    given = setting("num_threads", "")
    if given:
        if not given.strip().isdecimal() or not 1 <= int(given) <= MOST:
            raise ArgumentError(f"CANDELABRA_NUM_THREADS: needs an int from 1 to {MOST}, got {given!r}")
        return int(given)
    return max(1, min(_cores(), _quota(), MOST))


def _cores() -> int:
    """Cores this process may run on; threads of one core share its arithmetic units and count once."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = {_text(Path(f"/sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list")) or str(i) for i in allowed}
    return len(siblings)


def _quota() -> int:
    """Processors that the control group grants, rounded up; many where it sets no limit.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    found = [1 << 20]
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += [_share(*v.split()) for v in _upwards(Path("/sys/fs/cgroup"), path, "cpu.max") if " " in v]
        elif "cpu" in controllers.split(","):
            root = Path("/sys/fs/cgroup/cpu")
            quotas = _upwards(root, path, "cpu.cfs_quota_us")
            found += [_share(*q) for q in zip(quotas, _upwards(root, path, "cpu.cfs_period_us"), strict=False)]
    return min(found)


def _upwards(root: Path, path: str, name: str) -> list[str]:
    """Contents of the files `name` from a group up to the root; a container may see its own group as the root."""
    group = root / path.strip("/")
    return [text for folder in (group, *group.parents) if folder.is_relative_to(root) if (text := _text(folder / name))]


def _share(quota: str, period: str) -> int:
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return 1 << 20  # "max", or -1: no limit
    return max(1, -(-int(quota) // int(period)))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
