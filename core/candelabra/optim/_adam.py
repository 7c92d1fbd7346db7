# SPDX-License-Identifier: Apache-2.0
"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import adam_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options


class Adam(Optimizer):
    """Adam: steps scaled by moving averages of the gradient and of its square.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: shares of the two averages that are kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when decoupled.
        amsgrad: divide by the largest average so far.
        maximize: ascend.
        decoupled_weight_decay: shrink the parameters themselves, as AdamW does.

    Source: Kingma and Ba (2015); Reddi et al. (2018) for `amsgrad`.

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.Adam([w], lr=0.5).step()
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
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_options(type(self).__name__, lr, eps, weight_decay, betas)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        amsgrad = group["amsgrad"]
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if amsgrad else ("exp_avg", "exp_avg_sq")
        states = self._states(params, *names)
        step = states[0]["step"] + 1
        if any(state["step"] + 1 != step for state in states):  # gradients have come and gone
            for param, grad, state in zip(params, grads, states, strict=True):
                self._step(group, [param], [grad], [state], names, state["step"] + 1)
        else:
            self._step(group, params, grads, states, names, step)

    def _step(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        grads: list[Tensor],
        states: list[dict[str, Any]],
        names: tuple[str, ...],
        step: int,
    ) -> None:
        lists: list[Any] = [[state[name] for state in states] for name in names]
        if len(names) == 2:
            lists.append(None)
        beta1, beta2 = group["betas"]
        self._run(
            adam_step, params, grads, lists, step, float(group["lr"]), float(beta1), float(beta2), group["eps"],
            group["weight_decay"], group["decoupled_weight_decay"], group["maximize"],
        )  # fmt: skip
        for state in states:
            state["step"] = step


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameters shrink by `lr * weight_decay` at each step.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        betas: shares of the two averages that are kept.
        eps: added to the denominator.
        weight_decay: share of the decay, before the learning rate.
        amsgrad: divide by the largest average so far.
        maximize: ascend.

    Source: Loshchilov and Hutter (2019).

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.AdamW([w], lr=0.5, weight_decay=0.1).step()
        >>> w.detach()
        tensor([0.4500, 0.4500])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
