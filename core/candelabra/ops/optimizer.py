# SPDX-License-Identifier: Apache-2.0
"""One step of each optimizer, on one parameter: pure functions from old values to new ones.

Each takes the parameter, its gradient and the optimizer's state tensors, and returns the new parameter and the new
state tensors, in that order; `candelabra.optim` writes them back. A backend may offer a kernel called like the op with
an underscore, `adam_step_(workspace, params, grads, ..., *attributes)`: the same step on lists of handles, written into
the memory of all but the gradients. `workspace` is a dict in which it may keep scratch memory from step to step.
"""

from __future__ import annotations

import math
from typing import Any

from ..op import op, rules
from ..tensor._tensor import Tensor
from ..testing.samples import Operand, Sample

__all__ = [
    "adadelta_step", "adagrad_step", "adam_step", "adamax_step", "asgd_step", "nadam_step", "radam_step",
    "rmsprop_step", "rprop_step", "sgd_step",
]  # fmt: skip

_SHAPES = ((3, 5), (), (7,), (0, 2))


def _samples(states: int, *attributes: Any, **others: Any) -> list[Sample]:
    """Samples over shapes and lists of attributes; states are positive, as averages of squares are."""
    return [
        Sample(Operand(shape), Operand(shape, nonzero=0.1), *[Operand(shape, 0.2, 2.0)] * states, *attributes, **others)
        for shape in _SHAPES
    ]


def _effective(param: Tensor, grad: Tensor, weight_decay: float, maximize: bool) -> Tensor:
    """The gradient to descend: its sign turned to ascend, and the gradient of the L2 penalty added."""
    grad = -grad if maximize else grad
    return grad + param * weight_decay if weight_decay else grad


