# SPDX-License-Identifier: Apache-2.0
"""What `tensor[key]` and `tensor[key] = values` stand for: views by ints and slices, copies by tensors of positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._dtype import bool_, can_cast, dtype, int32, int64, uint8
from .._errors import ArgumentError, CallError, DimError, DTypeError, ShapeError
from .._shape import Shape, basic_index_geometry, broadcast_shapes, normalize_dims
from ..dispatcher._write import inplace
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .strided import zeros_of

__all__ = ["index_put"]

INDEX = (int64, int32)
"""Dtypes of tensors of positions."""


def into_input(*positions: int) -> Any:
    """A dtype rule: the result is of the first operand's dtype, which those at `positions` must be castable to."""

    def rule(op_name: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
        own = args[0]._kind.dtype
        for i in positions:
            given = getattr(args[i], "_kind", None)
            if given is not None and not can_cast(given.dtype, own):
                raise DTypeError(
                    f"{op_name}: values must be castable to input, got {given.dtype.name} into {own.name}; "
                    "convert one with .to(dtype)"
                )
            if given is None and not isinstance(args[i], list) and rules_category(args[i]) > max(own.category, 1):
                raise DTypeError(f"{op_name}: value must be castable to input, got {args[i]!r} into {own.name}")
            rules.check_range(op_name, "value", args[i], own)
        return own, own

    return rule


def adding_into(*positions: int) -> Any:
    """As `into_input`, for ops that compute with the values."""
    rule = into_input(*positions)

    def computing(op_name: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
        rules.refuse_storage_only(op_name, args[0]._kind.dtype)
        return rule(op_name, found, args)

    return computing


def _put_dtype(op_name: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    return (adding_into if args[4] else into_input)(3)(op_name, found, args)


def rules_category(value: Any) -> int:
    """Category of a Python number: 0 bool, 1 int, 2 float, 3 complex."""
    return 0 if isinstance(value, bool) else 1 if isinstance(value, int) else 2 if isinstance(value, float) else 3


# -- ints, slices, None and Ellipsis ---------------------------------------------------------------------------------


def _front_basic(input: Tensor, key: Any) -> tuple[Any, ...]:
    selected_shape(tuple(input._array.shape), key)  # refuses what does not fit
    return input, key


@op(
    geometry=basic_index_geometry,
    front=_front_basic,
    method=False,
    samples=lambda: [
        Sample(Operand((4,)), (1,)),
        Sample(Operand((4,)), (-1,)),
        Sample(Operand((4, 5)), (slice(1, 4, 2), slice(None))),
        Sample(Operand((4, 5)), (Ellipsis, 2)),
        Sample(Operand((4, 5)), (None, 1, None, slice(-2, None))),
        Sample(Operand((4, 5)), (slice(3, 1), 0)),
        Sample(Operand(()), (None, Ellipsis)),
        Sample(Operand((0, 2)), (slice(None), 1)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), (3,)),
        ErrorSample(DimError, "too many indices", Operand((3,)), (0, 0)),
        ErrorSample(ArgumentError, "steps must be positive", Operand((3,)), (slice(None, None, -1),)),
    ],
    reference=lambda input, key: input[key],
    tolerance="exact",
)
def basic_index(input: Tensor, key: tuple[Any, ...]) -> Tensor:
    """A view of what ints, slices, None and one Ellipsis select; `input[key]`.

    Args:
        input: any dtype, shape (*).
        key: ints, slices with positive steps, None for a new dim, and at most one Ellipsis.

    Returns:
        Shape (*) without the dims that ints select in, cut by slices, with 1 for each None.

    Raises:
        DimError: an int is out of range, or there are more indices than dims.
        ArgumentError: a step is below 1.

    Example:
        >>> cb.arange(6).reshape(2, 3)[1, ::2]
        tensor([3, 5])
    """
    ...


def broadcasts_to(given: Shape, target: Shape) -> bool:
    """Whether a shape can be stretched to another."""
    lead = len(target) - len(given)
    return lead >= 0 and all(n == 1 or n == target[lead + i] for i, n in enumerate(given))


def selected_shape(shape: Shape, key: tuple[Any, ...]) -> Shape:
    """Shape of `input[key]` for a basic key."""
    return basic_index_geometry(shape, (0,) * len(shape), key)[0]


def _unindex_shape(input: Any, size: Shape, key: tuple[Any, ...]) -> Shape:
    given, target = tuple(input.shape), selected_shape(size, key)
    if not broadcasts_to(given, target):
        raise ShapeError(f"unindex: must fit what the key selects, got {given} for {target}")
    return size


def _unindex_reference(input: Any, size: Shape, key: tuple[Any, ...]) -> Any:
    out = np.zeros(size, input.dtype)
    out[key] = input
    return out


@op(
    dtype=rules.kept,
    shape=_unindex_shape,
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample(Operand(()), (4,), (1,)),
        Sample(Operand((2, 5)), (4, 5), (slice(1, 4, 2), slice(None))),
        Sample(Operand((1, 1, 2)), (4, 5), (None, 1, None, slice(-2, None))),
        Sample(Operand((0,)), (4, 5), (slice(3, 1), 0)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "must fit", Operand((3,)), (4,), (slice(2),))],
    reference=_unindex_reference,
    tolerance="exact",
)
def unindex(input: Tensor, size: Sequence[int], key: tuple[Any, ...]) -> Tensor:
    """Zeros of shape `size`, with `input` where a basic key selects: the gradient of `basic_index`.

    Args:
        input: any dtype, the shape that `key` selects from `size`.
        size: shape of the result.
        key: as of `basic_index`.

    Returns:
        Shape `size`.

    Example:
        >>> from candelabra.ops.indexing import unindex
        >>> unindex(cb.ones(2), (4,), (slice(1, 3),))
        tensor([0., 1., 1., 0.])
    """
    ...


def _selected(grad: Tensor, key: tuple[Any, ...]) -> Tensor:
    return basic_index(grad, key)


unindex.vjp(input=_selected)
basic_index.vjp(input=lambda grad, key, input_shape: unindex(grad, input_shape, key))


def _basic_put_shape(input: Any, values: Any, key: tuple[Any, ...]) -> Shape:
    target = selected_shape(tuple(input.shape), key)
    given = tuple(values.shape) if hasattr(values, "_kind") else ()
    if not broadcasts_to(given, target):
        raise ShapeError(f"index_put: values must broadcast to what the key selects, got {given} for {target}")
    return tuple(input.shape)


def _basic_put_reference(input: Any, values: Any, key: tuple[Any, ...]) -> Any:
    out = np.array(input)
    out[key] = values
    return out


@op(
    dtype=into_input(1),
    shape=_basic_put_shape,
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample(Operand((4,)), Operand(()), (1,)),
        Sample(Operand((4,)), 2, (1,)),
        Sample(Operand((4, 5)), Operand((2, 5)), (slice(1, 4, 2), slice(None))),
        Sample(Operand((4, 5)), Operand((5,)), (slice(1, 4, 2),)),
        Sample(Operand((4, 5)), Operand((1, 1, 2)), (None, 1, None, slice(-2, None))),
        Sample(Operand((4, 5)), Operand((0,)), (slice(3, 1), 0)),
    ],
    errors=lambda: [ErrorSample(ShapeError, "must broadcast", Operand((4,)), Operand((3,)), (slice(2),))],
    reference=_basic_put_reference,
    tolerance="exact",
)
def basic_index_put(input: Tensor, values: Tensor | Number, key: tuple[Any, ...]) -> Tensor:
    """A copy of `input` with `values` where a basic key selects.

    Args:
        input: any dtype, shape (*).
        values: castable to the dtype of `input`, broadcastable to the shape that `key` selects; or a number.
        key: as of `basic_index`.

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> from candelabra.ops.indexing import basic_index_put
        >>> basic_index_put(cb.zeros(3), 1, (slice(2),))
        tensor([1., 1., 0.])
    """
    ...


