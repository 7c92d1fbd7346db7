# SPDX-License-Identifier: Apache-2.0
"""The suite's hold on the framework: tensors on host arrays and layouts, results as host arrays, calls on `meta`.

Tensors are made through the backend's contract (`from_host`, `view`) and read through it (`to_host`), not by ops, so
that no op is needed to test another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra._errors import CandelabraError, DTypeError
from candelabra.dispatcher._bind import bind
from candelabra.dispatcher._fallback import observe_dispatch
from candelabra.dispatcher._kind import Kind, canonical_device, kind_of
from candelabra.dispatcher.backend import Backend
from candelabra.op import Op, Param, ops
from candelabra.op._rules import result_dtype
from candelabra.tensor._tensor import Tensor, make_tensor, make_view
from candelabra.testing.samples import Sample

from .case import Failure, Shape
from .layouts import CONTIGUOUS, arrange, poison
from .precision import Array, bits
from .values import dtype_of, shape_of, substitute

Event = tuple[str, str, str]


# -- tensors -------------------------------------------------------------------------------------------------------


def fresh(array: Array, kind: Kind) -> Tensor:
    """A contiguous tensor with the elements of a host array."""
    return make_tensor(kind.backend.from_host(np.ascontiguousarray(array).reshape(array.shape), kind.index), kind)


@dataclass
class Placed:
    """An operand on the device.

    Attributes:
        tensor: what the op gets.
        array: its values on the host.
        memory: tensor of the whole buffer it lies in, poison and all.
        before: bytes of the buffer before the call.
    """

    tensor: Tensor
    array: Array
    memory: Tensor
    before: bytes

    def check_untouched(self, what: str) -> None:
        """Raises Failure if anything in the buffer changed, elements or the poison between them."""
        now = host(self.memory)
        if bits(now) != self.before:
            raise Failure(f"{what} was written to", got=now, expected=np.frombuffer(self.before, now.dtype))


def place(array: Array, kind: Kind, layout: str) -> Placed:
    """A tensor with an array's values in a layout."""
    if layout == CONTIGUOUS:
        tensor = fresh(array, kind)
        return Placed(tensor, array, tensor, bits(array))
    buffer, placement, effective = arrange(array, kind.dtype, layout)
    memory = fresh(buffer, kind)
    handle = kind.backend.view(memory._array, array.shape, placement.strides, placement.offset)
    return Placed(make_view(handle, kind, memory), effective, memory, bits(buffer))


def host(tensor: Tensor) -> Array:
    """A copy of a tensor's elements on the host."""
    return np.array(tensor._kind.backend.to_host(tensor._array), order="C")


def overwrite(tensor: Tensor) -> None:
    """Fills a tensor's memory with poison through the backend's `write`, behind the framework's back."""
    kind = tensor._kind
    shape = tuple(tensor._array.shape)
    if 0 not in shape:
        array = poison(int(np.prod(shape, dtype=np.int64)), kind.dtype).reshape(shape)
        if kind.dtype.category == _dtype.BOOL:
            array = ~host(tensor)
        kind.backend.write(tensor._array, kind.backend.from_host(array, kind.index))


# -- calls ---------------------------------------------------------------------------------------------------------


def flatten(result: Any) -> list[Any]:
    """The parts of a result in order; a result that is no tuple or list is its only part."""
    if isinstance(result, (tuple, list)) and not isinstance(result, str):
        return [leaf for part in result for leaf in flatten(part)]
    return [result]


def tensors_in(result: Any) -> list[Tensor]:
    """The tensors among the parts of a result."""
    return [part for part in flatten(result) if isinstance(part, Tensor)]


def observed(call: Callable[[], Any]) -> tuple[Any, list[Event]]:
    """A call's result, and what was dispatched for it."""
    events: list[Event] = []
    with observe_dispatch(lambda op, backend, how: events.append((op, backend, how))):
        return call(), events


def witness(op: Op, backend: Backend, events: list[Event]) -> str:
    """How the backend ran the op: `kernel`, `view` or `body`.

    Raises:
        Failure: nothing shows that it did, or another backend computed for it.
    """
    for name, who, how in events:
        if how == "fallback":
            raise Failure(f"{name} fell back to the host")
        if how == "kernel" and who not in (backend.name, "meta"):
            raise Failure(f'{name} was computed by the backend "{who}"')
    for name, who, how in events:
        if name == op.name and who == backend.name:
            return how
    if op.is_factory:
        return "factory"
    raise Failure(f'no proof that the backend "{backend.name}" ran {op.name}: dispatched {events or "nothing"}')


