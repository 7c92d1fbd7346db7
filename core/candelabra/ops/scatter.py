# SPDX-License-Identifier: Apache-2.0
"""Values written or added at positions and masks, into copies; the in-place forms write over the tensor itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._dtype import bool_
from .._errors import ArgumentError, CallError, DimError, ShapeError
from .._shape import Shape, normalize_dim
from ..dispatcher._write import inplace
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .gather import cut_to, front_of_indexed, positions
from .indexing import INDEX, adding_into, into_input, put_at
from .strided import host_tensor, zeros_of

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "index_reduce",
    "put",
    "scatter",
    "scatter_add",
    "scatter_reduce",
]

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


# -- whole rows: index_add, index_copy, index_fill -------------------------------------------------------------------


def _rows_shape(name: str, input: Any, dim: int, index: Any, source: Any) -> Shape:
    shape, given = tuple(input.shape), tuple(source.shape)
    if index.dim() > 1:
        raise ShapeError(f"{name}: index must have at most 1 dim, got shape {tuple(index.shape)}")
    wanted = (*shape[:dim], index.numel(), *shape[dim + 1 :]) if shape else ()
    if given != wanted or (not shape and index.numel() != 1):
        raise ShapeError(f"{name}: source must have one row a position, got {given} for {wanted}")
    return shape


def _front_index_add(input: Tensor, dim: int, index: Any, source: Any, alpha: Number) -> tuple[Any, ...]:
    dim = normalize_dim("index_add", dim, input.dim())
    rules.check_range("index_add", "alpha", alpha, input._kind.dtype)
    return input, dim, index, source if type(alpha) is int and alpha == 1 else source * alpha


def _at_rows(array: Any, dim: int, index: Any) -> Any:
    return (slice(None),) * (dim % max(array.ndim, 1)) + (np.atleast_1d(index),) if array.ndim else ()


def _index_add_reference(input: Any, dim: int, index: Any, source: Any, alpha: Any = 1) -> Any:
    out = np.array(input)
    np.add.at(out, _at_rows(out, dim, index), (source * alpha).astype(out.dtype))
    return out


@op(
    dtype=adding_into(3),
    shape=lambda input, dim, index, source: _rows_shape("index_add", input, dim, index, source),
    front=_front_index_add,
    drops=("alpha",),
    fixed={"index": INDEX},
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), 0, positions((3,), 4), Operand((3,))),
        Sample(Operand((5, 3)), 0, positions((8,), 4), Operand((8, 3))),
        Sample(Operand((2, 5)), 1, positions((3,), 4, dtype="int32"), Operand((2, 3)), alpha=2),
        Sample(Operand((2, 5, 3)), -2, positions((7,), 4), Operand((2, 7, 3))),
        Sample(Operand((5,)), 0, positions((), 4), Operand((1,))),
        Sample(Operand((5, 2)), 0, positions((0,), 4), Operand((0, 2))),
        Sample(Operand(()), 0, positions((1,), 0), Operand(())),
        Sample(Operand((37, 17)), 0, positions((129,), 36), Operand((129, 17))),
    ],
    errors=lambda: [
        ErrorSample(
            DimError,
            "got 3 for dim 0 of size 3",
            Operand((3,)),
            0,
            Operand(values=[0, 3], dtype="int64"),
            Operand((2,)),
        ),
        ErrorSample(ShapeError, "one row a position", Operand((3, 2)), 0, positions((2,), 1), Operand((2, 1))),
    ],
    reference=_index_add_reference,
    tolerance="accumulation",
)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """A copy of `input` with `alpha` times `source` added at positions of a dim, as often as a position comes.

    Args:
        input: any dtype that computes, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, at most 1 dim; positions from 0 on.
        source: castable to the dtype of `input`, shape (*) with as many positions at `dim` as `index` has.
        alpha: factor of `source`.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `source` has another shape.

    Example:
        >>> cb.index_add(cb.zeros(3), 0, cb.tensor([1, 1]), cb.ones(2))
        tensor([0., 2., 0.])
    """
    ...


def _rows(grad: Tensor, dim: int, index: Tensor) -> Tensor:
    return grad.index_select(dim, index)


index_add.vjp(input=lambda grad: grad, source=_rows)


def _index_copy_reference(input: Any, dim: int, index: Any, source: Any) -> Any:
    out = np.array(input)
    out[_at_rows(out, dim, index)] = source
    return out


@op(
    dtype=into_input(3),
    shape=lambda input, dim, index, source: _rows_shape("index_copy", input, dim, index, source),
    front=lambda input, dim, index, source: (input, normalize_dim("index_copy", dim, input.dim()), index, source),
    fixed={"index": INDEX},
    moves_data=True,
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), 0, Operand(values=[4, 0, 1], dtype="int64"), Operand((3,))),
        Sample(Operand((2, 5, 3)), -2, Operand(values=[3, 1], dtype="int32"), Operand((2, 2, 3))),
        Sample(Operand((5,)), 0, Operand(values=2, dtype="int64"), Operand((1,))),
        Sample(Operand((5, 2)), 0, positions((0,), 4), Operand((0, 2))),
        Sample(Operand(()), 0, positions((1,), 0), Operand(())),
    ],
    errors=lambda: [
        ErrorSample(
            DimError,
            "got 3 for dim 0 of size 3",
            Operand((3,)),
            0,
            Operand(values=[0, 3], dtype="int64"),
            Operand((2,)),
        ),
        ErrorSample(ShapeError, "one row a position", Operand((3, 2)), 0, positions((2,), 1), Operand((2, 1))),
    ],
    reference=_index_copy_reference,
    tolerance="exact",
)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with `source` written at positions of a dim.

    Args:
        input: any dtype, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, at most 1 dim; positions from 0 on. Of a repeated one, one row of `source` stays.
        source: castable to the dtype of `input`, shape (*) with as many positions at `dim` as `index` has.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `source` has another shape.

    Example:
        >>> cb.index_copy(cb.zeros(3), 0, cb.tensor([2, 0]), cb.tensor([5.0, 6.0]))
        tensor([6., 0., 5.])
    """
    ...


