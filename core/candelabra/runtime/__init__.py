# SPDX-License-Identifier: Apache-2.0
"""Devices at run time: streams and events, memory, copies between devices, sharing by DLPack, a module for each backend."""

from ._module import DeviceModule as DeviceModule
from ._streams import Event as Event
from ._streams import Stream as Stream

__all__ = ["DeviceModule", "Event", "Stream"]
