# SPDX-License-Identifier: Apache-2.0
"""Complex numbers in kernels: two values."""

from __future__ import annotations

from typing import NamedTuple

from .ir import Value


class Pair(NamedTuple):
    """Real and imaginary part, of one float type."""

    re: Value
    im: Value

    @property
    def type(self) -> str:
        """Type of each part."""
        return self.re.type
