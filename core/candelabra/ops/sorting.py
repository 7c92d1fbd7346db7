# SPDX-License-Identifier: Apache-2.0
"""Sorting, searching in sorted sequences, and distinct values.

nan sorts as the largest value, here and in all that rests on it. Equal values keep their order when `stable`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, CallError, DTypeError, ShapeError
from .._shape import Shape, normalize_dim
from ..op import Number, op, rules
from ..op._named import named
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .ranges import spaced
from .reduction import place_along

__all__ = [
    "argsort",
    "bincount",
    "bucketize",
    "histc",
    "histogram",
    "msort",
    "searchsorted",
    "sort",
    "unique",
    "unique_consecutive",
]

NUMBERS = ("float16", "bfloat16", "float32", "float64", "int32", "int64")
"""Dtypes with enough values for samples in order or without ties, which bool has not."""

# -- sorting ---------------------------------------------------------------------------------------------------------


def _front_sort(op_name: str) -> Any:
    def front(input: Tensor, dim: int, descending: bool, stable: bool) -> tuple[Any, ...]:
        return input, normalize_dim(op_name, dim, input.dim()), bool(descending), bool(stable)

    return front


def reference_sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    if not input.ndim:
        return input, np.zeros((), np.int64)
    source = np.flip(input, dim) if descending else input
    order = np.argsort(source, axis=dim, kind="stable")
    if descending:
        order = np.flip(input.shape[dim] - 1 - order, dim)
    return np.take_along_axis(input, order, dim), order


def _sort_samples() -> list[Sample]:
    shapes = [
        ((5,), -1),
        ((), -1),
        ((2, 3), 0),
        ((2, 3), 1),
        ((2, 3, 4), 1),
        ((1,), 0),
        ((0, 3), 0),
        ((0, 3), 1),
        ((3, 67), 1),
    ]
    return [
        *[Sample(Operand(shape, distinct=True), dim, stable=True) for shape, dim in shapes],
        *[Sample(Operand(shape, distinct=True), dim, True, stable=True) for shape, dim in shapes],
        Sample(Operand((67,), distinct=True), dtypes=samples.SPECIAL_DTYPES[2:]),
        Sample(Operand((300,), distinct=True), descending=True, dtypes=samples.SPECIAL_DTYPES[2:]),
        Sample(Operand((300,), -3, 3), stable=True, dtypes=("int64", "int32", "bool")),
        Sample(Operand((5,), values=[1, 0, 1, 0, 1]), stable=True, grad=False),
        Sample(Operand((5,), values=[1, 0, 1, 0, 1]), descending=True, stable=True, grad=False),
    ]


_WITH_NAN = Operand((5,), values=[np.nan, np.inf, -np.inf, np.nan, 0.0])


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim, descending, stable: [tuple(input.shape)] * 2,
    front=_front_sort("sort"),
    samples=lambda: [
        *_sort_samples(),
        Sample(
            _WITH_NAN,
            stable=True,
            special=([-np.inf, 0.0, np.inf, np.nan, np.nan], [2, 4, 1, 0, 3]),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
        Sample(
            _WITH_NAN,
            descending=True,
            stable=True,
            special=([np.nan, np.nan, np.inf, 0.0, -np.inf], [0, 3, 1, 4, 2]),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ],
    errors=lambda: [
        ErrorSample(IndexError, "sort: dim must be in", Operand((2,)), 1),
        ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64"),
    ],
    reference=reference_sort,
    tolerance="exact",
)
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> tuple[Tensor, Tensor]:
    """Elements in order along `dim`, and the indices they had. nan counts as the largest value.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to sort along.
        descending: largest first.
        stable: keep the order of equal elements.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*).

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.sort(cb.tensor([3.0, 1.0, 2.0])).indices
        tensor([1, 2, 0])
    """
    ...


def _sort_grad(grad: Any, out: Any, input_shape: Shape, dim: int) -> Tensor:
    return place_along(grad[0], out[1], dim, input_shape)


sort.vjp(input=_sort_grad)


@op(
    dtype=rules.to_index,
    shape=lambda input, dim, descending, stable: tuple(input.shape),
    front=_front_sort("argsort"),
    grad="none: results are indices",
    samples=lambda: [
        *_sort_samples(),
        Sample(_WITH_NAN, stable=True, special=[2, 4, 1, 0, 3], dtypes=samples.SPECIAL_DTYPES),
    ],
    errors=lambda: [ErrorSample(IndexError, "argsort: dim must be in", Operand((2,)), 1)],
    reference=lambda *args, **kwargs: reference_sort(*args, **kwargs)[1],
    tolerance="exact",
)
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Indices that would sort `input` along `dim`.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to sort along.
        descending: largest first.
        stable: keep the order of equal elements.

    Returns:
        int64, shape (*).

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.argsort(cb.tensor([3.0, 1.0, 2.0]), descending=True)
        tensor([0, 2, 1])
    """
    return sort(input, dim, descending, stable=stable)[1]


