# SPDX-License-Identifier: Apache-2.0
"""Evenly spaced numbers: `arange`, `linspace` and their kin."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError
from .._shape import Shape
from ..dispatcher._bind import is_scalar
from ..op import Number, op
from ..tensor._creation import tensor
from ..tensor._tensor import Tensor
from ..testing.samples import Sample
from .creation import factory, finish, front_size, size_rule

__all__ = [
    "arange",
    "linspace",
    "logspace",
    "range",
]

# -- ranges ----------------------------------------------------------------------------------------------------------


def _host_arange(backend: Any, size: Shape, start: Any, step: Any, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(progression(np, size, start, step, dtype), index)


def progression(xp: Any, size: Shape, start: Any, step: Any, dtype: dtype_type) -> Any:
    """`start + i * step` for i below `size[0]`, worked out in int64 or float64."""
    counts = xp.arange(size[0], dtype=xp.int64 if dtype.category < 2 else xp.float64)
    return (counts * step + start).astype(dtype.numpy)


def _wider(args: Sequence[Any], dtype: Any) -> dtype_type:
    """The dtype asked for, else int64 for ints and the default float or complex for the rest."""
    if dtype is not None:
        return check_dtype(dtype)
    if any(isinstance(a, complex) for a in args[1:]):
        return get_default_dtype().to_complex()
    return _dtype.int64 if all(isinstance(a, int) for a in args[1:]) else get_default_dtype()


@op(
    name="arange",
    host_kernel=_host_arange,
    factory_dtype=_wider,
    front=front_size("arange"),
    shape=size_rule("arange"),
    method=False,
    grad="none: no operand",
    samples=lambda: [Sample((5,), 0, 1), Sample((0,), 0, 1), Sample((4,), 3, -2), Sample((7,), 0.5, 0.25)],
    reference=lambda size, start, step: np.array([start + i * step for i in builtins.range(size[0])]),
    tolerance="exact",
)
def steps(size: Sequence[int], start: Number, step: Number) -> Tensor:
    """The numbers `start`, `start + step`, and so on.

    Args:
        size: shape (n,).
        start: the first; an int for integer dtypes, a real number for floating ones.
        step: what is added each time.

    Returns:
        Shape (n,): element i is start + i * step, worked out in int64 or float64 and rounded once.
    """
    ...


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Numbers from `start` up to, not including, `end`.

    Args:
        start: the first number, 0 when only one is given.
        end: bound of the numbers; never among them.
        step: difference of neighbours, not 0; negative counts down.
        out: tensor to write into.
        dtype: int64 for ints, the default float when one argument is a float, when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (ceil((end - start) / step),). In an integer dtype all three lose their fractions first.

    Raises:
        ArgumentError: `step` is 0 or leads away from `end`, or a bound is not finite.
        DTypeError: `dtype` is bool or complex.

    Example:
        >>> cb.arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])
    """
    if end is None:
        start, end = 0, start
    if dtype is None and start.__class__ is int and end.__class__ is int and step.__class__ is int:
        dtype = _dtype.int64
    else:
        start, end, step, dtype = _bounds("arange", (start, end, step), dtype)
    count = _count("arange", start, end, step)
    result = factory("arange", steps, (count,), (start, step), dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("arange", result, requires_grad, out, layout)
    return result


def _bounds(name: str, values: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Three numbers of the category of the range's dtype, and that dtype."""
    found = None if dtype is None else check_dtype(dtype)
    numbers = []
    for value in values:
        if hasattr(value, "item"):
            value = value.item()
        if not is_scalar(value) or isinstance(value, complex):
            raise CallError(f"{name}: bounds must be real numbers, got {value!r} of type {type(value).__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ArgumentError(f"{name}: bounds must be finite, got {value!r}")
        numbers.append(int(value) if isinstance(value, int) else value)
    if found is None:
        found = _dtype.int64 if all(isinstance(n, int) for n in numbers) else get_default_dtype()
    if found.category not in (1, 2):
        raise DTypeError(f"{name}: needs an integer or floating dtype, got {found.name}")
    convert: Any = int if found.category == 1 else float
    return *[convert(n) for n in numbers], found


def _count(name: str, start: Any, end: Any, step: Any) -> int:
    if step == 0:
        raise ArgumentError(f"{name}: step must not be 0, got step={step!r}")
    if (end - start) * step < 0:
        raise ArgumentError(f"{name}: step must lead from start to end, got {start!r} to {end!r} with step={step!r}")
    if step.__class__ is int and start.__class__ is int and end.__class__ is int:
        return -((start - end) // step)
    return math.ceil((end - start) / step)


def range(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from `start` to `end`, both included. Prefer `arange`, which follows Python's range.

    Args:
        start: the first number, 0 when only one is given.
        end: bound of the numbers, among them when a step hits it.
        step: difference of neighbours, not 0.
        out: tensor to write into.
        dtype: the default float when None.
        layout: `candelabra.strided`.
        device: the default device when None.
        requires_grad: record operations on it.

    Returns:
        Shape (floor((end - start) / step) + 1,).

    Raises:
        ArgumentError: `step` is 0 or leads away from `end`, or a bound is not finite.

    Example:
        >>> cb.range(1, 3)
        tensor([1., 2., 3.])
    """
    if end is None:
        start, end = 0, start
    start, end, step, dtype = _bounds("range", (start, end, step), get_default_dtype() if dtype is None else dtype)
    _count("range", start, end, step)
    result = factory("range", steps, (math.floor((end - start) / step) + 1,), (start, step), dtype, device)
    return finish("range", result, requires_grad, out, layout)


def _host_linspace(backend: Any, size: Shape, start: Any, end: Any, dtype: dtype_type, index: int) -> Any:
    return backend.from_host(spaced(np, size, start, end, dtype), index)


def spaced(xp: Any, size: Shape, start: Any, end: Any, dtype: dtype_type) -> Any:
    """`size[0]` numbers from `start` to `end`, worked out in float64 from the nearer end, so that both are exact."""
    n = size[0]
    step = (end - start) / (n - 1) if n > 1 else 0.0
    i = xp.arange(n, dtype=xp.float64)
    values = xp.where(i < n // 2, i * step + start, end - (n - 1 - i) * step) if n > 1 else i * 0.0 + start
    return values.astype(dtype.numpy)


@op(
    name="linspace",
    host_kernel=_host_linspace,
    factory_dtype=lambda args, dtype: _wider((args[0], 0.0, *args[1:]), dtype),
    front=front_size("linspace"),
    shape=size_rule("linspace"),
    method=False,
    grad="none: no operand",
    samples=lambda: [
        Sample((5,), 0.0, 1.0, dtypes=("float32",)), Sample((1,), 2.0, 3.0), Sample((0,), 2.0, 3.0),
        Sample((4,), 3.0, -3.0), Sample((3,), 0.0, 2.0),
    ],
    reference=lambda size, start, end: np.linspace(start, end, size[0]),
)  # fmt: skip
def spacing(size: Sequence[int], start: Number, end: Number) -> Tensor:
    """Evenly spaced numbers from `start` to `end`, both included.

    Args:
        size: shape (n,).
        start: the first.
        end: the last.

    Returns:
        Shape (n,), worked out in float64 and rounded once; integer dtypes drop the fractions.
    """
    ...


def _ends(name: str, start: Any, end: Any, count: Any, dtype: Any) -> tuple[Any, Any, int, dtype_type]:
    """Both ends as numbers of the category of the dtype, the number of steps, and the dtype."""
    values = [v.item() if hasattr(v, "item") else v for v in (start, end)]
    if not all(is_scalar(v) for v in values):
        raise CallError(f"{name}: ends must be numbers, got {values[0]!r} and {values[1]!r}")
    if not hasattr(count, "__index__"):
        raise CallError(f"{name}: steps must be an int, got {count!r}")
    if count < 0:
        raise ArgumentError(f"{name}: steps must not be negative, got steps={count}")
    if dtype is None:
        found = get_default_dtype()
        if any(isinstance(v, complex) for v in values):
            found = found.to_complex()
    else:
        found = check_dtype(dtype)
    if found is _dtype.bool_:
        raise DTypeError(f"{name}: needs a numeric dtype, got bool")
    convert: Any = (bool, int, float, complex)[found.category]
    try:
        first, last = [convert(v) for v in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise DTypeError(f"{name}: {found.name} does not hold the ends, got {values[0]!r} and {values[1]!r}") from error
    return first, last, count.__index__(), found


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """`steps` evenly spaced numbers from `start` to `end`, both included.

    Args:
        start: the first number.
        end: the last number.
        steps: how many, at least 0.
        out: tensor to write into.
        dtype: the default float, or complex for complex ends, when None. An integer dtype drops fractions.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (steps,).

    Raises:
        ArgumentError: `steps` is negative.

    Example:
        >>> cb.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    first, last, count, found = _ends("linspace", start, end, steps, dtype)
    return finish(
        "linspace", factory("linspace", spacing, (count,), (first, last), found, device), requires_grad, out, layout
    )


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Powers of `base` with `steps` evenly spaced exponents from `start` to `end`, both included.

    Args:
        start: the first exponent.
        end: the last exponent.
        steps: how many, at least 0.
        base: what is raised.
        out: tensor to write into.
        dtype: the default float, or complex for complex ends, when None. An integer dtype drops fractions.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (steps,).

    Raises:
        ArgumentError: `steps` is negative.

    Example:
        >>> cb.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    first, last, count, found = _ends("logspace", start, end, steps, dtype)
    wide = _dtype.complex128 if found.is_complex else _dtype.float64
    host = np.power(np.asarray(base, dtype=wide.numpy), spaced(np, (count,), first, last, wide)).astype(found.numpy)
    return finish("logspace", tensor(host, device=device), requires_grad, out, layout)
