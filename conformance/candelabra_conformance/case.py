# SPDX-License-Identifier: Apache-2.0
"""A case, its deterministic id, and what became of it."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]

RUNTIME = "runtime"
"""Stands where an op's name stands, for cases of a device rather than of an op."""


class Verdict:
    """The verdicts; each is counted apart, and only `PASSED` earns anything.

    Attributes:
        PASSED: every check held, with proof that the backend ran it.
        FAILED: a check did not hold.
        WAIVED: it failed, and the vendor's waiver file says why and until when.
        UNSUPPORTED: the backend's capabilities declare that it cannot.
        CRASHED: the worker process died of it.
        TIMED_OUT: it ran past the time limit.
        OUT_OF_MEMORY: it needed more memory than the limit.
        NOT_RUN: the run ended before it.
    """

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    UNSUPPORTED = "unsupported"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    NOT_RUN = "not run"

    ALL = (PASSED, FAILED, WAIVED, UNSUPPORTED, CRASHED, TIMED_OUT, OUT_OF_MEMORY, NOT_RUN)
    BAD = (FAILED, CRASHED, TIMED_OUT, OUT_OF_MEMORY)


@dataclass(frozen=True)
class Case:
    """One thing to be tried; small enough to send to a worker.

    Attributes:
        op: name of the op, or `RUNTIME`.
        kind: module of `cases` that runs it.
        dtype: name of the dtype under test.
        form: how it is called or what is looked at: `functional`, `out=empty`, `grad2`, `error-3`.
        sample: index of the declared sample; -1 where there is none.
        layouts: layout of each tensor operand.
        shapes: shape of each tensor operand, for the id.
        variant: which values: `plain`, `extremes`, `wide`, `nan`.
        digest: eight hexadecimal digits of all of the above and of the sample's text.
    """

    op: str
    kind: str
    dtype: str
    form: str
    sample: int = -1
    layouts: tuple[str, ...] = ()
    shapes: tuple[Shape, ...] = ()
    variant: str = "plain"
    digest: str = ""

    @property
    def id(self) -> str:
        """`op/dtype/shape/layout/form#hash`."""
        form = self.form if self.variant == "plain" else f"{self.form}:{self.variant}"
        return f"{self.op}/{self.dtype}/{_shapes(self.shapes)}/{_layouts(self.layouts)}/{form}#{self.digest}"


def _shapes(shapes: tuple[Shape, ...]) -> str:
    return ",".join("x".join(map(str, shape)) or "()" for shape in shapes) or "-"


def _layouts(layouts: tuple[str, ...]) -> str:
    return "+".join(layouts if len(set(layouts)) > 1 else layouts[:1]) or "-"


_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@functools.lru_cache(maxsize=4096)
def without_addresses(text: str) -> str:
    return _ADDRESS.sub("", text)


def make_case(op: str, kind: str, dtype: str, form: str, text: str = "", **rest: Any) -> Case:
    """A case with its digest; `text` is the sample's, so that an id dies with the sample it was made of."""
    case = Case(op, kind, dtype, form, **rest)
    key = f"{case.id}|{kind}|{case.sample}|{without_addresses(text)}"
    return Case(op, kind, dtype, form, digest=hashlib.sha256(key.encode()).hexdigest()[:8], **rest)


@dataclass
class Outcome:
    """What a case that held tells.

    Attributes:
        max_ulp: largest error in units in the last place, None where nothing was measured.
        oracle: what it was compared with: `special`, `reference`, `body`, `consistency`, `differences`, `rule`.
        how: how the backend ran the op: `kernel`, `view`, `body`, or "" where no op ran.
    """

    max_ulp: float | None = None
    oracle: str = "rule"
    how: str = ""


@dataclass
class Result:
    """A case and its verdict, as reported and as written to disk."""

    case: Case
    verdict: str
    message: str = ""
    seconds: float = 0.0
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def id(self) -> str:
        """The case's id."""
        return self.case.id

    def to_json(self) -> dict[str, Any]:
        """One row of the report; see `results` for the fields."""
        case, outcome = self.case, self.outcome
        row: dict[str, Any] = {
            "id": case.id,
            "op": case.op,
            "kind": case.kind,
            "dtype": case.dtype,
            "form": case.form,
            "variant": case.variant,
            "layouts": list(case.layouts),
            "verdict": self.verdict,
            "seconds": round(self.seconds, 6),
            "oracle": outcome.oracle,
            "how": outcome.how,
        }
        if outcome.max_ulp is not None:
            row["max_ulp"] = outcome.max_ulp
        if self.message:
            row["message"] = self.message
        return row


class Failure(Exception):
    """A check that did not hold. `details` are shown by `repro`."""

    def __init__(self, message: str, max_ulp: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.max_ulp = max_ulp
        self.details = details


class Unsupported(Exception):
    """The backend's capabilities declare that it cannot."""


def check(condition: bool, message: str, **details: Any) -> None:
    """Raises Failure with `message` unless `condition` holds."""
    if not condition:
        raise Failure(message, **details)
