# SPDX-License-Identifier: Apache-2.0
"""Schedules of learning rates.

Most compute the next rate from the present one, so that several can act on one optimizer; `closed_form`, where there is
one, gives the rate of any epoch at once.
"""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from .._errors import ArgumentError, CallError
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, check_range

__all__ = [
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SequentialLR", "StepLR",
]  # fmt: skip


def _set(group: dict[str, Any], key: str, value: float) -> None:
    """Sets a number of a group; a tensor that holds it is written to."""
    if isinstance(group[key], Tensor):
        from ..ops.likes import full_like

        group[key].data = full_like(group[key], value)
    else:
        group[key] = value


def _per_group(what: str, value: Any, groups: Sequence[Any]) -> list[Any]:
    """One value for each group, from one for all or a list of them."""
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ArgumentError(f"{what}: must have one value a group, got {len(value)} for {len(groups)} groups")
    return list(value)


class LRScheduler:
    """Base of schedules: a subclass defines `get_lr`.

    Args:
        optimizer: whose groups' `lr` is set.
        last_epoch: number of steps already taken; -1 starts anew, from the present rates.

    Raises:
        CallError: `optimizer` is not one.
        ArgumentError: `last_epoch` is given and a group has no `initial_lr`.
    """

    closed_form: Callable[[], list[float]] | None = None
    _attributes_of_code: tuple[str, ...] = ()
    """Attributes that are functions, which state dicts leave out."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{type(self).__name__}: groups need initial_lr to go on, got none in group {i}, "
                    f"last_epoch={last_epoch}; load the optimizer's state first"
                )
        self.base_lrs: list[float] = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_first = True
        self.step()
        self._is_first = False

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise CallError(f"{type(self).__name__}: optimizer must be an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer

    def _present(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """The rate of each group for `last_epoch`, from the present ones."""
        raise CallError(f"{type(self).__name__}: has no rule, got a step; define get_lr in the class")

    def get_last_lr(self) -> list[float]:
        """The rates set by the last step."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Sets the rates of the next epoch.

        Args:
            epoch: go there instead; by the closed form where there is one.
        """
        if self._step_count == 1 and not self.optimizer._has_stepped:
            warnings.warn(
                "lr_scheduler.step: was called before optimizer.step(), got no step of the optimizer so far; the first "
                "rate is skipped",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            values = self.closed_form() if self.closed_form is not None else self.get_lr()
        self._write(values)

    def _write(self, values: Sequence[float]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            _set(group, "lr", value)
        self._last_lr = self._present()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer and functions."""
        left_out = ("optimizer", *self._attributes_of_code)
        return {key: value for key, value in self.__dict__.items() if key not in left_out}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; the optimizer's rates are part of its own state."""
        self.__dict__.update(state_dict)


class _LambdaBased(LRScheduler):
    """A schedule by one function of the epoch for each group."""

    _attributes_of_code = ("lr_lambdas",)

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self.lr_lambdas = _per_group("lr_lambda", lr_lambda, optimizer.param_groups)
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As of the base; functions are left out, objects that are called give their attributes."""
        saved = [None if _is_function(f) else dict(f.__dict__) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; functions stay as they are."""
        state = dict(state_dict)
        for function, saved in zip(self.lr_lambdas, state.pop("lr_lambdas"), strict=True):
            if saved is not None:
                function.__dict__.update(saved)
        super().load_state_dict(state)


def _is_function(value: Any) -> bool:
    return hasattr(value, "__code__")


