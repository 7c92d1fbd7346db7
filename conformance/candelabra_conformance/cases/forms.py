# SPDX-License-Identifier: Apache-2.0
"""The ways of calling: method, keywords, in place, `out=`, operands that are one tensor or overlap the target.

What is written to is checked to the last byte: a target's gaps stay as they were, a refused call leaves everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import can_cast, dtype, dtype_named
from candelabra._errors import DTypeError, ShapeError
from candelabra._shape import contiguous_strides
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor, make_view
from candelabra.testing.samples import Operand, Sample

from ..bridge import (
    Inferred,
    Placed,
    flatten,
    fresh,
    host,
    infer,
    observed,
    params_of,
    place,
    reseed,
    samples_of,
    witness,
)
from ..case import Case, Failure, Outcome, Shape, check, make_case
from ..context import Call, Context
from ..layouts import CONTIGUOUS, applies, poison
from ..precision import bits
from ..values import dtype_of, operands_of, shape_of, substitute
from .grid import admits, chosen, dtypes_of, shapes_of

SAMPLES = {"quick": 2, "full": 6}
DTYPES = {"quick": 3, "full": 20}

CALLS = ("method", "keywords", "aliased")
INPLACE = ("in-place", "in-place-stepped", "in-place-view", "in-place-aliased", "in-place-overlap", "in-place-shared")
OUT = ("out", "out-stepped", "out-empty", "out-wider", "out-operand", "out-narrower", "out-wrong-shape")


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of an op; none of the device."""
    if op is None or op.is_factory or not samples_of(op.name):
        return
    samples = samples_of(op.name)
    for turn, tested in enumerate(dtypes_of(op)[: DTYPES[context.tier]]):
        admitted = [i for i in range(len(samples)) if operands_of(samples[i]) and admits(op, i, tested)]
        for form in (*CALLS, *INPLACE, *OUT):
            usable = [i for i in admitted if fits(op, samples[i], tested, form, context)]
            few = SAMPLES[context.tier] if turn == 0 else 1
            for i in chosen(samples, usable, few, turn):
                yield make_case(
                    op.name, "forms", tested.name, form, repr(samples[i]), sample=i, shapes=shapes_of(samples[i])
                )  # fmt: skip


def fits(op: Op, sample: Sample, tested: dtype, form: str, context: Context) -> bool:
    """Whether a form means something for a sample in a dtype."""
    first = sample.args[0] if sample.args else None
    if form == "method":
        return isinstance(first, Operand) and getattr(Tensor, op.name, None) is op.call
    if form == "keywords":
        return len(sample.args) <= op.positional and op.variadic is None
    if form == "aliased":
        return _can_alias(op, sample)
    inferred = infer(op, sample, tested)
    if not inferred.results:
        return False
    if form in INPLACE:
        return isinstance(first, Operand) and fits_inplace(op, sample, tested, form, context, inferred.results)
    return not op.is_view and fits_out(sample, tested, form, context, inferred)


def fits_inplace(
    op: Op, sample: Sample, tested: dtype, form: str, context: Context, results: list[tuple[Shape, dtype]]
) -> bool:
    """`fits` for in-place forms: the one result keeps the shape of the first operand and may be cast to its dtype."""
    shape, kind = results[0]
    first = sample.args[0]
    if (
        not op.is_inplace
        or len(results) != 1
        or shape != shape_of(first)
        or not can_cast(kind, dtype_of(first, tested))
    ):
        return False
    several = len(shape) > 0 and shape[0] > 1 and 0 not in shape
    if form == "in-place-aliased":
        return _can_alias(op, sample)
    if form == "in-place-overlap":
        return _can_alias(op, sample) and len(operands_of(sample)) == 2 and shape != () and 0 not in shape
    return several and context.capabilities.strides if form in ("in-place-shared", "in-place-stepped") else True


def fits_out(sample: Sample, tested: dtype, form: str, context: Context, inferred: Inferred) -> bool:
    """`fits` for forms with `out=`."""
    results = inferred.results or []
    if form == "out-stepped":
        return context.capabilities.strides and all(applies("stepped", shape) for shape, _ in results)
    if form == "out-wider":
        return all(_wider(kind) is not None for _, kind in results)
    if form == "out-narrower":
        return all(_lower(kind) is not None for _, kind in results)
    if form == "out-wrong-shape":
        return all(math.prod(shape) > 0 for shape, _ in results)
    if form == "out-operand":
        first = sample.args[0] if sample.args else None
        return (
            not inferred.is_tuple
            and isinstance(first, Operand)
            and results == [(shape_of(first), dtype_of(first, tested))]
        )
    return True


