# SPDX-License-Identifier: Apache-2.0
"""Kernels as functions of a shared library: C source, the system's compiler, ctypes."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from candelabra import _errors
from candelabra.compiler import cache, debug
from candelabra.compiler.c_renderer import CRenderer
from candelabra.compiler.ir import SIZES, Buffer, Kernel, Target

FLAGS = [
    "-O2",
    "-ftree-vectorize",
    "-march=native",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-w",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-strict-aliasing",
    "-fopenmp-simd",
]
"""Arithmetic stays IEEE 754: nothing is contracted, and only sums that say so are reordered (`omp simd`)."""

TARGET = Target("cc", rows=True, width_bytes=32)
RENDERER = CRenderer()

CTYPES = {
    "b1": ctypes.c_uint8, "i8": ctypes.c_int8, "u8": ctypes.c_uint8, "i16": ctypes.c_int16, "u16": ctypes.c_uint16,
    "i32": ctypes.c_int32, "u32": ctypes.c_uint32, "i64": ctypes.c_int64, "u64": ctypes.c_uint64,
    "f32": ctypes.c_float, "f64": ctypes.c_double,
}  # fmt: skip

Launch = Callable[[int, Sequence[Any], int], None]


def compiler() -> str:
    """The C compiler: the variable `CC`, else the first of cc, gcc and clang on the path.

    Raises:
        PluginError: there is none.
    """
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and (path := shutil.which(name)):
            return path
    raise _errors.PluginError('device "cc": needs a C compiler, found none on the path; install gcc or set CC')


@functools.cache
def version(path: str) -> str:
    """What a compiler says of itself and of the processor it makes code for."""
    asked = [path, "-march=native", "-E", "-v", "-x", "c", os.devnull]
    return path + subprocess.run(asked, capture_output=True, text=True).stderr


def compile_c(source: str, kernel: str) -> bytes:
    """The shared library made of C source.

    Args:
        kernel: name for messages.

    Raises:
        CompileError: the compiler refused; the message has its complaint.
    """
    with tempfile.TemporaryDirectory() as folder:
        text, made = Path(folder, "kernels.c"), Path(folder, "kernels.so")
        text.write_text(source, encoding="utf-8")
        command = [compiler(), *FLAGS, str(text), "-o", str(made), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if done.returncode:
            raise _errors.CompileError(f"{kernel}: the C compiler must take its source, got {done.stderr.strip()}")
        return made.read_bytes()


def load(library: bytes) -> ctypes.CDLL:
    """A shared library from its bytes; its file is gone once the process has it mapped."""
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(library)
        file.flush()
        return ctypes.CDLL(file.name)


def build(kernels: Sequence[Kernel]) -> list[Launch]:
    """One library of several kernels, as functions `launch(count, args, index)`."""
    source = RENDERER.program(kernels)
    key = "\0".join((version(compiler()), *FLAGS, source.text))
    start, found = time.perf_counter(), cache.get(key)
    made = compile_c(source.text, kernels[0].name) if found is None else found
    if found is None:
        cache.put(key, made)
    took, origin = (time.perf_counter() - start) / len(kernels), "compiled" if found is None else "disk"
    for kernel in kernels:
        debug.report(kernel.name, "cc", took, origin, functools.partial(str, kernel), lambda: source.text)
    library = load(made)
    return [_launcher(getattr(library, entry), k) for entry, k in zip(source.entries, kernels, strict=True)]


def _launcher(function: Any, kernel: Kernel) -> Launch:
    buffers = [(at, SIZES[p.type]) for at, p in enumerate(kernel.params) if isinstance(p, Buffer)]
    function.restype = None
    function.argtypes = [
        *(ctypes.c_void_p if isinstance(p, Buffer) else CTYPES[p.type] for p in kernel.params),
        ctypes.c_int64,
        ctypes.c_int64,
    ]

    def launch(count: int, args: Sequence[Any], index: int) -> None:
        given = list(args)
        for at, size in buffers:
            block, offset = given[at]
            given[at] = block.address + offset * size
        function(*given, 0, count)

    return launch
