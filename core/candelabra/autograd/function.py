# SPDX-License-Identifier: Apache-2.0
"""`Function` and the decorators of its backward."""

from ._function import Function as Function
from ._function import FunctionNode as FunctionCtx
from ._function import once_differentiable as once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
