# SPDX-License-Identifier: Apache-2.0
"""Softmax and its kin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._config import get_default_dtype
from .._dtype import check_dtype
from .._errors import DimError, DTypeError
from .._shape import Shape, normalize_dim, normalize_dims, reduced_shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from ..testing.samples import reduction as reduction_samples
from .comparison import isfinite, where
from .exponential import exp, log
from .reduction import unreduce

__all__ = ["log_softmax", "log_softmax_backward", "logsumexp", "softmax", "softmax_backward", "softmin"]

inf, nan = math.inf, math.nan
FLOATS = ("float32", "float64")


def _front(name: str) -> Any:
    """Casts to `dtype=` and counts `dim` from the front."""

    def front(input: Tensor, dim: int, dtype: Any) -> tuple[Any, ...]:
        if dtype is not None:
            input = input.to(check_dtype(dtype))
        return input, normalize_dim(name, dim, len(input._array.shape))

    return front


def _along_dim(special: list[list[float]]) -> list[Sample]:
    """Samples along each dim, over no elements, and with infinities; `special` are the results of the last."""
    shapes: list[tuple[Shape, int]] = [
        ((5,), 0), ((2, 3), 0), ((2, 3), -1), ((3, 1, 4), 1), ((2, 3, 4), 1), ((), 0), ((), -1), ((1,), 0), ((3, 0), 1),
        ((3, 0), 0), ((0, 3), 1), ((3, 129), 1), ((129, 3), 0),
    ]  # fmt: skip
    rows = [[inf, 1.0], [-inf, -inf], [nan, 1.0], [-inf, 1.0], [1000.0, 1000.0]]
    return [
        *[Sample(Operand(shape, -4, 4), dim) for shape, dim in shapes],
        Sample(Operand((5, 2), values=rows), 1, special=special, dtypes=FLOATS, grad=False),
    ]


def _errors() -> list[ErrorSample]:
    return [
        ErrorSample(DimError, "dim must be in", Operand((2, 3)), 2),
        ErrorSample(DTypeError, "needs a floating dtype", Operand((2, 3)), 0, dtype="int64"),
    ]


def _softmax_reference(input: Any, dim: int, dtype: Any = None) -> Any:
    return np.exp(_log_softmax_reference(input, dim))


def _log_softmax_reference(input: Any, dim: int, dtype: Any = None) -> Any:
    x = np.asarray(input, dtype=np.float64)
    return x - (np.logaddexp.reduce(x, axis=dim, keepdims=True) if x.ndim else x)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    inplace=False,
    front=_front("softmax"),
    drops=("dtype",),
    samples=lambda: _along_dim([[nan, nan], [nan, nan], [nan, nan], [0.0, 1.0], [0.5, 0.5]]),
    errors=_errors,
    reference=_softmax_reference,
)
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Exponentials of `input` divided by their sum along `dim`.

    Args:
        input: a floating dtype, shape (*); any that computes when `dtype` is given.
        dim: dim whose elements sum to 1 in the result.
        dtype: cast `input` to it first.

    Returns:
        Shape (*). nan along a `dim` that holds inf or nan, or -inf alone.

    Raises:
        DimError: `dim` is out of range.
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.softmax(cb.tensor([0.0, 1.0, -float("inf")]), dim=0)
        tensor([0.2689, 0.7311, 0.0000])
    """
    if dtype is not None:
        input = input.to(dtype)
    grown = exp(input - input.detach().amax(dim, keepdim=True)) if input.numel() else input
    return grown / grown.sum(dim, keepdim=True)


def _backward_samples(low: float, high: float) -> list[Sample]:
    shapes = [((2, 3), 1), ((2, 3), 0), ((3, 67), 1), ((2, 3, 4), 1), ((5,), 0), ((), 0), ((0, 3), 1), ((3, 0), 1)]
    return [Sample(Operand(s), Operand(s, low, high), d) for s, d in shapes]


@op(
    dtype=rules.floating_only,
    shape=lambda grad_output, output, dim: tuple(output.shape),
    method=False,
    samples=lambda: _backward_samples(0.1, 0.9),
    reference=lambda grad_output, output, dim: (
        output * (grad_output - np.sum(output * grad_output, axis=dim if np.ndim(output) else None, keepdims=True))
    ),
    tolerance="accumulation",
)
def softmax_backward(grad_output: Tensor, output: Tensor, dim: int) -> Tensor:
    """Gradient of `softmax` from its result, `output * (grad_output - sum(output * grad_output))`.

    Args:
        grad_output: gradient of the result, a floating dtype, shape (*).
        output: the result, shape (*).
        dim: dim whose elements sum to 1 in the result, from 0.

    Returns:
        Shape (*).

    Example:
        >>> cb.softmax_backward(cb.tensor([1.0, 0.0]), cb.tensor([0.5, 0.5]), 0)
        tensor([ 0.2500, -0.2500])
    """
    return output * (grad_output - (output * grad_output).sum(dim, keepdim=True))


