# SPDX-License-Identifier: Apache-2.0
"""Description of the CUDA backend; imports nothing heavy."""

from __future__ import annotations

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="cuda",
            loads="candelabra_cuda.backend:CUDABackend",
            requires=("cupy",),
            api=1,
            install="pip install candelabra[cuda]",
            description="NVIDIA GPUs, by CuPy",
            version="0.1.0",
        )
    ]
