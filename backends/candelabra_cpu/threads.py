# SPDX-License-Identifier: Apache-2.0
"""One pool of threads for all native work: compiled kernels, matrix products, convolutions.

A kernel is `void kernel(void *args, int64 begin, int64 end)`: it does items `begin` to `end`, whose number `n` is cut
into chunks of `grain`. Threads, the caller among them, take chunk after chunk until none is left, so that a thread that
the system delays delays nobody else; the caller from the front and workers from the back, so that each meets what its caches
hold of the job before. Workers watch for the next job for a short while, then sleep until they are woken.

From native code, call `void candelabra_parallel_for(void *kernel, void *args, int64 n, int64 grain)`; from Python,
`launch`. A job started inside a job, or while another thread runs one, runs on its caller alone.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from candelabra import _threads

from .emit import I1, I8, I32, I64, PTR, VOID, Function, Value, compiled, function
from .native import builtin, define
from .pyobject import constant_object, define_symbols, run_free, same, unbox

SPIN_US = 50
"""How long an idle worker watches for work before it sleeps: longer than Python takes between two kernels."""

YIELDS = 1000
"""How often it then lets others run before it sleeps."""

MAX_ARGS = 512
"""Most arguments of a kernel that `launch` passes on."""

# The pool's state, in bytes: what different threads write lies in different cache lines.
_EPOCH, _SLEEPERS = 0, 4
_BUSY = 64
_KERNEL, _ARGS, _COUNT, _GRAIN, _OPEN = 128, 136, 144, 152, 160
_TAKEN, _BACK = 192, 200
_ACTIVE, _WAITING = 256, 260
_STOP, _WORKERS, _SPINS, _ASLEEP = 320, 324, 328, 336
_STATE_BYTES = 384

_FUTEX_NUMBER = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # of this process alone


def can_sleep() -> bool:
    """Whether this system has a way to wait on an address that the pool knows; else work stays on its caller."""
    return sys.platform == "darwin" or (sys.platform == "linux" and platform.machine() in _FUTEX_NUMBER)


# -- the pool, in LLVM IR --------------------------------------------------------------------------------------------


def _wait_on(f: Function, address: Value, expected: Value) -> None:
    """Sleeps while the word at `address` is `expected`; may return early."""
    if sys.platform == "darwin":
        wide = f.cast(expected, I64)
        f.call("__ulock_wait", I32, f.const(I32, 1), address, wide, f.const(I32, 0))
    elif can_sleep():
        number, wait, none = (f.const(I64, v) for v in (_FUTEX_NUMBER[platform.machine()], _FUTEX_WAIT, 0))
        f.call("syscall", I64, number, f.cast(address, I64), wait, f.cast(expected, I64), none, none, none)


def _wake(f: Function, address: Value, count: Value) -> None:
    """Wakes up to `count` threads that sleep on `address`."""
    if sys.platform == "darwin":
        f.call("__ulock_wake", I32, f.const(I32, 0x101), address, f.const(I64, 0))
    elif can_sleep():
        number, wake, none = (f.const(I64, v) for v in (_FUTEX_NUMBER[platform.machine()], _FUTEX_WAKE, 0))
        f.call("syscall", I64, number, f.cast(address, I64), wake, f.cast(count, I64), none, none, none)


def _field(f: Function, state: Value, offset: int) -> Value:
    return f.at(I8, state, offset)


def _spin_while(
    f: Function, spins: Value, busy: Callable[[], Value], pause: Callable[[], object] | None = None
) -> None:
    """Watches until the condition is gone, for a number of turns at most."""
    turn = f.var(I64, 0)
    with f.loop() as leave_if:
        leave_if(busy() ^ f.const(I1, 1))
        leave_if(turn.value >= spins)
        (pause or f.pause)()
        turn.value = turn.value + 1


def _run_chunks(module: Any, from_front: bool) -> Function:
    """Takes chunks of the open job until none is left: its caller from the front, workers from the back.

    So a thread meets the same part of an array in each job, where its caches have it, and yet none waits for another.
    """
    name = "run_front" if from_front else "run_back"
    with function(module, name, hidden=True, state=PTR) as (f, state):
        kernel, args = (f.load(PTR, _field(f, state, at)) for at in (_KERNEL, _ARGS))
        count, grain = (f.load(I64, _field(f, state, at)) for at in (_COUNT, _GRAIN))
        taken, back = (_field(f, state, at) for at in (_TAKEN, _BACK))
        chunks = (count - 1) // grain + 1
        front = f.var(I64, 0)
        with f.loop() as leave_if:
            leave_if(f.add_atomic(1, taken, I64) >= chunks)
            # As many are taken from both ends together as there are chunks, so they do not meet.
            if from_front:
                begin = front.value * grain
                front.value = front.value + 1
            else:
                begin = (chunks - 1 - f.add_atomic(1, back, I64)) * grain
            f.call(kernel, VOID, args, begin, f.smaller(begin + grain, count))
    return f


def _worker(module: Any, run_back: Function) -> None:
    with function(module, "candelabra_worker", PTR, state=PTR) as (f, state):
        epoch, sleepers, active = (_field(f, state, at) for at in (_EPOCH, _SLEEPERS, _ACTIVE))
        spins = f.load(I64, _field(f, state, _SPINS))
        with f.loop() as leave_if:
            seen = f.load_atomic(I32, epoch)
            # Announced first: the caller closes the job and then waits for whoever is announced.
            f.add_atomic(1, active, I32)
            with f.when(f.load_atomic(I32, _field(f, state, _OPEN)).equals(1)):
                f.call(run_back.function.name, VOID, state)
            before = f.add_atomic(-1, active, I32)
            with f.when(before.equals(1) & f.load_atomic(I32, _field(f, state, _WAITING)).equals(1)):
                _wake(f, active, f.const(I32, 1))
            leave_if(f.load_atomic(I32, _field(f, state, _STOP)).equals(1))

            def unchanged(seen: Value = seen) -> Value:
                return f.load_atomic(I32, epoch).equals(seen)

            _spin_while(f, spins, unchanged)
            # On a busy system a sleeper is woken behind its caller, on the same processor; while it can run it is moved.
            _spin_while(f, f.const(I64, YIELDS), unchanged, lambda: f.call("sched_yield", I32))
            with f.when(unchanged()):
                f.add_atomic(1, sleepers, I32)
                _wait_on(f, epoch, seen)
                f.add_atomic(-1, sleepers, I32)


def _parallel_for(module: Any) -> None:
    with function(module, "candelabra_parallel_for", kernel=PTR, args=PTR, n=I64, grain=I64) as (
        f,
        kernel,
        args,
        n,
        grain,
    ):
        pool = f.load(PTR, f.extern("candelabra_pool"))
        alone = (n <= grain) | f.load(I32, _field(f, pool, _WORKERS)).equals(0)
        with f.when(alone):
            f.call(kernel, VOID, args, f.const(I64, 0), n)
            f.give()
        with f.when(f.exchange(1, _field(f, pool, _BUSY), I32).differs(0)):
            f.call(kernel, VOID, args, f.const(I64, 0), n)
            f.give()
        _open_job(f, pool, kernel, args, n, grain)
        f.call("run_front", VOID, pool)
        _close_job(f, pool)


def _open_job(f: Function, pool: Value, kernel: Value, args: Value, n: Value, grain: Value) -> None:
    for at, value in ((_KERNEL, kernel), (_ARGS, args), (_COUNT, n), (_GRAIN, grain)):
        f.store(value, _field(f, pool, at))
    for at in (_TAKEN, _BACK):
        f.store(0, _field(f, pool, at), type=I64)
    f.store_atomic(1, _field(f, pool, _OPEN), I32)
    f.add_atomic(1, _field(f, pool, _EPOCH), I32)
    with f.when(f.load_atomic(I32, _field(f, pool, _SLEEPERS)) > 0):
        others = (n - 1) // grain
        _wake(f, _field(f, pool, _EPOCH), f.cast(f.smaller(others, 1 << 20), I32))


def _close_job(f: Function, pool: Value) -> None:
    """Lets nobody join any more, and waits for those who have."""
    active, waiting = _field(f, pool, _ACTIVE), _field(f, pool, _WAITING)
    f.store_atomic(0, _field(f, pool, _OPEN), I32)
    _spin_while(f, f.load(I64, _field(f, pool, _SPINS)), lambda: f.load_atomic(I32, active).differs(0))
    with f.when(f.load_atomic(I32, active).differs(0)):
        f.store_atomic(1, waiting, I32)
        with f.loop() as leave_if:
            left = f.load_atomic(I32, active)
            leave_if(left.equals(0))
            _wait_on(f, active, left)
        f.store_atomic(0, waiting, I32)
    f.store_atomic(0, _field(f, pool, _BUSY), I32)


def _thread_count(module: Any) -> None:
    with function(module, "candelabra_thread_count", I64) as (f,):
        pool = f.load(PTR, f.extern("candelabra_pool"))
        f.give(f.cast(f.load(I32, _field(f, pool, _WORKERS)), I64) + 1)


def _nudge_workers(module: Any) -> None:
    """Wakes all workers, as for a job that is closed already."""
    with function(module, "candelabra_nudge", state=PTR) as (f, state):
        f.add_atomic(1, _field(f, state, _EPOCH), I32)
        _wake(f, _field(f, state, _EPOCH), f.const(I32, 1 << 20))


def start_workers(f: Function) -> None:
    """Starts the pool's threads if nobody has yet; returns null from the function where the system refuses."""
    asleep = _field(f, f.load(PTR, f.extern("candelabra_pool")), _ASLEEP)
    with f.when(f.load(I32, asleep).differs(0), likely=False):
        done = f.call("PyObject_CallNoArgs", PTR, f.extern("candelabra_start_workers"))
        with f.when(same(f, done, f.const(PTR, 0))):
            f.give(0)
        f.call("Py_DecRef", VOID, done)


