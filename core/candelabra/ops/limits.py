# SPDX-License-Identifier: Apache-2.0
"""Larger and smaller elements, and limits to elements."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import finfo, iinfo
from .._errors import ArgumentError, DTypeError
from ..op import Number, op, rules
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary
from .comparison import STEPS, UNORDERED, choose, eq, ge, gt, isnan, isneginf, isposinf, le, lt

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "fmax",
    "fmin",
    "heaviside",
    "maximum",
    "minimum",
    "nan_to_num",
]

nan, inf = math.nan, math.inf


def _chosen_grad(grad: Tensor, mine: Any, theirs: Any, sign: int) -> Tensor:
    """All of `grad` where mine won, half of it at a tie."""
    lost = lt(mine, theirs) if sign > 0 else gt(mine, theirs)
    return choose(lost, 0, choose(eq(mine, theirs), grad * 0.5, grad))


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    inplace=False,
    samples=lambda: binary(
        -3, 3, special=[((nan, 1.0), nan), ((1.0, nan), nan), ((inf, 1.0), inf), ((-inf, 1.0), 1.0)]
    ),
    errors=lambda: UNORDERED,
    reference=np.maximum,
    tolerance="exact",
)
def maximum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The larger of two elements; nan when one of them is.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. Equal elements share the gradient.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.maximum(cb.tensor([1.0, 4.0]), cb.tensor([3.0, 2.0]))
        tensor([3., 4.])
    """
    ...


