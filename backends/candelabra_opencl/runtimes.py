# SPDX-License-Identifier: Apache-2.0
"""Finding OpenCL runtimes, and the devices of theirs that can run a kernel.

The OpenCL loader reads a folder of one-line `.icd` files, each naming a runtime's library. Intel's CPU runtime from
its wheels (`candelabra[opencl-cpu]`) brings files that name a folder of the machine it was built on, so the loader is
given a folder of our own: the system's entries, those of this Python's prefix that name a file, and Intel's with the path it
really has. The loader reads it once; then folder and environment are as they were. Who sets `OCL_ICD_VENDORS` (or
`OPENCL_VENDOR_PATH`) gets exactly that.

A listed device may be unable to compile (a runtime older than the processor), or end the process. So each has to
run a small kernel first, in a process of its own; how it went is kept in the kernel cache.

Setting `opencl` (`CANDELABRA_OPENCL`): which devices there are, and their order, as names separated by commas: part of a
platform's name ("pocl", "intel", "nvidia"), a kind ("gpu", "cpu"), or "platform/part of the device's name". Unset,
GPUs come first, then processors; simulators only when named. Setting `opencl_split`: a device counts as that many parts.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candelabra._config import setting
from candelabra._errors import PluginError
from candelabra.compiler import cache

SYSTEM = Path("/etc/OpenCL/vendors")
CHOSEN_BY_USER = ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES")
INTEL = "libintelocl.so"
INTEL_WHEELS = ("intel-opencl-rt", "intel-cmplr-lib-rt", "tbb")
INTEL_NEEDS = ("libtbb.so.12", "libintlc.so.5", "libirng.so", "libsvml.so", "libimf.so")
SIMULATORS = ("oclgrind",)
PROBE_TIMEOUT_S = 20.0
TOO_LONG = "took over"
NEXT_STEP = "pip install candelabra[opencl-cpu] for the processor, or install the driver of your GPU"


@dataclass(frozen=True)
class Found:
    """A device that runs kernels.

    Attributes:
        device: PyOpenCL's.
        label: for people: the device's name and its platform's.
        shares: kernels work in host memory itself.
    """

    device: Any
    label: str
    shares: bool


@dataclass(frozen=True)
class Runtimes:
    """Every usable device, and a line for each that is not."""

    devices: tuple[Found, ...]
    skipped: tuple[str, ...]


# -- the loader's folder -----------------------------------------------------------------------------------------------


def _files(wheel: str) -> list[Path]:
    """Files of an installed wheel."""
    try:
        return [Path(str(f.locate())).resolve() for f in importlib.metadata.files(wheel) or ()]
    except importlib.metadata.PackageNotFoundError:
        return []


def intel_library() -> Path | None:
    """Intel's CPU runtime where its wheel put it."""
    return next((f for f in _files("intel-opencl-rt") if f.name == INTEL and f.exists()), None)


def vendor_entries() -> dict[str, str]:
    """Name and text of each `.icd` file the loader shall read."""
    entries: dict[str, str] = {}
    for folder, is_system in ((SYSTEM, True), (Path(sys.prefix) / "etc/OpenCL/vendors", False)):
        for file in sorted(folder.glob("*.icd")) if folder.is_dir() else ():
            text = file.read_text(errors="replace").strip()
            if is_system or Path(text).is_file():
                entries.setdefault(file.name, text)
    library = intel_library()
    if library is not None and not any(Path(text).name.startswith("libintelocl.so") for text in entries.values()):
        entries["candelabra-intel.icd"] = str(library)
    return entries


def _preload(library: Path) -> None:
    """Loads what Intel's runtime needs and does not find beside itself."""
    missing = [name for name in INTEL_NEEDS if not (library.parent / name).exists()]
    known = {f.name: f for wheel in INTEL_WHEELS for f in _files(wheel)} if missing else {}
    for name in missing:
        with contextlib.suppress(OSError):  # the loader then leaves the runtime out, and that is reported
            ctypes.CDLL(str(known.get(name, name)), mode=ctypes.RTLD_GLOBAL)


def is_ours() -> bool:
    """Whether the loader's list is ours to make: on Linux, unless the user made one."""
    return sys.platform.startswith("linux") and not any(os.environ.get(name) for name in CHOSEN_BY_USER)


