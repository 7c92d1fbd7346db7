# SPDX-License-Identifier: Apache-2.0
"""Matrix products by a private OpenBLAS, on the one pool of threads.

The library is loaded for one thread and with the processor's full vector width: OpenBLAS falls back to narrower kernels on
processors that it does not know. Products are cut into blocks, and the pool's threads take block after block. The entry
points are native code that reads NumPy's arrays itself: a small product costs half of what NumPy's own call does.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir

from candelabra._config import setting

from . import threads
from .emit import F32, F64, I32, I64, PTR, VOID, Function, Value, compiled, function
from .native import builtin, define, vector_bits
from .pyobject import C_CONTIGUOUS, NUMBERS, Array, define_symbols, is_array, new_array, run_free, same

PACKAGE = "scipy_openblas64"

# -- the library -----------------------------------------------------------------------------------------------------


def _file() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    suffix = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
    return next(Path(found.origin).parent.glob(f"lib/*openblas*.{suffix}"), None)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """For a while, of OpenBLAS's variables in the environment these alone; what was set for other copies is not for ours."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("OPENBLAS_")}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)


def _settings() -> dict[str, str]:
    """What OpenBLAS reads when it is loaded: one thread, and kernels of the width that the processor has.

    `CANDELABRA_OPENBLAS_CORETYPE` overrides the latter; "auto" leaves the choice to OpenBLAS.
    """
    core = setting("openblas_coretype", "SKYLAKEX" if vector_bits() == 512 else "auto")
    return {"OPENBLAS_NUM_THREADS": "1"} | ({} if core == "auto" else {"OPENBLAS_CORETYPE": core})


def _is_loaded(path: Path) -> bool:
    try:
        return str(path.resolve()) in Path("/proc/self/maps").read_text()
    except OSError:
        return False


@functools.cache
def library() -> Any:
    """The private OpenBLAS, or None where its package is not installed."""
    path = _file()
    if path is None:
        return None
    with _environment(_settings()):
        try:
            # Somebody else's copy was set up otherwise, and the system loads one file once: an anonymous copy then.
            if _is_loaded(path) and hasattr(os, "memfd_create"):
                return _load_copy(path)
            return ctypes.CDLL(str(path))
        except OSError:
            return None


def _load_copy(path: Path) -> Any:
    descriptor = os.memfd_create("openblas")
    with path.open("rb") as source, open(descriptor, "wb", closefd=False) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return ctypes.CDLL(f"/proc/self/fd/{descriptor}")  # the descriptor stays: the name must not come back


@functools.cache
def core_name() -> str:
    """Name of the kernels that the library uses, as it calls them."""
    ask = library().scipy_openblas_get_corename64_
    ask.restype = ctypes.c_char_p
    return ask().decode()


# -- products in LLVM IR ---------------------------------------------------------------------------------------------

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112

SMALL = 1 << 17
"""Multiplications of a product, or of a block, that another thread is not worth: about 1 us of AVX-512."""

KEEP_LOCK = 1 << 20
"""Multiplications up to which the interpreter's lock is kept."""

MAX_BATCH_DIMS = 30

LETTERS = {11: "s", 12: "d", 14: "c", 15: "z"}
ITEM_BYTES: dict[int, int] = {number: dtype.itemsize for number, dtype in NUMBERS.items()}

_WORDS = (
    "a", "b", "c", "m", "n", "k", "a_step", "b_step", "c_step", "a_order", "b_order", "bias", "batch", "batch_dims",
    "batch_shape", "a_strides", "b_strides", "block_m", "block_n", "rows", "columns",
)  # fmt: skip


