# SPDX-License-Identifier: Apache-2.0
"""Kernels as C source: one renderer, whose dialects replace small tables and methods.

`CRenderer` itself speaks C99 as GCC and Clang know it. A kernel becomes a function over a range of its work items:

    void add_f32(const float* x, const float* y, float* out, int64_t n, int64_t begin, int64_t end)

A dialect (OpenCL, CUDA, another compiler's C) is a subclass that names the types, says how a kernel begins, how work
items are numbered, and which words its functions, atomics and barriers have. Helpers (`cb_...`: 16-bit floats, atomic
additions) are written from those words, and only the ones a program uses are part of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._errors import CompileError
from . import ir
from .ir import Block, Buffer, Kernel, Value, Work

SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "idiv": "/", "irem": "%", "and": "&", "or": "|", "xor": "^",
    "shl": "<<", "shr": ">>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}  # fmt: skip
FUNCTIONS = frozenset(("sqrt", "floor", "ceil", "trunc", "rint", "fma", "copysign"))
NARROW = ("b1", "i8", "u8", "i16", "u16", "f16", "bf16")

WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        auto break case char const continue default do double else enum extern float for goto if inline int long register
        restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true
        false half uchar ushort uint ulong size_t kernel global local constant private begin end chunk min max barrier
        NULL INFINITY NAN asm class delete new operator template this throw try catch using namespace virtual mutable
        friend
        """,
    )
)
"""Words of the dialects that no parameter may be called; such parameters get an underscore."""


@dataclass(frozen=True)
class Source:
    """A program: its text, and the names of its functions in order of the kernels."""

    text: str
    entries: tuple[str, ...]


