# SPDX-License-Identifier: Apache-2.0
"""Python's operators on tensors, each one the op it stands for."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..dispatcher._call import inplace, is_scalar
from ._tensor import Tensor


def _reflected(function: Any) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


Tensor.__add__ = Tensor.__radd__ = ops.add  # type: ignore[method-assign, assignment]
Tensor.__sub__ = ops.sub  # type: ignore[method-assign, assignment]
Tensor.__rsub__ = _reflected(ops.sub)  # type: ignore[method-assign]
Tensor.__mul__ = Tensor.__rmul__ = ops.mul  # type: ignore[method-assign, assignment]
Tensor.__neg__ = ops.neg  # type: ignore[method-assign, assignment]
Tensor.__matmul__ = ops.matmul  # type: ignore[method-assign, assignment]
_ = (inplace, is_scalar)
