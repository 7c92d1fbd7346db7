# SPDX-License-Identifier: Apache-2.0
"""The grid: every op on its samples, across dtypes, the layout lattice of every operand, and values of its own.

Each case also checks, since the call is made anyway: inputs unmodified down to the gaps between their elements; the
result fresh memory (or, for a view op, really a view); the short path's result equal to the observed one, bit for bit;
`meta` inference equal to what ran.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra.dispatcher._fallback import observers
from candelabra.op import Op, ops
from candelabra.testing.samples import Sample

from ..bridge import host, infer, overwrite, params_of, reseed, samples_of, tensors_in
from ..case import Case, Failure, Outcome, Shape, check, make_case
from ..context import Call, Context, same_result
from ..layouts import CONTIGUOUS, LAYOUTS, applies
from ..precision import bits
from ..values import dtype_of, fits_distinct, operands_of, shape_of

PREFERRED = ("float32", "int64", "bool", "complex64", "float64", "int32", "uint8")
"""Which admitted dtype gets every sample and layout: the first of these."""

SAMPLES_PER_LAYOUT = {"quick": 2, "full": 8}
SAMPLES_PER_DTYPE = {"quick": 4, "full": 40}
SMALL = 600
"""Elements past which a sample is not the first choice for a layout."""


@functools.lru_cache(maxsize=4096)
def shapes_of(sample: Sample) -> tuple[Shape, ...]:
    """Shapes of the operands, for ids."""
    return tuple(shape_of(o) for o in operands_of(sample))


@functools.cache
def admits(op: Op, index: int, tested: dtype) -> bool:
    """Whether a sample may be called with a dtype under test, by its own list and by inference on `meta`."""
    sample = samples_of(op.name)[index]
    if sample.dtypes is not None and tested.name not in sample.dtypes:
        return False
    operands = operands_of(sample)
    if not all(fits_distinct(o, dtype_of(o, tested)) for o in operands):
        return False
    if tested.is_storage_only and any(o.distinct for o in operands):
        return False
    inferred = infer(op, sample, tested)
    if inferred.error is not None or not numbers_fit(op, sample, inferred.compute or tested):
        return False
    # Differences of unsigned numbers wrap: of a composed op with floating results no definition says where.
    is_unsigned = tested.category == _dtype.INTEGRAL and not tested.is_signed
    floats = any(kind.category >= _dtype.FLOATING for _, kind in inferred.results or ())
    return not (op.dtype is None and is_unsigned and floats)


def numbers_fit(op: Op, sample: Sample, kind: dtype) -> bool:
    """Whether an integer dtype holds the numbers a sample gives for operands and factors."""
    if kind.category != _dtype.INTEGRAL:
        return True
    info = np.iinfo(kind.numpy)
    named = [(op.params[i], v) for i, v in enumerate(sample.args) if i < len(op.params)]
    named += [(op.params[op.index[k]], v) for k, v in sample.kwargs.items() if k in op.index]
    numbers = [
        v
        for p, v in named
        if ("Number" in p.annotation or "float" in p.annotation) and isinstance(v, (int, float)) and v == v
    ]
    return all(info.min <= v <= info.max for v in numbers)


def dtypes_of(op: Op) -> list[dtype]:
    """The dtypes an op may be tested in: those at least one sample is admitted in, best known first."""
    samples = samples_of(op.name)
    tested = [t for t in _dtype.ALL if any(admits(op, i, t) for i in range(len(samples)))]
    free = any(o.dtype is None and o.values is None for s in samples for o in operands_of(s))
    listed = any(s.dtypes for s in samples)
    order = {name: i for i, name in enumerate(PREFERRED)}
    tested.sort(key=lambda t: order.get(t.name, len(order)))
    # Where every operand has a dtype of its own, the one under test makes no difference.
    return tested if free or listed else tested[:1]


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of an op; none of the device."""
    if op is None or not samples_of(op.name):
        return
    samples = samples_of(op.name)
    dtypes = dtypes_of(op)
    if not dtypes:
        return
    if op.is_factory or not any(operands_of(s) for s in samples):
        for i, sample in enumerate(samples):
            yield _case(op, i, sample, dtypes[0], ())
        return
    primary = dtypes[0]
    for i, sample in enumerate(samples):
        if admits(op, i, primary):
            yield _case(op, i, sample, primary, (CONTIGUOUS,) * len(operands_of(sample)))
    for i, layouts in lattice(op, context, primary):
        yield _case(op, i, samples[i], primary, layouts)
    for n, tested in enumerate(dtypes[1:], 1):
        for i, layouts in spread(op, context, tested, n):
            yield _case(op, i, samples[i], tested, layouts)
    for tested in dtypes:
        yield from variants(op, tested)


