# SPDX-License-Identifier: Apache-2.0
"""Reductions over dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._dtype import check_dtype
from .._shape import Shape, normalize_dims
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing import samples

__all__ = ["sum"]


def all_dims(op_name: str) -> Any:
    """A front that normalises `dim` (None: all dims) and casts to `dtype=` when the op has one."""

    def front(input: Tensor, dim: Any, keepdim: bool, dtype: Any = None) -> tuple[Any, ...]:
        if dtype is not None:
            input = input.to(check_dtype(dtype))
        return input, normalize_dims(op_name, dim, input.dim()), bool(keepdim)

    return front


def unreduce(value: Tensor, input_shape: Shape, dim: Shape, keepdim: bool) -> Tensor:
    """A reduction's result, or its gradient, stretched back over the reduced dims."""
    if not keepdim and dim and len(dim) < len(input_shape):
        value = value.reshape(tuple(1 if i in dim else s for i, s in enumerate(input_shape)))
    return value.expand(input_shape)


@op(
    dtype=rules.accumulated,
    shape=rules.reduction,
    front=all_dims("sum"),
    drops=("dtype",),
    samples=lambda: samples.reduction(),
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.sum(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def sum(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum of `input` over `dim`.

    Args:
        input: any dtype that computes, shape (*).
        dim: dims to reduce; all of them when None. Negative counts from the end.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`. Integers and bool give int64; floating and complex dtypes are kept.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: `dim` names one dim twice.

    Source: pairwise order in blocks, after Higham (1993).

    Example:
        >>> cb.sum(cb.ones(2, 3), dim=1)
        tensor([3., 3.])
    """
    ...


sum.vjp(input=lambda grad, input_shape, dim, keepdim: unreduce(grad, input_shape, dim, keepdim))
