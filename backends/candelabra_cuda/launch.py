# SPDX-License-Identifier: Apache-2.0
"""Launches: a kernel's arguments into slots of eight bytes, its work items into blocks of threads.

CuPy's own launches make an object of every argument; one `struct` call packs them all.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cupy_backends.cuda.api import driver

from candelabra.compiler.ir import SIZES, Buffer, Kernel, is_float

from .dialect import BLOCK, items_of_block

SLOT = 8
FORMATS = {
    "b1": "B7x", "i8": "b7x", "u8": "B7x", "i16": "h6x", "u16": "H6x", "i32": "i4x", "u32": "I4x", "i64": "q", "u64": "Q",
    "f32": "f4x", "f64": "d",
}  # fmt: skip
"""How `struct` writes a number into a slot."""

MOST_BLOCKS = 2**31 - 1
"""Of a launch, by CUDA's own limits."""


class Slots:
    """Memory for the arguments of one kernel, and the table of their addresses that the driver reads."""

    def __init__(self, formats: Sequence[str]) -> None:
        self.packer = struct.Struct("<" + "".join(formats))
        self.memory = ctypes.create_string_buffer(max(SLOT, SLOT * len(formats)))
        start = ctypes.addressof(self.memory)
        self.table = (ctypes.c_void_p * max(1, len(formats)))(*[start + SLOT * i for i in range(len(formats))])
        self.address = ctypes.addressof(self.table)


def launcher(kernel: Kernel, function: Any, bind: Callable[[], int]) -> Callable[[int, Sequence[Any]], None]:
    """A function of the number of work items and the arguments, in order of the kernel's parameters.

    Args:
        function: CuPy's, loaded on the device.
        bind: makes the device current and gives the address of the thread's stream there.
    """
    buffers = [(at, SIZES[p.type]) for at, p in enumerate(kernel.params) if isinstance(p, Buffer)]
    slots = Slots(["Q" if isinstance(p, Buffer) else FORMATS[p.type] for p in kernel.params])
    pack, memory, table = slots.packer.pack_into, slots.memory, slots.address
    threads = kernel.work.group if kernel.work.group > 1 else BLOCK
    each = items_of_block(kernel)
    run, pointer = driver.launchKernel, function.ptr
    lock = threading.Lock()  # the slots are one memory for all threads

    def launch(count: int, args: Sequence[Any]) -> None:
        given = list(args)
        for at, size in buffers:
            block, offset = given[at]
            given[at] = block.address + offset * size
        stream = bind()
        blocks = -(-count // each)
        if blocks > MOST_BLOCKS:
            raise ValueError(f"cuda kernel {kernel.name}: at most {MOST_BLOCKS} blocks fit a launch, got {blocks}")
        with lock:
            try:
                pack(memory, 0, *given)
            except (OverflowError, struct.error):
                pack(memory, 0, *fitted(kernel, given))
            run(pointer, blocks, 1, 1, threads, 1, 1, 0, stream, table, 0)

    launch.needs = (function, slots)  # type: ignore[attr-defined]  # its module stays loaded, its table in memory
    return launch


def fitted(kernel: Kernel, given: Sequence[Any]) -> list[Any]:
    """Numbers as their parameters hold them: too large a float is infinite, integers wrap around."""
    return [
        value if isinstance(p, Buffer) else _fitted(value, p.type)
        for p, value in zip(kernel.params, given, strict=True)
    ]


@functools.cache
def _numpy(type: str) -> Any:
    from candelabra.compiler.ir import NUMPY

    return np.dtype(NUMPY[type]).type


def _fitted(value: Any, type: str) -> Any:
    with np.errstate(all="ignore"):
        if is_float(type):
            return float(_numpy(type)(value))
        return int(np.asarray(int(value) & (2**64 - 1), np.uint64).astype(_numpy(type)))