def _fill_shape(input: Any, dim: int, index: Any, value: Any) -> Shape:
    if index.dim() > 1:
        raise ShapeError(f"index_fill: index must have at most 1 dim, got shape {tuple(index.shape)}")
    if getattr(value, "shape", ()):
        raise ShapeError(f"index_fill: value must be a number or a 0-d tensor, got shape {tuple(value.shape)}")
    return tuple(input.shape)


@op(
    dtype=into_input(3),
    shape=_fill_shape,
    front=lambda input, dim, index, value: (input, normalize_dim("index_fill", dim, input.dim()), index, value),
    fixed={"index": INDEX},
    moves_data=True,
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), 0, Operand(values=[4, 0, 4], dtype="int64"), 2),
        Sample(Operand((2, 5, 3)), -2, Operand(values=[3, -1], dtype="int32"), Operand(())),
        Sample(Operand((5, 2)), 0, positions((0,), 4), 1),
        Sample(Operand(()), 0, positions((1,), 0), 1),
    ],
    errors=lambda: [
        ErrorSample(DimError, "got 3 for dim 0 of size 3", Operand((3,)), 0, Operand(values=[0, 3], dtype="int64"), 1),
        ErrorSample(ShapeError, "0-d tensor", Operand((3,)), 0, positions((1,), 0), Operand((1,))),
        ErrorSample(ArgumentError, "does not hold", Operand((3,)), 0, positions((1,), 0), 300, dtype="int8"),
    ],
    reference=_index_copy_reference,
    tolerance="exact",
)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """A copy of `input` with one value at positions of a dim.

    Args:
        input: any dtype, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, at most 1 dim; negative positions count from the end.
        value: a number, or a 0-d tensor castable to the dtype of `input`.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ArgumentError: the dtype does not hold `value`.

    Example:
        >>> cb.index_fill(cb.zeros(3), 0, cb.tensor([0, 2]), 1)
        tensor([1., 0., 1.])
    """
    ...


