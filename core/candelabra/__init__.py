# SPDX-License-Identifier: Apache-2.0
"""Candelabra: a PyTorch-shaped tensor and deep-learning framework whose compute backends are plugins.

    import candelabra as cb

    x = cb.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad

Ops come from the families in `candelabra.ops`: each file's `__all__` is public here, so that a new op needs no other edit.
"""

import sys as _sys
from importlib import import_module as _import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING

from . import autograd as autograd
from . import dispatcher as dispatcher
from . import ops as ops
from . import random as random
from ._config import get_default_dtype as get_default_dtype
from ._config import get_float32_matmul_precision as get_float32_matmul_precision
from ._config import set_default_dtype as set_default_dtype
from ._config import set_float32_matmul_precision as set_float32_matmul_precision
from ._device import device as device
from ._device import get_default_device as get_default_device
from ._device import set_default_device as set_default_device
from ._dtype import bfloat16 as bfloat16
from ._dtype import bool_ as bool
from ._dtype import can_cast as can_cast
from ._dtype import cdouble as cdouble
from ._dtype import cfloat as cfloat
from ._dtype import complex64 as complex64
from ._dtype import complex128 as complex128
from ._dtype import double as double
from ._dtype import dtype as dtype
from ._dtype import finfo as finfo
from ._dtype import float8_e4m3fn as float8_e4m3fn
from ._dtype import float8_e4m3fnuz as float8_e4m3fnuz
from ._dtype import float8_e5m2 as float8_e5m2
from ._dtype import float8_e5m2fnuz as float8_e5m2fnuz
from ._dtype import float16 as float16
from ._dtype import float32 as float32
from ._dtype import float64 as float64
from ._dtype import float_ as float
from ._dtype import half as half
from ._dtype import iinfo as iinfo
from ._dtype import int8 as int8
from ._dtype import int16 as int16
from ._dtype import int32 as int32
from ._dtype import int64 as int64
from ._dtype import int_ as int
from ._dtype import long as long
from ._dtype import promote_types as promote_types
from ._dtype import qint8 as qint8
from ._dtype import quint8 as quint8
from ._dtype import short as short
from ._dtype import uint8 as uint8
from ._dtype import uint16 as uint16
from ._dtype import uint32 as uint32
from ._dtype import uint64 as uint64
from ._errors import ArgumentError as ArgumentError
from ._errors import AutogradError as AutogradError
from ._errors import BackendError as BackendError
from ._errors import CallError as CallError
from ._errors import CandelabraError as CandelabraError
from ._errors import ContractError as ContractError
from ._errors import DeviceError as DeviceError
from ._errors import DeviceLostError as DeviceLostError
from ._errors import DeviceOutOfMemory as DeviceOutOfMemory
from ._errors import DimError as DimError
from ._errors import DLPackError as DLPackError
from ._errors import DTypeError as DTypeError
from ._errors import ForkError as ForkError
from ._errors import MissingKernelError as MissingKernelError
from ._errors import OutOfMemoryError as OutOfMemoryError
from ._errors import PluginError as PluginError
from ._errors import SerializationError as SerializationError
from ._errors import ShapeError as ShapeError
from ._errors import StaleTensorError as StaleTensorError
from ._layout import channels_last as channels_last
from ._layout import channels_last_3d as channels_last_3d
from ._layout import contiguous_format as contiguous_format
from ._layout import layout as layout
from ._layout import memory_format as memory_format
from ._layout import preserve_format as preserve_format
from ._layout import sparse_coo as sparse_coo
from ._layout import sparse_csr as sparse_csr
from ._layout import strided as strided
from ._random import Generator as Generator
from ._random import default_generator as default_generator
from ._random import fork_rng as fork_rng
from ._random import get_rng_state as get_rng_state
from ._random import initial_seed as initial_seed
from ._random import manual_seed as manual_seed
from ._random import seed as seed
from ._random import set_rng_state as set_rng_state
from ._shape import Size as Size
from ._threads import get_num_threads as get_num_threads
from ._threads import set_num_threads as set_num_threads
from .autograd import enable_grad as enable_grad
from .autograd import inference_mode as inference_mode
from .autograd import no_grad as no_grad
from .autograd import set_grad_enabled as set_grad_enabled
from .autograd._modes import is_grad_enabled as is_grad_enabled
from .autograd._modes import is_inference_mode_enabled as is_inference_mode_enabled
from .dispatcher import allow_fallback as allow_fallback
from .ops import _operators as _operators
from .ops import _subscript as _subscript
from .ops._names import *
from .runtime import Event as Event
from .runtime import Stream as Stream
from .runtime._module import Finder as _Finder
from .runtime._module import device_module as _device_module
from .runtime._sharing import from_dlpack as from_dlpack
from .tensor._creation import as_tensor as as_tensor
from .tensor._creation import from_numpy as from_numpy
from .tensor._creation import tensor as tensor
from .tensor._format import get_printoptions as get_printoptions
from .tensor._format import printoptions as printoptions
from .tensor._format import set_printoptions as set_printoptions
from .tensor._storage import Storage as UntypedStorage
from .tensor._tensor import Tensor as Tensor

# Libraries on top: they use the names above.
from . import nn as nn  # isort: skip
from . import optim as optim  # isort: skip
from . import utils as utils  # isort: skip
from .serialization import load as load  # isort: skip
from .serialization import save as save  # isort: skip

__version__ = "0.1.0"


if TYPE_CHECKING:
    from . import compiler as compiler
    from .runtime import DeviceModule

    cpu: DeviceModule
    cuda: DeviceModule
    opencl: DeviceModule
    sim: DeviceModule
else:

    def __getattr__(name):
        if name == "compiler":
            return _import_module("candelabra.compiler")
        found = _device_module(name)  # `candelabra.cuda`, and that of any other backend: made when first asked for
        if found is None:
            raise AttributeError(f"module 'candelabra' has no attribute {name!r}")
        globals()[name] = found
        return found

    _sys.meta_path.append(_Finder)  # for `import candelabra.cuda`
