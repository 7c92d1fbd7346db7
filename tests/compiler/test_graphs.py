# SPDX-License-Identifier: Apache-2.0
"""What samples of ops do not say of the compiler: what is traced once, what is guarded, which loops are chosen."""

import math
import threading

import ml_dtypes
import numpy as np
import pytest

import candelabra as cb
from candelabra.compiler.compiled import no_formula
from candelabra.compiler.definitions import refined, standardize_shapes
from candelabra.compiler.graph import coalesced
from candelabra.compiler.ir import Target
from candelabra.compiler.plan import Formula
from candelabra.compiler.trace import Extent, Real, UntraceableError
from candelabra.op import Op, ops

ROWS = Target("rows", rows=True)
F32 = np.dtype("float32")


def described(*shapes):
    return [(s, F32, tuple(n // 4 for n in np.empty(s, F32).strides)) for s in shapes]


def test_another_batch_size_makes_no_other_kernel():
    formula = Formula(ops["softmax"], ROWS)
    first = formula.call([*described((4, 8)), None], (None, 1)).launch
    second = formula.call([*described((5, 9)), None], (None, 1)).launch
    assert first.kernel is second.kernel
    assert first.integers != second.integers


def test_a_size_computed_with_is_a_parameter_of_the_kernel():
    formula = Formula(ops["mean"], ROWS)
    args = (None, (1,), False)
    four = formula.call([*described((2, 4)), None, None], args)
    nine = formula.call([*described((3, 9)), None, None], args)
    assert four.launch.kernel is nine.launch.kernel
    assert [four.numbers(args), nine.numbers(args)] == [[4.0], [9.0]]


def root_of_size(input: cb.Tensor) -> cb.Tensor:
    return input / math.sqrt(input.shape[0])


def test_a_size_that_escapes_the_trace_makes_it_exact():
    formula = Formula(Op(root_of_size, {"name": "root_of_size"}), ROWS)
    sizes = [formula.call(described((n, 3)), (None,)) for n in (4, 9)]
    assert "constant(2.0)" in str(sizes[0].trace.graph)
    assert "constant(3.0)" in str(sizes[1].trace.graph)


def test_a_learning_rate_is_a_parameter_and_a_decay_that_is_asked_for_a_guard():
    formula = Formula(ops["sgd_step"], ROWS)
    arrays = [*described((6,), (6,)), *[None] * 7]

    def args(lr, decay):
        return (None, None, None, lr, 0.0, 0.0, decay, False, False)

    plain, other, decayed = (formula.call(arrays, args(*a)) for a in ((0.1, 0.0), (0.2, 0.0), (0.1, 0.5)))
    assert plain.trace is other.trace
    assert plain.trace is not decayed.trace
    assert other.numbers(args(0.2, 0.0)) == [0.2]


@pytest.mark.parametrize("op, args", [("sort", (None, 0, False, False)), ("matmul", None)])
def test_what_is_no_map_or_reduction_is_untraceable(op, args):
    shapes = described((4, 4)) + [None] * (len(args) - 1) if args else described((4, 4), (4, 4))
    with pytest.raises(UntraceableError):
        Formula(ops[op], ROWS).call(shapes, args or (None, None))


def twice_over(input: cb.Tensor) -> cb.Tensor:
    return input.sum(0, keepdim=True) + input.sum(1, keepdim=True)


def test_reductions_over_different_axes_are_not_one_kernel():
    with pytest.raises(UntraceableError):
        Formula(Op(twice_over, {"name": "twice_over"}), ROWS).call(described((4, 5)), (None,))


def row_of_second(other: cb.Tensor, input: cb.Tensor) -> cb.Tensor:
    return input.unsqueeze(0) + other


def row_of_first(input: cb.Tensor) -> cb.Tensor:
    return input.unsqueeze(0) * 2


def test_a_trace_asks_nothing_of_sizes_of_another():
    first, second = (Formula(Op(body, {"name": body.__name__}), ROWS) for body in (row_of_second, row_of_first))
    assert first.call(described((5, 1), (7,)), (None, None)).launch.shapes == ((5, 7),)
    trace = second.call(described((7,)), (None,)).trace
    assert second.call(described((9,)), (None,)).trace is trace


def with_its_transpose(input: cb.Tensor) -> cb.Tensor:
    return input + input.t()


def test_an_array_that_meets_itself_across_is_no_formula():
    with pytest.raises(UntraceableError):
        Formula(Op(with_its_transpose, {"name": "with_its_transpose"}), ROWS).call(described((4, 4)), (None,))


@pytest.mark.parametrize(
    "sizes, strides, expected",
    [
        ([2, 3, 4], [[12, 4, 1], [12, 4, 1]], ([24], [[1], [1]])),
        ([2, 3, 4], [[12, 4, 1], [0, 0, 1]], ([6, 4], [[4, 1], [0, 1]])),
        ([2, 1, 4], [[4, 9, 1]], ([8], [[1]])),
        ([3, 4], [[1, 3]], ([3, 4], [[1, 3]])),
        ([1], [[7]], ([], [[]])),
    ],
)
def test_neighbouring_loops_become_one_where_every_array_allows(sizes, strides, expected):
    assert coalesced(sizes, strides) == expected


def form(op, args, shape, strides):
    call = Formula(ops[op], ROWS).call([(shape, F32, strides), *[None] * (len(args) - 1)], args)
    return call.launch.kernel.name.rpartition("_")[2][0]


def test_the_form_follows_where_neighbours_lie():
    assert form("sum", (None, (1,), False), (64, 32), (32, 1)) == "r"
    assert form("sum", (None, (0,), False), (64, 32), (32, 1)) == "c"
    assert form("sum", (None, (0,), False), (64, 32), (1, 64)) == "r"
    assert form("clone", (None,), (64, 32), (1, 64)) == "t"
    assert form("exp", (None,), (64, 32), (1, 64)) == "r"  # the result is laid out as the operand is


def test_a_long_line_is_reduced_in_parts_that_do_not_depend_on_threads():
    call = Formula(ops["sum"], ROWS).call([((1 << 20,), F32, (1,)), None, None], (None, None, False))
    assert call.launch.first.shapes == ((ROWS.parts,),)
    assert call.launch.count == 1


def test_extents_remember_where_they_come_from():
    n = Extent(6, lambda env: env[0][0][0])
    half = (n - 2) / 2
    assert type(half) is Real
    assert half.find(([(12,)], ())) == 5.0
    assert math.prod([n, 3]).find(([(4,)], ())) == 12


def test_refined_is_the_coarsest_common_shape():
    assert refined((4, 6), (4, 2, 3)) == ((4, 2, 3), [[0, 0], [1, 1], [1, 2]])
    assert refined((4, 6), (3, 8)) is None


def test_group_norm_is_a_formula_without_a_copy():
    sizes, over, scales, kept = standardize_shapes((2, 6, 5), (2, 3, 10), (2,), (6, 1))
    assert (sizes, over, scales, kept) == ((2, 3, 2, 5), (2, 3), (1, 3, 2, 1), (2, 3, 1, 1))


def test_a_compiled_op_without_formula_says_so():
    with pytest.raises(UntraceableError):
        no_formula()


def test_show_runs_what_is_no_formula_and_shows_what_was_launched():
    x = cb.ones(200, 300)
    first = cb.compiler.show(cb.layer_norm, x, (300,))
    assert "-- loop nest" in first
    assert "define" in first
    assert cb.compiler.show(cb.layer_norm, x, (300,)) == first  # though nothing is built any more
    both = cb.compiler.show(lambda: (x.exp(), x.exp(), x.sin()))
    assert both.count("-- kernel exp") == 1
    assert both.index("-- kernel exp") < both.index("-- kernel sin")


def test_show_says_what_it_cannot_show():
    with pytest.raises(
        cb.ArgumentError, match="show: the call must launch a kernel of the compiler's, got none from mat"
    ):
        cb.compiler.show(cb.matmul, cb.ones(2, 2), cb.ones(2, 2))
    with pytest.raises(cb.ArgumentError, match="show: function must be callable"):
        cb.compiler.show("relu", cb.ones(2))


def test_launches_of_other_threads_are_not_shown():
    x, done = cb.ones(1 << 20), []

    def other():
        thread = threading.Thread(target=lambda: done.append(x.exp()))
        thread.start()
        thread.join()
        return x.sin()

    assert "-- kernel exp" not in cb.compiler.show(other)


def test_numbers_have_the_dtype_of_the_arrays_whatever_their_value():
    bytes_ = [((6,), np.dtype("uint8"), (1,)), None]
    formula = Formula(ops["eq"], ROWS)
    for number in (300, 0):  # the op's rule would compare the first as int64, and cast the array before
        graph = formula.call(bytes_, (None, number)).trace.graph
        assert [n.dtype.name for n in graph.numbers] == ["uint8"]


def test_order_of_a_norm_is_a_parameter_but_for_cheap_powers():
    formula = Formula(ops["vector_norm"], ROWS)

    def kernel(order, *shape):
        return formula.call([*described(shape), None, None, None], (None, order, (1,), False)).launch.kernel

    assert kernel(2.7, 4, 8) is kernel(3.3, 5, 9)
    assert kernel(2.0, 4, 8) is kernel(2.0, 5, 9)
    assert kernel(2.0, 4, 8) is not kernel(3.0, 4, 8)
    assert len(next(iter(formula.traces.values()))) == 3


# -- arguments that are rarely met -------------------------------------------------------------------------------------


def sine_plan(shape, target=ROWS):
    return Formula(ops["sin"], target).call(described(shape), (None,)).launch


def test_sines_of_long_lines_are_computed_in_chunks_the_short_way_or_the_long():
    launch = sine_plan((3000,))
    text = str(launch.kernel)

    assert launch.count == 3
    assert "if " in text and "else:" in text
    assert launch.kernel is not sine_plan((8,)).kernel


def test_on_devices_of_many_items_each_element_takes_its_own_way():
    text = str(sine_plan((3000,), Target("items")).kernel)

    lines = [line.split()[0] for line in text.splitlines()]
    assert "if" in lines and "for" not in lines


@pytest.mark.parametrize("dtype", [cb.float32, cb.float64], ids=str)
@pytest.mark.parametrize("place", [0, 1023, 1024, 4095, 5000])
def test_one_huge_argument_among_many_is_reduced_exactly(dtype, place):
    x = np.random.default_rng(place).normal(size=5001).astype(dtype.numpy)
    x[place] = 1e30
    want = np.sin(x.astype("f8"))
    want[place] = math.sin(float(x[place]))
    tensor = cb.from_numpy(x.copy())

    got = cb.sin(tensor)
    tensor.sin_()  # whether there is a huge one is found before it is overwritten

    np.testing.assert_allclose(got.numpy(), want, rtol=0, atol=4 * np.finfo(dtype.numpy).eps)
    np.testing.assert_array_equal(tensor.numpy(), got.numpy())


@pytest.mark.parametrize("dtype", [cb.float32, cb.float64], ids=str)
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_one_huge_quotient_among_many_is_exact(name, dtype):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=5001).astype(dtype.numpy), rng.uniform(0.1, 2, 5001).astype(dtype.numpy)
    x[2500] = 1e30

    got = getattr(cb, name)(cb.from_numpy(x), cb.from_numpy(y))

    np.testing.assert_array_equal(got.numpy(), getattr(np, name)(x, y))


# -- powers ------------------------------------------------------------------------------------------------------------


def test_small_whole_exponents_are_built_in_and_others_are_parameters():
    formula = Formula(ops["pow"], ROWS)

    def kernel(exponent):
        return formula.call([*described((64,)), None], (None, exponent)).launch.kernel

    assert kernel(3.0) is not kernel(2.0)
    assert kernel(2.5) is kernel(3.5)
    assert [len(kernel(e).params) for e in (3.0, 2.5)] == [3, 4]
    assert len(str(kernel(3.0))) < len(str(kernel(2.5))) / 4


def test_exponents_in_turn_each_give_their_power():
    x = np.random.default_rng(4).uniform(0.5, 1.5, 50_000).astype("f4")
    tensor = cb.from_numpy(x)

    for exponent in (3, 2.5, 2, 3.0, 0.5, -1, 2.25, 0):
        np.testing.assert_allclose((tensor**exponent).numpy(), x.astype("f8") ** exponent, rtol=1e-6)


def kernel_text(op, *args):
    arrays = [(a, np.dtype(ml_dtypes.bfloat16), (1,)) if isinstance(a, tuple) else None for a in args]
    return str(Formula(ops[op], ROWS).call(arrays, [None if isinstance(a, tuple) else a for a in args]).launch.kernel)


def test_parts_of_a_formula_are_not_rounded_between():
    text = kernel_text("hardswish", (100,))  # a product with another op that is a body, too
    assert "bitcast" not in text


def test_shorter_polynomials_serve_only_what_reaches_the_result():
    length = {op: len(kernel_text(op, *([(100,)] * n)).splitlines()) for op, n in (("silu", 1), ("silu_backward", 2))}
    longer = len(
        str(Formula(ops["silu"], ROWS).call([((100,), np.dtype("f4"), (1,))], [None]).launch.kernel).splitlines()
    )
    assert length["silu"] < longer < length["silu_backward"]  # 1 - sigmoid would show its error


def test_a_complex_exponent_that_is_whole_is_built_in_as_a_real_one_is():
    for exponent in (2.0, complex(2.0)):
        call = Formula(ops["pow"], ROWS).call([((8,), np.dtype("c8"), (1,)), None], [None, exponent])
        assert not call.trace.graph.numbers
