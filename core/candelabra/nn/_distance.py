# SPDX-License-Identifier: Apache-2.0
"""Similarity and distance of vectors."""

from __future__ import annotations

from ..tensor._tensor import Tensor
from . import functional as F
from ._module import Module


class CosineSimilarity(Module):
    """Cosine of the angle between vectors along a dim.

    Args:
        dim: the dim of the vectors.
        eps: smallest product of their lengths.

    Example:
        >>> cb.nn.CosineSimilarity()(cb.ones(2, 3), cb.ones(2, 3)).shape
        candelabra.Size([2])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """`p`-norm of the difference of vectors in the last dim.

    Args:
        p: order of the norm.
        eps: added to the difference.
        keepdim: keep the last dim with size 1.

    Example:
        >>> cb.nn.PairwiseDistance()(cb.ones(2, 3), cb.zeros(2, 3)).shape
        candelabra.Size([2])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
