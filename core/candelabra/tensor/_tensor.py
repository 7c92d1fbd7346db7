# SPDX-License-Identifier: Apache-2.0
"""Tensor: a handle of a backend, its kind (device and dtype), and its place in the backward graph.

Methods that compute are derived from op declarations (`op/_registry.py` attaches them); here is what a tensor *is*.
Five slots are set for every tensor; the rest stay unset until used, which is what keeps a small op cheap:

    _array    the backend's array handle, with its own shape and strides
    _kind     device and dtype, one shared object for each pair
    _node     backward node; None when no gradient is required
    _storage  identity of the memory, shared with views; None until needed
    _base     the tensor this one is a view of; None when it is not a view
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _config
from .._device import device as device_type
from .._dtype import dtype as dtype_type
from .._errors import AutogradError, CallError, DTypeError, ShapeError
from .._layout import check_format
from .._shape import Size, contiguous_strides, is_contiguous
from ._node import LeafNode, Node, RemovableHandle, add_hook
from ._sharing import copy_memory, reduce_tensor
from ._storage import Storage

new = object.__new__
ref = weakref.ref


def make_tensor(array: Any, kind: Any) -> Tensor:
    """A tensor on a fresh handle, without history."""
    tensor: Tensor = new(Tensor)
    tensor._array = array
    tensor._kind = kind
    tensor._node = None
    tensor._storage = None
    tensor._base = None
    return tensor


def make_view(array: Any, kind: Any, base: Tensor) -> Tensor:
    """A tensor on a handle that shows memory of `base`, without history."""
    tensor: Tensor = new(Tensor)
    tensor._array = array
    tensor._kind = kind
    tensor._node = None
    storage = base._storage
    if storage is None:
        storage = base._storage = Storage(base._array, kind)
    tensor._storage = storage
    root = base._base
    tensor._base = base if root is None else root
    views = storage._views
    views.append(ref(tensor))
    if len(views) >= storage.look_at:
        storage.forget_dead_views()
    return tensor


if TYPE_CHECKING:

    class _Open(type):
        """Families attach methods to Tensor: `Tensor.reshape = reshape`."""

        def __getattr__(cls, name: str) -> Any: ...
        def __setattr__(cls, name: str, value: Any) -> None: ...

else:
    _Open = type


class Tensor(metaclass=_Open):
    """A multi-dimensional array of one dtype on one device.

    `Tensor(*sizes)` is uninitialised memory of the default dtype, `Tensor(data)` a float copy of a sequence; prefer
    `candelabra.tensor(data)`, which infers the dtype, and `candelabra.empty(*sizes)`.

    Example:
        >>> cb.Tensor([1, 2]).dtype, cb.Tensor(2, 3).shape
        (candelabra.float32, candelabra.Size([2, 3]))
    """

    __slots__ = ("__dict__", "__weakref__", "_array", "_base", "_grad_slot", "_kind", "_node", "_storage")

    _array: Any
    _kind: Any
    _node: Node | None
    _storage: Storage | None
    _base: Tensor | None
    _grad_slot: Tensor | None

    __array_priority__ = 1000

    if TYPE_CHECKING:
        # Methods derived from op declarations; `candelabra docs --stubs` writes them out for editors.
        def __getattr__(self, name: str) -> Any: ...
        def backward(self, *args: Any, **kwargs: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...

    def __new__(cls, *args: Any, device: Any = None) -> Tensor:
        from ._creation import legacy_tensor

        return legacy_tensor(cls, args, device)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """Sizes of the dims."""
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Sizes of the dims, or the size of one.

        Raises:
            DimError: `dim` is out of range.
        """
        if dim is None:
            return Size(self._array.shape)
        from .._shape import normalize_dim

        if not self._array.shape:
            raise CallError("size: a 0-d tensor has no dims, got dim=" + repr(dim))
        return self._array.shape[normalize_dim("size", dim, len(self._array.shape))]

    @property
    def dtype(self) -> dtype_type:
        """Type of the elements."""
        return self._kind.dtype

    @property
    def device(self) -> device_type:
        """Where the elements live."""
        return self._kind.device

    @property
    def ndim(self) -> int:
        """Number of dims."""
        return len(self._array.shape)

    def dim(self) -> int:
        """Number of dims."""
        return len(self._array.shape)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self._array.shape)

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return self._kind.dtype.itemsize

    def element_size(self) -> int:
        """Bytes an element takes."""
        return self._kind.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes all elements take."""
        return self.numel() * self._kind.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Elements to step over for the next index of each dim, or of one dim."""
        strides = self._kind.backend.strides(self._array)
        if dim is None:
            return strides
        from .._shape import normalize_dim

        return strides[normalize_dim("stride", dim, len(strides))]

    def storage_offset(self) -> int:
        """Elements between the start of the storage and the first element."""
        storage = self._storage
        if storage is None:
            return 0
        backend = self._kind.backend
        return (backend.data_ptr(self._array) - backend.data_ptr(storage._handle)) // self._kind.dtype.itemsize

    def data_ptr(self) -> int:
        """Address of the first element on its device; 0 where the backend has no addresses."""
        return self._kind.backend.data_ptr(self._array)

    def untyped_storage(self) -> Storage:
        """The memory this tensor shows, shared with its views."""
        if self._storage is None:
            self._storage = Storage(self._array, self._kind)
        return self._storage

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """True when elements lie in row-major order (or that of `memory_format`) without gaps."""
        strides = self._kind.backend.strides(self._array)
        shape = self._array.shape
        if memory_format is not None:
            check_format("is_contiguous", memory_format)
            if memory_format.order is None:
                return is_contiguous(shape, strides)
            if memory_format.rank not in (None, len(shape)):
                return False
            order = memory_format.order(len(shape))
            shape = tuple(shape[i] for i in order)
            strides = tuple(strides[i] for i in order)
        return is_contiguous(shape, strides)

    @property
    def layout(self) -> Any:
        """Layout of the elements; `candelabra.strided`."""
        from .._layout import strided

        return strided

    def is_floating_point(self) -> bool:
        """True for floating dtypes."""
        return self._kind.dtype.is_floating_point

    def is_complex(self) -> bool:
        """True for complex dtypes."""
        return self._kind.dtype.is_complex

    def is_signed(self) -> bool:
        """True for dtypes with negative values."""
        return self._kind.dtype.is_signed

    @property
    def is_meta(self) -> bool:
        """True for shapes without data."""
        return self._kind.is_meta

    def __len__(self) -> int:
        shape = self._array.shape
        if not shape:
            raise CallError("len: a 0-d tensor has no length, got shape ()")
        return shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._array.shape:
            raise CallError("iter: a 0-d tensor cannot be iterated over, got shape ()")
        return iter(self.unbind(0))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        from ._format import format_tensor

        return format_tensor(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self._array.shape else format(repr(self), spec)

    # -- reading values ------------------------------------------------------------------------------------------

    def _host(self) -> np.ndarray[Any, Any]:
        return self._kind.backend.to_host(self._array)

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The elements as a NumPy array, sharing memory where the device's memory is the host's.

        Args:
            force: detach and copy to the host first where needed.

        Raises:
            AutogradError: the tensor requires a gradient and `force` is not set.
            DeviceError: it is not in host memory and `force` is not set.
        """
        if self._node is not None and not force and _config.grad_enabled.get():
            raise AutogradError("numpy: tensor requires a gradient, got requires_grad=True; use .detach().numpy()")
        if not self._kind.backend.capabilities.host_memory and not force:
            from .._errors import DeviceError

            raise DeviceError(f'numpy: tensor is not in host memory, got device "{self.device}"; use .cpu().numpy()')
        return self._host()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # `ndarray + tensor` comes here too: NumPy would take the tensor apart element by element.
        from ..ops._ufuncs import apply_ufunc

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def tolist(self) -> Any:
        """The elements as nested lists of Python scalars; a scalar for a 0-d tensor."""
        host = self._host()
        if host.dtype.kind == "V" or (host.dtype.itemsize == 1 and host.dtype.kind == "f"):
            host = host.astype(np.float32)
        return host.tolist()

    def item(self) -> Any:
        """The one element as a Python scalar.

        Raises:
            ShapeError: the tensor has more or fewer than one element.
        """
        host = self._host()
        if host.size != 1:
            raise ShapeError(f"item: tensor must have one element, got shape {tuple(self._array.shape)}")
        value = host.reshape(()).item()
        return value if type(value) in (int, float, bool, complex) else float(value)

    def __bool__(self) -> bool:
        if math.prod(self._array.shape) != 1:
            raise ShapeError(
                f"bool: truth of a tensor with other than one element is ambiguous, got shape {tuple(self._array.shape)}; "
                "use .any() or .all()"
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._kind.dtype.category > 1:
            raise DTypeError(f"index: only integer tensors can be an index, got {self._kind.dtype.name}")
        return int(self.item())

    # -- gradients -----------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded for the backward pass."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets whether a gradient is wanted; only a leaf can be told not to.

        Raises:
            AutogradError: a result of other tensors is told not to require a gradient.
            DTypeError: the dtype is not floating or complex.
        """
        node = self._node
        if requires_grad and node is None:
            if self._kind.dtype.category < 2:
                raise DTypeError(
                    f"requires_grad_: only floating and complex tensors have gradients, got {self._kind.dtype.name}"
                )
            self._node = LeafNode(self)
        elif not requires_grad and node is not None:
            if not isinstance(node, LeafNode):
                raise AutogradError(
                    "requires_grad_: only a leaf can stop requiring a gradient, got the result of "
                    f"{node.name()}; use .detach()"
                )
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """True when the tensor is not the recorded result of an op."""
        return self._node is None or isinstance(self._node, LeafNode)

    @property
    def grad_fn(self) -> Node | None:
        """Backward node of the op that made this tensor; None for leaves."""
        return None if self.is_leaf else self._node

    @property
    def _grad(self) -> Tensor | None:
        try:
            return self._grad_slot
        except AttributeError:
            return None

    @_grad.setter
    def _grad(self, value: Tensor | None) -> None:
        self._grad_slot = value

    @property
    def grad(self) -> Tensor | None:
        """Gradient accumulated by backward passes; None before the first."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise CallError(f"grad: must be a tensor or None, got {type(value).__name__}")
            if value._array.shape != self._array.shape or value._kind is not self._kind:
                raise ShapeError(
                    f"grad: must match its tensor, got {tuple(value.shape)} {value.dtype.name} on {value.device} for "
                    f"{tuple(self.shape)} {self.dtype.name} on {self.device}"
                )
        self._grad_slot = value

    @grad.deleter
    def grad(self) -> None:
        self._grad_slot = None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook(grad)` when this tensor's gradient is known; a returned tensor replaces it.

        Raises:
            AutogradError: the tensor does not require a gradient.
        """
        if self._node is None:
            raise AutogradError("register_hook: tensor does not require a gradient, got requires_grad=False")
        return add_hook(self._node._hooks().tensor, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls `hook(tensor)` after its `.grad` was accumulated into.

        Raises:
            AutogradError: the tensor is not a leaf that requires a gradient.
        """
        if not isinstance(self._node, LeafNode):
            raise AutogradError("register_post_accumulate_grad_hook: needs a leaf that requires a gradient")
        return add_hook(self._node._hooks().accumulated, hook)

    def retain_grad(self) -> None:
        """Keeps the gradient of this intermediate result in `.grad`.

        Raises:
            AutogradError: the tensor does not require a gradient.
        """
        if self._node is None:
            raise AutogradError("retain_grad: tensor does not require a gradient, got requires_grad=False")
        if self.is_leaf or self.retains_grad:
            return
        reference = ref(self)

        def keep(grad: Tensor) -> None:
            tensor = reference()
            if tensor is not None:
                known = tensor._grad
                # A copy: the engine may hand the same tensor on.
                tensor._grad_slot = grad.clone() if known is None else known + grad

        self._retains = True
        self.register_hook(keep)

    @property
    def retains_grad(self) -> bool:
        """True when `.grad` of this intermediate result is kept."""
        return not self.is_leaf and self.__dict__.get("_retains", False)

    @property
    def data(self) -> Tensor:
        """The same memory without history; writes through it are neither recorded nor counted."""
        tensor = make_tensor(self._array, self._kind)
        source = self.untyped_storage()
        tensor._storage = Storage(source._handle, source._kind)
        tensor._storage.source = source if source.source is None else source.source
        return tensor

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise CallError(f"data: must be a tensor, got {type(value).__name__}")
        self._array, self._kind = value._array, value._kind
        self._storage = value.untyped_storage()
        self._base = None
        node = self._node
        if node is not None:
            node.shape, node.kind = value._array.shape, value._kind

    def detach(self) -> Tensor:
        """A tensor on the same memory without history: writes to one are seen by the other, and by its gradients' checks."""
        tensor = make_tensor(self._array, self._kind)
        tensor._storage = self.untyped_storage()
        return tensor

    def detach_(self) -> Tensor:
        """Cuts this tensor from its graph, in place."""
        self._node = None
        return self

    @property
    def _version(self) -> int:
        """Number of in-place writes to this tensor's memory."""
        return 0 if self._storage is None else self._storage.version

    def is_inference(self) -> bool:
        """False: tensors made in inference mode are ordinary tensors without history."""
        return False

    # -- copies --------------------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise AutogradError("deepcopy: only leaves can be copied, got the result of an op; detach it first")
        if id(self) in memo:
            return memo[id(self)]
        fresh: Tensor = new(type(self))
        memo[id(self)] = fresh
        fresh._kind, fresh._base, fresh._node = self._kind, None, None
        fresh._array, fresh._storage = copy_memory(self, memo)
        if self._node is not None:
            fresh._node = LeafNode(fresh)
        for name, value in self.__dict__.items():
            fresh.__dict__[name] = copy.deepcopy(value, memo)
        if self._grad is not None:
            fresh._grad_slot = copy.deepcopy(self._grad, memo)
        return fresh

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise AutogradError("pickle: only leaves can be pickled, got the result of an op; detach it first")
        return reduce_tensor(self)


__all__ = ["Tensor", "contiguous_strides", "make_tensor", "make_view"]
