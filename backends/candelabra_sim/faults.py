# SPDX-License-Identifier: Apache-2.0
"""Faults to order: what a device can do wrong, made to happen at a chosen moment.

    candelabra.sim.inject("out_of_memory", times=1)

Faults, and the moments they count:

    out_of_memory   an allocation finds no room, whatever is free
    kernel          a kernel fails when it runs
    overrun         a kernel writes one byte behind its result
    lost            the device is gone at this launch, until `candelabra.sim.revive()`
"""

from __future__ import annotations

from dataclasses import dataclass

from candelabra._errors import ArgumentError

KINDS = ("out_of_memory", "kernel", "overrun", "lost")


@dataclass
class Fault:
    """One order: what, where, after how many moments, and how often."""

    kind: str
    index: int
    after: int
    times: int


class Faults:
    """Orders not yet carried out."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []
        self.lost: set[int] = set()

    def inject(self, kind: str, device: int = 0, after: int = 0, times: int = 1) -> None:
        """Orders a fault.

        Args:
            kind: one of `out_of_memory`, `kernel`, `overrun`, `lost`.
            device: index of the device.
            after: moments to let pass first.
            times: moments it then happens at.

        Raises:
            ArgumentError: an unknown kind.
        """
        if kind not in KINDS:
            raise ArgumentError(f"inject: kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self._orders.append(Fault(kind, device, after, times))

    def revive(self) -> None:
        """Forgets all orders, and brings lost devices back."""
        self._orders.clear()
        self.lost.clear()

    def strikes(self, kind: str, index: int) -> bool:
        """Whether a fault happens now: called once at each moment it could."""
        if not self._orders:
            return False
        for order in self._orders:
            if order.kind == kind and order.index == index:
                if order.after > 0:
                    order.after -= 1
                    return False
                order.times -= 1
                if order.times <= 0:
                    self._orders.remove(order)
                return True
        return False


__all__ = ["KINDS", "Faults"]
