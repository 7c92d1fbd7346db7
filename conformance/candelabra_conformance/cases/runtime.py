# SPDX-License-Identifier: Apache-2.0
"""The device itself: memory, copies both ways, views, writes, casts between all dtypes, and what tensors do with them."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from candelabra import _dtype
from candelabra._dtype import dtype, dtype_named
from candelabra._errors import BackendError, CallError, CandelabraError, ShapeError
from candelabra.op import Op
from candelabra.tensor._tensor import make_tensor, make_view

from .. import tolerances
from ..bridge import fresh, host, observed, place
from ..case import RUNTIME, Case, Failure, Outcome, Shape, check, make_case
from ..context import Context
from ..layouts import CONTIGUOUS, LAYOUTS, applies
from ..oracle import nearest
from ..precision import Array, bits, host_dtype
from ..values import generator

SHAPES: tuple[Shape, ...] = ((), (1,), (5,), (0,), (2, 3), (3, 0, 2), (4, 1, 5), (2, 3, 4, 5), (1,) * 7 + (2,), (1031,))

Check = Callable[[Case, Context, dtype, Shape], None]


def generate(op: Op | None, context: Context) -> Iterator[Case]:
    """Cases of the device."""
    if op is not None:
        return
    for kind in _dtype.ALL:
        for form in EVERYWHERE:
            for shape in SHAPES:
                yield make_case(RUNTIME, "runtime", kind.name, form, shapes=(shape,))
        for layout in LAYOUTS:
            for shape in ((7,), (3, 4), (2, 3, 4), (2, 3, 4, 5)):
                if layout != CONTIGUOUS and applies(layout, shape) and context.capabilities.strides:
                    yield make_case(RUNTIME, "runtime", kind.name, "copy-layout", shapes=(shape,), layouts=(layout,))
                    if not LAYOUTS[layout].shares:
                        yield make_case(
                            RUNTIME, "runtime", kind.name, "write-layout", shapes=(shape,), layouts=(layout,)
                        )
        for target in _dtype.ALL:
            yield make_case(RUNTIME, "runtime", kind.name, f"cast-to-{target.name}", shapes=((40,),))
    for form in ONCE:
        yield make_case(RUNTIME, "runtime", "-", form)


def run(case: Case, context: Context) -> Outcome:
    """One thing the device owes."""
    if case.form in ONCE:
        ONCE[case.form](context)
        return Outcome()
    kind = dtype_named(case.dtype)
    context.kind(kind)
    if case.form.startswith("cast-to-"):
        return run_cast(kind, dtype_named(case.form.removeprefix("cast-to-")), context)
    if case.form in EVERYWHERE:
        EVERYWHERE[case.form](context, kind, case.shapes[0])
    elif case.form == "copy-layout":
        copy_layout(context, kind, case.shapes[0], case.layouts[0])
    else:
        write_layout(context, kind, case.shapes[0], case.layouts[0])
    return Outcome()


def pattern(kind: dtype, shape: Shape, seed: int = 3) -> Array:
    """Random bits as an array of a dtype; every pattern of a dtype is legal but for bool's."""
    count = math.prod(shape) * kind.itemsize
    raw = np.random.Generator(np.random.Philox(seed)).integers(0, 256, count, dtype=np.uint8)
    return (raw % 2 if kind is _dtype.bool_ else raw).view(kind.numpy).reshape(shape)


def expect_bits(got: Array, want: Array, what: str) -> None:
    """Raises Failure unless shape, dtype and every bit agree."""
    check(got.shape == want.shape, f"{what}: shape is {got.shape}, expected {want.shape}")
    check(bits(got) == bits(want), f"{what}: bits differ", got=got, expected=want)


# -- for every dtype and shape -------------------------------------------------------------------------------------


