# SPDX-License-Identifier: Apache-2.0
"""The expected result of a call, found without the backend under test, and the error its data allow.

In this order: the result a sample states (`special`); the declared NumPy reference, on operands widened past the dtype
under test (`reference`); the op's body run op by op in float64 on the oracle's own device (`body`). A primitive with
none of them can be compared with itself in float64 only (`consistency`): such ops are listed in every report.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from candelabra import _config, _dtype
from candelabra._dtype import dtype
from candelabra.dispatcher._bind import bind
from candelabra.dispatcher._kind import canonical_device, kind_of
from candelabra.op import Op, Param, ops
from candelabra.tensor._tensor import Tensor
from candelabra.testing.samples import Sample

from . import noise, tolerances
from .bridge import Inferred, flatten, fresh, host, map_numbers, observed, params_of, reseed
from .precision import WIDE, WIDE_COMPLEX, Array, accumulator_unit, format_of, round_to, widen
from .values import dtype_of, operands_of, substitute

RUNS = 5
"""Noisy runs for each expectation."""


class Expectation:
    """Expected parts of a result, and how far off they may be.

    Attributes:
        parts: expected host arrays, as wide as known; or Python objects where the op returns such.
        source: `special`, `reference`, `body` or `consistency`.
    """

    def __init__(self, op: Op, sample: Sample, tested: dtype, arrays: list[Array], inferred: Inferred) -> None:
        self.op = op
        self.sample = sample
        self.inferred = inferred
        self.compute = inferred.compute
        self.kinds = [dtype_of(o, tested) for o in operands_of(sample)]
        self.is_exact = op.tolerance in ("exact", "cast")
        self.own = [o.dtype is not None for o in operands_of(sample)]
        self.arrays = [
            a if own else self._promoted(a, p)
            for a, p, own in zip(arrays, params_of(op, sample), self.own, strict=True)
        ]
        self._slack: dict[float, list[Any] | None] = {}
        self.parts, self.source = self._find()

    # -- what is expected --------------------------------------------------------------------------------------------

    def _find(self) -> tuple[list[Any], str]:
        sample = self.sample
        if sample.special is not None:
            several = isinstance(sample.special, tuple) and len(self.inferred.results or ()) > 1
            return [np.asarray(s) for s in (sample.special if several else (sample.special,))], "special"
        if self.op.reference is not None:
            return self.reference(self.arrays), "reference"
        if self.op.body is not None:
            return self.body(), "body"
        return self.body(), "consistency"

    def _promoted(self, array: Array, param: Param | None) -> Array:
        """An operand as the op sees it: in the dtype to compute in, unless it takes no part in promotion."""
        takes_part = param is not None and param.is_operand and param.name not in self.op.fixed
        if self.compute is None or not takes_part or array.dtype == self.compute.numpy:
            return array
        if array.dtype.kind == "c" and self.compute.category < _dtype.COMPLEX:
            array = array.real
        with np.errstate(all="ignore"):
            return array != 0 if self.compute.category == _dtype.BOOL else array.astype(self.compute.numpy)

    @property
    def _floats_from_integers(self) -> bool:
        """Whether integer operands give floating results, so that they are to be taken as exact real numbers."""
        results = self.inferred.results or []
        integers = self.compute is not None and self.compute.category < _dtype.FLOATING
        return integers and any(kind.category >= _dtype.FLOATING for _, kind in results)

    def _number(self, value: Any) -> Any:
        """A number given for a tensor, as kernels see it: in the dtype to compute in, at least float32."""
        if self.compute is None or self.op.dtype is None:
            return value
        number = number_in(value, self.compute)
        if self.compute.to_real() is _dtype.float64 or isinstance(number, int):
            return number
        with np.errstate(all="ignore"):
            return complex(np.complex64(number)) if isinstance(number, complex) else float(np.float32(number))

    def reference(self, arrays: list[Array]) -> list[Any]:
        """The declared reference on widened operands; in `longdouble` where that works and helps."""
        if not self.is_exact and self.compute is not None and self.compute.to_real() is _dtype.float64:
            try:
                found = self._call_reference([widen(a) for a in arrays])
                if all(_is_wide(part) for part in found):
                    return found
            except Exception:
                pass
        return self._call_reference([self._native(a) for a in arrays] if self.is_exact else self._doubles(arrays))

    def _doubles(self, arrays: list[Array]) -> list[Array]:
        """Operands widened to float64; index and condition operands as they are."""
        return [
            a if own and a.dtype.kind in "iub" else self._double(a) for a, own in zip(arrays, self.own, strict=True)
        ]

    def _native(self, array: Array) -> Array:
        return array.astype(np.float32) if _is_extension(array.dtype) else array

    def _double(self, array: Array) -> Array:
        if array.dtype.kind == "c":
            return array.astype(np.complex128)
        floating = array.dtype.kind == "f" or _is_extension(array.dtype)
        if floating or (self._floats_from_integers and array.dtype.kind in "iub"):
            return (
                array.astype(np.float32).astype(np.float64) if _is_extension(array.dtype) else array.astype(np.float64)
            )
        return array

    def _call_reference(self, arrays: list[Array]) -> list[Any]:
        pending = iter([a.copy() for a in arrays])
        sample = map_numbers(self.op, self.sample, self._number)
        args, kwargs = substitute(sample, lambda _: next(pending))
        assert self.op.reference is not None
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = flatten(self.op.reference(*args, **kwargs))
        if len(found) > 1 and self.inferred.results is not None and len(self.inferred.results) == 1:
            return [np.asarray(found)]
        return [_as_part(part) for part in found]

    def body(self, device: str = noise.QUIET) -> list[Any]:
        """The op by its definition in float64; a primitive by the host's own kernel in float64."""
        found = flatten(self.run_on_oracle(device))
        return [host(part) if isinstance(part, Tensor) else part for part in found]

    def tensors(self, device: str) -> tuple[tuple[Any, ...], dict[str, Any], list[Tensor]]:
        """(args, kwargs, operands) of the sample as tensors on a device of the oracle.

        Floats are widened to float64, but not for ops that only choose or move: what they do may depend on the dtype.
        """
        made: list[Tensor] = []
        arrays = self.arrays if self.is_exact else self._doubles(self.arrays)
        pending = iter(zip(arrays, self.kinds, strict=True))
        home = canonical_device(device)

        def make(_: Any) -> Tensor:
            array, kind = next(pending)
            known = kind if array.dtype == kind.numpy else _dtype.from_numpy_dtype(array.dtype)
            tensor = fresh(array, kind_of(home, known))
            made.append(tensor)
            return tensor

        args, kwargs = substitute(map_numbers(self.op, self.sample, self._number), make)
        return args, kwargs, made

    def run_on_oracle(self, device: str) -> Any:
        """The op's result on a device of the oracle."""
        args, kwargs, _ = self.tensors(device)
        token = _config.grad_enabled.set(False)
        reseed()
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.op.body is not None:
                    return self.op.call_body(bind(self.op, args, kwargs))
                return self.op.call(*args, **kwargs)
        finally:
            _config.grad_enabled.reset(token)

    # -- what error is allowed ---------------------------------------------------------------------------------------

    def slack(self, how: str, results: list[dtype]) -> list[Any]:
        """Absolute error allowed to each part besides the class's budget: by magnitudes, or by noisy runs of the body."""
        nothing = [None] * len(results)
        floating = [r for r in results if r.category >= _dtype.FLOATING]
        if self.is_exact or not floating:
            return nothing
        if self.op.body is not None or self._front_computes:
            steps = how == "body" or self._front_computes  # rounded to the dtype after each
            unit = max(format_of(r).unit if steps else accumulator_unit(r) for r in floating)
            if unit not in self._slack:
                self._slack[unit] = self._noisy(unit)
            return self._slack[unit] or nothing
        if self.op.tolerance in ("accumulation", "special") and self.op.reference is not None:
            unit = max(accumulator_unit(r) for r in floating)
            if unit not in self._slack:
                summing = self.op.tolerance == "accumulation"
                self._slack[unit] = self._accumulated(unit) if summing else self._sensitivity(unit)
            return self._slack[unit] or nothing
        return nothing

    def _noisy(self, unit: float) -> list[Any] | None:
        try:
            quiet = self.body()
        except Exception:
            return None
        return noisy_spread(quiet, unit, self.body)

    @functools.cached_property
    def _front_computes(self) -> bool:
        """Whether a primitive's call computes before its kernel runs, so that it rounds more than once."""
        if self.op.body is not None or self.op.front is None:
            return False
        _, events = observed(self.body)
        names = {name for name, _, how in events if how == "kernel" and name != self.op.name}
        return any(ops[name].tolerance in noise.STRENGTH for name in names)

    def _accumulated(self, unit: float) -> list[Any] | None:
        """gamma(k) times the reference on magnitudes, and what one roundoff in each operand does to the result."""
        try:
            sizes = self._call_reference([np.abs(a) if a.dtype.kind in "fc" else a for a in self._doubles(self.arrays)])
            ones = self._call_reference(
                [np.ones_like(a) if a.dtype.kind in "fc" else a for a in self._doubles(self.arrays)]
            )
        except Exception:
            return None
        largest = max((a.size for a in self.arrays), default=1)
        found: list[Any] = []
        sensitive = self._sensitivity(unit)
        for i, (part, size, one) in enumerate(zip(self.parts, sizes, ones, strict=True)):
            part, size = np.asarray(part), np.abs(np.asarray(size))
            if part.dtype.kind not in "fcV" and not isinstance(part.dtype.type(), np.floating):
                found.append(None)
                continue
            with np.errstate(all="ignore"):
                terms = np.maximum(np.where(np.isfinite(one), np.abs(one), 1), largest / max(1, part.size)) + 1
                magnitude = np.where(np.isfinite(size), np.maximum(size, np.abs(part)), np.abs(part))
                bound = tolerances.gamma(terms, unit) * magnitude.astype(np.float64)
            found.append(np.where(np.isfinite(bound), bound, 0) + sensitive[i])
        return found

    def _sensitivity(self, unit: float) -> list[Any]:
        """What a roundoff or two in each operand does to the reference."""

        def run(number: int) -> list[Any]:
            with noise.noise(unit, number):
                return self._call_reference([noise.nudged(a) for a in self._doubles(self.arrays)])

        return spread(self.parts, run)


