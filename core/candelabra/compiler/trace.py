# SPDX-License-Identifier: Apache-2.0
"""Tracing: an op's body becomes a graph by running once on tensors that record what is done to them.

The tensors live on the device `trace`, whose handles are nodes and whose kernels add nodes. Their sizes are `Extent`s,
integers that remember how they follow from the sizes of the arguments: what a body computes of sizes (the 1/n of a mean)
becomes a parameter of the kernel, and what it asks of them (is it empty? are they equal?) a guard of the trace.
"""

from __future__ import annotations

import contextlib
import math
import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import dtype as dtype_type
from .._errors import CandelabraError
from .._shape import Shape, broadcast_shapes
from ..dispatcher import _plugins
from ..dispatcher._kind import kind_of
from ..dispatcher.backend import Backend, Capabilities, Kernel
from ..op._declare import Op, public_arguments
from ..tensor._tensor import Tensor, make_tensor
from .graph import REDUCTIONS, Axes, Axis, Graph, Node, join_axes
from .scalar import SCALAR

Env = tuple[Sequence[Shape], Sequence[Any]]
"""What a trace may depend on without being made anew: shapes of the arrays, and the arguments."""


class UntraceableError(CandelabraError):
    """The body does what a graph of maps and reductions cannot say; it is run op by op instead."""


# -- sizes -------------------------------------------------------------------------------------------------------------

Guard = Callable[[Env], bool]


class _Noted(threading.local):
    """Guards of the traces that run on this thread, the innermost last."""

    def __init__(self) -> None:
        self.stack: list[list[Guard]] = []


_noted = _Noted()


def _note(guard: Guard) -> None:
    """Lets the running trace depend on it."""
    if _noted.stack:
        _noted.stack[-1].append(guard)


def _find(value: Any) -> Callable[[Env], Any]:
    """How a number follows from the shapes of the arguments."""
    return value.find if isinstance(value, (Extent, Real)) else lambda env: value