index_copy.vjp(input=lambda grad, dim, index: index_fill(grad, dim, index, 0), source=_rows)
index_fill.vjp(
    input=lambda grad, dim, index: index_fill(grad, dim, index, 0),
    value=lambda grad, dim, index: grad.sum() - index_fill(grad, dim, index, 0).sum(),
)

# -- elements: scatter and its kin -----------------------------------------------------------------------------------


def _front_scatter(name: str) -> Any:
    def front(input: Tensor, dim: int, index: Any, src: Any, *rest: Any) -> tuple[Any, ...]:
        input, dim, index = front_of_indexed(name, input, dim, index)
        if isinstance(src, Tensor) and isinstance(index, Tensor) and index.dim() == src.dim():
            src = cut_to(src, tuple(index._array.shape))
        return input, dim, index, src, *rest

    return front


def _scatter_shape(name: str) -> Any:
    def rule(input: Any, dim: int, index: Any, src: Any, *rest: Any) -> Shape:
        shape, wanted = tuple(input.shape), tuple(index.shape)
        given = tuple(src.shape) if hasattr(src, "_kind") else wanted
        if index.numel() == 0:
            return shape
        fits = len(given) == len(wanted) or (len(given) <= 1 and len(wanted) <= 1 and src.numel() >= index.numel())
        if not fits or (len(given) == len(wanted) and any(g < w for g, w in zip(given, wanted, strict=True))):
            raise ShapeError(f"{name}: index must not exceed src, got {wanted} for src of {given}")
        if any(n < w for d, (n, w) in enumerate(zip(shape, wanted, strict=False)) if d != dim):
            raise ShapeError(f"{name}: index must not exceed input outside of dim {dim}, got {wanted} for {shape}")
        return shape

    return rule


def _grid(index: Any, dim: int) -> tuple[Any, ...]:
    """A NumPy key for the elements that `index` names."""
    key = list(np.indices(index.shape))
    key[dim] = index
    return tuple(key)


def _scatter_reference(combine: Any) -> Any:
    def reference(input: Any, dim: int, index: Any, src: Any) -> Any:
        out = np.array(input)
        if not index.size:
            return out
        flat = out.reshape(1) if not out.ndim else out
        index = np.atleast_1d(index)
        src = np.broadcast_to(src, index.shape) if np.ndim(src) == 0 else np.asarray(src)
        src = src[tuple(slice(n) for n in index.shape)]
        combine(flat, _grid(index, dim % flat.ndim), src)
        return flat.reshape(np.shape(input))

    return reference


def _assign(out: Any, key: Any, values: Any) -> None:
    out[key] = values


_DISTINCT = [[2, 0], [0, 1], [1, 2]]


def _scatter_samples(**kwargs: Any) -> list[Sample]:
    return [
        Sample(Operand((5,)), 0, Operand(values=[4, 0, 2], dtype="int64"), Operand((3,)), **kwargs),
        Sample(Operand((3, 4)), 0, Operand(values=_DISTINCT, dtype="int64"), Operand((3, 2)), **kwargs),
        Sample(Operand((3, 4)), 0, Operand(values=_DISTINCT, dtype="int32"), Operand((4, 3)), **kwargs),
        Sample(Operand((4, 3)), -1, Operand(values=[[2, 0], [0, 1]], dtype="int64"), Operand((2, 2)), **kwargs),
        Sample(Operand((3, 4)), 1, positions((0,), 3), Operand((2,)), **kwargs),
        Sample(Operand(()), 0, positions((), 0), Operand(()), **kwargs),
        Sample(Operand((3,)), 0, positions((), 2), Operand(()), **kwargs),
    ]


def _colliding_samples(**kwargs: Any) -> list[Sample]:
    return [
        *_scatter_samples(**kwargs),
        Sample(Operand((3,)), 0, Operand(values=[1, 1, 2, 1, 2], dtype="int64"), Operand((5,)), **kwargs),
        Sample(Operand((2, 3, 2)), 1, positions((2, 5, 2), 2), Operand((2, 5, 2)), **kwargs),
        Sample(Operand((3, 7)), 0, positions((11, 7), 2), Operand((11, 7)), **kwargs),
    ]


