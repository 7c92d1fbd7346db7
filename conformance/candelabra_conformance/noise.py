# SPDX-License-Identifier: Apache-2.0
"""Two devices of the oracle, for float64: one runs op bodies down to primitives, the other all kernels the host has.

Without noise the first tells what an op's definition means. With noise both tell how far rounding in a given precision
may move that: after every kernel each result is moved by a random part of what its op's tolerance allows, and the
spread over a few runs is the scale of error any honest implementation in that precision has (Monte Carlo arithmetic,
after Parker 1997).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype
from candelabra.dispatcher._plugins import register_backend
from candelabra.dispatcher.backend import BackendInfo, Kernel
from candelabra.op import ops
from candelabra_cpu.backend import CPUBackend

from .precision import format_of
from .values import generator

QUIET = "conformance_oracle"
LOUD = "conformance_noise"
STRENGTH = {"rounded": 1.0, "elementwise": 4.0, "special": 8.0, "accumulation": 1.0}
"""Largest error of a primitive, in units of roundoff, by its tolerance class; the others are exact."""

state: dict[str, Any] = {"unit": 0.0, "floor": 0.0, "rng": None}


class LoudBackend(CPUBackend):
    """All of the host's kernels, with noise after each while there is any."""

    name = LOUD

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        found = super().kernel(op, dtype)
        tolerance = ops[op].tolerance if op in ops else ""
        if found is None or tolerance not in STRENGTH:
            return found
        inner = tolerance in ("accumulation", "special") or ops[op].body is not None
        return noisy(found, STRENGTH[tolerance], tolerance, inner)


class QuietBackend(LoudBackend):
    """The host's primitives, and nothing else."""

    name = QUIET

    def kernel(self, op: str, dtype: dtype) -> Kernel | None:
        declared = ops.get(op)
        return None if declared is not None and declared.body is not None else super().kernel(op, dtype)


def noisy(kernel: Callable[..., Any], strength: float, tolerance: str, inner: bool) -> Callable[..., Any]:
    """A kernel whose floating results are moved by up to `strength` roundoffs while noise is on.

    Args:
        inner: the kernel rounds on its way too: its operands are moved as well.
    """

    def call(*args: Any) -> Any:
        if not state["unit"]:
            return kernel(*args)
        result = kernel(*map(nudged, args)) if inner else kernel(*args)
        scale = magnitudes(kernel, args) if tolerance == "accumulation" else None
        if type(result) is tuple:
            scales = scale if type(scale) is tuple else (scale,) * len(result)
            return tuple(moved(r, s, strength) for r, s in zip(result, scales, strict=True))
        return moved(result, scale, strength)

    return call


def nudged(value: Any) -> Any:
    """Floating operands with each element moved by up to two roundoffs; the parts of complex ones apart."""
    if type(value) is list:
        return [nudged(v) for v in value]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
        return value
    rng = state["rng"]
    step = rng.uniform(-2, 2, value.shape)
    if value.dtype.kind == "c":
        step = step + 1j * rng.uniform(-2, 2, value.shape)
    with np.errstate(all="ignore"):
        return np.asarray(value * (1 + step * state["unit"])).astype(value.dtype)


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
    """`result` with noise on each finite element, by its size and by the spacing of subnormal numbers; zeros stay."""
    array = np.asarray(result)
    if array.dtype.kind not in "fc":
        return result
    size = np.abs(array) if scale is None else np.maximum(np.abs(array), scale)
    rng = state["rng"]
    reach = np.where(size == 0, 0, size * (strength * state["unit"]) + state["floor"])
    step = rng.uniform(-1, 1, array.shape) * reach
    if array.dtype.kind == "c":
        step = step + 1j * rng.uniform(-1, 1, array.shape) * reach
    with np.errstate(all="ignore"):
        return (array + np.where(np.isfinite(step), step, 0)).astype(array.dtype)


@contextmanager
def noise(unit: float, run: int) -> Iterator[None]:
    """Noise of `unit` roundoff inside the block; `run` numbers the draw.

    float64's own roundoff is doubled: less would be lost when the moved result is rounded itself.
    """
    state.update(unit=max(unit, 2.0**-52), floor=half_subnormal(unit), rng=generator("noise", run))
    try:
        yield
    finally:
        state.update(unit=0.0, floor=0.0, rng=None)


@functools.cache
def half_subnormal(unit: float) -> float:
    """Half the spacing of subnormal numbers in the format with this unit roundoff."""
    forms = [format_of(t) for t in _dtype.COMPUTABLE if t.is_floating_point]
    return next((2.0 ** (f.low - f.digits) / 2 for f in forms if f.unit == unit), 0.0)


DEVICES = (QUIET, LOUD)

for _name, _class in ((QUIET, QuietBackend), (LOUD, LoudBackend)):
    register_backend(
        BackendInfo(
            name=_name, loads=f"{__name__}:{_class.__name__}", description="float64 by definition, for comparison"
        ),
        source="the conformance suite",
    )
