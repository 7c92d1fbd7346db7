# SPDX-License-Identifier: Apache-2.0
"""The OpenCL backend: every device of every working OpenCL runtime, by PyOpenCL."""
