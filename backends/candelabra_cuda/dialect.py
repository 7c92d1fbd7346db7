# SPDX-License-Identifier: Apache-2.0
"""CUDA C++ as NVRTC takes it, without any header: 16-bit floats are told by their bits and converted by PTX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from candelabra.compiler import ir
from candelabra.compiler.c_renderer import CRenderer
from candelabra.compiler.ir import Buffer, Kernel, Target, Work

BLOCK = 256
"""Threads of a block."""

TURNS = 4
"""Work items of a thread of a short kernel: their loads are under way at once, which hides how long memory takes."""

SHORT = 64
"""Values in the body of a kernel that counts as short; longer ones are limited by arithmetic, and take long to build."""

PARTS = 512
"""Parts of a long line: as many blocks keep every multiprocessor busy, and few are as cheap to add up."""

ERRORS = {
    "f32": {
        "exp": 2, "exp2": 2, "expm1": 1, "log": 1, "log2": 1, "log10": 2, "log1p": 1, "sin": 2, "cos": 2, "asin": 2,
        "acos": 2, "atan": 2, "atan2": 3, "sinh": 3, "cosh": 2, "tanh": 2, "asinh": 3, "atanh": 3, "erf": 2,
        "erfinv": 2, "hypot": 3, "fmod": 0,
    },
    "f64": {
        "exp": 1, "exp2": 1, "expm1": 1, "log": 1, "log2": 1, "log10": 1, "log1p": 1, "sin": 2, "cos": 2, "tan": 2,
        "asin": 2, "acos": 2, "atan": 2, "atan2": 2, "sinh": 2, "cosh": 2, "tanh": 2, "asinh": 3, "acosh": 3, "atanh": 2,
        "erf": 2, "hypot": 2, "pow": 2, "fmod": 0,
    },
}  # fmt: skip
"""Functions of CUDA's own that kernels call, with the most units in the last place that they err by.

