# SPDX-License-Identifier: Apache-2.0
"""The functions of `compiler.math` against NumPy's in `longdouble`, over whole ranges, on targets with and without fma."""

import ctypes
import functools
import math
from fractions import Fraction

import numpy as np
import pytest

import candelabra
from candelabra.compiler import ir, pair
from candelabra.compiler import math as kernel_math
from candelabra.compiler.ir import Builder, Target
from candelabra.op import ops
from candelabra_conformance import tolerances
from candelabra_cpu import llvm, native

DTYPES = {"f32": (np.float32, candelabra.float32), "f64": (np.float64, candelabra.float64)}
COMPLEX = {"f32": (np.complex64, candelabra.complex64), "f64": (np.complex128, candelabra.complex128)}
FUSED, PLAIN = Target("fused"), Target("plain", fma=False)
SPECIAL = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, 10, 1e-20, 1e10, math.inf, -math.inf, math.nan]
COUNT = 4000

both = pytest.mark.parametrize("type", ["f32", "f64"])
targets = pytest.mark.parametrize("target", [FUSED, PLAIN], ids=["fused", "plain"])


def values(type: str, *ranges: tuple[float, float], seed: int = 0) -> np.ndarray:
    """Uniform in each range, then any bits, then special numbers of the type."""
    rng, kind = np.random.default_rng(seed), DTYPES[type][0]
    info = np.finfo(kind)
    width = "u4" if type == "f32" else "u8"
    any_bits = rng.integers(0, 1 << (8 * info.dtype.itemsize), COUNT, dtype=width).view(kind)
    edges = [info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal, 1 + info.eps]
    return np.concatenate(
        [
            *[rng.uniform(low, high, COUNT).astype(kind) for low, high in ranges],
            any_bits,
            np.array(SPECIAL + edges, kind),
        ]
    )


def evaluate(function, type: str, target: Target, *arrays: np.ndarray, count: int | None = None):
    """Results of a formula of real values for whole arrays."""
    b = Builder("k", target)
    params = [b.scalar(f"x{i}", type) for i in range(count or len(arrays))]
    found = function(*params)
    several = isinstance(found, tuple)
    results = ir.evaluate(list(found) if several else [found], dict(zip(params, arrays, strict=True)))
    results = [np.broadcast_to(r, arrays[0].shape) for r in results]
    return results if several else results[0]