@contextlib.contextmanager
def vendors(entries: Mapping[str, str] | None) -> Iterator[None]:
    """The environment in which the loader reads these entries; its own list where they are None."""
    if entries is None:
        yield
        return
    for text in entries.values():
        if Path(text).name == INTEL:
            _preload(Path(text))
    with tempfile.TemporaryDirectory(prefix="candelabra-opencl-") as folder:
        for name, text in entries.items():
            Path(folder, name).write_text(text + "\n")
        os.environ["OCL_ICD_VENDORS"] = folder
        try:
            yield
        finally:
            os.environ.pop("OCL_ICD_VENDORS", None)


# -- trying devices ----------------------------------------------------------------------------------------------------


def _key(entries: Mapping[str, str] | None) -> str:
    """What the outcome of trying depends on, as far as can be seen without loading a runtime."""
    named = {n: v for n, v in sorted(os.environ.items()) if n.startswith(("OCL_", "OPENCL_", "POCL_", "CL_", "LD_"))}
    files = {}
    for name, text in (entries or {}).items():
        with contextlib.suppress(OSError):
            info = os.stat(text)
            text = f"{text} {info.st_size} {info.st_mtime_ns}"
        files[name] = text
    said = {"pyopencl": importlib.metadata.version("pyopencl"), "env": named, "entries": files, "host": host()}
    return "opencl devices 2 " + json.dumps(said, sort_keys=True)


@functools.cache
def host() -> str:
    """The processor's model and features: machine code of one may not run on another."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return ""


def tried(entries: Mapping[str, str] | None) -> dict[str, Any]:
    """How each device did (`devices`), and runtimes that end the process (`broken`: name and reason); cached.

    Raises:
        PluginError: listing the devices ends the process, and the list is the user's.
    """
    key = _key(entries)
    known = cache.get(key)
    if known is not None:
        return dict(json.loads(known))
    with vendors(entries):
        devices, ending = _try_all()
    broken = {}
    if ending and entries is None:
        raise PluginError(f'device "opencl": listing the devices must not end the process, but it {ending}')
    if ending and entries is not None:
        for name, text in entries.items():
            with vendors({name: text}):
                _, alone = _run_probe(["all"])
            if alone:
                broken[name] = f"{text}: listing its devices {alone}"
        if not broken:
            raise PluginError(f'device "opencl": listing the devices must not end the process, but it {ending}')
        with vendors({name: text for name, text in entries.items() if name not in broken}):
            devices, ending = _try_all()
    outcome = {"devices": devices, "broken": broken}
    said = json.dumps(outcome)
    if TOO_LONG not in said:  # the machine may have been busy
        cache.put(key, said.encode())
    return outcome


def _try_all() -> tuple[list[dict[str, Any]], str]:
    """How each device did; and, where listing them ends the process, how."""
    done: dict[str, dict[str, Any]] = {}
    while True:
        lines, ending = _run_probe(list(done))
        last = None
        for line in lines:
            if "problem" in line:
                done[line["at"]] = line
                last = None
            else:
                last = line
        if not ending:
            return list(done.values()), ""
        if last is None:
            return [], ending
        done[last["at"]] = {**last, "shares": False, "problem": f"running it {ending}"}


def _run_probe(skipped: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Lines of one run of the probe, and how it ended if not well."""
    command = [sys.executable, str(Path(__file__).with_name("probe.py")), *skipped]
    env = {**os.environ, "PYOPENCL_NO_CACHE": "1"}  # what was built once does not show what can be built now
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, env=env)
        out, ending = done.stdout, "" if done.returncode == 0 else f"ended its process with code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        out = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
        ending = f"{TOO_LONG} {PROBE_TIMEOUT_S:g} s"
    lines = []
    for line in out.splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # runtimes print what they like
            found = json.loads(line)
            if isinstance(found, dict) and "at" in found:
                lines.append(found)
    return lines, ending


@functools.cache
def runtimes() -> Runtimes:
    """All devices of this machine, tried; the same answer all through the process."""
    import pyopencl as cl

    entries = vendor_entries() if is_ours() else None
    outcome = tried(entries)
    broken = tuple(outcome["broken"].values())
    if entries is not None:
        entries = {name: text for name, text in entries.items() if name not in outcome["broken"]}
    with vendors(entries), contextlib.suppress(cl.Error):
        found = _matched(cl.get_platforms(), outcome["devices"])
        return Runtimes(found.devices, (*broken, *found.skipped))
    return Runtimes((), broken)


