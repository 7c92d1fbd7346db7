# SPDX-License-Identifier: Apache-2.0
"""Extremes over dims: their values, and where they are.

Names here hide Python's `max` and `min`; code of this file that needs those says `builtins`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._errors import DimError, DTypeError
from .._shape import Shape, normalize_dim, normalize_dims, reduced_shape
from ..op import op, rules
from ..op._named import named
from ..tensor._tensor import Tensor
from ..testing import samples
from ..testing.samples import ErrorSample, Operand, Sample
from .reduction import all_dims, along_one_dim, one_dim, over_dims, place_along, refuse_empty, sum, unreduce

__all__ = [
    "amax",
    "amin",
    "aminmax",
    "argmax",
    "argmin",
    "max",
    "min",
]

# -- extremes --------------------------------------------------------------------------------------------------------


def _extreme_shape(op_name: str) -> Any:
    def rule(input: Any, dim: Shape, keepdim: bool) -> Shape:
        refuse_empty(op_name, input, dim)
        return reduced_shape(tuple(input.shape), dim, keepdim)

    return rule


def _extreme_samples() -> list[Sample]:
    return [
        *samples.reduction(distinct=True, empty=False),
        over_dims((2, 3, 4), (0, 2)),
        over_dims((2, 0, 3), 0),
        over_dims((0, 3), 1, True),
        Sample(Operand((5,), values=[1.0, 3.0, 3.0, 1.0, 1.0]), grad=False),
        Sample(
            Operand((3,), values=[np.inf, np.nan, -np.inf]), special=np.nan, dtypes=samples.SPECIAL_DTYPES, grad=False
        ),
        Sample(Operand((2,), values=[-np.inf, -np.inf]), special=-np.inf, dtypes=samples.SPECIAL_DTYPES, grad=False),
    ]


def _extreme_errors(op_name: str) -> Any:
    return lambda: [
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements, got dim=0", Operand((0, 3)), 0),
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements", Operand((0,))),
        ErrorSample(DTypeError, "no order", Operand((2,)), dtype="complex64"),
        ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2,)), 1),
    ]


def _extreme_grad(grad: Tensor, input: Tensor, out: Tensor, dim: Shape, keepdim: bool) -> Tensor:
    """Equal shares for all elements that tie."""
    shape = tuple(input.shape)
    ties = (input == unreduce(out.detach(), shape, dim, keepdim)).to(grad.dtype)
    return unreduce(grad, shape, dim, keepdim) * (ties / sum(ties, dim, True))


@op(
    dtype=rules.real,
    shape=_extreme_shape("amax"),
    front=all_dims("amax"),
    samples=_extreme_samples,
    errors=_extreme_errors("amax"),
    reference=lambda input, dim=None, keepdim=False: np.max(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def amax(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Largest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Shape (*) without `dim`, the dtype of `input`. The gradient is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.amax(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0)
        tensor([3., 4.])
    """
    ...


amax.vjp(input=_extreme_grad)


