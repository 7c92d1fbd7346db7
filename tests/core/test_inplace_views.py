# SPDX-License-Identifier: Apache-2.0
"""In-place writes: what they share, what they refuse, and the histories they leave."""

import numpy as np
import pytest

import candelabra as cb
from candelabra import Tensor
from candelabra._errors import AutogradError, DTypeError, ShapeError, StaleTensorError
from candelabra.op import op, ops


def leaf(*values):
    return cb.tensor(list(values), dtype=cb.float64, requires_grad=True)


# -- memory ----------------------------------------------------------------------------------------------------------


def test_overlapping_assignment_acts_as_if_copied_first():
    x = cb.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[:-1] = x[1:]
    assert x.tolist() == [0, 1, 2, 3, 4, 4]
    x[1:].add_(x[:-1])
    assert x.tolist() == [0, 1, 3, 5, 7, 8]
    y = cb.arange(9).reshape(3, 3)
    y.copy_(y.t())
    assert y.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    z = cb.arange(4)
    z.data[1:] = z.data[:-1]
    assert z.tolist() == [0, 0, 1, 2]


def test_out_may_overlap_an_operand():
    x = cb.arange(4.0)
    cb.add(x[1:], 1, out=x[:-1])
    assert x.tolist() == [2, 3, 4, 3]


@pytest.mark.parametrize("alias", ["data", "detach", "view"])
def test_kernel_that_writes_in_place_never_reads_what_it_wrote(alias, monkeypatch):
    def add_one_by_one(target, dim, index, source):
        for i, place in enumerate(index.tolist()):
            target[place] += source[i]

    monkeypatch.setattr(cb.dispatcher.load_backend("cpu").kernel("index_add", cb.float32), "into", add_one_by_one)
    x = cb.ones(4)
    source = {"data": x.data, "detach": x.detach(), "view": x.view(4)}[alias]
    for _ in range(2):
        x.fill_(1)
        x.index_add_(0, cb.tensor([1, 2, 3]), source[:3])
        assert x.tolist() == [1, 2, 2, 2]
    x.index_add_(0, cb.tensor([1, 2, 3]), cb.ones(3))
    assert x.tolist() == [1, 3, 3, 3]


def test_views_of_views_alias_and_count_one_version():
    x = cb.zeros(4)
    view = x.view(2, 2).t()
    view[0].fill_(1)
    x[1] = 5
    assert x.tolist() == [1, 5, 1, 0]
    assert view.tolist() == [[1, 1], [5, 0]]
    assert x._version == view._version == 2
    x.detach().add_(1)
    assert view._version == 3
    x.data.add_(1)
    assert view._version == 3
    assert x.tolist() == [3, 7, 3, 2]


def test_split_and_unbind_give_views():
    x = cb.arange(4.0)
    x.split(2)[1].mul_(10)
    x.unbind(0)[0].add_(7)
    assert x.tolist() == [7, 1, 20, 30]


def test_augmented_assignment_writes_through_the_key():
    x = cb.arange(5)
    x[x > 2] -= 1
    x[cb.tensor([0, 1])] += 10
    x[0] *= 2
    assert x.tolist() == [20, 11, 2, 2, 3]


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.mul_(2),
        lambda x: x[0].mul_(2),
        lambda x: x.__setitem__(0, 2.0),
        lambda x: x.__setitem__(x > 1, 2.0),
        lambda x: x.__setitem__([0], 2.0),
        lambda x: x.index_add_(0, cb.tensor([0]), cb.ones(1, dtype=cb.float64)),
        lambda x: x.unsqueeze_(0),
    ],
)
def test_leaf_that_requires_grad_is_refused(write):
    x = leaf(1.0, 2.0)
    with pytest.raises(AutogradError, match="leaf that requires a gradient"):
        write(x)
    assert x.tolist() == [1, 2]


def test_leaf_may_be_written_without_grad_and_stays_a_leaf():
    x = leaf(1.0, 2.0)
    with cb.no_grad():
        x.mul_(2)
        x[0] = 7.0
        x.unsqueeze_(0)
    (x * x).sum().backward()
    assert x.is_leaf and x.requires_grad
    assert x.grad.tolist() == [[14, 8]]


def test_expanded_tensors_are_refused():
    x = cb.ones(1).expand(3)
    with pytest.raises(ShapeError, match="share one element"):
        x.add_(1)
    with pytest.raises(ShapeError, match="share one element"):
        x[:] = 2.0
    with pytest.raises(ShapeError, match="share one element"):
        x[cb.tensor([0, 1])] = 2.0
    x[0] = 5.0  # one element is no conflict
    assert x.tolist() == [5, 5, 5]


