# SPDX-License-Identifier: Apache-2.0
"""Functions of many NumPy passes, run block by block so that the temporaries stay in the cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra_xp import KERNELS

BLOCK = 8192  # float64 temporaries of 64 KiB: measured fastest of 1024 to 65536 for erf and gelu


def blocked(name: str, operands: int = 1) -> Callable[..., Any]:
    """The shared elementwise kernel `name`, applied to blocks of its first `operands` parameters.

    Blocks need operands of one shape and dtype, which is the result's too; others take the shared kernel whole.
    """
    kernel = functools.partial(KERNELS[name], np)

    def run(*args: Any) -> Any:
        first = args[0]
        if first.size <= BLOCK or any(a.shape != first.shape or a.dtype != first.dtype for a in args[1:operands]):
            return kernel(*args)
        flat = [a.reshape(-1) for a in args[:operands]]
        rest = args[operands:]
        out = np.empty(first.size, first.dtype)
        for start in range(0, first.size, BLOCK):
            stop = start + BLOCK
            out[start:stop] = kernel(*[a[start:stop] for a in flat], *rest)
        return out.reshape(first.shape)

    return run


OWN: dict[str, Callable[..., Any]] = {name: blocked(name) for name in ("digamma", "erf", "erfc", "erfinv", "lgamma")}
