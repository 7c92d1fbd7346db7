# SPDX-License-Identifier: Apache-2.0
"""Datasets: things with samples by index, or samples in a row."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..._errors import ArgumentError, CallError, DimError, ShapeError
from ...tensor._tensor import Tensor

T = TypeVar("T", covariant=True)


class Dataset(Generic[T]):
    """Samples by index. Subclasses give `__getitem__` and `__len__`.

    `__getitems__(indices)`, where given, fetches a whole batch at once.
    """

    def __getitem__(self, index: Any) -> T:
        raise CallError(f"Dataset: __getitem__ must be given by the subclass, got {type(self).__name__} without one")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T]):
    """Samples in a row. Subclasses give `__iter__`; with several workers each must take its share by worker info."""

    def __iter__(self) -> Iterator[T]:
        raise CallError(
            f"IterableDataset: __iter__ must be given by the subclass, got {type(self).__name__} without one"
        )

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples cut from tensors along their first dim.

    Args:
        tensors: all of the same first size.

    Raises:
        ShapeError: first sizes differ.

    Example:
        >>> cb.utils.data.TensorDataset(cb.arange(3), cb.zeros(3))[1]
        (tensor(1), tensor(0.))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if len({t.shape[0] for t in tensors}) > 1:
            raise ShapeError(f"TensorDataset: first sizes must agree, got {[tuple(t.shape) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, ...]]:
        # One gather a tensor instead of one view a sample.
        columns = [t[list(indices)].unbind(0) for t in self.tensors]
        return list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return self.tensors[0].shape[0] if self.tensors else 0


class StackDataset(Dataset[Any]):
    """Samples side by side: tuples of one sample of each dataset, or dicts when they are given by name.

    Raises:
        ShapeError: lengths differ.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise CallError("StackDataset: takes datasets either by position or by name, got both or none")
        self.datasets: Any = args or kwargs
        lengths = {len(d) for d in (args or kwargs.values())}
        if len(lengths) > 1:
            raise ShapeError(f"StackDataset: datasets must be of one length, got {sorted(lengths)}")
        self._length = lengths.pop()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[Any]):
    """Datasets one after another.

    Raises:
        ArgumentError: no dataset is given.
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ArgumentError("ConcatDataset: needs at least one dataset, got none")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: Any) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise DimError(f"ConcatDataset: index must be in [{-size}, {size}), got {index}")
        index %= size
        which = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[Any]):
    """Iterable datasets one after another."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)


class Subset(Dataset[Any]):
    """Some samples of a dataset, in the order of `indices`."""

    def __init__(self, dataset: Dataset[Any], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        chosen = [self.indices[i] for i in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        return fetch(chosen) if callable(fetch) else [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset: Dataset[Any], lengths: Sequence[int | float], generator: Any = None) -> list[Subset]:
    """Splits a dataset at random into parts without overlap.

    Args:
        dataset: of known length.
        lengths: sizes that add up to it, or fractions that add up to 1; a remainder goes round the parts.
        generator: source of random numbers; the default one when None.

    Returns:
        One subset a length.

    Raises:
        ArgumentError: lengths do not add up.

    Example:
        >>> [len(part) for part in cb.utils.data.random_split(range(10), [0.7, 0.3])]
        [7, 3]
    """
    from ...ops.drawing import randperm

    total = len(dataset)  # type: ignore[arg-type]
    if (
        any(isinstance(n, float) for n in lengths)
        and math.isclose(sum(lengths), 1)
        and all(0 <= n <= 1 for n in lengths)
    ):
        sizes = [math.floor(total * n) for n in lengths]
        for i in range(total - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(n) for n in lengths]
    if sum(sizes) != total or any(n < 0 for n in sizes):
        raise ArgumentError(f"random_split: lengths must add up to {total} or, as fractions, to 1, got {list(lengths)}")
    order = randperm(total, generator=generator).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
