# SPDX-License-Identifier: Apache-2.0
"""Kernels for devices whose work items meet in groups, on a runtime of the host: results, not speed."""

import dataclasses

import numpy as np
import pytest

import candelabra as cb
from candelabra.dispatcher import _plugins, register_backend
from candelabra.dispatcher.backend import BackendInfo


def card():
    """The OpenCL backend with its first device taken for a card."""
    from candelabra_opencl import backend as module
    from candelabra_opencl.dialect import OpenCLRenderer

    class Card(module.Device):
        def __init__(self, *args):
            super().__init__(*args)
            self.chunks = False
            self.programs.renderer = OpenCLRenderer(False)

    class Cards(module.OpenCLBackend):
        name = "clcard"

        def __init__(self):
            super().__init__()
            self.target = dataclasses.replace(self.target, rows=False, group=256, vectors=False, width_bytes=16)

    patch = pytest.MonkeyPatch()
    patch.setattr(module, "Device", Card)
    card.patch = patch
    return Cards()


@pytest.fixture(scope="module")
def device(backend):
    del backend  # skips where there is no runtime
    register_backend(BackendInfo(name="clcard", loads=f"{__name__}:card"))
    yield "clcard"
    _plugins._found.pop("clcard")
    _plugins._loaded.pop("clcard", None)
    card.patch.undo()


def near(found, expected, rtol):
    np.testing.assert_allclose(found.cpu().numpy(), expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("turned", ["", "a", "b"])
@pytest.mark.parametrize(("a", "b"), [((70, 40), (40, 130)), ((2, 64, 33), (33, 64)), ((33, 3000), (3000, 40))])
def test_tiled_products(device, a, b, turned):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(s) for s in (a, b))
    left, right = (
        cb.tensor(np.ascontiguousarray(v.swapaxes(-1, -2)), device=device).transpose(-1, -2)
        if name in turned
        else cb.tensor(v, device=device)
        for name, v in (("a", x), ("b", y))
    )
    near(left @ right, x @ y, 1e-13)


def test_tiles_of_many_results(device, monkeypatch):
    monkeypatch.setattr("candelabra_loops.tiles.TILES", 1)  # large tiles, which as few results would not get
    x = np.random.default_rng(0).standard_normal((130, 140)).astype("float32")
    near(cb.tensor(x, device=device) @ cb.tensor(x.T.copy(), device=device), x @ x.T, 1e-6)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_convolution_by_columns(device, stride):
    rng = np.random.default_rng(0)
    x, w, bias = (cb.tensor(rng.standard_normal(s)) for s in ((2, 16, 12, 13), (16, 8, 3, 3), (16,)))
    rest = (stride, (1, 0), (1, 2), 2)
    expected = cb.convolution(x, w, bias, *rest)
    near(cb.convolution(x.to(device), w.to(device), bias.to(device), *rest), expected.numpy(), 1e-13)
    grad = cb.tensor(rng.standard_normal(tuple(expected.shape)))
    found = cb.convolution_input_grad(grad.to(device), w.to(device), (12, 13), *rest)
    near(found, cb.convolution_input_grad(grad, w, (12, 13), *rest).numpy(), 1e-13)
    found = cb.convolution_weight_grad(grad.to(device), x.to(device), (3, 3), *rest)
    near(found, cb.convolution_weight_grad(grad, x, (3, 3), *rest).numpy(), 1e-13)
