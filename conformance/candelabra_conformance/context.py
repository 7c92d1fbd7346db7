# SPDX-License-Identifier: Apache-2.0
"""What the cases of one backend share: its device, the oracle, and the making and checking of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype, dtype_named
from candelabra._errors import DTypeError, MissingKernelError
from candelabra.dispatcher._kind import Kind, canonical_device, kind_of
from candelabra.dispatcher.backend import Backend
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor
from candelabra.testing.samples import Operand, Sample

from . import tolerances
from .bridge import Event, Inferred, Placed, flatten, host, infer, observed, place, reseed, samples_of, witness
from .case import Case, Failure, Outcome, Unsupported, check
from .layouts import CONTIGUOUS, LAYOUTS
from .oracle import Expectation, Oracle, nearest
from .precision import Array, bits
from .values import (
    dtype_of,
    extremes,
    generator,
    least_normal,
    operands_of,
    realize,
    substitute,
    wide_integers,
    without_subnormals,
)

TIERS = ("quick", "full")
KEPT = 200
"""Samples whose values are kept."""


@dataclass
class Call:
    """A sample made ready on the device.

    Attributes:
        op, sample, tested: what is called, and the dtype under test.
        edges: the values are the edges of the dtype; which of two equal zeros is chosen is then anybody's.
        args, kwargs: arguments with tensors in them.
        placed: the operands.
        expectation: of the effective values.
    """

    op: Op
    sample: Sample
    tested: dtype
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    placed: list[Placed]
    inferred: Inferred
    expectation: Expectation
    edges: bool = False

    def check_inputs(self) -> None:
        """Raises Failure if an operand's memory was changed."""
        for i, operand in enumerate(self.placed):
            operand.check_untouched(f"operand {i} ({operand.array.shape} {operand.tensor.dtype.name})")