def allocate(context: Context, kind: dtype, shape: Shape) -> None:
    """Memory of the asked shape, contiguous, that can be written."""
    backend, index = context.backend, context.device.index or 0
    handle = backend.allocate(shape, kind, index)
    check(tuple(handle.shape) == shape, f"allocate gave shape {tuple(handle.shape)}, expected {shape}")
    tensor = make_tensor(handle, context.kind(kind))
    check(tensor.is_contiguous(), f"allocated memory is not contiguous: strides {tensor.stride()}")
    array = pattern(kind, shape)
    backend.write(handle, backend.from_host(array, index))
    expect_bits(host(tensor), array, "written memory")
    if context.backend.handle_type is not None:
        check(
            type(handle) is context.backend.handle_type, f"handle is a {type(handle).__name__}, not the declared type"
        )


def round_trip(context: Context, kind: dtype, shape: Shape) -> None:
    """From the host and back: same bits, no shared memory."""
    array = pattern(kind, shape)
    kept = array.copy()
    tensor = fresh(array, context.kind(kind))
    check(tensor.dtype is kind and tuple(tensor.shape) == shape, "dtype or shape was not kept")
    check(tensor.is_contiguous(), f"a copy from the host is not contiguous: strides {tensor.stride()}")
    array[...] = pattern(kind, shape, 4)
    expect_bits(host(tensor), kept, "after the host array was overwritten")


def strided_host(context: Context, kind: dtype, shape: Shape) -> None:
    """From a host array that is not contiguous."""
    large = pattern(kind, tuple(2 * n for n in shape))
    array = large[tuple(slice(None, None, 2) for _ in shape)].T
    found = context.kind(kind)
    tensor = make_tensor(found.backend.from_host(array, found.index), found)
    expect_bits(host(tensor), np.array(array, order="C"), "a copy of a strided host array")
    check(tensor.is_contiguous(), f"a copy of a strided host array is not contiguous: strides {tensor.stride()}")


def copied(context: Context, kind: dtype, shape: Shape) -> None:
    """A copy on the device: same bits, memory of its own."""
    array = pattern(kind, shape)
    tensor = fresh(array, context.kind(kind))
    again = make_tensor(context.backend.copy(tensor._array), tensor._kind)
    expect_bits(host(again), array, "the copy")
    other = pattern(kind, shape, 5)
    context.backend.write(tensor._array, fresh(other, context.kind(kind))._array)
    expect_bits(host(again), array, "the copy after its source was overwritten")
    expect_bits(host(tensor), other, "the overwritten source")


def pickled(context: Context, kind: dtype, shape: Shape) -> None:
    """pickle and deepcopy keep every bit, dtype and device."""
    array = pattern(kind, shape)
    tensor = fresh(array, context.kind(kind))
    for what, other in (("pickle", pickle.loads(pickle.dumps(tensor))), ("deepcopy", copy.deepcopy(tensor))):
        check(other.dtype is kind and other.device is tensor.device, f"{what}: dtype or device was not kept")
        expect_bits(host(other), array, what)


def described(context: Context, kind: dtype, shape: Shape) -> None:
    """What a tensor says of itself."""
    tensor = fresh(pattern(kind, shape), context.kind(kind))
    count = math.prod(shape)
    facts = (tuple(tensor.shape), tensor.dim(), tensor.numel(), tensor.element_size(), tensor.nbytes, tensor.device)
    expected = (shape, len(shape), count, kind.itemsize, count * kind.itemsize, context.device)
    check(facts == expected, f"a tensor says {facts} of itself, expected {expected}")
    check(tensor.untyped_storage().nbytes() >= count * kind.itemsize, "the storage is smaller than its elements")
    check(
        (isinstance(repr(tensor), str) and kind.name.split("_")[0] in repr(tensor)) or kind.name in _UNNAMED,
        "repr hides the dtype",
    )


# Dtypes a printed tensor does not name, because its numbers say it.
_UNNAMED = ("float32", "int64", "bool", "complex64")


