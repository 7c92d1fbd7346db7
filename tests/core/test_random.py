# SPDX-License-Identifier: Apache-2.0
"""Streams of random numbers: what samples cannot say of generators, statistics and in-place fills."""

from __future__ import annotations

import copy
import math
import pickle
import threading

import numpy as np
import pytest

import candelabra as cb
from candelabra import _dtype, _philox, _random
from candelabra._errors import ArgumentError, AutogradError, CallError, DTypeError, ShapeError
from candelabra.ops import _names as ops
from candelabra.tensor._creation import tensor


@pytest.fixture(autouse=True)
def seeded():
    with _random.fork_rng():
        _random.manual_seed(20240607)
        yield


def counter(*words: int) -> int:
    return sum(word << 32 * i for i, word in enumerate(words))


# -- Philox ----------------------------------------------------------------------------------------------------------

# Known answers published with Random123 for philox4x32-10: counter words, key words, result words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("count", "key", "words"), KNOWN)
def test_philox_known_vectors_are_reproduced(count, key, words):
    expected = [int(word, 16) for word in words.split()]
    assert _philox.scalar_words(counter(*key), counter(*count), 4) == expected
    assert _philox.words(np, counter(*key), counter(*count), 4).tolist() == expected
    assert ops.random_bits((4,), counter(*key), counter(*count)).tolist() == expected


@pytest.mark.parametrize("offset", [0, 5, 1020, 1023, 2**32 - 2, 2**64 - 3, 2**64 - 1, 2**128 - 2])
@pytest.mark.parametrize("count", [1, 4, 7, 600])
def test_philox_arrays_equal_plain_integers(offset, count):
    expected = _philox.scalar_words(3, offset, count)
    assert ops.random_bits((count,), 3, offset).tolist() == expected
    assert _philox.words(np, 3, offset, count).tolist() == expected


def shared_kernel(name):
    kernels = pytest.importorskip("candelabra_xp").KERNELS
    return lambda *args: kernels[name](np, *args)


