# SPDX-License-Identifier: Apache-2.0
"""The engine: walks the graph from its roots, newest node first, and adds gradients up.

A node is always made after the nodes of its operands, so the clock stamps are a topological order: a heap of stamps is
the whole schedule, with no recursion and no count of dependencies.
"""

from __future__ import annotations

import heapq
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

from .. import _config
from .._errors import ArgumentError, AutogradError, CallError, ShapeError
from .._layout import contiguous_format
from ..dispatcher._write import write
from ..tensor._node import LeafNode, Node, traces
from ..tensor._tensor import Tensor, make_tensor


def fit(grad: Tensor, node: Node) -> Tensor:
    """`grad` summed to the shape of `node`'s value and cast to its dtype."""
    shape = node.shape
    if grad._array.shape != shape:
        grad = sum_to_size(grad, shape)
    if grad._kind is not node.kind:
        grad = _cast(grad, node.kind)
    return grad


def _cast(grad: Tensor, kind: Any) -> Tensor:
    if grad._kind.dtype.is_complex and not kind.dtype.is_complex:
        grad = grad.real
    return grad.to(device=kind.device, dtype=kind.dtype)


def sum_to_size(grad: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The gradient of broadcasting: sums over the dims that were added or stretched."""
    lead = grad.dim() - len(shape)
    dims = [i for i in range(grad.dim()) if i < lead or (shape[i - lead] == 1 and grad.shape[i] != 1)]
    if dims:
        grad = grad.sum(dims, keepdim=True)
    return grad.reshape(shape) if lead or grad.shape != shape else grad


def run(
    roots: Sequence[tuple[Node, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    wanted: Sequence[Node] | None = None,
    accumulate: bool = True,
) -> dict[Node, Tensor]:
    """Walks back from `roots`.

    Args:
        roots: nodes with the gradients of their values.
        retain_graph: keep what the rules read, for another pass.
        create_graph: record the pass itself, for higher derivatives.
        wanted: nodes whose gradients are returned; only paths to them are walked. None walks all.
        accumulate: add to `.grad` of the leaves met.

    Returns:
        Gradients of the `wanted` nodes that were reached.
    """
    grads: dict[Node, Any] = {}
    heap: list[tuple[int, Node]] = []
    upcoming: Node | None = None
    needed = None if wanted is None else _leading_to(set(wanted), [node for node, _ in roots])
    captured: dict[Node, Tensor] = {}
    capture = frozenset(wanted) if wanted else ()
    push, pop = heapq.heappush, heapq.heappop
    token = _config.grad_enabled.set(create_graph)
    anomaly = _config.anomaly_contexts and _config.anomaly_mode.get()
    try:
        for node, grad in roots:
            if needed is None or node in needed:
                if node in grads:
                    grads[node] = grads[node] + grad
                else:
                    grads[node] = grad
                    push(heap, (-node.stamp, node))
        while True:
            # A lone successor is taken directly: in a chain the heap would hold one node at a time.
            if upcoming is not None:
                node, upcoming = upcoming, None
            elif heap:
                node = pop(heap)[1]
            else:
                break
            grad = grads.pop(node)
            hooks = node.hooks
            if hooks is not None and hooks.tensor:
                grad = _run_tensor_hooks(hooks.tensor, grad)
            if capture and node in capture:
                captured[node] = grad
            if node.is_leaf:
                if accumulate:
                    _accumulate(node, grad, create_graph)  # type: ignore[arg-type]
                continue
            if needed is not None and not any(edge in needed for edge in node.edges):
                continue  # what lies behind is not wanted: its rules must not run, nor what they read be freed
            if node.is_output:
                parent = node.parent  # type: ignore[attr-defined]
                slots = grads.get(parent)
                if slots is None:
                    slots = grads[parent] = {}
                    push(heap, (-parent.stamp, parent))
                known = slots.get(node.index)  # type: ignore[attr-defined]
                slots[node.index] = grad if known is None else known + grad  # type: ignore[attr-defined]
                continue
            if hooks is not None and hooks.pre:
                grad = _run_pre_hooks(hooks.pre, grad)
            try:
                results = node.apply(grad)
            except Exception as error:
                if anomaly:
                    error.add_note(f"{node.name()}: forward call:\n{_made_at(node)}")
                raise
            if anomaly and _config.anomaly_check_nan.get():
                _check_anomaly(node, results)
            if hooks is not None and hooks.post:
                results = _run_post_hooks(hooks.post, results, grad)
            if not retain_graph:
                node.saved = node.out = None
            grad = None  # type: ignore[assignment]
            for edge, result in zip(node.edges, results, strict=True):
                if edge is None or result is None or (needed is not None and edge not in needed):
                    continue
                if result._array.shape != edge.shape or result._kind is not edge.kind:
                    result = fit(result, edge)
                known = grads.get(edge)
                if known is not None:
                    grads[edge] = known + result
                    continue
                grads[edge] = result
                if heap or upcoming is not None:
                    if upcoming is not None:
                        push(heap, (-upcoming.stamp, upcoming))
                        upcoming = None
                    push(heap, (-edge.stamp, edge))
                else:
                    upcoming = edge
            result = results = known = None  # type: ignore[assignment]
    finally:
        _config.grad_enabled.reset(token)
    return captured


def _leading_to(wanted: set[Node], roots: list[Node]) -> set[Node]:
    """Nodes on a path from `roots` to `wanted`, found without recursion."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            order.append(node)
            stack.extend(edge for edge in node.edges if edge is not None)
    leading = set(wanted)
    for node in sorted(order, key=lambda n: n.stamp):
        if any(edge in leading for edge in node.edges):
            leading.add(node)
    return leading


# References to a gradient that nobody else holds, as seen from _accumulate: measured at import, since Python versions
# differ in how many their own call leaves.
def _count_references() -> int:
    def inner(grad: Any) -> int:
        return sys.getrefcount(grad)

    grad = object()
    return inner(grad)


_OWN_REFERENCES = _count_references()

# Threads may share leaves: a sum that another thread's came between would lose one of them.
_accumulating = threading.RLock()


def _accumulate(node: LeafNode, grad: Tensor, create_graph: bool) -> None:
    leaf = node.variable()
    if leaf is None:
        return
    with _accumulating:
        known = leaf._grad
        if known is not None:
            if create_graph:
                leaf._grad = known + grad
            else:
                write(known, known + grad)
        elif create_graph:
            leaf._grad = grad
        elif grad._storage is None and sys.getrefcount(grad) <= _OWN_REFERENCES:
            leaf._grad = grad  # nobody else can see it: no copy
        else:
            leaf._grad = grad.detach().clone(memory_format=contiguous_format)
    if node.hooks is not None:
        for hook in tuple(node.hooks.accumulated.values()):
            hook(leaf)


def _run_tensor_hooks(hooks: dict[int, Any], grad: Tensor) -> Tensor:
    for hook in tuple(hooks.values()):
        replacement = hook(grad)
        if replacement is not None:
            if tuple(replacement.shape) != tuple(grad.shape):
                raise ShapeError(
                    f"register_hook: a replaced gradient must keep its shape, got {tuple(replacement.shape)} for "
                    f"{tuple(grad.shape)}"
                )
            grad = replacement
    return grad


def _run_pre_hooks(hooks: dict[int, Any], grad: Any) -> Any:
    for hook in tuple(hooks.values()):
        replacement = hook(tuple(grad.values()) if isinstance(grad, dict) else (grad,))
        if replacement is not None:
            replacement = replacement if isinstance(replacement, tuple) else (replacement,)
            grad = dict(zip(grad, replacement, strict=True)) if isinstance(grad, dict) else replacement[0]
    return grad


def _run_post_hooks(hooks: dict[int, Any], results: Sequence[Any], grad: Any) -> Sequence[Any]:
    for hook in tuple(hooks.values()):
        replacement = hook(tuple(results), tuple(grad.values()) if isinstance(grad, dict) else (grad,))
        if replacement is not None:
            results = replacement if isinstance(replacement, tuple) else (replacement,)
    return results


def _check_anomaly(node: Node, results: Sequence[Tensor | None]) -> None:
    for i, result in enumerate(results):
        if result is None or not result._kind.dtype.category >= 2 or not bool(result.isnan().any()):
            continue
        raise AutogradError(f"{node.name()}: returned nan for operand {i}; forward call:\n{_made_at(node)}")


def _made_at(node: Node) -> str:
    """Traceback of the call that made a node."""
    trace = traces.get(node)
    return "".join(traceback.format_list(list(trace))) if trace else "(made outside anomaly mode)\n"


def _root_gradient(tensor: Tensor, grad: Tensor | None, what: str) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise CallError(f"{what}: takes tensors, got {tensor!r} of type {type(tensor).__name__}")
    if tensor._node is None:
        raise AutogradError(
            f"{what}: tensor does not require a gradient and has no graph, got shape {tuple(tensor.shape)}; "
            "set requires_grad=True on what it was computed from"
        )
    if grad is None:
        if tensor.numel() != 1:
            raise AutogradError(
                f"{what}: a gradient can be made up for one-element tensors only, got shape {tuple(tensor.shape)}; "
                "pass gradient=, or reduce to a scalar first"
            )
        return one(tensor)
    if tuple(grad.shape) != tuple(tensor.shape):
        raise ShapeError(
            f"{what}: gradient must have the tensor's shape, got {tuple(grad.shape)} for {tuple(tensor.shape)}"
        )
    return fit(grad, tensor._node)


_ones: dict[Any, Any] = {}


def one(tensor: Tensor) -> Tensor:
    """The gradient of a one-element tensor with respect to itself."""
    from ..ops.likes import ones_like

    if tensor._array.shape:
        return ones_like(tensor.detach())
    kind = tensor._kind
    handle = _ones.get(kind)
    if handle is None:
        handle = _ones[kind] = ones_like(tensor.detach())._array
    # A copy, since hooks and `retain_grad` hand it to the user, who may write into it.
    return make_tensor(kind.backend.copy(handle), kind)


def _listed(value: Any, count: int | None = None) -> list[Any]:
    if value is None:
        return [None] * (count or 0)
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _roots(tensors: list[Tensor], grads: list[Tensor | None], what: str) -> list[tuple[Node, Tensor]]:
    if len(tensors) != len(grads):
        raise ArgumentError(f"{what}: one gradient a tensor, got {len(grads)} for {len(tensors)} tensors")
    return [(t._node, _root_gradient(t, g, what)) for t, g in zip(tensors, grads, strict=True)]  # type: ignore[misc]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradients of `tensors` with respect to the graph's leaves to their `.grad`.

    Args:
        tensors: roots, of any shape.
        grad_tensors: gradients of the roots, of their shapes; may be None for one-element roots.
        retain_graph: keep the graph for another pass; `create_graph` when None.
        create_graph: record the pass itself, so that the gradients can be differentiated.
        inputs: leaves to accumulate into; all of them when None.

    Raises:
        AutogradError: a root has no graph, the graph was freed by an earlier pass, or one of `inputs` is no leaf.

    Example:
        >>> x = cb.tensor([1.0, 2.0], requires_grad=True)
        >>> cb.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    if grad_tensors is None and inputs is None and isinstance(tensors, Tensor):
        node = tensors._node
        root = _root_gradient(tensors, None, "backward")
        run([(node, root)], create_graph if retain_graph is None else retain_graph, create_graph)  # type: ignore[list-item]
        return
    listed = _listed(tensors)
    roots = _roots(listed, _listed(grad_tensors, len(listed)), "backward")
    wanted = None if inputs is None else _nodes_of(_listed(inputs), "backward")
    for found in wanted or ():
        if not found.is_leaf:
            raise AutogradError(f"backward: inputs must be leaves, got the result of {found.name()}")
    run(roots, create_graph if retain_graph is None else retain_graph, create_graph, wanted)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Gradients of `outputs` with respect to `inputs`; leaves every `.grad` as it is.

    Args:
        outputs: roots, of any shape.
        inputs: tensors on the graph, leaves or not.
        grad_outputs: gradients of the roots; may be None for one-element roots. With `is_grads_batched`, each has
            one more leading dim, and so do the results.
        retain_graph: keep the graph for another pass; `create_graph` when None.
        create_graph: record the pass itself.
        allow_unused: give None for inputs the outputs do not depend on, instead of raising.
        is_grads_batched: treat the first dim of `grad_outputs` as a batch of gradients.
        materialize_grads: give zeros in place of None.

    Returns:
        One tensor of each input's shape.

    Raises:
        AutogradError: an input does not require a gradient, or was not used and `allow_unused` is not set.

    Example:
        >>> x = cb.tensor(3.0, requires_grad=True)
        >>> cb.autograd.grad(x * x, x)
        (tensor(6.),)
    """
    ins, outs = _listed(inputs), _listed(outputs)
    if is_grads_batched:
        return _batched_grad(outs, ins, _listed(grad_outputs), create_graph, allow_unused, materialize_grads)
    roots = _roots(outs, _listed(grad_outputs, len(outs)), "grad")
    wanted = _nodes_of(ins, "grad")
    retain = create_graph if retain_graph is None else retain_graph
    captured = run(roots, retain, create_graph, wanted, accumulate=False)
    results: list[Tensor | None] = []
    for i, (tensor, node) in enumerate(zip(ins, wanted, strict=True)):
        found = captured.get(node)
        if found is None and materialize_grads:
            from ..ops.likes import zeros_like

            found = zeros_like(tensor.detach())
        elif found is None and not allow_unused:
            raise AutogradError(f"grad: outputs do not depend on this input, got inputs[{i}]; pass allow_unused=True")
        results.append(found)
    return tuple(results)


def _batched_grad(
    outs: list[Any], ins: list[Any], grads: list[Any], create_graph: bool, allow_unused: bool | None, materialize: bool
) -> tuple[Tensor | None, ...]:
    from ..ops.joining import stack

    rows = [
        grad(outs, ins, [g[i] for g in grads], True, create_graph, allow_unused, False, materialize)
        for i in range(grads[0].shape[0])
    ]
    return tuple(None if column[0] is None else stack(column) for column in zip(*rows, strict=True))


def _nodes_of(tensors: list[Any], what: str) -> list[Node]:
    for i, tensor in enumerate(tensors):
        if not hasattr(tensor, "_node"):
            raise CallError(f"{what}: inputs must be tensors, got inputs[{i}]={tensor!r}")
        if tensor._node is None:
            raise AutogradError(
                f"{what}: an input does not require a gradient, got inputs[{i}]; set requires_grad=True"
            )
    return [tensor._node for tensor in tensors]


def _backward_method(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds this tensor's gradients with respect to the leaves of its graph to their `.grad`.

    Args:
        gradient: gradient of this tensor, of its shape; may be left out for one element.
        retain_graph: keep the graph for another pass; `create_graph` when None.
        create_graph: record the pass itself, for higher derivatives.
        inputs: leaves to accumulate into; all when None.
    """
    backward(self, gradient, retain_graph, create_graph, inputs)


Tensor.backward = _backward_method  # type: ignore[method-assign]
