# SPDX-License-Identifier: Apache-2.0
"""Finding and loading plugins, each under its own guard.

Phase one imports the small description module an entry point names; phase two, on first use of a device, follows the
description's dotted path. Only the entry point called like the wanted device is loaded, so that a broken or hanging
plugin costs its own backend and nothing else. What went wrong is kept for `candelabra doctor`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pluggy

from .._config import setting
from .._errors import BackendError, ContractError, DeviceError, ForkError, PluginError
from . import _fallback, hookspecs
from ._memory import guard
from .backend import API_VERSION, Backend, BackendInfo, MetaBackend

GROUP = "candelabra"
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """A backend description and the entry point it came from."""

    info: BackendInfo
    source: str


_lock = threading.RLock()
_manager = pluggy.PluginManager(hookspecs.PROJECT)
_manager.add_hookspecs(hookspecs)
_visited: set[str] = set()
_found: dict[str, Found] = {}
_loaded: dict[str, Backend] = {"meta": MetaBackend()}
_problems: dict[str, BackendError] = {}
_loading: dict[str, threading.RLock] = {}
on_register: list[Callable[[str], None]] = []
"""Called with the name of a backend that is registered anew: what was known of its devices may be so no more."""


def guarded(what: str, call: Callable[[], T]) -> T:
    """`call()` in a thread of its own with a time limit; anything it raises or a hang becomes a PluginError.

    The limit in seconds is the setting `probe_timeout_s` (`CANDELABRA_PROBE_TIMEOUT_S`), 60 by default.
    """
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.extend((True, call()))
        except BaseException as error:  # a plugin may raise anything, SystemExit too; it must not end the program
            outcome.extend((False, error))

    limit_s = float(setting("probe_timeout_s", "60"))
    thread = threading.Thread(target=work, name=f"candelabra plugin {what}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not outcome:
        raise PluginError(f"{what}: did not answer within {limit_s:g} s; disable or uninstall the plugin")
    done, value = outcome
    if done:
        return value
    if isinstance(value, BackendError):
        raise value
    raise PluginError(f"{what}: raised {type(value).__name__}, got {str(value)!r}") from value


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """Entry points of the group `candelabra`, by name."""
    return sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: e.name)


def discover(name: str | None = None) -> None:
    """Loads the descriptions of the entry point called `name`, or of all of them."""
    with _lock:
        for entry in entry_points():
            label = f"{entry.name} = {entry.value}"
            if label in _visited or (name is not None and entry.name != name):
                continue
            _visited.add(label)
            try:
                _collect(label, entry)
                if entry.name not in _found:
                    raise ContractError(f"plugin {label}: must offer a backend called {entry.name!r}, got none")
            except BackendError as error:
                _problems[entry.name] = error


def _collect(label: str, entry: importlib.metadata.EntryPoint) -> None:
    what = f"plugin {entry.name!r} ({entry.value})"
    module = guarded(what, entry.load)
    _manager.register(module, name=label)
    for implementation in _manager.hook.candelabra_backends.get_hookimpls():
        if implementation.plugin is module:
            hook: Callable[[], Any] = implementation.function
            for info in guarded(what, hook):
                _add(what, info)


def _add(source: str, info: BackendInfo) -> None:
    if not isinstance(info, BackendInfo):
        raise ContractError(f"{source}: candelabra_backends must return BackendInfo objects, got {info!r}")
    known = _found.get(info.name)
    if known is None or info.priority > known.info.priority:
        _found[info.name] = Found(info, source)


def register_backend(info: BackendInfo, source: str = "registered in this process") -> None:
    """Makes a backend known without an entry point: for tests and notebooks."""
    with _lock:
        _loaded.pop(info.name, None)
        _problems.pop(info.name, None)
        _found.pop(info.name, None)
        _add(source, info)
    for forget in on_register:
        forget(info.name)
    _fallback.changed()


def describe(name: str) -> Found:
    """The description a plugin gives of a backend.

    Raises:
        DeviceError: no plugin offers it.
        PluginError, ContractError: its plugin could not be loaded; the message says why.
    """
    with _lock:
        if name not in _found:
            discover(name)
        if name in _problems:
            raise _again(_problems[name])
        if name not in _found:
            known = ", ".join(sorted({*_found, "meta", *(entry.name for entry in entry_points())}))
            raise DeviceError(
                f'device "{name}": no installed plugin offers it; known are {known}; see candelabra doctor'
            )
        return _found[name]


def load_backend(name: str) -> Backend:
    """The backend called `name`, loaded on first use.

    Raises:
        DeviceError: no plugin offers it.
        PluginError, ContractError: its plugin could not be loaded; the message says why.
    """
    backend = _loaded.get(name)
    if backend is not None:
        return backend
    found = describe(name)
    # One lock a backend: its start may use another backend, in the thread that guards it.
    with _loading.setdefault(name, threading.RLock()):
        backend = _loaded.get(name)
        if backend is None:
            try:
                backend = _load(found.info)
            except BackendError as error:
                _problems[name] = error
                raise
            backend = _loaded.setdefault(name, backend)
        return backend


def _again(problem: BackendError) -> BackendError:
    """The error anew: raising one object again and again would grow its traceback, and keep callers' tensors alive."""
    return type(problem)(*problem.args)


def _load(info: BackendInfo) -> Backend:
    what = f'device "{info.name}"'
    low, high = info.api_range
    if not low <= API_VERSION <= high:
        wanted = f"version {low}" if low == high else f"versions {low} to {high}"
        raise ContractError(
            f"{what}: plugin wants contract {wanted}, got {API_VERSION}; update candelabra or the plugin"
        )
    for module in info.requires:
        if not _importable(module):
            advice = f"; {info.install}" if info.install else ""
            raise PluginError(f"{what}: backend needs {module}, which is not installed{advice}")
    path, _, attribute = info.loads.partition(":")

    def load() -> Backend:
        # A module that registers and uses its own backend while it is imported holds its import lock.
        backend = getattr(sys.modules.get(path) or importlib.import_module(path), attribute)()
        if not isinstance(backend, Backend):
            raise ContractError(f"{what}: {info.loads} must be a Backend, got {type(backend).__name__}")
        backend.devices()
        guard(backend)
        return backend

    return guarded(what, load)


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def known_backends() -> dict[str, Found]:
    """Every described backend by name, loaded or not."""
    discover()
    return dict(_found)


_forked: set[Backend] = set()


def refuse_forked(backend: Backend) -> None:
    """Raises ForkError for a backend that did not survive the fork this process came of."""
    if backend in _forked:
        raise _again(_problems[backend.name])


def _after_fork() -> None:
    """Gives up, in a forked child, backends whose devices do not survive it."""
    for name, backend in list(_loaded.items()):
        if not backend.capabilities.fork_safe:
            _forked.add(_loaded.pop(name))
            _problems[name] = ForkError(
                f'device "{name}": cannot be used in a process forked after its first use, got pid {os.getpid()}; '
                'start processes by "spawn" or "forkserver"'
            )
            for forget in on_register:
                forget(name)
            _fallback.changed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def problems() -> dict[str, BackendError]:
    """Why plugins that did not load did not, by name."""
    return dict(_problems)
