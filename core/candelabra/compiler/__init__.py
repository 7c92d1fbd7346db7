# SPDX-License-Identifier: Apache-2.0
"""The compiler: formulas of ops become kernels of a device; no device is known here."""

from typing import TYPE_CHECKING

from . import cache as cache

if TYPE_CHECKING:
    from ._show import show as show
else:

    def __getattr__(name):
        if name != "show":
            raise AttributeError(f"module 'candelabra.compiler' has no attribute {name!r}")
        from ._show import show  # loads all of the compiler, which a backend that needs its cache alone must not

        globals()["show"] = show
        return show


__all__ = ["cache", "show"]
