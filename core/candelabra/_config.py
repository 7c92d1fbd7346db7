# SPDX-License-Identifier: Apache-2.0
"""What a context or a process decides: grad mode, default dtype and device, fallback, the user's config file.

Context variables, so that threads and async tasks do not see each other's settings. Values that no context has set
come from the environment (`CANDELABRA_DEVICE`), then from the config file, then from the defaults here.
"""

from __future__ import annotations

import functools
import os
import tomllib
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from . import _dtype
from ._dtype import dtype
from ._errors import ArgumentError, DTypeError

grad_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)
inference_mode: ContextVar[bool] = ContextVar("inference_mode", default=False)
anomaly_mode: ContextVar[bool] = ContextVar("anomaly_mode", default=False)
anomaly_check_nan: ContextVar[bool] = ContextVar("anomaly_check_nan", default=True)

anomaly_contexts = 0
"""How many contexts of any thread are in anomaly mode: one cheap look before the context variable is asked."""

_default_dtype = _dtype.float32


def set_default_dtype(d: dtype, /) -> None:
    """Sets the dtype of tensors made from Python floats; process-wide.

    Raises:
        DTypeError: `d` is not a floating dtype.
    """
    global _default_dtype
    if not _dtype.check_dtype(d).is_floating_point or d.is_storage_only:
        raise DTypeError(f"set_default_dtype: needs a floating dtype, got {d!r}")
    _default_dtype = d


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats; float32 unless set.

    Example:
        >>> cb.get_default_dtype()
        candelabra.float32
    """
    return _default_dtype


PRECISIONS = ("highest", "high", "medium")

_matmul_precision = "highest"


def set_float32_matmul_precision(precision: str, /) -> None:
    """Sets how exactly float32 operands of matrix products and convolutions are read; process-wide.

    Args:
        precision: "highest" keeps float32. "high" lets devices round operands to 10 bits of fraction (TensorFloat-32),
            "medium" to 7 (bfloat16), where that is faster; sums stay float32. Devices that gain nothing ignore it.

    Raises:
        ArgumentError: none of these.

    Example:
        >>> cb.set_float32_matmul_precision("highest")
    """
    global _matmul_precision
    if precision not in PRECISIONS:
        raise ArgumentError(f"set_float32_matmul_precision: must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    _matmul_precision = precision


def get_float32_matmul_precision() -> str:
    """How exactly float32 operands of matrix products and convolutions are read; "highest" unless set.

    Example:
        >>> cb.get_float32_matmul_precision()
        'highest'
    """
    return _matmul_precision


def config_path() -> Path:
    """The user's config file: `CANDELABRA_CONFIG`, else `candelabra.toml` in the XDG config folder."""
    if path := os.environ.get("CANDELABRA_CONFIG"):
        return Path(path)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "candelabra.toml"


@functools.cache
def config_file() -> dict[str, Any]:
    """The parsed config file, empty where there is none; raises ArgumentError when it is not TOML."""
    path = config_path()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"config file {path}: not valid TOML, got {error}; mend or remove it") from error


def setting(name: str, default: str) -> str:
    """A setting by environment (`CANDELABRA_<NAME>`), config file, or default."""
    return os.environ.get(f"CANDELABRA_{name.upper()}") or str(config_file().get(name, default))
