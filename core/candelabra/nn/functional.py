# SPDX-License-Identifier: Apache-2.0
"""What layers compute, as functions: the ops of these families, with PyTorch's `inplace=` where it has one."""

from __future__ import annotations

import warnings
from typing import Any

from ..dispatcher._write import inplace as _run_inplace
from ..ops import activation as _activation
from ..ops.activation import gelu as gelu
from ..ops.activation import glu as glu
from ..ops.activation import hardshrink as hardshrink
from ..ops.activation import logsigmoid as logsigmoid
from ..ops.activation import prelu as prelu
from ..ops.activation import softplus as softplus
from ..ops.activation import softshrink as softshrink
from ..ops.activation import softsign as softsign
from ..ops.activation import tanhshrink as tanhshrink
from ..ops.adaptive_pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
from ..ops.adaptive_pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
from ..ops.adaptive_pooling import adaptive_avg_pool3d as adaptive_avg_pool3d
from ..ops.adaptive_pooling import adaptive_max_pool1d as adaptive_max_pool1d
from ..ops.adaptive_pooling import adaptive_max_pool2d as adaptive_max_pool2d
from ..ops.adaptive_pooling import adaptive_max_pool3d as adaptive_max_pool3d
from ..ops.convolution import conv1d as conv1d
from ..ops.convolution import conv2d as conv2d
from ..ops.convolution import conv3d as conv3d
from ..ops.convolution import conv_transpose1d as conv_transpose1d
from ..ops.convolution import conv_transpose2d as conv_transpose2d
from ..ops.convolution import conv_transpose3d as conv_transpose3d
from ..ops.distance import pdist as pdist
from ..ops.embedding import embedding as embedding
from ..ops.embedding import embedding_bag as embedding_bag
from ..ops.embedding import one_hot as one_hot
from ..ops.linalg import bilinear as bilinear
from ..ops.linalg import linear as linear
from ..ops.loss import binary_cross_entropy as binary_cross_entropy
from ..ops.loss import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from ..ops.loss import cosine_embedding_loss as cosine_embedding_loss
from ..ops.loss import cosine_similarity as cosine_similarity
from ..ops.loss import cross_entropy as cross_entropy
from ..ops.loss import gaussian_nll_loss as gaussian_nll_loss
from ..ops.loss import hinge_embedding_loss as hinge_embedding_loss
from ..ops.loss import huber_loss as huber_loss
from ..ops.loss import kl_div as kl_div
from ..ops.loss import l1_loss as l1_loss
from ..ops.loss import margin_ranking_loss as margin_ranking_loss
from ..ops.loss import mse_loss as mse_loss
from ..ops.loss import multi_margin_loss as multi_margin_loss
from ..ops.loss import multilabel_margin_loss as multilabel_margin_loss
from ..ops.loss import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from ..ops.loss import nll_loss as nll_loss
from ..ops.loss import poisson_nll_loss as poisson_nll_loss
from ..ops.loss import smooth_l1_loss as smooth_l1_loss
from ..ops.loss import soft_margin_loss as soft_margin_loss
from ..ops.loss import triplet_margin_loss as triplet_margin_loss
from ..ops.loss import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from ..ops.normalization import batch_norm as batch_norm
from ..ops.normalization import group_norm as group_norm
from ..ops.normalization import instance_norm as instance_norm
from ..ops.normalization import layer_norm as layer_norm
from ..ops.normalization import local_response_norm as local_response_norm
from ..ops.normalization import normalize as normalize
from ..ops.normalization import rms_norm as rms_norm
from ..ops.pooling import avg_pool1d as avg_pool1d
from ..ops.pooling import avg_pool2d as avg_pool2d
from ..ops.pooling import avg_pool3d as avg_pool3d
from ..ops.pooling import lp_pool1d as lp_pool1d
from ..ops.pooling import lp_pool2d as lp_pool2d
from ..ops.pooling import lp_pool3d as lp_pool3d
from ..ops.pooling import max_pool1d as max_pool1d
from ..ops.pooling import max_pool2d as max_pool2d
from ..ops.pooling import max_pool3d as max_pool3d
from ..ops.pooling import max_unpool1d as max_unpool1d
from ..ops.pooling import max_unpool2d as max_unpool2d
from ..ops.pooling import max_unpool3d as max_unpool3d
from ..ops.regularization import alpha_dropout as alpha_dropout
from ..ops.regularization import dropout as dropout
from ..ops.regularization import dropout1d as dropout1d
from ..ops.regularization import dropout2d as dropout2d
from ..ops.regularization import dropout3d as dropout3d
from ..ops.regularization import feature_alpha_dropout as feature_alpha_dropout
from ..ops.softmax import log_softmax as _log_softmax
from ..ops.softmax import softmax as _softmax
from ..ops.softmax import softmin as _softmin
from ..ops.trigonometric import sigmoid as sigmoid
from ..ops.trigonometric import tanh as tanh
from ..tensor._tensor import Tensor
from ._functions import channel_shuffle as channel_shuffle
from ._functions import gumbel_softmax as gumbel_softmax
from ._functions import hardswish as hardswish
from ._functions import pairwise_distance as pairwise_distance
from ._functions import pixel_shuffle as pixel_shuffle
from ._functions import pixel_unshuffle as pixel_unshuffle
from ._functions import rrelu as rrelu
from ._resampling import interpolate as interpolate
from ._resampling import pad as pad

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm", "bilinear",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "celu_", "channel_shuffle", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "elu_",
    "embedding", "embedding_bag", "feature_alpha_dropout", "gaussian_nll_loss", "gelu", "glu", "group_norm",
    "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "hinge_embedding_loss",
    "huber_loss", "instance_norm", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_",
    "linear", "local_response_norm", "log_softmax", "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
    "mish", "mse_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "nll_loss",
    "normalize", "one_hot", "pad", "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle",
    "poisson_nll_loss", "prelu", "relu", "relu6", "relu_", "rms_norm", "rrelu", "rrelu_", "selu", "selu_", "sigmoid",
    "silu", "smooth_l1_loss", "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh",
    "tanhshrink", "threshold", "threshold_", "triplet_margin_loss", "triplet_margin_with_distance_loss", "upsample",
    "upsample_bilinear", "upsample_nearest",
]  # fmt: skip


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
    return _either(_activation.celu, inplace, input, alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place."""
    return celu(input, alpha, inplace=True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`x` where positive, else `alpha * (exp(x) - 1)`; written over the input when `inplace`."""
    return _either(_activation.elu, inplace, input, alpha)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place."""
    return elu(input, alpha, inplace=True)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled ELU; written over the input when `inplace`."""
    return _either(_activation.selu, inplace, input)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place."""
    return selu(input, inplace=True)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`x * sigmoid(x)`; written over the input when `inplace`."""
    return _either(_activation.silu, inplace, input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`x * tanh(softplus(x))`; written over the input when `inplace`."""
    return _either(_activation.mish, inplace, input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`clamp(x / 6 + 1 / 2, 0, 1)`; written over the input when `inplace`."""
    return _either(_activation.hardsigmoid, inplace, input)


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
