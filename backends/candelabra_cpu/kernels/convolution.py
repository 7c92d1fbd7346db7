# SPDX-License-Identifier: Apache-2.0
"""Convolutions: native ones, and for tiny or unusual operands products of BLAS over columns gathered by NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from candelabra_xp.convolution import out_sizes, window

from .. import choice

# Elements of the gathered columns held at once: 8 MiB of float32, near what the last cache level holds.
_CHUNK = 1 << 21

# Windows an image needs for a product of its own to keep BLAS busy; below, the images of a chunk share one.
_OWN_PRODUCT = 256


def _chunks(n: int, each: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(each, 1))
    return (slice(i, min(i + step, n)) for i in range(0, n, step))


def _pad(input: Any, padding: Any) -> Any:
    if not any(padding):
        return input
    n, c, *sizes = input.shape
    out: Any = np.zeros((n, c, *(s + 2 * p for s, p in zip(sizes, padding, strict=True))), input.dtype)
    out[(Ellipsis, *(slice(p, p + s) for p, s in zip(padding, sizes, strict=True)))] = input
    return out


def _columns(x: Any, kernel: Any, counts: Any, stride: Any, dilation: Any, images_last: bool) -> Any:
    """What each window of the padded images sees: (N, C, *kernel, *counts), or (C, *kernel, N, *counts)."""
    n, c = x.shape[:2]
    if images_last:
        x = x.swapaxes(0, 1)
        out: Any = np.empty((c, *kernel, n, *counts), x.dtype)
    else:
        out = np.empty((n, c, *kernel, *counts), x.dtype)
    lead = (slice(None),) * (1 if images_last else 2)
    for at in itertools.product(*map(range, kernel)):
        out[(*lead, *at)] = x[(slice(None), slice(None), *window(at, counts, stride, dilation))]
    return out


def convolution(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    n, o = len(input), len(weight)
    kernel = weight.shape[2:]
    x = _pad(input, padding)
    counts = out_sizes(x.shape[2:], kernel, stride, dilation)
    windows, seen = math.prod(counts), weight.shape[1] * math.prod(kernel)
    w = weight.reshape(groups, o // groups, seen)
    out = np.empty((n, groups, o // groups, windows), input.dtype)
    for part in _chunks(n, groups * seen * windows):
        size = part.stop - part.start
        if windows >= _OWN_PRODUCT:
            columns = _columns(x[part], kernel, counts, stride, dilation, False)
            np.matmul(w, columns.reshape(size, groups, seen, windows), out=out[part])
        else:
            columns = _columns(x[part], kernel, counts, stride, dilation, True)
            product = np.matmul(w, columns.reshape(groups, seen, size * windows))
            out[part] = product.reshape(groups, o // groups, size, windows).transpose(2, 0, 1, 3)
    out = out.reshape(n, o, *counts)
    if bias is not None:
        out += bias.reshape(o, *(1,) * len(counts))
    return out


def convolution_weight_grad(
    grad: Any, input: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    n, o, *counts = grad.shape
    c = input.shape[1] // groups
    windows, seen = math.prod(counts), c * math.prod(weight_size)
    x = _pad(input, padding)
    out = np.zeros((groups, o // groups, seen), grad.dtype)
    for part in _chunks(n, groups * seen * windows):
        size = part.stop - part.start
        left = grad[part].reshape(size, o, windows).swapaxes(0, 1).reshape(groups, o // groups, size * windows)
        columns = _columns(x[part], weight_size, counts, stride, dilation, True)
        out += np.matmul(left, columns.reshape(groups, seen, size * windows).swapaxes(1, 2))
    return out.reshape(o, c, *weight_size)


def convolution_input_grad(
    grad: Any,
    weight: Any,
    input_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    n, o, *counts = grad.shape
    c, *kernel = weight.shape[1:]
    sizes = [s + 2 * p for s, p in zip(input_size, padding, strict=True)]
    # With stride 1, rows as wide as the padded image let each element of the kernel be one long shifted addition.
    rows = [counts[0], *sizes[1:]] if max(stride) == 1 else counts
    add = _add_shifted if max(stride) == 1 else _add_windows
    windows = math.prod(rows)
    w = weight.reshape(groups, o // groups, c * math.prod(kernel)).swapaxes(1, 2)
    inner = (Ellipsis, *(slice(p, p + s) for p, s in zip(padding, input_size, strict=True)))
    out = np.empty((n, groups * c, *input_size), grad.dtype)
    for part in _chunks(n, groups * c * math.prod(kernel) * windows):
        size = part.stop - part.start
        spread: Any = np.zeros((o, size, *rows), grad.dtype)
        spread[(Ellipsis, *map(slice, counts))] = grad[part].swapaxes(0, 1)
        columns = np.matmul(w, spread.reshape(groups, o // groups, size * windows))
        image = add(columns.reshape(groups * c, *kernel, size, *rows), sizes, counts, stride, dilation)
        out[part] = image[inner].swapaxes(0, 1)
    return out


def _add_shifted(columns: Any, sizes: Any, counts: Any, stride: Any, dilation: Any) -> Any:
    """Images (C, N, *sizes) that columns (C, *kernel, N, *rows) of stride 1 add up to."""
    k = len(sizes)
    c, *kernel = columns.shape[: k + 1]
    n = columns.shape[k + 1]
    flat = columns.reshape(c, *kernel, n, -1 if columns.size else 0)
    total, long = math.prod(sizes), flat.shape[-1]
    image = np.zeros((c, n, total), columns.dtype)
    steps = [d * math.prod(sizes[i + 1 :]) for i, d in enumerate(dilation)]
    for at in itertools.product(*map(range, kernel)):
        start = sum(i * s for i, s in zip(at, steps, strict=True))
        # What would pass the end are the zeros that widen the last row.
        length = min(long, total - start)
        image[:, :, start : start + length] += flat[(slice(None), *at, slice(None), slice(length))]
    return image.reshape(c, n, *sizes)


def _add_windows(columns: Any, sizes: Any, counts: Any, stride: Any, dilation: Any) -> Any:
    """The same for any stride, where rows are the windows alone."""
    k = len(sizes)
    c, *kernel = columns.shape[: k + 1]
    image = np.zeros((c, columns.shape[k + 1], *sizes), columns.dtype)
    for at in itertools.product(*map(range, kernel)):
        place = (slice(None), slice(None), *window(at, counts, stride, dilation))
        image[place] += columns[(slice(None), *at)]
    return image


NATIVE_FROM = 1 << 12
"""Multiplications from which a native call is made; fewer are not worth loading it."""


def _is_native(one: Any, other: Any, multiplications: int) -> bool:
    return multiplications >= NATIVE_FROM and one.dtype == other.dtype and one.dtype.char in "fd" and one.dtype.isnative


def _convolution(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    args = (input, weight, bias, stride, padding, dilation, groups)
    counts = out_sizes(
        [n + 2 * p for n, p in zip(input.shape[2:], padding, strict=True)], weight.shape[2:], stride, dilation
    )
    if not _is_native(input, weight, len(input) * math.prod(counts) * weight.size) or len(stride) > 3:
        return convolution(*args)
    from .. import convolve

    return convolve.forward(*args)


def _input_grad(grad: Any, weight: Any, input_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    args = (grad, weight, input_size, stride, padding, dilation, groups)
    if not _is_native(grad, weight, grad.size * (weight.size // max(len(weight), 1))) or len(stride) > 3:
        return convolution_input_grad(*args)
    from .. import convolve

    return convolve.input_grad(*args)


def _weight_grad(grad: Any, input: Any, weight_size: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    args = (grad, input, weight_size, stride, padding, dilation, groups)
    multiplications = grad.size * (input.shape[1] // groups) * math.prod(weight_size)
    if not _is_native(grad, input, multiplications) or len(stride) > 3:
        return convolution_weight_grad(*args)
    from .. import convolve

    return convolve.weight_grad(*args)


OWN = {
    "convolution": _convolution,
    "convolution_input_grad": _input_grad,
    "convolution_weight_grad": _weight_grad,
}
if choice.mode() == "numpy":
    OWN = {
        "convolution": convolution,
        "convolution_input_grad": convolution_input_grad,
        "convolution_weight_grad": convolution_weight_grad,
    }
