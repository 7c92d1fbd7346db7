# SPDX-License-Identifier: Apache-2.0
"""The C renderer through the plain-C and the OpenCL dialect: every op and statement of kernels against NumPy."""

import functools
import importlib
import itertools
import math
import os
import shutil
import sys
import types
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from candelabra._errors import CompileError, PluginError
from candelabra.compiler import ir
from candelabra.compiler.c_renderer import CRenderer
from candelabra.compiler.ir import Builder

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-cc"
MEMORY = {**ir.NUMPY, "f16": "f2", "bf16": ml_dtypes.bfloat16}
INTS = ("i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64")
FLOATS = ("f32", "f64")
VALUES = ("b1", *INTS, *FLOATS)


class PlainC:
    """Kernels as functions of (count, arrays and numbers), by the example plugin's dialect and launcher."""

    has_groups = False

    def __init__(self):
        if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
            pytest.skip("there is no C compiler")
        sys.path.insert(0, str(PLUGIN))
        try:
            self.cc = importlib.import_module("candelabra_cc.compiler")
        finally:
            sys.path.remove(str(PLUGIN))
        self.renderer = self.cc.RENDERER

    def build(self, *kernels):
        source = self.renderer.program(kernels)
        library = self.cc.load(self.cc.compile_c(source.text, "test"))
        launches = [self.cc._launcher(getattr(library, e), k) for e, k in zip(source.entries, kernels, strict=True)]
        return [functools.partial(self.run, launch) for launch in launches]

    def run(self, launch, count, *args):
        launch(
            count,
            [(types.SimpleNamespace(address=a.ctypes.data), 0) if isinstance(a, np.ndarray) else a for a in args],
            0,
        )


class OpenCL:
    """The same by the OpenCL backend, on one runtime."""

    has_groups = True

    def __init__(self, runtime):
        pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")
        from candelabra_opencl.backend import OpenCLBackend

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CANDELABRA_OPENCL", runtime)
            try:
                self.backend = OpenCLBackend()
            except PluginError as error:
                pytest.skip(f"{runtime}: {error}")
        self.renderer = self.backend.device(0).programs.renderer

    def build(self, *kernels):
        return [functools.partial(self.run, launch) for launch in self.backend.build(kernels)]

    def run(self, launch, count, *args):
        blocks = [self.block(a) if isinstance(a, np.ndarray) else a for a in args]
        launch(count, [(b, 3) if isinstance(a, np.ndarray) else a for a, b in zip(args, blocks, strict=True)], 0)
        for array, block in zip(args, blocks, strict=True):
            if isinstance(array, np.ndarray):
                found = self.backend.download(block, 3 * array.itemsize, array.nbytes)
                array[...] = found.view(array.dtype).reshape(array.shape)

    def block(self, array):
        """The array three elements after the beginning of a block."""
        block = self.backend.reserve(array.nbytes + 3 * array.itemsize, 0)
        self.backend.upload(block, np.concatenate([np.zeros(3, array.dtype), array.ravel()]).view("u1"))
        return block


CHECKED = "oclgrind" in os.environ.get("LD_PRELOAD", "")  # a checker takes the place of all runtimes


@pytest.fixture(scope="module", params=["oclgrind"] if CHECKED else ["cc", "intel", "pocl"])
def device(request):
    return PlainC() if request.param == "cc" else OpenCL(request.param)


