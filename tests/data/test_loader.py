# SPDX-License-Identifier: Apache-2.0
"""DataLoader: order, batching, worker processes and what goes wrong in them."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import candelabra as cb
from candelabra.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)


class Squares(Dataset):
    def __init__(self, n):
        self.n = n

    def __getitem__(self, i):
        return {"x": np.full((3, 50), i, np.float32), "y": i * i}

    def __len__(self):
        return self.n


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(first, self.n, step))


class Broken(Dataset):
    def __init__(self, how):
        self.how = how

    def __getitem__(self, i):
        if i == 5:
            if self.how == "raise":
                raise KeyError("sample five")
            if self.how == "exit":
                os._exit(7)
            time.sleep(60)
        return i

    def __len__(self):
        return 8


class Seeds(Dataset):
    def __getitem__(self, i):
        return cb.rand(1)

    def __len__(self):
        return 4


def labels(loader):
    return [batch["y"].tolist() for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_keeps_order_and_last_batch(workers):
    loader = DataLoader(Squares(7), batch_size=3, num_workers=workers)
    batches = list(loader)
    assert [b["y"].tolist() for b in batches] == [[0, 1, 4], [9, 16, 25], [36]]
    assert batches[1]["x"].shape == (3, 3, 50)
    assert batches[1]["x"][2].unique().tolist() == [5.0]
    assert len(loader) == 3


PROGRAM = """
import sys
import candelabra as cb
from candelabra.utils.data import DataLoader, Dataset


class Squares(Dataset):
    def __getitem__(self, i):
        return cb.full((3,), i * i)

    def __len__(self):
        return 6


if __name__ == "__main__":
    loader = DataLoader(Squares(), batch_size=2, num_workers=2, multiprocessing_context=sys.argv[1])
    print([batch[:, 0].tolist() for batch in loader])
"""


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_workers_start_by_every_method(context, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(program), context], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[[0, 1], [4, 9], [16, 25]]"


def test_batches_stay_valid_after_their_slot_is_reused():
    loader = DataLoader(Squares(40), batch_size=2, num_workers=1, prefetch_factor=2)
    kept = list(loader)
    assert [b["x"][0, 0, 0].item() for b in kept] == [float(i) for i in range(0, 40, 2)]


def test_workers_of_growing_batches():
    sizes = [[0], [1, 2, 3, 4, 5, 6, 7], [8], [9, 10, 11, 12, 13, 14, 15, 16, 17]]
    loader = DataLoader(Squares(20), batch_sampler=sizes, num_workers=1)
    assert labels(loader) == [[i * i for i in batch] for batch in sizes]


def test_persistent_workers_serve_several_passes():
    loader = DataLoader(Squares(4), batch_size=2, num_workers=2, persistent_workers=True)
    first = labels(loader)
    processes = loader._pool.processes
    assert labels(loader) == first == [[0, 1], [4, 9]]
    assert loader._pool.processes is processes
    loader._pool.close()
    assert not any(p.is_alive() for p in processes)


def test_workers_end_when_iteration_is_abandoned():
    loader = DataLoader(Squares(100), batch_size=1, num_workers=2)
    iterator = iter(loader)
    next(iterator)
    iterator.close()
    assert loader._pool is None


def test_iterable_dataset_shares_work_by_worker_info():
    loader = DataLoader(Count(10), batch_size=2, num_workers=2)
    seen = sorted(n for batch in loader for n in batch.tolist())
    assert seen == list(range(10))
    assert [b.tolist() for b in DataLoader(Count(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]


def test_worker_error_arrives_with_its_class_and_traceback():
    with pytest.raises(KeyError, match="sample five") as caught:
        list(DataLoader(Broken("raise"), num_workers=2))
    assert "worker" in str(caught.value)
    assert "__getitem__" in str(caught.value)


def test_worker_that_dies_is_named():
    with pytest.raises(cb.CandelabraError, match="died, got exit code 7"):
        list(DataLoader(Broken("exit"), num_workers=2))


def test_worker_that_hangs_times_out():
    with pytest.raises(cb.CandelabraError, match="raise timeout"):
        list(DataLoader(Broken("hang"), num_workers=1, timeout=0.5))


def test_shuffle_repeats_with_the_seed_and_differs_between_passes():
    def passes(seed):
        cb.manual_seed(seed)
        loader = DataLoader(TensorDataset(cb.arange(50)), batch_size=50, shuffle=True)
        return [next(iter(loader))[0].tolist() for _ in range(2)]

    a, b = passes(1)
    assert a != b
    assert sorted(a) == list(range(50))
    assert passes(1) == [a, b]
    assert passes(2) != [a, b]


def test_workers_draw_different_random_numbers():
    cb.manual_seed(0)
    values = [b.item() for b in DataLoader(Seeds(), num_workers=2)]
    assert len(set(values)) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"num_workers": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"shuffle": True, "sampler": [0]},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"timeout": -1},
    ],
)
def test_contradicting_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        DataLoader(Squares(3), **wrong)


def test_collate_keeps_structure():
    batch = default_collate([{"a": (1, 2.0), "b": "x"}, {"a": (3, 4.0), "b": "y"}])
    assert batch["a"][0].tolist() == [1, 3]
    assert batch["a"][1].dtype is cb.float64
    assert batch["b"] == ["x", "y"]
    with pytest.raises(ValueError, match="one shape"):
        default_collate([cb.ones(2), cb.ones(3)])


def test_samplers_and_subsets():
    assert list(BatchSampler(range(5), 2, drop_last=True)) == [[0, 1], [2, 3]]
    assert len(RandomSampler(range(4), num_samples=10)) == len(list(RandomSampler(range(4), num_samples=10))) == 10
    draws = list(WeightedRandomSampler([0.0, 1.0, 0.0], 20))
    assert set(draws) == {1}
    data = ConcatDataset([Squares(3), Squares(2)])
    assert [data[i]["y"] for i in (0, 2, 3, -1)] == [0, 4, 0, 1]
    assert Subset(range(10), [7, 3])[1] == 3
    assert StackDataset(range(3), range(10, 13))[2] == (2, 12)
    parts = random_split(range(11), [0.5, 0.25, 0.25])
    assert sorted(i for p in parts for i in p.indices) == list(range(11))
    with pytest.raises(ValueError, match="add up"):
        random_split(range(10), [3, 3])
