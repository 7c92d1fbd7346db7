# SPDX-License-Identifier: Apache-2.0
"""Exponentials, logarithms, and the error and gamma functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._config import get_default_dtype
from .._errors import ArgumentError, CallError
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary, unary
from .arithmetic import conjugate
from .comparison import where
from .creation import full

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "logit",
    "mvlgamma",
    "polygamma",
    "xlogy",
]

inf, nan = math.inf, math.nan
FLOATS = ("float32", "float64")
LN2 = math.log(2)
LN10 = math.log(10)


def in_double(function: Any) -> Any:
    """A reference that takes bool and integers as float64, where NumPy's own function takes bool as float16."""

    def widened(value: Any) -> Any:
        return value.astype(np.float64) if hasattr(value, "dtype") and value.dtype.kind in "biu" else value

    def reference(*args: Any, **attributes: Any) -> Any:
        return function(*[widened(a) for a in args], **attributes)

    return reference


# -- exponentials and logarithms -------------------------------------------------------------------------------------


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, 0.0), (nan, nan), (0.0, 1.0), (-0.0, 1.0)]),
    reference=in_double(np.exp),
)
def exp(input: Tensor) -> Tensor:
    """Exponential of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.exp(cb.tensor([0.0, 1.0]))
        tensor([1.0000, 2.7183])
    """
    ...


exp.vjp(input=lambda grad, out: grad * conjugate(out))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, 0.0), (nan, nan), (3.0, 8.0), (-1.0, 0.5)]),
    reference=in_double(np.exp2),
)
def exp2(input: Tensor) -> Tensor:
    """Two to the power of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.exp2(cb.tensor([0.0, 3.0]))
        tensor([1., 8.])
    """
    ...


exp2.vjp(input=lambda grad, out: grad * conjugate(out) * LN2)


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-2, 2, special=[(inf, inf), (-inf, -1.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(np.expm1),
)
def expm1(input: Tensor) -> Tensor:
    """Exponential of each element minus 1, exact to the last digits near 0.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.expm1(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 1.7183])
    """
    ...


expm1.vjp(input=lambda grad, out: grad * (conjugate(out) + 1))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.1, 4, special=[(inf, inf), (0.0, -inf), (-0.0, -inf), (-1.0, nan), (nan, nan), (1.0, 0.0)]),
    reference=in_double(np.log),
)
def log(input: Tensor) -> Tensor:
    """Natural logarithm of each element.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float. nan where `input` is negative, -inf at 0.

    Example:
        >>> cb.log(cb.tensor([1.0, 2.0]))
        tensor([0.0000, 0.6931])
    """
    ...


log.vjp(input=lambda grad, input: grad / conjugate(input))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.1, 4, special=[(inf, inf), (0.0, -inf), (-1.0, nan), (nan, nan), (8.0, 3.0)]),
    reference=in_double(np.log2),
)
def log2(input: Tensor) -> Tensor:
    """Logarithm of each element to base 2.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.log2(cb.tensor([1.0, 8.0]))
        tensor([0., 3.])
    """
    ...


log2.vjp(input=lambda grad, input: grad / (conjugate(input) * LN2))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(0.1, 4, special=[(inf, inf), (0.0, -inf), (-1.0, nan), (nan, nan), (1.0, 0.0)]),
    reference=in_double(np.log10),
)
def log10(input: Tensor) -> Tensor:
    """Logarithm of each element to base 10.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.log10(cb.tensor([1.0, 2.0]))
        tensor([0.0000, 0.3010])
    """
    ...


log10.vjp(input=lambda grad, input: grad / (conjugate(input) * LN10))


@op(
    dtype=rules.floating,
    shape=rules.same,
    samples=lambda: unary(-0.9, 4, special=[(inf, inf), (-1.0, -inf), (-2.0, nan), (nan, nan), (-0.0, -0.0)]),
    reference=in_double(np.log1p),
)
def log1p(input: Tensor) -> Tensor:
    """Logarithm of 1 plus each element, exact to the last digits near 0.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.log1p(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6931])
    """
    ...


log1p.vjp(input=lambda grad, input: grad / (conjugate(input) + 1))


