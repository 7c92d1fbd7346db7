# SPDX-License-Identifier: Apache-2.0
"""LLVM IR written as Python: values with operators, loops and branches as `with` blocks.

    with function(module, "scale", None, data=PTR, n=I64) as (f, data, n):
        with f.range(0, n) as i:
            f.store(f.load(F32, data, i) * 2.0, data, i)

Integers are signed. Mutable variables are stack slots, which LLVM turns into registers.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llvmlite import ir

from .native import load, target_machine

I1, I8, I32, I64 = ir.IntType(1), ir.IntType(8), ir.IntType(32), ir.IntType(64)
F32, F64 = ir.FloatType(), ir.DoubleType()
PTR = ir.PointerType()
VOID = ir.VoidType()

# Contracting a*b + c to one rounding and adding in another order are what matrix products do anyway.
_FAST = ("contract", "reassoc", "nsz")


class Value:
    """A value of the function being written; operators write instructions."""

    __slots__ = ("builder", "raw")

    def __init__(self, builder: Any, raw: Any) -> None:
        if isinstance(raw.type, ir.PointerType):
            raw.type = PTR  # llvmlite still gives slots, variables and functions pointers to a type, which LLVM refuses
        self.builder = builder
        self.raw = raw

    @property
    def type(self) -> Any:
        return self.raw.type

    def _operand(self, other: Any) -> Any:
        return other.raw if isinstance(other, Value) else constant(self.type, other)

    def _binary(self, name: str, other: Any, swapped: bool = False) -> Value:
        left, right = self.raw, self._operand(other)
        if swapped:
            left, right = right, left
        if is_float(self.type):
            return Value(self.builder, getattr(self.builder, "f" + name)(left, right, flags=_FAST))
        whole = {"div": "sdiv", "rem": "srem"}.get(name, name)
        return Value(self.builder, getattr(self.builder, whole)(left, right))

    def _compare(self, sign: str, other: Any) -> Value:
        how = self.builder.fcmp_ordered if is_float(self.type) else self.builder.icmp_signed
        return Value(self.builder, how(sign, self.raw, self._operand(other)))

    def __add__(self, other: Any) -> Value:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Value:
        return self._binary("add", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._binary("sub", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._binary("mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._binary("mul", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._binary("div", other)

    def __floordiv__(self, other: Any) -> Value:
        """Division of integers, towards zero."""
        return self._binary("div", other)

    def __mod__(self, other: Any) -> Value:
        """Remainder of integers, with the sign of the first."""
        return self._binary("rem", other)

    def __and__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.and_(self.raw, self._operand(other)))

    def __or__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.or_(self.raw, self._operand(other)))

    def __xor__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.xor(self.raw, self._operand(other)))

    def __lshift__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.shl(self.raw, self._operand(other)))

    def __rshift__(self, other: Any) -> Value:
        return Value(self.builder, self.builder.lshr(self.raw, self._operand(other)))

    def __lt__(self, other: Any) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Any) -> Value:
        return self._compare("==", other)

    def differs(self, other: Any) -> Value:
        return self._compare("!=", other)


class Variable:
    """A mutable variable: read by `value`, written by assigning to it."""

    def __init__(self, f: Function, slot: Any, type: Any) -> None:
        self._f, self._slot, self._type = f, Value(f.builder, slot).raw, type

    @property
    def value(self) -> Value:
        return Value(self._f.builder, self._f.builder.load(self._slot, typ=self._type))

    @value.setter
    def value(self, new: Any) -> None:
        self._f.builder.store(self._f.raw(new, self._type), self._slot)


class Function:
    """A function being written; made by `function`."""

    def __init__(self, module: Any, raw: Any) -> None:
        self.module = module
        self.function = raw
        self.slots = ir.IRBuilder(raw.append_basic_block("slots"))
        self.builder = ir.IRBuilder(raw.append_basic_block("body"))
        self.arguments = [Value(self.builder, a) for a in raw.args]

    # -- values ----

    def raw(self, value: Any, type: Any) -> Any:
        return value.raw if isinstance(value, Value) else constant(type, value)

    def const(self, type: Any, value: Any) -> Value:
        return Value(self.builder, constant(type, value))

    def var(self, type: Any, initial: Any = None) -> Variable:
        made = Variable(self, self.slots.alloca(type), type)
        if initial is not None:
            made.value = initial
        return made

    def buffer(self, type: Any, count: int, align: int = 64) -> Value:
        """Memory for `count` elements on the stack."""
        slot = self.slots.alloca(ir.ArrayType(type, count))
        slot.align = align
        return Value(self.builder, slot)

    def select(self, condition: Value, one: Any, other: Any) -> Value:
        type = (one if isinstance(one, Value) else other).type
        return Value(self.builder, self.builder.select(condition.raw, self.raw(one, type), self.raw(other, type)))

    def smaller(self, a: Any, b: Any) -> Value:
        a, b = (a, b) if isinstance(a, Value) else (b, a)
        return self.select(a < b, a, b)

    def larger(self, a: Any, b: Any) -> Value:
        a, b = (a, b) if isinstance(a, Value) else (b, a)
        return self.select(a > b, a, b)

    def cast(self, value: Value, type: Any) -> Value:
        """The number in another type; integers are signed."""
        b, old = self.builder, value.type
        if old == type:
            return value
        if is_float(old) and is_float(type):
            found = b.fpext(value.raw, type) if old == F32 else b.fptrunc(value.raw, type)
        elif is_float(type):
            found = b.sitofp(value.raw, type)
        elif isinstance(type, ir.PointerType):
            found = b.inttoptr(value.raw, type)
        elif isinstance(old, ir.PointerType):
            found = b.ptrtoint(value.raw, type)
        elif old.width < type.width:
            found = (b.zext if old.width == 1 else b.sext)(value.raw, type)
        else:
            found = b.trunc(value.raw, type)
        return Value(b, found)

    def bits(self, value: Value, type: Any) -> Value:
        return Value(self.builder, self.builder.bitcast(value.raw, type))

    def splat(self, value: Any, lanes: int) -> Value:
        """A vector with `value` in each lane."""
        vector = ir.VectorType(value.type, lanes)
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), value.raw, ir.Constant(I32, 0))
        mask = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return Value(self.builder, self.builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask))

    def lanes_below(self, vector: Any, limit: Value) -> Value:
        """Mask of a vector's lanes whose number is below `limit`, an int64."""
        count = vector.count
        numbers = Value(self.builder, ir.Constant(ir.VectorType(I32, count), list(range(count))))
        narrow = self.cast(self.larger(self.smaller(limit, count), 0), I32)  # half the registers of 64-bit lanes
        return numbers < self.splat(narrow, count)

    def shuffle(self, one: Value, other: Value, lanes: list[int]) -> Value:
        """Lanes of two vectors, numbered one after the other, in a new order."""
        mask = ir.Constant(ir.VectorType(I32, len(lanes)), lanes)
        return Value(self.builder, self.builder.shuffle_vector(one.raw, other.raw, mask))

    def load_masked(self, vector: Any, pointer: Value, mask: Value) -> Value:
        """Lanes of the mask from memory, the others 0; memory of the others is not touched."""
        name = f"llvm.masked.load.{_vector_name(vector)}.p0"
        zero = self.const(vector, 0)
        return self.call(name, vector, pointer, self.const(I32, size_of(vector.element)), mask, zero)

    def store_masked(self, value: Value, pointer: Value, mask: Value) -> None:
        """Lanes of the mask to memory."""
        name = f"llvm.masked.store.{_vector_name(value.type)}.p0"
        self.call(name, VOID, value, pointer, self.const(I32, size_of(value.type.element)), mask)

    # -- memory ----

    def at(self, type: Any, pointer: Value, *index: Any) -> Value:
        """Address of element `index` of an array of `type`."""
        if not index:
            return pointer
        return Value(self.builder, self.builder.gep(pointer.raw, [self.raw(index[0], I64)], source_etype=type))

    def load(self, type: Any, pointer: Value, *index: Any, align: int | None = None) -> Value:
        """Element `index` of an array of `type`; of a vector type, the vector that starts at that scalar."""
        scalar = type.element if isinstance(type, ir.VectorType) else type
        align = align or (size_of(scalar) if scalar is not type else None)
        return Value(self.builder, self.builder.load(self.at(scalar, pointer, *index).raw, align=align, typ=type))

    def store(self, value: Any, pointer: Value, *index: Any, type: Any = None) -> None:
        type = type or value.type
        scalar = type.element if isinstance(type, ir.VectorType) else type
        align = size_of(scalar) if scalar is not type else None
        self.builder.store(self.raw(value, type), self.at(scalar, pointer, *index).raw, align=align)

    def load_atomic(self, type: Any, pointer: Value) -> Value:
        return Value(self.builder, self.builder.load_atomic(pointer.raw, "seq_cst", size_of(type), typ=type))

    def store_atomic(self, value: Any, pointer: Value, type: Any) -> None:
        self.exchange(value, pointer, type)  # as on x86; llvmlite's own insists on typed pointers

    def add_atomic(self, value: int, pointer: Value, type: Any) -> Value:
        """Adds and returns what was there before."""
        return Value(self.builder, self.builder.atomic_rmw("add", pointer.raw, constant(type, value), "seq_cst"))

    def exchange(self, value: int, pointer: Value, type: Any) -> Value:
        """Stores and returns what was there before."""
        return Value(self.builder, self.builder.atomic_rmw("xchg", pointer.raw, constant(type, value), "seq_cst"))

    # -- control ----

    @contextlib.contextmanager
    def range(self, begin: Any, end: Any, step: Any = 1) -> Iterator[Value]:
        """A counted loop over int64; the body runs with the counter."""
        b = self.builder
        first, last, step = (self.raw(v, I64) for v in (begin, end, step))
        before = b.block
        head, body, done = (b.append_basic_block(n) for n in ("head", "loop", "done"))
        b.branch(head)
        b.position_at_end(head)
        counter = b.phi(I64)
        counter.add_incoming(first, before)
        b.cbranch(b.icmp_signed("<", counter, last), body, done)
        b.position_at_end(body)
        yield Value(b, counter)
        counter.add_incoming(b.add(counter, step, flags=["nsw"]), b.block)
        b.branch(head)
        b.position_at_end(done)

    @contextlib.contextmanager
    def loop(self) -> Iterator[Any]:
        """An endless loop; call what it gives to leave it."""
        b = self.builder
        body, done = b.append_basic_block("loop"), b.append_basic_block("done")
        b.branch(body)
        b.position_at_end(body)

        def leave_if(condition: Value) -> None:
            go_on = b.append_basic_block("on")
            b.cbranch(condition.raw, done, go_on)
            b.position_at_end(go_on)

        yield leave_if
        b.branch(body)
        b.position_at_end(done)

    @contextlib.contextmanager
    def when(self, condition: Value, likely: bool | None = None) -> Iterator[None]:
        with self.builder.if_then(condition.raw, likely=likely):
            yield

    def choose(self, condition: Value) -> Any:
        """Two branches: `with f.choose(c) as (yes, no):`, then `with yes:` and `with no:`."""
        return self.builder.if_else(condition.raw)

    def give(self, value: Any = None) -> None:
        """Returns."""
        if value is None:
            self.builder.ret_void()
        else:
            self.builder.ret(self.raw(value, self.function.function_type.return_type))

    def call(self, target: Any, result: Any, *args: Any) -> Value:
        """Calls a function by name (declared here), or by address in a value; all of `args` are values."""
        type = ir.FunctionType(result, [a.type for a in args])
        callee = declare(self.module, target, type) if isinstance(target, str) else _Callee(target.raw, type)
        return Value(self.builder, self.builder.call(callee, [a.raw for a in args]))

    def extern(self, name: str) -> Value:
        """Address of a variable defined elsewhere."""
        found = self.module.globals.get(name)
        if found is None:
            found = ir.GlobalVariable(self.module, I8, name)
        return Value(self.builder, found)

    def text(self, text: str) -> Value:
        """Address of a constant C string."""
        data = bytearray(text.encode() + b"\0")
        made = ir.GlobalVariable(self.module, ir.ArrayType(I8, len(data)), f"text.{len(self.module.globals)}")
        made.global_constant = True
        made.linkage = "private"
        made.initializer = ir.Constant(made.value_type, data)
        return Value(self.builder, made)

    def reduce_add(self, vector: Value) -> Value:
        """Sum of a vector's lanes, in any order."""
        scalar = vector.type.element
        name = f"llvm.vector.reduce.fadd.v{vector.type.count}{'f32' if scalar == F32 else 'f64'}"
        callee = declare(self.module, name, ir.FunctionType(scalar, [scalar, vector.type]))
        found = self.builder.call(callee, [constant(scalar, 0), vector.raw], fastmath=("reassoc",))
        return Value(self.builder, found)

    def address_of(self, other: Function) -> Value:
        """A pointer to a function of the same module."""
        return Value(self.builder, other.function)

    def pause(self) -> None:
        """Tells the processor that the thread waits."""
        triple = self.module.triple
        if triple.startswith(("x86_64", "i686")):
            self.call("llvm.x86.sse2.pause", VOID)
        elif triple.startswith(("aarch64", "arm64")):
            self.call("llvm.aarch64.hint", VOID, self.const(I32, 1))


