# SPDX-License-Identifier: Apache-2.0
"""What the compiler makes of a call, for people."""

from __future__ import annotations

from typing import Any

from .._errors import ArgumentError
from ..dispatcher._bind import bind
from ..dispatcher._dispatch import cast_operands, check_operands, normalize
from ..tensor._tensor import Tensor
from .plan import Formula
from .trace import UntraceableError


def show(function: Any, *args: Any, **kwargs: Any) -> str:
    """Graph, loop nest and source of the kernel that computes a call, as text; nothing is computed.

    Args:
        function: an op, as `candelabra.softmax`.
        args, kwargs: as it would be called with, tensors among them.

    Raises:
        ArgumentError: it is no op, the device's backend compiles nothing, or the op is more than maps and reductions
            over one set of axes.

    Example:
        >>> text = cb.compiler.show(cb.softmax, cb.ones(4, 8), 1)
        >>> [line for line in text.splitlines() if line.startswith("--")]
        ['-- graph', '-- loop nest', '-- source']
    """
    op = getattr(function, "op", None)
    if op is None:
        raise ArgumentError(f"show: function must be an op, got {function!r}")
    given, tensors = check_operands(op, normalize(op, bind(op, args, kwargs)))
    given = cast_operands(op, given, op.infer_dtypes(given)[0])
    backend = tensors[0]._kind.backend
    target = backend.compiler_target()
    if target is None:
        raise ArgumentError(f'show: backend must compile kernels, got "{backend.name}"')
    handles = [v._array if isinstance(v, Tensor) else v for v in given]
    arrays = [
        (tuple(v._array.shape), v._kind.dtype.numpy, backend.strides(v._array)) if isinstance(v, Tensor) else None
        for v in given
    ]
    try:
        call = Formula(op, target).call(arrays, handles)
    except UntraceableError as error:
        raise ArgumentError(
            f"show: {op.name} must be maps and reductions over one set of axes, got: {error}"
        ) from error
    launches = [launch for launch in (call.launch.first, call.launch) if launch is not None]
    kernels = "\n".join(str(launch.kernel) for launch in launches)
    sources = "\n".join(backend.kernel_source(launch.kernel) for launch in launches)
    return f"-- graph\n{call.trace.graph}\n-- loop nest\n{kernels}-- source\n{sources}"
