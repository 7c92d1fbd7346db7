# SPDX-License-Identifier: Apache-2.0
"""LLVM code of kernels: every op and statement against NumPy, what vectorizes, what is refused."""

import ctypes
import os
import platform
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from candelabra._errors import CompileError
from candelabra.compiler import cache, debug, ir

pytest.importorskip("llvmlite")
from candelabra_cpu import compile as cpu
from candelabra_cpu import llvm, native

INTEGERS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
FLOATS = ("f32", "f64")
X86 = platform.machine().lower() in ("x86_64", "amd64")

PLAIN_INTEGER = ("add", "sub", "mul", "and", "or", "xor", "lt", "le", "gt", "ge", "eq", "ne")
PLAIN_FLOAT = ("add", "sub", "mul", "div", "copysign", "lt", "le", "gt", "ge", "eq", "ne")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))


def dtype(type):
    return {"f16": np.dtype("f2"), "bf16": np.dtype("u2")}.get(type) or np.dtype(ir.NUMPY[type])


def run(kernel, args, count, **more):
    cpu.compiled(kernel).run(args, count, **more)


def numbers(type, n=203, seed=0):
    """Values of a type, the awkward ones among them."""
    rng = np.random.default_rng(seed)
    if type == "b1":
        return rng.random(n) < 0.5
    if ir.is_float(type):
        awkward = [
            0.0,
            -0.0,
            np.inf,
            -np.inf,
            np.nan,
            1.0,
            -1.0,
            0.5,
            1.5,
            2.5,
            -0.5,
            -2.5,
            1e-40,
            -1e-40,
            3e38,
            5e-324,
        ]
        with np.errstate(over="ignore"):
            found = np.concatenate([np.array(awkward), rng.normal(size=n - len(awkward)) * 10.0]).astype(dtype(type))
        return rng.permutation(found)
    info = np.iinfo(dtype(type))
    found = rng.integers(info.min, info.max, n, dtype(type), endpoint=True)
    found[:4] = info.min, info.max, 0, 1
    return rng.permutation(found)


def same(found, expected):
    """Equal bits, but for which nan."""
    assert found.dtype == expected.dtype
    if found.dtype.kind == "f":
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(found), nan)
        kind = {2: "u2", 4: "u4", 8: "u8"}[found.dtype.itemsize]
        np.testing.assert_array_equal(found.view(kind)[~nan], expected.view(kind)[~nan])
    else:
        np.testing.assert_array_equal(found, expected)


def check(formula, inputs, n=203):
    """Compiles formulas over inputs, whose types `inputs` names, and compares with `ir.evaluate`."""
    b = ir.Builder("formula", cpu.target())
    buffers = [b.buffer(f"x{k}", type) for k, (type, _) in enumerate(inputs)]
    plain = ir.Builder("plain")
    given = [plain.scalar(f"x{k}", type) for k, (type, _) in enumerate(inputs)]
    wanted = formula(*given)
    outs = [b.buffer(f"out{k}", v.type, written=True) for k, v in enumerate(wanted)]
    with b.work(b.size("n")) as i:
        for out, value in zip(outs, formula(*[x[i] for x in buffers]), strict=True):
            out[i] = value
    arrays = [np.zeros(n, dtype(v.type)) for v in wanted]
    run(b.finish(), [*(data for _, data in inputs), *arrays, n], n)
    for v, found, expected in zip(
        wanted, arrays, ir.evaluate(wanted, {g: d for g, (_, d) in zip(given, inputs, strict=True)}), strict=True
    ):
        try:
            same(found, expected)
        except AssertionError as error:
            raise AssertionError(f"{v.op} of {[a.type for a in v.args]}: {error}") from None


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", INTEGERS)
def test_integer_ops_equal_numpy_and_wrap_around(type):
    def formula(x, y):
        unary = [~x, -x] + ([ir.fabs(x)] if ir.is_signed(type) else [])
        return unary + [x._two(op, y) for op in PLAIN_INTEGER]

    check(formula, [(type, numbers(type)), (type, numbers(type, seed=1))])


