# SPDX-License-Identifier: Apache-2.0
"""A stand-in for CuPy and the GPU behind it: what the CUDA backend uses of both, on the host.

It is no GPU and proves nothing of one: it runs the backend's Python, and the CUDA C++ it generates, on the host. Memory is
NumPy's; two "devices" share it. Kernels are the very text that NVRTC gets, built by the host's C++ compiler behind a header
that explains CUDA's words: threads of a block run one after the other, and where they meet at barriers, as coroutines, now
from the first to the last and now the other way round. Work is done when it is given to a stream; while a stream is captured it
is put down instead, and done at each replay.

What a GPU might let pass shows here: fresh memory and shared memory of each block hold nonsense, a pool that goes takes the
memory in use along, as CuPy's does, and work raises when an address is in nobody's memory, when an earlier kernel wrote past
the end of a block, when threads of a block meet at different barriers or leave before one, and when a graph reads host memory
that may be gone. `CUDA_STAND_IN_FLAGS` adds flags of the compiler: `-fsanitize=undefined -fsanitize-undefined-trap-on-error`
ends the process at a misaligned address, a shift that is too long, or a float that does not fit an integer.

Every call that works on memory checks the current device.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import types
import weakref
import zlib
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

DEVICES = 2
TOTAL = 1 << 28
NONSENSE = 0xCB
"""Bytes that nobody has written."""

ILLEGAL_ADDRESS = 700

HEADER = r"""
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static __attribute__((section("cb_shared")))
#define __launch_bounds__(n)
struct cb_place { unsigned x; };
static cb_place blockIdx, threadIdx;
template <class A, class B> static inline B cb_as(A a) { B b; memcpy(&b, &a, sizeof b); return b; }
#define __int_as_float(a) cb_as<int, float>(a)
#define __uint_as_float(a) cb_as<unsigned, float>(a)
#define __float_as_int(a) cb_as<float, int>(a)
#define __float_as_uint(a) cb_as<float, unsigned>(a)
#define __double_as_longlong(a) cb_as<double, long long>(a)
#define __longlong_as_double(a) cb_as<long long, double>(a)
template <class T> static inline T atomicAdd(T* p, T v) { T old = *p; *p = old + v; return old; }
template <class T> static inline T atomicCAS(T* p, T seen, T v) { T old = *p; if (old == seen) *p = v; return old; }
static inline float cb_half_to_float(unsigned short h) {
    int e = (h >> 10) & 31, m = h & 1023;
    float x = e == 31 ? (m ? NAN : INFINITY) : e ? ldexpf((float)(m | 1024), e - 25) : ldexpf((float)m, -24);
    return h >> 15 ? -x : x;
}
static inline unsigned short cb_float_to_half(float x) {
    unsigned b = cb_as<float, unsigned>(x), s = (b >> 16) & 0x8000u, a = b & 0x7fffffffu;
    if (a > 0x7f800000u) return (unsigned short)(s | 0x7fffu);
    if (a >= 0x477ff000u) return (unsigned short)(s | 0x7c00u);
    if (a < 0x38800000u) return (unsigned short)(s | (unsigned)rint((double)fabsf(x) * 16777216.0));
    return (unsigned short)(s | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13));
}
static inline double erfinv(double x) {
    if (!(fabs(x) < 1)) return fabs(x) == 1 ? copysign(INFINITY, x) : NAN;
    double l = log1p(-x * x), t = 2 / (M_PI * 0.147) + l / 2, y = copysign(sqrt(sqrt(t * t - l / 0.147) - t), x);
    for (int i = 0; i < 4; ++i) {
        double error = fabs(x) < 0.5 ? erf(y) - x : (1 - fabs(x) - erfc(fabs(y))) * copysign(1.0, y);
        y -= error / (2 / sqrt(M_PI) * exp(-y * y));
    }
    return x == 0 ? x : y;
}
static inline float erfinvf(float x) { return (float)erfinv((double)x); }
static ucontext_t cb_main, cb_fiber[1024];
static bool cb_done[1024];
static int cb_line[1024];
static unsigned cb_launches;
static void (*cb_body)(void**);
static void** cb_params;
extern "C" __attribute__((weak, visibility("hidden"))) char __start_cb_shared[], __stop_cb_shared[];
static void cb_meet(int line) { cb_line[threadIdx.x] = line; swapcontext(&cb_fiber[threadIdx.x], &cb_main); }
#define __syncthreads() cb_meet(__LINE__)
static void cb_start(int thread) { threadIdx.x = thread; cb_body(cb_params); cb_done[thread] = true; }
static int cb_run(void (*body)(void**), void** params, unsigned blocks, unsigned threads, bool meet) {
    static char* stacks = new char[1024u * 32768u];
    cb_body = body; cb_params = params;
    ++cb_launches;
    for (unsigned b = blocks; b-- > 0;) {
        blockIdx.x = b;
        if (!meet) { for (unsigned t = threads; t-- > 0;) { threadIdx.x = t; body(params); } continue; }
        if (__start_cb_shared) memset(__start_cb_shared, 0xCB, __stop_cb_shared - __start_cb_shared);
        for (unsigned t = 0; t < threads; ++t) {
            getcontext(&cb_fiber[t]);
            cb_fiber[t].uc_stack.ss_sp = &stacks[t * 32768u]; cb_fiber[t].uc_stack.ss_size = 32768u;
            cb_fiber[t].uc_link = &cb_main; cb_done[t] = false;
            makecontext(&cb_fiber[t], (void (*)())cb_start, 1, (int)t);
        }
        for (unsigned round = cb_launches + b;; ++round) {
            for (unsigned i = 0; i < threads; ++i) {
                threadIdx.x = round & 1 ? i : threads - 1 - i;
                swapcontext(&cb_main, &cb_fiber[threadIdx.x]);
            }
            for (unsigned t = 1; t < threads; ++t)
                if (cb_done[t] != cb_done[0] || (!cb_done[0] && cb_line[t] != cb_line[0]))
                    return cb_line[cb_done[t] ? 0 : t];
            if (cb_done[0]) break;
        }
    }
    return 0;
}
"""

PTX = {
    r'asm\("cvt\.f32\.f16 %0, %1;" : "=f"\(x\) : "h"\(bits\)\);': "x = cb_half_to_float(bits);",
    r'asm\("cvt\.rn\.f16\.f32 %0, %1;" : "=h"\(bits\) : "f"\(x\)\);': "bits = cb_float_to_half(x);",
}
KERNEL = re.compile(r'extern "C" __global__ void __launch_bounds__\(\d+\) (\w+)\((.*)\) \{')

log: list[tuple[Any, ...]] = []
"""Calls in order: what, and with what; tests clear and read it."""


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class CUDADriverError(CUDARuntimeError):
    pass


class NVRTCError(RuntimeError):
    pass


# -- devices and memory -------------------------------------------------------------------------------------------------


class _State(threading.local):
    def __init__(self) -> None:
        self.device = 0
        self.streams: dict[int, Stream] = {}
        self.allocator: Any = None


state = _State()
memory: dict[int, tuple[np.ndarray, int]] = {}
used = [0] * DEVICES
fails: list[int] = []
"""Errors that the next pieces of work raise."""

faults: list[str] = []
"""What kernels did wrong without anybody's notice; the next piece of work raises it."""


