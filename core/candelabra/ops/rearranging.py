# SPDX-License-Identifier: Apache-2.0
"""Elements in other places: rolled, reversed, turned, on diagonals and in triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, DimError, ShapeError
from .._shape import Shape, normalize_dim, normalize_dims
from ..op import op, rules
from ..op._checked import checked
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .parts import diagonal_scatter
from .strided import zeros_of

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "flip",
    "fliplr",
    "flipud",
    "roll",
    "rot90",
    "tril",
    "triu",
]

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


@checked
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


@checked
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
