# SPDX-License-Identifier: Apache-2.0
"""Dropout: random zeros in training, and nothing else.

Random numbers come from the tensor's device and follow `candelabra.manual_seed`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .._errors import ArgumentError, ShapeError
from .._shape import Shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "feature_dropout",
]


def _check_p(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p must be in [0, 1], got p={p}")


def _kept(input: Tensor, size: Shape, p: float) -> Tensor:
    """1 where an element stays, with probability 1 - p, and 0 elsewhere, in the dtype of `input`."""
    from ._names import rand

    return (rand(size, device=input.device) >= p).to(input.dtype)


def _drop(input: Tensor, size: Shape, p: float, inplace: bool) -> Tensor:
    """`input` with elements zeroed and the rest scaled to keep the mean; `size` is what the mask is drawn in."""
    factor = _kept(input, size, p) * (1 / (1 - p)) if p < 1 else 0.0
    return input.mul_(factor) if inplace else input * factor


def _features(input: Tensor, lead: int) -> Shape:
    """Size 1 for all but the first `lead` dims."""
    shape = tuple(input.shape)
    return shape[:lead] + (1,) * (len(shape) - lead)


def _samples(*shapes: Shape, large: Shape) -> Callable[[], list[Sample]]:
    """Calls that drop nothing, all, or half: the last are compared with the bodies under one seed.

    Args:
        shapes: of few elements, for every call.
        large: with so many features that two draws differ beyond doubt.
    """
    return lambda: [
        *(Sample(Operand(shape), p, True) for shape in shapes for p in (0.0, 0.5, 1.0)),
        *(Sample(Operand(shape), 0.5, False) for shape in shapes),
        Sample(Operand(large), 0.5, True),
    ]


def _errors(shape: Shape) -> Callable[[], list[ErrorSample]]:
    return lambda: [
        ErrorSample(ArgumentError, "p must be in [0, 1]", Operand(shape), 1.5),
        ErrorSample(ArgumentError, "p must be in [0, 1]", Operand(shape), -0.1, False),
    ]


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_samples((5,), (2, 3), (), (0, 3), large=(8, 9)),
    errors=_errors((3,)),
    tolerance="exact",
)
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with elements set to zero at random and the others scaled by 1 / (1 - p).

    Args:
        input: floating or complex, shape (*).
        p: probability of an element to be set to zero.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `p` is outside [0, 1].

    Source: Srivastava et al. (2014), Dropout.

    Example:
        >>> cb.dropout(cb.ones(3), 0.5, training=False)
        tensor([1., 1., 1.])
    """
    _check_p("dropout", p)
    if not training or p == 0:
        return input
    return _drop(input, tuple(input.shape), p, inplace)


