# SPDX-License-Identifier: Apache-2.0
"""The full path of a call: normalise, check, promote, choose, run, record; and what to do where there is no kernel."""

from __future__ import annotations

import functools
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .._config import grad_enabled
from .._dtype import bfloat16, dtype, float16, float32, from_numpy_dtype
from .._errors import (
    ArgumentError,
    BackendError,
    CallError,
    CandelabraError,
    DeviceError,
    MissingKernelError,
    OutOfMemoryError,
)
from ..tensor._tensor import Tensor, make_tensor, make_view
from . import _fallback
from ._bind import check_attributes, is_scalar, named_value
from ._kind import Kind, canonical_device, kind_of
from ._memory import guarded, recover
from ._plans import add_plan, holds_tensor, remember, wrap_results
from ._plugins import refuse_forked
from ._record import record

if TYPE_CHECKING:
    from ..op._declare import Op

# What a wrong argument raises in a front, a rule or a body that was not written for its type.
_STUMBLES = (AttributeError, TypeError, ValueError, IndexError, OverflowError)

# Kernels follow IEEE 754 in silence, as other tensor libraries do; NumPy would warn at each nan and infinity.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"candelabra(_xp|_cpu|\.dispatcher)")


def dispatch(op: Op, args: tuple[Any, ...], key: Any = None) -> Any:
    """Runs `op` on bound public arguments: normalises, checks, promotes, chooses, runs, records."""
    if any(isinstance(a, np.generic) for a in args):  # NumPy's numbers promote where Python's do not
        args = tuple([a.item() if isinstance(a, np.generic) else a for a in args])
    public = args
    args = normalize(op, args)
    if op.plain_attributes:
        check_attributes(op, public)
    args, tensors = check_operands(op, args)
    kind = tensors[0]._kind
    if any(t._kind.device is not kind.device for t in tensors):
        args, tensors = _to_one_device(op, args, tensors)
        kind = tensors[0]._kind
    recording = op.differentiable and any(t._node is not None for t in tensors) and grad_enabled.get()
    compute, results = op.infer_dtypes(args)
    kernel = find_kernel(op, kind.backend, compute)
    if op.body is not None and (kernel is None or (recording and not op.vjps)) and not (kind.is_meta and op.shape):
        if op.shape is not None:
            _check_shapes(op, args, public)
        return _run_body(op, public, args, kind, recording)
    given = args
    args = cast_operands(op, args, compute)
    if kind.is_meta:
        out = _run_meta(op, args, kind, results)
    else:
        if op.shape is not None:
            _check_shapes(op, args, public)
        if kernel is None:
            return _run_fallback(op, public, tensors, kind, compute)
        out = wrap_results(run_kernel(op, kernel, args), kind, results)
        if _fallback.observers:
            _fallback.tell(op.name, kind.backend.name, "kernel")
        elif kind.backend.remembers:
            remember(op, public, given, args, kind, compute, kernel, results, key)
    if recording and op.records:
        record(op, args, out)
    return out


