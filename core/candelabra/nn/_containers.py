# SPDX-License-Identifier: Apache-2.0
"""Modules that hold modules or parameters in a list or a dict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._errors import ArgumentError, CallError, DimError
from ..tensor._tensor import Tensor
from ._module import MODULE, PARAMETER, Module, indent, layout
from ._parameter import Parameter


class _Numbered(Module):
    """What `Sequential` and `ModuleList` share: children by position, renumbered when one is taken out."""

    def _children(self) -> list[Any]:
        return [module for _, module in self._own(MODULE)]

    def _key(self, index: Any) -> str:
        names = [name for name, _ in self._own(MODULE)]
        position = index.__index__()
        if not -len(names) <= position < len(names):
            raise DimError(f"{type(self).__name__}: index must be in [{-len(names)}, {len(names)}), got {position}")
        return names[position]

    def _refill(self, modules: Iterable[Any]) -> None:
        """Replaces all children, numbered from 0."""
        for name, _ in self._own(MODULE):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.register_module(str(i), module)

    def __len__(self) -> int:
        return len(self._own(MODULE))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._children())

    def __getitem__(self, index: Any) -> Any:
        return self.__dict__[self._key(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        modules = self._children()
        if not isinstance(index, slice):
            self._key(index)
        del modules[index]
        self._refill(modules)

    def append(self, module: Module) -> Any:
        """Adds a module at the end; returns this container."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds modules at the end; returns this container.

        Raises:
            CallError: `modules` is not iterable.
        """
        if not isinstance(modules, Iterable):
            raise CallError(f"{type(self).__name__}.extend: takes an iterable of modules, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Puts a module before position `index`; returns this container."""
        modules = self._children()
        modules.insert(index, module)
        self._refill(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        """Takes a module out and returns it."""
        module = self[key]
        del self[key]
        return module

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(other)


class Sequential(_Numbered):
    """Modules called one after the other, each on the result of the one before.

    Args:
        args: the modules, or one dict of them.

    Example:
        >>> model = cb.nn.Sequential(cb.nn.Linear(4, 3), cb.nn.ReLU(), cb.nn.Linear(3, 2))
        >>> model(cb.ones(5, 4)).shape
        candelabra.Size([5, 2])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], Mapping) else enumerate(args)
        for name, module in named:
            self.register_module(str(name), module)

    def forward(self, input: Any) -> Any:
        own = self.__dict__
        for name, role in own["_roles"].items():
            if role is MODULE:
                input = own[name](input)
        return input

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(self._own(MODULE)[index]))
        return super().__getitem__(index)

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise CallError(f"Sequential: can be joined to a Sequential only, got {type(other).__name__}")
        return Sequential(*self, *other)

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int) or times < 1:
            raise ArgumentError(f"Sequential: can be repeated a positive number of times, got {times!r}")
        return Sequential(*(self._children() * times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Sequential:
        self._refill((self * times)._children())
        return self


class ModuleList(_Numbered):
    """A list of modules whose parameters are the list's.

    Args:
        modules: to start with.

    Example:
        >>> layers = cb.nn.ModuleList([cb.nn.Linear(2, 2) for _ in range(3)])
        >>> len(list(layers.parameters()))
        6
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._children()[index])
        return super().__getitem__(index)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return type(self)([*self, *other])

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []  # (first, last, text) of equal neighbours
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], i, text)
            else:
                runs.append((i, i, text))
        lines = [
            f"({i}): {indent(text)}" if i == j else f"({i}-{j}): {j - i + 1} x {indent(text)}" for i, j, text in runs
        ]
        return layout(type(self).__name__, [], lines)


class ModuleDict(Module):
    """A dict of modules whose parameters are the dict's.

    Args:
        modules: a mapping or (name, module) pairs to start with.

    Example:
        >>> heads = cb.nn.ModuleDict({"a": cb.nn.Linear(2, 1), "b": cb.nn.Identity()})
        >>> list(heads)
        ['a', 'b']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Takes all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Takes a module out and returns it."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """The (name, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Adds or replaces modules.

        Raises:
            CallError: `modules` is neither a mapping nor pairs.
        """
        if not isinstance(modules, Iterable):
            raise CallError(f"ModuleDict.update: takes a mapping or pairs, got {type(modules).__name__}")
        for name, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[name] = module


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    return f"Parameter containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"


class ParameterList(Module):
    """A list of parameters; tensors put into it become parameters, other values stay as they are.

    Args:
        values: to start with.

    Example:
        >>> weights = cb.nn.ParameterList([cb.ones(2), cb.ones(3)])
        >>> [p.numel() for p in weights.parameters()]
        [2, 3]
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def _name(self, index: Any) -> str:
        position = index.__index__()
        if not -self._size <= position < self._size:
            raise DimError(f"ParameterList: index must be in [{-self._size}, {self._size}), got {position}")
        return str(position % self._size)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, str(i)) for i in range(self._size)])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name(index), _as_parameter(value))

    def append(self, value: Any) -> ParameterList:
        """Adds a value at the end; returns this list."""
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Adds values at the end; returns this list.

        Raises:
            CallError: `values` is not an iterable of values.
        """
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise CallError(f"ParameterList.extend: takes an iterable of values, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def __repr__(self) -> str:
        return layout(type(self).__name__, [], [f"({i}): {_described(v)}" for i, v in enumerate(self)])


class ParameterDict(Module):
    """A dict of parameters; tensors put into it become parameters, other values stay as they are.

    Args:
        parameters: a mapping or (name, value) pairs to start with.

    Example:
        >>> weights = cb.nn.ParameterDict({"left": cb.ones(2)})
        >>> weights["left"].requires_grad
        True
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        value = _as_parameter(value)
        if key not in self._keys:
            if hasattr(self, str(key)):
                raise ArgumentError(f"ParameterDict: key must be free, got {key!r}, an attribute of the dict")
            if isinstance(value, Parameter):
                self._register(PARAMETER, key, value)
        self._keys[key] = None
        setattr(self, key, value)

    def __delitem__(self, key: str) -> None:
        self[key]
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._keys))

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def copy(self) -> ParameterDict:
        """Another dict with the same parameters."""
        return ParameterDict(dict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a key, which is set to `default` first where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Takes all values out."""
        for key in self:
            del self[key]

    def pop(self, key: str) -> Any:
        """Takes a value out and returns it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes the last (key, value) pair out and returns it."""
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, `default` where it is missing."""
        return self.__dict__[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with one value for all keys."""
        return ParameterDict([(key, default) for key in keys])

    def keys(self) -> list[str]:
        """The keys."""
        return list(self._keys)

    def items(self) -> list[tuple[str, Any]]:
        """The (key, value) pairs."""
        return [(key, self[key]) for key in self._keys]

    def values(self) -> list[Any]:
        """The values."""
        return [self[key] for key in self._keys]

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | ParameterDict) -> None:
        """Adds or replaces values.

        Raises:
            CallError: `parameters` is neither a mapping nor pairs.
        """
        if not isinstance(parameters, Iterable):
            raise CallError(f"ParameterDict.update: takes a mapping or pairs, got {type(parameters).__name__}")
        for key, value in parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters:
            self[key] = value

    def __repr__(self) -> str:
        return layout(type(self).__name__, [], [f"({key}): {_described(v)}" for key, v in self.items()])
