# SPDX-License-Identifier: Apache-2.0
"""Comparisons, tests of elements, logic, and the choice between two operands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import iinfo
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from ..dispatcher._bind import MISSING
from ..op import Number, op, rules
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary

__all__ = [
    "allclose",
    "eq",
    "equal",
    "ge",
    "greater",
    "greater_equal",
    "gt",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "le",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
    "not_equal",
    "where",
]

nan, inf = math.nan, math.inf
NUMBERS = ("float64", "float32", "float16", "int64", "int32")
STEPS = "none: constant between its steps"

# -- comparisons -----------------------------------------------------------------------------------------------------


def _holding(found: _dtype.dtype, args: Any) -> _dtype.dtype:
    """A dtype that also holds the whole numbers among the operands: uint8 is never equal to 300, nor below -1."""
    if found.category == 1:
        for value in args:
            if isinstance(value, int) and not iinfo(found).min <= value <= iinfo(found).max:
                return _dtype.float64 if found.itemsize == 8 else _dtype.int64
    return found


def _comparison(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.comparison(name, _holding(found, args), args)


def _ordering(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.ordering(name, _holding(found, args), args)


def _compared(equal: bool, below: bool, above: bool, unordered: bool = False) -> Any:
    """Samples of a comparison that is true for equal, smaller or larger first operands, or next to a nan."""
    special = [
        ((nan, nan), unordered),
        ((0.0, -0.0), equal),
        ((inf, inf), equal),
        ((-inf, inf), below),
        ((inf, 1.0), above),
    ]
    first, second = Operand((4,), values=[1, 2, 3, 1]), Operand((4,), values=[1, 3, 2, 0])
    return lambda: [
        *binary(-3, 3, scalars=(2, 0.5), special=special),
        Sample(first, second, special=[equal, below, above, above], dtypes=NUMBERS),
        Sample(Operand((2,), values=[44, 255], dtype="uint8"), 300, special=[below, below]),
        Sample(Operand((2,), values=[0, 255], dtype="uint8"), -1, special=[above, above]),
    ]


UNORDERED = [ErrorSample(DTypeError, "no order", Operand((2,)), Operand((2,)), dtype="complex64")]


@op(
    dtype=_comparison,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(True, False, False),
    errors=lambda: [ErrorSample(ShapeError, "do not broadcast", Operand((2,)), Operand((3,)))],
    reference=np.equal,
    tolerance="exact",
)
def eq(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` equals `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool. nan equals nothing.

    Example:
        >>> cb.eq(cb.tensor([1, 2]), 2)
        tensor([False,  True])
    """
    ...


