# SPDX-License-Identifier: Apache-2.0
"""First looks at a CUDA device, each for itself: what works, what does not, and how fast the main things are.

    python benchmarks/gpu_sanity.py                    # all checks; a line each
    python benchmarks/gpu_sanity.py --from graphs      # from one on
    python benchmarks/gpu_sanity.py --speed candelabra # times of large calls; also of torch, on the same device

A check that fails prints its traceback, and the next one runs. What ends the process (a fault of the device is for good)
costs one check: the one who started it goes on with `--from`. `gpu_check.py` does.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

DRY = os.environ.get("CANDELABRA_GPU_DRY") == "1"
"""On a stand-in: small sizes, and no look at what only hardware has."""

CHECKS: dict[str, Callable[[Any], str | None]] = {}


def check(function: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """Adds a check: a function of the framework, which may return a line to print."""
    CHECKS[function.__name__] = function
    return function


def there(cb: Any, x: Any) -> Any:
    """A host array as a tensor on the device."""
    return cb.tensor(np.asarray(x), device="cuda")


def back(x: Any) -> Any:
    """A tensor's elements on the host."""
    return x.detach().cpu().numpy()


def near(found: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(found, "f8"), np.asarray(expected, "f8"), rtol=rtol, atol=atol)


# -- kernels -------------------------------------------------------------------------------------------------------------


@check
def device(cb: Any) -> str:
    p = cb.cuda.get_device_properties(0)
    free, total = cb.cuda.mem_get_info()
    return f"{p.name}, {p.major}.{p.minor}, {p.multi_processor_count} multiprocessors, {free >> 20} of {total >> 20} MiB free, {p.driver}"


@check
def pointwise(cb: Any) -> None:
    for n in (1, 5, 255, 1024, 1025, 2500, 100_003):
        x = np.linspace(-3, 3, n, dtype="f4")
        assert np.array_equal(back(there(cb, x) * 2 + 1), x * 2 + 1), n
    x = np.arange(3000.0).reshape(3, 1000)
    assert np.array_equal(back(there(cb, x)[:, ::3] + there(cb, x.T.copy()).t()[:, ::3]), 2 * x[:, ::3])


@check
def every_dtype(cb: Any) -> None:
    names = ("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32",
             "float64", "complex64", "complex128")  # fmt: skip
    for name in names:
        kind = getattr(cb, name)
        host, here = cb.full((700,), 1, dtype=kind), cb.full((700,), 1, dtype=kind, device="cuda")
        assert cb.equal(here.cpu(), host), name
        assert cb.equal((here * here).cpu(), host * host), name


@check
def reductions(cb: Any) -> None:
    rng = np.random.default_rng(0)
    for shape in ((3, 1), (3, 256), (300, 1000), (2, 70_000), (1, 1 << 20)):
        x = rng.normal(size=shape).astype("f4")
        for dim in (0, 1):
            near(back(there(cb, x).sum(dim)), x.sum(dim, dtype="f8"), 1e-5, 1e-4)
            assert np.array_equal(back(there(cb, x).argmax(dim)), x.argmax(dim)), (shape, dim)
            near(back(there(cb, x).amax(dim)), x.max(dim))
    x = rng.normal(size=(300, 1000)).astype("f4")
    e = np.exp(x - x.max(1, keepdims=True).astype("f8"))
    near(back(cb.softmax(there(cb, x), 1)), e / e.sum(1, keepdims=True))
    near(back(there(cb, x).cumsum(1)), x.cumsum(1, dtype="f8"), 1e-4, 1e-3)


@check
def atomics(cb: Any) -> None:
    at = np.arange(5000) % 7
    for name in ("uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"):
        kind = getattr(cb, name)
        found = cb.zeros(7, dtype=kind, device="cuda").index_add(
            0, there(cb, at % 7), cb.ones(5000, dtype=kind, device="cuda")
        )
        host = cb.zeros(7, dtype=kind).index_add(0, cb.tensor(at), cb.ones(5000, dtype=kind))
        if name in ("float16", "bfloat16"):  # sums of ones in 16 bits stop growing where rounding eats them
            assert float(found.float().min().item()) >= 200, name
        else:
            assert cb.equal(found.cpu(), host), name


