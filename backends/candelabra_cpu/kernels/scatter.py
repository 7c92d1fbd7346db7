# SPDX-License-Identifier: Apache-2.0
"""Writing and adding at positions, into a copy or (`into`) over the first operand itself.

NumPy's `ufunc.at` is many times faster on flat memory and flat positions than on rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from candelabra._shape import contiguous_strides
from candelabra_xp.indexing import check_range, key_of
from candelabra_xp.scatter import elements as element_key
from candelabra_xp.scatter import masked_fill as shared_masked_fill

from ..choice import size_from
from .gather import MUCH, linear, refuse_outside

MANY_COPIED = size_from(1 << 17)
"""Elements from which a copy is compiled."""

MANY_MASKED = size_from(4096)
"""Elements from which a mask is applied by a compiled kernel."""

COMPILED = frozenset(
    [
        "bool",
        "float32",
        "float64",
        "float16",
        "bfloat16",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    ]
)
"""Names of dtypes whose elements a compiled kernel copies."""


def by_copy(into: Callable[..., Any], fast: Callable[..., bool] | None = None) -> Callable[..., Any]:
    """The kernel that does in a copy what `into` does in place. What `into` refuses, it refuses before it writes.

    Args:
        fast: does the same where it returns True. It may refuse when it has written.
    """

    def kernel(input: Any, *args: Any) -> Any:
        out = copied(input)
        if fast is None or not fast(out, *args):
            into(out, *args)
        return out

    kernel.into = into  # type: ignore[attr-defined]
    return kernel


def copied(input: Any) -> Any:
    """A row-major copy."""
    if input.size < MANY_COPIED or input.dtype.name not in COMPILED:
        return input.copy(order="C")
    from ..compiled import fused

    return fused("clone")(input)


def compiled(op: str, how: str, what: str) -> Callable[..., bool]:
    """Puts much by a kernel of `nests.adding`, `rows` or `elements`; False where it has none, or there is little."""

    def put(target: Any, dim: int, index: Any, source: Any) -> bool:
        if getattr(source, "size", 0) < MUCH or not target.ndim:
            return False
        from ..nests import adding

        return bool(getattr(adding, what)(op, how, target, dim, index, source))

    return put


def combine(ufunc: Any, target: Any, places: Any, values: Any) -> None:
    """Combines `values` in at `places` of a target's contiguous memory."""
    flat, places, values = target.reshape(-1), places.reshape(-1), np.ascontiguousarray(values).reshape(-1)
    if ufunc is np.add and places.size >= MUCH:
        from ..nests import adding

        if adding.elements("combine", "add", flat, 0, places, values):
            return
    ufunc.at(flat, places, values)


# -- rows ------------------------------------------------------------------------------------------------------------


def rows(shape: tuple[int, ...], dim: int, index: Any) -> Any:
    """Places, in contiguous memory of `shape`, of all elements at positions of a dim."""
    before, size, after = _product(shape[:dim]), shape[dim], _product(shape[dim + 1 :])
    places = (index * after)[:, None] + np.arange(after) if after > 1 else index[:, None]
    return places if before == 1 else (np.arange(before) * (size * after))[:, None, None] + places


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


add_rows, copy_rows = compiled("index_add", "add", "rows"), compiled("index_copy", "set", "rows")


def index_add(target: Any, dim: int, index: Any, source: Any) -> None:
    refuse_outside("index_add", index, target.shape[dim] if target.ndim else 1, dim)
    if not target.ndim:
        target += source
    elif add_rows(target, dim, index, source):
        pass
    elif not target.flags.c_contiguous:
        np.add.at(target, (slice(None),) * dim + (index.reshape(-1),), source)
    elif source.size:
        combine(np.add, target, rows(target.shape, dim, index.reshape(-1)), source)


def index_added(input: Any, dim: int, index: Any, source: Any) -> Any:
    if source.size >= MUCH and input.ndim:
        from ..nests import adding

        if (found := adding.row_sums("index_add", input, input.shape, dim, index, source)) is not None:
            return found
    return _index_added(input, dim, index, source)


_index_added = by_copy(index_add, add_rows)
index_added.into = index_add  # type: ignore[attr-defined]


def index_copy(target: Any, dim: int, index: Any, source: Any) -> None:
    refuse_outside("index_copy", index, target.shape[dim] if target.ndim else 1, dim)
    target[(slice(None),) * dim + (index.reshape(-1),) if target.ndim else ...] = source


def index_fill(target: Any, dim: int, index: Any, value: Any) -> None:
    check_range("index_fill", index, target.shape[dim] if target.ndim else 1, dim, negative=True)
    if index.size:
        target[(slice(None),) * dim + (index.reshape(-1),) if target.ndim else ...] = value


# -- elements --------------------------------------------------------------------------------------------------------


def elements(op: str, target: Any, dim: int, index: Any) -> Any:
    """Flat places of the elements an index names; checks their range."""
    refuse_outside(op, index, target.shape[dim] if target.ndim else 1, dim)
    return linear(target.shape, dim, index) if target.ndim > 1 else index


