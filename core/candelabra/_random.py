# SPDX-License-Identifier: Apache-2.0
"""Generators: where the next random numbers of a stream begin.

A generator is two numbers: a 64-bit seed, which is the key of Philox, and a 64-bit offset, which counts the blocks
already handed out. A call that needs `n` blocks reserves them and passes (seed, offset) on to a pure op of
`ops/random.py`, whose docstring says bit for bit what becomes of them. So a stream depends on seed and order of calls
alone: not on the device, the number of threads, or the backend.

Each device has a default generator; `manual_seed` gives all of them one seed, so each starts the same stream.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._device import device as device_type
from ._errors import ArgumentError, CallError

if TYPE_CHECKING:
    from .tensor._tensor import Tensor

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip

DEFAULT_SEED = 67280421310721
"""Seed of a new `Generator`, as in PyTorch; default generators start from the operating system's entropy instead."""

STATE_BYTES = 16
_MASK64 = (1 << 64) - 1


def _checked_seed(what: str, value: Any) -> int:
    """`value` as a 64-bit key; negative seeds are taken modulo 2^64."""
    if not hasattr(value, "__index__"):
        raise CallError(f"{what}: seed must be an int, got {value!r} of type {type(value).__name__}")
    number = value.__index__()
    if not -(1 << 63) <= number <= _MASK64:
        raise ArgumentError(f"{what}: seed must be in [-2**63, 2**64), got {number}")
    return number & _MASK64


class Generator:
    """A stream of random numbers: a seed and how much of the stream has been used.

    Numbers depend on the seed and the calls made, not on the device, so one generator may serve tensors of any device.

    Args:
        device: the device it is meant for; says nothing about its numbers.

    Example:
        >>> g = cb.Generator().manual_seed(7)
        >>> a = cb.rand(3, generator=g)
        >>> bool((cb.rand(3, generator=g.manual_seed(7)) == a).all())
        True
    """

    __slots__ = ("_device", "_lock", "_offset", "_seed")

    def __init__(self, device: Any = "cpu") -> None:
        self._device = device_type(device)
        self._lock = threading.Lock()
        self._seed = DEFAULT_SEED
        self._offset = 0

    @property
    def device(self) -> device_type:
        """Device this generator was made for."""
        return self._device

    def reserve(self, blocks: int) -> tuple[int, int]:
        """Takes `blocks` 128-bit blocks of the stream: (seed, number of the first). Threads may share a generator."""
        with self._lock:
            offset = self._offset
            self._offset = (offset + blocks) & _MASK64
            return self._seed, offset

    @contextmanager
    def reserved(self, blocks: int) -> Iterator[tuple[int, int]]:
        """As `reserve`, for the length of a `with` block; the stream is as before when the block raises."""
        stream = self.reserve(blocks)
        try:
            yield stream
        except BaseException:
            self.give_back(blocks, stream[1])
            raise

    def give_back(self, blocks: int, offset: int) -> None:
        """Undoes a `reserve` that came to nothing, unless another thread has drawn since."""
        with self._lock:
            if self._offset == (offset + blocks) & _MASK64:
                self._offset = offset

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream of `seed`, and returns this generator.

        Args:
            seed: in [-2**63, 2**64); negative values are taken modulo 2**64.

        Raises:
            CallError: `seed` is not an int.
            ArgumentError: it is out of range.
        """
        self._set(_checked_seed("manual_seed", seed), 0)
        return self

    def seed(self) -> int:
        """Starts a stream with a seed from the operating system's entropy, and returns that seed."""
        fresh = secrets.randbits(64)
        self._set(fresh, 0)
        return fresh

    def initial_seed(self) -> int:
        """The seed of the present stream."""
        return self._seed

    def get_state(self) -> Tensor:
        """Seed and offset as 16 bytes, little end first: uint8, shape (16,), on the host."""
        from .tensor._creation import tensor

        with self._lock:
            state = self._seed.to_bytes(8, "little") + self._offset.to_bytes(8, "little")
        return tensor(list(state), dtype=_uint8(), device="cpu")

    def set_state(self, new_state: Tensor) -> None:
        """Takes up a stream where `get_state` left it.

        Raises:
            CallError: `new_state` is not a uint8 tensor.
            ArgumentError: it does not hold 16 bytes.
        """
        if getattr(new_state, "dtype", None) is not _uint8():
            shown = getattr(new_state, "dtype", type(new_state).__name__)
            raise CallError(f"set_state: state must be a uint8 tensor, got {shown}; pass what get_state returned")
        if new_state.numel() != STATE_BYTES:
            raise ArgumentError(f"set_state: state must hold {STATE_BYTES} bytes, got shape {tuple(new_state.shape)}")
        state = bytes(new_state.reshape(-1).tolist())
        self._set(int.from_bytes(state[:8], "little"), int.from_bytes(state[8:], "little"))

    def clone_state(self) -> Generator:
        """Another generator at the same place of the same stream."""
        return _rebuild(str(self._device), self._seed, self._offset)

    def _set(self, seed: int, offset: int) -> None:
        with self._lock:
            self._seed, self._offset = seed, offset

    def __repr__(self) -> str:
        return f"Generator(device={str(self._device)!r}, seed={self._seed}, offset={self._offset})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (str(self._device), self._seed, self._offset)


