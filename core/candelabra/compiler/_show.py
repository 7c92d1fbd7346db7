# SPDX-License-Identifier: Apache-2.0
"""What the compiler makes of a call, for people."""

from __future__ import annotations

from typing import Any

from .._errors import ArgumentError
from ..dispatcher._bind import bind
from ..dispatcher._dispatch import cast_operands, check_operands, normalize
from ..dispatcher._plugins import load_backend
from ..op._declare import Op
from ..tensor._tensor import Tensor
from . import debug
from .ir import Kernel
from .plan import Formula
from .trace import UntraceableError


def show(function: Any, *args: Any, **kwargs: Any) -> str:
    """Graph, loop nest and source of the kernel that computes a call, as text.

    Where the call is one formula of maps and reductions, nothing is computed. Any other call is run, and each kernel that
    it launches in this thread is shown once, in order; what a library computes (BLAS, NumPy) has no kernel to show.

    Args:
        function: an op, as `candelabra.softmax`, or any other function of tensors.
        args, kwargs: as it would be called with, tensors among them.

    Raises:
        ArgumentError: it is not callable, or the call launched no kernel of the compiler's.

    Example:
        >>> text = cb.compiler.show(cb.softmax, cb.ones(4, 8), 1)
        >>> [line for line in text.splitlines() if line.startswith("--")]
        ['-- graph', '-- loop nest', '-- source']
    """
    if not callable(function):
        raise ArgumentError(f"show: function must be callable, got {function!r}")
    op = getattr(function, "op", None)
    return (_formula(op, args, kwargs) if op is not None else None) or _launched(function, args, kwargs)


def _formula(op: Op, args: Any, kwargs: Any) -> str | None:
    """Of a call that is one formula; None of another."""
    given, tensors = check_operands(op, normalize(op, bind(op, args, kwargs)))
    given = cast_operands(op, given, op.infer_dtypes(given)[0])
    target = tensors[0]._kind.backend.compiler_target() if tensors else None
    if target is None:
        return None
    backend = tensors[0]._kind.backend
    handles = [v._array if isinstance(v, Tensor) else v for v in given]
    arrays = [
        (tuple(v._array.shape), v._kind.dtype.numpy, backend.strides(v._array)) if isinstance(v, Tensor) else None
        for v in given
    ]
    try:
        call = Formula(op, target).call(arrays, handles)
    except UntraceableError:
        return None
    kernels = [launch.kernel for launch in call.launch.chain]
    return f"-- graph\n{call.trace.graph}\n{_texts(kernels, [backend.kernel_source(k) for k in kernels])}"


def _launched(function: Any, args: Any, kwargs: Any) -> str:
    """Of a call that is run."""
    with debug.watched() as found:
        function(*args, **kwargs)
    known = {kernel.key(): (device, kernel) for device, kernel in reversed(found)}
    if not known:
        name = getattr(function, "__name__", repr(function))
        raise ArgumentError(
            f"show: the call must launch a kernel of the compiler's, got none from {name}: a library computes it, or there "
            "are too few elements"
        )
    shown = [known.pop(kernel.key()) for _, kernel in found if kernel.key() in known]
    return "".join(
        f"-- kernel {kernel.name} of {device}\n{_texts([kernel], [load_backend(device).kernel_source(kernel)])}\n"
        for device, kernel in shown
    )


def _texts(kernels: list[Kernel], sources: list[str]) -> str:
    nests = "\n".join(map(str, kernels))
    return f"-- loop nest\n{nests}-- source\n" + "\n".join(sources)
