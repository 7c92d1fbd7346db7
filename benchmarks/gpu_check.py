# SPDX-License-Identifier: Apache-2.0
"""All checks that need an NVIDIA GPU, in one call of bounded length: first looks, conformance, demo, speed, OpenCL.

With an interpreter that has what `candelabra[cuda,opencl,demo]` needs:

    python benchmarks/gpu_check.py --out results --minutes 9

On a machine that reaches no network, and has CuPy and CUDA's libraries but not the rest:

    1. where there is a network, in the repository's root (`.whl` stays out of version control; about 50 MiB):
         python benchmarks/gpu_check.py --pack .whl --python 3.12       # the version of the other machine's interpreter
    2. bring repository and folder across, and run there, in the root, with the interpreter that has CuPy:
         python3 benchmarks/gpu_check.py --packages .whl --out results --minutes 9

Nothing is installed: the working tree runs as it is, and brought packages serve where the interpreter has none or an older
one. Each step has a limit of its own (`STEPS`); what is left goes to the full tier, but for `OPENCL_S` seconds at the end. The
folder `--out` has at most eight files, written as things happen: a call that is killed leaves what it knew.

    report.md                       the outcome of every step; counts, failures, times
    log.txt                         what the steps printed
    sanity.txt                      `gpu_sanity.py`
    conformance-DEVICE-TIER.json    counts, failures, ops that were done: three files
    kernels-DEVICE.md               `kernels.py`: two files

`--dry-run` runs all of it on the stand-in for CuPy of the tests, with few ops, where there is no GPU.
Standard library alone: it runs on any Python from 3.11 on.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import datetime
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("core", "backends", "conformance")

STEPS = {"facts": 60, "sanity": 110, "cuda-quick": 170, "demo": 60, "speed": 60, "kernels-cuda": 60}
"""Seconds that each step may take; `cuda-full` takes what is left before OpenCL's turn."""

OPENCL_S = 75.0
"""Seconds kept for OpenCL."""

LEAST_S = 8.0
"""With less time left nothing is begun."""

PACKAGES = (
    "llvmlite", "scipy-openblas64", "ml_dtypes", "pluggy", "rich", "pygments", "markdown-it-py", "mdurl",
    "nvidia-cudnn-frontend", "pyopencl", "pytools", "platformdirs", "typing_extensions", "siphash24",
)  # fmt: skip
"""What is brought along. Too large to bring, and thus owed by the machine: NumPy, CuPy, CUDA's libraries, scikit-learn."""

PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)
ARCHIVE = "packages.tar.xz"

DRY_OPS = "add,sum"


# -- packages ------------------------------------------------------------------------------------------------------------


def pack(folder: Path, version: str) -> None:
    """Downloads the packages for a version of Python and packs them, each in a folder of its own, into one archive."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        platforms = [word for p in PLATFORMS for word in ("--platform", p)]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", version,
             "--implementation", "cp", *platforms, "--dest", f"{made}/wheels", *PACKAGES],
            check=True,
        )  # fmt: skip
        for wheel in sorted(Path(made, "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as file:
                file.extractall(Path(made, "unpacked", "-".join(wheel.name.split("-")[:2])))
        with tarfile.open(folder / ARCHIVE, "w:xz") as archive:
            archive.add(Path(made, "unpacked"), ".")
    print(f"{folder / ARCHIVE}: {(folder / ARCHIVE).stat().st_size / 2**20:.1f} MiB")


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers that compare."""
    return tuple(map(int, re.findall(r"\d+", version)))


def needed(unpacked: Path) -> list[Path]:
    """Brought packages that the interpreter lacks, or has an older version of."""
    found = []
    for folder in sorted(unpacked.iterdir()):
        name, version = folder.name.rsplit("-", 1)
        try:
            has = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            has = ""
        if numbers(has) < numbers(version):
            found.append(folder)
    return found


# -- results of the suite ------------------------------------------------------------------------------------------------


