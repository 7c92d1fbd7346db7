# SPDX-License-Identifier: Apache-2.0
"""Joining, repeating and rearranging tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import Shape, normalize_dim
from ..op import op, rules
from ..op._checked import checked
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .strided import host_tensor
from .view import atleast_1d, atleast_2d, atleast_3d, listed_tensors

__all__ = [
    "block_diag",
    "cartesian_prod",
    "cat",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "row_stack",
    "stack",
    "tile",
    "vstack",
]


def is_nothing(shape: Shape) -> bool:
    """True for shape (0): such a tensor joins with anything and adds nothing."""
    return len(shape) == 1 and shape[0] == 0


def _front_cat(tensors: Any, dim: int) -> tuple[Any, ...]:
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(x, Tensor) for x in tensors):
        return tensors, dim
    if not tensors:
        raise ArgumentError("cat: needs at least one tensor, got an empty sequence")
    shapes = [tuple(x._array.shape) for x in tensors]
    if () in shapes:
        raise ShapeError(f"cat: a 0-d tensor cannot be joined, got tensors[{shapes.index(())}]; use stack")
    lead = next((s for s in shapes if not is_nothing(s)), shapes[0])
    return tensors, normalize_dim("cat", dim, len(lead)) if not is_nothing(lead) else 0


def _cat_shape(tensors: Any, dim: int) -> Shape:
    shapes = [tuple(x.shape) for x in tensors]
    real = [s for s in shapes if not is_nothing(s)] or shapes[:1]
    lead = real[0]
    for s in real:
        if len(s) != len(lead) or any(a != b for d, (a, b) in enumerate(zip(s, lead, strict=True)) if d != dim):
            raise ShapeError(f"cat: sizes must agree outside of dim {dim}, got {' and '.join(map(str, (lead, s)))}")
    return (*lead[:dim], sum(s[dim] for s in real), *lead[dim + 1 :])


@op(
    dtype=rules.kept,
    shape=_cat_shape,
    front=_front_cat,
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample([Operand((2,)), Operand((3,))]),
        Sample([Operand((2, 3)), Operand((1, 3))], 0),
        Sample([Operand((2, 3)), Operand((2, 1)), Operand((2, 2))], dim=-1),
        Sample([Operand((2, 3))], 1),
        Sample([Operand((0,)), Operand((2, 3))], 1),
        Sample([Operand((2, 0)), Operand((2, 3))], 1),
        Sample([Operand((0,)), Operand((0,))]),
        Sample([Operand((2, 2)), Operand((2, 1), 0, 5, dtype="int64")], 1, dtypes=("float32", "float64")),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "sizes must agree", [Operand((2, 3)), Operand((3, 2))]),
        ErrorSample(ShapeError, "0-d", [Operand((2,)), Operand(())]),
        ErrorSample(ArgumentError, "at least one tensor", []),
    ],
    reference=lambda tensors, dim=0: np.concatenate([x for x in tensors if x.shape != (0,)] or tensors, dim),
    tolerance="exact",
)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one behind the other along a dim.

    Args:
        tensors: any dtypes, shapes that agree outside of `dim`; tensors of shape (0) are skipped.
        dim: the dim to join along.

    Returns:
        The sizes added up at `dim`; the promoted dtype.

    Raises:
        ArgumentError: no tensors.
        DimError: `dim` is out of range.
        ShapeError: sizes differ outside of `dim`, or a tensor is 0-d.

    Example:
        >>> cb.cat([cb.ones(2), cb.zeros(1)])
        tensor([1., 1., 0.])
    """
    ...


def _cat_grad(grad: Tensor, tensors_shape: list[Shape], dim: int) -> list[Tensor]:
    found, start = [], 0
    for shape in tensors_shape:
        if is_nothing(shape):
            found.append(grad.flatten().narrow(0, 0, 0))
        else:
            found.append(grad.narrow(dim, start, shape[dim]))
            start += shape[dim]
    return found


cat.vjp(tensors=_cat_grad)
concat = concatenate = cat


def _front_stack(tensors: Any, dim: int) -> tuple[Any, ...]:
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(x, Tensor) for x in tensors):
        return tensors, dim
    if not tensors:
        raise ArgumentError("stack: needs at least one tensor, got an empty sequence")
    return tensors, normalize_dim("stack", dim, tensors[0].dim() + 1)


def _stack_shape(tensors: Any, dim: int) -> Shape:
    lead = tuple(tensors[0].shape)
    for x in tensors:
        if tuple(x.shape) != lead:
            raise ShapeError(f"stack: shapes must be equal, got {lead} and {tuple(x.shape)}")
    return (*lead[:dim], len(tensors), *lead[dim:])


