# SPDX-License-Identifier: Apache-2.0
"""A fresh simulated device for each test."""

import pytest

import candelabra as cb


@pytest.fixture
def sim():
    """`candelabra.sim` with nothing pending, no faults, no cached memory, and choices from seed 0."""
    module = cb.sim
    module.revive()
    module.schedule(0)
    yield module
    module.revive()
    module.schedule(0)
    for index in range(module.device_count()):
        module.set_memory_limit(0, index)
        try:
            module.synchronize(index)
        except cb.CandelabraError:
            module.synchronize(index)  # what a test broke is told once
    module.empty_cache()
