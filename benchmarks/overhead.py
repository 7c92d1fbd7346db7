# SPDX-License-Identifier: Apache-2.0
"""What an operation costs before it computes: rows on tiny tensors, against PyTorch where it is installed.

    python benchmarks/overhead.py                                 # Candelabra alone
    python benchmarks/overhead.py --peer /path/to/python-with-torch
    python benchmarks/overhead.py --smoke                         # a second in all, for tests

Each framework runs in a process of its own, in turn, for several rounds: their thread pools spoil each other. A row's
time is the best of all its rounds. Prints microseconds a call, the ratio to the peer, and the geometric mean.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from harness import Row, has, in_a_process, in_turn, report, seconds


def rows(f: Any) -> dict[str, Row]:
    """The rows, written once for both frameworks (`f` is candelabra or torch)."""
    functional = importlib.import_module(f"{f.__name__}.nn.functional")
    a, b = f.ones(16), f.ones(16)
    m, bias = f.ones(16, 16), f.ones(16)
    w = f.ones(16, requires_grad=True)

    def three_ops() -> None:
        w.grad = None
        ((w * b + a) * 2.0).sum().backward()

    return {
        "add": lambda: a + b,
        "mul by scalar": lambda: a * 2.0,
        "relu": lambda: f.relu(a),
        "sum": lambda: a.sum(),
        "sum over a dim": lambda: m.sum(1),
        "index": lambda: m[0],
        "index, slice": lambda: m[2:5],
        "view + transpose": lambda: m.view(4, 64).transpose(0, 1),
        "matmul 16x16": lambda: m @ m,
        "linear 16x16": lambda: functional.linear(m, m, bias),
        "three ops, forward + backward": three_ops,
        "MLP step, SGD": mlp_step(f, "SGD", lr=0.01),
        "MLP step, Adam": mlp_step(f, "Adam", lr=0.001),
    }


def mlp_step(f: Any, optimizer: str, **options: Any) -> Row:
    """One training step of a 64-128-10 perceptron on a batch of 32."""
    nn = importlib.import_module(f"{f.__name__}.nn")
    optim = importlib.import_module(f"{f.__name__}.optim")
    functional = importlib.import_module(f"{f.__name__}.nn.functional")
    f.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    update = getattr(optim, optimizer)(model.parameters(), **options)
    x, y = f.randn(32, 64), f.randint(0, 10, (32,))

    def step() -> None:
        update.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        update.step()

    return step


def measure(name: str, budget_s: float) -> dict[str, float]:
    """Seconds a call for each row of one framework, in this process."""
    return {label: seconds(row, budget_s) for label, row in rows(importlib.import_module(name)).items()}


def main() -> None:
    """Parses the command line and runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="interpreter that has torch; this one by default")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--budget", type=float, default=0.5, help="seconds for each row in each round")
    parser.add_argument("--smoke", action="store_true", help="one short round of Candelabra alone")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--save", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.budget)))
        return
    if options.smoke:
        print(report(in_a_process(sys.executable, __file__, "--measure", "candelabra", "--budget", "0.02"), None))
        return
    shared = ["--budget", str(options.budget), "--measure"]
    peer = (options.peer, [*shared, "torch"]) if has(options.peer, "torch") else None
    text = report(*in_turn(options.rounds, __file__, [*shared, "candelabra"], peer))
    print(text)
    if options.save:
        options.save.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