def wide(array: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # signalling nans
        return array.astype(np.longdouble)


def worst(got: np.ndarray, want: np.ndarray, type: str, tolerance: str = "elementwise") -> float:
    with np.errstate(all="ignore"):
        return tolerances.compare(got, want, DTYPES[type][1], tolerance) or 0.0


def quiet(function):
    @functools.wraps(function)
    def run(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return run


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def standard(function):
    """A function of the standard library, on each element."""
    return np.vectorize(lambda x: function(float(x)) if x == x else math.nan, otypes=[np.longdouble])


# name: reference, ranges, units in the last place allowed (of NumPy's value in `longdouble`)
FUNCTIONS = {
    "exp": (np.exp, [(-110, 95), (-750, 715), (-1, 1)], 1.5),
    "exp2": (np.exp2, [(-155, 130), (-1080, 1030), (-1, 1)], 1.5),
    "expm1": (np.expm1, [(-20, 89), (-2, 2), (-0.1, 0.1)], 2.5),
    "log": (np.log, [(0.5, 2), (0, 10)], 1.5),
    "log2": (np.log2, [(0.5, 2), (0, 10)], 2.5),
    "log10": (np.log10, [(0.5, 2), (0, 10)], 2.5),
    "log1p": (np.log1p, [(-1, 1), (-0.1, 0.1), (0, 1e10)], 2.0),
    "sigmoid": (sigmoid, [(-110, 20), (-3, 3)], 3.0),
    "sinh": (np.sinh, [(-3, 3), (-95, 95), (-715, 715)], 2.5),
    "cosh": (np.cosh, [(-3, 3), (-95, 95), (-715, 715)], 2.5),
    "tanh": (np.tanh, [(-1, 1), (-22, 22)], 3.0),
    "asinh": (np.arcsinh, [(-1, 1), (-1e5, 1e5)], 3.0),
    "acosh": (np.arccosh, [(1, 1.1), (1, 1e5)], 3.0),
    "atanh": (np.arctanh, [(-1, 1), (-0.1, 0.1)], 3.0),
    "asin": (np.arcsin, [(-1, 1)], 3.0),
    "acos": (np.arccos, [(-1, 1), (0.99, 1)], 2.5),
    "atan": (np.arctan, [(-1, 1), (-5, 5)], 3.0),
    "sinc": (ops["sinc"].reference, [(-3, 3), (-1000, 1000)], 4.0),
}


@both
@targets
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_of_any_argument_is_within_its_budget(name, type, target):
    reference, ranges, budget = FUNCTIONS[name]
    x = values(type, *ranges)
    got = evaluate(kernel_math.FUNCTIONS[name], type, target, x)

    assert worst(got, quiet(reference)(wide(x)), type) <= budget


@both
@targets
@pytest.mark.parametrize(("name", "budget"), [("erf", 4.0), ("erfc", 8.0)])
def test_function_of_the_standard_library_is_within_its_budget(name, budget, type, target):
    x = values(type, (-1, 1), (-4, 4), (0, 11), (0, 28))[: 4 * COUNT : 5]
    got = evaluate(kernel_math.FUNCTIONS[name], type, target, x)

    assert worst(got, standard(getattr(math, name))(x), type, "special") <= budget


@both
def test_gamma_functions_agree_with_the_references_of_their_ops(type):
    x = np.concatenate([np.linspace(0.1, 1.3, 50), np.linspace(1.6, 40, 100), np.linspace(-3.9, -0.1, 60)])
    x = x[x != np.rint(x)].astype(DTYPES[type][0])
    unit = np.finfo(x.dtype).eps

    for n in range(4):
        want = ops["polygamma"].reference(n, wide(x))
        got = evaluate(lambda x, n=n: kernel_math.polygamma(n, x), type, FUSED, x)
        # A roundoff of the argument moves the value by the next derivative.
        slope = np.abs(x * ops["polygamma"].reference(n + 1, wide(x)))
        np.testing.assert_array_less(np.abs(got - want), (8 * np.abs(want) + 2 * slope + 4 * (n == 0)) * unit)


@both
@targets
def test_lgamma_away_from_its_zeros_is_within_its_budget(type, target):
    x = np.concatenate([np.linspace(0, 0.9, 99), np.linspace(2.1, 90, 999), np.geomspace(90, 1e30, 99)])
    x = x.astype(DTYPES[type][0])
    want = quiet(ops["lgamma"].reference)(wide(x))

    assert worst(evaluate(kernel_math.lgamma, type, target, x), want, type, "special") <= 7


def test_lgamma_of_negative_numbers_is_near_the_reference():
    x = np.linspace(-20.3, -0.1, 997)
    want = ops["lgamma"].reference(wide(x))

    assert np.max(np.abs(evaluate(kernel_math.lgamma, "f64", FUSED, x) - want)) < 5e-14


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("erf", [(math.inf, 1), (-math.inf, -1), (math.nan, math.nan), (-0.0, -0.0)]),
        ("erfc", [(math.inf, 0), (-math.inf, 2), (math.nan, math.nan), (-0.0, 1)]),
        ("erfinv", [(1, math.inf), (-1, -math.inf), (2, math.nan), (-0.0, -0.0), (math.nan, math.nan)]),
        ("lgamma", [(math.inf, math.inf), (-math.inf, math.inf), (-3, math.inf), (1, 0), (2, 0), (-1e300, math.inf)]),
        ("digamma", [(math.inf, math.inf), (-math.inf, math.nan), (0.0, -math.inf), (-0.0, math.inf), (-3, math.nan)]),
        ("sigmoid", [(math.inf, 1), (-math.inf, 0), (-0.0, 0.5)]),
    ],
)
def test_special_arguments_have_exact_results(name, pairs):
    x, want = np.array(pairs, np.float64).T

    np.testing.assert_array_equal(evaluate(kernel_math.FUNCTIONS[name], "f64", FUSED, x), want)


# Computed with 40 digits.
ERFINV = {
    0.1: "0.088855990494257691974", 0.5: "0.47693627620446987338", 0.85: "1.0179024648320275882",
    0.875: "1.0847870400692831413", 0.9990234375: "2.3314677736219476723", 1 - 2.0**-24: "3.8325068569007109095",
    1 - 2.0**-53: "5.8635847487551679272",
}  # fmt: skip


