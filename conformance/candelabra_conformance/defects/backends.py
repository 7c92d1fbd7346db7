# SPDX-License-Identifier: Apache-2.0
"""The wrong backends. A class damages kernels by op name (`damages`), or a method of the contract."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra.dispatcher.backend import Kernel
from candelabra.op import ops
from candelabra_cpu.backend import CPUBackend

Array = np.ndarray[Any, Any]
Damage = Callable[[Kernel, dtype], Kernel]


class Undamaged(CPUBackend):
    """The control: the CPU backend under the name defects are run under."""

    name = "defect"
    damages: ClassVar[Mapping[str, Damage]] = {}

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = super().kernel(op, dtype)
        damage = self.damages.get(op)
        return found if found is None or damage is None else damage(found, dtype)


@dataclass(frozen=True)
class Defect:
    """A wrong backend and where to look.

    Attributes:
        backend: its class.
        ops: patterns of the ops whose cases are run.
        limit_s: time limit of a case.
    """

    backend: type[Undamaged]
    ops: tuple[str, ...]
    limit_s: float = 30.0

    @property
    def name(self) -> str:
        """The class's name."""
        return self.backend.__name__

    @property
    def about(self) -> str:
        """What is wrong, in a line."""
        return (self.backend.__doc__ or "").strip().splitlines()[0]


DEFECTS: list[Defect] = []


def planted(*names: str, limit_s: float = 30.0) -> Callable[[type[Undamaged]], type[Undamaged]]:
    """Lists a wrong backend, and the ops to run on it."""

    def add(backend: type[Undamaged]) -> type[Undamaged]:
        DEFECTS.append(Defect(backend, names, limit_s))
        return backend

    return add


def after(change: Callable[..., Any]) -> Damage:
    """Damage that changes a kernel's result: `change(result, *operands)`."""
    return lambda kernel, kind: lambda *args: change(kernel(*args), *args)


def instead(wrong: Callable[..., Any], *only: dtype) -> Damage:
    """Damage that replaces a kernel, in some dtypes or in all."""
    return lambda kernel, kind: wrong if not only or kind in only else kernel


def before(change: Callable[[Array], Array]) -> Damage:
    """Damage that changes every array operand."""

    def damage(kernel: Kernel, kind: dtype) -> Kernel:
        return lambda *args: kernel(*[change(a) if isinstance(a, np.ndarray) else a for a in args])

    return damage


def whole(array: Array) -> Array:
    """The buffer an array lies in, flat."""
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return base.reshape(-1)


def first_place(array: Array) -> int:
    """Position of an array's first element in its buffer."""
    start = whole(array).__array_interface__["data"][0]
    return (array.__array_interface__["data"][0] - start) // array.itemsize


# -- memory and layout ---------------------------------------------------------------------------------------------


@planted("neg", "runtime")
class IgnoresOffset(Undamaged):
    """Views start where their memory starts."""

    def view(self, handle: Any, shape: Any, strides: Any, offset: int) -> Any:
        return super().view(handle, shape, strides, 0 if sum(shape) else offset)


def _as_if_contiguous(array: Array) -> Array:
    flat = whole(array)[first_place(array) :]
    return np.resize(flat, array.shape) if flat.size else array


@planted("neg")
class IgnoresStrides(Undamaged):
    """A kernel reads its operand's memory in a row."""

    damages: ClassVar = {"neg": before(_as_if_contiguous)}


def _once(array: Array) -> Array:
    fresh = array.copy()
    for dim, stride in enumerate(array.strides):
        if stride == 0 and array.shape[dim] > 1:
            np.moveaxis(fresh, dim, 0)[1:] = 0
    return fresh


@planted("mul")
class IgnoresStrideZero(Undamaged):
    """Expanded dims are read once, the repeats as zero."""

    damages: ClassVar = {"mul": before(_once)}


