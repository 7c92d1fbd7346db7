# SPDX-License-Identifier: Apache-2.0
"""The backward pass: accumulation, hooks, freeing, depth, modes, errors."""

import gc
import threading
import weakref

import numpy as np
import pytest

import candelabra as cb
from candelabra import AutogradError, StaleTensorError


def leaf(*values):
    return cb.tensor(list(values), dtype=cb.float64, requires_grad=True)


def test_backward_accumulates_into_leaves():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_operand_used_twice_gets_both_gradients():
    x = leaf(2.0)
    y = x * x
    (y * y).sum().backward()
    assert x.grad.tolist() == [32.0]


def test_diamond_is_walked_once_for_each_node():
    x = leaf(1.0)
    calls = []
    y = x * 2
    y.register_hook(lambda g: calls.append(g.item()))
    (y + y * 3).sum().backward()
    assert calls == [4.0]


def test_second_backward_without_retain_graph_is_refused():
    x = leaf(1.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(AutogradError, match="retain_graph"):
        y.backward()


def test_retain_graph_allows_a_second_pass():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_create_graph_gives_second_and_third_derivatives():
    x = leaf(2.0)
    (first,) = cb.autograd.grad((x**4).sum(), x, create_graph=True)
    (second,) = cb.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = cb.autograd.grad(second.sum(), x)
    assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)


def test_grad_leaves_grad_attributes_alone():
    x, w = leaf(1.0), leaf(5.0)
    (g,) = cb.autograd.grad((x * w).sum(), x)
    assert g.tolist() == [5.0]
    assert x.grad is None
    assert w.grad is None


def test_grad_of_intermediate_result():
    x = leaf(1.0, 2.0)
    y = x * 3
    (g,) = cb.autograd.grad((y * y).sum(), y)
    assert g.tolist() == [6.0, 12.0]


def test_unused_input_is_an_error_unless_allowed():
    x, w = leaf(1.0), leaf(1.0)
    with pytest.raises(AutogradError, match="allow_unused"):
        cb.autograd.grad((x * 2).sum(), w)
    assert cb.autograd.grad((x * 2).sum(), w, allow_unused=True) == (None,)
    (zero,) = cb.autograd.grad((x * 2).sum(), w, materialize_grads=True)
    assert zero.tolist() == [0.0]


def test_backward_inputs_accumulate_only_there():
    x, w = leaf(1.0), leaf(2.0)
    (x * w).sum().backward(inputs=[x])
    assert x.grad.tolist() == [2.0]
    assert w.grad is None


def test_non_scalar_root_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(AutogradError, match="one-element"):
        (x * 2).backward()
    (x * 2).backward(cb.tensor([1.0, 10.0], dtype=cb.float64))
    assert x.grad.tolist() == [2.0, 20.0]


def test_root_without_graph_is_refused():
    with pytest.raises(AutogradError, match="requires_grad"):
        cb.ones(1).sum().backward()


def test_broadcast_gradient_is_summed_to_the_operand():
    x = cb.ones(3, 1, dtype=cb.float64, requires_grad=True)
    y = cb.ones(4, dtype=cb.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.tolist() == [[4.0]] * 3
    assert y.grad.tolist() == [3.0] * 4


def test_gradient_has_the_operands_dtype():
    x = cb.ones(2, dtype=cb.float32, requires_grad=True)
    (x * cb.ones(2, dtype=cb.float64)).sum().backward()
    assert x.grad.dtype is cb.float32


def test_deep_graph_runs_and_is_freed_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y
    gc.collect()


def test_graph_is_freed_by_reference_counts_alone():
    x = leaf(1.0, 2.0)
    gc.disable()
    try:
        y = (x.exp() * x).tanh()  # rules that keep outputs and inputs
        node = weakref.ref(y.grad_fn)
        middle = weakref.ref(y)
        del y
        assert middle() is None
        assert node() is None
    finally:
        gc.enable()


def test_backward_frees_saved_tensors():
    x = leaf(1.0, 2.0)
    h = x * 2
    y = (h * h).sum()
    saved = weakref.ref(h)
    del h
    assert saved() is not None
    y.backward()
    assert saved() is None


def test_saved_output_changed_in_place_is_caught():
    x = leaf(1.0)
    y = x.exp()
    y.add_(1)
    with pytest.raises(StaleTensorError, match="exp"):
        y.sum().backward()


def test_operand_no_rule_reads_may_change():
    x = leaf(1.0)
    h = x * 1
    y = (h + 1).sum()
    h.mul_(5)
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_leaf_in_place_is_refused_outside_no_grad():
    x = leaf(1.0)
    with pytest.raises(AutogradError, match="in place"):
        x.add_(1)
    with cb.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0]


def test_gradients_of_two_leaves_do_not_share_memory():
    x, w = leaf(1.0), leaf(1.0)
    (x + w).sum().backward()
    x.grad.zero_()
    assert w.grad.tolist() == [1.0]


def test_tensor_hook_replaces_and_can_be_removed():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 10)
    (x * 2).sum().backward()
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [22.0]


def test_node_hooks_see_and_replace_gradients():
    x = leaf(1.0)
    y = x * 3
    seen = []
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 2,))
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs[0].item(), outputs[0].item())))
    y.sum().backward()
    assert seen == [(6.0, 2.0)]
    assert x.grad.tolist() == [6.0]


def test_post_accumulate_hook_runs_after_each_pass():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [2.0, 4.0]


def test_retain_grad_keeps_an_intermediate_gradient():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0]