def malloc(size: int) -> int:
    if used[state.device] + size > TOTAL:
        raise CUDARuntimeError(2)
    block = np.full(size + 64, 0xCB, np.uint8)
    address = block.ctypes.data + -block.ctypes.data % 64
    memory[address] = (block, state.device)
    used[state.device] += size
    return address


def free(address: int) -> None:
    block, device = memory.pop(address)
    used[device] -= len(block) - 64


def host(address: int, nbytes: int) -> np.ndarray:
    return np.frombuffer((ctypes.c_char * nbytes).from_address(address), np.uint8)


def alive(address: int) -> None:
    """Raises as a GPU would for an address in nobody's memory."""
    if not any(a <= address <= a + len(b) - 64 for a, (b, _) in list(memory.items())):
        raise CUDARuntimeError(ILLEGAL_ADDRESS)


def give(stream: int, what: str, work: Any) -> None:
    """Does work, or puts it down where the stream is captured."""
    if fails:
        raise CUDARuntimeError(fails.pop(0))
    if faults:
        raise AssertionError(faults.pop(0))
    native = Stream.known.get(stream)
    if native is not None and native.device_id not in (-1, state.device):
        raise CUDARuntimeError(400)
    log.append((what, state.device, stream))
    if native is not None and native.captured is not None:
        native.captured.append(work)
    else:
        work()


