# SPDX-License-Identifier: Apache-2.0
"""Initialisations: bounds, moments and structure; layers use PyTorch's formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn
from candelabra.nn import init


@pytest.fixture(autouse=True)
def _seed() -> None:
    cb.manual_seed(0)


def spread(tensor: cb.Tensor) -> tuple[float, float, float, float]:
    host = tensor.detach().numpy().astype(np.float64)
    return host.min(), host.max(), host.mean(), host.std()


# (function, options, bound of the magnitude or None, standard deviation) for a weight of fans 300 and 600
CASES: list[tuple[str, dict[str, Any], float | None, float]] = [
    ("uniform_", {"a": -2.0, "b": 2.0}, 2.0, 4 / math.sqrt(12)),
    ("normal_", {"std": 0.3}, None, 0.3),
    ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(6 / 900), 2 * math.sqrt(2 / 900)),
    ("xavier_normal_", {}, None, math.sqrt(2 / 900)),
    ("kaiming_uniform_", {"a": math.sqrt(5)}, 1 / math.sqrt(300), 1 / math.sqrt(900)),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(6 / 600), math.sqrt(2 / 600)),
    ("kaiming_normal_", {"nonlinearity": "tanh"}, None, 5 / 3 / math.sqrt(300)),
    (
        "trunc_normal_",
        {"std": 2.0, "a": -2.0, "b": 2.0},
        2.0,
        2 * math.sqrt(1 - 0.70891),
    ),  # variance of N(0,1) in [-1,1]
]


@pytest.mark.parametrize(("name", "options", "bound", "std"), CASES)
def test_values_are_spread_as_they_should(name: str, options: dict[str, Any], bound: float | None, std: float) -> None:
    weight = nn.Parameter(cb.empty(200, 100, 3))
    assert getattr(init, name)(weight, **options) is weight
    low, high, mean, found = spread(weight)
    assert found == pytest.approx(std, rel=0.02) and abs(mean) < 0.03 * std * 3
    if bound is not None:
        assert -bound <= low < -0.99 * bound and 0.99 * bound < high <= bound
    assert weight.is_leaf and weight.requires_grad and weight._version > 0


def test_generator_decides_the_values() -> None:
    def draw(seed: int) -> list[float]:
        return init.normal_(cb.empty(3), generator=cb.Generator().manual_seed(seed)).tolist()

    assert draw(1) == draw(1) != draw(2)


def test_constants_and_structure() -> None:
    assert init.constant_(cb.empty(2), 0.5).tolist() == [0.5, 0.5]
    assert init.ones_(cb.empty(1)).item() == 1 and init.zeros_(cb.empty(1)).item() == 0
    assert init.eye_(cb.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = cb.tensor(np.arange(12.0).reshape(1, 4, 3)).to(cb.float32)
    kernel = init.dirac_(cb.empty(4, 2, 3), groups=2)
    assert nn.functional.conv1d(x, kernel, padding=1, groups=2).tolist() == x.tolist()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (2, 3, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(cb.empty(*shape), gain=2.0).numpy().reshape(shape[0], -1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)


def test_sparse_zeros_in_each_column() -> None:
    weight = init.sparse_(cb.empty(20, 5), 0.3, std=1.0)
    assert (weight == 0).sum(0).tolist() == [6] * 5


def test_gains() -> None:
    found = [init.calculate_gain(n) for n in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu")]
    assert found == [1, 1, 1, 5 / 3, math.sqrt(2), 0.75]
    assert init.calculate_gain("leaky_relu", 2.0) == pytest.approx(math.sqrt(2 / 5))


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda: init.calculate_gain("mystery"), cb.ArgumentError),
        (lambda: init.kaiming_normal_(cb.empty(3, 3), mode="fan"), cb.ArgumentError),
        (lambda: init.xavier_uniform_(cb.empty(3)), cb.ShapeError),
        (lambda: init.eye_(cb.empty(3)), cb.ShapeError),
        (lambda: init.dirac_(cb.empty(3, 3)), cb.ShapeError),
        (lambda: init.orthogonal_(cb.empty(3)), cb.ShapeError),
        (lambda: init.sparse_(cb.empty(3), 0.5), cb.ShapeError),
    ],
)
def test_wrong_arguments_are_refused(act: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        act()


@pytest.mark.parametrize(
    ("layer", "bound"),
    [
        (lambda: nn.Linear(400, 300), 1 / 20),
        (lambda: nn.Bilinear(400, 3, 90), 1 / 20),
        (lambda: nn.Conv2d(16, 60, 5), 1 / 20),
        (lambda: nn.ConvTranspose2d(60, 16, 5), 1 / 20),
    ],
)
def test_layers_start_uniform_within_the_fan(layer: Any, bound: float) -> None:
    for tensor in layer().parameters():
        low, high, _, std = spread(tensor)
        assert -bound <= low and high <= bound
        assert std == pytest.approx(bound / math.sqrt(3), rel=0.3)
    assert spread(layer().weight)[3] == pytest.approx(bound / math.sqrt(3), rel=0.03)


def test_embedding_starts_normal_and_meta_is_left_alone() -> None:
    assert spread(nn.Embedding(200, 100).weight)[3] == pytest.approx(1, rel=0.03)
    assert nn.Linear(3, 2, device="meta").weight.is_meta
    assert init.orthogonal_(cb.empty(3, 2, device="meta")).is_meta
