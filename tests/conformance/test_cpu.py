# SPDX-License-Identifier: Apache-2.0
"""The CPU backend conforms: the quick tier over every declared op, one test an op."""

from __future__ import annotations

from typing import Any

import pytest

from candelabra_conformance.plugin import check

LAYOUTS = 8
"""Layouts each op with tensor operands is to be seen in, where its declaration allows more than contiguous ones."""


def test_cpu_conforms(conformance_op: str, conformance_results: list[Any]) -> None:
    check(conformance_results)


def test_cpu_is_seen_in_many_layouts(conformance_op: str, conformance_results: list[Any]) -> None:
    from candelabra.op import ops

    op = ops.get(conformance_op)
    if op is None or op.layouts != "all":
        pytest.skip("no operands, or contiguous ones only")
    seen = {layout for r in conformance_results if r.case.kind == "grid" for layout in r.case.layouts}
    if not seen or not any(len(shape) > 1 for r in conformance_results if r.case.kind == "grid" for shape in r.case.shapes):
        pytest.skip("no tensor operand of two dims")
    assert len(seen) >= LAYOUTS, f"seen in {sorted(seen)} only"
