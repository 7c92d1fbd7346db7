# SPDX-License-Identifier: Apache-2.0
# The forms with `inplace=` stand over the families' own functions of the same name, by intent.
# mypy: disable-error-code="no-redef, call-arg"
"""What layers compute, as functions: the ops of these families, with PyTorch's `inplace=` where it has one.

The families come in whole, so that a new op is a function here without another edit.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..dispatcher._write import inplace as _run_inplace
from ..ops import activation as _activation
from ..ops import adaptive_pooling as _adaptive_pooling
from ..ops import class_loss as _class_loss
from ..ops import convolution as _convolution
from ..ops import distance as _distance
from ..ops import embedding as _embedding
from ..ops import gated_activation as _gated_activation
from ..ops import loss as _loss
from ..ops import margin_loss as _margin_loss
from ..ops import normalization as _normalization
from ..ops import pooling as _pooling
from ..ops import probability_loss as _probability_loss
from ..ops import regularization as _regularization
from ..ops.activation import *
from ..ops.adaptive_pooling import *
from ..ops.class_loss import *
from ..ops.convolution import *
from ..ops.distance import *
from ..ops.embedding import *
from ..ops.gated_activation import *
from ..ops.linalg import bilinear as bilinear
from ..ops.linalg import linear as linear
from ..ops.loss import *
from ..ops.margin_loss import *
from ..ops.normalization import *
from ..ops.pooling import *
from ..ops.probability_loss import *
from ..ops.regularization import *
from ..ops.softmax import log_softmax as _log_softmax
from ..ops.softmax import softmax as _softmax
from ..ops.softmax import softmin as _softmin
from ..ops.trigonometric import sigmoid as sigmoid
from ..ops.trigonometric import tanh as tanh
from ..tensor._tensor import Tensor
from ._functions import channel_shuffle as channel_shuffle
from ._functions import gumbel_softmax as gumbel_softmax
from ._functions import pairwise_distance as pairwise_distance
from ._functions import pixel_shuffle as pixel_shuffle
from ._functions import pixel_unshuffle as pixel_unshuffle
from ._functions import rrelu as rrelu
from ._resampling import interpolate as interpolate
from ._resampling import pad as pad

_OWN = (
    "bilinear", "celu_", "channel_shuffle", "elu_", "gumbel_softmax", "hardtanh_", "interpolate", "leaky_relu_", "linear",
    "log_softmax", "pad", "pairwise_distance", "pixel_shuffle", "pixel_unshuffle", "relu_", "rrelu", "rrelu_", "selu_",
    "sigmoid", "softmax", "softmin", "tanh", "threshold_", "upsample", "upsample_bilinear", "upsample_nearest",
)  # fmt: skip
_FAMILIES = (
    _activation, _adaptive_pooling, _class_loss, _convolution, _distance, _embedding, _gated_activation, _loss,
    _margin_loss, _normalization, _pooling, _probability_loss, _regularization,
)  # fmt: skip
__all__ = sorted({*_OWN, *(name for family in _FAMILIES for name in family.__all__)})  # noqa: PLE0605


def _either(function: Any, inplace: bool, input: Tensor, *args: Any) -> Tensor:
    """`function(input, *args)`, written over `input` when `inplace`."""
    return _run_inplace(function.op, (input, *args), {}) if inplace else function(input, *args)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(input, 0)`; written over the input when `inplace`."""
    return _either(_activation.relu, inplace, input)


def relu_(input: Tensor) -> Tensor:
    """`relu`, in place."""
    return relu(input, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`min(max(input, 0), 6)`; written over the input when `inplace`."""
    return _either(_activation.relu6, inplace, input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`; written over the input when `inplace`."""
    return _either(_gated_activation.celu, inplace, input, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place."""
    return celu(input, alpha, inplace=True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`x` where positive, else `alpha * (exp(x) - 1)`; written over the input when `inplace`."""
    return _either(_gated_activation.elu, inplace, input, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place."""
    return elu(input, alpha, inplace=True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled ELU; written over the input when `inplace`."""
    return _either(_gated_activation.selu, inplace, input)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place."""
    return selu(input, inplace=True)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`x * sigmoid(x)`; written over the input when `inplace`."""
    return _either(_gated_activation.silu, inplace, input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`x * tanh(softplus(x))`; written over the input when `inplace`."""
    return _either(_gated_activation.mish, inplace, input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`clamp(x / 6 + 1 / 2, 0, 1)`; written over the input when `inplace`."""
    return _either(_activation.hardsigmoid, inplace, input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`x * clamp(x / 6 + 1 / 2, 0, 1)`; written over the input when `inplace`."""
    return _either(_activation.hardswish, inplace, input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`x` between two bounds, else the bound; written over the input when `inplace`."""
    return _either(_activation.hardtanh, inplace, input, min_val, max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`x` where positive, else `negative_slope * x`; written over the input when `inplace`."""
    return _either(_activation.leaky_relu, inplace, input, negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, in place."""
    return leaky_relu(input, negative_slope, inplace=True)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`x` where above the threshold, else `value`; written over the input when `inplace`."""
    return _either(_activation.threshold, inplace, input, threshold, value)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, in place."""
    return _either(_activation.threshold, True, input, threshold, value)


def _implicit_dim(what: str, input: Tensor, dim: int | None) -> int:
    """The dim meant when none is given: that of the classes, as PyTorch once chose it."""
    if dim is None:
        warnings.warn(f"{what}: dim is chosen by the number of dims when None; pass dim=", stacklevel=3)
        return 0 if input.dim() in (0, 1, 3) else 1
    return dim


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Exponentials divided by their sum over `dim`; see `candelabra.softmax`."""
    return _softmax(input, _implicit_dim("softmax", input, dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`, without overflow; see `candelabra.log_softmax`."""
    return _log_softmax(input, _implicit_dim("log_softmax", input, dim), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of the negative input."""
    return _softmin(input, _implicit_dim("softmin", input, dim), dtype)


def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu`, in place."""
    return rrelu(input, lower, upper, training, inplace=True)


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """The former name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by repeating elements."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by bilinear mixing, corners on corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)