softmax_backward.vjp(
    grad_output=lambda grad, output, dim: softmax_backward(grad, output, dim),
    output=lambda grad, grad_output, output, dim: (
        grad * (grad_output - (output * grad_output).sum(dim, keepdim=True))
        - grad_output * (grad * output).sum(dim, keepdim=True)
    ),
)
softmax.vjp(input=lambda grad, out, dim: softmax_backward(grad, out, dim))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    inplace=False,
    front=_front("log_softmax"),
    drops=("dtype",),
    samples=lambda: _along_dim([[nan, nan], [nan, nan], [nan, nan], [-inf, 0.0], [-math.log(2), -math.log(2)]]),
    errors=_errors,
    reference=_log_softmax_reference,
)
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax(input, dim)`, without overflow and with all its digits.

    Args:
        input: a floating dtype, shape (*); any that computes when `dtype` is given.
        dim: dim along which the exponentials of the result sum to 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*). nan along a `dim` that holds inf or nan, or -inf alone.

    Raises:
        DimError: `dim` is out of range.
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.log_softmax(cb.tensor([0.0, 1.0]), dim=0)
        tensor([-1.3133, -0.3133])
    """
    if dtype is not None:
        input = input.to(dtype)
    shifted = input - input.detach().amax(dim, keepdim=True) if input.numel() else input
    return shifted - log(exp(shifted).sum(dim, keepdim=True))


@op(
    dtype=rules.floating_only,
    shape=lambda grad_output, output, dim: tuple(output.shape),
    method=False,
    samples=lambda: _backward_samples(-2.0, -0.1),
    reference=lambda grad_output, output, dim: (
        grad_output - np.exp(output) * np.sum(grad_output, axis=dim if np.ndim(output) else None, keepdims=True)
    ),
    tolerance="accumulation",
)
def log_softmax_backward(grad_output: Tensor, output: Tensor, dim: int) -> Tensor:
    """Gradient of `log_softmax` from its result, `grad_output - exp(output) * sum(grad_output)`.

    Args:
        grad_output: gradient of the result, a floating dtype, shape (*).
        output: the result, shape (*).
        dim: dim along which exponentials of the result sum to 1, from 0.

    Returns:
        Shape (*).

    Example:
        >>> cb.log_softmax_backward(cb.tensor([1.0, 0.0]), cb.tensor([0.0, -1.0]), 0)
        tensor([ 0.0000, -0.3679])
    """
    return grad_output - exp(output) * grad_output.sum(dim, keepdim=True)


log_softmax_backward.vjp(
    grad_output=lambda grad, output, dim: grad - (exp(output) * grad).sum(dim, keepdim=True),
    output=lambda grad, grad_output, output, dim: -grad * exp(output) * grad_output.sum(dim, keepdim=True),
)
log_softmax.vjp(input=lambda grad, out, dim: log_softmax_backward(grad, out, dim))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    front=_front("softmin"),
    drops=("dtype",),
    samples=lambda: [
        Sample(Operand((2, 3)), 1),
        Sample(Operand((5,)), -1),
        Sample(Operand(()), 0),
        Sample(Operand((0, 3)), 1),
    ],
    errors=_errors,
)
def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`softmax` of the negated elements.

    Args:
        input: a floating dtype, shape (*); any that computes when `dtype` is given.
        dim: dim whose elements sum to 1 in the result.
        dtype: cast `input` to it first.

    Returns:
        Shape (*).

    Raises:
        DimError: `dim` is out of range.
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.softmin(cb.tensor([0.0, 1.0]), dim=0)
        tensor([0.7311, 0.2689])
    """
    return softmax(-input, dim, dtype)


def _dims(input: Tensor, dim: int | Sequence[int]) -> Shape:
    return normalize_dims("logsumexp", dim, input.dim())


def _logsumexp_reference(input: Any, dim: Any, keepdim: bool = False) -> Any:
    log_add: Any = np.logaddexp.reduce
    x = np.asarray(input, dtype=np.float64)
    for axis in (
        sorted((d % (x.ndim or 1) for d in ([dim] if isinstance(dim, int) else dim)), reverse=True) if x.ndim else ()
    ):
        x = log_add(x, axis=axis, keepdims=keepdim, initial=-inf)
    return x


@op(
    dtype=rules.real_floating,
    shape=rules.reduction,
    front=lambda input, dim, keepdim: (input, _dims(input, dim), bool(keepdim)),
    samples=lambda: [
        *[s for s in reduction_samples(-4, 4) if len(s.args) > 1],
        Sample(Operand((2, 3, 4)), (0, 2)),
        Sample(Operand((2, 3, 4)), (1, -1), keepdim=True),
        Sample(Operand(()), 0),
        Sample(
            Operand((5, 2), values=[[inf, 1.0], [-inf, -inf], [nan, 1.0], [-inf, 1.0], [inf, -inf]]),
            1,
            special=[inf, -inf, nan, 1.0, inf],
            dtypes=FLOATS,
            grad=False,
        ),
    ],
    errors=lambda: [ErrorSample(DimError, "dim must be in", Operand((2, 3)), 2)],
    reference=_logsumexp_reference,
)
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """Logarithm of the sum over `dim` of the exponentials, without overflow.

    Args:
        input: any real dtype, shape (*).
        dim: dims to reduce; all of them when empty.
        keepdim: keep reduced dims with size 1.

    Returns:
        Shape (*) without `dim`; integers and bool become the default float. -inf over no elements.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: `dim` names one dim twice.

    Example:
        >>> cb.logsumexp(cb.tensor([[1000.0, 1000.0], [0.0, 0.0]]), dim=1)
        tensor([1.0007e+03, 6.9315e-01])
    """
    if not input.is_floating_point():
        input = input.to(get_default_dtype())
    if not input.numel():
        return log(input.sum(dim, keepdim))
    top = input.detach().amax(dim, keepdim=True)
    top = where(isfinite(top), top, 0)  # an infinity minus itself would be nan
    total = log(exp(input - top).sum(dim, keepdim=True)) + top
    return total if keepdim else total.reshape(reduced_shape(tuple(input.shape), _dims(input, dim), False))


def _logsumexp_grad(grad: Tensor, input: Tensor, out: Tensor, dim: Shape, keepdim: bool) -> Tensor:
    shape = tuple(input.shape)
    return unreduce(grad, shape, dim, keepdim) * exp(input - unreduce(out, shape, dim, keepdim))


logsumexp.vjp(input=_logsumexp_grad)
