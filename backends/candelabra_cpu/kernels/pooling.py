# SPDX-License-Identifier: Apache-2.0
"""Pooling that writes into its own results."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from candelabra_xp.convolution import window
from candelabra_xp.pooling import adaptive_max_pool as shared_adaptive_max_pool
from candelabra_xp.pooling import along, counts_of, divided, divisors, ends_of, grid, lowest

from ..choice import size_from

MUCH = size_from(1024)
"""Elements from which pooling is compiled."""


def _pad(input: Any, ends: Any, fill: Any) -> Any:
    sizes = input.shape[-len(ends) :]
    shape = (*input.shape[: -len(ends)], *(low + size + high for size, (low, high) in zip(sizes, ends, strict=True)))
    out: Any = np.full(shape, fill, input.dtype) if fill else np.zeros(shape, input.dtype)
    out[(Ellipsis, *(slice(low, low + size) for size, (low, _) in zip(sizes, ends, strict=True)))] = input
    return out


class _Geometry:
    """Where the windows of a pooling lie: the same for every input of its sizes."""

    def __init__(self, sizes: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> None:
        counts = counts_of(sizes, kernel_size, stride, padding, dilation, ceil_mode)
        self.ends = ends_of(sizes, counts, kernel_size, stride, padding, dilation)
        self.padded = any(low or high for low, high in self.ends)
        offsets = list(itertools.product(*map(range, kernel_size)))
        self.slices = [(Ellipsis, *window(at, counts, stride, dilation)) for at in offsets]
        steps = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
        starts = [np.arange(n) * s - p for n, s, p in zip(counts, stride, padding, strict=True)]
        self.corners = grid([row * step for row, step in zip(starts, steps, strict=True)], np.add)
        moves = [sum(i * d * step for i, d, step in zip(at, dilation, steps, strict=True)) for at in offsets]
        self.moves = np.array(moves, np.int64)
        self.last = math.prod(sizes) - 1
        self.inside: list[Any] | None = None
        if self.padded:  # for each element of the window, the windows in which it lies inside the input
            self.inside = []
            for at in offsets:
                rows = [row + i * d for row, i, d in zip(starts, at, dilation, strict=True)]
                hits = [(row >= 0) & (row < size) for row, size in zip(rows, sizes, strict=True)]
                self.inside.append(grid(hits, np.logical_and))


_geometry = functools.lru_cache(maxsize=128)(_Geometry)


def max_pool(
    input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Any, Any]:
    if input.size >= MUCH:
        from ..nests import pooling

        counts = tuple(counts_of(input.shape[-len(kernel_size) :], kernel_size, stride, padding, dilation, ceil_mode))
        found: Any = pooling.max_pool(input, counts, kernel_size, stride, padding, dilation)
        if found is not None:
            return found
    places = _geometry(input.shape[-len(kernel_size) :], kernel_size, stride, padding, dilation, ceil_mode)
    x = _pad(input, places.ends, lowest(input.dtype)) if places.padded else input
    taps = [x[part] for part in places.slices]
    best = taps[0].copy() if len(taps) == 1 else np.maximum(taps[0], taps[1])
    for tap in taps[2:]:
        np.maximum(best, tap, out=best)
    index = places.moves[_first_equal(taps, best, places.inside)]
    index += places.corners
    if places.padded:  # a dilated window may see padding alone: its index means nothing, but must lie inside
        np.clip(index, 0, places.last, out=index)
    return best, index


def adaptive_max_pool(input: Any, output_size: Any) -> tuple[Any, Any]:
    if input.size >= MUCH:
        from ..nests import pooling

        found: Any = pooling.adaptive_max_pool(input, tuple(output_size))
        if found is not None:
            return found
    return shared_adaptive_max_pool(np, input, output_size)


def _first_equal(taps: Any, best: Any, inside: Any) -> Any:
    """Number of the first tap that equals the maximum; of the last nan where that is nan."""
    which = np.full(best.shape, len(taps) - 1, np.uint8 if len(taps) <= 256 else np.int32)
    for i in range(len(taps) - 2, -1, -1):
        same = taps[i] == best
        if inside is not None:
            same &= inside[i]
        np.copyto(which, i, where=same, casting="unsafe")
    if best.dtype.kind == "f":
        lost = best != best
        if lost.any():
            for i, tap in enumerate(taps):
                np.copyto(which, i, where=lost & (tap != tap), casting="unsafe")
    return which


def max_pool_input_grad(grad: Any, indices: Any, input_size: Any, distinct: bool) -> Any:
    lead = grad.shape[: -len(input_size)]
    rows, size = math.prod(lead), math.prod(input_size)
    out = np.zeros(rows * size, grad.dtype)
    if grad.size >= MUCH:
        from ..nests import adding

        sums, flat, parts = out.reshape(rows, size), indices.reshape(rows, -1), grad.reshape(rows, -1)
        if adding.elements("max_pool", "add", sums, 1, flat, parts):
            return out.reshape(*lead, *input_size)
    if grad.size:
        places = (indices.reshape(rows, -1) + np.arange(0, rows * size, size)[:, None]).reshape(-1)
        if distinct:
            out[places] = grad.reshape(-1)
        else:
            np.add.at(out, places, grad.reshape(-1))
    return out.reshape(*lead, *input_size)


def avg_pool(
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Any:
    n = len(kernel_size)
    sizes, ones = input.shape[-n:], (1,) * n
    counts = counts_of(sizes, kernel_size, stride, padding, ones, ceil_mode)
    if input.size >= MUCH:
        from ..nests import pooling

        include, override = count_include_pad, divisor_override or 0
        found: Any = pooling.avg_pool(input, tuple(counts), kernel_size, stride, padding, include, override)
        if found is not None:
            return found
    ends = ends_of(sizes, counts, kernel_size, stride, padding, ones)
    x = _pad(input, ends, 0) if any(low or high for low, high in ends) else input
    for axis, (k, s, c) in enumerate(zip(kernel_size, stride, counts, strict=True), -n):
        taps = [x[along(axis, slice(i, i + (c - 1) * s + 1, s))] for i in range(k)]
        x = taps[0] + taps[1] if k > 1 else taps[0]
        for tap in taps[2:]:
            x += tap
    return divided(np, x, divisors(sizes, counts, kernel_size, stride, padding, count_include_pad, divisor_override))


def avg_pool_input_grad(
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
        np, grad, divisors(input_size, counts, kernel_size, stride, padding, count_include_pad, divisor_override)
    )
    for axis, (size, k, s, (low, high)) in enumerate(zip(input_size, kernel_size, stride, ends, strict=True), -n):
        shape = list(x.shape)
        shape[axis] = low + size + high
        total = np.zeros(shape, x.dtype)
        for i in range(k):
            total[along(axis, slice(i, i + (x.shape[axis] - 1) * s + 1, s))] += x
        x = total[along(axis, slice(low, low + size))]
    return np.ascontiguousarray(x)


OWN = {
    "adaptive_max_pool": adaptive_max_pool,
    "avg_pool": avg_pool,
    "avg_pool_input_grad": avg_pool_input_grad,
    "max_pool": max_pool,
    "max_pool_input_grad": max_pool_input_grad,
}