def _dropout_channels(n: int, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    name = f"dropout{n}d"
    _check_p(name, p)
    if input.dim() not in (n + 1, n + 2):
        raise ShapeError(f"{name}: input must have {n + 1} or {n + 2} dims, got shape {tuple(input.shape)}")
    if not training or p == 0:
        return input
    # A batch of sequences is what 3 dims have always meant to dropout2d; elsewhere the batch dim is the one missing.
    lead = 2 if input.dim() == n + 2 or n == 2 else 1
    return _drop(input, _features(input, lead), p, inplace)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_samples((2, 3), (2, 3, 2), large=(8, 9, 2)),
    errors=lambda: [*_errors((2, 3))(), ErrorSample(ShapeError, "2 or 3 dims", Operand((3,)))],
    tolerance="exact",
)
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with whole channels of sequences set to zero at random and the others scaled by 1 / (1 - p).

    Args:
        input: floating or complex, shape (N, C, L) or (C, L).
        p: probability of a channel to be set to zero.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        The shape of `input`.

    Raises:
        ArgumentError: `p` is outside [0, 1].
        ShapeError: the wrong number of dims.

    Source: Tompson et al. (2015), Efficient object localization using convolutional networks.

    Example:
        >>> cb.dropout1d(cb.ones(1, 2, 2), 1.0)
        tensor([[[0., 0.],
                 [0., 0.]]])
    """
    return _dropout_channels(1, input, p, training, inplace)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_samples((2, 3, 2), (2, 2, 2, 2), large=(8, 9, 1, 2)),
    errors=lambda: [*_errors((2, 3, 2))(), ErrorSample(ShapeError, "3 or 4 dims", Operand((3,)))],
    tolerance="exact",
)
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with whole channels of images set to zero at random and the others scaled by 1 / (1 - p).

    Args:
        input: floating or complex, shape (N, C, H, W), or (N, C, L).
        p: probability of a channel to be set to zero.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        The shape of `input`.

    Raises:
        ArgumentError: `p` is outside [0, 1].
        ShapeError: the wrong number of dims.

    Source: Tompson et al. (2015), Efficient object localization using convolutional networks.

    Example:
        >>> cb.dropout2d(cb.ones(1, 1, 1, 2), 0.0)
        tensor([[[[1., 1.]]]])
    """
    return _dropout_channels(2, input, p, training, inplace)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_samples((2, 2, 2, 2), (2, 2, 1, 2, 2), large=(8, 9, 1, 1, 2)),
    errors=lambda: [*_errors((2, 3, 2, 2))(), ErrorSample(ShapeError, "4 or 5 dims", Operand((3,)))],
    tolerance="exact",
)
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with whole channels of volumes set to zero at random and the others scaled by 1 / (1 - p).

    Args:
        input: floating or complex, shape (N, C, D, H, W) or (C, D, H, W).
        p: probability of a channel to be set to zero.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        The shape of `input`.

    Raises:
        ArgumentError: `p` is outside [0, 1].
        ShapeError: the wrong number of dims.

    Source: Tompson et al. (2015), Efficient object localization using convolutional networks.

    Example:
        >>> cb.dropout3d(cb.ones(1, 1, 1, 1, 2), 0.0)
        tensor([[[[[1., 1.]]]]])
    """
    return _dropout_channels(3, input, p, training, inplace)


@op(
    dtype=rules.inexact_only,
    method=False,
    samples=_samples((2, 3), (2, 3, 2), large=(8, 9, 2)),
    errors=lambda: [*_errors((2, 3))(), ErrorSample(ShapeError, "at least 2 dims", Operand((3,)))],
    tolerance="exact",
)
def feature_dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """`input` with whole channels set to zero at random and the others scaled by 1 / (1 - p).

    Args:
        input: floating or complex, shape (N, C, *).
        p: probability of a channel to be set to zero.
        training: False returns `input` as it is.

    Returns:
        Shape (N, C, *).

    Raises:
        ArgumentError: `p` is outside [0, 1].
        ShapeError: fewer than 2 dims.

    Source: Tompson et al. (2015), Efficient object localization using convolutional networks.

    Example:
        >>> cb.feature_dropout(cb.ones(1, 2), 1.0)
        tensor([[0., 0.]])
    """
    _check_p("feature_dropout", p)
    _check_features("feature_dropout", input)
    if not training or p == 0:
        return input
    return _drop(input, _features(input, 2), p, False)


def _check_features(name: str, input: Tensor) -> None:
    if input.dim() < 2:
        raise ShapeError(f"{name}: input must have at least 2 dims, got shape {tuple(input.shape)}")


# What SELU tends to for large negative inputs: -scale * alpha of Klambauer et al. (2017).
_SATURATION = -1.7580993408473766


def _alpha(input: Tensor, size: Shape, p: float, inplace: bool) -> Tensor:
    """Elements set to SELU's saturation at random, then shifted and scaled back to mean 0 and variance 1."""
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SATURATION**2))
    shift = -scale * p * _SATURATION
    kept = _kept(input, size, p)
    summand = (1 - kept) * (scale * _SATURATION) + shift
    return input.mul_(kept * scale).add_(summand) if inplace else input * (kept * scale) + summand


@op(
    dtype=rules.floating_only,
    method=False,
    samples=_samples((5,), (2, 3), (), (0, 3), large=(8, 9)),
    errors=_errors((3,)),
)
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`input` with elements set to SELU's lower limit at random, then brought back to mean 0 and variance 1.

    Args:
        input: floating, shape (*), of mean 0 and variance 1.
        p: probability of an element to be replaced.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `p` is outside [0, 1].

    Source: Klambauer et al. (2017), Self-normalizing neural networks.

    Example:
        >>> cb.alpha_dropout(cb.ones(2), 0.5)
        tensor([1., 1.])
    """
    _check_p("alpha_dropout", p)
    if not training or p == 0:
        return input
    return _alpha(input, tuple(input.shape), p, inplace)


@op(
    dtype=rules.floating_only,
    method=False,
    samples=_samples((2, 3), (2, 3, 2), large=(8, 9, 2)),
    errors=lambda: [*_errors((2, 3))(), ErrorSample(ShapeError, "at least 2 dims", Operand((3,)))],
)
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """As `alpha_dropout`, for whole channels at a time.

    Args:
        input: floating, shape (N, C, *), of mean 0 and variance 1.
        p: probability of a channel to be replaced.
        training: False returns `input` as it is.
        inplace: write the result over `input`.

    Returns:
        Shape (N, C, *).

    Raises:
        ArgumentError: `p` is outside [0, 1].
        ShapeError: fewer than 2 dims.

    Source: Klambauer et al. (2017), Self-normalizing neural networks.

    Example:
        >>> cb.feature_alpha_dropout(cb.ones(1, 2), 0.5)
        tensor([[1., 1.]])
    """
    _check_p("feature_alpha_dropout", p)
    _check_features("feature_alpha_dropout", input)
    if not training or p == 0:
        return input
    return _alpha(input, _features(input, 2), p, inplace)
