# SPDX-License-Identifier: Apache-2.0
"""Short cuts for views, where the module's own methods alias memory."""

from __future__ import annotations

from typing import Any


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return input.swapaxes(dim0, dim1) if input.ndim else input[...]


def permute(input: Any, dims: Any) -> Any:
    return input.transpose(dims)


SHORT_CUTS = {"transpose": transpose, "permute": permute}
