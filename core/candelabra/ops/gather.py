# SPDX-License-Identifier: Apache-2.0
"""Elements picked out by positions and masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import DimError, DTypeError, ShapeError
from .._shape import Shape, as_shape, broadcast_shapes, contiguous_strides, normalize_dim
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .indexing import INDEX
from .indexing import index as index_op
from .strided import zeros_of

__all__ = [
    "gather",
    "index_select",
    "take",
    "take_along_dim",
    "unravel_index",
]


def positions(shape: Shape, high: int, low: int = 0, dtype: str = "int64") -> Operand:
    """An operand of positions in [low, high]."""
    return Operand(shape, low, high, dtype=dtype)


# -- index_select ----------------------------------------------------------------------------------------------------


def _select_shape(input: Any, dim: int, index: Any) -> Shape:
    if index.dim() > 1:
        raise ShapeError(f"index_select: index must have at most 1 dim, got shape {tuple(index.shape)}")
    shape = tuple(input.shape)
    if not shape:
        if index.numel() != 1:
            raise ShapeError(f"index_select: a 0-d input takes one position, got index of shape {tuple(index.shape)}")
        return ()
    return (*shape[:dim], index.numel(), *shape[dim + 1 :])


@op(
    dtype=rules.kept,
    shape=_select_shape,
    front=lambda input, dim, index: (input, normalize_dim("index_select", dim, input.dim()), index),
    fixed={"index": INDEX},
    moves_data=True,
    samples=lambda: [
        Sample(Operand((5,)), 0, positions((3,), 4)),
        Sample(Operand((5, 3)), 0, positions((4,), 4)),
        Sample(Operand((2, 5, 3)), -2, positions((7,), 4)),
        Sample(Operand((2, 5)), 1, positions((2,), 4, dtype="int32")),
        Sample(Operand((2, 5)), 1, positions((), 4)),
        Sample(Operand((2, 5)), 1, positions((0,), 4)),
        Sample(Operand(()), 0, positions((1,), 0)),
        Sample(Operand((0, 3)), 1, positions((2,), 2)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "got 3 for dim 0 of size 3", Operand((3,)), 0, Operand(values=[0, 3], dtype="int64")),
        ErrorSample(DimError, "got -1 for dim 0 of size 3", Operand((3,)), 0, Operand(values=[-1, 0], dtype="int64")),
        ErrorSample(ShapeError, "at most 1 dim", Operand((3,)), 0, positions((1, 1), 0)),
    ],
    reference=lambda input, dim, index: (
        np.take(input, np.atleast_1d(index), dim) if input.ndim else np.reshape(np.take(input, index), ())
    ),
    tolerance="exact",
)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Positions of a dim, in the order of `index`, copied.

    Args:
        input: any dtype, shape (*).
        dim: the dim to select from.
        index: int64 or int32, at most 1 dim; positions from 0 on.

    Returns:
        Shape (*) with as many positions at `dim` as `index` has.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` has more than 1 dim.

    Example:
        >>> cb.index_select(cb.tensor([5, 6, 7]), 0, cb.tensor([2, 0]))
        tensor([7, 5])
    """
    ...


def _index_select_grad(grad: Tensor, input_shape: Shape, dim: int, index: Tensor) -> Tensor:
    if not input_shape:
        return grad
    return zeros_of(input_shape, grad).index_add_(dim, index, grad)


index_select.vjp(input=_index_select_grad)

# -- gather ----------------------------------------------------------------------------------------------------------


def front_of_indexed(name: str, input: Tensor, dim: int, index: Any) -> tuple[Tensor, int, Any]:
    """Normalises `dim` and checks the number of dims of an index that has those of `input`; an empty one is free.

    Raises:
        ShapeError: `index` has another number of dims.
    """
    n = len(input._array.shape)
    dim = normalize_dim(name, dim, n)
    if isinstance(index, Tensor) and index.dim() != n and max(index.dim(), 1) != max(n, 1) and index.numel():
        raise ShapeError(
            f"{name}: index must have the dims of input, got {tuple(index.shape)} for {tuple(input.shape)}"
        )
    return input, dim, index


