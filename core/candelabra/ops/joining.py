# SPDX-License-Identifier: Apache-2.0
"""Joining, repeating and rearranging tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, DimError, DTypeError, ShapeError
from .._shape import Shape, normalize_dim, normalize_dims
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .scatter import diagonal_scatter, zeros_of
from .view import atleast_1d, atleast_2d, atleast_3d, host_tensor, listed_tensors

__all__ = [
    "block_diag",
    "cartesian_prod",
    "cat",
    "column_stack",
    "combinations",
    "concat",
    "concatenate",
    "diag",
    "diag_embed",
    "diagflat",
    "dstack",
    "flip",
    "fliplr",
    "flipud",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "roll",
    "rot90",
    "row_stack",
    "stack",
    "tile",
    "tril",
    "triu",
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

# -- rearranged ------------------------------------------------------------------------------------------------------


def _front_roll(input: Tensor, shifts: Any, dims: Any) -> tuple[Any, ...]:
    by = (shifts,) if hasattr(shifts, "__index__") else tuple(shifts)
    if dims is None or (not hasattr(dims, "__index__") and not len(dims)):
        if len(by) != 1:
            raise ArgumentError(f"roll: one shift a dim, got shifts={by} without dims")
        return input, (by[0].__index__(),), None
    along = tuple(normalize_dim("roll", d, input.dim()) for d in ((dims,) if hasattr(dims, "__index__") else dims))
    if len(by) != len(along):
        raise ArgumentError(f"roll: one shift a dim, got shifts={by} for dims={dims}")
    return input, tuple(s.__index__() for s in by), along if input.dim() else None


@op(
    dtype=rules.kept,
    shape=rules.same,
    front=_front_roll,
    moves_data=True,
    inplace=False,
    samples=lambda: [
        Sample(Operand((5,)), 2),
        Sample(Operand((2, 3)), 1),
        Sample(Operand((2, 3)), -1, 1),
        Sample(Operand((2, 3)), (1, 2), (0, 1)),
        Sample(Operand((2, 3)), (1, 2), (1, 1)),
        Sample(Operand(()), 1),
        Sample(Operand((0, 3)), 4, 0),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "one shift a dim", Operand((2, 3)), (1, 2), (0,))],
    reference=lambda input, shifts, dims=None: np.roll(input, shifts, dims),
    tolerance="exact",
)
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Elements moved along dims; what leaves at one end comes in at the other.

    Args:
        input: any dtype, shape (*).
        shifts: positions to move by, one a dim.
        dims: the dims; all of them as one when None.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: the numbers of shifts and dims differ.
        DimError: a dim is out of range.

    Example:
        >>> cb.roll(cb.arange(4), 1)
        tensor([3, 0, 1, 2])
    """
    ...


roll.vjp(input=lambda grad, shifts, dims: roll(grad, tuple(-s for s in shifts), dims))


@op(
    dtype=rules.kept,
    shape=rules.same,
    front=lambda input, dims: (
        input,
        normalize_dims("flip", dims, input.dim()) if hasattr(dims, "__index__") or len(dims) else (),
    ),
    variadic=("dims",),
    moves_data=True,
    inplace=False,
    samples=lambda: [
        Sample(Operand((5,)), (0,)),
        Sample(Operand((2, 3)), (0, -1)),
        Sample(Operand((2, 3)), (1,)),
        Sample(Operand((2, 3)), ()),
        Sample(Operand((0, 3)), (0,)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "dim must be in", Operand((3,)), (1,)),
        ErrorSample(ShapeError, "must not repeat", Operand((3,)), (0, 0)),
    ],
    reference=np.flip,
    tolerance="exact",
)
def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """Elements in reverse order along dims, copied.

    Args:
        input: any dtype, shape (*).
        dims: the dims to reverse.

    Returns:
        Shape (*).

    Raises:
        DimError: a dim is out of range.
        ShapeError: a dim is named twice.

    Example:
        >>> cb.flip(cb.arange(3), (0,))
        tensor([2, 1, 0])
    """
    ...


def _flip_grad(grad: Tensor, dims: Shape) -> Tensor:
    return flip(grad, dims)


