# SPDX-License-Identifier: Apache-2.0
"""Tables of vectors that are looked up."""

from __future__ import annotations

from typing import Any

from .._errors import ArgumentError, ShapeError
from ..dispatcher._write import write
from ..ops.creation import empty
from ..ops.likes import zeros_like
from ..tensor._tensor import Tensor
from . import functional as F
from . import init
from ._module import Module
from ._parameter import Parameter


class Embedding(Module):
    """A row of a trained table for each index.

    Args:
        num_embeddings: number of rows.
        embedding_dim: length of a row.
        padding_idx: row that stays zero and gets no gradient.
        max_norm: rows that are longer are shortened to it when looked up.
        norm_type: the norm `max_norm` is about.
        scale_grad_by_freq: divide the gradient of a row by the number of its uses.
        sparse: accepted for PyTorch's sake; gradients are dense.
        device: of the table.
        dtype: of the table.

    Attributes:
        weight: shape (num_embeddings, embedding_dim), standard normal at first.

    Raises:
        ArgumentError: `padding_idx` is no row.

    Example:
        >>> cb.nn.Embedding(10, 3)(cb.tensor([[1, 2], [4, 9]])).shape
        candelabra.Size([2, 2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                f"Embedding: padding_idx must be a row, got padding_idx={padding_idx}, num_embeddings={num_embeddings}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            table = empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not _freeze)
            self.reset_parameters()
        elif tuple(_weight.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"Embedding: table must have shape {(num_embeddings, embedding_dim)}, got {tuple(_weight.shape)}"
            )
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            row = self.weight.detach().select(0, self.padding_idx)
            write(row, zeros_like(row))

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An embedding over a given table.

        Args:
            embeddings: the table, shape (num_embeddings, embedding_dim).
            freeze: do not train it.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as of the class.

        Raises:
            ShapeError: the table does not have 2 dims.
        """
        if embeddings.dim() != 2:
            raise ShapeError(f"Embedding.from_pretrained: embeddings must have 2 dims, got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def extra_repr(self) -> str:
        parts = [
            f"{self.num_embeddings}, {self.embedding_dim}",
            f"padding_idx={self.padding_idx}" if self.padding_idx is not None else "",
            f"max_norm={self.max_norm}" if self.max_norm is not None else "",
            f"norm_type={self.norm_type}" if self.norm_type != 2 else "",
            f"scale_grad_by_freq={self.scale_grad_by_freq}" if self.scale_grad_by_freq else "",
            "sparse=True" if self.sparse else "",
        ]
        return ", ".join(part for part in parts if part)
