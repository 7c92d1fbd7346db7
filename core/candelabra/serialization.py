# SPDX-License-Identifier: Apache-2.0
"""Saving and loading of tensors in containers, in a format that cannot hold code.

A file is a zip archive without compression:

    candelabra.json   {"format": "candelabra", "version": 1, "tensors": [...], "tree": ...}
    data/0, data/1    one entry for each storage: its elements, little-endian, aligned to 64 bytes

The tree is JSON: numbers, strings, booleans and null stand for themselves, everything else is an object with one key
that names it (`{"list": [...]}`, `{"tensor": 3}`). A tensor is a row of the table: class, dtype, device, shape,
strides and offset in its storage. A reader checks all of it, and the checksums of the archive, before it makes the
first tensor.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import io
import itertools
import json
import math
import os
import stat
import sys
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ._device import device as device_type
from ._dtype import dtype as dtype_type
from ._dtype import dtype_named
from ._errors import BackendError, CandelabraError, SerializationError
from ._shape import Size, contiguous_strides
from .dispatcher._kind import canonical_device, kind_of
from .tensor._creation import with_class
from .tensor._node import LeafNode
from .tensor._storage import Storage
from .tensor._tensor import Tensor

__all__ = ["load", "save"]

HEADER = "candelabra.json"
VERSION = 1
ALIGNMENT = 64
MAX_HEADER_BYTES = 32 << 20
"""Largest description: lists of numbers longer than this belong into a tensor."""
MAX_STORAGES = 100_000
"""Most pieces of memory in a file."""
MAX_DIRECTORY_BYTES = 16 << 20
"""Largest list of a file's entries: room for `MAX_STORAGES` of them."""
MAX_DEPTH = 100
"""Deepest nesting of containers."""
MAX_DIMS = 64


# -- saving ----------------------------------------------------------------------------------------------------------


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO) -> None:
    """Writes tensors, and containers and plain values around them, to a file.

    A path is written next to its place and moved there when complete: whatever happens, the file that was there before
    survives until then; where the file system has files without names, a killed process leaves no other. Tensors that share memory still do after loading.

    Args:
        obj: tensors, parameters, dicts, lists, tuples, sets, numbers, strings, bytes, None, dtypes, devices and sizes.
        f: a path, or a binary file open for writing.

    Raises:
        SerializationError: something else is in `obj`, it contains itself, or it is nested too deeply.
        OSError: the file cannot be written; nothing is left of it.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> cb.serialization.save({"weight": cb.ones(2), "step": 3}, file)
        >>> cb.serialization.load(file)
        {'weight': tensor([1., 1.]), 'step': 3}
    """
    document = _Writer().document(obj)
    if isinstance(f, (str, os.PathLike)):
        _replace(os.fspath(f), document.write)
    elif hasattr(f, "write"):
        document.write(f)
    else:
        raise SerializationError(f"save: f must be a path or a binary file, got {type(f).__name__}")


def _replace(path: str, write: Callable[[BinaryIO], None]) -> None:
    """Puts a file filled by `write` in the place of `path`, which is as before when that fails."""
    path = os.path.realpath(path)  # a link stays a link
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = 0
    if mode and not stat.S_ISREG(mode):  # a pipe or a device cannot be replaced, nor does it know its place
        content = io.BytesIO()
        write(content)
        with open(path, "wb") as file:
            file.write(content.getbuffer())
        return
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    try:
        if not _write_unnamed(temporary, mode, write):
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                _complete(file, mode, write)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # not every file system can sync a folder
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write_unnamed(name: str, mode: int, write: Callable[[BinaryIO], None]) -> bool:
    """Writes a file that gets its name once it is complete: a process killed on the way leaves nothing behind.

    Returns:
        False, and no file, where the system or the file system has no files without names.
    """
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        descriptor = os.open(os.path.dirname(name), os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError:
        return False
    with open(descriptor, "wb") as file:
        _complete(file, mode, write)
        try:  # given a descriptor to start from, Python calls linkat, which follows the link in /proc
            os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=descriptor, follow_symlinks=True)
        except OSError:
            return False
    return True


