# SPDX-License-Identifier: Apache-2.0
"""Contractions: sums of products over named or paired dims, and products of several matrices."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, CallError, ShapeError
from .._shape import Shape, normalize_dims
from ..op import op
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample
from .linalg import bmm, check_inner, check_ranks, mm, pairs

__all__ = ["chain_matmul", "einsum", "kron", "tensordot"]


Labels = tuple[int, ...]


def _permuted(value: Tensor, order: Sequence[int]) -> Tensor:
    return value if list(order) == list(range(len(order))) else value.permute(tuple(order))


def _sum_labels(value: Tensor, labels: Labels, keep: set[int]) -> tuple[Tensor, Labels]:
    gone = tuple(i for i, label in enumerate(labels) if label not in keep)
    if gone:
        value = value.sum(gone)
    return value, tuple(label for label in labels if label in keep)


def _without_ones(value: Tensor, labels: Labels, other: Tensor, other_labels: Labels) -> tuple[Tensor, Labels]:
    """Leaves out dims of size 1 that `other` has with another size: they broadcast."""
    sizes = dict(zip(other_labels, other.shape, strict=True))
    kept = [i for i, label in enumerate(labels) if value.shape[i] != 1 or sizes.get(label, 1) == 1]
    if len(kept) < len(labels):
        value = value.reshape(tuple(value.shape[i] for i in kept))
    return value, tuple(labels[i] for i in kept)


def _contract(a: Tensor, la: Labels, b: Tensor, lb: Labels, keep: set[int]) -> tuple[Tensor, Labels]:
    """Product of two labelled tensors, summed over the labels that are not in `keep`."""
    a, la_ = _without_ones(a, la, b, lb)
    b, lb = _without_ones(b, lb, a, la_)
    a, la = _sum_labels(a, la_, keep | set(lb))
    b, lb = _sum_labels(b, lb, keep | set(la))
    shared = [label for label in la if label in lb]
    batch = [label for label in shared if label in keep]
    summed = [label for label in shared if label not in keep]
    rows = [label for label in la if label not in lb]
    columns = [label for label in lb if label not in la]
    sizes = {**dict(zip(la, a.shape, strict=True)), **dict(zip(lb, b.shape, strict=True))}
    left = _permuted(a, [la.index(label) for label in (*batch, *rows, *summed)])
    right = _permuted(b, [lb.index(label) for label in (*batch, *summed, *columns)])
    out_labels = (*batch, *rows, *columns)
    out_shape = tuple(sizes[label] for label in out_labels)
    if not summed:  # nothing to add up: an elementwise product that broadcasts
        first, behind = len(batch) + len(rows), len(columns)
        right = right.reshape(out_shape[: len(batch)] + (1,) * len(rows) + out_shape[first:])
        return left.reshape(out_shape[:first] + (1,) * behind) * right, out_labels
    h, n, k, m = (math.prod(sizes[label] for label in part) for part in (batch, rows, summed, columns))
    if batch:
        product = bmm(left.reshape((h, n, k)), right.reshape((h, k, m)))
    else:
        product = mm(left.reshape((n, k)), right.reshape((k, m)))
    return product.reshape(out_shape), out_labels


def _contract_all(operands: list[tuple[Tensor, Labels]], out: Labels) -> Tensor:
    """Contracts the cheapest pair first: the one whose result adds least to the elements held."""
    while len(operands) > 1:
        i, j = _cheapest_pair(operands, out) if len(operands) > 2 else (0, 1)
        (a, la), (b, lb) = operands[i], operands[j]
        rest = [operand for k, operand in enumerate(operands) if k not in (i, j)]
        keep = set(out).union(*(labels for _, labels in rest))
        operands = [*rest[:i], _contract(a, la, b, lb, keep), *rest[i:]]
    value, labels = _sum_labels(*operands[0], set(out))
    return _permuted(value, [labels.index(label) for label in out])


def _cheapest_pair(operands: list[tuple[Tensor, Labels]], out: Labels) -> tuple[int, int]:
    def growth(i: int, j: int) -> int:
        keep = set(out).union(*(labels for k, (_, labels) in enumerate(operands) if k not in (i, j)))
        sizes: dict[int, int] = {}
        for value, labels in (operands[i], operands[j]):
            for label, size in zip(labels, value.shape, strict=True):
                sizes[label] = size if sizes.get(label, 1) == 1 else sizes[label]
        result = math.prod(size for label, size in sizes.items() if label in keep)
        return result - operands[i][0].numel() - operands[j][0].numel()

    pairs = [(i, j) for j in range(len(operands)) for i in range(j)]
    return min(pairs, key=lambda pair: growth(*pair))


_DOTS = -1000  # ellipsis dims are labelled from here upwards, before all letters


def _labels_of(text: str, where: str) -> list[Any]:
    """Letters as code points and Ellipsis, from one part of an equation."""
    found: list[Any] = []
    i = 0
    while i < len(text):
        if text.startswith("...", i) and Ellipsis not in found:
            found.append(Ellipsis)
            i += 3
            continue
        if not (text[i].isascii() and text[i].isalpha()):
            raise ArgumentError(
                f"einsum: labels must be letters, with one '...' at most, got {text[i]!r} in {where} {text!r}"
            )
        found.append(ord(text[i]))
        i += 1
    return found


def _spelled(labels: Any) -> str:
    """A list of numbers 0 to 51 and Ellipsis as a term of letters, capitals first."""
    if not isinstance(labels, (list, tuple)):
        raise CallError(f"einsum: operands and lists of labels must alternate, got {labels!r} for a list")
    letters = ""
    for label in labels:
        if label is not Ellipsis and not (hasattr(label, "__index__") and 0 <= label.__index__() < 52):
            raise ArgumentError(f"einsum: labels must be in [0, 52) or Ellipsis, got {list(labels)}")
        letters += "..." if label is Ellipsis else string.ascii_uppercase[label] if label < 26 else chr(label + 71)
    return letters


def _parse(equation: str, count: int) -> tuple[list[list[Any]], list[Any] | None]:
    """Labels of each of `count` operands, and those of the result (None: implicit)."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != count:
        raise ArgumentError(f"einsum: one operand a term, got {count} operands for {equation!r}")
    return [_labels_of(term, "operand") for term in terms], _labels_of(right, "output") if arrow else None


