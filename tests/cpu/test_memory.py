# SPDX-License-Identifier: Apache-2.0
"""Memory of large arrays that is used again."""

import os
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

import candelabra as cb
from candelabra_cpu import memory

pytestmark = pytest.mark.skipif(memory.pool() is None, reason="no allocator on this system")

SIZE = 1 << 20


@pytest.fixture
def pool():
    memory.install()
    found = memory.pool()
    limit = found.limit
    found.empty_cache()
    yield found
    found.limit = limit
    found.empty_cache()


def test_freed_memory_is_used_again(pool):
    first = memory.empty((SIZE,), "u1")
    place = first.ctypes.data
    del first
    assert memory.empty((SIZE,), "u1").ctypes.data == place


def test_memory_stays_while_a_view_lives(pool):
    base = memory.empty((SIZE,), "u1")
    base[:] = 7
    view, place = base[10:20], base.ctypes.data
    del base
    other = memory.empty((SIZE,), "u1")
    other[:] = 1
    assert other.ctypes.data != place
    assert (view == 7).all()


def test_zeros_are_zeros_in_used_memory(pool):
    dirty = memory.empty((SIZE,), "u1")
    dirty[:] = 255
    place = dirty.ctypes.data
    del dirty
    clean = np.zeros(SIZE, "u1")
    assert clean.ctypes.data == place
    assert not clean.any()


def test_results_of_numpy_and_of_tensors_are_counted(pool):
    before = pool.stats()["allocated"]
    x = cb.ones(SIZE)
    y = (x + x).numpy()
    assert pool.stats()["allocated"] - before >= 2 * 4 * SIZE
    del x, y
    assert pool.stats()["allocated"] == before


def test_limit_bounds_what_is_kept(pool):
    pool.limit = 3 * SIZE
    arrays = [memory.empty((SIZE,), "u1") for _ in range(8)]
    del arrays
    stats = pool.stats()
    assert 0 < stats["reserved"] - stats["allocated"] <= 3 * SIZE
    pool.limit = 0
    stats = pool.stats()
    assert stats["reserved"] == stats["allocated"]


@pytest.mark.parametrize("limit", [-1, 1.5, None])
def test_limit_refuses_what_is_no_size(pool, limit):
    with pytest.raises(cb.ArgumentError, match="limit"):
        pool.limit = limit


def test_empty_cache_gives_everything_back(pool):
    array = memory.empty((SIZE,), "u1")
    del array
    cb.cpu.empty_cache()
    stats = pool.stats()
    assert stats["reserved"] == stats["allocated"]


def test_peak_can_be_reset(pool):
    array = memory.empty((SIZE,), "u1")
    del array
    pool.reset_peak()
    assert pool.stats()["allocated_peak"] == pool.stats()["allocated"]


@pytest.mark.parametrize("old", [1000, SIZE, 4 * SIZE])
@pytest.mark.parametrize("new", [10, 1000, SIZE - 5, SIZE + 5, 9 * SIZE])
def test_resizing_keeps_the_values(pool, old, new):
    array = np.empty(old, "u1")
    array[:] = np.arange(old) % 251
    array.resize(new, refcheck=False)
    kept = min(old, new)
    assert (array[:kept] == np.arange(kept) % 251).all()
    assert not array[kept:].any()


def churn(seed, errors):
    memory.install()
    choose = random.Random(seed)
    live = []
    for _ in range(300):
        if live and choose.random() < 0.45:
            array = live.pop(choose.randrange(len(live)))
            if array[0] != seed or array[-1] != seed:
                errors.append(seed)
        else:
            array = np.empty(int(2 ** choose.uniform(12, 22)), "u1")
            array[0] = array[-1] = seed
            live.append(array)


def test_threads_share_the_pool_without_mixing_blocks(pool):
    pool.limit = 8 * SIZE
    errors = []
    workers = [threading.Thread(target=churn, args=(seed, errors)) for seed in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    stats = pool.stats()
    assert stats["reserved"] - stats["allocated"] <= 8 * SIZE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_allocates(pool):
    kept = memory.empty((SIZE,), "u1")
    kept[:] = 3
    child = os.fork()
    if child == 0:
        other = np.ones(SIZE)
        os._exit(0 if other.sum() == SIZE and (kept == 3).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_environment_turns_it_off():
    code = "from candelabra_cpu import memory; memory.install(); print(memory.pool())"
    env = {**os.environ, "CANDELABRA_CPU_CACHE_BYTES": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == "None"


def test_arrays_that_outlive_everything_are_freed_quietly():
    code = "import numpy as np, candelabra as cb\nnp.kept = (cb.ones(1 << 20) + 1).numpy()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("make", ["ones", "zeros", "empty"])
def test_the_first_large_tensor_of_a_process_is_counted(make):
    code = f"import candelabra as cb; x = cb.{make}(1 << 20); print(cb.cpu.memory_allocated() >> 20, (x * 0 == 0).all().item())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "True"]
