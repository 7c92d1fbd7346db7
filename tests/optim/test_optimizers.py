# SPDX-License-Identifier: Apache-2.0
"""Optimizers: their trajectories, and what they do with groups, state and memory."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

import candelabra as cb
from candelabra import optim
from candelabra._config import grad_enabled
from candelabra.dispatcher import _fallback
from candelabra.ops import optimizer as rules
from candelabra.serialization import load, save

# fmt: off
# Parameters after 20 steps (LBFGS: 8 steps of several) on `loss`, recorded from PyTorch 2.13 in float64.
EXPECTED: list[tuple[str, dict[str, Any], list[float]]] = [
    ("SGD", {"lr": 0.1}, [0.7916666685, 0.5775989871, 0.9351593617, 0.2267813468, 0.1052046922, 0.3240426704, 0.2328601795]),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [0.8349723952, 0.3671109489, 0.5691112188, 0.2297169504, -0.1149504982, 0.5054509093, 0.2469503229]),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}, [0.6332997076, 0.6612390747, 0.1738263091, 0.2329455797, 0.0018004359, 0.4178616947, 0.2445028369]),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, [0.6930359417, 0.3976586936, 0.5808745773, 0.2232436141, 0.1308864317, 0.2971293601, 0.2278614732]),
    ("SGD", {"lr": 0.05, "maximize": True, "weight_decay": 0.1}, [0.050916241, 21.3335759317, 2.8940630164, 59.8305407541, 57.4188267292, 61.7599119739, 59.9511264553]),
    ("Adam", {"lr": 0.1}, [0.502926266, 0.2084140339, 0.3634970564, 0.195578337, 0.4655142279, -0.0215454351, 0.2074179505]),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}, [0.4922366564, 0.1965170418, 0.3351773507, 0.1964737229, 0.4633222732, -0.0240107689, 0.2095766866]),
    ("Adam", {"lr": 0.1, "maximize": True}, [-2.4516400059, 1.1171419672, 4.0829276241, 2.3543628518, 0.4591645377, 3.1956705149, 2.4089214925]),
    ("AdamW", {"lr": 0.1}, [0.5010450899, 0.2088405565, 0.3509043419, 0.1957540951, 0.4630138973, -0.0192185652, 0.2074452047]),
    ("AdamW", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.3}, [0.4744081355, 0.2200844251, 0.151021631, 0.1985217399, 0.3913416912, 0.0532367059, 0.2064639685]),
    ("Adagrad", {"lr": 0.1}, [0.3714477576, 0.2077251776, 1.3259389316, 0.2138859405, -0.0646013046, 0.529275541, 0.2143468031]),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}, [0.0300651704, 0.3443991435, 1.5635801731, 0.2180200702, -0.280572606, 0.7119992845, 0.2305649582]),
    ("RMSprop", {"lr": 0.05}, [0.8562159206, 0.733236377, 0.5038965285, 0.2133081997, 0.2127585842, 0.2476553711, 0.2153656343]),
    ("RMSprop", {"lr": 0.05, "centered": True, "momentum": 0.9, "weight_decay": 0.1}, [0.7965748372, 0.0170936949, -0.1120441811, 0.1172334508, 0.4994695932, 0.1100986082, 0.1163645358]),
    ("Adadelta", {}, [-0.4248241856, 0.7301390696, 1.9312721963, 0.2488538907, -0.6246644166, 1.0360685349, 0.296635273]),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1}, [-0.4715348337, 0.7722003321, 1.9723404789, 0.2749558984, -0.6713063837, 1.0730680735, 0.3246284494]),
    ("Adamax", {"lr": 0.1}, [0.6153305505, 0.063083823, 0.6550982927, 0.2149076154, 0.3081380646, 0.1975370572, 0.203436726]),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1}, [0.6061679078, 0.0576455868, 0.6296793165, 0.2086077838, 0.3129857001, 0.1889579681, 0.1975132306]),
    ("NAdam", {"lr": 0.1}, [0.6700946272, 0.320892219, 0.71807863, 0.2596627282, 0.2899623455, 0.1970547407, 0.2574933643]),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}, [0.6490030432, 0.2966274349, 0.5834021758, 0.2657825836, 0.2915935357, 0.1867553803, 0.2638418032]),
    ("RAdam", {"lr": 0.1}, [0.2570591855, -0.0294532721, 1.4936856191, 0.2617253241, -0.2418412302, 0.598873467, 0.2736656154]),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1}, [0.2784164376, -0.0405274674, 1.406622139, 0.257457467, -0.2081179551, 0.5650418997, 0.2679991654]),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}, [0.2430706482, -0.0316370698, 1.2091556821, 0.2517812018, -0.1731900713, 0.4960181214, 0.265558557]),
    ("Rprop", {"lr": 0.1}, [0.8184941158, 0.638706731, 0.4952103424, 0.18072, 0.2514868224, 0.200071168, 0.23072]),
    ("ASGD", {"lr": 0.1}, [0.7916187506, 0.5775158177, 0.9350472081, 0.2267785863, 0.1052097001, 0.3240336954, 0.2328570307]),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "t0": 5, "weight_decay": 0.1}, [0.7566664814, 0.5199316207, 0.7880870204, 0.2231672611, 0.126412783, 0.3005708435, 0.228004985]),
    ("LBFGS", {"lr": 0.5, "max_iter": 4}, [0.9999933599, 0.9999847077, 0.4999775961, 0.2222225798, 0.2222156073, 0.2222281577, 0.2222229284]),
    ("LBFGS", {"line_search_fn": "strong_wolfe", "max_iter": 10}, [0.9999949842, 0.9999919969, 0.4999939842, 0.2222260298, 0.2222325512, 0.2222208127, 0.2222257037]),
]
# fmt: on


def problem(dtype: Any = cb.float64) -> list[cb.Tensor]:
    w = cb.tensor([-0.5, 0.8, 2.0], dtype=dtype, requires_grad=True)
    b = cb.tensor([[0.3, -0.7], [1.1, 0.35]], dtype=dtype, requires_grad=True)
    return [w, b]


def loss(w: cb.Tensor, b: cb.Tensor) -> cb.Tensor:
    """A curved valley in `w` and a bowl in `b`."""
    x, y, z = w[0], w[1], w[2]
    valley = (1 - x) * (1 - x) + 2 * (y - x * x) * (y - x * x) + 0.3 * (z - 0.5) * (z - 0.5)
    return valley + (b * b * 0.5).sum() + (b.sum() - 1) * (b.sum() - 1)


def train(name: str, options: dict[str, Any], dtype: Any = cb.float64) -> list[float]:
    params = problem(dtype)
    optimizer = getattr(optim, name)(params, **options)

    def closure() -> cb.Tensor:
        optimizer.zero_grad()
        value = loss(*params)
        value.backward()
        return value

    for _ in range(8 if name == "LBFGS" else 20):
        if name == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    return [v for p in params for v in p.detach().reshape(-1).tolist()]


@pytest.mark.parametrize(("name", "options", "expected"), EXPECTED, ids=lambda v: v if isinstance(v, str) else "")
def test_trajectory_equals_the_recorded_one(name: str, options: dict[str, Any], expected: list[float]) -> None:
    # NAdam and ASGD keep scalars in float32 there: 1e-8.
    np.testing.assert_allclose(train(name, options), expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_float32_trajectory_stays_near_float64(name: str) -> None:
    options = {"lr": 0.05}
    np.testing.assert_allclose(train(name, options, cb.float32), train(name, options), rtol=1e-4, atol=1e-4)


KERNEL_CASES = [
    ("sgd_step", 0, {}),
    ("sgd_step", 1, {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}),
    ("sgd_step", 1, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("adam_step", 2, {}),
    ("adam_step", 2, {"weight_decay": 0.1, "maximize": True}),
    ("adam_step", 3, {"weight_decay": 0.1, "decoupled": True}),
]


@pytest.mark.parametrize("layout", ["small", "strided", "many runs"])
@pytest.mark.parametrize(("name", "states", "options"), KERNEL_CASES)
def test_inplace_kernel_agrees_with_the_op(name: str, states: int, options: dict[str, Any], layout: str) -> None:
    rng = np.random.default_rng(0)
    shape = (70_001,) if layout == "many runs" else (6, 5)
    arrays = [rng.uniform(0.1, 1.0, shape) for _ in range(2 + states)]
    rule = getattr(rules, name)
    slots = 1 if name == "sgd_step" else 3
    lists: list[Any] = [[cb.from_numpy(a.copy())] for a in arrays[2:]] + [None] * (slots - states)
    attributes = (0.1,) if name == "sgd_step" else (3, 0.1)
    bound = {p.name: p.default for p in rule.op.params[2 + slots + len(attributes) :]} | options
    want = rule(*[cb.from_numpy(a) for a in arrays[:2]], *[s and s[0] for s in lists], *attributes, **options)

    param = cb.from_numpy(arrays[0].T.copy().T if layout == "strided" else arrays[0].copy())
    optimizer = optim.SGD([param], lr=0.1)
    optimizer._run(rule, [param], [cb.from_numpy(arrays[1])], lists, *attributes, *bound.values())

    assert param._kind.backend.kernels().get(name + "_") is not None
    for got, expected in zip([param, *[s[0] for s in lists if s]], want, strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adagrad"])
@pytest.mark.parametrize("dtype", [cb.float32, cb.bfloat16])
def test_step_counts_a_write_and_keeps_memory(name: str, dtype: Any) -> None:
    param = cb.ones(3, dtype=dtype).requires_grad_()
    view, version = param.detach(), param._version
    param.grad = cb.ones(3, dtype=dtype)
    getattr(optim, name)([param], lr=0.5).step()
    assert param._version > version
    assert view.tolist() == param.tolist() != [1.0, 1.0, 1.0]
    assert param.dtype is dtype and param.is_leaf


def test_backward_after_step_on_a_saved_parameter_is_refused() -> None:
    param = cb.ones(3, requires_grad=True)
    out = (param * param).sum()
    param.grad = cb.ones(3)
    optim.SGD([param], lr=0.1).step()
    with pytest.raises(cb.StaleTensorError):
        out.backward()


def test_complex_parameter_steps_as_two_real_ones() -> None:
    param = cb.tensor([1 + 2j], requires_grad=True)
    parts = cb.tensor([[1.0, 2.0]], requires_grad=True)
    param.grad, parts.grad = cb.tensor([3 - 4j]), cb.tensor([[3.0, -4.0]])
    for tensor in (param, parts):
        optim.Adam([tensor], lr=0.1).step()
    np.testing.assert_allclose(cb.view_as_real(param.detach()).numpy(), parts.detach().numpy(), rtol=1e-6)


def test_parameters_without_gradient_are_left_alone_and_catch_up_later() -> None:
    late, early = cb.ones(1, requires_grad=True), cb.ones(1, requires_grad=True)
    optimizer = optim.Adam([late, early], lr=0.1)
    early.grad = cb.ones(1)
    optimizer.step()
    assert late.item() == 1.0 and not optimizer.state[late]
    late.grad = cb.ones(1)
    optimizer.step()
    alone = cb.ones(1, requires_grad=True)
    alone.grad = cb.ones(1)
    optim.Adam([alone], lr=0.1).step()
    assert late.item() == pytest.approx(alone.item())
    assert [optimizer.state[p]["step"] for p in (late, early)] == [1, 2]


def test_groups_keep_their_own_options() -> None:
    a, b = cb.ones(1, requires_grad=True), cb.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.25}], lr=0.5)
    a.grad, b.grad = cb.ones(1), cb.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (0.5, 0.75)


def test_named_parameters_are_taken() -> None:
    optimizer = optim.SGD(cb.nn.Linear(2, 1).named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert all(isinstance(p, cb.Tensor) for p in optimizer.param_groups[0]["params"])


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: optim.SGD([], lr=0.1), cb.ArgumentError, "must not be empty"),
        (lambda: optim.SGD(cb.ones(1), lr=0.1), cb.CallError, "iterable of tensors"),
        (lambda: optim.SGD([1], lr=0.1), cb.CallError, "params must be tensors"),
        (lambda: optim.SGD([{"params": {cb.ones(1)}}], lr=0.1), cb.CallError, "order"),
        (lambda: optim.SGD([cb.ones(1, requires_grad=True) * 2], lr=0.1), cb.ArgumentError, "leaves"),
        (lambda: optim.SGD([cb.ones(1)], lr=-1), cb.ArgumentError, "lr must not be negative"),
        (lambda: optim.SGD([cb.ones(1)], lr=1, nesterov=True), cb.ArgumentError, "nesterov needs momentum"),
        (lambda: optim.Adam([cb.ones(1)], betas=(0.9, 1.0)), cb.ArgumentError, "betas must be in"),
        (lambda: optim.LBFGS([cb.ones(1)]).step(), cb.CallError, "needs a closure"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_parameter_in_two_groups_is_refused() -> None:
    shared = cb.ones(1)
    optimizer = optim.SGD([shared], lr=0.1)
    with pytest.raises(cb.ArgumentError, match="one group only"):
        optimizer.add_param_group({"params": [cb.ones(1), shared]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "NAdam", "ASGD", "Rprop"])
def test_training_resumes_from_a_saved_state(name: str) -> None:
    def advance(params: list[cb.Tensor], optimizer: optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(*params).backward()
            optimizer.step()

    options = {"lr": 0.05, **({"momentum": 0.9} if name == "SGD" else {})}
    params = problem()
    optimizer = getattr(optim, name)(params, **options)
    advance(params, optimizer, 3)
    file = io.BytesIO()
    save({"optimizer": optimizer.state_dict(), "params": [p.detach() for p in params]}, file)
    advance(params, optimizer, 3)

    saved = load(file)
    others = [p.requires_grad_() for p in saved["params"]]
    other = getattr(optim, name)(others, lr=1.0)
    other.load_state_dict(saved["optimizer"])
    advance(others, other, 3)
    assert [p.tolist() for p in others] == [p.tolist() for p in params]


def test_load_state_dict_of_other_sizes_changes_nothing() -> None:
    optimizer = optim.SGD([cb.ones(1), cb.ones(1)], lr=0.1)
    with pytest.raises(cb.ArgumentError, match="same sizes"):
        optimizer.load_state_dict(optim.SGD([cb.ones(1)], lr=0.5).state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_hooks_frame_steps_and_states() -> None:
    seen: list[str] = []
    param = cb.ones(1, requires_grad=True)
    optimizer = optim.SGD([param], lr=0.1)
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    handle = optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.register_state_dict_post_hook(lambda _, state: {**state, "extra": 1})
    optimizer.step()
    handle.remove()
    optimizer.step()
    assert seen == ["before", "after", "before"]
    assert optimizer.state_dict()["extra"] == 1


def test_subclass_with_its_own_step_gets_hooks() -> None:
    class Doubling(optim.Optimizer):
        def step(self, closure: Any = None) -> Any:
            return 7

    seen: list[int] = []
    optimizer = Doubling([cb.ones(1)], {})
    optimizer.register_step_pre_hook(lambda *_: seen.append(1))
    assert optimizer.step() == 7 and seen == [1]


def test_closure_runs_with_gradients_and_its_loss_is_returned() -> None:
    param = cb.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([param], lr=0.5)

    def closure() -> cb.Tensor:
        value = (param * param).sum()
        value.backward()
        return value

    with cb.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert param.item() == 0.0 and grad_enabled.get()


def test_zero_grad_drops_or_clears() -> None:
    param = cb.ones(2, requires_grad=True)
    param.grad = cb.ones(2)
    optimizer = optim.SGD([param], lr=0.1)
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert param.grad is None


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_step_on_their_own(clone: Any) -> None:
    param = cb.ones(2, requires_grad=True)
    param.grad = cb.ones(2)
    optimizer = optim.Adam([param], lr=0.1)
    optimizer.step()
    other = clone(optimizer)
    copied = other.param_groups[0]["params"][0]
    copied.grad = cb.ones(2)
    other.step()
    assert other.state[copied]["step"] == 2 and optimizer.state[param]["step"] == 1
    assert copied.tolist() != param.tolist()


def test_repr_lists_the_options_of_each_group() -> None:
    assert repr(optim.Rprop([cb.ones(1)], lr=0.5)) == (
        "Rprop (\nParameter Group 0\n    etas: (0.5, 1.2)\n    lr: 0.5\n    maximize: False\n"
        "    step_sizes: (1e-06, 50)\n)"
    )


def test_step_is_seen_by_observers_of_dispatch() -> None:
    seen: list[tuple[str, str]] = []
    param = cb.ones(1, requires_grad=True)
    param.grad = cb.ones(1)
    with _fallback.observe_dispatch(lambda op, backend, how: seen.append((op, how))):
        optim.SGD([param], lr=0.1).step()
    assert ("sgd_step", "kernel") in seen


def test_a_step_rule_can_be_differentiated() -> None:
    lr = 0.1
    grad = cb.tensor([2.0, -1.0], requires_grad=True)
    new, *_ = rules.sgd_step(cb.ones(2), grad, None, lr)
    new.sum().backward()
    np.testing.assert_allclose(grad.grad.numpy(), [-lr, -lr], rtol=1e-6)
