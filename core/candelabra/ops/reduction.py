# SPDX-License-Identifier: Apache-2.0
"""Reductions over dims: sums, products, truth and counts; and what all reductions share.

Names here hide Python's `sum`, `any` and `all`; code of this file that needs those says `builtins`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import check_dtype
from .._errors import CallError, DimError, DTypeError
from .._shape import Shape, normalize_dim, normalize_dims, reduced_shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "mean",
    "nanmean",
    "nansum",
    "prod",
    "sum",
]

# -- what the family shares ------------------------------------------------------------------------------------------


def all_dims(op_name: str) -> Any:
    """A front that normalises `dim` (None: all dims) and casts to `dtype=` when the op has one."""

    def front(input: Tensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> tuple[Any, ...]:
        if dtype is not None:
            input = input.to(check_dtype(dtype))
        return input, normalize_dims(op_name, dim, input.dim()), bool(keepdim)

    return front


def one_dim(op_name: str) -> Any:
    """A front that normalises the one dim of ops that give indices along it."""

    def front(input: Tensor, dim: Any, keepdim: bool = False) -> tuple[Any, ...]:
        return input, normalize_dim(op_name, dim, input.dim()), bool(keepdim)

    return front


def unreduce(value: Tensor, input_shape: Shape, dim: Shape, keepdim: bool) -> Tensor:
    """A reduction's result, or its gradient, stretched back over the reduced dims."""
    if not keepdim and dim and len(dim) < len(input_shape):
        value = value.reshape(tuple(1 if i in dim else s for i, s in enumerate(input_shape)))
    return value.expand(input_shape)


def reduced_count(input_shape: Shape, dim: Shape) -> int:
    """Number of elements that make one result."""
    return math.prod([input_shape[d] for d in dim])


def refuse_empty(op_name: str, input: Any, dim: Any) -> None:
    """Raises DimError where a dim to take an extreme over has no elements."""
    shape = tuple(input.shape)
    for d in dim:
        if shape[d] == 0:
            raise DimError(f"{op_name}: cannot choose among no elements, got dim={d} of size 0 in shape {shape}")


def place_along(grad: Tensor, indices: Tensor, dim: int, input_shape: Shape) -> Tensor:
    """`grad` added at `indices` along `dim` of zeros: the gradient of values picked by index."""
    from .creation import zeros

    if not input_shape:
        return grad.reshape(input_shape)
    return zeros(input_shape, dtype=grad.dtype, device=grad.device).scatter_add(dim, indices, grad)


def along_one_dim(input: Any, dim: int, keepdim: bool) -> list[Shape]:
    """Shapes of (values, indices) of a reduction of one dim."""
    shape = reduced_shape(tuple(input.shape), (dim,), keepdim)
    return [shape, shape]


def in_single(input: Tensor) -> Tensor:
    """16-bit floats as float32, which they are accumulated in; others as they are."""
    return input.to(_dtype.float32) if input.dtype in (_dtype.float16, _dtype.bfloat16) else input


def over_dims(shape: Shape, *args: Any, **kwargs: Any) -> Sample:
    return Sample(Operand(shape, distinct=True), *args, **kwargs)


# -- sums and products -----------------------------------------------------------------------------------------------


