# SPDX-License-Identifier: Apache-2.0
"""Kernels of the complex family."""

from __future__ import annotations
