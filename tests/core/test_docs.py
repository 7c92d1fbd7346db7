# SPDX-License-Identifier: Apache-2.0
"""Examples in docstrings and documents run; the reference pages can be made of every op."""

import doctest
import importlib
import pkgutil
import re
import sys
import types
from pathlib import Path

import pytest

import candelabra as cb
from candelabra.cli import docs
from candelabra.dispatcher import _plugins, known_backends
from candelabra.op import ops

ROOT = Path(cb.__file__).parent
PROJECT = Path(__file__).parents[2]
MODULES = [
    info.name
    for info in pkgutil.walk_packages([str(ROOT)], "candelabra.")
    if not info.name.endswith("__main__") and ".cli" not in info.name
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    module = importlib.import_module(name)
    cb.manual_seed(0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    for test in _tests(finder, module):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def _tests(finder, module):
    """Tests of a module's own objects, op functions included (they are closures with the declaration's docstring)."""
    seen = set()
    for test in finder.find(module, globs={"cb": cb}):
        seen.add(test.name)
        yield test
    for name, value in vars(module).items():
        full = f"{module.__name__}.{name}"
        if (
            full not in seen
            and getattr(value, "__module__", None) == module.__name__
            and callable(value)
            and value.__doc__
        ):
            parser = doctest.DocTestParser()
            if ">>>" in value.__doc__:
                yield parser.get_doctest(value.__doc__, {"cb": cb}, full, module.__file__, 0)


@pytest.mark.parametrize(
    "path", ["README.md", "docs/add-an-op.md", "docs/add-a-backend.md", "docs/runtime.md", "docs/compiler.md"]
)
def test_python_blocks_of_documents_run(path):
    text = (PROJECT / path).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    module = sys.modules["document"] = types.ModuleType("document")  # a backend is loaded from a module, by name
    names = vars(module)
    names["cb"] = cb
    known = set(known_backends())
    exec("import math, numpy as np\nfrom candelabra import Tensor\nfrom candelabra.op import op, rules\n"
         "from candelabra.testing.samples import unary", names)  # fmt: skip
    try:
        for block in blocks:
            if "# not run" not in block:
                exec(compile(block, path, "exec"), names)
    finally:
        ops.pop("log_cosh", None)
        del sys.modules["document"]
        for name in set(known_backends()) - known:
            _plugins._found.pop(name)
            _plugins._loaded.pop(name, None)


def test_every_op_has_a_reference_section(tmp_path):
    assert docs.main(["--out", str(tmp_path), "--stubs", str(tmp_path / "methods.pyi")]) == 0
    pages = "\n".join(p.read_text(encoding="utf-8") for p in tmp_path.glob("*.md"))
    for name in ops:
        assert f"## {name}\n" in pages
    compile((tmp_path / "methods.pyi").read_text(encoding="utf-8"), "methods.pyi", "exec")


def test_error_codes_are_documented_and_unique():
    text = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
    classes = [cb.CandelabraError]
    for cls in classes:
        classes.extend(c for c in cls.__subclasses__() if c.__module__ == "candelabra._errors")
    codes = [c.code for c in classes]
    assert len(set(codes)) == len(codes)
    for cls in classes:
        assert f"| {cls.code} | `{cls.__name__}` |" in text
