# SPDX-License-Identifier: Apache-2.0
"""Derivatives: analytic gradients against central differences, first and second, and across dtypes and layouts.

With a random cotangent w the loss is Re sum(conj(w) f(x)), computed on the host, so that nothing but the op is run on
the backend. Differences are taken along single coordinates and along random directions. For dtypes other than float64
the expected gradient is that of the oracle in float64, and the error allowed is what rounding there does to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype, dtype_named
from candelabra.autograd._engine import grad
from candelabra.op import Op, ops
from candelabra.tensor._tensor import Tensor
from candelabra.testing.samples import Operand

from .. import noise, tolerances
from ..bridge import flatten, fresh, host, infer, observed, place, reseed, samples_of, witness
from ..case import Case, Failure, Outcome, Unsupported, check, make_case
from ..context import Call, Context
from ..layouts import CONTIGUOUS
from ..oracle import noisy_spread
from ..precision import Array, format_of
from ..values import dtype_of, generator, operands_of, shape_of, substitute
from .grid import admits, allowed_layouts, chosen, legal, shapes_of

SAMPLES = {"quick": 6, "full": 40}
SECOND = {"quick": 4, "full": 20}
LIMIT = 60
"""Elements past which the second derivative of a sample is not looked at."""
STEPS = (1e-5, 1e-4, 1e-6)
"""Steps of the differences: the first that agrees will do, so that neither rounding nor curvature decides."""
COORDINATES, DIRECTIONS = 5, 3
IN_PLACE = "grad-in-place"
"""The op writes over a copy of its first operand, which is a result itself and not a leaf."""


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of an op; none of the device."""
    if op is None or op.is_factory:
        return
    samples = samples_of(op.name)

    def case(form: str, tested: dtype, i: int, layouts: tuple[str, ...] = ()) -> Case:
        return make_case(
            op.name, "derivatives", tested.name, form, repr(samples[i]), sample=i, layouts=layouts, shapes=shapes_of(samples[i])
        )  # fmt: skip

    smooth = [i for i in range(len(samples)) if is_smooth(op, i, _dtype.float64)]
    if not op.differentiable:
        for i in chosen(samples, smooth, 1, 0):
            yield case("no-gradient", _dtype.float64, i)
        return
    for i in chosen(samples, smooth, SAMPLES[context.tier], 0):
        yield case("grad", _dtype.float64, i, (CONTIGUOUS,) * len(operands_of(samples[i])))
    small = [i for i in smooth if _size(samples[i]) <= LIMIT]
    for i in chosen(samples, small, SECOND[context.tier], 1):
        yield case("grad2", _dtype.float64, i)
    for i in chosen(samples, smooth, 2, 2):
        count = len(operands_of(samples[i]))
        if count > 1:
            for which in _variables(op, i, _dtype.float64):
                yield case(f"grad-only-{which}", _dtype.float64, i)
    written = [i for i in smooth if context.capabilities.strides and writes_copy(op, i)]
    for i in chosen(samples, written, 2, 0):
        rest = len(operands_of(samples[i])) - 1
        yield case(IN_PLACE, _dtype.float64, i, ("stepped", *(CONTIGUOUS,) * rest))
    for n, name in enumerate(allowed_layouts(op, context)):
        usable = [i for i in smooth if any(legal(op, samples[i], w, name) for w in range(len(operands_of(samples[i]))))]
        for i in chosen(samples, usable, 1, n):
            count = len(operands_of(samples[i]))
            yield case(
                "grad",
                _dtype.float64,
                i,
                tuple(name if legal(op, samples[i], w, name) else CONTIGUOUS for w in range(count)),
            )
    for n, tested in enumerate((_dtype.float32, _dtype.float16, _dtype.bfloat16, _dtype.complex64)):
        usable = [i for i, s in enumerate(samples) if s.grad and admits(op, i, tested) and _variables(op, i, tested)]
        for i in chosen(samples, usable, 1 if n else 3, n):
            yield case("grad-rounded", tested, i)
    complex_ones = [i for i in range(len(samples)) if is_smooth(op, i, _dtype.complex128)]
    for i in chosen(samples, complex_ones, 2, 1):
        yield case("grad", _dtype.complex128, i, (CONTIGUOUS,) * len(operands_of(samples[i])))
        if _size(samples[i]) <= LIMIT:
            yield case("grad2", _dtype.complex128, i)


