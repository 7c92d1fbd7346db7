# SPDX-License-Identifier: Apache-2.0
"""Sorts of long lines by Thrust's radix sort, through CuPy. Short and many ones are the kit's.

What is sorted are the kit's keys: unsigned numbers in the order of the elements, with nan after all others, so that neither
nan, nor -0.0, nor a descending order needs Thrust's notice. Keys that hold their position are all different; longer
ones come out of the kit's blocks with equal ones in order, and Thrust's sort of keys with positions is stable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from candelabra_loops.look import Look
from candelabra_loops.moving import WORDS
from candelabra_loops.places import given, seen
from candelabra_loops.sorting import BLOCK, block_kernel, is_packed, result_kernel
from candelabra_loops.sorting import sort as by_merging

LONG = 1 << 14
"""Elements of a line from which the merges of the kit, one pass for each doubling, cost more than eight radix passes."""

FEW = 64
"""Lines that are sorted one after the other."""


def sort(backend: Any, input: Look, dim: int, descending: bool, stable: bool) -> tuple[Look, Look]:
    """Values in order and where each was, int64."""
    n = input.shape[dim] if input.shape else 0
    lines = math.prod(input.shape) // n if n else 0
    if n < LONG or lines > FEW or not backend.may_wait(input.index):  # Thrust waits for its result
        found: tuple[Look, Look] = by_merging(backend, input, dim, descending, stable)
        return found
    source = backend.contiguous(input)
    index, target, packed = input.index, backend.target, is_packed(input.dtype)
    outer, inner = math.prod(input.shape[:dim]), math.prod(input.shape[dim + 1 :])
    kinds = [np.dtype(np.uint64), *([] if packed else [np.dtype(np.uint32)])]
    keys = [backend.fresh((lines, n), kind, index) for kind in kinds]
    made, finish = block_kernel(input.dtype, target), result_kernel(WORDS[input.dtype.itemsize], packed, target)
    args = [given(source), *map(given, keys), outer, n, inner, int(descending)]
    backend.launch(made, outer * -(-n // BLOCK) * inner, args, index, (finish,))
    with backend.library(index):
        for line in range(lines):
            _by_thrust([backend.array(seen(look, (n,), (1,), line * n)) for look in keys])
    values, indices = (backend.fresh(input.shape, t, index) for t in (input.dtype, np.dtype(np.int64)))
    args = [given(source), *map(given, keys), given(values), given(indices), outer, n, inner]
    backend.launch(finish, source.size, args, index)
    return values, indices


def _by_thrust(line: list[Any]) -> None:
    """Puts a line's keys in order, in place, and its positions with them."""
    if len(line) == 1:
        line[0].sort()
        return
    order = line[0].argsort()
    for part in line:
        part[...] = cupy.take(part, order)


KERNELS: dict[str, Callable[..., Any]] = {"sort": sort}
