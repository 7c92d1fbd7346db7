# SPDX-License-Identifier: Apache-2.0
"""The backend: memory of the host in blocks of its own, and kernels from the C compiler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from candelabra.compiler.ir import Kernel
from candelabra.dispatcher.backend import Capabilities, DeviceProperties
from candelabra_loops.backend import LoopsBackend

from .compiler import TARGET, Launch, build, compiler

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector register."""


class Block:
    """Memory of one allocation; `nbytes` are usable, and as many more as atomic additions to the last element touch."""

    __slots__ = ("address", "memory", "nbytes")

    def __init__(self, nbytes: int) -> None:
        whole = np.empty(nbytes + ALIGNMENT + 4, np.uint8)
        skip = -whole.ctypes.data % ALIGNMENT
        self.memory = whole[skip:]
        self.address = whole.ctypes.data + skip
        self.nbytes = nbytes


class CBackend(LoopsBackend):
    """The host as a device of its own: nothing it holds is shared with NumPy, as on a card."""

    name = "cc"
    target = TARGET
    capabilities = Capabilities(indexed=False, fork_safe=True)

    def __init__(self) -> None:
        compiler()  # says what is missing before the first tensor is made

    def reserve(self, nbytes: int, index: int) -> Block:
        return Block(nbytes)

    def upload(self, block: Block, array: np.ndarray[Any, Any]) -> None:
        block.memory[: array.nbytes] = array

    def download(self, block: Block, offset: int, nbytes: int) -> np.ndarray[Any, Any]:
        return block.memory[offset : offset + nbytes].copy()

    def address(self, block: Block) -> int:
        return block.address

    def build(self, kernels: Sequence[Kernel]) -> Sequence[Launch]:
        return build(kernels)

    def device_properties(self, index: int) -> DeviceProperties:
        return DeviceProperties(name="host processor", multi_processor_count=1, driver=compiler())