@pytest.mark.parametrize("type", INTEGERS)
def test_shifts_and_divisions_follow_the_sign_of_the_type(type):
    x, y = numbers(type), numbers(type, seed=1)
    y[y == 0] = 3
    if ir.is_signed(type):
        y[y == -1] = 7
    amounts = np.arange(203).astype(dtype(type)) % ir.bits(type)

    def formula(x, y, s):
        return [x << s, x >> s, x.irem(y)]

    check(formula, [(type, x), (type, y), (type, amounts)])
    exact = [
        int(a) // int(b)
        if (int(a) < 0) == (int(b) < 0)
        else -(-int(a) // int(b))
        if int(a) < 0
        else -(int(a) // -int(b))
        for a, b in zip(x, y, strict=True)
    ]
    b = ir.Builder("quotient", cpu.target())
    p, q, out = b.buffer("p", type), b.buffer("q", type), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        out[i] = p[i].idiv(q[i])
    found = np.zeros(203, dtype(type))
    run(b.finish(), (x, y, found, 203), 203)
    assert [int(v) for v in found] == exact


@pytest.mark.parametrize("type", FLOATS)
def test_float_ops_equal_numpy_to_the_bit(type):
    def formula(x, y):
        unary = [-x, ir.fabs(x), ir.floor(x), ir.ceil(x), ir.trunc(x), ir.rint(x), ir.sqrt(ir.fabs(x))]
        return unary + [x._two(op, y) for op in PLAIN_FLOAT]

    check(formula, [(type, numbers(type)), (type, numbers(type, seed=1))])


@pytest.mark.parametrize("type", FLOATS)
def test_fma_rounds_once(type):
    eps = float(np.finfo(dtype(type)).eps)
    x = np.array([1 + eps, 1 - eps / 2, 3.0, -0.0], dtype(type))
    z = np.array([-1 - 2 * eps, -1.0, 0.1, 0.0], dtype(type))
    b = ir.Builder("fused", cpu.target())
    p, q, out = b.buffer("p", type), b.buffer("q", type), b.buffer("out", type, written=True)
    apart = b.buffer("apart", type, written=True)
    with b.work(b.size("n")) as i:
        out[i] = ir.fma(p[i], p[i], q[i])
        apart[i] = p[i] * p[i] + q[i]
    found, two = np.zeros(4, dtype(type)), np.zeros(4, dtype(type))
    run(b.finish(), (x, z, found, two, 4), 4)
    same(two, x * x + z)
    assert found[0] == dtype(type).type(eps) ** 2  # what rounding the square first would lose
    assert found[0] != two[0]


@pytest.mark.parametrize("type", (*INTEGERS, *FLOATS, "b1"))
def test_select_takes_either_operand_whatever_the_other(type):
    check(
        lambda c, x, y: [c.select(x, y)],
        [("b1", numbers("b1", seed=2)), (type, numbers(type)), (type, numbers(type, seed=1))],
    )


def test_bools_are_logic():
    def formula(x, y):
        return [~x, x & y, x | y, x ^ y, x.eq(y), x.ne(y), x < y, x >= y]

    check(formula, [("b1", numbers("b1")), ("b1", numbers("b1", seed=1))])


@pytest.mark.parametrize("old", (*INTEGERS, *FLOATS, "b1"))
def test_casts_equal_numpy(old):
    x = numbers(old)
    if ir.is_float(old):
        x = np.nan_to_num(np.abs(x), posinf=3.0).clip(0, 127)  # what fits every integer

    check(lambda x: [x.cast(new) for new in (*INTEGERS, *FLOATS, "b1") if new != old], [(old, x)])


@pytest.mark.parametrize("type", FLOATS)
def test_casts_of_floats_to_signed_integers_truncate_and_to_bool_ask_for_zero(type):
    x = np.array([-2.7, -0.5, 0.0, -0.0, 2.7, -128.0, 127.9, 1e-40], dtype(type))
    check(lambda x: [x.cast("i8"), x.cast("i32"), x.cast("i64"), x.cast("b1")], [(type, x)], 8)
    check(lambda x: [x.cast("b1")], [(type, np.full(203, np.nan, dtype(type)))])


@pytest.mark.parametrize(
    ("one", "other"), [("f32", "i32"), ("f32", "u32"), ("f64", "i64"), ("f64", "u64"), ("i16", "u16")]
)
def test_bitcast_keeps_bits_both_ways(one, other):
    check(lambda x: [x.bitcast(other)], [(one, numbers(one))])
    check(lambda x: [x.bitcast(one).bitcast(other)], [(other, numbers(other))])


@pytest.mark.parametrize("type", FLOATS)
def test_subnormals_are_kept(type):
    tiny = np.finfo(dtype(type)).smallest_subnormal
    x = (np.arange(1, 204) * tiny).astype(dtype(type))
    check(lambda x: [x * 0.5, x + x, x - x * 0.25], [(type, x)])


def test_constants_keep_their_bits():
    b = ir.Builder("constants", cpu.target())
    singles = [0.1, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, 3.4028235e38, 1e39, 16777217.0]
    doubles = [0.1, -0.0, 5e-324, 1.7976931348623157e308, float("nan")]
    out, wide = b.buffer("out", "f32", written=True), b.buffer("wide", "f64", written=True)
    whole = b.buffer("whole", "u64", written=True)
    with b.work(b.size("n")) as i:
        for k, number in enumerate(singles):
            out[i + k] = b.const(number, "f32")
        for k, number in enumerate(doubles):
            wide[i + k] = b.const(number, "f64")
        whole[i] = b.const(2**64 - 1, "u64")
    found, found_wide, found_whole = np.zeros(9, "f4"), np.zeros(5), np.zeros(1, "u8")
    run(b.finish(), (found, found_wide, found_whole, 1), 1)
    with np.errstate(over="ignore"):
        same(found, np.array(singles).astype("f4"))
    same(found_wide, np.array(doubles))
    assert found_whole[0] == 2**64 - 1


# -- parameters --------------------------------------------------------------------------------------------------------


def test_numbers_of_every_type_arrive_as_their_type():
    given = {"b1": True, "i8": -100, "u8": 200, "i16": -30000, "u16": 60000, "i32": -(2**31), "u32": 2**32 - 1,
             "i64": -(2**63), "u64": 2**64 - 1, "f32": 0.1, "f64": 0.1}  # fmt: skip
    b = ir.Builder("numbers", cpu.target())
    outs = [b.buffer(f"out_{t}", t, written=True) for t in given]
    values = [b.scalar(f"v_{t}", t) for t in given]
    with b.work(b.size("n")) as i:
        for out, value in zip(outs, values, strict=True):
            out[i] = value
    found = [np.zeros(1, dtype(t)) for t in given]
    run(b.finish(), (*found, *given.values(), 1), 1)
    assert [a[0] for a in found] == [dtype(t).type(v) for t, v in given.items()]


def test_a_float_parameter_takes_a_python_int():
    b = ir.Builder("scale", cpu.target())
    out, factor = b.buffer("out", "f32", written=True), b.scalar("factor", "f32")
    with b.work(b.size("n")) as i:
        out[i] = factor
    found = np.zeros(3, "f4")
    run(b.finish(), (found, 2, 3), 3)
    assert found.tolist() == [2.0] * 3


def test_an_integer_parameter_takes_a_whole_float():
    b = ir.Builder("offset", cpu.target())
    out, number = b.buffer("out", "i32", written=True), b.scalar("number", "i32")
    with b.work(b.size("n")) as i:
        out[i] = number
    found = np.zeros(2, "i4")
    run(b.finish(), (found, -7.0, 2), 2)
    assert found.tolist() == [-7, -7]


def test_preamble_values_are_seen_by_all_items():
    b = ir.Builder("preamble", cpu.target())
    out, n, k = b.buffer("out", "i64", written=True), b.size("n"), b.scalar("k", "i64")
    twice = k * 2 + n
    with b.work(n) as i:
        out[i] = twice + i
    found = np.zeros(5, "i8")
    run(b.finish(), (found, 5, 10), 5)
    assert found.tolist() == [25, 26, 27, 28, 29]


def test_a_kernel_may_be_called_like_a_function_of_c():
    b = ir.Builder("memset", cpu.target())
    out, n = b.buffer("out", "i32", written=True), b.size("n")
    with b.work(n) as i:
        out[i] = b.const(0, "i32")  # LLVM makes this loop a call of the C library's memset
    found = np.ones(1000, "i4")
    run(b.finish(), (found, 1000), 1000)
    assert not found.any()


def test_only_the_items_asked_for_run():
    kernel = flat("f32", lambda x: x + 1.0)
    made = cpu.compiled(kernel)
    x, out = np.ones(100, "f4"), np.zeros(100, "f4")
    slots = np.array([x.ctypes.data, out.ctypes.data, 100], "i8")
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(made.address)
    call(slots.ctypes.data, 30, 37)
    assert np.flatnonzero(out).tolist() == list(range(30, 37))
    call(slots.ctypes.data, 50, 50)
    assert out.sum() == 14


@pytest.mark.parametrize("n", [0, 1, 7, 63, 64, 65, 129, 100_003])
def test_odd_counts_touch_nothing_beyond(n):
    x, out = numbers("f32", max(n, 20))[:n], np.full(n + 64, 7.0, "f4")
    run(flat("f32", lambda x: x * 3.0), (x, out, n), n)
    with np.errstate(over="ignore"):
        same(out[:n], x * np.float32(3.0))
    assert (out[n:] == 7.0).all()


def test_threads_share_the_items_of_one_call():
    n = 3_000_001
    x = np.arange(n, dtype="f4")
    out = np.zeros(n, "f4")
    run(flat("f32", lambda x: x * 2.0), (x, out, n), n)
    same(out, x * 2)


# -- memory of 16 bits ---------------------------------------------------------------------------------------------------


def flat(type, formula, name="flat"):
    b = ir.Builder(name, cpu.target())
    x, out, n = b.buffer("x", type), b.buffer("out", type, written=True), b.size("n")
    with b.work(n) as i:
        out[i] = formula(x[i])
    return b.finish()


def convert(old, new, half):
    """A kernel that copies from one type of memory to another, with or without the processor's own float16."""
    b = ir.Builder(f"convert_{old}_{new}", cpu.target())
    x, out = b.buffer("x", old), b.buffer("out", new, written=True)
    with b.work(b.size("n")) as i:
        out[i] = x[i]
    kernel = b.finish()
    address = native.native(llvm.render(kernel, half=half))[llvm.symbol(kernel)]
    return lambda x, out: cpu.threads.launcher()(address, len(x), len(x), x, out, len(x))


OWN = pytest.param("f16", True, marks=pytest.mark.skipif(not native.converts_half(), reason="has no float16"))
HALVES = [OWN, ("f16", False), ("bf16", True)]


@pytest.mark.parametrize(("type", "half"), HALVES)
def test_all_values_of_16_bits_load_exactly(type, half):
    bits = np.arange(1 << 16, dtype="u2")
    out = np.zeros(1 << 16, "f4")
    convert(type, "f32", half)(bits, out)
    same(out, bits.view("f2" if type == "f16" else ml_dtypes.bfloat16).astype("f4"))


@pytest.mark.parametrize(("type", "half"), HALVES)
def test_stores_of_16_bits_round_half_to_even(type, half):
    """Every value of the type, the middles between neighbours, and what lies just beside the middles."""
    kind = np.dtype("f2") if type == "f16" else np.dtype(ml_dtypes.bfloat16)
    exact = np.arange(1 << 16, dtype="u2").view(kind).astype("f4")
    with np.errstate(all="ignore"):
        middle = ((exact[:-1].astype("f8") + exact[1:].astype("f8")) / 2).astype("f4")
        x = np.concatenate([exact, middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf)),
                            numbers("f32"), np.array([65519.99, 65520, 65536, 1e38, 3.4e38, 1e-45, 2**-25, 2**-24.9], "f4")])  # fmt: skip
        expected = x.astype(kind)
    out = np.zeros(len(x), "u2")
    convert("f32", type, half)(x, out)
    nan = np.isnan(x)
    np.testing.assert_array_equal(out[~nan], expected.view("u2")[~nan])
    assert np.isnan(out.view(kind)[nan].astype("f4")).all()