def read(context: Context, kind: dtype, shape: Shape) -> None:
    """`numpy(force=True)`, `tolist` and `item` give the host's values."""
    array = pattern(kind, shape)
    tensor = fresh(array, context.kind(kind))
    expect_bits(np.asarray(tensor.numpy(force=True)), array, "numpy(force=True)")
    readable = array.astype(host_dtype(kind)) if kind.category == _dtype.FLOATING else array
    listed, wanted = tensor.tolist(), readable.tolist()
    check(repr(listed) == repr(wanted), "tolist differs from the host's values", got=listed, expected=wanted)
    if array.size == 1:
        got, want = tensor.item(), readable.reshape(()).item()
        check(got == want or (got != got and want != want), f"item() is {got!r}, expected {want!r}")
    elif array.size:
        _refused(ShapeError, tensor.item)


def moved(context: Context, kind: dtype, shape: Shape) -> None:
    """To the host and back again."""
    array = pattern(kind, shape)
    tensor = fresh(array, context.kind(kind))
    there = tensor.to("cpu")
    check(str(there.device) == "cpu" and there.dtype is kind, "moving to the host changed the dtype")
    expect_bits(host(there), array, "on the host")
    back = there.to(context.device)
    check(back.device is context.device, f"moved back to {back.device}")
    expect_bits(host(back), array, "back on the device")
    meta = tensor.to("meta")
    check(tuple(meta.shape) == shape and meta.dtype is kind, "moving to meta changed shape or dtype")


EVERYWHERE: dict[str, Callable[[Context, dtype, Shape], None]] = {
    "allocate": allocate,
    "round-trip": round_trip,
    "strided-host": strided_host,
    "copy": copied,
    "pickle": pickled,
    "describe": described,
    "read": read,
    "move": moved,
}


# -- layouts -------------------------------------------------------------------------------------------------------


def copy_layout(context: Context, kind: dtype, shape: Shape, layout: str) -> None:
    """A copy of a view is contiguous, holds the view's elements and leaves the buffer alone."""
    placed = place(pattern(kind, shape), context.kind(kind), layout)
    expect_bits(host(placed.tensor), placed.array, "the view")
    again = make_tensor(context.backend.copy(placed.tensor._array), placed.tensor._kind)
    expect_bits(host(again), placed.array, "the copy of the view")
    check(again.is_contiguous(), f"the copy of a view is not contiguous: strides {again.stride()}")
    placed.check_untouched("the copied buffer")


def write_layout(context: Context, kind: dtype, shape: Shape, layout: str) -> None:
    """A write through a view reaches its elements and nothing between them; a smaller source is broadcast."""
    from .forms import check_gaps

    for source_shape in (shape, shape[-1:], ()):
        placed = place(pattern(kind, shape), context.kind(kind), layout)
        source = pattern(kind, source_shape, 6)
        context.backend.write(placed.tensor._array, fresh(source, context.kind(kind))._array)
        expect_bits(
            host(placed.tensor), np.array(np.broadcast_to(source, shape), order="C"), f"written from {source_shape}"
        )
        check_gaps(placed)


# -- casts ---------------------------------------------------------------------------------------------------------


def cast_values(source: dtype, target: dtype) -> Array:
    """Forty numbers the cast has one answer for: what both ranges hold, halfway cases and special values."""
    rng = generator("cast", source.name, target.name)
    if target.category <= _dtype.INTEGRAL and target is not _dtype.bool_:
        info = np.iinfo(target.numpy)
        low, high = max(int(info.min), -120), min(int(info.max), 120)
    else:
        low, high = (0, 120) if not source.is_signed else (-120, 120)
    if source.category == _dtype.BOOL:
        return np.asarray(rng.integers(0, 2, 40)).astype(np.bool_)
    if source.category == _dtype.INTEGRAL:
        info = np.iinfo(source.numpy)
        wraps = target.category == _dtype.INTEGRAL
        edges = (
            [info.min, info.max, info.min + 1, info.max - 1] if wraps or target.category >= _dtype.FLOATING else [0, 1]
        )
        if target.is_storage_only:
            edges = [0, 1]
        low = max(low, int(info.min))
        return np.concatenate([np.array(edges, source.numpy), rng.integers(low, high, 36).astype(source.numpy)])
    values = rng.uniform(low + 1, high - 1, 40)
    values[:8] = [0.0, 1.0, 2.5, 3.5, 0.5, 1.5, 100.0, 7.0]
    if target.category >= _dtype.FLOATING:
        values[8:12] = [-0.0, 1e-3, 1 / 3, 2.0**-9]
        if not (target.is_storage_only or source.is_storage_only):
            values[12:15] = [np.nan, np.inf, -np.inf]
    elif target is _dtype.bool_ and not source.is_storage_only:
        values[8:11] = [np.nan, np.inf, -0.0]
    if source.category == _dtype.COMPLEX:
        values = values + 1j * rng.uniform(1, 3, 40)
    with np.errstate(all="ignore"):
        return values.astype(host_dtype(source)).astype(source.numpy)


