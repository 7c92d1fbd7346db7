# SPDX-License-Identifier: Apache-2.0
"""The allocator of large arrays: native code in LLVM IR, and the object that NumPy gets it by.

A block's first bytes are the link of its free list, a seal, and its size; its array follows. See `memory`.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from candelabra._errors import ArgumentError

from .emit import I1, I32, I64, PTR, VOID, Function, Value, Variable, compiled, function
from .memory import LARGE, default_limit
from .pyobject import numpy_slot

HUGE = 1 << 21
"""Bytes of a huge page; blocks of at least two are aligned to it."""

DATA_AT = 64
"""Bytes from a block's start to its data; between them are the link of the free list, a seal, and the size."""

_SEAL_AT, _SIZE_AT = DATA_AT - 16, DATA_AT - 8
_SEAL = 0x43616E64656C6162

STEPS = 8
"""Size classes an octave: at most an eighth of a block is waste."""

REACH = 3
"""Classes looked at for a block: its own and the next larger ones."""

_WORDS = (
    "lock", "limit", "allocated", "allocated_peak", "allocated_total", "freed_total", "allocations", "allocations_peak",
    "reserved", "reserved_peak", "segments", "cached", "hand", "their_malloc", "their_calloc", "their_realloc",
    "their_free", "their_context", "lists",
)  # fmt: skip
_CLASSES = 64 * STEPS
_STATE_WORDS = len(_WORDS) - 1 + _CLASSES

# Of Linux and macOS, where they differ.
_PRIVATE_ANONYMOUS = 0x1002 if sys.platform == "darwin" else 0x22
_MADV_HUGEPAGE = 14


# -- the allocator in LLVM IR ----------------------------------------------------------------------------------------


class _State:
    """Words of the allocator's state: read and written as attributes."""

    f: Function
    address: Value

    def __init__(self, f: Function, address: Value) -> None:
        object.__setattr__(self, "f", f)
        object.__setattr__(self, "address", address)

    def at(self, name: str) -> Value:
        return self.f.at(I64, self.address, _WORDS.index(name))

    def __getattr__(self, name: str) -> Value:
        return self.f.load(I64, self.at(name))

    def __setattr__(self, name: str, value: Value) -> None:
        self.f.store(value, self.at(name))

    def head(self, index: Value) -> Value:
        """Where the first free block of a class is noted."""
        return self.f.at(I64, self.at("lists"), index)


def _lock(f: Function, state: _State) -> None:
    with f.loop() as leave_if:
        leave_if(f.exchange(1, state.at("lock"), I64).equals(0))
        turn = f.var(I64, 0)
        with f.loop() as stop_if:
            stop_if(turn.value >= 100)
            f.pause()
            turn.value = turn.value + 1
        with f.when(f.load_atomic(I64, state.at("lock")).differs(0)):
            f.call("sched_yield", I32)


def _unlock(f: Function, state: _State) -> None:
    f.exchange(0, state.at("lock"), I64)


