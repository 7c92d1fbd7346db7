# SPDX-License-Identifier: Apache-2.0
"""Dropout: random zeros in training."""

from __future__ import annotations

from .._errors import ArgumentError
from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module


class _Dropout(Module):
    """What all dropouts share."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"{type(self).__name__}: p must be in [0, 1], got p={p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zero in place of each element with probability `p`, in training; the rest is divided by `1 - p`.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Srivastava et al. (2014).

    Example:
        >>> cb.nn.Dropout(0.2).eval()(cb.ones(2, 3)).sum()
        tensor(6.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeros in place of whole channels of (N, C, L) with probability `p`, in training.

    The rest is divided by `1 - p`.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Tompson et al. (2015).

    Example:
        >>> cb.nn.Dropout1d(0.2).eval()(cb.ones(1, 2, 3)).sum()
        tensor(6.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeros in place of whole channels of (N, C, H, W) with probability `p`, in training.

    The rest is divided by `1 - p`.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Tompson et al. (2015).

    Example:
        >>> cb.nn.Dropout2d(0.2).eval()(cb.ones(1, 2, 3, 3)).sum()
        tensor(18.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeros in place of whole channels of (N, C, D, H, W) with probability `p`, in training.

    The rest is divided by `1 - p`.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Tompson et al. (2015).

    Example:
        >>> cb.nn.Dropout3d(0.2).eval()(cb.ones(1, 2, 3, 3, 3)).sum()
        tensor(54.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of standardised activations, for SELU networks.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Klambauer et al. (2017).

    Example:
        >>> cb.nn.AlphaDropout(0.2).eval()(cb.ones(2, 3)).sum()
        tensor(6.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_Dropout):
    """Alpha dropout of whole channels.

    Args:
        p: probability of a zero.
        inplace: write into the input.

    Source: Klambauer et al. (2017).

    Example:
        >>> cb.nn.FeatureAlphaDropout(0.2).eval()(cb.ones(1, 2, 3, 3)).sum()
        tensor(18.)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
