# SPDX-License-Identifier: Apache-2.0
"""Conformance suite: cases generated from op declarations, run on one backend, and told case by case.

    import candelabra_conformance as conformance
    report = conformance.run("cpu", tier="quick", ops=["add"])
    print(report.summary())
    assert report.ok

No backend and no op is named in the suite: what is run follows from `candelabra.op.ops` and the backend's capabilities.
"""

from __future__ import annotations

from typing import Any

SUITE_VERSION = "0.1.0"
"""Version of the suite: written into every report. Case ids may change with it, verdict names may not."""

_LAZY = {
    "Case": "case", "Result": "case", "Verdict": "case", "Report": "results",
    "run": "runner", "selftest": "selftest", "load_waivers": "waivers", "Waiver": "waivers",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Public names, imported on first use: the pytest plugin must stay cheap to import."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f".{_LAZY[name]}", __name__)
    return getattr(module, name)


__all__ = ["SUITE_VERSION", "Case", "Report", "Result", "Verdict", "Waiver", "load_waivers", "run", "selftest"]
