# SPDX-License-Identifier: Apache-2.0
"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import asgd_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options


class ASGD(Optimizer):
    """Averaged stochastic gradient descent; the average of each parameter is `state[param]["ax"]`.

    Args:
        params: parameters, or groups of them.
        lr: learning rate of the first step.
        lambd: decay of the parameters.
        alpha: power by which the learning rate falls.
        t0: step at which averaging starts.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Source: Polyak and Juditsky (1992).

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.ASGD([w], lr=0.5, lambd=0.0).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("ASGD", lr, 0, weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        lr, lambd = float(group["lr"]), group["lambd"]
        for param, grad, state in zip(params, grads, self._states(params, "ax"), strict=True):
            eta, mu = float(state.get("eta", lr)), float(state.get("mu", 1.0))
            state["step"] += 1
            self._run(
                asgd_step, [param], [grad], ([state["ax"]],), eta, mu, lambd, group["weight_decay"], group["maximize"]
            )
            state["eta"] = lr / (1 + lambd * lr * state["step"]) ** group["alpha"]
            state["mu"] = 1 / max(1, state["step"] - group["t0"])