def test_erfinv_agrees_with_precise_values():
    x = np.array(list(ERFINV))
    want = np.array([np.longdouble(v) for v in ERFINV.values()])

    assert worst(evaluate(kernel_math.erfinv, "f64", FUSED, x), want, "f64", "special") <= 6
    assert worst(evaluate(kernel_math.erfinv, "f64", FUSED, -x), -want, "f64", "special") <= 6


# -- circular functions over all arguments -------------------------------------------------------------------------------


@functools.cache
def pi_bits() -> int:
    """pi * 2^1300 by Machin's formula."""
    bits = 1310

    def arctan_inverse(n: int) -> int:
        total, term, k = 0, (1 << bits) // n, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term, k = term // (n * n), k + 2
        return total

    return (4 * (4 * arctan_inverse(5) - arctan_inverse(239))) >> 10


def rest_of_half_turns(x: float) -> tuple[int, np.longdouble]:
    """(n, r) with x = n pi / 2 + r, exact to the last digits of r."""
    half_pi = Fraction(pi_bits(), 1 << 1301)
    n = round(Fraction(x) / half_pi)
    rest = Fraction(x) - n * half_pi
    head = float(rest)
    return n, np.longdouble(head) + np.longdouble(float(rest - Fraction(head)))


def circular(name: str, x: float) -> np.longdouble:
    if not math.isfinite(x):
        return np.longdouble(math.nan)
    n, r = rest_of_half_turns(x)
    sine, cosine = np.sin(r), np.cos(r)
    turned = [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][n % 4]
    return turned[0] if name == "sin" else turned[1] if name == "cos" else turned[0] / turned[1]


@both
@targets
@pytest.mark.parametrize(("name", "budget"), [("sin", 3.5), ("cos", 3.5), ("tan", 4.0)])
def test_circular_functions_of_huge_arguments_are_within_their_budget(name, budget, type, target):
    rng, kind = np.random.default_rng(3), DTYPES[type][0]
    # Near multiples of pi / 2 of any size, at the limits of the quick reduction, and any bits.
    exponents = rng.uniform(0, 120 if type == "f32" else 1000, 150)
    near = [float(Fraction(int(2**e) * pi_bits(), 1 << 1301)) for e in exponents]
    limits = [scale * 2.0**e for e in (12, 13, 16, 20, 21, 30) for scale in (0.999, 1.0, 1.001)]
    hard = [6381956970095103 * 2.0**797, 16367173 * 2.0**72, 5.319372648326541e255]
    with np.errstate(over="ignore"):
        x = np.concatenate([np.array(near + limits + hard).astype(kind), values(type)[COUNT - 150 :]])
    want = np.array([circular(name, float(v)) for v in x])
    want = np.where(x == 0, x if name != "cos" else 1, want)

    got = evaluate(kernel_math.FUNCTIONS[name], type, target, x)

    assert worst(got, want, type) <= budget


@both
@targets
@pytest.mark.parametrize(("name", "budget"), [("sin", 3.5), ("cos", 3.5), ("tan", 4.0)])
def test_circular_functions_of_moderate_arguments_are_within_their_budget(name, budget, type, target):
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(-r, r, COUNT) for r in (1, 10, 4000)]).astype(DTYPES[type][0])
    got = evaluate(kernel_math.FUNCTIONS[name], type, target, x)

    assert worst(got, getattr(np, name)(wide(x)), type) <= budget


@both
@targets
def test_sine_and_cosine_do_not_exceed_one(type, target):
    peaks = (np.arange(-4000, 4000)[:, None] * np.pi / 2).astype(DTYPES[type][0])
    x = (peaks + np.arange(-3, 4) * np.spacing(peaks)).ravel()

    for name in ("sin", "cos"):
        assert np.max(np.abs(evaluate(kernel_math.FUNCTIONS[name], type, target, x))) == 1


def test_usual_only_notes_the_arguments_it_is_wrong_for():
    b = Builder("k", FUSED)
    x = b.scalar("x", "f32")
    with kernel_math.usual_only(b) as rare:
        short = kernel_math.sin(x)
    whole = kernel_math.sin(x)

    given = {x: np.array([1.0, -60000.0, 1e6, 1e30, math.inf], np.float32)}
    first, second, noted = ir.evaluate([short, whole, rare[0]], given)

    assert noted.tolist() == [False, False, True, True, False]
    np.testing.assert_array_equal(first[~noted], second[~noted])