def _can_alias(op: Op, sample: Sample) -> bool:
    """Whether all operands are of one kind and shape, so that one tensor may stand for each; its result is not stated."""
    operands = operands_of(sample)
    params = params_of(op, sample)
    return (
        sample.special is None
        and len(operands) > 1
        and len({(shape_of(o), o.dtype, o.low, o.high, o.nonzero) for o in operands}) == 1
        and all(o.values is None and o.dtype is None for o in operands)
        and all(p is not None and not p.is_list for p in params)
    )


def _wider(kind: dtype) -> dtype | None:
    """A dtype results of `kind` may be written into, other than itself."""
    return {
        "float16": _dtype.float32, "bfloat16": _dtype.float32, "float32": _dtype.float64, "float64": _dtype.float32,
        "int32": _dtype.int64, "int64": _dtype.float64, "bool": _dtype.int32, "complex64": _dtype.complex128,
    }.get(kind.name)  # fmt: skip


def _lower(kind: dtype) -> dtype | None:
    """A dtype of a lower category, which results of `kind` may not be written into."""
    return (None, _dtype.bool_, _dtype.int64, _dtype.float32)[kind.category]


# -- running -------------------------------------------------------------------------------------------------------


def run(case: Case, context: Context) -> Outcome:
    """One call in the case's form."""
    if case.form in ("aliased", "in-place-aliased"):
        return run_aliased(case, context)
    if case.form == "in-place-overlap":
        return run_overlap(case, context)
    call = context.prepare(case, _target_layout(case))
    if case.form in CALLS:
        function = _form(call, case.form)
        result, how, _ = context.run(call, function)
        outcome = context.compare(call, result, how)
        call.check_inputs()
        return outcome
    return run_inplace(case, context, call) if case.form.startswith("in-place") else run_out(case, context, call)


def _target_layout(case: Case) -> tuple[str, ...] | None:
    layout = {"in-place-stepped": "stepped", "in-place-view": "offset", "in-place-shared": "expanded-first"}.get(
        case.form
    )
    return None if layout is None else (layout,) + (CONTIGUOUS,) * (len(case.shapes) - 1)


def _form(call: Call, form: str) -> Callable[..., Any]:
    op = call.op
    if form == "method":
        return lambda first, *rest, **kwargs: getattr(first, op.name)(*rest, **kwargs)
    names = [p.name for p in op.params]
    return lambda *args, **kwargs: op.call(**dict(zip(names, args, strict=False)), **kwargs)


def run_inplace(case: Case, context: Context, call: Call) -> Outcome:
    """`x.f_(...)`: returns x itself, whose memory now holds the result and whose version counts the write."""
    target = call.placed[0]
    method = getattr(call.args[0], call.op.name + "_")
    if case.form == "in-place-shared":
        check_refused(ShapeError, lambda: method(*call.args[1:], **call.kwargs), call.placed)
        return Outcome(oracle="rule")
    return finish_inplace(context, call, target, method)


def finish_inplace(context: Context, call: Call, target: Placed, method: Callable[..., Any]) -> Outcome:
    """Runs an in-place method and checks target, gaps, version and the other operands."""
    tensor = call.args[0]
    version = tensor._version
    reseed()
    result, events = observed(lambda: method(*call.args[1:], **call.kwargs))
    context.note("dispatched", events)
    how = witness(call.op, context.backend, events)
    check(result is tensor, "an in-place form returns the tensor it was called on")
    check(tensor._version > version, "an in-place write was not counted by the tensor's version")
    outcome = context.compare(call, tensor, how, into=[tensor.dtype])
    check_gaps(target)
    for i, operand in enumerate(call.placed[1:], 1):
        if operand.memory is not target.memory:
            operand.check_untouched(f"operand {i}")
    return outcome


def check_gaps(target: Placed) -> None:
    """Outside the target's elements its buffer is as it was."""
    if target.memory is target.tensor:
        return
    before = np.frombuffer(target.before, host(target.memory).dtype)
    now = host(target.memory).reshape(-1)
    inside = np.zeros(before.size, dtype=bool)
    tensor = target.tensor
    places = np.full(tuple(tensor.shape), tensor.storage_offset())
    for dim, (n, s) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        places = places + (np.arange(n) * s).reshape((n,) + (1,) * (tensor.dim() - dim - 1))
    if places.size and not 0 <= places.min() <= places.max() < before.size:
        raise Failure("the target does not lie in its buffer")
    inside[places.reshape(-1)] = True
    if bits(before[~inside]) != bits(now[~inside]):
        raise Failure("memory outside the target's elements was written to", got=now, expected=before)


def check_refused(error: type[Exception], call: Callable[[], Any], placed: list[Placed]) -> None:
    """The call raises exactly this class, and leaves every operand as it was."""
    try:
        call()
    except error:
        pass
    except Exception as found:
        raise Failure(f"raised {type(found).__name__} instead of {error.__name__}: {found}") from found
    else:
        raise Failure(f"nothing raised, expected {error.__name__}")
    for i, operand in enumerate(placed):
        operand.check_untouched(f"operand {i} of a refused call")