basic_index_put.vjp(
    input=lambda grad, key: basic_index_put(grad, 0, key),
    values=_selected,
)

# -- tensors of positions --------------------------------------------------------------------------------------------


def indexed_shape(name: str, shape: Shape, indices: Sequence[Any], dims: Shape) -> tuple[Shape, Shape]:
    """(shape of the selection, common shape of the indices): index dims stay together where the indexed dims do.

    Raises:
        ShapeError: the indices do not broadcast.
    """
    common = broadcast_shapes(name, *[tuple(i.shape) for i in indices])
    adjacent = dims[-1] - dims[0] == len(dims) - 1
    rest = [(d, n) for d, n in enumerate(shape) if d not in dims]
    front = [n for d, n in rest if adjacent and d < dims[0]]
    return (*front, *common, *[n for d, n in rest if not (adjacent and d < dims[0])]), common


def _front_index(input: Tensor, indices: Any, dims: Any) -> tuple[Any, ...]:
    found = normalize_dims("index", tuple(dims), len(input._array.shape))
    if len(found) != len(indices) or list(found) != sorted(found):
        raise ArgumentError(
            f"index: dims must be one an index, in rising order, got dims={tuple(dims)} for {len(indices)}"
        )
    return input, indices, found


def _index_reference(input: Any, indices: Any, dims: Any) -> Any:
    key: list[Any] = [slice(None)] * input.ndim
    for i, d in zip(indices, dims, strict=True):
        key[d] = i
    return input[tuple(key)]