@check
def sixteen_bits(cb: Any) -> None:
    bits = np.arange(0, 1 << 16, 1 if not DRY else 7, dtype=np.uint16)
    x = bits.view(np.float16)
    wide = back(there(cb, x).float())
    assert np.array_equal(wide, x.astype("f4"), equal_nan=True)
    x = np.random.default_rng(0).normal(size=4000).astype("f4") * np.float32(2.0) ** np.arange(-37, 13).repeat(80)
    assert np.array_equal(back(there(cb, x).half()), x.astype("f2"))
    assert cb.equal(there(cb, x).bfloat16().cpu(), cb.tensor(x).bfloat16())


@check
def sixteen_bit_nans(cb: Any) -> None:
    x = there(cb, np.array([np.nan, np.inf, -np.inf, 65520.0, -0.0], "f4"))
    for kind in (cb.float16, cb.bfloat16):
        assert np.array_equal(np.isnan(back(x.to(kind).float())), [True, False, False, False, False]), kind
    assert np.isinf(back(x.half().float()))[1:4].all()
    assert np.signbit(back(x.half().float()))[4]


@check
def subnormals(cb: Any) -> None:
    x = np.array([1e-45, 1e-40, -1e-39], "f4")
    assert np.array_equal(back(there(cb, x) * 1), x) and np.array_equal(back(there(cb, x) + there(cb, x)), x + x)


@check
def functions(cb: Any) -> str:
    """Largest errors of CUDA's own functions in float32, in units in the last place, against float64 on the host."""
    from candelabra_cuda.dialect import ERRORS

    rng, worst = np.random.default_rng(0), []
    n = 1 << (20 if not DRY else 12)
    wide = rng.integers(0, 1 << 32, n, dtype=np.uint64).astype(np.uint32).view("f4")
    wide = np.where(np.isfinite(wide), wide, np.float32(1))
    narrow = rng.uniform(-90, 90, n).astype("f4")
    ranges = {"asin": (-1, 1), "acos": (-1, 1), "atanh": (-1, 1), "log": (0, 1e30), "log2": (0, 1e30), "log10": (0, 1e30),
              "log1p": (-1, 1e6)}  # fmt: skip
    names = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "atanh": "arctanh"}
    for name, allowed in ERRORS["f32"].items():
        reference = getattr(np, names.get(name, name), None)
        if reference is None or name in ("hypot", "fmod", "atan2"):
            continue
        for x in (rng.uniform(*ranges[name], n).astype("f4"),) if name in ranges else (wide, narrow):
            with np.errstate(all="ignore"):
                want = reference(x.astype("f8"))
                got = back(getattr(cb, name)(there(cb, x))).astype("f8")
                fits = np.isfinite(want) & (np.abs(want) < np.finfo("f4").max) & np.isfinite(got)
                unit = np.spacing(np.maximum(np.abs(want[fits]), np.finfo("f4").tiny).astype("f4")).astype("f8")
                error = float((np.abs(got[fits] - want[fits]) / unit).max(initial=0))
            assert error <= allowed + 1, f"{name}: {error:.2f} units, stated {allowed}"
            worst.append((error, name))
    return ", ".join(f"{name} {error:.2f}" for error, name in sorted(worst, reverse=True)[:8])


@check
def more_than_32_bits(cb: Any) -> str | None:
    """Elements beyond 2**31, and more rows than a grid's second dim holds."""
    n = (1 << 31) + 1000 if not DRY else 3000
    if cb.cuda.mem_get_info()[0] < 8 * n:
        return "too little memory"
    x = cb.full((n,), 1, dtype=cb.uint8, device="cuda")
    x[n - 3] = 7
    assert x.sum().item() == n + 6 and x.argmax().item() == n - 3
    assert (x + x)[n - 5 :].tolist() == [2, 2, 14, 2, 2]
    rows = cb.ones(70_000 if not DRY else 70, 300, device="cuda")
    assert (rows.sum(1) == 300).all().item() and (cb.softmax(rows, 1).sum(1) - 1).abs().max().item() < 1e-5
    return None


