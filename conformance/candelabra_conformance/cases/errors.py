# SPDX-License-Identifier: Apache-2.0
"""Refusals: every declared error with its class, code and message; dtypes an op does not take; calls nobody means.

After each, the operands are as they were and the device still copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype_named
from candelabra._errors import CandelabraError, DTypeError
from candelabra.op import Op, ops

from ..bridge import Placed, errors_of, fresh, host, infer, place, samples_of
from ..case import Case, Failure, Outcome, check, make_case
from ..context import Context
from ..layouts import CONTIGUOUS
from ..precision import bits
from ..values import dtype_of, operands_of, realize, substitute
from .grid import dtypes_of, shapes_of

MISUSES = ("missing", "unknown", "doubled", "not-a-tensor")


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of an op; none of the device."""
    if op is None:
        return
    for i, sample in enumerate(errors_of(op.name)):
        named = sample.dtype if isinstance(sample.dtype, str) else "float32"
        yield make_case(op.name, "errors", named, f"error-{i}", repr(sample), sample=i)
    samples = samples_of(op.name)
    for i, sample in enumerate(samples[:1]):
        if op.is_factory or not operands_of(sample):
            continue
        for tested in _dtype.ALL:
            if sample.dtypes is None and isinstance(infer(op, sample, tested).error, DTypeError):
                yield make_case(
                    op.name, "errors", tested.name, "dtype-refused", repr(sample), sample=i, shapes=shapes_of(sample)
                )  # fmt: skip
        first = next(iter(dtypes_of(op)), None)
        if first is None:
            continue
        for misuse in MISUSES:
            if (misuse == "missing" and not op.required) or (misuse == "doubled" and not sample.args):
                continue
            if misuse == "not-a-tensor" and not op.operands:
                continue
            yield make_case(op.name, "errors", first.name, misuse, repr(sample), sample=i, shapes=shapes_of(sample))


def run(case: Case, context: Context) -> Outcome:
    """One refused call."""
    op = ops[case.op]
    context.refuse_declared(op)
    declared = case.form.startswith("error-")
    sample: Any = (errors_of if declared else samples_of)(op.name)[case.sample]
    placed: list[Placed] = []

    def make(operand: Any) -> Any:
        kind = dtype_of(operand, dtype_named(case.dtype))
        array = realize(operand, dtype_named(case.dtype), op.name, case.sample, repr(sample), len(placed))
        placed.append(place(array, context.kind(kind), CONTIGUOUS))
        return placed[-1].tensor

    args, kwargs = substitute(sample, make)
    if declared:
        if not isinstance(sample.dtype, str):
            kwargs["dtype"] = sample.dtype  # the op's own argument, where it makes tensors
        check_error(lambda: op.call(*args, **kwargs), sample.error, sample.match)
    elif case.form == "dtype-refused":
        check_error(lambda: op.call(*args, **kwargs), DTypeError, "")
    else:
        check_error(lambda: misused(op, case.form, args, kwargs), TypeError, "")  # CallError, or Python's own
    for i, operand in enumerate(placed):
        operand.check_untouched(f"operand {i} of a refused call")
    check_usable(context)
    return Outcome(oracle="rule")


def misused(op: Op, how: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call, wrong in one way."""
    if how == "missing":
        return op.call()
    if how == "unknown":
        return op.call(*args, **kwargs, no_such_argument=1)
    if how == "doubled":
        return op.call(*args, **{op.params[0].name: args[0]}, **kwargs)
    at = op.index[op.operand_params[0].name]
    if at < len(args):
        return op.call(*args[:at], "text", *args[at + 1 :], **kwargs)
    return op.call(*args, **{**kwargs, op.operand_params[0].name: "text"})


def check_error(call: Callable[[], Any], error: type[Exception], match: str) -> None:
    """The call raises this class with its code, and a message holding `match`."""
    try:
        call()
    except Exception as found:
        if not isinstance(found, error):
            raise Failure(f"raised {type(found).__name__} instead of {error.__name__}: {found}") from found
        if issubclass(error, CandelabraError):
            check(
                getattr(found, "code", None) == error.code,
                f"code is {getattr(found, 'code', None)}, expected {error.code}",
            )
        check(match in str(found), f"message lacks {match!r}: {found}")
        check(bool(str(found).strip()), "the message is empty")
    else:
        raise Failure(f"nothing raised, expected {error.__name__}")


def check_usable(context: Context) -> None:
    """The device still takes and gives back data."""
    kind = context.kind(next(t for t in _dtype.ALL if t in context.capabilities.dtypes))
    array = np.array([0, 1, 1]).astype(kind.dtype.numpy)
    check(bits(host(fresh(array, kind))) == bits(array), "the device no longer copies after an error")


__all__ = ["check_error", "check_usable", "generate", "run"]
