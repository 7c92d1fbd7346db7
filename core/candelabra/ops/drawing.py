# SPDX-License-Identifier: Apache-2.0
"""Random tensors of a shape: uniform, normal, integers, permutations, from a generator (`_random.py`)."""

from __future__ import annotations

import math
from typing import Any

from .. import _dtype, _philox
from .._config import get_default_dtype
from .._device import default_device
from .._dtype import check_dtype
from .._dtype import dtype as dtype_type
from .._errors import ArgumentError, CallError, DTypeError
from .._random import Generator, default_of
from .._shape import Shape, as_shape
from ..dispatcher._kind import canonical_device
from ..op._checked import checked
from ..tensor._tensor import Tensor, make_tensor
from .creation import factory, finish, limits
from .random import check_inexact, random_integers, random_normal, random_permutation, random_uniform

__all__ = [
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]

# -- drawing from a generator ----------------------------------------------------------------------------------------


def generator_of(name: str, generator: Any, device: Any) -> Generator:
    """The generator given, else the default one of the device."""
    if generator is None:
        return default_of(canonical_device(device))
    if not isinstance(generator, Generator):
        raise CallError(f"{name}: generator must be a Generator, got {generator!r} of type {type(generator).__name__}")
    return generator


def _shape(name: str, args: tuple[Any, ...]) -> Shape:
    if not args:
        raise CallError(f"{name}: missing argument, got none for size")
    return as_shape(name, args[0] if len(args) == 1 else args)


def _drawn(
    name: str, call: Any, size: tuple[Any, ...], blocks_of: Any, dtype: dtype_type, device: Any, generator: Any
) -> Tensor:
    """The tensor of `random_uniform` or `random_normal`, with numbers of a generator.

    As `factory`, whose plan it takes up and adds to: how many blocks the draw takes, and the default generator.
    """
    try:
        plan = call.op.plans[(size, dtype, device, default_device(), blocks_of)]
        kernel, kind, nested, blocks, default = plan
        source = default if generator is None else generator
        seed, offset = source.reserve(blocks)
        try:
            handle = kernel(size[0] if nested else size, seed, offset, dtype, kind.index)
        except BaseException:
            source.give_back(blocks, offset)
            raise
    except Exception:  # not planned yet, or refused: all checks, from the start
        shape = _shape(name, size)
        check_inexact(name, dtype)
        source = generator_of(name, generator, device)
        blocks = blocks_of(math.prod(shape), dtype)
        with source.reserved(blocks) as stream:
            result = factory(name, call, (shape,), stream, dtype, device)
        place = (dtype, device, default_device())
        plan = call.op.plans.get(((shape,), *place))
        if plan is not None:
            kernel, kind, _ = plan
            rest = (blocks, default_of(kind.device))
            call.op.plans[((shape,), *place, blocks_of)] = (kernel, kind, True, *rest)
            call.op.plans[(shape, *place, blocks_of)] = (kernel, kind, False, *rest)
        return result
    return make_tensor(handle, kind)


