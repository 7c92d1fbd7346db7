# SPDX-License-Identifier: Apache-2.0
"""NumPy's universal functions on tensors: `numpy.exp(t)` is `candelabra.exp(t)`, and `array + t` is a tensor.

So they run on the tensor's device and are differentiated. A function that has no counterpart here is refused rather
than computed on the host, where the result would be an array on some devices and an error on others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._errors import CallError
from ..op._rules import result_dtype
from ..tensor._creation import as_tensor, tensor
from ..tensor._tensor import Tensor
from . import _names as ops

# Counterparts of another name; the others are called as NumPy's.
_NAMES = {
    "bitwise_invert": "bitwise_not", "conjugate": "conj", "degrees": "rad2deg", "equal": "eq", "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "power": "pow", "radians": "deg2rad", "right_shift": "bitwise_right_shift",
    "rint": "round",
}  # fmt: skip


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` returns.

    Args:
        ufunc: NumPy's function.
        method: how it is called: `__call__`, `reduce`, ...
        inputs: its operands, at least one of them, or of the outputs, a tensor.
        kwargs: its other arguments.

    Returns:
        A tensor; NumPy's arrays where they were given as `out`.

    Raises:
        CallError: there is no counterpart, or arguments other than `out` are given.
    """
    outs = kwargs.get("out", ())
    if outs and not any(isinstance(out, Tensor) for out in outs):  # `array += t` too: the result is to be NumPy's
        arrays = [value.numpy() if isinstance(value, Tensor) else value for value in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)
    function = getattr(ops, _NAMES.get(ufunc.__name__, ufunc.__name__), None)
    if method != "__call__" or function is None:
        call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise CallError(f"numpy.{call}: has no counterpart for tensors, got {_described(inputs)}; pass tensor.numpy()")
    if kwargs:
        given = ", ".join(f"{name}={value!r}" for name, value in kwargs.items())
        raise CallError(
            f"numpy.{ufunc.__name__}: takes no further arguments with tensors, got {given[:100]}; use "
            f"candelabra.{function.__name__}"
        )
    return function(*_operands(inputs))


def _operands(inputs: tuple[Any, ...]) -> list[Any]:
    """Arrays as tensors; a number in front as a 0-d tensor, since not every op takes one there."""
    operands = [as_tensor(np.asarray(v)) if isinstance(v, (np.ndarray, list, tuple)) else v for v in inputs]
    if not isinstance(operands[0], Tensor):
        number = operands[0].item() if isinstance(operands[0], np.generic) else operands[0]
        operands[0] = tensor(number, dtype=result_dtype([number, *operands[1:]]))
    return operands


def _described(inputs: tuple[Any, ...]) -> str:
    return ", ".join(
        f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        for value in inputs
    )
