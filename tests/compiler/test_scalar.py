# SPDX-License-Identifier: Apache-2.0
"""Scalar formulas against the shared NumPy kernels, over awkward numbers of every dtype."""

import functools
import inspect
import itertools

import numpy as np
import pytest

import candelabra as cb
from candelabra import _dtype
from candelabra._errors import CandelabraError
from candelabra.compiler import ir
from candelabra.compiler.graph import memory_type, storage_of
from candelabra.compiler.ir import Builder
from candelabra.compiler.math._tools import usual_only
from candelabra.compiler.pair import Pair
from candelabra.compiler.scalar import SCALAR
from candelabra.compiler.scalars.functions import NAMES
from candelabra.op import ops
from candelabra_conformance.tolerances import compare
from candelabra_cpu import compile
from candelabra_xp import XpBackend

MOVES = {"roll", "flip"}  # change places, not elements
LOOPS = {"gcd", "lcm"}  # `ir.evaluate` takes none
# Either zero may stand for both, in NumPy as well.
TIES = {"maximum", "minimum", "fmax", "fmin", "clamp", "relu", "nextafter"}
# These have tests of their own.
ATTRIBUTES = {
    "gelu",
    "gelu_backward",
    "softplus",
    "mish",
    "cast",
    "isreal",
    "polygamma",
    "frexp",
    "masked_fill",
    "where",
    "clamp",
    "round",
}


class Plain(XpBackend):
    """The shared kernels alone."""

    name = "plain"
    xp = np


KERNELS = Plain()


# -- numbers -----------------------------------------------------------------------------------------------------------


@functools.cache
def numbers(dtype, count=60):
    """Numbers of a dtype: zeros, limits, subnormals, halves, infinities and nan, and random ones of all sizes."""
    rng = np.random.default_rng(7)
    if dtype.is_complex:
        parts = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e10, 1e-10]
        odd = np.array([complex(a, b) for a, b in itertools.product(parts, parts)])
        return np.concatenate([odd, rng.normal(size=count) + 1j * rng.normal(size=count)]).astype(dtype.numpy)
    if dtype is _dtype.bool_:
        return np.array([False, True])
    if dtype.category == 1:
        info, whole = np.iinfo(dtype.numpy), (0, 1, -1, 2, -2, 3, -7, 12, 31, 63, 64, 100, -100)
        odd = [info.min, info.max, info.min + 1, info.max - 1, *[w for w in whole if info.min <= w <= info.max]]
        return np.concatenate([np.array(odd, dtype.numpy), rng.integers(info.min, info.max, count, dtype.numpy)])
    info = _dtype.finfo(dtype)
    odd = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 7.0, 1e-3, info.max, info.tiny, info.smallest_subnormal, 3e4, np.inf, np.nan]
    odd += [1 + info.eps, 1 - info.eps / 2, 1 / info.eps, info.tiny * 0.75, 2.0**-14 - 2.0**-24, 2.0**-14, 1e9, 1e5]
    random = rng.normal(size=count) * 10.0 ** rng.uniform(-6, 6, count)
    with np.errstate(all="ignore"):
        found = np.array([*odd, *[-x for x in odd], *random]).astype(dtype.numpy)
    return found


def pairs(first, second):
    """Every number of one array with every one of another."""
    return np.repeat(first, len(second)), np.tile(second, len(first))


# -- formulas as functions of arrays -----------------------------------------------------------------------------------


def run(name, arrays, attributes=(), target=ir.PLAIN, keywords=None):
    """A formula of whole arrays, by NumPy; results in the types that values have."""
    b = Builder("formula", target)
    given, operands = {}, []
    for i, array in enumerate(arrays):
        if array is None:
            operands.append(None)
            continue
        type = ir.value_type(memory_type(array.dtype))
        parts = [b.scalar(f"x{i}_{k}", type) for k in range(1 + (array.dtype.kind == "c"))]
        values = [array.real, array.imag] if len(parts) == 2 else [array.view("u1") if type == "u8" else array]
        given.update({p: v.astype(ir.NUMPY[type]) for p, v in zip(parts, values, strict=True)})
        operands.append(Pair(*parts) if len(parts) == 2 else parts[0])
    formula = SCALAR[name]
    more = {"storage": storage_of(arrays[0].dtype)} if "storage" in inspect.signature(formula).parameters else {}
    found = formula(*operands, *attributes, **more)
    return [evaluated(v, given, arrays[0].shape) for v in (found if type_of(found) is tuple else (found,))]


