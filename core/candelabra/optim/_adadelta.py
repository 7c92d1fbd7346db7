# SPDX-License-Identifier: Apache-2.0
"""Adadelta."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import adadelta_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options, check_range


class Adadelta(Optimizer):
    """Adadelta: steps with the size of the recent changes, needing no learning rate.

    Args:
        params: parameters, or groups of them.
        lr: factor of the change.
        rho: share of the averages that is kept.
        eps: added to the averages before their roots.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Source: Zeiler (2012).

    Example:
        >>> w = cb.ones(1, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.Adadelta([w]).step()
        >>> w.detach() < 1
        tensor([True])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("Adadelta", lr, eps, weight_decay)
        check_range("Adadelta", 0 <= rho <= 1, "rho must be in [0, 1]", rho=rho)
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        states = self._states(params, "square_avg", "acc_delta")
        lists = [[state[name] for state in states] for name in ("square_avg", "acc_delta")]
        options = group["rho"], group["eps"], group["weight_decay"], group["maximize"]
        self._run(adadelta_step, params, grads, lists, float(group["lr"]), *options)
        for state in states:
            state["step"] += 1
