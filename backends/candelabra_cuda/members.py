# SPDX-License-Identifier: Apache-2.0
"""What `candelabra.cuda` has beside what every backend's module has: graphs, marks, and facts about devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cupy.cuda import runtime

from candelabra._errors import ArgumentError
from candelabra.runtime import _module
from candelabra.runtime._module import DeviceModule
from candelabra.runtime._streams import as_bytes

from . import graphs, nvtx

TF32_SINCE = 8
"""Major compute capability of the first chips with TensorFloat-32."""


class Members:
    """Functions of the module, for one backend. Devices are given as everywhere: None, a number, a text or a device."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        module = _module.device_module("cuda")
        assert module is not None
        self.module: DeviceModule = module
        self.fraction: dict[int, float] = {}
        self.CUDAGraph = type("CUDAGraph", (graphs.CUDAGraph,), {"_backend": backend, "__module__": module.__name__})

    def _index(self, device: Any) -> int:
        return self.module._index(device)

    # -- memory --------------------------------------------------------------------------------------------------

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        """(free, total) bytes of a device, whoever uses them."""
        self.backend.bind(self._index(device))
        free, total = runtime.memGetInfo()
        return int(free), int(total)

    def set_memory_limit(self, limit_bytes: int, device: Any = None) -> None:
        """Most bytes that tensors may take from a device; 0 for all there are."""
        self.backend.bound(self._index(device))
        self.backend.device(self._index(device)).pool.set_limit(as_bytes("set_memory_limit", limit_bytes))

    def set_per_process_memory_fraction(self, fraction: float, device: Any = None) -> None:
        """Most of a device's memory that tensors may take, from 0 to 1.

        Raises:
            ArgumentError: `fraction` is outside that range.
        """
        if not 0 <= fraction <= 1:
            raise ArgumentError(f"set_per_process_memory_fraction: must be from 0 to 1, got {fraction}")
        index = self._index(device)
        self.set_memory_limit(max(1, int(fraction * self.mem_get_info(index)[1])), index)
        self.fraction[index] = float(fraction)

    def get_per_process_memory_fraction(self, device: Any = None) -> float:
        """The fraction set, or 1."""
        return self.fraction.get(self._index(device), 1.0)

    def memory_stats_as_nested_dict(self, device: Any = None) -> dict[str, Any]:
        """The statistics, their names taken apart at the points."""
        nested: dict[str, Any] = {}
        for name, value in self.module.memory_stats(device).items():
            *path, last = name.split(".")
            inner = nested
            for part in path:
                inner = inner.setdefault(part, {})
            inner[last] = value
        return nested

    # -- devices -------------------------------------------------------------------------------------------------

    def can_device_access_peer(self, device: Any, peer_device: Any) -> bool:
        """Whether one device reads and writes another one's memory directly."""
        one, other = self._index(device), self._index(peer_device)
        if one == other:
            raise ArgumentError(f"can_device_access_peer: needs two devices, got {one} twice")
        return bool(runtime.deviceCanAccessPeer(one, other))

    def is_tf32_supported(self) -> bool:
        """Whether `set_float32_matmul_precision("high")` makes float32 products faster."""
        return self.backend.device(self.backend.current_device()).capability >= 10 * TF32_SINCE

    # -- graphs --------------------------------------------------------------------------------------------------

    def is_current_stream_capturing(self) -> bool:
        """Whether this thread's work is captured into a graph."""
        return self.backend.capture() is not None

    def graph(self, cuda_graph: Any, pool: Any = None, stream: Any = None, capture_error_mode: str = "global") -> Any:
        """Captures the work of a `with` block into a graph.

        Args:
            cuda_graph: an empty `CUDAGraph`.
            pool: another graph's `pool()`, to share its memory.
            stream: where to capture; a new one when None.
            capture_error_mode: accepted for PyTorch's sake.
        """
        return graphs.captured(self.backend, self.module.Stream, cuda_graph, pool, stream, capture_error_mode)

    def make_graphed_callables(
        self, callables: Any, sample_args: Any, num_warmup_iters: int = 3, allow_unused_input: bool = False
    ) -> Any:
        """Functions or modules whose forward and backward passes are replayed from graphs.

        Args:
            callables: a function of tensors, a module, or a tuple of them, in the order they will be called.
            sample_args: a tuple of tensors of the shapes and dtypes to come, with `requires_grad` as then; a tuple of
                such tuples for a tuple of callables. They become the memory that inputs are copied into.
            num_warmup_iters: runs before the capture.
            allow_unused_input: inputs that do not matter for the outputs get no gradient, instead of an error.

        Returns:
            The same, by replay. A module is changed in place, and by replay only in the mode (training or not) of the capture.
        """
        return graphs.make_graphed_callables(
            self.graph, self.CUDAGraph, self.module.Stream, callables, sample_args, num_warmup_iters, allow_unused_input
        )


NAMES = (
    "CUDAGraph", "can_device_access_peer", "get_per_process_memory_fraction", "graph", "is_current_stream_capturing",
    "is_tf32_supported", "make_graphed_callables", "mem_get_info", "memory_stats_as_nested_dict", "set_memory_limit",
    "set_per_process_memory_fraction",
)  # fmt: skip


def members(backend: Any) -> Mapping[str, Any]:
    """The members, by name; the same ones each time."""
    known = vars(backend).setdefault("_members", {})
    if not known:
        made = Members(backend)
        known.update({name: getattr(made, name) for name in NAMES}, nvtx=nvtx)
    return known