def normalize(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Kernel arguments from public ones, by the op's front.

    Raises:
        CallError: the front failed on an operand that is no tensor.
    """
    if op.front is None:
        return args
    try:
        return op.front(*args)
    except CandelabraError:
        raise
    except _STUMBLES as error:
        for param, value in zip(op.params, args, strict=True):
            fits = (value is None and param.optional) or (param.takes_scalar and is_scalar(value))
            if param.is_operand and not param.is_list and not isinstance(value, Tensor) and not fits:
                raise CallError(f"{op.name}: {param.name} must be a tensor, got {named_value(value)}") from None
        raise wrong_arguments(op, args, error) from error


def wrong_arguments(op: Op, args: tuple[Any, ...], error: Exception) -> CallError:
    """The error for attributes of a wrong type, which a front, a rule or a body stumbled over."""
    given = ", ".join(
        f"{param.name}={value!r}" for param, value in zip(op.params, args, strict=False) if not param.is_operand
    )
    return CallError(f"{op.name}: arguments do not fit, got {given[:200]} ({error})")


def _check_shapes(op: Op, args: tuple[Any, ...], public: tuple[Any, ...]) -> None:
    """Runs the shape rule for what it refuses."""
    assert op.shape is not None
    try:
        op.shape(*args)
    except CandelabraError:
        raise
    except _STUMBLES as error:
        raise wrong_arguments(op, public, error) from error


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
                raise CallError(f"{op.name}: {param.name} must be a sequence of tensors, got {named_value(value)}")
            tensors.extend(value)
            args = (*args[:i], list(value), *args[i + 1 :])
        elif not (param.takes_scalar and is_scalar(value)):
            raise CallError(f"{op.name}: {param.name} must be a tensor, got {named_value(value)}")
        elif isinstance(value, np.generic):
            args = (*args[:i], value.item(), *args[i + 1 :])
    if not tensors:
        if op.operands and all(is_scalar(args[i]) for i in op.operands if args[i] is not None):
            raise CallError(f"{op.name}: needs at least one tensor, got numbers only; wrap one in candelabra.tensor")
        raise CallError(f"{op.name}: needs at least one tensor, got none")
    return args, tensors


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


def cast_operands(op: Op, args: tuple[Any, ...], compute: dtype) -> tuple[Any, ...]:
    """Promoted operands in the dtype to compute in; index and condition operands stay as they are."""
    cast = None
    for i in op.promoted:
        value = args[i]
        if isinstance(value, Tensor):
            if value._kind.dtype is compute:
                continue
            value = _cast(value, compute)
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


def _cast(value: Tensor, compute: dtype) -> Tensor:
    """An operand in another dtype; what is expanded is so again, and takes no more memory than before."""
    strides, shape = value.stride(), value.shape
    if 0 not in strides or value._kind.is_meta:
        return value.to(compute)
    for dim, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        if stride == 0 and size > 1:
            value = value.narrow(dim, 0, 1)
    return value.to(compute).expand(shape)


def _scalar(op: Op, value: Any, compute: dtype) -> Any:
    """A Python number of `compute`'s category; integers wrap as the cast of a tensor would.

    Raises:
        ArgumentError: an integer that no dtype holds.
    """
    category = compute.category
    if category == 2:
        if isinstance(value, float):
            return value
        return value.to_real() if hasattr(value, "to_real") else float(value)  # sizes of a trace stay what they are
    if category == 1:
        number = int(value)
        if not -(1 << 63) <= number < 1 << 64:
            raise ArgumentError(f"{op.name}: a number beside integers must fit into 64 bits, got {value!r}")
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
    refuse_forked(backend)
    if compute in backend.capabilities.compute_dtypes or op.moves_data:
        kernel = backend.kernel(op.name, compute)
    op.kernels[key] = kernel
    return kernel


def run_kernel(op: Op, kernel: Any, args: tuple[Any, ...]) -> Any:
    """Calls a kernel with handles; wraps foreign errors with the op and its operands."""
    handles = [
        value._array
        if isinstance(value, Tensor)
        else [v._array for v in value]
        if i in op.operands and type(value) is list
        else value
        for i, value in enumerate(args)
    ]
    try:
        with np.errstate(all="ignore"):  # where warnings are errors, the short path failed and this one must not
            return kernel(*handles)
    except Exception as error:
        return _run_again(op, kernel, args, handles, error)


def _run_again(op: Op, kernel: Any, args: tuple[Any, ...], handles: list[Any], error: Exception) -> Any:
    """The result of a kernel that had no room, once there is; else the error with the op and its operands."""
    kind = next(
        t for i in op.operands for t in (args[i] if type(args[i]) is list else [args[i]]) if hasattr(t, "_kind")
    )._kind
    try:
        return recover(
            op.name,
            kind.backend,
            kind.index,
            error,
            lambda: f"operands {describe(op, args)}",
            lambda: kernel(*handles),
        )
    except CandelabraError:
        raise
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


def _run_meta(op: Op, args: tuple[Any, ...], kind: Kind, results: Any) -> Any:
    if op.shape is None:
        raise MissingKernelError(f"{op.name}: result shape depends on the data, got meta tensors; use another device")
    shapes = op.shape(*args)
    if type(results) is not tuple:
        return make_tensor(kind.backend.allocate(tuple(shapes), results, 0), kind.with_dtype(results))
    return tuple(
        make_tensor(kind.backend.allocate(tuple(s), d, 0), kind.with_dtype(d))
        for s, d in zip(shapes, results, strict=True)
    )


def _call_body(op: Op, public: tuple[Any, ...]) -> Any:
    try:
        return op.call_body(public)
    except CandelabraError:
        raise
    except MemoryError as error:
        given = describe(op, normalize(op, public))
        raise OutOfMemoryError(f"{op.name}: out of memory, got operands {given}") from error
    except _STUMBLES as error:
        raise wrong_arguments(op, public, error) from error


def _call_wide(op: Op, public: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
    """The body as a kernel of it would compute: a map's operands in its dtype, 16-bit floats in float32, rounded once."""
    found = next((v for v in args if isinstance(v, Tensor)), None)
    if not op.is_pointwise or found is None or not found._kind.backend.rounds_parts:
        return _call_body(op, public)
    compute, results = op.infer_dtypes(args)
    wide = float32 if compute is float16 or compute is bfloat16 else compute
    casts = {
        op.public_index[i]: args[i].to(wide)
        for i in op.promoted
        if isinstance(args[i], Tensor) and args[i]._kind.dtype is not wide
    }
    if not casts:
        return _call_body(op, public)
    out = _call_body(op, tuple([casts.get(place, value) for place, value in enumerate(public)]))
    if isinstance(out, tuple):
        return tuple([part.to(result) for part, result in zip(out, results, strict=True)])
    return out.to(results)


def run_body(op: Op, backend: Any, *args: Any) -> Any:
    """The op by its definition, on handles: what a kernel does that computes only some calls itself."""
    from ..op._declare import public_arguments

    device, index = backend.name, next(backend.index_of(a) for a in args if isinstance(a, backend.handle_type))
    target = canonical_device(f"{device}:{index}" if backend.capabilities.indexed else device)

    def tensor(value: Any) -> Any:
        if isinstance(value, backend.handle_type):
            return make_tensor(value, kind_of(target, from_numpy_dtype(value.dtype)))
        return [tensor(v) for v in value] if isinstance(value, list) else value

    if _fallback.observers:
        _fallback.tell(op.name, backend.name, "body")
    token = grad_enabled.set(False)
    try:
        tensors = tuple([tensor(a) for a in args])
        out = _call_wide(op, public_arguments(op, tensors), tensors)
    finally:
        grad_enabled.reset(token)
    return tuple([part._array for part in out]) if isinstance(out, tuple) else out._array


def _run_body(op: Op, public: tuple[Any, ...], args: tuple[Any, ...], kind: Kind, recording: bool) -> Any:
    """The op by its definition; its own gradient rule, where it has one, replaces that of the parts."""
    if _fallback.observers:
        _fallback.tell(op.name, kind.backend.name, "body")
    assert op.body is not None
    if op.differentiable and not (recording and op.vjps):
        return _call_wide(op, public, args)
    token = grad_enabled.set(False)
    try:
        out = _call_wide(op, public, args)
    finally:
        grad_enabled.reset(token)
    if not recording:
        return out
    if any(out is v for v in args):
        out = out.alias()
    for part in out if type(out) is tuple else (out,):
        if part._base is not None and not any(isinstance(v, Tensor) and v._storage is part._storage for v in args):
            part._base = None  # a view of what the body made: that has no history, so it must not be taken for the base
    record(op, args, out)
    return out


def _run_fallback(op: Op, public: tuple[Any, ...], tensors: list[Tensor], kind: Kind, compute: dtype) -> Any:
    """No kernel and no body: the host computes if the user allowed it, else MissingKernelError."""
    ledger = _fallback.active_ledger.get()
    host = canonical_device("cpu") if ledger is not None else None
    if ledger is None or host is kind.device:
        raise MissingKernelError(
            f'{op.name}: no kernel on device "{kind.device}" for this dtype, got {compute.name} operands '
            f"{describe(op, normalize(op, public))}; {_who_has(op, compute)}, or allow the host to compute with "
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


def dispatch_view(op: Op, args: tuple[Any, ...], key: Any = None) -> Any:
    """Runs a view op: new strides over the same memory, recorded like any op."""
    input = args[0]
    if not isinstance(input, Tensor):
        raise CallError(f"{op.name}: input must be a tensor, got {named_value(input)}")
    args = normalize(op, args)
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
    elif (
        key is not None
        and args[0] is input
        and op.remembers
        and backend.remembers
        and not any(map(holds_tensor, key[2]))
    ):
        bind_short = getattr(short, "bound", None)
        bound = None if bind_short is None else bind_short(len(input._array.shape), *args[1:])
        add_plan(op, key, (bound, short, args[1:]))
    if input._node is not None and op.records and grad_enabled.get():
        record(op, args, out)
    return out


def dispatch_factory(op: Op, args: tuple[Any, ...], dtype_: Any, device: Any) -> Any:
    """Runs an op without operands: the device is an argument."""
    target = canonical_device(device)
    if op.front is not None:
        args = op.front(*args)
    assert op.shape is not None
    result = op.factory_dtype(args, dtype_)
    kind = kind_of(target, result)
    if kind.is_meta:
        return make_tensor(kind.backend.allocate(tuple(op.shape(*args)), result, 0), kind)
    op.shape(*args)
    if _fallback.observers:
        _fallback.tell(op.name, kind.backend.name, "kernel")
    kernel = kind.backend.kernels().get(op.name) or functools.partial(op.host_kernel, kind.backend)
    handle = guarded(op.name, kind.backend, kind.index, f"{args} {result.name}", kernel, *args, result, kind.index)
    return make_tensor(handle, kind)
