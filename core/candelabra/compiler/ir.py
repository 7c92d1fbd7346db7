# SPDX-License-Identifier: Apache-2.0
"""Kernels as small programs of typed scalars, loops, loads and stores: what lowerings build and renderers render.

    b = Builder("add_f32")
    x, y = b.buffer("x", "f32"), b.buffer("y", "f32")
    out = b.buffer("out", "f32", written=True)
    n = b.size("n")
    with b.work(n) as i:
        out[i] = x[i] + y[i]
    kernel = b.finish()

A kernel is a function of its parameters, run once for each work item; work items may run in any order and at once.
Values are in single assignment form and stand in the block where they were made; what changes is a `Var`, private to its
work item. The same value made twice in one scope is one value.

Types: `b1` (bool), `i8 u8 i16 u16 i32 u32 i64 u64`, `f32 f64`, and in memory alone `f16` and `bf16`: loads of these give
`f32`, stores round to nearest even. Complex numbers are two values, side by side in memory.

What each op means, for renderers. Integers wrap around; `idiv` and `irem` truncate, as C's, and are never given a zero
divisor or a quotient that does not fit. Shifts are by less than the width, `shr` by the sign of the type. Comparisons with
nan are false but for `ne`. `cast`: float to integer truncates and is given only what fits; to `b1` is `!= 0`. `rint` rounds
half to even. Float arithmetic is IEEE 754 without contraction; only sums marked `reassoc` may be reordered.

Where a target has `vectors`, `f32x16` is a value of 16 neighbours: they are loaded, stored and made of one number by
`splat`, added, multiplied, divided and given to `fma`, each for itself, and `shuffle` picks among those of two.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SIZES = {
    "b1": 1, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8,
    "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
}  # fmt: skip
"""Bytes in memory by type."""

NUMPY = {
    "b1": "?", "i8": "i1", "u8": "u1", "i16": "i2", "u16": "u2", "i32": "i4", "u32": "u4", "i64": "i8", "u64": "u8",
    "f32": "f4", "f64": "f8",
}  # fmt: skip
"""NumPy's names of the types values have."""

UNARY = frozenset(("neg", "abs", "not", "sqrt", "floor", "ceil", "trunc", "rint"))
BINARY = frozenset(("add", "sub", "mul", "div", "idiv", "irem", "and", "or", "xor", "shl", "shr", "copysign"))
COMPARE = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))


def is_float(type: str) -> bool:
    """True for f32 and f64, several of them, and the two types of memory."""
    return type in ("f32", "f64", "f16", "bf16") or "x" in type


def is_signed(type: str) -> bool:
    """True for signed integers."""
    return type[0] == "i"


def is_int(type: str) -> bool:
    """True for integers of any sign."""
    return type[0] in "iu"


def bits(type: str) -> int:
    """Width in bits; 1 for b1."""
    return 1 if type == "b1" else 8 * SIZES[type]


def value_type(type: str) -> str:
    """Type of a value loaded from memory of a type."""
    return "f32" if type in ("f16", "bf16") else type


