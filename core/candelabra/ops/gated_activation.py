# SPDX-License-Identifier: Apache-2.0
"""Activations with smooth gates, and exponential linear units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import Shape, normalize_dim
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, unary
from .activation import SPECIAL, smooth_samples, softplus
from .arithmetic import abs, conjugate
from .comparison import where
from .exponential import erfc, exp, expm1, in_double
from .trigonometric import sigmoid, sigmoid_reference, tanh

__all__ = [
    "celu",
    "elu",
    "gelu",
    "gelu_backward",
    "glu",
    "mish",
    "selu",
    "silu",
    "silu_backward",
]

inf, nan = math.inf, math.nan


# -- exponential linear units ----------------------------------------------------------------------------------------


def _elu_reference(input: Any, alpha: float = 1.0) -> Any:
    return np.where(input > 0, input, alpha * np.expm1(np.minimum(input, 0)))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *smooth_samples(
            special=[(inf, inf), (-inf, -1.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0), (3.0, 3.0)], alpha=2.0
        ),
        Sample(Operand((5,), -2, 2, nonzero=0.05), -0.5),
    ],
    reference=in_double(_elu_reference),
)
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Elements of `input`, with `alpha * (exp(input) - 1)` in place of negative ones.

    Args:
        input: a floating dtype, shape (*).
        alpha: the limit at -inf, negated.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Source: D. Clevert et al. (2016), Fast and accurate deep network learning by exponential linear units.

    Example:
        >>> cb.nn.functional.elu(cb.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    return where(input < 0, expm1(input.clamp(max=0)) * alpha, input)


elu.vjp(input=lambda grad, input, alpha: grad * where(input > 0, 1.0, exp(input.clamp(max=0)) * alpha))


def _front_celu(input: Tensor, alpha: float) -> tuple[Any, ...]:
    if alpha == 0:
        raise ArgumentError(f"celu: alpha must not be 0, got alpha={alpha!r}")
    return input, alpha


def _celu_reference(input: Any, alpha: float = 1.0) -> Any:
    return np.where(input > 0, input, alpha * np.expm1(np.minimum(input, 0) / alpha))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    front=_front_celu,
    samples=lambda: smooth_samples(
        special=[(inf, inf), (-inf, -1.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0), (3.0, 3.0)], alpha=2.0
    ),
    errors=lambda: [ErrorSample(ArgumentError, "alpha must not be 0", Operand((2,)), 0.0)],
    reference=in_double(_celu_reference),
)
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Elements of `input`, with `alpha * (exp(input / alpha) - 1)` in place of negative ones.

    Args:
        input: a floating dtype, shape (*).
        alpha: the limit at -inf, negated; not 0.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `alpha` is 0.
        DTypeError: the dtype is not floating.

    Source: J. Barron (2017), Continuously differentiable exponential linear units.

    Example:
        >>> cb.celu(cb.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    return where(input < 0, expm1(input.clamp(max=0) / alpha) * alpha, input)


# Fixed point of mean 0 and variance 1: Klambauer et al. (2017), appendix A.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: smooth_samples(special=[(inf, inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(lambda input: SELU_SCALE * _elu_reference(input, SELU_ALPHA)),
)
def selu(input: Tensor) -> Tensor:
    """`elu` scaled so that activations keep mean 0 and variance 1 from layer to layer.

    Args:
        input: a floating dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Source: G. Klambauer et al. (2017), Self-normalizing neural networks.

    Example:
        >>> cb.selu(cb.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """
    return elu(input, SELU_ALPHA) * SELU_SCALE


# -- smooth gates ----------------------------------------------------------------------------------------------------


def _front_gelu(input: Tensor, approximate: str) -> tuple[Any, ...]:
    _check_approximate(approximate)
    return input, approximate


def _check_approximate(approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f'gelu: approximate must be "none" or "tanh", got approximate={approximate!r}')


TANH_LINEAR = 2 * math.sqrt(2 / math.pi)
TANH_CUBIC = 0.044715 * TANH_LINEAR


def _gelu_reference(input: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return np.maximum(input, -99) * np.vectorize(math.erfc, otypes=[float])(-input / math.sqrt(2)) / 2
    return input * np.exp(-np.logaddexp(0.0, -(TANH_LINEAR * input + TANH_CUBIC * input**3)))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    front=_front_gelu,
    samples=lambda: [
        *unary(-3, 3, special=[(inf, inf), (-inf, 0.0), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
        *[Sample(Operand(s, -3, 3), approximate="tanh") for s in [(), (5,), (0,), (2, 3), (67,)]],
        Sample(Operand((3,), values=[inf, nan, -0.0]), approximate="tanh", special=[inf, nan, -0.0], **SPECIAL),
    ],
    errors=lambda: [ErrorSample(ArgumentError, 'must be "none" or "tanh"', Operand((2,)), approximate="erf")],
    reference=in_double(_gelu_reference),
)  # fmt: skip
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """Elements of `input` times the normal distribution function at them.

    Args:
        input: a floating dtype, shape (*).
        approximate: `"tanh"` for the formula with tanh in place of the distribution function.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `approximate` is neither `"none"` nor `"tanh"`.
        DTypeError: the dtype is not floating.

    Source: D. Hendrycks and K. Gimpel (2016), Gaussian error linear units.

    Example:
        >>> cb.nn.functional.gelu(cb.tensor([-1.0, 2.0]))
        tensor([-0.1587,  1.9545])
    """
    _check_approximate(approximate)
    if approximate == "none":
        size = abs(input).clamp(max=39)  # beyond, nothing is left of the tail, which infinity would make nan
        return where(input < 0, 0.0, input) - size * (erfc(size * math.sqrt(0.5)) * 0.5)
    # (1 + tanh(u)) / 2 is sigmoid(2 u), which keeps its digits where tanh is near -1.
    return input * sigmoid(input * (input * input * TANH_CUBIC + TANH_LINEAR))


def _gelu_slope(input: Tensor, approximate: str) -> Tensor:
    """First derivative of `gelu`."""
    if approximate == "none":
        return erfc(input * -math.sqrt(0.5)) * 0.5 + input * _bell(input)
    square = input * input
    gate = sigmoid(input * (square * TANH_CUBIC + TANH_LINEAR))
    return gate + gate * (1 - gate) * input * (square * (3 * TANH_CUBIC) + TANH_LINEAR)


def _gelu_bend(input: Tensor, approximate: str) -> Tensor:
    """Second derivative of `gelu`."""
    square = input * input
    if approximate == "none":
        return _bell(input) * (2 - square)
    gate = sigmoid(input * (square * TANH_CUBIC + TANH_LINEAR))
    inner = square * (3 * TANH_CUBIC) + TANH_LINEAR
    return gate * (1 - gate) * (inner * (inner * input * (1 - gate * 2.0) + 2.0) + square * (6 * TANH_CUBIC))


def _bell(input: Tensor) -> Tensor:
    """Density of the normal distribution."""
    return exp(input * input * -0.5) * (1 / math.sqrt(2 * math.pi))


@op(
    dtype=rules.floating_only,
    shape=lambda grad_output, input, approximate: rules.broadcast("gelu_backward")(grad_output, input),
    method=False,
    samples=lambda: [
        Sample(Operand(s), Operand(s, -3, 3), approximate=a)
        for s in [(), (5,), (0,), (2, 3), (67,)]
        for a in ("none", "tanh")
    ],
)
def gelu_backward(grad_output: Tensor, input: Tensor, *, approximate: str = "none") -> Tensor:
    """Gradient of `gelu`: `grad_output` times its derivative at `input`.

    Args:
        grad_output: gradient of the result, a floating dtype, shape (*).
        input: as of `gelu`, broadcastable with `grad_output`.
        approximate: as of `gelu`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.gelu_backward(cb.tensor([1.0]), cb.tensor([0.0]))
        tensor([0.5000])
    """
    return grad_output * _gelu_slope(input, approximate)


gelu_backward.vjp(
    grad_output=lambda grad, input, approximate: gelu_backward(grad, input, approximate=approximate),
    input=lambda grad, grad_output, input, approximate: grad * grad_output * _gelu_bend(input, approximate),
)
gelu.vjp(input=lambda grad, input, approximate: gelu_backward(grad, input, approximate=approximate))


@op(
    dtype=rules.inexact_only,
    shape=rules.same,
    method=False,
    samples=lambda: unary(-4, 4, special=[(inf, inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a floating or complex dtype", Operand((2,)), dtype="int64")],
    reference=in_double(lambda input: input * sigmoid_reference(input)),
)
def silu(input: Tensor) -> Tensor:
    """Elements of `input` times `sigmoid(input)`.

    Args:
        input: a floating or complex dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is neither floating nor complex.

    Source: S. Elfwing et al. (2017), Sigmoid-weighted linear units.

    Example:
        >>> cb.nn.functional.silu(cb.tensor([-1.0, 2.0]))
        tensor([-0.2689,  1.7616])
    """
    return input * sigmoid(input)


@op(
    dtype=rules.inexact_only,
    shape=rules.broadcast,
    method=False,
    samples=lambda: [Sample(Operand(s), Operand(s, -4, 4)) for s in [(), (5,), (0,), (2, 3), (67,)]],
)
def silu_backward(grad_output: Tensor, input: Tensor) -> Tensor:
    """Gradient of `silu`: `grad_output` times the conjugate of its derivative at `input`.

    Args:
        grad_output: gradient of the result, a floating or complex dtype, shape (*).
        input: as of `silu`, broadcastable with `grad_output`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.silu_backward(cb.tensor([1.0]), cb.tensor([0.0]))
        tensor([0.5000])
    """
    return grad_output * conjugate(_silu_slope(input))


def _silu_slope(input: Tensor) -> Tensor:
    """First derivative of `silu`."""
    gate = sigmoid(input)
    return gate * (input * (1 - gate) + 1)


def _silu_bend(input: Tensor) -> Tensor:
    """Second derivative of `silu`."""
    gate = sigmoid(input)
    return gate * (1 - gate) * (input * (1 - gate * 2.0) + 2)


silu_backward.vjp(
    grad_output=lambda grad, input: grad * _silu_slope(input),
    input=lambda grad, grad_output, input: conjugate(grad * _silu_bend(input)) * grad_output,
)
silu.vjp(input=lambda grad, input: silu_backward(grad, input))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: unary(-4, 4, special=[(inf, inf), (nan, nan), (0.0, 0.0), (-0.0, -0.0)]),
    reference=in_double(lambda input: input * np.tanh(np.logaddexp(0.0, input))),
)
def mish(input: Tensor) -> Tensor:
    """Elements of `input` times `tanh(softplus(input))`.

    Args:
        input: a floating dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Source: D. Misra (2019), Mish: a self regularized non-monotonic activation function.

    Example:
        >>> cb.nn.functional.mish(cb.tensor([-1.0, 2.0]))
        tensor([-0.3034,  1.9440])
    """
    return input * tanh(softplus(input))


@op(
    dtype=rules.floating_only,
    shape=lambda input, dim: tuple(n // 2 if i == dim else n for i, n in enumerate(input.shape)),
    method=False,
    front=lambda input, dim: (input, _halved_dim(tuple(input.shape), dim)),
    samples=lambda: [
        Sample(Operand((2, 6))),
        Sample(Operand((4, 3)), 0),
        Sample(Operand((2, 4, 3)), dim=-2),
        Sample(Operand((3, 0))),
        Sample(Operand((2,))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "must be even", Operand((2, 3))),
        ErrorSample(ShapeError, "must have at least 1 dim", Operand(())),
    ],
)
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """First half of `input` along `dim` times `sigmoid` of the second half.

    Args:
        input: a floating dtype, shape (*) with an even size at `dim`.
        dim: dim to halve.

    Returns:
        Shape (*) with half the size at `dim`, the dtype of `input`.

    Raises:
        DimError: `dim` is out of range.
        ShapeError: the size at `dim` is odd, or `input` is 0-d.

    Source: Y. Dauphin et al. (2017), Language modeling with gated convolutional networks.

    Example:
        >>> cb.nn.functional.glu(cb.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    dim = _halved_dim(tuple(input.shape), dim)
    half = input.shape[dim] // 2
    return input.narrow(dim, 0, half) * sigmoid(input.narrow(dim, half, half))


def _halved_dim(shape: Shape, dim: int) -> int:
    if not shape:
        raise ShapeError("glu: input must have at least 1 dim, got shape ()")
    dim = normalize_dim("glu", dim, len(shape))
    if shape[dim] % 2:
        raise ShapeError(f"glu: size at dim must be even, got {shape[dim]} at dim={dim} of {shape}")
    return dim
