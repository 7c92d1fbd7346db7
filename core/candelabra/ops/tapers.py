# SPDX-License-Identifier: Apache-2.0
"""Windows that signals are multiplied with: Hann, Hamming, Blackman, Bartlett, Kaiser."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._config import get_default_dtype
from .._dtype import check_dtype
from .._errors import ArgumentError, CallError, DTypeError
from ..op._checked import checked
from ..tensor._creation import tensor
from ..tensor._tensor import Tensor
from .creation import finish

__all__ = [
    "bartlett_window",
    "blackman_window",
    "hamming_window",
    "hann_window",
    "kaiser_window",
]

# -- windows ---------------------------------------------------------------------------------------------------------


def _window(
    name: str, length: int, periodic: bool, shape: Any, dtype: Any, layout: Any, device: Any, grad: bool
) -> Tensor:
    """A window of `shape(i, n - 1)`, worked out in float64; a periodic one is one of n + 1 points without the last."""
    if not hasattr(length, "__index__"):
        raise CallError(f"{name}: window_length must be an int, got {length!r}")
    if length < 0:
        raise ArgumentError(f"{name}: window_length must not be negative, got {length}")
    found = get_default_dtype() if dtype is None else check_dtype(dtype)
    if found.category != 2:
        raise DTypeError(f"{name}: needs a floating dtype, got {found.name}")
    last = length if periodic else length - 1
    host = np.ones(length) if length < 2 else shape(np.arange(length, dtype=np.float64), last)
    return finish(name, tensor(host.astype(found.numpy), device=device), grad, None, layout)


def _cosines(*weights: float) -> Any:
    """Sum of cosines of i = 0, 1, 2, ... turns with the given weights."""
    return lambda i, last: sum(w * np.cos(2 * np.pi * k * i / last) for k, w in enumerate(weights))


@checked
def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Hann window: one period of a raised cosine.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.hann_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    shape = _cosines(0.5, -0.5)
    return _window("hann_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Hamming window: alpha - beta times one period of a cosine.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        alpha: the constant.
        beta: factor of the cosine.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.hamming_window(4)
        tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    shape = _cosines(alpha, -beta)
    return _window("hamming_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Blackman window: 0.42 - 0.5 times one period of a cosine + 0.08 times two.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.blackman_window(4)
        tensor([0.0000, 0.3400, 1.0000, 0.3400])
    """
    terms = _cosines(0.42, -0.5, 0.08)

    def shape(i: Any, last: int) -> Any:
        return np.maximum(terms(i, last), 0.0)  # rounded weights would leave -1e-17 at the ends

    return _window("blackman_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Bartlett window: a triangle from 0 to 1 and back.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.bartlett_window(4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """

    def shape(i: Any, last: int) -> Any:
        return 1 - np.abs(2 * i / last - 1)

    return _window("bartlett_window", window_length, periodic, shape, dtype, layout, device, requires_grad)


@checked
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The Kaiser window: I0(beta sqrt(1 - x^2)) / I0(beta), with x from -1 to 1 and I0 the modified Bessel function.

    Args:
        window_length: number of points.
        periodic: for spectral analysis: without the last point of the symmetric window one longer.
        beta: shape; larger is narrower.
        dtype: floating; the default float when None.
        layout, device, requires_grad, pin_memory: as of `full`.

    Returns:
        Shape (window_length,).

    Raises:
        ArgumentError: `window_length` is negative.
        DTypeError: `dtype` is not floating.

    Example:
        >>> cb.kaiser_window(3, periodic=False, beta=1.0)
        tensor([0.7898, 1.0000, 0.7898])
    """

    def shape(i: Any, last: int) -> Any:
        x = 2 * i / last - 1
        return np.i0(beta * np.sqrt(np.maximum(0, 1 - x * x))) / np.i0(beta)

    return _window("kaiser_window", window_length, periodic, shape, dtype, layout, device, requires_grad)
