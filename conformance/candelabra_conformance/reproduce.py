# SPDX-License-Identifier: Apache-2.0
"""One case by its id: everything that went in and came out, and a small file that fails without the suite."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import cases
from .case import Case, Result
from .context import Context
from .worker import Setup, prepare, run_timed


def find(case_id: str, setup: Setup) -> tuple[Case, Context]:
    """The case of an id, and a context to run it in.

    Raises:
        ValueError: no such case; the message names the nearest.
    """
    setup.memory_mb = 0
    name = case_id.partition("/")[0]
    nearest: list[str] = []
    for tier in dict.fromkeys((setup.tier, "full")):
        setup.tier = tier
        context: Context = prepare(setup)
        try:
            known = cases.generate(name, context)
        except KeyError:
            raise ValueError(f"repro: no declared op is called so, got {name!r}") from None
        for case in known:
            if case.id == case_id:
                return case, context
        import difflib

        nearest = difflib.get_close_matches(case_id, [c.id for c in known], n=3, cutoff=0.3)
    raise ValueError(f"repro: no case has this id, got {case_id!r}; near it are {', '.join(nearest) or 'none'}")


def reproduce(case_id: str, setup: Setup) -> tuple[Result, list[tuple[str, Any]]]:
    """Runs one case in this process: its result, and (name, value) of all it noted."""
    case, context = find(case_id, setup)
    context.trace = []
    result = run_timed(case, context)
    return result, context.trace


def describe(case_id: str, result: Result, trace: list[tuple[str, Any]]) -> str:
    """The run of one case in words and numbers."""
    from .bridge import samples_of
    from .console import show

    case = result.case
    lines = [case_id, f"verdict: {result.verdict}", f"message: {result.message}" if result.message else ""]
    if case.sample >= 0 and case.kind != "errors":
        lines.append(f"sample: {samples_of(case.op)[case.sample]!r}")
    outcome = result.outcome
    lines.append(f"compared with: {outcome.oracle}, ran as: {outcome.how or '-'}, largest error: {outcome.max_ulp}")
    lines += [f"{name}: {show(value)}" for name, value in trace]
    return "\n".join(line for line in lines if line)


def standalone(case_id: str, result: Result, trace: list[tuple[str, Any]], setup: Setup) -> str:
    """A script that makes the same call without the suite, with the values written out, and asserts what is expected.

    For cases that call an op and compare its results; raises ValueError for others.
    """
    from candelabra.op import ops

    from .bridge import samples_of
    from .values import substitute

    case = result.case
    noted = dict(trace)
    if case.kind not in ("grid", "forms") or "expected 0" not in noted:
        raise ValueError(f"repro: only cases that compare results can be written out, got {case_id!r}")
    names = iter(f"operand_{i}" for i in range(1000))
    args, kwargs = substitute(samples_of(case.op)[case.sample], lambda _: _Name(next(names)))
    operands = [noted[f"operand {i}"] for i in range(len(case.shapes))]
    arguments = ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())]).replace(
        "candelabra.", "cb."
    )
    home = ops[case.op].module
    lines = [
        f'"""{case_id}: {result.verdict}. {result.message}"""',
        "import ml_dtypes  # noqa: F401 - names its types to NumPy",
        "import numpy as np",
        "from numpy import inf, nan",
        "",
        "import candelabra as cb",
        "from candelabra.op import ops",
        "",
    ]
    for i, array in enumerate(operands):
        lines.append(
            f"operand_{i} = cb.tensor({_literal(array)}, device={setup.device!r})  # {(case.layouts or ('contiguous',) * 9)[i]}"
        )
    lines += [
        f"result = ops[{case.op!r}].call({arguments})  # declared in {home}",
        "results = result if isinstance(result, (tuple, list)) else [result]",
    ]
    for i in range(sum(name.startswith("expected ") for name in noted)):
        want = np.asarray(noted[f"expected {i}"])
        if want.dtype.kind in "fc" and want.dtype.itemsize > 8 and want.dtype.kind == "f":
            want = want.astype(np.float64)
        lines.append(f"expected = {_literal(want)}")
        lines.append(f"print('got', results[{i}].numpy(force=True), 'expected', expected)")
        lines.append(
            f"assert np.allclose(results[{i}].numpy(force=True).astype(expected.dtype), expected, rtol=1e-6, atol=0, equal_nan=True)"
        )
    return "\n".join(lines) + "\n"


class _Name:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _literal(array: Any) -> str:
    """An expression for a host array, exact."""
    array = np.asarray(array)
    if array.dtype.kind == "V" or (array.dtype.kind == "f" and array.dtype.itemsize == 1):
        return f"np.array({array.astype(np.float32).tolist()}, np.float32).astype(ml_dtypes.{array.dtype.name}).reshape({array.shape})"
    return f"np.array({array.tolist()}, np.{array.dtype.name}).reshape({array.shape})"


__all__ = ["describe", "find", "reproduce", "standalone"]