def number_in(value: Any, kind: dtype) -> Any:
    """A Python number of a dtype's category; integers wrap as the cast of a tensor would."""
    if kind.category == _dtype.INTEGRAL:
        bits = 8 * kind.itemsize
        low = -(1 << (bits - 1)) if kind.is_signed else 0
        return (int(value) - low) % (1 << bits) + low
    return {_dtype.BOOL: bool, _dtype.FLOATING: float}.get(kind.category, complex)(value)


def noisy_spread(quiet: list[Any], unit: float, run: Callable[[str], list[Any]]) -> list[Any]:
    """The larger spread of noisy runs on the oracle's two devices; `run(device)` gives the parts."""

    def on(device: str) -> list[Any]:
        def noisy(number: int) -> list[Any]:
            with noise.noise(unit, number):
                return run(device)

        return spread(quiet, noisy)

    return [np.fmax(a, b) for a, b in zip(*map(on, noise.DEVICES), strict=True)]


def spread(quiet: list[Any], run: Callable[[int], list[Any]]) -> list[Any]:
    """`SPREAD` times the root mean square deviation of some noisy runs from the quiet one, for each part."""
    squares: list[Any] = [0.0] * len(quiet)
    done = 0
    for number in range(RUNS):
        try:
            found = [_deviation(a, b) for a, b in zip(quiet, run(number), strict=True)]
        except Exception:  # noise may push an argument out of its range: other runs will do
            continue
        squares = [s + f * f for s, f in zip(squares, found, strict=True)]
        done += 1
    return [tolerances.SPREAD * np.sqrt(s / max(1, done)) for s in squares]


