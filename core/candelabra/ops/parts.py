# SPDX-License-Identifier: Apache-2.0
"""Parts of tensors, as views: positions and runs of a dim, splits, diagonals, windows; and writing into copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._config import grad_enabled
from .._errors import ArgumentError, CallError, DimError, ShapeError
from .._shape import Shape, checked_index, normalize_dim
from ..op import Number, op
from ..op._checked import checked
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .indexing import basic_index_put, into_input, selected_shape, unindex
from .strided import host_tensor, zeros_of
from .view import flatten, movedim

__all__ = [
    "chunk",
    "diagonal",
    "diagonal_scatter",
    "dsplit",
    "hsplit",
    "narrow",
    "narrow_copy",
    "select",
    "select_scatter",
    "slice_scatter",
    "split",
    "split_with_sizes",
    "tensor_split",
    "unbind",
    "unsafe_chunk",
    "unsafe_split",
    "vsplit",
]

# -- runs and positions of a dim -----------------------------------------------------------------------------------------------------------


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
    from .joining import stack

    some = next(iter(grad.values()))
    missing: Any = None
    if len(grad) < input_shape[dim]:
        missing = zeros_of(tuple(some.shape), some)
    return stack([grad.get(i, missing) for i in range(input_shape[dim])], dim)


unbind_recorded.vjp(input=_unbind_grad)


@checked
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
    from .joining import cat

    some = next(iter(grad.values()))

    def part(i: int, size: int) -> Tensor:
        shape = (*input_shape[:dim], size, *input_shape[dim + 1 :])
        return grad[i] if i in grad else zeros_of(shape, some)

    return cat([part(i, size) for i, size in enumerate(split_sizes)], dim)


split_recorded.vjp(input=_split_grad)


@checked
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


@checked
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
        return split_with_sizes(tensor, tuple(split_size_or_sections), dim)
    step = split_size_or_sections.__index__()
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


@checked
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
    return diagonal_scatter(zeros_of(input_shape, grad), grad, offset, dim1, dim2)


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
    if not input_shape:
        return grad.sum(0)
    places = np.arange(grad.shape[dimension])[:, None] * step + np.arange(size)
    rows = flatten(movedim(grad, -1, dimension + 1), dimension, dimension + 1)
    return zeros_of(input_shape, grad).index_add_(dimension, host_tensor(places.reshape(-1), grad), rows)


sliding_windows.vjp(input=_windows_grad)
Tensor.unfold = sliding_windows

# -- written into copies -----------------------------------------------------------------------------------------------------------


def _into_part(name: str, input: Tensor, src: Tensor, key: tuple[Any, ...]) -> Tensor:
    wanted = selected_shape(tuple(input.shape), key)
    if tuple(src.shape) != wanted:
        raise ShapeError(
            f"{name}: src must have the shape of the part it replaces, got {tuple(src.shape)} for {wanted}"
        )
    return basic_index_put(input, src, key)


def _select_scatter_reference(input: Any, src: Any, dim: int, index: int) -> Any:
    out = np.array(input)
    out[(slice(None),) * (dim % out.ndim) + (index,)] = src
    return out


@op(
    dtype=into_input(1),
    samples=lambda: [
        Sample(Operand((2, 3)), Operand((3,)), 0, 1),
        Sample(Operand((2, 3, 4)), Operand((2, 3)), -1, -2),
        Sample(Operand((3,)), Operand(()), 0, 2),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "shape of the part", Operand((2, 3)), Operand((2,)), 0, 1),
        ErrorSample(DimError, "index must be in", Operand((2, 3)), Operand((3,)), 0, 2),
    ],
    reference=_select_scatter_reference,
    tolerance="exact",
)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` with `src` where `select` with these arguments would look.

    Args:
        input: any dtype, shape (*).
        src: castable to the dtype of `input`, shape (*) without `dim`.
        dim: the dim to select from.
        index: the position; negative counts from the end.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or `index` is out of range.
        ShapeError: `src` has another shape.

    Example:
        >>> cb.select_scatter(cb.zeros(2, 2), cb.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    dim = normalize_dim("select_scatter", dim, input.dim())
    index = checked_index("select_scatter", index, input.shape[dim], dim)
    return _into_part("select_scatter", input, src, (slice(None),) * dim + (index,))


def _slice_scatter_reference(
    input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    out = np.array(input)
    out[(slice(None),) * (dim % out.ndim) + (slice(start, end, step),)] = src
    return out


@op(
    dtype=into_input(1),
    samples=lambda: [
        Sample(Operand((5, 3)), Operand((2, 3)), start=3),
        Sample(Operand((2, 5)), Operand((2, 2)), 1, 1, 4, 2),
        Sample(Operand((4,)), Operand((1,)), 0, -2, -1),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "shape of the part", Operand((2, 3)), Operand((2,))),
        ErrorSample(ArgumentError, "positive", Operand((2, 3)), Operand((2, 3)), 0, None, None, 0),
    ],
    reference=_slice_scatter_reference,
    tolerance="exact",
)
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of `input` with `src` where a slice of a dim would look.

    Args:
        input: any dtype, shape (*).
        src: castable to the dtype of `input`, the shape of the slice.
        dim: the dim to slice.
        start: first position.
        end: position behind the last.
        step: positions between two.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `step` is below 1.
        DimError: `dim` is out of range.
        ShapeError: `src` has another shape.

    Example:
        >>> cb.slice_scatter(cb.zeros(4), cb.ones(2), start=1, end=3)
        tensor([0., 1., 1., 0.])
    """
    dim = normalize_dim("slice_scatter", dim, input.dim())
    return _into_part("slice_scatter", input, src, (slice(None),) * dim + (slice(start, end, step),))


