# SPDX-License-Identifier: Apache-2.0
"""Optimizer steps written into the parameters' memory, with scratch memory kept from step to step.

Large arrays are worked on in runs that stay in the processor's cache, as each step passes over its arrays many times.
Numbers are kept in 0-d arrays: a ufunc takes 0.3 microseconds less with one than with a Python float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import choice

Array = np.ndarray[Any, Any]

RUN = 1 << 15
"""Elements of a run: four arrays of them take half a megabyte in float32."""


def constants(workspace: dict[Any, Any], dtype: Any, *values: float) -> list[Array]:
    """`values` as 0-d arrays, made once and filled anew when a value changed."""
    known = workspace.get("constants")
    if known is None or len(known[0]) != len(values):
        known = workspace["constants"] = [(), [np.empty((), dtype) for _ in values]]
    if known[0] != values:
        for array, value in zip(known[1], values, strict=True):
            array.fill(value)
        known[0] = values
    return known[1]


def scratch(workspace: dict[Any, Any], array: Array) -> tuple[Array, Array]:
    """Two arrays of the shape and dtype of `array`, the same ones each time."""
    found = workspace.get(array.shape)
    if found is None:
        found = workspace[array.shape] = (np.empty(array.shape, array.dtype), np.empty(array.shape, array.dtype))
    return found


def runs(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The arrays cut alike into runs that fit the cache; whole where one of them is not contiguous."""
    if not all(a.flags.c_contiguous for a in arrays):
        yield arrays
        return
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, RUN):
        yield tuple([a[start : start + RUN] for a in flat])


def each(
    update: Callable[..., None],
    workspace: dict[Any, Any],
    lists: Sequence[Sequence[Array]],
    fused: Callable[..., bool],
) -> None:
    """Calls `update(*arrays, scratch, scratch)` for each position of the lists, run by run for large arrays.

    Args:
        fused: does the same for large arrays, in one pass over memory; False where it cannot.
    """
    for arrays in zip(*lists, strict=True):
        first = arrays[0]
        if first.size > RUN and fused(*arrays):
            continue
        if first.size <= RUN:
            found = workspace.get(first.shape)
            update(*arrays, *(scratch(workspace, first) if found is None else found))
        else:
            for part in runs(*arrays):
                update(*part, *scratch(workspace, part[0]))


def in_one_pass(op: str, outs: Sequence[Array | None], *args: Any) -> bool:
    """Runs the compiled formula of a step, with results written over its operands; False where there is none."""
    if choice.mode() == "numpy":
        return False
    from candelabra.compiler.trace import UntraceableError

    from ..compiled import fused

    try:
        fused(op).call_into(outs, *args)
    except UntraceableError:
        return False
    return True


def sgd_step_(
    workspace: dict[Any, Any],
    params: Sequence[Array],
    grads: Sequence[Array],
    buffers: Sequence[Array] | None,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    add, multiply, subtract = np.add, np.multiply, np.subtract
    if buffers is None and not weight_decay and not maximize:
        (rate,) = constants(workspace, params[0].dtype, lr)
        for param, grad in zip(params, grads, strict=True):  # spelled out: a call of a closure costs half the work
            if param.size > RUN:
                if in_one_pass("sgd_step", (param,), param, grad, None, lr, 0.0, 0.0, 0.0, False, False):
                    continue
                for part, part_grad in runs(param, grad):
                    subtract(part, multiply(part_grad, rate, scratch(workspace, part)[0]), part)
                continue
            found = workspace.get(param.shape)
            change = scratch(workspace, param)[0] if found is None else found[0]
            multiply(grad, rate, change)
            subtract(param, change, param)
        return
    rate, kept, taken, decay, signed = constants(
        workspace, params[0].dtype, lr, momentum, 1 - dampening, weight_decay, -1.0 if maximize else 1.0
    )

    def update(param: Array, grad: Array, buffer: Array, change: Array, effective: Array) -> None:
        if weight_decay or maximize:
            multiply(param, decay, effective)
            multiply(grad, signed, change)
            grad = add(effective, change, effective)
        if buffers is None:
            multiply(grad, rate, change)
        else:
            multiply(buffer, kept, buffer)
            add(buffer, multiply(grad, taken, change) if dampening else grad, buffer)
            if nesterov:
                multiply(buffer, kept, change)
                add(change, grad, change)
                multiply(change, rate, change)
            else:
                multiply(buffer, rate, change)
        subtract(param, change, param)

    def fused(param: Array, grad: Array, buffer: Array) -> bool:
        options = (lr, momentum, dampening, weight_decay, nesterov, maximize)
        if buffers is None:
            return in_one_pass("sgd_step", (param,), param, grad, None, *options)
        return in_one_pass("sgd_step", (param, buffer), param, grad, buffer, *options)

    each(update, workspace, (params, grads, params if buffers is None else buffers), fused)


def adam_step_(
    workspace: dict[Any, Any],
    params: Sequence[Array],
    grads: Sequence[Array],
    exp_avgs: Sequence[Array],
    exp_avg_sqs: Sequence[Array],
    max_exp_avg_sqs: Sequence[Array] | None,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    # m / (sqrt(v) / root + eps) * rate, with root taken out of the denominator: one pass less.
    root = math.sqrt(1 - beta2**step)
    shrink = 1 - lr * weight_decay if decoupled else weight_decay
    rate, fresh1, keep2, fresh2, small, shrink_, signed = constants(
        workspace,
        params[0].dtype,
        lr / (1 - beta1**step) * root,
        1 - beta1,
        beta2,
        1 - beta2,
        eps * root,
        shrink,
        -1.0 if maximize else 1.0,
    )
    add, divide, multiply, sqrt, subtract = np.add, np.divide, np.multiply, np.sqrt, np.subtract

    def update(
        param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, largest: Array, change: Array, effective: Array
    ) -> None:
        if maximize:
            grad = multiply(grad, signed, effective)
        if weight_decay:
            if decoupled:
                multiply(param, shrink_, param)
            else:
                multiply(param, shrink_, change)
                grad = add(grad, change, effective)
        subtract(grad, exp_avg, change)
        multiply(change, fresh1, change)
        add(exp_avg, change, exp_avg)
        multiply(exp_avg_sq, keep2, exp_avg_sq)
        multiply(grad, grad, change)
        multiply(change, fresh2, change)
        add(exp_avg_sq, change, exp_avg_sq)
        if max_exp_avg_sqs is not None:
            exp_avg_sq = np.maximum(largest, exp_avg_sq, out=largest)
        sqrt(exp_avg_sq, change)
        add(change, small, change)
        divide(exp_avg, change, change)
        multiply(change, rate, change)
        subtract(param, change, param)

    largest = exp_avg_sqs if max_exp_avg_sqs is None else max_exp_avg_sqs

    def fused(param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, most: Array) -> bool:
        states = [exp_avg, exp_avg_sq] if max_exp_avg_sqs is None else [exp_avg, exp_avg_sq, most]
        options = (step, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)
        given = [*states, None] if max_exp_avg_sqs is None else states
        return in_one_pass("adam_step", (param, *states), param, grad, *given, *options)

    each(update, workspace, (params, grads, exp_avgs, exp_avg_sqs, largest), fused)


OWN = {"adam_step_": adam_step_, "sgd_step_": sgd_step_}
