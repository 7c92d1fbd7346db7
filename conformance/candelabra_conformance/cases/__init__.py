# SPDX-License-Identifier: Apache-2.0
"""Cases by kind. Each module generates its cases from a declaration and runs one of them.

A kind is a module with `generate(op, context) -> iterable of Case` and `run(case, context) -> Outcome`; those that
concern a device instead of an op are given None for the op and make cases of `RUNTIME`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from types import ModuleType

from candelabra._errors import MissingKernelError, OutOfMemoryError
from candelabra.op import Op, ops

from ..case import RUNTIME, Case, Failure, Outcome, Result, Unsupported, Verdict
from ..context import Context
from . import capabilities, derivatives, errors, exhaustive, forms, grid, runtime, streams

KINDS: dict[str, ModuleType] = {
    "grid": grid,
    "forms": forms,
    "derivatives": derivatives,
    "errors": errors,
    "exhaustive": exhaustive,
    "capabilities": capabilities,
    "runtime": runtime,
    "streams": streams,
}


def generate(name: str, context: Context, dtypes: Iterable[str] = ()) -> list[Case]:
    """All cases of an op (or of `RUNTIME`) in the context's tier, in a fixed order.

    Args:
        dtypes: names of the only dtypes wanted; all when empty.
    """
    op: Op | None = None if name == RUNTIME else ops[name]
    wanted = set(dtypes)
    cases = [case for module in KINDS.values() for case in module.generate(op, context)]
    unique = {case.id: case for case in cases}
    return [case for case in unique.values() if not wanted or case.dtype in wanted]


def run(case: Case, context: Context) -> Result:
    """Runs one case; whatever it raises becomes a verdict."""
    outcome = Outcome()
    try:
        return Result(case, Verdict.PASSED, "", 0.0, KINDS[case.kind].run(case, context))
    except Unsupported as error:
        return Result(case, Verdict.UNSUPPORTED, str(error))
    except Failure as error:
        outcome.max_ulp = error.max_ulp
        if context.trace is not None:
            context.trace.extend(error.details.items())
        return Result(case, Verdict.FAILED, str(error), 0.0, outcome)
    except (MemoryError, OutOfMemoryError) as error:
        return Result(case, Verdict.OUT_OF_MEMORY, f"{type(error).__name__}: {error}")
    except MissingKernelError as error:
        meant = context.missing_kernel(error)
        verdict = Verdict.UNSUPPORTED if isinstance(meant, Unsupported) else Verdict.FAILED
        return Result(case, verdict, str(meant))
    except Exception as error:
        if context.trace is not None:
            context.trace.append(("traceback", traceback.format_exc()))
        return Result(case, Verdict.FAILED, f"{type(error).__name__}: {error} [{where(error)}]")


def where(error: BaseException) -> str:
    """The innermost two places of a traceback: `file:line, file:line`."""
    frames = traceback.extract_tb(error.__traceback__)[-2:]
    return ", ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