def _expand_labels(operand: Tensor, labels: list[Any], index: int) -> list[int]:
    """Labels of each dim, those under an ellipsis numbered so that the last ones align."""
    named = len(labels) - (Ellipsis in labels)
    spare = operand.dim() - named
    if spare < 0 or (spare and Ellipsis not in labels):
        raise ShapeError(
            f"einsum: labels of operand {index} must name each dim, got {named} for shape {tuple(operand.shape)}"
        )
    return [x for label in labels for x in (range(_DOTS - spare, _DOTS) if label is Ellipsis else [label])]


def _shown(label: int) -> str:
    return "..." if label < 0 else chr(label)


def _resolve(equation: str, tensors: Sequence[Tensor]) -> tuple[list[tuple[Tensor, list[int]]], Labels]:
    """Each operand with a label for each dim, and the labels of the result; refuses what does not fit."""
    terms, out = _parse(equation, len(tensors))
    labelled = [(t, _expand_labels(t, term, i)) for i, (t, term) in enumerate(zip(tensors, terms, strict=True))]
    sizes: dict[int, int] = {}
    for i, (value, labels) in enumerate(labelled):
        for label, size in zip(labels, value.shape, strict=True):
            known = sizes.setdefault(label, size)
            repeated = [s for x, s in zip(labels, value.shape, strict=True) if x == label]
            if any(s != size for s in repeated) or (size not in (1, known) and known != 1):
                raise ShapeError(
                    f"einsum: sizes under {_shown(label)!r} must agree, got {known} and {repeated} at operand {i}"
                )
            sizes[label] = max(known, size) if 0 not in (known, size) else 0
    dots = [label for label in sorted(sizes) if label < 0]
    everything = [label for _, labels in labelled for label in labels]
    if out is None:
        return labelled, (*dots, *sorted(label for label in sizes if label >= 0 and everything.count(label) == 1))
    result = tuple(x for label in out for x in (dots if label is Ellipsis else [label]))
    for label in result:
        if label not in sizes:
            raise ArgumentError(f"einsum: labels of the result must be those of an operand, got {_shown(label)!r}")
        if result.count(label) > 1:
            raise ArgumentError(f"einsum: labels of the result must not repeat, got {_shown(label)!r} twice")
    return labelled, result


