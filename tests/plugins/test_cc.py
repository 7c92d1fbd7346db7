# SPDX-License-Identifier: Apache-2.0
"""The example plugin for a C compiler, found and used as an installed one: a device whose kernels are all generated."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-cc"

pytestmark = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder for the path that holds the plugin as pip would install it."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(PLUGIN / "candelabra_cc", root / "candelabra_cc")
    info = root / "candelabra_cc-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: candelabra-cc\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[candelabra]\ncc = candelabra_cc.plugin\n")
    return root


def run(site, *args, **settings):
    """stdout of a program that sees the plugin."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": path, "CANDELABRA_CACHE": str(site / "cache"), **settings}
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


PROGRAM = """
import candelabra as cb
from candelabra.compiler import debug
with debug.recorded() as built:
    x = cb.arange(6, dtype=cb.float32).reshape(2, 3).to("cc")
    y = (x.t() * 2 - 1).sum(0)
print(y.tolist(), y.device, sorted({b.origin for b in built}))
"""


def test_program_runs_on_generated_kernels_that_the_next_process_finds_on_disk(site):
    assert run(site, "-c", PROGRAM) == "[3.0, 21.0] cc ['compiled']\n"
    assert run(site, "-c", PROGRAM) == "[3.0, 21.0] cc ['disk']\n"


def test_missing_compiler_is_said_before_any_tensor_is_made(site):
    code = "import candelabra as cb\ntry: cb.ones(1, device='cc')\nexcept cb.PluginError as e: print(e)"
    said = run(site, "-c", code, PATH="/nowhere", CC="")
    assert said == 'device "cc": needs a C compiler, found none on the path; install gcc or set CC\n'


def test_conforms(site):
    out = run(
        site, "-m", "candelabra", "conformance", "run", "--backend", "cc", "--ops", "neg", "--jobs", "1", "--plain"
    )
    assert out.rstrip().endswith("ok")
    assert "NOT ok" not in out
