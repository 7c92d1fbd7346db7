# SPDX-License-Identifier: Apache-2.0
"""Files: what goes in comes out, what is broken or hostile does not, and old files survive failed writes."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import resource
import signal
import stat
import subprocess
import sys
import zipfile
import zlib
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn
from candelabra import serialization
from candelabra._dtype import ALL
from candelabra.serialization import load, save


def packed(obj: Any) -> bytes:
    file = io.BytesIO()
    save(obj, file)
    return file.getvalue()


def again(obj: Any, **options: Any) -> Any:
    return load(io.BytesIO(packed(obj)), **options)


# -- round trips -------------------------------------------------------------------------------------------------------


def test_plain_values_and_containers() -> None:
    obj = {
        "numbers": [0, -1, 2**80, -(2**63), 1.5, -0.0, 1e-320, float("inf"), 3 - 4j, True, None],
        "texts": ("", "ä\u0000\U0001f600", b"\x00\xff"),
        3: {1, "x", (2, None)},
        -1: frozenset({4}),
        (1, "a"): OrderedDict(z=1, a=[{}, [], ()]),
        "ours": [cb.float16, cb.bfloat16, cb.device("cpu"), cb.ones(2, 3).shape],
    }
    found = again(obj)
    assert found == obj and list(found) == list(obj)
    assert str(found["numbers"][5]) == "-0.0" and type(found["numbers"][9]) is bool
    assert type(found[(1, "a")]) is OrderedDict and type(found["ours"][3]) is type(cb.ones(1).shape)
    assert np.isnan(again(float("nan")))


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: d.name)
def test_every_dtype(dtype: Any) -> None:
    raw = np.arange(6 * dtype.itemsize, dtype=np.uint8) % (2 if dtype.name == "bool" else 251)
    tensor = cb.cast(cb.zeros(6), dtype)
    tensor._array = raw.view(dtype.numpy).reshape(2, 3)
    found = again(tensor)
    assert found.dtype is dtype and found.shape == (2, 3)
    assert found._host().tobytes() == raw.tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4)])
def test_shapes_and_layouts(shape: tuple[int, ...]) -> None:
    tensor = cb.tensor(np.arange(np.prod(shape), dtype=np.int64).reshape(shape))
    for variant in (tensor, tensor.permute(tuple(reversed(range(len(shape))))), tensor.unsqueeze(0).expand(3, *shape)):
        found = again(variant)
        assert found.tolist() == variant.tolist() and found.shape == variant.shape


def test_views_keep_sharing_memory() -> None:
    base = cb.arange(12.0).reshape(3, 4)
    found = again({"base": base, "row": base[1], "turned": base.t(), "steps": base[:, ::2]})
    with cb.no_grad():
        found["base"][1, 2] = 99.0
    assert found["row"][2].item() == found["turned"][2, 1].item() == found["steps"][1, 1].item() == 99.0


def test_only_what_is_shown_is_stored() -> None:
    big = cb.zeros(100_000)
    assert len(packed(big[:10])) < 2000
    assert len(packed(cb.zeros(1).expand(100_000))) < 2000


def test_parameters_keep_class_gradient_flag_and_identity() -> None:
    module = nn.Linear(2, 2)
    tied = {"a": module.weight, "b": module.weight, "data": module.weight.detach(), "buffer": nn.Buffer(cb.ones(1))}
    found = again(tied)
    assert found["a"] is found["b"] and type(found["a"]) is nn.Parameter and found["a"].requires_grad
    assert found["a"].data_ptr() == found["data"].data_ptr() and type(found["buffer"]) is nn.Buffer
    assert not again(nn.Parameter(cb.ones(1), requires_grad=False)).requires_grad
    assert again(cb.ones(1, requires_grad=True)).is_leaf


def test_module_state_goes_through(tmp_path: Path) -> None:
    source, target = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)) for _ in range(2))
    source(cb.ones(5, 3))
    save(source.state_dict(), tmp_path / "model")
    target.load_state_dict(load(tmp_path / "model"))
    x = cb.ones(2, 3)
    assert target.eval()(x).tolist() == source.eval()(x).tolist()


def test_entries_past_the_limits_of_plain_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    content = packed([cb.arange(1000.0), cb.arange(3.0)])
    monkeypatch.undo()
    assert load(io.BytesIO(content))[0].tolist() == list(range(1000))
    places = serialization._Reader(io.BytesIO(content), None).entries
    assert [places[f"data/{i}"][0] % 64 for i in range(2)] == [0, 0]


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "MAX_STORAGES", 2)
    monkeypatch.setattr(serialization, "MAX_HEADER_BYTES", 2000)
    with pytest.raises(cb.SerializationError, match="pieces of memory"):
        packed([cb.ones(1) for _ in range(3)])
    with pytest.raises(cb.SerializationError, match="put long lists"):
        packed(list(range(1000)))


def test_equal_objects_give_equal_files() -> None:
    assert packed({"a": cb.ones(3)}) == packed({"a": cb.ones(3)})


@pytest.mark.parametrize("mapped", [False, True])
def test_paths_and_maps(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "file"
    save([cb.arange(5), cb.tensor([True, False]), cb.zeros(0)], path)
    before = path.read_bytes()
    found = load(str(path), mmap=mapped)
    found[0].add_(1)
    assert found[0].tolist() == [1, 2, 3, 4, 5] and path.read_bytes() == before
    assert found[0].data_ptr() % 8 == 0


def test_file_objects_that_cannot_seek_or_read_little() -> None:
    class Trickle(io.RawIOBase):
        def __init__(self, content: bytes, seeks: bool) -> None:
            self.inner, self.seeks = io.BytesIO(content), seeks

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return self.seeks

        def seek(self, *args: int) -> int:
            return self.inner.seek(*args)

        def tell(self) -> int:
            return self.inner.tell()

        def read(self, size: int = -1) -> bytes:
            return self.inner.read(size if size < 0 or size <= 100 else 100)

    content = packed(cb.arange(1000))
    assert load(Trickle(content, False)).sum().item() == 499500  # type: ignore[arg-type]

    class Sink(io.RawIOBase):
        content = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.content += bytes(data)
            return len(data)

    sink = Sink()
    save(cb.arange(3), sink)  # type: ignore[arg-type]
    assert load(io.BytesIO(sink.content)).tolist() == [0, 1, 2]


def test_big_endian_hosts_write_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for array in (np.arange(3, dtype=np.int32), np.array([1 + 2j]), np.zeros(0, np.float64)):
        swapped = array.astype(array.dtype.newbyteorder(">")).view(array.dtype)  # as such a host holds it
        monkeypatch.setattr(sys, "byteorder", "big")
        assert serialization._little_endian(swapped).tobytes() == array.tobytes()
        monkeypatch.undo()
        assert serialization._little_endian(array).tobytes() == array.tobytes()


# -- devices -----------------------------------------------------------------------------------------------------------


def test_map_location() -> None:
    content = packed(cb.ones(2))
    seen: list[Any] = []

    def choose(storage: Any, location: str) -> Any:
        seen.append((storage.nbytes(), location))
        return storage

    for location in ("cpu", cb.device("cpu"), {"cpu": "cpu"}, {}, choose, lambda storage, location: None):
        assert load(io.BytesIO(content), map_location=location).tolist() == [1.0, 1.0]
    assert seen == [(8, "cpu")]
    assert load(io.BytesIO(content), map_location="meta").is_meta
    with pytest.raises(cb.SerializationError, match="map_location"):
        load(io.BytesIO(content), map_location="nowhere:3")


def test_a_device_that_is_not_there_is_named() -> None:
    content = edited(packed(cb.ones(2)), lambda d: d["tensors"][0].update(device="nowhere:3"))
    with pytest.raises(cb.SerializationError, match=r'"nowhere:3".*map_location'):
        load(io.BytesIO(content))
    assert load(io.BytesIO(content), map_location={"nowhere:3": "cpu"}).tolist() == [1.0, 1.0]


# -- what cannot be stored ---------------------------------------------------------------------------------------------


class Strange:
    pass


class Sub(cb.Tensor):
    pass


def loop() -> list[Any]:
    box: list[Any] = []
    box.append({"again": box})
    return box


def deep(n: int) -> Any:
    box: Any = 1
    for _ in range(n):
        box = [box]
    return box


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: {"a": [1, Strange()]}, r"Strange, got one at obj\['a'\]\[1\]"),
        (lambda: [nn.Linear(1, 1)], r"Linear, got one at obj\[0\]; save its state_dict"),
        (lambda: {"x": np.ones(2)}, r"numpy.ndarray.*tensor"),
        (lambda: {"x": np.float64(1)}, r"numpy.float64"),
        (lambda: {"f": print}, r"builtin_function_or_method"),
        (lambda: defaultdict(int), r"defaultdict.*plain dict"),
        (lambda: {Strange(): 1}, r"keys must be.*Strange"),
        (lambda: [cb.ones(2, device="meta")], r"meta.*obj\[0\]"),
        (lambda: Sub([1.0]), r"Sub"),
        (lambda: "\ud800", r"surrogate"),
        (loop, r"contain itself"),
        (lambda: deep(101), r"nest deeper than 100"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_place(make: Any, match: str) -> None:
    file = io.BytesIO()
    with pytest.raises(cb.SerializationError, match=match):
        save(make(), file)
    assert file.getvalue() == b""


def test_result_of_an_op_is_stored_without_its_history() -> None:
    loss = (cb.ones(2, requires_grad=True) * 2).sum()
    found = again({"loss": loss})["loss"]
    assert found.item() == 4.0 and found.is_leaf and found.requires_grad


def test_deep_but_allowed() -> None:
    assert again(deep(100)) == deep(100)


# -- broken and hostile files ------------------------------------------------------------------------------------------


def entries(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(parts: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    return file.getvalue()


def edited(content: bytes, edit: Any) -> bytes:
    """The file with its description changed, and all checksums right again."""
    parts = entries(content)
    document = json.loads(parts["candelabra.json"])
    document = edit(document) or document
    return archive_of([("candelabra.json", json.dumps(document).encode()), *list(parts.items())[1:]])


def row(**changes: Any) -> Any:
    return lambda document: document["tensors"][0].update(changes)


def tree(node: Any) -> Any:
    return lambda document: document.update(tree=node)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (row(shape=[1 << 40]), "within its storage"),
        (row(shape=[1 << 61], strides=[0]), "possible size"),
        (row(shape=[0, 1 << 61], strides=[0, 0]), "possible size"),
        (row(shape=[-1]), "a shape and as many strides"),
        (row(shape=[2.0]), "a shape and as many strides"),
        (row(shape=[True]), "a shape and as many strides"),
        (row(shape=[1] * 70, strides=[1] * 70), "a shape and as many strides"),
        (row(shape="3"), "a shape and as many strides"),
        (row(strides=[-1]), "a shape and as many strides"),
        (row(strides=[2]), "within its storage"),
        (row(offset=1), "within its storage"),
        (row(offset=-1), "lie in a storage"),
        (row(storage=7), "lie in a storage"),
        (row(storage="../x"), "lie in a storage"),
        (row(dtype="float99"), "float99"),
        (row(dtype="object"), "object"),
        (row(dtype=["float32"]), "dtype that fits"),
        (row(dtype="int32", requires_grad=True), "dtype that fits"),
        (row(dtype="complex128", shape=[0], strides=[1]), "whole elements"),
        (row(device="../../x"), "device"),
        (row(device=5), "device"),
        (row(**{"class": "os.system"}), "known class"),
        (row(requires_grad=1), "known class"),
        (row(shape=[1], strides=[1 << 61]), "a tensor cannot be read|within its storage"),
        (row(more=1), "must have the fields"),
        (lambda d: d["tensors"].append(7), "must have the fields"),
        (lambda d: d.update(version=2), "version 2"),
        (lambda d: d.update(format="other"), "not a candelabra file"),
        (lambda d: d.update(extra=1), "table and a tree"),
        (lambda d: d.pop("tree") and None, "table and a tree"),
        (lambda d: d.update(tensors={}), "table and a tree"),
        (lambda d: d.update(tensors=[], tree=1), "every storage must be used"),
        (lambda d: [1], "not a candelabra file"),
        (tree({"tensor": 1}), "in the table of 1"),
        (tree({"tensor": -1}), "in the table of 1"),
        (tree({"tensor": True}), "in the table of 1"),
        (tree({"call": ["os.system", "x"]}), "unknown kind of node"),
        (tree({"a": 1, "b": 2}), "plain value or have one key"),
        (tree([1]), "plain value or have one key"),
        (tree({"list": 5}), "unknown kind"),
        (tree({"dict": [[1]]}), "pairs"),
        (tree({"dict": [[{"list": []}, 1]]}), "keys must be"),
        (tree({"set": [{"tensor": 0}]}), "keys must be"),
        (tree({"dtype": "float99"}), "float99"),
        (tree({"bytes": "?"}), "base64"),
        (tree({"complex": ["1"]}), "complex"),
        (tree({"float": "one"}), "float"),
        (tree({"int": "9" * 100_000}), "hexadecimal"),
        (tree({"size": [-1]}), "size"),
        (tree(json.loads('{"list":[' * 120 + "1" + "]}" * 120)), "nest deeper"),
    ],
)
def test_descriptions_that_lie_are_refused(edit: Any, match: str) -> None:
    with pytest.raises(cb.SerializationError, match=match):
        load(io.BytesIO(edited(packed(cb.ones(3)), edit)))


def test_storage_in_two_dtypes_is_refused() -> None:
    def edit(document: Any) -> None:
        document["tensors"].append({**document["tensors"][0], "dtype": "int32"})

    with pytest.raises(cb.SerializationError, match="one dtype"):
        load(io.BytesIO(edited(packed(cb.ones(3)), edit)))


def test_bools_that_are_neither_are_refused() -> None:
    parts = list(entries(packed(cb.tensor([True, False]))).items())
    with pytest.raises(cb.SerializationError, match="bools must be 0 or 1"):
        load(io.BytesIO(archive_of([parts[0], ("data/0", b"\x01\x02")])))


HEADER = entries(packed(cb.ones(3)))["candelabra.json"]
DATA = np.ones(3, np.float32).tobytes()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"not a complete|ends too early"),
        (b"hello" * 100, "first bytes"),
        (pickle.dumps({"a": 1}), "pickle"),
        (archive_of([("model/data.pkl", pickle.dumps(print))]), "PyTorch"),
        (archive_of([("readme.txt", b"hi")]), "unexpected entry"),
        (archive_of([("data/0", DATA), ("data/1", DATA)]), "unexpected entry"),
        (archive_of([("candelabra.json", HEADER), ("../data/0", DATA)]), "unexpected entry"),
        (archive_of([("candelabra.json", HEADER), ("/etc/passwd", DATA)]), "unexpected entry"),
        (archive_of([("candelabra.json", HEADER), ("data/00", DATA)]), "unexpected entry"),
        (archive_of([("candelabra.json", HEADER)]), "lie in a storage"),
        (archive_of([("candelabra.json", HEADER), ("data/0", DATA[:8])]), "within its storage"),
        (archive_of([("candelabra.json", HEADER), ("data/0", DATA), ("data/1", b"")]), "every storage"),
        (archive_of([("candelabra.json", HEADER), ("data/0", bytes(1 << 20))], zipfile.ZIP_DEFLATED), "compression"),
        (archive_of([("candelabra.json", b"{"), ("data/0", DATA)]), "JSON"),
        (archive_of([("candelabra.json", b"\xff"), ("data/0", DATA)]), "Unicode"),
        (archive_of([("candelabra.json", b"[" * 100_000), ("data/0", DATA)]), "Recursion"),
        (archive_of([("candelabra.json", b'{"format":NaN}'), ("data/0", DATA)]), "finite"),
        (archive_of([("candelabra.json", b"1" * 10_000), ("data/0", DATA)]), "candelabra.json"),
    ],
)
def test_files_of_other_kinds_are_named(content: bytes, match: str) -> None:
    with pytest.raises(cb.SerializationError, match=match):
        load(io.BytesIO(content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_twice_the_same_entry_is_refused() -> None:
    parts = [("candelabra.json", HEADER), ("data/0", DATA), ("data/0", DATA)]
    with pytest.raises(cb.SerializationError, match="twice"):
        load(io.BytesIO(archive_of(parts)))


def test_overlapping_entries_are_refused() -> None:
    inner = zipfile.ZipInfo("data/1")
    inner.CRC, inner.file_size, inner.compress_size = zlib.crc32(DATA), len(DATA), len(DATA)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("candelabra.json", HEADER)
        archive.writestr("data/0", inner.FileHeader() + DATA)  # one entry within the other, as in quoting zip bombs
        inner.header_offset = archive.getinfo("data/0").header_offset + 30 + len("data/0")
        archive.filelist.append(inner)
    with pytest.raises(cb.SerializationError, match="must not overlap"):
        load(file)


def test_sizes_past_the_end_of_the_file_allocate_nothing() -> None:
    content = bytearray(packed(cb.ones(3)))
    row_at = content.rfind(b"PK\x01\x02")
    for size_at in (row_at + 20, row_at + 24):
        content[size_at : size_at + 4] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(cb.SerializationError, match="within the file"):
        load(io.BytesIO(bytes(content)))


def test_directory_too_large_to_list_is_refused() -> None:
    content = bytearray(packed(1))
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(cb.SerializationError, match="directory of the archive"):
        load(io.BytesIO(bytes(content)))


def test_every_cut_and_every_flipped_bit_is_found_or_harmless() -> None:
    obj = {"w": cb.arange(20.0), "b": [cb.tensor([True]), "text", 5]}
    content = packed(obj)
    rng = np.random.default_rng(0)
    for length in range(0, len(content), 11):
        with pytest.raises(cb.SerializationError):
            load(io.BytesIO(content[:length]))
    for place in range(len(content)):
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            found = load(io.BytesIO(bytes(broken)))
        except cb.SerializationError:
            continue
        assert found["w"].tolist() == list(range(20)) and found["b"][1:] == ["text", 5]


def test_damaged_elements_are_found_by_checksum() -> None:
    content = bytearray(packed(cb.ones(1000)))
    content[content.find(np.ones(10, np.float32).tobytes()) + 400] ^= 1
    with pytest.raises(cb.SerializationError, match="checksum of 'data/0'"):
        load(io.BytesIO(bytes(content)))


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda: load(5), "path or a binary file"),  # type: ignore[arg-type]
        (lambda: save(1, 5), "path or a binary file"),  # type: ignore[arg-type]
        (lambda: load(io.BytesIO(packed(1)), mmap=True), "needs a path"),
    ],
)
def test_wrong_targets_are_refused(act: Any, match: str) -> None:
    with pytest.raises(cb.SerializationError, match=match):
        act()


# -- writing -----------------------------------------------------------------------------------------------------------


class Full(io.BytesIO):
    """A file on a disk that fills up."""

    def write(self, data: Any) -> int:
        if self.tell() > 500:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_full_disk_is_told_as_what_it_is() -> None:
    with pytest.raises(OSError) as caught:
        save(cb.zeros(1000), Full())
    assert caught.value.errno == errno.ENOSPC


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "model"
    save("old", path)
    script = (
        "import resource, signal, sys, candelabra as cb\n"
        "from candelabra.serialization import save\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, {resource.RLIM_INFINITY}))\n"
        "try:\n    save(cb.zeros(100_000), sys.argv[1])\n"
        "except OSError as error:\n    print('refused', error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", str(errno.EFBIG)]
    assert os.listdir(tmp_path) == ["model"] and load(path) == "old"


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    save("old", path)

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save("new", path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["model"] and load(path) == "old"


KILLED = """
import os, signal, sys, candelabra as cb
from candelabra.serialization import save
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
save(cb.zeros(100_000), sys.argv[1])
"""


def _has_unnamed_files(folder: Path) -> bool:
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
    except (OSError, AttributeError):
        return False
    return True


def test_killed_process_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    if not _has_unnamed_files(tmp_path):
        pytest.skip("this file system has no files without names")
    path = tmp_path / "model"
    save("old", path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["model"] and load(path) == "old"


@pytest.mark.parametrize("missing", ["open", "link"])
def test_file_systems_without_unnamed_files_are_written_too(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, missing)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if missing == "link" or args[1] & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "no such files here")
        return real(*args, **kwargs)

    monkeypatch.setattr(os, missing, refuse)
    path = tmp_path / "model"
    for value in ("old", "new"):
        save(value, path)
        assert os.listdir(tmp_path) == ["model"] and load(path) == value


def test_refused_object_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    save("old", path)
    with pytest.raises(cb.SerializationError):
        save(Strange(), path)
    assert os.listdir(tmp_path) == ["model"] and load(path) == "old"


def test_mode_links_and_special_files_are_respected(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    save(1, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~_umask()
    target.chmod(0o640)
    link.symlink_to(target)
    save(2, link)
    assert link.is_symlink() and load(target) == 2 and stat.S_IMODE(target.stat().st_mode) == 0o640
    save(3, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OSError):
        save(1, tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
