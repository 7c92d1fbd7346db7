# SPDX-License-Identifier: Apache-2.0
"""Containers behave like the lists and dicts they are named for."""

from __future__ import annotations

import pytest

import candelabra as cb
import candelabra.nn as nn


def names(container: nn.Module) -> list[str]:
    return [type(m).__name__ for m in container]


@pytest.mark.parametrize("make", [lambda *m: nn.Sequential(*m), lambda *m: nn.ModuleList(m)])
def test_lists_of_modules(make: object) -> None:
    box = make(nn.ReLU(), nn.Tanh())  # type: ignore[operator]
    box.append(nn.SiLU()).insert(1, nn.GELU())
    assert names(box) == ["ReLU", "GELU", "Tanh", "SiLU"]
    box[-1] = nn.Mish()
    assert names(box[1:3]) == ["GELU", "Tanh"] and type(box[1:3]) is type(box)
    del box[0]
    assert type(box.pop(0)).__name__ == "GELU"
    assert names(box) == ["Tanh", "Mish"] and [n for n, _ in box.named_children()] == ["0", "1"]
    box.extend([nn.ReLU()])
    box += [nn.ReLU()]
    assert len(box) == 4
    with pytest.raises(IndexError):
        box[4]
    with pytest.raises(cb.CallError):
        box.append(1)


def test_sequential_joins_and_repeats() -> None:
    one, two = nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh())
    assert names(one + two) == ["ReLU", "Tanh"] and names(two * 3) == ["Tanh"] * 3
    assert nn.Sequential()(5) == 5
    with pytest.raises(cb.ArgumentError):
        one * 0


def test_sequential_passes_results_on_in_order() -> None:
    class Add(nn.Module):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

        def forward(self, input: str) -> str:
            return input + self.text

    model = nn.Sequential({"b": Add("b"), "a": Add("a")})
    model.register_buffer("unrelated", cb.ones(1))
    assert model("-") == "-ba" and model.a.text == "a"


def test_module_dict() -> None:
    box = nn.ModuleDict({"x": nn.ReLU()})
    box.update([("y", nn.Tanh())])
    assert list(box) == ["x", "y"] and "y" in box and len(box) == 2
    assert type(box.pop("x")).__name__ == "ReLU" and [k for k, _ in box.items()] == ["y"]
    box.clear()
    assert not list(box.values())
    with pytest.raises(KeyError):
        box["x"]
    with pytest.raises(cb.ArgumentError, match="must be free"):
        box["keys"] = nn.ReLU()


def test_parameter_list() -> None:
    box = nn.ParameterList([cb.ones(2), nn.Parameter(cb.ones(3))])
    box.append(cb.ones(4)).extend([cb.ones(5)])
    box[-1] = cb.ones(6)
    assert [p.numel() for p in box] == [2, 3, 4, 6] == [p.numel() for p in box.parameters()]
    assert [p.numel() for p in box[1:3]] == [3, 4] and isinstance(box[0], nn.Parameter)
    assert list(box.state_dict()) == ["0", "1", "2", "3"]
    with pytest.raises(IndexError):
        box[4]


def test_parameter_dict() -> None:
    box = nn.ParameterDict({"a": cb.ones(1)})
    box["b"] = cb.ones(2)
    assert box.setdefault("a", None).numel() == 1 and box.get("z") is None
    assert list((box | nn.ParameterDict({"c": cb.ones(3)})).keys()) == ["a", "b", "c"]
    assert box.popitem()[0] == "b" and len(list(box.parameters())) == 1
    assert list(box.fromkeys(["k"], 1).items()) == [("k", 1)]
    with pytest.raises(cb.ArgumentError, match="must be free"):
        box["update"] = cb.ones(1)
    box.clear()
    assert len(box) == 0 and not list(box.parameters())


def test_texts() -> None:
    assert repr(nn.ParameterList([cb.ones(2, 3)])) == (
        "ParameterList(\n  (0): Parameter containing: [candelabra.float32 of size 2x3]\n)"
    )
    assert repr(nn.ModuleDict({"a": nn.ReLU()})) == "ModuleDict(\n  (a): ReLU()\n)"