def _diagonal_scatter_reference(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    out = np.array(input)
    view = np.diagonal(out, offset, dim1, dim2)
    view.flags.writeable = True
    view[...] = src
    return out


@op(
    dtype=into_input(1),
    samples=lambda: [
        Sample(Operand((3, 3)), Operand((3,))),
        Sample(Operand((3, 4)), Operand((2,)), -1),
        Sample(Operand((2, 3, 4)), Operand((4, 2)), 0, 0, 1),
        Sample(Operand((3, 4)), Operand((0,)), 7),
    ],
    errors=lambda: [ErrorSample(ShapeError, "shape of the diagonal", Operand((3, 3)), Operand((2,)))],
    reference=_diagonal_scatter_reference,
    tolerance="exact",
)
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` with `src` on the diagonals of the matrices that two dims form.

    Args:
        input: any dtype, at least 2 dims.
        src: castable to the dtype of `input`, the shape of the diagonals.
        offset: which diagonal; positive ones lie above the main diagonal.
        dim1: dim of the rows.
        dim2: dim of the columns.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: a dim is out of range.
        ShapeError: `src` has another shape.

    Example:
        >>> cb.diagonal_scatter(cb.zeros(2, 2), cb.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    from ..dispatcher._write import write

    fresh = input.detach().clone()
    place = fresh.diagonal(offset, dim1, dim2)
    if tuple(src.shape) != tuple(place.shape):
        shapes = f"{tuple(src.shape)} for {tuple(place.shape)}"
        raise ShapeError(f"diagonal_scatter: src must have the shape of the diagonal, got {shapes}")
    write(place, src)
    return fresh


diagonal_scatter.vjp(
    input=lambda grad, src_shape, offset, dim1, dim2: diagonal_scatter(
        grad, zeros_of(src_shape, grad), offset, dim1, dim2
    ),
    src=lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2),
)


def _fill_diagonal_(self: Tensor, fill_value: Number, wrap: bool = False) -> Tensor:
    """Writes `fill_value` on the main diagonal; with `wrap`, again after each block of a tall matrix."""
    shape = tuple(self.shape)
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(f"fill_diagonal_: needs a matrix, or more dims of one size, got shape {shape}")
    if len(shape) > 2:
        self.as_strided((shape[0],), (sum(self.stride()),), self.storage_offset()).fill_(fill_value)
        return self
    block = shape[1] + 1 if wrap else max(shape[0], 1)
    for start in range(0, shape[0], block):
        self.narrow(0, start, min(block, shape[0] - start)).diagonal().fill_(fill_value)
    return self


Tensor.fill_diagonal_ = _fill_diagonal_
