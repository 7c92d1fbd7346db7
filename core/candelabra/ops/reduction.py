# SPDX-License-Identifier: Apache-2.0
"""Reductions over dims: sums, products, moments, extremes and counts.

Names here hide Python's `sum`, `max`, `min`, `any` and `all`; code of this file that needs those says `builtins`.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import check_dtype
from .._errors import ArgumentError, CallError, DimError, DTypeError
from .._shape import Shape, normalize_dim, normalize_dims, reduced_shape
from ..op import Number, op, rules
from ..op._named import named
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate

__all__ = [
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "nanmean",
    "nansum",
    "prod",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
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


def _over(shape: Shape, *args: Any, **kwargs: Any) -> Sample:
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


# -- variance --------------------------------------------------------------------------------------------------------


def _front_var(op_name: str) -> Any:
    """Folds `unbiased` into `correction`; a bool in place of `dim` is `unbiased`, as in PyTorch."""

    def front(input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> tuple[Any, ...]:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None:
            if correction is not None:
                raise ArgumentError(
                    f"{op_name}: takes unbiased or correction, got unbiased={unbiased} and correction={correction}"
                )
            correction = int(unbiased)
        return input, normalize_dims(op_name, dim, input.dim()), bool(keepdim), 1 if correction is None else correction

    return front


def _var_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.inexact_only(name, found, args)[0], found.to_real()


def _two_var_dtypes(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute, result = _var_dtype(name, found, args)
    return compute, (result, compute)


def _two_shapes(input: Any, dim: Shape, keepdim: bool, correction: Number) -> list[Shape]:
    shape = reduced_shape(tuple(input.shape), dim, keepdim)
    return [shape, shape]


def freedom(input_shape: Shape, dim: Shape, correction: Any) -> Any:
    """Degrees of freedom: what the squares are divided by, not below 0."""
    return builtins.max(reduced_count(input_shape, dim) - correction, 0)


def _var_samples(distinct: bool = False) -> list[Sample]:
    def some(*shape: int) -> Operand:
        return Operand(shape, distinct=distinct)

    return [
        *[Sample(some(*shape), dim, correction=0) for shape in ((0,), (2, 0), (67, 3)) for dim in (None, 0)],
        Sample(some(), correction=0),
        *[Sample(some(3, 4), dim) for dim in (None, 0, -1, (0, 1))],
        Sample(some(2, 3, 4), (0, 2), keepdim=True),
        Sample(some(5), 0, False),
        Sample(some(5), False),
        Sample(some(5), 0, True, True),
        Sample(some(4, 5), 1, correction=2),
        Sample(Operand((3, 4)), 0, dtypes=("complex64", "complex128")),
        Sample(Operand((3, 1)), 1, grad=False),
        Sample(Operand((3,), values=[1024.0, 1024.0, 1024.0]), grad=False),
    ]


def _var_errors() -> list[ErrorSample]:
    return [
        ErrorSample(DTypeError, "needs a floating or complex dtype, got int64", Operand((2,)), dtype="int64"),
        ErrorSample(DimError, "dim must be in", Operand((2,)), 1),
        ErrorSample(ArgumentError, "unbiased or correction", Operand((2,)), 0, True, correction=1),
    ]


def _var_reference(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    ddof = 1 if correction is None else correction
    return np.var(input, axis=dim, keepdims=keepdim, ddof=ddof if unbiased is None else int(unbiased))


@op(
    dtype=_var_dtype,
    shape=rules.reduction,
    front=_front_var("var"),
    drops=("unbiased",),
    samples=_var_samples,
    errors=_var_errors,
    reference=_var_reference,
    tolerance="accumulation",
)
def var(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Variance over `dim`: squared distances from the mean, divided by the number of elements less `correction`.

    Args:
        input: floating or complex, shape (*). 16-bit floats are accumulated in float32.
        dim: dims to reduce; all of them when None. A bool here is taken for `unbiased`.
        unbiased: older spelling of `correction`: 1 when true, 0 when false.
        keepdim: keep reduced dims with size 1.
        correction: subtracted from the number of elements; 1 (Bessel's) when None.

    Returns:
        Shape (*) without `dim`, the real dtype of `input`'s precision; nan for one element with correction 1.

    Raises:
        DTypeError: `input` is of integers or bool.
        DimError: `dim` is out of range.
        ArgumentError: both `unbiased` and `correction` are given.

    Source: two passes, mean first, after Chan, Golub and LeVeque (1983).

    Example:
        >>> cb.var(cb.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    source, dims, keep, amount = _front_var("var")(input, dim, unbiased, keepdim, correction)
    wide = in_single(source)
    apart = wide - mean(wide, dims, True)
    squares = apart * apart if not apart.is_complex() else apart.real * apart.real + apart.imag * apart.imag
    total = sum(squares, dims, keep)
    return (total / freedom(tuple(input.shape), dims, amount)).to(input.dtype.to_real())


def _var_grad(grad: Tensor, input: Tensor, dim: Shape, keepdim: bool, correction: Number) -> Tensor:
    shape = tuple(input.shape)
    count = freedom(shape, dim, correction)
    factor = 2 / count if count else math.inf
    return unreduce(grad * factor, shape, dim, keepdim) * (input - mean(input, dim, True))


var.vjp(input=_var_grad)


@op(
    dtype=_var_dtype,
    shape=rules.reduction,
    front=_front_var("std"),
    drops=("unbiased",),
    samples=lambda: _var_samples(distinct=True),  # a root has no slope at 0
    errors=_var_errors,
    reference=lambda *args, **kwargs: np.sqrt(_var_reference(*args, **kwargs)),
    tolerance="accumulation",
)
def std(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Standard deviation over `dim`: the square root of `var`.

    Args:
        input: floating or complex, shape (*). 16-bit floats are accumulated in float32.
        dim: dims to reduce; all of them when None. A bool here is taken for `unbiased`.
        unbiased: older spelling of `correction`: 1 when true, 0 when false.
        keepdim: keep reduced dims with size 1.
        correction: subtracted from the number of elements; 1 (Bessel's) when None.

    Returns:
        Shape (*) without `dim`, the real dtype of `input`'s precision. Its gradient is 0 where the result is 0.

    Raises:
        DTypeError: `input` is of integers or bool.
        DimError: `dim` is out of range.
        ArgumentError: both `unbiased` and `correction` are given.

    Example:
        >>> cb.std(cb.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    return var(in_single(input), dim, unbiased, keepdim, correction=correction).sqrt().to(input.dtype.to_real())


def _std_grad(grad: Tensor, out: Tensor, input: Tensor, dim: Shape, keepdim: bool, correction: Number) -> Tensor:
    from ._names import where

    flat = out == 0
    through_root = where(flat, 0, grad / where(flat, 1, out + out))
    return _var_grad(through_root, input, dim, keepdim, correction)


std.vjp(input=_std_grad)


def _var_mean_reference(input: Any, *args: Any, **kwargs: Any) -> Any:
    spread = _var_reference(input, *args, **kwargs)
    dim = args[0] if args and not isinstance(args[0], bool) else kwargs.get("dim")
    keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    return spread, np.mean(input, axis=dim, keepdims=keepdim)


@op(
    dtype=_two_var_dtypes,
    shape=_two_shapes,
    front=_front_var("var_mean"),
    drops=("unbiased",),
    samples=_var_samples,
    errors=_var_errors,
    reference=_var_mean_reference,
    tolerance="accumulation",
)
def var_mean(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `dim`.

    Args:
        input: floating or complex, shape (*).
        dim: dims to reduce; all of them when None. A bool here is taken for `unbiased`.
        unbiased: older spelling of `correction`: 1 when true, 0 when false.
        keepdim: keep reduced dims with size 1.
        correction: subtracted from the number of elements; 1 when None.

    Returns:
        (variance, mean), each of shape (*) without `dim`.

    Raises:
        DTypeError: `input` is of integers or bool.
        DimError: `dim` is out of range.
        ArgumentError: both `unbiased` and `correction` are given.

    Example:
        >>> cb.var_mean(cb.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    source, dims, keep, amount = _front_var("var_mean")(input, dim, unbiased, keepdim, correction)
    return var(source, dims, None, keep, correction=amount), mean(source, dims, keep)


def _std_mean_reference(input: Any, *args: Any, **kwargs: Any) -> Any:
    spread, middle = _var_mean_reference(input, *args, **kwargs)
    return np.sqrt(spread), middle


@op(
    dtype=_two_var_dtypes,
    shape=_two_shapes,
    front=_front_var("std_mean"),
    drops=("unbiased",),
    samples=lambda: _var_samples(distinct=True),
    errors=_var_errors,
    reference=_std_mean_reference,
    tolerance="accumulation",
)
def std_mean(
    input: Tensor,
    dim: int | Sequence[int] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over `dim`.

    Args:
        input: floating or complex, shape (*).
        dim: dims to reduce; all of them when None. A bool here is taken for `unbiased`.
        unbiased: older spelling of `correction`: 1 when true, 0 when false.
        keepdim: keep reduced dims with size 1.
        correction: subtracted from the number of elements; 1 when None.

    Returns:
        (standard deviation, mean), each of shape (*) without `dim`.

    Raises:
        DTypeError: `input` is of integers or bool.
        DimError: `dim` is out of range.
        ArgumentError: both `unbiased` and `correction` are given.

    Example:
        >>> cb.std_mean(cb.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    source, dims, keep, amount = _front_var("std_mean")(input, dim, unbiased, keepdim, correction)
    return std(source, dims, None, keep, correction=amount), mean(source, dims, keep)


# -- extremes --------------------------------------------------------------------------------------------------------


def _extreme_shape(op_name: str) -> Any:
    def rule(input: Any, dim: Shape, keepdim: bool) -> Shape:
        refuse_empty(op_name, input, dim)
        return reduced_shape(tuple(input.shape), dim, keepdim)

    return rule


def _extreme_samples() -> list[Sample]:
    return [
        *samples.reduction(distinct=True, empty=False),
        _over((2, 3, 4), (0, 2)),
        _over((2, 0, 3), 0),
        _over((0, 3), 1, True),
        Sample(Operand((5,), values=[1.0, 3.0, 3.0, 1.0, 1.0]), grad=False),
        Sample(
            Operand((3,), values=[np.inf, np.nan, -np.inf]), special=np.nan, dtypes=samples.SPECIAL_DTYPES, grad=False
        ),
        Sample(Operand((2,), values=[-np.inf, -np.inf]), special=-np.inf, dtypes=samples.SPECIAL_DTYPES, grad=False),
    ]


def _extreme_errors(op_name: str) -> Any:
    return lambda: [
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements, got dim=0", Operand((0, 3)), 0),
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements", Operand((0,))),
        ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64"),
        ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2,)), 1),
    ]


def _extreme_grad(grad: Tensor, input: Tensor, out: Tensor, dim: Shape, keepdim: bool) -> Tensor:
    """Equal shares for all elements that tie."""
    shape = tuple(input.shape)
    ties = (input == unreduce(out.detach(), shape, dim, keepdim)).to(grad.dtype)
    return unreduce(grad, shape, dim, keepdim) * (ties / sum(ties, dim, True))


@op(
    dtype=rules.real,
    shape=_extreme_shape("amax"),
    front=all_dims("amax"),
    samples=_extreme_samples,
    errors=_extreme_errors("amax"),
    reference=lambda input, dim=None, keepdim=False: np.max(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Shape (*) without `dim`, the dtype of `input`. The gradient is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.amax(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0)
        tensor([3., 4.])
    """
    ...


