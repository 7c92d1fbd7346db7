# SPDX-License-Identifier: Apache-2.0
"""Draws from distributions that are given by tensors: Bernoulli, normal, multinomial, Poisson."""

from __future__ import annotations

import math
from typing import Any

from .. import _dtype
from .._config import get_default_dtype, grad_enabled
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._random import Generator
from .._shape import Shape, as_shape, broadcast_shapes
from ..dispatcher._bind import is_scalar
from ..op._checked import checked
from ..tensor._tensor import Tensor
from .creation import empty, factory, finish, into
from .drawing import draw_normals, draw_uniforms, generator_of, place_of
from .filling import copy
from .likes import full_like
from .random import random_bits, random_uniform

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "poisson",
]

# -- distributions ---------------------------------------------------------------------------------------------------


def _sampled(draws: Tensor, *sources: Any) -> Tensor:
    """`draws` with a history in which their parameters have gradients of zero, as PyTorch gives them."""
    if grad_enabled.get() and draws._kind.dtype.category >= 2:
        for source in sources:
            if isinstance(source, Tensor) and source._node is not None:
                draws = copy(source.to(draws.dtype).expand(tuple(draws.shape)), draws)
    return draws


def check_values(name: str, rule: str, holds: Any, values: Tensor) -> None:
    """Raises ArgumentError unless every element of `holds` is true; meta tensors have none to check."""
    if not values.is_meta and not bool(holds.all()):
        shown = values.tolist() if values.numel() < 8 else f"shape {tuple(values.shape)}"
        raise ArgumentError(f"{name}: {rule}, got {shown}")


def check_number(name: str, what: str, value: Any) -> float:
    if hasattr(value, "item"):
        value = value.item()
    if not is_scalar(value) or isinstance(value, complex):
        raise CallError(f"{name}: {what} must be a real number, got {what}={value!r}")
    return float(value)


def check_probability(name: str, p: Any) -> float:
    p = check_number(name, "p", p)
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p must be in [0, 1], got p={p}")
    return p


