# SPDX-License-Identifier: Apache-2.0
"""Views: other shapes and strides over the same memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ShapeError
from .._shape import Shape, as_shape, contiguous_strides, infer_size, normalize_dim, normalize_dims, view_strides
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = ["as_strided", "as_strided_scatter", "expand", "permute", "reshape", "transpose", "view"]


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
                f"as_strided: must stay inside the storage of {held // input.element_size()} elements, got size={sizes}, "
                f"stride={strides}, storage_offset={offset}"
            )
    return input, sizes, strides, offset - own


def _geometry_as_strided(shape: Shape, strides: Shape, size: Shape, stride: Shape, storage_offset: int) -> Any:
    return size, stride, storage_offset


@op(
    geometry=_geometry_as_strided,
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


def _as_strided_grad(grad: Tensor, input: Tensor, size: Shape, stride: Shape, storage_offset: int) -> Tensor:
    """Adds each element of `grad` at its place in the memory of `input`, then reads that with `input`'s strides."""
    from .creation import zeros
    from .scatter import index_add

    shape, strides = tuple(input.shape), strides_of(input)
    if grad.numel() == 0 or input.numel() == 0:
        return zeros(shape, dtype=grad.dtype, device=grad.device)
    places = flat_index(size, stride, storage_offset)
    own = flat_index(shape, strides, 0)
    low = min(int(places.min()), 0)
    extent = max(int(places.max()), int(own.max())) - low + 1
    memory = zeros(extent, dtype=grad.dtype, device=grad.device)
    memory = index_add(memory, 0, host_tensor(places - low, grad), grad.reshape(-1))
    return memory.index_select(0, host_tensor(own - low, grad)).reshape(shape)


def host_tensor(array: np.ndarray[Any, Any], beside: Tensor) -> Tensor:
    """A tensor of a host array on the device of another."""
    from ..dispatcher._kind import kind_of
    from .._dtype import from_numpy_dtype
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
    from .conversion import clone

    sizes, strides = as_shape("as_strided_scatter", size), tuple(stride)
    fresh = clone(input)
    if strides_of(input) == strides_of(fresh):
        write(as_strided(fresh, sizes, strides, storage_offset), src)
        return fresh
    # The memory of `input` is ordered otherwise: find each position's place in the copy.
    own = {int(p): i for i, p in enumerate(flat_index(tuple(input.shape), strides_of(input), 0))}
    places = np.array([own[int(p)] for p in flat_index(sizes, strides, storage_offset)], dtype=np.int64)
    flat = fresh.reshape(-1)
    write(flat, flat.index_copy(0, host_tensor(places, fresh), src.reshape(-1)))
    return fresh


def _scatter_input_grad(grad: Tensor, input: Tensor, src_shape: Shape, size: Shape, stride: Shape, storage_offset: int) -> Tensor:
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


transpose.vjp(input=lambda grad, dim0, dim1: transpose(grad, dim0, dim1))


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
    reference=lambda input, size: np.reshape(input, size),
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
    """A view of another shape, or of another dtype of the same item size; see the op `view`."""
    return view_as_size(self, *size)


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
    sizes = shape[0] if len(shape) == 1 and not hasattr(shape[0], "__index__") else shape
    size = infer_size("reshape", sizes, input.numel())
    own = tuple(input._array.shape)
    if size == own:
        return input
    if view_strides(own, strides_of(input), size) is None:
        input = input.clone()
    return view_as_size(input, size)


Tensor.view = view_as_size
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


expand.vjp(input=lambda grad, input_shape: _sum_to(grad, input_shape))


def _sum_to(grad: Tensor, shape: Shape) -> Tensor:
    from ..autograd._engine import sum_to_size

    return sum_to_size(grad, shape)


_ = (rules, contiguous_strides)
