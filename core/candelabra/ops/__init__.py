# SPDX-License-Identifier: Apache-2.0
"""Op declarations, one family a file."""

from .activation import *
from .arithmetic import *
from .bitwise import *
from .comparison import *
from .complex_ import *
from .contraction import *
from .conversion import *
from .convolution import *
from .creation import *
from .distance import *
from .division import *
from .embedding import *
from .exponential import *
from .gather import *
from .indexing import *
from .joining import *
from .limits import *
from .linalg import *
from .loss import *
from .norm import *
from .normalization import *
from .pooling import *
from .power import *
from .random import *
from .reduction import *
from .regularization import *
from .rounding import *
from .scan import *
from .scatter import *
from .selection import *
from .softmax import *
from .sorting import *
from .trigonometric import *
from .view import *
