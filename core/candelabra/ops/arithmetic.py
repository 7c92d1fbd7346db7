# SPDX-License-Identifier: Apache-2.0
"""Sums, products and signs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import normalize_dim
from ..op import Number, op, rules
from ..op._checked import checked
from ..op._registry import inplace_method
from ..op._rules import result_dtype
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary

__all__ = [
    "abs",
    "absolute",
    "add",
    "addcdiv",
    "addcmul",
    "conj",
    "conj_physical",
    "diff",
    "lerp",
    "mul",
    "multiply",
    "neg",
    "negative",
    "positive",
    "rsub",
    "sgn",
    "sign",
    "sub",
    "subtract",
]

nan, inf = math.nan, math.inf


# -- shared by the rules of this and other families ------------------------------------------------------------------


def conjugate(value: Any) -> Any:
    """Complex conjugate of a tensor or number; the value itself when it is real."""
    if isinstance(value, Tensor):
        return conj(value) if value._kind.dtype.is_complex else value
    return value.conjugate()


def no_slope(grad: Tensor) -> Tensor:
    """Zeros: the gradient of a function that is constant between its steps."""
    from .likes import zeros_like

    return zeros_like(grad)


def real_numeric(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """Neither bool nor complex."""
    rules.numeric(name, found, args)
    return rules.real(name, found, args)


def check_factor(name: str, argument: str, value: Number, found: _dtype.dtype) -> None:
    """Refuses a factor of a higher category than the operands it multiplies, or beyond their integer dtype."""
    if isinstance(value, complex) and found.category < 3:
        raise DTypeError(
            f"{name}: {argument} must be real for real operands, got {argument}={value!r} for {found.name}"
        )
    if isinstance(value, float) and found.category < 2:
        raise DTypeError(
            f"{name}: {argument} must be an integer for integer operands, got {argument}={value!r} for {found.name}"
        )
    rules.check_range(name, argument, value, found)


def scaled(name: str, value: Any, alpha: Number, found: _dtype.dtype) -> Any:
    """`alpha` times an operand of a sum whose dtype is `found`."""
    check_factor(name, "alpha", alpha, found)
    return value * (bool(alpha) if found is _dtype.bool_ else alpha)


def _fold_alpha(name: str) -> Callable[..., tuple[Any, ...]]:
    def front(input: Any, other: Any, alpha: Number) -> tuple[Any, ...]:
        if type(alpha) is int and alpha == 1:
            return input, other
        return input, scaled(name, other, alpha, result_dtype([input, other]))

    return front


# -- sums ------------------------------------------------------------------------------------------------------------


@op(
    dtype=rules.promoted,
    shape=rules.broadcast,
    front=_fold_alpha("add"),
    drops=("alpha",),
    samples=lambda: [
        *binary(-3, 3, special=[((inf, -inf), nan), ((-0.0, 0.0), 0.0), ((-0.0, -0.0), -0.0)]),
        Sample(Operand((2, 3)), Operand((3,)), alpha=3, dtypes=("float64", "float32", "float16", "bfloat16", "int64")),
        Sample(2, Operand((3,))),
    ],
    errors=lambda: [
        ErrorSample(DTypeError, "alpha must be an integer", Operand((2,)), 1, alpha=2.5, dtype="int64"),
        ErrorSample(ArgumentError, "int8 does not hold alpha", Operand((2,)), 1, alpha=300, dtype="int8"),
        ErrorSample(ShapeError, "do not broadcast", Operand((2,)), Operand((3,))),
    ],
    reference=lambda input, other, alpha=1: np.add(input, other if alpha == 1 else np.multiply(other, alpha)),
    tolerance="rounded",
)
def add(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Sum of `input` and `alpha` times `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.
        alpha: factor of `other`; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype. On bool, logical or.

    Raises:
        DTypeError: `alpha` is floating for integer operands, or complex for real ones.
        ArgumentError: the integer dtype does not hold `alpha`.

    Example:
        >>> cb.add(cb.tensor([1.0, 2.0]), 1, alpha=10)
        tensor([11., 12.])
    """
    ...


add.vjp(input=lambda grad: grad, other=lambda grad: grad)


