# SPDX-License-Identifier: Apache-2.0
"""Kernels as LLVM IR.

`render` gives a module with one public function, called as the kernel:

    void name.kernel(int64 *args, int64 begin, int64 end)

It runs work items `begin` to before `end`. `args` are 8-byte slots in the order of `Kernel.params`: addresses for
buffers; int64 for sizes, integers and b1; the bits of a float64 for f32 and f64 numbers.

What vectorization rests on:

- Buffers are `noalias`. So a written buffer overlaps no other parameter, but for one case that holds by the flow of data: the very same
  memory as a read-only buffer of the same type, where an item reads only its own elements, and before it writes them.
- Work items and turns of `vector` loops are independent: their loads and stores carry access groups, so LLVM need not
  prove it. Memory declared within a loop is one array for all its turns, and is left out of that loop's group.
- Variables start as stack slots, which LLVM's first pass turns into registers.
- Only `Accumulate` with `reassoc` may be reordered; no other fast-math flag is ever set.

A kernel of groups (shared memory, barriers) is refused: on a CPU an item does a row, see `Target.rows`.
Atomic additions to 16-bit floats, which hardware has not, are loops of compare and exchange.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from candelabra._errors import CompileError
from candelabra.compiler import ir

TYPES = {
    "b1": "i1", "i8": "i8", "u8": "i8", "i16": "i16", "u16": "i16", "i32": "i32", "u32": "i32", "i64": "i64",
    "u64": "i64", "f32": "float", "f64": "double",
}  # fmt: skip
"""LLVM's types of values."""

MEMORY = {**TYPES, "b1": "i8", "f16": "half", "bf16": "i16"}
"""LLVM's types of elements in memory."""

_INTEGER = {
    "add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor", "shl": "shl",
    "idiv": "{}div", "irem": "{}rem", "shr": "{}shr",
}  # fmt: skip
_FLOAT = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_COMPARE_FLOAT = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_INTRINSICS = {
    "abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint",
    "copysign": "copysign", "fma": "fma",
}  # fmt: skip
_ATTRIBUTES = 'nounwind "prefer-vector-width"="512" "no-trapping-math"="true"'


LONG = range(16, 65)
"""Ops of a turn for which loops are interleaved: more keep the processor busy by themselves, and would take long to build."""

INTERLEAVED = 4
"""Vectors of turns that go on at once: a formula is one long chain, which alone would wait for each op's result."""


def is_long(body: ir.Block) -> bool:
    """Whether a turn is a formula of many ops, without loops of its own."""
    plain = all(isinstance(item, (ir.Value, ir.Store, ir.Accumulate, ir.Assign)) for item in body.items)
    return plain and sum(isinstance(item, ir.Value) for item in body.items) in LONG


def render(kernel: ir.Kernel, half: bool = True) -> str:
    """A kernel as the text of an LLVM module.

    Args:
        half: the CPU converts between float16 and float32 itself; without, integer instructions do.

    Raises:
        CompileError: the kernel uses groups, or a function the target does not list.
    """
    return _Renderer(kernel, half).text()


def symbol(kernel: ir.Kernel) -> str:
    """Name of a kernel's function: with a dot, so that it is no function of the C library."""
    return f"{kernel.name}.kernel"


def constant(number: Any, type: str) -> str:
    """A number as LLVM writes it: floats by the bits of a double."""
    if ir.is_float(type):
        if type == "f32" and math.isfinite(number):
            number = _float32(number)
        return (
            f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}" if number == number else "0x7FF8000000000000"
        )
    if type == "b1":
        return "true" if number else "false"
    return str(int(number))


