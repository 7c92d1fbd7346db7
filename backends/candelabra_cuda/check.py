# SPDX-License-Identifier: Apache-2.0
"""`python -m candelabra_cuda.check`: builds every kernel of a list for several chips, with NVRTC and without a GPU.

    python -m candelabra_cuda.check                  # all ops, dtypes and layouts
    python -m candelabra_cuda.check --quick --arch sm_90

Needs CuPy and NVRTC (`pip install candelabra[cuda]`). Prints a line a chip, and each kernel that NVRTC refuses.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from candelabra._errors import CompileError
from candelabra.compiler.ir import Kernel

from . import program, sources
from .dialect import TARGET

ARCHS = ("sm_75", "sm_80", "sm_90", "sm_120")
TOGETHER = 32
"""Kernels of a program: what a program costs beside its kernels is then little."""


@dataclass
class Outcome:
    """What became of the kernels for one chip."""

    arch: str
    kernels: int = 0
    seconds: float = 0.0
    code_bytes: int = 0
    refused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        bad = f", {len(self.refused)} refused" if self.refused else ""
        return f"{self.arch}: {self.kernels} kernels in {self.seconds:.1f} s, {self.code_bytes / 2**20:.1f} MiB of code{bad}"


def collected(list_of: Callable[[sources.Recorder], None]) -> tuple[list[Kernel], list[str]]:
    """The kernels of a list, as small calls and large ones get them, and what failed while one was made."""
    found: dict[str, Kernel] = {}
    problems: list[str] = []
    for target in (TARGET, sources.EVERY_LAYOUT):
        with sources.recording(target) as backend:
            list_of(backend)
            found.update(backend.found)
            problems += backend.problems
    return list(found.values()), problems


def compiled(kernels: Sequence[Kernel], arch: str) -> Outcome:
    """Builds kernels for a chip, together where that works."""
    outcome, start = Outcome(arch, len(kernels)), time.perf_counter()
    for first in range(0, len(kernels), TOGETHER):
        for size, message in _built(kernels[first : first + TOGETHER], arch):
            outcome.code_bytes += size
            if message:
                outcome.refused.append(message)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _built(kernels: Sequence[Kernel], arch: str) -> Iterator[tuple[int, str]]:
    """(bytes of code, message) of a program, or of its kernels one by one where it is refused."""
    try:
        yield len(program.compile_source(program.RENDERER.program(kernels).text, arch)), ""
    except CompileError as error:
        if len(kernels) == 1:
            yield 0, str(error)
            return
        for kernel in kernels:
            yield from _built([kernel], arch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the check; 1 if any kernel was refused."""
    parser = argparse.ArgumentParser(prog="python -m candelabra_cuda.check", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the short list")
    parser.add_argument("--arch", action="append", help=f"chips to build for; {', '.join(ARCHS)} unless given")
    parser.add_argument("--limit", type=int, default=0, help="at most so many kernels, spread over the list")
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    kernels, problems = collected(sources.quick if given.quick else sources.full)
    print(f"NVRTC {program.version()}: {len(kernels)} kernels made in {time.perf_counter() - start:.1f} s", flush=True)
    if given.limit and len(kernels) > given.limit:
        kernels = kernels[:: -(-len(kernels) // given.limit)]
    print(*dict.fromkeys(problems), sep="\n", end="\n" if problems else "")
    refused = len(problems)
    for arch in given.arch or ARCHS:
        outcome = compiled(kernels, arch)
        print(outcome, flush=True)
        for message in outcome.refused:
            print(message)
        refused += len(outcome.refused)
    return 1 if refused else 0


if __name__ == "__main__":
    raise SystemExit(main())
