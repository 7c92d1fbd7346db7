# SPDX-License-Identifier: Apache-2.0
"""Elements chosen by rank: the largest k, the k-th, medians, modes and quantiles.

All rest on `sort`, so nan is the largest value; gradients go to the elements chosen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import ArgumentError, DimError, DTypeError, ShapeError
from .._shape import Shape, normalize_dim, reduced_shape
from ..op import Number, op, rules
from ..op._named import named
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .reduction import along_one_dim, one_dim, place_along, refuse_empty, unreduce
from .sorting import NUMBERS, reference_sort, sort

__all__ = ["kthvalue", "median", "mode", "nanmedian", "nanquantile", "quantile", "topk"]


def _size(input: Any, dim: int) -> int:
    """Size of a dim; 1 for a 0-d tensor."""
    return input.shape[dim] if input.dim() else 1


# -- by rank ---------------------------------------------------------------------------------------------------------


def _front_topk(input: Tensor, k: int, dim: int, largest: bool, sorted: bool) -> tuple[Any, ...]:
    return input, k.__index__(), normalize_dim("topk", dim, input.dim()), bool(largest), bool(sorted)


def _topk_shapes(input: Any, k: int, dim: int, largest: bool, sorted: bool) -> list[Shape]:
    size = _size(input, dim)
    if not 0 <= k <= size:
        raise ArgumentError(f"topk: k must be in [0, {size}], got k={k} for dim={dim} of size {size}")
    shape = tuple(k if i == dim else s for i, s in enumerate(input.shape))
    return [shape, shape]


def _reference_topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    if not input.ndim:
        return input, np.zeros((), np.int64)
    values, order = reference_sort(input, dim, largest)
    return np.take(values, np.arange(k), dim), np.take(order, np.arange(k), dim)


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=_topk_shapes,
    front=_front_topk,
    samples=lambda: [
        *[
            Sample(Operand(shape, distinct=True), k, dim, dtypes=NUMBERS)
            for shape, k, dim in (
                ((5,), 2, -1),
                ((5,), 5, 0),
                ((5,), 0, 0),
                ((2, 3), 1, 0),
                ((2, 3, 4), 2, 1),
                ((3, 67), 4, 1),
            )
        ],
        Sample(Operand((7,), distinct=True), 3, largest=False, dtypes=NUMBERS),
        Sample(Operand((3, 300), distinct=True), 5, -1, False, dtypes=NUMBERS),
        Sample(Operand((300, 2), distinct=True), 5, 0, True, dtypes=NUMBERS),
        Sample(Operand(()), 1),
        Sample(Operand((0, 3)), 2, dtypes=NUMBERS),
        Sample(
            Operand((4,), values=[1.0, np.nan, np.inf, 0.0]),
            2,
            special=([np.nan, np.inf], [1, 2]),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "topk: k must be in [0, 3], got k=4", Operand((3,)), 4),
        ErrorSample(ArgumentError, "topk: k must be", Operand((3,)), -1),
        ErrorSample(DimError, "topk: dim must be in", Operand((3,)), 1, 1),
        ErrorSample(DTypeError, "no order", Operand((3,)), 1, dtype="complex64"),
    ],
    reference=_reference_topk,
    tolerance="exact",
)
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest (or smallest) elements along `dim` and their indices.

    Args:
        input: any real dtype that computes, shape (*).
        k: how many.
        dim: the dim to choose along.
        largest: choose the largest, else the smallest.
        sorted: give them in order; else their order is unspecified.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) with size k in `dim`.

    Raises:
        ArgumentError: `k` is negative or larger than the size of `dim`.
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.topk(cb.tensor([3.0, 1.0, 2.0]), 2).values
        tensor([3., 2.])
    """
    along = normalize_dim("topk", dim, input.dim())
    _topk_shapes(input, k, along, largest, sorted)
    values, indices = sort(input, along, largest)
    if not input.dim():
        return values, indices
    return values.narrow(along, 0, k), indices.narrow(along, 0, k)


def _topk_grad(grad: Any, out: Any, input_shape: Shape, dim: int) -> Tensor:
    return place_along(grad[0], out[1], dim, input_shape)


topk.vjp(input=_topk_grad)