def _positions(*shapes: Shape, low: int = 0, high: int = 2) -> list[Operand]:
    return [Operand(shape, low, high, dtype="int64") for shape in shapes]


@op(
    dtype=rules.kept,
    shape=lambda input, indices, dims: indexed_shape("index", tuple(input.shape), indices, dims)[0],
    front=_front_index,
    fixed={"indices": INDEX},
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample(Operand((4,)), _positions((3,)), (0,)),
        Sample(Operand((4, 3)), _positions((2, 3), low=-3), (1,)),
        Sample(Operand((4, 3, 2)), _positions((5,), (5,), high=1), (0, 2)),
        Sample(Operand((4, 3, 2)), _positions((5, 1), (2,), high=1), (1, 2)),
        Sample(Operand((3, 2)), _positions((), ()), (0, 1)),
        Sample(Operand((3, 2)), _positions((0,)), (0,)),
        Sample(Operand((3, 2)), [Operand((2,), 0, 1, dtype="int32")], (1,)),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), [Operand(values=[0, 3], dtype="int64")], (0,)),
        ErrorSample(DimError, "index must be in", Operand((3,)), [Operand(values=[-4], dtype="int64")], (0,)),
        ErrorSample(ShapeError, "broadcast", Operand((3, 3)), _positions((2,), (3,)), (0, 1)),
    ],
    reference=_index_reference,
    tolerance="exact",
)
def index(input: Tensor, indices: Sequence[Tensor], dims: Sequence[int]) -> Tensor:
    """Elements at tensors of positions: `input[i, j]`, with the dims they index said apart.

    Args:
        input: any dtype, shape (*).
        indices: int64 or int32, shapes that broadcast; negative positions count from the end.
        dims: the dim each of them indexes, in rising order.

    Returns:
        The common shape of the indices in place of the indexed dims; in front where those are not neighbours.

    Raises:
        DimError: a position is out of range.
        ShapeError: the indices do not broadcast.

    Example:
        >>> from candelabra.ops.indexing import index
        >>> index(cb.tensor([5, 6, 7]), [cb.tensor([2, 0])], (0,))
        tensor([7, 5])
    """
    ...


def _index_grad(grad: Tensor, input_shape: Shape, indices: list[Tensor], dims: Shape) -> Tensor:
    hole = zeros_of(input_shape, grad)
    return inplace(put_at.op, (hole, indices, dims, grad, True), {})


index.vjp(input=_index_grad)


def _put_shape(input: Any, indices: Any, dims: Shape, values: Any, accumulate: bool) -> Shape:
    target = indexed_shape("index_put", tuple(input.shape), indices, dims)[0]
    given = tuple(values.shape) if hasattr(values, "_kind") else ()
    if not broadcasts_to(given, target):
        raise ShapeError(f"index_put: values must broadcast to what the indices select, got {given} for {target}")
    return tuple(input.shape)


def _put_reference(input: Any, indices: Any, dims: Any, values: Any, accumulate: bool = False) -> Any:
    key: list[Any] = [slice(None)] * input.ndim
    for i, d in zip(indices, dims, strict=True):
        key[d] = i
    out = np.array(input)
    if accumulate:
        np.add.at(out, tuple(key), values)
    else:
        out[tuple(key)] = values
    return out


@op(
    dtype=_put_dtype,
    shape=_put_shape,
    front=lambda input, indices, dims, values, accumulate: (
        *_front_index(input, indices, dims),
        values,
        bool(accumulate),
    ),
    fixed={"indices": INDEX},
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample(Operand((4,)), [Operand(values=[2, 0], dtype="int64")], (0,), Operand((2,))),
        Sample(Operand((4,)), [Operand(values=[2, 0], dtype="int32")], (0,), 3),
        Sample(Operand((4,)), [Operand(values=[2, -2, 0], dtype="int64")], (0,), Operand((3,)), True),
        Sample(Operand((4, 3)), [Operand(values=[2, 0], dtype="int64")], (1,), Operand((4, 2))),
        Sample(Operand((4, 3)), _positions((5,)), (1,), Operand((4, 1)), True),
        Sample(Operand((4, 3)), _positions((5,)), (0,), Operand((5, 3)), True),
        Sample(Operand((4, 3, 2)), _positions((7,), (7,), high=1), (0, 2), Operand((7, 3)), True),
        Sample(Operand((4, 3, 2)), _positions((2, 1), (2,), high=1), (0, 1), Operand((2,)), True),
        Sample(Operand((4, 3)), _positions((0,)), (0,), Operand((0, 3)), True),
        Sample(Operand((3, 3)), [*([Operand(values=[2, 0, 1], dtype="int64")] * 2)], (0, 1), Operand((3,))),
    ],
    errors=lambda: [
        ErrorSample(DimError, "index must be in", Operand((3,)), [Operand(values=[0, 3], dtype="int64")], (0,), 1),
        ErrorSample(ShapeError, "values must broadcast", Operand((3,)), _positions((2,)), (0,), Operand((3,))),
    ],
    reference=_put_reference,
    tolerance="accumulation",
)
def put_at(
    input: Tensor, indices: Sequence[Tensor], dims: Sequence[int], values: Tensor | Number, accumulate: bool = False
) -> Tensor:
    """A copy of `input` with `values` at tensors of positions, or added there.

    Args:
        input: any dtype, shape (*).
        indices: int64 or int32, shapes that broadcast; negative positions count from the end.
        dims: the dim each of them indexes, in rising order.
        values: castable to the dtype of `input`, broadcastable to the shape `index` would give; or a number.
        accumulate: add to what is there, each time a position comes. Else one of several values stays.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: a position is out of range.
        ShapeError: indices or values do not broadcast.

    Example:
        >>> from candelabra.ops.indexing import put_at
        >>> put_at(cb.zeros(3), [cb.tensor([1, 1])], (0,), 1, True)
        tensor([0., 2., 0.])
    """
    ...


