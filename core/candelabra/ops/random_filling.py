# SPDX-License-Identifier: Apache-2.0
"""Random numbers over a tensor's elements: `uniform_`, `normal_` and their kin."""

from __future__ import annotations

import math
from typing import Any

from .. import _dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._random import Generator
from .._shape import broadcast_shapes
from ..dispatcher._write import check_writable
from ..tensor._tensor import Tensor
from .creation import limits
from .drawing import check_interval, draw_integers, draw_normals, draw_uniforms, draw_wide_uniforms
from .filling import overwrite
from .sampling import check_number, check_probability, check_std, check_values, draw_trials

__all__ = []

# -- in place --------------------------------------------------------------------------------------------------------


def _check_target(name: str, target: Any, categories: tuple[int, ...]) -> None:
    check_writable(name, target)
    dtype = target._kind.dtype
    if dtype.category not in categories or dtype.is_storage_only:
        kinds = " or ".join(("bool", "integer", "floating", "complex")[c] for c in categories)
        raise DTypeError(f"{name}: needs a {kinds} dtype that computes, got {dtype.name}")


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with uniform random numbers in [from_, to).

    Args:
        from_: lower bound.
        to: upper bound.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `from_` is above `to`, or the dtype does not hold them.
        DTypeError: this tensor is neither floating nor complex.

    Example:
        >>> cb.empty(3).uniform_(2, 2)
        tensor([2., 2., 2.])
    """
    _check_target("uniform_", self, (2, 3))
    low, high = check_number("uniform_", "from_", from_), check_number("uniform_", "to", to)
    dtype = self._kind.dtype
    largest = _dtype.finfo(dtype).max
    if not low <= high:
        raise ArgumentError(f"uniform_: from_ must not be above to, got from_={low} and to={high}")
    if abs(low) > largest or abs(high) > largest or high - low > largest:
        raise ArgumentError(f"uniform_: {dtype.name} does not hold the interval, got from_={low} and to={high}")
    values = draw_uniforms("uniform_", tuple(self.shape), dtype, self._kind.device, generator)
    if low != 0 or high != 1:
        values = values * (high - low) + (complex(low, low) if dtype.is_complex else low)
    return overwrite(self, values)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with normal random numbers.

    Args:
        mean: their mean.
        std: their standard deviation, not negative.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `std` is negative.
        DTypeError: this tensor is neither floating nor complex.

    Example:
        >>> cb.empty(2).normal_(3, 0)
        tensor([3., 3.])
    """
    _check_target("normal_", self, (2, 3))
    std = check_std("normal_", std)
    mean = mean if isinstance(mean, complex) and self.is_complex() else check_number("normal_", "mean", mean)
    values = draw_normals("normal_", tuple(self.shape), self._kind.dtype, self._kind.device, generator)
    if std != 1:
        values = values * std
    if mean != 0:
        values = values + mean
    return overwrite(self, values)