@op(
    dtype=rules.real,
    shape=lambda input: tuple(input.shape),
    samples=lambda: [Sample(Operand(shape, distinct=True)) for shape in ((5,), (3, 2), (), (0, 2), (1,))],
    reference=lambda input: np.sort(input, axis=0) if input.ndim else input,
    tolerance="exact",
)
def msort(input: Tensor) -> Tensor:
    """Elements in ascending order along the first dim.

    Args:
        input: any real dtype that computes, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DTypeError: `input` is complex.

    Example:
        >>> cb.msort(cb.tensor([[3.0, 1.0], [2.0, 4.0]]))
        tensor([[2., 1.],
                [3., 4.]])
    """
    return sort(input, 0)[0]


# -- searching -------------------------------------------------------------------------------------------------------


def _front_search(
    sorted_sequence: Tensor, input: Any, out_int32: bool, right: bool, side: Any, sorter: Any
) -> tuple[Any, ...]:
    if side not in (None, "left", "right"):
        raise ArgumentError(f'searchsorted: side must be "left" or "right", got side={side!r}')
    if side == "left" and right:
        raise ArgumentError("searchsorted: side and right must agree, got side='left' and right=True")
    if sorter is not None:
        if tuple(sorter.shape) != tuple(sorted_sequence.shape):
            raise ShapeError(
                f"searchsorted: sorter must have the sequence's shape, got {tuple(sorter.shape)} for "
                f"{tuple(sorted_sequence.shape)}"
            )
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    return sorted_sequence, input, bool(out_int32), bool(right) or side == "right"


def _search_shape(sorted_sequence: Any, input: Any, out_int32: bool, right: bool) -> Shape:
    rows = tuple(sorted_sequence.shape)
    shape = tuple(input.shape) if isinstance(input, Tensor) else ()
    if not rows:
        raise ShapeError("searchsorted: sorted_sequence must have at least 1 dim, got shape ()")
    if len(rows) > 1 and rows[:-1] != shape[:-1]:
        raise ShapeError(f"searchsorted: all sizes but the last must agree, got sequences {rows} and input {shape}")
    return shape


def _search_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.real(name, found, args)[0], _dtype.int32 if args[2] else _dtype.int64


def _search_reference(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: Any = None,
    sorter: Any = None,
) -> Any:
    if sorter is not None:
        sorted_sequence = np.take_along_axis(sorted_sequence, sorter, -1)
    sequence = sorted_sequence[..., None, :] if sorted_sequence.ndim > 1 else sorted_sequence
    value = np.asarray(input)[..., None]
    return np.sum(sequence <= value if right or side == "right" else sequence < value, axis=-1)


_ORDERED = Operand((5,), values=[-2.0, 0.0, 0.0, 1.0, 3.0])


