# SPDX-License-Identifier: Apache-2.0
"""Kernels of the rounding family."""

from __future__ import annotations
