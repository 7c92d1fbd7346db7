# SPDX-License-Identifier: Apache-2.0
"""The pool of threads for native work, and how many threads it has."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import candelabra as cb
from candelabra import _threads
from candelabra_cpu import threads
from candelabra_cpu.emit import F64, I64, PTR, compiled, function


def write_add(module):
    """args: array, number; adds the number to elements begin to end."""
    with function(module, "add", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        data, number = f.load(PTR, args, 0), f.load(F64, args, 1)
        with f.range(begin, end) as i:
            f.store(f.load(F64, data, i) + number, data, i)


@pytest.fixture(scope="module")
def add():
    return compiled("add", write_add)["add"]


@pytest.fixture
def launch():
    before = cb.get_num_threads()
    yield threads.launcher()
    cb.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize(("n", "grain"), [(0, 1), (1, 1), (10, 3), (10_000, 7), (10_000, 20_000)])
def test_each_item_is_done_once(launch, add, count, n, grain):
    cb.set_num_threads(count)
    x = np.zeros(n)
    for _ in range(20):
        launch(add, n, grain, x, 1.0)
    assert (x == 20).all()
    assert threads.count() == count


def test_arguments_are_pointers_integers_and_bits_of_floats(launch, add):
    x = np.arange(4.0)
    launch(add, 4, 1, x.ctypes.data, 0.5)
    assert x.tolist() == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize("args", [(), (1, 2), (1, 1, 1, "text"), (1, 1, 1, None), (1,) * (threads.MAX_ARGS + 4)])
def test_launch_refuses_what_it_cannot_pass(launch, args):
    with pytest.raises(TypeError):
        launch(*args)


def test_callers_in_many_threads_do_not_meet(launch, add):
    cb.set_num_threads(3)
    arrays = [np.zeros(3000) for _ in range(4)]

    def work(x):
        for _ in range(200):
            launch(add, len(x), 100, x, 1.0)

    callers = [threading.Thread(target=work, args=(x,)) for x in arrays]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all((x == 200).all() for x in arrays)


def test_resizing_while_jobs_run_loses_nothing(launch, add):
    x = np.zeros(20_000)
    stop = threading.Event()

    def resize():
        while not stop.is_set():
            for count in (1, 3, 2):
                cb.set_num_threads(count)

    other = threading.Thread(target=resize)
    other.start()
    for _ in range(200):
        launch(add, len(x), 500, x, 1.0)
    stop.set()
    other.join()
    assert (x == 200).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_has_a_pool_of_its_own(launch, add):
    cb.set_num_threads(2)
    x = np.zeros(10_000)
    launch(add, len(x), 100, x, 1.0)
    child = os.fork()
    if child == 0:
        for _ in range(50):
            launch(add, len(x), 100, x, 1.0)
        os._exit(0 if (x == 51).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (x == 1).all()


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2", None, 1025, 1 << 70])
def test_set_num_threads_refuses_what_is_no_number_of_threads(number):
    with pytest.raises(cb.ArgumentError, match="set_num_threads"):
        cb.set_num_threads(number)


def python(code, **env):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    return done.stdout.strip(), done.stderr


def test_environment_gives_the_default():
    out, _ = python("import candelabra as cb; print(cb.get_num_threads())", CANDELABRA_NUM_THREADS="5")
    assert out == "5"


def test_environment_that_is_no_number_is_refused_by_name():
    _, error = python("import candelabra as cb; cb.get_num_threads()", CANDELABRA_NUM_THREADS="many")
    assert "CANDELABRA_NUM_THREADS: needs an int from 1 to 1024, got 'many'" in error


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
def test_default_respects_affinity():
    out, _ = python(
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import candelabra as cb; print(cb.get_num_threads())",
        CANDELABRA_NUM_THREADS="",
    )
    assert out == "1"


def group(root, path, name, text):
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "max 100000"}, 1 << 20),
        ({"a/b": "150000 100000"}, 2),
        ({"a": "100000 100000", "a/b": "max 100000"}, 1),
        ({"a": "50000 100000", "a/b": "400000 100000"}, 1),
    ],
)
def test_quota_is_the_least_of_a_group_and_those_above(tmp_path, limits, expected):
    for path, text in limits.items():
        group(tmp_path, path, "cpu.max", text)
    shares = [_threads._share(*text.split()) for text in _threads._upwards(tmp_path, "/a/b", "cpu.max")]
    assert min([1 << 20, *shares]) == expected


def test_threads_start_with_the_first_job_that_wants_them():
    out, error = python(
        "import ctypes, candelabra as cb\n"
        "from candelabra_cpu import threads\n"
        "asleep = lambda: ctypes.c_int32.from_address(threads._pool.value + threads._ASLEEP).value\n"
        "x = cb.zeros(8, 8); x @ x; before = asleep()\n"
        "x = cb.zeros(512, 512); x @ x\n"
        "print(before, asleep())",
        CANDELABRA_NUM_THREADS="3",
    )
    assert (out, error) == ("1 0", "")