# -- functions of two arguments ------------------------------------------------------------------------------------------


def bases_and_exponents(type: str) -> tuple[np.ndarray, np.ndarray]:
    rng, kind = np.random.default_rng(5), DTYPES[type][0]
    most = 128 if type == "f32" else 1024
    x = [np.exp2(rng.uniform(-most, most, COUNT)), rng.uniform(0.5, 2, COUNT)]
    x.append(1 + rng.uniform(-1, 1, COUNT) * 2.0 ** -rng.uniform(1, 20, COUNT))
    y = [rng.uniform(-1.2 * most, 1.2 * most, COUNT) / np.log2(base) for base in x]
    x.append(rng.uniform(-10, 10, COUNT))
    y.append(np.rint(rng.uniform(-30, 30, COUNT)))
    edges = [*SPECIAL, -3.0, 1.5, 4.0, 2.0**30 + 1, 1e-310]
    pairs = np.array([(a, b) for a in edges for b in edges])
    with np.errstate(all="ignore"):
        return tuple(np.concatenate([*part, edge]).astype(kind) for part, edge in zip((x, y), pairs.T, strict=True))


@both
@targets
def test_pow_is_within_its_budget_and_has_ieee_special_cases(type, target):
    x, y = bases_and_exponents(type)
    got = evaluate(kernel_math.pow, type, target, x, y)

    assert worst(got, quiet(np.power)(wide(x), wide(y)), type, "special") <= 7


@both
@pytest.mark.parametrize(
    "exponent", [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 2.5, 9.0, math.inf, -math.inf, math.nan]
)
def test_pow_with_a_constant_exponent_agrees_with_numpy(type, exponent):
    x = values(type, (-5, 5))
    got = evaluate(lambda x: kernel_math.pow(x, exponent), type, FUSED, x)

    assert worst(got, quiet(np.power)(wide(x), np.longdouble(exponent)), type, "special") <= 5


@both
@targets
@pytest.mark.parametrize(
    ("name", "reference", "budget"), [("atan2", np.arctan2, 3.0), ("hypot", np.hypot, 2.0), ("nextafter", None, 0.0)]
)
def test_function_of_two_is_within_its_budget(name, reference, budget, type, target):
    x, y = values(type, (-3, 3), seed=6), values(type, (-3, 3), seed=7)
    edges = np.array([(a, b) for a in SPECIAL for b in SPECIAL], x.dtype)
    x, y = np.concatenate([x, edges[:, 0]]), np.concatenate([y, edges[:, 1]])
    got = evaluate(kernel_math.FUNCTIONS[name], type, target, x, y)
    want = quiet(np.nextafter)(x, y) if reference is None else quiet(reference)(wide(x), wide(y))

    assert worst(got, want, type) <= budget


@both
@pytest.mark.parametrize(("name", "base"), [("logaddexp", math.e), ("logaddexp2", 2.0)])
def test_logaddexp_errs_by_a_roundoff_of_its_operands(name, base, type):
    x, y = values(type, (-3, 3), (-800, 800), seed=8), values(type, (-3, 3), (-800, 800), seed=9)
    got, want = evaluate(kernel_math.FUNCTIONS[name], type, FUSED, x, y), quiet(getattr(np, name))(wide(x), wide(y))
    ordinary = np.isfinite(want) & np.isfinite(wide(got))

    np.testing.assert_array_equal(got[~ordinary], quiet(want.astype)(x.dtype)[~ordinary])
    x, y, got, want = x[ordinary], y[ordinary], got[ordinary], want[ordinary]
    unit = np.finfo(x.dtype).eps
    allowed = 2 * unit * (np.abs(want) + wide(np.maximum(np.abs(x), np.abs(y)))) + np.finfo(x.dtype).tiny
    assert np.all(np.abs(got - want) <= allowed)


# -- exact functions -----------------------------------------------------------------------------------------------------