@planted("view", "transpose", "runtime")
class CopiesViews(Undamaged):
    """Views are copies."""

    def view(self, handle: Any, shape: Any, strides: Any, offset: int) -> Any:
        return super().view(handle, shape, strides, offset).copy()

    def view_kernels(self) -> Mapping[str, Kernel]:
        return {}


@planted("runtime")
class WritesGaps(Undamaged):
    """A write to a strided view fills the memory between its elements too."""

    def write(self, target: Any, source: Any) -> None:
        super().write(target, source)
        flat, start = whole(target), first_place(target)
        if target.size and not target.flags.c_contiguous and all(target.strides):
            last = start + sum(
                (n - 1) * s // target.itemsize for n, s in zip(target.shape, target.strides, strict=True)
            )
            keep = np.array(target)
            flat[start : last + 1] = keep.reshape(-1)[0]
            super().write(target, keep)


def _write_past_end(result: Any, input: Array, *rest: Any) -> Any:
    flat = whole(input)
    end = first_place(input) + input.size
    if end < flat.size and flat.flags.writeable:
        flat[end] = 0
    return result


@planted("abs")
class WritesPastEnd(Undamaged):
    """A kernel writes one element past its operand."""

    damages: ClassVar = {"abs": after(_write_past_end)}


def _write_operand(result: Any, input: Array, *rest: Any) -> Any:
    if input.size and input.flags.writeable:
        input[(0,) * input.ndim] = 0
    return result


@planted("neg")
class WritesOperand(Undamaged):
    """A kernel writes over its operand."""

    damages: ClassVar = {"neg": after(_write_operand)}


@planted("clone")
class ReturnsOperand(Undamaged):
    """A copy is the operand itself."""

    damages: ClassVar = {"clone": instead(lambda input: input)}


_kept: dict[Any, Array] = {}


def _reused(result: Array, *args: Any) -> Array:
    buffer = _kept.setdefault((result.shape, result.dtype), result)
    buffer[...] = result
    return buffer


@planted("exp")
class ReusesBuffer(Undamaged):
    """Results of one shape share a buffer."""

    damages: ClassVar = {"exp": after(lambda result, *args: _reused(np.asarray(result), *args))}


@planted("clone", "runtime")
class KeepsLayoutInCopies(Undamaged):
    """Copies keep the order of their source's memory."""

    def copy(self, handle: Any) -> Any:
        return np.array(handle, order="K")


@planted("runtime")
class SharesHostMemory(Undamaged):
    """A copy from the host is the host's array."""

    def from_host(self, array: Any, index: int) -> Any:
        return np.asarray(array, order="C")


@planted("runtime")
class AllocatesTooLittle(Undamaged):
    """Memory of zero dims comes back with one."""

    def allocate(self, shape: Any, dtype: dtype, index: int) -> Any:
        return super().allocate(shape or (1,), dtype, index)


_leaked: list[Any] = []


@planted("runtime")
class Leaks(Undamaged):
    """Allocated memory is never given back."""

    def allocate(self, shape: Any, dtype: dtype, index: int) -> Any:
        _leaked.append(super().allocate(shape, dtype, index))
        return _leaked[-1]


# -- values --------------------------------------------------------------------------------------------------------