def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:
    def work() -> None:
        if kind in (1, 3):
            alive(dst)
        if kind in (2, 3):
            alive(src)
        ctypes.memmove(dst, src, size)

    native = Stream.known.get(stream)
    if native is not None and native.captured is not None and kind != 3:
        host_side = src if kind == 1 else dst
        assert is_memory_pinned(host_side), (
            "a graph must not read or write pageable memory, which may be gone at a replay"
        )
    give(stream, f"memcpy{kind}", work)


def memcpyPeerAsync(dst: int, to: int, src: int, at: int, size: int, stream: int) -> None:
    give(stream, "memcpyPeer", lambda: ctypes.memmove(dst, src, size))


def getDeviceProperties(index: int) -> dict[str, Any]:
    names = (
        "sharedMemPerBlock", "clockRate", "l2CacheSize", "maxThreadsPerMultiProcessor", "regsPerMultiprocessor",
        "memoryClockRate", "memoryBusWidth", "integrated", "isMultiGpuBoard", "pciBusID", "pciDeviceID", "pciDomainID",
    )  # fmt: skip
    known = {"name": b"stand-in", "totalGlobalMem": TOTAL, "multiProcessorCount": 4, "major": 9, "minor": 0}
    return {**dict.fromkeys(names, 0), **known, "warpSize": 32, "maxThreadsPerBlock": 1024}


class Memory:
    def __init__(self, address: int, size: int, give_back: Any) -> None:
        self.ptr, self.size, self.device_id = address, size, state.device
        weakref.finalize(self, give_back, address, size)


class UnownedMemory:
    def __init__(self, ptr: int, size: int, owner: object, device_id: int = -1) -> None:
        self.ptr, self.size, self.owner, self.device_id = ptr, size, owner, device_id


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id

    def __add__(self, offset: int) -> MemoryPointer:
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)


class PythonFunctionAllocator:
    def __init__(self, malloc_func: Any, free_func: Any) -> None:
        self.functions = malloc_func, free_func

    def malloc(self, size: int) -> MemoryPointer:
        take, drop = self.functions
        device = state.device
        return MemoryPointer(Memory(take(size, device), size, lambda address, _: drop(address, device)), 0)


class OutOfMemoryError(MemoryError):
    pass