def draw_uniforms(name: str, shape: Shape, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    return _drawn(name, random_uniform, (shape,), _philox.uniform_blocks, dtype, device, generator)


def draw_normals(name: str, shape: Shape, dtype: dtype_type, device: Any, generator: Any) -> Tensor:
    return _drawn(name, random_normal, (shape,), _philox.normal_blocks, dtype, device, generator)


def draw_integers(
    name: str, shape: Shape, low: int, high: int, dtype: dtype_type, device: Any, generator: Any
) -> Tensor:
    blocks = _philox.integer_blocks(math.prod(shape), low, high)
    with generator_of(name, generator, device).reserved(blocks) as stream:
        return factory(name, random_integers, (shape,), (*stream, low, high), dtype, device)


def draw_wide_uniforms(name: str, self: Tensor, generator: Any) -> Tensor:
    """Uniforms in [0, 1) as fine as the device computes, in the shape of a tensor."""
    wide = _dtype.float64 in self._kind.backend.capabilities.compute_dtypes
    return draw_uniforms(
        name, tuple(self.shape), _dtype.float64 if wide else _dtype.float32, self._kind.device, generator
    )


def rand(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random numbers in [0, 1).

    Args:
        args: shape of the result, as a sequence or as ints.
        size: shape of the result, by name.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: floating or complex; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        DTypeError: `dtype` is neither floating nor complex.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.rand(3)
        tensor([0.3990, 0.8805, 0.7357])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None:
        args = (size,)
    result = _drawn("rand", random_uniform, args, _philox.uniform_blocks, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("rand", result, requires_grad, out, layout)
    return result


def randn(
    *args: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1.

    Args:
        args: shape of the result, as a sequence or as ints.
        size: shape of the result, by name.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: floating or complex, with half the variance in each part; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`.

    Raises:
        DTypeError: `dtype` is neither floating nor complex.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.randn(3)
        tensor([ 0.9911, -0.9247, -0.6176])
    """
    dtype = get_default_dtype() if dtype is None else check_dtype(dtype)
    if size is not None:
        args = (size,)
    result = _drawn("randn", random_normal, args, _philox.normal_blocks, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("randn", result, requires_grad, out, layout)
    return result


def check_interval(name: str, low: Any, high: Any, dtype: dtype_type) -> tuple[int, int]:
    """Bounds as ints; each integer in [low, high) must exist in the dtype."""
    for what, value in (("low", low), ("high", high)):
        if not hasattr(value, "__index__"):
            raise CallError(f"{name}: {what} must be an int, got {what}={value!r}")
    low, high = low.__index__(), high.__index__()
    if low >= high:
        raise ArgumentError(f"{name}: low must be below high, got low={low} and high={high}")
    if dtype.category == 0:
        least, most = 0, 1
    elif dtype.category == 1:
        least, most = limits(dtype)
    elif dtype.category == 2:
        most = int(min(_dtype.finfo(dtype).max, 2.0**63))
        least = -most
    else:
        raise DTypeError(f"{name}: needs a real dtype, got {dtype.name}")
    if low < least or high - 1 > most:
        raise ArgumentError(f"{name}: {dtype.name} holds [{least}, {most}], got low={low} and high={high}")
    return low, high


def randint(
    *args: Any,
    low: int | None = None,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform random integers in [low, high): `randint(high, size)` or `randint(low, high, size)`.

    Args:
        args: `low` (0 when left out), `high` and `size`, in this order.
        low: the smallest integer drawn.
        high: one past the largest integer drawn.
        size: shape of the result.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: integer, bool or floating; int64 when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape `size`. Each value's probability is right to 2^-64.

    Raises:
        ArgumentError: `low` is not below `high`, or the dtype does not hold them.

    Example:
        >>> _ = cb.manual_seed(0)
        >>> cb.randint(10, (5,))
        tensor([3, 7, 9, 6, 0])
    """
    low, high, size = _low_high_size("randint", args, low, high, size)
    dtype = _dtype.int64 if dtype is None else check_dtype(dtype)
    low, high = check_interval("randint", low, high, dtype)
    result = draw_integers("randint", as_shape("randint", size), low, high, dtype, device, generator)
    if requires_grad or out is not None or layout is not None:
        result = finish("randint", result, requires_grad, out, layout)
    return result


def _low_high_size(name: str, args: tuple[Any, ...], low: Any, high: Any, size: Any) -> tuple[Any, Any, Any]:
    """The three arguments, however they were given."""
    given = list(args)
    if size is None:
        if not given:
            raise CallError(f"{name}: missing argument, got none for size")
        size = given.pop()
    if high is None:
        if not given:
            raise CallError(f"{name}: missing argument, got none for high")
        high = given.pop()
    if given and low is None:
        low = given.pop()
    if given:
        raise CallError(f"{name}: takes low, high and size, got {args}")
    return 0 if low is None else low, high, size


@checked
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The integers from 0 to n - 1 in random order.

    Args:
        n: how many.
        generator: where the numbers come from; the device's default generator when None.
        out: tensor to write into.
        dtype: real; int64 when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (n,).

    Raises:
        ShapeError: `n` is negative.
        ArgumentError: the dtype does not hold n - 1.

    Example:
        >>> cb.randperm(5).sort().values
        tensor([0, 1, 2, 3, 4])
    """
    dtype = _dtype.int64 if dtype is None else check_dtype(dtype)
    (count,) = as_shape("randperm", n)
    if count:
        check_interval("randperm", 0, count, dtype)
    with generator_of("randperm", generator, device).reserved((count + 1) // 2) as stream:
        result = factory("randperm", random_permutation, (count,), stream, dtype, device)
    if requires_grad or out is not None or layout is not None:
        result = finish("randperm", result, requires_grad, out, layout)
    return result


# -- shapes like others ----------------------------------------------------------------------------------------------


def _like(input: Tensor, result: Tensor, memory_format: Any, requires_grad: bool) -> Tensor:
    """`result` in the order in memory of `input`, or of `memory_format`."""
    from ..dispatcher._write import write
    from .likes import empty_like

    if result.dim() > 1 and not (input.is_contiguous() and memory_format is None):
        ordered = empty_like(input, dtype=result.dtype, device=result.device, memory_format=memory_format)
        write(ordered, result)
        result = ordered
    return result.requires_grad_() if requires_grad else result


def place_of(name: str, input: Any, dtype: Any, device: Any) -> tuple[Shape, dtype_type, Any]:
    if not isinstance(input, Tensor):
        raise CallError(f"{name}: input must be a tensor, got {input!r} of type {type(input).__name__}")
    kind = input._kind
    return (
        tuple(input.shape),
        kind.dtype if dtype is None else check_dtype(dtype),
        kind.device if device is None else device,
    )


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform random numbers in [0, 1) with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        generator: where the numbers come from; the device's default generator when None.
        dtype: floating or complex; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.rand_like(cb.zeros(2, 3)).shape
        candelabra.Size([2, 3])
    """
    result = draw_uniforms("rand_like", *place_of("rand_like", input, dtype, device), generator)
    return _like(input, result, memory_format, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1 with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        generator: where the numbers come from; the device's default generator when None.
        dtype: floating or complex; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Example:
        >>> cb.randn_like(cb.zeros(2, 3)).shape
        candelabra.Size([2, 3])
    """
    result = draw_normals("randn_like", *place_of("randn_like", input, dtype, device), generator)
    return _like(input, result, memory_format, requires_grad)


def randint_like(
    input: Tensor,
    *args: int,
    low: int | None = None,
    high: int | None = None,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform random integers in [low, high) with the shape, dtype and device of `input` unless given.

    Args:
        input: any dtype, shape (*).
        args: `low` (0 when left out) and `high`, in this order.
        low: the smallest integer drawn.
        high: one past the largest integer drawn.
        generator: where the numbers come from; the device's default generator when None.
        dtype: integer, bool or floating; that of `input` when None.
        device: that of `input` when None.
        layout, requires_grad, pin_memory: as of `full`.
        memory_format: order in memory; that of `input` when None.

    Returns:
        Shape (*).

    Raises:
        ArgumentError: `low` is not below `high`, or the dtype does not hold them.

    Example:
        >>> cb.randint_like(cb.zeros(2, 3), 5).dtype
        candelabra.float32
    """
    low, high, _ = _low_high_size("randint_like", args, low, high, ())
    shape, dtype, device = place_of("randint_like", input, dtype, device)
    low, high = check_interval("randint_like", low, high, dtype)
    result = draw_integers("randint_like", shape, low, high, dtype, device, generator)
    return _like(input, result, memory_format, requires_grad)
