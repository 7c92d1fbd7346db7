# SPDX-License-Identifier: Apache-2.0
"""One seed gives the same numbers, bit for bit, on every device here whose kernels follow the specification."""

import numpy as np
import pytest

import candelabra as cb
from candelabra import nn
from candelabra.dispatcher import known_backends


def devices():
    found = ["cpu", "sim"]
    return found + [name for name in ("opencl", "cc") if name in known_backends() and _has(name)]


def _has(name):
    try:
        return bool(cb.zeros(1, device=name).numel())
    except cb.CandelabraError:
        return False


DRAWS = {
    "rand": lambda **k: cb.rand(1001, **k),
    "rand64": lambda **k: cb.rand(17, dtype=cb.float64, **k),
    "randn": lambda **k: cb.randn(1001, **k),
    "long randn": lambda **k: cb.randn(70001, **k),
    "randn64": lambda **k: cb.randn(1001, dtype=cb.float64, **k),
    "randn16": lambda **k: cb.randn(33, dtype=cb.bfloat16, **k),
    "complex": lambda **k: cb.randn(33, dtype=cb.complex64, **k),
    "randint": lambda **k: cb.randint(-5, 1000, (1001,), **k),
    "randperm": lambda **k: cb.randperm(1001, **k),
    "dropout": lambda **k: nn.functional.dropout(cb.ones(1001, **k), 0.3),
    "normal_": lambda **k: cb.empty(77, **k).normal_(2.0, 3.0),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("device", [d for d in devices() if d != "cpu"])
def test_one_seed_gives_the_same_bits(draw, device):
    cb.manual_seed(7)
    wanted = DRAWS[draw](device="cpu").numpy()
    cb.manual_seed(7)
    found = DRAWS[draw](device=device).cpu().numpy()
    assert found.tobytes() == wanted.tobytes()


def test_a_long_draw_begins_as_a_short_one():
    cb.manual_seed(3)
    short = cb.randn(40).numpy()
    cb.manual_seed(3)
    assert np.array_equal(cb.randn(100000).numpy()[:40], short)


@pytest.mark.parametrize("device", [d for d in devices() if d != "cpu"])
def test_initial_weights_do_not_depend_on_the_device(device):
    def weights(where):
        cb.manual_seed(11)
        with cb.device(where):
            model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(5, 7), nn.Embedding(6, 3))
        return [p.detach().cpu().numpy().tobytes() for p in model.parameters()]

    assert weights(device) == weights("cpu")
