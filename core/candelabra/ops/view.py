# SPDX-License-Identifier: Apache-2.0
"""Views: other shapes and strides over the same memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._config import grad_enabled
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, AutogradError, CallError, DimError, MissingKernelError, ShapeError
from .._shape import (
    Shape,
    Size,
    as_shape,
    contiguous_strides,
    infer_size,
    normalize_dim,
    normalize_dims,
    view_strides,
)
from .._shape import broadcast_shapes as common_shape
from ..op import op
from ..op._checked import checked
from ..tensor._node import LeafNode
from ..tensor._tensor import Tensor, make_tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .conversion import row_major
from .strided import as_strided, strides_of

__all__ = [
    "adjoint",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "expand",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
    "view",
]

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
    if dtype is None and (not size or size[0].__class__ is not dtype_type):
        return view_as_size(self, *size)
    return _view_as_dtype(self, size[0] if dtype is None else dtype)


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
        return view_as_size(row_major(input), infer_size("reshape", sizes, input.numel()))


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
    shape = common_shape("broadcast_tensors", *[tuple(x._array.shape) for x in listed])
    return tuple(expand(x, shape) for x in listed)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to.

    Args:
        shapes: sequences of ints, or ints.

    Returns:
        The common shape.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> cb.broadcast_shapes((2, 1), (3,))
        candelabra.Size([2, 3])
    """
    return Size(common_shape("broadcast_shapes", *[as_shape("broadcast_shapes", shape) for shape in shapes]))


def _sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """This tensor summed over the dims that broadcasting from `size` would stretch.

    Raises:
        ShapeError: `size` does not broadcast to the tensor's shape.
    """
    from ..autograd._engine import sum_to_size

    shape = as_shape("sum_to_size", size[0] if len(size) == 1 else size)
    own = tuple(self._array.shape)
    if len(shape) > len(own) or common_shape("sum_to_size", own, shape) != own:
        raise ShapeError(f"sum_to_size: size must broadcast to the tensor's shape, got {shape} for {own}")
    return sum_to_size(self, shape)


def listed_tensors(op_name: str, tensors: tuple[Any, ...]) -> Sequence[Tensor]:
    """Tensors given as arguments or as one sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    for x in tensors:
        if not isinstance(x, Tensor):
            raise CallError(f"{op_name}: takes tensors, got {x!r} of type {type(x).__name__}")
    return tensors


Tensor.expand_as = _expand_as
Tensor.sum_to_size = _sum_to_size
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


@checked
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


@checked
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

# -- flat and back ---------------------------------------------------------------------------------------------------


@checked
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


@checked
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


def _resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Gives this tensor another shape, contiguous from its first element on; more memory where that is too little.

    Elements that fit stay; new ones are uninitialised.

    Raises:
        AutogradError: the tensor requires a gradient.
    """
    if self._node is not None:
        raise AutogradError("resize_: a tensor that requires a gradient cannot be resized; use reshape, or detach it")
    size = as_shape("resize_", sizes[0] if len(sizes) == 1 else sizes)
    strides, offset = contiguous_strides(size), self.storage_offset()
    backend, storage = self._kind.backend, self.untyped_storage()
    held = backend.storage_nbytes(storage._handle) // self.element_size() - offset
    if not self._kind.is_meta and math.prod(size) > held:
        fresh = make_tensor(
            backend.allocate((offset + math.prod(size),), self._kind.dtype, self._kind.index), self._kind
        )
        old = as_strided(self, (offset + held,), (1,), 0)
        backend.write(as_strided(fresh, (offset + held,), (1,), 0)._array, old._array)
        self.data = fresh
    self._array = as_strided(self, size, strides, offset)._array
    storage.mark_written()
    return self


def _resize_as_(self: Tensor, other: Tensor, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return _resize_(self, tuple(other._array.shape))


def _set_(
    self: Tensor, source: Tensor, storage_offset: int | None = None, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes this tensor show the memory of `source`, as a whole or with another offset, shape and strides.

    Raises:
        CallError: `source` is no tensor of the same dtype and device.
    """
    if not isinstance(source, Tensor) or source._kind is not self._kind:
        raise CallError(f"set_: source must be a tensor of this dtype and device, got {type(source).__name__}")
    if size is not None:
        shape = as_shape("set_", size)
        strides = contiguous_strides(shape) if stride is None else stride
        source = as_strided(source.detach(), shape, strides, 0 if storage_offset is None else storage_offset)
    self.data = source
    return self


Tensor.resize_ = _resize_
Tensor.resize_as_ = _resize_as_
Tensor.set_ = _set_
