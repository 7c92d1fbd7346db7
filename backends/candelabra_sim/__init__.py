# SPDX-License-Identifier: Apache-2.0
"""The simulated backend: devices with separate memory and late, reordered work, on no hardware but the host's."""