@pytest.mark.parametrize("dtype", [_dtype.float16, _dtype.bfloat16, _dtype.float32, _dtype.float64, _dtype.complex64])
@pytest.mark.parametrize("count", [0, 1, 5, 500, 5000, 40001])
@pytest.mark.parametrize("name", ["random_uniform", "random_normal"])
def test_cpu_kernels_equal_the_shared_ones(name, count, dtype):
    own = getattr(ops, name)((count,), 11, 1000, dtype=dtype, device="cpu").numpy()
    shared = shared_kernel(name)((count,), 11, 1000, dtype, 0)
    assert own.dtype == dtype.numpy
    if name == "random_normal":  # NumPy's logarithm, cosine and sine differ from ours in the last bits
        parts = [a.astype(np.complex128).view(np.float64) for a in (own, shared)]
        step = {"float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-14}.get(dtype.name, 2e-6)
        np.testing.assert_allclose(*parts, rtol=step, atol=step)
    else:
        np.testing.assert_array_equal(own, shared)


@pytest.mark.parametrize("bounds", [(0, 7), (-(2**63), 2**63), (-5, 2**40)])
@pytest.mark.parametrize("count", [1, 300, 40001])
def test_cpu_integers_equal_the_shared_ones(count, bounds):
    own = ops.random_integers((count,), 11, 1000, *bounds, device="cpu").numpy()
    np.testing.assert_array_equal(own, shared_kernel("random_integers")((count,), 11, 1000, *bounds, _dtype.int64, 0))


@pytest.mark.parametrize("count", [2, 500, 600, 50000])
def test_cpu_permutation_equals_the_shared_one(count):
    own = ops.random_permutation((count,), 11, 1000, device="cpu").numpy()
    np.testing.assert_array_equal(own, shared_kernel("random_permutation")((count,), 11, 1000, _dtype.int64, 0))


def test_stream_does_not_depend_on_how_it_is_cut():
    whole = ops.random_uniform((4000,), 1, 0).tolist()
    pieces = [u for i in range(40) for u in ops.random_uniform((100,), 1, 25 * i).tolist()]
    assert pieces == whole


def test_random_bits_refuses_other_dtypes():
    with pytest.raises(DTypeError, match="uint32 or int64"):
        ops.random_bits((2,), 0, 0, dtype=_dtype.float32)


# -- generators ------------------------------------------------------------------------------------------------------


def test_generator_state_round_trip_continues_the_stream():
    g = _random.Generator().manual_seed(5)
    ops.randn(7, generator=g)
    state = g.get_state()
    first = ops.rand(9, generator=g).tolist()
    g.set_state(state)
    assert ops.rand(9, generator=g).tolist() == first
    other = _random.Generator()
    other.set_state(state)
    assert ops.rand(9, generator=other).tolist() == first
    assert state.dtype is _dtype.uint8
    assert tuple(state.shape) == (_random.STATE_BYTES,)


@pytest.mark.parametrize("clone", [lambda g: g.clone_state(), copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_generator_copies_go_on_alike_and_apart(clone):
    g = _random.Generator().manual_seed(5)
    ops.rand(3, generator=g)
    other = clone(g)
    assert ops.rand(3, generator=g).tolist() == ops.rand(3, generator=other).tolist()
    ops.rand(3, generator=g)
    assert ops.rand(3, generator=g).tolist() != ops.rand(3, generator=other).tolist()


@pytest.mark.parametrize(("seed", "key"), [(0, 0), (-1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (-(2**63), 2**63)])
def test_manual_seed_takes_64_bits_modulo(seed, key):
    assert _random.manual_seed(seed).initial_seed() == key
    assert _random.initial_seed() == key


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_manual_seed_out_of_range_is_refused(seed):
    with pytest.raises(ArgumentError, match="2\\*\\*64"):
        _random.manual_seed(seed)


def test_set_state_refuses_what_is_no_state():
    g = _random.Generator()
    with pytest.raises(CallError, match="uint8"):
        g.set_state(cb.zeros(16))
    with pytest.raises(ArgumentError, match="16 bytes"):
        g.set_state(cb.zeros(3, dtype=_dtype.uint8))
    with pytest.raises(CallError, match="must be an int"):
        g.manual_seed(1.5)
    with pytest.raises(CallError, match="Generator"):
        ops.rand(2, generator=7)


def test_seed_differs_from_call_to_call():
    assert _random.seed() != _random.seed()


def test_fork_rng_restores_seed_and_offset():
    ops.rand(5)
    before = _random.get_rng_state().tolist()
    with _random.fork_rng():
        _random.manual_seed(1)
        ops.rand(100)
    assert _random.get_rng_state().tolist() == before
    with _random.fork_rng(enabled=False):
        ops.rand(5)
    assert _random.get_rng_state().tolist() != before


def test_every_device_starts_the_same_stream():
    _random.manual_seed(3)
    assert _random.default_of(cb.device("meta")).get_state().tolist() == _random.get_rng_state().tolist()


@pytest.mark.parametrize(
    "draw",
    [
        lambda **how: ops.rand(10**14, **how),
        lambda **how: ops.randn(10**14, **how),
        lambda **how: ops.randint(5, (10**14,), **how),
        lambda **how: ops.randperm(10**14, **how),
        lambda **how: ops.rand(1 << 70, **how),
        lambda **how: ops.bernoulli(tensor(0.5).expand(10**14), **how),
    ],
)
def test_draw_without_room_leaves_the_stream_where_it_was(draw) -> None:
    generator = _random.Generator().manual_seed(1)
    ops.rand(2, generator=generator)  # remembers how to draw
    before = generator.get_state().tolist()
    for _ in range(2):
        with pytest.raises(cb.OutOfMemoryError):
            draw(generator=generator)
        assert generator.get_state().tolist() == before


def test_reservation_is_given_back_unless_others_drew_since():
    generator = _random.Generator().manual_seed(1)
    _, first = generator.reserve(3)
    _, second = generator.reserve(2)
    generator.give_back(3, first)
    assert generator.reserve(0)[1] == 5
    generator.give_back(2, second)
    assert generator.reserve(0)[1] == 3


def test_threads_never_share_blocks():
    g = _random.Generator()
    seen: list[int] = []

    def draw() -> None:
        for _ in range(200):
            seen.append(g.reserve(3)[1])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [3 * i for i in range(800)]


# -- draws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("args", "kwargs"), [((2, 3), {}), (((2, 3),), {}), (([2, 3],), {}), ((), {"size": (2, 3)})])
def test_rand_takes_sizes_in_every_form(args, kwargs):
    _random.manual_seed(1)
    first = ops.rand(*args, **kwargs)
    _random.manual_seed(1)
    assert first.tolist() == ops.rand(2, 3).tolist()
    assert tuple(first.shape) == (2, 3)


def test_rand_refuses_what_it_cannot_fill():
    with pytest.raises(DTypeError, match="floating or complex"):
        ops.rand(2, dtype=_dtype.int64)
    with pytest.raises(DTypeError, match="floating or complex"):
        ops.rand(2, dtype=_dtype.float8_e5m2)
    with pytest.raises(ShapeError, match="negative"):
        ops.rand(-1)
    with pytest.raises(CallError, match="size"):
        ops.rand()
    ops.rand(2)
    with pytest.raises(CallError, match="ints"):
        ops.rand(2.0)


def test_rand_out_and_requires_grad():
    target = cb.empty(3)
    assert ops.rand(3, out=target) is target
    assert ops.rand(3, requires_grad=True).requires_grad


@pytest.mark.parametrize("dtype", [_dtype.float16, _dtype.bfloat16, _dtype.float32, _dtype.float64])
def test_uniform_stays_below_one_and_has_its_moments(dtype):
    u = ops.rand(200_000, dtype=dtype).numpy().astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002


@pytest.mark.parametrize("dtype", [_dtype.float16, _dtype.float32, _dtype.float64])
def test_normal_has_its_moments(dtype):
    z = ops.randn(200_000, dtype=dtype).numpy().astype(np.float64)
    assert abs(z.mean()) < 0.01
    assert abs(z.var() - 1) < 0.02
    assert abs((z**3).mean()) < 0.05
    assert abs((z**4).mean() - 3) < 0.1
    assert np.isfinite(z).all()


def test_complex_draws_share_the_variance_between_parts():
    z = ops.randn(100_000, dtype=_dtype.complex64).numpy()
    assert abs(z.real.var() - 0.5) < 0.01
    assert abs(z.imag.var() - 0.5) < 0.01
    assert ops.rand(3, dtype=_dtype.complex128).dtype is _dtype.complex128


def test_randint_forms_and_bounds():
    assert set(ops.randint(3, (1000,)).tolist()) == {0, 1, 2}
    assert set(ops.randint(-2, 1, (1000,)).tolist()) == {-2, -1, 0}
    assert set(ops.randint(low=5, high=7, size=(100,)).tolist()) == {5, 6}
    assert ops.randint(0, 2, (3,), dtype=_dtype.bool_).dtype is _dtype.bool_
    assert ops.randint_like(cb.zeros(2, 3), 4).dtype is _dtype.float32
    for bad in ((3, 3, (2,)), (0, 2**70, (2,))):
        with pytest.raises(ArgumentError):
            ops.randint(*bad)
    with pytest.raises(ArgumentError, match="uint8 holds"):
        ops.randint(0, 500, (2,), dtype=_dtype.uint8)
    with pytest.raises(CallError, match="must be an int"):
        ops.randint(0, 2.5, (2,))


def test_randint_is_even():
    counts = np.bincount(ops.randint(10, (100_000,)).numpy())
    assert abs(counts - 10_000).max() < 500


def test_randperm_is_a_permutation_in_every_dtype():
    for n in (0, 1, 5, 513, 3000):
        assert sorted(ops.randperm(n).tolist()) == list(range(n))
    assert sorted(ops.randperm(5, dtype=_dtype.float32).tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(ArgumentError, match="uint8 holds"):
        ops.randperm(300, dtype=_dtype.uint8)
    with pytest.raises(ShapeError, match="negative"):
        ops.randperm(-1)


def test_like_forms_keep_shape_dtype_and_strides():
    x = cb.zeros(2, 3, dtype=_dtype.float64).transpose(0, 1)
    for like in (ops.rand_like, ops.randn_like):
        _random.manual_seed(2)
        y = like(x)
        assert y.dtype is _dtype.float64
        assert y.stride() == x.stride()
        _random.manual_seed(2)
        assert y.tolist() == like(cb.zeros(3, 2, dtype=_dtype.float64)).tolist()


def test_meta_draws_have_shapes_only():
    with cb.device("meta"):
        assert ops.rand(2, 3).is_meta
        assert ops.randperm(4).is_meta
        assert tuple(ops.randint(4, (2,)).shape) == (2,)
    assert tuple(ops.multinomial(cb.ones(3, 4, device="meta"), 2).shape) == (3, 2)
    assert ops.poisson(cb.ones(3, device="meta")).is_meta
    assert ops.bernoulli(cb.ones(3, device="meta")).is_meta
    assert cb.ones(3, device="meta").normal_().is_meta


# -- distributions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 1.0])
def test_bernoulli_has_its_mean(p):
    assert abs(cb.empty(100_000).bernoulli_(p).mean().item() - p) < 0.006
    assert abs(ops.bernoulli(cb.full((100_000,), p)).mean().item() - p) < 0.006
    assert abs(ops.bernoulli(cb.zeros(100_000), p).mean().item() - p) < 0.006


def test_bernoulli_refuses_what_is_no_probability():
    with pytest.raises(ArgumentError, match=r"\[0, 1\]"):
        ops.bernoulli(tensor([1.5]))
    with pytest.raises(ArgumentError, match=r"\[0, 1\]"):
        ops.bernoulli(tensor([math.nan]))
    with pytest.raises(ArgumentError, match=r"\[0, 1\]"):
        cb.empty(2).bernoulli_(-0.1)
    with pytest.raises(DTypeError, match="floating"):
        ops.bernoulli(tensor([1, 0]))
    with pytest.raises(ShapeError, match="broadcast"):
        cb.empty(2).bernoulli_(cb.zeros(3))


def test_normal_takes_tensors_and_numbers():
    assert tuple(ops.normal(cb.ones(2, 1), cb.ones(3)).shape) == (2, 3)
    assert ops.normal(cb.ones(2, dtype=_dtype.float64), 2.0).dtype is _dtype.float64
    z = ops.normal(5.0, 2.0, (100_000,))
    assert abs(z.mean().item() - 5) < 0.05
    assert abs(z.numpy().std() - 2) < 0.05
    with pytest.raises(ArgumentError, match="negative"):
        ops.normal(cb.ones(2), tensor([1.0, -1.0]))
    with pytest.raises(CallError, match="size"):
        ops.normal(0.0, 1.0)
    with pytest.raises(DTypeError, match="floating"):
        ops.normal(tensor([1, 2]), 1.0)


def test_multinomial_with_replacement_follows_the_weights():
    weights = tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 2.0]])
    drawn = ops.multinomial(weights, 20_000, replacement=True).numpy()
    for row, chances in zip(drawn, ([0, 0.25, 0.75, 0], [0.5, 0, 0, 0.5]), strict=True):
        counts = np.bincount(row, minlength=4) / 20_000
        assert (counts[np.array(chances) == 0] == 0).all()
        assert abs(counts - chances).max() < 0.015


def test_multinomial_without_replacement_repeats_nothing():
    drawn = ops.multinomial(cb.ones(500, 6), 4).numpy()
    assert all(len(set(row)) == 4 for row in drawn)
    assert sorted(ops.multinomial(tensor([0.0, 1.0, 2.0]), 3).tolist())[-2:] == [1, 2]
    assert ops.multinomial(tensor([0.0, 1.0, 2.0]), 3).tolist()[2] == 0
    first = ops.multinomial(tensor([1.0, 3.0]).expand(20_000, 2), 1).numpy()
    assert abs(first.mean() - 0.75) < 0.015


@pytest.mark.parametrize(
    ("weights", "count", "error"),
    [
        ([1.0, 2.0], 3, ArgumentError),
        ([-1.0, 2.0], 1, ArgumentError),
        ([0.0, 0.0], 1, ArgumentError),
        ([math.inf, 1.0], 1, ArgumentError),
        ([1.0], 0, ArgumentError),
        ([[[1.0]]], 1, ShapeError),
        ([1, 2], 1, DTypeError),
    ],
)
def test_multinomial_refuses_bad_weights(weights, count, error):
    with pytest.raises(error):
        ops.multinomial(tensor(weights), count)


@pytest.mark.parametrize("rate", [0.0, 0.5, 4.0, 9.9, 10.0, 35.0, 1000.0])
def test_poisson_has_mean_and_variance_of_its_rate(rate):
    n = 20_000
    k = ops.poisson(cb.full((n,), rate, dtype=_dtype.float64)).numpy()
    assert (k == np.floor(k)).all()
    assert (k >= 0).all()
    assert abs(k.mean() - rate) <= 5 * math.sqrt(rate / n)
    assert abs(k.var() - rate) <= 5 * math.sqrt((2 * rate * rate + rate) / n)


def test_poisson_mixes_small_and_large_rates():
    rates = tensor([0.0, 3.0, 50.0, 12.0])
    assert ops.poisson(rates).dtype is _dtype.float32
    with pytest.raises(ArgumentError, match="negative"):
        ops.poisson(tensor([-1.0]))
    with pytest.raises(DTypeError, match="floating"):
        ops.poisson(tensor([1]))


def quantiles(x):
    return np.quantile(x.numpy().astype(np.float64), [0.25, 0.5, 0.75])


@pytest.mark.parametrize("dtype", [_dtype.float16, _dtype.float32, _dtype.float64])
def test_inplace_fills_have_their_quantiles(dtype):
    x = cb.empty(100_000, dtype=dtype)
    q = np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(quantiles(x.uniform_(-2, 6)), -2 + 8 * q, atol=0.1)
    np.testing.assert_allclose(quantiles(x.normal_(3, 2)), [1.651, 3, 4.349], atol=0.06)
    np.testing.assert_allclose(quantiles(x.exponential_(0.5)), -2 * np.log(1 - q), rtol=0.05)
    np.testing.assert_allclose(quantiles(x.cauchy_(1, 2)), [-1, 1, 3], atol=0.1)
    np.testing.assert_allclose(quantiles(x.log_normal_(0, 1)), np.exp([-0.6745, 0, 0.6745]), rtol=0.05)


def test_geometric_counts_from_one():
    for dtype in (_dtype.int64, _dtype.float32):
        x = cb.empty(50_000, dtype=dtype).geometric_(0.25).numpy()
        assert x.min() == 1
        assert abs(x.mean() - 4) < 0.1
        assert abs((x == 1).mean() - 0.25) < 0.01


@pytest.mark.parametrize(
    ("dtype", "past"),
    [
        (_dtype.float32, 2**24),
        (_dtype.float16, 2**11),
        (_dtype.bfloat16, 2**8),
        (_dtype.uint8, 255),
        (_dtype.int64, 2**63),
    ],
)
def test_random_without_bounds_covers_what_the_dtype_holds(dtype, past):
    x = cb.empty(5000, dtype=dtype).random_().numpy().astype(np.float64)
    assert x.min() >= 0
    assert past * 0.95 < x.max() <= past


def test_random_bounds():
    assert set(cb.empty(100, dtype=_dtype.int8).random_(-1, 2).tolist()) == {-1, 0, 1}
    assert set(cb.empty(100, dtype=_dtype.bool_).random_().tolist()) == {False, True}
    assert set(cb.empty(100).random_(2).tolist()) == {0.0, 1.0}
    assert cb.empty(10, dtype=_dtype.uint8).random_(250, None).numpy().min() >= 250
    with pytest.raises(ArgumentError, match="below"):
        cb.empty(2).random_(3, 3)


@pytest.mark.parametrize(
    ("fill", "error"),
    [
        (lambda x: x.uniform_(2, 1), ArgumentError),
        (lambda x: x.uniform_(0, 1e39), ArgumentError),
        (lambda x: x.normal_(0, -1), ArgumentError),
        (lambda x: x.exponential_(0), ArgumentError),
        (lambda x: x.cauchy_(0, 0), ArgumentError),
        (lambda x: x.log_normal_(0, 0), ArgumentError),
        (lambda x: x.geometric_(1.0), ArgumentError),
        (lambda x: x.long().uniform_(), DTypeError),
        (lambda x: x.long().normal_(), DTypeError),
        (lambda x: x.to(_dtype.complex64).random_(), DTypeError),
        (lambda x: x.expand(3, 2).uniform_(), ShapeError),
    ],
)
def test_refused_fills_change_neither_tensor_nor_stream(fill, error):
    x = cb.zeros(2)
    state = _random.get_rng_state().tolist()
    with pytest.raises(error):
        fill(x)
    assert x.tolist() == [0, 0]
    assert _random.get_rng_state().tolist() == state


FILLS = ["uniform_", "normal_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_"]


@pytest.mark.parametrize("name", FILLS)
def test_inplace_fill_counts_a_write_and_repeats_with_its_generator(name):
    x = cb.zeros(2, 3)
    base = x.transpose(0, 1)
    version = x._version
    assert getattr(base, name)(generator=_random.Generator().manual_seed(1)) is base
    assert x._version == version + 1
    again = getattr(cb.zeros(3, 2), name)(generator=_random.Generator().manual_seed(1))
    assert x.tolist() == again.transpose(0, 1).tolist()


@pytest.mark.parametrize("name", FILLS)
def test_inplace_fill_of_a_leaf_that_requires_grad_is_refused(name):
    x = cb.zeros(2, requires_grad=True)
    with pytest.raises(AutogradError, match="leaf"):
        getattr(x, name)()
    with cb.no_grad():
        getattr(x, name)()


def test_inplace_fill_of_a_result_cuts_its_gradient():
    x = cb.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_draws_from_parameters_give_them_zero_gradients():
    p = cb.full((3,), 0.5, requires_grad=True)
    ops.bernoulli(p).sum().backward()
    assert p.grad.tolist() == [0, 0, 0]
    mean, std = cb.zeros(2, requires_grad=True), cb.ones(2, requires_grad=True)
    ops.normal(mean, std).sum().backward()
    assert mean.grad.tolist() == std.grad.tolist() == [0, 0]