def random_(self: Tensor, *args: int, to: int | None = None, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with uniform random integers: `random_()`, `random_(to)` or `random_(from_, to)`.

    Args:
        args: the smallest integer (0 when left out) and one past the largest. Without any, all that are not negative
            and that the dtype holds exactly: up to 2**24 for float32.
        to: one past the largest integer drawn, by name; None after a lower bound for all up to the largest.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: the interval is empty, or the dtype does not hold it.
        DTypeError: this tensor is complex.

    Example:
        >>> bool((cb.empty(100).random_(3) < 3).all())
        True
    """
    _check_target("random_", self, (0, 1, 2))
    dtype = self._kind.dtype
    if len(args) > 2:
        raise CallError(f"random_: takes two bounds, got {args}")
    low: Any = 0
    high: Any = to
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (0, args[0]) if to is None else (args[0], to)
    if high is None:
        high = _past_largest(dtype)
    low, high = check_interval("random_", low, high, dtype)
    return overwrite(self, draw_integers("random_", tuple(self.shape), low, high, dtype, self._kind.device, generator))


def _past_largest(dtype: dtype_type) -> int:
    """One past the largest integer that a dtype, and each below it, holds exactly."""
    if dtype.category == 0:
        return 2
    if dtype.category == 1:
        return min(limits(dtype)[1], (1 << 63) - 1) + 1
    return {_dtype.float64: 1 << 53, _dtype.float32: 1 << 24, _dtype.float16: 1 << 11}.get(dtype, 1 << 8) + 1


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with zeros and ones, each one with probability `p`.

    Args:
        p: a number in [0, 1], or a floating tensor of them that broadcasts to this tensor's shape.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: a probability is outside [0, 1].

    Example:
        >>> cb.empty(3).bernoulli_(1.0)
        tensor([1., 1., 1.])
    """
    _check_target("bernoulli_", self, (0, 1, 2, 3))
    shape = tuple(self.shape)
    chance: Any
    if isinstance(p, Tensor):
        if p.dtype.category != 2 or p.dtype.is_storage_only:
            raise DTypeError(f"bernoulli_: probabilities must be floating, got {p.dtype.name}")
        if broadcast_shapes("bernoulli_", shape, tuple(p.shape)) != shape:
            raise ShapeError(f"bernoulli_: p must broadcast to the target's shape, got {tuple(p.shape)} for {shape}")
        chance = p.detach().to(self._kind.device)
        check_values("bernoulli_", "probabilities must be in [0, 1]", (chance >= 0) & (chance <= 1), chance)
    else:
        chance = check_probability("bernoulli_", p)
    return overwrite(self, draw_trials("bernoulli_", shape, chance, self._kind.dtype, self._kind.device, generator))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with exponential random numbers of mean 1 / `lambd`.

    Args:
        lambd: the rate, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `lambd` is not positive.
        DTypeError: this tensor is not floating.

    Source: inversion, -ln(1 - u) / lambd.

    Example:
        >>> bool((cb.empty(100).exponential_() >= 0).all())
        True
    """
    _check_target("exponential_", self, (2,))
    lambd = check_number("exponential_", "lambd", lambd)
    if not lambd > 0:
        raise ArgumentError(f"exponential_: lambd must be positive, got lambd={lambd}")
    return overwrite(self, (-draw_wide_uniforms("exponential_", self, generator)).log1p() * (-1 / lambd))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with Cauchy random numbers.

    Args:
        median: their median.
        sigma: half the distance of the quartiles, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `sigma` is not positive.
        DTypeError: this tensor is not floating.

    Source: inversion, median + sigma tan(pi (u - 1/2)).

    Example:
        >>> cb.empty(2, 3).cauchy_().shape
        candelabra.Size([2, 3])
    """
    _check_target("cauchy_", self, (2,))
    median, sigma = check_number("cauchy_", "median", median), check_number("cauchy_", "sigma", sigma)
    if not sigma > 0:
        raise ArgumentError(f"cauchy_: sigma must be positive, got sigma={sigma}")
    u = draw_wide_uniforms("cauchy_", self, generator)
    return overwrite(self, ((u - 0.5) * math.pi).tan() * sigma + median)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with random numbers whose logarithms are normal.

    Args:
        mean: mean of the logarithms.
        std: standard deviation of the logarithms, positive.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `std` is not positive.
        DTypeError: this tensor is not floating.

    Example:
        >>> bool((cb.empty(100).log_normal_() > 0).all())
        True
    """
    _check_target("log_normal_", self, (2,))
    mean, std = check_number("log_normal_", "mean", mean), check_number("log_normal_", "std", std)
    if not std > 0:
        raise ArgumentError(f"log_normal_: std must be positive, got std={std}")
    kind = self._kind
    # In float32 at least: what float16 rounds should be the result, not its logarithm.
    fine = _dtype.float32 if kind.dtype.itemsize < 4 else kind.dtype
    logarithms = draw_normals("log_normal_", tuple(self.shape), fine, kind.device, generator) * std + mean
    return overwrite(self, logarithms.exp())


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills this tensor with numbers of trials up to the first success, each of probability `p`: 1, 2, 3 and so on.

    Args:
        p: probability of success, in (0, 1).
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        This tensor.

    Raises:
        ArgumentError: `p` is outside (0, 1).
        DTypeError: this tensor is bool or complex.

    Source: inversion, the least k with 1 - (1 - p)^k above u.

    Example:
        >>> bool((cb.empty(100).geometric_(0.5) >= 1).all())
        True
    """
    _check_target("geometric_", self, (1, 2))
    p = check_number("geometric_", "p", p)
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_: p must be in (0, 1), got p={p}")
    u = draw_wide_uniforms("geometric_", self, generator)
    return overwrite(self, ((-u).log1p() / math.log1p(-p)).floor() + 1)


Tensor.bernoulli_ = bernoulli_
Tensor.cauchy_ = cauchy_
Tensor.exponential_ = exponential_
Tensor.geometric_ = geometric_
Tensor.log_normal_ = log_normal_
Tensor.normal_ = normal_
Tensor.random_ = random_
Tensor.uniform_ = uniform_
