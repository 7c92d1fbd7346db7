# SPDX-License-Identifier: Apache-2.0
"""The backend: jax.numpy as the NumPy-shaped module, immutable arrays behind handles that can be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from candelabra import dtype
from candelabra.dispatcher.backend import Capabilities, Kernel
from candelabra_xp.functional import FunctionalBackend, Look

from .kernels import KERNELS
from .programs import Programs

# Without it JAX would store every 64-bit array in 32 bits.
jax.config.update("jax_enable_x64", True)

ON_GPU = jax.default_backend() == "gpu"


class JaxBackend(FunctionalBackend):
    """All devices of JAX's default platform."""

    name = "jax"
    xp = jnp
    # Scatters add in any order on a GPU; elsewhere XLA takes subnormal numbers for zeros.
    capabilities = Capabilities(asynchronous=True, deterministic=not ON_GPU, subnormals=ON_GPU)
    # XLA moves this one as float16, which does not keep the bits of a nan.
    moved_as: Mapping[np.dtype[Any], np.dtype[Any]] = {np.dtype(jnp.float8_e5m2): np.dtype("uint8")}

    def __init__(self) -> None:
        self.programs = Programs()

    def devices(self) -> Sequence[str]:
        return [f"{device.platform}:{device.id}" for device in jax.devices()]

    def made_on(self, index: int, make: Callable[[], Any]) -> Any:
        device = jax.devices()[index]
        with jax.default_device(device):
            return jax.device_put(make(), device)  # put, or JAX would feel free to compute elsewhere

    def allocate(self, shape: tuple[int, ...], dtype: dtype, index: int) -> Look:
        try:
            return super().allocate(shape, dtype, index)
        except jax.errors.JaxRuntimeError as error:
            raise MemoryError(str(error)) from error

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> Look:
        # JAX may take the memory over: it gets its own.
        return self.hold(jax.device_put(np.array(array), jax.devices()[index]))

    def index_of(self, handle: Look) -> int:
        return jax.devices().index(next(iter(handle.cell.array.devices())))

    def own_kernels(self) -> Mapping[str, Kernel]:
        return KERNELS

    def put(self, flat: Any, index: Any, values: Any) -> Any:
        return flat.at[index].set(values)

    def seen_as(self, flat: Any, dtype: np.dtype[Any]) -> Any:
        if flat.dtype.kind == "c":
            flat = jnp.stack([flat.real, flat.imag], axis=-1).reshape(-1)
        if dtype.kind != "c":
            return flat.view(dtype)
        pairs = flat.view(f"float{4 * dtype.itemsize}")
        return jax.lax.complex(pairs[0::2], pairs[1::2])

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.programs.compiled(function)

    def synchronize(self, index: int) -> None:
        jax.block_until_ready(jax.live_arrays())