def _sub_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    if any(isinstance(a, Tensor) and a._kind.dtype is _dtype.bool_ for a in args):
        raise DTypeError(
            f"{name}: cannot subtract bool tensors, got bool; use ~ or logical_not to invert a mask, or logical_xor"
        )
    return rules.numeric(name, found, args)


@op(
    dtype=_sub_dtype,
    shape=rules.broadcast,
    front=_fold_alpha("sub"),
    drops=("alpha",),
    samples=lambda: [
        *binary(-3, 3, special=[((inf, inf), nan), ((0.0, 0.0), 0.0), ((-0.0, 0.0), -0.0)]),
        Sample(Operand((2, 3)), Operand((3,)), alpha=3),
        Sample(2, Operand((3,))),
    ],
    errors=lambda: [ErrorSample(DTypeError, "cannot subtract bool", 1, Operand((2,)), dtype="bool")],
    reference=lambda input, other, alpha=1: np.subtract(input, other if alpha == 1 else np.multiply(other, alpha)),
    tolerance="rounded",
)
def sub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Difference of `input` and `alpha` times `other`.

    Args:
        input: any numeric dtype, shape (*).
        other: broadcastable with `input`, or a number.
        alpha: factor of `other`; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: an operand is a bool tensor, or `alpha` has a higher category than the operands.
        ArgumentError: the integer dtype does not hold `alpha`.

    Example:
        >>> cb.sub(cb.tensor([1.0, 2.0]), 1)
        tensor([0., 1.])
    """
    ...


sub.vjp(input=lambda grad: grad, other=lambda grad: -grad)


def _fold_alpha_reversed(input: Any, other: Any, alpha: Number) -> tuple[Any, ...]:
    return _fold_alpha("rsub")(other, input, alpha)[::-1]


@op(
    dtype=_sub_dtype,
    shape=rules.broadcast,
    front=_fold_alpha_reversed,
    drops=("alpha",),
    method=False,
    samples=lambda: [*binary(-3, 3), Sample(Operand((2, 3)), Operand((3,)), alpha=3), Sample(Operand((3,)), 1.0)],
    errors=lambda: [ErrorSample(DTypeError, "cannot subtract bool", Operand((2,)), 1, dtype="bool")],
    reference=lambda input, other, alpha=1: np.subtract(other, input if alpha == 1 else np.multiply(input, alpha)),
    tolerance="rounded",
)
def rsub(input: Tensor | Number, other: Tensor | Number, *, alpha: Number = 1) -> Tensor:
    """Difference of `other` and `alpha` times `input`: `sub` with its operands exchanged.

    Args:
        input: any numeric dtype, shape (*).
        other: broadcastable with `input`, or a number.
        alpha: factor of `input`; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: as of `sub`.

    Example:
        >>> cb.rsub(cb.tensor([1.0, 2.0]), 1)
        tensor([ 0., -1.])
    """
    return sub(other, input, alpha=alpha)


rsub.vjp(input=lambda grad: -grad, other=lambda grad: grad)


def _diff_reference(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    parts = [p for p in (prepend, input, append) if p is not None]
    return np.diff(np.concatenate(parts, axis=dim), n=n, axis=dim)


@op(
    inplace=False,
    samples=lambda: [
        Sample(Operand((5,))),
        Sample(Operand((2, 3))),
        Sample(Operand((3, 2, 4)), 1, 1),
        Sample(Operand((7,)), 2),
        Sample(Operand((7,)), 0),
        Sample(Operand((2,)), 3),
        Sample(Operand((0,))),
        Sample(Operand((0, 3)), 1, -1),
        Sample(Operand((2, 3)), 1, 0, Operand((1, 3)), Operand((2, 3))),
        Sample(Operand((3,)), prepend=Operand((1,))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "at least 1 dim", Operand(())),
        ErrorSample(ArgumentError, "n must not be negative", Operand((2,)), -1),
    ],
    reference=_diff_reference,
)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along `dim`, taken `n` times.

    Args:
        input: any dtype that computes, shape (*) with at least 1 dim.
        n: how many times.
        dim: dim to go along.
        prepend: put before `input` along `dim` first.
        append: put after `input` along `dim` first.

    Returns:
        Shape (*) with `dim` smaller by `n`, at least 0; the dtype of `input`. On bool, logical xor.

    Raises:
        ShapeError: `input` is 0-d.
        ArgumentError: `n` is negative.

    Example:
        >>> cb.diff(cb.tensor([1, 4, 9]))
        tensor([3, 5])
    """
    from .joining import cat

    if not input.dim():
        raise ShapeError("diff: input must have at least 1 dim, got shape ()")
    if n < 0:
        raise ArgumentError(f"diff: n must not be negative, got n={n}")
    dim = normalize_dim("diff", dim, input.dim())
    parts = [part for part in (prepend, input, append) if part is not None]
    result = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, result.shape[dim])):
        length = result.shape[dim] - 1
        later, earlier = result.narrow(dim, 1, length), result.narrow(dim, 0, length)
        result = later.logical_xor(earlier) if result._kind.dtype is _dtype.bool_ else sub(later, earlier)
    return result.clone() if result is input else result