def reseed() -> None:
    """Starts every random stream anew, so that a case means the same each time."""
    import candelabra

    seed = getattr(candelabra, "manual_seed", None)
    if seed is not None:
        seed(20240517)


# -- parameters ----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def params_of(op: Op, sample: Sample) -> list[Param | None]:
    """The parameter each operand of a sample belongs to, in the order of `values.operands_of`."""
    found: list[Param | None] = []

    def count(value: Any, param: Param | None) -> None:
        substitute(Sample(value), lambda operand: found.append(param))

    for i, value in enumerate(sample.args):
        count(value, op.params[min(i, len(op.params) - 1)] if op.params else None)
    for name, value in sample.kwargs.items():
        count(value, op.params[op.index[name]] if name in op.index else None)
    return found


def map_numbers(op: Op, sample: Sample, change: Callable[[Any], Any]) -> Sample:
    """The sample with `change(number)` in place of numbers given for tensor parameters."""

    def one(value: Any, param: Param | None) -> Any:
        number = isinstance(value, (bool, int, float, complex))
        return change(value) if number and param is not None and param.is_operand else value

    args = [one(v, op.params[i] if i < len(op.params) else None) for i, v in enumerate(sample.args)]
    kwargs = {k: one(v, op.params[op.index[k]] if k in op.index else None) for k, v in sample.kwargs.items()}
    return Sample(*args, special=sample.special, dtypes=sample.dtypes, grad=sample.grad, **kwargs)


# -- inference -----------------------------------------------------------------------------------------------------


@dataclass
class Inferred:
    """What `meta` says of a call.

    Attributes:
        compute: dtype to compute in; None where it is not known before the body runs.
        results: (shape, dtype) of each tensor in the result; None where they depend on the data.
        error: why the call is refused, or None.
        is_tuple: whether the result is a tuple, of however many tensors.
    """

    compute: dtype | None
    results: list[tuple[Shape, dtype]] | None
    error: Exception | None = None
    is_tuple: bool = False


def meta_tensor(shape: Shape, kind: dtype) -> Tensor:
    """A tensor without data."""
    found = kind_of(canonical_device("meta"), kind)
    return make_tensor(found.backend.allocate(tuple(shape), kind, 0), found)


@functools.lru_cache(maxsize=4096)
def infer(op: Op, sample: Sample, tested: dtype) -> Inferred:
    """Runs a sample on the meta device."""
    args, kwargs = substitute(sample, lambda o: meta_tensor(shape_of(o), dtype_of(o, tested)))
    compute = compute_dtype(op, args, kwargs)
    try:
        result = op.call(*args, **kwargs)
    except DTypeError as error:
        return Inferred(compute, None, error)
    except Exception as error:
        refused = isinstance(error, CandelabraError) and not says_unknown(error)
        return Inferred(compute, None, error if refused else None)
    return Inferred(
        compute, [(tuple(t.shape), t.dtype) for t in tensors_in(result)], is_tuple=isinstance(result, tuple)
    )


def says_unknown(error: Exception) -> bool:
    """Whether an error on `meta` means only that the result depends on data that is not there."""
    text = str(error)
    return "depends on the data" in text or "no data" in text


def compute_dtype(op: Op, args: Sequence[Any], kwargs: dict[str, Any]) -> dtype | None:
    """The dtype an op's kernel computes in for these arguments, or the promoted one of a composed op's operands."""
    try:
        bound = bind(op, tuple(args), dict(kwargs))
        if op.is_view:
            return bound[0].dtype
        if op.front is not None:
            bound = op.front(*bound)
        bound = tuple(list(v) if i in op.operands and isinstance(v, tuple) else v for i, v in enumerate(bound))
        return op.infer_dtypes(bound)[0]
    except Exception:
        pass
    try:
        return result_dtype(tensors_in([args, list(kwargs.values())]))
    except Exception:
        return None


@functools.cache
def samples_of(name: str) -> tuple[Sample, ...]:
    """The declared samples of an op."""
    return tuple(ops[name].samples())


@functools.cache
def errors_of(name: str) -> tuple[Any, ...]:
    """The declared error samples of an op."""
    return tuple(ops[name].errors())