@pytest.mark.parametrize(("type", "half"), HALVES)
def test_nans_that_round_away_their_payload_stay_nans(type, half):
    x = np.array([0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000], "u4").view("f4")
    out = np.zeros(5, "u2")
    convert("f32", type, half)(x, out)
    kind = "f2" if type == "f16" else ml_dtypes.bfloat16
    assert np.isnan(out.view(kind).astype("f4")).all()
    assert (out >> 15).tolist() == [0, 1, 0, 1, 0]


def test_bools_in_memory_are_bytes_of_zero_and_one():
    b = ir.Builder("truth", cpu.target())
    x, out = b.buffer("x", "b1"), b.buffer("out", "b1", written=True)
    with b.work(b.size("n")) as i:
        out[i] = ~x[i]
    x, found = np.array([0, 1, 2, 255], "u1"), np.full(4, 9, "u1")
    run(b.finish(), (x, found, 4), 4)
    assert found.tolist() == [1, 0, 0, 0]


# -- statements --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("n", [0, 1, 37, 1000])
def test_nested_loops_reduce_rows(n, vector):
    b = ir.Builder("rows", cpu.target())
    x, out, size = b.buffer("x", "i32"), b.buffer("out", "i32", written=True), b.size("n")
    with b.work(b.size("m")) as i:
        total = b.var(b.const(0, "i32"))
        with b.loop(size, vector=vector) as j:
            total.add(x[i * size + j] * 3)
        with b.loop(5, start=1, step=2) as k:
            total.add(k.cast("i32"))
        out[i] = total.get()
    x, found = np.arange(13 * n, dtype="i4"), np.zeros(13, "i4")
    run(b.finish(), (x, found, n, 13), 13, each=n)
    np.testing.assert_array_equal(found, x.reshape(13, n).sum(1) * 3 + 4)