def _vector_name(vector: Any) -> str:
    return f"v{vector.count}{'f32' if vector.element == F32 else 'f64'}"


class _Callee:
    """A pointer to a function, with the function type that a call needs to know."""

    def __init__(self, raw: Any, function_type: Any) -> None:
        self.type = raw.type
        self.get_reference = raw.get_reference
        self.function_type = function_type


def is_float(type: Any) -> bool:
    scalar = type.element if isinstance(type, ir.VectorType) else type
    return isinstance(scalar, ir.FloatType | ir.DoubleType)


def constant(type: Any, value: Any) -> Any:
    """A constant; of a vector type, the value in each lane."""
    if isinstance(type, ir.PointerType):
        return ir.Constant(type, None) if not value else ir.Constant(I64, value).inttoptr(type)
    if isinstance(type, ir.VectorType):
        return ir.Constant(type, [constant(type.element, value)] * type.count)
    return ir.Constant(type, float(value) if is_float(type) else int(value))


def size_of(type: Any) -> int:
    """Bytes of a scalar."""
    if isinstance(type, ir.IntType):
        return max(1, type.width // 8)
    return {ir.FloatType: 4, ir.DoubleType: 8}.get(type.__class__, 8)


def declare(module: Any, name: str, type: Any) -> Any:
    """The function of that name, declared if the module does not know it yet."""
    found = module.globals.get(name)
    return found if found is not None else ir.Function(module, type, name)


@contextlib.contextmanager
def function(module: Any, name: str, result: Any = None, hidden: bool = False, **params: Any) -> Iterator[Any]:
    """Writes a function: gives (the writer, its arguments ...); one that falls off its end returns 0 or nothing."""
    result = result or VOID
    raw = ir.Function(module, ir.FunctionType(result, list(params.values())), name)
    raw.attributes.add("nounwind")
    if hidden:
        raw.linkage = "internal"
    for argument, label in zip(raw.args, params, strict=True):
        argument.name = label
    f = Function(module, raw)
    yield (f, *f.arguments)
    if not f.builder.block.is_terminated:
        f.give() if result is VOID else f.give(0)
    f.slots.branch(raw.basic_blocks[1])


@functools.cache
def _stamp() -> str:
    """What a module's text depends on besides the request: the files that write it, and the layout of objects."""
    written = hashlib.sha256()
    for name in WRITERS:
        written.update(pkgutil.get_data(__package__, name) or b"")
    return f"{written.hexdigest()} {object.__basicsize__}"


WRITERS = (
    "emit.py",
    "pyobject.py",
    "threads.py",
    "memory.py",
    "allocator.py",
    "blas.py",
    "convolve.py",
    "depthwise.py",
    "direct.py",
    "direct_grad.py",
    "tiles.py",
)
"""Files of this package that write modules with this one."""


def compiled(name: str, write: Callable[[Any], None], key: str = "") -> Mapping[str, int]:
    """Addresses of the public functions of a module that `write` fills; it runs only where the code is not yet on disk.

    Args:
        key: tells apart modules of one name.
    """

    def text() -> str:
        module = ir.Module(name, context=ir.Context())
        module.triple = target_machine().triple
        module.data_layout = str(target_machine().target_data)
        write(module)
        return str(module)

    return load(name, f"{name} {key} {_stamp()}", text)[0]
