# SPDX-License-Identifier: Apache-2.0
"""Random streams: one seed gives the same numbers every time and on every device, another gives others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype_named
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor

from ..bridge import flatten, host, observed, place, samples_of, witness
from ..case import Case, Outcome, check, make_case
from ..context import Context
from ..layouts import CONTIGUOUS
from ..precision import bits
from ..values import dtype_of, operands_of, realize, substitute
from .grid import dtypes_of, shapes_of

SEEDS = (0, 1, 2**31, 2**63 - 1)


def is_random(op: Op) -> bool:
    """Whether an op draws from a random stream: it says so, or takes a generator."""
    return bool(getattr(op, "is_random", False)) or "generator" in op.index


def seeder() -> Callable[[int], Any] | None:
    """The framework's function that seeds every stream, or None."""
    import candelabra

    return getattr(candelabra, "manual_seed", None)


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """For each random op: the same seed twice, two seeds, two calls, and the host's numbers."""
    if op is None or not is_random(op) or seeder() is None:
        return
    samples = samples_of(op.name)
    for tested in dtypes_of(op)[:2]:
        for i, sample in enumerate(samples):
            for form in ("seed-repeats", "stream-moves-on", "same-on-host"):
                yield make_case(op.name, "streams", tested.name, form, repr(sample), sample=i, shapes=shapes_of(sample))


def run(case: Case, context: Context) -> Outcome:
    """One property of the stream."""
    op = ops[case.op]
    context.refuse_declared(op)
    seed = seeder()
    assert seed is not None
    sample = samples_of(op.name)[case.sample]
    tested = dtype_named(case.dtype)

    def call(device: Any = None) -> list[Tensor]:
        from candelabra.dispatcher._kind import canonical_device, kind_of

        target = canonical_device(device or context.device)
        args, kwargs = substitute(
            sample,
            lambda o: place(realize(o, tested, op.name, case.sample, repr(sample)), kind_of(target, dtype_of(o, tested)), CONTIGUOUS).tensor,
        )
        if not operands_of(sample):
            kwargs["device"] = target
        return [t for t in flatten(op.call(*args, **kwargs)) if isinstance(t, Tensor)]

    def draw(number: int, device: Any = None) -> list[bytes]:
        seed(number)
        return [bits(host(t)) for t in call(device)]

    seed(SEEDS[0])
    first, events = observed(call)
    how = witness(op, context.backend, events)
    if case.form == "seed-repeats":
        for number in SEEDS:
            check(draw(number) == draw(number), f"seed {number} gave other numbers the second time")
    elif case.form == "stream-moves-on":
        many = [t for t in first if t.numel() >= 32 and t.dtype.category >= _dtype.INTEGRAL and np.unique(host(t)).size > 8]
        if many:
            seed(7)
            one, two = [bits(host(t)) for t in call()], [bits(host(t)) for t in call()]
            check(one != two, "two calls in a row gave the same numbers")
            check(draw(1) != draw(2), "two seeds gave the same numbers")
    else:
        for number in SEEDS:
            check(draw(number) == draw(number, "cpu"), f"seed {number} gave other numbers than on the host")
    return Outcome(how=how)