flip.vjp(input=_flip_grad)


def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order: `flip` of dim 1.

    Returns:
        Shape (*).

    Raises:
        ShapeError: fewer than 2 dims.

    Example:
        >>> cb.fliplr(cb.tensor([[1, 2]]))
        tensor([[2, 1]])
    """
    if input.dim() < 2:
        raise ShapeError(f"fliplr: needs at least 2 dims, got shape {tuple(input.shape)}")
    return flip(input, (1,))


def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order: `flip` of dim 0.

    Returns:
        Shape (*).

    Raises:
        ShapeError: `input` is 0-d.

    Example:
        >>> cb.flipud(cb.arange(3))
        tensor([2, 1, 0])
    """
    if input.dim() < 1:
        raise ShapeError(f"flipud: needs at least 1 dim, got shape {tuple(input.shape)}")
    return flip(input, (0,))


def _rot90_reference(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    return np.rot90(input, k, dims)


@op(
    samples=lambda: [
        Sample(Operand((2, 3))),
        Sample(Operand((2, 3)), 2),
        Sample(Operand((2, 3)), -1),
        Sample(Operand((2, 3)), 4),
        Sample(Operand((2, 3, 4)), 1, (2, 0)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "two dims", Operand((2, 3)), 1, (0, 1, 1))],
    reference=_rot90_reference,
    tolerance="exact",
)
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """The plane of two dims turned by `k` quarters, from the first dim towards the second, copied.

    Args:
        input: any dtype, at least 2 dims.
        k: number of quarter turns.
        dims: the two dims.

    Returns:
        The sizes of the two dims exchanged for odd `k`.

    Raises:
        ShapeError: not two different dims.

    Example:
        >>> cb.rot90(cb.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    if len(dims) != 2:
        raise ShapeError(f"rot90: turns in two dims, got dims={tuple(dims)}")
    a, b = normalize_dims("rot90", dims, input.dim())
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return flip(input, (a, b))
    return flip(input, (b,)).transpose(a, b) if turns == 1 else flip(input.transpose(a, b), (b,))


# -- triangles and diagonals -----------------------------------------------------------------------------------------


def _matrix_shape(name: str) -> Any:
    def rule(input: Any, diagonal: int) -> Shape:
        shape = tuple(input.shape)
        if len(shape) < 2:
            raise ShapeError(f"{name}: needs at least 2 dims, got shape {shape}")
        return shape

    return rule


def _triangle_samples() -> list[Sample]:
    return [
        Sample(Operand((3, 3))),
        Sample(Operand((3, 5)), 1),
        Sample(Operand((5, 3)), -2),
        Sample(Operand((2, 3, 4)), diagonal=9),
        Sample(Operand((2, 3, 4)), -9),
        Sample(Operand((0, 3))),
    ]


@op(
    dtype=rules.kept,
    shape=_matrix_shape("tril"),
    moves_data=True,
    inplace=True,
    samples=_triangle_samples,
    errors=lambda: [ErrorSample(ShapeError, "at least 2 dims", Operand((3,)))],
    reference=lambda input, diagonal=0: np.tril(input, diagonal),
    tolerance="exact",
)
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, zeros above it.

    Args:
        input: any dtype, shape (*, n, m).
        diagonal: highest diagonal to keep; positive ones lie above the main diagonal.

    Returns:
        Shape (*, n, m).

    Raises:
        ShapeError: fewer than 2 dims.

    Example:
        >>> cb.tril(cb.ones(2, 2))
        tensor([[1., 0.],
                [1., 1.]])
    """
    ...


def _tril_grad(grad: Tensor, diagonal: int) -> Tensor:
    return tril(grad, diagonal)


tril.vjp(input=_tril_grad)


@op(
    dtype=rules.kept,
    shape=_matrix_shape("triu"),
    moves_data=True,
    inplace=True,
    samples=_triangle_samples,
    errors=lambda: [ErrorSample(ShapeError, "at least 2 dims", Operand((3,)))],
    reference=lambda input, diagonal=0: np.triu(input, diagonal),
    tolerance="exact",
)
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, zeros below it.

    Args:
        input: any dtype, shape (*, n, m).
        diagonal: lowest diagonal to keep; positive ones lie above the main diagonal.

    Returns:
        Shape (*, n, m).

    Raises:
        ShapeError: fewer than 2 dims.

    Example:
        >>> cb.triu(cb.ones(2, 2))
        tensor([[1., 1.],
                [0., 1.]])
    """
    ...


def _triu_grad(grad: Tensor, diagonal: int) -> Tensor:
    return triu(grad, diagonal)


triu.vjp(input=_triu_grad)


def _diag_embed_reference(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    n = input.shape[-1] + abs(offset)
    out = np.zeros((*input.shape[:-1], n, n), input.dtype)
    i = np.arange(input.shape[-1])
    out[..., i + max(-offset, 0), i + max(offset, 0)] = input
    return np.moveaxis(out, (-2, -1), (dim1, dim2))


@op(
    samples=lambda: [
        Sample(Operand((3,))),
        Sample(Operand((2, 3)), 1),
        Sample(Operand((2, 3)), -2),
        Sample(Operand((2, 3)), 0, 0, 2),
        Sample(Operand((2, 3)), 1, dim1=2, dim2=0),
        Sample(Operand((2, 0))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "at least 1 dim", Operand(())),
        ErrorSample(ShapeError, "two dims", Operand((3,)), 0, 1, -1),
    ],
    reference=_diag_embed_reference,
    tolerance="exact",
)
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dim of `input` on a diagonal and zeros elsewhere.

    Args:
        input: any dtype, shape (*, n).
        offset: which diagonal; positive ones lie above the main diagonal.
        dim1: where the rows are in the result.
        dim2: where the columns are.

    Returns:
        Shape (*, m, m) with m = n + |offset|, the last two dims at `dim1` and `dim2`.

    Raises:
        DimError: a dim is out of range.
        ShapeError: the dims are one and the same, or `input` is 0-d.

    Example:
        >>> cb.diag_embed(cb.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    if not input.dim():
        raise ShapeError("diag_embed: needs at least 1 dim, got shape ()")
    n = input.dim() + 1
    first, second = normalize_dim("diag_embed", dim1, n), normalize_dim("diag_embed", dim2, n)
    if first == second:
        raise ShapeError(f"diag_embed: needs two dims, got dim1={dim1}, dim2={dim2}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((first, second)):
        shape.insert(d, size)
    return diagonal_scatter(zeros_of(tuple(shape), input), input, offset, first, second)


@op(
    samples=lambda: [
        Sample(Operand((3,))),
        Sample(Operand((3,)), -1),
        Sample(Operand((3, 3))),
        Sample(Operand((3, 4)), 1),
        Sample(Operand((0,))),
    ],
    errors=lambda: [ErrorSample(ShapeError, "1 or 2 dims", Operand((2, 2, 2)))],
    reference=lambda input, diagonal=0: np.diag(input, diagonal),
    tolerance="exact",
)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector; copied.

    Args:
        input: any dtype, 1 or 2 dims.
        diagonal: which diagonal; positive ones lie above the main diagonal.

    Returns:
        Shape (m, m) for a vector, (n) for a matrix.

    Raises:
        ShapeError: neither 1 nor 2 dims.

    Example:
        >>> cb.diag(cb.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    if input.dim() == 1:
        return diag_embed(input, diagonal)
    if input.dim() != 2:
        raise ShapeError(f"diag: needs 1 or 2 dims, got shape {tuple(input.shape)}")
    return input.diagonal(diagonal).clone()


@op(
    samples=lambda: [Sample(Operand((3,))), Sample(Operand((2, 2)), 1), Sample(Operand(()), -1)],
    reference=lambda input, offset=0: np.diagflat(input, offset),
    tolerance="exact",
)
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements, in row-major order, as the diagonal of a matrix.

    Args:
        input: any dtype, shape (*).
        offset: which diagonal; positive ones lie above the main diagonal.

    Returns:
        Shape (m, m) with m = numel + |offset|.

    Example:
        >>> cb.diagflat(cb.tensor([[1, 2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    return diag_embed(input.reshape((input.numel(),)), offset)


Tensor.fliplr = fliplr
Tensor.flipud = flipud