def test_modes_as_contexts_decorators_and_generators():
    x = leaf(1.0)

    @cb.no_grad()
    def quiet():
        return x * 2

    @cb.no_grad
    def numbers():
        yield x * 2
        yield x * 3

    assert not quiet().requires_grad
    for y in numbers():
        assert not y.requires_grad
        assert (x * 2).requires_grad
    with cb.no_grad():
        with cb.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    with cb.inference_mode():
        assert cb.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
    with cb.set_grad_enabled(False):
        assert not cb.is_grad_enabled()
    assert cb.is_grad_enabled()


def test_mode_of_one_thread_is_not_seen_by_another():
    seen = []
    with cb.no_grad():
        thread = threading.Thread(target=lambda: seen.append(cb.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_anomaly_mode_names_the_forward_line():
    x = leaf(0.0)
    with cb.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()
        with pytest.raises(AutogradError, match=r"test_engine.py") as caught:
            y.backward()
    assert "Sqrt" in str(caught.value)


@pytest.mark.parametrize(
    "mode", [cb.autograd.detect_anomaly, lambda check_nan: cb.autograd.set_detect_anomaly(True, check_nan)]
)
def test_anomaly_mode_looks_for_nan_only_if_asked(mode):
    x = leaf(0.0)
    with mode(check_nan=False):
        (x.sqrt() * 0).sum().backward()
    assert np.isnan(x.grad.item())
    with mode(check_nan=True), mode(check_nan=False), mode(check_nan=True), pytest.raises(AutogradError, match="nan"):
        (x.sqrt() * 0).sum().backward()
    with mode(check_nan=False):
        with mode(check_nan=True):
            pass
        (x.sqrt() * 0).sum().backward()


def test_anomaly_mode_notes_the_forward_line_on_errors_of_rules():
    class Broken(cb.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            raise ZeroDivisionError("no gradient today")

    with cb.autograd.detect_anomaly(check_nan=False):
        y = Broken.apply(leaf(1.0)).sum()
        with pytest.raises(ZeroDivisionError) as caught:
            y.backward()
    assert any("test_engine.py" in note for note in caught.value.__notes__)


class Cube(cb.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x * ctx.scale, None


def test_function_is_differentiated_twice():
    x = leaf(2.0)
    (first,) = cb.autograd.grad(Cube.apply(x, 5.0).sum(), x, create_graph=True)
    (second,) = cb.autograd.grad(first.sum(), x)
    assert (first.item(), second.item()) == (60.0, 60.0)
    assert cb.autograd.gradcheck(lambda t: Cube.apply(t, 2.0), x)


def test_function_with_two_outputs_and_one_used():
    class Split(cb.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2, x * 3

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    x = leaf(1.0)
    _, triple = Split.apply(x)
    triple.sum().backward()
    assert x.grad.tolist() == [3.0]


def test_function_with_wrong_number_of_gradients_is_refused():
    class Wrong(cb.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(AutogradError, match="one gradient an input"):
        Wrong.apply(leaf(1.0), leaf(1.0)).sum().backward()


def test_once_differentiable_refuses_a_second_derivative():
    from candelabra.autograd.function import once_differentiable

    class Once(cb.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            return grad * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    (first,) = cb.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    assert first.item() == 108.0
    with pytest.raises(AutogradError, match="again"):
        first.sum().backward()


def test_gradcheck_catches_a_wrong_rule():
    class Wrong(cb.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad

    with pytest.raises(cb.autograd.GradcheckError, match="input 0"):
        cb.autograd.gradcheck(Wrong.apply, leaf(3.0))


def test_gradcheck_of_complex_functions():
    z = cb.tensor([1 + 2j, -0.5 + 1j], dtype=cb.complex128, requires_grad=True)
    assert cb.autograd.gradcheck(lambda t: t * t.conj() + t.exp(), z)
    assert cb.autograd.gradgradcheck(lambda t: t * t * t, z)


def test_deepcopy_and_grad_setter_checks():
    x = leaf(1.0)
    with pytest.raises(ValueError, match="match its tensor"):
        x.grad = cb.ones(2)
    x.grad = cb.ones(1, dtype=cb.float64)
    assert np.array_equal(x.grad.numpy(), [1.0])


def test_jacobian_of_two_inputs_and_outputs():
    a, b = cb.tensor([1.0, 2.0]), cb.tensor([3.0])
    (da, db), (sa, sb) = cb.autograd.functional.jacobian(lambda a, b: (a * b, a.sum() + b), (a, b))
    assert da.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert db.tolist() == [[1.0], [2.0]]
    assert sa.tolist() == [[1.0, 1.0]]
    assert sb.tolist() == [[1.0]]


def test_hook_that_writes_into_its_gradient_spoils_no_later_pass():
    for _ in range(2):
        x = cb.tensor(2.0, requires_grad=True)
        y = x * 3
        y.register_hook(lambda g: g.mul_(10))
        y.backward()
        assert x.grad.item() == 30.0


def test_grad_of_an_intermediate_leaves_the_rest_of_its_graph():
    x = leaf(1.0, 2.0)
    h = x.exp()
    cb.autograd.grad(h.sum(), h)
    (g,) = cb.autograd.grad((h * 2).sum(), h)
    assert g.tolist() == [2.0, 2.0]


def test_threads_adding_to_one_leaf_lose_nothing():
    x = cb.zeros(20_000, requires_grad=True)

    def work():
        for _ in range(20):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.unique().tolist() == [60.0]


def test_retained_gradient_is_a_copy():
    x = leaf(1.0)
    z = x * 1
    y = z + 0.0
    y.retain_grad()
    z.retain_grad()
    y.sum().backward()
    y.grad.zero_()
    assert z.grad.tolist() == [1.0]


def test_view_of_a_leaf_taken_without_grad_cannot_rob_it():
    x, w = leaf(1.0, 2.0), leaf(3.0)
    with cb.no_grad():
        v = x[0]
    with pytest.raises(AutogradError, match="in place"):
        v.mul_(w[0])
    assert x.is_leaf