def is_smooth(op: Op, index: int, tested: dtype) -> bool:
    """Whether differences of a sample mean anything: it says so, and no result is rounded to a narrower dtype."""
    sample = samples_of(op.name)[index]
    if not sample.grad or not admits(op, index, tested) or not _variables(op, index, tested):
        return False
    results = [kind for _, kind in infer(op, sample, tested).results or [] if kind.category >= _dtype.FLOATING]
    return all(format_of(kind).unit <= format_of(tested).unit for kind in results)


def writes_copy(op: Op, index: int) -> bool:
    """Whether a sample's in-place form exists, and its first operand is copied when made contiguous."""
    sample = samples_of(op.name)[index]
    if not op.is_inplace or not sample.args or not isinstance(sample.args[0], Operand):
        return False
    shape, results = shape_of(sample.args[0]), infer(op, sample, _dtype.float64).results
    return bool(shape) and shape[-1] > 1 and 0 not in shape and results == [(shape, _dtype.float64)]


def _size(sample: Any) -> int:
    return sum(int(np.prod(s)) for s in shapes_of(sample))


def _variables(op: Op, index: int, tested: dtype) -> list[int]:
    """Positions of the operands whose gradient a sample lets be checked."""
    found = enumerate(operands_of(samples_of(op.name)[index]))
    return [i for i, o in found if o.grad and dtype_of(o, tested).category >= _dtype.FLOATING]


# -- running -------------------------------------------------------------------------------------------------------


def run(case: Case, context: Context) -> Outcome:
    """One derivative."""
    op = ops[case.op]
    context.refuse_declared(op)
    tested = dtype_named(case.dtype)
    if tested not in context.capabilities.compute_dtypes:
        raise Unsupported(f"dtype {tested.name} is not among the dtypes declared to compute in")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if case.form == "no-gradient":
            return run_refusal(case, context)
        if case.form == "grad-rounded":
            return run_rounded(case, context)
        problem = Problem(case, context)
        return run_second(problem) if case.form == "grad2" else run_first(problem)