# -- libraries -----------------------------------------------------------------------------------------------------------


@check
def products(cb: Any) -> None:
    rng = np.random.default_rng(1)
    shapes = [
        ((3, 4), (4, 5)),
        ((4,), (4, 5)),
        ((3, 4), (4,)),
        ((2, 3, 4), (4, 5)),
        ((2, 1, 3, 4), (5, 4, 1)),
        ((130, 70), (70, 90)),
    ]
    for one, other in shapes:
        a, b = rng.normal(size=one), rng.normal(size=other)
        for name, rtol in (
            ("float64", 1e-12),
            ("float32", 1e-4),
            ("complex128", 1e-12),
            ("float16", 2e-2),
            ("bfloat16", 6e-2),
        ):
            kind = getattr(cb, name)
            x, y = there(cb, a).to(kind), there(cb, b).to(kind)
            found, *rounded = (back(v.real.to(cb.float64)) for v in (cb.matmul(x, y), x, y))
            near(found, rounded[0] @ rounded[1], rtol, rtol)
        if a.ndim > 1 and b.ndim > 1:
            turned = [there(cb, np.ascontiguousarray(m.swapaxes(-1, -2))).transpose(-1, -2) for m in (a, b)]
            near(back(cb.matmul(*turned)), a @ b, 1e-12, 1e-12)
    a = cb.arange(12, device="cuda").reshape(3, 4)
    assert cb.equal((a @ a.t()).cpu(), a.cpu() @ a.cpu().t())


@check
def product_precision(cb: Any) -> str:
    n = 512 if not DRY else 32
    a = np.random.default_rng(2).normal(size=(n, n)).astype("f4")
    exact, found = a.astype("f8") @ a.astype("f8"), {}
    for precision in ("highest", "high", "medium"):
        cb.set_float32_matmul_precision(precision)
        try:
            found[precision] = float(np.abs(back(there(cb, a) @ there(cb, a)) - exact).max())
        finally:
            cb.set_float32_matmul_precision("highest")
    assert found["highest"] < 1e-3, found
    return ", ".join(f"{k} {v:.1e}" for k, v in found.items())


@check
def sorts(cb: Any) -> None:
    for n in (100, 5000, 20_000, 300_000 if not DRY else 17_000):
        x = np.random.default_rng(2).integers(-50, 50, (2, n)).astype("f8")
        for name in ("float32", "float64", "bfloat16", "int64"):
            host = cb.tensor(x).to(getattr(cb, name))
            for descending in (False, True):
                values, places = cb.sort(host.to("cuda"), dim=1, descending=descending, stable=True)
                expected, order = cb.sort(host, dim=1, descending=descending, stable=True)
                assert cb.equal(places.cpu(), order) and cb.equal(values.cpu(), expected), (n, name, descending)


@check
def inverses(cb: Any) -> None:
    for n in (5, 40, 100):
        x = np.eye(n) * 3 + np.random.default_rng(3).normal(size=(2, n, n)) * 0.1
        near(back(cb.inverse(there(cb, x))), np.linalg.inv(x), 1e-9, 1e-9)
    try:
        cb.inverse(cb.zeros(40, 40, device="cuda"))
    except cb.ArgumentError:
        return
    raise AssertionError("a singular matrix was inverted")


@check
def convolutions(cb: Any) -> str:
    from candelabra_cuda.convolution import library

    fn, rng = cb.nn.functional, np.random.default_rng(4)
    for dims in (1, 2):
        x = rng.normal(size=(2, 4, *([9] * dims)))
        w = rng.normal(size=(6, 2, *([3] * dims)))
        conv = fn.conv1d if dims == 1 else fn.conv2d
        for name, rtol in (("float64", 1e-10), ("float32", 1e-4), ("float16", 3e-2)):
            kind, grads = getattr(cb, name), []
            for place in ("cpu", "cuda"):
                a, b = (cb.tensor(v).to(kind).to(place).requires_grad_() for v in (x, w))
                y = conv(a, b, stride=2, padding=1, groups=2)
                y.sum().backward()
                grads.append([back(v.to(cb.float64)) for v in (y, a.grad, b.grad)])
            for one, other in zip(*grads, strict=True):
                near(other, one, rtol, rtol * 10)
    return "by cuDNN" if library() is not None else "by own kernels"


