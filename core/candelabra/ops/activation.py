# SPDX-License-Identifier: Apache-2.0
"""Activations of neural networks: rectifiers, and soft and hard forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import Shape
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, unary
from .arithmetic import abs
from .comparison import where
from .exponential import exp, in_double, log1p
from .trigonometric import sigmoid, tanh

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "leaky_relu_backward",
    "logsigmoid",
    "prelu",
    "relu",
    "relu6",
    "relu_backward",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

inf, nan = math.inf, math.nan
SPECIAL: dict[str, Any] = {"dtypes": ("float32", "float64"), "grad": False}


def _ordered(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """Any real numeric dtype: neither bool nor complex."""
    rules.real(name, found, args)
    return rules.numeric(name, found, args)


def _numeric_to_floating(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """As `rules.floating`, but not for bool."""
    return rules.floating(name, rules.numeric(name, found, args)[0], args)


def smooth_samples(low: float = -3.0, high: float = 3.0, special: Any = (), **attributes: Any) -> list[Sample]:
    """Samples away from the kinks at 0, one for each attribute, and special values."""
    samples = unary(low, high, special=special, nonzero=0.05)
    return samples + [Sample(Operand((2, 3), low, high, nonzero=0.05), **{name: v}) for name, v in attributes.items()]


# -- relu and its kin ------------------------------------------------------------------------------------------------


@op(
    dtype=_ordered,
    shape=rules.same,
    samples=lambda: smooth_samples(special=[(inf, inf), (-inf, 0.0), (nan, nan), (0.0, 0.0), (2.0, 2.0), (-2.0, 0.0)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool")],
    reference=lambda input: np.maximum(input, 0),
    tolerance="exact",
)
def relu(input: Tensor) -> Tensor:
    """Elements of `input`, with 0 in place of negative ones.

    Args:
        input: any real numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`. nan stays nan.

    Raises:
        DTypeError: `input` is bool or complex.

    Example:
        >>> cb.relu(cb.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    ...


@op(
    dtype=rules.floating_only,
    shape=rules.broadcast,
    method=False,
    samples=lambda: [
        *[Sample(Operand(s), Operand(s, -2, 2, nonzero=0.05)) for s in [(), (5,), (0,), (2, 3), (67,)]],
        Sample(
            Operand((4,), values=[inf, nan, 3.0, 4.0]),
            Operand((4,), values=[0.0, 0.0, nan, 2.0]),
            special=[0.0, 0.0, 3.0, 4.0],
            **SPECIAL,
        ),
    ],
    reference=lambda grad_output, output: np.where(output <= 0, 0, grad_output),
    tolerance="exact",
)
def relu_backward(grad_output: Tensor, output: Tensor) -> Tensor:
    """Gradient of `relu` from its result: `grad_output`, with 0 where `output` is not above 0.

    Args:
        grad_output: gradient of the result, a floating dtype, shape (*).
        output: the result, broadcastable with `grad_output`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.relu_backward(cb.tensor([5.0, 5.0]), cb.tensor([0.0, 2.0]))
        tensor([0., 5.])
    """
    return where(output <= 0, 0.0, grad_output)


relu_backward.vjp(grad_output=lambda grad, output: relu_backward(grad, output))
relu.vjp(input=lambda grad, out: relu_backward(grad, out))


def _front_hardtanh(input: Tensor, min_val: float, max_val: float) -> tuple[Any, ...]:
    if min_val > max_val:
        raise ArgumentError(f"hardtanh: min_val must not exceed max_val, got min_val={min_val!r}, max_val={max_val!r}")
    return input, min_val, max_val


@op(
    dtype=_ordered,
    shape=rules.same,
    method=False,
    front=_front_hardtanh,
    samples=lambda: [
        *unary(-0.9, 0.9, special=[(inf, 1.0), (-inf, -1.0), (nan, nan), (0.5, 0.5), (-0.0, -0.0)]),
        Sample(Operand((7,), 1.1, 3)),
        Sample(Operand((7,), 0.1, 3), 4, 6),
        Sample(Operand((5,), values=[-3.0, -2.5, 0.2, 2.9, 3.5]), min_val=-2, max_val=3),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "must not exceed", Operand((2,)), 2.0, -2.0)],
    reference=lambda input, min_val=-1.0, max_val=1.0: np.minimum(np.maximum(input, min_val), max_val),
    tolerance="exact",
)  # fmt: skip
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Elements of `input` clamped to [`min_val`, `max_val`]; the gradient is 0 at and outside the bounds.

    Args:
        input: any real numeric dtype, shape (*).
        min_val: lower bound.
        max_val: upper bound.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `min_val` exceeds `max_val`.
        DTypeError: `input` is bool or complex.

    Example:
        >>> cb.nn.functional.hardtanh(cb.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if not input.is_floating_point():
        min_val, max_val = int(min_val), int(max_val)
    return input.clamp(min_val, max_val)


hardtanh.vjp(
    input=lambda grad, input, min_val, max_val: where((input <= min_val) | (input >= max_val), 0.0, grad),
)


@op(
    dtype=_ordered,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *smooth_samples(special=[(inf, 6.0), (-inf, 0.0), (nan, nan), (6.5, 6.0)]),
        Sample(Operand((4,), values=[-1.0, 3.0, 5.5, 7.0])),
    ],
    reference=lambda input: np.minimum(np.maximum(input, 0), 6),
    tolerance="exact",
)
def relu6(input: Tensor) -> Tensor:
    """Elements of `input` clamped to [0, 6].

    Args:
        input: any real numeric dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is bool or complex.

    Source: A. Krizhevsky (2010), Convolutional deep belief networks on CIFAR-10.

    Example:
        >>> cb.nn.functional.relu6(cb.tensor([-1.0, 3.0, 9.0]))
        tensor([0., 3., 6.])
    """
    return hardtanh(input, 0.0, 6.0)


def _leaky_reference(input: Any, negative_slope: float = 0.01) -> Any:
    return np.where(input > 0, input, input * negative_slope)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *smooth_samples(special=[(inf, inf), (-inf, -inf), (nan, nan), (3.0, 3.0)], negative_slope=0.5),
        Sample(Operand((2, 3), nonzero=0.05), -2.0),
        Sample(Operand((2, 3), nonzero=0.05), 3.0),
        Sample(Operand((5,), nonzero=0.05), 0.0),
    ],
    reference=in_double(_leaky_reference),
    tolerance="rounded",
)
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Elements of `input`, negative ones times `negative_slope`.

    Args:
        input: a floating dtype, shape (*).
        negative_slope: factor of negative elements.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.nn.functional.leaky_relu(cb.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])
    """
    return where(input > 0, input, input * negative_slope)


@op(
    dtype=rules.floating_only,
    shape=lambda grad_output, input, negative_slope: rules.broadcast("leaky_relu_backward")(grad_output, input),
    method=False,
    samples=lambda: [
        *[Sample(Operand(s), Operand(s, nonzero=0.05), 0.1) for s in [(), (5,), (0,), (2, 3), (67,)]],
        Sample(Operand((5,)), Operand((5,), nonzero=0.05), -2.0),
    ],
    reference=lambda grad_output, input, negative_slope: np.where(input > 0, grad_output, grad_output * negative_slope),
    tolerance="rounded",
)
def leaky_relu_backward(grad_output: Tensor, input: Tensor, negative_slope: float) -> Tensor:
    """Gradient of `leaky_relu`: `grad_output`, times `negative_slope` where `input` is not above 0.

    Args:
        grad_output: gradient of the result, a floating dtype, shape (*).
        input: as of `leaky_relu`, broadcastable with `grad_output`.
        negative_slope: as of `leaky_relu`.

    Returns:
        The broadcast shape, the promoted dtype.

    Example:
        >>> cb.leaky_relu_backward(cb.tensor([4.0, 4.0]), cb.tensor([-1.0, 2.0]), 0.5)
        tensor([2., 4.])
    """
    return where(input > 0, grad_output, grad_output * negative_slope)


leaky_relu_backward.vjp(
    grad_output=lambda grad, input, negative_slope: leaky_relu_backward(grad, input, negative_slope),
)
leaky_relu.vjp(input=lambda grad, input, negative_slope: leaky_relu_backward(grad, input, negative_slope))


def _channel_shape(input: Shape, weight: Shape) -> Shape:
    """`weight`'s shape for broadcasting over dim 1 of `input`; checks its number of parameters."""
    count = math.prod(weight)
    channels = input[1] if len(input) > 1 else 1
    if len(weight) > 1:
        raise ShapeError(f"prelu: weight must be 0-d or 1-d, got shape {weight}")
    if count not in (1, channels):
        raise ShapeError(f"prelu: weight must have 1 element or one a channel, got {count} for input {input}")
    return (count,) + (1,) * (len(input) - 2) if len(input) > 1 else (1,) * len(input)


def _prelu_shape(input: Any, weight: Any) -> Shape:
    _channel_shape(tuple(input.shape), tuple(weight.shape))
    return tuple(input.shape)


def _prelu_reference(input: Any, weight: Any) -> Any:
    weight = weight.reshape((-1,) + (1,) * (input.ndim - 2)) if input.ndim > 1 else weight.reshape(())
    return np.where(input > 0, input, weight * input)


@op(
    dtype=rules.floating_only,
    shape=_prelu_shape,
    samples=lambda: [
        Sample(Operand(a, nonzero=0.05), Operand(b))
        for a, b in [
            ((2, 3), (3,)), ((2, 3, 4), (3,)), ((5,), (1,)), ((), ()), ((2, 3), (1,)), ((2, 3), ()), ((0, 3), (3,)),
        ]
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "one a channel", Operand((2, 3)), Operand((2,))),
        ErrorSample(ShapeError, "0-d or 1-d", Operand((2, 3)), Operand((3, 1))),
    ],
    reference=_prelu_reference,
    tolerance="rounded",
)  # fmt: skip
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Elements of `input`, negative ones times the `weight` of their channel.

    Args:
        input: a floating dtype, shape (N, C, *) or (*).
        weight: shape (C) or (1) or ().

    Returns:
        The shape of `input`, the promoted dtype.

    Raises:
        ShapeError: `weight` has neither one element nor one a channel.

    Source: K. He et al. (2015), Delving deep into rectifiers.

    Example:
        >>> cb.prelu(cb.tensor([[-1.0, -2.0], [3.0, 4.0]]), cb.tensor([0.5, 0.1]))
        tensor([[-0.5000, -0.2000],
                [ 3.0000,  4.0000]])
    """
    factor = weight.reshape(_channel_shape(tuple(input.shape), tuple(weight.shape)))
    # Sums of the parts, as a choice between them would pass on 0 times infinity.
    return relu(input) + factor * input.clamp(max=0)


# -- soft and hard forms ---------------------------------------------------------------------------------------------


def _softplus_reference(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return np.where(input * beta > threshold, input, np.logaddexp(0.0, input * beta) / beta)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *unary(-4, 4, special=[(inf, inf), (-inf, 0.0), (nan, nan), (100.0, 100.0)]),
        Sample(Operand((2, 3), -4, 4), 2.0),
        Sample(Operand((5,), values=[-2.0, 0.5, 1.4, 1.6, 7.0]), beta=2.0, threshold=3.0),
    ],
    reference=in_double(_softplus_reference),
)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Smooth `relu`: `log(1 + exp(beta * input)) / beta`, and `input` itself where that is linear anyway.

    Args:
        input: a floating dtype, shape (*).
        beta: sharpness of the bend.
        threshold: `beta * input` above which the result is `input`.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Source: C. Dugas et al. (2001), Incorporating second-order functional knowledge.

    Example:
        >>> cb.nn.functional.softplus(cb.tensor([0.0, 2.0]))
        tensor([0.6931, 2.1269])
    """
    scaled = input * beta
    soft = (scaled.clamp(min=0) + log1p(exp(-abs(scaled)))) / beta
    return where(scaled > threshold, input, soft)


def _softplus_grad(grad: Tensor, input: Tensor, beta: float, threshold: float) -> Tensor:
    scaled = input * beta
    return grad * where(scaled > threshold, 1.0, sigmoid(scaled))


softplus.vjp(input=_softplus_grad)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: unary(-4, 4, special=[(inf, 0.0), (-inf, -inf), (nan, nan), (-100.0, -100.0)]),
    reference=in_double(lambda input: -np.logaddexp(0.0, -input)),
)
def logsigmoid(input: Tensor) -> Tensor:
    """Logarithm of `sigmoid(input)`, with all its digits.

    Args:
        input: a floating dtype, shape (*).

    Returns:
        Shape (*), not positive, the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.nn.functional.logsigmoid(cb.tensor([0.0, -100.0]))
        tensor([  -0.6931, -100.0000])
    """
    return input.clamp(max=0) - log1p(exp(-abs(input)))


logsigmoid.vjp(input=lambda grad, input: grad * sigmoid(-input))


@op(
    dtype=_numeric_to_floating,
    shape=rules.same,
    method=False,
    samples=lambda: smooth_samples(special=[(nan, nan), (0.0, 0.0), (1.0, 0.5), (-1.0, -0.5)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool")],
    reference=lambda input: input / (1 + np.abs(input)),
)
def softsign(input: Tensor) -> Tensor:
    """Elements of `input` divided by 1 plus their magnitude.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*), of magnitude below 1; integers become the default float.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.nn.functional.softsign(cb.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    return input / (abs(input) + 1)


@op(
    dtype=_numeric_to_floating,
    shape=rules.same,
    method=False,
    samples=lambda: unary(-3, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.0, 0.0)]),
    errors=lambda: [ErrorSample(DTypeError, "needs a numeric dtype", Operand((2,)), dtype="bool")],
    reference=in_double(lambda input: input - np.tanh(input)),
)
def tanhshrink(input: Tensor) -> Tensor:
    """Elements of `input` minus their hyperbolic tangent.

    Args:
        input: any numeric dtype, shape (*).

    Returns:
        Shape (*); integers become the default float.

    Raises:
        DTypeError: `input` is bool.

    Example:
        >>> cb.nn.functional.tanhshrink(cb.tensor([0.0, 1.0]))
        tensor([0.0000, 0.2384])
    """
    return input - tanh(input)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *unary(-2.9, 2.9, special=[(inf, 1.0), (-inf, 0.0), (nan, nan), (3.0, 1.0), (0.0, 0.5)]),
        Sample(Operand((4,), values=[-7.0, -3.5, 3.5, 7.0])),
    ],
    reference=lambda input: np.clip(input + 3, 0, 6) / 6,
)
def hardsigmoid(input: Tensor) -> Tensor:
    """Piecewise linear `sigmoid`: 0 up to -3, 1 from 3, a line between.

    Args:
        input: a floating dtype, shape (*).

    Returns:
        Shape (*), from 0 to 1, the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.nn.functional.hardsigmoid(cb.tensor([-3.0, 0.0, 1.5]))
        tensor([0.0000, 0.5000, 0.7500])
    """
    return (input + 3).clamp(0, 6) / 6


hardsigmoid.vjp(input=lambda grad, input: where((input > -3) & (input < 3), grad / 6, 0.0))


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    samples=lambda: [
        *unary(-2.9, 2.9, special=[(inf, inf), (nan, nan), (3.0, 3.0), (0.0, 0.0)]),
        Sample(Operand((4,), values=[-7.0, -3.5, 3.5, 7.0])),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a floating dtype", Operand((2,)), dtype="int64")],
    reference=lambda input: input * (np.clip(input + 3, 0, 6) / 6),
)
def hardswish(input: Tensor) -> Tensor:
    """Piecewise quadratic `silu`: 0 up to -3, the input from 3, `x (x + 3) / 6` between.

    Args:
        input: a floating dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Source: Howard et al. (2019), Searching for MobileNetV3.

    Example:
        >>> cb.nn.functional.hardswish(cb.tensor([-1.5, 0.0, 3.0]))
        tensor([-0.3750,  0.0000,  3.0000])
    """
    return input * hardsigmoid(input)


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    samples=lambda: [
        *unary(0.6, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.5, 0.0), (-0.5, 0.0), (0.25, 0.0)]),
        Sample(Operand((7,), -0.4, 0.4)),
        Sample(Operand((4,), values=[-3.0, -1.0, 1.0, 3.0]), 2.0),
    ],
    reference=lambda input, lambd=0.5: np.where(np.abs(input) <= lambd, 0, input),
    tolerance="exact",
)
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elements of `input`, with 0 in place of those from -`lambd` to `lambd`.

    Args:
        input: a floating dtype, shape (*).
        lambd: half the width of the gap.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.hardshrink(cb.tensor([-1.0, 0.3, 2.0]))
        tensor([-1.,  0.,  2.])
    """
    return where(abs(input) <= lambd, 0.0, input)


def _front_softshrink(input: Tensor, lambd: float) -> tuple[Any, ...]:
    if not lambd >= 0:
        raise ArgumentError(f"softshrink: lambd must not be negative, got lambd={lambd!r}")
    return input, lambd


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    method=False,
    front=_front_softshrink,
    samples=lambda: [
        *unary(0.6, 3, special=[(inf, inf), (-inf, -inf), (nan, nan), (0.5, 0.0), (2.5, 2.0)]),
        Sample(Operand((7,), -0.4, 0.4)),
        Sample(Operand((4,), values=[-3.0, -1.0, 1.0, 3.0]), 2.0),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "must not be negative", Operand((2,)), -1.0)],
    reference=lambda input, lambd=0.5: np.sign(input) * np.maximum(np.abs(input) - lambd, 0),
    tolerance="rounded",
)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Elements of `input` moved towards 0 by `lambd`, and 0 for those within it.

    Args:
        input: a floating dtype, shape (*).
        lambd: how far to move; not negative.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        ArgumentError: `lambd` is negative.
        DTypeError: the dtype is not floating.

    Example:
        >>> cb.nn.functional.softshrink(cb.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    return input - input.clamp(-lambd, lambd)


def _threshold_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    rules.check_range(name, "value", int(args[2]) if type(args[2]) is float and found.category == 1 else args[2], found)
    return _ordered(name, found, args)


@op(
    dtype=_threshold_dtype,
    shape=rules.same,
    method=False,
    samples=lambda: [
        *[Sample(Operand(s, 0.6, 3), 0.5, 7.0) for s in [(), (5,), (0,), (2, 3)]],
        Sample(Operand((7,), -3, 0.4), 0.5, 7.0),
        Sample(Operand((4,), values=[0.0, 1.0, 3.0, 4.0]), 2, -1),
        Sample(Operand((4,), values=[inf, -inf, nan, 0.5]), 0.5, 7.0, special=[inf, 7.0, nan, 7.0], **SPECIAL),
    ],
    errors=lambda: [ErrorSample(ArgumentError, "does not hold", Operand((2,)), 1, 300, dtype="int8")],
    reference=lambda input, threshold, value: np.asarray(np.where(input <= threshold, value, input), dtype=input.dtype),
    tolerance="exact",
)  # fmt: skip
def threshold(input: Tensor, threshold: Number, value: Number) -> Tensor:
    """Elements of `input`, with `value` in place of those not above `threshold`.

    Args:
        input: any real numeric dtype, shape (*).
        threshold: elements up to it are replaced.
        value: what replaces them; truncated for integers.

    Returns:
        Shape (*), the dtype of `input`. nan stays nan.

    Raises:
        DTypeError: `input` is bool or complex.
        ArgumentError: the integer dtype does not hold `value`.

    Example:
        >>> cb.nn.functional.threshold(cb.tensor([0.5, 2.0]), 1.0, 9.0)
        tensor([9., 2.])
    """
    if not input.is_floating_point():
        value = int(value)  # type: ignore[arg-type]
    return where(input <= threshold, value, input)