def draw_trials(name: str, shape: Shape, p: Any, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    """Ones with probability `p`, a number or a tensor that broadcasts to `shape`, and zeros.

    For a number, words are compared with p 2^32: one word each, and a probability right to 2^-33.
    """
    if isinstance(p, Tensor):
        fine = _dtype.float64 if p.dtype is _dtype.float64 else _dtype.float32
        return (draw_uniforms(name, shape, fine, device, generator) < p.to(fine)).to(dtype)
    bound = round(p * (1 << 32))
    with generator_of(name, generator, device).reserved((math.prod(shape) + 3) // 4) as stream:
        if bound == 0 or bound == 1 << 32:
            return full_like(empty(shape, dtype=dtype, device=device), bool(bound))
        return (factory(name, random_bits, (shape,), stream, _dtype.uint32, device) < bound).to(dtype)


@checked
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Zeros and ones: each one with the probability that its element of `input`, or `p`, says.

    Args:
        input: floating, shape (*): probabilities; any dtype when `p` is given.
        p: one probability for all elements.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` holds the probabilities and is not floating.
        ArgumentError: a probability is outside [0, 1].

    Example:
        >>> cb.bernoulli(cb.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    shape, dtype, device = place_of("bernoulli", input, None, None)
    chance: Any
    if p is None:
        if dtype.category != 2 or dtype.is_storage_only:
            raise DTypeError(f"bernoulli: probabilities must be floating, got {dtype.name}")
        chance = input.detach()
        check_values("bernoulli", "probabilities must be in [0, 1]", (chance >= 0) & (chance <= 1), chance)
    else:
        chance = check_probability("bernoulli", p)
    result = _sampled(draw_trials("bernoulli", shape, chance, dtype, device, generator), input)
    return result if out is None else into("bernoulli", result, out)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers of given means and standard deviations.

    Args:
        mean: a number, or a floating or complex tensor, shape (*).
        std: a number, or a tensor that broadcasts with `mean`; not negative.
        size: shape of the result, when both are numbers.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: with `size`: floating or complex; the default float when None.
        layout: `candelabra.strided`.
        device: with `size`: the default device when None.
        requires_grad: record operations on it.
        pin_memory: accepted for PyTorch's sake.

    Returns:
        Shape `size`, or the shape that `mean` and `std` broadcast to; the dtype of the tensor that comes first.

    Raises:
        ArgumentError: a standard deviation is negative.
        DTypeError: a tensor is neither floating nor complex.

    Example:
        >>> cb.normal(cb.tensor([1.0, 100.0]), 0.0)
        tensor([  1., 100.])
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    if tensors:
        if size is not None:
            raise CallError(f"normal: size goes with numbers only, got size={size!r} and a tensor")
        dtype, device = tensors[0].dtype, tensors[0].device
        shape = broadcast_shapes("normal", *[tuple(t.shape) for t in tensors])
    elif size is None:
        raise CallError("normal: missing argument, got none for size with numbers for mean and std")
    else:
        dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
        shape = as_shape("normal", size)
    if isinstance(std, Tensor):
        if std.is_complex():
            raise DTypeError(f"normal: std must be real, got {std.dtype.name}")
        check_values("normal", "std must not be negative", std.detach() >= 0, std.detach())
    else:
        std = check_std("normal", std)
    z = draw_normals("normal", shape, dtype, device, generator)
    plain = [v.detach().to(device=z.device) if isinstance(v, Tensor) else v for v in (mean, std)]
    result = _sampled((z * plain[1] + plain[0]).to(dtype), mean, std)
    return finish("normal", result, requires_grad, out, layout)


def check_std(name: str, std: Any) -> float:
    std = check_number(name, "std", std)
    if not std >= 0:
        raise ArgumentError(f"{name}: std must not be negative, got std={std}")
    return std


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with probabilities proportional to the elements of `input`, row by row.

    Args:
        input: floating, shape (C,) or (N, C): weights, not negative and not all zero in a row.
        num_samples: indices drawn from each row.
        replacement: whether an index may be drawn again.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.

    Returns:
        Shape (num_samples,) or (N, num_samples), int64.

    Raises:
        ShapeError: `input` has no or more than two dims.
        DTypeError: `input` is not floating.
        ArgumentError: weights are negative, not finite or all zero, or without replacement there are too few.

    Source: with replacement, inversion of the cumulative sum; without, the largest of weight / exponential, after
        Efraimidis and Spirakis (2006).

    Example:
        >>> cb.multinomial(cb.tensor([0.0, 1.0, 0.0]), 2, replacement=True)
        tensor([1, 1])
    """
    shape, dtype, device = place_of("multinomial", input, None, None)
    if len(shape) not in (1, 2):
        raise ShapeError(f"multinomial: input must be 1-d or 2-d, got shape {shape}")
    if dtype.category != 2 or dtype.is_storage_only:
        raise DTypeError(f"multinomial: weights must be floating, got {dtype.name}")
    if not hasattr(num_samples, "__index__") or num_samples < 1:
        raise ArgumentError(f"multinomial: num_samples must be a positive int, got num_samples={num_samples!r}")
    if shape[-1] < 1 or (num_samples > shape[-1] and not replacement):
        raise ArgumentError(
            f"multinomial: too few indices without replacement, got num_samples={num_samples} of {shape[-1]}"
        )
    wide = _dtype.float64 in input._kind.backend.capabilities.compute_dtypes
    fine = _dtype.float64 if wide else _dtype.float32
    weights = input.detach().to(fine)
    fit = (weights >= 0) & (weights < math.inf)
    check_values("multinomial", "weights must be finite and not negative", fit, weights)
    drawn = (*shape[:-1], num_samples)
    if replacement:
        bounds = weights.cumsum(-1)
        totals = bounds.narrow(-1, shape[-1] - 1, 1)
        check_values("multinomial", "weights of a row must not all be zero", totals > 0, weights)
        # The first bound above the draw: an index of weight 0 shares the bound of the one before and is never first.
        draws = draw_uniforms("multinomial", drawn, fine, device, generator) * totals
        from .sorting import searchsorted

        result = searchsorted(bounds, draws, right=True)
    else:
        totals = weights.sum(-1)
        check_values("multinomial", "weights of a row must not all be zero", totals > 0, weights)
        u = draw_uniforms("multinomial", shape, fine, device, generator)
        clocks = -(-u).log1p()  # exponential: not negative, 0 once in 2^53
        result = (weights / clocks.clamp(min=1e-300 if wide else 1e-37)).topk(num_samples, -1)[1]
    return result if out is None else into("multinomial", result, out)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson random numbers: counts of events whose mean number is the element of `input`.

    Args:
        input: floating, shape (*): rates, not negative.
        generator: where the numbers come from; the device's default generator when None.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is not floating.
        ArgumentError: a rate is negative or not a number.

    Source: inversion by sequential search for rates below 10, else transformed rejection (PTRS) of Hörmann, "The
        transformed rejection method for generating Poisson random variables" (1993).

    Example:
        >>> cb.poisson(cb.zeros(3))
        tensor([0., 0., 0.])
    """
    shape, dtype, device = place_of("poisson", input, None, None)
    if dtype.category != 2 or dtype.is_storage_only:
        raise DTypeError(f"poisson: rates must be floating, got {dtype.name}")
    rate = input.detach()
    wide = _dtype.float64 in rate._kind.backend.capabilities.compute_dtypes
    rate = rate.to(_dtype.float64 if wide else _dtype.float32)
    check_values("poisson", "rates must not be negative", rate >= 0, rate)
    count = math.prod(shape)
    with generator_of("poisson", generator, device).reserved(count) as stream:
        if rate.is_meta or not count:
            return empty(shape, dtype=dtype, device=device)
        return _sampled(_poisson_counts(rate, wide, *stream).to(dtype), input)


def _poisson_counts(rate: Tensor, wide: bool, seed: int, offset: int) -> Tensor:
    """Draws of the rates given, from float64 uniforms when `wide`.

    Block n * attempt + element: an attempt takes the block's four words as two uniforms.
    """
    shape, device, count = tuple(rate.shape), rate.device, rate.numel()

    def uniforms(attempt: int) -> tuple[Tensor, Tensor]:
        # Attempts lie 2^64 blocks apart, where no generator's offset comes.
        stream = (seed, offset + (attempt << 64))
        if wide:
            pairs = factory("poisson", random_uniform, ((count, 2),), stream, _dtype.float64, device)
        else:
            pairs = factory("poisson", random_uniform, ((count, 4),), stream, _dtype.float32, device)
        return pairs.select(1, 0).reshape(shape), pairs.select(1, 1).reshape(shape)

    small = _poisson_by_search(rate.clamp(max=10), uniforms(0)[0])
    if bool((rate < 10).all()):
        return small
    from .comparison import where

    counts: Tensor = where(rate < 10, small, _poisson_by_rejection(rate.clamp(min=10), uniforms))
    return counts


def _poisson_by_search(rate: Tensor, u: Tensor) -> Tensor:
    """The smallest k whose cumulative probability exceeds `u`; below rate 10 no k above 100 is ever reached."""
    term = (-rate).exp()
    total = term
    found = full_like(rate, 0)
    for k in range(1, 101):
        beyond = u >= total
        if not bool(beyond.any()):
            break
        found = found + beyond.to(found.dtype)
        term = term * rate / k
        total = total + term
    return found


def _poisson_by_rejection(rate: Tensor, uniforms: Any) -> Tensor:
    from .comparison import where

    b = rate.sqrt() * 2.53 + 0.931
    a = b * 0.02483 - 0.059
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    log_rate = rate.log()
    found = full_like(rate, -1.0)
    attempt = 1
    while bool((found < 0).any()):
        u, v = uniforms(attempt)
        attempt += 1
        u = u - 0.5
        distance = 0.5 - u.abs()
        k = ((a * 2 / distance + b) * u + rate + 0.43).floor()
        quick = (distance >= 0.07) & (v <= v_r)
        weight = (v * inverse_alpha / (a / (distance * distance) + b)).log()
        exact = weight <= k * log_rate - rate - _log_factorial(k.clamp(min=0))
        barred = (k < 0) | ((distance < 0.013) & (v > distance))
        found = where((found < 0) & (quick | (exact & ~barred)), k, found)
    return found


def _log_factorial(k: Tensor) -> Tensor:
    """ln k! by Stirling's series at k + 10, stepped back: 1e-13 for all k."""
    x = k + 10
    steps = x
    for i in range(1, 10):
        steps = steps * (x - i)
    series = 1 / (12 * x) - 1 / (360 * x * x * x) + 1 / (1260 * x * x * x * x * x)
    return (x + 0.5) * x.log() - x + 0.5 * math.log(2 * math.pi) + series - steps.log()


def _bernoulli_method(self: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """As `candelabra.bernoulli`."""
    return bernoulli(self, p, generator=generator)


Tensor.bernoulli = _bernoulli_method
Tensor.multinomial = multinomial
