# SPDX-License-Identifier: Apache-2.0
"""Kernels of the scatter family."""

from __future__ import annotations

from typing import Any

from candelabra._errors import ShapeError

from ._kernel import kernel, mover
from .indexing import add_at, check_range, put


def rows(op: str, input: Any, dim: int, index: Any, negative: bool = False) -> Any:
    """The key of positions of a dim; checks their range."""
    if not input.ndim:
        check_range(op, index, 1, 0, negative)
        return ()
    check_range(op, index, input.shape[dim], dim, negative)
    return (slice(None),) * dim + (index.reshape(-1),)


def elements(xp: Any, op: str, input: Any, dim: int, index: Any, src: Any) -> tuple[Any, Any, Any]:
    """(input with at least 1 dim, key of the elements that `index` names, `src` in their shape); checks their range."""
    if not input.ndim:
        input = input.reshape(1)
    check_range(op, index, input.shape[dim], dim)
    if input.ndim == 1:
        if getattr(src, "ndim", 0):
            src = src.reshape(-1)[: index.size]
        return input, (index.reshape(-1),), src
    key = [
        xp.arange(n).reshape((n,) + (1,) * (index.ndim - d - 1)) if d != dim else index
        for d, n in enumerate(index.shape)
    ]
    return input, tuple(key), src


@kernel
def index_add(xp: Any, input: Any, dim: int, index: Any, source: Any) -> Any:
    return add_at(xp, input, rows("index_add", input, dim, index), source)


@mover
def index_copy(xp: Any, input: Any, dim: int, index: Any, source: Any) -> Any:
    return put(input, rows("index_copy", input, dim, index), source)


@mover
def index_fill(xp: Any, input: Any, dim: int, index: Any, value: Any) -> Any:
    if not index.size:
        return input.copy()
    return put(input, rows("index_fill", input, dim, index, negative=True), value)


@mover
def scatter(xp: Any, input: Any, dim: int, index: Any, src: Any) -> Any:
    if not index.size:
        return input.copy()
    target, key, values = elements(xp, "scatter", input, dim, index, src)
    return put(target, key, values).reshape(input.shape)


@kernel
def scatter_add(xp: Any, input: Any, dim: int, index: Any, src: Any) -> Any:
    if not index.size:
        return input.copy()
    target, key, values = elements(xp, "scatter_add", input, dim, index, src)
    return add_at(xp, target, key, values).reshape(input.shape)


@kernel
def scatter_extreme(xp: Any, input: Any, dim: int, index: Any, src: Any, reduce: str) -> Any:
    if not index.size:
        return input.copy()
    target, key, values = elements(xp, "scatter_reduce", input, dim, index, src)
    if hasattr(target, "at"):
        place = target.at[key]
        times = place.min if target.dtype == bool else place.multiply
        found = {"amax": place.max, "amin": place.min, "prod": times}[reduce](values)
    else:
        found = target.copy()
        {"amax": xp.maximum, "amin": xp.minimum, "prod": xp.multiply}[reduce].at(found, key, values)
    return found.reshape(input.shape)


@mover
def masked_fill(xp: Any, input: Any, mask: Any, value: Any) -> Any:
    return xp.where(mask, xp.asarray(value, dtype=input.dtype), input)


@mover
def masked_scatter(xp: Any, input: Any, mask: Any, source: Any) -> Any:
    shape = xp.broadcast_shapes(input.shape, mask.shape)
    mask = xp.broadcast_to(mask, shape).reshape(-1)
    count = int(mask.sum())
    if count > source.size:
        raise ShapeError(
            f"masked_scatter: source must have an element for each place, got {source.size} elements for {count} places"
        )
    if not count:
        return xp.broadcast_to(input, shape).copy()
    nth = xp.cumsum(mask) - 1
    found = xp.take(source.reshape(-1), xp.where(mask, nth, 0)).reshape(shape)
    return xp.where(mask.reshape(shape), found, input)