def _kth_shapes(input: Any, k: int, dim: int, keepdim: bool) -> list[Shape]:
    size = _size(input, dim)
    if not 1 <= k <= size:
        raise ArgumentError(f"kthvalue: k must be in [1, {size}], got k={k} for dim={dim} of size {size}")
    return along_one_dim(input, dim, keepdim)


def _reference_kth(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    order = np.argsort(input, axis=dim, kind="stable") if input.ndim else np.zeros((), np.int64)
    if not input.ndim:
        return input, order
    order = np.take(order, [k - 1], dim)
    found = np.take_along_axis(input, order, dim)
    return (found, order) if keepdim else (found.squeeze(dim), order.squeeze(dim))


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=_kth_shapes,
    front=lambda input, k, dim, keepdim: (input, k, normalize_dim("kthvalue", dim, input.dim()), bool(keepdim)),
    samples=lambda: [
        *[
            Sample(Operand(shape, distinct=True), k, dim, dtypes=NUMBERS)
            for shape, k, dim in (
                ((5,), 2, -1),
                ((5,), 5, 0),
                ((2, 3), 1, 0),
                ((2, 3, 4), 2, 1),
                ((3, 67), 40, 1),
                ((), 1, 0),
            )
        ],
        Sample(Operand((2, 3), distinct=True), 2, 1, True, dtypes=NUMBERS),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "kthvalue: k must be in [1, 3], got k=4", Operand((3,)), 4),
        ErrorSample(ArgumentError, "kthvalue: k must be", Operand((3,)), 0),
        ErrorSample(DimError, "kthvalue: dim must be in", Operand((3,)), 1, 1),
    ],
    reference=_reference_kth,
    tolerance="exact",
)
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The `k`-th smallest element along `dim` and its index.

    Args:
        input: any real dtype that computes, shape (*).
        k: rank, counted from 1.
        dim: the dim to choose along.
        keepdim: keep it with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        ArgumentError: `k` is below 1 or larger than the size of `dim`.
        DimError: `dim` is out of range.
        DTypeError: `input` is complex.

    Example:
        >>> cb.kthvalue(cb.tensor([3.0, 1.0, 2.0]), 2).values
        tensor(2.)
    """
    along = normalize_dim("kthvalue", dim, input.dim())
    _kth_shapes(input, k, along, keepdim)
    values, indices = sort(input, along, stable=True)
    return _one(values, indices, None, along, keepdim, k - 1)


def _one(values: Tensor, indices: Tensor, place: Tensor | None, dim: int, keepdim: bool, rank: int = 0) -> Any:
    """One element a row of sorted values: at `rank`, or where `place` says, with size 1 in `dim`."""
    if not values.dim():
        return values, indices
    if place is not None:
        values, indices = values.gather(dim, place), indices.gather(dim, place)
    else:
        values, indices = values.narrow(dim, rank, 1), indices.narrow(dim, rank, 1)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


# -- medians and modes -----------------------------------------------------------------------------------------------


def _median_shapes(op_name: str) -> Any:
    def rule(input: Any, dim: int, keepdim: bool) -> list[Shape]:
        if input.dim():
            refuse_empty(op_name, input, (dim,))
        return along_one_dim(input, dim, keepdim)

    return rule


def _median_along(op_name: str, input: Tensor, dim: int, keepdim: bool, skip_nan: bool) -> Any:
    from ._names import isnan, where

    along = normalize_dim(op_name, dim, input.dim())
    _median_shapes(op_name)(input, along, keepdim)
    values, indices = sort(input, along, stable=True)
    size = _size(input, along)
    if input.dtype.category < 2:
        return _one(values, indices, None, along, keepdim, (size - 1) // 2)
    missing = isnan(input).sum(along, keepdim=True)  # nan stands last
    place = (size - 1 - missing).clamp(min=0) // 2 if skip_nan else where(missing > 0, size - missing, (size - 1) // 2)
    return _one(values, indices, place, along, keepdim)


def _reference_median(input: Any, dim: int, keepdim: bool = False, skip_nan: bool = False) -> Any:
    if not input.ndim:
        return input, np.zeros((), np.int64)
    order = np.argsort(input, axis=dim, kind="stable")  # nan stands last
    size = input.shape[dim]
    missing = (input != input).sum(dim, keepdims=True)
    middle = (np.maximum(size - missing, 1) - 1) // 2
    place = middle if skip_nan else np.where(missing > 0, size - missing, middle)
    index = np.take_along_axis(order, place, dim)
    found = np.take_along_axis(input, index, dim)
    return (found, index) if keepdim else (found.squeeze(dim), index.squeeze(dim))


def _reference_nanmedian(input: Any, dim: int, keepdim: bool = False) -> Any:
    return _reference_median(input, dim, keepdim, skip_nan=True)


def _median_samples(special: Any) -> list[Sample]:
    return [
        *[
            Sample(Operand(shape, distinct=True), dim, dtypes=NUMBERS)
            for shape, dim in (((5,), 0), ((6,), -1), ((2, 3), 0), ((2, 3, 4), 1), ((), 0), ((3, 67), 1), ((3, 0), 0))
        ],
        Sample(Operand((2, 3), distinct=True), 1, True, dtypes=NUMBERS),
        Sample(
            Operand((5,), values=[1.0, np.nan, 0.0, np.nan, 2.0]),
            0,
            special=special,
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ]


def _median_errors(op_name: str) -> Any:
    return lambda: [
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements", Operand((0, 3)), 0),
        ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2,)), 1),
    ]


@named("values", "indices", name="median")
@op(
    dtype=rules.with_index,
    shape=_median_shapes("median"),
    front=one_dim("median"),
    method=False,
    samples=lambda: _median_samples((np.nan, 1)),
    errors=_median_errors("median"),
    reference=_reference_median,
    tolerance="exact",
)
def median_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Medians along `dim` and their indices: `median` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep it with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements.

    Example:
        >>> cb.median(cb.tensor([3.0, 1.0, 2.0]), 0).indices
        tensor(2)
    """
    return _median_along("median", input, dim, keepdim, skip_nan=False)