@op(
    dtype=rules.kept,
    shape=_stack_shape,
    front=_front_stack,
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample([Operand((2,)), Operand((2,))]),
        Sample([Operand((2, 3))] * 3, 1),
        Sample([Operand((2, 3))] * 2, dim=-1),
        Sample([Operand(())]),
        Sample([Operand((0, 2))] * 2, 1),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "shapes must be equal", [Operand((2,)), Operand((3,))]),
        ErrorSample(ArgumentError, "at least one tensor", []),
    ],
    reference=lambda tensors, dim=0: np.stack(tensors, dim),
    tolerance="exact",
)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dim.

    Args:
        tensors: any dtypes, one shape.
        dim: where the new dim is, counted in the result.

    Returns:
        The shape with the number of tensors at `dim`; the promoted dtype.

    Raises:
        ArgumentError: no tensors.
        DimError: `dim` is out of range.
        ShapeError: the shapes differ.

    Example:
        >>> cb.stack([cb.ones(2), cb.zeros(2)])
        tensor([[1., 1.],
                [0., 0.]])
    """
    ...


stack.vjp(tensors=lambda grad, dim: list(grad.unbind(dim)))

# -- by rows, columns and depth --------------------------------------------------------------------------------------


def _stack_samples(*more: Sample) -> list[Sample]:
    return [
        Sample([Operand((3,)), Operand((3,))]),
        Sample([Operand((2, 3)), Operand((2, 3))]),
        Sample([Operand(()), Operand(())]),
        Sample([Operand((2, 3, 2))]),
        *more,
    ]


@op(
    method=False,
    samples=lambda: _stack_samples(Sample([Operand((2,)), Operand((3,))]), Sample([Operand((2, 1)), Operand((2, 3))])),
    reference=np.hstack,
    tolerance="exact",
)
def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side: joined along dim 1, vectors along dim 0.

    Args:
        tensors: any dtypes, shapes that agree outside of that dim; 0-d ones count as shape (1).

    Returns:
        The sizes added up; the promoted dtype.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.hstack([cb.ones(2), cb.zeros(1)])
        tensor([1., 1., 0.])
    """
    parts = [atleast_1d(x) for x in tensors]
    return cat(parts, 0 if parts[0].dim() == 1 else 1)


@op(
    method=False,
    samples=lambda: _stack_samples(Sample([Operand((3,)), Operand((2, 3))])),
    reference=np.vstack,
    tolerance="exact",
)
def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors below each other: joined along dim 0, vectors as rows.

    Args:
        tensors: any dtypes, shapes that agree outside of that dim; a vector of n elements counts as shape (1, n).

    Returns:
        The sizes added up; the promoted dtype.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.vstack([cb.ones(2), cb.zeros(2)])
        tensor([[1., 1.],
                [0., 0.]])
    """
    return cat([atleast_2d(x) for x in tensors], 0)


@op(
    method=False,
    samples=lambda: _stack_samples(Sample([Operand((2, 3, 1)), Operand((2, 3))])),
    reference=np.dstack,
    tolerance="exact",
)
def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors behind each other: joined along dim 2, after `atleast_3d`.

    Args:
        tensors: any dtypes, shapes that agree outside of that dim.

    Returns:
        The sizes added up; the promoted dtype.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.dstack([cb.ones(2), cb.zeros(2)])
        tensor([[[1., 0.],
                 [1., 0.]]])
    """
    return cat([atleast_3d(x) for x in tensors], 2)


