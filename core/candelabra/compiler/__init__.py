# SPDX-License-Identifier: Apache-2.0
"""The compiler: formulas of ops become kernels of a device; no device is known here."""
