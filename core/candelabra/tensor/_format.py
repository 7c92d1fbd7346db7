# SPDX-License-Identifier: Apache-2.0
"""Printing of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._tensor import Tensor


def format_tensor(t: Tensor) -> str:
    """Text of a tensor."""
    return f"tensor({np.array2string(t._host())})"