def _scatter_errors(**kwargs: Any) -> list[ErrorSample]:
    far = Operand(values=[0, 3], dtype="int64")
    return [
        ErrorSample(DimError, "got 3 for dim 0 of size 3", Operand((3,)), 0, far, Operand((2,)), **kwargs),
        ErrorSample(ShapeError, "must not exceed src", Operand((3,)), 0, positions((2,), 1), Operand((1,)), **kwargs),
        ErrorSample(ShapeError, "outside of dim", Operand((3, 2)), 0, positions((2, 3), 1), Operand((2, 3)), **kwargs),
        ErrorSample(ShapeError, "dims of input", Operand((3, 2)), 0, positions((2,), 1), Operand((2,)), **kwargs),
    ]


@op(
    name="scatter",
    method=False,
    inplace=False,
    dtype=into_input(3),
    shape=_scatter_shape("scatter"),
    front=_front_scatter("scatter"),
    fixed={"index": INDEX},
    moves_data=True,
    samples=lambda: [
        *_scatter_samples(),
        Sample(Operand((3, 4)), 1, Operand(values=_DISTINCT, dtype="int64"), 2),
    ],
    errors=_scatter_errors,
    reference=_scatter_reference(_assign),
    tolerance="exact",
)
def scatter_values(input: Tensor, dim: int, index: Tensor, src: Tensor | Number) -> Tensor:
    """A copy of `input` with values written at positions along a dim; `candelabra.scatter` without `reduce`.

    Args:
        input: any dtype, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, as many dims as `input`; positions from 0 on.
        src: castable to the dtype of `input`, no size below that of `index`; or a number.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` does not fit `input` or `src`.

    Example:
        >>> cb.scatter(cb.zeros(3), 0, cb.tensor([2, 0]), cb.tensor([5.0, 6.0]))
        tensor([6., 0., 5.])
    """
    ...


def _gathered(grad: Tensor, dim: int, index: Tensor, src_shape: Shape) -> Tensor:
    found = grad.gather(dim, index)
    return found if tuple(found.shape) == src_shape or not src_shape else found.new_zeros(src_shape)


scatter_values.vjp(
    input=lambda grad, dim, index: scatter_values(grad, dim, index, 0),
    src=_gathered,
)