@op(
    method=False,
    samples=lambda: _stack_samples(Sample([Operand((2,)), Operand((2, 3))])),
    reference=np.column_stack,
    tolerance="exact",
)
def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side, vectors as columns.

    Args:
        tensors: any dtypes, shapes that agree outside of dim 1; a vector of n elements counts as shape (n, 1).

    Returns:
        The sizes added up; the promoted dtype.

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> cb.column_stack([cb.ones(2), cb.zeros(2)])
        tensor([[1., 0.],
                [1., 0.]])
    """
    return cat([x if x.dim() > 1 else x.reshape((x.numel(), 1)) for x in tensors], 1)


row_stack = vstack


def block_diag(*tensors: Any) -> Tensor:
    """A matrix with the given matrices along its diagonal and zeros elsewhere.

    Args:
        tensors: any dtypes, at most 2 dims; vectors are rows.

    Returns:
        Shape (sum of rows, sum of columns), the promoted dtype.

    Raises:
        ShapeError: a tensor has more than 2 dims.

    Example:
        >>> cb.block_diag(cb.ones(1, 1), cb.ones(1, 2))
        tensor([[1., 0., 0.],
                [0., 1., 1.]])
    """
    from .creation import zeros

    blocks = listed_tensors("block_diag", tensors)
    if any(x.dim() > 2 for x in blocks):
        raise ShapeError(f"block_diag: tensors must have at most 2 dims, got {[tuple(x.shape) for x in blocks]}")
    blocks = [atleast_2d(x) for x in blocks]
    if not blocks:
        return zeros(1, 0)
    width = sum(x.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        height, own = x.shape
        before = zeros(height, left, dtype=x.dtype, device=x.device)
        after = zeros(height, width - left - own, dtype=x.dtype, device=x.device)
        rows.append(cat([before, x, after], 1))
        left += own
    return cat(rows, 0)


# -- repeated --------------------------------------------------------------------------------------------------------


def _front_repeat(input: Tensor, repeats: Any) -> tuple[Any, ...]:
    times = tuple(r.__index__() for r in repeats)
    if len(times) < input.dim() or any(r < 0 for r in times):
        raise ShapeError(
            f"repeat: needs a number for each dim, none negative, got repeats={times} for shape {tuple(input.shape)}"
        )
    return input, times


@op(
    variadic=("repeats",),
    samples=lambda: [
        Sample(Operand((3,)), (2,)),
        Sample(Operand((2, 3)), (1, 2)),
        Sample(Operand((2, 1)), (2, 1, 3)),
        Sample(Operand(()), (2, 2)),
        Sample(Operand((2,)), (0,)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "for each dim", Operand((2, 3)), (2,))],
    reference=np.tile,
    tolerance="exact",
)
def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """`input` repeated along its dims, copied; `Tensor.repeat`.

    Args:
        input: any dtype, shape (*).
        repeats: how often along each dim, as a sequence or as ints. New dims are added in front.

    Returns:
        The sizes of `input` times `repeats`.

    Raises:
        ShapeError: fewer numbers than dims, or a negative one.

    Example:
        >>> cb.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    input, times = _front_repeat(input, repeats)
    shape = (1,) * (len(times) - input.dim()) + tuple(input.shape)
    apart = [n for size in shape for n in (1, size)]
    stretched = [n for size, count in zip(shape, times, strict=True) for n in (count, size)]
    whole = tuple(size * count for size, count in zip(shape, times, strict=True))
    return input.reshape(tuple(apart)).expand(tuple(stretched)).clone().reshape(whole)