class CRenderer:
    """C for GCC and Clang; the base of all dialects.

    Attributes:
        name: of the dialect.
        types: C's names of the types values have.
        memory: those of the types memory has; 16-bit floats are told by their bits.
        spaces: qualifiers of memory: `global`, `shared`, `private`.
        suffixes: of integer literals, by type.
        offsets: each buffer is followed by an `int64` parameter, the offset of its first element, for devices whose
            pointers the host cannot move.
        natives: (function, type) pairs of the dialect's own library that kernels may call.
        prologue: what every program begins with.
        inline: qualifiers of helper functions.
    """

    name = "c"
    types: Mapping[str, str] = {
        "b1": "bool", "i8": "int8_t", "u8": "uint8_t", "i16": "int16_t", "u16": "uint16_t", "i32": "int32_t",
        "u32": "uint32_t", "i64": "int64_t", "u64": "uint64_t", "f32": "float", "f64": "double",
    }  # fmt: skip
    memory: Mapping[str, str] = {**types, "b1": "uint8_t", "f16": "uint16_t", "bf16": "uint16_t"}
    spaces: Mapping[str, str] = {"global": "", "shared": "", "private": ""}
    suffixes: Mapping[str, str] = {"u32": "u", "i64": "ll", "u64": "ull"}
    offsets = False
    natives: frozenset[tuple[str, str]] = frozenset()
    prologue = "#include <math.h>\n#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n"
    inline = "static inline"
    indent = "    "

    # -- programs --------------------------------------------------------------------------------------------------

    def program(self, kernels: Sequence[Kernel]) -> Source:
        """One program of several kernels; functions of kernels with the same name are numbered."""
        entries: list[str] = []
        bodies: list[str] = []
        for kernel in kernels:
            entry, number = kernel.name, 1
            while entry in entries:
                number += 1
                entry = f"{kernel.name}_{number}"
            entries.append(entry)
            bodies.append(_Function(self, kernel, entry).text())
        body = "\n".join(bodies)
        text = "\n".join(part for part in (self.prologue, self._helpers(body), body) if part)
        return Source(self.complete(text), tuple(entries))

    def render(self, kernel: Kernel) -> str:
        """The program of one kernel."""
        return self.program([kernel]).text

    def complete(self, text: str) -> str:
        """A program with what its words need before it (extensions to be switched on). Default: as it is."""
        return text

    def _helpers(self, text: str) -> str:
        known = self.helpers()
        wanted: set[str] = set()
        news = {name for name in re.findall(r"\bcb_\w+", text) if name in known}
        while news:
            wanted |= news
            news = {n for w in news for n in re.findall(r"\bcb_\w+", known[w]) if n in known} - wanted
        return "\n".join(source for name, source in known.items() if name in wanted)

    # -- what a kernel begins with, and its work items ----------------------------------------------------------------

    def signature(self, kernel: Kernel, entry: str, params: list[str]) -> str:
        """The head of a function, without its brace."""
        return f"void {entry}({', '.join([*params, 'int64_t begin', 'int64_t end'])})"

    def pointer(self, buffer: Buffer) -> str:
        """Type of a parameter that points to memory."""
        written = "" if buffer.written else "const "
        return self._qualified(buffer.space, f"{written}{self.memory[buffer.type]}*")

    def work(self, work: Work, index: str, lane: str, count: str) -> tuple[list[str], list[str]]:
        """Lines before and after the work; those before may open braces, those after close them.

        Raises:
            CompileError: work items in groups, which a plain function does not have.
        """
        if work.group > 1:
            raise CompileError(f"renderer {self.name!r}: has no groups of work items, got a group of {work.group}")
        hint = [] if any(_blocks(item) for item in work.body.items) else self.loop_hints(work, [])
        return [*hint, f"for (int64_t {index} = begin; {index} < end; ++{index}) {{"], ["}"]

    def loop_hint(self, reductions: Sequence[str]) -> list[str]:
        """Lines before a loop whose turns do not depend on each other but for sums in the variables named."""
        sums = f" reduction(+:{', '.join(reductions)})" if reductions else ""
        return [f"#pragma omp simd{sums}"]

    def loop_hints(self, loop: ir.For | Work, reductions: Sequence[str]) -> list[str]:
        """As `loop_hint`, by what is in the loop. Default: whatever that says."""
        return self.loop_hint(reductions)

    def reduction_hints(self, loop: ir.For) -> list[str]:
        """Lines before a loop that changes nothing but variables, as the search for the greatest element does."""
        return []

    def serial_hint(self) -> list[str]:
        """Lines before a loop whose turns stay in order, one after the other: of `scalar` ones, and where floats are summed,
        for compilers that would take another."""
        return []

    def accumulate(self, var: str, value: str, type: str, reassoc: bool) -> str:
        """Statement that adds to a variable."""
        return f"{var} = {self.binary('add', type, var, value)};"

    def barrier(self) -> str:
        """Statement at which the items of a group meet, with all their writes to shared and global memory seen."""
        raise CompileError(f"renderer {self.name!r}: has no barriers")

    # -- values ----------------------------------------------------------------------------------------------------

    def literal(self, number: Any, type: str) -> str:
        """A constant, exactly."""
        if type == "b1":
            return "true" if number else "false"
        if ir.is_float(type):
            with np.errstate(over="ignore"):
                return self._float(float(np.float32(number)) if type == "f32" else float(number), type)
        lowest = -(1 << (ir.bits(type) - 1))
        if ir.is_signed(type) and number == lowest and ir.bits(type) >= 32:  # C's -n is the negative of a literal n
            return f"({lowest + 1}{self.suffixes.get(type, '')} - 1)"
        text = f"{number}{self.suffixes.get(type, '')}"
        if ir.bits(type) < 32:
            return f"({self.types[type]})({text})" if number < 0 else f"({self.types[type]}){text}"
        return f"({text})" if number < 0 else text

    def _float(self, number: float, type: str) -> str:
        if math.isnan(number):
            return f"({self.types[type]})NAN"
        if math.isinf(number):
            return f"({self.types[type]}){'-' if number < 0 else ''}INFINITY"
        plain = abs(number) < 1e6 and number * 64 == int(number * 64)  # such decimals are exact and read better
        exact = repr(number) if plain else re.sub(r"\.?0*p", "p", number.hex())
        text = f"{exact}f" if type == "f32" else exact
        return f"({text})" if text[0] == "-" else text

    def unary(self, op: str, type: str, a: str) -> str:
        """Expression of an op of one operand."""
        name = self.types[type]
        if op in FUNCTIONS:
            return f"{self.function(op, type)}({a})"
        if ir.is_float(type):
            return f"-{a}" if op == "neg" else f"{self.function('fabs', type)}({a})"
        if op == "not":
            return f"!{a}" if type == "b1" else f"({name})~{a}"
        wide = self._wide(type)
        negative = f"({name})(0 - ({wide}){a})"
        if op == "neg":
            return negative
        return f"({a} < 0 ? {negative} : {a})" if ir.is_signed(type) else a

    def binary(self, op: str, type: str, a: str, b: str) -> str:
        """Expression of an op of two operands, which have one type."""
        if op in FUNCTIONS:
            return f"{self.function(op, type)}({a}, {b})"
        sign = SIGNS[op]
        if ir.is_float(type) or type == "b1":
            return f"{a} {sign} {b}"
        name, wide = self.types[type], self._wide(type)
        if op in ("and", "or", "xor", "idiv", "irem", "shr"):
            return f"{a} {sign} {b}" if ir.bits(type) >= 32 else f"({name})({a} {sign} {b})"
        if wide == name:
            return f"{a} {sign} {b}"
        # Signed overflow is undefined in C, and narrow unsigned operands become signed ints: add as wide unsigned ones.
        return f"({name})(({wide}){a} {sign} {b})" if op == "shl" else f"({name})(({wide}){a} {sign} ({wide}){b})"

    def _wide(self, type: str) -> str:
        return self.types["u64" if ir.bits(type) == 64 else "u32"]

    def compare(self, op: str, a: str, b: str) -> str:
        """Expression of a comparison."""
        return f"{a} {SIGNS[op]} {b}"

    def cast(self, a: str, source: str, type: str) -> str:
        """Expression of a number as another type."""
        return f"{a} != 0" if type == "b1" else f"({self.types[type]}){a}"

    def bitcast(self, a: str, source: str, type: str) -> str:
        """Expression of the same bits as another type."""
        if ir.is_int(source) and ir.is_int(type):
            return f"({self.types[type]}){a}"
        return f"((union {{ {self.types[source]} a; {self.types[type]} b; }}){{ {a} }}).b"

    def function(self, name: str, type: str) -> str:
        """C's name of a function of floats, for this type."""
        return f"{name}f" if type == "f32" else name

    # -- memory ----------------------------------------------------------------------------------------------------

    def load(self, type: str, space: str, pointer: str, index: str) -> str:
        """Expression of an element."""
        return self._from_memory(type, f"{pointer}[{index}]")

    def store(self, type: str, space: str, pointer: str, index: str, value: str) -> str:
        """Statement that stores an element."""
        return f"{pointer}[{index}] = {self._to_memory(type, value)};"

    def load_vector(self, type: str, space: str, pointer: str, index: str) -> str:
        """Expression of several neighbours."""
        raise CompileError(f"renderer {self.name!r}: has no vectors, got one of {type}")

    def store_vector(self, type: str, space: str, pointer: str, index: str, value: str) -> str:
        """Statement that stores several neighbours."""
        raise CompileError(f"renderer {self.name!r}: has no vectors, got one of {type}")

    def splat(self, type: str, value: str) -> str:
        """Expression of one number several times."""
        return f"({self.types[type]})({value})"

    def shuffle(self, type: str, a: str, b: str, picks: Sequence[int]) -> str:
        """Expression of neighbours picked among those of two values."""
        raise CompileError(f"renderer {self.name!r}: has no vectors, got one of {type}")

    def atomic_add(self, type: str, space: str, pointer: str, index: str, value: str) -> str:
        """Statement that adds to an element other work items add to as well."""
        return f"cb_atomic_add_{type}_{space}(&{pointer}[{index}], {value});"

    def exchange(self, type: str, pointer: str, seen: str, new: str) -> str:
        """Expression that replaces an unsigned integer by `new` if it is `seen`, and gives what it was."""
        return f"__sync_val_compare_and_swap({pointer}, {seen}, {new})"

    def peek(self, type: str, pointer: str) -> str:
        """Expression of an unsigned integer that others may be replacing."""
        return f"*{pointer}"

    def added(self, type: str, pointer: str, value: str) -> str | None:
        """Expression that adds atomically, where the dialect has one for the type; else numbers are exchanged."""
        return f"__sync_fetch_and_add({pointer}, {value})" if ir.is_int(type) else None

    def _from_memory(self, type: str, a: str) -> str:
        if type in ("f16", "bf16"):
            return f"cb_from_{type}({a})"
        return f"{a} != 0" if type == "b1" else a

    def _to_memory(self, type: str, a: str) -> str:
        if type in ("f16", "bf16"):
            return f"cb_to_{type}({a})"
        return f"({self.memory[type]}){a}" if type == "b1" else a

    def _qualified(self, space: str, text: str) -> str:
        return f"{self.spaces[space]} {text}" if self.spaces[space] else text

    # -- helpers ---------------------------------------------------------------------------------------------------

    def helpers(self) -> dict[str, str]:
        """Definitions of helper functions by name, each after those it uses."""
        known = {"cb_from_f16": self._from_f16(), "cb_to_f16": self._to_f16()}
        known |= {"cb_from_bf16": self._from_bf16(), "cb_to_bf16": self._to_bf16()}
        for space in ("global", "shared"):
            for type in self.memory:
                known[f"cb_atomic_add_{type}_{space}"] = self._atomic(type, space)
        return known

    def _from_bf16(self) -> str:
        u32 = self.types["u32"]
        return (
            f"{self.inline} float cb_from_bf16({self.memory['bf16']} bits) {{\n"
            f"    const {u32} wide = ({u32})bits << 16;\n"
            f"    return {self.bitcast('wide', 'u32', 'f32')};\n}}\n"
        )

    def _to_bf16(self) -> str:
        u32, u16 = self.types["u32"], self.memory["bf16"]
        return (
            f"{self.inline} {u16} cb_to_bf16(float x) {{\n"
            f"    const {u32} bits = {self.bitcast('x', 'f32', 'u32')};\n"
            f"    const {u32} rounded = bits + 0x7fffu + ((bits >> 16) & 1u);\n"
            f"    return ({u16})((x != x ? bits | 0x400000u : rounded) >> 16);\n}}\n"
        )

    def _from_f16(self) -> str:
        # Exponents differ by 112; the product is exact, of subnormal numbers, too.
        u32 = self.types["u32"]
        return (
            f"{self.inline} float cb_from_f16({self.memory['f16']} bits) {{\n"
            f"    const {u32} size = (({u32})bits & 0x7fffu) << 13;\n"
            f"    const float scaled = {self.bitcast('size', 'u32', 'f32')} * 0x1p+112f;\n"
            f"    const {u32} finite = {self.bitcast('scaled', 'f32', 'u32')};\n"
            f"    const {u32} whole = size >= 0xf800000u ? size | 0x7f800000u : finite;\n"
            f"    const {u32} signed_bits = whole | (({u32})bits & 0x8000u) << 16;\n"
            f"    return {self.bitcast('signed_bits', 'u32', 'f32')};\n}}\n"
        )

    def _to_f16(self) -> str:
        # Adding 0.5 to a number below 2**-14 rounds it to whole multiples of 2**-24, float16's smallest number.
        u32, u16 = self.types["u32"], self.memory["f16"]
        return (
            f"{self.inline} {u16} cb_to_f16(float x) {{\n"
            f"    const {u32} bits = {self.bitcast('x', 'f32', 'u32')};\n"
            f"    const {u32} size = bits & 0x7fffffffu;\n"
            f"    const float shifted = {self.bitcast('size', 'u32', 'f32')} + 0.5f;\n"
            f"    const {u32} small = {self.bitcast('shifted', 'f32', 'u32')} - 0x3f000000u;\n"
            f"    const {u32} normal = (size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13;\n"
            "    const "
            f"{u32} found = size > 0x7f800000u ? 0x7e00u : size >= 0x47800000u ? 0x7c00u : size < 0x38800000u ? small : normal;\n"
            f"    return ({u16})(found | (bits >> 16 & 0x8000u));\n}}\n"
        )

    def _atomic(self, type: str, space: str) -> str:
        head = f"{self.inline} void cb_atomic_add_{type}_{space}"
        memory, value = self.memory[type], self.types[ir.value_type(type)]
        pointer = f"volatile {self._qualified(space, memory)}* p"
        added = self.added(type, "p", "value") if type not in NARROW else None
        if added is not None:
            return f"{head}({pointer}, {value} value) {{\n    {added};\n}}\n"
        return f"{head}({pointer}, {value} value) {{\n{self._exchanged(type, space)}}}\n"

    def _exchanged(self, type: str, space: str) -> str:
        """Body of an atomic addition by exchange of the aligned word that holds the element."""
        value = ir.value_type(type)
        narrow = type in NARROW
        word = "u64" if ir.bits(type) == 64 else "u32"
        u = self.types[word]
        width = 8 * ir.SIZES[type]
        at = "((size_t)p & ~(size_t)3)" if narrow else "p"
        lines = [f"volatile {self._qualified(space, u)}* word = (volatile {self._qualified(space, u)}*){at};"]
        if narrow:  # little-endian, as every device this is written for
            lines += [
                f"const {u} shift = 8 * ({u})((size_t)p & 3);",
                f"const {u} mask = {hex((1 << width) - 1)}u << shift;",
            ]
        lines += [f"{u} now = {self.peek(word, 'word')};", f"{u} seen;", "do {", "    seen = now;"]
        if narrow:
            held = f"({self.memory[type]})(seen >> shift)"
            lines += [f"    const {self.types[value]} old = {self._from_memory(type, held)};"]
        else:
            lines += [f"    const {self.types[value]} old = {self.bitcast('seen', word, value)};"]
        lines += [
            f"    const {self.types[value]} sum = {self.binary('or' if type == 'b1' else 'add', value, 'old', 'value')};"
        ]
        if narrow:
            unsigned = self.types[f"u{width}"]
            new = f"({u})({unsigned}){self._to_memory(type, 'sum')} << shift"
            lines += [f"    const {u} next = (seen & ~mask) | ({new});"]
        else:
            lines += [f"    const {u} next = {self.bitcast('sum', value, word)};"]
        lines += [f"    now = {self.exchange(word, 'word', 'seen', 'next')};", "} while (now != seen);"]
        return "".join(f"    {line}\n" for line in lines)


