# SPDX-License-Identifier: Apache-2.0
"""Convolutions by cuDNN where `nvidia-cudnn-frontend` is installed, else by the kit's kernels.

A plan is made for each combination of shapes, by cuDNN's heuristics; what cuDNN has no plan for, the kit computes. Float32
stays float32, unless `set_float32_matmul_precision` allows less. `CANDELABRA_CUDNN=off` does without cuDNN.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from candelabra._config import get_float32_matmul_precision, setting
from candelabra._dtype import from_numpy_dtype
from candelabra._shape import Shape, contiguous_strides, window_count
from candelabra_loops import convolution as kit
from candelabra_loops.look import Look
from candelabra_loops.places import reshaped

TYPES = {"float16": "HALF", "bfloat16": "BFLOAT16", "float32": "FLOAT"}

EXACT = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION", "WINOGRAD", "FFT")
"""Numerical notes of plans that round float32 operands, or add up less accurately than sums of products."""

NAMES = {"conv_fprop": ("image", "weight"), "conv_dgrad": ("loss", "filter"), "conv_wgrad": ("image", "loss")}
"""What cuDNN calls the operands of its three nodes."""

MOST_PLANS = 1024


@functools.cache
def library() -> Any:
    """cuDNN's front end, or None where it is not installed or not wanted."""
    if setting("cudnn", "on").lower() == "off":
        return None
    try:
        import cudnn

        cudnn.backend_version()
    except (ImportError, OSError, RuntimeError):
        return None
    return cudnn


_threads = threading.local()


def _handle(cudnn: Any, backend: Any, index: int) -> Any:
    """The thread's handle of a device, on its current stream."""
    handles = _threads.__dict__.setdefault("handles", {})
    stream = backend.bound(index)
    if index not in handles:
        handles[index] = cudnn.create_handle()
    cudnn.set_stream(handle=handles[index], stream=stream.address)
    return handles[index]


class Plan:
    """One of cuDNN's three convolutions for operands of these shapes.

    Args:
        node: name of the method that adds it to a graph.
        shapes: of both operands and of the result, at least 4 dims each.
        geometry: stride, padding and dilation.
    """

    def __init__(
        self, cudnn: Any, handle: Any, node: str, shapes: Sequence[Shape], dtype: str, geometry: Sequence[Shape]
    ) -> None:
        kind = getattr(cudnn.data_type, TYPES[dtype])
        single = cudnn.data_type.FLOAT
        graph = cudnn.pygraph(
            name=node, io_data_type=kind, intermediate_data_type=single, compute_data_type=single, handle=handle
        )
        operands = [
            graph.tensor(dim=list(shape), stride=list(contiguous_strides(shape)), data_type=kind, name=name)
            for name, shape in zip(NAMES[node], shapes, strict=False)
        ]
        stride, padding, dilation = map(list, geometry)
        made = getattr(graph, node)(
            **dict(zip(NAMES[node], operands, strict=True)), padding=padding, stride=stride, dilation=dilation
        )
        made.set_output(True).set_data_type(kind).set_dim(list(shapes[2])).set_stride(
            list(contiguous_strides(shapes[2]))
        )
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        if dtype == "float32" and get_float32_matmul_precision() == "highest":
            graph.deselect_numeric_notes([getattr(cudnn.numerical_note, note) for note in EXACT])
        graph.check_support()
        graph.build_plans()
        self.graph = graph
        self.tensors = [*operands, made]
        self.workspace = int(graph.get_workspace_size())

    def run(self, backend: Any, handle: Any, looks: Sequence[Look]) -> None:
        """Computes into the last of three contiguous looks."""
        index = looks[0].index
        space = backend.reserve(self.workspace, index) if self.workspace else None
        memory = {t: backend.data_ptr(look) for t, look in zip(self.tensors, looks, strict=True)}
        self.graph.execute(memory, None if space is None else space.address, handle=handle)


