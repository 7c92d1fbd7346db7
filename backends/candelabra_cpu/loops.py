# SPDX-License-Identifier: Apache-2.0
"""Host functions of the kit for loop nests, on NumPy arrays: for what NumPy does slowly and no formula says.

The kit's functions take looks at blocks; here a block is an array's memory, and kernels run compiled by LLVM.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from candelabra.compiler.ir import Kernel
from candelabra_loops._kernel import KERNELS
from candelabra_loops.backend import Look, LoopsBackend
from candelabra_xp.backend import address

from .compile import compiled, target
from .compiled import steps

Array = np.ndarray[Any, Any]


class HostLoops(LoopsBackend):
    """The kit on host memory. Blocks are flat arrays of bytes."""

    name = "cpu"
    target = target()

    def __init__(self, empty: Callable[..., Array]) -> None:
        self.empty = empty

    def reserve(self, nbytes: int, index: int) -> Any:
        return self.empty((nbytes,), np.uint8)

    def upload(self, block: Any, array: Array) -> None:
        block[: array.size] = array

    def download(self, block: Any, offset: int, nbytes: int) -> Array:
        return np.ndarray((nbytes,), np.uint8, block, offset).copy()

    def build(self, kernels: Sequence[Kernel]) -> Sequence[Any]:
        return [functools.partial(run, compiled(kernel)) for kernel in kernels[:1]]

    def launch(
        self, kernel: Kernel, count: int, args: Sequence[Any], index: int, beside: Iterable[Kernel] = ()
    ) -> None:
        if count:
            run(compiled(kernel), count, args, index)

    def address(self, block: Any) -> int:
        return address(block)


def run(kernel: Any, count: int, args: Sequence[Any], index: int) -> None:
    """Runs a compiled kernel; buffers are (block, offset in elements of the buffer's type).

    An item's work, which decides how many threads take part, is guessed from the largest block.
    """
    given, most = [], 0
    for a, size in zip(args, kernel.sizes, strict=True):
        if type(a) is tuple:
            given.append(address(a[0]) + a[1] * size)
            most = max(most, a[0].nbytes // size)
        else:
            given.append(a)
    kernel.run(given, count, most // count)


def look(array: Array) -> Look:
    """A handle of the kit on an array."""
    return Look(array, 0, array.shape, steps(array), array.dtype, 0)


def shown(handle: Look) -> Array:
    """An array on a handle of the kit."""
    size = handle.dtype.itemsize
    return np.ndarray(handle.shape, handle.dtype, handle.block, handle.offset * size, [s * size for s in handle.steps])


class Looped:
    """An op by the kit's host function, on arrays."""

    def __init__(self, op: str, backend: HostLoops) -> None:
        from candelabra_loops import families

        del families  # imported for the kernels they add
        self.backend = backend
        self.function = KERNELS[op]

    def __call__(self, *args: Any) -> Any:
        result = self.function(self.backend, *[_given(a) for a in args])
        return tuple(map(shown, result)) if isinstance(result, tuple) else shown(result)


def _given(value: Any) -> Any:
    if type(value) is np.ndarray:
        return look(value)
    return [_given(v) for v in value] if type(value) is list else value
