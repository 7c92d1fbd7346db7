# SPDX-License-Identifier: Apache-2.0
"""The function users call for an op: the shortest path its schema allows.

The common path is a look-up (by kind, or by kinds, shapes and attributes), the kernel, and the slots of a new tensor.
Everything else (numbers of another category, promotion, checks, bodies, fallback, messages) is in `_dispatch`, which
also fills what is looked up here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .._config import grad_enabled
from ..tensor._tensor import Tensor, make_tensor, make_view, new
from . import _fallback
from ._bind import MISSING, bind
from ._dispatch import dispatch, dispatch_factory, dispatch_view, find_kernel
from ._plans import RETRY, add_plan, holds_tensor
from ._record import record, record_pair
from ._write import store_out, write_out

if TYPE_CHECKING:
    from ..op._declare import Op


def entry(op: Op) -> Callable[..., Any]:
    """The function users call for `op`: the shortest path its schema allows."""
    if op.is_view:
        return _view_entry(op)
    if op.is_factory:
        return _factory_entry(op)
    if op.is_pointwise and len(op.kernel_params) == 1:
        return _unary_entry(op)
    if (op.is_pointwise or op.kernel_checks) and len(op.kernel_params) == 2 and op.operands == (0, 1):
        return _binary_entry(op)
    if op.operands == (0,) and not op.has_lists:
        return _single_entry(op)
    if op.operands == (0,) and op.params[0].is_list:
        return _list_entry(op)
    if op.operands == (0, 1, 2) and len(op.kernel_params) == len(op.params) == 3 and not op.has_lists:
        return _triple_entry(op, _general_entry(op))
    return _general_entry(op)


def _triple_entry(op: Op, general: Callable[..., Any]) -> Callable[..., Any]:
    """For three operands and nothing else, all of one kind, as `linear`: remembered by kind and shapes."""
    find: Any = op.table.get  # as in _unary_entry
    rules = op.rules

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return general(*args, **kwargs)
        try:
            first, second, third = args
            kind = first._kind
            if second._kind is not kind or third._kind is not kind:
                return general(*args)
            one, two, three = first._array, second._array, third._array
            kernel, result_kind = find((kind, one.shape, two.shape, three.shape))
            array = kernel(one, two, three)
        except Exception:  # an operand left out, nothing remembered, or a kernel that refuses
            return general(*args)
        if type(array) is not kind.handle_type:
            array = kind.backend.wrap(array, result_kind.dtype)
        result: Tensor = new(Tensor)
        result._array = array
        result._kind = result_kind
        result._node = None
        result._storage = None
        result._base = None
        wanted = first._node is not None or second._node is not None or third._node is not None
        if wanted and grad_enabled.get():
            if not rules:
                return general(*args)
            record(op, args, result)
        return result

    return call


def _unary_entry(op: Op) -> Callable[..., Any]:
    find: Any = op.table.get  # a miss is None, whose unpacking fails into the full path
    slow = functools.partial(call_slow, op)
    rules = op.rules

    def call(input: Any = MISSING, /, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return slow(_given(input, args), kwargs)
        try:
            kind = input._kind
            kernel, result_kind = find(kind)
            array = kernel(input._array)
        except Exception:  # not a tensor, nothing remembered, or a kernel that refuses: the full path says which
            return slow((input,), kwargs)
        if type(array) is not kind.handle_type:
            array = kind.backend.wrap(array, result_kind.dtype)
        result: Tensor = new(Tensor)
        result._array = array
        result._kind = result_kind
        result._node = None
        result._storage = None
        result._base = None
        if input._node is not None and grad_enabled.get():
            if rules:
                record_pair(op, input, None, result, result_kind)
            elif op.differentiable:  # through its body
                return slow((input,), kwargs)
        return result

    return call


def _binary_entry(op: Op, slow: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """`slow` replaces the way off the common path: Python's operators ask there whether the call is theirs."""
    find: Any = op.table.get  # a miss is None, whose unpacking fails into the full path
    slow = slow or functools.partial(call_slow, op)
    rules = op.rules

    def call(input: Any = MISSING, other: Any = MISSING, /, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return slow(tuple(v for v in (input, other, *args) if v is not MISSING), kwargs)
        try:
            kind = input._kind
            cls = other.__class__
            if cls is float or cls is int:
                kernel, result_kind = find((kind, cls))
                array = kernel(input._array, other)
                node = input._node
            else:
                if other._kind is not kind:
                    return slow((input, other), kwargs)
                kernel, result_kind = find(kind)
                array = kernel(input._array, other._array)
                node = input._node or other._node
        except Exception:  # as in _unary_entry
            return slow((input, other) if other is not MISSING else (input,), kwargs)
        if type(array) is not kind.handle_type:
            array = kind.backend.wrap(array, result_kind.dtype)
        result: Tensor = new(Tensor)
        result._array = array
        result._kind = result_kind
        result._node = None
        result._storage = None
        result._base = None
        if node is not None and grad_enabled.get():
            if rules:
                record_pair(op, input, other, result, result_kind)
            elif op.differentiable:  # through its body
                return slow((input, other), kwargs)
        return result

    return call


def _single_entry(op: Op) -> Callable[..., Any]:
    """For ops of one tensor and attributes: calls are remembered by kind, shape and attributes as given."""
    find = op.plans.get

    def call(input: Any = MISSING, /, *args: Any, **kwargs: Any) -> Any:
        key: Any = None
        try:
            if kwargs and len(kwargs) == 1 and not args:
                ((name, value),) = kwargs.items()
                key = (input._kind, input._array.shape, name, value, value.__class__)
            elif kwargs:
                key = (input._kind, input._array.shape, args, tuple(kwargs.items()), *types_of(args, kwargs))
            elif len(args) == 1:  # the common numbers of attributes, without a call
                key = (input._kind, input._array.shape, args, args[0].__class__)
            elif args:
                key = (input._kind, input._array.shape, args, *types_of(args))
            else:
                key = (input._kind, input._array.shape, args)
            plan = find(key)
            if plan is not None and (result := plan((input,))) is not RETRY:
                return result
        except (AttributeError, TypeError):  # not a tensor, or an unhashable attribute
            key = None
        out = kwargs.pop("out", None) if kwargs else None
        args = bind(op, _given(input, args), kwargs)
        return dispatch(op, args, key) if out is None else write_out(op, args, out)

    return call


def types_of(args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Iterator[type[Any]]:
    """Types of attributes, for keys: 1, 1.0 and True are equal, and do not mean the same."""
    return map(type, (*args, *kwargs.values()) if kwargs else args)


def _given(first: Any, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """The positional arguments; the first may have been given by name."""
    return rest if first is MISSING else (first, *rest)


def _list_entry(op: Op) -> Callable[..., Any]:
    """For ops of one list of tensors and attributes: calls on tensors of one kind are remembered by their shapes."""
    find = op.plans.get
    rules = op.rules

    def call(tensors: Any = MISSING, /, *args: Any, **kwargs: Any) -> Any:
        key = None
        try:
            kind = tensors[0]._kind
            handles = []
            shapes = [kind]
            node = None
            for tensor in tensors:
                if tensor._kind is not kind:
                    break
                handles.append(tensor._array)
                shapes.append(tensor._array.shape)
                node = node or tensor._node
            else:
                if kwargs:
                    key = (tuple(shapes), args, tuple(kwargs.items()), *types_of(args, kwargs))
                elif args:
                    key = (tuple(shapes), args, args[0].__class__, *types_of(args[1:]))
                else:
                    key = (tuple(shapes), args)
                plan = find(key)
                if plan is not None:
                    kernel, rest, result_kind = plan
                    array = kernel(handles, *rest)
                    if type(array) is not kind.handle_type and kind.handle_type is not None:
                        array = kind.backend.wrap(array, result_kind.dtype)
                    out = make_tensor(array, result_kind)
                    if node is not None and rules and grad_enabled.get():
                        record(op, (list(tensors), *rest), out)
                    return out
        except Exception:  # as in _unary_entry
            key = None
        target = kwargs.pop("out", None) if kwargs else None
        bound = bind(op, _given(tensors, args), kwargs)
        if target is not None:
            return write_out(op, bound, target)
        out = dispatch(op, bound)
        if key is not None and not kind.is_meta and (rules or not op.differentiable) and not _fallback.observers:
            given = op.front(*bound) if op.front is not None else bound
            compute, results = op.infer_dtypes(given)
            kernel = find_kernel(op, kind.backend, compute)
            plain = not any(map(holds_tensor, (*args, *kwargs.values())))  # a tensor's value may change
            if plain and kernel is not None and compute is kind.dtype and type(results) is not tuple:
                add_plan(op, key, (kernel, given[1:], kind.with_dtype(results)))
        return out

    return call


def _general_entry(op: Op) -> Callable[..., Any]:
    """For everything else: as `_single_entry`, with the kinds and shapes of the operands in the key."""
    leading = len(op.operands) if op.operands == tuple(range(len(op.operands))) and not op.has_lists else 0
    scattered = frozenset(i for i, p in enumerate(op.params) if p.is_operand and not (leading or op.has_lists))
    find = op.plans.get
    pair = leading == 2

    def call(*args: Any, **kwargs: Any) -> Any:
        key: Any = None
        parts: list[Any]
        if (leading or scattered) and not kwargs:
            try:
                if pair:
                    input, other = args[:2]
                    rest = args[2:]
                    key = (input._kind, input._array.shape, other._kind, other._array.shape, rest, *types_of(rest))
                elif scattered:
                    parts = []
                    for i, value in enumerate(args):
                        if i not in scattered or value is None:
                            parts += (value, value.__class__)
                        elif value.__class__ is float or value.__class__ is int:
                            parts.append(repr(value))
                        else:
                            parts.append(value._kind)
                            parts.append(value._array.shape)
                    key = tuple(parts)
                else:
                    rest = args[leading:]
                    parts = [rest, *types_of(rest)] if rest else [rest]
                    for value in args[:leading]:
                        if value is None:
                            parts.append(None)
                        elif value.__class__ is float or value.__class__ is int:
                            parts.append(repr(value))  # tells -0.0 from 0.0, and 1 from 1.0
                        else:
                            parts.append(value._kind)
                            parts.append(value._array.shape)
                    key = tuple(parts)
                plan = find(key)
                if plan is not None and (result := plan(args)) is not RETRY:
                    return result
            except (AttributeError, TypeError, ValueError):
                key = None
        out = kwargs.pop("out", None) if kwargs else None
        args = bind(op, args, kwargs)
        return dispatch(op, args, key) if out is None else write_out(op, args, out)

    return call


def _view_entry(op: Op) -> Callable[..., Any]:
    """For views: the normalised attributes are remembered by kind, shape and attributes as given."""
    find = op.plans.get
    rules = op.rules

    def call(input: Any = MISSING, /, *args: Any, **kwargs: Any) -> Any:
        try:
            kind = input._kind
            if kwargs:
                key = (kind, input._array.shape, args, tuple(kwargs.items()), *types_of(args, kwargs))
            elif len(args) == 2:  # the common numbers of attributes, without a call
                key = (kind, input._array.shape, args, args[0].__class__, args[1].__class__)
            elif len(args) == 1:
                key = (kind, input._array.shape, args, args[0].__class__)
            else:
                key = (kind, input._array.shape, args, *types_of(args))
            plan = find(key)
        except (AttributeError, TypeError):
            plan = key = None
        if plan is None:
            return dispatch_view(op, bind(op, _given(input, args), kwargs), key)
        bound, short, attributes = plan
        handle = input._array
        if bound is not None:
            array = bound(handle)
        else:
            array = None if short is None else short(handle, *attributes)
        if array is None:
            backend = kind.backend
            array = backend.view(handle, *op.geometry(handle.shape, backend.strides(handle), *attributes))
        out = make_view(array, kind, input)
        if input._node is not None and rules and grad_enabled.get():
            record_pair(op, input, None, out, kind, attributes)
        return out

    return call


def _factory_entry(op: Op) -> Callable[..., Any]:
    def call(*args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        kwargs.pop("layout", None)
        kwargs.pop("pin_memory", None)
        result = dispatch_factory(op, bind(op, args, kwargs), dtype, device)
        if out is not None:
            return store_out(op, result, out)
        return result.requires_grad_() if requires_grad else result

    return call


def call_slow(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call off the common path: binds, handles `out=`, dispatches."""
    out = kwargs.pop("out", None) if kwargs else None
    args = bind(op, args, kwargs)
    if out is not None:
        return write_out(op, args, out)
    return dispatch(op, args)