def _class_of(f: Function, size: Value) -> tuple[Value, Value]:
    """(bytes, number) of the smallest class that holds `size`."""

    def shift(value: Value) -> Value:
        leading = f.call("llvm.ctlz.i64", I64, value, f.const(I1, 0))
        return 63 - leading - 3

    step = f.const(I64, 1) << shift(size - 1)
    whole = ((size - 1) // step + 1) * step
    by = shift(whole)
    return whole, (by + 3) * STEPS + ((whole >> by) & (STEPS - 1))


def _map(module: Any) -> Function:
    """A block from the system: its address, or 0."""
    with function(module, "map_block", I64, hidden=True, size=I64) as (f, size):
        wide = size >= 2 * HUGE
        asked = f.select(wide, size + HUGE, size)
        got = f.cast(
            f.call("mmap", PTR, f.const(PTR, 0), asked, f.const(I32, 3), f.const(I32, _PRIVATE_ANONYMOUS),
                   f.const(I32, -1), f.const(I64, 0)), I64,
        )  # fmt: skip
        with f.when(got.equals(-1)):
            f.give(0)
        start = f.select(wide, (got + (HUGE - 1)) & -HUGE, got)
        with f.when(start > got):
            f.call("munmap", I32, f.cast(got, PTR), start - got)
        after, end = start + size, got + asked
        with f.when(end > after):
            f.call("munmap", I32, f.cast(after, PTR), end - after)
        if sys.platform == "linux":
            with f.when(wide):
                f.call("madvise", I32, f.cast(start, PTR), size, f.const(I32, _MADV_HUGEPAGE))
        f.give(start)
    return f


def _unmap(f: Function, state: _State, block: Value, size: Value) -> None:
    f.call("munmap", I32, f.cast(block, PTR), size)
    state.reserved = state.reserved - size
    state.segments = state.segments - 1


def _evict(module: Any) -> Function:
    """Gives kept blocks back to the system until at most `keep` bytes wait; with the lock held."""
    with function(module, "evict", hidden=True, address=PTR, keep=I64) as (f, address, keep):
        state = _State(f, address)
        with f.loop() as leave_if:
            leave_if(state.cached <= keep)
            head = state.head(state.hand)
            block = f.load(I64, head)
            with f.choose(block.equals(0)) as (none, some):
                with none:
                    state.hand = (state.hand + 1) % _CLASSES
                with some:
                    size = f.load(I64, f.cast(block + _SIZE_AT, PTR))
                    f.store(f.load(I64, f.cast(block, PTR)), head)
                    state.cached = state.cached - size
                    _unmap(f, state, block, size)
    return f


def _take(module: Any, map_block: Function, evict: Function) -> Function:
    """Data of a block for `size` bytes, or 0; `*fresh` says whether it is new, and so all zeros."""
    with function(module, "take", I64, hidden=True, address=PTR, size=I64, fresh=PTR) as (f, address, size, fresh):
        state = _State(f, address)
        whole, index = _class_of(f, size + DATA_AT)
        block, got = f.var(I64, 0), f.var(I64, whole)
        _lock(f, state)
        for step in range(REACH):
            head = state.head(index + step)
            with f.when(block.value.equals(0)):
                block.value = f.load(I64, head)
                with f.when(block.value.differs(0)):
                    got.value = f.load(I64, f.cast(block.value + _SIZE_AT, PTR))
                    f.store(f.load(I64, f.cast(block.value, PTR)), head)
                    state.cached = state.cached - got.value
        f.store(0, fresh, type=I64)
        with f.when(block.value.equals(0)):
            _map_into(f, state, block, whole, map_block, evict)
            f.store(1, fresh, type=I64)
        with f.when(block.value.differs(0)):
            _count_taken(f, state, got.value)
        _unlock(f, state)
        with f.when(block.value.equals(0)):
            f.give(0)
        data = block.value + DATA_AT
        f.store(data ^ _SEAL, f.cast(block.value + _SEAL_AT, PTR))
        f.store(got.value, f.cast(block.value + _SIZE_AT, PTR))
        f.give(data)
    return f


def _map_into(f: Function, state: _State, block: Variable, size: Value, map_block: Function, evict: Function) -> None:
    """A fresh block; where the system refuses, once more after all kept ones went back to it."""
    block.value = f.call(map_block.function.name, I64, size)
    with f.when(block.value.equals(0) & (state.cached > 0)):
        f.call(evict.function.name, VOID, state.address, f.const(I64, 0))
        block.value = f.call(map_block.function.name, I64, size)
    with f.when(block.value.differs(0)):
        state.reserved = state.reserved + size
        state.reserved_peak = f.larger(state.reserved_peak, state.reserved)
        state.segments = state.segments + 1


def _count_taken(f: Function, state: _State, size: Value) -> None:
    state.allocated = state.allocated + size
    state.allocated_total = state.allocated_total + size
    state.allocated_peak = f.larger(state.allocated_peak, state.allocated)
    state.allocations = state.allocations + 1
    state.allocations_peak = f.larger(state.allocations_peak, state.allocations)


def _put(module: Any, evict: Function) -> Function:
    """Takes a block back, by its data's address."""
    with function(module, "put", hidden=True, address=PTR, data=I64) as (f, address, data):
        state = _State(f, address)
        block = data - DATA_AT
        size = f.load(I64, f.cast(block + _SIZE_AT, PTR))
        f.store(0, f.cast(block + _SEAL_AT, PTR), type=I64)
        _lock(f, state)
        state.allocated = state.allocated - size
        state.freed_total = state.freed_total + size
        state.allocations = state.allocations - 1
        with f.choose(size > state.limit) as (large, normal):
            with large:
                _unmap(f, state, block, size)
            with normal:
                f.call(evict.function.name, VOID, address, state.limit - size)
                _, index = _class_of(f, size)
                head = state.head(index)
                f.store(f.load(I64, head), f.cast(block, PTR))
                f.store(block, head)
                state.cached = state.cached + size
        _unlock(f, state)
    return f


def _is_ours(f: Function, data: Value) -> Value:
    """Whether the seal before the data, where others keep numbers of their own, is ours for this very address."""
    return f.load(I64, f.cast(data - (DATA_AT - _SEAL_AT), PTR)).equals(data ^ _SEAL)


def _entry_points(module: Any, take: Function, put: Function, evict: Function) -> None:
    """The four functions of NumPy's `PyDataMemAllocator`, and what Python calls."""
    with function(module, "candelabra_malloc", PTR, context=PTR, size=I64) as (f, context, size):
        state = _State(f, context)
        with f.when(size < LARGE, likely=True):
            f.give(f.call(f.cast(state.their_malloc, PTR), PTR, f.cast(state.their_context, PTR), size))
        f.give(f.cast(f.call(take.function.name, I64, context, size, f.buffer(I64, 1)), PTR))

    with function(module, "candelabra_calloc", PTR, context=PTR, count=I64, each=I64) as (f, context, count, each):
        state = _State(f, context)
        size = count * each
        with f.when((size < LARGE) | (each <= 0) | (count > f.const(I64, 1 << 62) // f.larger(each, 1)), likely=True):
            f.give(f.call(f.cast(state.their_calloc, PTR), PTR, f.cast(state.their_context, PTR), count, each))
        fresh = f.buffer(I64, 1)
        data = f.call(take.function.name, I64, context, size, fresh)
        with f.when(data.differs(0) & f.load(I64, fresh).equals(0)):
            f.call("memset", PTR, f.cast(data, PTR), f.const(I32, 0), size)
        f.give(f.cast(data, PTR))

    with function(module, "candelabra_free", context=PTR, data=PTR, size=I64) as (f, context, data, size):
        state, where = _State(f, context), f.cast(data, I64)
        with f.when(size >= LARGE, likely=False), f.when(where.differs(0)), f.when(_is_ours(f, where)):
            f.call(put.function.name, VOID, context, where)
            f.give()
        f.call(f.cast(state.their_free, PTR), VOID, f.cast(state.their_context, PTR), data, size)

    with function(module, "candelabra_realloc", PTR, context=PTR, data=PTR, size=I64) as (f, context, data, size):
        state, where = _State(f, context), f.cast(data, I64)
        ours = f.var(I64, 0)
        with f.when(where.differs(0)):
            ours.value = f.cast(_is_ours(f, where), I64)
        with f.when(ours.value.equals(0)):
            f.give(f.call(f.cast(state.their_realloc, PTR), PTR, f.cast(state.their_context, PTR), data, size))
        room = f.load(I64, f.cast(where - (DATA_AT - _SIZE_AT), PTR)) - DATA_AT
        with f.when((size >= LARGE) & (size <= room)):
            f.give(data)
        moved = f.call("candelabra_malloc", PTR, context, size)  # what shrinks below LARGE must be NumPy's own
        with f.when(f.cast(moved, I64).differs(0)):
            f.call("memcpy", PTR, moved, data, f.smaller(size, room))
            f.call(put.function.name, VOID, context, where)
        f.give(moved)

    with function(module, "candelabra_evict", context=PTR, keep=I64) as (f, context, keep):
        state = _State(f, context)
        _lock(f, state)
        f.call(evict.function.name, VOID, context, keep)
        _unlock(f, state)
    with function(module, "candelabra_lock", context=PTR) as (f, context):
        _lock(f, _State(f, context))


def _write(module: Any) -> None:
    evict = _evict(module)
    _entry_points(module, _take(module, _map(module), evict), _put(module, evict), evict)


# -- the allocator's life --------------------------------------------------------------------------------------------


class _Handler(ctypes.Structure):
    """NumPy's `PyDataMem_Handler`."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", ctypes.c_void_p),
        ("calloc", ctypes.c_void_p),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


class Pool:
    """The process's allocator of large arrays; made once, by `pool`."""

    def __init__(self) -> None:
        self._words = (ctypes.c_int64 * _STATE_WORDS)()
        theirs = self._default_handler()
        for name, value in (
            ("malloc", theirs.malloc), ("calloc", theirs.calloc), ("realloc", theirs.realloc), ("free", theirs.free),
            ("context", theirs.context),
        ):  # fmt: skip
            self._set("their_" + name, value or 0)
        self._set("limit", default_limit())
        self._found = compiled("memory", _write)
        self._capsule = self._make_capsule()
        # Arrays may outlive everything else in the process.
        for item in (self, self._words, self._capsule):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._hold, after_in_parent=self._let_go, after_in_child=self._let_go)

    @staticmethod
    def _default_handler() -> _Handler:
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        capsule = ctypes.py_object.from_address(numpy_slot(306)).value
        return _Handler.from_address(pointer(capsule, b"mem_handler"))

    def _make_capsule(self) -> Any:
        entry = {n: self._found["candelabra_" + n] for n in ("malloc", "calloc", "realloc", "free")}
        self._handler = _Handler(b"candelabra", 1, ctypes.addressof(self._words), *entry.values())
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self._handler), b"mem_handler", None)

    def _get(self, name: str) -> int:
        return self._words[_WORDS.index(name)]

    def _set(self, name: str, value: int) -> None:
        self._words[_WORDS.index(name)] = value

    def _call(self, name: str, *args: int) -> None:
        kinds = [ctypes.c_void_p] + [ctypes.c_int64] * len(args)
        ctypes.CFUNCTYPE(None, *kinds)(self._found["candelabra_" + name])(ctypes.addressof(self._words), *args)

    def _hold(self) -> None:
        self._call("lock")

    def _let_go(self) -> None:
        self._set("lock", 0)

    def install(self) -> None:
        """Serves the large arrays made in the present context from now on."""
        setter = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(numpy_slot(304))
        setter(self._capsule)

    @property
    def limit(self) -> int:
        """Most bytes of freed blocks that are kept."""
        return self._get("limit")

    @limit.setter
    def limit(self, size_bytes: int) -> None:
        if type(size_bytes) is not int or size_bytes < 0:
            raise ArgumentError(f"limit: needs a number of bytes, got {size_bytes!r}")
        self._set("limit", size_bytes)
        self._call("evict", size_bytes)

    def empty_cache(self) -> None:
        """Gives all kept blocks back to the system."""
        self._call("evict", 0)

    def reset_peak(self) -> None:
        """Lets the peaks start from the present values."""
        for name in ("allocated", "allocations", "reserved"):
            self._set(name + "_peak", self._get(name))

    def stats(self) -> dict[str, int]:
        """Numbers of the contract's `memory_stats`, of large arrays alone."""
        names = _WORDS[_WORDS.index("allocated") : _WORDS.index("cached")]
        return {name: self._get(name) for name in names}