amax.vjp(input=_extreme_grad)


@op(
    dtype=rules.real,
    shape=_extreme_shape("amin"),
    front=all_dims("amin"),
    samples=_extreme_samples,
    errors=_extreme_errors("amin"),
    reference=lambda input, dim=None, keepdim=False: np.min(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def amin(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Shape (*) without `dim`, the dtype of `input`. The gradient is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.amin(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0)
        tensor([1., 2.])
    """
    ...


amin.vjp(input=_extreme_grad)


def _aminmax_shapes(input: Any, dim: Shape, keepdim: bool) -> list[Shape]:
    refuse_empty("aminmax", input, dim)
    shape = reduced_shape(tuple(input.shape), dim, keepdim)
    return [shape, shape]


def _two_alike(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.real(name, found, args)[0]
    return compute, (compute, compute)


@named("min", "max")
@op(
    dtype=_two_alike,
    shape=_aminmax_shapes,
    front=all_dims("aminmax"),
    samples=lambda: [
        *[
            _over(shape, dim=dim, keepdim=keep)
            for shape in ((2, 3), (5,), ())
            for dim, keep in ((None, False), (0, True))
        ],
        _over((3, 67), dim=-1),
        _over((2, 0, 3), dim=0),
    ],
    errors=lambda: [ErrorSample(DimError, "aminmax: cannot choose among no elements", Operand((0,)))],
    reference=lambda input, dim=None, keepdim=False: (
        np.min(input, axis=dim, keepdims=keepdim),
        np.max(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Smallest and largest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Named results `min` and `max`, each of shape (*) without `dim` and the dtype of `input`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.aminmax(cb.tensor([2.0, 1.0, 3.0])).max
        tensor(3.)
    """
    refuse_empty("aminmax", input, normalize_dims("aminmax", dim, input.dim()))
    return amin(input, dim, keepdim), amax(input, dim, keepdim)


def _front_arg(op_name: str) -> Any:
    def front(input: Tensor, dim: Any, keepdim: bool) -> tuple[Any, ...]:
        return input, None if dim is None else normalize_dim(op_name, dim, input.dim()), bool(keepdim)

    return front


def _arg_shape(op_name: str) -> Any:
    def rule(input: Any, dim: int | None, keepdim: bool) -> Shape:
        shape = tuple(input.shape)
        dims = tuple(range(len(shape))) if dim is None else (dim,) if shape else ()
        refuse_empty(op_name, input, dims)
        return reduced_shape(shape, dims, keepdim)

    return rule


def _arg_samples() -> list[Sample]:
    return [
        *samples.reduction(distinct=True, empty=False),
        Sample(Operand((5,), values=[1.0, 3.0, 3.0, 1.0, 1.0])),
        Sample(Operand((2, 2), values=[[1, 1], [0, 0]]), 1),
        Sample(Operand((4,), values=[1.0, np.nan, 5.0, np.nan]), special=1, dtypes=samples.SPECIAL_DTYPES),
        _over((2, 0, 3), 0),
    ]


@op(
    dtype=rules.to_index,
    shape=_arg_shape("argmax"),
    front=_front_arg("argmax"),
    grad="none: results are indices",
    samples=_arg_samples,
    errors=_extreme_errors("argmax"),
    reference=lambda input, dim=None, keepdim=False: np.argmax(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element along `dim`: the first of equal ones, and of the first nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; None looks at all elements in row-major order.
        keepdim: keep reduced dims with size 1.

    Returns:
        int64, shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.argmax(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
        tensor([1, 0])
    """
    ...


@op(
    dtype=rules.to_index,
    shape=_arg_shape("argmin"),
    front=_front_arg("argmin"),
    grad="none: results are indices",
    samples=_arg_samples,
    errors=_extreme_errors("argmin"),
    reference=lambda input, dim=None, keepdim=False: np.argmin(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element along `dim`: the first of equal ones, and of the first nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; None looks at all elements in row-major order.
        keepdim: keep reduced dims with size 1.

    Returns:
        int64, shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.argmin(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
        tensor([0, 1])
    """
    ...


def _chosen_shapes(op_name: str, input: Any, dim: int, keepdim: bool) -> list[Shape]:
    if input.dim():
        refuse_empty(op_name, input, (dim,))
    return along_one_dim(input, dim, keepdim)


def _chosen_samples() -> list[Sample]:
    return [
        *[
            _over(shape, dim)
            for shape, dim in (((2, 3), 0), ((2, 3), -1), ((5,), 0), ((), 0), ((3, 67), 1), ((2, 0, 3), 0))
        ],
        _over((2, 3, 4), 1, True),
        _over((2, 3, 4), 1, keepdim=True),
        Sample(Operand((2, 3), values=[[1, 1, 0], [0, 2, 2]]), 1, grad=False),
        Sample(
            Operand((4,), values=[1.0, np.nan, 5.0, np.nan]),
            0,
            special=(np.nan, 1),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ]


def _chosen_errors(op_name: str) -> Any:
    return lambda: [
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements, got dim=0", Operand((0, 3)), 0),
        ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2,)), 1),
        ErrorSample(DTypeError, "no order", Operand((2,)), 0, dtype="complex64"),
    ]


def along_dim_grad(grad: Tensor, indices: Tensor, dim: int, keepdim: bool, input_shape: Shape) -> Tensor:
    """Gradient of one value picked along `dim`."""
    if not keepdim and input_shape:
        grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
    return place_along(grad, indices, dim, input_shape)


def _chosen_grad(grad: Any, out: Any, input_shape: Shape, dim: int, keepdim: bool) -> Tensor:
    return along_dim_grad(grad[0], out[1], dim, keepdim, input_shape)


@named("values", "indices", name="max")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim, keepdim: _chosen_shapes("max", input, dim, keepdim),
    front=one_dim("max"),
    method=False,
    samples=_chosen_samples,
    errors=_chosen_errors("max"),
    reference=lambda input, dim, keepdim=False: (
        np.max(input, axis=dim, keepdims=keepdim),
        np.argmax(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def max_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Largest elements along `dim` and their indices: `max` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep the reduced dim with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.max(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), 1).indices
        tensor([1, 0])
    """
    indices = argmax(input, dim, True)
    values = input.gather(dim, indices) if input.dim() else input.clone()
    return (values, indices) if keepdim or not input.dim() else (values.squeeze(dim), indices.squeeze(dim))


max_dim.vjp(input=_chosen_grad)


@named("values", "indices", name="min")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim, keepdim: _chosen_shapes("min", input, dim, keepdim),
    front=one_dim("min"),
    method=False,
    samples=_chosen_samples,
    errors=_chosen_errors("min"),
    reference=lambda input, dim, keepdim=False: (
        np.min(input, axis=dim, keepdims=keepdim),
        np.argmin(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def min_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Smallest elements along `dim` and their indices: `min` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep the reduced dim with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.min(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), 1).indices
        tensor([0, 1])
    """
    indices = argmin(input, dim, True)
    values = input.gather(dim, indices) if input.dim() else input.clone()
    return (values, indices) if keepdim or not input.dim() else (values.squeeze(dim), indices.squeeze(dim))


min_dim.vjp(input=_chosen_grad)


def max(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """Largest element of all, max along a dim with its index, or the larger one of each pair.

    `max(input)` is `amax` over all dims, `max(input, other)` is `maximum`.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; a tensor here is taken for `other`.
        keepdim: keep the reduced dim with size 1.
        other: broadcastable with `input`.
        out: tensor, or (values, indices) with a dim, to write into.

    Returns:
        A 0-d tensor; or with `dim` named results `values` and `indices`, the index being that of the first of equal
        elements; or with `other` the broadcast shape. nan wins. The gradient goes to the index with `dim`, else it
        is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or there are no elements to choose among.
        DTypeError: a tensor is complex.

    Example:
        >>> cb.max(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0).values
        tensor([3., 4.])
    """
    if dim is None and other is None:
        return amax(input) if out is None else amax(input, out=out)  # type: ignore[call-arg]
    if other is None and not isinstance(dim, Tensor):
        return max_dim(input, dim, keepdim) if out is None else max_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg, arg-type]
    from ._names import maximum

    pair: Any = dim if other is None else other
    return maximum(input, pair) if out is None else maximum(input, pair, out=out)  # type: ignore[call-arg]


def min(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """Smallest element of all, min along a dim with its index, or the smaller one of each pair.

    `min(input)` is `amin` over all dims, `min(input, other)` is `minimum`.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; a tensor here is taken for `other`.
        keepdim: keep the reduced dim with size 1.
        other: broadcastable with `input`.
        out: tensor, or (values, indices) with a dim, to write into.

    Returns:
        A 0-d tensor; or with `dim` named results `values` and `indices`, the index being that of the first of equal
        elements; or with `other` the broadcast shape. nan wins. The gradient goes to the index with `dim`, else it
        is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or there are no elements to choose among.
        DTypeError: a tensor is complex.

    Example:
        >>> cb.min(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0).values
        tensor([1., 2.])
    """
    if dim is None and other is None:
        return amin(input) if out is None else amin(input, out=out)  # type: ignore[call-arg]
    if other is None and not isinstance(dim, Tensor):
        return min_dim(input, dim, keepdim) if out is None else min_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg, arg-type]
    from ._names import minimum

    pair: Any = dim if other is None else other
    return minimum(input, pair) if out is None else minimum(input, pair, out=out)  # type: ignore[call-arg]


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


Tensor.max = max
Tensor.min = min
