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

LANES = 16
"""Turns of a loop that processors take as one: floats of the widest vectors there are; narrower ones take them in parts."""

AT_ONCE = ((64, 4), (160, 2))
"""(values in a loop at most, how many such steps are under way at once), which hides how long each takes. Longer loops have
work enough in one, and would take long to build."""

INSTRUCTIONS = frozenset(("fma", "sqrt", "fabs", "copysign", "floor", "ceil", "trunc", "rint"))
"""Functions that are one instruction of a processor."""

ALONE = """\
#ifdef __has_attribute
#if __has_attribute(intel_vec_len_hint)
#define ALONE __attribute__((reqd_work_group_size(1, 1, 1), intel_vec_len_hint(1)))
#endif
#endif
#ifndef ALONE
#define ALONE __attribute__((reqd_work_group_size(1, 1, 1)))
#endif
"""
"""Groups of one item. Intel's compiler would write every kernel for several at once as well, at several times the cost."""

VECTORS = {f"{t}x{n}": f"{SCALARS[t]}{n}" for t in ("f32", "f64", "u8", "u16", "u32", "u64") for n in (2, 4, 8, 16)}
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
        if " ALONE " in text:
            text = ALONE + text
        used = [name for word, name in EXTENSIONS.items() if re.search(word, text)]
        return "".join(f"#pragma OPENCL EXTENSION {name} : enable\n" for name in used) + text

    def signature(self, kernel: Kernel, entry: str, params: list[str]) -> str:
        group = kernel.work.group
        if self.chunks and group == 1:
            params = [*params, "long chunk"]
        fixed = (
            f" __attribute__((reqd_work_group_size({group}, 1, 1)))" if group > 1 else " ALONE" if self.chunks else ""
        )
        if self.chunks:
            fixed += f" __attribute__((min_vector_width({32 * LANES})))"
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
            *([] if has_loops(work) else self.loop_hints(work, [])),
            f"for (long {index} = begin; {index} < end; ++{index}) {{",
        ], ["}"]

    def loop_hint(self, reductions: Sequence[str]) -> list[str]:
        return ["#pragma clang loop vectorize(assume_safety)"] if self.chunks else []

    def loop_hints(self, loop: ir.For | Work, reductions: Sequence[str]) -> list[str]:
        # PoCL's LLVM takes half a vector and one step at a time for processors newer than itself.
        width = self._width(loop)
        return [f"{line} {width}".rstrip() for line in self.loop_hint(reductions)]

    def reduction_hints(self, loop: ir.For) -> list[str]:
        width = self._width(loop) if self.chunks else ""
        return [f"#pragma clang loop {width}"] if width else []

    def _width(self, loop: ir.For | Work) -> str:
        """How wide a loop over neighbours is to be; nothing for other loops, whose elements the compiler may better take
        one by one."""
        items = loop.body.items
        if any(isinstance(i, (ir.If, ir.For, ir.While)) or (isinstance(i, ir.Value) and "x" in i.type) for i in items):
            return ""
        if not _walks_neighbours(loop):
            return ""
        values = sum(isinstance(i, ir.Value) for i in items)
        steps = next((n for most, n in AT_ONCE if values <= most), 1)
        return f"vectorize_width({LANES}) interleave_count({steps})"

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

    def shuffle(self, type: str, a: str, b: str, picks: Sequence[int]) -> str:
        n = int(type.partition("x")[2])
        return f"({self.types[type]})({', '.join(f'{(a, b)[i // n]}.s{i % n:x}' for i in picks)})"

    def exchange(self, type: str, pointer: str, seen: str, new: str) -> str:
        return f"{'atom' if type == 'u64' else 'atomic'}_cmpxchg({pointer}, {seen}, {new})"

    def peek(self, type: str, pointer: str) -> str:
        return self.exchange(type, pointer, "0", "0")

    def added(self, type: str, pointer: str, value: str) -> str | None:
        if not ir.is_int(type):
            return None
        return f"{'atom' if ir.bits(type) == 64 else 'atomic'}_add({pointer}, {value})"


def _walks_neighbours(loop: ir.For | Work) -> bool:
    """Whether all memory of a loop is read and written at neighbouring places, or at one."""
    moves = {id(loop.index)}
    places = []
    for item in loop.body.items:
        if isinstance(item, ir.Value):
            if any(id(a) in moves for a in item.args):
                moves.add(id(item))
            if item.op in ("load", "vector"):
                places.append(item.args[0])
        elif isinstance(item, ir.Store):
            places.append(item.index)
    return all(
        id(p) not in moves or p is loop.index or (p.op == "add" and loop.index in p.args and not _both(p, moves))
        for p in places
    )


def _both(place: ir.Value, moves: set[int]) -> bool:
    return all(id(a) in moves for a in place.args)


def has_loops(work: Work) -> bool:
    """Whether a work item has loops of its own, whose turns no count of work items tells."""

    def inside(items: Sequence[object]) -> bool:
        return any(
            isinstance(i, (ir.For, ir.While))
            or (isinstance(i, ir.If) and (inside(i.then.items) or inside(i.otherwise.items)))
            for i in items
        )

    return inside(work.body.items)