def numbers(type):
    """Numbers of a type, the awkward ones among them."""
    if type == "b1":
        return np.array([False, True])
    if ir.is_float(type):
        most = np.finfo(MEMORY[type])
        return np.array(
            [
                0.0,
                -0.0,
                0.5,
                1.5,
                2.5,
                -0.5,
                -1.5,
                -2.3,
                3.7,
                1e-3,
                most.max,
                -most.max,
                most.tiny,
                most.tiny / 4,
                math.inf,
                -math.inf,
                math.nan,
            ],
            MEMORY[type],
        )
    most = np.iinfo(MEMORY[type])
    held = {0, 1, 2, 3, 7, 100, most.max, most.max - 1, most.min, int(most.min) // 3}
    return np.array(sorted(held | ({-1, -3} if ir.is_signed(type) else {255})), MEMORY[type])


def defined(op, type, arrays):
    """The cases among all whose result the kernel language defines."""
    keep = np.ones(len(arrays[0]), bool)
    if op in ("idiv", "irem"):
        keep = arrays[1] != 0
        if ir.is_signed(type):
            keep &= ~((arrays[0] == np.iinfo(arrays[0].dtype).min) & (arrays[1] == -1))
    if op in ("shl", "shr"):
        keep = (arrays[1] >= 0) & (arrays[1] < ir.bits(type))
    return [a[keep] for a in arrays]


UNARY = {
    "neg": INTS + FLOATS, "abs": INTS + FLOATS, "not": ("b1", *INTS), "sqrt": FLOATS, "floor": FLOATS, "ceil": FLOATS,
    "trunc": FLOATS, "rint": FLOATS,
}  # fmt: skip
BINARY = {
    "add": INTS + FLOATS, "sub": INTS + FLOATS, "mul": INTS + FLOATS, "div": FLOATS, "idiv": INTS, "irem": INTS,
    "and": ("b1", *INTS), "or": ("b1", *INTS), "xor": ("b1", *INTS), "shl": INTS, "shr": INTS, "copysign": FLOATS,
    **dict.fromkeys(ir.COMPARE, VALUES),
}  # fmt: skip
CASES = [(op, t) for table in (UNARY, BINARY) for op, types in table.items() for t in types]


def op_kernel(op, type, count):
    """A kernel of one op, and the value with its operands for evaluation."""
    b = Builder(f"{op}_{type}")
    buffers = [b.buffer(f"x{k}", type) for k in range(count)]
    params = [b.scalar(f"p{k}", type) for k in range(count)]
    kind = "b1" if op in ir.COMPARE else type
    out = b.buffer("out", kind, written=True)
    with b.work(b.size("n")) as i:
        out[i] = b.make(op, tuple(x[i] for x in buffers), kind)
    return b.finish(), b.make(op, tuple(params), kind), params


@pytest.fixture(scope="module")
def ops(device):
    made = {case: op_kernel(*case, 1 if case[0] in UNARY else 2) for case in CASES}
    launches = device.build(*[kernel for kernel, _, _ in made.values()])
    return {
        case: (launch, value, params) for (case, (_, value, params)), launch in zip(made.items(), launches, strict=True)
    }


def test_cases_cover_every_unary_and_binary_op():
    assert set(UNARY) == ir.UNARY
    assert set(BINARY) == ir.BINARY | ir.COMPARE


@pytest.mark.parametrize(("op", "type"), CASES)
def test_op_matches_numpy(ops, op, type):
    launch, value, params = ops[op, type]
    grid = np.meshgrid(*[numbers(type)] * len(params))
    arrays = [np.ascontiguousarray(a) for a in defined(op, type, [g.ravel() for g in grid])]
    out = np.empty(len(arrays[0]), MEMORY[value.type])
    scalars = [a.flat[0].item() for a in arrays]
    launch(len(out), *arrays, *scalars, out, len(out))
    (expected,) = ir.evaluate([value], dict(zip(params, arrays, strict=True)))
    if op == "irem" and not ir.is_float(type):
        expected = np.fmod(arrays[0], arrays[1])
    if op == "idiv":
        expected = np.array([ir._divided(int(a), int(b)) for a, b in zip(*arrays, strict=True)], MEMORY[type])
    np.testing.assert_array_equal(out, expected)
    if ir.is_float(value.type):
        np.testing.assert_array_equal(np.signbit(out[~np.isnan(out)]), np.signbit(expected[~np.isnan(out)]))


def fits(array, type):
    """Those numbers of an array that a cast to a type is defined for."""
    if type == "b1" or ir.is_float(type):
        return np.ones(len(array), bool)
    most = np.iinfo(MEMORY[type])
    if array.dtype.kind != "f":
        return np.ones(len(array), bool)
    with np.errstate(all="ignore"):
        return np.isfinite(array) & (array > most.min - 1.0) & (array < float(most.max))


def test_cast_between_all_types_matches_numpy(device):
    pairs = list(itertools.permutations(VALUES, 2))
    kernels = []
    for source, target in pairs:
        b = Builder(f"cast_{source}_{target}")
        x, out = b.buffer("x", source), b.buffer("out", target, written=True)
        with b.work(b.size("n")) as i:
            out[i] = x[i].cast(target)
        kernels.append(b.finish())
    for (source, target), launch in zip(pairs, device.build(*kernels), strict=True):
        x = numbers(source)
        x = np.ascontiguousarray(x[fits(x, target)])
        out = np.empty(len(x), MEMORY[target])
        launch(len(x), x, out, len(x))
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(out, x.astype(MEMORY[target]), err_msg=f"{source} to {target}")


def test_bitcast_keeps_every_bit(device):
    pairs = [("f32", "u32"), ("i32", "f32"), ("f64", "i64"), ("u64", "f64"), ("i32", "u32"), ("u8", "i8")]
    kernels = []
    for source, target in pairs:
        b = Builder(f"bitcast_{source}_{target}")
        x, out = b.buffer("x", source), b.buffer("out", target, written=True)
        with b.work(b.size("n")) as i:
            out[i] = x[i].bitcast(target)
        kernels.append(b.finish())
    for (source, target), launch in zip(pairs, device.build(*kernels), strict=True):
        x = numbers(source)
        out = np.empty(len(x), MEMORY[target])
        launch(len(x), x, out, len(x))
        assert out.tobytes() == x.tobytes(), (source, target)


@pytest.mark.parametrize("type", ["f16", "bf16"])
def test_narrow_floats_load_exactly_and_store_rounded_to_even(device, type):
    load, store = Builder("load"), Builder("store")
    x, out = load.buffer("x", type), load.buffer("out", "f32", written=True)
    with load.work(load.size("n")) as i:
        out[i] = x[i]
    x, out = store.buffer("x", "f32"), store.buffer("out", type, written=True)
    with store.work(store.size("n")) as i:
        out[i] = x[i]
    loaded, stored = device.build(load.finish(), store.finish())

    every = np.arange(1 << 16, dtype="u2").view(MEMORY[type])
    wide = np.empty(len(every), "f4")
    loaded(len(every), every, wide, len(every))
    np.testing.assert_array_equal(wide, every.astype("f4"))

    bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype="u8").astype("u4")
    halfway = (every.astype("f4").view("u4") | np.uint32(0x1000 if type == "f16" else 0x8000))[:, None] + np.array(
        [-1, 0, 1]
    )
    given = np.concatenate([bits, halfway.astype("u4").ravel()]).view("f4")
    narrow = np.empty(len(given), MEMORY[type])
    stored(len(given), given, narrow, len(given))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(narrow.astype("f4"), given.astype(MEMORY[type]).astype("f4"))


