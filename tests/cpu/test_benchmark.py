# SPDX-License-Identifier: Apache-2.0
"""The benchmark of products and convolutions runs."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "cpu_libraries.py"


def test_smoke_form_prints_a_row_for_each_size():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--smoke", "--only", "matmul 64"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "| matmul 64 |" in done.stdout
