# SPDX-License-Identifier: Apache-2.0
"""Padding and resizing: new elements along a dim, each taken or mixed from a few old ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import ArgumentError, ShapeError
from ..op._checked import checked
from ..ops.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from ..ops.creation import full
from ..ops.joining import cat
from ..tensor._creation import tensor
from ..tensor._tensor import Tensor

PAD_MODES = ("constant", "reflect", "replicate", "circular")


@checked
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` with elements added to its trailing dims, or taken off where a size is negative.

    Args:
        input: any dtype, shape (*).
        pad: elements before and after the last dim, then before and after the one before it, and so on.
        mode: `constant`; `reflect`, the mirror image without the edge; `replicate`, the edge; `circular`, the far end.
        value: the constant; 0 when None.

    Returns:
        Shape (*), each padded dim larger by its two sizes.

    Raises:
        ArgumentError: an odd number of sizes, an unknown mode, or a value for another mode than `constant`.
        ShapeError: more sizes than dims, or more elements asked for than the mode can take from the input.

    Example:
        >>> cb.nn.functional.pad(cb.tensor([1.0, 2.0, 3.0]).reshape(1, 3), (2, 1), mode="reflect")
        tensor([[3., 2., 1., 2., 3., 2.]])
    """
    sizes = [size.__index__() for size in pad]
    if len(sizes) % 2:
        raise ArgumentError(f"pad: needs two sizes for each dim, got {len(sizes)}: {tuple(sizes)}")
    if mode not in PAD_MODES:
        raise ArgumentError(f"pad: mode must be one of {PAD_MODES}, got {mode!r}")
    if mode != "constant" and value:
        raise ArgumentError(f"pad: value is for mode 'constant' only, got value={value!r}, mode={mode!r}")
    if len(sizes) // 2 > input.dim():
        raise ShapeError(
            f"pad: at most {input.dim()} dims can be padded, got {len(sizes)} sizes for {tuple(input.shape)}"
        )
    result = input
    for i in range(len(sizes) // 2):
        before, after = sizes[2 * i], sizes[2 * i + 1]
        dim = input.dim() - 1 - i
        result = _cropped(result, dim, before, after)
        before, after = max(before, 0), max(after, 0)
        if before or after:
            if mode == "constant":
                result = _with_constant(result, dim, before, after, 0 if value is None else value)
            else:
                _check_reach(tuple(result.shape), dim, before, after, mode)
                result = cat([*_ends(result, dim, before, after, mode)], dim)
    return result.clone() if result is input else result


def _cropped(input: Tensor, dim: int, before: int, after: int) -> Tensor:
    """`input` without the elements that negative sizes take off."""
    if before >= 0 and after >= 0:
        return input
    start = max(-before, 0)
    length = input.shape[dim] - start - max(-after, 0)
    if length < 0:
        raise ShapeError(
            f"pad: sizes must not take off more than there is, got {before}, {after} for {tuple(input.shape)}"
        )
    return input.narrow(dim, start, length)


def _with_constant(input: Tensor, dim: int, before: int, after: int, value: float) -> Tensor:
    shape = tuple(input.shape)

    def block(length: int) -> list[Tensor]:
        sizes = (*shape[:dim], length, *shape[dim + 1 :])
        return [full(sizes, value, dtype=input.dtype, device=input.device)] if length else []

    return cat([*block(before), input, *block(after)], dim)


def _check_reach(shape: tuple[int, ...], dim: int, before: int, after: int, mode: str) -> None:
    limit = {"reflect": shape[dim] - 1, "circular": shape[dim], "replicate": math.inf if shape[dim] else 0}[mode]
    if max(before, after) > limit:
        raise ShapeError(
            f"pad: mode {mode!r} can add {limit} elements to a side at most, got {before} and {after} for dim {dim} of "
            f"{shape}"
        )


def _ends(input: Tensor, dim: int, before: int, after: int, mode: str) -> list[Tensor]:
    """What goes before, the input, and what goes after."""
    size = input.shape[dim]
    parts = [input]
    if mode == "reflect":
        if before:
            parts.insert(0, input.narrow(dim, 1, before).flip(dim))
        if after:
            parts.append(input.narrow(dim, size - 1 - after, after).flip(dim))
    elif mode == "circular":
        if before:
            parts.insert(0, input.narrow(dim, size - before, before))
        if after:
            parts.append(input.narrow(dim, 0, after))
    else:
        shape = list(input.shape)
        for length, place, at in ((before, 0, 0), (after, size - 1, len(parts) + 1)):
            if length:
                shape[dim] = length
                parts.insert(at, input.narrow(dim, place, 1).expand(tuple(shape)))
    return parts


# -- resizing --------------------------------------------------------------------------------------------------------

_RANKS = {"nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5), "linear": (3,), "bilinear": (4,),
          "bicubic": (4,), "trilinear": (5,)}  # fmt: skip


@checked
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """`input` resized in its spatial dims.

    Args:
        input: floating dtype, shape (N, C, *) with 1 to 3 spatial dims.
        size: spatial sizes of the result, one for all or one each.
        scale_factor: factor of the spatial sizes, in place of `size`.
        mode: `nearest`, `nearest-exact`, `area`, `linear` (3 dims), `bilinear` and `bicubic` (4 dims), `trilinear` (5).
        align_corners: map the centres of the corner elements on each other, instead of the corners of the images.
        recompute_scale_factor: take the scale from the sizes instead of from `scale_factor`.
        antialias: widen the filter when shrinking; for `bilinear` and `bicubic`.

    Returns:
        Shape (N, C, *).

    Raises:
        ArgumentError: an unknown mode, both or neither of `size` and `scale_factor`, or options a mode does not have.
        ShapeError: a number of dims the mode does not take.

    Source: bicubic after Keys (1981), with a = -0.75, and -0.5 when antialiased.

    Example:
        >>> cb.nn.functional.interpolate(cb.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode not in _RANKS:
        raise ArgumentError(f"interpolate: mode must be one of {tuple(_RANKS)}, got {mode!r}")
    if input.dim() not in _RANKS[mode]:
        raise ShapeError(f"interpolate: mode {mode!r} needs {_RANKS[mode]} dims, got {tuple(input.shape)}")
    smooth = mode in ("linear", "bilinear", "bicubic", "trilinear")
    if align_corners is not None and not smooth:
        raise ArgumentError(f"interpolate: align_corners is for linear and cubic modes only, got mode={mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ArgumentError(f"interpolate: antialias is for bilinear and bicubic only, got mode={mode!r}")
    sizes, scales = _target(input, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[len(sizes) - 1](input, sizes)
    result = input
    for dim in range(2, input.dim()):
        old, new, scale = input.shape[dim], sizes[dim - 2], scales[dim - 2]
        if mode in ("nearest", "nearest-exact"):
            places, weights = _nearest(old, new, scale, mode == "nearest-exact"), None
        elif antialias:
            places, weights = _antialiased(old, new, scale, bool(align_corners), mode == "bicubic")
        else:
            places, weights = _smooth(old, new, scale, bool(align_corners), mode == "bicubic")
        same_places = np.array_equal(places[:, 0], np.arange(old))
        if not (same_places and (weights is None or bool(np.all(weights[:, 0] == 1)))):
            result = _mixed(result, dim, places, weights)
    return result.clone() if result is input else result


def _target(
    input: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], list[float | None]]:
    """Spatial sizes of the result, and for each dim the scale to use, None for that of the sizes."""
    spatial = tuple(input.shape[2:])
    if (size is None) == (scale_factor is None):
        raise ArgumentError(
            f"interpolate: needs either size or scale_factor, got size={size!r}, scale_factor={scale_factor!r}"
        )
    given = scale_factor if size is None else size
    values = list(given) if isinstance(given, (tuple, list)) else [given] * len(spatial)
    if len(values) != len(spatial):
        raise ArgumentError(f"interpolate: needs one value for each of {len(spatial)} dims, got {given!r}")
    if size is not None:
        sizes, scales = tuple(int(v) for v in values), [None] * len(spatial)
    else:
        sizes = tuple(math.floor(old * factor) for old, factor in zip(spatial, values, strict=True))
        scales = [None if recompute else 1.0 / factor for factor in values]
    if min(sizes, default=1) < 1 or min(spatial, default=1) < 1:
        raise ShapeError(f"interpolate: sizes must be positive, got {spatial} to {sizes}")
    return sizes, scales  # type: ignore[return-value]


def _step(old: int, new: int, scale: float | None, align_corners: bool) -> float:
    """Old elements to one new one."""
    if align_corners:
        return (old - 1) / (new - 1) if new > 1 else 0.0
    return old / new if scale is None else scale


def _nearest(old: int, new: int, scale: float | None, exact: bool) -> np.ndarray[Any, Any]:
    # In single precision, as the elements picked for factors such as 1 / 3 depend on it.
    step = np.float32(old / new if scale is None else scale)
    centres = (np.arange(new, dtype=np.float32) + np.float32(0.5 if exact else 0.0)) * step
    return np.minimum(np.floor(centres).astype(np.int64), old - 1)[:, None]


def _smooth(
    old: int, new: int, scale: float | None, align_corners: bool, cubic: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(places, weights) of the two or four old elements around each new one."""
    step = _step(old, new, scale, align_corners)
    at = np.arange(new) * step if align_corners else (np.arange(new) + 0.5) * step - 0.5
    if not cubic:
        at = np.maximum(at, 0.0)
    first = np.floor(at).astype(np.int64)
    reach = np.arange(-1, 3) if cubic else np.arange(2)
    places = first[:, None] + reach
    distances = np.abs(at[:, None] - places)
    weights = _cubic(distances, -0.75) if cubic else np.maximum(1 - distances, 0.0)
    return np.clip(places, 0, old - 1), weights


def _cubic(distance: np.ndarray[Any, Any], a: float) -> np.ndarray[Any, Any]:
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _antialiased(
    old: int, new: int, scale: float | None, align_corners: bool, cubic: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(places, weights) of all old elements under a filter as wide as a new one."""
    step = _step(old, new, scale, align_corners)
    width = max(step, 1.0)
    reach = (2.0 if cubic else 1.0) * width
    centres = step * (np.arange(new) + 0.5)
    low = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    high = np.minimum((centres + reach + 0.5).astype(np.int64), old)
    places = low[:, None] + np.arange(int((high - low).max()))
    distances = np.abs(places - centres[:, None] + 0.5) / width
    weights = _cubic(distances, -0.5) if cubic else np.maximum(1 - distances, 0.0)
    weights = np.where(places < high[:, None], weights, 0.0)
    return np.minimum(places, old - 1), weights / weights.sum(axis=1, keepdims=True)


def _mixed(input: Tensor, dim: int, places: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None) -> Tensor:
    """Along a dim, the weighted sum of the elements at the columns of `places`."""
    columns = (tensor(places[:, i].copy(), device=input.device) for i in range(places.shape[1]))
    parts = [input.index_select(dim, column) for column in columns]
    if weights is None:
        return parts[0]
    shape = (len(places),) + (1,) * (input.dim() - dim - 1)
    factors = [tensor(weights[:, i].reshape(shape), dtype=input.dtype, device=input.device) for i in range(len(parts))]
    total = parts[0] * factors[0]
    for part, factor in zip(parts[1:], factors[1:], strict=True):
        total = total + part * factor
    return total
