# SPDX-License-Identifier: Apache-2.0
"""Module: the base of all layers and models.

A module keeps its parameters, buffers and children in its instance dictionary like any other attribute, so that reading
one costs no more than that; `_roles` says which names are what, in the order of their assignment.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, TypeVar

from .. import _dtype
from .._device import device as device_type
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError
from ..tensor._node import RemovableHandle
from ..tensor._tensor import Tensor
from ._hooks import CallHooks, StateHooks, add, call_with_hooks
from ._parameter import Buffer, Parameter

M = TypeVar("M", bound="Module")

PARAMETER = "parameter"
BUFFER = "buffer"
TRANSIENT = "transient buffer"
"""A buffer that is no part of state dicts."""
MODULE = "module"

EXTRA_STATE = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found amiss: keys the module has and the state lacks, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module:
    """Base of layers and models: define `forward`, assign parameters and other modules to attributes, and call it.

    Example:
        >>> class Scale(cb.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = cb.nn.Parameter(cb.ones(1))
        ...     def forward(self, input):
        ...         return input * self.factor
        >>> [name for name, _ in Scale().named_parameters()]
        ['factor']
    """

    training: bool = True
    """Whether layers such as dropout and batch norm behave as in training."""

    _roles: dict[str, str]
    _call_hooks: CallHooks | None = None
    _state_hooks: StateHooks | None = None
    _version: int = 1

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        module = object.__new__(cls)
        module.__dict__["_roles"] = {}
        return module

    def __init__(self) -> None:
        self.training = True

    def forward(self, *args: Any) -> Any:
        """The computation of a call; every subclass defines its own."""
        raise CallError(f"{type(self).__name__}: has no forward, got a call; define forward(self, ...) in the class")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._call_hooks is None:
            return self.forward(*args, **kwargs)
        return call_with_hooks(self, self._call_hooks, args, kwargs)

    # -- attributes ----------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        roles = self.__dict__["_roles"]
        role = roles.get(name)
        if isinstance(value, Parameter):
            new = PARAMETER
        elif isinstance(value, Module):
            new = MODULE
        elif isinstance(value, Buffer):
            new = BUFFER if value.persistent else TRANSIENT
        elif role is None:
            object.__setattr__(self, name, value)
            return
        elif value is None or (role in (BUFFER, TRANSIENT) and isinstance(value, Tensor)):
            new = role
        else:
            expected = {PARAMETER: "a Parameter", MODULE: "a Module"}.get(role, "a tensor")
            raise CallError(
                f"{type(self).__name__}.{name}: is a {role} and takes {expected} or None, got {type(value).__name__}"
                "; delete the attribute first to change what it is"
            )
        if role is not None and role != new:
            del roles[name]
        roles[name] = new
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self.__dict__["_roles"].pop(name, None)

    def _own(self, *roles: str) -> list[tuple[str, Any]]:
        """(name, value) of this module's own attributes with one of these roles; values may be None."""
        own = self.__dict__
        return [(name, own[name]) for name, role in own["_roles"].items() if role in roles]

    @property
    def _parameters(self) -> Members:
        return Members(self, PARAMETER)

    @property
    def _buffers(self) -> Members:
        return Members(self, BUFFER, TRANSIENT)

    @property
    def _modules(self) -> Members:
        return Members(self, MODULE)

    def _register(self, role: str, name: str, value: Any) -> None:
        what = f"register_{role.split()[-1]}"
        if not isinstance(name, str):
            raise CallError(f"{what}: name must be a string, got {name!r} of type {type(name).__name__}")
        if not name or "." in name:
            raise ArgumentError(f"{what}: name must not be empty or hold a dot, got {name!r}")
        if hasattr(self, name) and self._roles.get(name, "").split()[-1:] != role.split()[-1:]:
            raise ArgumentError(f"{what}: name must be free, got {name!r}, an attribute of {type(self).__name__}")
        self._roles[name] = role
        self.__dict__[name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under a name; None stands for one that is absent.

        Raises:
            CallError: `param` is neither a Parameter nor None.
            ArgumentError: the name is empty, has a dot, or is taken.
        """
        if param is not None and not isinstance(param, Parameter):
            raise CallError(f"register_parameter: param must be a Parameter or None, got {type(param).__name__}")
        self._register(PARAMETER, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor to the module's state; it moves with the module and is not trained.

        Args:
            name: name of the attribute.
            tensor: its value; None stands for one that is absent.
            persistent: whether state dicts hold it.

        Raises:
            CallError: `tensor` is neither a tensor nor None.
            ArgumentError: the name is empty, has a dot, or is taken.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise CallError(f"register_buffer: tensor must be a tensor or None, got {type(tensor).__name__}")
        self._register(BUFFER if persistent else TRANSIENT, name, tensor)

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a child under a name; None stands for one that is absent.

        Raises:
            CallError: `module` is neither a module nor None.
            ArgumentError: the name is empty, has a dot, or is taken.
        """
        if module is not None and not isinstance(module, Module):
            raise CallError(f"register_module: module must be a Module or None, got {type(module).__name__}")
        self._register(MODULE, name, module)

    add_module = register_module

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path such as `"encoder.0"`; this one for the empty path.

        Raises:
            ArgumentError: there is none.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            if module._roles.get(name) != MODULE or module.__dict__[name] is None:
                raise ArgumentError(f"get_submodule: {type(module).__name__} has no module {name!r}, got {target!r}")
            module = module.__dict__[name]
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts a module at a dotted path.

        Args:
            target: where to; all but its last part must exist.
            module: what to put there.
            strict: refuse a path at which no module is yet.

        Raises:
            ArgumentError: the path is empty or does not exist.
            CallError: `module` is not a module.
        """
        path, _, name = target.rpartition(".")
        if not name:
            raise ArgumentError(f"set_submodule: target must name an attribute, got {target!r}")
        if not isinstance(module, Module):
            raise CallError(f"set_submodule: module must be a Module, got {type(module).__name__}")
        if strict:
            self.get_submodule(target)
        setattr(self.get_submodule(path), name, module)

    def _get_tensor(self, what: str, target: str, *roles: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if module._roles.get(name) not in roles:
            raise ArgumentError(f"get_{what}: {type(module).__name__} has no {what} {name!r}, got {target!r}")
        return module.__dict__[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path.

        Raises:
            ArgumentError: there is none.
        """
        return self._get_tensor("parameter", target, PARAMETER)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path.

        Raises:
            ArgumentError: there is none.
        """
        return self._get_tensor("buffer", target, BUFFER, TRANSIENT)

    # -- walking -------------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the direct children, each module once."""
        seen: set[int] = set()
        for name, module in self._own(MODULE):
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct children, each once."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted path, module) of this module and all below it.

        Args:
            memo: modules already seen; added to.
            prefix: path of this module.
            remove_duplicate: give each module once, at the first of its paths.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._own(MODULE):
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def _named_tensors(
        self, roles: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        seen: set[int] = set()
        for path, module in modules:
            for name, value in module._own(*roles):
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted path, parameter) of this module and, with `recurse`, of all below it.

        Args:
            prefix: path of this module.
            recurse: go into children.
            remove_duplicate: give a shared parameter once, at the first of its paths.
        """
        return self._named_tensors((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters of this module and, with `recurse`, of all below it, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted path, buffer) of this module and, with `recurse`, of all below it; else as `named_parameters`."""
        return self._named_tensors((BUFFER, TRANSIENT), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers of this module and, with `recurse`, of all below it, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def apply(self: M, fn: Callable[[Module], None]) -> M:
        """Calls `fn` on every module below, then on this one; returns this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes ---------------------------------------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Sets training or evaluation mode here and in all modules below.

        Raises:
            CallError: `mode` is not a bool.
        """
        if not isinstance(mode, bool):
            raise CallError(f"train: mode must be a bool, got {mode!r} of type {type(mode).__name__}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: M) -> M:
        """Sets evaluation mode here and in all modules below."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Sets whether the parameters want gradients."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the parameters' gradients, or fills them with zeros."""
        for parameter in self.parameters():
            if parameter._grad is not None:
                parameter.grad = None if set_to_none else _zeros_like(parameter._grad)

    # -- dtypes and devices --------------------------------------------------------------------------------------

    def _apply(self: M, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> M:
        """Replaces the memory of each parameter, its gradient and each buffer by `fn` of it."""
        for module in self.modules() if recurse else (self,):
            for _, parameter in module._own(PARAMETER):
                if parameter is None:
                    continue
                grad, before = parameter._grad, parameter.data
                after = fn(before)
                if after is not before:  # else it keeps its storage, and the version counter with it
                    parameter.data = after
                if grad is not None:
                    parameter.grad = fn(grad.detach())
            for name, buffer in module._own(BUFFER, TRANSIENT):
                if buffer is not None:
                    module.__dict__[name] = fn(buffer)
        return self

    def to(
        self: M,
        *args: Any,
        dtype: dtype_type | None = None,
        device: device_type | str | None = None,
        non_blocking: bool = False,
        memory_format: Any = None,
    ) -> M:
        """Moves and casts parameters and buffers, in place; integer ones are moved but keep their dtype.

        Args:
            args: a dtype, a device, or a tensor to take both from, in any order.
            dtype: floating or complex dtype.
            device: where to.
            non_blocking: allow the copies to finish later, on devices that can.
            memory_format: order in memory of the 4-d and 5-d ones.

        Returns:
            This module.

        Raises:
            DTypeError: `dtype` is neither floating nor complex.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif isinstance(arg, (str, device_type)):
                device = arg
            elif isinstance(arg, dtype_type) or arg in (float, complex):
                dtype = check_dtype(arg)
            elif isinstance(arg, bool):
                non_blocking = arg
            elif arg is not None:
                raise CallError(f"to: takes dtypes, devices and tensors, got {arg!r} of type {type(arg).__name__}")
        if dtype is not None and check_dtype(dtype).category < 2:
            raise DTypeError(f"to: modules take floating and complex dtypes, got {dtype.name}")

        def convert(tensor: Tensor) -> Tensor:
            wanted = dtype if tensor._kind.dtype.category >= 2 else None
            order = memory_format if tensor.dim() in (4, 5) else None
            return tensor.to(device=device, dtype=wanted, non_blocking=non_blocking, memory_format=order)

        return self._apply(convert)

    def type(self: M, dst_type: dtype_type) -> M:
        """Casts all parameters and buffers, integer ones too, in place."""
        return self._apply(lambda t: t.to(dtype=check_dtype(dst_type)))

    def float(self: M) -> M:
        """Casts floating parameters and buffers to float32."""
        return self._cast_floating(_dtype.float32)

    def double(self: M) -> M:
        """Casts floating parameters and buffers to float64."""
        return self._cast_floating(_dtype.float64)

    def half(self: M) -> M:
        """Casts floating parameters and buffers to float16."""
        return self._cast_floating(_dtype.float16)

    def bfloat16(self: M) -> M:
        """Casts floating parameters and buffers to bfloat16."""
        return self._cast_floating(_dtype.bfloat16)

    def _cast_floating(self: M, dtype: dtype_type) -> M:
        return self._apply(lambda t: t.to(dtype=dtype) if t.is_floating_point() else t)

    def cpu(self: M) -> M:
        """Moves parameters and buffers to the host."""
        return self.to(device="cpu")

    def cuda(self: M, device: int | str | device_type | None = None) -> M:
        """Moves parameters and buffers to a CUDA device: the current one, or that of an index."""
        name = "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
        return self.to(device=name)

    def to_empty(self: M, *, device: str | device_type | None, recurse: bool = True) -> M:
        """Moves parameters and buffers to a device without their values.

        Args:
            device: where to; where they are when None.
            recurse: also in modules below.
        """
        from ..ops.likes import empty_like

        return self._apply(lambda t: empty_like(t, device=device), recurse)

    # -- hooks ---------------------------------------------------------------------------------------------------

    def _hooks_of_calls(self) -> CallHooks:
        if self._call_hooks is None:
            self._call_hooks = CallHooks()
        return self._call_hooks

    def _hooks_of_state(self) -> StateHooks:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before each `forward`; what it returns replaces the positional arguments.

        Args:
            hook: with `with_kwargs`, called `hook(module, args, kwargs)` and returning None or both.
            prepend: call it before the hooks there are.
            with_kwargs: show the keyword arguments too.
        """
        return add(self._hooks_of_calls().before, (hook, with_kwargs, False), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after each `forward`; what it returns replaces the output.

        Args:
            hook: with `with_kwargs`, called `hook(module, args, kwargs, output)`.
            prepend: call it before the hooks there are.
            with_kwargs: show the keyword arguments too.
            always_call: call it, with None as output, when the call raised.
        """
        return add(self._hooks_of_calls().after, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when the gradients of a call's results are known.

        What it returns replaces them.
        """
        return add(self._hooks_of_calls().before_backward, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of a call's arguments are known.

        What it returns replaces `grad_input`. Each is a tuple over the positional arguments or the results, None where
        there is no gradient.
        """
        return add(self._hooks_of_calls().backward, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before the module's entries go into a state dict."""
        return add(self._hooks_of_state().before_save, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` when the entries are in; it may edit them."""
        return add(self._hooks_of_state().after_save, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls a hook before the module's entries are read from a state dict, a copy of which it may edit.

        It gets (module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs).
        """
        return add(self._hooks_of_state().before_load, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after the module was loaded."""
        return add(self._hooks_of_state().after_load, hook)

    # -- state ---------------------------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """What else belongs into the state dict; subclasses that have some define this and `set_extra_state`."""
        raise CallError(f"{type(self).__name__}: has no extra state; define get_extra_state and set_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Takes what `get_extra_state` gave."""
        raise CallError(f"{type(self).__name__}: has no extra state; define get_extra_state and set_extra_state")

    def _has_extra_state(self) -> bool:
        return type(self).get_extra_state is not Module.get_extra_state

    def _own_state(self) -> list[tuple[str, Any]]:
        """(name, tensor) of what the module itself keeps in state dicts, parameters first."""
        return [(n, t) for role in (PARAMETER, BUFFER) for n, t in self._own(role) if t is not None]

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted path, sharing memory with the module.

        Args:
            destination: dict to add to; a new one when None.
            prefix: put before each path.
            keep_vars: give the parameters themselves, with their history, instead of detached tensors.

        Example:
            >>> list(cb.nn.Linear(2, 1).state_dict())
            ['weight', 'bias']
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        hooks = self._state_hooks
        for hook in tuple(hooks.before_save.values()) if hooks else ():
            hook(self, prefix, keep_vars)
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_extra_state():
            destination[prefix + EXTRA_STATE] = self.get_extra_state()
        for name, module in self._own(MODULE):
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(hooks.after_save.values()) if hooks else ():
            hook(self, destination, prefix, metadata)
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies a state dict into the module's parameters and buffers, all of it or nothing.

        Args:
            state_dict: tensors by dotted path; cast and moved as needed.
            strict: refuse missing and unexpected keys.
            assign: take the tensors themselves, with their dtype and device, instead of copying.

        Returns:
            The missing and the unexpected keys.

        Raises:
            ArgumentError: sizes differ, or, when `strict`, keys do; nothing was written.
            CallError: `state_dict` is not a mapping.
        """
        if not isinstance(state_dict, Mapping):
            raise CallError(f"load_state_dict: state_dict must be a mapping, got {type(state_dict).__name__}")
        loading = _Loading(state_dict, strict, assign)
        loading.plan(self, "")
        loading.finish(self)
        found = IncompatibleKeys(loading.missing, loading.unexpected)
        for module in self.modules():
            for hook in tuple(module._state_hooks.after_load.values()) if module._state_hooks else ():
                hook(module, found)
        return found

    # -- printing ------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The module's own arguments, as shown between the brackets of its text."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        children = [f"({name}): " + indent(repr(module)) for name, module in self._own(MODULE)]
        return layout(self._get_name(), extra_lines, children)

    def __dir__(self) -> list[str]:
        return [name for name in sorted({*object.__dir__(self)}) if not name[0].isdigit()]


def indent(text: str) -> str:
    """All lines but the first moved in by two."""
    return text.replace("\n", "\n  ")


def layout(name: str, extra_lines: list[str], children: list[str]) -> str:
    """A module's text: one line when it has no children, else an indented tree."""
    if len(extra_lines) == 1 and not children:
        return f"{name}({extra_lines[0]})"
    lines = extra_lines + children
    return f"{name}(" + (("\n  " + "\n  ".join(lines) + "\n") if lines else "") + ")"


def _zeros_like(tensor: Tensor) -> Tensor:
    from ..ops.likes import zeros_like

    return zeros_like(tensor)


class Members(MutableMapping[str, Any]):
    """A module's parameters, buffers or children as a mapping that reads and writes its attributes."""

    def __init__(self, module: Module, *roles: str) -> None:
        self._module = module
        self._wanted = roles

    def __getitem__(self, name: str) -> Any:
        if self._module._roles.get(name) not in self._wanted:
            raise KeyError(name)
        return self._module.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        roles = self._module._roles
        if roles.get(name) not in self._wanted:
            roles.pop(name, None)
            roles[name] = self._wanted[0]
        self._module.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        self[name]
        del self._module._roles[name]
        del self._module.__dict__[name]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._module._own(*self._wanted)])

    def __len__(self) -> int:
        return len(self._module._own(*self._wanted))

    def __repr__(self) -> str:
        return repr(dict(self))


class _Loading:
    """One `load_state_dict`: first all checks and conversions, then all writes."""

    def __init__(self, state: Mapping[str, Any], strict: bool, assign: bool) -> None:
        self.metadata = getattr(state, "_metadata", {})
        self.state: OrderedDict[str, Any] = OrderedDict(state)
        self.strict = strict
        self.assign = assign
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.wrong: list[str] = []
        self.used: set[str] = set()
        self.tensors: list[tuple[Module, str, Any, Tensor]] = []
        self.extras: list[tuple[Module, Any]] = []

    def plan(self, module: Module, prefix: str) -> None:
        """Matches the module and all below it with the state's entries."""
        hooks = module._state_hooks
        for hook in tuple(hooks.before_load.values()) if hooks else ():
            local = self.metadata.get(prefix[:-1], {})
            hook(module, self.state, prefix, local, self.strict, self.missing, self.unexpected, self.wrong)
        for name, target in module._own_state():
            key = prefix + name
            self.used.add(key)
            if key not in self.state:
                self.missing.append(key)
            elif self._fits(key, target, self.state[key]):
                self.tensors.append((module, name, target, self.state[key]))
        if module._has_extra_state():
            key = prefix + EXTRA_STATE
            self.used.add(key)
            if key in self.state:
                self.extras.append((module, self.state[key]))
            else:
                self.missing.append(key)
        for name, child in module._own(MODULE):
            if child is not None:
                self.plan(child, f"{prefix}{name}.")

    def _fits(self, key: str, target: Tensor, value: Any) -> bool:
        if not isinstance(value, Tensor):
            self.wrong.append(f"{key} must be a tensor, got {type(value).__name__}")
        elif value._array.shape != target._array.shape:
            shapes = f"{tuple(value.shape)} in the state for {tuple(target.shape)} in the module"
            self.wrong.append(f"size mismatch for {key}: {shapes}")
        elif value.is_complex() and not target.is_complex() and not self.assign:
            self.wrong.append(f"{key} is {value.dtype.name} in the state but {target.dtype.name} in the module")
        elif target.is_meta and not value.is_meta and not self.assign:
            warnings.warn(
                f"load_state_dict: {key} is on the meta device and keeps no values; pass assign=True", stacklevel=5
            )
        else:
            return True
        return False

    def finish(self, module: Module) -> None:
        """Raises if anything does not fit, else writes."""
        self.unexpected += [key for key in self.state if key not in self.used]
        problems = list(self.wrong)
        if self.strict and self.unexpected:
            problems.append("unexpected keys: " + ", ".join(self.unexpected))
        if self.strict and self.missing:
            problems.append("missing keys: " + ", ".join(self.missing))
        if problems:
            listed = "".join(f"\n  {problem}" for problem in problems)
            raise ArgumentError(f"load_state_dict: state must fit {type(module).__name__}, got:{listed}")
        if self.assign:
            for owner, name, target, value in self.tensors:
                owner.__dict__[name] = _assigned(target, value)
        else:
            from ..dispatcher._write import write

            staged = [(t, v.detach().to(device=t.device, dtype=t.dtype)) for _, _, t, v in self.tensors]
            for target, value in staged:
                write(target, value)
        for owner, extra in self.extras:
            owner.set_extra_state(extra)


def _assigned(target: Tensor, value: Tensor) -> Tensor:
    if isinstance(target, Parameter) and not isinstance(value, Parameter):
        return Parameter(value, requires_grad=target.requires_grad)
    return value