# -- memory, streams, graphs ---------------------------------------------------------------------------------------------


@check
def memory(cb: Any) -> None:
    gc.collect()
    cb.cuda.empty_cache()
    before = cb.cuda.memory_allocated()
    x = cb.empty(1000, device="cuda")
    assert cb.cuda.memory_allocated() - before == 4096
    del x
    assert cb.cuda.memory_allocated() == before
    _, total = cb.cuda.mem_get_info()
    try:
        cb.empty(2 * total, dtype=cb.uint8, device="cuda")
        raise AssertionError("more memory than there is")
    except cb.OutOfMemoryError:
        pass
    assert cb.ones(3, device="cuda").sum().item() == 3
    cb.cuda.set_memory_limit(cb.cuda.memory_reserved() + (1 << 20))
    try:
        x = cb.empty(200_000, device="cuda")
        del x
        cb.empty(250_000, device="cuda")
    finally:
        cb.cuda.set_memory_limit(0)


@check
def streams(cb: Any) -> str:
    n = 1 << (24 if not DRY else 12)
    start, end = cb.cuda.Event(enable_timing=True), cb.cuda.Event(enable_timing=True)
    x, side = cb.ones(n, device="cuda"), cb.cuda.Stream()
    for _ in range(20):
        side.wait_stream(cb.cuda.current_stream())
        with side:
            y = x * 2
        x.record_stream(side)
        cb.cuda.current_stream().wait_stream(side)
        y.record_stream(cb.cuda.current_stream())
        x = y - x
    assert (x.cpu() == 1).all()
    start.record()
    z = x + 1
    end.record()
    end.synchronize()
    del z
    return f"{n} sums in {start.elapsed_time(end):.3f} ms"


@check
def pinned(cb: Any) -> None:
    x = cb.arange(1 << (20 if not DRY else 10), dtype=cb.float32).pin_memory()
    assert x.is_pinned() and not cb.ones(3).is_pinned()
    here = x.to("cuda", non_blocking=True)
    host = here.to("cpu", non_blocking=True)
    assert host.is_pinned()
    cb.cuda.synchronize()
    assert cb.equal(host, x)


@check
def uploads(cb: Any) -> None:
    """The host's elements may change as soon as the call is back."""
    for n in (100, 20_000, 1 << (24 if not DRY else 12)):
        x = np.zeros(n, "f4")
        kept = []
        for k in range(8):
            x[:] = k
            kept.append(there(cb, x))
        assert all((k == back(t)).all() for k, t in enumerate(kept)), n


@check
def threads(cb: Any) -> None:
    found: dict[int, list[Any]] = {}
    x = cb.ones(2000, device="cuda")

    def run(k: int) -> None:
        found[k] = [back(x + float(100 * k + i)) for i in range(20)] + [back(x.reshape(40, 50) @ x.reshape(50, 40))]

    workers = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for k in range(6):
        assert all((found[k][i] == 1 + 100 * k + i).all() for i in range(20)) and (found[k][20] == 50).all()


@check
def random_numbers(cb: Any) -> None:
    for draw in (cb.rand, lambda n, **k: cb.randint(0, 100, (n,), **k), cb.randperm):
        cb.manual_seed(7)
        host = draw(1000)
        cb.manual_seed(7)
        assert cb.equal(draw(1000, device="cuda").cpu(), host)


