# SPDX-License-Identifier: Apache-2.0
"""Views: other shapes and strides over the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._config import grad_enabled
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, AutogradError, CallError, DimError, MissingKernelError, ShapeError
from .._shape import (
    Shape,
    as_shape,
    broadcast_shapes,
    checked_index,
    infer_size,
    normalize_dim,
    normalize_dims,
    view_strides,
)
from ..op import op
from ..tensor._node import LeafNode
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "adjoint",
    "as_strided",
    "as_strided_scatter",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_tensors",
    "broadcast_to",
    "chunk",
    "diagonal",
    "dsplit",
    "expand",
    "flatten",
    "hsplit",
    "moveaxis",
    "movedim",
    "narrow",
    "narrow_copy",
    "permute",
    "ravel",
    "reshape",
    "select",
    "split",
    "split_with_sizes",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "tensor_split",
    "transpose",
    "unbind",
    "unflatten",
    "unsafe_chunk",
    "unsafe_split",
    "unsqueeze",
    "view",
    "vsplit",
]


def strides_of(tensor: Tensor) -> Shape:
    """Strides in elements."""
    return tensor._kind.backend.strides(tensor._array)


# -- as_strided ------------------------------------------------------------------------------------------------------


def _front_as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None) -> tuple[Any, ...]:
    sizes = as_shape("as_strided", size)
    strides = tuple(s.__index__() for s in stride)
    if len(sizes) != len(strides):
        raise ShapeError(f"as_strided: one stride a size, got size={sizes} and stride={strides}")
    if any(s < 0 for s in strides):
        raise ShapeError(f"as_strided: strides must not be negative, got stride={strides}")
    own = input.storage_offset()
    offset = own if storage_offset is None else storage_offset
    backend = input._kind.backend
    if not input._kind.is_meta:
        held = backend.storage_nbytes(input._storage._handle if input._storage else input._array)
        last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
        if offset < 0 or (0 not in sizes and (last + 1) * input.element_size() > held):
            raise ShapeError(
                f"as_strided: must stay inside the storage of {held // input.element_size()} elements, got "
                f"size={sizes}, stride={strides}, storage_offset={offset}"
            )
    return input, sizes, strides, offset - own


def _geometry_as_strided(shape: Shape, strides: Shape, size: Shape, stride: Shape, storage_offset: int) -> Any:
    return size, stride, storage_offset


@op(
    geometry=_geometry_as_strided,
    remembers=False,
    front=_front_as_strided,
    samples=lambda: [
        Sample(Operand((3, 4)), (2, 2), (4, 1), 1),
        Sample(Operand((6,)), (3, 2), (1, 2)),
        Sample(Operand((6,)), (4, 3), (1, 1)),
        Sample(Operand((2, 3)), (), ()),
        Sample(Operand((2, 3)), (0, 2), (1, 1)),
        Sample(Operand((5,)), (2, 5), (0, 1)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "inside the storage", Operand((4,)), (5,), (1,))],
    reference=lambda input, size, stride, storage_offset=0: np.lib.stride_tricks.as_strided(
        np.ascontiguousarray(input).reshape(-1)[storage_offset:], size, [s * input.itemsize for s in stride]
    ),
    tolerance="exact",
    layouts="contiguous",
)
def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """A view with the given sizes and strides over the storage of `input`.

    Args:
        input: any dtype, shape (*).
        size: shape of the view.
        stride: elements to step over for each dim; 0 repeats an element.
        storage_offset: elements from the start of the storage; that of `input` when None.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: the view would leave the storage.

    Example:
        >>> cb.as_strided(cb.arange(6.0), (2, 2), (3, 1), 1)
        tensor([[1., 2.],
                [4., 5.]])
    """
    ...


def flat_index(size: Shape, stride: Shape, offset: int) -> np.ndarray[Any, Any]:
    """Positions in the storage of each element of a strided view, in row-major order."""
    index = np.full(size, offset, dtype=np.int64)
    for i, (n, s) in enumerate(zip(size, stride, strict=True)):
        index += (np.arange(n) * s).reshape((n,) + (1,) * (len(size) - i - 1))
    return index.reshape(-1)


def may_overlap(size: Shape, stride: Shape) -> bool:
    """Whether two positions of a strided view may share an element; False is certain, True is not."""
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(size, stride, strict=True) if n != 1):
        if s <= reach:
            return True
        reach += (n - 1) * s
    return False


def _as_strided_grad(grad: Tensor, input: Tensor, size: Shape, stride: Shape, storage_offset: int) -> Tensor:
    """Adds each element of `grad` at its place in the memory of `input`, then reads that with `input`'s strides."""
    from .creation import zeros
    from .scatter import index_add

    shape, strides = tuple(input.shape), strides_of(input)
    if grad.numel() == 0 or input.numel() == 0:
        return zeros(shape, dtype=grad.dtype, device=grad.device)
    low = min(storage_offset, 0)
    last = max(storage_offset + _reach(size, stride), _reach(shape, strides))
    memory = zeros(last - low + 1, dtype=grad.dtype, device=grad.device)
    if may_overlap(size, stride):
        places = host_tensor(flat_index(size, stride, storage_offset - low), grad)
        memory = index_add(memory, 0, places, grad.reshape(-1))
    else:
        memory = as_strided_scatter(memory, grad, size, stride, storage_offset - low)
    if may_overlap(shape, strides):
        # Each of the positions that share an element would get all of its gradient: they share that too.
        shares = np.bincount(flat_index(shape, strides, -low), minlength=last - low + 1)
        memory = memory / host_tensor(np.maximum(shares, 1), grad).to(grad.dtype)
    return as_strided(memory, shape, strides, -low)


def _reach(size: Shape, stride: Shape) -> int:
    """Elements from a view's first to its last position."""
    return sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def host_tensor(array: np.ndarray[Any, Any], beside: Tensor) -> Tensor:
    """A tensor of a host array on the device of another."""
    from .._dtype import from_numpy_dtype
    from ..dispatcher._kind import kind_of
    from ..tensor._tensor import make_tensor

    kind = kind_of(beside.device, from_numpy_dtype(array.dtype))
    return make_tensor(kind.backend.from_host(array, kind.index), kind)


as_strided.vjp(input=_as_strided_grad)


@op(
    samples=lambda: [
        Sample(Operand((3, 4)), Operand((2, 2)), (2, 2), (4, 1), 1),
        Sample(Operand((6,)), Operand((3,)), (3,), (2,)),
    ],
    reference=None,
    tolerance="exact",
    layouts="contiguous",
)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int = 0
) -> Tensor:
    """A copy of `input` with `src` written where `as_strided` with these arguments would look.

    Args:
        input: any dtype, shape (*).
        src: the dtype of `input`, shape `size`.
        size: shape of the view written to.
        stride: elements to step over for each dim; positions must not overlap.
        storage_offset: elements from the start of the memory of `input`.

    Returns:
        Shape (*).

    Example:
        >>> cb.as_strided_scatter(cb.zeros(4), cb.ones(2), (2,), (2,))
        tensor([1., 0., 1., 0.])
    """
    from ..dispatcher._call import write

    sizes, strides = as_shape("as_strided_scatter", size), tuple(stride)
    fresh = like_memory(input.detach().clone(), input)
    if strides_of(fresh) == strides_of(input):
        write(as_strided(fresh, sizes, strides, storage_offset), src)
        return make_tensor(fresh._array, fresh._kind)
    # The memory of `input` has gaps: find each position's place in the copy.
    fresh = input.detach().clone()
    own = {int(p): i for i, p in enumerate(flat_index(tuple(input.shape), strides_of(input), 0))}
    places = np.array([own[int(p)] for p in flat_index(sizes, strides, storage_offset)], dtype=np.int64)
    flat = fresh.reshape(-1)
    write(flat, flat.index_copy(0, host_tensor(places, fresh), src.detach().reshape(-1)))
    return fresh


