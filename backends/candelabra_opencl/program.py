# SPDX-License-Identifier: Apache-2.0
"""Programs: OpenCL C built for a device, kept on disk between processes.

A build costs a runtime a fixed share and one for each kernel (Intel 30 ms + 6 ms; PoCL 100 ms, and 45 ms when a kernel first
runs), so kernels that are likely to follow each other are built as one program.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

import pyopencl as cl
from pyopencl import _cl

from candelabra._errors import CompileError
from candelabra.compiler import cache, debug
from candelabra.compiler.c_renderer import CRenderer, Source
from candelabra.compiler.ir import Kernel
from candelabra_loops.building import explained

from .runtimes import host

AT_LINE = (re.compile(r":(\d+):\d+:\s*(?:fatal )?error:\s*(.*)"), re.compile(r"error:.*?:(\d+):\d+:\s*(.*)"))
"""How compilers say where an error is: "1:12:5: error: what", or "error: file.cl:12:5: what"."""


UNOPTIMIZED = "-cl-opt-disable"
"""Option for kernels of few elements: Intel builds them in a third of the time; PoCL takes no less."""


class Programs:
    """Builds programs for one device.

    Attributes:
        keeps: the runtime keeps what it compiled by itself, and would have to compile more to give it out.
    """

    def __init__(self, context: Any, device: Any, renderer: CRenderer, options: str, label: str) -> None:
        self.context = context
        self.device = device
        self.renderer = renderer
        self.options = options
        self.label = label
        self.keeps = "portable computing language" in device.platform.name.lower()
        said = (device.platform.name, device.platform.version, device.name, device.driver_version, options, host())
        self.identity = hashlib.sha256("\0".join(said).encode()).hexdigest()

    def build(self, kernels: Sequence[Kernel]) -> list[Any]:
        """PyOpenCL's kernels, from one program.

        Raises:
            CompileError: the device's compiler refused; the message has kernel, source line and log.
        """
        source = self.renderer.program(kernels)
        start = time.perf_counter()
        options = f"{self.options} {UNOPTIMIZED}" if all(k.brief for k in kernels) and not self.keeps else self.options
        program, origin = self.program(source, options)
        took = (time.perf_counter() - start) / len(kernels)
        for kernel in kernels:
            debug.report(kernel.name, "opencl", took, origin, functools.partial(str, kernel), lambda: source.text)
        return [_cl.Kernel(program, entry) for entry in source.entries]

    def program(self, source: Source, options: str) -> tuple[Any, str]:
        """A built program, and whether it was "compiled" or came from "disk"."""
        if self.keeps:
            return self._compiled(source, options), "compiled"
        key = f"opencl {self.identity} {options} {source.text}"
        binary = cache.get(key)
        if binary is not None:
            try:
                return self._built(_cl._Program(self.context, [self.device], [binary]), options), "disk"
            except cl.Error:  # of another version of the runtime, that calls itself the same
                pass
        program = self._compiled(source, options)
        cache.put(key, program.get_info(cl.program_info.BINARIES)[0])
        return program, "compiled"

    def _built(self, program: Any, options: str) -> Any:
        # PyOpenCL's Program.build would warn of every note in a compiler's log.
        program._build(options.encode(), [self.device])
        return program

    def _compiled(self, source: Source, options: str) -> Any:
        program = _cl._Program(self.context, source.text)
        try:
            return self._built(program, options)
        except cl.Error as error:
            log = str(program.get_build_info(self.device, cl.program_build_info.LOG)).strip()
            said = log or str(error)
            raise CompileError(explained(f"opencl: {self.label}", source.text, said, AT_LINE)) from error