def fitted(index: Any, src: Any) -> Any:
    """`src` cut to the elements of an index: they differ only where one has a dim and the other none."""
    return src if src.shape == index.shape else src.reshape(-1)[: index.size]


add_elements, set_elements = compiled("scatter_add", "add", "elements"), compiled("scatter", "set", "elements")


def scatter(target: Any, dim: int, index: Any, src: Any) -> None:
    if not index.size:
        return
    if getattr(src, "size", 0) >= MUCH:
        refuse_outside("scatter", index, target.shape[dim] if target.ndim else 1, dim)
        if set_elements(target, dim, index, src):
            return
    if target.flags.c_contiguous:
        places = elements("scatter", target, dim, index)
        target.reshape(-1)[places.reshape(-1)] = fitted(index, src).reshape(-1) if hasattr(src, "shape") else src
    else:
        _, key, values = element_key(np, "scatter", target, dim, index, src)
        target[key] = values


def _reducing(op: str, ufunc: Any, target: Any, dim: int, index: Any, src: Any) -> None:
    if not index.size:
        return
    if target.flags.c_contiguous:
        combine(ufunc, target, elements(op, target, dim, index), fitted(index, src))
    else:
        _, key, values = element_key(np, op, target, dim, index, src)
        ufunc.at(target, key, values)


def scatter_add(target: Any, dim: int, index: Any, src: Any) -> None:
    if getattr(src, "size", 0) >= MUCH:
        refuse_outside("scatter_add", index, target.shape[dim] if target.ndim else 1, dim)
        if add_elements(target, dim, index, src):
            return
    _reducing("scatter_add", np.add, target, dim, index, src)


def scatter_extreme(target: Any, dim: int, index: Any, src: Any, reduce: str) -> None:
    ufunc = {"amax": np.maximum, "amin": np.minimum, "prod": np.multiply}[reduce]
    _reducing("scatter_reduce", ufunc, target, dim, index, src)


# -- tensors of positions, and masks ---------------------------------------------------------------------------------


def selection(shape: tuple[int, ...], indices: Any, dims: Any) -> Any:
    """Places, in contiguous memory of `shape`, of the elements that indices of some dims select, in their shape."""
    strides = contiguous_strides(shape)
    places: Any = 0
    for positions, dim in zip(indices, dims, strict=True):
        places = places + positions % shape[dim] * strides[dim]
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    rest = [d for d in range(len(shape)) if d not in dims]
    front = [d for d in rest if adjacent and d < dims[0]]
    for d in rest[len(front) :]:
        places = places[..., None] + np.arange(shape[d]) * strides[d]
    for d in reversed(front):
        places = (np.arange(shape[d]) * strides[d]).reshape((-1,) + (1,) * np.ndim(places)) + places
    return places


def put_at(target: Any, indices: Any, dims: Any, values: Any, accumulate: bool) -> None:
    key = key_of("index_put", target, indices, dims)
    if (
        len(dims) == 1
        and getattr(values, "size", 0) >= MUCH
        and _put_rows(target, indices[0], dims[0], values, accumulate)
    ):
        return
    if not accumulate:
        target[key] = values
    elif target.flags.c_contiguous and 0 not in target.shape:
        places = np.asarray(selection(target.shape, indices, dims))
        combine(np.add, target, places, np.broadcast_to(np.asarray(values, dtype=target.dtype), places.shape))
    else:
        np.add.at(target, key, values)


def _put_rows(target: Any, index: Any, dim: int, values: Any, accumulate: bool) -> bool:
    """`put_at` of whole rows by a compiled kernel; False where it has no way."""
    shape = target.shape
    if values.shape != (*shape[:dim], *index.shape, *shape[dim + 1 :]):
        return False
    from ..nests import adding

    places = index.reshape(-1) % shape[dim]
    return bool(adding.rows("index_put", "add" if accumulate else "set", target, dim, places, values))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    if input.size < MANY_MASKED or input.dtype.name not in COMPILED:
        return shared_masked_fill(np, input, mask, value)
    from ..compiled import fused

    return fused("where")(mask, np.asarray(value, dtype=input.dtype), input)


def _masked_fill(target: Any, mask: Any, value: Any) -> None:
    if target.size < MANY_MASKED or target.dtype.name not in COMPILED:
        np.copyto(target, np.asarray(value, dtype=target.dtype), where=mask)
        return
    from ..compiled import fused

    fused("where").call_into((target,), mask, np.asarray(value, dtype=target.dtype), target)


masked_fill.into = _masked_fill  # type: ignore[attr-defined]

OWN: Mapping[str, Callable[..., Any]] = {
    "index_add": index_added,
    "index_copy": by_copy(index_copy, copy_rows),
    "index_fill": by_copy(index_fill),
    "masked_fill": masked_fill,
    "put_at": by_copy(put_at),
    "scatter": by_copy(scatter, set_elements),
    "scatter_add": by_copy(scatter_add, add_elements),
    "scatter_extreme": by_copy(scatter_extreme),
}
