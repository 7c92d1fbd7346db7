# SPDX-License-Identifier: Apache-2.0
"""Philox streams in array arithmetic: core's own text, run on the device."""

from __future__ import annotations

import math
from typing import Any

from candelabra import _philox

from ._kernel import kernel


@kernel
def random_bits(xp: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Any:
    return _philox.words(xp, seed, offset, math.prod(size)).astype(dtype.numpy).reshape(size)


@kernel
def random_uniform(xp: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Any:
    return _philox.uniforms(xp, seed, offset, math.prod(size), dtype).reshape(size)


@kernel
def random_normal(xp: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Any:
    return _philox.normals(xp, seed, offset, math.prod(size), dtype).reshape(size)


@kernel
def random_integers(xp: Any, size: Any, seed: int, offset: int, low: int, high: int, dtype: Any, index: int) -> Any:
    values = _philox.integers(xp, seed, offset, math.prod(size), low, high).astype(xp.int64)
    return values.astype(dtype.numpy).reshape(size)


@kernel
def random_permutation(xp: Any, size: Any, seed: int, offset: int, dtype: Any, index: int) -> Any:
    return _philox.permutation(xp, seed, offset, size[0]).astype(dtype.numpy)
