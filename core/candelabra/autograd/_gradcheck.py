# SPDX-License-Identifier: Apache-2.0
"""Gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._errors import AutogradError, CallError
from ..tensor._tensor import Tensor
from ._engine import grad


class GradcheckError(AutogradError):
    """An analytic gradient that differs from its finite differences."""


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _differentiable(outputs: Any) -> list[Tensor]:
    return [o for o in _listed(outputs) if isinstance(o, Tensor) and o.requires_grad]


def _column(function: Callable[[], list[Tensor]], place: Any, index: Any, step: complex) -> list[np.ndarray[Any, Any]]:
    """Central difference of all outputs for one element of one input."""
    before = place[index].copy()
    place[index] = before + step
    high = [o.detach().numpy(force=True).copy() for o in function()]
    place[index] = before - step
    low = [o.detach().numpy(force=True).copy() for o in function()]
    place[index] = before
    return [(h - lo) / (2 * abs(step)) for h, lo in zip(high, low, strict=True)]


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares the gradients of `func` with central differences of step `eps`.

    For complex tensors the conjugate-Wirtinger gradient of the real part of a random combination is compared.

    Args:
        func: takes `inputs`, returns a tensor or several.
        inputs: those that require a gradient are checked; float64 or complex128, else differences are too coarse.
        eps: step of the differences.
        atol, rtol: an analytic and a numeric gradient agree within `atol + rtol * |numeric|`.
        raise_exception: raise GradcheckError with the first difference instead of returning False.

    Returns:
        True when all agree.

    Raises:
        CallError: no input requires a gradient, or one is not of double precision.
        GradcheckError: a gradient differs.

    Example:
        >>> x = cb.tensor([1.0, 2.0], dtype=cb.float64, requires_grad=True)
        >>> cb.autograd.gradcheck(lambda x: x * x, x)
        True
    """
    listed = _listed(inputs)
    checked = [(i, t) for i, t in enumerate(listed) if isinstance(t, Tensor) and t.requires_grad]
    if not checked:
        raise CallError("gradcheck: at least one input must require a gradient, got none")
    for i, t in checked:
        if t.dtype.itemsize != (16 if t.is_complex() else 8):
            raise CallError(f"gradcheck: inputs must be of double precision, got {t.dtype.name} for input {i}")

    def run() -> list[Tensor]:
        return [o for o in _listed(func(*listed)) if isinstance(o, Tensor)]

    outputs = run()
    numbers = [n for n, o in enumerate(outputs) if o.requires_grad]
    rng = np.random.default_rng(0)
    weights = {n: _random_like(outputs[n], rng) for n in numbers}
    if not numbers:
        return True
    analytic = grad(
        [outputs[n] for n in numbers], [t for _, t in checked], [weights[n] for n in numbers], allow_unused=True
    )
    for (i, t), found in zip(checked, analytic, strict=True):
        numeric = _numeric(run, t, weights, eps)
        have = np.zeros_like(numeric) if found is None else found.numpy(force=True)
        if not np.allclose(have, numeric, rtol=rtol, atol=atol):
            if not raise_exception:
                return False
            worst = np.unravel_index(np.argmax(np.abs(have - numeric)), numeric.shape)
            raise GradcheckError(
                f"gradcheck: gradient of input {i} differs from finite differences, got {have[worst]!r} instead of "
                f"{numeric[worst]!r} at {tuple(int(w) for w in worst)}"
            )
    return True


def _random_like(output: Tensor, rng: np.random.Generator) -> Tensor:
    from ..tensor._creation import tensor

    shape = tuple(output.shape)
    values: Any = rng.uniform(0.5, 1.5, shape)
    if output.is_complex():
        values = values + 1j * rng.uniform(0.5, 1.5, shape)
    return tensor(np.asarray(values), dtype=output.dtype, device=output.device)


def _numeric(run: Callable[[], list[Tensor]], t: Tensor, weights: dict[int, Tensor], eps: float) -> Any:
    """d/dt Re(sum conj(weight) * output), by central differences on a host copy written back for each step."""
    from ..autograd._modes import no_grad
    from ..tensor._creation import tensor

    host = t.detach().numpy(force=True).copy()
    result = np.zeros_like(host)

    def outputs() -> list[Tensor]:
        with no_grad():
            t.detach().copy_(tensor(host, dtype=t.dtype, device=t.device))
        return run()

    for index in np.ndindex(*host.shape):
        for step in (eps, 1j * eps) if t.is_complex() else (eps,):
            columns = _column(outputs, host, index, step)
            slope = sum(float(np.sum(w.numpy(force=True).conj() * columns[n]).real) for n, w in weights.items())
            result[index] += slope if step == eps else 1j * slope
    outputs()
    return result


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compares second derivatives of `func` with central differences of its first ones.

    Args:
        func, inputs, eps, atol, rtol, raise_exception: as of `gradcheck`.
        grad_outputs: gradients of the outputs; random when None. They are differentiated too.

    Returns:
        True when all agree.

    Example:
        >>> x = cb.tensor([1.0, 2.0], dtype=cb.float64, requires_grad=True)
        >>> cb.autograd.gradgradcheck(lambda x: x * x * x, x)
        True
    """
    listed = _listed(inputs)
    outputs = _differentiable(func(*listed))
    rng = np.random.default_rng(1)
    given = _listed(grad_outputs) if grad_outputs is not None else [_random_like(o, rng) for o in outputs]
    seeds = [g.detach().clone().requires_grad_() for g in given]
    count = len(listed)

    def first_derivative(*args: Any) -> tuple[Any, ...]:
        ins, outs = args[:count], args[count:]
        wanted = [t for t in ins if isinstance(t, Tensor) and t.requires_grad]
        found = grad(_differentiable(func(*ins)), wanted, list(outs), create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    if not first_derivative(*listed, *seeds):
        return True
    return gradcheck(
        first_derivative, [*listed, *seeds], eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )
