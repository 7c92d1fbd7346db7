# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on shapes and strides: broadcasting, dims, views, reductions, sliding windows.

Pure functions on tuples; each names the op it serves in the errors it raises. Strides count elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._errors import ArgumentError, CallError, DimError, OutOfMemoryError, ShapeError

Shape = tuple[int, ...]


class Size(tuple[int, ...]):
    """Shape of a tensor: a tuple of ints with `numel`.

    Example:
        >>> cb.ones(2, 3).shape
        candelabra.Size([2, 3])
    """

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements: the product of the sizes."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"candelabra.Size({list(self)})"

    def __add__(self, other: tuple[int, ...]) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, other))

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return Size(found) if isinstance(key, slice) else found


def as_shape(op: str, shape: Any) -> Shape:
    """`shape` as a tuple of non-negative ints; accepts an int or a sequence of ints."""
    sizes = (shape,) if hasattr(shape, "__index__") else shape
    try:
        result = tuple(s.__index__() for s in sizes)
    except (TypeError, AttributeError):
        raise CallError(f"{op}: sizes must be ints, got {shape!r}") from None
    if any(s < 0 for s in result):
        raise ShapeError(f"{op}: sizes must not be negative, got {result}")
    return result


_TOO_MANY = 1 << 59
"""Elements whose bytes no address can count."""


def check_allocatable(op: str, shape: Shape) -> None:
    """Raises OutOfMemoryError for more elements than any memory holds."""
    if math.prod(shape) > _TOO_MANY:
        raise OutOfMemoryError(f"{op}: no device holds as many elements, got size={shape}")


def as_ints(op: str, name: str, values: Any) -> Shape:
    """A sequence of ints as a tuple; raises CallError naming the argument for anything else."""
    try:
        return tuple([v.__index__() for v in values])
    except (TypeError, AttributeError):
        raise CallError(f"{op}: {name} must be ints, got {values!r}") from None


def broadcast_shapes(op: str, *shapes: Shape) -> Shape:
    """The common shape of `shapes` under NumPy's broadcasting rule.

    Raises:
        ShapeError: two sizes differ and neither is 1.
    """
    if len(set(shapes)) == 1:
        return shapes[0]
    result = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i in range(1, len(shape) + 1):
            if shape[-i] != 1 and shape[-i] != result[-i]:
                if result[-i] != 1:
                    raise ShapeError(f"{op}: shapes do not broadcast, got {' and '.join(map(str, shapes))}")
                result[-i] = shape[-i]
    return tuple(result)