def _below(value: Tensor, total: Tensor) -> Tensor:
    """`value - total`, and 0 for equal infinities, which have no difference."""
    return where(value == total, 0.0, value - total)


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: binary(
        -3,
        3,
        scalars=(),
        special=[((inf, inf), inf), ((-inf, -inf), -inf), ((-inf, 2.0), 2.0), ((inf, -inf), inf), ((nan, inf), nan)],
    ),
    reference=in_double(np.logaddexp),
    tolerance="special",  # a zero on a curve: the larger operand and the logarithm cancel there
)
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """Logarithm of the sum of the exponentials of `input` and `other`, without overflow.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`.

    Returns:
        The broadcast shape, the promoted dtype; integers and bool become the default float.

    Example:
        >>> cb.logaddexp(cb.tensor([0.0, 1000.0]), cb.tensor([0.0, 1000.0]))
        tensor([6.9315e-01, 1.0007e+03])
    """
    ...


logaddexp.vjp(
    input=lambda grad, out, input: grad * exp(_below(input, out)),
    other=lambda grad, out, other: grad * exp(_below(other, out)),
)


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: binary(
        -3,
        3,
        scalars=(),
        special=[((inf, inf), inf), ((-inf, -inf), -inf), ((-inf, 2.0), 2.0), ((2.0, 2.0), 3.0), ((nan, inf), nan)],
    ),
    reference=in_double(np.logaddexp2),
    tolerance="special",  # as `logaddexp`
)
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """Logarithm to base 2 of the sum of two to the powers `input` and `other`, without overflow.

    Args:
        input: any real dtype, shape (*).
        other: broadcastable with `input`.

    Returns:
        The broadcast shape, the promoted dtype; integers and bool become the default float.

    Example:
        >>> cb.logaddexp2(cb.tensor([0.0, 2.0]), cb.tensor([0.0, 2.0]))
        tensor([1., 3.])
    """
    ...


logaddexp2.vjp(
    input=lambda grad, out, input: grad * exp2(_below(input, out)),
    other=lambda grad, out, other: grad * exp2(_below(other, out)),
)


def _xlogy_reference(input: Any, other: Any) -> Any:
    value = input * np.log(other)
    return np.where((input == 0) & ~np.isnan(other), 0.0, value)


