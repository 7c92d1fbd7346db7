# SPDX-License-Identifier: Apache-2.0
"""What the CUDA backend asks of CuPy exists in CuPy, with the parameters it is called with. No GPU is needed.

The backend's own source says what it uses. CuPy's compiled functions carry their signatures in their docstrings. What
lies behind CUDA libraries that are not installed here (cuBLAS) is skipped with a reason.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

cupy = pytest.importorskip("cupy", reason="needs CuPy: pip install candelabra[test]")

ROOT = Path(__file__).parents[2] / "backends/candelabra_cuda"
FILES = sorted(p for p in ROOT.glob("*.py") if p.name not in ("sources.py", "check.py"))
PACKAGES = ("cupy", "cupy_backends", "cupyx")

METHODS = {
    "MemoryPool": {"malloc": 1, "set_limit": ("size",), "free_all_blocks": 0},
    "Stream": {"use": 0, "synchronize": 0, "wait_event": 1, "begin_capture": 0, "end_capture": 0, "from_external": 1},
    "Event": {"record": 1, "synchronize": 0},
    "Graph": {"launch": 1, "debug_dot_str": 0},
    "Module": {"load": 1, "get_function": 1},
}
"""Methods that are called on what CuPy made: number of arguments, or names of keywords."""

PROPERTIES = {"Stream": ("done",), "Event": ("done",)}


def _home(name: str):
    """A module's attribute by its full name; skips where a library behind it is missing."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        except ImportError as error:
            pytest.skip(
                f"{'.'.join(parts[:cut])} needs a CUDA library that is not installed: {str(error).splitlines()[0]}"
            )
        for part in parts[cut:]:
            try:
                found = getattr(found, part)
            except ImportError as error:
                pytest.skip(f"{name} needs a CUDA library that is not installed: {str(error).splitlines()[0]}")
        return found
    raise AssertionError(name)


def _names(tree: ast.Module) -> dict[str, str]:
    """Full name of each name that a file imports from CuPy."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({a.asname or a.name: a.name for a in node.names if a.name.split(".")[0] in PACKAGES})
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return found


def _full(node: ast.expr, names: dict[str, str]) -> str | None:
    """Full name of `a.b.c` where `a` is imported from CuPy."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])


def _used() -> tuple[set[str], list[tuple[str, str, int, tuple[str, ...]]]]:
    """(all names used, calls as (where, name, number of arguments, keywords))"""
    everything, calls = set(), []
    for file in FILES:
        tree = ast.parse(file.read_text())
        names = _names(tree)
        everything |= set(names.values())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (name := _full(node, names)):
                everything.add(name)
            if isinstance(node, ast.Call) and (name := _full(node.func, names)):
                starred = any(isinstance(a, ast.Starred) for a in node.args)
                if not starred:
                    keywords = tuple(k.arg for k in node.keywords if k.arg)
                    calls.append((f"{file.name}:{node.lineno}", name, len(node.args), keywords))
    return everything, calls


EVERYTHING, CALLS = _used()


def _signature(function) -> tuple[list[str], int] | None:
    """(names of parameters, how many have no default) of a Python or Cython function, class or method."""
    try:
        params = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
        return [p.name for p in params], sum(p.default is p.empty for p in params)
    except (TypeError, ValueError):
        pass
    said = (function.__doc__ or "").strip().splitlines()
    match = re.match(r"[\w.]+\((.*)\)(?: ->.*)?$", said[0]) if said else None
    if match is None:
        return None
    params = [
        p.strip() for p in match[1].split(",") if p.strip() and p.strip() != "self" and not p.strip().startswith("*")
    ]
    params = [p for p in params if p.split("=")[0].split()[-1] != "self"]
    return [p.split("=")[0].split()[-1] for p in params], sum("=" not in p for p in params)


def _check(where: str, function, given: int, keywords: tuple[str, ...]) -> None:
    signature = _signature(function)
    if signature is None:
        assert callable(function), where
        return
    names, required = signature
    assert set(keywords) <= set(names), f"{where}: {names}"
    assert required <= given + len(keywords) <= len(names), f"{where}: {names}, got {given} and {keywords}"


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_name_exists(name):
    assert _home(name) is not None