def _scatter_choice(name: str, src: Any, value: Any, reduce: Any) -> tuple[Any, str | None]:
    if (src is None) == (value is None):
        raise CallError(f"{name}: takes one of src and value, got {'neither' if src is None else 'both'}")
    if reduce not in (None, "add", "multiply"):
        raise ArgumentError(f"{name}: reduce must be 'add' or 'multiply', got reduce={reduce!r}; see scatter_reduce")
    return (value if src is None else src), {None: None, "add": "sum", "multiply": "prod"}[reduce]


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A copy of `input` with values written at positions along a dim: `out[index[i][j]][j] = src[i][j]` for dim 0.

    Args:
        input: any dtype, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, as many dims as `input`, and no size above that of `input` except at `dim`.
        src: castable to the dtype of `input`, no size below that of `index`; or a number.
        value: a number instead of `src`.
        reduce: "add" or "multiply" what comes to what is there, instead of replacing it.
        out: tensor to write into.

    Returns:
        Shape (*), the dtype of `input`. Where a position comes twice, one of its values stays.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` does not fit `input` or `src`.
        ArgumentError: an unknown `reduce`.

    Example:
        >>> cb.scatter(cb.zeros(3), 0, cb.tensor([2, 0]), cb.tensor([5.0, 6.0]))
        tensor([6., 0., 5.])
    """
    given, how = _scatter_choice("scatter", src, value, reduce)
    call, args = scatter_values.op.call, (input, dim, index, given)
    if how is not None:
        filled = given if isinstance(given, Tensor) else _full_like_index(input, index, given)
        call, args = scatter_reduce.op.call, (input, dim, index, filled, how)  # type: ignore[assignment]
    return call(*args) if out is None else call(*args, out=out)


def _full_like_index(input: Tensor, index: Tensor, value: Number) -> Tensor:
    from .creation import full

    return full(tuple(index.shape), value, dtype=input.dtype, device=input.device)


def _scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """In-place form of `scatter`: writes over this tensor and returns it."""
    given, how = _scatter_choice("scatter_", src, value, reduce)
    if how is None:
        return inplace(scatter_values.op, (self, dim, index, given), {})
    filled = given if isinstance(given, Tensor) else _full_like_index(self, index, given)
    return inplace(scatter_reduce.op, (self, dim, index, filled, how), {})


Tensor.scatter = scatter
Tensor.scatter_ = _scatter_


@op(
    dtype=adding_into(3),
    shape=_scatter_shape("scatter_add"),
    front=_front_scatter("scatter_add"),
    fixed={"index": INDEX},
    inplace=True,
    samples=_colliding_samples,
    errors=_scatter_errors,
    reference=_scatter_reference(np.add.at),
    tolerance="accumulation",
)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of `input` with values added at positions along a dim, as often as a position comes.

    Args:
        input: any dtype that computes, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, as many dims as `input`, and no size above that of `input` except at `dim`.
        src: castable to the dtype of `input`, no size below that of `index`.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` does not fit `input` or `src`.

    Example:
        >>> cb.scatter_add(cb.zeros(3), 0, cb.tensor([1, 1]), cb.ones(2))
        tensor([0., 2., 0.])
    """
    ...


scatter_add.vjp(
    input=lambda grad: grad,
    src=_gathered,
)

# -- scatter_reduce --------------------------------------------------------------------------------------------------


def _front_reduce(input: Tensor, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> tuple[Any, ...]:
    if reduce not in REDUCTIONS:
        raise ArgumentError(f"scatter_reduce: reduce must be one of {', '.join(REDUCTIONS)}, got reduce={reduce!r}")
    return (*_front_scatter("scatter_reduce")(input, dim, index, src), reduce, bool(include_self))


def _reduce_reference(input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool = True) -> Any:
    combine = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    start = np.array(input)
    if not index.size:
        return start
    neutral = {"amax": -np.inf, "amin": np.inf, "prod": 1}.get(reduce, 0)
    if start.dtype.kind in "iub" and reduce in ("amax", "amin"):
        info = np.iinfo(start.dtype) if start.dtype.kind in "iu" else None
        neutral = (info.min if reduce == "amax" else info.max) if info else reduce == "amin"
    count = np.ones(start.shape) if include_self else np.zeros(start.shape)
    count = _scatter_reference(np.add.at)(count, dim, index, np.ones(src.shape))
    if not include_self:
        start = _scatter_reference(_assign)(start, dim, index, np.full(src.shape, neutral, start.dtype))
    out = _scatter_reference(combine.at)(start, dim, index, src)
    if reduce == "mean":
        count = np.maximum(count, 1)
        return np.floor_divide(out, count.astype(out.dtype)) if out.dtype.kind in "iu" else out / count
    return out


_ONLY_NUMBERS = ("int64", "int32", "float32", "float64")


def _reduce_samples() -> list[Sample]:
    found = []
    for how in REDUCTIONS:
        for include in (True, False):
            found += [
                Sample(
                    Operand((3,), distinct=True),
                    0,
                    Operand(values=[1, 1, 2, 1, 2], dtype="int64"),
                    Operand((5,), -1.7, 2.3, distinct=True),
                    how,
                    include_self=include,
                    dtypes=_ONLY_NUMBERS,
                ),
                Sample(
                    Operand((2, 3, 2), distinct=True),
                    1,
                    positions((2, 5, 1), 2),
                    Operand((2, 5, 2), -1.7, 2.3, distinct=True),
                    how,
                    include_self=include,
                    dtypes=_ONLY_NUMBERS,
                ),
                Sample(
                    Operand((3,)), 0, positions((0,), 2), Operand((0,)), how, include_self=include, dtypes=_ONLY_NUMBERS
                ),
            ]
        found.append(Sample(Operand(()), 0, positions((), 0), Operand((), 3, 4), how, dtypes=_ONLY_NUMBERS))
    found.append(
        Sample(
            Operand((2,), 1, 2),
            0,
            Operand(values=[0, 0, 1, 1, 1], dtype="int64"),
            Operand(values=[0.0, 3.0, 0.0, 0.0, 2.0]),
            "prod",
            dtypes=("float64",),
        )
    )
    return found  # fmt: skip


@op(
    dtype=adding_into(3),
    shape=_scatter_shape("scatter_reduce"),
    front=_front_reduce,
    fixed={"index": INDEX},
    inplace=True,
    samples=_reduce_samples,
    errors=lambda: [
        *_scatter_errors(reduce="sum"),
        ErrorSample(ArgumentError, "one of sum", Operand((3,)), 0, positions((2,), 1), Operand((2,)), "add"),
    ],
    reference=_reduce_reference,
    tolerance="accumulation",
)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of `input` with the values that come to each position along a dim reduced to one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, as many dims as `input`, and no size above that of `input` except at `dim`.
        src: castable to the dtype of `input`, no size below that of `index`.
        reduce: "sum", "prod", "mean" (integers round down), "amax" or "amin".
        include_self: reduce with the value of `input` at the position too.

    Returns:
        Shape (*), the dtype of `input`; positions nothing comes to keep their value.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `index` does not fit `input` or `src`.
        ArgumentError: an unknown `reduce`.

    Example:
        >>> cb.scatter_reduce(cb.zeros(2), 0, cb.tensor([1, 1]), cb.tensor([5.0, 6.0]), "amax")
        tensor([0., 6.])
    """
    input, dim, index, src, reduce, include_self = _front_reduce(input, dim, index, src, reduce, include_self)
    if reduce in ("sum", "mean"):
        start = input if include_self else scatter_values(input, dim, index, 0)
        total = scatter_add(start, dim, index, src)
        return total if reduce == "sum" else _over_counts(total, dim, index, include_self)
    if not include_self:
        input = scatter_values(input, dim, index, _neutral(reduce, input.dtype))
    return scatter_extreme(input, dim, index, src, reduce)


