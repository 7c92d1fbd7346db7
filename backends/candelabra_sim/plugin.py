# SPDX-License-Identifier: Apache-2.0
"""Description of the simulated backend; imports nothing heavy."""

from __future__ import annotations

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="sim",
            loads="candelabra_sim.backend:SimBackend",
            requires=("numpy",),
            api=1,
            description="simulated devices with streams, events and separate memory, for tests",
            version="0.1.0",
        )
    ]
