# SPDX-License-Identifier: Apache-2.0
"""The one door: from a user's call to a kernel and back to a tensor.

`entry` makes the function users call for an op. Its common path is a table look-up by kind, the kernel, and four
slots of a new tensor; everything else (scalars of another category, promotion, checks, bodies, fallback, messages)
is in `dispatch`, which also fills the tables. Tables are a cache: they are emptied when somebody observes dispatch or
a backend is registered, and whatever they miss is merely slower.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._config import grad_enabled
from .._dtype import can_cast, dtype
from .._errors import (
    AutogradError,
    BackendError,
    CallError,
    CandelabraError,
    DeviceError,
    DTypeError,
    MissingKernelError,
    OutOfMemoryError,
    ShapeError,
)
from ..tensor._storage import Storage
from ..tensor._tensor import Tensor, make_tensor, make_view, new
from . import _fallback
from ._kind import Kind, canonical_device, kind_of
from ._record import rebase, record, record_pair, with_node

if TYPE_CHECKING:
    from ..op._declare import Op

# Kernels follow IEEE 754 in silence, as other tensor libraries do; NumPy would warn at each nan and infinity.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"candelabra(_xp|_cpu|\.dispatcher)")

_SCALARS = frozenset((bool, int, float, complex))
_CACHE_LIMIT = 4096


def is_scalar(value: Any) -> bool:
    """True for Python and NumPy numbers."""
    return type(value) in _SCALARS or isinstance(value, (bool, int, float, complex, np.generic))


# -- what users call -----------------------------------------------------------------------------------------------


def entry(op: Op) -> Callable[..., Any]:
    """The function users call for `op`: the shortest path its schema allows."""
    if op.is_view:
        return _view_entry(op)
    if op.is_factory:
        return _factory_entry(op)
    if op.is_pointwise and len(op.kernel_params) == 1:
        return _unary_entry(op)
    if op.is_pointwise and len(op.kernel_params) == 2 and op.operands == (0, 1):
        return _binary_entry(op)
    if op.operands == (0,) and not op.has_lists:
        return _single_entry(op)
    return _general_entry(op)


def _unary_entry(op: Op) -> Callable[..., Any]:
    find = op.table.get
    slow = functools.partial(call_slow, op)
    rules = op.rules

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return slow((input, *args), kwargs)
        try:
            kind = input._kind
            kernel, result_kind = find(kind)
            array = kernel(input._array)
        except Exception:  # not a tensor, nothing remembered, or a kernel that refuses: the full path says which
            return slow((input,), kwargs)
        if type(array) is not kind.handle_type:
            array = kind.backend.wrap(array, result_kind.dtype)
        result: Tensor = new(Tensor)
        result._array = array
        result._kind = result_kind
        result._node = None
        result._storage = None
        result._base = None
        if input._node is not None and rules and grad_enabled.get():
            record_pair(op, input, None, result, result_kind)
        return result

    return call


def _binary_entry(op: Op, slow: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """`slow` replaces the way off the common path: Python's operators ask there whether the call is theirs."""
    find = op.table.get
    slow = slow or functools.partial(call_slow, op)
    rules = op.rules

    def call(input: Any, other: Any = MISSING, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return slow((input, other, *args) if other is not MISSING else (input,), kwargs)
        try:
            kind = input._kind
            cls = other.__class__
            if cls is float or cls is int:
                kernel, result_kind = find((kind, cls))
                array = kernel(input._array, other)
                node = input._node
            else:
                if other._kind is not kind:
                    return slow((input, other), kwargs)
                kernel, result_kind = find(kind)
                array = kernel(input._array, other._array)
                node = input._node or other._node
        except Exception:  # as in _unary_entry
            return slow((input, other) if other is not MISSING else (input,), kwargs)
        if type(array) is not kind.handle_type:
            array = kind.backend.wrap(array, result_kind.dtype)
        result: Tensor = new(Tensor)
        result._array = array
        result._kind = result_kind
        result._node = None
        result._storage = None
        result._base = None
        if node is not None and rules and grad_enabled.get():
            record_pair(op, input, other, result, result_kind)
        return result

    return call


def _single_entry(op: Op) -> Callable[..., Any]:
    """For ops of one tensor and attributes: calls are remembered by kind, shape and attributes as given."""
    find = op.plans.get

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        key = None
        try:
            key = (input._kind, input._array.shape, args, tuple(kwargs.items()) if kwargs else None)
            plan = find(key)
            if plan is not None and (result := plan((input,))) is not RETRY:
                return result
        except (AttributeError, TypeError):  # not a tensor, or an unhashable attribute
            key = None
        out = kwargs.pop("out", None) if kwargs else None
        args = bind(op, (input, *args), kwargs)
        return dispatch(op, args, key) if out is None else write_out(op, args, out)

    return call


def _general_entry(op: Op) -> Callable[..., Any]:
    """For everything else: as `_single_entry`, with the kinds and shapes of the leading operands in the key."""
    leading = len(op.operands) if op.operands == tuple(range(len(op.operands))) and not op.has_lists else 0
    find = op.plans.get
    pair = leading == 2

    def call(*args: Any, **kwargs: Any) -> Any:
        key: Any = None
        if leading and not kwargs:
            try:
                if pair:
                    input, other = args[:2]
                    key = (input._kind, input._array.shape, other._kind, other._array.shape, args[2:])
                else:
                    parts: list[Any] = [args[leading:]]
                    for value in args[:leading]:
                        if value is None:
                            parts.append(None)
                        elif value.__class__ is float or value.__class__ is int:
                            parts.append(repr(value))  # tells -0.0 from 0.0, and 1 from 1.0
                        else:
                            parts.append(value._kind)
                            parts.append(value._array.shape)
                    key = tuple(parts)
                plan = find(key)
                if plan is not None and (result := plan(args)) is not RETRY:
                    return result
            except (AttributeError, TypeError, ValueError):
                key = None
        out = kwargs.pop("out", None) if kwargs else None
        args = bind(op, args, kwargs)
        return dispatch(op, args, key) if out is None else write_out(op, args, out)

    return call


def _view_entry(op: Op) -> Callable[..., Any]:
    """For views: the normalised attributes are remembered by kind, shape and attributes as given."""
    find = op.plans.get
    rules = op.rules

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            kind = input._kind
            key = (kind, input._array.shape, args, tuple(kwargs.items()) if kwargs else None)
            plan = find(key)
        except (AttributeError, TypeError):
            plan = key = None
        if plan is None:
            return dispatch_view(op, bind(op, (input, *args), kwargs), key)
        short, attributes = plan
        handle = input._array
        array = None if short is None else short(handle, *attributes)
        if array is None:
            backend = kind.backend
            array = backend.view(handle, *op.geometry(handle.shape, backend.strides(handle), *attributes))
        out = make_view(array, kind, input)
        if input._node is not None and rules and grad_enabled.get():
            record(op, (input, *attributes), out)
        return out

    return call


def _factory_entry(op: Op) -> Callable[..., Any]:
    def call(*args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        kwargs.pop("layout", None)
        kwargs.pop("pin_memory", None)
        result = dispatch_factory(op, bind(op, args, kwargs), dtype, device)
        if out is not None:
            return _store_out(op, result, out)
        return result.requires_grad_() if requires_grad else result

    return call


def bind(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """`args` and `kwargs` as one tuple in the order of the op's parameters, defaults filled in.

    Sizes and dims given as loose ints (`x.permute(1, 0)`) are gathered where the op has such a parameter.

    Raises:
        CallError: too many, unknown, doubled or missing arguments.
    """
    params = op.params
    if op.variadic is not None and len(args) > op.variadic:
        first = args[op.variadic]
        if not isinstance(first, (tuple, list)) and (len(args) > op.variadic + 1 or hasattr(first, "__index__")):
            args = (*args[: op.variadic], args[op.variadic :])
    if len(args) > op.positional:
        raise CallError(f"{op.name}: takes {op.positional} positional arguments, got {len(args)}")
    values = [*args, *op.defaults[len(args) :]]
    for name, value in kwargs.items():
        index = op.index.get(name)
        if index is None:
            index = op.index.get(_ALIASES.get(name, ""))
        if index is None:
            raise CallError(f"{op.name}: unknown argument, got {name}={value!r}; takes {', '.join(op.index)}")
        if index < len(args):
            raise CallError(f"{op.name}: argument given twice, got {name}={value!r}")
        values[index] = value
    for param, value in zip(params, values, strict=True):
        if value is MISSING:
            raise CallError(f"{op.name}: missing argument, got none for {param.name}")
    return tuple(values)


# NumPy's spellings, which PyTorch takes too.
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other", "shape": "size"}


class _Missing:
    def __repr__(self) -> str:
        return "<missing>"


MISSING: Any = _Missing()
RETRY: Any = object()
"""What a plan returns when the call needs the full path after all."""


def call_slow(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call off the common path: binds, handles `out=`, dispatches."""
    out = kwargs.pop("out", None) if kwargs else None
    args = bind(op, args, kwargs)
    if out is not None:
        return write_out(op, args, out)
    return dispatch(op, args)


# -- the full path ---------------------------------------------------------------------------------------------------


def dispatch(op: Op, args: tuple[Any, ...], key: Any = None) -> Any:
    """Runs `op` on bound public arguments: normalises, checks, promotes, chooses, runs, records."""
    public = args
    if op.front is not None:
        args = op.front(*args)
    args, tensors = check_operands(op, args)
    kind = tensors[0]._kind
    if any(t._kind.device is not kind.device for t in tensors):
        args, tensors = _to_one_device(op, args, tensors)
        kind = tensors[0]._kind
    recording = op.differentiable and any(t._node is not None for t in tensors) and grad_enabled.get()
    compute, results = op.infer_dtypes(args)
    kernel = find_kernel(op, kind.backend, compute)
    if op.body is not None and (kernel is None or (recording and not op.vjps)) and not (kind.is_meta and op.shape):
        return _run_body(op, public, args, kind, recording)
    given = args
    args = _cast_operands(op, args, compute)
    if kind.is_meta:
        out = _run_meta(op, args, kind, results)
    else:
        if op.shape is not None:
            op.shape(*args)
        if kernel is None:
            return _run_fallback(op, public, tensors, kind, compute)
        out = _wrap(run_kernel(op, kernel, args), kind, results)
        if _fallback.observers:
            _fallback.tell(op.name, kind.backend.name, "kernel")
        else:
            _remember(op, public, given, args, kind, compute, kernel, results, key)
    if recording and op.records:
        record(op, args, out)
    return out


def check_operands(op: Op, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Tensor]]:
    """The tensors among the operands; NumPy scalars become Python's; refuses what is neither tensor nor number."""
    tensors: list[Tensor] = []
    for i, param in zip(op.operands, op.operand_params, strict=True):
        value = args[i]
        if isinstance(value, Tensor):
            tensors.append(value)
        elif value is None and param.optional:
            continue
        elif param.is_list:
            if not isinstance(value, (list, tuple)) or not all(isinstance(v, Tensor) for v in value):
                raise CallError(f"{op.name}: {param.name} must be a sequence of tensors, got {_named(value)}")
            tensors.extend(value)
            args = (*args[:i], list(value), *args[i + 1 :])
        elif not (param.takes_scalar and is_scalar(value)):
            raise CallError(f"{op.name}: {param.name} must be a tensor, got {_named(value)}")
        elif isinstance(value, np.generic):
            args = (*args[:i], value.item(), *args[i + 1 :])
    if not tensors:
        if op.operands and all(is_scalar(args[i]) for i in op.operands if args[i] is not None):
            raise CallError(f"{op.name}: needs at least one tensor, got numbers only; wrap one in candelabra.tensor")
        raise CallError(f"{op.name}: needs at least one tensor, got none")
    return args, tensors


def _named(value: Any) -> str:
    shown = repr(value)
    return f"{shown if len(shown) < 60 else shown[:57] + '...'} of type {type(value).__name__}"


def _to_one_device(op: Op, args: tuple[Any, ...], tensors: list[Tensor]) -> tuple[tuple[Any, ...], list[Tensor]]:
    """Moves 0-d host tensors beside the others; refuses any other mixture."""
    devices = {t._kind.device for t in tensors if t._array.shape or not t._kind.backend.capabilities.host_memory}
    if len(devices) != 1:
        listed = ", ".join(sorted(str(t._kind.device) for t in tensors))
        raise DeviceError(f"{op.name}: tensors must be on one device, got {listed}; move them with .to(device)")
    target = devices.pop()

    def move(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value if value._kind.device is target else value.to(target)
        return [move(v) for v in value] if isinstance(value, list) else value

    args = tuple(move(value) if i in op.operands else value for i, value in enumerate(args))
    return check_operands(op, args)


def _cast_operands(op: Op, args: tuple[Any, ...], compute: dtype) -> tuple[Any, ...]:
    """Promoted operands in the dtype to compute in; index and condition operands stay as they are."""
    cast = None
    for i in op.promoted:
        value = args[i]
        if isinstance(value, Tensor):
            if value._kind.dtype is compute:
                continue
            value = value.to(compute)
        elif type(value) is list:
            if all(v._kind.dtype is compute for v in value):
                continue
            value = [v.to(compute) for v in value]
        elif value is not None:
            exact = _scalar(op, value, compute)
            if exact is value:
                continue
            value = exact
        else:
            continue
        cast = cast or list(args)
        cast[i] = value
    return args if cast is None else tuple(cast)


def _scalar(op: Op, value: Any, compute: dtype) -> Any:
    """A Python number of `compute`'s category; integers wrap as the cast of a tensor would."""
    category = compute.category
    if category == 2:
        return value if type(value) is float else float(value)
    if category == 1:
        number = int(value)
        bits = compute.itemsize * 8
        if compute.is_signed:
            return (number + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        return number % (1 << bits)
    return bool(value) if category == 0 else complex(value)


def find_kernel(op: Op, backend: Any, compute: dtype) -> Any:
    """The backend's kernel, else a kernel pack's, for this op and dtype, or None; resolved once."""
    key = (backend.name, compute)
    try:
        return op.kernels[key]
    except KeyError:
        pass
    kernel = None
    if compute in backend.capabilities.compute_dtypes or op.moves_data:
        kernel = backend.kernel(op.name, compute)
    op.kernels[key] = kernel
    return kernel


def run_kernel(op: Op, kernel: Any, args: tuple[Any, ...]) -> Any:
    """Calls a kernel with handles; wraps foreign errors with the op and its operands."""
    handles = [
        value._array if isinstance(value, Tensor) else [v._array for v in value] if i in op.operands and type(value) is list else value
        for i, value in enumerate(args)
    ]
    try:
        with np.errstate(all="ignore"):  # where warnings are errors, the short path failed and this one must not
            return kernel(*handles)
    except CandelabraError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{op.name}: out of memory, got operands {describe(op, args)}") from error
    except Exception as error:
        raise BackendError(
            f"{op.name}: kernel failed with {type(error).__name__}: {error}, got operands {describe(op, args)}"
        ) from error


def describe(op: Op, args: tuple[Any, ...]) -> str:
    """Operands in words, for messages: `(2, 3) float32, (3,) int64`."""
    flat: list[Any] = []
    for i in op.operands:
        flat.extend(args[i] if isinstance(args[i], (list, tuple)) else [args[i]])
    return ", ".join(
        f"{tuple(v.shape)} {v.dtype.name}" if isinstance(v, Tensor) else repr(v) for v in flat if v is not None
    )


def _wrap(raw: Any, kind: Kind, results: Any) -> Any:
    """Tensors from what a kernel returned."""
    if type(results) is tuple:
        return tuple(_wrap(r, kind, d) for r, d in zip(raw, results, strict=True))
    if type(raw) is not kind.handle_type and kind.handle_type is not None:
        raw = kind.backend.wrap(raw, results)
    return make_tensor(raw, kind.with_dtype(results))


def _run_meta(op: Op, args: tuple[Any, ...], kind: Kind, results: Any) -> Any:
    if op.shape is None:
        raise MissingKernelError(f"{op.name}: result shape depends on the data, got meta tensors; use another device")
    shapes = op.shape(*args)
    if type(results) is not tuple:
        return make_tensor(kind.backend.allocate(tuple(shapes), results, 0), kind.with_dtype(results))
    return tuple(
        make_tensor(kind.backend.allocate(tuple(s), d, 0), kind.with_dtype(d)) for s, d in zip(shapes, results, strict=True)
    )


def _run_body(op: Op, public: tuple[Any, ...], args: tuple[Any, ...], kind: Kind, recording: bool) -> Any:
    """The op by its definition; its own gradient rule, where it has one, replaces that of the parts."""
    if _fallback.observers:
        _fallback.tell(op.name, kind.backend.name, "body")
    assert op.body is not None
    if op.differentiable and not (recording and op.vjps):
        return op.call_body(public)
    token = grad_enabled.set(False)
    try:
        out = op.call_body(public)
    finally:
        grad_enabled.reset(token)
    if not recording:
        return out
    if any(out is v for v in args):
        out = out.alias()
    record(op, args, out)
    return out


def _run_fallback(op: Op, public: tuple[Any, ...], tensors: list[Tensor], kind: Kind, compute: dtype) -> Any:
    """No kernel and no body: the host computes if the user allowed it, else MissingKernelError."""
    ledger = _fallback.active_ledger.get()
    host = canonical_device("cpu") if ledger is not None else None
    if ledger is None or host is kind.device:
        raise MissingKernelError(
            f'{op.name}: no kernel on device "{kind.device}" for this dtype, got {compute.name} operands '
            f"{describe(op, op.front(*public) if op.front else public)}; {_who_has(op, compute)}, or allow the host to compute with "
            "candelabra.allow_fallback()"
        )
    _fallback.tell(op.name, kind.backend.name, "fallback")
    start = time.perf_counter()
    moved = sum(t.nbytes for t in tensors)
    out = dispatch(op, tuple(_moved(value, host) for value in public))
    back = _moved(out, kind.device)
    moved += sum(t.nbytes for t in (back if isinstance(back, tuple) else (back,)))
    ledger.count(op.name, str(kind.device), moved, time.perf_counter() - start)
    return back


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return type(value)(_moved(v, device) for v in value) if isinstance(value, (list, tuple)) else value


def _who_has(op: Op, compute: dtype) -> str:
    from ._plugins import _loaded

    able = [b.name for b in _loaded.values() if b.name != "meta" and find_kernel(op, b, compute) is not None]
    return f"backends that have one: {', '.join(able) or 'none loaded'}"


# -- the tables of the short path -----------------------------------------------------------------------------------


def _remember(
    op: Op,
    public: tuple[Any, ...],
    given: tuple[Any, ...],
    args: tuple[Any, ...],
    kind: Kind,
    compute: dtype,
    kernel: Any,
    results: Any,
    key: Any,
) -> None:
    """Fills the op's table or plans when this call could be repeated without any of the checks above."""
    if op.is_pointwise and len(op.operands) == len(op.kernel_params) <= 2 and type(results) is not tuple:
        if len(args) == 1 and args[0] is given[0] and len(op.params) == 1:
            op.table[kind] = (kernel, kind.with_dtype(results))
        elif len(args) == 2 and isinstance(args[0], Tensor) and args[0] is given[0]:
            if isinstance(args[1], Tensor):
                if args[1]._kind is kind:
                    op.table[kind] = (kernel, kind.with_dtype(results))
            elif type(public[1]) is float or (type(public[1]) is int and compute.category == 2):
                op.table[(kind, type(public[1]))] = (kernel, kind.with_dtype(results))
        return
    if key is None or any(a is not b and isinstance(b, (Tensor, list)) for a, b in zip(given, args, strict=True)):
        return
    plan = _make_plan(op, public, args, kind, kernel, results)
    if plan is not None:
        if len(op.plans) >= _CACHE_LIMIT:
            op.plans.clear()
        op.plans[key] = plan


def _make_plan(op: Op, public: tuple[Any, ...], args: tuple[Any, ...], kind: Kind, kernel: Any, results: Any) -> Any:
    """A call with its checks done: takes the public arguments, operands of the same kinds and shapes first.

    None where such a call cannot stand for this one: the front made new tensors, or an attribute is a zero, whose
    sign the key does not tell.
    """
    attributes = [v for v, p in zip((*public, *args), (*op.params, *op.kernel_params), strict=True) if not p.is_operand]
    if any(isinstance(v, float) and v == 0 for v in attributes):
        return None
    template: list[Any] = list(args)
    tensors: list[tuple[int, int]] = []  # (index into the kernel parameters, index into the public ones)
    for i, value in enumerate(args):
        if isinstance(value, Tensor):
            source = op.public_index[i]
            if public[source] is not value:
                return None
            tensors.append((i, source))
            template[i] = None  # plans must not keep tensors alive
    specialize = getattr(getattr(kernel, "func", kernel), "specialize", None)
    special = specialize(*[a._array if isinstance(a, Tensor) else a for a in args]) if specialize is not None else None
    multiple = type(results) is tuple
    result_kind = None if multiple else kind.with_dtype(results)
    handle_type = kind.handle_type
    rules = op.rules
    through_body = not rules and op.differentiable
    positions = [i for i, _ in tensors]
    single = positions == [0] and len(op.operands) == 1
    plain = positions == [0, 1] and len(op.operands) == 2 and op.operands == (0, 1)
    rest = tuple(template[len(positions) :])
    wrap = kind.backend.wrap

    def plan(public: tuple[Any, ...]) -> Any:
        try:
            if single:
                first = public[0]
                node = first._node
                raw = kernel(first._array, *rest) if special is None else special(first._array)
            elif plain:
                first = public[0]
                second = public[1]
                node = first._node or second._node
                raw = kernel(first._array, second._array, *rest) if special is None else special(first._array, second._array)
            else:
                node = None
                handles = template.copy()
                for i, source in tensors:
                    tensor = public[source]
                    handles[i] = tensor._array
                    node = node or tensor._node
                raw = kernel(*handles) if special is None else special(*[handles[i] for i in positions])
        except Exception:
            return RETRY
        if node is not None and through_body and grad_enabled.get():
            return RETRY
        if multiple:
            out: Any = _wrap(raw, kind, results)
        else:
            if type(raw) is not handle_type and handle_type is not None:
                raw = wrap(raw, results)
            out = new(Tensor)
            out._array = raw
            out._kind = result_kind
            out._node = None
            out._storage = None
            out._base = None
        if node is not None and rules and grad_enabled.get():
            given = template.copy()
            for i, source in tensors:
                given[i] = public[source]
            record(op, given, out)
        return out

    return plan


def forget() -> None:
    """Empties every table: called when observers or backends come and go."""
    from ..op._registry import ops

    for op in ops.values():
        op.table.clear()
        op.plans.clear()
        op.kernels.clear()


_fallback.on_change(forget)


# -- views, factories, in-place, out= -------------------------------------------------------------------------------


def dispatch_view(op: Op, args: tuple[Any, ...], key: Any = None) -> Any:
    """Runs a view op: new strides over the same memory, recorded like any op."""
    input = args[0]
    if not isinstance(input, Tensor):
        raise CallError(f"{op.name}: input must be a tensor, got {_named(input)}")
    if op.front is not None:
        args = op.front(*args)
    kind = input._kind
    backend = kind.backend
    short = backend.view_kernels().get(op.name)
    array = None if short is None else short(input._array, *args[1:])
    if array is None:
        shape, strides, offset = op.geometry(tuple(input._array.shape), backend.strides(input._array), *args[1:])
        array = backend.view(input._array, shape, strides, offset)
    out = make_view(array, kind, input)
    if _fallback.observers:
        _fallback.tell(op.name, backend.name, "view")
    elif key is not None and args[0] is input and op.remembers:
        if len(op.plans) >= _CACHE_LIMIT:
            op.plans.clear()
        op.plans[key] = (short, args[1:])
    if input._node is not None and op.records and grad_enabled.get():
        record(op, args, out)
    return out


def dispatch_factory(op: Op, args: tuple[Any, ...], dtype_: Any, device: Any) -> Any:
    """Runs an op without operands: the device is an argument."""
    target = canonical_device(device)
    if op.front is not None:
        args = op.front(*args)
    result = op.factory_dtype(args, dtype_)
    kind = kind_of(target, result)
    if kind.is_meta:
        return make_tensor(kind.backend.allocate(tuple(op.shape(*args)), result, 0), kind)
    op.shape(*args)
    kernel = kind.backend.kernels().get(op.name) or functools.partial(op.host_kernel, kind.backend)
    try:
        return make_tensor(kernel(*args, result, kind.index), kind)
    except CandelabraError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{op.name}: out of memory, got {args} {result.name} on {target}") from error


def write_out(op: Op, args: tuple[Any, ...], out: Any) -> Any:
    """`op(..., out=out)`: checks dtype and device, resizes an empty `out`, writes without recording.

    Raises:
        AutogradError: an operand or `out` requires a gradient.
        DTypeError: the result cannot be cast to `out`'s dtype.
        ShapeError: `out` has another shape and is not empty.
    """
    flat = [v for i in op.operands if i < len(args) for v in (args[i] if isinstance(args[i], (list, tuple)) else [args[i]])]
    outs = out if isinstance(out, (tuple, list)) else [out]
    if grad_enabled.get() and any(isinstance(v, Tensor) and v._node is not None for v in (*flat, *outs)):
        raise AutogradError(f"{op.name}: out= is not differentiated, got an operand that requires a gradient; leave out=")
    return _store_out(op, dispatch(op, args), out)


def _store_out(op: Op, result: Any, out: Any) -> Any:
    pairs = list(zip(result, out, strict=True)) if isinstance(result, tuple) else [(result, out)]
    for value, target in pairs:
        if not isinstance(target, Tensor):
            raise CallError(f"{op.name}: out must be a tensor, got {_named(target)}")
        if target._kind.device is not value._kind.device:
            raise DeviceError(f'{op.name}: out must be on the operands\' device, got "{target.device}" for "{value.device}"')
        if not can_cast(value._kind.dtype, target._kind.dtype):
            raise DTypeError(f"{op.name}: result cannot be cast to out, got {value.dtype.name} for out of {target.dtype.name}")
        if target._array.shape != value._array.shape and target.numel():
            raise ShapeError(
                f"{op.name}: out must have the result's shape, got {tuple(target.shape)} for {tuple(value.shape)}; "
                "pass an empty tensor to have it resized"
            )
    for value, target in pairs:
        if target._array.shape != value._array.shape:
            target.data = value.to(target._kind.dtype, copy=True)
        else:
            write(target, value)
    return out


def write(target: Tensor, value: Tensor) -> None:
    """Copies `value` (same or broadcastable shape) into `target`'s memory and counts the write; nothing is recorded."""
    if value._kind is not target._kind:
        with_kind = value.detach().to(device=target._kind.device, dtype=target._kind.dtype)
    else:
        with_kind = value
    backend = target._kind.backend
    source = with_kind._array
    if with_kind._storage is not None and with_kind._storage is target._storage:
        source = backend.copy(source)  # may overlap
    backend.write(target._array, source)
    mark_written(target)


def mark_written(target: Tensor) -> None:
    """Counts an in-place write to `target`'s memory."""
    storage = target._storage
    if storage is None:
        storage = target._storage = Storage(target._array, target._kind)
    storage.mark_written()


def inplace(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """`tensor.op_(...)`: the op's result written over its first operand, with history.

    Raises:
        AutogradError: the target is a leaf that requires a gradient.
        ShapeError: the result is larger than the target, or the target's elements overlap.
        DTypeError: the result cannot be cast to the target's dtype.
    """
    args = bind(op, args, kwargs)
    target = args[0]
    check_writable(op.name + "_", target)
    recording = grad_enabled.get() and op.differentiable and any(
        isinstance(v, Tensor) and v._node is not None
        for i in range(len(args))
        for v in (args[i] if isinstance(args[i], (list, tuple)) else [args[i]])
    )
    if recording:
        # The rules may read the overwritten operand: they get a copy made before the write.
        stand_in = target.clone() if op.reads_first else with_node(target, target._node)
        result = dispatch(op, (stand_in, *args[1:]))
    else:
        token = grad_enabled.set(False)
        try:
            result = dispatch(op, args)
        finally:
            grad_enabled.reset(token)
    _check_inplace_result(op, target, result)
    write(target, result)
    if recording and result._node is not None:
        if result._kind is not target._kind:
            result = result.to(target._kind.dtype)
        rebase(target, result)
    return target


def check_writable(what: str, target: Any) -> None:
    """Refuses targets of in-place writes that have no element of their own for each position, or leaves with grad."""
    if not isinstance(target, Tensor):
        raise CallError(f"{what}: target must be a tensor, got {_named(target)}")
    if target._node is not None and grad_enabled.get():
        base = target._base
        if target.is_leaf or (base is not None and base._node is not None and base.is_leaf):
            raise AutogradError(
                f"{what}: a leaf that requires a gradient cannot be changed in place, got shape {tuple(target.shape)}; "
                "use candelabra.no_grad() or an op without the underscore"
            )
    if target._storage is not None and not target._kind.is_meta:
        strides = target._kind.backend.strides(target._array)
        if any(st == 0 and s > 1 for s, st in zip(target._array.shape, strides, strict=True)):
            raise ShapeError(
                f"{what}: several positions share one element, got shape {tuple(target.shape)} with strides {strides}; "
                "clone the tensor first"
            )


def _check_inplace_result(op: Op, target: Tensor, result: Any) -> None:
    if result._array.shape != target._array.shape:
        shape = tuple(result._array.shape)
        raise ShapeError(f"{op.name}_: result must keep the target's shape, got {shape} for {tuple(target.shape)}")
    if not can_cast(result._kind.dtype, target._kind.dtype):
        raise DTypeError(
            f"{op.name}_: result cannot be cast to the target, got {result.dtype.name} for {target.dtype.name}"
        )