class Problem:
    """A sample as a function of the operands whose gradient is wanted, on one backend."""

    def __init__(self, case: Case, context: Context) -> None:
        self.case = case
        self.context = context
        self.op = ops[case.op]
        self.tested = dtype_named(case.dtype)
        self.sample = samples_of(case.op)[case.sample]
        self.arrays = context.values(self.op, case.sample, self.sample, self.tested)
        self.layouts = case.layouts or (CONTIGUOUS,) * len(self.arrays)
        self.variables = _variables(self.op, case.sample, self.tested)
        if case.form.startswith("grad-only-"):
            self.variables = [int(case.form.rpartition("-")[2])]
        for i, array in enumerate(self.arrays):
            context.note(f"operand {i}", array)
        self.cotangents: list[Array] = []

    def forward(
        self, arrays: list[Array], requires_grad: bool, layouts: tuple[str, ...] | None = None
    ) -> tuple[list[Tensor], list[Tensor], Call | Any]:
        """(differentiable results, variables, operands) of a call on given values."""
        placed = []
        for i, operand in enumerate(operands_of(self.sample)):
            kind = self.context.kind(dtype_of(operand, self.tested))
            placed.append(place(arrays[i], kind, (layouts or (CONTIGUOUS,) * len(arrays))[i]))
        variables = [placed[i].tensor for i in self.variables]
        if requires_grad:
            for tensor in variables:
                tensor.requires_grad_()
        pending = iter(placed)
        args, kwargs = substitute(self.sample, lambda _: next(pending).tensor)
        reseed()
        if self.case.form == IN_PLACE:
            result = getattr(args[0].contiguous(), self.op.name + "_")(*args[1:], **kwargs)
        else:
            result = self.op.call(*args, **kwargs)
        outs = [t for t in flatten(result) if isinstance(t, Tensor) and t.dtype.category >= _dtype.FLOATING]
        return outs, variables, placed

    def weights(self, outs: list[Tensor]) -> list[Array]:
        """A cotangent for each result: eighths between -1 and 1, which every dtype holds."""
        if not self.cotangents:
            rng = generator(self.op.name, self.case.sample, "cotangent")
            self.cotangents = [_cotangent(rng, tuple(o.shape), o.dtype) for o in outs]
        return self.cotangents

    def loss(self, arrays: list[Array]) -> tuple[float, float]:
        """(loss, sum of its terms' magnitudes) at given values."""
        outs, _, _ = self.forward(arrays, False)
        keep = self.kept
        return _paired(
            [host(o) for i, o in enumerate(outs) if keep[i]], [w for i, w in enumerate(self.cotangents) if keep[i]]
        )

    def gradients(
        self, arrays: list[Array], layouts: tuple[str, ...] | None = None, create_graph: bool = False
    ) -> tuple[list[Tensor | None], list[Tensor], list[Tensor], Any]:
        """(gradients, variables, cotangent tensors, operands) by the engine."""
        outs, variables, placed = self.forward(arrays, True, layouts)
        weights = self.weights(outs)
        self.kept = [o.requires_grad for o in outs]
        if not any(self.kept):
            return [None] * len(variables), variables, [], placed
        ws = [fresh(w, o._kind) for w, o in zip(weights, outs, strict=True)]
        if create_graph:
            for w in ws:
                w.requires_grad_()
        roots = [o for o, k in zip(outs, self.kept, strict=True) if k]
        seeds = [w for w, k in zip(ws, self.kept, strict=True) if k]
        found = grad(roots, variables, seeds, create_graph=create_graph, allow_unused=True)
        return list(found), variables, seeds, placed

    kept: list[bool]


def _cotangent(rng: np.random.Generator, shape: tuple[int, ...], kind: dtype) -> Array:
    values = rng.integers(-8, 9, shape) / 8
    if kind.is_complex:
        values = values + 1j * rng.integers(-8, 9, shape) / 8
    return np.asarray(values).astype(kind.numpy)


def _paired(values: list[Array], weights: list[Array]) -> tuple[float, float]:
    total = scale = 0.0
    for value, weight in zip(values, weights, strict=True):
        terms = (np.conj(weight) * value).real.astype(np.longdouble)
        terms = np.where(weight == 0, 0, terms)
        total, scale = total + terms.sum(), scale + float(np.abs(terms).sum())
    return total, scale


def directions(problem: Problem, arrays: list[Array], positions: list[int]) -> Iterator[list[Array | None]]:
    """Directions to differentiate along: a few single coordinates of each variable, and a few random ones."""
    rng = generator(problem.case.id, "directions")
    for i in positions:
        array = arrays[i]
        for flat in rng.permutation(array.size)[:COORDINATES]:
            for unit in (1.0, 1j) if array.dtype.kind == "c" else (1.0,):
                step = np.zeros(array.size, array.dtype)
                step[flat] = unit
                yield [step.reshape(array.shape) if k == i else None for k in range(len(arrays))]
    for _ in range(DIRECTIONS if sum(arrays[i].size for i in positions) > 1 else 0):
        found: list[Array | None] = [None] * len(arrays)
        for i in positions:
            step = rng.choice([-1.0, -0.5, 0.5, 1.0], arrays[i].shape)
            if arrays[i].dtype.kind == "c":
                step = step + 1j * rng.choice([-1.0, -0.5, 0.5, 1.0], arrays[i].shape)
            found[i] = np.asarray(step).astype(arrays[i].dtype)
        yield found


def _moved(arrays: list[Array], direction: list[Array | None], by: float) -> list[Array]:
    return [a if d is None else np.asarray(a + by * d).astype(a.dtype) for a, d in zip(arrays, direction, strict=True)]


