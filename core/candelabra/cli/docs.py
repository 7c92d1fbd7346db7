# SPDX-License-Identifier: Apache-2.0
"""`candelabra docs`: the op reference, the support matrix and editor stubs, from the declarations."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from pathlib import Path

from ..dispatcher import load_backend
from ..op import Op, ops


def main(args: Sequence[str] = ()) -> int:
    """Parses the command line and writes the files."""
    parser = argparse.ArgumentParser(prog="candelabra docs", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/reference"), help="folder of the pages")
    parser.add_argument("--backends", default="cpu", help="backends of the support matrix, with commas")
    parser.add_argument("--stubs", type=Path, help="also write stubs of Tensor's derived methods to this .pyi file")
    options = parser.parse_args(args)
    options.out.mkdir(parents=True, exist_ok=True)
    families: dict[str, list[Op]] = {}
    for op in ops.values():
        families.setdefault(op.module.rpartition(".")[2].strip("_"), []).append(op)
    for family, members in families.items():
        (options.out / f"{family}.md").write_text(family_page(family, members), encoding="utf-8")
    index = index_page(families, options.backends.split(","))
    (options.out / "index.md").write_text(index, encoding="utf-8")
    if options.stubs:
        options.stubs.write_text(stubs(), encoding="utf-8")
    print(f"{len(ops)} ops in {len(families)} families: {options.out}")
    return 0


def family_page(family: str, members: Sequence[Op]) -> str:
    """The page of one family."""
    return f"# {family.capitalize()}\n\n" + "\n".join(op_section(op) for op in sorted(members, key=lambda o: o.name))


def op_section(op: Op) -> str:
    """An op's entry: signature, forms, where its gradient comes from, and its docstring.

    Raises:
        ValueError: the docstring does not say what shape comes out.
    """
    if not op.doc or ("Returns:" not in op.doc and not op.name.endswith("_")):
        raise ValueError(f"op {op.name!r}: docstring must say what is returned, got {op.doc[:60]!r}")
    forms = [f"`candelabra.{op.name}`"]
    if op.is_method:
        forms.append(f"`Tensor.{op.name}`")
    if op.is_inplace:
        forms.append(f"`Tensor.{op.name}_`")
    if not op.is_view:
        forms.append("`out=`")
    gradient = (
        op.grad if op.grad.startswith("none") else "own rule" if op.vjps else "through its body" if op.body else "none"
    )
    kind = "view" if op.is_view else "factory" if op.is_factory else "composed" if op.body else "primitive"
    return (
        f"## {op.name}\n\n```python\n{op.name}{inspect.signature(op.function)}\n```\n\n"
        f"Forms: {', '.join(forms)}. Kind: {kind}. Gradient: {gradient}.\n\n{_as_markdown(op.doc)}\n"
    )


def _as_markdown(doc: str) -> str:
    """A docstring with its sections as headings and its examples as code."""
    lines, out, fenced = doc.splitlines(), [], False
    for line in lines:
        text = line.strip()
        if text in ("Args:", "Returns:", "Raises:", "Example:"):
            if fenced:
                out.append("```")
            out.append(f"**{text[:-1]}**\n")
            fenced = text in ("Args:", "Raises:", "Example:")
            if fenced:
                out.append("```text" if text != "Example:" else "```python")
            continue
        if fenced and text and not line.startswith(" "):
            out.append("```")
            fenced = False
        out.append(line[4:] if line.startswith("    ") else line)
    if fenced:
        out.append("```")
    return "\n".join(out)


def index_page(families: dict[str, list[Op]], backends: Sequence[str]) -> str:
    """All ops with the way each backend runs them."""
    loaded = [load_backend(name) for name in backends]
    lines = ["# Ops", "", f"| op | family | {' | '.join(backends)} |", "|---|---|" + "---|" * len(backends)]
    for family, members in sorted(families.items()):
        for op in sorted(members, key=lambda o: o.name):
            ways = []
            for backend in loaded:
                kernel = op.name in backend.kernels() or op.is_view or op.is_factory
                ways.append("kernel" if kernel else "body" if op.body else "missing")
            lines.append(f"| [{op.name}]({family}.md#{op.name}) | {family} | {' | '.join(ways)} |")
    return "\n".join(lines) + "\n"


def stubs() -> str:
    """A .pyi class with the derived methods of Tensor."""
    lines = ["from typing import Any", "from candelabra import Tensor", "", "class TensorMethods:"]
    for op in sorted(ops.values(), key=lambda o: o.name):
        if op.is_method:
            first, *rest = inspect.signature(op.function).parameters.values()
            bare = [first.replace(name="self", default=first.empty), *rest]
            shown = inspect.Signature([p.replace(annotation=p.empty) for p in bare])
            lines.append(f"    def {op.name}{shown} -> Any: ...")
        if op.is_inplace:
            lines.append(f"    def {op.name}_(self, *args: Any, **kwargs: Any) -> Tensor: ...")
    return "\n".join(lines) + "\n"


__all__ = ["family_page", "index_page", "main", "op_section", "stubs"]