@both
def test_frexp_and_ldexp_take_apart_and_put_together(type):
    x = values(type, (-3, 3))
    x = x[np.isfinite(x)]
    mantissa, exponent = evaluate(kernel_math.frexp, type, FUSED, x)
    want = np.frexp(x)
    b = Builder("k")
    v, k = b.scalar("x", type), b.scalar("k", "i32" if type == "f32" else "i64")
    shift = np.random.default_rng(10).integers(-2200, 2200, x.size)

    back, moved = [
        ir.evaluate([kernel_math.ldexp(v, k)], {v: a, k: n})[0] for a, n in ((mantissa, exponent), (x, shift))
    ]

    np.testing.assert_array_equal(mantissa, want[0])
    np.testing.assert_array_equal(exponent, want[1])
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(moved, quiet(np.ldexp)(x, shift))


def compiled(function, type: str, target: Target, *arrays: np.ndarray) -> np.ndarray:
    """Results of a formula, loops included, by machine code."""
    b = Builder("formula", target)
    inputs = [b.buffer(f"x{i}", type) for i in range(len(arrays))]
    out = b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        out[i] = function(*[x[i] for x in inputs])
    (address,) = native.native(llvm.render(b.finish())).values()
    result = np.empty_like(arrays[0])
    slots = np.array([*[a.ctypes.data for a in (*arrays, result)], result.size], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)(slots.ctypes.data, 0, result.size)
    return result


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "expm1", "log1p", "sin", "sigmoid"])
def test_machine_code_gives_what_numpy_evaluates(name):
    x = values("f32", (-3, 3))[:COUNT]
    function = kernel_math.FUNCTIONS[name]

    np.testing.assert_array_equal(compiled(function, "f32", FUSED, x), evaluate(function, "f32", FUSED, x))


# -- complex functions ---------------------------------------------------------------------------------------------------