def _derived(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A method for numbers that follow from sizes: its result follows from them, too."""

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(o, (int, float)) for o in others):
            return NotImplemented
        known = apply(_plain(self), *map(_plain, others))
        if not isinstance(known, (int, float)) or isinstance(known, bool):
            return known
        finds = [_find(v) for v in (self, *others)]

        def find(env: Env) -> Any:
            return apply(*[f(env) for f in finds])

        return Extent(known, find) if isinstance(known, int) else Real(known, find)

    return method


def _asked(apply: Callable[..., bool]) -> Callable[..., Any]:
    """A method that answers a question on such numbers, and notes the answer as a guard."""

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(o, (int, float)) for o in others):
            return NotImplemented
        answer = bool(apply(_plain(self), *map(_plain, others)))
        finds = [_find(v) for v in (self, *others)]
        _note(lambda env: bool(apply(*[f(env) for f in finds])) is answer)
        return answer

    return method


def _plain(value: Any) -> Any:
    return (
        int.__int__(value)
        if isinstance(value, Extent)
        else float.__float__(value)
        if isinstance(value, Real)
        else value
    )


def _swapped(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: apply(b, a)


class _Follows:
    """Arithmetic of numbers that follow from sizes."""

    __slots__ = ()

    __add__ = _derived(operator.add)
    __radd__ = _derived(_swapped(operator.add))
    __sub__ = _derived(operator.sub)
    __rsub__ = _derived(_swapped(operator.sub))
    __mul__ = _derived(operator.mul)
    __rmul__ = _derived(_swapped(operator.mul))
    __truediv__ = _derived(operator.truediv)
    __rtruediv__ = _derived(_swapped(operator.truediv))
    __floordiv__ = _derived(operator.floordiv)
    __rfloordiv__ = _derived(_swapped(operator.floordiv))
    __mod__ = _derived(operator.mod)
    __pow__ = _derived(operator.pow)
    __rpow__ = _derived(_swapped(operator.pow))
    __neg__ = _derived(operator.neg)
    __pos__ = _derived(operator.pos)
    __abs__ = _derived(operator.abs)
    __eq__ = _asked(operator.eq)
    __ne__ = _asked(operator.ne)
    __lt__ = _asked(operator.lt)
    __le__ = _asked(operator.le)
    __gt__ = _asked(operator.gt)
    __ge__ = _asked(operator.ge)
    __bool__ = _asked(bool)

    def __hash__(self) -> int:
        return hash(_plain(self))


class Extent(_Follows, int):
    """An integer that follows from the sizes of a traced call's arguments."""

    find: Callable[[Env], Any]

    def __new__(cls, value: int, find: Callable[[Env], Any]) -> Extent:
        made = int.__new__(cls, value)
        made.find = find
        return made

    def __float__(self) -> float:
        return float(_settled(self))

    def to_real(self) -> Real:
        """This as a float that follows from sizes."""
        find = self.find
        return Real(float(_plain(self)), lambda env: float(find(env)))


class Real(_Follows, float):
    """A float that follows from the sizes of a traced call's arguments."""

    find: Callable[[Env], Any]

    def __new__(cls, value: float, find: Callable[[Env], Any]) -> Real:
        made = float.__new__(cls, value)
        made.find = find
        return made

    def __float__(self) -> float:
        plain: float = _settled(self)
        return plain

    def __int__(self) -> int:
        return int(_settled(self))

    def __trunc__(self) -> int:
        return int(_settled(self))

    def __floor__(self) -> int:
        return math.floor(_settled(self))

    def __ceil__(self) -> int:
        return math.ceil(_settled(self))


# -- the device --------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Traced:
    """Handle of the trace device: a node, and sizes that remember where they come from."""

    node: Node
    shape: Shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of its elements."""
        return self.node.dtype


class TraceBackend(Backend):
    """Kernels that add nodes to a graph."""

    name = "trace"
    remembers = False
    rounds_parts = False
    capabilities = Capabilities(indexed=False, max_rank=64)
    handle_type = Traced

    def allocate(self, shape: Shape, dtype: dtype_type, index: int) -> Any:
        raise UntraceableError("trace: memory that is not computed cannot be in a formula")

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Traced:
        if array.size != 1:
            raise UntraceableError("trace: an array of the host cannot be in a formula")
        return Traced(Node("constant", "", (array.item(),), array.dtype, (None,) * array.ndim), array.shape)

    def to_host(self, handle: Traced) -> Any:
        raise UntraceableError("trace: a formula cannot read values")

    def kernels(self) -> dict[str, Kernel]:
        return {"full": self._full}

    def kernel(self, op: str, dtype: dtype_type) -> Kernel | None:
        from ..op._registry import ops

        if op in REDUCTIONS:
            return lambda *args: _reduced(op, args)
        if op in SCALAR:
            return lambda *args: _mapped(ops[op], args)
        if op == "clone":
            return lambda input: input
        if ops[op].body is not None:
            return None

        def refuse(*args: Any) -> Any:
            raise UntraceableError(f"{op}: is neither a map nor a reduction")

        return refuse

    def _full(self, shape: Shape, value: Any, dtype: dtype_type, index: int) -> Traced:
        axes = tuple(None if size == 1 else Axis() for size in shape)
        value = _settled(value) if isinstance(value, _Follows) else value
        return Traced(Node("constant", "", (value,), dtype.numpy, axes), tuple(shape))

    def strides(self, handle: Traced) -> Shape:
        raise UntraceableError("trace: a formula has no strides")

    def view_kernels(self) -> dict[str, Kernel]:
        return {
            "transpose": _transpose, "permute": _permute, "expand": _expand, "squeeze": _squeeze,
            "unsqueeze": _unsqueeze, "view": _view,
        }  # fmt: skip

    def write(self, target: Any, source: Any) -> None:
        raise UntraceableError("trace: a formula cannot write into memory")

    copy = None  # type: ignore[assignment]


def _dtypes_of(op: Op, args: Sequence[Any]) -> tuple[dtype_type, Any]:
    """(dtype to compute in, dtype or dtypes of the results)"""
    return op.infer_dtypes([_stand_in(a) if isinstance(a, Traced) else a for a in args])


def _stand_in(handle: Traced) -> Tensor:
    return make_tensor(handle, kind_of(_device(), _dtype.from_numpy_dtype(handle.dtype)))


def _mapped(op: Op, args: tuple[Any, ...]) -> Any:
    handles = [a for a in args if isinstance(a, Traced)]
    compute, results = _dtypes_of(op, args)
    shape = _broadcast(op.name, handles)
    axes = join_axes(h.node.axes for h in handles)
    operands = tuple(_operand(op, i, a, compute.numpy) for i, a in enumerate(args))
    if isinstance(results, tuple):
        return tuple(
            Traced(Node("map", op.name, operands, d.numpy, axes, part=n), shape) for n, d in enumerate(results)
        )
    return Traced(Node("map", op.name, operands, results.numpy, axes), shape)


def _operand(op: Op, i: int, value: Any, compute: np.dtype[Any]) -> Any:
    """An argument of a map: a node for operands, the value itself for attributes."""
    if isinstance(value, Traced):
        return value.node
    if isinstance(value, (Extent, Real)):
        if i not in op.operands:
            return _settled(value)
        return Node("number", "", (value.find,), compute, ())
    if i in op.operands and value is not None:
        return Node("constant", "", (value,), compute, ())
    return value


def _settled(value: Any) -> Any:
    """The plain number, which the trace from now on depends on."""
    plain = _plain(value)
    find = value.find
    _note(lambda env: _is_same(find(env), plain))
    return plain


def _is_same(one: Any, two: Any) -> bool:
    """Whether numbers are one, signs of zeros and nan included."""
    return one == two if one and two and one == one else repr(one) == repr(two)


def _broadcast(name: str, handles: list[Traced]) -> Shape:
    broadcast_shapes(name, *(tuple(map(_plain, h.shape)) for h in handles))  # for what it refuses: it asks no guards
    ndim = max(len(h.shape) for h in handles)
    shape = []
    for d in range(ndim):
        sizes = [h.shape[d - ndim + len(h.shape)] for h in handles if d - ndim + len(h.shape) >= 0]
        shape.append(next((s for s in sizes if s != 1), sizes[0]))
    return tuple(shape)


def _reduced(kind: str, args: tuple[Any, ...]) -> Traced:
    from ..op._registry import ops

    op = ops[kind]
    input = args[0]
    given = dict(zip((p.name for p in op.kernel_params), args, strict=True))
    keepdim, ndim = given.get("keepdim", False), len(input.shape)
    dims = given.get("dim")
    dims = (
        tuple(range(ndim)) if dims is None else (dims,) if isinstance(dims, int) else tuple(dims) or tuple(range(ndim))
    )
    dims = tuple(d for d in dims if d < ndim)  # a 0-d tensor counts as one of a single dim
    over = tuple(axis for d in dims if (axis := input.node.axes[d]) is not None)
    dtype = _dtypes_of(op, args)[1]
    kept = [d for d in range(ndim) if d not in dims]
    axes = tuple(None if d in dims else input.node.axes[d] for d in range(ndim) if keepdim or d in kept)
    shape = tuple(1 if d in dims else input.shape[d] for d in range(ndim) if keepdim or d in kept)
    return Traced(Node("reduce", kind, (input.node,), dtype.numpy, axes, over), shape)


def _viewed(handle: Traced, axes: Axes, shape: Shape) -> Traced:
    """The node with its dims arranged otherwise."""
    old = handle.node
    if old.kind == "input" or old.axes != axes:
        return Traced(Node("map", "=", (old,), old.dtype, axes), shape)
    return Traced(old, shape)


def _transpose(handle: Traced, dim0: int, dim1: int) -> Traced:
    order = list(range(len(handle.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permute(handle, order)


def _permute(handle: Traced, dims: Sequence[int]) -> Traced:
    return _viewed(handle, tuple(handle.node.axes[d] for d in dims), tuple(handle.shape[d] for d in dims))


def _unsqueeze(handle: Traced, dim: int) -> Traced:
    axes, shape = list(handle.node.axes), list(handle.shape)
    axes.insert(dim, None)
    shape.insert(dim, 1)
    return _viewed(handle, tuple(axes), tuple(shape))


def _squeeze(handle: Traced, dims: Any) -> Traced:
    drop = {d for d in (dims if dims is not None else range(len(handle.shape))) if handle.shape[d] == 1}
    keep = [d for d in range(len(handle.shape)) if d not in drop]
    return _permute(handle, keep)


def _expand(handle: Traced, size: Shape) -> Traced:
    more = len(size) - len(handle.shape)
    old = (*(None,) * more, *handle.node.axes)
    axes = tuple(axis if axis is not None or n == 1 else Axis() for axis, n in zip(old, size, strict=True))
    return _viewed(handle, axes, tuple(size))


def _view(handle: Traced, shape: Shape) -> Traced:
    """Reshapes that add or drop dims of size 1."""
    old = [(n, a) for n, a in zip(handle.shape, handle.node.axes, strict=True) if n != 1]
    new = [n for n in shape if n != 1]
    if len(old) != len(new) or any(a != b for (a, _), b in zip(old, new, strict=True)):
        raise UntraceableError("trace: a formula cannot merge or split dims")
    axes = iter(a for _, a in old)
    sizes = iter(n for n, _ in old)
    return _viewed(
        handle, tuple(None if n == 1 else next(axes) for n in shape), tuple(n if n == 1 else next(sizes) for n in shape)
    )


def _device() -> Any:
    from .._device import device

    if "trace" not in _plugins._loaded:
        _plugins._loaded["trace"] = TraceBackend()
    return device("trace")


# -- traces ------------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Trace:
    """A body as a graph, for arguments of certain dtypes, attributes, and answers of its guards.

    Attributes:
        sources: for each input of the graph, the number of its argument among the arrays.
        number_sources: for each number, how it follows: from shapes, or an argument's position.
        shapes: how the shape of each output follows.
        guards: what must hold of shapes.
        is_tuple: whether the body returned a tuple.
    """

    graph: Graph
    numbers: list[Callable[[Env], Any]]
    shapes: list[Callable[[Env], Shape]]
    guards: list[Guard] = field(default_factory=list)
    is_tuple: bool = False

    def holds(self, env: Env) -> bool:
        """Whether it was made for such shapes and arguments."""
        return all(guard(env) for guard in self.guards)


@contextlib.contextmanager
def _guarded() -> Iterator[list[Guard]]:
    _noted.stack.append([])
    try:
        yield _noted.stack[-1]
    finally:
        _noted.stack.pop()


def trace_body(op: Op, arrays: Sequence[tuple[Shape, np.dtype[Any]] | None], args: Sequence[Any]) -> Trace:
    """The graph of an op's body.

    Args:
        arrays: shape and dtype for each of `args` that is an array, else None.
        args: kernel arguments; those that are arrays are not read. Numbers given for operands become parameters.

    Raises:
        UntraceableError: it is more than maps and reductions, or over several sets of axes.
    """
    return _checked(op, arrays, args, lambda given: op.call_body(public_arguments(op, given)))


def trace_map(op: Op, arrays: Sequence[tuple[Shape, np.dtype[Any]] | None], args: Sequence[Any]) -> Trace:
    """The graph of a primitive that is one map or reduction."""
    backend_kernel = TraceBackend().kernel

    def call(given: list[Any]) -> Any:
        handles = [g._array if isinstance(g, Tensor) else g for g in given]
        kernel = backend_kernel(op.name, None)  # type: ignore[arg-type]
        assert kernel is not None
        out = kernel(*handles)
        return tuple(map(_stand_in, out)) if isinstance(out, tuple) else _stand_in(out)

    return _checked(op, arrays, args, call)


def is_parameter(op: Op, i: int) -> bool:
    """Whether an attribute is a number that kernels take as a parameter: a rate, a slope, a step's number."""
    param = op.kernel_params[i]
    return param.annotation.startswith(("float", "Number")) or param.name == "step"


SHORT_EXPONENTS = frozenset((0.5, *range(-8, 9)))
"""Exponents whose powers are products or roots: many times faster than the general power."""


def is_short_exponent(op: Op, i: int, value: Any) -> bool:
    """Whether an operand is a number that is worth a kernel of its own, for its formula."""
    return op.name == "pow" and i == 1 and type(value) in (int, float, complex) and value in SHORT_EXPONENTS


def _numbers(op: Op, args: Sequence[Any]) -> list[Any]:
    return [v for i, v in enumerate(args) if is_parameter(op, i)]


def _checked(op: Op, arrays: Any, args: Any, run: Callable[[list[Any]], Any]) -> Trace:
    """A trace that holds for other sizes and numbers; else one for these numbers; else one for these sizes, too.

    A body can compute with sizes in ways that leave no trace (`math.sqrt`); then tracing it with others gives another
    graph. So do numbers that choose its formula, as the order of a norm does.
    """
    trace = _trace(op, arrays, args, run, True)
    sizes = sorted({n for a in arrays if a is not None for n in a[0] if n > 1})
    moved = {n: n + 8 * (i + 1) + 3 for i, n in enumerate(sizes)}
    others = [a and (tuple(moved.get(n, n) for n in a[0]), a[1]) for a in arrays]
    numbers = [
        v * 0.984375
        if type(v) is float and is_parameter(op, i)
        else v + 3
        if type(v) is int and is_parameter(op, i)
        else v
        for i, v in enumerate(args)
    ]
    has_numbers = numbers != list(args)
    if not (sizes or has_numbers) or _gives(trace, op, others, numbers, run, True):
        return trace
    known, shapes = [repr(v) for v in _numbers(op, args)], tuple(a[0] for a in arrays if a is not None)
    trace = _trace(op, arrays, args, run, False)
    if has_numbers and _gives(trace, op, others, args, run, False):
        trace.guards.append(lambda env: [repr(v) for v in _numbers(op, env[1])] == known)
    else:
        trace.guards = [lambda env: tuple(env[0]) == shapes and [repr(v) for v in _numbers(op, env[1])] == known]
    return trace


def _gives(trace: Trace, op: Op, arrays: Any, args: Any, run: Callable[[list[Any]], Any], symbolic: bool) -> bool:
    """Whether a trace with these sizes and numbers has the same graph."""
    try:
        return str(_trace(op, arrays, args, run, symbolic).graph) == str(trace.graph)
    except CandelabraError:
        return False


def _computed_in(op: Op, arrays: Any, args: Any) -> np.dtype[Any]:
    """The dtype of numbers among the operands: that of the arrays, which are cast already; the op's rule without any.

    The rule alone would not do: it may look at a number's value, for which the trace is not made.
    """
    promoted = [arrays[i][1] for i in op.promoted if arrays[i] is not None]
    if promoted:
        return promoted[0]
    operands = [
        Traced(Node("input", "", (), a[1], (None,) * len(a[0])), a[0]) if a else v
        for a, v in zip(arrays, args, strict=True)
    ]
    return _dtypes_of(op, operands)[0].numpy


def _trace(op: Op, arrays: Any, args: Any, run: Callable[[list[Any]], Any], symbolic: bool) -> Trace:
    from .._config import grad_enabled

    graph = Graph(op.name)
    given: list[Any] = []
    fixed: dict[int, int] = {}
    compute = _computed_in(op, arrays, args)
    for i, (array, value) in enumerate(zip(arrays, args, strict=True)):
        if array is not None:
            n = len(graph.inputs)
            shape = tuple(Extent(size, lambda env, n=n, d=d: env[0][n][d]) for d, size in enumerate(array[0]))  # type: ignore[misc]
            axes = tuple(None if int.__eq__(size, 1) else Axis() for size in shape)
            node = Node("input", f"in{n}", (), array[1], axes)
            graph.inputs.append(node)
            given.append(_stand_in(Traced(node, shape)))
        elif i in op.operands and isinstance(value, (int, float, complex)):
            is_short = is_short_exponent(op, i, value)
            node = Node("constant", "", (value,), compute, ()) if is_short else Node("number", f"k{i}", (), compute, ())
            fixed[id(node)] = i
            given.append(_stand_in(Traced(node, ())) if not isinstance(value, bool) else value)
        elif symbolic and is_parameter(op, i) and type(value) in (int, float):
            follows = Extent if type(value) is int else Real
            given.append(follows(value, lambda env, i=i: env[1][i]))  # type: ignore[misc]
        else:
            given.append(value)
    token = grad_enabled.set(False)
    try:
        with _guarded() as guards:
            result = run(given)
    except CandelabraError:
        raise
    except Exception as error:  # of wrong arguments, most likely: run in the ordinary way, the body says so
        raise UntraceableError(f"{op.name}: the body failed with {type(error).__name__}: {error}") from error
    finally:
        grad_enabled.reset(token)
    outs = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(o, Tensor) and isinstance(o._array, Traced) for o in outs):
        raise UntraceableError(f"{op.name}: the body gives other things than tensors")
    graph.outputs = [_fresh(o._array.node) for o in outs]
    graph.numbers = [n for n in graph.ordered() if n.kind == "number"]
    for n, node in enumerate(graph.numbers):
        node.name = f"k{n}"
    if graph.loops() is None:
        raise UntraceableError(f"{op.name}: the body has loops over several sets of axes")
    numbers = [_number_source(node, fixed) for node in graph.numbers]
    return Trace(graph, numbers, [_shape_of(o._array.shape) for o in outs], list(guards), isinstance(result, tuple))


def _fresh(node: Node) -> Node:
    """An output of its own: an input given back is copied, and no two outputs are one node."""
    return Node("map", "=", (node,), node.dtype, node.axes)


def _number_source(node: Node, fixed: dict[int, int]) -> Callable[[Env], Any]:
    if id(node) in fixed:
        place = fixed[id(node)]
        return lambda env: env[1][place]
    find: Callable[[Env], Any] = node.args[0]
    return find


def _shape_of(shape: Shape) -> Callable[[Env], Shape]:
    finds = [_find(size) for size in shape]
    return lambda env: tuple(int(f(env)) for f in finds)
