# SPDX-License-Identifier: Apache-2.0
"""How fast a device computes: rows of large tensors, against PyTorch on the CPU and the device's own copy bandwidth.

    python benchmarks/kernels.py --device cpu --peer /path/to/python-with-torch
    python benchmarks/kernels.py --device opencl --only softmax,matmul
    python benchmarks/kernels.py --smoke

Each framework runs in a process of its own, in turn, for several rounds; a row's time is the best of all. The copy row
is the device's bandwidth: bytes read and written by a clone of 16 MB. `share` is the row's least traffic (inputs
read once, outputs written once) at that bandwidth, over its time: 1.00 is as fast as memory goes.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import Row, geometric_mean, has, in_turn, machine, seconds

MB = 1 << 20
SIDE = 2048
NBYTES = SIDE * SIDE * 4

Case = tuple[str, Row, int]
"""Label, a call, bytes that it has to move at least (0: it is bound by arithmetic)."""


def pointwise(f: Any, x: Any, y: Any) -> Iterator[Case]:
    """One pass over memory each."""
    fn = importlib.import_module(f"{f.__name__}.nn.functional")
    mask = x > 0
    yield "copy", lambda: x.clone(), 2 * NBYTES
    yield "add", lambda: x + y, 3 * NBYTES
    yield "mul by number", lambda: x * 2.5, 2 * NBYTES
    yield "add row", lambda: x + y[0], 2 * NBYTES
    yield "add column", lambda: x + y[:, :1], 2 * NBYTES
    yield "div", lambda: x / y, 3 * NBYTES
    yield "compare", lambda: x < y, 2 * NBYTES + NBYTES // 4
    yield "where", lambda: f.where(mask, x, y), 3 * NBYTES + NBYTES // 4
    yield "maximum", lambda: f.maximum(x, y), 3 * NBYTES
    yield "clamp", lambda: f.clamp(x, -1.0, 1.0), 2 * NBYTES
    yield "masked_fill", lambda: x.masked_fill(mask, 0.0), 2 * NBYTES + NBYTES // 4
    yield "lerp", lambda: f.lerp(x, y, 0.3), 3 * NBYTES
    yield "addcmul", lambda: f.addcmul(x, x, y, value=0.5), 3 * NBYTES
    yield "sqrt", lambda: f.sqrt(f.abs(x)), 4 * NBYTES
    for name in (
        "exp",
        "log",
        "tanh",
        "sigmoid",
        "sin",
        "erf",
        "expm1",
        "log1p",
        "rsqrt",
        "floor",
        "abs",
        "reciprocal",
    ):
        yield name, lambda name=name: getattr(f, name)(y), 2 * NBYTES
    yield "pow 3", lambda: x**3, 2 * NBYTES
    yield "pow 2.5", lambda: y**2.5, 2 * NBYTES
    yield "atan2", lambda: f.atan2(x, y), 3 * NBYTES
    for name in ("relu", "gelu", "silu", "elu", "softplus", "leaky_relu", "hardswish", "mish"):
        yield name, lambda name=name: getattr(fn, name)(x), 2 * NBYTES
    yield "gelu tanh", lambda: fn.gelu(x, approximate="tanh"), 2 * NBYTES
    yield "cast to float64", lambda: x.to(f.float64), 3 * NBYTES
    yield "cast to int32", lambda: x.to(f.int32), 2 * NBYTES
    yield "cast to bfloat16", lambda: x.to(f.bfloat16), NBYTES + NBYTES // 2
    half = x.to(f.bfloat16)
    yield "add, bfloat16", lambda: half + half, 3 * NBYTES // 2
    yield "gelu, bfloat16", lambda: fn.gelu(half), NBYTES


def rowwise(f: Any, x: Any, y: Any) -> Iterator[Case]:
    """Reductions, and ops that normalize rows."""
    fn = importlib.import_module(f"{f.__name__}.nn.functional")
    weight, bias, target = y[0].clone(), y[1].clone(), f.arange(SIDE) % 100
    for name in ("sum", "amax", "var", "mean"):
        for dim in (1, 0):
            yield f"{name} dim {dim}", lambda name=name, dim=dim: getattr(f, name)(x, dim=dim), NBYTES
    yield "sum all", lambda: x.sum(), NBYTES
    yield "max all", lambda: x.max(), NBYTES
    yield "var all", lambda: x.var(), NBYTES
    yield "argmax dim 1", lambda: x.argmax(1), NBYTES
    yield "argmax dim 0", lambda: x.argmax(0), NBYTES
    yield "logsumexp", lambda: f.logsumexp(x, 1), NBYTES
    yield "norm", lambda: f.linalg.vector_norm(x, dim=1) if hasattr(f, "linalg") else x.norm(dim=1), NBYTES
    yield "any", lambda: (x > 10).any(1), 2 * NBYTES
    for dim in (1, 0):
        yield f"softmax dim {dim}", lambda dim=dim: f.softmax(x, dim), 2 * NBYTES
        yield f"log_softmax dim {dim}", lambda dim=dim: f.log_softmax(x, dim), 2 * NBYTES
    yield "layer_norm", lambda: fn.layer_norm(x, (SIDE,), weight, bias), 2 * NBYTES
    images = x.reshape(16, 64, 64, 64)
    yield "group_norm", lambda: fn.group_norm(images, 8, weight[:64], bias[:64]), 2 * NBYTES
    yield "batch_norm", lambda: fn.batch_norm(images, None, None, weight[:64], bias[:64], True), 2 * NBYTES
    yield "cross_entropy", lambda: fn.cross_entropy(x, target), NBYTES
    yield "mse_loss", lambda: fn.mse_loss(x, y), 2 * NBYTES
    yield "cumsum dim 1", lambda: x.cumsum(1), 2 * NBYTES
    yield "cumsum dim 0", lambda: x.cumsum(0), 2 * NBYTES


def moving(f: Any, x: Any, y: Any) -> Iterator[Case]:
    """Copies in another order, and by index."""
    fn = importlib.import_module(f"{f.__name__}.nn.functional")
    f.manual_seed(0)
    rows, flat = f.randperm(SIDE), f.randint(0, SIDE, (SIDE, SIDE))
    cube, column = x.reshape(128, 128, 256), x.reshape(-1)[: 1 << 20].clone()
    table, tokens = y[:, :512].clone(), f.randint(0, SIDE, (8192,))
    values, mask = x[:, :512].clone(), x > 0
    yield "transposed copy", lambda: x.t().contiguous(), 2 * NBYTES
    yield "add transposed", lambda: x + y.t(), 3 * NBYTES
    yield "permuted copy", lambda: cube.permute(2, 0, 1).contiguous(), 2 * NBYTES
    yield "swapped outer dims", lambda: cube.permute(1, 0, 2).contiguous(), 2 * NBYTES
    yield "strided copy", lambda: x[:, ::2].contiguous(), NBYTES
    yield "cat dim 0", lambda: f.cat([x, y], 0), 4 * NBYTES
    yield "cat dim 1", lambda: f.cat([x, y], 1), 4 * NBYTES
    yield "stack", lambda: f.stack([x, y], 1), 4 * NBYTES
    yield "flip", lambda: f.flip(x, (1,)), 2 * NBYTES
    yield "roll", lambda: f.roll(x, 5, 1), 2 * NBYTES
    yield "tril", lambda: f.tril(x), 2 * NBYTES
    yield "index_select", lambda: x.index_select(0, rows), 2 * NBYTES
    yield "gather", lambda: x.gather(1, flat), 4 * NBYTES
    yield "index rows", lambda: x[rows], 2 * NBYTES
    yield "masked_select", lambda: x[mask], NBYTES + NBYTES // 4
    yield "index_add", lambda: x.index_add(0, rows, y), 3 * NBYTES
    yield "scatter_add", lambda: x.scatter_add(1, flat, y), 5 * NBYTES
    yield "embedding", lambda: fn.embedding(tokens, table), 2 * NBYTES
    weight = table.clone().requires_grad_()
    grad = f.ones(8192, 512)

    def embedding_backward() -> None:
        weight.grad = None
        fn.embedding(tokens, weight).backward(grad)

    yield "embedding backward", embedding_backward, 3 * NBYTES
    yield "sort, 1 M", lambda: f.sort(column), 0
    yield "sort rows of 512", lambda: f.sort(values, 1), 0
    yield "topk 10 of 512", lambda: f.topk(values, 10, 1), 0
    yield "nonzero", lambda: f.nonzero(mask), 0


def products(f: Any, x: Any, y: Any) -> Iterator[Case]:
    """Matrix products, convolutions, pooling."""
    fn = importlib.import_module(f"{f.__name__}.nn.functional")
    for n in (64, 128, 256, 512, 1024, 2048):
        a, b = x[:n, :n].clone(), y[:n, :n].clone()
        yield f"matmul {n}", lambda a=a, b=b: a @ b, 0
    left, right = x.reshape(64, 256, 256), y.reshape(64, 256, 256)
    yield "bmm 64 of 256", lambda: left @ right, 0
    yield "matmul 1024 transposed", lambda: x[:1024, :1024] @ y[:1024, :1024].t(), 0
    yield "linear 512x1024x1024", lambda: fn.linear(x[:512, :1024], y[:1024, :1024], y[0, :1024]), 0
    yield "matvec 2048", lambda: x @ y[0], 0
    shapes = {
        "3x3, 64 to 64, 56x56": ((8, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1),
        "7x7 stride 2, 3 to 64, 224x224": ((8, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
        "1x1, 256 to 256, 14x14": ((8, 256, 14, 14), (256, 256, 1, 1), 1, 0, 1),
        "3x3, 256 to 256, 14x14": ((8, 256, 14, 14), (256, 256, 3, 3), 1, 1, 1),
        "3x3, 16 to 32, 28x28": ((32, 16, 28, 28), (32, 16, 3, 3), 1, 1, 1),
        "depthwise 3x3, 128, 28x28": ((8, 128, 28, 28), (128, 1, 3, 3), 1, 1, 128),
    }
    for label, (size, filters, stride, padding, groups) in shapes.items():
        f.manual_seed(0)
        image, w = f.randn(*size), f.randn(*filters)
        options = {"stride": stride, "padding": padding, "groups": groups}
        yield f"conv {label}", lambda i=image, w=w, o=options: fn.conv2d(i, w, **o), 0
        image, w = image.clone().requires_grad_(), w.clone().requires_grad_()
        grad = f.ones_like(fn.conv2d(image, w, **options).detach())

        def both(i: Any = image, w: Any = w, o: Any = options, g: Any = grad) -> None:
            i.grad = w.grad = None
            fn.conv2d(i, w, **o).backward(g)

        yield f"conv + backward {label}", both, 0
    images = x.reshape(16, 64, 64, 64)
    yield "max_pool2d", lambda: fn.max_pool2d(images, 2), NBYTES + NBYTES // 4
    yield "avg_pool2d 3x3", lambda: fn.avg_pool2d(images, 3, stride=1, padding=1), 2 * NBYTES
    yield "adaptive_avg_pool2d", lambda: fn.adaptive_avg_pool2d(images, 1), NBYTES


def training(f: Any, x: Any, y: Any) -> Iterator[Case]:
    """Steps of optimizers over 10 M parameters, and backward of fused ops."""
    fn = importlib.import_module(f"{f.__name__}.nn.functional")
    optim = importlib.import_module(f"{f.__name__}.optim")
    for name, states in (("SGD", 0), ("Adam", 2), ("AdamW", 2)):
        params = [f.zeros(1000, 1000).requires_grad_() for _ in range(10)]
        for p in params:
            p.grad = f.ones(1000, 1000)
        step = getattr(optim, name)(params, lr=1e-3).step
        yield f"{name}, 10 M parameters", step, (3 + 2 * states) * 40_000_000
    target = f.arange(SIDE) % 100
    losses = {
        "gelu": lambda w: fn.gelu(w),
        "softmax": lambda w: f.softmax(w, 1),
        "layer_norm": lambda w: fn.layer_norm(w, (SIDE,)),
        "cross_entropy": lambda w: fn.cross_entropy(w, target),
    }
    for name, loss in losses.items():
        w = x.clone().requires_grad_()
        grad = f.ones_like(loss(w).detach())

        def both(w: Any = w, loss: Any = loss, grad: Any = grad) -> None:
            w.grad = None
            loss(w).backward(grad)

        yield f"{name} + backward", both, 0
    yield "dropout", lambda: fn.dropout(x, 0.5), 2 * NBYTES
    yield "randn", lambda: f.randn(SIDE, SIDE), NBYTES
    yield "rand", lambda: f.rand(SIDE, SIDE), NBYTES


def cases(f: Any, only: list[str]) -> Iterator[Case]:
    """All rows, or those whose label has one of these texts."""
    f.manual_seed(0)
    x, y = f.randn(SIDE, SIDE), f.rand(SIDE, SIDE) + 0.5
    for family in (pointwise, rowwise, moving, products, training):
        for case in family(f, x, y):
            if not only or any(text in case[0] for text in only):
                yield case


def measure(name: str, device: str, budget_s: float, only: list[str]) -> dict[str, Any]:
    """(seconds a call, bytes) of each row of one framework, in this process."""
    f = importlib.import_module(name)
    if name == "candelabra":
        f.set_default_device(device)
        wait = getattr(getattr(f, device.split(":")[0]), "synchronize", None) if device != "cpu" else None
    else:
        wait = None
    times = {}
    for label, row, _ in cases(f, only):
        times[label] = seconds(row if wait is None else lambda row=row: (row(), wait()), budget_s)
    return times


def traffic(only: list[str]) -> dict[str, int]:
    """Bytes that each row has to move."""
    f = importlib.import_module("candelabra")
    return {label: nbytes for label, _, nbytes in cases(f, only)}


def report(ours: dict[str, float], peer: dict[str, float] | None, moved: dict[str, int], device: str) -> str:
    """The table as text (Markdown)."""
    lines = [f"Machine: {machine()}. Device: {device}.", ""]
    bandwidth = moved["copy"] / ours["copy"] if "copy" in ours else 0.0
    lines += [f"Copy bandwidth: {bandwidth / 1e9:.1f} GB/s.", ""] if bandwidth else []
    lines += ["| row | ms | share of copy | torch ms | ratio |", "|---|---:|---:|---:|---:|"]
    ratios = {}
    for label, t in ours.items():
        share = f"{moved[label] / bandwidth / t:.2f}" if bandwidth and moved[label] else "-"
        if peer is not None:
            ratios[label] = t / peer[label]
        lines.append(
            f"| {label} | {t * 1e3:.3f} | {share} | "
            + (f"{peer[label] * 1e3:.3f} | {ratios[label]:.2f} |" if peer is not None else "- | - |")
        )
    if ratios:
        level = sum(r <= 1.0 for r in ratios.values()) / len(ratios)
        above = [label for label, r in ratios.items() if r > 2.0]
        lines += ["", f"{len(ratios)} rows: {level:.0%} at most 1.0, geometric mean {geometric_mean(list(ratios.values())):.2f}; "
                  f"above 2.0: {', '.join(above) or 'none'}."]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Parses the command line and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--peer", default=sys.executable, help="interpreter that has torch; this one by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=0.3, help="seconds for each row in each round")
    parser.add_argument("--only", default="", help="texts, by commas: rows whose label has one of them")
    parser.add_argument("--smoke", action="store_true", help="one short round of a few rows of Candelabra alone")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--save", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if options.smoke:
        options.only, options.rounds, options.budget = "copy,softmax dim 1", 1, 0.02
    only = [text for text in options.only.split(",") if text]
    if options.measure:
        print(json.dumps(measure(options.measure, options.device, options.budget, only)))
        return
    shared = ["--device", options.device, "--budget", str(options.budget), "--only", options.only, "--measure"]
    peer = None if options.smoke or not has(options.peer, "torch") else (options.peer, [*shared, "torch"])
    ours, theirs = in_turn(options.rounds, __file__, [*shared, "candelabra"], peer)
    text = report(ours, theirs, traffic(only), options.device)
    print(text)
    if options.save:
        options.save.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
