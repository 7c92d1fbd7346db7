# SPDX-License-Identifier: Apache-2.0
"""Nodes of the backward graph: one for each recorded call, one for each leaf that wants a gradient.

A tensor has a node exactly when it requires a gradient. A node knows the shape and kind of the value it stands for,
so that the engine can sum a broadcast gradient to it, and the clock stamp of its making, which orders the graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import AutogradError, StaleTensorError
from ..tensor._storage import tick

if TYPE_CHECKING:
    from ..dispatcher._kind import Kind
    from ..op._declare import Op
    from ..tensor._tensor import Tensor

Hook = Callable[..., Any]


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
        return tuple(
            (edge.parent, edge.index) if isinstance(edge, OutputNode) else (edge, 0) for edge in self.edges
        )

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

    def release(self) -> None:
        """Drops what the rules read, after a backward pass that does not keep the graph."""
        self.saved = self.out = None

    def apply(self, grad: Any) -> Sequence[Tensor | None]:
        """Gradients of the operands, in the order of `edges`, from the gradient of the value."""
        results: list[Tensor | None] = []
        edges = self.edges
        position = 0
        for rule, count in self.op.rules_by_operand(self.saved, len(edges)):
            if count == 1:
                results.append(None if edges[position] is None else self._call(rule, grad))
            elif any(edge is not None for edge in edges[position : position + count]):
                results.extend(self._call(rule, grad))
            else:
                results.extend([None] * count)
            position += count
        return results

    def _call(self, rule: Any, grad: Any) -> Any:
        if rule is None:
            raise AutogradError(f"{self.op.name}: {self.op.no_gradient()}; detach the operand or use another op")
        function, reads = rule
        if not reads:
            return function(grad)
        saved = self.saved
        if saved is None:
            raise AutogradError(
                f"{self.op.name}: backward through this graph a second time, got saved tensors already freed; "
                "pass retain_graph=True to the first backward"
            )
        return function(grad, *[self._read(saved, i) for i in reads])

    def _read(self, saved: tuple[Any, ...], i: int) -> Any:
        if i >= 0:
            value = saved[i]
            if type(value) is list:
                return [self._fresh(v) for v in value]
            return self._fresh(value)
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
        found = [self._fresh(_revive(*entry)) for entry in self.out]
        return found[0] if len(found) == 1 else tuple(found)


def _revive(reference: Any, handle: Any, kind: Kind, node: Node) -> Tensor:
    """The result tensor itself while it lives, else a new tensor on the same handle."""
    found = reference()
    if found is None:
        from ..tensor._tensor import make_tensor

        found = make_tensor(handle, kind)
        found._node = node
    return found


class OutputNode(Node):
    """One result of a call with several: passes its gradient to the call's node."""

    __slots__ = ("index", "parent")

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
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle
