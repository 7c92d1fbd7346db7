# SPDX-License-Identifier: Apache-2.0
"""The CPU backend conforms: the quick tier over every declared op, one test an op and one for the device."""

from __future__ import annotations

from typing import Any

from candelabra.op import ops
from candelabra_conformance.case import Result
from candelabra_conformance.plugin import check

LAYOUTS = 8
"""Layouts each op on tensors of two dims or more is to be seen in, unless it asks for contiguous operands."""


def test_cpu_conforms(conformance_op: str, conformance_results: list[Any]) -> None:
    check(conformance_results)
    assert_many_layouts(conformance_op, conformance_results)


def assert_many_layouts(name: str, results: list[Result]) -> None:
    grid = [r.case for r in results if r.case.kind == "grid"]
    large = any(len(shape) > 1 and 0 not in shape for case in grid for shape in case.shapes)
    if name in ops and ops[name].layouts == "all" and large:
        seen = {layout for case in grid for layout in case.layouts}
        assert len(seen) >= LAYOUTS, f"{name} is seen in {sorted(seen)} only"