class Results:
    """What a run of the suite has streamed so far.

    Attributes:
        counts: cases by verdict.
        bad: "id: verdict: message" of what did not pass.
        ops: cases by op, in the order ops began.
    """

    BAD = ("failed", "crashed", "timed out", "out of memory")

    def __init__(self, file: Path) -> None:
        self.file = file
        self.counts: Counter[str] = Counter()
        self.bad: list[str] = []
        self.ops: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self._read = 0

    def update(self) -> None:
        """Takes in what came since."""
        if not self.file.exists():
            return
        with open(self.file, "rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._take(json.loads(line))

    def _take(self, case: dict[str, Any]) -> None:
        if case.get("type") == "run":
            return
        self.counts[case["verdict"]] += 1
        self.ops[case["op"]] += 1
        self.slow[case["op"]] += case.get("seconds") or 0
        if case["verdict"] in self.BAD:
            self.bad.append(f"{case['id']}: {case['verdict']}: {case.get('message', '')}"[:1200])

    def save(self, path: Path, state: str) -> None:
        """Writes them down, whole or not at all."""
        found = {
            "state": state, "counts": dict(self.counts), "failures": self.bad[:3000], "ops": dict(self.ops),
            "slowest_ops_s": {k: round(v, 1) for k, v in self.slow.most_common(20)},
        }  # fmt: skip
        write(path, json.dumps(found, indent=1))

    def in_words(self) -> str:
        said = ", ".join(f"{n:,} {what}" for what, n in sorted(self.counts.items())) or "no case"
        return f"{len(self.ops)} ops: {said}"


def write(path: Path, text: str) -> None:
    """Replaces a file in one move."""
    fresh = path.with_name(f"{path.name}.part")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


# -- the call ------------------------------------------------------------------------------------------------------------


class Check:
    """One call: where things are, and how long it may take."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.out: Path = given.out.resolve()
        self.state: Path = given.state
        self.packages: Path | None = given.packages
        self.jobs: int = given.jobs
        self.dry: bool = given.dry_run
        self.begun = time.monotonic()
        self.end = self.begun + 60 * given.minutes
        for folder in (self.out, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        self.said: dict[str, str] = {}
        self.results: dict[str, Results] = {}
        self.env = dict(os.environ)

    @property
    def left_s(self) -> float:
        """Seconds of this call."""
        return self.end - time.monotonic()

    def run(
        self,
        *command: str | Path,
        most_s: float,
        log: str = "log.txt",
        watch: Callable[[], None] = lambda: None,
        **env: str,
    ) -> int | None:
        """A command's exit status, None where time ended it; its output goes to a file of `out` as it comes.

        Args:
            watch: called every few seconds.
        """
        limit = min(most_s, self.left_s)
        if limit < LEAST_S:
            return None
        with open(self.out / log, "ab") as file:
            file.write(f"\n$ {' '.join(map(str, command))}\n".encode())
            file.flush()
            process = subprocess.Popen(
                list(map(str, command)), cwd=ROOT, env={**self.env, **env}, stdout=file, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, process_group=0,
            )  # fmt: skip
            end = time.monotonic() + limit
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        return process.wait(timeout=max(0.1, min(5.0, end - time.monotonic())))
                    watch()
                    if time.monotonic() >= end:
                        file.write(f"\nended after {limit:.0f} s\n".encode())
                        return None
            finally:
                stop(process)
                watch()

    def say(self, step: str, what: str) -> None:
        """Adds to the report."""
        print(f"[{time.monotonic() - self.begun:5.0f} s] {step}: {what}", flush=True)
        self.said[step] = f"{self.said[step]}; {what}" if step in self.said else what
        self.report()

    # -- steps -------------------------------------------------------------------------------------------------------

    def setup(self) -> None:
        """The environment of all steps: the working tree, found with its plugins, and brought packages."""
        paths = [self.entry_points(), *(ROOT / name for name in SOURCES)]
        if self.dry:
            paths.insert(0, ROOT / "tests/cuda/stand_in")
        if self.packages is not None:
            unpacked = self.state / "packages"
            if not unpacked.exists():
                fresh = self.state / "packages.part"
                shutil.unpack_archive(self.packages.resolve() / ARCHIVE, fresh)
                fresh.rename(unpacked)
            brought = needed(unpacked)
            paths += brought
            self.say("setup", f"brought {', '.join(p.name for p in brought) or 'nothing that is missing'}")
        known = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        self.env |= {
            "PYTHONPATH": os.pathsep.join([*map(str, paths), *known]),
            "PYTHONUNBUFFERED": "1",
            "CANDELABRA_CACHE": str(self.state / "kernels"),
            "CUPY_CACHE_DIR": str(self.state / "cupy"),
            **({"CANDELABRA_GPU_DRY": "1"} if self.dry else self.opencl_of_nvidia()),
        }
        self.say("setup", f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {self.jobs} workers")

    def entry_points(self) -> Path:
        """A folder with what an installation would tell of the project: its plugins."""
        with open(ROOT / "pyproject.toml", "rb") as file:
            project = tomllib.load(file)["project"]
        folder = self.state / "site"
        info = folder / f"{project['name']}-{project['version']}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        write(info / "METADATA", f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
        groups = [
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
            for group, entries in project["entry-points"].items()
        ]
        write(info / "entry_points.txt", "\n".join(groups))
        return folder

    def opencl_of_nvidia(self) -> dict[str, str]:
        """Environment in which NVIDIA's OpenCL runtime is found, and no other is used."""
        library = ctypes.util.find_library("nvidia-opencl") or next(
            (str(p) for folder in ("/usr/lib", "/usr/lib64", "/usr/local/nvidia") if Path(folder).is_dir()
             for p in Path(folder).rglob("libnvidia-opencl.so.1")), None,
        )  # fmt: skip
        if library is None:
            return {"CANDELABRA_OPENCL": "nvidia"}
        vendors = self.state / "vendors"
        vendors.mkdir(exist_ok=True)
        write(vendors / "nvidia.icd", library + "\n")
        return {"CANDELABRA_OPENCL": "nvidia", "OCL_ICD_VENDORS": str(vendors)}

    def facts(self) -> None:
        """What machine this is, and what Python finds there."""
        if not self.dry:
            self.run("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader", most_s=20)
        code = (
            "import importlib.metadata as m, json\n"
            "names = ('numpy', 'cupy-cuda13x', 'cupy-cuda12x', 'llvmlite', 'ml_dtypes', 'scipy-openblas64', 'pyopencl', 'torch',"
            " 'nvidia-cudnn-frontend', 'scikit-learn', 'matplotlib')\n"
            "def version(n):\n    try:\n        return m.version(n)\n    except m.PackageNotFoundError:\n        return None\n"
            "print(json.dumps({n: v for n in names if (v := version(n))}))\n"
            "import cupy; from cupy_backends.cuda.libs import nvrtc; print('NVRTC', nvrtc.getVersion(), nvrtc.getSupportedArchs())\n"
            "import candelabra as cb; p = cb.cuda.get_device_properties(); print(p.name, p.major, p.minor, p.driver)\n"
            "from candelabra_cuda.convolution import library; print('cuDNN', getattr(library(), '__version__', None))"
        )
        status = self.run(sys.executable, "-c", code, most_s=STEPS["facts"], log="facts.txt")
        facts = self.out / "facts.txt"
        said = facts.read_text(errors="replace")[-2000:] if facts.exists() else ""
        with contextlib.suppress(OSError):
            facts.unlink()  # its text stands in the report; files are counted
        self.say("facts", ended(status) + "\n" + said.split(code)[-1].strip())

    def sanity(self) -> None:
        """`gpu_sanity.py`; a check that ends the process costs itself alone."""
        end = time.monotonic() + STEPS["sanity"]
        file, first, status = self.out / "sanity.txt", "", 0
        while (left := end - time.monotonic()) > LEAST_S:
            command = [sys.executable, "benchmarks/gpu_sanity.py", *(["--from", first] if first else [])]
            status = self.run(*command, most_s=left, log=file.name)
            lines = file.read_text(errors="replace").splitlines() if file.exists() else []
            begun = [line.split()[1] for line in lines if line.startswith("begin ")]
            if lines[-1:] == ["end"] or not begun:
                break
            known = re.findall(r"(?m)^@check\ndef (\w+)", (ROOT / "benchmarks/gpu_sanity.py").read_text())
            following = known[known.index(begun[-1]) + 1 :]
            with open(file, "a", encoding="utf-8") as log:
                log.write(f"\nFAIL  {begun[-1]}\nthe process ended ({ended(status)})\n")
            if not following:
                break
            first = following[0]
        text = file.read_text(errors="replace") if file.exists() else ""
        good, bad = re.findall(r"(?m)^ok +(\w+)", text), re.findall(r"(?m)^FAIL +(\w+)", text)
        self.say("sanity", f"{len(good)} ok, {len(bad)} failed: {', '.join(bad) or 'none'}")

    def conformance(self, device: str, tier: str, most_s: float, ops: str = "") -> None:
        """The suite on a device, as far as time goes."""
        name = f"conformance-{device}-{tier}"
        stream = self.state / f"{name}.jsonl"
        stream.unlink(missing_ok=True)
        results = self.results[name] = Results(stream)

        def watch() -> None:
            results.update()
            results.save(self.out / f"{name}.json", "under way")
            self.report()

        status = self.run(
            sys.executable, "-m", "candelabra", "conformance", "run", "--backend", device, "--tier", tier, "--jobs",
            str(self.jobs), "--memory", "0", "--limit", "60", "--plain", "--results", stream,
            *(["--ops", ops or DRY_OPS] if ops or self.dry else []), most_s=most_s, watch=watch,
        )  # fmt: skip
        results.save(self.out / f"{name}.json", ended(status))
        self.say(f"{device}-{tier}", f"{ended(status)}, {results.in_words()}")

    def demo(self) -> None:
        """The demo's accuracy on the GPU."""
        log = self.out / "log.txt"
        size = log.stat().st_size if log.exists() else 0
        status = self.run(
            sys.executable, "-m", "candelabra", "demo", "--device", "cuda", "--out", self.state / "demo",
            *(["--epochs", "1"] if self.dry else []), most_s=STEPS["demo"],
        )  # fmt: skip
        said = log.read_bytes()[size:].decode(errors="replace") if log.exists() else ""
        self.say("demo", f"{ended(status)}\n{said[-1500:].strip()}")

    def speed(self) -> None:
        """Large calls, ours and PyTorch's on the same device."""
        log = self.out / "log.txt"
        for name in ("candelabra", *(["torch"] if not self.dry else [])):
            size = log.stat().st_size if log.exists() else 0
            status = self.run(sys.executable, "benchmarks/gpu_sanity.py", "--speed", name, most_s=STEPS["speed"] / 2)
            said = log.read_bytes()[size:].decode(errors="replace") if log.exists() else ""
            lines = [line for line in said.splitlines() if line.startswith(f"{name}: ")]
            self.say("speed", "\n".join([ended(status), *lines]))

    def kernels(self, device: str, most_s: float, only: str = "") -> None:
        """Times of kernels against the device's copy bandwidth."""
        status = self.run(
            sys.executable, "benchmarks/kernels.py", "--device", device, "--rounds", "1", "--budget", "0.05", "--peer",
            "/bin/false", "--save", self.out / f"kernels-{device}.md", *(["--only", only] if only else []), most_s=most_s,
        )  # fmt: skip
        self.say(f"kernels-{device}", ended(status))

    # -- report ------------------------------------------------------------------------------------------------------

    def report(self) -> None:
        """Writes what is known so far."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        lines = [f"# GPU check, {today}", "", f"{time.monotonic() - self.begun:.0f} s so far.", ""]
        for step, said in self.said.items():
            lines += [f"## {step}", "", "```", said, "```", ""]
        for name, results in self.results.items():
            if results.bad:
                lines += [f"## {name}: {results.in_words()}", "", "```", *results.bad[:150], "```", ""]
        write(self.out / "report.md", "\n".join(lines))


def ended(status: int | None) -> str:
    """How a command ended, in words."""
    return "done" if status == 0 else "out of time" if status is None else f"exit status {status}"


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a command with all it started, asking first."""
    for number, wait_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=wait_s)


