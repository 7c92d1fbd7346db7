# SPDX-License-Identifier: Apache-2.0
"""Normalisation by mean and variance, by root mean square, and by length.

Batch, layer, group and instance normalisation are one primitive seen through different shapes: `standardize` looks at
its input as `view_size`, subtracts the mean over `dim` and divides by the standard deviation, then scales and shifts by
`weight` and `bias` seen as `affine_size`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import grad_enabled
from .._errors import ArgumentError, DTypeError, ShapeError
from .._shape import Shape, as_shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "normalize",
    "rms_norm",
    "rms_norm_input_grad",
    "standardize",
    "standardize_input_grad",
    "standardize_weight_grad",
]

FLOATS = ("float32", "float64")


# -- the one primitive -----------------------------------------------------------------------------------------------


def _three(name: str, found: Any, args: Any) -> tuple[Any, Any]:
    compute = rules.floating_only(name, found, args)[0]
    return compute, (compute, compute, compute)


def _reduced(view_size: Shape, dim: Shape) -> Shape:
    return tuple(1 if i in dim else size for i, size in enumerate(view_size))


def _count(view_size: Shape, dim: Shape) -> int:
    return math.prod(view_size[i] for i in dim)


def _standardize_shape(
    input: Any, weight: Any, bias: Any, view_size: Shape, dim: Shape, affine_size: Shape, eps: float
) -> list[Shape]:
    statistics = _reduced(view_size, dim)
    return [tuple(input.shape), statistics, statistics]


def _standardize_reference(
    input: Any, weight: Any, bias: Any, view_size: Any, dim: Any, affine_size: Any, eps: float
) -> tuple[Any, Any, Any]:
    view = input.reshape(view_size)
    mean, var = view.mean(dim, keepdims=True), view.var(dim, keepdims=True)
    out = ((view - mean) / np.sqrt(var + eps)).reshape(input.shape)
    out = out if weight is None else out * weight.reshape(affine_size)
    return out if bias is None else out + bias.reshape(affine_size), mean, var


# input shape, affine elements, view_size, dim, affine_size
_CASES: list[tuple[Shape, int | None, Shape, Shape, Shape]] = [
    ((4, 3), 3, (4, 3), (1,), (3,)),
    ((4, 3), 3, (4, 3), (0,), (3,)),
    ((2, 3, 5), 3, (2, 3, 5), (0, 2), (3, 1)),
    ((2, 4, 3), 4, (2, 2, 6), (2,), (4, 1)),
    ((2, 3, 2, 2), None, (6, 4), (1,), ()),
    ((2, 1), None, (2, 1), (1,), ()),
    ((0, 3), 3, (0, 3), (1,), (3,)),
]


def _standardize_samples() -> list[Sample]:
    found = []
    for shape, count, view_size, dim, affine_size in _CASES:
        affine = [None if count is None else Operand((count,)) for _ in range(2)]
        found.append(Sample(Operand(shape), *affine, view_size, dim, affine_size, 1e-2, dtypes=FLOATS))
    return found


@op(
    dtype=_three,
    shape=_standardize_shape,
    method=False,
    nondifferentiable=(1, 2),
    samples=_standardize_samples,
    reference=_standardize_reference,
    tolerance="accumulation",
)
def standardize(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """`input` less its mean and over its standard deviation, then scaled and shifted.

    Args:
        input: floating, shape (*).
        weight: factors, as many elements as `affine_size`, or None.
        bias: summands, likewise.
        view_size: shape in which `input` is looked at for its statistics; as many elements.
        dim: dims of that shape to take mean and variance over, a tuple of ints from 0.
        affine_size: shape in which `weight` and `bias` are looked at; broadcasts to (*).
        eps: added to the variance.

    Returns:
        Shape (*); mean and biased variance, shape `view_size` with size 1 at `dim`, which carry no gradient.

    Source: Ioffe and Szegedy (2015), Batch normalization.

    Example:
        >>> cb.standardize(cb.tensor([[1.0, 3.0]]), None, None, (1, 2), (1,), (), 0.0)[0]
        tensor([[-1.,  1.]])
    """
    ...


def _centred(input: Tensor, view_size: Shape, dim: Shape, eps: float) -> tuple[Tensor, Tensor]:
    """Standardised input in its view, and the factor it was scaled by: both differentiable."""
    view = input.reshape(view_size)
    apart = view - view.mean(dim, True)
    scale = ((apart * apart).mean(dim, True) + eps).rsqrt()
    return apart * scale, scale


@op(
    dtype=rules.floating_only,
    shape=lambda grad, input, weight, mean, var, view_size, dim, affine_size, eps: tuple(input.shape),
    method=False,
    samples=lambda: [
        Sample(Operand(s), Operand(s), None if n is None else Operand((n,)), Operand(_reduced(v, d), grad=False),
               Operand(_reduced(v, d), 0.5, 1.0, grad=False), v, d, a, 1e-2, dtypes=("float64",), grad=False)
        for s, n, v, d, a in _CASES[-1:]
    ],
    tolerance="accumulation",
)  # fmt: skip
def standardize_input_grad(
    grad: Tensor,
    input: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> Tensor:
    """Gradient of `standardize` in its input.

    Args:
        grad: floating, shape (*).
        input: shape (*), as of `standardize`.
        weight: as of `standardize`.
        mean: second result of `standardize` for `input`.
        var: third result.
        view_size: as of `standardize`.
        dim: as of `standardize`.
        affine_size: as of `standardize`.
        eps: as of `standardize`.

    Returns:
        Shape (*).

    Example:
        >>> x = cb.tensor([[1.0, 3.0]])
        >>> _, mean, var = cb.standardize(x, None, None, (1, 2), (1,), (), 0.0)
        >>> cb.standardize_input_grad(x, x, None, mean, var, (1, 2), (1,), (), 0.0)
        tensor([[0., 0.]])
    """
    # The statistics are taken anew: as results of `standardize` they carry no gradient, which the second order needs.
    standard, scale = _centred(input, view_size, dim, eps)
    scaled = grad if weight is None else grad * weight.reshape(affine_size)
    scaled = scaled.reshape(view_size)
    along = (scaled * standard).mean(dim, True)
    return ((scaled - scaled.mean(dim, True) - standard * along) * scale).reshape(tuple(input.shape))


@op(
    dtype=rules.floating_only,
    shape=lambda grad, input, mean, var, weight_size, view_size, dim, affine_size, eps: weight_size,
    method=False,
    samples=lambda: [
        Sample(Operand(s), Operand(s), Operand(_reduced(v, d), grad=False),
               Operand(_reduced(v, d), 0.5, 1.0, grad=False), (n,), v, d, a, 1e-2, dtypes=("float64",), grad=False)
        for s, n, v, d, a in _CASES[-1:]
    ],
    tolerance="accumulation",
)  # fmt: skip
def standardize_weight_grad(
    grad: Tensor,
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight_size: Shape,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> Tensor:
    """Gradient of `standardize` in its weight.

    Args:
        grad: floating, shape (*).
        input: shape (*), as of `standardize`.
        mean: second result of `standardize` for `input`.
        var: third result.
        weight_size: shape of the weight.
        view_size: as of `standardize`.
        dim: as of `standardize`.
        affine_size: as of `standardize`.
        eps: as of `standardize`.

    Returns:
        Shape `weight_size`.

    Example:
        >>> x = cb.tensor([[1.0, 3.0]])
        >>> _, mean, var = cb.standardize(x, None, None, (1, 2), (1,), (), 0.0)
        >>> cb.standardize_weight_grad(x, x, mean, var, (2,), (1, 2), (1,), (2,), 0.0)
        tensor([-1.,  3.])
    """
    standard, _ = _centred(input, view_size, dim, eps)
    return _affine_sum(grad * standard.reshape(tuple(input.shape)), weight_size, affine_size)


def _affine_sum(grad: Tensor, size: Shape, affine_size: Shape) -> Tensor:
    """A gradient of the result summed to the elements of weight or bias."""
    lead = grad.dim() - len(affine_size)
    dims = tuple(i for i in range(grad.dim()) if i < lead or (affine_size[i - lead] == 1 != grad.shape[i]))
    return (grad.sum(dims) if dims else grad).reshape(size)


standardize.vjp(
    input=lambda grad, out, input, weight, view_size, dim, affine_size, eps: standardize_input_grad(
        grad[0], input, weight, out[1], out[2], view_size, dim, affine_size, eps
    ),
    weight=lambda grad, out, input, weight_shape, view_size, dim, affine_size, eps: standardize_weight_grad(
        grad[0], input, out[1], out[2], weight_shape, view_size, dim, affine_size, eps
    ),
    bias=lambda grad, bias_shape, affine_size: _affine_sum(grad[0], bias_shape, affine_size),
)


# -- layer and group normalisation -----------------------------------------------------------------------------------


def _check_affine(name: str, size: Shape, **parameters: Any) -> None:
    for label, value in parameters.items():
        if value is not None and tuple(value.shape) != size:
            raise ShapeError(f"{name}: {label} must have shape {size}, got {tuple(value.shape)}")


def _normalized_shape(name: str, input: Tensor, normalized_shape: Any) -> Shape:
    size = as_shape(name, normalized_shape)
    shape = tuple(input.shape)
    if not size or shape[-len(size) :] != size:
        raise ShapeError(f"{name}: normalized_shape must be the last sizes of input, got {size} for {shape}")
    return size


def _norm_reference(input: Any, view_size: Any, dim: Any, weight: Any, bias: Any, affine_size: Any, eps: float) -> Any:
    return _standardize_reference(input, weight, bias, view_size, dim, affine_size, eps)[0]


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), (3,), dtypes=FLOATS),
        Sample(Operand((2, 3)), [3], Operand((3,)), Operand((3,)), dtypes=FLOATS),
        Sample(Operand((2, 3, 4)), (3, 4), Operand((3, 4)), Operand((3, 4)), 1e-2, dtypes=FLOATS),
        Sample(Operand((2, 2, 3)), 3, weight=Operand((3,)), dtypes=FLOATS),
        Sample(Operand((5,)), (5,), None, Operand((5,)), dtypes=FLOATS),
        Sample(Operand((0, 3)), (3,), Operand((3,)), dtypes=FLOATS),
        Sample(Operand((3, 1)), (1,), dtypes=FLOATS),
        Sample(Operand((7, 67), 99.0, 101.0), (67,), dtypes=FLOATS),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "last sizes", Operand((2, 3)), (2,)),
        ErrorSample(DTypeError, "needs a floating dtype", Operand((2, 3)), (3,), dtype="int64"),
        ErrorSample(ShapeError, "weight must have shape (3,)", Operand((2, 3)), (3,), Operand((2,))),
    ],
    reference=lambda input, normalized_shape, weight=None, bias=None, eps=1e-5: _norm_reference(
        input,
        (-1 if input.size else 0, np.prod(normalized_shape)),
        (1,),
        weight,
        bias,
        tuple(np.atleast_1d(normalized_shape)),
        eps,
    ),
    tolerance="accumulation",
)
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """`input` brought to mean 0 and variance 1 over its last dims, then scaled and shifted.

    Args:
        input: floating, shape (*, *normalized_shape).
        normalized_shape: sizes of the last dims, or the last size.
        weight: shape `normalized_shape`.
        bias: shape `normalized_shape`.
        eps: added to the variance.

    Returns:
        The shape of `input`.

    Raises:
        ShapeError: the sizes do not fit.

    Source: Ba, Kiros and Hinton (2016), Layer normalization.

    Example:
        >>> cb.layer_norm(cb.tensor([[1.0, 3.0]]), (2,), eps=0.0)
        tensor([[-1.,  1.]])
    """
    size = _normalized_shape("layer_norm", input, normalized_shape)
    _check_affine("layer_norm", size, weight=weight, bias=bias)
    lead = tuple(input.shape)[: -len(size)]
    return standardize(input, weight, bias, (math.prod(lead), math.prod(size)), (1,), size, float(eps))[0]


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 4, 3)), 2, dtypes=FLOATS),
        Sample(Operand((2, 4)), 2, Operand((4,)), Operand((4,)), dtypes=FLOATS),
        Sample(Operand((1, 3, 2, 2)), 3, Operand((3,)), Operand((3,)), 1e-2, dtypes=FLOATS),
        Sample(Operand((2, 4, 3)), 1, weight=Operand((4,)), dtypes=FLOATS),
        Sample(Operand((0, 4, 3)), 2, dtypes=FLOATS),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "num_groups must divide", Operand((2, 4, 3)), 3),
        ErrorSample(ShapeError, "bias must have shape (4,)", Operand((2, 4, 3)), 2, None, Operand((3,))),
        ErrorSample(ShapeError, "at least 2 dims", Operand((4,)), 2),
        ErrorSample(ShapeError, "more than one value", Operand((1, 2)), 2),
    ],
    reference=lambda input, num_groups, weight=None, bias=None, eps=1e-5: _norm_reference(
        input,
        (len(input), num_groups, math.prod(input.shape[1:]) // num_groups),
        (2,),
        weight,
        bias,
        (-1,) + (1,) * (input.ndim - 2),
        eps,
    ),
    tolerance="accumulation",
)
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """`input` brought to mean 0 and variance 1 over each group of channels, then scaled and shifted by channel.

    Args:
        input: floating, shape (N, C, *).
        num_groups: number of groups; divides C.
        weight: shape (C).
        bias: shape (C).
        eps: added to the variance.

    Returns:
        Shape (N, C, *).

    Raises:
        ArgumentError: `num_groups` does not divide C.
        ShapeError: the sizes do not fit, or a group has a single value in all.

    Source: Wu and He (2018), Group normalization.

    Example:
        >>> cb.group_norm(cb.tensor([[1.0, 3.0, 0.0, 4.0]]), 2, eps=0.0)
        tensor([[-1.,  1., -1.,  1.]])
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError(f"group_norm: input must have at least 2 dims, got {shape}")
    if num_groups < 1 or shape[1] % num_groups:
        raise ArgumentError(f"group_norm: num_groups must divide the channels, got {num_groups} for {shape[1]}")
    _check_affine("group_norm", (shape[1],), weight=weight, bias=bias)
    each = math.prod(shape[1:]) // num_groups
    if shape[0] * each == 1:
        raise ShapeError(f"group_norm: a group must have more than one value, got {shape} with {num_groups} groups")
    affine = (shape[1],) + (1,) * (len(shape) - 2)
    return standardize(input, weight, bias, (shape[0], num_groups, each), (2,), affine, float(eps))[0]