def _diagonals(value: Tensor, labels: list[int]) -> tuple[Tensor, Labels]:
    """One dim for each label that names several."""
    while len(set(labels)) < len(labels):
        i, j = next((i, j) for j in range(len(labels)) for i in range(j) if labels[i] == labels[j])
        value = value.diagonal(0, i, j)
        labels = [label for k, label in enumerate(labels) if k not in (i, j)] + [labels[i]]
    return value, tuple(labels)


def _einsum_reference(equation: str, *operands: Any) -> Any:
    listed = operands[0] if isinstance(operands[0], (list, tuple)) else operands
    return np.einsum(equation, *(x.astype(np.int64) if x.dtype == bool else x for x in listed))


@op(
    method=False,
    variadic=("operands",),
    front=lambda equation, operands: (equation, [operands] if isinstance(operands, Tensor) else operands),
    name="einsum",
    samples=lambda: [
        Sample("ij,jk->ik", Operand((2, 3)), Operand((3, 4))),
        Sample("ij,jk", [Operand((2, 3)), Operand((3, 4))]),
        Sample("bij,bjk->bik", Operand((2, 2, 3)), Operand((2, 3, 4))),
        Sample("ii->i", Operand((3, 3))),
        Sample("ii", Operand((3, 3))),
        Sample("iij->ji", Operand((2, 2, 3))),
        Sample("ba", Operand((2, 3))),
        Sample("ij->", Operand((2, 3))),
        Sample("i,j->ij", Operand((2,)), Operand((3,))),
        Sample("...ij,...jk->...ik", Operand((2, 1, 2, 3)), Operand((4, 3, 2))),
        Sample("i...->...", Operand((2, 3))),
        Sample("ij,kj->ki", Operand((2, 1)), Operand((4, 3))),
        Sample("ij,jk,kl->il", Operand((2, 3)), Operand((3, 4)), Operand((4, 2))),
        Sample("bn,anm,bm->ba", Operand((2, 3)), Operand((4, 3, 2)), Operand((2, 2))),
        Sample("i,i,i->i", Operand((3,)), Operand((3,)), Operand((3,))),
        Sample("ij,", Operand((2, 3)), Operand(())),
        Sample("ij,jk->ik", Operand((2, 0)), Operand((0, 3))),
        Sample("aBc->Bca", Operand((2, 3, 4))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "must agree", "ij,jk->ik", Operand((2, 3)), Operand((4, 2))),
        ErrorSample(ShapeError, "name each dim", "i", Operand((2, 3))),
        ErrorSample(ArgumentError, "must not repeat", "ij->ii", Operand((2, 3))),
        ErrorSample(ArgumentError, "those of an operand", "ij->k", Operand((2, 3))),
        ErrorSample(ArgumentError, "one operand a term", "ij,jk", Operand((2, 3))),
        ErrorSample(ArgumentError, "letters", "i.j", Operand((2, 3))),
    ],
    reference=_einsum_reference,
    tolerance="accumulation",
)
def einsum_of_terms(equation: str, operands: Sequence[Tensor]) -> Tensor:
    """Sum of products over labelled dims; see `einsum`, which takes the interleaved form too.

    Args:
        equation: terms of letters, one an operand, as `"bij,bjk->bik"`.
        operands: one or more tensors of any numeric dtype.

    Returns:
        A tensor with the dims that the result's labels name.
    """
    labelled, out = _resolve(equation, [operands] if isinstance(operands, Tensor) else operands)
    return _contract_all([_diagonals(value, labels) for value, labels in labelled], out)


