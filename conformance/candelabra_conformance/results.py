# SPDX-License-Identifier: Apache-2.0
"""What a run gives back, and how it is written down.

Streamed file (`--results FILE.jsonl`): one JSON object a line, in the order the cases end. The first has `"type": "run"`
and the fields of `Report.header`; every other is a case:

    id        `op/dtype/shape/layout/form#hash`
    op, kind, dtype, form, variant, layouts    what the case is (see `case.Case`)
    verdict   passed, failed, waived, unsupported, crashed, timed out, out of memory, not run
    seconds   time it took
    oracle    what it was compared with: special, reference, body, consistency, differences, rule
    how       how the backend ran it: kernel, view, body, factory, or empty
    max_ulp   largest error in units in the last place, where one was measured
    message   why, for every verdict but passed

Report (`--json FILE`): one object.

    schema      1
    header      suite version, contract version, backend, device, tier, digest of the op declarations, start, seconds, host
    ok          whether the run earns a zero exit status
    problems    what was wrong with the run as a whole (no case executed, waivers that match nothing)
    counts      number of cases by verdict
    ops         by op: counts; max_ulp by dtype (of values, not of gradients), passed or not; of what passed the number of
                layouts, the oracles, the ways it ran
    consistency_only   ops that no independent oracle checks: only gradients, special values and float64 agreement do
    without_samples    declared ops that have no samples, and so no cases
    cases       rows as above for all that did not pass; all of them with `--all-cases`
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .case import RUNTIME, Result, Verdict

SCHEMA = 1


@dataclass
class Report:
    """Results of a run, in the order of the cases.

    Attributes:
        header: facts of the run.
        results: one for each case.
        problems: what was wrong with the run as a whole.
    """

    header: dict[str, Any]
    results: list[Result] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Number of cases by verdict, all verdicts named."""
        found = Counter(r.verdict for r in self.results)
        return {verdict: found.get(verdict, 0) for verdict in Verdict.ALL}

    @property
    def executed(self) -> int:
        """Cases that ran to a verdict of their own."""
        idle = (Verdict.UNSUPPORTED, Verdict.NOT_RUN)
        return sum(n for verdict, n in self.counts.items() if verdict not in idle)

    @property
    def bad(self) -> list[Result]:
        """Results that fail the run."""
        return [r for r in self.results if r.verdict in Verdict.BAD]

    @property
    def ok(self) -> bool:
        """Whether nothing failed, everything planned was run, and something was."""
        return not self.bad and not self.problems and self.counts[Verdict.NOT_RUN] == 0

    def by_op(self) -> dict[str, dict[str, Any]]:
        """Counts, layouts, errors and oracles of each op."""
        table: dict[str, dict[str, Any]] = {}
        for r in self.results:
            row = table.setdefault(
                r.case.op,
                {"counts": Counter(), "layouts": set(), "max_ulp": {}, "oracles": set(), "how": set(), "seconds": 0.0},
            )
            row["counts"][r.verdict] += 1
            row["seconds"] += r.seconds
            ulp = r.outcome.max_ulp
            if ulp is not None and r.case.kind != "derivatives" and ulp > row["max_ulp"].get(r.case.dtype, -1.0):
                row["max_ulp"][r.case.dtype] = ulp
            if r.verdict == Verdict.PASSED:
                row["layouts"].update(r.case.layouts)
                row["oracles"].add(r.outcome.oracle)
                row["how"].add(r.outcome.how)
        return {
            op: {
                "counts": dict(row["counts"]),
                "layouts": len(row["layouts"]),
                "max_ulp": dict(sorted(row["max_ulp"].items())),
                "oracles": sorted(row["oracles"]),
                "how": sorted(row["how"] - {""}),
                "seconds": round(row["seconds"], 4),
            }
            for op, row in sorted(table.items())
        }

    def consistency_only(self) -> list[str]:
        """Ops whose values no independent oracle checks."""
        weak = {r.case.op for r in self.results if r.outcome.oracle == "consistency"}
        strong = {
            r.case.op for r in self.results if r.outcome.oracle in ("reference", "body") and r.verdict == Verdict.PASSED
        }
        return sorted(weak - strong)

    def without_samples(self) -> list[str]:
        """Ops of the run without a case on their own samples."""
        sampled = {r.case.op for r in self.results if r.case.kind in ("grid", "streams")}
        return sorted(set(self.header.get("ops", ())) - sampled - {RUNTIME})

    def to_json(self, all_cases: bool = False) -> dict[str, Any]:
        """The report as the object described above."""
        shown = self.results if all_cases else [r for r in self.results if r.verdict != Verdict.PASSED]
        header = {k: v for k, v in self.header.items() if k != "ops"}
        return {
            "schema": SCHEMA,
            "header": header,
            "ok": self.ok,
            "problems": self.problems,
            "counts": self.counts,
            "ops": self.by_op(),
            "consistency_only": self.consistency_only(),
            "without_samples": self.without_samples(),
            "cases": [r.to_json() for r in shown],
        }

    def write(self, path: str | Path, all_cases: bool = False) -> None:
        """Writes the report as JSON."""
        Path(path).write_text(json.dumps(self.to_json(all_cases), indent=1) + "\n", encoding="utf-8")

    def summary(self) -> str:
        """A few lines for people."""
        header = self.header
        lines = [
            f"conformance {header['suite_version']}  backend {header['backend']}  device {header['device']}  tier {header['tier']}"
        ]
        shown = ", ".join(f"{n:,} {verdict}" for verdict, n in self.counts.items() if n)
        lines.append(f"{len(self.results):,} cases in {header.get('seconds', 0):.1f} s: {shown or 'none'}")
        if weak := self.consistency_only():
            lines.append(f"without an independent oracle ({len(weak)}): {', '.join(weak)}")
        if bare := self.without_samples():
            lines.append(f"without samples ({len(bare)}): {', '.join(bare)}")
        lines.extend(f"problem: {text}" for text in self.problems)
        lines.append("ok" if self.ok else "NOT ok")
        return "\n".join(lines)
