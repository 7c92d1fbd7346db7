# SPDX-License-Identifier: Apache-2.0
"""Clipping of gradients, and parameters as one vector."""

from __future__ import annotations

import math

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn


def with_grads(*grads: list[float]) -> list[cb.Tensor]:
    params = [cb.zeros(len(g), requires_grad=True) for g in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = cb.tensor(grad)
    return [*params, cb.zeros(1, requires_grad=True)]


@pytest.mark.parametrize(
    ("order", "norm"), [(2.0, 13.0), (1.0, 19.0), (math.inf, 12.0), (3.0, (27 + 64 + 1728) ** (1 / 3))]
)
def test_clip_grad_norm(order: float, norm: float) -> None:
    params = with_grads([3.0, -4.0], [12.0])
    found = nn.utils.clip_grad_norm_(params, 1.0, norm_type=order)
    assert found.item() == pytest.approx(norm, rel=1e-6)
    np.testing.assert_allclose(params[0].grad.numpy(), np.array([3, -4]) / norm, rtol=1e-5)
    assert params[2].grad is None


def test_small_gradients_are_not_clipped() -> None:
    params = with_grads([0.3, 0.4])
    nn.utils.clip_grad_norm_(params, 1.0)
    assert params[0].grad.tolist() == pytest.approx([0.3, 0.4])
    assert nn.utils.get_total_norm([]).item() == 0.0


def test_nonfinite_norm_is_refused_on_request_and_nothing_is_scaled() -> None:
    params = with_grads([math.inf, 1.0])
    with pytest.raises(cb.ArgumentError, match="finite"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad.tolist() == [math.inf, 1.0]


def test_clip_grad_value_cuts_in_place() -> None:
    params = with_grads([3.0, -4.0, 0.5])
    grad = params[0].grad
    nn.utils.clip_grad_value_(params, 1.0)
    assert params[0].grad is grad and grad.tolist() == [1.0, -1.0, 0.5]


def test_vector_and_back() -> None:
    module = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(module.parameters())
    vector.sum().backward()
    assert vector.shape == (6,) and module.bias.grad.tolist() == [1.0, 1.0]
    nn.utils.vector_to_parameters(cb.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), module.parameters())
    assert module.weight.tolist() == [[1.0, 2.0], [3.0, 4.0]] and module.bias.requires_grad
    with pytest.raises(cb.ShapeError, match="vector of 6"):
        nn.utils.vector_to_parameters(cb.ones(5), module.parameters())
