# SPDX-License-Identifier: Apache-2.0
"""The exception tree; every class has a stable code, listed in docs/errors.md.

CandelabraError                              CB000
├── ShapeError (ValueError, RuntimeError)    CB101  sizes, strides or numbers of dims that do not fit
├── DTypeError (TypeError, RuntimeError)     CB102  a dtype an op or a cast does not allow
├── DeviceError (RuntimeError)               CB103  unknown device, or tensors on different devices
├── ArgumentError (ValueError, RuntimeError) CB104  an argument outside its range
├── DimError (IndexError, RuntimeError)      CB105  a dim or an index outside its tensor
├── CallError (TypeError)                    CB106  wrong arguments: missing, unknown, or of the wrong type
├── BackendError (RuntimeError)              CB200  a backend that cannot be used
│   ├── PluginError                          CB201  a plugin that did not load
│   ├── MissingKernelError (+NotImplemented) CB202  no kernel and no body for this op, dtype and device
│   ├── ContractError                        CB203  a plugin written for another contract version
│   ├── OutOfMemoryError (+MemoryError)      CB204  a device without room; also called DeviceOutOfMemory
│   ├── DeviceLostError                      CB205  a device that stopped answering, or whose work failed for good
│   ├── ForkError                            CB206  a device used in a process forked after its first use
│   ├── DLPackError (BufferError)            CB207  memory that cannot be shared by DLPack
│   └── CompileError                         CB208  a kernel that a device's compiler refused
├── AutogradError (RuntimeError)             CB300  a graph that cannot be differentiated as asked
│   └── StaleTensorError                     CB301  a saved tensor was overwritten before backward
└── SerializationError (RuntimeError, ValueError) CB400  a file that is broken, hostile or of another kind

Messages read `<op or argument>: <rule broken>, got <values>; <what to do>`.
"""

from __future__ import annotations

from typing import ClassVar


class CandelabraError(Exception):
    """Base of every error raised by this package; `code` is stable across releases."""

    code: ClassVar[str] = "CB000"


class ShapeError(CandelabraError, ValueError, RuntimeError):
    """Sizes, strides or numbers of dims that do not fit an op."""

    code = "CB101"


class DTypeError(CandelabraError, TypeError, RuntimeError):
    """A dtype an op or a cast does not allow."""

    code = "CB102"


class DeviceError(CandelabraError, RuntimeError):
    """An unknown device, or operands on different devices."""

    code = "CB103"


class ArgumentError(CandelabraError, ValueError, RuntimeError):
    """An argument outside its range."""

    code = "CB104"


class DimError(CandelabraError, IndexError, RuntimeError):
    """A dim or an index outside its tensor."""

    code = "CB105"


class CallError(CandelabraError, TypeError):
    """Missing or unknown arguments, or arguments of the wrong type."""

    code = "CB106"


class BackendError(CandelabraError, RuntimeError):
    """A backend that cannot be used."""

    code = "CB200"


class PluginError(BackendError):
    """A plugin that did not load."""

    code = "CB201"


class MissingKernelError(BackendError, NotImplementedError):
    """No kernel and no body for this op, dtype and device."""

    code = "CB202"


class ContractError(BackendError):
    """A plugin written for another contract version."""

    code = "CB203"


class OutOfMemoryError(BackendError, MemoryError):
    """A device without room for an allocation."""

    code = "CB204"


DeviceOutOfMemory = OutOfMemoryError
"""The same class, by a name that says whose memory; `OutOfMemoryError` is PyTorch's name."""


class DeviceLostError(BackendError):
    """A device that stopped answering, or whose work failed in a way that only a new process mends."""

    code = "CB205"


class ForkError(BackendError):
    """A device used in a process that was forked after the device's first use."""

    code = "CB206"


class DLPackError(BackendError, BufferError):
    """Memory that cannot be shared by DLPack: a device, dtype or layout it has no word for."""

    code = "CB207"


class CompileError(BackendError):
    """A kernel that a device's compiler refused; the message has the kernel, the source line and the compiler's log."""

    code = "CB208"


class AutogradError(CandelabraError, RuntimeError):
    """A graph that cannot be differentiated as asked."""

    code = "CB300"


class StaleTensorError(AutogradError):
    """A tensor saved for the backward pass was overwritten before it ran."""

    code = "CB301"


class SerializationError(CandelabraError, RuntimeError, ValueError):
    """A file that is broken, hostile, or not one of ours."""

    code = "CB400"
