# SPDX-License-Identifier: Apache-2.0
"""What each pointwise primitive computes of one element, as a formula of kernel values.

    SCALAR["maximum"](x, y)

A formula takes its op's kernel parameters by position. Operands are `Value`s of the type to compute in (`b1`, integers,
`f32`, `f64`; numbers of float16 and bfloat16 tensors are `f32`), or `Pair`s of them for complex numbers, or None where an
optional one is not given; attributes are Python values. It returns a `Value`, a `Pair`, or a tuple of them for several
results; comparisons return `b1`. Results of narrow floats are rounded by whoever stores them (`narrowed` does it without
a store). A formula whose last parameter is `storage` must be told what memory holds: `graph.storage_of` the dtype of its
first operand.

Most formulas are free of branches, so that loops over them vectorize. Those with loops: `gcd`, `lcm`, powers of integers
by a variable, and remainders and whole quotients of float64 (of float32 where the target has no float64), unless
`math.usual_only` leaves that out.

Special values follow NumPy's functions, on which the reference backend stands; see each op's declaration.
"""

from __future__ import annotations

from .scalars import activation, arithmetic, bitwise, comparison, conversion, division, functions, rounding
from .scalars.conversion import narrowed
from .scalars.table import SCALAR, Formula, scalar

__all__ = ["FAMILIES", "SCALAR", "Formula", "narrowed", "scalar"]

FAMILIES = (activation, arithmetic, bitwise, comparison, conversion, division, functions, rounding)
