# SPDX-License-Identifier: Apache-2.0
"""Linear algebra by cuSOLVER and cuBLAS, through CuPy; small matrices by the kit, which sums in float64."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cupy
import cupyx
import numpy as np

from candelabra._errors import ArgumentError
from candelabra_loops.look import Look
from candelabra_loops.matrices import inverse as by_kernels

FEW = 32
"""Rows up to which one launch for each row is no slower than a factorization."""

KNOWN = frozenset(("float32", "float64", "complex64", "complex128"))


@functools.cache
def has_solver() -> bool:
    """Whether cuSOLVER is installed."""
    try:
        from cupy_backends.cuda.libs import cusolver
    except ImportError:
        return False
    return cusolver is not None


def inverse(backend: Any, input: Look) -> Look:
    """Inverses by LU decomposition.

    Raises:
        ArgumentError: a matrix is singular.
    """
    small = input.dtype.name not in KNOWN or input.shape[-1] <= FEW or not input.size
    if small or not backend.may_wait(input.index) or not has_solver():  # what is singular is read on the host
        found: Look = by_kernels(backend, input)
        return found
    whole = backend.contiguous(input)
    with backend.library(input.index), cupyx.errstate(linalg="raise"):
        try:
            made = cupy.linalg.inv(backend.array(whole))
        except np.linalg.LinAlgError as error:
            raise ArgumentError(f"inverse: input must not be singular, got shape {input.shape}") from error
        found = backend.adopt(cupy.ascontiguousarray(made), input.index)
        return found


KERNELS: dict[str, Callable[..., Any]] = {"inverse": inverse}