Source: NVIDIA, CUDA C++ Programming Guide, mathematical functions, maximum errors over the full range. Functions with larger ones
(tanf and acoshf 4, powf 4 to 8 by release, erfcf 4, lgammaf 6 and more) are left to the compiler's formulas.
"""

NATIVES = frozenset((name, type) for type, names in ERRORS.items() for name in names)

GENERAL = 2048
"""Elements below which one kernel serves all layouts: NVRTC takes some 60 ms for a kernel."""

TARGET = Target("cuda", natives=NATIVES, group=BLOCK, parts=PARTS, general=GENERAL)


def is_short(work: Work) -> bool:
    """Whether a thread takes several work items."""
    items = work.body.items
    plain = all(isinstance(i, (ir.Value, ir.Store, ir.Declare, ir.Assign, ir.Accumulate)) for i in items)
    return work.group == 1 and plain and len(items) <= SHORT


def items_of_block(kernel: Kernel) -> int:
    """Work items (groups of them, where they come in groups) that one block takes."""
    if kernel.work.group > 1:
        return 1
    return BLOCK * TURNS if is_short(kernel.work) else BLOCK


class CUDARenderer(CRenderer):
    """Kernels as CUDA C++.

    Read-only memory is `__restrict__`: no kernel of the compiler writes what it reads through another parameter, but for
    elements that the same work item has read before.
    """

    name = "cuda"
    types: Mapping[str, str] = {
        "b1": "bool", "i8": "signed char", "u8": "unsigned char", "i16": "short", "u16": "unsigned short",
        "i32": "int", "u32": "unsigned int", "i64": "long long", "u64": "unsigned long long", "f32": "float",
        "f64": "double",
    }  # fmt: skip
    memory: Mapping[str, str] = {**types, "b1": "unsigned char", "f16": "unsigned short", "bf16": "unsigned short"}
    spaces: Mapping[str, str] = {"global": "", "shared": "__shared__", "private": ""}
    suffixes: Mapping[str, str] = {"u32": "u", "i64": "ll", "u64": "ull"}
    natives = NATIVES
    prologue = ""
    inline = "static __device__ __forceinline__"

    def signature(self, kernel: Kernel, entry: str, params: list[str]) -> str:
        threads = kernel.work.group if kernel.work.group > 1 else BLOCK
        return f'extern "C" __global__ void __launch_bounds__({threads}) {entry}({", ".join(params)})'

    def pointer(self, buffer: Buffer) -> str:
        memory = self.memory[buffer.type]
        return f"{memory}*" if buffer.written else f"const {memory}* __restrict__"

    def work(self, work: Work, index: str, lane: str, count: str) -> tuple[list[str], list[str]]:
        if work.group > 1:
            number = f"const long long {index} = (long long)blockIdx.x;"
            return [number, f"const long long {lane} = (long long)threadIdx.x;"], []
        if not is_short(work):
            at = f"(long long)blockIdx.x * {BLOCK} + (long long)threadIdx.x"
            return [f"const long long {index} = {at};", f"if ({index} < {count}) {{"], ["}"]
        # Blocks that are full run all turns without a look at the end, so that their loads can go ahead of all stores.
        last = BLOCK * (TURNS - 1)
        return [f"const auto cb_item = [&](const long long {index}) {{"], [
            "};",
            f"const long long cb_first = (long long)blockIdx.x * {BLOCK * TURNS} + (long long)threadIdx.x;",
            f"if (cb_first + {last} < {count}) {{",
            "    #pragma unroll",
            f"    for (int cb_turn = 0; cb_turn < {TURNS}; ++cb_turn) cb_item(cb_first + cb_turn * {BLOCK});",
            "} else {",
            "    #pragma unroll 1",
            f"    for (long long cb_i = cb_first; cb_i < {count}; cb_i += {BLOCK}) cb_item(cb_i);",
            "}",
        ]  # fmt: skip

    def loop_hint(self, reductions: Sequence[str]) -> list[str]:
        return []

    def barrier(self) -> str:
        return "__syncthreads();"

    def _float(self, number: float, type: str) -> str:
        if number - number == 0:
            return super()._float(number, type)
        if type == "f32":
            bits = "7fc00000" if number != number else "7f800000" if number > 0 else "ff800000"
            return f"__int_as_float(0x{bits})"
        bits = "7ff8" if number != number else "7ff0" if number > 0 else "fff0"
        return f"__longlong_as_double(0x{bits}{'0' * 12}ll)"

    def bitcast(self, a: str, source: str, type: str) -> str:
        match source, type:
            case "f32", "i32":
                return f"__float_as_int({a})"
            case "f32", "u32":
                return f"__float_as_uint({a})"
            case "i32", "f32":
                return f"__int_as_float({a})"
            case "u32", "f32":
                return f"__uint_as_float({a})"
            case "f64", _:
                bits = f"__double_as_longlong({a})"
                return bits if type == "i64" else f"({self.types['u64']}){bits}"
            case _, "f64":
                return f"__longlong_as_double({a if source == 'i64' else f'(long long){a}'})"
        return super().bitcast(a, source, type)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _from_f16(self) -> str:
        return (
            f"{self.inline} float cb_from_f16(unsigned short bits) {{\n"
            "    float x;\n"
            '    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));\n'
            "    return x;\n}\n"
        )

    def _to_f16(self) -> str:
        return (
            f"{self.inline} unsigned short cb_to_f16(float x) {{\n"
            "    unsigned short bits;\n"
            '    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));\n'
            "    return bits;\n}\n"
        )

    def _to_bf16(self) -> str:
        plain = super()._to_bf16().splitlines()
        return "\n".join(
            [
                plain[0],
                "#if __CUDA_ARCH__ >= 800",
                "    unsigned short bits;",
                '    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));',
                "    return bits;",
                "#else",
                *plain[1:-1],
                "#endif",
                "}\n",
            ]
        )

    def exchange(self, type: str, pointer: str, seen: str, new: str) -> str:
        return f"atomicCAS(({self.types[type]}*){pointer}, {seen}, {new})"

    def added(self, type: str, pointer: str, value: str) -> str | None:
        if type == "i64":  # two's complement: the same bits
            return f"atomicAdd((unsigned long long*){pointer}, (unsigned long long){value})"
        return f"atomicAdd(({self.types[type]}*){pointer}, {value})"