class Context:
    """One backend's device and everything cases need of it.

    Attributes:
        backend, device: under test.
        tier: `quick` or `full`.
        dtypes: names of the only dtypes wanted; all when empty.
        trace: when a list, calls append what they did to it, for `repro`.
    """

    def __init__(self, device: str, tier: str = "quick", dtypes: tuple[str, ...] = ()) -> None:
        self.device = canonical_device(device)
        self.backend: Backend = kind_of(self.device, next(iter(_declared(device)))).backend
        self.capabilities = self.backend.capabilities
        self.tier = tier
        self.dtypes = dtypes
        self.oracle = Oracle()
        self._values: dict[Any, list[Array]] = {}
        self.trace: list[tuple[str, Any]] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the tier wants everything."""
        return self.tier != "quick"

    def kind(self, kind: dtype) -> Kind:
        """Device and dtype; raises Unsupported for a dtype the backend does not declare."""
        if kind not in self.capabilities.dtypes:
            raise Unsupported(f"dtype {kind.name} is not among the declared dtypes")
        return kind_of(self.device, kind)

    def note(self, what: str, value: Any) -> None:
        """Remembers something for `repro`."""
        if self.trace is not None:
            self.trace.append((what, value))

    # -- making a call -----------------------------------------------------------------------------------------------

    def values(self, op: Op, index: int, sample: Sample, tested: dtype, variant: str = "plain") -> list[Array]:
        """Host arrays of a sample's operands; kept for a while, and not to be written to."""
        key = (op.name, index, tested, variant)
        found = self._values.get(key)
        if found is None:
            if len(self._values) > KEPT:
                self._values.clear()
            text = repr(sample)
            operands = enumerate(operands_of(sample))
            found = [self._value(o, tested, variant, op.name, index, text, i) for i, o in operands]
            self._values[key] = found
        return list(found)

    def _value(self, operand: Operand, tested: dtype, variant: str, *key: Any) -> Array:
        kind = dtype_of(operand, tested)
        array = realize(operand, tested, *key)
        if variant == "plain" or operand.dtype is not None or operand.values is not None or not array.size:
            return array
        if variant == "wide":
            return wide_integers(array, kind, *key) if kind.category == _dtype.INTEGRAL else array
        rng = generator(*key, variant)
        if variant == "extremes":
            pool = extremes(kind, operand)
            if not self.capabilities.subnormals:
                pool = without_subnormals(pool, kind)
            return pool[rng.permutation(max(array.size, pool.size))[: array.size] % pool.size].reshape(array.shape)
        if variant == "nan" and kind.category >= _dtype.FLOATING and key[-1] == 0:
            flat = array.reshape(-1).copy()
            flat[int(rng.integers(0, flat.size))] = np.nan
            return flat.reshape(array.shape)
        return array

    def prepare(self, case: Case, layouts: tuple[str, ...] | None = None) -> Call:
        """The case's sample on the device, with its expectation."""
        op = ops[case.op]
        self.refuse_declared(op)
        sample = samples_of(op.name)[case.sample]
        tested = dtype_named(case.dtype)
        arrays = self.values(op, case.sample, sample, tested, case.variant)
        layouts = layouts or case.layouts or (CONTIGUOUS,) * len(arrays)
        placed: list[Placed] = []
        for operand, array, layout in zip(operands_of(sample), arrays, layouts, strict=True):
            placed.append(place(array, self.kind(dtype_of(operand, tested)), layout))
        pending = iter(placed)
        args, kwargs = substitute(sample, lambda _: next(pending).tensor)
        inferred = infer(op, sample, tested)
        self.need_compute(op, inferred)
        effective = [p.array for p in placed]
        altered = tuple(layout if layout in LAYOUTS and LAYOUTS[layout].shares else "" for layout in layouts)
        key = (op.name, case.sample, case.dtype, case.variant, altered)
        expectation = self.oracle.expect(key, op, sample, tested, effective, inferred)
        for i, array in enumerate(effective):
            self.note(f"operand {i}", array)
        return Call(op, sample, tested, args, kwargs, placed, inferred, expectation, case.variant == "extremes")

    def refuse_declared(self, op: Op) -> None:
        """Raises Unsupported for an op the capabilities give a reason against."""
        reason = self.capabilities.reason.get(op.name)
        if reason is not None:
            raise Unsupported(f"{op.name}: {reason}")

    def need_compute(self, op: Op, inferred: Inferred) -> None:
        compute = inferred.compute
        if compute is None or op.body is not None or op.is_view or op.moves_data or op.is_factory:
            return
        if compute not in self.capabilities.compute_dtypes or not self.backend.supports(op.name, (compute,)):
            raise Unsupported(f"dtype {compute.name} is not among the dtypes {op.name} is declared to compute in")

    def missing_kernel(self, error: MissingKernelError) -> Unsupported | Failure:
        """What a missing kernel means: declared unsupported, or a promise not kept."""
        name = str(error).partition(":")[0]
        if name in self.capabilities.reason:
            return Unsupported(f"{name}: {self.capabilities.reason[name]}")
        declared = {t.name for t in self.capabilities.compute_dtypes}
        found = str(error).partition(", got ")[2].partition(" operands")[0]
        if found and found not in declared:
            return Unsupported(f"dtype {found} is not among the dtypes declared to compute in")
        return Failure(f"no kernel, though the capabilities declare {name} supported: {error}")

    # -- running and checking ----------------------------------------------------------------------------------------

    def run(self, call: Call, function: Any = None) -> tuple[Any, str, list[Event]]:
        """Calls the op (or `function`) under observation: (result, how it ran, what was dispatched)."""
        function = function or call.op.call
        reseed()
        result, events = observed(lambda: function(*call.args, **call.kwargs))
        self.backend.synchronize(self.device.index or 0)
        self.note("dispatched", events)
        return result, witness(call.op, self.backend, events), events

    def compare(self, call: Call, result: Any, how: str, into: list[dtype] | None = None) -> Outcome:
        """Checks every part of a result against the expectation: kind, shape, dtype, values.

        Args:
            into: dtypes the results were written in, where they may differ from the op's own.
        """
        expected = call.expectation
        parts = flatten(result)
        check(
            len(parts) == len(expected.parts),
            f"{len(parts)} results, expected {len(expected.parts)}",
            got=[getattr(p, "shape", p) for p in parts],
            expected=[np.shape(p) for p in expected.parts],
        )
        results = call.inferred.results
        own = (
            iter([kind for _, kind in results])
            if results is not None
            else iter([p.dtype for p in flatten(result) if isinstance(p, Tensor)])
        )
        slacks = expected.slack(how, [next(own) if isinstance(p, Tensor) else _dtype.bool_ for p in parts])
        strict = self.zeros_count(call)
        worst: float | None = None
        number = 0
        for i, (part, want, slack) in enumerate(zip(parts, expected.parts, slacks, strict=True)):
            self.note(f"expected {i}", want)
            if not isinstance(part, Tensor):
                self.note(f"got {i}", part)
                check(_equal_object(part, want), f"result {i} is {part!r}, expected {want!r}", got=part, expected=want)
                continue
            check(part.device is self.device, f"result {i} is on {part.device}, expected {self.device}")
            if results is not None:
                shape, own_kind = results[number]
                wanted = into[number] if into is not None else own_kind
                number += 1
                check(part.dtype is wanted, f"result {i} has dtype {part.dtype.name}, its rule says {wanted.name}")
                check(tuple(part.shape) == shape, f"result {i} has shape {tuple(part.shape)}, its rule says {shape}")
                if wanted is not own_kind:
                    want = nearest(want, own_kind)
                    units = _units(want, own_kind, call.op.tolerance)
                    slack = units if slack is None else slack if units is None else slack + units
            if not self.capabilities.subnormals and part.dtype.category >= _dtype.FLOATING:
                slack = least_normal(part.dtype) if slack is None else slack + least_normal(part.dtype)
            got = host(part)
            self.note(f"got {i}", got)
            check(got.dtype == part.dtype.numpy, f"result {i} holds {got.dtype} where its dtype is {part.dtype.name}")
            ulps = tolerances.compare(got, want, part.dtype, call.op.tolerance, slack, strict)
            if ulps is not None:
                worst = ulps if worst is None else max(worst, ulps)
        return Outcome(worst, expected.source, how)

    def zeros_count(self, call: Call) -> bool:
        """Whether the sign of a zero is part of the expectation: where a sample states it, or one primitive decides it."""
        if call.expectation.source == "special":
            return True
        op = call.op
        decided = op.tolerance in ("exact", "cast", "rounded") or (
            op.tolerance == "elementwise" and len(call.placed) == 1
        )
        return op.body is None and decided and not call.edges


