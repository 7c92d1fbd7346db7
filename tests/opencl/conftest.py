# SPDX-License-Identifier: Apache-2.0
"""The OpenCL backend, and its device of each runtime that is there."""

import pytest

from candelabra._errors import BackendError, DeviceError
from candelabra.dispatcher import load_backend

PLATFORMS = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}


@pytest.fixture(scope="session")
def backend():
    try:
        return load_backend("opencl")
    except (BackendError, DeviceError) as error:
        pytest.skip(str(error))


@pytest.fixture(params=PLATFORMS)
def index(request, backend):
    """Number of the device of one runtime."""
    name = PLATFORMS[request.param]
    found = [i for i, label in enumerate(backend.devices()) if name in label]
    if not found:
        pytest.skip(f"there is no device of {name}; there are {', '.join(backend.devices())}")
    return found[0]


@pytest.fixture
def name(index):
    """The device as programs name it."""
    return f"opencl:{index}"
