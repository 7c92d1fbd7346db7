# SPDX-License-Identifier: Apache-2.0
"""Copies by `copy.deepcopy`, `pickle` and `clone`: what they share, and how they lie in memory."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn
from candelabra import Tensor
from candelabra.tensor._sharing import pickled_alone


def pickled(obj: Any) -> Any:
    return pickle.loads(pickle.dumps(obj))


def out_of_band(obj: Any) -> Any:
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(obj, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(body, buffers=[bytearray(b.raw()) for b in buffers])


copies = pytest.mark.parametrize("again", [copy.deepcopy, pickled, out_of_band])


@copies
def test_views_of_one_memory_share_it_afterwards(again: Callable[[Any], Any]) -> None:
    x = cb.arange(12.0).reshape(3, 4).clone()
    views = [x, x[1:].t(), x.detach(), x.data, x[0].expand(2, 4), x.view(cb.int32), x[:, ::2]]
    found = again(views)
    for old, new in zip(views, found, strict=True):
        assert new.tolist() == old.tolist() and new.stride() == old.stride() and new.dtype is old.dtype
    found[0].fill_(1)
    for new in found[1:5]:
        assert bool((new == 1).all())
    assert found[5][0, 0].item() == 0x3F800000
    assert x.tolist()[0] == [0.0, 1.0, 2.0, 3.0]


@copies
def test_empty_and_alone_tensors_are_copied(again: Callable[[Any], Any]) -> None:
    x = cb.ones(2, 3)
    part = x[:0]
    alone, none = again((cb.ones(2), part))
    assert alone.tolist() == [1.0, 1.0] and none.shape == (0, 3)


@copies
def test_memory_with_gaps_lent_by_numpy(again: Callable[[Any], Any]) -> None:
    x = cb.from_numpy(np.arange(7.0)[1::2])
    whole, part = again((x, x[1:]))
    whole[1] = -1
    assert part.tolist() == [-1.0, 5.0] and part.stride() == (2,)


@copies
def test_modules_keep_parameters_tied_by_identity_and_by_memory(again: Callable[[Any], Any]) -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    module.across = nn.Parameter(module[0].weight.detach().t())
    other = again(module)
    assert other[0].weight is other[1].weight
    with cb.no_grad():
        other[0].weight.fill_(3)
    assert isinstance(other.across, nn.Parameter) and bool((other.across == 3).all())
    assert not bool((module.across == 3).any())


def test_deepcopy_of_temporary_tensors_never_mixes_memories() -> None:
    class Holder:
        def __reduce__(self) -> Any:
            whole = cb.arange(4.0)
            return list, ([whole[:2], whole[2:]],)

    for first, second in copy.deepcopy([Holder() for _ in range(20)]):
        assert first.tolist() == [0.0, 1.0] and second.tolist() == [2.0, 3.0]


def test_batches_of_workers_leave_the_rest_of_the_memory_behind() -> None:
    data = cb.zeros(1000, 4)
    assert len(pickle.dumps(data[0])) > data.nbytes  # its memory comes along, for what else shows it
    with pickled_alone():
        assert len(pickle.dumps(data[0])) < 1000


def test_version_is_counted_for_all_copies_of_one_memory() -> None:
    x = cb.zeros(3)
    whole, part = copy.deepcopy((x, x[1:]))
    part.add_(1)
    assert whole._version == part._version == 1 and x._version == 0


# -- order in memory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "strides"),
    [
        (lambda x: x.transpose(0, 2), (1, 4, 12)),
        (lambda x: x[:, :, ::2].transpose(0, 2), (1, 2, 6)),
        (lambda x: x.permute(1, 2, 0), (4, 1, 12)),
        (lambda x: x[:, 1], (4, 1)),
        (lambda x: x[0, 0, :1].expand(3, 4, 1)[:, :, 0], (4, 1)),
        (lambda x: x.as_strided((3, 3), (1, 1)), (3, 1)),
    ],
)
def test_clone_keeps_the_order_of_dims(make: Callable[[Tensor], Tensor], strides: tuple[int, ...]) -> None:
    x = make(cb.arange(24.0).reshape(2, 3, 4))
    for _ in range(2):
        assert x.clone().stride() == strides and x.clone().tolist() == x.tolist()
    assert x.clone(memory_format=cb.contiguous_format).is_contiguous()
    assert x.to(cb.float64, copy=True).tolist() == x.tolist()


def test_clone_in_another_order_is_no_view_and_is_differentiable() -> None:
    x = cb.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.t().clone()
    assert y._base is None and y.storage_offset() == 0
    y.mul_(cb.arange(6.0).reshape(3, 2))
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]


def test_memory_formats() -> None:
    x = cb.arange(120.0).reshape(2, 3, 4, 5)
    for y in (x.clone(memory_format=cb.channels_last), x.contiguous(memory_format=cb.channels_last)):
        assert y.stride() == (60, 1, 15, 3) and bool((y == x).all())
        assert y.is_contiguous(memory_format=cb.channels_last) and not y.is_contiguous()
        assert y.clone().stride() == y.to(memory_format=cb.preserve_format).stride() == y.stride()
    assert x.reshape(1, 2, 3, 4, 5).clone(memory_format=cb.channels_last_3d).stride() == (120, 1, 40, 10, 2)
    assert not x[0].is_contiguous(memory_format=cb.channels_last)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.clone(memory_format=cb.channels_last), cb.ShapeError, "channels_last is for 4 dims, got 2"),
        (lambda x: x.contiguous(memory_format=cb.channels_last_3d), cb.ShapeError, "is for 5 dims"),
        (lambda x: cb.empty_like(x, memory_format=cb.channels_last), cb.ShapeError, "is for 4 dims"),
        (lambda x: x.contiguous(memory_format=cb.preserve_format), cb.ArgumentError, "must name an order"),
        (lambda x: x.clone(memory_format=1), cb.CallError, "must be a candelabra.memory_format, got 1"),
        (lambda x: x.is_contiguous(memory_format=1), cb.CallError, "must be a candelabra.memory_format"),
        (lambda x: x.to(memory_format=1), cb.CallError, "must be a candelabra.memory_format"),
        (lambda x: cb.clone(1.5), cb.CallError, "input must be a tensor"),
    ],
)
def test_formats_that_do_not_fit_are_refused(call: Callable[[Tensor], Any], error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call(cb.ones(2, 3))