def test_sums_in_order_keep_the_order():
    b = ir.Builder("ordered", cpu.target())
    x, out, n = b.buffer("x", "f32"), b.buffer("out", "f32", written=True), b.size("n")
    with b.work(1) as i:
        total = b.var(b.const(0.0, "f32"))
        with b.loop(n, vector=True) as j:
            total.add(x[j])
        out[i] = total.get()
    x = np.random.default_rng(0).normal(size=10_000).astype("f4")
    found = np.zeros(1, "f4")
    run(b.finish(), (x, found, len(x)), 1)
    assert found[0] == np.cumsum(x)[-1]


@pytest.mark.parametrize("type", FLOATS)
def test_sums_in_any_order_are_near_and_keep_infinities_and_nan(type):
    b = ir.Builder("unordered", cpu.target())
    x, out, n = b.buffer("x", type), b.buffer("out", type, written=True), b.size("n")
    with b.work(b.size("m")) as i:
        total = b.var(b.const(0.0, type))
        with b.loop(n, vector=True) as j:
            total.add(x[i * n + j], reassoc=True)
        out[i] = total.get()
    x = np.random.default_rng(0).normal(size=(4, 1003)).astype(dtype(type))
    x[1, 7], x[2, 500] = np.inf, np.nan
    x[3] = -0.0
    found = np.zeros(4, dtype(type))
    run(b.finish(), (x, found, 1003, 4), 4, each=1003)
    assert abs(found[0] - x[0].astype("f8").sum()) < 1e-4
    assert found[1] == np.inf and np.isnan(found[2]) and found[3] == 0


