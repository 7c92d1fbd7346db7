# SPDX-License-Identifier: Apache-2.0
"""Cross entropy of the kit for generated kernels, against that of the CPU: on a device whose work items hold loops, and on
one where each result is a work item."""

import dataclasses
import importlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import candelabra as cb
from candelabra._errors import DimError
from candelabra.dispatcher import _plugins, register_backend
from candelabra.dispatcher.backend import BackendInfo

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-cc"

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="needs a C compiler")

cross_entropy = cb.nn.functional.cross_entropy


def rows_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    return type("RowsBackend", (base,), {"name": "lossrows"})()


def items_backend():
    base = importlib.import_module("candelabra_cc.backend").CBackend
    target = dataclasses.replace(base.target, rows=False)
    return type("ItemsBackend", (base,), {"name": "lossitems", "target": target})()


@pytest.fixture(scope="module", params=["lossrows", "lossitems"])
def device(request):
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(PLUGIN))
    made = {"lossrows": "rows_backend", "lossitems": "items_backend"}[request.param]
    register_backend(BackendInfo(name=request.param, loads=f"{__name__}:{made}"))
    yield request.param
    _plugins._found.pop(request.param)
    _plugins._loaded.pop(request.param, None)
    patch.undo()
    sys.modules.pop("candelabra_cc", None)


def loss_and_grad(scores, target, weight, reduction, device):
    x = cb.tensor(scores, device=device).requires_grad_()
    weight = None if weight is None else cb.tensor(weight, device=device)
    loss = cross_entropy(x, cb.tensor(target, device=device), weight=weight, reduction=reduction)
    (loss * 1.5).sum().backward()
    return loss.detach().cpu().numpy(), x.grad.cpu().numpy()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("shape", [(40, 17), (6, 5, 30), (9,)])
def test_loss_and_gradient_are_those_of_the_cpu(device, shape, is_weighted, reduction):
    rng = np.random.default_rng(0)
    classes = shape[1] if len(shape) > 1 else shape[0]
    target = np.array(rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ()))
    if target.ndim:
        target.reshape(-1)[::3] = -100  # ignored
    weight = rng.random(classes) + 0.1 if is_weighted else None
    args = rng.standard_normal(shape) * 3, target, weight, reduction
    for found, expected in zip(loss_and_grad(*args, device), loss_and_grad(*args, "cpu"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_scores_of_no_limit_give_the_same_as_on_the_cpu(device):
    scores = np.array([[np.inf, 0, 1], [-np.inf, 0, 1], [np.nan, 0, 1], [-np.inf, -np.inf, -np.inf]])
    target = np.zeros(4, "int64")
    found, expected = (
        cross_entropy(cb.tensor(scores, device=d), cb.tensor(target, device=d), reduction="none").cpu().numpy()
        for d in (device, "cpu")
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [3, -1, 1 << 32])
def test_a_target_that_is_no_class_is_refused(device, wrong):
    with pytest.raises(DimError, match=f"got {wrong}"):
        cross_entropy(cb.zeros(2, 3, device=device), cb.tensor([0, wrong], device=device))


def test_nothing_but_ignored_targets_gives_nan(device):
    target = cb.full((4,), -100, dtype=cb.int64, device=device)
    assert np.isnan(float(cross_entropy(cb.zeros(4, 3, device=device), target)))