def test_results_that_do_not_fit_are_refused():
    with pytest.raises(DTypeError, match="cannot be cast"):
        cb.ones(2, dtype=cb.int64).add_(1.5)
    with pytest.raises(ShapeError, match="keep the target's shape"):
        cb.ones(2).add_(cb.ones(3, 2))


# -- stale values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.add_(1),
        lambda y: y[0].zero_(),
        lambda y: y.__setitem__(0, 1.0),
        lambda y: y.__setitem__(cb.tensor([0]), 1.0),
        lambda y: y.detach().add_(1),
        lambda y: y.view(1, 2).t()[0].add_(1),
        lambda y: y.unsqueeze_(0),
    ],
)
def test_saved_tensor_written_later_is_stale(write):
    y = leaf(1.0, 2.0) * 2
    z = y * y
    write(y)
    with pytest.raises(StaleTensorError, match="changed in place"):
        z.sum().backward()


def test_saved_result_written_later_is_stale():
    y = leaf(1.0, 2.0).exp()
    y.add_(1)
    with pytest.raises(StaleTensorError, match="changed in place"):
        y.sum().backward()


def test_writes_to_what_no_rule_reads_are_fine():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + y
    y.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_writes_through_data_are_not_counted():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.data.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [12, 20]


# -- histories -------------------------------------------------------------------------------------------------------


def _numeric(function, *values):
    """Central differences of the sum of `function`'s result."""
    grads = []
    for k, value in enumerate(values):
        grad = np.zeros(len(value))
        for i in range(len(value)):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [list(v) for v in values]
                moved[k][i] += step
                ends.append(function(*[leaf(*v) for v in moved]).sum().item())
            grad[i] = (ends[0] - ends[1]) / 2e-6
        grads.append(grad)
    return grads


def view_of_result(x, w):
    y = x * 2
    y[:2].mul_(w[:2])
    return y * y


def base_under_a_view(x, w):
    y = x * 2
    view = y[1:]
    y.mul_(w)
    return view * view


def siblings(x, w):
    y = x * 2
    a, b = y[:2], y[1:]
    a.mul_(w[0])
    return b * b


def chain_of_views(x, w):
    y = (x * 1).view(2, 2)
    y.t()[0].mul_(w[1])
    return y * y


def transposed_result(x, w):
    y = x.view(2, 2).t() * 2
    y[1].mul_(w[2])
    y[:, 0] = w[:2]
    return y * y


def buffer_filled_row_by_row(x, w):
    h = cb.zeros(3, 4, dtype=cb.float64)
    for i in range(3):
        h[i] = x * w[i] + (h[i - 1] if i else 0)
    return h * h


def masked(x, w):
    y = x * 2
    y[cb.tensor([True, False, True, False])] = w[:2] * w[1:3]
    y[cb.tensor([False, True, False, False])] = 3.0
    return y * y * y


def positions_of_a_view(x, w):
    y = (x * 2).view(2, 2)
    y[:, 0][cb.tensor([1, 0])] = w[:2]
    return y * y * x.view(2, 2)


def scattered(x, w):
    y = x * 2
    y.index_add_(0, cb.tensor([0, 0, 3, 1]), w)
    y.scatter_(0, cb.tensor([1]), w[3:])
    y.index_fill_(0, cb.tensor([2]), 1.5)
    y.scatter_add_(0, cb.tensor([2, 2]), w[:2])
    return y * y


def diagonal(x, w):
    y = (x * x).view(2, 2)
    y.diagonal().mul_(w[0])
    y.diagonal(1).copy_(w[1:2])
    return y * y


def shape_in_place(x, w):
    y = (x * w).view(2, 2)
    y.t_()
    y.unsqueeze_(0)
    y[0, 0].mul_(2)
    return y * y


def view_before_and_after(x, w):
    y = x * w
    before = y[0]
    y[0] = w[1]
    return (before * y).sum() * y


def number_over_everything(x, w):
    y = x * w
    y[...] = 2.0
    return y * w


@pytest.mark.parametrize(
    "function",
    [
        view_of_result, base_under_a_view, siblings, chain_of_views, transposed_result, buffer_filled_row_by_row,
        masked, positions_of_a_view, scattered, diagonal, shape_in_place, view_before_and_after,
        number_over_everything,
    ],
)  # fmt: skip
def test_gradients_follow_in_place_writes(function):
    values = ([0.5, -1.5, 2.0, 0.7], [1.2, -0.4, 0.9, 2.1])
    x, w = (leaf(*v) for v in values)
    found = cb.autograd.grad(function(x, w).sum(), (x, w), create_graph=True, allow_unused=True)
    for grad, expected in zip(found, _numeric(function, *values), strict=True):
        got = np.zeros(4) if grad is None else grad.detach().numpy()
        assert np.allclose(got, expected, atol=1e-6)

    def first(*leaves):
        grads = cb.autograd.grad(function(*leaves).sum(), leaves, create_graph=True, allow_unused=True)
        return sum((g * g).sum() for g in grads if g is not None and g.requires_grad)

    x, w = (leaf(*v) for v in values)
    second = cb.autograd.grad(first(x, w), (x, w), allow_unused=True)
    for grad, expected in zip(second, _numeric(first, *values), strict=True):
        got = np.zeros(4) if grad is None else grad.numpy()
        assert np.allclose(got, expected, atol=1e-4)