def _launch(module: Any) -> None:
    """`launch` as CPython calls it: numbers and data pointers of the arguments in one block, then the job."""
    with function(module, "candelabra_launch", PTR, self=PTR, args=PTR, nargs=I64) as (f, _, args, nargs):
        block = f.buffer(I64, MAX_ARGS + 3)
        with f.when((nargs < 3) | (nargs > MAX_ARGS + 3)):
            message = f.text(f"launch: takes a kernel, n, grain and up to {MAX_ARGS} arguments")
            f.call("PyErr_SetString", VOID, f.load(PTR, f.extern("PyExc_TypeError")), message)
            f.give(0)
        with f.range(0, nargs) as i:
            given = f.load(PTR, args, i)
            f.store(unbox(f, given, lambda: f.give(0)), block, i)
        kernel, n, grain = (f.load(I64, block, i) for i in range(3))
        with f.when(n > grain):
            start_workers(f)
        run_free(f, n > grain, lambda: f.call(
            "candelabra_parallel_for", VOID, f.cast(kernel, PTR), f.at(I64, block, 3), n, grain
        ))  # fmt: skip
        f.give(constant_object(f, "None"))


def _write(module: Any) -> None:
    _run_chunks(module, True)
    _worker(module, _run_chunks(module, False))
    _parallel_for(module)
    _thread_count(module)
    _nudge_workers(module)
    _launch(module)
    with function(module, "candelabra_spin", turns=I64) as (f, turns):
        _spin_while(f, turns, lambda: f.const(I1, 1))


