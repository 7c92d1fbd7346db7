# SPDX-License-Identifier: Apache-2.0
"""Waivers: failures a vendor knows of, in a file of the vendor's own package.

    [[waiver]]
    match = "atan2/float16/*"         # shell pattern on case ids
    type = "hardware"                 # bug, hardware or unimplemented
    reason = "the device's atan2 flushes subnormal results to zero"
    link = "https://example.com/issues/42"
    owner = "kernels@example.com"
    expires = 2027-01-31

The file is named by the backend's attribute `waivers` (a path, or `package:file.toml`) or by `--waivers`. Waivers are
strict: one that has expired, that matches no case of the run, or that matches a case which passes, fails the run.
"""

from __future__ import annotations

import datetime
import fnmatch
import importlib.resources
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .case import Result, Verdict

TYPES = ("bug", "hardware", "unimplemented")


class WaiverError(ValueError):
    """A waiver file that cannot be read, or an entry that lacks something."""


@dataclass(frozen=True)
class Waiver:
    """One known failure.

    Attributes:
        match: shell pattern on case ids.
        type: `bug`, `hardware` or `unimplemented`.
        reason, link, owner: why, where it is followed up, by whom.
        expires: last day it counts.
    """

    match: str
    type: str
    reason: str
    link: str
    owner: str
    expires: datetime.date

    def covers(self, case_id: str) -> bool:
        """Whether it names a case."""
        return fnmatch.fnmatchcase(case_id, self.match)


def load_waivers(source: str | Path) -> list[Waiver]:
    """The waivers of a file: a path, or `package:file.toml`.

    Raises:
        WaiverError: the file or an entry is not as described in this module.
    """
    text = _read(str(source))
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WaiverError(f"waivers {source}: not valid TOML, got {error}") from error
    unknown = sorted(set(table) - {"waiver"})
    if unknown or not isinstance(table.get("waiver", []), list):
        raise WaiverError(f"waivers {source}: holds [[waiver]] entries only, got {unknown or table['waiver']!r}")
    return [_waiver(source, i, entry) for i, entry in enumerate(table.get("waiver", []))]


def _read(source: str) -> str:
    package, colon, name = source.partition(":")
    try:
        if colon and name.endswith(".toml") and not Path(source).exists():
            return importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
        return Path(source).read_text(encoding="utf-8")
    except (OSError, ModuleNotFoundError) as error:
        raise WaiverError(f"waivers {source}: cannot be read, got {error}") from error


def _waiver(source: Any, i: int, entry: Any) -> Waiver:
    where = f"waivers {source}: entry {i}"
    names = {f.name for f in fields(Waiver)}
    if not isinstance(entry, dict) or set(entry) != names:
        raise WaiverError(
            f"{where}: needs exactly {sorted(names)}, got {sorted(entry) if isinstance(entry, dict) else entry!r}"
        )
    if not isinstance(entry["expires"], datetime.date) or isinstance(entry["expires"], datetime.datetime):
        raise WaiverError(f"{where}: expires must be a date, got {entry['expires']!r}")
    texts = {k: v for k, v in entry.items() if k != "expires"}
    if not all(isinstance(v, str) and v.strip() for v in texts.values()):
        raise WaiverError(f"{where}: all but expires must be texts that say something, got {texts}")
    if entry["type"] not in TYPES:
        raise WaiverError(f"{where}: type must be one of {', '.join(TYPES)}, got {entry['type']!r}")
    return Waiver(**entry)


def apply(
    waivers: list[Waiver], results: list[Result], today: datetime.date | None = None, is_complete: bool = True
) -> list[str]:
    """Turns waived failures into `waived` and unexpected passes into failures; returns problems of the waivers.

    Args:
        results: changed in place.
        today: the day expiry is judged by; the current one when None.
        is_complete: False for a run of some ops or dtypes only: waivers of others then match nothing with reason.
    """
    day = today or datetime.date.today()
    problems: list[str] = []
    for waiver in waivers:
        covered = [
            r for r in results if waiver.covers(r.id) and r.verdict not in (Verdict.UNSUPPORTED, Verdict.NOT_RUN)
        ]
        if waiver.expires < day:
            problems.append(f"waiver {waiver.match!r} expired on {waiver.expires} ({waiver.owner}: {waiver.reason})")
            continue
        if not covered and is_complete:
            problems.append(f"waiver {waiver.match!r} matches no executed case ({waiver.owner}: {waiver.reason})")
        for result in covered:
            if result.verdict == Verdict.PASSED:
                result.verdict = Verdict.FAILED
                result.message = f"passes, though waived as {waiver.type} ({waiver.owner}: {waiver.reason})"
            elif result.verdict in Verdict.BAD:
                result.message = f"{waiver.type}: {waiver.reason} ({waiver.link}); {result.verdict}: {result.message}"
                result.verdict = Verdict.WAIVED
    return problems
