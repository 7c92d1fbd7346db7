# SPDX-License-Identifier: Apache-2.0
"""Grad modes: contexts, decorators and functions that say whether operations are recorded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, TypeVar

from .. import _config
from .._errors import CallError

F = TypeVar("F", bound=Callable[..., Any])


class _Mode:
    """A context manager over context variables that also decorates functions and generators."""

    def __init__(self) -> None:
        self._tokens: list[list[tuple[ContextVar[bool], Token[bool]]]] = []

    def _settings(self) -> tuple[tuple[ContextVar[bool], bool], ...]:
        raise NotImplementedError

    def _again(self) -> _Mode:
        return type(self)()

    def __enter__(self) -> None:
        self._tokens.append([(variable, variable.set(value)) for variable, value in self._settings()])

    def __exit__(self, *exc: object) -> None:
        for variable, token in self._tokens.pop():
            variable.reset(token)

    def __call__(self, function: F) -> F:
        again = self._again
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                # The mode holds while the generator runs, not while its caller does.
                inner = function(*args, **kwargs)
                resume: Callable[[Any], Any] = inner.send
                given: Any = None
                while True:
                    with again():
                        try:
                            value = resume(given)
                        except StopIteration as stop:
                            return stop.value
                    try:
                        resume, given = inner.send, (yield value)
                    except GeneratorExit:
                        with again():
                            inner.close()
                        raise
                    except BaseException as error:
                        resume, given = inner.throw, error

            return generator  # type: ignore[return-value]

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_Mode):
    """Records nothing inside the block or the decorated function.

    Example:
        >>> x = cb.ones(2, requires_grad=True)
        >>> with cb.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)  # used as a bare decorator: @no_grad

    def __init__(self, function: Any = None) -> None:
        super().__init__()

    def _settings(self) -> tuple[tuple[ContextVar[bool], bool], ...]:
        return ((_config.grad_enabled, False),)


class enable_grad(no_grad):
    """Records inside the block or the decorated function, also within `no_grad`.

    Example:
        >>> x = cb.ones(2, requires_grad=True)
        >>> with cb.no_grad(), cb.enable_grad():
        ...     y = x * 2
        >>> y.requires_grad
        True
    """

    def _settings(self) -> tuple[tuple[ContextVar[bool], bool], ...]:
        return ((_config.grad_enabled, True),)


class set_grad_enabled(_Mode):
    """Sets recording on or off at once, and back again at the end when used as a context.

    Example:
        >>> with cb.set_grad_enabled(False):
        ...     cb.is_grad_enabled()
        False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._before = _config.grad_enabled.get()
        _config.grad_enabled.set(self.mode)

    def _settings(self) -> tuple[tuple[ContextVar[bool], bool], ...]:
        return ((_config.grad_enabled, self.mode),)

    def _again(self) -> _Mode:
        return enable_grad() if self.mode else no_grad()

    def __call__(self, function: F) -> F:
        _config.grad_enabled.set(self._before)
        return super().__call__(function)

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        _config.grad_enabled.set(self._before)


class inference_mode(_Mode):
    """As `no_grad`, with `is_inference_mode_enabled()` true inside; `inference_mode(False)` records again.

    Example:
        >>> with cb.inference_mode():
        ...     cb.is_grad_enabled(), cb.is_inference_mode_enabled()
        (False, True)
    """

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if callable(mode):
            self.__init__(True)  # type: ignore[misc]
            return self(mode)
        return self

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self.mode = bool(mode)

    def _settings(self) -> tuple[tuple[ContextVar[bool], bool], ...]:
        return ((_config.grad_enabled, not self.mode), (_config.inference_mode, self.mode))

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


class detect_anomaly(_Mode):
    """Anomaly mode for a block: errors of a backward pass tell where in the forward pass their node was made.

    Args:
        check_nan: raise AutogradError when a gradient rule returns nan.

    Example:
        >>> x = cb.zeros(1, requires_grad=True)
        >>> with cb.autograd.detect_anomaly(check_nan=False):
        ...     (x / x).sum().backward()
        >>> x.grad
        tensor([nan])
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self.check_nan = bool(check_nan)
        self._before: list[tuple[bool, bool]] = []

    def _again(self) -> _Mode:
        return detect_anomaly(self.check_nan)

    def __enter__(self) -> None:
        self._before.append(_set_anomaly(True, self.check_nan))

    def __exit__(self, *exc: object) -> None:
        _set_anomaly(*self._before.pop())


class set_detect_anomaly(_Mode):
    """Sets anomaly mode on or off at once, and back again at the end when used as a context.

    In it each node remembers where it was made, and errors of a backward pass name that place.

    Args:
        mode: on or off.
        check_nan: raise AutogradError when a gradient rule returns nan.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__()
        self.mode = bool(mode)
        self.check_nan = bool(check_nan)
        self._before = _set_anomaly(self.mode, self.check_nan)

    def __enter__(self) -> None:
        _set_anomaly(self.mode, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _set_anomaly(*self._before)

    def __call__(self, function: F) -> F:
        raise CallError("set_detect_anomaly: is no decorator, got a function; use detect_anomaly")


def _set_anomaly(mode: bool, check_nan: bool) -> tuple[bool, bool]:
    """Sets anomaly mode in this context; returns what it was."""
    before = _config.anomaly_mode.get(), _config.anomaly_check_nan.get()
    _config.anomaly_mode.set(mode)
    _config.anomaly_check_nan.set(check_nan)
    _config.anomaly_contexts += mode - before[0]
    return before


def is_grad_enabled() -> bool:
    """Whether operations are recorded now.

    Example:
        >>> cb.is_grad_enabled()
        True
    """
    return _config.grad_enabled.get()


def is_inference_mode_enabled() -> bool:
    """Whether this is inside `inference_mode`.

    Example:
        >>> cb.is_inference_mode_enabled()
        False
    """
    return _config.inference_mode.get()
