# SPDX-License-Identifier: Apache-2.0
"""Devices as values: `device("opencl:1")`, and the default device of a context."""

from __future__ import annotations

import functools
import re
from contextvars import ContextVar, Token
from typing import Any

from ._config import setting
from ._errors import CallError, DeviceError

_PATTERN = re.compile(r"([a-z][a-z0-9_]*)(?::(\d+))?")
_context_device: ContextVar[device | None] = ContextVar("default_device", default=None)
_entered: ContextVar[tuple[Token[device | None], ...]] = ContextVar("entered_devices", default=())


class device:
    """One unit of a backend: `device("cuda:0")`, `device("cuda", 0)`; without an index, the backend's current one.

    Parsing a device loads no backend. As a context manager or through `set_default_device` it becomes the device
    of tensors made without a `device=` argument.

    Raises:
        DeviceError: the text is not of the form `name` or `name:index`.

    Example:
        >>> cb.device("opencl:1").index
        1
    """

    __slots__ = ("index", "type")
    _interned: dict[tuple[str, int | None], device] = {}  # noqa: RUF012 - one shared table, by intent

    type: str
    index: int | None

    def __new__(cls, type: str | device, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        if not isinstance(type, str):
            raise CallError(f"device: must be a string or a device, got {type!r} of type {type.__class__.__name__}")
        match = _PATTERN.fullmatch(type)
        if match is None:
            raise DeviceError(f'device: must read "name" or "name:index", got {type!r}')
        name, inner = match.groups()
        if inner is not None:
            if index is not None:
                raise DeviceError(f"device: index given twice, got {type!r} and index={index}")
            index = int(inner)
        if index is not None and (isinstance(index, bool) or not isinstance(index, int) or index < 0):
            raise DeviceError(f"device: index must be an int of at least 0, got {index!r}")
        found = cls._interned.get((name, index))
        if found is None:
            found = super().__new__(cls)
            found.type, found.index = name, index
            found = cls._interned.setdefault((name, index), found)
        return found

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return device, (str(self),)

    def __enter__(self) -> device:
        _entered.set((*_entered.get(), _context_device.set(self)))
        return self

    def __exit__(self, *exc: object) -> None:
        *rest, token = _entered.get()
        _context_device.reset(token)
        _entered.set(tuple(rest))


def default_device() -> device:
    """The device of new tensors: by context, then `CANDELABRA_DEVICE`, then the config file, then the host."""
    found = _context_device.get()
    return _configured_device() if found is None else found


@functools.cache
def _configured_device() -> device:
    """What environment and config file say: read once, since each new tensor asks."""
    return device(setting("device", "cpu"))


def set_default_device(device_: device | str | None) -> None:
    """Sets the default device of this context (thread or task); None returns to environment and config."""
    if device_ is None:
        _configured_device.cache_clear()
    _context_device.set(None if device_ is None else device(device_))


def get_default_device() -> device:
    """The device of tensors made without a `device=` argument.

    Example:
        >>> cb.get_default_device()
        device(type='cpu')
    """
    return default_device()
