# SPDX-License-Identifier: Apache-2.0
"""`candelabra.cuda`, `candelabra.opencl`, `candelabra.<any backend>`: one definition, with PyTorch's names.

A module is made when it is first asked for and loads nothing: `candelabra.cuda.is_available()` is False on a machine
without CuPy, and says so without an error. Functions take a device as None (the current one), a number, a text or a device.
What a backend has beside these (graphs, markers) it gives by `Backend.module_members`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys
import types
from collections.abc import Iterable
from typing import Any

from .. import _random
from .._device import device as device_type
from .._errors import BackendError, DeviceError, OutOfMemoryError
from ..dispatcher import _memory, _plugins
from ..dispatcher.backend import DeviceProperties
from . import _streams
from ._streams import _device_of

ALWAYS = ("cpu", "cuda", "opencl")
"""Modules there are whatever is installed: programs ask `candelabra.cuda.is_available()` first."""


class DeviceModule(types.ModuleType):
    """The module of one backend.

    Example:
        >>> cb.cpu.device_count(), cb.cpu.is_available()
        (1, True)
    """

    OutOfMemoryError = OutOfMemoryError
    StreamContext = _streams.StreamContext

    def __init__(self, name: str) -> None:
        super().__init__(f"candelabra.{name}", f'Devices of the backend "{name}": streams, memory, random state.')
        self._type = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        try:
            return _plugins.load_backend(self._type).module_members()[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None
        except (BackendError, DeviceError) as error:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} ({error})") from error

    def __dir__(self) -> Iterable[str]:
        names = {name for name in (*super().__dir__(), *dir(DeviceModule)) if not name.startswith("_")}
        backend = _plugins._loaded.get(self._type)
        return sorted(names if backend is None else names | set(backend.module_members()))

    # -- devices -------------------------------------------------------------------------------------------------

    def _index(self, device: Any) -> int:
        return _device_of(self._type, device, self._type).index or 0

    def _backend(self) -> Any:
        return _plugins.load_backend(self._type)

    def is_available(self) -> bool:
        """Whether the backend can be loaded and has a device."""
        return self.device_count() > 0

    def is_initialized(self) -> bool:
        """Whether the backend was loaded."""
        return self._type in _plugins._loaded

    def init(self) -> None:
        """Loads the backend now rather than on first use."""
        self._backend()

    def device_count(self) -> int:
        """Number of devices; 0 where the backend cannot be loaded."""
        try:
            return len(self._backend().devices())
        except (BackendError, DeviceError):
            return 0

    def current_device(self) -> int:
        """Number of the device meant by `device("name")` in this thread."""
        return self._backend().current_device()

    def set_device(self, device: Any) -> None:
        """Makes a device this thread's current one.

        Raises:
            DeviceError: there is no such device.
        """
        self._backend().set_device(self._index(device))

    @functools.cached_property
    def device(self) -> Any:
        """Context manager that makes a device the current one; None changes nothing."""
        return type("device", (_DeviceContext,), {"_module": self, "__module__": self.__name__})

    @functools.cached_property
    def device_of(self) -> Any:
        """As `device`, of a tensor; a tensor of another backend changes nothing."""
        return lambda tensor: self.device(tensor.device if tensor.device.type == self._type else None)

    def get_device_name(self, device: Any = None) -> str:
        """What the device is called."""
        return self.get_device_properties(device).name

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        """(major, minor) version of what the device can."""
        found = self.get_device_properties(device)
        return found.major, found.minor

    def get_device_properties(self, device: Any = None) -> DeviceProperties:
        """Name, memory, compute units and whatever else the backend knows."""
        return self._backend().device_properties(self._index(device))

    def is_bf16_supported(self) -> bool:
        """Whether kernels compute in bfloat16."""
        from .._dtype import bfloat16

        return self.is_available() and bfloat16 in self._backend().capabilities.compute_dtypes

    def synchronize(self, device: Any = None) -> None:
        """Waits until all work on a device is done."""
        self._backend().synchronize(self._index(device))

    # -- memory --------------------------------------------------------------------------------------------------

    def memory_allocated(self, device: Any = None) -> int:
        """Bytes that tensors hold; 0 where the backend does not count."""
        return self._stat("allocated", device)

    def max_memory_allocated(self, device: Any = None) -> int:
        """Most bytes that tensors held since the start or the last reset."""
        return self._stat("allocated_peak", device)

    def memory_reserved(self, device: Any = None) -> int:
        """Bytes taken from the device, cached blocks included."""
        return self._stat("reserved", device)

    def max_memory_reserved(self, device: Any = None) -> int:
        """Most bytes taken from the device since the start or the last reset."""
        return self._stat("reserved_peak", device)

    def _stat(self, name: str, device: Any) -> int:
        return _memory.read_stats(self._backend(), self._index(device))[name]

    def memory_stats(self, device: Any = None) -> dict[str, int]:
        """All statistics by PyTorch's names (`allocated_bytes.all.current`), and any the backend adds."""
        return _memory.named_stats(self._backend(), self._index(device))

    def memory_summary(self, device: Any = None, abbreviated: bool = False) -> str:
        """The statistics as a table; `abbreviated` gives its first four lines."""
        text = _memory.memory_summary(self._backend(), self._index(device))
        return "\n".join(text.splitlines()[:4]) if abbreviated else text

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        """Lets the peaks start from the present values."""
        self._backend().reset_peak_memory_stats(self._index(device))

    def empty_cache(self) -> None:
        """Gives memory that no tensor uses back to the devices; does nothing before the backend is loaded."""
        if self.is_initialized():
            for index in range(self.device_count()):
                self._backend().empty_cache(index)

    # -- streams -------------------------------------------------------------------------------------------------

    @functools.cached_property
    def Stream(self) -> type[_streams.Stream]:
        """Streams of this backend's devices."""
        return type("Stream", (_streams.Stream,), {"_only": self._type, "__slots__": (), "__module__": self.__name__})

    @functools.cached_property
    def Event(self) -> type[_streams.Event]:
        """Events of this backend's devices."""
        return type("Event", (_streams.Event,), {"_only": self._type, "__slots__": (), "__module__": self.__name__})

    def ExternalStream(self, stream_ptr: int, device: Any = None) -> _streams.Stream:
        """A stream that other software made, by its native handle."""
        index = self._index(device)
        return self._stream(index, self._backend().stream_from_id(stream_ptr, index))

    def stream(self, stream: _streams.Stream | None) -> _streams.StreamContext:
        """Makes a stream current for a `with` block; None changes nothing."""
        return _streams.StreamContext(stream)

    def current_stream(self, device: Any = None) -> _streams.Stream:
        """The stream that this thread's work on a device is given to."""
        index = self._index(device)
        return self._stream(index, self._backend().current_stream(index))

    def default_stream(self, device: Any = None) -> _streams.Stream:
        """The stream that is current where none was set."""
        index = self._index(device)
        return self._stream(index, self._backend().default_stream(index))

    def set_stream(self, stream: _streams.Stream | None) -> None:
        """Makes a stream this thread's current one of its device, whichever that is; None changes nothing."""
        if stream is not None:
            _streams.stream_of("set_stream", stream)._make_current()

    def _stream(self, index: int, handle: Any) -> _streams.Stream:
        return self.Stream._of(_device_of("stream", index, self._type), handle)

    # -- random numbers ------------------------------------------------------------------------------------------

    def _generator(self, device: Any = None) -> Any:
        if isinstance(device, int) or device is None:
            index = self.current_device() if device is None and self.is_available() else device or 0
            indexed = not self.is_available() or self._backend().capabilities.indexed
            device = device_type(self._type, index if indexed and self._type != "cpu" else None)
        return _random.default_of(device_type(device))

    def _generators(self) -> list[Any]:
        return [self._generator(index) for index in range(max(1, self.device_count()))]

    def manual_seed(self, seed: int) -> None:
        """Starts the stream of `seed` on the current device; before the backend is there, on its first."""
        self._generator().manual_seed(int(seed))

    def manual_seed_all(self, seed: int) -> None:
        """Starts the stream of `seed` on every device."""
        for generator in self._generators():
            generator.manual_seed(int(seed))

    def seed(self) -> int:
        """Starts a stream with a seed from the operating system's entropy on the current device, and returns it."""
        return self._generator().seed()

    def seed_all(self) -> int:
        """As `seed`, on every device."""
        fresh = self._generator(0).seed()
        self.manual_seed_all(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed of the current device's generator."""
        return self._generator().initial_seed()

    def get_rng_state(self, device: Any = None) -> Any:
        """State of a device's default generator: uint8, shape (16,), on the host."""
        return self._generator(device).get_state()

    def set_rng_state(self, new_state: Any, device: Any = None) -> None:
        """Sets the state of a device's default generator."""
        self._generator(device).set_state(new_state)

    def get_rng_state_all(self) -> list[Any]:
        """States of all devices' default generators."""
        return [generator.get_state() for generator in self._generators()]

    def set_rng_state_all(self, new_states: Iterable[Any]) -> None:
        """Sets the states of all devices' default generators."""
        for generator, state in zip(self._generators(), new_states, strict=True):
            generator.set_state(state)


class _DeviceContext:
    """Makes a device its backend's current one for a `with` block."""

    _module: DeviceModule

    def __init__(self, device: Any) -> None:
        self._wanted = None if device is None or device == -1 else self._module._index(device)
        self._before: list[int] = []

    def __enter__(self) -> _DeviceContext:
        if self._wanted is not None:
            self._before.append(self._module.current_device())
            self._module.set_device(self._wanted)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._wanted is not None:
            self._module.set_device(self._before.pop())


@functools.cache
def _plugin_names() -> frozenset[str]:
    return frozenset(entry.name for entry in importlib.metadata.entry_points(group=_plugins.GROUP))


def device_module(name: str) -> DeviceModule | None:
    """The module of the backend called `name`, or None where no plugin offers one."""
    if name.startswith("_"):
        return None
    full = f"candelabra.{name}"
    found = sys.modules.get(full)
    if isinstance(found, DeviceModule):
        return found
    known = name in ALWAYS or name in _plugins._found or name in _plugins._loaded or name in _plugin_names()
    if not known:
        return None
    return sys.modules.setdefault(full, DeviceModule(name))  # type: ignore[return-value]


class Finder:
    """Lets `import candelabra.cuda` find what `candelabra.cuda` is: asked by Python after its own finders."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a device module; None for any other name."""
        package, _, name = fullname.rpartition(".")
        module = device_module(name) if package == "candelabra" else None
        if module is None:
            return None
        from importlib.machinery import ModuleSpec

        loader: Any = _Loader(module)
        return ModuleSpec(fullname, loader)


class _Loader:
    """Hands a module out that is already made."""

    def __init__(self, module: DeviceModule) -> None:
        self._made = module

    def create_module(self, spec: Any) -> DeviceModule:
        return self._made

    def exec_module(self, module: Any) -> None:
        return None


__all__ = ["DeviceModule", "Finder", "device_module"]
