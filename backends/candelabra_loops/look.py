# SPDX-License-Identifier: Apache-2.0
"""Handles of the kit: what tensors see of blocks of device memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from candelabra._shape import Shape, is_contiguous


class Look:
    """A handle: what a tensor sees of a block.

    Attributes:
        block: the device's memory, freed with the last look at it.
        offset: of the first element; `steps`: strides; both in elements.
        index: of the device.
    """

    __slots__ = ("block", "dtype", "index", "offset", "shape", "steps")

    def __init__(self, block: Any, offset: int, shape: Shape, steps: Shape, dtype: np.dtype[Any], index: int) -> None:
        self.block = block
        self.offset = offset
        self.shape = shape
        self.steps = steps
        self.dtype = dtype
        self.index = index

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_contiguous(self) -> bool:
        """Whether elements are in row-major order without gaps."""
        return is_contiguous(self.shape, self.steps)