@op(
    variadic=("dims",),
    samples=lambda: [
        Sample(Operand((3,)), (2,)),
        Sample(Operand((2, 3)), (2,)),
        Sample(Operand((2, 3)), (2, 1, 2)),
        Sample(Operand(()), ()),
    ],
    reference=np.tile,
    tolerance="exact",
)
def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` repeated along its dims; dims without a number are not repeated.

    Args:
        input: any dtype, shape (*).
        dims: how often along each of the last dims.

    Returns:
        The sizes of `input` times `dims`.

    Raises:
        ShapeError: a negative number.

    Example:
        >>> cb.tile(cb.tensor([1, 2]), (2,))
        tensor([1, 2, 1, 2])
    """
    return repeat(input, (1,) * (input.dim() - len(dims)) + tuple(dims))


@checked
def repeat_interleave(
    input: Tensor, repeats: int | Tensor | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each position of a dim repeated, one copy after the other.

    Args:
        input: any dtype, shape (*). Alone, it is `repeats` itself, and the positions are repeated.
        repeats: how often; one number for all positions, or an integer tensor with one a position.
        dim: the dim to repeat along; all dims as one when None.
        output_size: size of the result at `dim`, where it is known; checked.

    Returns:
        Shape (*) with another size at `dim`.

    Raises:
        ArgumentError: a negative number, or an `output_size` that is not the result's.
        ShapeError: `repeats` has neither one number nor one a position.

    Example:
        >>> cb.repeat_interleave(cb.tensor([5, 6]), 2)
        tensor([5, 5, 6, 6])
        >>> cb.repeat_interleave(cb.tensor([1, 2]))
        tensor([0, 1, 1])
    """
    if repeats is None:
        counts = _counts_of(input, input.numel())
        return host_tensor(np.repeat(np.arange(len(counts)), counts), input)
    if dim is None:
        input, dim = input.flatten(), 0
    elif not input.dim():
        input = input.reshape((1,))
    dim = normalize_dim("repeat_interleave", dim, input.dim())
    size = input.shape[dim]
    counts = _counts_of(repeats, size)
    total = int(counts.sum())
    if output_size is not None and output_size != total:
        raise ArgumentError(f"repeat_interleave: output_size must be the result's, got {output_size} for {total}")
    if not isinstance(repeats, Tensor):
        shape = tuple(input.shape)
        wide = (*shape[: dim + 1], repeats, *shape[dim + 1 :])
        return input.unsqueeze(dim + 1).expand(wide).clone().reshape((*shape[:dim], total, *shape[dim + 1 :]))
    return input.index_select(dim, host_tensor(np.repeat(np.arange(size), counts), input))


def _counts_of(repeats: int | Tensor, size: int) -> np.ndarray[Any, Any]:
    counts = np.asarray(repeats.tolist() if isinstance(repeats, Tensor) else repeats)
    if counts.size and counts.dtype.kind not in "iu":
        raise DTypeError(f"repeat_interleave: repeats must be integers, got {repeats!r}")
    if counts.ndim > 1 or (counts.size != 1 and counts.size != size):
        raise ShapeError(
            f"repeat_interleave: needs one number, or one a position, got {counts.shape} for {size} positions"
        )
    if counts.size and counts.min() < 0:
        raise ArgumentError(f"repeat_interleave: repeats must not be negative, got {int(counts.min())}")
    return np.broadcast_to(counts.astype(np.int64), (size,))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Vectors as coordinates of a grid: each stretched, as a view, to the grid's shape.

    Args:
        tensors: any one dtype, at most 1 dim; as arguments or as one sequence.
        indexing: "ij" (as when None): the first vector runs along dim 0; "xy": along dim 1, the second along dim 0.

    Returns:
        As many tensors, of the grid's shape.

    Raises:
        ArgumentError: an unknown `indexing`.
        ShapeError: a tensor has more than 1 dim.

    Example:
        >>> cb.meshgrid(cb.tensor([1, 2]), cb.tensor([3, 4]), indexing="ij")[1]
        tensor([[3, 4],
                [3, 4]])
    """
    if indexing not in (None, "ij", "xy"):
        raise ArgumentError(f'meshgrid: indexing must be "ij" or "xy", got indexing={indexing!r}')
    axes = list(listed_tensors("meshgrid", tensors))
    if any(x.dim() > 1 for x in axes):
        raise ShapeError(f"meshgrid: tensors must have at most 1 dim, got {[tuple(x.shape) for x in axes]}")
    swap = indexing == "xy" and len(axes) > 1
    if swap:
        axes[0], axes[1] = axes[1], axes[0]
    sizes = tuple(x.numel() for x in axes)
    n = len(axes)
    grids = [x.reshape((1,) * i + (sizes[i],) + (1,) * (n - i - 1)).expand(sizes) for i, x in enumerate(axes)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of one element of each vector, a row a combination.

    Args:
        tensors: any one dtype, 1 dim.

    Returns:
        Shape (product of the sizes, number of tensors); the vector itself for one.

    Raises:
        ShapeError: a tensor has not 1 dim.

    Example:
        >>> cb.cartesian_prod(cb.tensor([1, 2]), cb.tensor([3, 4]))
        tensor([[1, 3],
                [1, 4],
                [2, 3],
                [2, 4]])
    """
    listed = listed_tensors("cartesian_prod", tensors)
    if any(x.dim() != 1 for x in listed):
        raise ShapeError(f"cartesian_prod: tensors must have 1 dim, got {[tuple(x.shape) for x in listed]}")
    if len(listed) == 1:
        return listed[0]
    return stack([x.flatten() for x in meshgrid(*listed, indexing="ij")], 1)


@checked
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of `r` elements of a vector, in the order of its positions.

    Args:
        input: any dtype, 1 dim.
        r: elements a combination has.
        with_replacement: let an element come more than once.

    Returns:
        Shape (number of combinations, r).

    Raises:
        ShapeError: `input` has not 1 dim.
        ArgumentError: `r` is negative.

    Example:
        >>> cb.combinations(cb.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if input.dim() != 1:
        raise ShapeError(f"combinations: input must have 1 dim, got shape {tuple(input.shape)}")
    if r < 0:
        raise ArgumentError(f"combinations: r must not be negative, got r={r}")
    if r == 0:
        return input.narrow_copy(0, 0, 0)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(pick(range(input.numel()), r)), dtype=np.int64).reshape(-1, r)
    return input.index_select(0, host_tensor(rows.reshape(-1), input)).reshape(rows.shape)


Tensor.repeat_interleave = repeat_interleave
