# SPDX-License-Identifier: Apache-2.0
"""Machine code from LLVM IR, for this process and this processor."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import pkgutil
import platform
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from candelabra._errors import CompileError
from candelabra.compiler import cache

_lock = threading.RLock()
_loaded: dict[str, Mapping[str, int]] = {}
_symbols: dict[str, int] = {}

if hasattr(os, "register_at_fork"):  # a child must not inherit LLVM in the middle of another thread's work
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@functools.cache
def target_machine() -> Any:
    """LLVM's description of this processor with all its features, optimising fully."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Position independent code of the small model: the linker places code and constants of a module side by side.
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=3, reloc="pic", codemodel="small"
    )


@functools.cache
def _features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


@functools.cache
def has_feature(name: str) -> bool:
    """Whether this processor has a feature, by LLVM's name for it, as "f16c"."""
    return f"+{name}" in _features().split(",")


def converts_half() -> bool:
    """Whether this processor converts float16; else integer instructions do."""
    return has_feature("f16c") or platform.machine().lower() in ("aarch64", "arm64")


@functools.cache
def vector_bits() -> int:
    """Width of this processor's vector registers: 512, 256 or 128."""
    if has_feature("avx512f") and has_feature("avx512bw") and has_feature("avx512vl"):
        return 512
    return 256 if has_feature("avx2") and has_feature("fma") else 128


def define(name: str, address: int) -> None:
    """Makes an address known to IR under a name, as an external function or variable."""
    _symbols[name] = address


def native(text: str) -> Mapping[str, int]:
    """Addresses of the functions that a module of LLVM IR defines, by name; compiled once, then kept on disk.

    The code stays for as long as the process: arrays, threads and callables may refer to it until the very end.
    What a module refers to is a `define`d name, or a function of the C library; so texts hold no addresses.

    Raises:
        CompileError: the text is no valid IR, or names an unknown symbol.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    return load("module", f"ir {digest}", lambda: text)[0]


def load(what: str, key: str, text: Callable[[], str]) -> tuple[Mapping[str, int], str]:
    """As `native`, for IR that is written only where neither this process nor the disk knows the key.

    Args:
        what: names the module in errors.
        key: says all that the text depends on, but for this package, LLVM and the processor.

    Returns:
        Addresses by name, and where they come from: "memory", "disk" or "compiled".
    """
    found = _loaded.get(key)
    if found is not None:
        return found, "memory"
    with _lock:
        found = _loaded.get(key)
        if found is not None:
            return found, "memory"
        full = f"{_stamp()} {key}"
        if (entry := cache.get(full)) is not None:
            try:
                found, origin = _link(what, entry), "disk"
            except CompileError:  # made where another library was loaded, or damaged beyond what a checksum sees
                found = None
        if found is None:
            entry = _compiled(what, text())
            found, origin = _link(what, entry), "compiled"
            cache.put(full, entry)
        _loaded[key] = found
        return found, origin


@functools.cache
def _stamp() -> str:
    """What compiled code depends on besides its source: the code of this package that writes it, LLVM, the processor."""
    written = hashlib.sha256()
    for name in ("llvm.py", "native.py"):
        written.update(pkgutil.get_data(__package__, name) or b"")
    parts = (llvmlite.__version__, llvm.llvm_version_info, llvm.get_host_cpu_name(), _features(), sys.platform)
    return f"cpu {written.hexdigest()} {parts}"


# -- compiling -------------------------------------------------------------------------------------------------------


def assembly(text: str) -> str:
    """The processor's instructions for a module, for people and tests."""
    with _lock:
        return str(target_machine().emit_assembly(_optimised("module", text)))


def _compiled(what: str, text: str) -> bytes:
    """Object code of a module, behind the names it defines and those it needs."""
    module = _optimised(what, text)
    head = {
        "names": [f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external],
        "needs": [
            *(f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")),
            *(g.name for g in module.global_variables if g.is_declaration),
        ],
    }
    return json.dumps(head).encode() + b"\n" + bytes(target_machine().emit_object(module))


def _optimised(what: str, text: str) -> Any:
    machine = target_machine()
    context = llvm.create_context()  # constants and types of a module go with it
    try:
        module = llvm.parse_assembly(text, context)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"{what}: LLVM refuses the code, {_explained(str(error), text)}") from error
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _explained(message: str, text: str) -> str:
    """LLVM's message, with the line of IR it speaks of."""
    message = message.strip()
    place = re.search(r"<string>:(\d+):\d+: error: (.*)", message)
    if place is None:
        return f"got {message}"
    number = int(place[1])
    lines = text.splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f"got {line!r} in line {number}: {place[2]}"


# -- linking ---------------------------------------------------------------------------------------------------------


@functools.cache
def _linker() -> Any:
    target_machine()
    made = llvm.create_lljit_compiler(use_jit_link=sys.platform != "win32", suppress_errors=True)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))  # lives to the very end, as its code does
    return made


def _link(what: str, entry: bytes) -> Mapping[str, int]:
    """Addresses of a module's functions, from what `_compiled` gave."""
    head, _, code = entry.partition(b"\n")
    said: dict[str, list[str]] = {}
    try:
        said = json.loads(head)
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in said["needs"]:
            if name in _symbols:
                builder.import_symbol(name, _symbols[name])
        for name in said["names"]:
            builder.export_symbol(name)
        tracker = builder.link(_linker(), f"{what} {len(_loaded)} {time.monotonic_ns()}")
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        lost = [n for n in said.get("needs", ()) if n not in _symbols and llvm.address_of_symbol(n) is None]
        why = f"unknown symbols {', '.join(lost)}" if lost else str(error).strip()
        raise CompileError(f"{what}: the code does not link, got {why}") from error
    tracker.detach()
    return MappingProxyType({name: tracker[name] for name in said["names"]})


# -- Python callables of native functions ----------------------------------------------------------------------------


class _MethodDef(ctypes.Structure):
    """PyMethodDef of CPython's C interface."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
_definitions: list[_MethodDef] = []  # CPython keeps pointers to them


def builtin(name: str, address: int, doc: str) -> Any:
    """A Python callable of a native `PyObject *(PyObject *self, PyObject *const *args, Py_ssize_t nargs)`.

    A call costs about 0.05 us where ctypes takes 0.5; the function runs with the interpreter's lock held.
    """
    definition = _MethodDef(name.encode(), address, _FASTCALL, doc.encode())
    _definitions.append(definition)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.POINTER(_MethodDef), ctypes.c_void_p, ctypes.c_void_p]
    return make(definition, None, None)