@op(
    dtype=_search_dtype,
    shape=_search_shape,
    front=_front_search,
    drops=("side", "sorter"),
    grad="none: results are indices",
    samples=lambda: [
        *[Sample(_ORDERED, Operand(shape, -3, 4), dtypes=NUMBERS) for shape in ((), (7,), (2, 3), (0,))],
        Sample(_ORDERED, Operand((5,), values=[-2.0, 0.0, 0.0, 1.0, 3.0]), dtypes=NUMBERS),
        Sample(_ORDERED, Operand((5,), values=[-2.0, 0.0, 0.0, 1.0, 3.0]), right=True, dtypes=NUMBERS),
        Sample(_ORDERED, 0, side="right", dtypes=NUMBERS),
        Sample(_ORDERED, Operand((4,)), out_int32=True, dtypes=NUMBERS),
        Sample(Operand((2, 3), values=[[0, 1, 2], [-1, 0, 5]]), Operand((2, 4), -2, 3), dtypes=NUMBERS),
        Sample(Operand((2, 1, 2), values=[[[0, 1]], [[1, 1]]]), Operand((2, 1, 3)), side="right", dtypes=NUMBERS),
        Sample(
            Operand((3,), values=[2, 0, 1]),
            Operand((4,)),
            sorter=Operand((3,), dtype="int64", values=[1, 2, 0]),
            dtypes=NUMBERS,
        ),
        Sample(Operand((0,)), Operand((3,))),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "must agree", Operand((2,)), Operand((2,)), side="left", right=True),
        ErrorSample(ArgumentError, "side must be", Operand((2,)), Operand((2,)), side="up"),
        ErrorSample(ShapeError, "all sizes but the last", Operand((2, 3)), Operand((3, 2))),
        ErrorSample(ShapeError, "at least 1 dim", Operand(()), Operand((3,))),
    ],
    reference=_search_reference,
    tolerance="exact",
)
def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | Number,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where each value of `input` would be inserted to keep the sequences in order.

    Args:
        sorted_sequence: any real dtype, shape (n), or (*, n): one ascending sequence for each row of `input`.
        input: any real dtype, any shape for one sequence, else (*, m); or a number.
        out_int32: give int32.
        right: insert behind equal values, not before them.
        side: "left" or "right": another spelling of `right`.
        sorter: int64, shape of `sorted_sequence`: indices that sort it, when it is not in order itself.

    Returns:
        int64 (int32 with `out_int32`), the shape of `input`; from 0 to n.

    Raises:
        ArgumentError: `side` is unknown or contradicts `right`.
        ShapeError: sizes before the last differ, or `sorted_sequence` is 0-d.

    Example:
        >>> cb.searchsorted(cb.tensor([1.0, 3.0, 5.0]), cb.tensor([0.0, 3.0, 9.0]))
        tensor([0, 1, 3])
    """
    ...


def _bucketize_shape(input: Any, boundaries: Any, out_int32: bool, right: bool) -> Shape:
    if boundaries.dim() != 1:
        raise ShapeError(f"bucketize: boundaries must have 1 dim, got shape {tuple(boundaries.shape)}")
    return tuple(input.shape) if isinstance(input, Tensor) else ()


@op(
    dtype=_search_dtype,
    shape=_bucketize_shape,
    grad="none: results are indices",
    samples=lambda: [
        *[Sample(Operand(shape, -3, 4), _ORDERED, dtypes=NUMBERS) for shape in ((), (7,), (2, 3), (0,))],
        Sample(Operand((3,), values=[0.0, 1.0, 3.0]), _ORDERED, right=True, dtypes=NUMBERS),
        Sample(Operand((3,)), _ORDERED, out_int32=True, dtypes=NUMBERS),
        Sample(0, _ORDERED, dtypes=NUMBERS),
    ],
    errors=lambda: [ErrorSample(ShapeError, "boundaries must have 1 dim", Operand((2,)), Operand((2, 2)))],
    reference=lambda input, boundaries, *, out_int32=False, right=False: np.searchsorted(
        boundaries, input, "right" if right else "left"
    ),
    tolerance="exact",
)
def bucketize(input: Tensor | Number, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Index of the bucket between ascending boundaries that each value falls into.

    Args:
        input: any real dtype, shape (*); or a number.
        boundaries: any real dtype, shape (n), ascending.
        out_int32: give int32.
        right: buckets hold their left boundary, not their right one.

    Returns:
        int64 (int32 with `out_int32`), shape (*); from 0 to n.

    Raises:
        ShapeError: `boundaries` is not 1-d.

    Example:
        >>> cb.bucketize(cb.tensor([0.0, 3.0, 9.0]), cb.tensor([1.0, 3.0, 5.0]))
        tensor([0, 1, 3])
    """
    _bucketize_shape(input, boundaries, out_int32, right)
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


# -- distinct values -------------------------------------------------------------------------------------------------


def _marks(different: Tensor) -> Tensor:
    """True at the first element of each run, from whether each element but the first differs from the one before."""
    from ._names import cat, ones

    return cat([ones(1, dtype=_dtype.bool_, device=different.device), different])


