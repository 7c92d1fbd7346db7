# SPDX-License-Identifier: Apache-2.0
"""`candelabra conformance`: run, list, repro, selftest."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="candelabra conformance",
        description="Runs the conformance suite: cases generated from the op declarations.",
    )
    commands = top.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="run cases on a backend and report")
    _backend(run)
    _selection(run)
    run.add_argument(
        "--jobs", type=int, help="worker processes (default: one a core, at most 4); 0 runs in this process"
    )
    run.add_argument("--limit", type=float, default=30.0, metavar="S", help="seconds a case may take (default: 30)")
    run.add_argument(
        "--memory", type=int, default=4096, metavar="MB", help="memory a worker may add (default: 4096; 0: any)"
    )
    run.add_argument("--failfast", action="store_true", help="end at the first failure")
    run.add_argument("--waivers", help="waiver file (default: the one the backend names)")
    run.add_argument("--results", metavar="JSONL", help="stream results to a file, one JSON object a line")
    run.add_argument("--json", metavar="FILE", help="write the report as JSON")
    run.add_argument("--all-cases", action="store_true", help="list passed cases too in the JSON report")
    run.add_argument("--by-op", action="store_true", help="print counts, layouts and largest errors of each op")
    run.add_argument("--plain", action="store_true", help="plain lines even on a terminal")

    listing = commands.add_parser("list", help="print the ids of the cases")
    _backend(listing)
    _selection(listing)
    listing.add_argument("--count", action="store_true", help="print numbers of cases only")

    repro = commands.add_parser("repro", help="run one case and print everything")
    repro.add_argument("id", help="a case id, op/dtype/shape/layout/form#hash")
    _backend(repro)
    repro.add_argument("--write", metavar="FILE", help="write a script that makes the call without the suite")

    proof = commands.add_parser("selftest", help="show that planted defects are caught")
    proof.add_argument("--only", help="names of defects, with commas")
    proof.add_argument("--jobs", type=int, default=2)
    return top


def _backend(to: argparse.ArgumentParser) -> None:
    to.add_argument("--backend", default="cpu", help="backend or device under test (default: cpu)")
    to.add_argument(
        "--loads", default="", metavar="MODULE:CLASS", help="backend class to register under that name first"
    )
    to.add_argument(
        "--import", dest="imports", default="", metavar="MODULES", help="modules to import first, with commas"
    )


def _selection(to: argparse.ArgumentParser) -> None:
    to.add_argument("--tier", choices=("quick", "full"), default="quick")
    to.add_argument(
        "--ops", help="names or patterns of ops, with commas; `runtime` is the device itself (default: all)"
    )
    to.add_argument("--dtype", default="", help="names of the only dtypes, with commas (default: all)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 all is well, 1 something failed, 2 it could not be run."""
    from .pool import PoolError
    from .waivers import WaiverError

    options = parser().parse_args(argv)
    try:
        return {"run": _run, "list": _list, "repro": _repro, "selftest": _selftest}[options.command](options)
    except (PoolError, WaiverError, ValueError) as error:
        print(f"candelabra conformance: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _setup(options: argparse.Namespace) -> Any:
    from .worker import Setup

    return Setup(
        options.backend,
        options.loads,
        getattr(options, "tier", "quick"),
        _names(getattr(options, "dtype", "")),
        0,
        _names(options.imports),
    )


def _run(options: argparse.Namespace) -> int:
    from .console import make_progress
    from .runner import run

    report = run(
        options.backend,
        tier=options.tier,
        ops=_names(options.ops) or None,
        dtypes=_names(options.dtype),
        jobs=options.jobs,
        limit_s=options.limit,
        memory_mb=options.memory,
        failfast=options.failfast,
        loads=options.loads,
        imports=_names(options.imports),
        waivers=options.waivers,
        results=options.results,
        progress=make_progress(options.plain),
    )
    if options.json:
        report.write(options.json, options.all_cases)
    if options.by_op:
        _print_by_op(report)
    print(report.summary())
    return EXIT_OK if report.ok else EXIT_FAILED


def _print_by_op(report: Any) -> None:
    print(f"{'op':28} {'cases':>7} {'bad':>5} {'layouts':>7}  largest error (ULP)")
    for op, row in report.by_op().items():
        counts = row["counts"]
        bad = sum(counts.get(v, 0) for v in ("failed", "crashed", "timed out", "out of memory"))
        errors = "  ".join(f"{dtype} {ulp:.2f}" for dtype, ulp in row["max_ulp"].items())
        print(f"{op:28} {sum(counts.values()):7} {bad:5} {row['layouts']:7}  {errors}")


def _list(options: argparse.Namespace) -> int:
    from . import cases
    from .runner import select
    from .worker import prepare

    setup = _setup(options)
    context = prepare(setup)
    total = 0
    for name in select(_names(options.ops) or None, setup.imports):
        found = cases.generate(name, context, setup.dtypes)
        total += len(found)
        if options.count:
            print(f"{len(found):7} {name}")
        else:
            print("\n".join(case.id for case in found))
    if options.count:
        print(f"{total:7} cases")
    return EXIT_OK


def _repro(options: argparse.Namespace) -> int:
    from .case import Verdict
    from .reproduce import describe, reproduce, standalone

    setup = _setup(options)
    result, trace = reproduce(options.id, setup)
    print(describe(options.id, result, trace))
    if options.write:
        Path(options.write).write_text(standalone(options.id, result, trace, setup), encoding="utf-8")
        print(f"written: {options.write}")
    return EXIT_FAILED if result.verdict in Verdict.BAD else EXIT_OK


def _selftest(options: argparse.Namespace) -> int:
    from .selftest import selftest

    outcomes = selftest(_names(options.only) or None, jobs=options.jobs, tell=print)
    missed = [o.name for o in outcomes if not o.caught]
    print(
        f"{len(outcomes) - len(missed)} of {len(outcomes)} planted defects caught"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return EXIT_OK if not missed else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