@op(
    dtype=rules.real_floating,
    shape=rules.broadcast,
    samples=lambda: [
        *binary(
            -2,
            2,
            0.2,
            3,
            special=[
                ((0.0, 0.0), 0.0), ((0.0, inf), 0.0), ((0.0, -1.0), 0.0), ((0.0, nan), nan), ((nan, 1.0), nan),
                ((1.0, 0.0), -inf), ((-1.0, 0.0), inf), ((2.0, -1.0), nan),
            ],
        ),
        Sample(2, Operand((2, 3), 0.2, 3)),
    ],
    reference=in_double(_xlogy_reference),
)  # fmt: skip
def xlogy(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """Product of `input` and the logarithm of `other`, which is 0 where `input` is 0 and `other` is not nan.

    Args:
        input: any real dtype, shape (*), or a number.
        other: broadcastable with `input`, or a number.

    Returns:
        The broadcast shape, the promoted dtype; integers and bool become the default float.

    Example:
        >>> cb.xlogy(cb.tensor([0.0, 2.0]), cb.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    if not isinstance(other, Tensor):
        dtype = input.dtype if input.is_floating_point() else get_default_dtype()  # type: ignore[union-attr]
        other = full((), other, dtype=dtype, device=input.device)  # type: ignore[union-attr]
    nothing = (other == other) & (input == 0)  # nan differs from itself
    return where(nothing, 0.0, input * log(other))


xlogy.vjp(
    input=lambda grad, input, other: grad * log(where((input == 0) & (other <= 0), 1.0, other)),
    other=lambda grad, input, other: grad * input / other,
)


def _logit_front(input: Tensor, eps: float | None) -> tuple[Any, ...]:
    if eps is not None and not 0 <= eps <= 1:
        raise ArgumentError(f"logit: eps must be from 0 to 1, got eps={eps!r}")
    return input, eps


def _logit_reference(input: Any, eps: float | None = None) -> Any:
    z = np.asarray(input, dtype=np.float64)
    z = z if eps is None else np.clip(z, eps, 1 - eps)
    return np.log(z) - np.log1p(-z)


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    front=_logit_front,
    samples=lambda: [
        *unary(0.05, 0.95, special=[(0.0, -inf), (1.0, inf), (0.5, 0.0), (-1.0, nan), (2.0, nan), (nan, nan)]),
        Sample(Operand((2, 3), 0.15, 0.85), eps=0.1),
        Sample(Operand((3,), values=[0.0, 0.5, 2.0]), 0.25, grad=False),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "eps must be from 0 to 1", Operand((2,)), 2.0)],
    reference=_logit_reference,
)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """Logarithm of the odds, `log(input / (1 - input))`: the inverse of `sigmoid`.

    Args:
        input: any real dtype, shape (*).
        eps: clamp `input` to [eps, 1 - eps] first; None leaves it.

    Returns:
        Shape (*); integers and bool become the default float. Without `eps`, nan outside [0, 1].

    Raises:
        ArgumentError: `eps` is outside [0, 1].

    Example:
        >>> cb.logit(cb.tensor([0.5, 0.75]))
        tensor([0.0000, 1.0986])
    """
    from .trigonometric import atanh

    if not input.is_floating_point():
        input = input.to(get_default_dtype())
    z = input if eps is None else input.clamp(eps, 1 - eps)
    # Near 1/2 the quotient is near 1, where its logarithm has lost the digits that 2 z - 1 still has.
    centred = z * 2.0 - 1
    return where(abs(centred) < 0.5, atanh(centred) * 2, log(z / (1 - z)))


def _logit_grad(grad: Tensor, input: Tensor, eps: float | None) -> Tensor:
    slope = grad / (input * (1 - input))
    low, high = (0.0, 1.0) if eps is None else (eps, 1 - eps)
    return where((input >= low) & (input <= high), slope, nan if eps is None else 0.0)


logit.vjp(input=_logit_grad)

# -- error function --------------------------------------------------------------------------------------------------


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: unary(-3, 3, special=[(inf, 1.0), (-inf, -1.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=np.vectorize(math.erf, otypes=[float]),
)
def erf(input: Tensor) -> Tensor:
    """Error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to each element.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.erf(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8427])
    """
    ...


erf.vjp(input=lambda grad, input: grad * exp(-input * input) * (2 / math.sqrt(math.pi)))


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: unary(-3, 4, special=[(inf, 0.0), (-inf, 2.0), (nan, nan), (0.0, 1.0), (-0.0, 1.0)]),
    reference=np.vectorize(math.erfc, otypes=[float]),
    tolerance="special",  # where it is small, a roundoff of the operand changes many digits
)
def erfc(input: Tensor) -> Tensor:
    """Complementary error function, `1 - erf(input)`, with all its digits where that is small.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Example:
        >>> cb.erfc(cb.tensor([0.0, 1.0]))
        tensor([1.0000, 0.1573])
    """
    ...


erfc.vjp(input=lambda grad, input: grad * exp(-input * input) * (-2 / math.sqrt(math.pi)))


def _erfinv_scalar(x: float) -> float:
    """Newton's method on erfc of the magnitude, which keeps its digits near 1."""
    if not abs(x) < 1:
        return math.copysign(inf, x) if abs(x) == 1 else nan
    a, y = 1 - abs(x), 0.0
    for _ in range(100):
        wrong = math.erf(y) - abs(x) if abs(x) < 0.5 else a - math.erfc(y)
        y -= wrong * math.sqrt(math.pi) / 2 * math.exp(y * y)
    return math.copysign(y, x)


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: unary(
        -0.95, 0.95, special=[(1.0, inf), (-1.0, -inf), (2.0, nan), (-inf, nan), (nan, nan), (-0.0, -0.0)]
    ),
    reference=np.vectorize(_erfinv_scalar, otypes=[float]),
    tolerance="special",  # steep near -1 and 1
)
def erfinv(input: Tensor) -> Tensor:
    """Inverse of the error function.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float. nan outside [-1, 1].

    Source: M. J. Wichura (1988), The percentage points of the normal distribution, algorithm AS 241.

    Example:
        >>> cb.erfinv(cb.tensor([0.0, 0.5]))
        tensor([0.0000, 0.4769])
    """
    ...


erfinv.vjp(input=lambda grad, out: grad * exp(out * out) * (math.sqrt(math.pi) / 2))

# -- gamma function and its kin --------------------------------------------------------------------------------------


# The references compute in `longdouble`: they move the argument up by the recurrence, then sum an asymptotic series.
PI = np.longdouble("3.14159265358979323846264338327950288")
HALF_LOG_2PI = np.longdouble("0.91893853320467274178032973640561764")
# B(2), B(4) ... as fractions: Abramowitz and Stegun (1964), table 23.2.
BERNOULLI = [(1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510), (43867, 798)]
FAR = 24
"""From here on the series below are good to the last digits of a `longdouble`."""


