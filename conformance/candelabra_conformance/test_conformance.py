# SPDX-License-Identifier: Apache-2.0
"""What `pytest --pyargs candelabra_conformance --backend X` collects: one test an op, and one for the device."""

from __future__ import annotations

from typing import Any

from .plugin import check


def test_conforms(conformance_op: str, conformance_results: list[Any]) -> None:
    """Every case of the op holds, or is waived or declared unsupported."""
    if conformance_results:
        check(conformance_results)