def _deviation(a: Any, b: Any) -> Any:
    """Distance of two parts where both are finite, else 0."""
    if a is None or b is None:
        return 0.0
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind not in "fc" or a.shape != b.shape:
        return 0.0
    with np.errstate(all="ignore"):
        distance = np.abs(a - b).astype(np.float64)
    return np.where(np.isfinite(distance), distance, 0.0)


def _as_part(part: Any) -> Any:
    return part if isinstance(part, str) or part is None else np.asarray(part)


def _is_wide(part: Any) -> bool:
    kind = getattr(part, "dtype", None)
    return kind in (np.dtype(WIDE), np.dtype(WIDE_COMPLEX)) or (kind is not None and kind.kind in "iub")


def _is_extension(kind: np.dtype[Any]) -> bool:
    """Whether a NumPy dtype is one of ml_dtypes'."""
    return kind.kind == "V" or (kind.kind == "f" and kind.itemsize == 1)


class Oracle:
    """Expectations by key, the last few kept: layouts of one sample share theirs."""

    def __init__(self, keep: int = 64) -> None:
        self._known: OrderedDict[Any, Expectation] = OrderedDict()
        self._keep = keep

    def expect(
        self, key: Any, op: Op, sample: Sample, tested: dtype, arrays: list[Array], inferred: Inferred
    ) -> Expectation:
        """The expectation for a sample on given values; `key` tells values apart."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Expectation(op, sample, tested, arrays, inferred)
            if len(self._known) > self._keep:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found


def nearest(part: Any, kind: dtype) -> Array:
    """An expected part as a host array of a dtype."""
    array = np.asarray(part)
    if kind.category >= _dtype.FLOATING:
        return round_to(array, kind)
    with np.errstate(all="ignore"):
        return array.astype(kind.numpy)


__all__ = ["Expectation", "Oracle", "nearest", "noisy_spread"]
