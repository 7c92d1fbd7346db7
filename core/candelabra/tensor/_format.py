# SPDX-License-Identifier: Apache-2.0
"""Printing of tensors, as PyTorch prints them.

Numbers of one tensor share a notation and a width: integers and bools as they are, floats that are all whole with a
bare point, others with a fixed number of digits, or in scientific notation where that says more. A tensor of more than
`threshold` elements shows the `edgeitems` at both ends of each dim. After the elements stand, where they are not what
one would expect, size, dtype, device, and what the gradient knows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _dtype
from .._config import get_default_dtype
from .._errors import ArgumentError

if TYPE_CHECKING:
    from ._tensor import Tensor

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


@dataclass(frozen=True)
class PrintOptions:
    """How tensors print.

    Attributes:
        precision: digits after the point.
        threshold: elements of the largest tensor shown in full.
        edgeitems: elements shown at each end of a dim of a larger one.
        linewidth: characters of a line.
        sci_mode: scientific notation always or never; where it says more when None.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors print, for the whole process.

    Args:
        precision: digits after the point, 4 at first.
        threshold: elements of the largest tensor shown in full, 1000 at first.
        edgeitems: elements shown at each end of a dim of a larger one, 3 at first.
        linewidth: characters of a line, 80 at first.
        profile: `default`, `short` (2 digits, 2 edge items) or `full` (no threshold); the other arguments refine it.
        sci_mode: scientific notation always or never; where it says more when None, which each call returns to.

    Raises:
        ArgumentError: `profile` is unknown, or a number is negative.

    Example:
        >>> cb.set_printoptions(precision=2)
        >>> cb.tensor([1.12345])
        tensor([1.12])
        >>> cb.set_printoptions(profile="default")
    """
    global _options
    base = _options
    if profile is not None:
        if profile not in PROFILES:
            raise ArgumentError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
        base = PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and value < 0:
            raise ArgumentError(f"set_printoptions: {name} must not be negative, got {name}={value!r}")
    found: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = replace(base, **found, sci_mode=sci_mode)


def get_printoptions() -> dict[str, Any]:
    """How tensors print, as keyword arguments of `set_printoptions`.

    Example:
        >>> cb.get_printoptions()["precision"]
        4
    """
    return dict(vars(_options))


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Sets how tensors print in a `with` block.

    Args:
        options: as of `set_printoptions`.

    Example:
        >>> with cb.printoptions(precision=1):
        ...     print(cb.tensor([0.55]))
        tensor([0.6])
    """
    global _options
    before = _options
    try:
        set_printoptions(**options)
        yield
    finally:
        _options = before


# -- numbers ---------------------------------------------------------------------------------------------------------


def _number_format(values: np.ndarray[Any, Any], options: PrintOptions) -> tuple[Callable[[Any], str], int]:
    """The text of one number such that all of `values` have one notation and one width, and that width."""
    if values.dtype.kind != "f":
        width = _widest(str, values)
        return lambda value: str(value).rjust(width), width
    finite = values[np.isfinite(values) & (values != 0)]
    whole = bool((finite == np.ceil(finite)).all())
    scientific = False
    if finite.size:
        sizes = np.abs(finite.astype(np.float64))
        low, high = float(sizes.min()), float(sizes.max())
        scientific = high / low > 1000.0 or high > 1e8 or (not whole and low < 1e-4)

    text: Callable[[Any], str]
    if options.sci_mode if options.sci_mode is not None else scientific:
        text = f"{{:.{options.precision}e}}".format
    elif whole:
        text = _whole
    else:
        text = f"{{:.{options.precision}f}}".format
    width = _widest(text, finite)  # zeros, infinities and nan follow the others
    return lambda value: text(value).rjust(width), width


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _widest(text: Callable[[Any], str], values: np.ndarray[Any, Any]) -> int:
    return max([len(text(v)) for v in values.tolist()], default=1)


def _format_of(values: np.ndarray[Any, Any], options: PrintOptions) -> tuple[Callable[[Any], str], int]:
    """As `_number_format`, with complex numbers as the sum of their parts."""
    if values.dtype.kind != "c":
        return _number_format(values, options)
    real, real_width = _number_format(values.real, options)
    imag, imag_width = _number_format(values.imag, options)

    def text(value: complex) -> str:
        second = imag(value.imag).lstrip() + "j"
        return real(value.real) + ("" if second[0] in "+-" else "+") + second

    return text, real_width + imag_width + 1  # without the j: PyTorch breaks lines so


