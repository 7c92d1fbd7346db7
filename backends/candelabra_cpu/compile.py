# SPDX-License-Identifier: Apache-2.0
"""Kernels of the compiler as callables on this processor.

    add = compiled(kernel)
    add.run((x, y, out, n), count=n)      # NumPy arrays and numbers, in the order of Kernel.params

A kernel is compiled once a process, and once a machine for as long as the disk cache keeps it (`candelabra.compiler.cache`).
Calls go through `threads.launcher`: about 0.05 us for three arrays and a size, on all threads where there is work for them.
"""

from __future__ import annotations

import functools
import platform
import threading
import time
from collections.abc import Sequence
from typing import Any

from candelabra._errors import CompileError
from candelabra._threads import get_num_threads
from candelabra.compiler import debug, ir

from . import llvm, native, threads

CHUNK_NS = 15_000
"""Work worth a thread: waking one takes about as long."""

PIECES = 16
"""Pieces for each thread that much work is cut into: each begins with caches and prefetching that know nothing of it."""

_STREAM_NS, _VALUE_NS = 0.1, 0.005  # an element's way through memory, and a vectorized op on it, at 512 bits

_lock = threading.Lock()
_compiled: dict[str, CompiledKernel] = {}


@functools.cache
def target() -> ir.Target:
    """This processor, as lowerings see it. At 512 bits it has an instruction that scales by powers of two."""
    own = frozenset([("ldexp", "f32"), ("ldexp", "f64")] if native.vector_bits() == 512 else [])
    fma = native.has_feature("fma") or platform.machine().lower() in ("aarch64", "arm64")
    return ir.Target("llvm", rows=True, natives=own, fma=fma, width_bytes=native.vector_bits() // 8)


def compiled(kernel: ir.Kernel) -> CompiledKernel:
    """The callable of a kernel; equal kernels share one.

    Raises:
        CompileError: the kernel is not one for CPUs, or LLVM refuses it.
    """
    key = kernel.key()
    found = _compiled.get(key)
    if found is None:
        made = CompiledKernel(kernel)
        with _lock:
            found = _compiled.setdefault(key, made)
    return found


class CompiledKernel:
    """A kernel as machine code.

    Attributes:
        kernel: what it was made from.
        address: of `void f(int64 *args, int64 begin, int64 end)`, see `llvm`.
        sizes: bytes of an element of each buffer, 0 for other parameters.
        grain: elements worth a thread of their own, by an estimate of what one costs.
    """

    def __init__(self, kernel: ir.Kernel) -> None:
        if len(kernel.params) > threads.MAX_ARGS:
            raise CompileError(
                f"kernel {kernel.name}: takes at most {threads.MAX_ARGS} parameters, got {len(kernel.params)}"
            )
        began = time.perf_counter()
        self.kernel = kernel
        self.grain = _grain(kernel)
        render = functools.partial(llvm.render, kernel, native.converts_half())
        functions, origin = native.load(f"kernel {kernel.name}", f"kernel {kernel.key()}", render)
        spent = time.perf_counter() - began
        self.address = functions[llvm.symbol(kernel)]
        self.sizes = tuple([ir.SIZES[p.type] if isinstance(p, ir.Buffer) else 0 for p in kernel.params])
        self._launch = threads.launcher()
        self._numbers = tuple(
            (k, p.type) for k, p in enumerate(kernel.params) if isinstance(p, ir.Value) and p.type != "i64"
        )
        if origin != "memory":
            debug.report(kernel.name, "cpu", spent, origin, kernel.__str__, render)

    def run(self, args: Sequence[Any], count: int, each: int = 1) -> None:
        """Runs work items 0 to `count`, and returns when all are done.

        Args:
            args: a NumPy array (its data pointer is passed: nothing is checked) or address for each buffer, a number
                for each other parameter, an int for those of i64, in the order of `Kernel.params`.
            each: elements that one item does, as the length of a row; decides how many threads take part.
        """
        if debug.watchers:
            debug.launched("cpu", self.kernel)
        if self._numbers:
            args = self._fitted(args)
        grain = self.grain // (each or 1) or 1
        if count > PIECES * grain:
            grain = max(grain, count // (PIECES * get_num_threads()))
        self._launch(self.address, count, grain, *args)

    def _fitted(self, args: Sequence[Any]) -> Sequence[Any]:
        """Numbers as the types by which `launch` tells bits of a float64 from integers."""
        fitted = list(args)
        for k, type in self._numbers:
            if ir.is_float(type):
                fitted[k] = float(fitted[k])
            else:
                number = int(fitted[k])
                fitted[k] = number - (1 << 64) if number >= 1 << 63 else number
        return fitted


def _grain(kernel: ir.Kernel) -> int:
    return int(CHUNK_NS / (_STREAM_NS + _VALUE_NS * _values(kernel.work.body)))


def _values(block: ir.Block) -> int:
    """Ops of the largest stretch of code, which is what runs for each element."""
    own = 0
    inner = [0]
    for item in block.items:
        match item:
            case ir.Value():
                own += 8 if item.op in ("div", "idiv", "irem", "sqrt") else 1
            case ir.For():
                inner.append(_values(item.body))
            case ir.While():
                inner.append(_values(item.test) + _values(item.body))
            case ir.If():
                own += _values(item.then) + _values(item.otherwise)
            case _:
                own += 1
    return max(own, *inner)
