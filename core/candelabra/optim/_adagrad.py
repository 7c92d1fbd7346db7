# SPDX-License-Identifier: Apache-2.0
"""Adagrad."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import adagrad_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options, check_range


class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

    Args:
        params: parameters, or groups of them.
        lr: learning rate of the first step.
        lr_decay: the rate is divided by `1 + (step - 1) * lr_decay`.
        weight_decay: factor of the L2 penalty.
        initial_accumulator_value: the sum before the first step.
        eps: added to the denominator.
        maximize: ascend.

    Source: Duchi, Hazan and Singer (2011).

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.Adagrad([w], lr=0.5).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("Adagrad", lr, eps, weight_decay)
        check_range("Adagrad", lr_decay >= 0, "lr_decay must not be negative", lr_decay=lr_decay)
        start = initial_accumulator_value
        check_range("Adagrad", start >= 0, "initial_accumulator_value must not be negative", value=start)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": start, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        for param, grad, state in zip(params, grads, self._states(params, "sum"), strict=True):
            if state["step"] == 0 and group["initial_accumulator_value"]:
                state["sum"] = state["sum"] + group["initial_accumulator_value"]
            state["step"] += 1
            self._run(
                adagrad_step, [param], [grad], ([state["sum"]],), state["step"], float(group["lr"]), group["lr_decay"],
                group["weight_decay"], group["eps"], group["maximize"],
            )  # fmt: skip