@op(
    dtype=rules.real,
    shape=_extreme_shape("amin"),
    front=all_dims("amin"),
    samples=_extreme_samples,
    errors=_extreme_errors("amin"),
    reference=lambda input, dim=None, keepdim=False: np.min(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def amin(input: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Tensor:
    """Smallest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: dims to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Shape (*) without `dim`, the dtype of `input`. The gradient is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.amin(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0)
        tensor([1., 2.])
    """
    ...


amin.vjp(input=_extreme_grad)


def _aminmax_shapes(input: Any, dim: Shape, keepdim: bool) -> list[Shape]:
    refuse_empty("aminmax", input, dim)
    shape = reduced_shape(tuple(input.shape), dim, keepdim)
    return [shape, shape]


def _two_alike(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.real(name, found, args)[0]
    return compute, (compute, compute)


@named("min", "max")
@op(
    dtype=_two_alike,
    shape=_aminmax_shapes,
    front=all_dims("aminmax"),
    samples=lambda: [
        *[
            over_dims(shape, dim=dim, keepdim=keep)
            for shape in ((2, 3), (5,), ())
            for dim, keep in ((None, False), (0, True))
        ],
        over_dims((3, 67), dim=-1),
        over_dims((2, 0, 3), dim=0),
    ],
    errors=lambda: [ErrorSample(DimError, "aminmax: cannot choose among no elements", Operand((0,)))],
    reference=lambda input, dim=None, keepdim=False: (
        np.min(input, axis=dim, keepdims=keepdim),
        np.max(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Smallest and largest element over `dim`; nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; all of them when None.
        keepdim: keep reduced dims with size 1.

    Returns:
        Named results `min` and `max`, each of shape (*) without `dim` and the dtype of `input`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.aminmax(cb.tensor([2.0, 1.0, 3.0])).max
        tensor(3.)
    """
    refuse_empty("aminmax", input, normalize_dims("aminmax", dim, input.dim()))
    return amin(input, dim, keepdim), amax(input, dim, keepdim)


def _front_arg(op_name: str) -> Any:
    def front(input: Tensor, dim: Any, keepdim: bool) -> tuple[Any, ...]:
        return input, None if dim is None else normalize_dim(op_name, dim, input.dim()), bool(keepdim)

    return front


def _arg_shape(op_name: str) -> Any:
    def rule(input: Any, dim: int | None, keepdim: bool) -> Shape:
        shape = tuple(input.shape)
        dims = tuple(range(len(shape))) if dim is None else (dim,) if shape else ()
        refuse_empty(op_name, input, dims)
        return reduced_shape(shape, dims, keepdim)

    return rule


def _arg_samples() -> list[Sample]:
    return [
        *samples.reduction(distinct=True, empty=False),
        Sample(Operand((5,), values=[1.0, 3.0, 3.0, 1.0, 1.0])),
        Sample(Operand((2, 2), values=[[1, 1], [0, 0]]), 1),
        Sample(Operand((4,), values=[1.0, np.nan, 5.0, np.nan]), special=1, dtypes=samples.SPECIAL_DTYPES),
        over_dims((2, 0, 3), 0),
    ]


@op(
    dtype=rules.to_index,
    shape=_arg_shape("argmax"),
    front=_front_arg("argmax"),
    grad="none: results are indices",
    samples=_arg_samples,
    errors=_extreme_errors("argmax"),
    reference=lambda input, dim=None, keepdim=False: np.argmax(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the largest element along `dim`: the first of equal ones, and of the first nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; None looks at all elements in row-major order.
        keepdim: keep reduced dims with size 1.

    Returns:
        int64, shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.argmax(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
        tensor([1, 0])
    """
    ...


@op(
    dtype=rules.to_index,
    shape=_arg_shape("argmin"),
    front=_front_arg("argmin"),
    grad="none: results are indices",
    samples=_arg_samples,
    errors=_extreme_errors("argmin"),
    reference=lambda input, dim=None, keepdim=False: np.argmin(input, axis=dim, keepdims=keepdim),
    tolerance="exact",
)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index of the smallest element along `dim`: the first of equal ones, and of the first nan where there is one.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; None looks at all elements in row-major order.
        keepdim: keep reduced dims with size 1.

    Returns:
        int64, shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.argmin(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
        tensor([0, 1])
    """
    ...


def _chosen_shapes(op_name: str, input: Any, dim: int, keepdim: bool) -> list[Shape]:
    if input.dim():
        refuse_empty(op_name, input, (dim,))
    return along_one_dim(input, dim, keepdim)


def _chosen_samples() -> list[Sample]:
    return [
        *[
            over_dims(shape, dim)
            for shape, dim in (((2, 3), 0), ((2, 3), -1), ((5,), 0), ((), 0), ((3, 67), 1), ((2, 0, 3), 0))
        ],
        over_dims((2, 3, 4), 1, True),
        over_dims((2, 3, 4), 1, keepdim=True),
        Sample(Operand((2, 3), values=[[1, 1, 0], [0, 2, 2]]), 1, grad=False),
        Sample(
            Operand((4,), values=[1.0, np.nan, 5.0, np.nan]),
            0,
            special=(np.nan, 1),
            dtypes=samples.SPECIAL_DTYPES,
            grad=False,
        ),
    ]


def _chosen_errors(op_name: str) -> Any:
    return lambda: [
        ErrorSample(DimError, f"{op_name}: cannot choose among no elements, got dim=0", Operand((0, 3)), 0),
        ErrorSample(DimError, f"{op_name}: dim must be in", Operand((2,)), 1),
        ErrorSample(DTypeError, "no order", Operand((2,)), 0, dtype="complex64"),
    ]


def along_dim_grad(grad: Tensor, indices: Tensor, dim: int, keepdim: bool, input_shape: Shape) -> Tensor:
    """Gradient of one value picked along `dim`."""
    if not keepdim and input_shape:
        grad, indices = grad.unsqueeze(dim), indices.unsqueeze(dim)
    return place_along(grad, indices, dim, input_shape)


def _chosen_grad(grad: Any, out: Any, input_shape: Shape, dim: int, keepdim: bool) -> Tensor:
    return along_dim_grad(grad[0], out[1], dim, keepdim, input_shape)


@named("values", "indices", name="max")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim, keepdim: _chosen_shapes("max", input, dim, keepdim),
    front=one_dim("max"),
    method=False,
    samples=_chosen_samples,
    errors=_chosen_errors("max"),
    reference=lambda input, dim, keepdim=False: (
        np.max(input, axis=dim, keepdims=keepdim),
        np.argmax(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def max_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Largest elements along `dim` and their indices: `max` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep the reduced dim with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.max(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), 1).indices
        tensor([1, 0])
    """
    indices = argmax(input, dim, True)
    values = input.gather(dim, indices) if input.dim() else input.clone()
    return (values, indices) if keepdim or not input.dim() else (values.squeeze(dim), indices.squeeze(dim))


max_dim.vjp(input=_chosen_grad)


@named("values", "indices", name="min")
@op(
    dtype=rules.with_index,
    shape=lambda input, dim, keepdim: _chosen_shapes("min", input, dim, keepdim),
    front=one_dim("min"),
    method=False,
    samples=_chosen_samples,
    errors=_chosen_errors("min"),
    reference=lambda input, dim, keepdim=False: (
        np.min(input, axis=dim, keepdims=keepdim),
        np.argmin(input, axis=dim, keepdims=keepdim),
    ),
    tolerance="exact",
)
def min_dim(input: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Smallest elements along `dim` and their indices: `min` with a dim.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce.
        keepdim: keep the reduced dim with size 1.

    Returns:
        Named results `values` and int64 `indices`, each of shape (*) without `dim`.

    Raises:
        DimError: `dim` is out of range, or has no elements to choose among.
        DTypeError: `input` is complex.

    Example:
        >>> cb.min(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), 1).indices
        tensor([0, 1])
    """
    indices = argmin(input, dim, True)
    values = input.gather(dim, indices) if input.dim() else input.clone()
    return (values, indices) if keepdim or not input.dim() else (values.squeeze(dim), indices.squeeze(dim))


min_dim.vjp(input=_chosen_grad)


def max(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """Largest element of all, max along a dim with its index, or the larger one of each pair.

    `max(input)` is `amax` over all dims, `max(input, other)` is `maximum`.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; a tensor here is taken for `other`.
        keepdim: keep the reduced dim with size 1.
        other: broadcastable with `input`.
        out: tensor, or (values, indices) with a dim, to write into.

    Returns:
        A 0-d tensor; or with `dim` named results `values` and `indices`, the index being that of the first of equal
        elements; or with `other` the broadcast shape. nan wins. The gradient goes to the index with `dim`, else it
        is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or there are no elements to choose among.
        DTypeError: a tensor is complex.

    Example:
        >>> cb.max(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0).values
        tensor([3., 4.])
    """
    if dim is None and other is None:
        return amax(input) if out is None else amax(input, out=out)  # type: ignore[call-arg]
    if other is None and not isinstance(dim, Tensor):
        return max_dim(input, dim, keepdim) if out is None else max_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg, arg-type]
    from ._names import maximum

    pair: Any = dim if other is None else other
    return maximum(input, pair) if out is None else maximum(input, pair, out=out)  # type: ignore[call-arg]


def min(
    input: Tensor,
    dim: int | Tensor | None = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
) -> Any:
    """Smallest element of all, min along a dim with its index, or the smaller one of each pair.

    `min(input)` is `amin` over all dims, `min(input, other)` is `minimum`.

    Args:
        input: any real dtype that computes, shape (*).
        dim: the dim to reduce; a tensor here is taken for `other`.
        keepdim: keep the reduced dim with size 1.
        other: broadcastable with `input`.
        out: tensor, or (values, indices) with a dim, to write into.

    Returns:
        A 0-d tensor; or with `dim` named results `values` and `indices`, the index being that of the first of equal
        elements; or with `other` the broadcast shape. nan wins. The gradient goes to the index with `dim`, else it
        is shared equally among elements that tie.

    Raises:
        DimError: `dim` is out of range, or there are no elements to choose among.
        DTypeError: a tensor is complex.

    Example:
        >>> cb.min(cb.tensor([[1.0, 4.0], [3.0, 2.0]]), dim=0).values
        tensor([1., 2.])
    """
    if dim is None and other is None:
        return amin(input) if out is None else amin(input, out=out)  # type: ignore[call-arg]
    if other is None and not isinstance(dim, Tensor):
        return min_dim(input, dim, keepdim) if out is None else min_dim(input, dim, keepdim, out=out)  # type: ignore[call-arg, arg-type]
    from ._names import minimum

    pair: Any = dim if other is None else other
    return minimum(input, pair) if out is None else minimum(input, pair, out=out)  # type: ignore[call-arg]


Tensor.max = max
Tensor.min = min
