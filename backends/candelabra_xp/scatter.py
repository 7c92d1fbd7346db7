# SPDX-License-Identifier: Apache-2.0
"""Kernels of the scatter family."""

from __future__ import annotations