def _case(op: Op, i: int, sample: Sample, tested: dtype, layouts: tuple[str, ...], variant: str = "plain") -> Case:
    return make_case(
        op.name, "grid", tested.name, "functional", repr(sample), sample=i, layouts=layouts, shapes=shapes_of(sample),
        variant=variant,
    )  # fmt: skip


def allowed_layouts(op: Op, context: Context) -> list[str]:
    """Names of the layouts an op's operands may have on a backend."""
    if not context.capabilities.strides or op.layouts == "own":
        return []
    return [n for n, layout in LAYOUTS.items() if n != CONTIGUOUS and (op.layouts == "all" or layout.plain)]


def legal(op: Op, sample: Sample, which: int, layout: str) -> bool:
    """Whether operand number `which` of a sample may have a layout."""
    operand = operands_of(sample)[which]
    if layout == CONTIGUOUS:
        return True
    if LAYOUTS[layout].shares and (operand.values is not None or operand.distinct or operand.dtype is not None):
        return False
    if LAYOUTS[layout].shares and sample.special is not None:
        return False
    return applies(layout, shape_of(operand))


def lattice(op: Op, context: Context, tested: dtype) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(sample, layouts) for every layout: all operands in it, then each operand alone, then neighbours mixed."""
    samples = samples_of(op.name)
    names = allowed_layouts(op, context)
    admitted = [i for i in range(len(samples)) if operands_of(samples[i]) and admits(op, i, tested)]
    for position, name in enumerate(names):
        usable = [
            i for i in admitted if any(legal(op, samples[i], w, name) for w in range(len(operands_of(samples[i]))))
        ]
        for i in chosen(samples, usable, SAMPLES_PER_LAYOUT[context.tier], position):
            count = len(operands_of(samples[i]))
            together = tuple(name if legal(op, samples[i], w, name) else CONTIGUOUS for w in range(count))
            yield i, together
            if count > 1:
                for w in range(count):
                    if legal(op, samples[i], w, name) and together.count(name) > 1:
                        yield i, tuple(name if v == w else CONTIGUOUS for v in range(count))
                mixed = [names[(position + v) % len(names)] for v in range(count)]
                yield i, tuple(m if legal(op, samples[i], w, m) else together[w] for w, m in enumerate(mixed))


def chosen(samples: tuple[Sample, ...], usable: list[int], count: int, turn: int) -> list[int]:
    """A few of the usable samples: the one of most dims, the one of most elements (not too many), then others in turn."""

    def size(i: int) -> int:
        largest = max((math.prod(s) for s in shapes_of(samples[i])), default=0)
        return largest if largest <= SMALL else 0

    def rank(i: int) -> int:
        return max((len(s) for s in shapes_of(samples[i])), default=0) if size(i) else -1

    if len(usable) <= count:
        return usable
    first = [max(usable, key=lambda i: (rank(i), size(i)))]
    if count > 2:
        first.append(max((i for i in usable if i not in first), key=lambda i: (size(i), rank(i))))
    rest = [i for i in usable if i not in first]
    return first + [rest[(turn + k) % len(rest)] for k in range(count - len(first))]


def spread(op: Op, context: Context, tested: dtype, turn: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(sample, layouts) for a dtype other than the first: some samples contiguous, each once more in some layout."""
    samples = samples_of(op.name)
    names = allowed_layouts(op, context)
    admitted = [i for i, s in enumerate(samples) if operands_of(s) and admits(op, i, tested)]
    special = [i for i in admitted if samples[i].special is not None]
    few = chosen(samples, [i for i in admitted if i not in special], SAMPLES_PER_DTYPE[context.tier], turn * 3)
    for n, i in enumerate(special + few):
        count = len(operands_of(samples[i]))
        yield i, (CONTIGUOUS,) * count
        if names:
            wanted = [names[(turn * 5 + n * 3 + w) % len(names)] for w in range(count)]
            layouts = tuple(
                name if legal(op, samples[i], w, name) else _other(op, samples[i], w, names, turn + n)
                for w, name in enumerate(wanted)
            )
            yield i, layouts


def _other(op: Op, sample: Sample, which: int, names: list[str], turn: int) -> str:
    usable = [n for n in names if legal(op, sample, which, n)]
    return usable[turn % len(usable)] if usable else CONTIGUOUS


