# SPDX-License-Identifier: Apache-2.0
"""The small vocabulary of dtype and shape rules that declarations use.

A dtype rule takes the op's name, the promoted dtype of its promoted operands and the op's arguments, and returns the
pair (dtype to compute in, dtype of the result or a tuple of them). A shape rule takes the kernel arguments (tensors
included: it reads their shapes), raises when they do not fit, and returns the shape of the result, or a list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _dtype
from .._config import get_default_dtype
from .._dtype import dtype, iinfo, promote_types
from .._errors import ArgumentError, DTypeError
from .._shape import Shape, broadcast_shapes, reduced_shape

DTypeRule = Callable[[str, dtype, Sequence[Any]], tuple[dtype, Any]]


def result_dtype(operands: Sequence[Any]) -> dtype:
    """The promoted dtype of tensors and Python numbers, in PyTorch's order of priority.

    Tensors with dims decide; a 0-d tensor counts only when its category is higher than theirs, a number only when its
    category is higher than that of all tensors, and then as the default dtype of its category.
    """
    by_priority: list[dtype | None] = [None, None, None]  # dims, 0-d, number
    for value in operands:
        if hasattr(value, "_kind"):
            level, found = (0 if value._array.shape else 1), value._kind.dtype
        elif value is None:
            continue
        else:
            level, found = 2, number_dtype(value)
        known = by_priority[level]
        by_priority[level] = found if known is None or known is found else promote_types(known, found)
    result: dtype | None = None
    for found in by_priority:
        if found is not None and (result is None or found.category > result.category):
            result = found if result is None or found.category < 3 else complex_beside(found, result)
    assert result is not None
    return result


def complex_beside(wide: dtype, real: dtype) -> dtype:
    """complex128 when a complex operand of lower priority meets float64, else the complex dtype itself."""
    return _dtype.complex128 if real is _dtype.float64 else _dtype.complex64 if real.category == 2 else wide


def number_dtype(value: Any) -> dtype:
    """The dtype of a Python number: bool, int64, the default float, or complex of the default float."""
    if isinstance(value, bool):
        return _dtype.bool_
    if isinstance(value, int):
        return _dtype.int64
    return get_default_dtype() if isinstance(value, float) else get_default_dtype().to_complex()


# -- dtype rules -----------------------------------------------------------------------------------------------------


def promoted(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Computes and results in the promoted dtype."""
    refuse_storage_only(op, found)
    return found, found


def refuse_storage_only(op: str, found: dtype) -> None:
    """Raises DTypeError for float8 and quantized dtypes: they are cast and copied, never computed in."""
    if found.is_storage_only:
        raise DTypeError(f"{op}: does not compute in this dtype, got {found.name}; convert with .to(dtype) first")


def check_range(op: str, argument: str, value: Any, found: dtype) -> None:
    """Refuses a whole number that an integer dtype does not hold; in an unsigned one, small negative numbers wrap.

    For numbers that are stored or multiplied by; those beside an operator wrap as a tensor of them would.
    """
    if found.category == 1 and isinstance(value, int):
        info = iinfo(found)
        if not (info.min or -info.max) <= value <= info.max:
            raise ArgumentError(f"{op}: {found.name} does not hold {argument}, got {argument}={value!r}")


def choosing(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """As `promoted`, for ops that store numbers among the operands: the dtype must hold them."""
    for value in args:
        check_range(op, "value", value, found)
    return promoted(op, found, args)


def kept(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Any dtype, storage-only ones too: for ops that move elements and never compute with them."""
    return found, found


def numeric(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """As `promoted`, but not for bool."""
    if found is _dtype.bool_:
        raise DTypeError(f"{op}: needs a numeric dtype, got bool; convert with .to(dtype), or use logical ops")
    return promoted(op, found, args)


def real(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """As `promoted`, but not for complex dtypes, which have no order."""
    if found.is_complex:
        raise DTypeError(f"{op}: complex numbers have no order, got {found.name}; use .real or .abs()")
    return promoted(op, found, args)


def floating(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Computes and results in a floating or complex dtype; integers and bool become the default float."""
    refuse_storage_only(op, found)
    if found.category < 2:
        found = get_default_dtype()
    return found, found


def real_floating(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """As `floating`, but not for complex dtypes."""
    return floating(op, real(op, found, args)[0], args)


def floating_only(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Floating dtypes only; integers are refused rather than converted."""
    if found.category != 2:
        raise DTypeError(f"{op}: needs a floating dtype, got {found.name}; convert with .to(candelabra.float32)")
    return promoted(op, found, args)


def inexact_only(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Floating and complex dtypes only."""
    if found.category < 2:
        raise DTypeError(
            f"{op}: needs a floating or complex dtype, got {found.name}; convert with .to(candelabra.float32)"
        )
    return promoted(op, found, args)


def integral(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Integer dtypes and bool only."""
    if found.category > 1:
        raise DTypeError(f"{op}: needs an integer or bool dtype, got {found.name}; convert with .to(candelabra.int64)")
    return promoted(op, found, args)


def comparison(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Computes in the promoted dtype, results in bool."""
    refuse_storage_only(op, found)
    return found, _dtype.bool_


def ordering(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """As `comparison`, but not for complex dtypes."""
    return real(op, found, args)[0], _dtype.bool_


def accumulated(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Integers and bool compute and result in int64; floating and complex dtypes are kept."""
    refuse_storage_only(op, found)
    if found.category < 2:
        found = _dtype.int64
    return found, found


def magnitude(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Computes in the promoted dtype, results in its real type: for abs and norms."""
    refuse_storage_only(op, found)
    return found, found.to_real()


def to_index(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Computes in the promoted real dtype, results in int64: for argmax and its kin."""
    return real(op, found, args)[0], _dtype.int64


def with_index(op: str, found: dtype, args: Sequence[Any]) -> tuple[dtype, Any]:
    """Two results: values of the promoted real dtype, and int64 indices."""
    compute = real(op, found, args)[0]
    return compute, (compute, _dtype.int64)


# -- shape rules -----------------------------------------------------------------------------------------------------


def broadcast(op: str) -> Callable[..., Shape]:
    """The common shape of all tensor operands. As a declaration's `shape=broadcast`, it is bound to the op's name."""

    def rule(*args: Any) -> Shape:
        return broadcast_shapes(op, *[tuple(a.shape) for a in args if hasattr(a, "_kind")])

    return rule


def same(op: str) -> Callable[..., Shape]:
    """The shape of the first operand."""

    def rule(input: Any, *rest: Any) -> Shape:
        return tuple(input.shape)

    return rule


def reduction(op: str) -> Callable[..., Shape]:
    """`input` without the dims in the second argument, kept as 1 when the third is true; dims are normalised."""

    def rule(input: Any, dim: Shape, keepdim: bool, *rest: Any) -> Shape:
        return reduced_shape(tuple(input.shape), dim, keepdim)

    return rule


POINTWISE = (broadcast, same)
"""Rules that are bound to the op's name; ops with one of these may take the short path."""
NAMED = (broadcast, same, reduction)