def _matched(platforms: list[Any], outcome: list[dict[str, Any]]) -> Runtimes:
    import pyopencl as cl

    good, bad = [], []
    known = {(o["platform"], o["version"], o["name"], o["at"].split(".")[1]): o for o in outcome}
    for platform in platforms:
        devices = []
        with contextlib.suppress(cl.Error):
            devices = platform.get_devices()
        for j, device in enumerate(devices):
            label = f"{device.name.strip()} ({platform.name.strip()})"
            found = known.get((platform.name, platform.version, device.name, str(j)))
            if found is None:
                bad.append(f"{label}: was not there when devices were tried; clear the kernel cache")
            elif found["problem"]:
                bad.append(f"{label}: cannot run a small kernel, got {found['problem']}")
            else:
                good.append(Found(device, label, found["shares"]))
    return Runtimes(tuple(good), tuple(bad))


# -- choosing ----------------------------------------------------------------------------------------------------------


def chosen() -> list[Found]:
    """The devices of `opencl:0`, `opencl:1`, ..., by the settings.

    Raises:
        PluginError: there is no runtime, no device of any can be used, or the setting names none of them.
    """
    known = runtimes()
    why = f" ({'; '.join(known.skipped)})" if known.skipped else ""
    if not known.devices:
        what = "no OpenCL device runs a kernel" if why else "PyOpenCL found no OpenCL runtime"
        raise PluginError(f'device "opencl": {what}{why}; {NEXT_STEP}')
    wanted = [name.strip().lower() for name in setting("opencl", "").split(",") if name.strip()]
    if wanted:
        found = [f for name in wanted for f in known.devices if matches(f, name)]
        found = list(dict.fromkeys(found))
    else:
        found = sorted((f for f in known.devices if not is_simulator(f)), key=_rank) or list(known.devices)
    if not found:
        have = ", ".join(f.label for f in known.devices)
        raise PluginError(
            f"CANDELABRA_OPENCL: must name a platform or device, got {','.join(wanted)!r}; there are {have}"
        )
    return _split(found, setting("opencl_split", "1"))


KINDS = ("cpu", "gpu", "accelerator")
"""Kinds of devices that `CANDELABRA_OPENCL` may name."""


def matches(found: Found, name: str) -> bool:
    """Whether a device is of the platform or kind a name means."""
    import pyopencl as cl

    platform, _, device = name.partition("/")
    kind: int = getattr(cl.device_type, platform.upper(), 0) if platform in KINDS else 0
    of = found.device.platform
    text = f"{of.name} {of.vendor} {of.version}".lower()
    return (bool(found.device.type & kind) or platform in text) and device in found.device.name.lower()


def is_simulator(found: Found) -> bool:
    """Whether the device only checks programs."""
    return any(matches(found, name) for name in SIMULATORS)


def is_processor(found: Found) -> bool:
    """Whether the device is the host's processor, whose compilers vectorize loops. Simulators count as cards: they check
    work items one by one."""
    import pyopencl as cl

    return bool(found.device.type & cl.device_type.CPU) and not is_simulator(found)


def _rank(found: Found) -> int:
    import pyopencl as cl

    kinds = (cl.device_type.GPU, cl.device_type.ACCELERATOR, cl.device_type.CPU)
    return next((i for i, kind in enumerate(kinds) if found.device.type & kind), len(kinds))


def _split(devices: list[Found], parts: str) -> list[Found]:
    """Each device as so many equal parts of its compute units."""
    import pyopencl as cl

    if not parts.isdigit() or int(parts) < 1:
        raise PluginError(f"CANDELABRA_OPENCL_SPLIT: needs a number of parts, got {parts!r}")
    if int(parts) == 1:
        return devices
    made = []
    for found in devices:
        units = max(1, found.device.max_compute_units // int(parts))
        equally = [cl.device_partition_property.EQUALLY, units]
        for number, part in enumerate(found.device.create_sub_devices(equally)):
            made.append(Found(part, f"{found.label}, part {number}", found.shares))
    return made