def _distinct(
    source: Tensor,
    order: Tensor | None,
    first: Tensor,
    dim: int,
    inverse: bool,
    counts: bool,
    shape: Shape,
) -> Any:
    """The results of `unique`: elements of `source` where a run starts, where each element went, and run lengths."""
    from ._names import arange, cat, cumsum, diff, full

    count = first.shape[0]
    starts = arange(count, device=source.device).masked_select(first)
    results = [source.index_select(dim, starts)]
    if inverse:
        group = cumsum(first, 0) - 1
        if order is not None:
            group = group.scatter(0, order, group)
        results.append(group.reshape(shape))
    if counts:
        end = full((1,), count, dtype=_dtype.int64, device=source.device)
        results.append(diff(cat([starts, end])) if count else starts)
    return results[0] if len(results) == 1 else tuple(results)


def _rows(input: Tensor, dim: int) -> Tensor:
    """Slices along `dim` as rows of a matrix."""
    return input.movedim(dim, 0).reshape(input.shape[dim], math.prod(input.shape) // max(input.shape[dim], 1))


def _row_order(rows: Tensor) -> Tensor:
    """Indices that sort the rows of a matrix, its first column deciding first: one stable sort a column, last first."""
    from ._names import arange

    order = arange(rows.shape[0], device=rows.device)
    for column in reversed(range(rows.shape[1])):
        order = order.index_select(0, argsort(rows.select(1, column).index_select(0, order), stable=True))
    return order


def _first_of_rows(rows: Tensor) -> Tensor:
    count = rows.shape[0]
    if not count:
        return (rows != rows).any(1)
    return _marks((rows.narrow(0, 1, count - 1) != rows.narrow(0, 0, count - 1)).any(1))


def _unique(name: str, input: Tensor, ordered: bool, inverse: bool, counts: bool, dim: int | None) -> Any:
    source = input.detach()
    if dim is None:
        source, along, shape = source.reshape(-1), 0, tuple(input.shape)
    else:
        along = normalize_dim(name, dim, input.dim())
        source = source if input.dim() else source.reshape(1)
        shape = (source.shape[along],)
    order = None
    if ordered:
        order = argsort(source, stable=True) if source.dim() == 1 else _row_order(_rows(source, along))
        source = source.index_select(along, order)
    return _distinct(source, order, _first_of_rows(_rows(source, along)), along, inverse, counts, shape)


def _unique_reference(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    values, inverse, counts = np.unique(input, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    results = [values]
    if return_inverse:
        results.append(inverse.reshape(input.shape if dim is None else -1))
    if return_counts:
        results.append(counts)
    return results[0] if len(results) == 1 else tuple(results)


@op(
    grad="none: the number of results depends on the values",
    samples=lambda: [
        *[Sample(Operand(shape, -3, 3)) for shape in ((7,), (2, 3), (), (0,), (1,))],
        Sample(Operand((3, 67), -3, 3), return_inverse=True),
        Sample(Operand((7,), -3, 3), True, True, True),
        Sample(Operand((2, 3), -1, 1), return_counts=True),
        Sample(Operand((4, 2), values=[[1, 2], [0, 3], [1, 2], [0, 1]]), True, True, True, 0),
        Sample(Operand((2, 4), values=[[1, 0, 1, 0], [2, 3, 2, 1]]), return_inverse=True, dim=1),
        Sample(Operand((3,), values=[np.nan, 1.0, np.nan]), return_counts=True, dtypes=samples.SPECIAL_DTYPES),
    ],
    errors=lambda: [ErrorSample(IndexError, "unique: dim must be in", Operand((2, 3)), dim=2)],
    reference=_unique_reference,
    tolerance="exact",
)
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Distinct elements, or distinct slices along `dim`, in ascending order. Each nan is distinct from all others.

    Args:
        input: any real dtype that computes, shape (*).
        sorted: kept for its place: results are always sorted.
        return_inverse: give for each element the index of its value among the results.
        return_counts: give how often each value occurs.
        dim: compare whole slices along this dim; None compares elements.

    Returns:
        Values, of shape (n), or of `input`'s with `dim` n; then, where asked for, int64 inverse indices, of shape (*)
        or the size of `dim`; then int64 counts of shape (n). The number of distinct values depends on the data.

    Raises:
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.unique(cb.tensor([3, 1, 3, 2]), return_counts=True)
        (tensor([1, 2, 3]), tensor([1, 1, 2]))
    """
    return _unique("unique", input, True, return_inverse, return_counts, dim)


def _consecutive_reference(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    rows = input.reshape(-1, 1) if dim is None else np.moveaxis(input, dim, 0).reshape(input.shape[dim], -1)
    starts = [i for i in range(len(rows)) if i == 0 or (rows[i] != rows[i - 1]).any()]
    results = [np.take(input.reshape(-1) if dim is None else input, np.array(starts, np.int64), dim or 0)]
    if return_inverse:
        group = np.array([np.searchsorted(starts, i, "right") - 1 for i in range(len(rows))], np.int64)
        results.append(group.reshape(input.shape if dim is None else -1))
    if return_counts:
        results.append(np.diff([*starts, len(rows)]) if starts else np.zeros(0, np.int64))
    return results[0] if len(results) == 1 else tuple(results)


@op(
    grad="none: the number of results depends on the values",
    samples=lambda: [
        *[Sample(Operand(shape, -1, 1, dtype="int64")) for shape in ((7,), (2, 3), (), (0,), (1,))],
        Sample(Operand((7,), values=[1, 1, 2, 2, 2, 1, 3]), True, True),
        Sample(Operand((3, 2), values=[[1, 2], [1, 2], [0, 3]]), True, True, 0),
        Sample(Operand((2, 3), values=[[1, 1, 0], [2, 2, 2]]), return_counts=True, dim=-1),
    ],
    reference=_consecutive_reference,
    tolerance="exact",
)
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal elements, or of equal slices along `dim`.

    Args:
        input: any dtype that computes, shape (*).
        return_inverse: give for each element the index of its run.
        return_counts: give the length of each run.
        dim: compare whole slices along this dim; None compares elements in row-major order.

    Returns:
        Values, of shape (n), or of `input`'s with `dim` n; then, where asked for, int64 inverse indices, of shape (*)
        or the size of `dim`; then int64 counts of shape (n).

    Raises:
        DimError: `dim` is out of range.

    Example:
        >>> cb.unique_consecutive(cb.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    return _unique("unique_consecutive", input, False, return_inverse, return_counts, dim)


# -- counting --------------------------------------------------------------------------------------------------------


def _bincount_reference(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    return np.bincount(input, weights, minlength)


@op(
    grad="none: results are counts",
    samples=lambda: [
        Sample(Operand((7,), dtype="int64", values=[1, 3, 3, 0, 5, 1, 1]), dtypes=("int64",)),
        Sample(Operand((4,), dtype="int32", values=[1, 3, 3, 0]), minlength=6, dtypes=("int64",)),
        Sample(Operand((4,), dtype="int64", values=[1, 3, 3, 0]), Operand((4,)), dtypes=("float32", "float64")),
        Sample(Operand((0,), dtype="int64"), dtypes=("int64",)),
        Sample(Operand((0,), dtype="int64"), minlength=3, dtypes=("int64",)),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "must not be negative", Operand((2,), values=[1, -1]), dtype="int64"),
        ErrorSample(ShapeError, "input must have 1 dim", Operand((2, 2)), dtype="int64"),
        ErrorSample(ArgumentError, "minlength", Operand((2,), 0, 3), minlength=-1, dtype="int64"),
        ErrorSample(ShapeError, "weights must have", Operand((2,), 0, 3), Operand((3,)), dtype="int64"),
        ErrorSample(DTypeError, "bincount: input must be of integers", Operand((2,))),
    ],
    reference=_bincount_reference,
    tolerance="accumulation",
)
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each non-negative integer occurs, or the sum of the weights where it does.

    Args:
        input: an integer dtype, shape (n); no negative values.
        weights: shape (n): what each element counts for; 1 when None.
        minlength: smallest length of the result.

    Returns:
        Shape (max(largest element + 1, minlength)): int64 counts; with weights float32 sums for float32 weights, else
        float64.

    Raises:
        DTypeError: `input` is not of integers.
        ArgumentError: an element or `minlength` is negative.
        ShapeError: `input` is not 1-d, or `weights` has another shape.

    Example:
        >>> cb.bincount(cb.tensor([0, 2, 2]))
        tensor([1, 0, 2])
    """
    from ._names import ones, zeros
    from .extremes import amax, amin

    if input.dtype.category != 1:
        raise DTypeError(
            f"bincount: input must be of integers, got {input.dtype.name}; convert with .to(candelabra.int64)"
        )
    if input.dim() != 1:
        raise ShapeError(f"bincount: input must have 1 dim, got shape {tuple(input.shape)}")
    if minlength < 0:
        raise ArgumentError(f"bincount: minlength must not be negative, got minlength={minlength}")
    if weights is not None and tuple(weights.shape) != tuple(input.shape):
        raise ShapeError(
            f"bincount: weights must have the shape of input, got {tuple(weights.shape)} for {tuple(input.shape)}"
        )
    length = minlength
    if input.numel():
        if amin(input).item() < 0:
            raise ArgumentError(f"bincount: elements must not be negative, got {amin(input).item()}")
        length = max(length, amax(input).item() + 1)
    if weights is None:
        weights = ones(input.shape, dtype=_dtype.int64, device=input.device)
    elif weights.dtype is not _dtype.float32:
        weights = weights.to(_dtype.float64)
    total = zeros(length, dtype=weights.dtype, device=input.device)
    return total.scatter_add(0, input.to(_dtype.int64), weights.detach())


def _bin_range(name: str, flat: Tensor, low: float, high: float, margin: float) -> tuple[float, float]:
    """The range of a histogram: that of the data where the bounds are equal, wider by `margin` where that is one point.

    Raises:
        ArgumentError: the bounds are in the wrong order, or the data's range is not finite.
    """
    from .extremes import amax, amin

    if low > high:
        raise ArgumentError(f"{name}: max must not be below min, got min={low} and max={high}")
    if low == high and flat.numel():
        low, high = float(amin(flat).item()), float(amax(flat).item())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArgumentError(f"{name}: range of the data must be finite, got {low} to {high}; give the bounds")
    return (low - margin, high + margin) if low == high else (low, high)


def _checked_bins(name: str, bins: Any) -> int:
    if not hasattr(bins, "__index__"):
        raise CallError(f"{name}: bins must be an int, got bins={bins!r}")
    bins = bins.__index__()
    if bins < 1:
        raise ArgumentError(f"{name}: bins must be positive, got bins={bins}")
    return bins


def _tally(place: Tensor, inside: Tensor, weight: Tensor, bins: int) -> Tensor:
    """Weights added up by bin; elements outside go into one bin more, which is cut off."""
    from ._names import where, zeros

    total = zeros(bins + 1, dtype=weight.dtype, device=weight.device)
    return total.scatter_add(0, where(inside, place, bins).to(_dtype.int64), weight).narrow(0, 0, bins)


@op(
    dtype=rules.floating_only,
    shape=lambda input, bins, min, max: (_checked_bins("histc", bins),),
    grad="none: results are counts",
    samples=lambda: [
        Sample(Operand((37,)), 5),
        Sample(Operand((3, 67)), 10, -1, 1.5),
        Sample(Operand((5,), values=[0.0, 1.0, 2.0, 3.0, 3.0]), 3),
        Sample(Operand((2,), values=[1.0, 1.0]), 3),
        Sample(Operand((0,)), 3),
        Sample(
            Operand((3,), values=[1.0, np.nan, 3.0]), 3, 0, 6, special=[1.0, 1.0, 0.0], dtypes=samples.SPECIAL_DTYPES
        ),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "bins must be positive", Operand((2,)), 0),
        ErrorSample(CallError, "bins must be an int", Operand((2,)), 1.5),
        ErrorSample(CallError, "bins must be an int", Operand((2,)), "a"),
        ErrorSample(CallError, "min must be a number", Operand((2,)), 3, "a", 1),
        ErrorSample(CallError, "min must be a number", Operand((2,)), 3, None, 1),
        ErrorSample(ArgumentError, "max must not be below min", Operand((2,)), 3, 2, 1),
        ErrorSample(ArgumentError, "must be finite", Operand((2,), values=[1.0, np.nan]), 3),
    ],
    reference=lambda input, bins=100, min=0, max=0: _histc_reference(input, bins, min, max),
    tolerance="exact",
)
def histc(input: Tensor, bins: int = 100, min: Number = 0, max: Number = 0) -> Tensor:
    """Counts of elements in `bins` equal intervals; the last one holds its upper bound too.

    Args:
        input: floating, shape (*); nan and what lies outside the range are not counted.
        bins: number of intervals.
        min, max: range covered; that of the data when both are equal.

    Returns:
        Shape (bins), the dtype of `input`.

    Raises:
        ArgumentError: `bins` is not positive, `max` is below `min`, or the data's range is not finite.
        DTypeError: `input` is not floating.

    Example:
        >>> cb.histc(cb.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    from ._names import ones

    bins = _checked_bins("histc", bins)
    flat = input.detach().reshape(-1)
    low, high = _bin_range("histc", flat, float(min), float(max), 1.0)  # type: ignore[arg-type]
    inside = (flat >= low).logical_and(flat <= high)
    place = ((flat - low) / (high - low) * bins).floor().clamp(max=bins - 1)
    weight = ones(flat.shape, dtype=_dtype.int64, device=flat.device)
    return _tally(place, inside, weight, bins).to(input.dtype)


def _histc_reference(input: Any, bins: int, low: float, high: float) -> Any:
    flat = input.reshape(-1)
    if low == high:
        low, high = (flat.min(), flat.max()) if flat.size else (0, 1)
    if low == high:
        low, high = low - 1, high + 1
    return np.histogram(flat, bins, (low, high))[0]


def _histogram_reference(input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    if isinstance(bins, int):  # edges where `linspace` has them
        low, high = (input.min(), input.max()) if range is None else range
        bins = spaced(np, (bins + 1,), *((low - 0.5, high + 0.5) if low == high else (low, high)), _dtype.float64)
    return np.histogram(input, bins, density=density, weights=weight)


@named("hist", "bin_edges")
@op(
    grad="none: results are counts",
    samples=lambda: [
        Sample(Operand((37,)), 5, dtypes=("float32", "float64")),
        Sample(Operand((37,)), Operand((4,), values=[-1.0, 0.0, 0.5, 1.0]), dtypes=("float32", "float64")),
        Sample(Operand((3, 7)), 4, range=(-1.0, 1.0), weight=Operand((3, 7), 0, 1), dtypes=("float32", "float64")),
        Sample(Operand((37,)), 5, range=(-1.0, 1.5), density=True, dtypes=("float32", "float64")),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "bins must be positive", Operand((2,)), 0),
        ErrorSample(ShapeError, "weight must have", Operand((2,)), 2, weight=Operand((3,))),
    ],
    reference=_histogram_reference,
    tolerance="accumulation",
)
def histogram(
    input: Tensor,
    bins: int | Tensor,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> tuple[Tensor, Tensor]:
    """Counts of elements, or sums of their weights, between the edges of bins; the last bin holds its upper edge too.

    Args:
        input: floating, shape (*).
        bins: number of equal bins, or their ascending edges, shape (n + 1).
        range: (lowest, highest) edge for a number of bins; that of the data when None.
        weight: shape (*): what each element counts for; 1 when None.
        density: divide by the total and by each bin's width, so that the integral is 1.

    Returns:
        Named results `hist`, shape (n), and `bin_edges`, shape (n + 1), of the dtype of `input`.

    Raises:
        ArgumentError: `bins` is not positive, or the data's range is not finite.
        ShapeError: `weight` has another shape than `input`.
        DTypeError: `input` is not floating.

    Example:
        >>> cb.histogram(cb.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0)).hist
        tensor([2., 1.])
    """
    from ._names import diff, linspace, ones_like

    rules.floating_only("histogram", input.dtype, (input,))
    if weight is not None and tuple(weight.shape) != tuple(input.shape):
        raise ShapeError(
            f"histogram: weight must have the shape of input, got {tuple(weight.shape)} for {tuple(input.shape)}"
        )
    flat = input.detach().reshape(-1)
    if isinstance(bins, Tensor):
        edges = bins.detach().to(input.dtype)
    else:
        low, high = (0.0, 0.0) if range is None else range
        low, high = _bin_range("histogram", flat, low, high, 0.5)
        edges = linspace(low, high, _checked_bins("histogram", bins) + 1, dtype=input.dtype, device=input.device)
    count = edges.shape[0] - 1
    inside = (flat >= edges.narrow(0, 0, 1)).logical_and(flat <= edges.narrow(0, count, 1))
    place = (searchsorted(edges, flat, right=True) - 1).clamp(max=count - 1)
    amounts = ones_like(flat) if weight is None else weight.detach().reshape(-1).to(input.dtype)
    total = _tally(place, inside, amounts, count)
    return (total / total.sum() / diff(edges) if density else total), edges
