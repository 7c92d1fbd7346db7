# SPDX-License-Identifier: Apache-2.0
"""The disk cache: what it keeps, what it refuses, and what happens to it while others write."""

import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import pytest

from candelabra._errors import ArgumentError
from candelabra.compiler import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "kernels"
    monkeypatch.setenv("CANDELABRA_CACHE", str(place))
    monkeypatch.setitem(cache._state, "warned", False)
    monkeypatch.setitem(cache._state, "written", 0)
    return place


def only_entry(folder):
    (entry,) = folder.glob("*.entry")
    return entry


def test_get_gives_what_put_kept(folder):
    assert cache.get("key") is None
    cache.put("key", b"code\0\xff")
    cache.put("empty", b"")
    assert cache.get("key") == b"code\0\xff"
    assert cache.get("empty") == b""
    assert cache.get("other") is None


def test_the_last_put_of_a_key_counts(folder):
    cache.put("key", b"old")
    cache.put("key", b"newer")
    assert cache.get("key") == b"newer"
    only_entry(folder)


@pytest.mark.parametrize("damage", [
    lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: data + b"x",
    lambda data: b"X" + data[1:], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: bytes(len(data)),
])  # fmt: skip
def test_damaged_entries_are_missing_and_removed(folder, damage):
    cache.put("key", b"code" * 100)
    entry = only_entry(folder)
    entry.write_bytes(damage(entry.read_bytes()))
    assert cache.get("key") is None
    assert not entry.exists()
    cache.put("key", b"again")
    assert cache.get("key") == b"again"


def test_an_entry_under_the_name_of_another_key_is_refused(folder):
    cache.put("one", b"1")
    entry = only_entry(folder)
    cache.put("two", b"2")
    (other,) = set(folder.glob("*.entry")) - {entry}
    entry.replace(other)
    assert cache.get("two") is None


def test_the_folder_is_private_and_clear_empties_it(folder):
    cache.put("one", b"1")
    cache.put("two", b"22")
    (folder / "mine.txt").write_text("kept")
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
    assert cache.size_bytes() == 2 * cache._HEADER + 3
    assert cache.clear() == 2
    assert cache.get("one") is None
    assert [p.name for p in folder.iterdir()] == ["mine.txt"]


def test_a_folder_removed_meanwhile_is_made_again(folder):
    cache.put("one", b"1")
    only_entry(folder).unlink()
    folder.rmdir()
    assert cache.get("one") is None
    cache.put("one", b"2")
    assert cache.get("one") == b"2"


def test_off_keeps_nothing_and_says_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("CANDELABRA_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put("key", b"code")
    assert cache.get("key") is None and cache.clear() == 0
    assert not list(tmp_path.iterdir())


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("CANDELABRA_CACHE", raising=False)
    monkeypatch.setenv("CANDELABRA_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "candelabra" / "kernels"


def test_a_file_in_place_of_the_folder_costs_a_warning(folder, tmp_path, monkeypatch):
    place = tmp_path / "file"
    place.write_text("")
    monkeypatch.setenv("CANDELABRA_CACHE", str(place))
    with pytest.warns(RuntimeWarning, match="it is no folder"):
        cache.put("key", b"data")
    assert cache.get("key") is None


def test_an_unusable_folder_costs_one_warning(folder):
    folder.write_text("a file stands where the folder should be")
    with pytest.warns(RuntimeWarning, match=r"kernel cache: needs a folder .* got .*kernels") as seen:
        cache.put("one", b"1")
        cache.put("two", b"2")
    assert len(seen) == 1
    assert cache.get("one") is None


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_folder_that_all_may_write_to_is_not_trusted(folder):
    cache.put("one", b"1")
    folder.chmod(0o777)
    cache._trusted.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="everybody may write to it"):
            assert cache.get("one") is None
    finally:
        cache._trusted.cache_clear()


READ_ONLY = """
import os, warnings
from candelabra.compiler import cache
os.setuid(65534)  # root may write anywhere
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    cache.put("two", b"2")
    cache.put("three", b"3")
print(cache.get("one"), cache.get("two"), len(seen))
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="becomes another user")
def test_a_folder_of_the_system_that_is_read_only_is_read():
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        os.chmod(made, 0o755)
        env = {**os.environ, "CANDELABRA_CACHE": made}
        put = "from candelabra.compiler import cache; cache.put('one', b'1')"
        subprocess.run([sys.executable, "-c", put], env=env, check=True, timeout=60)
        for path in os.listdir(made):
            os.chmod(os.path.join(made, path), 0o644)
        done = subprocess.run([sys.executable, "-c", READ_ONLY], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["b'1'", "None", "1"], done.stderr


def test_the_least_recently_used_entries_go_first(folder, monkeypatch):
    monkeypatch.setenv("CANDELABRA_CACHE_SIZE", "0.01")  # 10,485 bytes
    for k in range(10):
        cache.put(f"key {k}", bytes(1000))
        newest = max(folder.glob("*.entry"), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (time.time() - 100_000 + k * 10,) * 2)
    assert cache.get("key 0") == bytes(1000)  # used now, so it is the newest
    for k in range(10, 14):
        cache.put(f"key {k}", bytes(1000))
    assert cache.size_bytes() <= 10_485
    assert cache.get("key 0") is not None and cache.get("key 13") is not None
    assert cache.get("key 1") is None and cache.get("key 2") is None


def test_unfinished_files_of_dead_writers_are_removed(folder):
    cache.put("one", b"1")
    old, fresh = folder / "new-dead.part", folder / "new-alive.part"
    old.write_bytes(b"half")
    fresh.write_bytes(b"half")
    os.utime(old, (time.time() - 10_000,) * 2)
    cache.trim(folder, cache.limit_bytes())
    assert not old.exists() and fresh.exists()
    assert cache.get("one") == b"1"


def test_a_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("CANDELABRA_CACHE_SIZE", "many")
    with pytest.raises(ArgumentError, match=r"CANDELABRA_CACHE_SIZE: needs a number of megabytes, got 'many'"):
        cache.limit_bytes()


WRITER = """
import sys
from candelabra.compiler import cache
me = int(sys.argv[1])
for turn in range(60):
    for k in range(5):
        data = cache.get(f"key {k}")
        assert data is None or data == data[:1] * len(data) and len(data) == 20_000 + data[0], len(data)
        cache.put(f"key {k}", bytes([me]) * (20_000 + me))
    if turn % 20 == me:
        cache.clear()
"""


def test_processes_that_write_the_same_keys_never_see_a_part(folder):
    writers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, str(k)], env=dict(os.environ), stderr=subprocess.PIPE
        )
        for k in range(4)
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said.decode()
    assert not list(folder.glob("*.part"))
    assert cache.get("key 0") is not None


def test_threads_that_write_the_same_key_never_see_a_part(folder):
    failures = []

    def work(me):
        for _ in range(40):
            cache.put("key", bytes([me]) * 5000)
            data = cache.get("key")
            if data is None or data != data[:1] * 5000:
                failures.append(data)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
