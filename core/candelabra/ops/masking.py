# SPDX-License-Identifier: Apache-2.0
"""Elements picked and written by truth values."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._dtype import bool_, dtype, int64, uint8
from .._errors import ArgumentError, ShapeError
from .._shape import Shape, broadcast_shapes
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .indexing import into_input
from .strided import zeros_of

__all__ = [
    "argwhere",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "nonzero",
]

# -- picked -----------------------------------------------------------------------------------------------------------

MASK = (bool_, uint8)
"""Dtypes of masks."""


def as_mask(mask: Any) -> Any:
    """A uint8 mask as bool; anything else as it is."""
    return mask.to(bool_) if isinstance(mask, Tensor) and mask._kind.dtype is uint8 else mask


@op(
    dtype=rules.kept,
    front=lambda input, mask: (input, as_mask(mask)),
    fixed={"mask": MASK},
    moves_data=True,
    samples=lambda: [
        Sample(Operand((5,)), Operand((5,), dtype="bool")),
        Sample(Operand((3, 4)), Operand((3, 4), dtype="bool")),
        Sample(Operand((3, 4)), Operand((4,), dtype="bool")),
        Sample(Operand((4,)), Operand((3, 1), dtype="bool")),
        Sample(Operand(()), Operand(values=True, dtype="bool")),
        Sample(Operand((0, 3)), Operand((0, 3), dtype="bool")),
    ],
    reference=lambda input, mask: np.broadcast_arrays(input, mask)[0][np.broadcast_arrays(input, mask)[1]],
    tolerance="exact",
)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Elements where `mask` is true, in row-major order.

    Args:
        input: any dtype, shape (*).
        mask: bool, broadcastable with `input`.

    Returns:
        Shape (n), with n the number of true elements: it depends on the data.

    Raises:
        ShapeError: the shapes do not broadcast.

    Example:
        >>> cb.masked_select(cb.tensor([1, 2, 3]), cb.tensor([True, False, True]))
        tensor([1, 3])
    """
    ...


def _masked_select_grad(grad: Tensor, input_shape: Shape, mask: Tensor) -> Tensor:
    shape = broadcast_shapes("masked_select", input_shape, tuple(mask.shape))
    return masked_scatter(zeros_of(shape, grad), mask, grad)


masked_select.vjp(input=_masked_select_grad)


def _nonzero_dtype(name: str, found: dtype, args: Any) -> tuple[dtype, Any]:
    rules.refuse_storage_only(name, found)
    return found, int64


@op(
    name="nonzero",
    method=False,
    dtype=_nonzero_dtype,
    grad="none: positions are integers",
    samples=lambda: [
        Sample(Operand((5,), dtype="bool")),
        Sample(Operand((3, 4), -1, 1)),
        Sample(Operand((2, 3, 2), dtype="bool")),
        Sample(Operand((), nonzero=0.5)),
        Sample(Operand((0, 3))),
        Sample(Operand(values=[0.0, -0.0, np.nan, 1.0]), dtypes=("float32", "float64"), special=[[2], [3]]),
    ],
    reference=np.argwhere,
    tolerance="exact",
)
def nonzero_places(input: Tensor) -> Tensor:
    """Positions of the elements that are not zero; `candelabra.nonzero`.

    Args:
        input: any dtype that computes, shape (*).

    Returns:
        int64, shape (n, ndim): a row a position, in row-major order; n depends on the data.

    Example:
        >>> cb.nonzero(cb.tensor([0, 5, 6]))
        tensor([[1],
                [2]])
    """
    ...


def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """Positions of the elements that are not zero.

    Args:
        input: any dtype that computes, shape (*).
        out: tensor to write into.
        as_tuple: one vector of positions a dim, as indexing takes them, instead of a row a position.

    Returns:
        int64, shape (n, ndim); or a tuple of ndim tensors of shape (n), one for a 0-d `input`.

    Example:
        >>> cb.nonzero(cb.tensor([0, 5, 6]), as_tuple=True)
        (tensor([1, 2]),)
    """
    if as_tuple:
        found = nonzero_places(input if input.dim() else input.reshape((1,)))
        return found.t().unbind(0)
    return nonzero_places(input) if out is None else nonzero_places.op.call(input, out=out)


def argwhere(input: Tensor) -> Tensor:
    """Positions of the elements that are not zero, a row a position; see `nonzero`.

    Returns:
        int64, shape (n, ndim).

    Example:
        >>> cb.argwhere(cb.tensor([[0, 5]]))
        tensor([[0, 1]])
    """
    return nonzero_places(input)


