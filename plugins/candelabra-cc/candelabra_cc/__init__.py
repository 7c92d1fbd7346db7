# SPDX-License-Identifier: Apache-2.0
"""A backend whose kernels the system's C compiler builds: what a third party needs for a device with a C compiler."""
