# SPDX-License-Identifier: Apache-2.0
"""Nodes of the backward graph: one for each recorded call, one for each leaf that wants a gradient.

A tensor has a node exactly when it requires a gradient. A node knows the shape and kind of the value it stands for,
so that the engine can sum a broadcast gradient to it, and the clock stamp of its making, which orders the graph.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import AutogradError, CallError, StaleTensorError
from ._storage import tick

if TYPE_CHECKING:
    from ..dispatcher._kind import Kind
    from ..op._declare import Op
    from ._tensor import Tensor

Hook = Callable[..., Any]

traces: weakref.WeakKeyDictionary[Node, traceback.StackSummary] = weakref.WeakKeyDictionary()
"""Where each node was made, in anomaly mode."""


class RemovableHandle:
    """Takes a hook away again: by `remove()`, or at the end of a `with` block."""

    _next_id = 0

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks = hooks
        self.id = RemovableHandle._next_id
        RemovableHandle._next_id += 1

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """Hooks of one node: `tensor` see the gradient of its value, `pre` and `post` frame its rule."""

    __slots__ = ("accumulated", "post", "pre", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, Hook] = {}
        self.pre: dict[int, Hook] = {}
        self.post: dict[int, Hook] = {}
        self.accumulated: dict[int, Hook] = {}


class Node:
    """A recorded call of an op: which rules lead back, what they read, and where their gradients go.

    Attributes:
        edges: nodes of the tensor operands in order; None where no gradient is wanted.
        saved: what the rules read, at the positions of the kernel parameters; None once freed.
        out: weak references to the results and their handles, where a rule reads them.
    """

    __slots__ = ("__weakref__", "edges", "hooks", "kind", "op", "out", "saved", "shape", "stamp")

    is_leaf = False
    is_output = False

    op: Op
    edges: tuple[Node | None, ...]
    saved: tuple[Any, ...] | None
    out: Any
    shape: Any
    kind: Any
    stamp: int
    hooks: Hooks | None

    def name(self) -> str:
        """Name of the op with the suffix Backward, as in PyTorch."""
        return "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """(node, output number) for each operand."""
        return tuple((edge.parent, edge.index) if isinstance(edge, OutputNode) else (edge, 0) for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    def _hooks(self) -> Hooks:
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(grad_inputs, grad_outputs)` after this node's rules; a returned tuple replaces `grad_inputs`."""
        return add_hook(self._hooks().post, hook)

    def register_prehook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(grad_outputs)` before this node's rules; a returned tuple replaces `grad_outputs`."""
        return add_hook(self._hooks().pre, hook)

    def apply(self, grad: Any) -> Sequence[Tensor | None]:
        """Gradients of the operands, in the order of `edges`, from the gradient of the value."""
        op = self.op
        if op.has_lists:
            return self._apply_to_lists(grad)
        results: list[Tensor | None] = []
        saved = self.saved
        for edge, rule in zip(self.edges, op.rules_in_order, strict=True):
            if edge is None:
                results.append(None)
                continue
            function, reads = rule
            if not reads:
                results.append(function(grad))
            else:
                if saved is None:
                    raise self._freed()
                results.append(function(grad, *[self._read(saved, i) for i in reads]))
        return results

    def _apply_to_lists(self, grad: Any) -> list[Tensor | None]:
        """As `apply`, where an operand is a list of tensors: it has as many edges as tensors."""
        op, edges, saved = self.op, self.edges, self.saved
        lists = sum(p.is_list for p in op.operand_params)
        length = len(edges) - (len(op.operands) - lists)
        results: list[Tensor | None] = []
        for param, rule in zip(op.operand_params, op.rules_in_order, strict=True):
            count = length if param.is_list else 1
            if all(edge is None for edge in edges[len(results) : len(results) + count]):
                results.extend([None] * count)
                continue
            function, reads = rule
            if reads and saved is None:
                raise self._freed()
            found = function(grad, *[self._read(saved, i) for i in reads])  # type: ignore[arg-type]
            results.extend(found if param.is_list else [found])
        return results

    def _freed(self) -> AutogradError:
        return AutogradError(
            f"{self.op.name}: backward through this graph a second time, got saved tensors already freed; "
            "pass retain_graph=True to the first backward"
        )

    def _read(self, saved: tuple[Any, ...], i: int) -> Any:
        if i >= 0:
            value = saved[i]
            if type(value) is list:
                return [self._fresh(v) for v in value]
            storage = getattr(value, "_storage", None)
            return value if storage is None or storage.stamp <= self.stamp else self._fresh(value)
        if i == -1:
            return self._results()
        value = saved[-2 - i]  # the shape of an operand
        if type(value) is list:
            return [v if type(v) is tuple else tuple(v.shape) for v in value]
        return value if type(value) is tuple else tuple(value.shape)

    def _fresh(self, value: Any) -> Any:
        storage = getattr(value, "_storage", None)
        if storage is not None and storage.stamp > self.stamp:
            raise StaleTensorError(
                f"{self.op.name}: a tensor needed for the gradient was changed in place after the forward pass, got "
                f"shape {tuple(value.shape)} at version {storage.version}; clone it before the in-place op"
            )
        return value

    def _results(self) -> Any:
        single = len(self.out) == 1 and self.shape is not None
        found = [self._fresh(self._revive(i, single, *entry)) for i, entry in enumerate(self.out)]
        return found[0] if single else tuple(found)

    def _revive(self, index: int, single: bool, reference: Any, handle: Any, kind: Kind) -> Tensor:
        """The result tensor itself while it lives, else a new tensor on the same handle.

        The node keeps no strong reference to its results, which hold the node: a graph must not be a cycle.
        """
        found = reference()
        if found is None:
            from ._tensor import make_tensor

            found = make_tensor(handle, kind)
            if single:
                found._node = self
            elif kind.dtype.category >= 2 and index not in self.op.nondifferentiable:
                found._node = OutputNode(self, index, handle.shape, kind)
        return found


class OutputNode(Node):
    """One result of a call with several: passes its gradient to the call's node."""

    __slots__ = ("index", "parent")
    is_output = True

    def __init__(self, parent: Node, index: int, shape: Any, kind: Any) -> None:
        self.parent = parent
        self.index = index
        self.shape = shape
        self.kind = kind
        self.edges = (parent,)
        self.saved = ()
        self.out = None
        self.stamp = tick()
        self.hooks = None

    def name(self) -> str:
        return self.parent.name()

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return self.parent.next_functions


class LeafNode(Node):
    """A tensor made by the user that wants its gradient in `.grad`."""

    __slots__ = ("variable",)
    is_leaf = True

    def __init__(self, tensor: Tensor) -> None:
        self.variable = weakref.ref(tensor)
        self.shape = tensor._array.shape
        self.kind = tensor._kind
        self.edges = ()
        self.saved = ()
        self.out = None
        self.stamp = tick()
        self.hooks = None

    def name(self) -> str:
        return "AccumulateGrad"


def add_hook(hooks: dict[int, Hook], hook: Hook) -> RemovableHandle:
    """Adds a hook and returns what removes it."""
    if not callable(hook):
        raise CallError(f"hook: must be callable, got {hook!r}")
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