# -- batch and instance normalisation --------------------------------------------------------------------------------


def _follow(running: Tensor | None, value: Tensor, momentum: float) -> None:
    """Moves a running statistic towards a new value, in place and unrecorded."""
    from ..dispatcher._write import write

    if running is not None:
        write(running, running * (1 - momentum) + value.reshape(tuple(running.shape)) * momentum)


def _follow_both(mean: Tensor, var: Tensor, count: int, running_mean: Any, running_var: Any, momentum: float) -> None:
    if running_mean is None and running_var is None:
        return
    token = grad_enabled.set(False)
    try:
        _follow(running_mean, mean, momentum)
        _follow(running_var, var * (count / (count - 1)), momentum)
    finally:
        grad_enabled.reset(token)


def _by_running(
    name: str, input: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any, affine: Shape, eps: float
) -> Tensor:
    """Scaled and shifted by statistics that are given: one factor and one summand a channel."""
    if running_mean is None or running_var is None:
        raise ArgumentError(f"{name}: running statistics must be given unless taken from input, got None")
    factor = (running_var + eps).rsqrt()
    if weight is not None:
        factor = factor * weight
    summand = -running_mean * factor
    if bias is not None:
        summand = summand + bias
    return input * factor.reshape(affine) + summand.reshape(affine)