def _complete(file: BinaryIO, mode: int, write: Callable[[BinaryIO], None]) -> None:
    """Fills a file and waits until the disk has it; `mode` is that of the file to be replaced, 0 for none."""
    write(file)
    file.flush()
    os.fsync(file.fileno())
    if mode:
        os.fchmod(file.fileno(), stat.S_IMODE(mode))


@dataclass
class _Document:
    """What goes into a file: the description and the storages' elements."""

    header: bytes
    storages: list[np.ndarray[Any, Any]]

    def write(self, file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry(HEADER), self.header)
            for number, array in enumerate(self.storages):
                info = _entry(f"data/{number}")
                start = file.tell() if file.seekable() else 0
                # 30 bytes of fixed header and the name come before the extra field, its own header takes 4 bytes more;
                # the archive adds 20 for the sizes of entries past 2 GiB.
                large = array.nbytes * 1.05 > zipfile.ZIP64_LIMIT  # as zipfile itself decides
                used = start + 30 + len(info.filename) + 4 + (20 if large else 0)
                padding = -used % ALIGNMENT
                info.extra = b"\xfb\xcb" + padding.to_bytes(2, "little") + bytes(padding)
                info.file_size = array.nbytes
                with archive.open(info, "w", force_zip64=large) as entry:
                    entry.write(_little_endian(array).data)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a time of day, so that equal objects give equal files."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _little_endian(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements as bytes, least significant first; the same function leads back."""
    flat = np.ascontiguousarray(array).reshape(-1)
    unit = flat.itemsize // 2 if flat.dtype.kind == "c" else flat.itemsize
    raw = flat.view(np.uint8)
    return raw if sys.byteorder == "little" or unit == 1 else raw.reshape(-1, unit)[:, ::-1].reshape(-1).copy()


