# SPDX-License-Identifier: Apache-2.0
"""Planted defects: wrong backends the suite must catch, each a small change to the CPU backend.

Here alone ops are named: a defect is made in some kernel. The cases that catch it are those of every op.
"""

from .backends import DEFECTS as DEFECTS
from .backends import Defect as Defect
from .backends import Undamaged as Undamaged

__all__ = ["DEFECTS", "Defect", "Undamaged"]
