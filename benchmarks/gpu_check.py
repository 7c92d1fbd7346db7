# SPDX-License-Identifier: Apache-2.0
"""All checks that need an NVIDIA GPU, in calls of bounded length: conformance and speed, on CUDA and on OpenCL.

    python benchmarks/gpu_check.py --out results                     # what fits ten minutes; again for the rest
    python benchmarks/gpu_check.py --out results --parts cuda-full --minutes 30
    python benchmarks/gpu_check.py --out results --wheels wheels     # no network: wheels of all that is needed

Work is kept in `--state` (virtual environment, kernel cache, results of finished pieces), so that a call goes on where
the one before stopped. Each call ends with `report.md` and the pieces' JSON in `--out`, whatever was done by then.
The folder of wheels needs those of `candelabra[cuda,opencl]` and of hatchling.

Parts, in order: `install`, `facts`, `cuda-quick`, `kernels-cuda`, `opencl-quick`, `kernels-opencl`, `cuda-full`.
Standard library alone: it runs on any Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import ctypes.util
import datetime
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIECE = 24
"""Ops of a piece: a minute or so, which is what an interrupted call loses."""

LEAST_S = 20.0
"""With less time left nothing is begun."""


class Check:
    """One call: where things are, and how long it may take."""

    def __init__(self, out: Path, state: Path, wheels: Path | None, minutes: float, jobs: int) -> None:
        self.out, self.state, self.wheels, self.jobs = out, state, wheels, jobs
        self.end = time.monotonic() + 60 * minutes
        for folder in (out, state):
            folder.mkdir(parents=True, exist_ok=True)
        self.python = state / "venv/bin/python"
        self.env = {**os.environ, "CANDELABRA_CACHE": str(state / "kernels"), "PYTHONUNBUFFERED": "1", **self.opencl()}
        self.env.pop("PYTHONPATH", None)

    def opencl(self) -> dict[str, str]:
        """Environment in which NVIDIA's OpenCL runtime is found, and no other is used."""
        library = ctypes.util.find_library("nvidia-opencl") or next(
            (str(p) for folder in ("/usr/lib", "/usr/lib64", "/usr/local/nvidia/lib64") if Path(folder).is_dir()
             for p in Path(folder).rglob("libnvidia-opencl.so.1")), None,
        )  # fmt: skip
        if library is None:
            return {"CANDELABRA_OPENCL": "nvidia"}
        vendors = self.state / "vendors"
        vendors.mkdir(exist_ok=True)
        (vendors / "nvidia.icd").write_text(library + "\n")
        return {"CANDELABRA_OPENCL": "nvidia", "OCL_ICD_VENDORS": str(vendors)}

    @property
    def left_s(self) -> float:
        """Seconds of this call."""
        return self.end - time.monotonic()

    def run(self, *command: str | Path, log: str, most_s: float = 1e9) -> int | None:
        """A command's exit status, None where time ended it; its output goes to a log."""
        print("$", *command, flush=True)
        limit = min(most_s, self.left_s)
        if limit < LEAST_S:
            return None
        with open(self.state / f"{log}.log", "w", encoding="utf-8") as file:
            try:
                done = subprocess.run(
                    list(map(str, command)),
                    cwd=ROOT,
                    env=self.env,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                )
            except subprocess.TimeoutExpired:
                return None
            except FileNotFoundError as error:
                file.write(f"{error}\n")
                return 127
        return done.returncode

    # -- parts -------------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """A virtual environment with the project and what its GPU backends need."""
        if (self.state / "installed").exists():
            return
        self.run(sys.executable, "-m", "venv", self.state / "venv", log="venv")
        source = [] if self.wheels is None else ["--no-index", "--find-links", self.wheels]
        pip = [self.python, "-m", "pip", "install", *source]
        if self.wheels is not None:  # an isolated build would look for hatchling on the network
            self.run(*pip, "hatchling", "editables", log="build-tools")
            pip.append("--no-build-isolation")
        if self.run(*pip, "-e", f"{ROOT}[cuda,opencl]", log="install") == 0:
            (self.state / "installed").touch()
        else:
            print((self.state / "install.log").read_text()[-3000:])
            raise SystemExit("installation failed")

    def facts(self) -> None:
        """What machine this is."""
        code = (
            "import json, candelabra as cb, cupy, pyopencl\n"
            "p = cb.cuda.get_device_properties()\n"
            "found = {'device': p.name, 'memory': p.total_memory, 'capability': f'{p.major}.{p.minor}', 'driver': p.driver,"
            " 'cupy': cupy.__version__, 'pyopencl': pyopencl.VERSION_TEXT}\n"
            "try:\n    found['opencl'] = cb.opencl.get_device_name()\n"
            "except Exception as error:\n    found['opencl'] = f'none: {error}'\n"
            "print(json.dumps(found))"
        )
        self.run(self.python, "-c", code, log="facts", most_s=120)
        self.run(
            "nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader", log="smi", most_s=30
        )

    def conformance(self, device: str, tier: str) -> None:
        """The suite on a device, piece by piece."""
        for number, ops in enumerate(self.pieces()):
            kept = self.state / f"{device}-{tier}-{number:02}.json"
            if kept.exists():
                continue
            if self.left_s < LEAST_S:
                return
            fresh, name = kept.with_suffix(".part"), f"{device}-{tier}-{number:02}"
            self.run(
                self.python, "-m", "candelabra", "conformance", "run", "--backend", device, "--tier", tier,
                "--ops", ",".join(ops), "--jobs", str(self.jobs), "--memory", "0", "--plain", "--json", fresh, log=name,
            )  # fmt: skip
            if fresh.exists():
                fresh.rename(kept)

    def pieces(self) -> list[list[str]]:
        """All ops, a few at a time; `runtime` first."""
        known = self.state / "ops.json"
        if not known.exists():
            code = "import json, candelabra; from candelabra.op import ops; print(json.dumps(list(ops)))"
            done = subprocess.run(
                [str(self.python), "-c", code], env=self.env, capture_output=True, text=True, check=True
            )
            known.write_text(done.stdout)
        names = ["runtime", *json.loads(known.read_text())]
        return [names[i : i + PIECE] for i in range(0, len(names), PIECE)]

    def kernels(self, device: str) -> None:
        """Times of kernels against the device's copy bandwidth."""
        kept = self.state / f"kernels-{device}.md"
        if not kept.exists():
            fresh = kept.with_suffix(".part")
            self.run(
                self.python, "benchmarks/kernels.py", "--device", device, "--rounds", "2", "--budget", "0.2",
                "--save", fresh, log=f"kernels-{device}", most_s=400,
            )  # fmt: skip
            if fresh.exists():
                fresh.rename(kept)

    # -- report ------------------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Writes what is known so far."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        lines = [f"# GPU check, {today}", ""]
        for name in ("smi", "facts"):
            log = self.state / f"{name}.log"
            if log.exists():
                lines += ["```", log.read_text().strip(), "```", ""]
        for device, tier in (("cuda", "quick"), ("cuda", "full"), ("opencl", "quick")):
            lines += self.summary(device, tier)
        for device in ("cuda", "opencl"):
            table = self.state / f"kernels-{device}.md"
            if table.exists():
                lines += [f"## Kernels on {device}", "", table.read_text(), ""]
        (self.out / "report.md").write_text("\n".join(lines))
        for log in self.state.glob("*.log"):
            if log.stat().st_size < 2**20 and log.stem in ("install", "facts", "kernels-cuda", "kernels-opencl"):
                shutil.copy(log, self.out)
        print("\n".join(lines))

    def summary(self, device: str, tier: str) -> list[str]:
        """Counts and failures of one run of the suite, over its finished pieces."""
        counts: Counter[str] = Counter()
        bad: list[str] = []
        done = sorted(self.state.glob(f"{device}-{tier}-*.json"))
        for piece in done:
            found = json.loads(piece.read_text())
            counts.update(found.get("counts", {}))
            bad += [
                f"{c['id']}: {c['verdict']}: {c.get('message', '')}"
                for c in found["cases"]
                if c["verdict"] not in ("waived", "unsupported")
            ]
        if not done:
            return []
        said = ", ".join(f"{n:,} {what}" for what, n in sorted(counts.items()))
        head = [
            f"## Conformance on {device}, {tier} tier",
            "",
            f"{len(done)} of {len(self.pieces())} pieces: {said}",
            "",
        ]
        (self.out / f"conformance-{device}-{tier}.json").write_text(
            json.dumps({"counts": counts, "failures": bad}, indent=1)
        )
        return [*head, *(["```", *bad[:200], "```", ""] if bad else [])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--state", type=Path, default=Path("/tmp/candelabra-gpu"), help="folder that is kept between calls"
    )
    parser.add_argument("--wheels", type=Path, help="folder of wheels, where there is no network")
    parser.add_argument("--minutes", type=float, default=9.0, help="what this call may take")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="worker processes of the suite")
    parser.add_argument(
        "--parts", default="install,facts,cuda-quick,kernels-cuda,opencl-quick,kernels-opencl,cuda-full"
    )
    given = parser.parse_args()
    check = Check(given.out.resolve(), given.state, given.wheels and given.wheels.resolve(), given.minutes, given.jobs)
    parts: dict[str, Callable[[], None]] = {
        "install": check.install,
        "facts": check.facts,
        "cuda-quick": lambda: check.conformance("cuda", "quick"),
        "cuda-full": lambda: check.conformance("cuda", "full"),
        "opencl-quick": lambda: check.conformance("opencl", "quick"),
        "kernels-cuda": lambda: check.kernels("cuda"),
        "kernels-opencl": lambda: check.kernels("opencl"),
    }
    try:
        for name in given.parts.split(","):
            parts[name]()
    finally:
        check.report()


if __name__ == "__main__":
    main()
