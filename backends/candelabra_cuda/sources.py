# SPDX-License-Identifier: Apache-2.0
"""Every kernel that the backend makes for a list of calls, without a GPU: a device that only takes down what it should build.

Its memory holds nothing, so calls may be as large as real ones; what it is asked to read is zero. Matrix products, sorts
and convolutions are those of the kit, which stand in wherever a library does not serve.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._device import device
from candelabra._errors import CandelabraError
from candelabra._shape import contiguous_strides
from candelabra.compiler.ir import Kernel, Target
from candelabra.dispatcher import _plugins
from candelabra.dispatcher._kind import kind_of
from candelabra.dispatcher.backend import BackendInfo, Capabilities
from candelabra.op import ops
from candelabra.tensor._tensor import make_tensor
from candelabra.testing.samples import Operand
from candelabra_loops.backend import LoopsBackend
from candelabra_loops.look import Look

from .dialect import TARGET

EVERY_LAYOUT = dataclasses.replace(TARGET, general=0)
"""Makes of small calls what large ones get: kernels for their very layout, and bodies in one piece."""

NAME = "cuda_sources"
DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128", "int64", "int32", "uint8", "bool")
LAYOUTS = ("contiguous", "reversed", "apart")


class Nothing:
    """Memory that is not there."""

    __slots__ = ("nbytes",)

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


class Recorder(LoopsBackend):
    """The device; `found` are the kernels in order of their first use, `problems` what failed while one was made."""

    name = NAME
    target = TARGET
    capabilities = Capabilities(indexed=False)

    def __init__(self) -> None:
        self.found: dict[str, Kernel] = {}
        self.problems: list[str] = []

    def reserve(self, nbytes: int, index: int) -> Nothing:
        return Nothing(nbytes)

    def upload(self, block: Nothing, array: np.ndarray[Any, Any]) -> None:
        return None

    def download(self, block: Nothing, offset: int, nbytes: int) -> np.ndarray[Any, Any]:
        return np.zeros(nbytes, np.uint8)

    def may_wait(self, index: int) -> bool:
        return False

    def build(self, kernels: Sequence[Kernel]) -> Sequence[Any]:
        self.found.update({k.key(): k for k in kernels})
        return [_nothing] * len(kernels)


def _nothing(count: int, args: Sequence[Any], index: int) -> None:
    return None


@contextlib.contextmanager
def recording(target: Target = TARGET) -> Iterator[Recorder]:
    """The device, for a `with` block; for calls of other sizes when its target says so."""
    info = BackendInfo(NAME, f"{__name__}:Recorder", description="takes down kernels")
    _plugins.register_backend(info)
    try:
        found = _plugins.load_backend(NAME)
        assert isinstance(found, Recorder)
        found.target = target
        yield found
    finally:
        _plugins._loaded.pop(NAME, None)
        _plugins._found.pop(NAME, None)


def operand(backend: Recorder, shape: Sequence[int], dtype: str, layout: str = "contiguous") -> Any:
    """A tensor of a shape, its elements in row-major order, in the opposite one, or with gaps between."""
    kind = kind_of(device(NAME), _dtype.dtype_named(dtype))
    steps = contiguous_strides(tuple(shape))
    if layout == "reversed":
        steps = tuple(reversed(contiguous_strides(tuple(reversed(shape)))))
    elif layout == "apart":
        steps = tuple(2 * s for s in steps)
    return make_tensor(Look(Nothing(0), 0, tuple(shape), steps, kind.dtype.numpy, 0), kind)


@contextlib.contextmanager
def _trying(backend: Recorder) -> Iterator[None]:
    """A call that may be refused; what failed within a kernel is taken down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sample's complex number for a real dtype
        try:
            yield
        except (CandelabraError, ValueError, LookupError) as error:
            if "kernel failed" in str(error):
                backend.problems.append(str(error))


def by_samples(backend: Recorder, names: Iterable[str], dtypes: Sequence[str], layouts: Sequence[str]) -> None:
    """Calls ops on the samples of their declarations; what an op refuses has no kernel."""
    for name, dtype, layout in itertools.product(names, dtypes, layouts):
        for sample in ops[name].samples():
            args, kwargs = _filled(sample, functools.partial(_made, backend, dtype, layout))
            if ops[name].is_factory:
                kwargs = {"dtype": _dtype.dtype_named(dtype), **kwargs, "device": device(NAME)}
            with _trying(backend):
                ops[name].call(*args, **kwargs)


