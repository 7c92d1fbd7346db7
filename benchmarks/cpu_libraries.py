# SPDX-License-Identifier: Apache-2.0
"""Matrix products and convolutions on the CPU, against PyTorch where it is installed.

    python benchmarks/cpu_libraries.py --peer /path/to/python-with-torch
    python benchmarks/cpu_libraries.py --only conv --threads 2
    python benchmarks/cpu_libraries.py --smoke                     # a second in all, for tests

Each framework runs in a process of its own, in turn, for several rounds, with the same number of threads. A row's time is
the best of all its rounds. Prints microseconds a call, the ratio to the peer, and the geometric mean.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import Row, has, in_a_process, in_turn, report, seconds

SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)

# name, input (N, C, *sizes), weight (O, C / groups, *kernel), stride, padding, groups
CONVOLUTIONS: list[tuple[str, tuple[int, ...], tuple[int, ...], int, int, int]] = [
    ("3x3 64 of 56x56", (8, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1),
    ("7x7/2 3 of 224x224", (8, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
    ("1x1 256 of 14x14", (8, 256, 14, 14), (256, 256, 1, 1), 1, 0, 1),
    ("3x3 256 of 14x14", (8, 256, 14, 14), (256, 256, 3, 3), 1, 1, 1),
    ("3x3/2 128 of 28x28", (8, 128, 28, 28), (256, 128, 3, 3), 2, 1, 1),
    ("1x1/2 256 of 28x28", (8, 256, 28, 28), (512, 256, 1, 1), 2, 0, 1),
    ("3x3 16 of 28x28", (32, 16, 28, 28), (32, 16, 3, 3), 1, 1, 1),
    ("5x5 1 of 28x28", (32, 1, 28, 28), (16, 1, 5, 5), 1, 0, 1),
    ("depthwise 3x3 128 of 28x28", (8, 128, 28, 28), (128, 1, 3, 3), 1, 1, 128),
    ("depthwise 3x3/2 128 of 28x28", (8, 128, 28, 28), (128, 1, 3, 3), 2, 1, 128),
    ("groups 4, 3x3 128 of 28x28", (8, 128, 28, 28), (128, 32, 3, 3), 1, 1, 4),
    ("1-d 9 128 of 1024", (8, 128, 1024), (128, 128, 9), 1, 4, 1),
    ("3-d 3x3x3 16 of 16x32x32", (2, 16, 16, 32, 32), (32, 16, 3, 3, 3), 1, 1, 1),
]


def product(f: Any, *shapes: tuple[int, ...], dtype: str = "float32", turned: bool = False) -> Row:
    """`a @ b`; turned, b is the transpose of a dense matrix."""
    a, b = (f.rand(*shape).to(getattr(f, dtype)) for shape in shapes)
    if turned:
        b = b.transpose(-1, -2).contiguous().transpose(-1, -2)
    return lambda: a @ b


def products(f: Any) -> Iterator[tuple[str, Row]]:
    """Rows of matrix products."""
    for n in SIZES:
        yield f"matmul {n}", product(f, (n, n), (n, n))
    yield "matmul 512, b transposed", product(f, (512, 512), (512, 512), turned=True)
    yield "matmul 512, float64", product(f, (512, 512), (512, 512), dtype="float64")
    yield "matmul 512, bfloat16", product(f, (512, 512), (512, 512), dtype="bfloat16")
    yield "matmul 256, complex64", product(f, (256, 256), (256, 256), dtype="complex64")
    yield "matmul 64x2048x64", product(f, (64, 2048), (2048, 64))
    yield "matmul 2048x64x2048", product(f, (2048, 64), (64, 2048))
    yield "matmul 64 of 64x64", product(f, (64, 64, 64), (64, 64, 64))
    yield "attention 8x12 of 128x64", product(f, (8, 12, 128, 64), (8, 12, 64, 128), turned=True)
    yield "matrix by vector 2048", product(f, (2048, 2048), (2048,))
    functional = importlib.import_module(f"{f.__name__}.nn.functional")
    for rows, k, n in ((32, 64, 128), (256, 1024, 1024)):
        x, w, b = f.rand(rows, k), f.rand(n, k), f.rand(n)
        yield f"linear {rows}x{k} to {n}", lambda x=x, w=w, b=b: functional.linear(x, w, b)


def convolutions(f: Any) -> Iterator[tuple[str, Row]]:
    """Rows of convolutions: forward without gradients, and backward alone."""
    functional = importlib.import_module(f"{f.__name__}.nn.functional")
    for name, x_shape, w_shape, stride, padding, groups in CONVOLUTIONS:
        x, w = f.rand(*x_shape) - 0.5, f.rand(*w_shape) - 0.5
        convolve = getattr(functional, f"conv{len(x_shape) - 2}d")

        def forward(x: Any = x, w: Any = w, convolve: Any = convolve, rest: Any = (stride, padding, 1, groups)) -> Any:
            return convolve(x, w, None, *rest)

        yield f"conv {name}", forward
        x_wanted, w_wanted = x.clone().requires_grad_(), w.clone().requires_grad_()
        out = forward(x_wanted, w_wanted)
        grad = f.rand(*out.shape) - 0.5

        def backward(out: Any = out, wanted: Any = (x_wanted, w_wanted), grad: Any = grad) -> Any:
            return f.autograd.grad(out, wanted, grad, retain_graph=True)

        yield f"conv {name}, backward", backward


def measure(name: str, only: str, budget_s: float, threads: int) -> dict[str, float]:
    """Seconds a call for each row of one framework, in this process."""
    framework = importlib.import_module(name)
    if threads:
        framework.set_num_threads(threads)
    rows = (row for family in (products, convolutions) for row in family(framework))
    return {label: seconds(call, budget_s) for label, call in rows if only in label}


def main() -> None:
    """Parses the command line and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="interpreter that has torch; this one by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each row in each round")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--threads", type=int, default=0, help="for both frameworks; 0 leaves them their defaults")
    parser.add_argument("--smoke", action="store_true", help="one short round of Candelabra alone")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--save", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.only, options.budget, options.threads)))
        return
    shared = ["--only", options.only, "--threads", str(options.threads), "--budget", str(options.budget), "--measure"]
    if options.smoke:
        quick = ["--only", options.only or "matmul 1", "--budget", "0.01", "--measure", "candelabra"]
        print(report(in_a_process(sys.executable, __file__, *quick), None))
        return
    peer = (options.peer, [*shared, "torch"]) if has(options.peer, "torch") else None
    text = report(*in_turn(options.rounds, __file__, [*shared, "candelabra"], peer))
    print(text)
    if options.save:
        options.save.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
