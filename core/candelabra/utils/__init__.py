# SPDX-License-Identifier: Apache-2.0
"""Utilities: data loading."""

from . import data as data

__all__ = ["data"]
