# SPDX-License-Identifier: Apache-2.0
"""Distances between rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError, ShapeError
from ..op import op
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .linalg import check_ranks, matmul
from .norm import vector_norm

__all__ = ["cdist", "pdist"]


def _check_p(name: str, p: float) -> None:
    if not p >= 0:
        raise ArgumentError(f"{name}: p must be 0 or more, got p={p}")


def _distances(name: str, *operands: tuple[str, Tensor]) -> None:
    for operand, tensor in operands:
        if tensor.dtype.category != 2:
            raise DTypeError(f"{name}: {operand} must be floating, got {tensor.dtype.name}")


_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


def _cdist_reference(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "") -> Any:
    apart = np.abs(x1[..., :, None, :] - x2[..., None, :, :])
    if p == 0:
        return (apart != 0).sum(-1).astype(apart.dtype)
    if p == math.inf:
        return apart.max(-1, initial=0)
    return (apart**p).sum(-1) ** (1 / p)


@op(
    method=False,
    samples=lambda: [
        *(
            Sample(Operand((2, 3)), Operand((4, 3)), p, dtypes=("float32", "float64"))
            for p in (0.5, 1.0, 1.5, 2.0, 3.0, math.inf)
        ),
        Sample(Operand((2, 3)), Operand((4, 3)), 0.0, grad=False, dtypes=("float32", "float64")),
        Sample(Operand((2, 1, 2, 3)), Operand((3, 2, 3)), dtypes=("float32", "float64")),
        Sample(Operand((0, 3)), Operand((2, 3)), dtypes=("float32", "float64")),
        Sample(Operand((2, 0)), Operand((3, 0)), dtypes=("float32", "float64")),
        Sample(Operand((29, 3)), Operand((2, 3)), dtypes=("float32", "float64")),
        Sample(Operand((2, 3)), Operand((3, 3)), compute_mode="use_mm_for_euclid_dist", dtypes=("float32", "float64")),
        Sample(Operand((29, 3)), Operand((2, 3)), compute_mode=_MODES[2], dtypes=("float32", "float64")),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "last sizes", Operand((2, 3)), Operand((2, 2))),
        ErrorSample(ArgumentError, "p must be", Operand((2, 3)), Operand((2, 3)), -1.0),
        ErrorSample(DTypeError, "floating", Operand((2, 3)), Operand((2, 3)), dtype="int64"),
    ],
    reference=_cdist_reference,
    tolerance="accumulation",
)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """Distance of each row of `x1` from each row of `x2`, in the `p`-norm.

    Args:
        x1: floating, shape (*, n, d).
        x2: shape (*, m, d).
        p: 0 (number of elements that differ) to infinity (largest difference).
        compute_mode: for p=2, whether to expand the square and use a matrix product, faster and less exact for close
            rows: `"use_mm_for_euclid_dist_if_necessary"` (past 25 rows), `"use_mm_for_euclid_dist"` or
            `"donot_use_mm_for_euclid_dist"`.

    Returns:
        Shape (*, n, m).

    Raises:
        ShapeError: the last sizes differ, or an operand has less than 2 dims.
        ArgumentError: `p` is negative, or an unknown `compute_mode`.

    Example:
        >>> cb.cdist(cb.tensor([[0.0, 0.0]]), cb.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[5., 0.]])
    """
    _distances("cdist", ("x1", x1), ("x2", x2))
    _check_p("cdist", p)
    if x1.dim() < 2 or x2.dim() < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: operands need 2 dims or more and equal last sizes, got {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    if compute_mode not in _MODES:
        raise ArgumentError(f"cdist: compute_mode must be one of {', '.join(_MODES)}, got {compute_mode!r}")
    if x1.dtype.itemsize == 2 and x2.dtype is x1.dtype:  # differences of squares need the digits
        return cdist(x1.to(_dtype.float32), x2.to(_dtype.float32), p, compute_mode).to(x1.dtype)
    many = max(x1.shape[-2], x2.shape[-2]) > 25
    if p == 2 and (compute_mode == _MODES[1] or (compute_mode == _MODES[0] and many)):
        return _cdist_by_product(x1, x2)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1) if x1.shape[-1] else _no_distance(x1, x2)


def _no_distance(x1: Tensor, x2: Tensor) -> Tensor:
    """Zeros for rows without elements, which have no largest one."""
    return matmul(x1, x2.transpose(-1, -2))


def _cdist_by_product(x1: Tensor, x2: Tensor) -> Tensor:
    """Roots of |x1|^2 + |x2|^2 - 2 x1.x2, the two norms taking part in the product as columns beside ones."""
    from ._names import where

    product = matmul(x1, x2.transpose(-1, -2))
    squares = (x1 * x1).sum(-1, True) + (x2 * x2).sum(-1, True).transpose(-1, -2) - 2 * product
    far = squares > 0
    return where(far, where(far, squares, 1.0).sqrt(), 0.0)


def _pdist_reference(input: Any, p: float = 2.0) -> Any:
    rows, columns = np.triu_indices(input.shape[0], 1)
    return _cdist_reference(input[rows, None], input[columns, None], p)[:, 0, 0]


@op(
    method=False,
    samples=lambda: [
        *(Sample(Operand((4, 3)), p, dtypes=("float32", "float64")) for p in (1.0, 1.5, 2.0, 3.0, math.inf)),
        Sample(Operand((4, 3)), 0.0, grad=False, dtypes=("float32", "float64")),
        Sample(Operand((1, 3)), dtypes=("float32", "float64")),
        Sample(Operand((0, 3)), dtypes=("float32", "float64")),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "2 dims", Operand((3,))),
        ErrorSample(ArgumentError, "p must be", Operand((2, 3)), -1.0),
    ],
    reference=_pdist_reference,
    tolerance="accumulation",
)
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distance of each pair of rows, in the `p`-norm.

    Args:
        input: floating, shape (n, d).
        p: 0 to infinity, as of `cdist`.

    Returns:
        Shape (n (n - 1) / 2): pairs (0, 1), (0, 2), ..., (1, 2), ...

    Raises:
        ShapeError: `input` is not a matrix.
        ArgumentError: `p` is negative.

    Example:
        >>> cb.pdist(cb.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
        tensor([5.0000, 1.0000, 4.2426])
    """
    from .strided import host_tensor

    check_ranks("pdist", ("input", input, 2))
    _distances("pdist", ("input", input))
    _check_p("pdist", p)
    rows, columns = (host_tensor(i, input) for i in np.triu_indices(input.shape[0], 1))
    apart = input.index_select(0, rows) - input.index_select(0, columns)
    return vector_norm(apart, p, -1) if input.shape[1] else apart.sum(-1)
