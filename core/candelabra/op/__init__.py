# SPDX-License-Identifier: Apache-2.0
"""Declaring ops: the decorator, the rules, and the registry."""

from . import _rules as rules
from ._checked import checked as checked
from ._declare import Number as Number
from ._declare import Op as Op
from ._declare import OpFunction as OpFunction
from ._declare import Param as Param
from ._declare import op as op
from ._registry import ops as ops

__all__ = ["Number", "Op", "OpFunction", "Param", "checked", "op", "ops", "rules"]