def test_while_runs_until_its_test_fails():
    b = ir.Builder("collatz", cpu.target())
    x, out = b.buffer("x", "i64"), b.buffer("out", "i32", written=True)
    with b.work(b.size("n")) as i:
        v, steps = b.var(x[i]), b.var(b.const(0, "i32"))
        with b.loop_while() as test:
            test(v.get().ne(1))
            now = v.get()
            v.set((now & 1).eq(1).select(now * 3 + 1, now >> 1))
            steps.add(b.const(1, "i32"))
        out[i] = steps.get()
    found = np.zeros(8, "i4")
    run(b.finish(), (np.arange(1, 9), found, 8), 8)
    assert found.tolist() == [0, 1, 7, 2, 5, 8, 16, 3]


def test_branches_run_one_side_only():
    b = ir.Builder("branches", cpu.target())
    x, out, other = b.buffer("x", "f32"), b.buffer("out", "f32", written=True), b.buffer("other", "f32", written=True)
    with b.work(b.size("n")) as i:
        v = x[i]
        sign = b.var(b.const(0, "i32"))
        with b.when(v > 0.0) as otherwise:
            out[i] = v
            sign.set(1)
        with otherwise():
            with b.when(v < -1.0):
                other[i] = v
            sign.set(-1)
        with b.when(sign.get().eq(1)):
            other[i] = b.const(5.0, "f32")
    x = np.random.default_rng(0).normal(size=301).astype("f4") * 2
    out, other = np.full(301, 9.0, "f4"), np.full(301, 9.0, "f4")
    run(b.finish(), (x, out, other, 301), 301)
    np.testing.assert_array_equal(out, np.where(x > 0, x, 9))
    np.testing.assert_array_equal(other, np.where(x > 0, 5, np.where(x < -1, x, 9)))


