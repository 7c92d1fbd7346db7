# SPDX-License-Identifier: Apache-2.0
"""Convolutions and their gradients by their definition, for every dtype and target: a work item is one result."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra.compiler.ir import Builder, Kernel, Target, Value
from candelabra.compiler.nest import load, store

from .elements import (
    Register,
    buffer,
    chosen,
    computed_in,
    converted,
    number,
    parts,
    places_of,
    plus,
    short_name,
    summed_in,
    with_product,
)
from .look import Look
from .places import given
from .windows import Windows, over, product, windows

# -- one result after the other ------------------------------------------------------------------------------------------


def _sizes(dims: Sequence[Windows]) -> tuple[Value, Value, Value]:
    """(elements, windows, elements of the kernel)"""
    return product([d.size for d in dims]), product([d.count for d in dims]), product([d.kernel for d in dims])


def _inside(sizes: Sequence[Value], at: Sequence[Value]) -> Value:
    """A place in sizes as one number."""
    return (at[0] * sizes[1] + at[1]) * sizes[2] + at[2]


def _padded(x: Any, base: Value, dims: Sequence[Windows], at: Sequence[Value], dtype: np.dtype[Any]) -> Any:
    """The element at a place, or the zero of the padding: a product with it is nan where the factor is not finite."""
    found = functools.reduce(operator.and_, [(i >= 0) & (i < d.size) for i, d in zip(at, dims, strict=True)])
    here = base + found.select(_inside([d.size for d in dims], at), 0)
    return chosen(found, load(x, here, dtype), number(x.b, 0, computed_in(dtype)))


@functools.lru_cache(maxsize=32)
def direct_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """A work item is one result: its window's elements times the kernel's, for all channels of its group."""
    b = Builder(f"convolution_{short_name(dtype)}", target)
    x, weight, bias = (buffer(b, name, dtype) for name in ("x", "weight", "bias"))
    out = buffer(b, "out", dtype, True)
    images, outs, channels, groups, has_bias = (b.size(s) for s in ("images", "outs", "channels", "groups", "has_bias"))
    dims = windows(b)
    elements, _, taps = _sizes(dims)
    inside = computed_in(dtype)
    with b.work(images * outs * product([d.count for d in dims])) as item:
        image, o, *at = places_of(item, [images, outs, *(d.count for d in dims)])
        starts = [d.start(i) for d, i in zip(dims, at, strict=True)]
        group = o.idiv(outs.idiv(groups))
        total = Register(b, number(b, 0, inside))
        with b.loop(channels) as c:
            base = ((image * groups + group) * channels + c) * elements
            kernel_at = (o * channels + c) * taps
            with over(b, [(b.const(0, "i64"), d.kernel) for d in dims]) as t:
                place = [s + i * d.dilation for s, i, d in zip(starts, t, dims, strict=True)]
                value = _padded(x, base, dims, place, dtype)
                factor = load(weight, kernel_at + _inside([d.kernel for d in dims], t), dtype)
                total.set(with_product(total.get(), value, factor, target))
        with b.when(has_bias.ne(0)):
            total.set(plus(total.get(), load(bias, o, dtype)))
        store(out, item, total.get(), dtype)
    return b.finish()


@functools.lru_cache(maxsize=32)
def direct_input_grad_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """A work item is one element of the input: gradients of the windows that see it times the kernel's elements."""
    b = Builder(f"convolution_input_grad_{short_name(dtype)}", target)
    grad, weight, out = buffer(b, "grad", dtype), buffer(b, "weight", dtype), buffer(b, "out", dtype, True)
    images, outs, channels, groups = (b.size(s) for s in ("images", "outs", "channels", "groups"))
    dims = windows(b)
    _, counts, taps = _sizes(dims)
    with b.work(images * groups * channels * product([d.size for d in dims])) as item:
        image, group, c, *at = places_of(item, [images, groups, channels, *(d.size for d in dims)])
        each = outs.idiv(groups)
        total = Register(b, number(b, 0, computed_in(dtype)))
        with over(b, [(b.const(0, "i64"), d.kernel) for d in dims]) as t:
            ahead = [i + d.padding - k * d.dilation for i, k, d in zip(at, t, dims, strict=True)]
            windows_at = [a.idiv(d.stride) for a, d in zip(ahead, dims, strict=True)]
            seen = b.const(True, "b1")
            for a, w, d in zip(ahead, windows_at, dims, strict=True):
                seen = seen & (a >= 0) & (w * d.stride).eq(a) & (w < d.count)
            with b.when(seen), b.loop((group + 1) * each, group * each) as o:
                value = load(grad, (image * outs + o) * counts + _inside([d.count for d in dims], windows_at), dtype)
                factor = load(weight, (o * channels + c) * taps + _inside([d.kernel for d in dims], t), dtype)
                total.set(with_product(total.get(), value, factor, target))
        store(out, item, total.get(), dtype)
    return b.finish()


@functools.lru_cache(maxsize=32)
def direct_weight_grad_kernel(dtype: np.dtype[Any], target: Target) -> Kernel:
    """A work item is one element of the kernel: gradients times what it has seen, over all windows and images."""
    b = Builder(f"convolution_weight_grad_{short_name(dtype)}", target)
    grad, x, out = buffer(b, "grad", dtype), buffer(b, "x", dtype), buffer(b, "out", dtype, True)
    images, outs, channels, groups = (b.size(s) for s in ("images", "outs", "channels", "groups"))
    dims = windows(b)
    elements, counts, _ = _sizes(dims)
    wide = summed_in(dtype, target)
    with b.work(outs * channels * product([d.kernel for d in dims])) as item:
        o, c, *tap = places_of(item, [outs, channels, *(d.kernel for d in dims)])
        group = o.idiv(outs.idiv(groups))
        total = Register(b, number(b, 0, wide))
        with b.loop(images) as image:
            base = ((image * groups + group) * channels + c) * elements
            grad_at = (image * outs + o) * counts
            with over(b, [(b.const(0, "i64"), d.count) for d in dims]) as w:
                place = [d.start(i) + k * d.dilation for i, k, d in zip(w, tap, dims, strict=True)]
                value = converted(_padded(x, base, dims, place, dtype), wide)
                factor = converted(load(grad, grad_at + _inside([d.count for d in dims], w), dtype), wide)
                total.set(with_product(total.get(), value, factor, target))
        store(out, item, converted(total.get(), computed_in(dtype)), dtype)
    return b.finish()


def run(backend: Any, made: Kernel, looks: Sequence[Look], out: Look, integers: Sequence[int]) -> Look:
    """One launch: a work item for each result."""
    arrays = [given(look, parts(look.dtype)) for look in (*looks, out)]
    backend.launch(made, out.size, [*arrays, *integers], out.index)
    return out
