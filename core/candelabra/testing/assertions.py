# SPDX-License-Identifier: Apache-2.0
"""Comparisons for tests: `assert_close`, with tolerances by dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import _dtype
from .._dtype import dtype
from .._errors import ArgumentError

TOLERANCES: dict[dtype, tuple[float, float]] = {
    _dtype.float16: (1e-3, 1e-5),
    _dtype.bfloat16: (1.6e-2, 1e-5),
    _dtype.float32: (1.3e-6, 1e-5),
    _dtype.float64: (1e-7, 1e-7),
    _dtype.complex64: (1.3e-6, 1e-5),
    _dtype.complex128: (1e-7, 1e-7),
}
"""(relative, absolute) tolerance by dtype; exact for all others."""


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless `actual` and `expected` are close: |actual - expected| <= atol + rtol |expected|.

    Args:
        actual: tensor, array, number, or a sequence or mapping of them.
        expected: the same structure.
        allow_subclasses: False to ask for one type on both sides.
        rtol: relative tolerance; by dtype when None, the larger one of two dtypes.
        atol: absolute tolerance; given together with `rtol` or not at all.
        equal_nan: whether nan equals nan.
        check_device: whether the devices must be one.
        check_dtype: whether the dtypes must be one.
        check_layout: whether the layouts must be one.
        check_stride: whether the strides must be the same.
        msg: replaces the message, or is called with it.

    Raises:
        AssertionError: they differ; the message names the worst element.
        ArgumentError: only one of `rtol` and `atol` is given.

    Source: torch.testing.assert_close semantics and tolerances.

    Example:
        >>> cb.testing.assert_close(cb.tensor([1.0, 2.0]), cb.tensor([1.0, 2.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ArgumentError(f"assert_close: rtol and atol must be given together, got rtol={rtol}, atol={atol}")
    found = _difference(
        actual,
        expected,
        "",
        _Rules(allow_subclasses, rtol, atol, equal_nan, check_device, check_dtype, check_layout, check_stride),
    )
    if found is not None:
        raise AssertionError(msg(found) if callable(msg) else found if msg is None else msg)


class _Rules:
    """The options of one comparison."""

    def __init__(
        self,
        allow_subclasses: bool,
        rtol: float | None,
        atol: float | None,
        equal_nan: bool,
        check_device: bool,
        check_dtype: bool,
        check_layout: bool,
        check_stride: bool,
    ) -> None:
        self.allow_subclasses = allow_subclasses
        self.rtol, self.atol = rtol, atol
        self.equal_nan = equal_nan
        self.check_device, self.check_dtype = check_device, check_dtype
        self.check_layout, self.check_stride = check_layout, check_stride

    def tolerances(self, kinds: Sequence[dtype | None]) -> tuple[float, float]:
        """The tolerances given, or the largest by dtype."""
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        known = [TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds if kind is not None] or [(0.0, 0.0)]
        return max(r for r, _ in known), max(a for _, a in known)


def _difference(actual: Any, expected: Any, where: str, rules: _Rules) -> str | None:
    """What differs, or None."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"assert_close{where}: keys differ, got {sorted(map(str, actual))} for {sorted(map(str, expected))}"
        return next((d for k in expected if (d := _difference(actual[k], expected[k], f"{where}[{k!r}]", rules))), None)
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"assert_close{where}: lengths differ, got {len(actual)} for {len(expected)}"
        pairs = enumerate(zip(actual, expected, strict=True))
        return next((d for i, (a, e) in pairs if (d := _difference(a, e, f"{where}[{i}]", rules))), None)
    if actual is None or expected is None or isinstance(actual, str) or isinstance(expected, str):
        return None if actual == expected else f"assert_close{where}: not equal, got {actual!r} for {expected!r}"
    return _compare(actual, expected, where, rules)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _compare(actual: Any, expected: Any, where: str, rules: _Rules) -> str | None:
    if not rules.allow_subclasses and type(actual) is not type(expected):
        return f"assert_close{where}: types differ, got {type(actual).__name__} for {type(expected).__name__}"
    what = _facts_differ(actual, expected, rules)
    if what is not None:
        return f"assert_close{where}: {what}"
    a, e = _host(actual), _host(expected)
    if a.shape != e.shape:
        return f"assert_close{where}: shapes differ, got {a.shape} for {e.shape}"
    rtol, atol = rules.tolerances([_kind(actual), _kind(expected)])
    return _values_differ(a, e, where, rtol, atol, rules.equal_nan)


