# SPDX-License-Identifier: Apache-2.0
"""RMSprop."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import rmsprop_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options, check_range


class RMSprop(Optimizer):
    """RMSprop: steps divided by the root mean square of recent gradients.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        alpha: share of the averages that is kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: share of the running sum of steps that is kept.
        centered: divide by the standard deviation of the gradient instead.
        maximize: ascend.

    Source: Tieleman and Hinton (2012); Graves (2013) for `centered`.

    Example:
        >>> w = cb.ones(1, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.RMSprop([w], lr=0.05).step()
        >>> w.detach()
        tensor([0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("RMSprop", lr, eps, weight_decay)
        check_range("RMSprop", momentum >= 0, "momentum must not be negative", momentum=momentum)
        check_range("RMSprop", alpha >= 0, "alpha must not be negative", alpha=alpha)
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        wanted = {"square_avg": True, "grad_avg": group["centered"], "momentum_buffer": group["momentum"] > 0}
        states = self._states(params, *[name for name, used in wanted.items() if used])
        lists = [[state[name] for state in states] if used else None for name, used in wanted.items()]
        self._run(
            rmsprop_step, params, grads, lists, float(group["lr"]), group["alpha"], group["eps"],
            group["weight_decay"], group["momentum"], group["maximize"],
        )  # fmt: skip
        for state in states:
            state["step"] += 1