class LambdaLR(_LambdaBased):
    """The initial rate times a function of the epoch.

    Args:
        optimizer: whose rates are set.
        lr_lambda: function of the epoch, or a list with one for each group.
        last_epoch: number of steps already taken.

    Example:
        >>> optimizer = cb.optim.SGD([cb.ones(1)], lr=1.0)
        >>> cb.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5 ** (epoch + 1)).get_last_lr()
        [0.5]
    """

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_LambdaBased):
    """The present rate times a function of the epoch.

    Args:
        optimizer: whose rates are set.
        lr_lambda: function of the epoch, or a list with one for each group.
        last_epoch: number of steps already taken.
    """

    def get_lr(self) -> list[float]:
        if self._is_first:
            return self._present()
        return [lr * f(self.last_epoch) for lr, f in zip(self._present(), self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs.

    Args:
        optimizer: whose rates are set.
        step_size: epochs between changes.
        gamma: factor of a change.
        last_epoch: number of steps already taken.

    Example:
        >>> optimizer = cb.optim.SGD([cb.ones(1)], lr=1.0)
        >>> scheduler = cb.optim.lr_scheduler.StepLR(optimizer, step_size=2)
        >>> optimizer.step(), scheduler.step(), scheduler.step()
        (None, None, None)
        >>> scheduler.get_last_lr()
        [0.1]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        check_range("StepLR", step_size >= 1, "step_size must be at least 1", step_size=step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._present()
        return [lr * self.gamma for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each milestone.

    Args:
        optimizer: whose rates are set.
        milestones: epochs of change; one named twice counts twice.
        gamma: factor of a change.
        last_epoch: number of steps already taken.
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = dict(Counter(milestones))
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones.get(self.last_epoch, 0)
        return [lr * factor for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        passed = sum(count for epoch, count in self.milestones.items() if epoch <= self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """The rate times `factor` until `total_iters`.

    Args:
        optimizer: whose rates are set.
        factor: in [0, 1].
        total_iters: epoch at which the full rate is back.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: `factor` is outside [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ArgumentError(f"ConstantLR: factor must be in [0, 1], got factor={factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = 1.0
        if self.last_epoch == 0:
            factor = self.factor
        elif self.last_epoch == self.total_iters:
            factor = 1 / self.factor
        return [lr * factor for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [base * (1 if self.last_epoch >= self.total_iters else self.factor) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The rate times a factor that goes linearly from one value to another.

    Args:
        optimizer: whose rates are set.
        start_factor: factor at epoch 0, in (0, 1].
        end_factor: factor from `total_iters` on, in [0, 1].
        total_iters: epochs in between.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: a factor is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ArgumentError(
                "LinearLR: start_factor must be in (0, 1] and end_factor in [0, 1], got "
                f"start_factor={start_factor}, end_factor={end_factor}"
            )
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return (
            self.start_factor + (self.end_factor - self.start_factor) * min(self.total_iters, epoch) / self.total_iters
        )

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._present()]
        if self._is_first or self.last_epoch > self.total_iters:
            return self._present()
        ratio = self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)
        return [lr * ratio for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [base * self._factor(self.last_epoch) for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at each epoch.

    Args:
        optimizer: whose rates are set.
        gamma: factor of a change.
        last_epoch: number of steps already taken.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._present() if self._is_first else [lr * self.gamma for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The rate times a power of the share of epochs that is left.

    Args:
        optimizer: whose rates are set.
        total_iters: epoch from which the rate is 0.
        power: of the share.
        last_epoch: number of steps already taken.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return (1 - min(self.total_iters, epoch) / self.total_iters) ** self.power

    def get_lr(self) -> list[float]:
        if self._is_first or self.last_epoch > self.total_iters:
            return self._present()
        ratio = self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)
        return [lr * ratio for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [base * self._factor(self.last_epoch) for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """The rate along half a cosine, from the initial one to `eta_min` and back.

    Args:
        optimizer: whose rates are set.
        T_max: epochs of half a period.
        eta_min: lowest rate.
        last_epoch: number of steps already taken.

    Source: Loshchilov and Hutter (2017), without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def get_lr(self) -> list[float]:
        if self._is_first:
            return self._present()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up from the lowest point, where a ratio fails
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._present(), self.base_lrs, strict=True)]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in self._present()]

    def closed_form(self) -> list[float]:
        """The rates of `last_epoch`, from the initial ones."""
        return [self.eta_min + (base - self.eta_min) * self._height(self.last_epoch) / 2 for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rate along half a cosine, from the initial one to `eta_min`, and again.

    Args:
        optimizer: whose rates are set.
        T_0: epochs of the first run.
        T_mult: factor from the length of one run to that of the next.
        eta_min: lowest rate.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: `T_0` or `T_mult` is not a positive int.

    Source: Loshchilov and Hutter (2017).
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_0 < 1 or T_mult < 1 or not isinstance(T_0, int) or not isinstance(T_mult, int):
            raise ArgumentError(
                f"CosineAnnealingWarmRestarts: T_0 and T_mult must be positive ints, got T_0={T_0}, T_mult={T_mult}"
            )
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Sets the rates of the next epoch.

        Args:
            epoch: go there instead; may be a fraction, to move within an epoch.

        Raises:
            ArgumentError: `epoch` is negative.
        """
        if epoch is not None and epoch < 0:
            raise ArgumentError(f"CosineAnnealingWarmRestarts.step: epoch must not be negative, got epoch={epoch}")
        self._step_count += 1
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            epoch = 0 if epoch is None else epoch
            self.T_cur, self.T_i = self._place(epoch)
        self.last_epoch = math.floor(epoch)
        self._write(self.get_lr())

    def _place(self, epoch: float) -> tuple[float, int]:
        """(epochs into the present run, its length)."""
        length = self.T_0
        if self.T_mult == 1:
            return epoch % length, length
        while epoch >= length:
            epoch -= length
            length *= self.T_mult
        return epoch, length


class CyclicLR(LRScheduler):
    """The rate up and down between two bounds, and the momentum the other way.

    Args:
        optimizer: whose rates are set.
        base_lr: lower bound, one for all groups or a list.
        max_lr: upper bound, one for all groups or a list.
        step_size_up: steps from the lower to the upper bound.
        step_size_down: steps back; as many when None.
        mode: `triangular`, `triangular2` (half as high each cycle) or `exp_range` (times `gamma` each step).
        gamma: for `exp_range`.
        scale_fn: height of a cycle as a function of its number, or of the step; in place of `mode`.
        scale_mode: `cycle` or `iterations`: what `scale_fn` is given.
        cycle_momentum: move the momentum (or the first beta) from `max_momentum` to `base_momentum` and back.
        base_momentum: lower bound of the momentum, one for all groups or a list.
        max_momentum: upper bound of the momentum, one for all groups or a list.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: unknown mode, or an optimizer without momentum when it is to be moved.

    Source: Smith (2017).
    """

    _attributes_of_code = ("scale_fn",)

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        groups = optimizer.param_groups
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ArgumentError(f"CyclicLR: mode must be triangular, triangular2 or exp_range, got mode={mode!r}")
        base_lrs = _per_group("base_lr", base_lr, groups)
        if last_epoch == -1:
            for group, lr in zip(groups, base_lrs, strict=True):
                _set(group, "lr", lr)
                group.pop("initial_lr", None)
        self.max_lrs = _per_group("max_lr", max_lr, groups)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = "iterations" if scale_fn is None and mode == "exp_range" else scale_mode
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums = _per_group("base_momentum", base_momentum, groups)
            self.max_momentums = _per_group("max_momentum", max_momentum, groups)
            for group, momentum in zip(groups, self.max_momentums, strict=True):
                _set_momentum("CyclicLR", group, momentum)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _scale(self, value: float) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(value)
        if self.mode == "triangular2":
            return 1 / 2 ** (value - 1)
        return self.gamma**value if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self._scale(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum("CyclicLR", group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]


def _set_momentum(what: str, group: dict[str, Any], value: float) -> None:
    """Sets a group's momentum: `momentum`, or the first of `betas`."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    elif "momentum" in group:
        group["momentum"] = value
    else:
        raise ArgumentError(
            f"{what}: optimizer must have momentum or betas to cycle, got {sorted(group)}; pass cycle_momentum=False"
        )


class OneCycleLR(LRScheduler):
    """The rate once up and down, and the momentum the other way.

    Args:
        optimizer: whose rates are set.
        max_lr: upper bound, one for all groups or a list.
        total_steps: steps of the cycle; `epochs * steps_per_epoch` when None.
        epochs: with `steps_per_epoch`, in place of `total_steps`.
        steps_per_epoch: with `epochs`.
        pct_start: share of the steps that go up.
        anneal_strategy: `cos` or `linear`.
        cycle_momentum: move the momentum (or the first beta) too.
        base_momentum: lower bound of the momentum, one for all groups or a list.
        max_momentum: upper bound of the momentum, one for all groups or a list.
        div_factor: `max_lr` over the first rate.
        final_div_factor: the first rate over the last.
        three_phase: go down to the first rate as fast as up, then on to the last.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: no number of steps, an unknown strategy, or a step after the last.

    Source: Smith and Topin (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if total_steps is None or total_steps < 1:
            raise ArgumentError(
                "OneCycleLR: needs total_steps, or epochs and steps_per_epoch, all positive, got "
                f"total_steps={total_steps}, epochs={epochs}, steps_per_epoch={steps_per_epoch}"
            )
        if not 0 <= pct_start <= 1:
            raise ArgumentError(f"OneCycleLR: pct_start must be in [0, 1], got pct_start={pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(f"OneCycleLR: anneal_strategy must be cos or linear, got {anneal_strategy!r}")
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        # (last step, rate at its start, at its end, momentum at its start, at its end) of each phase
        up = float(pct_start * total_steps) - 1
        if three_phase:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * up, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self.phases = [
                (up, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        groups = optimizer.param_groups
        if last_epoch == -1:
            bounds = (
                _per_group("max_lr", max_lr, groups),
                _per_group("max_momentum", max_momentum, groups),
                _per_group("base_momentum", base_momentum, groups),
            )
            for group, highest, high, low in zip(groups, *bounds, strict=True):
                first = highest / div_factor
                group.update(initial_lr=first, max_lr=highest, min_lr=first / final_div_factor)
                if cycle_momentum:
                    _set_momentum("OneCycleLR", group, high)
                    group.update(max_momentum=high, base_momentum=low)
        super().__init__(optimizer, last_epoch)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
        return (end - start) * share + start

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ArgumentError(f"OneCycleLR.step: there are {self.total_steps} steps, got step {step}")
        begin = 0.0
        for number, phase in enumerate(self.phases):
            if step <= phase[0] or number == len(self.phases) - 1:
                break
            begin = phase[0]
        end, lr_from, lr_to, momentum_from, momentum_to = phase
        share = (step - begin) / (end - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[lr_from], group[lr_to], share))
            if self.cycle_momentum:
                _set_momentum("OneCycleLR", group, self._between(group[momentum_from], group[momentum_to], share))
        return rates


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a metric has not improved for a while; `step` is given the metric.

    Args:
        optimizer: whose rates are set.
        mode: `min` when a lower metric is better, `max` when a higher one is.
        factor: of a change, below 1.
        patience: epochs without improvement that are let pass.
        threshold: smallest change that counts as an improvement.
        threshold_mode: `rel` to the best metric, or `abs`.
        cooldown: epochs after a change before waiting starts again.
        min_lr: lower bound of the rate, one for all groups or a list.
        eps: smallest change of the rate that is made.

    Raises:
        ArgumentError: `factor` is not below 1, or an unknown mode.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._attach(optimizer)
        if factor >= 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be below 1, got factor={factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                f"ReduceLROnPlateau: mode must be min or max and threshold_mode rel or abs, got mode={mode!r}, "
                f"threshold_mode={threshold_mode!r}"
            )
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = _per_group("min_lr", min_lr, optimizer.param_groups)
        self.eps = eps
        self.last_epoch = 0
        self._last_lr = self._present()
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Takes an epoch's metric, a number or a tensor with one element."""
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            lowered = [max(lr * self.factor, low) for lr, low in zip(self._present(), self.min_lrs, strict=True)]
            self._write([n if lr - n > self.eps else lr for lr, n in zip(self._present(), lowered, strict=True)])
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._present()

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "abs":
            return sign * value < sign * self.best - self.threshold
        return sign * value < sign * self.best * (1 - sign * self.threshold)


class _Composite(LRScheduler):
    """A schedule made of others; its state holds theirs."""

    _attributes_of_code = ("_schedulers",)
    _schedulers: list[Any]

    def _check(self, optimizer: Optimizer | None, schedulers: Sequence[Any]) -> None:
        if not schedulers:
            raise ArgumentError(f"{type(self).__name__}: schedulers must not be empty, got none")
        self._attach(schedulers[0].optimizer if optimizer is None else optimizer)
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise CallError(f"{type(self).__name__}: schedulers must be LRSchedulers, got {scheduler!r} at {i}")
            if scheduler.optimizer is not self.optimizer:
                raise ArgumentError(f"{type(self).__name__}: schedulers must share the optimizer, got another at {i}")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """As of the base, with the states of the parts."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        state = dict(state_dict)
        for scheduler, saved in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler.load_state_dict(saved)
        super().load_state_dict(state)


class ChainedScheduler(_Composite):
    """Several schedules at once: each step takes one of each.

    Args:
        schedulers: schedules of one optimizer.
        optimizer: theirs; taken from the first when None.

    Raises:
        ArgumentError: none are given, or they have different optimizers.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._check(optimizer, schedulers)
        self._last_lr = self._schedulers[-1].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """One step of each."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._present()


class SequentialLR(_Composite):
    """Several schedules one after the other.

    Args:
        optimizer: theirs.
        schedulers: schedules of one optimizer.
        milestones: epochs at which the second, third ... one takes over and starts from its epoch 0.
        last_epoch: number of steps already taken.

    Raises:
        ArgumentError: none are given, they have different optimizers, or the milestones do not fit.
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self._check(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: needs one milestone less than schedulers, got {len(milestones)} for {len(schedulers)}"
            )
        if any(isinstance(s, ReduceLROnPlateau) for s in schedulers):
            raise ArgumentError("SequentialLR: cannot hold ReduceLROnPlateau, which needs a metric at each step")
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        # Making the schedules has stepped each once: back to the initial rates, and one step of the first.
        for group in optimizer.param_groups:
            _set(group, "lr", group["initial_lr"])
        for scheduler in self._schedulers:
            scheduler.last_epoch -= 1
            scheduler._step_count -= 1
        first = self._schedulers[0]
        first._is_first = True
        first.step()
        first._is_first = False
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """One step of the schedule whose turn it is."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            scheduler._is_first = True
            scheduler.step(0)
            scheduler._is_first = False
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()
