# SPDX-License-Identifier: Apache-2.0
"""Hooks a plugin may implement. They collect descriptions once; none is called on the path of an op."""

from __future__ import annotations

import pluggy

from .backend import BackendInfo

PROJECT = "candelabra"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def candelabra_backends() -> list[BackendInfo]:
    """Descriptions of the backends this plugin brings. Must import nothing heavy."""