def _scatter_input_grad(
    grad: Tensor, input: Tensor, src_shape: Shape, size: Shape, stride: Shape, storage_offset: int
) -> Tensor:
    from .creation import zeros

    hole = zeros(src_shape, dtype=grad.dtype, device=grad.device)
    return as_strided_scatter(like_memory(grad, input), hole, size, stride, storage_offset)


def like_memory(grad: Tensor, input: Tensor) -> Tensor:
    """`grad` in memory ordered as `input`'s, so that the same strides find the same elements."""
    strides = strides_of(input)
    if strides_of(grad) == strides:
        return grad
    order = sorted(range(len(strides)), key=lambda i: (-strides[i], i))
    back = sorted(range(len(order)), key=order.__getitem__)
    return grad.permute(order).clone().permute(back)


def _scatter_src_grad(grad: Tensor, input: Tensor, size: Shape, stride: Shape, storage_offset: int) -> Tensor:
    return as_strided(like_memory(grad, input), size, stride, storage_offset)


as_strided_scatter.vjp(input=_scatter_input_grad, src=_scatter_src_grad)

# -- permutations and sizes ------------------------------------------------------------------------------------------


def _front_transpose(input: Tensor, dim0: int, dim1: int) -> tuple[Any, ...]:
    n = len(input._array.shape)
    return input, normalize_dim("transpose", dim0, n), normalize_dim("transpose", dim1, n)


def _geometry_transpose(shape: Shape, strides: Shape, dim0: int, dim1: int) -> Any:
    order = list(range(len(shape)))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return tuple(shape[i] for i in order), tuple(strides[i] for i in order), 0


