# SPDX-License-Identifier: Apache-2.0
"""Python's operators on tensors, each one the op it stands for.

The common path of `a + b` is that of `add(a, b)`: the same closure over the same table. Only off it, where the call
would be refused, does an operator ask whether the type of the other operand defines the opposite method, and leave the
matter to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dispatcher._bind import is_scalar
from ..dispatcher._call import _binary_entry, call_slow
from ..tensor._creation import as_tensor
from ..tensor._tensor import Tensor
from . import _names as ops

Operator = Callable[[Tensor, Any], Any]


def _is_foreign(other: Any, opposite: str) -> bool:
    """True for what is neither tensor nor number, but knows what to do with one."""
    return not isinstance(other, Tensor) and not is_scalar(other) and hasattr(type(other), opposite)


def _operator(function: Any, opposite: str) -> Any:
    """`function(self, other)` as an operator; `opposite` is the method of `other` that Python would try next."""
    op = function.op

    def slow(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        other = args[1] if len(args) == 2 else None
        if isinstance(other, np.ndarray):
            args = (args[0], as_tensor(other))
        elif _is_foreign(other, opposite):
            return NotImplemented
        return call_slow(op, args, kwargs)

    return _binary_entry(op, slow)


def _reflected(function: Any, opposite: str) -> Operator:
    """`function(other, self)` as an operator."""

    def method(self: Tensor, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            other = as_tensor(other)
        elif _is_foreign(other, opposite):
            return NotImplemented
        return function(other, self)

    return method


def _matmul(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor) and _is_foreign(other, "__rmatmul__") and not isinstance(other, np.ndarray):
        return NotImplemented
    return ops.matmul(self, as_tensor(other) if isinstance(other, np.ndarray) else other)


_divided = _reflected(ops.true_divide, "__truediv__")


def _rtruediv(self: Tensor, other: Any) -> Any:
    # 1 / x is common, and the reciprocal has a shorter path.
    return ops.reciprocal(self) if other.__class__ in (int, float) and other == 1 else _divided(self, other)


T: Any = Tensor

T.__add__ = _operator(ops.add, "__radd__")
T.__radd__ = _operator(ops.add, "__add__")
T.__sub__ = _operator(ops.sub, "__rsub__")
T.__rsub__ = _operator(ops.rsub, "__sub__")
T.__mul__ = _operator(ops.mul, "__rmul__")
T.__rmul__ = _operator(ops.mul, "__mul__")
T.__truediv__ = _operator(ops.true_divide, "__rtruediv__")
T.__rtruediv__ = _rtruediv
T.__floordiv__ = _operator(ops.floor_divide, "__rfloordiv__")
T.__rfloordiv__ = _reflected(ops.floor_divide, "__floordiv__")
T.__mod__ = _operator(ops.remainder, "__rmod__")
T.__rmod__ = _reflected(ops.remainder, "__mod__")
T.__pow__ = _operator(ops.pow, "__rpow__")
T.__rpow__ = _reflected(ops.pow, "__pow__")
T.__matmul__ = _matmul
T.__rmatmul__ = _reflected(ops.matmul, "__matmul__")
T.__neg__ = ops.neg
T.__pos__ = ops.positive
T.__abs__ = ops.abs

T.__eq__ = _operator(ops.eq, "__eq__")
T.__ne__ = _operator(ops.ne, "__ne__")
T.__lt__ = _operator(ops.lt, "__gt__")
T.__le__ = _operator(ops.le, "__ge__")
T.__gt__ = _operator(ops.gt, "__lt__")
T.__ge__ = _operator(ops.ge, "__le__")

T.__and__ = _operator(ops.bitwise_and, "__rand__")
T.__rand__ = _operator(ops.bitwise_and, "__and__")
T.__or__ = _operator(ops.bitwise_or, "__ror__")
T.__ror__ = _operator(ops.bitwise_or, "__or__")
T.__xor__ = _operator(ops.bitwise_xor, "__rxor__")
T.__rxor__ = _operator(ops.bitwise_xor, "__xor__")
T.__lshift__ = _operator(ops.bitwise_left_shift, "__rlshift__")
T.__rlshift__ = _reflected(ops.bitwise_left_shift, "__lshift__")
T.__rshift__ = _operator(ops.bitwise_right_shift, "__rrshift__")
T.__rrshift__ = _reflected(ops.bitwise_right_shift, "__rshift__")
T.__invert__ = ops.bitwise_not

T.__iadd__ = T.add_
T.__isub__ = T.sub_
T.__imul__ = T.mul_
T.__itruediv__ = T.true_divide_
T.__ifloordiv__ = T.floor_divide_
T.__imod__ = T.remainder_
T.__ipow__ = T.pow_
T.__iand__ = T.bitwise_and_
T.__ior__ = T.bitwise_or_
T.__ixor__ = T.bitwise_xor_
T.__ilshift__ = T.bitwise_left_shift_
T.__irshift__ = T.bitwise_right_shift_
