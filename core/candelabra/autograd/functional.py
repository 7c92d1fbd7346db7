# SPDX-License-Identifier: Apache-2.0
"""Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._errors import AutogradError, ShapeError
from ..tensor._tensor import Tensor
from ._engine import grad
from ._modes import enable_grad


def _tupled(value: Any) -> tuple[tuple[Any, ...], bool]:
    return (tuple(value), True) if isinstance(value, (tuple, list)) else ((value,), False)


def _prepare(inputs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return tuple(t.detach().requires_grad_() for t in inputs)


def _zero_if_none(value: Tensor | None, like: Tensor, strict: bool, what: str) -> Tensor:
    if value is not None:
        return value
    if strict:
        raise AutogradError(f"{what}: an output does not depend on an input, got strict=True")
    from ..ops.likes import zeros_like

    return zeros_like(like.detach())


def _shaped(results: list[Any], several: bool) -> Any:
    return tuple(results) if several else results[0]


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False
) -> Any:
    """Derivative of each output element with respect to each input element.

    Args:
        func: takes `inputs`, returns a tensor or several.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: raise when an output does not depend on an input, instead of giving zeros.
        vectorize: accepted for PyTorch's sake; the result is the same.

    Returns:
        For one input and one output a tensor of shape (*output, *input); tuples, nested output first, for several.

    Example:
        >>> cb.autograd.functional.jacobian(lambda x: x * x, cb.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    from ..ops.joining import stack

    listed, several_in = _tupled(inputs)
    with enable_grad():
        ins = _prepare(listed, create_graph)
        outs, several_out = _tupled(func(*ins))
        rows: list[Any] = []
        for out in outs:
            flat = out.reshape(-1)
            columns: list[list[Tensor]] = [[] for _ in ins]
            for i in range(flat.numel()):
                found = (
                    grad(flat[i], ins, retain_graph=True, create_graph=create_graph, allow_unused=True)
                    if flat.requires_grad
                    else (None,) * len(ins)
                )
                for column, g, t in zip(columns, found, ins, strict=True):
                    column.append(_zero_if_none(g, t, strict, "jacobian"))
            parts = [
                stack(column).reshape((*out.shape, *t.shape))
                if column
                else t.detach().new_zeros((*out.shape, *t.shape))
                for column, t in zip(columns, ins, strict=True)
            ]
            rows.append(_shaped(parts, several_in))
    return _shaped(rows, several_out)


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False
) -> Any:
    """Second derivatives of a scalar function.

    Args:
        func: takes `inputs`, returns one tensor of one element.
        inputs, create_graph, strict, vectorize: as of `jacobian`.

    Returns:
        For one input a tensor of shape (*input, *input); a tuple of tuples for several.

    Example:
        >>> cb.autograd.functional.hessian(lambda x: (x * x * x).sum(), cb.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    _, several = _tupled(inputs)

    def first(*ins: Tensor) -> Any:
        out = func(*ins)
        if out.numel() != 1:
            raise ShapeError(f"hessian: func must return one element, got shape {tuple(out.shape)}")
        found = grad(out.reshape(()), ins, create_graph=True, allow_unused=True)
        return tuple(_zero_if_none(g, t, strict, "hessian") for g, t in zip(found, ins, strict=True))

    result = jacobian(first, inputs, create_graph, strict)
    return result if several else result[0]


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Outputs of `func`, and the product of `v` with its Jacobian.

    Args:
        func: takes `inputs`, returns a tensor or several.
        inputs: a tensor or a tuple of them.
        v: of the outputs' shapes; may be None for a one-element output.
        create_graph: make the result differentiable.
        strict: raise when an output does not depend on an input.

    Returns:
        (outputs, product), the product of the inputs' shapes.

    Example:
        >>> cb.autograd.functional.vjp(lambda x: x * x, cb.tensor([1.0, 2.0]), cb.ones(2))[1]
        tensor([2., 4.])
    """
    listed, several = _tupled(inputs)
    with enable_grad():
        ins = _prepare(listed, create_graph)
        outputs = func(*ins)
        outs, several_out = _tupled(outputs)
        weights = None if v is None else list(_tupled(v)[0])
        found = grad(list(outs), ins, weights, create_graph=create_graph, allow_unused=True)
        products = [_zero_if_none(g, t, strict, "vjp") for g, t in zip(found, ins, strict=True)]
    kept = list(outs) if create_graph else [o.detach() for o in outs]
    return _shaped(kept, several_out), _shaped(products, several)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Outputs of `func`, and the product of its Jacobian with `v`, by two reverse passes.

    Args:
        func, inputs, create_graph, strict: as of `vjp`.
        v: of the inputs' shapes; may be None for a one-element input.

    Returns:
        (outputs, product), the product of the outputs' shapes.

    Source: the double-vjp trick: the vjp is linear in its cotangent, and its own vjp there is the jvp.

    Example:
        >>> cb.autograd.functional.jvp(lambda x: x * x, cb.tensor([1.0, 2.0]), cb.ones(2))[1]
        tensor([2., 4.])
    """
    from ..ops.likes import ones_like, zeros_like

    listed, _ = _tupled(inputs)
    with enable_grad():
        ins = _prepare(listed, create_graph)
        outputs = func(*ins)
        outs, several_out = _tupled(outputs)
        seeds = [zeros_like(o.detach()).requires_grad_() for o in outs]
        found = grad(list(outs), ins, seeds, create_graph=True, allow_unused=True)
        tangents = [ones_like(t.detach()) for t in ins] if v is None else list(_tupled(v)[0])
        used = [(g, t) for g, t in zip(found, tangents, strict=True) if g is not None and g.requires_grad]
        if used:
            products = grad(
                [g for g, _ in used], seeds, [t for _, t in used], create_graph=create_graph, allow_unused=True
            )
        else:
            products = (None,) * len(seeds)
        results = [_zero_if_none(p, o, strict, "jvp") for p, o in zip(products, outs, strict=True)]
    kept = list(outs) if create_graph else [o.detach() for o in outs]
    return _shaped(kept, several_out), _shaped(results, several_out)


def vhp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Value of a scalar function, and the product of `v` with its Hessian.

    Args:
        func: takes `inputs`, returns one element.
        inputs, create_graph, strict: as of `vjp`.
        v: of the inputs' shapes; may be None for a one-element input.

    Returns:
        (value, product), the product of the inputs' shapes.

    Example:
        >>> cb.autograd.functional.vhp(lambda x: (x * x).sum(), cb.tensor([1.0, 2.0]), cb.ones(2))[1]
        tensor([2., 2.])
    """
    listed, several = _tupled(inputs)
    with enable_grad():
        ins = _prepare(listed, create_graph)
        value = func(*ins)
        first = [
            _zero_if_none(g, t, strict, "vhp")
            for g, t in zip(grad(value, ins, create_graph=True, allow_unused=True), ins, strict=True)
        ]
        used = [(g, n) for n, g in enumerate(first) if g.requires_grad]
        weights = [t.detach() * 0 + 1 for t in ins] if v is None else list(_tupled(v)[0])
        found = (
            grad([g for g, _ in used], ins, [weights[n] for _, n in used], create_graph=create_graph, allow_unused=True)
            if used
            else (None,) * len(ins)
        )
        products = [_zero_if_none(g, t, strict, "vhp") for g, t in zip(found, ins, strict=True)]
    return value if create_graph else value.detach(), _shaped(products, several)


def hvp(func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """Value of a scalar function, and the product of its Hessian with `v`: the same as `vhp`, Hessians being symmetric.

    Args:
        func, inputs, v, create_graph, strict: as of `vhp`.

    Returns:
        (value, product), the product of the inputs' shapes.

    Example:
        >>> cb.autograd.functional.hvp(lambda x: (x * x).sum(), cb.tensor([1.0, 2.0]), cb.ones(2))[1]
        tensor([2., 2.])
    """
    return vhp(func, inputs, v, create_graph, strict)