def _bernoulli() -> list[tuple[int, Any]]:
    """(2k, B(2k)) for the terms of an asymptotic series."""
    return [(2 * k, np.longdouble(a) / b) for k, (a, b) in enumerate(BERNOULLI, 1)]


def _is_pole(x: Any) -> Any:
    return (x <= 0) & (x == np.rint(x))


def _lgamma_reference(input: Any) -> Any:
    x = np.asarray(input).astype(np.longdouble)
    y, risen = np.abs(x), np.ones_like(x)
    for _ in range(FAR):
        risen, y = np.where(y < FAR, risen * y, risen), np.where(y < FAR, y + 1, y)
    value = (y - 0.5) * np.log(y) - y + HALF_LOG_2PI + sum(b / (k * (k - 1) * y ** (k - 1)) for k, b in _bernoulli())
    value = np.where(np.isinf(y), inf, value) - np.log(risen)
    reflected = np.log(PI / np.abs(x * np.sin(PI * (x - np.rint(x))))) - value
    return np.where(_is_pole(x), inf, np.where(x < 0, reflected, value))


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: [
        *unary(0.1, 6, special=[(inf, inf), (-inf, inf), (nan, nan), (0.0, inf), (-3.0, inf), (1.0, 0.0), (2.0, 0.0)]),
        Sample(Operand((7,), -0.9, -0.1)),
        Sample(Operand((5,), values=[-1.5, -2.3, 14.5, 171.0, 1e4])),
    ],
    reference=_lgamma_reference,
    tolerance="special",  # zeros at 1 and 2
)
def lgamma(input: Tensor) -> Tensor:
    """Logarithm of the absolute value of the gamma function.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Source: recurrence to a rational fit below 12, Stirling's series above; Abramowitz and Stegun (1964), 6.1.

    Example:
        >>> cb.lgamma(cb.tensor([1.0, 5.0]))
        tensor([0.0000, 3.1781])
    """
    ...


def _digamma_reference(input: Any) -> Any:
    x = np.asarray(input).astype(np.longdouble)
    y, terms = np.where(x < 0, 1 - x, x), np.zeros_like(x)
    for _ in range(FAR):
        terms, y = np.where(y < FAR, terms + 1 / y, terms), np.where(y < FAR, y + 1, y)
    value = np.log(y) - 1 / (2 * y) - sum(b / (k * y**k) for k, b in _bernoulli()) - terms
    value = np.where(x < 0, value - PI / np.tan(PI * (x - np.rint(x))), value)
    return np.where((x < 0) & (x == np.rint(x)), nan, value)


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    samples=lambda: [
        *unary(0.1, 6, special=[(inf, inf), (-inf, nan), (nan, nan), (0.0, -inf), (-0.0, inf), (-3.0, nan)]),
        Sample(Operand((7,), -0.8, -0.2)),
        Sample(Operand((5,), values=[-1.5, -2.3, 14.5, 171.0, 1e4])),
    ],
    reference=_digamma_reference,
    tolerance="special",  # a zero between 1 and 2
)
def digamma(input: Tensor) -> Tensor:
    """Derivative of the logarithm of the gamma function.

    Args:
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float. nan at negative integers.

    Source: recurrence and asymptotic series, reflection; Abramowitz and Stegun (1964), 6.3.

    Example:
        >>> cb.digamma(cb.tensor([1.0, 5.0]))
        tensor([-0.5772,  1.5061])
    """
    ...


lgamma.vjp(input=lambda grad, input: grad * digamma(input))


def _polygamma_front(n: int, input: Tensor) -> tuple[Any, ...]:
    if n < 0:
        raise ArgumentError(f"polygamma: n must not be negative, got n={n}")
    return n, input


def _polygamma_reference(n: int, input: Any) -> Any:
    """The Hurwitz zeta function by Euler and Maclaurin's formula; the recurrence serves negative arguments too."""
    if n == 0:
        return _digamma_reference(input)
    x: Any = np.asarray(input).astype(np.longdouble)
    y, total, s = np.where(_is_pole(x), 1, x), np.zeros_like(x), n + 1
    while np.any(y < FAR):
        total, y = np.where(y < FAR, total + y**-s, total), np.where(y < FAR, y + 1, y)
    total = total + y ** (1 - s) / (s - 1) + y**-s / 2
    rising = np.longdouble(s)
    for k, b in _bernoulli():
        total = total + b * rising / math.factorial(k) * y ** (1 - s - k)
        rising = rising * (s + k - 1) * (s + k)
    sign = 1 if n % 2 else -1
    value = np.where(_is_pole(x), sign * inf, sign * math.factorial(n) * total)
    return np.where(x == -inf, nan, value)


