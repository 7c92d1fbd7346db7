# SPDX-License-Identifier: Apache-2.0
"""OpenCL C 1.2, as every runtime takes it; float64 and 64-bit atomics by extension.

Two flavours. Graphics cards run a work item of the kernel language as one of OpenCL's. CPU runtimes differ in what they
vectorize (Intel's fuses neighbouring work items, PoCL gives up at the guard against the end), but all of them vectorize
loops well when a work-group is one item: there an item is a loop over a `chunk` of the kernel's work items.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from candelabra.compiler import ir
from candelabra.compiler.c_renderer import CRenderer
from candelabra.compiler.ir import Kernel, Work

EXTENSIONS = {r"\bdouble\b": "cl_khr_fp64", r"\batom_add\b": "cl_khr_int64_base_atomics",
              r"\batom_cmpxchg\b": "cl_khr_int64_extended_atomics"}  # fmt: skip
"""Extensions by the words that need them."""

SCALARS = {
    "b1": "bool", "i8": "char", "u8": "uchar", "i16": "short", "u16": "ushort", "i32": "int", "u32": "uint",
    "i64": "long", "u64": "ulong", "f32": "float", "f64": "double",
}  # fmt: skip
"""Names of numbers."""

INSTRUCTIONS = frozenset(("fma", "sqrt", "fabs", "copysign", "floor", "ceil", "trunc", "rint"))
"""Functions that are one instruction of a processor."""

VECTORS = {f"{t}x{n}": f"{word}{n}" for t, word in (("f32", "float"), ("f64", "double")) for n in (2, 4, 8, 16)}
"""Names of values of several neighbours."""


class OpenCLRenderer(CRenderer):
    """Kernels as OpenCL C.

    Attributes:
        chunks: each OpenCL work item is a loop over `chunk` work items, the last parameter of every kernel; its
            work-groups are one item.
    """

    name = "opencl"
    types: Mapping[str, str] = {**SCALARS, **VECTORS}
    memory: Mapping[str, str] = {**SCALARS, "b1": "uchar", "f16": "ushort", "bf16": "ushort"}
    spaces: Mapping[str, str] = {"global": "__global", "shared": "__local", "private": ""}
    suffixes: Mapping[str, str] = {"u32": "u", "i64": "l", "u64": "ul"}
    offsets = True
    inline = "static inline"
    prologue = "#pragma OPENCL FP_CONTRACT OFF\n"

    def __init__(self, chunks: bool) -> None:
        self.chunks = chunks

    def complete(self, text: str) -> str:
        used = [name for word, name in EXTENSIONS.items() if re.search(word, text)]
        return "".join(f"#pragma OPENCL EXTENSION {name} : enable\n" for name in used) + text

    def signature(self, kernel: Kernel, entry: str, params: list[str]) -> str:
        group = kernel.work.group
        if self.chunks and group == 1:
            params = [*params, "long chunk"]
        fixed = f" __attribute__((reqd_work_group_size({group}, 1, 1)))" if self.chunks or group > 1 else ""
        return f"__kernel{fixed} void {entry}({', '.join(params)})"

    def work(self, work: Work, index: str, lane: str, count: str) -> tuple[list[str], list[str]]:
        if work.group > 1:
            number = f"const long {index} = (long)get_group_id(0);"
            return [number, f"const long {lane} = (long)get_local_id(0);"], []
        if not self.chunks:
            return [f"const long {index} = (long)get_global_id(0);", f"if ({index} < {count}) {{"], ["}"]
        return [
            "const long begin = (long)get_global_id(0) * chunk;",
            f"const long end = min(begin + chunk, (long){count});",
            *([] if has_loops(work) else self.loop_hint([])),
            f"for (long {index} = begin; {index} < end; ++{index}) {{",
        ], ["}"]

    def loop_hint(self, reductions: Sequence[str]) -> list[str]:
        return ["#pragma clang loop vectorize(assume_safety)"] if self.chunks else []

    def serial_hint(self) -> list[str]:
        # Intel's vectorizer takes float sums apart in any loop it may touch, whatever the options say.
        return ["#pragma clang loop vectorize(disable)"] if self.chunks else []

    def accumulate(self, var: str, value: str, type: str, reassoc: bool) -> str:
        added = super().accumulate(var, value, type, reassoc)
        if not (self.chunks and reassoc and ir.is_float(type)):
            return added
        return f'{{ _Pragma("clang fp reassociate(on)") {added} }}'

    def barrier(self) -> str:
        return "barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);"

    def bitcast(self, a: str, source: str, type: str) -> str:
        return f"as_{self.types[type]}({a})"

    def function(self, name: str, type: str) -> str:
        # Loops with calls of the runtimes' own stay scalar; the compiler knows its own as instructions.
        if name in INSTRUCTIONS and self.chunks and type in ("f32", "f64"):
            return f"__builtin_{name}f" if type == "f32" else f"__builtin_{name}"
        return name

    def load_vector(self, type: str, space: str, pointer: str, index: str) -> str:
        return f"vload{type.partition('x')[2]}(0, {pointer} + {index})"

    def store_vector(self, type: str, space: str, pointer: str, index: str, value: str) -> str:
        return f"vstore{type.partition('x')[2]}({value}, 0, {pointer} + {index});"

    def exchange(self, type: str, pointer: str, seen: str, new: str) -> str:
        return f"{'atom' if type == 'u64' else 'atomic'}_cmpxchg({pointer}, {seen}, {new})"

    def peek(self, type: str, pointer: str) -> str:
        return self.exchange(type, pointer, "0", "0")

    def added(self, type: str, pointer: str, value: str) -> str | None:
        if not ir.is_int(type):
            return None
        return f"{'atom' if ir.bits(type) == 64 else 'atomic'}_add({pointer}, {value})"


def has_loops(work: Work) -> bool:
    """Whether a work item has loops of its own, whose turns no count of work items tells."""

    def inside(items: Sequence[object]) -> bool:
        return any(
            isinstance(i, (ir.For, ir.While))
            or (isinstance(i, ir.If) and (inside(i.then.items) or inside(i.otherwise.items)))
            for i in items
        )

    return inside(work.body.items)
