# SPDX-License-Identifier: Apache-2.0
"""A small perceptron learns exclusive or, on any device: python examples/mlp.py [device]"""

from __future__ import annotations

import sys

import candelabra as cb
from candelabra import nn


def main(device: str) -> float:
    """Trains for a second; returns the last loss."""
    cb.manual_seed(0)
    x = cb.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], device=device)
    y = cb.tensor([[0.0], [1.0], [1.0], [0.0]], device=device)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).to(device)
    optimizer = cb.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.5f}, predictions {model(x).sigmoid().round().flatten().tolist()}")
    return loss.item()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