class Value:
    """One scalar. Python's operators make further ones; Python numbers take the other operand's type.

    `/` is for floats, `idiv` and `irem` for integers; `==` is identity: `eq` and `ne` compare.
    """

    __slots__ = ("args", "b", "data", "number", "op", "type")

    def __init__(self, b: Builder, op: str, args: tuple[Value, ...], type: str, data: Any) -> None:
        self.b = b
        self.op = op
        self.args = args
        self.type = type
        self.data = data
        self.number = b.count()

    def __repr__(self) -> str:
        return f"%{self.number}"

    def like(self, other: Any) -> Value:
        """`other` as a value of this one's type; only Python numbers are converted."""
        if isinstance(other, Value):
            if other.type != self.type:
                raise TypeError(f"kernel: operands must have one type, got {self.type} and {other.type}")
            return other
        return self.b.const(other, self.type)

    def _two(self, op: str, other: Any, swapped: bool = False) -> Value:
        other = self.like(other)
        args = (other, self) if swapped else (self, other)
        return self.b.make(op, args, "b1" if op in COMPARE else self.type)

    def __add__(self, other: Any) -> Value:
        return self._two("add", other)

    def __radd__(self, other: Any) -> Value:
        return self._two("add", other, True)

    def __sub__(self, other: Any) -> Value:
        return self._two("sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._two("sub", other, True)

    def __mul__(self, other: Any) -> Value:
        return self._two("mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._two("mul", other, True)

    def __truediv__(self, other: Any) -> Value:
        return self._two("div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._two("div", other, True)

    def idiv(self, other: Any) -> Value:
        """Integer quotient, truncated."""
        return self._two("idiv", other)

    def irem(self, other: Any) -> Value:
        """Integer remainder with the sign of the dividend."""
        return self._two("irem", other)

    def __and__(self, other: Any) -> Value:
        return self._two("and", other)

    def __or__(self, other: Any) -> Value:
        return self._two("or", other)

    def __xor__(self, other: Any) -> Value:
        return self._two("xor", other)

    def __lshift__(self, other: Any) -> Value:
        return self._two("shl", other)

    def __rshift__(self, other: Any) -> Value:
        return self._two("shr", other)

    def __invert__(self) -> Value:
        return self.b.make("not", (self,), self.type)

    def __neg__(self) -> Value:
        return self.b.make("neg", (self,), self.type)

    def __lt__(self, other: Any) -> Value:
        return self._two("lt", other)

    def __le__(self, other: Any) -> Value:
        return self._two("le", other)

    def __gt__(self, other: Any) -> Value:
        return self._two("gt", other)

    def __ge__(self, other: Any) -> Value:
        return self._two("ge", other)

    def eq(self, other: Any) -> Value:
        """Equality, as b1."""
        return self._two("eq", other)

    def ne(self, other: Any) -> Value:
        """Inequality, as b1; true where one is nan."""
        return self._two("ne", other)

    def cast(self, type: str) -> Value:
        """This number as another type; see the module's account of what fits."""
        if type == self.type:
            return self
        if self.op == "const":
            return self.b.const(_converted(self.data, type), type)
        return self.b.make("cast", (self,), type)

    def bitcast(self, type: str) -> Value:
        """The same bits as another type of the same width."""
        return self if type == self.type else self.b.make("bitcast", (self,), type)

    def select(self, yes: Any, no: Any) -> Value:
        """`yes` where this b1 is true, else `no`; both are computed."""
        if isinstance(yes, Value):
            no = yes.like(no)
        else:
            yes = no.like(yes)
        return self.b.make("select", (self, yes, no), yes.type)

    def __bool__(self) -> bool:
        raise TypeError("kernel: a value is not known while its kernel is built; use select() or Builder.when()")


def _converted(number: Any, type: str) -> Any:
    if type == "b1":
        return bool(number)
    return float(number) if is_float(type) else int(number)


def sqrt(x: Value) -> Value:
    """Square root, rounded once."""
    return x.b.make("sqrt", (x,), x.type)


def fabs(x: Value) -> Value:
    """Magnitude of a float."""
    return x.b.make("abs", (x,), x.type)


def floor(x: Value) -> Value:
    """Largest whole float not above x."""
    return x.b.make("floor", (x,), x.type)


def ceil(x: Value) -> Value:
    """Smallest whole float not below x."""
    return x.b.make("ceil", (x,), x.type)


def trunc(x: Value) -> Value:
    """Whole part of a float."""
    return x.b.make("trunc", (x,), x.type)


def rint(x: Value) -> Value:
    """Nearest whole float, half to even."""
    return x.b.make("rint", (x,), x.type)


def copysign(size: Value, sign: Any) -> Value:
    """The magnitude of one float with the sign of another."""
    return size._two("copysign", sign)


def fma(x: Value, y: Any, z: Any) -> Value:
    """x * y + z, rounded once. Only for types of the target's `fma`; `Target.fma` says where it is cheap."""
    return x.b.make("fma", (x, x.like(y), x.like(z)), x.type)


def splat(x: Value, n: int) -> Value:
    """A number `n` times, as one value."""
    return x.b.make("splat", (x,), f"{x.type}x{n}")


def shuffle(x: Value, y: Value, picks: Sequence[int]) -> Value:
    """As many neighbours of `x` and, counted on from those, `y` as one of these has: those with the numbers `picks`."""
    return x.b.make("shuffle", (x, y), x.type, ",".join(map(str, picks)))


def minimum(x: Value, y: Any) -> Value:
    """The lesser of two; of a nan and a number, `y`."""
    y = x.like(y)
    return (x < y).select(x, y)


def maximum(x: Value, y: Any) -> Value:
    """The greater of two; of a nan and a number, `y`."""
    y = x.like(y)
    return (x > y).select(x, y)


def call(name: str, *args: Value, type: str | None = None) -> Value:
    """A function of the target's own (`exp`); only for what its `natives` list."""
    return args[0].b.make("call", args, type or args[0].type, name)


@dataclass(frozen=True)
class Target:
    """What lowerings need to know of the device a kernel is for.

    Attributes:
        name: of the renderer's dialect.
        rows: an innermost loop runs within one work item (CPUs, which vectorize it); else each element is a work item.
        natives: (function, type) pairs the target computes well within the accuracy that ops owe.
        fma: a fused multiply-add costs no more than a product.
        doubles: float64 is computed.
        group: work items of one group that share memory and meet at barriers, a power of two; 1 where they do not.
        parts: parts that one long line is reduced in; it does not depend on threads, as results must not.
        general: elements below which one kernel serves all layouts, for devices that take long to build kernels.
        width_bytes: of a vector register, or of the widest load worth making.
        vectors: there are values of several neighbours, up to 16.
    """

    name: str
    rows: bool = False
    natives: frozenset[tuple[str, str]] = frozenset()
    fma: bool = True
    doubles: bool = True
    group: int = 1
    parts: int = 16
    general: int = 0
    width_bytes: int = 16
    vectors: bool = False


PLAIN = Target("plain")


@dataclass(eq=False)
class Buffer:
    """A parameter that points to memory, or memory of a work item or group; indexed in elements of its type."""

    b: Builder
    name: str
    type: str
    written: bool
    space: str = "global"
    length: int = 0

    def __getitem__(self, index: Any) -> Value:
        """Loads an element."""
        index = self.b.position(index)
        return self.b.make("load", (index,), value_type(self.type), self, pure=not self.written)

    def vector(self, index: Any, n: int) -> Value:
        """Loads `n` neighbours from an index on as one value; only of types that are values, where there are vectors."""
        index = self.b.position(index)
        return self.b.make("vector", (index,), f"{self.type}x{n}", self, pure=not self.written)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Stores an element, or several neighbours."""
        if not self.written:
            raise TypeError(f"kernel: buffer {self.name} is read only")
        index, wanted = self.b.position(index), value_type(self.type)
        if not isinstance(value, Value):
            value = self.b.const(value, wanted)
        if value.type != wanted and not value.type.startswith(f"{wanted}x"):
            raise TypeError(f"kernel: buffer {self.name} holds {self.type}, got a value of {value.type}")
        self.b.block.items.append(Store(self, index, value))


@dataclass(eq=False)
class Var:
    """A number of one work item that changes."""

    b: Builder
    name: str
    type: str

    def get(self) -> Value:
        """Its number now."""
        return self.b.make("get", (), self.type, self, pure=False)

    def set(self, value: Any) -> None:
        """Gives it another number."""
        if not isinstance(value, Value):
            value = self.b.const(value, self.type)
        if value.type != self.type:
            raise TypeError(f"kernel: variable {self.name} is {self.type}, got {value.type}")
        self.b.block.items.append(Assign(self, value))

    def add(self, value: Value, reassoc: bool = False) -> None:
        """Adds to it; `reassoc` lets the additions of a loop be made in another order."""
        self.b.block.items.append(Accumulate(self, value, reassoc))


@dataclass(eq=False)
class Block:
    """Statements in order, among them the values as they are made."""

    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Store:
    """Memory at an index takes a value."""

    buffer: Buffer
    index: Value
    value: Value


@dataclass(eq=False)
class AtomicAdd:
    """Memory at an index is increased by a value, whoever else does so at the same time."""

    buffer: Buffer
    index: Value
    value: Value


@dataclass(eq=False)
class Assign:
    """A variable takes a value."""

    var: Var
    value: Value


@dataclass(eq=False)
class Accumulate:
    """A variable is increased; with `reassoc` in any order of the enclosing loop's turns."""

    var: Var
    value: Value
    reassoc: bool


@dataclass(eq=False)
class Declare:
    """A variable comes to be, with its first value."""

    var: Var
    value: Value


@dataclass(eq=False)
class Local:
    """Memory of a work item (`private`) or group (`shared`) comes to be, uninitialized."""

    buffer: Buffer


@dataclass(eq=False)
class For:
    """Turns of a block, with i64 `index` from `start` to before `stop`. `vector`: turns do not depend on each other, but
    for `Accumulate`s with `reassoc`. `scalar`: one after the other is faster, as where loads are all over the place."""

    index: Value
    start: Value
    stop: Value
    step: Value
    body: Block
    vector: bool
    scalar: bool = False


@dataclass(eq=False)
class While:
    """Turns of `body` while `condition`, the last value of `test`, is true."""

    test: Block
    condition: Value
    body: Block


@dataclass(eq=False)
class If:
    """One of two blocks."""

    condition: Value
    then: Block
    otherwise: Block


@dataclass(eq=False)
class Barrier:
    """All work items of the group arrive before any goes on."""


@dataclass(eq=False)
class Work:
    """The work items: `body` runs for each `index` from 0 to before `count`; outermost, once in a kernel.

    Attributes:
        index: number of the work item, or of the group where `group` is above 1.
        lane: number within the group, or None.
        group: work items that share memory; 1 for independent ones.
    """

    index: Value
    lane: Value | None
    count: Value
    body: Block
    group: int


@dataclass(frozen=True, eq=False)
class Kernel:
    """A finished program.

    Attributes:
        name: a C identifier.
        params: buffers, and (name, type) values for sizes and numbers, in order.
        body: preamble (values of parameters alone) and one `Work`.
        target: what it was lowered for.
        brief: it runs on few elements: quick building matters more than quick running.
    """

    name: str
    params: tuple[Any, ...]
    body: Block
    target: Target
    brief: bool = False

    def __str__(self) -> str:
        return show(self)

    def key(self) -> str:
        """A digest of everything that matters to a renderer."""
        return hashlib.sha256(show(self).encode()).hexdigest()

    @property
    def work(self) -> Work:
        """The kernel's work."""
        return next(item for item in self.body.items if isinstance(item, Work))


class Builder:
    """Makes a kernel, statement by statement."""

    def __init__(self, name: str, target: Target = PLAIN) -> None:
        self.name = name
        self.target = target
        self.params: list[Any] = []
        self.root = Block()
        self.block = self.root
        self._made = 0
        self._names = 0
        self._scopes: list[dict[Any, Value]] = [{}]
        self._consts: dict[Any, Value] = {}

    def count(self) -> int:
        """A number not given out before."""
        self._made += 1
        return self._made

    # -- parameters ------------------------------------------------------------------------------------------------

    def buffer(self, name: str, type: str, written: bool = False) -> Buffer:
        """A parameter: memory of elements of a type. `written` ones may be read, too."""
        made = Buffer(self, name, type, written)
        self.params.append(made)
        return made

    def size(self, name: str) -> Value:
        """A parameter: a size, stride or count, i64."""
        return self.scalar(name, "i64")

    def scalar(self, name: str, type: str) -> Value:
        """A parameter: a number."""
        made = Value(self, "param", (), type, name)
        self.params.append(made)
        return made

    # -- values ----------------------------------------------------------------------------------------------------

    def const(self, number: Any, type: str) -> Value:
        """A number known now."""
        number = _converted(number, type)
        key = (type, repr(number))
        found = self._consts.get(key)
        if found is None:
            found = self._consts[key] = Value(self, "const", (), type, number)
        return found

    def position(self, index: Any) -> Value:
        """An index as i64."""
        return index.cast("i64") if isinstance(index, Value) else self.const(index, "i64")

    def make(self, op: str, args: tuple[Value, ...], type: str, data: Any = None, pure: bool = True) -> Value:
        """A value in the current block, or the same one if it was made before in an enclosing scope."""
        if all(a.op == "const" for a in args) and op in _FOLDED:
            return (
                self.const(_FOLDED[op](*[a.data for a in args]), type)
                if is_int(type) and _fits(op, args)
                else self._put(op, args, type, data, pure)
            )
        if op in ("mul", "add") and is_int(type) and (simpler := _simpler(op, args)) is not None:
            return simpler
        return self._put(op, args, type, data, pure)

    def _put(self, op: str, args: tuple[Value, ...], type: str, data: Any, pure: bool) -> Value:
        key = (op, args, type, data if isinstance(data, str) else id(data))
        if pure:
            for scope in reversed(self._scopes):
                if key in scope:
                    return scope[key]
        made = Value(self, op, args, type, data)
        self.block.items.append(made)
        if pure:
            self._scopes[-1][key] = made
        return made

    # -- statements ------------------------------------------------------------------------------------------------

    def var(self, value: Value, name: str = "v") -> Var:
        """A variable with its first number."""
        self._names += 1
        made = Var(self, f"{name}{self._names}", value.type)
        self.block.items.append(Declare(made, value))
        return made

    def private(self, type: str, length: int, name: str = "a") -> Buffer:
        """Memory of each work item alone."""
        return self._local(type, length, name, "private")

    def shared(self, type: str, length: int, name: str = "s") -> Buffer:
        """Memory of a group of work items."""
        return self._local(type, length, name, "shared")

    def _local(self, type: str, length: int, name: str, space: str) -> Buffer:
        self._names += 1
        made = Buffer(self, f"{name}{self._names}", type, True, space, length)
        self.block.items.append(Local(made))
        return made

    def atomic_add(self, buffer: Buffer, index: Any, value: Value) -> None:
        """Adds to memory that other work items add to as well; floats then sum in no certain order."""
        self.block.items.append(AtomicAdd(buffer, self.position(index), value))

    def barrier(self) -> None:
        """All work items of the group arrive before any goes on."""
        self.block.items.append(Barrier())

    @contextlib.contextmanager
    def _inside(self, block: Block) -> Iterator[None]:
        outer, self.block = self.block, block
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()
            self.block = outer

    @contextlib.contextmanager
    def work(self, count: Any) -> Iterator[Value]:
        """Independent work items 0 to `count`; gives the item's number."""
        index = Value(self, "index", (), "i64", "work")
        made = Work(index, None, self.position(count), Block(), 1)
        with self._inside(made.body):
            yield index
        self.block.items.append(made)

    @contextlib.contextmanager
    def groups(self, count: Any, group: int) -> Iterator[tuple[Value, Value]]:
        """`count` groups of `group` work items; gives the group's number and the item's number in it."""
        index, lane = Value(self, "index", (), "i64", "group"), Value(self, "index", (), "i64", "lane")
        made = Work(index, lane, self.position(count), Block(), group)
        with self._inside(made.body):
            yield index, lane
        self.block.items.append(made)

    @contextlib.contextmanager
    def loop(
        self, stop: Any, start: Any = 0, step: Any = 1, vector: bool = False, scalar: bool = False
    ) -> Iterator[Value]:
        """A loop; gives its index. With `vector`, turns may run at once; with `scalar`, they had better not."""
        index = Value(self, "index", (), "i64", "loop")
        made = For(index, self.position(start), self.position(stop), self.position(step), Block(), vector, scalar)
        with self._inside(made.body):
            yield index
        self.block.items.append(made)

    @contextlib.contextmanager
    def loop_while(self) -> Iterator[Any]:
        """A loop with a test: `with b.loop_while() as test:`, then `test(condition)` once, then the body."""
        made = While(Block(), None, Block())  # type: ignore[arg-type]
        outer = self.block
        self.block = made.test
        self._scopes.append({})

        def test(condition: Value) -> None:
            made.condition = condition
            self.block = made.body

        try:
            yield test
        finally:
            self._scopes.pop()
            self.block = outer
        outer.items.append(made)

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[Any]:
        """A block under a condition; `with b.when(c) as otherwise:` and, for the other, `with otherwise():` after it."""
        made = If(condition, Block(), Block())

        @contextlib.contextmanager
        def otherwise() -> Iterator[None]:
            with self._inside(made.otherwise):
                yield

        with self._inside(made.then):
            yield otherwise
        self.block.items.append(made)

    def finish(self) -> Kernel:
        """The kernel."""
        return Kernel(self.name, tuple(self.params), self.root, self.target)


def _divided(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_FOLDED = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "idiv": _divided}


def _fits(op: str, args: tuple[Value, ...]) -> bool:
    type = args[0].type
    if not is_int(type):
        return False
    found = _FOLDED[op](*[a.data for a in args])
    low, high = (
        (-(1 << (bits(type) - 1)), (1 << (bits(type) - 1)) - 1) if is_signed(type) else (0, (1 << bits(type)) - 1)
    )
    return bool(low <= found <= high)


def _simpler(op: str, args: tuple[Value, ...]) -> Value | None:
    """Integer x * 1, x * 0 and x + 0."""
    for x, y in (args, args[::-1]):
        if y.op == "const":
            if op == "add" and y.data == 0:
                return x
            if op == "mul" and y.data in (0, 1):
                return x if y.data == 1 else y
    return None


# -- printing ----------------------------------------------------------------------------------------------------------


def show(kernel: Kernel) -> str:
    """The program as text; equal programs give equal text."""
    names: dict[int, str] = {}

    def name(v: Value) -> str:
        if v.op == "const":
            return f"{v.data!r}:{v.type}"
        if v.op == "param":
            return str(v.data)
        return names.setdefault(id(v), f"%{len(names)}")

    def lines(block: Block, indent: str) -> Iterator[str]:
        inner = indent + "  "
        for item in block.items:
            match item:
                case Value():
                    data = item.data.name if isinstance(item.data, (Buffer, Var)) else item.data
                    said = [*([str(data)] if data is not None else []), *[name(a) for a in item.args]]
                    yield f"{indent}{name(item)} = {item.op}.{item.type} {', '.join(said)}"
                case Store():
                    yield f"{indent}{item.buffer.name}[{name(item.index)}] = {name(item.value)}"
                case AtomicAdd():
                    yield f"{indent}atomic {item.buffer.name}[{name(item.index)}] += {name(item.value)}"
                case Declare():
                    yield f"{indent}var {item.var.name}:{item.var.type} = {name(item.value)}"
                case Assign():
                    yield f"{indent}{item.var.name} = {name(item.value)}"
                case Accumulate():
                    yield f"{indent}{item.var.name} +={' reassoc' if item.reassoc else ''} {name(item.value)}"
                case Local():
                    yield f"{indent}{item.buffer.space} {item.buffer.name}:{item.buffer.type}[{item.buffer.length}]"
                case For():
                    head = f"{name(item.start)}..{name(item.stop)} by {name(item.step)}"
                    how = " vector" if item.vector else " scalar" if item.scalar else ""
                    yield f"{indent}for{how} {name(item.index)} in {head}:"
                    yield from lines(item.body, inner)
                case While():
                    yield f"{indent}while:"
                    yield from lines(item.test, inner)
                    yield f"{indent}is {name(item.condition)}:"
                    yield from lines(item.body, inner)
                case If():
                    yield f"{indent}if {name(item.condition)}:"
                    yield from lines(item.then, inner)
                    if item.otherwise.items:
                        yield f"{indent}else:"
                        yield from lines(item.otherwise, inner)
                case Work():
                    of = f" of {item.group}, lane {name(item.lane)}" if item.lane is not None else ""
                    yield f"{indent}work {name(item.index)} in 0..{name(item.count)}{of}:"
                    yield from lines(item.body, inner)
                case Barrier():
                    yield f"{indent}barrier"

    head = ", ".join(
        f"{p.name}:{p.type}*{'' if p.written else ' const'}" if isinstance(p, Buffer) else f"{p.data}:{p.type}"
        for p in kernel.params
    )
    return "\n".join([f"kernel {kernel.name}({head}) for {kernel.target.name}", *lines(kernel.body, "  ")]) + "\n"


# -- evaluation by NumPy -----------------------------------------------------------------------------------------------


def evaluate(results: Sequence[Value], given: dict[Value, Any]) -> list[Any]:
    """Pure values by NumPy, whole arrays at a time: for tests of formulas, without any device.

    Args:
        given: arrays for parameters.
    """
    known: dict[int, Any] = {id(v): np.asarray(a, NUMPY[v.type]) for v, a in given.items()}

    def run(v: Value) -> Any:
        stack = [v]
        while stack:
            top = stack[-1]
            if id(top) in known:
                stack.pop()
                continue
            missing = [a for a in top.args if id(a) not in known]
            if missing:
                stack.extend(missing)
                continue
            known[id(top)] = _apply(top, [known[id(a)] for a in top.args])
            stack.pop()
        return known[id(v)]

    with np.errstate(all="ignore"):
        return [run(v) for v in results]


def _fma(x: Any, y: Any, z: Any) -> Any:
    if x.dtype == np.float32:  # the product is exact in float64
        return (x.astype("f8") * y + z).astype("f4")
    # Products of halves are exact in a longer type, and two-sums keep what their sum rounds off.
    halves = [(v.view("u8") & np.uint64(0xFFFFFFFFF8000000)).view("f8") for v in (x, y)]
    (xh, xl), (yh, yl) = [
        (h.astype(np.longdouble), (v - h).astype(np.longdouble)) for v, h in zip((x, y), halves, strict=True)
    ]
    total, lost = z.astype(np.longdouble), np.longdouble(0)
    for part in (xh * yh, xh * yl + xl * yh, xl * yl):
        before, total = total, total + part
        back = total - before
        lost = lost + ((before - (total - back)) + (part - back))
    exact = total + lost
    return np.where(np.isfinite(exact) & (exact != 0), exact, x * y + z).astype("f8")


_EVALUATED: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert, "neg": np.negative, "abs": np.absolute,
    "sqrt": np.sqrt, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "shl": np.left_shift,
    "shr": np.right_shift, "copysign": np.copysign, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "select": np.where, "fma": _fma,
    "idiv": lambda a, b: (a - np.fmod(a, b)) // b,
    "irem": np.fmod,
}  # fmt: skip


def _apply(v: Value, args: list[Any]) -> Any:
    kind = np.dtype(NUMPY[v.type])
    if v.op == "const":
        return (
            np.asarray(v.data).astype(kind)
            if not (is_float(v.type) and math.isnan(v.data))
            else np.asarray(math.nan, kind)
        )
    if v.op == "cast":
        return args[0] != 0 if v.type == "b1" else args[0].astype(kind)
    if v.op == "bitcast":
        return args[0].view(kind)
    if v.op not in _EVALUATED:
        raise TypeError(f"evaluate: op must be pure, got {v.op}")
    return np.asarray(_EVALUATED[v.op](*args)).astype(kind, copy=False)
