# SPDX-License-Identifier: Apache-2.0
"""Running reductions along a dim, and integrals by the trapezoid rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import check_dtype
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, broadcast_shapes, normalize_dim
from ..op import Number, op, rules
from ..op._named import named
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .arithmetic import conjugate
from .reduction import before, place_along
from .sorting import NUMBERS

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "logcumsumexp",
    "trapezoid",
    "trapz",
]

Parts = tuple[Tensor, ...]


def scan(combine: Callable[[Parts, Parts], Parts], parts: Parts, dim: int) -> Parts:
    """Running results of an associative `combine(earlier, later)` along `dim`, in log2(size) steps.

    Source: Hillis and Steele, Data parallel algorithms (1986).
    """
    from ._names import cat

    size, step = parts[0].shape[dim], 1
    while step < size:
        earlier = tuple([p.narrow(dim, 0, size - step) for p in parts])
        later = tuple([p.narrow(dim, step, size - step) for p in parts])
        joined = combine(earlier, later)
        parts = tuple([cat([p.narrow(dim, 0, step), j], dim) for p, j in zip(parts, joined, strict=True)])
        step *= 2
    return parts


def backward_recurrence(factor: Tensor, start: Tensor, dim: int) -> Tensor:
    """`s` with `s[i] = start[i] + factor[i] * s[i + 1]` along `dim`; nothing is divided, so zeros do no harm."""

    def combine(earlier: Parts, later: Parts) -> Parts:
        return earlier[0] * later[0], later[1] + later[0] * earlier[1]

    return scan(combine, (factor.flip(dim), start.flip(dim)), dim)[1].flip(dim)


def following(input: Tensor, dim: int) -> Tensor:
    """Each element's successor along `dim`; 0 for the last."""
    from ._names import cat, zeros_like

    size = input.shape[dim]
    return cat([input.narrow(dim, 1, size - 1), zeros_like(input.narrow(dim, 0, 1))], dim)


def _front(op_name: str) -> Any:
    def front(input: Tensor, dim: int, dtype: Any = None) -> tuple[Any, ...]:
        if dtype is not None:
            input = input.to(check_dtype(dtype))
        return input, normalize_dim(op_name, dim, input.dim())

    return front


def _samples(**operand: Any) -> list[Sample]:
    shapes = [
        ((5,), 0),
        ((), 0),
        ((2, 3), 0),
        ((2, 3), -1),
        ((2, 3, 4), 1),
        ((1,), 0),
        ((0,), 0),
        ((0, 3), 1),
        ((2, 67), 1),
    ]
    return [Sample(Operand(shape, **operand), dim) for shape, dim in shapes]


def _errors(op_name: str) -> Any:
    from .._errors import DimError

    return lambda: [ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2, 3)), 2)]


# -- sums and products -----------------------------------------------------------------------------------------------


@op(
    dtype=rules.accumulated,
    shape=lambda input, dim: tuple(input.shape),
    front=_front("cumsum"),
    drops=("dtype",),
    samples=lambda: [*_samples(), Sample(Operand((2, 3)), 1, dtype=_dtype.float64)],
    errors=_errors("cumsum"),
    reference=lambda input, dim, *, dtype=None: np.cumsum(input, axis=dim) if input.ndim else input,
    tolerance="accumulation",
)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sum along `dim`.

    Args:
        input: any dtype that computes, shape (*). 16-bit floats are accumulated in float32.
        dim: the dim to add along.
        dtype: cast `input` to it first.

    Returns:
        Shape (*). Integers and bool give int64; floating and complex dtypes are kept.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.cumsum(cb.tensor([1.0, 2.0, 3.0]), 0)
        tensor([1., 3., 6.])
    """
    ...


cumsum.vjp(input=lambda grad, dim: cumsum(grad.flip(dim), dim).flip(dim) if grad.dim() else grad)


@op(
    dtype=rules.accumulated,
    shape=lambda input, dim: tuple(input.shape),
    front=_front("cumprod"),
    drops=("dtype",),
    samples=lambda: [
        *_samples(low=0.7, high=1.3),
        Sample(Operand((5,), values=[2.0, 0.0, 3.0, 0.0, -1.0]), 0),
        Sample(Operand((2, 3)), 1, dtype=_dtype.float64),
    ],
    errors=_errors("cumprod"),
    reference=lambda input, dim, *, dtype=None: np.cumprod(input, axis=dim) if input.ndim else input,
    tolerance="accumulation",
)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running product along `dim`.

    Args:
        input: any dtype that computes, shape (*).
        dim: the dim to multiply along.
        dtype: cast `input` to it first.

    Returns:
        Shape (*). Integers and bool give int64; floating and complex dtypes are kept.

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.cumprod(cb.tensor([1.0, 2.0, 3.0]), 0)
        tensor([1., 2., 6.])
    """
    ...


def _cumprod_grad(grad: Tensor, input: Tensor, dim: int) -> Tensor:
    """What stands before an element times the sum over all later results of what stands between: right at zeros."""
    if not input.numel() or not input.dim():
        return grad
    input = conjugate(input)
    return before(input, dim) * backward_recurrence(following(input, dim), grad, dim)


