# SPDX-License-Identifier: Apache-2.0
"""`tensor[key]` and `tensor[key] = value`.

Ints, slices, None and Ellipsis give a view; tensors, arrays and lists of positions or truth values give a copy. As in
PyTorch, ints select first; the dims of the positions then stand where the indexed dims were, or in front where those
are not neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtype
from .._config import grad_enabled
from .._errors import CallError, DimError, DTypeError, ShapeError
from .._shape import Shape, basic_index_geometry
from ..dispatcher import _fallback
from ..dispatcher._bind import is_scalar
from ..dispatcher._dispatch import find_kernel, run_kernel
from ..dispatcher._record import rebase, record
from ..dispatcher._write import check_writable, inplace, write
from ..tensor._storage import Storage
from ..tensor._tensor import Tensor, make_tensor, make_view, new, ref
from .indexing import INDEX, basic_index, broadcasts_to, index, indexed_shape, put_at
from .masking import masked_fill
from .strided import host_tensor
from .view import reshape

BASIC = frozenset((int, slice, type(None), type(Ellipsis)))
"""Types of a key's items that a view can serve."""

_record_basic = basic_index.op
_index_op = index.op
_ALL = slice(None)
_observers = _fallback.observers


def _getitem(self: Tensor, key: Any) -> Tensor:
    cls = key.__class__
    kind = self._kind
    if cls is int:
        items: Any = (key, Ellipsis)
    elif cls is tuple:
        for item in key:
            if item.__class__ not in BASIC or (item.__class__ is slice and item.step is not None):
                return _getitem_general(self, key)
        items = key if Ellipsis in key else (*key, Ellipsis)
    elif cls is slice and key.step is None:
        items = (key, Ellipsis)
    else:
        return _getitem_general(self, key)
    try:
        array = kind.backend.basic_index(self._array, items)
    except Exception:
        return _getitem_general(self, key)
    # As make_view, written out: this is the shortest of all paths.
    tensor: Tensor = new(Tensor)
    tensor._array = array
    tensor._kind = kind
    tensor._node = None
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage(self._array, kind)
    tensor._storage = storage
    root = self._base
    tensor._base = self if root is None else root
    views = storage._views
    views.append(ref(tensor))
    if len(views) >= storage.look_at:
        storage.forget_dead_views()
    if self._node is not None and grad_enabled.get():
        record(_record_basic, (self, _frozen(items)), tensor)
    if _observers:
        _fallback.tell("basic_index", kind.backend.name, "view")
    return tensor