def _check_channels(name: str, input: Tensor, least: int, **parameters: Any) -> Shape:
    """The shape in which parameters with one element a channel meet the input."""
    shape = tuple(input.shape)
    if len(shape) < least:
        raise ShapeError(f"{name}: input must have at least {least} dims, got {shape}")
    _check_affine(name, (shape[1],), **parameters)
    return (shape[1],) + (1,) * (len(shape) - 2)


def _batch_reference(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    dims, each = (0, *range(2, input.ndim)), (-1,) + (1,) * (input.ndim - 2)
    mean = input.mean(dims) if training else running_mean
    var = input.var(dims) if training else running_var
    out = (input - mean.reshape(each)) / np.sqrt(var.reshape(each) + eps)
    out = out if weight is None else out * weight.reshape(each)
    return out if bias is None else out + bias.reshape(each)


def _batch_samples() -> list[Sample]:
    w, b, m, v = Operand((3,)), Operand((3,)), Operand((3,)), Operand((3,), 0.5, 2.0)
    return [
        Sample(Operand((4, 3)), None, None, w, b, True, dtypes=FLOATS),
        Sample(Operand((2, 3, 4)), None, None, None, b, True, eps=1e-2, dtypes=FLOATS),
        Sample(Operand((2, 3, 2, 2)), None, None, training=True, dtypes=FLOATS),
        Sample(Operand((2, 3, 1, 2, 2)), None, None, w, training=True, dtypes=FLOATS),
        Sample(Operand((4, 3)), m, v, w, b, dtypes=FLOATS),
        Sample(Operand((1, 3, 2)), m, v, dtypes=FLOATS),
        Sample(Operand((0, 3)), m, v, w, dtypes=FLOATS),
    ]


@op(
    dtype=rules.floating_only,
    method=False,
    samples=_batch_samples,
    errors=lambda: [
        ErrorSample(ShapeError, "more than one value", Operand((1, 3)), None, None, training=True),
        ErrorSample(ArgumentError, "must be given", Operand((2, 3)), None, None),
        ErrorSample(ShapeError, "weight must have", Operand((2, 3)), None, None, Operand((2,)), training=True),
        ErrorSample(ShapeError, "at least 2 dims", Operand((3,)), None, None, training=True),
    ],
    reference=_batch_reference,
    tolerance="accumulation",
)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`input` brought to mean 0 and variance 1 over all but the channels, then scaled and shifted by channel.

    Args:
        input: floating, shape (N, C, *).
        running_mean: shape (C); updated in place when `training`, used in place of the batch's mean when not.
        running_var: shape (C), likewise; updated with the unbiased variance.
        weight: shape (C).
        bias: shape (C).
        training: take the statistics from the batch.
        momentum: share of the batch in the updated running statistics.
        eps: added to the variance.

    Returns:
        Shape (N, C, *).

    Raises:
        ShapeError: the sizes do not fit, or one value a channel when `training`.
        ArgumentError: no running statistics when not `training`.

    Source: Ioffe and Szegedy (2015), Batch normalization.

    Example:
        >>> cb.batch_norm(cb.tensor([[1.0], [3.0]]), None, None, training=True, eps=0.0)
        tensor([[-1.],
                [ 1.]])
    """
    affine = _check_channels(
        "batch_norm", input, 2, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not training:
        return _by_running("batch_norm", input, running_mean, running_var, weight, bias, affine, eps)
    shape = tuple(input.shape)
    view, dim = (shape, (0,)) if len(shape) == 2 else ((shape[0], shape[1], math.prod(shape[2:])), (0, 2))
    count = _count(view, dim)
    if count < 2:
        raise ShapeError(f"batch_norm: training needs more than one value a channel, got input shape {shape}")
    out, mean, var = standardize(input, weight, bias, view, dim, affine, float(eps))
    _follow_both(mean, var, count, running_mean, running_var, momentum)
    return out


def _instance_reference(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    each = (-1,) + (1,) * (input.ndim - 2)
    if not use_input_stats:
        return _batch_reference(input, running_mean, running_var, weight, bias, False, momentum, eps)
    dims = tuple(range(2, input.ndim))
    out = (input - input.mean(dims, keepdims=True)) / np.sqrt(input.var(dims, keepdims=True) + eps)
    out = out if weight is None else out * weight.reshape(each)
    return out if bias is None else out + bias.reshape(each)


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3, 4)), dtypes=FLOATS),
        Sample(Operand((2, 3, 2, 2)), None, None, Operand((3,)), Operand((3,)), dtypes=FLOATS),
        Sample(Operand((1, 2, 2, 1, 3)), weight=Operand((2,)), eps=1e-2, dtypes=FLOATS),
        Sample(Operand((2, 3, 4)), Operand((3,)), Operand((3,), 0.5, 2.0), Operand((3,)), None, False, dtypes=FLOATS),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "more than one value", Operand((2, 3, 1))),
        ErrorSample(ShapeError, "at least 3 dims", Operand((2, 3))),
        ErrorSample(ArgumentError, "must be given", Operand((2, 3, 4)), use_input_stats=False),
    ],
    reference=_instance_reference,
    tolerance="accumulation",
)
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each item brought to mean 0 and variance 1, then scaled and shifted by channel.

    Args:
        input: floating, shape (N, C, *) with at least one dim after C.
        running_mean: shape (C); updated in place with the mean over items when `use_input_stats`, used when not.
        running_var: shape (C), likewise; updated with the unbiased variance.
        weight: shape (C).
        bias: shape (C).
        use_input_stats: take the statistics from `input`.
        momentum: share of `input` in the updated running statistics.
        eps: added to the variance.

    Returns:
        Shape (N, C, *).

    Raises:
        ShapeError: the sizes do not fit, or one value a channel and item.
        ArgumentError: no running statistics when not `use_input_stats`.

    Source: Ulyanov, Vedaldi and Lempitsky (2016), Instance normalization.

    Example:
        >>> cb.instance_norm(cb.tensor([[[1.0, 3.0]]]), eps=0.0)
        tensor([[[-1.,  1.]]])
    """
    affine = _check_channels(
        "instance_norm", input, 3, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias
    )
    if not use_input_stats:
        return _by_running("instance_norm", input, running_mean, running_var, weight, bias, affine, eps)
    n, c, *sizes = input.shape
    count = math.prod(sizes)
    if count == 1:
        raise ShapeError(f"instance_norm: needs more than one value a channel and item, got {tuple(input.shape)}")
    out, mean, var = standardize(input, weight, bias, (n, c, count), (2,), affine, float(eps))
    if running_mean is not None or running_var is not None:
        _follow_both(mean.mean(0), var.mean(0), count, running_mean, running_var, momentum)
    return out


# -- without a mean --------------------------------------------------------------------------------------------------


def _eps(eps: float | None, input: Tensor) -> float:
    from .. import finfo

    return finfo(input.dtype).eps if eps is None else float(eps)


def _rms_front(input: Any, normalized_shape: Any, weight: Any, eps: float | None) -> tuple[Any, ...]:
    if not isinstance(input, Tensor):
        return input, normalized_shape, weight, eps
    rules.floating_only("rms_norm", input.dtype, ())
    size = _normalized_shape("rms_norm", input, normalized_shape)
    if isinstance(weight, Tensor):
        _check_affine("rms_norm", size, weight=weight)
    return input, size, weight, _eps(eps, input)


def _rms_reference(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    dims = tuple(range(-np.atleast_1d(normalized_shape).size, 0))
    eps = np.finfo(input.dtype).eps if eps is None else eps
    out = input / np.sqrt((input * input).mean(dims, keepdims=True) + eps)
    return out if weight is None else out * weight


@op(
    dtype=rules.floating_only,
    shape=rules.same,
    front=_rms_front,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), (3,), dtypes=("float64",)),
        Sample(Operand((2, 3)), [3], Operand((3,)), 1e-5, dtypes=FLOATS),
        Sample(Operand((2, 3, 4)), (3, 4), Operand((3, 4)), 1e-2, dtypes=FLOATS),
        Sample(Operand((5,)), 5, eps=1e-3, dtypes=FLOATS),
        Sample(Operand((0, 3)), (3,), Operand((3,)), 1e-5, dtypes=FLOATS),
        Sample(Operand((7, 67)), (67,), Operand((67,)), 1e-5, dtypes=FLOATS),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "last sizes", Operand((2, 3)), (2,)),
        ErrorSample(DTypeError, "needs a floating dtype", Operand((2, 3)), (3,), dtype="int64"),
        ErrorSample(ShapeError, "weight must have shape (3,)", Operand((2, 3)), (3,), Operand((2,))),
    ],
    reference=_rms_reference,
    tolerance="accumulation",
)
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """`input` over its root mean square over the last dims, then scaled.

    Args:
        input: floating, shape (*, *normalized_shape).
        normalized_shape: sizes of the last dims, or the last size.
        weight: shape `normalized_shape`.
        eps: added to the mean square; the dtype's machine epsilon when None.

    Returns:
        The shape of `input`.

    Raises:
        ShapeError: the sizes do not fit.

    Source: Zhang and Sennrich (2019), Root mean square layer normalization.

    Example:
        >>> cb.rms_norm(cb.tensor([[1.0, 7.0]]), (2,), eps=0.0)
        tensor([[0.2000, 1.4000]])
    """
    _, size, _, added = _rms_front(input, normalized_shape, weight, eps)
    dims = tuple(range(input.dim() - len(size), input.dim()))
    out = input * ((input * input).mean(dims, True) + added).rsqrt()
    return out if weight is None else out * weight


