# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps on many parameters at once: a kernel takes up to `MOST` of them, with their gradients and states."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type
from candelabra.compiler.ir import Buffer, Builder, Kernel, Target, Value
from candelabra.compiler.plan import ordered_strides

from ._kernel import KERNELS
from .elements import ceil_div, value_of
from .look import Look
from .places import given

MOST = 8
"""Parameters that one launch steps."""

STRETCH = 4096
"""Elements of a work item where the target has rows."""

Step = Callable[[dict[str, Value], list[Value]], list[Value]]
"""(attributes by name, elements of parameter, gradient and states) to new parameter and states."""


def sgd(a: dict[str, Value], now: list[Value]) -> list[Value]:
    """One element of `sgd_step`."""
    param, grad, *buffers = now
    grad = _effective(a, param, grad)
    if not buffers:
        return [param - grad * a["lr"]]
    buffer = buffers[0] * a["momentum"] + grad * a["taken"]
    ahead = a["nesterov"].ne(0).select(grad + buffer * a["momentum"], buffer)
    return [param - ahead * a["lr"], buffer]


def adam(a: dict[str, Value], now: list[Value]) -> list[Value]:
    """One element of `adam_step`; states are both averages, and the largest second one where there is one."""
    param, grad, average, square, *largest = now
    grad = _effective(a, param, grad)
    param = param * a["shrink"]
    average = average * a["beta1"] + grad * a["fresh1"]
    square = square * a["beta2"] + grad * grad * a["fresh2"]
    most = [(old >= square).select(old, square) for old in largest]
    denominator = ir.sqrt((most or [square])[0]) / a["root"] + a["eps"]
    return [param - average / denominator * a["rate"], average, square, *most]


def _effective(a: dict[str, Value], param: Value, grad: Value) -> Value:
    """The gradient to descend; a parameter that is not finite does not enter it without a penalty."""
    grad = grad * a["sign"]
    return a["decay"].ne(0).select(grad + param * a["decay"], grad)


SGD = ("lr", "momentum", "taken", "decay", "sign", "nesterov")
ADAM = ("rate", "beta1", "fresh1", "beta2", "fresh2", "eps", "root", "decay", "shrink", "sign")


@functools.lru_cache(maxsize=64)
def step_kernel(
    rule: Step, names: tuple[str, ...], arrays: int, sets: int, dtype: np.dtype[Any], target: Target
) -> Kernel:
    """One step of `sets` parameters: each has `arrays` arrays, the first its own memory, the second its gradient."""
    b = Builder(f"{rule.__name__}_{memory_type(dtype)}_{arrays}x{sets}", target)
    memory = [[b.buffer(f"m{s}_{a}", memory_type(dtype), a != 1) for a in range(arrays)] for s in range(sets)]
    attributes = {name: b.scalar(name, value_of(dtype)) for name in names}
    sizes = [b.size(f"n{s}") for s in range(sets)]
    ends, end = [], b.const(0, "i64")
    for size in sizes:
        end = end + (ceil_div(size, STRETCH) if target.rows else size)
        ends.append(end)
    with b.work(end) as item:
        start = b.const(0, "i64")
        for mine, size, end in zip(memory, sizes, ends, strict=True):
            with b.when((item >= start) & (item < end)):
                _steps(b, rule, attributes, mine, item - start, size)
            start = end
    return b.finish()


def _steps(b: Builder, rule: Step, attributes: dict[str, Value], mine: list[Buffer], item: Value, size: Value) -> None:
    def one(i: Value) -> None:
        news = rule(attributes, [m[i] for m in mine])
        for memory, new in zip([mine[0], *mine[2:]], news, strict=True):
            memory[i] = new

    if not b.target.rows:
        return one(item)
    first = item * STRETCH
    with b.loop(ir.minimum(first + STRETCH, size), first, vector=True) as i:
        one(i)
    return None


# -- host ----------------------------------------------------------------------------------------------------------------


def _run(backend: Any, rule: Step, attributes: dict[str, float], lists: Sequence[Sequence[Look]]) -> None:
    """A step of all parameters; `lists` are parameters, gradients and lists of states."""
    names, target, index = tuple(attributes), backend.target, lists[0][0].index
    dtype = lists[0][0].dtype
    one, many = (step_kernel(rule, names, len(lists), n, dtype, target) for n in (1, MOST))
    sets = [s for s in zip(*lists, strict=True) if s[0].size]
    ready = [_flat(backend, s) for s in sets]
    for part in _by(ready, MOST):
        made, whole = (one, part) if len(part) == 1 else (many, [*part, *[part[0]] * (MOST - len(part))])
        sizes = [s[0].size for s in part] + [0] * (len(whole) - len(part))
        count = sum(-(-n // STRETCH) for n in sizes) if target.rows else sum(sizes)
        args = [given(look) for s in whole for look in s]
        backend.launch(made, count, [*args, *attributes.values(), *sizes], index, (one, many))
    for old, new in zip(sets, ready, strict=True):
        for i, (target_look, source) in enumerate(zip(old, new, strict=True)):
            if i != 1 and source is not target_look:
                backend.write(target_look, source)


def _by(values: list[Any], n: int) -> Iterator[list[Any]]:
    return (values[i : i + n] for i in range(0, len(values), n))


def _flat(backend: Any, looks: Sequence[Look]) -> Sequence[Look]:
    """The arrays of one parameter, or copies, with their elements in one order and without gaps."""
    first = looks[0]
    if all(look.is_contiguous for look in looks):
        return looks
    if ordered_strides(first.shape, first.steps) == first.steps and all(look.steps == first.steps for look in looks):
        return looks
    return [backend.contiguous(look) for look in looks]


def sgd_step_(
    backend: Any,
    workspace: dict[Any, Any],
    params: Sequence[Look],
    grads: Sequence[Look],
    buffers: Sequence[Look] | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """`sgd_step` of lists of parameters, written into them."""
    values = (lr, momentum, 1 - dampening, weight_decay, -1.0 if maximize else 1.0, float(nesterov))
    lists = [params, grads, *([] if buffers is None else [buffers])]
    _run(backend, sgd, dict(zip(SGD, map(float, values), strict=True)), lists)


def adam_step_(
    backend: Any,
    workspace: dict[Any, Any],
    params: Sequence[Look],
    grads: Sequence[Look],
    exp_avgs: Sequence[Look],
    exp_avg_sqs: Sequence[Look],
    max_exp_avg_sqs: Sequence[Look] | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """`adam_step` of lists of parameters, written into them."""
    values = (
        lr / (1 - beta1**step), beta1, 1 - beta1, beta2, 1 - beta2, eps, math.sqrt(1 - beta2**step),
        0.0 if decoupled else weight_decay, 1 - lr * weight_decay if decoupled else 1.0, -1.0 if maximize else 1.0,
    )  # fmt: skip
    lists = [params, grads, exp_avgs, exp_avg_sqs, *([] if max_exp_avg_sqs is None else [max_exp_avg_sqs])]
    _run(backend, adam, dict(zip(ADAM, map(float, values), strict=True)), lists)


KERNELS.update(sgd_step_=sgd_step_, adam_step_=adam_step_)