put_at.vjp(
    input=lambda grad, indices, dims, accumulate: grad if accumulate else put_at(grad, indices, dims, 0),
    values=lambda grad, dims, indices: index(grad, indices, dims),
)


def expand_indices(name: str, shape: Shape, indices: Sequence[Tensor | None]) -> tuple[list[Tensor], Shape]:
    """Positions and the dims they index, from a list that has None for whole dims and masks for several dims.

    Raises:
        CallError: an index is not a tensor.
        DimError: more indices than dims, or a mask of another shape than the dims it stands for.
        DTypeError: an index is neither integer nor bool.
    """
    found: list[Tensor] = []
    dims: list[int] = []
    dim = 0
    for i in indices:
        if i is None:
            dim += 1
        elif not isinstance(i, Tensor):
            raise CallError(f"{name}: indices must be tensors or None, got {i!r} of type {type(i).__name__}")
        elif i._kind.dtype is bool_ or i._kind.dtype is uint8:
            n = i.dim()
            part = shape[dim : dim + n]
            if tuple(i.shape) != part:
                raise DimError(
                    f"{name}: mask must have the shape of the dims it indexes, got {tuple(i.shape)} for {part}"
                )
            found.extend(i.nonzero(as_tuple=True))
            dims.extend(range(dim, dim + n))
            dim += n
        elif i._kind.dtype in INDEX:
            found.append(i)
            dims.append(dim)
            dim += 1
        else:
            raise DTypeError(f"{name}: indices must be int64, int32, uint8 or bool, got {i.dtype.name}")
    if dim > len(shape):
        raise DimError(f"{name}: too many indices, got {dim} for {len(shape)} dims")
    return found, tuple(dims)


def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor | Number, accumulate: bool = False
) -> Tensor:
    """A copy of `input` with `values` where `input[indices]` looks, or added there.

    Args:
        input: any dtype, shape (*).
        indices: a tensor of positions (int64 or int32), a mask (bool), or None for each dim; the rest are whole.
        values: castable to the dtype of `input`, broadcastable to the shape of `input[indices]`.
        accumulate: add to what is there, each time a position comes.

    Returns:
        Shape (*), the dtype of `input`.

    Raises:
        DimError: a position is out of range, or there are more indices than dims.
        ShapeError: indices or values do not broadcast.

    Example:
        >>> cb.index_put(cb.zeros(3), (cb.tensor([1, 1]),), cb.tensor(1.0), accumulate=True)
        tensor([0., 2., 0.])
    """
    found, dims = expand_indices("index_put", tuple(input._array.shape), tuple(indices))
    if not dims:
        key = (slice(None),) * input.dim()
        return input + values if accumulate else basic_index_put(input, values, key)
    return put_at(input, found, dims, values, accumulate)


def _index_put_(
    self: Tensor, indices: Sequence[Tensor | None], values: Tensor | Number, accumulate: bool = False
) -> Tensor:
    """In-place form of `index_put`: writes over this tensor and returns it."""
    found, dims = expand_indices("index_put", tuple(self._array.shape), tuple(indices))
    if not dims:
        if accumulate:
            return self.add_(values)
        return inplace(basic_index_put.op, (self, values, (slice(None),) * self.dim()), {})
    return inplace(put_at.op, (self, found, dims, values, accumulate), {})


Tensor.index_put = index_put
Tensor.index_put_ = _index_put_
