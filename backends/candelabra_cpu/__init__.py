# SPDX-License-Identifier: Apache-2.0
"""The host's processor: NumPy arrays and kernels."""