def parts(check: Check) -> dict[str, Callable[[], None]]:
    """The steps, in order."""

    def full() -> None:
        check.conformance("cuda", "full", check.left_s - OPENCL_S)

    def opencl() -> None:
        check.kernels("opencl", 25, "copy,exp,softmax dim 1,matmul")
        check.conformance("opencl", "quick", check.left_s - 4)

    return {
        "facts": check.facts,
        "sanity": check.sanity,
        "cuda-quick": lambda: check.conformance("cuda", "quick", STEPS["cuda-quick"]),
        "demo": check.demo,
        "speed": check.speed,
        "kernels-cuda": lambda: check.kernels("cuda", STEPS["kernels-cuda"], "copy" if check.dry else ""),
        "cuda-full": full,
        "opencl": opencl,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the steps; 1 if one raised, or the suite found anything bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--packages", type=Path, help="folder with the archive that --pack made")
    parser.add_argument("--minutes", type=float, default=9.0, help="what this call may take")
    parser.add_argument(
        "--jobs", type=int, default=max(1, min(14, (os.cpu_count() or 2) - 2)), help="worker processes of the suite"
    )
    parser.add_argument("--steps", default="", help="names of the only steps, with commas")
    parser.add_argument(
        "--state", type=Path, default=Path(tempfile.gettempdir(), "candelabra-gpu"), help="folder for caches"
    )
    parser.add_argument("--dry-run", action="store_true", help="on the stand-in for CuPy, with few ops")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="download packages into a folder, and nothing else")
    parser.add_argument("--python", default="3.12", help="version of Python that packages are for")
    given = parser.parse_args(arguments)
    if given.pack is not None:
        pack(given.pack, given.python)
        return 0
    if given.out is None:
        parser.error("--out: needs a folder for the results")
    check = Check(given)
    check.setup()
    known, failed = parts(check), False
    chosen = given.steps.split(",") if given.steps else list(known)
    for name in chosen:
        if check.left_s < LEAST_S:
            check.say(name, "not begun for want of time")
            continue
        try:
            known[name]()
        except Exception as error:  # the steps after it say something still
            failed = True
            check.say(name, f"raised {type(error).__name__}: {error}")
    return 1 if failed or any(r.bad for r in check.results.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
