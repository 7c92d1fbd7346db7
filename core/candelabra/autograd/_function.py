# SPDX-License-Identifier: Apache-2.0
"""`Function`: an operation with a hand-written forward and backward.

class Double(candelabra.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2

y = Double.apply(x)
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from .. import _config
from .._errors import AutogradError, CallError, StaleTensorError
from ..tensor._node import Node, OutputNode
from ..tensor._storage import tick


class FunctionNode(Node):
    """Node of one `Function.apply`; it is also the `ctx` that forward and backward see."""

    __slots__ = (
        "__dict__", "_dirty", "_function", "_inputs_are_tensors", "_materialize", "_nondifferentiable", "_output_kinds",
        "needs_input_grad",
    )  # fmt: skip

    _dirty: tuple[Any, ...]
    _function: Any
    _inputs_are_tensors: tuple[bool, ...]
    _materialize: bool
    _nondifferentiable: tuple[Any, ...]
    _output_kinds: list[tuple[Any, Any]]
    needs_input_grad: tuple[bool, ...]

    def name(self) -> str:
        return self._function.__name__ + "Backward"

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps tensors for backward, where `saved_tensors` gives them back; checked for later in-place writes."""
        if not all(t is None or hasattr(t, "_version") for t in tensors):
            raise CallError(
                f"save_for_backward: takes tensors, got {tensors!r}; keep other values as attributes of ctx"
            )
        self.saved = tuple(None if t is None else (t, t._version, None) for t in tensors)

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept.

        Raises:
            AutogradError: freed by an earlier backward pass.
            StaleTensorError: one was changed in place since.
        """
        if self.saved is None:
            raise AutogradError(
                f"{self.name()}: saved tensors were freed by an earlier backward, got none; pass retain_graph=True to it"
            )
        for entry in self.saved:
            if entry is not None and entry[0]._version != entry[1] and not any(entry[0] is d for d in self._dirty):
                raise StaleTensorError(
                    f"{self.name()}: a saved tensor was changed in place, got version {entry[0]._version} instead of "
                    f"{entry[1]}; clone it first"
                )
        return tuple(None if entry is None else self._unpacked(entry[0], entry[2]) for entry in self.saved)

    def _unpacked(self, tensor: Any, index: int | None) -> Any:
        if index is None:
            return tensor
        result = tensor.detach()
        result._node = OutputNode(self, index, result._array.shape, result._kind)
        return result

    def _let_go(self, outputs: list[Any]) -> None:
        """Puts saved results aside without their history: they hold this node, which must not hold them."""
        kept = {id(value) for value in self._dirty}
        places = {id(value): i for i, value in enumerate(outputs) if id(value) not in kept and _has_node(value)}

        def put_aside(entry: Any) -> Any:
            if entry is None or id(entry[0]) not in places:
                return entry
            return entry[0].detach(), entry[1], places[id(entry[0])]

        self.saved = tuple(map(put_aside, self.saved or ()))

    def mark_dirty(self, *tensors: Any) -> None:
        """Says which inputs forward changed in place and returns."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Says which outputs have no gradient."""
        self._nondifferentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for outputs without a gradient."""
        self._materialize = value

    def apply(self, grad: Any) -> Sequence[Any]:
        count = len(self._output_kinds)
        grads = [grad.get(i) if isinstance(grad, dict) else grad for i in range(count)]
        if self._materialize:
            grads = [_zeros(*self._output_kinds[i]) if g is None else g for i, g in enumerate(grads)]
        results = self._function.backward(self, *grads)
        results = results if isinstance(results, tuple) else (results,)
        wanted = self._inputs_are_tensors
        if len(results) > len(wanted) and all(r is None for r in results[len(wanted) :]):
            results = results[: len(wanted)]
        if len(results) != len(wanted):
            raise AutogradError(
                f"{self.name()}: backward must return one gradient an input, got {len(results)} for {len(wanted)} inputs"
            )
        for i, result in enumerate(results):
            if result is not None and not hasattr(result, "_node"):
                raise AutogradError(
                    f"{self.name()}: backward must return tensors or None, got {result!r} for input {i}"
                )
        return [r for r, is_tensor in zip(results, wanted, strict=True) if is_tensor]


def _has_node(value: Any) -> bool:
    return getattr(value, "_node", None) is not None


def _zeros(shape: Any, kind: Any) -> Any:
    from ..ops.creation import zeros

    return zeros(shape, dtype=kind.dtype, device=kind.device)


class Function:
    """Base of operations with a hand-written gradient. Call `apply`, never an instance.

    `forward(ctx, *args)` computes with recording off; alternatively `forward(*args)` beside
    `setup_context(ctx, inputs, output)`. `backward(ctx, *grads)` returns one gradient (or None) for each argument of
    forward; written with tensor ops, it can be differentiated again.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation. To be given by the subclass."""
        raise AutogradError("Function: forward must be given by the subclass, got none")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fills `ctx` after a forward that does not take it. To be given by the subclass when it is used."""
        raise AutogradError("Function: setup_context must be given by the subclass, got none")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the arguments. To be given by the subclass."""
        raise AutogradError("Function: backward must be given by the subclass, got none")

    def __init__(self) -> None:
        raise CallError("Function: is not instantiated; call its apply")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and records the call.

        Raises:
            CallError: a tensor is given by name: gradients go to arguments by position.
        """
        from ..tensor._tensor import Tensor

        for name, value in kwargs.items():
            if isinstance(value, Tensor):
                raise CallError(f"{cls.__name__}.apply: tensors must be given by position, got one as {name}=")
        ctx: FunctionNode = object.__new__(FunctionNode)
        ctx._function = cls
        ctx._dirty = ctx._nondifferentiable = ()
        ctx._materialize = True
        ctx.saved, ctx.out, ctx.hooks, ctx.shape, ctx.kind = (), None, None, None, None
        tensors = [a for a in args if isinstance(a, Tensor)]
        ctx._inputs_are_tensors = tuple(isinstance(a, Tensor) for a in args)
        ctx.needs_input_grad = tuple(isinstance(a, Tensor) and a._node is not None for a in args)
        recording = _config.grad_enabled.get() and any(t._node is not None for t in tensors)
        ctx.edges = tuple(t._node for t in tensors)
        token = _config.grad_enabled.set(False)
        try:
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args, **kwargs)
            else:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
        finally:
            _config.grad_enabled.reset(token)
        if recording:
            output = cls._attach(ctx, output, tensors)
        return output

    @classmethod
    def _attach(cls, ctx: FunctionNode, output: Any, inputs: list[Any]) -> Any:
        from ..dispatcher._record import rebase, trace, with_node
        from ..tensor._tensor import Tensor

        outputs = list(output) if isinstance(output, tuple) else [output]
        for i, value in enumerate(outputs):
            if (
                isinstance(value, Tensor)
                and any(value is x for x in inputs)
                and not any(value is d for d in ctx._dirty)
            ):
                outputs[i] = value.detach()  # an input returned as it is: a new tensor carries the new history
        ctx._output_kinds = [(tuple(o.shape), o._kind) if isinstance(o, Tensor) else ((), None) for o in outputs]
        ctx.stamp = tick()
        if _config.anomaly_contexts:
            trace(ctx)
        for i, value in enumerate(outputs):
            if not isinstance(value, Tensor) or value.dtype.category < 2:
                continue
            if any(value is n for n in ctx._nondifferentiable):
                continue
            node = OutputNode(ctx, i, value._array.shape, value._kind)
            if any(value is d for d in ctx._dirty):
                rebase(value, with_node(value, node))
            else:
                value._node = node
        ctx._let_go(outputs)
        return tuple(outputs) if isinstance(output, tuple) else outputs[0]


def once_differentiable(function: Any) -> Any:
    """Marks a backward that cannot be differentiated again: a second derivative through it raises AutogradError."""

    @functools.wraps(function)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        recording = _config.grad_enabled.get()
        token = _config.grad_enabled.set(False)
        try:
            results = function(ctx, *grads)
        finally:
            _config.grad_enabled.reset(token)
        if not recording or not any(g is not None and g.requires_grad for g in grads):
            return results
        listed = results if isinstance(results, tuple) else (results,)
        refused = tuple(r if r is None else _Refuse.apply(r.requires_grad_()) for r in listed)
        return refused if isinstance(results, tuple) else refused[0]

    return wrapped


class _Refuse(Function):
    """Identity whose gradient raises."""

    @staticmethod
    def forward(ctx: Any, value: Any) -> Any:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        raise AutogradError("once_differentiable: this backward cannot be differentiated again, got a second pass")