@check
def sharing(cb: Any) -> str:
    x = cb.arange(6, dtype=cb.float32, device="cuda")
    if DRY:
        return "not on a stand-in"
    import cupy

    array = cupy.from_dlpack(x)
    array *= 2
    assert (back(x) == 2 * np.arange(6)).all()
    assert cb.from_dlpack(array).data_ptr() == x.data_ptr()
    try:
        import torch
    except ImportError:
        return "CuPy"
    assert torch.from_dlpack(x).data_ptr() == x.data_ptr()
    assert cb.from_dlpack(torch.ones(3, device="cuda")).sum().item() == 3
    return "CuPy, PyTorch"


@check
def graphs(cb: Any) -> None:
    x = cb.ones(2000, device="cuda")
    (x * 2 + 1).cpu()
    graph = cb.cuda.CUDAGraph()
    with cb.cuda.graph(graph):
        y = x * 2 + 1
        z = y @ y
        at = cb.index_select(y, 0, cb.tensor([3, 5], device="cuda"))
    others = [cb.zeros(2000, device="cuda") for _ in range(8)]
    for k in (1.0, 2.0):
        x.fill_(k)
        graph.replay()
        assert (back(y) == 2 * k + 1).all() and abs(z.item() / (2000 * (2 * k + 1) ** 2) - 1) < 1e-5
        assert at.tolist() == [2 * k + 1] * 2
    assert all((back(o) == 0).all() for o in others)
    graph.reset()
    gc.collect()
    cb.cuda.empty_cache()
    others = [cb.zeros(2000, device="cuda") for _ in range(8)]
    assert (back(y) == 5).all()
    try:
        with cb.cuda.graph(cb.cuda.CUDAGraph()):
            x.sum().item()
        raise AssertionError("a value was read during a capture")
    except cb.BackendError:
        pass
    assert (x + 1).sum().item() == 6000


@check
def graphed_module(cb: Any) -> None:
    cb.manual_seed(0)
    model = cb.nn.Sequential(cb.nn.Linear(16, 32), cb.nn.ReLU(), cb.nn.Linear(32, 4)).to("cuda")
    x = cb.randn(8, 16, device="cuda")
    expected = back(model(x))
    model(x).sum().backward()
    grad = back(model[0].weight.grad).copy()
    model.zero_grad()
    fast = cb.cuda.make_graphed_callables(model, (cb.zeros(8, 16, device="cuda"),))
    y = fast(x)
    y.sum().backward()
    near(back(y), expected, 1e-4, 1e-5)
    near(back(model[0].weight.grad), grad, 1e-4, 1e-5)


@check
def training(cb: Any) -> str:
    cb.manual_seed(0)
    model = cb.nn.Sequential(cb.nn.Linear(64, 128), cb.nn.ReLU(), cb.nn.Linear(128, 10)).to("cuda")
    optimizer = cb.optim.Adam(model.parameters(), lr=1e-2)
    x, target = cb.randn(32, 64, device="cuda"), cb.randint(0, 10, (32,), device="cuda")
    losses, start = [], 0.0
    for step in range(60 if not DRY else 5):
        if step == 10:
            cb.cuda.synchronize()
            start = time.perf_counter()
        optimizer.zero_grad()
        loss = cb.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    cb.cuda.synchronize()
    took = (time.perf_counter() - start) / 50
    assert losses[-1].item() < losses[0].item()
    return f"loss {losses[0].item():.3f} to {losses[-1].item():.3f}, {took * 1e6:.0f} us a step"


@check
def compile_errors(cb: Any) -> None:
    from candelabra_cuda import program

    try:
        program.compile_source("\n// broken\nwrong\n", "sm_90")
    except cb.BackendError as error:
        assert "kernel broken" in str(error), error
        return
    raise AssertionError("nonsense was compiled")


LOST = """
import candelabra as cb
x = cb.ones(4, device="cuda")
(x + 1).cpu()
x._array.offset = 1 << 44
try:
    (x + 1).cpu()
    print("nothing was said")
except cb.DeviceLostError as error:
    print("said:", error)
"""


@check
def lost_device(cb: Any) -> str:
    """In a process of its own, whose context a read of nobody's memory ends."""
    if DRY:
        return "not on a stand-in"
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60)
    assert "said:" in done.stdout, done.stdout + done.stderr
    return done.stdout.strip()[:160]