def normalize_dim(op: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; a 0-d tensor accepts 0 and -1.

    Raises:
        DimError: outside [-ndim, ndim).
    """
    try:
        index = dim.__index__()
    except AttributeError:
        raise CallError(f"{op}: dim must be an int, got {dim!r}") from None
    span = ndim or 1
    if not -span <= index < span:
        raise DimError(f"{op}: dim must be in [{-span}, {span - 1}], got dim={index} for {ndim} dims")
    return index % span


def normalize_dims(op: str, dim: Any, ndim: int) -> Shape:
    """Dims counted from the front, in the order given; all of them for None or an empty sequence.

    Raises:
        DimError: one is out of range.
        ShapeError: one is named twice.
    """
    if dim is None or (hasattr(dim, "__len__") and not hasattr(dim, "__index__") and len(dim) == 0):
        return tuple(range(ndim))
    dims = (dim,) if hasattr(dim, "__index__") or not hasattr(dim, "__iter__") else dim
    result = tuple(normalize_dim(op, d, ndim) for d in dims)
    if len(set(result)) != len(result):
        raise ShapeError(f"{op}: dim must not repeat, got dim={tuple(dims)}")
    return result if ndim else ()


def reduced_shape(shape: Shape, dims: Shape, keepdim: bool) -> Shape:
    """`shape` without `dims`, or with size 1 there when `keepdim`."""
    if keepdim:
        return tuple(1 if i in dims else s for i, s in enumerate(shape))
    return tuple(s for i, s in enumerate(shape) if i not in dims)


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides in elements; a size of 0 counts as 1, as in PyTorch."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def is_contiguous(shape: Shape, strides: Shape) -> bool:
    """True when elements lie in row-major order without gaps; strides of size-1 dims do not matter."""
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


def may_overlap(size: Shape, stride: Shape) -> bool:
    """Whether two positions of a strided view may share an element; False is certain, True is not."""
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(size, stride, strict=True) if n != 1):
        if s <= reach:
            return True
        reach += (n - 1) * s
    return False


def overlaps(size: Shape, stride: Shape) -> bool:
    """Whether two positions of a strided view do share an element; no size is 0.

    Positions are counted one by one unless a stride of 0, or few places for many positions, tell.
    """
    dims = [(n, abs(s)) for n, s in zip(size, stride, strict=True) if n != 1]
    if any(s == 0 for _, s in dims):
        return True
    if math.prod(n for n, _ in dims) > 1 + sum((n - 1) * s for n, s in dims):
        return True
    places = np.zeros((), np.int64)
    for n, s in dims:
        places = np.add.outer(places, np.arange(n) * s)
    return int(np.unique(places).size) < places.size


def infer_size(op: str, shape: Sequence[int], numel: int) -> Shape:
    """`shape` with its one -1 replaced so that it holds `numel` elements.

    Raises:
        ShapeError: more than one -1, a negative size, or a number of elements that does not fit.
    """
    sizes = as_ints(op, "shape", shape)
    if sizes.count(-1) > 1:
        raise ShapeError(f"{op}: only one size may be -1, got {sizes}")
    if any(s < -1 for s in sizes):
        raise ShapeError(f"{op}: sizes must not be negative, got {sizes}")
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        if known == 0 or numel % known:
            raise ShapeError(f"{op}: shape does not fit the number of elements, got {sizes} for {numel} elements")
        return tuple(numel // known if s == -1 else s for s in sizes)
    if math.prod(sizes) != numel:
        raise ShapeError(f"{op}: shape does not fit the number of elements, got {sizes} for {numel} elements")
    return sizes


def view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """Strides that show the same memory as `new_shape`, or None where only a copy can.

    Walks runs of dims that are mergeable (each stride is the next stride times the next size) and splits each run.
    """
    if 0 in shape:
        return contiguous_strides(new_shape)
    runs: list[tuple[int, int]] = []  # (elements, innermost stride), from the inside out
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 1:
            continue
        if runs and stride == runs[-1][0] * runs[-1][1]:
            runs[-1] = (runs[-1][0] * size, runs[-1][1])
        else:
            runs.append((size, stride))
    result: list[int] = []
    pending = iter(runs)
    left, step = 1, 1
    for size in reversed(new_shape):
        if size != 1 and left == 1:
            left, step = next(pending)
        if left % size:
            return None
        result.append(step)
        step *= size
        left //= size
    return tuple(reversed(result))


def as_tuple(op: str, name: str, value: int | Sequence[int], n: int) -> Shape:
    """An int repeated `n` times, or a sequence of `n` ints; for kernel sizes, strides and paddings."""
    values = (value,) * n if hasattr(value, "__index__") else tuple(value)
    if len(values) == 1 and n > 1:
        values = values * n
    if len(values) != n or not all(hasattr(v, "__index__") for v in values):
        raise ArgumentError(f"{op}: {name} must be an int or {n} ints, got {name}={value!r}")
    return tuple(v.__index__() for v in values)


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """Number of positions of a sliding window: `floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`.

    With `ceil_mode` a last, partial window counts when it starts inside the input or its left padding.
    """
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    count = -(-span // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def adaptive_bounds(size: int, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Starts and ends of `count` windows that cover `size` elements as evenly as integers allow: int64, shape (count,)."""
    edges = np.arange(count + 1, dtype=np.int64) * size
    return edges[:-1] // count, -(-edges[1:] // count)


def basic_index_geometry(shape: Shape, strides: Shape, key: tuple[object, ...]) -> tuple[Shape, Shape, int]:
    """(shape, strides, offset) of the view that ints, slices, None and one Ellipsis select.

    Raises:
        DimError: an int is out of range, or there are more indices than dims.
        ArgumentError: a slice has a step below 1.
    """
    used = sum(k is not None and k is not Ellipsis for k in key)
    if used > len(shape):
        raise DimError(f"index: too many indices, got {used} for {len(shape)} dims")
    if Ellipsis not in key:
        key = (*key, Ellipsis)
    new_shape: list[int] = []
    new_strides: list[int] = []
    offset = dim = 0
    for k in key:
        if k is None:
            new_shape.append(1)
            new_strides.append(0)
        elif k is Ellipsis:
            rest = len(shape) - used
            new_shape.extend(shape[dim : dim + rest])
            new_strides.extend(strides[dim : dim + rest])
            dim += rest
        elif isinstance(k, slice):
            start, stop, step = slice_indices(k, shape[dim])
            count = max(0, -(-(stop - start) // step))
            offset += start * strides[dim] if count else 0
            new_shape.append(count)
            new_strides.append(strides[dim] * step)
            dim += 1
        else:
            offset += checked_index("index", k, shape[dim], dim) * strides[dim]
            dim += 1
    return tuple(new_shape), tuple(new_strides), offset


def slice_indices(key: slice, size: int) -> tuple[int, int, int]:
    """(start, stop, step) of a slice on a dim; raises ArgumentError for a step below 1."""
    step = 1 if key.step is None else key.step.__index__()
    if step < 1:
        raise ArgumentError(f"index: slice steps must be positive, got step={step}; use flip for reversed order")
    return key.indices(size)


def checked_index(op: str, index: Any, size: int, dim: int) -> int:
    """`index` counted from the front; raises DimError outside [-size, size)."""
    i: int = index.__index__()
    if not -size <= i < size:
        raise DimError(f"{op}: index must be in [{-size}, {size}), got {i} for dim {dim} of size {size}")
    return i % size if size else 0