def cut_to(tensor: Tensor, sizes: Shape, but: int | None = None) -> Tensor:
    """`tensor` narrowed to `sizes` in every dim except `but`."""
    for d, n in enumerate(sizes):
        if d != but and tensor._array.shape[d] > n:
            tensor = tensor.narrow(d, 0, n)
    return tensor


def _front_gather(input: Tensor, dim: int, index: Tensor, sparse_grad: bool) -> tuple[Any, ...]:
    input, dim, index = front_of_indexed("gather", input, dim, index)
    if isinstance(index, Tensor) and index.dim() == input.dim() and not index._kind.is_meta:
        input = cut_to(input, tuple(index._array.shape), dim)
    return input, dim, index


def _gather_shape(input: Any, dim: int, index: Any) -> Shape:
    shape, wanted = tuple(input.shape), tuple(index.shape)
    if len(shape) == len(wanted) and any(n < w for d, (n, w) in enumerate(zip(shape, wanted, strict=True)) if d != dim):
        raise ShapeError(f"gather: index must not exceed input outside of dim {dim}, got {wanted} for {shape}")
    return wanted


def _gather_reference(input: Any, dim: int, index: Any) -> Any:
    if not index.size:
        return np.zeros(index.shape, input.dtype)
    if not input.ndim:
        return np.broadcast_to(input, index.shape)
    if not index.ndim:
        return input[index]
    cut = tuple(slice(None) if d == dim % input.ndim else slice(n) for d, n in enumerate(index.shape))
    return np.take_along_axis(input[cut], index, dim)


