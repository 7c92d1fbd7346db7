# SPDX-License-Identifier: Apache-2.0
"""The backend: jax.numpy as the NumPy-shaped module, immutable arrays behind handles that can be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from candelabra.dispatcher.backend import Capabilities
from candelabra_xp.functional import FunctionalBackend, Look

# Without it JAX would store every 64-bit array in 32 bits.
jax.config.update("jax_enable_x64", True)


class JaxBackend(FunctionalBackend):
    """All devices of JAX's default platform."""

    name = "jax"
    xp = jnp
    capabilities = Capabilities(asynchronous=True)

    def devices(self) -> Sequence[str]:
        return [f"{device.platform}:{device.id}" for device in jax.devices()]

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Look:
        return self.hold(jax.device_put(np.array(array), jax.devices()[index]))

    def index_of(self, handle: Look) -> int:
        return jax.devices().index(next(iter(handle.cell.flat.devices())))

    def put(self, flat: Any, index: np.ndarray[Any, Any], values: Any) -> Any:
        return flat.at[index].set(values)

    def synchronize(self, index: int) -> None:
        jax.effects_barrier()