# -- brackets --------------------------------------------------------------------------------------------------------


def _brackets(
    items: Any,
    shape: Sequence[int],
    cut: bool,
    indent: int,
    text: Callable[[Any], str],
    width: int,
    options: PrintOptions,
) -> str:
    """Nested brackets around `items`, which are already without what is left out; `shape` is the whole tensor's."""
    if not shape:
        return text(items)
    is_cut = cut and shape[0] > 2 * options.edgeitems
    edge = options.edgeitems
    if len(shape) == 1:
        per_line = max(1, (options.linewidth - indent) // (width + 2))
        words = [text(item) for item in items]
        if is_cut:
            words = [*words[:edge], " ..." if edge else "...", *words[len(words) - edge :]]
        lines = [", ".join(words[i : i + per_line]) for i in range(0, len(words), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    parts = [_brackets(item, shape[1:], cut, indent + 1, text, width, options) for item in items]
    if is_cut:
        parts = [*parts[:edge], "...", *parts[len(parts) - edge :]]
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(t: Tensor, cut: bool, options: PrintOptions) -> np.ndarray[Any, Any]:
    """The elements that are shown, on the host; of a large tensor only they are copied there."""
    backend = t._kind.backend
    if not cut:
        return backend.to_host(t._array)
    edge = options.edgeitems
    shape = t._array.shape
    ends = [[slice(0, edge), slice(n - edge, n)] if n > 2 * edge else [slice(0, n)] for n in shape]
    found = np.empty([min(n, 2 * edge) for n in shape], t._kind.dtype.numpy)
    places = [[slice(0, edge), slice(edge, 2 * edge)] if n > 2 * edge else [slice(0, n)] for n in shape]
    for key, place in zip(itertools.product(*ends), itertools.product(*places), strict=True):
        found[place] = backend.to_host(backend.basic_index(t._array, key))
    return found


def _elements(t: Tensor, indent: int, options: PrintOptions) -> str:
    shape = tuple(t._array.shape)
    cut = math.prod(shape) > options.threshold
    values = _shown(t, cut, options)
    if values.dtype.kind not in "biufc" or (values.dtype.itemsize < 4 and t._kind.dtype.category == 2):
        values = values.astype(np.float32)  # narrow floats, exactly
    text, width = _format_of(values.reshape(-1), options)
    return _brackets(values.tolist(), shape, cut, indent, text, width, options)


# -- the whole -------------------------------------------------------------------------------------------------------


def format_tensor(t: Tensor, prefix: str = "tensor(") -> str:
    """Text of a tensor, in PyTorch's form."""
    options = _options
    dtype = t._kind.dtype
    shape = tuple(t._array.shape)
    size = math.prod(shape)
    notes: list[str] = []
    if t._kind.device.type != "cpu":
        notes.append(f"device='{t._kind.device}'")
    default = get_default_dtype()
    is_expected = dtype in (default, default.to_complex(), _dtype.int64, _dtype.bool_)
    if t.is_meta:
        notes.append(f"size={shape}")
        if dtype is not default:
            notes.append(f"dtype={dtype}")
        body = "..."
    elif not size:
        # An empty tensor's dtype cannot be read off its elements, nor its shape, unless 1-d.
        if len(shape) != 1:
            notes.append(f"size={shape}")
        if dtype is not default:
            notes.append(f"dtype={dtype}")
        body = "[]"
    else:
        if not options.edgeitems:
            notes.append(f"size={shape}")  # nothing else would tell it
        if not is_expected:
            notes.append(f"dtype={dtype}")
        body = _elements(t, len(prefix), options)
    node = t.grad_fn
    if node is not None:
        notes.append(f"grad_fn=<{node.name()}>")
    elif t._node is not None:
        notes.append("requires_grad=True")
    return _with_notes(prefix + body, notes, len(prefix), options)


def _with_notes(text: str, notes: Sequence[str], indent: int, options: PrintOptions) -> str:
    """`text` and what is said after it, each on a new line where the line would grow too long."""
    used = len(text) - text.rfind("\n") + 1
    for note in notes:
        if used + len(note) + 2 > options.linewidth:
            text += ",\n" + " " * indent + note
            used = indent + len(note)
        else:
            text += ", " + note
            used += len(note) + 2
    return text + ")"
