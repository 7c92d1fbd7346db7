# SPDX-License-Identifier: Apache-2.0
"""Description of the backend; imports nothing heavy."""

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="cc",
            loads="candelabra_cc.backend:CBackend",
            api=1,
            description="the host's processor, by its C compiler",
            version="0.1.0",
        )
    ]