@functools.cache
def _functions() -> Mapping[str, int]:
    define("candelabra_pool", ctypes.addressof(_pool))
    define("candelabra_start_workers", id(_start_workers))
    define_symbols()
    found = compiled("threads", _write)
    for name in ("candelabra_parallel_for", "candelabra_thread_count"):
        define(name, found[name])
    return found


# -- the pool's life -------------------------------------------------------------------------------------------------


def _new_pool(workers: int) -> Any:
    """The state of a pool whose threads are yet to start: the first job large enough starts them."""
    block = ctypes.create_string_buffer(_STATE_BYTES + 64)
    address = (ctypes.addressof(block) + 63) & ~63
    ctypes.c_int32.from_address(address + _WORKERS).value = workers
    ctypes.c_int32.from_address(address + _ASLEEP).value = int(workers > 0)
    ctypes.c_int64.from_address(address + _SPINS).value = _spins()
    _states.append(block)  # a worker or a caller may still look at a pool that was replaced
    return address


_states: list[Any] = []
_pool = ctypes.c_void_p()
_change = threading.Lock()


@functools.cache
def _spins() -> int:
    """Turns of the waiting loop in `SPIN_US`."""
    run = ctypes.CFUNCTYPE(None, ctypes.c_int64)(_functions()["candelabra_spin"])
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run(2000)
        times.append(time.perf_counter() - start)
    return max(1, int(SPIN_US * 1e-6 / min(times) * 2000))


