# SPDX-License-Identifier: Apache-2.0
"""The compiler: formulas of ops become kernels of a device; no device is known here."""

from . import cache as cache
from ._show import show as show

__all__ = ["cache", "show"]
