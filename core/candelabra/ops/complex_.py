# SPDX-License-Identifier: Apache-2.0
"""Complex numbers: their parts, and making them of parts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype, grad_enabled
from .._errors import CallError, DTypeError, ShapeError
from ..op import op, rules
from ..op._checked import checked
from ..tensor._tensor import Tensor
from ..testing.samples import ErrorSample, Operand, Sample, unary
from .arithmetic import conj, no_slope

__all__ = [
    "angle",
    "complex",
    "imag",
    "is_complex",
    "is_conj",
    "is_floating_point",
    "is_nonzero",
    "polar",
    "real",
    "resolve_conj",
    "resolve_neg",
    "view_as_complex",
    "view_as_real",
]

_COMPLEX = ("complex64", "complex128")


def _complex_only(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """Computes in a complex dtype, results in its real type."""
    if not found.is_complex:
        raise DTypeError(f"{name}: needs a complex dtype, got {found.name}; convert with .to(candelabra.complex64)")
    return found, found.to_real()


def _to_complex(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    """Computes in a floating dtype, results in the complex dtype of its precision."""
    return rules.floating_only(name, found, args)[0], found.to_complex()


def _shown_parts(input: Tensor) -> Tensor | None:
    """The memory of a complex tensor as pairs of real numbers, or None where it cannot be shown.

    Such a view has no history, so a tensor whose operations are recorded gets copies of its parts.
    """
    if input._node is not None and grad_enabled.get():
        return None
    kind = input._kind
    if not kind.is_meta and kind.backend.view_kernels().get("view_dtype") is None:
        return None
    strides = kind.backend.strides(input._array)
    return input.as_strided((*input.shape, 1), (*strides, 1)).view(dtype=kind.dtype.to_real())


# -- parts -----------------------------------------------------------------------------------------------------------


@op(
    name="real",
    dtype=_complex_only,
    shape=rules.same,
    inplace=False,
    method=False,
    samples=lambda: [Sample(Operand(s), dtypes=_COMPLEX) for s in ((), (5,), (0,), (2, 3))],
    reference=np.real,
    tolerance="exact",
)
def _copy_real(input: Tensor) -> Tensor:
    """A copy of the real part.

    Args:
        input: complex, shape (*).

    Returns:
        Shape (*), the real type of `input`.
    """
    ...


@op(
    name="imag",
    dtype=_complex_only,
    shape=rules.same,
    inplace=False,
    method=False,
    samples=lambda: [Sample(Operand(s), dtypes=_COMPLEX) for s in ((), (5,), (0,), (2, 3))],
    reference=np.imag,
    tolerance="exact",
)
def _copy_imag(input: Tensor) -> Tensor:
    """A copy of the imaginary part.

    Args:
        input: complex, shape (*).

    Returns:
        Shape (*), the real type of `input`.
    """
    ...


_copy_real.vjp(input=lambda grad: complex(grad, no_slope(grad)))
_copy_imag.vjp(input=lambda grad: complex(no_slope(grad), grad))


@checked
def real(input: Tensor) -> Tensor:
    """Real part of each element, also as the property `tensor.real`; `input` itself when it is real.

    Args:
        input: any dtype, shape (*).

    Returns:
        Shape (*), the real type of `input`. Shows the memory of `input` where the backend can, unless the operation
        is recorded for the backward pass: then it is a copy.

    Example:
        >>> cb.real(cb.tensor([1 + 2j]))
        tensor([1.])
    """
    if not input._kind.dtype.is_complex:
        return input
    parts = _shown_parts(input)
    return _copy_real(input) if parts is None else parts.select(-1, 0)


@checked
def imag(input: Tensor) -> Tensor:
    """Imaginary part of each element, also as the property `tensor.imag`.

    Args:
        input: complex, shape (*).

    Returns:
        Shape (*), the real type of `input`; memory as of `real`.

    Raises:
        DTypeError: `input` is real.

    Example:
        >>> cb.imag(cb.tensor([1 + 2j]))
        tensor([2.])
    """
    _complex_only("imag", input._kind.dtype, ())
    parts = _shown_parts(input)
    return _copy_imag(input) if parts is None else parts.select(-1, 1)


def _write_real(self: Tensor, value: Any) -> None:
    if self._kind.dtype.is_complex:
        other = imag(self)
        self.copy_(complex(_like(value, other), other))
    else:
        self.copy_(_like(value, self))


def _write_imag(self: Tensor, value: Any) -> None:
    _complex_only("imag", self._kind.dtype, ())
    other = real(self)
    self.copy_(complex(other, _like(value, other)))


def _like(value: Any, other: Tensor) -> Tensor:
    """`value` as a tensor of the dtype and shape of `other`."""
    from .likes import full_like

    return value.to(other.dtype).expand(other.shape) if isinstance(value, Tensor) else full_like(other, value)


def _angle_reference(input: Any) -> Any:
    input = np.asarray(input)
    if np.iscomplexobj(input):
        return np.arctan2(input.imag, input.real)
    return np.where(np.isnan(input.astype(np.float64)), np.nan, np.where(input < 0, math.pi, 0.0))


def _angle_dtype(name: str, found: _dtype.dtype, args: Any) -> tuple[_dtype.dtype, Any]:
    compute = rules.floating(name, found, args)[0]
    return compute, compute.to_real()


@op(
    dtype=_angle_dtype,
    shape=rules.same,
    inplace=False,
    samples=lambda: unary(-3, 3, special=[(-0.0, 0.0), (math.nan, math.nan), (math.inf, 0.0), (-1.0, math.pi)]),
    reference=_angle_reference,
)
def angle(input: Tensor) -> Tensor:
    """Angle of each element in the complex plane, in radians.

    Args:
        input: any dtype that computes, shape (*); integers and bool become the default float.

    Returns:
        Shape (*), the real type of `input`: in [-pi, pi]. For real elements 0, or pi where they are negative.

    Example:
        >>> cb.angle(cb.tensor([1j, -1 + 0j]))
        tensor([1.5708, 3.1416])
    """
    if input._kind.dtype.is_complex:
        return input.imag.atan2(input.real)
    from .comparison import where

    dtype = input._kind.dtype if input._kind.dtype.is_floating_point else get_default_dtype()
    turned = (input < 0).to(dtype) * math.pi
    return where(input.isnan(), math.nan, turned)


def _angle_grad(grad: Tensor, input: Tensor) -> Tensor:
    if not input._kind.dtype.is_complex:
        return no_slope(grad)
    # The angle grows across the ray through z, by 1 / |z|: along i z / |z|^2.
    return (grad * 1j / conj(input)).masked_fill(input == 0, 0)


angle.vjp(input=_angle_grad)

# -- making ----------------------------------------------------------------------------------------------------------


def _complex_reference(real: Any, imag: Any) -> Any:
    result = np.empty(np.broadcast_shapes(np.shape(real), np.shape(imag)), np.complex128)
    result.real, result.imag = real, imag
    return result


@op(
    dtype=_to_complex,
    shape=rules.broadcast,
    inplace=False,
    method=False,
    samples=lambda: [
        *[
            Sample(Operand(a), Operand(b), dtypes=("float64", "float32"))
            for a, b in (((), ()), ((5,), (5,)), ((2, 3), (3,)), ((2, 1), (3,)), ((0,), (0,)), ((67,), ()))
        ],
        Sample(
            Operand((2,), values=[math.inf, 1.0]),
            Operand((2,), values=[1.0, math.inf]),
            dtypes=("float64", "float32"),
            grad=False,
        ),
    ],
    errors=lambda: [ErrorSample(DTypeError, "needs a floating dtype", Operand((2,)), Operand((2,)), dtype="int64")],
    reference=_complex_reference,
    tolerance="exact",
)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """Complex numbers of their real and imaginary parts.

    Args:
        real: floating, shape (*).
        imag: broadcastable with `real`.

    Returns:
        The broadcast shape, the complex dtype of the promoted precision: complex64 for float32.

    Raises:
        DTypeError: a part is not floating.

    Example:
        >>> cb.complex(cb.tensor([1.0]), cb.tensor([2.0]))
        tensor([1.+2.j])
    """
    ...


complex.vjp(real=lambda grad: grad.real, imag=lambda grad: grad.imag)


@op(
    method=False,
    samples=lambda: [
        Sample(Operand(a, 0.5, 2), Operand(b, -3, 3), dtypes=("float64", "float32"))
        for a, b in (((), ()), ((2, 3), (3,)), ((0,), (1,)))
    ],
    reference=lambda abs, angle: abs * np.exp(1j * np.asarray(angle)),
)
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Complex numbers of their magnitudes and angles.

    Args:
        abs: floating, shape (*).
        angle: in radians, broadcastable with `abs`.

    Returns:
        The broadcast shape, the complex dtype of the promoted precision.

    Raises:
        DTypeError: an operand is not floating.

    Example:
        >>> cb.polar(cb.tensor([2.0]), cb.tensor([0.0]))
        tensor([2.+0.j])
    """
    return complex(abs * angle.cos(), abs * angle.sin())