def type_of(found):
    return tuple if isinstance(found, tuple) and not isinstance(found, Pair) else type(found)


def evaluated(value, given, shape):
    """A result by NumPy."""
    if isinstance(value, Pair):
        re, im = (np.broadcast_to(a, shape) for a in ir.evaluate(value, given))
        found = np.empty(shape, np.complex64 if re.dtype == np.float32 else np.complex128)
        found.real, found.imag = re, im
        return found
    return np.array(np.broadcast_to(ir.evaluate([value], given)[0], shape))


def compiled(name, arrays, target=ir.PLAIN):
    """A formula of whole arrays, by the CPU's compiler: for those with loops."""
    b = Builder(f"formula_{name}", target)
    buffers = [b.buffer(f"x{i}", memory_type(a.dtype)) for i, a in enumerate(arrays)]
    out = b.buffer("out", buffers[0].type, True)
    count = b.size("n")
    with b.work(count) as i:
        out[i] = SCALAR[name](*[x[i] for x in buffers])
    result = np.empty(arrays[0].shape, arrays[0].dtype)
    compile.compiled(b.finish()).run((*arrays, result, result.size), count=result.size)
    return result


def expected(name, dtype, arrays, attributes=()):
    with np.errstate(all="ignore"):
        return np.asarray(KERNELS.kernel(name, dtype)(*arrays, *attributes))


def result_of(name, dtype):
    """Dtype of an op's result where it computes in this dtype; else None."""
    op = ops[name]
    stand_ins = [cb.ones(1).to(dtype) if p.is_operand else 1 for p in op.kernel_params]
    try:
        compute, result = op.infer_dtypes(stand_ins)
    except CandelabraError:
        return None
    return result if compute is dtype else None


def check(name, dtype, got, want, result, tolerance=None):
    with np.errstate(all="ignore"):
        got = got.astype(result.numpy)
    compare(got, want, result, tolerance or ops[name].tolerance, signed_zero=name not in TIES)


def cases():
    for name in SCALAR:
        if name in ATTRIBUTES or name in LOOPS or (name in NAMES and name != "hypot"):
            continue
        for dtype in _dtype.COMPUTABLE:
            if (result := result_of(name, dtype)) is not None:
                yield pytest.param(name, dtype, result, id=f"{name}-{dtype.name}")


@pytest.mark.parametrize(("name", "dtype", "result"), list(cases()))
def test_formula_equals_numpy_kernel(name, dtype, result):
    x = numbers(dtype)
    if name == "pow" and dtype.is_complex:  # NumPy's has no one rule for infinities
        x = np.array([a + 1j * b for a in (0, 0.5, -2, 3) for b in (0, 1, -0.75)], dtype.numpy)
    arrays = [x] if len(ops[name].kernel_params) == 1 else list(pairs(x, x))
    try:
        got = run(name, arrays)[0]
    except TypeError as error:
        assert "must be pure" in str(error)  # has a loop
        got = compiled(name, arrays)
    check(name, dtype, got, expected(name, dtype, arrays), result)