class _Writer:
    """Turns an object into a document: numbers its tensors, and cuts their storages to what they show."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.numbers: dict[int, int] = {}
        self.inside: set[int] = set()

    def document(self, obj: Any) -> _Document:
        tree = self._encode(obj, "obj", 0)
        table, storages = self._table()
        content = {"format": "candelabra", "version": VERSION, "tensors": table, "tree": tree}
        header = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        if len(header) > MAX_HEADER_BYTES:
            raise SerializationError(
                f"save: description must not be larger than {MAX_HEADER_BYTES} bytes, got {len(header)}; put long "
                "lists of numbers into a tensor"
            )
        if len(storages) > MAX_STORAGES:
            raise SerializationError(f"save: takes {MAX_STORAGES} pieces of memory at most, got {len(storages)}")
        return _Document(header, storages)

    def _encode(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if abs(value) < 1 << 63 else {"int": hex(value)}
        if kind is str:
            return _valid_text(value, path)
        if kind is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, Tensor):
            return {"tensor": self._number(value, path)}
        if kind is complex:
            return {"complex": [repr(value.real), repr(value.imag)]}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if kind is dtype_type:
            return {"dtype": value.name}
        if kind is device_type:
            return {"device": str(value)}
        if kind is Size:
            return {"size": list(value)}
        if kind not in _NAMES:
            raise SerializationError(f"save: cannot store {_qualified(kind)}, got one at {path}; {_advice(value)}")
        if depth >= MAX_DEPTH:
            raise SerializationError(f"save: containers must not nest deeper than {MAX_DEPTH}, got {path[:80]}...")
        if id(value) in self.inside:
            raise SerializationError(f"save: an object must not contain itself, got a loop at {path}")
        self.inside.add(id(value))
        if kind in (dict, OrderedDict):
            items: list[Any] = []
            for key, item in value.items():
                if not _is_key(key):
                    shown = f"{key!r} of type {_qualified(type(key))}"
                    raise SerializationError(
                        f"save: keys must be strings, numbers, None or tuples, got {shown} at {path}"
                    )
                items.append([self._encode(key, path, depth), self._encode(item, f"{path}[{key!r}]", depth + 1)])
        else:
            items = [self._encode(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
        self.inside.remove(id(value))
        return {_NAMES[kind]: items}

    def _number(self, tensor: Tensor, path: str) -> int:
        """Number of a tensor in the table; one met before keeps its number."""
        known = self.numbers.get(id(tensor))
        if known is not None:
            return known
        if type(tensor) not in _classes().values():
            raise SerializationError(f"save: cannot store {_qualified(type(tensor))}, got one at {path}; use .detach()")
        if tensor.is_meta:
            raise SerializationError(f"save: tensors on the meta device have no values, got one at {path}")
        self.numbers[id(tensor)] = len(self.tensors)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def _table(self) -> tuple[list[Any], list[np.ndarray[Any, Any]]]:
        groups: dict[Any, list[Tensor]] = {}
        for tensor in self.tensors:
            handle = tensor._array if tensor._storage is None else tensor._storage._handle
            place = tensor._kind.backend.data_ptr(handle) or id(handle)
            groups.setdefault((tensor._kind, place), []).append(tensor)
        storages: list[np.ndarray[Any, Any]] = []
        rows: dict[int, Any] = {}
        names = {cls: name for name, cls in _classes().items()}
        for group in groups.values():
            for tensor, (storage, offset, strides) in zip(group, _layout(group, storages), strict=True):
                rows[id(tensor)] = {
                    "class": names[type(tensor)],
                    "dtype": tensor.dtype.name,
                    "device": str(tensor.device),
                    "shape": list(tensor.shape),
                    "strides": list(strides),
                    "offset": offset,
                    "storage": storage,
                    "requires_grad": tensor.requires_grad,
                    "persistent": getattr(tensor, "persistent", True),
                }
        return [rows[id(tensor)] for tensor in self.tensors], storages


def _layout(group: list[Tensor], storages: list[np.ndarray[Any, Any]]) -> list[tuple[int, int, tuple[int, ...]]]:
    """(storage, offset, strides) of each tensor of a group on one memory; adds what they show to `storages`.

    A tensor alone becomes contiguous, unless its elements overlap. Tensors that share memory share the span from the
    first element of all to the last, where the backend can tell their places.
    """
    backend = group[0]._kind.backend
    places: list[tuple[int, int, tuple[int, ...]]] = []
    itemsize = group[0].element_size()
    addresses = [backend.data_ptr(t._array) for t in group]
    shown = [address for address, t in zip(addresses, group, strict=True) if t.numel()]
    first = min(shown, default=0)
    overlaps = any(t.numel() and _extent(tuple(t.shape), t.stride()) < t.numel() for t in group)
    related = all(shown) and all((address - first) % itemsize == 0 for address in shown)
    if (len(group) > 1 or overlaps) and related and shown:
        offsets = [(a - first) // itemsize if t.numel() else 0 for a, t in zip(addresses, group, strict=True)]
        span = max(o + _extent(tuple(t.shape), t.stride()) for o, t in zip(offsets, group, strict=True) if t.numel())
        start = group[addresses.index(first)]
        storages.append(backend.to_host(backend.view(start._array, (span,), (1,), 0)))
        return [(len(storages) - 1, o, t.stride()) for o, t in zip(offsets, group, strict=True)]
    known: dict[int, int] = {}  # tensors on one handle, such as a parameter and its data, still share
    for tensor in group:
        number = known.setdefault(id(tensor._array), len(storages))
        if number == len(storages):
            storages.append(tensor._host())
        places.append((number, 0, contiguous_strides(tuple(tensor.shape))))
    return places


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements from a tensor's first to its last, in memory; 0 when it has none."""
    return 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def _valid_text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise SerializationError(f"save: strings must be valid Unicode, got a lone surrogate at {path}") from error
    return value


