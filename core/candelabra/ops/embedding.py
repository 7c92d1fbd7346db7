# SPDX-License-Identifier: Apache-2.0
"""Rows of a table chosen by number, and their gradient."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import _dtype
from .._config import grad_enabled
from .._errors import ArgumentError, DimError, DTypeError, MissingKernelError, ShapeError
from .._shape import Shape
from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample

__all__ = ["embedding", "embedding_bag", "embedding_rows", "embedding_weight_grad", "one_hot"]

INDEX = (_dtype.int64, _dtype.int32)


def _numbers(*values: Any) -> Operand:
    return Operand(np.shape(values), values=list(values), dtype="int64")


# -- primitives ------------------------------------------------------------------------------------------------------


def _rows_shape(input: Any, weight: Any, padding_idx: int | None, scale_grad_by_freq: bool) -> Shape:
    if weight.dim() != 2:
        raise ShapeError(f"embedding: weight must have 2 dims, got shape {tuple(weight.shape)}")
    return (*input.shape, weight.shape[1])


@op(
    dtype=rules.kept,
    shape=_rows_shape,
    fixed={"input": INDEX},
    moves_data=True,
    method=False,
    samples=lambda: [
        Sample(_numbers(2, 0, 2, 1), Operand((3, 2)), None, False),
        Sample(_numbers([2, 0], [1, 1]), Operand((3, 2)), 1, False, grad=False),
        Sample(_numbers(2, 0, 2, 1), Operand((3, 2)), None, True, grad=False),
        Sample(_numbers(2, 0, 2, 1), Operand((3, 2)), 0, True, grad=False),
        Sample(Operand((), values=1, dtype="int64"), Operand((3, 2)), None, False),
        Sample(Operand((0,), dtype="int64"), Operand((3, 2)), None, False),
    ],
    reference=lambda input, weight, padding_idx, scale_grad_by_freq: weight[input],
    tolerance="exact",
)
def embedding_rows(input: Tensor, weight: Tensor, padding_idx: int | None, scale_grad_by_freq: bool) -> Tensor:
    """Rows of `weight` by number.

    Args:
        input: int64 or int32, shape (*).
        weight: any dtype, shape (V, D).
        padding_idx: row without a gradient, or None.
        scale_grad_by_freq: divide the gradient of each row by how often it occurs.

    Returns:
        Shape (*, D).

    Raises:
        DimError: a number is outside [0, V).

    Example:
        >>> cb.embedding_rows(cb.tensor([1, 1]), cb.tensor([[0.0, 1.0], [2.0, 3.0]]), None, False)
        tensor([[2., 3.],
                [2., 3.]])
    """
    ...


def _weight_grad_reference(
    grad: Any, input: Any, num_embeddings: int, padding_idx: int | None, scale_grad_by_freq: bool
) -> Any:
    out = np.zeros((num_embeddings, grad.shape[-1]), grad.dtype)
    for row in range(num_embeddings):
        here = grad[input == row]
        if row != padding_idx and len(here):
            out[row] = here.mean(0) if scale_grad_by_freq else here.sum(0)
    return out


@op(
    dtype=rules.inexact_only,
    shape=lambda grad, input, num_embeddings, *rest: (num_embeddings, grad.shape[-1]),
    fixed={"input": INDEX},
    method=False,
    samples=lambda: [
        Sample(Operand((4, 2)), _numbers(2, 0, 2, 1), 4, None, False),
        Sample(Operand((4, 2)), _numbers(2, 0, 2, 1), 3, 2, False),
        Sample(Operand((2, 2, 3)), _numbers([2, 0], [2, 1]), 3, 0, True),
        Sample(Operand((2,)), Operand((), values=1, dtype="int64"), 3, None, False),
        Sample(Operand((0, 2)), Operand((0,), dtype="int64"), 3, None, True),
    ],
    reference=_weight_grad_reference,
    tolerance="accumulation",
)
def embedding_weight_grad(
    grad: Tensor, input: Tensor, num_embeddings: int, padding_idx: int | None, scale_grad_by_freq: bool
) -> Tensor:
    """Each row of `grad` added to the row its number names: the gradient of `embedding_rows` in its table.

    Args:
        grad: floating or complex, shape (*, D).
        input: int64 or int32, shape (*).
        num_embeddings: number of rows of the table.
        padding_idx: row that stays 0, or None.
        scale_grad_by_freq: divide each row by how often it occurs.

    Returns:
        Shape (num_embeddings, D).

    Example:
        >>> cb.embedding_weight_grad(cb.ones(3, 1), cb.tensor([0, 1, 1]), 2, None, False)
        tensor([[1.],
                [2.]])
    """
    from ._names import zeros

    flat = input.reshape((input.numel(),))
    rows = grad.reshape((flat.shape[0], grad.shape[-1]))
    total = zeros((num_embeddings, grad.shape[-1]), dtype=grad.dtype, device=grad.device).index_add(0, flat, rows)
    return _weighed(total, flat, padding_idx, scale_grad_by_freq)


def _weighed(rows: Tensor, numbers: Tensor, padding_idx: int | None, scale_grad_by_freq: bool) -> Tensor:
    """Rows of a table over how often their number occurs, the padding row zeroed."""
    from ._names import where, zeros
    from .strided import host_tensor

    if scale_grad_by_freq:
        ones = zeros(numbers.shape, dtype=rows.dtype.to_real(), device=rows.device) + 1
        counts = zeros((rows.shape[0],), dtype=ones.dtype, device=rows.device).index_add(0, numbers, ones)
        rows = rows / counts.clamp_min(1).reshape((-1, 1))
    if padding_idx is not None:
        rows = where(host_tensor(np.arange(rows.shape[0])[:, None] != padding_idx, rows), rows, 0.0)
    return rows


embedding_rows.vjp(
    weight=lambda grad, input, weight_shape, padding_idx, scale_grad_by_freq: embedding_weight_grad(
        grad, input, weight_shape[0], padding_idx, scale_grad_by_freq
    )
)
embedding_weight_grad.vjp(
    grad=lambda grad, input, padding_idx, scale_grad_by_freq: embedding_rows(
        input, _weighed(grad, input.reshape((input.numel(),)), padding_idx, scale_grad_by_freq), None, False
    )
)


# -- what users call -------------------------------------------------------------------------------------------------


def _padding_row(name: str, padding_idx: int | None, count: int) -> int | None:
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise ArgumentError(f"{name}: padding_idx must be in [{-count}, {count}), got padding_idx={padding_idx}")
    return padding_idx % count


def _refuse_sparse(name: str, sparse: bool) -> None:
    if sparse:
        raise ArgumentError(f"{name}: gradients are dense, got sparse=True; leave sparse=False")


def _check_table(name: str, input: Tensor, weight: Tensor) -> None:
    if input.dtype not in INDEX:
        raise DTypeError(f"{name}: input must be int64 or int32, got {input.dtype.name}")
    if weight.dim() != 2:
        raise ShapeError(f"{name}: weight must have 2 dims, got shape {tuple(weight.shape)}")


def _check_numbers(name: str, input: Tensor, count: int, label: str = "num_embeddings") -> None:
    """Refuses numbers that are no rows; on meta there are none to look at."""
    if input.is_meta or not input.numel():
        return
    low, high = int(input.min()), int(input.max())
    if low < 0 or high >= count:
        raise DimError(f"{name}: input must be in [0, {label}), got {low if low < 0 else high} for {label}={count}")


def _shorten(input: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the rows in use down to a norm of at most `max_norm`, in place and unrecorded."""
    from ..dispatcher._write import write
    from ._names import where, zeros
    from .norm import vector_norm

    _check_numbers("embedding", input, weight.shape[0])
    token = grad_enabled.set(False)
    try:
        flat = input.reshape((input.numel(),))
        used = zeros((weight.shape[0],), dtype=weight.dtype, device=weight.device).index_fill(0, flat, 1.0)
        norm = vector_norm(weight, norm_type, 1)
        # 1e-7 keeps a row that was scaled from coming out a rounding error too long again.
        factor = where((used > 0) & (norm > max_norm), max_norm / (norm + 1e-7), 1.0)
        write(weight, (weight * factor.reshape((-1, 1))).to(weight.dtype))
    finally:
        grad_enabled.reset(token)


