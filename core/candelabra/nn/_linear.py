# SPDX-License-Identifier: Apache-2.0
"""Affine and bilinear maps."""

from __future__ import annotations

import math
from typing import Any

from ..ops.creation import empty
from ..ops.linalg import bilinear, linear
from ..tensor._tensor import Tensor
from . import init
from ._module import Module
from ._parameter import Parameter


class Identity(Module):
    """Its argument; takes and ignores any arguments when made, to stand in for other layers.

    Example:
        >>> cb.nn.Identity(54, unused=True)(cb.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """`input @ weight.T + bias` over the last dim.

    Args:
        in_features: size of the last dim of the input.
        out_features: size of the last dim of the result.
        bias: whether to add a bias.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (out_features, in_features), uniform within `1 / sqrt(in_features)` at first.
        bias: shape (out_features), likewise, or None.

    Example:
        >>> cb.nn.Linear(3, 2)(cb.ones(5, 3)).shape
        candelabra.Size([5, 2])
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    bias: Parameter | None

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """`input1 @ weight @ input2 + bias`, one bilinear form for each feature of the result.

    Args:
        in1_features: size of the last dim of the first input.
        in2_features: size of the last dim of the second input.
        out_features: size of the last dim of the result.
        bias: whether to add a bias.
        device: of the parameters.
        dtype: of the parameters.

    Attributes:
        weight: shape (out_features, in1_features, in2_features), uniform within `1 / sqrt(in1_features)` at first.
        bias: shape (out_features), likewise, or None.

    Example:
        >>> cb.nn.Bilinear(3, 4, 2)(cb.ones(5, 3), cb.ones(5, 4)).shape
        candelabra.Size([5, 2])
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    bias: Parameter | None

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
