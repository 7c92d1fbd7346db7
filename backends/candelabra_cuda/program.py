# SPDX-License-Identifier: Apache-2.0
"""Programs: CUDA C++ built by NVRTC, kept on disk between processes. Building needs no GPU, only its architecture.

Code is made for the very chip (`sm_90`); where NVRTC does not know it yet, PTX for the newest it knows, which the driver
finishes. Arithmetic is IEEE 754 as the kernel language asks: no contraction, no flushing, correct division and roots.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from cupy.cuda.function import Module
from cupy_backends.cuda.libs import nvrtc

from candelabra._errors import CompileError
from candelabra.compiler import cache, debug
from candelabra.compiler.c_renderer import Source
from candelabra.compiler.ir import Kernel
from candelabra_loops.building import explained

from .dialect import CUDARenderer

OPTIONS = (
    "--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--device-as-default-execution-space",
)  # fmt: skip

AT_LINE = (re.compile(r"\((\d+)\): (?:catastrophic )?error(?: #[\w-]+)?: (.*)"),)
"""How NVRTC says where an error is: "kernels.cu(12): error: what"."""

RENDERER = CUDARenderer()


def compile_source(source: str, arch: str) -> bytes:
    """Machine code (for `sm_...`) or PTX (for `compute_...`) of a program.

    Raises:
        CompileError: NVRTC refused; the message has kernel, source line and log.
    """
    program = nvrtc.createProgram(source, "kernels.cu", [], [])
    try:
        nvrtc.compileProgram(program, [f"--gpu-architecture={arch}", *OPTIONS])
        if arch.startswith("sm_"):
            return bytes(nvrtc.getCUBIN(program))
        text = nvrtc.getPTX(program)
        return text if isinstance(text, bytes) else text.encode()
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip() or str(error)
        raise CompileError(explained(f"cuda: NVRTC, for {arch},", source, log, AT_LINE)) from error
    finally:
        nvrtc.destroyProgram(program)


@functools.cache
def version() -> str:
    """NVRTC's version, "13.5"."""
    return ".".join(map(str, nvrtc.getVersion()))


def arch_for(capability: int) -> str:
    """What to compile for on chips of a compute capability (90 for 9.0)."""
    known = sorted(int(a) for a in nvrtc.getSupportedArchs())
    if capability in known:
        return f"sm_{capability}"
    return f"compute_{max(a for a in known if a <= capability)}"


def built(kernels: Sequence[Kernel], arch: str) -> tuple[Source, bytes]:
    """The program of several kernels, and its code from the cache or NVRTC."""
    start = time.perf_counter()
    source = RENDERER.program(kernels)
    key = "\0".join(("cuda", version(), arch, *OPTIONS, source.text))
    code = cache.get(key)
    origin = "compiled" if code is None else "disk"
    if code is None:
        code = compile_source(source.text, arch)
        cache.put(key, code)
    took = (time.perf_counter() - start) / len(kernels)
    for kernel in kernels:
        debug.report(kernel.name, "cuda", took, origin, functools.partial(str, kernel), lambda: source.text)
    return source, code


def functions(kernels: Sequence[Kernel], arch: str) -> list[Any]:
    """CuPy's functions of kernels, loaded on the current device."""
    source, code = built(kernels, arch)
    module = Module()
    module.load(code)
    get: Callable[[str], Any] = module.get_function
    return [get(entry) for entry in source.entries]