_NAMES: dict[type, str] = {
    dict: "dict",
    OrderedDict: "ordered_dict",
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
}


def _qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _advice(value: Any) -> str:
    if hasattr(value, "state_dict"):
        return "save its state_dict()"
    if isinstance(value, (np.ndarray, np.generic)):
        return "make it a tensor or a Python number first"
    if isinstance(value, (dict, list, tuple)):
        return "make it a plain dict, list or tuple first"
    return "only tensors, containers, numbers, strings, bytes, dtypes and devices can be stored"


def _is_key(key: Any) -> bool:
    """Whether a dict key or an element of a set can be stored."""
    if type(key) in (tuple, frozenset):
        return all(_is_key(part) for part in key)
    return key is None or type(key) in (str, int, float, bool, complex, bytes, dtype_type, device_type, Size)


def _classes() -> dict[str, type[Tensor]]:
    """Classes of tensors that can be stored, by the name they have in a file."""
    from .nn._parameter import Buffer, Parameter

    return {"Tensor": Tensor, "Parameter": Parameter, "Buffer": Buffer}


# -- loading ---------------------------------------------------------------------------------------------------------

Location = str | device_type | dict[str, Any] | Callable[[Storage, str], Any] | None


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: Location = None,
    *,
    weights_only: bool = True,
    mmap: bool = False,
) -> Any:
    """Reads what `save` wrote. Everything is checked before the first tensor is made; no code is ever run.

    Args:
        f: a path, or a binary file.
        map_location: where tensors go: a device for all, a dict from saved to new devices, or a function of (storage on
            the host, saved device) that returns a device, a storage on one, or None for the saved device.
        weights_only: accepted for PyTorch's sake; the format holds nothing else.
        mmap: map the file into memory and read elements when they are used, on devices with host memory; `f` must be
            a path, and the elements' checksums are not looked at. Writes do not reach the file.

    Returns:
        The saved object, with the same sharing of memory between tensors.

    Raises:
        SerializationError: the file is damaged, hostile or of another kind, or a device it names is not there.
        OSError: the file cannot be read.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> cb.serialization.save([cb.arange(3), ("a", None)], file)
        >>> cb.serialization.load(file)
        [tensor([0, 1, 2]), ('a', None)]
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _Reader(file, os.fspath(f) if mmap else None).load(map_location)
    if mmap:
        raise SerializationError(f"load: mmap=True needs a path, got {type(f).__name__}")
    if not hasattr(f, "read"):
        raise SerializationError(f"load: f must be a path or a binary file, got {type(f).__name__}")
    if not (hasattr(f, "seekable") and f.seekable()):
        f = io.BytesIO(f.read())
    return _Reader(f, None).load(map_location)


@contextlib.contextmanager
def _damage(what: str) -> Iterator[None]:
    """Any way in which taking a broken file apart can fail, as one error; errors of the disk stay what they are."""
    try:
        yield
    except (SerializationError, BackendError):  # an error of ours already, or a device without room
        raise
    except OSError as error:
        if error.errno is not None and error.errno != errno.EINVAL:  # a seek to nowhere is the file's fault
            raise
        raise SerializationError(f"load: {what} cannot be read, got {error}") from error
    except Exception as error:
        raise SerializationError(f"load: {what} cannot be read, got {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Row:
    """One tensor of the table, checked."""

    cls: type[Tensor]
    dtype: dtype_type
    device: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage: int
    requires_grad: bool
    persistent: bool


class _Reader:
    """Takes a file apart: the archive, the description, the table, the tree, and then the elements."""

    def __init__(self, file: BinaryIO, mapped_path: str | None) -> None:
        self.file = file
        self.mapped_path = mapped_path
        with _damage("the file"):
            self.size = file.seek(0, io.SEEK_END)
            self.entries = self._read_directory()

    def load(self, map_location: Location) -> Any:
        with _damage(HEADER):
            document = self._read_document()
            rows = self._check_table(document["tensors"])
            placeholders = [object()] * len(rows)
            _decode(document["tree"], placeholders, 0)
        kinds = self._check_storages(rows)
        with _damage("data"):
            arrays = [self._read_storage(number, kinds[number].numpy) for number in range(len(kinds))]
        return _decode(document["tree"], _build(rows, arrays, map_location), 0)

    # -- the archive

    def _bytes(self, start: int, length: int) -> bytes:
        if start < 0 or length < 0 or start + length > self.size:
            raise SerializationError(
                f"load: file ends too early, got {self.size} bytes where {start + length} are needed; it may be cut off"
            )
        self.file.seek(start)
        found = self.file.read(length)
        if len(found) != length:
            raise SerializationError(f"load: file ends too early, got {len(found)} of {length} bytes at {start}")
        return found

    def _read_directory(self) -> dict[str, tuple[int, int, int]]:
        """(first byte, size, checksum) of each entry, none of which overlap."""
        self._check_kind()
        with zipfile.ZipFile(self.file) as archive:
            infos = archive.infolist()
            end = archive.start_dir
        entries: dict[str, tuple[int, int, int]] = {}
        ranges = []
        numbers = {f"data/{i}" for i in range(len(infos) - 1)}
        for info in infos:
            name = info.filename
            if name == "data.pkl" or name.endswith("/data.pkl"):
                raise SerializationError(
                    "load: not a candelabra file, got a zip archive with a pickle, as PyTorch writes; pickles can run "
                    "code and are not read"
                )
            if name != HEADER and name not in numbers:
                raise SerializationError(f"load: unexpected entry, got {name[:80]!r} in an archive of {len(infos)}")
            if name in entries:
                raise SerializationError(f"load: entries must have different names, got {name!r} twice")
            if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                raise SerializationError(f"load: entries must be stored without compression, got {name!r} compressed")
            if info.flag_bits & ~0x0808:
                raise SerializationError(f"load: entries must be plain, got flags {info.flag_bits:#x} for {name!r}")
            local = self._bytes(info.header_offset, 30)
            name_length, extra_length = int.from_bytes(local[26:28], "little"), int.from_bytes(local[28:30], "little")
            if (
                local[:4] != b"PK\3\4"
                or self._bytes(info.header_offset + 30, name_length) != info.orig_filename.encode()
            ):
                raise SerializationError(f"load: directory and entry must agree, got another header for {name!r}")
            start = info.header_offset + 30 + name_length + extra_length
            if start + info.file_size > end:
                raise SerializationError(
                    f"load: entries must lie within the file, got {name!r} of {info.file_size} bytes at {start}, and "
                    f"{end} bytes of entries"
                )
            ranges.append((info.header_offset, start + info.file_size, name))
            entries[name] = (start, info.file_size, info.CRC)
        ranges.sort()
        for (_, stop, one), (begin, _, other) in itertools.pairwise(ranges):
            if begin < stop:
                raise SerializationError(f"load: entries must not overlap, got {one!r} and {other!r}")
        if HEADER not in entries:
            raise SerializationError(f"load: not a candelabra file, got an archive without {HEADER!r}")
        return entries

    def _check_kind(self) -> None:
        """Refuses what is no archive, and directories so large that listing them would be the attack."""
        head = self._bytes(0, min(self.size, 16))
        tail = self._bytes(max(0, self.size - (1 << 16) - 22), min(self.size, (1 << 16) + 22))
        found = tail.rfind(b"PK\5\6")
        if found < 0:
            kind = "a pickle, which can run code and is not read" if head[:1] == b"\x80" else f"first bytes {head!r}"
            cut = "a candelabra file that is cut off" if head[:4] == b"PK\3\4" else kind
            raise SerializationError(f"load: not a complete candelabra file, got {cut}")
        size = int.from_bytes(tail[found + 12 : found + 16], "little")
        wide = tail.rfind(b"PK\6\6", 0, found)
        if size == 0xFFFFFFFF and wide >= 0:
            size = int.from_bytes(tail[wide + 40 : wide + 48], "little")
        if size > MAX_DIRECTORY_BYTES:
            raise SerializationError(
                f"load: directory of the archive must not be larger than {MAX_DIRECTORY_BYTES} bytes, got {size}"
            )

    def _checked(self, name: str) -> bytes:
        start, size, checksum = self.entries[name]
        found = self._bytes(start, size)
        if zlib.crc32(found) != checksum:
            raise SerializationError(f"load: checksum of {name!r} is wrong, got a damaged file")
        return found

    # -- the description

    def _read_document(self) -> dict[str, Any]:
        size = self.entries[HEADER][1]
        if size > MAX_HEADER_BYTES:
            raise SerializationError(f"load: {HEADER!r} must not be larger than {MAX_HEADER_BYTES} bytes, got {size}")
        document = json.loads(self._checked(HEADER).decode(), parse_constant=_refuse_constant)
        if not isinstance(document, dict) or document.get("format") != "candelabra":
            raise SerializationError(f"load: not a candelabra file, got another description in {HEADER!r}")
        if document.get("version") != VERSION:
            raise SerializationError(
                f"load: reads version {VERSION} of the format, got version {document.get('version')!r}; a newer "
                "candelabra may read it"
            )
        if set(document) != {"format", "version", "tensors", "tree"} or not isinstance(document["tensors"], list):
            raise SerializationError(f"load: {HEADER!r} must hold a table and a tree, got {sorted(document)}")
        return document

    def _check_table(self, table: list[Any]) -> list[_Row]:
        classes = _classes()
        rows = []
        for number, row in enumerate(table):
            if not isinstance(row, dict) or set(row) != _FIELDS:
                raise SerializationError(
                    f"load: tensor {number} must have the fields {sorted(_FIELDS)}, got {row!r:.200}"
                )
            shape, strides, offset, storage = row["shape"], row["strides"], row["offset"], row["storage"]
            if not (_are_counts(shape) and _are_counts(strides) and len(shape) == len(strides) <= MAX_DIMS):
                raise SerializationError(
                    f"load: tensor {number} must have a shape and as many strides, got {shape!r:.80}, {strides!r:.80}"
                )
            if not _are_counts([offset, storage]) or f"data/{storage}" not in self.entries:
                raise SerializationError(
                    f"load: tensor {number} must lie in a storage, got storage={storage!r:.40}, offset={offset!r:.40}"
                )
            flags = type(row["requires_grad"]), type(row["persistent"])
            if row["class"] not in classes or flags != (bool, bool):
                raise SerializationError(f"load: tensor {number} must be a known class, got {row['class']!r:.80}")
            found = dtype_named(row["dtype"]) if isinstance(row["dtype"], str) else None
            if found is None or (row["requires_grad"] and found.category < 2):
                raise SerializationError(f"load: tensor {number} must have a dtype that fits, got {row['dtype']!r:.80}")
            device = str(device_type(row["device"]))
            held = self.entries[f"data/{storage}"][1]
            if math.prod(size for size in shape if size) * found.itemsize >= 1 << 62:
                raise SerializationError(f"load: tensor {number} must have a possible size, got shape {tuple(shape)}")
            if (offset + _extent(tuple(shape), tuple(strides))) * found.itemsize > held:
                raise SerializationError(
                    f"load: tensor {number} must lie within its storage of {held} bytes, got shape {tuple(shape)}, "
                    f"strides {tuple(strides)}, offset {offset} of {found.name}"
                )
            rows.append(
                _Row(
                    classes[row["class"]], found, device, tuple(shape), tuple(strides), offset, storage,
                    row["requires_grad"], row["persistent"],
                )
            )  # fmt: skip
        return rows

    def _check_storages(self, rows: list[_Row]) -> list[dtype_type]:
        """The dtype of each storage; each must be used, in one dtype and for one device, and hold whole elements."""
        used: dict[int, _Row] = {}
        for row in rows:
            other = used.setdefault(row.storage, row)
            if other.dtype is not row.dtype or other.device != row.device:
                raise SerializationError(
                    f"load: a storage must have one dtype and device, got {row.dtype.name} on {row.device} and "
                    f"{other.dtype.name} on {other.device} for storage {row.storage}"
                )
        count = len(self.entries) - 1
        if len(used) != count:
            raise SerializationError(f"load: every storage must be used, got {count} of them and {len(used)} in use")
        for number, row in used.items():
            size = self.entries[f"data/{number}"][1]
            if size % row.dtype.itemsize:
                raise SerializationError(
                    f"load: storage {number} must hold whole elements, got {size} bytes of {row.dtype.name}"
                )
        return [used[number].dtype for number in range(count)]

    # -- the elements

    def _read_storage(self, number: int, numpy_dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """A storage's elements in one dim; their checksum is right, or not looked at when the file is mapped."""
        name = f"data/{number}"
        start, size, checksum = self.entries[name]
        if self.mapped_path is not None and size and start % numpy_dtype.itemsize == 0 and sys.byteorder == "little":
            raw: np.ndarray[Any, Any] = np.asarray(np.memmap(self.mapped_path, np.uint8, "c", start, (size,)))
        else:
            raw = np.empty(size, np.uint8)
            self.file.seek(start)
            view, position = raw.data, 0
            while position < size:  # in pieces, as some files read less than asked
                piece = self.file.read(min(size - position, 1 << 24))
                if not piece:
                    raise SerializationError(f"load: file ends too early, got {position} of {size} bytes of {name!r}")
                view[position : position + len(piece)] = piece
                position += len(piece)
            if zlib.crc32(view) != checksum:
                raise SerializationError(f"load: checksum of {name!r} is wrong, got a damaged file")
            if sys.byteorder != "little":
                raw = _little_endian(raw.view(numpy_dtype))
        array = raw.view(numpy_dtype)
        if numpy_dtype.kind == "b" and size and int(raw.max()) > 1:
            raise SerializationError(f"load: bools must be 0 or 1, got {int(raw.max())} in {name!r}")
        return array


