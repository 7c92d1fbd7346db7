# SPDX-License-Identifier: Apache-2.0
"""Description of the CPU backend; imports nothing heavy."""

from __future__ import annotations

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="cpu",
            loads="candelabra_cpu.backend:CPUBackend",
            requires=("numpy",),
            api=1,
            description="the host's processor, by NumPy",
            version="0.1.0",
        )
    ]