# -- complex numbers as pairs ----------------------------------------------------------------------------------------


@op(
    name="view_as_real",
    dtype=_complex_only,
    shape=lambda input: (*input.shape, 2),
    method=False,
    samples=lambda: [Sample(Operand(s), dtypes=_COMPLEX) for s in ((), (5,), (0,), (2, 3))],
    reference=lambda input: np.stack([np.real(input), np.imag(input)], -1),
    tolerance="exact",
)
def _pairs_of(input: Tensor) -> Tensor:
    """A copy of the parts of complex numbers, as pairs.

    Args:
        input: complex, shape (*).

    Returns:
        Shape (*, 2), the real type of `input`.
    """
    from .joining import stack

    return stack([_copy_real(input), _copy_imag(input)], -1)


@checked
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs of their real and imaginary parts.

    Args:
        input: complex, shape (*).

    Returns:
        Shape (*, 2), the real type of `input`; memory as of `real`.

    Raises:
        DTypeError: `input` is not complex.

    Example:
        >>> cb.view_as_real(cb.tensor([1 + 2j]))
        tensor([[1., 2.]])
    """
    _complex_only("view_as_real", input._kind.dtype, ())
    parts = _shown_parts(input)
    return _pairs_of(input) if parts is None else parts


def _check_pairs(input: Any) -> tuple[int, ...]:
    shape = tuple(input.shape)
    if not shape or shape[-1] != 2:
        raise ShapeError(f"view_as_complex: last dim must have size 2, got shape {shape}")
    return shape[:-1]


@op(
    name="view_as_complex",
    dtype=_to_complex,
    shape=_check_pairs,
    method=False,
    samples=lambda: [Sample(Operand(s), dtypes=("float64", "float32")) for s in ((2,), (5, 2), (0, 2), (2, 3, 2))],
    reference=lambda input: input[..., 0] + 1j * input[..., 1],
    tolerance="exact",
)
def _of_pairs(input: Tensor) -> Tensor:
    """Complex numbers copied from pairs of parts.

    Args:
        input: floating, shape (*, 2).

    Returns:
        Shape (*), the complex dtype of the precision.
    """
    return complex(input.select(-1, 0), input.select(-1, 1))


_pairs_of.vjp(input=_of_pairs)
_of_pairs.vjp(input=_pairs_of)


@checked
def view_as_complex(input: Tensor) -> Tensor:
    """Pairs of real and imaginary parts as complex numbers.

    Args:
        input: floating, shape (*, 2).

    Returns:
        Shape (*), the complex dtype of the precision. Shows the memory of `input` where backend and strides allow it,
        unless the operation is recorded for the backward pass: then it is a copy.

    Raises:
        DTypeError: `input` is not floating.
        ShapeError: the last dim has another size than 2.

    Example:
        >>> cb.view_as_complex(cb.tensor([[1.0, 2.0]]))
        tensor([1.+2.j])
    """
    kind = input._kind
    target = _to_complex("view_as_complex", kind.dtype, ())[1]
    _check_pairs(input)
    recorded = input._node is not None and grad_enabled.get()
    strides = kind.backend.strides(input._array)
    aligned = strides[-1] == 1 and not any(s % 2 for s in strides[:-1])
    shows = kind.is_meta or kind.backend.view_kernels().get("view_dtype") is not None
    if recorded or not aligned or not shows or target.itemsize != 2 * kind.dtype.itemsize:
        return _of_pairs(input)
    return input.view(dtype=target).squeeze(-1)


# -- questions -------------------------------------------------------------------------------------------------------


@checked
def is_complex(input: Tensor) -> bool:
    """Whether the dtype of `input` is complex.

    Args:
        input: any dtype, shape (*).

    Returns:
        A Python bool.

    Example:
        >>> cb.is_complex(cb.tensor([1j]))
        True
    """
    return input._kind.dtype.is_complex


@checked
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of `input` is floating.

    Args:
        input: any dtype, shape (*).

    Returns:
        A Python bool.

    Example:
        >>> cb.is_floating_point(cb.tensor([1.0])), cb.is_floating_point(cb.tensor([1]))
        (True, False)
    """
    return input._kind.dtype.is_floating_point


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of `input` is other than zero.

    Args:
        input: any dtype that computes, one element.

    Returns:
        A Python bool.

    Raises:
        ShapeError: `input` has more or fewer than one element.

    Example:
        >>> cb.is_nonzero(cb.tensor([0.0]))
        False
    """
    if not isinstance(input, Tensor):
        raise CallError(f"is_nonzero: takes a tensor, got {type(input).__name__}")
    return bool(input)


def is_conj(input: Tensor) -> bool:
    """False: conjugates are computed, never left to be done at reading.

    Args:
        input: any dtype, shape (*).

    Returns:
        A Python bool.

    Example:
        >>> cb.is_conj(cb.conj(cb.tensor([1j])))
        False
    """
    return False


def resolve_conj(input: Tensor) -> Tensor:
    """`input` itself: there is never a conjugation left to be done.

    Args:
        input: any dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> cb.resolve_conj(cb.tensor([1.0]))
        tensor([1.])
    """
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """`input` itself: there is never a negation left to be done.

    Args:
        input: any dtype, shape (*).

    Returns:
        Shape (*), the dtype of `input`.

    Example:
        >>> cb.resolve_neg(cb.tensor([1.0]))
        tensor([1.])
    """
    return input


Tensor.real = property(real, _write_real, doc=real.__doc__)
Tensor.imag = property(imag, _write_imag, doc=imag.__doc__)
Tensor.is_conj = is_conj
Tensor.is_neg = is_conj
Tensor.is_nonzero = is_nonzero
Tensor.resolve_conj = resolve_conj
Tensor.resolve_neg = resolve_neg
