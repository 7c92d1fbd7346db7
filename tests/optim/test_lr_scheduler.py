# SPDX-License-Identifier: Apache-2.0
"""Schedules: their rates over 13 steps, jumps to an epoch, resuming, and their state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import candelabra as cb
from candelabra import optim
from candelabra.optim import lr_scheduler as S
from candelabra.serialization import load, save

# fmt: off
# Rates of the two groups at first and after each step, recorded from PyTorch 2.13.
EXPECTED: dict[str, Any] = {
    "step": [[0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.00625, 0.00625], [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.0625, 0.03125, 0.03125]],
    "multi": [[0.1, 0.1, 0.03, 0.03, 0.03, 0.0027, 0.0027, 0.0027, 0.0027, 0.00081, 0.00081, 0.00081, 0.00081, 0.00081], [0.5, 0.5, 0.15, 0.15, 0.15, 0.0135, 0.0135, 0.0135, 0.0135, 0.00405, 0.00405, 0.00405, 0.00405, 0.00405]],
    "const": [[0.025, 0.025, 0.025, 0.025, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [0.125, 0.125, 0.125, 0.125, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]],
    "linear": [[0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08, 0.08], [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]],
    "exp": [[0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441, 0.04782969, 0.043046721, 0.0387420489, 0.03486784401, 0.031381059609, 0.028242953648, 0.025418658283], [0.5, 0.45, 0.405, 0.3645, 0.32805, 0.295245, 0.2657205, 0.23914845, 0.215233605, 0.1937102445, 0.17433922005, 0.156905298045, 0.141214768241, 0.127093291416]],
    "poly": [[0.1, 0.073469387755, 0.051020408163, 0.032653061224, 0.018367346939, 0.008163265306, 0.002040816327, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.367346938776, 0.255102040816, 0.163265306122, 0.091836734694, 0.040816326531, 0.010204081633, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]],
    "cos": [[0.1, 0.091405764747, 0.068905764747, 0.041094235253, 0.018594235253, 0.01, 0.018594235253, 0.041094235253, 0.068905764747, 0.091405764747, 0.1, 0.091405764747, 0.068905764747, 0.041094235253], [0.5, 0.453209163622, 0.330709163622, 0.179290836378, 0.056790836378, 0.01, 0.056790836378, 0.179290836378, 0.330709163622, 0.453209163622, 0.5, 0.453209163622, 0.330709163622, 0.179290836378]],
    "warm": [[0.1, 0.0775, 0.0325, 0.1, 0.09397114317, 0.0775, 0.055, 0.0325, 0.01602885683, 0.1, 0.098466662183, 0.09397114317, 0.086819805153, 0.0775], [0.5, 0.3775, 0.1325, 0.5, 0.467176223927, 0.3775, 0.255, 0.1325, 0.042823776073, 0.5, 0.491651827441, 0.467176223927, 0.428241161391, 0.3775]],
    "warm1": [[0.1, 0.085355339059, 0.05, 0.014644660941, 0.1, 0.085355339059, 0.05, 0.014644660941, 0.1, 0.085355339059, 0.05, 0.014644660941, 0.1, 0.085355339059], [0.5, 0.426776695297, 0.25, 0.073223304703, 0.5, 0.426776695297, 0.25, 0.073223304703, 0.5, 0.426776695297, 0.25, 0.073223304703, 0.5, 0.426776695297]],
    "lambda": [[0.1, 0.095, 0.09025, 0.0857375, 0.081450625, 0.07737809375, 0.073509189062, 0.069833729609, 0.066342043129, 0.063024940972, 0.059873693924, 0.056880009228, 0.054036008766, 0.051334208328], [0.5, 0.25, 0.166666666667, 0.125, 0.1, 0.083333333333, 0.071428571429, 0.0625, 0.055555555556, 0.05, 0.045454545455, 0.041666666667, 0.038461538462, 0.035714285714]],
    "mul": [[0.1, 0.09, 0.099, 0.0891, 0.09801, 0.088209, 0.0970299, 0.08732691, 0.096059601, 0.0864536409, 0.09509900499, 0.085589104491, 0.09414801494, 0.084733213446], [0.5, 0.45, 0.495, 0.4455, 0.49005, 0.441045, 0.4851495, 0.43663455, 0.480298005, 0.4322682045, 0.47549502495, 0.427945522455, 0.470740074701, 0.42366606723]],
    "cyc": [[0.01, 0.0325, 0.055, 0.0775, 0.1, 0.07, 0.04, 0.01, 0.0325, 0.055, 0.0775, 0.1, 0.07, 0.04], [0.01, 0.0575, 0.105, 0.1525, 0.2, 0.136666666667, 0.073333333333, 0.01, 0.0575, 0.105, 0.1525, 0.2, 0.136666666667, 0.073333333333]],
    "cyc2": [[0.01, 0.04, 0.07, 0.1, 0.07, 0.04, 0.01, 0.025, 0.04, 0.055, 0.04, 0.025, 0.01, 0.0175], [0.01, 0.04, 0.07, 0.1, 0.07, 0.04, 0.01, 0.025, 0.04, 0.055, 0.04, 0.025, 0.01, 0.0175]],
    "cyc3": [[0.01, 0.037, 0.0586, 0.07561, 0.049366, 0.0277147, 0.01, 0.024348907, 0.0358280326, 0.04486784401, 0.030920706406, 0.019414317883, 0.01, 0.017625597485], [0.01, 0.037, 0.0586, 0.07561, 0.049366, 0.0277147, 0.01, 0.024348907, 0.0358280326, 0.04486784401, 0.030920706406, 0.019414317883, 0.01, 0.017625597485]],
    "cycf": [[0.01, 0.025, 0.025, 0.02125, 0.01375, 0.0109375, 0.01, 0.010234375, 0.010234375, 0.01017578125, 0.01005859375, 0.010014648438, 0.01, 0.010003662109], [0.01, 0.025, 0.025, 0.02125, 0.01375, 0.0109375, 0.01, 0.010234375, 0.010234375, 0.01017578125, 0.01005859375, 0.010014648438, 0.01, 0.010003662109]],
    "one": [[0.02, 0.126663144075, 0.351844023768, 0.495388467297, 0.491823748465, 0.459522188135, 0.405872826975, 0.33634191824, 0.258013862341, 0.17886938787, 0.106972407086, 0.049648395947, 0.012738012303, 2e-06], [0.04, 0.253326288151, 0.703688047535, 0.990776934594, 0.98364749693, 0.91904437627, 0.81174565395, 0.672683836481, 0.516027724683, 0.35773877574, 0.213944814172, 0.099296791893, 0.025476024606, 4e-06]],
    "one3": [[0.02, 0.124347826087, 0.228695652174, 0.333043478261, 0.437391304348, 0.458260869565, 0.353913043478, 0.249565217391, 0.145217391304, 0.040869565217, 0.015789894737, 0.010527263158, 0.005264631579, 2e-06], [0.02, 0.124347826087, 0.228695652174, 0.333043478261, 0.437391304348, 0.458260869565, 0.353913043478, 0.249565217391, 0.145217391304, 0.040869565217, 0.015789894737, 0.010527263158, 0.005264631579, 2e-06]],
    "chain": [[0.01, 0.009, 0.0081, 0.0729, 0.06561, 0.059049, 0.0531441, 0.04782969, 0.043046721, 0.0387420489, 0.03486784401, 0.031381059609, 0.028242953648, 0.025418658283], [0.05, 0.045, 0.0405, 0.3645, 0.32805, 0.295245, 0.2657205, 0.23914845, 0.215233605, 0.1937102445, 0.17433922005, 0.156905298045, 0.141214768241, 0.127093291416]],
    "chain2": [[0.1, 0.085355339059, 0.05, 0.00732233047, 0.0, 0.014644660941, 0.025, 0.04267766953, 0.05, 0.021338834765, 0.0125, 0.003661165235, 0.0, 0.014644660941], [0.5, 0.426776695297, 0.25, 0.036611652352, 0.0, 0.073223304703, 0.125, 0.213388347648, 0.25, 0.106694173824, 0.0625, 0.018305826176, 0.0, 0.073223304703]],
    "seq": [[0.01, 0.01, 0.01, 0.1, 0.09, 0.081, 0.0729, 0.06561, 0.1, 0.085355339059, 0.05, 0.014644660941, 0.0, 0.014644660941], [0.05, 0.05, 0.05, 0.5, 0.45, 0.405, 0.3645, 0.32805, 0.5, 0.426776695297, 0.25, 0.073223304703, 0.0, 0.073223304703]],
    "seq2": [[0.01, 0.0325, 0.055, 0.0775, 0.1, 0.093301270189, 0.075, 0.05, 0.025, 0.006698729811, 0.0, 0.006698729811, 0.025, 0.05], [0.05, 0.1625, 0.275, 0.3875, 0.5, 0.466506350946, 0.375, 0.25, 0.125, 0.033493649054, 0.0, 0.033493649054, 0.125, 0.25]],
    "seq3": [[0.1, 0.05, 0.1, 0.1, 0.01, 0.01, 0.1, 0.01, 0.001, 0.001, 0.001, 0.001, 0.001, 0.001], [0.5, 0.25, 0.5, 0.5, 0.05, 0.05, 0.5, 0.05, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005]],
    "seq4": [[0.1, 0.075, 0.05, 0.025, 0.0, 0.1, 0.075, 0.025, 0.1, 0.075, 0.025, 0.1, 0.075, 0.025], [0.5, 0.375, 0.25, 0.125, 0.0, 0.5, 0.375, 0.125, 0.5, 0.375, 0.125, 0.5, 0.375, 0.125]],
    "pl": [[0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.00625, 0.00625], [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125]],
    "pl2": [[0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01], [0.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]],
    "step_epoch": [[0.1, 0.1, 0.05, 0.1, 0.0125], [0.5, 0.5, 0.25, 0.5, 0.0625]],
    "multi_epoch": [[0.1, 0.03, 0.0027, 0.1, 0.00081], [0.5, 0.15, 0.0135, 0.5, 0.00405]],
    "const_epoch": [[0.025, 0.025, 0.1, 0.025, 0.1], [0.125, 0.125, 0.5, 0.125, 0.5]],
    "linear_epoch": [[0.02, 0.04, 0.07, 0.03, 0.08], [0.1, 0.2, 0.35, 0.15, 0.4]],
    "exp_epoch": [[0.1, 0.081, 0.059049, 0.09, 0.0387420489], [0.5, 0.405, 0.295245, 0.45, 0.1937102445]],
    "poly_epoch": [[0.1, 0.051020408163, 0.008163265306, 0.073469387755, 0.0], [0.5, 0.255102040816, 0.040816326531, 0.367346938776, 0.0]],
    "cos_epoch": [[0.1, 0.068905764747, 0.01, 0.091405764747, 0.091405764747], [0.5, 0.330709163622, 0.01, 0.453209163622, 0.453209163622]],
    "lambda_epoch": [[0.1, 0.09025, 0.07737809375, 0.095, 0.063024940972], [0.5, 0.166666666667, 0.083333333333, 0.25, 0.05]],
    "warm_epoch": [[0.1, 0.0325, 0.0775, 0.0775, 0.1], [0.5, 0.1325, 0.3775, 0.3775, 0.5]],
    "resume_exp": [0.05, 0.045, 0.0405, 0.03645, 0.032805, 0.0295245, 0.02657205],
    "resume_step": [0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125],
    "resume_cos": [0.05, 0.01, 0.018594235253, 0.041094235253, 0.068905764747, 0.091405764747, 0.1],
    "resume_lin": [0.05, 0.058333333333, 0.066666666667, 0.066666666667, 0.066666666667, 0.066666666667, 0.066666666667],
    "resume_lam": [0.06561, 0.059049, 0.0531441, 0.04782969, 0.043046721, 0.0387420489, 0.03486784401],
    "resume_poly": [0.05, 0.022222222222, 0.005555555556, 0.0, 0.0, 0.0, 0.0],
    "resume_mult": [0.05, 0.045, 0.0405, 0.03645, 0.032805, 0.0295245, 0.02657205],
    "resume_multi": [0.05, 0.005, 0.005, 0.005, 0.005, 0.005, 0.005],
    "resume_const": [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1],
}

MAKERS: dict[str, Callable[[Any], Any]] = {
    "step": lambda o: S.StepLR(o, 3, 0.5),
    "multi": lambda o: S.MultiStepLR(o, [2, 5, 5, 9], 0.3),
    "const": lambda o: S.ConstantLR(o, 0.25, 4),
    "linear": lambda o: S.LinearLR(o, 0.2, 0.8, 6),
    "exp": lambda o: S.ExponentialLR(o, 0.9),
    "poly": lambda o: S.PolynomialLR(o, 7, 2.0),
    "cos": lambda o: S.CosineAnnealingLR(o, 5, 0.01),
    "warm": lambda o: S.CosineAnnealingWarmRestarts(o, 3, 2, 0.01),
    "warm1": lambda o: S.CosineAnnealingWarmRestarts(o, 4),
    "lambda": lambda o: S.LambdaLR(o, [lambda e: 0.95**e, lambda e: 1 / (1 + e)]),
    "mul": lambda o: S.MultiplicativeLR(o, lambda e: 0.9 if e % 2 else 1.1),
    "cyc": lambda o: S.CyclicLR(o, 0.01, [0.1, 0.2], 4, 3),
    "cyc2": lambda o: S.CyclicLR(o, 0.01, 0.1, 3, mode="triangular2"),
    "cyc3": lambda o: S.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "cycf": lambda o: S.CyclicLR(o, 0.01, 0.1, 3, scale_fn=lambda x: 0.5**x, scale_mode="iterations"),
    "one": lambda o: S.OneCycleLR(o, [0.5, 1.0], total_steps=14),
    "one3": lambda o: S.OneCycleLR(
        o, 0.5, epochs=7, steps_per_epoch=2, three_phase=True, anneal_strategy="linear", pct_start=0.4
    ),
    "chain": lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)]),
    "chain2": lambda o: S.ChainedScheduler([S.CosineAnnealingLR(o, 4), S.StepLR(o, 3, 0.5)]),
    "seq": lambda o: S.SequentialLR(
        o, [S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9), S.CosineAnnealingLR(o, 4)], [3, 8]
    ),
    "seq2": lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, 1.0, 4), S.CosineAnnealingLR(o, 6)], [4]),
    "seq3": lambda o: S.SequentialLR(o, [S.ExponentialLR(o, 0.5), S.StepLR(o, 2, 0.1), S.MultiStepLR(o, [1, 2])], [2, 6]),
    "seq4": lambda o: S.SequentialLR(o, [S.PolynomialLR(o, 4), S.CosineAnnealingWarmRestarts(o, 3)], [5]),
}

PLATEAUS: dict[str, dict[str, Any]] = {
    "pl": {"patience": 1, "factor": 0.5},
    "pl2": {"mode": "max", "threshold_mode": "abs", "patience": 0, "cooldown": 2, "min_lr": [0.01, 0.2]},
}

RESUMED: dict[str, Callable[[Any], Any]] = {
    "exp": lambda o: S.ExponentialLR(o, 0.9, last_epoch=3),
    "step": lambda o: S.StepLR(o, 3, 0.5, last_epoch=3),
    "cos": lambda o: S.CosineAnnealingLR(o, 5, 0.01, last_epoch=3),
    "lin": lambda o: S.LinearLR(o, 0.2, 0.8, 6, last_epoch=3),
    "lam": lambda o: S.LambdaLR(o, lambda t: 0.9**t, last_epoch=3),
    "poly": lambda o: S.PolynomialLR(o, 7, 2.0, last_epoch=3),
    "mult": lambda o: S.MultiplicativeLR(o, lambda t: 0.9, last_epoch=3),
    "multi": lambda o: S.MultiStepLR(o, [2, 5], last_epoch=3),
    "const": lambda o: S.ConstantLR(o, 0.5, 4, last_epoch=3),
}
# fmt: on


def two_groups() -> optim.SGD:
    groups = [{"params": [cb.ones(1)], "lr": 0.1}, {"params": [cb.ones(1)], "lr": 0.5}]
    return optim.SGD(groups, lr=0.3, momentum=0.9)


def rates(optimizer: optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def run(optimizer: optim.Optimizer, scheduler: Any, steps: int) -> list[list[float]]:
    rows = []
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rows.append(rates(optimizer))
        assert list(scheduler.get_last_lr()) == rows[-1]
    return rows


@pytest.mark.parametrize("name", MAKERS)
def test_rates_equal_the_recorded_ones(name: str) -> None:
    optimizer = two_groups()
    scheduler = MAKERS[name](optimizer)
    rows = [rates(optimizer), *run(optimizer, scheduler, 13)]
    np.testing.assert_allclose(np.transpose(rows), EXPECTED[name], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", PLATEAUS)
def test_plateau_rates_equal_the_recorded_ones(name: str) -> None:
    optimizer = two_groups()
    scheduler = S.ReduceLROnPlateau(optimizer, **PLATEAUS[name])
    rows = []
    for metric in [5, 4, 4.0, 4.1, 3, 3, 3, 3, cb.tensor(2.0), 5, 5, 5, 5, 5]:
        scheduler.step(metric)
        rows.append(rates(optimizer))
    np.testing.assert_allclose(np.transpose(rows), EXPECTED[name], rtol=1e-9)


@pytest.mark.parametrize("name", ["step", "multi", "const", "linear", "exp", "poly", "cos", "lambda", "warm"])
def test_jump_to_an_epoch(name: str) -> None:
    optimizer = two_groups()
    scheduler = MAKERS[name](optimizer)
    optimizer.step()
    rows = []
    for epoch in [0, 2, 5, 1, 9]:
        scheduler.step(epoch)
        rows.append(rates(optimizer))
    np.testing.assert_allclose(np.transpose(rows), EXPECTED[name + "_epoch"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RESUMED)
def test_resume_from_last_epoch(name: str) -> None:
    optimizer = optim.SGD([{"params": [cb.ones(1)], "lr": 0.05, "initial_lr": 0.1}], lr=0.3)
    scheduler = RESUMED[name](optimizer)
    rows = [rates(optimizer), *run(optimizer, scheduler, 6)]
    np.testing.assert_allclose(np.transpose(rows)[0], EXPECTED["resume_" + name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MAKERS)
def test_state_goes_through_a_file(name: str) -> None:
    optimizer = two_groups()
    scheduler = MAKERS[name](optimizer)
    run(optimizer, scheduler, 4)
    file = io.BytesIO()
    save([optimizer.state_dict(), scheduler.state_dict()], file)
    expected = run(optimizer, scheduler, 6)

    other = two_groups()
    other_scheduler = MAKERS[name](other)
    optimizer_state, scheduler_state = load(file)
    other.load_state_dict(optimizer_state)
    other_scheduler.load_state_dict(scheduler_state)
    other._has_stepped = True
    assert run(other, other_scheduler, 6) == expected


def test_momentum_moves_against_the_rate() -> None:
    for optimizer in (two_groups(), optim.Adam([cb.ones(1)])):
        scheduler = S.OneCycleLR(optimizer, 0.5, total_steps=10)
        key = "betas" if isinstance(optimizer, optim.Adam) else "momentum"

        def momentum(group: dict[str, Any], key: str = key) -> float:
            return group[key][0] if key == "betas" else group[key]

        group = optimizer.param_groups[0]
        assert momentum(group) == pytest.approx(0.95)
        run(optimizer, scheduler, 2)
        assert momentum(group) == pytest.approx(0.85)


def test_scheduler_before_optimizer_warns() -> None:
    optimizer = two_groups()
    scheduler = S.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before optimizer.step"):
        scheduler.step()
    optimizer = two_groups()
    scheduler = S.StepLR(optimizer, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(optimizer, scheduler, 3)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda o: S.StepLR(None, 1), cb.CallError, "must be an Optimizer"),
        (lambda o: S.StepLR(o, 1, last_epoch=2), cb.ArgumentError, "initial_lr"),
        (lambda o: S.LambdaLR(o, [lambda e: 1]), cb.ArgumentError, "one value a group"),
        (lambda o: S.ConstantLR(o, 2.0), cb.ArgumentError, "factor must be in"),
        (lambda o: S.LinearLR(o, 0.0), cb.ArgumentError, "start_factor"),
        (lambda o: S.CosineAnnealingWarmRestarts(o, 0), cb.ArgumentError, "positive ints"),
        (lambda o: S.CyclicLR(o, 0.1, 0.2, mode="other"), cb.ArgumentError, "mode must be"),
        (lambda o: S.OneCycleLR(o, 0.1), cb.ArgumentError, "total_steps"),
        (lambda o: S.ReduceLROnPlateau(o, factor=1.0), cb.ArgumentError, "below 1"),
        (lambda o: S.ChainedScheduler([]), cb.ArgumentError, "must not be empty"),
        (lambda o: S.ChainedScheduler([S.StepLR(o, 1), S.StepLR(two_groups(), 1)]), cb.ArgumentError, "share"),
        (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)], [2]), cb.ArgumentError, "one milestone less"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make(two_groups())


def test_a_rate_that_is_a_tensor_is_written_in_place() -> None:
    rate = cb.tensor(0.5)
    optimizer = optim.SGD([cb.ones(1)], lr=rate)
    scheduler = S.ExponentialLR(optimizer, 0.5)
    run_optimizer = optimizer.step
    run_optimizer()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0.25
