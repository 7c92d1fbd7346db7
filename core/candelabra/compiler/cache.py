# SPDX-License-Identifier: Apache-2.0
"""What compilers made, kept on disk between processes: bytes by key.

Entries are files of one folder: `CANDELABRA_CACHE`, else `cache` of the config file, else `candelabra/kernels` in the XDG
cache folder; "off" keeps nothing. Keys must say all that the bytes depend on: source, options, compiler and device.

Any number of processes and threads may share a folder. An entry is written to a file of its own and moved into place, so a
reader sees all of it or nothing; a checksum over key and bytes finds what was cut short or overwritten, and such an entry
is removed and counts as missing. A folder that cannot be written to costs one warning. As entries may hold machine code, a folder that
belongs to somebody else, or that everybody may write to, is not used.

Past `CANDELABRA_CACHE_SIZE` megabytes (512 unless set) the entries not used for longest go.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
import threading
import time
import warnings
from pathlib import Path

from .._config import setting
from .._errors import ArgumentError

_MAGIC = b"cbcache1"
_HEADER = len(_MAGIC) + 32
_SUFFIX = ".entry"
_KEEP = 0.8  # what trimming leaves of the limit, so that the next entry does not trim again
_FRESH_S = 3600.0  # uses are noted at most this often, and unfinished files of this age have no writer any more

_lock = threading.Lock()
_state = {"written": 0, "warned": False}


def folder() -> Path | None:
    """Where entries are; None when caching is off."""
    given = setting("cache", "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "candelabra" / "kernels"


def limit_bytes() -> int:
    """The most that entries may take together.

    Raises:
        ArgumentError: `CANDELABRA_CACHE_SIZE` is not a number of megabytes.
    """
    given = setting("cache_size", "512")
    try:
        return int(float(given) * 2**20)
    except (ValueError, OverflowError):
        raise ArgumentError(f"CANDELABRA_CACHE_SIZE: needs a number of megabytes, got {given!r}") from None


def get(key: str) -> bytes | None:
    """The bytes kept under a key; None where there are none, or they were damaged."""
    place = _place(key)
    if place is None:
        return None
    try:
        with open(place, "rb") as file:
            found = file.read()
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    data = found[_HEADER:]
    if found[:_HEADER] != _MAGIC + _checksum(key, data):
        with contextlib.suppress(OSError):
            place.unlink()
        return None
    if age > _FRESH_S:
        with contextlib.suppress(OSError):
            os.utime(place)
    return data


def put(key: str, data: bytes) -> None:
    """Keeps bytes under a key; a folder that takes nothing costs one warning."""
    place = _place(key, create=True)
    if place is None:
        return
    try:
        _write(place, _MAGIC + _checksum(key, data) + data)
    except OSError as error:
        _warn(place.parent, str(error))
        return
    _written(place.parent, _HEADER + len(data))


def clear() -> int:
    """Removes all entries; the number removed. Other files of the folder stay."""
    root = folder()
    removed = 0
    for path, info in _entries(root) if root else ():
        if path.suffix == _SUFFIX or _abandoned(info):
            with contextlib.suppress(OSError):
                path.unlink()
                removed += path.suffix == _SUFFIX
    return removed


def size_bytes() -> int:
    """What all entries take together."""
    root = folder()
    return sum(info.st_size for _, info in _entries(root)) if root else 0


def _checksum(key: str, data: bytes) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(b"\0")
    digest.update(data)
    return digest.digest()


def _place(key: str, create: bool = False) -> Path | None:
    root = folder()
    if root is None or not _usable(root, create):
        return None
    return root / (hashlib.sha256(key.encode()).hexdigest() + _SUFFIX)


@functools.lru_cache(maxsize=64)
def _trusted(root: str) -> str:
    """Empty where the folder is safe to take machine code from, else what is wrong with it."""
    info = os.stat(root)
    if not stat.S_ISDIR(info.st_mode):
        return "it is no folder"
    if not hasattr(os, "getuid"):
        return ""
    if info.st_uid not in (os.getuid(), 0):
        return f"it belongs to user {info.st_uid}"
    return "everybody may write to it" if info.st_mode & stat.S_IWOTH else ""


def _usable(root: Path, create: bool) -> bool:
    try:
        fault = _trusted(str(root))
    except OSError:
        if not create:
            return False
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            fault = _trusted(str(root))
        except OSError as error:
            fault = str(error)
    if fault:
        _warn(root, fault)
    return not fault


def _warn(root: Path, fault: str) -> None:
    with _lock:
        if _state["warned"]:
            return
        _state["warned"] = True
    warnings.warn(
        f"kernel cache: needs a folder of your own that can be written to, got {root}: {fault}; kernels will be compiled "
        "again in each process; set CANDELABRA_CACHE to another folder, or to off",
        RuntimeWarning,
        stacklevel=4,
    )


def _write(place: Path, data: bytes) -> None:
    try:
        handle, name = tempfile.mkstemp(prefix="new-", suffix=".part", dir=place.parent)
    except FileNotFoundError:  # the folder was removed since it was looked at
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="new-", suffix=".part", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, place)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _entries(root: Path) -> list[tuple[Path, os.stat_result]]:
    """Entries and unfinished files; those that vanish meanwhile are left out."""
    found = []
    with contextlib.suppress(OSError), os.scandir(root) as listing:
        for item in listing:
            if item.name.endswith((_SUFFIX, ".part")):
                with contextlib.suppress(OSError):
                    found.append((Path(item.path), item.stat()))
    return found


def _abandoned(info: os.stat_result) -> bool:
    """True for unfinished files that no living writer can be at."""
    return time.time() - info.st_mtime > _FRESH_S


def _written(root: Path, size: int) -> None:
    """Trims at the first entry a process writes, and whenever it has written a sixteenth of the limit since."""
    limit = limit_bytes()
    with _lock:
        first = _state["written"] == 0
        _state["written"] += size
        if not first and _state["written"] < limit // 16:
            return
        _state["written"] = 1
    trim(root, limit)


def trim(root: Path, limit: int) -> None:
    """Removes what nobody finished, and the entries not used for longest until the rest is well below the limit."""
    entries = []
    for path, info in _entries(root):
        if path.suffix == _SUFFIX:
            entries.append((info.st_mtime, info.st_size, path))
        elif _abandoned(info):
            with contextlib.suppress(OSError):
                path.unlink()
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in sorted(entries):
        if total <= limit * _KEEP:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