def _nonzero_static(self: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """Positions of the first `size` elements that are not zero; rows of `fill_value` where there are fewer."""
    found = nonzero_places(self).narrow_copy(0, 0, 0) if size == 0 else nonzero_places(self)
    count = found.shape[0]
    if count >= size:
        return found.narrow(0, 0, size).clone()
    from .creation import full
    from .joining import cat

    rest = full((size - count, self.dim()), fill_value, dtype=int64, device=self.device)
    return cat([found, rest])


Tensor.nonzero = nonzero
Tensor.argwhere = argwhere
Tensor.nonzero_static = _nonzero_static

# -- written -----------------------------------------------------------------------------------------------------------


def _masked_fill_shape(input: Any, mask: Any, value: Any) -> Shape:
    if getattr(value, "shape", ()):
        raise ShapeError(f"masked_fill: value must be a number or a 0-d tensor, got shape {tuple(value.shape)}")
    return broadcast_shapes("masked_fill", tuple(input.shape), tuple(mask.shape))


@op(
    dtype=into_input(2),
    shape=_masked_fill_shape,
    front=lambda input, mask, value: (input, as_mask(mask), value),
    fixed={"mask": MASK},
    moves_data=True,
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), Operand((5,), dtype="bool"), 2),
        Sample(Operand((3, 4)), Operand((4,), dtype="bool"), Operand(())),
        Sample(Operand((4,)), Operand((3, 1), dtype="bool"), 1),
        Sample(
            Operand((3, 4)),
            Operand((3, 4), dtype="bool"),
            -np.inf,
            dtypes=("float16", "float32", "float64"),
            grad=False,
        ),
        Sample(Operand(()), Operand((), dtype="bool"), 1),
        Sample(Operand((0, 3)), Operand((0, 3), dtype="bool"), 1),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "0-d tensor", Operand((3,)), Operand((3,), dtype="bool"), Operand((1,))),
        ErrorSample(ShapeError, "broadcast", Operand((3,)), Operand((2,), dtype="bool"), 1),
        ErrorSample(ArgumentError, "does not hold", Operand((3,)), Operand((3,), dtype="bool"), 300, dtype="int8"),
    ],
    reference=lambda input, mask, value: np.where(mask, np.asarray(value, input.dtype), input),
    tolerance="exact",
)
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | Number) -> Tensor:
    """A copy of `input` with one value where `mask` is true.

    Args:
        input: any dtype, shape (*).
        mask: bool, broadcastable with `input`.
        value: a number, or a 0-d tensor castable to the dtype of `input`.

    Returns:
        The broadcast shape, the dtype of `input`.

    Raises:
        ShapeError: the shapes do not broadcast.
        ArgumentError: the dtype does not hold `value`.

    Example:
        >>> cb.masked_fill(cb.tensor([1.0, 2.0]), cb.tensor([True, False]), 0)
        tensor([0., 2.])
    """
    ...


masked_fill.vjp(
    input=lambda grad, mask: masked_fill(grad, mask, 0),
    value=lambda grad, mask: masked_fill(grad, mask.logical_not(), 0).sum(),
)


def _masked_scatter_reference(input: Any, mask: Any, source: Any) -> Any:
    out, where = (np.array(x) for x in np.broadcast_arrays(input, mask))
    out[where] = np.asarray(source).reshape(-1)[: where.sum()]
    return out


@op(
    dtype=into_input(2),
    shape=lambda input, mask, source: broadcast_shapes("masked_scatter", tuple(input.shape), tuple(mask.shape)),
    front=lambda input, mask, source: (input, as_mask(mask), source),
    fixed={"mask": MASK},
    moves_data=True,
    inplace=True,
    samples=lambda: [
        Sample(Operand((5,)), Operand((5,), dtype="bool"), Operand((7,))),
        Sample(Operand((3, 4)), Operand((4,), dtype="bool"), Operand((4, 3))),
        Sample(Operand((3, 4)), Operand(values=[[False]] * 3, dtype="bool"), Operand((0,))),
        Sample(Operand((4,)), Operand(values=[[True, False, False, True]] * 2, dtype="bool"), Operand((2, 2))),
    ],
    errors=lambda: [
        ErrorSample(
            ShapeError, "for 2 places", Operand((2,)), Operand(values=[True, True], dtype="bool"), Operand((1,))
        )
    ],
    reference=_masked_scatter_reference,
    tolerance="exact",
)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the elements of `source`, in their order, where `mask` is true.

    Args:
        input: any dtype, shape (*).
        mask: bool, broadcastable with `input`.
        source: castable to the dtype of `input`, at least as many elements as `mask` has true ones.

    Returns:
        The broadcast shape, the dtype of `input`.

    Raises:
        ShapeError: `source` has too few elements, or the shapes do not broadcast.

    Example:
        >>> cb.masked_scatter(cb.zeros(3), cb.tensor([True, False, True]), cb.tensor([5.0, 6.0]))
        tensor([5., 0., 6.])
    """
    ...


def _masked_source_grad(grad: Tensor, mask: Tensor, source_shape: Shape) -> Tensor:
    from .joining import cat

    found = grad.masked_select(mask)
    rest = int(np.prod(source_shape)) - found.numel()
    if rest:
        found = cat([found, zeros_of((rest,), grad)])
    return found.reshape(source_shape)


masked_scatter.vjp(input=lambda grad, mask: masked_fill(grad, mask, 0), source=_masked_source_grad)