class _Function:
    """One kernel on its way to text."""

    def __init__(self, dialect: CRenderer, kernel: Kernel, entry: str) -> None:
        self.dialect = dialect
        self.kernel = kernel
        self.entry = entry
        self.names: dict[int, str] = {}
        self.taken: set[str] = set()

    def text(self) -> str:
        d, indent = self.dialect, self.dialect.indent
        params = [p for param in self.kernel.params for p in self.parameter(param)]
        lines = [f"// {self.kernel.name}", f"{d.signature(self.kernel, self.entry, params)} {{"]
        for buffer in _shared(self.kernel.body):
            lines.append(f"{indent}{d._qualified('shared', self.array(buffer))};")
        if d.offsets:
            lines += [f"{indent}{self.moved(p)}" for p in self.kernel.params if isinstance(p, Buffer)]
        return "\n".join([*lines, *self.block(self.kernel.body, indent), "}\n"])

    # -- names -----------------------------------------------------------------------------------------------------

    def free(self, wanted: str) -> str:
        name, number = (f"{wanted}_" if wanted in WORDS or wanted in self.dialect.types.values() else wanted), 1
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name

    def name(self, thing: Any, wanted: str = "v") -> str:
        found = self.names.get(id(thing))
        if found is None:
            if wanted == "v":
                wanted = f"v{len(self.names)}"
            found = self.names[id(thing)] = self.free(wanted)
        return found

    def __call__(self, value: Value) -> str:
        return self.dialect.literal(value.data, value.type) if value.op == "const" else self.name(value)

    # -- parts of a kernel -----------------------------------------------------------------------------------------

    def parameter(self, param: Any) -> Iterator[str]:
        d = self.dialect
        if isinstance(param, Buffer):
            name = self.name(param, param.name)
            yield f"{d.pointer(param)} {name}_base" if d.offsets else f"{d.pointer(param)} {name}"
            if d.offsets:
                yield f"{d.types['i64']} {name}_offset"
                self.taken |= {f"{name}_base", f"{name}_offset"}
        else:
            yield f"{d.memory[param.type]} {self.name(param, param.data)}"

    def moved(self, buffer: Buffer) -> str:
        name = self.name(buffer)
        return f"{self.dialect.pointer(buffer)} {name} = {name}_base + {name}_offset;"

    def array(self, buffer: Buffer) -> str:
        return f"{self.dialect.memory[buffer.type]} {self.name(buffer, buffer.name)}[{buffer.length}]"

    def block(self, block: Block, indent: str) -> Iterator[str]:
        for item in block.items:
            if isinstance(item, Value):
                kind = self.typed(item.type)
                said = self.value(item)
                yield f"{indent}const {kind} {self.name(item, self.wanted(item))} = {said};"
            else:
                for line in self.statement(item):
                    yield indent + line

    def typed(self, type: str) -> str:
        if type not in self.dialect.types:
            raise CompileError(f"renderer {self.dialect.name!r}: has no vectors, got one of {type}")
        return self.dialect.types[type]

    def wanted(self, v: Value) -> str:
        return f"{self.name(v.data)}_{len(self.names)}" if v.op in ("load", "get") else "v"

    def value(self, v: Value) -> str:
        d = self.dialect
        args = [self(a) for a in v.args]
        if v.op in ir.UNARY:
            return d.unary(v.op, v.type, *args)
        if v.op in ir.BINARY:
            return d.binary(v.op, v.type, *args)
        if v.op in ir.COMPARE:
            return d.compare(v.op, *args)
        match v.op:
            case "load":
                return d.load(v.data.type, v.data.space, self.name(v.data), *args)
            case "vector":
                return d.load_vector(v.type, v.data.space, self.name(v.data), *args)
            case "splat":
                return d.splat(v.type, *args)
            case "shuffle":
                return d.shuffle(v.type, args[0], args[1], [int(n) for n in v.data.split(",")])
            case "get":
                return self.name(v.data)
            case "select":
                return f"{args[0]} ? {args[1]} : {args[2]}"
            case "fma" | "call":
                return f"{d.function('fma' if v.op == 'fma' else v.data, v.type)}({', '.join(args)})"
            case "cast":
                return d.cast(args[0], v.args[0].type, v.type)
            case "bitcast":
                return d.bitcast(args[0], v.args[0].type, v.type)
        raise CompileError(f"renderer {d.name!r}: kernel {self.kernel.name!r} has an op it does not know, got {v.op!r}")

    def statement(self, item: Any) -> Iterator[str]:
        d = self.dialect
        match item:
            case ir.Store():
                b = item.buffer
                one = item.value.type == ir.value_type(b.type)
                put, kind = (d.store, b.type) if one else (d.store_vector, item.value.type)
                yield put(kind, b.space, self.name(b), self(item.index), self(item.value))
            case ir.AtomicAdd():
                b = item.buffer
                yield d.atomic_add(b.type, b.space, self.name(b), self(item.index), self(item.value))
            case ir.Declare():
                value = self(item.value)
                yield f"{self.typed(item.var.type)} {self.name(item.var, item.var.name)} = {value};"
            case ir.Assign():
                yield f"{self.name(item.var)} = {self(item.value)};"
            case ir.Accumulate():
                yield d.accumulate(self.name(item.var), self(item.value), item.var.type, item.reassoc)
            case ir.Local():
                if item.buffer.space == "private":
                    yield f"{d._qualified('private', self.array(item.buffer))};"
            case ir.For():
                yield from self.loop(item)
            case ir.While():
                yield "for (;;) {"
                yield from self.block(item.test, d.indent)
                yield f"{d.indent}if (!({self(item.condition)})) break;"
                yield from self.block(item.body, d.indent)
                yield "}"
            case ir.If():
                yield f"if ({self(item.condition)}) {{"
                yield from self.block(item.then, d.indent)
                if item.otherwise.items:
                    yield "} else {"
                    yield from self.block(item.otherwise, d.indent)
                yield "}"
            case ir.Barrier():
                yield d.barrier()
            case Work():
                yield from self.work(item)
            case _:
                raise CompileError(f"renderer {d.name!r}: a statement it does not know, got {type(item).__name__}")

    def loop(self, item: ir.For) -> Iterator[str]:
        d = self.dialect
        index, start, stop, step = self.name(item.index, "j"), self(item.start), self(item.stop), self(item.step)
        if item.scalar or any(_in_order(s) for s in _changes(item)):
            yield from d.serial_hint()
        elif item.vector:
            sums = dict.fromkeys(s.var for s in _changes(item) if isinstance(s, ir.Accumulate))
            yield from d.loop_hints(item, [self.name(v) for v in sums])
        elif all(isinstance(i, (Value, ir.Assign, ir.Accumulate)) for i in item.body.items):
            yield from d.reduction_hints(item)
        turn = f"++{index}" if item.step.op == "const" and item.step.data == 1 else f"{index} += {step}"
        yield f"for ({d.types['i64']} {index} = {start}; {index} < {stop}; {turn}) {{"
        yield from self.block(item.body, d.indent)
        yield "}"

    def work(self, item: Work) -> Iterator[str]:
        index = self.name(item.index, "i" if item.group == 1 else "group")
        lane = "" if item.lane is None else self.name(item.lane, "lane")
        before, after = self.dialect.work(item, index, lane, self(item.count))
        yield from before
        inside = any(line.rstrip().endswith("{") for line in before)
        yield from self.block(item.body, self.dialect.indent if inside else "")
        yield from after