@pytest.mark.parametrize("type", ["f32", "b1", "f16", "bf16", "i64"])
def test_private_arrays_belong_to_one_item(type):
    """Each item fills an array forwards and reads it backwards: nothing of the item before may be seen."""
    b = ir.Builder("backwards", cpu.target())
    x, out, n = b.buffer("x", type), b.buffer("out", type, written=True), b.size("n")
    with b.work(b.size("m")) as i:
        kept = b.private(type, 16)
        with b.loop(n, vector=True) as j:
            kept[j] = x[i * n + j]
        with b.loop(n, vector=True) as j:
            out[i * n + j] = kept[n - 1 - j]
    x = numbers("u16" if type in ("f16", "bf16") else type, 16 * 50)
    if type in ("f16", "bf16"):
        x &= 0x3FFF  # positive numbers: a nan may come back another nan
    found = np.zeros(x.shape, x.dtype)
    run(b.finish(), (x, found, 16, 50), 50)
    np.testing.assert_array_equal(found.reshape(50, 16), x.reshape(50, 16)[:, ::-1])


def test_written_buffers_are_read_back():
    b = ir.Builder("scan", cpu.target())
    x, out, n = b.buffer("x", "i64"), b.buffer("out", "i64", written=True), b.size("n")
    with b.work(b.size("m")) as i:
        out[i * n] = x[i * n]
        with b.loop(n, start=1) as j:
            out[i * n + j] = out[i * n + j - 1] + x[i * n + j]
    x = np.arange(7 * 33).reshape(7, 33)
    found = np.zeros_like(x)
    run(b.finish(), (x, found, 33, 7), 7)
    np.testing.assert_array_equal(found, x.cumsum(1))


@pytest.mark.parametrize("type", ["i8", "u16", "i32", "i64", "u64", "f32", "f64", "f16", "bf16"])
def test_atomic_additions_from_many_threads_lose_nothing(type):
    b = ir.Builder("histogram", cpu.target())
    where, out = b.buffer("where", "i64"), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        b.atomic_add(out, where[i], b.const(1, ir.value_type(type)))
    n = 128 * 7 * 5
    where = np.random.default_rng(0).permutation(np.arange(n) % 128)
    kind = np.dtype(ml_dtypes.bfloat16) if type == "bf16" else dtype(type)
    found = np.zeros(128, kind)
    cpu.threads.launcher()(cpu.compiled(b.finish()).address, n, 50, where, found, n)
    assert (found.astype("f8") == 35).all()


def test_items_of_a_result_in_place_see_their_own_old_value():
    kernel = flat("f32", lambda x: x * 2.0 + x)
    x = np.arange(1001, dtype="f4")
    run(kernel, (x, x, 1001), 1001)
    np.testing.assert_array_equal(x, np.arange(1001, dtype="f4") * 3)


# -- vectors -------------------------------------------------------------------------------------------------------------


def exp2_chain(x):
    """A formula with the shape of a vector function: polynomial, exponent bits, select chain."""
    whole = ir.rint(x)
    rest = x - whole
    power = ((whole.cast("i32") + 127) << 23).bitcast("f32")
    value = ir.fma(ir.fma(rest, rest.b.const(0.2402265, "f32"), 0.6931472), rest, 1.0) * power
    return (x > 127.0).select(float("inf"), (x < -126.0).select(0.0, x.ne(x).select(x, value)))


def wide(kernel):
    """The instructions of a kernel that use the widest registers, by mnemonic."""
    register = {512: "%zmm", 256: "%ymm", 128: "%xmm"}[native.vector_bits()]
    return [line.split()[0] for line in native.assembly(llvm.render(kernel)).splitlines() if register in line]


