# SPDX-License-Identifier: Apache-2.0
"""Copies for `copy.deepcopy` and `pickle`: tensors that show one memory do so afterwards too.

Both go by storages, each of which is copied once and whole, however little of it a view shows; a tensor alone on its
memory is copied alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _dtype
from ._node import LeafNode
from ._storage import Storage

if TYPE_CHECKING:
    from ._tensor import Tensor

_alone: ContextVar[bool] = ContextVar("pickled_alone", default=False)


@contextmanager
def pickled_alone() -> Iterator[None]:
    """Within the block views are pickled without the rest of their memory, and share nothing afterwards."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def _extent(shape: Any, strides: Any) -> int:
    """Elements from the first to the last, in memory."""
    return 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))


def _place(tensor: Tensor) -> tuple[Storage, int] | None:
    """The storage a tensor shows and its first byte there; None for one that is to be copied alone.

    That is one without a storage, one whose backend knows no addresses, and one that reaches beyond what the storage's
    own tensor spans.
    """
    if tensor._storage is None:
        return None
    storage = tensor._storage if tensor._storage.source is None else tensor._storage.source
    backend, itemsize = tensor._kind.backend, tensor._kind.dtype.itemsize
    start, own = backend.data_ptr(storage._handle), backend.data_ptr(tensor._array)
    span = _extent(tensor._array.shape, backend.strides(tensor._array)) * itemsize
    held = _elements(storage) * storage._kind.dtype.itemsize
    if not start or not own or not span or not start <= own <= start + held - span or (own - start) % itemsize:
        return None
    if tensor._kind.dtype is not storage._kind.dtype and held % itemsize:
        return None
    return storage, own - start


def _elements(storage: Storage) -> int:
    return _extent(storage._handle.shape, storage._kind.backend.strides(storage._handle))


def _flat(storage: Storage) -> Any:
    """A handle on all elements of a storage, gaps included."""
    return storage._kind.backend.view(storage._handle, (_elements(storage),), (1,), 0)


def _shown(storage: Storage, kind: Any, shape: Any, strides: Any, start: int) -> Any:
    """A handle on part of a flat storage, `start` bytes from its beginning."""
    backend, flat = kind.backend, storage._handle
    if kind.dtype is not storage._kind.dtype:
        flat = backend.view_kernels()["view_dtype"](flat, kind.dtype.numpy)
    return backend.view(flat, tuple(shape), tuple(strides), start // kind.dtype.itemsize)


def copy_memory(tensor: Tensor, memo: dict[Any, Any]) -> tuple[Any, Storage | None]:
    """A copy of a tensor's handle, and its storage, which copies of other tensors found in `memo` share."""
    place = _place(tensor)
    backend = tensor._kind.backend
    if place is None:
        return backend.copy(tensor._array), None
    storage, start = place
    key = ("storage", id(storage))
    if key not in memo:
        # The original is kept, so that nothing else can get its id before the copying ends.
        memo[key] = Storage(backend.copy(_flat(storage)), storage._kind), storage
    fresh = memo[key][0]
    return _shown(fresh, tensor._kind, tensor._array.shape, backend.strides(tensor._array), start), fresh


def reduce_tensor(tensor: Tensor) -> tuple[Any, ...]:
    """What `Tensor.__reduce_ex__` returns."""
    kind, state = tensor._kind, tensor.__dict__ or None
    place = None if _alone.get() else _place(tensor)
    if place is None:
        from ._creation import rebuild_tensor

        host = np.ascontiguousarray(tensor._host()).reshape(tensor._array.shape)
        # The array itself: protocol 5 carries its bytes out of band.
        return rebuild_tensor, (type(tensor), host, kind.dtype.name, str(kind.device), tensor.requires_grad, state)
    storage, start = place
    shape, strides = tuple(tensor._array.shape), tuple(kind.backend.strides(tensor._array))
    return rebuild_view, (type(tensor), storage, kind.dtype.name, shape, strides, start, tensor.requires_grad, state)


def reduce_storage(storage: Storage) -> tuple[Any, ...]:
    """What `Storage.__reduce_ex__` returns."""
    kind = storage._kind
    host = np.ascontiguousarray(kind.backend.to_host(_flat(storage)))
    return rebuild_storage, (host, kind.dtype.name, str(kind.device))


def rebuild_storage(host: np.ndarray[Any, Any], dtype: str, device: str) -> Storage:
    """The inverse of `reduce_storage`."""
    handle, kind = from_pickle(host, dtype, device)
    return Storage(handle, kind)


def rebuild_view(
    cls: type[Tensor],
    storage: Storage,
    dtype: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    start: int,
    requires_grad: bool,
    state: Any,
) -> Tensor:
    """The inverse of `reduce_tensor` for a tensor with a storage."""
    kind = storage._kind.with_dtype(_dtype.dtype_named(dtype))
    return finish(cls, _shown(storage, kind, shape, strides, start), kind, storage, requires_grad, state)


def from_pickle(host: np.ndarray[Any, Any], dtype: str, device: str) -> tuple[Any, Any]:
    """(handle, kind) of an array out of a pickle; takes over its memory where the device is the host."""
    from ..dispatcher._kind import canonical_device, kind_of

    kind = kind_of(canonical_device(device), _dtype.dtype_named(dtype))
    owned = kind.backend.capabilities.host_memory and host.flags.writeable
    return (host if owned else kind.backend.from_host(host, kind.index)), kind


def finish(cls: type[Tensor], handle: Any, kind: Any, storage: Any, requires_grad: bool, state: Any) -> Tensor:
    """A tensor of a class out of its parts."""
    from ._creation import with_class

    fresh = with_class(cls, handle, kind)
    fresh._storage = storage
    if state:
        fresh.__dict__.update(state)
    if requires_grad:
        fresh._node = LeafNode(fresh)
    return fresh