class MemoryPool:
    """Blocks by device, stream and size; as CuPy's, it frees all of them and tries again before it gives up."""

    def __init__(self, allocator: Any) -> None:
        self.allocator = allocator
        self.free: dict[Any, list[MemoryPointer]] = {}
        self.in_use: dict[int, MemoryPointer] = {}
        self.limit = 0
        self.total = 0

    def malloc(self, size: int) -> MemoryPointer:
        asked, size = size, -(-size // 512) * 512
        key = (state.device, current().ptr, size)
        kept = self.free.get(key)
        whole = kept.pop() if kept else self._fresh(size)
        host(whole.ptr, size)[:] = NONSENSE
        self.in_use[whole.ptr] = whole  # the only reference to it, as in CuPy
        pool = weakref.ref(self)

        def give_back(address: int, size: int) -> None:
            if (found := pool()) is None:
                return
            if (host(address, size)[asked:] != NONSENSE).any():
                faults.append(f"a kernel wrote past the end of a block of {asked} bytes")
            found.free.setdefault(key, []).append(found.in_use.pop(address))

        return MemoryPointer(Memory(whole.ptr, size, give_back), 0)

    def _fresh(self, size: int) -> MemoryPointer:
        if self.limit and self.total + size > self.limit:
            self.free_all_blocks()
            if self.total + size > self.limit:
                raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        try:
            made = self.allocator(size)
        except CUDARuntimeError as error:
            self.free_all_blocks()
            try:
                made = self.allocator(size)
            except CUDARuntimeError:
                raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes") from error
        self.total += size
        return made

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self.limit = size or 0

    def free_all_blocks(self, stream: Any = None) -> None:
        for kept in self.free.values():
            self.total -= sum(p.mem.size for p in kept)
            kept.clear()


@contextlib.contextmanager
def using_allocator(allocator: Any) -> Any:
    before, state.allocator = state.allocator, allocator
    try:
        yield
    finally:
        state.allocator = before


_pinned: dict[int, int] = {}


class PinnedMemoryPointer(bytearray):
    pass


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    made = PinnedMemoryPointer(size)
    address = np.frombuffer(made, np.uint8).ctypes.data
    _pinned[address] = size
    return made


def is_memory_pinned(address: int) -> bool:
    return any(a <= address < a + n for a, n in _pinned.items())


# -- streams, events, graphs --------------------------------------------------------------------------------------------


class Event:
    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.ptr, self.done, self.timing = id(self), True, not disable_timing

    def record(self, stream: Any = None) -> None:
        log.append(("record", state.device, (stream or current()).ptr))

    def synchronize(self) -> None:
        pass


def get_elapsed_time(start: Event, end: Event) -> float:
    assert start.timing and end.timing
    return 1.0


class Graph:
    def __init__(self, work: list[Any]) -> None:
        self.work = work

    def launch(self, stream: Any = None) -> None:
        log.append(("graph", state.device, stream.ptr))
        for one in self.work:
            one()

    def debug_dot_str(self, flags: int = 0) -> str:
        return f"digraph {{ {len(self.work)} }}"


class Stream:
    null: Stream
    known: ClassVar[weakref.WeakValueDictionary[int, Stream]] = weakref.WeakValueDictionary()

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: int = 0) -> None:
        self.ptr = 0 if null else id(self)
        self.device_id = -1 if null else state.device
        self.captured: list[Any] | None = None
        if not null:
            self.known[self.ptr] = self

    @classmethod
    def from_external(cls, obj: Any) -> Stream:
        made = cls()
        made.ptr = obj.__cuda_stream__()[1]
        return made

    done = True

    def _here(self) -> None:
        if self.device_id not in (-1, state.device):
            raise RuntimeError(f"stream of device {self.device_id}, current device {state.device}")

    def use(self) -> Stream:
        self._here()
        state.streams[state.device] = self
        return self

    def synchronize(self) -> None:
        if self.captured is not None:
            raise CUDARuntimeError(900)
        log.append(("synchronize", state.device, self.ptr))

    def wait_event(self, event: Event) -> None:
        log.append(("wait", state.device, self.ptr))

    def begin_capture(self, mode: Any = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.captured = []

    def end_capture(self) -> Graph:
        work, self.captured = self.captured, None
        assert work is not None
        return Graph(work)


Stream.null = Stream(null=True)


def current() -> Stream:
    return state.streams.get(state.device, Stream.null)


# -- kernels ---------------------------------------------------------------------------------------------------------------


def compiler() -> str | None:
    return next((p for name in ("c++", "g++", "clang++") if (p := shutil.which(name))), None)


FLAGS = ("-O0", "-std=c++17", "-w", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing", "-fno-math-errno")

MARK = zlib.crc32(Path(__file__).read_bytes() + os.environ.get("CUDA_STAND_IN_FLAGS", "").encode())
"""Part of the version: programs built by another stand-in, or with other flags, are none of this one's."""

_programs: dict[int, list[Any]] = {}


def createProgram(source: str, name: str, headers: Any, include_names: Any) -> int:
    key = max(_programs, default=0) + 1
    _programs[key] = [source, None, ""]
    return key


def compileProgram(program: int, options: Any) -> None:
    source = _programs[program][0]
    for pattern, plain in PTX.items():
        source = re.sub(pattern, plain, source)
    parts = [HEADER, '#line 1 "kernels.cu"', source]
    for name, params in KERNEL.findall(source):
        kinds = [re.sub(r"\s*(__restrict__)?\s*\w+$", "", p.strip()) for p in params.split(",")]
        given = ", ".join(f"*({kind}*)p[{i}]" for i, kind in enumerate(kinds))
        body = source.split(f" {name}(")[1].split("\n}\n")[0]
        meet = "true" if "__syncthreads" in body else "false"
        parts.append(f"static void {name}_body(void** p) {{ {name}({given}); }}")
        parts.append(
            f'extern "C" unsigned {name}_run(void** p, unsigned blocks, unsigned threads) '
            f"{{ return p ? cb_run({name}_body, p, blocks, threads, {meet}) : {len(kinds)}; }}"
        )
        pointers = sum(1 << i for i, kind in enumerate(kinds) if kind.endswith("*"))
        parts.append(f'extern "C" unsigned long long {name}_pointers = {pointers}ull;')
    with tempfile.TemporaryDirectory() as folder:
        text, made = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        text.write_text("\n".join(parts))
        flags = [*FLAGS, *shlex.split(os.environ.get("CUDA_STAND_IN_FLAGS", ""))]
        done = subprocess.run([str(compiler()), *flags, str(text), "-o", str(made)], capture_output=True, text=True)
        if done.returncode:
            _programs[program][2] = re.sub(r"kernels\.cu:(\d+):\d+: error:", r"kernels.cu(\1): error:", done.stderr)
            raise NVRTCError("NVRTC_ERROR_COMPILATION (6)")
        _programs[program][1] = made.read_bytes()


class Function:
    def __init__(self, module: Any, name: str) -> None:
        run = getattr(module.library, f"{name}_run")
        run.restype, run.argtypes = ctypes.c_uint, [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        self.pointers = ctypes.c_uint64.in_dll(module.library, f"{name}_pointers").value
        self.name, self.run, self.module, self.ptr = name, run, module, id(self)
        functions[self.ptr] = self


functions: weakref.WeakValueDictionary[int, Function] = weakref.WeakValueDictionary()


class Module:
    def load(self, code: bytes) -> None:
        with tempfile.NamedTemporaryFile(suffix=".so") as file:
            file.write(code)
            file.flush()
            self.library = ctypes.CDLL(file.name)

    def get_function(self, name: str) -> Function:
        return Function(self, name)


def launchKernel(
    f: int, gx: int, gy: int, gz: int, bx: int, by: int, bz: int, shared: int, stream: int, params: int, extra: int
) -> None:
    assert (gy, gz, by, bz, shared, extra) == (1, 1, 1, 1, 0, 0) and gx >= 1
    function = functions[f]
    count = function.run(None, 0, 0)
    table = (ctypes.c_void_p * count).from_address(params)
    slots = (ctypes.c_uint64 * count)(*[ctypes.c_uint64.from_address(a).value for a in table])  # as they are now
    start = ctypes.addressof(slots)
    mine = (ctypes.c_void_p * count)(*[start + 8 * i for i in range(count)])

    def work(function: Function = function, slots: Any = slots) -> None:
        for i in range(count):
            if function.pointers >> i & 1:
                alive(slots[i])
        line = function.run(mine, gx, bx)
        assert not line, f"kernel {function.name}: threads of a block parted at the barrier of line {line}"

    give(stream, f"launch {function.name}", work)


# -- libraries ---------------------------------------------------------------------------------------------------------------

_KINDS = {2: np.float16, 0: np.float32, 1: np.float64, 4: np.complex64, 5: np.complex128}


def gemmStridedBatchedEx(
    handle: int, ta: int, tb: int, m: int, n: int, k: int, alpha: int, A: int, ka: int, lda: int, sa: int, B: int, kb: int,
    ldb: int, sb: int, beta: int, C: int, kc: int, ldc: int, sc: int, batch: int, compute: int, algo: int,
) -> None:  # fmt: skip
    from ml_dtypes import bfloat16

    kind = np.dtype(bfloat16 if ka == 14 else _KINDS[ka])
    assert ka == kb == kc and lda >= (m if ta == 0 else k) and ldb >= (k if tb == 0 else n) and ldc >= m

    def matrix(address: int, rows: int, columns: int, ld: int) -> Any:
        """By columns."""
        flat = host(address, ((columns - 1) * ld + rows) * kind.itemsize).view(kind)
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (kind.itemsize, ld * kind.itemsize))

    wide = np.float32 if kind.itemsize == 2 else kind

    def work() -> None:
        for i in range(batch):
            a = matrix(A + i * sa * kind.itemsize, *((m, k) if ta == 0 else (k, m)), lda)
            b = matrix(B + i * sb * kind.itemsize, *((k, n) if tb == 0 else (n, k)), ldb)
            c = matrix(C + i * sc * kind.itemsize, m, n, ldc)
            c[...] = ((a if ta == 0 else a.T).astype(wide) @ (b if tb == 0 else b.T).astype(wide)).astype(kind)

    give(current().ptr, f"gemm {compute}", work)


class ndarray:
    """CuPy's array as far as the backend uses it."""

    def __init__(self, shape: Any, dtype: Any, memptr: Any, strides: Any = None) -> None:
        self.data, self.shape, self.dtype = memptr, tuple(shape), np.dtype(dtype)
        size = 1
        low = high = 0
        for n, s in zip(self.shape, strides or (), strict=False):
            size *= n
            low, high = (low + (n - 1) * s, high) if s < 0 else (low, high + (n - 1) * s)
        if strides is None:
            self.np = host(memptr.ptr, int(np.prod(self.shape)) * self.dtype.itemsize).view(self.dtype).reshape(shape)
        else:
            flat = host(memptr.ptr, (high if size else 0) + self.dtype.itemsize).view(self.dtype)
            self.np = np.lib.stride_tricks.as_strided(flat, self.shape, strides)
        self.strides, self.nbytes, self.size = self.np.strides, self.np.nbytes, self.np.size

    def sort(self) -> None:
        self.np.sort(kind="stable")
        log.append(("thrust sort", state.device, current().ptr))

    def argsort(self) -> ndarray:
        return array(self.np.argsort(kind="stable"))

    def __setitem__(self, key: Any, value: ndarray) -> None:
        self.np[key] = value.np

    def __dlpack__(self, stream: Any = None, **options: Any) -> Any:
        log.append(("dlpack", state.device, stream))
        return self.np.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self.data.device_id)


def array(values: np.ndarray) -> ndarray:
    pointer = (state.allocator or default_pool.malloc)(max(values.nbytes, 1))
    made = ndarray(values.shape, values.dtype, pointer)
    made.np[...] = values
    return made


def free_by(address: int, index: int) -> None:
    free(address)


default_pool = MemoryPool(PythonFunctionAllocator(lambda size, index: malloc(size), free_by).malloc)


def from_dlpack(source: Any) -> ndarray:
    return source if isinstance(source, ndarray) else array(np.from_dlpack(source))


def inv(a: ndarray) -> ndarray:
    log.append(("inv", state.device, current().ptr))
    return array(np.linalg.inv(a.np))


class _Nvtx:
    def __getattr__(self, name: str) -> Any:
        return lambda *args: log.append((name, *args)) or len(log)


def _set_device(index: int) -> None:
    if not 0 <= index < DEVICES:
        raise CUDARuntimeError(101)
    state.device = index


def _synchronize() -> None:
    if fails:
        raise CUDARuntimeError(fails.pop(0))


def install() -> None:
    """Puts the modules that the backend imports where Python looks for them."""
    runtime = _module(
        "cupy.cuda.runtime",
        CUDARuntimeError=CUDARuntimeError, malloc=malloc, free=free, memcpyAsync=memcpyAsync,
        memcpyPeerAsync=memcpyPeerAsync, getDeviceProperties=getDeviceProperties, getDeviceCount=lambda: DEVICES,
        setDevice=_set_device, getDevice=lambda: state.device, deviceSynchronize=_synchronize, driverGetVersion=lambda: 13010,
        memGetInfo=lambda: (TOTAL - used[state.device], TOTAL), deviceCanAccessPeer=lambda a, b: 1,
        deviceEnablePeerAccess=lambda other: log.append(("peer", state.device, other)),
        memcpyHostToDevice=1, memcpyDeviceToHost=2, memcpyDeviceToDevice=3,
        CUDA_R_16F=2, CUDA_R_16BF=14, CUDA_R_32F=0, CUDA_R_64F=1, CUDA_C_32F=4, CUDA_C_64F=5,
    )  # fmt: skip
    pinned_memory = _module("cupy.cuda.pinned_memory", is_memory_pinned=is_memory_pinned)
    function = _module("cupy.cuda.function", Module=Module, Function=Function)
    device = _module("cupy.cuda.device", get_cublas_handle=lambda: 1)
    nvtx = _Nvtx()
    cuda = _module(
        "cupy.cuda",
        runtime=runtime, pinned_memory=pinned_memory, function=function, device=device, nvtx=nvtx, Event=Event,
        Stream=Stream, get_elapsed_time=get_elapsed_time, MemoryPool=MemoryPool,
        MemoryPointer=MemoryPointer, UnownedMemory=UnownedMemory, PythonFunctionAllocator=PythonFunctionAllocator, using_allocator=using_allocator,
        alloc_pinned_memory=alloc_pinned_memory,
    )  # fmt: skip
    linalg = _module("cupy.linalg", inv=inv)
    _module(
        "cupy",
        cuda=cuda, ndarray=ndarray, linalg=linalg, from_dlpack=from_dlpack,
        take=lambda a, i: array(np.take(a.np, i.np)), ascontiguousarray=lambda a: array(np.ascontiguousarray(a.np)),
    )  # fmt: skip
    _module("cupyx", errstate=lambda **options: contextlib.nullcontext())
    driver = _module("cupy_backends.cuda.api.driver", launchKernel=launchKernel, CUDADriverError=CUDADriverError)
    nvrtc = _module(
        "cupy_backends.cuda.libs.nvrtc",
        NVRTCError=NVRTCError, createProgram=createProgram, compileProgram=compileProgram,
        getCUBIN=lambda p: _programs[p][1], getPTX=lambda p: _programs[p][1], getProgramLog=lambda p: _programs[p][2],
        destroyProgram=lambda p: _programs.pop(p), getVersion=lambda: ("stand-in", MARK),
        getSupportedArchs=lambda: [75, 80, 90, 120],
    )  # fmt: skip
    cublas = _module(
        "cupy_backends.cuda.libs.cublas",
        gemmStridedBatchedEx=gemmStridedBatchedEx, setMathMode=lambda handle, mode: log.append(("math mode", mode)), CUBLAS_OP_N=0, CUBLAS_OP_T=1, CUBLAS_COMPUTE_32F=68,
        CUBLAS_COMPUTE_64F=70, CUBLAS_COMPUTE_32F_FAST_TF32=77, CUBLAS_COMPUTE_32F_FAST_16BF=75,
    )  # fmt: skip
    cusolver = _module("cupy_backends.cuda.libs.cusolver")
    libs = _module("cupy_backends.cuda.libs", nvrtc=nvrtc, cublas=cublas, cusolver=cusolver)
    api = _module("cupy_backends.cuda.api", driver=driver)
    _module("cupy_backends", cuda=_module("cupy_backends.cuda", libs=libs, api=api))


def _module(name: str, **members: Any) -> Any:
    made = types.ModuleType(name)
    made.__path__ = []  # type: ignore[attr-defined]
    made.__spec__ = ModuleSpec(name, None)
    vars(made).update(members)
    sys.modules[name] = made
    return made


NAMES = ("cupy", "cupy_backends", "cupyx")
"""Packages that are stood in for."""