@op(
    geometry=_geometry_transpose,
    front=_front_transpose,
    samples=lambda: [
        Sample(Operand((2, 3)), 0, 1),
        Sample(Operand((2, 3, 4)), -1, 0),
        Sample(Operand(()), 0, -1),
        Sample(Operand((0, 3)), 0, 1),
    ],
    reference=lambda input, dim0, dim1: np.swapaxes(input, dim0, dim1) if input.ndim else input,
    tolerance="exact",
)
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dims exchanged.

    Args:
        input: any dtype, shape (*).
        dim0: one dim.
        dim1: the other.

    Returns:
        Shape (*) with the two sizes exchanged.

    Raises:
        DimError: a dim is out of range.

    Example:
        >>> cb.transpose(cb.ones(2, 3), 0, 1).shape
        candelabra.Size([3, 2])
    """
    ...


transpose.vjp(input=lambda grad, dim1, dim0: transpose(grad, dim0, dim1))


def _front_permute(input: Tensor, dims: Any) -> tuple[Any, ...]:
    n = len(input._array.shape)
    found = normalize_dims("permute", tuple(dims), n) if n else tuple(dims)
    if len(dims) != n:
        raise ShapeError(f"permute: needs each dim once, got dims={tuple(dims)} for {n} dims")
    return input, found


def _geometry_permute(shape: Shape, strides: Shape, dims: Shape) -> Any:
    return tuple(shape[i] for i in dims), tuple(strides[i] for i in dims), 0


@op(
    geometry=_geometry_permute,
    front=_front_permute,
    variadic=("dims",),
    samples=lambda: [
        Sample(Operand((2, 3, 4)), (2, 0, 1)),
        Sample(Operand((2, 3)), (-1, 0)),
        Sample(Operand(()), ()),
        Sample(Operand((2, 0, 3)), (1, 2, 0)),
    ],
    reference=np.transpose,
    tolerance="exact",
)
def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """A view with the dims in another order.

    Args:
        input: any dtype, shape (*).
        dims: each dim once, in the wished order.

    Returns:
        Sizes of `input` in the order of `dims`.

    Raises:
        ShapeError: a dim is missing or named twice.

    Example:
        >>> cb.permute(cb.ones(2, 3, 4), (2, 0, 1)).shape
        candelabra.Size([4, 2, 3])
    """
    ...


permute.vjp(input=lambda grad, dims: permute(grad, sorted(range(len(dims)), key=dims.__getitem__)))


def _front_view(input: Tensor, size: Any) -> tuple[Any, ...]:
    return input, infer_size("view", size, input.numel())


def _geometry_view(shape: Shape, strides: Shape, size: Shape) -> Any:
    found = view_strides(shape, strides, size)
    if found is None:
        raise ShapeError(
            f"view: strides do not allow this shape without a copy, got {shape} with strides {strides} as {size}; "
            "use reshape"
        )
    return size, found, 0


@op(
    geometry=_geometry_view,
    front=_front_view,
    variadic=("size",),
    name="view",
    samples=lambda: [
        Sample(Operand((2, 3)), (3, 2)),
        Sample(Operand((2, 3)), (-1,)),
        Sample(Operand((6,)), (2, 1, -1)),
        Sample(Operand(()), (1, 1)),
        Sample(Operand((0, 3)), (3, 0)),
    ],
    reference=np.reshape,
    tolerance="exact",
    layouts="contiguous",
)
def view_as_size(input: Tensor, size: Sequence[int]) -> Tensor:
    """A view of another shape with as many elements.

    Args:
        input: any dtype, shape (*).
        size: the wished shape; one size may be -1.

    Returns:
        Shape `size`.

    Raises:
        ShapeError: the number of elements differs, or only a copy could have this shape.

    Example:
        >>> cb.arange(6.0).view(2, 3)
        tensor([[0., 1., 2.],
                [3., 4., 5.]])
    """
    ...


view_as_size.vjp(input=lambda grad, input_shape: grad.reshape(input_shape))


def view(self: Tensor, *size: Any, dtype: Any = None) -> Tensor:
    """A view of another shape, as the op `view`, or of another dtype over the same bytes.

    Args:
        self: any dtype, shape (*).
        size: the wished shape, as a sequence or as ints with one -1 at most; or a dtype.
        dtype: a dtype instead of a shape. The last dim grows or shrinks with the item size.

    Returns:
        Shape `size`; or the shape of `self` with another last size.

    Raises:
        ShapeError: the number of elements differs, or only a copy could have this shape.

    Example:
        >>> cb.ones(2).view(cb.int32)
        tensor([1065353216, 1065353216], dtype=candelabra.int32)
    """
    if dtype is None:
        if size and isinstance(size[0], dtype_type):
            dtype = size[0]
        else:
            return view_as_size(self, *size)
    return _view_as_dtype(self, dtype)


def _view_as_dtype(self: Tensor, dtype: dtype_type) -> Tensor:
    from ..dispatcher._kind import kind_of

    kind = self._kind
    if dtype is kind.dtype:
        return self.detach() if self._node is None else view_as_size(self, tuple(self._array.shape))
    shape, old, new = tuple(self._array.shape), kind.dtype.itemsize, dtype.itemsize
    if old != new:
        if not shape or strides_of(self)[-1] != 1:
            raise ShapeError(
                f"view: another item size needs a last dim of stride 1, got shape {shape} with strides "
                f"{strides_of(self)} for {kind.dtype.name} as {dtype.name}"
            )
        if shape[-1] * old % new or any(s * old % new for s in strides_of(self)[:-1]):
            raise ShapeError(
                f"view: the last dim must hold whole elements, got {shape} {kind.dtype.name} as {dtype.name}"
            )
    other = kind_of(kind.device, dtype)
    short = kind.backend.view_kernels().get("view_dtype")
    if kind.is_meta:
        array = kind.backend.allocate((*shape[:-1], shape[-1] * old // new) if old != new else shape, dtype, 0)
    elif short is None:
        raise MissingKernelError(f'view: no views of another dtype on device "{self.device}", got {dtype.name}')
    else:
        array = short(self._array, dtype.numpy)
    shown = make_tensor(array, other)
    shown._storage = self.untyped_storage()  # one memory, one count of writes; no history across dtypes
    return shown


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """`input` with another shape: a view where strides allow it, else a copy.

    Args:
        input: any dtype, shape (*).
        shape: the wished shape, as a sequence or as ints; one size may be -1.

    Returns:
        The wished shape.

    Raises:
        ShapeError: the number of elements differs.

    Example:
        >>> cb.reshape(cb.arange(4), (2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    try:
        return view_as_size(input, *shape)
    except ShapeError:
        sizes = shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape
        return view_as_size(input.clone(), infer_size("reshape", sizes, input.numel()))


Tensor.view = view
Tensor.reshape = reshape


def _front_expand(input: Tensor, size: Any) -> tuple[Any, ...]:
    own = tuple(input._array.shape)
    sizes = tuple(s.__index__() for s in size)
    lead = len(sizes) - len(own)
    if lead < 0:
        raise ShapeError(f"expand: needs at least as many sizes as dims, got size={sizes} for shape {own}")
    full = tuple(own[i - lead] if s == -1 and i >= lead else s for i, s in enumerate(sizes))
    if any(s < 0 for s in full) or any(full[i + lead] != n and n != 1 for i, n in enumerate(own)):
        raise ShapeError(f"expand: only dims of size 1 can be stretched, got size={sizes} for shape {own}")
    return input, full


def _geometry_expand(shape: Shape, strides: Shape, size: Shape) -> Any:
    lead = len(size) - len(shape)
    stretched = [0] * lead + [
        0 if n == 1 and size[i + lead] != 1 else s for i, (n, s) in enumerate(zip(shape, strides, strict=True))
    ]
    return size, tuple(stretched), 0


@op(
    geometry=_geometry_expand,
    front=_front_expand,
    variadic=("size",),
    samples=lambda: [
        Sample(Operand((3, 1)), (3, 4)),
        Sample(Operand((3,)), (2, -1)),
        Sample(Operand(()), (2, 2)),
        Sample(Operand((1, 3)), (0, 3)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "size 1", Operand((3, 2)), (3, 4))],
    reference=lambda input, size: np.broadcast_to(
        input, [input.shape[i - len(size) + input.ndim] if s == -1 else s for i, s in enumerate(size)]
    ),
    tolerance="exact",
)
def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """A view with dims of size 1 repeated, without copying.

    Args:
        input: any dtype, shape (*).
        size: the wished shape; -1 keeps a size. New dims are added in front.

    Returns:
        Shape `size`; stretched dims have stride 0.

    Raises:
        ShapeError: a dim of another size than 1 would be stretched.

    Example:
        >>> cb.expand(cb.tensor([[1.0], [2.0]]), (2, 3))
        tensor([[1., 1., 1.],
                [2., 2., 2.]])
    """
    ...


def _sum_to(grad: Tensor, input_shape: Shape) -> Tensor:
    from ..autograd._engine import sum_to_size

    return sum_to_size(grad, input_shape)


expand.vjp(input=_sum_to)


def _expand_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor as a view of the shape of `other`; see `expand`."""
    return expand(self, tuple(other._array.shape))


def _view_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor as a view of the shape of `other`; see `view`."""
    return view_as_size(self, tuple(other._array.shape))


def _reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor with the shape of `other`; see `reshape`."""
    return reshape(self, tuple(other._array.shape))


def broadcast_to(input: Tensor, *size: Any) -> Tensor:
    """A view of `input` stretched to a shape it broadcasts to; the same as `expand`.

    Args:
        input: any dtype, shape (*).
        size: the wished shape, as a sequence or as ints.

    Returns:
        The wished shape.

    Raises:
        ShapeError: a dim of another size than 1 would be stretched.

    Example:
        >>> cb.broadcast_to(cb.arange(2), (2, 2))
        tensor([[0, 1],
                [0, 1]])
    """
    return expand(input, *size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of the tensors, all stretched to their common shape.

    Args:
        tensors: any dtypes, shapes that broadcast; as arguments or as one sequence.

    Returns:
        As many tensors of the common shape.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> [tuple(x.shape) for x in cb.broadcast_tensors(cb.ones(2, 1), cb.ones(3))]
        [(2, 3), (2, 3)]
    """
    listed = listed_tensors("broadcast_tensors", tensors)
    shape = broadcast_shapes("broadcast_tensors", *[tuple(x._array.shape) for x in listed])
    return tuple(expand(x, shape) for x in listed)


def listed_tensors(op_name: str, tensors: tuple[Any, ...]) -> Sequence[Tensor]:
    """Tensors given as arguments or as one sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    for x in tensors:
        if not isinstance(x, Tensor):
            raise CallError(f"{op_name}: takes tensors, got {x!r} of type {type(x).__name__}")
    return tensors


Tensor.expand_as = _expand_as
Tensor.view_as = _view_as
Tensor.reshape_as = _reshape_as
Tensor.broadcast_to = broadcast_to

# -- dims of size 1 --------------------------------------------------------------------------------------------------


def _front_squeeze(input: Tensor, dim: Any) -> tuple[Any, ...]:
    shape = input._array.shape
    if dim is None:
        return input, tuple(i for i, n in enumerate(shape) if n == 1)
    if not hasattr(dim, "__index__") and not len(dim):
        return input, ()
    dims = normalize_dims("squeeze", dim, len(shape))
    return input, tuple(sorted(i for i in dims if shape[i] == 1))


def _geometry_squeeze(shape: Shape, strides: Shape, dim: Shape) -> Any:
    kept = [i for i in range(len(shape)) if i not in dim]
    return tuple(shape[i] for i in kept), tuple(strides[i] for i in kept), 0


@op(
    geometry=_geometry_squeeze,
    front=_front_squeeze,
    samples=lambda: [
        Sample(Operand((1, 3, 1))),
        Sample(Operand((1, 3, 1)), 0),
        Sample(Operand((1, 3, 1)), -1),
        Sample(Operand((1, 3, 1)), 1),
        Sample(Operand((1, 3, 1)), (0, 2)),
        Sample(Operand((1, 3, 1)), (1, 2)),
        Sample(Operand((1, 1))),
        Sample(Operand(())),
        Sample(Operand(()), 0),
        Sample(Operand((1, 0, 2))),
    ],
    errors=lambda: [
        ErrorSample(DimError, "dim must be in", Operand((1, 2)), 2),
        ErrorSample(ShapeError, "must not repeat", Operand((1, 2)), (0, -2)),
    ],
    reference=lambda input, dim=None: np.squeeze(
        input,
        None
        if dim is None
        else tuple(d for d in ([dim] if isinstance(dim, int) else dim) if input.ndim and input.shape[d] == 1),
    ),
    tolerance="exact",
)
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without dims of size 1.

    Args:
        input: any dtype, shape (*).
        dim: the dims to drop; all of size 1 when None. Dims of another size are kept.

    Returns:
        Shape (*) without the dropped dims.

    Raises:
        DimError: a dim is out of range.
        ShapeError: a dim is named twice.

    Example:
        >>> cb.squeeze(cb.ones(1, 3, 1), 0).shape
        candelabra.Size([3, 1])
    """
    ...


squeeze.vjp(input=lambda grad, input_shape: grad.reshape(input_shape))


def _front_unsqueeze(input: Tensor, dim: int) -> tuple[Any, ...]:
    return input, normalize_dim("unsqueeze", dim, len(input._array.shape) + 1)


def _geometry_unsqueeze(shape: Shape, strides: Shape, dim: int) -> Any:
    step = strides[dim] * shape[dim] if dim < len(shape) else 1
    return (*shape[:dim], 1, *shape[dim:]), (*strides[:dim], step, *strides[dim:]), 0


@op(
    geometry=_geometry_unsqueeze,
    front=_front_unsqueeze,
    samples=lambda: [
        Sample(Operand((2, 3)), 0),
        Sample(Operand((2, 3)), -1),
        Sample(Operand((2, 3)), 1),
        Sample(Operand(()), 0),
        Sample(Operand((0,)), 1),
    ],
    errors=lambda: [ErrorSample(DimError, "dim must be in", Operand((2,)), 2)],
    reference=np.expand_dims,
    tolerance="exact",
)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dim of size 1 added.

    Args:
        input: any dtype, shape (*).
        dim: where the new dim is, counted in the result.

    Returns:
        Shape (*) with a 1 at `dim`.

    Raises:
        DimError: `dim` is outside [-ndim - 1, ndim].

    Example:
        >>> cb.unsqueeze(cb.ones(3), 1).shape
        candelabra.Size([3, 1])
    """
    ...


def _without(grad: Tensor, dim: int) -> Tensor:
    return squeeze(grad, dim)


unsqueeze.vjp(input=_without)

# -- orders of dims --------------------------------------------------------------------------------------------------


def t(input: Tensor) -> Tensor:
    """A matrix with its dims exchanged, as a view; fewer dims are left as they are.

    Args:
        input: any dtype, at most 2 dims.

    Returns:
        Shape (m, n) for (n, m).

    Raises:
        ShapeError: more than 2 dims.

    Example:
        >>> cb.t(cb.ones(2, 3)).shape
        candelabra.Size([3, 2])
    """
    n = len(input._array.shape)
    if n > 2:
        raise ShapeError(f"t: needs at most 2 dims, got shape {tuple(input.shape)}; use mT or transpose")
    return transpose(input, 0, n - 1) if n else transpose(input, 0, 0)


def adjoint(input: Tensor) -> Tensor:
    """Matrices with their last two dims exchanged, conjugated when complex.

    Args:
        input: any dtype that computes, shape (*, n, m).

    Returns:
        Shape (*, m, n).

    Raises:
        ShapeError: fewer than 2 dims.

    Example:
        >>> cb.adjoint(cb.tensor([[1j, 2]])).shape
        candelabra.Size([2, 1])
    """
    from .arithmetic import conjugate

    return conjugate(_matrix_transpose(input, "adjoint"))


def _matrix_transpose(input: Tensor, name: str) -> Tensor:
    if len(input._array.shape) < 2:
        raise ShapeError(f"{name}: needs at least 2 dims, got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


def _reversed_dims(self: Tensor) -> Tensor:
    """A view with all dims in reverse order."""
    return permute(self, tuple(range(len(self._array.shape) - 1, -1, -1)))


def _mt(self: Tensor) -> Tensor:
    """A view of a batch of matrices with their last two dims exchanged."""
    return _matrix_transpose(self, "mT")


def _h(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix."""
    from .arithmetic import conjugate

    if len(self._array.shape) not in (0, 2):
        raise ShapeError(f"H: needs 0 or 2 dims, got shape {tuple(self.shape)}; use mH for batches")
    return conjugate(t(self))


def _mh(self: Tensor) -> Tensor:
    """The conjugate transpose of each matrix of a batch."""
    return adjoint(self)


Tensor.t = t
Tensor.adjoint = adjoint
Tensor.T = property(_reversed_dims)
Tensor.mT = property(_mt)
Tensor.H = property(_h)
Tensor.mH = property(_mh)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dims exchanged; another name of `transpose`.

    Returns:
        Shape (*) with the two sizes exchanged.

    Example:
        >>> cb.swapdims(cb.ones(2, 3), 0, 1).shape
        candelabra.Size([3, 2])
    """
    return transpose(input, dim0, dim1)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """A view with two dims exchanged; another name of `transpose`.

    Returns:
        Shape (*) with the two sizes exchanged.

    Example:
        >>> cb.swapaxes(cb.ones(2, 3), 0, 1).shape
        candelabra.Size([3, 2])
    """
    return transpose(input, axis0, axis1)


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with some dims moved to other places; the others keep their order.

    Args:
        input: any dtype, shape (*).
        source: dims to move.
        destination: where each of them is in the result.

    Returns:
        The sizes of `input` in the new order.

    Raises:
        DimError: a dim is out of range.
        ShapeError: a dim is named twice, or the numbers of dims differ.

    Example:
        >>> cb.movedim(cb.ones(2, 3, 4), 0, -1).shape
        candelabra.Size([3, 4, 2])
    """
    n = len(input._array.shape)
    whence, where = _some_dims("movedim", source, n), _some_dims("movedim", destination, n)
    if len(whence) != len(where):
        raise ShapeError(f"movedim: one destination a source, got source={source} and destination={destination}")
    if n == 0:
        return permute(input, ())
    order = [i for i in range(n) if i not in whence]
    for place, dim in sorted(zip(where, whence, strict=True)):
        order.insert(place, dim)
    return permute(input, tuple(order))


def _some_dims(name: str, dim: int | Sequence[int], n: int) -> Shape:
    return normalize_dims(name, dim, n) if hasattr(dim, "__index__") or len(dim) else ()


moveaxis = movedim
Tensor.swapdims = swapdims
Tensor.swapaxes = swapaxes
Tensor.movedim = Tensor.moveaxis = movedim

# -- parts -----------------------------------------------------------------------------------------------------------


def _front_narrow(input: Tensor, dim: int, start: Any, length: int) -> tuple[Any, ...]:
    shape = input._array.shape
    if not shape:
        raise ShapeError("narrow: a 0-d tensor has no dims to narrow, got shape ()")
    dim = normalize_dim("narrow", dim, len(shape))
    size, begin, count = shape[dim], start.__index__(), length.__index__()
    if not -size <= begin <= size:
        raise DimError(f"narrow: start must be in [{-size}, {size}], got start={begin} for dim {dim} of size {size}")
    if begin < 0:
        begin += size
    if count < 0 or begin + count > size:
        raise ShapeError(
            f"narrow: start + length must lie in the dim, got start={begin}, length={count} for dim {dim} of size "
            f"{size}"
        )
    return input, dim, begin, count


def _geometry_narrow(shape: Shape, strides: Shape, dim: int, start: int, length: int) -> Any:
    return (*shape[:dim], length, *shape[dim + 1 :]), strides, start * strides[dim] if length else 0


@op(
    geometry=_geometry_narrow,
    front=_front_narrow,
    samples=lambda: [
        Sample(Operand((5,)), 0, 1, 3),
        Sample(Operand((2, 5)), 1, 0, 5),
        Sample(Operand((2, 5, 3)), -2, -3, 2),
        Sample(Operand((4,)), 0, 4, 0),
        Sample(Operand((0, 3)), 1, 1, 1),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "start + length", Operand((3,)), 0, 2, 2),
        ErrorSample(DimError, "start must be in", Operand((3,)), 0, 4, 0),
        ErrorSample(ShapeError, "0-d", Operand(()), 0, 0, 1),
    ],
    reference=lambda input, dim, start, length: np.take(
        input, range(start % max(input.shape[dim], 1), start % max(input.shape[dim], 1) + length) if length else [], dim
    ),
    tolerance="exact",
)
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of `length` positions of a dim, from `start` on.

    Args:
        input: any dtype, shape (*).
        dim: the dim to narrow.
        start: first position, an int or an integer tensor; negative counts from the end.
        length: number of positions.

    Returns:
        Shape (*) with size `length` at `dim`.

    Raises:
        DimError: `dim` or `start` is out of range.
        ShapeError: the part does not lie in the dim.

    Example:
        >>> cb.narrow(cb.arange(5), 0, 1, 3)
        tensor([1, 2, 3])
    """
    ...


def _part_grad(grad: Tensor, input_shape: Shape, dim: int, index: Any) -> Tensor:
    from .indexing import unindex

    return unindex(grad, input_shape, (slice(None),) * dim + (index,))


narrow.vjp(
    input=lambda grad, input_shape, dim, start, length: _part_grad(grad, input_shape, dim, slice(start, start + length))
)


def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `length` positions of a dim, from `start` on; see `narrow`.

    Returns:
        Shape (*) with size `length` at `dim`.

    Example:
        >>> cb.narrow_copy(cb.arange(5), 0, 1, 3)
        tensor([1, 2, 3])
    """
    part = narrow(input, dim, start, length)
    return part.clone() if out is None else out.copy_(part)


Tensor.narrow_copy = narrow_copy


def _front_select(input: Tensor, dim: int, index: Any) -> tuple[Any, ...]:
    shape = input._array.shape
    if not shape:
        raise DimError("select: a 0-d tensor has no dims to select from, got shape ()")
    dim = normalize_dim("select", dim, len(shape))
    return input, dim, checked_index("select", index, shape[dim], dim)


def _geometry_select(shape: Shape, strides: Shape, dim: int, index: int) -> Any:
    return shape[:dim] + shape[dim + 1 :], strides[:dim] + strides[dim + 1 :], index * strides[dim]


@op(
    geometry=_geometry_select,
    front=_front_select,
    samples=lambda: [
        Sample(Operand((5,)), 0, 1),
        Sample(Operand((2, 5)), 1, -1),
        Sample(Operand((2, 5, 3)), -2, 3),
        Sample(Operand((2, 0)), 0, 1),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), 0, 3),
        ErrorSample(DimError, "0-d", Operand(()), 0, 0),
    ],
    reference=lambda input, dim, index: np.take(input, index, dim),
    tolerance="exact",
)
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one position of a dim, without that dim.

    Args:
        input: any dtype, shape (*).
        dim: the dim to select from.
        index: the position, an int or an integer tensor; negative counts from the end.

    Returns:
        Shape (*) without `dim`.

    Raises:
        DimError: `dim` or `index` is out of range.

    Example:
        >>> cb.select(cb.tensor([[1, 2], [3, 4]]), 1, 0)
        tensor([1, 3])
    """
    ...


select.vjp(input=_part_grad)


def _front_unbind(input: Tensor, dim: int) -> tuple[Any, ...]:
    shape = input._array.shape
    if not shape:
        raise DimError("unbind: a 0-d tensor has no dims, got shape ()")
    return input, normalize_dim("unbind", dim, len(shape))


@op(
    name="unbind",
    method=False,
    front=_front_unbind,
    samples=lambda: [Sample(Operand((3,))), Sample(Operand((2, 3)), 1), Sample(Operand((2, 1, 3)), -2)],
    errors=lambda: [ErrorSample(DimError, "0-d", Operand(()))],
    reference=lambda input, dim=0: tuple(np.moveaxis(input, dim, 0)),
    tolerance="exact",
)
def unbind_recorded(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """`candelabra.unbind` as one recorded call, whose gradient is one `stack`.

    Args:
        input: any dtype, shape (*).
        dim: the dim to take apart.

    Returns:
        As many tensors as the dim has positions, of shape (*) without `dim`.

    Example:
        >>> cb.unbind(cb.tensor([1, 2]))
        (tensor(1), tensor(2))
    """
    input, dim = _front_unbind(input, dim)
    lead = (slice(None),) * dim
    return tuple([input[(*lead, i)] for i in range(input._array.shape[dim])])


def _unbind_grad(grad: dict[int, Tensor], input_shape: Shape, dim: int) -> Tensor:
    from .creation import zeros
    from .joining import stack

    some = next(iter(grad.values()))
    missing = None
    if len(grad) < input_shape[dim]:
        missing = zeros(tuple(some.shape), dtype=some.dtype, device=some.device)
    return stack([grad.get(i, missing) for i in range(input_shape[dim])], dim)


unbind_recorded.vjp(input=_unbind_grad)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of each position of a dim, in a tuple.

    Args:
        input: any dtype, shape (*).
        dim: the dim to take apart.

    Returns:
        As many tensors as the dim has positions, of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or `input` is 0-d.

    Example:
        >>> cb.unbind(cb.tensor([1, 2]))
        (tensor(1), tensor(2))
    """
    if input._node is not None and grad_enabled.get():
        return unbind_recorded(input, dim)
    return unbind_recorded.op.body(input, dim)  # type: ignore[misc]


