# SPDX-License-Identifier: Apache-2.0
"""Adamax."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import adamax_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options


class Adamax(Optimizer):
    """Adamax: Adam with the largest magnitude of the gradient in place of its root mean square.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: share of the average, and decay of the magnitude.
        eps: added to the magnitude.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Source: Kingma and Ba (2015), section 7.1.

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.Adamax([w], lr=0.5).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("Adamax", lr, eps, weight_decay, betas)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        for param, grad, state in zip(params, grads, self._states(params, "exp_avg", "exp_inf"), strict=True):
            state["step"] += 1
            self._run(
                adamax_step, [param], [grad], ([state["exp_avg"]], [state["exp_inf"]]), state["step"],
                float(group["lr"]), *group["betas"], group["eps"], group["weight_decay"], group["maximize"],
            )  # fmt: skip
