# SPDX-License-Identifier: Apache-2.0
"""Module: registration, walking, hooks, state, moving, copying and printing."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import candelabra as cb
import candelabra.nn as nn


class Scale(nn.Module):
    """A parameter, a buffer, one that is not saved, and a child."""

    def __init__(self) -> None:
        super().__init__()
        self.child = nn.Linear(3, 2)
        self.factor = nn.Parameter(cb.ones(2))
        self.register_buffer("offset", cb.zeros(2))
        self.register_buffer("cache", cb.zeros(1), persistent=False)

    def forward(self, input: cb.Tensor, *, times: int = 1) -> cb.Tensor:
        return (self.child(input) * self.factor + self.offset) * times


def values(module: nn.Module) -> dict[str, Any]:
    return {name: tensor.tolist() for name, tensor in module.state_dict().items()}


# -- attributes --------------------------------------------------------------------------------------------------------


def test_attributes_become_members_in_order() -> None:
    module = Scale()
    assert [n for n, _ in module.named_parameters()] == ["factor", "child.weight", "child.bias"]
    assert [n for n, _ in module.named_buffers()] == ["offset", "cache"]
    assert [n for n, _ in module.named_modules()] == ["", "child"]
    assert list(module.state_dict()) == ["factor", "offset", "child.weight", "child.bias"]
    assert module._parameters["factor"] is module.factor and list(module._modules) == ["child"]


def test_reassigning_keeps_or_changes_the_role() -> None:
    module = Scale()
    module.offset = cb.ones(2)
    assert module.get_buffer("offset").tolist() == [1.0, 1.0]
    module.factor = None
    assert [n for n, _ in module.named_parameters()] == ["child.weight", "child.bias"]
    module.child = nn.Parameter(cb.ones(1))
    assert [n for n, _ in module.named_parameters()] == ["child"]
    with pytest.raises(cb.CallError, match="is a parameter and takes a Parameter or None"):
        module.child = cb.ones(1)
    del module.child
    module.child = "free"
    assert not list(module.parameters())


@pytest.mark.parametrize(
    ("act", "error", "match"),
    [
        (lambda m: m.register_parameter("a.b", None), cb.ArgumentError, "dot"),
        (lambda m: m.register_buffer("", None), cb.ArgumentError, "empty"),
        (lambda m: m.register_parameter("forward", None), cb.ArgumentError, "must be free"),
        (lambda m: m.register_buffer("factor", None), cb.ArgumentError, "must be free"),
        (lambda m: m.register_parameter("x", cb.ones(1)), cb.CallError, "must be a Parameter"),
        (lambda m: m.register_module("x", 1), cb.CallError, "must be a Module"),
        (lambda m: m.get_submodule("child.none"), cb.ArgumentError, "has no module 'none'"),
        (lambda m: m.get_parameter("child.none"), cb.ArgumentError, "has no parameter"),
        (lambda m: m.train("yes"), cb.CallError, "must be a bool"),
        (lambda m: m.to(cb.int64), cb.DTypeError, "floating and complex"),
        (lambda m: m.missing, AttributeError, "missing"),
        (lambda m: nn.Module()(1), cb.CallError, "no forward"),
    ],
)
def test_wrong_uses_are_refused(act: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        act(Scale())


def test_attributes_may_be_set_before_init() -> None:
    class Early(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(1, 1)
            super().__init__()

    assert len(list(Early().parameters())) == 2


def test_shared_parameters_are_given_once() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[1].weight = module[0].weight
    assert len(list(module.parameters())) == 3
    assert len(list(module.named_parameters(remove_duplicate=False))) == 4
    assert len(module.state_dict()) == 4


def test_submodules_by_path() -> None:
    module = nn.Sequential(OrderedDict(a=nn.Sequential(nn.Identity())))
    module.set_submodule("a.0", nn.Tanh(), strict=True)
    assert isinstance(module.get_submodule("a.0"), nn.Tanh)
    assert module.get_submodule("") is module
    with pytest.raises(cb.ArgumentError):
        module.set_submodule("a.1", nn.Tanh(), strict=True)


# -- modes, dtypes, copies ---------------------------------------------------------------------------------------------


def test_modes_reach_all_below() -> None:
    module = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    assert not any(m.training for m in module.eval().modules())
    assert all(m.training for m in module.train().modules())
    assert not any(p.requires_grad for p in nn.Linear(1, 1).requires_grad_(False).parameters())


def test_apply_goes_children_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.Linear(1, 1), nn.Tanh()).apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "Tanh", "Sequential"]


def test_casts_keep_parameters_and_integer_buffers() -> None:
    module = nn.BatchNorm1d(2)
    weight = module.weight
    module(cb.ones(3, 2)).sum().backward()
    module.double()
    assert module.weight is weight and weight.dtype is cb.float64 and weight.grad.dtype is cb.float64
    assert module.running_mean.dtype is cb.float64 and module.num_batches_tracked.dtype is cb.int64
    module(cb.ones(3, 2, dtype=cb.float64)).sum().backward()
    assert module.to(cb.ones(1, dtype=cb.float16)).weight.dtype is cb.float16
    assert module.to_empty(device="meta").weight.is_meta


def test_move_that_changes_nothing_keeps_memory_and_versions() -> None:
    module = nn.Linear(2, 2)
    view = module.weight.detach()
    module.to("cpu").float()
    with cb.no_grad():
        module.weight.add_(1)
    assert view._version == module.weight._version > 0


def test_zero_grad() -> None:
    module = nn.Linear(2, 1)
    module(cb.ones(1, 2)).sum().backward()
    module.zero_grad(set_to_none=False)
    assert module.weight.grad.tolist() == [[0.0, 0.0]]
    module.zero_grad()
    assert module.weight.grad is None


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_their_own_memory_and_keep_ties(clone: Any) -> None:
    module = Scale()
    module.tied = module.factor
    other = clone(module)
    assert values(other) == values(module) and other.tied is other.factor and isinstance(other.factor, nn.Parameter)
    with cb.no_grad():
        other.factor.add_(1)
    assert module.factor.tolist() == [1.0, 1.0]
    assert other.cache.tolist() == [0.0]


# -- state -------------------------------------------------------------------------------------------------------------


def test_state_goes_over_with_casts() -> None:
    source, target = Scale(), Scale().double()
    result = target.load_state_dict(source.state_dict())
    assert str(result) == "<All keys matched successfully>"
    np.testing.assert_allclose(target.child.weight.detach().numpy(), source.child.weight.detach().numpy())
    assert target.child.weight.dtype is cb.float64 and target.child.weight.requires_grad


def test_failed_load_names_everything_and_changes_nothing() -> None:
    module = Scale()
    before = values(module)
    state = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    state["child.bias"] = cb.ones(5)
    state["stranger"] = cb.ones(1)
    del state["offset"]
    state["factor"] = 3
    with pytest.raises(cb.ArgumentError) as caught:
        module.load_state_dict(state)
    for part in (
        "size mismatch for child.bias: (5,) in the state for (2,) in the module",
        "unexpected keys: stranger",
        "missing keys: offset",
        "factor must be a tensor, got int",
    ):
        assert part in str(caught.value)
    assert values(module) == before
    with pytest.raises(cb.ArgumentError, match="size mismatch"):  # sizes count even when keys do not
        module.load_state_dict(state, strict=False)
    assert values(module) == before


def test_lenient_load_reports_what_differs() -> None:
    module = nn.Linear(2, 1)
    result = module.load_state_dict({"weight": cb.ones(1, 2), "other": cb.ones(1)}, strict=False)
    assert result == (["bias"], ["other"])
    assert module.weight.tolist() == [[1.0, 1.0]]


def test_complex_state_is_not_cut_to_real() -> None:
    with pytest.raises(cb.ArgumentError, match="complex64 in the state but float32"):
        nn.Linear(1, 1, bias=False).load_state_dict({"weight": cb.ones(1, 1, dtype=cb.complex64)})


def test_assign_takes_the_tensors_themselves() -> None:
    module = nn.Linear(2, 1, bias=False, device="meta")
    value = cb.ones(1, 2, dtype=cb.float64)
    module.load_state_dict({"weight": value}, assign=True)
    assert isinstance(module.weight, nn.Parameter) and module.weight.dtype is cb.float64
    with cb.no_grad():
        value.add_(1)
    assert module.weight.tolist() == [[2.0, 2.0]]


def test_load_onto_meta_warns() -> None:
    with pytest.warns(UserWarning, match="assign=True"):
        nn.Linear(1, 1, bias=False, device="meta").load_state_dict({"weight": cb.ones(1, 1)})


def test_own_state_loads_into_itself() -> None:
    module = nn.Linear(2, 2)
    before = values(module)
    module.load_state_dict(module.state_dict())
    assert values(module) == before


def test_extra_state_and_state_hooks() -> None:
    class Counter(nn.Module):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    outer, inner = nn.Module(), Counter()
    inner.count = 7
    outer.inner = inner
    calls: list[str] = []
    outer.register_state_dict_pre_hook(lambda module, prefix, keep: calls.append("saving"))
    outer.register_state_dict_post_hook(lambda module, state, prefix, meta: state.update(late=1))
    state = outer.state_dict()
    assert list(state) == ["inner._extra_state", "late"] and calls == ["saving"]

    outer.register_load_state_dict_pre_hook(lambda module, state, *rest: state.pop("late"))
    outer.register_load_state_dict_post_hook(lambda module, keys: calls.append("loaded"))
    inner.count = 0
    outer.load_state_dict(state)
    assert inner.count == 7 and calls == ["saving", "loaded"] and "late" in state


# -- hooks -------------------------------------------------------------------------------------------------------------


def test_forward_hooks_see_and_replace() -> None:
    module = Scale()
    x = cb.ones(1, 3)
    plain = module(x).detach().numpy()
    module.register_forward_pre_hook(lambda m, args: args[0] * 0)
    module.register_forward_pre_hook(lambda m, args: args[0] + 1)
    module.register_forward_pre_hook(lambda m, args: args[0] * 100, prepend=True)
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"times": 2}), with_kwargs=True)
    after = module.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["times"], with_kwargs=True)
    np.testing.assert_allclose(module(x).detach().numpy(), plain * 2 + 2, rtol=1e-6)
    after.remove()
    np.testing.assert_allclose(module(x).detach().numpy(), plain * 2, rtol=1e-6)


def test_forward_hook_is_called_even_when_forward_raises() -> None:
    seen: list[Any] = []
    module = nn.Linear(2, 1)
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    module.register_forward_hook(lambda m, args, out: seen.append("only on success"))
    with pytest.raises(cb.ShapeError):
        module(cb.ones(3))
    assert seen == [None]


def test_backward_hooks_see_and_replace_gradients() -> None:
    class Two(nn.Module):
        def forward(self, a: Any, b: Any, c: Any) -> Any:
            return a * b, a + c

    seen: dict[str, Any] = {}
    module = Two()

    def before(m: nn.Module, grad_output: Any) -> Any:
        return tuple(g * 10 for g in grad_output)

    def after(m: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        seen["in"], seen["out"] = grad_input, grad_output
        return grad_input[0] + 1, None, None

    module.register_full_backward_pre_hook(before)
    handle = module.register_full_backward_hook(after)
    a, b = cb.tensor([2.0], requires_grad=True), cb.tensor([3.0])
    p, q = module(a, b, 5.0)
    (p + 2 * q).sum().backward()
    assert [g.item() for g in seen["out"]] == [10.0, 20.0]
    assert seen["in"][0].item() == 50.0 and seen["in"][1:] == (None, None)
    assert a.grad.item() == 51.0
    handle.remove()


def test_backward_hook_runs_when_no_input_wants_a_gradient() -> None:
    seen: list[Any] = []
    module = nn.Linear(2, 1)
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    module(cb.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]
    assert module.weight.grad.tolist() == [[1.0, 1.0]]


def test_hooked_output_may_be_changed_in_place() -> None:
    module = nn.Linear(1, 1, bias=False)
    seen: list[Any] = []
    module.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].item()))
    module(cb.ones(1, 1)).mul_(3).sum().backward()
    assert seen == [3.0] and module.weight.grad.item() == 3.0


# -- text --------------------------------------------------------------------------------------------------------------


def test_repr_is_a_tree() -> None:
    module = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), rest=nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.ReLU()])))
    assert repr(module) == (
        "Sequential(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (rest): ModuleList(\n"
        "    (0-1): 2 x Tanh()\n"
        "    (2): ReLU()\n"
        "  )\n"
        ")"
    )
    assert repr(nn.Parameter(cb.ones(1))).startswith("Parameter containing:\ntensor([1.]")
    assert "child" in dir(Scale()) and "0" not in dir(nn.Sequential(nn.Tanh()))


# -- parameters and buffers --------------------------------------------------------------------------------------------


def test_parameter_shares_memory_and_its_version() -> None:
    data = cb.ones(2)
    parameter = nn.Parameter(data)
    data.add_(1)
    assert parameter.tolist() == [2.0, 2.0] and parameter._version == data._version == 1
    assert type(parameter + 1) is cb.Tensor and parameter.is_leaf
    with pytest.raises(cb.DTypeError):
        nn.Parameter(cb.ones(1, dtype=cb.int64))
    assert not nn.Parameter(cb.ones(1, dtype=cb.int64), requires_grad=False).requires_grad
    with pytest.raises(cb.CallError, match="must be a tensor"):
        nn.Parameter([1.0])


def test_buffer_registers_itself() -> None:
    module = nn.Module()
    module.kept, module.dropped = nn.Buffer(cb.ones(1)), nn.Buffer(cb.ones(1), persistent=False)
    assert list(module.state_dict()) == ["kept"] and len(list(module.buffers())) == 2