class Job:
    """The words of a product's description in memory: one block for all threads.

    `a` (m, k), `b` (k, n) and `c` (m, n) are addresses; steps go from row to row, in elements (from column to column where
    the order is TRANSPOSED); `bias`, of n elements, is added to each row. Strides of the batch dims are in bytes.
    """

    f: Function
    address: Value

    def __init__(self, f: Function, address: Value) -> None:
        object.__setattr__(self, "f", f)
        object.__setattr__(self, "address", address)

    def __getattr__(self, name: str) -> Value:
        return self.f.load(I64, self.address, _WORDS.index(name))

    def __setattr__(self, name: str, value: Any) -> None:
        raw = self.f.cast(value, I64) if isinstance(value, Value) else value
        self.f.store(raw, self.address, _WORDS.index(name), type=I64)


class _Blocks:
    """Writes the kernel that computes blocks `begin` to `end` of a job, for one dtype."""

    def __init__(self, module: Any, number: int) -> None:
        self.letter = LETTERS[number]
        self.item = ITEM_BYTES[number]
        self.real = number < 14
        self.scalar = F32 if self.letter in "sc" else F64
        with function(module, f"{self.letter}_blocks", hidden=True, args=PTR, begin=I64, end=I64) as (
            f,
            args,
            begin,
            end,
        ):
            job = Job(f, args)
            each = job.rows * job.columns
            with f.range(begin, end) as at:
                self._block(f, job, at // each, (at % each) // job.columns, (at % each) % job.columns)
        self.function = f

    def _block(self, f: Function, job: Job, batch: Value, row: Value, column: Value) -> None:
        i, j = row * job.block_m, column * job.block_n
        m, n = f.smaller(job.block_m, job.m - i), f.smaller(job.block_n, job.n - j)
        a_at, b_at = self._batch_offsets(f, job, batch)
        a = job.a + a_at + f.select(job.a_order.equals(PLAIN), i * job.a_step, i) * self.item
        b = job.b + b_at + f.select(job.b_order.equals(PLAIN), j, j * job.b_step) * self.item
        c = job.c + ((batch * job.m + i) * job.c_step + j) * self.item
        with f.when(job.bias.differs(0)):
            source = f.cast(job.bias + j * self.item, PTR)
            with f.range(0, m) as r:
                self._copy(f, f.cast(c + r * job.c_step * self.item, PTR), source, n * self.item)
        beta = f.var(self.scalar, 0)
        with f.when(job.bias.differs(0)):
            beta.value = 1
        if not self.real:
            self._gemm(f, job, a, b, c, m, n, beta.value)
            return
        with f.choose(job.n.equals(1)) as (narrow, wide):
            with narrow:
                self._matrix_vector(f, job, a, b, c, m, beta.value)
            with wide, f.choose(job.m.equals(1)) as (short, full):
                with short:
                    self._vector_matrix(f, job, a, b, c, n, beta.value)
                with full:
                    self._gemm(f, job, a, b, c, m, n, beta.value)

    @staticmethod
    def _copy(f: Function, target: Value, source: Value, size: Value) -> None:
        f.call("memcpy", PTR, target, source, size)

    @staticmethod
    def _batch_offsets(f: Function, job: Job, batch: Value) -> tuple[Value, Value]:
        """Bytes from the first matrices of a and b to those of an item of the batch."""
        rest, a, b = f.var(I64, batch), f.var(I64, 0), f.var(I64, 0)
        shape, a_strides, b_strides = (f.cast(v, PTR) for v in (job.batch_shape, job.a_strides, job.b_strides))
        last = job.batch_dims - 1
        with f.range(0, job.batch_dims) as i:
            dim = last - i
            size = f.load(I64, shape, dim)
            place = rest.value % size
            rest.value = rest.value // size
            a.value = a.value + place * f.load(I64, a_strides, dim)
            b.value = b.value + place * f.load(I64, b_strides, dim)
        return a.value, b.value

    def _number(self, f: Function, value: Value) -> Value:
        """A factor as BLAS takes it: complex ones by address."""
        if self.real:
            return value
        pair = f.buffer(self.scalar, 2)
        f.store(value, pair, 0)
        f.store(0, pair, 1, type=self.scalar)
        return pair

    def _gemm(self, f: Function, job: Job, a: Value, b: Value, c: Value, m: Value, n: Value, beta: Value) -> None:
        f.call(
            f"candelabra_{self.letter}gemm", VOID, f.const(I32, ROW_MAJOR), f.cast(job.a_order, I32),
            f.cast(job.b_order, I32), m, n, job.k, self._number(f, f.const(self.scalar, 1)), f.cast(a, PTR), job.a_step,
            f.cast(b, PTR), job.b_step, self._number(f, beta), f.cast(c, PTR), job.c_step,
        )  # fmt: skip

    def _matrix_vector(self, f: Function, job: Job, a: Value, b: Value, c: Value, m: Value, beta: Value) -> None:
        plain = job.a_order.equals(PLAIN)
        step = f.select(job.b_order.equals(PLAIN), job.b_step, 1)
        self._gemv(f, job.a_order, f.select(plain, m, job.k), f.select(plain, job.k, m), a, job.a_step, b, step, c,
                   job.c_step, beta)  # fmt: skip

    def _vector_matrix(self, f: Function, job: Job, a: Value, b: Value, c: Value, n: Value, beta: Value) -> None:
        plain = job.b_order.equals(PLAIN)
        step = f.select(job.a_order.equals(PLAIN), 1, job.a_step)
        order = f.select(plain, f.const(I64, TRANSPOSED), PLAIN)
        self._gemv(f, order, f.select(plain, job.k, n), f.select(plain, n, job.k), b, job.b_step, a, step, c,
                   f.const(I64, 1), beta)  # fmt: skip

    def _gemv(self, f: Function, order: Value, m: Value, n: Value, matrix: Value, step: Value, x: Value, x_step: Value,
              y: Value, y_step: Value, beta: Value) -> None:  # fmt: skip
        f.call(
            f"candelabra_{self.letter}gemv", VOID, f.const(I32, ROW_MAJOR), f.cast(order, I32), m, n,
            f.const(self.scalar, 1), f.cast(matrix, PTR), step, f.cast(x, PTR), x_step, beta, f.cast(y, PTR), y_step,
        )  # fmt: skip


def _run_job(module: Any) -> Function:
    """Cuts a job into blocks and runs them: enough blocks that threads which are held up cost little."""
    with function(module, "run_job", hidden=True, address=PTR, kernel=PTR) as (f, address, kernel):
        job = Job(f, address)
        rows, columns = f.var(I64, 1), f.var(I64, 1)
        work = job.m * job.n * job.k * job.batch
        count = f.call("candelabra_thread_count", I64)
        wanted = f.smaller(f.select(count > 1, count * BLOCKS_PER_THREAD, 1), work // SMALL)
        with f.loop() as leave_if:
            leave_if(rows.value * columns.value * job.batch >= wanted)
            tall, wide = job.m // rows.value, job.n // columns.value
            leave_if(f.larger(tall, wide) < SHORTEST * 2)
            with f.choose(tall >= wide) as (down, across):
                with down:
                    rows.value = rows.value * 2
                with across:
                    columns.value = columns.value * 2

        def even(size: Value, parts: Value) -> Value:
            return f.select(parts.equals(1), size, ((size - 1) // parts // TILE + 1) * TILE)

        job.block_m, job.block_n = even(job.m, rows.value), even(job.n, columns.value)
        job.rows, job.columns = (job.m - 1) // job.block_m + 1, (job.n - 1) // job.block_n + 1
        blocks = job.rows * job.columns * job.batch
        grain = f.select(wanted > 1, (blocks - 1) // f.larger(wanted, 1) + 1, blocks)
        f.call("candelabra_parallel_for", VOID, kernel, address, blocks, grain)
    return f


BLOCKS_PER_THREAD = 4
SHORTEST = 32
TILE = 16


def _layout(
    f: Function, array: Array, row: Any, column: Any, item: Value, fail: Callable[[], None]
) -> tuple[Value, Value]:
    """(order, step) of a matrix as BLAS names them; fails where neither rows nor columns are dense."""
    m, n, down, across = array.size(row), array.size(column), array.stride(row), array.stride(column)
    order, step = f.var(I64, PLAIN), f.var(I64, f.larger(n, 1))
    plain = (across.equals(item) | n.equals(1)) & (m.equals(1) | ((down >= n * item) & (down % item).equals(0)))
    turned = (down.equals(item) | m.equals(1)) & (n.equals(1) | ((across >= m * item) & (across % item).equals(0)))
    with f.choose(plain) as (yes, no):
        with yes, f.when(m > 1):
            step.value = down // item
        with no:
            with f.when(turned ^ True):
                fail()
            order.value = TRANSPOSED
            step.value = f.select(n.equals(1), f.larger(m, 1), across // item)
    return order.value, step.value


def _vector_step(f: Function, array: Array, item: Value, fail: Callable[[], None]) -> Value:
    step = array.stride(0)
    with f.when((step < item) | (step % item).differs(0)):
        fail()
    return step // item


def _product(module: Any, name: str, kernels: dict[int, Function], run: Function, linear: bool) -> None:
    """Writes `matmul(a, b)`, or `linear(a, b, bias)` where b is (n, k): a new array, or what the fallback says."""
    with function(module, "candelabra_" + name, PTR, self=PTR, args=PTR, nargs=I64) as (f, _, args, nargs):

        def fail() -> None:
            f.give(
                f.call(
                    "PyObject_Vectorcall", PTR, f.extern(f"candelabra_{name}_fallback"), args, nargs, f.const(PTR, 0)
                )
            )

        def unless(condition: Value) -> None:
            with f.when(condition ^ True):
                fail()

        unless(nargs.equals(3 if linear else 2))
        given = [f.load(PTR, args, i) for i in range(3 if linear else 2)]
        unless(is_array(f, given[0]))
        unless(is_array(f, given[1]))
        a, b = Array(f, given[0]), Array(f, given[1])
        number = a.type_number()
        unless((number >= 11) & (number <= 15) & number.differs(13) & number.equals(b.type_number()))
        item = f.const(I64, 4) << f.cast((number.equals(12) | number.equals(14)), I64)
        item = f.select(number.equals(15), 16, item)
        a_dims, b_dims = a.ndim, b.ndim
        unless((a_dims >= 1) & (b_dims >= 1) & (a_dims + b_dims >= 3))
        unless((a_dims <= MAX_BATCH_DIMS) & (b_dims <= MAX_BATCH_DIMS))
        if linear:
            unless(b_dims.equals(2))

        job = Job(f, f.buffer(I64, len(_WORDS)))
        batch_shape, a_strides, b_strides = (f.buffer(I64, 32) for _ in range(3))
        shape = f.buffer(I64, 64)
        out_dims = f.var(I64, 0)

        def push(size: Any) -> None:
            f.store(size, shape, out_dims.value, type=I64)
            out_dims.value = out_dims.value + 1

        job.a, job.b, job.bias = a.data, b.data, 0
        job.batch, job.batch_dims = 1, 0
        job.batch_shape, job.a_strides, job.b_strides = batch_shape, a_strides, b_strides
        k = a.size(a_dims - 1)
        job.k = k
        row, column = (b_dims - 1, b_dims - 2) if linear else (b_dims - 2, b_dims - 1)

        # Where b is one matrix, the leading dims of a dense a are rows as well.
        with f.choose((a_dims > 2) & (b_dims <= 2) & a.has(C_CONTIGUOUS)) as (fold, leave):
            with fold:
                m = f.var(I64, 1)
                with f.range(0, a_dims - 1) as i:
                    m.value = m.value * a.size(i)
                    push(a.size(i))
                job.m, job.a_order, job.a_step = m.value, PLAIN, f.larger(k, 1)
            with leave:
                if linear:
                    unless(a_dims <= 2)
                _batch(f, job, a, b, push, unless)
                with f.choose(a_dims >= 2) as (matrix, vector):
                    with matrix:
                        job.m = a.size(a_dims - 2)
                        push(job.m)
                        job.a_order, job.a_step = _layout(f, a, a_dims - 2, a_dims - 1, item, fail)
                    with vector:
                        job.m, job.a_order, job.a_step = 1, TRANSPOSED, _vector_step(f, a, item, fail)
        with f.choose(b_dims >= 2) as (matrix, vector):
            with matrix:
                unless(k.equals(b.size(row)))
                job.n = b.size(column)
                push(job.n)
                job.b_order, job.b_step = _layout(f, b, row, column, item, fail)
            with vector:
                unless(k.equals(b.size(0)))
                job.n, job.b_order, job.b_step = 1, PLAIN, _vector_step(f, b, item, fail)
        job.c_step = job.n
        if linear:
            _bias(f, job, given[2], number, item, unless)
        work = job.m * job.n * job.k * job.batch
        unless(work > 0)
        with f.when(work > KEEP_LOCK):
            threads.start_workers(f)
        out = new_array(f, a.descr, out_dims.value, shape)
        with f.when(same(f, out, f.const(PTR, 0))):
            f.give(0)
        job.c = Array(f, out).data
        kernel = f.var(PTR)
        for i, (which, blocks) in enumerate(kernels.items()):
            if not i:
                kernel.value = f.address_of(blocks)
            with f.when(number.equals(which)):
                kernel.value = f.address_of(blocks)
        run_free(f, work > KEEP_LOCK, lambda: f.call(run.function.name, VOID, job.address, kernel.value))
        f.give(out)


def _bias(f: Function, job: Job, given: Value, number: Value, item: Value, unless: Callable[[Value], None]) -> None:
    with f.when(same(f, given, f.extern("_Py_NoneStruct")) ^ True):
        unless(is_array(f, given))
        bias = Array(f, given)
        unless(bias.ndim.equals(1) & bias.type_number().equals(number))
        unless(bias.size(0).equals(job.n) & (bias.stride(0).equals(item) | job.n.equals(1)))
        job.bias = bias.data


def _batch(
    f: Function, job: Job, a: Array, b: Array, push: Callable[[Any], None], unless: Callable[[Value], None]
) -> None:
    """Leading dims of both operands, broadcast: their common shape, and a stride each, 0 for a dim that is repeated."""
    a_lead, b_lead = f.larger(a.ndim - 2, 0), f.larger(b.ndim - 2, 0)
    dims = f.larger(a_lead, b_lead)
    unless((dims.equals(0)) | ((a.ndim >= 2) & (b.ndim >= 2)))
    total = f.var(I64, 1)
    with f.range(0, dims) as i:
        sizes, strides = [], []
        for array, lead in ((a, a_lead), (b, b_lead)):
            at = i - (dims - lead)
            size, stride = f.var(I64, 1), f.var(I64, 0)
            with f.when(at >= 0):
                size.value = array.size(at)
                with f.when(size.value.differs(1)):
                    stride.value = array.stride(at)
            sizes.append(size.value)
            strides.append(stride.value)
        unless(sizes[0].equals(sizes[1]) | sizes[0].equals(1) | sizes[1].equals(1))
        common = f.select(sizes[0].equals(1), sizes[1], sizes[0])
        push(common)
        f.store(common, f.cast(job.batch_shape, PTR), i)
        f.store(strides[0], f.cast(job.a_strides, PTR), i)
        f.store(strides[1], f.cast(job.b_strides, PTR), i)
        total.value = total.value * common
    job.batch, job.batch_dims = total.value, dims


# -- inner products --------------------------------------------------------------------------------------------------

DOT_CHUNK = 1 << 14
"""Elements of an inner product that are summed by themselves: the result does not depend on the number of threads."""


def _dot(module: Any, scalar: Any, lane_count: int) -> None:
    """Sums of products of chunks `begin` to `end` of two dense vectors."""
    vector = ir.VectorType(scalar, lane_count)
    with function(module, "dot", args=PTR, begin=I64, end=I64) as (f, args, begin, end):
        left, right, sums = (f.load(PTR, args, i) for i in range(3))
        size = f.load(I64, args, 3)
        with f.range(begin, end) as chunk:
            first = chunk * DOT_CHUNK
            after = f.smaller(first + DOT_CHUNK, size)
            totals = [f.var(vector, 0) for _ in range(8)]
            step = lane_count * len(totals)
            whole = first + (after - first) // step * step
            with f.range(first, whole, step) as i:
                for v, total in enumerate(totals):
                    at = i + v * lane_count
                    total.value = total.value + f.load(vector, left, at) * f.load(vector, right, at)
            rest = f.var(scalar, 0)
            with f.range(whole, after) as i:
                rest.value = rest.value + f.load(scalar, left, i) * f.load(scalar, right, i)
            total = totals[0].value
            for other in totals[1:]:
                total = total + other.value
            f.store(f.reduce_add(total) + rest.value, sums, chunk)


@functools.cache
def _dot_kernel(char: str) -> int:
    scalar, lane_count = (F32, vector_bits() // 32) if char == "f" else (F64, vector_bits() // 64)
    return compiled("dot", lambda module: _dot(module, scalar, lane_count), char)["dot"]


def dot(input: np.ndarray[Any, Any], tensor: np.ndarray[Any, Any]) -> Any:
    """Inner product of two vectors; long dense ones of float32 or float64 on all threads, others by NumPy.

    NumPy's own BLAS has threads of its own, which spin for milliseconds and take the processor from ours.
    """
    size, dtype = input.size, input.dtype
    if size < DOT_CHUNK or dtype != tensor.dtype or dtype.char not in "fd" or not dtype.isnative:
        return input.dot(tensor)
    if tensor.shape != input.shape or not input.flags.c_contiguous or not tensor.flags.c_contiguous:
        return input.dot(tensor)
    sums = np.empty(-(-size // DOT_CHUNK), dtype)
    threads.launcher()(_dot_kernel(dtype.char), len(sums), 4, input, tensor, sums, size)
    return sums.sum()


# -- entry points ----------------------------------------------------------------------------------------------------


def _define_library() -> None:
    for letter in LETTERS.values():
        for routine in ("gemm", "gemv"):
            symbol = getattr(library(), f"scipy_cblas_{letter}{routine}64_")
            define(f"candelabra_{letter}{routine}", ctypes.cast(symbol, ctypes.c_void_p).value or 0)


def _write(module: Any) -> None:
    kernels = {number: _Blocks(module, number).function for number in LETTERS}
    run = _run_job(module)
    _product(module, "matmul", kernels, run, linear=False)
    _product(module, "linear", kernels, run, linear=True)


@functools.cache
def products(matmul_fallback: Any, linear_fallback: Any) -> tuple[Any, Any]:
    """The callables `matmul(a, b)` and `linear(a, b, bias)`.

    Both take float32, float64, complex64 and complex128 arrays of one dtype, as `numpy.matmul` does, rows or columns of
    each matrix dense, and hand everything else to their fallback.
    """
    threads.start()
    define_symbols()
    _define_library()
    define("candelabra_matmul_fallback", id(matmul_fallback))
    define("candelabra_linear_fallback", id(linear_fallback))
    found = compiled("blas", _write)
    return (
        builtin("matmul", found["candelabra_matmul"], "matmul(a, b): product of matrices, or of stacks of them."),
        builtin("linear", found["candelabra_linear"], "linear(a, b, bias): a @ b.T + bias."),
    )