cumprod.vjp(input=_cumprod_grad)


# -- extremes --------------------------------------------------------------------------------------------------------


def _extremes(input: Tensor, dim: int, larger: bool) -> tuple[Tensor, Tensor]:
    """Running extremes and the index of the latest element that equals each; nan wins."""
    from ._names import arange, where

    if not input.dim():
        return input.clone(), arange(1, device=input.device).reshape(())
    size = input.shape[dim]
    position = arange(size, device=input.device).reshape([size if i == dim else 1 for i in range(input.dim())])

    def combine(earlier: Parts, later: Parts) -> Parts:
        (a, i), (b, j) = earlier, later
        takes = (b >= a) if larger else (b <= a)
        if input.dtype.category >= 2:
            takes = takes.logical_or(b != b)
        return where(takes, b, a), where(takes, j, i)

    values, indices = scan(combine, (input, position.expand(input.shape)), dim)
    return (values, indices) if size > 1 else (input.clone(), indices.clone())


def _reference_extremes(accumulate: Any) -> Any:
    def reference(input: Any, dim: int) -> Any:
        if not input.ndim:
            return input, np.zeros((), np.int64)
        values = accumulate(input, axis=dim)
        place = np.arange(input.shape[dim]).reshape([-1 if i == dim % input.ndim else 1 for i in range(input.ndim)])
        return values, np.maximum.accumulate(np.where((input == values) | (input != input), place, 0), axis=dim)

    return reference


def _extreme_grad(grad: Any, out: Any, input_shape: Shape, dim: int) -> Tensor:
    return place_along(grad[0], out[1], dim, input_shape)


def _extreme_samples(values: list[float], indices: list[int]) -> list[Sample]:
    return [
        *_samples(distinct=True),
        Sample(Operand((5,), values=[1.0, 1.0, 0.0, 2.0, 2.0]), 0, grad=False),
        Sample(
            Operand((5,), values=[1.0, 1.0, np.nan, 2.0, np.nan]),
            0,
            special=(values, indices),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ]


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim: [tuple(input.shape)] * 2,
    front=_front("cummax"),
    samples=lambda: _extreme_samples([1.0, 1.0, np.nan, np.nan, np.nan], [0, 1, 2, 2, 4]),
    errors=_errors("cummax"),
    reference=_reference_extremes(np.maximum.accumulate),
    tolerance="exact",
)
def cummax(input: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Running maximum along `dim`, and the index of the latest element that equals it. nan wins and stays.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to look along.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*).

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.cummax(cb.tensor([1.0, 3.0, 2.0]), 0).values
        tensor([1., 3., 3.])
    """
    return _extremes(input, normalize_dim("cummax", dim, input.dim()), larger=True)


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim: [tuple(input.shape)] * 2,
    front=_front("cummin"),
    samples=lambda: _extreme_samples([1.0, 1.0, np.nan, np.nan, np.nan], [0, 1, 2, 2, 4]),
    errors=_errors("cummin"),
    reference=_reference_extremes(np.minimum.accumulate),
    tolerance="exact",
)
def cummin(input: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Running minimum along `dim`, and the index of the latest element that equals it. nan wins and stays.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to look along.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*).

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.cummin(cb.tensor([3.0, 1.0, 2.0]), 0).values
        tensor([3., 1., 1.])
    """
    return _extremes(input, normalize_dim("cummin", dim, input.dim()), larger=False)


cummax.vjp(input=_extreme_grad)
cummin.vjp(input=_extreme_grad)