def _facts_differ(actual: Any, expected: Any, rules: _Rules) -> str | None:
    """Device, dtype, layout and strides, of tensors on both sides."""
    if not (hasattr(actual, "_kind") and hasattr(expected, "_kind")):
        kinds = _kind(actual), _kind(expected)
        if rules.check_dtype and None not in kinds and kinds[0] is not kinds[1] and not _numbers(actual, expected):
            return f"dtypes differ, got {kinds[0].name} for {kinds[1].name}"  # type: ignore[union-attr]
        return None
    if rules.check_device and actual.device is not expected.device:
        return f"devices differ, got {actual.device} for {expected.device}"
    if rules.check_dtype and actual.dtype is not expected.dtype:
        return f"dtypes differ, got {actual.dtype.name} for {expected.dtype.name}"
    if rules.check_layout and actual.layout is not expected.layout:
        return f"layouts differ, got {actual.layout} for {expected.layout}"
    if rules.check_stride and tuple(actual.stride()) != tuple(expected.stride()):
        return f"strides differ, got {tuple(actual.stride())} for {tuple(expected.stride())}"
    return None


def _numbers(*values: Any) -> bool:
    return any(isinstance(v, (bool, int, float, complex)) for v in values)


def _kind(value: Any) -> dtype | None:
    """The dtype tolerances are taken from; that of Python numbers is the wide one of their category."""
    if hasattr(value, "_kind"):
        return value.dtype
    if isinstance(value, (bool, int)):
        return None
    if isinstance(value, float):
        return _dtype.float64
    if isinstance(value, complex):
        return _dtype.complex128
    found: dtype = _dtype.from_numpy_dtype(np.asarray(value).dtype)
    return found


def _host(value: Any) -> np.ndarray[Any, Any]:
    """The elements on the host, in a dtype NumPy computes in without losing any."""
    array = value.numpy(force=True) if hasattr(value, "_kind") else np.asarray(value)
    if array.dtype.kind in "biu":
        return array
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array.astype(np.float32).astype(np.float64) if array.dtype.itemsize < 4 else array.astype(np.float64)


def _values_differ(
    a: np.ndarray[Any, Any], e: np.ndarray[Any, Any], where: str, rtol: float, atol: float, equal_nan: bool
) -> str | None:
    with np.errstate(all="ignore"):
        same = a == e
        if a.dtype.kind in "biu" and e.dtype.kind in "biu" and rtol == atol == 0:
            distance, allowed = (~same).astype(np.float64), np.zeros(e.shape)
        else:
            distance = np.abs(a.astype(np.complex128) - e.astype(np.complex128))
            allowed = atol + rtol * np.abs(e.astype(np.complex128))
        good = same | (np.isfinite(distance) & np.isfinite(allowed) & (distance <= allowed))
        if equal_nan:
            good |= np.isnan(a.astype(np.complex128)) & np.isnan(e.astype(np.complex128))
    if good.all():
        return None
    bad = ~good
    excess = np.where(bad, np.nan_to_num(distance, nan=np.inf), -1.0)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), bad.shape)) if bad.ndim else ()
    return (
        f"assert_close{where}: {int(bad.sum())} of {bad.size} elements differ, got {a[index]} for {e[index]} at {list(index)}: "
        f"difference {float(np.asarray(distance)[index]):.3g}, allowed {float(np.asarray(allowed)[index]):.3g} "
        f"(rtol={rtol:g}, atol={atol:g})"
    )
