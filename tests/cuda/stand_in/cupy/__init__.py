# SPDX-License-Identifier: Apache-2.0
"""A stand-in, for tests on machines without a GPU: see `cuda_stand_in.py`."""

import cuda_stand_in

cuda_stand_in.install()