def _rebuild(device: str, seed: int, offset: int) -> Generator:
    fresh = Generator(device)
    fresh._set(seed, offset)
    return fresh


def _uint8() -> Any:
    from ._dtype import uint8

    return uint8


# -- default generators ----------------------------------------------------------------------------------------------

_defaults: dict[device_type, Generator] = {}
_defaults_lock = threading.Lock()
_default_seed = secrets.randbits(64)


def default_of(device: device_type) -> Generator:
    """The default generator of a device, made on first use with the process's present seed."""
    found = _defaults.get(device)
    if found is None:
        with _defaults_lock:
            found = _defaults.get(device)
            if found is None:
                found = _defaults[device] = _rebuild(str(device), _default_seed, 0)
    return found


default_generator = default_of(device_type("cpu"))
"""The host's default generator."""


def _reseed(value: int) -> None:
    global _default_seed
    with _defaults_lock:
        _default_seed = value
        for generator in _defaults.values():
            generator._set(value, 0)


def manual_seed(seed: int) -> Generator:
    """Starts the stream of `seed` on the default generators of all devices.

    Args:
        seed: in [-2**63, 2**64), or anything `int` takes; negative values are taken modulo 2**64.

    Returns:
        The host's default generator.

    Raises:
        ArgumentError: `seed` is out of range.

    Example:
        >>> cb.manual_seed(0).initial_seed()
        0
    """
    try:
        number = int(seed)
    except (TypeError, ValueError):
        raise CallError(f"manual_seed: seed must be an int, got {seed!r} of type {type(seed).__name__}") from None
    _reseed(_checked_seed("manual_seed", number))
    return default_generator


def seed() -> int:
    """Starts a stream with a seed from the operating system's entropy on all devices, and returns that seed.

    Example:
        >>> cb.seed() == cb.initial_seed()
        True
    """
    fresh = secrets.randbits(64)
    _reseed(fresh)
    return fresh


def initial_seed() -> int:
    """The seed of the host's default generator.

    Example:
        >>> _ = cb.manual_seed(3)
        >>> cb.initial_seed()
        3
    """
    return default_generator.initial_seed()


def get_rng_state(device: Any = "cpu") -> Tensor:
    """State of a device's default generator: uint8, shape (16,), on the host.

    Args:
        device: a device or its name.

    Example:
        >>> state = cb.get_rng_state()
        >>> a = cb.rand(2)
        >>> cb.set_rng_state(state)
        >>> bool((cb.rand(2) == a).all())
        True
    """
    return default_of(_canonical(device)).get_state()


def set_rng_state(new_state: Tensor, device: Any = "cpu") -> None:
    """Sets the state of a device's default generator to what `get_rng_state` returned.

    Args:
        new_state: uint8, shape (16,).
        device: a device or its name.

    Raises:
        CallError: `new_state` is not a uint8 tensor.
        ArgumentError: it does not hold 16 bytes.

    Example:
        >>> cb.set_rng_state(cb.get_rng_state())
    """
    default_of(_canonical(device)).set_state(new_state)


def _canonical(device: Any) -> device_type:
    from .dispatcher._kind import canonical_device

    return canonical_device(device)


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True, device_type: str = "cuda") -> Iterator[None]:
    """Restores the default generators at the end of a `with` block: random numbers drawn inside leave no trace.

    Args:
        devices: devices to restore besides the host: devices, names, or indices of `device_type`; all when None.
        enabled: False makes the block do nothing.
        device_type: what indices in `devices` count.

    Example:
        >>> before = cb.get_rng_state()
        >>> with cb.fork_rng():
        ...     _ = cb.rand(5)
        >>> bool((cb.get_rng_state() == before).all())
        True
    """
    global _default_seed
    if not enabled:
        yield
        return
    if devices is None:
        chosen = None
    else:
        names = [f"{device_type}:{d}" if isinstance(d, int) else d for d in devices]
        chosen = {default_generator.device, *[_canonical(name) for name in names]}
    seed = _default_seed
    saved = {d: (g._seed, g._offset) for d, g in list(_defaults.items()) if chosen is None or d in chosen}
    try:
        yield
    finally:
        with _defaults_lock:
            for d, generator in _defaults.items():
                if d in saved:
                    generator._set(*saved[d])
                elif chosen is None or d in chosen:
                    generator._set(seed, 0)  # made inside the block: as if it had not been
            if chosen is None:
                _default_seed = seed
