# SPDX-License-Identifier: Apache-2.0
"""The example plugin for JAX, installed with pip as a user would: found, loaded, conforming, trained on."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytest.importorskip("jax", reason="the example plugin needs JAX; pip install 'candelabra[test]'")

PLUGIN = Path(__file__).parents[2] / "plugins" / "candelabra-jax"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh virtual environment that sees the running one's packages, and the plugin installed into it."""
    root = tmp_path_factory.mktemp("environment")
    venv.EnvBuilder(with_pip=False).create(root)
    scheme = {"base": str(root), "platbase": str(root)}
    packages = Path(sysconfig.get_path("purelib", vars=scheme))
    seen = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (packages / "running.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    python = str(Path(sysconfig.get_path("scripts", vars=scheme)) / ("python.exe" if os.name == "nt" else "python"))
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--force-reinstall"]
    if importlib.util.find_spec("hatchling") is not None:
        install.append("--no-build-isolation")
    done = subprocess.run([*install, str(PLUGIN)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (packages / "candelabra_jax" / "backend.py").exists()
    return python


def run(environment, *args, codes=(0,), **settings):
    """stdout of the environment's Python, which exits with one of these codes."""
    settings = {**os.environ, **settings}
    done = subprocess.run([environment, *args], capture_output=True, text=True, timeout=80, env=settings)
    assert done.returncode in codes, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_doctor_lists_the_device_as_ready(environment):
    # Another plugin may well have a problem here, which doctor's exit code tells: CUDA without a GPU.
    told = run(environment, "-m", "candelabra", "doctor", "--json", codes=(0, 1))
    rows = {row["name"]: row for row in json.loads(told)["backends"]}
    assert not rows["jax"]["problem"]
    assert rows["jax"]["devices"]
    assert "candelabra_jax.plugin" in rows["jax"]["source"]


PROGRAM = """
import candelabra as cb

x = cb.arange(12.0, device="jax").reshape(3, 4)
x.t()[1] = 7                       # a write through a view of a view
x[:, ::2] *= 10
assert x.tolist() == [[0, 7, 20, 3], [40, 7, 60, 7], [80, 7, 100, 11]], x
w = x.clone().requires_grad_()
(w[1:].softmax(1) * x[:2]).sum().backward()
host = x.cpu().requires_grad_()
(host[1:].softmax(1) * x.cpu()[:2]).sum().backward()
assert cb.allclose(w.grad.cpu(), host.grad)
cb.manual_seed(3)
drawn = cb.randn(5, device="jax")
cb.manual_seed(3)
assert cb.allclose(drawn.cpu(), cb.randn(5), rtol=1e-6)
z = cb.tensor([1 + 2j], device="jax")
z.real.fill_(5)
assert z.item() == 5 + 2j
second = cb.zeros(2, device="jax:1")
second[0] = 3
(held,) = (second + second).sum()._array.cell.array.devices()
assert held.id == 1
"""


def test_views_writes_gradients_and_random_numbers_agree_with_the_host(environment):
    run(environment, "-c", PROGRAM, XLA_FLAGS="--xla_force_host_platform_device_count=2")


def test_conformance_of_a_few_ops(environment):
    ops = "add,basic_index_put,log1p,matmul,random_uniform,sort,sum,transpose"
    command = ["-m", "candelabra", "conformance", "run", "--backend", "jax", "--ops", ops, "--dtype", "float32"]
    assert " passed" in run(environment, *command, "--jobs", "2", "--plain")


TRAINING = """
import candelabra as cb
from candelabra.cli.demo import Net, load_uci_digits

data = load_uci_digits()
images, labels = cb.from_numpy(data.train_images[:300]), cb.from_numpy(data.train_labels[:300])


def losses(device):
    cb.manual_seed(0)
    model = Net(8).to(device)
    model.classifier[3].p = 0.0  # each device draws from a stream of its own
    optimizer = cb.optim.Adam(model.parameters(), lr=3e-3)
    found = []
    for epoch in range(2):
        for start in range(0, 300, 50):
            optimizer.zero_grad()
            scores = model(images[start : start + 50].to(device))
            loss = cb.nn.functional.cross_entropy(scores, labels[start : start + 50].to(device))
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


import numpy as np

host, jax = np.array(losses("cpu")), np.array(losses("jax"))
assert jax[-3:].mean() < 0.7 * jax[:3].mean(), jax
np.testing.assert_allclose(jax, host, rtol=0.05)
"""


def test_training_lowers_the_loss_as_on_the_host(environment):
    run(environment, "-c", TRAINING)
