# SPDX-License-Identifier: Apache-2.0
"""`candelabra demo`: trains a small convolutional network on real handwritten digits.

Without `--data` the 1,797 UCI digits that come with scikit-learn; with it MNIST or Fashion-MNIST from idx files.
"""

from __future__ import annotations

import argparse
import gzip
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import candelabra as cb
from candelabra import nn

from .._errors import ArgumentError, SerializationError


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, H, W) of float32 in [0, 1] and labels (N,) of int64, split into a training and a held-out part."""

    name: str
    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


class Net(nn.Module):
    """Two convolutions, a max pool, and two linear layers, for square images of any size from 8."""

    def __init__(self, size: int, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * (size // 2) ** 2, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, classes)
        )

    def forward(self, x: cb.Tensor) -> cb.Tensor:
        """Scores (N, classes) of images (N, 1, size, size)."""
        return self.classifier(self.features(x))


def main(args: Sequence[str] = ()) -> int:
    """Parses the command line and runs the demo."""
    parser = argparse.ArgumentParser(prog="candelabra demo", description=__doc__)
    parser.add_argument("--device", help="where to train; the default device when left out")
    parser.add_argument("--data", type=Path, help="folder with MNIST or Fashion-MNIST idx files, gzipped or not")
    parser.add_argument("--epochs", type=int, help="passes over the training images; 12 for the UCI digits, else 3")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=0, help="data loading processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("candelabra-demo"), help="folder for model and pictures")
    options = parser.parse_args(args)
    try:
        return run(options)
    except ModuleNotFoundError as error:
        print(f"candelabra demo: needs {error.name}, which is not installed; pip install 'candelabra[demo]'")
        return 1


def run(options: argparse.Namespace) -> int:
    """Trains, reports, saves, reloads and compares."""
    from rich.console import Console

    console = Console()
    data = load_idx(options.data) if options.data else load_uci_digits()
    device = cb.device(options.device) if options.device else cb.get_default_device()
    cb.manual_seed(options.seed)
    epochs = options.epochs or (12 if len(data.train_labels) < 10_000 else 3)
    console.print(
        f"{data.name}: {len(data.train_labels)} training and {len(data.test_labels)} held-out images, device {device}"
    )
    model = Net(data.train_images.shape[-1]).to(device)
    losses, speed = train(model, data, device, epochs, options, console)
    predicted = predict(model, data.test_images, device)
    accuracy = float((predicted == data.test_labels).mean())
    print_report(console, data.test_labels, predicted, accuracy, speed)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "model.cb"
    cb.save(model.state_dict(), path)
    reloaded = Net(data.train_images.shape[-1]).to(device)
    reloaded.load_state_dict(cb.load(path, map_location=device))
    again = float((predict(reloaded, data.test_images, device) == data.test_labels).mean())
    draw(options.out, losses, data, predicted)
    console.print(f"model reloaded from {path}: accuracy {again:.2%}, the same: {again == accuracy}")
    console.print(f"pictures: {options.out / 'loss.png'}, {options.out / 'predictions.png'}")
    return 0 if again == accuracy else 1


def load_uci_digits() -> Digits:
    """The UCI digits of scikit-learn, 8x8, split 80 to 20 in a fixed random order."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = (found.images / 16.0).astype(np.float32)[:, None]
    labels = found.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    held_out, kept = order[: len(order) // 5], order[len(order) // 5 :]
    return Digits("UCI digits", images[kept], labels[kept], images[held_out], labels[held_out])


def load_idx(folder: Path) -> Digits:
    """MNIST or Fashion-MNIST from their four idx files."""
    arrays = [read_idx(_find(folder, stem)) for stem in ("train-images", "train-labels", "t10k-images", "t10k-labels")]
    train_images, train_labels, test_images, test_labels = arrays
    if len(train_images) != len(train_labels) or len(test_images) != len(test_labels):
        raise SerializationError(
            f"idx files in {folder}: images and labels differ in number, got {[len(a) for a in arrays]}"
        )
    return Digits(
        f"idx files in {folder}",
        (train_images / np.float32(255))[:, None],
        train_labels.astype(np.int64),
        (test_images / np.float32(255))[:, None],
        test_labels.astype(np.int64),
    )


def _find(folder: Path, stem: str) -> Path:
    if not folder.is_dir():
        raise ArgumentError(f"--data: must be a folder with idx files, got {folder}")
    found = sorted(p for p in folder.iterdir() if p.name.startswith(stem) and "idx" in p.name)
    if not found:
        raise ArgumentError(f"--data: {folder} has no file named {stem}*idx*; get MNIST's four idx files")
    return found[0]


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """An idx file of unsigned bytes, gzipped or not.

    Source: the format as described with the MNIST database: two zero bytes, a type code, the number of dims, the
    big-endian sizes, the data.

    Raises:
        SerializationError: not such a file, or cut short.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise SerializationError(f"idx file {path}: cannot be read, got {error}") from error
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or len(raw) < 4 + 4 * raw[3]:
        raise SerializationError(f"idx file {path}: must start with 0, 0, 8 and the number of dims, got {raw[:4]!r}")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", raw[3], 4))
    body = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if body.size != int(np.prod(shape, dtype=np.int64)):
        raise SerializationError(f"idx file {path}: sizes {shape} do not fit its length, got {body.size} bytes of data")
    return body.reshape(shape)


def train(
    model: nn.Module, data: Digits, device: cb.device, epochs: int, options: argparse.Namespace, console: Any
) -> tuple[list[float], float]:
    """Trains with Adam under a cosine schedule; returns the loss of each step and samples a second."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    dataset = cb.utils.data.TensorDataset(
        cb.from_numpy(data.train_images.copy()), cb.from_numpy(data.train_labels.copy())
    )
    loader = cb.utils.data.DataLoader(dataset, options.batch_size, shuffle=True, num_workers=options.workers)
    optimizer = cb.optim.Adam(model.parameters(), lr=3e-3)
    schedule = cb.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    losses: list[float] = []
    model.train()
    start = time.perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=epochs * len(loader))
        for epoch in range(epochs):
            for images, labels in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
                progress.update(task, advance=1, description=f"epoch {epoch + 1}/{epochs} loss {losses[-1]:.4f}")
    return losses, epochs * len(data.train_labels) / (time.perf_counter() - start)


