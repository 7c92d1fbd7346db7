# SPDX-License-Identifier: Apache-2.0
"""Normalisation: the compiler's formula, in a shape into which both the input and the view for its statistics split."""

from __future__ import annotations

import math
from typing import Any

from candelabra._shape import Shape, contiguous_strides
from candelabra.compiler import definitions

from ._kernel import kernel
from .creation import filled
from .look import Look
from .places import reshaped, seen


@kernel
def standardize(
    backend: Any,
    input: Look,
    weight: Look | None,
    bias: Look | None,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> tuple[Look, Look, Look]:
    statistics = tuple(1 if i in dim else n for i, n in enumerate(view_size))
    if not input.size:
        out = backend.fresh(input.shape, input.dtype, input.index)
        mean, var = (filled(backend, statistics, math.nan, input.dtype, input.index) for _ in range(2))
        return out, mean, var
    found = definitions.standardize_shapes(input.shape, tuple(view_size), tuple(dim), tuple(affine_size))
    if found is None:
        return _in_two(backend, input, weight, bias, view_size, dim, affine_size, eps)
    sizes, over, scales, _ = found
    affine = [None if a is None else reshaped(backend, a, scales) for a in (weight, bias)]
    run = backend.defined(definitions.standardize)
    out, mean, var = run(reshaped(backend, input, sizes), *affine, over, float(eps))
    steps = contiguous_strides(statistics)
    mean, var = (seen(look, statistics, steps) for look in (mean, var))
    return seen(out, input.shape, contiguous_strides(input.shape)), mean, var


def _in_two(
    backend: Any,
    input: Look,
    weight: Look | None,
    bias: Look | None,
    view_size: Shape,
    dim: Shape,
    affine_size: Shape,
    eps: float,
) -> tuple[Look, Look, Look]:
    """Standardised in the view first, then scaled and shifted in the shape of the input."""
    from candelabra._dtype import from_numpy_dtype

    view = reshaped(backend, input, view_size)
    out, mean, var = standardize(backend, view, None, None, view_size, dim, (), eps)
    out = reshaped(backend, out, input.shape)
    dtype = from_numpy_dtype(input.dtype)
    for name, operand in (("mul", weight), ("add", bias)):
        if operand is not None:
            out = backend.kernel(name, dtype)(out, reshaped(backend, operand, affine_size))
    return out, mean, var
