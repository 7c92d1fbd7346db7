# SPDX-License-Identifier: Apache-2.0
"""Dims joined and split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._shape import normalize_dim
from ..tensor._tensor import Tensor
from ._module import Module


class Flatten(Module):
    """A run of dims joined into one.

    Args:
        start_dim: first of them.
        end_dim: last of them.

    Example:
        >>> cb.nn.Flatten()(cb.ones(2, 3, 4)).shape
        candelabra.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """A dim split into several.

    Args:
        dim: the dim.
        unflattened_size: sizes of its parts; one may be -1.

    Example:
        >>> cb.nn.Unflatten(1, (2, 3))(cb.ones(4, 6)).shape
        candelabra.Size([4, 2, 3])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size: Any = tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        dim = normalize_dim("Unflatten", self.dim, input.dim())
        shape = tuple(input.shape)
        sizes = list(self.unflattened_size)
        if -1 in sizes:
            known = 1
            for size in sizes:
                known *= size if size != -1 else 1
            sizes[sizes.index(-1)] = shape[dim] // max(known, 1)
        return input.reshape(*shape[:dim], *sizes, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