@pytest.mark.parametrize("dtype", [_dtype.float32, _dtype.float64, _dtype.complex128], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_function_is_the_one_of_its_name(name, dtype):
    if result_of(name, dtype) is None:
        pytest.skip("the op is one of real numbers")
    x = np.array([0.11, 0.37, 0.62, 0.93, 1.7, 2.9])
    arrays = [x + 0.3j if dtype.is_complex else x] * len(ops[name].kernel_params)
    arrays = [a[::-k].astype(dtype.numpy) for a, k in zip(arrays, (1, -1), strict=False)]
    check(name, dtype, run(name, arrays)[0], expected(name, dtype, arrays), dtype, "special")


@pytest.mark.parametrize("dtype", [_dtype.float32, _dtype.float64], ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_polygamma_equals_numpy_kernel(n, dtype):
    x = np.array([0.1, 0.7, 1.0, 2.5, 40.0, -0.3, -2.75, 0.0, np.inf, np.nan], dtype.numpy)
    b = Builder("formula")
    operand = b.scalar("x", memory_type(x.dtype))
    got = ir.evaluate([SCALAR["polygamma"](n, operand)], {operand: x})[0]
    with np.errstate(all="ignore"):
        compare(got, KERNELS.kernel("polygamma", dtype)(n, x), dtype, "special", signed_zero=False)


@pytest.mark.parametrize("dtype", [d for d in _dtype.COMPUTABLE if d.category == 1], ids=str)
@pytest.mark.parametrize("name", sorted(LOOPS))
def test_divisors_equal_numpy(name, dtype):
    arrays = list(pairs(numbers(dtype), numbers(dtype)))
    np.testing.assert_array_equal(compiled(name, arrays), expected(name, dtype, arrays))


# -- casts ---------------------------------------------------------------------------------------------------------------

CASTABLE = [d for d in _dtype.ALL if d.name not in ("qint8", "quint8")]
NARROW = [d for d in CASTABLE if d.category == 2 and d.itemsize <= 2]
FLOAT8 = [d for d in CASTABLE if d.is_storage_only]


def castable(dtype):
    """Numbers of a dtype, all 256 of a float8 one."""
    return np.arange(256, dtype="u1").view(dtype.numpy) if dtype.is_storage_only else numbers(dtype)


def as_array(got, dtype):
    """A result of a cast as an array of its dtype."""
    with np.errstate(all="ignore"):
        return got.view(dtype.numpy) if dtype.is_storage_only else got.astype(dtype.numpy)


def representable(array, dtype):
    """Where an integer dtype can hold the truncated numbers, or no rule is needed: other results are the machine's."""
    if dtype.name != "uint32" or array.dtype.kind in "biu":
        return np.full(array.shape, True)
    with np.errstate(all="ignore"):
        wide = array.real.astype("f8")
    return (wide > -(2.0**31)) & (wide < 2.0**32)


@pytest.mark.parametrize("to", CASTABLE, ids=str)
@pytest.mark.parametrize("dtype", CASTABLE, ids=str)
def test_cast_equals_numpy(dtype, to):
    x = castable(dtype)
    x = x[representable(x, to)]
    got = as_array(run("cast", [x], (to,))[0], to)
    with np.errstate(all="ignore"):
        compare(got, expected("cast", dtype, [x], (to,)), to, "cast")


@pytest.mark.parametrize("to", NARROW, ids=str)
@pytest.mark.parametrize("source", [_dtype.float64, _dtype.int64, _dtype.uint64, _dtype.int32], ids=str)
def test_cast_to_narrow_float_rounds_once(source, to):
    """Just beside the middle of two neighbours, where float32 on the way would see a tie."""
    steps = np.arange(0x80, dtype="u1") if to.itemsize == 1 else np.arange(0x7B00, dtype="u2")
    low, high = (steps[k : len(steps) - 1 + k].view(to.numpy).astype("f8") for k in (0, 1))
    good = np.isfinite(low) & np.isfinite(high)
    low, high = low[good], high[good]
    middle = (low + high) / 2
    if source.category == 1:
        good = (middle >= 2**25) & (middle < 2.0 ** (8 * source.itemsize - 1))
        low, high, middle = low[good], high[good], middle[good].astype(source.numpy)
        beside = [(middle - np.ones_like(middle), low), (middle + np.ones_like(middle), high)]
    else:
        beside = [(np.nextafter(middle, 0), low), (np.nextafter(middle, np.inf), high)]
    for x, want in beside:
        if len(x):
            got = as_array(run("cast", [x], (to,))[0], to)
            np.testing.assert_array_equal(got.astype("f8"), want)


@pytest.mark.parametrize("to", NARROW, ids=str)
def test_cast_between_all_halves_and_narrow_floats(to):
    x = np.arange(1 << 16, dtype="u4").astype("u2").view("f2")
    got = as_array(run("cast", [x], (to,))[0], to)
    with np.errstate(all="ignore"):
        compare(got, x.astype(to.numpy), to, "cast")


# -- choices and attributes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", _dtype.COMPUTABLE, ids=str)
def test_where_and_masked_fill_choose(dtype):
    x = numbers(dtype)
    y, mask = x[::-1].copy(), np.arange(x.size) % 3 == 0
    chosen = np.where(mask, x, y)
    compare(run("where", [mask, x, y])[0].astype(dtype.numpy), chosen, dtype, "exact")
    compare(run("masked_fill", [y, mask, x])[0].astype(dtype.numpy), chosen, dtype, "exact")


@pytest.mark.parametrize("dtype", _dtype.COMPUTABLE, ids=str)
def test_isreal_equals_numpy(dtype):
    x = numbers(dtype)
    np.testing.assert_array_equal(run("isreal", [x])[0], np.isreal(x))


@pytest.mark.parametrize("dtype", [d for d in _dtype.COMPUTABLE if not d.is_complex], ids=str)
@pytest.mark.parametrize("bounds", ["both", "min", "max"])
def test_clamp_equals_numpy(dtype, bounds):
    x, other = pairs(numbers(dtype), numbers(dtype))
    low = other if bounds != "max" else None
    high = other[::-1].copy() if bounds != "min" else None
    got = run("clamp", [x, low, high])[0]
    check("clamp", dtype, got, expected("clamp", dtype, [x], (low, high)), dtype)


@pytest.mark.parametrize("dtype", [d for d in _dtype.COMPUTABLE if d.category == 2], ids=str)
@pytest.mark.parametrize("decimals", [0, 2, -2, 40, -40])
def test_round_equals_numpy(dtype, decimals):
    x = numbers(dtype)
    check("round", dtype, run("round", [x], (decimals,))[0], expected("round", dtype, [x], (decimals,)), dtype, "exact")


@pytest.mark.parametrize("dtype", [d for d in _dtype.COMPUTABLE if d.category == 2], ids=str)
def test_frexp_takes_apart(dtype):
    x = numbers(dtype)
    mantissa, exponent = run("frexp", [x])
    with np.errstate(all="ignore"):
        wide = np.frexp(x.astype("f8"))
    np.testing.assert_array_equal(mantissa.astype("f8"), wide[0])
    np.testing.assert_array_equal(np.signbit(mantissa[x == 0]), np.signbit(x[x == 0]))
    np.testing.assert_array_equal(exponent[np.isfinite(x)], wide[1][np.isfinite(x)])
    assert exponent.dtype == np.int32


@pytest.mark.parametrize("dtype", [_dtype.float32, _dtype.float64], ids=str)
@pytest.mark.parametrize("target", [ir.PLAIN, ir.Target("single", doubles=False)], ids=["doubles", "singles"])
def test_fmod_is_exact_for_any_quotient(dtype, target):
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2 ** (8 * dtype.itemsize) - 1, 2000, f"u{dtype.itemsize}")
    x, y = bits.view(dtype.numpy), rng.permutation(bits).view(dtype.numpy)
    with np.errstate(all="ignore"):
        near = (x / rng.integers(1, 5000, x.size)).astype(dtype.numpy)  # quotients next to whole numbers
    for divisor in (y, near):
        got = compiled("fmod", [x, divisor], target)
        check("fmod", dtype, got, expected("fmod", dtype, [x, divisor]), dtype, "exact")


@pytest.mark.parametrize("dtype", [_dtype.float32, _dtype.float64], ids=str)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_usual_quotients_need_no_loop(name, dtype):
    x, y = pairs(np.linspace(-50, 50, 41).astype(dtype.numpy), np.linspace(-7, 7, 13).astype(dtype.numpy))
    b = Builder("formula")
    operands = [b.scalar(n, memory_type(dtype.numpy)) for n in "xy"]
    with usual_only(b) as rare:
        found = SCALAR[name](*operands)
    got, *needed = ir.evaluate([found, *rare], dict(zip(operands, (x, y), strict=True)))
    usual = ~np.any(needed, axis=0)
    assert usual[y != 0].all()
    check(name, dtype, got[usual], expected(name, dtype, [x, y])[usual], dtype, "exact")


def known(name, x, number):
    """A formula of an array and a number that is known while the kernel is built."""
    b = Builder("formula")
    operand = b.scalar("x", memory_type(x.dtype))
    return evaluated(SCALAR[name](operand, b.const(number, operand.type)), {operand: x}, x.shape)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 7, 100])
def test_pow_of_integers_by_known_exponent_wraps_around(dtype, exponent):
    x = numbers(_dtype.dtype_named(dtype))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(known("pow", x, exponent), np.power(x, x.dtype.type(exponent)))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, -1, 0.5])
def test_pow_by_known_exponent_equals_numpy(exponent):
    x = numbers(_dtype.float64)
    with np.errstate(all="ignore"):
        compare(known("pow", x, exponent), np.power(x, np.full_like(x, exponent)), _dtype.float64, "elementwise")


def test_every_pointwise_primitive_has_a_formula():
    missing = {name for name, op in ops.items() if op.is_pointwise and op.body is None and name not in SCALAR}
    assert missing == MOVES