def _made(backend: Recorder, dtype: str, layout: str, sample: Operand) -> Any:
    shape = sample.shape if sample.values is None else np.shape(sample.values)
    return operand(backend, shape, sample.dtype or dtype, layout)


def _filled(sample: Any, make: Callable[[Operand], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def walk(value: Any) -> Any:
        if isinstance(value, Operand):
            return make(value)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(map(walk, value))
        return value

    return tuple(map(walk, sample.args)), {k: walk(v) for k, v in sample.kwargs.items()}


Call = tuple[str, tuple[Any, ...], tuple[Any, ...]]
"""Name of an op, shapes (of operands of the dtype under test, or with a dtype of their own), and further arguments."""

INDICES = "int64"
LARGE: tuple[Call, ...] = (
    ("add", ((1 << 22,), (1 << 22,)), ()),
    ("add", ((1024, 1024), (1024,)), ()),
    ("exp", ((1 << 22,),), ()),
    ("clone", ((2048, 1024),), ()),
    *[(name, ((1 << 24,),), ()) for name in ("sum", "prod", "any", "all")],
    *[
        (name, (shape,), (dim,))
        for name in ("sum", "prod", "amax", "amin", "argmax", "argmin", "var")
        for shape, dim in (
            ((4096, 4096), 1),
            ((4096, 4096), 0),
            ((64, 1 << 17), 1),
            ((1 << 17, 64), 0),
            ((8, 512, 64), 1),
        )
    ],
    ("softmax", ((4096, 4096),), (1,)),
    ("softmax", ((4096, 64),), (1,)),
    ("softmax", ((64, 4096, 32),), (1,)),
    ("log_softmax", ((4096, 4096),), (1,)),
    ("cumsum", ((1 << 22,),), (0,)),
    ("cumsum", ((4096, 1024),), (1,)),
    ("cumsum", ((4096, 1024),), (0,)),
    ("cumprod", ((1 << 20,),), (0,)),
    ("sort", ((1 << 20,),), (0,)),
    ("sort", ((4096, 1024),), (1,)),
    ("matmul", ((1024, 1024), (1024, 1024)), ()),
    ("matmul", ((4, 65536), (65536, 4)), ()),
    ("matmul", ((64, 128, 128), (64, 128, 128)), ()),
    ("matmul", ((1024,), (1024,)), ()),
    ("convolution", ((32, 64, 56, 56), (64, 64, 3, 3)), (None, (1, 1), (1, 1), (1, 1), 1)),
    ("convolution", ((32, 64, 56), (64, 1, 3)), (None, (2,), (1,), (1,), 64)),
    ("gather", ((4096, 1024), (4096, 64, INDICES)), ()),
    ("embedding", ((4096, 64, INDICES), (30000, 256)), ()),
)


def by_calls(backend: Recorder, calls: Iterable[Call], dtypes: Sequence[str]) -> None:
    """Calls ops on operands as large as real ones, contiguous and transposed."""
    for (name, shapes, rest), dtype, layout in itertools.product(calls, dtypes, ("contiguous", "reversed")):
        given = [
            operand(backend, s[:-1], s[-1]) if s and isinstance(s[-1], str) else operand(backend, s, dtype, layout)
            for s in shapes
        ]
        if name == "gather":
            given.insert(1, 1)  # its dim stands between
        with _trying(backend):
            ops[name].call(*given, *rest)


QUICK = (
    "add", "true_divide", "where", "exp", "tanh", "erf", "pow", "remainder", "cast", "sum", "argmax", "any", "softmax",
    "cat", "flip", "gather", "scatter_add", "index", "index_add", "masked_fill", "nonzero", "cumsum", "sort", "searchsorted",
    "random_uniform", "random_normal", "max_pool", "avg_pool", "convolution", "convolution_weight_grad", "matmul", "tril",
    "embedding", "layer_norm",
)  # fmt: skip
"""Ops of the quick list: one of each family and form of kernel."""


def quick(backend: Recorder) -> None:
    """The short list: float32 all over, and what else matters in a few places."""
    names = [n for n in QUICK if n in ops]
    by_samples(backend, names, ("float32",), ("contiguous",))
    by_samples(
        backend, [n for n in ("add", "scatter_add", "sum", "exp") if n in ops], ("float16", "bfloat16"), ("apart",)
    )
    by_calls(backend, LARGE, ("float32",))


def full(backend: Recorder) -> None:
    """All ops on all dtypes in all layouts."""
    by_samples(backend, ops, DTYPES, LAYOUTS)
    by_calls(backend, LARGE, DTYPES)
