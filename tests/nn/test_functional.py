# SPDX-License-Identifier: Apache-2.0
"""Padding, resizing and the functions that no op family holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn
from candelabra.nn import functional as F

# fmt: off
# (shape, options, shape of the result, weighted sum of the result, of the gradient), recorded from PyTorch 2.13.
PADS: list[Any] = [
    ((3,), ((1, 2), "constant", 7.0), [6], 8.316378513, 0.5927222558),
    ((2, 3), ((-1, 2, 1, 0), "constant", None), [3, 4], 1.472785955, 0.4844342541),
    ((2, 3, 4), ((2, 1, 1, 1), "reflect", None), [2, 5, 7], -0.5138422418, 0.368281615),
    ((1, 3, 4), ((2, 0), "reflect", None), [1, 3, 6], -1.519635072, -1.974024714),
    ((2, 3, 4), ((3, 2), "replicate", None), [2, 3, 9], -0.06896209026, -0.3609364229),
    ((2, 3, 4), ((0, 3, 2, 1), "circular", None), [2, 6, 7], -0.6006916298, -14.24380429),
    ((1, 1, 2, 3, 3), ((1, 1, 2, 0, 1, 1), "replicate", None), [1, 1, 4, 5, 5], 1.297666741, 1.507461723),
    ((1, 1, 3, 4, 4), ((1, 0, 0, 1, 2, 2), "reflect", None), [1, 1, 7, 5, 5], 5.059625316, 0.8861756987),
]
RESIZES: list[Any] = [
    ((1, 1, 5), {"size": 3, "mode": "nearest"}, [1, 1, 3], 0.6548530097, -0.1942386219),
    ((1, 1, 5), {"scale_factor": 2.3, "mode": "nearest"}, [1, 1, 11], 0.9187217508, -0.3229371448),
    ((1, 1, 5), {"scale_factor": 2.3, "mode": "nearest-exact"}, [1, 1, 11], 1.550778361, 1.860841623),
    ((1, 1, 7), {"size": 4, "mode": "area"}, [1, 1, 4], 0.004326336911, -0.3201553958),
    ((1, 1, 5), {"size": 8, "mode": "linear", "align_corners": True}, [1, 1, 8], 0.5641663973, 0.4094298361),
    ((1, 1, 5), {"scale_factor": 0.7, "mode": "linear"}, [1, 1, 3], 0.4575902073, -0.4979949112),
    ((1, 2, 4, 5), {"size": (7, 3), "mode": "bilinear"}, [1, 2, 7, 3], 2.099824709, 3.296745006),
    ((1, 1, 4, 5), {"scale_factor": (1.5, 2), "mode": "bilinear", "align_corners": True}, [1, 1, 6, 10], -0.9833731099, -0.2239005645),
    ((1, 1, 9, 8), {"size": (4, 3), "mode": "bilinear", "antialias": True}, [1, 1, 4, 3], -0.2464241775, -0.02180108861),
    ((1, 1, 4, 5), {"size": (6, 9), "mode": "bicubic"}, [1, 1, 6, 9], 0.3496560432, -0.4332286158),
    ((1, 1, 4, 5), {"scale_factor": 1.6, "mode": "bicubic", "align_corners": True}, [1, 1, 6, 8], 0.1748195434, 1.293257161),
    ((1, 1, 9, 8), {"scale_factor": 0.4, "mode": "bicubic", "antialias": True}, [1, 1, 3, 3], -0.3849265485, -0.2570462245),
    ((1, 1, 3, 3, 3), {"scale_factor": 1.5, "mode": "trilinear"}, [1, 1, 4, 4, 4], -0.2272170722, -0.9297065561),
    ((1, 1, 3, 3, 4), {"size": (2, 5, 3), "mode": "nearest"}, [1, 1, 2, 5, 3], 2.180192709, 1.285282162),
    ((1, 1, 4, 6), {"size": (4, 6), "mode": "bilinear"}, [1, 1, 4, 6], 12.0014325, 7.445129328),
]
# fmt: on


def wave(shape: tuple[int, ...], phase: int) -> cb.Tensor:
    return cb.tensor(np.cos(np.arange(int(np.prod(shape))) * 1.7 + phase * 0.9).reshape(shape))


def check(function: Any, shape: Any, result_shape: list[int], total: float, gradient: float) -> None:
    x = wave(shape, 0).requires_grad_()
    out = function(x)
    weighted = (out * wave(tuple(out.shape), 7)).sum()
    weighted.backward()
    assert list(out.shape) == result_shape
    found = [weighted.item(), (x.grad * wave(shape, 8)).sum().item()]
    np.testing.assert_allclose(found, [total, gradient], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("shape", "options", "result_shape", "total", "gradient"), PADS)
def test_pad(shape: Any, options: Any, result_shape: list[int], total: float, gradient: float) -> None:
    check(lambda x: F.pad(x, *options), shape, result_shape, total, gradient)


@pytest.mark.parametrize(("shape", "options", "result_shape", "total", "gradient"), RESIZES)
def test_interpolate(shape: Any, options: Any, result_shape: list[int], total: float, gradient: float) -> None:
    check(lambda x: F.interpolate(x, **options), shape, result_shape, total, gradient)


def test_pad_keeps_dtype_and_never_returns_the_input() -> None:
    x = cb.tensor([1, 2])
    assert F.pad(x, (1, 0), value=9).tolist() == [9, 1, 2] and F.pad(x, (1, 0)).dtype is cb.int64
    same = F.pad(x, (0, 0))
    same.add_(1)
    assert x.tolist() == [1, 2]


def test_resizing_to_the_same_size_copies() -> None:
    x = wave((1, 1, 2, 3), 0)
    out = F.interpolate(x, size=(2, 3), mode="bicubic")
    assert out.tolist() == x.tolist() and out is not x


@pytest.mark.parametrize(
    ("act", "error", "match"),
    [
        (lambda: F.pad(cb.ones(2), (1,)), cb.ArgumentError, "two sizes"),
        (lambda: F.pad(cb.ones(2), (1, 1, 1, 1)), cb.ShapeError, "4 sizes"),
        (lambda: F.pad(cb.ones(2), (1, 1), "mirror"), cb.ArgumentError, "mode must be"),
        (lambda: F.pad(cb.ones(2), (2, 0), "reflect"), cb.ShapeError, "add at most 1|add 1"),
        (lambda: F.pad(cb.ones(2), (3, 0), "circular"), cb.ShapeError, "add at most 2|add 2"),
        (lambda: F.pad(cb.ones(2), (-3, 0)), cb.ShapeError, "pad: sizes must"),
        (lambda: F.interpolate(cb.ones(1, 1, 2)), cb.ArgumentError, "either size or scale_factor"),
        (
            lambda: F.interpolate(cb.ones(1, 1, 2), 3, mode="bilinear"),
            cb.ShapeError,
            "needs (4,)".replace("(", r"\(").replace(")", r"\)"),
        ),
        (lambda: F.interpolate(cb.ones(1, 1, 2), 3, align_corners=True), cb.ArgumentError, "align_corners"),
        (lambda: F.interpolate(cb.ones(1, 1, 2), 3, mode="linear", antialias=True), cb.ArgumentError, "antialias"),
        (lambda: F.interpolate(cb.ones(1, 1, 2), 0), cb.ShapeError, "positive"),
        (lambda: F.rrelu(cb.ones(1), 0.5, 0.2), cb.ArgumentError, "lower"),
    ],
)
def test_wrong_arguments_are_refused(act: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        act()


def test_every_public_function_is_there_and_listed_in_order() -> None:
    assert sorted(F.__all__) == F.__all__ and all(callable(getattr(F, name)) for name in F.__all__)
    for package in (nn, nn.utils, cb.optim, nn.init):
        assert sorted(package.__all__) == package.__all__
        assert all(hasattr(package, name) for name in package.__all__)


def test_pixel_unshuffle_undoes_pixel_shuffle() -> None:
    x = wave((2, 8, 3, 2), 0)
    assert F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2).tolist() == x.tolist()