@pytest.mark.parametrize("call", sorted(set(CALLS)), ids=lambda c: f"{c[0]}-{c[1]}")
def test_call_fits_signature(call):
    where, name, given, keywords = call
    _check(where, _home(name), given, keywords)


@pytest.mark.parametrize("kind", METHODS)
def test_methods_fit(kind):
    owner = {"Module": "cupy.cuda.function.Module"}.get(kind, f"cupy.cuda.{kind}")
    found = _home(owner)
    for name, given in METHODS[kind].items():
        count, keywords = (given, ()) if isinstance(given, int) else (0, given)
        _check(f"{owner}.{name}", getattr(found, name), count, keywords)
    for name in PROPERTIES.get(kind, ()):
        assert isinstance(inspect.getattr_static(found, name), property)


def test_machine_without_a_gpu_is_told_so():
    """In a process of its own: nothing but the name of the device is asked for."""
    code = "import candelabra as cb\nprint(cb.cuda.is_available())\ncb.ones(1, device='cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.stdout.startswith("True"):
        pytest.skip("there is a GPU")
    assert done.stdout == "False\n"
    assert 'PluginError: device "cuda": needs an NVIDIA GPU and its driver' in done.stderr


def test_launches_pass_what_the_driver_takes():
    """The launch is called through a name of its own, so that no syntax tree tells what it is given."""
    names, required = _signature(_home("cupy_backends.cuda.api.driver.launchKernel"))
    assert names == [
        "f", "grid_dim_x", "grid_dim_y", "grid_dim_z", "block_dim_x", "block_dim_y", "block_dim_z", "shared_mem_bytes",
        "stream", "kernel_params", "extra",
    ]  # fmt: skip
    assert required == len(names)


def test_products_pass_what_cublas_takes():
    names, _ = _signature(_home("cupy_backends.cuda.libs.cublas.gemmStridedBatchedEx"))
    assert names == [
        "handle",
        "transa",
        "transb",
        "m",
        "n",
        "k",
        "alpha",
        "A",
        "Atype",
        "lda",
        "strideA",
        "B",
        "Btype",
        "ldb",
        "strideB",
        "beta",
        "C",
        "Ctype",
        "ldc",
        "strideC",
        "batchCount",
        "computeType",
        "algo",
    ]


def test_modules_and_functions_tell_their_handles():
    """Launches read `Function.ptr`, events and streams `ptr`: attributes of compiled classes, if CuPy made them public."""
    function = _home("cupy.cuda.function.Function")
    assert hasattr(function, "ptr") and hasattr(function, "module")
    assert hasattr(_home("cupy.cuda.MemoryPointer"), "ptr")


def test_properties_of_a_device_are_those_cupy_gives():
    """Every key that the backend reads is in CuPy's table, as far as its compiled code names it."""
    source = (ROOT / "backend.py").read_text()
    keys = set(re.findall(r'\bp(?:\[|\.get\()"(\w+)"', source))
    assert len(keys) > 10
    binary = Path(importlib.import_module("cupy_backends.cuda.api.runtime").__file__).read_bytes()
    assert [k for k in sorted(keys) if k.encode() not in binary] == []


def test_cudnn_graphs_take_what_plans_pass():
    cudnn = pytest.importorskip("cudnn", reason="needs nvidia-cudnn-frontend, which is optional")
    graph = cudnn.pygraph
    for name in ("validate", "build_operation_graph", "check_support", "build_plans", "get_workspace_size"):
        assert callable(getattr(graph, name))
    assert "handle" in inspect.signature(graph.execute).parameters
    assert {"dim", "stride", "data_type", "name"} <= set(inspect.signature(graph.tensor).parameters)
    for kind in ("HALF", "BFLOAT16", "FLOAT"):
        assert hasattr(cudnn.data_type, kind)
    for note in ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION", "WINOGRAD", "FFT"):
        assert hasattr(cudnn.numerical_note, note)
    for mode in ("A", "FALLBACK"):
        assert hasattr(cudnn.heur_mode, mode)
    assert callable(graph.deselect_numeric_notes) and callable(cudnn.set_stream) and callable(cudnn.create_handle)
