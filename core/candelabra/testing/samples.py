# SPDX-License-Identifier: Apache-2.0
"""Sample inputs as values: what an op is tried on, said without making a tensor.

A declaration's `samples` is a function that lists `Sample`s; `errors` one that lists `ErrorSample`s. The conformance
suite makes tensors of them for each dtype, device and layout. Nothing here imports more than the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """A tensor to be made: uniform values between `low` and `high`, or exact `values`.

    Attributes:
        shape: its shape; taken from `values` when they are given.
        low, high: bounds of the values; clipped to what the dtype holds (0 for unsigned, truncated for integers).
        dtype: name of a fixed dtype (`"int64"`, `"bool"`) for indices and conditions; None for the dtype under test.
        values: nested lists of exact values, special ones included.
        distinct: all values differ, so that maxima and orders have one answer and gradients exist.
        nonzero: smallest magnitude of a value; for divisors and denominators.
        grad: False for an operand whose gradient is not checked here (a kink, or a class index).
    """

    shape: Shape = ()
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    values: Any = None
    distinct: bool = False
    nonzero: float = 0.0
    grad: bool = True


class Sample:
    """Arguments of one call; `Operand`s stand for tensors, wherever they are, in lists too.

    Attributes:
        special: expected result, exactly, as nested lists; None to ask the reference.
        dtypes: names of the only dtypes under test this sample is for; None for all the op takes.
        grad: False where no gradient is to be checked (non-smooth points).
    """

    def __init__(
        self,
        *args: Any,
        special: Any = None,
        dtypes: Sequence[str] | None = None,
        grad: bool = True,
        **kwargs: Any,
    ) -> None:
        self.args = args
        self.kwargs = kwargs
        self.special = special
        self.dtypes = dtypes
        self.grad = grad

    def __repr__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"Sample({', '.join(parts)})"


class ErrorSample:
    """Arguments that must be refused: with this class of error, and a message holding `match`.

    Args:
        error: class of the error.
        match: part of the message.
        args, kwargs: arguments of the call; `Operand`s stand for tensors.
        dtype: name of the dtype the operands without one of their own get.
    """

    def __init__(self, error: type[Exception], match: str, *args: Any, dtype: str = "float32", **kwargs: Any) -> None:
        self.error = error
        self.match = match
        self.args = args
        self.kwargs = kwargs
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"ErrorSample({self.error.__name__}, {self.match!r}, {self.args}, {self.kwargs})"


UNARY_SHAPES: tuple[Shape, ...] = ((), (5,), (0,), (1,), (2, 3), (3, 1, 4), (2, 0, 3), (37,), (3, 129))
BINARY_SHAPES: tuple[tuple[Shape, Shape], ...] = (
    ((), ()), ((5,), (5,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((3, 1), (1, 4)), ((0,), (0,)),
    ((0, 3), (1, 3)), ((4,), ()), ((), (2, 2)), ((2, 1, 3), (4, 1)), ((67,), (67,)),
)  # fmt: skip

SPECIAL_DTYPES = ("float16", "bfloat16", "float32", "float64")


def unary(
    low: float = -2.0, high: float = 2.0, special: Sequence[tuple[float, Any]] = (), **operand: Any
) -> list[Sample]:
    """Samples of an op of one tensor: each shape of `UNARY_SHAPES`, and the special values with their results.

    Args:
        low, high: range of the values.
        special: (input, exact result) pairs; tried in floating dtypes.
        operand: further fields of each `Operand`.
    """
    samples = [Sample(Operand(shape, low, high, **operand)) for shape in UNARY_SHAPES]
    if special:
        samples.append(
            Sample(
                Operand((len(special),), values=[x for x, _ in special]),
                special=[y for _, y in special],
                dtypes=SPECIAL_DTYPES,
                grad=False,
            )
        )
    return samples


def binary(
    low: float = -2.0,
    high: float = 2.0,
    low2: float | None = None,
    high2: float | None = None,
    special: Sequence[tuple[tuple[float, float], Any]] = (),
    scalars: Sequence[Any] = (2,),
    nonzero: float = 0.0,
    **operand: Any,
) -> list[Sample]:
    """Samples of an op of two tensors: broadcasting pairs of shapes, numbers as second operand, special values.

    Args:
        low, high: range of the first operand; `low2`, `high2` of the second, the same when None.
        special: ((input, other), exact result) pairs; tried in floating dtypes.
        scalars: numbers given as `other`.
        nonzero: smallest magnitude of the second operand.
        operand: further fields of each `Operand`.
    """
    low2, high2 = low if low2 is None else low2, high if high2 is None else high2
    samples = [
        Sample(Operand(a, low, high, **operand), Operand(b, low2, high2, nonzero=nonzero, **operand))
        for a, b in BINARY_SHAPES
    ]
    samples += [Sample(Operand((2, 3), low, high, **operand), scalar) for scalar in scalars]
    if special:
        samples.append(
            Sample(
                Operand((len(special),), values=[a for (a, _), _ in special]),
                Operand((len(special),), values=[b for (_, b), _ in special]),
                special=[y for _, y in special],
                dtypes=SPECIAL_DTYPES,
                grad=False,
            )
        )
    return samples


def reduction(
    low: float = -2.0, high: float = 2.0, distinct: bool = False, empty: bool = True, **kwargs: Any
) -> list[Sample]:
    """Samples of a reduction: all dims, each dim, several, `keepdim`, zero-sized and 0-d inputs.

    Args:
        low, high, distinct: as of `Operand`.
        empty: include reductions over no elements.
        kwargs: further keyword arguments of each call.
    """

    def over(shape: Shape, *args: Any, **more: Any) -> Sample:
        return Sample(Operand(shape, low, high, distinct=distinct), *args, **{**kwargs, **more})

    samples = [
        over((2, 3)), over((5,)), over(()), over((2, 3), 0), over((2, 3), -1), over((2, 3), 1, True), over((2, 3, 4), 1),
        over((3, 1, 5), -1, keepdim=True), over((130,), 0), over((3, 67), 1), over((67, 3), 0),
    ]  # fmt: skip
    if empty:
        samples += [over((0,)), over((0, 3), 0), over((0, 3), 1), over((2, 0, 3), 1)]
    return samples