# -- speed ---------------------------------------------------------------------------------------------------------------


def rows(f: Any, device: str) -> dict[str, tuple[Callable[[], Any], float, str]]:
    """Label: (call, work, unit), the work in bytes or operations."""
    fn, side = importlib.import_module(f"{f.__name__}.nn.functional"), 8192 if not DRY else 64
    big = f.ones(side, side, device=device)
    nbytes, tiny = 4.0 * side * side, f.ones(16, device=device)
    found: dict[str, tuple[Callable[[], Any], float, str]] = {
        "tiny add": (lambda: tiny + tiny, 0, ""),
        "copy": (lambda: big.clone(), 2 * nbytes, "GB/s"),
        "add": (lambda: big + big, 2 * nbytes, "GB/s"),
        "gelu": (lambda: fn.gelu(big), 2 * nbytes, "GB/s"),
        "sum dim 1": (lambda: big.sum(1), nbytes, "GB/s"),
        "sum dim 0": (lambda: big.sum(0), nbytes, "GB/s"),
        "sum all": (lambda: big.sum(), nbytes, "GB/s"),
        "softmax": (lambda: f.softmax(big, 1), 2 * nbytes, "GB/s"),
        "layer_norm": (lambda: fn.layer_norm(big, (side,)), 2 * nbytes, "GB/s"),
        "transposed copy": (lambda: big.t().contiguous(), 2 * nbytes, "GB/s"),
        "cumsum dim 1": (lambda: big.cumsum(1), 2 * nbytes, "GB/s"),
        "sort": (lambda: f.sort(big.reshape(-1)[: 1 << 22]), 2 * 4.0 * (1 << 22), "GB/s"),
    }
    for name in ("float32", "float16", "bfloat16", "float64"):
        n = (4096 if name != "float64" else 2048) if not DRY else 32
        x = f.ones(n, n, device=device).to(getattr(f, name))
        found[f"matmul {n} {name}"] = (lambda x=x: x @ x, 2.0 * n**3, "TFLOP/s")
    image, weight = f.ones(32, 64, 56, 56, device=device), f.ones(64, 64, 3, 3, device=device)
    if not DRY:
        found["conv2d"] = (lambda: fn.conv2d(image, weight, padding=1), 2.0 * 32 * 64 * 64 * 9 * 56 * 56, "TFLOP/s")
    return found


def speed(name: str, device: str) -> None:
    """Prints times of large calls, as JSON in the last line."""
    f = importlib.import_module(name)
    wait = getattr(f, device).synchronize
    times = {}
    for label, (call, work, unit) in rows(f, device).items():
        try:
            call()
            wait()
            start, number = time.perf_counter(), 0
            while number < 3 or (time.perf_counter() - start < 0.25 and number < 2000):
                for _ in range(10 if not DRY else 1):
                    call()
                wait()
                number += 10 if not DRY else 1
            took = (time.perf_counter() - start) / number
        except Exception as error:
            print(f"{name}: {label}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        times[label] = took
        rate = f", {work / took / (1e9 if unit == 'GB/s' else 1e12):.1f} {unit}" if unit else ""
        print(f"{name}: {label}: {took * 1e6:.1f} us{rate}", flush=True)
    print(json.dumps(times))


def main() -> int:
    """Runs the checks; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", choices=CHECKS, default=next(iter(CHECKS)))
    parser.add_argument("--speed", choices=("candelabra", "torch"))
    given = parser.parse_args()
    if given.speed:
        speed(given.speed, "cuda")
        return 0
    import candelabra as cb

    names = list(CHECKS)
    bad = 0
    for name in names[names.index(given.first) :]:
        print(f"begin {name}", flush=True)
        start = time.perf_counter()
        try:
            said = CHECKS[name](cb)
            print(f"ok    {name} {time.perf_counter() - start:.2f} s{f': {said}' if said else ''}", flush=True)
        except cb.DeviceLostError:
            raise
        except Exception:
            bad += 1
            print(f"FAIL  {name}\n{traceback.format_exc()[-3000:]}", flush=True)
    print("end", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
