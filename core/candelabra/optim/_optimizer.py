# SPDX-License-Identifier: Apache-2.0
"""Optimizer: parameter groups, their state, and the writing of each step's results."""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .. import _dtype
from .._config import grad_enabled
from .._errors import ArgumentError, CallError
from ..dispatcher import _fallback
from ..dispatcher._write import write
from ..tensor._node import RemovableHandle, add_hook
from ..tensor._storage import tick
from ..tensor._tensor import Tensor

required: Any = type("Required", (), {"__repr__": lambda self: "<required>"})()
"""Default of a hyperparameter that each group must give."""

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

# Kernels that write in place round in the parameter's dtype at each pass: for 16-bit floats the op itself is used.
_INPLACE_DTYPES = (_dtype.float32, _dtype.float64)


class _Hooks:
    """Hooks of one optimizer, by what they frame."""

    def __init__(self) -> None:
        self.before_step: dict[int, Any] = {}
        self.after_step: dict[int, Any] = {}
        self.before_save: dict[int, Any] = {}
        self.after_save: dict[int, Any] = {}
        self.before_load: dict[int, Any] = {}
        self.after_load: dict[int, Any] = {}


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` of a subclass, framed by the optimizer's hooks and noted for the schedulers."""

    @functools.wraps(step)
    def framed(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        hooks = self._hooks
        for hook in tuple(hooks.before_step.values()) if hooks else ():
            replacement = hook(self, args, kwargs)
            if replacement is not None:
                args, kwargs = replacement
        result = step(self, *args, **kwargs)
        self._has_stepped = True
        for hook in tuple(hooks.after_step.values()) if hooks else ():
            hook(self, args, kwargs)
        return result

    return framed


class Optimizer:
    """Base of optimizers: a subclass defines `_update`, or `step` altogether.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with `params` and the options of that group.
        defaults: options of groups that do not give them.

    Attributes:
        param_groups: dicts of options, each with its list `params`.
        state: a dict for each parameter; hyperparameters that count and tensors of its shape.

    Raises:
        ArgumentError: no parameters, one in two groups, or one that is not a leaf.
        CallError: something else than tensors.
    """

    _hooks: _Hooks | None = None
    _has_stepped: bool = False

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._workspaces: dict[Any, dict[Any, Any]] = {}
        if isinstance(params, (Tensor, str)):
            raise CallError(
                f"{type(self).__name__}: params must be an iterable of tensors, got {type(params).__name__}"
            )
        listed = list(params)
        if not listed:
            raise ArgumentError(f"{type(self).__name__}: params must not be empty, got no parameters")
        groups: list[Any] = listed if isinstance(listed[0], dict) else [{"params": listed}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __getstate__(self) -> dict[str, Any]:
        return {**{name: v for name, v in self.__dict__.items() if name != "_hooks"}, "_workspaces": {}}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key not in ("params", "param_names")]
        return "\n".join([*lines, ")"])

    # -- groups --------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters with options of its own.

        Args:
            param_group: `params` and any options; those left out are the optimizer's defaults.

        Raises:
            ArgumentError: a parameter is in another group already, or is not a leaf.
            CallError: `params` holds something else than tensors.
        """
        what = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise CallError(f"{what}: a group must be a dict with 'params', got {type(param_group).__name__}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, (set, frozenset)):
            raise CallError(f"{what}: params must have an order, got a set; use a list")
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and all(isinstance(p, tuple) for p in params):
            group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        for param in params:
            if not isinstance(param, Tensor):
                raise CallError(f"{what}: params must be tensors, got {param!r} of type {type(param).__name__}")
            if not param.is_leaf:
                raise ArgumentError(f"{what}: parameters must be leaves, got the result of {param.grad_fn!r}")
        if len({id(p) for p in params}) != len(params):
            raise ArgumentError(f"{what}: a group must not hold a parameter twice, got {len(params)} parameters")
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in params):
            raise ArgumentError(f"{what}: a parameter must be in one group only, got one of another group")
        group["params"] = params
        for name, default in self.defaults.items():
            if name not in group and default is required:
                raise ArgumentError(f"{what}: {name} must be given for each group, got none")
            group.setdefault(name, default)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or fills them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param._grad_slot = None
                elif param._grad is not None:
                    from ..ops.likes import zeros_like

                    param._grad_slot = zeros_like(param._grad)

    # -- stepping ------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with gradients; called first.

        Returns:
            What `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            token = grad_enabled.set(True)
            try:
                loss = closure()
            finally:
                grad_enabled.reset(token)
        token = grad_enabled.set(False)
        try:
            for group in self.param_groups:
                batches: dict[Any, Any] = {}
                for param in group["params"]:
                    grad = getattr(param, "_grad_slot", None)
                    if grad is None:
                        continue
                    found = batches.get(param._kind)
                    if found is None:
                        found = batches[param._kind] = ([], [])
                    found[0].append(param)
                    found[1].append(grad)
                for params, grads in batches.values():
                    self._update(group, params, grads)
        finally:
            grad_enabled.reset(token)
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        """Changes parameters of one dtype and device, all with gradients."""
        raise CallError(f"{type(self).__name__}: has no rule, got a step; define _update or step in the class")

    def _run(
        self,
        rule: Any,
        params: list[Tensor],
        grads: list[Tensor],
        state: Sequence[list[Tensor] | None],
        *attributes: Any,
    ) -> None:
        """One step of a rule of `ops.optimizer`, written into the parameters and the lists of state tensors."""
        kind = params[0]._kind
        kernel = kind.backend.kernels().get(rule.op.name + "_") if kind.dtype in _INPLACE_DTYPES else None
        if kernel is not None:
            workspace = self._workspaces.get(kind)
            if workspace is None:
                workspace = self._workspaces[kind] = {}
            lists = [None if s is None else [t._array for t in s] for s in state]
            kernel(workspace, [p._array for p in params], [g._array for g in grads], *lists, *attributes)
            _mark_written(params, tick())
            if _fallback.observers:
                _fallback.tell(rule.op.name, kind.backend.name, "kernel")
            return
        is_complex = kind.dtype.is_complex
        for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
            own = [None if s is None else s[i] for s in state]
            targets = [param, *[t for t in own if t is not None]]
            if is_complex:  # the two parts are two parameters
                grad, own, targets = _parts(grad), [_parts(t) for t in own], [_parts(t) for t in targets]
            for target, value in zip(targets, rule(targets[0], grad, *own, *attributes), strict=True):
                write(target, value)

    def _states(self, params: list[Tensor], *names: str) -> list[dict[str, Any]]:
        """The parameters' state dicts; new ones start at step 0 with zeros under each name."""
        states = []
        for param in params:
            state = self.state[param]
            if not state:
                state["step"] = 0
                for name in names:
                    state[name] = _zeros_like(param)
            states.append(state)
        return states

    # -- hooks ---------------------------------------------------------------------------------------------------

    def _hook_tables(self) -> _Hooks:
        if self._hooks is None:
            self._hooks = _Hooks()
        return self._hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; it may return both anew."""
        return add_hook(self._hook_tables().before_step, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._hook_tables().after_step, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before a state dict is made."""
        return _added(self._hook_tables().before_save, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` when one was made; what it returns replaces it."""
        return _added(self._hook_tables().after_save, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` before one is loaded; what it returns replaces it."""
        return _added(self._hook_tables().before_load, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after one was loaded."""
        return _added(self._hook_tables().after_load, hook, prepend)

    # -- state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The groups' options and the state, with parameters numbered in the order of the groups.

        Returns:
            `{"state": {number: state}, "param_groups": [options, with numbers as params]}`; tensors are shared.
        """
        hooks = self._hooks
        for hook in tuple(hooks.before_save.values()) if hooks else ():
            hook(self)
        numbers: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                numbers[id(param)] = len(numbers)
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        state = {numbers.get(id(key), key): value for key, value in self.state.items()}
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in tuple(hooks.after_save.values()) if hooks else ():
            replacement = hook(self, result)
            result = result if replacement is None else replacement
        return result

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes options and state over; tensors are copied to their parameter's device and dtype.

        Args:
            state_dict: as `state_dict()` gives it, for as many groups of as many parameters.

        Raises:
            ArgumentError: the groups differ in number or size; nothing was changed.
        """
        hooks = self._hooks
        state_dict = dict(state_dict)
        for hook in tuple(hooks.before_load.values()) if hooks else ():
            replacement = hook(self, state_dict)
            state_dict = state_dict if replacement is None else replacement
        saved = state_dict["param_groups"]
        sizes, saved_sizes = [len(g["params"]) for g in self.param_groups], [len(g["params"]) for g in saved]
        if sizes != saved_sizes:
            raise ArgumentError(
                f"{type(self).__name__}.load_state_dict: groups must have the same sizes, got {saved_sizes} for {sizes}"
            )
        by_number = {
            number: param
            for group, own in zip(saved, self.param_groups, strict=True)
            for number, param in zip(group["params"], own["params"], strict=True)
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, value in state_dict["state"].items():
            param = by_number.get(number)
            state[number if param is None else param] = _fitted(value, param)
        self.param_groups = [
            {**copy.deepcopy({k: v for k, v in group.items() if k != "params"}), "params": own["params"]}
            for group, own in zip(saved, self.param_groups, strict=True)
        ]
        self.state = state
        for hook in tuple(hooks.after_load.values()) if hooks else ():
            hook(self)


Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]


def _added(table: dict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    others = list(table.items()) if prepend else []
    if prepend:
        table.clear()
    handle = add_hook(table, hook)
    table.update(others)
    return handle


def _zeros_like(param: Tensor) -> Tensor:
    from ..ops.likes import zeros_like

    return zeros_like(param)


def _parts(value: Tensor | None) -> Any:
    """A complex tensor's memory as a real tensor with a last dim of two."""
    from ..ops.complex_ import view_as_real

    return None if value is None else view_as_real(value.detach())


def _mark_written(tensors: Iterable[Tensor], stamp: int) -> None:
    for tensor in tensors:
        storage = tensor._storage
        if storage is None:
            storage = tensor.untyped_storage()
        storage.version += 1
        storage.stamp = stamp


def _fitted(value: Any, param: Tensor | None, name: str = "") -> Any:
    """A copy of saved state for a parameter; `step` becomes a plain number."""
    if isinstance(value, Tensor):
        if name == "step":
            return int(value.item())
        if param is None:
            return value.detach().clone()
        dtype = param.dtype if value.is_floating_point() and not param.is_complex() else value.dtype
        return value.detach().to(device=param.device, dtype=dtype, copy=True)
    if isinstance(value, dict):
        return {key: _fitted(v, param, key) for key, v in value.items()}
    return copy.deepcopy(value)


def check_range(what: str, ok: bool, rule: str, **values: Any) -> None:
    """Raises ArgumentError with the rule and the values when not `ok`."""
    if not ok:
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        raise ArgumentError(f"{what}: {rule}, got {shown}")


def check_options(what: str, lr: Any, eps: float, weight_decay: float, betas: Sequence[float] = ()) -> None:
    """Checks what most optimizers share."""
    for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
        if not isinstance(value, (int, float, Tensor)):
            raise CallError(f"{what}: {name} must be a number, got {name}={value!r}")
    check_range(what, len(betas) in (0, 2), "betas must be two numbers", betas=betas)
    check_range(what, float(lr) >= 0, "lr must not be negative", lr=lr)
    check_range(what, eps >= 0, "eps must not be negative", eps=eps)
    check_range(what, weight_decay >= 0, "weight_decay must not be negative", weight_decay=weight_decay)
    check_range(what, all(0 <= beta < 1 for beta in betas), "betas must be in [0, 1)", betas=betas)


__all__ = ["Optimizer", "Params", "check_options", "check_range", "required"]