_FIELDS = {"class", "dtype", "device", "shape", "strides", "offset", "storage", "requires_grad", "persistent"}


def _refuse_constant(name: str) -> Any:
    raise SerializationError(f"load: numbers must be finite in {HEADER!r}, got {name}")


def _are_counts(values: Any) -> bool:
    """Whether all are ints of at least 0, and small enough for arithmetic on addresses."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 62 for v in values)


def _decode(node: Any, tensors: list[Any], depth: int) -> Any:
    """The object a node of the tree stands for."""
    if node is None or type(node) in (bool, int, float, str):
        return node
    if not isinstance(node, dict) or len(node) != 1:
        raise SerializationError(f"load: a node must be a plain value or have one key, got {node!r:.200}")
    ((name, value),) = node.items()
    if name == "tensor":
        if type(value) is not int or not 0 <= value < len(tensors):
            raise SerializationError(f"load: a tensor must be in the table of {len(tensors)}, got number {value!r:.80}")
        return tensors[value]
    if name in _SCALARS:
        with _damage(f"a {name}"):
            return _SCALARS[name](value)
    if name not in _NAMES.values() or not isinstance(value, list):
        raise SerializationError(f"load: unknown kind of node, got {name!r:.80}")
    if depth >= MAX_DEPTH:
        raise SerializationError(f"load: containers must not nest deeper than {MAX_DEPTH}, got a deeper one")
    if name in ("dict", "ordered_dict"):
        pairs = []
        for item in value:
            if not isinstance(item, list) or len(item) != 2:
                raise SerializationError(f"load: a dict must hold pairs, got {item!r:.80}")
            pairs.append((_decode_key(item[0], tensors, depth), _decode(item[1], tensors, depth + 1)))
        return dict(pairs) if name == "dict" else OrderedDict(pairs)
    if name in ("set", "frozenset"):
        return (set if name == "set" else frozenset)(_decode_key(item, tensors, depth) for item in value)
    items = [_decode(item, tensors, depth + 1) for item in value]
    return items if name == "list" else tuple(items)


def _decode_key(node: Any, tensors: list[Any], depth: int) -> Any:
    key = _decode(node, tensors, depth + 1)
    if not _is_key(key):
        raise SerializationError(
            f"load: keys must be strings, numbers, None or tuples of them, got {type(key).__name__}"
        )
    return key


def _int(value: Any) -> int:
    if not isinstance(value, str) or len(value) > 1 << 16:
        raise SerializationError(f"load: a long int must be hexadecimal digits, got {value!r:.80}")
    return int(value, 16)


def _float(value: Any) -> float:
    if not isinstance(value, str):
        raise SerializationError(f"load: a float must be a text here, got {value!r:.80}")
    return float(value)


def _complex(value: Any) -> complex:
    real, imaginary = value
    return complex(_float(real), _float(imaginary))


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise SerializationError(f"load: bytes must be base64, got {error}") from error


def _size(value: Any) -> Size:
    if not _are_counts(value):
        raise SerializationError(f"load: a size must be a list of ints, got {value!r:.80}")
    return Size(value)


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": _int, "float": _float, "complex": _complex, "bytes": _bytes, "dtype": dtype_named, "device": device_type,
    "size": _size,
}  # fmt: skip


# -- tensors ---------------------------------------------------------------------------------------------------------


def _build(rows: list[_Row], arrays: list[np.ndarray[Any, Any]], map_location: Location) -> list[Tensor]:
    """The tensors of the table, over the storages' elements."""
    sharers: dict[int, int] = {}
    for row in rows:
        sharers[row.storage] = sharers.get(row.storage, 0) + 1
    placed: dict[int, tuple[Any, Any, Storage | None]] = {}  # storage number: (handle, kind, storage)
    tensors = []
    for row in rows:
        if row.storage not in placed:
            array = arrays[row.storage]
            kind = _kind_for(row, array, map_location)
            whole = sharers[row.storage] == 1 and row.strides == contiguous_strides(row.shape) and row.offset == 0
            whole = whole and array.size == math.prod(row.shape)
            host = array.reshape(row.shape) if whole else array
            held = kind.backend.capabilities.host_memory
            handle = host if held else kind.backend.from_host(host, kind.index)
            placed[row.storage] = (handle, kind, None if whole else Storage(handle, kind))
        handle, kind, storage = placed[row.storage]
        with _damage("a tensor"):
            tensors.append(_tensor(row, handle, kind, storage))
    return tensors


def _tensor(row: _Row, handle: Any, kind: Any, storage: Storage | None) -> Tensor:
    if storage is not None:
        handle = kind.backend.view(handle, row.shape, row.strides, row.offset if math.prod(row.shape) else 0)
    tensor: Any = with_class(row.cls, handle, kind)
    tensor._storage = storage
    if row.cls is _classes()["Buffer"]:
        tensor.persistent = row.persistent
    if row.requires_grad:
        tensor._node = LeafNode(tensor)
    return tensor


def _kind_for(row: _Row, array: np.ndarray[Any, Any], map_location: Location) -> Any:
    """Device and dtype a storage is to have."""
    target: Any = row.device
    if callable(map_location):
        found = map_location(Storage(array, kind_of(canonical_device("cpu"), row.dtype)), row.device)
        target = row.device if found is None else found.device if isinstance(found, Storage) else found
    elif isinstance(map_location, dict):
        target = map_location.get(row.device, row.device)
    elif map_location is not None:
        target = map_location
    try:
        return kind_of(canonical_device(target), row.dtype)
    except CandelabraError as error:
        raise SerializationError(
            f'load: device "{target}" cannot take a tensor that was saved on "{row.device}", got: {error}; pass '
            'map_location="cpu" or another device'
        ) from error
