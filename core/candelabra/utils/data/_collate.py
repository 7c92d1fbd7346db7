# SPDX-License-Identifier: Apache-2.0
"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..._dtype import float64
from ..._errors import CallError, ShapeError
from ...tensor._creation import as_tensor, tensor
from ...tensor._tensor import Tensor


def _same_kind(data: Any, parts: list[Any]) -> Any:
    """`parts` in a container like `data`: named tuples stay named tuples, other sequences become lists."""
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*parts)
    return tuple(parts) if isinstance(data, tuple) else parts


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers in `data` as tensors; containers and everything else as they are.

    Example:
        >>> import numpy as np
        >>> cb.utils.data.default_convert([np.ones(2), "a"])
        [tensor([1., 1.], dtype=candelabra.float64), 'a']
    """
    if isinstance(data, np.ndarray) and data.dtype.kind in "biufc":
        return as_tensor(data)
    if isinstance(data, np.generic) and data.dtype.kind in "biufc":
        return tensor(data)
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _same_kind(data, [default_convert(value) for value in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch from samples: tensors and arrays stacked, numbers in a tensor, containers collated field by field.

    Args:
        batch: samples of one structure.

    Returns:
        The samples' structure with a new first dim; strings and bytes stay lists.

    Raises:
        ShapeError: samples of different shapes or lengths.
        CallError: samples of a type that cannot be batched.

    Example:
        >>> cb.utils.data.default_collate([(cb.ones(2), 1), (cb.zeros(2), 2)])
        [tensor([[1., 1.],
                [0., 0.]]), tensor([1, 2])]
    """
    from ...ops.joining import stack

    first = batch[0]
    if isinstance(first, Tensor):
        shapes = {tuple(sample.shape) for sample in batch}
        if len(shapes) > 1:
            raise ShapeError(
                f"default_collate: samples must have one shape, got {sorted(shapes)}; pad them or give collate_fn"
            )
        return stack(list(batch))
    if isinstance(first, np.ndarray) and first.dtype.kind in "biufc":
        return default_collate([as_tensor(sample) for sample in batch])
    if isinstance(first, np.generic) and first.dtype.kind in "biufc":
        return tensor(np.asarray(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, (bool, int, complex)):
        return tensor(list(batch))
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) > 1:
            raise ShapeError("default_collate: samples must have one length, got several; pad them or give collate_fn")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise CallError(
        f"default_collate: samples must be tensors, arrays, numbers, strings or containers of them, got "
        f"{type(first).__name__}; give collate_fn"
    )