@pytest.mark.skipif(not X86, reason="reads x86 assembly")
@pytest.mark.skipif(native.vector_bits() == 128, reason="packed and scalar instructions share registers")
@pytest.mark.parametrize(
    ("type", "formula", "instruction"),
    [
        ("f32", lambda x: x + 1.0, "vaddps"),
        ("f64", lambda x: x * 3.0, "vmulpd"),
        ("i32", lambda x: x * 3 + 1, "vpadd"),
        ("u8", lambda x: x + 1, "vp"),
        ("f32", exp2_chain, "vfmadd"),
        ("f32", lambda x: ir.floor(ir.sqrt(ir.fabs(x))), "vsqrtps"),
        ("f16", lambda x: x * 3.0, "vcvtph2ps"),
        ("f16", lambda x: x * 3.0, "vcvtps2ph"),
        ("bf16", lambda x: x * 3.0, "vmulps"),
    ],
)
def test_flat_loops_use_the_widest_vectors(type, formula, instruction):
    assert any(name.startswith(instruction) for name in wide(flat(type, formula)))


@pytest.mark.skipif(not X86, reason="reads x86 assembly")
@pytest.mark.skipif(native.vector_bits() == 128, reason="packed and scalar instructions share registers")
def test_unordered_sums_use_several_vectors():
    b = ir.Builder("total", cpu.target())
    x, out, n = b.buffer("x", "f32"), b.buffer("out", "f32", written=True), b.size("n")
    with b.work(b.size("m")) as i:
        total = b.var(b.const(0.0, "f32"))
        with b.loop(n, vector=True) as j:
            total.add(x[i * n + j], reassoc=True)
        out[i] = total.get()
    lines = native.assembly(llvm.render(b.finish())).splitlines()
    wide = "%zmm" if native.vector_bits() == 512 else "%ymm"
    accumulators = {line.split(",")[-1].strip() for line in lines if "vaddps" in line and "(" in line and wide in line}
    assert len(accumulators) >= 4


@pytest.mark.skipif(not X86, reason="reads x86 assembly")
@pytest.mark.skipif(not X86 or native.vector_bits() != 512, reason="an instruction of AVX-512")
@pytest.mark.parametrize("type", FLOATS)
def test_powers_of_two_are_scaled_by_one_instruction_that_rounds_once(type):
    from candelabra.compiler.math._tools import scaled

    kind, integer = dtype(type), "i32" if type == "f32" else "i64"
    least, most = (-160, 130) if type == "f32" else (-1090, 1030)
    rng = np.random.default_rng(0)
    x, k = rng.uniform(0.7, 1.42, 2000).astype(kind), rng.integers(least, most, 2000).astype(dtype(integer))
    b = ir.Builder("scale", cpu.target())
    given, powers, out = b.buffer("x", type), b.buffer("k", integer), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        out[i] = scaled(given[i], powers[i])
    kernel, result = b.finish(), np.empty_like(x)

    run(kernel, (x, k, result, x.size), x.size)

    with np.errstate(all="ignore"):
        same(result, np.ldexp(x, k))
    assert "vscalef" in native.assembly(llvm.render(kernel))


@pytest.mark.skipif(not X86 or native.vector_bits() != 512, reason="registers of AVX-512")
def test_long_formulas_take_several_vectors_at_once():
    def stores(terms):
        b = ir.Builder("chain", cpu.target())
        x, out = b.buffer("x", "f32"), b.buffer("out", "f32", written=True)
        with b.work(b.size("n")) as i:
            value = x[i]
            for _ in range(terms):
                value = ir.fma(value, value, 0.5)
            out[i] = value
        loop = max(native.assembly(llvm.render(b.finish())).split("\n.LBB"), key=lambda part: part.count("zmm"))
        return sum("vmovup" in line and line.rstrip().endswith(")") for line in loop.splitlines())

    assert stores(llvm.LONG.start + 4) >= llvm.INTERLEAVED


def test_no_product_is_fused_with_a_sum():
    text = native.assembly(llvm.render(flat("f32", lambda x: x * 3.0 + 1.0)))
    assert "vfma" not in text


# -- refusals ------------------------------------------------------------------------------------------------------------


