# SPDX-License-Identifier: Apache-2.0
"""Capabilities in both directions: what is declared works, what is not declared is refused, what is denied is lacking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype_named
from candelabra._errors import CandelabraError, DTypeError, MissingKernelError
from candelabra.dispatcher._kind import kind_of
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor
from candelabra.testing.samples import Operand

from ..bridge import fresh, host, place, samples_of
from ..case import RUNTIME, Case, Failure, Outcome, check, make_case
from ..context import Context
from ..layouts import CONTIGUOUS
from ..precision import bits
from ..values import dtype_of, least_normal, realize, substitute
from .grid import dtypes_of

FACTS = ("reasons-name-ops", "kernels-name-ops", "compute-within-storage", "max-rank", "subnormals", "something-works")


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """For an op with a reason against it, that it really is lacking; for the device, each dtype and the declared facts."""
    if op is None:
        for kind in _dtype.ALL:
            form = "stores" if kind in context.capabilities.dtypes else "refuses"
            yield make_case(RUNTIME, "capabilities", kind.name, f"capability-{form}")
        for fact in FACTS:
            yield make_case(RUNTIME, "capabilities", "-", f"capability-{fact}")
    elif op.name in context.capabilities.reason:
        yield make_case(op.name, "capabilities", "-", "capability-lacking")


def run(case: Case, context: Context) -> Outcome:
    """One claim."""
    form = case.form.removeprefix("capability-")
    if form == "lacking":
        return run_lacking(case, context)
    if form == "stores":
        return run_stores(case, context)
    if form == "refuses":
        try:
            kind_of(context.device, dtype_named(case.dtype))
        except DTypeError:
            return Outcome()
        raise Failure(f"dtype {case.dtype} is not declared, and not refused")
    check_fact(form, context)
    return Outcome()


def run_stores(case: Case, context: Context) -> Outcome:
    """A declared dtype keeps every bit."""
    kind = context.kind(dtype_named(case.dtype))
    size = kind.dtype.itemsize
    raw = np.random.Generator(np.random.Philox(11)).integers(0, 256, 24 * size, dtype=np.uint8)
    array = (raw % 2 if kind.dtype is _dtype.bool_ else raw).view(kind.dtype.numpy).reshape(4, 6)
    tensor = fresh(array, kind)
    check(tensor.dtype is kind.dtype and tuple(tensor.shape) == (4, 6), "dtype or shape was not kept")
    check(bits(host(tensor)) == bits(array), "bits were not kept", got=host(tensor), expected=array)
    return Outcome()


def run_lacking(case: Case, context: Context) -> Outcome:
    """An op with a reason against it has no kernel, and its first sample does not run."""
    op = ops[case.op]
    backend = context.backend
    having = [t.name for t in backend.capabilities.compute_dtypes if backend.kernel(op.name, t) is not None]
    check(
        not having,
        f"declared unsupported ({context.capabilities.reason[op.name]}), but has kernels for {sorted(having)}",
    )
    if not samples_of(op.name):
        return Outcome()
    sample, tested = samples_of(op.name)[0], dtypes_of(op)[0]

    def make(operand: Operand) -> Tensor:
        array = realize(operand, tested, op.name, repr(sample))
        return place(array, context.kind(dtype_of(operand, tested)), CONTIGUOUS).tensor

    args, kwargs = substitute(sample, make)
    if op.is_factory:
        kwargs["device"] = context.device
    try:
        op.call(*args, **kwargs)
    except MissingKernelError:
        return Outcome()
    except CandelabraError as error:
        raise Failure(f"raised {type(error).__name__} instead of MissingKernelError: {error}") from error
    raise Failure(f"declared unsupported ({context.capabilities.reason[op.name]}), but it works")


def takes_subnormals_for_zeros(context: Context) -> bool:
    """Whether a product loses a subnormal number in any floating dtype of the device, or there are no products."""
    for kind in (_dtype.float32, _dtype.float64):
        if kind in context.capabilities.compute_dtypes:
            tensor = fresh(np.array([least_normal(kind) / 4]).astype(kind.numpy), context.kind(kind))
            try:
                if host(tensor * 1.0)[0] == 0:
                    return True
            except MissingKernelError:
                return True
    return False


def check_fact(fact: str, context: Context) -> None:
    """One claim about the whole backend."""
    has = context.capabilities
    if fact == "reasons-name-ops":
        unknown = sorted(set(has.reason) - set(ops))
        check(not unknown, f"reasons are given for unknown ops: {unknown}")
        check(all(str(text).strip() for text in has.reason.values()), "a reason is empty")
    elif fact == "kernels-name-ops":
        # A name with an underscore behind is the form of an op that writes over its operands.
        unknown = sorted(
            name for name in context.backend.kernels() if name not in ops and name.removesuffix("_") not in ops
        )
        check(not unknown, f"kernels serve no declared op: {unknown}")
    elif fact == "compute-within-storage":
        extra = sorted(t.name for t in has.compute_dtypes - has.dtypes)
        check(not extra, f"dtypes are computed in but not stored: {extra}")
    elif fact == "max-rank":
        kind = context.kind(next(t for t in _dtype.ALL if t in has.dtypes))
        shape = (1,) * (has.max_rank - 1) + (2,)
        array = np.array([1, 0]).astype(kind.dtype.numpy).reshape(shape) if has.max_rank <= 64 else None
        if array is not None:
            tensor = fresh(array, kind)
            check(
                tuple(tensor.shape) == shape and bits(host(tensor)) == bits(array), f"rank {has.max_rank} was not kept"
            )
    elif fact == "subnormals":
        check(
            has.subnormals or takes_subnormals_for_zeros(context), "declared to lack subnormal numbers, but keeps them"
        )
    elif fact == "something-works":
        check(bool(has.dtypes) and bool(has.compute_dtypes), "no dtype is declared: a backend of nothing earns nothing")
        check(bool(context.backend.kernels()), "the backend offers no kernel at all")


__all__ = ["generate", "run"]