Tensor.unbind = unbind


def _front_split(input: Tensor, split_sizes: Any, dim: int) -> tuple[Any, ...]:
    shape = input._array.shape
    if not shape:
        raise ShapeError("split: a 0-d tensor cannot be split, got shape ()")
    dim = normalize_dim("split", dim, len(shape))
    sizes = tuple(s.__index__() for s in split_sizes)
    if any(s < 0 for s in sizes) or sum(sizes) != shape[dim]:
        raise ShapeError(f"split: sizes must add up to the dim's, got {sizes} for dim {dim} of size {shape[dim]}")
    return input, sizes, dim


@op(
    name="split_with_sizes",
    method=False,
    front=_front_split,
    samples=lambda: [
        Sample(Operand((5,)), (2, 3)),
        Sample(Operand((2, 5)), (1, 0, 4), 1),
        Sample(Operand((2, 3, 4)), (2, 1), -2),
        Sample(Operand((0, 3)), (0, 0), 0),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "add up", Operand((5,)), (2, 2)),
        ErrorSample(ShapeError, "0-d", Operand(()), (1,)),
    ],
    reference=lambda input, split_sizes, dim=0: tuple(np.split(input, np.cumsum(split_sizes)[:-1], dim)),
    tolerance="exact",
)
def split_recorded(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`candelabra.split_with_sizes` as one recorded call, whose gradient is one `cat`.

    Args:
        input: any dtype, shape (*).
        split_sizes: sizes of the parts; they add up to the size of the dim.
        dim: the dim to split.

    Returns:
        One tensor a part, of shape (*) with that size at `dim`.

    Example:
        >>> cb.split_with_sizes(cb.arange(3), (1, 2))
        (tensor([0]), tensor([1, 2]))
    """
    input, sizes, dim = _front_split(input, split_sizes, dim)
    lead = (slice(None),) * dim
    parts, start = [], 0
    for size in sizes:
        parts.append(input[(*lead, slice(start, start + size))])
        start += size
    return tuple(parts)


def _split_grad(grad: dict[int, Tensor], input_shape: Shape, split_sizes: Shape, dim: int) -> Tensor:
    from .creation import zeros
    from .joining import cat

    some = next(iter(grad.values()))

    def part(i: int, size: int) -> Tensor:
        shape = (*input_shape[:dim], size, *input_shape[dim + 1 :])
        return grad[i] if i in grad else zeros(shape, dtype=some.dtype, device=some.device)

    return cat([part(i, size) for i, size in enumerate(split_sizes)], dim)


split_recorded.vjp(input=_split_grad)


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dim, of the given sizes.

    Args:
        input: any dtype, shape (*).
        split_sizes: sizes of the parts; they add up to the size of the dim.
        dim: the dim to split.

    Returns:
        One tensor a part, of shape (*) with that size at `dim`.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: the sizes do not add up, or `input` is 0-d.

    Example:
        >>> cb.split_with_sizes(cb.arange(3), (1, 2))
        (tensor([0]), tensor([1, 2]))
    """
    if input._node is not None and grad_enabled.get():
        return split_recorded(input, split_sizes, dim)
    return split_recorded.op.body(input, split_sizes, dim)  # type: ignore[misc]


Tensor.split_with_sizes = split_with_sizes


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dim.

    Args:
        tensor: any dtype, shape (*).
        split_size_or_sections: size of each part (the last may be smaller), or the sizes of all parts.
        dim: the dim to split.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: a size that is not positive.
        ShapeError: sizes that do not add up to that of the dim.

    Example:
        >>> cb.split(cb.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if not hasattr(split_size_or_sections, "__index__"):
        return split_with_sizes(tensor, tuple(split_size_or_sections), dim)  # type: ignore[arg-type]
    step = split_size_or_sections.__index__()  # type: ignore[union-attr]
    shape = tensor._array.shape
    size = shape[normalize_dim("split", dim, len(shape))] if shape else 1
    if step < 0 or (step == 0 and size):
        raise ArgumentError(f"split: split_size must be positive, got {step} for a dim of size {size}")
    if step == 0 or size == 0:
        return split_with_sizes(tensor, (size,), dim)
    whole, rest = divmod(size, step)
    return split_with_sizes(tensor, (step,) * whole + ((rest,) if rest else ()), dim)


def _split_method(self: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dim; see `candelabra.split`."""
    return split(self, split_size, dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most `chunks` equal parts of a dim; the last part may be smaller.

    Args:
        input: any dtype, shape (*).
        chunks: number of parts wanted; fewer come where the size does not allow as many.
        dim: the dim to split.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: `chunks` is not positive.

    Example:
        >>> cb.chunk(cb.arange(5), 3)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if chunks < 1:
        raise ArgumentError(f"chunk: chunks must be positive, got chunks={chunks}")
    shape = input._array.shape
    size = shape[normalize_dim("chunk", dim, len(shape))] if shape else 1
    if size == 0:
        return split_with_sizes(input, (0,) * chunks, dim)
    return split(input, -(-size // chunks), dim)


def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Views of parts of a dim, as many as asked for, or cut at the given positions.

    Args:
        input: any dtype, shape (*).
        indices_or_sections: number of parts (the first ones are one larger where sizes differ), or positions to cut at;
            an int, a sequence of ints, or an integer tensor. Also named `indices` or `sections`.
        dim: the dim to split.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: a number of parts below 1.
        ShapeError: `input` is 0-d.

    Example:
        >>> cb.tensor_split(cb.arange(5), 2)
        (tensor([0, 1, 2]), tensor([3, 4]))
    """
    given = [v for v in (indices_or_sections, indices, sections) if v is not None]
    if len(given) != 1:
        raise CallError(
            f"tensor_split: takes one of indices_or_sections, indices and sections, got {len(given)} of them"
        )
    shape = input._array.shape
    if not shape:
        raise ShapeError("tensor_split: a 0-d tensor cannot be split, got shape ()")
    dim = normalize_dim("tensor_split", dim, len(shape))
    cuts = given[0].tolist() if isinstance(given[0], Tensor) else given[0]
    size = shape[dim]
    if hasattr(cuts, "__index__"):
        count = cuts.__index__()
        if count < 1:
            raise ArgumentError(f"tensor_split: number of parts must be positive, got {count}")
        small, larger = divmod(size, count)
        return split_with_sizes(input, (small + 1,) * larger + (small,) * (count - larger), dim)
    starts = [0, *(slice(c, None).indices(size)[0] for c in cuts)]
    stops = [*(slice(c, None).indices(size)[0] for c in cuts), size]
    return tuple(narrow(input, dim, a, max(b - a, 0)) for a, b in zip(starts, stops, strict=True))


def _split_by(name: str, input: Tensor, cuts: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.dim() < least:
        raise ShapeError(f"{name}: needs at least {least} dims, got shape {tuple(input.shape)}")
    if hasattr(cuts, "__index__") and not isinstance(cuts, Tensor) and (cuts < 1 or input.shape[dim] % cuts):
        raise ArgumentError(f"{name}: parts must be equal, got {cuts} parts of dim {dim} of size {input.shape[dim]}")
    return tensor_split(input, cuts, dim)


def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views of parts side by side: of dim 1, or of dim 0 for vectors.

    Args:
        input: any dtype, at least 1 dim.
        indices_or_sections: number of equal parts, or positions to cut at.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: the parts would not be equal.
        ShapeError: `input` is 0-d.

    Example:
        >>> [tuple(x.shape) for x in cb.hsplit(cb.ones(2, 4), 2)]
        [(2, 2), (2, 2)]
    """
    return _split_by("hsplit", input, indices_or_sections, 0 if input.dim() == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views of parts below each other: of dim 0.

    Args:
        input: any dtype, at least 2 dims.
        indices_or_sections: number of equal parts, or positions to cut at.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: the parts would not be equal.
        ShapeError: fewer than 2 dims.

    Example:
        >>> [tuple(x.shape) for x in cb.vsplit(cb.ones(4, 2), [1])]
        [(1, 2), (3, 2)]
    """
    return _split_by("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Views of parts behind each other: of dim 2.

    Args:
        input: any dtype, at least 3 dims.
        indices_or_sections: number of equal parts, or positions to cut at.

    Returns:
        One tensor a part, in a tuple.

    Raises:
        ArgumentError: the parts would not be equal.
        ShapeError: fewer than 3 dims.

    Example:
        >>> [tuple(x.shape) for x in cb.dsplit(cb.ones(1, 2, 4), 2)]
        [(1, 2, 2), (1, 2, 2)]
    """
    return _split_by("dsplit", input, indices_or_sections, 2, 3)


unsafe_split = split
unsafe_chunk = chunk
Tensor.split = Tensor.unsafe_split = _split_method
Tensor.chunk = Tensor.unsafe_chunk = chunk
Tensor.tensor_split = tensor_split
Tensor.hsplit = hsplit
Tensor.vsplit = vsplit
Tensor.dsplit = dsplit

# -- diagonals and windows -------------------------------------------------------------------------------------------


def _front_diagonal(input: Tensor, offset: int, dim1: int, dim2: int) -> tuple[Any, ...]:
    n = len(input._array.shape)
    first, second = normalize_dim("diagonal", dim1, n), normalize_dim("diagonal", dim2, n)
    if n < 2 or first == second:
        raise ShapeError(f"diagonal: needs two dims, got dim1={dim1}, dim2={dim2} for shape {tuple(input.shape)}")
    return input, offset.__index__(), first, second


def _geometry_diagonal(shape: Shape, strides: Shape, offset: int, dim1: int, dim2: int) -> Any:
    rows, columns = shape[dim1] + min(offset, 0), shape[dim2] - max(offset, 0)
    count = max(min(rows, columns), 0)
    start = (max(-offset, 0) * strides[dim1] + max(offset, 0) * strides[dim2]) if count else 0
    kept = [i for i in range(len(shape)) if i not in (dim1, dim2)]
    sizes, steps = [shape[i] for i in kept], [strides[i] for i in kept]
    return (*sizes, count), (*steps, strides[dim1] + strides[dim2]), start


@op(
    geometry=_geometry_diagonal,
    front=_front_diagonal,
    samples=lambda: [
        Sample(Operand((3, 3))),
        Sample(Operand((3, 4)), 1),
        Sample(Operand((3, 4)), -1),
        Sample(Operand((3, 4)), 7),
        Sample(Operand((2, 3, 4)), 0, 1, 2),
        Sample(Operand((2, 3, 4)), 1, dim1=-1, dim2=0),
        Sample(Operand((0, 3))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "two dims", Operand((3, 3)), 0, 1, -1),
        ErrorSample(DimError, "dim must be in", Operand((3,))),
    ],
    reference=lambda input, offset=0, dim1=0, dim2=1: np.diagonal(input, offset, dim1, dim2),
    tolerance="exact",
)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonals of the matrices that two dims form.

    Args:
        input: any dtype, at least 2 dims.
        offset: which diagonal; positive ones lie above the main diagonal.
        dim1: dim of the rows.
        dim2: dim of the columns.

    Returns:
        Shape (*) without the two dims, and the diagonal as last dim.

    Raises:
        DimError: a dim is out of range.
        ShapeError: the dims are one and the same.

    Example:
        >>> cb.diagonal(cb.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    ...


def _diagonal_grad(grad: Tensor, input_shape: Shape, offset: int, dim1: int, dim2: int) -> Tensor:
    from .creation import zeros
    from .scatter import diagonal_scatter

    return diagonal_scatter(zeros(input_shape, dtype=grad.dtype, device=grad.device), grad, offset, dim1, dim2)


diagonal.vjp(input=_diagonal_grad)


def _front_windows(input: Tensor, dimension: int, size: int, step: int) -> tuple[Any, ...]:
    shape = input._array.shape
    dim = normalize_dim("unfold", dimension, len(shape))
    whole, width, stride = shape[dim] if shape else 1, size.__index__(), step.__index__()
    if not 0 <= width <= whole:
        raise ShapeError(f"unfold: size must be in [0, {whole}], got size={width} for dim {dim} of size {whole}")
    if stride < 1:
        raise ArgumentError(f"unfold: step must be positive, got step={stride}")
    return input, dim, width, stride


def _geometry_windows(shape: Shape, strides: Shape, dimension: int, size: int, step: int) -> Any:
    if not shape:
        return (size,), (1,), 0
    count = (shape[dimension] - size) // step + 1
    inner = strides[dimension]
    return (
        (*shape[:dimension], count, *shape[dimension + 1 :], size),
        (*strides[:dimension], inner * step, *strides[dimension + 1 :], inner),
        0,
    )


def _windows_reference(input: Any, dimension: int, size: int, step: int) -> Any:
    if not input.ndim:
        return np.broadcast_to(input, (size,))
    if size == 0:
        shape = list(input.shape)
        shape[dimension] = shape[dimension] // step + 1
        return np.zeros((*shape, 0), input.dtype)
    every = np.lib.stride_tricks.sliding_window_view(input, size, dimension)
    return every[(slice(None),) * (dimension % input.ndim) + (slice(None, None, step),)]


@op(
    name="sliding_windows",
    method=False,
    geometry=_geometry_windows,
    front=_front_windows,
    samples=lambda: [
        Sample(Operand((7,)), 0, 2, 1),
        Sample(Operand((7,)), 0, 3, 2),
        Sample(Operand((2, 7, 3)), 1, 2, 3),
        Sample(Operand((2, 5)), -1, 5, 1),
        Sample(Operand(()), 0, 1, 1),
        Sample(Operand((3,)), 0, 0, 1),
        Sample(Operand((0, 4)), 1, 2, 2),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "size must be in", Operand((3,)), 0, 4, 1),
        ErrorSample(ArgumentError, "step must be positive", Operand((3,)), 0, 1, 0),
    ],
    reference=_windows_reference,
    tolerance="exact",
)
def sliding_windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of a dim, one behind the other; `Tensor.unfold`.

    Args:
        input: any dtype, shape (*).
        dimension: the dim the windows slide along.
        size: number of positions in a window.
        step: positions between the starts of two windows.

    Returns:
        Shape (*) with the number of windows at `dimension`, and a last dim of `size`.

    Raises:
        ShapeError: a window is larger than the dim.
        ArgumentError: `step` is not positive.

    Example:
        >>> cb.arange(4).unfold(0, 2, 1)
        tensor([[0, 1],
                [1, 2],
                [2, 3]])
    """
    ...


def _windows_grad(grad: Tensor, input_shape: Shape, dimension: int, size: int, step: int) -> Tensor:
    from .creation import zeros
    from .scatter import index_add

    hole = zeros(input_shape, dtype=grad.dtype, device=grad.device)
    if not input_shape:
        return grad.sum(0)
    places = np.arange(grad.shape[dimension])[:, None] * step + np.arange(size)
    rows = flatten(movedim(grad, -1, dimension + 1), dimension, dimension + 1)
    return index_add(hole, dimension, host_tensor(places.reshape(-1), grad), rows)


sliding_windows.vjp(input=_windows_grad)
Tensor.unfold = sliding_windows

# -- flat and back ---------------------------------------------------------------------------------------------------


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """`input` with a run of dims made one; a view where strides allow it.

    Args:
        input: any dtype, shape (*).
        start_dim: first dim of the run.
        end_dim: last dim of the run.

    Returns:
        Shape (*) with one size in place of the run; (1) for a 0-d `input`.

    Raises:
        DimError: a dim is out of range.
        ArgumentError: the run ends before it starts.

    Example:
        >>> cb.flatten(cb.ones(2, 3, 4), 1).shape
        candelabra.Size([2, 12])
    """
    shape = tuple(input._array.shape)
    n = len(shape)
    first, last = normalize_dim("flatten", start_dim, n), normalize_dim("flatten", end_dim, n)
    if first > last:
        raise ArgumentError(
            f"flatten: start_dim must not be behind end_dim, got start_dim={start_dim}, end_dim={end_dim}"
        )
    if n and first == last:
        return input
    merged = 1
    for size in shape[first : last + 1]:
        merged *= size
    return reshape(input, (*shape[:first], merged, *shape[last + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """`input` as a vector; a view where strides allow it.

    Args:
        input: any dtype, shape (*).

    Returns:
        Shape (numel).

    Example:
        >>> cb.ravel(cb.ones(2, 3)).shape
        candelabra.Size([6])
    """
    return reshape(input, (-1,)) if input.numel() else reshape(input, (0,))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """A view with one dim split into several.

    Args:
        input: any dtype, shape (*).
        dim: the dim to split.
        sizes: the new sizes; one may be -1.

    Returns:
        Shape (*) with `sizes` in place of the dim.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: the sizes do not multiply to that of the dim.

    Example:
        >>> cb.unflatten(cb.ones(2, 12), 1, (3, -1)).shape
        candelabra.Size([2, 3, 4])
    """
    shape = tuple(input._array.shape)
    if not shape:
        raise ShapeError("unflatten: a 0-d tensor has no dims, got shape ()")
    dim = normalize_dim("unflatten", dim, len(shape))
    if not len(sizes):
        raise ShapeError(f"unflatten: needs at least one size, got sizes={tuple(sizes)}")
    return view_as_size(input, (*shape[:dim], *infer_size("unflatten", tuple(sizes), shape[dim]), *shape[dim + 1 :]))


Tensor.flatten = flatten
Tensor.ravel = ravel
Tensor.unflatten = unflatten


def _at_least(name: str, tensors: tuple[Any, ...], raise_dims: Any) -> Any:
    found = tuple(raise_dims(x) for x in listed_tensors(name, tensors))
    return found[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else found


def atleast_1d(*tensors: Any) -> Any:
    """Views with at least 1 dim; dims are added in front.

    Args:
        tensors: any dtypes and shapes; as arguments or as one sequence.

    Returns:
        One tensor for one argument, else a tuple.

    Example:
        >>> cb.atleast_1d(cb.tensor(2.0))
        tensor([2.])
    """
    return _at_least("atleast_1d", tensors, lambda x: x if x.dim() else unsqueeze(x, 0))


def atleast_2d(*tensors: Any) -> Any:
    """Views with at least 2 dims; dims are added in front.

    Args:
        tensors: any dtypes and shapes; as arguments or as one sequence.

    Returns:
        One tensor for one argument, else a tuple.

    Example:
        >>> cb.atleast_2d(cb.ones(3)).shape
        candelabra.Size([1, 3])
    """
    return _at_least("atleast_2d", tensors, _two_dims)


def _two_dims(x: Tensor) -> Tensor:
    n = x.dim()
    return x if n >= 2 else unsqueeze(x, 0) if n else reshape(x, (1, 1))


def atleast_3d(*tensors: Any) -> Any:
    """Views with at least 3 dims: a vector becomes (1, n, 1), a matrix (n, m, 1).

    Args:
        tensors: any dtypes and shapes; as arguments or as one sequence.

    Returns:
        One tensor for one argument, else a tuple.

    Example:
        >>> cb.atleast_3d(cb.ones(3)).shape
        candelabra.Size([1, 3, 1])
    """
    return _at_least("atleast_3d", tensors, lambda x: x if x.dim() >= 3 else unsqueeze(_two_dims(x), -1))


# -- in place: another shape for the same tensor ---------------------------------------------------------------------


def _in_place(make: Any) -> Any:
    """The method that gives a tensor itself the shape, strides and history of a view of it."""
    name = f"{make.__name__}_"

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        leaf = self._node if isinstance(self._node, LeafNode) else None
        base_leaf = self._base is not None and isinstance(self._base._node, LeafNode)
        if (leaf is not None or base_leaf) and grad_enabled.get():
            raise AutogradError(
                f"{name}: a leaf that requires a gradient cannot be changed in place, got shape {tuple(self.shape)}; "
                f"use candelabra.no_grad() or {make.__name__}"
            )
        token = grad_enabled.set(leaf is None and not base_leaf)
        try:
            seen = make(self, *args, **kwargs)
        finally:
            grad_enabled.reset(token)
        self._array = seen._array
        if leaf is not None:
            leaf.shape = seen._array.shape
        else:
            self._node = seen._node
        self.untyped_storage().mark_written()  # nodes that kept this tensor must not read it in its new shape
        return self

    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    method.__doc__ = f"In-place form of `{make.__name__}`: this tensor gets the new shape; its memory stays."
    return method


Tensor.squeeze_ = _in_place(squeeze)
Tensor.unsqueeze_ = _in_place(unsqueeze)
Tensor.transpose_ = _in_place(transpose)
Tensor.t_ = _in_place(t)
Tensor.swapdims_ = _in_place(swapdims)
Tensor.swapaxes_ = _in_place(swapaxes)
Tensor.as_strided_ = _in_place(as_strided)
