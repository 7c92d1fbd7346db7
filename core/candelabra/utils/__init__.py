# SPDX-License-Identifier: Apache-2.0
"""Utilities: data loading, memory shared by DLPack."""

from . import data as data
from . import dlpack as dlpack

__all__ = ["data", "dlpack"]