def complex_values(type: str, seed: int = 0) -> np.ndarray:
    """A square about 0, points of any modulus, and points about 1."""
    rng = np.random.default_rng(seed)
    turn = np.exp(1j * rng.uniform(-3.1, 3.1, COUNT // 4))
    any_modulus = 2.0 ** rng.uniform(-30, 30, COUNT // 4) * turn
    near_one = 1 + 2.0 ** rng.uniform(-20, 0, COUNT // 4) * turn
    square = rng.uniform(-3, 3, COUNT // 2) + 1j * rng.uniform(-3, 3, COUNT // 2)
    return np.concatenate([square, any_modulus, near_one]).astype(COMPLEX[type][0])


def evaluate_complex(function, type: str, *arrays: np.ndarray) -> np.ndarray:
    b = Builder("k", FUSED)
    pairs = [pair.Pair(b.scalar(f"re{i}", type), b.scalar(f"im{i}", type)) for i in range(len(arrays))]
    found = function(*pairs)
    given = {
        v: a for p, z in zip(pairs, arrays, strict=True) for v, a in ((p.re, z.real.copy()), (p.im, z.imag.copy()))
    }
    if not isinstance(found, pair.Pair):
        return ir.evaluate([found], given)[0]
    result = np.empty(arrays[0].shape, arrays[0].dtype)
    result.real, result.imag = ir.evaluate(list(found), given)
    return result


# name: NumPy's name, largest modulus asked of it (its own functions err or overflow beyond)
COMPLEX_FUNCTIONS = {
    "sqrt": ("sqrt", 1e10), "exp": ("exp", 80), "exp2": ("exp2", 80), "expm1": ("expm1", 80), "log": ("log", 1e10),
    "log2": ("log2", 1e10), "log10": ("log10", 1e10), "sin": ("sin", 80), "cos": ("cos", 80), "tan": ("tan", 80),
    "sinh": ("sinh", 80), "cosh": ("cosh", 80), "tanh": ("tanh", 80), "asin": ("arcsin", 1e10),
    "acos": ("arccos", 1e10), "atan": ("arctan", 1e10), "asinh": ("arcsinh", 1e10), "acosh": ("arccosh", 1e10),
    "atanh": ("arctanh", 1e10), "reciprocal": ("reciprocal", 1e10), "log1p": ("log1p", 1e10), "abs": ("abs", 1e10),
    "angle": ("angle", 1e10),
}  # fmt: skip


@both
@pytest.mark.parametrize("name", COMPLEX_FUNCTIONS)
def test_complex_function_is_within_its_budget(name, type):
    numpy_name, most = COMPLEX_FUNCTIONS[name]
    z = complex_values(type)
    z = z[np.abs(z) < most]
    if name in ("expm1", "log1p"):  # NumPy's cancel near 0
        z = z[np.abs(z) > 0.3]
    got = evaluate_complex(kernel_math.COMPLEX[name], type, z)
    want = quiet(getattr(np, numpy_name))(z.astype(np.clongdouble))
    kind = COMPLEX[type][1] if np.iscomplexobj(got) else DTYPES[type][1]

    assert tolerances.compare(got, want, kind, "elementwise") <= 8


@both
@pytest.mark.parametrize(
    ("name", "series"), [("expm1", lambda z: z + z**2 / 2 + z**3 / 6), ("log1p", lambda z: z - z**2 / 2 + z**3 / 3)]
)
def test_complex_function_keeps_digits_near_zero(name, series, type):
    z = (complex_values(type)[: COUNT // 2] * 2.0**-26).astype(COMPLEX[type][0])

    got, want = evaluate_complex(kernel_math.COMPLEX[name], type, z), series(z.astype(np.clongdouble))

    assert tolerances.compare(got, want, COMPLEX[type][1], "elementwise") <= 8


@both
def test_complex_division_neither_overflows_nor_vanishes_on_the_way(type):
    rng, most = np.random.default_rng(13), 126 if type == "f32" else 1022
    scale = 2.0 ** rng.integers(-most + 3, most - 3, COUNT)
    z, w = [quiet(lambda z: (z * scale).astype(COMPLEX[type][0]))(complex_values(type, seed)) for seed in (14, 15)]
    ordinary = (np.abs(z) > 0) & (np.abs(w) > 0) & np.isfinite(z) & np.isfinite(w)
    z, w = z[ordinary], w[ordinary]

    got = evaluate_complex(kernel_math.COMPLEX["div"], type, z, w)

    assert tolerances.compare(got, z.astype(np.clongdouble) / w, COMPLEX[type][1], "elementwise") <= 5


@both
def test_complex_power_errs_by_a_roundoff_of_its_logarithm(type):
    z, w = complex_values(type, 16)[: COUNT // 2], complex_values(type, 17)[: COUNT // 2]
    got = evaluate_complex(kernel_math.COMPLEX["pow"], type, z, w)
    want = z.astype(np.clongdouble) ** w.astype(np.clongdouble)

    allowed = (4 + 2 * np.abs(w * np.log(z))) * np.finfo(got.dtype).eps
    assert np.all(np.abs(got - want) <= allowed * np.abs(want))


def test_complex_branch_cuts_keep_the_sign_of_zero():
    z = np.array([complex(-2, 0.0), complex(-2, -0.0), complex(2, 0.0), complex(2, -0.0)])

    for name, numpy_name in (
        ("sqrt", "sqrt"),
        ("log", "log"),
        ("acos", "arccos"),
        ("asin", "arcsin"),
        ("acosh", "arccosh"),
    ):
        got = evaluate_complex(kernel_math.COMPLEX[name], "f64", z)
        np.testing.assert_allclose(got, getattr(np, numpy_name)(z), rtol=1e-14, err_msg=name)


# -- shape of the formulas -----------------------------------------------------------------------------------------------


def formula(name: str, type: str, target: Target) -> list[ir.Value]:
    """All values a function makes."""
    b = Builder("k", target)
    two = ("pow", "atan2", "hypot", "logaddexp", "logaddexp2", "nextafter")
    if name == "polygamma":
        kernel_math.polygamma(2, b.scalar("x", type))
    else:
        kernel_math.FUNCTIONS[name](*[b.scalar(f"x{i}", type) for i in range(2 if name in two else 1)])
    return [item for item in b.root.items if isinstance(item, ir.Value)]


@both
@targets
@pytest.mark.parametrize("name", list(kernel_math.FUNCTIONS))
def test_formula_is_straight_and_converts_no_float_to_an_integer(name, type, target):
    made = formula(name, type, target)

    assert not [v for v in made if v.op == "cast" and ir.is_float(v.args[0].type) and not ir.is_float(v.type)]
    assert target.fma or not [v for v in made if v.op == "fma"]
    assert len(made) < 420


def test_function_the_target_has_becomes_a_call():
    b = Builder("k", Target("own", natives=frozenset({("exp", "f32")})))

    assert kernel_math.exp(b.scalar("x", "f32")).op == "call"
    assert kernel_math.exp(b.scalar("y", "f64")).op != "call"
