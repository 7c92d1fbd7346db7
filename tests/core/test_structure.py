# SPDX-License-Identifier: Apache-2.0
"""What keeps the house in order: one-way imports, light import, truthful indexes, complete declarations."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import candelabra as cb
from candelabra.op import ops

ROOT = Path(cb.__file__).parent
LAYERS = (
    ("_errors",),
    ("_dtype", "_shape", "_layout"),
    ("_config", "_threads"),
    ("_device",),
    ("tensor", "dispatcher", "op", "runtime", "_philox", "_random"),
    ("compiler",),
    ("ops", "autograd"),
    ("nn", "optim", "random", "serialization", "utils"),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def _imports_at_module_level(path):
    """Dotted names of candelabra modules a file imports when it is loaded (not inside functions)."""
    package = ("candelabra", *path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If):  # if TYPE_CHECKING
            continue
        if isinstance(node, ast.ImportFrom) and node.level:
            anchor = package[: len(package) - node.level]
            yield from (
                ".".join((*anchor, node.module)) if node.module else ".".join((*anchor, alias.name))
                for alias in node.names
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("candelabra"):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("candelabra"))


def _top(dotted):
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_imports_of_core_point_downwards():
    upward = []
    for path in ROOT.rglob("*.py"):
        own = _top("candelabra." + ".".join(path.relative_to(ROOT).with_suffix("").parts))
        if own in ("__init__", "testing") or own not in LEVEL:
            continue
        for target in _imports_at_module_level(path):
            other = _top(target)
            if other in LEVEL and LEVEL[other] > LEVEL[own]:
                upward.append(f"{path.relative_to(ROOT)} imports {target}")
            if target.split(".")[0] not in ("candelabra",):
                upward.append(f"{path.relative_to(ROOT)} imports a backend: {target}")
    assert not upward


def test_every_module_of_core_has_a_layer():
    tops = {
        p.stem if p.is_file() else p.name for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert tops - {"__init__", "testing", "return_types", "functional"} <= set(LEVEL)


def test_core_names_no_backend_package():
    naming = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        and any(
            name.startswith(("candelabra_cpu", "candelabra_xp"))
            for name in [getattr(node, "module", None) or "", *(a.name for a in node.names)]
        )
    ]
    assert not naming


def test_import_loads_no_backend_and_no_optional_library():
    code = (
        "import sys, candelabra; "
        "bad = {'cupy', 'pyopencl', 'llvmlite', 'candelabra.compiler', 'onnx', 'rich', 'sklearn', 'matplotlib', 'scipy', 'pytest'} & set(sys.modules); "
        "bad |= {m for m in sys.modules if m.startswith('candelabra_')}; print(sorted(bad))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _public_packages():
    yield "candelabra"
    for info in pkgutil.walk_packages([str(ROOT)], "candelabra."):
        if not any(part.startswith("_") for part in info.name.split(".")) and not info.name.startswith(
            "candelabra.cli"
        ):
            yield info.name


@pytest.mark.parametrize("name", list(_public_packages()))
def test_all_names_exist_once(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    if names is None:
        return
    assert len(names) == len(set(names))
    missing = [n for n in names if not hasattr(module, n)]
    assert not missing


@pytest.mark.parametrize("op", list(ops.values()), ids=str)
def test_declaration_is_complete(op):
    assert op.doc.splitlines()[0].endswith("."), "first line is a sentence"
    assert "Returns:" in op.doc, "docstring says what comes out"
    public = getattr(cb, op.name, None) or getattr(cb.Tensor, op.name, None)
    assert ">>>" in op.doc + (getattr(public, "__doc__", None) or ""), "the op or its public function has an example"
    assert op.vjps or op.body or op.grad.startswith("none: "), "a gradient rule, a body, or a reason for none"
    if op.body is None and not op.is_view and not op.is_factory:
        assert op.dtype is not None, "a primitive has a dtype rule"


@pytest.mark.parametrize("op", [o for o in ops.values() if "cpu" not in o.grad], ids=str)
def test_kernel_parameters_equal_the_ops(op):
    kernel = cb.dispatcher.load_backend("cpu").kernels().get(op.name)
    function = getattr(kernel, "func", kernel)
    if not inspect.isfunction(function) or op.is_factory:
        return
    names = list(inspect.signature(function).parameters)
    names = names[1:] if names[:1] == ["xp"] else names
    if names and names[-1] == "args":
        return
    assert names == [p.name for p in op.kernel_params]


@pytest.mark.parametrize(
    "op", [o for o in ops.values() if o.body is None and not o.is_view and not o.is_factory], ids=str
)
def test_primitive_has_a_kernel_on_cpu(op):
    assert op.name in cb.dispatcher.load_backend("cpu").kernels()