def _start_worker(address: int) -> None:
    """A detached system thread in the pool at `address`; it sees no signals, which are for Python's threads."""
    worker = _functions()["candelabra_worker"]
    libc = ctypes.CDLL(None)
    thread = ctypes.c_void_p()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        failed = libc.pthread_create(ctypes.byref(thread), None, ctypes.c_void_p(worker), ctypes.c_void_p(address))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if failed:
        raise OSError(failed, f"set_num_threads: the system refused another thread, {os.strerror(failed)}")
    libc.pthread_detach(thread)


def _replace_pool(threads: int) -> None:
    """Lets the old pool end once its job is done, and makes one of `threads`, the caller included."""
    old = _pool.value
    workers = threads - 1 if can_sleep() else 0
    address = _new_pool(workers)
    _pool.value = address
    if old:
        ctypes.c_int32.from_address(old + _STOP).value = 1
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_functions()["candelabra_nudge"])(old)


def _start_workers() -> None:
    with _change:
        address = _pool.value or 0
        asleep, workers = (ctypes.c_int32.from_address(address + at) for at in (_ASLEEP, _WORKERS))
        if not asleep.value:
            return
        asleep.value = 0
        for started in range(workers.value):
            try:
                _start_worker(address)
            except OSError:
                workers.value = started
                raise


def _after_fork() -> None:
    """A child has only the thread that forked: its pool is a new one, and nobody is left who could hold the lock."""
    global _change
    _change = threading.Lock()
    if _pool.value:
        _pool.value = None
        start()


def start() -> None:
    """Makes the pool, of as many threads as `candelabra.set_num_threads` or its default says."""
    with _change:
        if not _pool.value:
            _functions()
            _replace_pool(_threads.get_num_threads())


def count() -> int:
    """Threads that take part in a job, its caller included."""
    start()
    return ctypes.c_int32.from_address((_pool.value or 0) + _WORKERS).value + 1


@functools.cache
def launcher() -> Callable[..., None]:
    """The callable `launch(kernel, n, grain, *args)`; makes the pool.

    `kernel` is the address of a `void kernel(void *args, int64 begin, int64 end)`. It gets each argument as 64 bits: the
    data pointer of an array, an integer, or the bits of a float64. Arrays must stay referenced, and their data where it
    is, until the call returns. With more than one chunk the interpreter's lock is free meanwhile.
    """
    start()
    return builtin(
        "launch",
        _functions()["candelabra_launch"],
        "launch(kernel, n, grain, *args): runs a native kernel on all threads.",
    )


def _resized(threads: int) -> None:
    with _change:
        if _pool.value:
            _replace_pool(threads)


_threads.on_change(_resized)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
