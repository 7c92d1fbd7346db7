# SPDX-License-Identifier: Apache-2.0
"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ..._errors import DeviceError, ShapeError
from ...ops.joining import cat
from ...tensor._tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters in one vector.

    Args:
        parameters: of any shapes, on one device.

    Returns:
        Shape (n), with history.

    Raises:
        DeviceError: the parameters are on several devices.

    Example:
        >>> cb.nn.utils.parameters_to_vector([cb.ones(2, 2), cb.zeros(1)])
        tensor([1., 1., 1., 1., 0.])
    """
    listed = list(parameters)
    devices = sorted({str(p.device) for p in listed})
    if len(devices) > 1:
        raise DeviceError(f"parameters_to_vector: parameters must be on one device, got {', '.join(devices)}")
    return cat([p.reshape(-1) for p in listed])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Makes the parameters views of the parts of a vector.

    Args:
        vec: shape (n), at least as many elements as the parameters have.
        parameters: of any shapes.

    Raises:
        ShapeError: the vector is too short.

    Example:
        >>> w = cb.zeros(2, 2)
        >>> cb.nn.utils.vector_to_parameters(cb.arange(4.0), [w])
        >>> w.tolist()
        [[0.0, 1.0], [2.0, 3.0]]
    """
    listed = list(parameters)
    wanted = sum(p.numel() for p in listed)
    if vec.dim() != 1 or vec.numel() < wanted:
        raise ShapeError(f"vector_to_parameters: needs a vector of {wanted} elements, got shape {tuple(vec.shape)}")
    start = 0
    for parameter in listed:
        parameter.data = vec.detach().narrow(0, start, parameter.numel()).reshape(parameter.shape)
        start += parameter.numel()