def _float32(number: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:  # rounds past the largest float32
        return math.copysign(math.inf, number)


class _Renderer:
    """The state of one rendering: lines so far, names of values, the block being filled, the groups of open loops."""

    def __init__(self, kernel: ir.Kernel, half: bool) -> None:
        self.kernel = kernel
        self.half = half
        self.lines: list[str] = []
        self.slots: list[str] = []
        self.names: dict[int, str] = {}
        self.places: dict[int, str] = {}
        self.depths: dict[int, int] = {}
        self.declared: set[str] = set()
        self.metadata: list[str] = []
        self.groups: list[str] = []
        self.here = "entry"
        self.made = 0

    # -- the module ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The whole module."""
        slots, given = self._parameters()
        self._block(self.kernel.body)
        name = self.kernel.name
        reads = "\n".join(self._reads())
        return "\n".join(
            [
                f"define void @{symbol(self.kernel)}(ptr noalias readonly %args, i64 %begin, i64 %end) #0 {{",
                reads,
                f"  call void @{name}.items({', '.join([*given, 'i64 %begin', 'i64 %end'])})",
                "  ret void",
                "}",
                f"define internal void @{name}.items({', '.join([*slots, 'i64 %begin', 'i64 %end'])}) noinline #0 {{",
                "entry:",
                *self.slots,
                *self.lines,
                "  ret void",
                "}",
                *sorted(self.declared),
                f"attributes #0 = {{ {_ATTRIBUTES} }}",
                *self.metadata,
                "",
            ]
        )

    def _parameters(self) -> tuple[list[str], list[str]]:
        """Parameters of the inner function, and the arguments of its call."""
        taken, given = [], []
        for number, p in enumerate(self.kernel.params):
            if isinstance(p, ir.Buffer):
                self.places[id(p)] = f"%p{number}"
                self.depths[id(p)] = 0
                taken.append(f"ptr noalias {'' if p.written else 'readonly '}%p{number}")
                given.append(f"ptr %p{number}")
            else:
                self.names[id(p)] = f"%p{number}"
                taken.append(f"{TYPES[p.type]} %p{number}")
                given.append(f"{TYPES[p.type]} %p{number}")
        return taken, given

    def _reads(self) -> list[str]:
        """Loads of the slots, as the types of the parameters."""
        lines = []
        for k, p in enumerate(self.kernel.params):
            lines.append(f"  %g{k} = getelementptr inbounds i64, ptr %args, i64 {k}")
            if isinstance(p, ir.Buffer):
                lines.append(f"  %p{k} = load ptr, ptr %g{k}")
            elif p.type == "f64":
                lines.append(f"  %p{k} = load double, ptr %g{k}")
            elif p.type == "f32":
                lines += [f"  %s{k} = load double, ptr %g{k}", f"  %p{k} = fptrunc double %s{k} to float"]
            elif p.type in ("i64", "u64"):
                lines.append(f"  %p{k} = load i64, ptr %g{k}")
            else:
                narrow = "icmp ne i64 %s{0}, 0" if p.type == "b1" else f"trunc i64 %s{{0}} to {TYPES[p.type]}"
                lines += [f"  %s{k} = load i64, ptr %g{k}", f"  %p{k} = {narrow.format(k)}"]
        return lines

    # -- lines -----------------------------------------------------------------------------------------------------

    def _fresh(self, what: str = "%t") -> str:
        self.made += 1
        return f"{what}{self.made}"

    def _emit(self, code: str) -> str:
        """A line that makes a value; its name."""
        name = self._fresh()
        self.lines.append(f"  {name} = {code}")
        return name

    def _do(self, code: str) -> None:
        self.lines.append(f"  {code}")

    def _label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.here = name

    def _jump(self, name: str) -> None:
        self._do(f"br label %{name}")

    def _branch(self, condition: str, yes: str, no: str, more: str = "") -> None:
        self._do(f"br i1 {condition}, label %{yes}, label %{no}{more}")

    def _node(self, text: str) -> str:
        name = f"!{len(self.metadata)}"
        self.metadata.append(f"{name} = distinct !{{{text.replace('self', name)}}}")
        return name

    def _call(self, name: str, type: str, *args: str) -> str:
        """A call of an intrinsic all of whose operands have the type of its result."""
        full = f"llvm.{name}.{ {'float': 'f32', 'double': 'f64'}.get(type, type) }"
        self.declared.add(f"declare {type} @{full}({', '.join([type] * len(args))})")
        return self._emit(f"call {type} @{full}({', '.join(f'{type} {a}' for a in args)})")

    def _refuse(self, what: str) -> CompileError:
        return CompileError(f"kernel {self.kernel.name}: {what}")

    # -- values ----------------------------------------------------------------------------------------------------

    def _name(self, v: ir.Value) -> str:
        if v.op == "const":
            return constant(v.data, v.type)
        return self.names[id(v)]

    def _value(self, v: ir.Value) -> None:
        self.names[id(v)] = self._computed(v)

    def _computed(self, v: ir.Value) -> str:
        a = [self._name(x) for x in v.args]
        kind = TYPES[v.type]
        match v.op:
            case "load":
                return self._load(v.data, a[0])
            case "get":
                return self._emit(f"load {kind}, ptr {self.places[id(v.data)]}")
            case "select":
                return self._emit(f"select i1 {a[0]}, {kind} {a[1]}, {kind} {a[2]}")
            case "cast":
                return self._cast(v.args[0].type, v.type, a[0])
            case "bitcast":
                same = TYPES[v.args[0].type] == kind
                return a[0] if same else self._emit(f"bitcast {TYPES[v.args[0].type]} {a[0]} to {kind}")
            case "call":
                return self._own(v, a)
        if v.op in ir.COMPARE:
            return self._compare(v.op, v.args[0].type, a)
        if ir.is_float(v.type):
            return self._float(v, a, kind)
        return self._integer(v, a, kind)

    def _compare(self, op: str, type: str, a: list[str]) -> str:
        if ir.is_float(type):
            return self._emit(f"fcmp {_COMPARE_FLOAT[op]} {TYPES[type]} {a[0]}, {a[1]}")
        sign = "" if op in ("eq", "ne") else "s" if ir.is_signed(type) else "u"
        return self._emit(f"icmp {sign}{op} {TYPES[type]} {a[0]}, {a[1]}")

    def _float(self, v: ir.Value, a: list[str], kind: str) -> str:
        if v.op in _FLOAT:
            return self._emit(f"{_FLOAT[v.op]} {kind} {a[0]}, {a[1]}")
        if v.op == "neg":
            return self._emit(f"fneg {kind} {a[0]}")
        if v.op in _INTRINSICS:
            return self._call(_INTRINSICS[v.op], kind, *a)
        raise self._refuse(f"op {v.op!r} is not one of {v.type}")

    def _own(self, v: ir.Value, a: list[str]) -> str:
        """A function of the processor's own; see `compile.target`."""
        if v.data != "ldexp":
            raise self._refuse(f"the target has no function {v.data!r} of its own, got a call of type {v.type}")
        kind, power = TYPES[v.type], a[1]
        if v.type == "f64":
            power = self._emit(f"trunc i64 {power} to i32")
        name = f"llvm.ldexp.{v.type}.i32"
        self.declared.add(f"declare {kind} @{name}({kind}, i32)")
        return self._emit(f"call {kind} @{name}({kind} {a[0]}, i32 {power})")

    def _integer(self, v: ir.Value, a: list[str], kind: str) -> str:
        signed = ir.is_signed(v.type)
        if v.op in ("idiv", "irem", "shr"):
            letter = ("a" if signed else "l") if v.op == "shr" else ("s" if signed else "u")
            return self._emit(f"{_INTEGER[v.op].format(letter)} {kind} {a[0]}, {a[1]}")
        if v.op in _INTEGER:
            return self._emit(f"{_INTEGER[v.op]} {kind} {a[0]}, {a[1]}")
        if v.op == "neg":
            return self._emit(f"sub {kind} 0, {a[0]}")
        if v.op == "not":
            return self._emit(f"xor {kind} {a[0]}, {'true' if v.type == 'b1' else '-1'}")
        if v.op == "abs":
            if not signed:
                return a[0]
            negative = self._emit(f"icmp slt {kind} {a[0]}, 0")
            other = self._emit(f"sub {kind} 0, {a[0]}")
            return self._emit(f"select i1 {negative}, {kind} {other}, {kind} {a[0]}")
        raise self._refuse(f"op {v.op!r} is not one of {v.type}")

    def _cast(self, old: str, new: str, x: str) -> str:
        was, kind = TYPES[old], TYPES[new]
        if new == "b1":
            zero = constant(0, old)
            return self._emit(f"fcmp une {was} {x}, {zero}" if ir.is_float(old) else f"icmp ne {was} {x}, 0")
        if ir.is_float(old) and ir.is_float(new):
            return self._emit(f"{'fptrunc' if new == 'f32' else 'fpext'} {was} {x} to {kind}")
        if ir.is_float(old):
            return self._emit(f"fpto{'s' if ir.is_signed(new) else 'u'}i {was} {x} to {kind}")
        if ir.is_float(new):
            return self._emit(f"{'s' if ir.is_signed(old) else 'u'}itofp {was} {x} to {kind}")
        if ir.bits(new) == ir.bits(old):
            return x
        if ir.bits(new) < ir.bits(old):
            return self._emit(f"trunc {was} {x} to {kind}")
        return self._emit(f"{'s' if ir.is_signed(old) else 'z'}ext {was} {x} to {kind}")

    # -- memory ----------------------------------------------------------------------------------------------------

    def _element(self, buffer: ir.Buffer, index: str) -> str:
        return self._emit(f"getelementptr inbounds {MEMORY[buffer.type]}, ptr {self.places[id(buffer)]}, i64 {index}")

    def _mark(self, buffer: ir.Buffer) -> str:
        """The note that this access depends on no other turn of the parallel loops around it."""
        groups = self.groups[self.depths[id(buffer)] :]
        if not groups:
            return ""
        if len(groups) == 1:
            return f", !llvm.access.group {groups[0]}"
        text = f"!{{{', '.join(groups)}}}"
        for line in self.metadata:
            if line.endswith(f"= {text}"):
                return f", !llvm.access.group {line.split(' ')[0]}"
        self.metadata.append(f"!{len(self.metadata)} = {text}")
        return f", !llvm.access.group !{len(self.metadata) - 1}"

    def _load(self, buffer: ir.Buffer, index: str) -> str:
        place, mark = self._element(buffer, index), self._mark(buffer)
        if buffer.type == "f16":
            found = self._emit(f"load {'half' if self.half else 'i16'}, ptr {place}{mark}")
            return self._emit(f"fpext half {found} to float") if self.half else self._wider_f16(found)
        found = self._emit(f"load {MEMORY[buffer.type]}, ptr {place}{mark}")
        if buffer.type == "b1":
            return self._emit(f"icmp ne i8 {found}, 0")
        return self._wider_bf16(found) if buffer.type == "bf16" else found

    def _store(self, item: ir.Store) -> None:
        code = self._stored(item.buffer.type, self._name(item.value))
        place = self._element(item.buffer, self._name(item.index))
        self._do(f"store {code}, ptr {place}{self._mark(item.buffer)}")

    def _stored(self, type: str, x: str) -> str:
        """Type and value as memory keeps them."""
        if type == "b1":
            return f"i8 {self._emit(f'zext i1 {x} to i8')}"
        if type == "bf16":
            return f"i16 {self._narrow_bf16(x)}"
        if type == "f16":
            return f"half {self._emit(f'fptrunc float {x} to half')}" if self.half else f"i16 {self._narrow_f16(x)}"
        return f"{TYPES[type]} {x}"

    def _wider_bf16(self, x: str) -> str:
        wide = self._emit(f"zext i16 {x} to i32")
        bits = self._emit(f"shl i32 {wide}, 16")
        return self._emit(f"bitcast i32 {bits} to float")

    def _narrow_bf16(self, x: str) -> str:
        """Rounds half to even; a nan keeps its upper bits and becomes quiet. The CPU's own way flushes subnormals."""
        e = self._emit
        bits = e(f"bitcast float {x} to i32")
        upper = e(f"lshr i32 {bits}, 16")
        last = e(f"and i32 {upper}, 1")
        nudge = e(f"add i32 {last}, 32767")
        raised = e(f"add i32 {bits}, {nudge}")
        rounded = e(f"lshr i32 {raised}, 16")
        nan = e(f"fcmp uno float {x}, {constant(0.0, 'f32')}")
        quiet = e(f"or i32 {upper}, 64")
        chosen = e(f"select i1 {nan}, i32 {quiet}, i32 {rounded}")
        return e(f"trunc i32 {chosen} to i16")

    def _wider_f16(self, x: str) -> str:
        """Shifts exponent and fraction into place and scales by 2**112, which makes subnormals normal."""
        e = self._emit
        wide = e(f"zext i16 {x} to i32")
        plain = e(f"and i32 {wide}, 32767")
        size = e(f"shl i32 {plain}, 13")
        small = e(f"bitcast i32 {size} to float")
        scaled = e(f"fmul float {small}, {constant(2.0**112, 'f32')}")
        finite = e(f"bitcast float {scaled} to i32")
        special = e(f"icmp uge i32 {size}, {0x1F << 23}")  # infinities and nans
        filled = e(f"or i32 {size}, {0xFF << 23}")
        chosen = e(f"select i1 {special}, i32 {filled}, i32 {finite}")
        nan = e(f"icmp ugt i32 {size}, {0x1F << 23}")
        quiet = e(f"select i1 {nan}, i32 {1 << 22}, i32 0")
        minus = e(f"and i32 {wide}, 32768")
        sign = e(f"shl i32 {minus}, 16")
        number = e(f"or i32 {chosen}, {quiet}")
        whole = e(f"or i32 {number}, {sign}")
        return e(f"bitcast i32 {whole} to float")

    def _narrow_f16(self, x: str) -> str:
        """Rounds half to even: by integers where the result is normal, by adding 0.5 where it is subnormal."""
        e = self._emit
        bits = e(f"bitcast float {x} to i32")
        size = e(f"and i32 {bits}, {0x7FFFFFFF}")
        cut = e(f"lshr i32 {size}, 13")
        last = e(f"and i32 {cut}, 1")
        nudge = e(f"add i32 {last}, {0xFFF - (112 << 23)}")
        raised = e(f"add i32 {size}, {nudge}")
        normal = e(f"lshr i32 {raised}, 13")
        magnitude = e(f"bitcast i32 {size} to float")
        shifted = e(f"fadd float {magnitude}, {constant(0.5, 'f32')}")
        shifted_bits = e(f"bitcast float {shifted} to i32")
        subnormal = e(f"sub i32 {shifted_bits}, {126 << 23}")
        tiny = e(f"icmp ult i32 {size}, {113 << 23}")
        finite = e(f"select i1 {tiny}, i32 {subnormal}, i32 {normal}")
        payload = e(f"and i32 {cut}, 1023")
        quiet = e(f"or i32 {payload}, {0x7E00}")
        nan = e(f"icmp ugt i32 {size}, {0xFF << 23}")
        special = e(f"select i1 {nan}, i32 {quiet}, i32 {0x7C00}")
        large = e(f"icmp uge i32 {size}, {0x477FF000}")  # 65520: half way from the largest to the next power of two
        chosen = e(f"select i1 {large}, i32 {special}, i32 {finite}")
        upper = e(f"lshr i32 {bits}, 16")
        sign = e(f"and i32 {upper}, 32768")
        whole = e(f"or i32 {chosen}, {sign}")
        return e(f"trunc i32 {whole} to i16")

    def _atomic(self, item: ir.AtomicAdd) -> None:
        type, value = item.buffer.type, self._name(item.value)
        place = self._element(item.buffer, self._name(item.index))
        if type in ("f16", "bf16"):
            self._atomic_narrow(item.buffer, place, value)
        elif type == "b1":
            raise self._refuse(f"numbers are added atomically, got buffer {item.buffer.name} of b1")
        else:
            op = "fadd" if ir.is_float(type) else "add"
            self._do(f"atomicrmw {op} ptr {place}, {TYPES[type]} {value} monotonic, align {ir.SIZES[type]}")

    def _atomic_narrow(self, buffer: ir.Buffer, place: str, value: str) -> None:
        first = self._emit(f"load atomic i16, ptr {place} monotonic, align 2")
        before, again, done = self.here, self._fresh("again"), self._fresh("done")
        self._jump(again)
        self._label(again)
        old, seen = self._fresh(), self._fresh()
        self._do(f"{old} = phi i16 [ {first}, %{before} ], [ {seen}, %{again} ]")
        if buffer.type == "bf16":
            wide = self._wider_bf16(old)
        elif self.half:
            narrow = self._emit(f"bitcast i16 {old} to half")
            wide = self._emit(f"fpext half {narrow} to float")
        else:
            wide = self._wider_f16(old)
        total = self._emit(f"fadd float {wide}, {value}")
        kind, new = self._stored(buffer.type, total).split(" ")
        if kind == "half":
            new = self._emit(f"bitcast half {new} to i16")
        pair = self._emit(f"cmpxchg ptr {place}, i16 {old}, i16 {new} monotonic monotonic, align 2")
        self._do(f"{seen} = extractvalue {{ i16, i1 }} {pair}, 0")
        self._branch(self._emit(f"extractvalue {{ i16, i1 }} {pair}, 1"), done, again)
        self._label(done)

    # -- statements ------------------------------------------------------------------------------------------------

    def _block(self, block: ir.Block) -> None:
        for item in block.items:
            _STATEMENTS[type(item)](self, item)

    def _declare(self, item: ir.Declare) -> None:
        place = self._fresh("%var")
        self.places[id(item.var)] = place
        self.slots.append(f"  {place} = alloca {TYPES[item.var.type]}")
        self._assign(item)

    def _assign(self, item: ir.Assign | ir.Declare) -> None:
        self._do(f"store {TYPES[item.var.type]} {self._name(item.value)}, ptr {self.places[id(item.var)]}")

    def _accumulate(self, item: ir.Accumulate) -> None:
        kind, place = TYPES[item.var.type], self.places[id(item.var)]
        add = "add" if not ir.is_float(item.var.type) else "fadd reassoc" if item.reassoc else "fadd"
        now = self._emit(f"load {kind}, ptr {place}")
        total = self._emit(f"{add} {kind} {now}, {self._name(item.value)}")
        self._do(f"store {kind} {total}, ptr {place}")

    def _local(self, item: ir.Local) -> None:
        buffer = item.buffer
        if buffer.space != "private":
            raise self._refuse(
                f"memory of groups is not for CPUs, got shared {buffer.name}; lower for a target of rows"
            )
        place = self._fresh("%array")
        self.places[id(buffer)] = place
        self.depths[id(buffer)] = len(self.groups)
        self.slots.append(f"  {place} = alloca [{buffer.length} x {MEMORY[buffer.type]}], align 64")

    def _for(self, item: ir.For) -> None:
        bounds = [self._name(v) for v in (item.start, item.stop, item.step)]
        self._loop(item.index, bounds[0], bounds[1], bounds[2], item.body, item.vector)

    def _work(self, item: ir.Work) -> None:
        if item.group > 1:
            raise self._refuse(f"groups are not for CPUs, got {item.group} items a group; lower for a target of rows")
        self._loop(item.index, "%begin", "%end", "1", item.body, True)

    def _loop(self, index: ir.Value, start: str, stop: str, step: str, body: ir.Block, parallel: bool) -> None:
        """A loop tested at its end, behind a test that there is a first turn: the form LLVM's loop passes want."""
        turn, done = self._fresh("turn"), self._fresh("done")
        self._branch(self._emit(f"icmp slt i64 {start}, {stop}"), turn, done)
        before = self.here
        self._label(turn)
        counter, following = self._fresh("%i"), self._fresh("%i")
        self.names[id(index)] = counter
        head = len(self.lines)
        self._do("")
        if parallel:
            self.groups.append(self._node(""))
        self._block(body)
        notes = [self._node(f'!"llvm.loop.parallel_accesses", {self.groups.pop()}')] if parallel else []
        if parallel and is_long(body):
            notes.append(self._node(f'!"llvm.loop.interleave.count", i32 {INTERLEAVED}'))
        self.lines[head] = f"  {counter} = phi i64 [ {start}, %{before} ], [ {following}, %{self.here} ]"
        self._do(f"{following} = add nsw i64 {counter}, {step}")
        more = f", !llvm.loop {self._node(', '.join(['self', *notes]))}" if parallel else ""
        self._branch(self._emit(f"icmp slt i64 {following}, {stop}"), turn, done, more)
        self._label(done)

    def _while(self, item: ir.While) -> None:
        test, body, done = self._fresh("test"), self._fresh("body"), self._fresh("done")
        self._jump(test)
        self._label(test)
        self._block(item.test)
        self._branch(self._name(item.condition), body, done)
        self._label(body)
        self._block(item.body)
        self._jump(test)
        self._label(done)

    def _if(self, item: ir.If) -> None:
        then, otherwise, done = self._fresh("then"), self._fresh("else"), self._fresh("done")
        self._branch(self._name(item.condition), then, otherwise if item.otherwise.items else done)
        self._label(then)
        self._block(item.then)
        self._jump(done)
        if item.otherwise.items:
            self._label(otherwise)
            self._block(item.otherwise)
            self._jump(done)
        self._label(done)

    def _barrier(self, item: ir.Barrier) -> None:
        raise self._refuse("barriers are not for CPUs, whose work items are independent; lower for a target of rows")


_STATEMENTS: dict[type, Callable[[_Renderer, Any], None]] = {
    ir.Value: _Renderer._value,
    ir.Store: _Renderer._store,
    ir.AtomicAdd: _Renderer._atomic,
    ir.Declare: _Renderer._declare,
    ir.Assign: _Renderer._assign,
    ir.Accumulate: _Renderer._accumulate,
    ir.Local: _Renderer._local,
    ir.For: _Renderer._for,
    ir.While: _Renderer._while,
    ir.If: _Renderer._if,
    ir.Work: _Renderer._work,
    ir.Barrier: _Renderer._barrier,
}