def _tail_lost(result: Any, *args: Any) -> Any:
    fresh = np.array(result)
    flat = fresh.reshape(-1)
    if flat.size > 32:
        flat[flat.size // 32 * 32 :] = 0
    return fresh


@planted("exp")
class WrongPastTile(Undamaged):
    """What lies past the last multiple of 32 is not computed."""

    damages: ClassVar = {"exp": after(_tail_lost)}


@planted("exp")
class TwentyUlpOff(Undamaged):
    """Exponentials are 20 units in the last place too large."""

    damages: ClassVar = {"exp": after(lambda result, *args: result * (1 + 20 * np.finfo(np.asarray(result).dtype).eps))}


@planted("maximum", "amax")
class LosesNan(Undamaged):
    """The larger of a number and nan is the number."""

    damages: ClassVar = {
        "maximum": instead(np.fmax),
        "amax": lambda kernel, kind: lambda input, dim, keepdim: np.fmax.reduce(input, axis=dim, keepdims=keepdim),
    }


@planted("neg")
class LosesNegativeZero(Undamaged):
    """A negative is a difference from zero, so that none is -0."""

    damages: ClassVar = {"neg": instead(lambda input: np.subtract(input.dtype.type(0), input))}


@planted("neg", "abs")
class IntegersThroughFloat(Undamaged):
    """int64 goes through float32."""

    damages: ClassVar = dict.fromkeys(
        ("neg", "abs"),
        lambda kernel, kind: (
            (lambda input: kernel(input.astype(np.float32)).astype(np.int64)) if kind is _dtype.int64 else kernel
        ),
    )


@planted("add")
class SaturatesIntegers(Undamaged):
    """Integers stop at their limits instead of wrapping."""

    @staticmethod
    def _saturated(kernel: Kernel, kind: dtype) -> Kernel:
        if kind is not _dtype.int8:
            return kernel
        return lambda a, b: np.clip(np.add(a, b, dtype=np.int64), -128, 127).astype(np.int8)

    damages: ClassVar = {"add": _saturated.__func__}  # type: ignore[attr-defined]


@planted("sum")
class AccumulatesNarrow(Undamaged):
    """float16 is summed in float16, one after the other."""

    @staticmethod
    def _narrow(kernel: Kernel, kind: dtype) -> Kernel:
        if kind is not _dtype.float16:
            return kernel

        def wrong(input: Array, dim: Any, keepdim: bool) -> Any:
            total = np.zeros_like(np.add.reduce(input, axis=dim, keepdims=True))
            rows = np.moveaxis(input, dim, tuple(range(len(dim))))
            for row in rows.reshape((-1, *rows.shape[len(dim) :])):
                total = total + row.reshape(total.shape)
            return total if keepdim else total.reshape([n for i, n in enumerate(input.shape) if i not in dim])

        return wrong

    damages: ClassVar = {"sum": _narrow.__func__}  # type: ignore[attr-defined]


def _ten_bits(array: Array) -> Array:
    return (
        (array.view(np.int32) & ~0x1FFF).view(np.float32)
        if array.dtype == np.float32 and array.flags.c_contiguous
        else array
    )


@planted("matmul")
class MultipliesShort(Undamaged):
    """Matrix products round their operands to ten bits."""

    damages: ClassVar = {"matmul": before(_ten_bits)}


@planted("mul")
class FlushesSubnormals(Undamaged):
    """Subnormal results are zero, and the capabilities say nothing of it."""

    damages: ClassVar = {
        "mul": after(
            lambda r, *a: (
                np.where(np.abs(r) < np.finfo(r.dtype).tiny, r * 0, r) if np.asarray(r).dtype.kind == "f" else r
            )
        )
    }


@planted("runtime")
class TruncatesCasts(Undamaged):
    """Casts to bfloat16 cut the significand off."""

    @staticmethod
    def _cut(kernel: Kernel, kind: dtype) -> Kernel:
        def wrong(input: Array, target: dtype) -> Any:
            if target is not _dtype.bfloat16 or input.dtype != np.float32:
                return kernel(input, target)
            return (
                (np.ascontiguousarray(input).view(np.uint32) >> 16)
                .astype(np.uint16)
                .view(target.numpy)
                .reshape(input.shape)
            )

        return wrong

    damages: ClassVar = {"cast": _cut.__func__}  # type: ignore[attr-defined]


@planted("round")
class RoundsHalfUp(Undamaged):
    """Halves are rounded up instead of to even."""

    damages: ClassVar = {
        "round": lambda kernel, kind: (
            lambda input, *rest: (
                np.floor(input + input.dtype.type(0.5)) if input.dtype.kind == "f" else kernel(input, *rest)
            )
        )
    }


@planted("floor_divide")
class DividesTowardsZero(Undamaged):
    """Floor division of integers truncates."""

    damages: ClassVar = {
        "floor_divide": lambda kernel, kind: (
            lambda a, b: (
                np.where(np.equal(b, 0), kernel(a, b), np.trunc(np.divide(a, b)).astype(a.dtype))
                if kind in (_dtype.int32, _dtype.int64)
                else kernel(a, b)
            )
        )
    }


@planted("mul")
class LosesImaginary(Undamaged):
    """Complex products are real."""

    damages: ClassVar = {"mul": after(lambda r, *a: r.real.astype(r.dtype) if np.asarray(r).dtype.kind == "c" else r)}


@planted("prod")
class EmptyProductIsZero(Undamaged):
    """The product of nothing is 0."""

    damages: ClassVar = {"prod": after(lambda result, input, *rest: result * 0 if input.size == 0 else result)}


@planted("add")
class BroadcastsFirstElement(Undamaged):
    """A smaller second operand counts by its first element."""

    damages: ClassVar = {
        "add": lambda kernel, kind: (
            lambda a, b: kernel(a, b.reshape(-1)[:1] if isinstance(b, np.ndarray) and b.size and b.ndim < a.ndim else b)
        )
    }


@planted("sort")
class SortsNanFirst(Undamaged):
    """nan sorts before all numbers."""

    @staticmethod
    def _moved(result: Any, *args: Any) -> Any:
        values, indices = result
        if values.dtype.kind != "f" or not values.ndim or not values.size or not np.isnan(values[..., -1]).all():
            return result
        return np.roll(values, 1, -1), np.roll(indices, 1, -1)

    damages: ClassVar = {"sort": after(_moved.__func__)}  # type: ignore[attr-defined]


@planted("index_select")
class ClampsIndices(Undamaged):
    """Indices out of range are clamped in silence."""

    damages: ClassVar = {
        "index_select": lambda kernel, kind: (
            lambda input, dim, index: (
                np.take(input, np.atleast_1d(index), axis=dim, mode="clip") if input.ndim else kernel(input, dim, index)
            )
        )
    }


# -- shapes, dtypes, determinism -----------------------------------------------------------------------------------


@planted("exp")
class WrongDtype(Undamaged):
    """float32 results come back as float64."""

    damages: ClassVar = {"exp": instead(lambda input: np.exp(input.astype(np.float64)), _dtype.float32)}


@planted("sum")
class IgnoresKeepdim(Undamaged):
    """Reduced dims are dropped whatever was asked."""

    damages: ClassVar = {"sum": lambda kernel, kind: lambda input, dim, keepdim: kernel(input, dim, False)}


@planted("sum")
class NotDeterministic(Undamaged):
    """Sums differ in their last bit from call to call."""

    @staticmethod
    def _jittered(result: Any, *args: Any) -> Any:
        array = np.array(result)
        if array.dtype.kind != "f":
            return result
        return np.nextafter(array, array + array.dtype.type(time.perf_counter_ns() % 3 - 1))

    damages: ClassVar = {"sum": after(_jittered.__func__)}  # type: ignore[attr-defined]


@planted("random_*", "rand*", "normal", "bernoulli")
class IgnoresSeed(Undamaged):
    """Random numbers do not depend on the seed."""

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = super().kernel(op, dtype)
        return shuffled(found) if found is not None and op.startswith("random_") else found

    def kernels(self) -> Mapping[str, Kernel]:
        return {name: shuffled(k) if name.startswith("random_") else k for name, k in super().kernels().items()}


def shuffled(kernel: Kernel) -> Kernel:
    """A kernel whose result is put into an order nobody can repeat."""

    def wrong(*args: Any) -> Any:
        array = np.array(kernel(*args))
        flat = array.reshape(-1)
        np.random.default_rng().shuffle(flat)
        return array

    return wrong


# -- gradients -----------------------------------------------------------------------------------------------------


@planted("mul")
class WrongGradient(Undamaged):
    """The gradient of a product forgets a factor for its second operand."""

    def __init__(self) -> None:
        ops["mul"].set_vjps(other=lambda grad, input: grad * (input * 0 + 1))


@planted("exp")
class WrongSecondGradient(Undamaged):
    """The gradient of an exponential is a constant to its own gradient."""

    def __init__(self) -> None:
        ops["exp"].set_vjps(input=lambda grad, out: grad * out.detach())


@planted("add")
class GradientNotSummed(Undamaged):
    """Gradients of broadcast operands keep the first element instead of the sum."""

    def __init__(self) -> None:
        from candelabra.autograd import _engine

        def first(grad: Any, shape: Any) -> Any:
            while grad.dim() > len(shape):
                grad = grad[0]
            for i, size in enumerate(shape):
                if size == 1 and grad.shape[i] != 1:
                    grad = grad.narrow(i, 0, 1)
            return grad

        _engine.sum_to_size = first


# -- claims --------------------------------------------------------------------------------------------------------


@planted("add")
class Overclaims(Undamaged):
    """float16 is declared, and lacks a kernel."""

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        return None if dtype is _dtype.float16 else super().kernel(op, dtype)


@planted("softplus", "logaddexp", "logsumexp")
class Underclaims(Undamaged):
    """Ops are declared unsupported that work."""

    capabilities = dataclasses.replace(
        Undamaged.capabilities, reason=dict.fromkeys(("softplus", "logaddexp", "logsumexp"), "not yet written")
    )


@planted("add", "runtime")
class SupportsNothing(Undamaged):
    """No dtype is computed in, no op supported: nothing can fail."""

    capabilities = dataclasses.replace(
        Undamaged.capabilities, compute_dtypes=frozenset(), reason=dict.fromkeys(ops, "not yet written")
    )


@planted("runtime")
class ComputesUnstored(Undamaged):
    """A dtype is computed in that is not stored."""

    capabilities = dataclasses.replace(
        Undamaged.capabilities, dtypes=Undamaged.capabilities.dtypes - {_dtype.complex64}
    )


@planted("exp")
class HidesFallback(Undamaged):
    """A missing kernel is made up for by the host."""

    def __init__(self) -> None:
        from contextvars import ContextVar

        from candelabra.dispatcher import _fallback

        ledger = _fallback.Ledger()
        _fallback.active_ledger = ContextVar("fallback_ledger", default=ledger)

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        return None if op == "exp" else super().kernel(op, dtype)


@planted("exp")
class ComputesElsewhere(Undamaged):
    """A kernel hands its work to another backend."""

    @staticmethod
    def _elsewhere(input: Array) -> Any:
        from candelabra import from_numpy

        return ops["exp"].call(from_numpy(np.array(input)))._array

    damages: ClassVar = {"exp": instead(_elsewhere.__func__)}  # type: ignore[attr-defined]


# -- ends ----------------------------------------------------------------------------------------------------------


def _dies(input: Array, *rest: Any) -> Any:
    if input.size > 300 and input.dtype == np.float64:
        os.kill(os.getpid(), signal.SIGSEGV)
    return np.exp(input)


@planted("exp")
class Crashes(Undamaged):
    """A kernel ends its process for large float64 operands."""

    damages: ClassVar = {"exp": instead(_dies)}


def _sleeps(input: Array, *rest: Any) -> Any:
    if input.size > 300 and input.dtype == np.float16:
        time.sleep(3600)
    return np.exp(input)


@planted("exp", limit_s=2.0)
class Hangs(Undamaged):
    """A kernel never returns for large float16 operands."""

    damages: ClassVar = {"exp": instead(_sleeps)}


def _hoards(input: Array, *rest: Any) -> Any:
    if input.shape == (2, 3):
        np.ones(1 << 34)
    return np.exp(input)


@planted("exp")
class RunsOutOfMemory(Undamaged):
    """A kernel asks for more memory than there is."""

    damages: ClassVar = {"exp": instead(_hoards)}
