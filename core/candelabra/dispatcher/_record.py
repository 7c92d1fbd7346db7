# SPDX-License-Identifier: Apache-2.0
"""Recording: the backward node of a call, and new histories after in-place writes.

A gradient rule names, as its parameters, what it reads: operands, attributes, `out`, or `<operand>_shape` for a shape
alone. Only those are kept, and only for the operands whose gradient is wanted.
"""

from __future__ import annotations

import traceback
import weakref
from typing import TYPE_CHECKING, Any

from .. import _config
from ..tensor._node import Node, OutputNode, traces
from ..tensor._storage import tick
from ..tensor._tensor import Tensor

if TYPE_CHECKING:
    from ..op._declare import Op

new = object.__new__


def record(op: Op, args: Any, out: Any) -> None:
    """Gives `out` (a tensor or a tuple of them) the node of this call. `args` are kernel parameters, as run."""
    leading = op.leading
    if leading and type(out) is not tuple:
        record_pair(op, args[0], args[1] if leading == 2 else None, out, out._kind, tuple(args[leading:]))
        return
    node = new(Node)
    node.op = op
    edges: list[Node | None] = []
    for i, has_rule in op.edge_plan:
        value = args[i]
        if isinstance(value, Tensor):
            edges.append(value._node if has_rule else None)
        elif type(value) is list:
            edges.extend(v._node if has_rule else None for v in value)
        else:
            edges.append(None)
    node.edges = tuple(edges)
    keeps, keep_out = op.keeps(tuple([edge is not None for edge in edges]) if not op.has_lists else None)
    node.saved = tuple([args[i] if keep == 1 else _shape_of(args[i]) if keep else None for i, keep in keeps])
    node.hooks = None
    node.stamp = tick()
    if type(out) is tuple:
        node.shape = node.kind = None
        node.out = None
        for i, part in enumerate(out):
            if part._kind.dtype.category >= 2 and i not in op.nondifferentiable:
                part._node = OutputNode(node, i, part._array.shape, part._kind)
        if keep_out:
            node.out = [(weakref.ref(part), part._array, part._kind) for part in out]
    else:
        if out._kind.dtype.category < 2:
            return
        node.shape = out._array.shape
        node.kind = out._kind
        node.out = [(weakref.ref(out), out._array, out._kind)] if keep_out else None
        out._node = node
    if _config.anomaly_contexts:
        trace(node)


def record_pair(op: Op, input: Any, other: Any, out: Tensor, kind: Any, rest: tuple[Any, ...] = ()) -> None:
    """`record` for one result of an op whose one or two operands come first; the hot case."""
    if kind.dtype.category < 2:
        return
    node = new(Node)
    node.op = op
    first = getattr(input, "_node", None)
    if op.leading == 1:
        node.edges = (first,)
        keep, _, keep_out = op.pair_keeps[1]
        node.saved = (input if keep == 1 else tuple(input._array.shape) if keep else None, *rest)
    else:
        second = other._node if isinstance(other, Tensor) else None
        rules = op.rules_in_order
        node.edges = (first if rules[0] else None, second if rules[1] else None)
        keep, keep2, keep_out = op.pair_keeps[(first is not None) + 2 * (second is not None)]
        node.saved = (
            input if keep == 1 else _shape_of(input) if keep else None,
            other if keep2 == 1 else _shape_of(other) if keep2 else None,
            *rest,
        )
    array = out._array
    node.hooks = None
    node.stamp = tick()
    node.shape = array.shape
    node.kind = kind
    node.out = [(weakref.ref(out), array, kind)] if keep_out else None
    out._node = node
    if _config.anomaly_contexts:
        trace(node)


def trace(node: Node) -> None:
    """Remembers where a node is made, in anomaly mode."""
    if _config.anomaly_mode.get():
        traces[node] = traceback.extract_stack(limit=12)


def _shape_of(value: Any) -> Any:
    if type(value) is list:
        return [tuple(v._array.shape) for v in value]
    return tuple(value._array.shape) if isinstance(value, Tensor) else ()


def rebase(target: Tensor, value: Tensor) -> None:
    """After `value` was written into `target`: the target, its base and all its views get histories that say so."""
    from ..ops.strided import as_strided_scatter

    base = target._base
    if base is None:
        target._node = value._node
        base = target
    else:
        # The memory holds the result already: the call is recorded without being run.
        after = with_node(base, None)
        record(as_strided_scatter.op, (with_node(base, base._node), value, *_place(target, base)), after)
        base._node = after._node
    assert target._storage is not None
    for view in target._storage.views():
        if view._base is base:
            view._node = _view_node(view, base)


def _place(view: Tensor, base: Tensor) -> tuple[Any, Any, int]:
    backend = view._kind.backend
    offset = (backend.data_ptr(view._array) - backend.data_ptr(base._array)) // view._kind.dtype.itemsize
    return tuple(view._array.shape), backend.strides(view._array), offset


def _view_node(view: Tensor, base: Tensor) -> Node | None:
    from ..ops.strided import as_strided

    if base._node is None:
        return None
    seen = with_node(view, None)
    record(as_strided.op, (with_node(base, base._node), *_place(view, base)), seen)
    return seen._node


def with_node(tensor: Tensor, node: Node | None) -> Tensor:
    """Another tensor on the same handle with a given history: it takes no part in the memory's bookkeeping."""
    from ..tensor._tensor import make_tensor

    other = make_tensor(tensor._array, tensor._kind)
    other._node = node
    return other
