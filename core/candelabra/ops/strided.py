# SPDX-License-Identifier: Apache-2.0
"""Any look at memory: `as_strided`, what writes through one leave behind, and the gradients of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._dtype import from_numpy_dtype
from .._errors import ShapeError
from .._shape import Shape, as_shape, may_overlap
from ..op import op
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .conversion import row_major

__all__ = ["as_strided", "as_strided_scatter"]


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
    layouts="own",
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
    from .scatter import index_add

    shape, strides = tuple(input.shape), strides_of(input)
    if grad.numel() == 0 or input.numel() == 0:
        return zeros_of(shape, grad)
    low = min(storage_offset, 0)
    last = max(storage_offset + _reach(size, stride), _reach(shape, strides))
    memory = zeros_of((last - low + 1,), grad)
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
    from ..dispatcher._kind import kind_of
    from ..tensor._tensor import make_tensor

    kind = kind_of(beside.device, from_numpy_dtype(array.dtype))
    return make_tensor(kind.backend.from_host(array, kind.index), kind)


def zeros_of(shape: Shape, beside: Tensor) -> Tensor:
    """Zeros of a shape with the dtype and device of another tensor."""
    from .creation import zeros

    return zeros(shape, dtype=beside.dtype, device=beside.device)


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
    from ..dispatcher._write import write

    sizes, strides = as_shape("as_strided_scatter", size), tuple(stride)
    fresh = like_memory(input.detach().clone(), input)
    if strides_of(fresh) == strides_of(input):
        write(as_strided(fresh, sizes, strides, storage_offset), src)
        return make_tensor(fresh._array, fresh._kind)
    # The memory of `input` has gaps: find each position's place in the copy.
    fresh = row_major(input.detach())
    own = {int(p): i for i, p in enumerate(flat_index(tuple(input.shape), strides_of(input), 0))}
    places = np.array([own[int(p)] for p in flat_index(sizes, strides, storage_offset)], dtype=np.int64)
    flat = fresh.reshape(-1)
    write(flat, flat.index_copy(0, host_tensor(places, fresh), src.detach().reshape(-1)))
    return fresh


def _scatter_input_grad(
    grad: Tensor, input: Tensor, src_shape: Shape, size: Shape, stride: Shape, storage_offset: int
) -> Tensor:
    return as_strided_scatter(like_memory(grad, input), zeros_of(src_shape, grad), size, stride, storage_offset)


def like_memory(grad: Tensor, input: Tensor) -> Tensor:
    """`grad` in memory ordered as `input`'s, so that the same strides find the same elements."""
    strides = strides_of(input)
    if strides_of(grad) == strides:
        return grad
    order = sorted(range(len(strides)), key=lambda i: (-strides[i], i))
    back = sorted(range(len(order)), key=order.__getitem__)
    return row_major(grad.permute(order)).permute(back)


def _scatter_src_grad(grad: Tensor, input: Tensor, size: Shape, stride: Shape, storage_offset: int) -> Tensor:
    return as_strided(like_memory(grad, input), size, stride, storage_offset)


as_strided_scatter.vjp(input=_scatter_input_grad, src=_scatter_src_grad)