def run_aliased(case: Case, context: Context) -> Outcome:
    """One tensor for every operand; in place too."""
    op = ops[case.op]
    sample = samples_of(op.name)[case.sample]
    tested = dtype_named(case.dtype)
    context.refuse_declared(op)
    array = context.values(op, case.sample, sample, tested)[0]
    one = place(array, context.kind(tested), CONTIGUOUS)
    call = _call_on(context, op, sample, tested, [one] * len(operands_of(sample)), "aliased", case)
    if case.form == "aliased":
        result, how, _ = context.run(call)
        outcome = context.compare(call, result, how)
        call.check_inputs()
        return outcome
    return finish_inplace(context, call, one, getattr(one.tensor, op.name + "_"))


def run_overlap(case: Case, context: Context) -> Outcome:
    """`x[1:].f_(x[:-1])`: as if the operands had been read before anything was written."""
    op = ops[case.op]
    sample = samples_of(op.name)[case.sample]
    tested = dtype_named(case.dtype)
    context.refuse_declared(op)
    kind = context.kind(tested)
    arrays = context.values(op, case.sample, sample, tested)
    flat = np.concatenate([arrays[0].reshape(-1), arrays[1].reshape(-1)[:1], poison(3, tested)])
    memory = fresh(flat, kind)
    shape = arrays[0].shape
    strides = contiguous_strides(shape)
    count = math.prod(shape)

    def at(offset: int) -> Placed:
        handle = kind.backend.view(memory._array, shape, strides, offset)
        values = flat[offset : offset + count].reshape(shape)
        return Placed(make_view(handle, kind, memory), values, memory, bits(flat))

    call = _call_on(context, op, sample, tested, [at(1), at(0)], "overlap", case)
    return finish_inplace(context, call, call.placed[0], getattr(call.args[0], op.name + "_"))


def _call_on(
    context: Context, op: Op, sample: Sample, tested: dtype, placed: list[Placed], what: str, case: Case
) -> Call:
    """A call on operands made by hand."""
    pending = iter(placed)
    args, kwargs = substitute(sample, lambda _: next(pending).tensor)
    inferred = infer(op, sample, tested)
    context.need_compute(op, inferred)
    arrays = [p.array for p in placed]
    for i, array in enumerate(arrays):
        context.note(f"operand {i}", array)
    expectation = context.oracle.expect((op.name, case.sample, case.dtype, what), op, sample, tested, arrays, inferred)
    return Call(op, sample, tested, args, kwargs, placed, inferred, expectation)


def run_out(case: Case, context: Context, call: Call) -> Outcome:
    """`f(..., out=out)`: into memory of the right kind, resized when empty, refused when the result cannot go there."""
    results = call.inferred.results
    assert results is not None
    if case.form == "out-operand":
        return run_out_operand(context, call)
    targets: list[Placed] = []
    for shape, kind in results:
        wanted = {"out-wider": _wider(kind), "out-narrower": _lower(kind)}.get(case.form) or kind
        if case.form == "out-empty":
            shape = (0,)
        if case.form == "out-wrong-shape":
            shape = (*shape, 2) if shape else (3,)
        array = poison(math.prod(shape), wanted).reshape(shape)
        targets.append(place(array, context.kind(wanted), "stepped" if case.form == "out-stepped" else CONTIGUOUS))
    several = call.inferred.is_tuple
    out: Any = tuple(t.tensor for t in targets) if several else targets[0].tensor

    def function(*args: Any, **kwargs: Any) -> Any:
        return call.op.call(*args, **kwargs, out=out)

    refusal = {"out-narrower": DTypeError, "out-wrong-shape": ShapeError}.get(case.form)
    if refusal is not None:
        check_refused(refusal, lambda: function(*call.args, **call.kwargs), [*call.placed, *targets])
        return Outcome(oracle="rule")
    result, how, _ = context.run(call, function)
    for part, target in zip(flatten(result), targets, strict=True):
        check(part is target.tensor, "a call with out= returns out itself")
        if case.form == "out-stepped":
            check_gaps(target)
    outcome = context.compare(call, result, how, into=[t.tensor.dtype for t in targets])
    if case.form == "out-wider":
        outcome.max_ulp = None  # units of the wider dtype say nothing
    call.check_inputs()
    return outcome


def run_out_operand(context: Context, call: Call) -> Outcome:
    """`f(x, ..., out=x)`."""
    target = call.placed[0]
    result, how, _ = context.run(call, lambda *args, **kwargs: call.op.call(*args, **kwargs, out=target.tensor))
    check(result is target.tensor, "a call with out= returns out itself")
    outcome = context.compare(call, result, how)
    for i, operand in enumerate(call.placed[1:], 1):
        operand.check_untouched(f"operand {i}")
    return outcome


__all__ = ["check_gaps", "check_refused", "generate", "run"]
