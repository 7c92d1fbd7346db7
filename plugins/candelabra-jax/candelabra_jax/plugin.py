# SPDX-License-Identifier: Apache-2.0
"""Description of the backend; imports no JAX."""

from candelabra.dispatcher.backend import BackendInfo
from candelabra.dispatcher.hookspecs import hookimpl


@hookimpl
def candelabra_backends() -> list[BackendInfo]:
    """The one backend of this plugin."""
    return [
        BackendInfo(
            name="jax",
            loads="candelabra_jax.backend:JaxBackend",
            requires=("jax",),
            api=1,
            install="pip install jax",
            description="XLA devices, by jax.numpy",
            version="0.1.0",
        )
    ]