def _along(gradients: dict[int, Array], direction: list[Array | None]) -> tuple[float, float]:
    """(directional derivative, sum of its terms' magnitudes)."""
    pairs = [(gradients[i], d) for i, d in enumerate(direction) if d is not None]
    terms = [(np.conj(g) * d).real for g, d in pairs]
    return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))


def check_differences(
    problem: Problem, function: Any, gradients: dict[int, Array], arrays: list[Array], what: str
) -> float:
    """Compares analytic gradients with differences of `function(arrays) -> (value, scale)`; the worst relative error."""
    worst = 0.0
    for direction in directions(problem, arrays, sorted(gradients)):
        expected, size = _along(gradients, direction)
        tried: list[float] = []
        for step in STEPS:
            (high, scale), (low, _) = (
                function(_moved(arrays, direction, step)),
                function(_moved(arrays, direction, -step)),
            )
            difference = float((high - low) / (2 * step))
            tried.append(difference)
            allowed = 3e-6 * max(abs(difference), abs(expected)) + 1e-7 * (size + 1e-2 * scale) + 1e-9
            if abs(difference - expected) <= allowed:
                worst = max(worst, abs(difference - expected) / max(size, 1e-300))
                break
        else:
            where = {i: np.argwhere(d != 0).tolist()[:3] for i, d in enumerate(direction) if d is not None}
            raise Failure(
                f"{what} along {where} is {expected:.9g}, differences give {tried[0]:.9g}",
                got=gradients,
                expected=tried,
            )
    return worst


def run_first(problem: Problem) -> Outcome:
    """Gradient against differences, in the case's layouts, with the operands untouched."""
    (result, events) = observed(lambda: problem.gradients(problem.arrays, problem.layouts))
    found, variables, _, placed = result
    how = witness(problem.op, problem.context.backend, events)
    for i, operand in enumerate(placed):
        operand.check_untouched(f"operand {i}")
    effective = [p.array for p in placed]
    gradients = {}
    for position, tensor, variable in zip(problem.variables, found, variables, strict=True):
        gradients[position] = _checked(tensor, variable, position)
    for i, g in gradients.items():
        problem.context.note(f"gradient of operand {i}", g)
    if any(problem.kept):
        check_differences(problem, problem.loss, gradients, effective, "gradient")
    else:
        check(all(p is None for p in found), "a gradient came of a result that requires none")
    return Outcome(oracle="differences", how=how)


def _checked(tensor: Tensor | None, variable: Tensor, position: int) -> Array:
    """A gradient as a host array, zeros for None; of its operand's shape, dtype and device."""
    if tensor is None:
        return np.zeros(tuple(variable.shape), variable.dtype.numpy)
    check(
        tuple(tensor.shape) == tuple(variable.shape)
        and tensor.dtype is variable.dtype
        and tensor.device is variable.device,
        f"gradient of operand {position} is {tuple(tensor.shape)} {tensor.dtype.name} on {tensor.device}, the operand "
        f"{tuple(variable.shape)} {variable.dtype.name} on {variable.device}",
    )
    return host(tensor)


def run_second(problem: Problem) -> Outcome:
    """Second derivatives, with respect to the operands and to the cotangent, against differences of the first."""
    arrays = problem.arrays
    found, variables, seeds, _ = problem.gradients(arrays, create_graph=True)
    roots = [(i, g) for i, g in enumerate(found) if g is not None and g.requires_grad]
    rng = generator(problem.op.name, problem.case.sample, "second")
    probes = {i: _cotangent(rng, tuple(g.shape), g.dtype) for i, g in enumerate(found) if g is not None}

    def function(values: list[Array]) -> tuple[float, float]:
        again, _, _, _ = problem.gradients(values)
        present = [i for i in probes if again[i] is not None]
        return _paired([host(again[i]) for i in present], [probes[i] for i in present])  # type: ignore[arg-type]

    targets = [*variables, *seeds]
    if roots:
        weights = [fresh(probes[i], g._kind) for i, g in roots]
        second = grad([g for _, g in roots], targets, weights, allow_unused=True)
    else:
        second = (None,) * len(targets)
    gradients = {p: _checked(t, v, p) for p, t, v in zip(problem.variables, second, variables, strict=False)}
    for i, g in gradients.items():
        problem.context.note(f"second gradient of operand {i}", g)
    if probes and all(np.isfinite(host(g)).all() for g in (*found, *second) if g is not None):
        check_differences(problem, function, gradients, arrays, "second gradient")
        check_linear(second[len(variables) :], seeds, found, probes)
    return Outcome(oracle="differences", how="")


