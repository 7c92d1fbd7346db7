# SPDX-License-Identifier: Apache-2.0
"""L-BFGS, with an optional line search for the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .._config import grad_enabled
from .._errors import ArgumentError, CallError
from ..dispatcher._write import write
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options

_SUFFICIENT_DECREASE = 1e-4
_CURVATURE = 0.9  # both as Nocedal and Wright (2006), section 3.1, advise for quasi-Newton directions
_LINE_SEARCH_EVALUATIONS = 25


class LBFGS(Optimizer):
    """L-BFGS: quasi-Newton steps from the last few changes of the gradient. One group of parameters only.

    Args:
        params: parameters.
        lr: length of a step along the direction; the first guess of the line search.
        max_iter: directions tried in one `step`.
        max_eval: evaluations of the closure in one `step`; 5/4 of `max_iter` when None.
        tolerance_grad: stop when no component of the gradient is larger.
        tolerance_change: stop when neither parameters nor loss change by more.
        history_size: changes of the gradient that are kept.
        line_search_fn: `strong_wolfe`, or None for steps of length `lr`.

    Source: Nocedal and Wright (2006), algorithms 3.5, 3.6 and 7.4.

    Example:
        >>> w = cb.tensor([3.0], requires_grad=True)
        >>> optimizer = cb.optim.LBFGS([w], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((w - 1) * (w - 1)).sum()
        ...     loss.backward()
        ...     return loss
        >>> _ = optimizer.step(closure)
        >>> round(w.item(), 4)
        1.0
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_options("LBFGS", lr, 0, 0)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ArgumentError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}")
        defaults = {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ArgumentError(f"LBFGS: takes one group of parameters, got {len(self.param_groups)}")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Several quasi-Newton steps.

        Args:
            closure: computes the loss anew, with gradients.

        Returns:
            The loss before the first of them.

        Raises:
            CallError: no closure.
        """
        if closure is None:
            raise CallError("LBFGS.step: needs a closure that computes the loss, got none")
        token = grad_enabled.set(False)
        try:
            return self._minimize(closure)
        finally:
            grad_enabled.reset(token)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        params = group["params"]
        memory = self.state[params[0]]
        if not memory:
            memory.update(step=0, directions=[], changes=[], previous_grad=None, previous_move=None)
        original, loss, grad = self._evaluate(closure)
        evaluations = 1
        lr, tolerance_change = float(group["lr"]), group["tolerance_change"]
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(grad) <= group["tolerance_grad"]:
                break
            direction = self._direction(memory, grad, group["history_size"])
            memory["step"] += 1
            slope = _dot(grad, direction)
            if slope > -tolerance_change:
                break
            length = min(1.0, 1.0 / float(grad.abs().sum())) * lr if memory["step"] == 1 else lr
            before = loss
            memory["previous_grad"] = grad
            if group["line_search_fn"] is not None:
                start = _flat(params)

                def along(t: float, start: Tensor = start, direction: Tensor = direction) -> _Point:
                    _write_flat(params, start + direction * t)
                    _, loss, grad = self._evaluate(closure)
                    return _Point(t, loss, _dot(grad, direction), grad)

                found, used = _strong_wolfe(along, _Point(0.0, loss, slope, grad), length)
                length, loss, grad = found.t, found.loss, found.grad
                _write_flat(params, start + direction * length)
                evaluations += used
            else:
                _write_flat(params, _flat(params) + direction * length)
                if iteration < group["max_iter"]:
                    _, loss, grad = self._evaluate(closure)
                    evaluations += 1
            move = direction * length
            memory["previous_move"] = move
            if evaluations >= group["max_eval"] or _largest(move) <= tolerance_change:
                break
            if iteration < group["max_iter"] and abs(loss - before) < tolerance_change:
                break
        return original

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, Tensor]:
        token = grad_enabled.set(True)
        try:
            loss = closure()
        finally:
            grad_enabled.reset(token)
        params = self.param_groups[0]["params"]
        return loss, float(loss), _flat([p if p._grad is None else p._grad for p in params], [p._grad for p in params])

    def _direction(self, memory: dict[str, Any], grad: Tensor, history_size: int) -> Tensor:
        """The negative gradient through the inverse Hessian's two-loop recursion."""
        moves, changes = memory["directions"], memory["changes"]
        if memory["previous_grad"] is not None and memory["previous_move"] is not None:
            change, move = grad - memory["previous_grad"], memory["previous_move"]
            if _dot(change, move) > 1e-10:
                moves.append(move)
                changes.append(change)
                del moves[:-history_size], changes[:-history_size]
        direction = -grad
        weights = []
        for move, change in zip(reversed(moves), reversed(changes), strict=True):
            weight = _dot(move, direction) / _dot(change, move)
            direction = direction - change * weight
            weights.append(weight)
        if moves:
            direction = direction * (_dot(changes[-1], moves[-1]) / _dot(changes[-1], changes[-1]))
        for move, change, weight in zip(moves, changes, reversed(weights), strict=True):
            direction = direction + move * (weight - _dot(change, direction) / _dot(change, move))
        return direction


class _Point(NamedTuple):
    """A place on the line: its parameter, the loss, its slope along the line, and the gradient."""

    t: float
    loss: float
    slope: float
    grad: Tensor


def _strong_wolfe(along: Callable[[float], _Point], start: _Point, length: float) -> tuple[_Point, int]:
    """A point with enough decrease and a flat enough slope, or the best found; and the number of evaluations."""
    previous, best = start, start
    for used in range(1, _LINE_SEARCH_EVALUATIONS + 1):
        point = along(length)
        rises = point.loss > start.loss + _SUFFICIENT_DECREASE * length * start.slope
        if not math.isfinite(point.loss) or rises or (used > 1 and point.loss >= previous.loss):
            return _zoom(along, start, previous, point, used)
        if abs(point.slope) <= -_CURVATURE * start.slope:
            return point, used
        if point.slope >= 0:
            return _zoom(along, start, point, previous, used)
        previous = best = point
        length *= 2
    return best, _LINE_SEARCH_EVALUATIONS


def _zoom(along: Callable[[float], _Point], start: _Point, low: _Point, high: _Point, used: int) -> tuple[_Point, int]:
    """Narrows the bracket between `low`, the best point so far, and `high`."""
    while used < _LINE_SEARCH_EVALUATIONS and abs(high.t - low.t) * abs(start.slope) > 1e-12:
        point = along(_between(low, high))
        used += 1
        rises = point.loss > start.loss + _SUFFICIENT_DECREASE * point.t * start.slope
        if not math.isfinite(point.loss) or rises or point.loss >= low.loss:
            high = point
            continue
        if abs(point.slope) <= -_CURVATURE * start.slope:
            return point, used
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, used


def _between(a: _Point, b: _Point) -> float:
    """The minimum of the cubic through two points and their slopes, kept off the ends; the middle if there is none."""
    middle, width = (a.t + b.t) / 2, abs(b.t - a.t)
    if not math.isfinite(b.loss) or not math.isfinite(b.slope):
        return middle
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return middle
    d2 = math.copysign(math.sqrt(square), b.t - a.t)
    denominator = b.slope - a.slope + 2 * d2
    if denominator == 0:
        return middle
    t = b.t - (b.t - a.t) * (b.slope + d2 - d1) / denominator
    low, high = min(a.t, b.t) + 0.1 * width, max(a.t, b.t) - 0.1 * width
    return min(max(t, low), high)


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum())


def _largest(value: Tensor) -> float:
    return float(value.abs().max())


def _flat(params: list[Tensor], grads: list[Tensor | None] | None = None) -> Tensor:
    """All values in one vector; zeros for parameters whose entry of `grads` is None."""
    from ..ops.joining import cat
    from ..ops.likes import zeros_like

    parts = []
    for i, param in enumerate(params):
        part = param.detach().reshape(-1)
        parts.append(zeros_like(part) if grads is not None and grads[i] is None else part)
    return cat(parts)


def _write_flat(params: list[Tensor], vector: Tensor) -> None:
    start = 0
    for param in params:
        write(param, vector.narrow(0, start, param.numel()).reshape(param.shape))
        start += param.numel()
