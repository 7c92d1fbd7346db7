# SPDX-License-Identifier: Apache-2.0
"""Kernels of the joining family."""

from __future__ import annotations
