# SPDX-License-Identifier: Apache-2.0
"""Programs beside the library run: examples, benchmarks in smoke form, the demo on a small set."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import candelabra as cb
from candelabra.cli import demo

PROJECT = Path(__file__).parents[1]


def run(*command, **options):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_example_learns_exclusive_or():
    assert "[0.0, 1.0, 1.0, 0.0]" in run(str(PROJECT / "examples" / "mlp.py"))


def test_overhead_benchmark_has_all_rows():
    out = run(str(PROJECT / "benchmarks" / "overhead.py"), "--smoke")
    rows = (
        "add",
        "mul by scalar",
        "relu",
        "sum",
        "index",
        "view + transpose",
        "matmul",
        "linear",
        "three ops",
        "SGD",
        "Adam",
    )
    assert all(row in out for row in rows)


def write_idx(path, array):
    head = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def idx_folder(tmp_path):
    """Real digits as four idx files, two of them gzipped."""
    pytest.importorskip("sklearn")
    digits = demo.load_uci_digits()
    for stem, images, labels, suffix in [
        ("train", digits.train_images[:600], digits.train_labels[:600], ".gz"),
        ("t10k", digits.test_images[:100], digits.test_labels[:100], ""),
    ]:
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte{suffix}", images[:, 0] * 255)
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte{suffix}", labels)
    return tmp_path


def test_demo_on_idx_files_with_workers(idx_folder, tmp_path):
    out = run(
        "-m",
        "candelabra",
        "demo",
        "--data",
        str(idx_folder),
        "--epochs",
        "4",
        "--workers",
        "1",
        "--out",
        str(tmp_path / "o"),
    )
    assert "the same: True" in out
    accuracy = float(out.split("accuracy ")[1].split("%")[0])
    assert accuracy > 80
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"model.cb", "loss.png", "predictions.png"}


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\1x", b"\0\0\x08\x01\0\0\0\5abc"])
def test_broken_idx_file_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage)
    with pytest.raises(cb.SerializationError, match="train-images"):
        demo.read_idx(path)


def test_demo_without_its_files_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "candelabra", "demo", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "has no file named train-images" in done.stderr
    assert "Traceback" not in done.stderr