def check_linear(second: Any, seeds: list[Tensor], found: list[Tensor | None], probes: dict[int, Array]) -> None:
    """A gradient is linear in the cotangent: its derivative there, paired with the cotangent, is the gradient itself."""
    total, scale = _paired(
        [host(g) for g in found if g is not None], [probes[i] for i, g in enumerate(found) if g is not None]
    )
    again = 0.0
    for tensor, seed in zip(second, seeds, strict=True):
        if tensor is not None:
            again += _paired([host(tensor)], [host(seed.detach())])[0]
    allowed = 1e-9 * (scale + abs(again)) + 1e-12
    check(
        abs(total - again) <= allowed,
        f"gradient is not linear in the cotangent: {float(total):.9g} and {float(again):.9g}",
    )


def run_refusal(case: Case, context: Context) -> Outcome:
    """An op without a gradient gives results that require none."""
    problem = Problem(case, context)
    (result, events) = observed(lambda: problem.forward(problem.arrays, True))
    how = witness(problem.op, context.backend, events)
    wanting = [i for i, o in enumerate(result[0]) if o.requires_grad and o.is_leaf is False]
    check(not wanting or problem.op.is_view, f"declared without a gradient, but results {wanting} require one")
    return Outcome(oracle="rule", how=how)


def run_rounded(case: Case, context: Context) -> Outcome:
    """A narrow dtype's gradient against the oracle's in float64."""
    problem = Problem(case, context)
    (result, events) = observed(lambda: problem.gradients(problem.arrays))
    how = witness(problem.op, context.backend, events)
    found, variables, _, _ = result
    call = context.prepare(case)
    expectation = call.expectation
    compute = expectation.compute

    def expected(device: str) -> list[Any]:
        args, kwargs, made = expectation.tensors(device)
        leaves = [made[i] for i in problem.variables]
        for leaf in leaves:
            leaf.requires_grad_()
        reseed()
        result = problem.op.call(*args, **kwargs)
        outs = [t for t in flatten(result) if isinstance(t, Tensor) and t.dtype.category >= _dtype.FLOATING]
        pairs = [(o, fresh(w.astype(o.dtype.numpy), o._kind)) for o, w in zip(outs, problem.cotangents, strict=True)]
        pairs = [(o, w) for o, w in pairs if o.requires_grad]
        if not pairs:
            return [None] * len(leaves)
        return [
            None if g is None else host(g)
            for g in grad([o for o, _ in pairs], leaves, [w for _, w in pairs], allow_unused=True)
        ]

    quiet = expected(noise.QUIET)
    kinds = [v.dtype for v in variables]
    unit = max(format_of(k).unit for k in kinds)
    if compute is not None and compute.category >= _dtype.FLOATING:
        unit = max(unit, format_of(compute).unit)

    slacks = noisy_spread(quiet, unit, expected)
    worst = 0.0
    for i, (tensor, variable) in enumerate(zip(found, variables, strict=True)):
        got = _checked(tensor, variable, problem.variables[i])
        want = np.zeros(got.shape) if quiet[i] is None else quiet[i]
        context.note(f"gradient {i}", got)
        context.note(f"expected gradient {i}", want)
        worst = max(worst, tolerances.compare(got, want, variable.dtype, "accumulation", slacks[i] * 2) or 0.0)
    return Outcome(worst, "body", how)


__all__ = ["generate", "run"]
