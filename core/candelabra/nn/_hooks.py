# SPDX-License-Identifier: Apache-2.0
"""Hooks around a module's call and around its part of the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._config import grad_enabled
from .._errors import CallError
from ..dispatcher._record import with_node
from ..tensor._node import Node, OutputNode, RemovableHandle
from ..tensor._storage import tick
from ..tensor._tensor import Tensor

if TYPE_CHECKING:
    from ._module import Module


class CallHooks:
    """Hooks that see a module's calls; each table maps an id to (hook, wants keyword arguments, always called)."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Any, bool, bool]] = {}
        self.after: dict[int, tuple[Any, bool, bool]] = {}
        self.backward: dict[int, Any] = {}
        self.before_backward: dict[int, Any] = {}


class StateHooks:
    """Hooks that see a module's state dict being made or loaded."""

    def __init__(self) -> None:
        self.before_save: dict[int, Any] = {}
        self.after_save: dict[int, Any] = {}
        self.before_load: dict[int, Any] = {}
        self.after_load: dict[int, Any] = {}


def add(table: dict[int, Any], entry: Any, prepend: bool = False) -> RemovableHandle:
    """Adds an entry to a table of hooks, before all others when `prepend`; returns what removes it."""
    handle = RemovableHandle(table)
    others = list(table.items()) if prepend else []
    if prepend:
        table.clear()
    table[handle.id] = entry
    table.update(others)
    return handle


def call_with_hooks(module: Module, hooks: CallHooks, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward` with all of its hooks."""
    called: set[int] = set()
    try:
        args, kwargs = _before(module, hooks, args, kwargs)
        watch = _watch(module, hooks, args) if hooks.backward or hooks.before_backward else None
        result = module.forward(*(args if watch is None else watch.args), **kwargs)
        for key, (hook, with_kwargs, _) in tuple(hooks.after.items()):
            called.add(key)
            replacement = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            if replacement is not None:
                result = replacement
    except Exception:
        for key, (hook, with_kwargs, always) in tuple(hooks.after.items()):
            if always and key not in called:
                hook(module, args, kwargs, None) if with_kwargs else hook(module, args, None)
        raise
    return result if watch is None else watch.outputs(result)


def _before(module: Module, hooks: CallHooks, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    for hook, with_kwargs, _ in tuple(hooks.before.values()):
        replacement = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if replacement is None:
            continue
        if not with_kwargs:
            args = replacement if isinstance(replacement, tuple) else (replacement,)
        elif isinstance(replacement, tuple) and len(replacement) == 2:
            args, kwargs = replacement
        else:
            raise CallError(f"forward pre-hook: must return None or (args, kwargs), got {type(replacement).__name__}")
    return args, kwargs


def _watch(module: Module, hooks: CallHooks, args: tuple[Any, ...]) -> _Watch | None:
    return _Watch(module, hooks, args) if grad_enabled.get() else None


class _Gate(Node):
    """A node that passes the gradients of several tensors through one function, all at once."""

    __slots__ = ("function",)

    def __init__(self, tensors: Sequence[Tensor], function: Callable[[list[Any]], Sequence[Any]]) -> None:
        self.edges = tuple(t._node for t in tensors)
        self.function = function
        self.shape = self.kind = self.hooks = self.out = None
        self.saved = ()
        self.stamp = tick()

    def name(self) -> str:
        return "BackwardHook"

    def apply(self, grad: Any) -> Sequence[Tensor | None]:
        return self.function([grad.get(i) for i in range(len(self.edges))])


def _through_gate(
    values: Sequence[Any], function: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> tuple[bool, list[Any]]:
    """`values` with their recorded tensors behind a gate; False when none is recorded.

    `function` maps gradients to gradients, one for each of `values`, None where there is none.
    """
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v._node is not None]
    if not places:
        return False, list(values)

    def run(grads: list[Any]) -> list[Any]:
        spread: list[Any] = [None] * len(values)
        for i, grad in zip(places, grads, strict=True):
            spread[i] = grad
        spread = list(function(tuple(spread)))
        return [spread[i] for i in places]

    gate = _Gate([values[i] for i in places], run)
    passed = list(values)
    for number, i in enumerate(places):
        value = values[i]
        alias = with_node(value, OutputNode(gate, number, value._array.shape, value._kind))
        alias._storage = value.untyped_storage()
        passed[i] = alias
    return True, passed


class _Watch:
    """One call of a module seen from the backward pass: gradients of its results, then those of its arguments."""

    def __init__(self, module: Module, hooks: CallHooks, args: tuple[Any, ...]) -> None:
        self.module = module
        self.hooks = hooks
        self.grad_output: tuple[Any, ...] = ()
        self.records_inputs, passed = _through_gate(args, self._at_inputs)
        self.args = tuple(passed)

    def outputs(self, result: Any) -> Any:
        """`result` with its tensors behind a gate."""
        if isinstance(result, Tensor):
            return _through_gate([result], self._at_outputs)[1][0]
        if type(result) in (tuple, list):
            return type(result)(_through_gate(result, self._at_outputs)[1])
        raise CallError(
            f"full backward hook: module must return a tensor or a tuple of tensors, got {type(result).__name__}"
        )

    def _at_outputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(self.hooks.before_backward.values()):
            grads = _replaced("full backward pre-hook", hook(self.module, grads), grads)
        self.grad_output = grads
        if not self.records_inputs:
            self._at_inputs((None,) * len(self.args))
        return grads

    def _at_inputs(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in tuple(self.hooks.backward.values()):
            grads = _replaced("full backward hook", hook(self.module, grads, self.grad_output), grads)
        return grads


def _replaced(what: str, replacement: Any, grads: tuple[Any, ...]) -> tuple[Any, ...]:
    if replacement is None:
        return grads
    replacement = replacement if isinstance(replacement, tuple) else (replacement,)
    if len(replacement) != len(grads):
        raise CallError(f"{what}: must return as many gradients as it got, got {len(replacement)} for {len(grads)}")
    return replacement