def _shared(block: Block) -> Iterator[Buffer]:
    """Memory of groups, wherever it is declared: C dialects want it at the top of the function."""
    for item in block.items:
        if isinstance(item, ir.Local) and item.buffer.space == "shared":
            yield item.buffer
        for inner in _blocks(item):
            yield from _shared(inner)


def _blocks(item: Any) -> tuple[Block, ...]:
    match item:
        case ir.For() | Work():
            return (item.body,)
        case ir.While():
            return (item.test, item.body)
        case ir.If():
            return (item.then, item.otherwise)
    return ()


def _changes(loop: ir.For) -> list[Any]:
    """Statements of a loop, and of those within it, that change variables from outside."""
    inside: set[ir.Var] = set()
    found = []
    blocks = [loop.body]
    while blocks:
        for item in blocks.pop().items:
            if isinstance(item, ir.Declare):
                inside.add(item.var)
            elif isinstance(item, (ir.Accumulate, ir.Assign)):
                found.append(item)
            blocks.extend(_blocks(item))
    return [item for item in found if item.var not in inside]


def _in_order(change: Any) -> bool:
    """Whether a change of a variable is a sum or product of floats whose order counts."""
    if not ir.is_float(change.var.type):
        return False
    if isinstance(change, ir.Accumulate):
        return not change.reassoc
    values = [change.value]
    while values:
        value = values.pop()
        if value.op in ("add", "sub", "mul", "div", "fma"):
            return True
        if value.op == "select":
            values += value.args[1:]
    return False
