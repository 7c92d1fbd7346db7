# SPDX-License-Identifier: Apache-2.0
"""Formulas of activations: all digits in the tails, special arguments, and shorter polynomials for 16-bit results."""

import math

import numpy as np
import pytest

from candelabra.compiler import ir
from candelabra.compiler import math as kernel_math
from candelabra.compiler.ir import Builder, Target
from candelabra.compiler.math.exponential import softened
from candelabra.compiler.scalar import SCALAR

FUSED, PLAIN = Target("fused"), Target("plain", fma=False)
targets = pytest.mark.parametrize("target", [FUSED, PLAIN], ids=["fused", "plain"])
KINDS = {"f32": np.float32, "f64": np.float64}


def evaluate(function, type, x, target=FUSED, is_short=False):
    b = Builder("k", target)
    operand = b.scalar("x", type)
    if is_short:
        with kernel_math.short_results(b):
            found = function(operand)
    else:
        found = function(operand)
    return ir.evaluate([found], {operand: x})[0]


@np.vectorize
def below(x):
    """What the normal distribution has below x; what -x / sqrt(2) is rounded by is made up for."""
    exact = -np.longdouble(x) / np.sqrt(np.longdouble(2))
    z = float(exact)
    return (math.erfc(z) - 2 / math.sqrt(math.pi) * math.exp(-z * z) * float(exact - z)) / 2


def mish(x):
    return x * np.tanh(np.logaddexp(0.0, x))


def off(got, want):
    """Units in the last place, of a normal number at least."""
    return np.max(np.abs(got.astype("f8") - want) / np.maximum(np.spacing(np.abs(want).astype(got.dtype)), 1e-45))


@targets
@pytest.mark.parametrize(
    ("function", "reference", "low", "budget"),
    [
        (kernel_math.gelu, lambda x: x * below(x), -13, 5.0),
        (softened, lambda x: np.log1p(np.exp(-np.abs(x))), -80, 2.0),
        (SCALAR["mish"], mish, -80, 4.0),
        (SCALAR["softplus"], lambda x: np.logaddexp(0.0, x), -80, 2.0),
        (SCALAR["logsigmoid"], lambda x: -np.logaddexp(0.0, -x), -80, 2.0),
    ],
    ids=["gelu", "softened", "mish", "softplus", "logsigmoid"],
)
def test_tails_in_single_precision_keep_their_digits(function, reference, low, budget, target):
    x = np.concatenate([np.linspace(low, 20, 3001), np.linspace(-1e-3, 1e-3, 100)]).astype("f4")

    assert off(evaluate(function, "f32", x, target), reference(x.astype("f8"))) <= budget


@targets
def test_gelu_in_double_precision_keeps_its_digits(target):
    x = np.linspace(-3, 3, 1001)

    assert off(evaluate(kernel_math.gelu, "f64", x, target), x * below(x)) <= 6


@pytest.mark.parametrize("type", KINDS)
def test_gelu_slope_is_the_derivative(type):
    x = np.linspace(-12, 12, 2001).astype(KINDS[type])
    wide = x.astype("f8")
    bell = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    want = below(wide) + wide * bell

    error = np.abs(evaluate(kernel_math.gelu_slope, type, x) - want)
    # Relative to the parts, which cancel near -0.75; far out the reference's bell has a rounded exponent.
    scale = np.maximum(np.abs(want), np.abs(wide) * bell) * (1 + (type == "f64") * wide * wide)
    assert np.max(error / scale) <= 2 * np.finfo(x.dtype).eps


@pytest.mark.parametrize(
    ("function", "pairs"),
    [
        (kernel_math.gelu, [(math.inf, math.inf), (-math.inf, 0.0), (math.nan, math.nan), (-60.0, 0.0), (1e30, 1e30)]),
        (kernel_math.gelu_slope, [(math.inf, 1.0), (-math.inf, 0.0), (math.nan, math.nan), (0.0, 0.5)]),
        (SCALAR["softplus"], [(math.inf, math.inf), (-math.inf, 0.0), (math.nan, math.nan), (100.0, 100.0)]),
        (SCALAR["mish"], [(math.inf, math.inf), (-math.inf, math.nan), (math.nan, math.nan), (1e30, 1e30)]),
        (SCALAR["logsigmoid"], [(math.inf, 0.0), (-math.inf, -math.inf), (math.nan, math.nan)]),
    ],
    ids=["gelu", "gelu_slope", "softplus", "mish", "logsigmoid"],
)
@pytest.mark.parametrize("type", KINDS)
def test_special_arguments_have_exact_results(function, pairs, type):
    x, want = np.array(pairs, KINDS[type]).T

    np.testing.assert_array_equal(evaluate(function, type, np.ascontiguousarray(x)), want)


def test_softplus_takes_its_sharpness_and_threshold():
    x = np.array([-2.0, 0.5, 1.4, 1.6, 7.0], "f4")
    want = np.where(x * 2.0 > 3.0, x, np.logaddexp(0.0, x * 2.0) / 2.0)

    np.testing.assert_allclose(evaluate(lambda v: SCALAR["softplus"](v, 2.0, 3.0), "f32", x), want, rtol=3e-7)


SHORT = {
    "exp": (kernel_math.exp, np.exp),
    "exp2": (kernel_math.exp2, np.exp2),
    "sigmoid": (kernel_math.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "erf": (kernel_math.erf, np.vectorize(math.erf)),
    "gelu": (kernel_math.gelu, lambda x: x * below(x)),
    "softened": (softened, lambda x: np.log1p(np.exp(-np.abs(x)))),
    "mish": (SCALAR["mish"], mish),
}


@pytest.mark.parametrize("name", SHORT)
def test_results_for_16_bits_err_by_a_part_of_their_last_place(name):
    function, reference = SHORT[name]
    x = np.linspace(-12, 12, 4000).astype("f4")
    got, want = evaluate(function, "f32", x, is_short=True), reference(x.astype("f8"))

    assert np.max(np.abs(got / want - 1)) <= 2.0**-14.5
    assert np.max(np.abs(evaluate(function, "f32", x) / want - 1)) <= 2.0**-20  # and others are not touched


def test_short_results_take_fewer_steps():
    def steps(is_short):
        b = Builder("k")
        x = b.scalar("x", "f32")
        if is_short:
            with kernel_math.short_results(b):
                kernel_math.gelu(x)
        else:
            kernel_math.gelu(x)
        return len(b.root.items)

    assert steps(True) <= steps(False) - 8
