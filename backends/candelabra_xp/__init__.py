# SPDX-License-Identifier: Apache-2.0
"""Kernels written once for any NumPy-shaped module, and a `Backend` over them to subclass."""

from ._kernel import KERNELS as KERNELS
from ._kernel import kernel as kernel
from .backend import XpBackend as XpBackend

__all__ = ["KERNELS", "XpBackend", "kernel"]
