# SPDX-License-Identifier: Apache-2.0
"""Description of the OpenCL backend; imports nothing heavy."""

from __future__ import annotations

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="opencl",
            loads="candelabra_opencl.backend:OpenCLBackend",
            requires=("pyopencl",),
            api=1,
            install="pip install candelabra[opencl]",
            description="GPUs and processors, by OpenCL",
            version="0.1.0",
        )
    ]