@named("values", "indices", name="nanmedian")
@op(
    dtype=rules.with_index,
    shape=_median_shapes("nanmedian"),
    front=one_dim("nanmedian"),
    method=False,
    samples=lambda: _median_samples((1.0, 0)),
    errors=_median_errors("nanmedian"),
    reference=_reference_nanmedian,
    tolerance="exact",
)
def nanmedian_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Medians along `dim` of the elements that are not nan, and their indices: `nanmedian` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep it with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`; nan where no element is left.

    Raises:
        DimError: `dim` is out of range, or has no elements.

    Example:
        >>> cb.nanmedian(cb.tensor([3.0, 1.0, float("nan")]), 0).values
        tensor(1.)
    """
    return _median_along("nanmedian", input, dim, keepdim, skip_nan=True)


def _median_of_all(op_name: str, input: Tensor, along: Any) -> Tensor:
    from ._names import full

    if input.numel():
        return along(input.reshape(-1), 0)[0]
    if input.dtype.category < 2:
        raise DimError(f"{op_name}: integers have no median of no elements, got shape {tuple(input.shape)}")
    return full((), math.nan, dtype=input.dtype, device=input.device)


def _all_samples() -> list[Sample]:
    return [
        *[Sample(Operand(shape, distinct=True), dtypes=NUMBERS) for shape in ((5,), (6,), (2, 3), (), (3, 67))],
        Sample(Operand((0,)), special=np.nan, dtypes=samples.SPECIAL_DTYPES, grad=False),
        Sample(Operand((4,), values=[1.0, 2.0, 2.0, 3.0]), grad=False),
    ]


def _reference_of_all(reference: Any) -> Any:
    return lambda input: reference(input.reshape(-1), 0)[0]


@op(
    dtype=rules.real,
    shape=lambda input: (),
    method=False,
    samples=_all_samples,
    errors=lambda: [ErrorSample(DimError, "median: integers have no median", Operand((0,)), dtype="int64")],
    reference=_reference_of_all(_reference_median),
    tolerance="exact",
)
def median_all(input: Tensor) -> Tensor:
    """Median of all elements: `median` without a dim.

    Args:
        input: any real dtype that computes, shape (*).

    Returns:
        0-d, the dtype of `input`; nan where there is one, and over no elements.

    Raises:
        DimError: `input` is of integers and has no elements.

    Example:
        >>> cb.median(cb.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    return _median_of_all("median", input, median_dim)


@op(
    dtype=rules.real,
    shape=lambda input: (),
    method=False,
    samples=_all_samples,
    errors=lambda: [ErrorSample(DimError, "nanmedian: integers have no median", Operand((0,)), dtype="int64")],
    reference=_reference_of_all(_reference_nanmedian),
    tolerance="exact",
)
def nanmedian_all(input: Tensor) -> Tensor:
    """Median of all elements that are not nan: `nanmedian` without a dim.

    Args:
        input: any real dtype that computes, shape (*).

    Returns:
        0-d, the dtype of `input`; nan where no element is left.

    Raises:
        DimError: `input` is of integers and has no elements.

    Example:
        >>> cb.nanmedian(cb.tensor([3.0, 1.0, float("nan")]))
        tensor(1.)
    """
    return _median_of_all("nanmedian", input, nanmedian_dim)


def _tied_grad(grad: Tensor, input: Tensor, out: Tensor) -> Tensor:
    """Equal shares for all elements that equal the median, as in PyTorch."""
    from ._names import isnan, where

    ties = where(isnan(out), isnan(input), input == out).to(grad.dtype)
    return unreduce(grad, tuple(input.shape), (), False) * (ties / ties.sum())


median_all.vjp(input=_tied_grad)
nanmedian_all.vjp(input=_tied_grad)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Median of all elements, or medians along `dim` with their indices; the lower of two middle elements.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; all elements when None.
        keepdim: keep it with size 1.
        out: (values, indices) to write into, with a dim.

    Returns:
        A 0-d tensor; with `dim` named results `values` and int64 `indices`. nan where there is one. Without `dim` the
        gradient is shared by elements that equal the median, with `dim` it goes to the index.

    Raises:
        DimError: `dim` is out of range or has no elements, or `input` is of integers and empty.
        DTypeError: `input` is complex.

    Example:
        >>> cb.median(cb.tensor([3.0, 1.0, 2.0, 4.0]))
        tensor(2.)
    """
    if dim is None:
        return median_all(input)
    return median_dim(input, dim, keepdim) if out is None else median_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg]


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """As `median`, of the elements that are not nan.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; all elements when None.
        keepdim: keep it with size 1.
        out: (values, indices) to write into, with a dim.

    Returns:
        A 0-d tensor; with `dim` named results `values` and int64 `indices`. nan where no element is left.

    Raises:
        DimError: `dim` is out of range or has no elements, or `input` is of integers and empty.
        DTypeError: `input` is complex.

    Example:
        >>> cb.nanmedian(cb.tensor([3.0, 1.0, float("nan")]))
        tensor(1.)
    """
    if dim is None:
        return nanmedian_all(input)
    return nanmedian_dim(input, dim, keepdim) if out is None else nanmedian_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg]


def _reference_mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    if not input.ndim:
        return input, np.zeros((), np.int64)

    def last_of_most(row: Any) -> int:
        values, counts = np.unique(row, return_counts=True)
        return int(np.flatnonzero(row == values[counts.argmax()])[-1])

    index = np.apply_along_axis(last_of_most, dim, input)
    index = np.expand_dims(index, dim)
    found = np.take_along_axis(input, index, dim)
    return (found, index) if keepdim else (found.squeeze(dim), index.squeeze(dim))


@named("values", "indices")
@op(
    dtype=rules.with_index,
    shape=_median_shapes("mode"),
    front=one_dim("mode"),
    samples=lambda: [
        Sample(Operand((6,), values=[2, 1, 2, 1, 3, 0]), grad=False),
        Sample(Operand((2, 3), values=[[1, 1, 0], [1, 0, 0]]), 1, True, grad=False),
        Sample(Operand((3, 2), values=[[1, 1], [0, 0], [1, 0]]), 0, grad=False),
        Sample(Operand((7,), distinct=True), dtypes=NUMBERS),
        Sample(Operand((3, 67), -3, 3, dtype="int64"), 1),
        Sample(Operand(())),
    ],
    errors=_median_errors("mode"),
    reference=_reference_mode,
    tolerance="exact",
)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The most frequent element along `dim`, the smallest of several, and the index of its last occurrence.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep it with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements.
        DTypeError: `input` is complex.

    Example:
        >>> cb.mode(cb.tensor([2, 1, 2, 3])).values
        tensor(2)
    """
    from ._names import arange, cat, cummax, ones_like, where

    along = normalize_dim("mode", dim, input.dim())
    _median_shapes("mode")(input, along, keepdim)
    values, indices = sort(input, along, stable=True)
    if not input.dim():
        return values, indices
    size = input.shape[along]
    position = arange(size, device=input.device).reshape([size if i == along else 1 for i in range(input.dim())])
    changed = values.narrow(along, 1, size - 1) != values.narrow(along, 0, size - 1)
    first = cat([ones_like(values.narrow(along, 0, 1), dtype=_dtype.bool_), changed], along)
    start = cummax(where(first, position, 0), along)[0]  # of the run each element is in
    longest = (position - start).argmax(along, keepdim=True)  # the end of the first longest run
    return _one(values, indices, longest, along, keepdim)


# -- quantiles -------------------------------------------------------------------------------------------------------

_BETWEEN = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, input: Tensor, q: Any, interpolation: str) -> None:
    if input.dtype not in (_dtype.float32, _dtype.float64):
        raise DTypeError(f"{name}: needs float32 or float64, got {input.dtype.name}; convert with .to(dtype)")
    if interpolation not in _BETWEEN:
        raise ArgumentError(f"{name}: interpolation must be one of {', '.join(_BETWEEN)}, got {interpolation!r}")
    if input.numel() == 0:
        raise DimError(f"{name}: cannot choose among no elements, got shape {tuple(input.shape)}")
    if not isinstance(q, Tensor):
        outside = not 0 <= q <= 1
    elif q.dim() > 1:
        raise ShapeError(f"{name}: q must be a number or have at most 1 dim, got shape {tuple(q.shape)}")
    elif q.dtype is not input.dtype:
        raise DTypeError(f"{name}: q must have the dtype of input, got {q.dtype.name} for {input.dtype.name}")
    else:
        outside = not q.is_meta and not bool((q >= 0).logical_and(q <= 1).all())
    if outside:
        raise ArgumentError(f"{name}: q must be in [0, 1], got q={q!r}")


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, skip_nan: bool
) -> Tensor:
    from ._names import full, isnan, where

    _check_quantile(name, input, q, interpolation)
    along = normalize_dim(name, 0 if dim is None else dim, input.dim())
    rows = input.reshape(-1) if dim is None or not input.dim() else input.movedim(along, -1)
    values = sort(rows, -1)[0]
    size = values.shape[-1]
    missing = isnan(rows).sum(-1, keepdim=True)
    ranks = q if isinstance(q, Tensor) else full((), q, dtype=input.dtype, device=input.device)
    flat = ranks.reshape(-1).to(input.dtype)
    if skip_nan:
        last = (size - 1 - missing).clamp(min=0).to(input.dtype)
        place = (flat * last).minimum(last)  # a product rounded up would point past the end
    else:
        place = where(missing > 0, size - 1, (flat * (size - 1)).clamp(max=size - 1))  # nan stands last
    found = _between(values, place, interpolation).movedim(-1, 0)
    if keepdim:
        shape = [1] * input.dim() if dim is None else reduced_shape(tuple(input.shape), (along,), True)
        found = found.reshape([found.shape[0], *shape])
    return found if ranks.dim() else found.squeeze(0)


def _between(values: Tensor, place: Tensor, interpolation: str) -> Tensor:
    """Sorted values at fractional places along the last dim."""
    from ._names import where

    if interpolation == "nearest":
        return values.gather(-1, place.round().to(_dtype.int64))
    below = place.floor()
    if interpolation == "lower":
        return values.gather(-1, below.to(_dtype.int64))
    above = values.gather(-1, place.ceil().to(_dtype.int64))
    if interpolation == "higher":
        return above
    part = place - below
    if interpolation == "midpoint":
        part = where(part > 0, 0.5, part)
    low = values.gather(-1, below.to(_dtype.int64))
    return where(part > 0, low + (above - low) * part, low)  # infinite values have no difference


def _quantile_samples() -> list[Sample]:
    many = Operand((3,), values=[0.0, 0.3, 1.0], grad=False)
    return [
        *[Sample(Operand(shape, distinct=True), 0.3, dtypes=_WIDE) for shape in ((5,), (2, 3), (), (1,))],
        *[Sample(Operand((2, 3, 4), distinct=True), many, dim, dtypes=_WIDE) for dim in (None, 0, -1)],
        *[Sample(Operand((2, 4), distinct=True), 0.4, 1, True, interpolation=way, dtypes=_WIDE) for way in _BETWEEN],
        Sample(Operand((2, 3), distinct=True), many, keepdim=True, dtypes=_WIDE),
        Sample(Operand((3,), values=[1.0, np.inf, 2.0]), 1.0, special=np.inf, dtypes=_WIDE, grad=False),
    ]


_WIDE = ("float32", "float64")


def _quantile_errors() -> list[ErrorSample]:
    return [
        ErrorSample(ArgumentError, "q must be in [0, 1]", Operand((3,)), 1.5),
        ErrorSample(ArgumentError, "interpolation must be one of", Operand((3,)), 0.5, interpolation="cubic"),
        ErrorSample(DTypeError, "needs float32 or float64", Operand((3,)), 0.5, dtype="int64"),
        ErrorSample(DimError, "cannot choose among no elements", Operand((0,)), 0.5),
        ErrorSample(ShapeError, "at most 1 dim", Operand((3,)), Operand((1, 1), 0, 1)),
    ]


def _reference_quantile(function: Any) -> Any:
    def reference(input: Any, q: Any, dim: Any = None, keepdim: Any = False, *, interpolation: Any = "linear") -> Any:
        return function(input, q, axis=dim, keepdims=keepdim, method=interpolation)

    return reference


@op(
    samples=lambda: [
        *_quantile_samples(),
        Sample(Operand((3,), values=[1.0, np.nan, 2.0]), 0.5, special=np.nan, dtypes=_WIDE, grad=False),
    ],
    errors=_quantile_errors,
    reference=_reference_quantile(np.quantile),
)
def quantile(
    input: Tensor, q: Tensor | Number, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """Quantiles over `dim`: the values below which the fractions `q` of the elements lie.

    Args:
        input: float32 or float64, shape (*).
        q: a number in [0, 1], or a tensor of them, shape () or (n), of the dtype of `input`.
        dim: the dim to reduce; all elements when None.
        keepdim: keep it with size 1.
        interpolation: between two elements: "linear", "lower", "higher", "midpoint", or "nearest" (halves to even).

    Returns:
        Shape (*) without `dim`, after (n) for a 1-d `q`; nan where a row holds one.

    Raises:
        ArgumentError: `q` lies outside [0, 1], or `interpolation` is unknown.
        DTypeError: `input` is of another dtype, or `q` of another than `input`.
        DimError: `dim` is out of range, or there are no elements.

    Source: definition 7 of Hyndman and Fan (1996) for "linear".

    Example:
        >>> cb.quantile(cb.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
        tensor(2.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


@op(
    samples=lambda: [
        *_quantile_samples(),
        Sample(Operand((3,), values=[1.0, np.nan, 2.0]), 0.5, special=1.5, dtypes=_WIDE, grad=False),
        Sample(Operand((2,), values=[np.nan, np.nan]), 0.5, special=np.nan, dtypes=_WIDE, grad=False),
    ],
    errors=_quantile_errors,
    reference=_reference_quantile(np.nanquantile),
)
def nanquantile(
    input: Tensor, q: Tensor | Number, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """As `quantile`, of the elements that are not nan.

    Args:
        input: float32 or float64, shape (*).
        q: a number in [0, 1], or a tensor of them, shape () or (n), of the dtype of `input`.
        dim: the dim to reduce; all elements when None.
        keepdim: keep it with size 1.
        interpolation: as of `quantile`.

    Returns:
        Shape (*) without `dim`, after (n) for a 1-d `q`; nan where no element is left.

    Raises:
        ArgumentError: `q` lies outside [0, 1], or `interpolation` is unknown.
        DTypeError: `input` is of another dtype, or `q` of another than `input`.
        DimError: `dim` is out of range, or there are no elements.

    Example:
        >>> cb.nanquantile(cb.tensor([1.0, float("nan"), 2.0]), 0.5)
        tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)


Tensor.median = median
Tensor.nanmedian = nanmedian