def test_kernels_of_groups_are_refused_by_name():
    b = ir.Builder("grouped", ir.Target("other", group=64))
    out = b.buffer("out", "f32", written=True)
    with b.groups(b.size("n"), 64) as (i, lane):
        out[i * 64 + lane] = b.const(1.0, "f32")
    with pytest.raises(CompileError, match=r"kernel grouped: groups are not for CPUs, got 64"):
        llvm.render(b.finish())


def test_shared_memory_and_barriers_are_refused():
    for what in ("shared", "barrier"):
        b = ir.Builder("met", cpu.target())
        with b.work(b.size("n")):
            b.shared("f32", 8) if what == "shared" else b.barrier()
        with pytest.raises(CompileError, match="kernel met"):
            llvm.render(b.finish())


def test_functions_the_target_has_not_are_refused():
    kernel = flat("f32", lambda x: ir.call("exp", x), name="natural")
    with pytest.raises(CompileError, match=r"kernel natural: the target has no function 'exp'"):
        cpu.compiled(kernel)


def test_broken_code_shows_its_line_and_what_llvm_says():
    with pytest.raises(CompileError, match=r"got '%x = fadd i32 1, 2' in line 2: invalid operand type"):
        native.native("define void @f() {\n  %x = fadd i32 1, 2\n  ret void\n}\n")
    with pytest.raises(CompileError, match=r"does not link, got unknown symbols candelabra_no_such_function"):
        native.native(
            "declare void @candelabra_no_such_function()\ndefine void @g() {\n  call void @candelabra_no_such_function()\n  ret void\n}\n"
        )


# -- caches --------------------------------------------------------------------------------------------------------------


def test_equal_kernels_share_one_callable():
    assert cpu.compiled(flat("f32", lambda x: x + 41.0)) is cpu.compiled(flat("f32", lambda x: x + 41.0))
    assert cpu.compiled(flat("f32", lambda x: x + 41.0)) is not cpu.compiled(flat("f32", lambda x: x + 42.0))


PROGRAM = """
import sys
import numpy as np
from candelabra.compiler import debug, ir
from candelabra_cpu import compile as cpu
b = ir.Builder("kept", cpu.target())
x, out = b.buffer("x", "f32"), b.buffer("out", "f32", written=True)
with b.work(b.size("n")) as i:
    out[i] = x[i] * 3.0
with debug.recorded() as built:
    kernel = cpu.compiled(b.finish())
x, out = np.arange(100, dtype="f4"), np.zeros(100, "f4")
kernel.run((x, out, 100), 100)
assert (out == x * 3).all()
print(*[(k.name, k.origin) for k in built])
"""


def second_process(folder):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "CANDELABRA_CACHE": str(folder)}, capture_output=True, text=True, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_second_process_compiles_nothing_unless_the_entry_is_damaged(tmp_path):
    assert second_process(tmp_path) == "('kept', 'compiled')"
    assert second_process(tmp_path) == "('kept', 'disk')"
    for entry in tmp_path.glob("*.entry"):
        entry.write_bytes(entry.read_bytes()[:-100])
    assert second_process(tmp_path) == "('kept', 'compiled')"
    assert second_process(tmp_path) == "('kept', 'disk')"


def test_an_entry_that_does_not_link_is_rebuilt():
    key = f"{native._stamp()} kernel {flat('f32', lambda x: x + 77.0).key()}"
    cache.put(key, b'{"names": ["flat"], "needs": []}\nno object code')
    x, out = np.ones(10, "f4"), np.zeros(10, "f4")
    run(flat("f32", lambda x: x + 77.0), (x, out, 10), 10)
    assert (out == 78).all()


def test_what_is_built_is_recorded():
    kernel = flat("f32", lambda x: x - 4321.0, name="recorded")
    with debug.recorded() as built:
        cpu.compiled(kernel)
        cpu.compiled(kernel)
    assert [(k.name, k.device, k.origin) for k in built] == [("recorded", "cpu", "compiled")]
    assert "kernel recorded(" in built[0].program
    assert "fsub float" in built[0].source


def test_threads_may_compile_at_once():
    found, failures = {}, []

    def work(k):
        try:
            kernel = flat("f32", lambda x: x + float(1000 + k % 3))
            x, out = np.ones(10, "f4"), np.zeros(10, "f4")
            run(kernel, (x, out, 10), 10)
            found[k] = out[0]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert found == {k: 1001.0 + k % 3 for k in range(6)}