@op(
    dtype=rules.kept,
    shape=_gather_shape,
    front=_front_gather,
    drops=("sparse_grad",),
    fixed={"index": INDEX},
    moves_data=True,
    samples=lambda: [
        Sample(Operand((5,)), 0, positions((3,), 4)),
        Sample(Operand((3, 4)), 0, positions((2, 4), 2)),
        Sample(Operand((3, 4)), 1, positions((3, 7), 3)),
        Sample(Operand((3, 4)), -1, positions((2, 1), 3)),
        Sample(Operand((2, 3, 4)), 1, positions((1, 5, 2), 2, dtype="int32")),
        Sample(Operand((3, 4)), 1, positions((3, 0), 3)),
        Sample(Operand((3, 4)), 1, positions((0,), 3)),
        Sample(Operand(()), 0, positions((), 0)),
        Sample(Operand(()), 0, positions((2,), 0)),
        Sample(Operand((3,)), 0, positions((), 2)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "got 3 for dim 0 of size 3", Operand((3,)), 0, Operand(values=[0, 3], dtype="int64")),
        ErrorSample(DimError, "got -1 for dim 0", Operand((3,)), 0, Operand(values=[-1], dtype="int64")),
        ErrorSample(ShapeError, "dims of input", Operand((3, 2)), 0, positions((2,), 1)),
        ErrorSample(ShapeError, "must not exceed", Operand((3, 2)), 0, positions((2, 3), 1)),
    ],
    reference=_gather_reference,
    tolerance="exact",
)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Elements at positions along a dim: `out[i][j] = input[index[i][j]][j]` for dim 0 of a matrix.

    Args:
        input: any dtype, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, as many dims as `input`, and no size above that of `input` except at `dim`.
        sparse_grad: accepted for code written for PyTorch; the gradient is dense.

    Returns:
        The shape of `index`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` does not fit `input`.

    Example:
        >>> cb.gather(cb.tensor([[1, 2], [3, 4]]), 1, cb.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    ...


def _gather_grad(grad: Tensor, input_shape: Shape, dim: int, index: Tensor) -> Tensor:
    return zeros_of(input_shape, grad).scatter_add_(dim, index, grad)


gather.vjp(input=_gather_grad)

# -- flat positions --------------------------------------------------------------------------------------------------


@op(
    fixed={"index": INDEX},
    samples=lambda: [
        Sample(Operand((5,)), positions((3,), 4, -5)),
        Sample(Operand((3, 4)), positions((2, 2), 11)),
        Sample(Operand((3, 4)), positions((), 11)),
        Sample(Operand(()), positions((2,), 0)),
        Sample(Operand((3,)), positions((0,), 2)),
    ],
    errors=lambda: [ErrorSample(DimError, "index must be in", Operand((3,)), Operand(values=[3], dtype="int64"))],
    reference=lambda input, index: np.asarray(input).reshape(-1)[index],
    tolerance="exact",
)
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements at positions counted through the whole of `input` in row-major order.

    Args:
        input: any dtype, shape (*).
        index: int64 or int32, any shape; negative positions count from the end.

    Returns:
        The shape of `index`.

    Raises:
        DimError: a position is out of range.

    Example:
        >>> cb.take(cb.tensor([[1, 2], [3, 4]]), cb.tensor([3, 0]))
        tensor([4, 1])
    """
    return index_op(input.reshape((input.numel(),)), [index], (0,))


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in a tensor of a shape, from positions counted through the whole of it in row-major order.

    Args:
        indices: any integer dtype, shape (*).
        shape: the shape, as a sequence of ints.

    Returns:
        One tensor of shape (*) for each dim.

    Raises:
        DTypeError: `indices` are not integers.

    Example:
        >>> cb.unravel_index(cb.tensor([4, 1]), (2, 3))
        (tensor([1, 0]), tensor([1, 1]))
    """
    sizes = as_shape("unravel_index", shape)
    if indices._kind.dtype.category != 1:
        raise DTypeError(f"unravel_index: indices must be integers, got {indices.dtype.name}")
    return tuple(indices // step % size for size, step in zip(sizes, contiguous_strides(sizes), strict=True))


def _take_along_shape(input: Tensor, indices: Tensor, dim: int) -> tuple[Shape, Shape]:
    own, wanted = list(input.shape), list(indices.shape)
    own[dim] = wanted[dim] = 1
    common = broadcast_shapes("take_along_dim", tuple(own), tuple(wanted))
    return (
        (*common[:dim], input.shape[dim], *common[dim + 1 :]),
        (*common[:dim], indices.shape[dim], *common[dim + 1 :]),
    )


def _take_along_reference(input: Any, indices: Any, dim: Any = None) -> Any:
    if dim is None:
        return np.asarray(input).reshape(-1)[indices.reshape(-1)]
    return np.take_along_axis(input, indices, dim)


@op(
    fixed={"indices": INDEX},
    samples=lambda: [
        Sample(Operand((3, 4)), positions((3, 2), 3), 1),
        Sample(Operand((3, 4)), positions((1, 4), 2), 0),
        Sample(Operand((3, 4)), positions((5, 1), 2), -2),
        Sample(Operand((1, 4)), positions((3, 2), 3), 1),
        Sample(Operand((3, 4)), positions((5,), 11)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), Operand(values=[3], dtype="int64"), 0),
        ErrorSample(ShapeError, "same number of dims", Operand((3, 3)), positions((2,), 2), 0),
    ],
    reference=_take_along_reference,
    tolerance="exact",
)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Elements at positions along a dim, as `gather`, with the other dims broadcast.

    Args:
        input: any dtype, shape (*).
        indices: int64 or int32, as many dims as `input`; positions from 0 on.
        dim: the dim the positions are in; all dims as one when None.

    Returns:
        The broadcast shape, with the size of `indices` at `dim`; (n) when `dim` is None.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: the numbers of dims differ, or the other dims do not broadcast.

    Example:
        >>> cb.take_along_dim(cb.tensor([[3, 1], [2, 4]]), cb.tensor([[1], [0]]), dim=1)
        tensor([[1],
                [2]])
    """
    if dim is None:
        return gather(input.reshape((-1,)), 0, indices.reshape((-1,)))
    if input.dim() != indices.dim():
        shapes = f"{tuple(input.shape)} and {tuple(indices.shape)}"
        raise ShapeError(f"take_along_dim: operands must have the same number of dims, got {shapes}")
    dim = normalize_dim("take_along_dim", dim, input.dim())
    if not input.dim():
        return gather(input, 0, indices)
    shape, wanted = _take_along_shape(input, indices, dim)
    return gather(input.expand(shape), dim, indices.expand(wanted))
