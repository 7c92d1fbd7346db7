# SPDX-License-Identifier: Apache-2.0
"""Tensors with a role in a module."""

from ._parameter import Buffer as Buffer
from ._parameter import Parameter as Parameter

__all__ = ["Buffer", "Parameter"]
