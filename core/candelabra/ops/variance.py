# SPDX-License-Identifier: Apache-2.0
"""Variances and standard deviations over dims."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DimError, DTypeError
from .._shape import Shape, normalize_dims, reduced_shape
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .reduction import in_single, mean, reduced_count, sum, unreduce

__all__ = [
    "std",
    "std_mean",
    "var",
    "var_mean",
]

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
    dim: int | bool | Sequence[int] | None = None,
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
    dim: int | bool | Sequence[int] | None = None,
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
    dim: int | bool | Sequence[int] | None = None,
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
    dim: int | bool | Sequence[int] | None = None,
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
