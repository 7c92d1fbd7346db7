# SPDX-License-Identifier: Apache-2.0
"""All families of host functions; importing them fills the table."""

from __future__ import annotations

from . import convolution as convolution
from . import creation as creation
from . import gather as gather
from . import joining as joining
from . import loss as loss
from . import masking as masking
from . import matrices as matrices
from . import normalization as normalization
from . import optimizer as optimizer
from . import pooling as pooling
from . import products as products
from . import random as random
from . import scan as scan
from . import scatter as scatter
from . import searching as searching
from . import sorting as sorting
