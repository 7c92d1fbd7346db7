# SPDX-License-Identifier: Apache-2.0
# mypy sees the families' functions where functional puts its forms with `inplace=` over them.
# mypy: disable-error-code="call-arg"
"""Activations, one class each."""

from __future__ import annotations

from typing import Any

from .._errors import ShapeError
from ..ops.activation import relu
from ..ops.creation import full
from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module
from ._parameter import Parameter


class CELU(Module):
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.

    Args:
        alpha: scale of the negative part.
        inplace: write into the input.

    Example:
        >>> cb.nn.CELU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self.inplace)}"


class ELU(Module):
    """`x` where positive, else `alpha * (exp(x) - 1)`.

    Args:
        alpha: scale of the negative part.
        inplace: write into the input.

    Example:
        >>> cb.nn.ELU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}{_inplace(self.inplace)}"


class GELU(Module):
    """`x` times the standard normal distribution function of `x`.

    Args:
        approximate: `none`, or `tanh` for the approximation by tanh.

    Example:
        >>> cb.nn.GELU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half of a dim times the sigmoid of the second.

    Args:
        dim: dim to halve.

    Example:
        >>> cb.nn.GLU()(cb.zeros(2, 4)).shape
        candelabra.Size([2, 2])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Hardshrink(Module):
    """`x` where its magnitude is above `lambd`, else 0.

    Args:
        lambd: the threshold.

    Example:
        >>> cb.nn.Hardshrink()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardsigmoid(Module):
    """`clamp(x / 6 + 1 / 2, 0, 1)`.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.Hardsigmoid()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardswish(Module):
    """`x * clamp(x / 6 + 1 / 2, 0, 1)`.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.Hardswish()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Hardtanh(Module):
    """`x` between two bounds, else the bound.

    Args:
        min_val: lower bound.
        max_val: upper bound.
        inplace: write into the input.

    Example:
        >>> cb.nn.Hardtanh()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}{_inplace(self.inplace)}"


class LeakyReLU(Module):
    """`x` where positive, else `negative_slope * x`.

    Args:
        negative_slope: slope of the negative part.
        inplace: write into the input.

    Example:
        >>> cb.nn.LeakyReLU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{_inplace(self.inplace)}"


class LogSigmoid(Module):
    """`log(sigmoid(x))`, without overflow.

    Example:
        >>> cb.nn.LogSigmoid()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class LogSoftmax(Module):
    """Logarithm of softmax over a dim, without overflow.

    Args:
        dim: dim whose exponentials add up to 1.

    Example:
        >>> cb.nn.LogSoftmax(dim=0)(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Mish(Module):
    """`x * tanh(softplus(x))`.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.Mish()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(Module):
    """`max(x, 0)`.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.ReLU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu_(input) if self.inplace else relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU6(Module):
    """`min(max(x, 0), 6)`.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.ReLU6()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class RReLU(Module):
    """`x` where positive, else `a * x` with `a` drawn between two bounds in training, their mean in evaluation.

    Args:
        lower: lower bound of `a`.
        upper: upper bound of `a`.
        inplace: write into the input.

    Example:
        >>> cb.nn.RReLU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}{_inplace(self.inplace)}"


class SELU(Module):
    """Scaled ELU, under which activations keep mean 0 and variance 1.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.SELU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class SiLU(Module):
    """`x * sigmoid(x)`, also called swish.

    Args:
        inplace: write into the input.

    Example:
        >>> cb.nn.SiLU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`.

    Example:
        >>> cb.nn.Sigmoid()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Softmax(Module):
    """Exponentials divided by their sum over a dim.

    Args:
        dim: dim whose results add up to 1.

    Example:
        >>> cb.nn.Softmax(dim=0)(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """Softmax of the negative input.

    Args:
        dim: dim whose results add up to 1.

    Example:
        >>> cb.nn.Softmin(dim=0)(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softplus(Module):
    """`log(1 + exp(beta * x)) / beta`; `x` itself where `beta * x` is above the threshold.

    Args:
        beta: sharpness.
        threshold: above it, the function is linear.

    Example:
        >>> cb.nn.Softplus()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(Module):
    """`x` moved towards 0 by `lambd`; 0 where its magnitude is below.

    Args:
        lambd: the threshold.

    Example:
        >>> cb.nn.Softshrink()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softsign(Module):
    """`x / (1 + abs(x))`.

    Example:
        >>> cb.nn.Softsign()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanh(Module):
    """Hyperbolic tangent.

    Example:
        >>> cb.nn.Tanh()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Tanhshrink(Module):
    """`x - tanh(x)`.

    Example:
        >>> cb.nn.Tanhshrink()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Threshold(Module):
    """`x` where above the threshold, else `value`.

    Args:
        threshold: the threshold.
        value: what stands below it.
        inplace: write into the input.

    Example:
        >>> cb.nn.Threshold(0.0, 20.0)(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}{_inplace(self.inplace)}"


class PReLU(Module):
    """`x` where positive, else a trained slope times `x`.

    Args:
        num_parameters: 1, or a slope for each channel.
        init: the slope at first.
        device: of the slope.
        dtype: of the slope.

    Example:
        >>> cb.nn.PReLU()(cb.tensor([-1.0, 2.0])).shape
        candelabra.Size([2])
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W).

    Example:
        >>> cb.nn.Softmax2d()(cb.zeros(1, 2, 3, 3)).shape
        candelabra.Size([1, 2, 3, 3])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ShapeError(f"Softmax2d: input must have 3 or 4 dims, got {tuple(input.shape)}")
        return F.softmax(input, -3)


def _inplace(inplace: bool) -> str:
    return ", inplace=True" if inplace else ""