def run_cast(source: dtype, target: dtype, context: Context) -> Outcome:
    """`tensor.to(dtype)`: nearest number, ties to even; towards zero into integers; wrapping between integers."""
    context.kind(target)
    array = cast_values(source, target)
    tensor = fresh(array, context.kind(source))
    (result, events) = observed(lambda: tensor.to(target))
    context.note("operand 0", array)
    check(result.dtype is target and tuple(result.shape) == array.shape, "dtype or shape is not the one asked for")
    foreign = [e for e in events if e[2] == "fallback" or (e[2] == "kernel" and e[1] != context.backend.name)]
    check(not foreign, f"the cast was computed elsewhere: {foreign}")
    wide: Any = array.astype(np.float32).astype(np.float64) if host_dtype(source) != source.numpy else array
    if target.category < _dtype.COMPLEX and source.category == _dtype.COMPLEX and target is not _dtype.bool_:
        wide = wide.real
    want = (
        wide != 0 if target is _dtype.bool_ else nearest(np.trunc(wide) if _truncates(source, target) else wide, target)
    )
    if source is target:
        check(result is tensor, "a cast to the tensor's own dtype is the tensor itself")
    expect = tolerances.compare(host(result), want, target, "cast")
    return Outcome(expect, "rule", "kernel" if events else "")


def _truncates(source: dtype, target: dtype) -> bool:
    return source.category >= _dtype.FLOATING and target.category == _dtype.INTEGRAL


# -- once ----------------------------------------------------------------------------------------------------------


def _refused(error: type[Exception], call: Callable[[], Any]) -> None:
    try:
        call()
    except error:
        return
    except Exception as found:
        raise Failure(f"raised {type(found).__name__} instead of {error.__name__}: {found}") from found
    raise Failure(f"nothing raised, expected {error.__name__}")


def _any_kind(context: Context) -> Any:
    preferred = (_dtype.float32, *_dtype.ALL)
    return context.kind(next(t for t in preferred if t in context.capabilities.dtypes))


def devices(context: Context) -> None:
    """Devices have names, the current one exists, and one past the last is refused."""
    backend = context.backend
    names = list(backend.devices())
    check(bool(names) and all(isinstance(n, str) and n for n in names), f"devices() gives {names}")
    check(0 <= backend.current_device() < len(names), f"current device {backend.current_device()} of {len(names)}")
    from candelabra.dispatcher._kind import canonical_device

    _refused(CandelabraError, lambda: canonical_device(f"{backend.name}:{len(names)}"))


