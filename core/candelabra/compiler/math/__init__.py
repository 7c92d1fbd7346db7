# SPDX-License-Identifier: Apache-2.0
"""Mathematical functions as formulas of kernel values: written once, for every renderer.

    from candelabra.compiler import math
    y = math.exp(x)                      # x: a Value of type f32 or f64
    w = math.COMPLEX["exp"](Pair(re, im))

`FUNCTIONS` has the real functions by name and `COMPLEX` those of pairs. A function becomes a call where the target's
`natives` list it for the type; else it is a formula without branches, tables in memory or conversions that could meet nan,
so that loops over it vectorize.

Errors stay within 4 units in the last place, over all arguments, subnormal ones and results included; within 8 for
`pow`, `erfc`, `erfinv` and positive arguments of `lgamma` and `polygamma`, and for the modulus of complex results. Beside
their zeros, gamma functions and `logaddexp` err by a roundoff of the arguments. Special values are NumPy's. Targets
without a cheap fused multiply-add get products with their error by halves instead, and lose no digits by it. Complex
`pow` errs as exp does of a rounded product. `usual_only` leaves out the reduction
of huge arguments, for kernels that can fall back; under `short_results` polynomials are as long as 16-bit results need.
"""

from . import complex_ as complex_
from ._tools import FUNCTIONS as FUNCTIONS
from ._tools import short_results as short_results
from ._tools import usual_only as usual_only
from .complex_ import COMPLEX as COMPLEX
from .exact import frexp as frexp
from .exact import ldexp as ldexp
from .exact import nextafter as nextafter
from .exponential import exp as exp
from .exponential import exp2 as exp2
from .exponential import expm1 as expm1
from .exponential import log as log
from .exponential import log1p as log1p
from .exponential import log2 as log2
from .exponential import log10 as log10
from .exponential import logaddexp as logaddexp
from .exponential import logaddexp2 as logaddexp2
from .exponential import pow as pow
from .exponential import sigmoid as sigmoid
from .special import digamma as digamma
from .special import erf as erf
from .special import erfc as erfc
from .special import erfinv as erfinv
from .special import gelu as gelu
from .special import gelu_slope as gelu_slope
from .special import lgamma as lgamma
from .special import polygamma as polygamma
from .trigonometric import acos as acos
from .trigonometric import acosh as acosh
from .trigonometric import asin as asin
from .trigonometric import asinh as asinh
from .trigonometric import atan as atan
from .trigonometric import atan2 as atan2
from .trigonometric import atanh as atanh
from .trigonometric import cos as cos
from .trigonometric import cosh as cosh
from .trigonometric import hypot as hypot
from .trigonometric import sin as sin
from .trigonometric import sinc as sinc
from .trigonometric import sinh as sinh
from .trigonometric import tan as tan
from .trigonometric import tanh as tanh
