# SPDX-License-Identifier: Apache-2.0
"""NAdam."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import nadam_mu, nadam_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options, check_range


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov's momentum.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: shares of the two averages that are kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when decoupled.
        momentum_decay: how fast the momentum nears the first beta.
        decoupled_weight_decay: shrink the parameters themselves, as AdamW does.
        maximize: ascend.

    Source: Dozat (2016).

    Example:
        >>> w = cb.ones(1, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.NAdam([w], lr=0.5).step()
        >>> w.detach() < 1
        tensor([True])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("NAdam", lr, eps, weight_decay, betas)
        check_range("NAdam", momentum_decay >= 0, "momentum_decay must not be negative", momentum_decay=momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        for param, grad, state in zip(params, grads, self._states(params, "exp_avg", "exp_avg_sq"), strict=True):
            state["step"] += 1
            mu = nadam_mu(state["step"], beta1, group["momentum_decay"])
            state["mu_product"] = float(state.get("mu_product", 1.0)) * mu
            self._run(
                nadam_step, [param], [grad], ([state["exp_avg"]], [state["exp_avg_sq"]]), state["mu_product"],
                state["step"], float(group["lr"]), beta1, beta2, group["eps"], group["weight_decay"],
                group["momentum_decay"], group["decoupled_weight_decay"], group["maximize"],
            )  # fmt: skip