def einsum(*args: Any) -> Tensor:
    """Sum of products over labelled dims.

    A label names the same dim wherever it stands: dims whose label is not in the result are summed over, a label twice
    in one operand takes a diagonal, `...` stands for dims that broadcast. Without `->` the result has the ellipsis dims
    and then, in order of the alphabet, the labels that occur once.

    Args:
        args: the equation, terms of letters, one an operand, as `"bij,bjk->bik"`, and tensors of any numeric dtype and
            shape, in a list or one by one. Or, in place of an equation, each operand followed by its list of numbers
            from 0 to 51, and last the result's list, if any.

    Returns:
        A tensor with the dims that the result's labels name.

    Raises:
        ShapeError: labels do not fit the number of dims, or one label names different sizes.
        ArgumentError: the equation does not parse.
        CallError: neither of the two forms.

    Source: numpy.einsum and torch.einsum semantics; pairs are chosen greedily.

    Example:
        >>> a = cb.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> cb.einsum("ij,ij->i", a, a)
        tensor([ 5., 25.])
        >>> cb.einsum(a, [0, 0])
        tensor(5.)
    """
    if args and isinstance(args[0], Tensor):
        operands, lists = list(args[0 : len(args) // 2 * 2 : 2]), [_spelled(labels) for labels in args[1::2]]
        return einsum_of_terms(",".join(lists) + ("->" + _spelled(args[-1]) if len(args) % 2 else ""), operands)
    if len(args) < 2 or not isinstance(args[0], str):
        raise CallError(f"einsum: needs an equation and operands, or operands each with a list, got {args!r}")
    return einsum_of_terms(args[0], args[1] if isinstance(args[1], (list, tuple)) else args[1:])


def _tensordot_dims(a: Tensor, b: Tensor, dims: Any) -> tuple[Shape, Shape]:
    dims = dims.tolist() if isinstance(dims, Tensor) else dims
    if hasattr(dims, "__index__"):
        dims = dims.__index__()
        most = min(a.dim(), b.dim())
        if not 0 <= dims <= most:
            raise ArgumentError(f"tensordot: dims must be in [0, {most}], got dims={dims}")
        return tuple(range(a.dim() - dims, a.dim())), tuple(range(dims))
    if isinstance(dims, str) or not hasattr(dims, "__len__") or len(dims) != 2:
        raise CallError(f"tensordot: dims must be an int or two lists of dims, got dims={dims!r}")
    first, second = ([d] if hasattr(d, "__index__") else list(d) for d in dims)
    if len(first) != len(second):
        raise ArgumentError(f"tensordot: as many dims of each operand, got dims={dims!r}")
    if not first:
        return (), ()
    return normalize_dims("tensordot", first, a.dim()), normalize_dims("tensordot", second, b.dim())


@op(
    method=False,
    samples=lambda: [
        Sample(Operand((2, 3, 4)), Operand((3, 4, 2))),
        Sample(Operand((2, 3)), Operand((3, 2)), 1),
        Sample(Operand((2, 3)), Operand((2,)), 0),
        Sample(Operand((2, 3, 4)), Operand((4, 2, 5)), ([0, 2], [1, 0])),
        Sample(Operand((2, 0)), Operand((0, 3)), dims=([1], [0])),
        Sample(Operand((3,)), Operand((3,)), ([-1], [0])),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "must agree", Operand((2, 3)), Operand((2, 3)), 1),
        ErrorSample(ArgumentError, "in [0, 2]", Operand((2, 3)), Operand((2, 3)), 3),
        ErrorSample(ArgumentError, "as many dims", Operand((2, 3)), Operand((2, 3)), ([0], [0, 1])),
        ErrorSample(CallError, "two lists of dims", Operand((2, 3)), Operand((2, 3)), "a"),
        ErrorSample(CallError, "two lists of dims", Operand((2, 3)), Operand((2, 3)), ([0],)),
        ErrorSample(CallError, "two lists of dims", Operand((2, 3)), Operand((2, 3)), 1.5),
    ],
    reference=lambda a, b, dims=2: np.tensordot(a, b, dims),
    tolerance="accumulation",
)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over dims of `a` paired with dims of `b`.

    Args:
        a: any numeric dtype, shape (*).
        b: shape (*).
        dims: number of last dims of `a` paired with as many first dims of `b`, or two lists of dims.

    Returns:
        Sizes of the other dims of `a`, then of the other dims of `b`.

    Raises:
        ShapeError: paired sizes differ and neither is 1.
        ArgumentError: more dims than there are, or lists of different lengths.
        CallError: `dims` is neither an int nor two lists.

    Example:
        >>> cb.tensordot(cb.ones(2, 3), cb.ones(3, 2), dims=([1], [0]))
        tensor([[3., 3.],
                [3., 3.]])
    """
    first, second = _tensordot_dims(a, b, dims)
    for i, j in zip(first, second, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise ShapeError(
                f"tensordot: paired sizes must agree, got {tuple(a.shape)} at {first} and {tuple(b.shape)} at {second}"
            )
    la = tuple(range(a.dim()))
    names = dict(zip(second, first, strict=True))
    lb = tuple(names.get(j, a.dim() + j) for j in range(b.dim()))
    out = tuple(label for label in la + lb if label not in first)
    return _contract_all([(a, la), (b, lb)], out)


def _chain_front(matrices: Any) -> tuple[list[Tensor]]:
    return ([matrices] if isinstance(matrices, Tensor) else list(matrices),)


def _chain_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each run of matrices for the fewest multiplications."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i, j], split[i, j] = min(options)
    return split


@op(
    method=False,
    variadic=("matrices",),
    front=_chain_front,
    samples=lambda: [
        Sample(Operand((2, 3))),
        Sample(Operand((2, 3)), Operand((3, 4))),
        Sample(Operand((2, 5)), Operand((5, 1)), Operand((1, 4)), Operand((4, 3))),
        Sample(Operand((2, 0)), Operand((0, 3)), Operand((3, 2))),
    ],
    errors=lambda: [
        ErrorSample(ShapeError, "inner sizes", Operand((2, 3)), Operand((2, 3))),
        ErrorSample(ShapeError, "2 dims", Operand((2, 3)), Operand((3,))),
    ],
    reference=lambda *matrices: np.linalg.multi_dot(matrices) if len(matrices) > 1 else matrices[0],
    tolerance="accumulation",
)
def chain_matmul(matrices: Sequence[Tensor]) -> Tensor:
    """Product of several matrices, in the order of fewest multiplications.

    Args:
        matrices: one or more matrices of any numeric dtype, each with as many rows as the one before has columns.

    Returns:
        Shape (rows of the first, columns of the last).

    Raises:
        ShapeError: the inner sizes differ, or an operand is not a matrix.

    Source: Cormen et al., Introduction to Algorithms, matrix-chain multiplication.

    Example:
        >>> cb.chain_matmul(cb.ones(2, 3), cb.ones(3, 1), cb.ones(1, 2))
        tensor([[3., 3.],
                [3., 3.]])
    """
    (listed,) = _chain_front(matrices)
    check_ranks("chain_matmul", *((f"matrix {i}", m, 2) for i, m in enumerate(listed)))
    for a, b in itertools.pairwise(listed):
        check_inner("chain_matmul", a, b, a.shape[1], b.shape[0])
    split = _chain_splits([listed[0].shape[0], *(m.shape[1] for m in listed)])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return listed[i]
        k = split[i, j]
        return mm(product(i, k), product(k + 1, j))

    return product(0, len(listed) - 1)


@op(
    samples=pairs(((2, 3), (2, 2)), ((2,), (3,)), ((), (2,)), ((2, 3), (2,)), ((0, 2), (2, 2))),
    reference=np.kron,
    tolerance="rounded",
)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: `other` scaled by each element of `input`, in blocks.

    Args:
        input: any dtype that computes, shape (*a).
        other: shape (*b); the shape with fewer dims counts as led by sizes of 1.

    Returns:
        Products of the sizes of `input` and `other`.

    Example:
        >>> cb.kron(cb.tensor([1, 10]), cb.tensor([1, 2]))
        tensor([ 1,  2, 10, 20])
    """
    ndim = max(input.dim(), other.dim())
    a = (1,) * (ndim - input.dim()) + tuple(input.shape)
    b = (1,) * (ndim - other.dim()) + tuple(other.shape)
    left = input.reshape(tuple(x for size in a for x in (size, 1)))
    right = other.reshape(tuple(x for size in b for x in (1, size)))
    return (left * right).reshape(tuple(x * y for x, y in zip(a, b, strict=True)))
