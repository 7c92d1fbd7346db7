# SPDX-License-Identifier: Apache-2.0
"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..ops.optimizer import sgd_step
from ..tensor._tensor import Tensor
from ._optimizer import Optimizer, Params, _zeros_like, check_options, check_range


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Args:
        params: parameters, or groups of them.
        lr: learning rate.
        momentum: share of the running sum of gradients that is kept.
        dampening: share of a gradient that does not enter the sum, after the first.
        weight_decay: factor of the L2 penalty.
        nesterov: Nesterov's momentum; needs momentum and no dampening.
        maximize: ascend.

    Source: Sutskever et al. (2013), with the learning rate outside the sum.

    Example:
        >>> w = cb.ones(2, requires_grad=True)
        >>> w.sum().backward()
        >>> cb.optim.SGD([w], lr=0.5).step()
        >>> w.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_options("SGD", lr, 0, weight_decay)
        check_range("SGD", momentum >= 0, "momentum must not be negative", momentum=momentum)
        usable = not nesterov or (momentum > 0 and dampening == 0)
        check_range("SGD", usable, "nesterov needs momentum and no dampening", momentum=momentum, dampening=dampening)
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor], grads: list[Tensor]) -> None:
        lr, momentum, dampening = float(group["lr"]), group["momentum"], group["dampening"]
        options = group["weight_decay"], group["nesterov"], group["maximize"]
        if not momentum:
            self._run(sgd_step, params, grads, (None,), lr, 0.0, 0.0, *options)
            return
        fresh = [p for p in params if self.state[p].get("momentum_buffer") is None]
        for param in fresh:
            self.state[param]["momentum_buffer"] = _zeros_like(param)
        if fresh and dampening:  # the first gradient enters in full
            first = {id(p) for p in fresh}
            pairs = list(zip(params, grads, strict=True))
            self._momentum_step([pair for pair in pairs if id(pair[0]) in first], lr, momentum, 0.0, options)
            self._momentum_step([pair for pair in pairs if id(pair[0]) not in first], lr, momentum, dampening, options)
            return
        buffers = [self.state[p]["momentum_buffer"] for p in params]
        self._run(sgd_step, params, grads, (buffers,), lr, momentum, dampening, *options)

    def _momentum_step(self, pairs: list[Any], lr: float, momentum: float, dampening: float, options: Any) -> None:
        if pairs:
            buffers = [self.state[p]["momentum_buffer"] for p, _ in pairs]
            self._run(
                sgd_step, [p for p, _ in pairs], [g for _, g in pairs], (buffers,), lr, momentum, dampening, *options
            )
