# SPDX-License-Identifier: Apache-2.0
"""Initialisations: each fills a tensor in place, records nothing, and returns it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._errors import ArgumentError, ShapeError
from ..dispatcher._write import write
from ..ops.likes import full_like
from ..tensor._creation import tensor as make_tensor
from ..tensor._tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


def _plain(tensor: Tensor) -> Tensor:
    """The tensor's memory without history, so that writes to it are not recorded."""
    return tensor.detach()


def _from_host(tensor: Tensor, host: np.ndarray[Any, Any]) -> Tensor:
    if not tensor.is_meta:
        write(_plain(tensor), make_tensor(host, dtype=tensor.dtype, device=tensor.device))
    return tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor of the standard deviation that keeps the variance through a nonlinearity.

    Args:
        nonlinearity: its function's name, `"relu"` or `"conv2d"`.
        param: slope of a leaky relu; 0.01 when None.

    Raises:
        ArgumentError: unknown nonlinearity.

    Source: He et al. (2015); Klambauer et al. (2017) for selu.

    Example:
        >>> cb.nn.init.calculate_gain("tanh")
        1.6666666666666667
    """
    linear = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
    if nonlinearity in (*linear, "sigmoid"):
        return 1.0
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else float(param)) ** 2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity not in gains:
        known = ", ".join((*linear, "sigmoid", "leaky_relu", *gains))
        raise ArgumentError(f"calculate_gain: unknown nonlinearity, got {nonlinearity!r}; known are {known}")
    return gains[nonlinearity]


def _fans(what: str, tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out): elements that meet in one output, and outputs that one input reaches."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ShapeError(f"{what}: tensor must have at least 2 dims, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform values in [a, b).

    Args:
        tensor: floating dtype, shape (*).
        a: lower bound.
        b: upper bound.
        generator: source of randomness; the device's when None.

    Example:
        >>> w = cb.nn.init.uniform_(cb.empty(3), 2, 3)
        >>> bool((w >= 2).all())
        True
    """
    _plain(tensor).uniform_(a, b, generator=generator)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Normal values.

    Args:
        tensor: floating dtype, shape (*).
        mean: their mean.
        std: their standard deviation.
        generator: source of randomness; the device's when None.

    Example:
        >>> cb.nn.init.normal_(cb.empty(3), mean=2.0, std=0.0)
        tensor([2., 2., 2.])
    """
    _plain(tensor).normal_(mean, std, generator=generator)
    return tensor


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Normal values within [a, b], by the inverse of the distribution function.

    Args:
        tensor: floating dtype, shape (*).
        mean: of the distribution before it is cut.
        std: of the distribution before it is cut.
        a: lower bound.
        b: upper bound.
        generator: source of randomness; the device's when None.

    Example:
        >>> w = cb.nn.init.trunc_normal_(cb.empty(100))
        >>> bool((w.abs() <= 2).all())
        True
    """

    def below(x: float) -> float:
        return (1 + math.erf(x / math.sqrt(2))) / 2

    values = _plain(tensor)
    low, high = below((a - mean) / std), below((b - mean) / std)
    values.uniform_(2 * low - 1, 2 * high - 1, generator=generator)
    write(values, (values.erfinv() * (std * math.sqrt(2)) + mean).clamp(a, b))
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere.

    Args:
        tensor: any dtype, shape (*).
        val: the value.

    Example:
        >>> cb.nn.init.constant_(cb.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    values = _plain(tensor)
    write(values, full_like(values, val))
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Ones.

    Example:
        >>> cb.nn.init.ones_(cb.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros.

    Example:
        >>> cb.nn.init.zeros_(cb.empty(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix; ones on the diagonal of one that is not square.

    Args:
        tensor: shape (n, m).

    Raises:
        ShapeError: the tensor does not have 2 dims.

    Example:
        >>> cb.nn.init.eye_(cb.empty(2, 3)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.dim() != 2:
        raise ShapeError(f"eye_: tensor must have 2 dims, got shape {tuple(tensor.shape)}")
    return _from_host(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's kernel that hands as many channels through as it can.

    Args:
        tensor: shape (out_channels, in_channels, *kernel) with 1 to 3 dims of the kernel.
        groups: number of groups of channels.

    Raises:
        ShapeError: another number of dims, or channels that the groups do not divide.

    Example:
        >>> cb.nn.init.dirac_(cb.empty(1, 1, 3)).tolist()
        [[[0.0, 1.0, 0.0]]]
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5) or shape[0] % groups:
        raise ShapeError(
            f"dirac_: needs 3 to 5 dims and groups that divide the first, got shape {shape}, groups={groups}"
        )
    host = np.zeros(shape)
    per_group = shape[0] // groups
    middle = tuple(size // 2 for size in shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            host[(group * per_group + channel, channel, *middle)] = 1
    return _from_host(tensor, host)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform values within `gain * sqrt(6 / (fan_in + fan_out))`.

    Args:
        tensor: shape (out, in, *).
        gain: factor for the nonlinearity.
        generator: source of randomness; the device's when None.

    Source: Glorot and Bengio (2010).

    Example:
        >>> w = cb.nn.init.xavier_uniform_(cb.empty(3, 3))
        >>> bool((w.abs() <= 1).all())
        True
    """
    bound = gain * math.sqrt(6.0 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal values of standard deviation `gain * sqrt(2 / (fan_in + fan_out))`.

    Args:
        tensor: shape (out, in, *).
        gain: factor for the nonlinearity.
        generator: source of randomness; the device's when None.

    Source: Glorot and Bengio (2010).

    Example:
        >>> cb.nn.init.xavier_normal_(cb.empty(3, 3)).shape
        candelabra.Size([3, 3])
    """
    std = gain * math.sqrt(2.0 / sum(_fans("xavier_normal_", tensor)))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(what: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"{what}: mode must be fan_in or fan_out, got {mode!r}")
    fan = _fans(what, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Uniform values within `gain * sqrt(3 / fan)`.

    Args:
        tensor: shape (out, in, *).
        a: slope of the leaky relu that follows.
        mode: `fan_in` to keep the variance of the forward pass, `fan_out` for the backward pass.
        nonlinearity: what follows; `relu` or `leaky_relu`.
        generator: source of randomness; the device's when None.

    Raises:
        ArgumentError: unknown mode or nonlinearity.

    Source: He et al. (2015).

    Example:
        >>> w = cb.nn.init.kaiming_uniform_(cb.empty(2, 6), nonlinearity="relu")
        >>> bool((w.abs() <= 1).all())
        True
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Normal values of standard deviation `gain / sqrt(fan)`.

    Args:
        tensor: shape (out, in, *).
        a: slope of the leaky relu that follows.
        mode: `fan_in` to keep the variance of the forward pass, `fan_out` for the backward pass.
        nonlinearity: what follows; `relu` or `leaky_relu`.
        generator: source of randomness; the device's when None.

    Raises:
        ArgumentError: unknown mode or nonlinearity.

    Source: He et al. (2015).

    Example:
        >>> cb.nn.init.kaiming_normal_(cb.empty(2, 6)).shape
        candelabra.Size([2, 6])
    """
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """A matrix with orthonormal rows or columns, whichever are fewer; dims after the first are joined.

    Args:
        tensor: shape (n, *) with at least 2 dims.
        gain: factor of the matrix.
        generator: source of randomness; the device's when None.

    Raises:
        ShapeError: fewer than 2 dims.

    Source: Saxe et al. (2014); signs after Mezzadri (2007), for a uniform distribution.

    Example:
        >>> w = cb.nn.init.orthogonal_(cb.empty(2, 3))
        >>> (w @ w.t()).round().abs().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if tensor.dim() < 2:
        raise ShapeError(f"orthogonal_: tensor must have at least 2 dims, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    normal_(tensor, generator=generator)
    rows = tensor.shape[0]
    host = np.asarray(_plain(tensor)._host(), dtype=np.float64).reshape(rows, -1)
    tall = host.T if rows < host.shape[1] else host
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _from_host(tensor, gain * (q.T if rows < host.shape[1] else q).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal values, with the same number of zeros in each column.

    Args:
        tensor: shape (n, m).
        sparsity: share of a column that is zero.
        std: standard deviation of the others.
        generator: source of randomness; the device's when None.

    Raises:
        ShapeError: the tensor does not have 2 dims.

    Source: Martens (2010).

    Example:
        >>> w = cb.nn.init.sparse_(cb.empty(10, 3), 0.2)
        >>> (w == 0).sum(0)
        tensor([2, 2, 2])
    """
    if tensor.dim() != 2:
        raise ShapeError(f"sparse_: tensor must have 2 dims, got shape {tuple(tensor.shape)}")
    zeros = math.ceil(sparsity * tensor.shape[0])
    keys = uniform_(full_like(_plain(tensor), 0.0), generator=generator)  # their order is a random order of the rows
    rank = np.argsort(np.argsort(keys._host().astype(np.float64), axis=0), axis=0)
    normal_(tensor, 0.0, std, generator)
    host = np.where(rank < zeros, 0.0, _plain(tensor)._host().astype(np.float64))
    return _from_host(tensor, host)