# -- products --------------------------------------------------------------------------------------------------------


@op(
    dtype=rules.promoted,
    shape=rules.broadcast,
    samples=lambda: [*binary(-3, 3, special=[((inf, 0.0), nan), ((-0.0, 3.0), -0.0)]), Sample(2, Operand((3,)))],
    reference=np.multiply,
    tolerance="rounded",
)
def mul(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Product of `input` and `other`.

    Args:
        input: any dtype that computes, shape (*).
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype. On bool, logical and.

    Example:
        >>> cb.mul(cb.tensor([1.0, 2.0]), 3)
        tensor([3., 6.])
    """
    ...


mul.vjp(
    input=lambda grad, other: grad * conjugate(other),
    other=lambda grad, input: grad * conjugate(input),
)


def _addcmul_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    check_factor(name, "value", args[3], found)
    return rules.numeric(name, found, args)


def _wrapped_value(input: Any, tensor1: Any, tensor2: Any, value: Number) -> tuple[Any, ...]:
    """A negative `value` for unsigned operands as what it wraps to, which kernels take as it is."""
    if type(value) is int and value < 0:
        found = result_dtype([input, tensor1, tensor2])
        if found.category == 1 and not found.is_signed and value > -(1 << (8 * found.itemsize)):
            value += 1 << (8 * found.itemsize)
    return input, tensor1, tensor2, value


def _addc_samples(nonzero: float = 0.0) -> list[Sample]:
    shapes: list[tuple[Any, Any, Any]] = [
        ((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), (2, 1)), ((3,), (2, 1), ()), ((), (), ()), ((0, 3), (1, 3), (3,)),
        ((67,), (67,), (67,)),
    ]  # fmt: skip
    samples = [Sample(Operand(a), Operand(b), Operand(c, nonzero=nonzero)) for a, b, c in shapes]
    return [*samples, Sample(Operand((2, 3)), Operand((2, 3)), Operand((2, 3), nonzero=nonzero), value=-3)]


@op(
    dtype=_addcmul_dtype,
    shape=rules.broadcast,
    front=_wrapped_value,
    samples=_addc_samples,
    errors=lambda: [
        ErrorSample(
            DTypeError,
            "value must be an integer",
            Operand((2,)),
            Operand((2,)),
            Operand((2,)),
            value=0.5,
            dtype="int64",
        ),
        ErrorSample(
            ArgumentError,
            "int8 does not hold value",
            Operand((2,)),
            Operand((2,)),
            Operand((2,)),
            value=300,
            dtype="int8",
        ),
    ],
    reference=lambda input, tensor1, tensor2, value=1: input + value * tensor1 * tensor2,
)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Sum of `input` and `value * tensor1 * tensor2`.

    Args:
        input: any numeric dtype, shape (*).
        tensor1, tensor2: broadcastable with `input`.
        value: factor of the product; an integer for integer operands.

    Returns:
        The broadcast shape, the promoted dtype.

    Raises:
        DTypeError: bool operands, or `value` has a higher category than the operands.
        ArgumentError: the integer dtype does not hold `value`.

    Example:
        >>> cb.addcmul(cb.tensor([1.0]), cb.tensor([2.0]), cb.tensor([3.0]), value=0.5)
        tensor([4.])
    """
    return add(input, mul(tensor1, tensor2), alpha=value)


addcmul.vjp(
    input=lambda grad: grad,
    tensor1=lambda grad, tensor2, value: grad * conjugate(tensor2 * value),
    tensor2=lambda grad, tensor1, value: grad * conjugate(tensor1 * value),
)


def _addcdiv_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    first, second = args[1]._kind.dtype, args[2]._kind.dtype
    if first.category < 2 and second.category < 2:
        raise DTypeError(
            f"{name}: does not divide integers, got {first.name} and {second.name}; "
            "convert one with .to(candelabra.float32)"
        )
    check_factor(name, "value", args[3], found)
    return rules.floating(name, found, args)


@op(
    dtype=_addcdiv_dtype,
    shape=rules.broadcast,
    samples=lambda: _addc_samples(nonzero=0.5),
    errors=lambda: [
        ErrorSample(DTypeError, "does not divide integers", Operand((2,)), Operand((2,)), Operand((2,)), dtype="int64")
    ],
    reference=lambda input, tensor1, tensor2, value=1: input + value * (tensor1 / tensor2),
)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Sum of `input` and `value * tensor1 / tensor2`.

    Args:
        input: floating or complex, shape (*); integers become the promoted floating dtype.
        tensor1, tensor2: broadcastable with `input`; not both integers.
        value: factor of the quotient.

    Returns:
        The broadcast shape, the promoted floating or complex dtype.

    Raises:
        DTypeError: `tensor1` and `tensor2` are both integers.

    Example:
        >>> cb.addcdiv(cb.tensor([1.0]), cb.tensor([3.0]), cb.tensor([2.0]), value=2)
        tensor([4.])
    """
    return add(input, tensor1 / tensor2, alpha=value)


addcdiv.vjp(
    input=lambda grad: grad,
    tensor1=lambda grad, tensor2, value: grad * conjugate(value / tensor2),
    tensor2=lambda grad, tensor1, tensor2, value: -grad * conjugate(value * tensor1 / tensor2.square()),
)


def _lerp_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.inexact_only(name, result_dtype(args[:2]), args)
    return rules.promoted(name, found, args)


@op(
    dtype=_lerp_dtype,
    shape=rules.broadcast,
    samples=lambda: [
        *[
            Sample(Operand(a), Operand(b), w)
            for a, b in (((2, 3), (3,)), ((), ()), ((0,), (1,)))
            for w in (0, 0.3, 1.5)
        ],
        Sample(Operand((2, 3)), Operand((2, 3)), Operand((2, 3), 0.0, 1.0)),
        Sample(Operand((3,)), Operand((2, 3)), Operand((2, 1), -1.0, 2.0)),
        Sample(Operand((67,)), Operand((67,)), Operand((), 0.0, 1.0)),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a floating", Operand((2,)), Operand((2,)), 0.5, dtype="int64")],
    reference=lambda input, end, weight: input + np.asarray(weight) * (end - input),
)
def lerp(input: Tensor, end: Tensor, weight: Tensor | Number) -> Tensor:
    """Point at `weight` of the way from `input` to `end`: `input + weight * (end - input)`.

    Args:
        input: floating or complex, shape (*).
        end: broadcastable with `input`.
        weight: a tensor broadcastable with both, or a number; outside [0, 1] it extrapolates.

    Returns:
        The broadcast shape, the promoted dtype. At weights 0 and 1, `input` and `end` exactly.

    Raises:
        DTypeError: integers or bool.

    Example:
        >>> cb.lerp(cb.tensor([0.0, 2.0]), cb.tensor([1.0, 4.0]), 0.5)
        tensor([0.5000, 3.0000])
    """
    # From the nearer end, so that both ends are met exactly.
    near, far = input + weight * (end - input), end - (end - input) * (1 - weight)
    if isinstance(weight, Tensor):
        return near.where(abs(weight) < 0.5, far)
    return near if -0.5 < abs_of(weight) < 0.5 else far


def abs_of(value: Number) -> float:
    """Magnitude of a Python number."""
    return value.__abs__()


lerp.vjp(
    input=lambda grad, weight: grad * conjugate(1 - weight),
    end=lambda grad, weight: grad * conjugate(weight),
    weight=lambda grad, input, end: grad * conjugate(end - input),
)

# -- signs -----------------------------------------------------------------------------------------------------------


@op(
    dtype=rules.numeric,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(0.0, -0.0), (inf, -inf), (nan, nan)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool")],
    reference=np.negative,
    tolerance="exact",
)
def neg(input: Tensor) -> Tensor:
    """Negative of each element.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`; unsigned integers wrap.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.neg(cb.tensor([1.0, -2.0]))
        tensor([-1.,  2.])
    """
    ...


neg.vjp(input=lambda grad: -grad)


@checked
def positive(input: Tensor) -> Tensor:
    """`input` itself, as Python's unary plus gives it.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.positive(cb.tensor([1.0, -2.0]))
        tensor([ 1., -2.])
    """
    rules.numeric("positive", input._kind.dtype, ())
    return input


def _magnitude(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.numeric(name, found, args)
    return rules.magnitude(name, found, args)


@op(
    dtype=_magnitude,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(-0.0, 0.0), (-inf, inf), (nan, nan)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool")],
    reference=np.absolute,
)
def abs(input: Tensor) -> Tensor:
    """Magnitude of each element.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*); the dtype of `input`, its real type when it is complex. The lowest signed integer stays as it is.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.abs(cb.tensor([3.0, -4.0]))
        tensor([3., 4.])
    """
    ...


def _sign_reference(input: Any) -> Any:
    input = np.asarray(input)
    return input if input.dtype == bool else np.where(np.isnan(input), 0, np.sign(input))


@op(
    dtype=rules.real,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(0.0, 0.0), (-inf, -1.0), (inf, 1.0), (nan, 0.0)]),
    errors=lambda: [ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64")],
    reference=_sign_reference,
    tolerance="exact",
)
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1 for negative, zero and positive elements; 0 for nan.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`. Its gradient is 0.

    Raises:
        DTypeError: `input` is complex; use `sgn`.

    Example:
        >>> cb.sign(cb.tensor([-2.0, 0.0, 3.0]))
        tensor([-1.,  0.,  1.])
    """
    ...


sign.vjp(input=no_slope)


@op(
    inplace=True,
    samples=lambda: unary(-3, 3, special=[(0.0, 0.0), (-inf, -1.0), (nan, 0.0)]),
    reference=lambda input: (
        np.where(input == 0, 0, input / np.abs(input)) if np.iscomplexobj(input) else _sign_reference(input)
    ),
)
def sgn(input: Tensor) -> Tensor:
    """Direction of each element: `input / abs(input)` for complex numbers, `sign` for real ones; 0 at 0.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> cb.sgn(cb.tensor([3 + 4j]))
        tensor([0.6000+0.8000j])
    """
    if not input._kind.dtype.is_complex:
        return sign(input)
    size = abs(input)
    zero = size == 0
    return (input / size.masked_fill(zero, 1)).masked_fill(zero, 0)


abs.vjp(input=lambda grad, input: grad * sgn(input))


@op(
    dtype=rules.promoted,
    shape=rules.same,
    inplace=False,
    samples=lambda: unary(-3, 3),
    reference=np.conjugate,
    tolerance="exact",
)
def conj(input: Tensor) -> Tensor:
    """Complex conjugate of each element; the values themselves for real dtypes.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*), the dtype of `input`, in fresh memory.

    Example:
        >>> cb.conj(cb.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    ...


conj.vjp(input=conjugate)


# -- other names -----------------------------------------------------------------------------------------------------

absolute = abs
conj_physical = conj
multiply = mul
negative = neg
subtract = sub
Tensor.absolute = abs
Tensor.absolute_ = Tensor.abs_
Tensor.conj_physical = conj
Tensor.conj_physical_ = inplace_method(conj.op)
Tensor.multiply = mul
Tensor.multiply_ = Tensor.mul_
Tensor.negative = neg
Tensor.negative_ = Tensor.neg_
Tensor.positive = positive
Tensor.subtract = sub
Tensor.subtract_ = Tensor.sub_
