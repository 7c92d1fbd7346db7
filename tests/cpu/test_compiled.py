# SPDX-License-Identifier: Apache-2.0
"""Large calls: compiled kernels give what NumPy gives small ones, whatever was called before."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import candelabra as cb
from candelabra.compiler.ir import Target
from candelabra.compiler.plan import Formula
from candelabra.op import ops
from candelabra_cpu.compile import _compiled

F = cb.nn.functional
MANY = 1 << 17


@pytest.mark.parametrize("name", ["sum", "amax", "prod", "all"])
def test_long_lines_that_stand_still_along_kept_dims(name):
    line = cb.full((MANY,), 1.0)
    line[-1] = 3.0
    shown = line.expand(2, 3, MANY)
    one = getattr(cb, name)(line, 0)
    assert (getattr(cb, name)(shown, 2) == one).all()


def test_a_number_true_is_not_the_number_false():
    odd = cb.arange(MANY) % 2 == 1
    assert ((odd & True).sum().item(), (odd & False).sum().item()) == (MANY // 2, 0)
    assert ((odd | True).sum().item(), (odd | False).sum().item()) == (MANY, MANY // 2)
    assert odd.clone().logical_and_(True).any() and not odd.clone().logical_and_(False).any()


@pytest.mark.parametrize("name", ["add", "eq", "atan2", "logical_and"])
def test_shapes_that_do_not_broadcast_are_refused_by_calls_that_repeat(name):
    function, one, other = getattr(cb, name), cb.ones(MANY), cb.ones(MANY + 1)
    for _ in range(3):
        function(one, one)
    for a, b in ((one, other), (other, one), (one.view(2, -1), one)):
        with pytest.raises(cb.ShapeError, match="do not broadcast"):
            function(a, b)


def test_attributes_keep_the_signs_of_zeros():
    x = cb.zeros(MANY)
    for _ in range(2):
        for zero in (0.0, -0.0):
            assert np.signbit(F.threshold(x, 1.0, zero).numpy()).all() == np.signbit(zero)
            assert np.signbit(cb.addcmul(-x, x + 1, x + 1, value=zero).numpy()).all() == np.signbit(zero)


def test_a_factor_that_changes_compiles_nothing():
    x = cb.ones(MANY)
    cb.addcmul(x, x, x, value=0.5)
    before = len(_compiled)
    assert [cb.addcmul(x, x, x, value=v)[0].item() for v in (1.5, -2.0, 0.25)] == [2.5, -1.0, 1.25]
    assert len(_compiled) == before


def test_a_number_that_escapes_a_trace_makes_it_one_for_that_number():
    x = cb.full((64, 300), 2.0)
    assert F.rms_norm(x, (300,), eps=0.0)[0, 0].item() == 1.0
    assert F.rms_norm(x, (300,), eps=12.0)[0, 0].item() == 0.5
    z = cb.ones(MANY, dtype=cb.complex64)
    assert [cb.addcmul(z, z, z, value=v)[0].item() for v in (2**64, 2, 0.0, 1.5)] == [2.0**64 + 1, 3, 1, 2.5]
    n = cb.zeros(MANY, dtype=cb.int32)
    assert [F.threshold(n, 1, v)[0].item() for v in (0.3, 2.7)] == [0, 2]
    assert [cb.vector_norm(x[:1], p, 1).item() for p in (float("inf"), 1.0, 0.0, float("inf"))] == [
        2.0,
        600.0,
        300,
        2.0,
    ]


def test_a_loss_over_a_single_class_is_zero():
    scores = cb.arange(5000).to(cb.float32).view(-1, 1)
    assert F.cross_entropy(scores, cb.ones(5000, 1), reduction="sum", label_smoothing=0.1).item() == 0.0


def test_traces_of_threads_do_not_mix_their_guards():
    described = [((6,), np.dtype("float32"), (1,))] * 2 + [None] * 7
    args = (None, None, None, 0.1, 0.0, 0.0, 0.0, False, False)
    found = []

    def trace():
        found.append(len(Formula(ops["sgd_step"], Target("rows", rows=True)).call(described, args).trace.guards))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            threads = [threading.Thread(target=trace) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(found) == 80 and len(set(found)) == 1


def test_in_place_with_an_operand_that_shows_the_same_memory():
    memory = np.ones(MANY, np.float32)
    target, operand = cb.from_numpy(memory[1:]), cb.from_numpy(memory[:-1])
    target.add_(operand)
    assert memory[0] == 1 and (memory[1:] == 2).all()


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
@pytest.mark.parametrize("size", [3, 700, MANY])
@pytest.mark.parametrize("dtype", [cb.float32, cb.float64, cb.bfloat16])
def test_exponential_units_keep_the_sign_of_zero(name, size, dtype):
    zeros = cb.full((size,), -0.0, dtype=dtype)
    assert cb.signbit(getattr(F, name)(zeros)).all()
    assert not cb.signbit(getattr(F, name)(-zeros)).any()


@pytest.mark.parametrize("decimals", [400, -400, 309, 39])
def test_rounding_to_powers_that_do_not_exist_gives_nan_at_any_size(decimals):
    for size in (3, MANY):
        assert cb.round(cb.full((size,), 1.5), decimals=decimals).isnan().all()


def test_first_little_calls_load_no_compiler():
    code = (
        "import sys, candelabra as cb; x = cb.ones(3); y = (x + 1).exp().sum(); "
        "print('llvmlite' in sys.modules, (cb.ones(2, 2) @ cb.ones(2, 2)).tolist())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False [[2.0, 2.0], [2.0, 2.0]]\n"