def _frozen(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with plain ints for what else may bound a slice: a tensor there could change before the backward pass."""
    if any(k.__class__ is slice and (_loose(k.start) or _loose(k.stop) or _loose(k.step)) for k in items):
        return tuple(_plain_slice(k) if isinstance(k, slice) else k for k in items)
    return items


def _loose(bound: Any) -> bool:
    return bound is not None and bound.__class__ is not int


def _plain_slice(key: slice) -> slice:
    try:
        return slice(*[None if b is None else b.__index__() for b in (key.start, key.stop, key.step)])
    except (AttributeError, TypeError):
        raise CallError(f"index: slices take ints or None, got {key}") from None


# -- keys of any kind ------------------------------------------------------------------------------------------------


def _getitem_general(self: Tensor, key: Any) -> Tensor:
    if isinstance(key, Tensor):
        if key._kind.dtype is _dtype.bool_ and key._array.shape == self._array.shape != ():
            return self.masked_select(_beside(key, self))
        if key._kind.dtype is _dtype.int64 and key._array.shape and self._array.shape and not _observers:
            return _rows(self, _beside(key, self))
    basic, indices, dims = parse_key(self, key)
    if not indices:
        return basic_view(self, basic)
    return index(_part(self, basic), indices, dims)


def _rows(self: Tensor, key: Tensor) -> Tensor:
    """`index` with one tensor of positions of dim 0: the common case, without the general path's checks."""
    kind = self._kind
    kernel = None if kind.is_meta else find_kernel(_index_op, kind.backend, kind.dtype)
    if kernel is None:
        return index(self, [key], (0,))
    array = run_kernel(_index_op, kernel, (self, [key], (0,)))
    tensor = make_tensor(array if type(array) is kind.handle_type else kind.backend.wrap(array, kind.dtype), kind)
    if self._node is not None and grad_enabled.get():
        record(_index_op, (self, [key], (0,)), tensor)
    return tensor


def basic_view(self: Tensor, key: tuple[Any, ...]) -> Tensor:
    """The view that a key of ints, slices and None selects, recorded.

    Raises:
        DimError: an int is out of range.
        ArgumentError: a step is below 1.
    """
    array, backend = self._array, self._kind.backend
    shape, strides, offset = basic_index_geometry(tuple(array.shape), backend.strides(array), key)
    seen = make_view(backend.view(array, shape, strides, offset), self._kind, self)
    if self._node is not None and grad_enabled.get():
        record(_record_basic, (self, key), seen)
    if _observers:
        _fallback.tell("basic_index", backend.name, "view")
    return seen


def parse_key(self: Tensor, key: Any) -> tuple[tuple[Any, ...], list[Tensor], Shape]:
    """A key as a basic one, and positions with the dims they index in what the basic one selects.

    Raises:
        DimError: more indices than dims, or a mask of another shape than the dims it stands for.
        CallError: an item that is no index. DTypeError: a tensor of a dtype that is none.
    """
    shape = tuple(self._array.shape)
    items = [_item(k, self) for k in (key if isinstance(key, tuple) else (key,))]
    used = sum(_dims_used(k) for k in items)
    if used > len(shape):
        raise DimError(f"index: too many indices, got {used} for {len(shape)} dims")
    basic: list[Any] = []
    indices: list[Tensor] = []
    dims: list[int] = []
    dim = place = 0  # of the input, and of what the basic key selects
    for k in items:
        if k is Ellipsis:
            rest, used = len(shape) - used, len(shape)  # the first one stands for all dims not named
            basic.extend([slice(None)] * rest)
            dim, place = dim + rest, place + rest
        elif k is None:
            basic.append(None)
            place += 1
        elif isinstance(k, slice):
            basic.append(k)
            dim, place = dim + 1, place + 1
        elif isinstance(k, bool):
            basic.append(None)
            indices.append(host_tensor(np.arange(int(k)), self))
            dims.append(place)
            place += 1
        elif isinstance(k, int):
            basic.append(k)
            dim += 1
        else:
            n = _dims_used(k)
            if k._kind.dtype in INDEX:
                indices.append(k)
            else:
                _check_mask(k, shape[dim : dim + n])
                indices.extend(k.nonzero(as_tuple=True))
            dims.extend(range(place, place + n))
            basic.extend([slice(None)] * n)
            dim, place = dim + n, place + n
    return tuple(basic), indices, tuple(dims)


def _item(k: Any, beside: Tensor) -> Any:
    """One item of a key as an int, a bool, a slice, None, Ellipsis, or a tensor with dims beside the indexed one."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return k
    if isinstance(k, slice):
        return _plain_slice(k)
    if isinstance(k, np.bool_):
        return bool(k)
    if isinstance(k, (list, range, np.ndarray)) or (isinstance(k, tuple) and k):
        k = _from_host(k, beside)
    if not isinstance(k, Tensor):
        if hasattr(k, "__index__"):
            return k.__index__()
        raise CallError(
            f"index: takes ints, slices, None, Ellipsis and tensors or lists of positions or truth values, got {k!r}"
        )
    if k._kind.dtype not in INDEX and k._kind.dtype not in (_dtype.bool_, _dtype.uint8):
        if not k._array.shape and k._kind.dtype.category == 1:
            return int(k.item())
        raise DTypeError(f"index: tensors of positions must be int64, int32, uint8 or bool, got {k.dtype.name}")
    if not k._array.shape and not k._kind.is_meta:
        return bool(k.item()) if k._kind.dtype in (_dtype.bool_, _dtype.uint8) else int(k.item())
    return _beside(k, beside)


def _beside(k: Tensor, other: Tensor) -> Tensor:
    return k if k._kind.device is other._kind.device else k.to(other._kind.device)


def _from_host(k: Any, beside: Tensor) -> Tensor:
    """A list or an array of positions or truth values as a tensor; signed integers of any width are positions."""
    try:
        host = np.asarray(_values(k))
    except ValueError:
        raise CallError(f"index: lists of positions must be rectangular, got {k!r}") from None
    if host.size == 0 and host.dtype.kind == "f" and not isinstance(k, np.ndarray):
        host = host.astype(np.int64)
    if host.dtype.kind == "i" or (host.dtype.kind == "u" and host.dtype.itemsize > 1):
        host = host.astype(np.int64, copy=False)
    elif host.dtype.kind not in "bu":
        raise CallError(f"index: lists and arrays must hold integers or truth values, got {k!r}")
    return host_tensor(host, beside)


def _values(k: Any) -> Any:
    if isinstance(k, Tensor):
        return k.tolist()
    return [_values(v) for v in k] if isinstance(k, (list, tuple)) else k


def _dims_used(k: Any) -> int:
    if isinstance(k, Tensor):
        return 1 if k._kind.dtype in INDEX else len(k._array.shape)
    return 0 if k is None or k is Ellipsis or isinstance(k, bool) else 1


def _check_mask(mask: Tensor, part: Shape) -> None:
    if tuple(mask._array.shape) != part:
        raise DimError(f"index: mask must have the shape of what it indexes, got {tuple(mask.shape)} for {part}")


# -- assignment ------------------------------------------------------------------------------------------------------


def _setitem(self: Tensor, key: Any, value: Any) -> None:
    if (self._node is None or not grad_enabled.get()) and _assign_plainly(self, key, value):
        return
    if isinstance(key, Tensor) and key._kind.dtype is _dtype.bool_ and _is_single(value):
        if key._array.shape != self._array.shape[: key.dim()]:
            _check_mask(key, tuple(self._array.shape[: key.dim()]))
        mask = _beside(key, self)
        if key.dim() < self.dim():
            mask = reshape(mask, tuple(mask.shape) + (1,) * (self.dim() - mask.dim()))
        inplace(masked_fill.op, (self, mask, _like(value, self)), {})
        return
    basic, indices, dims = parse_key(self, key)
    if indices:
        part = _part(self, basic)
        if not is_scalar(value):
            value = _fit(_like(value, self), indexed_shape("index_put_", tuple(part._array.shape), indices, dims)[0])
        inplace(put_at.op, (part, indices, dims, _number(value, self), False), {})
    else:
        part = basic_view(self, basic)
        check_writable("index_put_", part)
        value = _fit(_like(value, self), tuple(part._array.shape))
        write(part, value)
        if grad_enabled.get() and (part._node is not None or value._node is not None):
            rebase(part, value)


def _assign_plainly(self: Tensor, key: Any, value: Any) -> bool:
    """The common assignment: a basic key, no history, and a number or a tensor of the kind and shape selected."""
    kind = self._kind
    items = key if key.__class__ is tuple else (key,)
    for item in items:
        if item.__class__ not in BASIC or (item.__class__ is slice and item.step is not None):
            return False
    try:
        backend = kind.backend
        array = backend.basic_index(self._array, items if Ellipsis in items else (*items, Ellipsis))
        cls = value.__class__
        if cls is int or cls is float:
            if kind.handle_type is not np.ndarray or kind.dtype.category < (2 if cls is float else 1):
                return False
            source = value
        elif (
            value._kind is not kind
            or value._array.shape != array.shape
            or (value._node is not None and grad_enabled.get())
        ):
            return False
        else:
            source = value._array
            if value._storage is not None:
                source = backend.copy(source)  # it may be this memory
        if _observers or (self._base is not None and 0 in backend.strides(array)):
            return False
        backend.write(array, source)
    except Exception:  # as in _getitem: the general path says what is wrong
        return False
    storage = self._storage
    if storage is None:
        storage = self._storage = Storage(self._array, kind)
    storage.mark_written()
    return True


def _is_single(value: Any) -> bool:
    return is_scalar(value) or (isinstance(value, Tensor) and not value._array.shape)


def _part(self: Tensor, basic: tuple[Any, ...]) -> Tensor:
    """What a basic key selects: the tensor itself where that is all of it."""
    return self if all(k.__class__ is slice and k == _ALL for k in basic) else basic_view(self, basic)


def _number(value: Any, target: Tensor) -> Any:
    """A real number as the target's dtype would hold it: cut to an integer, or true unless 0."""
    category = target._kind.dtype.category
    if isinstance(value, Tensor) or category > 1 or not isinstance(value, (int, float)):
        return value
    return int(value) if category else bool(value)


def _like(value: Any, target: Tensor) -> Tensor:
    """A value to assign as a tensor of the target's dtype and device."""
    kind = target._kind
    if isinstance(value, Tensor):
        return value if value._kind is kind else value.to(device=kind.device, dtype=kind.dtype)
    host = np.asarray(_values(value)) if not isinstance(value, np.ndarray) else value
    if host.dtype.kind not in "biufc" and host.dtype != kind.dtype.numpy:
        raise CallError(f"index_put_: takes a tensor, a number or a sequence of numbers, got {value!r}")
    if host.dtype.kind == "c" and kind.dtype.category < 3:
        raise DTypeError(f"index_put_: value cannot be cast to the target, got {value!r} for {kind.dtype.name}")
    return host_tensor(host.astype(kind.dtype.numpy), target)


def _fit(value: Tensor, shape: Shape) -> Tensor:
    """`value` without leading dims of size 1 that the target does not have.

    Raises:
        ShapeError: it does not broadcast to `shape`.
    """
    given = tuple(value._array.shape)
    extra = len(given) - len(shape)
    kept = given[extra:] if extra > 0 and all(n == 1 for n in given[:extra]) else given
    if not broadcasts_to(kept, shape):
        raise ShapeError(f"index_put_: value must broadcast to what the key selects, got {given} for {shape}")
    return value if kept == given else reshape(value, kept)


Tensor.__getitem__ = _getitem  # type: ignore[method-assign]
Tensor.__setitem__ = _setitem  # type: ignore[method-assign]