@op(
    dtype=rules.floating_only,
    shape=lambda input, dim: tuple(input.shape),
    front=_front("logcumsumexp"),
    samples=lambda: [
        *_samples(),
        Sample(Operand((3,), values=[-1000.0, 1000.0, 0.0]), 0, grad=False, dtypes=("float32", "float64")),
        Sample(
            Operand((3,), values=[-np.inf, -np.inf, 0.0]),
            0,
            special=[-np.inf, -np.inf, 0.0],
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ],
    errors=_errors("logcumsumexp"),
    reference=lambda input, dim: np.logaddexp.accumulate(input, axis=dim) if input.ndim else input,
    tolerance="accumulation",
)
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """Logarithm of the running sum of exponentials along `dim`, without overflow.

    Args:
        input: floating, shape (*).
        dim: the dim to add along.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is not floating.

    Example:
        >>> cb.logcumsumexp(cb.zeros(2), 0)
        tensor([0.0000, 0.6931])
    """
    from ._names import logaddexp

    along = normalize_dim("logcumsumexp", dim, input.dim())
    if not input.dim() or input.shape[along] < 2:
        return input.clone()
    return scan(lambda earlier, later: (logaddexp(earlier[0], later[0]),), (input,), along)[0]


def _logcumsumexp_grad(grad: Tensor, out: Tensor, input: Tensor, dim: int) -> Tensor:
    """Sums `grad[j] * exp(input[i] - out[j])` over j from i on; `out` never falls, so each exponent is at most 0."""
    from ._names import where

    if not input.numel() or not input.dim():
        return grad
    nothing = out == -np.inf  # as yet, all elements were -inf: they have no weight
    steady = where(nothing, 0, out)
    decay = where(nothing, 0, (steady - following(steady, dim)).clamp(max=0).exp())
    return where(nothing, 0, (input - steady).exp() * backward_recurrence(decay, grad, dim))


logcumsumexp.vjp(input=_logcumsumexp_grad)


# -- integrals -------------------------------------------------------------------------------------------------------


def _slices(name: str, y: Tensor, x: Tensor | None, dx: Number | None, dim: int) -> tuple[Tensor, int]:
    """Areas of the trapezoids between neighbours along `dim`."""
    from ._names import diff

    along = normalize_dim(name, dim, y.dim())
    if not y.dim():
        raise ShapeError(f"{name}: y must have at least 1 dim, got shape ()")
    if x is not None and dx is not None:
        raise ArgumentError(f"{name}: takes x or dx, got both with dx={dx}")
    size = y.shape[along]
    count = max(size - 1, 0)
    twice = y.narrow(along, 0, count) + y.narrow(along, size - count, count)
    if x is None:
        return twice * ((1.0 if dx is None else dx) / 2), along
    if x.dim() == 1 and y.dim() > 1:
        x = x.reshape([x.shape[0] if i == along else 1 for i in range(y.dim())])
    lead = (1,) * (y.dim() - x.dim()) + tuple(x.shape)
    if len(lead) != y.dim() or lead[along] != size:
        raise ShapeError(
            f"{name}: x must have a value for each sample along dim={along}, got {tuple(x.shape)} for {tuple(y.shape)}"
        )
    broadcast_shapes(name, lead, tuple(y.shape))
    return twice * diff(x.reshape(lead), dim=along) / 2, along


def _trapezoid_samples() -> list[Sample]:
    return [
        *[
            Sample(Operand(shape), dim=dim, dtypes=NUMBERS)
            for shape, dim in (((5,), -1), ((2, 3), 0), ((2, 67), 1), ((1,), 0))
        ],
        Sample(Operand((4,)), dx=0.5, dtypes=NUMBERS),
        Sample(Operand((4,)), Operand((4,)), dtypes=NUMBERS),
        Sample(Operand((2, 3)), Operand((3,)), dtypes=NUMBERS),
        Sample(Operand((2, 3)), Operand((2,)), dim=0, dtypes=NUMBERS),
        Sample(Operand((2, 3)), Operand((2, 3)), dim=0, dtypes=NUMBERS),
    ]


def _trapezoid_errors() -> list[ErrorSample]:
    return [
        ErrorSample(ArgumentError, "takes x or dx", Operand((3,)), Operand((3,)), dx=1.0),
        ErrorSample(ShapeError, "a value for each sample", Operand((3,)), Operand((2,))),
    ]


def _reference_areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    y = np.moveaxis(np.asarray(y, np.float64), dim, -1)
    if x is None:
        steps: Any = 1 if dx is None else dx
    else:
        steps = (
            np.diff(np.asarray(x, np.float64))
            if x.ndim == 1
            else np.diff(np.moveaxis(np.asarray(x, np.float64), dim, -1))
        )
    return (y[..., 1:] + y[..., :-1]) / 2 * steps


@op(
    samples=_trapezoid_samples,
    errors=_trapezoid_errors,
    reference=lambda y, x=None, *, dx=None, dim=-1: _reference_areas(y, x, dx, dim).sum(-1),
    tolerance="accumulation",
)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """Integral along `dim` by the trapezoid rule.

    Args:
        y: samples, any numeric dtype, shape (*).
        x: where they were taken: shape of `y`, or 1-d with the size of `dim`.
        dx: distance between samples instead; 1 when None.
        dim: the dim to integrate along.

    Returns:
        Shape (*) without `dim`; integers give the default float.

    Raises:
        ArgumentError: both `x` and `dx` are given.
        ShapeError: `x` does not fit `y`, or `y` is 0-d.
        DimError: `dim` is out of range.

    Example:
        >>> cb.trapezoid(cb.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    areas, along = _slices("trapezoid", y, x, dx, dim)
    return areas.sum(along)


@op(
    samples=_trapezoid_samples,
    errors=_trapezoid_errors,
    reference=lambda y, x=None, *, dx=None, dim=-1: np.moveaxis(
        np.cumsum(_reference_areas(y, x, dx, dim), -1), -1, dim
    ),
    tolerance="accumulation",
)
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Number | None = None, dim: int = -1) -> Tensor:
    """Running integral along `dim` by the trapezoid rule.

    Args:
        y: samples, any numeric dtype, shape (*).
        x: where they were taken: shape of `y`, or 1-d with the size of `dim`.
        dx: distance between samples instead; 1 when None.
        dim: the dim to integrate along.

    Returns:
        Shape (*) with `dim` smaller by 1; integers give the default float.

    Raises:
        ArgumentError: both `x` and `dx` are given.
        ShapeError: `x` does not fit `y`, or `y` is 0-d.
        DimError: `dim` is out of range.

    Example:
        >>> cb.cumulative_trapezoid(cb.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    areas, along = _slices("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(areas, along)


trapz = trapezoid