def _blend(old: Tensor, new: Tensor, beta: float) -> Tensor:
    """Moving average: `beta` of the old value and the rest of the new one."""
    return old * beta + new * (1 - beta)


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        *_samples(0, None, 0.1),
        *_samples(1, 0.1, 0.9, 0.1, 0.01),
        *_samples(1, 0.1, 0.9, 0.0, 0.01, True, True),
    ],
)
def sgd_step(
    param: Tensor,
    grad: Tensor,
    momentum_buffer: Tensor | None,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of stochastic gradient descent, with momentum when there is a buffer.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        momentum_buffer: running sum of gradients, shape (*); zeros before the first step. None without momentum.
        lr: learning rate.
        momentum: share of the buffer that is kept.
        dampening: share of the gradient that does not enter the buffer.
        weight_decay: factor of the L2 penalty.
        nesterov: step along the buffer as it will be after the next gradient like this one.
        maximize: ascend.

    Returns:
        The new parameter, and the new buffer when there is one; shape (*).

    Source: Sutskever et al. (2013), with the learning rate outside the buffer.

    Example:
        >>> cb.ops.optimizer.sgd_step(cb.ones(2), cb.ones(2), None, 0.5)
        (tensor([0.5000, 0.5000]),)
    """
    grad = _effective(param, grad, weight_decay, maximize)
    if momentum_buffer is None:
        return (param - grad * lr,)
    buffer = momentum_buffer * momentum + grad * (1 - dampening)
    return param - (grad + buffer * momentum if nesterov else buffer) * lr, buffer


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        *_samples(2, None, 3, 0.1, 0.9, 0.99, 1e-8),
        *_samples(3, 1, 0.1, 0.9, 0.99, 1e-8, 0.01, True, True),
        *_samples(2, None, 1, 0.1, 0.8, 0.9, 1e-3, 0.01),
    ],
)
def adam_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor | None,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of Adam, of AMSGrad when there is a largest second moment, of AdamW when `decoupled`.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        exp_avg: moving average of the gradient, shape (*).
        exp_avg_sq: moving average of its square, shape (*).
        max_exp_avg_sq: the largest `exp_avg_sq` so far, shape (*), or None.
        step: number of this step, from 1.
        lr: learning rate.
        beta1: share of `exp_avg` that is kept.
        beta2: share of `exp_avg_sq` that is kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when `decoupled`.
        decoupled: shrink the parameter itself instead of changing the gradient.
        maximize: ascend.

    Returns:
        The new parameter and the new averages; shape (*).

    Source: Kingma and Ba (2015); Reddi et al. (2018) for AMSGrad; Loshchilov and Hutter (2019) for AdamW.

    Example:
        >>> zero = cb.zeros(1)
        >>> cb.ops.optimizer.adam_step(cb.ones(1), cb.ones(1), zero, zero, None, 1, 0.1)[0]
        tensor([0.9000])
    """
    grad = _effective(param, grad, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        param = param * (1 - lr * weight_decay)
    exp_avg = _blend(exp_avg, grad, beta1)
    exp_avg_sq = _blend(exp_avg_sq, grad * grad, beta2)
    largest = exp_avg_sq if max_exp_avg_sq is None else max_exp_avg_sq.maximum(exp_avg_sq)
    denominator = largest.sqrt() / (1 - beta2**step) ** 0.5 + eps
    param = param - exp_avg / denominator * (lr / (1 - beta1**step))
    return (param, exp_avg, exp_avg_sq) if max_exp_avg_sq is None else (param, exp_avg, exp_avg_sq, largest)


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [*_samples(1, 3, 0.1), *_samples(1, 2, 0.1, 0.1, 0.01, 1e-6, True)],
)
def adagrad_step(
    param: Tensor,
    grad: Tensor,
    sum: Tensor,
    step: int,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of Adagrad.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        sum: sum of the squares of all gradients so far, shape (*).
        step: number of this step, from 1.
        lr: learning rate of the first step.
        lr_decay: the rate is divided by `1 + (step - 1) * lr_decay`.
        weight_decay: factor of the L2 penalty.
        eps: added to the denominator.
        maximize: ascend.

    Returns:
        The new parameter and the new sum; shape (*).

    Source: Duchi, Hazan and Singer (2011).

    Example:
        >>> cb.ops.optimizer.adagrad_step(cb.ones(1), cb.ones(1), cb.zeros(1), 1, 0.5)
        (tensor([0.5000]), tensor([1.]))
    """
    grad = _effective(param, grad, weight_decay, maximize)
    sum = sum + grad * grad
    return param - grad / (sum.sqrt() + eps) * (lr / (1 + (step - 1) * lr_decay)), sum


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [*_samples(2, 0.5), *_samples(2, 0.5, 0.8, 1e-3, 0.01, True)],
)
def adadelta_step(
    param: Tensor,
    grad: Tensor,
    square_avg: Tensor,
    acc_delta: Tensor,
    lr: float,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of Adadelta.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        square_avg: moving average of the square of the gradient, shape (*).
        acc_delta: moving average of the square of the change, shape (*).
        lr: factor of the change.
        rho: share of the averages that is kept.
        eps: added to both averages before their roots.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Returns:
        The new parameter and the new averages; shape (*).

    Source: Zeiler (2012).

    Example:
        >>> zero = cb.zeros(1)
        >>> cb.ops.optimizer.adadelta_step(cb.ones(1), cb.ones(1), zero, zero, 1.0)[1]
        tensor([0.1000])
    """
    grad = _effective(param, grad, weight_decay, maximize)
    square_avg = _blend(square_avg, grad * grad, rho)
    delta = grad * (acc_delta + eps).sqrt() / (square_avg + eps).sqrt()
    return param - delta * lr, square_avg, _blend(acc_delta, delta * delta, rho)


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        *_samples(1, None, None, 0.1),
        *[Sample(Operand((3,)), Operand((3,)), Operand((3,), 3, 4), None, Operand((3,)), 0.1, 0.9, 1e-8, 0.1, 0.9)],
        *[Sample(*[Operand((3,))] * 2, Operand((3,), 6, 7), Operand((3,), -1, 1), Operand((3,)), 0.1, maximize=True)],
    ],
)
def rmsprop_step(
    param: Tensor,
    grad: Tensor,
    square_avg: Tensor,
    grad_avg: Tensor | None,
    momentum_buffer: Tensor | None,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of RMSprop: centered when there is an average of the gradient, with momentum when there is a buffer.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        square_avg: moving average of the square of the gradient, shape (*).
        grad_avg: moving average of the gradient, shape (*), or None.
        momentum_buffer: running sum of the scaled gradients, shape (*), or None.
        lr: learning rate.
        alpha: share of the averages that is kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: share of the buffer that is kept.
        maximize: ascend.

    Returns:
        The new parameter and the new state tensors that are not None; shape (*).

    Source: Tieleman and Hinton (2012); Graves (2013) for the centered form.

    Example:
        >>> cb.ops.optimizer.rmsprop_step(cb.ones(1), cb.ones(1), cb.ones(1), None, None, 0.5)
        (tensor([0.5000]), tensor([1.]))
    """
    grad = _effective(param, grad, weight_decay, maximize)
    square_avg = _blend(square_avg, grad * grad, alpha)
    state = [square_avg]
    variance = square_avg
    if grad_avg is not None:
        grad_avg = _blend(grad_avg, grad, alpha)
        variance = square_avg - grad_avg * grad_avg
        state.append(grad_avg)
    change = grad / (variance.sqrt() + eps)
    if momentum_buffer is not None:
        change = momentum_buffer * momentum + change
        state.append(change)
    return param - change * lr, *state


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [*_samples(2, 3, 0.1), *_samples(2, 1, 0.1, 0.8, 0.9, 1e-6, 0.01, True)],
)
def adamax_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_inf: Tensor,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of Adamax, Adam with the infinity norm.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        exp_avg: moving average of the gradient, shape (*).
        exp_inf: decaying largest magnitude of the gradient, shape (*).
        step: number of this step, from 1.
        lr: learning rate.
        beta1: share of `exp_avg` that is kept.
        beta2: decay of `exp_inf`.
        eps: added to the magnitude of the gradient.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Returns:
        The new parameter and the new averages; shape (*).

    Source: Kingma and Ba (2015), section 7.1.

    Example:
        >>> zero = cb.zeros(1)
        >>> cb.ops.optimizer.adamax_step(cb.ones(1), cb.ones(1), zero, zero, 1, 0.5)[0]
        tensor([0.5000])
    """
    grad = _effective(param, grad, weight_decay, maximize)
    exp_avg = _blend(exp_avg, grad, beta1)
    exp_inf = (exp_inf * beta2).maximum(grad.abs() + eps)
    return param - exp_avg / exp_inf * (lr / (1 - beta1**step)), exp_avg, exp_inf


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [*_samples(2, 0.9, 3, 0.1), *_samples(2, 0.8, 1, 0.1, 0.8, 0.9, 1e-6, 0.01, 0.01, True, True)],
)
def nadam_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    mu_product: float,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of NAdam, Adam with Nesterov's momentum.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        exp_avg: moving average of the gradient, shape (*).
        exp_avg_sq: moving average of its square, shape (*).
        mu_product: product of `nadam_mu` of all steps, this one included.
        step: number of this step, from 1.
        lr: learning rate.
        beta1: share of `exp_avg` that is kept.
        beta2: share of `exp_avg_sq` that is kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when `decoupled`.
        momentum_decay: how fast the momentum nears `beta1`.
        decoupled: shrink the parameter itself instead of changing the gradient.
        maximize: ascend.

    Returns:
        The new parameter and the new averages; shape (*).

    Source: Dozat (2016).

    Example:
        >>> zero = cb.zeros(1)
        >>> cb.ops.optimizer.nadam_step(cb.ones(1), cb.ones(1), zero, zero, 0.5, 1, 0.1)[1]
        tensor([0.1000])
    """
    grad = _effective(param, grad, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        param = param * (1 - lr * weight_decay)
    exp_avg = _blend(exp_avg, grad, beta1)
    exp_avg_sq = _blend(exp_avg_sq, grad * grad, beta2)
    denominator = (exp_avg_sq / (1 - beta2**step)).sqrt() + eps
    mu, mu_next = (nadam_mu(t, beta1, momentum_decay) for t in (step, step + 1))
    ahead = exp_avg * (mu_next / (1 - mu_product * mu_next)) + grad * ((1 - mu) / (1 - mu_product))
    return param - ahead / denominator * lr, exp_avg, exp_avg_sq


def nadam_mu(step: int, beta1: float, momentum_decay: float) -> float:
    """NAdam's momentum at a step."""
    return beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay))


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        *_samples(2, 3, 0.1),
        *_samples(2, 30, 0.1, 0.8, 0.9, 1e-6, 0.01, True, True),
        *_samples(2, 30, 0.1, weight_decay=0.1),
    ],
)
def radam_step(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of RAdam, Adam whose adaptive part waits until its variance is known well enough.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        exp_avg: moving average of the gradient, shape (*).
        exp_avg_sq: moving average of its square, shape (*).
        step: number of this step, from 1.
        lr: learning rate.
        beta1: share of `exp_avg` that is kept.
        beta2: share of `exp_avg_sq` that is kept.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay when `decoupled`.
        decoupled: shrink the parameter itself instead of changing the gradient.
        maximize: ascend.

    Returns:
        The new parameter and the new averages; shape (*).

    Source: Liu et al. (2020), with the threshold 5 of the authors' code.

    Example:
        >>> zero = cb.zeros(1)
        >>> cb.ops.optimizer.radam_step(cb.ones(1), cb.ones(1), zero, zero, 1, 0.5)[0]
        tensor([0.5000])
    """
    grad = _effective(param, grad, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        param = param * (1 - lr * weight_decay)
    exp_avg = _blend(exp_avg, grad, beta1)
    exp_avg_sq = _blend(exp_avg_sq, grad * grad, beta2)
    change = exp_avg / (1 - beta1**step)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * step * beta2**step / (1 - beta2**step)
    if rho > 5:
        rectified = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        change = change / (exp_avg_sq.sqrt() + eps) * ((1 - beta2**step) ** 0.5 * rectified)
    return param - change * lr, exp_avg, exp_avg_sq


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [*_samples(1, 0.1, 1.0), *_samples(1, 0.1, 0.5, 0.01, 0.1, True)],
)
def asgd_step(
    param: Tensor,
    grad: Tensor,
    ax: Tensor,
    eta: float,
    mu: float,
    lambd: float = 1e-4,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of averaged stochastic gradient descent.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        ax: average of the parameter over the steps, shape (*).
        eta: learning rate of this step.
        mu: share of the new parameter in the average.
        lambd: factor of the decay of the parameter.
        weight_decay: factor of the L2 penalty.
        maximize: ascend.

    Returns:
        The new parameter and the new average; shape (*).

    Source: Polyak and Juditsky (1992), in the form of Bottou's svmasgd.

    Example:
        >>> cb.ops.optimizer.asgd_step(cb.ones(1), cb.ones(1), cb.zeros(1), 0.5, 0.5, lambd=0.0)
        (tensor([0.5000]), tensor([0.2500]))
    """
    grad = _effective(param, grad, weight_decay, maximize)
    param = param * (1 - lambd * eta) - grad * eta
    return param, ax + (param - ax) * mu


@op(
    dtype=rules.floating_only,
    method=False,
    samples=lambda: [
        Sample(Operand(s), Operand(s, nonzero=0.1), Operand(s, nonzero=0.1), Operand(s, 0.1, 0.9), maximize=m)
        for s, m in [((3, 5), False), ((7,), True), ((), False), ((0,), False)]
    ],
)
def rprop_step(
    param: Tensor,
    grad: Tensor,
    prev: Tensor,
    step_size: Tensor,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    smallest: float = 1e-6,
    largest: float = 50.0,
    maximize: bool = False,
) -> tuple[Tensor, ...]:
    """One step of resilient backpropagation, which looks at the signs of gradients only.

    Args:
        param: floating dtype, shape (*).
        grad: its gradient, shape (*).
        prev: the gradient of the step before, zero where its sign had turned, shape (*).
        step_size: size of the next change of each element, shape (*).
        eta_minus: factor of the size where the gradient's sign turned.
        eta_plus: factor of the size where it did not.
        smallest: lower bound of the size.
        largest: upper bound of the size.
        maximize: ascend.

    Returns:
        The new parameter, the gradient to remember, and the new sizes; shape (*).

    Source: Riedmiller and Braun (1993), without backtracking.

    Example:
        >>> one = cb.ones(1)
        >>> cb.ops.optimizer.rprop_step(one, one, one, one * 0.5)[0]
        tensor([0.4000])
    """
    grad = -grad if maximize else grad
    agreement = grad * prev
    turned = agreement < 0
    factor = 1 + (agreement > 0).to(grad.dtype) * (eta_plus - 1) + turned.to(grad.dtype) * (eta_minus - 1)
    step_size = (step_size * factor).clamp(smallest, largest)
    grad = grad.masked_fill(turned, 0.0)
    return param - grad.sign() * step_size, grad, step_size