def released(context: Context) -> None:
    """Memory that nobody holds is used again: more is asked for in turn than the device could hold at once."""
    kind = _any_kind(context)
    for _ in range(160):
        handle = context.backend.allocate(((1 << 25) // kind.dtype.itemsize,), kind.dtype, kind.index)
        del handle
    context.backend.synchronize(kind.index)


def statistics(context: Context) -> None:
    """Memory statistics are whole numbers, not negative."""
    stats = context.backend.memory_stats(context.device.index or 0)
    bad = {k: v for k, v in stats.items() if not isinstance(v, int) or v < 0}
    check(not bad, f"memory statistics are not counts: {bad}")


def views_share(context: Context) -> None:
    """A view sees writes to its base, and the base writes through the view."""
    kind = _any_kind(context)
    array = np.arange(24).astype(kind.dtype.numpy)
    base = fresh(array, kind)
    view = make_view(kind.backend.view(base._array, (3, 2), (8, 3), 1), kind, base)
    expect_bits(
        host(view),
        np.lib.stride_tricks.as_strided(array[1:], (3, 2), [8 * array.itemsize, 3 * array.itemsize]),
        "the view",
    )
    kind.backend.write(view._array, fresh(np.zeros((3, 2), kind.dtype.numpy), kind)._array)
    want = array.copy()
    want[[1, 4, 9, 12, 17, 20]] = 0
    expect_bits(host(base), want, "the base after a write through its view")
    kind.backend.write(base._array, fresh(array, kind)._array)
    expect_bits(host(view)[0], array[[1, 4]], "the view after a write to its base")
    check(
        view.storage_offset() == 1 or not kind.backend.data_ptr(base._array),
        f"storage offset is {view.storage_offset()}, expected 1",
    )


def indexes(context: Context) -> None:
    """`basic_index` selects what NumPy's basic indexing selects."""
    kind = _any_kind(context)
    array = np.arange(60).reshape(3, 4, 5).astype(kind.dtype.numpy)
    tensor = fresh(array, kind)
    keys: list[Any] = [
        (1,),
        (slice(1, 3),),
        (Ellipsis, 2),
        (None, slice(None), 1),
        (slice(0, 3, 2), slice(3, 1), None, Ellipsis),
        (2, 3, 4),
    ]
    for key in keys:
        got = make_tensor(kind.backend.basic_index(tensor._array, key), kind)
        expect_bits(host(got), np.array(array[key], order="C"), f"index {key}")


def overlapping_write(context: Context) -> None:
    """`x[1:] = x[:-1]` through the framework's write: as if the source had been read first."""
    from candelabra.dispatcher._write import write

    kind = _any_kind(context)
    array = np.arange(40).astype(kind.dtype.numpy)
    base = fresh(array, kind)
    target = make_view(kind.backend.view(base._array, (39,), (1,), 1), kind, base)
    source = make_view(kind.backend.view(base._array, (39,), (1,), 0), kind, base)
    version = base._version
    write(target, source)
    expect_bits(host(base), np.concatenate([array[:1], array[:-1]]), "an overlapping write")
    check(base._version > version, "a write was not counted by the version")


def threaded(context: Context) -> None:
    """Copies from several threads at once do not disturb each other."""
    kind = _any_kind(context)
    wrong: list[int] = []

    def work(seed: int) -> None:
        array = pattern(kind.dtype, (500,), seed)
        for _ in range(20):
            if bits(host(make_tensor(kind.backend.copy(fresh(array, kind)._array), kind))) != bits(array):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not wrong, f"copies were disturbed in threads {sorted(set(wrong))}")


def too_much(context: Context) -> None:
    """An allocation no machine has room for is refused with an error, and the device goes on."""
    from .errors import check_usable

    kind = _any_kind(context)
    try:
        context.backend.allocate((1 << 55,), kind.dtype, kind.index)
    except (MemoryError, BackendError, ValueError):
        check_usable(context)
        return
    raise Failure("an allocation of 2^55 elements was granted")


def synchronized(context: Context) -> None:
    """`synchronize` returns."""
    context.backend.synchronize(context.device.index or 0)


def numpy_refusal(context: Context) -> None:
    """`numpy()` without `force` works exactly where memory is the host's."""
    tensor = fresh(np.zeros(2, _any_kind(context).dtype.numpy), _any_kind(context))
    if context.capabilities.host_memory:
        tensor.numpy()
    else:
        _refused(CandelabraError, tensor.numpy)
    _refused(CallError, lambda: len(fresh(np.zeros((), tensor.dtype.numpy), tensor._kind)))


ONCE: dict[str, Callable[[Context], None]] = {
    "devices": devices,
    "memory-released": released,
    "memory-statistics": statistics,
    "views-share": views_share,
    "basic-index": indexes,
    "overlapping-write": overlapping_write,
    "threads": threaded,
    "allocation-refused": too_much,
    "synchronize": synchronized,
    "numpy": numpy_refusal,
}
