# SPDX-License-Identifier: Apache-2.0
"""The CPU backend: NumPy arrays as handles, shared kernels, and its own where NumPy has a faster way."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from candelabra._dtype import dtype
from candelabra.dispatcher._dispatch import run_body
from candelabra.dispatcher.backend import Capabilities, DeviceProperties, Kernel
from candelabra.op import ops
from candelabra_xp import XpBackend
from candelabra_xp.backend import address
from candelabra_xp.view import SHORT_CUTS as SHARED_SHORT_CUTS

from . import choice, memory
from .kernels import LIBRARY, TABLES
from .kernels.linalg import Late
from .kernels.view import SHORT_CUTS

VIEWS = {**SHARED_SHORT_CUTS, **SHORT_CUTS}


class CPUBackend(XpBackend):
    """NumPy on the host's memory."""

    name = "cpu"
    xp = np
    capabilities = Capabilities(host_memory=True, indexed=False, kernels_check_shapes=True)
    handle_type = np.ndarray

    def own_kernels(self) -> Mapping[str, Kernel]:
        return {name: kernel for table in TABLES for name, kernel in table.items()}

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        # Kept here, since what was compiled must outlive the dispatcher's tables.
        if (op, dtype) not in self._chosen:
            self._chosen[op, dtype] = self._choose(op, dtype)
        return self._chosen[op, dtype]

    @functools.cached_property
    def _chosen(self) -> dict[tuple[str, dtype], Kernel | None]:
        return {}

    def _choose(self, op: str, dtype: dtype) -> Kernel | None:
        if isinstance(late := self._table.get(op), Late):
            self._table[op] = late.make()
        small = super().kernel(op, dtype)
        record = ops.get(op)
        if (
            record is None
            or op in LIBRARY
            or choice.mode() == "numpy"
            or not choice.can_compile(op)
            or not self.supports(op, (dtype,))
        ):
            return small
        return choice.choose(op, small, functools.partial(run_body, record, self))

    def device_properties(self, index: int) -> DeviceProperties:
        return DeviceProperties(
            name=self.devices()[index],
            total_memory=memory.memory_bytes(),
            multi_processor_count=os.cpu_count() or 0,
        )

    def compiler_target(self) -> Any:
        from .compile import target

        return target()

    def kernel_source(self, kernel: Any) -> str:
        from . import llvm, native

        return llvm.render(kernel, native.converts_half())

    def view_kernels(self) -> Mapping[str, Kernel]:
        return VIEWS

    def from_host(self, array: np.ndarray[Any, Any], index: int) -> np.ndarray[Any, Any]:
        if array.nbytes >= memory.LARGE:
            memory.install()
        return np.array(array, order="C")

    def allocate(self, shape: tuple[int, ...], dtype: dtype, index: int) -> np.ndarray[Any, Any]:
        return memory.empty(shape, dtype.numpy)

    def wrap(self, result: Any, dtype: dtype) -> np.ndarray[Any, Any]:
        wrapped = np.array(result)  # a NumPy scalar knows its dtype; naming it would cost three times as much
        return wrapped if wrapped.dtype == dtype.numpy else wrapped.astype(dtype.numpy)

    def strides(self, handle: np.ndarray[Any, Any]) -> tuple[int, ...]:
        size = handle.itemsize
        return tuple([s // size for s in handle.strides])

    def view(
        self, handle: np.ndarray[Any, Any], shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> np.ndarray[Any, Any]:
        size = handle.itemsize
        if handle.flags.c_contiguous and offset >= 0 and handle.dtype.kind != "V":
            try:  # ten times faster than as_strided; refuses to leave the handle, which super() allows inside its memory
                return np.ndarray(shape, handle.dtype, handle, offset * size, [s * size for s in strides])
            except (ValueError, TypeError):
                pass
        return super().view(handle, shape, strides, offset)

    def storage_nbytes(self, handle: np.ndarray[Any, Any]) -> int:
        base: Any = handle
        while isinstance(base.base, np.ndarray):
            base = base.base
        return base.nbytes

    def data_ptr(self, handle: np.ndarray[Any, Any]) -> int:
        return address(handle)

    def memory_stats(self, index: int) -> Mapping[str, int]:
        """Of arrays that the pool of `memory` holds: large ones."""
        pool = memory.pool()
        return pool.stats() if pool is not None else {}

    def reset_peak_memory_stats(self, index: int) -> None:
        if (pool := memory.pool()) is not None:
            pool.reset_peak()

    def empty_cache(self, index: int) -> None:
        if (pool := memory.pool()) is not None:
            pool.empty_cache()
