# SPDX-License-Identifier: Apache-2.0
"""Tries every OpenCL device with a small kernel. Run as a program of its own, since a broken runtime may end its process.

Prints one JSON object a line: what is about to be tried, then how it went. Devices named as arguments ("0.1": the
second of the first platform) are left out; "all" only lists them.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pyopencl as cl

SOURCE = "__kernel void probe(__global int* x) { x[get_global_id(0)] += 1; }"
PAGE = 4096


def attempt(device: Any) -> bool:
    """Builds and runs the kernel on memory of the host; whether the host sees the result without asking for it.

    Raises:
        cl.Error, RuntimeError: the device cannot be used.
    """
    context = cl.Context([device])
    queue = cl.CommandQueue(context)
    kernel = cl.Kernel(cl.Program(context, SOURCE).build(), "probe")
    memory = np.zeros(2 * PAGE, np.uint8)
    skip = -memory.ctypes.data % PAGE
    host = memory[skip : skip + 64].view(np.int32)
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR, hostbuf=host)
    kernel.set_arg(0, buffer)
    cl.enqueue_nd_range_kernel(queue, kernel, (16,), None)
    queue.finish()
    shares = bool((host == 1).all())
    found = np.empty(16, np.int32)
    cl.enqueue_copy(queue, found, buffer)
    if not (found == 1).all():
        raise RuntimeError("a kernel that adds 1 gave a wrong result")
    return shares


def say(**what: Any) -> None:
    """One line, at once: the next step may end the process."""
    print(json.dumps(what), flush=True)


def main(skipped: list[str]) -> None:
    """Tries the devices of every platform."""
    warnings.simplefilter("ignore")
    try:
        platforms = cl.get_platforms()
    except cl.Error:  # there are none
        return
    for i, platform in enumerate(platforms):
        try:
            devices = platform.get_devices()
        except cl.Error:  # a platform without devices
            continue
        for j, device in enumerate(devices):
            at = f"{i}.{j}"
            known = {"at": at, "platform": platform.name, "version": platform.version, "name": device.name}
            if at in skipped or "all" in skipped:
                continue
            say(**known)
            try:
                say(**known, shares=attempt(device), problem="")
            except Exception as error:
                lines = [line for line in str(error).splitlines() if line.strip()]
                say(**known, shares=False, problem=" ".join(lines[:6])[:600] or type(error).__name__)


if __name__ == "__main__":
    main(sys.argv[1:])
