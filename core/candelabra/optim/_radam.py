# SPDX-License-Identifier: Apache-2.0
"""RAdam."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import radam_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options


class RAdam(Optimizer):
    """RAdam: Adam whose adaptive part waits until its variance is known well enough.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: shares of the two averages that are kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when decoupled.
        decoupled_weight_decay: shrink the parameters themselves, as AdamW does.
        maximize: ascend.

    Source: Liu et al. (2020).

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.RAdam([w], lr=0.5).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("RAdam", lr, eps, weight_decay, betas)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        for param, grad, state in zip(params, grads, self._states(params, "exp_avg", "exp_avg_sq"), strict=True):
            state["step"] += 1
            self._run(
                radam_step, [param], [grad], ([state["exp_avg"]], [state["exp_avg_sq"]]), state["step"],
                float(group["lr"]), *group["betas"], group["eps"], group["weight_decay"],
                group["decoupled_weight_decay"], group["maximize"],
            )  # fmt: skip
