# SPDX-License-Identifier: Apache-2.0
"""From a user's call to a backend's kernel. The extension surface is in `backend` and `hookspecs`."""

from ._fallback import Ledger as Ledger
from ._fallback import allow_fallback as allow_fallback
from ._fallback import observe_dispatch as observe_dispatch
from ._plugins import known_backends as known_backends
from ._plugins import load_backend as load_backend
from ._plugins import problems as problems
from ._plugins import register_backend as register_backend

__all__ = [
    "Ledger",
    "allow_fallback",
    "known_backends",
    "load_backend",
    "observe_dispatch",
    "problems",
    "register_backend",
]
