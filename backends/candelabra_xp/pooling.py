# SPDX-License-Identifier: Apache-2.0
"""Pooling by shifted slices: one for each element of the window, combined as they come."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from candelabra._shape import adaptive_bounds, window_count

from ._kernel import kernel
from .convolution import spread, window

# (slice of all windows, mask of those where it lies inside the input or None, flat position in each window)
Tap = tuple[Any, Any, Any]


def counts_of(sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> tuple[int, ...]:
    """Numbers of windows."""
    return tuple(map(window_count, sizes, kernel, stride, padding, dilation, (ceil_mode,) * len(sizes)))


def ends_of(sizes: Any, counts: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[tuple[int, int]]:
    """Padding at both ends that lets every window lie inside."""
    return [
        (p, max(0, (n - 1) * s + d * (k - 1) + 1 - size - p))
        for size, n, k, s, p, d in zip(sizes, counts, kernel, stride, padding, dilation, strict=True)
    ]


def lowest(dtype: Any) -> Any:
    """What no element of the dtype is less than."""
    return -math.inf if dtype.kind not in "iu" else np.iinfo(dtype).min


def grid(parts: Any, combine: Any) -> Any:
    """One host array from a row of values for each dim, combined over all positions."""
    result = parts[0]
    for part in parts[1:]:
        result = combine(result[..., None], part)
    return result


def _slices(
    xp: Any, input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Iterator[Tap]:
    n = len(kernel)
    lead, sizes = input.ndim - n, input.shape[-n:]
    counts = counts_of(sizes, kernel, stride, padding, dilation, ceil_mode)
    ends = ends_of(sizes, counts, kernel, stride, padding, dilation)
    padded = any(low or high for low, high in ends)
    x = xp.pad(input, ((0, 0),) * lead + tuple(ends), constant_values=lowest(input.dtype)) if padded else input
    for at in itertools.product(*map(range, kernel)):
        places = [
            np.arange(c) * s - p + i * d for c, s, p, i, d in zip(counts, stride, padding, at, dilation, strict=True)
        ]
        inside = [(row >= 0) & (row < size) for row, size in zip(places, sizes, strict=True)]
        clipped = [row.clip(0, size - 1) for row, size in zip(places, sizes, strict=True)]
        valid = xp.asarray(grid(inside, np.logical_and)) if padded else None
        yield x[(Ellipsis, *window(at, counts, stride, dilation))], valid, _flat_positions(xp, clipped, sizes)


def _flat_positions(xp: Any, places: Any, sizes: Any) -> Any:
    steps = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    return xp.asarray(grid([row * step for row, step in zip(places, steps, strict=True)], np.add))


def best_of(xp: Any, taps: Iterator[Tap]) -> tuple[Any, Any]:
    """The greatest of the taps at each window, and its position: the first of equal ones, the last nan."""
    best: Any = None
    index = seen = best
    for value, valid, position in taps:
        if best is None:
            best, index = value, xp.broadcast_to(position, value.shape)
            seen = valid
            continue
        better = (value > best) | (value != value)
        if valid is not None:
            better = (better | ~seen) & valid
            seen = seen | valid
        best = xp.where(better, value, best)
        index = xp.where(better, position, index)
    return xp.array(best), xp.array(index)


@kernel
def max_pool(
    xp: Any, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Any, Any]:
    return best_of(xp, _slices(xp, input, kernel_size, stride, padding, dilation, ceil_mode))


@kernel
def adaptive_max_pool(xp: Any, input: Any, output_size: Any) -> tuple[Any, Any]:
    return best_of(xp, _taken(xp, input, output_size))


def _taken(xp: Any, input: Any, output_size: Any) -> Iterator[Tap]:
    n = len(output_size)
    sizes = input.shape[-n:]
    dims = [list(map(np.array, adaptive_bounds(*dim))) for dim in zip(sizes, output_size, strict=True)]
    for at in itertools.product(*(range((ends - starts).max()) for starts, ends in dims)):
        inside = [starts + i < ends for i, (starts, ends) in zip(at, dims, strict=True)]
        places = [np.minimum(starts + i, ends - 1) for i, (starts, ends) in zip(at, dims, strict=True)]
        value = input
        for axis, row in enumerate(places, -n):
            value = xp.take(value, xp.asarray(row), axis=axis)
        yield value, xp.asarray(grid(inside, np.logical_and)), _flat_positions(xp, places, sizes)


def divisors(sizes: Any, counts: Any, kernel: Any, stride: Any, padding: Any, include: bool, override: Any) -> Any:
    """What sums of windows are divided by: a number, or a host array over the windows."""
    if override is not None:
        return override
    rows = []
    for size, n, k, s, p in zip(sizes, counts, kernel, stride, padding, strict=True):
        starts = np.arange(n) * s - p
        ends = np.minimum(starts + k, size + p)
        rows.append(ends - starts if include else np.minimum(ends, size) - np.maximum(starts, 0))
    whole = all((row == k).all() for row, k in zip(rows, kernel, strict=True))
    return math.prod(kernel) if whole else grid(rows, np.multiply)


def divided(xp: Any, value: Any, divisor: Any) -> Any:
    """`value` over what `divisors` gave."""
    return value / (xp.asarray(divisor.astype(value.real.dtype)) if isinstance(divisor, np.ndarray) else divisor)


def along(axis: int, part: slice) -> Any:
    """Index of a slice of one axis, counted from the end."""
    return (Ellipsis, part, *(slice(None),) * (-axis - 1))


@kernel
def avg_pool(
    xp: Any,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    n = len(kernel_size)
    sizes = input.shape[-n:]
    ones = (1,) * n
    counts = counts_of(sizes, kernel_size, stride, padding, ones, ceil_mode)
    ends = ends_of(sizes, counts, kernel_size, stride, padding, ones)
    x = xp.pad(input, ((0, 0),) * (input.ndim - n) + tuple(ends)) if any(a or b for a, b in ends) else input
    # Sums over a window are sums along one dim after the other.
    for axis, (k, s, c) in enumerate(zip(kernel_size, stride, counts, strict=True), -n):
        taps = [x[along(axis, slice(i, i + (c - 1) * s + 1, s))] for i in range(k)]
        x = taps[0]
        for tap in taps[1:]:
            x = x + tap
    return divided(xp, x, divisors(sizes, counts, kernel_size, stride, padding, count_include_pad, divisor_override))


@kernel
def avg_pool_input_grad(
    xp: Any,
    grad: Any,
    input_size: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    n = len(kernel_size)
    counts = grad.shape[-n:]
    ends = ends_of(input_size, counts, kernel_size, stride, padding, (1,) * n)
    x = divided(
        xp, grad, divisors(input_size, counts, kernel_size, stride, padding, count_include_pad, divisor_override)
    )
    for axis, (size, k, s, (low, high)) in enumerate(zip(input_size, kernel_size, stride, ends, strict=True), -n):
        spaced = spread(xp, x, x.ndim + axis, s)
        room = max(size + low + high - spaced.shape[axis], k - 1)
        after = (0, 0)
        total: Any = None
        for i in range(k):
            width = [after] * x.ndim
            width[axis] = (i, room - i)
            tap = xp.pad(spaced, tuple(width))
            total = tap if total is None else total + tap
        x = total[along(axis, slice(low, low + size))]
    return xp.array(x)