def _units(want: Array, kind: dtype, tolerance: str) -> Any:
    """The class's budget in one dtype as an absolute error, for a result stored in another."""
    from .precision import ulp, widen

    if kind.category < _dtype.FLOATING:
        return None
    wide = np.abs(widen(want)) if kind.is_complex else widen(want)
    return np.where(np.isfinite(wide), ulp(np.where(np.isfinite(wide), wide, 0), kind), 0) * tolerances.budget(
        tolerance, kind
    )


def _equal_object(got: Any, want: Any) -> bool:
    if isinstance(want, np.ndarray):
        want = want.item() if want.ndim == 0 else want.tolist()
    if isinstance(got, float) and isinstance(want, (int, float)):
        return got == want or (got != got and want != want) or abs(got - want) <= 1e-6 * abs(want)
    return bool(got == want)


def _declared(device: str) -> Any:
    from candelabra.dispatcher._plugins import load_backend

    dtypes = load_backend(device.partition(":")[0]).capabilities.dtypes
    if not dtypes:
        raise DTypeError(f'backend "{device}": declares no dtype to store, got none')
    return sorted(dtypes, key=lambda t: t.name)


def same_result(first: Any, second: Any, what: str) -> None:
    """Raises Failure unless two results of one call hold the same bits."""
    for a, b in zip(flatten(first), flatten(second), strict=True):
        if isinstance(a, Tensor):
            x, y = host(a), host(b)
            if x.shape != y.shape or a.dtype is not b.dtype or bits(x) != bits(y):
                raise Failure(what, got=y, expected=x)


__all__ = ["TIERS", "Call", "Context", "same_result"]