def test_constants_are_exact(device):
    floats = [
        0.1,
        -0.0,
        1 / 3,
        1e-42,
        3.4e38,
        1e39,
        2.0**-1074,
        1e300,
        math.pi,
        math.inf,
        -math.inf,
        math.nan,
        123456.5,
    ]
    kernels, expected = [], []
    for type in ("f32", "f64"):
        b = Builder(f"constants_{type}")
        out = b.buffer("out", type, written=True)
        with b.work(1):
            for k, number in enumerate(floats):
                out[k] = number
        kernels.append(b.finish())
        with np.errstate(over="ignore"):
            expected.append(np.array(floats).astype(MEMORY[type]))
    for type in INTS:
        most = np.iinfo(MEMORY[type])
        held = [int(n) for n in (most.min, most.max, 0, 1, most.max // 2)]
        b = Builder(f"constants_{type}")
        out = b.buffer("out", type, written=True)
        with b.work(1):
            for k, number in enumerate(held):
                out[k] = number
        kernels.append(b.finish())
        expected.append(np.array(held, MEMORY[type]))
    for launch, wanted in zip(device.build(*kernels), expected, strict=True):
        out = np.empty_like(wanted)
        launch(1, out)
        np.testing.assert_array_equal(out, wanted)
        assert out.dtype.kind != "f" or np.signbit(out[1]) == np.signbit(wanted[1])


def test_products_are_not_contracted_and_fma_rounds_once(device):
    b = Builder("contraction")
    x, y, z = (b.buffer(name, "f32") for name in "xyz")
    apart, fused = b.buffer("apart", "f32", written=True), b.buffer("fused", "f32", written=True)
    with b.work(b.size("n")) as i:
        apart[i] = x[i] * y[i] + z[i]
        fused[i] = ir.fma(x[i], y[i], z[i])
    (launch,) = device.build(b.finish())
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal(4096).astype("f4") for _ in range(2))
    z = -(x * y)
    apart, fused = np.empty_like(x), np.empty_like(x)
    launch(len(x), x, y, z, apart, fused, len(x))
    assert not apart.any()
    np.testing.assert_array_equal(fused, (x.astype("f8") * y + z).astype("f4"))
    assert fused.any()


def test_select_loops_conditions_and_variables(device):
    # Collatz steps: a while loop, both sides of a condition, variables that change, select.
    b = Builder("collatz")
    x, out = b.buffer("x", "i64"), b.buffer("out", "i64", written=True)
    with b.work(b.size("n")) as i:
        now, steps, odd = b.var(x[i], "now"), b.var(b.const(0, "i64"), "steps"), b.var(b.const(0, "i64"), "odd")
        with b.loop_while() as test:
            test(now.get() > 1)
            value = now.get()
            with b.when((value & 1).eq(0)) as otherwise:
                now.set(value.idiv(2))
            with otherwise():
                now.set(value * 3 + 1)
                odd.add(b.const(1, "i64"))
            steps.add(b.const(1, "i64"))
        out[i] = (odd.get() > 5).select(steps.get(), -steps.get())
    (launch,) = device.build(b.finish())

    def steps(n):
        count = odd = 0
        while n > 1:
            odd += n % 2
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            count += 1
        return count if odd > 5 else -count

    x = np.arange(1, 200)
    out = np.empty_like(x)
    launch(len(x), x, out, len(x))
    assert out.tolist() == [steps(n) for n in range(1, 200)]


def test_loop_with_start_and_step_over_private_memory(device):
    b = Builder("tail")
    x, out = b.buffer("x", "f64"), b.buffer("out", "f64", written=True)
    with b.work(b.size("n")) as i:
        held = b.private("f64", 8)
        with b.loop(8) as j:
            held[j] = x[i * 8 + j]
        total = b.var(b.const(0, "f64"))
        with b.loop(8, start=1, step=3) as j:
            total.add(held[j])
        out[i] = total.get()
    (launch,) = device.build(b.finish())
    x = np.arange(24.0).reshape(3, 8)
    out = np.empty(3)
    launch(3, x, out, 3)
    assert out.tolist() == x[:, 1::3].sum(1).tolist()


def test_reassociated_sum_in_vector_loop_is_close_and_plain_sum_is_exact(device):
    b = Builder("sums")
    x, out = b.buffer("x", "f32"), b.buffer("out", "f32", written=True)
    n = b.size("n")
    with b.work(1):
        for slot, reassoc in enumerate((False, True)):
            total = b.var(b.const(0, "f32"))
            with b.loop(n, vector=reassoc) as j:
                total.add(x[j], reassoc=reassoc)
            out[slot] = total.get()
    (launch,) = device.build(b.finish())
    x = np.random.default_rng(2).random(10_001, "f4")
    out = np.empty(2, "f4")
    launch(1, x, out, len(x))
    plain = np.float32(0)
    for number in x:
        plain += number
    assert out[0] == plain
    assert out[1] == pytest.approx(x.sum(dtype="f8"), rel=1e-5)


@pytest.mark.parametrize("type", [*INTS, *FLOATS, "f16", "bf16"])
def test_atomic_add_leaves_neighbours_alone(device, type):
    b = Builder(f"count_{type}")
    out = b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        b.atomic_add(out, i.irem(3) * 2 + 1, b.const(2, ir.value_type(type)))
    (launch,) = device.build(b.finish())
    out = np.ones(8, MEMORY[type])
    launch(30, out, 30)
    assert out.astype("f8").tolist() == [1, 21, 1, 21, 1, 21, 1, 1]


def test_scalar_parameters_of_every_type_arrive(device):
    b = Builder("scalars")
    out = b.buffer("out", "f64", written=True)
    given = {t: b.scalar(t, t) for t in VALUES}  # called like the types themselves
    with b.work(1):
        for k, value in enumerate(given.values()):
            out[k] = value.cast("f64")
    (launch,) = device.build(b.finish())
    sent = [True, -7, 200, -30000, 60000, -(1 << 31), (1 << 32) - 1, -(1 << 53), 1 << 53, 0.25, 1e-300]
    out = np.empty(len(sent))
    launch(1, out, *sent)
    assert out.tolist() == [float(n) for n in sent]


def test_calls_only_name_functions_of_the_target(device):
    b = Builder("library")
    x, out = b.buffer("x", "f64"), b.buffer("out", "f64", written=True)
    with b.work(b.size("n")) as i:
        out[i] = ir.call("hypot", x[i], b.const(4.0, "f64"))
    (launch,) = device.build(b.finish())
    x = np.array([3.0])
    launch(1, x, x, 1)
    assert x[0] == 5


def test_program_numbers_kernels_of_one_name_and_holds_used_helpers_only(device):
    def kernel(type):
        b = Builder("twice")
        x = b.buffer("in", type, written=True)  # a name C might have taken
        with b.work(b.size("double")) as i:
            x[i] = x[i] + x[i]
        return b.finish()

    source = device.renderer.program([kernel("f32"), kernel("bf16")])
    assert source.entries == ("twice", "twice_2")
    assert "cb_to_bf16" in source.text
    assert "f16(" not in source.text.replace("bf16(", "")
    x = np.array([1.5], MEMORY["bf16"])
    device.build(kernel("f32"), kernel("bf16"))[1](1, x, 1)
    assert x[0] == 3


def test_plain_c_refuses_groups_and_shows_what_the_compiler_says():
    b = Builder("grouped")
    with b.groups(b.size("n"), 64):
        b.barrier()
    with pytest.raises(CompileError, match=r"no groups of work items, got a group of 64"):
        CRenderer().render(b.finish())
    with pytest.raises(CompileError, match=r"(?s)broken: the C compiler must take its source, got .*error"):
        PlainC().cc.compile_c("int f( {", "broken")


@pytest.mark.parametrize("type", FLOATS)
def test_vectors_are_neighbours_computed_each_for_itself(device, type):
    b = Builder("vectors")
    x, y, out = b.buffer("x", type), b.buffer("y", type), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        total = b.var(ir.splat(b.const(0.5, type), 8))
        with b.loop(3) as j:
            factor = ir.splat(y[j], 8)
            total.set(ir.fma(x.vector(i * 24 + j * 8, 8), factor, total.get()))
        out[i * 8 + 1] = total.get() + x.vector(i, 8) * ir.splat(y[0], 8)  # at no even address
    if not device.has_groups:
        with pytest.raises(CompileError, match="has no vectors"):
            device.renderer.render(b.finish())
        return
    (launch,) = device.build(b.finish())
    x, y = np.arange(48).astype(MEMORY[type]), np.array([2, 3, 5], MEMORY[type])
    out = np.zeros(18, MEMORY[type])
    launch(2, x, y, out, 2)
    lines = np.stack([x[:8], x[1:9]])
    np.testing.assert_array_equal(
        out[1:17].reshape(2, 8), 0.5 + np.einsum("ijk,j->ik", x.reshape(2, 3, 8), y) + lines * 2
    )


@pytest.mark.parametrize("type", [*FLOATS, "u8", "u16", "u32", "u64"])
def test_shuffle_picks_among_the_neighbours_of_two(device, type):
    picks = [3, 2, 1, 0, 15, 8, 8, 7]
    b = Builder("shuffled")
    x, out = b.buffer("x", type), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        out[i * 8] = ir.shuffle(x.vector(i * 16, 8), x.vector(i * 16 + 8, 8), picks)
    if not device.has_groups:
        with pytest.raises(CompileError, match="has no vectors"):
            device.renderer.render(b.finish())
        return
    (launch,) = device.build(b.finish())
    x, out = np.arange(32).astype(MEMORY[type]), np.zeros(16, MEMORY[type])
    launch(2, x, out, 2)
    assert out.tolist() == [*picks, *(16 + n for n in picks)]


@pytest.mark.parametrize("type", FLOATS)
def test_vectors_divide_each_by_each(device, type):
    b = Builder("quotients")
    x, y, out = b.buffer("x", type), b.buffer("y", type), b.buffer("out", type, written=True)
    with b.work(b.size("n")) as i:
        out[i * 4] = x.vector(i * 4, 4) / y.vector(i * 4, 4)
    if not device.has_groups:
        return
    (launch,) = device.build(b.finish())
    x, y, out = np.arange(8).astype(MEMORY[type]), np.arange(3, 11).astype(MEMORY[type]), np.zeros(8, MEMORY[type])
    launch(2, x, y, out, 2)
    np.testing.assert_array_equal(out, x / y)


def test_scalar_loops_compute_the_same(device):
    b = Builder("one_by_one")
    x, places, out = b.buffer("x", "f32"), b.buffer("places", "i64"), b.buffer("out", "f32", written=True)
    with b.work(b.size("n")) as i, b.loop(100, scalar=True) as j:
        out[i * 100 + j] = x[places[j]]
    (launch,) = device.build(b.finish())
    x, places, out = np.arange(50, dtype="f4"), np.arange(100)[::-1] % 50, np.zeros(200, "f4")
    launch(2, x, places, out, 2)
    assert out.tolist() == [*x[places], *x[places]]


def test_groups_meet_at_barriers_and_share_memory(device):
    if not device.has_groups:
        pytest.skip("a plain function has no groups")
    b = Builder("reversed")
    x, out = b.buffer("x", "i32"), b.buffer("out", "i32", written=True)
    with b.groups(b.size("n"), 32) as (group, lane):
        held = b.shared("i32", 32)
        held[lane] = x[group * 32 + lane]
        b.barrier()
        with b.loop(2):  # shared memory that is declared within a loop
            total = b.shared("i32", 1)
            with b.when(lane.eq(0)):
                total[0] = 0
            b.barrier()
            b.atomic_add(total, 0, held[lane])
            b.barrier()
        out[group * 32 + lane] = held[31 - lane] * 1000 + total[0]
    (launch,) = device.build(b.finish())
    x = np.arange(96, dtype="i4")
    out = np.empty_like(x)
    launch(3, x, out, 3)
    rows = x.reshape(3, 32)
    np.testing.assert_array_equal(out.reshape(3, 32), rows[:, ::-1] * 1000 + rows.sum(1, keepdims=True))
