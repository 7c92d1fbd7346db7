# SPDX-License-Identifier: Apache-2.0
"""Matrices with a pattern: identities, positions of triangles, powers."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, DTypeError, OutOfMemoryError, ShapeError
from .._shape import Shape, as_shape
from ..op import op
from ..op._checked import checked
from ..tensor._creation import tensor
from ..tensor._tensor import Tensor
from ..testing.samples import Sample
from .creation import default_float, factory, finish, front_size, size_rule, zeros
from .likes import ones_like

__all__ = [
    "eye",
    "tril_indices",
    "triu_indices",
    "vander",
]


def _host_eye(backend: Any, size: Shape, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(np.eye(*size, dtype=dtype.numpy), index)


@op(
    name="eye",
    host_kernel=_host_eye,
    factory_dtype=default_float,
    front=front_size("eye"),
    shape=size_rule("eye"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((3, 3)), Sample((2, 4)), Sample((4, 1)), Sample((0, 3)), Sample((2, 0))],
    reference=lambda size: np.equal.outer(np.arange(size[0]), np.arange(size[1])).astype(float),
    tolerance="exact",
)
def identity(size: Sequence[int]) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere.

    Args:
        size: shape (rows, columns).

    Returns:
        Shape `size`, the default float dtype unless `dtype=` is given.
    """
    ...


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A matrix with ones on the diagonal and zeros elsewhere.

    Args:
        n: rows.
        m: columns; `n` when None.
        out: tensor to write into.
        dtype: the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (n, m).

    Raises:
        ShapeError: `n` or `m` is negative.

    Example:
        >>> cb.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    result = factory("eye", identity, (n, n if m is None else m), (), dtype, device)
    return finish("eye", result, requires_grad, out, layout)


def _triangle(name: str, row: int, col: int, stretch: Any, dtype: Any, device: Any, layout: Any) -> Tensor:
    """Positions whose columns are, in each row, the stretch (first, end) that a function of row numbers gives."""
    as_shape(name, (row, col))
    found = _dtype.int64 if dtype is None else check_dtype(dtype)
    if found not in (_dtype.int64, _dtype.int32):
        raise DTypeError(f"{name}: dtype must be int64 or int32, got {found.name}")
    rows = np.arange(row)
    first, end = (np.clip(v, 0, col) for v in np.broadcast_arrays(*stretch(rows), rows)[:2])
    counts = np.maximum(end - first, 0)
    try:
        places = np.empty((2, int(counts.sum())), found.numpy)
    except MemoryError as error:
        raise OutOfMemoryError(f"{name}: no room for {int(counts.sum()):,} positions, got ({row}, {col})") from error
    places[0] = np.repeat(rows, counts)
    places[1] = np.arange(places.shape[1]) - np.repeat(np.cumsum(counts) - counts - first, counts)
    return finish(name, tensor(places, device=device), False, None, layout)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Positions of the lower triangle of a matrix, row by row.

    Args:
        row: rows of the matrix.
        col: its columns.
        offset: diagonal to include last: 0 the main one, positive above it.
        dtype: int64 when None, or int32.
        device: the default device when None.
        layout: `candelabra.strided`.

    Returns:
        Shape (2, positions): row and column of each.

    Raises:
        ShapeError: a size is negative.

    Example:
        >>> cb.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle("tril_indices", row, col, lambda rows: (0, rows + (offset + 1)), dtype, device, layout)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None
) -> Tensor:
    """Positions of the upper triangle of a matrix, row by row.

    Args:
        row: rows of the matrix.
        col: its columns.
        offset: diagonal to include first: 0 the main one, positive above it.
        dtype: int64 when None, or int32.
        device: the default device when None.
        layout: `candelabra.strided`.

    Returns:
        Shape (2, positions): row and column of each.

    Raises:
        ShapeError: a size is negative.

    Example:
        >>> cb.triu_indices(2, 2)
        tensor([[0, 0, 1],
                [0, 1, 1]])
    """
    return _triangle("triu_indices", row, col, lambda rows: (rows + offset, col), dtype, device, layout)


@checked
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: powers of each element, in columns.

    Args:
        x: any numeric dtype, shape (n,).
        N: number of columns; n when None.
        increasing: powers from 0 up instead of down to 0.

    Returns:
        Shape (n, N), the dtype of `x`; bool gives int64.

    Raises:
        ShapeError: `x` is not 1-d.
        ArgumentError: `N` is negative.

    Example:
        >>> cb.vander(cb.tensor([1, 2, 3]))
        tensor([[1, 1, 1],
                [4, 2, 1],
                [9, 3, 1]])
    """
    from .joining import stack

    if x.dim() != 1:
        raise ShapeError(f"vander: x must be 1-d, got shape {tuple(x.shape)}")
    count = x.numel() if N is None else N
    if count < 0:
        raise ArgumentError(f"vander: N must not be negative, got N={count}")
    if x.dtype.category < 2:
        x = x.to(_dtype.int64)
    if count == 0:
        return zeros(x.numel(), 0, dtype=x.dtype, device=x.device)
    # products, not pow: integers stay exact, and the gradient at 0 needs no care
    powers = [ones_like(x)]
    for _ in builtins.range(count - 1):
        powers.append(powers[-1] * x)
    return stack(powers if increasing else powers[::-1], dim=1)
