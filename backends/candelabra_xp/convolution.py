# SPDX-License-Identifier: Apache-2.0
"""Convolutions as one matrix product over shifted slices of the input."""

from __future__ import annotations

import itertools
import math
from typing import Any

from ._kernel import kernel


def columns(xp: Any, input: Any, kernel: Any, counts: Any, stride: Any, dilation: Any, groups: int) -> Any:
    """What each window sees: shape (N, groups, channels a group times elements of the kernel, windows)."""
    n, channels = input.shape[:2]
    slices = [
        input[(slice(None), slice(None), *window(at, counts, stride, dilation))]
        for at in itertools.product(*map(range, kernel))
    ]
    return xp.stack(slices, axis=2).reshape(n, groups, channels // groups * len(slices), math.prod(counts))


def window(at: Any, counts: Any, stride: Any, dilation: Any) -> tuple[slice, ...]:
    """Where element `at` of the kernel lies in all windows."""
    return tuple(
        slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in zip(at, counts, stride, dilation, strict=True)
    )


def padded(xp: Any, input: Any, ends: Any) -> Any:
    """Zeros at both ends of the spatial dims; negative numbers cut off instead."""
    if any(low > 0 or high > 0 for low, high in ends):
        input = xp.pad(input, ((0, 0), (0, 0), *((max(low, 0), max(high, 0)) for low, high in ends)))
    if any(low < 0 or high < 0 for low, high in ends):
        cut = (
            slice(max(-low, 0), size - max(-high, 0)) for (low, high), size in zip(ends, input.shape[2:], strict=True)
        )
        input = input[(slice(None), slice(None), *cut)]
    return input


def spread(xp: Any, input: Any, axis: int, step: int) -> Any:
    """`step - 1` zeros after each element, none after the last."""
    if step == 1:
        return input
    shape = input.shape
    parts = [input] + [xp.zeros_like(input)] * (step - 1)
    spaced = xp.stack(parts, axis=axis + 1).reshape(*shape[:axis], shape[axis] * step, *shape[axis + 1 :])
    return spaced[(slice(None),) * axis + (slice(0, (shape[axis] - 1) * step + 1),)]


def out_sizes(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    """Numbers of windows on sizes already padded."""
    return tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True))


@kernel
def convolution(
    xp: Any, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    out_channels, _, *kernel_size = weight.shape
    x = padded(xp, input, [(p, p) for p in padding])
    counts = out_sizes(x.shape[2:], kernel_size, stride, dilation)
    seen = columns(xp, x, kernel_size, counts, stride, dilation, groups)
    product = xp.matmul(weight.reshape(groups, out_channels // groups, seen.shape[2]), seen)
    out = product.reshape(input.shape[0], out_channels, *counts)
    return out if bias is None else out + bias.reshape(out_channels, *(1,) * len(counts))


@kernel
def convolution_input_grad(
    xp: Any,
    grad: Any,
    weight: Any,
    input_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    out_channels, channels, *kernel_size = weight.shape
    for i, step in enumerate(stride):
        grad = spread(xp, grad, i + 2, step)
    ends = []
    for size, have, k, p, d in zip(input_size, grad.shape[2:], kernel_size, padding, dilation, strict=True):
        low = d * (k - 1) - p
        ends.append((low, size + d * (k - 1) - have - low))
    # The adjoint is a convolution of the spaced-out gradient with the kernel flipped and the channels exchanged.
    parts = weight.reshape(groups, out_channels // groups, channels, *kernel_size)
    flipped = xp.flip(xp.swapaxes(parts, 1, 2), axis=tuple(range(3, 3 + len(kernel_size))))
    flipped = flipped.reshape(groups * channels, out_channels // groups, *kernel_size)
    ones, none = (1,) * len(kernel_size), (0,) * len(kernel_size)
    return convolution(xp, padded(xp, grad, ends), flipped, None, ones, none, dilation, groups)


@kernel
def convolution_weight_grad(
    xp: Any,
    grad: Any,
    input: Any,
    weight_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    n, out_channels, *counts = grad.shape
    x = padded(xp, input, [(p, p) for p in padding])
    seen = columns(xp, x, weight_size, counts, stride, dilation, groups)
    rows, windows = out_channels // groups, math.prod(counts)
    # One product over images and windows together.
    left = xp.moveaxis(grad.reshape(n, groups, rows, windows), 0, 2).reshape(groups, rows, n * windows)
    right = xp.moveaxis(seen, 0, 2).reshape(groups, seen.shape[2], n * windows)
    product = xp.matmul(left, xp.swapaxes(right, 1, 2))
    return product.reshape(out_channels, input.shape[1] // groups, *weight_size)
