# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: work is captured once and replayed at the cost of one launch.

    g = candelabra.cuda.CUDAGraph()
    with candelabra.cuda.graph(g):
        y = model(x)
    x.copy_(batch); g.replay()         # y has the new results

A replay does the same work on the same memory: inputs are written into the tensors that were captured, results appear
in those made then, whose memory is the graph's own. While work is captured nothing runs, so values cannot be read
on the host, positions of indexing ops are not checked, and random numbers cannot be drawn. Host arrays that the work reads are
kept by the graph, in pinned memory: each replay reads them again. Kernels new to the process are built during capture, which is
legal; run the work once before, so that libraries choose their ways.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from cupy.cuda.device import get_cublas_handle

from candelabra._errors import ArgumentError, BackendError, CallError

_pool_numbers = itertools.count(1)

PoolId = tuple[int, int]


class CUDAGraph:
    """Captured work.

    Args:
        keep_graph: must be False: the executable form alone is kept.
    """

    _backend: Any

    def __init__(self, keep_graph: bool = False) -> None:
        if keep_graph:
            raise ArgumentError("CUDAGraph: only the executable graph is kept, got keep_graph=True")
        self._native: Any = None
        self._stream: Any = None
        self._pool: _PoolOf | None = None
        self._using: contextlib.ExitStack | None = None
        self._kept: list[Any] = []

    def keep(self, array: Any) -> Any:
        """Keeps a host array that replays read; returns it."""
        self._kept.append(array)
        return array

    def capture_begin(self, pool: PoolId | None = None, capture_error_mode: str = "global") -> None:
        """Captures the work given to the current stream from now on.

        Args:
            pool: another graph's `pool()`, to share its memory: such graphs must be replayed in the order they were captured, and
                not at the same time.
            capture_error_mode: accepted for PyTorch's sake; memory may be taken during capture, so CUDA's mode is relaxed.

        Raises:
            ArgumentError: the current stream is the default one, which CUDA cannot capture, or `pool` names no pool.
            BackendError: the graph holds work, or this thread captures already.
        """
        backend = self._backend
        index = backend.current_device()
        stream = backend.bound(index)
        if self._native is not None or backend.capture() is not None:
            raise BackendError("capture_begin: graph must be empty and nothing else be captured; call reset() before")
        if not stream.address:
            raise ArgumentError("capture_begin: needs a stream of its own, got the default stream; use cuda.graph()")
        self._pool = _PoolOf.named(pool) if pool is not None else _PoolOf(backend.device(index).pool)
        get_cublas_handle()  # which takes memory of its own when it is made
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._pool.owner.using(self._pool.native))
            stream.native.use()
            stream.native.begin_capture()
            backend.set_capture(self)
            self._stream, self._using = stream, stack.pop_all()

    def capture_end(self) -> None:
        """Ends the capture; the graph can be replayed.

        Raises:
            BackendError: there is no capture, or some work could not be captured.
        """
        if self._using is None:
            raise BackendError("capture_end: needs a capture that was begun, got none")
        self._backend.set_capture(None)
        using, self._using = self._using, None
        with using:
            try:
                self._native = self._stream.native.end_capture()
            except RuntimeError as error:  # CuPy's errors are of this class
                self.reset()
                raise BackendError(
                    f"capture_end: all work must be of a kind that can be captured, got {error}"
                ) from error

    def replay(self) -> None:
        """Gives the captured work to the current stream.

        Raises:
            BackendError: nothing was captured.
        """
        if self._native is None:
            raise BackendError("replay: needs a captured graph, got an empty one")
        stream = self._backend.bound(self._stream.index)
        stream.native.use()
        with self._backend.meaning(stream.index):
            self._native.launch(stream.native)

    def reset(self) -> None:
        """Forgets the work and gives up the graph's memory, but for what tensors still hold of it."""
        self._native, self._pool = None, None
        self._kept.clear()

    def pool(self) -> PoolId:
        """What names the graph's memory, for other graphs to share."""
        if self._pool is None:
            raise BackendError("pool: needs a captured graph, got an empty one")
        return self._pool.name

    def debug_dump(self, debug_path: str) -> None:
        """Writes the graph as text of Graphviz."""
        if self._native is None:
            raise BackendError("debug_dump: needs a captured graph, got an empty one")
        with open(debug_path, "w", encoding="utf-8") as file:
            file.write(self._native.debug_dot_str())


class _PoolOf:
    """Memory that belongs to graphs: a pool of CuPy's, and its name."""

    known: ClassVar[weakref.WeakValueDictionary[PoolId, _PoolOf]] = weakref.WeakValueDictionary()

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.native = owner.private()
        self.name: PoolId = (0, next(_pool_numbers))
        self.known[self.name] = self

    @classmethod
    def named(cls, name: PoolId) -> _PoolOf:
        """The pool of a name, while a graph that uses it is alive."""
        pool = cls.known.get(name)
        if pool is None:
            raise ArgumentError(f"capture_begin: pool must be of a graph that is alive, got {name}")
        return pool


@contextlib.contextmanager
def captured(
    backend: Any, stream_of: Callable[[], Any], cuda_graph: Any, pool: PoolId | None, stream: Any, mode: str
) -> Iterator[None]:
    """What `cuda.graph` does."""
    index = backend.current_device()
    backend.synchronize(index)
    gc.collect()  # a tensor that died during the capture would give back memory that others use
    backend.empty_cache(index)
    side = stream_of() if stream is None else stream
    with side:
        side.wait_stream(_default(side))
        cuda_graph.capture_begin(pool, mode)
        try:
            yield
        except BaseException:
            with contextlib.suppress(BackendError):  # what went wrong is on its way already
                cuda_graph.capture_end()
            cuda_graph.reset()
            raise
        cuda_graph.capture_end()


