# SPDX-License-Identifier: Apache-2.0
"""Writing into tensors: `out=`, in-place forms, and the bookkeeping of a write."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .._config import grad_enabled
from .._dtype import can_cast
from .._errors import AutogradError, CallError, DeviceError, DTypeError, ShapeError
from .._shape import may_overlap, overlaps
from ..tensor._storage import Storage
from ..tensor._tensor import Tensor
from . import _fallback
from ._bind import bind, named_value
from ._dispatch import cast_operands, check_operands, dispatch, find_kernel, run_kernel
from ._record import rebase, record, with_node

if TYPE_CHECKING:
    from ..op._declare import Op


def write_out(op: Op, args: tuple[Any, ...], out: Any) -> Any:
    """`op(..., out=out)`: checks dtype and device, resizes an empty `out`, writes without recording.

    Raises:
        AutogradError: an operand or `out` requires a gradient.
        DTypeError: the result cannot be cast to `out`'s dtype.
        ShapeError: `out` has another shape and is not empty.
    """
    flat = [
        v for i in op.operands if i < len(args) for v in (args[i] if isinstance(args[i], (list, tuple)) else [args[i]])
    ]
    outs = out if isinstance(out, (tuple, list)) else [out]
    if grad_enabled.get() and any(isinstance(v, Tensor) and v._node is not None for v in (*flat, *outs)):
        raise AutogradError(
            f"{op.name}: out= is not differentiated, got an operand that requires a gradient; leave out="
        )
    return store_out(op, dispatch(op, args), out)


def store_out(op: Op, result: Any, out: Any) -> Any:
    if isinstance(result, tuple) and not (isinstance(out, (tuple, list)) and len(out) == len(result)):
        raise CallError(f"{op.name}: out must be {len(result)} tensors, got {named_value(out)}")
    pairs = list(zip(result, out, strict=True)) if isinstance(result, tuple) else [(result, out)]
    for value, target in pairs:
        if not isinstance(target, Tensor):
            raise CallError(f"{op.name}: out must be a tensor, got {named_value(target)}")
        if target._kind.device is not value._kind.device:
            raise DeviceError(
                f'{op.name}: out must be on the operands\' device, got "{target.device}" for "{value.device}"'
            )
        if not can_cast(value._kind.dtype, target._kind.dtype):
            raise DTypeError(
                f"{op.name}: result cannot be cast to out, got {value.dtype.name} for out of {target.dtype.name}"
            )
        check_apart(op.name, target)
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
    if _memory(with_kind) is _memory(target):
        source = backend.copy(source)  # may overlap
    backend.write(target._array, source)
    mark_written(target)


def _memory(tensor: Tensor) -> Any:
    """The handle of the whole memory a tensor shows: tensors that share it through views, `detach` or `data` have one."""
    return tensor._array if tensor._storage is None else tensor._storage._handle


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
    if _is_little(op, args, kwargs):
        return _inplace_little(op, args, kwargs)
    args = bind(op, args, kwargs)
    target = args[0]
    check_writable(op.name + "_", target)
    recording = (
        grad_enabled.get()
        and op.differentiable
        and any(
            isinstance(v, Tensor) and v._node is not None
            for i in range(len(args))
            for v in (args[i] if isinstance(args[i], (list, tuple)) else [args[i]])
        )
    )
    if _write_by_kernel(op, args, recording):
        return target
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


def _is_little(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether nothing is to be recorded, and no kernel would write over the target itself."""
    target = args[0]
    if not isinstance(target, Tensor) or op.is_view or op.has_lists or "out" in kwargs:
        return False
    kind = target._kind
    least = op.written_from.get(kind)
    if least is None:
        into = None if kind.is_meta else _into(find_kernel(op, kind.backend, kind.dtype))
        least = op.written_from[kind] = math.inf if into is None else getattr(into, "least", 0)
    if math.prod(target._array.shape) >= least:
        return False
    if not grad_enabled.get():
        return True
    if target._base is not None and target._base._node is not None:
        return False
    # A loop, which is faster than a generator on the path of tiny tensors.
    for value in (*args, *kwargs.values()) if kwargs else args:  # noqa: SIM110
        if getattr(value, "_node", None) is not None:
            return False
    return True


def _into(kernel: Any) -> Any:
    """What a kernel offers for writing over its first operand, or None."""
    return getattr(getattr(kernel, "func", kernel), "into", None)


def _inplace_little(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """As `inplace`, where nothing is recorded: the op by its short path, and a write."""
    target = args[0]
    storage = target._storage
    if storage is not None and storage._handle is not target._array:
        check_apart(op.name + "_", target)
    result = op.call(*args, **kwargs)
    if (
        result._storage is not None  # it may show the target's memory
        or result._kind is not target._kind
        or result._array.shape != target._array.shape
    ):
        _check_inplace_result(op, target, result)
        write(target, result)
        return target
    target._kind.backend.write(target._array, result._array)
    mark_written(target)
    return target


def _write_by_kernel(op: Op, args: tuple[Any, ...], recording: bool) -> bool:
    """Lets the kernel write over the target itself where it offers to (`kernel.into`), so that nothing is copied.

    False, and nothing done, where it does not, where a gradient rule reads the old or the new values, or where the
    call needs more than the kernel: other dtypes, other devices, operands in the memory that is written.
    """
    target = args[0]
    kind = target._kind
    kernel = None if kind.is_meta else find_kernel(op, kind.backend, kind.dtype)
    into = _into(kernel)
    if into is None or (recording and (op.reads_first or any(-1 in reads for _, reads in op.rules.values()))):
        return False
    if math.prod(target._array.shape) < getattr(into, "least", 0):
        return False
    if op.front is not None:
        args = op.front(*args)
    args, tensors = check_operands(op, args)
    memory = _memory(target)
    if args[0] is not target or any(t._kind.device is not kind.device or _memory(t) is memory for t in tensors[1:]):
        return False
    compute, result = op.infer_dtypes(args)
    if compute is not kind.dtype or result is not kind.dtype:
        return False
    args = cast_operands(op, args, compute)
    if op.shape is None or tuple(op.shape(*args)) != tuple(target._array.shape):
        return False
    run_kernel(op, into, args)
    mark_written(target)
    if _fallback.observers:
        _fallback.tell(op.name, kind.backend.name, "kernel")
    if recording:
        written = with_node(target, None)
        record(op, (with_node(target, target._node), *args[1:]), written)
        rebase(target, written)
    return True


def check_writable(what: str, target: Any) -> None:
    """Refuses targets of in-place writes that have no element of their own for each position, or leaves with grad."""
    if not isinstance(target, Tensor):
        raise CallError(f"{what}: target must be a tensor, got {named_value(target)}")
    base = target._base
    if grad_enabled.get():
        node = target._node
        if (node is not None and node.is_leaf) or (base is not None and base._node is not None and base._node.is_leaf):
            raise AutogradError(
                f"{what}: a leaf that requires a gradient cannot be changed in place, got shape {tuple(target.shape)}; "
                "use candelabra.no_grad() or an op without the underscore"
            )
    check_apart(what, target)


def check_apart(what: str, target: Tensor) -> None:
    """Refuses a target in which several positions share one element."""
    storage = target._storage
    if storage is None or storage._handle is target._array or target._kind.is_meta:
        return
    shape, strides = tuple(target._array.shape), target._kind.backend.strides(target._array)
    if 0 not in shape and may_overlap(shape, strides) and overlaps(shape, strides):
        raise ShapeError(
            f"{what}: several positions share one element, got shape {shape} with strides {strides}; "
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
