# SPDX-License-Identifier: Apache-2.0
"""All 65,536 inputs of every op of one tensor in the 16-bit floating dtypes; in the full tier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype_named
from candelabra.op import Op, ops
from candelabra.testing.samples import Operand, Sample

from ..bridge import infer, place, samples_of
from ..case import Case, Outcome, make_case
from ..context import Call, Context
from ..layouts import CONTIGUOUS
from ..oracle import Expectation
from ..values import operands_of, substitute
from .grid import admits

DTYPES = (_dtype.float16, _dtype.bfloat16)
COUNT = 1 << 16


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """One case for each 16-bit dtype."""
    if op is None or not context.is_full or not op.is_pointwise or op.is_view or op.reference is None:
        return
    for i, sample in enumerate(samples_of(op.name)):
        operands = operands_of(sample)
        free = len(operands) == 1 and operands[0].dtype is None and operands[0].values is None
        if free and sample.special is None and isinstance(sample.args[0], Operand):
            for tested in DTYPES:
                if admits(op, i, tested):
                    yield make_case(op.name, "exhaustive", tested.name, "all-inputs", repr(sample), sample=i)
            return


def run(case: Case, context: Context) -> Outcome:
    """Every bit pattern at once."""
    op = ops[case.op]
    context.refuse_declared(op)
    tested = dtype_named(case.dtype)
    declared = samples_of(op.name)[case.sample]
    args, kwargs = substitute(declared, lambda _: Operand((COUNT,)))
    sample = Sample(*args, **kwargs)
    array = np.arange(COUNT, dtype=np.uint16).view(tested.numpy)
    one = place(array, context.kind(tested), CONTIGUOUS)
    inferred = infer(op, sample, tested)
    given, named = substitute(sample, lambda _: one.tensor)
    expectation = Expectation(op, sample, tested, [array], inferred)
    call = Call(op, sample, tested, given, named, [one], inferred, expectation, edges=True)
    result, how, _ = context.run(call)
    outcome = context.compare(call, result, how)
    call.check_inputs()
    return outcome
