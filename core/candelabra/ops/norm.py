# SPDX-License-Identifier: Apache-2.0
"""Norms of vectors, and distances by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import check_dtype
from .._errors import ArgumentError, DimError, DTypeError
from .._shape import Shape, normalize_dims, reduced_shape
from ..op import Number, op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, binary
from .extremes import amax, amin
from .reduction import in_single, refuse_empty, sum, unreduce

__all__ = ["dist", "norm", "vector_norm"]


def _front_norm(input: Tensor, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> tuple[Any, ...]:
    if isinstance(ord, (str, complex)) or not hasattr(ord, "__float__"):
        raise ArgumentError(f"vector_norm: ord must be a real number, got ord={ord!r}")
    if dtype is not None:
        input = input.to(check_dtype(dtype))
    # Orders that make cheap powers become constants of a compiled kernel; any other stays its parameter.
    order = ord if isinstance(ord, float) and ord != 0.5 and ord % 1 != 0 else float(ord)
    return input, order, normalize_dims("vector_norm", dim, input.dim()), bool(keepdim)


def _norm_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    return rules.inexact_only(name, found, args)[0], found.to_real()


def _norm_shape(input: Any, ord: float, dim: Shape, keepdim: bool) -> Shape:
    if ord < 0 or ord == math.inf:
        refuse_empty("vector_norm", input, dim)
    return reduced_shape(tuple(input.shape), dim, keepdim)


def _reference_norm(input: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    size = np.abs(input)
    dims = tuple(range(size.ndim)) if dim is None else dim
    if abs(ord) == math.inf:
        return (np.max if ord > 0 else np.min)(size, axis=dims, keepdims=keepdim)
    if ord == 0:
        return np.sum(size != 0, axis=dims, keepdims=keepdim)
    return np.sum(size ** float(ord), axis=dims, keepdims=keepdim) ** (1 / ord)


_ORDERS = (2, 1, 0, math.inf, -math.inf, 3, 0.5, -1)


@op(
    dtype=_norm_dtype,
    shape=_norm_shape,
    front=_front_norm,
    drops=("dtype",),
    samples=lambda: [
        *[Sample(Operand((2, 3), -1.0, 2.2, distinct=True), ord) for ord in _ORDERS],
        *[Sample(Operand((2, 3, 4), -1.0, 2.2, distinct=True), ord, (0, -1)) for ord in _ORDERS],
        *[Sample(Operand((5,), distinct=True, low=0.5), ord, 0, True) for ord in _ORDERS],
        *[Sample(Operand((), nonzero=0.5), ord) for ord in (2, 1, math.inf, 3)],
        *[Sample(Operand((0, 3)), ord, 0) for ord in (0, 1, 2, 2.5)],
        Sample(Operand((37, 129)), 2, 1),
        Sample(Operand((129, 37)), 2, 0),
        Sample(Operand((5,)), dtype=_dtype.float64),
        Sample(Operand((2, 2), values=[[3.0, 4.0], [np.inf, 0.0]]), 2, 1, special=[5.0, np.inf], grad=False),
    ],
    errors=lambda: [
        ErrorSample(DimError, "cannot choose among no elements", Operand((0,)), math.inf),
        ErrorSample(DTypeError, "needs a floating or complex dtype", Operand((2,)), dtype="int64"),
        ErrorSample(ArgumentError, "ord must be a real number", Operand((2,)), "fro"),
        ErrorSample(DimError, "vector_norm: dim must be in", Operand((2,)), 2, 1),
    ],
    reference=_reference_norm,
    tolerance="accumulation",
)
def vector_norm(
    input: Tensor,
    ord: Number = 2,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Norm of vectors: `sum(abs(x) ** ord) ** (1 / ord)` over `dim`.

    Args:
        input: floating or complex, shape (*). 16-bit floats are accumulated in float32.
        ord: any real number. inf takes the largest magnitude, -inf the smallest, 0 counts what is not zero.
        dim: dims that make a vector; all of them when None.
        keepdim: keep them with size 1.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`, the real dtype of `input`'s precision. The gradient is 0 at a zero vector.

    Raises:
        DTypeError: `input` is of integers or bool.
        ArgumentError: `ord` is not a real number.
        DimError: `dim` is out of range; or there are no elements and `ord` is negative or infinite.

    Example:
        >>> cb.vector_norm(cb.tensor([3.0, 4.0]))
        tensor(5.)
    """
    source, order, dims, keep = _front_norm(input, ord, dim, keepdim, dtype)
    rules.inexact_only("vector_norm", source.dtype, (source,))
    _norm_shape(source, order, dims, keep)
    size = in_single(source).abs()
    if order == math.inf:
        found = amax(size, dims, keep)
    elif order == -math.inf:
        found = amin(size, dims, keep)
    elif order == 0:
        found = sum(size.ne(0), dims, keep)
    elif order == 1:
        found = sum(size, dims, keep)
    elif order == 2:
        found = sum(size * size, dims, keep).sqrt()
    else:
        found = sum(size.pow(order), dims, keep).pow(1 / order)
    return found.to(source.dtype.to_real())


