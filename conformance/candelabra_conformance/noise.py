# SPDX-License-Identifier: Apache-2.0
"""Two devices of the oracle, for float64: one runs op bodies op by op, the other adds noise the size of rounding.

The first tells what an op's definition means; composed ops have no kernel there, only primitives do. The second tells
how far rounding in a given precision may move that: after every kernel each result is moved by a random part of what
its op's tolerance allows, and the spread over a few runs is the scale of error any honest implementation in that
precision has (Monte Carlo arithmetic, after Parker 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from candelabra._dtype import dtype
from candelabra.dispatcher._plugins import register_backend
from candelabra.dispatcher.backend import BackendInfo, Kernel
from candelabra.op import ops
from candelabra_cpu.backend import CPUBackend

from .values import generator

QUIET = "conformance_oracle"
LOUD = "conformance_noise"
STRENGTH = {"rounded": 1.0, "elementwise": 4.0, "special": 8.0, "accumulation": 1.0}
"""Largest error of a primitive, in units of roundoff, by its tolerance class; the others are exact."""

state: dict[str, Any] = {"unit": 0.0, "rng": None}


class QuietBackend(CPUBackend):
    """The host's primitives, and nothing else."""

    name = QUIET

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        declared = ops.get(op)
        return None if declared is not None and declared.body is not None else super().kernel(op, dtype)


class LoudBackend(CPUBackend):
    """All of the host's kernels, with noise after each."""

    name = LOUD

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = super().kernel(op, dtype)
        tolerance = ops[op].tolerance if op in ops else ""
        return found if found is None or tolerance not in STRENGTH else noisy(found, STRENGTH[tolerance], tolerance)


def noisy(kernel: Callable[..., Any], strength: float, tolerance: str) -> Callable[..., Any]:
    """A kernel whose floating results are moved by up to `strength` roundoffs while noise is on."""

    def call(*args: Any) -> Any:
        result = kernel(*args)
        if not state["unit"]:
            return result
        scale = magnitudes(kernel, args) if tolerance == "accumulation" else None
        if type(result) is tuple:
            scales = scale if type(scale) is tuple else (scale,) * len(result)
            return tuple(moved(r, s, strength) for r, s in zip(result, scales, strict=True))
        return moved(result, scale, strength)

    return call


def magnitudes(kernel: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """What the kernel makes of absolute values, times the square root of the most terms there can be; None if it fails."""
    flat = [a for arg in args for a in (arg if type(arg) is list else [arg]) if isinstance(a, np.ndarray)]

    def absolute(value: Any) -> Any:
        if type(value) is list:
            return [absolute(v) for v in value]
        return np.abs(value) if isinstance(value, np.ndarray) and value.dtype.kind in "fc" else value

    try:
        with np.errstate(all="ignore"):
            found = kernel(*map(absolute, args))
        size = max((a.size for a in flat), default=1)

        def scaled(part: Any) -> Any:
            return np.abs(part) * (2 + np.sqrt(size))

        return tuple(map(scaled, found)) if type(found) is tuple else scaled(found)
    except Exception:
        return None


def moved(result: Any, scale: Any, strength: float) -> Any:
    """`result` with noise on each finite element; zeros of no magnitude stay."""
    array = np.asarray(result)
    if array.dtype.kind not in "fc":
        return result
    size = np.abs(array) if scale is None else np.maximum(np.abs(array), scale)
    rng = state["rng"]
    step = rng.uniform(-1, 1, array.shape) * size * (strength * state["unit"])
    if array.dtype.kind == "c":
        step = step + 1j * rng.uniform(-1, 1, array.shape) * size * (strength * state["unit"])
    with np.errstate(all="ignore"):
        return (array + np.where(np.isfinite(step), step, 0)).astype(array.dtype)


@contextmanager
def noise(unit: float, run: int) -> Iterator[None]:
    """Noise of `unit` roundoff inside the block; `run` numbers the draw.

    float64's own roundoff is doubled: less would be lost when the moved result is rounded itself.
    """
    state.update(unit=max(unit, 2.0**-52), rng=generator("noise", run))
    try:
        yield
    finally:
        state.update(unit=0.0, rng=None)


for _name, _class in ((QUIET, QuietBackend), (LOUD, LoudBackend)):
    register_backend(
        BackendInfo(name=_name, loads=f"{__name__}:{_class.__name__}", description="float64 by definition, for comparison"),
        source="the conformance suite",
    )