def _counts(shape: Shape, beside: Tensor, dim: int, index: Tensor, include_self: bool) -> Tensor:
    """How many values come to each position; 1 where none does."""
    from .creation import full

    start = zeros_of(shape, beside)
    if index.numel():
        one = full(tuple(index.shape), 1, dtype=beside.dtype, device=beside.device)
        start = scatter_add(start, dim, index, one)
    return start + 1 if include_self else start + (start == 0).to(beside.dtype)


def _over_counts(total: Tensor, dim: int, index: Tensor, include_self: bool) -> Tensor:
    count = _counts(tuple(total.shape), total.detach(), dim, index, include_self)
    return total // count if total._kind.dtype.category == 1 else total / count


def _neutral(reduce: str, dtype: Any) -> Number:
    """What changes nothing in a reduction."""
    if reduce == "prod":
        return 1
    if dtype.category == 2:
        return -np.inf if reduce == "amax" else np.inf
    if dtype is bool_:
        return reduce == "amin"
    info = np.iinfo(dtype.numpy)
    return int(info.min) if reduce == "amax" else int(info.max)


def _reduced_grads(
    grad: Tensor, out: Tensor, input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of `input`, where it takes part everywhere, and of `src`, for each way to reduce."""
    if reduce == "mean":
        grad = grad / _counts(tuple(grad.shape), grad.detach(), dim, index, include_self)
    if reduce in ("sum", "mean"):
        return grad, grad.gather(dim, index)
    if reduce == "prod":
        return _product_grads(grad, input, dim, index, src, include_self)
    won = (input == out).to(grad.dtype)
    if not include_self:
        won = scatter_values(won, dim, index, 0)
    src_won = (src == out.gather(dim, index)).to(grad.dtype)
    share = grad / scatter_add(won, dim, index, src_won).clamp(min=1)
    return share * won, share.gather(dim, index) * src_won


def _product_grads(
    grad: Tensor, input: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool
) -> tuple[Tensor, Tensor]:
    """Each factor's gradient is the product of the others: all over it, where none is 0."""
    if bool((src == 0).any()) or bool((input == 0).any()):
        of_input, of_src = _products_of_others(input, dim, index, src, include_self)
        return grad * of_input, grad.gather(dim, index) * of_src
    start = input if include_self else scatter_values(input, dim, index, 1)
    product = scatter_extreme(start, dim, index, src, "prod")
    return grad * product / input, (grad * product).gather(dim, index) / src


def _products_of_others(
    input: Tensor, dim: int, index: Tensor, src: Tensor, include_self: bool
) -> tuple[Tensor, Tensor]:
    """For each factor the product of the others at its place: a table with a row a place, multiplied without it."""
    from .creation import ones
    from .indexing import index as index_op

    host = index.numpy(force=True)
    places = (
        np.ravel_multi_index(_grid(host, dim), (1,) if not input.dim() else tuple(input.shape)) if host.ndim else host
    )
    places = places.reshape(-1)
    order = np.argsort(places, kind="stable")
    grouped = places[order]
    rank = np.empty_like(places)
    rank[order] = np.arange(len(places)) - np.searchsorted(grouped, grouped)
    width = int(rank.max()) + 2
    row, column = host_tensor(places, input), host_tensor(rank + 1, input)
    table = ones(input.numel(), width, dtype=input.dtype, device=input.device)
    if include_self:
        table = table.select_scatter(input.reshape((input.numel(),)), 1, 0)
    table = put_at(table, [row, column], (0, 1), src.reshape((src.numel(),)))
    own = host_tensor(np.eye(width, dtype=bool), input)
    others = table.unsqueeze(1).masked_fill(own, 1).prod(2)
    of_src = index_op(others, [row, column], (0, 1)).reshape(tuple(src.shape))
    return others.select(1, 0).reshape(tuple(input.shape)), of_src


def _reduce_input_grad(
    grad: Tensor, out: Tensor, input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    if not index.numel():
        return grad
    found = _reduced_grads(grad, out, input, dim, index, src, reduce, include_self)[0]
    return found if include_self else scatter_values(found, dim, index, 0)


def _reduce_src_grad(
    grad: Tensor, out: Tensor, input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    if not index.numel():
        return zeros_of(tuple(src.shape), grad)
    return _reduced_grads(grad, out, input, dim, index, src, reduce, include_self)[1]


scatter_reduce.vjp(input=_reduce_input_grad, src=_reduce_src_grad)


@op(
    dtype=rules.real,
    shape=_scatter_shape("scatter_reduce"),
    fixed={"index": INDEX},
    method=False,
    samples=lambda: [
        Sample(Operand((3,)), 0, Operand(values=[1, 1, 2], dtype="int64"), Operand((3,)), how)
        for how in ("amax", "amin", "prod")
    ],
    reference=_reduce_reference,
    tolerance="accumulation",
)
def scatter_extreme(input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str) -> Tensor:
    """`scatter_reduce` for "prod", "amax" and "amin" with `input` included: the part that is no sum.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim the positions are in, not negative.
        index: int64 or int32, sizes as for `scatter_reduce`.
        src: the shape of `index`.
        reduce: "prod", "amax" or "amin".

    Returns:
        Shape (*), the promoted dtype.

    Raises:
        DimError: a position is out of range.

    Example:
        >>> from candelabra.ops.scatter import scatter_extreme
        >>> scatter_extreme(cb.zeros(2), 0, cb.tensor([1, 1]), cb.tensor([5.0, 6.0]), "amax")
        tensor([0., 6.])
    """
    ...


scatter_extreme.vjp(
    input=lambda grad, out, input, dim, index, src, reduce: _reduce_input_grad(
        grad, out, input, dim, index, src, reduce, True
    ),
    src=lambda grad, out, input, dim, index, src, reduce: _reduce_src_grad(
        grad, out, input, dim, index, src, reduce, True
    ),
)


@op(
    fixed={"index": INDEX},
    inplace=True,
    samples=lambda: [
        Sample(
            Operand((3, 2), distinct=True), 0, Operand(values=[1, 1, 2], dtype="int64"), Operand((3, 2), -1.7, 2.3, distinct=True),
            how, dtypes=_ONLY_NUMBERS,
        )
        for how in ("prod", "mean", "amax", "amin")
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "one of prod", Operand((3,)), 0, positions((2,), 1), Operand((2,)), "sum"),
        ErrorSample(ShapeError, "one row a position", Operand((3,)), 0, positions((2,), 1), Operand((3,)), "prod"),
    ],
    reference=lambda input, dim, index, source, reduce, include_self=True: _reduce_reference(
        input, dim, np.broadcast_to(index[:, None], source.shape), source, reduce, include_self
    ),
    tolerance="accumulation",
)  # fmt: skip
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy of `input` with the rows of `source` that come to each position of a dim reduced to one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim the positions are in.
        index: int64 or int32, at most 1 dim; positions from 0 on.
        source: castable to the dtype of `input`, shape (*) with as many positions at `dim` as `index` has.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: reduce with the row of `input` at the position too.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: `dim` or a position is out of range.
        ShapeError: `source` has another shape.
        ArgumentError: an unknown `reduce`.

    Example:
        >>> cb.index_reduce(cb.ones(2), 0, cb.tensor([1, 1]), cb.tensor([5.0, 6.0]), "prod")
        tensor([ 1., 30.])
    """
    if reduce not in REDUCTIONS[1:]:
        raise ArgumentError(f"index_reduce: reduce must be one of {', '.join(REDUCTIONS[1:])}, got reduce={reduce!r}")
    dim = normalize_dim("index_reduce", dim, input.dim())
    _rows_shape("index_reduce", input, dim, index, source)
    if input.dim():
        index = index.reshape((-1,) + (1,) * (input.dim() - dim - 1)).expand(tuple(source.shape))
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


# -- flat positions --------------------------------------------------------------------------------------------------


def _put_reference(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    out = np.array(input)
    flat = out.reshape(-1)
    if accumulate:
        np.add.at(flat, index.reshape(-1), source.reshape(-1))
    else:
        flat[index.reshape(-1)] = source.reshape(-1)
    return flat.reshape(out.shape)


@op(
    fixed={"index": INDEX},
    dtype=into_input(2),
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), Operand(values=[4, -5], dtype="int64"), Operand((2,))),
        Sample(Operand((3, 4)), Operand(values=[[4, 0], [11, 7]], dtype="int64"), Operand((4,))),
        Sample(Operand((3, 4)), positions((2, 9), 11), Operand((2, 9)), accumulate=True),
        Sample(Operand(()), positions((), 0), Operand(())),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), Operand(values=[3], dtype="int64"), Operand((1,))),
        ErrorSample(ShapeError, "as many elements", Operand((3,)), positions((2,), 1), Operand((3,))),
    ],
    reference=_put_reference,
    tolerance="accumulation",
)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` with values at positions counted through the whole of it in row-major order.

    Args:
        input: any dtype, shape (*).
        index: int64 or int32, any shape; negative positions count from the end.
        source: castable to the dtype of `input`, as many elements as `index`.
        accumulate: add to what is there, each time a position comes.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: a position is out of range.
        ShapeError: the numbers of elements differ.

    Example:
        >>> cb.put(cb.zeros(2, 2), cb.tensor([3, 0]), cb.tensor([5.0, 6.0]))
        tensor([[6., 0.],
                [0., 5.]])
    """
    if index.numel() != source.numel():
        raise ShapeError(
            f"put: index must have as many elements as source, got {index.numel()} for {source.numel()} elements"
        )
    flat = put_at(input.reshape((input.numel(),)), [index.reshape((-1,))], (0,), source.reshape((-1,)), accumulate)
    return flat.reshape(tuple(input.shape))