def _norm_grad(grad: Tensor, out: Tensor, input: Tensor, ord: float, dim: Shape, keepdim: bool) -> Tensor:
    """The norm's slope: for finite orders sgn(x) (abs(x) / norm) ** (ord - 1); 0 where x is, as in PyTorch."""
    from ._names import eq, where, zeros_like

    shape = tuple(input.shape)
    if ord == 0:
        return zeros_like(input)
    if ord == 1:
        return unreduce(grad, shape, dim, keepdim) * input.sgn()
    if ord == 2:  # x / norm, without a power
        return unreduce(where(eq(out, 0), 0, grad / where(eq(out, 0), 1, out)), shape, dim, keepdim) * input
    full, size = unreduce(out, shape, dim, keepdim), input.abs()
    if math.isinf(ord):
        ties = eq(size, full).to(grad.dtype)
        return unreduce(grad, shape, dim, keepdim) * input.sgn() * (ties / sum(ties, dim, True))
    flat = eq(size, 0).logical_or(eq(full, 0))
    slope = (where(flat, 1, size) / where(flat, 1, full)).pow(ord - 1)
    return unreduce(grad, shape, dim, keepdim) * input.sgn() * where(flat, 0, slope)


vector_norm.vjp(input=_norm_grad)


def norm(
    input: Tensor,
    p: Number | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Any = None,
) -> Tensor:
    """Norm of all elements, or of the vectors that `dim` makes. Matrices are taken as vectors of their elements.

    Args:
        input: floating or complex, shape (*).
        p: order, as `ord` of `vector_norm`; "fro" (Frobenius) and None are 2.
        dim: dims to reduce; all of them when None.
        keepdim: keep them with size 1.
        out: tensor to write into.
        dtype: cast `input` to it first.

    Returns:
        Shape (*) without `dim`, the real dtype of `input`'s precision.

    Raises:
        ArgumentError: `p` is neither a number nor "fro".
        DTypeError: `input` is of integers or bool.
        DimError: `dim` is out of range.

    Example:
        >>> cb.norm(cb.tensor([[3.0, 0.0], [0.0, 4.0]]))
        tensor(5.)
    """
    if isinstance(p, str) and p != "fro":
        raise ArgumentError(f'norm: p must be a number or "fro", got p={p!r}')
    order: Any = 2 if p is None or p == "fro" else p
    if out is None:
        return vector_norm(input, order, dim, keepdim, dtype=dtype)
    return vector_norm(input, order, dim, keepdim, dtype=dtype, out=out)  # type: ignore[call-arg]


@op(
    samples=lambda: [
        *binary(scalars=(), nonzero=0.0),
        *[Sample(Operand((2, 3)), Operand((2, 3)), p) for p in (1, 0, 3, 0.5)],
        Sample(Operand((5,), 0.5, 2.0, distinct=True), Operand((5,), values=[0.0] * 5), math.inf),
    ],
    errors=lambda: [
        ErrorSample(DTypeError, "needs a floating or complex dtype", Operand((2,)), Operand((2,)), dtype="int64")
    ],
    reference=lambda input, other, p=2: _reference_norm(np.subtract(input, other), p),
    tolerance="accumulation",
)
def dist(input: Tensor, other: Tensor, p: Number = 2) -> Tensor:
    """Norm of the difference of two tensors, taken as vectors.

    Args:
        input: floating or complex, shape (*).
        other: broadcastable with `input`.
        p: order, as `ord` of `vector_norm`.

    Returns:
        0-d, the real dtype of the promoted precision.

    Raises:
        DTypeError: both are of integers.
        ShapeError: the shapes do not broadcast.

    Example:
        >>> cb.dist(cb.tensor([1.0, 2.0]), cb.tensor([4.0, 6.0]))
        tensor(5.)
    """
    return vector_norm(input - other, p)


Tensor.norm = norm