@op(
    dtype=rules.floating_only,
    shape=lambda grad, input, weight, normalized_shape, eps: tuple(input.shape),
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), Operand((2, 3)), Operand((3,)), (3,), 1e-2, dtypes=FLOATS),
        Sample(Operand((2, 3, 2)), Operand((2, 3, 2)), None, (3, 2), 1e-2, dtypes=FLOATS),
    ],
    tolerance="accumulation",
)
def rms_norm_input_grad(
    grad: Tensor, input: Tensor, weight: Tensor | None, normalized_shape: Shape, eps: float
) -> Tensor:
    """Gradient of `rms_norm` in its input.

    Args:
        grad: floating, the shape of `input`.
        input: shape (*, *normalized_shape).
        weight: shape `normalized_shape`, or None.
        normalized_shape: as of `rms_norm`, a tuple.
        eps: added to the mean square.

    Returns:
        The shape of `input`.

    Example:
        >>> x = cb.tensor([[1.0, 7.0]])
        >>> cb.rms_norm_input_grad(x, x, None, (2,), 0.0)
        tensor([[0., 0.]])
    """
    dims = tuple(range(input.dim() - len(normalized_shape), input.dim()))
    scale = ((input * input).mean(dims, True) + eps).rsqrt()
    scaled = grad if weight is None else grad * weight
    standard = input * scale
    return (scaled - standard * (scaled * standard).mean(dims, True)) * scale