@op(
    dtype=_comparison,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(False, True, True, unordered=True),
    reference=np.not_equal,
    tolerance="exact",
)
def ne(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` differs from `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool. nan differs from everything.

    Example:
        >>> cb.ne(cb.tensor([1, 2]), 2)
        tensor([ True, False])
    """
    ...


@op(
    dtype=_ordering,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(False, True, False),
    errors=lambda: UNORDERED,
    reference=np.less,
    tolerance="exact",
)
def lt(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` is below `other`.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool; False next to nan.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.lt(cb.tensor([1, 2]), 2)
        tensor([ True, False])
    """
    ...


@op(
    dtype=_ordering,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(True, True, False),
    errors=lambda: UNORDERED,
    reference=np.less_equal,
    tolerance="exact",
)
def le(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` is at most `other`.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool; False next to nan.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.le(cb.tensor([1, 3]), 2)
        tensor([ True, False])
    """
    ...


@op(
    dtype=_ordering,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(False, False, True),
    errors=lambda: UNORDERED,
    reference=np.greater,
    tolerance="exact",
)
def gt(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` is above `other`.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool; False next to nan.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.gt(cb.tensor([1, 3]), 2)
        tensor([False,  True])
    """
    ...


@op(
    dtype=_ordering,
    shape=rules.broadcast,
    grad=STEPS,
    samples=_compared(True, False, True),
    errors=lambda: UNORDERED,
    reference=np.greater_equal,
    tolerance="exact",
)
def ge(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where `input` is at least `other`.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool; False next to nan.

    Raises:
        DTypeError: complex operands.

    Example:
        >>> cb.ge(cb.tensor([1, 2]), 2)
        tensor([False,  True])
    """
    ...


def _isclose_reference(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return np.isclose(input, other, rtol, atol, equal_nan)


@op(
    grad=STEPS,
    samples=lambda: [
        *[Sample(Operand(a), Operand(b)) for a, b in (((2, 3), (3,)), ((), ()), ((0,), (1,)), ((67,), (67,)))],
        Sample(
            Operand((3,), values=[1.0, 1.001, 1.1]), Operand((), values=1.0), rtol=0.01, dtypes=("float64", "float32")
        ),
        Sample(Operand((3,), values=[1, 2, 3]), Operand((), values=2), atol=1.0, dtypes=("int64", "float32")),
        *[
            Sample(
                Operand((4,), values=[nan, inf, inf, 1e-9]),
                Operand((4,), values=[nan, inf, -inf, 0.0]),
                equal_nan=equal_nan,
                special=[equal_nan, True, False, True],
                dtypes=("float64", "float32"),
            )
            for equal_nan in (False, True)
        ],
    ],
    errors=lambda: [ErrorSample(ArgumentError, "rtol and atol must not", Operand((2,)), Operand((2,)), -1.0)],
    reference=_isclose_reference,
    tolerance="exact",
)
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """True where `input` and `other` differ by at most `atol + rtol * abs(other)`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`.
        rtol: allowed difference relative to `other`.
        atol: allowed difference.
        equal_nan: count two nans as close.

    Returns:
        The broadcast shape, bool. Infinities are close to themselves only.

    Raises:
        ArgumentError: a negative tolerance.

    Example:
        >>> cb.isclose(cb.tensor([1.0, 2.0]), cb.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    if rtol < 0 or atol < 0:
        raise ArgumentError(f"isclose: rtol and atol must not be negative, got rtol={rtol}, atol={atol}")
    close = eq(input, other)
    if equal_nan:
        close = close.logical_or(isnan(input).logical_and(isnan(other)))
    if result_dtype([input, other]).category < 2:
        input, other = input.to(_dtype.float64), other.to(_dtype.float64)
    difference = (input - other).abs()
    near = isfinite(difference).logical_and(difference <= (other * rtol).abs() + atol)
    return close.logical_or(near)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements of `input` and `other` are close, as `isclose` tells.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`.
        rtol, atol, equal_nan: as of `isclose`.

    Returns:
        A Python bool.

    Example:
        >>> cb.allclose(cb.tensor([1.0]), cb.tensor([1.0 + 1e-7]))
        True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and equal elements.

    Args:
        input: any dtype that computes, shape (*).
        other: any dtype that computes.

    Returns:
        A Python bool; False when an element is nan.

    Raises:
        CallError: an argument is not a tensor.

    Example:
        >>> cb.equal(cb.tensor([1, 2]), cb.tensor([1.0, 2.0]))
        True
    """
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        raise CallError(f"equal: takes two tensors, got {type(input).__name__} and {type(other).__name__}")
    return input.shape == other.shape and bool(eq(input, other).all())


def _isin_shape(elements: Any, test_elements: Any, assume_unique: bool, invert: bool) -> Any:
    return tuple(elements.shape) if isinstance(elements, Tensor) else ()


@op(
    dtype=_comparison,
    shape=_isin_shape,
    grad=STEPS,
    method=False,
    samples=lambda: [
        *[
            Sample(Operand(a, -5, 5), Operand(b, -5, 5))
            for a, b in (((2, 3), (4,)), ((), (3, 2)), ((0,), (2,)), ((3,), (0,)))
        ],
        Sample(Operand((5,), -3, 3), 2),
        Sample(2, Operand((5,), -3, 3)),
        Sample(Operand((5,), -3, 3), Operand((3,), -3, 3), invert=True),
        Sample(
            Operand((3,), values=[3, 1, 2]),
            Operand((2,), values=[2, 5]),
            assume_unique=True,
            special=[False, False, True],
            dtypes=NUMBERS,
        ),
    ],
    reference=lambda elements, test_elements, assume_unique=False, invert=False: np.isin(
        elements, test_elements, invert=invert
    ),
    tolerance="exact",
)
def isin(
    elements: Tensor | Number, test_elements: Tensor | Number, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """True where an element of `elements` is among `test_elements`.

    Args:
        elements: any real dtype, shape (*), or a number.
        test_elements: any shape, or a number.
        assume_unique: promise that neither holds an element twice, which some backends use.
        invert: tell where it is not among them.

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.isin(cb.tensor([1, 2, 3]), cb.tensor([2, 5]))
        tensor([False,  True, False])
    """
    tests = test_elements.reshape(-1) if isinstance(test_elements, Tensor) else test_elements
    column = elements.unsqueeze(-1) if isinstance(elements, Tensor) else elements
    found = eq(column, tests)
    found = found.any(-1) if isinstance(test_elements, Tensor) else found.squeeze(-1)
    return logical_not(found) if invert else found


# -- tests of single elements ----------------------------------------------------------------------------------------


@op(
    dtype=rules.comparison,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=lambda: unary(special=[(nan, True), (inf, False), (0.0, False)]),
    reference=np.isnan,
    tolerance="exact",
)
def isnan(input: Tensor) -> Tensor:
    """True where an element is nan; for complex ones, where a part is.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.isnan(cb.tensor([1.0, float("nan")]))
        tensor([False,  True])
    """
    ...


@op(
    dtype=rules.comparison,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=lambda: unary(special=[(nan, False), (inf, True), (-inf, True), (0.0, False)]),
    reference=np.isinf,
    tolerance="exact",
)
def isinf(input: Tensor) -> Tensor:
    """True where an element is infinite; for complex ones, where a part is.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.isinf(cb.tensor([1.0, float("-inf")]))
        tensor([False,  True])
    """
    ...


@op(
    dtype=rules.comparison,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=lambda: unary(special=[(nan, False), (inf, False), (-inf, False), (0.0, True)]),
    reference=np.isfinite,
    tolerance="exact",
)
def isfinite(input: Tensor) -> Tensor:
    """True where an element is neither infinite nor nan; for complex ones, where both parts are.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.isfinite(cb.tensor([1.0, float("inf"), float("nan")]))
        tensor([ True, False, False])
    """
    ...


@op(
    dtype=rules.ordering,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=lambda: unary(special=[(nan, False), (inf, True), (-inf, False), (0.0, False)]),
    errors=lambda: [ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64")],
    reference=lambda input: np.asarray(input) == inf,
    tolerance="exact",
)
def isposinf(input: Tensor) -> Tensor:
    """True where an element is positive infinity.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*), bool.

    Raises:
        DTypeError: `input` is complex.

    Example:
        >>> cb.isposinf(cb.tensor([float("inf"), float("-inf")]))
        tensor([ True, False])
    """
    return eq(input, inf)


@op(
    dtype=rules.ordering,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=lambda: unary(special=[(nan, False), (inf, False), (-inf, True), (0.0, False)]),
    errors=lambda: [ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64")],
    reference=lambda input: np.asarray(input) == -inf,
    tolerance="exact",
)
def isneginf(input: Tensor) -> Tensor:
    """True where an element is negative infinity.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*), bool.

    Raises:
        DTypeError: `input` is complex.

    Example:
        >>> cb.isneginf(cb.tensor([float("inf"), float("-inf")]))
        tensor([False,  True])
    """
    return eq(input, -inf)


@op(
    dtype=rules.comparison,
    shape=rules.same,
    inplace=False,
    grad=STEPS,
    samples=unary,
    reference=np.isreal,
    tolerance="exact",
)
def isreal(input: Tensor) -> Tensor:
    """True where an element has no imaginary part.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.isreal(cb.tensor([1 + 0j, 1j]))
        tensor([ True, False])
    """
    from .likes import ones_like

    return eq(input.imag, 0) if input._kind.dtype.is_complex else ones_like(input, dtype=_dtype.bool_)


# -- logic -----------------------------------------------------------------------------------------------------------


@op(
    dtype=rules.comparison,
    shape=rules.broadcast,
    grad=STEPS,
    samples=lambda: binary(-1.5, 1.5, scalars=(True, 0), special=[((nan, 1.0), True), ((0.0, nan), False)]),
    reference=np.logical_and,
    tolerance="exact",
)
def logical_and(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where both operands are other than zero.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool.

    Example:
        >>> cb.logical_and(cb.tensor([0, 1, 2]), cb.tensor([1, 1, 0]))
        tensor([False,  True, False])
    """
    ...


@op(
    dtype=rules.comparison,
    shape=rules.broadcast,
    grad=STEPS,
    samples=lambda: binary(-1.5, 1.5, scalars=(True, 0), special=[((nan, 0.0), True), ((0.0, -0.0), False)]),
    reference=np.logical_or,
    tolerance="exact",
)
def logical_or(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where an operand is other than zero.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool.

    Example:
        >>> cb.logical_or(cb.tensor([0, 1, 2]), cb.tensor([0, 1, 0]))
        tensor([False,  True,  True])
    """
    ...


@op(
    dtype=rules.comparison,
    shape=rules.broadcast,
    grad=STEPS,
    samples=lambda: binary(-1.5, 1.5, scalars=(True, 0), special=[((nan, 0.0), True), ((1.0, 2.0), False)]),
    reference=np.logical_xor,
    tolerance="exact",
)
def logical_xor(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """True where exactly one operand is other than zero.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, bool.

    Example:
        >>> cb.logical_xor(cb.tensor([0, 1, 2]), cb.tensor([0, 1, 0]))
        tensor([False, False,  True])
    """
    ...


@op(
    dtype=rules.comparison,
    shape=rules.same,
    grad=STEPS,
    samples=lambda: unary(-1.5, 1.5, special=[(nan, False), (-0.0, True), (inf, False)]),
    reference=np.logical_not,
    tolerance="exact",
)
def logical_not(input: Tensor) -> Tensor:
    """True where an element is zero.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), bool.

    Example:
        >>> cb.logical_not(cb.tensor([0, 1, 2]))
        tensor([ True, False, False])
    """
    ...


# -- choice ----------------------------------------------------------------------------------------------------------


def _front_where(condition: Tensor, input: Any, other: Any) -> tuple[Any, ...]:
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        from .creation import full

        input = full((), input, dtype=result_dtype([input, other]), device=condition.device)
    return condition, input, other


@op(
    name="where",
    dtype=rules.choosing,
    shape=rules.broadcast,
    front=_front_where,
    fixed={"condition": (_dtype.bool_,)},
    method=False,
    samples=lambda: [
        *[
            Sample(Operand(c, dtype="bool"), Operand(a), Operand(b))
            for c, a, b in [
                ((5,), (5,), (5,)),
                ((2, 3), (3,), (2, 1)),
                ((2, 1), (3,), ()),
                ((), (2,), (2,)),
                ((), (), ()),
                ((0,), (1,), (0,)),
                ((67,), (67,), (67,)),
            ]
        ],
        Sample(Operand((2, 3), dtype="bool"), Operand((2, 3)), 0),
        Sample(Operand((2, 3), dtype="bool"), 1.5, Operand((3,)), dtypes=("float64", "float32")),
        Sample(Operand((3,), dtype="bool"), 1, 0),
        Sample(
            Operand((2,), dtype="bool", values=[True, False]),
            Operand((2,), values=[1.0, nan]),
            Operand((2,), values=[nan, 2.0]),
            special=[1.0, 2.0],
            dtypes=("float64", "float32"),
        ),
    ],
    errors=lambda: [
        ErrorSample(DTypeError, "condition must be one of bool", Operand((2,)), 1.0, 0.0),
        ErrorSample(ShapeError, "do not broadcast", Operand((2,), dtype="bool"), Operand((3,)), 0.0),
        ErrorSample(ArgumentError, "does not hold", Operand((2,), dtype="bool"), Operand((2,), dtype="int8"), 300),
    ],
    reference=np.where,
    tolerance="exact",
)
def choose(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Elements of `input` where `condition` is true, of `other` elsewhere.

    Args:
        condition: bool, shape (*).
        input: any dtype that computes, broadcastable with `condition`, or a number.
        other: as `input`.

    Returns:
        The broadcast shape, the promoted dtype of `input` and `other`.

    Raises:
        DTypeError: `condition` is not bool.
        ArgumentError: the dtype does not hold a number.

    Example:
        >>> cb.where(cb.tensor([True, False]), cb.tensor([1.0, 2.0]), 0.0)
        tensor([1., 0.])
    """
    ...


choose.vjp(
    input=lambda grad, condition: choose(condition, grad, 0),
    other=lambda grad, condition: choose(condition, 0, grad),
)


def where(condition: Tensor, input: Any = MISSING, other: Any = MISSING, *, out: Tensor | None = None) -> Any:
    """Elements of `input` where `condition` is true, of `other` elsewhere; or the places where it is true.

    Args:
        condition: bool, shape (*). Alone, it may have any dtype.
        input: any dtype that computes, broadcastable with `condition`, or a number.
        other: as `input`.
        out: written to instead of making a tensor.

    Returns:
        The broadcast shape, the promoted dtype of `input` and `other`. With `condition` alone, a tuple of one int64
        tensor a dim: the indices of its nonzero elements.

    Raises:
        CallError: one of `input` and `other` is missing, or `condition` is no tensor.
        DTypeError: `condition` is not bool.
        ArgumentError: the dtype does not hold a number.

    Example:
        >>> cb.where(cb.tensor([True, False]), cb.tensor([1.0, 2.0]), 0.0)
        tensor([1., 0.])
        >>> cb.where(cb.tensor([0, 3, 4]))
        (tensor([1, 2]),)
    """
    if other is not MISSING:
        return choose(condition, input, other) if out is None else choose(condition, input, other, out=out)  # type: ignore[call-arg]
    if input is not MISSING:
        raise CallError("where: takes a condition alone, or with both input and other, got no other")
    if not isinstance(condition, Tensor):
        raise CallError(f"where: condition must be a tensor, got {condition!r} of type {type(condition).__name__}")
    return condition.nonzero(as_tuple=True)


def _where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """Elements of this tensor where `condition` is true, of `other` elsewhere; as `candelabra.where`."""
    return choose(condition, self, other)


# -- other names -----------------------------------------------------------------------------------------------------

greater = gt
greater_equal = ge
less = lt
less_equal = le
not_equal = ne
Tensor.allclose = allclose
Tensor.equal = equal
Tensor.greater = gt
Tensor.greater_ = Tensor.gt_
Tensor.greater_equal = ge
Tensor.greater_equal_ = Tensor.ge_
Tensor.less = lt
Tensor.less_ = Tensor.lt_
Tensor.less_equal = le
Tensor.less_equal_ = Tensor.le_
Tensor.not_equal = ne
Tensor.not_equal_ = Tensor.ne_
Tensor.where = _where_method