def variants(op: Op, tested: dtype) -> Iterable[Case]:
    """Cases on values no sample has: limits of the dtype, integers past float64, a nan among numbers."""
    samples = samples_of(op.name)
    if op.reference is None or op.is_view or tested.is_storage_only:
        return
    free = [
        i
        for i, s in enumerate(samples)
        if admits(op, i, tested)
        and s.special is None
        and any(_is_free(op, s, w, o) for w, o in enumerate(operands_of(s)))
    ]
    if not free:
        return
    i = chosen(samples, free, 1, 0)[0]
    layouts = (CONTIGUOUS,) * len(operands_of(samples[i]))
    elementwise = op.is_pointwise and op.body is None and op.tolerance in ("exact", "rounded", "elementwise")
    if elementwise and tested.category in (_dtype.INTEGRAL, _dtype.FLOATING):
        yield _case(op, i, samples[i], tested, layouts, "extremes")
    if tested.category == _dtype.FLOATING and op.tolerance != "cast":
        yield _case(op, i, samples[i], tested, layouts, "nan")
    signed = all(o.low < 0 for o in operands_of(samples[i]) if o.dtype is None)
    if tested in (_dtype.int32, _dtype.int64) and signed and op.tolerance == "exact":
        yield _case(op, i, samples[i], tested, layouts, "wide")


def _is_free(op: Op, sample: Sample, which: int, operand: object) -> bool:
    own = operands_of(sample)[which]
    param = params_of(op, sample)[which]
    return own.dtype is None and own.values is None and math.prod(own.shape) > 0 and param is not None


# -- running -------------------------------------------------------------------------------------------------------


def run(case: Case, context: Context) -> Outcome:
    """One call, compared with the oracle, and everything that must hold besides."""
    if ops[case.op].is_factory:
        return run_factory(case, context)
    call = context.prepare(case)
    result, how, _ = context.run(call)
    outcome = context.compare(call, result, how)
    call.check_inputs()
    check_writable(result, how)
    check_repeats(call, context, result, how)
    if all(layout == CONTIGUOUS for layout in case.layouts):
        check_inference(case, call, result)
    if call.op.is_view:
        check_aliases(call, result)
    elif how == "kernel":
        check_fresh(call, result)
    return outcome


def run_factory(case: Case, context: Context) -> Outcome:
    """An op without operands: the device is an argument."""
    call = context.prepare(case)
    call.kwargs["device"] = context.device
    result, how, _ = context.run(call)
    return context.compare(call, result, how)


def check_repeats(call: Call, context: Context, result: object, how: str) -> None:
    """The short path's answer, twice: once while the dispatcher learns the call, once as learnt.

    The later results have memory of their own: writing over them leaves the first as it was.
    """
    assert not observers
    for _ in range(2):
        reseed()
        again = call.op.call(*call.args, **call.kwargs)
        context.backend.synchronize(context.device.index or 0)
        if context.capabilities.deterministic:
            same_result(result, again, "the same call gave another result when repeated")
    if how == "kernel":
        before = [bits(host(t)) for t in tensors_in(result)]
        for tensor in tensors_in(again):
            overwrite(tensor)
        check(before == [bits(host(t)) for t in tensors_in(result)], "two results of one call share memory")


def check_inference(case: Case, call: Call, result: object) -> None:
    """Shapes and dtypes found on `meta` are those that ran."""
    inferred = call.inferred
    if inferred.results is None:
        return
    ran = [(tuple(t.shape), t.dtype) for t in tensors_in(result)]
    check(ran == inferred.results, f"meta inferred {_named(inferred.results)}, {_named(ran)} ran")


def _named(results: list[tuple[Shape, dtype]]) -> str:
    return ", ".join(f"{shape} {kind.name}" for shape, kind in results)


def check_writable(result: object, how: str) -> None:
    """A kernel's result takes writes."""
    for i, tensor in enumerate(tensors_in(result) if how == "kernel" else ()):
        kind = tensor._kind
        try:
            kind.backend.write(tensor._array, kind.backend.copy(tensor._array))
        except (ValueError, RuntimeError) as error:
            raise Failure(f"result {i} cannot be written to: {error}") from error


def check_fresh(call: Call, result: object) -> None:
    """A result owns its elements, each its own: writing over it leaves every operand as it was."""
    for i, tensor in enumerate(tensors_in(result)):
        strides = tensor.stride()
        shared = any(s == 0 and n > 1 for s, n in zip(strides, tensor.shape, strict=True)) and tensor.numel() > 0
        check(not shared, f"result {i}: positions share elements, got shape {tuple(tensor.shape)}, strides {strides}")
        overwrite(tensor)
    for i, operand in enumerate(call.placed):
        operand.check_untouched(f"result shares memory with operand {i}, which")


def check_aliases(call: Call, result: object) -> None:
    """A view op's result shows the operand's memory: each sees what is written to the other."""
    source = call.placed[0]
    for i, tensor in enumerate(tensors_in(result)):
        if not tensor.numel() or any(s == 0 and n > 1 for s, n in zip(tensor.stride(), tensor.shape, strict=True)):
            continue
        before = bits(host(source.memory))
        overwrite(tensor)
        changed = bits(host(source.memory)) != before
        check(changed, f"result {i} of a view op does not show its operand's memory")
