# SPDX-License-Identifier: Apache-2.0
"""Random streams: one seed gives the same numbers every time and on every device, another gives others.

Pure random ops are functions of a `seed` and an `offset`; others draw from the device's generator, which shows in
what they dispatch. That values are right is the grid's business: pure ops have references, and the rest are compared
with their bodies under one seed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype, dtype_named
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor
from candelabra.testing.samples import Sample

from .. import noise
from ..bridge import flatten, host, observed, place, samples_of, witness
from ..case import Case, Outcome, check, make_case
from ..context import Context
from ..layouts import CONTIGUOUS
from ..precision import bits
from ..values import dtype_of, operands_of, realize, substitute
from .grid import admits, dtypes_of, shapes_of

SEEDS = (0, 1, 2**31, 2**63 - 1)

# Philox 4x32-10, key and counter all zeros, all ones, and digits of pi: Salmon et al. 2011, Random123's kat_vectors.
KNOWN = (
    (0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (2**64 - 1, 2**128 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (0x299F31D0A4093822, 0x0370734413198A2E85A308D3243F6A88, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
)


def is_pure(op: Op) -> bool:
    """Whether an op makes random numbers of a seed and an offset it is given."""
    return "seed" in op.index and "offset" in op.index


def gives_words(op: Op) -> bool:
    """Whether a pure op gives the generator's bare words."""
    named = tuple(p.name for p in op.kernel_params) == ("size", "seed", "offset")
    return named and op.is_factory and op.factory_dtype(((4,), 0, 0), None) is _dtype.uint32


@functools.cache
def draws(name: str) -> bool:
    """Whether an op draws from the device's generator: a pure random op runs on the way."""
    op = ops[name]
    if op.body is None or op.is_view or seeder() is None:
        return False
    for i, sample in enumerate(samples_of(name)):
        tested = next((t for t in (_dtype.float32, _dtype.int64) if admits(op, i, t)), None)
        if tested is None:
            continue
        try:
            _, events = observed(lambda sample=sample, tested=tested: call(op, sample, tested, noise.QUIET))  # type: ignore[misc]
        except Exception:
            return False
        if any(is_pure(ops[e]) for e, _, _ in events if e in ops):
            return True
    return False


def seeder() -> Callable[[int], Any] | None:
    """The framework's function that seeds every stream, or None."""
    import candelabra

    return getattr(candelabra, "manual_seed", None)


def call(op: Op, sample: Sample, tested: dtype, device: Any) -> list[Tensor]:
    """The tensors a sample gives on a device."""
    from candelabra.dispatcher._kind import canonical_device, kind_of

    target = canonical_device(device)

    def make(operand: Any) -> Tensor:
        array = realize(operand, tested, op.name, repr(sample))
        return place(array, kind_of(target, dtype_of(operand, tested)), CONTIGUOUS).tensor

    args, kwargs = substitute(sample, make)
    if not operands_of(sample):
        kwargs["device"] = target
    return [t for t in flatten(op.call(*args, **kwargs)) if isinstance(t, Tensor)]


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of random ops."""
    if op is None or not samples_of(op.name):
        return
    samples = samples_of(op.name)
    if is_pure(op):
        if gives_words(op):
            yield make_case(op.name, "streams", "uint32", "known-answers", repr(KNOWN))
        yield from _cases(op, dtypes_of(op)[:1], range(len(samples)), ("seeds-differ", "same-on-host"))
    elif draws(op.name):
        yield from _cases(op, dtypes_of(op)[:2], range(len(samples)), ("seed-repeats", "stream-moves-on"))


def _cases(op: Op, dtypes: list[dtype], indices: range, forms: tuple[str, ...]) -> Iterator[Case]:
    samples = samples_of(op.name)
    for tested in dtypes:
        for i in indices:
            if admits(op, i, tested):
                for form in forms:
                    yield make_case(
                        op.name, "streams", tested.name, form, repr(samples[i]), sample=i, shapes=shapes_of(samples[i])
                    )


def run(case: Case, context: Context) -> Outcome:
    """One property of the stream."""
    op = ops[case.op]
    context.refuse_declared(op)
    if case.form == "known-answers":
        return run_known(op, context)
    sample = samples_of(op.name)[case.sample]
    tested = dtype_named(case.dtype)
    first, events = observed(lambda: call(op, sample, tested, context.device))
    how = witness(op, context.backend, events)
    if case.form == "seeds-differ":
        other = call(op, reseeded(op, sample), tested, context.device)
        check(not varied(first) or _bits(first) != _bits(other), "two seeds gave the same numbers")
    elif case.form == "same-on-host":
        there = call(op, sample, tested, "cpu")
        exact = op.tolerance == "exact"
        check(not exact or _bits(first) == _bits(there), "one seed gave other numbers than on the host")
    else:
        run_drawn(case.form, lambda: call(op, sample, tested, context.device), first)
    return Outcome(how=how)


def run_known(op: Op, context: Context) -> Outcome:
    """Published vectors, bit for bit."""
    how = ""
    for seed, offset, words in KNOWN:
        result, events = observed(lambda: op.call((4,), seed, offset, device=context.device))  # noqa: B023 - called at once
        how = witness(op, context.backend, events)
        got = [int(w) for w in host(result)]
        check(got == list(words), f"seed {seed}, offset {offset} gave {got}, published are {list(words)}")
    return Outcome(oracle="special", how=how)


def run_drawn(form: str, again: Callable[[], list[Tensor]], first: list[Tensor]) -> None:
    """What an op that draws owes its seed."""
    seed = seeder()
    assert seed is not None

    def draw(number: int) -> list[bytes]:
        seed(number)
        return _bits(again())

    if form == "seed-repeats":
        for number in SEEDS:
            check(draw(number) == draw(number), f"seed {number} gave other numbers the second time")
    elif varied(first):
        seed(7)
        one = _bits(again())
        check(one != _bits(again()), "two calls in a row gave the same numbers")
        check(draw(1) != draw(2), "two seeds gave the same numbers")


def reseeded(op: Op, sample: Sample) -> Sample:
    """The sample with another seed."""
    args, kwargs = list(sample.args), dict(sample.kwargs)
    at = op.index["seed"]
    if at < len(args):
        args[at] = (args[at] + 1) % 2**64
    else:
        kwargs["seed"] = (kwargs.get("seed", 0) + 1) % 2**64
    return Sample(*args, **kwargs)


def varied(tensors: list[Tensor]) -> bool:
    """Whether results hold enough different values for two draws to differ beyond doubt."""
    return any(np.unique(host(t)).size > 16 for t in tensors)


def _bits(tensors: list[Tensor]) -> list[bytes]:
    return [bits(host(t)) for t in tensors]