def _plan(
    cudnn: Any, handle: Any, node: str, shapes: Sequence[Shape], dtype: str, geometry: Sequence[Shape], index: int
) -> Plan | None:
    """The thread's plan, None where cuDNN has none. A graph keeps memory for its operands' addresses: no two threads share one."""
    plans: dict[Any, Plan | None] = _threads.__dict__.setdefault("plans", {})
    key = (node, shapes, dtype, geometry, index, get_float32_matmul_precision())
    if key not in plans:
        if len(plans) >= MOST_PLANS:
            plans.clear()
        plans[key] = None
        try:
            plans[key] = Plan(cudnn, handle, node, shapes, dtype, geometry)
        except (cudnn.cudnnGraphNotSupportedError, NotImplementedError):
            pass  # its way of saying that it has no plan
        except (RuntimeError, ImportError) as error:
            warnings.warn(f"cuda: cuDNN planned no {node} of {shapes}, got {error}; own kernels serve", stacklevel=2)
    return plans[key]


def _by_cudnn(
    backend: Any, node: str, operands: Sequence[Look], shape: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Look | None:
    """The result of one of cuDNN's nodes, or None where it has no plan."""
    cudnn, first = library(), operands[0]
    dtype, index = first.dtype.name, first.index
    if cudnn is None or dtype not in TYPES or not all(x.size for x in operands):
        return None
    shapes = tuple(_two_dims(s) for s in (*[x.shape for x in operands], shape))
    geometry = tuple((fill, *x) if len(x) == 1 else tuple(x) for fill, x in ((1, stride), (0, padding), (1, dilation)))
    try:
        handle = _handle(cudnn, backend, index)
    except RuntimeError as error:
        warnings.warn(f"cuda: cuDNN must start, got {error}; own kernels serve", stacklevel=2)
        return None
    plan = _plan(cudnn, handle, node, shapes, dtype, geometry, index)
    if plan is None:
        return None
    out: Look = backend.fresh(shape, first.dtype, index)
    plan.run(backend, handle, [*map(backend.contiguous, operands), out])
    return out


def _two_dims(shape: Shape) -> Shape:
    """(N, C, L) as (N, C, 1, L): cuDNN's windows have two dims or three."""
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else tuple(shape)


def convolution(
    backend: Any,
    input: Look,
    weight: Look,
    bias: Look | None,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    """Convolution of (N, C, *) with (O, C / groups, *)."""
    counts = map(window_count, input.shape[2:], weight.shape[2:], stride, padding, dilation)
    shape = (input.shape[0], weight.shape[0], *counts)
    out = None
    if all(shape):
        out = _by_cudnn(backend, "conv_fprop", (input, weight), shape, stride, padding, dilation)
    if out is None:
        made: Look = kit.convolution(backend, input, weight, bias, stride, padding, dilation, groups)
        return made
    if bias is None:
        return out
    row = reshaped(backend, bias, (bias.size, *(1,) * len(stride)))
    made = backend.kernel("add", from_numpy_dtype(out.dtype))(out, row)
    return made


def convolution_input_grad(
    backend: Any,
    grad: Look,
    weight: Look,
    input_size: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    """Gradient of the input, of spatial size `input_size`."""
    shape = (grad.shape[0], weight.shape[1] * groups, *input_size)
    out = None
    if all(shape):
        out = _by_cudnn(backend, "conv_dgrad", (grad, weight), shape, stride, padding, dilation)
    if out is None:
        out = kit.convolution_input_grad(backend, grad, weight, input_size, stride, padding, dilation, groups)
    return out


def convolution_weight_grad(
    backend: Any,
    grad: Look,
    input: Look,
    weight_size: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Look:
    """Gradient of the weight, of spatial size `weight_size`."""
    shape = (grad.shape[1], input.shape[1] // groups, *weight_size)
    out = None
    if all(shape):
        out = _by_cudnn(backend, "conv_wgrad", (input, grad), shape, stride, padding, dilation)
    if out is None:
        out = kit.convolution_weight_grad(backend, grad, input, weight_size, stride, padding, dilation, groups)
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "convolution": convolution,
    "convolution_input_grad": convolution_input_grad,
    "convolution_weight_grad": convolution_weight_grad,
}