def _rms_weight_grad(grad: Tensor, input: Tensor, weight_shape: Shape, normalized_shape: Shape, eps: float) -> Tensor:
    return _affine_sum(grad * rms_norm(input, normalized_shape, None, eps), weight_shape, weight_shape)


def _rms_input_grad(grad: Tensor, input: Tensor, weight: Tensor | None, normalized_shape: Shape, eps: float) -> Tensor:
    return rms_norm_input_grad(grad, input, weight, normalized_shape, eps)


rms_norm.vjp(
    input=_rms_input_grad,
    weight=_rms_weight_grad,
)


# -- by neighbours and by length -------------------------------------------------------------------------------------


def _response_reference(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    padded = np.pad(input * input, [(0, 0), (size // 2, (size - 1) // 2), *((0, 0),) * (input.ndim - 2)])
    total = sum(padded[:, i : i + input.shape[1]] for i in range(size))
    return input / (k + alpha * total / size) ** beta


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 5, 3)), 3, dtypes=FLOATS),
        Sample(Operand((2, 5, 3)), 2, 0.5, 0.5, 2.0, dtypes=FLOATS),
        Sample(Operand((1, 4, 2, 2)), 5, alpha=1.0, dtypes=FLOATS),
        Sample(Operand((1, 3, 2)), 1, alpha=1.0, dtypes=FLOATS),
        Sample(Operand((1, 1, 2)), 4, alpha=1.0, dtypes=FLOATS),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "at least 3 dims", Operand((2, 3)), 3),
        ErrorSample(ArgumentError, "size must be positive", Operand((2, 3, 4)), 0),
    ],
    reference=_response_reference,
    tolerance="accumulation",
)
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Each channel over a power of the squares of its neighbours.

    Args:
        input: floating, shape (N, C, *) with at least one dim after C.
        size: number of neighbouring channels, the channel itself among them.
        alpha: factor of the mean of the squares.
        beta: exponent.
        k: added before the power.

    Returns:
        Shape (N, C, *).

    Raises:
        ShapeError: fewer than 3 dims.
        ArgumentError: `size` is not positive.

    Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional neural networks.

    Example:
        >>> cb.local_response_norm(cb.ones(1, 1, 1), 1, alpha=3.0, beta=0.5)
        tensor([[[0.5000]]])
    """
    from .window import avg_pool

    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ShapeError(f"local_response_norm: input must have at least 3 dims, got {shape}")
    if size < 1:
        raise ArgumentError(f"local_response_norm: size must be positive, got size={size}")
    if input.numel() == 0:
        return input.clone()
    rows = (input * input).reshape((shape[0], shape[1], math.prod(shape[2:])))
    # An even size has one neighbour more in front: the last of the windows padded alike on both sides is dropped.
    mean = avg_pool(rows, (size, 1), (1, 1), (size // 2, 0), False, True, None).narrow(1, 0, shape[1])
    return input / (mean.reshape(shape) * alpha + k) ** beta


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3)), dtypes=FLOATS),
        Sample(Operand((2, 3)), 1.0, 0, dtypes=FLOATS),
        Sample(Operand((2, 3, 2)), 3.0, -1, dtypes=FLOATS),
        Sample(Operand((4,), values=[0.0, 0.0, 0.0, 0.0], grad=False), dim=0, dtypes=FLOATS),
        Sample(Operand((2, 3), distinct=True), math.inf, dtypes=FLOATS),
        Sample(Operand((0, 3)), dtypes=FLOATS),
    ],
    reference=lambda input, p=2.0, dim=1, eps=1e-12, out=None: (
        input / np.maximum(np.linalg.norm(input, p, dim, keepdims=True), eps)
    ),
    tolerance="accumulation",
)
def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """`input` over its `p`-norm along `dim`.

    Args:
        input: floating or complex, shape (*).
        p: exponent of the norm.
        dim: dim along which the norm is taken.
        eps: smallest divisor.

    Returns:
        Shape (*).

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.normalize(cb.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    from .norm import vector_norm

    if input.dtype.itemsize == 2:  # eps is 0 in float16
        return normalize(input.to(_dtype.float32), p, dim, eps).to(input.dtype)
    return input / vector_norm(input, p, dim, True).clamp_min(eps)
