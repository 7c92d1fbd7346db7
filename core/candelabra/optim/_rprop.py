# SPDX-License-Identifier: Apache-2.0
"""Rprop."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import rprop_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, check_options, check_range


class Rprop(Optimizer):
    """Resilient backpropagation: steps by the sign of the gradient, their sizes growing while it stays.

    Args:
        params: parameters, or groups of them.
        lr: size of the first step.
        etas: factors of the size where the sign turned, and where it stayed.
        step_sizes: smallest and largest size.
        maximize: ascend.

    Source: Riedmiller and Braun (1993), without backtracking.

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.Rprop([w], lr=0.5).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        check_options("Rprop", lr, 0, 0)
        check_range("Rprop", 0 < etas[0] < 1 < etas[1], "etas must lie below and above 1", etas=etas)
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        states = self._states(params, "prev", "step_size")
        for state in states:
            if state["step"] == 0:
                state["step_size"] = state["step_size"] + _everywhere(state["step_size"], float(group["lr"]))
            state["step"] += 1
        lists = [[state[name] for state in states] for name in ("prev", "step_size")]
        self._run(rprop_step, params, grads, lists, *group["etas"], *group["step_sizes"], group["maximize"])


def _everywhere(tensor: Tensor, value: float) -> complex | float:
    """A number that fills a tensor, and both parts of a complex one."""
    return complex(value, value) if tensor.is_complex() else value
