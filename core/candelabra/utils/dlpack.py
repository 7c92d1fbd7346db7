# SPDX-License-Identifier: Apache-2.0
"""Memory shared with other libraries by DLPack capsules.

`candelabra.from_dlpack(array)` and the other library's `from_dlpack(tensor)` are the usual way; these two are for libraries
that hand capsules around.
"""

from __future__ import annotations

import enum
from typing import Any

from ..runtime._sharing import from_dlpack as from_dlpack
from ..tensor._tensor import Tensor

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """DLPack's numbers for kinds of devices."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule on a tensor's memory, in the form before versions, which every consumer reads; taken once.

    Args:
        tensor: any dtype but quantized ones, shape (*), without a gradient.

    Returns:
        A capsule; shape, strides and dtype are the tensor's.

    Raises:
        DLPackError: the tensor requires a gradient, or its device or dtype is not shared.

    Example:
        >>> from candelabra.utils.dlpack import from_dlpack, to_dlpack
        >>> from_dlpack(to_dlpack(cb.ones(2)))
        tensor([1., 1.])
    """
    return tensor.__dlpack__()