def _default(stream: Any) -> Any:
    return type(stream)._of(stream.device, stream._backend.default_stream(stream.device_index))


# -- callables -------------------------------------------------------------------------------------------------------------


def make_graphed_callables(
    capture: Callable[..., Any], new_graph: Callable[[], CUDAGraph], stream_of: Callable[[], Any],
    callables: Any, sample_args: Any, num_warmup_iters: int, allow_unused_input: bool,
) -> Any:  # fmt: skip
    """What `cuda.make_graphed_callables` does, with the module's means."""
    alone = not isinstance(callables, tuple)
    functions = (callables,) if alone else callables
    samples = (sample_args,) if alone else sample_args
    if len(functions) != len(samples):
        raise CallError(
            f"make_graphed_callables: needs sample_args for each callable, got {len(samples)} for {len(functions)}"
        )
    sections = [_Section(f, tuple(a)) for f, a in zip(functions, samples, strict=True)]
    side = stream_of()
    side.wait_stream(_default(side))
    with side:
        for section in sections:
            for _ in range(num_warmup_iters):
                section.warm_up(allow_unused_input)
    _default(side).wait_stream(side)
    first: PoolId | None = None
    for section in sections:
        section.forward_graph, section.backward_graph = new_graph(), new_graph()
        with capture(section.forward_graph, first):
            section.capture_forward()
        first = first or section.forward_graph.pool()
    for section in reversed(sections):
        if section.wants_grad:
            with capture(section.backward_graph, first):
                section.capture_backward(allow_unused_input)
    ready = tuple(section.callable() for section in sections)
    return ready[0] if alone else ready


class _Section:
    """One callable and the graphs of its forward and backward pass."""

    forward_graph: CUDAGraph
    backward_graph: CUDAGraph

    def __init__(self, function: Any, args: tuple[Any, ...]) -> None:
        from candelabra.nn import Module
        from candelabra.tensor._tensor import Tensor

        if not all(isinstance(a, Tensor) for a in args):
            raise CallError("make_graphed_callables: sample_args must be tensors, got others beside them")
        self.function = function
        self.is_module = isinstance(function, Module)
        self.args = args
        self.parameters = tuple(function.parameters()) if self.is_module else ()
        self.run = function.forward if self.is_module else function
        self.wants_grad = any(t.requires_grad for t in self.inputs)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """All that a gradient may be wanted for."""
        return (*self.args, *self.parameters)

    def _outputs(self) -> tuple[tuple[Any, ...], bool]:
        found = self.run(*self.args)
        return (found, True) if isinstance(found, tuple) else ((found,), False)

    def warm_up(self, allow_unused: bool) -> None:
        """Runs once, forward and backward."""
        outputs, _ = self._outputs()
        if self.wants_grad:
            self._grads(outputs, [o.clone().detach() for o in outputs], allow_unused)

    def _grads(self, outputs: Sequence[Any], grads: Sequence[Any], allow_unused: bool) -> tuple[Any, ...]:
        from candelabra import autograd

        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True) if o.requires_grad]
        wanted = [t for t in self.inputs if t.requires_grad]
        found = iter(autograd.grad([o for o, _ in pairs], wanted, [g for _, g in pairs], allow_unused=allow_unused))
        return tuple(next(found) if t.requires_grad else None for t in self.inputs)

    def capture_forward(self) -> None:
        """Within a capture: runs on the static inputs."""
        self.outputs, self.is_tuple = self._outputs()

    def capture_backward(self, allow_unused: bool) -> None:
        """Within a capture: gradients of the static outputs."""
        from candelabra import empty_like

        self.grad_outputs = tuple(empty_like(o).detach() for o in self.outputs)
        self.grad_inputs = self._grads(self.outputs, self.grad_outputs, allow_unused)

    def callable(self) -> Any:
        """The callable by replay: a function, or the module with its forward replaced."""
        from candelabra import autograd

        section = self

        class Graphed(autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                for static, given in zip(section.args, inputs, strict=False):
                    if static is not given:
                        _overwrite(static, given)
                section.forward_graph.replay()
                return tuple(o.detach() for o in section.outputs)

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                for static, given in zip(section.grad_outputs, grads, strict=True):
                    if given is not None:
                        _overwrite(static, given)
                section.backward_graph.replay()
                return tuple(None if g is None else g.detach().clone() for g in section.grad_inputs)

        def graphed(*args: Any) -> Any:
            found = Graphed.apply(*args, *section.parameters)
            found = found if isinstance(found, tuple) else (found,)
            return found if section.is_tuple else found[0]

        return self._in_module(graphed) if self.is_module else graphed

    def _in_module(self, graphed: Callable[..., Any]) -> Any:
        module, plain, was_training = self.function, self.run, self.function.training

        def forward(*args: Any) -> Any:
            return graphed(*args) if module.training == was_training else plain(*args)

        module.forward = forward
        return module


def _overwrite(static: Any, given: Any) -> None:
    from candelabra import no_grad

    with no_grad():
        static.detach().copy_(given.detach())
