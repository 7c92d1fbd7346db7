# SPDX-License-Identifier: Apache-2.0
"""Sample vocabulary for op declarations, and comparisons for tests."""

from .assertions import assert_close as assert_close
from .samples import ErrorSample as ErrorSample
from .samples import Operand as Operand
from .samples import Sample as Sample

__all__ = ["ErrorSample", "Operand", "Sample", "assert_close"]