def test_detached_tensor_gets_no_history_from_writes_to_its_source():
    x = leaf(1.0, 2.0)
    y = x * 2
    detached = y.detach()
    y.mul_(3)
    assert not detached.requires_grad
    assert detached.tolist() == [6, 12]


def test_history_written_through_a_detached_tensor_stays_with_it():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 2
    detached = y.detach()
    detached.mul_(w)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert w.grad is None
    assert detached.requires_grad


def test_buffer_gets_history_and_its_views_too():
    buffer, w = cb.zeros(3, dtype=cb.float64), leaf(2.0, 3.0)
    view = buffer[0]
    buffer[1:] = w
    assert buffer.requires_grad and view.requires_grad
    (buffer * buffer).sum().backward()
    assert w.grad.tolist() == [4, 6]


def test_write_without_grad_leaves_the_history():
    x = leaf(1.0, 2.0)
    y = x * 2
    with cb.no_grad():
        y.add_(1)
    (y * y).sum().backward()
    assert x.grad.tolist() == [12, 20]


def test_constant_over_history_cuts_it():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.fill_(3.0)
    (y * x).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_result_that_is_a_view_of_the_bodys_memory_keeps_its_history():
    @op(method=False)
    def first_of_two_copies(input: "Tensor") -> "Tensor":
        return cb.cat([input, input]).view(2, -1)[0]

    del ops["first_of_two_copies"]
    first_of_two_copies.vjp(input=lambda grad: grad)
    x = leaf(1.0, 2.0, 3.0)
    y = first_of_two_copies(x)
    y[0].mul_(5)
    y.sum().backward()
    assert x.grad.tolist() == [5, 1, 1]


# -- several positions of one element --------------------------------------------------------------------------------

OVERLAPPING = {
    "expand": lambda x: x[:1].expand(3, 2),
    "detached": lambda x: x[:1].expand(3, 2).detach(),
    "as_strided": lambda x: x.as_strided((3, 2), (1, 1)),
    "interleaved": lambda x: x.as_strided((3, 2), (1, 2)),
}


@pytest.mark.parametrize("device", ["cpu", "sim"])
@pytest.mark.parametrize("view", OVERLAPPING)
def test_write_to_overlapping_elements_is_refused(view, device):
    base = cb.arange(6.0, device=device)
    target = OVERLAPPING[view](base)
    for write in (
        lambda: target.add_(1),
        lambda: target.copy_(cb.ones(3, 2, device=device)),
        lambda: cb.add(cb.ones(3, 2, device=device), 1, out=target),
        lambda: target.uniform_(),
    ):
        with pytest.raises(ShapeError, match="several positions share one element"):
            write()
    assert base.tolist() == [0, 1, 2, 3, 4, 5]


def test_write_to_interlocked_elements_that_do_not_overlap_is_allowed():
    x = cb.arange(8.0)
    x.as_strided((2, 3), (3, 2)).add_(10)  # places 0 2 4 and 3 5 7
    assert x.tolist() == [10, 1, 12, 13, 14, 15, 6, 17]


def test_little_in_place_call_counts_its_write_and_keeps_the_rules():
    x = cb.ones(3)
    version = x._version
    assert x.add_(1) is x
    assert x._version == version + 1
    assert x.tolist() == [2, 2, 2]
    view = x[1:]
    view.mul_(3)
    assert x.tolist() == [2, 6, 6]
    with pytest.raises(DTypeError, match="cannot be cast"):
        cb.ones(2, dtype=cb.int64).add_(0.5)
    with pytest.raises(ShapeError, match="keep the target's shape"):
        cb.ones(2).add_(cb.ones(3, 2))
    w = leaf(1, 2)
    with pytest.raises(AutogradError, match="leaf"):
        w.add_(1)
    with cb.no_grad():
        w.add_(1)
        shown = w[:1]
    assert w.tolist() == [2, 3]
    with pytest.raises(AutogradError, match="leaf"):
        shown.add_(1)
    y = w * w
    with cb.no_grad():
        w.mul_(2)
    with pytest.raises(StaleTensorError):
        y.sum().backward()
