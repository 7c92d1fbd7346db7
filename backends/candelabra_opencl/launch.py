# SPDX-License-Identifier: Apache-2.0
"""Launches: a kernel's arguments into OpenCL's slots, its work items into work-groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pyopencl import _cl

from candelabra.compiler.ir import Buffer, Kernel

from .dialect import has_loops

CHARS = {
    "b1": b"B", "i8": b"b", "u8": b"B", "i16": b"h", "u16": b"H", "i32": b"i", "u32": b"I", "f32": b"f", "f64": b"d",
}  # fmt: skip
PACKS_LONG = np.dtype("l").itemsize == 8  # PyOpenCL packs C's types; on Windows a long has 32 bits
LEAST = 1024
"""Work items without loops of their own that are worth a work-group."""
GROUPS_A_UNIT = 8
"""Work-groups for each compute unit: enough to even out, few enough to cost nothing."""
GROUP = 256
"""Work items of a group where kernels do not say."""


def launchers(device: Any, kernels: Sequence[Kernel]) -> list[Callable[[int, Sequence[Any]], None]]:
    """Launches of kernels that are built together."""
    made = device.programs.build(kernels)
    return [launcher(device, kernel, ready) for kernel, ready in zip(kernels, made, strict=True)]


def launcher(device: Any, kernel: Kernel, ready: Any) -> Callable[[int, Sequence[Any]], None]:
    """A function of the number of work items and the arguments, in order of the kernel's parameters."""
    buffers: list[tuple[int, int]] = []
    numbers: list[tuple[int, int, str]] = []
    longs: list[tuple[int, int, str]] = []
    slot = 0
    for at, param in enumerate(kernel.params):
        if isinstance(param, Buffer):
            buffers.append((at, slot))
            slot += 2
        else:
            (longs if param.type in ("i64", "u64") else numbers).append((at, slot, param.type))
            slot += 1
    chunked = device.chunks and kernel.work.group == 1
    last = slot
    sizes = _sizes(device, kernel)
    lock = threading.Lock()  # a kernel's slots are one state for all threads
    enqueue, current = _cl.enqueue_nd_range_kernel, device.current
    set_buffers, set_numbers, set_bytes = ready._set_arg_multi, ready._set_arg_buf_pack_multi, ready._set_arg_buf_multi

    def launch(count: int, args: Sequence[Any]) -> None:
        memory: list[Any] = []
        whole: list[int] = []
        for at, slot in buffers:
            block, offset = args[at]
            memory += (slot, block.buffer)
            whole += (slot + 1, offset)
        for at, slot, type in longs:
            whole += (slot, args[at] if type == "i64" else _signed(args[at]))
        total, local, chunk = sizes(count)
        if chunked:
            whole += (last, chunk)
        queue = current()
        with lock:
            set_buffers(tuple(memory))
            if PACKS_LONG:
                set_numbers(tuple([x for k in range(0, len(whole), 2) for x in (whole[k], b"l", whole[k + 1])]))
            else:
                set_bytes(
                    tuple([x if k % 2 == 0 else x.to_bytes(8, "little", signed=True) for k, x in enumerate(whole)])
                )
            if numbers:
                set_numbers(tuple([x for at, slot, type in numbers for x in (slot, CHARS[type], args[at])]))
            event = enqueue(queue.queue, ready, (total,), (local,))
        queue.mark = None
        if device.profile is not None:
            device.profile.append((kernel.name, event))

    return launch


def _signed(number: int) -> int:
    """The i64 with the bits of a u64."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _sizes(device: Any, kernel: Kernel) -> Callable[[int], tuple[int, int, int]]:
    """From the number of work items to global size, local size and chunk."""
    group = kernel.work.group
    if group > 1:
        return lambda count: (count * group, group, 0)
    if not device.chunks:
        local = min(GROUP, device.device.max_work_group_size)
        return lambda count: (-(-count // local) * local, local, 0)
    groups = GROUPS_A_UNIT * device.device.max_compute_units
    least = 1 if has_loops(kernel.work) else LEAST

    def sizes(count: int) -> tuple[int, int, int]:
        chunk = max(least, -(-count // groups))
        return -(-count // chunk), 1, chunk

    return sizes