@op(
    dtype=rules.kept,
    fixed={"input": INDEX},
    method=False,
    samples=lambda: [
        Sample(_numbers(2, 0, 2, 1), Operand((3, 2))),
        Sample(_numbers([2, 0], [1, 1]), Operand((3, 2)), -1, grad=False),
        Sample(_numbers(2, 0, 2, 1), Operand((3, 2)), scale_grad_by_freq=True, grad=False),
        Sample(Operand((0,), dtype="int64"), Operand((3, 2)), 0),
        Sample(Operand((2,), values=[1, 0], dtype="int32"), Operand((2, 3))),
    ],
    errors=lambda: [
        ErrorSample(DimError, "embedding", _numbers(0, 3), Operand((3, 2))),
        ErrorSample(DimError, "embedding", _numbers(0, -1), Operand((3, 2))),
        ErrorSample(ArgumentError, "padding_idx", _numbers(0), Operand((3, 2)), 3),
        ErrorSample(ArgumentError, "sparse", _numbers(0), Operand((3, 2)), sparse=True),
        ErrorSample(ShapeError, "2 dims", _numbers(0), Operand((3,))),
        ErrorSample(DTypeError, "input must be", Operand((2,)), Operand((3, 2))),
    ],
    reference=lambda input, weight, *rest, **more: weight[input],
    tolerance="exact",
)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` by number.

    Args:
        input: int64 or int32, shape (*).
        weight: any dtype, shape (V, D).
        padding_idx: row without a gradient; negative counts from the end.
        max_norm: scale rows in use with a longer norm down to it, in `weight` itself.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it occurs in `input`.
        sparse: False; gradients are dense.

    Returns:
        Shape (*, D).

    Raises:
        DimError: a number is outside [0, V).
        ArgumentError: `padding_idx` is out of range, or `sparse` is set.
        ShapeError: `weight` is not a matrix.

    Example:
        >>> cb.embedding(cb.tensor([1, 0]), cb.tensor([[0.0, 1.0], [2.0, 3.0]]))
        tensor([[2., 3.],
                [0., 1.]])
    """
    _refuse_sparse("embedding", sparse)
    _check_table("embedding", input, weight)
    row = _padding_row("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _shorten(input, weight, float(max_norm), float(norm_type))
    return embedding_rows(input, weight, row, bool(scale_grad_by_freq))


def _bags(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Any, Any]:
    """Positions in flat `input` for each bag, padded to the longest, and which of them are real."""
    if input.dim() == 2:
        if offsets is not None:
            raise ArgumentError("embedding_bag: offsets are for 1-d input, got input of 2 dims; leave offsets=None")
        places = np.arange(input.numel()).reshape(tuple(input.shape))
        return places, np.ones(places.shape, bool)
    if input.dim() != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag: input must be 2-d, or 1-d with offsets, got shape {tuple(input.shape)}, {offsets=}"
        )
    starts = np.asarray(offsets.tolist(), np.int64).reshape(-1)
    count = input.shape[0]
    if not len(starts) or starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > count:
        raise ArgumentError(
            f"embedding_bag: offsets must start at 0 and rise to at most {count}, got offsets={starts.tolist()}"
        )
    ends = np.append(starts[1:], count)
    if include_last_offset:
        starts, ends = starts[:-1], starts[1:]
    steps = np.arange(max(int((ends - starts).max(initial=0)), 1))
    places = starts[:, None] + steps
    return np.minimum(places, max(count - 1, 0)), places < ends[:, None]


def _bag_reference(input: Any, weight: Any, offsets: Any = None, **options: Any) -> Any:
    mode, padding, scale = (options.get(k) for k in ("mode", "padding_idx", "per_sample_weights"))
    flat = input.reshape(-1)
    if input.ndim == 2:
        edges = list(range(0, flat.size + 1, input.shape[1]))
    else:
        edges = [*offsets.tolist()] + ([] if options.get("include_last_offset") else [flat.size])
    rows = []
    for a, b in itertools.pairwise(edges):
        kept = [i for i in range(a, b) if flat[i] != padding]
        bag = weight[flat[kept]] if scale is None else weight[flat[kept]] * scale.reshape(-1)[kept, None]
        reduce: Any = {"sum": np.sum, "max": np.max}.get(mode or "mean", np.mean)
        rows.append(reduce(bag, axis=0) if len(kept) else np.zeros(weight.shape[1]))
    return np.array(rows).reshape(len(edges) - 1, weight.shape[1])


@op(
    dtype=rules.inexact_only,
    fixed={"input": INDEX, "offsets": INDEX},
    method=False,
    samples=lambda: [
        Sample(_numbers([2, 0], [1, 1]), Operand((3, 2))),
        Sample(_numbers(2, 0, 1, 1), Operand((3, 2)), _numbers(0, 1, 1, 3), mode="sum"),
        Sample(_numbers(2, 0, 1, 1), Operand((3, 2)), _numbers(0, 2, 4), include_last_offset=True),
        Sample(_numbers([2, 0], [1, 0]), Operand((3, 2), distinct=True), mode="max"),
        Sample(_numbers([2, 0], [0, 0]), Operand((3, 2)), padding_idx=0),
        Sample(_numbers([2, 0], [1, 1]), Operand((3, 2)), mode="sum", per_sample_weights=Operand((2, 2))),
    ],
    errors=lambda: [
        ErrorSample(DimError, "embedding_bag", _numbers([0, 3]), Operand((3, 2))),
        ErrorSample(ArgumentError, "offsets must start at 0", _numbers(0, 1), Operand((3, 2)), _numbers(1)),
        ErrorSample(ArgumentError, "mode must be", _numbers([0, 1]), Operand((3, 2)), mode="median"),
        ErrorSample(ArgumentError, "only with", _numbers([0, 1]), Operand((3, 2)), per_sample_weights=Operand((1, 2))),
        ErrorSample(ShapeError, "1-d with offsets", _numbers(0, 1), Operand((3, 2))),
    ],
    reference=_bag_reference,
    tolerance="accumulation",
)
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of `weight`.

    Args:
        input: int64 or int32, shape (B, N) for bags of one size, or (N) with `offsets`.
        weight: floating or complex, shape (V, D).
        offsets: int64 or int32, shape (B): where each bag starts in 1-d `input`.
        max_norm: scale rows in use with a longer norm down to it, in `weight` itself.
        norm_type: exponent of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often it occurs in `input`.
        mode: `"sum"`, `"mean"` or `"max"`.
        sparse: False; gradients are dense.
        per_sample_weights: factors of the rows, the shape of `input`; with mode `"sum"` only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: row that is left out of every bag; negative counts from the end.

    Returns:
        Shape (B, D); 0 for an empty bag.

    Raises:
        DimError: a number is outside [0, V).
        ArgumentError: offsets, mode or padding_idx are not as said.
        ShapeError: shapes do not fit.

    Example:
        >>> cb.embedding_bag(cb.tensor([0, 1, 1]), cb.tensor([[1.0], [3.0]]), cb.tensor([0, 2]))
        tensor([[2.],
                [3.]])
    """
    from ._names import where
    from .strided import host_tensor

    _refuse_sparse("embedding_bag", sparse)
    _check_table("embedding_bag", input, weight)
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f'embedding_bag: mode must be "sum", "mean" or "max", got mode={mode!r}')
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ArgumentError(
            f'embedding_bag: per_sample_weights go only with mode="sum" and the shape of input, got mode={mode!r} and '
            f"shape {tuple(per_sample_weights.shape)} for {tuple(input.shape)}"
        )
    row = _padding_row("embedding_bag", padding_idx, weight.shape[0])
    places, real = _bags(input, offsets, include_last_offset)
    if not real.any():
        return weight.new_zeros((len(places), weight.shape[1])) + weight.sum() * 0
    _check_numbers("embedding_bag", input, weight.shape[0])
    if max_norm is not None:
        _shorten(input, weight, float(max_norm), float(norm_type))
    numbers = input.reshape((input.numel(),))
    inside = host_tensor(real[..., None], input)
    at = host_tensor(places.reshape(-1), input)
    rows = embedding_rows(numbers, weight, row, bool(scale_grad_by_freq))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape((-1, 1))
    rows = rows.index_select(0, at).reshape((*places.shape, weight.shape[1]))
    if row is not None:
        inside = inside & (numbers != row).index_select(0, at).reshape((*places.shape, 1))
    if mode == "max":
        found = where(inside, rows, -np.inf).amax(1)
        return where(inside.any(1), found, 0.0)
    total = where(inside, rows, 0.0).sum(1)
    return total if mode == "sum" else total / inside.sum(1).clamp_min(1).to(total.dtype)


@op(
    fixed={"tensor": (_dtype.int64, _dtype.int32)},
    method=False,
    grad="none: integer",
    samples=lambda: [
        Sample(_numbers(2, 0, 1)),
        Sample(_numbers([2, 0], [1, 1]), 4),
        Sample(Operand((), values=1, dtype="int64"), 3),
        Sample(Operand((0,), dtype="int64"), 3),
    ],
    errors=lambda: [
        ErrorSample(ArgumentError, "smaller than num_classes", _numbers(0, 3), 3),
        ErrorSample(ArgumentError, "not be negative", _numbers(0, -1)),
        ErrorSample(ArgumentError, "num_classes must be", _numbers(0), 0),
        ErrorSample(ArgumentError, "num_classes must be", Operand((0,), dtype="int64")),
    ],
    reference=lambda tensor, num_classes=-1: np.eye(
        tensor.max() + 1 if num_classes == -1 else num_classes, dtype=np.int64
    )[tensor],
    tolerance="exact",
)
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the position each number names, and 0 elsewhere, in a new last dim.

    Args:
        tensor: int64 or int32, shape (*).
        num_classes: size of the new dim; one more than the largest number when -1.

    Returns:
        int64, shape (*, num_classes).

    Raises:
        ArgumentError: a number is outside [0, num_classes), or there are none to find `num_classes` from.

    Example:
        >>> cb.one_hot(cb.tensor([1, 0]))
        tensor([[0, 1],
                [1, 0]])
    """
    from ._names import eq
    from .strided import host_tensor

    empty = not tensor.numel()
    if num_classes == -1 and tensor.is_meta:
        raise MissingKernelError("one_hot: result shape depends on the data, got a meta tensor; give num_classes")
    if num_classes < -1 or num_classes == 0 or (num_classes == -1 and empty):
        raise ArgumentError(
            f"one_hot: num_classes must be positive, or -1 with numbers to look at, got num_classes={num_classes} for "
            f"shape {tuple(tensor.shape)}"
        )
    if not empty and not tensor.is_meta:
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0:
            raise ArgumentError(f"one_hot: tensor must not be negative, got {low}")
        if num_classes != -1 and high >= num_classes:
            raise ArgumentError(f"one_hot: tensor must be smaller than num_classes, got {high} for {num_classes}")
        num_classes = high + 1 if num_classes == -1 else num_classes
    classes = host_tensor(np.arange(num_classes), tensor)
    return eq(tensor.unsqueeze(-1), classes).to(_dtype.int64)
