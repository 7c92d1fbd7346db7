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
from candelabra_xp.programs import Programs

# Without it JAX would store every 64-bit array in 32 bits.
jax.config.update("jax_enable_x64", True)

# What JAX raises when a function being compiled asks for the values of an array: they are not known yet.
NEEDS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)

ON_GPU = jax.default_backend() == "gpu"


class JaxBackend(FunctionalBackend):
    """All devices of JAX's default platform."""

    name = "jax"
    xp = jnp
    # Scatters add in any order on a GPU; elsewhere XLA takes subnormal numbers for zeros.
    capabilities = Capabilities(asynchronous=True, deterministic=not ON_GPU, subnormals=ON_GPU)
    # XLA moves this one as float16, which does not keep the bits of a nan.
    moved_as: Mapping[np.dtype[Any], np.dtype[Any]] = {np.dtype(jnp.float8_e5m2): np.dtype("uint8")}

    # Units in the last place on XLA's CPU compiler, in float32 and float64: expm1 5 and 4, log1p 2 and 127, tanh 5 and 6,
    # sinh and cosh 24 and 17, atanh 3 and 129, exp2 67 and 88. Integers divided by zero differ, singular matrices pass.
    careful = (
        *("atanh", "cosh", "exp2", "expm1", "log", "log1p", "sinh", "tanh"),
        *("floor_divide", "gcd", "inverse", "lcm", "true_divide"),
    )

    def __init__(self) -> None:
        self.programs = Programs(jax.jit, jax.clear_caches, NEEDS_VALUES)
        jax.monitoring.register_event_duration_secs_listener(self.note)

    def note(self, event: str, duration: float, **details: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.programs.made()

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
        return {"complex": self.complex_of}

    def put(self, flat: Any, index: Any, values: Any) -> Any:
        return flat.at[index].set(values)

    def as_written(self, array: Any) -> Any:
        return jax.lax.optimization_barrier(array)

    def complex_of(self, real: Any, imag: Any) -> Any:
        return jax.lax.complex(*jnp.broadcast_arrays(real, imag))

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self.programs.compiled(function)

    def synchronize(self, index: int) -> None:
        jax.block_until_ready(jax.live_arrays())