maximum.vjp(
    input=lambda grad, input, other: _chosen_grad(grad, input, other, 1),
    other=lambda grad, input, other: _chosen_grad(grad, other, input, 1),
)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    inplace=False,
    samples=lambda: binary(
        -3, 3, special=[((nan, 1.0), nan), ((1.0, nan), nan), ((inf, 1.0), 1.0), ((-inf, 1.0), -inf)]
    ),
    errors=lambda: UNORDERED,
    reference=np.minimum,
    tolerance="exact",
)
def minimum(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The smaller of two elements; nan when one of them is.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. Equal elements share the gradient.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.minimum(cb.tensor([1.0, 4.0]), cb.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    ...


minimum.vjp(
    input=lambda grad, input, other: _chosen_grad(grad, input, other, -1),
    other=lambda grad, input, other: _chosen_grad(grad, other, input, -1),
)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    inplace=False,
    samples=lambda: binary(-3, 3, special=[((nan, 1.0), 1.0), ((1.0, nan), 1.0), ((nan, nan), nan), ((inf, 1.0), inf)]),
    errors=lambda: UNORDERED,
    reference=np.fmax,
    tolerance="exact",
)
def fmax(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The larger of two elements; the other one when one is nan.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. At a tie, `input` has the gradient.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.fmax(cb.tensor([1.0, float("nan")]), cb.tensor([3.0, 2.0]))
        tensor([3., 2.])
    """
    ...


fmax.vjp(
    input=lambda grad, input, other: choose(ge(input, other).logical_or(other != other), grad, 0),
    other=lambda grad, input, other: choose(ge(input, other).logical_or(other != other), 0, grad),
)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    inplace=False,
    samples=lambda: binary(-3, 3, special=[((nan, 1.0), 1.0), ((1.0, nan), 1.0), ((nan, nan), nan), ((inf, 1.0), 1.0)]),
    errors=lambda: UNORDERED,
    reference=np.fmin,
    tolerance="exact",
)
def fmin(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """The smaller of two elements; the other one when one is nan.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. At a tie, `input` has the gradient.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.fmin(cb.tensor([1.0, float("nan")]), cb.tensor([3.0, 2.0]))
        tensor([1., 2.])
    """
    ...


fmin.vjp(
    input=lambda grad, input, other: choose(le(input, other).logical_or(other != other), grad, 0),
    other=lambda grad, input, other: choose(le(input, other).logical_or(other != other), 0, grad),
)

# -- limits ----------------------------------------------------------------------------------------------------------


def _inside(bound: Any, dtype: _dtype.dtype) -> Any:
    """A whole-number bound moved into an integer dtype's range, where it limits as before."""
    if dtype.category == 1 and isinstance(bound, int) and not isinstance(bound, bool):
        limits = iinfo(dtype)
        return sorted((limits.min, bound, limits.max))[1]
    return bound


def _front_clamp(input: Tensor, min: Any, max: Any) -> tuple[Any, ...]:
    if min is None and max is None:
        raise ArgumentError("clamp: needs min, max or both, got None for both")
    if isinstance(input, Tensor) and input._kind.dtype.category == 1:
        dtype = result_dtype([input, min, max])
        return input, _inside(min, dtype), _inside(max, dtype)
    return input, min, max


def _clamp_reference(input: Any, min: Any = None, max: Any = None) -> Any:
    result = input if min is None else np.maximum(input, min)
    return result if max is None else np.minimum(result, max)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    front=_front_clamp,
    samples=lambda: [
        *[
            Sample(Operand(s, -3, 3), -1.3, 1.7, dtypes=("float64", "float32", "float16"))
            for s in ((), (5,), (0,), (2, 3), (67,))
        ],
        *[Sample(Operand((2, 3), -3, 3), a, b) for a, b in ((-1, 2), (None, 1), (0, None), (2, -1))],
        Sample(Operand((4,), -3, 3), min=-2),
        Sample(Operand((2, 3), -3, 3), Operand((3,), -3, -1), Operand((2, 1), 1, 3)),
        Sample(Operand((3,), -3, 3), Operand((2, 1), -3, 3)),
        Sample(Operand((3,), -3, 3), None, Operand((), -1, 1)),
        Sample(Operand((3,), -3, 3), -1, Operand((3,), 0, 1)),
        Sample(
            Operand((4,), values=[nan, inf, -inf, -0.5]),
            -1.0,
            1.0,
            special=[nan, 1.0, -1.0, -0.5],
            dtypes=("float64", "float32", "float16"),
            grad=False,
        ),
        Sample(Operand((2,), values=[1.0, 2.0]), nan, special=[nan, nan], dtypes=("float64", "float32"), grad=False),
        Sample(Operand((2,), values=[7, 200], dtype="uint8"), -1, 300, special=[7, 200]),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "needs min, max or both", Operand((2,))),
        ErrorSample(DTypeError, "no order", Operand((2,)), 0, 1, dtype="complex64"),
    ],
    reference=_clamp_reference,
    tolerance="exact",
)
def clamp(input: Tensor, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
    """Each element moved to the nearest value between `min` and `max`.

    Args:
        input: any real dtype, shape (*).
        min: lower bound: a number, a tensor broadcastable with `input`, or None for no bound.
        max: upper bound, likewise; it wins where it is below `min`.

    Returns:
        The broadcast shape, the promoted dtype. nan in any operand gives nan.

    Raises:
        ArgumentError: both bounds are None.
        DTypeError: complex operands.

    Example:
        >>> cb.clamp(cb.tensor([-2.0, 0.5, 2.0]), -1, 1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    ...


def _clamp_input_grad(grad: Tensor, input: Tensor, min: Any, max: Any) -> Tensor:
    if min is None:
        return choose(le(input, max), grad, 0)
    inside = ge(input, min)
    return choose(inside if max is None else inside.logical_and(le(input, max)), grad, 0)


def _clamp_min_grad(grad: Tensor, input: Tensor, min: Any, max: Any) -> Tensor:
    below = lt(input, min)
    return choose(below if max is None else below.logical_and(lt(min, max)), grad, 0)


def _clamp_max_grad(grad: Tensor, input: Tensor, min: Any, max: Any) -> Tensor:
    above = gt(input, max)
    return choose(above if min is None else above.logical_or(lt(max, min)), grad, 0)


clamp.vjp(input=_clamp_input_grad, min=_clamp_min_grad, max=_clamp_max_grad)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    front=lambda input, min: _front_clamp(input, min, None)[:2],
    samples=lambda: [
        Sample(Operand((2, 3), -3, 3), Operand((3,), -3, 3)),
        *[Sample(Operand(s, -3, 3), 0.3, dtypes=("float64", "float32", "float16")) for s in ((), (0,), (67,))],
        Sample(Operand((5,), -3, 3), 1),
    ],
    reference=np.maximum,
    tolerance="exact",
)
def clamp_min(input: Tensor, min: Tensor | Number) -> Tensor:
    """Each element, or `min` where that is larger.

    Args:
        input: any real dtype, shape (*).
        min: a number, or a tensor broadcastable with `input`.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.clamp_min(cb.tensor([-2.0, 2.0]), 0)
        tensor([0., 2.])
    """
    return clamp(input, min, None)


clamp_min.vjp(
    input=lambda grad, input, min: choose(ge(input, min), grad, 0),
    min=lambda grad, input, min: choose(lt(input, min), grad, 0),
)


@op(
    dtype=rules.real,
    shape=rules.broadcast,
    front=lambda input, max: _front_clamp(input, max, None)[:2],
    samples=lambda: [
        Sample(Operand((2, 3), -3, 3), Operand((3,), -3, 3)),
        *[Sample(Operand(s, -3, 3), 0.3, dtypes=("float64", "float32", "float16")) for s in ((), (0,), (67,))],
        Sample(Operand((5,), -3, 3), 1),
    ],
    reference=np.minimum,
    tolerance="exact",
)
def clamp_max(input: Tensor, max: Tensor | Number) -> Tensor:
    """Each element, or `max` where that is smaller.

    Args:
        input: any real dtype, shape (*).
        max: a number, or a tensor broadcastable with `input`.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.clamp_max(cb.tensor([-2.0, 2.0]), 0)
        tensor([-2.,  0.])
    """
    return clamp(input, None, max)


clamp_max.vjp(
    input=lambda grad, input, max: choose(le(input, max), grad, 0),
    max=lambda grad, input, max: choose(gt(input, max), grad, 0),
)


@op(
    inplace=True,
    samples=lambda: [
        *unary(-3, 3, special=[(nan, 0.0), (1.5, 1.5), (-0.0, -0.0)]),
        Sample(
            Operand((4,), values=[nan, inf, -inf, 1.0]),
            2.0,
            3.0,
            -4.0,
            special=[2.0, 3.0, -4.0, 1.0],
            dtypes=("float64", "float32", "float16"),
        ),
        Sample(
            Operand((3,), values=[nan, inf, 1.0]), posinf=7.0, special=[0.0, 7.0, 1.0], dtypes=("float64", "float32")
        ),
    ],
    reference=lambda input, nan=0.0, posinf=None, neginf=None: np.nan_to_num(
        input, nan=nan, posinf=posinf, neginf=neginf
    ),
    tolerance="exact",
)
def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`input` with its nans and infinities replaced, in both parts of complex numbers.

    Args:
        input: any dtype that computes, shape (*).
        nan: what nan becomes; 0 when None.
        posinf: what positive infinity becomes; the largest finite value of the dtype when None.
        neginf: what negative infinity becomes; the lowest finite value of the dtype when None.

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0 where something was replaced.

    Example:
        >>> cb.nan_to_num(cb.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
        tensor([1., 0., 9.])
    """
    dtype = input._kind.dtype
    if dtype.category < 2:
        return input.clone()
    if dtype.is_complex:
        from .complex_ import complex

        real, imag = nan_to_num(input.real, nan, posinf, neginf), nan_to_num(input.imag, nan, posinf, neginf)
        return complex(real, imag)
    limits = finfo(dtype)
    result = input.masked_fill(isnan(input), 0.0 if nan is None else nan)
    result = result.masked_fill(isposinf(input), limits.max if posinf is None else posinf)
    return result.masked_fill(isneginf(input), limits.min if neginf is None else neginf)


@op(
    grad=STEPS,
    inplace=True,
    samples=lambda: binary(
        -3, 3, scalars=(), special=[((nan, 5.0), 0.0), ((-0.0, 5.0), 5.0), ((-1.0, 5.0), 0.0), ((inf, 5.0), 1.0)]
    ),
    errors=lambda: UNORDERED,
    reference=lambda input, values: np.where(input == 0, values, np.greater(input, 0)),
    tolerance="exact",
)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 for negative elements, 1 for positive ones, and `values` where they are zero; 0 for nan.

    Args:
        input: any real dtype, shape (*).
        values: broadcastable with `input`.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.heaviside(cb.tensor([-1.0, 0.0, 2.0]), cb.tensor(0.5))
        tensor([0.0000, 0.5000, 1.0000])
    """
    dtype = result_dtype([input, values])
    step = gt(input, 0).to(dtype)
    return choose(eq(input, 0), values.to(dtype), step)


clip = clamp
Tensor.clip = clamp
Tensor.clip_ = Tensor.clamp_
