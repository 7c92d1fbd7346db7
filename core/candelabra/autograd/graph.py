# SPDX-License-Identifier: Apache-2.0
"""The backward graph's own types."""

from ..tensor._node import Node as Node
from ..tensor._node import RemovableHandle as RemovableHandle

__all__ = ["Node", "RemovableHandle"]
