# SPDX-License-Identifier: Apache-2.0
"""Candelabra."""
from ._device import device
from ._dtype import bool_ as bool, float32, float64, int64, float16, bfloat16, complex64
from .tensor._tensor import Tensor
from .ops import *
from .tensor import _operators
from .tensor._creation import tensor, from_numpy, as_tensor