def _batches(images: np.ndarray[Any, Any], size: int = 256) -> Iterator[np.ndarray[Any, Any]]:
    for start in range(0, len(images), size):
        yield images[start : start + size]


def predict(model: nn.Module, images: np.ndarray[Any, Any], device: cb.device) -> np.ndarray[Any, Any]:
    """Classes (N,) the model gives to images."""
    model.eval()
    with cb.no_grad():
        parts = [model(cb.tensor(batch, device=device)).argmax(1).numpy(force=True) for batch in _batches(images)]
    return np.concatenate(parts)


def print_report(
    console: Any, labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], accuracy: float, speed: float
) -> None:
    """Accuracy, speed and the confusion matrix."""
    from rich.table import Table

    classes = int(max(labels.max(), predicted.max())) + 1
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (labels, predicted), 1)
    table = Table("true \\ said", *map(str, range(classes)), title="Confusion matrix, held-out images")
    for i, row in enumerate(counts):
        cells = [f"[bold green]{n}[/]" if i == j else f"[red]{n}[/]" if n else "[dim].[/]" for j, n in enumerate(row)]
        table.add_row(str(i), *cells)
    console.print(table)
    console.print(
        f"accuracy {accuracy:.2%} on {len(labels)} held-out images, {speed:,.0f} samples a second in training"
    )


def draw(folder: Path, losses: list[float], data: Digits, predicted: np.ndarray[Any, Any]) -> None:
    """Saves the loss curve and a sheet of sample predictions, wrong ones first."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(losses, linewidth=0.8)
    axes.set(xlabel="step", ylabel="cross entropy", yscale="log", title=f"Training loss, {data.name}")
    axes.grid(alpha=0.3)
    figure.savefig(folder / "loss.png", dpi=120)
    plt.close(figure)

    order = np.argsort(predicted == data.test_labels, kind="stable")[:40]
    figure, grid = plt.subplots(5, 8, figsize=(10, 7.5), layout="constrained")
    for axis in grid.flat:
        axis.axis("off")
    for axis, i in zip(grid.flat, order, strict=False):
        right = predicted[i] == data.test_labels[i]
        axis.imshow(data.test_images[i, 0], cmap="gray_r")
        text = f"{predicted[i]}" if right else f"{predicted[i]}, is {data.test_labels[i]}"
        axis.set_title(text, color="black" if right else "crimson", fontsize=11)
    figure.savefig(folder / "predictions.png", dpi=120)
    plt.close(figure)