@op(
    dtype=rules.real_floating,
    shape=lambda n, input: tuple(input.shape),
    front=_polygamma_front,
    method=False,
    samples=lambda: [
        Sample(0, Operand((3,), 0.5, 4)),
        Sample(1, Operand((2, 3), 0.5, 4)),
        Sample(2, Operand((5,), 0.5, 4)),
        Sample(3, Operand((), 0.5, 4)),
        Sample(1, Operand((0,))),
        Sample(1, Operand((5,), -0.8, -0.2)),
        Sample(2, Operand((3,), values=[-1.7, -2.2, 30.0])),
        Sample(1, Operand((4,), values=[inf, 0.0, -1.0, nan]), special=[0.0, inf, inf, nan], dtypes=FLOATS, grad=False),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "n must not be negative", -1, Operand((2,)))],
    reference=_polygamma_reference,
    tolerance="special",  # zeros, and poles at negative integers
)
def polygamma(n: int, input: Tensor) -> Tensor:
    """`n`-th derivative of the digamma function.

    Args:
        n: how often to differentiate; 0 is `digamma` itself.
        input: any real dtype, shape (*).

    Returns:
        Shape (*); integers and bool become the default float.

    Raises:
        ArgumentError: `n` is negative.

    Source: Hurwitz zeta by Euler and Maclaurin's formula, reflection; Abramowitz and Stegun (1964), 6.4 and 23.1.

    Example:
        >>> cb.polygamma(1, cb.tensor([1.0, 0.5]))
        tensor([1.6449, 4.9348])
    """
    ...


polygamma.vjp(input=lambda grad, n, input: grad * polygamma(n + 1, input))
digamma.vjp(input=lambda grad, input: grad * polygamma(1, input))


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """`n`-th derivative of the digamma function of each element."""
    return polygamma(n, self)


Tensor.polygamma = _polygamma_method


def _mvlgamma_reference(input: Any, p: int) -> Any:
    x = np.asarray(input).astype(np.longdouble)
    return sum(_lgamma_reference(x - i / 2) for i in range(p)) + np.longdouble(p * (p - 1)) / 4 * np.log(PI)


_MAX_MVLGAMMA = 10_000
"""Dimensions up to which terms are added up one by one: seconds for a small tensor."""


def _mvlgamma_front(input: Tensor, p: int) -> tuple[Any, ...]:
    if not hasattr(p, "__index__"):
        raise CallError(f"mvlgamma: p must be an int, got p={p!r}")
    p = p.__index__()
    if not 1 <= p <= _MAX_MVLGAMMA:
        raise ArgumentError(f"mvlgamma: p must be at least 1 and at most {_MAX_MVLGAMMA}, got p={p}")
    return input, p


@op(
    dtype=rules.real_floating,
    shape=rules.same,
    front=_mvlgamma_front,
    samples=lambda: [Sample(Operand(shape, 1.6, 5), p) for shape, p in [((2, 3), 1), ((5,), 3), ((), 2), ((0,), 2)]],
    errors=lambda: [
        ErrorSample(ArgumentError, "p must be at least 1", Operand((2,)), 0),
        ErrorSample(ArgumentError, "at most", Operand((2,)), 1 << 70),
        ErrorSample(CallError, "p must be an int", Operand((2,)), 1.5),
    ],
    reference=_mvlgamma_reference,
    tolerance="special",  # as `lgamma`
)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension `p`.

    Args:
        input: any real dtype, shape (*); the function is defined above (p - 1) / 2.
        p: number of dimensions.

    Returns:
        Shape (*); integers and bool become the default float.

    Raises:
        ArgumentError: `p` is below 1, or too large to add up as many terms.
        CallError: `p` is not an int.

    Source: p (p - 1) / 4 log(pi) + the sum over i < p of lgamma(input - i / 2); Anderson (1958).

    Example:
        >>> cb.mvlgamma(cb.tensor([2.0]), 2)
        tensor([0.4516])
    """
    if not input.is_floating_point():
        input = input.to(get_default_dtype())
    total = lgamma(input)
    for i in range(1, p):
        total = total + lgamma(input - i / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)