@op(
    dtype=rules.accumulated,
    shape=rules.reduction,
    front=all_dims("sum"),
    drops=("dtype",),
    samples=lambda: [
        *samples.reduction(),
        Sample(Operand((2, 3, 4)), (0, 2)),
        Sample(Operand((40, 65)), 1),
        Sample(Operand((65, 40)), 0),
        Sample(Operand((2, 3)), dtype=_dtype.float64),
        Sample(Operand((2,), values=[np.inf, -np.inf]), special=np.nan, dtypes=samples.SPECIAL_DTYPES, grad=False),
    ],
    errors=lambda: [ErrorSample(DimError, "sum: dim must be in", Operand((2, 3)), 2)],
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.sum(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def sum(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum of `input` over `dim`.

    Args:
        input: any dtype that computes, shape (*). 16-bit floats are accumulated in float32.
        dim: dims to reduce; all of them when None. Negative counts from the end.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`. Integers and bool give int64; floating and complex dtypes are kept. 0 over no elements.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: `dim` names one dim twice.

    Source: pairwise order in blocks, after Higham (1993).

    Example:
        >>> cb.sum(cb.ones(2, 3), dim=1)
        tensor([3., 3.])
    """
    ...


sum.vjp(input=unreduce)


@op(
    dtype=rules.inexact_only,
    shape=rules.reduction,
    front=all_dims("mean"),
    drops=("dtype",),
    samples=lambda: [
        *samples.reduction(),
        Sample(Operand((2, 3, 4)), (0, 2)),
        Sample(Operand((2, 3), dtype="int64"), dtype=_dtype.float64),
    ],
    errors=lambda: [
        ErrorSample(DTypeError, "mean: needs a floating or complex dtype, got int64", Operand((2,)), dtype="int64"),
        ErrorSample(DimError, "mean: dim must be in", Operand((2,)), -2),
    ],
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.mean(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def mean(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Arithmetic mean of `input` over `dim`.

    Args:
        input: floating or complex, shape (*). 16-bit floats are accumulated in float32.
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`, the dtype of `input`; nan over no elements.

    Raises:
        DTypeError: `input` is of integers or bool and no `dtype` is given.
        DimError: `dim` is out of range.

    Example:
        >>> cb.mean(cb.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
        tensor([2., 3.])
    """
    if dtype is not None:
        input = input.to(check_dtype(dtype))
    dims = normalize_dims("mean", dim, input.dim())
    return (sum(in_single(input), dims, keepdim) / reduced_count(tuple(input.shape), dims)).to(input.dtype)


mean.vjp(
    input=lambda grad, input_shape, dim, keepdim: unreduce(
        grad / reduced_count(input_shape, dim), input_shape, dim, keepdim
    )
)


def _front_prod(input: Tensor, dim: Any, keepdim: bool, dtype: Any) -> tuple[Any, ...]:
    if dim is not None and not hasattr(dim, "__index__"):
        raise CallError(f"prod: dim must be one int or None, got dim={dim!r}")
    return all_dims("prod")(input, dim, keepdim, dtype)


@op(
    dtype=rules.accumulated,
    shape=rules.reduction,
    front=_front_prod,
    drops=("dtype",),
    samples=lambda: [
        *samples.reduction(0.5, 1.5),
        Sample(Operand((2, 3), values=[[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), 1),
        Sample(Operand((4,), values=[2.0, 0.0, 3.0, -1.0])),
        Sample(Operand((2, 3), dtype="int64"), dtype=_dtype.float64),
    ],
    errors=lambda: [ErrorSample(CallError, "prod: dim must be one int", Operand((2, 3)), (0, 1))],
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.prod(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Product of `input` over one dim, or of all its elements.

    Args:
        input: any dtype that computes, shape (*).
        dim: the dim to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`. Integers and bool give int64; floating and complex dtypes are kept. 1 over no elements.

    Raises:
        CallError: `dim` is not a single int.
        DimError: `dim` is out of range.

    Example:
        >>> cb.prod(cb.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
        tensor([ 2., 12.])
    """
    ...


def _prod_grad(grad: Tensor, input: Tensor, dim: Shape, keepdim: bool) -> Tensor:
    """The product of all other elements, as what stands before times what stands behind: right at zeros too."""
    shape = tuple(input.shape)
    full = unreduce(grad, shape, dim, keepdim)
    if input.numel() == 0:
        return full
    flat, along = (input, dim[0]) if len(dim) == 1 else (input.reshape(-1), 0)
    behind = before(flat.flip(along), along).flip(along)
    return full * conjugate((before(flat, along) * behind).reshape(shape))


def before(input: Tensor, dim: int) -> Tensor:
    """Product of the elements before each along `dim`; 1 for the first."""
    from ._names import cat, cumprod, ones_like

    first, rest = input.narrow(dim, 0, 1), input.narrow(dim, 0, input.shape[dim] - 1)
    return cat([ones_like(first), cumprod(rest, dim)], dim)


prod.vjp(input=_prod_grad)


@op(
    dtype=rules.accumulated,
    shape=rules.reduction,
    front=all_dims("nansum"),
    drops=("dtype",),
    samples=lambda: [
        *samples.reduction(),
        Sample(Operand((3,), values=[1.0, np.nan, 2.0]), special=3.0, dtypes=samples.SPECIAL_DTYPES, grad=False),
        Sample(Operand((2, 2), values=[[1.0, np.nan], [np.nan, np.nan]]), 1, dtypes=samples.SPECIAL_DTYPES),
    ],
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.nansum(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def nansum(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Sum of `input` over `dim`, with nan counted as 0.

    Args:
        input: any dtype that computes, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`, the dtype that `sum` gives.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.nansum(cb.tensor([1.0, float("nan"), 2.0]))
        tensor(3.)
    """
    from ._names import isnan, where

    if dtype is not None:
        input = input.to(check_dtype(dtype))
    if input.dtype.category >= 2:
        input = where(isnan(input), 0, input)
    return sum(input, dim, keepdim)


@op(
    dtype=rules.inexact_only,
    shape=rules.reduction,
    front=all_dims("nanmean"),
    drops=("dtype",),
    samples=lambda: [
        *samples.reduction(empty=False),
        Sample(Operand((3,), values=[1.0, np.nan, 2.0]), special=1.5, dtypes=samples.SPECIAL_DTYPES, grad=False),
        Sample(
            Operand((2, 2), values=[[1.0, np.nan], [np.nan, np.nan]]),
            1,
            special=[1.0, np.nan],
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ],
    reference=lambda input, dim=None, keepdim=False, dtype=None: np.nanmean(input, axis=dim, keepdims=keepdim),
    tolerance="accumulation",
)
def nanmean(
    input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Mean over `dim` of the elements that are not nan.

    Args:
        input: floating or complex, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`, the dtype of `input`; nan where no element is left.

    Raises:
        DTypeError: `input` is of integers or bool and no `dtype` is given.
        DimError: `dim` is out of range.

    Example:
        >>> cb.nanmean(cb.tensor([1.0, float("nan"), 2.0]))
        tensor(1.5000)
    """
    from ._names import isnan

    if dtype is not None:
        input = input.to(check_dtype(dtype))
    wide = in_single(input)
    return (nansum(wide, dim, keepdim) / sum(isnan(wide).logical_not(), dim, keepdim)).to(input.dtype)


# -- truth and counts ------------------------------------------------------------------------------------------------


def _truth(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """bool, but uint8 for uint8, which was the dtype of truth before bool."""
    rules.refuse_storage_only(name, found)
    return found, found if found is _dtype.uint8 else _dtype.bool_


@op(
    dtype=_truth,
    shape=rules.reduction,
    front=all_dims("any"),
    grad="none: results are bool",
    samples=lambda: [
        *samples.reduction(-1, 1),
        Sample(Operand((2, 3, 4), dtype="bool"), (0, 2)),
        Sample(Operand((2, 2), values=[[0, 3], [0, 0]]), 1),
        Sample(Operand((1,), values=[np.nan]), special=True, dtypes=samples.SPECIAL_DTYPES),
    ],
    errors=lambda: [ErrorSample(DimError, "any: dim must be in", Operand((2,)), 1)],
    reference=lambda input, dim=None, keepdim=False: np.any(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def any(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """True where some element over `dim` is not zero.

    Args:
        input: any dtype that computes, shape (*). nan is not zero.
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        bool, for uint8 uint8, of shape (*) without `dim`; False over no elements.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.any(cb.tensor([[0, 3], [0, 0]]), dim=1)
        tensor([ True, False])
    """
    ...


@op(
    dtype=_truth,
    shape=rules.reduction,
    front=all_dims("all"),
    grad="none: results are bool",
    samples=lambda: [
        *samples.reduction(-1, 1),
        Sample(Operand((2, 3, 4), dtype="bool"), (0, 2)),
        Sample(Operand((2, 2), values=[[0, 3], [0, 0]]), 1),
        Sample(Operand((1,), values=[np.nan]), special=True, dtypes=samples.SPECIAL_DTYPES),
    ],
    errors=lambda: [ErrorSample(DimError, "all: dim must be in", Operand((2,)), 1)],
    reference=lambda input, dim=None, keepdim=False: np.all(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def all(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """True where each element over `dim` is not zero.

    Args:
        input: any dtype that computes, shape (*). nan is not zero.
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        bool, for uint8 uint8, of shape (*) without `dim`; True over no elements.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.all(cb.tensor([[1, 3], [0, 1]]), dim=1)
        tensor([ True, False])
    """
    ...


def _count_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.refuse_storage_only(name, found)
    return found, _dtype.int64


@op(
    dtype=_count_dtype,
    shape=lambda input, dim: reduced_shape(tuple(input.shape), dim, False),
    front=lambda input, dim: (input, normalize_dims("count_nonzero", dim, input.dim())),
    grad="none: results are counts",
    samples=lambda: [
        *[Sample(Operand(shape, -1, 1), dim) for shape in ((), (5,), (0,)) for dim in (None, 0)],
        *[Sample(Operand((2, 3, 4), -1, 1), dim) for dim in (None, 1, (0, 2), -1)],
        Sample(Operand((3,), values=[np.nan, 0.0, -0.0]), special=1, dtypes=samples.SPECIAL_DTYPES),
    ],
    reference=lambda input, dim=None: np.sum(input != 0, axis=dim),
    tolerance="exact",
)
def count_nonzero(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Number of elements over `dim` that are not zero.

    Args:
        input: any dtype that computes, shape (*). nan is not zero.
        dim: dims to reduce; all of them when None.

    Returns:
        int64, shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.count_nonzero(cb.tensor([[0, 3], [1, 2]]), dim=0)
        tensor([1, 2])
    """
    return sum(input != 0, dim)
