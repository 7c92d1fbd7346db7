# SPDX-License-Identifier: Apache-2.0
"""Kernels of the sorting family."""

from __future__ import annotations
